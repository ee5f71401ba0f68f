//! Checkpoints: their one text, and going on from one after a kill without loss and without doubling.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Appender, Bucket, Checkpoint, Error, ErrorKind, Event, Found, Outcome,
    testing::{FakeOss, Fault},
};
use std::{io::Write, sync::mpsc};

const STREAM: &str = "one\ntwo\nthree\n";

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

fn text(oss: &FakeOss) -> Option<String> {
    oss.object("bucket", "log").map(|bytes| String::from_utf8(bytes).unwrap())
}

fn at(bytes: &str) -> Checkpoint {
    Checkpoint::default().advance(bytes)
}

fn written(oss: &FakeOss, bytes: &str) {
    oss.replace_object("bucket", "log", bytes.as_bytes());
}

// ---- the text --------------------------------------------------------------------------------------------------------

#[test]
fn a_checkpoint_is_one_text_and_back() {
    for checkpoint in [
        Checkpoint::default(),
        at("hello, append"),
        Checkpoint { position: 5 << 30, crc64: u64::MAX },
        Checkpoint { position: 1, crc64: 0 },
    ] {
        let text = checkpoint.to_string();
        assert_eq!(text, format!("v1:{}:{}", checkpoint.position, checkpoint.crc64));
        assert_eq!(text.parse::<Checkpoint>().unwrap(), checkpoint);
    }
    assert_eq!(Checkpoint::default().to_string(), "v1:0:0");
    assert_eq!(at("123456789").to_string(), "v1:9:11051210869376104954"); // CRC-64/XZ's check value
}

#[test]
fn no_other_text_is_a_checkpoint() {
    for text in [
        "",
        "v1",
        "v1:",
        "v1::",
        "v1:1",
        "v1:1:",
        "v1::1",
        "v1:1:2:3",
        "v1:1:2:",
        " v1:1:2",
        "v1:1:2 ",
        "v1:1:2\n",
        "v1: 1:2",
        "v1:1: 2",
        "v1:+1:2",
        "v1:1:+2",
        "v1:-1:2",
        "v1:01:2",
        "v1:1:02",
        "v1:00:0",
        "v1:1:0x2",
        "v1:1.0:2",
        "v1:1:1e3",
        "v1:1_0:2",
        "V1:1:2",
        "v2:1:2",
        "v11:1:2",
        "1:2",
        "v1:١:2",
        "v1:18446744073709551616:2",
        "v1:1:18446744073709551616",
        "v1:5368709121:2", // beyond 5 GiB
        "v1:0:1",          // nothing has no CRC but 0
        "v1:1:2\0",
    ] {
        let error = text.parse::<Checkpoint>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
    }
    "v1:5368709120:2".parse::<Checkpoint>().unwrap();
}

#[test]
fn advance_is_where_the_object_will_be_whatever_the_cut() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(STREAM.as_bytes()).unwrap();
    let end = log.finish().unwrap();
    for cut in 0..=STREAM.len() {
        let (first, second) = STREAM.split_at(cut);
        assert_eq!(Checkpoint::default().advance(first).advance(second.as_bytes()), end);
    }
    assert_eq!((end.advance(""), Some(end.crc64)), (end, oss.object_crc64("bucket", "log")));
    assert_eq!(text(&oss).unwrap(), STREAM);
}

// ---- going on --------------------------------------------------------------------------------------------------------

#[test]
fn a_saved_checkpoint_goes_on_where_it_was() {
    let (oss, bucket) = start();
    let mut saved = Checkpoint::default().to_string();
    for line in STREAM.split_inclusive('\n') {
        let mut log = bucket.appender("log").resume(saved.parse().unwrap()).unwrap();
        log.write_all(line.as_bytes()).unwrap();
        saved = log.finish().unwrap().to_string();
    }
    assert_eq!((text(&oss).unwrap().as_str(), oss.requests().len()), (STREAM, 3));
}

#[test]
fn a_checkpoint_one_append_old_is_as_good() {
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    let saved = log.confirm().unwrap();
    log.write_all(b"two\n").unwrap();
    log.confirm().unwrap(); // and killed before this was saved
    let mut log = bucket.appender("log").resume(saved).unwrap();
    log.write_all(b"two\n").unwrap();
    assert_eq!(log.confirm().unwrap(), at("one\ntwo\n"));
    log.write_all(b"three\n").unwrap();
    assert_eq!(log.finish().unwrap(), at(STREAM));
    assert_eq!(text(&oss).unwrap(), STREAM);
}

