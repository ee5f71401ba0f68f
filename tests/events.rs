//! The hook: told of each trouble once and in order, never from inside itself, and no danger to the bytes.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Appender, Auth, Body, Bucket, BucketBuilder, Checkpoint, Credentials, Error, ErrorKind, Event, OnConflict,
    Operation, Outcome, Verdict,
    testing::{FakeOss, Fault},
};
use std::{
    fs,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

type Lines = Arc<Mutex<Vec<String>>>;

fn start() -> FakeOss {
    let oss = FakeOss::start().unwrap();
    oss.create_bucket("bucket");
    oss
}

/// A bucket that writes down what it is told.
fn told(builder: BucketBuilder) -> (Bucket, Lines) {
    let lines = Lines::default();
    let seen = Arc::clone(&lines);
    (builder.on_event(move |event| seen.lock().unwrap().push(event.to_string())).build().unwrap(), lines)
}

fn taken(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut lines.lock().unwrap())
}

fn text(oss: &FakeOss, key: &str) -> String {
    oss.land();
    String::from_utf8(oss.object("bucket", key).unwrap_or_default()).unwrap()
}

/// Without what differs from run to run or is the service's to word: of a refusal status and code are kept, of a lost
/// answer nothing of the system's.
fn plain(line: &str) -> String {
    let mut line = line.to_owned();
    if let Some((before, rest)) = line.split_once(" (") {
        let (refusal, behind) = rest.split_once(')').unwrap();
        let words: Vec<_> = refusal.split([' ', ',', ':']).take(2).collect();
        line = format!("{before} ({}){behind}", words.join(" "));
    }
    match line.split_once("no whole answer came back") {
        Some((before, rest)) => {
            let outcome = rest.find(';').map_or("", |at| rest[at..].split(": ").next().unwrap_or_default());
            format!("{before}no whole answer came back{outcome}")
        }
        None => line,
    }
}

#[track_caller]
fn says(lines: &Lines, expected: &[&str]) {
    let lines: Vec<_> = taken(lines).iter().map(|line| plain(line)).collect();
    assert_eq!(lines, expected);
}

const LOST: &str = "the request was sent, but no whole answer came back";
const ASKED: &str = r#"ask about append to "log" at 4..8: the request was sent, but no whole answer came back"#;
const NOT_THERE: &str = r#"settled: append to "log" at 4..8 is not there yet"#;
const IN: &str = r#"settled: append to "log" at 4..8 is in"#;

// ---- what is told --------------------------------------------------------------------------------------------------

#[test]
fn where_nothing_goes_wrong_nothing_is_told() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket"));
    let first = bucket.append_object("log", 0, "one\n").unwrap();
    bucket.append_object("log", &first, Body::from_reader(&b"two\n"[..])).unwrap();
    let mut log = bucket.appender("log").open().unwrap();
    log.write_all(b"three\n").unwrap();
    log.copy_from(&b"four\n"[..]).unwrap();
    let end = log.finish().unwrap();
    let mut log = bucket.appender("log").resume(end).unwrap();
    log.write_all(b"five\n").unwrap();
    drop(log);
    bucket.resumable_append("source", file!()).unwrap();
    bucket.get_object("log").unwrap();
    assert!(!bucket.object_exists("other").unwrap());
    bucket.head_object("other").unwrap_err();
    bucket.delete_object("log").unwrap();
    says(&lines, &[]);
}

