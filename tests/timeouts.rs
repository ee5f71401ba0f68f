//! *Every wait has its limit*, and what a limit ended is told like any other loss: not applied where nothing was sent,
//! in doubt where everything was. And the user agent.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Auth, Bucket, BucketBuilder, Error, ErrorKind, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

const BUCKET: &str = "bucket";
const SHORT: Duration = Duration::from_millis(100);
/// Longer than any test may take: what ends was not ended by this.
const LONG: Duration = Duration::from_secs(3600);

fn builder(endpoint: &str) -> BucketBuilder {
    let builder = Bucket::builder(Auth::new("id", "secret"), endpoint, BUCKET).region("cn-hangzhou");
    builder.backoff(Duration::ZERO, Duration::ZERO).attempts(1).connect_timeout(LONG).idle_timeout(LONG)
}

/// A server that does what it is told with each connection, `count` of them.
fn serve(count: usize, each: impl Fn(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || (0..count).for_each(|_| each(listener.accept().unwrap().0)));
    (endpoint, thread)
}

/// Until the client has gone.
fn hold(mut stream: TcpStream) {
    let _ = io::copy(&mut stream, &mut io::sink());
}

/// One byte of the answer after the other, for ever, none of them late.
fn drip(mut stream: TcpStream, head: &str) {
    let (_never, clock) = mpsc::channel::<()>();
    let _ = stream.read(&mut [0; 4096]);
    let bytes = head.bytes().chain(std::iter::repeat(b'x'));
    for byte in bytes {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        let _ = clock.recv_timeout(Duration::from_millis(10));
    }
}

#[track_caller]
fn ended(error: &Error, outcome: Outcome, limit: &str) {
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, outcome), "{error:?}");
    assert!(error.is_transient(), "waiting may help");
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
    assert_eq!(source.kind(), io::ErrorKind::TimedOut, "{source}");
    assert!(source.to_string().contains(limit), "{source}");
    assert_eq!(io::Error::from(error.clone()).kind(), io::ErrorKind::TimedOut);
}

// ---- connect_timeout ---------------------------------------------------------------------------------------------

/// The system takes the connection, and nobody ever says a word of TLS.
#[test]
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn connect_timeout_ends_a_handshake_that_does_not_go_on() {
    let (endpoint, server) = serve(1, hold);
    let bucket = builder(&endpoint.replace("http:", "https:")).connect_timeout(SHORT).build().unwrap();
    let error = bucket.append_object("log", 0, "once").unwrap_err();
    ended(&error, Outcome::NotApplied, "connect_timeout");
    server.join().unwrap();
}

/// A full queue of connections that nobody takes: the system answers no further one.
#[test]
#[cfg(target_os = "linux")]
fn connect_timeout_ends_a_connection_that_is_not_taken() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    // As many as the queue takes, which is not for us to say: until one has to wait.
    let queue: Vec<_> = std::iter::from_fn(|| TcpStream::connect_timeout(&address, SHORT).ok()).collect();
    let bucket = builder(&format!("http://{address}")).connect_timeout(SHORT).build().unwrap();
    for body in ["once", ""] {
        ended(&bucket.append_object("log", 0, body).unwrap_err(), Outcome::NotApplied, "connect_timeout");
    }
    ended(&bucket.head_object("log").unwrap_err(), Outcome::NotApplied, "connect_timeout");
    drop((queue, listener));
}

// ---- idle_timeout ------------------------------------------------------------------------------------------------

#[test]
fn idle_timeout_ends_the_wait_for_an_answer_and_leaves_the_bytes_in_doubt() {
    let (endpoint, server) = serve(2, hold); // the attempt, then the question
    let bucket = builder(&endpoint).idle_timeout(SHORT).build().unwrap();
    ended(&bucket.append_object("log", 0, "once").unwrap_err(), Outcome::Unknown, "idle_timeout");
    drop(bucket);
    server.join().unwrap();
}

#[test]
fn idle_timeout_ends_a_read_that_does_not_go_on() {
    let oss = FakeOss::start().unwrap();
    oss.bucket(BUCKET).append_object("log", 0, "text").unwrap();
    oss.inject_on("GET", Fault::Stall(LONG));
    let bucket = oss.builder(BUCKET).attempts(1).idle_timeout(SHORT).build().unwrap();
    ended(&bucket.get_object("log").unwrap_err(), Outcome::NotApplied, "idle_timeout");
}

#[test]
fn idle_timeout_does_not_end_an_answer_that_keeps_coming() {
    // Slower in all than the limit, and never idle that long.
    let limit = Duration::from_secs(2);
    let (endpoint, server) = serve(1, |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let (_never, clock) = mpsc::channel::<()>();
        let head = "HTTP/1.1 404 Not Found\r\nx-oss-request-id: 5C\r\nContent-Length: 0\r\n\r\n";
        for piece in head.as_bytes().chunks(16) {
            stream.write_all(piece).unwrap();
            let _ = clock.recv_timeout(Duration::from_millis(500));
        }
    });
    let bucket = builder(&endpoint).idle_timeout(limit).build().unwrap();
    assert_eq!(bucket.head_object("log").unwrap_err().status(), Some(404));
    server.join().unwrap();
}

