//! Many writers, one object: with `OnConflict::Rebase` every record is there once and whole, and nothing is moved
//! behind bytes that are not proved to be others'.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Appender, AppenderBuilder, Auth, Bucket, Checkpoint, Credentials, Error, ErrorKind, Found, OnConflict, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    collections::BTreeMap,
    io::Write,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

fn hasty(oss: &FakeOss) -> Bucket {
    oss.builder("bucket").attempts(1).build().unwrap()
}

fn shared(bucket: &Bucket) -> AppenderBuilder {
    bucket.appender("log").on_conflict(OnConflict::Rebase)
}

/// With `first\n` confirmed and `ours\n` pending.
fn writer(bucket: &Bucket) -> Appender {
    let mut log = shared(bucket).create_new().unwrap();
    log.write_all(b"first\n").unwrap();
    log.confirm().unwrap();
    log.write_all(b"ours\n").unwrap();
    log
}

fn text(oss: &FakeOss) -> String {
    String::from_utf8(oss.object("bucket", "log").unwrap_or_default()).unwrap()
}

fn posts(oss: &FakeOss) -> usize {
    oss.requests().iter().filter(|request| request.method == "POST").count()
}

fn at(bytes: &str) -> Checkpoint {
    Checkpoint::default().advance(bytes)
}

fn record(writer: usize, number: usize) -> String {
    format!("writer {writer} record {number} {}\n", "x".repeat((writer * 7 + number * 13) % 50))
}

/// Pending, behind an object that a stranger's `theirs` has brought to 4 bytes below the 5 GiB it can hold; as far as it
/// is told, for in truth the object has the stranger's bytes alone.
fn nearly_full(oss: &FakeOss, pending: &[u8], roll: bool) -> Appender {
    const END: &str = "5368709116";
    let before = Checkpoint { position: (5 << 30) - 10, crc64: 1 };
    let after = before.advance("theirs");
    oss.append_as_stranger("bucket", "log", b"theirs");
    oss.inject_on("HEAD", Fault::Stale { length: before.position, crc64: Some(before.crc64) });
    oss.inject_on("HEAD", Fault::Stale { length: after.position, crc64: Some(after.crc64) });
    oss.inject(Fault::WithHeader("x-oss-next-append-position", END));
    let read = Fault::IgnoreRange.and(Fault::Status(206));
    let read = read.and(Fault::WithHeader("Content-Range", "bytes 5368709110-5368709115/5368709116"));
    let crc64 = after.crc64.to_string().leak();
    oss.inject_on("GET", read.and(Fault::WithHeader("x-oss-hash-crc64ecma", crc64)));
    let bucket = hasty(oss);
    let builder = if roll { shared(&bucket).roll_over(u64::MAX, |_| "next".into()) } else { shared(&bucket) };
    let mut log = builder.open().unwrap();
    log.write_all(pending).unwrap();
    log
}

fn places(oss: &FakeOss) -> Vec<String> {
    let posts = oss.requests().into_iter().filter(|request| request.method == "POST");
    posts.map(|post| post.target.split_once("position=").unwrap().1.to_owned()).collect()
}

/// Every record of every writer once and whole, each writer's in its order, and nothing else.
fn assert_whole(text: &str, writers: usize, records: usize) {
    let mut seen = BTreeMap::<usize, usize>::new();
    for line in text.split_inclusive('\n') {
        let mut words = line.split(' ');
        let writer: usize = words.nth(1).unwrap_or_default().parse().unwrap_or_else(|_| panic!("torn: {line:?}"));
        let number = seen.entry(writer).or_default();
        assert_eq!(line, record(writer, *number), "writer {writer}, record {number}");
        *number += 1;
    }
    assert_eq!(seen, (0..writers).map(|writer| (writer, records)).collect());
}

