//! The engine's rules, row by row: what each answer to an append and to a question means, for single appends and
//! appenders alike.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::*;
use oss_append::{
    AppendOptions, Auth, Body, Credentials, Error, ErrorKind, Event, Found, OnConflict, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    io::{Read, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

const LONGER: ErrorKind = ErrorKind::Conflict(Found::Longer);
const SHORTER: ErrorKind = ErrorKind::Conflict(Found::Shorter);
const DIFFERENT: ErrorKind = ErrorKind::Conflict(Found::Different);
const MISSING: ErrorKind = ErrorKind::Conflict(Found::Missing);
const SEALED: ErrorKind = ErrorKind::Conflict(Found::Sealed);
const BIG: usize = 20 << 20;
const CRC64: &str = "x-oss-hash-crc64ecma";

fn before(text: &str) -> Fault {
    Fault::StrangerBefore(text.as_bytes().to_vec())
}

fn after(text: &str) -> Fault {
    Fault::StrangerAfter(text.as_bytes().to_vec())
}

/// One append of "ours" behind "base", with these faults for the POSTs and HEADs.
fn append(stage: &Stage, attempts: u32, posts: &[Fault], heads: &[Fault]) -> Result<(), Error> {
    posts.iter().for_each(|fault| stage.oss.inject(fault.clone()));
    heads.iter().for_each(|fault| stage.oss.inject_on("HEAD", fault.clone()));
    let end = stage.bucket(attempts).append_object(KEY, at("base"), "ours")?;
    assert_eq!(end.next_position, 8);
    Ok(())
}

// ---- the sentences -----------------------------------------------------------------------------------------------

#[test]
fn a_refusal_after_a_lost_answer_is_not_not_applied() {
    let stage = Stage::with("base");
    let error = append(&stage, 3, &[Fault::Hold, Fault::Refuse(403, "AccessDenied")], &[]).unwrap_err();
    says(&error, ErrorKind::Service, Outcome::Unknown);
    assert_eq!(stage.text(), "baseours");
    let again = append(&stage, 3, &[], &[]).unwrap_err();
    says(&again, LONGER, Outcome::Unknown);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn giving_up_with_the_old_length_is_unknown() {
    let stage = Stage::with("base");
    let error = append(&stage, 2, &[Fault::Hold, Fault::Hold], &[]).unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4", "HEAD"]);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn our_bytes_under_a_strangers_are_applied() {
    let stage = Stage::with("base");
    let error = append(&stage, 3, &[Fault::LoseAnswer.and(after("theirs"))], &[]).unwrap_err();
    says(&error, LONGER, Outcome::Applied);
    assert_eq!(error.next_position(), Some(14));
    assert_eq!(stage.text(), "baseourstheirs");
}

#[test]
fn a_head_of_503_or_a_proxys_404_is_no_verdict() {
    for fault in [Fault::Refuse(503, "ServiceUnavailable"), Fault::Page(404), Fault::Page(503)] {
        let stage = Stage::with("base");
        let error = append(&stage, 1, &[Fault::LoseAnswer], std::slice::from_ref(&fault)).unwrap_err();
        says(&error, ErrorKind::Transport, Outcome::Unknown);
        assert_eq!(stage.text(), "baseours", "{fault:?}");

        let stage = Stage::with("base");
        append(&stage, 3, &[Fault::LoseAnswer], &[fault.clone(), fault.clone()]).unwrap();
        assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "HEAD", "HEAD"], "{fault:?}");
        assert_eq!(stage.text(), "baseours", "{fault:?}");
    }
}

#[test]
fn an_expired_token_is_not_a_write_only_key() {
    let stage = Stage::with("base");
    let heads = vec![Fault::Refuse(403, "SecurityTokenExpired"); 3];
    let error = append(&stage, 3, &[Fault::LoseAnswer], &heads).unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.posts(), 1);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn a_chunk_in_doubt_keeps_its_cut() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).buffer_capacity(6).open().unwrap();
    log.write_all(b"ours12").unwrap();
    stage.oss.inject(Fault::Hold);
    says(ours(&log.write(b"more").unwrap_err()), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "ours12", Some(4..10));
    stage.oss.inject(Fault::Hold);
    says(ours(&log.write(b"m").unwrap_err()), ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.oss.land(), 1);
    put(&mut log, "more").unwrap();
    let sent: Vec<_> = stage.oss.requests().iter().filter(|r| r.method == "POST").map(|r| r.body_len).collect();
    assert_eq!(sent, [6, 6, 4]);
    settled(&log, &stage, "baseours12more");
}

#[test]
fn a_resumed_chunk_is_recognised_in_any_cut() {
    for earlier in [&["ours"][..], &["ou", "rs"], &["o", "ursmo"], &["oursmore"]] {
        for capacity in [1, 3, 4, 8, 100] {
            let stage = Stage::with("base");
            let bucket = stage.bucket(1);
            let mut end = at("base");
            for chunk in earlier {
                end = bucket.append_object(KEY, end, *chunk).unwrap().checkpoint().unwrap();
            }
            let mut log = log(&bucket).buffer_capacity(capacity).resume(at("base")).unwrap();
            log.write_all(b"oursmore").unwrap();
            log.confirm().unwrap();
            settled(&log, &stage, "baseoursmore");
        }
    }
}

#[test]
fn a_shrunk_object_leaves_doubt() {
    let stage = Stage::with("base");
    let bucket = stage.bucket_with(3, |n, oss| {
        if n == 1 {
            oss.replace_object(BUCKET, KEY, b"b");
        }
    });
    stage.oss.inject(Fault::Hold);
    let error = bucket.append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, SHORTER, Outcome::Unknown);
    assert_eq!(error.next_position(), Some(1));
    stage.oss.append_as_stranger(BUCKET, KEY, b"ase");
    assert_eq!(stage.text(), "baseours", "for it can land when the object has grown to P");
}

