//! Promise: a server that wants to do harm, or is merely broken, costs bounded time and memory, is not believed what
//! it cannot know, and leaves the next call as good as ever.
//!
//! Each row of the tables is one lie. It is told in turn to every operation it concerns: `once`, and the service is
//! honest from then on, or `on`, to all that is asked afterwards; with the append *in* the object, or *out* of it. The
//! service keeps a real object, so each case can be judged by what is true:
//!
//! - *bounded time*: the limits are small; without them a case would never end. By default there are only limits of
//!   idleness, and they bound a slow answer by its size alone (32 KiB of head, 64 KiB of body, a byte a minute). Some
//!   answers have no size: interim ones (1xx) and what may stand between and behind the pieces of a chunked body. So an
//!   end for every request is what `request_timeout` is for, and the rows of *slow* and *flood* check that it is one;
//! - *bounded memory*: of the thread that calls, and of what an endless answer got rid of before it was cut off;
//! - *the right kind and outcome*: as the row says; moreover no `Ok` without the bytes, no `Applied` without them, no
//!   `NotApplied` with them;
//! - *the next call works*, on the same bucket, and nothing is in the object twice.
//!
//! ```console
//! $ cargo test --test hostile -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]
#![expect(clippy::disallowed_methods, reason = "how long a case takes is what is promised")]

mod common {
    pub(crate) mod scripted;
}

