//! *How bytes travel*: what leaves together, what stops the sending, what a connection may be used again for, and that
//! a call that went wrong leaves nothing behind. What only our own sockets promise is marked by their feature.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Appender, Auth, Body, Bucket, BucketBuilder, Checkpoint, Error, ErrorKind, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

#[cfg(feature = "rustls")]
#[path = "common/listener.rs"]
mod listener;
#[cfg(feature = "rustls")]
#[path = "common/tls.rs"]
mod tls;

const BUCKET: &str = "bucket";
/// More than any buffer holds, here or in the kernel.
const HUGE: u64 = 600 << 20;

fn builder(endpoint: &str) -> BucketBuilder {
    let builder = Bucket::builder(Auth::new("id", "secret"), endpoint, BUCKET).region("cn-hangzhou");
    builder.backoff(Duration::ZERO, Duration::ZERO).attempts(2)
}

/// A server whose connections are the script's, one after another, each with its number.
fn serve(script: impl Fn(TcpStream, usize) + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for n in 0.. {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            script(stream, n);
        }
    });
    endpoint
}

/// A request's head. None if the connection ended.
fn read_head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(head).unwrap().to_ascii_lowercase())
}

fn length_of(head: &str) -> u64 {
    head.split_once("content-length: ").map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap())
}

fn position_of(head: &str) -> u64 {
    head.split_once("position=").unwrap().1.split(' ').next().unwrap().parse().unwrap()
}

fn refusal(status: u16, code: &str) -> String {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    format!(
        "HTTP/1.1 {status} No\r\nx-oss-request-id: 5C\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The 200 to an append that ends at `next`; a sum that nobody checks is left out.
fn success(next: u64) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nx-oss-request-id: 5C\r\nx-oss-next-append-position: {next}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Reads what still comes, and counts it.
fn swallow(stream: &mut impl Read, received: &AtomicU64) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        received.fetch_add(n as u64, Ordering::SeqCst);
    }
}

/// More than anybody wants, and how much of it was read.
struct Endless(Arc<AtomicU64>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (HUGE - self.0.load(Ordering::SeqCst)).min(buffer.len() as u64);
        self.0.fetch_add(read, Ordering::SeqCst);
        Ok(usize::try_from(read).unwrap())
    }
}

fn endless() -> impl Read {
    Endless(Arc::default())
}

fn denied(error: &Error) {
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Service, Outcome::NotApplied), "{error:?}");
    assert_eq!((error.code(), error.status()), (Some("AccessDenied"), Some(403)), "{error:?}");
}

// ---- what leaves together ----------------------------------------------------------------------------------------

/// A body that looks at the server's end of its connection before it gives its only piece.
#[cfg(feature = "wire")]
struct Watching<'a> {
    listener: &'a TcpListener,
    accepted: &'a mut Option<TcpStream>,
    text: &'a [u8],
}

#[cfg(feature = "wire")]
impl Read for Watching<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.accepted.is_none() {
            let stream = self.listener.accept()?.0;
            stream.set_nonblocking(true)?;
            // A head that had been sent would be here: on loopback nothing travels.
            assert_eq!(stream.peek(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            stream.set_nonblocking(false)?;
            *self.accepted = Some(stream);
        }
        self.text.read(buffer)
    }
}

#[cfg(feature = "wire")]
#[test]
fn the_head_waits_for_a_small_body_and_both_arrive_at_once() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let builder = builder(&format!("http://{}", listener.local_addr().unwrap()));
    // Nobody answers.
    let bucket = builder.attempts(1).idle_timeout(Duration::from_millis(1)).build().unwrap();
    let (text, mut accepted) = ([b'x'; 1024], None);
    let body = Watching { listener: &listener, accepted: &mut accepted, text: &text };
    bucket.append_object("log", 5, Body::sized(body, 1024)).unwrap_err();
    let mut arrived = vec![0; 64 << 10];
    let n = accepted.unwrap().read(&mut arrived).unwrap();
    assert!(arrived.starts_with(b"POST ") && arrived[..n].ends_with(&text), "{n} bytes");
}

