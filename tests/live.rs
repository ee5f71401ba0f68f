//! The same story against the service itself: positions, sums, refusals, reading back, as the fake has them.
//!
//! Ignored unless asked for: `cargo test --test live -- --ignored`, with the variables of `Bucket::from_env` set and a
//! bucket in which objects below `oss-append-live/` may be made, read and deleted.

use oss_append::{Bucket, Checkpoint, ErrorKind, Found, Outcome};
use std::{
    hash::{BuildHasher, RandomState},
    io::{Read, Write},
};

/// A key that nobody else uses, deleted at the end whatever happens.
struct Scratch(Bucket, String);

impl Scratch {
    fn new() -> Self {
        let bucket = Bucket::from_env().expect("the environment should name a bucket");
        Self(bucket, format!("oss-append-live/{:016x}", RandomState::new().hash_one("key")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.0.delete_object(&self.1) {
            eprintln!("{} is left behind: {error}", self.1);
        }
    }
}

#[test]
#[ignore = "needs a real bucket, named by the environment"]
fn positions_sums_and_refusals_are_as_the_fake_has_them() {
    let scratch = Scratch::new();
    let (bucket, key) = (&scratch.0, scratch.1.as_str());
    assert!(!bucket.object_exists(key).unwrap());

    let first = bucket.append_object(key, 0, "first\n").unwrap();
    assert_eq!(first.checkpoint(), Some(Checkpoint::default().advance("first\n")));
    let second = bucket.append_object(key, &first, "second\n").unwrap();
    assert_eq!(second.next_position, 13);
    println!("etag {:?}, request id {:?}", second.etag, second.request_id);

    let error = bucket.append_object(key, 6, "elsewhere").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    assert_eq!((error.next_position(), error.code()), (Some(13), Some("PositionNotEqualToLength")));
    println!("{error}");

    // An empty append at the end changes nothing, and tells the sum: write-only keys depend on it.
    let nothing = bucket.append_object(key, &second, "").unwrap();
    assert_eq!(nothing.checkpoint(), second.checkpoint());
    assert!(nothing.crc64.is_some(), "the answer to an empty append has no CRC");

    let meta = bucket.head_object(key).unwrap();
    assert_eq!(meta.checkpoint(), second.checkpoint());
}

#[test]
#[ignore = "needs a real bucket, named by the environment"]
fn a_stream_of_several_requests_is_what_was_written() {
    let scratch = Scratch::new();
    let (bucket, key) = (&scratch.0, scratch.1.as_str());
    let text = "a line of some forty bytes, or nearly so\n".repeat(10_000);
    let mut appender = bucket.appender(key).buffer_capacity(100_000).whole_lines(true).create_new().unwrap();
    appender.write_all(text.as_bytes()).unwrap();
    let end = appender.finish().unwrap();
    assert_eq!(end, Checkpoint::default().advance(&text));

    let mut read = String::new();
    bucket.get_object(key).unwrap().read_to_string(&mut read).unwrap();
    assert!(read == text, "what was read is not what was written");
    let mut part = String::new();
    bucket.get_object_range(key, 2..6).unwrap().read_to_string(&mut part).unwrap();
    assert_eq!(part, &text[2..6]);
}