use allocation_counter::measure;
use base64::{Engine, prelude::BASE64_STANDARD};
use common::scripted::{Lie, Reply, Said, Service, Then};
use oss_append::{
    Appender, Auth, Bucket, Checkpoint, Error,
    ErrorKind::{self, Conflict, Integrity, Protocol, Service as Refused, Transport},
    Found,
    Outcome::{self, Applied, NotApplied, Unknown},
};
use std::{
    fmt,
    io::{self, Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const KEY: &str = "log";
const BASE: &str = "base ";
const TEXT: &str = "a line of text ";
const STRANGER: &str = "a stranger's ";
const NEXT: &str = "the next";

/// What a call may hold at once: its buffers for two connections, and 64 KiB of a body in the making.
const MEMORY: u64 = 3 << 20;
/// What an endless answer may get rid of: our limits, and what the kernel takes on both ends without being asked. On
/// Linux these are up to 4 MiB where it is sent (`tcp_wmem`), and up to 32 MiB where it comes in (`tcp_rmem`).
const TAKEN: u64 = 40 << 20;
/// Far more than the limits below add up to, for a machine that has other things to do.
const TIME: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Bare,
    Known,
    Confirm,
    Resumable,
    ReadBack,
    Head,
    Open,
    Get,
    Range,
}
use Op::*;

#[derive(Clone, Copy, PartialEq)]
enum Want {
    Done,
    Fails(ErrorKind, Outcome),
}
use Want::*;

const ONCE: bool = false;
const ON: bool = true;
const IN: bool = true;
const OUT: bool = false;

/// What ends it.
#[derive(Clone, Copy, PartialEq)]
enum Limit {
    Idle,
    /// Bytes keep coming, one at a time.
    Total,
    /// Bytes keep coming, as fast as they can, and are thrown away: bounded by time alone.
    Flood,
}

struct Row {
    name: String,
    /// What the first lie answers.
    method: &'static str,
    lie: Lie,
    limit: Limit,
    hits: &'static [bool],
    /// The most that may be sent of it.
    taken: u64,
    wants: Vec<(Op, bool, Want)>,
}

fn row(name: impl Into<String>, lie: impl Fn(&str, Reply) -> Said + Send + Sync + 'static) -> Row {
    let (name, lie) = (name.into(), Arc::new(lie));
    Row { name, method: "POST", lie, limit: Limit::Idle, hits: &[IN, OUT], taken: TAKEN, wants: Vec::new() }
}

/// The answer is the honest one but for something.
fn but(name: impl Into<String>, change: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Row {
    row(name, move |_, reply| Said::new(change(reply).bytes(), Then::Keep))
}

/// The answer is not the honest one at all.
fn raw(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Row {
    let bytes = bytes.into();
    row(name, move |_, _| Said::new(bytes.clone(), Then::Close))
}

/// The same, and nothing to whoever asks afterwards: it would be an answer to a HEAD.
fn raw_then_nothing(name: impl Into<String>, bytes: impl Into<Vec<u8>>, then: fn() -> Then) -> Row {
    let bytes = bytes.into();
    row(name, move |method, _| match method {
        "POST" => Said::new(bytes.clone(), then()),
        _ => Said::new("", Then::Close),
    })
}

/// A page of somebody else's, and the connection stays.
fn somebodys(name: &str, status: u16, body: &str) -> Row {
    let page = Reply::new(status).without("x-oss-request-id").body(body);
    row(name, move |method, _| {
        Said::new(if method == "HEAD" { page.clone().bare() } else { page.clone() }.bytes(), Then::Keep)
    })
}

impl Row {
    fn limit(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    fn wants(mut self, wants: &[(Op, bool, Want)]) -> Self {
        self.wants.extend(wants);
        self
    }

    /// An append's answer that says nothing about the bytes: asked about, and Unknown where nothing else is said.
    fn says_nothing(self) -> Self {
        self.settles_nothing(Transport)
    }

    /// The same of a whole answer of the service's, which it should not give.
    fn settles_nothing(self, kind: ErrorKind) -> Self {
        let lost = Fails(kind, Unknown);
        self.wants(&[(Bare, ONCE, lost), (Known, ONCE, Done), (Confirm, ONCE, Done), (Resumable, ONCE, Done)]).wants(&[
            (Known, ON, lost),
            (Confirm, ON, lost),
            (Resumable, ON, lost),
        ])
    }

    /// An append's answer that is odd and good.
    fn succeeds(self) -> Self {
        Self { hits: &[IN], ..self }.wants(&[
            (Bare, ONCE, Done),
            (Known, ONCE, Done),
            (Confirm, ONCE, Done),
            (Resumable, ONCE, Done),
        ])
    }

    /// An append's answer that is odd and a refusal of the service's.
    fn refuses(self, kind: ErrorKind) -> Self {
        let refused = Fails(kind, NotApplied);
        let all = [(Bare, ONCE, refused), (Known, ONCE, refused), (Confirm, ONCE, refused), (Resumable, ONCE, refused)];
        Self { hits: &[OUT], ..self }.wants(&all)
    }

    /// Told to those who look for the end: asked again, and nothing is known where nothing else is said.
    fn tells_no_end(self, kind: ErrorKind) -> Self {
        let lost = Fails(kind, NotApplied);
        // The service's own word is asked for once by those who only want to see it.
        let once = if kind == Transport { Done } else { lost };
        self.wants_head(once, lost, kind)
    }

    /// What `head_object` says, once and on; others ask again.
    fn wants_head(self, once: Want, on: Want, kind: ErrorKind) -> Self {
        let lost = Fails(kind, NotApplied);
        Self { method: "HEAD", hits: &[OUT], ..self }
            .wants(&[(Head, ONCE, once), (Open, ONCE, Done), (Resumable, ONCE, Done)])
            .wants(&[(Head, ON, on), (Open, ON, lost), (Resumable, ON, lost)])
    }

    /// An odd and good answer to a HEAD.
    fn shows(self) -> Self {
        Self { method: "HEAD", hits: &[OUT], ..self }.wants(&[
            (Head, ONCE, Done),
            (Open, ONCE, Done),
            (Resumable, ONCE, Done),
        ])
    }

    /// The answer to a GET; those who read back ask again, and then know, or nothing is known.
    fn gets(self, whole: Want, part: Want) -> Self {
        Self { method: "GET", hits: &[IN], ..self }.wants(&[
            (Get, ONCE, whole),
            (Get, ON, whole),
            (Range, ONCE, part),
            (Range, ON, part),
        ])
    }

    fn proves_nothing(self) -> Self {
        let known = Fails(Conflict(Found::Longer), Applied);
        Self { method: "GET", hits: &[IN], ..self }
            .wants(&[(ReadBack, ONCE, known), (ReadBack, ON, Fails(Transport, Unknown))])
    }

    fn proves_all(self) -> Self {
        let known = Fails(Conflict(Found::Longer), Applied);
        Self { method: "GET", hits: &[IN], ..self }.wants(&[(ReadBack, ONCE, known), (ReadBack, ON, known)])
    }

    fn bucket(&self, service: &Service) -> Bucket {
        let builder = Bucket::builder(Auth::new("id", "secret"), &service.endpoint(), "bucket").region("cn-hangzhou");
        let builder = builder.attempts(2).backoff(Duration::ZERO, Duration::from_millis(20));
        let builder = match self.limit {
            Limit::Idle => builder.idle_timeout(Duration::from_millis(500)),
            Limit::Total | Limit::Flood => builder.request_timeout(Duration::from_millis(700)),
        };
        builder.build().unwrap()
    }
}

// ---- one case ----------------------------------------------------------------------------------------------------

/// One lie, told to one operation.
struct Case<'a> {
    row: &'a Row,
    op: Op,
    always: bool,
    hit: bool,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (often, hit) = (if self.always { "on" } else { "once" }, if self.hit { "in" } else { "out" });
        write!(f, "{:<46} {:<9} {often:<4} {hit:<3}", self.row.name, format!("{:?}", self.op))
    }
}

impl Case<'_> {
    /// A line of the table.
    fn play(&self, want: Want) -> String {
        let service = Service::with(BASE);
        let bucket = self.row.bucket(&service);
        let (mut log, mut result, begun) = (None, Ok(()), Instant::now());
        if self.op == Confirm {
            let mut opened = bucket.appender(KEY).buffer_capacity(4 << 10).open().unwrap();
            opened.write_all(TEXT.as_bytes()).unwrap();
            log = Some(opened);
        }
        if self.op == ReadBack {
            service.lose_an_answer(STRANGER);
        }
        service.lie(&self.row.lie, self.row.method, self.always, self.hit);
        let before = service.calls().len();
        let memory = measure(|| result = self.call(&bucket, log.as_mut())).bytes_max;
        let took = begun.elapsed();
        service.be_honest();
        let (calls, told) = (service.calls()[before..].join(" "), service.text());
        let is_in = self.judge(&told, &result);
        let got = match &result {
            Ok(()) => Done,
            Err(error) => Fails(error.kind(), error.outcome()),
        };
        assert!(got == want, "{self}: {result:?}, after {calls}");
        assert!(took < TIME, "{self}: took {took:?}");
        assert!(memory < MEMORY, "{self}: held {memory} bytes");
        self.go_on(&service, &bucket, log, &result, is_in);
        let sent = service.sent();
        let is_bounded = sent < self.row.taken || self.row.limit == Limit::Flood;
        assert!(is_bounded, "{self}: {sent} bytes of an endless answer were taken");
        let end = match &result {
            Ok(()) => "Ok".to_owned(),
            Err(error) => format!("{:?} {:?}", error.kind(), error.outcome()),
        };
        let sent = if sent > 0 { format!(" of {} KiB sent", sent >> 10) } else { String::new() };
        format!("{self} {end:<28} {calls:<30} {:>4} ms {:>4} KiB{sent}", took.as_millis(), memory >> 10)
    }

    fn call(&self, bucket: &Bucket, log: Option<&mut Appender>) -> Result<(), Error> {
        let position = BASE.len() as u64;
        match self.op {
            Bare => bucket.append_object(KEY, position, TEXT).map(drop),
            Known | ReadBack => bucket.append_object(KEY, at(BASE), TEXT).map(drop),
            Confirm => log.unwrap().confirm().map(|end| assert_eq!(end, at(&format!("{BASE}{TEXT}")))),
            Resumable => bucket.resumable_append(KEY, self.file()).map(drop),
            Head => bucket.head_object(KEY).map(|meta| {
                assert_eq!(meta.length, position, "{self}");
                assert!(meta.crc64.is_none_or(|crc64| crc64 == at(BASE).crc64), "{self}: {meta:?}");
                assert!(meta.checkpoint().is_none_or(|end| end == at(BASE)), "{self}: {meta:?}");
            }),
            Open => bucket.appender(KEY).open().map(|log| {
                assert_eq!((log.checkpoint(), log.existed()), (at(BASE), Some(true)), "{self}");
            }),
            Get => read(bucket.get_object(KEY)?).map(|text| assert_eq!(text, BASE.as_bytes(), "{self}")),
            Range => read(bucket.get_object_range(KEY, 1..3)?).map(|text| assert_eq!(text, &BASE.as_bytes()[1..3])),
        }
    }

    fn appends(&self) -> bool {
        matches!(self.op, Bare | Known | Confirm | Resumable | ReadBack)
    }

    /// Is the text in? Whatever was said must agree.
    fn judge(&self, told: &str, result: &Result<(), Error>) -> bool {
        let stranger = if self.op == ReadBack { STRANGER } else { "" };
        let is_in = told == format!("{BASE}{TEXT}{stranger}");
        assert!(is_in || told == format!("{BASE}{stranger}"), "{self}: {told:?}");
        let outcome = result.as_ref().map_err(Error::outcome);
        if self.appends() {
            assert!(is_in || !matches!(outcome, Ok(()) | Err(Applied)), "{self}: not in, and {result:?}");
            assert!(!is_in || outcome != Err(NotApplied), "{self}: in, and {result:?}");
        } else {
            assert!(matches!(outcome, Ok(()) | Err(NotApplied)), "{self}: {result:?}");
        }
        is_in
    }

    /// The next call works, and everything is there once.
    fn go_on(
        &self,
        service: &Service,
        bucket: &Bucket,
        log: Option<Appender>,
        result: &Result<(), Error>,
        is_in: bool,
    ) {
        let next = |result: Result<Checkpoint, Error>| result.unwrap_or_else(|error| panic!("{self}: next: {error:?}"));
        let mut expected = service.text();
        if self.appends() && !is_in {
            expected += TEXT;
        }
        if let Some(mut log) = log {
            if let Err(error) = result {
                // Those are repeated until somebody looks, unless nobody could be asked then: another life goes on with
                // what is left.
                if matches!(error.kind(), Conflict(_) | Integrity | Protocol)
                    && let Err(again) = log.confirm()
                {
                    assert_eq!(again.kind(), error.kind(), "{self}");
                    let (end, pending) = log.into_parts();
                    log = bucket.appender(KEY).resume(end).unwrap();
                    log.write_all(&pending).unwrap();
                }
                next(log.confirm());
            }
            log.write_all(NEXT.as_bytes()).unwrap();
            next(log.finish().map_err(Error::from));
        } else {
            match self.op {
                Resumable => next(bucket.resumable_append(KEY, self.file()).map(|resumed| resumed.checkpoint)),
                _ if self.appends() && !is_in => {
                    next(bucket.append_object(KEY, at(BASE), TEXT).map(|end| end.checkpoint().unwrap()))
                }
                _ => Checkpoint::default(),
            };
            next(bucket.append_object(KEY, at(&service.text()), NEXT).map(|end| end.checkpoint().unwrap()));
        }
        expected += NEXT;
        assert_eq!(service.text(), expected, "{self}");
        assert_eq!(bucket.head_object(KEY).unwrap().checkpoint(), Some(at(&expected)), "{self}");
    }

    fn file(&self) -> std::path::PathBuf {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
        static WRITTEN: std::sync::Once = std::sync::Once::new();
        WRITTEN.call_once(|| std::fs::write(&path, format!("{BASE}{TEXT}")).unwrap());
        path
    }
}

fn at(text: &str) -> Checkpoint {
    Checkpoint::default().advance(text)
}

/// To the end, or to more than there can be.
fn read(mut object: impl Read) -> Result<Vec<u8>, Error> {
    let (mut all, mut piece) = (Vec::new(), [0; 100]);
    loop {
        match object.read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(read) => all.extend_from_slice(&piece[..read]),
            Err(error) => return Err(Error::find(&error).unwrap().clone()),
        }
        assert!(all.len() <= BASE.len(), "more bytes than the object has");
    }
}

