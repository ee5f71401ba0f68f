//! The write contract: what `write`, `flush`, `flush_due` and `copy_from` take, send, and say.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Appender, AppenderBuilder, Bucket, Error, ErrorKind, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    io::{self, Cursor, Read, Write},
    time::Duration,
};

const NEVER: Duration = Duration::MAX;

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

/// A client that tries once, asks once, and gives up.
fn hasty(oss: &FakeOss) -> Bucket {
    oss.builder("bucket").attempts(1).build().unwrap()
}

fn with_buffer(bucket: &Bucket, bytes: usize) -> AppenderBuilder {
    bucket.appender("log").buffer_capacity(bytes)
}

fn text(oss: &FakeOss) -> String {
    String::from_utf8(oss.object("bucket", "log").unwrap_or_default()).unwrap()
}

/// How many bytes each append had.
fn appends(oss: &FakeOss) -> Vec<u64> {
    oss.requests().iter().filter(|request| request.method == "POST").map(|request| request.body_len).collect()
}

fn ours(error: &io::Error) -> &Error {
    Error::find(error).expect("the error should be ours")
}

fn pending(appender: &Appender) -> &str {
    str::from_utf8(appender.pending()).unwrap()
}

// ---- what is taken -----------------------------------------------------------------------------------------------

#[test]
fn a_write_is_taken_and_not_yet_sent() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    assert_eq!(log.write(b"abc").unwrap(), 3);
    assert_eq!((pending(&log), log.checkpoint().position), ("abc", 0));
    assert_eq!(oss.requests(), []);
    assert_eq!(log.finish().unwrap().position, 3);
    assert_eq!(text(&oss), "abc");
}

#[test]
fn a_write_larger_than_the_free_buffer_takes_what_fits_and_says_so() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    assert_eq!(log.write(b"0123456789abcdef").unwrap(), 8);
    assert_eq!(log.write(b"89abcdefgh").unwrap(), 8);
    assert_eq!((pending(&log), log.checkpoint().position), ("89abcdef", 8));
    log.write_all(b"gh").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "0123456789abcdefgh");
}

#[test]
fn a_write_longer_than_the_buffer_fills_what_is_free_first() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    assert_eq!(log.write(b"0123456789").unwrap(), 5);
    assert_eq!(oss.requests(), []);
    log.finish().unwrap();
    assert_eq!(text(&oss), "abc01234");
}

#[test]
fn an_empty_write_is_fine_in_any_state_and_sends_nothing() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    assert_eq!(log.write(b"").unwrap(), 0);
    log.write_all(b"full").unwrap();
    assert_eq!(log.write(b"").unwrap(), 0);
    assert_eq!(oss.requests(), []);

    // In doubt.
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
    let before = oss.requests().len();
    assert_eq!(log.write(b"").unwrap(), 0);
    assert_eq!(oss.requests().len(), before);

    // Failed for good.
    oss.replace_object("bucket", "log", b"another's");
    assert!(matches!(log.confirm().unwrap_err().kind(), ErrorKind::Conflict(_)));
    let before = oss.requests().len();
    assert_eq!(log.write(b"").unwrap(), 0);
    assert_eq!(oss.requests().len(), before);
    assert_eq!(text(&oss), "another's");
}

#[test]
fn an_error_of_write_means_that_none_of_its_bytes_were_taken() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    log.write_all(b"abcd").unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let error = log.write(b"efgh").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!((ours(&error).kind(), ours(&error).outcome()), (ErrorKind::Service, Outcome::NotApplied));
    assert_eq!(pending(&log), "abcd");

    assert_eq!(log.write(b"efgh").unwrap(), 4);
    log.finish().unwrap();
    assert_eq!(text(&oss), "abcdefgh");
}

#[test]
fn an_error_of_write_names_the_earlier_bytes_it_speaks_of_by_their_range() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    log.write_all(b"abcdefg").unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let error = log.write(b"hi").unwrap_err();
    assert!(error.to_string().contains("4..7"), "{error}");
    assert_eq!(pending(&log), "efg");
}

