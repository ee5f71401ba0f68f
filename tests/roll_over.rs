//! Going on in another object at a size: between records, never with anything in doubt, never beyond 5 GiB.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, AppenderBuilder, Bucket, Checkpoint, Error, ErrorKind, Found, Outcome, Rolled,
    testing::{FakeOss, Fault, Recorded},
};
use std::{
    io::{self, Cursor, Read, Write},
    sync::{Arc, Mutex},
};

const GIB_5: u64 = 5 << 30;

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

type Asked = Arc<Mutex<Vec<Rolled>>>;

/// Rolls from `log` to `log-1`, `log-2`, and tells what the closure saw.
fn rolling(builder: AppenderBuilder, max_bytes: u64) -> (AppenderBuilder, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let builder = builder.roll_over(max_bytes, move |rolled| {
        let mut seen = seen.lock().unwrap();
        seen.push(rolled.clone());
        format!("log-{}", seen.len())
    });
    (builder, asked)
}

fn text(oss: &FakeOss, key: &str) -> Option<String> {
    oss.object("bucket", key).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// `log`, `log-1`, and so on.
fn all(oss: &FakeOss) -> Vec<String> {
    let first = text(oss, "log");
    first.into_iter().chain((1..).map_while(|i| text(oss, &format!("log-{i}")))).collect()
}

fn posts(oss: &FakeOss) -> Vec<Recorded> {
    oss.requests().into_iter().filter(|request| request.method == "POST").collect()
}

fn at(bytes: &str) -> Checkpoint {
    Checkpoint::default().advance(bytes)
}

// ---- where it is cut -------------------------------------------------------------------------------------------------

#[test]
fn above_the_limit_it_goes_on_in_the_next_object_between_records() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 8);
    let mut log = builder.create_new().unwrap();
    for record in ["aaa\n", "bbb\n", "ccc\n", "dddddd\n", "e\n"] {
        assert_eq!(log.write(record.as_bytes()).unwrap(), record.len());
    }
    assert_eq!((log.key(), log.existed()), ("log-3", None));
    assert_eq!(log.finish().unwrap(), at("e\n"));
    assert_eq!(all(&oss), ["aaa\nbbb\n", "ccc\n", "dddddd\n", "e\n"]);
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(oss.requests().len(), 4, "and asks nothing");
}

#[test]
fn exactly_the_limit_still_fits() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 4);
    let mut log = builder.create_new().unwrap();
    log.write_all(b"abc\n").unwrap();
    log.confirm().unwrap();
    assert_eq!(asked.lock().unwrap().len(), 0);
    log.write_all(b"d\n").unwrap();
    log.finish().unwrap();
    assert_eq!(all(&oss), ["abc\n", "d\n"]);
}

#[test]
fn no_record_is_divided_between_two_objects_whatever_the_sizes() {
    for (max_bytes, capacity) in [(1, 64), (7, 64), (10, 4), (10, 10), (13, 5), (100, 9)] {
        let (oss, bucket) = start();
        let (builder, _) = rolling(bucket.appender("log").buffer_capacity(capacity).whole_lines(false), max_bytes);
        let mut log = builder.create_new().unwrap();
        let (mut seed, mut records) = (max_bytes, Vec::new());
        for i in 0..60_u8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let record = vec![b'A' + i; 1 + (seed >> 33) as usize % capacity];
            assert_eq!(log.write(&record).unwrap(), record.len());
            records.push(String::from_utf8(record).unwrap());
        }
        log.finish().unwrap();
        let objects = all(&oss);
        assert_eq!(objects.concat(), records.concat());
        for object in &objects {
            let alone = records.contains(object);
            assert!(object.len() as u64 <= max_bytes || alone, "{max_bytes}: {object}");
        }
        for record in &records {
            assert!(objects.iter().any(|object| object.contains(record.as_str())), "{record} is torn");
        }
    }
}

#[test]
fn lines_of_several_writes_stay_whole_unless_that_is_switched_off() {
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log").buffer_capacity(64), 20);
    let mut log = builder.create_new().unwrap();
    for i in 0..20 {
        writeln!(log, "{} {:?} {}", i, "x", i).unwrap();
    }
    log.finish().unwrap();
    let objects = all(&oss);
    assert!(objects.len() > 5, "{objects:?}");
    assert!(objects.iter().all(|object| object.ends_with('\n')), "{objects:?}");
    assert_eq!(objects.concat(), (0..20).map(|i| format!("{i} \"x\" {i}\n")).collect::<String>());
}

