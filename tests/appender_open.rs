//! How an appender starts: what `open`, `create_new` and `resume` ask, send, find and refuse.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Auth, Bucket, Checkpoint, Error, ErrorKind, Found, Outcome,
    testing::{FakeOss, Fault, Recorded},
};
use std::io::Write;

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

fn text(oss: &FakeOss) -> Option<String> {
    oss.object("bucket", "log").map(|bytes| String::from_utf8(bytes).unwrap())
}

fn methods(oss: &FakeOss) -> Vec<String> {
    oss.requests().into_iter().map(|request| request.method).collect()
}

fn posts(oss: &FakeOss) -> Vec<Recorded> {
    oss.requests().into_iter().filter(|request| request.method == "POST").collect()
}

/// Every create-time parameter there is a setter for, and some that there is none for.
fn creating() -> AppendOptions {
    AppendOptions::new()
        .content_type("text/csv")
        .acl("private")
        .storage_class("IA")
        .server_side_encryption("AES256")
        .meta("host", "web-1")
        .tag("team", "logs")
        .header("Cache-Control", "no-cache")
        .header("x-oss-forbid-overwrite", "true")
}

const CREATING: [&str; 8] = [
    "content-type",
    "x-oss-object-acl",
    "x-oss-storage-class",
    "x-oss-server-side-encryption",
    "x-oss-meta-host",
    "x-oss-tagging",
    "cache-control",
    "x-oss-forbid-overwrite",
];

fn has_all(request: &Recorded) -> bool {
    CREATING.iter().all(|name| request.header(name).is_some())
}

fn has_none(request: &Recorded) -> bool {
    CREATING.iter().all(|name| request.header(name).is_none())
}

// ---- what is asked ---------------------------------------------------------------------------------------------

#[test]
fn open_asks_once_where_the_end_is() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"there, ");
    let mut log = bucket.appender("log").open().unwrap();
    assert_eq!(methods(&oss), ["HEAD"]);
    assert_eq!(log.checkpoint(), Checkpoint::default().advance("there, "));
    assert_eq!((log.existed(), log.key(), log.pending()), (Some(true), "log", &b""[..]));
    log.write_all(b"here").unwrap();
    assert_eq!(log.finish().unwrap(), Checkpoint::default().advance("there, here"));
    assert_eq!(methods(&oss), ["HEAD", "POST"]);
    assert_eq!(text(&oss).unwrap(), "there, here");
}

#[test]
fn an_absent_object_has_its_end_at_0() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").open().unwrap();
    assert_eq!((log.checkpoint(), log.existed()), (Checkpoint::default(), Some(false)));
    assert_eq!(text(&oss), None); // nothing is made by opening
    log.write_all(b"x").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "x");
}

#[test]
fn create_new_and_resume_ask_nothing() {
    let (oss, bucket) = start();
    let new = bucket.appender("log").create_new().unwrap();
    let at = Checkpoint::default().advance("abc");
    let old = bucket.appender("log").resume(at).unwrap();
    assert_eq!((new.existed(), old.existed()), (None, None));
    assert_eq!((new.checkpoint(), old.checkpoint()), (Checkpoint::default(), at));
    assert_eq!(oss.requests(), []);
}

#[test]
fn existed_is_what_open_saw_and_nothing_else() {
    let (oss, bucket) = start();
    let mut new = bucket.appender("log").create_new().unwrap();
    new.write_all(b"x").unwrap();
    let at = new.confirm().unwrap();
    assert_eq!(new.existed(), None);
    let mut old = bucket.appender("log").resume(at).unwrap();
    old.write_all(b"y").unwrap();
    old.confirm().unwrap();
    assert_eq!(old.existed(), None);
    let mut absent = bucket.appender("other").open().unwrap();
    absent.write_all(b"z").unwrap();
    absent.confirm().unwrap();
    assert_eq!(absent.existed(), Some(false)); // before us
    assert_eq!(text(&oss).unwrap(), "xy");
    assert_eq!(oss.object("bucket", "other").unwrap(), b"z");
}

#[test]
fn create_new_on_an_object_with_bytes_is_a_conflict_at_the_first_append() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"there");
    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(b"x").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    assert_eq!(error.next_position(), Some(5));
    drop(log);
    assert_eq!(text(&oss).unwrap(), "there");
}

