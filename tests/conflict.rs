//! Others at the same object: what was found is named, the error stays, and `resync` is the only way on.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Appender, Auth, Bucket, Checkpoint, Credentials, Error, ErrorKind, Found, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

/// With `abcde` confirmed and `fgh` pending.
fn writer(bucket: &Bucket) -> Appender {
    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(b"abcde").unwrap();
    log.confirm().unwrap();
    log.write_all(b"fgh").unwrap();
    log
}

fn hasty(oss: &FakeOss) -> Bucket {
    oss.builder("bucket").attempts(1).build().unwrap()
}

/// Its provider panics at the so manieth request from now on, once; at none while that is 0.
fn panicking(oss: &FakeOss) -> (Bucket, Arc<AtomicU32>) {
    let fuse = Arc::new(AtomicU32::new(0));
    let (left, id, secret) = (Arc::clone(&fuse), oss.access_key_id().to_owned(), oss.access_key_secret().to_owned());
    let auth = Auth::provider(move || {
        let burnt = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1);
        assert!(!burnt, "the provider panics");
        Ok(Credentials::new(&id, &secret))
    });
    let bucket = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).attempts(1);
    (bucket.backoff(Duration::ZERO, Duration::ZERO).build().unwrap(), fuse)
}

fn text(oss: &FakeOss) -> Option<String> {
    oss.object("bucket", "log").map(|bytes| String::from_utf8(bytes).unwrap())
}

fn verdict(error: &Error) -> (ErrorKind, Outcome) {
    (error.kind(), error.outcome())
}

/// Every call repeats the error word for word, sends nothing and changes nothing.
fn assert_sticky(oss: &FakeOss, mut log: Appender, error: &Error) -> Appender {
    let (requests, object) = (oss.requests().len(), text(oss));
    let (pending, at) = (log.pending().to_vec(), log.checkpoint());
    for _ in 0..3 {
        let io_errors = [
            log.write(b"more").unwrap_err(),
            log.write_all(b"more").unwrap_err(),
            log.flush().unwrap_err(),
            log.flush_due().unwrap_err(),
            log.copy_from(&b"more"[..]).unwrap_err(),
        ];
        for again in &io_errors {
            let again = Error::find(again).unwrap();
            assert_eq!((verdict(again), again.to_string()), (verdict(error), error.to_string()));
        }
        assert_eq!(log.confirm().unwrap_err().to_string(), error.to_string());
        let failed = log.finish().unwrap_err();
        assert_eq!((verdict(failed.error()), failed.error().to_string()), (verdict(error), error.to_string()));
        log = failed.into_appender();
    }
    assert_eq!((oss.requests().len(), text(oss)), (requests, object));
    assert_eq!((log.pending(), log.checkpoint()), (pending.as_slice(), at));
    log
}

fn conflict(found: Found) -> ErrorKind {
    ErrorKind::Conflict(found)
}

// ---- what was found ------------------------------------------------------------------------------------------------

#[test]
fn longer_somebody_else_appended() {
    for theirs in ["X", "XYZ", "XYZUVW"] {
        let (oss, bucket) = start();
        let mut log = writer(&bucket);
        oss.append_as_stranger("bucket", "log", theirs.as_bytes());
        let error = log.confirm().unwrap_err();
        assert_eq!(verdict(&error), (conflict(Found::Longer), Outcome::NotApplied), "{theirs}");
        assert_eq!(error.next_position(), Some(5 + theirs.len() as u64), "{theirs}");
        assert_eq!((error.code(), log.in_doubt()), (Some("PositionNotEqualToLength"), None));
        assert!(error.to_string().contains("5..8"), "{error}");

        let mut log = assert_sticky(&oss, log, &error);
        assert_eq!(log.resync().unwrap(), Checkpoint::default().advance("abcde").advance(theirs));
        assert_eq!(log.pending(), b"fgh");
        log.write_all(b"i").unwrap();
        log.finish().unwrap();
        assert_eq!(text(&oss).unwrap(), format!("abcde{theirs}fghi"));
    }
}

