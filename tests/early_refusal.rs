//! A refusal that comes while the body is still going out reaches the user as that refusal, and not as the reset that
//! the connection ends by.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::*;
use oss_append::{
    Auth, Body, Bucket, Checkpoint, Error, ErrorKind, Found, Outcome, Position,
    testing::{FakeOss, Fault},
};
use std::{
    fs::{self, File},
    path::PathBuf,
    time::Duration,
};

/// More than the kernel takes at once.
const BIG: usize = 20 << 20;
const BASE: &str = "base";

/// A file in the build's own place, removed again.
struct Big(PathBuf);

impl Big {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, vec![b'x'; BIG]).unwrap();
        Self(path)
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Who refuses, and how it ends.
struct Case {
    name: &'static str,
    status: u16,
    code: &'static str,
    kind: ErrorKind,
    secret: Option<&'static str>,
    forbidden: bool,
    position: u64,
}

fn cases() -> [Case; 4] {
    let case = Case {
        name: "forbidden",
        status: 403,
        code: "AccessDenied",
        kind: ErrorKind::Service,
        secret: None,
        forbidden: true,
        position: 4,
    };
    [
        Case { name: "wrong-secret", code: "SignatureDoesNotMatch", secret: Some("wrong"), forbidden: false, ..case },
        Case {
            name: "beyond",
            status: 409,
            code: "PositionNotEqualToLength",
            kind: ErrorKind::Conflict(Found::Shorter),
            forbidden: false,
            position: 5,
            ..case
        },
        Case {
            name: "below",
            status: 409,
            code: "PositionNotEqualToLength",
            kind: ErrorKind::Conflict(Found::Longer),
            forbidden: false,
            position: 3,
            ..case
        },
        case,
    ]
}

impl Case {
    fn bucket(&self, stage: &Stage) -> Bucket {
        let oss: &FakeOss = &stage.oss;
        let auth = Auth::new(oss.access_key_id(), self.secret.unwrap_or_else(|| oss.access_key_secret()));
        let bucket = Bucket::builder(auth, &oss.endpoint(), BUCKET).region(oss.region()).attempts(3);
        if self.forbidden {
            oss.forbid("POST");
        }
        // As the service does, which looks at the head before it reads the body.
        oss.inject(Fault::RefuseEarlyWith(self.status, self.code));
        bucket.backoff(Duration::ZERO, Duration::ZERO).build().unwrap()
    }

    fn checkpoint(&self) -> Checkpoint {
        at(&"base!"[..self.position as usize])
    }

    #[track_caller]
    fn check(&self, stage: &Stage, how: &str, error: &Error) {
        let what = format!("{} {how}: {error:?}", self.name);
        assert_eq!((error.kind(), error.outcome()), (self.kind, Outcome::NotApplied), "{what}");
        match self.kind {
            ErrorKind::Service => {
                assert_eq!((error.code(), error.status()), (Some(self.code), Some(self.status)), "{what}");
            }
            _ => assert_eq!(error.next_position(), Some(4), "{what}"),
        }
        stage.oss.allow("POST");
        assert_eq!(stage.text(), BASE, "{what}");
        stage.bucket(1).append_object(KEY, at(BASE), "next").unwrap();
        assert_eq!(stage.text(), "basenext", "{what}");
    }

    #[track_caller]
    fn try_body(&self, how: &str, at: impl Into<Position>, body: Body<'_>) {
        let stage = Stage::with(BASE);
        let error = self.bucket(&stage).append_object(KEY, at, body).unwrap_err();
        assert_eq!(stage.oss.faults_left(), 0);
        self.check(&stage, how, &error);
    }
}

#[test]
fn of_bytes() {
    let big = vec![b'x'; BIG];
    for case in cases() {
        case.try_body("bytes", case.checkpoint(), Body::from(&big));
    }
}

#[test]
fn of_bytes_at_a_bare_position() {
    let big = vec![b'x'; BIG];
    for case in cases() {
        case.try_body("bytes at a bare position", case.position, Body::from(&big));
    }
}

#[test]
fn of_a_file() {
    let big = Big::new("early_refusal_of_a_file");
    for case in cases() {
        case.try_body("file", case.checkpoint(), Body::from(File::open(&big.0).unwrap()));
        case.try_body("file at a bare position", case.position, Body::from(File::open(&big.0).unwrap()));
    }
}

#[test]
fn of_a_reader_that_can_be_read_once() {
    use std::io::Read;
    for case in cases() {
        let reader = || std::io::repeat(b'x').take(BIG as u64);
        case.try_body("reader", case.checkpoint(), Body::from_reader(reader()));
        case.try_body("sized reader", case.checkpoint(), Body::sized(reader(), BIG as u64));
        case.try_body("reader at a bare position", case.position, Body::from_reader(reader()));
        case.try_body("sized reader at a bare position", case.position, Body::sized(reader(), BIG as u64));
    }
}