#[test]
fn bodies_of_every_length_around_a_buffers_arrive_whole() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    let all: Vec<u8> = (0..3 << 20).map(|n: u32| (n ^ n >> 8 ^ n >> 16) as u8).collect();
    let edges = [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20];
    for length in edges.iter().flat_map(|edge| [edge - 4097, edge - 11, edge - 1, *edge, edge + 1]) {
        let text = &all[..length];
        for (how, body) in [
            ("bytes", Body::from(text)),
            ("sized", Body::sized(text, length as u64)),
            ("chunked", Body::from_reader(text)),
            ("chunked in odd pieces", Body::from_reader(Pieces(text, 1000))),
        ] {
            oss.delete_object(BUCKET, "log");
            let end = bucket.append_object("log", 0, body).unwrap();
            assert_eq!(end.next_position, length as u64, "{how}");
            assert!(oss.object(BUCKET, "log").unwrap() == text, "{how}, {length} bytes");
        }
    }
    let requests = oss.requests();
    assert!(requests.iter().all(|request| request.connection == requests[0].connection));
}

/// A reader that gives 1, 2, 3 … and never more than `.1` bytes at once.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1 + self.0.len() % self.1);
        self.0.read(&mut buffer[..most])
    }
}

/// No two places of it look alike, and no two of them.
fn bytes(seed: u32, length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| ((n + seed) ^ (n >> 8) ^ (n >> 16).wrapping_mul(seed | 1)) as u8).collect()
}

/// One that holds everything until it is told to send it.
fn holding(bucket: &Bucket, key: &str, options: AppendOptions) -> Appender {
    bucket.appender(key).buffer_capacity(64 << 20).options(options).create_new().unwrap()
}

#[test]
fn what_an_appender_holds_arrives_byte_for_byte() {
    let oss = FakeOss::start().unwrap();
    let mut log = holding(&oss.bucket(BUCKET), "log", AppendOptions::new());
    let mut all = Vec::new();
    let edges = [4 << 10, 64 << 10, 128 << 10, 512 << 10, 576 << 10, 1 << 20, 3 << 20];
    for (n, length) in edges.iter().flat_map(|edge| [edge - 1, *edge, edge + 1, edge + 4095]).enumerate() {
        let text = bytes(n as u32 * 7919, length);
        log.write_all(&text).unwrap();
        let end = log.confirm().unwrap();
        all.extend(text);
        assert_eq!(end, Checkpoint::default().advance(&all));
        assert!(oss.object(BUCKET, "log").unwrap() == all, "{length} bytes");
    }
    let requests = oss.requests();
    assert!(requests.iter().all(|request| request.connection == requests[0].connection));
}

#[cfg(feature = "rustls")]
#[test]
fn what_an_appender_holds_arrives_over_tls() {
    let (tell, told) = mpsc::channel();
    let server = tls::TlsServer::script(move |tls| {
        while let Some(head) = read_head(tls) {
            let mut body = vec![0; usize::try_from(length_of(&head)).unwrap()];
            tls.read_exact(&mut body).unwrap();
            tls.write_all(success(position_of(&head) + body.len() as u64).as_bytes()).unwrap();
            tell.send(body).unwrap();
        }
    });
    let bucket = builder(&server.endpoint()).root_certs(tls::authority_pem().as_bytes()).build().unwrap();
    let mut log = holding(&bucket, "log", AppendOptions::new());
    for seed in 1..4 {
        let text = bytes(seed, 2 << 20);
        log.write_all(&text).unwrap();
        log.confirm().unwrap();
        assert!(told.recv().unwrap() == text);
    }
}

/// Held by the thread, it goes when the thread does.
#[test]
fn what_an_appender_holds_is_sent_when_its_thread_ends() {
    thread_local!(static LOG: std::cell::RefCell<Option<Appender>> = const { std::cell::RefCell::new(None) });
    let oss = FakeOss::start().unwrap();
    let (bucket, text) = (oss.bucket(BUCKET), bytes(1, 2 << 20));
    let holder = thread::spawn({
        let text = text.clone();
        move || {
            LOG.set(None);
            bucket.append_object("first", 0, "every thread-local is there").unwrap();
            let mut log = holding(&bucket, "log", AppendOptions::new());
            log.write_all(&text).unwrap();
            LOG.set(Some(log));
        }
    });
    holder.join().unwrap();
    assert!(oss.object(BUCKET, "log").unwrap() == text);
}

// ---- answers that come while the body is going out ---------------------------------------------------------------

