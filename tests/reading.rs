//! What is read is what the service holds: whole, checked by its CRC-64, in the range that was asked for; or it is an
//! error, never silence.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::testing::{FakeOss, Fault};
use oss_append::{AppendOptions, Bucket, Checkpoint, Error, ErrorKind, ObjectReader, Outcome};
use std::io::{self, Read};
use std::ops::{Bound, RangeBounds};

const TEXT: &[u8] = b"0123456789";

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    bucket.append_object("log", 0, TEXT).unwrap();
    (oss, bucket)
}

fn all(mut reader: ObjectReader) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map(|_| bytes)
}

fn ours(error: &io::Error) -> &Error {
    Error::find(error).expect("the library's own error should be inside")
}

fn range(bucket: &Bucket, range: impl RangeBounds<u64>) -> oss_append::Result<Vec<u8>> {
    bucket.get_object_range("log", range).map(|reader| all(reader).unwrap())
}

// ---- the whole object ------------------------------------------------------------------------------------------

#[test]
fn an_object_comes_back_as_it_is_and_says_what_it_is() {
    let (_oss, bucket) = start();
    let mut reader = bucket.get_object("log").unwrap();
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    let meta = reader.meta().clone();
    assert_eq!((meta.length, meta.checkpoint()), (10, Some(Checkpoint::default().advance(TEXT))));
    assert_eq!(meta, bucket.head_object("log").unwrap());
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, TEXT);
    assert_eq!((reader.read(&mut [0; 4]).unwrap(), reader.read(&mut [0; 4]).unwrap()), (0, 0));
}

#[test]
fn an_empty_object_and_one_without_a_crc_are_read_too() {
    let (oss, bucket) = start();
    bucket.append_object("empty", 0, "").unwrap();
    assert_eq!(all(bucket.get_object("empty").unwrap()).unwrap(), b"");
    oss.without_crc();
    let reader = bucket.get_object("log").unwrap();
    assert_eq!(reader.meta().crc64, None);
    assert_eq!(all(reader).unwrap(), TEXT);
}

#[test]
fn a_megabyte_comes_back_through_any_buffer() {
    let (_oss, bucket) = start();
    let bytes: Vec<u8> = (0..1_000_003u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    bucket.append_object("big", 0, &bytes).unwrap();
    for size in [1000, 65_536, 1 << 21] {
        let (mut reader, mut read, mut buffer) = (bucket.get_object("big").unwrap(), Vec::new(), vec![0; size]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                n => read.extend_from_slice(&buffer[..n]),
            }
        }
        assert!(read == bytes, "{size}");
    }
}

#[test]
fn another_crc_is_an_error_at_the_end_and_stays_one() {
    let (oss, bucket) = start();
    oss.inject_on("GET", Fault::WrongCrc);
    let mut reader = bucket.get_object("log").unwrap();
    let mut bytes = [0; 10];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, TEXT);
    for _ in 0..3 {
        let error = reader.read(&mut bytes).unwrap_err();
        assert_eq!((error.kind(), ours(&error).kind()), (io::ErrorKind::InvalidData, ErrorKind::Integrity));
        assert!(!ours(&error).is_transient() && ours(&error).outcome() == Outcome::NotApplied);
        assert!(error.to_string().starts_with("get of \"log\": "), "{error}");
    }
    assert_eq!(reader.read(&mut []).unwrap(), 0, "an empty buffer asks for nothing");
}

#[test]
fn another_crc_is_an_error_for_an_empty_object_too() {
    let (oss, bucket) = start();
    bucket.append_object("empty", 0, "").unwrap();
    oss.inject_on("GET", Fault::WrongCrc);
    let error = all(bucket.get_object("empty").unwrap()).unwrap_err();
    assert_eq!(ours(&error).kind(), ErrorKind::Integrity);
}

