//! *Exactly once*, whatever happens: random schedules of writes, faults, strangers, crashes and restarts against a
//! simple model of what must be true.
//!
//! A schedule is made from one number, its seed. A seed that fails prints itself and what happened:
//! `OSS_APPEND_SEED=<seed> cargo test --test model` plays it again, `OSS_APPEND_SEEDS=<n>` plays the first n of each test.
//!
//! Three worlds, from strict to lenient:
//!
//! - *alone*: nobody else writes. The object is always a beginning of what was accepted, and in the end all of it.
//! - *shared*: others append, and seal. Every record of ours is there at most once and whole; what was confirmed is
//!   there; what an error called not applied is not, and does not come later.
//! - *unruly*: others delete, replace and truncate as well. What a call confirms is there at that moment, and nothing is
//!   confirmed over what was replaced.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Appender, Bucket, Checkpoint, Error, ErrorKind, OnConflict, Outcome,
    testing::{FakeOss, Fault},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

const BUCKET: &str = "bucket";
const KEY: &str = "log";

#[test]
fn alone_the_object_is_what_was_accepted() {
    play(1200, |seed| World::new(seed, Kind::Alone).play());
}

#[test]
fn among_others_every_record_is_there_once_and_whole() {
    play(900, |seed| World::new(seed, Kind::Shared).play());
}

#[test]
fn nothing_is_confirmed_over_what_others_destroyed() {
    play(400, |seed| World::new(seed, Kind::Unruly).play());
}

#[test]
fn append_object_tells_the_truth_about_every_record() {
    play(800, append_records);
}

// ---- seeds -------------------------------------------------------------------------------------------------------

/// Plays the seeds on two threads; the first that fails ends it.
#[expect(clippy::disallowed_methods, reason = "a maintainer says by the environment which seeds to play")]
fn play(seeds: u64, schedule: impl Fn(u64) + Sync) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let one = |seed| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| schedule(seed))) {
            eprintln!("failed: OSS_APPEND_SEED={seed}");
            resume_unwind(panic);
        }
    };
    if let Some(seed) = number("OSS_APPEND_SEED") {
        return one(seed);
    }
    let seeds = number("OSS_APPEND_SEEDS").unwrap_or(seeds);
    let one = &one;
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (half..seeds).step_by(2).for_each(one));
        }
    });
}

/// splitmix64: the same numbers everywhere, for ever.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }
}

// ---- the world ---------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alone,
    Shared,
    Unruly,
}

struct World {
    seed: u64,
    kind: Kind,
    random: Random,
    oss: FakeOss,
    bucket: Bucket,
    rebase: bool,
    /// `flush` may leave bytes pending, so it proves nothing.
    threshold: usize,
    capacity: usize,
    lines: bool,
    app: Option<Appender>,

    /// Counts records, ours and others'.
    records: u64,
    /// Alone: all that ever was accepted and not lost with a crash. Of it, this life accepted the first `accepted`.
    full: Vec<u8>,
    accepted: usize,
    /// Alone: so much was confirmed at some time.
    proved: u64,
    /// Checkpoints that a program may have saved.
    saved: Vec<Checkpoint>,
    /// Not alone: what this life has still to present, before anything new.
    queue: VecDeque<Vec<u8>>,
    /// Not alone: our records, and others'.
    ours: BTreeSet<Vec<u8>>,
    others: BTreeSet<Vec<u8>>,
    /// Of ours, those that must be there.
    confirmed: BTreeSet<Vec<u8>>,
    /// Damaged copies that may be there.
    damaged: usize,
    /// Ends the object had, for answers that are old.
    past: Vec<(u64, u64)>,
    late: bool,
    no_crc: bool,
    /// The service was found to hold damaged copies.
    integrity: bool,
    sealed: bool,
    trace: Vec<String>,
}

