//! The schedules that broke simpler engines, H1 to H32 of its rules: none of them loses, doubles or misjudges a byte.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::*;
use oss_append::{
    AppendOptions, Auth, Body, Checkpoint, Credentials, ErrorKind, Found, OnConflict, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{Arc, Mutex},
};

const LONGER: ErrorKind = ErrorKind::Conflict(Found::Longer);
const SHORTER: ErrorKind = ErrorKind::Conflict(Found::Shorter);
const DIFFERENT: ErrorKind = ErrorKind::Conflict(Found::Different);
const MISSING: ErrorKind = ErrorKind::Conflict(Found::Missing);

fn stranger(text: &str) -> Fault {
    Fault::StrangerAfter(text.as_bytes().to_vec())
}

#[test]
fn h01_a_refused_resend_does_not_end_the_doubt() {
    for code in [(403, "SecurityTokenExpired"), (403, "AccessDenied"), (400, "InvalidArgument"), (409, "FileImmutable")]
    {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(Fault::Hold);
        stage.oss.inject(Fault::Refuse(code.0, code.1));
        let error = put(&mut log, "ours").unwrap_err();
        says(&error, ErrorKind::Service, Outcome::Unknown);
        assert_eq!(error.code(), Some(code.1));
        keeps(&log, "ours", Some(4..8));
        assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "HEAD"]);
        assert_eq!(stage.oss.land(), 1);
        log.confirm().unwrap();
        assert_eq!(stage.calls_from(5), ["HEAD"], "the next call asks first");
        settled(&log, &stage, "baseours");
    }
}

#[test]
fn h01_a_seal_heard_of_by_the_resend_does_not_end_the_doubt() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::Hold);
    stage.oss.inject(Fault::Refuse(400, "AppendSealedObjectNotAllowed"));
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Conflict(Found::Sealed), Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.oss.land(), 1);
    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Sealed), Outcome::Unknown);
    log.resync().unwrap();
    assert_eq!(stage.posts(), 2);
    settled(&log, &stage, "baseours");
}

#[test]
fn h01_a_resend_that_cannot_connect_does_not_end_the_doubt() {
    let stage = Stage::with("base");
    let bucket = stage.bucket_with(3, |n, oss| {
        if n == 3 {
            oss.go_away();
        }
    });
    let mut log = log(&bucket).open().unwrap();
    stage.oss.inject(Fault::Hold);
    // The question's connection is not kept, so the resend needs a new one.
    stage.oss.inject_on("HEAD", Fault::WithHeader("Connection", "close"));
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.oss.land(), 1);
    stage.oss.come_back();
    let before = stage.oss.requests().len();
    log.confirm().unwrap();
    assert_eq!(stage.calls_from(before), ["HEAD"]);
    settled(&log, &stage, "baseours");
}

#[test]
fn h02_a_last_attempt_without_a_question_is_followed_by_one() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    stage.oss.inject(Fault::ApplyAfter(2));
    stage.oss.inject(Fault::Refuse(400, "IncompleteBody"));
    put(&mut log, "ours").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "HEAD"]);
    settled(&log, &stage, "baseours");
}

#[test]
fn h02_giving_up_with_the_old_length_is_unknown() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    stage.oss.inject(Fault::Hold);
    stage.oss.inject(Fault::Hold);
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "HEAD"], "the last attempt is asked about, too");
    assert_eq!(stage.oss.land(), 1, "the second copy meets a longer object");
    log.confirm().unwrap();
    assert_eq!(stage.posts(), 2);
    settled(&log, &stage, "baseours");
}

#[test]
fn h03_ours_below_a_strangers_are_applied() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer.and(stranger("theirs")));
    let error = put(&mut log, "ours").unwrap_err();
    says(&error, LONGER, Outcome::Applied);
    assert_eq!(error.next_position(), Some(14));
    keeps(&log, "ours", None);
    says(&log.confirm().unwrap_err(), LONGER, Outcome::Applied);
    assert_eq!(log.resync().unwrap(), at("baseourstheirs"));
    keeps(&log, "", None);
    put(&mut log, "more").unwrap();
    assert_eq!(stage.posts(), 2);
    settled(&log, &stage, "baseourstheirsmore");
}

#[test]
fn h03_ours_below_a_strangers_are_confirmed_and_not_sent_again_under_rebase() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer.and(stranger("theirs")));
    assert_eq!(put(&mut log, "ours").unwrap(), at("baseourstheirs"));
    put(&mut log, "more").unwrap();
    assert_eq!(stage.posts(), 2);
    settled(&log, &stage, "baseourstheirsmore");
}

#[test]
fn h04_no_answer_is_not_no() {
    for fault in [
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Refuse(400, "InvalidArgument"),
        Fault::Status(304),
        Fault::Refuse(404, "NoSuchBucket"),
        Fault::Page(404),
        Fault::Page(200),
        Fault::Page(403),
        Fault::Refuse(404, "NoSuchKey").and(Fault::WithoutHeader("x-oss-err")).and(Fault::WithoutHeader("x-oss-ec")),
        Fault::Refuse(404, "NoSuchKey").and(Fault::WithHeader("Age", "7")),
        Fault::StripHeaders,
        Fault::CutAnswer(20),
        Fault::Garbage,
        Fault::LoseAnswer,
    ] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(2)).open().unwrap();
        stage.oss.inject(Fault::LoseAnswer);
        stage.oss.inject_on("HEAD", fault.clone());
        stage.oss.inject_on("HEAD", fault.clone());
        let error = put(&mut log, "ours").unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{fault:?}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Transport, "{fault:?}: {error:?}");
        keeps(&log, "ours", Some(4..8));
        assert_eq!(stage.oss.faults_left(), 0, "{fault:?}: asked as often as the policy says");
        log.confirm().unwrap();
        assert_eq!(stage.posts(), 1, "{fault:?}");
        settled(&log, &stage, "baseours");
    }
}