/// Refuses as soon as the head is there, and takes whatever comes.
fn refuse_and_swallow(stream: &mut (impl Read + Write), received: &AtomicU64) {
    let Some(head) = read_head(stream) else { return };
    let head = match head.starts_with("connect") {
        true => {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            read_head(stream).unwrap()
        }
        false => head,
    };
    assert!(head.starts_with("post"), "{head}");
    stream.write_all(refusal(403, "AccessDenied").as_bytes()).unwrap();
    swallow(stream, received);
}

/// A 403 that stays a 403, and soon ended the sending where that can be seen.
#[track_caller]
fn is_stopped(builder: impl Fn() -> BucketBuilder, received: &AtomicU64) {
    for is_sized in [true, false] {
        let read = Arc::default();
        let endless = Endless(Arc::clone(&read));
        let body = if is_sized { Body::sized(endless, HUGE) } else { Body::from_reader(endless) };
        received.store(0, Ordering::SeqCst);
        // Another bucket each time: this server answers once on a connection.
        denied(&builder().build().unwrap().append_object("log", 5, body).unwrap_err());
        if cfg!(feature = "wire") {
            let received = received.load(Ordering::SeqCst);
            assert!(received < HUGE / 4, "{received} bytes were sent to deaf ears");
            let read = read.load(Ordering::SeqCst);
            assert!(read < HUGE / 4, "{read} bytes were read for nobody");
        }
    }
}

#[test]
fn a_refusal_stops_the_sending() {
    let received = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&received);
    let endpoint = serve(move |mut stream, _| refuse_and_swallow(&mut stream, &counting));
    is_stopped(|| builder(&endpoint), &received);
}

#[test]
fn a_refusal_stops_the_sending_through_a_proxy() {
    let received = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&received);
    let proxy = serve(move |mut stream, _| refuse_and_swallow(&mut stream, &counting));
    is_stopped(|| builder("http://oss.example.com").proxy(&proxy), &received);
}

#[cfg(feature = "rustls")]
#[test]
fn a_refusal_stops_the_sending_over_tls() {
    let received = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&received);
    let server = tls::TlsServer::script(move |tls| refuse_and_swallow(tls, &counting));
    is_stopped(|| builder(&server.endpoint()).root_certs(tls::authority_pem().as_bytes()), &received);
}

/// It neither reads nor closes: held until the end of the test.
#[cfg(feature = "wire")]
#[test]
fn a_refusal_from_a_server_that_stopped_reading_is_told() {
    let held = std::sync::Mutex::new(Vec::new());
    let endpoint = serve(move |mut stream, _| {
        read_head(&mut stream).unwrap();
        stream.write_all(refusal(403, "AccessDenied").as_bytes()).unwrap();
        held.lock().unwrap().push(stream);
    });
    let bucket = builder(&endpoint).build().unwrap();
    denied(&bucket.append_object("log", 5, Body::sized(endless(), HUGE)).unwrap_err());
}

/// A source whose last bytes come when the answer is there, which it asks for.
#[cfg(feature = "wire")]
struct Last {
    ask: mpsc::Sender<()>,
    answered: mpsc::Receiver<()>,
}

#[cfg(feature = "wire")]
impl Read for Last {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ask.send(()).unwrap();
        self.answered.recv().unwrap();
        buffer[..100].fill(b'y');
        Ok(100)
    }
}

#[cfg(feature = "wire")]
#[test]
fn a_success_before_the_last_bytes_were_sent_is_none() {
    const FIRST: u64 = 3 << 20;
    let ((ask, asked), (answer, answered)) = (mpsc::channel(), mpsc::channel());
    let received = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&received);
    let endpoint = serve(move |mut stream, _| {
        let head = read_head(&mut stream).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| swallow(&mut &stream, &counting));
            asked.recv().unwrap();
            (&stream).write_all(success(5 + length_of(&head)).as_bytes()).unwrap();
            answer.send(()).unwrap();
        });
    });
    let body = Body::sized(io::repeat(b'x').take(FIRST).chain(Last { ask, answered }.take(100)), FIRST + 100);
    let error = builder(&endpoint).attempts(1).build().unwrap().append_object("log", 5, body).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, Outcome::NotApplied), "{error:?}");
    assert!(received.load(Ordering::SeqCst) <= FIRST);
}

