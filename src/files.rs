//! A local file and its object: resumable append.

use crate::{
    AppendOptions, Appended, Body, Bucket, Checkpoint, Progress,
    append::{Append, Chunk},
    body::read_some,
    buffer::Buffer,
    crc64::Crc64,
    error::{Error, ErrorKind, Found, Outcome, Result},
    event::{Event, Verdict},
    position::SIZE_LIMIT,
};
use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Large enough that reading costs little beside summing, small enough to stay in cache.
const PIECE: usize = 256 << 10;
/// One request. The file is its buffer, so only what a fault makes to be sent again speaks against more.
const REQUEST: u64 = 64 << 20;
/// So much of an object that differs is read to say where it does.
const COMPARED: u64 = 64 << 20;

/// What [`Bucket::resumable_append`] did.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// let done = bucket.resumable_append("source.rs", file!())?;
/// println!("{} of {} bytes were sent", done.sent, done.checkpoint.position);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resumed {
    /// Where the object ends now: the file's length (when it was opened) and its CRC-64.
    pub checkpoint: Checkpoint,
    /// How many bytes were sent; 0 if the object had them all.
    pub sent: u64,
}

impl Bucket {
    /// Appends what the file at `path` has and the object has not, after proving that the object is a prefix of the
    /// file. Running it twice does nothing the second time. Needs permission to read.
    ///
    /// The proof is the CRC-64 of as many bytes of the file as the object has: nothing is downloaded for it (unless the
    /// service does not tell the object's; and where it fails, up to 64 MiB are read to say where they differ). The rest goes
    /// out as by an [`Appender`](crate::Appender). The file's length is taken once: what is written to it later is for
    /// the next run. A sealed object is refused even if it lacks nothing.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let path = file!();
    /// let first = bucket.resumable_append("source.rs", path)?;
    /// assert_eq!(first.sent, first.checkpoint.position);
    /// assert_eq!(bucket.resumable_append("source.rs", path)?.sent, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Conflict(Longer)`](Found::Longer) if the object is longer than the file,
    /// [`Conflict(Different)`](Found::Different) if it is not its beginning, [`Conflict(Sealed)`](Found::Sealed),
    /// [`NotAppendable`](ErrorKind::NotAppendable): nothing was changed, unless [`Error::outcome`] says otherwise.
    /// [`Body`](ErrorKind::Body) if the file cannot be read, is none (a pipe, a device), or shrinks or changes
    /// meanwhile. Else as [`append_object`](Self::append_object).
    #[doc(alias = "resumable_upload")]
    pub fn resumable_append(&self, key: &str, path: impl AsRef<Path>) -> Result<Resumed> {
        self.resumable_append_with(key, path, &AppendOptions::new())
    }

    /// The same with options. Progress counts the file's bytes: those that were found in the object, then those sent. It
    /// never goes back: when an attempt is repeated, it waits until that is further than the last was.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::AppendOptions;
    ///
    /// let options = AppendOptions::new()
    ///     .storage_class("IA")
    ///     .progress(|now| println!("{} of {:?}", now.sent, now.total));
    /// bucket.resumable_append_with("source.rs", file!(), &options)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`resumable_append`](Self::resumable_append).
    pub fn resumable_append_with(&self, key: &str, path: impl AsRef<Path>, options: &AppendOptions) -> Result<Resumed> {
        let path = path.as_ref();
        let place = || format!("{} to {key:?}", path.display());
        self.append_file(key, path, options).map_err(|error| error.at(place()))
    }

    fn append_file(&self, key: &str, path: &Path, options: &AppendOptions) -> Result<Resumed> {
        let mut local = Local::open(path)?;
        let told = Told { options, total: local.length, highest: AtomicU64::new(0) };
        let (mut sent, mut behind) = (0, None::<(Checkpoint, Error)>);
        loop {
            // What a refusal says now must not hide what became of bytes that were sent before.
            let outcome = behind.as_ref().map_or(Outcome::NotApplied, |(_, error)| error.outcome());
            let remote = self.appender(key).options(options.clone()).open().map_err(|e| e.with_outcome(outcome))?;
            let (existed, start) = (remote.existed() == Some(true), remote.checkpoint());
            let found = match behind.take() {
                // Whoever says so does not know what the refusal knew: it would go on for ever.
                Some((at, error)) if start.position <= at.position => return Err(error),
                behind => behind.map(|(at, _)| at.position),
            };
            local.prove(start, &told).map_err(|e| self.say_where(e, key, &local, start).with_outcome(outcome))?;
            if let Some(position) = found {
                let (length, verdict) = (Some(start.position - position), Verdict::Landed);
                self.client().hook.tell(Event::Settled { key, position, length, verdict });
            }
            let mut at = start;
            let rest = self.append_rest(key, &local, existed, &mut at, &told);
            sent += at.position - start.position;
            match rest {
                Ok(()) => {
                    local.check_unchanged(at)?;
                    return Ok(Resumed { checkpoint: at, sent });
                }
                // A run that died may have left a request under way, which landed now. If what is there is still the
                // beginning of the file, go on behind it.
                Err(error) if error.kind() == ErrorKind::Conflict(Found::Longer) => behind = Some((at, error)),
                Err(error) => return Err(error),
            }
        }
    }

    fn append_rest(&self, key: &str, local: &Local, existed: bool, at: &mut Checkpoint, told: &Told<'_>) -> Result<()> {
        let headers = told.options.headers(key)?;
        // An empty file makes an empty object.
        let mut missing = !existed;
        while at.position < local.length || missing {
            let start = at.position;
            let progress = |p: Progress| told.tell(start + p.sent);
            let append = Append {
                client: self.client(),
                key,
                headers: &headers,
                progress: Some(&progress),
                creates: !existed,
                rebase: false,
            };
            let mut body = Body::section(&local.file, start, REQUEST.min(local.length - start));
            let appended = Appended::from(append.run(&mut Chunk::new((*at).into(), None), &mut body)?);
            *at = appended.checkpoint().expect("the CRC of what lies before was known");
            missing = false;
        }
        Ok(())
    }

