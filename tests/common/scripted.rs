//! A service that keeps one real object and answers well, except where it is told to lie: raw sockets, so that nothing
//! is too wrong to be said.

#![allow(dead_code, reason = "each crate of tests uses its part")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::Checkpoint;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Between two bytes of a slow answer.
const PAUSE: Duration = Duration::from_millis(4);
/// Somebody who neither reads nor leaves is left alone after this.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, before it is laid on the wire.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// The answer to HEAD: the length is told and the body is not sent.
    is_bare: bool,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        let id = ("x-oss-request-id".to_owned(), b"5C06A3B67B8B5A3DA422299D".to_vec());
        Self { status, headers: vec![id], body: Vec::new(), is_bare: false }
    }

    /// The service's own refusal.
    pub(crate) fn refusal(status: u16, code: &str) -> Self {
        let text = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        Self::new(status).body(text).set("content-type", "application/xml")
    }

    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.add(name, value)
    }

    /// Once more, though it is there already.
    pub(crate) fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// As it answers a HEAD.
    pub(crate) fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Head and no body, without the length unless it was set.
    pub(crate) fn head(&self, version: &str) -> Vec<u8> {
        let mut bytes = format!("{version} {:03} Said\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// As it should be: with its length, unless another was set.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let is_said = self.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding");
        let whole =
            if is_said { self.clone() } else { self.clone().set("content-length", self.body.len().to_string()) };
        let mut bytes = whole.head("HTTP/1.1");
        if !self.is_bare {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// In pieces, by `Transfer-Encoding`.
    pub(crate) fn chunked(&self) -> Vec<u8> {
        let mut bytes = self.clone().set("transfer-encoding", "chunked").head("HTTP/1.1");
        for piece in self.body.chunks(7).filter(|_| !self.is_bare) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        if !self.is_bare {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        bytes
    }
}

/// What goes out, and what follows it.
pub(crate) struct Said {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

pub(crate) enum Then {
    /// The next request is answered.
    Keep,
    Close,
    /// Nothing more is said, until the client leaves.
    Wait,
    /// The same again and again, until the client leaves.
    Repeat(Vec<u8>),
    /// The same again and again, one byte at a time.
    Drip(Vec<u8>),
}

impl Said {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self { bytes: bytes.into(), then }
    }
}

/// Makes another answer of the honest one. The method is told beside it.
pub(crate) type Lie = Arc<dyn Fn(&str, Reply) -> Said + Send + Sync>;

#[derive(Default)]
struct Script {
    lie: Option<Lie>,
    /// The first request that is lied to has this method.
    method: &'static str,
    /// All that follow are lied to as well, whatever they are.
    always: bool,
    begun: bool,
    /// Does an append that is lied to go into the object?
    applies: bool,
    /// Who appends behind the next append, whose answer is then lost.
    stranger: Option<&'static str>,
}

#[derive(Default)]
struct State {
    object: Mutex<Vec<u8>>,
    script: Mutex<Script>,
    calls: Mutex<Vec<String>>,
    /// Bytes that the last endless answer could get rid of.
    sent: AtomicU64,
    /// The connection that was used last.
    last: Mutex<Option<TcpStream>>,
    stopped: AtomicBool,
}

/// See the top of the file.
pub(crate) struct Service {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// The object holds `base`.
    pub(crate) fn with(base: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { object: Mutex::new(base.into()), ..State::default() });
        let accepting = Arc::clone(&state);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(SeqCst) {
                    return;
                }
                let (state, stream) = (Arc::clone(&accepting), stream.unwrap());
                // It ends when the client leaves.
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, state, thread: Some(thread) }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From the next request with this method on: once, or always.
    pub(crate) fn lie(&self, lie: &Lie, method: &'static str, always: bool, applies: bool) {
        let mut script = self.state.script.lock().unwrap();
        let stranger = script.stranger.take();
        *script = Script { lie: Some(Arc::clone(lie)), method, always, begun: false, applies, stranger };
    }

    pub(crate) fn be_honest(&self) {
        *self.state.script.lock().unwrap() = Script::default();
    }

    /// The answer to the next append is lost, and `text` is appended behind it.
    pub(crate) fn lose_an_answer(&self, text: &'static str) {
        self.state.script.lock().unwrap().stranger = Some(text);
    }

    /// Says something on the connection that was used last, unasked.
    pub(crate) fn speak(&self, bytes: &[u8]) {
        self.state.last.lock().unwrap().as_ref().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.object().clone()).unwrap()
    }

    fn object(&self) -> MutexGuard<'_, Vec<u8>> {
        self.state.object.lock().unwrap()
    }

    /// `POST 4`, `HEAD`, `GET`: what was asked for, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }

    /// How much of an endless answer was taken before the client left.
    pub(crate) fn sent(&self) -> u64 {
        self.state.sent.load(SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.state.stopped.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) {
        // What is said is there at once: small pieces do not wait for the last one to be acknowledged.
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        *self.last.lock().unwrap() = stream.try_clone().ok();
        self.talk(&mut stream);
        // There is a clone of it, for what is said unasked.
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn talk(&self, stream: &mut TcpStream) {
        while let Some(request) = Request::read(stream) {
            let Some(said) = self.answer(&request) else { return };
            if stream.write_all(&said.bytes).is_err() {
                return;
            }
            match said.then {
                Then::Keep => {}
                Then::Close => break,
                Then::Wait => {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let _ = stream.read(&mut [0]);
                    break;
                }
                Then::Repeat(piece) => {
                    self.sent.store(0, SeqCst);
                    while let Ok(sent) = stream.write(&piece) {
                        self.sent.fetch_add(sent as u64, SeqCst);
                    }
                    break;
                }
                Then::Drip(piece) => {
                    drip(stream, &piece);
                    break;
                }
            }
        }
    }

    /// `None`: the connection is closed without an answer.
    fn answer(&self, request: &Request) -> Option<Said> {
        self.calls.lock().unwrap().push(request.call());
        let (mut script, mut object) = (self.script.lock().unwrap(), self.object.lock().unwrap());
        let is_lie = script.lie.is_some()
            && match script.begun {
                false => request.method == script.method,
                true => script.always,
            };
        script.begun |= is_lie;
        let reply = match request.method.as_str() {
            "POST" => {
                let mut after = object.clone();
                let reply = request.append(&mut after);
                if !is_lie || script.applies {
                    *object = after;
                }
                reply
            }
            "HEAD" => described(&object).body(object.clone()).bare(),
            _ => request.get(&object),
        };
        if let ("POST", Some(stranger)) = (request.method.as_str(), script.stranger.take()) {
            object.extend_from_slice(stranger.as_bytes());
            return None;
        }
        match &script.lie {
            Some(lie) if is_lie => Some(lie(&request.method, reply)),
            _ => Some(Said::new(reply.bytes(), Then::Keep)),
        }
    }
}

fn drip(stream: &mut TcpStream, piece: &[u8]) {
    stream.set_read_timeout(Some(PAUSE)).unwrap();
    for byte in piece.iter().cycle() {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        // Nobody speaks now, so this is a pause; and a client that leaves is seen.
        match stream.read(&mut [0]) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            _ => return,
        }
    }
}