#[test]
fn h05_an_expired_token_is_not_a_write_only_key() {
    let stage = Stage::with("base");
    let (oss, fresh) = (Arc::clone(&stage.oss), Arc::new(Mutex::new(false)));
    let token = Arc::clone(&fresh);
    let auth = Auth::provider(move || {
        if oss.requests().len() == 2 {
            oss.require_token("new");
        }
        let token = if *token.lock().unwrap() { "new" } else { "old" };
        Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret()).with_token(token))
    });
    let mut log = log(&stage.oss.builder_for(auth, 2)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    let error = put(&mut log, "ours").unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.posts(), 1, "nothing is presented to a key that only has expired");
    *fresh.lock().unwrap() = true;
    log.confirm().unwrap();
    assert_eq!(stage.posts(), 1);
    settled(&log, &stage, "baseours");
}

#[test]
fn h05_a_fresh_token_answers_the_question_in_the_same_call() {
    let stage = Stage::with("base");
    let (oss, stale) = (Arc::clone(&stage.oss), Mutex::new(true));
    let auth = Auth::provider(move || {
        let mut stale = stale.lock().unwrap();
        let n = oss.requests().len();
        if n == 2 {
            oss.require_token("new");
        }
        // The first look after the change still has the old one.
        let token = if n >= 2 && !std::mem::replace(&mut stale, false) { "new" } else { "old" };
        if n < 2 {
            *stale = true;
        }
        Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret()).with_token(token))
    });
    let mut log = log(&stage.oss.builder_for(auth, 1)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    put(&mut log, "ours").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "HEAD"]);
    settled(&log, &stage, "baseours");
}

#[test]
fn h05_a_wrong_clock_is_not_a_write_only_key() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.inject_on("HEAD", Fault::Refuse(403, "RequestTimeTooSkewed"));
    stage.oss.inject_on("HEAD", Fault::Refuse(403, "RequestTimeTooSkewed"));
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "HEAD"], "mended once, and then no answer");
    log.confirm().unwrap();
    settled(&log, &stage, "baseours");
}

#[test]
fn h05_asking_and_reading_back_say_who_pays() {
    let stage = Stage::with("base");
    let payer = AppendOptions::new().header("x-oss-request-payer", "requester");
    let mut log = log(&stage.bucket(1)).options(payer).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer.and(stranger("x")));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Applied);
    assert_eq!(stage.calls_from(0), ["HEAD", "POST 4", "HEAD", "GET"]);
    for request in stage.oss.requests() {
        assert_eq!(request.header("x-oss-request-payer"), Some("requester"), "{}", request.method);
    }
    log.resync().unwrap();
    settled(&log, &stage, "baseoursx");
}

#[test]
fn h06_a_chunk_in_doubt_keeps_its_cut_when_more_is_written() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.inject_on("HEAD", Fault::Page(503));
    stage.oss.inject_on("HEAD", Fault::Page(503));
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    let error = log.write(b"more").unwrap_err();
    says(ours(&error), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    put(&mut log, "more").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "HEAD", "HEAD", "POST 8"]);
    settled(&log, &stage, "baseoursmore");
}

#[test]
fn h06_bytes_queued_behind_a_chunk_in_doubt_stay_behind_it() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).buffer_capacity(8).whole_lines(true).open().unwrap();
    log.write_all(b"one\ntwo").unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.inject_on("HEAD", Fault::Page(503));
    says(ours(&log.write(b"three\n").unwrap_err()), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "one\ntwo", Some(4..8));
    log.confirm().unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "HEAD", "POST 8"]);
    settled(&log, &stage, "baseone\ntwo");
}

#[test]
fn h06_a_chunk_in_doubt_that_is_not_in_goes_out_again_in_its_cut() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).buffer_capacity(8).whole_lines(true).open().unwrap();
    log.write_all(b"one\ntwo").unwrap();
    stage.oss.inject(Fault::Hold);
    says(ours(&log.write(b"three\n").unwrap_err()), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "one\ntwo", Some(4..8));
    log.confirm().unwrap();
    let sent: Vec<_> = stage.oss.requests().iter().filter(|r| r.method == "POST").map(|r| r.body_len).collect();
    assert_eq!(sent, [4, 4, 3]);
    assert_eq!(stage.oss.land(), 0);
    settled(&log, &stage, "baseone\ntwo");
}

#[test]
fn h07_a_resumed_chunk_is_recognised_in_any_cut() {
    const ALL: &str = "abcdefgh";
    for landed in 0..=ALL.len() {
        for capacity in 1..=ALL.len() {
            let stage = Stage::with("base");
            stage.oss.append_as_stranger(BUCKET, KEY, &ALL.as_bytes()[..landed]);
            let mut log = log(&stage.bucket(1)).buffer_capacity(capacity).resume(at("base")).unwrap();
            log.write_all(ALL.as_bytes()).unwrap();
            log.confirm().unwrap();
            settled(&log, &stage, "baseabcdefgh");
            put(&mut log, "i").unwrap();
            settled(&log, &stage, "baseabcdefghi");
        }
    }
}