impl World {
    fn new(seed: u64, kind: Kind) -> Self {
        let mut random = Random::new(seed);
        let oss = FakeOss::start().unwrap();
        let attempts = random.pick(&[2, 3]);
        let bucket = oss.builder(BUCKET).attempts(attempts).build().unwrap();
        if random.chance(8) {
            oss.forbid("HEAD");
            oss.forbid("GET");
        }
        let rebase = kind != Kind::Alone && random.chance(55);
        let threshold = if random.chance(15) { 100 } else { 0 };
        Self {
            seed,
            kind,
            random,
            oss,
            bucket,
            rebase,
            threshold,
            capacity: 0,
            lines: false,
            app: None,
            records: 0,
            full: Vec::new(),
            accepted: 0,
            proved: 0,
            saved: vec![Checkpoint::default()],
            queue: VecDeque::new(),
            ours: BTreeSet::new(),
            others: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            damaged: 0,
            past: Vec::new(),
            late: false,
            no_crc: false,
            integrity: false,
            sealed: false,
            trace: Vec::new(),
        }
    }

    fn play(mut self) {
        self.trace.push(format!("{:?}, rebase {}, threshold {}", self.kind, self.rebase, self.threshold));
        match self.random.chance(30) {
            true => self.begin(|builder| builder.create_new()),
            false => self.open(),
        }
        for _ in 0..self.random.between(4, 14) {
            self.step();
        }
        self.end();
    }

    fn fail(&self, what: impl std::fmt::Display) -> ! {
        let object = self.oss.object(BUCKET, KEY).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let trace = self.trace.join("\n  ");
        panic!("seed {}: {what}\n  {trace}\nobject: {object:?}", self.seed);
    }