fn play(title: &str, rows: impl IntoIterator<Item = Row>) {
    let (mut table, mut failed) = (Vec::new(), 0);
    for row in rows {
        assert!(!row.wants.is_empty());
        let mut cases = Vec::new();
        for (op, always, want) in &row.wants {
            let hits = if row.method == "POST" { row.hits } else { &row.hits[..1] };
            cases.extend(hits.iter().map(|hit| (Case { row: &row, op: *op, always: *always, hit: *hit }, *want)));
        }
        let together = if row.limit == Limit::Flood { 1 } else { 8 };
        for some in cases.chunks(together) {
            thread::scope(|scope| {
                let played: Vec<_> = some.iter().map(|(case, want)| scope.spawn(|| case.play(*want))).collect();
                for case in played {
                    match case.join() {
                        Ok(line) => table.push(line),
                        Err(_) => failed += 1, // said by the case itself
                    }
                }
            });
        }
    }
    println!("\n{title}\n{}", table.join("\n"));
    assert_eq!(failed, 0, "{title}: cases failed, see above");
}

// ---- the tables --------------------------------------------------------------------------------------------------

fn page(status: u16, body: &[u8]) -> Vec<u8> {
    Reply::new(status).without("x-oss-request-id").body(body).bytes()
}

#[test]
fn slow_answers_end_with_the_request_timeout() {
    let drip = |name: &str, bytes: &str, piece: &str| {
        let (bytes, piece) = (bytes.to_owned(), piece.as_bytes().to_vec());
        row(name, move |_, _| Said::new(bytes.clone(), Then::Drip(piece.clone()))).limit(Limit::Total).says_nothing()
    };
    let head = "HTTP/1.1 200 OK\r\nx-oss-request-id: 5C\r\n";
    play(
        "slow: a byte at a time",
        [
            drip(
                "a status line",
                "",
                "HTTP/1.1 200 OOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOO",
            ),
            drip("header fields", head, "x-slow: 1\r\n"),
            drip("a body of a length", &format!("{head}content-length: 100000\r\n\r\n"), "x"),
            drip("a body without a length", &format!("{head}\r\n"), "x"),
            drip("a body in pieces", &format!("{head}transfer-encoding: chunked\r\n\r\n"), "1\r\nx\r\n"),
            drip("trailers", &format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n"), "x-slow: 1\r\n"),
            drip("interim answers", "", "HTTP/1.1 102 Processing\r\n\r\n"),
            drip(
                "an error document",
                "HTTP/1.1 403 No\r\nx-oss-request-id: 5C\r\ncontent-length: 100000\r\n\r\n<Error>",
                " ",
            ),
        ],
    );
}

#[test]
fn endless_answers_are_cut_off() {
    let endless = |name: &str, bytes: &str, piece: &str| {
        let (bytes, piece) = (bytes.to_owned(), piece.repeat(4096 / piece.len()).into_bytes());
        row(name, move |_, _| Said::new(bytes.clone(), Then::Repeat(piece.clone()))).says_nothing()
    };
    let head = "HTTP/1.1 200 OK\r\nx-oss-request-id: 5C\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let refused = "HTTP/1.1 403 No\r\nx-oss-request-id: 5C\r\n";
    let piece = format!("400\r\n{}\r\n", "x".repeat(0x400));
    play(
        "endless: as fast as it goes",
        [
            endless("a status line", "HTTP/1.1 200 ", "O"),
            endless("header fields", head, "x-more: 1\r\n"),
            endless("one header field", &format!("{head}x-more: "), "x"),
            endless("a success's body of a length", &format!("{head}content-length: 1000000000000\r\n\r\n"), "x"),
            endless("a success's body in pieces", &format!("{head}{chunked}"), &piece),
            endless("a success's body without a length", &format!("{head}\r\n"), "x"),
            endless("an error document of a length", &format!("{refused}content-length: 1000000000000\r\n\r\n"), "<a>"),
            endless("an error document in pieces", &format!("{refused}{chunked}"), &piece),
            endless("an error document without a length", &format!("{refused}\r\n"), "<a>"),
            endless("a 503's page", "HTTP/1.1 503 Busy\r\n\r\n", "<p>"),
            endless("the size of a piece", &format!("{head}{chunked}"), "0"),
            endless("a piece's extension", &format!("{head}{chunked}1;"), "x"),
            endless("one trailer", &format!("{head}{chunked}0\r\nx-more: "), "x"),
            row("a header field of 4 MiB", |_, reply| {
                Said::new(reply.set("x-more", vec![b'x'; 4 << 20]).bytes(), Then::Keep)
            })
            .says_nothing(),
        ],
    );
}

#[test]
fn floods_end_with_the_request_timeout() {
    let flood = |name: &str, bytes: &str, piece: &str| {
        let (bytes, piece) = (bytes.to_owned(), piece.repeat(4096 / piece.len()).into_bytes());
        let lie = row(name, move |_, _| Said::new(bytes.clone(), Then::Repeat(piece.clone())));
        Row { hits: &[IN], ..lie.limit(Limit::Flood) }.wants(&[
            (Bare, ONCE, Fails(Transport, Unknown)),
            (Known, ONCE, Done),
            (Known, ON, Fails(Transport, Unknown)),
        ])
    };
    let chunked = "HTTP/1.1 200 OK\r\nx-oss-request-id: 5C\r\ntransfer-encoding: chunked\r\n\r\n";
    play(
        "flood: what has no size",
        [
            flood("interim answers", "", "HTTP/1.1 102 Processing\r\n\r\n"),
            flood("100s", "", "HTTP/1.1 100 Continue\r\n\r\n"),
            flood("trailers", &format!("{chunked}0\r\n"), "x-more: 1\r\n"),
        ],
    );
}

#[test]
fn answers_that_are_none_decide_nothing() {
    let silent = |name: &str, bytes: &str| {
        let bytes = bytes.to_owned();
        row(name, move |_, _| Said::new(bytes.clone(), Then::Wait)).says_nothing()
    };
    let head = "HTTP/1.1 200 OK\r\nx-oss-request-id: 5C\r\n";
    let length = |text: &str| raw(format!("Content-Length: {text}"), format!("{head}content-length: {text}\r\n\r\n"));
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = [0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 128, 0, 4, 0, 1, 0, 0, 0, 5, 0, 255, 255, 255];
    preface.extend_from_slice(&settings);
    let nul = |name: &str| {
        let name = name.to_owned();
        but(format!("a NUL in {name}"), move |reply| reply.set(&name, b"1\x002")).says_nothing()
    };
    play(
        "none: not a whole answer of HTTP's",
        [
            raw("nothing", "").says_nothing(),
            silent("nothing, and it stays", ""),
            raw("NULs", [0; 1000]).says_nothing(),
            raw("an SSH banner", "SSH-2.0-OpenSSH_9.6\r\n").says_nothing(),
            raw("HTTP/2's preface", preface).says_nothing(),
            raw("HTTP/2's settings", settings).says_nothing(),
            raw("a TLS alert", [21, 3, 3, 0, 2, 2, 40]).says_nothing(),
            raw("HTTP/2 in letters", "HTTP/2 200 OK\r\nx-oss-request-id: 5C\r\n\r\n").says_nothing(),
            raw("HTTP/0.9: a page and no head", "<html>200 OK</html>").says_nothing(),
            raw("status 000", "HTTP/1.1 000 No\r\n\r\n").says_nothing(),
            raw("status 2000", "HTTP/1.1 2000 OK\r\n\r\n").says_nothing(),
            raw("status -200", "HTTP/1.1 -200 OK\r\n\r\n").says_nothing(),
            raw("a head that breaks off", head).says_nothing(),
            silent("a head that goes no further", head),
            raw_then_nothing("a body that breaks off", format!("{head}content-length: 10\r\n\r\n<a>"), || Then::Close)
                .says_nothing(),
            raw_then_nothing("a body that goes no further", format!("{head}content-length: 10\r\n\r\n<a>"), || {
                Then::Wait
            })
            .says_nothing(),
            raw(
                "a refusal's document that breaks off",
                "HTTP/1.1 403 No\r\nx-oss-request-id: 5C\r\ncontent-length: 99\r\n\r\n<Error><Code>AccessDenied</Code>",
            )
            .says_nothing(),
            raw("pieces that break off", format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nab")).says_nothing(),
            raw("pieces without a size", format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n"))
                .says_nothing(),
            raw("pieces of negative size", format!("{head}transfer-encoding: chunked\r\n\r\n-5\r\nab\r\n0\r\n\r\n"))
                .says_nothing(),
            raw(
                "pieces of overflowing size",
                format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nab\r\n0\r\n\r\n"),
            )
            .says_nothing(),
            length("-1").says_nothing(),
            length("18446744073709551616").says_nothing(),
            length("18446744073709551615").says_nothing(),
            length("0x0").says_nothing(),
            length("nothing").says_nothing(),
            length("\u{661}").says_nothing(),
            but("two lengths", |reply| reply.set("content-length", "0").add("content-length", "5")).says_nothing(),
            nul("x-oss-request-id"),
            nul("x-oss-next-append-position"),
            nul("x-oss-hash-crc64ecma"),
            but("a name that is none", |reply| reply.set("x oss", "1")).says_nothing(),
            row("101, and bytes of another protocol", |_, reply| {
                let mut bytes = reply.without("x-oss-request-id").status(101).head("HTTP/1.1");
                bytes.extend_from_slice(&[0; 50]);
                Said::new(bytes, Then::Close)
            })
            .says_nothing(),
            somebodys("a portal's 200", 200, "<html>log in</html>").says_nothing(),
            somebodys("a proxy's 403", 403, "<html>no</html>").says_nothing(),
            somebodys("a proxy's 409", 409, "<Error><Code>PositionNotEqualToLength</Code></Error>").says_nothing(),
            somebodys("a proxy's 404", 404, "<Error><Code>NoSuchKey</Code></Error>").says_nothing(),
            row("the answer to a HEAD, with a length and no body", |method, reply| match method {
                "POST" => Said::new(reply.set("content-length", "20").body("").bytes(), Then::Wait),
                _ => Said::new("", Then::Close),
            })
            .says_nothing(),
        ],
    );
}

#[test]
fn odd_answers_of_the_service_decide_what_they_say_and_no_more() {
    let status =
        |status: u16| but(format!("status {status}"), move |reply| reply.status(status)).settles_nothing(Protocol);
    let busy = |status: u16, after: &str| {
        let after = after.to_owned();
        let value = after.clone();
        let mute = but(format!("{status}, Retry-After: {after}"), move |reply| {
            reply.status(status).set("retry-after", &value)
        });
        mute.settles_nothing(Refused)
    };
    play(
        "odd: whole answers of the service's",
        [
            status(201),
            // Neither has a body, so neither can be believed to have said all.
            status(204),
            status(206),
            status(304),
            status(399),
            but("status 600", |reply| reply.status(600)).settles_nothing(Refused),
            but("status 999", |reply| reply.status(999)).settles_nothing(Refused),
            busy(503, "18446744073709551615"),
            busy(503, "18446744073709551616"),
            busy(503, "99999999"),
            busy(503, "-1"),
            busy(503, "1e9"),
            busy(429, "Fri, 31 Dec 9999 23:59:59 GMT"),
            busy(408, "99999999"),
        ],
    );
    let framed = |name: &str, frame: fn(Reply) -> Vec<u8>, then_close: bool| {
        row(name, move |_, reply| Said::new(frame(reply), if then_close { Then::Close } else { Then::Keep }))
    };
    play(
        "odd: other frames",
        [
            framed("in pieces", |reply| reply.body("never mind what").chunked(), false).succeeds(),
            framed(
                "in pieces, and of a length",
                |reply| reply.set("content-length", "3").body("never mind").chunked(),
                false,
            )
            .succeeds(),
            framed("HTTP/1.0", |reply| reply.head("HTTP/1.0"), true).succeeds(),
            framed("without a length, until it closes", |reply| reply.head("HTTP/1.1"), true).succeeds(),
            framed(
                "the same length twice",
                |reply| reply.set("content-length", "0").add("content-length", "0").bytes(),
                false,
            )
            .succeeds(),
            framed("after three 102s", |reply| [b"HTTP/1.1 102 P\r\n\r\n".repeat(3), reply.bytes()].concat(), false)
                .succeeds(),
            framed("after a 100", |reply| [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), reply.bytes()].concat(), false)
                .succeeds(),
            framed(
                "after a thousand 103s",
                |reply| [b"HTTP/1.1 103 E\r\n\r\n".repeat(1000), reply.bytes()].concat(),
                false,
            )
            .succeeds(),
            framed("with a body of NULs", |reply| reply.body([0; 60_000]).bytes(), false).succeeds(),
            framed("said to be gzip", |reply| reply.set("content-encoding", "gzip").body("no gzip").bytes(), false)
                .succeeds(),
            framed("with a Location", |reply| reply.set("location", "http://127.0.0.1:1/").bytes(), false).succeeds(),
        ],
    );
}

#[test]
fn bytes_behind_an_answer_poison_nothing() {
    let glued = |name: &str, behind: &[u8]| {
        let behind = behind.to_vec();
        row(name, move |_, reply| Said::new([reply.bytes(), behind.clone()].concat(), Then::Keep))
    };
    let denied = || Reply::refusal(403, "AccessDenied").bytes();
    play(
        "glued: more than one answer",
        [
            glued("a few bytes", b"\r\nxx").succeeds(),
            glued("half a head", b"HTTP/1.1 200 OK\r\nx-oss-").succeeds(),
            glued("a second refusal", &denied()).succeeds(),
            glued("a hundred refusals", &denied().repeat(100)).succeeds(),
            row("the same once more", |_, reply| Said::new(reply.bytes().repeat(2), Then::Keep)).succeeds(),
            row("a body where none was announced", |_, reply| {
                Said::new(reply.set("content-length", "0").body("surplus").bytes(), Then::Keep)
            })
            .succeeds(),
            row("a document longer than announced", |_, _| {
                let reply = Reply::refusal(403, "AccessDenied").set("content-length", "40");
                Said::new(reply.bytes(), Then::Keep)
            })
            .refuses(Refused),
            row("a HEAD with a body", |_, reply| Said::new([reply.bytes(), BASE.into()].concat(), Then::Keep)).shows(),
            row("a HEAD with a second answer", move |_, reply| {
                Said::new([reply.bytes(), denied()].concat(), Then::Keep)
            })
            .shows(),
        ],
    );
}

#[test]
fn redirects_are_not_followed_and_nobody_learns_anything() {
    let elsewhere = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = format!("http://{}/bucket/log", elsewhere.local_addr().unwrap());
    let mut rows = Vec::new();
    for status in [300, 301, 302, 303, 305, 307, 308] {
        let to = target.clone();
        let whole = but(format!("{status} of the service's"), move |reply| reply.status(status).set("location", &to));
        rows.push(whole.settles_nothing(Protocol));
        let to = target.clone();
        let page = but(format!("{status} of somebody's"), move |reply| {
            reply.without("x-oss-request-id").status(status).set("location", &to)
        });
        rows.push(page.says_nothing());
        let to = target.clone();
        let head = but(format!("{status} to a HEAD"), move |reply| reply.status(status).set("location", &to));
        rows.push(head.tells_no_end(Protocol));
        let to = target.clone();
        let get = but(format!("{status} to a GET"), move |reply| reply.status(status).set("location", &to));
        rows.push(get.gets(Fails(Protocol, NotApplied), Fails(Protocol, NotApplied)).proves_nothing());
    }
    play("redirects", rows);
    assert_eq!(elsewhere.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "somebody came, with credentials");
}

#[test]
fn hostile_documents_are_refusals_without_a_reason() {
    let document = |name: &str, body: Vec<u8>| {
        row(name, move |_, _| Said::new(Reply::new(403).body(body.clone()).bytes(), Then::Keep)).refuses(Refused)
    };
    let entities: String =
        (1..10).map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10))).collect();
    let bomb = format!("<!DOCTYPE Error [<!ENTITY a0 \"ha\">{entities}]><Error><Code>&a9;</Code></Error>");
    let big = format!(
        "<!DOCTYPE Error [<!ENTITY a \"{}\">]><Error><Code>{}</Code></Error>",
        "a".repeat(30_000),
        "&a;".repeat(10_000)
    );
    let external = "<!DOCTYPE e [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Error><Code>&x;</Code></Error>";
    let attributes: String = (0..7000).map(|n| format!(" a{n}=''")).collect();
    let names: String = (0..3000).map(|n| format!(" xmlns:a{n}='{n}'")).collect();
    // As gzip makes it of an error document: what matters is that nobody unpacks it.
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xb3, 0x71, 0x2d, 0x2a, 0xca, 0x2f, 0xb2, 0xb3, 0x01, 0]]
        .concat();
    play(
        "documents of a 403",
        [
            document("a bomb of entities", bomb.into_bytes()),
            document("a bomb of one entity", big.into_bytes()),
            document("an entity of a file", external.into()),
            document("nested 21 000 deep", "<a>".repeat(21_000).into_bytes()),
            document("nested in an Error", format!("<Error>{}", "<Code>".repeat(10_000)).into_bytes()),
            document("7000 attributes", format!("<Error{attributes}/>").into_bytes()),
            document("3000 namespaces", format!("<Error{names}/>").into_bytes()),
            document("20 000 elements", format!("<Error>{}</Error>", "<a/>".repeat(16_000)).into_bytes()),
            document("invalid UTF-8", [b"<Error><Code>", &[0xff; 50_000][..], b"</Code></Error>"].concat()),
            document("NULs", vec![0; 60_000]),
            document("UTF-16", "<Error><Code>A</Code></Error>".encode_utf16().flat_map(u16::to_le_bytes).collect()),
            document("an unfinished comment", format!("<Error><!--{}", "-".repeat(60_000)).into_bytes()),
            document("no bytes", Vec::new()),
            row("gzip", move |_, _| {
                let reply = Reply::new(403).set("content-encoding", "gzip").body(gzip.clone());
                Said::new(reply.bytes(), Then::Keep)
            })
            .refuses(Refused),
            row("an x-oss-err of 20 KiB", |_, _| {
                let bomb = BASE64_STANDARD.encode("<a>".repeat(5000));
                Said::new(Reply::new(403).set("x-oss-err", bomb).bytes(), Then::Keep)
            })
            .refuses(Refused),
            row("an x-oss-err that is no base64", |_, _| {
                Said::new(Reply::new(403).set("x-oss-err", b"\xff\xfe=!").bytes(), Then::Keep)
            })
            .refuses(Refused),
        ],
    );
}

