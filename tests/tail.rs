//! The example `tail` brings every line into an object once, through every rotation, partial line and kill.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

#[path = "../examples/tail.rs"]
#[expect(dead_code, reason = "its main")]
mod tail;

use oss_append::testing::{FakeOss, Fault};
use oss_append::{Error, ErrorKind};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use tail::Tail;
use tempfile::TempDir;

/// A folder with a log that somebody writes and rotates.
struct Site {
    oss: FakeOss,
    folder: TempDir,
    /// What was written, file by file.
    written: Vec<Vec<u8>>,
}

impl Site {
    fn new() -> Self {
        Self { oss: FakeOss::start().unwrap(), folder: tempfile::tempdir().unwrap(), written: vec![Vec::new()] }
    }

    /// A run of the program, knowing nothing of earlier ones.
    fn start(&self) -> Tail {
        Tail::new(self.oss.bucket("logs"), "log", self.path(0)).unwrap()
    }

    fn path(&self, n: usize) -> PathBuf {
        self.folder.path().join(if n == 0 { "app.log".to_owned() } else { format!("app.log.{n}") })
    }

    fn write(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        File::options().append(true).create(true).open(self.path(0)).unwrap().write_all(text).unwrap();
        self.written.last_mut().unwrap().extend_from_slice(text);
    }

    fn shift(&self, from: usize) {
        let count = (from..).take_while(|n| self.path(*n).exists()).count();
        (from..from + count).rev().for_each(|n| fs::rename(self.path(n), self.path(n + 1)).unwrap());
    }

    fn rename(&mut self) {
        self.shift(0);
        self.written.push(Vec::new());
    }

    fn copy_and_truncate(&mut self) {
        self.shift(1);
        fs::copy(self.path(0), self.path(1)).unwrap();
        File::options().write(true).open(self.path(0)).unwrap().set_len(0).unwrap();
        self.written.push(Vec::new());
    }

    fn objects(&self) -> Vec<String> {
        let objects = (0..).map_while(|n| self.oss.object("logs", &format!("log.{n}")));
        objects.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    fn appends(&self) -> usize {
        self.oss.requests().iter().filter(|request| request.method == "POST").count()
    }
}

// ---- one file --------------------------------------------------------------------------------------------------

#[test]
fn a_file_that_does_not_exist_yet_is_waited_for() {
    let mut site = Site::new();
    let mut tail = site.start();
    tail.poll().unwrap();
    site.write("");
    tail.poll().unwrap();
    assert_eq!((site.objects().len(), site.appends()), (0, 0));
    site.write("one\n");
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["one\n"]);
}

#[test]
fn only_whole_lines_go_out() {
    let mut site = Site::new();
    let mut tail = site.start();
    for (text, there) in [
        ("o", None),
        ("ne", None),
        ("\n", Some("one\n")),
        ("two\nth", Some("one\ntwo\n")),
        ("re", Some("one\ntwo\n")),
        ("e\n\n", Some("one\ntwo\nthree\n\n")),
    ] {
        site.write(text);
        tail.poll().unwrap();
        tail.poll().unwrap();
        assert_eq!(site.objects().first().map(String::as_str), there);
    }
}

#[test]
fn what_did_not_change_costs_no_request_and_is_not_read_again() {
    let mut site = Site::new();
    let mut tail = site.start();
    site.write("one\ntw");
    tail.poll().unwrap();
    let (before, modified) = (site.oss.requests().len(), fs::metadata(site.path(0)).unwrap().modified().unwrap());
    tail.poll().unwrap();
    fs::write(site.path(0), "ONE\ntw").unwrap();
    File::options().write(true).open(site.path(0)).unwrap().set_modified(modified).unwrap();
    tail.poll().unwrap();
    assert_eq!(site.oss.requests().len(), before);
    site.write("o\n");
    assert!(tail.poll().is_err(), "what changed should be read");
}

#[test]
fn a_restart_goes_on_from_nothing_but_the_object() {
    let mut site = Site::new();
    for n in 0..5 {
        site.write(format!("line {n}\nli"));
        let mut tail = site.start();
        tail.poll().unwrap();
        site.write(format!("ne {n} and a half\n"));
    }
    site.start().poll().unwrap();
    assert_eq!(site.objects(), [String::from_utf8(site.written[0].clone()).unwrap()]);
}

