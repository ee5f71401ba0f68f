//! Who asks: providers, expired tokens, wrong keys and clocks; and nothing secret is ever printed.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Auth, Body, BoxError, Bucket, Checkpoint, Credentials, CredentialsProvider, Error, ErrorKind, Found,
    Outcome, Result,
    testing::{FakeOss, Fault, Recorded},
};
use std::{
    fmt::Debug,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

const BEFORE: &[u8] = b"one\n";

/// With an object and no faults; the bucket is made by each test.
fn start() -> FakeOss {
    let oss = FakeOss::start().unwrap();
    oss.replace_object("bucket", "k", BEFORE);
    oss
}

fn before() -> Checkpoint {
    Checkpoint::default().advance(BEFORE)
}

fn bucket(oss: &FakeOss, auth: Auth) -> Bucket {
    Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).build().unwrap()
}

/// Hands out one answer after the other, then the last one for ever, and counts.
struct Script {
    answers: Vec<Result<Credentials, &'static str>>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<Credentials, &'static str>>) -> Arc<Self> {
        Arc::new(Self { answers: answers.into_iter().collect(), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

impl CredentialsProvider for Script {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        let n = self.asked.fetch_add(1, Relaxed);
        Ok(self.answers[n.min(self.answers.len() - 1)].clone()?)
    }
}

fn good(oss: &FakeOss) -> Credentials {
    Credentials::new(oss.access_key_id(), oss.access_key_secret())
}

fn methods(oss: &FakeOss) -> Vec<String> {
    oss.requests().into_iter().map(|request| request.method).collect()
}

fn tokens(requests: &[Recorded]) -> Vec<Option<&str>> {
    requests.iter().map(|request| request.header("x-oss-security-token")).collect()
}

// ---- providers -----------------------------------------------------------------------------------------------------

#[test]
fn a_provider_is_asked_before_every_request() {
    let oss = start();
    oss.add_key("second", "key");
    let script = Script::new([Ok(good(&oss)), Ok(Credentials::new("second", "key")), Ok(good(&oss))]);
    let bucket = bucket(&oss, Auth::provider(Arc::clone(&script)));
    assert_eq!(script.asked(), 0, "building asks nobody");
    oss.inject(Fault::LoseRequest);
    bucket.append_object("k", before(), "two\n").unwrap(); // POST, HEAD, POST
    bucket.delete_object("k").unwrap();
    assert_eq!(methods(&oss), ["POST", "HEAD", "POST", "DELETE"]);
    assert_eq!(script.asked(), 4);
    let by: Vec<_> =
        oss.requests().iter().map(|r| r.header("authorization").unwrap().contains("Credential=second/")).collect();
    assert_eq!(by, [false, true, false, false]);
}

#[test]
fn a_providers_error_is_the_source_and_nothing_is_sent() {
    let oss = start();
    let bucket = bucket(&oss, Auth::provider(|| Err("the vault is closed".into())));
    let errors = [
        bucket.append_object("k", before(), "x").unwrap_err(),
        bucket.append_object("k", 4, Body::from_reader(&b"x"[..])).unwrap_err(),
        bucket.head_object("k").unwrap_err(),
        bucket.object_exists("k").unwrap_err(),
        bucket.delete_object("k").unwrap_err(),
        bucket.appender("k").open().map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Credentials, Outcome::NotApplied), "{error:?}");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the vault is closed");
        assert!(error.to_string().contains("the credentials provider failed"), "{error}");
        assert!(!error.to_string().contains("vault"), "said by the source: {error}");
    }
    assert_eq!(oss.requests(), []);
    let empty = Auth::provider(|| Ok(Credentials::new("", "x")));
    let error = self::bucket(&oss, empty).append_object("k", 4, "x").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Credentials, Outcome::NotApplied));
    assert!(error.to_string().contains("the credentials provider: the access key id is empty"), "{error}");
}

#[test]
fn a_provider_that_fails_while_bytes_are_in_doubt_leaves_them_in_doubt() {
    let oss = start();
    let script = Script::new([Ok(good(&oss)), Err("the vault is closed")]);
    oss.inject(Fault::Hold);
    let error = bucket(&oss, Auth::provider(script)).append_object("k", before(), "two\n").unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    assert_eq!(oss.land(), 1, "and they do land");
}

// ---- tokens --------------------------------------------------------------------------------------------------------