#[test]
fn a_surplus_byte_stops_the_request_before_its_end() {
    let stage = Stage::with("base");
    for _ in 0..2 {
        let body = Body::sized(&b"ours!"[..], 4);
        let error = stage.bucket(3).append_object(KEY, at("base"), body).unwrap_err();
        says(&error, ErrorKind::Body, Outcome::NotApplied);
        assert_eq!(stage.text(), "base");
    }
    stage.bucket(3).append_object(KEY, at("base"), Body::sized(&b"ours"[..], 4)).unwrap();
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn a_resent_post_is_never_not_applied_nor_doubled_by_rebase() {
    let stage = Stage::with("base");
    let error = append(&stage, 3, &[Fault::Duplicate], &[]).unwrap_err();
    says(&error, LONGER, Outcome::Unknown);
    assert_eq!(stage.text(), "baseours");

    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.inject(Fault::Duplicate.and(after("theirs")));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.posts(), 1);
    assert_eq!(stage.text(), "baseourstheirs");
}

#[test]
fn a_probe_without_crc_proves_nothing() {
    let stage = Stage::with("base");
    stage.oss.forbid("HEAD");
    let faults = [Fault::LoseRequest.and(after("them")), Fault::Pass, Fault::NoCrc];
    says(&append(&stage, 3, &faults, &[]).unwrap_err(), LONGER, Outcome::Unknown);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4", "POST 8"]);
    assert_eq!(stage.text(), "basethem");
}

#[test]
fn a_portals_200_is_asked_about() {
    let stage = Stage::with("base");
    append(&stage, 3, &[Fault::Page(200)], &[]).unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4"]);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn a_replaced_object_is_not_rebased_onto() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.replace_object(BUCKET, KEY, b"BASE and more");
    says(&put(&mut log, "ours").unwrap_err(), DIFFERENT, Outcome::NotApplied);
    keeps(&log, "ours", None);
    assert_eq!((stage.text(), stage.posts()), ("BASE and more".to_owned(), 1));
}

#[test]
fn a_range_answered_with_200_is_no_proof() {
    let stage = Stage::with("ours");
    let bucket = stage.bucket(2);
    stage.oss.inject(Fault::LoseRequest.and(after("other")));
    stage.oss.inject_on("GET", Fault::IgnoreRange);
    stage.oss.inject_on("GET", Fault::IgnoreRange);
    let error = bucket.append_object(KEY, at("ours"), "ours").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.text(), "oursother");
}

#[test]
fn resync_sends_nothing_that_is_in() {
    for fault in [Fault::LoseAnswer.and(after("theirs")), Fault::LoseAnswer.and(after("x"))] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(fault);
        says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Applied);
        let (posts, text) = (stage.posts(), stage.text());
        assert_eq!(log.resync().unwrap(), at(&text));
        log.confirm().unwrap();
        assert_eq!(stage.posts(), posts);
        settled(&log, &stage, &text);
    }
}

#[test]
fn roll_over_never_leaves_doubt_behind() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(1)).roll_over(4, |_| "next".to_owned()).create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    stage.oss.inject(Fault::Hold);
    says(ours(&log.write(b"two\n").unwrap_err()), ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(log.key(), KEY);
    keeps(&log, "one\n", Some(0..4));
    assert_eq!(stage.oss.land(), 1);
    log.write_all(b"two\n").unwrap();
    assert_eq!(log.key(), "next");
    log.confirm().unwrap();
    assert_eq!((stage.text(), stage.oss.object(BUCKET, "next")), ("one\n".to_owned(), Some(b"two\n".to_vec())));
}

// ---- after sending -----------------------------------------------------------------------------------------------

#[test]
fn what_could_not_connect_was_not_sent() {
    let stage = Stage::with("base");
    let bucket = stage.bucket(3);
    stage.oss.go_away();
    let error = bucket.append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    assert!(error.is_transient());
    let error = bucket.append_object(KEY, 4, "ours").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    stage.oss.come_back();
    let mut log = log(&bucket).resume(at("base")).unwrap();
    stage.oss.go_away();
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown); // resumed: until the first 200
    keeps(&log, "ours", Some(4..8));
    stage.oss.come_back();
    log.confirm().unwrap();
    settled(&log, &stage, "baseours");
}

#[test]
fn what_was_not_sent_is_sent_again_even_from_a_reader_and_at_a_bare_position() {
    let stage = Stage::with("base");
    let (oss, calls) = (Arc::clone(&stage.oss), Mutex::new(0));
    let auth = Auth::provider(move || {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        match *calls {
            1 => oss.go_away(),
            2 => oss.come_back(),
            _ => {}
        }
        Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret()))
    });
    let bucket = stage.oss.builder_for(auth, 2);
    bucket.append_object(KEY, 4, Body::from_reader(&b"ours"[..])).unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4"]);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn a_part_cannot_have_landed() {
    let big = vec![b'x'; BIG];
    let stage = Stage::with("base");
    stage.oss.inject(Fault::CutRequest(1 << 20));
    let error = stage.bucket(1).append_object(KEY, at("base"), &big).unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    assert_eq!(stage.text(), "base");

    stage.oss.inject(Fault::CutRequest(1 << 20));
    stage.bucket(2).append_object(KEY, at("base"), &big).unwrap();
    assert_eq!(stage.text().len(), 4 + BIG);
}

