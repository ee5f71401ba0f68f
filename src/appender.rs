//! An object's end, as [`io::Write`].

use crate::{
    AppendOptions, Body, Bucket, Checkpoint,
    append::{Append, Chunk},
    ask::{Ask, Seen},
    body::too_large,
    bucket::check_position,
    buffer::Buffer,
    clock, endpoint,
    error::{Error, ErrorKind, Found, Outcome, Result},
    options::Headers,
    position::SIZE_LIMIT,
};
use std::{
    fmt,
    io::{self, Read, Write},
    ops::Range,
    panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// An object's end, as [`io::Write`].
///
/// It keeps the position, joins small writes into requests of up to
/// [`DEFAULT_BUFFER_CAPACITY`](AppenderBuilder::DEFAULT_BUFFER_CAPACITY), compares the CRC-64 of the whole object after
/// each, and settles lost answers: every byte it accepted is in the object once, in order, or an error said what became
/// of it. Bytes whose fate is open stay in its buffer, so nobody has to present them again.
///
/// **[`finish`](Self::finish) it.** Dropping makes one attempt and cannot report.
///
/// ```
/// use std::io::{self, Write};
///
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// let mut log = bucket.appender("log.txt").open()?;
/// writeln!(log, "first line")?;
/// io::copy(&mut "second line\n".as_bytes(), &mut log)?;
/// let end = log.finish()?;
/// assert_eq!(end.position, 23);
/// # assert_eq!(oss.object("bucket", "log.txt").unwrap(), b"first line\nsecond line\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What each call promises
///
/// - `write` takes bytes only after everything that can fail has succeeded: an error means that none of *this call's*
///   bytes were taken, and speaks of earlier ones. More than fits the buffer is taken in part.
/// - One `write` no longer than the buffer is one *record*: it is never divided between two requests. `writeln!` with
///   arguments makes several; use [`whole_lines`](AppenderBuilder::whole_lines) or a [`std::io::LineWriter`].
/// - `flush` returns `Ok` only when everything accepted is confirmed (but see
///   [`flush_threshold`](AppenderBuilder::flush_threshold)). With nothing pending it sends nothing.
/// - A [`Conflict`](ErrorKind::Conflict) or [`Integrity`](ErrorKind::Integrity) error stays: every later call repeats it
///   until [`resync`](Self::resync).
#[must_use = "bytes may be lost unless finished"]
pub struct Appender {
    /// `None` only when it was finished or taken apart.
    inner: Option<Box<Inner>>,
}

/// How an [`Appender`] starts and behaves.
///
/// ```
/// # use oss_append::AppendOptions;
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// let log = bucket
///     .appender("app.log")
///     .options(AppendOptions::new().content_type("text/plain"))
///     .buffer_capacity(1 << 20)
///     .whole_lines(true)
///     .open()?;
/// log.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "does nothing until opened"]
pub struct AppenderBuilder {
    bucket: Bucket,
    key: String,
    options: AppendOptions,
    capacity: usize,
    flush_threshold: usize,
    max_age: Option<Duration>,
    whole_lines: Option<bool>,
    on_conflict: OnConflict,
    roll: Option<Roll>,
}

/// What to do when somebody else appended.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// Fail with [`ErrorKind::Conflict`].
    #[default]
    Fail,
    /// Move to the new end and send there: for logs that several processes share.
    ///
    /// Only after a foreign append was *proved* by reading back: other bytes at our place, and an unchanged object
    /// before it. Never while it is open whether our own bytes are in. Needs permission to read.
    ///
    /// Others' bytes may come between any two requests, so requests must hold whole records: `writeln!` with arguments
    /// is several writes. [`whole_lines`](AppenderBuilder::whole_lines) is on unless switched off. Give every record
    /// something of its own: a stranger's *equal* bytes at the same place cannot be told from ours.
    Rebase,
}

/// The object that is full.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolled {
    /// Its key.
    pub key: String,
    /// Where it ends, confirmed.
    pub checkpoint: Checkpoint,
}