#[test]
fn an_error_in_doubt_takes_nothing_and_the_next_write_asks_before_it_takes() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    log.write_all(b"abcd").unwrap();
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    let error = log.write(b"efgh").unwrap_err();
    assert_eq!(ours(&error).outcome(), Outcome::Unknown);
    assert_eq!((pending(&log), log.in_doubt()), ("abcd", Some(0..4)));

    assert_eq!(log.write(b"efgh").unwrap(), 4);
    assert_eq!((pending(&log), log.in_doubt(), log.checkpoint().position), ("efgh", None, 4));
    assert_eq!(appends(&oss), [4]); // it was found, not sent again
    log.finish().unwrap();
    assert_eq!(text(&oss), "abcdefgh");
}

#[test]
fn bytes_in_doubt_are_retained_and_nobody_presents_them_again() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    log.write_all(b"abcd").unwrap();
    oss.inject(Fault::LoseRequest);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    assert_eq!(ours(&log.flush().unwrap_err()).outcome(), Outcome::Unknown);
    assert_eq!(pending(&log), "abcd");
    assert_eq!(log.finish().unwrap().position, 4);
    assert_eq!(text(&oss), "abcd");
}

#[test]
fn data_is_never_taken_as_nothing_nor_refused_in_a_way_that_std_repeats() {
    let (oss, _) = start();
    let bucket = oss.builder("bucket").attempts(1).idle_timeout(Duration::from_millis(30)).build().unwrap();
    let stall = Fault::Stall(Duration::from_secs(3600));
    for fault in [
        Fault::LoseRequest,
        Fault::LoseAnswer,
        Fault::Reset,
        Fault::CutRequest(10),
        Fault::CutAnswer(10),
        Fault::RefuseEarly,
        Fault::AcceptEarly,
        Fault::Refuse(403, "AccessDenied"),
        Fault::Refuse(409, "PositionNotEqualToLength"),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Page(502),
        Fault::Garbage,
        Fault::WrongCrc,
        Fault::WrongNext,
        Fault::StripHeaders,
        stall.clone(),
    ] {
        oss.delete_object("bucket", "log");
        let mut log = with_buffer(&bucket, 2).create_new().unwrap();
        log.write_all(b"ab").unwrap();
        oss.inject(fault.clone());
        let trouble = if fault == stall { stall.clone() } else { Fault::LoseAnswer };
        oss.inject_on("HEAD", trouble);
        match log.write(b"cd") {
            Ok(taken) => assert_eq!((taken, pending(&log)), (2, "cd"), "{fault:?}"),
            Err(error) => {
                let kind = error.kind();
                assert!(!matches!(kind, io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock), "{fault:?}: {error}");
                assert_eq!(pending(&log), "ab", "{fault:?}");
            }
        }
        drop(log);
        while oss.faults_left() > 0 {
            let _ = bucket.head_object("nothing"); // takes what nobody met
        }
    }
}

// ---- how it is cut -----------------------------------------------------------------------------------------------

#[test]
fn a_record_that_does_not_fit_goes_whole_into_the_next_request() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    for record in ["abc", "def", "ghi", "jklmnopq", "r"] {
        assert_eq!(log.write(record.as_bytes()).unwrap(), record.len());
    }
    log.finish().unwrap();
    assert_eq!(appends(&oss), [6, 3, 8, 1]);
    assert_eq!(text(&oss), "abcdefghijklmnopqr");
}

#[test]
fn a_full_buffer_is_sent_by_the_next_write_and_not_by_the_one_that_fills_it() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    log.write_all(b"abcd").unwrap();
    assert_eq!(oss.requests(), []);
    log.write_all(b"e").unwrap();
    assert_eq!(appends(&oss), [4]);
    log.finish().unwrap();
    assert_eq!(text(&oss), "abcde");
}