#[test]
fn shorter_the_object_ends_before_the_position() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.replace_object("bucket", "log", b"ab");
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Shorter), Outcome::NotApplied));
    assert_eq!(error.next_position(), Some(2));
    let mut log = assert_sticky(&oss, log, &error);
    assert_eq!(log.resync().unwrap().position, 2);
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abfgh");
}

#[test]
fn different_the_object_was_replaced_by_a_longer_one() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.replace_object("bucket", "log", b"somebody else's object");
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Different), Outcome::NotApplied));
    let mut log = assert_sticky(&oss, log, &error);
    log.resync().unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "somebody else's objectfgh");
}

#[test]
fn different_the_object_was_replaced_by_one_of_equal_length_while_ours_was_in_doubt() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = writer(&bucket);
    oss.inject(Fault::Hold);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
    oss.replace_object("bucket", "log", b"ABCDE");
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Different), Outcome::Unknown));
    assert_eq!(log.in_doubt(), Some(5..8));

    let mut log = assert_sticky(&oss, log, &error);
    // It can still land, so the way on is barred until it has, or cannot any more.
    assert_eq!(log.resync().unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(oss.land(), 1);
    assert_eq!(log.resync().unwrap(), Checkpoint::default().advance("ABCDEfgh"));
    assert_eq!(log.pending(), b"");
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "ABCDEfghi");
}

#[test]
fn missing_the_object_was_deleted() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").options(AppendOptions::new().meta("a", "b")).create_new().unwrap();
    log.write_all(b"abcde").unwrap();
    log.confirm().unwrap();
    log.write_all(b"fgh").unwrap();
    oss.delete_object("bucket", "log");
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Missing), Outcome::NotApplied));
    assert_eq!(std::io::Error::from(error.clone()).kind(), std::io::ErrorKind::NotFound);

    let mut log = assert_sticky(&oss, log, &error);
    assert_eq!(log.resync().unwrap(), Checkpoint::default());
    assert_eq!(log.existed(), Some(false));
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "fgh");
    // It was made anew, with what describes it.
    assert!(oss.metadata("bucket", "log").unwrap().contains(&("x-oss-meta-a".into(), "b".into())));
}

#[test]
fn sealed_the_object_takes_no_more_bytes() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.seal("bucket", "log");
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Sealed), Outcome::NotApplied));
    let mut log = assert_sticky(&oss, log, &error);
    assert_eq!(log.resync().unwrap_err().kind(), conflict(Found::Sealed)); // there is no way on
    assert_eq!(log.into_parts(), (Checkpoint::default().advance("abcde"), b"fgh".to_vec()));
    assert_eq!(text(&oss).unwrap(), "abcde");
}

#[test]
fn sealed_behind_our_bytes_is_no_conflict_for_them() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = writer(&bucket);
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    log.confirm().unwrap_err();
    oss.seal("bucket", "log");
    assert_eq!(log.confirm().unwrap(), Checkpoint::default().advance("abcdefgh"));
    log.write_all(b"i").unwrap();
    assert_eq!(log.confirm().unwrap_err().kind(), conflict(Found::Sealed));
    assert_eq!((text(&oss).unwrap().as_str(), log.pending()), ("abcdefgh", &b"i"[..]));
}

// ---- integrity and protocol ----------------------------------------------------------------------------------------

#[test]
fn damaged_bytes_are_integrity_and_repeating_a_call_never_launders_them() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.inject(Fault::Damage);
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (ErrorKind::Integrity, Outcome::Applied));
    assert_eq!((log.pending(), log.checkpoint().position), (&b"fgh"[..], 5));
    let damaged = text(&oss).unwrap();
    assert!(damaged.starts_with("abcde") && damaged != "abcdefgh" && damaged.len() == 8);

    let mut log = assert_sticky(&oss, log, &error);
    // Their places are taken: sent again they would be in twice.
    assert_eq!(log.resync().unwrap(), Checkpoint::default().advance(&damaged));
    assert_eq!(log.pending(), b"");
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), damaged + "i");
}