type NextKey = dyn FnMut(&Rolled) -> String + Send;

struct Roll {
    max_bytes: u64,
    /// In a mutex only to be `Sync`; never locked.
    next_key: Mutex<Box<NextKey>>,
}

struct Inner {
    bucket: Bucket,
    key: String,
    options: AppendOptions,
    headers: Headers,
    flush_threshold: usize,
    max_age: Option<Duration>,
    whole_lines: bool,
    on_conflict: OnConflict,
    roll: Option<Roll>,
    confirmed: Checkpoint,
    existed: Option<bool>,
    /// An earlier life may have sent what will be written: true until the first answer of the service's.
    resumed: bool,
    /// Accepted and not confirmed.
    buffer: Buffer,
    /// Since when the oldest of them waits.
    oldest: Option<Instant>,
    /// The beginning of the buffer, cut and sent, its fate open. It keeps its cut.
    chunk: Option<Chunk>,
    /// What every call repeats until `resync`.
    failed: Option<Error>,
    /// The user was told that pending bytes did not get through: dropping must not send them behind his back.
    reported: bool,
}

impl Bucket {
    /// Starts an [`Appender`] at the object's end.
    pub fn appender(&self, key: &str) -> AppenderBuilder {
        AppenderBuilder {
            bucket: self.clone(),
            key: key.to_owned(),
            options: AppendOptions::new(),
            capacity: AppenderBuilder::DEFAULT_BUFFER_CAPACITY,
            flush_threshold: 0,
            max_age: None,
            whole_lines: None,
            on_conflict: OnConflict::Fail,
            roll: None,
        }
    }
}

impl AppenderBuilder {
    /// Bytes per request unless said otherwise: 8 MiB.
    pub const DEFAULT_BUFFER_CAPACITY: usize = 8 << 20;

    /// Headers, metadata, progress. A checksum of one body (`Content-MD5`) is refused: it cannot fit many.
    pub fn options(mut self, options: AppendOptions) -> Self {
        self.options = options;
        self
    }