#[test]
fn h07_an_earlier_lifes_chunk_that_lands_meanwhile_is_recognised() {
    for late in 0..6 {
        let stage = Stage::with("base");
        stage.oss.inject(Fault::Hold);
        let mut first = log(&stage.bucket(1)).open().unwrap();
        says(&put(&mut first, "abcde").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
        let (end, bytes) = first.into_parts();
        assert_eq!((end, &*bytes), (at("base"), &b"abcde"[..]));

        let bucket = stage.bucket_with(3, move |n, oss| {
            if n == late {
                oss.land();
            }
        });
        let mut second = log(&bucket).buffer_capacity(3).resume(end).unwrap();
        second.write_all(b"abcdefgh").unwrap();
        let confirmed = second.confirm();
        assert!(confirmed.is_ok(), "landing before request {late}: {confirmed:?}");
        settled(&second, &stage, "baseabcdefgh");
    }
}

#[test]
fn h07_a_resumed_chunk_is_in_doubt_until_the_first_200() {
    let stage = Stage::with("base");
    stage.oss.append_as_stranger(BUCKET, KEY, b"ours");
    let mut log = log(&stage.bucket(1)).resume(at("base")).unwrap();
    stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
    stage.oss.inject_on("HEAD", Fault::Page(503));
    let error = put(&mut log, "ours").unwrap_err();
    says(&error, ErrorKind::Service, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    log.confirm().unwrap();
    settled(&log, &stage, "baseours");
}

#[test]
fn h07_an_earlier_lifes_beginning_below_a_strangers_bytes_is_not_sent_again() {
    let stage = Stage::with("base");
    stage.oss.append_as_stranger(BUCKET, KEY, b"ou");
    stage.oss.append_as_stranger(BUCKET, KEY, b"THEIRS");
    for policy in [OnConflict::Fail, OnConflict::Rebase] {
        let mut log = log(&stage.bucket(1)).on_conflict(policy).resume(at("base")).unwrap();
        says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
        keeps(&log, "ours", Some(4..8));
        assert_eq!(log.resync().unwrap_err().outcome(), Outcome::Unknown);
        keeps(&log, "ours", Some(4..8));
        drop(log);
        assert_eq!(stage.text(), "baseouTHEIRS");
    }
}

#[test]
fn h08_a_shrunk_object_leaves_doubt() {
    type Change = fn(&FakeOss);
    let changes: [(Change, ErrorKind); 3] = [
        (|oss| assert!(oss.delete_object(BUCKET, KEY)), MISSING),
        (|oss| oss.replace_object(BUCKET, KEY, b"ba"), SHORTER),
        (|oss| oss.replace_object(BUCKET, KEY, b"BASE"), DIFFERENT),
    ];
    for (change, kind) in changes {
        let stage = Stage::with("base");
        let bucket = stage.bucket_with(2, move |n, oss| {
            if n == 2 {
                change(oss);
            }
        });
        let mut log = log(&bucket).open().unwrap();
        stage.oss.inject(Fault::Hold);
        says(&put(&mut log, "ours").unwrap_err(), kind, Outcome::Unknown);
        keeps(&log, "ours", Some(4..8));
        assert_eq!(log.resync().unwrap_err().outcome(), Outcome::Unknown, "nothing is proved yet");
        keeps(&log, "ours", Some(4..8));

        // It grows to P again, and the original lands.
        stage.oss.replace_object(BUCKET, KEY, b"BASE");
        assert_eq!(stage.oss.land(), 1);
        assert_eq!(log.resync().unwrap(), at("BASEours"));
        put(&mut log, "more").unwrap();
        settled(&log, &stage, "BASEoursmore");
    }
}

#[test]
fn h08_without_doubt_a_shrunk_object_is_not_applied() {
    for (now, kind) in [("ba", SHORTER), ("BASE", DIFFERENT)] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(1)).open().unwrap();
        stage.oss.replace_object(BUCKET, KEY, now.as_bytes());
        if now.len() == 4 {
            let no = Fault::Refuse(409, "PositionNotEqualToLength");
            stage.oss.inject(no.and(Fault::WithHeader("x-oss-next-append-position", "4")));
        }
        says(&put(&mut log, "ours").unwrap_err(), kind, Outcome::NotApplied);
        keeps(&log, "ours", None);
        log.resync().unwrap();
        log.confirm().unwrap();
        settled(&log, &stage, &format!("{now}ours"));
    }
}

#[test]
fn h09_a_surplus_byte_stops_the_request_before_its_end() {
    for extra in [1, 100_000] {
        let stage = Stage::with("base");
        let bucket = stage.bucket(3);
        let long = io::repeat(b'x').take(4 + extra);
        let error = bucket.append_object(KEY, at("base"), Body::sized(long, 4)).unwrap_err();
        says(&error, ErrorKind::Body, Outcome::NotApplied);
        assert!(stage.oss.requests().iter().all(|r| r.body_len < 4));
        assert_eq!(stage.text(), "base");
        bucket.append_object(KEY, at("base"), "ours").unwrap();
        assert_eq!(stage.text(), "baseours");
    }
}

#[test]
fn h10_a_post_sent_twice_by_a_proxy_is_neither_denied_nor_doubled() {
    for policy in [OnConflict::Fail, OnConflict::Rebase] {
        for behind in ["", "theirs"] {
            let stage = Stage::with("base");
            let mut log = log(&stage.bucket(3)).on_conflict(policy).open().unwrap();
            stage.oss.inject(Fault::Duplicate.and(stranger(behind)));
            says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
            keeps(&log, "ours", Some(4..8));
            says(&log.confirm().unwrap_err(), LONGER, Outcome::Unknown);
            assert_eq!(log.resync().unwrap_err().outcome(), Outcome::Unknown, "whose they are cannot be told");
            keeps(&log, "ours", Some(4..8));
            drop(log);
            assert_eq!(stage.text(), format!("baseours{behind}"));
        }
    }
}

#[test]
fn h10_a_failed_resync_does_not_forget_that_the_bytes_may_be_in() {
    let stage = Stage::with("base");
    let (oss, fails) = (Arc::clone(&stage.oss), Arc::new(Mutex::new(false)));
    let flag = Arc::clone(&fails);
    let auth = Auth::provider(move || match *flag.lock().unwrap() {
        true => Err("the vault is locked".into()),
        false => Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret())),
    });
    let mut log = log(&stage.oss.builder_for(auth, 2)).open().unwrap();
    stage.oss.inject(Fault::Duplicate);
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
    *fails.lock().unwrap() = true;
    let error = log.resync().unwrap_err();
    *fails.lock().unwrap() = false;
    let again = log.resync().map(|_| log.confirm());
    drop(log);
    assert_eq!(stage.text(), "baseours", "{error:?}, then {again:?}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
}

#[test]
fn h10_a_strangers_equal_bytes_do_not_become_ours_by_a_lost_resync() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    stage.oss.inject(Fault::StrangerBefore(b"ours".to_vec()));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
    let before = stage.posts();
    stage.oss.inject(Fault::LoseRequest);
    let result = log.resync();
    assert_eq!(stage.posts(), before, "what may be in is asked about and not sent");
    assert_eq!(result.unwrap_err().outcome(), Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn h10_a_refused_resync_does_not_forget_that_the_bytes_may_be_in() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    stage.oss.inject(Fault::Duplicate);
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
    stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
    let result = log.resync().map(|_| log.confirm());
    drop(log);
    assert_eq!(stage.text(), "baseours", "{result:?}");
    assert_eq!(result.unwrap_err().outcome(), Outcome::Unknown);
}