#[test]
fn resumed_bytes_are_recognised_in_any_cut_from_any_checkpoint() {
    let (oss, bucket) = start();
    for saved in 0..=STREAM.len() {
        for there in saved..=STREAM.len() {
            for capacity in [2, 5, 64] {
                written(&oss, &STREAM[..there]);
                if there == 0 {
                    oss.delete_object("bucket", "log");
                }
                let log = bucket.appender("log").buffer_capacity(capacity).resume(at(&STREAM[..saved]));
                let mut log = log.unwrap();
                log.write_all(&STREAM.as_bytes()[saved..]).unwrap();
                let place = format!("saved {saved}, there {there}, capacity {capacity}");
                assert_eq!(log.finish().unwrap_or_else(|e| panic!("{place}: {e:?}")), at(STREAM), "{place}");
                assert_eq!(text(&oss).unwrap(), STREAM, "{place}");
            }
        }
    }
}

#[test]
fn resumed_bytes_are_recognised_below_a_strangers_and_what_is_new_is_a_conflict() {
    let (oss, bucket) = start();
    for there in 0..=STREAM.len() {
        for capacity in [1, 3, 64] {
            let object = STREAM[..there].to_owned() + "XXXXXXXXXXXXXXXXXXXXXX";
            written(&oss, &object);
            let mut log = bucket.appender("log").buffer_capacity(capacity).resume(Checkpoint::default()).unwrap();
            let result = log.write_all(STREAM.as_bytes()).and_then(|()| log.flush());
            let place = format!("there {there}, capacity {capacity}");
            match result {
                Ok(()) => assert_eq!((there, log.checkpoint()), (STREAM.len(), at(STREAM)), "{place}"),
                Err(error) => {
                    let error = Error::find(&error).unwrap();
                    assert!(there < STREAM.len(), "{place}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Conflict(Found::Longer), "{place}");
                    assert_ne!(error.outcome(), Outcome::Applied, "{place}");
                    // Whatever it says to be confirmed is there, and no more.
                    assert!(log.checkpoint().position <= there as u64, "{place}");
                    assert_eq!(log.checkpoint(), at(&STREAM[..log.checkpoint().position as usize]), "{place}");
                }
            }
            drop(log);
            assert_eq!(text(&oss).unwrap(), object, "{place}");
        }
    }
}

#[test]
fn resumed_bytes_that_are_not_there_and_bytes_of_others_are_a_conflict() {
    for (object, found) in
        [("one\nTWO\nthree\n", Found::Longer), ("ONE\ntwo\nthree\n", Found::Different), ("on", Found::Shorter)]
    {
        let (oss, bucket) = start();
        written(&oss, object);
        let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
        log.write_all(b"two\n").unwrap();
        let error = log.confirm().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict(found), "{object:?}");
        assert_eq!(text(&oss).unwrap(), object);
    }
    let (oss, bucket) = start();
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    assert_eq!(log.confirm().unwrap_err().kind(), ErrorKind::Conflict(Found::Missing));
    assert_eq!(text(&oss), None);
}

#[test]
fn a_wrong_crc_in_a_checkpoint_is_found_at_the_first_append() {
    let (oss, bucket) = start();
    written(&oss, "one\n");
    let mut log = bucket.appender("log").resume(Checkpoint { position: 4, crc64: 1 }).unwrap();
    log.write_all(b"two\n").unwrap();
    assert_eq!(log.confirm().unwrap_err().kind(), ErrorKind::Integrity);
    log.finish().unwrap_err();
}

#[test]
fn a_resumed_appender_is_in_doubt_until_its_first_answer() {
    let (oss, bucket) = start();
    written(&oss, "one\n");
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    let error = log.confirm().unwrap_err();
    // The earlier life's request may still be on its way.
    assert_eq!((error.code(), error.outcome()), (Some("AccessDenied"), Outcome::Unknown));
    assert_eq!(log.in_doubt(), Some(4..8));
    log.confirm().unwrap();
    log.write_all(b"three\n").unwrap();
    oss.inject(Fault::Refuse(403, "AccessDenied"));
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::NotApplied);
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), STREAM);
}

