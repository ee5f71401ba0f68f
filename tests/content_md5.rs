//! With `content_md5` bytes that were damaged on their way are refused before they are stored, and sent again.
#![cfg(feature = "md5")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::*;
use oss_append::{
    AppendOptions, Body, Bucket, ErrorKind, OnConflict, Outcome,
    testing::{FakeOss, Fault, Recorded},
};
use std::{
    cell::Cell,
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    rc::Rc,
};

const NAME: &str = "content-md5";
/// `printf abc | md5sum`, as the header has it.
const OF_ABC: &str = "kAFQmDzST7DWlj99KOF/cg==";

fn options() -> AppendOptions {
    AppendOptions::new().content_md5(true)
}

fn posts(oss: &FakeOss) -> Vec<Recorded> {
    oss.requests().into_iter().filter(|request| request.method == "POST").collect()
}

/// The headers of all appends that came in.
fn sums(oss: &FakeOss) -> Vec<Option<String>> {
    posts(oss).iter().map(|request| request.header(NAME).map(str::to_owned)).collect()
}

#[test]
fn each_request_says_the_sum_of_its_own_bytes() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    let mut out = log(&bucket).options(options()).buffer_capacity(3).open().unwrap();
    out.write_all(b"abcabcxyz").unwrap();
    out.finish().unwrap();
    assert_eq!(stage.text(), "abcabcxyz");
    let sums = sums(&stage.oss);
    assert_eq!(sums[..2], [Some(OF_ABC.to_owned()), Some(OF_ABC.to_owned())]);
    // The fake has checked it with its own arithmetic.
    assert!(sums.len() == 3 && sums[2].is_some() && sums[2] != sums[0]);
}

#[test]
fn damaged_chunks_are_sent_again_and_right_in_the_end() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    let mut out = log(&bucket).options(options()).buffer_capacity(4).open().unwrap();
    for fault in [Fault::Damage, Fault::Pass, Fault::Damage, Fault::Damage] {
        stage.oss.inject(fault);
    }
    out.write_all(b"one\ntwo\nend\n").unwrap();
    let end = out.finish().unwrap();
    assert_eq!((stage.text().as_str(), end), ("one\ntwo\nend\n", at("one\ntwo\nend\n")));
    assert_eq!(stage.posts(), 6);
}

#[test]
fn without_the_switch_they_are_stored_and_found() {
    for options in [AppendOptions::new(), options().content_md5(false)] {
        let stage = Stage::with("base");
        stage.oss.inject(Fault::Damage);
        let error = stage.bucket(3).append_object_with(KEY, at("base"), "abc", &options).unwrap_err();
        says(&error, ErrorKind::Integrity, Outcome::Applied);
        assert_eq!(sums(&stage.oss), [None]);
    }
}

#[test]
fn one_append_is_sent_again_from_memory_and_by_seeking() {
    let bodies: [fn() -> Body<'static>; 3] =
        [|| "abc".into(), || Body::from_seekable(Cursor::new("abc")), || Body::from_seekable(skipped())];
    for body in bodies {
        let stage = Stage::with("base");
        stage.oss.inject(Fault::Damage);
        stage.bucket(3).append_object_with(KEY, at("base"), body(), &options()).unwrap();
        assert_eq!(stage.text(), "baseabc");
        assert_eq!(sums(&stage.oss), [Some(OF_ABC.to_owned()), Some(OF_ABC.to_owned())]);
    }
}

/// Stands behind what is not to be sent.
fn skipped() -> Cursor<&'static [u8]> {
    let mut reader = Cursor::new(&b"not sent: abc"[..]);
    reader.seek(SeekFrom::Start(10)).unwrap();
    reader
}

#[test]
fn a_file_is_sent_again_from_its_cursor() {
    let stage = Stage::empty();
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    file.write_all(&bytes).unwrap();
    file.seek(SeekFrom::Start(7)).unwrap();
    stage.oss.inject(Fault::Damage);
    stage.bucket(3).append_object_with(KEY, 0, &file, &options()).unwrap();
    assert_eq!(stage.oss.object(BUCKET, KEY).unwrap(), bytes[7..]);
    assert_eq!(stage.posts(), 2);
}

#[test]
fn resumable_append_sums_what_it_sends() {
    let stage = Stage::with("base");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"baseabc").unwrap();
    stage.oss.inject(Fault::Damage);
    stage.bucket(3).resumable_append_with(KEY, file.path(), &options()).unwrap();
    assert_eq!(stage.text(), "baseabc");
    assert_eq!(sums(&stage.oss), [Some(OF_ABC.to_owned()), Some(OF_ABC.to_owned())]);
}

