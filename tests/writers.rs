//! Inside the writers that programs use, an appender loses nothing and doubles nothing, and each writer's `flush` and
//! drop cost the appends that are said here. Everything runs twice: undisturbed, and with a lost answer.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use log::{Level, Log, Record};
use oss_append::testing::{FakeOss, Fault};
use oss_append::{Appender, Bucket, Error, ErrorKind, Outcome};
use std::{
    io::{self, BufWriter, LineWriter, Read, Write},
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

const KEY: &str = "k";

struct World {
    oss: FakeOss,
    bucket: Bucket,
}

impl World {
    fn new() -> Self {
        let oss = FakeOss::start().unwrap();
        let bucket = oss.bucket("bucket");
        Self { oss, bucket }
    }

    fn open(&self) -> Appender {
        self.bucket.appender(KEY).open().unwrap()
    }

    fn object(&self) -> Vec<u8> {
        self.oss.object("bucket", KEY).unwrap_or_default()
    }

    fn text(&self) -> String {
        String::from_utf8(self.object()).unwrap()
    }

    /// How long the body of each append was.
    fn appends(&self) -> Vec<u64> {
        self.oss.requests().iter().filter(|request| request.method == "POST").map(|request| request.body_len).collect()
    }
}

/// The first append's answer is lost in the second run: that costs a question, never another append.
fn undisturbed_and_with_a_lost_answer(program: impl Fn(&World)) {
    let mut appends = Vec::new();
    for lost in [false, true] {
        let world = World::new();
        if lost {
            world.oss.inject(Fault::LoseAnswer);
        }
        program(&world);
        assert_eq!(world.oss.faults_left(), 0, "nothing was appended");
        appends.push(world.appends());
    }
    assert_eq!(appends[0], appends[1]);
}

fn unzipped(bytes: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    MultiGzDecoder::new(bytes).read_to_string(&mut text)?;
    Ok(text)
}

// Compression.

#[test]
fn a_gz_encoder_appends_when_it_is_flushed_and_what_is_left_when_both_are_finished() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut gz = GzEncoder::new(world.open(), Compression::default());
        for n in 0..1000 {
            writeln!(gz, "line {n}").unwrap();
        }
        assert_eq!(world.appends().len(), 0);
        gz.flush().unwrap();
        assert_eq!(world.appends().len(), 1);
        let flushed = world.object();
        let mut readable = vec![0; 8890];
        MultiGzDecoder::new(&*flushed).read_exact(&mut readable).unwrap();
        assert!(readable.ends_with(b"line 999\n"));

        gz.write_all(b"the end").unwrap();
        let appender = gz.finish().unwrap();
        assert_eq!(world.appends().len(), 1, "its finish does not flush");
        assert!(!appender.pending().is_empty());
        appender.finish().unwrap();
        assert_eq!(world.appends().len(), 2);
        assert!(unzipped(&world.object()).unwrap().ends_with("line 999\nthe end"));
    });
}

#[test]
fn a_dropped_gz_encoder_writes_its_end_and_the_appender_makes_its_one_attempt() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut gz = GzEncoder::new(world.open(), Compression::default());
        gz.write_all(b"text").unwrap();
        drop(gz);
        assert_eq!(world.appends().len(), 1);
        assert_eq!(unzipped(&world.object()).unwrap(), "text");
    });
}

#[test]
fn each_run_may_append_a_gzip_member_of_its_own() {
    undisturbed_and_with_a_lost_answer(|world| {
        for text in ["one\n", "two\n", "three\n"] {
            let mut gz = GzEncoder::new(world.open(), Compression::fast());
            gz.write_all(text.as_bytes()).unwrap();
            gz.finish().unwrap().finish().unwrap();
        }
        assert_eq!(world.appends().len(), 3);
        assert_eq!(unzipped(&world.object()).unwrap(), "one\ntwo\nthree\n");
    });
}

