//! A stream that runs for days does not fail because a token expired: days are tokens that live a few requests.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Auth, Body, BoxError, Bucket, Checkpoint, Credentials, CredentialsProvider, ErrorKind, Found, OnConflict, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    io::{Read, Write},
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// A cache: the same token until it is told that this one was refused.
struct Cache {
    key: Credentials,
    token: AtomicU64,
}

impl Cache {
    fn new(oss: &FakeOss) -> Arc<Self> {
        let key = Credentials::new(oss.access_key_id(), oss.access_key_secret());
        Arc::new(Self { key, token: AtomicU64::new(0) })
    }

    fn with(&self, token: u64) -> Credentials {
        self.key.clone().with_token(format!("token-{token}"))
    }

    fn fetched(&self) -> u64 {
        self.token.load(SeqCst)
    }
}

impl CredentialsProvider for Cache {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        Ok(self.with(self.token.load(SeqCst)))
    }

    fn refresh(&self, refused: &Credentials) -> Result<Credentials, BoxError> {
        let held = self.token.load(SeqCst);
        if self.with(held) == *refused {
            let _ = self.token.compare_exchange(held, held + 1, SeqCst, SeqCst);
        }
        self.credentials()
    }
}

/// Gives another token each time, and none is good.
struct Rubbish(Credentials, AtomicU64);

impl CredentialsProvider for Rubbish {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        Ok(self.0.clone().with_token(format!("rubbish-{}", self.1.fetch_add(1, SeqCst))))
    }
}

fn start(life: u64) -> FakeOss {
    let oss = FakeOss::start().unwrap();
    oss.create_bucket("bucket");
    oss.expire_tokens_after(life);
    oss
}

fn bucket(oss: &FakeOss, auth: Auth) -> Bucket {
    let builder = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region());
    builder.backoff(Duration::ZERO, Duration::ZERO).build().unwrap()
}

fn refusals(oss: &FakeOss, answered: usize) -> usize {
    oss.requests().len() - answered
}

#[test]
fn an_appender_outlives_any_number_of_tokens() {
    for life in 1..4 {
        let oss = start(life);
        let cache = Cache::new(&oss);
        let mut log = bucket(&oss, Auth::provider(Arc::clone(&cache))).appender("k").open().unwrap();
        let mut written = Vec::new();
        for n in 0..100 {
            writeln!(written, "line {n}").unwrap();
            writeln!(log, "line {n}").unwrap();
            log.flush().unwrap();
        }
        let end = log.finish().unwrap();
        assert_eq!(oss.object("bucket", "k").unwrap(), written);
        assert_eq!(end, Checkpoint::default().advance(&written));
        // 1 HEAD and 100 POSTs were answered; each token but the last was refused once.
        let fetched = cache.fetched();
        assert_eq!(refusals(&oss, 101) as u64, fetched, "one more request for each token that expired");
        assert_eq!(fetched, 100 / life);
    }
}

/// Faults that a stream with three attempts survives, wherever its tokens expire.
fn survived() -> Vec<(&'static str, Vec<Fault>)> {
    vec![
        ("POST", vec![Fault::LoseRequest]),
        ("POST", vec![Fault::LoseAnswer]),
        ("POST", vec![Fault::Reset]),
        ("POST", vec![Fault::Garbage]),
        ("POST", vec![Fault::CutAnswer(30)]),
        ("POST", vec![Fault::Page(502)]),
        ("POST", vec![Fault::PageAfter(502)]),
        ("POST", vec![Fault::Refuse(503, "ServiceUnavailable")]),
        ("POST", vec![Fault::FailAfter(500, "InternalError")]),
        ("POST", vec![Fault::ApplyLate]),
        ("POST", vec![Fault::StripHeaders]),
        ("POST", vec![Fault::WrongNext]),
        ("POST", vec![Fault::NoCrc]),
        ("POST", vec![Fault::LoseRequest, Fault::LoseRequest]),
        ("POST", vec![Fault::LoseRequest, Fault::LoseAnswer]),
        ("POST", vec![Fault::Refuse(503, "ServiceUnavailable"), Fault::LoseRequest]),
        ("HEAD", vec![Fault::LoseAnswer]),
        ("HEAD", vec![Fault::Refuse(503, "ServiceUnavailable"), Fault::LoseRequest]),
    ]
}

