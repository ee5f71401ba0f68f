//! The end of an appender: `finish` proves, `into_parts` hands back, dropping makes one attempt and never more.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Appender, Auth, BoxError, Bucket, Checkpoint, Credentials, Error, ErrorKind, FinishError, Found,
    Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    error::Error as _,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

const HOURS: Duration = Duration::from_secs(10 * 3600);

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

fn hasty(oss: &FakeOss) -> Bucket {
    oss.builder("bucket").attempts(1).build().unwrap()
}

/// With these bytes pending.
fn holding(bucket: &Bucket, bytes: &str) -> Appender {
    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(bytes.as_bytes()).unwrap();
    log
}

/// With these bytes in doubt: the answer and every question were lost.
fn in_doubt(oss: &FakeOss, bytes: &str) -> Appender {
    let mut log = holding(&hasty(oss), bytes);
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
    log
}

fn text(oss: &FakeOss) -> Option<String> {
    oss.object("bucket", "log").map(|bytes| String::from_utf8(bytes).unwrap())
}

fn requests(oss: &FakeOss) -> usize {
    oss.requests().len()
}

// ---- finish --------------------------------------------------------------------------------------------------------

#[test]
fn finish_sends_and_proves_everything_accepted_whatever_the_threshold() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").flush_threshold(usize::MAX).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    log.flush().unwrap();
    assert_eq!(text(&oss), None);
    assert_eq!(log.finish().unwrap(), Checkpoint::default().advance("abc"));
    assert_eq!(text(&oss).unwrap(), "abc");
}

#[test]
fn after_finish_nothing_is_sent_by_dropping() {
    let (oss, bucket) = start();
    holding(&bucket, "abc").finish().unwrap();
    assert_eq!(requests(&oss), 1);
    assert_eq!(text(&oss).unwrap(), "abc");
}

#[test]
fn a_finish_that_failed_can_be_finished_again() {
    let (oss, bucket) = start();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let error = holding(&bucket, "abc").finish().unwrap_err();
    assert_eq!((error.error().outcome(), error.error().code()), (Outcome::NotApplied, Some("AccessDenied")));
    let log = error.into_appender();
    assert_eq!(log.pending(), b"abc");
    assert_eq!(log.finish().unwrap().position, 3);
    assert_eq!(text(&oss).unwrap(), "abc");
}

#[test]
fn a_finish_that_failed_in_doubt_asks_when_finished_again_and_sends_nothing_twice() {
    for landed in [true, false] {
        let (oss, _) = start();
        let log = holding(&hasty(&oss), "abc");
        oss.inject(if landed { Fault::LoseAnswer } else { Fault::LoseRequest });
        oss.inject_on("HEAD", Fault::LoseAnswer);
        let error = log.finish().unwrap_err();
        assert_eq!(error.error().outcome(), Outcome::Unknown);
        let log = error.into_appender();
        assert_eq!(log.in_doubt(), Some(0..3));
        assert_eq!(log.finish().unwrap(), Checkpoint::default().advance("abc"));
        assert_eq!(text(&oss).unwrap(), "abc");
    }
}

#[test]
fn a_finish_that_failed_can_be_taken_apart() {
    let (oss, bucket) = start();
    let mut log = holding(&bucket, "abc");
    log.confirm().unwrap();
    log.write_all(b"def").unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let (at, bytes) = log.finish().unwrap_err().into_appender().into_parts();
    assert_eq!((at, bytes), (Checkpoint::default().advance("abc"), b"def".to_vec()));
    assert_eq!(text(&oss).unwrap(), "abc");
}

#[test]
fn the_error_of_finish_is_two_pointers_and_shows_its_cause() {
    assert_eq!(size_of::<FinishError>(), 2 * size_of::<usize>());
    assert!(size_of::<Result<Appender, Error>>() <= 2 * size_of::<usize>());
    assert_eq!(size_of::<Error>(), size_of::<usize>());

    let (oss, bucket) = start();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let error = holding(&bucket, "secret bytes").finish().unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(source.code(), Some("AccessDenied"));
    assert_eq!(Error::find(&error).unwrap().code(), Some("AccessDenied"));
    let debug = format!("{error:?}");
    assert!(debug.starts_with("FinishError { error: ") && !debug.contains("secret bytes"), "{debug}");
    assert_eq!(error.to_string(), "not everything is confirmed");
    assert_eq!(text(&oss), None);
}