/// A life that ends in doubt: its last bytes, `two\n`, are held back somewhere on the way.
fn killed_with_a_request_on_its_way(oss: &FakeOss, fault: Fault) -> Checkpoint {
    let bucket = oss.builder("bucket").attempts(1).build().unwrap();
    let mut log = bucket.appender("log").create_new().unwrap();
    log.write_all(b"one\n").unwrap();
    log.confirm().unwrap();
    log.write_all(b"two\n").unwrap();
    oss.inject(fault);
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    let before = oss.requests().len();
    assert_eq!(log.confirm().unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(oss.requests().len(), before + 2);
    log.into_parts().0
}

#[test]
fn a_dead_process_request_may_land_before_during_and_after_the_new_one() {
    for rest in ["two\n", "two\nthree\n", "t"] {
        // Before.
        let (oss, bucket) = start();
        let saved = killed_with_a_request_on_its_way(&oss, Fault::Hold);
        assert_eq!(oss.land(), 1);
        let mut log = bucket.appender("log").resume(saved).unwrap();
        log.write_all(rest.as_bytes()).unwrap();
        log.confirm().unwrap();
        log.write_all(&STREAM.as_bytes()[4 + rest.len()..]).unwrap();
        assert_eq!(log.finish().unwrap(), at(STREAM), "{rest:?}");
        assert_eq!(text(&oss).unwrap(), STREAM, "{rest:?}");

        // After.
        let (oss, bucket) = start();
        let saved = killed_with_a_request_on_its_way(&oss, Fault::Hold);
        let mut log = bucket.appender("log").resume(saved).unwrap();
        log.write_all(rest.as_bytes()).unwrap();
        log.confirm().unwrap();
        assert_eq!(oss.land(), 0);
        log.write_all(&STREAM.as_bytes()[4 + rest.len()..]).unwrap();
        assert_eq!(log.finish().unwrap(), at(STREAM), "{rest:?}");
        assert_eq!(text(&oss).unwrap(), STREAM, "{rest:?}");

        // During: behind each of the requests that the new life makes.
        for behind in 1..=4 {
            let (oss, bucket) = start();
            let saved = killed_with_a_request_on_its_way(&oss, Fault::ApplyAfter(behind + 1));
            let mut log = bucket.appender("log").resume(saved).unwrap();
            log.write_all(rest.as_bytes()).unwrap();
            oss.inject(Fault::LoseRequest);
            oss.inject(Fault::LoseRequest);
            log.confirm().unwrap();
            log.write_all(&STREAM.as_bytes()[4 + rest.len()..]).unwrap();
            assert_eq!(log.finish().unwrap(), at(STREAM), "{rest:?} behind {behind}");
            assert_eq!(text(&oss).unwrap(), STREAM, "{rest:?} behind {behind}");
        }
    }
}

#[test]
fn resumed_bytes_survive_lost_answers_of_their_own() {
    let (oss, bucket) = start();
    for there in 0..=STREAM.len() {
        for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Reset, Fault::StripHeaders, Fault::Page(502)] {
            written(&oss, &STREAM[..there]);
            let mut log = bucket.appender("log").buffer_capacity(6).resume(Checkpoint::default()).unwrap();
            oss.inject(fault.clone());
            log.write_all(STREAM.as_bytes()).unwrap();
            assert_eq!(log.finish().unwrap(), at(STREAM), "there {there}, {fault:?}");
            assert_eq!(text(&oss).unwrap(), STREAM, "there {there}, {fault:?}");
        }
    }
}