    /// Bytes per request, at most; the buffer is allocated once, at the first write.
    pub fn buffer_capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes;
        self
    }

    /// `flush` does nothing below this many pending bytes (unless they are older than [`max_age`](Self::max_age)).
    /// Default 0: `flush` is honest.
    ///
    /// For loggers, which flush after every record: that would be a request each. Then only
    /// [`confirm`](Appender::confirm) and [`finish`](Appender::finish) are proof.
    pub fn flush_threshold(mut self, bytes: usize) -> Self {
        self.flush_threshold = bytes;
        self
    }

    /// Pending bytes this old are sent by the next `write`, `flush` or [`flush_due`](Appender::flush_due). There is no
    /// thread: without any of these calls nothing is sent.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Requests that are sent because the buffer is full, or old, or the object, end after a newline. A line longer
    /// than the buffer is cut at its end. `flush` and `finish` send an unfinished line. Default: on with
    /// [`Rebase`](OnConflict::Rebase) or [`roll_over`](Self::roll_over), else off.
    pub fn whole_lines(mut self, yes: bool) -> Self {
        self.whole_lines = Some(yes);
        self
    }

    /// Fail, or move to the new end (shared logs).
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// Above `max_bytes` go on in the object whose key the closure returns.
    ///
    /// The old object is confirmed first, a record is never divided between the two, and create-time options go out
    /// again for the new one. It is started at 0 without asking, as by [`create_new`](Self::create_new). A record
    /// longer than `max_bytes` gets an object to itself. `writeln!` with arguments is several records: lines stay
    /// whole because [`whole_lines`](Self::whole_lines) is on unless switched off.
    pub fn roll_over(mut self, max_bytes: u64, next_key: impl FnMut(&Rolled) -> String + Send + 'static) -> Self {
        self.roll = Some(Roll { max_bytes, next_key: Mutex::new(Box::new(next_key)) });
        self
    }

    /// Asks where the end is; an absent object has its end at 0. Needs permission to read.
    ///
    /// # Errors
    /// [`NotAppendable`](ErrorKind::NotAppendable), [`Conflict(Sealed)`](Found::Sealed), and what keeps the question
    /// from being answered. [`InvalidInput`](ErrorKind::InvalidInput) for settings that cannot be.
    pub fn open(self) -> Result<Appender> {
        let mut appender = self.start(Checkpoint::default(), false)?;
        appender.inner_mut().look()?;
        Ok(appender)
    }

    /// Starts at 0 without asking; an existing non-empty object is a conflict at the first append.
    ///
    /// An existing *empty* object is appended to, and create-time options are then ignored by the service:
    /// [`existed`](Appender::existed) stays `None`, for nobody looked.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for settings that cannot be.
    pub fn create_new(self) -> Result<Appender> {
        self.start(Checkpoint::default(), false)
    }

    /// Goes on at a checkpoint without asking; interference is found at the first append.
    ///
    /// Bytes that an earlier life of the program had sent behind the checkpoint, and that are presented again, are
    /// recognised, however they were cut: after a kill, go on with the same bytes from the last saved checkpoint.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for settings or a checkpoint that cannot be.
    pub fn resume(self, at: Checkpoint) -> Result<Appender> {
        check_position(at.into())?;
        self.start(at, true)
    }

    fn start(self, confirmed: Checkpoint, resumed: bool) -> Result<Appender> {
        endpoint::check_key(&self.key)?;
        let headers = self.options.headers(&self.key)?;
        if let Some(name) = headers.fixes_the_body() {
            return Err(Error::invalid_input(format!("{name} is of one body: an appender sends many")));
        }
        if self.capacity == 0 || self.capacity as u64 > SIZE_LIMIT {
            return Err(Error::invalid_input("buffer_capacity must be from 1 byte to 5 GiB"));
        }
        if self.roll.as_ref().is_some_and(|roll| roll.max_bytes == 0) {
            return Err(Error::invalid_input("roll_over at 0 bytes: no object could hold anything"));
        }
        let shared = self.on_conflict == OnConflict::Rebase || self.roll.is_some();
        let inner = Inner {
            bucket: self.bucket,
            key: self.key,
            options: self.options,
            headers,
            flush_threshold: self.flush_threshold,
            max_age: self.max_age,
            whole_lines: self.whole_lines.unwrap_or(shared),
            on_conflict: self.on_conflict,
            roll: self.roll,
            confirmed,
            existed: None,
            resumed,
            buffer: Buffer::new(self.capacity),
            oldest: None,
            chunk: None,
            failed: None,
            reported: false,
        };
        Ok(Appender { inner: Some(Box::new(inner)) })
    }
}

impl Appender {
    /// What the service has confirmed.
    pub fn checkpoint(&self) -> Checkpoint {
        self.inner().confirmed
    }

    /// Accepted, not confirmed.
    pub fn pending(&self) -> &[u8] {
        self.inner().buffer.bytes()
    }

    /// The object written to now.
    pub fn key(&self) -> &str {
        &self.inner().key
    }

    /// Was it there before us? As [`open`](AppenderBuilder::open) or [`resync`](Self::resync) saw it; `None` where
    /// nobody looked. If so, create-time options had no effect.
    pub fn existed(&self) -> Option<bool> {
        self.inner().existed
    }

    /// The bytes whose fate is not known, if any, as positions in the object. They are the beginning of
    /// [`pending`](Self::pending).
    pub fn in_doubt(&self) -> Option<Range<u64>> {
        let inner = self.inner();
        let chunk = inner.chunk.as_ref()?;
        let unknown = inner.failed.as_ref().is_some_and(|error| error.outcome() == Outcome::Unknown);
        (chunk.is_in_doubt() || unknown).then(|| chunk.start.position..chunk.end())
    }