/// A busy object may be too busy: that is said, with nothing sent, and the writer goes on.
fn persist(log: &mut Appender, mut what: impl FnMut(&mut Appender) -> std::io::Result<()>) {
    while let Err(error) = what(log) {
        let error = Error::find(&error).unwrap();
        assert_eq!(error.kind(), ErrorKind::Conflict(Found::Longer), "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        log.resync().unwrap();
    }
}

fn write_all_records(bucket: &Bucket, writer: usize, records: usize, each: usize) {
    let mut log = shared(bucket).buffer_capacity(300).open().unwrap();
    for number in 0..records {
        let record = record(writer, number);
        persist(&mut log, |log| log.write(record.as_bytes()).map(|taken| assert_eq!(taken, record.len())));
        if number % each == 0 {
            persist(&mut log, |log| log.flush());
        }
    }
    persist(&mut log, |log| log.flush());
    log.finish().unwrap();
}

// ---- many writers ----------------------------------------------------------------------------------------------------

#[test]
fn many_writers_share_one_object_and_every_record_is_there_once_and_whole() {
    let (oss, bucket) = start();
    thread::scope(|scope| {
        for writer in 0..6 {
            let bucket = bucket.clone();
            scope.spawn(move || write_all_records(&bucket, writer, 120, 1 + writer));
        }
    });
    assert_whole(&text(&oss), 6, 120);
}

#[test]
fn many_writers_share_one_object_while_answers_are_lost() {
    let (oss, bucket) = start();
    let troubles = [
        Fault::LoseAnswer,
        Fault::LoseRequest,
        Fault::FailAfter(500, "InternalError"),
        Fault::Reset,
        Fault::StripHeaders,
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::CutAnswer(30),
        Fault::PageAfter(502),
    ];
    for i in 0..200 {
        oss.inject(if i % 3 == 0 { troubles[i / 3 % troubles.len()].clone() } else { Fault::Pass });
    }
    thread::scope(|scope| {
        for writer in 0..4 {
            let bucket = bucket.clone();
            scope.spawn(move || write_all_records(&bucket, writer, 100, 2));
        }
    });
    assert_whole(&text(&oss), 4, 100);
    assert_eq!(oss.faults_left(), 0);
}

#[test]
fn lines_of_several_writes_stay_whole_among_many_writers() {
    let (oss, bucket) = start();
    thread::scope(|scope| {
        for writer in 0..4 {
            let bucket = bucket.clone();
            scope.spawn(move || {
                let mut log = shared(&bucket).buffer_capacity(200).open().unwrap();
                for number in 0..100 {
                    let record = record(writer, number);
                    for piece in record.as_bytes().chunks(7) {
                        persist(&mut log, |log| log.write(piece).map(|taken| assert_eq!(taken, piece.len())));
                    }
                }
                persist(&mut log, |log| log.flush());
            });
        }
    });
    assert_whole(&text(&oss), 4, 100);
}

// ---- moving ----------------------------------------------------------------------------------------------------------

#[test]
fn it_moves_behind_a_proved_foreign_append() {
    for theirs in ["X", "theirs\n", "much longer than ours\n"] {
        let (oss, bucket) = start();
        let log = writer(&bucket);
        oss.append_as_stranger("bucket", "log", theirs.as_bytes());
        let expected = format!("first\n{theirs}ours\n");
        assert_eq!(log.finish().unwrap(), at(&expected));
        assert_eq!(text(&oss), expected);
    }
}

#[test]
fn sixteen_moves_in_a_row_and_then_it_is_a_conflict() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    for _ in 0..17 {
        oss.inject(Fault::StrangerBefore(b"X\n".to_vec()));
    }
    let before = posts(&oss);
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    assert_eq!(posts(&oss) - before, 17); // the first, and one after each move
    assert_eq!((log.pending(), log.in_doubt(), oss.faults_left()), (&b"ours\n"[..], None, 0));
    assert_eq!(log.confirm().unwrap_err().kind(), ErrorKind::Conflict(Found::Longer)); // it stays
    log.resync().unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), format!("first\n{}ours\n", "X\n".repeat(17)));
}

#[test]
fn sixteen_moves_are_not_too_many_and_a_confirmed_chunk_starts_the_count_anew() {
    let (oss, bucket) = start();
    let mut log = shared(&bucket).create_new().unwrap();
    let mut expected = String::new();
    for round in 0..3 {
        for _ in 0..16 {
            oss.inject(Fault::StrangerBefore(b"X\n".to_vec()));
        }
        log.write_all(format!("{round}\n").as_bytes()).unwrap();
        log.confirm().unwrap();
        expected += &format!("{}{round}\n", "X\n".repeat(16));
    }
    log.finish().unwrap();
    assert_eq!(text(&oss), expected);
}

#[test]
fn a_late_original_cannot_land_once_the_chunk_has_moved() {
    let (oss, bucket) = start();
    let log = writer(&bucket);
    oss.inject(Fault::Hold.and(Fault::StrangerAfter(b"theirs\n".to_vec())));
    log.finish().unwrap();
    assert_eq!(oss.land(), 0);
    assert_eq!(text(&oss), "first\ntheirs\nours\n");
}

