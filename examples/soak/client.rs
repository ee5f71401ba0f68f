//! A client, and what a program does with it that must not stop.

use crate::{BUCKET, count, pause, streams::SHARED};
use oss_append::{
    Appender, Auth, BoxError, Bucket, Checkpoint, Credentials, CredentialsProvider, Error, ErrorKind, Found, Outcome,
};
use std::{
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

/// So often the same is called again before it is said never to come through.
const PATIENCE: u64 = 1000;

/// Of little patience, so that errors are told, too.
pub(crate) fn client(endpoint: &str, region: &str, tokens: Arc<Tokens>) -> oss_append::Result<Bucket> {
    let builder = Bucket::builder(Auth::provider(tokens), endpoint, BUCKET).region(region).attempts(3);
    builder.backoff(Duration::from_millis(1), Duration::from_millis(20)).idle_timeout(Duration::from_secs(2)).build()
}

/// Keys whose token is another one each time it has expired.
pub(crate) struct Tokens {
    keys: Credentials,
    name: String,
    number: Mutex<u64>,
}

impl Tokens {
    /// Nobody else may have the name: a token of another is as old as that one's.
    pub(crate) fn new(id: &str, secret: &str, name: String) -> Arc<Self> {
        Arc::new(Self { keys: Credentials::new(id, secret), name, number: Mutex::new(1) })
    }

    /// How many there were.
    pub(crate) fn fetched(&self) -> u64 {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch(&self, number: u64) -> Credentials {
        self.keys.clone().with_token(format!("{}-{number}", self.name))
    }
}

impl CredentialsProvider for Tokens {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        Ok(self.fetch(self.fetched()))
    }

    fn refresh(&self, refused: &Credentials) -> Result<Credentials, BoxError> {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if self.fetch(*number) == *refused {
            *number += 1; // else another thread was faster
        }
        Ok(self.fetch(*number))
    }
}

/// Calls again what failed, as long as that may help. What must not happen here comes back as text.
pub(crate) struct Patience<'s> {
    told: &'s AtomicU64,
    tries: u64,
}

impl<'s> Patience<'s> {
    pub(crate) fn new(told: &'s AtomicU64) -> Self {
        Self { told, tries: 0 }
    }

    pub(crate) fn after(&mut self, error: &Error) -> Result<(), String> {
        count(self.told, 1);
        self.tries += 1;
        if self.tries > PATIENCE {
            return Err(format!("{:?} after {} calls: {error}", error.kind(), self.tries));
        }
        pause(Duration::from_millis(self.tries.min(20)));
        Ok(())
    }

    pub(crate) fn until_ok<T>(mut self, mut call: impl FnMut() -> Result<T, Error>) -> Result<T, String> {
        loop {
            match call() {
                Ok(value) => return Ok(value),
                Err(error) if stays(&error) => return Err(format!("{:?}: {error}", error.kind())),
                Err(error) => self.after(&error)?,
            }
        }
    }
}

/// Errors that calling again does not mend.
pub(crate) fn stays(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict(_) | ErrorKind::Integrity | ErrorKind::Protocol)
}

/// Equal bytes lie where ours should, and the library cannot tell whose they are: a proxy sent ours twice, or they came
/// later than the call. Who knows that nobody else writes the same knows whose they are.
pub(crate) fn is_open(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict(Found::Longer) && error.outcome() == Outcome::Unknown
}

/// Of a `Write`'s errors each is ours.
pub(crate) fn ours(error: io::Error) -> Error {
    Error::find(&error).cloned().expect("an appender, and a reader that cannot fail, have no others")
}

type Start<'s> = Box<dyn Fn(&str, Option<Checkpoint>) -> Result<Appender, Error> + 's>;

