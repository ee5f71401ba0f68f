//! Errors say what happened, in words and in numbers, and are found inside whatever they are wrapped in.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Appender, AppenderBuilder, Auth, Body, Bucket, BucketBuilder, Checkpoint, Error, ErrorKind,
    FinishError, Found, Outcome, Position, Result,
    testing::{FakeOss, Fault},
};
use std::{
    error::Error as StdError,
    fmt, io,
    io::Write,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

const BEFORE: &[u8] = b"one\n";

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    oss.replace_object("bucket", "k", BEFORE);
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

fn before() -> Checkpoint {
    Checkpoint::default().advance(BEFORE)
}

/// What one append of four bytes at a bare position says to a fault.
fn faced(fault: Fault) -> Error {
    let (oss, bucket) = start();
    oss.inject(fault);
    bucket.append_object("k", 4, "two\n").unwrap_err()
}

fn conflict() -> Error {
    start().1.append_object("k", 2, "x").unwrap_err()
}

// ---- what it says ------------------------------------------------------------------------------------------------

#[test]
fn the_services_words_are_kept() {
    let error = faced(Fault::Refuse(403, "AccessDenied"));
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Service, Outcome::NotApplied));
    assert_eq!((error.status(), error.code(), error.ec()), (Some(403), Some("AccessDenied"), Some("0003-00000001")));
    assert_eq!(error.request_id(), Some("5FA4E5A00000000000000000"));
    assert_eq!((error.next_position(), error.is_transient()), (None, false));

    let error = conflict();
    assert_eq!((error.kind(), error.next_position()), (ErrorKind::Conflict(Found::Longer), Some(4)));
    assert_eq!((error.status(), error.code()), (Some(409), Some("PositionNotEqualToLength")));
    assert_eq!(error.ec(), Some("0026-00000016"));

    let error = faced(Fault::LoseAnswer);
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::Unknown));
    assert_eq!((error.status(), error.code(), error.ec(), error.request_id()), (None, None, None, None));
}

#[test]
fn waiting_may_help_or_not() {
    for (fault, transient) in [
        (Fault::LoseAnswer, true),
        (Fault::LoseRequest, true),
        (Fault::Garbage, true),
        (Fault::Page(403), true),
        (Fault::Refuse(500, "InternalError"), true),
        (Fault::Refuse(503, "ServiceUnavailable"), true),
        (Fault::Refuse(429, "TooManyRequests"), true),
        (Fault::Refuse(400, "RequestTimeout"), true),
        (Fault::Refuse(403, "AccessDenied"), false),
        (Fault::Refuse(404, "NoSuchBucket"), false),
        (Fault::Refuse(409, "ObjectNotAppendable"), false),
        (Fault::StrangerBefore(b"x".to_vec()), false),
        (Fault::WrongNext, false),
    ] {
        assert_eq!(faced(fault.clone()).is_transient(), transient, "{fault:?}");
    }
}

