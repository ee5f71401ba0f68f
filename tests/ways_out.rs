//! Promise: the ways out of trouble (calling again, `resync`, `resume`, dropping) forget nothing that was known, double
//! nothing, and do not get stuck; a hook that panics in the middle changes nothing about that.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::{BUCKET, KEY, Stage, at, fuse::Fuse, keeps, log, ours, put, says, settled};
use oss_append::{Appender, Bucket, ErrorKind, Event, Found, OnConflict, Outcome, Verdict, testing::Fault};
use std::io::Write;

const DOWN: Fault = Fault::Refuse(503, "SlowDown");

// ---- a panic ---------------------------------------------------------------------------------------------------------

#[test]
fn what_was_never_sent_is_not_found_in_a_strangers_equal_record() {
    let (stage, fuse) = (Stage::empty(), Fuse::default());
    let mut log = log(&fuse.provider(&stage)).open().unwrap();
    log.write_all(b"tick\n").unwrap();
    fuse.burns_at(1, || log.confirm());
    keeps(&log, "tick\n", None);
    stage.oss.append_as_stranger(BUCKET, KEY, b"tick\n");
    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::Unknown);
}

#[test]
fn nor_is_what_had_moved_and_was_not_sent_there() {
    let (stage, fuse) = (Stage::empty(), Fuse::default());
    let mut log = log(&fuse.provider(&stage)).on_conflict(OnConflict::Rebase).open().unwrap();
    log.write_all(b"tick\n").unwrap();
    stage.oss.append_as_stranger(BUCKET, KEY, b"theirs\n");
    fuse.burns_at(4, || log.confirm()); // refused, asked, read back; then it would be sent behind theirs
    assert_eq!(log.checkpoint(), at("theirs\n"));
    stage.oss.append_as_stranger(BUCKET, KEY, b"tick\n");
    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::Unknown);
}

#[test]
fn a_conflict_is_kept_when_the_hook_panics_at_it() {
    let (stage, fuse) = (Stage::empty(), Fuse::default());
    let mut log = log(&fuse.hook(&stage, true)).open().unwrap();
    log.write_all(b"tick\n").unwrap();
    stage.oss.append_as_stranger(BUCKET, KEY, b"tick\n");
    fuse.burns_at(1, || log.confirm());
    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::Unknown);
}

#[test]
fn damage_stays_known_when_the_hook_panics_at_it() {
    for policy in [OnConflict::Fail, OnConflict::Rebase] {
        for at_failures in [false, true] {
            let (stage, fuse) = (Stage::empty(), Fuse::default());
            let mut log = log(&fuse.hook(&stage, at_failures)).on_conflict(policy).open().unwrap();
            log.write_all(b"ours\n").unwrap();
            stage.oss.inject(Fault::Damage);
            fuse.burns_at(1, || log.confirm());
            says(&log.confirm().unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
            assert_eq!(stage.posts(), 1);
        }
    }
}

#[test]
fn damage_stays_known_when_the_provider_panics_while_it_is_looked_at() {
    for request in 2..=3 {
        let (stage, fuse) = (Stage::empty(), Fuse::default());
        let mut log = log(&fuse.provider(&stage)).create_new().unwrap();
        log.write_all(b"ours\n").unwrap();
        stage.oss.inject(Fault::Damage);
        fuse.burns_at(request, || log.confirm()); // HEAD, then the bytes
        says(&log.confirm().unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
        assert_eq!(stage.posts(), 1);
    }
}

// ---- calling again ---------------------------------------------------------------------------------------------------

#[test]
fn a_refusal_that_nobody_could_explain_is_asked_about_by_the_next_call() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(2)).create_new().unwrap();
    // Lands late, behind the HEAD that does not see it; the second is refused for that, and HEAD is down.
    stage.oss.inject(Fault::ApplyLate);
    for fault in [Fault::Pass, DOWN, DOWN] {
        stage.oss.inject_on("HEAD", fault);
    }
    put(&mut log, "ours\n").unwrap_err();
    let before = stage.oss.requests().len();
    let said = log.confirm();
    assert!(stage.oss.requests().len() > before, "asked nothing: {said:?}");
    said.unwrap();
}

#[test]
fn a_write_only_refusal_without_an_answer_to_the_probe_is_asked_about_by_the_next_call() {
    let stage = Stage::empty();
    ["HEAD", "GET"].iter().for_each(|method| stage.oss.forbid(method));
    let mut log = log(&stage.bucket(2)).create_new().unwrap();
    // In, the answer lost; the second is refused for that, and the probe's answer is lost.
    for fault in [Fault::LoseAnswer, Fault::Pass, Fault::LoseAnswer] {
        stage.oss.inject(fault);
    }
    put(&mut log, "ours\n").unwrap_err();
    log.confirm().unwrap();
}

