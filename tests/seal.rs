//! A sealed object takes no more bytes: sealing is idempotent, checks the position, and everyone who comes later is
//! told by name.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::testing::{FakeOss, Fault};
use oss_append::{Bucket, Checkpoint, Error, ErrorKind, Found, Outcome};
use std::io::Write;

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

const SEALED: ErrorKind = ErrorKind::Conflict(Found::Sealed);

#[test]
fn sealing_again_is_fine_and_changes_nothing() {
    let (oss, bucket) = start();
    let end = bucket.append_object("log", 0, "text").unwrap();
    bucket.seal_append_object("log", &end).unwrap();
    bucket.seal_append_object("log", 4).unwrap();
    bucket.seal_append_object("log", Checkpoint::default().advance("text")).unwrap();
    assert_eq!(oss.object("bucket", "log").unwrap(), b"text");
    let seals = oss.requests().iter().filter(|r| r.target.ends_with("/log?position=4&seal")).count();
    let other = oss.requests().iter().filter(|r| r.target.ends_with("/log?seal&position=4")).count();
    assert_eq!((seals + other, oss.requests().len()), (3, 4));
}

#[test]
fn an_empty_object_can_be_sealed() {
    let (_oss, bucket) = start();
    bucket.append_object("log", 0, "").unwrap();
    bucket.seal_append_object("log", 0).unwrap();
    assert_eq!(bucket.append_object("log", 0, "x").unwrap_err().kind(), SEALED);
}

#[test]
fn a_wrong_position_is_a_conflict_that_says_where_the_end_is() {
    let (_oss, bucket) = start();
    bucket.append_object("log", 0, "text").unwrap();
    for (position, found) in [(3, Found::Longer), (5, Found::Shorter)] {
        let error = bucket.seal_append_object("log", position).unwrap_err();
        assert_eq!((error.kind(), error.next_position()), (ErrorKind::Conflict(found), Some(4)));
        assert_eq!((error.status(), error.code()), (Some(409), Some("PositionNotEqualToLength")));
        assert!(error.to_string().starts_with(&format!("seal of \"log\" at {position}: ")), "{error}");
    }
    bucket.append_object("log", 4, "more").unwrap();
}

#[test]
fn an_account_that_may_not_seal_is_told_so() {
    let (oss, bucket) = start();
    bucket.append_object("log", 0, "text").unwrap();
    oss.without_sealing();
    oss.inject_on("SEAL", Fault::Pass);
    oss.inject_on("SEAL", Fault::Refuse(405, "MethodNotAllowed"));
    for code in ["OperationNotSupported", "MethodNotAllowed"] {
        let error = bucket.seal_append_object("log", 4).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some(code)));
        assert!(error.to_string().contains("this account may not seal objects"), "{error}");
    }
    bucket.append_object("log", 4, "more").unwrap();
}

#[test]
fn what_is_missing_or_not_appendable_cannot_be_sealed() {
    let (oss, bucket) = start();
    assert_eq!(bucket.seal_append_object("log", 0).unwrap_err().code(), Some("NoSuchKey"));
    oss.put_object("bucket", "picture", b"text");
    assert_eq!(bucket.seal_append_object("picture", 4).unwrap_err().kind(), ErrorKind::NotAppendable);
}

#[test]
fn what_cannot_be_a_position_is_not_asked_for() {
    let (oss, bucket) = start();
    let beyond = (5 << 30) + 1;
    for error in [
        bucket.seal_append_object("log", beyond).unwrap_err(),
        bucket.seal_append_object("log", Checkpoint { position: 0, crc64: 1 }).unwrap_err(),
        bucket.seal_append_object("", 0).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(oss.requests().len(), 0);
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let (oss, bucket) = start();
    bucket.append_object("log", 0, "text").unwrap();
    for fault in [Fault::LoseAnswer, Fault::Refuse(503, "ServiceUnavailable")] {
        oss.inject_on("SEAL", fault);
    }
    bucket.seal_append_object("log", 4).unwrap();
    assert_eq!(oss.faults_left(), 0);
    assert_eq!(bucket.append_object("log", 4, "x").unwrap_err().kind(), SEALED);
}

#[test]
fn appending_after_a_seal_is_refused_and_nothing_is_in() {
    let (oss, bucket) = start();
    let end = bucket.append_object("log", 0, "text").unwrap();
    bucket.seal_append_object("log", &end).unwrap();
    let errors: [Error; 2] =
        [bucket.append_object("log", &end, "x").unwrap_err(), bucket.append_object("log", 4, "x").unwrap_err()];
    for error in errors {
        assert_eq!((error.kind(), error.outcome()), (SEALED, Outcome::NotApplied));
        assert_eq!(error.code(), Some("AppendSealedObjectNotAllowed"));
    }
    assert_eq!(oss.object("bucket", "log").unwrap(), b"text");
}

#[test]
fn an_appender_does_not_open_on_a_sealed_object() {
    let (oss, bucket) = start();
    bucket.append_object("log", 0, "text").unwrap();
    oss.seal("bucket", "log");
    let error = bucket.appender("log").open().unwrap_err();
    assert_eq!((error.kind(), error.next_position()), (SEALED, Some(4)));
}

#[test]
fn an_appender_whose_object_is_sealed_meanwhile_keeps_its_bytes() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").open().unwrap();
    log.write_all(b"text").unwrap();
    log.flush().unwrap();
    oss.seal("bucket", "log");
    log.write_all(b"more").unwrap();
    for _ in 0..2 {
        let error = log.confirm().unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (SEALED, Outcome::NotApplied));
    }
    assert_eq!(log.resync().unwrap_err().kind(), SEALED);
    assert_eq!(log.into_parts(), (Checkpoint::default().advance("text"), b"more".to_vec()));
    assert_eq!(oss.object("bucket", "log").unwrap(), b"text");
}

#[test]
fn a_sealed_object_is_still_read() {
    let (_oss, bucket) = start();
    let end = bucket.append_object("log", 0, "text").unwrap();
    bucket.seal_append_object("log", &end).unwrap();
    let text = std::io::read_to_string(bucket.get_object("log").unwrap()).unwrap();
    assert_eq!((text.as_str(), bucket.head_object("log").unwrap().checkpoint()), ("text", end.checkpoint()));
}
