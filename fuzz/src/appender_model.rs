//! An appender, and an object in a fake that goes wrong as the input says, against a simple model: the object's content
//! is held against what was accepted and what was told.
//!
//! - *alone*: the object is always a beginning of what was accepted, never shorter than what was confirmed, and in the
//!   end all of it. A life that ends may be resumed from any checkpoint it had.
//! - *shared*: others append, and seal. Every record of ours is there at most once and whole; what was confirmed is
//!   there; what an error called not applied is not, and does not come later.
//!
//! `tests/model.rs` plays schedules by chance, with more that others can do; here the fuzzer looks for them. Nothing
//! sleeps: the fake's clients make no pauses.

use arbitrary::{Arbitrary, Unstructured};
use oss_append::{
    Appender, AppenderBuilder, Bucket, Checkpoint, Error, ErrorKind, OnConflict, Outcome, Result,
    testing::{FakeOss, Fault},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::{Debug, Display},
    io::Write,
};

const BUCKET: &str = "bucket";
const KEY: &str = "log";
/// More tell nothing new, and take long.
const OPERATIONS: usize = 32;

pub fn run(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut bytes) else { return };
    let mut world = World::new(&setting);
    world.begin(|builder| if setting.create_new { builder.create_new() } else { builder.open() });
    for _ in 0..OPERATIONS {
        if bytes.is_empty() || world.app.is_none() {
            break;
        }
        let Ok(operation) = Operation::arbitrary(&mut bytes) else { break };
        world.step(&operation);
    }
    world.end();
}

#[derive(Debug, Arbitrary)]
struct Setting {
    shared: bool,
    rebase: bool,
    create_new: bool,
    whole_lines: bool,
    /// `flush` may leave bytes pending, and proves nothing.
    threshold: bool,
    /// HEAD and GET are forbidden, until a life could not begin.
    write_only: bool,
    three_attempts: bool,
    capacity: u8,
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Write(u8),
    Writes([u8; 3]),
    Flush,
    Confirm,
    Finish,
    Resync,
    TakeApart,
    /// Its bytes are lost, and the next life resumes from a checkpoint of some time.
    Crash(u8),
    Drop,
    Land,
    Stranger(u8),
    Seal,
    /// For the next append.
    Append(AppendFault, Strangers),
    /// For the next that are asked.
    Head(AskFault, Strangers),
    Get(AskFault, Strangers),
}

#[derive(Debug, Arbitrary)]
enum Strangers {
    None,
    Before,
    After,
}

#[derive(Debug, Arbitrary)]
enum AppendFault {
    Pass,
    LoseRequest,
    CutRequest(u16),
    RefuseEarly,
    RefuseEarlyWith(u8),
    Refuse(u8),
    Page(u8),
    ApplyLate,
    ApplyAfter(bool),
    Hold,
    Duplicate,
    LoseAnswer,
    Reset,
    LoseAndReset,
    CutAnswer(u16),
    Garbage,
    FailAfter(bool),
    PageAfter(u8),
    StripHeaders,
    Status(u8),
    WrongCrc,
    NoCrc,
    WrongNext,
    NoNext,
    NoRequestId,
    CloseAfter,
    Unasked,
    GoAwayUnheard,
}