fn described(object: &[u8]) -> Reply {
    let at = Checkpoint::default().advance(object);
    Reply::new(200)
        .set("x-oss-object-type", "Appendable")
        .set("x-oss-next-append-position", at.position.to_string())
        .set("x-oss-hash-crc64ecma", at.crc64.to_string())
}

/// What was asked for.
struct Request {
    method: String,
    target: String,
    range: Option<String>,
    body: Vec<u8>,
}

impl Request {
    /// `None` if the client has left.
    fn read(stream: &mut TcpStream) -> Option<Self> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|h| h.1)
        };
        let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).ok()?;
        let mut first = head.split(' ');
        let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
        Some(Self { method, target, range: header("range").map(str::to_owned), body })
    }

    fn position(&self) -> Option<u64> {
        Some(self.target.split_once("position=")?.1.parse().unwrap())
    }

    fn call(&self) -> String {
        match self.position() {
            Some(position) => format!("{} {position}", self.method),
            None => self.method.clone(),
        }
    }

    fn append(&self, object: &mut Vec<u8>) -> Reply {
        let fits = self.position() == Some(object.len() as u64);
        if fits {
            object.extend_from_slice(&self.body);
        }
        let reply = if fits { Reply::new(200) } else { Reply::refusal(409, "PositionNotEqualToLength") };
        let at = Checkpoint::default().advance(&*object);
        let reply = reply.set("x-oss-next-append-position", at.position.to_string());
        if fits { reply.set("x-oss-hash-crc64ecma", at.crc64.to_string()) } else { reply }
    }

    fn get(&self, object: &[u8]) -> Reply {
        let Some(range) = self.range.as_deref().and_then(|range| range.strip_prefix("bytes=")) else {
            return described(object).body(object);
        };
        let (first, last) = range.split_once('-').unwrap();
        let first: usize = first.parse().unwrap();
        if first >= object.len() {
            return Reply::refusal(416, "InvalidRange");
        }
        let last = last.parse().map_or(object.len() - 1, |last: usize| last.min(object.len() - 1));
        described(object)
            .status(206)
            .body(&object[first..=last])
            .set("content-range", format!("bytes {first}-{last}/{}", object.len()))
    }
}