    /// Where do object and file part? Only where that is cheap to find out.
    fn say_where(&self, error: Error, key: &str, local: &Local, start: Checkpoint) -> Error {
        if error.kind() != ErrorKind::Conflict(Found::Different) {
            return error;
        }
        let compared = start.position.min(COMPARED);
        let remote = self.get_object_range(key, ..compared).ok();
        let common = remote.and_then(|remote| local.in_common(remote).ok().flatten());
        match common {
            Some(common) if common < start.position => {
                error.with_what(format!("the object is not the beginning of the file: they differ at byte {common}"))
            }
            _ => error,
        }
    }
}

/// Progress in the file's bytes. Never back, whatever is read or sent again.
struct Told<'a> {
    options: &'a AppendOptions,
    total: u64,
    highest: AtomicU64,
}

impl Told<'_> {
    fn tell(&self, sent: u64) {
        if self.highest.fetch_max(sent, Ordering::Relaxed) < sent {
            self.options.tell(Progress { sent, total: Some(self.total) });
        }
    }
}

/// The file, as long as it was when it was opened.
struct Local {
    file: File,
    length: u64,
    before: Metadata,
    /// What was proved equal so far.
    sum: Crc64,
    summed: u64,
}

impl Local {
    fn open(path: &Path) -> Result<Self> {
        let (file, before) = open_regular(path).map_err(unreadable)?.ok_or_else(|| {
            let what = "not a regular file: it cannot be read twice (Appender::copy_from takes any reader)";
            Error::new(ErrorKind::Body, what)
        })?;
        if before.len() > SIZE_LIMIT {
            let what = format!("the file has {} bytes: an object can hold 5 GiB (5368709120)", before.len());
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        Ok(Self { file, length: before.len(), before, sum: Crc64::new(), summed: 0 })
    }

    /// Are the object's bytes the first of the file?
    fn prove(&mut self, remote: Checkpoint, told: &Told<'_>) -> Result<()> {
        if remote.position > self.length {
            let what = format!("the object has {} bytes, the file {}", remote.position, self.length);
            return Err(different(Found::Longer, what, remote.position));
        }
        (&self.file).seek(SeekFrom::Start(self.summed)).map_err(unreadable)?;
        let left = remote.position - self.summed; // the proof is only made again for a longer object
        sum(&self.file, left, &mut self.sum, |read| {
            self.summed += read;
            told.tell(self.summed);
        })?;
        if self.sum.value() != remote.crc64 {
            let what = "the object is not the beginning of the file";
            return Err(different(Found::Different, what, remote.position));
        }
        Ok(())
    }

    /// How many of the first bytes are equal; `None` if all that were compared are.
    fn in_common(&self, mut remote: impl Read) -> io::Result<Option<u64>> {
        let (mut theirs, mut ours, mut common) = (vec![0; PIECE], vec![0; PIECE], 0);
        (&self.file).seek(SeekFrom::Start(0))?;
        loop {
            let read = remote.read(&mut theirs)?;
            if read == 0 {
                return Ok(None);
            }
            (&self.file).read_exact(&mut ours[..read])?;
            if let Some(differs) = theirs[..read].iter().zip(&ours).position(|(a, b)| a != b) {
                return Ok(Some(common + differs as u64));
            }
            common += read as u64;
        }
    }

    /// A file that was touched while it was read is summed once more: it must be what the object is.
    fn check_unchanged(&self, end: Checkpoint) -> Result<()> {
        let after = self.file.metadata().map_err(unreadable)?;
        let touched = |m: &Metadata| (m.len(), m.modified().ok());
        if touched(&after) == touched(&self.before) {
            return Ok(());
        }
        let mut again = Crc64::new();
        (&self.file).seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let read = sum(&self.file, end.position, &mut again, |_| {});
        if read.is_ok() && again.value() == end.crc64 {
            return Ok(());
        }
        let what = "the file changed while it was being appended: the object has what was read before";
        Err(Error::new(ErrorKind::Body, what).with_outcome(Outcome::Applied).with_next_position(Some(end.position)))
    }
}

fn sum(mut file: &File, mut left: u64, sum: &mut Crc64, mut read_so: impl FnMut(u64)) -> Result<()> {
    // The kernel copies faster to where a buffer begins.
    let mut buffer = Buffer::new(PIECE);
    let piece = buffer.free(PIECE);
    while left > 0 {
        let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        match read_some(&mut file, &mut piece[..most]).map_err(unreadable)? {
            0 => return Err(Error::new(ErrorKind::Body, "the file shrank while it was being read")),
            read => {
                sum.update(&piece[..read]);
                left -= read as u64;
                read_so(read as u64);
            }
        }
    }
    Ok(())
}

fn different(found: Found, what: impl Into<std::borrow::Cow<'static, str>>, end: u64) -> Error {
    Error::new(ErrorKind::Conflict(found), what).with_next_position(Some(end))
}

/// `None` for what is no file, or does not tell its length.
fn open_regular(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    // Asked before it is opened: opening a pipe waits for somebody to write.
    let kind = fs::metadata(path)?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let before = file.metadata()?;
    // Files below /proc say 0 and are not.
    let untold = before.len() == 0 && file.read(&mut [0])? > 0 && file.metadata()?.len() == 0;
    Ok((!untold).then_some((file, before)))
}

fn unreadable(cause: io::Error) -> Error {
    Error::new(ErrorKind::Body, "the file cannot be read").with_source(cause)
}
