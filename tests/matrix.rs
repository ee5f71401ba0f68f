//! The scenarios in which other clients lose, double or misreport bytes: here every one of them ends right.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

mod common;

use common::*;
use oss_append::{ErrorKind, Found, OnConflict, Outcome, testing::Fault};
use std::io::Write;

const LONGER: ErrorKind = ErrorKind::Conflict(Found::Longer);

#[test]
fn two_writers_with_equally_many_bytes_at_the_same_place() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    let (mut a, mut b) = (log(&bucket).open().unwrap(), log(&bucket).open().unwrap());
    put(&mut a, "AAAA").unwrap();
    let error = put(&mut b, "BBBB").unwrap_err();
    says(&error, LONGER, Outcome::NotApplied);
    assert_eq!(error.next_position(), Some(4));
    keeps(&b, "BBBB", None);
    says(&b.confirm().unwrap_err(), LONGER, Outcome::NotApplied);
    assert_eq!(stage.text(), "AAAA");
    b.resync().unwrap();
    b.confirm().unwrap();
    settled(&b, &stage, "AAAABBBB");
}

#[test]
fn two_writers_that_share_an_object() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    let shared = || log(&bucket).on_conflict(OnConflict::Rebase).open().unwrap();
    let (mut a, mut b) = (shared(), shared());
    put(&mut a, "AAAA").unwrap();
    put(&mut b, "BBBB").unwrap();
    put(&mut a, "aaaa").unwrap();
    settled(&a, &stage, "AAAABBBBaaaa");
    keeps(&b, "", None);
}

#[test]
fn a_lost_answer_with_retries_allowed() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    stage.oss.inject(Fault::LoseAnswer);
    let end = bucket.append_object(KEY, 0, "rec1").unwrap();
    assert_eq!((end.checkpoint(), stage.posts()), (Some(at("rec1")), 1));
    bucket.append_object(KEY, &end, "rec2").unwrap();
    assert_eq!(stage.text(), "rec1rec2");

    stage.oss.inject(Fault::LoseAnswer);
    let mut log = log(&bucket).open().unwrap();
    put(&mut log, "rec3").unwrap();
    assert_eq!(stage.posts(), 3);
    settled(&log, &stage, "rec1rec2rec3");
}

