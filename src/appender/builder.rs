//! How an appender starts and behaves.

use super::{Appender, stream::Stream};
use crate::{
    AppendOptions, Bucket, Checkpoint,
    bucket::check_position,
    buffer::Buffer,
    endpoint,
    error::{Error, Result},
    position::SIZE_LIMIT,
};
use std::{fmt, sync::Mutex, time::Duration};

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
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// use oss_append::OnConflict;
/// use std::io::Write;
///
/// let mut log = bucket.appender("shared.log").on_conflict(OnConflict::Rebase).open()?;
/// log.write_all(b"ours\n")?;
/// oss.append_as_stranger("bucket", "shared.log", b"theirs\n");
/// assert_eq!(log.finish()?.position, 12); // behind theirs
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// Fail with [`ErrorKind::Conflict`](crate::ErrorKind::Conflict).
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
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// let mut log = bucket
///     .appender("2026-11-28.0")
///     .roll_over(1 << 30, |full| {
///         let number: u32 = full.key.rsplit('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
///         format!("2026-11-28.{}", number + 1)
///     })
///     .open()?;
/// # log.flush_due()?;
/// # log.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolled {
    /// Its key.
    pub key: String,
    /// Where it ends, confirmed.
    pub checkpoint: Checkpoint,
}

type NextKey = dyn FnMut(&Rolled) -> String + Send;

pub(super) struct Roll {
    pub(super) max_bytes: u64,
    /// In a mutex only to be `Sync`; never locked.
    pub(super) next_key: Mutex<Box<NextKey>>,
}

