//! Whatever goes wrong during `append_object`, the outcome it states is what became of the bytes.
//!
//! Every fault of the fake meets four kinds of call: may the bytes be sent again or only once, and is the CRC of what
//! lies before them known or only its length? Each row says what each of them must answer; what is in the object then
//! is held against that answer, also after everything late has landed.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Body, Bucket, Checkpoint, Error, ErrorKind, Found, Outcome, Position,
    testing::{FakeOss, Fault},
};
use std::{
    ops::Deref,
    sync::{PoisonError, RwLock},
    time::Duration,
};

const BEFORE: &[u8] = b"one\n";
const OURS: &[u8] = b"ours";
/// More than the kernel's buffers on both sides hold, so that it is never all sent where nobody reads.
const LARGE: usize = 8 << 20;

type Says = Result<(), (ErrorKind, Outcome)>;

const OK: Says = Ok(());
const LONGER: ErrorKind = ErrorKind::Conflict(Found::Longer);

/// The same for every call.
fn all(says: Says) -> [Says; 4] {
    [says; 4]
}

/// In, and nobody said so: who knows the CRC can find out.
fn in_unsaid(kind: ErrorKind) -> [Says; 4] {
    let unknown = Err((kind, Outcome::Unknown));
    [OK, unknown, OK, unknown]
}

/// Perhaps in, and asking does not find it: only sending again helps, and only where it can be settled.
fn not_in_yet(kind: ErrorKind) -> [Says; 4] {
    let unknown = Err((kind, Outcome::Unknown));
    [OK, unknown, unknown, unknown]
}

/// Surely not in: what can be sent again is.
fn spoiled(kind: ErrorKind) -> [Says; 4] {
    let not = Err((kind, Outcome::NotApplied));
    [OK, OK, not, not]
}

struct Row {
    name: &'static str,
    faults: Vec<(&'static str, Fault)>,
    /// Bytes again and CRC known; bytes again; once and CRC known; once.
    says: [Says; 4],
}

fn row(name: &'static str, fault: Fault, says: [Says; 4]) -> Row {
    Row { name, faults: vec![("POST", fault)], says }
}

fn rows(name: &'static str, faults: impl IntoIterator<Item = (&'static str, Fault)>, says: [Says; 4]) -> Row {
    Row { name, faults: faults.into_iter().collect(), says }
}

fn lost_and(name: &'static str, others: impl IntoIterator<Item = (&'static str, Fault)>, says: [Says; 4]) -> Row {
    rows(name, [("POST", Fault::LoseAnswer)].into_iter().chain(others), says)
}

fn stranger_before(bytes: &[u8]) -> Fault {
    Fault::StrangerBefore(bytes.to_vec())
}

fn stranger_after(bytes: &[u8]) -> Fault {
    Fault::StrangerAfter(bytes.to_vec())
}

fn stale() -> Fault {
    let at = Checkpoint::default().advance(BEFORE);
    Fault::Stale { length: at.position, crc64: Some(at.crc64) }
}

