//! *HTTPS is spoken for real*: with a server whose certificate is good everything works as without TLS, and with any
//! other nothing is sent, and the error says in plain words what is wrong with the certificate.

#![cfg(any(feature = "rustls", feature = "native-tls"))]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

#[path = "common/listener.rs"]
mod listener;
#[path = "common/tls.rs"]
mod tls;

use oss_append::{
    Auth, Body, Bucket, BucketBuilder, Checkpoint, Error, ErrorKind, Found, Outcome, Result,
    testing::{FakeOss, Fault},
};
use std::{
    io::{self, Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::mpsc,
    thread,
    time::Duration,
};
use tls::*;

const BUCKET: &str = "bucket";
const MIB: usize = 1 << 20;

/// A fake behind TLS with a good certificate.
struct Stage {
    server: TlsServer,
    oss: FakeOss,
}

impl Stage {
    fn new() -> Self {
        let oss = FakeOss::start().unwrap();
        Self { server: TlsServer::before(&oss, Shows::Good), oss }
    }

    fn builder(&self) -> BucketBuilder {
        self.server.builder(&self.oss, BUCKET).root_certs(authority_pem().as_bytes())
    }

    fn bucket(&self) -> Bucket {
        self.builder().build().unwrap()
    }
}

fn builder(endpoint: &str) -> BucketBuilder {
    let builder = Bucket::builder(Auth::new("id", "secret"), endpoint, BUCKET).region("cn-hangzhou");
    builder.backoff(Duration::ZERO, Duration::ZERO).attempts(2).root_certs(authority_pem().as_bytes())
}

/// The whole chain, as a user prints it.
fn told(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error} <- {}", source.unwrap_or_default())
}

#[track_caller]
fn says(error: &Error, kind: ErrorKind, outcome: Outcome) {
    assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{error:?}");
}

// ---- a good certificate ------------------------------------------------------------------------------------------

#[test]
fn appends_by_one_connection() {
    let Stage { server, oss } = Stage::new();
    let bucket = server.builder(&oss, BUCKET).root_certs(authority_pem().as_bytes()).build().unwrap();
    let mut end = bucket.append_object("log", 0, "begin").unwrap();
    for _ in 0..30 {
        end = bucket.append_object("log", &end, vec![b'x'; 100_000]).unwrap();
    }
    assert_eq!(bucket.head_object("log").unwrap().length, 3_000_005);
    assert_eq!((server.connections(), server.handshakes()), (1, 1));
    assert!(server.received() > 3_000_005, "the bytes came through TLS");
    assert_eq!(oss.object(BUCKET, "log").unwrap().len(), 3_000_005);
}

#[test]
fn appends_by_a_writer() {
    let stage = Stage::new();
    let mut log = stage.bucket().appender("log").buffer_capacity(256 << 10).open().unwrap();
    let text = "a line of thirty-two characters\n".repeat(50_000);
    log.write_all(text.as_bytes()).unwrap();
    assert_eq!(log.finish().unwrap(), Checkpoint::default().advance(&text));
    assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), text.as_bytes());
    assert_eq!(stage.server.handshakes(), 1);
}

#[test]
fn appends_a_file_and_goes_on_with_it() {
    let stage = Stage::new();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("https_resumable");
    std::fs::write(&path, vec![b'a'; 3 * MIB]).unwrap();
    let first = stage.bucket().resumable_append("log", &path);
    std::fs::write(&path, vec![b'a'; 5 * MIB]).unwrap();
    let second = stage.bucket().resumable_append("log", &path);
    std::fs::remove_file(&path).unwrap();
    first.unwrap();
    second.unwrap();
    assert!(stage.oss.object(BUCKET, "log").unwrap() == vec![b'a'; 5 * MIB]);
}

#[test]
fn reads_what_it_appended() {
    let stage = Stage::new();
    let data: Vec<u8> = (0..3 * MIB).map(|n| (n % 251) as u8).collect();
    stage.bucket().append_object("log", 0, &data).unwrap();
    let mut read = Vec::new();
    stage.bucket().get_object("log").unwrap().read_to_end(&mut read).unwrap();
    assert!(read == data);
}

#[test]
fn a_lost_answer_is_settled() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer.and(Fault::Reset), Fault::ApplyLate] {
        let stage = Stage::new();
        let bucket = stage.bucket();
        let first = bucket.append_object("log", 0, "one").unwrap();
        stage.oss.inject(fault.clone());
        let second = bucket.append_object("log", &first, "two").unwrap();
        assert_eq!(second.next_position, 6);
        stage.oss.land();
        assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), b"onetwo", "{fault:?}");
    }
}