    fn note(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    // ---- lives ---------------------------------------------------------------------------------------------------

    /// A new life, with settings of its own.
    fn begin(&mut self, start: impl Fn(oss_append::AppenderBuilder) -> oss_append::Result<Appender>) {
        self.capacity = usize::try_from(self.random.pick(&[64, 100, 150, 300, 1000])).unwrap();
        self.lines = self.random.chance(50);
        // A service that stays away for ever is none; scripts end.
        for _ in 0..60 {
            let policy = if self.rebase { OnConflict::Rebase } else { OnConflict::Fail };
            let builder = self.bucket.appender(KEY).buffer_capacity(self.capacity).whole_lines(self.lines);
            match start(builder.on_conflict(policy).flush_threshold(self.threshold)) {
                Ok(app) => {
                    self.note(format!("begun at {} with {} bytes", app.checkpoint().position, self.capacity));
                    self.app = Some(app);
                    return;
                }
                Err(error) => {
                    self.note(format!("not begun: {error}"));
                    self.oss.come_back();
                    if matches!(error.kind(), ErrorKind::Conflict(_) | ErrorKind::NotAppendable) {
                        // Sealed, or no log any more: this key's story ends.
                        self.app = None;
                        return;
                    }
                    if error.status() == Some(403) {
                        self.oss.allow("HEAD");
                        self.oss.allow("GET");
                    }
                }
            }
        }
        self.fail("never begun");
    }

    fn open(&mut self) {
        self.begin(|builder| builder.open());
    }

    fn app(&mut self) -> &mut Appender {
        self.app.as_mut().unwrap()
    }

    /// The bytes a life leaves behind that nobody presents again: only what the object shows of them has happened.
    fn forget(&mut self) {
        self.oss.come_back();
        if self.kind == Kind::Alone {
            self.oss.land();
            let object = self.object();
            self.check_prefix(&object);
            self.full.truncate(object.len());
            self.accepted = object.len();
            self.saved.retain(|at| at.position <= object.len() as u64);
        }
        self.queue.clear();
    }

    /// The next life presents what this one had not confirmed.
    fn resume(&mut self, at: Checkpoint, bytes: Vec<u8>) {
        self.note(format!("resume at {} with {} bytes", at.position, bytes.len()));
        if self.kind == Kind::Alone {
            self.accepted = usize::try_from(at.position).unwrap();
        } else {
            let mut lines: VecDeque<_> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            lines.append(&mut self.queue);
            self.queue = lines;
        }
        self.begin(|builder| builder.resume(at));
    }

    // ---- steps ---------------------------------------------------------------------------------------------------

    fn step(&mut self) {
        self.oss.come_back();
        if self.app.is_none() {
            return;
        }
        if self.random.chance(55) {
            self.inject();
        }
        match self.random.below(100) {
            0..40 => {
                for _ in 0..self.random.between(1, 4) {
                    self.write();
                }
            }
            40..55 => self.flush(),
            55..65 => self.confirm(),
            65..72 => self.finish(),
            72..77 => self.resync(),
            77..81 => self.take_apart(),
            81..84 if self.kind == Kind::Alone => self.crash(),
            81..84 => self.take_apart(),
            84..87 => {
                self.note("drop");
                self.app = None;
                self.forget();
                self.open();
            }
            87..92 => {
                let landed = self.oss.land();
                self.note(format!("{landed} landed late"));
            }
            _ => self.stranger(),
        }
        self.check();
    }

    fn record(&mut self, who: char) -> Vec<u8> {
        self.records += 1;
        let padding = usize::try_from(self.random.pick(&[0, 3, 10, 20, 40])).unwrap();
        format!("{who}{}.{}\n", self.records, "x".repeat(padding)).into_bytes()
    }

    fn write(&mut self) {
        let data = match self.kind {
            Kind::Alone if self.accepted < self.full.len() => {
                let most = self.random.between(1, 200);
                let left = &self.full[self.accepted..];
                left[..left.len().min(usize::try_from(most).unwrap())].to_vec()
            }
            Kind::Alone => {
                // No lines, no records: any bytes, more than the buffer holds, too.
                let records = self.random.pick(&[1, 1, 1, 2, 10]);
                (0..records).flat_map(|_| self.record('a')).collect()
            }
            _ => match self.queue.pop_front() {
                Some(line) => line,
                None => self.record('a'),
            },
        };
        let before = self.app().pending().to_vec();
        match self.app().write(&data) {
            Ok(taken) => {
                self.note(format!("write {} of {}", taken, data.len()));
                if taken == 0 || taken > data.len() {
                    self.fail("write took nothing, or more than there was");
                }
                if self.kind == Kind::Alone {
                    if self.accepted == self.full.len() {
                        self.full.extend_from_slice(&data[..taken]);
                    }
                    self.accepted += taken;
                } else {
                    if taken < data.len() && data.len() <= self.capacity {
                        self.fail("a record was divided");
                    }
                    if taken < data.len() {
                        self.queue.push_front(data[taken..].to_vec());
                    }
                    self.ours.insert(data.clone());
                }
                self.account([before, data[..taken].to_vec()].concat());
            }
            Err(error) => {
                if self.kind != Kind::Alone {
                    self.queue.push_front(data);
                }
                self.account(before);
                self.on_error("write", &Error::find(&error).unwrap().clone());
            }
        }
    }

    fn flush(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app().flush() {
            Ok(()) => {
                self.note("flush");
                if self.threshold == 0 {
                    self.proved_all(&before);
                } else {
                    self.account(before);
                }
            }
            Err(error) => {
                self.account(before);
                self.on_error("flush", &Error::find(&error).unwrap().clone());
            }
        }
    }

    fn confirm(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app().confirm() {
            Ok(at) => {
                self.note(format!("confirm {}", at.position));
                self.proved_all(&before);
            }
            Err(error) => {
                self.account(before);
                self.on_error("confirm", &error);
            }
        }
    }

    fn finish(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app.take().unwrap().finish() {
            Ok(end) => {
                self.note(format!("finish {}", end.position));
                self.finished(end, &before);
                self.forget_nothing();
                self.open();
            }
            Err(failed) => {
                let error = failed.error().clone();
                self.app = Some(failed.into_appender());
                self.account(before);
                self.on_error("finish", &error);
                if self.random.chance(50) {
                    self.take_apart();
                }
            }
        }
    }

    fn resync(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app().resync() {
            Ok(at) => {
                self.note(format!("resync {}", at.position));
                self.account(before);
            }
            Err(error) => {
                self.account(before);
                self.on_error("resync", &error);
            }
        }
    }

    fn take_apart(&mut self) {
        if self.app().in_doubt().is_none() && self.damaged > 0 {
            return; // a damaged copy is for `resync` to let go of
        }
        let app = self.app.take().unwrap();
        let (at, bytes) = app.into_parts();
        self.resume(at, bytes);
    }

    /// The process dies; the next one has an old checkpoint and all the bytes since.
    fn crash(&mut self) {
        drop(self.app.take().unwrap().into_parts());
        let at = self.random.pick(&self.saved.clone());
        match self.random.chance(25) {
            true => {
                self.note("crash");
                self.forget();
                self.open();
            }
            false => self.resume(at, Vec::new()),
        }
    }

    fn stranger(&mut self) {
        if self.kind == Kind::Alone {
            return;
        }
        let what = match self.kind {
            Kind::Unruly => self.random.between(0, 9),
            _ => self.random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1]),
        };
        let object = self.object();
        match what {
            1 if self.random.chance(40) => {
                self.note("sealed");
                self.sealed |= self.oss.seal(BUCKET, KEY);
            }
            2 | 3 => {
                self.note("deleted");
                self.oss.delete_object(BUCKET, KEY);
                self.confirmed.clear();
            }
            4 | 5 => {
                // To a line's end.
                let ends = object.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
                let ends: Vec<_> = ends.chain([0]).collect();
                let len = self.random.pick(&ends);
                self.note(format!("truncated to {len}"));
                // What is left may be the beginning of what was in doubt: in, and its chunk is not.
                self.late |= self.app.as_ref().is_some_and(|app| app.in_doubt().is_some());
                self.oss.replace_object(BUCKET, KEY, &object[..len]);
                self.confirmed.clear();
            }
            6 | 7 => {
                let mut other = self.random.pick(&[0, object.len(), object.len() * 2]);
                let mut bytes = Vec::new();
                while other > 0 {
                    let line = self.other();
                    other = other.saturating_sub(line.len());
                    bytes.extend(line);
                }
                if self.random.chance(50) && bytes.len() >= object.len() {
                    // Of the same length, to the byte.
                    bytes.truncate(object.len());
                    if let Some(last) = bytes.last_mut() {
                        *last = b'\n';
                    }
                }
                self.note(format!("replaced by {} bytes", bytes.len()));
                self.oss.replace_object(BUCKET, KEY, &bytes);
                self.confirmed.clear();
            }
            8 if self.random.chance(30) => {
                self.note("replaced by a normal object");
                self.oss.put_object(BUCKET, KEY, b"normal\n");
                self.confirmed.clear();
            }
            _ => {
                let line = self.other();
                self.note(format!("a stranger's {} bytes", line.len()));
                self.oss.append_as_stranger(BUCKET, KEY, &line);
            }
        }
    }

    fn other(&mut self) -> Vec<u8> {
        let line = self.record('s');
        self.others.insert(line.clone());
        line
    }

    // ---- faults --------------------------------------------------------------------------------------------------

    fn inject(&mut self) {
        self.past.push((self.object().len() as u64, self.oss.object_crc64(BUCKET, KEY).unwrap_or(0)));
        for _ in 0..self.random.pick(&[1, 1, 2, 3, 4]) {
            let fault = self.fault_of_append();
            self.note(format!("  POST {fault:?}"));
            self.oss.inject(fault);
        }
        for method in ["HEAD", "GET"] {
            for _ in 0..self.random.pick(&[0, 0, 0, 1, 1, 2, 3]) {
                let fault = self.fault_of_ask(method);
                self.note(format!("  {method} {fault:?}"));
                self.oss.inject_on(method, fault);
            }
        }
    }

    fn fault_of_append(&mut self) -> Fault {
        let fault = match self.random.below(30) {
            0 | 1 => Fault::Pass,
            2 => Fault::LoseRequest,
            3 => Fault::CutRequest(self.random.pick(&[0, 1, 100, 500, 700, 800, 10_000])),
            4 => Fault::RefuseEarly,
            5..=7 => {
                let (status, code) = self.random.pick(&REFUSALS);
                if self.random.chance(20) { Fault::RefuseEarlyWith(status, code) } else { Fault::Refuse(status, code) }
            }
            8 => Fault::Page(self.random.pick(&[200, 302, 403, 404, 408, 409, 413, 502, 504])),
            9 if self.random.chance(50) && self.kind == Kind::Shared => {
                self.damaged += 1;
                return Fault::Damage;
            }
            9..=13 => {
                self.late = true;
                self.random.pick(&[
                    Fault::ApplyLate,
                    Fault::ApplyAfter(1),
                    Fault::ApplyAfter(2),
                    Fault::Hold,
                    Fault::Hold,
                ])
            }
            14 => Fault::Duplicate,
            15..=17 => Fault::LoseAnswer,
            18 => Fault::Reset,
            19 => Fault::LoseRequest.and(Fault::Reset),
            20 => Fault::CutAnswer(self.random.pick(&[0, 1, 12, 50, 150, 200, 250, 300, 350])),
            21 => Fault::Garbage,
            22 => Fault::FailAfter(self.random.pick(&[500, 503]), "InternalError"),
            23 => Fault::PageAfter(self.random.pick(&[200, 302, 403, 404, 408, 409, 502, 504])),
            24 => Fault::StripHeaders,
            25 => Fault::Status(self.random.pick(&[201, 206, 301, 302, 307, 408, 429, 500, 503])),
            26 => {
                self.no_crc = true;
                self.random.pick(&[
                    Fault::WrongCrc,
                    Fault::NoCrc,
                    Fault::WrongNext,
                    Fault::NoNext,
                    Fault::WithoutHeader("x-oss-request-id"),
                ])
            }
            27 => Fault::CloseAfter,
            28 => Fault::Unasked,
            _ if self.random.chance(40) => Fault::GoAway.and(Fault::LoseAnswer),
            _ => Fault::LoseAnswer,
        };
        self.with_strangers(fault)
    }

    fn fault_of_ask(&mut self, method: &str) -> Fault {
        let fault = match self.random.below(20) {
            0..=2 => Fault::Pass,
            3 => Fault::LoseRequest,
            4 => Fault::LoseAnswer,
            5 => Fault::CutAnswer(self.random.pick(&[0, 1, 12, 50, 150, 200, 250, 300, 350, 400, 450])),
            6 => Fault::Garbage,
            7 => Fault::FailAfter(self.random.pick(&[500, 503]), "InternalError"),
            8 => Fault::PageAfter(self.random.pick(&[200, 206, 403, 404, 502])),
            9..=10 => {
                let (status, code) = self.random.pick(&[
                    (403, "SecurityTokenExpired"),
                    (403, "RequestTimeTooSkewed"),
                    (403, "AccessDenied"),
                    (404, "NoSuchBucket"),
                    (400, "InvalidArgument"),
                    (429, "TooManyRequests"),
                    (503, "ServiceUnavailable"),
                ]);
                Fault::Refuse(status, code)
            }
            11 => Fault::StripHeaders,
            12 => Fault::Status(self.random.pick(&[201, 206, 301, 304, 403, 404, 500, 503])),
            13 => {
                self.no_crc = true;
                // What founds a life on a lie (`open`, `resync`) leaves nothing that could be promised.
                if method == "GET" && self.kind == Kind::Unruly { Fault::WrongCrc } else { Fault::NoCrc }
            }
            14 => self.random.pick(&[Fault::WrongNext, Fault::NoNext, Fault::WithoutHeader("x-oss-request-id")]),
            15 => Fault::WithHeader("Age", "7"),
            16 => Fault::IgnoreRange,
            17 if self.kind == Kind::Shared => {
                let (length, crc64) = self.random.pick(&self.past.clone());
                Fault::Stale { length, crc64: Some(crc64).filter(|_| self.random.chance(70)) }
            }
            18 => self.random.pick(&[Fault::CloseAfter, Fault::Unasked]),
            19 if self.random.chance(30) => Fault::GoAway,
            _ => Fault::Pass,
        };
        self.with_strangers(fault)
    }

    fn with_strangers(&mut self, fault: Fault) -> Fault {
        if self.kind == Kind::Alone || !self.random.chance(25) {
            return fault;
        }
        let line = self.other();
        match self.random.chance(50) {
            true => fault.and(Fault::StrangerBefore(line)),
            false => fault.and(Fault::StrangerAfter(line)),
        }
    }

    // ---- what must be true ---------------------------------------------------------------------------------------

    fn object(&self) -> Vec<u8> {
        self.oss.object(BUCKET, KEY).unwrap_or_default()
    }

    fn lines_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
    }

    /// `Ok` means everything accepted: nothing is pending, and it is there.
    fn proved_all(&mut self, before: &[u8]) {
        let at = self.app().checkpoint();
        if !self.app().pending().is_empty() {
            self.fail("Ok with bytes pending");
        }
        if self.app().in_doubt().is_some() {
            self.fail("Ok in doubt");
        }
        self.finished(at, before);
    }

    fn finished(&mut self, at: Checkpoint, before: &[u8]) {
        let object = self.object();
        match self.kind {
            Kind::Alone => {
                if at.position != self.accepted as u64 {
                    self.fail(format_args!("Ok at {}, but {} were accepted", at.position, self.accepted));
                }
                self.proved = self.proved.max(at.position);
                self.saved.push(at);
                self.check_prefix(&object);
            }
            Kind::Shared => {
                let lines: Vec<_> = Self::lines_of(before).map(<[u8]>::to_vec).collect();
                self.confirmed.extend(lines);
            }
            Kind::Unruly if before.is_empty() => return, // nothing was sent, so nothing could be noticed
            Kind::Unruly => {
                let there = counted(&object);
                for line in Self::lines_of(before) {
                    if !there.contains_key(line) {
                        self.fail(format_args!("confirmed and not there: {:?}", String::from_utf8_lossy(line)));
                    }
                }
            }
        }
        let end = usize::try_from(at.position).unwrap();
        if !before.is_empty() && object.len() < end {
            self.fail("confirmed beyond the object's end");
        }
        if !(before.is_empty() || (self.kind == Kind::Unruly && self.no_crc))
            && Checkpoint::default().advance(&object[..end]) != at
        {
            self.fail("confirmed, and the object before that place is another");
        }
    }

    fn forget_nothing(&mut self) {
        if self.kind == Kind::Alone {
            // What a finished life never presented again.
            self.oss.come_back();
            self.oss.land();
            let object = self.object();
            self.check_prefix(&object);
            self.full.truncate(object.len());
            self.accepted = object.len();
        }
        self.queue.clear();
    }

    /// Bytes leave `pending` only from its front, and only when they are in.
    fn account(&mut self, before: Vec<u8>) {
        let pending = self.app().pending().to_vec();
        if !before.ends_with(&pending) {
            self.fail("pending bytes are not the last of those accepted");
        }
        let gone = &before[..before.len() - pending.len()];
        match self.kind {
            Kind::Alone => {}
            Kind::Shared => {
                let mut lines: Vec<_> = Self::lines_of(gone).map(<[u8]>::to_vec).collect();
                if self.damaged > 0 {
                    let there = counted(&self.object()).into_keys().map(<[u8]>::to_vec).collect::<BTreeSet<_>>();
                    lines.retain(|line| there.contains(line));
                }
                self.confirmed.extend(lines);
            }
            Kind::Unruly => {}
        }
    }

    fn on_error(&mut self, call: &str, error: &Error) {
        self.note(format!("{call}: {:?}: {error}", error.kind()));
        self.integrity |= error.kind() == ErrorKind::Integrity;
        let doubt = self.app().in_doubt();
        let pending = self.app().pending().to_vec();
        if let Some(doubt) = &doubt
            && doubt.end - doubt.start > pending.len() as u64
        {
            self.fail("more in doubt than pending");
        }
        match error.outcome() {
            Outcome::Unknown if doubt.is_none() => self.fail("Unknown, and nothing in doubt"),
            Outcome::NotApplied | Outcome::Applied if doubt.is_some() && call != "resync" => {
                self.fail("a verdict, and still in doubt");
            }
            Outcome::NotApplied => self.not_there(&pending),
            // The places are taken, by damaged copies; and `resync` could not look for the end.
            Outcome::Applied if self.integrity && call == "resync" => {}
            Outcome::Applied if self.kind == Kind::Shared && error.kind() != ErrorKind::Integrity => {
                let first = Self::lines_of(&pending).next().map(<[u8]>::to_vec);
                if let Some(first) = first
                    && !counted(&self.object()).contains_key(&*first)
                {
                    self.fail("Applied, and not there");
                }
            }
            _ => {}
        }
        if self.is_failed(error) && self.random.chance(60) {
            self.resync();
        }
    }

    fn is_failed(&self, error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::Conflict(_) | ErrorKind::Integrity | ErrorKind::Protocol)
    }

    /// Not applied: neither now nor, if it still can, later.
    fn not_there(&mut self, pending: &[u8]) {
        if self.random.chance(50) {
            self.oss.land();
        }
        let object = self.object();
        match self.kind {
            Kind::Alone => {
                let confirmed = self.app().checkpoint().position;
                if object.len() as u64 > confirmed && self.accepted == self.full.len() {
                    self.fail(format_args!("NotApplied, and in: {} beyond {confirmed}", object.len()));
                }
            }
            // A late original in an object that was cut back is the exception the library's page names.
            Kind::Unruly if self.late => {}
            _ => {
                let there = counted(&object);
                for line in Self::lines_of(pending) {
                    if there.contains_key(line) {
                        self.fail(format_args!("NotApplied, and in: {:?}", String::from_utf8_lossy(line)));
                    }
                }
            }
        }
    }

    fn check_prefix(&self, object: &[u8]) {
        if !self.full.starts_with(object) {
            self.fail("the object is not a beginning of what was accepted");
        }
        if (object.len() as u64) < self.proved {
            self.fail(format_args!("{} were confirmed, {} are there", self.proved, object.len()));
        }
    }

    fn check(&mut self) {
        let object = self.object();
        match self.kind {
            Kind::Alone => {
                self.check_prefix(&object);
                if let Some(app) = &self.app {
                    let (at, pending) = (app.checkpoint(), app.pending());
                    let from = usize::try_from(at.position).unwrap();
                    if self.accepted < from || self.full[from..self.accepted] != *pending {
                        self.fail("confirmed and pending bytes are not those accepted");
                    }
                    if object.len() < from || Checkpoint::default().advance(&object[..from]) != at {
                        self.fail("the checkpoint is not the object's");
                    }
                }
            }
            Kind::Shared => self.check_records(&object),
            Kind::Unruly => {
                if !self.late {
                    self.check_once(&counted(&object));
                }
            }
        }
    }

    fn check_records(&self, object: &[u8]) {
        let there = counted(object);
        self.check_once(&there);
        if let Some(lost) = self.confirmed.iter().find(|line| !there.contains_key(line.as_slice())) {
            self.fail(format_args!("confirmed and lost: {:?}", String::from_utf8_lossy(lost)));
        }
        let strange: Vec<_> =
            there.keys().filter(|line| !self.ours.contains(**line) && !self.others.contains(**line)).collect();
        if strange.len() > self.damaged {
            let strange: Vec<_> = strange.iter().map(|line| String::from_utf8_lossy(line)).collect();
            self.fail(format_args!("torn: {strange:?}"));
        }
    }

    fn check_once(&self, there: &BTreeMap<&[u8], u32>) {
        if let Some((line, times)) = there.iter().find(|(line, times)| self.ours.contains(**line) && **times > 1) {
            self.fail(format_args!("{times} times there: {:?}", String::from_utf8_lossy(line)));
        }
    }

    // ---- the end -------------------------------------------------------------------------------------------------

    /// No more faults than those still scripted: now everything must come to an end.
    fn end(&mut self) {
        self.note("the end");
        self.oss.allow("HEAD");
        self.oss.allow("GET");
        let mut rounds = 0;
        let mut clear = 0;
        while self.app.is_some() {
            self.oss.come_back();
            rounds += 1;
            // Some are for requests that nobody will make.
            clear = if self.oss.faults_left() == 0 || rounds > 8 { clear + 1 } else { 0 };
            if clear > if self.kind == Kind::Alone { 10 } else { 4 } {
                if self.kind == Kind::Alone {
                    self.fail("it never comes to an end");
                }
                break;
            }
            while self.app.is_some() && (self.accepted < self.full.len() || !self.queue.is_empty()) && self.writes_one()
            {
            }
            if self.app.is_none() {
                break;
            }
            let before = self.app().pending().to_vec();
            let presented = self.accepted == self.full.len();
            match self.app.take().unwrap().finish() {
                Ok(end) => {
                    self.note(format!("finish {}", end.position));
                    self.finished(end, &before);
                    if presented {
                        break;
                    }
                    self.resume(end, Vec::new());
                }
                Err(failed) => {
                    let error = failed.error().clone();
                    self.app = Some(failed.into_appender());
                    self.account(before);
                    self.on_error("finish", &error);
                    if self.is_failed(&error) {
                        self.resync();
                    }
                    if clear > 2 && self.app().in_doubt().is_some() {
                        self.take_apart();
                    }
                }
            }
            self.check();
        }
        self.oss.come_back();
        self.oss.land();
        self.check();
        if self.kind == Kind::Alone && self.object() != self.full {
            self.fail("the object is not what was accepted");
        }
    }

    /// True if there may be more to present.
    fn writes_one(&mut self) -> bool {
        let (accepted, queue) = (self.accepted, self.queue.len());
        self.write();
        self.accepted > accepted || self.queue.len() < queue
    }
}