#[test]
fn no_record_is_torn_whatever_the_sizes() {
    let (oss, bucket) = start();
    for capacity in 1..=12_u64 {
        oss.delete_object("bucket", "log");
        let (first, mut seed) = (appends(&oss).len(), capacity);
        let mut log = with_buffer(&bucket, capacity as usize).create_new().unwrap();
        let (mut written, mut ends) = (Vec::new(), vec![0]);
        for _ in 0..60 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let record = vec![b'a' + (seed >> 40) as u8 % 26; (1 + (seed >> 33) % capacity) as usize];
            assert_eq!(log.write(&record).unwrap(), record.len());
            written.extend(record);
            ends.push(written.len() as u64);
        }
        log.finish().unwrap();
        let mut cut = 0;
        for length in &appends(&oss)[first..] {
            cut += length;
            assert!(ends.contains(&cut), "cut at {cut} with a buffer of {capacity}");
        }
        assert_eq!(oss.object("bucket", "log").unwrap(), written);
    }
}

#[test]
fn one_buffer_serves_the_whole_life_and_never_grows() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 16).create_new().unwrap();
    log.write_all(b"0123456789").unwrap();
    let place = log.pending().as_ptr();
    for _ in 0..50 {
        log.write_all(b"0123456789").unwrap();
        assert!(log.pending().len() <= 16);
        log.copy_from(&b"abc"[..]).unwrap();
        assert_eq!(log.pending().as_ptr(), place);
    }
    log.finish().unwrap();
    assert_eq!(text(&oss).len(), 51 * 10 + 50 * 3);
}

#[test]
fn the_largest_buffer_costs_nothing_before_the_first_byte() {
    let (oss, bucket) = start();
    let all: Vec<_> = (0..4096).map(|_| with_buffer(&bucket, 5 << 30).create_new().unwrap()).collect();
    assert!(all.iter().all(|log| log.pending().is_empty())); // 20 TiB otherwise
    assert_eq!(oss.requests(), []);
}

// ---- whole lines -------------------------------------------------------------------------------------------------

/// Where requests ended.
fn cuts(oss: &FakeOss) -> Vec<u64> {
    appends(oss)
        .iter()
        .scan(0, |end, length| {
            *end += length;
            Some(*end)
        })
        .collect()
}

#[test]
fn with_whole_lines_requests_end_behind_newlines() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 12).whole_lines(true).create_new().unwrap();
    let mut expected = String::new();
    for i in 0..40 {
        // Several writes a line, as `writeln!` makes them.
        writeln!(log, "{} {:?} {}", i, "x", i * 3).unwrap();
        expected += &format!("{} {:?} {}\n", i, "x", i * 3);
    }
    log.finish().unwrap();
    assert_eq!(text(&oss), expected);
    assert!(appends(&oss).len() > 20);
    assert!(cuts(&oss).iter().all(|cut| expected.as_bytes()[*cut as usize - 1] == b'\n'), "{:?}", cuts(&oss));
}

#[test]
fn without_whole_lines_a_line_may_be_cut() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    log.write_all(b"ab\ncd").unwrap();
    log.write_all(b"efgh").unwrap();
    log.finish().unwrap();
    assert_eq!((appends(&oss), text(&oss).as_str()), (vec![5, 4], "ab\ncdefgh"));
}

#[test]
fn with_whole_lines_a_line_longer_than_the_buffer_is_cut_at_its_end() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).whole_lines(true).create_new().unwrap();
    log.write_all(b"a\n").unwrap();
    log.write_all(b"0123456789012345678901234\n").unwrap();
    log.write_all(b"b\nc\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "a\n0123456789012345678901234\nb\nc\n");
    assert_eq!(cuts(&oss), [2, 10, 18, 26, 32]);
}

#[test]
fn with_whole_lines_small_writes_of_a_long_line_are_never_stuck() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).whole_lines(true).create_new().unwrap();
    for _ in 0..10 {
        log.write_all(b"abc").unwrap();
    }
    log.write_all(b"\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "abc".repeat(10) + "\n");
    assert!(appends(&oss)[..3].iter().all(|length| *length == 8), "{:?}", appends(&oss));
}

#[test]
fn with_whole_lines_a_record_of_several_lines_is_cut_behind_one_of_them() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).whole_lines(true).create_new().unwrap();
    log.write_all(b"aa\nbb").unwrap();
    log.write_all(b"cc\nd").unwrap();
    log.finish().unwrap();
    assert_eq!((appends(&oss), text(&oss).as_str()), (vec![3, 6], "aa\nbbcc\nd"));
}