#[test]
fn a_connection_that_went_stale_neither_loses_nor_doubles() {
    for fault in [Fault::CloseAfter, Fault::Unasked] {
        let stage = Stage::new();
        let bucket = stage.bucket();
        let (mut end, mut expected) = (bucket.append_object("log", 0, "").unwrap(), Vec::new());
        for n in 0..20 {
            let line = format!("{n}\n");
            stage.oss.inject(fault.clone());
            end = bucket.append_object("log", &end, &line).unwrap();
            expected.extend_from_slice(line.as_bytes());
        }
        assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), expected, "{fault:?}");
    }
}

#[test]
fn many_threads_share_a_bucket() {
    let stage = Stage::new();
    let bucket = stage.bucket();
    thread::scope(|scope| {
        for n in 0..4 {
            let bucket = bucket.clone();
            scope.spawn(move || {
                let mut log = bucket.appender(&format!("log-{n}")).open().unwrap();
                for _ in 0..5 {
                    log.write_all(b"a line\n").unwrap();
                    log.flush().unwrap();
                }
                log.finish().unwrap();
            });
        }
    });
    assert!((0..4).all(|n| stage.oss.object(BUCKET, &format!("log-{n}")).unwrap() == b"a line\n".repeat(5)));
    assert!(stage.server.handshakes() <= 4);
}

#[test]
fn a_name_works_as_an_address_does() {
    let stage = Stage::new();
    let port = stage.server.address().port();
    let auth = Auth::new(stage.oss.access_key_id(), stage.oss.access_key_secret());
    let builder = Bucket::builder(auth, &format!("https://localhost:{port}"), BUCKET).region(stage.oss.region());
    stage.oss.create_bucket(BUCKET);
    let bucket = builder.root_certs(authority_pem().as_bytes()).build().unwrap();
    bucket.append_object("log", 0, "text").unwrap();
}

// ---- a refusal in the middle of a large body ---------------------------------------------------------------------

/// 64 MiB: more than every buffer on the way holds.
fn large() -> Vec<u8> {
    vec![b'x'; 64 * MIB]
}

#[test]
fn an_early_refusal_of_a_large_body_is_told_as_that_refusal() {
    let stage = Stage::new();
    let bucket = stage.bucket();
    (0..8).for_each(|_| stage.oss.inject(Fault::RefuseEarly));
    let error = bucket.append_object("log", 0, large()).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::NotApplied);
    assert_eq!((error.code(), error.status()), (Some("AccessDenied"), Some(403)));
    assert_eq!(stage.oss.object(BUCKET, "log"), None);
    assert!(stage.server.received() < 8 * 64 * MIB as u64, "not all of it was sent each time");
}

#[test]
fn an_early_conflict_of_a_large_body_is_told_as_that_conflict() {
    let stage = Stage::new();
    let bucket = stage.bucket();
    bucket.append_object("log", 0, "base").unwrap();
    stage.oss.inject(Fault::RefuseEarlyWith(409, "PositionNotEqualToLength"));
    let error = bucket.append_object("log", Checkpoint::default().advance("bas"), large()).unwrap_err();
    says(&error, ErrorKind::Conflict(Found::Longer), Outcome::NotApplied);
    assert_eq!(error.next_position(), Some(4));
    assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), b"base");
}

#[test]
fn an_early_refusal_of_a_body_that_can_be_read_once_is_told_too() {
    let stage = Stage::new();
    let bucket = stage.bucket();
    stage.oss.forbid("POST");
    stage.oss.inject(Fault::RefuseEarly);
    let body = Body::from_reader(io::repeat(b'x').take(64 * MIB as u64));
    let error = bucket.append_object("log", 0, body).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::NotApplied);
    assert_eq!(error.code(), Some("AccessDenied"));
}

#[test]
fn an_untrue_success_before_the_body_was_out_is_not_believed() {
    let stage = Stage::new();
    stage.oss.inject(Fault::AcceptEarly);
    let data = large();
    let end = stage.bucket().append_object("log", 0, &data).unwrap();
    assert_eq!(end.checkpoint(), Some(Checkpoint::default().advance(&data)));
    assert!(stage.oss.object(BUCKET, "log").unwrap() == data);
}

// ---- an answer that is cut ---------------------------------------------------------------------------------------