#[test]
fn equal_bytes_found_after_a_part_are_not_ours() {
    let big = "x".repeat(BIG);
    let stage = Stage::with("base");
    stage.oss.inject(Fault::CutRequest(1 << 20).and(before(&big)));
    let mut log = log(&stage.bucket(3)).buffer_capacity(BIG).open().unwrap();
    let error = put(&mut log, &big).unwrap_err();
    says(&error, LONGER, Outcome::NotApplied);
    assert_eq!(log.in_doubt(), None);
    assert_eq!(stage.text().len(), 4 + BIG);
    log.resync().unwrap();
    log.confirm().unwrap();
    settled(&log, &stage, &format!("base{big}{big}"));
}

#[test]
fn a_part_leaves_earlier_doubt_as_it_was() {
    let big = "x".repeat(BIG);
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).buffer_capacity(BIG).open().unwrap();
    stage.oss.inject(Fault::Hold);
    (0..4).for_each(|_| stage.oss.inject(Fault::CutRequest(100)));
    says(&put(&mut log, &big).unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(log.in_doubt(), Some(4..4 + BIG as u64));
    assert_eq!(stage.oss.land(), 1);
    log.confirm().unwrap();
    settled(&log, &stage, &format!("base{big}"));
}

#[test]
fn the_right_place_and_crc_are_one_request() {
    let stage = Stage::with("base");
    append(&stage, 1, &[], &[]).unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4"]);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn without_a_crc_the_place_confirms_and_the_next_crc_must_agree() {
    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject(Fault::NoCrc);
    assert_eq!(put(&mut one, "ours").unwrap(), at("baseours"));
    assert_eq!(stage.calls_from(1), ["POST 4"]);
    put(&mut one, "more").unwrap();
    settled(&one, &stage, "baseoursmore");

    // Damaged behind a missing CRC: the next answer that carries one tells.
    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject(Fault::NoCrc.and(Fault::Damage));
    put(&mut one, "ours").unwrap();
    says(&put(&mut one, "more").unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
    keeps(&one, "more", None);
    one.resync().unwrap();
    keeps(&one, "", None);
    assert!(stage.text().ends_with("more") && stage.text().len() == 12);
}

#[test]
fn another_crc_is_asked_about_once_and_then_integrity() {
    let stage = Stage::with("base");
    append(&stage, 3, &[Fault::WrongCrc], &[]).unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"]);

    let stage = Stage::with("base");
    let error = append(&stage, 3, &[Fault::Damage], &[]).unwrap_err();
    says(&error, ErrorKind::Integrity, Outcome::Applied);
    assert_eq!(stage.posts(), 1);
    assert_eq!(stage.text().len(), 8);
}

/// Every answer that says nothing: the bytes may be in.
fn unreadable() -> Vec<Fault> {
    vec![
        Fault::WrongNext,
        Fault::NoNext,
        Fault::StripHeaders,
        Fault::WithoutHeader("x-oss-request-id").and(Fault::NoCrc),
        Fault::Status(201),
        Fault::Status(204),
        Fault::Status(206),
        Fault::Status(301),
        Fault::Status(302),
        Fault::Status(304),
        Fault::PageAfter(200),
        Fault::PageAfter(403),
        Fault::PageAfter(502),
        Fault::FailAfter(500, "InternalError"),
        Fault::FailAfter(503, "ServiceUnavailable").and(Fault::WithHeader("Retry-After", "5")),
        Fault::FailAfter(429, "TooManyRequests"),
        Fault::FailAfter(408, "RequestTimeout"),
        Fault::LoseAnswer,
        Fault::Reset,
        Fault::CutAnswer(0),
        Fault::CutAnswer(9),
        Fault::CutAnswer(100),
        Fault::Garbage,
    ]
}

#[test]
fn an_answer_that_says_nothing_is_asked_about() {
    for fault in unreadable() {
        let stage = Stage::with("base");
        let result = append(&stage, 2, std::slice::from_ref(&fault), &[]);
        assert!(result.is_ok(), "{fault:?}: {result:?}");
        assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"], "{fault:?}");
        assert_eq!(stage.text(), "baseours", "{fault:?}");
    }
}

#[test]
fn an_answer_that_says_nothing_is_unknown_while_nothing_can_be_asked() {
    for fault in unreadable() {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(1)).open().unwrap();
        stage.oss.inject(fault.clone());
        stage.oss.inject_on("HEAD", Fault::Page(503));
        let error = put(&mut log, "ours").unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{fault:?}: {error:?}");
        keeps(&log, "ours", Some(4..8));
        if error.kind() == ErrorKind::Protocol {
            says(&log.confirm().unwrap_err(), ErrorKind::Protocol, Outcome::Unknown);
            log.resync().unwrap();
        }
        log.confirm().unwrap();
        assert_eq!(stage.posts(), 1, "{fault:?}");
        settled(&log, &stage, "baseours");
    }
}

#[test]
fn an_answer_that_says_nothing_is_unknown_at_a_bare_position() {
    for fault in unreadable() {
        let stage = Stage::with("base");
        stage.oss.inject(fault.clone());
        let error = stage.bucket(3).append_object(KEY, 4, "ours").unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{fault:?}: {error:?}");
        assert_eq!(stage.calls_from(0), ["POST 4"], "{fault:?}");
        assert_eq!(stage.text(), "baseours");
    }
}

#[test]
fn a_request_that_nobody_applied_is_sent_again() {
    for fault in [
        Fault::LoseRequest,
        Fault::LoseRequest.and(Fault::Reset),
        Fault::Page(200),
        Fault::Page(413),
        Fault::Refuse(500, "InternalError"),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Refuse(400, "X").and(Fault::Status(200)),
        Fault::Refuse(400, "X").and(Fault::Status(302)),
    ] {
        let stage = Stage::with("base");
        let result = append(&stage, 2, std::slice::from_ref(&fault), &[]);
        assert!(result.is_ok(), "{fault:?}: {result:?}");
        assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4"], "{fault:?}");
        assert_eq!(stage.text(), "baseours", "{fault:?}");
    }
}