#[test]
fn create_new_on_an_empty_object_appends_and_existed_stays_unknown() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"");
    let mut log = bucket.appender("log").options(AppendOptions::new().meta("a", "b")).create_new().unwrap();
    log.write_all(b"x").unwrap();
    log.confirm().unwrap();
    assert_eq!(log.existed(), None);
    assert_eq!(oss.metadata("bucket", "log").unwrap(), []); // ignored by the service, as the docs say
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "x");
}

#[test]
fn an_appender_that_writes_nothing_makes_no_object() {
    let (oss, bucket) = start();
    assert_eq!(bucket.appender("log").create_new().unwrap().finish().unwrap(), Checkpoint::default());
    assert_eq!(bucket.appender("log").open().unwrap().finish().unwrap(), Checkpoint::default());
    assert_eq!((methods(&oss), text(&oss)), (vec!["HEAD".to_owned()], None));
}

#[test]
fn a_question_that_fails_for_a_moment_is_asked_again() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"there");
    oss.inject_on("HEAD", Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    let log = bucket.appender("log").open().unwrap();
    assert_eq!((log.checkpoint().position, log.existed()), (5, Some(true)));
    assert_eq!(methods(&oss), ["HEAD"; 3]);
}

#[test]
fn open_never_guesses_from_an_answer_that_is_none() {
    let (oss, _) = start();
    let bucket = oss.builder("bucket").attempts(1).build().unwrap();
    oss.append_as_stranger("bucket", "log", b"there");
    for fault in [
        Fault::Page(404),
        Fault::PageAfter(200),
        Fault::StripHeaders,
        Fault::Refuse(404, "NoSuchBucket"),
        Fault::Refuse(500, "InternalError"),
        Fault::Status(304),
        Fault::WithHeader("Age", "60"),
        Fault::WithHeader("x-oss-next-append-position", "4"),
        Fault::LoseAnswer,
        Fault::CutAnswer(20),
        Fault::Garbage,
    ] {
        oss.inject_on("HEAD", fault.clone());
        let error = bucket.appender("log").open().unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotApplied, "{fault:?}");
        assert!(error.to_string().contains("log"), "{fault:?}: {error}");
    }
    assert_eq!(text(&oss).unwrap(), "there");
}

#[test]
fn an_object_longer_than_any_can_be_is_not_gone_on_with() {
    for (length, fits) in [("5368709120", true), ("5368709121", false)] {
        let (oss, bucket) = start();
        oss.append_as_stranger("bucket", "log", b"x");
        let said = Fault::WithHeader("Content-Length", length);
        oss.inject_on("HEAD", said.and(Fault::WithHeader("x-oss-next-append-position", length)));
        match bucket.appender("log").open() {
            Ok(log) => assert!(fits && log.checkpoint().position.to_string() == length),
            Err(error) => assert!(!fits && error.kind() == ErrorKind::Protocol, "{error}"),
        }
    }
}

#[test]
fn a_missing_bucket_is_not_an_absent_object() {
    let (oss, _) = start();
    let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
    let bucket = Bucket::builder(auth, &oss.endpoint(), "no-such-bucket").region(oss.region());
    let bucket = bucket.attempts(1).build().unwrap();
    let error = bucket.appender("log").open().unwrap_err();
    assert_eq!(error.code(), Some("NoSuchBucket"));
}

// ---- what cannot be appended to ----------------------------------------------------------------------------------

#[test]
fn a_normal_object_is_not_appendable() {
    let (oss, bucket) = start();
    oss.put_object("bucket", "log", b"normal");
    assert_eq!(bucket.appender("log").open().unwrap_err().kind(), ErrorKind::NotAppendable);

    for at in [Checkpoint::default(), Checkpoint::default().advance("normal")] {
        let mut log = match at.position {
            0 => bucket.appender("log").create_new().unwrap(),
            _ => bucket.appender("log").resume(at).unwrap(),
        };
        log.write_all(b"x").unwrap();
        let error = log.confirm().unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotAppendable, Outcome::NotApplied));
        assert_eq!(log.pending(), b"x");
    }
    assert_eq!(text(&oss).unwrap(), "normal");
}