#[test]
fn a_record_longer_than_the_limit_gets_an_object_to_itself() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 4);
    let mut log = builder.create_new().unwrap();
    for record in ["longer than that\n", "a\n", "again longer\n", "b\n"] {
        log.write_all(record.as_bytes()).unwrap();
    }
    log.finish().unwrap();
    assert_eq!(all(&oss), ["longer than that\n", "a\n", "again longer\n", "b\n"]);
    assert_eq!(asked.lock().unwrap().len(), 3); // an empty object is never left behind
}

#[test]
fn a_line_shorter_than_the_buffer_is_not_torn_when_the_buffer_is_full_at_a_roll() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log").buffer_capacity(10), 15);
    let mut log = builder.create_new().unwrap();
    log.write_all(b"1234\n").unwrap();
    log.flush().unwrap();
    assert_eq!(log.write(b"aaaa\n").unwrap(), 5);
    assert_eq!(log.write(b"bbbbb").unwrap(), 5);
    assert_eq!(log.pending().len(), 10);
    assert_eq!(log.write(b"b\n").unwrap(), 2);
    assert_eq!((log.key(), log.pending(), log.in_doubt()), ("log-1", &b"bbbbbb\n"[..], None));
    assert_eq!(asked.lock().unwrap()[0].checkpoint, at("1234\naaaa\n"));
    assert_eq!(log.finish().unwrap(), at("bbbbbb\n"));
    assert_eq!(all(&oss), ["1234\naaaa\n", "bbbbbb\n"]);
}

#[test]
fn an_object_that_was_there_counts() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"there\n");
    let (builder, asked) = rolling(bucket.appender("log"), 8);
    let mut log = builder.open().unwrap();
    log.write_all(b"new\n").unwrap();
    log.finish().unwrap();
    assert_eq!(all(&oss), ["there\n", "new\n"]);
    assert_eq!(asked.lock().unwrap()[0].checkpoint, at("there\n"));
}

#[test]
fn copy_from_fills_objects_and_goes_on() {
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log").buffer_capacity(7).whole_lines(false), 20);
    let mut log = builder.create_new().unwrap();
    let bytes: String = (0..100).map(|i| char::from(b'a' + i % 26)).collect();
    assert_eq!(log.copy_from(bytes.as_bytes()).unwrap(), 100);
    log.finish().unwrap();
    let objects = all(&oss);
    assert_eq!(objects.concat(), bytes);
    assert_eq!(objects.iter().map(String::len).collect::<Vec<_>>(), [20; 5]);
}

#[test]
fn copy_from_across_rolls_keeps_lines_whole() {
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log").buffer_capacity(64), 50);
    let mut log = builder.create_new().unwrap();
    let lines: String = (0..100).map(|i| format!("line {i}\n")).collect();
    assert_eq!(log.copy_from(lines.as_bytes()).unwrap(), lines.len() as u64);
    log.finish().unwrap();
    let objects = all(&oss);
    assert_eq!(objects.concat(), lines);
    assert!(objects.len() > 10 && objects.iter().all(|object| object.ends_with('\n')), "{objects:?}");
    assert!(objects.iter().all(|object| object.len() <= 50), "{objects:?}");
}

#[test]
fn a_copied_line_longer_than_the_limit_gets_an_object_to_itself() {
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log").whole_lines(true), 4);
    let mut log = builder.create_new().unwrap();
    // In pieces, so that it is looked for more while the limit is passed and the line has no end yet.
    assert_eq!(log.copy_from((&b"a long"[..]).chain(&b" line\n"[..]).chain(&b"b\n"[..])).unwrap(), 14);
    log.finish().unwrap();
    assert_eq!(all(&oss), ["a long line\n", "b\n"]);
}

#[test]
fn io_copy_across_rolls_keeps_lines_whole() {
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log"), 10_000);
    let mut log = builder.create_new().unwrap();
    let lines: String = (0..5000).map(|i| format!("line {i}\n")).collect();
    io::copy(&mut lines.as_bytes().take(u64::MAX), &mut log).unwrap(); // a slice would be one record
    log.finish().unwrap();
    let objects = all(&oss);
    assert_eq!(objects.concat(), lines);
    assert!(objects.len() > 3 && objects.iter().all(|object| object.ends_with('\n')));
}