const POSITION: &str = "x-oss-next-append-position";
const TYPE: &str = "x-oss-object-type";
const CRC64: &str = "x-oss-hash-crc64ecma";

/// Numbers that are none, or not of 64 bits.
const NO_NUMBERS: [&[u8]; 9] = [
    b"",
    b"-1",
    b"+20",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"2e1",
    b"0x14",
    b"20 20",
    b"\xff\xfe20",
];

fn shown(value: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(value))
}

#[test]
fn numbers_that_are_none_are_unknown() {
    let mut rows = Vec::new();
    for value in NO_NUMBERS {
        let name = shown(value);
        rows.push(but(format!("200, next position {name}"), move |r| r.set(POSITION, value)).settles_nothing(Protocol));
        // The position decides where the sum is not said (200, next = P+n, CRC header missing).
        rows.push(but(format!("200, CRC {name}"), move |r| r.set(CRC64, value)).succeeds());
        let refused = row(format!("409, next position {name}"), move |_, _| {
            let reply = Reply::refusal(409, "PositionNotEqualToLength").set(POSITION, value);
            Said::new(reply.bytes(), Then::Keep)
        });
        rows.push(Row { hits: &[OUT], ..refused }.wants(&[
            // It is asked, and nothing can be there: sent again.
            (Bare, ONCE, Done),
            (Known, ONCE, Done),
            (Known, ON, Fails(Conflict(Found::Longer), Unknown)),
            (Confirm, ON, Fails(Conflict(Found::Longer), Unknown)),
        ]));
        rows.push(but(format!("HEAD, next position {name}"), move |r| r.set(POSITION, value)).tells_no_end(Protocol));
        rows.push(but(format!("HEAD, CRC {name}"), move |r| r.set(CRC64, value)).shows());
    }
    rows.push(but("200, two next positions", |r| r.add(POSITION, "5")).settles_nothing(Protocol));
    rows.push(but("200, two CRCs", |r| r.add(CRC64, "5")).succeeds());
    // Without it a HEAD is as good as ever.
    rows.push(but("200, no next position", |r| r.without(POSITION)).wants(&[
        (Bare, ONCE, Fails(Protocol, Unknown)),
        (Known, ONCE, Done),
        (Confirm, ONCE, Done),
        (Resumable, ONCE, Done),
    ]));
    rows.push(but("200, no CRC", |r| r.without(CRC64)).succeeds());
    play("numbers that are none", rows);
}

