//! An object's end, as [`io::Write`].

use crate::{
    Checkpoint,
    error::{Error, Result},
};
use std::{
    fmt,
    io::{self, Read, Write},
    ops::Range,
    panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind},
};
use stream::Stream;

mod builder;
mod stream;

pub use builder::{AppenderBuilder, OnConflict, Rolled};

/// An object's end, as [`io::Write`].
///
/// It keeps the position, joins small writes into requests of up to
/// [`DEFAULT_BUFFER_CAPACITY`](AppenderBuilder::DEFAULT_BUFFER_CAPACITY) (or what
/// [`buffer_capacity`](AppenderBuilder::buffer_capacity) says), compares the CRC-64 of the whole object after
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
///   arguments makes several; use [`whole_lines`](AppenderBuilder::whole_lines), which keeps lines together instead (and
///   divides a record that does not end with one), or a [`std::io::LineWriter`].
/// - `flush` returns `Ok` only when everything accepted is confirmed (but see
///   [`flush_threshold`](AppenderBuilder::flush_threshold)). With nothing pending it sends nothing.
/// - A [`Conflict`](crate::ErrorKind::Conflict), [`Integrity`](crate::ErrorKind::Integrity) or
///   [`Protocol`](crate::ErrorKind::Protocol) error stays: every later call repeats it until [`resync`](Self::resync).
///   Only a refusal that nobody could be asked about does not: the next call asks.
#[must_use = "bytes may be lost unless finished"]
pub struct Appender {
    /// `None` only when it was finished or taken apart.
    inner: Option<Box<Stream>>,
}

impl Appender {
    /// What the service has confirmed.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"text")?;
    /// assert_eq!(log.checkpoint().position, 0); // accepted is not confirmed
    /// log.confirm()?;
    /// assert_eq!(log.checkpoint().to_string(), "v1:4:1660784822540881237");
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checkpoint(&self) -> Checkpoint {
        self.inner().confirmed
    }

    /// Accepted, not confirmed.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"text")?;
    /// assert_eq!(log.pending(), b"text");
    /// log.flush()?;
    /// assert!(log.pending().is_empty());
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pending(&self) -> &[u8] {
        self.inner().buffer.bytes()
    }

    /// The object written to now.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let log = bucket.appender("log").open()?;
    /// assert_eq!(log.key(), "log"); // after a roll-over it is the next one's
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key(&self) -> &str {
        &self.inner().key
    }

    /// Was it there before us? As [`open`](AppenderBuilder::open) or [`resync`](Self::resync) saw it; `None` where
    /// nobody looked. If so, create-time options had no effect.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::AppendOptions;
    ///
    /// let log = bucket.appender("log").options(AppendOptions::new().storage_class("IA")).open()?;
    /// if log.existed() == Some(true) {
    ///     eprintln!("{} keeps the storage class it has", log.key());
    /// }
    /// # assert_eq!(log.existed(), Some(false));
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn existed(&self) -> Option<bool> {
        self.inner().existed
    }