#[test]
fn the_texts_are_these() {
    let id = "request id 5FA4E5A00000000000000000";
    let append = "append to \"k\" at 4..8:";
    let unknown = "; whether the bytes are in the object is not known";
    let cases: Vec<(Error, String)> = vec![
        (
            faced(Fault::Refuse(403, "AccessDenied")),
            format!(
                "{append} the service refused (403 AccessDenied, EC 0003-00000001, {id}: You have no right to access this object because of bucket acl.)"
            ),
        ),
        (
            conflict(),
            format!(
                "append to \"k\" at 2..3: the object goes on beyond this position, to 4 (409 PositionNotEqualToLength, EC 0026-00000016, {id}: Position is not equal to file length)"
            ),
        ),
        (
            start().1.append_object("k", 9, "x").unwrap_err(),
            format!(
                "append to \"k\" at 9..10: the object ends at 4, before this position (409 PositionNotEqualToLength, EC 0026-00000016, {id}: Position is not equal to file length)"
            ),
        ),
        (
            start().1.append_object("absent", 9, "x").unwrap_err(),
            format!(
                "append to \"absent\" at 9..10: there is no such object (409 PositionNotEqualToLength, EC 0026-00000016, {id}: Position is not equal to file length)"
            ),
        ),
        (
            faced(Fault::Refuse(409, "ObjectNotAppendable")),
            format!(
                "{append} the object is not appendable (409 ObjectNotAppendable, EC 0026-00000017, {id}: The object is not appendable)"
            ),
        ),
        (
            faced(Fault::Refuse(400, "AppendSealedObjectNotAllowed")),
            format!("{append} the object is sealed (400 AppendSealedObjectNotAllowed, {id}: Scripted by the test.)"),
        ),
        (
            faced(Fault::Refuse(400, "InlineDataTooLarge")),
            format!("{append} the object would be too large (400 InlineDataTooLarge, {id}: Scripted by the test.)"),
        ),
        (
            faced(Fault::Refuse(500, "InternalError")),
            format!(
                "{append} the service refused (500 InternalError, {id}: We encountered an internal error. Please try again.){unknown}"
            ),
        ),
        (
            faced(Fault::WrongEndpoint("oss-cn-shanghai.aliyuncs.com")),
            format!(
                "{append} the service refused (403 AccessDenied, {id}: The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.): the bucket is in cn-shanghai: write the endpoint oss-cn-shanghai.aliyuncs.com, and cn-shanghai where the region is said"
            ),
        ),
        (
            signed_for("cn-beijing"),
            format!(
                "{append} the service refused (400 InvalidArgument, EC 0002-00000226, {id}: Invalid signing region in Authorization header.): the bucket is in another region than the request was signed for: say the bucket's own with BucketBuilder::region (from the environment: OSS_REGION), as cn-hangzhou"
            ),
        ),
        (
            faced(Fault::Refuse(400, "PublicEndpointForbidden")),
            format!(
                "{append} the service refused (400 PublicEndpointForbidden, EC 0048-00000401, {id}: Public endpoint is forbidden for this account.): accounts that are new to the service since 2025-03-20 cannot reach the data of buckets in mainland China through the public endpoint: bind a domain of your own to the bucket and use it with Addressing::Cname, or, from within the region, use the internal endpoint, as oss-cn-hangzhou-internal.aliyuncs.com"
            ),
        ),
        (
            faced(Fault::Refuse(403, "SecondLevelDomainForbidden")),
            format!(
                "{append} the service refused (403 SecondLevelDomainForbidden, {id}: The bucket you are attempting to access must be addressed using OSS third level domain.): the bucket's name belongs in front of this host: leave out Addressing::Path, and for a domain of your own that is bound to the bucket say Addressing::Cname"
            ),
        ),
        (
            faced(Fault::Refuse(403, "CnameDenied")),
            format!(
                "{append} the service refused (403 CnameDenied, {id}: The cname belongs to another user.): the domain is bound to another bucket or account: bind it to this one, or use the endpoint of the bucket's region without Addressing::Cname"
            ),
        ),
        (faced(Fault::LoseAnswer), format!("{append} the request was sent, but no whole answer came back{unknown}")),
        (
            faced(Fault::Page(502)),
            format!("{append} the answer is not from OSS: no request id, content type text/html (502){unknown}"),
        ),
        (faced(Fault::StripHeaders), format!("{append} the answer is not from OSS: no request id (200){unknown}")),
        (
            faced(Fault::WrongNext),
            format!("{append} the service says 200, but not where the object ends now (200, {id}){unknown}"),
        ),
        (faced(Fault::Status(204)), format!("{append} an answer that is none to this request (204, {id}){unknown}")),
        (
            damaged(),
            format!(
                "{append} the bytes were damaged on their way: what is in the object has another CRC-64; the bytes are in the object"
            ),
        ),
        (
            start().1.append_object("k", 4, Body::from_reader(Tape)).unwrap_err(),
            "append to \"k\" at 4: the body's source failed after 0 bytes".to_owned(),
        ),
        (
            start().1.append_object("k", 4, Body::sized(io::empty(), 3)).unwrap_err(),
            "append to \"k\" at 4..7: the body ended after 0 of the 3 bytes it declared".to_owned(),
        ),
        {
            let (error, host) = not_sent();
            (error, format!("{append} the request to {host} was not sent"))
        },
        (
            start().1.head_object("absent").unwrap_err(),
            format!(
                "head of \"absent\": the service refused (404 NoSuchKey, EC 0026-00000001, {id}: The specified key does not exist.)"
            ),
        ),
        (vault_is_closed(), format!("{append} the credentials provider failed")),
        (
            start().1.append_object("", 0, "").unwrap_err(),
            "the key is empty: an object needs a name of 1 to 1023 bytes".to_owned(),
        ),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
        // The text is for this level: what the source says is not said twice.
        if let Some(source) = error.source() {
            assert!(!text.contains(&source.to_string()), "{text} / {source}");
        }
        assert!(!text.contains('\n'));
    }
}

