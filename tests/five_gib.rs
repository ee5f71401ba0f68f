//! An object holds 5 GiB: all of them go through one buffer, and the byte beyond is refused, with nothing lost.
//!
//! Client and fake hash 5 GiB each, too slow without optimisation:
//! `cargo test --release --test five_gib -- --ignored`. The last 24 MiB before the limit are gone through always.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::testing::{FakeOss, Fault};
use oss_append::{Appender, Checkpoint, Error, ErrorKind, Outcome};
use std::{
    fs,
    io::{self, Read, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 5 << 30;
/// Does not divide the limit: 3 MiB are pending when it is reached.
const BUFFER: usize = 7 << 20;

/// Tests that look at the memory of the process run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes without an end, or with one; remembers what it has handed out, and how much memory the process had meanwhile.
struct Stream {
    pattern: Vec<u8>,
    handed: Checkpoint,
    end: u64,
    memory: Vec<Memory>,
}

impl Stream {
    fn new(pattern: Vec<u8>, end: u64) -> Self {
        Self { pattern, handed: Checkpoint::default(), end, memory: Vec::new() }
    }

    fn zeros() -> Self {
        Self::new(vec![0; MIB as usize], u64::MAX)
    }

    /// No two buffers or requests begin at the same place of the pattern.
    fn noise(end: u64) -> Self {
        let mut state = 88172645463325252_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        Self::new((0..MIB + 8191).map(|_| byte()).collect(), end)
    }

    fn part(&self, from: u64, len: usize) -> Vec<u8> {
        let at = usize::try_from(from % self.pattern.len() as u64).unwrap();
        self.pattern[at..].iter().chain(self.pattern.iter().cycle()).take(len).copied().collect()
    }

    /// What came in the first 64 MiB stays; the rest of it all fits in a few more.
    fn check_memory(&self) {
        assert!(!self.memory.is_empty() || cfg!(not(target_os = "linux")));
        let Some(first) = self.memory.first() else { return };
        for (n, now) in self.memory.iter().enumerate() {
            let resident = now.resident.saturating_sub(first.resident);
            let most = now.most.saturating_sub(first.most);
            assert!(resident <= 4 * MIB && most <= 4 * MIB, "after {} MiB: {first:?} became {now:?}", 64 * (n + 1));
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.handed.position;
        let at = usize::try_from(before % self.pattern.len() as u64).unwrap();
        let left = usize::try_from(self.end - before).unwrap();
        let some = buffer.len().min(left).min(self.pattern.len() - at);
        buffer[..some].copy_from_slice(&self.pattern[at..at + some]);
        self.handed = self.handed.advance(&buffer[..some]);
        if before / (64 * MIB) != self.handed.position / (64 * MIB) {
            self.memory.extend(Memory::now());
        }
        Ok(some)
    }
}

/// Of this process, the fake included; in bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    resident: u64,
    most: u64,
}

impl Memory {
    /// `None` where the system does not tell.
    fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        Some(Self { resident: value("VmRSS:")?, most: value("VmHWM:")? })
    }
}

/// The CRC of A followed by B, bit by bit: B's length in bytes moves A's register on.
fn join(a: u64, b: u64, len_b: u64) -> u64 {
    let times_x = |p: u64| (p >> 1) ^ if p & 1 == 1 { 0xC96C_5795_D787_0F42 } else { 0 };
    let product = |p: u64, q: u64| {
        let shifted = |q: &u64| Some(times_x(*q));
        let powers = std::iter::successors(Some(q), shifted).take(64).enumerate();
        powers.filter(|(bit, _)| p << bit >> 63 == 1).fold(0, |sum, (_, q)| sum ^ q)
    };
    let squares = std::iter::successors(Some(1 << (63 - 8)), |p| Some(product(*p, *p))).take(64).enumerate();
    squares.filter(|(bit, _)| len_b >> bit & 1 == 1).fold(a, |a, (_, power)| product(a, power)) ^ b
}

fn zeros(len: u64) -> Checkpoint {
    let (mut crc64, mut all, mut power) = (Checkpoint::default().advance([0]).crc64, 0, 1);
    for bit in 0..63 {
        if len >> bit & 1 == 1 {
            all = join(all, crc64, power);
        }
        (crc64, power) = (join(crc64, crc64, power), power * 2);
    }
    Checkpoint { position: len, crc64: all }
}

#[track_caller]
fn assert_full<T: std::fmt::Debug>(result: io::Result<T>, appender: &Appender) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    let ours = Error::find(&error).unwrap();
    assert_eq!((ours.kind(), ours.outcome(), ours.is_transient()), (ErrorKind::TooLarge, Outcome::NotApplied, false));
    assert_eq!(ours.next_position(), Some(appender.checkpoint().position + appender.pending().len() as u64));
}

