//! `resumable_append` proves that the object is the file's beginning, appends the rest and nothing else; what it cannot
//! do it refuses by name, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::testing::{FakeOss, Fault};
use oss_append::{AppendOptions, Bucket, Checkpoint, Error, ErrorKind, Found, Outcome, Resumed};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, atomic::AtomicBool, atomic::Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

struct Test {
    oss: FakeOss,
    bucket: Bucket,
    /// One attempt, no more.
    once: Bucket,
    folder: TempDir,
}

impl Test {
    fn new() -> Self {
        let oss = FakeOss::start().unwrap();
        let (bucket, once) = (oss.bucket("bucket"), oss.builder("bucket").attempts(1).build().unwrap());
        Self { oss, bucket, once, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn file(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(), bytes).unwrap();
        self.path()
    }

    fn object(&self) -> Option<Vec<u8>> {
        self.oss.object("bucket", "key")
    }

    fn run(&self) -> oss_append::Result<Resumed> {
        self.bucket.resumable_append("key", self.path())
    }

    /// It is refused, and neither the object nor the number of appends changes.
    fn refused(&self, path: impl AsRef<Path>) -> Error {
        let (before, appends) = (self.object(), self.appends());
        let error = self.bucket.resumable_append("key", path).unwrap_err();
        assert_eq!((self.object(), self.appends()), (before, appends));
        assert_eq!(error.outcome(), Outcome::NotApplied);
        error
    }

    fn appends(&self) -> usize {
        self.oss.requests().iter().filter(|request| request.method == "POST").count()
    }
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(next).collect()
}

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    std::error::Error::source(error)?.downcast_ref::<io::Error>().map(io::Error::kind)
}

// ---- what it does ----------------------------------------------------------------------------------------------

#[test]
fn the_second_run_does_nothing() {
    let test = Test::new();
    test.file("0123456789");
    let end = Checkpoint::default().advance("0123456789");
    let first = test.run().unwrap();
    assert_eq!((first.checkpoint, first.sent), (end, 10));
    assert_eq!(test.object().unwrap(), b"0123456789");
    let second = test.run().unwrap();
    assert_eq!((second.checkpoint, second.sent, test.appends()), (end, 0, 1));
}

#[test]
fn only_the_rest_is_sent() {
    let test = Test::new();
    test.bucket.append_object("key", 0, "0123").unwrap();
    test.file("0123456789");
    assert_eq!(test.run().unwrap().sent, 6);
    assert_eq!(test.object().unwrap(), b"0123456789");
    let last = test.oss.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.body_len), ("POST", 6));
    assert!(test.oss.requests().iter().all(|request| request.method != "GET"), "nothing should be downloaded");

    File::options().append(true).open(test.path()).unwrap().write_all(b"ab").unwrap();
    assert_eq!(test.run().unwrap().sent, 2);
    assert_eq!(test.object().unwrap(), b"0123456789ab");
}

#[test]
fn an_empty_file_makes_an_empty_object() {
    let test = Test::new();
    test.file("");
    for _ in 0..2 {
        let done = test.run().unwrap();
        assert_eq!((done.checkpoint, done.sent), (Checkpoint::default(), 0));
        assert_eq!((test.object().unwrap(), test.appends()), (Vec::new(), 1));
    }
    test.file("x");
    assert_eq!(test.run().unwrap().sent, 1);
}

#[test]
fn a_link_to_a_file_is_followed() {
    let test = Test::new();
    let link = test.folder.path().join("link");
    #[cfg(unix)]
    std::os::unix::fs::symlink(test.file("text"), &link).unwrap();
    #[cfg(not(unix))]
    fs::copy(test.file("text"), &link).unwrap();
    assert_eq!(test.bucket.resumable_append("key", &link).unwrap().sent, 4);
}

#[test]
fn an_object_without_a_crc_is_read_for_the_proof() {
    let test = Test::new();
    test.oss.without_crc();
    test.bucket.append_object("key", 0, "0123").unwrap();
    test.file("0123456789");
    let done = test.run().unwrap();
    assert_eq!((done.checkpoint, done.sent), (Checkpoint::default().advance("0123456789"), 6));
    test.oss.replace_object("bucket", "key", b"012x");
    assert_eq!(test.refused(test.path()).kind(), ErrorKind::Conflict(Found::Different));
}