#[test]
fn nor_with_faults_between() {
    for life in 1..4 {
        for phase in 0..life {
            for (method, faults) in survived() {
                let oss = start(life);
                let bucket = bucket(&oss, Auth::provider(Cache::new(&oss)));
                for _ in 0..phase {
                    assert!(!bucket.object_exists("k").unwrap());
                }
                let mut log = bucket.appender("k").open().unwrap();
                let mut written = String::new();
                for n in 0..6 {
                    for fault in &faults {
                        oss.inject_on(method, fault.clone());
                    }
                    if method == "HEAD" {
                        oss.inject(Fault::LoseAnswer);
                    }
                    written += &format!("line {n}\n");
                    writeln!(log, "line {n}").unwrap();
                    log.confirm().unwrap_or_else(|error| panic!("{life} {phase} {method} {faults:?}: {error:?}"));
                }
                log.finish().unwrap();
                oss.land();
                assert_eq!(oss.object("bucket", "k").unwrap(), written.as_bytes(), "{life} {phase} {faults:?}");
            }
        }
    }
}

#[test]
fn a_token_may_expire_behind_every_attempt_of_one_append() {
    for life in [1, 2] {
        let oss = start(life);
        let bucket = bucket(&oss, Auth::provider(Cache::new(&oss)));
        for _ in 0..life {
            assert!(!bucket.object_exists("k").unwrap());
        }
        // Refused, lost, asked, lost, asked, refused again.
        for fault in [Fault::Pass, Fault::LoseRequest, Fault::LoseRequest] {
            oss.inject(fault);
        }
        bucket.append_object("k", 0, "x").unwrap_or_else(|error| panic!("{life}: {error:?}"));
        assert_eq!(oss.object("bucket", "k").unwrap(), b"x");
    }
}

#[test]
fn nor_behind_other_writers_whose_bytes_are_read_back() {
    for life in 1..4 {
        let oss = start(life);
        let bucket = bucket(&oss, Auth::provider(Cache::new(&oss)));
        let mut log = bucket.appender("k").on_conflict(OnConflict::Rebase).open().unwrap();
        for n in 0..12 {
            // A request that is refused for its token takes its fault with it, so the next has one, too.
            for _ in 0..2 {
                oss.inject(match n % 4 {
                    0 => Fault::StrangerBefore(b"theirs\n".to_vec()),
                    1 => Fault::LoseAnswer.and(Fault::StrangerAfter(b"theirs\n".to_vec())),
                    2 => Fault::LoseRequest.and(Fault::StrangerBefore(b"theirs\n".to_vec())),
                    _ => Fault::Pass,
                });
            }
            writeln!(log, "ours {n}").unwrap();
            log.confirm().unwrap_or_else(|error| panic!("{life} {n}: {error:?}"));
        }
        log.finish().unwrap();
        let text = String::from_utf8(oss.object("bucket", "k").unwrap()).unwrap();
        let ours: Vec<_> = text.lines().filter(|line| *line != "theirs").map(str::to_owned).collect();
        let expected: Vec<_> = (0..12).map(|n| format!("ours {n}")).collect();
        assert_eq!(ours, expected);
        assert!(text.lines().count() > 20, "there were others: {text}");
    }
}

#[test]
fn nor_with_a_key_that_may_only_write() {
    for life in 1..4 {
        for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::Refuse(503, "ServiceUnavailable")] {
            let oss = start(life);
            oss.forbid("HEAD");
            oss.forbid("GET");
            let mut log = bucket(&oss, Auth::provider(Cache::new(&oss))).appender("k").create_new().unwrap();
            let mut written = String::new();
            for n in 0..6 {
                oss.inject(fault.clone());
                written += &format!("line {n}\n");
                writeln!(log, "line {n}").unwrap();
                log.confirm().unwrap_or_else(|error| panic!("{life} {n} {fault:?}: {error:?}"));
            }
            log.finish().unwrap();
            assert_eq!(oss.object("bucket", "k").unwrap(), written.as_bytes());
        }
    }
}