#[test]
fn a_refusal_keeps_what_the_service_said_even_when_it_was_asked_about() {
    let (oss, bucket) = start();
    oss.put_object("bucket", "log", b"normal");
    let mut log = bucket.appender("log").resume(Checkpoint::default().advance("normal")).unwrap();
    log.write_all(b"x").unwrap(); // in doubt, as everything resumed: the refusal is asked about
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotAppendable, Some("ObjectNotAppendable")));
    assert!(error.request_id().is_some());
}

#[test]
fn a_sealed_object_is_a_conflict_that_says_where_it_ends() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"done");
    oss.seal("bucket", "log");
    let error = bucket.appender("log").open().unwrap_err();
    assert_eq!((error.kind(), error.next_position()), (ErrorKind::Conflict(Found::Sealed), Some(4)));
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_eq!(text(&oss).unwrap(), "done");
}

#[test]
fn a_key_that_may_not_ask_is_told_what_does_not_ask() {
    let (oss, bucket) = start();
    oss.forbid("HEAD");
    oss.forbid("GET");
    let error = bucket.appender("log").open().unwrap_err();
    assert_eq!((error.code(), error.status()), (Some("AccessDenied"), Some(403)));
    assert!(error.to_string().contains("create_new") && error.to_string().contains("resume"), "{error}");

    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(b"a").unwrap();
    let at = log.finish().unwrap();
    let mut log = bucket.appender("log").resume(at).unwrap();
    log.write_all(b"b").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "ab");
    assert_eq!(methods(&oss), ["HEAD", "POST", "POST"]);
}

#[test]
fn an_object_without_a_crc_of_its_own_is_read() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"very old");
    oss.without_crc();
    let mut log = bucket.appender("log").open().unwrap();
    assert_eq!(log.checkpoint(), Checkpoint::default().advance("very old"));
    assert_eq!(methods(&oss), ["HEAD", "GET"]);
    log.write_all(b", and new").unwrap();
    assert_eq!(log.finish().unwrap(), Checkpoint::default().advance("very old, and new"));
    assert_eq!(text(&oss).unwrap(), "very old, and new");
}

#[test]
fn an_empty_object_without_a_crc_needs_no_reading() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"");
    oss.without_crc();
    let log = bucket.appender("log").open().unwrap();
    assert_eq!((log.checkpoint(), methods(&oss).len()), (Checkpoint::default(), 1));
}

#[test]
fn an_object_whose_crc_cannot_be_learned_is_not_guessed_at() {
    let (oss, bucket) = start();
    oss.keep_no_bytes();
    oss.append_as_stranger("bucket", "log", b"very old");
    oss.without_crc();
    let error = bucket.appender("log").open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("CRC-64"), "{error}");
}

// ---- create-time parameters --------------------------------------------------------------------------------------

#[test]
fn create_time_parameters_go_out_with_every_attempt_of_the_creating_chunk_and_never_after() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").options(creating().traffic_limit(1_000_000)).open().unwrap();
    log.write_all(b"one").unwrap();
    oss.inject(Fault::LoseRequest);
    oss.inject(Fault::Refuse(503, "ServiceUnavailable"));
    log.confirm().unwrap();
    log.write_all(b"two").unwrap();
    log.finish().unwrap();
    let posts = posts(&oss);
    assert_eq!(posts.len(), 4);
    assert!(posts[..3].iter().all(has_all), "{:?}", posts[..3].iter().map(|p| &p.headers).collect::<Vec<_>>());
    assert!(has_none(&posts[3]), "{:?}", posts[3].headers);
    assert!(posts.iter().all(|post| post.header("x-oss-traffic-limit") == Some("1000000")));

    let stored = oss.metadata("bucket", "log").unwrap();
    for (name, value) in [
        ("content-type", "text/csv"),
        ("x-oss-object-acl", "private"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-server-side-encryption", "AES256"),
        ("x-oss-meta-host", "web-1"),
        ("x-oss-tagging", "team=logs"),
        ("cache-control", "no-cache"),
    ] {
        assert!(stored.contains(&(name.to_owned(), value.to_owned())), "{name}: {stored:?}");
    }
    assert_eq!(text(&oss).unwrap(), "onetwo");
}