#[test]
fn a_zstd_encoder_appends_when_it_is_flushed_and_finished() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut zstd = zstd::Encoder::new(world.open(), 0).unwrap();
        zstd.write_all(b"first, ").unwrap();
        zstd.flush().unwrap();
        assert_eq!(world.appends().len(), 1);
        let mut readable = [0; 7];
        zstd::Decoder::new(&*world.object()).unwrap().read_exact(&mut readable).unwrap();
        assert_eq!(&readable, b"first, ");
        zstd.write_all(b"second").unwrap();
        let appender = zstd.finish().unwrap();
        assert_eq!(world.appends().len(), 1, "its finish does not flush");
        appender.finish().unwrap();
        assert_eq!(zstd::decode_all(&*world.object()).unwrap(), b"first, second");
    });
}

#[test]
fn a_dropped_zstd_encoder_leaves_a_frame_without_its_end_unless_it_finishes_itself() {
    let world = World::new();
    let mut zstd = zstd::Encoder::new(world.open(), 0).unwrap();
    zstd.write_all(b"text").unwrap();
    drop(zstd);
    assert_ne!(zstd::decode_all(&*world.object()).unwrap_or_default(), b"text");

    undisturbed_and_with_a_lost_answer(|world| {
        let mut zstd = zstd::Encoder::new(world.open(), 0).unwrap().auto_finish();
        zstd.write_all(b"text").unwrap();
        drop(zstd);
        assert_eq!(world.appends().len(), 1);
        assert_eq!(zstd::decode_all(&*world.object()).unwrap(), b"text");
    });
}

// Containers and formats.

fn tar_header(len: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(len as u64);
    header.set_mode(0o644);
    header
}

#[test]
fn a_tar_archive_is_one_append_when_both_are_finished() {
    undisturbed_and_with_a_lost_answer(|world| {
        let files = [("one.txt", vec![b'1'; 3]), ("folder/two.bin", vec![2; 70_000]), ("empty", vec![])];
        let mut tar = tar::Builder::new(world.bucket.appender(KEY).create_new().unwrap());
        for (path, bytes) in &files {
            tar.append_data(&mut tar_header(bytes.len()), path, &**bytes).unwrap();
        }
        let appender = tar.into_inner().unwrap();
        assert_eq!(world.appends().len(), 0);
        appender.finish().unwrap();
        assert_eq!(world.appends().len(), 1);

        let object = world.object();
        let mut archive = tar::Archive::new(&*object);
        let mut entries = archive.entries().unwrap();
        for (path, bytes) in &files {
            let mut entry = entries.next().unwrap().unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert_eq!((entry.path().unwrap().to_str(), &content), (Some(*path), bytes));
        }
        assert!(entries.next().is_none());
    });
}

#[test]
fn a_dropped_tar_builder_ends_the_archive_and_a_big_one_goes_out_in_buffers() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut tar = tar::Builder::new(world.bucket.appender(KEY).buffer_capacity(1 << 16).open().unwrap());
        tar.append_data(&mut tar_header(200_000), "noise", &*vec![3; 200_000]).unwrap();
        assert_eq!(world.appends().len(), 3);
        drop(tar);
        assert_eq!(world.appends().len(), 4);
        assert_eq!(world.object().len(), 512 + 200_192 + 1024);
        assert_eq!(
            tar::Archive::new(&*world.object()).entries().unwrap().map(|e| e.unwrap().size()).sum::<u64>(),
            200_000
        );
    });
}

#[test]
fn a_csv_writer_appends_when_it_is_flushed_taken_apart_or_dropped() {
    let rows = |world: &World| -> Vec<Vec<String>> {
        let object = world.object();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*object);
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    undisturbed_and_with_a_lost_answer(|world| {
        let mut csv = csv::Writer::from_writer(world.bucket.appender(KEY).whole_lines(true).open().unwrap());
        csv.write_record(["a", "b\n\"quoted\""]).unwrap();
        assert_eq!(world.appends().len(), 0);
        csv.flush().unwrap();
        assert_eq!(world.appends().len(), 1);
        csv.write_record(["c", "d"]).unwrap();
        let appender = csv.into_inner().unwrap();
        assert_eq!(world.appends().len(), 2, "its into_inner flushes");
        appender.finish().unwrap();
        assert_eq!(world.appends().len(), 2);

        let mut csv = csv::Writer::from_writer(world.open());
        csv.write_record(["e", "f"]).unwrap();
        drop(csv);
        assert_eq!(world.appends().len(), 3);
        assert_eq!(rows(world), [["a", "b\n\"quoted\""], ["c", "d"], ["e", "f"]]);
    });
}