#[test]
fn with_whole_lines_flush_and_confirm_and_finish_send_an_unfinished_line() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).whole_lines(true).create_new().unwrap();
    log.write_all(b"one\ntw").unwrap();
    log.flush().unwrap();
    assert_eq!(text(&oss), "one\ntw");
    log.write_all(b"o").unwrap();
    log.confirm().unwrap();
    assert_eq!(text(&oss), "one\ntwo");
    log.write_all(b" and").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "one\ntwo and");
}

#[test]
fn with_whole_lines_a_copied_stream_is_cut_behind_newlines() {
    let (oss, bucket) = start();
    let lines: String = (0..200).map(|i| format!("line {i}\n")).collect();
    let mut log = with_buffer(&bucket, 50).whole_lines(true).create_new().unwrap();
    assert_eq!(log.copy_from(lines.as_bytes()).unwrap(), lines.len() as u64);
    log.finish().unwrap();
    assert_eq!(text(&oss), lines);
    assert!(cuts(&oss).iter().all(|cut| lines.as_bytes()[*cut as usize - 1] == b'\n'));
}

// ---- flush -------------------------------------------------------------------------------------------------------

#[test]
fn flush_is_ok_only_when_everything_accepted_is_confirmed() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = with_buffer(&bucket, 64).create_new().unwrap();
    for (fault, ask) in [
        (Fault::LoseRequest, Fault::LoseAnswer),
        (Fault::LoseAnswer, Fault::Page(404)),
        (Fault::StripHeaders, Fault::Refuse(503, "ServiceUnavailable")),
    ] {
        log.write_all(b"abc").unwrap();
        oss.inject(fault.clone());
        oss.inject_on("HEAD", ask);
        assert_eq!(ours(&log.flush().unwrap_err()).outcome(), Outcome::Unknown, "{fault:?}");
        assert_eq!(pending(&log), "abc", "{fault:?}");
        log.flush().unwrap();
        assert_eq!((pending(&log), log.checkpoint().position), ("", text(&oss).len() as u64), "{fault:?}");
    }
    assert_eq!(text(&oss), "abcabcabc");
}

#[test]
fn flush_compares_the_crc_too() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    oss.inject(Fault::Damage);
    let error = log.flush().unwrap_err();
    assert_eq!((ours(&error).kind(), ours(&error).outcome()), (ErrorKind::Integrity, Outcome::Applied));
    assert_ne!(text(&oss), "abc");
}

#[test]
fn with_nothing_pending_flush_and_confirm_and_finish_send_nothing() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).create_new().unwrap();
    log.flush().unwrap();
    log.flush_due().unwrap();
    log.confirm().unwrap();
    assert_eq!(oss.requests(), []);
    log.write_all(b"x").unwrap();
    log.flush().unwrap();
    let before = oss.requests().len();
    log.flush().unwrap();
    log.confirm().unwrap();
    log.finish().unwrap();
    assert_eq!(oss.requests().len(), before);
    assert_eq!(text(&oss), "x");
}

#[test]
fn one_append_costs_one_request() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).create_new().unwrap();
    for _ in 0..5 {
        log.write_all(b"x").unwrap();
        log.flush().unwrap();
    }
    assert_eq!(oss.requests().len(), 5);
    assert_eq!(text(&oss), "xxxxx");
}

#[test]
fn below_flush_threshold_flush_does_nothing_and_confirm_does() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).flush_threshold(4).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    log.flush().unwrap();
    assert_eq!(oss.requests(), []);
    assert_eq!(log.confirm().unwrap().position, 3);
    assert_eq!(text(&oss), "abc");
    log.write_all(b"defg").unwrap();
    log.flush().unwrap(); // at the threshold it is honest
    assert_eq!(text(&oss), "abcdefg");
    log.write_all(b"h").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "abcdefgh");
}