#[test]
fn a_question_mark_turns_the_error_of_finish_into_ours_or_into_stds_and_sends_nothing() {
    fn ours(log: Appender) -> oss_append::Result<Checkpoint> {
        Ok(log.finish()?)
    }
    fn stds(log: Appender) -> io::Result<Checkpoint> {
        Ok(log.finish()?)
    }
    fn boxed(log: Appender) -> Result<Checkpoint, BoxError> {
        Ok(log.finish()?)
    }
    let (oss, bucket) = start();
    for _ in 0..3 {
        oss.inject(Fault::Refuse(403, "AccessDenied"));
    }
    assert_eq!(ours(holding(&bucket, "abc")).unwrap_err().code(), Some("AccessDenied"));
    let error = stds(holding(&bucket, "abc")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(Error::find(&error).unwrap().code(), Some("AccessDenied"));
    let error = boxed(holding(&bucket, "abc")).unwrap_err();
    assert_eq!(Error::find(&*error).unwrap().code(), Some("AccessDenied"));
    // The appenders were dropped on the way, after the failure was reported.
    assert_eq!((requests(&oss), text(&oss)), (3, None));
}

// ---- into_parts ----------------------------------------------------------------------------------------------------

#[test]
fn into_parts_sends_nothing_and_hands_back_what_is_confirmed_and_what_is_not() {
    let (oss, bucket) = start();
    let mut log = holding(&bucket, "abc");
    log.confirm().unwrap();
    log.write_all(b"def").unwrap();
    let before = requests(&oss);
    assert_eq!(log.into_parts(), (Checkpoint::default().advance("abc"), b"def".to_vec()));
    assert_eq!((requests(&oss), text(&oss).unwrap().as_str()), (before, "abc"));
    assert_eq!(bucket.appender("log").create_new().unwrap().into_parts(), (Checkpoint::default(), vec![]));
}

#[test]
fn into_parts_in_doubt_begins_with_the_chunk_in_doubt_and_resume_may_present_it_again() {
    for landed in [true, false] {
        let (oss, bucket) = start();
        let mut log = bucket.appender("log").whole_lines(true).buffer_capacity(8).create_new().unwrap();
        log.write_all(b"in\n").unwrap();
        log.confirm().unwrap();
        log.write_all(b"ab\ncd").unwrap();
        for _ in 0..3 {
            oss.inject(if landed { Fault::LoseAnswer } else { Fault::LoseRequest });
            oss.inject_on("HEAD", Fault::LoseAnswer);
        }
        let error = log.write(b"efgh").unwrap_err(); // does not fit: the line goes out
        assert_eq!(Error::find(&error).unwrap().outcome(), Outcome::Unknown);
        assert_eq!(log.in_doubt(), Some(3..6));
        let (at, bytes) = log.into_parts();
        assert_eq!((at, bytes.as_slice()), (Checkpoint::default().advance("in\n"), &b"ab\ncd"[..]));
        while oss.faults_left() > 0 {
            let _ = bucket.appender("nothing").open();
            let _ = bucket.append_object("nothing", 0, "");
        }

        let mut log = bucket.appender("log").resume(at).unwrap();
        log.write_all(&bytes).unwrap();
        log.write_all(b"efgh").unwrap();
        log.finish().unwrap();
        assert_eq!(text(&oss).unwrap(), "in\nab\ncdefgh");
    }
}

#[test]
fn into_parts_after_a_conflict_says_whether_the_bytes_are_in_doubt() {
    let (oss, bucket) = start();
    let mut log = holding(&bucket, "abc");
    oss.append_as_stranger("bucket", "log", b"other");
    assert_eq!(log.confirm().unwrap_err().kind(), ErrorKind::Conflict(Found::Longer));
    assert_eq!(log.in_doubt(), None);
    assert_eq!(log.into_parts(), (Checkpoint::default(), b"abc".to_vec()));
    assert_eq!(text(&oss).unwrap(), "other");
}

// ---- drop ------------------------------------------------------------------------------------------------------------

#[test]
fn dropping_sends_once() {
    let (oss, bucket) = start();
    drop(holding(&bucket, "abc"));
    assert_eq!((requests(&oss), text(&oss).unwrap().as_str()), (1, "abc"));
}

#[test]
fn dropping_with_nothing_pending_sends_nothing() {
    let (oss, bucket) = start();
    drop(bucket.appender("log").create_new().unwrap());
    let mut log = holding(&bucket, "abc");
    log.flush().unwrap();
    drop(log);
    assert_eq!((requests(&oss), text(&oss).unwrap().as_str()), (1, "abc"));
}

#[test]
fn dropping_tries_once_and_asks_nothing_whatever_comes_back() {
    for fault in [
        Fault::LoseRequest,
        Fault::LoseAnswer,
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Refuse(409, "PositionNotEqualToLength"),
        Fault::Refuse(403, "RequestTimeTooSkewed"),
        Fault::Refuse(403, "SecurityTokenExpired"),
        Fault::WrongCrc,
        Fault::Garbage,
        Fault::StripHeaders,
    ] {
        let (oss, bucket) = start();
        oss.inject(fault.clone());
        drop(holding(&bucket, "abc"));
        assert_eq!(requests(&oss), 1, "{fault:?}");
        assert!(text(&oss).is_none_or(|text| text == "abc"), "{fault:?}");
    }
}

#[test]
fn dropping_after_a_reported_failure_sends_nothing() {
    let (oss, bucket) = start();
    let mut log = holding(&bucket, "abc");
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    log.flush().unwrap_err();
    let before = requests(&oss);
    drop(log);
    assert_eq!((requests(&oss), text(&oss)), (before, None));
}

#[test]
fn dropping_after_a_failure_that_was_overcome_sends_again() {
    let (oss, bucket) = start();
    let mut log = holding(&bucket, "abc");
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    log.flush().unwrap_err();
    log.flush().unwrap();
    log.write_all(b"def").unwrap();
    drop(log);
    assert_eq!(text(&oss).unwrap(), "abcdef");
}

#[test]
fn dropping_in_doubt_sends_nothing() {
    let (oss, _) = start();
    let log = in_doubt(&oss, "abc");
    let before = requests(&oss);
    drop(log);
    assert_eq!((requests(&oss), text(&oss).unwrap().as_str()), (before, "abc"));
}

#[test]
fn dropping_after_a_conflict_sends_nothing() {
    let (oss, bucket) = start();
    let mut log = holding(&bucket, "abc");
    oss.append_as_stranger("bucket", "log", b"other");
    log.confirm().unwrap_err();
    oss.delete_object("bucket", "log"); // now it would even fit
    let before = requests(&oss);
    drop(log);
    assert_eq!((requests(&oss), text(&oss)), (before, None));
}

/// `first\n` is in, its answer and the question after it were lost; then a `resync` finds it, and fails.
fn resynced_in_part(oss: &FakeOss) -> (Appender, Error) {
    let bucket = hasty(oss);
    let mut log = bucket.appender("log").whole_lines(true).buffer_capacity(10).open().unwrap();
    log.write_all(b"first\nrest").unwrap();
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::Page(503));
    log.write(b"!").unwrap_err();
    oss.inject_on("HEAD", Fault::Pass);
    oss.inject_on("HEAD", Fault::Page(503));
    let error = log.resync().unwrap_err();
    (log, error)
}