#[test]
fn what_is_damaged_every_time_is_not_stored() {
    let stage = Stage::with("base");
    let bucket = stage.bucket(3);
    let damage = || (0..3).for_each(|_| stage.oss.inject(Fault::Damage));
    damage();
    let error = bucket.append_object_with(KEY, at("base"), "abc", &options()).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::NotApplied);
    assert_eq!((error.status(), error.code(), error.is_transient()), (Some(400), Some("InvalidDigest"), true));
    assert_eq!((stage.posts(), stage.text().as_str()), (3, "base"));

    // An appender keeps the bytes, and brings them in when the line is better.
    let mut out = log(&bucket).options(options()).resume(at("base")).unwrap();
    damage();
    let error = put(&mut out, "abc").unwrap_err();
    assert_eq!(error.code(), Some("InvalidDigest"));
    assert_eq!(out.pending(), b"abc");
    out.finish().unwrap();
    assert_eq!(stage.text(), "baseabc");
}

#[test]
fn a_lost_answer_is_settled_as_without() {
    let stage = Stage::with("base");
    for fault in [Fault::Damage, Fault::LoseAnswer] {
        stage.oss.inject(fault);
    }
    stage.bucket(3).append_object_with(KEY, at("base"), "abc", &options()).unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "POST 4", "HEAD"]);
    assert_eq!(stage.oss.requests()[2].header(NAME), None);
    assert_eq!(stage.text(), "baseabc");
}

#[test]
fn a_chunk_that_moves_keeps_its_sum() {
    let stage = Stage::with("base");
    let bucket = stage.bucket(3);
    let mut out = log(&bucket).options(options()).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.inject(Fault::StrangerBefore(b"theirs".to_vec()));
    put(&mut out, "abc").unwrap();
    assert_eq!(stage.text(), "basetheirsabc");
    assert_eq!(sums(&stage.oss), [Some(OF_ABC.to_owned()), Some(OF_ABC.to_owned())]);
}

#[test]
fn bytes_cut_otherwise_by_an_earlier_life_have_sums_of_their_own() {
    let stage = Stage::with("base");
    stage.oss.append_as_stranger(BUCKET, KEY, b"ab");
    let bucket = stage.bucket(3);
    // An earlier life appended two of these six bytes.
    let mut out = log(&bucket).options(options()).resume(at("base")).unwrap();
    put(&mut out, "ababcd").unwrap();
    assert_eq!(stage.text(), "baseababcd");
    let sums = sums(&stage.oss);
    assert!(sums.iter().all(Option::is_some) && sums.first() != sums.last(), "{sums:?}");
}

#[test]
fn an_append_of_nothing_is_summed_and_a_probe_is_not() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    bucket.append_object_with(KEY, 0, "", &options()).unwrap();
    // `md5sum < /dev/null`
    assert_eq!(sums(&stage.oss), [Some("1B2M2Y8AsgTpgAmY7PhCfg==".to_owned())]);

    // Who may only write is told by an append of nothing.
    stage.oss.forbid("HEAD");
    stage.oss.forbid("GET");
    stage.oss.inject(Fault::LoseAnswer);
    bucket.append_object_with(KEY, at(""), "abc", &options()).unwrap();
    assert_eq!(stage.text(), "abc");
    let posts = posts(&stage.oss);
    assert!(posts.iter().skip(1).any(|post| post.body_len == 0), "{posts:?}");
    for post in &posts[1..] {
        assert_eq!(post.header(NAME), (post.body_len > 0).then_some(OF_ABC), "{post:?}");
    }
}

#[test]
fn the_last_attempt_of_a_dropped_appender_is_summed() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    let mut out = log(&bucket).options(options()).create_new().unwrap();
    out.write_all(b"abc").unwrap();
    drop(out);
    assert_eq!((stage.text().as_str(), sums(&stage.oss)), ("abc", vec![Some(OF_ABC.to_owned())]));
}