#[test]
fn ours_below_a_strangers_are_in_and_not_sent_again() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"theirs\n".to_vec())));
    assert_eq!(log.confirm().unwrap(), at("first\nours\ntheirs\n"));
    log.write_all(b"more\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "first\nours\ntheirs\nmore\n");
}

#[test]
fn a_flipped_crc_in_an_answer_is_no_damage_though_somebody_else_appends_before_it_is_verified() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.inject(Fault::WrongCrc.and(Fault::StrangerAfter(b"theirs\n".to_vec())));
    // All bytes are as they were sent, ours and those before them: to say anything else is untrue.
    log.confirm().unwrap();
    log.write_all(b"more\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "first\nours\ntheirs\nmore\n");
}

#[test]
fn the_answer_after_a_move_may_be_lost_too() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::ApplyLate, Fault::FailAfter(500, "InternalError")] {
        let (oss, bucket) = start();
        let log = writer(&bucket);
        oss.append_as_stranger("bucket", "log", b"theirs\n");
        oss.inject(Fault::Pass);
        oss.inject(fault.clone());
        assert_eq!(log.finish().unwrap(), at("first\ntheirs\nours\n"), "{fault:?}");
        assert_eq!(text(&oss), "first\ntheirs\nours\n", "{fault:?}");
    }
}

#[test]
fn doubt_after_a_move_is_settled_by_the_next_call() {
    for landed in [true, false] {
        let (oss, _) = start();
        let mut log = writer(&hasty(&oss));
        oss.append_as_stranger("bucket", "log", b"theirs\n");
        oss.inject(Fault::Pass);
        oss.inject(if landed { Fault::LoseAnswer } else { Fault::LoseRequest });
        oss.inject_on("HEAD", Fault::Pass);
        oss.inject_on("HEAD", Fault::LoseAnswer);
        assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
        assert_eq!(log.in_doubt(), Some(13..18));
        assert_eq!(log.finish().unwrap(), at("first\ntheirs\nours\n"));
        assert_eq!(text(&oss), "first\ntheirs\nours\n");
    }
}

#[test]
fn taken_apart_in_doubt_after_a_move_resume_may_present_the_bytes_again() {
    for policy in [OnConflict::Rebase, OnConflict::Fail] {
        let (oss, bucket) = start();
        let mut log = writer(&hasty(&oss));
        oss.append_as_stranger("bucket", "log", b"theirs\n");
        oss.inject(Fault::Pass);
        oss.inject(Fault::LoseAnswer);
        oss.inject_on("HEAD", Fault::Pass);
        oss.inject_on("HEAD", Fault::LoseAnswer);
        assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
        let (at, bytes) = log.into_parts();
        let mut log = bucket.appender("log").on_conflict(policy).resume(at).unwrap();
        log.write_all(&bytes).unwrap();
        let told = log.confirm().map_or_else(|error| error.outcome(), |_| Outcome::Applied);
        assert_eq!(text(&oss), "first\ntheirs\nours\n", "{policy:?}");
        assert_ne!(told, Outcome::NotApplied, "{policy:?}: they are in");
    }
}

#[test]
fn resumed_after_a_kill_it_does_not_double_a_record_that_had_moved() {
    let (oss, bucket) = start();
    let mut log = shared(&bucket).create_new().unwrap();
    log.write_all(b"first\n").unwrap();
    let saved = log.confirm().unwrap();
    log.write_all(b"ours\n").unwrap();
    oss.append_as_stranger("bucket", "log", b"theirs\n");
    log.confirm().unwrap(); // behind theirs, and killed before that was saved
    drop(log);

    let mut log = shared(&bucket).resume(saved).unwrap();
    log.write_all(b"ours\n").unwrap();
    if let Err(error) = log.confirm() {
        assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    }
    drop(log);
    assert_eq!(text(&oss), "first\ntheirs\nours\n");
}