#[test]
#[ignore = "5 GiB: cargo test --release --test five_gib -- --ignored"]
fn five_gib_go_through_copy_from_in_the_memory_of_one_buffer_and_the_byte_beyond_is_refused() {
    let _alone = alone();
    let oss = FakeOss::start().unwrap();
    oss.keep_no_bytes();
    let mut zeros_without_end = Stream::zeros();
    let mut appender = oss.bucket("bucket").appender("zeros").buffer_capacity(BUFFER).open().unwrap();
    oss.inject(Fault::LoseAnswer);

    let copied = appender.copy_from(&mut zeros_without_end);
    assert_full(copied, &appender);
    assert_eq!(appender.in_doubt(), None);
    zeros_without_end.check_memory();
    assert_eq!(zeros_without_end.handed.position, LIMIT + 1, "one byte more is asked for");
    assert!(appender.pending() == vec![0; 3 << 20]);
    assert_eq!(appender.checkpoint(), zeros(LIMIT - 3 * MIB));
    assert_eq!(oss.object_len("bucket", "zeros"), Some(LIMIT - 3 * MIB));

    let end = appender.finish().unwrap();
    assert_eq!(end, Checkpoint { position: LIMIT, crc64: 0xD3B2_91C9_2E59_D38C });
    assert_eq!(oss.object_crc64("bucket", "zeros"), Some(end.crc64));
    assert_eq!(oss.object_len("bucket", "zeros"), Some(LIMIT));
}

#[test]
#[ignore = "5 GiB: cargo test --release --test five_gib -- --ignored"]
fn five_gib_go_through_io_copy_in_the_memory_of_one_buffer_and_the_byte_beyond_is_refused() {
    let _alone = alone();
    let oss = FakeOss::start().unwrap();
    oss.keep_no_bytes();
    let mut noise = Stream::noise(LIMIT);
    let mut appender = oss.bucket("bucket").appender("noise").buffer_capacity(BUFFER).open().unwrap();
    oss.inject(Fault::LoseAnswer);

    assert_eq!(io::copy(&mut noise, &mut appender).unwrap(), LIMIT);
    noise.check_memory();
    let written = appender.write(b"x");
    assert_full(written, &appender);
    assert_eq!(appender.in_doubt(), None);
    let left = appender.pending().len();
    assert!(left > 0 && appender.pending() == noise.part(LIMIT - left as u64, left));

    let (at, pending) = appender.into_parts();
    assert_eq!(at.advance(&pending), noise.handed, "what is handed back is the end of what was accepted");
    assert_eq!(oss.object_len("bucket", "noise"), Some(at.position));
    assert_eq!(oss.object_crc64("bucket", "noise"), Some(at.crc64));
    let mut again = oss.bucket("bucket").appender("noise").resume(at).unwrap();
    again.write_all(&pending).unwrap();
    assert_eq!(again.finish().unwrap(), noise.handed);
    assert_eq!(oss.object_len("bucket", "noise"), Some(LIMIT));
    assert_eq!(oss.object_crc64("bucket", "noise"), Some(noise.handed.crc64));
}

/// The object so far is only said to be there: the fake answers the appends in `ends` as if each had led there.
fn answer_as_if(oss: &FakeOss, ends: &[Checkpoint]) {
    for end in ends {
        let next = end.position.to_string().leak();
        let crc64 = end.crc64.to_string().leak();
        let headers = Fault::WithHeader("x-oss-next-append-position", next);
        oss.inject(Fault::Status(200).and(headers).and(Fault::WithHeader("x-oss-hash-crc64ecma", crc64)));
    }
}

/// Position and length of every append.
fn appends(oss: &FakeOss) -> Vec<(u64, u64)> {
    let requests = oss.requests().into_iter().filter(|request| request.method == "POST");
    let position = |target: &str| target.rsplit_once("position=").unwrap().1.parse().unwrap();
    requests.map(|request| (position(&request.target), request.body_len)).collect()
}

#[test]
fn zeros_join_to_the_known_crc() {
    assert_eq!(zeros(LIMIT).crc64, 0xD3B2_91C9_2E59_D38C);
    assert_eq!(zeros(1000), Checkpoint::default().advance([0; 1000]));
}

