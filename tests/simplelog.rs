//! simplelog as the program's logger, an appender as its sink. It takes its lock *before* it looks at its filters: only
//! a level above ureq's lines, or a filter in front of it, keeps the sink from waiting for itself.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use log::LevelFilter;
use oss_append::testing::{FakeOss, Fault};
use std::{sync::mpsc, thread, time::Duration};

/// The outer filter turns ureq's lines away before simplelog sees them, so that its own level can be any.
#[test]
fn with_ureq_filtered_off_in_front_of_simplelog_the_program_goes_on_and_log_flush_appends() {
    let oss = FakeOss::start().unwrap();
    let sink = oss.bucket("bucket").appender("app.log").whole_lines(true).buffer_capacity(100).open().unwrap();
    let config = simplelog::ConfigBuilder::new().set_time_level(LevelFilter::Off).build();
    let simple: Box<dyn log::Log> = simplelog::WriteLogger::new(LevelFilter::Trace, config, sink);
    fern::Dispatch::new()
        .level(LevelFilter::Trace)
        .level_for("ureq", LevelFilter::Off)
        .level_for("ureq_proto", LevelFilter::Off) // fern's names are whole modules
        .chain(simple)
        .apply()
        .unwrap();

    oss.inject(Fault::LoseAnswer);
    let (done, end) = mpsc::channel();
    let program = thread::spawn(move || {
        for n in 10..30 {
            log::info!(target: "app", "record {n}"); // 17 bytes
        }
        log::logger().flush();
        done.send(()).unwrap();
    });
    end.recv_timeout(Duration::from_secs(60)).expect("the logger waits for itself");
    program.join().unwrap();

    let text = String::from_utf8(oss.object("bucket", "app.log").unwrap()).unwrap();
    assert!(text.lines().zip(10..30).all(|(line, n)| line == format!("[INFO] record {n}")), "{text}");
    assert_eq!(text.lines().count(), 20);
    let appends: Vec<_> = oss.requests().into_iter().filter(|r| r.method == "POST").map(|r| r.body_len).collect();
    assert_eq!(appends, [85, 85, 85, 85]);
}