#[test]
fn dropping_after_a_resync_that_failed_sends_nothing() {
    let (oss, bucket) = start();
    let log = holding(&bucket, "x\n");
    (0..3).for_each(|_| oss.inject_on("HEAD", Fault::Page(503)));
    let mut log = log;
    assert_eq!(log.resync().unwrap_err().outcome(), Outcome::NotApplied);
    drop(log);
    assert_eq!(text(&oss), None);

    let (log, _) = resynced_in_part(&oss);
    assert_eq!(log.pending(), b"rest");
    drop(log);
    assert_eq!(text(&oss).unwrap(), "first\n");
}

#[test]
fn the_outcome_of_a_resync_that_failed_is_that_of_what_is_still_pending() {
    let oss = FakeOss::start().unwrap();
    let (log, error) = resynced_in_part(&oss);
    assert_eq!(
        (log.pending(), log.in_doubt(), error.outcome()),
        (&b"rest"[..], None, Outcome::NotApplied),
        "{error:?}"
    );
}

#[test]
fn dropping_never_panics_even_if_the_progress_callback_does() {
    let (oss, bucket) = start();
    let armed = Arc::new(AtomicBool::new(true));
    let trigger = Arc::clone(&armed);
    let options = AppendOptions::new().progress(move |_| assert!(!trigger.load(Ordering::Relaxed), "no progress"));
    let mut log = bucket.appender("log").options(options).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    drop(log);
    assert!(text(&oss).is_none_or(|text| text == "abc"));
    armed.store(false, Ordering::Relaxed);
    bucket.append_object("other", 0, "the bucket is whole").unwrap();
    assert_eq!(oss.object("bucket", "other").unwrap(), b"the bucket is whole");
}