#[test]
fn a_replaced_beginning_is_integrity_and_its_text_says_that_ours_are_unharmed() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.replace_object("bucket", "log", b"ABCDE"); // as long, so the position fits
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (ErrorKind::Integrity, Outcome::Applied));
    assert!(error.to_string().contains("unharmed"), "{error}");
    let mut log = assert_sticky(&oss, log, &error);
    log.resync().unwrap();
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "ABCDEfghi");
}

#[test]
fn a_flipped_header_is_neither() {
    let (oss, bucket) = start();
    let log = writer(&bucket);
    oss.inject(Fault::WrongCrc);
    assert_eq!(log.finish().unwrap(), Checkpoint::default().advance("abcdefgh"));
    assert_eq!(text(&oss).unwrap(), "abcdefgh");
}

#[test]
fn an_answer_that_breaks_the_rules_is_protocol_and_stays() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = writer(&bucket);
    oss.inject(Fault::WrongNext);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (ErrorKind::Protocol, Outcome::Unknown));
    assert_eq!(log.in_doubt(), Some(5..8));
    let mut log = assert_sticky(&oss, log, &error);
    assert_eq!(log.resync().unwrap(), Checkpoint::default().advance("abcdefgh"));
    assert_eq!((log.pending(), log.in_doubt()), (&b""[..], None));
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdefghi");
}

#[test]
fn a_transport_error_does_not_stay() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = writer(&bucket);
    oss.inject(Fault::LoseRequest);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    assert_eq!(verdict(&log.confirm().unwrap_err()), (ErrorKind::Transport, Outcome::Unknown));
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdefgh");
}

// ---- resync ----------------------------------------------------------------------------------------------------------

#[test]
fn resync_does_not_send_bytes_that_are_in_below_a_strangers() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"XYZ".to_vec())));
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Longer), Outcome::Applied));
    assert_eq!(log.pending(), b"fgh");
    let mut log = assert_sticky(&oss, log, &error);
    assert_eq!(log.resync().unwrap(), Checkpoint::default().advance("abcdefghXYZ"));
    assert_eq!(log.pending(), b"");
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdefghXYZi");
}

#[test]
fn resync_settles_a_late_original_in_a_shrunk_object_before_anything_else() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = writer(&bucket);
    oss.inject(Fault::Hold);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    log.confirm().unwrap_err();
    oss.replace_object("bucket", "log", b"xy");
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Shorter), Outcome::Unknown));

    // Not allowed to go on: our own next bytes could make the length fit.
    let again = log.resync().unwrap_err();
    assert_eq!(again.outcome(), Outcome::Unknown);
    assert_eq!((log.pending(), log.checkpoint().position, log.in_doubt()), (&b"fgh"[..], 5, Some(5..8)));
    let mut log = assert_sticky(&oss, log, &error);

    oss.append_as_stranger("bucket", "log", b"zzz");
    assert_eq!(oss.land(), 1); // the original, after all
    assert_eq!(log.resync().unwrap(), Checkpoint::default().advance("xyzzzfgh"));
    assert_eq!(log.pending(), b"");
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "xyzzzfghi");
}

#[test]
fn resync_that_cannot_settle_fails_with_unknown_and_changes_nothing() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.append_as_stranger("bucket", "log", b"fgh"); // equal bytes, and ours were never in doubt
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Longer), Outcome::Unknown));
    let mut log = assert_sticky(&oss, log, &error);
    for _ in 0..3 {
        let again = log.resync().unwrap_err();
        assert_eq!(verdict(&again), (conflict(Found::Longer), Outcome::Unknown));
        assert_eq!((log.pending(), log.checkpoint().position), (&b"fgh"[..], 5));
        log = assert_sticky(&oss, log, &error);
    }
    assert_eq!(text(&oss).unwrap(), "abcdefgh");
}