#[test]
fn every_other_call_survives_it_too() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one\ntwo\nthree\n").unwrap();
    for life in 1..4 {
        for phase in 0..life {
            let oss = start(life);
            let bucket = bucket(&oss, Auth::provider(Cache::new(&oss)));
            for _ in 0..phase {
                assert!(!bucket.object_exists("k").unwrap());
            }
            let first = bucket.append_object("k", 0, "one\n").unwrap();
            bucket.append_object("k", first.next_position, "two\n").unwrap();
            bucket.resumable_append("k", file.path()).unwrap();
            bucket.resumable_append("k", file.path()).unwrap();
            let end = bucket.head_object("k").unwrap().checkpoint().unwrap();
            for (range, text) in [(0..14, "one\ntwo\nthree\n"), (4..8, "two\n"), (8..14, "three\n")] {
                let mut read = String::new();
                bucket.get_object_range("k", range).unwrap().read_to_string(&mut read).unwrap();
                assert_eq!(read, text);
            }
            assert!(bucket.object_exists("k").unwrap());
            bucket.seal_append_object("k", end).unwrap();
            bucket.seal_append_object("k", end).unwrap();
            let sealed = bucket.append_object("k", end, "x").unwrap_err();
            assert_eq!(sealed.kind(), ErrorKind::Conflict(Found::Sealed));
            bucket.delete_object("k").unwrap();
            bucket.delete_object("k").unwrap();
        }
    }
}

#[test]
fn bytes_that_can_be_read_once_are_refused_and_the_next_call_has_another_token() {
    let oss = start(1);
    let bucket = bucket(&oss, Auth::provider(Cache::new(&oss)));
    for n in 0..5 {
        assert_eq!(oss.object_len("bucket", "k").unwrap_or(0), n);
        let once = || bucket.append_object("k", n, Body::from_reader(&b"x"[..]));
        if n > 0 {
            let error = once().unwrap_err();
            assert_eq!((error.code(), error.outcome()), (Some("SecurityTokenExpired"), Outcome::NotApplied));
        }
        once().unwrap();
    }
}

#[test]
fn a_provider_that_only_has_bad_ones_ends_every_call_soon() {
    let rubbish = |oss: &FakeOss| {
        let key = Credentials::new(oss.access_key_id(), oss.access_key_secret());
        bucket(oss, Auth::provider(Rubbish(key, AtomicU64::new(0))))
    };
    let oss = start(0);
    let error = rubbish(&oss).append_object("k", 0, "x").unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some("SecurityTokenExpired"), Outcome::NotApplied));
    assert_eq!(oss.requests().len(), 2);
    assert_eq!(oss.object("bucket", "k"), None);

    // Bytes in doubt are asked about, and stay in doubt.
    let oss = start(1);
    let bucket = rubbish(&oss);
    oss.inject(Fault::LoseAnswer);
    let mut log = bucket.appender("k").open().unwrap();
    oss.expire_tokens_after(0);
    oss.inject(Fault::LoseRequest);
    write!(log, "x").unwrap();
    let sent = oss.requests().len();
    let error = log.confirm().unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    assert!(oss.requests().len() - sent <= 12, "{}", oss.requests().len() - sent);
    oss.expire_tokens_after(100);
    log.confirm().unwrap();
    assert_eq!(oss.object("bucket", "k").unwrap(), b"x");
}

#[test]
fn threads_share_a_token_and_fetch_the_next_one_once() {
    const THREADS: u64 = 4;
    let oss = start(u64::MAX);
    let cache = Cache::new(&oss);
    let bucket = bucket(&oss, Auth::provider(Arc::clone(&cache)));
    let (begin, change) = (Barrier::new(THREADS as usize), Barrier::new(THREADS as usize + 1));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (bucket, begin, change) = (&bucket, &begin, &change);
            scope.spawn(move || {
                let mut log = bucket.appender(&format!("k{thread}")).open().unwrap();
                begin.wait();
                for _ in 0..5 {
                    change.wait();
                    change.wait();
                    writeln!(log, "x").unwrap();
                    log.confirm().unwrap();
                }
            });
        }
        for round in 0..5 {
            change.wait();
            // What all of them hold is refused from now on.
            oss.require_token(&format!("token-{}", round + 1));
            change.wait();
        }
    });
    for thread in 0..THREADS {
        assert_eq!(oss.object("bucket", &format!("k{thread}")).unwrap(), b"x\nx\nx\nx\nx\n");
    }
    assert_eq!(cache.fetched(), 5);
}