#[test]
fn options_are_as_for_any_append() {
    let test = Test::new();
    test.file("0123");
    let options = AppendOptions::new().meta("from", "test").acl("private").header("x-oss-request-payer", "requester");
    test.bucket.resumable_append_with("key.csv", test.path(), &options).unwrap();
    let meta = test.bucket.head_object("key.csv").unwrap();
    assert_eq!(meta.meta, [("from".to_owned(), "test".to_owned())]);
    assert!(meta.content_type.unwrap().starts_with("text/csv"));

    test.file("01234567");
    test.bucket.resumable_append_with("key.csv", test.path(), &options).unwrap();
    let appends: Vec<_> = test.oss.requests().into_iter().filter(|request| request.method == "POST").collect();
    let said = |name| [appends[0].header(name).is_some(), appends[1].header(name).is_some()];
    assert_eq!(said("x-oss-meta-from"), [true, false], "what describes the object should go out once");
    assert_eq!(said("x-oss-object-acl"), [true, false]);
    assert_eq!(said("x-oss-request-payer"), [true, true]);

    let before = test.oss.requests().len();
    let bad = [AppendOptions::new().header("Content-MD5", "x"), AppendOptions::new().meta("a\n", "b")];
    for options in bad {
        let error = test.bucket.resumable_append_with("new", test.path(), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(test.oss.requests().len(), before);
}

// ---- what it refuses -------------------------------------------------------------------------------------------

#[test]
fn a_longer_object_is_refused() {
    let test = Test::new();
    test.bucket.append_object("key", 0, "0123456789").unwrap();
    let error = test.refused(test.file("0123"));
    assert_eq!((error.kind(), error.next_position()), (ErrorKind::Conflict(Found::Longer), Some(10)));
    assert!(error.to_string().contains("the object has 10 bytes, the file 4"), "{error}");
    assert!(error.to_string().contains("\"key\"") && error.to_string().contains("file"), "{error}");
    assert_eq!(test.refused(test.file("")).kind(), ErrorKind::Conflict(Found::Longer));
}

#[test]
fn a_different_object_is_refused_and_told_where() {
    let test = Test::new();
    let bytes = noise(1, 600_000);
    for place in [0, 1, 262_143, 262_144, 599_998] {
        let mut other = bytes[..599_999].to_vec();
        other[place] ^= 1;
        test.oss.replace_object("bucket", "key", &other);
        let error = test.refused(test.file(&bytes));
        assert_eq!(error.kind(), ErrorKind::Conflict(Found::Different));
        assert!(error.to_string().ends_with(&format!("they differ at byte {place}")), "{error}");
    }
    test.oss.forbid("GET");
    let error = test.refused(test.path());
    assert_eq!(error.kind(), ErrorKind::Conflict(Found::Different));
    assert!(error.to_string().ends_with("the object is not the beginning of the file"), "{error}");
}

#[test]
fn what_is_not_appendable_or_sealed_is_refused() {
    let test = Test::new();
    test.oss.put_object("bucket", "key", b"0123");
    assert_eq!(test.refused(test.file("0123456789")).kind(), ErrorKind::NotAppendable);
    test.oss.replace_object("bucket", "key", b"0123");
    test.oss.seal("bucket", "key");
    assert_eq!(test.refused(test.path()).kind(), ErrorKind::Conflict(Found::Sealed));
    assert_eq!(test.refused(test.file("0123")).kind(), ErrorKind::Conflict(Found::Sealed), "even with nothing to send");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let test = Test::new();
    test.file("0123");
    test.oss.inject_on("HEAD", Fault::Refuse(404, "NoSuchBucket"));
    assert_eq!(test.once.resumable_append("key", test.path()).unwrap_err().code(), Some("NoSuchBucket"));
    test.oss.forbid("HEAD");
    assert_eq!(test.refused(test.path()).code(), Some("AccessDenied"));
    assert_eq!(test.bucket.resumable_append("", test.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_is_no_readable_file_is_refused_before_anything_is_asked() {
    let test = Test::new();
    let missing = test.refused(test.folder.path().join("missing"));
    assert_eq!((missing.kind(), io_kind(&missing)), (ErrorKind::Body, Some(io::ErrorKind::NotFound)));
    assert_eq!(io::Error::from(missing).kind(), io::ErrorKind::NotFound);
    let folder = test.refused(test.folder.path());
    assert_eq!((folder.kind(), io_kind(&folder)), (ErrorKind::Body, Some(io::ErrorKind::IsADirectory)));
    let below = test.refused(test.file("x").join("y"));
    assert_eq!(below.kind(), ErrorKind::Body);
    assert!(test.oss.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn a_symlink_loop_is_refused() {
    let test = Test::new();
    let [one, two] = ["one", "two"].map(|name| test.folder.path().join(name));
    std::os::unix::fs::symlink(&one, &two).unwrap();
    std::os::unix::fs::symlink(&two, &one).unwrap();
    let error = test.refused(&one);
    assert_eq!(error.kind(), ErrorKind::Body);
    assert!(io_kind(&error).is_some() && test.oss.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let test = Test::new();
    let pipe = test.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&*pipe, Path::new("/dev/null")] {
        let error = test.refused(path);
        assert_eq!(error.kind(), ErrorKind::Body);
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
    assert!(test.oss.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let test = Test::new();
    fs::set_permissions(test.file("x"), fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(test.path()).is_ok() {
        return; // root may read everything
    }
    let error = test.refused(test.path());
    assert_eq!((error.kind(), io_kind(&error)), (ErrorKind::Body, Some(io::ErrorKind::PermissionDenied)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_lies_about_its_length_is_refused() {
    let test = Test::new();
    let error = test.refused("/proc/self/status");
    assert!(error.to_string().contains("not a regular file"), "{error}");
    let unreadable = test.refused("/proc/self/mem");
    assert!(unreadable.kind() == ErrorKind::Body && io_kind(&unreadable).is_some());
    assert!(test.oss.requests().is_empty());
}

#[test]
fn more_than_an_object_can_hold_is_refused() {
    let test = Test::new();
    File::create(test.path()).unwrap().set_len((5 << 30) + 1).unwrap();
    assert_eq!(test.refused(test.path()).kind(), ErrorKind::TooLarge);
    assert!(test.oss.requests().is_empty());
    // Not a byte less: the object is asked about, and that is refused.
    File::create(test.path()).unwrap().set_len(5 << 30).unwrap();
    test.oss.forbid("HEAD");
    assert_eq!(test.refused(test.path()).kind(), ErrorKind::Service);
}

// ---- a file that does not hold still ---------------------------------------------------------------------------

/// Calls `change` once, at the first progress of `from` bytes or more: while the file is being read.
fn at(from: u64, change: impl Fn() + Send + Sync + 'static) -> AppendOptions {
    let done = AtomicBool::new(false);
    AppendOptions::new().progress(move |now| {
        if now.sent >= from && !done.swap(true, Ordering::Relaxed) {
            change();
        }
    })
}

fn touched_long_ago(path: &Path) {
    File::options().write(true).open(path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
}

#[test]
fn a_file_that_shrinks_while_it_is_proved_is_refused() {
    let test = Test::new();
    let bytes = noise(2, 2 * MIB);
    test.bucket.append_object("key", 0, &bytes[..MIB]).unwrap();
    let path = test.file(&bytes);
    let options = at(1, move || File::options().write(true).open(&path).unwrap().set_len(300_000).unwrap());
    let error = test.bucket.resumable_append_with("key", test.path(), &options).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied));
    assert!(error.to_string().contains("the file shrank"), "{error}");
    assert!(test.object().unwrap() == bytes[..MIB]);
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_is_refused_and_nothing_is_in() {
    let test = Test::new();
    let bytes = noise(3, 2 * MIB);
    test.bucket.append_object("key", 0, &bytes[..1000]).unwrap();
    let path = test.file(&bytes);
    let options = at(2000, move || File::options().write(true).open(&path).unwrap().set_len(MIB as u64).unwrap());
    let error = test.bucket.resumable_append_with("key", test.path(), &options).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied));
    assert!(test.object().unwrap() == bytes[..1000]);
}

#[test]
fn a_file_that_changes_under_us_is_told_of() {
    let test = Test::new();
    let bytes = noise(4, MIB);
    let path = test.file(&bytes);
    let mut other = bytes.clone();
    other[0] ^= 1;
    let options = at(MIB as u64 / 2, move || {
        fs::write(&path, &other).unwrap();
        touched_long_ago(&path);
    });
    let error = test.bucket.resumable_append_with("key", test.path(), &options).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::Applied));
    assert_eq!(error.next_position(), Some(MIB as u64));
    assert!(error.to_string().contains("the file changed while it was being appended"), "{error}");
    assert_eq!(test.refused(test.path()).kind(), ErrorKind::Conflict(Found::Different), "and so is the next run");
}

#[test]
fn a_file_that_was_only_touched_or_written_behind_is_fine() {
    let test = Test::new();
    let bytes = noise(5, MIB);
    let path = test.file(&bytes);
    let options = at(1, move || {
        File::options().append(true).open(&path).unwrap().write_all(b"later").unwrap();
        touched_long_ago(&path);
    });
    let done = test.bucket.resumable_append_with("key", test.path(), &options).unwrap();
    assert_eq!(done.checkpoint, Checkpoint::default().advance(&bytes), "its length is taken once");
    assert_eq!(test.run().unwrap().sent, 5);
    assert!(test.object().unwrap() == fs::read(test.path()).unwrap());
}

#[test]
fn bytes_sent_again_must_be_the_same() {
    let test = Test::new();
    let bytes = noise(6, MIB);
    test.bucket.append_object("key", 0, &bytes[..1000]).unwrap();
    let path = test.file(&bytes);
    test.oss.inject(Fault::LoseRequest);
    let options = at(MIB as u64, move || fs::write(&path, noise(7, MIB)).unwrap());
    let error = test.bucket.resumable_append_with("key", test.path(), &options).unwrap_err();
    // The first attempt may still land; the fake knows that it will not, the library cannot.
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::Unknown));
    assert!(test.object().unwrap() == bytes[..1000]);
}

// ---- progress --------------------------------------------------------------------------------------------------

type Seen = Arc<Mutex<Vec<(u64, Option<u64>)>>>;

fn recorded() -> (AppendOptions, Seen) {
    let seen = Seen::default();
    let inner = Arc::clone(&seen);
    (AppendOptions::new().progress(move |now| inner.lock().unwrap().push((now.sent, now.total))), seen)
}

#[test]
fn progress_goes_through_proof_and_sending_and_never_back() {
    let test = Test::new();
    let bytes = noise(8, 2 * MIB);
    test.bucket.append_object("key", 0, &bytes[..MIB]).unwrap();
    test.file(&bytes);
    for fault in [Fault::CutRequest(500_000), Fault::LoseRequest] {
        test.oss.inject(fault);
    }
    let (options, seen) = recorded();
    assert_eq!(test.bucket.resumable_append_with("key", test.path(), &options).unwrap().sent, MIB as u64);
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "{seen:?}");
    assert!(seen.iter().all(|now| now.1 == Some(2 * MIB as u64)));
    assert!(seen[0].0 < MIB as u64 && seen.iter().any(|now| now.0 == MIB as u64), "the proof should be told of");
    assert!(seen.iter().filter(|now| now.0 > MIB as u64).count() > 1, "and the sending, not at its end only");
    assert_eq!(seen.last().unwrap().0, 2 * MIB as u64);
}

#[test]
fn progress_ends_at_the_end_even_if_nothing_is_sent() {
    let test = Test::new();
    test.file("0123456789");
    test.run().unwrap();
    let (options, seen) = recorded();
    test.bucket.resumable_append_with("key", test.path(), &options).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(10, Some(10))]);
}

// ---- faults, and runs that died --------------------------------------------------------------------------------

#[test]
fn lost_answers_are_settled() {
    for fault in [
        Fault::LoseAnswer,
        Fault::LoseRequest,
        Fault::Reset,
        Fault::Garbage,
        Fault::CutAnswer(20),
        Fault::CutRequest(70_000),
        Fault::FailAfter(500, "InternalError"),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::PageAfter(200),
        Fault::Duplicate,
        Fault::ApplyLate,
        Fault::NoCrc,
    ] {
        let test = Test::new();
        let bytes = noise(9, 100_000);
        test.file(&bytes);
        test.bucket.append_object("key", 0, &bytes[..777]).unwrap();
        test.oss.inject(fault.clone());
        let done = test.run().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(done.checkpoint, Checkpoint::default().advance(&bytes), "{fault:?}");
        assert!(test.object().unwrap() == bytes, "{fault:?}");
        assert_eq!((test.run().unwrap().sent, test.oss.faults_left()), (0, 0), "{fault:?}");
    }
}

#[test]
fn a_long_file_goes_in_several_requests_and_a_run_that_stops_between_is_run_again() {
    let test = Test::new();
    test.oss.keep_no_bytes();
    File::create(test.path()).unwrap().set_len(65 << 20).unwrap(); // a hole: no disk is filled
    test.oss.inject(Fault::Pass);
    test.oss.inject(Fault::LoseRequest);
    let error = test.once.resumable_append("key", test.path()).unwrap_err();
    assert_eq!((error.outcome(), error.is_transient()), (Outcome::Unknown, true));
    assert_eq!(test.oss.object_len("bucket", "key"), Some(64 << 20));
    let done = test.run().unwrap();
    assert_eq!((done.sent, done.checkpoint.position), (1 << 20, 65 << 20));
    assert_eq!(test.oss.object_crc64("bucket", "key"), Some(done.checkpoint.crc64));
}

#[test]
fn a_lost_answer_of_a_run_that_died_is_found_by_the_proof() {
    let test = Test::new();
    test.file("0123456789");
    test.oss.inject(Fault::LoseAnswer);
    test.oss.inject_on("HEAD", Fault::Pass);
    test.oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
    let error = test.once.resumable_append("key", test.path()).unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!((test.run().unwrap().sent, test.object().unwrap()), (0, b"0123456789".to_vec()));
}

/// H32: the dead run's last request lands between this run's question and its append.
#[test]
fn the_last_request_of_a_dead_run_may_land_meanwhile() {
    for (dead, now) in [("0123456789", "0123456789"), ("012345", "0123456789"), ("0123456789", "01234567890123")] {
        let test = Test::new();
        test.bucket.append_object("key", 0, "0123").unwrap();
        test.file(dead);
        test.oss.inject(Fault::ApplyAfter(2)); // the dead run asks once more; then comes the new run's HEAD
        let error = test.once.resumable_append("key", test.path()).unwrap_err();
        assert_eq!((error.outcome(), test.object().unwrap()), (Outcome::Unknown, b"0123".to_vec()));
        test.file(now);
        let done = test.run().unwrap();
        let end = Checkpoint::default().advance(now);
        assert_eq!((done.checkpoint, done.sent), (end, (now.len() - dead.len()) as u64), "{dead} {now}");
        assert_eq!(test.object().unwrap(), now.as_bytes(), "{dead} {now}");
        let refused = test.oss.requests().iter().filter(|r| r.method == "POST").count() - 2;
        assert_eq!(refused, if dead == now { 1 } else { 2 }, "the new run should have met the late one");
    }
}

#[test]
fn whoever_appends_the_same_bytes_meanwhile_is_met_and_left_behind() {
    let test = Test::new();
    test.file("0123456789");
    test.bucket.append_object("key", 0, "01").unwrap();
    test.oss.inject(Fault::StrangerBefore(b"23".to_vec()));
    test.oss.inject(Fault::StrangerBefore(b"456".to_vec()));
    let done = test.run().unwrap();
    assert_eq!((done.sent, done.checkpoint), (3, Checkpoint::default().advance("0123456789")));
    assert_eq!(test.object().unwrap(), b"0123456789");
}

#[test]
fn whoever_appends_other_bytes_meanwhile_is_told_of() {
    let test = Test::new();
    test.file("0123456789");
    test.bucket.append_object("key", 0, "01").unwrap();
    test.oss.inject(Fault::StrangerBefore(b"x".to_vec()));
    let error = test.run().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Different), Outcome::NotApplied));
    assert!(error.to_string().contains("differ at byte 2"), "{error}");
    assert_eq!(test.object().unwrap(), b"01x");
}

#[test]
fn bytes_that_are_in_are_not_denied_when_somebody_came_behind_them() {
    let test = Test::new();
    test.file("0123456789");
    test.bucket.append_object("key", 0, "01").unwrap();
    test.oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"x".to_vec())));
    let error = test.run().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::Applied));
    assert_eq!(test.object().unwrap(), b"0123456789x");
}