/// What happens to the appends, what to other requests, and what is told.
type Case = (Vec<Fault>, Vec<(&'static str, Fault)>, Vec<String>);

#[test]
fn each_trouble_of_an_append_is_told_once_in_order_with_its_end() {
    let lost = || Fault::LoseRequest;
    let failed = |why: &str| format!(r#"failed: append to "log" at 4..8: {why}"#);
    let retry = |n: u32, why: &str| format!(r#"retry {n} of 3 of append to "log" at 4..8: {why}"#);
    let ask = |why: &str| format!(r#"ask about append to "log" at 4..8: {why}"#);
    let (again, third) = (retry(2, LOST), retry(3, LOST));
    let elsewhere = "the position is not the object's end (409 PositionNotEqualToLength)";
    let cases: Vec<Case> = vec![
        (vec![Fault::LoseAnswer], vec![], vec![ASKED.into(), IN.into()]),
        (vec![lost()], vec![], vec![ASKED.into(), NOT_THERE.into(), again.clone(), IN.into()]),
        (
            vec![lost(), lost(), lost()],
            vec![],
            vec![
                ASKED.into(),
                NOT_THERE.into(),
                again.clone(),
                ASKED.into(),
                NOT_THERE.into(),
                third,
                ASKED.into(),
                NOT_THERE.into(),
                failed(&format!("{LOST}; whether the bytes are in the object is not known")),
            ],
        ),
        (
            vec![Fault::Refuse(503, "SlowDown")],
            vec![],
            vec![
                ask("the service refused (503 SlowDown)"),
                NOT_THERE.into(),
                retry(2, "the service refused (503 SlowDown)"),
                IN.into(),
            ],
        ),
        (
            vec![Fault::Refuse(400, "InvalidDigest")],
            vec![],
            vec![retry(2, "the service refused (400 InvalidDigest)"), IN.into()],
        ),
        (
            vec![Fault::Refuse(403, "AccessDenied")],
            vec![],
            vec![failed("the service refused (403 AccessDenied)")],
        ),
        (vec![Fault::WrongCrc], vec![], vec![ask("the object's CRC-64 is not what it should be after this append"), IN.into()]),
        (
            vec![Fault::Damage],
            vec![],
            vec![
                ask("the object's CRC-64 is not what it should be after this append"),
                failed("the bytes were damaged on their way: what is in the object has another CRC-64; the bytes are in the object"),
            ],
        ),
        (
            vec![Fault::StrangerBefore(b"them".to_vec())],
            vec![],
            vec![ask(elsewhere), failed("the object goes on beyond this position, to 8 (409 PositionNotEqualToLength)")],
        ),
        (
            vec![Fault::LoseAnswer],
            vec![("HEAD", Fault::Refuse(500, "InternalError"))],
            vec![
                ASKED.into(),
                r#"retry 2 of 3 of head of "log": the service refused (500 InternalError)"#.into(),
                IN.into(),
            ],
        ),
        (
            vec![Fault::LoseAnswer.and(Fault::StrangerAfter(b"x".to_vec()))],
            vec![("GET", Fault::Page(502))],
            vec![
                ASKED.into(),
                r#"retry 2 of 3 of get of "log": the answer is not from OSS: no request id, content type text/html (502)"#.into(),
                failed("the object goes on beyond this position, to 9; the bytes are in the object"),
            ],
        ),
        (
            vec![lost(), Fault::Refuse(403, "AccessDenied")],
            vec![],
            vec![
                ASKED.into(),
                NOT_THERE.into(),
                again,
                ask("the service refused (403 AccessDenied)"),
                failed("the service refused (403 AccessDenied); whether the bytes are in the object is not known"),
            ],
        ),
    ];
    for (faults, others, expected) in cases {
        let about = format!("{faults:?} {others:?}");
        let run = |by_appender: bool| {
            let oss = start();
            oss.replace_object("bucket", "log", b"one\n");
            let (bucket, lines) = told(oss.builder("bucket"));
            let mut log = by_appender.then(|| bucket.appender("log").open().unwrap());
            faults.iter().for_each(|fault| oss.inject(fault.clone()));
            others.iter().for_each(|(method, fault)| oss.inject_on(method, fault.clone()));
            let failed = match &mut log {
                Some(log) => {
                    log.write_all(b"two\n").unwrap();
                    log.confirm().is_err()
                }
                None => bucket.append_object("log", Checkpoint::default().advance("one\n"), "two\n").is_err(),
            };
            let told: Vec<_> = taken(&lines).iter().map(|line| plain(line)).collect();
            drop(log);
            says(&lines, &[]); // what was told is not told again
            assert_eq!(failed, told.last().unwrap().starts_with("failed: "), "{about}");
            told
        };
        assert_eq!(run(false), expected, "{about}");
        assert_eq!(run(true), expected, "{about}, by an appender");
    }
}

#[test]
fn a_write_only_key_presents_the_bytes_again_and_that_is_said() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket"));
    oss.forbid("HEAD");
    oss.inject(Fault::LoseAnswer);
    bucket.append_object("log", 0, "once").unwrap();
    assert_eq!(text(&oss, "log"), "once");
    let lines: Vec<_> = taken(&lines).iter().map(|line| plain(line)).collect();
    let place = r#"append to "log" at 0..4"#;
    assert_eq!(
        lines[..3],
        [
            format!("ask about {place}: {LOST}"),
            format!("settled: {place} may not be looked for: these credentials cannot read"),
            format!("retry 2 of 3 of {place}: {LOST}"),
        ]
    );
    assert!(lines[3].starts_with(&format!("ask about {place}: the position is not the object's end")), "{lines:?}");
    assert_eq!(lines[4..], [format!("settled: {place} is in")]);
}

#[test]
fn an_answer_older_than_a_refusal_is_asked_for_again_and_that_is_said() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket").backoff(Duration::ZERO, Duration::ZERO));
    let end = bucket.append_object("log", 0, "base").unwrap().checkpoint().unwrap();
    oss.inject(Fault::StrangerBefore(b"x".to_vec()));
    oss.inject_on("HEAD", Fault::Stale { length: 4, crc64: Some(end.crc64) });
    bucket.append_object("log", end, "ours").unwrap_err();
    let elsewhere = "(409 PositionNotEqualToLength)";
    says(
        &lines,
        &[
            &format!(r#"ask about append to "log" at 4..8: the position is not the object's end {elsewhere}"#),
            r#"retry 2 of 3 of head of "log": the answer is older than one before"#,
            &format!(r#"failed: append to "log" at 4..8: the object goes on beyond this position, to 5 {elsewhere}"#),
        ],
    );
}

#[test]
fn going_behind_others_is_told_with_the_new_place() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket"));
    let mut log = bucket.appender("log").on_conflict(OnConflict::Rebase).create_new().unwrap();
    oss.inject(Fault::StrangerBefore(b"theirs\n".to_vec()));
    log.write_all(b"ours\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss, "log"), "theirs\nours\n");
    let lines = taken(&lines);
    assert!(lines[0].starts_with(r#"ask about append to "log" at 0..5: the position is not the object's end"#));
    assert_eq!(
        lines[1..],
        [
            r#"settled: append to "log" at 0..5 goes to 7: others appended"#,
            r#"settled: append to "log" at 7..12 is in"#,
        ]
    );
}

#[test]
fn a_roll_over_is_told_once_both_keys_are_set() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket"));
    let mut log = bucket.appender("log").roll_over(4, |_| "log-1".to_owned()).create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    log.write_all(b"two\n").unwrap();
    let at = Checkpoint::default().advance("one\n");
    says(&lines, &[&format!(r#"rolled over from "log" to "log-1": the first ends at {at}"#)]);
    log.finish().unwrap();
    says(&lines, &[]);
}

#[test]
fn fresh_credentials_and_a_corrected_clock_are_told_once_and_are_no_retry() {
    let oss = start();
    oss.add_key("fresh-id", "fresh-secret");
    let asked = AtomicUsize::new(0);
    let old = Credentials::new("stale-id", "stale-secret");
    let auth = Auth::provider(move || match asked.fetch_add(1, Relaxed) {
        0 => Ok(old.clone()),
        _ => Ok(Credentials::new("fresh-id", "fresh-secret")),
    });
    let (bucket, lines) = told(Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()));
    let first = bucket.append_object("log", 0, "one").unwrap();
    let [line] = &taken(&lines)[..] else { panic!("one line") };
    assert!(line.starts_with("credentials refreshed: the key id is fresh-id now, after "), "{line}");
    assert!(line.contains("InvalidAccessKeyId"), "{line}");

    for (offset, side) in [(3600, "ahead of"), (-7200, "behind")] {
        oss.set_clock_offset(offset);
        bucket.head_object("log").unwrap();
        let [line] = &taken(&lines)[..] else { panic!("one line") };
        let seconds: i64 = line.split(' ').find_map(|word| word.parse().ok()).unwrap();
        assert!((seconds - offset.abs()).abs() < 600, "{line}");
        assert_eq!(*line, format!("clock corrected: the service is {seconds} s {side} this machine"));
    }
    bucket.append_object("log", &first, "two").unwrap();
    says(&lines, &[]);
}

#[test]
fn calls_that_append_nothing_tell_their_retries() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket"));
    bucket.append_object("log", 0, "four").unwrap();
    let busy = || Fault::Refuse(503, "ServiceUnavailable");
    let line = |n: u32, what: &str| {
        format!("retry {n} of 3 of {what} of \"log\": the service refused (503 ServiceUnavailable)")
    };
    for (method, what) in [("HEAD", "head"), ("GET", "get"), ("SEAL", "seal"), ("DELETE", "delete")] {
        oss.inject_on(method, busy());
        oss.inject_on(method, busy());
        match what {
            "head" => drop(bucket.head_object("log").unwrap()),
            "get" => drop(bucket.get_object("log").unwrap()),
            "seal" => bucket.seal_append_object("log", 4).unwrap(),
            _ => bucket.delete_object("log").unwrap(),
        }
        says(&lines, &[&line(2, what), &line(3, what)]);
    }
    (0..3).for_each(|_| oss.inject_on("HEAD", busy()));
    bucket.appender("log").open().map(drop).unwrap_err(); // and that is its error's to say
    says(&lines, &[&line(2, "head"), &line(3, "head")]);
}

#[test]
fn a_file_whose_bytes_arrive_late_is_told_to_be_in() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket"));
    let path = std::env::temp_dir().join(format!("oss-append-events-{}", std::process::id()));
    fs::write(&path, "one\ntwo\nsix\n").unwrap();
    oss.append_as_stranger("bucket", "log", b"one\n");
    // An earlier run's request, which lands when the object was looked at already.
    oss.inject(Fault::StrangerBefore(b"two\n".to_vec()));
    let resumed = bucket.resumable_append("log", &path);
    fs::remove_file(&path).unwrap();
    assert_eq!((resumed.unwrap().checkpoint.position, text(&oss, "log").as_str()), (12, "one\ntwo\nsix\n"));
    let lines = taken(&lines);
    let starts: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(starts, [r#"ask about append to "log" at 4..12"#, "failed", "settled"], "{lines:#?}");
    assert_eq!(lines[2], r#"settled: append to "log" at 4..8 is in"#);
}

#[test]
fn what_is_told_has_numbers_too() {
    let oss = start();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&seen);
    let bucket =
        oss.builder("bucket").backoff(Duration::ZERO, Duration::from_millis(2)).attempts(2).on_event(move |event| {
            let copy = *event;
            inner.lock().unwrap().push(match copy {
                Event::Ask { key: "log", position: 0, length: Some(3), pause, error, .. } => {
                    assert_eq!((pause, error.code()), (Duration::from_millis(2), Some("SlowDown")));
                    assert_eq!(error.outcome(), Outcome::Unknown);
                    "ask"
                }
                Event::Settled { key: "log", position: 0, length: Some(3), verdict: Verdict::NotThere, .. } => {
                    "not there"
                }
                Event::Settled { key: "log", position: 0, length: Some(3), verdict: Verdict::Landed, .. } => "landed",
                Event::Retry { operation, key: "log", position, length, attempt, attempts, error, .. } => {
                    assert_eq!(
                        (operation, position, length, attempt, attempts),
                        (Operation::Append, Some(0), Some(3), 2, 2)
                    );
                    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Service, Outcome::Unknown));
                    "retry"
                }
                other => panic!("{other:?}"),
            });
        });
    let bucket = bucket.build().unwrap();
    // The service asks for a second; the longest pause is two thousandths of it.
    oss.inject(Fault::Refuse(503, "SlowDown").and(Fault::WithHeader("Retry-After", "1")));
    bucket.append_object("log", 0, "abc").unwrap();
    assert_eq!(*seen.lock().unwrap(), ["ask", "not there", "retry", "landed"]);
}

#[test]
fn pauses_are_told_before_they_are_taken() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket").backoff(Duration::ZERO, Duration::from_millis(3)));
    oss.inject_on("HEAD", Fault::Refuse(503, "SlowDown").and(Fault::WithHeader("Retry-After", "1")));
    assert!(!bucket.object_exists("log").unwrap());
    says(&lines, &[r#"retry 2 of 3 of head of "log" in 3ms: the service refused (503 SlowDown)"#]);
}

#[test]
fn an_event_is_one_line_whatever_others_wrote() {
    let oss = start();
    let auth = Auth::provider(|| Err("the vault\nis closed\u{1b}[2J".into()));
    let (bucket, lines) = told(Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()));
    bucket.append_object("a\nb", 0, "x").unwrap_err();
    let place = r#"append to "a\nb" at 0..1"#;
    says(&lines, &[&format!("failed: {place}: the credentials provider failed: the vault is closed [2J")]);
}

// ---- the hook itself -----------------------------------------------------------------------------------------------

#[test]
fn clones_and_appenders_share_the_hook_and_the_last_one_set_counts() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket").on_event(|_| unreachable!("this one was replaced")));
    oss.inject(Fault::LoseAnswer);
    let clone = bucket.clone();
    drop(bucket);
    let mut log = clone.appender("log").create_new().unwrap();
    drop(clone);
    log.write_all(b"abc").unwrap();
    log.finish().unwrap();
    assert_eq!(taken(&lines).len(), 2);
}

#[test]
fn a_hook_may_log_into_another_appender_of_its_bucket_whose_own_troubles_it_is_not_told() {
    let oss = start();
    let (sink, calls) = (Arc::new(OnceLock::<Mutex<Appender>>::new()), Arc::new(AtomicUsize::new(0)));
    let (into, count) = (Arc::clone(&sink), Arc::clone(&calls));
    let bucket = oss
        .builder("bucket")
        .on_event(move |event| {
            count.fetch_add(1, Relaxed);
            let mut sink = into.get().unwrap().try_lock().unwrap(); // held, if it were inside itself
            writeln!(sink, "{event}").unwrap();
            sink.flush().unwrap(); // a request, which meets trouble of its own
        })
        .build()
        .unwrap();
    sink.set(Mutex::new(bucket.appender("events").create_new().unwrap())).unwrap();
    let mut data = bucket.appender("data").create_new().unwrap();
    let mut expected = String::new();
    for n in 0..10 {
        // The append's answer is lost, and so are those of the two appends of the log that tell of it.
        (0..3).for_each(|_| oss.inject(Fault::LoseAnswer));
        writeln!(data, "{n}").unwrap();
        data.flush().unwrap();
        expected += &format!("{n}\n");
    }
    assert_eq!((oss.faults_left(), calls.load(Relaxed)), (0, 20));
    assert_eq!(text(&oss, "data"), expected);
    let log = text(&oss, "events");
    assert_eq!(log.lines().count(), 20, "{log}");
    for (n, pair) in log.lines().collect::<Vec<_>>().chunks(2).enumerate() {
        let place = format!(r#"append to "data" at {}..{}"#, 2 * n, 2 * n + 2);
        assert!(pair[0].starts_with(&format!("ask about {place}: ")), "{pair:?}");
        assert_eq!(pair[1], format!("settled: {place} is in"));
    }
    // Told of again when it is not the hook that logs.
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    bucket.append_object("data", 0, "x").unwrap_err();
    assert_eq!(calls.load(Relaxed), 21);
}

#[test]
fn the_hook_of_a_loggers_own_bucket_is_told_while_the_other_hook_logs_and_not_the_first_again() {
    let oss = start();
    let (logs, lines) = told(oss.builder("bucket"));
    let sink = Mutex::new(logs.appender("events").create_new().unwrap());
    let bucket = oss.builder("bucket").on_event(move |event| {
        let mut sink = sink.lock().unwrap();
        writeln!(sink, "{event}").unwrap();
        sink.flush().unwrap();
    });
    let bucket = bucket.build().unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    oss.inject(Fault::LoseAnswer);
    bucket.append_object("data", 0, "x").unwrap_err();
    assert_eq!(text(&oss, "events").lines().count(), 1);
    let lines = taken(&lines);
    assert!(lines.len() == 2 && lines[1].starts_with(r#"settled: append to "events" at 0.."#), "{lines:?}");
}

#[test]
fn while_a_thread_is_in_the_hook_others_are_told() {
    let oss = Arc::new(start());
    let (entered, wait_entered) = mpsc::channel();
    let (release, wait_release) = mpsc::channel::<()>();
    let (seen, wait) = (Lines::default(), Mutex::new(wait_release));
    let inner = Arc::clone(&seen);
    let bucket = oss.builder("bucket").on_event(move |event| {
        if event.to_string().contains("\"first\"") {
            entered.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
        inner.lock().unwrap().push(event.to_string());
    });
    let bucket = bucket.build().unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let other = bucket.clone();
    let first = thread::spawn(move || other.append_object("first", 0, "x").is_err());
    wait_entered.recv().unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    bucket.append_object("second", 0, "x").unwrap_err();
    assert!(seen.lock().unwrap()[0].contains("\"second\""));
    release.send(()).unwrap();
    assert!(first.join().unwrap());
    assert_eq!(seen.lock().unwrap().len(), 2);
}

// ---- a hook that panics --------------------------------------------------------------------------------------------

/// A bucket whose hook panics at the so manieth event from the start, and tells how many there were.
fn panicking(oss: &FakeOss, at: usize) -> (Bucket, Arc<AtomicUsize>) {
    let events = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&events);
    let builder = oss.builder("bucket").on_event(move |event| {
        assert!(count.fetch_add(1, Relaxed) + 1 != at, "the hook panics at {event}");
    });
    (builder.build().unwrap(), events)
}

#[test]
fn wherever_the_hook_panics_the_next_call_asks_and_every_byte_is_in_once() {
    let faults = [
        vec![Fault::LoseAnswer],
        vec![Fault::LoseRequest],
        vec![Fault::LoseRequest, Fault::LoseAnswer],
        vec![Fault::LoseRequest, Fault::LoseRequest, Fault::LoseRequest],
        vec![Fault::ApplyLate],
        vec![Fault::Hold, Fault::LoseRequest],
        vec![Fault::Refuse(503, "SlowDown")],
        vec![Fault::FailAfter(500, "InternalError")],
        vec![Fault::Refuse(400, "InvalidDigest")],
        vec![Fault::Refuse(403, "AccessDenied")],
        vec![Fault::WrongCrc],
        vec![Fault::WrongNext],
        vec![Fault::Reset],
    ];
    for faults in faults {
        let mut panics = 0;
        for at in 1.. {
            let oss = start();
            let (bucket, events) = panicking(&oss, at);
            let mut log = bucket.appender("log").create_new().unwrap();
            faults.iter().for_each(|fault| oss.inject(fault.clone()));
            log.write_all(b"once\n").unwrap();
            let Err(_) = catch_unwind(AssertUnwindSafe(|| log.confirm().map(drop))) else {
                assert!(events.load(Relaxed) < at);
                break;
            };
            panics += 1;
            let asked = oss.requests().len();
            // Known to be in, or in doubt and to be asked about, or certainly not in.
            let next = match (log.pending(), log.in_doubt()) {
                (b"", None) => "POST",
                (b"once\n", Some(std::ops::Range { start: 0, end: 5 })) => "HEAD",
                (b"once\n", None) => {
                    assert!(oss.object("bucket", "log").is_none() && oss.land() == 0, "{faults:?} at {at}");
                    "POST"
                }
                other => panic!("{faults:?} at {at}: {other:?}"),
            };
            // Whatever is left of the script may still make a call fail, and none may lose or double a byte.
            let settled = (0..5).any(|_| log.confirm().is_ok());
            assert!(settled, "{faults:?} at {at}");
            log.write_all(b"more\n").unwrap();
            log.finish().unwrap();
            assert_eq!(oss.requests()[asked].method, next, "{faults:?} at {at}");
            assert_eq!(text(&oss, "log"), "once\nmore\n", "{faults:?} at {at}");
        }
        assert!(panics >= 1, "{faults:?}");
    }
}

#[test]
fn a_hook_that_panics_in_a_roll_over_loses_no_byte_of_what_is_being_copied() {
    for lines in [true, false] {
        for at in 1..=3 {
            let oss = start();
            let (bucket, _) = panicking(&oss, at);
            let next = AtomicUsize::new(0);
            let mut log = bucket
                .appender("log")
                .whole_lines(lines)
                .roll_over(5, move |_| format!("log-{}", next.fetch_add(1, Relaxed) + 1))
                .create_new()
                .unwrap();
            let (source, mut panics) = (b"1\n2\n3\n4\n5\n6\n7\n8\n9\n", 0);
            let mut reader = &source[..];
            while !reader.is_empty() {
                panics += usize::from(catch_unwind(AssertUnwindSafe(|| log.copy_from(&mut reader).unwrap())).is_err());
            }
            log.finish().unwrap();
            let keys = ["log", "log-1", "log-2", "log-3", "log-4", "log-5"];
            assert_eq!(keys.map(|key| text(&oss, key)).concat().as_bytes(), source, "lines {lines}, at {at}");
            assert_eq!(panics, 1, "lines {lines}, at {at}");
        }
    }
}

#[test]
fn dropping_tells_what_it_could_not_send_and_swallows_the_hooks_panic() {
    let oss = start();
    let (bucket, lines) = told(oss.builder("bucket"));
    let holding = |bucket: &Bucket| {
        let mut log = bucket.appender("log").create_new().unwrap();
        log.write_all(b"abc").unwrap();
        log
    };
    for (fault, why) in [
        (Fault::Refuse(403, "AccessDenied"), "the service refused (403 AccessDenied)".to_owned()),
        (Fault::LoseRequest, format!("{LOST}; whether the bytes are in the object is not known")),
    ] {
        oss.inject(fault);
        drop(holding(&bucket));
        says(&lines, &[&format!(r#"failed: append to "log" at 0..3, by a destructor: {why}"#)]);
    }
    // An abort would not come here.
    let (bucket, events) = panicking(&oss, 1);
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _log = holding(&bucket);
        panic!("elsewhere");
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref::<&str>(), Some(&"elsewhere"));
    assert_eq!(events.load(Relaxed), 1);
    // And the hook is told again after its panic.
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    drop(holding(&bucket));
    assert_eq!((events.load(Relaxed), text(&oss, "log").as_str()), (2, ""));
}

#[test]
fn a_hook_that_poisoned_its_own_lock_can_go_on() {
    let oss = start();
    let seen = Arc::new(Mutex::new(0));
    let inner = Arc::clone(&seen);
    let bucket = oss.builder("bucket").on_event(move |_| {
        let mut seen = inner.lock().unwrap_or_else(PoisonError::into_inner);
        *seen += 1;
        assert!(*seen != 1, "once");
    });
    let bucket = bucket.build().unwrap();
    for _ in 0..2 {
        oss.inject(Fault::Refuse(403, "AccessDenied"));
        let error = catch_unwind(AssertUnwindSafe(|| bucket.append_object("log", 0, "x").unwrap_err()));
        assert!(error.is_err() || error.is_ok_and(|error: Error| error.outcome() == Outcome::NotApplied));
    }
    assert_eq!(*seen.lock().unwrap_or_else(PoisonError::into_inner), 2);
}