fn table() -> Vec<Row> {
    use ErrorKind::{Integrity, NotAppendable, Protocol, Service, TooLarge, Transport};
    use Fault::*;
    use Outcome::{Applied, NotApplied, Unknown};
    let lost_and_behind = || LoseAnswer.and(stranger_after(b"x"));
    let conflict = |outcome| Err((LONGER, outcome));
    let unproved = [OK, OK, conflict(Unknown), conflict(Unknown)];
    vec![
        row("nothing", Pass, all(OK)),
        // ---- before anything is applied
        row("the request is lost", LoseRequest, not_in_yet(Transport)),
        row("the request is cut in its head", CutRequest(30), not_in_yet(Transport)),
        row("the request is cut behind its end", CutRequest(1 << 20), in_unsaid(Transport)),
        row("denied", Refuse(403, "AccessDenied"), all(Err((Service, NotApplied)))),
        row("another region's", WrongEndpoint("oss-eu-central-1.aliyuncs.com"), all(Err((Service, NotApplied)))),
        row("not appendable", Refuse(409, "ObjectNotAppendable"), all(Err((NotAppendable, NotApplied)))),
        row("immutable", Refuse(409, "FileImmutable"), all(Err((Service, NotApplied)))),
        row(
            "sealed",
            Refuse(400, "AppendSealedObjectNotAllowed"),
            all(Err((ErrorKind::Conflict(Found::Sealed), NotApplied))),
        ),
        row("too large", Refuse(400, "InlineDataTooLarge"), all(Err((TooLarge, NotApplied)))),
        row("too large otherwise", Refuse(400, "EntityTooLarge"), all(Err((TooLarge, NotApplied)))),
        row("no bucket", Refuse(404, "NoSuchBucket"), all(Err((Service, NotApplied)))),
        row("an unknown no", Refuse(418, "Teapot"), all(Err((Service, NotApplied)))),
        row("internal error", Refuse(500, "InternalError"), not_in_yet(Service)),
        row("unavailable", Refuse(503, "ServiceUnavailable"), not_in_yet(Service)),
        row("slow down", Refuse(429, "TooManyRequests"), not_in_yet(Service)),
        row("408", Refuse(408, "RequestTimeout"), not_in_yet(Service)),
        row("an idle connection's 400", Refuse(400, "RequestTimeout"), not_in_yet(Service)),
        row("damaged on the way", Refuse(400, "InvalidDigest"), spoiled(Service)),
        row("cut on the way", Refuse(400, "IncompleteBody"), spoiled(Service)),
        // The refusal names no end, and asking finds the object as it was: that is no proof.
        row("an untrue wrong position", Refuse(409, "PositionNotEqualToLength"), unproved),
        row("an untrue overwrite", Refuse(409, "FileAlreadyExists"), unproved),
        row("a portal's 200", Page(200), not_in_yet(Transport)),
        row("a portal's 302", Page(302), not_in_yet(Transport)),
        row("a proxy's 403", Page(403), not_in_yet(Transport)),
        row("a proxy's 404", Page(404), not_in_yet(Transport)),
        row("a proxy's 409", Page(409), not_in_yet(Transport)),
        row("a proxy's 413", Page(413), not_in_yet(Transport)),
        row("a gateway's 502", Page(502), not_in_yet(Transport)),
        // Without the CRC of what lies before nothing can be verified.
        row("damaged", Damage, [Err((Integrity, Applied)), OK, Err((Integrity, Applied)), OK]),
        // ---- applied later
        row("late, behind the question", ApplyLate, not_in_yet(Transport)),
        row("late, at once", ApplyAfter(0), in_unsaid(Transport)),
        row("late, behind one", ApplyAfter(1), not_in_yet(Transport)),
        row("late, behind two", ApplyAfter(2), not_in_yet(Transport)),
        row("very late", Hold, not_in_yet(Transport)),
        rows("all attempts late", [("POST", Hold), ("POST", Hold), ("POST", Hold)], all(Err((Transport, Unknown)))),
        rows(
            "a refusal of the second attempt",
            [("POST", Hold), ("POST", Refuse(403, "AccessDenied"))],
            [Err((Service, Unknown)), Err((Transport, Unknown)), Err((Transport, Unknown)), Err((Transport, Unknown))],
        ),
        // ---- others
        row("a stranger's fewer bytes", stranger_before(b"xx"), all(conflict(NotApplied))),
        row("a stranger's as many bytes", stranger_before(b"xxxx"), all(conflict(NotApplied))),
        row("a stranger's more bytes", stranger_before(b"xxxxxxxx"), all(conflict(NotApplied))),
        row("a stranger's equal bytes", stranger_before(OURS), all(conflict(Unknown))),
        row("a stranger behind us", stranger_after(b"xx"), all(OK)),
        row("sent twice by a proxy", Duplicate, all(conflict(Unknown))),
        row(
            "lost, a stranger behind us",
            lost_and_behind(),
            [conflict(Applied), Err((Transport, Unknown)), conflict(Applied), Err((Transport, Unknown))],
        ),
        row(
            "lost, a stranger before us",
            LoseAnswer.and(stranger_before(b"xx")),
            [conflict(NotApplied), Err((Transport, Unknown)), conflict(NotApplied), Err((Transport, Unknown))],
        ),
        row(
            "lost, a stranger's many bytes before us",
            LoseAnswer.and(stranger_before(b"xxxxxxxx")),
            [conflict(NotApplied), Err((Transport, Unknown)), conflict(NotApplied), Err((Transport, Unknown))],
        ),
        // ---- applied, and the answer is not as it should be
        row("no answer", LoseAnswer, in_unsaid(Transport)),
        row("a reset", Reset, in_unsaid(Transport)),
        row("lost and reset", LoseRequest.and(Reset), not_in_yet(Transport)),
        row("an answer of nothing", CutAnswer(0), in_unsaid(Transport)),
        row("half a status line", CutAnswer(10), in_unsaid(Transport)),
        row("a status line", CutAnswer(17), in_unsaid(Transport)),
        row("half a head", CutAnswer(80), in_unsaid(Transport)),
        row("no HTTP", Garbage, in_unsaid(Transport)),
        row("500 behind the deed", FailAfter(500, "InternalError"), in_unsaid(Service)),
        row("400 RequestTimeout behind the deed", FailAfter(400, "RequestTimeout"), in_unsaid(Service)),
        row("409 behind the deed", FailAfter(409, "PositionNotEqualToLength"), all(conflict(Unknown))),
        row("a page behind the deed", PageAfter(504), in_unsaid(Transport)),
        row("a 200 page behind the deed", PageAfter(200), in_unsaid(Transport)),
        row("a 403 page behind the deed", PageAfter(403), in_unsaid(Transport)),
        row("no headers", StripHeaders, in_unsaid(Transport)),
        row("created", Status(201), in_unsaid(Protocol)),
        row("no content", Status(204), in_unsaid(Protocol)),
        row("partial content", Status(206), in_unsaid(Protocol)),
        row("redirected", Status(302), in_unsaid(Protocol)),
        row("not modified", Status(304), in_unsaid(Protocol)),
        row("500 with the headers of 200", Status(500), in_unsaid(Service)),
        row("only an interim answer", Status(100).and(CloseAfter), in_unsaid(Transport)),
        row("another CRC", WrongCrc, all(OK)),
        row("no CRC", NoCrc, all(OK)),
        row("another end", WrongNext, in_unsaid(Protocol)),
        row("no end", NoNext, in_unsaid(Protocol)),
        row("the end is no number", WithHeader("x-oss-next-append-position", "eight"), in_unsaid(Protocol)),
        row("one header more", WithHeader("x-unheard-of", "yes"), all(OK)),
        // With the CRC of the whole it can be nobody else's answer.
        row("no request id", WithoutHeader("x-oss-request-id"), in_unsaid(Transport)),
        row("no request id and no CRC", WithoutHeader("x-oss-request-id").and(NoCrc), in_unsaid(Transport)),
        row("no request id and another CRC", WithoutHeader("x-oss-request-id").and(WrongCrc), in_unsaid(Transport)),
        // ---- the question meets a fault, too
        lost_and("a busy HEAD", [("HEAD", Refuse(503, "ServiceUnavailable"))], in_unsaid(Transport)),
        lost_and("HEAD lost twice", [("HEAD", LoseAnswer), ("HEAD", CutAnswer(60))], in_unsaid(Transport)),
        lost_and("no HEAD", vec![("HEAD", Refuse(503, "ServiceUnavailable")); 3], all(Err((Transport, Unknown)))),
        lost_and("a proxy's 404", vec![("HEAD", Page(404)); 3], all(Err((Transport, Unknown)))),
        lost_and("HEAD of no bucket", vec![("HEAD", Refuse(404, "NoSuchBucket")); 3], all(Err((Transport, Unknown)))),
        lost_and(
            "a cached HEAD",
            vec![("HEAD", stale().and(WithHeader("Age", "5"))); 3],
            all(Err((Transport, Unknown))),
        ),
        lost_and(
            "a nameless HEAD",
            vec![("HEAD", WithoutHeader("x-oss-request-id")); 3],
            all(Err((Transport, Unknown))),
        ),
        lost_and("304 to HEAD", vec![("HEAD", Status(304)); 3], all(Err((Transport, Unknown)))),
        lost_and("400 to HEAD", vec![("HEAD", Refuse(400, "BadRequest")); 3], all(Err((Transport, Unknown)))),
        lost_and("a stale HEAD, then a true one", [("HEAD", stale())], not_in_yet(Transport)),
        lost_and(
            "only stale HEADs",
            vec![("HEAD", stale()); 9],
            [conflict(Unknown), Err((Transport, Unknown)), Err((Transport, Unknown)), Err((Transport, Unknown))],
        ),
        // The refusal named a later end than the answer to the question: the answer is older, and proves nothing.
        rows(
            "a stranger before us, unseen by stale HEADs",
            [("POST", stranger_before(b"xx"))].into_iter().chain(vec![("HEAD", stale()); 9]),
            all(conflict(Unknown)),
        ),
        lost_and("a stale HEAD without CRC", [("HEAD", Stale { length: 4, crc64: None })], not_in_yet(Transport)),
        rows(
            "a range ignored once",
            [("POST", lost_and_behind()), ("GET", IgnoreRange)],
            [conflict(Applied), Err((Transport, Unknown)), conflict(Applied), Err((Transport, Unknown))],
        ),
        rows(
            "ranges ignored",
            [("POST", lost_and_behind()), ("GET", IgnoreRange), ("GET", IgnoreRange), ("GET", IgnoreRange)],
            all(Err((Transport, Unknown))),
        ),
        // ---- the connection
        row("closed behind the answer", CloseAfter, all(OK)),
        row("an answer nobody asked for", Unasked, all(OK)),
        row("gone after the answer", GoAway, all(OK)),
    ]
}

