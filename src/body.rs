//! The bytes of one append: their length, whether they can be sent again, and a reader that counts and hashes them.

use crate::{
    Progress,
    buffer::Shared,
    crc64::{self, Crc64},
    error::{Error, ErrorKind, Result},
    wire,
};
use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// The bytes of one append.
///
/// | from | length | sent again after a fault |
/// |---|---|---|
/// | `&str`, `String`, `&[u8]`, `Vec<u8>`, arrays, `Cow` | known | yes |
/// | `File`, `&File`, `&mut File`, [`from_seekable`](Self::from_seekable) | from the cursor to the end, taken once | yes, by seeking back |
/// | [`sized`](Self::sized) | as declared | no |
/// | [`from_reader`](Self::from_reader); a pipe, terminal or `/proc` file as `File` | unknown, sent in chunks | no |
///
/// Exactly the declared bytes are sent, or nothing is appended: a source that fails, ends early or has more than it
/// declared is noticed before its last byte leaves, the connection is dropped, and the call fails with
/// [`ErrorKind::Body`]. A source read again for another attempt must yield the same bytes.
///
/// Your own type becomes a body by `impl From<Yours> for Body<'_>`.
///
/// ```
/// use oss_append::{Body, testing::FakeOss};
///
/// let oss = FakeOss::start()?;
/// let bucket = oss.bucket("bucket");
/// let first = bucket.append_object("log", 0, "text")?;
/// let second = bucket.append_object("log", &first, [1, 2, 3].as_slice())?;
/// bucket.append_object("log", &second, Body::from_reader(std::io::empty()))?;
/// assert_eq!(oss.object("bucket", "log").unwrap(), b"text\x01\x02\x03");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Body<'b> {
    source: Source<'b>,
}