#[test]
fn an_expired_token_is_asked_for_again_once_and_the_request_repeated() {
    type Call = fn(&Bucket) -> Result<()>;
    let calls: [(&str, Call); 5] = [
        ("POST", |bucket| bucket.append_object("k", before(), "x").map(drop)),
        ("POST", |bucket| bucket.append_object("k", 4, "x").map(drop)),
        ("HEAD", |bucket| bucket.head_object("k").map(drop)),
        ("HEAD", |bucket| bucket.object_exists("k").map(|exists| assert!(exists))),
        ("DELETE", |bucket| bucket.delete_object("k")),
    ];
    for (method, call) in calls {
        let oss = start();
        oss.require_token("fresh");
        let script = Script::new([Ok(good(&oss).with_token("stale")), Ok(good(&oss).with_token("fresh"))]);
        let builder = Bucket::builder(Auth::provider(Arc::clone(&script)), &oss.endpoint(), "bucket");
        // A repair is no attempt.
        call(&builder.region(oss.region()).attempts(1).build().unwrap()).unwrap();
        assert_eq!(methods(&oss), [method, method]);
        assert_eq!(tokens(&oss.requests()), [Some("stale"), Some("fresh")]);

        // Once, not for ever.
        let oss = start();
        oss.require_token("fresh");
        let tokens = (0..9).map(|n| Ok(good(&oss).with_token(format!("stale {n}"))));
        let error = call(&bucket(&oss, Auth::provider(Script::new(tokens)))).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("SecurityTokenExpired")), "{method}");
        assert_eq!((error.outcome(), error.status()), (Outcome::NotApplied, Some(403)));
        assert_eq!(methods(&oss), [method, method]);
        assert_eq!(oss.object("bucket", "k").unwrap(), BEFORE);
    }
}

#[test]
fn the_same_credentials_are_not_tried_again() {
    let oss = start();
    oss.require_token("fresh");
    let script = Script::new([Ok(good(&oss).with_token("stale"))]);
    for auth in [
        Auth::provider(script),
        Auth::sts(oss.access_key_id(), oss.access_key_secret(), "stale"),
        Auth::new(oss.access_key_id(), oss.access_key_secret()),
    ] {
        let sent = oss.requests().len();
        let error = bucket(&oss, auth).append_object("k", before(), "x").unwrap_err();
        assert_eq!((error.code(), error.outcome()), (Some("SecurityTokenExpired"), Outcome::NotApplied));
        assert_eq!(oss.requests().len(), sent + 1);
    }
}

#[test]
fn a_key_that_was_rotated_is_asked_for_again() {
    let oss = start();
    let script = Script::new([Ok(Credentials::new("retired", "key")), Ok(good(&oss))]);
    bucket(&oss, Auth::provider(script)).append_object("k", before(), "x").unwrap();
    assert_eq!(oss.object("bucket", "k").unwrap(), b"one\nx");
}

#[test]
fn a_token_that_expires_while_bytes_are_in_doubt_is_no_write_only_key() {
    let oss = start();
    oss.require_token("first");
    // The append goes out with the first token; what asks finds it expired.
    let script = Script::new([
        Ok(good(&oss).with_token("first")),
        Ok(good(&oss).with_token("expired")),
        Ok(good(&oss).with_token("first")),
    ]);
    oss.inject(Fault::LoseAnswer);
    let appended = bucket(&oss, Auth::provider(script)).append_object("k", before(), "two\n").unwrap();
    assert_eq!(appended.next_position, 8);
    assert_eq!(methods(&oss), ["POST", "HEAD", "HEAD"]);

    // And if no token is good any more, nothing is known.
    let oss = start();
    oss.require_token("first");
    let script = Script::new([Ok(good(&oss).with_token("first")), Ok(good(&oss).with_token("expired"))]);
    oss.inject(Fault::LoseAnswer);
    let error = bucket(&oss, Auth::provider(script)).append_object("k", before(), "two\n").unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    assert_eq!(oss.object("bucket", "k").unwrap(), b"one\ntwo\n");
}

#[test]
fn bytes_that_can_be_read_once_are_refused_by_an_expired_token_and_the_next_call_works() {
    for position in [oss_append::Position::from(before()), 4.into()] {
        for sized in [true, false] {
            let oss = start();
            oss.require_token("fresh");
            let script = Script::new([Ok(good(&oss).with_token("stale")), Ok(good(&oss).with_token("fresh"))]);
            let bucket = bucket(&oss, Auth::provider(script));
            let body = |bytes: &'static [u8]| match sized {
                true => Body::sized(bytes, bytes.len() as u64),
                false => Body::from_reader(bytes),
            };
            let error = bucket.append_object("k", position, body(b"two\n")).unwrap_err();
            assert_eq!((error.code(), error.outcome()), (Some("SecurityTokenExpired"), Outcome::NotApplied));
            assert_eq!(oss.object("bucket", "k").unwrap(), BEFORE);
            bucket.append_object("k", position, body(b"two\n")).unwrap();
            assert_eq!(oss.object("bucket", "k").unwrap(), b"one\ntwo\n");
        }
    }
}