#[test]
fn a_source_that_can_be_read_once_is_refused_with_what_to_do() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    for body in [Body::from_reader(&b"abc"[..]), Body::sized(&b"abc"[..], 3)] {
        let error = bucket.append_object_with(KEY, 0, body, &options()).unwrap_err();
        says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
        for word in ["append to \"log\" at 0", "read only once", "Body::from_seekable", "Appender"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    assert!(stage.oss.requests().is_empty());
}

#[test]
fn a_sum_by_hand_and_the_switch_are_one_too_many() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    let both = options().header("Content-MD5", OF_ABC);
    let errors = [
        bucket.append_object_with(KEY, 0, "abc", &both).unwrap_err(),
        log(&bucket).options(both).create_new().unwrap_err(),
    ];
    for error in errors {
        says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
        assert!(error.to_string().contains("leave out one of the two"), "{error}");
    }
    let by_hand = AppendOptions::new().header("Content-MD5", OF_ABC);
    let error = log(&bucket).options(by_hand.clone()).create_new().unwrap_err();
    says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
    assert!(error.to_string().contains("AppendOptions::content_md5"), "{error}");
    assert!(stage.oss.requests().is_empty());
    bucket.append_object_with(KEY, 0, "abc", &by_hand).unwrap();
}

/// Yields `texts` one after the other, one for each time that it is read from its beginning.
struct Changing {
    texts: Vec<&'static str>,
    times: Rc<Cell<usize>>,
    at: u64,
}

impl Read for Changing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == 0 {
            self.times.set(self.times.get() + 1);
        }
        let text = self.texts[(self.times.get() - 1).min(self.texts.len() - 1)];
        let read = (&text.as_bytes()[self.at as usize..]).read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Changing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
            SeekFrom::End(by) => (self.texts[0].len() as u64).checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

fn changing(bucket: &Bucket, texts: &[&'static str]) -> (oss_append::Result<oss_append::Appended>, usize) {
    let times = Rc::new(Cell::new(0));
    let body = Body::from_seekable(Changing { texts: texts.to_vec(), times: Rc::clone(&times), at: 0 });
    (bucket.append_object_with(KEY, 0, body, &options()), times.get())
}

#[test]
fn what_is_not_in_memory_is_read_once_more_and_not_for_every_attempt() {
    let stage = Stage::empty();
    stage.oss.inject(Fault::Damage);
    let (appended, times) = changing(&stage.bucket(3), &["abc"]);
    appended.unwrap();
    assert_eq!((times, stage.posts()), (3, 2));
}

#[test]
fn a_source_that_changes_after_it_was_summed_is_not_sent() {
    let stage = Stage::empty();
    let (appended, times) = changing(&stage.bucket(3), &["abc", "abd"]);
    says(&appended.unwrap_err(), ErrorKind::Body, Outcome::NotApplied);
    assert_eq!(times, 2);
    assert!(stage.is_absent());
}

#[test]
fn a_source_that_ends_before_its_end_fails_before_anything_is_sent() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    let body = Body::from_seekable(Changing { texts: vec!["abcdef", "abc"], times: Rc::new(Cell::new(1)), at: 0 });
    let error = bucket.append_object_with(KEY, 0, body, &options()).unwrap_err();
    says(&error, ErrorKind::Body, Outcome::NotApplied);
    assert!(error.to_string().contains("ended after 3 of the 6 bytes"), "{error}");
    assert!(stage.oss.requests().is_empty());
}

#[cfg(feature = "sign-v1")]
#[test]
fn it_is_signed_by_the_old_signature_too() {
    let stage = Stage::empty();
    let builder = stage.oss.builder(BUCKET).signature_version(oss_append::SignatureVersion::V1);
    let bucket = builder.build().unwrap();
    stage.oss.inject(Fault::Damage);
    bucket.append_object_with(KEY, 0, "abc", &options()).unwrap();
    assert_eq!(sums(&stage.oss), [Some(OF_ABC.to_owned()), Some(OF_ABC.to_owned())]);
    assert!(stage.oss.requests()[0].header("authorization").unwrap().starts_with("OSS "));
}

/// `cargo test --release --no-default-features --features md5 --test content_md5 -- --ignored --nocapture`
#[test]
#[ignore = "measures, and proves nothing"]
#[expect(clippy::disallowed_methods, reason = "the library's clock is not ours")]
fn what_it_costs() {
    use md5::{Digest, Md5};
    use std::{hint::black_box, time::Instant};

    fn rate(name: &str, sum: impl Fn(&[u8])) {
        let bytes = vec![0x5a; 8 << 20]; // a chunk as an appender sends it
        let seconds = (0..30).map(|_| {
            let start = Instant::now();
            sum(black_box(&bytes));
            start.elapsed().as_secs_f64()
        });
        println!("{name}: {:.0} MB/s", bytes.len() as f64 / 1e6 / seconds.fold(f64::MAX, f64::min));
    }
    rate("MD5", |bytes| {
        black_box(Md5::digest(bytes));
    });
    rate("CRC-64", |bytes| {
        black_box(at("").advance(bytes));
    });
}