#[test]
fn the_last_mebibytes_below_the_limit_go_in_and_copy_from_is_refused_one_byte_more() {
    let _alone = alone();
    let oss = FakeOss::start().unwrap();
    oss.keep_no_bytes();
    answer_as_if(&oss, &[17, 10, 3, 0].map(|mib| zeros(LIMIT - mib * MIB)));
    let bucket = oss.bucket("bucket");
    let mut appender = bucket.appender("k").buffer_capacity(BUFFER).resume(zeros(LIMIT - 24 * MIB)).unwrap();
    let mut more = Stream::zeros();

    let copied = appender.copy_from(&mut more);
    assert_full(copied, &appender);
    assert_eq!(appender.in_doubt(), None);
    assert_eq!(more.handed.position, 24 * MIB + 1);
    assert_eq!(appender.checkpoint(), zeros(LIMIT - 3 * MIB));
    assert!(appender.pending() == vec![0; 3 << 20]);
    let again = appender.copy_from(&b"x"[..]);
    assert_full(again, &appender);
    assert_eq!(appender.in_doubt(), None);
    assert_eq!(appender.copy_from(io::empty()).unwrap(), 0, "there is no byte too many");

    assert_eq!(appender.finish().unwrap().crc64, 0xD3B2_91C9_2E59_D38C);
    let sent = [(24, 7), (17, 7), (10, 7), (3, 3)].map(|(left, mib)| (LIMIT - left * MIB, mib * MIB));
    assert_eq!(appends(&oss), sent);
}

#[test]
fn the_last_mebibytes_below_the_limit_go_in_and_io_copy_is_refused_one_byte_more() {
    let _alone = alone();
    let oss = FakeOss::start().unwrap();
    oss.keep_no_bytes();
    let start = zeros(LIMIT - 24 * MIB);
    let mut noise = Stream::noise(24 * MIB);
    noise.pattern.truncate(1 << 20); // so that io::copy's pieces fill the buffer exactly
    let all = noise.part(0, 24 << 20);
    let at = |mib: usize| start.advance(&all[..mib << 20]);
    answer_as_if(&oss, &[7, 14, 21, 24].map(at));
    let mut appender = oss.bucket("bucket").appender("k").buffer_capacity(BUFFER).resume(start).unwrap();

    let copied = io::copy(&mut (&mut noise).chain(&b"x"[..]), &mut appender);
    assert_full(copied, &appender);
    assert_eq!(appender.in_doubt(), None);
    let accepted = (appender.checkpoint().position + appender.pending().len() as u64 - start.position) as usize;
    assert_eq!(accepted, all.len());
    assert!(appender.pending() == &all[accepted - appender.pending().len()..]);
    appender.flush().unwrap();
    assert!(appender.pending().is_empty());
    let written = appender.write_all(b"x");
    assert_full(written, &appender);
    assert_eq!(appender.in_doubt(), None);
    assert_eq!(appender.write(b"").unwrap(), 0);
    assert_eq!(appender.finish().unwrap(), at(24));

    let mut next = start.position;
    for (position, length) in appends(&oss) {
        assert_eq!(position, next);
        next += length;
    }
    assert_eq!(next, LIMIT);
}

#[test]
fn a_write_that_reaches_beyond_the_limit_is_refused_whole_and_a_shorter_one_still_fits() {
    let oss = FakeOss::start().unwrap();
    oss.keep_no_bytes();
    let start = zeros(LIMIT - 10);
    answer_as_if(&oss, &[start.advance("0123456789")]);
    let mut appender = oss.bucket("bucket").appender("k").resume(start).unwrap();
    appender.write_all(b"0123").unwrap();
    let written = appender.write(b"456789x");
    assert_full(written, &appender);
    assert_eq!(
        (appender.pending(), appender.in_doubt()),
        (&b"0123"[..], Some(LIMIT - 10..LIMIT - 6)),
        "an earlier life's?"
    );
    appender.write_all(b"456789").unwrap();
    let written = appender.write(b"x");
    assert_full(written, &appender);
    assert_eq!(appender.in_doubt(), Some(LIMIT - 10..LIMIT));
    assert_eq!(appender.finish().unwrap(), start.advance("0123456789"));
    assert_eq!(appends(&oss), [(LIMIT - 10, 10)]);
}

#[test]
fn a_service_with_a_lower_limit_is_believed_and_the_bytes_stay_pending() {
    let oss = FakeOss::start().unwrap();
    oss.set_size_limit(10);
    let mut appender = oss.bucket("bucket").appender("k").open().unwrap();
    appender.write_all(b"01234567").unwrap();
    appender.flush().unwrap();
    appender.write_all(b"89abc").unwrap();
    let error = appender.flush().unwrap_err();
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::TooLarge));
    assert_eq!(Error::find(&error).map(Error::outcome), Some(Outcome::NotApplied));
    assert_eq!((appender.pending(), appender.in_doubt()), (&b"89abc"[..], None));
    assert_eq!(oss.object("bucket", "k").unwrap(), b"01234567");
}