#[test]
fn an_answer_cut_with_or_without_a_goodbye_is_no_answer() {
    for goodbye in [true, false] {
        for cut in [0, 1, 20, 100] {
            let stage = Stage::new();
            if !goodbye {
                stage.server.leaves_without_goodbye();
            }
            let bucket = stage.bucket();
            stage.oss.inject(Fault::CutAnswer(cut));
            let end = bucket.append_object("log", 0, "once").unwrap();
            assert_eq!(end.next_position, 4);
            assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), b"once");
            // It was asked about, for the answer was none.
            assert!(stage.oss.requests().iter().any(|request| request.method == "HEAD"), "{goodbye} {cut}");
        }
    }
}

#[test]
fn a_read_that_is_cut_without_a_goodbye_is_an_error_and_no_shorter_object() {
    let stage = Stage::new();
    stage.bucket().append_object("log", 0, "x".repeat(1000)).unwrap();
    stage.server.leaves_without_goodbye();
    stage.oss.inject_on("GET", Fault::CutAnswer(900));
    let mut read = Vec::new();
    let reader = stage.bucket().get_object("log");
    let error = reader.unwrap().read_to_end(&mut read).unwrap_err();
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Transport), "{error}");
    assert!(!read.is_empty() && read.len() < 1000);
}

// ---- a bad certificate -------------------------------------------------------------------------------------------

const BAD: [(Shows, &str); 5] = [
    (Shows::WrongHost, "for another host"),
    (Shows::Expired, "has expired"),
    (Shows::NotYetValid, "not valid yet"),
    (Shows::UnknownIssuer, "signed by nobody who is trusted here"),
    (Shows::SelfSigned, "signed by nobody who is trusted here"),
];

#[test]
fn nothing_is_sent_to_a_server_with_a_bad_certificate_and_the_error_says_what_is_wrong_with_it() {
    for (shows, words) in BAD {
        let oss = FakeOss::start().unwrap();
        let server = TlsServer::before(&oss, shows);
        let bucket = server.builder(&oss, BUCKET).root_certs(authority_pem().as_bytes()).build().unwrap();
        let error = bucket.append_object("log", 0, "once").unwrap_err();
        says(&error, ErrorKind::Transport, Outcome::NotApplied);
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(&server.address().to_string()), "{shows:?}: {text}");
        assert!(!error.is_transient(), "waiting does not mend a certificate");
        assert!(server.connections() > 0, "it was tried");
        assert_eq!((server.received(), oss.requests()), (0, vec![]), "{shows:?}");
    }
}

#[test]
fn every_call_says_what_is_wrong_with_the_certificate() {
    for (shows, words) in BAD {
        let oss = FakeOss::start().unwrap();
        let server = TlsServer::before(&oss, shows);
        let bucket = server.builder(&oss, BUCKET).root_certs(authority_pem().as_bytes()).build().unwrap();
        let errors = [
            bucket.head_object("log").unwrap_err(),
            bucket.get_object("log").unwrap_err(),
            bucket.delete_object("log").unwrap_err(),
            bucket.seal_append_object("log", 0).unwrap_err(),
            bucket.appender("log").open().unwrap_err(),
        ];
        for error in errors {
            assert!(error.kind() == ErrorKind::Transport && error.to_string().contains(words), "{shows:?}: {error}");
        }
        let mut log = bucket.appender("log").create_new().unwrap();
        log.write_all(b"text").unwrap();
        let error = log.flush().unwrap_err();
        assert!(error.to_string().contains(words), "{shows:?}: {error}");
        assert_eq!((log.pending(), log.in_doubt()), (&b"text"[..], None));
        drop(log);
        assert_eq!(oss.requests(), []);
    }
}

/// rustls says so; of OpenSSL's errors none proves that no request was sent before.
#[test]
#[cfg(feature = "rustls")]
fn an_empty_append_to_a_server_with_a_bad_certificate_is_not_applied_either() {
    for (shows, _) in BAD {
        let oss = FakeOss::start().unwrap();
        let server = TlsServer::before(&oss, shows);
        let bucket = server.builder(&oss, BUCKET).root_certs(authority_pem().as_bytes()).build().unwrap();
        says(&bucket.append_object("log", 0, "").unwrap_err(), ErrorKind::Transport, Outcome::NotApplied);
    }
}

#[test]
fn the_built_in_roots_do_not_trust_the_tests_authority() {
    let oss = FakeOss::start().unwrap();
    let server = TlsServer::before(&oss, Shows::Good);
    let error = server.builder(&oss, BUCKET).build().unwrap().append_object("log", 0, "once").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    assert!(error.to_string().contains("root_certs adds"), "{error}");
    assert_eq!((server.received(), oss.requests()), (0, vec![]));
}

// ---- whom to trust -----------------------------------------------------------------------------------------------

