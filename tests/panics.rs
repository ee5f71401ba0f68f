//! Promise: a provider or a callback that panics in the middle of an append changes nothing about exactly once. Whoever catches the
//! panic and goes on is told the truth, as after any other fault.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::{BUCKET, KEY, Stage, at, fuse::Fuse, keeps, log, says, settled};
use oss_append::{AppendOptions, Checkpoint, ErrorKind, Found, OnConflict, Outcome, testing::Fault};
use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

#[test]
fn a_strangers_record_equal_to_the_first_of_ours_is_not_taken_for_it() {
    for (policy, write_only) in [(OnConflict::Fail, false), (OnConflict::Fail, true), (OnConflict::Rebase, false)] {
        let (stage, fuse) = (Stage::empty(), Fuse::default());
        let mut log = log(&fuse.provider(&stage)).on_conflict(policy).open().unwrap();
        log.write_all(b"tick\nours\n").unwrap();
        fuse.burns_at(1, || log.confirm());
        assert!(stage.is_absent());
        stage.oss.append_as_stranger(BUCKET, KEY, b"tick\n");
        if write_only {
            ["HEAD", "GET"].iter().for_each(|method| stage.oss.forbid(method));
        }

        match policy {
            OnConflict::Rebase => {
                log.confirm().unwrap();
                settled(&log, &stage, "tick\ntick\nours\n");
            }
            _ => {
                says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::NotApplied);
                keeps(&log, "tick\nours\n", None);
            }
        }
    }
}

#[test]
fn a_strangers_longer_record_that_begins_like_ours_is_a_plain_conflict() {
    let (stage, fuse) = (Stage::empty(), Fuse::default());
    let mut log = log(&fuse.provider(&stage)).open().unwrap();
    log.write_all(b"2026 ours\n").unwrap();
    fuse.burns_at(1, || log.confirm());
    stage.oss.append_as_stranger(BUCKET, KEY, b"2026 theirs\n");

    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::NotApplied);
    log.resync().unwrap();
    log.confirm().unwrap();
    settled(&log, &stage, "2026 theirs\n2026 ours\n");
}

#[test]
fn foreign_bytes_behind_ours_are_named() {
    let (stage, fuse) = (Stage::empty(), Fuse::default());
    let mut log = log(&fuse.provider(&stage)).open().unwrap();
    log.write_all(b"ours\n").unwrap();
    stage.oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"theirs\n".to_vec())));
    fuse.burns_at(2, || log.confirm());
    assert_eq!(stage.text(), "ours\ntheirs\n");

    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::Applied);
    log.resync().unwrap();
    settled(&log, &stage, "ours\ntheirs\n");
}

#[test]
fn bytes_that_are_in_already_are_found_after_it() {
    let (stage, fuse) = (Stage::with("old\n"), Fuse::default());
    let mut log = log(&fuse.provider(&stage)).open().unwrap();
    log.write_all(b"ours\n").unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    fuse.burns_at(2, || log.confirm());
    keeps(&log, "ours\n", Some(4..9));

    log.confirm().unwrap();
    settled(&log, &stage, "old\nours\n");
    assert_eq!(stage.posts(), 1);
}

#[test]
fn a_callback_that_panics_in_a_later_attempt_leaves_the_doubt_of_an_earlier_one() {
    let (stage, calls) = (Stage::with("old\n"), AtomicUsize::new(0));
    let options = AppendOptions::new().progress(move |_| {
        assert_ne!(calls.fetch_add(1, Ordering::Relaxed), 1, "the callback panics");
    });
    let mut log = log(&stage.bucket(3)).options(options).open().unwrap();
    log.write_all(b"ours\n").unwrap();
    stage.oss.inject(Fault::Hold);
    assert!(catch_unwind(AssertUnwindSafe(|| log.confirm())).is_err());
    keeps(&log, "ours\n", Some(4..9));

    assert_eq!(stage.oss.land(), 1);
    log.confirm().unwrap();
    settled(&log, &stage, "old\nours\n");
}

/// A chunk of a shared log that moved behind `theirs\n`, landed there, and whose answer was lost; the provider panicked
/// when it was to be asked about.
fn moved_and_landed(stage: &Stage, fuse: &Fuse) -> oss_append::Appender {
    let mut log = log(&fuse.provider(stage)).on_conflict(OnConflict::Rebase).open().unwrap();
    log.write_all(b"ours\n").unwrap();
    stage.oss.append_as_stranger(BUCKET, KEY, b"theirs\n");
    stage.oss.inject(Fault::Pass);
    stage.oss.inject(Fault::LoseAnswer);
    fuse.burns_at(5, || log.confirm());
    assert_eq!(stage.text(), "theirs\nours\n");
    log
}

#[test]
fn a_chunk_that_had_moved_is_looked_for_where_it_went() {
    let (stage, fuse) = (Stage::empty(), Fuse::default());
    let mut log = moved_and_landed(&stage, &fuse);
    keeps(&log, "ours\n", Some(7..12));
    assert_eq!(log.checkpoint(), at("theirs\n"));

    log.confirm().unwrap();
    settled(&log, &stage, "theirs\nours\n");
}

#[test]
fn a_chunk_that_had_moved_is_resumed_where_it_went() {
    for policy in [OnConflict::Fail, OnConflict::Rebase] {
        let (stage, fuse) = (Stage::empty(), Fuse::default());
        let (end, bytes): (Checkpoint, _) = moved_and_landed(&stage, &fuse).into_parts();

        let mut log = log(&fuse.provider(&stage)).on_conflict(policy).resume(end).unwrap();
        log.write_all(&bytes).unwrap();
        log.confirm().unwrap();
        settled(&log, &stage, "theirs\nours\n");
    }
}