#[test]
fn resync_needs_permission_to_read() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.append_as_stranger("bucket", "log", b"X");
    let error = log.confirm().unwrap_err();
    oss.forbid("HEAD");
    oss.forbid("GET");
    assert_eq!(log.resync().unwrap_err().code(), Some("AccessDenied"));
    let mut log = assert_sticky(&oss, log, &error);
    oss.allow("HEAD");
    oss.allow("GET");
    log.resync().unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdeXfgh");
}

#[test]
fn resync_that_gets_no_answer_leaves_the_error_where_it_was() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = writer(&bucket);
    oss.append_as_stranger("bucket", "log", b"X");
    let error = log.confirm().unwrap_err();
    oss.inject_on("HEAD", Fault::Page(404)); // a proxy's 404 is no deletion
    log.resync().unwrap_err();
    let mut log = assert_sticky(&oss, log, &error);
    log.resync().unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdeXfgh");
}

#[test]
fn resync_that_gets_no_answer_after_bytes_were_found_in_does_not_send_them_either() {
    let (oss, _) = start();
    let bucket = hasty(&oss);
    let mut log = writer(&bucket);
    oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"XYZ".to_vec())));
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Applied);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    log.resync().unwrap_err();
    log.confirm().unwrap_err(); // still barred
    log.resync().unwrap();
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdefghXYZi");
}

#[test]
fn resync_whose_look_fails_keeps_what_it_learned_on_the_way() {
    let (oss, _) = start();
    let mut log = writer(&hasty(&oss));
    oss.inject(Fault::NoNext.and(Fault::StrangerAfter(b"XYZ".to_vec())));
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    assert_eq!(verdict(&log.confirm().unwrap_err()), (ErrorKind::Protocol, Outcome::Unknown));
    assert_eq!(log.in_doubt(), Some(5..8));

    oss.inject_on("HEAD", Fault::Pass); // ours are found below a stranger's
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    let error = log.resync().unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some("ServiceUnavailable"), Outcome::Applied));
    assert_eq!((log.pending(), log.in_doubt(), oss.faults_left()), (&b"fgh"[..], None, 0));
    let error = log.confirm().unwrap_err();
    assert_eq!(verdict(&error), (conflict(Found::Longer), Outcome::Applied));

    let mut log = assert_sticky(&oss, log, &error);
    oss.inject(Fault::Refuse(403, "AccessDenied")); // nobody asks for it
    assert_eq!(log.resync().unwrap(), Checkpoint::default().advance("abcdefghXYZ"));
    assert_eq!((log.pending(), oss.faults_left()), (&b""[..], 1));
    assert_eq!(log.confirm().unwrap(), Checkpoint::default().advance("abcdefghXYZ"));
    assert_eq!(text(&oss).unwrap(), "abcdefghXYZ");
}