#[test]
fn positions_that_lie_are_not_believed() {
    let mut rows = Vec::new();
    for next in [0, 4, 5, 6, 19, 21, 5 << 30, u64::MAX] {
        let lie = but(format!("200, next position {next}"), move |r| r.set(POSITION, next.to_string()));
        rows.push(lie.settles_nothing(Protocol));
    }
    let elsewhere = |next: u64| {
        row(format!("409, next position {next}"), move |_, _| {
            let reply = Reply::refusal(409, "PositionNotEqualToLength").set(POSITION, next.to_string());
            Said::new(reply.bytes(), Then::Keep)
        })
    };
    for next in [0, 4, 5] {
        // No copy can be in, by the service's own word: it is asked, and sent again.
        let lie = Row { hits: &[OUT], ..elsewhere(next) };
        rows.push(lie.wants(&[
            (Bare, ONCE, Done),
            (Known, ONCE, Done),
            (Confirm, ONCE, Done),
            (Resumable, ONCE, Done),
        ]));
    }
    for next in [6, 19, 20, 21, 5 << 30, u64::MAX] {
        // A proxy may have sent it twice: the second copy meets the first.
        let doubt = Fails(Conflict(Found::Longer), Unknown);
        rows.push(elsewhere(next).wants(&[(Bare, ONCE, doubt)]));
        let out = Row { hits: &[OUT], ..elsewhere(next) };
        rows.push(out.wants(&[(Known, ONCE, doubt), (Confirm, ONCE, doubt)]));
    }
    for crc64 in [0, 1, u64::MAX] {
        let lie = but(format!("200, CRC {crc64}"), move |r| r.set(CRC64, crc64.to_string()));
        let asked = [(Known, ONCE, Done), (Confirm, ONCE, Done), (Resumable, ONCE, Done), (Bare, ONCE, Done)];
        rows.push(Row { hits: &[IN], ..lie }.wants(&asked).wants(&[(Known, ON, Fails(Integrity, Applied))]));
    }
    play("positions and sums that lie", rows);
}

