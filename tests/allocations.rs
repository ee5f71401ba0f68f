//! Promise: once a stream runs, an append allocates what a request is made of, and no buffer: the bytes stay where they
//! are, however many.
//!
//! Only the allocations of the thread that appends are counted, so the fake's are not among them.
//!
//! ```console
//! $ cargo test --release --test allocations -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use allocation_counter::{AllocationInfo, measure};
use oss_append::{Bucket, Position, testing::FakeOss};
use std::io::Write;

const APPENDS: u64 = 50;
/// A request's texts, an answer's headers and what the HTTP client makes of both. One buffer would be far more.
const BYTES: u64 = 24 << 10;
const TIMES: u64 = 200;

fn bucket() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    oss.keep_no_bytes();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

/// What one append allocates, in the middle of many.
fn each(name: &str, mut append: impl FnMut()) -> AllocationInfo {
    (0..3).for_each(|_| append()); // connects, and allocates what is kept
    let info = measure(|| (0..APPENDS).for_each(|_| append()));
    let each =
        AllocationInfo { count_total: info.count_total / APPENDS, bytes_total: info.bytes_total / APPENDS, ..info };
    println!("{name}: {} allocations, {} bytes for each append", each.count_total, each.bytes_total);
    each
}

#[test]
fn a_stream_allocates_no_buffer_however_large_its_requests() {
    let (_oss, bucket) = bucket();
    for size in [1 << 10, 64 << 10, 1 << 20] {
        let mut stream = bucket.appender(&format!("of-{size}")).buffer_capacity(size).create_new().unwrap();
        let record = vec![7; size];
        let each = each(&format!("Appender, {} KiB a request", size >> 10), || {
            stream.write_all(&record).unwrap();
            stream.flush().unwrap();
        });
        assert!(each.bytes_total <= BYTES, "{each:?}");
        assert!(each.count_total <= TIMES, "{each:?}");
        assert!(each.count_current <= 1, "what an append allocates, it gives back: {each:?}");
        stream.finish().unwrap();
    }
}

#[test]
fn bytes_that_are_lent_are_not_copied_for_an_append() {
    let (_oss, bucket) = bucket();
    let (record, mut at) = (vec![7; 1 << 20], Position::from(0));
    let each = each("append_object, 1 MiB", || at = bucket.append_object("key", at, &record).unwrap().into());
    assert!(each.bytes_total <= BYTES, "{each:?}");
    assert!(each.count_total <= TIMES, "{each:?}");
}

#[test]
fn writing_into_the_buffer_allocates_nothing() {
    let (_oss, bucket) = bucket();
    let mut stream = bucket.appender("small").create_new().unwrap();
    stream.write_all(b"the first write allocates the buffer").unwrap();
    let info = measure(|| (0..1000).for_each(|_| stream.write_all(b"a line of a log\n").unwrap()));
    assert_eq!(info.count_total, 0, "{info:?}");
    stream.finish().unwrap();
}