#[test]
fn with_a_write_only_key_the_same_bytes_are_recognised_as_far_as_a_probe_can_tell() {
    let (oss, bucket) = start();
    oss.forbid("HEAD");
    oss.forbid("GET");
    for there in 0..=STREAM.len() {
        for cut in 1..=STREAM.len() {
            written(&oss, &STREAM[..there]);
            let mut log = bucket.appender("log").resume(Checkpoint::default()).unwrap();
            log.write_all(&STREAM.as_bytes()[..cut]).unwrap();
            let place = format!("there {there}, cut {cut}");
            match log.confirm() {
                Ok(end) => {
                    assert!(there <= cut, "{place}");
                    assert_eq!(end, at(&STREAM[..cut]), "{place}");
                    log.write_all(&STREAM.as_bytes()[cut..]).unwrap();
                    assert_eq!(log.finish().unwrap(), at(STREAM), "{place}");
                    assert_eq!(text(&oss).unwrap(), STREAM, "{place}");
                }
                Err(error) => {
                    // Beyond the chunk there is no asking without reading.
                    assert!(there > cut, "{place}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Conflict(Found::Longer), "{place}");
                    assert_eq!(error.outcome(), Outcome::Unknown, "{place}");
                    assert_eq!(text(&oss).unwrap(), STREAM[..there], "{place}");
                }
            }
        }
    }
}

#[test]
fn with_a_write_only_key_a_beginning_is_recognised_behind_what_was_confirmed() {
    let (oss, bucket) = start();
    written(&oss, "one\ntw");
    oss.forbid("HEAD");
    oss.forbid("GET");
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    assert_eq!(log.finish().unwrap(), at("one\ntwo\n"));
    assert_eq!(text(&oss).unwrap(), "one\ntwo\n");
}

#[test]
fn with_a_write_only_key_a_strangers_bytes_of_equal_length_are_not_ours() {
    let (oss, bucket) = start();
    written(&oss, "one\nTWO\n");
    oss.forbid("HEAD");
    oss.forbid("GET");
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::Unknown));
    assert_eq!(text(&oss).unwrap(), "one\nTWO\n");
}

#[test]
fn a_resumed_stream_can_be_resumed_and_resumed_again() {
    let (oss, bucket) = start();
    let stream: String = (0..60).map(|i| format!("record {i}\n")).collect();
    let mut saved = Checkpoint::default();
    for life in 1..=30_usize {
        let mut log = bucket.appender("log").buffer_capacity(5 + life * 3 % 17).resume(saved).unwrap();
        let end = (life * 20).min(stream.len());
        log.write_all(&stream.as_bytes()[saved.position as usize..end]).unwrap();
        if life % 3 != 0 {
            saved = log.checkpoint(); // old by whatever comes next
        }
        log.confirm().unwrap();
        let _killed = log.into_parts();
    }
    assert_eq!(text(&oss).unwrap(), stream[..600.min(stream.len())]);
}

// ---- resumed, and then resync ----------------------------------------------------------------------------------------

/// `aa\n` is sent and not settled, `bbbb` is pending behind it; an earlier life had put both in.
fn unsettled(oss: &FakeOss) -> Appender {
    let bucket = oss.builder("bucket").attempts(1).build().unwrap();
    written(oss, "aa\nbbbb\n");
    let builder = bucket.appender("log").buffer_capacity(8).whole_lines(true);
    let mut log = builder.resume(Checkpoint::default()).unwrap();
    log.write_all(b"aa\nbbbb").unwrap();
    oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    let error = log.write(b"\ncc").unwrap_err();
    assert_eq!(Error::find(&error).unwrap().outcome(), Outcome::Unknown);
    log
}

#[test]
fn resync_never_sends_what_an_earlier_life_had_sent_behind_the_chunk_it_settles() {
    let (oss, _) = start();
    let mut log = unsettled(&oss);
    log.resync().unwrap();
    assert_eq!(log.pending(), b"");
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "aa\nbbbb\n");
}

#[test]
fn after_a_resync_that_found_everything_in_the_rest_of_a_resumed_stream_is_recognised_too() {
    let (oss, _) = start();
    let mut log = unsettled(&oss);
    log.resync().unwrap();
    log.write_all(b"\ncc\n").unwrap(); // its newline is in as well
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "aa\nbbbb\ncc\n");
}

#[test]
fn resync_before_the_first_append_never_sends_what_an_earlier_life_had_sent() {
    let (oss, bucket) = start();
    written(&oss, "one\ntwo\n");
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    log.resync().unwrap();
    assert!(oss.requests().iter().all(|request| request.method == "HEAD"), "it asks first");
    log.write_all(b"three\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), STREAM);
}

#[test]
fn resync_of_a_resumed_appender_moves_what_is_proved_not_to_be_in() {
    let (oss, bucket) = start();
    written(&oss, "one\nXXXX");
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    log.resync().unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "one\nXXXXtwo\n");
}