#[test]
fn a_write_longer_than_the_buffer_is_a_stream_and_rolls_as_one() {
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log").buffer_capacity(8), 20);
    let mut log = builder.create_new().unwrap();
    let lines = "line\n".repeat(40);
    log.write_all(lines.as_bytes()).unwrap();
    log.finish().unwrap();
    let objects = all(&oss);
    assert_eq!(objects.concat(), lines);
    assert!(objects.iter().all(|object| object.len() <= 20 + 8), "{:?}", objects.iter().map(String::len).max());
}

// ---- resumed ---------------------------------------------------------------------------------------------------------

#[test]
fn a_resumed_stream_in_other_cuts_does_not_roll_before_what_an_earlier_life_sent_is_recognised() {
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log").whole_lines(false), 10);
    let mut log = builder.create_new().unwrap();
    log.write_all(b"abcde").unwrap();
    log.write_all(b"fghij").unwrap();
    assert_eq!(log.finish().unwrap(), at("abcdefghij"));

    let (builder, asked) = rolling(bucket.appender("log").whole_lines(false), 10);
    let mut log = builder.resume(Checkpoint::default()).unwrap();
    for record in ["abc", "def", "ghi", "jkl"] {
        assert_eq!(log.write(record.as_bytes()).unwrap(), 3);
    }
    // The `j` is in already.
    assert_eq!((log.key(), log.pending(), log.in_doubt()), ("log", &b"jkl"[..], Some(9..12)));
    assert_eq!((log.checkpoint(), asked.lock().unwrap().len()), (at("abcdefghi"), 0));
    assert_eq!(log.confirm().unwrap(), at("abcdefghijkl"));
    assert_eq!(log.in_doubt(), None);
    log.write_all(b"mno").unwrap();
    assert_eq!(log.finish().unwrap(), at("mno"));
    assert_eq!(all(&oss), ["abcdefghijkl", "mno"]);
    assert_eq!(asked.lock().unwrap()[0].checkpoint, at("abcdefghijkl"));
}

#[test]
fn bytes_in_doubt_that_are_presented_with_more_in_one_record_stay_in_their_object() {
    let (oss, _) = start();
    let bucket = oss.builder("bucket").attempts(1).build().unwrap();
    let (builder, _) = rolling(bucket.appender("log"), 10);
    let mut log = builder.create_new().unwrap();
    log.write_all(b"1234\n").unwrap();
    log.confirm().unwrap();
    log.write_all(b"ab\n").unwrap();
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(log.in_doubt(), Some(5..8));
    let (saved, mut bytes) = log.into_parts();
    bytes.extend_from_slice(b"more\n");

    let (builder, asked) = rolling(bucket.appender("log"), 10);
    let mut log = builder.resume(saved).unwrap();
    // While it cannot be asked, nothing is taken.
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    log.write(&bytes).unwrap_err();
    assert_eq!((log.pending(), asked.lock().unwrap().len()), (&b""[..], 0));
    assert_eq!(log.write(&bytes).unwrap(), 8);
    assert_eq!((log.key(), log.in_doubt()), ("log", Some(5..13)));
    assert_eq!(log.confirm().unwrap(), at("1234\nab\nmore\n"));
    log.write_all(b"c\n").unwrap();
    assert_eq!(log.finish().unwrap(), at("c\n"));
    assert_eq!(all(&oss), ["1234\nab\nmore\n", "c\n"]);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn a_resumed_stream_recognises_what_an_earlier_life_sent_in_the_next_object_too() {
    let records = ["aaaa\n", "bbbb\n", "cccc\n"];
    let (oss, bucket) = start();
    let (builder, _) = rolling(bucket.appender("log"), 10);
    let mut log = builder.create_new().unwrap();
    for record in records {
        log.write_all(record.as_bytes()).unwrap();
        log.flush().unwrap();
    }
    log.finish().unwrap();
    assert_eq!(all(&oss), ["aaaa\nbbbb\n", "cccc\n"]);

    let (builder, asked) = rolling(bucket.appender("log"), 10);
    let mut log = builder.resume(Checkpoint::default()).unwrap();
    for record in records {
        log.write_all(record.as_bytes()).unwrap();
        log.flush().unwrap();
    }
    assert_eq!((log.key(), log.pending(), log.checkpoint()), ("log-1", &b""[..], at("cccc\n")));
    assert_eq!(log.resync().unwrap(), at("cccc\n"));
    log.write_all(b"dddd\n").unwrap();
    assert_eq!(log.finish().unwrap(), at("cccc\ndddd\n"));
    assert_eq!(all(&oss), ["aaaa\nbbbb\n", "cccc\ndddd\n"]);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

// ---- the closure -----------------------------------------------------------------------------------------------------

#[test]
fn the_closure_sees_the_finished_key_and_its_confirmed_end() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 4);
    let mut log = builder.create_new().unwrap();
    for record in ["one\n", "two\n", "3\n", "4\n", "5\n"] {
        log.write_all(record.as_bytes()).unwrap();
    }
    log.finish().unwrap();
    let seen: Vec<_> = asked.lock().unwrap().iter().map(|rolled| (rolled.key.clone(), rolled.checkpoint)).collect();
    let expected = [("log", "one\n"), ("log-1", "two\n"), ("log-2", "3\n4\n")];
    assert_eq!(seen, expected.map(|(key, bytes)| (key.to_owned(), at(bytes))));
    assert_eq!(all(&oss), ["one\n", "two\n", "3\n4\n", "5\n"]);
}