#[test]
fn spoiled_requests_are_sent_again_and_stored_nothing() {
    for code in ["InvalidDigest", "IncompleteBody"] {
        let stage = Stage::with("base");
        append(&stage, 2, &[Fault::Refuse(400, code)], &[]).unwrap();
        assert_eq!(stage.calls_from(0), ["POST 4", "POST 4"], "{code}");
        assert_eq!(stage.text(), "baseours");
        let stage = Stage::with("base");
        let error = append(&stage, 2, &[Fault::Refuse(400, code), Fault::Refuse(400, code)], &[]).unwrap_err();
        says(&error, ErrorKind::Service, Outcome::NotApplied);
        assert_eq!(stage.text(), "base");
    }
}

#[test]
fn an_answer_that_does_not_come_in_time_is_asked_about() {
    let stage = Stage::with("base");
    stage.oss.inject(Fault::Stall(Duration::from_secs(60)));
    let bucket = stage.oss.builder(BUCKET).attempts(1).request_timeout(Duration::from_secs(1)).build().unwrap();
    bucket.append_object(KEY, at("base"), "ours").unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"]);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn another_next_that_no_question_settles_is_protocol_and_stays() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    let lie = Fault::Refuse(400, "X").and(Fault::Status(200));
    stage.oss.inject(lie.clone());
    stage.oss.inject(lie);
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Protocol, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    let posts = stage.posts();
    says(&log.confirm().unwrap_err(), ErrorKind::Protocol, Outcome::Unknown);
    says(ours(&log.write(b"more").unwrap_err()), ErrorKind::Protocol, Outcome::Unknown);
    assert_eq!(stage.posts(), posts);
    log.resync().unwrap();
    log.confirm().unwrap();
    settled(&log, &stage, "baseours");
}

#[test]
fn a_refused_place_is_asked_about_in_doubt_or_not() {
    // A stranger was there, and others' bytes are.
    let stage = Stage::with("base");
    let error = append(&stage, 3, &[before("x")], &[]).unwrap_err();
    says(&error, LONGER, Outcome::NotApplied);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"]);
    assert_eq!((error.code(), error.next_position()), (Some("PositionNotEqualToLength"), Some(5)));
    // It was not true.
    let stage = Stage::with("base");
    append(&stage, 3, &[Fault::Refuse(409, "PositionNotEqualToLength")], &[]).unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4"]);
    assert_eq!(stage.text(), "baseours");
    // Nothing can be asked: a proxy may have sent it twice.
    let stage = Stage::with("base");
    let error = append(&stage, 1, &[Fault::Duplicate], &[Fault::Page(503)]).unwrap_err();
    says(&error, LONGER, Outcome::Unknown);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn an_absence_older_than_a_refusal_that_named_a_longer_object_is_no_answer() {
    let stage = Stage::with("base");
    let error = append(&stage, 3, &[before("x")], &[Fault::Refuse(404, "NoSuchKey")]).unwrap_err();
    says(&error, LONGER, Outcome::NotApplied);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "HEAD"]);
}

#[test]
fn any_other_refusal_is_said_as_it_is_and_asks_nothing() {
    for (status, code, kind) in [
        (409, "ObjectNotAppendable", ErrorKind::NotAppendable),
        (409, "FileImmutable", ErrorKind::Service),
        (400, "AppendSealedObjectNotAllowed", SEALED),
        (400, "InvalidArgument", ErrorKind::Service),
        (400, "InlineDataTooLarge", ErrorKind::TooLarge),
        (403, "AccessDenied", ErrorKind::Service),
        (403, "SignatureDoesNotMatch", ErrorKind::Service),
        (404, "NoSuchBucket", ErrorKind::Service),
        (411, "MissingContentLength", ErrorKind::Service),
    ] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(Fault::Refuse(status, code));
        let error = put(&mut log, "ours").unwrap_err();
        says(&error, kind, Outcome::NotApplied);
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
        assert_eq!(stage.calls_from(1), ["POST 4"], "{code}");
        keeps(&log, "ours", None);
        if kind == SEALED {
            says(&log.confirm().unwrap_err(), kind, Outcome::NotApplied);
            log.resync().unwrap();
        }
        log.confirm().unwrap();
        settled(&log, &stage, "baseours");

        // In doubt: the question first, and what it says counts more.
        let stage = Stage::with("base");
        append(&stage, 3, &[Fault::ApplyAfter(2), Fault::Refuse(status, code)], &[]).unwrap();
        assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4", "HEAD"], "{code}");
        assert_eq!(stage.text(), "baseours");
    }
}

// ---- asking ------------------------------------------------------------------------------------------------------

#[test]
fn a_question_goes_past_caches_and_creates_nothing() {
    let stage = Stage::empty();
    let options = AppendOptions::new()
        .meta("who", "me")
        .tag("a", "b")
        .header("x-oss-request-payer", "requester")
        .header("x-oss-forbid-overwrite", "true")
        .content_type("text/x");
    stage.oss.inject(Fault::LoseAnswer.and(after("theirs")));
    let error = stage.bucket(1).append_object_with(KEY, 0, "ours", &options).unwrap_err();
    says(&error, LONGER, Outcome::Applied);
    let requests = stage.oss.requests();
    assert_eq!(stage.calls_from(0), ["POST 0", "HEAD", "GET"]);
    assert_eq!(requests[0].header("x-oss-meta-who"), Some("me"));
    for asked in &requests[1..] {
        assert_eq!(asked.header("cache-control"), Some("no-cache"));
        assert_eq!(asked.header("x-oss-request-payer"), Some("requester"));
        for name in ["x-oss-meta-who", "x-oss-tagging", "x-oss-forbid-overwrite", "content-type"] {
            assert_eq!(asked.header(name), None, "{name}");
        }
    }
    assert_eq!(requests[2].header("range"), Some("bytes=0-"));
    assert_eq!(requests[2].header("x-oss-range-behavior"), Some("standard"));
    assert_eq!(requests[2].header("accept-encoding"), Some("identity"));
    assert_eq!(stage.text(), "ourstheirs");
}