#[test]
fn a_long_file_goes_out_in_whole_lines_too() {
    let mut site = Site::new();
    let line = format!("{}\n", "x".repeat(99_999));
    site.write(line.repeat(100));
    site.start().poll().unwrap();
    assert!(site.objects() == [line.repeat(100)]);
    let lengths: Vec<_> = site.oss.requests().iter().filter(|r| r.method == "POST").map(|r| r.body_len).collect();
    assert!(lengths.len() > 1 && lengths.iter().all(|length| length % 100_000 == 0), "{lengths:?}");
}

// ---- rotation --------------------------------------------------------------------------------------------------

#[test]
fn a_renamed_file_is_finished_before_the_new_one_is_begun() {
    let mut site = Site::new();
    let mut tail = site.start();
    site.write("one\n");
    tail.poll().unwrap();
    site.write("two\nno newline");
    site.rename();
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["one\ntwo\nno newline"]);
    site.write("thr");
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["one\ntwo\nno newline"]);
    site.write("ee\n");
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["one\ntwo\nno newline", "three\n"]);
}

#[test]
fn who_still_writes_to_the_renamed_file_is_heard() {
    let mut site = Site::new();
    let mut tail = site.start();
    site.write("one\n");
    tail.poll().unwrap();
    let mut old = File::options().append(true).open(site.path(0)).unwrap();
    site.rename();
    tail.poll().unwrap();
    old.write_all(b"tw").unwrap();
    tail.poll().unwrap();
    site.write(""); // created, and nothing in it yet
    tail.poll().unwrap();
    old.write_all(b"o\n").unwrap();
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["one\ntwo\n"]);
    old.write_all(b"three\n").unwrap();
    site.write("four\n");
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["one\ntwo\nthree\n", "four\n"]);
}

#[test]
fn a_copied_and_truncated_file_is_finished_from_its_copy() {
    for grown in ["", "4\n", "four\n", "four is longer than all before\n"] {
        let mut site = Site::new();
        let mut tail = site.start();
        site.write("one\n");
        tail.poll().unwrap();
        site.write("two\nthree");
        site.copy_and_truncate();
        site.write(grown);
        tail.poll().unwrap();
        assert_eq!(site.objects(), ["one\ntwo\nthree", grown][..if grown.is_empty() { 1 } else { 2 }]);
        site.write("five\n");
        tail.poll().unwrap();
        assert_eq!(site.objects(), ["one\ntwo\nthree".to_owned(), format!("{grown}five\n")]);
    }
}

#[test]
fn a_file_renamed_in_a_way_of_its_own_is_finished_while_it_is_open() {
    let mut site = Site::new();
    let mut tail = site.start();
    site.write("one\n");
    tail.poll().unwrap();
    site.write("two\n");
    fs::rename(site.path(0), site.folder.path().join("app.log-20250101")).unwrap();
    site.write("three\n");
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["one\ntwo\n", "three\n"]);
}

#[test]
fn any_number_of_rotations_while_it_was_down_is_made_up_for() {
    let mut site = Site::new();
    site.write("a1\n");
    site.start().poll().unwrap();
    site.write("a2\n");
    for text in ["b\n", "c without a newline", "", "d\n"] {
        site.rename();
        site.write(text);
    }
    site.copy_and_truncate();
    site.write("e\nf");
    site.start().poll().unwrap();
    assert_eq!(site.objects(), ["a1\na2\n", "b\n", "c without a newline", "d\n", "e\n"]);
    site.start().poll().unwrap();
    assert_eq!(site.objects().len(), 5);
}

#[test]
fn the_first_start_takes_all_files_that_are_there() {
    let mut site = Site::new();
    for text in ["a\n", "b\n", "c\n"] {
        site.write(text);
        site.rename();
    }
    site.start().poll().unwrap();
    assert_eq!(site.objects(), ["a\n", "b\n", "c\n"]);
}

#[test]
fn nothing_is_skipped_when_a_file_is_not_to_be_found() {
    let mut site = Site::new();
    site.write("a\n");
    site.start().poll().unwrap();
    site.write("b\n");
    site.rename();
    site.write("c\n");
    fs::rename(site.path(1), site.folder.path().join("app.log.1.gz")).unwrap();
    let mut tail = site.start();
    for _ in 0..2 {
        let error = tail.poll().unwrap_err();
        assert_eq!(error.to_string(), "no file begins with the 2 bytes of log.0");
    }
    assert_eq!(site.objects(), ["a\n"]);
    fs::rename(site.folder.path().join("app.log.1.gz"), site.path(1)).unwrap();
    tail.poll().unwrap();
    assert_eq!(site.objects(), ["a\nb\n", "c\n"]);
}