#[test]
fn a_provider_that_panics_inside_resync_makes_it_forget_nothing() {
    let theirs = || Fault::StrangerAfter(b"XYZ".to_vec());
    for (fault, head, kind, outcome) in [
        (Fault::Damage, Fault::Pass, ErrorKind::Integrity, Outcome::Applied),
        (Fault::LoseAnswer.and(theirs()), Fault::Pass, conflict(Found::Longer), Outcome::Applied),
        (Fault::StrangerBefore(b"XYZ".to_vec()), Fault::Pass, conflict(Found::Longer), Outcome::NotApplied),
        (Fault::NoNext.and(theirs()), Fault::Page(503), ErrorKind::Protocol, Outcome::Unknown),
    ] {
        for at in 1..=5 {
            let (oss, _) = start();
            let (bucket, fuse) = panicking(&oss);
            let mut log = writer(&bucket);
            oss.inject(fault.clone());
            oss.inject_on("HEAD", head.clone());
            let error = log.confirm().unwrap_err();
            assert_eq!(verdict(&error), (kind, outcome), "{fault:?}");
            let doubt = log.in_doubt();

            oss.inject(Fault::Refuse(403, "AccessDenied")); // for a resend, which must not be
            fuse.store(at, Ordering::SeqCst);
            let result = catch_unwind(AssertUnwindSafe(|| log.resync()));
            fuse.store(0, Ordering::SeqCst);
            assert!(result.is_err() || at > 1, "{fault:?}: no request");
            if result.is_err() {
                // What was told before, or what was found before the panic; and nothing goes out.
                assert_eq!(log.pending(), b"fgh", "{fault:?} at {at}");
                let (before, again) = (oss.requests().len(), log.confirm().unwrap_err());
                assert!(at > 1 || verdict(&again) == (kind, outcome), "{fault:?} at {at}: {again:?}");
                assert!(at > 1 || log.in_doubt() == doubt, "{fault:?} at {at}: {:?}", log.in_doubt());
                let more = log.write(b"more").unwrap_err();
                assert_eq!(Error::find(&more).unwrap().to_string(), again.to_string());
                assert_eq!(oss.requests().len(), before, "{fault:?} at {at}");
                log.resync().unwrap();
            }
            assert_eq!(oss.faults_left(), 1, "{fault:?} at {at}: sent again");
            let (object, rest) = (text(&oss).unwrap(), if outcome == Outcome::NotApplied { "fgh" } else { "" });
            assert_eq!(log.pending(), rest.as_bytes(), "{fault:?} at {at}");
            assert_eq!(
                (log.in_doubt(), object.len()),
                (None, if kind == ErrorKind::Integrity { 8 } else { 11 - rest.len() })
            );
            oss.inject(Fault::Pass);
            if !rest.is_empty() {
                assert_eq!(log.confirm().unwrap_err().code(), Some("AccessDenied")); // now it is asked for
            }
            assert_eq!(log.finish().unwrap(), Checkpoint::default().advance(&object).advance(rest));
            assert_eq!(text(&oss).unwrap(), object + rest);
        }
    }
}

#[test]
fn the_error_of_a_resync_that_could_not_look_says_what_became_of_the_pending_bytes() {
    let theirs = || Fault::StrangerAfter(b"XYZ".to_vec());
    for (fault, outcome, end) in [
        (Fault::StrangerBefore(b"XYZ".to_vec()), Outcome::NotApplied, "abcdeXYZfgh"),
        (Fault::LoseAnswer.and(theirs()), Outcome::Applied, "abcdefghXYZ"),
        (Fault::NoNext, Outcome::Unknown, "abcdefgh"),
    ] {
        for (look, code) in [
            (Fault::Refuse(503, "ServiceUnavailable"), Some("ServiceUnavailable")),
            (Fault::Refuse(403, "AccessDenied"), Some("AccessDenied")),
            (Fault::LoseAnswer, None),
        ] {
            let (oss, _) = start();
            let mut log = writer(&hasty(&oss));
            oss.inject(fault.clone());
            if outcome == Outcome::Unknown {
                oss.inject_on("HEAD", Fault::LoseAnswer);
            }
            assert_eq!(log.confirm().unwrap_err().outcome(), outcome, "{fault:?}");
            let doubt = log.in_doubt();
            if (outcome, code) == (Outcome::Unknown, Some("AccessDenied")) {
                oss.inject(Fault::LoseAnswer); // a key that may not read presents them again
            }
            oss.inject_on("HEAD", look.clone());
            let error = log.resync().unwrap_err();
            assert_eq!(error.outcome(), outcome, "{fault:?}, {look:?}: {error:?}");
            assert!(outcome == Outcome::Unknown || error.code() == code, "{look:?}: {error:?}");
            assert_eq!((log.pending(), log.in_doubt()), (&b"fgh"[..], doubt), "{fault:?}, {look:?}");
            assert_eq!(log.checkpoint(), Checkpoint::default().advance("abcde"));
            log.resync().unwrap();
            assert_eq!(log.finish().unwrap(), Checkpoint::default().advance(end), "{fault:?}, {look:?}");
            assert_eq!(text(&oss).unwrap(), end, "{fault:?}, {look:?}");
        }
    }
}