#[test]
fn serde_json_writes_many_small_pieces_and_never_flushes() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut appender = world.open();
        for n in 0..100 {
            let record = serde_json::json!({ "n": n, "text": "\u{fc} \"quoted\"", "list": [1, null, true] });
            serde_json::to_writer(&mut appender, &record).unwrap();
            appender.write_all(b"\n").unwrap();
        }
        assert_eq!(world.appends().len(), 0);
        appender.finish().unwrap();
        assert_eq!(world.appends().len(), 1);
        let text = world.text();
        let parsed: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed.len(), 100);
        assert!(parsed.iter().enumerate().all(|(n, record)| record["n"] == n && record["text"] == "\u{fc} \"quoted\""));
    });
}

#[test]
fn serde_json_hides_our_error_until_it_is_an_io_error() {
    let world = World::new();
    let mut appender = world.bucket.appender(KEY).buffer_capacity(4).open().unwrap();
    world.oss.inject(Fault::Refuse(403, "AccessDenied"));
    let error = serde_json::to_writer(&mut appender, "0123456789").unwrap_err();
    assert!(Error::find(&error).is_none());
    let error = io::Error::from(error);
    assert_eq!(Error::find(&error).and_then(Error::code), Some("AccessDenied"));
    assert_eq!(appender.pending(), b"\"012", "what was accepted is still there");
}

// Standard library.

#[test]
fn a_buf_writer_hands_over_on_flush_and_into_inner_but_only_flush_appends() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut buffered = BufWriter::new(world.open());
        buffered.write_all(b"one ").unwrap();
        buffered.flush().unwrap();
        assert_eq!(world.appends(), [4]);
        buffered.write_all(b"two").unwrap();
        let appender = buffered.into_inner().unwrap();
        assert_eq!((world.appends(), appender.pending()), (vec![4], &b"two"[..]));
        appender.finish().unwrap();
        assert_eq!((world.appends(), world.text()), (vec![4, 3], "one two".to_owned()));

        let mut buffered = BufWriter::new(world.open());
        buffered.write_all(b" three").unwrap();
        drop(buffered);
        assert_eq!((world.appends(), world.text()), (vec![4, 3, 6], "one two three".to_owned()));
    });
}

#[test]
fn a_buf_writer_that_fails_gives_back_itself_the_appender_and_every_byte() {
    let world = World::new();
    let mut buffered = BufWriter::new(world.bucket.appender(KEY).buffer_capacity(4).open().unwrap());
    buffered.write_all(b"abcd").unwrap();
    buffered.get_mut().write_all(b"1234").unwrap();
    world.oss.inject(Fault::Refuse(403, "AccessDenied"));

    let error = buffered.into_inner().unwrap_err();
    let ours = Error::find(error.error()).unwrap();
    assert_eq!((ours.kind(), ours.outcome()), (ErrorKind::Service, Outcome::NotApplied));
    assert!(Error::find(&error).is_none(), "IntoInnerError names no source: ask its error()");
    let (appender, unsent) = error.into_inner().into_parts();
    let (at, pending) = appender.into_parts();
    assert_eq!((at.position, &*pending, &*unsent.unwrap()), (0, &b"1234"[..], &b"abcd"[..]));
    assert_eq!((world.appends(), world.object()), (vec![4], vec![]));

    let mut appender = world.bucket.appender(KEY).resume(at).unwrap();
    appender.write_all(&pending).unwrap();
    appender.write_all(b"abcd").unwrap();
    appender.finish().unwrap();
    assert_eq!(world.text(), "1234abcd");
}