#[test]
fn h10_a_refusal_after_a_stale_answer_does_not_deny_a_post_that_was_sent_twice() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::Duplicate.and(Fault::NoNext));
    stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
    stage.oss.inject_on("HEAD", stale("base"));
    let error = put(&mut log, "ours").unwrap_err();
    assert_eq!(stage.text(), "baseours");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    keeps(&log, "ours", Some(4..8));
}

/// A key that may write and not read.
fn write_only(stage: &Stage) {
    stage.oss.forbid("HEAD");
    stage.oss.forbid("GET");
}

fn readable(stage: &Stage) {
    stage.oss.allow("HEAD");
    stage.oss.allow("GET");
}

#[test]
fn h11_a_probe_without_crc_proves_nothing() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    write_only(&stage);
    stage.oss.inject(Fault::LoseRequest.and(stranger("them")));
    stage.oss.inject(Fault::Pass);
    stage.oss.inject(Fault::NoCrc);
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "POST 8"]);
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.text(), "basethem");
    readable(&stage);
    assert_eq!(log.resync().unwrap(), at("basethem"));
    keeps(&log, "ours", None);
    log.confirm().unwrap();
    settled(&log, &stage, "basethemours");
}

#[test]
fn h11_a_probe_with_the_right_crc_proves_it_and_with_another_it_does_not() {
    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(3)).open().unwrap();
    write_only(&stage);
    stage.oss.inject(Fault::LoseAnswer);
    put(&mut one, "ours").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "POST 8"]);
    settled(&one, &stage, "baseours");

    stage.oss.inject(Fault::LoseRequest.and(stranger("them")));
    says(&put(&mut one, "more").unwrap_err(), LONGER, Outcome::Unknown);
    keeps(&one, "more", Some(8..12));
    drop(one);
    assert_eq!(stage.text(), "baseoursthem");
}

#[test]
fn h12_a_write_only_key_says_what_it_can_prove_and_no_more() {
    // 409 with an end before P, in doubt and not.
    let stage = Stage::with("base");
    let bucket = stage.bucket_with(3, |n, oss| {
        if n == 3 {
            oss.replace_object(BUCKET, KEY, b"ba");
        }
    });
    let mut one = log(&bucket).open().unwrap();
    write_only(&stage);
    stage.oss.inject(Fault::Hold);
    says(&put(&mut one, "ours").unwrap_err(), SHORTER, Outcome::Unknown);
    keeps(&one, "ours", Some(4..8));
    stage.oss.replace_object(BUCKET, KEY, b"base");
    assert_eq!(stage.oss.land(), 1);
    readable(&stage);
    one.resync().unwrap();
    settled(&one, &stage, "baseours");

    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(3)).open().unwrap();
    write_only(&stage);
    stage.oss.replace_object(BUCKET, KEY, b"ba");
    says(&put(&mut one, "ours").unwrap_err(), SHORTER, Outcome::NotApplied);
    keeps(&one, "ours", None);
    assert_eq!(stage.text(), "ba");
}

#[test]
fn h12_a_write_only_key_cannot_tell_about_an_end_beyond_or_unnamed() {
    // Beyond the chunk; unnamed; a stranger is quicker than the probe; the part before ours was replaced.
    let behind = Fault::LoseAnswer.and(stranger("theirs"));
    for faults in [
        vec![behind],
        vec![Fault::LoseAnswer, Fault::NoNext],
        vec![Fault::LoseAnswer, Fault::Pass, Fault::StrangerBefore(b"theirs".to_vec())],
        vec![Fault::LoseAnswer, Fault::Pass, Fault::LoseAnswer],
        vec![Fault::LoseAnswer, Fault::Pass, Fault::Refuse(403, "AccessDenied")],
    ] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        write_only(&stage);
        faults.iter().for_each(|fault| stage.oss.inject(fault.clone()));
        says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
        keeps(&log, "ours", Some(4..8));
        assert_eq!(stage.oss.faults_left(), 0);
        readable(&stage);
        let after = stage.text();
        assert_eq!(log.resync().unwrap(), at(&after), "{faults:?}");
        assert!(after.starts_with("baseours"));
        settled(&log, &stage, &after);
    }
}

#[test]
fn h12_a_write_only_key_is_told_that_its_place_is_taken() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    write_only(&stage);
    stage.oss.inject(Fault::Hold);
    stage.oss.inject(Fault::StrangerBefore(b"x".to_vec()));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::NotApplied);
    keeps(&log, "ours", None);
    assert_eq!(stage.oss.land(), 0);
    assert_eq!(stage.text(), "basex");
}

#[test]
fn h13_a_portals_page_is_asked_about_whatever_its_status() {
    for status in [200, 201, 302, 400, 403, 404, 408, 409, 413, 500, 502] {
        for fault in [Fault::PageAfter(status), Fault::Page(status)] {
            let stage = Stage::with("base");
            let mut log = log(&stage.bucket(2)).open().unwrap();
            stage.oss.inject(fault.clone());
            let confirmed = put(&mut log, "ours");
            assert!(confirmed.is_ok(), "{fault:?}: {confirmed:?}");
            let posts = if matches!(fault, Fault::Page(_)) { 2 } else { 1 };
            assert_eq!(stage.posts(), posts, "{fault:?}");
            settled(&log, &stage, "baseours");
        }
    }
}

#[test]
fn h13_pages_for_ever_are_unknown() {
    for status in [200, 403, 413] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(2)).open().unwrap();
        stage.oss.inject(Fault::Page(status));
        stage.oss.inject(Fault::Page(status));
        says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
        keeps(&log, "ours", Some(4..8));
        log.confirm().unwrap();
        settled(&log, &stage, "baseours");
    }
}

#[test]
fn h14_an_old_object_without_crc_is_not_a_conflict() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    stage.oss.without_crc();
    stage.oss.inject(Fault::LoseRequest);
    assert_eq!(put(&mut log, "ours").unwrap(), at("baseours"));
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4"]);
    stage.oss.inject(Fault::LoseAnswer);
    assert_eq!(put(&mut log, "more").unwrap(), at("baseoursmore"));
    assert_eq!(stage.calls_from(4), ["POST 8", "HEAD", "GET"], "a length alone proves nothing");
    settled(&log, &stage, "baseoursmore");
}