// ---- faults ----------------------------------------------------------------------------------------------------

#[test]
fn an_object_of_somebody_else_in_the_way_is_told_of() {
    let mut site = Site::new();
    let mut tail = site.start();
    site.write("a\n");
    site.oss.append_as_stranger("logs", "log.0", b"x");
    for _ in 0..2 {
        let error = tail.poll().unwrap_err();
        assert!(matches!(Error::find(&error).map(Error::kind), Some(ErrorKind::Conflict(_))), "{error}");
    }
    assert_eq!(site.objects(), ["x"]);
}

#[test]
fn an_object_made_and_never_filled_misleads_nobody() {
    let mut site = Site::new();
    site.write("a\n");
    site.start().poll().unwrap();
    site.rename();
    site.write("b\n");
    site.rename();
    site.write("c\n");
    site.oss.append_as_stranger("logs", "log.1", b"");
    site.start().poll().unwrap();
    assert_eq!(site.objects(), ["a\n", "b\n", "c\n"]);
}

#[test]
fn after_an_error_the_next_poll_goes_on() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Refuse(403, "AccessDenied"), Fault::ApplyAfter(2)] {
        let mut site = Site::new();
        let once = site.oss.builder("logs").attempts(1).build().unwrap();
        let mut tail = Tail::new(once, "log", site.path(0)).unwrap();
        site.write("one\n");
        tail.poll().unwrap();
        site.write("two\nthr");
        site.oss.inject(fault.clone());
        site.oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable"));
        assert!(tail.poll().is_err(), "{fault:?}");
        site.write("ee\n");
        tail.poll().or_else(|_| tail.poll()).or_else(|_| tail.poll()).unwrap();
        assert_eq!(site.objects(), ["one\ntwo\nthree\n"], "{fault:?}");
    }
}

/// It is killed in the middle of requests, between them, and while the log is rotated.
#[test]
fn killed_a_hundred_times_it_loses_and_doubles_nothing() {
    let mut site = Site::new();
    let mut state: u64 = 1;
    let mut pick = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut line, mut failed) = (0, 0);
    for _ in 0..100 {
        let once = site.oss.builder("logs").attempts(1 + pick(2) as u32).build().unwrap();
        let tail = Tail::new(once, "log", site.path(0));
        for _ in 0..1 + pick(4) {
            for _ in 0..pick(4) {
                line += 1;
                site.write(format!("{line}: {}", "x".repeat(pick(50) as usize)));
                if pick(4) > 0 {
                    site.write("\n");
                }
            }
            if site.path(0).exists() {
                match pick(20) {
                    0 => site.rename(),
                    1 => site.copy_and_truncate(),
                    _ => {}
                }
            }
        }
        match pick(10) {
            0 => site.oss.inject(Fault::LoseAnswer),
            1 => site.oss.inject(Fault::LoseRequest),
            2 => site.oss.inject(Fault::Hold),
            3 => site.oss.inject(Fault::ApplyAfter(1 + pick(4) as u32)),
            4 => site.oss.inject(Fault::CutRequest(500 + pick(500))),
            5 => site.oss.inject(Fault::LoseAnswer.and(Fault::GoAway)),
            6 => site.oss.inject_on("HEAD", Fault::Refuse(503, "ServiceUnavailable")),
            7 => drop(site.oss.land()),
            _ => {}
        }
        failed += u32::from(tail.map_err(io::Error::from).and_then(|mut tail| tail.poll()).is_err());
        site.oss.come_back();
    }
    site.write("\n");
    let calm = Tail::new(site.oss.bucket("logs"), "log", site.path(0));
    let mut calm = calm.or_else(|_| Tail::new(site.oss.bucket("logs"), "log", site.path(0))).unwrap();
    let _ = calm.poll(); // what was scripted and not met yet
    calm.poll().unwrap();
    site.oss.land();
    let written: Vec<_> = site.written.iter().filter(|file| !file.is_empty()).collect();
    let objects = site.objects();
    assert!(objects.iter().map(String::as_bytes).eq(written.iter().map(|file| file.as_slice())));
    assert!(objects.len() > 8 && failed > 15 && line > 200, "{} {failed} {line}", objects.len());
}