#[test]
fn a_buf_writer_in_doubt_may_be_flushed_again() {
    let world = World::new();
    let mut buffered = BufWriter::new(world.open());
    buffered.write_all(b"once").unwrap();
    world.oss.inject(Fault::LoseAnswer.and(Fault::GoAway));
    let error = buffered.flush().unwrap_err();
    assert_eq!(Error::find(&error).map(Error::outcome), Some(Outcome::Unknown));
    assert_eq!(buffered.get_ref().in_doubt(), Some(0..4));
    world.oss.come_back();
    buffered.write_all(b", and more").unwrap();
    buffered.flush().unwrap();
    assert_eq!((world.appends(), world.text()), (vec![4, 10], "once, and more".to_owned()));
}

#[test]
fn a_line_writer_makes_whole_lines_and_no_appends() {
    undisturbed_and_with_a_lost_answer(|world| {
        let appender = world.bucket.appender(KEY).buffer_capacity(20).open().unwrap();
        let mut lines = LineWriter::new(appender);
        let word = "line";
        for n in 0..9 {
            writeln!(lines, "{word} {n} {:?}", 1).unwrap(); // 9 bytes in several writes
        }
        write!(lines, "end").unwrap();
        assert_eq!(world.appends(), [18; 4]);
        lines.flush().unwrap();
        assert_eq!(world.appends(), [18, 18, 18, 18, 12]);
        lines.into_inner().unwrap().finish().unwrap();
        assert_eq!(world.appends(), [18, 18, 18, 18, 12]);
        assert_eq!(world.text().lines().count(), 10);
    });
}

#[test]
fn writeln_alone_divides_lines_and_whole_lines_does_not() {
    for (whole, first) in [(false, 24), (true, 18)] {
        undisturbed_and_with_a_lost_answer(|world| {
            let mut appender = world.bucket.appender(KEY).buffer_capacity(24).whole_lines(whole).open().unwrap();
            let word = "line";
            for n in 0..5 {
                writeln!(appender, "{word} {n} {:?}", 1).unwrap();
            }
            appender.finish().unwrap();
            assert_eq!(world.appends()[0], first);
            assert_eq!(world.text(), "line 0 1\nline 1 1\nline 2 1\nline 3 1\nline 4 1\n");
        });
    }
}

#[test]
fn boxed_it_is_a_writer_like_any_other() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut outs: Vec<Box<dyn Write + Send>> = vec![Box::new(Vec::new()), Box::new(world.open())];
        for out in &mut outs {
            write!(out, "{}-{}", 1, 2).unwrap();
            out.flush().unwrap();
        }
        drop(outs);
        assert_eq!((world.appends(), world.text()), (vec![3], "1-2".to_owned()));
    });
}

#[test]
fn it_goes_to_another_thread_and_comes_back() {
    undisturbed_and_with_a_lost_answer(|world| {
        let mut log = world.open();
        log.write_all(b"here, ").unwrap();
        let write_there = move || {
            log.write_all(b"there, ").unwrap();
            log.flush().unwrap();
            log
        };
        let mut log = thread::spawn(write_there).join().unwrap();
        thread::scope(|scope| scope.spawn(|| log.write_all(b"and back").unwrap()).join().unwrap());
        log.finish().unwrap();
        assert_eq!((world.appends(), world.text()), (vec![13, 8], "here, there, and back".to_owned()));
    });
}

#[test]
fn a_panic_in_a_program_still_makes_the_one_attempt() {
    undisturbed_and_with_a_lost_answer(|world| {
        let crash = AssertUnwindSafe(|| {
            let mut log = BufWriter::new(world.open());
            log.write_all(b"last words").unwrap();
            panic::resume_unwind(Box::new(()));
        });
        assert!(panic::catch_unwind(crash).is_err());
        assert_eq!((world.appends(), world.text()), (vec![10], "last words".to_owned()));
    });
}

// Loggers. These are not installed: tests/env_logger.rs and tests/simplelog.rs have global ones.

/// A second handle to a sink that a logger keeps to itself; `alive` ends with the logger's.
#[derive(Clone)]
struct Shared {
    appender: Arc<Mutex<Appender>>,
    _alive: mpsc::Sender<()>,
}