#[test]
fn of_an_appenders_chunk() {
    let big = "x".repeat(BIG);
    for case in cases().into_iter().filter(|case| case.position != 5) {
        let stage = Stage::with(BASE);
        let bucket = case.bucket(&stage);
        // The end as it was when the appender looked.
        stage.oss.replace_object(BUCKET, KEY, &b"base"[..case.position as usize]);
        let mut log = match case.secret {
            None => log(&bucket).buffer_capacity(BIG).open().unwrap(),
            Some(_) => log(&bucket).buffer_capacity(BIG).create_new().unwrap(),
        };
        if case.secret.is_some() {
            stage.oss.delete_object(BUCKET, KEY);
        } else {
            stage.oss.replace_object(BUCKET, KEY, BASE.as_bytes());
        }
        let error = put(&mut log, &big).unwrap_err();
        assert_eq!(stage.oss.faults_left(), 0);
        assert_eq!((log.pending().len(), log.in_doubt()), (BIG, None), "{}", case.name);
        drop(log); // sends nothing: the failure was reported
        stage.oss.land();
        if case.secret.is_some() {
            assert!(stage.oss.object(BUCKET, KEY).is_none(), "{}", case.name);
            stage.oss.replace_object(BUCKET, KEY, BASE.as_bytes());
        }
        case.check(&stage, "appender", &error);
    }
}

#[test]
fn again_and_again_from_a_service_that_answers_nothing_else() {
    let big = vec![b'x'; BIG];
    for (status, code) in [(403, "AccessDenied"), (403, "InvalidAccessKeyId"), (400, "InvalidArgument")] {
        let stage = Stage::with(BASE);
        (0..8).for_each(|_| stage.oss.inject(Fault::RefuseEarlyWith(status, code)));
        let error = stage.bucket(3).append_object(KEY, at(BASE), &big).unwrap_err();
        says(&error, ErrorKind::Service, Outcome::NotApplied);
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
        assert_eq!(stage.text(), BASE);
    }
}

#[test]
fn and_leaves_no_doubt_though_the_service_waited_for_the_rest() {
    let stage = Stage::with(BASE);
    stage.oss.inject(Fault::RefuseEarlyWith(400, "RequestTimeout"));
    let error = stage.bucket(1).append_object(KEY, at(BASE), vec![b'x'; BIG]).unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    assert_eq!(stage.text(), BASE);
}

/// What can hide a refusal: the connection breaks while the body is still going out.
const BROKEN: Fault = Fault::CutRequest(1 << 20);

#[test]
fn is_asked_for_by_an_append_of_nothing_where_a_large_body_met_a_reset() {
    for (length, probed) in [(4, false), (64 << 10, false), ((64 << 10) + 1, true)] {
        let stage = Stage::with(BASE);
        stage.oss.inject(Fault::LoseRequest.and(Fault::Reset));
        stage.bucket(3).append_object(KEY, at(BASE), vec![b'x'; length]).unwrap();
        let posts = stage.oss.requests().into_iter().filter(|request| request.method == "POST");
        let lengths: Vec<_> = posts.map(|post| usize::try_from(post.body_len).unwrap()).collect();
        let expected = if probed { vec![length, 0, length] } else { vec![length; 2] };
        assert_eq!(lengths, expected);
    }
}

#[test]
fn that_says_where_the_object_ends_is_told_though_nothing_else_is_answered() {
    let stage = Stage::with("basex");
    stage.oss.inject(BROKEN);
    stage.oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    let error = stage.bucket(1).append_object(KEY, at(BASE), vec![b'x'; BIG]).unwrap_err();
    says(&error, ErrorKind::Conflict(Found::Longer), Outcome::NotApplied);
    assert_eq!((error.code(), error.next_position()), (Some("PositionNotEqualToLength"), Some(5)));
}

#[test]
fn that_says_where_the_object_ends_is_asked_about_once_more_and_may_mean_that_an_attempt_landed() {
    let stage = Stage::with(BASE);
    stage.oss.inject(Fault::FailAfter(500, "InternalError"));
    stage.oss.inject(BROKEN);
    let old = Fault::Stale { length: 4, crc64: Some(at(BASE).crc64) };
    (0..2).for_each(|_| stage.oss.inject_on("HEAD", old.clone()));
    let end = stage.bucket(2).append_object(KEY, at(BASE), vec![b'x'; BIG]).unwrap();
    assert_eq!(end.next_position, 4 + BIG as u64);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4", "HEAD", "POST 4", "HEAD"]);
    assert_eq!(stage.text().len(), 4 + BIG);
}

#[test]
fn that_comes_right_behind_a_question_is_not_asked_about_again() {
    let stage = Stage::with(BASE);
    stage.oss.inject(Fault::Refuse(500, "InternalError"));
    stage.oss.inject(BROKEN);
    stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
    let error = stage.bucket(2).append_object(KEY, at(BASE), vec![b'x'; BIG]).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::Unknown);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4", "HEAD", "POST 4"]);
}