    /// Reads to the end, straight into the buffer, and returns how many bytes that were. The last of them are pending:
    /// [`finish`](Self::finish) or flush.
    ///
    /// By value, by `&mut`, `dyn`: all fine.
    ///
    /// # Errors
    /// The reader's own, with everything read before it accepted; and as [`Write::write`]. At the 5 GiB an object can
    /// hold, one byte more is asked for to see whether that was all; if there is one, it is not taken.
    pub fn copy_from(&mut self, mut reader: impl Read) -> io::Result<u64> {
        let inner = self.inner_mut();
        let mut copied = 0;
        loop {
            let read = match inner.room_for_more()? {
                0 => {
                    let mut one = [0];
                    let read = read_once(&mut reader, &mut one)?;
                    inner.accept(&one[..read])?
                }
                room => {
                    let read = read_once(&mut reader, inner.buffer.free(room))?;
                    inner.took(read);
                    read
                }
            };
            if read == 0 {
                return Ok(copied);
            }
            copied += read as u64;
        }
    }

    /// Sends and confirms everything accepted, whatever [`flush_threshold`](AppenderBuilder::flush_threshold) says. (As
    /// [`File::sync_all`](std::fs::File::sync_all) beside its `flush`.)
    ///
    /// # Errors
    /// [`Error::outcome`] speaks of the first pending bytes, which the text names by their range; those behind them
    /// were never sent. They all stay pending.
    pub fn confirm(&mut self) -> Result<Checkpoint> {
        let inner = self.inner_mut();
        inner.check()?;
        inner.send_everything()?;
        Ok(inner.confirmed)
    }

    /// Sends what is older than [`max_age`](AppenderBuilder::max_age); for loops that may go quiet.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm).
    pub fn flush_due(&mut self) -> io::Result<()> {
        let inner = self.inner_mut();
        inner.check()?;
        Ok(inner.send_due()?)
    }

    /// Accepts the object as it is now: the way out of a conflict.
    ///
    /// What is pending is settled first: bytes proved to be in leave [`pending`](Self::pending), bytes proved not to be
    /// in stay there and go to the new end. If neither can be proved, nothing is changed. Needs permission to read.
    ///
    /// # Errors
    /// With [`Outcome::Unknown`] if bytes are in doubt and cannot be settled; and as [`open`](AppenderBuilder::open).
    pub fn resync(&mut self) -> Result<Checkpoint> {
        let inner = self.inner_mut();
        inner.settle()?;
        inner.look()?;
        inner.failed = None;
        Ok(inner.confirmed)
    }

    /// [`confirm`](Self::confirm), then done.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm); the error has the appender inside, to finish again or take apart.
    pub fn finish(mut self) -> Result<Checkpoint, FinishError> {
        match self.confirm() {
            Ok(end) => {
                self.inner = None;
                Ok(end)
            }
            Err(error) => Err(FinishError { error, appender: self }),
        }
    }

    /// What is confirmed and what is not; nothing is sent.
    ///
    /// If [`in_doubt`](Self::in_doubt) says so, the first of the bytes may be in the object: only
    /// [`resume`](AppenderBuilder::resume) at this checkpoint, on the same key, may present them again.
    pub fn into_parts(mut self) -> (Checkpoint, Vec<u8>) {
        let inner = self.inner.take().expect(WHOLE);
        (inner.confirmed, inner.buffer.into_bytes())
    }

    fn inner(&self) -> &Inner {
        self.inner.as_deref().expect(WHOLE)
    }

    fn inner_mut(&mut self) -> &mut Inner {
        self.inner.as_deref_mut().expect(WHOLE)
    }
}

const WHOLE: &str = "only `finish` and `into_parts` empty an appender, and both consume it";