enum Source<'b> {
    Bytes(Cow<'b, [u8]>),
    /// With their CRC, where it was taken when they came.
    Shared(Shared, Option<u64>),
    /// `summed`: the CRC of its bytes when they were read to be summed, which every attempt must repeat.
    Seekable {
        reader: Box<dyn ReadSeek + 'b>,
        start: u64,
        length: u64,
        summed: Option<u64>,
    },
    /// `touched` once something was read: it cannot be had again.
    Once {
        reader: Box<dyn Read + 'b>,
        length: Option<u64>,
        touched: bool,
    },
    /// What went wrong while this was made. Conversions cannot fail, so it is told when the body is used.
    Failed(Error),
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

impl<'b> Body<'b> {
    /// All that `reader` yields. The length is not known, so it is sent in chunks, and there is one attempt.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::Body;
    ///
    /// let output: &mut dyn std::io::Read = &mut &b"a pipe, a socket, a decoder"[..];
    /// bucket.append_object("log", 0, Body::from_reader(output))?;
    /// # assert_eq!(oss.object_len("bucket", "log"), Some(27));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_reader(reader: impl Read + 'b) -> Self {
        Self { source: Source::Once { reader: Box::new(reader), length: None, touched: false } }
    }

    /// Exactly `len` bytes of `reader`; more or fewer are an error and nothing is appended. One attempt.
    ///
    /// To see whether there are more, one byte beyond `len` is asked for: give an [`io::Read::take`] of a stream that
    /// goes on.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::{Body, ErrorKind};
    ///
    /// let first = bucket.append_object("log", 0, Body::sized(&b"0123456789"[..], 10))?;
    /// let error = bucket.append_object("log", &first, Body::sized(&b"short"[..], 10)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Body); // and nothing is in
    /// # assert_eq!(oss.object_len("bucket", "log"), Some(10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "SizedFileAdapter")]
    pub fn sized(reader: impl Read + 'b, len: u64) -> Self {
        Self { source: Source::Once { reader: Box::new(reader), length: Some(len), touched: false } }
    }

    /// From where `reader` stands to its end; sent again by seeking back.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::Body;
    /// use std::io::{Cursor, Seek, SeekFrom};
    ///
    /// let mut reader = Cursor::new(b"header, text");
    /// reader.seek(SeekFrom::Start(8))?;
    /// bucket.append_object("log", 0, Body::from_seekable(reader))?;
    /// assert_eq!(oss.object("bucket", "log").unwrap(), b"text");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_seekable(reader: impl Read + Seek + 'b) -> Self {
        Self::seekable(Box::new(reader)).unwrap_or_else(Self::failed)
    }

    pub(crate) fn shared(bytes: Shared, crc64: Option<u64>) -> Self {
        Self { source: Source::Shared(bytes, crc64) }
    }

    /// So much of a file, from there on.
    pub(crate) fn section(file: &'b File, start: u64, length: u64) -> Self {
        Self { source: Source::Seekable { reader: Box::new(file), start, length, summed: None } }
    }

    fn seekable(mut reader: Box<dyn ReadSeek + 'b>) -> io::Result<Self> {
        let start = reader.stream_position()?;
        let length = reader.seek(SeekFrom::End(0))?.saturating_sub(start);
        reader.seek(SeekFrom::Start(start))?;
        Ok(Self { source: Source::Seekable { reader, start, length, summed: None } })
    }

    fn file(file: impl Read + Seek + 'b, metadata: io::Result<std::fs::Metadata>) -> io::Result<Self> {
        let (mut file, metadata) = (file, metadata?);
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Ok(Self::from_reader(file));
        }
        if metadata.len() > 0 {
            return Self::seekable(Box::new(file));
        }
        // Empty, or one of those whose length is a lie: files below /proc say 0 and are not.
        let mut first = [0];
        Ok(match read_some(&mut file, &mut first)? {
            0 => Self::from(&[]),
            _ => Self::from_reader(io::Cursor::new(first).chain(file)),
        })
    }

    fn failed(cause: io::Error) -> Self {
        Self { source: Source::Failed(Error::new(ErrorKind::Body, "the body cannot be read").with_source(cause)) }
    }

    /// How many bytes it will be, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match &self.source {
            Source::Bytes(bytes) => Some(bytes.len() as u64),
            Source::Shared(bytes, _) => Some(bytes.len() as u64),
            Source::Seekable { length, .. } => Some(*length),
            Source::Once { length, .. } => *length,
            Source::Failed(_) => None,
        }
    }

    /// May another attempt be made? Always before the first byte was read.
    pub(crate) fn can_be_sent(&self) -> bool {
        !matches!(self.source, Source::Once { touched: true, .. })
    }

    /// The bytes themselves, where they are at hand.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Bytes(bytes) => Some(bytes),
            Source::Shared(bytes, _) => Some(bytes),
            _ => None,
        }
    }

    /// What was wrong with it from the start.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.source {
            Source::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The value of `Content-MD5`. What is not in memory is read for it, as for an attempt.
    #[cfg(feature = "md5")]
    pub(crate) fn content_md5(&mut self) -> Result<String> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        use md5::{Digest, Md5};

        let mut md5 = Md5::new();
        match &self.source {
            Source::Bytes(bytes) => md5.update(bytes),
            Source::Shared(bytes, _) => md5.update(&**bytes),
            Source::Once { .. } => {
                return Err(Error::invalid_input(
                    "content_md5 needs bytes that can be read twice, and this body can be read only once: read it \
                     into memory, give a file or Body::from_seekable, or write it to an Appender",
                ));
            }
            Source::Seekable { .. } | Source::Failed(_) => {
                let mut exact = self.attempt(None, u64::MAX, None)?;
                let mut buffer = vec![0; 64 << 10];
                while !exact.is_whole() {
                    let filled = exact.fill(&mut buffer)?;
                    md5.update(&buffer[..filled]);
                }
                let crc64 = exact.crc64();
                if let Source::Seekable { summed, .. } = &mut self.source {
                    *summed = Some(crc64);
                }
            }
        }
        Ok(BASE64_STANDARD.encode(md5.finalize()))
    }

    /// A reader for one attempt. `same_as`: the CRC of the first attempt, which this one must repeat. `room`: how many
    /// bytes the object can still take.
    pub(crate) fn attempt<'a>(
        &'a mut self,
        same_as: Option<u64>,
        room: u64,
        progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
    ) -> Result<Exact<'a>> {
        let length = self.length();
        let mut known = None;
        let (reader, same_as, look_ahead) = match &mut self.source {
            Source::Failed(error) => return Err(error.clone()),
            // They cannot change, so they need no second look.
            Source::Bytes(bytes) => (Reader::Bytes(bytes), None, false),
            Source::Shared(bytes, crc64) => {
                known = *crc64;
                (Reader::Shared(bytes.clone()), None, false)
            }
            Source::Seekable { reader, start, summed, .. } => {
                reader.seek(SeekFrom::Start(*start)).map_err(|cause| failed_midway(0, cause))?;
                (Reader::Stream { reader: &mut **reader, touched: None }, same_as.or(*summed), false)
            }
            Source::Once { reader, length, touched } => {
                (Reader::Stream { reader: &mut **reader, touched: Some(touched) }, None, length.is_some())
            }
        };
        Ok(Exact {
            reader,
            length,
            room,
            same_as,
            look_ahead,
            progress,
            taken: 0,
            whole: false,
            cut: false,
            known,
            crc: Crc64::new(),
            fault: None,
        })
    }
}