#[test]
fn resync_accepts_an_object_that_was_replaced_under_resumed_bytes_and_ends_with_them() {
    let (oss, bucket) = start();
    written(&oss, "ONE\ntwo\n");
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Different), Outcome::Applied));
    log.resync().unwrap();
    assert_eq!((log.checkpoint(), log.pending()), (at("ONE\ntwo\n"), &b""[..]));
    log.write_all(b"three\n").unwrap();
    log.finish().unwrap();
    assert_eq!(text(&oss).unwrap(), "ONE\ntwo\nthree\n");
}

#[test]
fn resync_leads_out_of_integrity_on_a_resumed_stream_with_more_pending() {
    let (oss, bucket) = start();
    let builder = bucket.appender("log").buffer_capacity(10).whole_lines(true);
    let mut log = builder.resume(Checkpoint::default()).unwrap();
    log.write_all(b"ours\nbb").unwrap();
    oss.inject(Fault::Damage);
    let error = log.write(b"cccccc\n").unwrap_err();
    let error = Error::find(&error).unwrap();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Integrity, Outcome::Applied));
    assert_eq!((log.pending(), log.in_doubt()), (&b"ours\nbb"[..], None));

    // The 200 was for this life's request, so nothing of an earlier life is behind it.
    let damaged = text(&oss).unwrap();
    assert_eq!(log.resync().unwrap(), at(&damaged));
    assert_eq!((log.pending(), log.in_doubt()), (&b"bb"[..], None));
    log.write_all(b"cccccc\n").unwrap();
    assert_eq!(log.finish().unwrap(), at(&damaged).advance("bbcccccc\n"));
    assert_eq!(text(&oss).unwrap(), damaged + "bbcccccc\n");
}

#[test]
fn a_not_applied_verdict_on_a_resumed_stream_leaves_nothing_in_doubt() {
    // Somebody else's bytes are at the place.
    let (oss, bucket) = start();
    written(&oss, "one\nXXXX");
    let builder = bucket.appender("log").buffer_capacity(8).whole_lines(true);
    let mut log = builder.resume(at("one\n")).unwrap();
    log.write_all(b"two\nth").unwrap();
    let error = log.write(b"ree\n").unwrap_err();
    let error = Error::find(&error).unwrap();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    assert_eq!((log.pending(), log.in_doubt()), (&b"two\nth"[..], None));
    assert_eq!(log.resync().unwrap(), at("one\nXXXX"));
    assert_eq!((log.pending(), log.in_doubt()), (&b"two\nth"[..], None));
    log.write_all(b"ree\n").unwrap();
    assert_eq!(log.finish().unwrap(), at("one\nXXXXtwo\nthree\n"));
    assert_eq!(text(&oss).unwrap(), "one\nXXXXtwo\nthree\n");

    // Nothing can land there any more: an error that does not stay.
    let (oss, bucket) = start();
    oss.put_object("bucket", "log", b"one\n");
    let mut log = bucket.appender("log").resume(at("one\n")).unwrap();
    log.write_all(b"two\n").unwrap();
    oss.inject(Fault::LoseRequest);
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotAppendable, Outcome::NotApplied));
    assert_eq!((log.pending(), log.in_doubt()), (&b"two\n"[..], None));
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotAppendable, Outcome::NotApplied));
    assert_eq!((log.into_parts(), text(&oss).unwrap()), ((at("one\n"), b"two\n".to_vec()), "one\n".to_owned()));
}

#[test]
fn a_destructor_says_of_what_an_earlier_life_may_have_sent_that_it_is_not_known() {
    for fault in [Fault::Refuse(403, "AccessDenied"), Fault::GoAway] {
        let (oss, bucket) = start();
        bucket.append_object("log", 0, "one\n").unwrap();
        let (tell, told) = mpsc::channel();
        let hook = move |event: &Event<'_>| {
            if let Event::Failed { error, .. } = *event {
                tell.send(error.outcome()).unwrap();
            }
        };
        let bucket = oss.builder("bucket").on_event(hook).build().unwrap();
        let mut log = bucket.appender("log").resume(Checkpoint::default()).unwrap();
        log.write_all(b"one\n").unwrap();
        oss.inject(fault);
        drop(log);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Outcome::Unknown]);
        assert_eq!(text(&oss).as_deref(), Some("one\n"));
    }
}