#[test]
fn the_calls_after_a_refusal_are_not_stopped_by_it() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    let big = vec![b'x'; 24 << 20];
    for n in 1..4 {
        oss.inject(Fault::RefuseEarlyWith(403, "AccessDenied"));
        (0..4).for_each(|_| oss.inject(Fault::RefuseEarly));
        denied(&bucket.append_object("log", 0, &big).unwrap_err());
        while oss.faults_left() > 0 {
            let _ = bucket.append_object("log", 0, "x");
        }
        let key = format!("log-{n}");
        bucket.append_object(&key, 0, &big).unwrap();
        assert!(oss.object(BUCKET, &key).unwrap() == big);
    }
}

#[test]
fn a_refusal_stops_what_an_appender_sends_and_takes_nothing_from_it() {
    let received = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&received);
    let endpoint = serve(move |mut stream, _| refuse_and_swallow(&mut stream, &counting));
    let mut log = holding(&builder(&endpoint).build().unwrap(), "log", AppendOptions::new());
    let text = bytes(1, 48 << 20);
    log.write_all(&text).unwrap();
    denied(&log.confirm().unwrap_err());
    assert!(log.pending() == text);
    if cfg!(feature = "wire") {
        assert!(received.load(Ordering::SeqCst) < text.len() as u64 / 2);
    }
    // Dropped, it would try again.
    log.into_parts();
}

#[test]
fn a_connection_that_breaks_in_the_middle_of_what_an_appender_sends_is_mended() {
    let oss = FakeOss::start().unwrap();
    let mut log = holding(&oss.bucket(BUCKET), "log", AppendOptions::new());
    let mut all = Vec::new();
    for after in [0, 100, 700 << 10, 3 << 20] {
        let text = bytes(after, 24 << 20);
        oss.inject_on("POST", Fault::CutRequest(u64::from(after)));
        log.write_all(&text).unwrap();
        log.confirm().unwrap();
        all.extend(text);
        assert_eq!(oss.faults_left(), 0);
        assert!(oss.object(BUCKET, "log").unwrap() == all);
    }
}

// ---- calls within calls, and panics ------------------------------------------------------------------------------

#[test]
fn a_call_made_while_another_sends_disturbs_neither() {
    let received = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&received);
    let endpoint = serve(move |mut stream, _| refuse_and_swallow(&mut stream, &counting));
    let oss = FakeOss::start().unwrap();
    let (inner, calls) = (oss.bucket(BUCKET), AtomicUsize::new(0));
    let shared = Arc::new(calls);
    let count = Arc::clone(&shared);
    let options = AppendOptions::new().progress(move |_| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        inner.append_object("inner", 3 * n as u64, "abc").unwrap();
    });
    let bucket = builder(&endpoint).build().unwrap();
    denied(&bucket.append_object_with("log", 5, Body::sized(endless(), HUGE), &options).unwrap_err());
    assert_eq!(oss.object(BUCKET, "inner").unwrap(), "abc".repeat(shared.load(Ordering::SeqCst)).as_bytes());
    if cfg!(feature = "wire") {
        assert!(received.load(Ordering::SeqCst) < HUGE / 4);
    }
}

#[test]
fn a_reader_that_panics_leaves_nothing_behind() {
    struct Panics(u64);
    impl Read for Panics {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(buffer.len() as u64).expect("it is meant to");
            Ok(buffer.len())
        }
    }
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    for (n, after) in [0, 100_000, 5_000_000].into_iter().enumerate() {
        let append = || bucket.append_object("bad", 0, Body::sized(Panics(after), 1 << 30));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(append)).unwrap_err();
        bucket.append_object("log", 4 * n as u64, "good").unwrap();
    }
    assert_eq!(oss.object(BUCKET, "log").unwrap(), b"goodgoodgood");
    assert_eq!(oss.object(BUCKET, "bad"), None);
}

#[test]
fn a_progress_callback_that_panics_leaves_the_appender_as_good_as_new() {
    let oss = FakeOss::start().unwrap();
    let armed = Arc::new(AtomicBool::new(false));
    let trigger = Arc::clone(&armed);
    let options = AppendOptions::new()
        .progress(move |now| assert!(now.sent < 600 << 10 || !trigger.swap(false, Ordering::SeqCst), "it is meant to"));
    let mut log = holding(&oss.bucket(BUCKET), "log", options);
    let mut all = Vec::new();
    for seed in 1..5 {
        let text = bytes(seed, 1300 << 10);
        log.write_all(&text).unwrap();
        armed.store(true, Ordering::SeqCst);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| log.confirm())).unwrap_err();
        log.write_all(b"more").unwrap();
        log.confirm().unwrap();
        all.extend([&text[..], b"more"].concat());
        assert!(oss.object(BUCKET, "log").unwrap() == all);
    }
}

