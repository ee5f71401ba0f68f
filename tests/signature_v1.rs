//! With Signature V1 everything works that works with V4, and nothing else is sent.
#![cfg(feature = "sign-v1")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Auth, Bucket, BucketBuilder, Checkpoint, Credentials, ErrorKind, Outcome, SignatureVersion,
    testing::{FakeOss, Fault, Recorded},
};
use std::{
    io::{Read, Write},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// No region is said.
fn builder(oss: &FakeOss, auth: Auth) -> BucketBuilder {
    oss.create_bucket("bucket");
    let builder = Bucket::builder(auth, &oss.endpoint(), "bucket").signature_version(SignatureVersion::V1);
    builder.backoff(Duration::ZERO, Duration::ZERO)
}

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
    let bucket = builder(&oss, auth).build().unwrap();
    (oss, bucket)
}

#[track_caller]
fn is_v1(request: &Recorded) {
    assert!(request.header("authorization").unwrap().starts_with("OSS fake-key-id:"), "{request:?}");
    let date = request.header("date").unwrap();
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    for name in ["x-oss-date", "x-oss-content-sha256"] {
        assert_eq!(request.header(name), None);
    }
}

#[test]
fn every_kind_of_request_is_accepted() {
    let (oss, bucket) = start();
    let first = bucket.append_object("a/b.txt", 0, "one").unwrap();
    let second = bucket.append_object("a/b.txt", &first, "two").unwrap();
    let meta = bucket.head_object("a/b.txt").unwrap();
    assert_eq!((meta.length, meta.checkpoint()), (6, second.checkpoint()));
    let mut text = String::new();
    bucket.get_object_range("a/b.txt", 2..4).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "et");
    bucket.seal_append_object("a/b.txt", &second).unwrap();
    bucket.delete_object("a/b.txt").unwrap();
    assert!(!bucket.object_exists("a/b.txt").unwrap());

    let requests = oss.requests();
    let methods: Vec<_> = requests.iter().map(|request| &*request.method).collect();
    assert_eq!(methods, ["POST", "POST", "HEAD", "GET", "POST", "DELETE", "HEAD"]);
    requests.iter().for_each(is_v1);
}

#[test]
fn an_appender_settles_lost_answers() {
    let (oss, bucket) = start();
    let mut out = bucket.appender("log").buffer_capacity(4).open().unwrap();
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Refuse(500, "InternalError"), Fault::LoseAnswer] {
        oss.inject(fault);
    }
    out.write_all(b"one\ntwo\nend\n").unwrap();
    let end = out.finish().unwrap();
    assert_eq!(oss.object("bucket", "log").unwrap(), b"one\ntwo\nend\n");
    assert_eq!(end, Checkpoint::default().advance("one\ntwo\nend\n"));
    assert_eq!(oss.faults_left(), 0);
}

#[test]
fn what_describes_the_object_is_signed() {
    let (oss, bucket) = start();
    let options = AppendOptions::new()
        .content_type("text/csv")
        .acl("private")
        .meta("from", "build  tool")
        .tag("a b", "ü")
        .traffic_limit(819_200)
        .header("x-oss-request-payer", "requester")
        .header("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==");
    bucket.append_object_with("table", 0, "abc", &options).unwrap();
    assert_eq!(oss.object("bucket", "table").unwrap(), b"abc");
}

#[test]
fn keys_are_signed_as_they_are() {
    let (oss, bucket) = start();
    for key in ["日本/語.txt", "a b+c%20d", "?append", "a?position=1&x", "a#b", "a&b=c", "..", "a//b", "tab\there"] {
        bucket.append_object(key, 0, "x").unwrap_or_else(|error| panic!("{key:?}: {error}"));
        assert_eq!(bucket.head_object(key).unwrap().length, 1);
        assert_eq!(oss.object_len("bucket", key), Some(1));
    }
}

#[test]
fn a_wrong_clock_is_set_right_once() {
    for offset in [-5_000, 3_600, 400_000_000] {
        let (oss, bucket) = start();
        oss.set_clock_offset(offset);
        bucket.append_object("log", 0, "one").unwrap();
        assert_eq!(oss.requests().len(), 2);
        bucket.append_object("log", 3, "two").unwrap();
        assert_eq!(oss.requests().len(), 3);
    }
}

#[test]
fn a_token_is_sent_and_signed() {
    let oss = FakeOss::start().unwrap();
    oss.require_token("CAIS+token/==");
    let auth = Auth::sts(oss.access_key_id(), oss.access_key_secret(), "CAIS+token/==");
    let bucket = builder(&oss, auth).build().unwrap();
    bucket.append_object("log", 0, "one").unwrap();
    assert_eq!(oss.requests()[0].header("x-oss-security-token"), Some("CAIS+token/=="));
}

#[test]
fn an_expired_token_is_asked_for_again() {
    let oss = FakeOss::start().unwrap();
    oss.require_token("token-2");
    let asked = AtomicUsize::new(0);
    let (id, secret) = (oss.access_key_id().to_owned(), oss.access_key_secret().to_owned());
    let auth = Auth::provider(move || {
        let token = format!("token-{}", asked.fetch_add(1, Relaxed));
        Ok(Credentials::new(&id, &secret).with_token(&token))
    });
    let bucket = builder(&oss, auth).build().unwrap();
    // The first is old, the second shows that there are newer ones, the third is signed with.
    bucket.append_object("log", 0, "one").unwrap();
    assert_eq!(oss.requests().len(), 2);
    assert_eq!(oss.object("bucket", "log").unwrap(), b"one");
}

#[test]
fn an_expired_token_that_does_not_change_is_refused_once() {
    let oss = FakeOss::start().unwrap();
    oss.require_token("new");
    let auth = Auth::sts(oss.access_key_id(), oss.access_key_secret(), "old");
    let bucket = builder(&oss, auth).build().unwrap();
    let error = bucket.append_object("log", 0, "one").unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some("SecurityTokenExpired"), Outcome::NotApplied));
    assert_eq!(oss.requests().len(), 1);
}

#[test]
fn a_wrong_secret_is_refused_and_not_shown() {
    let (oss, _) = start();
    let auth = Auth::new(oss.access_key_id(), "a wrong secret");
    let bucket = builder(&oss, auth).build().unwrap();
    let error = bucket.append_object("log", 0, "one").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("SignatureDoesNotMatch")));
    assert!(!format!("{error} {error:?} {bucket:?}").contains("a wrong secret"));
}

#[test]
fn v4_stays_the_default_and_needs_its_region() {
    let oss = FakeOss::start().unwrap();
    oss.bucket("bucket").append_object("log", 0, "one").unwrap();
    assert!(oss.requests()[0].header("authorization").unwrap().starts_with("OSS4-HMAC-SHA256 "));
    assert_eq!(SignatureVersion::default(), SignatureVersion::V4);

    let auth = || Auth::new("id", "secret");
    let without = Bucket::builder(auth(), "http://127.0.0.1:9", "bucket");
    let error = without.signature_version(SignatureVersion::V4).build().unwrap_err();
    assert!(error.to_string().contains("BucketBuilder::region"), "{error}");
    let without = Bucket::builder(auth(), "http://127.0.0.1:9", "bucket");
    without.signature_version(SignatureVersion::V1).build().unwrap();
}