#[test]
fn create_time_parameters_do_not_go_out_to_an_object_that_is_there() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"there");
    let at = {
        let mut log = bucket.appender("log").options(creating()).open().unwrap();
        log.write_all(b"1").unwrap();
        log.finish().unwrap()
    };
    let mut log = bucket.appender("log").options(creating()).resume(at).unwrap();
    log.write_all(b"2").unwrap();
    log.finish().unwrap();
    assert!(posts(&oss).iter().all(has_none));
    assert_eq!((oss.metadata("bucket", "log").unwrap(), text(&oss).unwrap()), (vec![], "there12".to_owned()));
}

#[test]
fn create_time_parameters_do_not_go_out_to_an_empty_object_that_is_there() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"");
    let mut log = bucket.appender("log").options(creating()).open().unwrap();
    assert_eq!(log.existed(), Some(true));
    log.write_all(b"1").unwrap();
    log.finish().unwrap(); // forbid_overwrite would be refused
    assert!(posts(&oss).iter().all(has_none));
    assert_eq!(text(&oss).unwrap(), "1");
}

#[test]
fn create_new_and_resume_at_0_send_create_time_parameters() {
    for resume in [false, true] {
        let (oss, bucket) = start();
        let builder = bucket.appender("log").options(creating());
        let mut log = if resume { builder.resume(Checkpoint::default()) } else { builder.create_new() }.unwrap();
        log.write_all(b"1").unwrap();
        log.confirm().unwrap();
        log.write_all(b"2").unwrap();
        log.finish().unwrap();
        let posts = posts(&oss);
        assert!(has_all(&posts[0]) && has_none(&posts[1]));
        assert_eq!(text(&oss).unwrap(), "12");
    }
}

#[test]
fn the_drop_of_a_creating_appender_sends_create_time_parameters() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").options(creating()).create_new().unwrap();
    log.write_all(b"1").unwrap();
    drop(log);
    assert!(has_all(&posts(&oss)[0]));
    assert_eq!(text(&oss).unwrap(), "1");
}

#[test]
fn forbid_overwrite_after_a_lost_answer_does_not_refuse_what_landed() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").options(creating()).create_new().unwrap();
    log.write_all(b"once").unwrap();
    oss.inject(Fault::ApplyLate);
    assert_eq!(log.finish().unwrap().position, 4);
    assert_eq!(text(&oss).unwrap(), "once");
}

#[test]
fn forbid_overwrite_on_an_object_that_is_there_is_a_conflict() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"there");
    let mut log = bucket.appender("log").options(creating()).create_new().unwrap();
    log.write_all(b"once").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict(Found::Longer), Some("FileAlreadyExists")));
    assert_eq!((error.outcome(), text(&oss).unwrap().as_str()), (Outcome::NotApplied, "there"));
}

#[test]
fn the_content_type_comes_from_the_key_unless_it_is_said() {
    let (oss, bucket) = start();
    for (key, options, expected) in [
        ("a.csv", AppendOptions::new(), "text/csv"),
        ("a", AppendOptions::new(), "application/octet-stream"),
        ("b.csv", AppendOptions::new().content_type("x/y"), "x/y"),
        ("c.csv", AppendOptions::new().header("CONTENT-TYPE", "x/z"), "x/z"),
    ] {
        let mut log = bucket.appender(key).options(options).create_new().unwrap();
        log.write_all(b"1").unwrap();
        log.finish().unwrap();
        assert!(oss.metadata("bucket", key).unwrap().contains(&("content-type".into(), expected.into())), "{key}");
        assert_eq!(oss.object("bucket", key).unwrap(), b"1");
    }
}

#[test]
fn the_requester_pays_header_goes_out_when_asking_too() {
    let (oss, bucket) = start();
    let options = AppendOptions::new().header("x-oss-request-payer", "requester");
    let mut log = bucket.appender("log").options(options).open().unwrap();
    log.write_all(b"1").unwrap();
    oss.inject(Fault::LoseAnswer);
    log.finish().unwrap();
    assert_eq!(methods(&oss), ["HEAD", "POST", "HEAD"]);
    assert!(oss.requests().iter().all(|request| request.header("x-oss-request-payer") == Some("requester")));
    assert_eq!(text(&oss).unwrap(), "1");
}