#[test]
fn the_old_object_is_confirmed_before_the_next_key_is_asked_for() {
    let oss = Arc::new(FakeOss::start().unwrap());
    let bucket = oss.bucket("bucket");
    let fake = Arc::clone(&oss);
    let mut log = bucket
        .appender("log")
        .roll_over(4, move |rolled| {
            assert_eq!(fake.object("bucket", &rolled.key).unwrap(), b"one\n");
            assert_eq!(fake.object_crc64("bucket", &rolled.key), Some(rolled.checkpoint.crc64));
            "next".to_owned()
        })
        .create_new()
        .unwrap();
    log.write_all(b"one\n").unwrap();
    oss.inject(Fault::LoseAnswer);
    log.write_all(b"two\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss, "next").unwrap(), "two\n");
}

#[test]
fn doubt_on_the_old_key_never_rolls() {
    for landed in [true, false] {
        let (oss, _) = start();
        let bucket = oss.builder("bucket").attempts(1).build().unwrap();
        let (builder, asked) = rolling(bucket.appender("log"), 4);
        let mut log = builder.create_new().unwrap();
        log.write_all(b"one\n").unwrap();
        for _ in 0..3 {
            oss.inject(if landed { Fault::LoseAnswer } else { Fault::Hold });
            oss.inject_on("HEAD", Fault::LoseAnswer);
            let error = log.write(b"two\n").unwrap_err();
            assert_eq!(Error::find(&error).unwrap().outcome(), Outcome::Unknown);
            assert_eq!((log.key(), log.pending()), ("log", &b"one\n"[..]));
            assert_eq!(asked.lock().unwrap().len(), 0);
            oss.land();
        }
        while oss.faults_left() > 0 {
            let _ = bucket.appender("nothing").open();
            let _ = bucket.append_object("nothing", 0, "");
        }
        log.write_all(b"two\n").unwrap();
        log.finish().unwrap();
        assert_eq!(all(&oss), ["one\n", "two\n"]);
    }
}

#[test]
fn the_closure_is_asked_once_per_roll_and_its_key_kept_for_every_retry() {
    let (oss, _) = start();
    let bucket = oss.builder("bucket").attempts(1).build().unwrap();
    let (builder, asked) = rolling(bucket.appender("log"), 4);
    let mut log = builder.create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    // The old object's last append is refused at first.
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    log.write(b"two\n").unwrap_err();
    assert_eq!(asked.lock().unwrap().len(), 0);
    log.write_all(b"two\n").unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    // The new object's first append is refused, then lost, then its answer is.
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    log.flush().unwrap_err();
    oss.inject(Fault::LoseRequest);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    log.flush().unwrap_err();
    oss.inject_on("HEAD", Fault::Pass);
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    log.flush().unwrap_err();
    assert_eq!((log.key(), log.pending(), oss.faults_left()), ("log-1", &b"two\n"[..], 0));
    log.finish().unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(all(&oss), ["one\n", "two\n"]);
}

#[test]
fn the_closure_is_told_the_true_end_and_only_asked_when_another_byte_comes() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 10);
    let mut log = builder.create_new().unwrap();
    assert_eq!(log.copy_from(&b"aaaa\nbbbbb"[..]).unwrap(), 10); // full, and at its end
    assert_eq!(log.copy_from(&b""[..]).unwrap(), 0);
    assert_eq!(log.confirm().unwrap(), at("aaaa\nbbbbb"));
    assert_eq!((log.key(), asked.lock().unwrap().len()), ("log", 0));
    log.write_all(b"c\n").unwrap();
    assert_eq!((log.key(), log.pending()), ("log-1", &b"c\n"[..]));
    assert_eq!(asked.lock().unwrap()[0].checkpoint, at("aaaa\nbbbbb"));
    assert_eq!(log.finish().unwrap(), at("c\n"));
    assert_eq!(all(&oss), ["aaaa\nbbbbb", "c\n"]);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn the_next_object_must_be_new() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log-1", b"there");
    let (builder, _) = rolling(bucket.appender("log"), 4);
    let mut log = builder.create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    log.write_all(b"two\n").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    assert!(error.to_string().contains("log-1"), "{error}");
    assert_eq!((log.key(), log.pending()), ("log-1", &b"two\n"[..]));
    log.resync().unwrap();
    log.finish().unwrap();
    assert_eq!(all(&oss), ["one\n", "theretwo\n"]);
}