#[test]
fn resumed_it_recognises_what_is_in_and_does_not_move_what_an_earlier_life_may_have_moved() {
    let (oss, bucket) = start();
    oss.replace_object("bucket", "log", b"first\nours\ntheirs\n");
    let mut log = shared(&bucket).resume(at("first\n")).unwrap();
    log.write_all(b"ours\n").unwrap();
    assert_eq!(log.confirm().unwrap(), at("first\nours\n"));
    log.write_all(b"more\n").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::Unknown));
    assert_eq!(log.in_doubt(), Some(11..16));
    assert_eq!(log.resync().unwrap_err().outcome(), Outcome::Unknown);
    drop(log);
    assert_eq!(text(&oss), "first\nours\ntheirs\n");
}

#[test]
fn resumed_it_moves_once_the_service_has_answered() {
    let (oss, bucket) = start();
    oss.replace_object("bucket", "log", b"first\n");
    let mut log = shared(&bucket).resume(at("first\n")).unwrap();
    log.write_all(b"ours\n").unwrap();
    log.confirm().unwrap();
    oss.append_as_stranger("bucket", "log", b"theirs\n");
    log.write_all(b"more\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss), "first\nours\ntheirs\nmore\n");
}

// ---- not moving ------------------------------------------------------------------------------------------------------

/// A conflict, and nothing sent anywhere.
fn assert_stays(oss: &FakeOss, mut log: Appender, found: Found, outcome: Outcome) {
    let before = text(oss);
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(found), outcome));
    assert_eq!(log.pending(), b"ours\n");
    log.confirm().unwrap_err();
    drop(log);
    assert_eq!(text(oss), before);
}

#[test]
fn never_onto_a_replaced_object() {
    for object in ["XXXXX\nsomebody else's stream\n", "XXXXX\nours\nand more\n"] {
        let (oss, bucket) = start();
        let log = writer(&bucket);
        oss.replace_object("bucket", "log", object.as_bytes());
        let outcome = if object.contains("ours") { Outcome::Unknown } else { Outcome::NotApplied };
        assert_stays(&oss, log, Found::Different, outcome);
    }
}

#[test]
fn never_onto_a_shorter_object_or_a_missing_one() {
    let (oss, bucket) = start();
    let log = writer(&bucket);
    oss.replace_object("bucket", "log", b"fir");
    assert_stays(&oss, log, Found::Shorter, Outcome::NotApplied);

    let (oss, bucket) = start();
    let log = writer(&bucket);
    oss.delete_object("bucket", "log");
    assert_stays(&oss, log, Found::Missing, Outcome::NotApplied);
}

#[test]
fn never_onto_another_object_of_equal_length() {
    let (oss, _) = start();
    let mut log = writer(&hasty(&oss));
    oss.inject(Fault::LoseRequest);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    log.confirm().unwrap_err();
    oss.replace_object("bucket", "log", b"FIRST\n");
    assert_stays(&oss, log, Found::Different, Outcome::Unknown);
}

#[test]
fn never_onto_a_sealed_object() {
    let (oss, bucket) = start();
    let log = writer(&bucket);
    oss.seal("bucket", "log");
    assert_stays(&oss, log, Found::Sealed, Outcome::NotApplied);
}

#[test]
fn never_without_permission_to_read() {
    for forbidden in [&["GET"][..], &["HEAD", "GET"]] {
        for theirs in ["X", "theirs\n", "ours!"] {
            let (oss, bucket) = start();
            let mut log = writer(&bucket);
            oss.append_as_stranger("bucket", "log", theirs.as_bytes());
            forbidden.iter().for_each(|method| oss.forbid(method));
            let error = log.confirm().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict(Found::Longer), "{forbidden:?} {theirs:?}");
            assert_ne!(error.outcome(), Outcome::Applied, "{forbidden:?} {theirs:?}");
            drop(log);
            assert_eq!(text(&oss), format!("first\n{theirs}"), "{forbidden:?} {theirs:?}");
        }
    }
}

#[test]
fn never_on_a_range_that_is_answered_with_the_whole_object() {
    let (oss, _) = start();
    let mut log = writer(&hasty(&oss));
    oss.append_as_stranger("bucket", "log", b"theirs\n");
    oss.inject_on("GET", Fault::IgnoreRange);
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::Unknown));
    drop(log);
    assert_eq!(text(&oss), "first\ntheirs\n");
}

#[test]
fn never_behind_foreign_bytes_that_equal_ours() {
    for theirs in ["ours\n", "ours\nand more\n"] {
        let (oss, bucket) = start();
        let log = writer(&bucket);
        oss.append_as_stranger("bucket", "log", theirs.as_bytes());
        assert_stays(&oss, log, Found::Longer, Outcome::Unknown);
    }
}