/// An append to a server that shows this, trusting that.
fn trusting(roots: &[u8], shows: Shows) -> Result<()> {
    let oss = FakeOss::start().unwrap();
    let server = TlsServer::before(&oss, shows);
    server.builder(&oss, BUCKET).root_certs(roots).build()?.append_object("log", 0, "once").map(drop)
}

#[test]
fn root_certs_takes_pem_of_one_or_several_and_der() {
    let (ours, theirs) = (authority_pem(), strangers_pem());
    trusting(&authority_der(), Shows::Good).unwrap();
    for pem in [format!("{theirs}{ours}"), format!("# a comment\n{ours}\n# another\n{theirs}")] {
        trusting(pem.as_bytes(), Shows::Good).unwrap();
        trusting(pem.as_bytes(), Shows::UnknownIssuer).unwrap();
    }
    trusting(ours.replace('\n', "\r\n").as_bytes(), Shows::Good).unwrap();
    // A key beside the certificate is passed over.
    trusting(format!("{}{ours}", key_pem()).as_bytes(), Shows::Good).unwrap();
    trusting(&self_signed_der(), Shows::SelfSigned).unwrap();
    // Trust in one does not help the other.
    trusting(theirs.as_bytes(), Shows::Good).unwrap_err();
    trusting(&self_signed_der(), Shows::Good).unwrap_err();
}

#[test]
fn root_certs_that_are_none_are_named_by_build() {
    let (pem, der) = (authority_pem(), authority_der());
    let cut_pem = &pem.as_bytes()[..pem.len() / 2];
    let not_base64 = pem.replace('M', "!");
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let longer = [&der[..], &[0]].concat();
    let csr = pem.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    let second_is_none = format!("{pem}{no_certificate}");
    let wrong: &[(&[u8], &str)] = &[
        (b"", "neither PEM"),
        (b"hello", "neither PEM"),
        (&der[..der.len() - 1], "neither PEM"),
        (&longer, "neither PEM"),
        (&[0x30, 0x00], "neither PEM"),
        (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], "neither PEM"),
        (cut_pem, "the PEM is damaged"),
        (not_base64.as_bytes(), "the PEM is damaged"),
        (no_certificate.as_bytes(), "certificate 1 is damaged"),
        (second_is_none.as_bytes(), "certificate 2 is damaged"),
        (csr.as_bytes(), "no certificate in it"),
        (b"-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n", "no certificate in it"),
    ];
    for (roots, words) in wrong {
        // Whatever the endpoint speaks.
        for endpoint in ["https://oss-cn-hangzhou.aliyuncs.com", "http://oss-cn-hangzhou.aliyuncs.com"] {
            let error = builder(endpoint).root_certs(roots).build().unwrap_err();
            says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
            assert!(error.to_string().contains("root_certs") && error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn root_certs_that_are_a_private_key_are_refused_and_not_shown() {
    let key = key_pem();
    let error = builder("https://oss-cn-hangzhou.aliyuncs.com").root_certs(key.as_bytes()).build().unwrap_err();
    says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
    let text = told(&error);
    assert!(text.contains("only a private key"), "{text}");
    assert!(!text.contains(key.lines().nth(1).unwrap()));
}

#[test]
fn large_bodies_keep_their_connection() {
    let stage = Stage::new();
    let (bucket, mut end) = (stage.bucket(), Checkpoint::default());
    for length in [MIB, 700 << 10, 3 * MIB, MIB + 1, 513 << 10, 1] {
        end = bucket.append_object("log", end, vec![b'x'; length]).unwrap().checkpoint().unwrap();
    }
    assert_eq!((stage.server.connections(), stage.server.handshakes()), (1, 1));
}

// ---- connections that are not as they should be ------------------------------------------------------------------

/// The head of a request; nothing at the connection's end.
fn head(tls: &mut Tls) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Bytes, the last piece of which comes only when it is let.
struct Waits {
    left: usize,
    last: mpsc::Receiver<()>,
}

impl Read for Waits {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = buffer.len().min(self.left);
        self.left -= read;
        if read > 0 && self.left == 0 {
            self.last.recv().map_err(io::Error::other)?;
        }
        buffer[..read].fill(b'x');
        Ok(read)
    }
}

#[test]
fn a_success_that_came_before_the_last_bytes_had_left_is_not_believed() {
    // The end waits when the answer is seen, or nothing looks for an answer before it leaves.
    for length in [MIB, 700 << 10] {
        not_believed(length);
    }
}

fn not_believed(length: usize) {
    let (answered, last) = mpsc::channel();
    let server = TlsServer::script(move |tls| {
        let Some(head) = head(tls) else { return };
        if head.starts_with("HEAD") {
            let _ = tls.write_all(b"HTTP/1.1 404 Not Found\r\nx-oss-request-id: id\r\nx-oss-ec: 0026-00000001\r\n\r\n");
            return;
        }
        tls.read_exact(&mut [0; 1000]).unwrap();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nx-oss-request-id: id\r\nx-oss-next-append-position: {length}\r\n\
             content-length: 0\r\n\r\n"
        );
        tls.write_all(answer.as_bytes()).unwrap();
        tls.flush().unwrap();
        let _ = answered.send(());
        let _ = io::copy(tls, &mut io::sink());
    });
    let bucket = builder(&server.endpoint()).root_certs(authority_pem().as_bytes()).build().unwrap();
    let body = Body::sized(Waits { left: length, last }, length as u64);
    let error = bucket.append_object("log", 0, body).unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied, "{}", told(&error));
}