#[test]
fn an_invalid_next_key_is_a_clear_error_and_nothing_is_lost() {
    for bad in ["", "/log", &"k".repeat(1024), "log"] {
        let (oss, bucket) = start();
        let bad_once = Mutex::new(Some(bad.to_owned()));
        let next = move |_: &Rolled| bad_once.lock().unwrap().take().unwrap_or_else(|| "log-1".to_owned());
        let mut log = bucket.appender("log").roll_over(4, next).create_new().unwrap();
        log.write_all(b"one\n").unwrap();
        let error = log.write(b"two\n").unwrap_err();
        let error = Error::find(&error).unwrap();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotApplied), "{bad:?}");
        assert!(error.to_string().contains("roll_over"), "{error}");
        assert_eq!((log.key(), log.pending(), log.checkpoint()), ("log", &b""[..], at("one\n")));

        log.write_all(b"two\n").unwrap();
        log.finish().unwrap();
        assert_eq!(all(&oss), ["one\n", "two\n"]);
    }
}

#[test]
fn an_invalid_next_key_after_the_look_for_one_byte_more_loses_no_byte() {
    for bad in ["", "/log", "log"] {
        for (capacity, lines) in [(64, true), (64, false), (4, true), (3, false)] {
            let (oss, bucket) = start();
            let bad_once = Mutex::new(Some(bad.to_owned()));
            let next = move |rolled: &Rolled| {
                let next = if rolled.key == "log" { "log-1" } else { "log-2" };
                bad_once.lock().unwrap().take().unwrap_or_else(|| next.to_owned())
            };
            let builder = bucket.appender("log").buffer_capacity(capacity).whole_lines(lines);
            let mut log = builder.roll_over(4, next).create_new().unwrap();
            let mut reader = Cursor::new(b"one\ntwo\n");
            let error = log.copy_from(&mut reader).unwrap_err();
            let error = Error::find(&error).unwrap();
            let place = format!("{bad:?}, {capacity}, {lines}");
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotApplied), "{place}");
            // What was read is the appender's.
            assert_eq!((reader.position(), log.key(), log.pending()), (5, "log", &b"t"[..]), "{place}");
            assert_eq!((log.checkpoint(), log.in_doubt()), (at("one\n"), None), "{place}");
            assert_eq!(log.copy_from(&mut reader).unwrap(), 3, "{place}");
            log.finish().unwrap();
            assert_eq!(all(&oss).concat(), "one\ntwo\n", "{place}");
            assert!(!lines || all(&oss) == ["one\n", "two\n"], "{place}: {:?}", all(&oss));
        }
    }
}

