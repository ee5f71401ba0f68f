//! A request that was given up lands later, whenever it likes: the object has the bytes once, and what was said about
//! them stays true.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::*;
use oss_append::{AppendOptions, ErrorKind, Found, OnConflict, Outcome, testing::Fault};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

const LONGER: ErrorKind = ErrorKind::Conflict(Found::Longer);

#[test]
fn before_the_resend_it_is_found_behind_the_resends_refusal() {
    for base in ["", "base"] {
        for policy in [OnConflict::Fail, OnConflict::Rebase] {
            let stage = if base.is_empty() { Stage::empty() } else { Stage::with(base) };
            let mut log = log(&stage.bucket(3)).on_conflict(policy).open().unwrap();
            let p = base.len();
            stage.oss.inject(Fault::ApplyLate);
            put(&mut log, "ours").unwrap();
            assert_eq!(stage.calls_from(1), [&*format!("POST {p}"), "HEAD", &format!("POST {p}"), "HEAD"]);
            put(&mut log, "more").unwrap();
            settled(&log, &stage, &format!("{base}oursmore"));
        }
    }
}

#[test]
fn during_the_resend_it_is_found_behind_the_resends_refusal() {
    let stage = Stage::with("base");
    let big = "x".repeat(3 << 20);
    let (oss, landed) = (Arc::clone(&stage.oss), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&landed);
    let options = AppendOptions::new().progress(move |now| {
        // The resend is on its way: its head and a part of its body have left.
        if oss.requests().iter().any(|r| r.method == "HEAD") && now.sent > 1 << 20 {
            count.fetch_add(oss.land(), SeqCst);
        }
    });
    stage.oss.inject(Fault::Hold);
    let end = stage.bucket(3).append_object_with(KEY, at("base"), &*big, &options).unwrap();
    assert_eq!(landed.load(SeqCst), 1);
    let whole = stage.oss.requests().iter().filter(|r| r.body_len == big.len() as u64).count();
    assert_eq!(whole, 2, "the original and one resend");
    stage.bucket(1).append_object(KEY, &end, "more").unwrap();
    assert_eq!(stage.text(), format!("base{big}more"));
}

#[test]
fn after_the_resend_it_meets_a_longer_object() {
    for (resend, calls) in [
        (Fault::Pass, &["POST 4", "HEAD", "POST 4"][..]),
        (Fault::LoseAnswer, &["POST 4", "HEAD", "POST 4", "HEAD"]),
        (Fault::FailAfter(500, "InternalError"), &["POST 4", "HEAD", "POST 4", "HEAD"]),
    ] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        stage.oss.inject(Fault::ApplyAfter(2));
        stage.oss.inject(resend);
        put(&mut log, "ours").unwrap();
        assert_eq!(stage.calls_from(1), calls);
        put(&mut log, "more").unwrap();
        settled(&log, &stage, "baseoursmore");
    }
}

#[test]
fn after_a_resend_that_was_lost_it_is_found_by_the_next_question() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::ApplyAfter(2));
    stage.oss.inject(Fault::LoseRequest);
    put(&mut log, "ours").unwrap();
    assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "HEAD"]);
    settled(&log, &stage, "baseours");
}

#[test]
fn after_the_last_question_it_is_unknown_and_found_by_the_next_call() {
    for resend in [Fault::LoseRequest, Fault::Refuse(403, "AccessDenied"), Fault::Refuse(500, "InternalError")] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(2)).open().unwrap();
        stage.oss.inject(Fault::ApplyAfter(3));
        stage.oss.inject(resend);
        assert_eq!(put(&mut log, "ours").unwrap_err().outcome(), Outcome::Unknown);
        keeps(&log, "ours", Some(4..8));
        log.confirm().unwrap();
        assert_eq!(stage.calls_from(1), ["POST 4", "HEAD", "POST 4", "HEAD", "HEAD"]);
        settled(&log, &stage, "baseours");
    }
}

#[test]
fn two_of_three_that_are_late_land_once() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).open().unwrap();
    stage.oss.inject(Fault::ApplyAfter(5));
    stage.oss.inject(Fault::ApplyAfter(2));
    put(&mut log, "ours").unwrap();
    settled(&log, &stage, "baseours");
}