/// What one attempt reads: exactly the declared bytes, whatever the source does.
///
/// The HTTP client is never given a source itself: one that ends early would make it spin for ever, and one that goes
/// on would be cut without a word.
pub(crate) struct Exact<'a> {
    reader: Reader<'a>,
    length: Option<u64>,
    room: u64,
    same_as: Option<u64>,
    look_ahead: bool,
    progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
    taken: u64,
    whole: bool,
    cut: bool,
    /// The CRC of all bytes, where it was known before. What is handed out is not summed then.
    known: Option<u64>,
    crc: Crc64,
    fault: Option<Error>,
}

enum Reader<'a> {
    Bytes(&'a [u8]),
    Shared(Shared),
    Stream { reader: &'a mut dyn Read, touched: Option<&'a mut bool> },
}

impl Exact<'_> {
    /// How many bytes will be sent, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes were handed out. What was not cannot have been sent.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Was the last byte (or, in chunks, the end) handed out? Only then can the request have been completed.
    pub(crate) fn is_whole(&self) -> bool {
        !self.cut && (self.whole || self.length == Some(0))
    }

    /// The end of what was handed out is known not to have left; perhaps nothing has.
    pub(crate) fn cut_short(&mut self, some_left: bool) {
        self.cut = true;
        self.taken = if some_left { self.taken } else { 0 };
    }

    /// CRC of the bytes, once all were handed out.
    pub(crate) fn crc64(&self) -> u64 {
        self.known.unwrap_or_else(|| self.crc.value())
    }

    /// The source's own failure, which must not be mistaken for the network's.
    pub(crate) fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.whole {
            return Ok(0);
        }
        let Some(length) = self.length else { return self.fill_in_chunks(buffer) };
        if buffer.is_empty() {
            return Ok(0);
        }
        let filled = match self.lend(buffer) {
            0 => self.copy(buffer, length)?,
            lent => lent,
        };
        // The last bytes stay here until nothing can be wrong any more: with them the request is complete.
        let whole = self.taken + filled as u64 == length;
        if whole {
            self.check_end(length)?;
        }
        self.hand_out(filled, whole);
        Ok(filled)
    }

    /// Is a body of nothing that? Nobody reads it to find out. If so it is as good as untouched.
    pub(crate) fn check_empty(&mut self) -> io::Result<()> {
        let fault = match &mut self.reader {
            Reader::Stream { reader, .. } if self.look_ahead => match read_some(reader, &mut [0]) {
                Ok(0) => return Ok(()),
                Ok(_) => longer_than(0),
                Err(cause) => failed_midway(0, cause),
            },
            _ => return Ok(()),
        };
        Err(self.fail(fault))
    }

    /// Keeps the source's own failure, which must not be mistaken for the network's.
    fn fail(&mut self, fault: Error) -> io::Error {
        self.fault = Some(fault);
        io::Error::other("the body's source failed")
    }

    /// Spares the copy where the wire sends bytes from where they lie. Returns how many.
    fn lend(&mut self, buffer: &[u8]) -> usize {
        let Reader::Shared(bytes) = &mut self.reader else { return 0 };
        let mut rest = bytes.clone();
        let lent = rest.take(bytes.len().min(buffer.len()));
        if !wire::lend(buffer, &lent) {
            return 0;
        }
        if self.known.is_none() {
            self.crc.update(&lent);
        }
        *bytes = rest;
        lent.len()
    }

    fn copy(&mut self, buffer: &mut [u8], length: u64) -> Result<usize> {
        let piece = buffer.len().min(crc64::PIECE);
        let wanted = usize::try_from(length - self.taken).map_or(piece, |left| left.min(piece));
        let buffer = &mut buffer[..wanted];
        let mut filled = 0;
        while filled < wanted {
            match self.read_source(&mut buffer[filled..])? {
                0 => {
                    let got = self.taken + filled as u64;
                    let what = format!("the body ended after {got} of the {length} bytes it declared");
                    return Err(Error::new(ErrorKind::Body, what));
                }
                read => filled += read,
            }
        }
        if self.known.is_none() {
            self.crc.update(buffer);
        }
        Ok(filled)
    }

    fn fill_in_chunks(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // The client would take the answer for the end of the body.
        assert!(!buffer.is_empty(), "a reader of unknown length is given room");
        let read = self.read_source(buffer)?;
        if self.taken + read as u64 > self.room {
            return Err(too_large("the body goes on beyond the 5 GiB an object can hold"));
        }
        self.crc.update(&buffer[..read]);
        self.hand_out(read, read == 0);
        Ok(read)
    }

    fn check_end(&mut self, length: u64) -> Result<()> {
        if self.look_ahead && self.read_source(&mut [0])? > 0 {
            return Err(longer_than(length));
        }
        if self.same_as.is_some_and(|first| first != self.crc.value()) {
            return Err(Error::new(ErrorKind::Body, "the body is not what it was at the first attempt"));
        }
        Ok(())
    }

    fn hand_out(&mut self, bytes: usize, whole: bool) {
        self.taken += bytes as u64;
        if let Some(progress) = self.progress {
            progress(Progress { sent: self.taken, total: self.length });
        }
        // Should the callback panic, they stayed here.
        self.whole = whole;
    }

    fn read_source(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = match &mut self.reader {
            Reader::Bytes(bytes) => bytes.read(buffer),
            Reader::Shared(bytes) => bytes.take(bytes.len().min(buffer.len())).as_ref().read(buffer),
            Reader::Stream { reader, touched } => {
                if let Some(touched) = touched {
                    **touched = true;
                }
                read_some(reader, buffer)
            }
        };
        read.map_err(|cause| failed_midway(self.taken, cause))
    }
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill(buffer).map_err(|error| self.fail(error))
    }
}

