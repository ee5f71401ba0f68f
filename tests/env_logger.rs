//! env_logger as the program's logger, an appender as its sink: with ureq's own lines filtered off, nothing deadlocks.
//!
//! Without: ureq logs through the `log` crate while the sink sends, on the thread that holds the sink's lock. Were such
//! a line let through, it would wait for that lock forever.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use log::{LevelFilter, Log, Metadata, Record};
use oss_append::testing::{FakeOss, Fault};
use std::{
    cell::Cell,
    io::{self, Write},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

thread_local! {
    /// This thread is inside the sink, and the logger holds the lock around it.
    static IN_SINK: Cell<bool> = const { Cell::new(false) };
}

struct Sink<W>(W);

impl<W: Write> Sink<W> {
    fn inside<T>(&mut self, f: impl FnOnce(&mut W) -> T) -> T {
        IN_SINK.set(true);
        let result = f(&mut self.0);
        IN_SINK.set(false);
        result
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inside(|sink| sink.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inside(Write::flush)
    }
}

/// Looks at every record before the logger does.
struct Watched {
    logger: env_logger::Logger,
    unfiltered: env_logger::Logger,
}

/// Of what was logged inside the sink: the target, whether the logger's filter lets it through, and whether it would
/// without the line about ureq.
static INSIDE: Mutex<Vec<(String, bool, bool)>> = Mutex::new(Vec::new());

impl Log for Watched {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if IN_SINK.get() {
            let seen = (self.logger.matches(record), self.unfiltered.matches(record));
            INSIDE.lock().unwrap().push((record.target().to_owned(), seen.0, seen.1));
        }
        self.logger.log(record);
    }

    fn flush(&self) {}
}

#[test]
fn with_ureq_filtered_off_a_sink_that_appends_does_not_log_into_itself() {
    let oss = FakeOss::start().unwrap();
    let sink = Sink(oss.bucket("bucket").appender("app.log").open().unwrap());
    let logger = env_logger::Builder::new()
        .filter_level(LevelFilter::Trace)
        .filter_module("ureq", LevelFilter::Off) // a prefix: ureq_proto, too
        .target(env_logger::Target::Pipe(Box::new(sink)))
        .build();
    let unfiltered = env_logger::Builder::new().filter_level(LevelFilter::Trace).build();
    log::set_boxed_logger(Box::new(Watched { logger, unfiltered })).unwrap();
    log::set_max_level(LevelFilter::Trace);

    oss.inject(Fault::LoseAnswer);
    let (done, end) = mpsc::channel();
    let program = thread::spawn(move || {
        for n in 0..3 {
            log::info!(target: "app", "record {n}");
        }
        done.send(()).unwrap();
    });
    end.recv_timeout(Duration::from_secs(60)).expect("the logger waits for itself");
    program.join().unwrap();

    let text = String::from_utf8(oss.object("bucket", "app.log").unwrap()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines, ["[INFO  app] record 0", "[INFO  app] record 1", "[INFO  app] record 2"]);
    assert_eq!(oss.requests().iter().filter(|request| request.method == "POST").count(), 3);

    let inside = INSIDE.lock().unwrap();
    assert!(!inside.is_empty(), "if ureq has become silent, the warnings in the documentation can go");
    for (target, passes, would_pass) in &*inside {
        assert!(target.starts_with("ureq"), "{target} logs while the sink sends: say so in the documentation");
        assert!(!passes && *would_pass, "{target}");
    }
}