#[test]
fn what_came_unasked_behind_an_answer_is_no_answer_to_the_next_request() {
    for length in [500, 4000, 4096, 8192, 12_000] {
        let server = TlsServer::script(move |tls| {
            while let Some(head) = head(tls) {
                if head.starts_with("HEAD") {
                    let answer = "HTTP/1.1 404 Not Found\r\nx-oss-request-id: id\r\nx-oss-ec: 0026-00000001\r\nx-pad: ";
                    let pad = "p".repeat(length - answer.len());
                    let stray = "HTTP/1.1 403 Forbidden\r\nx-oss-request-id: id\r\ncontent-length: 0\r\n\r\n";
                    tls.conn.writer().write_all(format!("{answer}{pad}\r\n\r\n").as_bytes()).unwrap();
                    tls.conn.writer().write_all(stray.as_bytes()).unwrap();
                    while tls.conn.wants_write() {
                        let _ = tls.conn.write_tls(&mut tls.sock).unwrap();
                    }
                } else {
                    tls.read_exact(&mut [0; 4]).unwrap();
                    let answer = "HTTP/1.1 200 OK\r\nx-oss-request-id: id\r\nx-oss-next-append-position: 4\r\n\
                                  content-length: 0\r\n\r\n";
                    tls.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        let bucket = builder(&server.endpoint()).root_certs(authority_pem().as_bytes()).build().unwrap();
        assert!(!bucket.object_exists("log").unwrap());
        let appended = bucket.append_object("log", 0, "text");
        assert_eq!(appended.unwrap().next_position, 4, "behind an answer of {length} bytes");
        assert_eq!(server.connections(), 2);
    }
}

// ---- no TLS there ------------------------------------------------------------------------------------------------

/// A server that says this to whoever comes, `count` times, without listening to them first.
fn talk(count: usize, text: &'static [u8]) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        for _ in 0..count {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(text);
            // Until the client has gone, or a reset would take the text away from it.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = io::copy(&mut stream, &mut io::sink());
        }
    });
    (port, thread)
}

#[test]
fn junk_instead_of_tls_is_told_and_nothing_was_sent() {
    for junk in [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b"220 mail.example.com ESMTP\r\n", &[0; 64]] {
        let (port, server) = talk(2, junk);
        let bucket = builder(&format!("https://127.0.0.1:{port}")).build().unwrap();
        let error = bucket.append_object("log", 0, "once").unwrap_err();
        says(&error, ErrorKind::Transport, Outcome::NotApplied);
        assert!(error.to_string().contains("does not speak TLS"), "{}", told(&error));
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_hangs_up_on_the_handshake_got_nothing() {
    let (port, server) = talk(2, b"");
    let bucket = builder(&format!("https://127.0.0.1:{port}")).build().unwrap();
    let error = bucket.append_object("log", 0, "once").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    assert!(error.is_transient(), "it may be restarting");
    server.join().unwrap();
}

#[test]
fn an_https_endpoint_that_speaks_plain_http_is_told() {
    let (port, server) = talk(2, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let bucket = builder(&format!("https://127.0.0.1:{port}")).build().unwrap();
    let error = bucket.append_object("log", 0, "once").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    assert!(error.to_string().contains("what answers there does not speak TLS"), "{}", told(&error));
    server.join().unwrap();
}

#[test]
fn an_http_endpoint_that_speaks_tls_is_told() {
    let stage = Stage::new();
    let endpoint = stage.server.endpoint().replace("https://", "http://");
    let error = builder(&endpoint).build().unwrap().append_object("log", 0, "once").unwrap_err();
    // The request did go out: whoever took it said nothing that proves what became of it.
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert!(told(&error).contains("no HTTP/1.1 came back") && told(&error).contains("https?"), "{}", told(&error));
    assert_eq!(stage.oss.requests(), []);
}