/// A call of each kind, in the order of [`Row::says`].
fn append(bucket: &Bucket, kind: usize) -> Result<u64, Error> {
    let at = Checkpoint::default().advance(BEFORE);
    let position = if kind.is_multiple_of(2) { Position::from(at) } else { Position::from(at.position) };
    let body = match kind {
        0 | 1 => Body::from(OURS),
        2 => Body::sized(OURS, OURS.len() as u64),
        _ => Body::from_reader(OURS),
    };
    bucket.append_object("k", position, body).map(|appended| appended.next_position)
}

fn says(result: &Result<u64, Error>) -> Says {
    match result {
        Ok(_) => OK,
        Err(error) => Err((error.kind(), error.outcome())),
    }
}

/// While one fake is away, another might be given its port.
static PORTS: RwLock<()> = RwLock::new(());

struct Fake<Guard> {
    oss: FakeOss,
    _ports: Guard,
}

impl<Guard> Deref for Fake<Guard> {
    type Target = FakeOss;

    fn deref(&self) -> &FakeOss {
        &self.oss
    }
}

fn with<Guard>(ports: Guard) -> Fake<Guard> {
    let oss = FakeOss::start().unwrap();
    oss.replace_object("bucket", "k", BEFORE);
    Fake { oss, _ports: ports }
}