#[test]
fn an_answer_cut_at_any_byte_is_an_error_that_stays() {
    let (oss, bucket) = start();
    let once = oss.builder("bucket").attempts(1).build().unwrap();
    let (mut cut, mut in_the_body) = (0, 0);
    loop {
        oss.inject_on("GET", Fault::CutAnswer(cut));
        match once.get_object("log") {
            Err(error) => assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Transport, true), "{cut}"),
            Ok(mut reader) => {
                let mut bytes = Vec::new();
                if reader.read_to_end(&mut bytes).is_ok() {
                    assert_eq!(bytes, TEXT);
                    break;
                }
                assert_eq!(bytes, &TEXT[..in_the_body], "{cut}");
                in_the_body += 1;
                for _ in 0..2 {
                    let error = reader.read(&mut [0; 4]).unwrap_err();
                    assert_eq!((ours(&error).kind(), ours(&error).is_transient()), (ErrorKind::Transport, true));
                }
            }
        }
        cut += 1;
    }
    assert_eq!((in_the_body, oss.faults_left()), (10, 0));
    assert_eq!(all(bucket.get_object("log").unwrap()).unwrap(), TEXT, "no broken connection should be used again");
}

#[test]
fn a_reader_left_half_way_harms_nobody() {
    let (_oss, bucket) = start();
    bucket.append_object("big", 0, vec![7; 1 << 20]).unwrap();
    for _ in 0..3 {
        bucket.get_object("big").unwrap().read_exact(&mut [0; 100]).unwrap();
        assert_eq!(all(bucket.get_object("log").unwrap()).unwrap(), TEXT);
    }
}

#[test]
fn opening_is_tried_again_and_refusals_are_told() {
    let (oss, bucket) = start();
    for fault in [Fault::LoseAnswer, Fault::Refuse(503, "ServiceUnavailable")] {
        oss.inject_on("GET", fault);
    }
    assert_eq!(all(bucket.get_object("log").unwrap()).unwrap(), TEXT);

    let missing = bucket.get_object("missing").unwrap_err();
    assert_eq!((missing.kind(), missing.code()), (ErrorKind::Service, Some("NoSuchKey")));
    assert_eq!(io::Error::from(missing).kind(), io::ErrorKind::NotFound);
    assert_eq!(bucket.get_object("").unwrap_err().kind(), ErrorKind::InvalidInput);
    oss.forbid("GET");
    assert_eq!(bucket.get_object("log").unwrap_err().code(), Some("AccessDenied"));
}

#[test]
fn a_page_of_somebody_elses_is_not_the_object() {
    let (oss, bucket) = start();
    oss.inject_on("GET", Fault::Page(200));
    oss.inject_on("GET", Fault::StripHeaders);
    assert_eq!(all(bucket.get_object("log").unwrap()).unwrap(), TEXT);
    assert_eq!(oss.faults_left(), 0);
    let once = oss.builder("bucket").attempts(1).build().unwrap();
    oss.inject_on("GET", Fault::Page(200));
    assert_eq!(once.get_object("log").unwrap_err().kind(), ErrorKind::Transport);
}

#[test]
fn an_answer_without_a_length_or_of_another_status_is_none() {
    let (oss, bucket) = start();
    let once = oss.builder("bucket").attempts(1).build().unwrap();
    for (fault, kind) in [
        (Fault::Status(206), ErrorKind::Protocol),
        (Fault::Status(203), ErrorKind::Protocol),
        (Fault::Status(302), ErrorKind::Protocol),
        (Fault::WithoutHeader("Content-Length").and(Fault::CloseAfter), ErrorKind::Protocol),
        (Fault::WithHeader("Content-Length", "x"), ErrorKind::Transport),
        (Fault::Garbage, ErrorKind::Transport),
    ] {
        oss.inject_on("GET", fault.clone());
        assert_eq!(once.get_object("log").unwrap_err().kind(), kind, "{fault:?}");
    }
    assert_eq!(all(bucket.get_object("log").unwrap()).unwrap(), TEXT);
}