#[test]
fn h15_a_late_creation_is_found_behind_file_already_exists() {
    let stage = Stage::empty();
    let options = AppendOptions::new().header("x-oss-forbid-overwrite", "true");
    let mut log = log(&stage.bucket(3)).options(options).create_new().unwrap();
    stage.oss.inject(Fault::ApplyLate);
    put(&mut log, "ours").unwrap();
    assert_eq!(stage.calls_from(0), ["POST 0", "HEAD", "POST 0", "HEAD"]);
    put(&mut log, "more").unwrap();
    settled(&log, &stage, "oursmore");
}

#[test]
fn h15_somebody_elses_object_behind_file_already_exists_is_a_conflict() {
    let stage = Stage::with("theirs");
    let options = AppendOptions::new().header("x-oss-forbid-overwrite", "true");
    let mut log = log(&stage.bucket(3)).options(options).create_new().unwrap();
    let error = put(&mut log, "ours").unwrap_err();
    says(&error, LONGER, Outcome::NotApplied);
    assert_eq!((error.code(), error.next_position()), (Some("FileAlreadyExists"), Some(6)));
    keeps(&log, "ours", None);
    assert_eq!(stage.text(), "theirs");
}

#[test]
fn h15_asking_for_the_reason_of_a_reset_does_not_make_the_object() {
    let stage = Stage::empty();
    let options = AppendOptions::new().header("x-oss-forbid-overwrite", "true");
    let mut log = log(&stage.bucket(3)).options(options).buffer_capacity(20 << 20).create_new().unwrap();
    let big = "x".repeat(20 << 20);
    stage.oss.inject(Fault::CutRequest(1 << 20));
    let confirmed = put(&mut log, &big);
    assert!(confirmed.is_ok(), "{confirmed:?}; {:?}", stage.calls_from(0));
    settled(&log, &stage, &big);
}

#[test]
fn h16_a_replaced_object_is_not_rebased_onto() {
    for now in ["BASEtheirs", "another object, and a long one"] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
        stage.oss.replace_object(BUCKET, KEY, now.as_bytes());
        says(&put(&mut log, "ours").unwrap_err(), DIFFERENT, Outcome::NotApplied);
        keeps(&log, "ours", None);
        assert_eq!(stage.posts(), 1);
        assert_eq!(stage.text(), now);
        log.resync().unwrap();
        log.confirm().unwrap();
        settled(&log, &stage, &format!("{now}ours"));
    }
}

#[test]
fn h17_a_range_answered_with_200_is_no_proof() {
    // From byte 0 the object looks as if ours were in; at their place they are not.
    let stage = Stage::with("ours");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    stage.oss.inject(Fault::LoseRequest.and(stranger("theirs")));
    stage.oss.inject_on("GET", Fault::IgnoreRange);
    stage.oss.inject_on("GET", Fault::IgnoreRange);
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    let requests = stage.oss.requests();
    let read = requests.iter().find(|r| r.method == "GET").unwrap();
    assert_eq!((read.header("range"), read.header("x-oss-range-behavior")), (Some("bytes=4-"), Some("standard")));
    says(&log.confirm().unwrap_err(), LONGER, Outcome::NotApplied);
    log.resync().unwrap();
    log.confirm().unwrap();
    settled(&log, &stage, "ourstheirsours");
}

#[test]
fn h17_an_object_that_shrinks_before_it_is_read_is_no_answer() {
    let stage = Stage::with("base");
    let bucket = stage.bucket_with(1, |n, oss| {
        if n == 3 {
            oss.replace_object(BUCKET, KEY, b"ours");
        }
    });
    let mut log = log(&bucket).open().unwrap();
    stage.oss.inject(Fault::Hold.and(stranger("theirs")));
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "GET"]);
    keeps(&log, "ours", Some(4..8));
    says(&log.confirm().unwrap_err(), DIFFERENT, Outcome::Unknown);
    assert_eq!(stage.oss.land(), 1, "it could indeed still land");
    log.resync().unwrap();
    settled(&log, &stage, "oursours");
}

/// A file that somebody writes to.
struct Shared {
    bytes: Arc<Mutex<Vec<u8>>>,
    cursor: u64,
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes.lock().unwrap();
        let read = (&bytes[bytes.len().min(self.cursor as usize)..]).read(buffer)?;
        self.cursor += read as u64;
        Ok(read)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.cursor = match to {
            SeekFrom::Start(to) => to,
            SeekFrom::End(0) => self.bytes.lock().unwrap().len() as u64,
            _ => self.cursor,
        };
        Ok(self.cursor)
    }
}

#[test]
fn h18_a_replay_that_is_not_the_first_bytes_is_never_completed() {
    for late in [Fault::Hold, Fault::ApplyLate] {
        let stage = Stage::with("base");
        let bytes = Arc::new(Mutex::new(b"first".to_vec()));
        let change = Arc::clone(&bytes);
        let bucket = stage.bucket_with(3, move |n, _| {
            if n == 2 {
                *change.lock().unwrap() = b"other".to_vec();
            }
        });
        stage.oss.inject(late);
        let body = Body::from_seekable(Shared { bytes, cursor: 0 });
        let error = bucket.append_object(KEY, at("base"), body).unwrap_err();
        says(&error, ErrorKind::Body, Outcome::Unknown);
        assert_eq!(stage.text(), "basefirst");
        bucket.append_object(KEY, at("basefirst"), "more").unwrap();
        assert_eq!(stage.text(), "basefirstmore");
    }
}

#[test]
fn h18_a_changed_source_whose_first_bytes_landed_is_recognised() {
    let stage = Stage::with("base");
    let bytes = Arc::new(Mutex::new(b"first".to_vec()));
    let change = Arc::clone(&bytes);
    let bucket = stage.bucket_with(3, move |n, _| {
        if n == 1 {
            *change.lock().unwrap() = b"other".to_vec();
        }
    });
    stage.oss.inject(Fault::LoseAnswer);
    let body = Body::from_seekable(Shared { bytes, cursor: 0 });
    let end = bucket.append_object(KEY, at("base"), body).unwrap();
    assert_eq!(end.checkpoint(), Some(at("basefirst")));
    assert_eq!((stage.text(), stage.posts()), ("basefirst".to_owned(), 1));
}