#[test]
fn heads_that_lie_are_not_believed() {
    let length = |value: &str| {
        let value = value.to_owned();
        but(format!("HEAD, length {value}"), move |r| r.set("content-length", &value))
    };
    let mut rows = Vec::new();
    for value in ["-1", "18446744073709551616", "0x5", "\u{665}"] {
        rows.push(length(value).tells_no_end(Transport));
    }
    for value in ["0", "4", "6", "20", "5368709121", "18446744073709551615"] {
        rows.push(length(value).tells_no_end(Protocol));
    }
    for value in ["5368709121", "18446744073709551615"] {
        let both = but(format!("HEAD, length and position {value}"), move |r| {
            r.set("content-length", value).set(POSITION, value)
        });
        let too_long = [(Open, ON, Fails(Protocol, NotApplied)), (Resumable, ON, Fails(Protocol, NotApplied))];
        rows.push(Row { method: "HEAD", hits: &[OUT], ..both }.wants(&too_long));
    }
    rows.push(but("HEAD, no length", |r| r.set("transfer-encoding", "chunked")).tells_no_end(Protocol));
    // Good enough for whoever wants to see it.
    rows.push(but("HEAD, from a cache", |r| r.set("age", "5")).wants_head(Done, Done, Protocol));
    for status in [201, 206, 304] {
        rows.push(but(format!("HEAD, status {status}"), move |r| r.status(status)).tells_no_end(Protocol));
    }
    let append = but("HEAD, the answer to an append", |r| r.without(TYPE).set("content-length", "0"));
    rows.push(append.tells_no_end(Protocol));
    rows.push(somebodys("HEAD, a portal's page", 200, "<html>").tells_no_end(Transport));
    rows.push(somebodys("HEAD, a proxy's 404", 404, "<html>").tells_no_end(Transport));
    for value in [&b"Append\xffable"[..], b"\xff", b"Append?able", b""] {
        let name = format!("HEAD, type {}", shown(value));
        rows.push(but(name, move |r| r.set(TYPE, value)).wants_head(Done, Done, Protocol));
    }
    play("heads that lie", rows);

    // The answer to an append is lost, and HEAD says this.
    let asked = |name: String, change: fn(Reply) -> Reply| {
        row(format!("lost; HEAD, {name}"), move |method, reply| match method {
            "POST" => Said::new("", Then::Close),
            "HEAD" => Said::new(change(reply).bytes(), Then::Keep),
            _ => Said::new(reply.bytes(), Then::Keep),
        })
    };
    let mut rows = Vec::new();
    for (name, change) in [
        ("type no UTF-8", (|r| r.set(TYPE, b"\xff")) as fn(Reply) -> Reply),
        ("type empty", |r| r.set(TYPE, "")),
        ("sealed at no time", |r| r.set("x-oss-sealed-time", b"\xff")),
    ] {
        let row = Row { hits: &[OUT], ..asked(name.into(), change) };
        rows.push(row.wants(&[(Known, ON, Fails(Transport, Unknown)), (Confirm, ON, Fails(Transport, Unknown))]));
    }
    let endless = |r: Reply| r.set("content-length", u64::MAX.to_string()).set(POSITION, u64::MAX.to_string());
    let there = Row { hits: &[IN], ..asked("endless, and it is in".into(), endless) };
    rows.push(there.wants(&[(Known, ON, Done), (Confirm, ON, Done)]));
    let lost = Fails(Transport, Unknown);
    let absent = Row { hits: &[OUT], ..asked("endless, and it is not in".into(), endless) };
    rows.push(absent.wants(&[(Known, ON, lost), (Confirm, ON, lost)]));
    play("heads that lie about a chunk in doubt", rows);
}