/// What a request says that was signed for another region than the fake's.
fn signed_for(region: &str) -> Error {
    let (oss, _) = start();
    let bucket = oss.builder("bucket").region(region).build().unwrap();
    bucket.append_object("k", 4, "two\n").unwrap_err()
}

#[test]
fn a_wrong_endpoint_is_named_to_those_who_only_ask_too() {
    let (oss, bucket) = start();
    let wrong = || Fault::WrongEndpoint("oss-eu-central-1.aliyuncs.com");
    let advice = ": the bucket is in eu-central-1: write the endpoint oss-eu-central-1.aliyuncs.com, and eu-central-1 where the region is said";
    oss.inject_on("HEAD", wrong());
    let head = bucket.head_object("k").unwrap_err();
    oss.inject_on("GET", wrong());
    let get = bucket.get_object("k").unwrap_err();
    oss.inject_on("HEAD", wrong());
    let open = bucket.appender("k").open().unwrap_err();
    oss.inject_on("DELETE", wrong());
    let delete = bucket.delete_object("k").unwrap_err();
    for error in [head, get, open, delete] {
        assert!(error.to_string().ends_with(advice), "{error}");
        assert!(format!("{error:?}").contains("write the endpoint oss-eu-central-1.aliyuncs.com"), "{error:?}");
        assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Service, Some(403), Some("AccessDenied")));
    }
}

#[test]
fn a_hostile_endpoint_is_not_repeated() {
    for endpoint in ["evil\u{202e}.example", "a\r\nb", "x y", "<b>", "http://evil.example/", ""] {
        let error = faced(Fault::WrongEndpoint(endpoint));
        let text = error.to_string();
        assert!(!text.contains("evil") && !text.contains('\n') && text.is_ascii(), "{text}");
        // An empty element is none.
        assert_eq!(
            text.ends_with("in another region: the console shows its endpoint, write that one"),
            !endpoint.is_empty()
        );
    }
}

fn damaged() -> Error {
    let (oss, bucket) = start();
    oss.inject(Fault::Damage);
    bucket.append_object("k", before(), "two\n").unwrap_err()
}

/// The error, and the host that was not there.
fn not_sent() -> (Error, String) {
    let (endpoint, _held) = nobody();
    let builder = Bucket::builder(Auth::new("id", "secret"), &endpoint, "bucket").region("cn-hangzhou");
    let bucket = builder.backoff(Duration::ZERO, Duration::ZERO).build().unwrap();
    let host = endpoint.trim_start_matches("http://").to_owned();
    (bucket.append_object("k", 4, "two\n").unwrap_err(), host)
}

/// An address where nobody listens. Both ends of a connection keep its port from being given to anybody else.
fn nobody() -> (String, [std::net::TcpStream; 2]) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (format!("http://{}", stream.local_addr().unwrap()), [stream, listener.accept().unwrap().0])
}

fn vault_is_closed() -> Error {
    let (oss, _) = start();
    let auth = Auth::provider(|| Err("the vault is closed".into()));
    let bucket = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).build().unwrap();
    bucket.append_object("k", 4, "two\n").unwrap_err()
}

struct Tape;

impl io::Read for Tape {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tape is torn"))
    }
}

#[test]
fn a_cause_is_the_source_and_only_there() {
    for (error, source) in [
        (vault_is_closed(), Some("the vault is closed")),
        (start().1.append_object("k", 4, Body::from_reader(Tape)).unwrap_err(), Some("the tape is torn")),
        (conflict(), None),
        (faced(Fault::Refuse(403, "AccessDenied")), None),
        (faced(Fault::Page(502)), None),
    ] {
        assert_eq!(error.source().map(ToString::to_string).as_deref(), source, "{error}");
    }
    for error in [not_sent().0, faced(Fault::LoseAnswer), faced(Fault::Garbage)] {
        let source = error.source().expect("a cause");
        assert!(source.downcast_ref::<io::Error>().is_some(), "in std's words: {source:?}");
    }
}