fn counted(object: &[u8]) -> BTreeMap<&[u8], u32> {
    let mut lines = BTreeMap::new();
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        *lines.entry(line).or_insert(0) += 1;
    }
    lines
}

/// What the service may say without having done anything.
const REFUSALS: [(u16, &str); 15] = [
    (403, "AccessDenied"),
    (403, "SecurityTokenExpired"),
    (403, "RequestTimeTooSkewed"),
    (400, "InvalidDigest"),
    (400, "IncompleteBody"),
    (400, "RequestTimeout"),
    (400, "InvalidArgument"),
    (429, "TooManyRequests"),
    (503, "ServiceUnavailable"),
    (500, "InternalError"),
    (409, "PositionNotEqualToLength"),
    (409, "FileAlreadyExists"),
    (409, "ObjectNotAppendable"),
    (409, "FileImmutable"),
    (404, "NoSuchBucket"),
];

// ---- append_object -----------------------------------------------------------------------------------------------

/// One record after the other, each with the checkpoint of the last; what an error says is held against the object.
fn append_records(seed: u64) {
    let mut world = World::new(seed, Kind::Shared);
    let mut at = Checkpoint::default();
    for _ in 0..world.random.between(2, 8) {
        if world.random.chance(70) {
            world.inject();
        }
        let record = world.record('a');
        world.ours.insert(record.clone());
        // Without the CRC of what lies before, damage cannot be seen.
        let result = match world.damaged > 0 || world.random.chance(80) {
            true => world.bucket.append_object(KEY, at, &record),
            false => world.bucket.append_object(KEY, at.position, &record),
        };
        world.oss.come_back();
        match result {
            Ok(appended) => {
                world.note(format!("appended to {}", appended.next_position));
                world.confirmed.insert(record);
                let object = world.object();
                let end = usize::try_from(appended.next_position).unwrap();
                if object.len() < end {
                    world.fail("appended beyond the object's end");
                }
                let there = Checkpoint::default().advance(&object[..end]);
                if appended.checkpoint().is_some_and(|at| at != there) && !world.no_crc {
                    world.fail("the checkpoint is not the object's");
                }
                at = there;
            }
            Err(error) => {
                world.note(format!("{:?}: {error}", error.kind()));
                let before = world.random.chance(50);
                if before || error.outcome() == Outcome::NotApplied {
                    world.oss.land();
                }
                let object = world.object();
                let there = counted(&object).contains_key(record.as_slice());
                match error.outcome() {
                    Outcome::NotApplied if there => world.fail("NotApplied, and in"),
                    Outcome::Applied if !there && error.kind() != ErrorKind::Integrity => {
                        world.fail("Applied, and not there");
                    }
                    _ => {}
                }
                world.oss.land();
                at = Checkpoint::default().advance(world.object());
            }
        }
        let object = world.object();
        world.check_records(&object);
        if world.random.chance(10) {
            world.stranger();
        }
    }
    world.oss.land();
    let object = world.object();
    world.check_records(&object);
}