#[test]
fn a_resync_that_found_everything_in_and_could_not_look_does_not_deny_it() {
    let (oss, _) = start();
    let mut log = writer(&hasty(&oss));
    oss.inject(Fault::NoNext);
    oss.inject_on("HEAD", Fault::LoseAnswer);
    assert_eq!(verdict(&log.confirm().unwrap_err()), (ErrorKind::Protocol, Outcome::Unknown));
    oss.inject_on("HEAD", Fault::Pass); // they are found
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    let error = log.resync().unwrap_err();
    assert_eq!(error.code(), Some("ServiceUnavailable"));
    assert_eq!((log.pending(), log.in_doubt()), (&b""[..], None));
    assert_eq!(log.checkpoint(), Checkpoint::default().advance("abcdefgh"));
    assert_ne!(error.outcome(), Outcome::NotApplied, "who was told Unknown would send them again: {error:?}");
    log.write_all(b"i").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdefghi");
}

#[test]
fn resync_without_a_conflict_takes_the_new_end() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.append_as_stranger("bucket", "log", b"X");
    assert_eq!(log.resync().unwrap(), Checkpoint::default().advance("abcdeX"));
    assert_eq!((log.existed(), log.pending()), (Some(true), &b"fgh"[..]));
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdeXfgh");
}

#[test]
fn resync_in_doubt_settles_by_asking() {
    for landed in [true, false] {
        let (oss, _) = start();
        let bucket = hasty(&oss);
        let mut log = writer(&bucket);
        oss.inject(if landed { Fault::LoseAnswer } else { Fault::LoseRequest });
        oss.inject_on("HEAD", Fault::LoseAnswer);
        log.confirm().unwrap_err();
        log.resync().unwrap();
        log.write_all(b"i").unwrap();
        log.finish().unwrap();
        assert_eq!(text(&oss).unwrap(), "abcdefghi");
    }
}

#[test]
fn resync_goes_on_again_and_again_among_strangers() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").create_new().unwrap();
    let mut expected = String::new();
    for i in 0..20 {
        let (theirs, ours) = (format!("<{i}>"), format!("[{i}]"));
        oss.append_as_stranger("bucket", "log", theirs.as_bytes());
        log.write_all(ours.as_bytes()).unwrap();
        assert_eq!(log.confirm().unwrap_err().kind(), conflict(Found::Longer));
        log.resync().unwrap();
        log.confirm().unwrap();
        expected += &(theirs + &ours);
    }
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), expected);
}

#[test]
fn opening_again_is_the_other_way_on() {
    let (oss, bucket) = start();
    let mut log = writer(&bucket);
    oss.append_as_stranger("bucket", "log", b"X");
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::NotApplied);
    let (_, bytes) = log.into_parts();
    let mut log = bucket.appender("log").open().unwrap();
    log.write_all(&bytes).unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "abcdeXfgh");
}

#[test]
fn a_resync_that_settles_the_first_bytes_and_not_the_rest_leaves_the_rest_unknown() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.builder("bucket").attempts(1).build().unwrap();
    bucket.append_object("log", 0, "first\nrest").unwrap(); // by an earlier life
    let mut log = bucket.appender("log").whole_lines(true).buffer_capacity(10).resume(Checkpoint::default()).unwrap();
    log.write_all(b"first\nrest").unwrap();
    // The lines go out for the next byte, and nobody says what became of them; `rest` is behind them, never sent.
    oss.inject_on("HEAD", Fault::Page(503));
    log.write(b"!").unwrap_err();
    oss.inject(Fault::LoseAnswer);
    oss.inject_on("HEAD", Fault::Stale { length: 6, crc64: Some(Checkpoint::default().advance("first\n").crc64) });
    oss.inject_on("HEAD", Fault::Page(503));
    let error = log.resync().unwrap_err();
    assert_eq!((error.outcome(), log.pending()), (Outcome::Unknown, &b"rest"[..]), "{error:?}");
    assert_eq!(log.in_doubt(), Some(6..10));
    log.resync().unwrap();
    assert_eq!(log.finish().unwrap(), Checkpoint::default().advance("first\nrest"));
    assert_eq!(oss.object("bucket", "log").unwrap(), b"first\nrest");
}