#[test]
fn debug_says_it_too() {
    let text = format!("{:?}", faced(Fault::Refuse(403, "AccessDenied")));
    for part in ["Error {", "kind: Service", "outcome: NotApplied", "403 AccessDenied", "0003-00000001"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(format!("{:?}", conflict()).contains("next_position: 4"));
}

// ---- answers that are hard to read -------------------------------------------------------------------------------

#[test]
fn the_errors_of_head_come_from_its_header() {
    for (fault, status, code, ec) in [
        (Fault::Pass, 404, Some("NoSuchKey"), Some("0026-00000001")),
        (Fault::Refuse(404, "NoSuchBucket"), 404, Some("NoSuchBucket"), Some("0015-00000101")),
        (Fault::Refuse(403, "AccessDenied"), 403, Some("AccessDenied"), Some("0003-00000001")),
        // The header is gone or spoiled, its short form still there.
        (Fault::WithoutHeader("x-oss-err"), 404, Some("NoSuchKey"), Some("0026-00000001")),
        (Fault::WithHeader("x-oss-err", "!!"), 404, Some("NoSuchKey"), Some("0026-00000001")),
        (
            Fault::WithHeader("x-oss-err", "PEVycm9yPjxDb2RlPk9kZDwvQ29kZT48L0Vycm9yPg=="),
            404,
            Some("Odd"),
            Some("0026-00000001"),
        ),
        (Fault::WithoutHeader("x-oss-err").and(Fault::WithoutHeader("x-oss-ec")), 404, None, None),
    ] {
        let (oss, bucket) = start();
        oss.inject_on("HEAD", fault.clone());
        let error = bucket.head_object("absent").unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Service, Outcome::NotApplied), "{fault:?}");
        assert_eq!((error.status(), error.code(), error.ec()), (Some(status), code, ec), "{fault:?}");
        assert_eq!(error.request_id().map(str::len), Some(24));
    }
}

#[test]
fn html_is_not_the_services_word() {
    for status in [200, 302, 403, 404, 409, 500] {
        let error = faced(Fault::Page(status));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::Unknown), "{status}");
        assert_eq!((error.status(), error.code(), error.request_id()), (Some(status), None, None));
    }
    // Even with an OSS request id, HTML has no code.
    let error = faced(Fault::Page(403).and(Fault::WithHeader("x-oss-request-id", "5FA4E5A0")));
    assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Service, Some(403), None));
    assert_eq!(error.request_id(), Some("5FA4E5A0"));
}

#[test]
fn an_error_document_that_is_cut_short_is_no_whole_answer() {
    let whole = faced(Fault::Refuse(403, "AccessDenied"));
    assert_eq!(whole.outcome(), Outcome::NotApplied);
    for bytes in [17, 100, 250, 320] {
        let error = faced(Fault::Refuse(403, "AccessDenied").and(Fault::CutAnswer(bytes)));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::Unknown), "{bytes}: {error:?}");
    }
}

#[test]
fn a_servers_words_stay_on_one_line() {
    let error = faced(Fault::Refuse(403, "AccessDenied").and(Fault::WithHeader("x-oss-ec", "a\tb")));
    assert!(!error.to_string().contains(['\t', '\n']));
}

// ---- found again -------------------------------------------------------------------------------------------------

/// Holds another error as its source, as `thiserror`'s do.
#[derive(Debug)]
struct Around(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around")
    }
}

impl StdError for Around {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Shows nothing of what it holds.
#[derive(Debug)]
struct Opaque(#[expect(dead_code, reason = "held, and not shown")] Error);

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opaque")
    }
}

impl StdError for Opaque {}