#[test]
fn found_at_its_place_it_has_landed_also_when_sealed_or_replaced_by_a_copy_since() {
    type Change = fn(&FakeOss);
    let changes: [Change; 2] = [|oss| assert!(oss.seal(BUCKET, KEY)), |oss| oss.put_object(BUCKET, KEY, b"baseours")];
    for change in changes {
        let stage = Stage::with("base");
        let bucket = stage.bucket_with(3, move |n, oss| {
            if n == 1 {
                change(oss);
            }
        });
        stage.oss.inject(Fault::LoseAnswer);
        bucket.append_object(KEY, at("base"), "ours").unwrap();
        assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"]);
        assert_eq!(stage.text(), "baseours");
    }
}

#[test]
fn equal_bytes_that_were_never_in_doubt_cannot_be_told_from_ours() {
    for policy in [OnConflict::Fail, OnConflict::Rebase] {
        for behind in ["", "theirs"] {
            let stage = Stage::with("base");
            let mut log = log(&stage.bucket(3)).on_conflict(policy).open().unwrap();
            stage.oss.inject(before(&format!("ours{behind}")));
            says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
            keeps(&log, "ours", Some(4..8));
            assert_eq!(stage.posts(), 1);
            assert_eq!(log.resync().unwrap_err().outcome(), Outcome::Unknown);
            keeps(&log, "ours", Some(4..8));
            drop(log);
            assert_eq!(stage.text(), format!("baseours{behind}"));
        }
    }
}

#[test]
fn not_in_yet_is_sent_again_and_stays_in_doubt() {
    let stage = Stage::with("base");
    let error = append(&stage, 2, &[Fault::LoseRequest, Fault::LoseRequest], &[]).unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.text(), "base");
    append(&stage, 2, &[Fault::LoseRequest], &[Fault::NoCrc]).unwrap();
    assert_eq!(stage.text(), "baseours");

    let stage = Stage::empty();
    stage.oss.inject(Fault::LoseRequest);
    stage.bucket(2).append_object(KEY, 0, "ours").unwrap();
    assert_eq!(stage.calls_from(0), ["POST 0", "HEAD", "POST 0"], "NoSuchKey at 0");
    assert_eq!(stage.text(), "ours");
}

#[test]
fn sealed_or_of_another_type_before_it_landed_it_cannot_land_any_more() {
    type Change = fn(&FakeOss);
    let changes: [(Change, ErrorKind); 2] = [
        (|oss| assert!(oss.seal(BUCKET, KEY)), SEALED),
        (|oss| oss.put_object(BUCKET, KEY, b"base"), ErrorKind::NotAppendable),
    ];
    for (change, kind) in changes {
        let stage = Stage::with("base");
        let bucket = stage.bucket_with(3, move |n, oss| {
            if n == 2 {
                change(oss);
            }
        });
        let mut log = log(&bucket).open().unwrap();
        stage.oss.inject(Fault::Hold);
        says(&put(&mut log, "ours").unwrap_err(), kind, Outcome::NotApplied);
        keeps(&log, "ours", None);
        assert_eq!(stage.oss.land(), 0);
        assert_eq!(stage.text(), "base");
        assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::NotApplied);
        assert_eq!(stage.text(), "base");
    }
}

/// Without the CRC of what lies before, nobody knows that the sealed object is the one that was presented to.
#[test]
fn sealed_at_a_bare_position_it_may_have_landed_in_an_object_that_was_there_before() {
    let stage = Stage::with("base");
    let bucket = stage.bucket_with(3, |n, oss| {
        if n == 1 {
            assert!(oss.seal(BUCKET, KEY));
        }
    });
    stage.oss.inject(Fault::Refuse(409, "PositionNotEqualToLength"));
    says(&bucket.append_object(KEY, 4, "ours").unwrap_err(), SEALED, Outcome::Unknown);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"]);
}

#[test]
fn a_shrunk_replaced_or_deleted_object_is_named() {
    type Change = fn(&FakeOss);
    let changes: [(Change, ErrorKind); 3] = [
        (|oss| oss.replace_object(BUCKET, KEY, b"ba"), SHORTER),
        (|oss| oss.replace_object(BUCKET, KEY, b"BASE"), DIFFERENT),
        (|oss| assert!(oss.delete_object(BUCKET, KEY)), MISSING),
    ];
    for (change, kind) in changes {
        for (fault, outcome) in [
            (Fault::Hold, Outcome::Unknown),
            (Fault::LoseRequest, Outcome::Unknown),
            (
                Fault::Refuse(409, "PositionNotEqualToLength")
                    .and(Fault::WithHeader("x-oss-next-append-position", "2")),
                Outcome::NotApplied,
            ),
            // A refusal that does not say where the end is may be the second of two that a proxy sent.
            (Fault::Refuse(409, "PositionNotEqualToLength"), Outcome::Unknown),
        ] {
            let stage = Stage::with("base");
            let bucket = stage.bucket_with(3, move |n, oss| {
                if n == 1 {
                    change(oss);
                }
            });
            stage.oss.inject(fault.clone());
            let error = bucket.append_object(KEY, at("base"), "ours").unwrap_err();
            says(&error, kind, outcome);
            assert_eq!(stage.posts(), 1, "{fault:?}");
        }
    }
}

