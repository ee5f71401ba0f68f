//! Any bytes on a socket to the fake: no panic in it, an end within bounded time, and good requests are answered
//! afterwards as if nothing had been.

use crate::bytes::number;
use oss_append::{Bucket, testing::FakeOss};
use std::{
    cell::RefCell,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// Far more than any of it takes. Who waits so long hangs.
const PATIENCE: Duration = Duration::from_secs(15);
/// Far more than as many answers are as fit requests into an input.
const MOST: usize = 8 << 20;

struct Fake {
    oss: FakeOss,
    bucket: Bucket,
    address: String,
    /// It remembers every request.
    used: u32,
}

thread_local! {
    /// One that checks signatures, which nobody can guess, and one that takes requests without any.
    static FAKES: RefCell<[Option<Fake>; 2]> = const { RefCell::new([None, None]) };
}

pub fn run(data: &[u8]) {
    let mut data = data;
    let choice = number::<1>(&mut data);
    FAKES.with_borrow_mut(|fakes| {
        let open = choice & 3 != 0;
        let place = &mut fakes[usize::from(open)];
        if place.as_ref().is_none_or(|fake| fake.used == 200) {
            *place = Some(Fake::start(open));
        }
        let fake = place.as_mut().expect("just started");
        fake.used += 1;
        fake.talk(data, choice >> 2);
        fake.is_well();
    });
}

impl Fake {
    fn start(open: bool) -> Self {
        let oss = FakeOss::start().expect("a port is free");
        if open {
            oss.allow_anonymous();
        }
        let bucket = oss.builder("bucket").attempts(1).idle_timeout(PATIENCE).build().expect("a good bucket");
        let address = oss.endpoint().trim_start_matches("http://").to_owned();
        Self { oss, bucket, address, used: 0 }
    }

    fn talk(&self, data: &[u8], pieces: u64) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        // An answer may come, and the end, before all is sent.
        let piece = (data.len() / (pieces as usize % 4 + 1)).max(1);
        for piece in data.chunks(piece) {
            if let Err(error) = stream.write_all(piece) {
                not_late(&error);
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        if let Err(error) = stream.take(MOST as u64).read_to_end(&mut answer) {
            not_late(&error);
        }
        assert!(answer.len() < MOST, "it never ends");
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{}", answer.escape_ascii());
        assert!(!is_one_head(data) || !answer.is_empty(), "a whole head without an answer");
    }

    fn is_well(&self) {
        self.oss.create_bucket("bucket");
        self.oss.delete_object("bucket", "good");
        let done = self.bucket.append_object("good", 0, "a good request");
        let done = done.unwrap_or_else(|error| panic!("it is not well any more: {error}"));
        assert_eq!(done.next_position, 14);
        assert_eq!(self.oss.object("bucket", "good").as_deref(), Some(&b"a good request"[..]));
        self.oss.delete_object("bucket", "good");
    }
}

fn not_late(error: &std::io::Error) {
    assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "it hangs: {error}");
}

/// Nothing is left unread behind it, which would make a reset of the end.
fn is_one_head(data: &[u8]) -> bool {
    data.windows(4).position(|window| window == b"\r\n\r\n").is_some_and(|at| at + 4 == data.len())
}