#[test]
fn ours_is_found_inside_everything_that_shows_it() {
    let ours = conflict;
    let io = || io::Error::from(ours());
    let other = |error: Box<dyn StdError + Send + Sync>| io::Error::other(error);
    let cases: Vec<(&str, Box<dyn StdError + Send + Sync>)> = vec![
        ("itself", Box::new(ours())),
        ("io", Box::new(io())),
        ("io in io", Box::new(other(Box::new(io())))),
        ("io in io in io", Box::new(other(Box::new(other(Box::new(io())))))),
        ("a wrapper", Box::new(Around(Box::new(ours())))),
        ("io in a wrapper", Box::new(Around(Box::new(io())))),
        ("a wrapper in io", Box::new(other(Box::new(Around(Box::new(ours())))))),
        ("all of it", Box::new(Around(Box::new(other(Box::new(Around(Box::new(Around(Box::new(io())))))))))),
        ("anyhow", anyhow::Error::from(io()).context("what we were doing").context("and why").into()),
        ("anyhow of ours", anyhow::Error::from(ours()).context("what we were doing").into()),
        ("eyre", eyre::Report::from(io()).wrap_err("what we were doing").into()),
    ];
    for (name, error) in cases {
        let found = Error::find(&*error).unwrap_or_else(|| panic!("{name}: {error:?}"));
        assert_eq!((found.kind(), found.next_position()), (ErrorKind::Conflict(Found::Longer), Some(4)), "{name}");
    }
    let anyhow = anyhow::Error::from(ours()).context("what we were doing");
    assert!(Error::find(&*anyhow).is_some());
}

#[test]
fn ours_is_not_found_where_it_is_not() {
    let others: [Box<dyn StdError>; 5] = [
        Box::new(io::Error::other("text")),
        Box::new(io::Error::from(io::ErrorKind::NotFound)),
        Box::new(Around("text".into())),
        Box::new("x".parse::<u8>().unwrap_err()),
        Box::new(Opaque(conflict())),
    ];
    for error in others {
        assert!(Error::find(&*error).is_none(), "{error:?}");
    }
}

#[test]
fn the_first_of_ours_is_found() {
    let inner = io::Error::from(conflict());
    let outer = start().1.append_object("k", 4, Body::from_reader(Relay(Some(inner)))).unwrap_err();
    let outer = io::Error::from(outer);
    let found = Error::find(&outer).unwrap();
    assert_eq!(found.kind(), ErrorKind::Body, "the nearest");
    let inner = Error::find(found.source().unwrap()).unwrap();
    assert_eq!(inner.kind(), ErrorKind::Conflict(Found::Longer), "and behind it the cause");
}

struct Relay(Option<io::Error>);

impl io::Read for Relay {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap())
    }
}

#[test]
fn a_finish_error_is_a_level_of_its_own_and_leads_to_ours() {
    let (oss, bucket) = start();
    let failed = || {
        let mut appender = bucket.appender("k").open().unwrap();
        appender.write_all(b"x").unwrap();
        oss.inject(Fault::Refuse(403, "AccessDenied"));
        appender.finish().unwrap_err()
    };
    let error = failed();
    assert_eq!(error.to_string(), "not everything is confirmed");
    assert_eq!(error.error().code(), Some("AccessDenied"));
    assert_eq!(Error::find(&error).and_then(Error::code), Some("AccessDenied"));
    assert_eq!(error.source().map(ToString::to_string), Some(error.error().to_string()));
    let io = io::Error::from(error);
    assert_eq!(
        (io.kind(), Error::find(&io).and_then(Error::code)),
        (io::ErrorKind::PermissionDenied, Some("AccessDenied"))
    );
    assert_eq!(Error::from(failed()).code(), Some("AccessDenied"));
    assert_eq!(failed().into_appender().pending(), b"x");
}

// ---- as io::Error ------------------------------------------------------------------------------------------------