impl Shared {
    fn new(appender: Appender) -> (Self, mpsc::Receiver<()>) {
        let (alive, ended) = mpsc::channel();
        (Self { appender: Arc::new(Mutex::new(appender)), _alive: alive }, ended)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Appender) -> T) -> T {
        f(&mut self.appender.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|appender| appender.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(Write::flush)
    }
}

fn say(logger: &dyn Log, what: &str) {
    logger.log(&Record::builder().level(Level::Info).target("app").args(format_args!("{what}")).build());
}

fn env_logger_to(sink: impl Write + Send + 'static) -> impl Log {
    let target = env_logger::Target::Pipe(Box::new(sink));
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).target(target).build()
}

#[test]
fn env_logger_appends_every_record_by_itself() {
    undisturbed_and_with_a_lost_answer(|world| {
        let logger = env_logger_to(world.open());
        for n in 0..5 {
            say(&logger, &format!("record {n}"));
            assert_eq!(world.appends().len(), n + 1);
        }
        assert_eq!(world.text().lines().last(), Some("[INFO  app] record 4"));
        drop(logger);
        assert_eq!(world.appends().len(), 5);
    });
}

#[test]
fn env_logger_appends_seldom_with_a_flush_threshold_and_its_tail_takes_a_second_handle() {
    undisturbed_and_with_a_lost_answer(|world| {
        let (sink, _) = Shared::new(world.bucket.appender(KEY).flush_threshold(1000).open().unwrap());
        let logger = env_logger_to(sink.clone());
        for n in 100..200 {
            say(&logger, &format!("record {n}")); // 23 bytes with its frame
        }
        assert_eq!(world.appends(), [1012, 1012]);
        logger.flush();
        assert_eq!(world.appends().len(), 2, "its Log::flush does nothing");
        sink.with(Appender::confirm).unwrap();
        assert_eq!(world.appends(), [1012, 1012, 276]);
        let text = world.text();
        assert!(text.lines().zip(100..200).all(|(line, n)| line == format!("[INFO  app] record {n}")));
        assert_eq!(text.lines().count(), 100);
    });
}

#[test]
fn env_logger_tells_nobody_of_an_error_and_the_bytes_are_kept() {
    let world = World::new();
    let (sink, _) = Shared::new(world.open());
    let logger = env_logger_to(sink.clone());
    world.oss.inject(Fault::Refuse(403, "AccessDenied"));
    say(&logger, "one");
    assert_eq!(sink.with(|appender| appender.pending().to_owned()), b"[INFO  app] one\n");
    say(&logger, "two");
    assert_eq!(world.text(), "[INFO  app] one\n[INFO  app] two\n");
}

#[test]
fn simplelog_appends_only_when_the_log_is_flushed() {
    undisturbed_and_with_a_lost_answer(|world| {
        let config = simplelog::ConfigBuilder::new().set_time_level(log::LevelFilter::Off).build();
        let logger = simplelog::WriteLogger::new(log::LevelFilter::Info, config, world.open());
        for n in 0..100 {
            say(&*logger, &format!("record {n}"));
        }
        assert_eq!(world.appends().len(), 0);
        logger.flush();
        assert_eq!(world.appends().len(), 1);
        say(&*logger, "tail");
        drop(logger);
        assert_eq!(world.appends().len(), 2, "the appender's own drop");
        assert_eq!(world.text().lines().count(), 101);
        assert!(world.text().ends_with("[INFO] record 99\n[INFO] tail\n"));
    });
}

#[test]
fn simplelog_writes_a_record_in_pieces_and_whole_lines_keeps_them_together() {
    let ends_whole = |whole: bool| {
        let world = World::new();
        let appender = world.bucket.appender(KEY).buffer_capacity(100).whole_lines(whole).open().unwrap();
        let config = simplelog::ConfigBuilder::new().set_time_level(log::LevelFilter::Off).build();
        let logger = simplelog::WriteLogger::new(log::LevelFilter::Info, config, appender);
        for n in 0..20 {
            say(&*logger, &format!("record {n}"));
        }
        let object = world.object();
        let mut end = 0;
        world.appends().iter().all(|len| {
            end += *len as usize;
            object[end - 1] == b'\n'
        })
    };
    assert!(!ends_whole(false));
    assert!(ends_whole(true));
}