#[derive(Debug, Arbitrary)]
enum AskFault {
    Pass,
    LoseRequest,
    LoseAnswer,
    CutAnswer(u16),
    Garbage,
    FailAfter(bool),
    PageAfter(u8),
    Refuse(u8),
    StripHeaders,
    Status(u8),
    NoCrc,
    WrongNext,
    NoNext,
    NoRequestId,
    Aged,
    IgnoreRange,
    /// As the object was at some time.
    Stale(u8, bool),
    CloseAfter,
    Unasked,
    GoAway,
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
const REFUSED_ASKS: [(u16, &str); 7] = [
    (403, "SecurityTokenExpired"),
    (403, "RequestTimeTooSkewed"),
    (403, "AccessDenied"),
    (404, "NoSuchBucket"),
    (400, "InvalidArgument"),
    (429, "TooManyRequests"),
    (503, "ServiceUnavailable"),
];
const PAGES: [u16; 10] = [200, 206, 302, 403, 404, 408, 409, 413, 502, 504];
/// Of an answer to an append that was applied. The service's own refusal of it would be a lie that nobody can see through.
const STATUSES: [u16; 9] = [201, 206, 301, 302, 307, 408, 429, 500, 503];
const STATUSES_OF_ASKS: [u16; 8] = [201, 206, 301, 304, 403, 404, 500, 503];

fn pick<T: Copy>(of: &[T], choice: u8) -> T {
    of[usize::from(choice) % of.len()]
}

impl AppendFault {
    fn fault(&self) -> Fault {
        match *self {
            Self::Pass => Fault::Pass,
            Self::LoseRequest => Fault::LoseRequest,
            Self::CutRequest(bytes) => Fault::CutRequest(u64::from(bytes) % 1024),
            Self::RefuseEarly => Fault::RefuseEarly,
            Self::RefuseEarlyWith(choice) => {
                let (status, code) = pick(&REFUSALS, choice);
                Fault::RefuseEarlyWith(status, code)
            }
            Self::Refuse(choice) => {
                let (status, code) = pick(&REFUSALS, choice);
                Fault::Refuse(status, code)
            }
            Self::Page(choice) => Fault::Page(pick(&PAGES, choice)),
            Self::ApplyLate => Fault::ApplyLate,
            Self::ApplyAfter(two) => Fault::ApplyAfter(1 + u32::from(two)),
            Self::Hold => Fault::Hold,
            Self::Duplicate => Fault::Duplicate,
            Self::LoseAnswer => Fault::LoseAnswer,
            Self::Reset => Fault::Reset,
            Self::LoseAndReset => Fault::LoseRequest.and(Fault::Reset),
            Self::CutAnswer(bytes) => Fault::CutAnswer(u64::from(bytes) % 512),
            Self::Garbage => Fault::Garbage,
            Self::FailAfter(busy) => Fault::FailAfter(if busy { 503 } else { 500 }, "InternalError"),
            Self::PageAfter(choice) => Fault::PageAfter(pick(&PAGES, choice)),
            Self::StripHeaders => Fault::StripHeaders,
            Self::Status(choice) => Fault::Status(pick(&STATUSES, choice)),
            Self::WrongCrc => Fault::WrongCrc,
            Self::NoCrc => Fault::NoCrc,
            Self::WrongNext => Fault::WrongNext,
            Self::NoNext => Fault::NoNext,
            Self::NoRequestId => Fault::WithoutHeader("x-oss-request-id"),
            Self::CloseAfter => Fault::CloseAfter,
            Self::Unasked => Fault::Unasked,
            Self::GoAwayUnheard => Fault::GoAway.and(Fault::LoseAnswer),
        }
    }
}

impl AskFault {
    fn fault(&self, past: &[(u64, u64)]) -> Fault {
        match *self {
            Self::Pass => Fault::Pass,
            Self::LoseRequest => Fault::LoseRequest,
            Self::LoseAnswer => Fault::LoseAnswer,
            Self::CutAnswer(bytes) => Fault::CutAnswer(u64::from(bytes) % 512),
            Self::Garbage => Fault::Garbage,
            Self::FailAfter(busy) => Fault::FailAfter(if busy { 503 } else { 500 }, "InternalError"),
            Self::PageAfter(choice) => Fault::PageAfter(pick(&PAGES, choice)),
            Self::Refuse(choice) => {
                let (status, code) = pick(&REFUSED_ASKS, choice);
                Fault::Refuse(status, code)
            }
            Self::StripHeaders => Fault::StripHeaders,
            Self::Status(choice) => Fault::Status(pick(&STATUSES_OF_ASKS, choice)),
            Self::NoCrc => Fault::NoCrc,
            Self::WrongNext => Fault::WrongNext,
            Self::NoNext => Fault::NoNext,
            Self::NoRequestId => Fault::WithoutHeader("x-oss-request-id"),
            Self::Aged => Fault::WithHeader("Age", "7"),
            Self::IgnoreRange => Fault::IgnoreRange,
            Self::Stale(choice, with_crc) => {
                let (length, crc64) = pick(past, choice);
                Fault::Stale { length, crc64: Some(crc64).filter(|_| with_crc) }
            }
            Self::CloseAfter => Fault::CloseAfter,
            Self::Unasked => Fault::Unasked,
            Self::GoAway => Fault::GoAway,
        }
    }
}

struct World {
    shared: bool,
    rebase: bool,
    whole_lines: bool,
    threshold: usize,
    capacity: usize,
    oss: FakeOss,
    bucket: Bucket,
    app: Option<Appender>,
    /// Counts records, ours and others'.
    records: u64,
    /// Alone: all that ever was accepted and not lost with a life. Of it, this life accepted the first `accepted`.
    full: Vec<u8>,
    accepted: usize,
    /// Alone: so much was confirmed at some time.
    proved: u64,
    /// Alone: checkpoints that a program may have saved.
    saved: Vec<Checkpoint>,
    /// Shared: what this life has still to present, before anything new.
    queue: VecDeque<Vec<u8>>,
    /// Shared: our records, and others'; of ours, those that must be there.
    ours: BTreeSet<Vec<u8>>,
    others: BTreeSet<Vec<u8>>,
    confirmed: BTreeSet<Vec<u8>>,
    /// Ends the object had, for answers that are old.
    past: Vec<(u64, u64)>,
    trace: Vec<String>,
}

impl World {
    fn new(setting: &Setting) -> Self {
        let oss = FakeOss::start().expect("a port is free");
        let attempts = if setting.three_attempts { 3 } else { 2 };
        let bucket = oss.builder(BUCKET).attempts(attempts).build().expect("a good bucket");
        if setting.write_only {
            oss.forbid("HEAD");
            oss.forbid("GET");
        }
        Self {
            shared: setting.shared,
            rebase: setting.shared && setting.rebase,
            whole_lines: setting.whole_lines,
            threshold: if setting.threshold { 100 } else { 0 },
            capacity: pick(&[64, 100, 300, 1000], setting.capacity),
            oss,
            bucket,
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
            past: vec![(0, 0)],
            trace: vec![format!("{setting:?}")],
        }
    }