#[test]
fn foreign_bytes_inside_the_chunk_end_its_doubt() {
    for fault in [before("x"), Fault::Hold.and(after("x")), Fault::LoseRequest.and(after("xyz"))] {
        let theirs = if matches!(&fault, Fault::Both(one, _) if **one == Fault::LoseRequest) { "xyz" } else { "x" };
        let stage = Stage::with("base");
        let mut one = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(fault.clone());
        says(&put(&mut one, "ours").unwrap_err(), LONGER, Outcome::NotApplied);
        keeps(&one, "ours", None);
        assert_eq!(stage.oss.land(), 0);
        assert_eq!(stage.text(), format!("base{theirs}"));
        one.resync().unwrap();
        one.confirm().unwrap();
        settled(&one, &stage, &format!("base{theirs}ours"));

        let stage = Stage::with("base");
        let mut two = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
        stage.oss.inject(fault);
        put(&mut two, "ours").unwrap();
        assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "GET", &format!("POST {}", 4 + theirs.len())]);
        settled(&two, &stage, &format!("base{theirs}ours"));
    }
}

#[test]
fn others_beyond_the_chunks_end_are_a_conflict_or_a_move() {
    for fault in
        [before("strangers"), Fault::Hold.and(after("strangers")), before("them"), Fault::Hold.and(after("them"))]
    {
        let theirs = if format!("{fault:?}").contains("115, 116") { "strangers" } else { "them" };
        let stage = Stage::with("base");
        let mut one = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(fault.clone());
        let error = put(&mut one, "ours").unwrap_err();
        says(&error, LONGER, Outcome::NotApplied);
        assert_eq!(error.next_position(), Some(4 + theirs.len() as u64));
        assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "GET"]);
        keeps(&one, "ours", None);
        assert_eq!(stage.oss.land(), 0);
        assert_eq!(stage.text(), format!("base{theirs}"));

        let stage = Stage::with("base");
        let mut two = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
        stage.oss.inject(fault);
        put(&mut two, "ours").unwrap();
        settled(&two, &stage, &format!("base{theirs}ours"));
    }
}

#[test]
fn ours_under_a_strangers_go_on_behind_them_when_rebased_or_resumed() {
    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer.and(after("theirs")));
    put(&mut one, "ours").unwrap();
    settled(&one, &stage, "baseourstheirs");

    // Resumed: the rest is asked about in the same way.
    let stage = Stage::with("base");
    stage.oss.append_as_stranger(BUCKET, KEY, b"oursmore");
    let mut two = log(&stage.bucket(3)).buffer_capacity(4).resume(at("base")).unwrap();
    two.write_all(b"oursmorelast").unwrap();
    two.confirm().unwrap();
    settled(&two, &stage, "baseoursmorelast");
}

#[test]
fn ours_behind_a_replaced_part_are_applied_and_a_conflict() {
    for policy in [OnConflict::Fail, OnConflict::Rebase] {
        for behind in ["", "theirs"] {
            let stage = Stage::with("base");
            let bucket = stage.bucket_with(3, move |n, oss| {
                if n == 2 {
                    oss.replace_object(BUCKET, KEY, format!("BASEours{behind}").as_bytes());
                }
            });
            let mut log = log(&bucket).on_conflict(policy).open().unwrap();
            stage.oss.inject(Fault::LoseAnswer);
            says(&put(&mut log, "ours").unwrap_err(), DIFFERENT, Outcome::Applied);
            keeps(&log, "ours", None);
            log.resync().unwrap();
            log.confirm().unwrap();
            assert_eq!(stage.posts(), 1);
            settled(&log, &stage, &format!("BASEours{behind}"));
        }
    }
}

#[test]
fn what_cannot_be_read_back_is_no_answer() {
    for fault in [
        Fault::Refuse(403, "AccessDenied"),
        Fault::Page(206),
        Fault::Status(200),
        Fault::WithHeader("Content-Range", "bytes 5-13/14"),
        Fault::WithHeader("Content-Range", "bytes 4-13/*"),
        Fault::WithoutHeader("Content-Range"),
        Fault::WithHeader("Age", "1"),
        Fault::CutAnswer(500),
        Fault::LoseAnswer,
    ] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(2)).open().unwrap();
        stage.oss.inject(Fault::LoseAnswer.and(after("theirs")));
        stage.oss.inject_on("GET", fault.clone());
        stage.oss.inject_on("GET", fault.clone());
        let error = put(&mut log, "ours").unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::Unknown), "{fault:?}: {error:?}");
        keeps(&log, "ours", Some(4..8));
        assert_eq!(stage.oss.faults_left(), 0, "{fault:?}");
        says(&log.confirm().unwrap_err(), LONGER, Outcome::Applied);
        log.resync().unwrap();
        assert_eq!(stage.posts(), 1);
        settled(&log, &stage, "baseourstheirs");
    }
}

#[test]
fn beyond_64_mib_of_foreign_bytes_only_the_chunk_is_read_and_rebase_is_off() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).on_conflict(OnConflict::Rebase).open().unwrap();
    let theirs = "t".repeat((64 << 20) + 1);
    stage.oss.inject(before(&format!("them{theirs}")));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::NotApplied);
    let requests = stage.oss.requests();
    assert_eq!(requests.last().unwrap().header("range"), Some("bytes=4-7"));
    assert_eq!(stage.posts(), 1);
    keeps(&log, "ours", None);
}