/// An appender, and what a program does that must not stop.
pub(crate) struct Writer<'s> {
    bucket: &'s Bucket,
    told: &'s AtomicU64,
    /// Goes on in the object of this key from a checkpoint, or at its end.
    start: Start<'s>,
    log: Option<Appender>,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(
        bucket: &'s Bucket,
        told: &'s AtomicU64,
        key: &str,
        at: Option<Checkpoint>,
        start: impl Fn(&str, Option<Checkpoint>) -> Result<Appender, Error> + 's,
    ) -> Result<Self, String> {
        let log = Some(Patience::new(told).until_ok(|| start(key, at))?);
        Ok(Self { bucket, told, start: Box::new(start), log })
    }

    pub(crate) fn log(&mut self) -> &mut Appender {
        self.log.as_mut().expect("only `finish` takes it for good")
    }

    /// Where it will end once everything accepted is in.
    pub(crate) fn end(&mut self) -> u64 {
        self.log().checkpoint().position + self.log().pending().len() as u64
    }

    pub(crate) fn call<T>(&mut self, mut call: impl FnMut(&mut Appender) -> Result<T, Error>) -> Result<T, String> {
        let mut patience = Patience::new(self.told);
        loop {
            match call(self.log()) {
                Ok(value) => return Ok(value),
                Err(error) => self.mend(&error, &mut patience)?,
            }
        }
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let taken = self.call(|log| log.write(bytes).map_err(ours))?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Checkpoint, String> {
        let mut patience = Patience::new(self.told);
        while let Some(log) = self.log.take() {
            let failed = match log.finish() {
                Ok(end) => return Ok(end),
                Err(failed) => failed,
            };
            let error = failed.error().clone();
            self.log = Some(failed.into_appender());
            self.mend(&error, &mut patience)?;
        }
        unreachable!("`mend` leaves an appender behind, or an error");
    }

    fn mend(&mut self, error: &Error, patience: &mut Patience<'_>) -> Result<(), String> {
        patience.after(error)?;
        let is_shared = self.log().key().starts_with(SHARED);
        match error.kind() {
            _ if is_open(error) && is_shared => self.look(),
            _ if is_open(error) => self.resume(),
            // Behind others too often in a row. What became of our bytes is known.
            ErrorKind::Conflict(Found::Longer) if is_shared => {
                Patience::new(self.told).until_ok(|| self.log().resync()).map(drop)
            }
            _ if stays(error) => Err(format!("{:?}: {error}", error.kind())),
            _ => Ok(()),
        }
    }

    fn take_apart(&mut self) -> (String, Checkpoint, Vec<u8>) {
        let log = self.log.take().expect("only `finish` takes it for good");
        let key = log.key().to_owned();
        let (confirmed, rest) = log.into_parts();
        (key, confirmed, rest)
    }

    /// As a program that puts away what it could not send, and goes on another day. Presented again are the same bytes
    /// in other pieces.
    pub(crate) fn resume(&mut self) -> Result<(), String> {
        let (key, confirmed, rest) = self.take_apart();
        self.log = Some(Patience::new(self.told).until_ok(|| (self.start)(&key, Some(confirmed)))?);
        rest.split_inclusive(|byte| *byte == b'\n').try_for_each(|record| self.write_all(record))
    }

    /// Where others write too: goes on at the end with those records that are not in. No two of them are equal.
    fn look(&mut self) -> Result<(), String> {
        let (key, _, rest) = self.take_apart();
        let object = Patience::new(self.told).until_ok(|| {
            let mut object = Vec::new();
            self.bucket.get_object(&key)?.read_to_end(&mut object).map_err(ours)?;
            Ok(object)
        })?;
        self.log = Some(Patience::new(self.told).until_ok(|| (self.start)(&key, None))?);
        let is_in = |record| object.split_inclusive(|byte| *byte == b'\n').any(|line| line == record);
        let mut records = rest.split_inclusive(|byte| *byte == b'\n').filter(|record| !is_in(*record));
        records.try_for_each(|record| self.write_all(record))
    }
}