#[test]
fn below_flush_threshold_flush_still_settles_what_is_in_doubt() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = with_buffer(&bucket, 64).flush_threshold(10).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    log.confirm().unwrap_err();
    log.flush().unwrap();
    assert_eq!((pending(&log), log.checkpoint().position, text(&oss).as_str()), ("", 3, "abc"));
}

// ---- age ---------------------------------------------------------------------------------------------------------

#[test]
fn bytes_that_are_old_are_sent_by_the_next_write() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).max_age(Duration::ZERO).create_new().unwrap();
    log.write_all(b"a").unwrap();
    assert_eq!(oss.requests(), []);
    log.write_all(b"b").unwrap();
    assert_eq!((text(&oss).as_str(), pending(&log)), ("a", "b"));
    log.finish().unwrap();
    assert_eq!(text(&oss), "ab");
}

#[test]
fn bytes_that_are_old_are_sent_by_flush_due_and_by_flush_below_the_threshold() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).max_age(Duration::ZERO).flush_threshold(1000).create_new().unwrap();
    log.write_all(b"a").unwrap();
    log.flush_due().unwrap();
    assert_eq!((text(&oss).as_str(), pending(&log)), ("a", ""));
    log.write_all(b"b").unwrap();
    log.flush().unwrap();
    assert_eq!((text(&oss).as_str(), pending(&log)), ("ab", ""));
}

#[test]
fn bytes_that_are_young_wait() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).max_age(NEVER).flush_threshold(1000).create_new().unwrap();
    log.write_all(b"a").unwrap();
    log.write_all(b"b").unwrap();
    log.flush_due().unwrap();
    log.flush().unwrap();
    assert_eq!(oss.requests(), []);
    log.finish().unwrap();
    assert_eq!(text(&oss), "ab");
}

#[test]
fn max_age_alone_never_makes_flush_lazy() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).max_age(NEVER).create_new().unwrap();
    log.write_all(b"a").unwrap();
    log.flush().unwrap();
    assert_eq!(text(&oss), "a");
}

#[test]
fn without_max_age_nothing_is_ever_due() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).create_new().unwrap();
    log.write_all(b"a").unwrap();
    log.flush_due().unwrap();
    assert_eq!((oss.requests(), pending(&log)), (vec![], "a"));
    log.finish().unwrap();
    assert_eq!(text(&oss), "a");
}

#[test]
fn with_whole_lines_what_is_old_is_sent_up_to_its_last_newline() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).max_age(Duration::ZERO).whole_lines(true).create_new().unwrap();
    log.write_all(b"a\nb").unwrap();
    log.flush_due().unwrap();
    assert_eq!((text(&oss).as_str(), pending(&log)), ("a\n", "b"));
    log.flush_due().unwrap();
    assert_eq!((appends(&oss).len(), pending(&log)), (1, "b"));
    log.write_all(b"c\n").unwrap();
    log.flush_due().unwrap();
    assert_eq!(text(&oss), "a\nbc\n");
}

#[test]
fn a_failure_of_flush_due_is_told_and_takes_nothing_away() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 64).max_age(Duration::ZERO).create_new().unwrap();
    log.write_all(b"a").unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    assert_eq!(ours(&log.flush_due().unwrap_err()).outcome(), Outcome::NotApplied);
    assert_eq!(pending(&log), "a");
    log.finish().unwrap();
    assert_eq!(text(&oss), "a");
}

// ---- copy_from and io::copy --------------------------------------------------------------------------------------

#[test]
fn copy_from_takes_readers_by_value_by_reference_and_dyn() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    assert_eq!(log.copy_from(Cursor::new(b"by value,")).unwrap(), 9);
    let mut reader = Cursor::new(b"by reference,");
    assert_eq!(log.copy_from(&mut reader).unwrap(), 13);
    assert_eq!(reader.position(), 13);
    let boxed: Box<dyn Read> = Box::new(&b"boxed,"[..]);
    assert_eq!(log.copy_from(boxed).unwrap(), 6);
    let borrowed: &mut dyn Read = &mut &b"dyn"[..];
    assert_eq!(log.copy_from(borrowed).unwrap(), 3);
    assert_eq!(log.copy_from(io::empty()).unwrap(), 0);
    assert_eq!(log.finish().unwrap().position, 31);
    assert_eq!(text(&oss), "by value,by reference,boxed,dyn");
}