#[test]
fn whatever_is_not_the_services_word_on_the_object_is_no_answer() {
    for fault in [
        Fault::Refuse(500, "InternalError"),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Refuse(429, "TooManyRequests"),
        Fault::Refuse(400, "InvalidArgument"),
        Fault::Refuse(403, "SignatureDoesNotMatch"),
        Fault::Refuse(404, "NoSuchBucket"),
        Fault::Refuse(412, "PreconditionFailed"),
        Fault::Status(304),
        Fault::Status(302),
        Fault::Status(206),
        Fault::Page(200),
        Fault::Page(403),
        Fault::Page(404),
        Fault::Refuse(404, "NoSuchKey").and(Fault::WithoutHeader("x-oss-err")).and(Fault::WithoutHeader("x-oss-ec")),
        Fault::Refuse(404, "NoSuchKey").and(Fault::WithHeader("Age", "1")),
        Fault::WithHeader("Age", "1"),
        Fault::WithoutHeader("x-oss-request-id"),
        Fault::WithoutHeader("Content-Length"),
        Fault::WrongNext,
        Fault::CutAnswer(30),
        Fault::Garbage,
        Fault::LoseAnswer,
    ] {
        let stage = Stage::with("base");
        let result = append(&stage, 3, &[Fault::LoseAnswer], &[fault.clone(), fault.clone()]);
        assert!(result.is_ok(), "{fault:?}: {result:?}");
        assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "HEAD", "HEAD"], "{fault:?}");

        let stage = Stage::with("base");
        let heads = vec![fault.clone(); 3];
        let error = append(&stage, 3, &[Fault::LoseAnswer], &heads).unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{fault:?}: {error:?}");
        assert_eq!(stage.posts(), 1, "{fault:?}");
        assert_eq!(stage.text(), "baseours", "{fault:?}");
    }
}

// ---- a key that may only write -----------------------------------------------------------------------------------

/// An append with a key that may not read.
fn append_blindly(posts: &[Fault]) -> (Stage, Result<(), Error>) {
    let stage = Stage::with("base");
    stage.oss.forbid("HEAD");
    stage.oss.forbid("GET");
    let result = append(&stage, 3, posts, &[]);
    (stage, result)
}

#[test]
fn a_write_only_key_presents_the_chunk_again() {
    let (stage, result) = append_blindly(&[Fault::LoseRequest]);
    result.unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4"], "200 confirms");
    assert_eq!(stage.text(), "baseours");

    let (stage, result) = append_blindly(&[Fault::LoseAnswer]);
    result.unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4", "POST 8"], "the probe's CRC confirms");
    assert_eq!(stage.oss.requests()[3].body_len, 0);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn a_write_only_key_knows_what_a_refusal_proves() {
    for (faults, kind, outcome, text) in [
        // Another CRC at P+n; an end beyond it; none.
        (vec![Fault::LoseRequest.and(after("them"))], LONGER, Outcome::Unknown, "basethem"),
        (vec![before("them")], LONGER, Outcome::Unknown, "basethem"),
        (vec![Fault::LoseAnswer.and(after("x"))], LONGER, Outcome::Unknown, "baseoursx"),
        (vec![Fault::LoseAnswer, Fault::NoNext], LONGER, Outcome::Unknown, "baseours"),
        // The probe: no CRC, refused, no answer.
        (vec![Fault::LoseAnswer, Fault::Pass, Fault::NoCrc], LONGER, Outcome::Unknown, "baseours"),
        (vec![Fault::LoseAnswer, Fault::Pass, before("x")], LONGER, Outcome::Unknown, "baseoursx"),
        // Its CRC is right, and its place is another.
        (vec![Fault::LoseAnswer, Fault::Pass, Fault::WrongNext], LONGER, Outcome::Unknown, "baseours"),
        (vec![Fault::LoseAnswer, Fault::Pass, Fault::LoseAnswer], LONGER, Outcome::Unknown, "baseours"),
        // An end inside the chunk.
        (vec![before("x")], LONGER, Outcome::NotApplied, "basex"),
        (vec![Fault::Hold, before("x")], LONGER, Outcome::NotApplied, "basex"),
        // A refusal while in doubt.
        (vec![Fault::Hold, Fault::Refuse(403, "AccessDenied")], ErrorKind::Service, Outcome::Unknown, "baseours"),
    ] {
        let (stage, result) = append_blindly(&faults);
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{faults:?}: {error:?}");
        assert_eq!(stage.oss.faults_left(), 0, "{faults:?}");
        assert_eq!(stage.text(), text, "{faults:?}");
    }
}

#[test]
fn a_write_only_key_meets_a_shorter_object() {
    for (fault, outcome) in [(Fault::Pass, Outcome::NotApplied), (Fault::Hold, Outcome::Unknown)] {
        let stage = Stage::with("base");
        let shrink_at = if fault == Fault::Pass { 0 } else { 2 };
        let bucket = stage.bucket_with(3, move |n, oss| {
            if n == shrink_at {
                oss.replace_object(BUCKET, KEY, b"ba");
            }
        });
        stage.oss.forbid("HEAD");
        stage.oss.inject(fault);
        let error = bucket.append_object(KEY, at("base"), "ours").unwrap_err();
        says(&error, SHORTER, outcome);
        assert_eq!(error.next_position(), Some(2));
    }
}

#[test]
fn rebase_needs_permission_to_read() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.forbid("HEAD");
    stage.oss.forbid("GET");
    stage.oss.inject(before("x"));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::NotApplied);
    keeps(&log, "ours", None);
    assert_eq!((stage.text(), stage.posts()), ("basex".to_owned(), 1));
}

