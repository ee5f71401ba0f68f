//! Processes that are killed: `kill -9` a writer mid-stream, go on from its last saved checkpoint or from the object's
//! end, hundreds of times; the object has every byte once, in order.
//!
//! The fake runs here. The writer is this binary again: its test `a_writer_to_be_killed`, told over stdin what to do.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Appender, Bucket, Checkpoint,
    testing::{FakeOss, Fault},
};
use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
};

/// Of each of the two kinds.
const LIVES: usize = 200;
/// A record of the stream has this many bytes.
const RECORD: u64 = 9;
const CAPACITIES: [usize; 4] = [9, 100, 2_000, 12_000];
const FOREVER: u64 = 1 << 40;

/// The stream, from one position to another.
fn stream(from: u64, to: u64) -> Vec<u8> {
    let records: String = (from / RECORD..to.div_ceil(RECORD)).map(|number| format!("{number:08}\n")).collect();
    let skip = (from % RECORD) as usize;
    records.as_bytes()[skip..skip + (to - from) as usize].to_vec()
}

// ---- the writer ------------------------------------------------------------------------------------------------------

/// Says a checkpoint after every confirmation, on a line of its own.
#[test]
#[ignore = "a process of the other tests, not a test"]
fn a_writer_to_be_killed() {
    let Ok(bucket) = Bucket::from_env() else { return };
    let mut task = String::new();
    io::stdin().read_line(&mut task).unwrap();
    let [start, until, capacity] = task.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{task:?}") };
    let (until, capacity): (u64, usize) = (until.parse().unwrap(), capacity.parse().unwrap());
    let builder = bucket.appender("log").buffer_capacity(capacity);
    let log = match start {
        "open" => builder.open(),
        checkpoint => builder.resume(checkpoint.parse().unwrap()),
    };
    write(log.unwrap(), until, capacity);
}

fn write(mut log: Appender, until: u64, capacity: usize) {
    say(log.checkpoint());
    let mut position = log.checkpoint().position;
    while position < until {
        // A little more than the buffer, so that some requests are cut by it and some by us.
        let next = until.min(position + capacity as u64 * 5 / 4);
        log.write_all(&stream(position, next)).unwrap();
        position = next;
        say(log.confirm().unwrap());
    }
    log.finish().unwrap();
}

fn say(checkpoint: Checkpoint) {
    writeln!(io::stdout().lock(), "\n@{checkpoint}").unwrap();
}

// ---- its parent ------------------------------------------------------------------------------------------------------