#[test]
fn an_appender_lives_longer_than_its_token() {
    let oss = start();
    oss.require_token("1");
    let auth = good(&oss);
    let token = Arc::new(AtomicUsize::new(1));
    let (now, cached) = (Arc::clone(&token), AtomicUsize::new(1));
    // A cache that is one answer behind.
    let provider = move || Ok(auth.clone().with_token(cached.swap(now.load(Relaxed), Relaxed).to_string()));
    let mut log = bucket(&oss, Auth::provider(provider)).appender("k").open().unwrap();
    for n in 1..6 {
        oss.require_token(&n.to_string());
        token.store(n, Relaxed);
        writeln!(log, "{n}").unwrap();
        log.flush().unwrap();
    }
    log.finish().unwrap();
    assert_eq!(oss.object("bucket", "k").unwrap(), b"one\n1\n2\n3\n4\n5\n");
}

// ---- keys ----------------------------------------------------------------------------------------------------------

#[test]
fn wrong_keys_and_regions_are_the_services_errors() {
    let oss = start();
    let (id, secret) = (oss.access_key_id(), oss.access_key_secret());
    for (auth, region, status, code, ec) in [
        (Auth::new(id, "wrong"), "cn-hangzhou", 403, "SignatureDoesNotMatch", "0002-00000040"),
        (Auth::new("unknown", secret), "cn-hangzhou", 403, "InvalidAccessKeyId", "0002-00000902"),
        (Auth::new(id, secret), "cn-beijing", 400, "InvalidArgument", "0002-00000226"),
        (Auth::anonymous(), "cn-hangzhou", 403, "AccessDenied", "0003-00000001"),
    ] {
        let bucket = Bucket::builder(auth, &oss.endpoint(), "bucket").region(region).build().unwrap();
        for error in [
            bucket.append_object("k", before(), "x").unwrap_err(),
            bucket.append_object("k", 4, Body::from_reader(&b"x"[..])).unwrap_err(),
            bucket.head_object("k").unwrap_err(),
            bucket.object_exists("k").unwrap_err(),
            bucket.delete_object("k").unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Service, Outcome::NotApplied), "{error:?}");
            assert_eq!((error.status(), error.code(), error.ec()), (Some(status), Some(code), Some(ec)), "{error:?}");
            assert_eq!(error.request_id().map(str::len), Some(24));
            assert!(!error.is_transient());
        }
    }
    assert_eq!(oss.object("bucket", "k").unwrap(), BEFORE);
    assert_eq!(oss.requests().len(), 4 * 5, "none of it is worth repeating");
}

#[test]
fn anonymous_requests_are_not_signed() {
    let oss = start();
    oss.allow_anonymous();
    let bucket = Bucket::new(Auth::anonymous(), &oss.endpoint(), "bucket").unwrap();
    bucket.append_object("k", before(), "x").unwrap();
    bucket.head_object("k").unwrap();
    for request in oss.requests() {
        for name in ["authorization", "x-oss-date", "x-oss-content-sha256", "x-oss-security-token"] {
            assert_eq!(request.header(name), None);
        }
    }
}

// ---- clocks --------------------------------------------------------------------------------------------------------

#[test]
fn a_wrong_clock_is_repaired_once_and_stays_repaired_for_all_clones() {
    type Call = fn(&Bucket) -> Result<()>;
    let calls: [Call; 4] = [
        |bucket| bucket.append_object("k", before(), "x").map(drop),
        |bucket| bucket.append_object("k", 4, "x").map(drop),
        |bucket| bucket.head_object("k").map(drop),
        |bucket| bucket.delete_object("absent"),
    ];
    for offset in [3600, -3600, 86_400 * 400, -86_400 * 400] {
        for call in calls {
            let oss = start();
            oss.set_clock_offset(offset);
            let bucket = oss.builder("bucket").attempts(1).build().unwrap();
            let clone = bucket.clone();
            call(&bucket).unwrap();
            assert_eq!(oss.requests().len(), 2, "refused, repaired");
            clone.head_object("k").unwrap();
            bucket.append_object("other", 0, "x").unwrap();
            bucket.append_object("once", 0, Body::from_reader(&b"x"[..])).unwrap();
            assert_eq!(oss.requests().len(), 5, "and right from then on");
        }
    }
}