#[test]
fn create_time_parameters_go_out_again_for_the_new_object() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"old\n");
    let options = AppendOptions::new().meta("host", "web-1").acl("private").header("x-oss-forbid-overwrite", "true");
    let asked = Mutex::new(0);
    let next = move |_: &Rolled| {
        *asked.lock().unwrap() += 1;
        format!("next-{}.csv", asked.lock().unwrap())
    };
    let mut log = bucket.appender("log").options(options).roll_over(4, next).open().unwrap();
    assert_eq!(log.existed(), Some(true));
    for record in ["1\n", "2\n", "3\n"] {
        log.write_all(record.as_bytes()).unwrap();
        log.confirm().unwrap();
    }
    assert_eq!(log.existed(), None);
    oss.inject(Fault::LoseRequest);
    log.write_all(b"4\n").unwrap();
    log.finish().unwrap();
    let has: Vec<_> = posts(&oss)
        .iter()
        .map(|post| (post.header("x-oss-meta-host").is_some(), post.header("x-oss-forbid-overwrite").is_some()))
        .collect();
    assert_eq!(has, [(true, true), (false, false), (true, true), (false, false), (false, false)]);
    for key in ["next-1.csv", "next-2.csv"] {
        let metadata = oss.metadata("bucket", key).unwrap();
        assert!(metadata.contains(&("x-oss-meta-host".into(), "web-1".into())), "{metadata:?}");
        assert!(metadata.contains(&("content-type".into(), "text/csv".into())), "{metadata:?}");
    }
    assert_eq!(text(&oss, "log").unwrap(), "old\n");
    assert_eq!(text(&oss, "next-1.csv").unwrap(), "1\n2\n");
    assert_eq!(text(&oss, "next-2.csv").unwrap(), "3\n4\n");
}

#[test]
fn a_conflict_on_the_old_key_does_not_roll_away_from_it() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 4);
    let mut log = builder.create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    oss.append_as_stranger("bucket", "log", b"X");
    let error = log.write(b"two\n").unwrap_err();
    assert_eq!(Error::find(&error).unwrap().kind(), ErrorKind::Conflict(Found::Longer));
    assert_eq!((log.key(), log.pending(), asked.lock().unwrap().len()), ("log", &b"one\n"[..], 0));
    log.write(b"two\n").unwrap_err();
    assert_eq!(asked.lock().unwrap().len(), 0);
    log.resync().unwrap();
    log.write_all(b"two\n").unwrap();
    log.finish().unwrap();
    assert_eq!(all(&oss), ["Xone\n", "two\n"]);
}

#[test]
fn a_panicking_closure_leaves_the_appender_whole() {
    let (oss, bucket) = start();
    let first = Mutex::new(true);
    let next = move |_: &Rolled| {
        let panics = std::mem::take(&mut *first.lock().unwrap());
        assert!(!panics, "no key");
        "log-1".to_owned()
    };
    let mut log = bucket.appender("log").roll_over(4, next).create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| log.write(b"two\n"))).unwrap_err();
    log.write_all(b"two\n").unwrap();
    log.finish().unwrap();
    assert_eq!(all(&oss), ["one\n", "two\n"]);
}

// ---- the 5 GiB cap ---------------------------------------------------------------------------------------------------

#[test]
fn at_5_gib_write_is_refused_and_takes_nothing() {
    let (oss, bucket) = start();
    let full = Checkpoint { position: GIB_5 - 4, crc64: 1 };
    let mut log = bucket.appender("log").resume(full).unwrap();
    let error = log.write(b"12345").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    let error = Error::find(&error).unwrap();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotApplied));
    assert_eq!(error.next_position(), Some(GIB_5 - 4));
    assert_eq!(log.pending(), b"");
    assert_eq!(log.write(b"1234").unwrap(), 4);
    assert_eq!(log.write(b"").unwrap(), 0);
    let error = log.write(b"5").unwrap_err();
    assert_eq!(Error::find(&error).unwrap().kind(), ErrorKind::TooLarge);
    assert_eq!((log.pending(), oss.requests().len()), (&b"1234"[..], 0));
}

#[test]
fn at_5_gib_copy_from_takes_what_fits_and_hands_back_the_rest() {
    let (oss, bucket) = start();
    let full = Checkpoint { position: GIB_5 - 4, crc64: 1 };
    let mut reader = Cursor::new(b"123456");
    let mut log = bucket.appender("log").resume(full).unwrap();
    let error = log.copy_from(&mut reader).unwrap_err();
    assert_eq!(Error::find(&error).unwrap().kind(), ErrorKind::TooLarge);
    assert_eq!(log.pending(), b"1234");
    assert_eq!(reader.position(), 5); // one more was asked for to see whether that was all, as the docs say

    let mut log = bucket.appender("log").resume(full).unwrap();
    assert_eq!(log.copy_from(&b"1234"[..]).unwrap(), 4); // exactly full is fine
    assert_eq!((log.into_parts().1, oss.requests().len()), (b"1234".to_vec(), 0));
}

