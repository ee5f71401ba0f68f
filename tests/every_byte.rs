//! *Exactly once, wherever the line is cut*: the connection ends after byte N of the request or of the answer, for every
//! N; afterwards the object is what was accepted, or the error says that it is not known and the bytes are at hand.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Bucket, Checkpoint, Outcome,
    testing::{FakeOss, Fault},
};
use std::io::Write;

const BUCKET: &str = "bucket";
const FIRST: &[u8] = b"what was there before\n";
const SMALL: &[u8] = b"thirty bytes, a line of a log\n";

/// Longer than any answer of the fake's, head included.
const LONGEST_ANSWER: u64 = 450;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    AtZero,
    Behind,
}

const STARTS: [Start; 2] = [Start::AtZero, Start::Behind];

struct Place {
    oss: FakeOss,
    bucket: Bucket,
    keys: u64,
}

impl Place {
    fn new() -> Self {
        let oss = FakeOss::start().unwrap();
        let bucket = oss.bucket(BUCKET);
        Self { oss, bucket, keys: 0 }
    }

    /// A fresh object, its end, and what it holds. No fault may be left from the last one.
    fn object(&mut self, start: Start) -> (String, Checkpoint, &'static [u8]) {
        assert_eq!(self.oss.faults_left(), 0);
        self.keys += 1;
        let key = format!("{:06}", self.keys);
        match start {
            Start::AtZero => (key, Checkpoint::default(), b""),
            Start::Behind => {
                self.oss.append_as_stranger(BUCKET, &key, FIRST);
                (key, Checkpoint::default().advance(FIRST), FIRST)
            }
        }
    }

    /// How long such a request is, head and body.
    fn request_len(&mut self, start: Start, data: &[u8]) -> u64 {
        let (key, at, _) = self.object(start);
        self.bucket.append_object(&key, at, data).unwrap();
        self.oss.requests().last().unwrap().head.len() as u64 + data.len() as u64
    }

    /// Faults for the append and for the asks behind it; then by an appender and by `append_object`.
    fn settles(&mut self, start: Start, data: &[u8], post: &Fault, heads: &[Fault]) {
        let inject = |oss: &FakeOss| {
            oss.inject(post.clone());
            heads.iter().for_each(|fault| oss.inject_on("HEAD", fault.clone()));
        };
        let what = format!("{start:?} {post:?} {heads:?}");

        let (key, at, before) = self.object(start);
        let mut app = self.bucket.appender(&key).buffer_capacity(data.len()).open().unwrap();
        assert_eq!(app.checkpoint(), at);
        app.write_all(data).unwrap();
        inject(&self.oss);
        let end = app.finish().unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let whole = [before, data].concat();
        assert!(self.oss.object(BUCKET, &key).unwrap() == whole, "{what}");
        assert_eq!(end, at.advance(data), "{what}");

        let (key, at, _) = self.object(start);
        inject(&self.oss);
        let end = self.bucket.append_object(&key, at, data).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(self.oss.object(BUCKET, &key).unwrap() == whole, "{what}");
        assert_eq!(end.checkpoint(), Some(at.advance(data)), "{what}");
    }

