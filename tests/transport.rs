//! *The HTTP client's own habits cannot hurt*: bodies that end early, early answers, redirects, silence, proxies,
//! odd settings, hostile documents, connections that went stale.
//!
//! Two of them are excluded by construction and have no test here: without a total limit no thread is made for name
//! resolution (none is set unless `request_timeout` is), and an `Expect` header cannot be set (it is reserved).

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Auth, Body, Bucket, BucketBuilder, Checkpoint, ErrorKind, Found, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    error::Error,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

const BUCKET: &str = "bucket";

fn builder(endpoint: &str) -> BucketBuilder {
    let builder = Bucket::builder(Auth::new("id", "secret"), endpoint, BUCKET).region("cn-hangzhou");
    builder.backoff(Duration::ZERO, Duration::ZERO).attempts(2)
}

/// A server that does what it is told with each connection, `count` of them.
fn serve(count: usize, each: impl Fn(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || (0..count).for_each(|_| each(listener.accept().unwrap().0)));
    (endpoint, thread)
}

/// A request, head and body. Empty if the connection ended.
fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return Vec::new(),
        }
    }
    let head = String::from_utf8(request.clone()).unwrap().to_ascii_lowercase();
    let length =
        head.split_once("content-length: ").map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    request.extend(body);
    request
}

/// More than the socket buffers of both ends hold.
fn large() -> Vec<u8> {
    vec![b'x'; 24 << 20]
}

// ---- 1: bodies that end early ------------------------------------------------------------------------------------

#[test]
fn a_body_that_ends_early_ends_the_request_and_nothing_is_applied() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    for declared in [4, 200_000] {
        let error = bucket.append_object("log", 0, Body::sized(&b"abc"[..], declared)).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied));
    }
    assert_eq!(oss.object(BUCKET, "log"), None);
    bucket.append_object("log", 0, "abc").unwrap();
}

#[test]
fn a_file_that_shrinks_meanwhile_ends_the_request_too() {
    let oss = FakeOss::start().unwrap();
    let path = std::env::temp_dir().join(format!("oss-append-shrinks-{}", std::process::id()));
    std::fs::write(&path, vec![b'x'; 300_000]).unwrap();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let body = Body::from(&file);
    file.set_len(200_000).unwrap();
    let error = oss.bucket(BUCKET).append_object("log", 0, body).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied));
    assert_eq!(oss.object(BUCKET, "log"), None);
}

// ---- 2: early answers --------------------------------------------------------------------------------------------

#[test]
fn an_early_refusal_of_a_large_body_is_told_as_that_refusal() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    (0..8).for_each(|_| oss.inject(Fault::RefuseEarly));
    let error = bucket.append_object("log", 0, large()).unwrap_err();
    assert_eq!(error.code(), Some("AccessDenied"), "{error}");
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_eq!(oss.object(BUCKET, "log"), None);
}

#[test]
fn an_untrue_success_before_the_body_was_out_is_not_believed() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    oss.inject(Fault::AcceptEarly);
    let data = large();
    let end = bucket.append_object("log", 0, &data).unwrap();
    assert_eq!(end.checkpoint(), Some(Checkpoint::default().advance(&data)));
    assert!(oss.object(BUCKET, "log").unwrap() == data);
}

// ---- 3: redirects ------------------------------------------------------------------------------------------------

#[test]
fn redirects_are_not_followed_and_are_no_success() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let target = elsewhere.local_addr().unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        // One attempt; each ask is tried once.
        let (endpoint, server) = serve(2, move |mut stream| {
            read_request(&mut stream);
            let answer = format!(
                "HTTP/1.1 {status} Moved\r\nLocation: http://{target}/bucket/log\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let bucket = builder(&endpoint).attempts(1).build().unwrap();
        let error = bucket.append_object("log", 0, "once").unwrap_err();
        assert_eq!((error.outcome(), error.status()), (Outcome::Unknown, Some(status)), "{error}");
        server.join().unwrap();
        // Nobody came, so no credentials did.
        assert_eq!(elsewhere.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

// ---- 4: Expect ---------------------------------------------------------------------------------------------------

#[test]
fn no_expect_is_sent_and_none_can_be() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    bucket.append_object("log", 0, vec![0; 5 << 20]).unwrap();
    bucket.append_object("log-2", 0, Body::from_reader(&b"piped"[..])).unwrap();
    assert!(oss.requests().iter().all(|request| request.header("expect").is_none()));
    let options = oss_append::AppendOptions::new().header("Expect", "100-continue");
    let error = bucket.append_object_with("log-3", 0, "x", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

// ---- 6: silence --------------------------------------------------------------------------------------------------

#[test]
fn a_server_that_never_answers_ends_in_a_transport_error() {
    // The attempt, then the ask. Held until the client has gone.
    let (endpoint, server) = serve(2, |mut stream| {
        read_request(&mut stream);
        let _ = stream.read(&mut [0]);
    });
    let bucket = builder(&endpoint).attempts(1).idle_timeout(Duration::from_millis(50)).build().unwrap();
    let error = bucket.append_object("log", 0, "once").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::Unknown));
    assert!(error.is_transient());
    drop(bucket);
    server.join().unwrap();
}

#[test]
fn a_server_that_stops_reading_ends_in_a_transport_error() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap(); // the system takes the connections, nobody reads
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let bucket = builder(&endpoint).attempts(1).idle_timeout(Duration::from_millis(50)).build().unwrap();
    let error = bucket.append_object("log", 0, large()).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::NotApplied), "{error}");
}