#[test]
fn a_cache_that_never_learns_does_not_hold_it_for_ever() {
    let test = Test::new();
    test.file("0123456789");
    test.bucket.append_object("key", 0, "0123").unwrap();
    let stale = Fault::Stale { length: 2, crc64: Some(Checkpoint::default().advance("01").crc64) };
    for _ in 0..20 {
        test.oss.inject_on("HEAD", stale.clone());
    }
    let error = test.run().unwrap_err();
    assert_eq!((error.kind(), error.next_position()), (ErrorKind::Conflict(Found::Longer), Some(4)));
    assert_eq!(test.object().unwrap(), b"0123");
}

#[test]
fn an_object_that_vanishes_or_is_sealed_meanwhile_is_told_of() {
    let test = Test::new();
    test.bucket.append_object("key", 0, "0123").unwrap();
    test.file("0123456789");
    test.oss.inject(Fault::Refuse(400, "AppendSealedObjectNotAllowed"));
    let error = test.run().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Sealed), Outcome::NotApplied));
    let head = Fault::Stale { length: 4, crc64: Some(Checkpoint::default().advance("0123").crc64) };
    test.oss.inject_on("HEAD", head);
    test.oss.delete_object("bucket", "key");
    let error = test.run().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Missing), Outcome::NotApplied));
    assert_eq!(test.object(), None);
}