/// One read, repeated if a signal broke it, and not believed if it claims more than there was room for.
pub(crate) fn read_some(reader: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Ok(read) if read <= buffer.len() => return Ok(read),
            Ok(_) => return Err(io::Error::other("the reader returned more bytes than it was given room for")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn longer_than(length: u64) -> Error {
    Error::new(ErrorKind::Body, format!("the body is longer than the {length} bytes it declared"))
}

fn failed_midway(taken: u64, cause: io::Error) -> Error {
    Error::new(ErrorKind::Body, format!("the body's source failed after {taken} bytes")).with_source(cause)
}

pub(crate) fn too_large(what: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TooLarge, what)
}

impl fmt::Debug for Body<'_> {
    /// Its form and length, never its bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length())
            .field("can_be_sent", &self.can_be_sent())
            .finish_non_exhaustive()
    }
}

impl<'b> From<Cow<'b, [u8]>> for Body<'b> {
    fn from(bytes: Cow<'b, [u8]>) -> Self {
        Self { source: Source::Bytes(bytes) }
    }
}

impl<'b> From<&'b [u8]> for Body<'b> {
    fn from(bytes: &'b [u8]) -> Self {
        Cow::Borrowed(bytes).into()
    }
}

impl<'b> From<&&'b [u8]> for Body<'b> {
    fn from(bytes: &&'b [u8]) -> Self {
        (*bytes).into()
    }
}

impl<'b, const N: usize> From<&'b [u8; N]> for Body<'b> {
    fn from(bytes: &'b [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl<'b> From<&'b Vec<u8>> for Body<'b> {
    fn from(bytes: &'b Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

impl From<Vec<u8>> for Body<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Cow::<[u8]>::Owned(bytes).into()
    }
}

impl<'b> From<&'b str> for Body<'b> {
    fn from(text: &'b str) -> Self {
        text.as_bytes().into()
    }
}

impl<'b> From<&&'b str> for Body<'b> {
    fn from(text: &&'b str) -> Self {
        text.as_bytes().into()
    }
}