#[test]
fn nobody_is_asked_to_compress() {
    let (oss, bucket) = start();
    bucket.get_object("log").unwrap();
    bucket.get_object_range("log", 2..3).unwrap();
    for request in oss.requests().iter().filter(|request| request.method == "GET") {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
}

#[test]
fn while_it_is_appended_to_a_prefix_is_read() {
    let (oss, bucket) = start();
    oss.inject_on("GET", Fault::StrangerAfter(b"behind".to_vec()));
    let reader = bucket.get_object("log").unwrap();
    bucket.append_object("log", 16, "more").unwrap();
    assert_eq!(reader.meta().length, 10);
    assert_eq!(all(reader).unwrap(), TEXT);
    oss.inject_on("GET", Fault::StrangerBefore(b"!".to_vec()));
    assert_eq!(all(bucket.get_object("log").unwrap()).unwrap(), b"0123456789behindmore!");
}

#[test]
fn readers_beside_a_writer_see_ever_longer_prefixes() {
    let (oss, bucket) = start();
    let line = |n: u32| format!("line {n}\n").into_bytes();
    let whole: Vec<u8> = (0..200).flat_map(line).collect();
    let writer = {
        let bucket = bucket.clone();
        std::thread::spawn(move || {
            let mut at = bucket.append_object("lines", 0, "").unwrap();
            for n in 0..200 {
                at = bucket.append_object("lines", &at, line(n)).unwrap();
            }
        })
    };
    let mut longest = 0;
    while longest < whole.len() {
        let seen = match bucket.get_object("lines") {
            Ok(reader) => all(reader).unwrap(),
            Err(error) => {
                assert_eq!(error.code(), Some("NoSuchKey"));
                continue;
            }
        };
        assert!(seen.len() >= longest && whole.starts_with(&seen));
        longest = seen.len();
    }
    writer.join().unwrap();
    assert_eq!(oss.object("bucket", "lines").unwrap(), whole);
}

// ---- ranges ----------------------------------------------------------------------------------------------------

#[test]
fn every_form_of_range_gives_its_bytes() {
    let (_oss, bucket) = start();
    let excluded = (Bound::Excluded(2), Bound::Excluded(5));
    for (read, expected) in [
        (range(&bucket, ..), &b"0123456789"[..]),
        (range(&bucket, 0..), b"0123456789"),
        (range(&bucket, 5..), b"56789"),
        (range(&bucket, 9..), b"9"),
        (range(&bucket, ..3), b"012"),
        (range(&bucket, ..=3), b"0123"),
        (range(&bucket, 0..1), b"0"),
        (range(&bucket, 2..5), b"234"),
        (range(&bucket, 2..=5), b"2345"),
        (range(&bucket, 9..=9), b"9"),
        (range(&bucket, excluded), b"34"),
        (range(&bucket, 7..10), b"789"),
        (range(&bucket, 7..11), b"789"),
        (range(&bucket, 7..=u64::MAX), b"789"),
        (range(&bucket, ..1000), b"0123456789"),
        (range(&bucket, 0..10), b"0123456789"),
    ] {
        assert_eq!(read.unwrap(), expected);
    }
}

#[test]
fn every_small_range_is_what_a_slice_is() {
    let (_oss, bucket) = start();
    for first in 0..10 {
        for end in first + 1..13 {
            let expected = &TEXT[first as usize..(end as usize).min(10)];
            assert_eq!(range(&bucket, first..end).unwrap(), expected, "{first}..{end}");
        }
    }
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
fn an_empty_range_is_refused_before_anything_is_sent() {
    let (oss, bucket) = start();
    let before = oss.requests().len();
    for error in [
        range(&bucket, 0..0).unwrap_err(),
        range(&bucket, ..0).unwrap_err(),
        range(&bucket, 4..4).unwrap_err(),
        range(&bucket, 5..4).unwrap_err(),
        range(&bucket, 5..=4).unwrap_err(),
        range(&bucket, (Bound::Excluded(4), Bound::Excluded(5))).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("range is empty"), "{error}");
    }
    assert_eq!(bucket.get_object_range("", 1..).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(oss.requests().len(), before);
}

#[test]
fn a_range_beyond_the_end_is_refused_by_the_service() {
    let (oss, bucket) = start();
    bucket.append_object("empty", 0, "").unwrap();
    for error in [
        bucket.get_object_range("log", 10..).unwrap_err(),
        bucket.get_object_range("log", 10..20).unwrap_err(),
        bucket.get_object_range("empty", ..5).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Service, Some(416), Some("InvalidRange")));
    }
    let ranged = oss.requests().into_iter().rfind(|request| request.method == "GET").unwrap();
    assert_eq!((ranged.header("range"), ranged.header("x-oss-range-behavior")), (Some("bytes=0-4"), Some("standard")));
}