#[test]
fn fern_appends_every_record_by_itself_and_seldom_with_a_flush_threshold() {
    for (threshold, appends) in [(0, vec![9; 10]), (40, vec![45, 45])] {
        undisturbed_and_with_a_lost_answer(|world| {
            let appender = world.bucket.appender(KEY).flush_threshold(threshold).open().unwrap();
            let sink: Box<dyn Write + Send> = Box::new(appender);
            let (_, logger) = fern::Dispatch::new().chain(sink).into_log();
            for n in 0..10 {
                say(&*logger, &format!("record {n}"));
            }
            assert_eq!(world.appends(), appends);
            drop(logger);
            assert_eq!(world.appends(), appends);
            assert_eq!(world.text().lines().count(), 10);
        });
    }
}

#[test]
fn tracing_appender_flushes_when_its_channel_is_empty_and_before_the_guard_is_gone() {
    undisturbed_and_with_a_lost_answer(|world| {
        let (sink, ended) = Shared::new(world.bucket.appender(KEY).flush_threshold(usize::MAX).open().unwrap());
        let (writer, guard) = tracing_appender::non_blocking(sink.clone());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).without_time().finish();
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..100 {
                tracing::info!(n, "event");
            }
        });
        drop(guard);
        let appender = sink.appender;
        drop(sink._alive);
        ended.recv().unwrap_err(); // the worker is gone: the guard waits for it a second and no longer
        assert_eq!(world.appends().len(), 0, "below the threshold its flushes are nothing");
        appender.lock().unwrap().confirm().unwrap();
        assert_eq!(world.appends().len(), 1);
        let text = world.text();
        assert!(text.lines().zip(0..100).all(|(line, n)| line.ends_with(&format!("event n={n}"))));
        assert_eq!(text.lines().count(), 100);
    });

    let world = World::new();
    world.oss.inject(Fault::LoseAnswer);
    let (sink, ended) = Shared::new(world.open());
    let (mut writer, guard) = tracing_appender::non_blocking(sink.clone());
    for n in 0..10 {
        writer.write_all(format!("{n}\n").as_bytes()).unwrap();
    }
    drop((guard, writer));
    let appender = sink.appender;
    drop(sink._alive);
    ended.recv().unwrap_err();
    assert!(appender.lock().unwrap().pending().is_empty(), "with an honest flush nothing is left to confirm");
    assert_eq!(world.text(), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert!((1..=10).contains(&world.appends().len()));
}

#[test]
fn tracing_subscriber_writes_to_a_mutex_and_its_drop_makes_the_one_attempt() {
    undisturbed_and_with_a_lost_answer(|world| {
        let subscriber =
            tracing_subscriber::fmt().with_writer(Mutex::new(world.open())).with_ansi(false).without_time().finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "app", "one");
            tracing::info!(target: "app", "two");
            assert_eq!(world.appends().len(), 0);
        });
        assert_eq!((world.appends().len(), world.text()), (1, " INFO app: one\n INFO app: two\n".to_owned()));
    });
}

#[test]
fn tracing_subscriber_never_flushes() {
    undisturbed_and_with_a_lost_answer(|world| {
        let (sink, _) = Shared::new(world.bucket.appender(KEY).buffer_capacity(1000).open().unwrap());
        let writer = sink.clone();
        let make_writer = move || writer.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(make_writer).with_ansi(false).without_time().finish();
        tracing::subscriber::with_default(subscriber, || {
            for n in 100..200 {
                tracing::info!(target: "app", n, "event"); // 23 bytes with its frame
            }
        });
        let full = world.appends();
        assert!(full.iter().all(|len| len % 23 == 0), "each event is one write, and stays whole: {full:?}");
        assert_eq!(full, [989, 989]);
        sink.with(Appender::confirm).unwrap();
        assert_eq!(world.appends(), [989, 989, 322]);
        let text = world.text();
        assert!(text.lines().zip(100..200).all(|(line, n)| line == format!(" INFO app: event n={n}")));
    });
}