fn start() -> Fake<impl Sized> {
    with(PORTS.read().unwrap_or_else(PoisonError::into_inner))
}

/// For those that go away.
fn start_alone() -> Fake<impl Sized> {
    with(PORTS.write().unwrap_or_else(PoisonError::into_inner))
}

fn times(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).filter(|window| *window == part).count()
}

/// What became of the bytes is what was said, now and after whatever may still land.
#[track_caller]
fn check(oss: &FakeOss, result: &Result<u64, Error>, damaged: bool, about: &str) {
    let content = || oss.object("bucket", "k").unwrap();
    let (now, at_first) = (times(&content(), OURS), content());
    oss.land();
    let later = times(&content(), OURS);
    assert!(content().starts_with(BEFORE) && later <= 1, "{about}: {:?}", content().escape_ascii().to_string());
    match result.as_ref().map_err(Error::outcome) {
        _ if damaged => assert_eq!(content(), b"one\nnurs", "{about}"),
        Ok(next) => {
            assert_eq!((now, later, *next), (1, 1, 8), "{about}");
            assert!(content().starts_with(b"one\nours"), "{about}");
        }
        Err(Outcome::Applied) => assert_eq!((now, later), (1, 1), "{about}"),
        Err(Outcome::NotApplied) => {
            assert_eq!((now, later), (0, 0), "{about}");
            assert_eq!(content(), at_first, "{about}: something of ours came later");
        }
        Err(Outcome::Unknown) => {}
    }
}