#[test]
fn the_whole_object_is_no_answer_to_a_range() {
    let (oss, bucket) = start();
    oss.inject_on("GET", Fault::IgnoreRange);
    let error = bucket.get_object_range("log", 2..5).unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)));
    assert!(error.to_string().starts_with("get of \"log\" from 2: the whole object came"), "{error}");
}

#[test]
fn only_the_range_that_was_asked_for_is_accepted() {
    let (oss, bucket) = start();
    for wrong in [
        Fault::WithHeader("Content-Range", "bytes 3-5/10"),
        Fault::WithHeader("Content-Range", "bytes 2-5/10"),
        Fault::WithHeader("Content-Range", "bytes 2-3/10"),
        Fault::WithHeader("Content-Range", "bytes 2-3/10").and(Fault::WithHeader("Content-Length", "2")),
        Fault::WithHeader("Content-Range", "bytes 2-4/4"),
        Fault::WithHeader("Content-Range", "bytes 2-4/*"),
        Fault::WithHeader("Content-Range", "2-4/10"),
        Fault::WithoutHeader("Content-Range"),
        Fault::WithoutHeader("Content-Length").and(Fault::CloseAfter),
    ] {
        oss.inject_on("GET", wrong.clone());
        let error = bucket.get_object_range("log", 2..5).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wrong:?}");
    }
    oss.inject_on("GET", Fault::WithHeader("Content-Range", "bytes 2-4/5"));
    assert_eq!(bucket.get_object_range("log", 2..).unwrap_err().kind(), ErrorKind::Protocol, "three of eight bytes");
    let less = Fault::WithHeader("Content-Range", "bytes 2-4/10").and(Fault::WithHeader("Content-Length", "3"));
    oss.inject_on("GET", less);
    assert_eq!(bucket.get_object_range("log", 2..).unwrap_err().kind(), ErrorKind::Protocol, "not to the end");
    assert_eq!(range(&bucket, 2..5).unwrap(), b"234");
}

#[test]
fn a_range_cut_short_is_an_error() {
    let (oss, _bucket) = start();
    let once = oss.builder("bucket").attempts(1).build().unwrap();
    let mut cuts = 0;
    for cut in 0.. {
        oss.inject_on("GET", Fault::CutAnswer(cut));
        let Ok(reader) = once.get_object_range("log", 2..9) else { continue };
        match all(reader) {
            Ok(bytes) => {
                assert_eq!(bytes, b"2345678");
                break;
            }
            Err(error) => assert_eq!(ours(&error).kind(), ErrorKind::Transport),
        }
        cuts += 1;
    }
    assert_eq!(cuts, 7);
}

#[test]
fn a_part_has_no_crc_but_the_whole_has_however_it_was_asked_for() {
    let (oss, bucket) = start();
    oss.inject_on("GET", Fault::WrongCrc);
    assert_eq!(range(&bucket, 0..9).unwrap(), b"012345678");
    for reader in [|b: &Bucket| b.get_object_range("log", ..), |b: &Bucket| b.get_object_range("log", 0..10)] {
        oss.inject_on("GET", Fault::WrongCrc);
        let error = all(reader(&bucket).unwrap()).unwrap_err();
        assert_eq!(ours(&error).kind(), ErrorKind::Integrity);
    }
}