// ---- what is refused before anything is sent -----------------------------------------------------------------------

fn refused(error: &Error, about: &str) {
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotApplied), "{error}");
    assert!(error.to_string().to_lowercase().contains(about), "{error}");
}

#[test]
fn a_checksum_of_one_body_is_refused_by_every_way_to_start() {
    let (oss, bucket) = start();
    for name in ["Content-MD5", "content-md5", "x-oss-hash-crc64ecma"] {
        let options = AppendOptions::new().header(name, "1B2M2Y8AsgTpgAmY7PhCfg==");
        let builder = || bucket.appender("log").options(options.clone());
        let about = name.to_lowercase();
        refused(&builder().open().unwrap_err(), &about);
        refused(&builder().create_new().unwrap_err(), &about);
        refused(&builder().resume(Checkpoint::default()).unwrap_err(), &about);
    }
    assert_eq!(oss.requests(), []);
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_sent() {
    let (oss, bucket) = start();
    let log = || bucket.appender("log");
    refused(&log().buffer_capacity(0).open().unwrap_err(), "buffer_capacity");
    refused(&log().buffer_capacity((5 << 30) + 1).create_new().unwrap_err(), "buffer_capacity");
    refused(&log().buffer_capacity(usize::MAX).create_new().unwrap_err(), "buffer_capacity");
    refused(&log().roll_over(0, |_| String::new()).open().unwrap_err(), "roll_over");
    refused(&log().options(AppendOptions::new().meta("a b", "c")).open().unwrap_err(), "");
    refused(&log().options(AppendOptions::new().meta("a", "c\nd")).create_new().unwrap_err(), "");
    for key in ["", "/log", "\\log", &"k".repeat(1024)] {
        refused(&bucket.appender(key).open().unwrap_err(), "");
        refused(&bucket.appender(key).create_new().unwrap_err(), "");
        refused(&bucket.appender(key).resume(Checkpoint::default()).unwrap_err(), "");
    }
    assert_eq!(oss.requests(), []);
}

#[test]
fn a_checkpoint_that_cannot_be_is_refused() {
    let (oss, bucket) = start();
    let resume = |position, crc64| bucket.appender("log").resume(Checkpoint { position, crc64 });
    refused(&resume((5 << 30) + 1, 1).unwrap_err(), "5 gib");
    refused(&resume(0, 1).unwrap_err(), "crc64");
    assert_eq!(resume(5 << 30, 1).unwrap().checkpoint().position, 5 << 30);
    assert_eq!(resume(0, 0).unwrap().checkpoint(), Checkpoint::default());
    assert_eq!(oss.requests(), []);
}

#[test]
fn a_builder_prints_as_its_key() {
    let (_oss, bucket) = start();
    assert_eq!(format!("{:?}", bucket.appender("log")), r#"AppenderBuilder { key: "log", .. }"#);
}

#[test]
fn the_default_buffer_is_8_mib() {
    assert_eq!(oss_append::AppenderBuilder::DEFAULT_BUFFER_CAPACITY, 8 << 20);
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").create_new().unwrap();
    assert_eq!(log.write(&vec![0; (8 << 20) + 1]).unwrap(), 8 << 20);
    log.finish().unwrap();
    assert_eq!(oss.object_len("bucket", "log"), Some(8 << 20));
}

#[test]
fn one_bucket_opens_many_appenders_that_outlive_it() {
    let (oss, bucket) = start();
    let mut all: Vec<_> = (0..10).map(|i| bucket.appender(&format!("log-{i}")).create_new().unwrap()).collect();
    drop(bucket);
    for log in &mut all {
        let key = log.key().to_owned();
        log.write_all(key.as_bytes()).unwrap();
    }
    for log in all {
        assert!(log.finish().unwrap().position > 0);
    }
    for i in 0..10 {
        assert_eq!(oss.object("bucket", &format!("log-{i}")).unwrap(), format!("log-{i}").as_bytes());
    }
}