#[test]
fn an_io_error_gives_ours_back() {
    let io = io::Error::from(conflict());
    let text = io.to_string();
    let ours = io.downcast::<Error>().unwrap();
    assert_eq!((ours.kind(), ours.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    assert_eq!(text, ours.to_string());
    assert!(io::Error::other("theirs").downcast::<Error>().is_err());
}

#[test]
fn io_kinds_are_those_a_reader_expects() {
    let body =
        |kind: io::ErrorKind| start().1.append_object("k", 4, Body::from_reader(Relay(Some(kind.into())))).unwrap_err();
    let cases: Vec<(&str, Error, io::ErrorKind)> = vec![
        ("a bad key", start().1.head_object("").unwrap_err(), io::ErrorKind::InvalidInput),
        ("denied", faced(Fault::Refuse(403, "AccessDenied")), io::ErrorKind::PermissionDenied),
        ("no bucket", faced(Fault::Refuse(404, "NoSuchBucket")), io::ErrorKind::NotFound),
        ("no key", start().1.head_object("absent").unwrap_err(), io::ErrorKind::NotFound),
        ("deleted", start().1.append_object("absent", 4, "x").unwrap_err(), io::ErrorKind::NotFound),
        ("damaged", damaged(), io::ErrorKind::InvalidData),
        ("too large", start().1.append_object("k", 5 << 30, "x").unwrap_err(), io::ErrorKind::FileTooLarge),
        ("refused", not_sent().0, io::ErrorKind::ConnectionRefused),
        ("stalled", stalled(), io::ErrorKind::TimedOut),
        ("500", faced(Fault::Refuse(500, "InternalError")), io::ErrorKind::Other),
        ("conflict", conflict(), io::ErrorKind::Other),
        (
            "torn tape",
            start().1.append_object("k", 4, Body::from_reader(Tape)).unwrap_err(),
            io::ErrorKind::UnexpectedEof,
        ),
        ("would block", body(io::ErrorKind::WouldBlock), io::ErrorKind::Other),
        ("broken pipe", body(io::ErrorKind::BrokenPipe), io::ErrorKind::BrokenPipe),
        ("short", start().1.append_object("k", 4, Body::sized(io::empty(), 3)).unwrap_err(), io::ErrorKind::Other),
    ];
    for (name, error, kind) in cases {
        assert_eq!(io::Error::from(error.clone()).kind(), kind, "{name}: {error:?}");
    }
}

fn stalled() -> Error {
    let (oss, _) = start();
    oss.inject(Fault::Stall(Duration::from_secs(3600)));
    let bucket = oss.builder("bucket").request_timeout(Duration::from_millis(300)).attempts(1).build().unwrap();
    let error = bucket.append_object("k", 4, "x").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::Unknown));
    error
}

#[test]
fn std_never_repeats_a_call_for_one_of_our_errors() {
    // `write_all` and `io::copy` repeat for Interrupted, for ever if need be.
    let faults =
        [Fault::LoseAnswer, Fault::Reset, Fault::Garbage, Fault::LoseRequest, Fault::Page(503), Fault::RefuseEarly];
    for fault in faults {
        let kind = io::Error::from(faced(fault)).kind();
        assert!(!matches!(kind, io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock), "{kind}");
    }
}

// ---- types -------------------------------------------------------------------------------------------------------

#[test]
fn sizes_are_small() {
    let pointer = size_of::<usize>();
    assert_eq!(size_of::<Error>(), pointer);
    assert_eq!(size_of::<Result<()>>(), pointer);
    assert_eq!(size_of::<FinishError>(), 2 * pointer);
    assert_eq!(size_of::<Result<Appender>>(), 2 * pointer);
    assert_eq!(size_of::<ErrorKind>(), 1);
    assert_eq!(size_of::<Outcome>(), 1);
}

#[test]
fn types_cross_threads_and_panics() {
    fn crosses_threads<T: Send + Sync + 'static>() {}
    fn crosses_panics<T: UnwindSafe + RefUnwindSafe>() {}
    fn compares<T: Copy + Eq + std::hash::Hash + fmt::Debug>() {}
    crosses_threads::<Bucket>();
    crosses_threads::<BucketBuilder>();
    crosses_threads::<Auth>();
    crosses_threads::<Appender>();
    crosses_threads::<AppenderBuilder>();
    crosses_threads::<AppendOptions>();
    crosses_threads::<oss_append::ObjectReader>();
    crosses_threads::<Error>();
    crosses_threads::<FinishError>();
    crosses_panics::<Bucket>();
    crosses_panics::<Appender>();
    compares::<ErrorKind>();
    compares::<Found>();
    compares::<Outcome>();
    compares::<Position>();
    compares::<Checkpoint>();
    let (_oss, bucket) = start();
    assert!(std::panic::catch_unwind(|| bucket.append_object("k", before(), "x").is_ok()).unwrap());
}

#[test]
fn clones_are_equal_in_all_they_say() {
    let error = conflict();
    let clone = error.clone();
    assert_eq!((clone.kind(), clone.outcome(), clone.to_string()), (error.kind(), error.outcome(), error.to_string()));
}