struct Writer {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Writer {
    fn start(oss: &FakeOss, start: &str, until: u64, capacity: usize) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_writer_to_be_killed", "--ignored", "--nocapture", "--test-threads=1"])
            .envs(oss.env("bucket"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(process.stdin.take().unwrap(), "{start} {until} {capacity}").unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Self { process, said }
    }

    /// What it says next; `None` once it says no more.
    fn next(&mut self) -> Option<Checkpoint> {
        let mut line = String::new();
        while self.said.read_line(&mut line).unwrap() > 0 {
            if let Some(checkpoint) = line.strip_prefix('@').and_then(|line| line.strip_suffix('\n')) {
                return Some(checkpoint.parse().unwrap());
            }
            line.clear();
        }
        None
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Until so many appends have come in. Not a sleep: the writer is on its way.
fn wait_for_appends(oss: &FakeOss, writer: &mut Writer, count: usize) {
    while oss.faults_left() > 0 || appends(oss) < count {
        assert!(writer.process.try_wait().unwrap().is_none(), "it ended before it was killed");
        thread::yield_now();
    }
}

fn appends(oss: &FakeOss) -> usize {
    oss.requests().iter().filter(|request| request.method == "POST").count()
}

/// Nothing lost, nothing doubled, nothing out of order, at any moment. What was checked before is not checked again;
/// returns how long the object is.
fn assert_is_the_stream(oss: &FakeOss, from: u64) -> u64 {
    let object = oss.object("bucket", "log").unwrap_or_default();
    let length = object.len() as u64;
    assert!(length >= from, "{length} bytes, and there were {from}");
    let new = &object[from as usize..];
    let expected = stream(from, length);
    let differs = new.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(new == expected, "the object differs from the stream {differs:?} bytes behind {from}");
    length
}

#[test]
fn killed_and_resumed_from_the_last_saved_checkpoint_200_times_nothing_is_lost_or_doubled() {
    let oss = FakeOss::start().unwrap();
    let (mut saved, mut checked) = (Checkpoint::default(), 0);
    for life in 0..LIVES {
        let capacity = CAPACITIES[life / 3 % CAPACITIES.len()];
        // What an earlier life had under way may come at any moment from now on.
        let first = appends(&oss);
        let stuck = life % 4;
        if stuck > 0 {
            (0..life % 3).for_each(|_| oss.inject(Fault::Pass));
            oss.inject(stuck_append(stuck));
        }
        let mut writer = Writer::start(&oss, &saved.to_string(), FOREVER, capacity);
        assert_eq!(writer.next(), Some(saved));
        if life % 8 >= 4 {
            oss.land();
        }
        if stuck > 0 {
            wait_for_appends(&oss, &mut writer, first + life % 3 + 1);
        } else {
            for _ in 0..=life % 3 {
                let said = writer.next().unwrap();
                if life % 5 > 0 {
                    saved = said; // else it died before that was saved
                }
            }
        }
        writer.kill();
        if life % 2 == 0 {
            oss.land();
        }
        checked = assert_is_the_stream(&oss, checked);
    }
    let end = assert_is_the_stream(&oss, 0) + 1000;
    finish(&oss, &saved.to_string(), end);
}

#[test]
fn killed_and_opened_again_200_times_nothing_is_lost_or_doubled() {
    let oss = FakeOss::start().unwrap();
    let (mut confirmed, mut checked) = (0, 0);
    for life in 0..LIVES {
        let capacity = CAPACITIES[life / 3 % CAPACITIES.len()];
        let first = appends(&oss);
        let stuck = life % 4;
        if stuck > 0 {
            (0..life % 3).for_each(|_| oss.inject(Fault::Pass));
            oss.inject(stuck_append(stuck));
        }
        let mut writer = Writer::start(&oss, "open", FOREVER, capacity);
        // What was told to be confirmed is there for good.
        let opened = writer.next().unwrap().position;
        assert!(opened >= confirmed, "{opened} after {confirmed}");
        confirmed = opened;
        if stuck > 0 {
            wait_for_appends(&oss, &mut writer, first + life % 3 + 1);
        } else {
            for _ in 0..=life % 3 {
                confirmed = writer.next().unwrap().position;
            }
        }
        writer.kill();
        // Before the next life asks: what lands after that is an equal stranger, and a conflict (see `conflict`).
        settle(&oss);
        checked = assert_is_the_stream(&oss, checked);
        assert!(checked >= confirmed, "{checked} bytes, and {confirmed} were confirmed");
    }
    let end = assert_is_the_stream(&oss, 0) + 1000;
    finish(&oss, "open", end);
}

/// An append whose answer will never come: applied, held back, or lost.
fn stuck_append(how: usize) -> Fault {
    let never = Fault::Stall(std::time::Duration::from_secs(3600));
    match how {
        1 => never,
        2 => Fault::Hold.and(never),
        _ => Fault::LoseRequest.and(never),
    }
}

/// A killed process's last request may be in the fake's hands still: until another comes through behind it.
fn settle(oss: &FakeOss) {
    let bucket = oss.bucket("bucket");
    let mut before = None;
    loop {
        oss.land();
        let now = bucket.head_object("log").ok().map(|meta| (meta.length, oss.requests().len()));
        let length = now.map(|(length, _)| length);
        if before == Some(length) {
            return;
        }
        before = Some(length);
    }
}

fn finish(oss: &FakeOss, start: &str, end: u64) {
    oss.land();
    let mut writer = Writer::start(oss, start, end, 4_000);
    let last = std::iter::from_fn(|| writer.next()).last();
    assert!(writer.process.wait().unwrap().success());
    assert_eq!(assert_is_the_stream(oss, 0), end);
    assert_eq!(last, Some(Checkpoint::default().advance(stream(0, end))));
}