/// The answer is lost on every try, and questions are too.
fn lost_on_every_try(next: &str) {
    for lost in [Fault::LoseAnswer, Fault::LoseRequest] {
        let stage = Stage::empty();
        let mut log = log(&stage.bucket(1)).create_new().unwrap();
        stage.oss.inject(lost.clone());
        stage.oss.inject_on("HEAD", Fault::LoseAnswer);
        stage.oss.inject_on("HEAD", Fault::LoseAnswer);
        says(&put(&mut log, "rec1").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
        keeps(&log, "rec1", Some(0..4));
        let error = log.write(next.as_bytes()).unwrap_err();
        says(ours(&error), ErrorKind::Transport, Outcome::Unknown);
        keeps(&log, "rec1", Some(0..4));
        put(&mut log, next).unwrap();
        settled(&log, &stage, &format!("rec1{next}"));
    }
}

#[test]
fn an_answer_lost_on_every_try_and_then_an_equally_long_record() {
    lost_on_every_try("rec2");
}

#[test]
fn an_answer_lost_on_every_try_and_then_a_record_of_another_length() {
    lost_on_every_try("record2");
}

#[test]
fn bytes_damaged_on_the_way() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(3)).create_new().unwrap();
    stage.oss.inject(Fault::Damage);
    says(&put(&mut log, "rec1").unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
    for _ in 0..3 {
        says(&log.confirm().unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
        says(ours(&log.flush().unwrap_err()), ErrorKind::Integrity, Outcome::Applied);
        says(ours(&log.write(b"rec2").unwrap_err()), ErrorKind::Integrity, Outcome::Applied);
        keeps(&log, "rec1", None);
    }
    assert_eq!(stage.posts(), 1, "repeating a call launders nothing");
    let damaged = stage.text();
    assert!(damaged.len() == 4 && damaged != "rec1");
    log.resync().unwrap();
    put(&mut log, "rec2").unwrap();
    settled(&log, &stage, &format!("{damaged}rec2"));
}

#[test]
fn bytes_damaged_on_the_way_of_one_append() {
    let stage = Stage::empty();
    let bucket = stage.bucket(3);
    stage.oss.inject(Fault::Damage);
    let error = bucket.append_object(KEY, 0, "rec1").unwrap_err();
    says(&error, ErrorKind::Integrity, Outcome::Applied);
    assert_eq!((error.next_position(), stage.text().len()), (Some(4), 4));
    let again = bucket.append_object(KEY, 0, "rec1").unwrap_err();
    says(&again, LONGER, Outcome::NotApplied);
    assert_eq!(stage.text().len(), 4, "not reported as success, and not stored twice");
}

#[test]
fn an_object_deleted_and_made_again_with_the_same_length() {
    let stage = Stage::with("base");
    let bucket = stage.bucket(3);
    let mut log = log(&bucket).open().unwrap();
    stage.oss.replace_object(BUCKET, KEY, b"BASE");
    log.write_all(b"ours").unwrap();
    for _ in 0..3 {
        says(&log.confirm().unwrap_err(), ErrorKind::Integrity, Outcome::Applied);
        keeps(&log, "ours", None);
    }
    assert_eq!(stage.posts(), 1);
    log.resync().unwrap();
    put(&mut log, "more").unwrap();
    settled(&log, &stage, "BASEoursmore");

    stage.oss.replace_object(BUCKET, KEY, b"BASE");
    let error = bucket.append_object(KEY, at("base"), "ours").unwrap_err();
    says(&error, ErrorKind::Integrity, Outcome::Applied);
    assert_eq!(stage.text(), "BASEours");
}

#[test]
fn a_key_that_may_only_write() {
    let stage = Stage::empty();
    stage.oss.forbid("HEAD");
    stage.oss.forbid("GET");
    let bucket = stage.bucket(3);
    let error = log(&bucket).open().unwrap_err();
    says(&error, ErrorKind::Service, Outcome::NotApplied);
    assert_eq!(error.code(), Some("AccessDenied"));
    assert!(error.to_string().contains("create_new and resume do not ask"), "{error}");

    let mut one = log(&bucket).create_new().unwrap();
    put(&mut one, "rec1").unwrap();
    stage.oss.inject(Fault::LoseAnswer);
    put(&mut one, "rec2").unwrap();
    let end = one.finish().unwrap();
    let mut two = log(&bucket).resume(end).unwrap();
    stage.oss.inject(Fault::LoseRequest);
    put(&mut two, "rec3").unwrap();
    let last = bucket.append_object(KEY, two.checkpoint(), "rec4").unwrap();
    assert_eq!(last.checkpoint(), Some(at("rec1rec2rec3rec4")));
    keeps(&two, "", None);
    assert_eq!(stage.text(), "rec1rec2rec3rec4");
}

#[test]
fn a_thousand_small_writes() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(3)).create_new().unwrap();
    let mut text = String::new();
    for n in 0..1000 {
        let line = format!("line {n}\n");
        log.write_all(line.as_bytes()).unwrap();
        text.push_str(&line);
    }
    assert_eq!(stage.posts(), 0);
    assert_eq!(log.finish().unwrap(), at(&text));
    assert_eq!(stage.calls_from(0), ["POST 0"], "one request for all of them, and no question");
    assert_eq!(stage.text(), text);
}

#[test]
fn a_process_that_ends_without_closing() {
    let stage = Stage::empty();
    let mut log = log(&stage.bucket(3)).create_new().unwrap();
    log.write_all(b"the tail").unwrap();
    drop(log);
    assert_eq!(stage.text(), "the tail");
    assert_eq!(stage.calls_from(0), ["POST 0"], "one attempt");
}

#[test]
fn a_process_that_ends_without_closing_while_bytes_are_in_doubt() {
    for lost in [Fault::LoseAnswer, Fault::Hold] {
        let stage = Stage::empty();
        let mut log = log(&stage.bucket(1)).create_new().unwrap();
        stage.oss.inject(lost);
        stage.oss.inject_on("HEAD", Fault::Page(503));
        says(&put(&mut log, "the tail").unwrap_err(), ErrorKind::Transport, Outcome::Unknown);
        drop(log);
        assert_eq!(stage.posts(), 1, "nothing is sent behind the user's back");
        assert_eq!(stage.text(), "the tail");
    }
}