#[test]
fn a_refusal_whose_bytes_could_not_be_read_back_is_asked_about_by_the_next_call() {
    let stage = Stage::with("base\n");
    let mut log = log(&stage.bucket(2)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.append_as_stranger(BUCKET, KEY, b"theirs\n");
    stage.oss.inject_on("GET", DOWN);
    stage.oss.inject_on("GET", DOWN);
    put(&mut log, "ours\n").unwrap_err();
    let before = stage.oss.requests().len();
    let said = log.confirm();
    assert!(stage.oss.requests().len() > before, "asked nothing: {said:?}");
    said.unwrap();
}

#[test]
fn and_so_it_is_where_conflicts_fail() {
    let stage = Stage::with("base\n");
    let mut log = log(&stage.bucket(2)).open().unwrap();
    // lands late, the HEAD does not see it; the resend is refused, and then the bytes cannot be read
    stage.oss.inject(Fault::ApplyLate);
    stage.oss.inject(Fault::Pass.and(Fault::StrangerBefore(b"theirs\n".to_vec())));
    stage.oss.inject_on("GET", DOWN);
    stage.oss.inject_on("GET", DOWN);
    put(&mut log, "ours\n").unwrap_err();
    let before = stage.oss.requests().len();
    let said = log.confirm();
    assert!(stage.oss.requests().len() > before, "asked nothing: {said:?}");
}

#[test]
fn so_is_that_of_a_resumed_stream_in_another_cut() {
    let stage = Stage::empty();
    stage.oss.append_as_stranger(BUCKET, KEY, b"one\n");
    ["HEAD", "GET"].iter().for_each(|m| stage.oss.forbid(m));
    let mut log = log(&stage.bucket(2)).resume(at("")).unwrap();
    stage.oss.inject(Fault::Pass);
    stage.oss.inject(Fault::LoseAnswer);
    put(&mut log, "one\ntwo\n").unwrap_err();
    let before = stage.oss.requests().len();
    let said = log.confirm();
    assert!(stage.oss.requests().len() > before, "asked nothing: {said:?}");
    said.unwrap();
}

// ---- resync, and resuming ----------------------------------------------------------------------------------------------

#[test]
fn a_resync_that_could_not_look_leaves_no_passing_refusal_behind() {
    let stage = Stage::with("base\n");
    let mut log = log(&stage.bucket(1)).on_conflict(OnConflict::Rebase).open().unwrap();
    log.write_all(b"ours\n").unwrap();
    stage.oss.inject(Fault::LoseRequest);
    stage.oss.inject_on("HEAD", DOWN);
    says(&log.confirm().unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    stage.oss.append_as_stranger(BUCKET, KEY, b"theirs\n");
    // Asked, moved, refused there; then the end cannot be looked for.
    stage.oss.inject(Fault::Refuse(403, "AccessDenied"));
    stage.oss.inject_on("HEAD", Fault::Pass);
    stage.oss.inject_on("HEAD", DOWN);
    log.resync().unwrap_err();
    let before = stage.oss.requests().len();
    let said = log.confirm();
    assert!(stage.oss.requests().len() > before, "stuck: {said:?}");
    settled(&log, &stage, "base\ntheirs\nours\n");
}

#[test]
fn resync_of_a_resumed_stream_does_not_step_over_what_lies_behind_in_another_cut() {
    let stage = Stage::with("base\n");
    let mut first = log(&stage.bucket(1)).open().unwrap();
    first.write_all(b"one\ntwo\n").unwrap();
    stage.oss.replace_object(BUCKET, KEY, b"esab\n");
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.inject_on("HEAD", DOWN);
    says(&first.confirm().unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
    let (saved, _) = first.into_parts();
    // In another cut.
    let mut log = log(&stage.bucket(3)).resume(saved).unwrap();
    log.write_all(b"one\n").unwrap();
    says(ours(&log.flush().unwrap_err()), ErrorKind::Conflict(Found::Different), Outcome::Applied);
    says(&log.resync().unwrap_err(), ErrorKind::Conflict(Found::Different), Outcome::Applied);
    log.write(b"two\n").unwrap_err();
    assert_eq!(stage.text(), "esab\none\ntwo\n");
}

#[test]
fn nor_what_landed_since_it_was_told() {
    let stage = Stage::with("base\n");
    let mut first = log(&stage.bucket(1)).open().unwrap();
    let saved = first.checkpoint();
    put(&mut first, "one\n").unwrap();
    first.write_all(b"two\n").unwrap();
    stage.oss.inject(Fault::Hold);
    stage.oss.inject_on("HEAD", DOWN);
    first.confirm().unwrap_err();
    drop(first.into_parts());
    stage.oss.replace_object(BUCKET, KEY, b"esab\none\n");
    let mut log = log(&stage.bucket(3)).resume(saved).unwrap();
    log.write_all(b"one\n").unwrap();
    says(ours(&log.flush().unwrap_err()), ErrorKind::Conflict(Found::Different), Outcome::Applied);
    stage.oss.land();
    let said = log.resync();
    let _ = log.write_all(b"two\n").and_then(|()| log.flush());
    assert_eq!(stage.text().matches("two").count(), 1, "{said:?} {}", stage.text());
}

#[test]
fn a_conflict_before_a_roll_does_not_hide_what_an_earlier_life_has_under_way() {
    let stage = Stage::with("base\n");
    let mut first = log(&stage.bucket(1)).open().unwrap();
    let saved = first.checkpoint();
    first.write_all(b"record\n").unwrap();
    stage.oss.inject(Fault::Hold);
    stage.oss.inject_on("HEAD", DOWN);
    first.confirm().unwrap_err();
    drop(first.into_parts());
    stage.oss.replace_object(BUCKET, KEY, b"esab\n");

    let mut log = log(&stage.bucket(3)).roll_over(8, |_| "next".into()).resume(saved).unwrap();
    let error = log.write_all(b"record\n").unwrap_err();
    says(ours(&error), ErrorKind::Conflict(Found::Different), Outcome::Unknown);
    log.resync().unwrap_err(); // only `open` leads on
    stage.oss.land();
    let all = format!(
        "{:?} {:?}",
        stage.oss.object(BUCKET, KEY).map(|b| String::from_utf8(b).unwrap()),
        stage.oss.object(BUCKET, "next").map(|b| String::from_utf8(b).unwrap())
    );
    assert!(all.matches("record").count() <= 1, "{all}");
}

/// A resumed stream that rolls, with a key that may only write, and whose object is not what it was.
fn replaced_unseen() -> (Stage, Appender) {
    let stage = Stage::with("other");
    ["HEAD", "GET"].iter().for_each(|method| stage.oss.forbid(method));
    let mut log = log(&stage.bucket(1)).roll_over(5, |_| "next".into()).resume(at("first")).unwrap();
    let error = log.write_all(b"record\n").unwrap_err();
    says(ours(&error), ErrorKind::Conflict(Found::Different), Outcome::Unknown);
    (stage, log)
}

#[test]
fn a_conflict_before_a_roll_is_not_forgotten_where_a_probe_has_no_answer() {
    let (stage, mut log) = replaced_unseen();
    stage.oss.inject(Fault::LoseAnswer);
    log.resync().unwrap_err();
    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Different), Outcome::Unknown);
}

#[test]
fn nor_where_it_says_that_the_object_is_shorter() {
    let (stage, mut log) = replaced_unseen();
    stage.oss.replace_object(BUCKET, KEY, b"less");
    says(&log.resync().unwrap_err(), ErrorKind::Conflict(Found::Shorter), Outcome::Unknown);
    says(&log.confirm().unwrap_err(), ErrorKind::Conflict(Found::Shorter), Outcome::Unknown);
}

#[test]
fn with_a_key_that_may_only_write_what_lies_behind_is_still_to_be_recognised() {
    let (stage, mut log) = replaced_unseen();
    stage.oss.replace_object(BUCKET, KEY, b"firstrecord\n");
    log.resync().unwrap();
    log.write_all(b"record\n").unwrap();
    log.confirm().unwrap();
    settled(&log, &stage, "firstrecord\n");
}

/// A bucket whose hook panics once, at a move, when the fuse is lit.
fn panics_at_a_move(stage: &Stage, fuse: &Fuse) -> Bucket {
    let fuse = fuse.clone();
    let builder = stage.oss.builder(BUCKET).attempts(1).on_event(move |event| {
        if matches!(event, Event::Settled { verdict: Verdict::Moved { .. }, .. }) {
            fuse.tick();
        }
    });
    builder.build().unwrap()
}

#[test]
fn a_hook_that_panics_at_a_move_in_resync_leaves_no_conflict_behind() {
    let (stage, fuse) = (Stage::with("base\n"), Fuse::default());
    let mut log = log(&panics_at_a_move(&stage, &fuse)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.append_as_stranger(BUCKET, KEY, b"theirs\n");
    stage.oss.inject_on("GET", DOWN);
    says(&put(&mut log, "ours\n").unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::Unknown);
    fuse.burns_at(1, || log.resync());
    assert_eq!(log.in_doubt(), None);
    log.confirm().unwrap();
    settled(&log, &stage, "base\ntheirs\nours\n");
}

#[test]
fn after_a_move_in_resync_the_conflict_at_the_old_place_is_forgotten() {
    let stage = Stage::with("base\n");
    let mut log = log(&stage.bucket(1)).on_conflict(OnConflict::Rebase).open().unwrap();
    stage.oss.append_as_stranger(BUCKET, KEY, b"theirs\n");
    stage.oss.inject_on("GET", DOWN);
    says(&put(&mut log, "ours\n").unwrap_err(), ErrorKind::Conflict(Found::Longer), Outcome::Unknown);
    stage.oss.inject(Fault::LoseAnswer);
    stage.oss.inject_on("HEAD", Fault::Pass);
    stage.oss.inject_on("HEAD", DOWN);
    let said = log.resync().unwrap_err();
    says(&said, ErrorKind::Transport, Outcome::Unknown);
    let before = stage.oss.requests().len();
    let said = log.confirm();
    assert!(stage.oss.requests().len() > before, "in doubt {:?}: {said:?}", log.in_doubt());
}

#[test]
fn what_resync_cannot_tell_is_in_doubt() {
    let stage = Stage::with("base\n");
    let mut first = log(&stage.bucket(1)).open().unwrap();
    let saved = first.checkpoint();
    put(&mut first, "one\n").unwrap();
    put(&mut first, "tw").unwrap();
    drop(first);
    stage.oss.replace_object(BUCKET, KEY, b"esab\none\ntw");
    let mut log = log(&stage.bucket(3)).buffer_capacity(8).whole_lines(true).resume(saved).unwrap();
    log.write_all(b"one\n").unwrap();
    log.write_all(b"tw").unwrap();
    let error = log.write(b"o\nx").unwrap_err();
    says(ours(&error), ErrorKind::Conflict(Found::Different), Outcome::Applied);
    says(&log.resync().unwrap_err(), ErrorKind::Conflict(Found::Different), Outcome::Unknown);
    assert!(
        log.in_doubt().is_some(),
        "pending {:?}, Unknown, in doubt {:?}",
        String::from_utf8_lossy(log.pending()),
        log.in_doubt()
    );
}

#[test]
fn all_that_is_pending_of_a_resumed_stream_is_in_doubt() {
    let stage = Stage::with("base\n");
    let mut log = log(&stage.bucket(1)).buffer_capacity(8).whole_lines(true).resume(at("base\n")).unwrap();
    log.write_all(b"one\n").unwrap();
    log.write_all(b"tw").unwrap();
    assert_eq!(log.in_doubt(), Some(5..11));
    stage.oss.inject(Fault::LoseRequest);
    stage.oss.inject_on("HEAD", DOWN);
    log.write(b"o\nx").unwrap_err();
    keeps(&log, "one\ntw", Some(5..11));
}

// ---- dropping --------------------------------------------------------------------------------------------------------

#[test]
fn a_failed_resync_with_nothing_pending_does_not_keep_drop_from_its_attempt() {
    let stage = Stage::with("base\n");
    let mut log = log(&stage.bucket(1)).open().unwrap();
    stage.oss.inject_on("HEAD", DOWN);
    assert_eq!(log.resync().unwrap_err().outcome(), Outcome::NotApplied);
    log.write_all(b"line\n").unwrap();
    drop(log);
    assert_eq!(stage.text(), "base\nline\n");
}

#[test]
fn a_failed_roll_with_nothing_pending_does_not_keep_drop_from_its_attempt() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(1)).roll_over(10, |_| "\\bad".into()).open().unwrap();
    log.write_all(b"12345\n").unwrap();
    log.write_all(b"123456789\n").unwrap_err();
    keeps(&log, "", None);
    log.write_all(b"ok\n").unwrap();
    drop(log);
    assert_eq!(stage.text(), "12345\nok\n");
}

#[test]
fn a_look_before_a_roll_that_failed_does_not_keep_drop_from_its_attempt() {
    let stage = Stage::with("base\n");
    let mut log = log(&stage.bucket(1)).roll_over(8, |_| "next".into()).resume(at("base\n")).unwrap();
    stage.oss.inject_on("HEAD", DOWN);
    log.write_all(b"a longer record\n").unwrap_err();
    keeps(&log, "", None);
    log.write_all(b"ok\n").unwrap();
    drop(log);
    assert_eq!(stage.text(), "base\nok\n");
}