#[test]
fn a_key_that_may_read_after_a_refresh_is_not_write_only() {
    let stage = Stage::with("base");
    let (oss, token) = (Arc::clone(&stage.oss), Mutex::new(0));
    stage.oss.require_token("t");
    let auth = Auth::provider(move || {
        let mut calls = token.lock().unwrap();
        *calls += 1;
        // POST, HEAD with an old token, refreshed, HEAD.
        let token = if *calls == 2 { "old" } else { "t" };
        Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret()).with_token(token))
    });
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.builder_for(auth, 1).append_object(KEY, at("base"), "ours").unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "HEAD"]);
    assert_eq!(stage.text(), "baseours");
}

// ---- retry -------------------------------------------------------------------------------------------------------

#[test]
fn three_attempts_and_three_tries_per_question_unless_told_otherwise() {
    let stage = Stage::with("base");
    let bucket = stage.oss.bucket(BUCKET);
    (0..9).for_each(|_| stage.oss.inject(Fault::LoseRequest));
    let error = bucket.append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "POST 4", "HEAD", "POST 4", "HEAD"]);

    let stage = Stage::with("base");
    let bucket = stage.oss.bucket(BUCKET);
    stage.oss.inject(Fault::LoseRequest);
    (0..9).for_each(|_| stage.oss.inject_on("HEAD", Fault::Page(503)));
    let error = bucket.append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "HEAD", "HEAD"]);
}

#[test]
fn a_clock_repair_and_a_refresh_are_no_attempts_and_done_once_each() {
    let stage = Stage::with("base");
    let (oss, calls) = (Arc::clone(&stage.oss), Mutex::new(0));
    stage.oss.set_clock_offset(7200);
    stage.oss.require_token("t");
    let auth = Auth::provider(move || {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        let token = if *calls < 3 { "old" } else { "t" };
        Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret()).with_token(token))
    });
    let bucket = stage.oss.builder_for(auth, 1);
    bucket.append_object(KEY, at("base"), "ours").unwrap();
    assert_eq!(stage.calls_from(0), ["POST 4", "POST 4", "POST 4"]);
    assert_eq!(stage.text(), "baseours");

    stage.oss.inject(Fault::Refuse(403, "RequestTimeTooSkewed"));
    stage.oss.inject(Fault::Refuse(403, "RequestTimeTooSkewed"));
    let error = bucket.append_object(KEY, at("baseours"), "more").unwrap_err();
    says(&error, ErrorKind::Service, Outcome::NotApplied);
    assert_eq!(error.code(), Some("RequestTimeTooSkewed"));
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn what_the_last_question_finds_is_said_and_not_why_there_is_no_further_attempt() {
    let (stage, asked) = (Stage::with("base"), AtomicUsize::new(0));
    let oss = Arc::clone(&stage.oss);
    let builder = stage.oss.builder(BUCKET).attempts(2).on_event(move |event| {
        if matches!(event, Event::Ask { .. }) && asked.fetch_add(1, Relaxed) == 1 {
            oss.come_back();
            oss.append_as_stranger(BUCKET, KEY, b"theirs");
        }
    });
    // In doubt, and then nobody is there to be sent to.
    stage.oss.inject(Fault::Hold);
    stage.oss.inject_on("HEAD", Fault::GoAway.and(Fault::WithHeader("Connection", "close")));
    let error = builder.build().unwrap().append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, LONGER, Outcome::NotApplied);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD", "HEAD", "GET"]);
    assert_eq!(stage.text(), "basetheirs");
}

#[test]
fn a_probe_has_the_headers_of_the_append_but_for_its_checksums() {
    let stage = Stage::with("base");
    ["HEAD", "GET"].iter().for_each(|method| stage.oss.forbid(method));
    stage.oss.inject(Fault::LoseAnswer);
    let options = AppendOptions::new().header("x-oss-request-payer", "requester").header(CRC64, "11051210869376104954");
    stage.bucket(3).append_object_with(KEY, at("base"), "ours", &options).unwrap();
    let requests = stage.oss.requests();
    let posts: Vec<_> = requests.iter().filter(|request| request.method == "POST").collect();
    let told = |name| posts.iter().map(|post| (post.body_len, post.header(name).is_some())).collect::<Vec<_>>();
    assert_eq!(told("x-oss-request-payer"), [(4, true), (4, true), (0, true)]);
    assert_eq!(told(CRC64), [(4, true), (4, true), (0, false)]);
}

#[test]
fn every_error_while_in_doubt_says_unknown() {
    // Credentials, and a body that can be sent only once.
    let stage = Stage::with("base");
    let (oss, calls) = (Arc::clone(&stage.oss), Mutex::new(0));
    let auth = Auth::provider(move || {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        if *calls == 3 {
            return Err("the vault is locked".into());
        }
        Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret()))
    });
    stage.oss.inject(Fault::Hold);
    let error = stage.oss.builder_for(auth, 3).append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, ErrorKind::Credentials, Outcome::Unknown);
    assert_eq!(stage.text(), "baseours");

    let stage = Stage::with("base");
    stage.oss.inject(Fault::Hold);
    let body = Body::from_reader((&b"ours"[..]).take(4));
    let error = stage.bucket(3).append_object(KEY, at("base"), body).unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"]);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn a_reader_is_settled_by_asking_though_it_cannot_be_sent_again() {
    let stage = Stage::with("base");
    stage.oss.inject(Fault::LoseAnswer);
    let end = stage.bucket(3).append_object(KEY, at("base"), Body::from_reader(&b"ours"[..])).unwrap();
    assert_eq!(end.checkpoint(), Some(at("baseours")));
    assert_eq!(stage.calls_from(0), ["POST 4", "HEAD"]);
    assert_eq!(stage.text(), "baseours");
}