// ---- 7: odd settings ---------------------------------------------------------------------------------------------

#[test]
fn endless_limits_do_not_panic() {
    let oss = FakeOss::start().unwrap();
    let builder = oss.builder(BUCKET).connect_timeout(Duration::MAX).idle_timeout(Duration::MAX);
    let bucket = builder.request_timeout(Duration::MAX).build().unwrap();
    bucket.append_object("log", 0, "text").unwrap();
    bucket.head_object("log").unwrap();
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_sent() {
    let oss = FakeOss::start().unwrap();
    let wrong = [
        oss.builder(BUCKET).connect_timeout(Duration::ZERO),
        oss.builder(BUCKET).idle_timeout(Duration::ZERO),
        oss.builder(BUCKET).request_timeout(Duration::ZERO),
        oss.builder(BUCKET).user_agent("two\r\nlines"),
        oss.builder(BUCKET).user_agent(""),
        oss.builder(BUCKET).proxy("ftp://127.0.0.1:1"),
    ];
    for builder in wrong {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(oss.requests(), []);
}

// ---- 8: nobody there ---------------------------------------------------------------------------------------------

#[test]
fn a_refused_connection_is_not_applied_and_transient() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    oss.go_away();
    for body in ["", "text"] {
        let error = bucket.append_object("log", 0, body).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::NotApplied), "{error}");
        assert!(error.is_transient());
    }
}

#[test]
fn a_server_that_speaks_tls_is_told_by_its_first_bytes() {
    let (endpoint, served) = serve(1, |mut stream| {
        read_request(&mut stream);
        stream.write_all(b"\x15\x03\x03\x00\x02\x02\x46").unwrap(); // an alert: "protocol version"
    });
    let error = builder(&endpoint).attempts(1).build().unwrap().append_object("log", 0, "text").unwrap_err();
    let told = format!("{error}: {}", error.source().unwrap());
    assert!(told.contains("does the endpoint want https?"), "{told}");
    served.join().unwrap();
}

#[test]
fn a_host_that_is_not_known_is_not_applied_and_transient() {
    // RFC 6761: this name never resolves.
    let bucket = builder("http://oss.invalid").attempts(1).build().unwrap();
    let error = bucket.append_object("log", 0, "text").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::NotApplied), "{error}");
    assert!(error.is_transient());
}