    /// The bytes whose fate is not known, if any, as positions in the object. They are the beginning of
    /// [`pending`](Self::pending); after [`resume`](AppenderBuilder::resume) all of them, until the first answer, but
    /// for a beginning whose fate an error has told.
    ///
    /// ```
    /// use std::io::Write;
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::testing::Fault;
    ///
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"text")?;
    /// oss.inject(Fault::LoseAnswer.and(Fault::GoAway)); // and nobody there to be asked
    /// log.confirm().unwrap_err();
    /// assert_eq!(log.in_doubt(), Some(0..4));
    /// oss.come_back();
    /// log.confirm()?; // asked first: they are in
    /// assert_eq!(log.in_doubt(), None);
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_doubt(&self) -> Option<Range<u64>> {
        self.inner().in_doubt()
    }

    /// Reads to the end, straight into the buffer, and returns how many bytes that were. The last of them are pending:
    /// [`finish`](Self::finish) or flush.
    ///
    /// By value, by `&mut`, `dyn`: all fine. A [`File`](std::fs::File) is best given as it is: through a
    /// [`BufReader`](io::BufReader) all bytes are copied once more, and it takes about twice as long.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut out = bucket.appender("source.rs").open()?;
    /// let copied = out.copy_from(std::fs::File::open(file!())?)?;
    /// assert_eq!(out.finish()?.position, copied);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The reader's own, with everything read before it accepted; and as [`Write::write`]. At the 5 GiB an object can
    /// hold, one byte more is asked for to see whether that was all; if there is one, it is not taken
    /// (with [`roll_over`](AppenderBuilder::roll_over) it begins the next object).
    pub fn copy_from(&mut self, mut reader: impl Read) -> io::Result<u64> {
        self.inner_mut().copy_from(&mut reader)
    }

    /// Sends and confirms everything accepted, whatever [`flush_threshold`](AppenderBuilder::flush_threshold) says. (As
    /// [`File::sync_all`](std::fs::File::sync_all) beside its `flush`.)
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").flush_threshold(1 << 20).open()?;
    /// log.write_all(b"text")?;
    /// log.flush()?; // below the threshold: nothing is sent
    /// assert_eq!(log.confirm()?.position, 4); // proof
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Sends what is pending once the oldest of it is older than [`max_age`](AppenderBuilder::max_age), with
    /// [`whole_lines`](AppenderBuilder::whole_lines) up to its last newline; for loops that may go quiet.
    ///
    /// ```
    /// use std::{io::Write, time::Duration};
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").max_age(Duration::from_secs(5)).open()?;
    /// log.write_all(b"text")?;
    /// // In a loop that waits for more to write:
    /// log.flush_due()?; // nothing yet, they are not 5 seconds old
    /// assert_eq!(log.pending(), b"text");
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// After [`resume`](AppenderBuilder::resume), and until the first answer, what lies behind may be an earlier life's:
    /// unless somebody else's bytes were met, the appender stays where it is, to recognise it. Where it cannot be told
    /// whose bytes are there, only [`open`](AppenderBuilder::open) leads on.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"ours")?;
    /// oss.append_as_stranger("bucket", "log", b"theirs, ");
    /// log.confirm().unwrap_err(); // a conflict, and every later call repeats it
    ///
    /// assert_eq!(log.resync()?.position, 8); // theirs is accepted; ours is not in and still pending
    /// log.finish()?;
    /// assert_eq!(oss.object("bucket", "log").unwrap(), b"theirs, ours");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// With [`Outcome::Unknown`](crate::Outcome::Unknown) if bytes are in doubt and cannot be settled; and as [`open`](AppenderBuilder::open).
    pub fn resync(&mut self) -> Result<Checkpoint> {
        let inner = self.inner_mut();
        inner.resync()?;
        Ok(inner.confirmed)
    }

    /// [`confirm`](Self::confirm), then done.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"text")?;
    /// match log.finish() {
    ///     Ok(end) => println!("all in, up to {end}"),
    ///     Err(failed) => {
    ///         eprintln!("{}", failed.error());
    ///         let log = failed.into_appender(); // unharmed: finish it later, or take it apart
    ///         # drop(log);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// [`resume`](AppenderBuilder::resume) at this checkpoint, on the same key, may present them again. Bytes that an
    /// error said to be in ([`Outcome::Applied`](crate::Outcome::Applied)) are among them too, unless
    /// [`resync`](Self::resync) let go of them.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"text")?;
    /// let (confirmed, rest) = log.into_parts(); // nothing was sent
    /// assert_eq!((confirmed.position, &*rest), (0, &b"text"[..]));
    ///
    /// let mut log = bucket.appender("log").resume(confirmed)?; // perhaps another day
    /// log.write_all(&rest)?;
    /// log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_parts(mut self) -> (Checkpoint, Vec<u8>) {
        let inner = self.inner.take().expect(WHOLE);
        (inner.confirmed, inner.buffer.into_bytes())
    }

    fn inner(&self) -> &Stream {
        self.inner.as_deref().expect(WHOLE)
    }

    fn inner_mut(&mut self) -> &mut Stream {
        self.inner.as_deref_mut().expect(WHOLE)
    }
}

const WHOLE: &str = "only `finish` and `into_parts` empty an appender, and both consume it";

impl Write for Appender {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(self.inner_mut().accept(data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.inner_mut().flush()?)
    }
}

impl Drop for Appender {
    /// One attempt, without pauses, questions or roll-over; only a [hook](crate::BucketBuilder::on_event) is told if it
    /// fails. None at all if a failure was reported or an earlier request of this appender is in doubt: whoever was told
    /// that bytes did not get through may have put them elsewhere.
    fn drop(&mut self) {
        if let Some(inner) = &mut self.inner {
            // A progress callback, a provider or a hook may panic, and a destructor may be running because of a panic.
            let _ = catch_unwind(AssertUnwindSafe(|| inner.last_attempt()));
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

// As for `Bucket`: between two calls everything is whole, for nothing is marked done before it is.
impl UnwindSafe for Appender {}
impl RefUnwindSafe for Appender {}

/// `finish` failed; the appender is inside, unharmed.
///
/// `?` turns it into [`Error`] or [`io::Error`], and drops the appender (which sends nothing: the failure was
/// reported).
///
/// ```
/// use std::io::Write;
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// use oss_append::testing::Fault;
///
/// let mut log = bucket.appender("log").open()?;
/// log.write_all(b"text")?;
/// oss.inject(Fault::Refuse(403, "AccessDenied"));
/// let failed = log.finish().unwrap_err();
/// assert_eq!(failed.error().code(), Some("AccessDenied"));
/// let end = failed.into_appender().finish()?; // permission was given meanwhile
/// assert_eq!(end.position, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