impl Bucket {
    /// Starts an [`Appender`] at the object's end.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"text")?;
    /// log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::AppendOptions;
    ///
    /// let options = AppendOptions::new().content_type("text/csv").meta("from", "build");
    /// let out = bucket.appender("table").options(options).open()?;
    /// # out.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn options(mut self, options: AppendOptions) -> Self {
        self.options = options;
        self
    }

    /// Bytes per request, at most; the buffer is allocated once, at the first write.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut out = bucket.appender("log").buffer_capacity(4).open()?;
    /// out.write_all(b"0123456789")?;
    /// assert_eq!((out.checkpoint().position, out.pending()), (8, &b"89"[..])); // two requests so far
    /// # out.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer_capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes;
        self
    }

    /// `flush` does nothing below this many pending bytes (unless they are older than [`max_age`](Self::max_age)).
    /// Default 0: `flush` is honest.
    ///
    /// For loggers, which flush after every record: that would be a request each. Then only
    /// [`confirm`](Appender::confirm) and [`finish`](Appender::finish) are proof.
    ///
    /// ```
    /// use std::{io::Write, time::Duration};
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").flush_threshold(64 << 10).max_age(Duration::from_secs(5)).open()?;
    /// for n in 0..100 {
    ///     writeln!(log, "record {n}")?;
    ///     log.flush()?; // as loggers do
    /// }
    /// log.finish()?;
    /// assert_eq!(oss.requests().iter().filter(|request| request.method == "POST").count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_threshold(mut self, bytes: usize) -> Self {
        self.flush_threshold = bytes;
        self
    }

    /// Pending bytes this old are sent by the next `write`, `flush` or [`flush_due`](Appender::flush_due). There is no
    /// thread: without any of these calls nothing is sent.
    ///
    /// ```
    /// use std::{io::Write, time::Duration};
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").max_age(Duration::ZERO).open()?; // every byte is old at once
    /// log.write_all(b"one\n")?;
    /// log.write_all(b"two\n")?; // sends the first
    /// assert_eq!((log.checkpoint().position, log.pending()), (4, &b"two\n"[..]));
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Requests that are sent because the buffer is full, or old, or the object, end after a newline. A line longer
    /// than the buffer is cut at its end. `flush` and `finish` send an unfinished line. Default: on with
    /// [`Rebase`](OnConflict::Rebase) or [`roll_over`](Self::roll_over), else off.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut log = bucket.appender("log").buffer_capacity(12).whole_lines(true).open()?;
    /// write!(log, "one\ntwo\nth")?;
    /// write!(log, "ree\n")?; // does not fit: what is whole goes out
    /// assert_eq!(oss.object("bucket", "log").unwrap(), b"one\ntwo\n");
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn whole_lines(mut self, yes: bool) -> Self {
        self.whole_lines = Some(yes);
        self
    }

    /// Fail, or move to the new end (shared logs).
    ///
    /// ```
    /// use std::io::Write;
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::OnConflict;
    ///
    /// let mut log = bucket.appender("shared.log").on_conflict(OnConflict::Rebase).open()?;
    /// writeln!(log, "ours")?;
    /// oss.append_as_stranger("bucket", "shared.log", b"theirs\n");
    /// log.finish()?;
    /// assert_eq!(oss.object("bucket", "shared.log").unwrap(), b"theirs\nours\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// Above `max_bytes` go on in the object whose key the closure returns.
    ///
    /// The old object is confirmed first, a line is never divided between the two (without
    /// [`whole_lines`](Self::whole_lines): a record), and create-time options go out again for the new one. It is started at 0 without asking, as by [`create_new`](Self::create_new). A record
    /// longer than `max_bytes` gets an object to itself. `writeln!` with arguments is several records: lines stay
    /// whole because [`whole_lines`](Self::whole_lines) is on unless switched off.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut number = 0;
    /// let mut log = bucket
    ///     .appender("log.0")
    ///     .roll_over(10, move |full| {
    ///         number += 1;
    ///         println!("{} is full: {}", full.key, full.checkpoint);
    ///         format!("log.{number}")
    ///     })
    ///     .create_new()?;
    /// writeln!(log, "first 1")?;
    /// writeln!(log, "second")?;
    /// assert_eq!(log.key(), "log.1");
    /// # log.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn roll_over(mut self, max_bytes: u64, next_key: impl FnMut(&Rolled) -> String + Send + 'static) -> Self {
        self.roll = Some(Roll { max_bytes, next_key: Mutex::new(Box::new(next_key)) });
        self
    }

    /// Asks where the end is; an absent object has its end at 0. Needs permission to read.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "before, ")?;
    /// let mut log = bucket.appender("log").open()?;
    /// log.write_all(b"and after")?;
    /// log.finish()?;
    /// assert_eq!(oss.object("bucket", "log").unwrap(), b"before, and after");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotAppendable`](crate::ErrorKind::NotAppendable), [`Conflict(Sealed)`](crate::Found::Sealed), and what keeps the question
    /// from being answered. [`InvalidInput`](crate::ErrorKind::InvalidInput) for settings that cannot be.
    pub fn open(self) -> Result<Appender> {
        let mut appender = self.start(Checkpoint::default(), false)?;
        let stream = appender.inner_mut();
        let (end, existed) = stream.look()?;
        (stream.confirmed, stream.existed) = (end, Some(existed));
        Ok(appender)
    }

    /// Starts at 0 without asking; an existing non-empty object is a conflict at the first append.
    ///
    /// An existing *empty* object is appended to, and create-time options are then ignored by the service:
    /// [`existed`](Appender::existed) stays `None`, for nobody looked.
    ///
    /// ```
    /// use std::io::Write;
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::{ErrorKind, Found};
    ///
    /// bucket.append_object("log", 0, "it is there already")?;
    /// let mut log = bucket.appender("log").create_new()?; // nobody was asked
    /// log.write_all(b"text")?;
    /// assert_eq!(log.confirm().unwrap_err().kind(), ErrorKind::Conflict(Found::Longer));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for settings that cannot be.
    pub fn create_new(self) -> Result<Appender> {
        self.start(Checkpoint::default(), false)
    }

    /// Goes on at a checkpoint without asking; interference is found at the first append.
    ///
    /// Bytes that an earlier life of the program had sent behind the checkpoint, and that are presented again, are
    /// recognised, however they were cut: after a kill, go on with the same bytes from the last saved checkpoint. If
    /// others appended there as well, it may not be possible to tell: then the error is a conflict whose outcome is
    /// unknown. In a log that others share ([`OnConflict::Rebase`]) an earlier life may have moved; use
    /// [`open`](Self::open). With [`roll_over`](Self::roll_over), present what is in doubt by an
    /// appender without it, [`confirm`](Appender::confirm) that, and go on from there with another: the next object
    /// cannot recognise what is in this one, nor what may still land in it.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "one, ")?; // and then the program was killed, before it saved how far it was
    /// let mut log = bucket.appender("log").resume("v1:0:0".parse()?)?;
    /// log.write_all(b"one, two")?; // the same bytes again, in whatever cuts, and more
    /// log.finish()?;
    /// assert_eq!(oss.object("bucket", "log").unwrap(), b"one, two");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for settings or a checkpoint that cannot be.
    pub fn resume(self, at: Checkpoint) -> Result<Appender> {
        check_position(at.into())?;
        self.start(at, true)
    }

    fn start(self, confirmed: Checkpoint, resumed: bool) -> Result<Appender> {
        endpoint::check_key(&self.key)?;
        let headers = self.options.headers(&self.key)?;
        if let Some(name) = headers.fixes_the_body() {
            return Err(Error::invalid_input(format!(
                "{name} is of one body, and an appender sends many: leave it out; \
                 AppendOptions::content_md5 (feature md5) gives each its own checksum"
            )));
        }
        if self.capacity == 0 || self.capacity as u64 > SIZE_LIMIT {
            return Err(Error::invalid_input("buffer_capacity must be from 1 byte to 5 GiB"));
        }
        if self.capacity > Buffer::MOST {
            return Err(Error::invalid_input("buffer_capacity is more than this machine can address"));
        }
        if self.roll.as_ref().is_some_and(|roll| roll.max_bytes == 0) {
            return Err(Error::invalid_input("roll_over at 0 bytes: no object could hold anything"));
        }
        let shared = self.on_conflict == OnConflict::Rebase || self.roll.is_some();
        let stream = Stream {
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
        Ok(Appender { inner: Some(Box::new(stream)) })
    }
}

impl fmt::Debug for AppenderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppenderBuilder").field("key", &self.key).finish_non_exhaustive()
    }
}