// ---- request_timeout ---------------------------------------------------------------------------------------------

#[test]
fn request_timeout_ends_an_answer_that_drips() {
    for head in ["HTTP/1.1 200 OK\r\nX-Long: ", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"] {
        let (endpoint, server) = serve(2, move |stream| drip(stream, head));
        let bucket = builder(&endpoint).request_timeout(Duration::from_millis(900)).build().unwrap();
        ended(&bucket.append_object("log", 0, "once").unwrap_err(), Outcome::Unknown, "request_timeout");
        drop(bucket); // whose connections the server would feed for ever
        server.join().unwrap();
    }
}

#[test]
fn request_timeout_ends_a_body_that_is_not_taken_and_nothing_is_applied() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap(); // the system takes the connections, nobody reads
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let bucket = builder(&endpoint).request_timeout(Duration::from_millis(300)).build().unwrap();
    let error = bucket.append_object("log", 0, vec![b'x'; 24 << 20]).unwrap_err();
    ended(&error, Outcome::NotApplied, "request_timeout");
}

#[test]
fn request_timeout_ends_the_wait_for_an_answer() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.builder(BUCKET).attempts(1).idle_timeout(LONG).request_timeout(SHORT).build().unwrap();
    bucket.append_object("log", 0, "one").unwrap();
    oss.inject(Fault::Stall(LONG));
    // The bytes are in, and the question that follows says so: that one has a limit of its own.
    bucket.append_object("log", oss_append::Checkpoint::default().advance("one"), "two").unwrap();
    assert_eq!(oss.object(BUCKET, "log").unwrap(), b"onetwo");
}

#[test]
fn request_timeout_ends_a_read_that_is_too_slow() {
    let (endpoint, server) = serve(1, |stream| {
        drip(
            stream,
            "HTTP/1.1 200 OK\r\nx-oss-request-id: 5C\r\nx-oss-object-type: Appendable\r\nContent-Length: 100000\r\n\r\n",
        );
    });
    let limit = Duration::from_millis(1900); // the head drips, too
    let bucket = builder(&endpoint).request_timeout(limit).build().unwrap();
    let mut reader = bucket.get_object("log").unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Transport));
    drop((reader, bucket));
    server.join().unwrap();
}

// ---- limits of the limits ----------------------------------------------------------------------------------------

#[test]
fn a_limit_of_nothing_is_refused_by_name() {
    let oss = FakeOss::start().unwrap();
    for (builder, name) in [
        (oss.builder(BUCKET).connect_timeout(Duration::ZERO), "connect_timeout"),
        (oss.builder(BUCKET).idle_timeout(Duration::ZERO), "idle_timeout"),
        (oss.builder(BUCKET).request_timeout(Duration::ZERO), "request_timeout"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(oss.requests(), []);
}

#[test]
fn endless_limits_are_fine() {
    let oss = FakeOss::start().unwrap();
    let builder = oss.builder(BUCKET).connect_timeout(Duration::MAX).idle_timeout(Duration::MAX);
    for bucket in [builder.build().unwrap(), oss.builder(BUCKET).request_timeout(Duration::MAX).build().unwrap()] {
        let mut log = bucket.appender("log").open().unwrap();
        log.write_all(b"text").unwrap();
        log.finish().unwrap();
        bucket.get_object("log").unwrap().read_to_end(&mut Vec::new()).unwrap();
    }
}

// ---- user agent --------------------------------------------------------------------------------------------------

#[test]
fn the_user_agent_is_ours_until_it_is_replaced() {
    let oss = FakeOss::start().unwrap();
    let ours = concat!("oss-append/", env!("CARGO_PKG_VERSION"));
    let theirs = "my-shipper/1.2 (+https://example.com)";
    oss.bucket(BUCKET).append_object("one", 0, "text").unwrap();
    let bucket = oss.builder(BUCKET).user_agent(theirs).build().unwrap();
    bucket.append_object("two", 0, "text").unwrap();
    bucket.head_object("two").unwrap();
    let requests = oss.requests();
    let agents: Vec<_> = requests.iter().map(|request| request.header("user-agent")).collect();
    assert_eq!(agents, [Some(ours), Some(theirs), Some(theirs)]);
}

#[test]
fn a_user_agent_that_cannot_be_sent_is_refused() {
    let oss = FakeOss::start().unwrap();
    for wrong in ["", " ", "two\r\nlines", "two\nlines", "nul\0", "ü", "tab and bell \x07"] {
        let error = oss.builder(BUCKET).user_agent(wrong).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong:?}");
        assert!(error.to_string().contains("user agent"), "{error}");
    }
    assert_eq!(oss.requests(), []);
}