impl Write for Appender {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(self.inner_mut().accept(data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        let inner = self.inner_mut();
        inner.check()?;
        inner.settle_frozen()?;
        if inner.buffer.len() < inner.flush_threshold && !inner.is_due() {
            return Ok(());
        }
        Ok(inner.send_everything()?)
    }
}

impl Drop for Appender {
    /// One attempt, without pauses, questions or roll-over, its result untold. None at all if a failure was reported
    /// or bytes are in doubt: whoever was told that they did not get through may have put them elsewhere.
    fn drop(&mut self) {
        if let Some(inner) = &mut self.inner {
            // A progress callback or a provider may panic, and a destructor may be running because of a panic.
            let _ = catch_unwind(AssertUnwindSafe(|| inner.last_attempt()));
        }
    }
}

impl Inner {
    /// Takes what fits, after everything that can fail.
    fn accept(&mut self, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        // More than the buffer holds is no record, and is taken piece by piece.
        let wanted = data.len().min(self.buffer.capacity());
        self.check()?;
        self.make_room(wanted, data.len() <= self.buffer.capacity())?;
        let end = self.end();
        if end + wanted as u64 > SIZE_LIMIT {
            return Err(self.full(end));
        }
        let taken = self.buffer.push(data);
        self.took_time();
        Ok(taken)
    }

    /// How many bytes of a stream can be taken now. 0: the object is full, as far as a stream can fill it.
    fn room_for_more(&mut self) -> Result<usize> {
        self.check()?;
        self.make_room(1, false)?;
        let limit = self.roll.as_ref().map_or(SIZE_LIMIT, |roll| roll.max_bytes.min(SIZE_LIMIT));
        let room = limit.saturating_sub(self.end());
        let free = self.buffer.len_free();
        Ok(usize::try_from(room).map_or(free, |room| room.min(free)))
    }

    fn took(&mut self, bytes: usize) {
        self.buffer.grow(bytes);
        self.took_time();
    }

    fn took_time(&mut self) {
        if self.max_age.is_some() && self.oldest.is_none() && !self.buffer.is_empty() {
            self.oldest = Some(clock::instant());
        }
    }