#[test]
fn every_fault_has_its_kind_and_its_outcome_and_the_outcome_is_true() {
    let mut wrong = Vec::new();
    for Row { name, faults, says: expected } in table() {
        for (kind, expected) in expected.into_iter().enumerate() {
            let oss = start();
            let bucket = oss.bucket("bucket");
            for (method, fault) in faults.clone() {
                oss.inject_on(method, fault);
            }
            let result = append(&bucket, kind);
            let about = format!("{name}, call {kind}: {result:?}");
            if says(&result) != expected {
                wrong.push(format!("{name}, call {kind}: {expected:?} expected, got {result:?}"));
            }
            check(&oss, &result, faults.iter().any(|(_, fault)| *fault == Fault::Damage), &about);
            // Nothing that went wrong stays with the bucket.
            oss.come_back();
            if faults.iter().filter(|(method, _)| *method == "POST").count() == 1 {
                bucket.append_object("next", 0, "call").unwrap_or_else(|e| panic!("{about}; and then {e:?}"));
                assert_eq!(oss.object("bucket", "next").unwrap(), b"call", "{about}");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_fault_of_the_fake_is_missing_here() {
    let source = include_str!("../src/testing/fault.rs");
    let (_, variants) = source.split_once("pub enum Fault {").unwrap();
    let (variants, _) = variants.split_once("\n}\n").unwrap();
    let mut faults = format!("{:?}", table().into_iter().map(|row| row.faults).collect::<Vec<_>>());
    faults += &format!("{:?}", midway().map(|(_, faults, _)| faults));
    faults += "Stall"; // a_stalled_answer_is_settled
    let names: Vec<_> = variants
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap())
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(faults.contains(name), "{name} is in no table");
    }
}

// ---- while the body is still going out ---------------------------------------------------------------------------

fn midway() -> [(&'static str, Vec<Fault>, [Says; 4]); 6] {
    use Fault::*;
    let not = |kind| Err((kind, Outcome::NotApplied));
    let (transport, service) = (not(ErrorKind::Transport), not(ErrorKind::Service));
    // Seen for what it is, or lost in the reset that follows it.
    let untrue = if cfg!(feature = "wire") { not(ErrorKind::Protocol) } else { transport };
    [
        // What was sent in part is not in, whoever can prove what.
        ("cut", vec![CutRequest(5000)], [OK, transport, transport, transport]),
        ("cut each time", vec![CutRequest(5000); 4], [transport; 4]),
        // Without the feature `wire` the connection just breaks, and only an append of nothing gets the reason.
        ("denied", vec![RefuseEarly; 2], [service; 4]),
        ("denied otherwise", vec![RefuseEarlyWith(409, "FileImmutable"); 2], [service; 4]),
        (
            "a stranger came",
            vec![RefuseEarlyWith(409, "PositionNotEqualToLength").and(stranger_before(b"x"))],
            [not(LONGER); 4],
        ),
        // A 200 for what was not sent is nobody's word.
        ("an untrue 200", vec![AcceptEarly], [OK, untrue, untrue, untrue]),
    ]
}

#[test]
fn a_body_that_went_out_in_part_is_not_in() {
    let mut wrong = Vec::new();
    let bytes = vec![7; LARGE];
    for (name, faults, expected) in midway() {
        for (kind, expected) in expected.into_iter().enumerate() {
            let oss = start();
            oss.keep_no_bytes();
            faults.iter().cloned().for_each(|fault| oss.inject(fault));
            let at = oss.bucket("bucket").head_object("k").unwrap().checkpoint().unwrap();
            let position = if kind % 2 == 0 { Position::from(at) } else { Position::from(at.position) };
            let body = match kind {
                0 | 1 => Body::from(&bytes),
                2 => Body::sized(&bytes[..], LARGE as u64),
                _ => Body::from_reader(&bytes[..]),
            };
            let result = oss.bucket("bucket").append_object("k", position, body).map(|appended| appended.next_position);
            if says(&result) != expected {
                wrong.push(format!("{name}, call {kind}: {expected:?} expected, got {result:?}"));
            }
            assert_eq!(oss.land(), 0);
            let len = oss.object_len("bucket", "k").unwrap();
            match result {
                Ok(next) => assert_eq!((next, len), (4 + LARGE as u64, 4 + LARGE as u64), "{name}"),
                Err(_) => assert!(len < 4 + 2, "{name}: {len}"),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn asking_for_the_reason_does_not_stand_in_the_way_of_forbid_overwrite() {
    let oss = start();
    oss.keep_no_bytes();
    oss.inject(Fault::CutRequest(5000));
    let options = AppendOptions::new().header("x-oss-forbid-overwrite", "true");
    let appended = oss.bucket("bucket").append_object_with("new", 0, vec![7; LARGE], &options);
    assert_eq!(appended.map(|a| a.next_position).map_err(|e| e.to_string()), Ok(LARGE as u64));
}

#[test]
fn asking_for_the_reason_makes_no_object() {
    let oss = start();
    oss.keep_no_bytes();
    oss.inject(Fault::CutRequest(5000));
    let error = oss.bucket("bucket").append_object("new", 0, Body::from_reader(&vec![7; LARGE][..])).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::NotApplied));
    assert_eq!(oss.object_len("bucket", "new"), None, "not applied, and yet there is an object");
}

#[test]
fn asking_for_the_reason_carries_no_digest_of_other_bytes() {
    let oss = start();
    oss.keep_no_bytes();
    oss.inject(Fault::CutRequest(5000));
    let bucket = oss.builder("bucket").attempts(2).build().unwrap();
    let options = AppendOptions::new().header("Content-MD5", "lplbWNTL9qqpBBtPAMf2rg==");
    let appended = bucket.append_object_with("k", Checkpoint::default().advance(BEFORE), vec![0; LARGE], &options);
    assert_eq!(appended.map(|a| a.next_position).map_err(|e| e.to_string()), Ok(4 + LARGE as u64));
}

// ---- one attempt, no attempt, no permission, no patience ---------------------------------------------------------

#[test]
fn one_attempt_is_one_attempt_and_still_asked_about() {
    use Fault::*;
    use Outcome::{NotApplied, Unknown};
    for (name, faults, expected) in [
        ("all well", vec![("POST", Pass)], OK),
        ("landed", vec![("POST", LoseAnswer)], OK),
        ("500 behind the deed", vec![("POST", FailAfter(500, "InternalError"))], OK),
        ("lost", vec![("POST", LoseRequest)], Err((ErrorKind::Transport, Unknown))),
        ("500", vec![("POST", Refuse(500, "InternalError"))], Err((ErrorKind::Service, Unknown))),
        ("held back", vec![("POST", Hold)], Err((ErrorKind::Transport, Unknown))),
        ("spoiled", vec![("POST", Refuse(400, "InvalidDigest"))], Err((ErrorKind::Service, NotApplied))),
        ("a stranger", vec![("POST", stranger_before(b"x"))], Err((LONGER, NotApplied))),
        (
            "no answer to the one question",
            vec![("POST", LoseAnswer), ("HEAD", Refuse(503, "ServiceUnavailable"))],
            Err((ErrorKind::Transport, Unknown)),
        ),
    ] {
        let oss = start();
        faults.into_iter().for_each(|(method, fault)| oss.inject_on(method, fault));
        let bucket = oss.builder("bucket").attempts(1).build().unwrap();
        let result = append(&bucket, 0);
        assert_eq!(says(&result), expected, "{name}: {result:?}");
        let of = |method: &str| oss.requests().iter().filter(|request| request.method == method).count();
        assert_eq!(of("POST"), 1, "{name}");
        assert!(of("HEAD") <= 1, "{name}");
        check(&oss, &result, false, name);
    }
}

#[test]
fn attempts_are_as_many_as_said_and_no_more() {
    for attempts in [1, 2, 3, 7] {
        let oss = start();
        for _ in 0..20 {
            oss.inject(Fault::LoseRequest);
        }
        let bucket = oss.builder("bucket").attempts(attempts).build().unwrap();
        let error = append(&bucket, 0).unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown);
        let posts = oss.requests().iter().filter(|request| request.method == "POST").count();
        assert_eq!(posts, attempts as usize);
    }
}

#[test]
fn what_was_never_sent_is_not_applied_and_may_be_sent_by_any_body() {
    for kind in 0..4 {
        let oss = start_alone();
        let bucket = oss.bucket("bucket");
        oss.go_away();
        let error = append(&bucket, kind).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::NotApplied), "call {kind}");
        assert!(error.is_transient());
        assert_eq!(oss.requests(), []);
        oss.come_back();
        let result = append(&bucket, kind);
        assert_eq!(says(&result), OK);
        check(&oss, &result, false, "come back");
    }
}

#[test]
fn nobody_is_left_to_ask() {
    for kind in 0..4 {
        let oss = start_alone();
        let bucket = oss.bucket("bucket");
        oss.inject(Fault::CutAnswer(0).and(Fault::GoAway));
        let result = append(&bucket, kind);
        assert_eq!(says(&result), Err((ErrorKind::Transport, Outcome::Unknown)), "call {kind}");
        oss.come_back();
        check(&oss, &result, false, "gone");
    }
}

#[test]
fn an_early_no_is_the_error() {
    for fault in [Fault::RefuseEarly, Fault::RefuseEarlyWith(409, "FileImmutable")] {
        for kind in 0..4 {
            let oss = start();
            oss.inject(fault.clone());
            let result = append(&oss.bucket("bucket"), kind);
            let refused = Err((ErrorKind::Service, Outcome::NotApplied));
            // Chunks are several writes: the refusal can come as a reset between them, and what was refused is then
            // said to be unknown, which is true as well.
            let reset = Err((ErrorKind::Transport, Outcome::Unknown));
            let said = says(&result);
            assert!(said == refused || kind == 3 && said == reset, "call {kind}: {result:?}");
            check(&oss, &result, false, "an early no");
        }
    }
}

#[test]
fn a_stalled_answer_is_settled() {
    for (kind, expected) in in_unsaid(ErrorKind::Transport).into_iter().enumerate() {
        let oss = start();
        oss.inject(Fault::Stall(Duration::from_secs(3600)));
        let bucket = oss.builder("bucket").request_timeout(Duration::from_secs(1)).build().unwrap();
        let result = append(&bucket, kind);
        assert_eq!(says(&result), expected, "call {kind}: {result:?}");
        check(&oss, &result, false, "stalled");
        if let Err(error) = result {
            assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::TimedOut);
        }
    }
}

#[test]
fn a_key_that_may_only_write_presents_the_bytes_again() {
    use Fault::*;
    use Outcome::{NotApplied, Unknown};
    let unknown = Err((LONGER, Unknown));
    for (name, faults, expected) in [
        ("all well", vec![], OK),
        ("landed", vec![LoseAnswer], OK),
        ("lost", vec![LoseRequest], OK),
        ("landed twice unsaid", vec![LoseAnswer, LoseAnswer], OK),
        ("a stranger behind us", vec![LoseAnswer.and(stranger_after(b"x"))], unknown),
        ("a stranger in our place", vec![LoseRequest, stranger_before(b"xxxx")], unknown),
        ("a stranger's fewer bytes", vec![LoseRequest, stranger_before(b"x")], Err((LONGER, NotApplied))),
        ("a stranger before us", vec![stranger_before(b"xx")], Err((LONGER, NotApplied))),
        ("the probe tells no CRC", vec![LoseAnswer, Pass, NoCrc], unknown),
        ("the probe is refused", vec![LoseAnswer, Pass, Refuse(403, "AccessDenied")], unknown),
        ("no answer to the probe", vec![LoseAnswer, Pass, LoseAnswer], unknown),
    ] {
        let oss = start();
        oss.forbid("HEAD");
        oss.forbid("GET");
        faults.into_iter().for_each(|fault| oss.inject(fault));
        let result = append(&oss.bucket("bucket"), 0);
        assert_eq!(says(&result), expected, "{name}: {result:?}");
        check(&oss, &result, false, name);
    }
}

#[test]
fn the_object_may_change_its_kind_while_an_answer_is_lost() {
    type Change = fn(&FakeOss);
    let cases: [(&str, Change, Says); 6] = [
        ("nothing happens", |_| (), Err((ErrorKind::Transport, Outcome::Unknown))),
        (
            "deleted",
            |oss| {
                oss.delete_object("bucket", "k");
            },
            Err((ErrorKind::Conflict(Found::Missing), Outcome::Unknown)),
        ),
        (
            "truncated",
            |oss| oss.replace_object("bucket", "k", b"o"),
            Err((ErrorKind::Conflict(Found::Shorter), Outcome::Unknown)),
        ),
        (
            "replaced",
            |oss| oss.replace_object("bucket", "k", b"two\n"),
            Err((ErrorKind::Conflict(Found::Different), Outcome::Unknown)),
        ),
        (
            "sealed",
            |oss| {
                oss.seal("bucket", "k");
            },
            Err((ErrorKind::Conflict(Found::Sealed), Outcome::NotApplied)),
        ),
        (
            "made normal",
            |oss| oss.put_object("bucket", "k", BEFORE),
            Err((ErrorKind::NotAppendable, Outcome::NotApplied)),
        ),
    ];
    for (name, change, expected) in cases {
        let oss = start();
        oss.inject(Fault::Hold);
        let at = Checkpoint::default().advance(BEFORE);
        // The source is asked for its last bytes, then for the end: the object changes before the question.
        let body = Body::from_reader(Changing { bytes: OURS, oss: &oss, change });
        let error = oss.bucket("bucket").append_object("k", at, body).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), expected.unwrap_err(), "{name}: {error:?}");
        if error.outcome() == Outcome::NotApplied {
            assert_eq!(oss.land(), 0, "{name}");
        }
    }
}

struct Changing<'a> {
    bytes: &'a [u8],
    oss: &'a FakeOss,
    change: fn(&FakeOss),
}

impl std::io::Read for Changing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        if read == 0 {
            (self.change)(self.oss);
        }
        Ok(read)
    }
}

/// The reason for a reset is asked for by an append of nothing at 1. That there is no object is none.
#[test]
fn a_body_cut_on_its_way_to_an_absent_object_is_sent_again_whatever_the_probe_says_of_the_place() {
    let oss = FakeOss::start().unwrap();
    oss.inject(Fault::CutRequest(90_000));
    oss.inject(Fault::Refuse(404, "NoSuchKey"));
    let body = vec![b'x'; 8 << 20];
    assert_eq!(oss.bucket("bucket").append_object("log", 0, &body).unwrap().next_position, 8 << 20);
    assert_eq!(oss.object_len("bucket", "log"), Some(8 << 20));
}
