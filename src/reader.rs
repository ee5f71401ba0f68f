//! An object's bytes, read back and checked.

use crate::{
    Bucket, ObjectMeta,
    client::Try,
    crc64::Crc64,
    endpoint,
    error::{Error, ErrorKind, Result},
    request::{Method, RANGE, Request, X_OSS_RANGE_BEHAVIOR},
    response::Answer,
    transport::Incoming,
};
use std::{
    fmt,
    io::{self, Read},
    ops::{Bound, RangeBounds},
};

/// An object's bytes.
///
/// Fewer bytes than the service announced are an error, and so are more of them and, for whole objects, another CRC-64
/// than it stated: at the end, where otherwise `Ok(0)` would be, and at every read after it. Bytes read before that are
/// then not to be trusted. More than was announced is never handed out.
///
/// ```
/// use std::io::Read;
///
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// bucket.append_object("log", 0, "0123456789")?;
/// let mut text = String::new();
/// bucket.get_object("log")?.read_to_string(&mut text)?;
/// bucket.get_object_range("log", ..3)?.read_to_string(&mut text)?;
/// assert_eq!(text, "0123456789012");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ObjectReader {
    meta: ObjectMeta,
    incoming: Incoming,
    /// Announced and not yet read.
    left: u64,
    /// More came than was announced.
    surplus: bool,
    /// The sum so far, and what it must be at the end.
    sum: Option<(Crc64, u64)>,
    place: String,
}

impl ObjectReader {
    /// What the service said about the object: all of it, also when a range is read.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "0123456789")?;
    /// let part = bucket.get_object_range("log", 3..5)?;
    /// assert_eq!(part.meta().length, 10); // of the object, not of the part
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Where otherwise `Ok(0)` would be. After an error, too, the connection says that there is no more.
    fn check(&self) -> Result<()> {
        if self.left > 0 {
            let what = format!("the answer ended {} bytes early", self.left);
            return Err(Error::new(ErrorKind::Transport, what).with_transient(true));
        }
        if self.surplus {
            return Err(Error::new(ErrorKind::Protocol, "the answer goes on beyond the length it announced"));
        }
        if let Some((sum, stated)) = &self.sum
            && sum.value() != *stated
        {
            let what = "the bytes read are not those of the object: the CRC-64 differs";
            return Err(Error::new(ErrorKind::Integrity, what));
        }
        Ok(())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // At the end one byte is asked for, to see that there is none.
        let (mut beyond, is_end) = ([0], self.left == 0);
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let place = if is_end { &mut beyond[..] } else { &mut buffer[..most] };
        let read = self.incoming.read(place).map_err(|cause| {
            let lost = Error::new(ErrorKind::Transport, "the connection failed while the object was being read");
            lost.with_source(cause).with_transient(true).at(&self.place)
        })?;
        if is_end || read == 0 {
            self.surplus |= read > 0;
            self.check().map_err(|error| error.at(&self.place))?;
            return Ok(0);
        }
        if let Some((sum, _)) = &mut self.sum {
            sum.update(&buffer[..read]);
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").field("meta", &self.meta).field("left", &self.left).finish_non_exhaustive()
    }
}

impl Bucket {
    /// The object's bytes; a wrong CRC is an error at the end. Needs permission to read.
    ///
    /// An object that is being appended to is read as it was when the service answered.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "text")?;
    /// let mut out = Vec::new();
    /// std::io::copy(&mut bucket.get_object("log")?, &mut out)?; // an error if what came is not the object
    /// assert_eq!(out, b"text");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Service`](ErrorKind::Service) with code `NoSuchKey` or another refusal; no answer is
    /// [`Transport`](ErrorKind::Transport).
    pub fn get_object(&self, key: &str) -> Result<ObjectReader> {
        let place = format!("get of {key:?}");
        let (answer, incoming) = self.get(key, Request::new(Method::Get, key), 200).map_err(|e| e.at(&place))?;
        let meta = ObjectMeta::from_answer(&answer, None).map_err(|error| error.at(&place))?;
        let sum = meta.crc64.map(|stated| (Crc64::new(), stated));
        Ok(ObjectReader { left: meta.length, surplus: false, meta, incoming, sum, place })
    }

    /// Some of the object's bytes: `5..`, `..10`, `5..10`. What lies beyond the end is left out.
    ///
    /// There is no CRC of a part; only the number of bytes and their place are checked.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use std::io::Read;
    ///
    /// bucket.append_object("log", 0, "0123456789")?;
    /// let mut text = String::new();
    /// bucket.get_object_range("log", 7..)?.read_to_string(&mut text)?; // what came since
    /// bucket.get_object_range("log", 0..=1)?.read_to_string(&mut text)?;
    /// assert_eq!(text, "78901");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`get_object`](Self::get_object). A range that holds nothing is [`InvalidInput`](ErrorKind::InvalidInput);
    /// one that begins beyond the end is refused with code `InvalidRange`.
    pub fn get_object_range(&self, key: &str, range: impl RangeBounds<u64>) -> Result<ObjectReader> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(last) => Some(*last),
            Bound::Excluded(end) => Some(end.checked_sub(1).ok_or_else(empty_range)?),
            Bound::Unbounded => None,
        };
        if last.is_some_and(|last| last < first) {
            return Err(empty_range());
        }
        if first == 0 && last.is_none() {
            return self.get_object(key);
        }
        let place = format!("get of {key:?} from {first}");
        // Without the second header an impossible range is answered with the whole object (GetObject reference).
        let request = Request::new(Method::Get, key)
            .header(RANGE, format!("bytes={first}-{}", last.map(|last| last.to_string()).unwrap_or_default()))
            .header(X_OSS_RANGE_BEHAVIOR, "standard");
        let (answer, incoming) = self.get(key, request, 206).map_err(|error| error.at(&place))?;
        let (end, length) = answer
            .content_range(first)
            .filter(|(end, length)| *end == last.map_or(length - 1, |last| last.min(length - 1)))
            .filter(|(end, _)| answer.number("content-length") == Some(end + 1 - first))
            .ok_or_else(|| {
                let what = "the answer does not hold the range that was asked for";
                Error::new(ErrorKind::Protocol, what).with_refusal(answer.refusal()).at(&place)
            })?;
        let meta = ObjectMeta::from_answer(&answer, Some(length)).map_err(|error| error.at(&place))?;
        let sum = meta.crc64.filter(|_| end + 1 - first == length).map(|stated| (Crc64::new(), stated));
        Ok(ObjectReader { meta, incoming, left: end + 1 - first, surplus: false, sum, place })
    }

    fn get(&self, key: &str, mut request: Request, status: u16) -> Result<(Answer, Incoming)> {
        endpoint::check_key(key)?;
        // A decoder on the way would change the bytes under the checksum.
        request = request.header("accept-encoding", "identity");
        self.client().persist(&mut request, |request| match self.client().open(request) {
            Ok((answer, incoming)) if answer.is_from_oss() && answer.status == status => Try::Done((answer, incoming)),
            Ok((answer, _)) if answer.is_from_oss() && answer.status == 200 => Try::Fail(
                Error::new(ErrorKind::Protocol, "the whole object came, where a part was asked for")
                    .with_refusal(answer.refusal()),
            ),
            Ok((answer, _)) if answer.is_from_oss() && !answer.is_transient() => Try::Fail(answer.error()),
            Ok((answer, _)) => Try::Again(answer.error(), answer.retry_after()),
            Err(lost) => lost.into(),
        })
    }
}

fn empty_range() -> Error {
    Error::invalid_input("the range is empty: there is nothing to ask for")
}