#[test]
fn h19_resync_sends_nothing_that_is_in() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::Damage);
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
    keeps(&log, "ours", None);
    says(ours(&log.write(b"more").unwrap_err()), ErrorKind::Integrity, Outcome::Applied);
    says(&log.confirm().unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
    log.resync().unwrap();
    keeps(&log, "", None);
    log.confirm().unwrap();
    put(&mut log, "more").unwrap();
    let text = stage.text();
    assert!(text.len() == 12 && text.ends_with("more") && !text.contains("ours"), "{text}");
    assert_eq!(stage.posts(), 2);
    keeps(&log, "", None);
}

#[test]
fn h20_resync_does_not_grow_an_object_towards_a_late_original() {
    let stage = Stage::with("base");
    let bucket = stage.bucket_with(1, |n, oss| {
        if n == 2 {
            oss.replace_object(BUCKET, KEY, b"");
        }
    });
    let mut log = log(&bucket).open().unwrap();
    stage.oss.inject(Fault::Hold);
    says(&put(&mut log, "ours").unwrap_err(), SHORTER, Outcome::Unknown);
    for _ in 0..3 {
        says(&log.resync().unwrap_err(), SHORTER, Outcome::Unknown);
        says(ours(&log.write(b"more").unwrap_err()), SHORTER, Outcome::Unknown);
        keeps(&log, "ours", Some(4..8));
    }
    assert_eq!(stage.posts(), 1);
    // Longer than P without it: now nothing of ours can land any more.
    stage.oss.append_as_stranger(BUCKET, KEY, b"THEIRS");
    assert_eq!(log.resync().unwrap(), at("THEIRS"));
    keeps(&log, "ours", None);
    log.confirm().unwrap();
    assert_eq!(stage.oss.land(), 0);
    settled(&log, &stage, "THEIRSours");
}

#[test]
fn h21_roll_over_never_leaves_doubt_behind() {
    for fault in [Fault::LoseAnswer, Fault::Hold] {
        let stage = Stage::empty();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keys = Arc::clone(&asked);
        let mut log = log(&stage.bucket(1))
            .roll_over(8, move |full| {
                let mut keys = keys.lock().unwrap();
                keys.push(full.clone());
                format!("log-{}", keys.len())
            })
            .create_new()
            .unwrap();
        log.write_all(b"one one\n").unwrap();
        stage.oss.inject(fault.clone());
        stage.oss.inject_on("HEAD", Fault::Page(503));
        stage.oss.inject_on("HEAD", Fault::Page(503));
        for _ in 0..2 {
            says(ours(&log.write(b"two two\n").unwrap_err()), ErrorKind::Transport, Outcome::Unknown);
            keeps(&log, "one one\n", Some(0..8));
            assert_eq!((log.key(), asked.lock().unwrap().len()), (KEY, 0), "{fault:?}");
        }
        log.write_all(b"two two\n").unwrap();
        assert_eq!(log.key(), "log-1");
        // The new object's first request fails more than once: the key stays.
        stage.oss.inject(Fault::Refuse(503, "ServiceUnavailable"));
        stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
        assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
        log.confirm().unwrap_err();
        let end = log.confirm().unwrap();
        assert_eq!(end, at("two two\n"));
        keeps(&log, "", None);
        assert_eq!(asked.lock().unwrap().len(), 1, "asked once per roll");
        assert_eq!(asked.lock().unwrap()[0].checkpoint, at("one one\n"));
        assert_eq!(stage.text(), "one one\n");
        assert_eq!(stage.oss.object(BUCKET, "log-1").as_deref(), Some(&b"two two\n"[..]));
    }
}

#[test]
fn h22_an_empty_append_is_settled_too() {
    for fault in [Fault::Pass, Fault::LoseAnswer, Fault::LoseRequest] {
        // There already: length and CRC are as they should be, sent or not.
        let stage = Stage::with("base");
        stage.oss.inject(fault.clone());
        let end = stage.bucket(2).append_object(KEY, at("base"), "").unwrap();
        assert_eq!(end.checkpoint(), Some(at("base")));
        assert_eq!((stage.text(), stage.posts()), ("base".to_owned(), 1), "{fault:?}");

        // Not there yet: it makes the object.
        let stage = Stage::empty();
        stage.oss.inject(fault.clone());
        let end = stage.bucket(2).append_object(KEY, 0, "").unwrap();
        assert_eq!(end.checkpoint(), Some(Checkpoint::default()));
        assert_eq!(stage.posts(), if fault == Fault::LoseRequest { 2 } else { 1 });
        assert_eq!(stage.text(), "");
    }
}

#[test]
fn h22_an_empty_append_to_another_object_is_a_conflict() {
    for now in ["BASE", "longer than that", "b"] {
        let stage = Stage::with(now);
        let error = stage.bucket(2).append_object(KEY, at("base"), "").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Conflict(_)), "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        assert_eq!(stage.text(), now);
    }
}

#[test]
fn h22_an_empty_append_that_was_lost_on_its_way_is_in_doubt() {
    let stage = Stage::empty();
    stage.oss.inject(Fault::Hold);
    let error = stage.bucket(1).append_object(KEY, 0, "").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::Unknown);
    assert_eq!(stage.text(), "");
    stage.oss.go_away();
    let error = stage.bucket(1).append_object(KEY, 0, "").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
}