#[test]
fn a_clock_that_jumps_is_repaired_again() {
    let oss = start();
    let bucket = oss.bucket("bucket");
    let mut at = before();
    for offset in [3600, 0, -3600, 7200] {
        oss.set_clock_offset(offset);
        at = bucket.append_object("k", at, "x").unwrap().checkpoint().unwrap();
    }
    assert_eq!(oss.object("bucket", "k").unwrap(), b"one\nxxxx");
    assert_eq!(oss.requests().len(), 8);
}

#[test]
fn a_clock_that_cannot_be_repaired_is_the_services_error() {
    let oss = start();
    let bucket = oss.bucket("bucket");
    for method in ["POST", "POST", "HEAD", "HEAD"] {
        oss.inject_on(method, Fault::Refuse(403, "RequestTimeTooSkewed"));
    }
    let errors = [bucket.append_object("k", before(), "x").unwrap_err(), bucket.head_object("k").unwrap_err()];
    for error in errors {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("RequestTimeTooSkewed")));
        assert_eq!(error.outcome(), Outcome::NotApplied);
    }
    assert_eq!(methods(&oss), ["POST", "POST", "HEAD", "HEAD"]);
}

#[test]
fn bytes_that_can_be_read_once_are_refused_by_a_wrong_clock_and_the_next_call_works() {
    let oss = start();
    oss.set_clock_offset(3600);
    let bucket = oss.bucket("bucket");
    let body = || Body::from_reader(&b"two\n"[..]);
    let error = bucket.append_object("k", before(), body()).unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some("RequestTimeTooSkewed"), Outcome::NotApplied));
    bucket.append_object("k", before(), body()).unwrap();
    assert_eq!(oss.object("bucket", "k").unwrap(), b"one\ntwo\n");
}

#[test]
fn a_wrong_clock_and_an_expired_token_are_both_repaired_in_one_call() {
    let oss = start();
    oss.require_token("fresh");
    oss.set_clock_offset(3600);
    let token = Script::new([
        Ok(good(&oss).with_token("stale")),
        Ok(good(&oss).with_token("stale")),
        Ok(good(&oss).with_token("fresh")),
    ]);
    let builder = Bucket::builder(Auth::provider(token), &oss.endpoint(), "bucket").region(oss.region());
    builder.attempts(1).build().unwrap().append_object("k", before(), "x").unwrap();
    assert_eq!(oss.requests().len(), 3);
}

#[test]
fn asking_is_repaired_too_while_bytes_are_in_doubt() {
    let oss = start();
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::Refuse(403, "RequestTimeTooSkewed"));
    oss.bucket("bucket").append_object("k", before(), "two\n").unwrap();
    assert_eq!(methods(&oss), ["POST", "HEAD", "HEAD"]);

    // A second refusal is an answer, and not that of a key that may only write.
    let oss = start();
    oss.inject(Fault::LoseAnswer);
    for _ in 0..9 {
        oss.inject_on("HEAD", Fault::Refuse(403, "RequestTimeTooSkewed"));
    }
    let error = oss.bucket("bucket").append_object("k", before(), "two\n").unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    assert_eq!(methods(&oss).iter().filter(|method| *method == "POST").count(), 1);
}

// ---- secrets -------------------------------------------------------------------------------------------------------

const SECRET: &str = "s3cr3t-MARK-key";
const TOKEN: &str = "t0k3n-MARK-text";

#[track_caller]
fn hides(value: &dyn Debug) {
    let text = format!("{value:?} {value:#?}");
    assert!(!text.contains("MARK"), "{text}");
}

#[track_caller]
fn error_hides(error: &Error) {
    hides(error);
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        assert!(!error.to_string().contains("MARK"), "{error}");
        next = error.source();
    }
    let io = std::io::Error::from(error.clone());
    assert!(!format!("{io} {io:?}").contains("MARK"));
}

/// An address where nobody listens. Both ends of a connection keep its port from being given to anybody else.
fn nobody() -> (String, [std::net::TcpStream; 2]) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (format!("http://{}", stream.local_addr().unwrap()), [stream, listener.accept().unwrap().0])
}