#[test]
fn a_stream_goes_on_over_5_gib_by_rolling() {
    let (oss, bucket) = start();
    oss.keep_no_bytes();
    oss.append_as_stranger("bucket", "log", &[0; 1024]);
    let (builder, asked) = rolling(bucket.appender("log"), GIB_5);
    let mut log = builder.resume(Checkpoint { position: GIB_5 - 2, crc64: 1 }).unwrap();
    log.write_all(b"1\n").unwrap();
    // The object is not that long in truth: what matters is that rolling comes first, and confirms first.
    let error = log.write(b"2\n").unwrap_err();
    assert_eq!(Error::find(&error).unwrap().kind(), ErrorKind::Conflict(Found::Shorter));
    assert_eq!((log.pending(), asked.lock().unwrap().len()), (&b"1\n"[..], 0));
}

#[test]
fn a_limit_above_5_gib_rolls_at_5_gib() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"x");
    let said = ["Content-Length", "x-oss-next-append-position"].map(|name| Fault::WithHeader(name, "5368709120"));
    let [length, end] = said;
    oss.inject_on("HEAD", length.and(end).and(Fault::WithHeader("x-oss-hash-crc64ecma", "1")));
    let (builder, _) = rolling(bucket.appender("log"), u64::MAX);
    let mut log = builder.resume(Checkpoint { position: GIB_5, crc64: 1 }).unwrap();
    log.write_all(b"1\n").unwrap();
    assert_eq!((log.key(), log.pending()), ("log-1", &b"1\n"[..]));
}

#[test]
fn the_services_own_smaller_limit_is_too_large_and_loses_nothing() {
    for code in ["InlineDataTooLarge", "EntityTooLarge"] {
        let (oss, bucket) = start();
        oss.set_size_limit(6);
        oss.set_size_limit_code(code);
        let mut log = bucket.appender("log").create_new().unwrap();
        log.write_all(b"abcd").unwrap();
        log.confirm().unwrap();
        log.write_all(b"efgh").unwrap();
        let error = log.confirm().unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotApplied));
        assert_eq!(log.into_parts(), (at("abcd"), b"efgh".to_vec()));
        assert_eq!(text(&oss, "log").unwrap(), "abcd");
    }
}

// ---- away from what is not what it was -------------------------------------------------------------------------------

#[test]
fn a_resumed_stream_does_not_roll_away_from_an_object_that_is_not_what_it_was() {
    type Act = fn(&FakeOss);
    let acts: [(Act, Found); 3] = [
        (|oss| assert!(oss.delete_object("bucket", "log")), Found::Missing),
        (|oss| oss.replace_object("bucket", "log", b"o"), Found::Shorter),
        (|oss| oss.replace_object("bucket", "log", b"xxx\n"), Found::Different),
    ];
    for (act, found) in acts {
        let (oss, bucket) = start();
        oss.append_as_stranger("bucket", "log", b"old\n");
        act(&oss);
        let (builder, asked) = rolling(bucket.appender("log"), 6);
        let mut log = builder.resume(at("old\n")).unwrap();
        for _ in 0..2 {
            let error = log.write(b"new\n").unwrap_err();
            let error = Error::find(&error).unwrap();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(found), Outcome::Unknown), "{error:?}");
        }
        assert!(asked.lock().unwrap().is_empty() && posts(&oss).is_empty());

        // What an earlier life sent may still land there: only `open` leads on.
        assert_eq!(log.resync().unwrap_err().kind(), ErrorKind::Conflict(found));
        assert!(log.write(b"new\n").is_err());
        // Unless the object is what it was after all.
        oss.replace_object("bucket", "log", b"old\n");
        assert_eq!(log.resync().unwrap(), at("old\n"));
        log.write_all(b"new\n").unwrap();
        log.finish().unwrap();
        assert_eq!(all(&oss), ["old\n", "new\n"]);
    }
}