    /// The same where nothing can be found out: all attempts to ask fail.
    fn keeps_the_doubt(&mut self, start: Start, data: &[u8], post: &Fault, head: &Fault) {
        let inject = |oss: &FakeOss| {
            oss.inject(post.clone());
            (0..3).for_each(|_| oss.inject_on("HEAD", head.clone()));
        };
        let what = format!("{start:?} {post:?} 3x {head:?}");

        let (key, at, before) = self.object(start);
        let mut app = self.bucket.appender(&key).open().unwrap();
        app.write_all(data).unwrap();
        inject(&self.oss);
        let failed = app.finish().expect_err(&what);
        assert_eq!(failed.error().outcome(), Outcome::Unknown, "{what}");
        let app = failed.into_appender();
        assert_eq!(app.pending(), data, "{what}");
        assert_eq!(app.in_doubt(), Some(at.position..at.position + data.len() as u64), "{what}");
        assert_eq!(app.checkpoint(), at, "{what}");
        assert_eq!(app.finish().unwrap(), at.advance(data), "{what}");
        assert_eq!(self.oss.object(BUCKET, &key).unwrap(), [before, data].concat(), "{what}");

        let (key, at, before) = self.object(start);
        inject(&self.oss);
        let error = self.bucket.append_object(&key, at, data).expect_err(&what);
        assert_eq!(error.outcome(), Outcome::Unknown, "{what}");
        let object = self.oss.object(BUCKET, &key).unwrap_or_default();
        assert!(object == before || object == [before, data].concat(), "{what}");
    }
}

#[test]
fn a_request_cut_at_any_byte_is_completed_once() {
    let mut place = Place::new();
    for start in STARTS {
        for n in 0..=place.request_len(start, SMALL) {
            place.settles(start, SMALL, &Fault::CutRequest(n), &[]);
        }
    }
}

#[test]
fn an_answer_cut_at_any_byte_is_settled() {
    let mut place = Place::new();
    for start in STARTS {
        for n in 0..=LONGEST_ANSWER {
            place.settles(start, SMALL, &Fault::CutAnswer(n), &[]);
        }
    }
}

#[test]
fn an_ask_cut_at_any_byte_of_its_answer_is_asked_again() {
    let mut place = Place::new();
    for start in STARTS {
        for n in 0..=LONGEST_ANSWER {
            let post = if n % 2 == 0 { Fault::LoseAnswer } else { Fault::LoseRequest };
            place.settles(start, SMALL, &post, &[Fault::CutAnswer(n)]);
        }
    }
}

#[test]
fn an_ask_that_is_always_cut_short_keeps_the_doubt_and_the_bytes() {
    let mut place = Place::new();
    for start in STARTS {
        let head = head_answer_len(&mut place, start);
        // Missing is told by a header, so its answer must be whole, too.
        for n in 0..head {
            place.keeps_the_doubt(start, SMALL, &Fault::LoseAnswer, &Fault::CutAnswer(n));
        }
    }
}

#[test]
fn an_ask_whose_request_is_cut_at_any_byte_is_asked_again() {
    let mut place = Place::new();
    let (key, ..) = place.object(Start::Behind);
    place.bucket.head_object(&key).unwrap();
    let len = place.oss.requests().last().unwrap().head.len() as u64 + 20;
    for n in 0..=len {
        place.settles(Start::Behind, SMALL, &Fault::LoseAnswer, &[Fault::CutRequest(n)]);
    }
}

#[test]
fn a_chunk_larger_than_all_buffers_is_completed_once_wherever_it_is_cut() {
    const LEN: usize = 12 << 20;
    let data: Vec<u8> = (0..LEN as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut place = Place::new();
    for start in STARTS {
        let len = place.request_len(start, &data);
        let mut random = 0x5EED_u64;
        let mut cuts = vec![len - data.len() as u64 + 1, len - 1];
        for _ in 0..2 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            cuts.push((random >> 16) % len);
        }
        for n in cuts {
            place.settles(start, &data, &Fault::CutRequest(n), &[]);
        }
        place.settles(start, &data, &Fault::CutAnswer(100), &[]);
    }
}

/// By trying: from so many bytes on, the answer to the ask is good.
fn head_answer_len(place: &mut Place, start: Start) -> u64 {
    let (key, at, _) = place.object(start);
    place.bucket.append_object(&key, at, SMALL).unwrap();
    let once = place.oss.builder(BUCKET).attempts(1).build().unwrap();
    (0..=LONGEST_ANSWER)
        .find(|n| {
            place.oss.inject_on("HEAD", Fault::CutAnswer(*n));
            once.head_object(&key).is_ok()
        })
        .unwrap()
}