#[test]
fn secrets_are_in_no_text() {
    let oss = start();
    oss.add_key("id", SECRET);
    let credentials = || Credentials::new("id", SECRET).with_token(TOKEN);
    hides(&credentials());
    for auth in [Auth::new("id", SECRET), Auth::sts("id", SECRET, TOKEN), Auth::provider(move || Ok(credentials()))] {
        hides(&auth);
        let builder = || {
            let builder = Bucket::builder(auth.clone(), &oss.endpoint(), "bucket").region(oss.region());
            builder.proxy(&oss.endpoint().replace("http://", &format!("http://me:{SECRET}@")))
        };
        hides(&builder());
        let bucket = builder().build().unwrap();
        hides(&bucket);
        let options = AppendOptions::new()
            .meta("a", SECRET)
            .header("x-oss-server-side-encryption-key-id", SECRET)
            .progress(|_| ());
        hides(&options);
        hides(&Body::from(SECRET));
        hides(&bucket.appender("k").options(options.clone()));
        let mut appender = bucket.appender("k").options(options.clone()).open().unwrap();
        appender.write_all(SECRET.as_bytes()).unwrap();
        hides(&appender);

        let mut errors = Vec::new();
        let faults = [
            Fault::Refuse(403, "AccessDenied"),
            Fault::Refuse(500, "InternalError"),
            Fault::Page(200),
            Fault::LoseAnswer,
            Fault::Garbage,
            Fault::WrongNext,
            Fault::CutAnswer(30),
            Fault::Damage,
            Fault::RefuseEarly,
        ];
        for fault in faults {
            oss.replace_object("bucket", "k", BEFORE);
            oss.inject(fault);
            let body = Body::from_reader(SECRET.as_bytes());
            errors.extend(bucket.append_object_with("k", 4, body, &options).err());
        }
        assert!(errors.len() >= 8, "{errors:?}");
        oss.require_token("another");
        errors.push(bucket.append_object_with("k", before(), SECRET, &options).unwrap_err());
        errors.push(bucket.head_object("k").unwrap_err());
        let finish = appender.finish().unwrap_err();
        hides(&finish);
        assert!(!finish.to_string().contains("MARK"));
        errors.push(finish.error().clone());
        oss.require_token(TOKEN);
        oss.add_key("id", "rotated");
        // The fake, as the service, repeats what it was sent to say why a signature is wrong.
        errors.push(bucket.append_object_with("k", before(), SECRET, &options).unwrap_err());
        assert_eq!(errors.last().unwrap().code(), Some("SignatureDoesNotMatch"));
        oss.add_key("id", SECRET);
        let (endpoint, _held) = nobody();
        let builder = Bucket::builder(auth, &endpoint, "bucket").region(oss.region());
        let unreachable = builder.backoff(Duration::ZERO, Duration::ZERO).build().unwrap();
        errors.push(unreachable.append_object_with("k", before(), SECRET, &options).unwrap_err());
        errors.push(unreachable.head_object("k").unwrap_err());
        errors.iter().for_each(error_hides);
    }
}

#[test]
fn what_cannot_be_sent_is_not_repeated() {
    let oss = start();
    let (broken_secret, broken_token) = (format!("{SECRET}\n"), format!("x\n{TOKEN}"));
    for auth in [
        Auth::new("id", format!("{broken_secret}x")),
        Auth::sts("id", "secret", &broken_token),
        Auth::provider(move || Ok(Credentials::new("id", "secret").with_token(&broken_token))),
        Auth::new(format!("{SECRET}\u{e9}"), "secret"),
    ] {
        error_hides(&bucket(&oss, auth).append_object("k", before(), "x").unwrap_err());
    }
    assert_eq!(oss.requests(), []);
    for options in [
        AppendOptions::new().header("a", &broken_secret.replace('\n', "\nx")),
        AppendOptions::new().meta("a", "MARK\0"),
    ] {
        error_hides(&oss.bucket("bucket").append_object_with("k", before(), "x", &options).unwrap_err());
    }
    let with_password = format!("http://me:{SECRET}@127.0.0.1");
    error_hides(&Bucket::new(Auth::anonymous(), &with_password, "bucket").unwrap_err());
    let builder = || Bucket::builder(Auth::anonymous(), &with_password, "bucket");
    hides(&builder());
    error_hides(&oss.builder("bucket").proxy(&format!("https://me:{SECRET}@127.0.0.1")).build().unwrap_err());
    error_hides(&builder().build().unwrap_err());
    let conflict = oss.bucket("bucket").append_object("k", 0, SECRET).unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict(Found::Longer));
    error_hides(&conflict);
}
