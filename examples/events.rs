//! What a hook tells of a bad day: lost answers, a busy service, a wrong clock, somebody else in the log, a full object.
//!
//! ```console
//! $ cargo run --example events   # offline: a fake OSS inside this program goes wrong as told
//! a quiet hour
//! an answer is lost
//!   ask about append to "app.log" at 13..31: the request was sent, but no whole answer came back: Peer disconnected
//!   settled: append to "app.log" at 13..31 is in
//! ...
//! Every line is in the log once, and 16 events were told.
//! ```

use oss_append::testing::{FakeOss, Fault};
use oss_append::{Event, OnConflict};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{error::Error, io::Write, sync::Arc};

fn main() -> Result<(), Box<dyn Error>> {
    let oss = FakeOss::start()?;
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    // stdout is no appender: nothing here can call the hook from inside itself.
    let bucket = oss.builder("bucket").on_event(move |event| {
        count.fetch_add(1, Relaxed);
        let mark = if matches!(event, Event::Failed { .. }) { '!' } else { ' ' };
        println!("{mark} {event}");
    });
    let log = bucket.build()?.appender("app.log").on_conflict(OnConflict::Rebase);
    let mut log = log.roll_over(100, |_| "app-2.log".to_owned()).open()?;
    let theirs = b"theirs\n".to_vec();
    let day: [(&str, &[Fault]); 7] = [
        ("a quiet hour", &[]),
        ("an answer is lost", &[Fault::LoseAnswer]),
        ("a request is lost", &[Fault::LoseRequest]),
        ("the service is busy", &[Fault::Refuse(503, "SlowDown")]),
        ("somebody else appends", &[Fault::StrangerBefore(theirs.clone())]),
        ("the service's clock is an hour ahead", &[]),
        ("no right to append any more", &[Fault::Refuse(403, "AccessDenied")]),
    ];
    let mut expected = theirs;
    for (what, faults) in &day {
        println!("{what}");
        if what.contains("clock") {
            oss.set_clock_offset(3600);
        }
        faults.iter().for_each(|fault| oss.inject(fault.clone()));
        let line = format!("{what}\n");
        expected.extend(line.as_bytes());
        log.write_all(line.as_bytes())?;
        let _ = log.flush(); // as loggers do; what failed stays pending and goes out with the next
    }
    log.finish()?;
    let object = |key| oss.object("bucket", key).unwrap_or_default();
    let mut lines: Vec<_> = [object("app.log"), object("app-2.log")].concat();
    lines.sort_unstable();
    expected.sort_unstable();
    assert!(lines == expected, "the objects do not hold what was written");
    println!("Every line is in the log once, and {} events were told.", told.load(Relaxed));
    Ok(())
}