#[test]
fn text_that_is_no_utf_8_is_harmless() {
    let bad = b"\xff\xfe\x80";
    let mut rows = Vec::new();
    for name in [
        "x-oss-request-id",
        "etag",
        "x-oss-version-id",
        "content-type",
        "date",
        "server",
        "retry-after",
        "location",
        "x-oss-ec",
    ] {
        rows.push(but(format!("200, {name}"), move |r| r.set(name, bad)).succeeds());
        let refused = row(format!("403, {name}"), move |_, _| {
            Said::new(Reply::refusal(403, "AccessDenied").set(name, bad).bytes(), Then::Keep)
        });
        rows.push(refused.refuses(Refused));
        rows.push(but(format!("HEAD, {name}"), move |r| r.set(name, bad)).shows());
    }
    for name in ["x-oss-meta-a", "last-modified", "x-oss-storage-class"] {
        rows.push(but(format!("HEAD, {name}"), move |r| r.set(name, bad)).shows());
    }
    rows.push(but("200, content-length", move |r| r.set("content-length", bad)).says_nothing());
    play("no UTF-8", rows);
}

#[test]
fn objects_that_are_not_what_was_announced_are_no_success() {
    let lost = Fails(Transport, NotApplied);
    let broken = Fails(Protocol, NotApplied);
    let gets = |name: &str, change: fn(Reply, Vec<u8>) -> Said| {
        row(format!("GET, {name}"), move |_, reply| {
            // As it should be announced, and with more behind it.
            let announced = reply.clone().set("content-length", reply.body.len().to_string());
            change(announced, [reply.body, b"and more, much more than there should be".to_vec()].concat())
        })
    };
    let endless = |reply: Reply| {
        let piece = format!("400\r\n{}\r\n", "x".repeat(0x400)).into_bytes();
        Said::new(reply.set("transfer-encoding", "chunked").head("HTTP/1.1"), Then::Repeat(piece))
    };
    // As something on the way would pack it, if it could: here it only has another length.
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(5);
    let packed_again = packed.clone();
    play(
        "objects that are not what was announced",
        [
            gets("less than announced", |r, _| Said::new(r.body("b").bytes(), Then::Close))
                .gets(lost, lost)
                .proves_nothing(),
            gets("less than announced, and it stays", |r, _| Said::new(r.body("b").bytes(), Then::Wait))
                .gets(lost, lost)
                .proves_nothing(),
            gets("more than announced", |r, more| Said::new(r.body(more).bytes(), Then::Keep))
                .gets(Done, Done)
                .proves_all(),
            gets("more in pieces than announced", |r, more| {
                Said::new(r.without(CRC64).body(more).chunked(), Then::Keep)
            })
            .gets(broken, broken)
            .proves_nothing(),
            row("GET, endlessly more in pieces than announced", move |_, r| {
                endless(r.clone().set("content-length", r.body.len().to_string()).without(CRC64))
            })
            .gets(broken, broken)
            .proves_nothing(),
            gets("in pieces, and of a length", |r, _| Said::new(r.chunked(), Then::Keep)).gets(Done, Done).proves_all(),
            row("GET, in pieces", |_, r| Said::new(r.chunked(), Then::Keep)).gets(broken, broken).proves_all(),
            row("GET, HTTP/1.0, no length", |_, r| Said::new([r.head("HTTP/1.0"), r.body].concat(), Then::Close))
                .gets(broken, broken)
                .proves_all(),
            row("GET, a few bytes more, packed on the way", move |_, r| {
                Said::new(r.set("content-encoding", "gzip").body(packed.clone()).bytes(), Then::Keep)
            })
            .proves_nothing(),
            row("GET, packed on the way in pieces", move |_, r| {
                Said::new(r.set("content-encoding", "gzip").body(packed_again.clone()).chunked(), Then::Keep)
            })
            .proves_nothing(),
            row("GET, the answer to a HEAD", |_, r| {
                Said::new(r.clone().set("content-length", r.body.len().to_string()).body("").bytes(), Then::Wait)
            })
            .gets(lost, lost)
            .proves_nothing(),
            Row {
                method: "GET",
                hits: &[OUT],
                ..row("GET, other bytes", |_, r| {
                    let length = r.body.len();
                    Said::new(r.body("x".repeat(length)).bytes(), Then::Keep)
                })
            }
            .wants(&[(Get, ONCE, Fails(Integrity, NotApplied)), (Get, ON, Fails(Integrity, NotApplied))]),
        ],
    );

    let mut rows = Vec::new();
    for range in [
        "bytes 1-2/-5",
        "bytes -1-2/5",
        "bytes +1-2/5",
        "bytes 1-+2/5",
        "bytes 1-2/+5",
        "bytes 1-18446744073709551616/18446744073709551617",
        "bytes 0-1/5",
        "bytes 1-2/2",
        "bytes 2-1/5",
        "bytes 1-4/5",
        "bytes 1-2/*",
        "bytes */5",
        "bytes=1-2/5",
        "1-2/5",
        "bytes 1-2/5\u{feff}",
    ] {
        let row = but(format!("GET, {range}"), move |r| r.set("content-range", range));
        rows.push(row.gets(Done, broken).proves_nothing());
    }
    rows.push(but("GET, no range", |r| r.without("content-range")).gets(Done, broken).proves_nothing());
    let whole = but("GET, 200 for a range", |r| r.status(200).body(BASE));
    rows.push(whole.gets(Done, broken).proves_nothing());
    play("ranges that are not what was asked for", rows);
}