#[test]
fn h23_existed_tells_what_open_saw_and_nothing_where_nobody_looked() {
    let stage = Stage::empty();
    let bucket = stage.bucket(1);
    let options = AppendOptions::new().meta("who", "me");
    let mut opened = log(&bucket).options(options.clone()).open().unwrap();
    stage.oss.append_as_stranger(BUCKET, KEY, b"");
    put(&mut opened, "ours").unwrap();
    assert_eq!(opened.existed(), Some(false), "as open saw it");
    assert_eq!(stage.oss.metadata(BUCKET, KEY).unwrap(), [], "the stranger's");
    settled(&opened, &stage, "ours");
    opened.resync().unwrap();
    assert_eq!(opened.existed(), Some(true), "as resync saw it");

    stage.oss.replace_object(BUCKET, KEY, b"");
    let mut created = log(&bucket).options(options.clone()).create_new().unwrap();
    put(&mut created, "ours").unwrap();
    assert_eq!(created.existed(), None);
    settled(&created, &stage, "ours");
    let mut resumed = log(&bucket).options(options).resume(at("ours")).unwrap();
    put(&mut resumed, "more").unwrap();
    assert_eq!(resumed.existed(), None);
    settled(&resumed, &stage, "oursmore");
}

#[test]
fn h24_an_old_length_is_no_progress() {
    for attempts in [1, 3, 5] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(attempts)).open().unwrap();
        (0..20).for_each(|_| stage.oss.inject(Fault::Refuse(500, "InternalError")));
        says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Service, Outcome::Unknown);
        assert_eq!(stage.posts(), attempts as usize);
        assert_eq!(stage.calls_from(0).last().unwrap(), "HEAD", "the last attempt is asked about, too");
        keeps(&log, "ours", Some(4..8));
        assert_eq!(stage.text(), "base");
    }
}

#[test]
fn h24_rebase_among_busy_writers_ends() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    (0..17).for_each(|_| stage.oss.inject(Fault::StrangerBefore(b"x".to_vec())));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::NotApplied);
    assert_eq!(stage.posts(), 17, "the first attempt and 16 moves");
    keeps(&log, "ours", None);
    let theirs = format!("base{}", "x".repeat(17));
    assert_eq!(stage.text(), theirs);
    log.resync().unwrap();
    log.confirm().unwrap();
    settled(&log, &stage, &format!("{theirs}ours"));
}

#[test]
fn h24_confirmed_bytes_start_the_count_anew() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    let mut text = "base".to_owned();
    for _ in 0..3 {
        (0..16).for_each(|_| stage.oss.inject(Fault::StrangerBefore(b"x".to_vec())));
        put(&mut log, "ours").unwrap();
        text.push_str("xxxxxxxxxxxxxxxxours");
    }
    settled(&log, &stage, &text);
}

#[test]
fn h25_a_line_longer_than_the_buffer_is_cut_and_nothing_is_stuck() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(1)).buffer_capacity(4).whole_lines(true).create_new().unwrap();
    let line = "a line without an end";
    for byte in line.bytes() {
        assert_eq!(log.write(&[byte]).unwrap(), 1, "never 0");
    }
    assert_eq!(log.write(b"more than fits").unwrap(), 3, "what fits");
    log.flush().unwrap();
    settled(&log, &stage, "a line without an endmor");
}

#[test]
fn h25_flush_and_finish_send_an_unfinished_line() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(1)).buffer_capacity(8).whole_lines(true).create_new().unwrap();
    log.write_all(b"one\ntw").unwrap();
    log.write_all(b"o\n..").unwrap();
    keeps(&log, "two\n..", None);
    log.flush().unwrap();
    keeps(&log, "", None);
    log.write_all(b"end").unwrap();
    assert_eq!(log.finish().unwrap(), at("one\ntwo\n..end"));
    assert_eq!(stage.text(), "one\ntwo\n..end");
}

#[test]
fn h26_a_lazy_flush_proves_nothing_and_confirm_does() {
    let stage = Stage::empty();
    let bucket = stage.bucket(1);
    let mut lazy = log(&bucket).flush_threshold(10).create_new().unwrap();
    lazy.write_all(b"ours").unwrap();
    lazy.flush().unwrap();
    keeps(&lazy, "ours", None);
    assert_eq!(stage.posts(), 0);
    lazy.confirm().unwrap();
    settled(&lazy, &stage, "ours");
    lazy.write_all(b"more").unwrap();
    lazy.flush().unwrap();
    stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
    drop(lazy);
    assert_eq!((stage.text(), stage.posts()), ("ours".to_owned(), 2), "one attempt, which told nobody");
}

#[test]
fn h26_dropping_sends_nothing_once_a_failure_was_reported() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
    says(&put(&mut log, "ours").unwrap_err(), ErrorKind::Service, Outcome::NotApplied);
    drop(log);
    assert_eq!((stage.text(), stage.posts()), ("base".to_owned(), 1));
}

#[test]
fn h27_three_causes_of_another_crc_are_told_apart() {
    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject(Fault::Damage);
    let error = put(&mut one, "ours").unwrap_err();
    says(&error, ErrorKind::Integrity, Outcome::Applied);
    assert!(error.to_string().contains("damaged on their way"), "{error}");
    drop(one);
    assert!(stage.text().len() == 8 && !stage.text().contains("ours"));

    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(1)).open().unwrap();
    stage.oss.replace_object(BUCKET, KEY, b"BASE");
    let error = put(&mut one, "ours").unwrap_err();
    says(&error, ErrorKind::Integrity, Outcome::Applied);
    assert!(error.to_string().contains("in unharmed"), "{error}");
    keeps(&one, "ours", None);
    one.resync().unwrap();
    settled(&one, &stage, "BASEours");

    let stage = Stage::with("base");
    let mut one = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject(Fault::WrongCrc);
    put(&mut one, "ours").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD"], "a flipped header is neither");
    settled(&one, &stage, "baseours");
}

fn stale(text: &str) -> Fault {
    Fault::Stale { length: text.len() as u64, crc64: Some(at(text).crc64) }
}

#[test]
fn h28_an_answer_older_than_the_refusal_before_it_is_no_answer() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(5)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    (0..20).for_each(|_| stage.oss.inject_on("HEAD", stale("base")));
    let error = put(&mut log, "ours").unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    assert_eq!(stage.posts(), 2, "no resend in a circle");
    keeps(&log, "ours", Some(4..8));
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn h28_after_a_stale_answer_the_question_is_asked_again() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.inject_on("HEAD", stale("base"));
    stage.oss.inject_on("HEAD", stale("base"));
    put(&mut log, "ours").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "HEAD", "HEAD"]);
    settled(&log, &stage, "baseours");
}