    /// Everything that can fail before `wanted` more bytes are taken.
    fn make_room(&mut self, wanted: usize, record: bool) -> Result<()> {
        self.settle_frozen()?;
        self.send_due()?;
        if let Some(roll) = &self.roll
            && record
            && self.end() + wanted as u64 > roll.max_bytes
        {
            self.roll_over()?;
        }
        if wanted > self.buffer.len_free() && (record || self.buffer.len_free() == 0) {
            self.send_lines()?;
        }
        if self.buffer.len_free() == 0 {
            self.send_everything()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn full(&self, end: u64) -> Error {
        let what = format!("{:?} would grow beyond the 5 GiB an object can hold: it ends at {end}", self.key);
        too_large(what).with_next_position(Some(end))
    }

    /// Where the object will end once everything accepted is in.
    fn end(&self) -> u64 {
        self.confirmed.position + self.buffer.len() as u64
    }

    fn is_due(&self) -> bool {
        self.max_age.zip(self.oldest).is_some_and(|(age, oldest)| oldest.elapsed() >= age)
    }

    fn send_due(&mut self) -> Result<()> {
        if self.is_due() { self.send_lines() } else { Ok(()) }
    }

    /// What is cut by itself and not by the user: with `whole_lines`, after the last newline.
    fn send_lines(&mut self) -> Result<()> {
        self.settle_frozen()?;
        let pending = self.buffer.bytes();
        let lines = match self.whole_lines {
            true => pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1),
            false => pending.len(),
        };
        self.send(lines)
    }

    fn send_everything(&mut self) -> Result<()> {
        self.settle_frozen()?;
        self.send(self.buffer.len())
    }

    /// Nothing is cut anew before what is in doubt is settled.
    fn settle_frozen(&mut self) -> Result<()> {
        match self.chunk.take() {
            Some(chunk) => self.deliver(chunk),
            None => Ok(()),
        }
    }

    fn send(&mut self, mut bytes: usize) -> Result<()> {
        // One request; more only where an earlier life had cut the same bytes differently.
        while bytes > 0 {
            let before = self.buffer.len();
            let chunk = match self.resumed {
                true => Chunk::resumed(self.confirmed.into(), bytes as u64),
                false => Chunk::new(self.confirmed.into(), Some(bytes as u64)),
            };
            self.deliver(chunk)?;
            bytes -= before - self.buffer.len();
        }
        Ok(())
    }

    fn deliver(&mut self, mut chunk: Chunk) -> Result<()> {
        let length = usize::try_from(chunk.end() - chunk.start.position).expect("a chunk is a part of the buffer");
        let result = self.append().run(&mut chunk, &mut Body::from(&self.buffer.bytes()[..length]));
        match result {
            Ok(landed) => {
                self.resumed &= landed.answer.is_none();
                self.confirmed = Checkpoint {
                    position: landed.end.position,
                    crc64: landed.end.crc64.expect("the CRC of what lies before was known"),
                };
                let landed = usize::try_from(landed.bytes).expect("a chunk is a part of the buffer");
                self.let_go(landed);
                Ok(())
            }
            Err(error) => {
                self.reported = true;
                let sticky =
                    matches!(error.kind(), ErrorKind::Conflict(_) | ErrorKind::Integrity | ErrorKind::Protocol);
                self.failed = sticky.then(|| error.clone());
                // What is certainly not in may be cut anew.
                self.chunk = (sticky || chunk.is_in_doubt()).then_some(chunk);
                Err(error)
            }
        }
    }

    /// These are in: they are ours no longer.
    fn let_go(&mut self, bytes: usize) {
        self.buffer.consume(bytes);
        self.reported = false;
        self.oldest = None;
        self.took_time();
    }

    /// Is what was sent in, or not? The service is asked where no answer has said so yet.
    fn settle(&mut self) -> Result<()> {
        let Some(chunk) = self.chunk.take() else { return Ok(()) };
        let told = self.failed.as_ref().map_or(Outcome::Unknown, Error::outcome);
        let length = usize::try_from(chunk.end() - chunk.start.position).expect("a chunk is a part of the buffer");
        let outcome = match told {
            Outcome::Unknown => {
                let before = self.failed.clone();
                match self.deliver(chunk) {
                    Ok(()) => return Ok(()),
                    Err(error) if error.outcome() == Outcome::Unknown => {
                        self.failed = self.failed.take().or(before);
                        return Err(error);
                    }
                    Err(error) => error.outcome(),
                }
            }
            told => told,
        };
        self.chunk = None;
        if outcome == Outcome::Applied {
            self.let_go(length);
        }
        Ok(())
    }

    /// Where does the object end?
    fn look(&mut self) -> Result<()> {
        let ask = self.ask();
        let (confirmed, existed) = match ask.head() {
            Seen::Object(head) if head.sealed => {
                let what = format!("{:?} is sealed: it takes no more bytes", self.key);
                let sealed = Error::new(ErrorKind::Conflict(Found::Sealed), what);
                return Err(sealed.with_next_position(Some(head.length)));
            }
            Seen::Object(head) if !head.appendable => {
                let what = format!("{:?} is not an appendable object", self.key);
                return Err(Error::new(ErrorKind::NotAppendable, what));
            }
            Seen::Object(head) if head.length > SIZE_LIMIT => {
                let what = format!("{:?} is said to have {} bytes, more than an object can hold", self.key, head.length);
                return Err(Error::new(ErrorKind::Protocol, what));
            }
            Seen::Object(head) => {
                // Objects older than the feature have no CRC of their own: then it takes reading them.
                let crc64 = head.crc64.or_else(|| ask.crc64_of(head.length)).ok_or_else(|| {
                    let what = format!("the service does not tell the CRC-64 of {:?}, and it cannot be read", self.key);
                    Error::new(ErrorKind::Protocol, what)
                })?;
                (Checkpoint { position: head.length, crc64 }, true)
            }
            Seen::Missing => (Checkpoint::default(), false),
            Seen::Forbidden(error) => {
                let place = format!("the end of {:?} cannot be asked for (create_new and resume do not ask)", self.key);
                return Err(error.at(place));
            }
            Seen::Nothing(error) => return Err(error.at(format_args!("end of {:?}", self.key))),
        };
        self.confirmed = confirmed;
        self.existed = Some(existed);
        self.resumed = false;
        Ok(())
    }

    /// Between confirmed requests, and between records.
    fn roll_over(&mut self) -> Result<()> {
        self.send_lines()?;
        // With nothing in it, another object would be no better.
        let Some(roll) = self.roll.as_mut().filter(|_| self.confirmed.position > 0) else { return Ok(()) };
        let rolled = Rolled { key: self.key.clone(), checkpoint: self.confirmed };
        let next_key = roll.next_key.get_mut().unwrap_or_else(PoisonError::into_inner);
        let key = next_key(&rolled);
        let place = || format!("roll_over from {:?} to {key:?}", self.key);
        endpoint::check_key(&key).map_err(|error| error.at(place()))?;
        if key == self.key {
            return Err(Error::invalid_input("the next key is the old one").at(place()));
        }
        self.headers = self.options.headers(&key).map_err(|error| error.at(place()))?;
        self.key = key;
        self.confirmed = Checkpoint::default();
        self.existed = None;
        self.resumed = false;
        Ok(())
    }

    fn last_attempt(&mut self) {
        if self.reported || self.chunk.is_some() || self.buffer.is_empty() {
            return;
        }
        let pending = self.buffer.bytes();
        let mut chunk = Chunk::new(self.confirmed.into(), Some(pending.len() as u64));
        self.append().try_once(&mut chunk, &mut Body::from(pending));
    }

    fn append(&self) -> Append<'_> {
        Append {
            client: self.bucket.client(),
            key: &self.key,
            headers: &self.headers,
            progress: self.options.progress_callback(),
            creates: self.existed != Some(true),
            rebase: self.on_conflict == OnConflict::Rebase,
        }
    }