/// Who says that it is busy is not asked at once.
#[cfg(feature = "wire")]
#[test]
fn of_a_busy_service_is_asked_about_after_a_pause() {
    use oss_append::Event;
    use std::sync::{Arc, Mutex};

    let (stage, pauses, longest) = (Stage::with(BASE), Arc::new(Mutex::new(Vec::new())), Duration::from_millis(3));
    let seen = Arc::clone(&pauses);
    let builder = stage.oss.builder(BUCKET).backoff(longest, longest).on_event(move |event| {
        if let Event::Ask { pause, .. } = event {
            seen.lock().unwrap().push(*pause);
        }
    });
    stage.oss.inject(Fault::RefuseEarlyWith(503, "ServiceUnavailable"));
    builder.build().unwrap().append_object(KEY, at(BASE), vec![b'x'; BIG]).unwrap();
    // By chance, but for once in six million times.
    assert!(matches!(pauses.lock().unwrap()[..], [pause] if pause > Duration::ZERO));
}

#[test]
fn and_what_it_was_refused_for_is_found_though_it_was_never_sent_whole() {
    let stage = Stage::with(&"replaced".repeat(BIG / 8 + 1));
    stage.oss.inject(Fault::RefuseEarlyWith(409, "PositionNotEqualToLength"));
    let error = stage.bucket(3).append_object(KEY, at(BASE), vec![b'x'; BIG]).unwrap_err();
    says(&error, ErrorKind::Conflict(Found::Different), Outcome::NotApplied);
}

#[test]
fn while_nothing_can_be_asked_either() {
    let big = vec![b'x'; BIG];
    let stage = Stage::with(BASE);
    ["POST", "HEAD", "GET"].iter().for_each(|method| stage.oss.forbid(method));
    stage.oss.inject(Fault::RefuseEarly);
    let error = stage.bucket(3).append_object(KEY, at(BASE), &big).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::NotApplied);
    assert_eq!(error.code(), Some("AccessDenied"));
    assert_eq!(stage.text(), BASE);
}

#[test]
fn once_only_is_sent_again() {
    let big = vec![b'x'; BIG];
    let stage = Stage::with(BASE);
    stage.oss.inject(Fault::RefuseEarlyWith(503, "ServiceUnavailable"));
    let end = stage.bucket(3).append_object(KEY, at(BASE), &big).unwrap();
    assert_eq!(end.next_position, 4 + BIG as u64);
    assert_eq!(stage.text().len(), 4 + BIG);
}

#[test]
fn does_not_end_the_doubt_of_an_earlier_attempt() {
    let stage = Stage::with(BASE);
    let big = "x".repeat(BIG);
    let mut log = log(&stage.bucket(3)).buffer_capacity(BIG).open().unwrap();
    stage.oss.inject(Fault::Hold);
    (0..8).for_each(|_| stage.oss.inject(Fault::RefuseEarly));
    let error = put(&mut log, &big).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::Unknown);
    assert_eq!(log.in_doubt(), Some(4..4 + BIG as u64));
    assert_eq!(stage.oss.land(), 1);
    let before = stage.oss.requests().len();
    log.confirm().unwrap();
    assert_eq!(stage.calls_from(before), ["HEAD"]);
    settled(&log, &stage, &format!("{BASE}{big}"));
}

#[test]
fn of_an_absent_object_leaves_it_absent() {
    let stage = Stage::empty();
    let big = vec![b'x'; BIG];
    stage.oss.forbid("POST");
    stage.oss.inject(Fault::RefuseEarly);
    let error = stage.bucket(3).append_object(KEY, 0, &big).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::NotApplied);
    assert!(stage.is_absent());
}

/// A body that was sent whole before the refusal could be seen: what closes behind it must not hide it.
#[cfg(feature = "wire")]
#[test]
fn of_a_small_body_is_told_every_time() {
    for _ in 0..20 {
        for (how, body) in [
            ("bytes", Body::from("small")),
            ("sized", Body::sized(&b"small"[..], 5)),
            ("chunked", Body::from_reader(&b"small"[..])),
            ("one KiB, chunked", Body::from_reader(&[b'x'; 1024][..])),
            ("100 KiB", Body::from(vec![b'x'; 100 << 10])),
        ] {
            let stage = Stage::with(BASE);
            // Were it asked for again, the answer would be another.
            stage.oss.inject(Fault::RefuseEarlyWith(403, "KmsServiceNotEnabled"));
            let error = stage.bucket(1).append_object(KEY, 4, body).unwrap_err();
            says(&error, ErrorKind::Service, Outcome::NotApplied);
            assert_eq!(error.code(), Some("KmsServiceNotEnabled"), "{how}");
            assert_eq!(stage.calls_from(0), ["POST 4"], "{how}");
        }
    }
}
