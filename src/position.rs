//! Where an object ends: its length, and the CRC-64 of that many bytes.

use crate::{
    crc64::{self, Crc64},
    error::{Error, Result},
};
use std::{fmt, str::FromStr};

/// How many bytes an object can hold: 5 GiB (AppendObject reference, "Limits").
pub(crate) const SIZE_LIMIT: u64 = 5 << 30;

/// A length in bytes and the CRC-64 of that many bytes: all that is needed to go on.
///
/// As text it is `v1:<position>:<crc64>`, both decimal. It carries no key: after a roll-over save
/// [`Appender::key`](crate::Appender::key) beside it.
///
/// ```
/// use oss_append::Checkpoint;
///
/// let at = Checkpoint::default().advance("hello, ").advance("append");
/// assert_eq!(at, Checkpoint { position: 13, crc64: 11717270943495523566 });
/// assert_eq!(at.to_string(), "v1:13:11717270943495523566");
/// assert_eq!(at.to_string().parse::<Checkpoint>()?, at);
/// # Ok::<(), oss_append::Error>(())
/// ```
#[allow(clippy::exhaustive_structs)] // complete: users store it
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Length of the object, in bytes.
    pub position: u64,
    /// CRC-64/XZ of those bytes.
    pub crc64: u64,
}

impl Checkpoint {
    /// Where the object will be after these bytes.
    ///
    /// ```
    /// use oss_append::Checkpoint;
    ///
    /// // What the object must be, if it is this file and nothing else:
    /// let text = std::fs::read(file!()).unwrap();
    /// let whole = Checkpoint::default().advance(&text);
    /// assert_eq!(whole, Checkpoint::default().advance(&text[..100]).advance(&text[100..]));
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    #[must_use]
    pub fn advance(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut crc = Crc64::starting_from(self.crc64);
        crc.update(bytes);
        Self { position: self.position.saturating_add(bytes.len() as u64), crc64: crc.value() }
    }

    /// The same for bytes of which only length and CRC are known.
    pub(crate) fn join(self, crc64: u64, length: u64) -> Self {
        Self { position: self.position + length, crc64: crc64::join(self.crc64, crc64, length) }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1:{}:{}", self.position, self.crc64)
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for anything but what [`Display`](fmt::Display) writes: no
    /// blanks, signs or leading zeros, so that one checkpoint has one text.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (position, crc64) = text.strip_prefix("v1:")?.split_once(':')?;
            let parsed = Self { position: position.parse().ok()?, crc64: crc64.parse().ok()? };
            (parsed.to_string() == text).then_some(parsed)
        };
        let parsed = parse().ok_or_else(|| {
            let start: String = text.chars().take(60).collect();
            Error::invalid_input(format!(
                "{start:?} is not a checkpoint: it must read v1:<position>:<crc64>, as written by Display, and nothing else"
            ))
        })?;
        if parsed.position > SIZE_LIMIT {
            return Err(Error::invalid_input(
                "this is not a checkpoint: its position is beyond the 5 GiB an object can hold",
            ));
        }
        if parsed.position == 0 && parsed.crc64 != 0 {
            return Err(Error::invalid_input("this is not a checkpoint: at position 0 the crc64 is 0"));
        }
        Ok(parsed)
    }
}

/// Where to append: a number, a [`Checkpoint`], or what the last append [`Appended`].
///
/// The last two carry the CRC-64 of what is there, so the whole object is verified and a lost answer can be settled.
/// The number 0 carries it too: it is that of no bytes.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// let first = bucket.append_object("log", 0, "one")?;
/// let second = bucket.append_object("log", &first, "two")?; // verified and settled
/// bucket.append_object("log", second.next_position, "three")?; // as in oss2: neither
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "init_crc")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    pub(crate) position: u64,
    pub(crate) crc64: Option<u64>,
}

impl From<u64> for Position {
    /// A bare position; 0 carries the CRC of nothing.
    fn from(position: u64) -> Self {
        Self { position, crc64: (position == 0).then_some(0) }
    }
}

impl From<Checkpoint> for Position {
    fn from(at: Checkpoint) -> Self {
        Self { position: at.position, crc64: Some(at.crc64) }
    }
}

impl From<&Appended> for Position {
    fn from(last: &Appended) -> Self {
        Self { position: last.next_position, crc64: last.crc64 }
    }
}

impl From<Appended> for Position {
    fn from(last: Appended) -> Self {
        (&last).into()
    }
}

/// What the service said about an append.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// let first = bucket.append_object("log", 0, "text")?;
/// println!("ends at {}, CRC-64 {:?}, request {:?}", first.next_position, first.crc64, first.request_id);
/// bucket.append_object("log", &first, "more")?; // verified and settled
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "AppendObjectResult")]
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Appended {
    /// Length of the object now, in bytes: the position of the next append.
    pub next_position: u64,
    /// CRC-64 of the whole object, when known.
    pub crc64: Option<u64>,
    /// The object's tag, without quotes. Not an MD5 for appendable objects, and another after each append.
    ///
    /// `None` when a lost answer was settled by asking, as the next two.
    pub etag: Option<String>,
    /// For the service's support.
    pub request_id: Option<String>,
    /// In buckets with versioning.
    pub version_id: Option<String>,
}

impl Appended {
    /// Both numbers, when both are known.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let last = bucket.append_object("log", 0, "text")?;
    /// let saved = last.checkpoint().expect("both numbers came").to_string(); // v1:4:1660784822540881237
    /// bucket.append_object("log", saved.parse::<oss_append::Checkpoint>()?, "more")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.crc64.map(|crc64| Checkpoint { position: self.next_position, crc64 })
    }
}