    fn ask(&self) -> Ask<'_> {
        Ask { client: self.bucket.client(), key: &self.key, payer: self.headers.request_payer() }
    }
}

fn read_once(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Ok(read) if read <= buffer.len() => return Ok(read),
            Ok(_) => return Err(io::Error::other("the reader returned more bytes than it was given room for")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Debug for Appender {
    /// Lengths, never bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Appender");
        if let Some(inner) = &self.inner {
            debug
                .field("key", &inner.key)
                .field("checkpoint", &inner.confirmed)
                .field("pending", &format_args!("{}/{}", inner.buffer.len(), inner.buffer.capacity()))
                .field("in_doubt", &self.in_doubt());
        }
        debug.finish_non_exhaustive()
    }
}

impl fmt::Debug for AppenderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppenderBuilder").field("key", &self.key).finish_non_exhaustive()
    }
}

// As for `Bucket`: between two calls everything is whole, for nothing is marked done before it is.
impl UnwindSafe for Appender {}
impl RefUnwindSafe for Appender {}

/// `finish` failed; the appender is inside, unharmed.
///
/// `?` turns it into [`Error`] or [`io::Error`], and drops the appender (which sends nothing: the failure was
/// reported).
pub struct FinishError {
    error: Error,
    appender: Appender,
}

impl FinishError {
    /// Why.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// To finish again or take apart.
    pub fn into_appender(self) -> Appender {
        self.appender
    }
}

impl fmt::Debug for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishError").field("error", &self.error).field("appender", &self.appender).finish()
    }
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not everything is confirmed")
    }
}

impl std::error::Error for FinishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<FinishError> for Error {
    fn from(error: FinishError) -> Self {
        error.error
    }
}

impl From<FinishError> for io::Error {
    fn from(error: FinishError) -> Self {
        error.error.into()
    }
}