#[test]
fn dropping_never_panics_even_if_the_credentials_provider_does() {
    let oss = FakeOss::start().unwrap();
    oss.create_bucket("bucket");
    let auth = Auth::provider(|| -> Result<Credentials, BoxError> { panic!("no credentials") });
    let bucket = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).build().unwrap();
    drop(holding(&bucket, "abc"));
    assert_eq!((requests(&oss), text(&oss)), (0, None));
}

#[test]
fn dropping_while_a_panic_unwinds_does_not_abort_and_still_sends() {
    let (oss, bucket) = start();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _log = holding(&bucket, "abc");
        panic!("elsewhere");
    }));
    unwound.unwrap_err();
    assert_eq!(text(&oss).unwrap(), "abc");

    let options = AppendOptions::new().progress(|_| panic!("a second panic"));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let mut log = bucket.appender("other").options(options).create_new().unwrap();
        log.write_all(b"abc").unwrap();
        panic!("elsewhere");
    }));
    unwound.unwrap_err(); // an abort would not come here
}

/// Runs it on a thread and waits, so that sleeping for hours is a failure and no hang.
fn at_once(what: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        what();
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(20)).expect("it should have returned at once");
}

#[test]
fn dropping_never_sleeps() {
    for fault in [
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Refuse(503, "ServiceUnavailable").and(Fault::WithHeader("Retry-After", "36000")),
        Fault::LoseAnswer,
        Fault::LoseRequest,
        Fault::RefuseEarly,
    ] {
        let oss = FakeOss::start().unwrap();
        let bucket = oss.builder("bucket").backoff(HOURS, HOURS).build().unwrap();
        oss.inject(fault);
        let log = holding(&bucket, "abc");
        at_once(move || drop(log));
        assert_eq!(requests(&oss), 1);
        assert!(text(&oss).is_none_or(|text| text == "abc"));
    }
}

#[test]
fn dropping_never_sleeps_when_nobody_listens() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.builder("bucket").backoff(HOURS, HOURS).build().unwrap();
    let log = holding(&bucket, "abc");
    oss.go_away();
    at_once(move || drop(log));
    assert_eq!((requests(&oss), text(&oss)), (0, None));
}

#[test]
fn dropping_never_rolls() {
    let (oss, bucket) = start();
    let next = |_: &oss_append::Rolled| -> String { panic!("nobody should ask for a key") };
    let mut log = bucket.appender("log").roll_over(4, next).create_new().unwrap();
    // A line of two records, longer than the limit: it has the object to itself.
    log.write_all(b"begun, ").unwrap();
    log.write_all(b"not ended").unwrap();
    drop(log);
    assert_eq!((requests(&oss), text(&oss).unwrap().as_str()), (1, "begun, not ended"));
}

#[test]
fn an_appender_can_be_dropped_on_another_thread_and_shared() {
    fn is_sent<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let (oss, bucket) = start();
    let log = Arc::new(Mutex::new(is_sent(holding(&bucket, ""))));
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let log = Arc::clone(&log);
            thread::spawn(move || writeln!(log.lock().unwrap(), "{i}").unwrap())
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(log);
    let text = text(&oss).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["0", "1", "2", "3"]);
}

#[test]
fn debug_shows_lengths_and_never_bytes() {
    let (oss, bucket) = start();
    let log = holding(&bucket, "a secret");
    let debug = format!("{log:?}");
    assert!(debug.contains("8/8388608") && !debug.contains("secret"), "{debug}");
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "a secret");
}