#[test]
fn nor_with_a_key_that_may_only_write() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"other");
    ["HEAD", "GET"].iter().for_each(|method| oss.forbid(method));
    let (builder, asked) = rolling(bucket.appender("log"), 5);
    let mut log = builder.resume(at("first")).unwrap();
    let error = log.write(b"abc").unwrap_err();
    assert_eq!(Error::find(&error).unwrap().kind(), ErrorKind::Conflict(Found::Different));
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn nor_by_an_answer_to_a_probe_that_is_no_word_on_the_end() {
    let refusal = Fault::Refuse(403, "AccessDenied").and(Fault::WithHeader("x-oss-next-append-position", "9"));
    for fault in [Fault::WrongNext, refusal] {
        let (oss, bucket) = start();
        oss.append_as_stranger("bucket", "log", b"old\n");
        ["HEAD", "GET"].iter().for_each(|method| oss.forbid(method));
        oss.inject(fault);
        let (builder, asked) = rolling(bucket.appender("log"), 6);
        let mut log = builder.resume(at("old\n")).unwrap();
        log.write(b"aaaa\n").unwrap_err();
        assert!(asked.lock().unwrap().is_empty() && log.pending().is_empty());
        assert_eq!(posts(&oss).iter().map(|post| post.body_len).collect::<Vec<_>>(), [0], "the probe");
    }
}

#[test]
fn nor_because_of_an_answer_that_was_old() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"base\nrecord\n"); // by an earlier life
    oss.inject_on("HEAD", Fault::Stale { length: 2, crc64: Some(1) });
    let (builder, asked) = rolling(bucket.appender("log"), 8);
    let mut log = builder.resume(at("base\n")).unwrap();
    log.write(b"record\n").unwrap_err();
    log.resync().unwrap();
    log.write_all(b"record\n").unwrap();
    log.confirm().unwrap();
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(all(&oss), ["base\nrecord\n"]);
}

#[test]
fn nor_does_copying_into_it() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 4);
    let mut log = builder.resume(at("old\n")).unwrap();
    let error = log.copy_from(&b"new\n"[..]).unwrap_err();
    assert_eq!(Error::find(&error).unwrap().kind(), ErrorKind::Conflict(Found::Missing));
    assert!(asked.lock().unwrap().is_empty() && posts(&oss).is_empty());
}

#[test]
fn with_a_key_that_may_only_write_a_resumed_stream_recognises_its_own_bytes_before_it_rolls() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"old\naaaa\n"); // by an earlier life
    ["HEAD", "GET"].iter().for_each(|method| oss.forbid(method));
    let (builder, asked) = rolling(bucket.appender("log"), 6);
    let mut log = builder.resume(at("old\n")).unwrap();
    log.write_all(b"aaaa\n").unwrap();
    log.confirm().unwrap();
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(all(&oss), ["old\naaaa\n"]);
}

#[test]
fn with_a_key_that_may_only_write_a_resumed_stream_rolls_when_a_probe_finds_nothing_behind_it() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "log", b"old\n");
    ["HEAD", "GET"].iter().for_each(|method| oss.forbid(method));
    let (builder, asked) = rolling(bucket.appender("log"), 6);
    let mut log = builder.resume(at("old\n")).unwrap();
    log.write_all(b"aaaa\n").unwrap();
    log.finish().unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(all(&oss), ["old\n", "aaaa\n"]);
}

#[test]
fn a_stream_resumed_where_nothing_is_yet_begins_with_a_record_longer_than_the_limit() {
    let (oss, bucket) = start();
    let (builder, asked) = rolling(bucket.appender("log"), 4);
    let mut log = builder.resume(Checkpoint::default()).unwrap();
    log.write_all(b"a long record\n").unwrap();
    log.finish().unwrap();
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(all(&oss), ["a long record\n"]);
}

#[test]
fn after_a_roll_that_failed_dropping_sends_nothing() {
    type Roll = fn(&mut oss_append::Appender) -> io::Error;
    let rolls: [Roll; 2] = [
        |log| {
            log.write_all(b"one\n").unwrap();
            log.write_all(b"tw").unwrap();
            log.write(b"o\n").unwrap_err()
        },
        |log| log.copy_from(&b"one\ntwo\n"[..]).unwrap_err(),
    ];
    for roll in rolls {
        let (oss, bucket) = start();
        let mut log = bucket.appender("log").roll_over(6, |_| String::new()).create_new().unwrap();
        let error = roll(&mut log);
        assert_eq!(Error::find(&error).unwrap().kind(), ErrorKind::InvalidInput);
        assert!(!log.pending().is_empty());
        drop(log);
        assert_eq!(text(&oss, "log").unwrap(), "one\n");
    }
}