#[test]
fn of_a_part_the_meta_data_is_of_the_whole() {
    let (_oss, bucket) = start();
    assert_eq!(bucket.get_object_range("log", 3..5).unwrap().meta(), &bucket.head_object("log").unwrap());
}

// ---- the small operations --------------------------------------------------------------------------------------

#[test]
fn head_tells_everything() {
    let (oss, bucket) = start();
    let options = AppendOptions::new().content_type("text/csv").meta("From", "build").meta("city", "Z");
    let end = bucket.append_object_with("table", 0, "a,b\n", &options).unwrap();
    let mut meta = bucket.head_object("table").unwrap();
    meta.meta.sort();
    assert_eq!((meta.length, meta.next_position, meta.crc64), (4, Some(4), end.crc64));
    assert_eq!(meta.content_type.as_deref(), Some("text/csv"));
    assert_eq!(meta.meta, [("city", "Z"), ("from", "build")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(meta.checkpoint(), end.checkpoint());

    oss.put_object("bucket", "normal", b"x");
    let normal = bucket.head_object("normal").unwrap();
    assert_eq!((normal.length, normal.next_position, normal.checkpoint()), (1, None, None));
    assert!(normal.crc64.is_some());

    oss.inject_on("HEAD", Fault::NoCrc);
    let old = bucket.head_object("table").unwrap();
    assert_eq!((old.crc64, old.next_position, old.checkpoint()), (None, Some(4), None));
}

#[test]
fn head_of_nothing_says_what_is_missing() {
    let (oss, bucket) = start();
    assert_eq!(bucket.head_object("missing").unwrap_err().code(), Some("NoSuchKey"));
    oss.inject_on("HEAD", Fault::Refuse(404, "NoSuchBucket"));
    assert_eq!(bucket.head_object("log").unwrap_err().code(), Some("NoSuchBucket"));
    assert_eq!(bucket.head_object("").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn only_a_missing_key_is_absence() {
    let (oss, bucket) = start();
    assert!(bucket.object_exists("log").unwrap());
    assert!(!bucket.object_exists("missing").unwrap());
    let once = oss.builder("bucket").attempts(1).build().unwrap();
    for fault in [
        Fault::Refuse(404, "NoSuchBucket"),
        Fault::Page(404),
        Fault::Refuse(403, "AccessDenied"),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::LoseAnswer,
    ] {
        oss.inject_on("HEAD", fault.clone());
        assert!(once.object_exists("missing").is_err(), "{fault:?}");
    }
    assert_eq!(oss.faults_left(), 0);
}

#[test]
fn deleting_twice_is_fine() {
    let (oss, bucket) = start();
    bucket.delete_object("log").unwrap();
    bucket.delete_object("log").unwrap();
    assert_eq!(oss.object("bucket", "log"), None);
    bucket.append_object("log", 0, TEXT).unwrap();
    oss.inject_on("DELETE", Fault::LoseAnswer);
    bucket.delete_object("log").unwrap();
    assert_eq!((oss.object("bucket", "log"), oss.faults_left()), (None, 0));
}

#[test]
fn what_may_not_be_deleted_stays_and_is_told() {
    let (oss, bucket) = start();
    oss.make_immutable("bucket", "log");
    let error = bucket.delete_object("log").unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(409), Some("FileImmutable")));
    assert!(error.to_string().starts_with("delete of \"log\": "), "{error}");
    oss.inject_on("DELETE", Fault::Refuse(404, "NoSuchBucket"));
    assert_eq!(bucket.delete_object("other").unwrap_err().code(), Some("NoSuchBucket"));
    assert_eq!(bucket.delete_object("").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(oss.object("bucket", "log").unwrap(), TEXT);
}