// ---- all together ----------------------------------------------------------------------------------------------

/// For any pair of local and remote it ends with equal bytes, or refuses by name and changes nothing.
#[test]
fn any_pair_ends_equal_or_is_refused_unchanged() {
    let test = Test::new();
    let mut random = noise(10, 1 << 16).into_iter();
    let mut pick =
        |below: usize| (usize::from(random.next().unwrap()) << 8 | usize::from(random.next().unwrap())) % below;
    let (mut equal, mut refused) = (0, 0);
    for round in 0..200 {
        let local = noise(round, [0, 1, 2, 50, 5000, 70_000][pick(6)]);
        let mut remote = local[..pick(local.len() + 1)].to_vec();
        match pick(6) {
            0 => remote.extend(noise(round + 1, pick(20))),
            1 => remote.clone_from(&local),
            2 if !remote.is_empty() => {
                let place = pick(remote.len());
                remote[place] ^= 1 << pick(8);
            }
            _ => {}
        }
        let missing = remote.is_empty() && pick(2) == 0;
        match missing {
            true => drop(test.oss.delete_object("bucket", "key")),
            false => test.oss.replace_object("bucket", "key", &remote),
        }
        test.file(&local);
        let faults = [Fault::Pass, Fault::LoseAnswer, Fault::LoseRequest, Fault::CutRequest(700), Fault::ApplyLate];
        test.oss.inject(faults[pick(5)].clone());
        let prefix = local.starts_with(&remote);
        match test.run() {
            Ok(done) => {
                assert!(prefix && test.object().unwrap() == local, "{round}");
                assert_eq!(done.checkpoint, Checkpoint::default().advance(&local), "{round}");
                assert_eq!(done.sent, (local.len() - remote.len()) as u64, "{round}");
                equal += 1;
            }
            Err(error) => {
                let named = if remote.len() > local.len() { Found::Longer } else { Found::Different };
                assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(named), Outcome::NotApplied));
                assert!(!prefix && test.object().unwrap() == remote, "{round}");
                refused += 1;
            }
        }
        if test.oss.faults_left() > 0 {
            test.bucket.append_object("other", 0, "").ok(); // uses it up
            test.oss.land();
        }
    }
    assert!(equal > 100 && refused > 20, "{equal} {refused}");
}