#[test]
fn a_conflict_whose_document_was_lost_is_asked_about() {
    let end = Checkpoint::default().advance("basetext");
    let (code, next) = ("x-oss-ec: 0026-00000016\r\n", "x-oss-next-append-position: 8\r\n");
    for (code, next, document) in [(code, next, ""), (code, next, "<?xml version=\"1.0\"?><Er"), ("", next, "")] {
        // Somebody on the way sent the request twice: this is the second copy's answer, and the first is in.
        let (endpoint, served) = serve(2, move |mut stream| {
            let head = String::from_utf8(read_request(&mut stream)).unwrap();
            let id = "x-oss-request-id: id\r\nconnection: close\r\n";
            let answer = match head.starts_with("HEAD") {
                true => format!(
                    "HTTP/1.1 200 OK\r\n{id}x-oss-next-append-position: 8\r\ncontent-length: 8\r\nx-oss-object-type: Appendable\r\n\
                     x-oss-hash-crc64ecma: {}\r\n\r\n",
                    end.crc64
                ),
                false => format!("HTTP/1.1 409 Conflict\r\n{id}{code}{next}\r\n{document}"),
            };
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let bucket = builder(&endpoint).build().unwrap();
        let error = bucket.append_object("log", Checkpoint::default().advance("base"), "text").unwrap_err();
        // The same bytes are there; that they are ours cannot be told.
        let said = (error.kind(), error.outcome(), error.next_position());
        assert_eq!(said, (ErrorKind::Conflict(Found::Longer), Outcome::Unknown, Some(8)), "{code}{next}{document}");
        served.join().unwrap();
    }
}

// ---- 9: proxies --------------------------------------------------------------------------------------------------

const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The environment is the process's, so another process appends.
fn child(oss: &FakeOss, name: &str, proxy: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--ignored"]).envs(oss.env(BUCKET)).env_remove("NO_PROXY").env_remove("no_proxy");
    child.envs(PROXIES.map(|variable| (variable, proxy)));
    child.output().unwrap().status.success()
}

#[test]
#[ignore = "run by another test, in an environment of its own"]
fn a_child_appends() {
    Bucket::from_env().unwrap().append_object("log", 0, "text").unwrap();
}

#[test]
fn a_proxy_in_the_environment_is_ignored() {
    let oss = FakeOss::start().unwrap();
    let dead = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    assert!(child(&oss, "a_child_appends", &format!("http://{dead}")));
    assert_eq!(oss.object(BUCKET, "log").unwrap(), b"text");
    assert!(oss.requests().iter().all(|request| request.method != "CONNECT"));
}

#[test]
fn a_proxy_that_was_asked_for_is_used() {
    let oss = FakeOss::start().unwrap();
    oss.add_domain("log.example.com", BUCKET);
    let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
    let builder = Bucket::builder(auth, "http://log.example.com", BUCKET).region(oss.region());
    let builder = builder.addressing(oss_append::Addressing::Cname).backoff(Duration::ZERO, Duration::ZERO);
    let bucket = builder.proxy(&oss.endpoint()).build().unwrap();
    let first = bucket.append_object("log", 0, "one").unwrap();
    bucket.append_object("log", &first, "two").unwrap();
    assert_eq!(oss.object(BUCKET, "log").unwrap(), b"onetwo");
    let seen: Vec<_> = oss.requests().into_iter().map(|r| (r.method, r.target, r.connection)).collect();
    let connection = seen[0].2;
    let expected =
        [("CONNECT", "log.example.com:80"), ("POST", "/log?append&position=0"), ("POST", "/log?append&position=3")];
    assert_eq!(seen, expected.map(|(method, target)| (method.to_owned(), target.to_owned(), connection)));
}

// ---- 10: hostile documents ---------------------------------------------------------------------------------------

#[test]
fn a_deeply_nested_error_document_does_no_harm() {
    for request_id in ["", "x-oss-request-id: 5C\r\n"] {
        let body = "<a>".repeat(21_000);
        let (endpoint, server) = serve(1, move |mut stream| {
            read_request(&mut stream);
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\n{request_id}Content-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let bucket = builder(&endpoint).attempts(1).build().unwrap();
        // A bare number: nothing is asked afterwards.
        let error = bucket.append_object("log", 5, "text").unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(400), None), "{error}");
        server.join().unwrap();
    }
}

#[test]
fn an_endless_error_document_is_not_read_for_ever() {
    let (endpoint, server) = serve(1, |mut stream| {
        read_request(&mut stream);
        let head = "HTTP/1.1 500 Broken\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let bucket = builder(&endpoint).attempts(1).build().unwrap();
    let error = bucket.append_object("log", 5, "text").unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    server.join().unwrap();
}

// ---- stale connections -------------------------------------------------------------------------------------------

#[test]
fn connections_that_went_stale_neither_lose_nor_double() {
    for fault in [Fault::CloseAfter, Fault::Unasked] {
        let oss = FakeOss::start().unwrap();
        let bucket = oss.bucket(BUCKET);
        let mut end = bucket.append_object("log", 0, "").unwrap();
        let mut app = bucket.appender("lines").open().unwrap();
        let mut expected = Vec::new();
        for n in 0..60 {
            let line = format!("{n}\n");
            oss.inject(fault.clone());
            end = bucket.append_object("log", &end, &line).unwrap();
            oss.inject(fault.clone());
            app.write_all(line.as_bytes()).unwrap();
            app.flush().unwrap();
            expected.extend_from_slice(line.as_bytes());
        }
        app.finish().unwrap();
        assert_eq!(oss.object(BUCKET, "log").unwrap(), expected, "{fault:?}");
        assert_eq!(oss.object(BUCKET, "lines").unwrap(), expected, "{fault:?}");
    }
}