#[test]
fn an_appender_used_while_another_sends_disturbs_neither() {
    let oss = FakeOss::start().unwrap();
    let inner = std::sync::Mutex::new(holding(&oss.bucket(BUCKET), "inner", AppendOptions::new()));
    let (text, piece) = (bytes(1, 5 << 20), bytes(2, (1 << 20) + 1));
    let options = AppendOptions::new().progress(move |_| {
        let mut inner = inner.lock().unwrap();
        inner.write_all(&piece).unwrap();
        inner.confirm().unwrap();
    });
    let mut log = holding(&oss.bucket(BUCKET), "log", options);
    for n in 1..3 {
        log.write_all(&text).unwrap();
        log.confirm().unwrap();
        assert!(oss.object(BUCKET, "log").unwrap() == text.repeat(n));
    }
    let inner = oss.object(BUCKET, "inner").unwrap();
    assert!(inner.chunks((1 << 20) + 1).all(|piece| piece == bytes(2, (1 << 20) + 1)));
}

// ---- connections that are used again -----------------------------------------------------------------------------

/// Answers appends, each time with something behind the answer, and says when it is done with one.
fn answering(done: mpsc::Sender<()>, behind: impl Fn(&mut TcpStream, String) -> bool + Send + 'static) -> String {
    serve(move |mut stream, _| {
        while let Some(head) = read_head(&mut stream) {
            let mut body = vec![0; usize::try_from(length_of(&head)).unwrap()];
            stream.read_exact(&mut body).unwrap();
            let goes_on = behind(&mut stream, success(position_of(&head) + body.len() as u64));
            if !goes_on {
                drop(stream);
                return done.send(()).unwrap();
            }
            done.send(()).unwrap();
        }
    })
}

#[track_caller]
fn appends_twenty_times(endpoint: &str, done: &mpsc::Receiver<()>) {
    // A bare position: what came in doubt would stay so.
    let bucket = builder(endpoint).attempts(1).build().unwrap();
    for n in 0..20 {
        bucket.append_object("log", n, "x").unwrap();
        done.recv().unwrap();
    }
}

#[test]
fn a_connection_that_the_server_closed_is_not_used_again() {
    let (done, wait) = mpsc::channel();
    let endpoint = answering(done, |stream, answer| {
        stream.write_all(answer.as_bytes()).unwrap();
        false
    });
    appends_twenty_times(&endpoint, &wait);
}

#[test]
fn words_that_nobody_asked_for_are_not_the_next_answer() {
    let stray = refusal(403, "Stray");
    for together in [true, false] {
        let (stray, (done, wait)) = (stray.clone(), mpsc::channel());
        let endpoint = answering(done, move |stream, answer| {
            match together {
                true => stream.write_all(format!("{answer}{stray}").as_bytes()).unwrap(),
                false => {
                    stream.write_all(answer.as_bytes()).unwrap();
                    stream.write_all(stray.as_bytes()).unwrap();
                }
            }
            true
        });
        appends_twenty_times(&endpoint, &wait);
    }
}

#[test]
fn a_server_that_closes_without_a_word_costs_one_question_at_most() {
    // Good for three appends, so that it is trusted; then it closes behind an answer.
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    let mut end = Checkpoint::default();
    for n in 0..40 {
        if n % 4 == 3 {
            oss.inject(Fault::CloseAfter);
        }
        end = bucket.append_object("log", end, "x").unwrap().checkpoint().unwrap();
    }
    assert_eq!(end, Checkpoint::default().advance([b'x'; 40]));
    assert_eq!(oss.object(BUCKET, "log").unwrap(), [b'x'; 40]);
}

// ---- limits ------------------------------------------------------------------------------------------------------

#[test]
fn a_limit_for_the_whole_call_holds_for_sending_and_for_waiting() {
    let held = std::sync::Mutex::new(Vec::new());
    let endpoint = serve(move |stream, _| held.lock().unwrap().push(stream)); // nobody reads, nobody answers
    let limit = Duration::from_millis(200);
    let bucket = builder(&endpoint).attempts(1).request_timeout(limit).build().unwrap();
    let error = bucket.append_object("log", 5, "x").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::Unknown), "{error:?}");
    let error = bucket.append_object("log", 5, Body::sized(endless(), HUGE)).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::NotApplied), "{error:?}");
}