#[test]
fn h28_a_length_below_the_position_is_no_verdict_where_the_refusal_named_a_later_end() {
    // A proxy sent it twice: the refusal is that of the second, and names the end behind the first.
    for old in ["", "b", "bas", "base"] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(Fault::Duplicate);
        stage.oss.inject_on("HEAD", Fault::Stale { length: old.len() as u64, crc64: Some(7) });
        let error = put(&mut log, "ours").unwrap_err();
        says(&error, LONGER, Outcome::Unknown);
        assert_eq!(error.next_position(), Some(8));
        assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "HEAD"], "{old:?}");
        keeps(&log, "ours", Some(4..8));
        says(&log.confirm().unwrap_err(), LONGER, Outcome::Unknown);
        drop(log);
        assert_eq!(stage.text(), "baseours");
    }
    // Nothing but old answers: that is none. The next call has a new one.
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    stage.oss.inject(Fault::Duplicate);
    (0..2).for_each(|_| stage.oss.inject_on("HEAD", stale("ba")));
    says(&put(&mut log, "ours").unwrap_err(), LONGER, Outcome::Unknown);
    keeps(&log, "ours", Some(4..8));
    assert_eq!((stage.posts(), stage.oss.faults_left()), (1, 0));
    let error = stage.bucket(1).append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, LONGER, Outcome::Unknown);
    assert_eq!(stage.text(), "baseours");
}

#[test]
fn h28_a_caches_answer_is_no_answer() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.inject_on("HEAD", stale("ba").and(Fault::WithHeader("Age", "3")));
    put(&mut log, "ours").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "HEAD"]);
    for head in stage.oss.requests().iter().filter(|r| r.method == "HEAD") {
        assert_eq!(head.header("cache-control"), Some("no-cache"));
    }
    settled(&log, &stage, "baseours");
}

#[test]
fn h29_an_error_of_write_names_the_bytes_it_speaks_of_and_takes_none() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(1)).buffer_capacity(4).open().unwrap();
    log.write_all(b"ours").unwrap();
    stage.oss.inject(Fault::LoseAnswer.and(stranger("x")));
    let error = log.write(b"more").unwrap_err();
    says(ours(&error), LONGER, Outcome::Applied);
    assert!(error.to_string().contains("4..8"), "{error}");
    keeps(&log, "ours", None);
    log.resync().unwrap();
    log.write_all(b"more").unwrap();
    log.confirm().unwrap();
    settled(&log, &stage, "baseoursxmore");
}

#[test]
fn h30_an_answer_nobody_asked_for_is_nobodys() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::Unasked);
    put(&mut log, "ours").unwrap();
    put(&mut log, "more").unwrap();
    settled(&log, &stage, "baseoursmore");
}

#[test]
fn h30_a_word_about_an_idle_connection_is_no_refusal() {
    for fault in [Fault::FailAfter(400, "RequestTimeout"), Fault::FailAfter(408, "RequestTimeout")] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(fault);
        put(&mut log, "ours").unwrap();
        assert_eq!(stage.calls_from(1), ["POST 4", "HEAD"]);
        settled(&log, &stage, "baseours");
    }
}

#[test]
fn h30_a_200_before_the_body_was_out_is_not_believed() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).buffer_capacity(20 << 20).open().unwrap();
    let big = "x".repeat(20 << 20);
    stage.oss.inject(Fault::AcceptEarly);
    put(&mut log, &big).unwrap();
    assert_eq!(stage.text().len(), 4 + (20 << 20));
    settled(&log, &stage, &format!("base{big}"));
}

#[test]
fn h31_a_checksum_of_one_body_is_refused_for_many() {
    let stage = Stage::empty();
    let bucket = stage.bucket(1);
    let options = AppendOptions::new().header("Content-MD5", "ICy5YqxZB1uWSwcVLSNLcA==");
    let error = log(&bucket).options(options.clone()).create_new().unwrap_err();
    says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
    assert_eq!(stage.oss.requests().len(), 0);
    bucket.append_object_with(KEY, 0, "123", &options).unwrap();
    assert_eq!(stage.text(), "123");
}

#[test]
fn h32_a_second_run_goes_on_while_the_dead_runs_last_chunk_lands() {
    // The dead run had confirmed "base" and sent "ours" without an answer; the file is all of it.
    for late in 0..5 {
        let stage = Stage::empty();
        let mut dead = log(&stage.bucket(1)).create_new().unwrap();
        put(&mut dead, "base").unwrap();
        stage.oss.inject(Fault::Hold);
        says(&put(&mut dead, "ours").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
        let (saved, _) = dead.into_parts();

        let bucket = stage.bucket_with(3, move |n, oss| {
            if n == late {
                oss.land();
            }
        });
        let mut log = log(&bucket).resume(saved).unwrap();
        log.copy_from(&b"oursmoreandmore"[..]).unwrap();
        let confirmed = log.confirm();
        assert!(confirmed.is_ok(), "landing before request {late}: {confirmed:?}");
        settled(&log, &stage, "baseoursmoreandmore");
    }
}

#[test]
fn h32_a_file_is_proved_again_while_the_dead_runs_last_chunk_lands() {
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("schedules_h32");
    std::fs::write(&path, "baseoursmore").unwrap();
    for (last, late) in ["ours", "oursmore"].into_iter().flat_map(|last| (0..5).map(move |late| (last, late))) {
        let stage = Stage::with("base");
        stage.oss.inject(Fault::Hold);
        let error = stage.bucket(1).append_object(KEY, at("base"), last).unwrap_err();
        says(&error, ErrorKind::Transport, Outcome::Unknown);

        let bucket = stage.bucket_with(3, move |n, oss| {
            if n == late {
                oss.land();
            }
        });
        let resumed = bucket.resumable_append(KEY, &path);
        assert!(resumed.is_ok(), "{last} landing before request {late}: {resumed:?}");
        assert_eq!(resumed.unwrap().checkpoint, at("baseoursmore"));
        assert_eq!(stage.text(), "baseoursmore");
        assert_eq!(bucket.resumable_append(KEY, &path).unwrap().sent, 0);
        assert_eq!(stage.text(), "baseoursmore");
    }
    let _ = std::fs::remove_file(path);
}