impl<'b> From<&'b String> for Body<'b> {
    fn from(text: &'b String) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Body<'_> {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl<'b> From<Cow<'b, str>> for Body<'b> {
    fn from(text: Cow<'b, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<File> for Body<'_> {
    /// From where the file stands to its end. Its length is taken now: what is written to it later is not sent.
    fn from(file: File) -> Self {
        let metadata = file.metadata();
        Self::file(file, metadata).unwrap_or_else(Self::failed)
    }
}

impl<'b> From<&'b File> for Body<'b> {
    /// From where the file stands to its end. Its length is taken now: what is written to it later is not sent.
    fn from(file: &'b File) -> Self {
        Self::file(file, file.metadata()).unwrap_or_else(Self::failed)
    }
}

impl<'b> From<&'b mut File> for Body<'b> {
    /// From where the file stands to its end. Its length is taken now: what is written to it later is not sent.
    fn from(file: &'b mut File) -> Self {
        Self::from(&*file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Cursor, sync::atomic::AtomicU64, sync::atomic::Ordering};

    const ROOM: u64 = 1 << 40;

    /// What an attempt hands out until its end or its first error, in pieces of `piece` bytes.
    fn drain(exact: &mut Exact<'_>, piece: usize) -> (Vec<u8>, Option<io::Error>) {
        let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match exact.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(read) => all.extend_from_slice(&buffer[..read]),
                Err(error) => return (all, Some(error)),
            }
        }
    }

    fn fault_of(mut body: Body<'_>) -> (u64, bool, String) {
        let mut exact = body.attempt(None, ROOM, None).unwrap();
        let (all, error) = drain(&mut exact, 4);
        assert!(error.is_some());
        assert_eq!(all.len() as u64, exact.taken());
        let fault = exact.take_fault().unwrap();
        assert_eq!(fault.kind(), ErrorKind::Body);
        (exact.taken(), exact.is_whole(), fault.to_string())
    }

    #[test]
    fn every_form_hands_out_its_bytes_and_their_crc() {
        let text = "0123456789".repeat(100);
        let forms: [Body<'_>; 7] = [
            text.as_str().into(),
            text.clone().into(),
            Cow::Borrowed(text.as_bytes()).into(),
            Body::from_seekable(Cursor::new(&text)),
            Body::from_reader(text.as_bytes()),
            Body::sized(text.as_bytes(), 1000),
            Body::sized(text.as_bytes().chain(io::empty()), 1000),
        ];
        for mut body in forms {
            body.check().unwrap();
            let length = body.length();
            let mut exact = body.attempt(None, ROOM, None).unwrap();
            assert!(!exact.is_whole());
            let (all, error) = drain(&mut exact, 7);
            assert!(error.is_none() && exact.is_whole());
            assert_eq!(all, text.as_bytes());
            assert_eq!(exact.taken(), 1000);
            assert_eq!(exact.crc64(), crc64::of(text.as_bytes()));
            assert!(length.is_none_or(|length| length == 1000));
        }
    }

    #[test]
    fn a_source_that_ends_early_is_an_error_and_not_an_end() {
        let (taken, whole, text) = fault_of(Body::sized(&b"abcdef"[..], 10));
        assert_eq!((taken, whole), (4, false));
        assert_eq!(text, "the body ended after 6 of the 10 bytes it declared");
    }

    #[test]
    fn a_surplus_byte_is_noticed_before_the_last_one_is_handed_out() {
        for length in 1..9 {
            let (taken, whole, text) = fault_of(Body::sized(&b"0123456789"[..], length));
            assert!(taken < length && !whole);
            assert_eq!(text, format!("the body is longer than the {length} bytes it declared"));
        }
    }

    #[test]
    fn a_source_that_changed_is_noticed_before_its_last_byte_is_handed_out() {
        let mut body = Body::from_seekable(Cursor::new(b"abcdef"));
        let other = Some(crc64::of(b"abcdeF"));
        let mut exact = body.attempt(other, ROOM, None).unwrap();
        let (all, error) = drain(&mut exact, 4);
        assert_eq!(all, b"abcd");
        assert!(error.is_some() && !exact.is_whole());
        assert_eq!(exact.take_fault().unwrap().to_string(), "the body is not what it was at the first attempt");

        let same = Some(crc64::of(b"abcdef"));
        assert!(drain(&mut body.attempt(same, ROOM, None).unwrap(), 4).1.is_none());
    }

    struct Wild(Vec<io::Result<usize>>);
    impl Read for Wild {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.pop().unwrap_or(Ok(0))
        }
    }

    #[test]
    fn a_broken_reader_is_an_error_and_never_a_panic() {
        let (_, whole, text) = fault_of(Body::sized(Wild(vec![Ok(usize::MAX)]), 10));
        assert!(!whole);
        assert_eq!(text, "the body's source failed after 0 bytes");
        let failing = || Wild(vec![Err(io::ErrorKind::PermissionDenied.into()), Ok(4)]);
        assert_eq!(fault_of(Body::from_reader(failing())).2, "the body's source failed after 4 bytes");
        fault_of(Body::sized(failing(), 5));
    }

    #[test]
    fn a_signal_in_between_is_nothing() {
        let reader = Wild(vec![Ok(0), Ok(1), Err(io::ErrorKind::Interrupted.into()), Ok(2)]);
        let mut body = Body::sized(reader, 3);
        assert!(drain(&mut body.attempt(None, ROOM, None).unwrap(), 8).1.is_none());
    }

    #[test]
    fn what_was_not_touched_can_still_be_sent_and_what_was_cannot() {
        let mut once = Body::from_reader(&b"abc"[..]);
        assert!(once.attempt(None, ROOM, None).is_ok() && once.can_be_sent());
        drain(&mut once.attempt(None, ROOM, None).unwrap(), 2);
        assert!(!once.can_be_sent());
        let mut again = Body::from("abc");
        for _ in 0..3 {
            assert_eq!(drain(&mut again.attempt(None, ROOM, None).unwrap(), 2).0, b"abc");
            assert!(again.can_be_sent());
        }
    }

    #[test]
    fn a_seekable_source_starts_where_it_stands_each_time() {
        let mut cursor = Cursor::new(b"0123456789");
        cursor.set_position(6);
        let mut body = Body::from_seekable(cursor);
        assert_eq!(body.length(), Some(4));
        for _ in 0..2 {
            assert_eq!(drain(&mut body.attempt(None, ROOM, None).unwrap(), 3).0, b"6789");
        }
    }

    #[test]
    fn a_stream_without_end_stops_where_the_object_is_full() {
        let mut body = Body::from_reader(io::repeat(7));
        let mut exact = body.attempt(None, 10, None).unwrap();
        let (all, error) = drain(&mut exact, 4);
        assert!(all.len() <= 10 && error.is_some() && !exact.is_whole());
        assert_eq!(exact.take_fault().unwrap().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_stream_of_unknown_length_may_fill_the_object() {
        let mut body = Body::from_reader(&b"0123456789"[..]);
        let mut exact = body.attempt(None, 10, None).unwrap();
        let (all, error) = drain(&mut exact, 4);
        assert_eq!((all.as_slice(), error.is_none(), exact.is_whole()), (&b"0123456789"[..], true, true));
    }

    #[test]
    fn a_directory_is_refused_and_a_lying_length_is_not_believed() {
        let directory = File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
        assert_eq!(Body::from(&directory).check().unwrap_err().kind(), ErrorKind::Body);
        if let Ok(status) = File::open("/proc/self/status") {
            let mut body = Body::from(status);
            assert_eq!(body.length(), None);
            let all = drain(&mut body.attempt(None, ROOM, None).unwrap(), 100).0;
            assert!(all.starts_with(b"Name:"));
        }
    }

    #[test]
    fn an_empty_file_is_no_bytes_and_can_be_sent_again() {
        let mut body = Body::from(tempfile::tempfile().unwrap());
        for _ in 0..2 {
            assert_eq!((body.length(), body.can_be_sent()), (Some(0), true));
            let mut exact = body.attempt(None, ROOM, None).unwrap();
            assert_eq!(drain(&mut exact, 4).0, b"");
        }
    }

    #[test]
    fn progress_tells_what_left_and_what_there_is() {
        let seen = AtomicU64::new(0);
        let progress = |p: Progress| {
            assert_eq!(p.total, Some(10));
            assert_eq!(p.sent, seen.load(Ordering::Relaxed) + if p.sent == 10 { 2 } else { 4 });
            seen.store(p.sent, Ordering::Relaxed);
        };
        let mut body = Body::from("0123456789");
        drain(&mut body.attempt(None, ROOM, Some(&progress)).unwrap(), 4);
        assert_eq!(seen.into_inner(), 10);
    }

    #[test]
    fn what_was_cut_short_is_not_whole_whatever_was_handed_out() {
        for (text, some_left, taken) in [("abc", true, 3), ("abc", false, 0), ("", true, 0), ("", false, 0)] {
            let mut body = Body::from(text);
            let mut exact = body.attempt(None, ROOM, None).unwrap();
            drain(&mut exact, 8);
            assert!(exact.is_whole());
            exact.cut_short(some_left);
            assert_eq!((exact.is_whole(), exact.taken()), (false, taken), "{text:?}, {some_left}");
        }
    }

    #[test]
    #[should_panic(expected = "is given room")]
    fn an_empty_read_is_not_taken_for_the_end_of_a_stream() {
        let mut body = Body::from_reader(&b"abc"[..]);
        let _ = body.attempt(None, ROOM, None).unwrap().read(&mut []);
    }

    #[test]
    fn debug_shows_no_bytes() {
        let body = Body::from("secret");
        assert_eq!(format!("{body:?}"), "Body { length: Some(6), can_be_sent: true, .. }");
    }
}