#[test]
fn a_request_that_a_proxy_sent_twice_is_not_sent_a_third_time() {
    let (oss, bucket) = start();
    let log = writer(&bucket);
    oss.inject(Fault::Duplicate);
    let (told, sent) = match log.finish() {
        Ok(_) => (Outcome::Applied, text(&oss)),
        Err(error) => (error.error().outcome(), text(&oss)),
    };
    assert_ne!(told, Outcome::NotApplied);
    assert_eq!(sent, "first\nours\n");
}

#[test]
fn without_rebase_nothing_moves() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(b"ours\n").unwrap();
    oss.append_as_stranger("bucket", "log", b"theirs\n");
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::NotApplied);
    drop(log);
    assert_eq!(text(&oss), "theirs\n");
}

#[test]
fn whole_lines_are_on_unless_switched_off() {
    for (whole, expected) in [(None, "a\nX\nbcdefghi\n"), (Some(false), "a\nbcX\ndefghi\n")] {
        let (oss, bucket) = start();
        let builder = shared(&bucket).buffer_capacity(8);
        let builder = if let Some(yes) = whole { builder.whole_lines(yes) } else { builder };
        let mut log = builder.create_new().unwrap();
        oss.inject(Fault::StrangerAfter(b"X\n".to_vec()));
        log.write_all(b"a\nbc").unwrap();
        log.write_all(b"defgh").unwrap(); // does not fit
        log.write_all(b"i\n").unwrap();
        log.finish().unwrap();
        assert_eq!(text(&oss), expected);
    }
}

#[test]
fn a_panic_behind_a_move_does_not_make_it_move_again() {
    let oss = FakeOss::start().unwrap();
    let (id, secret) = (oss.access_key_id().to_owned(), oss.access_key_secret().to_owned());
    oss.create_bucket("bucket");
    let (calls, panics_at) = (Arc::new(AtomicUsize::new(0)), 6);
    let count = Arc::clone(&calls);
    let auth = Auth::provider(move || {
        assert_ne!(count.fetch_add(1, Ordering::Relaxed) + 1, panics_at, "this provider panics once");
        Ok(Credentials::new(id.clone(), secret.clone()))
    });
    let builder = Bucket::builder(auth, &oss.endpoint(), "bucket").region("cn-hangzhou");
    let bucket = builder.backoff(Duration::ZERO, Duration::ZERO).build().unwrap();
    let mut log = bucket.appender("log").on_conflict(OnConflict::Rebase).open().unwrap(); // call 1
    log.write_all(b"ours\n").unwrap();
    oss.append_as_stranger("bucket", "log", b"theirs\n");
    oss.inject(Fault::Pass); // 409: call 2; asked and read back: calls 3 and 4
    oss.inject(Fault::LoseAnswer); // behind theirs: call 5; asked about: call 6
    std::panic::catch_unwind(AssertUnwindSafe(|| log.confirm())).unwrap_err();
    assert_eq!(oss.object("bucket", "log").unwrap(), b"theirs\nours\n");

    // It is looked for where it went, and not moved once more.
    log.confirm().unwrap();
    assert_eq!(log.pending(), b"");
    drop(log);
    assert_eq!(oss.object("bucket", "log").unwrap(), b"theirs\nours\n");
}

// ---- at the limit ----------------------------------------------------------------------------------------------------

#[test]
fn what_still_fits_below_5_gib_moves_behind_others_and_one_byte_more_does_not() {
    let (oss, _) = start();
    nearly_full(&oss, b"1234", false).confirm().unwrap_err(); // of an object that is not that long in truth
    assert_eq!(places(&oss), ["5368709110", "5368709116"]);

    let (oss, _) = start();
    let mut log = nearly_full(&oss, b"12345", false);
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotApplied));
    assert_eq!(places(&oss), ["5368709110"]);
    assert_eq!((log.checkpoint().position, log.pending()), ((5 << 30) - 4, &b"12345"[..]));
}

#[test]
fn what_others_left_no_room_for_goes_into_the_next_object() {
    let (oss, _) = start();
    let mut log = nearly_full(&oss, b"12345", true);
    assert_eq!(log.confirm().unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(log.confirm().unwrap(), at("12345"));
    assert_eq!((log.key(), oss.object("bucket", "next").unwrap()), ("next", b"12345".to_vec()));
    assert_eq!(places(&oss), ["5368709110", "0"]);
}
