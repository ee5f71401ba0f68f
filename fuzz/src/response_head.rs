//! Any bytes as the answer to an append, through the real client over loopback: an end in bounded time, no panic, and
//! no *applied* (as an error or as success) that the answer does not say.
//!
//! What follows the separators answers the questions that the client asks when the first answer settles nothing: HEAD,
//! and the GET that reads the bytes back.

use crate::{bytes::number, said};
use oss_append::{Auth, Bucket, Checkpoint, ErrorKind, Outcome};
use std::{
    cell::RefCell,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

pub const SEPARATOR: &[u8] = b"\n====\n";

const BODY: &[u8] = b"a line\n";
/// The client's own limits, should a peer keep it waiting. None here does.
const IDLE: Duration = Duration::from_secs(5);
/// Two attempts and their questions, each far from its limit.
const PATIENCE: Duration = Duration::from_secs(4);

#[expect(clippy::disallowed_methods, reason = "bounded time is what is promised")]
pub fn run(data: &[u8]) {
    let mut data = data;
    let choice = number::<1>(&mut data);
    let (append, rest) = part(data);
    let (head, rest) = part(rest);
    let (get, _) = part(rest);
    SERVER.with_borrow_mut(|server| {
        let server = server.get_or_insert_with(Server::start);
        server.answers.send([append, head, get].map(<[u8]>::to_vec)).expect("the server is there");
        let auth = if choice & 1 == 0 { Auth::new("id", "secret") } else { Auth::anonymous() };
        let bucket = Bucket::builder(auth, &server.endpoint, "bucket")
            .region("cn-hangzhou")
            .attempts(1 + (choice >> 1 & 1) as u32)
            .backoff(Duration::ZERO, Duration::ZERO)
            .idle_timeout(IDLE)
            .build()
            .expect("a good bucket");
        // With the CRC of what lies before, and without.
        let before = Checkpoint::default().advance("before");
        let known = choice & 4 == 0;
        let began = Instant::now();
        let done = match known {
            true => bucket.append_object("key", before, BODY),
            false => bucket.append_object("key", before.position, BODY),
        };
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        drop(bucket);

        let end = before.advance(BODY);
        match done {
            Ok(appended) => {
                assert_eq!(appended.next_position, end.position);
                assert!(appended.crc64.is_none_or(|crc64| !known || crc64 == end.crc64), "{appended:?}");
                let found = known && (says_there(head, end) || says_part(get));
                assert!(says_applied(append, end) || found, "applied, and who says so?");
                let wrong = sum_of(append).is_some_and(|sum| sum != end.crc64);
                assert!(!(known && wrong) || found, "applied, with another sum");
            }
            Err(error) => {
                said::check(&error);
                match error.outcome() {
                    Outcome::Applied => {
                        assert!(says_applied(append, end) || says_part(get), "applied, and who says so? {error}");
                    }
                    // The service's own no, or its word that the object goes on without these bytes.
                    Outcome::NotApplied => {
                        let refused = is_from_oss(append) && has(append, b" 4");
                        assert!(refused || is_from_oss(head), "not applied, and who says so? {error}");
                    }
                    Outcome::Unknown => {}
                }
                if error.kind() == ErrorKind::Integrity {
                    assert!(says_applied(append, end), "{error}");
                }
                if error.code().is_some() {
                    assert!([append, head, get].iter().any(|answer| is_from_oss(answer)), "nobody's word: {error}");
                }
            }
        }
    });
}

fn part(data: &[u8]) -> (&[u8], &[u8]) {
    match data.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        Some(at) => (&data[..at], &data[at + SEPARATOR.len()..]),
        None => (data, &[]),
    }
}

// What an answer must have in it, somewhere, to be what it was taken for.

/// 200, and the place where the object ends then; said by the service, or by somebody who knows the sum.
fn says_applied(append: &[u8], end: Checkpoint) -> bool {
    let [place, sum] = [end.position, end.crc64].map(|number| number.to_string());
    let knows = is_from_oss(append) || has(append, sum.as_bytes());
    knows && has(append, b" 200") && has(append, b"x-oss-next-append-position") && has(append, place.as_bytes())
}

/// The CRC in the head of a plain 200, where there is one and no more.
fn sum_of(append: &[u8]) -> Option<u64> {
    let head = append.strip_prefix(b"HTTP/1.1 200 ")?;
    let end = head.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = str::from_utf8(&head[..end]).ok()?.to_ascii_lowercase();
    let lines: Vec<_> = head.split("\r\n").collect();
    let mut sums = lines.iter().filter_map(|line| line.strip_prefix("x-oss-hash-crc64ecma:"));
    let sum = sums.next().filter(|_| sums.next().is_none() && lines.iter().all(|line| !line.contains(['\r', '\n'])))?;
    let sum = sum.trim_matches([' ', '\t']);
    sum.bytes().all(|byte| byte.is_ascii_digit()).then(|| sum.parse().ok())?
}

/// Length and CRC of the object with the bytes: both must be said.
fn says_there(head: &[u8], end: Checkpoint) -> bool {
    has(head, b" 200") && has(head, end.position.to_string().as_bytes()) && has(head, end.crc64.to_string().as_bytes())
}

/// Some bytes, read back.
fn says_part(get: &[u8]) -> bool {
    is_from_oss(get) && has(get, b" 206") && has(get, b"content-range")
}

fn is_from_oss(answer: &[u8]) -> bool {
    has(answer, b"x-oss-request-id")
}

/// Header names may come in any case.
fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// Answers POST, HEAD and GET, each with its bytes, and closes the connection.
struct Server {
    endpoint: String,
    answers: mpsc::Sender<[Vec<u8>; 3]>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (answers, asked) = mpsc::channel();
        thread::spawn(move || {
            let mut current = [const { Vec::new() }; 3];
            for stream in listener.incoming() {
                let stream = stream.expect("somebody connects");
                current = asked.try_iter().last().unwrap_or(current);
                // The client may have had enough.
                let _ = exchange(stream, &current);
            }
        });
        Self { endpoint, answers }
    }
}

/// The whole request is read, so that the end comes in order and not as a reset.
fn exchange(mut stream: TcpStream, [append, head, get]: &[Vec<u8>; 3]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(IDLE))?;
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    let body = loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..read]);
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let is_append = request.starts_with(b"POST");
    // Only the append has a body; the client may also append nothing.
    let missing = match is_append && !has(&request[..body], b"content-length: 0\r\n") {
        true => (body + BODY.len()).saturating_sub(request.len()),
        false => 0,
    };
    stream.read_exact(&mut vec![0; missing])?;
    let answer = match is_append {
        true => append,
        false if request.starts_with(b"HEAD") => head,
        false => get,
    };
    stream.write_all(answer)
}