#[test]
fn copy_from_sends_full_buffers_only() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    assert_eq!(log.copy_from(Trickle(b"0123456789ABCDEF")).unwrap(), 16);
    assert_eq!(appends(&oss), [8, 8]);
    assert_eq!(pending(&log), "DEF");
    log.finish().unwrap();
    assert_eq!(text(&oss), "abc0123456789ABCDEF");
}

/// One byte at a time.
struct Trickle(&'static [u8]);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        buffer[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

/// Interrupted once before every byte, then fails.
struct Failing {
    bytes: &'static [u8],
    interrupted: bool,
    kind: io::ErrorKind,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let Some((first, rest)) = self.bytes.split_first() else { return Err(io::Error::new(self.kind, "torn tape")) };
        buffer[0] = *first;
        self.bytes = rest;
        Ok(1)
    }
}

#[test]
fn an_error_of_the_reader_is_its_own_and_keeps_what_was_read() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    let reader = Failing { bytes: b"abcdef", interrupted: false, kind: io::ErrorKind::NotConnected };
    let error = log.copy_from(reader).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::NotConnected, "torn tape"));
    assert_eq!((log.checkpoint().position, pending(&log)), (4, "ef"));
    assert_eq!(log.finish().unwrap().position, 6);
    assert_eq!(text(&oss), "abcdef");
}

#[test]
fn a_reader_that_would_block_says_so_and_can_be_gone_on_with() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 16).create_new().unwrap();
    let mut reader = Failing { bytes: b"abc", interrupted: false, kind: io::ErrorKind::WouldBlock };
    assert_eq!(log.copy_from(&mut reader).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    reader.bytes = b"def";
    assert_eq!(log.copy_from(&mut reader).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    log.finish().unwrap();
    assert_eq!(text(&oss), "abcdef");
}

#[test]
fn a_reader_that_claims_more_than_it_was_given_room_for_is_an_error_and_no_panic() {
    struct Liar;
    impl Read for Liar {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len() + 1)
        }
    }
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 16).create_new().unwrap();
    log.write_all(b"abc").unwrap();
    log.copy_from(Liar).unwrap_err();
    assert_eq!(pending(&log), "abc");
    log.finish().unwrap();
    assert_eq!(text(&oss), "abc");
}

#[test]
fn when_copy_from_cannot_send_the_reader_loses_nothing() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 4).create_new().unwrap();
    let mut reader = Cursor::new(b"0123456789");
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    assert_eq!(ours(&log.copy_from(&mut reader).unwrap_err()).outcome(), Outcome::NotApplied);
    assert_eq!((reader.position(), pending(&log)), (4, "0123"));
    assert_eq!(log.copy_from(&mut reader).unwrap(), 6);
    log.finish().unwrap();
    assert_eq!(text(&oss), "0123456789");
}

#[test]
fn io_copy_works_as_copy_from_does() {
    let (oss, bucket) = start();
    let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    let mut log = with_buffer(&bucket, 4096).create_new().unwrap();
    assert_eq!(io::copy(&mut &bytes[..], &mut log).unwrap(), 100_000);
    log.copy_from(&bytes[..]).unwrap();
    let end = log.finish().unwrap();
    assert_eq!(oss.object("bucket", "log").unwrap(), [&bytes[..], &bytes[..]].concat());
    assert_eq!(Some(end.crc64), oss.object_crc64("bucket", "log"));
}

#[test]
fn write_fmt_and_write_vectored_and_by_ref_go_through() {
    let (oss, bucket) = start();
    let mut log = with_buffer(&bucket, 8).create_new().unwrap();
    write!(log, "a-{:03}", 7).unwrap();
    let taken = log.write_vectored(&[io::IoSlice::new(b""), io::IoSlice::new(b"bc")]).unwrap();
    assert_eq!(taken, 2);
    log.by_ref().write_all(b"d").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "a-007bcd");
}