    fn fail(&self, what: impl Display) -> ! {
        let object = String::from_utf8_lossy(&self.object()).into_owned();
        panic!("{what}\n  {}\nobject: {object:?}", self.trace.join("\n  "));
    }

    fn note(&mut self, what: impl Display) {
        self.trace.push(what.to_string());
    }

    fn app(&mut self) -> &mut Appender {
        self.app.as_mut().expect("steps are made while there is one")
    }

    fn object(&self) -> Vec<u8> {
        self.oss.object(BUCKET, KEY).unwrap_or_default()
    }

    // ---- lives ---------------------------------------------------------------------------------------------------

    fn begin(&mut self, start: impl Fn(AppenderBuilder) -> Result<Appender>) {
        // A service that stays away for ever is none; scripts end.
        for _ in 0..60 {
            let policy = if self.rebase { OnConflict::Rebase } else { OnConflict::Fail };
            let builder = self.bucket.appender(KEY).buffer_capacity(self.capacity).whole_lines(self.whole_lines);
            match start(builder.on_conflict(policy).flush_threshold(self.threshold)) {
                Ok(app) => {
                    self.note(format_args!("begun at {}", app.checkpoint().position));
                    self.app = Some(app);
                    return;
                }
                Err(error) => {
                    self.note(format_args!("not begun: {error}"));
                    self.oss.come_back();
                    if matches!(error.kind(), ErrorKind::Conflict(_) | ErrorKind::NotAppendable) {
                        // Sealed, or somebody was quicker: this key's story ends.
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

    /// The bytes a life leaves behind that nobody presents again: only what the object shows of them has happened.
    fn forget(&mut self) {
        self.oss.come_back();
        if !self.shared {
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
    fn resume(&mut self, at: Checkpoint, bytes: &[u8]) {
        self.note(format_args!("resume at {} with {} bytes", at.position, bytes.len()));
        if self.shared {
            let mut lines: VecDeque<_> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            lines.append(&mut self.queue);
            self.queue = lines;
        } else {
            self.accepted = place(at.position);
        }
        self.begin(|builder| builder.resume(at));
    }

    fn take_apart(&mut self) {
        let (at, bytes) = self.app.take().expect("there is one").into_parts();
        self.resume(at, &bytes);
    }

    // ---- steps ---------------------------------------------------------------------------------------------------

    fn step(&mut self, operation: &Operation) {
        self.oss.come_back();
        let shared = self.shared;
        match operation {
            Operation::Write(padding) => self.write(*padding),
            Operation::Writes(paddings) => paddings.iter().for_each(|padding| {
                if self.app.is_some() {
                    self.write(*padding);
                }
            }),
            Operation::Flush => self.flush(),
            Operation::Confirm => self.confirm(),
            Operation::Finish => self.finish(),
            Operation::Resync => self.resync(),
            Operation::TakeApart => self.take_apart(),
            Operation::Crash(choice) if !shared => {
                drop(self.app.take().expect("there is one").into_parts());
                let at = pick(&self.saved, *choice);
                self.resume(at, &[]);
            }
            Operation::Drop => {
                self.note("drop");
                self.app = None;
                self.forget();
                self.begin(AppenderBuilder::open);
            }
            Operation::Land => {
                let landed = self.oss.land();
                self.note(format_args!("{landed} landed late"));
            }
            Operation::Stranger(padding) if shared => {
                let line = self.other(*padding);
                self.note(format_args!("a stranger's {} bytes", line.len()));
                self.oss.append_as_stranger(BUCKET, KEY, &line);
            }
            Operation::Seal if shared => {
                let sealed = self.oss.seal(BUCKET, KEY);
                self.note(format_args!("sealed: {sealed}"));
            }
            Operation::Crash(_) | Operation::Stranger(_) | Operation::Seal => {}
            Operation::Append(fault, strangers) => self.inject("POST", fault.fault(), strangers),
            Operation::Head(fault, strangers) => self.inject("HEAD", fault.fault(&self.past), strangers),
            Operation::Get(fault, strangers) => self.inject("GET", fault.fault(&self.past), strangers),
        }
        self.check();
    }

    fn inject(&mut self, method: &str, fault: Fault, strangers: &Strangers) {
        // Alone, an answer that is old is a lie that nothing can tell from the truth.
        if !self.shared && matches!(fault, Fault::Stale { .. }) {
            return;
        }
        self.past.push((self.object().len() as u64, self.oss.object_crc64(BUCKET, KEY).unwrap_or(0)));
        let fault = match strangers {
            Strangers::Before if self.shared => fault.and(Fault::StrangerBefore(self.other(0))),
            Strangers::After if self.shared => fault.and(Fault::StrangerAfter(self.other(0))),
            _ => fault,
        };
        self.note(format_args!("  {method} {fault:?}"));
        self.oss.inject_on(method, fault);
    }

    fn record(&mut self, who: char, padding: u8) -> Vec<u8> {
        self.records += 1;
        format!("{who}{}.{}\n", self.records, "x".repeat(usize::from(padding) % 48)).into_bytes()
    }

    fn other(&mut self, padding: u8) -> Vec<u8> {
        let line = self.record('s', padding);
        self.others.insert(line.clone());
        line
    }

    fn write(&mut self, padding: u8) {
        let data = if self.shared {
            self.queue.pop_front().unwrap_or_else(|| self.record('a', padding))
        } else if self.accepted < self.full.len() {
            let left = &self.full[self.accepted..];
            left[..left.len().min(usize::from(padding) + 1)].to_vec()
        } else {
            // More than the buffer holds, too.
            let records = if padding > 250 { 20 } else { 1 };
            (0..records).flat_map(|_| self.record('a', padding)).collect()
        };
        let before = self.app().pending().to_vec();
        match self.app().write(&data) {
            Ok(taken) => {
                self.note(format_args!("write {taken} of {}", data.len()));
                if taken == 0 || taken > data.len() {
                    self.fail("write took nothing, or more than there was");
                }
                if self.shared {
                    if taken < data.len() {
                        self.fail("a record was divided");
                    }
                    self.ours.insert(data.clone());
                } else {
                    if self.accepted == self.full.len() {
                        self.full.extend_from_slice(&data[..taken]);
                    }
                    self.accepted += taken;
                }
                self.account(&[&before, &data[..taken]].concat());
            }
            Err(error) => {
                if self.shared {
                    self.queue.push_front(data);
                }
                self.account(&before);
                self.on_io_error("write", &error);
            }
        }
    }

    fn flush(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app().flush() {
            Ok(()) if self.threshold == 0 => {
                self.note("flush");
                self.proved_all(&before);
            }
            Ok(()) => {
                self.note("flush, perhaps");
                self.account(&before);
            }
            Err(error) => {
                self.account(&before);
                self.on_io_error("flush", &error);
            }
        }
    }

    fn confirm(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app().confirm() {
            Ok(at) => {
                self.note(format_args!("confirm {}", at.position));
                self.proved_all(&before);
            }
            Err(error) => {
                self.account(&before);
                self.on_error("confirm", &error);
            }
        }
    }

    fn finish(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app.take().expect("there is one").finish() {
            Ok(end) => {
                self.note(format_args!("finish {}", end.position));
                self.finished(end, &before);
                // What it never presented again is lost with it.
                self.forget();
                self.begin(AppenderBuilder::open);
            }
            Err(failed) => {
                let error = failed.error().clone();
                self.app = Some(failed.into_appender());
                self.account(&before);
                self.on_error("finish", &error);
            }
        }
    }

    fn resync(&mut self) {
        let before = self.app().pending().to_vec();
        match self.app().resync() {
            Ok(at) => {
                self.note(format_args!("resync {}", at.position));
                self.account(&before);
            }
            Err(error) => {
                self.account(&before);
                self.on_error("resync", &error);
            }
        }
    }

    // ---- what must be true ---------------------------------------------------------------------------------------

    /// `Ok` means everything accepted: nothing is pending, and it is there.
    fn proved_all(&mut self, before: &[u8]) {
        if !self.app().pending().is_empty() || self.app().in_doubt().is_some() {
            self.fail("Ok with bytes pending, or in doubt");
        }
        let at = self.app().checkpoint();
        self.finished(at, before);
    }

    fn finished(&mut self, at: Checkpoint, before: &[u8]) {
        let object = self.object();
        if self.shared {
            self.confirmed.extend(lines(before).map(<[u8]>::to_vec));
        } else {
            if at.position != self.accepted as u64 {
                self.fail(format_args!("Ok at {}, but {} were accepted", at.position, self.accepted));
            }
            self.proved = self.proved.max(at.position);
            self.saved.push(at);
            self.check_prefix(&object);
        }
        if !before.is_empty() {
            match object.get(..place(at.position)) {
                None => self.fail("confirmed beyond the object's end"),
                Some(begun) if Checkpoint::default().advance(begun) != at => {
                    self.fail("confirmed, and the object before that place is another");
                }
                Some(_) => {}
            }
        }
    }

    /// Bytes leave `pending` only from its front, and only when they are in.
    fn account(&mut self, before: &[u8]) {
        let pending = self.app().pending().to_vec();
        let Some(gone) = before.strip_suffix(&*pending) else {
            self.fail("pending bytes are not the last of those accepted");
        };
        if self.shared {
            self.confirmed.extend(lines(gone).map(<[u8]>::to_vec));
        }
    }

    fn on_io_error(&mut self, call: &str, error: &std::io::Error) {
        match Error::find(error).cloned() {
            Some(error) => self.on_error(call, &error),
            None => self.fail(format_args!("{call}: not our error: {error}")),
        }
    }

    fn on_error(&mut self, call: &str, error: &Error) {
        self.note(format_args!("{call}: {:?}: {error}", error.kind()));
        let doubt = self.app().in_doubt();
        let pending = self.app().pending().to_vec();
        if doubt.as_ref().is_some_and(|doubt| doubt.end - doubt.start > pending.len() as u64) {
            self.fail("more in doubt than pending");
        }
        match error.outcome() {
            Outcome::Unknown if doubt.is_none() => self.fail("Unknown, and nothing in doubt"),
            Outcome::NotApplied | Outcome::Applied if doubt.is_some() && call != "resync" => {
                self.fail("a verdict, and still in doubt");
            }
            Outcome::NotApplied => self.not_there(&pending),
            Outcome::Applied if self.shared && error.kind() != ErrorKind::Integrity && call != "resync" => {
                let first = lines(&pending).next();
                if first.is_some_and(|first| !counted(&self.object()).contains_key(first)) {
                    self.fail("Applied, and not there");
                }
            }
            _ => {}
        }
    }

    /// Neither now nor, if it still can, later: every schedule may end here, so what is late may come.
    fn not_there(&mut self, pending: &[u8]) {
        self.oss.land();
        let object = self.object();
        if self.shared {
            let there = counted(&object);
            if let Some(line) = lines(pending).find(|line| there.contains_key(line)) {
                self.fail(format_args!("NotApplied, and in: {:?}", String::from_utf8_lossy(line)));
            }
        } else {
            let confirmed = self.app().checkpoint().position;
            if object.len() as u64 > confirmed && self.accepted == self.full.len() {
                self.fail(format_args!("NotApplied, and in: {} beyond {confirmed}", object.len()));
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

    fn check(&self) {
        let object = self.object();
        if self.shared {
            return self.check_records(&object);
        }
        self.check_prefix(&object);
        let Some(app) = &self.app else { return };
        let (at, pending) = (app.checkpoint(), app.pending());
        let from = place(at.position);
        if self.full.get(from..self.accepted) != Some(pending) {
            self.fail("confirmed and pending bytes are not those accepted");
        }
        if object.get(..from).is_none_or(|begun| Checkpoint::default().advance(begun) != at) {
            self.fail("the checkpoint is not the object's");
        }
    }

    fn check_records(&self, object: &[u8]) {
        let there = counted(object);
        let shown = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
        for (line, times) in &there {
            if self.ours.contains(*line) && *times > 1 {
                self.fail(format_args!("{times} times there: {:?}", shown(line)));
            }
            if !self.ours.contains(*line) && !self.others.contains(*line) {
                self.fail(format_args!("torn: {:?}", shown(line)));
            }
        }
        if let Some(lost) = self.confirmed.iter().find(|line| !there.contains_key(line.as_slice())) {
            self.fail(format_args!("confirmed and lost: {:?}", shown(lost)));
        }
    }

    // ---- the end -------------------------------------------------------------------------------------------------

    /// No more faults than those still scripted: now everything must come to an end.
    fn end(&mut self) {
        self.note("the end");
        self.oss.allow("HEAD");
        self.oss.allow("GET");
        let (mut rounds, mut clear) = (0, 0);
        while self.app.is_some() {
            self.oss.come_back();
            rounds += 1;
            // Some faults are for requests that nobody will make.
            clear = if self.oss.faults_left() == 0 || rounds > OPERATIONS { clear + 1 } else { 0 };
            if clear > if self.shared { 4 } else { 10 } {
                if !self.shared {
                    self.fail("it never comes to an end");
                }
                break;
            }
            while self.app.is_some() && (self.accepted < self.full.len() || !self.queue.is_empty()) {
                let left = (self.accepted, self.queue.len());
                self.write(200);
                if left == (self.accepted, self.queue.len()) {
                    break;
                }
            }
            let presented = self.accepted == self.full.len();
            let before = self.app().pending().to_vec();
            match self.app.take().expect("there is one").finish() {
                Ok(end) => {
                    self.note(format_args!("finish {}", end.position));
                    self.finished(end, &before);
                    if presented {
                        break;
                    }
                    self.resume(end, &[]);
                }
                Err(failed) => {
                    let error = failed.error().clone();
                    self.app = Some(failed.into_appender());
                    self.account(&before);
                    self.on_error("finish", &error);
                    if matches!(error.kind(), ErrorKind::Conflict(_) | ErrorKind::Integrity | ErrorKind::Protocol) {
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
        if !self.shared && self.object() != self.full {
            self.fail("the object is not what was accepted");
        }
    }
}

fn place(position: u64) -> usize {
    usize::try_from(position).expect("what is in memory has a place there")
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

fn counted(object: &[u8]) -> BTreeMap<&[u8], u32> {
    let mut lines = BTreeMap::new();
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        *lines.entry(line).or_insert(0) += 1;
    }
    lines
}