#[test]
fn behind_a_proved_strangers_append_it_cannot_land_any_more() {
    let stage = Stage::with("base");
    let mut log = log(&stage.bucket(3)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.inject(Fault::Hold);
    stage.oss.inject(Fault::StrangerBefore(b"theirs".to_vec()));
    put(&mut log, "ours").unwrap();
    assert_eq!(stage.oss.land(), 0);
    settled(&log, &stage, "basetheirsours");
}

#[test]
fn a_write_only_key_finds_it_by_presenting_the_bytes_again() {
    for late in [Fault::ApplyLate, Fault::ApplyAfter(2)] {
        let stage = Stage::with("base");
        let mut log = log(&stage.bucket(3)).open().unwrap();
        stage.oss.forbid("HEAD");
        stage.oss.forbid("GET");
        stage.oss.inject(late);
        put(&mut log, "ours").unwrap();
        settled(&log, &stage, "baseours");
    }
}

/// What the second attempt meets.
fn resends() -> Vec<Fault> {
    vec![
        Fault::Pass,
        Fault::LoseAnswer,
        Fault::LoseRequest,
        Fault::Hold,
        Fault::ApplyLate,
        Fault::Duplicate,
        Fault::Refuse(403, "AccessDenied"),
        Fault::Refuse(500, "InternalError"),
        Fault::FailAfter(503, "ServiceUnavailable"),
        Fault::Page(200),
        Fault::PageAfter(403),
        Fault::NoNext,
        Fault::NoCrc,
        Fault::WrongCrc,
    ]
}

fn strangers() -> Vec<Fault> {
    let theirs = |text: &str| text.as_bytes().to_vec();
    vec![
        Fault::Pass,
        Fault::StrangerBefore(theirs("s")),
        Fault::StrangerAfter(theirs("s")),
        Fault::StrangerBefore(theirs("stranger")),
        Fault::StrangerAfter(theirs("stranger")),
    ]
}

fn times_in(text: &str) -> usize {
    text.matches("ours").count()
}

/// Every moment, every second attempt, every stranger: what was said is true, and the way out never doubles.
fn every_schedule(policy: OnConflict, reads: bool) {
    for resumed in [false, true] {
        for resend in resends() {
            for stranger in strangers() {
                for moment in [2, 3, 4, 6] {
                    one_schedule(policy, reads, resumed, resend.clone().and(stranger.clone()), moment);
                }
            }
        }
    }
}

#[test]
fn whenever_it_lands_what_was_said_is_true_and_the_bytes_are_in_once() {
    every_schedule(OnConflict::Fail, true);
}

#[test]
fn whenever_it_lands_a_rebase_neither_loses_nor_doubles() {
    every_schedule(OnConflict::Rebase, true);
}

#[test]
fn whenever_it_lands_a_write_only_key_says_nothing_untrue() {
    every_schedule(OnConflict::Fail, false);
}

#[track_caller]
fn one_schedule(policy: OnConflict, reads: bool, resumed: bool, second: Fault, moment: usize) {
    let what = format!("{policy:?} reads={reads} resumed={resumed} {second:?} lands before request {moment}");
    let stage = Stage::with("base");
    let bucket = stage.bucket_with(3, move |n, oss| {
        if n == moment {
            oss.land();
        }
    });
    let builder = log(&bucket).on_conflict(policy);
    let mut log = if resumed { builder.resume(at("base")) } else { builder.open() }.unwrap();
    if !reads {
        stage.oss.forbid("HEAD");
        stage.oss.forbid("GET");
    }
    stage.oss.inject(Fault::Hold);
    stage.oss.inject(second);
    let said = put(&mut log, "ours");
    let text = stage.text(); // everything late has landed: nothing moves any more
    let times = times_in(&text);
    match &said {
        Ok(end) => {
            assert_eq!(times, 1, "{what}: {text}");
            assert_eq!(log.pending(), b"", "{what}");
            assert!(text.len() as u64 >= end.position, "{what}");
        }
        Err(error) => {
            assert_eq!(log.pending(), b"ours", "{what}: {error:?}");
            assert_eq!(log.in_doubt().is_some(), error.outcome() == Outcome::Unknown, "{what}: {error:?}");
            match error.outcome() {
                Outcome::NotApplied => assert_eq!(times, 0, "{what}: {text} {error:?}"),
                Outcome::Applied => assert_eq!(times, 1, "{what}: {text} {error:?}"),
                Outcome::Unknown => assert!(times <= 1, "{what}: {text} {error:?}"),
            }
        }
    }
    // The way out, with all permissions and no more faults.
    stage.oss.allow("HEAD");
    stage.oss.allow("GET");
    let out = log.resync().and_then(|_| log.confirm());
    let text = stage.text();
    match out {
        Ok(end) => {
            assert_eq!(times_in(&text), 1, "{what}: {text}");
            // Behind a resumed chunk that was in, others' bytes may be an earlier life's: the next append will tell.
            assert!(end == at(&text) || resumed && end == at("baseours"), "{what}: {end} {text}");
            keeps(&log, "", None);
        }
        // Whose equal bytes these are cannot be told where a proxy may have sent ours twice; and an earlier life may
        // have rebased a resumed chunk to anywhere.
        Err(error) => {
            says(&error, LONGER, Outcome::Unknown);
            assert!(times_in(&text) == 1 || (resumed && policy == OnConflict::Rebase), "{what}: {text} {error:?}");
            assert!(times_in(&text) <= 1, "{what}: {text} {error:?}");
            assert_eq!(log.pending(), b"ours", "{what}");
        }
    }
}