#[test]
fn ranges_without_an_end_are_not_read_for_ever() {
    let endless = |name: &str, last: u64| {
        let lie = row(name, move |method, reply| {
            if method != "GET" {
                return Said::new(reply.bytes(), Then::Keep);
            }
            let piece = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
            let range = format!("bytes {}-{last}/{}", BASE.len(), last + 1);
            let head = reply.clone().set("content-range", range).set("transfer-encoding", "chunked").head("HTTP/1.1");
            Said::new([head, piece(&reply.body)].concat(), Then::Repeat(piece(&[b'x'; 0x8000])))
        });
        // No limit of time: it ends where enough is known, which is 64 MiB behind our bytes.
        Row { taken: TAKEN + (64 << 20), ..lie.proves_all() }
    };
    play(
        "ranges without an end",
        [
            endless("GET, as much as an object can hold", (5 << 30) - 1),
            endless("GET, more than an object can hold", u64::MAX - 1),
        ],
    );
}

// ---- between requests --------------------------------------------------------------------------------------------

#[test]
fn what_was_said_before_the_request_is_not_its_answer() {
    let again = Reply::new(200).set(POSITION, "8").set(CRC64, at("base abc").crc64.to_string());
    println!("\nunasked: between two requests");
    for (name, unasked) in [
        ("bytes", b"\r\nxx".to_vec()),
        ("half a head", b"HTTP/1.1 200 OK\r\nx-oss-".to_vec()),
        ("the last answer again", again.bytes()),
        ("a refusal", Reply::refusal(403, "AccessDenied").bytes()),
        ("a refusal of the position", Reply::refusal(409, "PositionNotEqualToLength").set(POSITION, "3").bytes()),
        ("a proxy's 408", page(408, b"")),
        ("the service's 400 for silence", Reply::refusal(400, "RequestTimeout").bytes()),
        ("a 102", b"HTTP/1.1 102 Processing\r\n\r\n".to_vec()),
    ] {
        let service = Service::with(BASE);
        let bucket = row("", |_, _| Said::new("", Then::Close)).bucket(&service);
        let end = bucket.append_object(KEY, at(BASE), "abc").unwrap();
        // After a refusal (nothing is asked about this one) the connection is looked at before it is used again. With `wire` it is not in the first
        // moments after a success: what is said unasked then is told from an answer by position and sum alone.
        bucket.seal_append_object(KEY, 0).unwrap_err();
        let before = service.calls().len();
        service.speak(&unasked);
        let end = bucket.append_object(KEY, &end, "d").unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!((service.text(), end.checkpoint()), ("base abcd".into(), Some(at("base abcd"))), "{name}");
        assert_eq!(service.calls()[before..], ["POST 8"], "{name}: it was not even asked about");
        println!("{name:<46} Ok {}", service.calls()[before..].join(" "));
        bucket.seal_append_object(KEY, 0).unwrap_err();
        service.speak(&unasked);
        assert_eq!(bucket.head_object(KEY).unwrap().checkpoint(), Some(at("base abcd")), "{name}");
    }
}
