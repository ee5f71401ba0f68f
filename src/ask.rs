//! What is in the object: its end as HEAD tells it, and its bytes as a range read back.
//!
//! *No answer is not no*: whatever is not the service's own, whole and current word counts as nothing said.

use crate::{
    client::{Client, Try},
    crc64::{self, Crc64},
    error::{Error, ErrorKind, Result},
    position::Position,
    request::{CACHE_CONTROL, Method, RANGE, Request, X_OSS_RANGE_BEHAVIOR},
    response::{self, Answer},
};
use std::io::Read;

/// Foreign bytes behind ours that are read to prove that somebody appended; more are taken as they are, whoever says
/// how many there are.
const READ_LIMIT: u64 = 64 << 20;
/// CRC is fastest on what is still in cache.
const PIECE: usize = 64 << 10;

/// Whom to ask about which object.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) client: &'a Client,
    pub(crate) key: &'a str,
    /// `x-oss-request-payer`, which reading needs as writing does.
    pub(crate) payer: Option<&'a (String, String)>,
}

/// What HEAD said.
#[derive(Debug)]
pub(crate) enum Seen {
    Object(Head),
    /// The service says that there is no such key.
    Missing,
    /// These credentials may not read: a write-only key.
    Forbidden(Error),
    /// Nothing that could be relied on.
    Nothing(Error),
}

/// An object's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u64,
    /// Missing for objects older than the feature.
    pub(crate) crc64: Option<u64>,
    pub(crate) appendable: bool,
    pub(crate) sealed: bool,
}

/// What a range that was read back shows. One snapshot: its length and CRC replace what HEAD said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadBack {
    pub(crate) length: u64,
    pub(crate) crc64: Option<u64>,
    /// Are the first bytes ours, all of them?
    pub(crate) ours: bool,
    /// How many of the first bytes are equal to ours, where ours are at hand to compare.
    pub(crate) in_common: u64,
    /// CRC from where reading began to the object's end, if it was read to there.
    pub(crate) tail: Option<u64>,
}

impl ReadBack {
    /// CRC of the whole object, if what lies before `start` is what it was.
    pub(crate) fn whole(&self, start: Position) -> Option<u64> {
        Some(crc64::join(start.crc64?, self.tail?, self.length.checked_sub(start.position)?))
    }

    /// The same, if the service states it too: then nothing before `start` has changed.
    pub(crate) fn proved(&self, start: Position) -> Option<u64> {
        self.whole(start).filter(|whole| self.crc64 == Some(*whole))
    }
}

/// What the bytes at a place should be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) position: u64,
    pub(crate) length: u64,
    pub(crate) crc64: u64,
    pub(crate) bytes: Option<&'a [u8]>,
}

impl Ask<'_> {
    /// HEAD, as often as the policy says.
    pub(crate) fn head(&self) -> Seen {
        // Caches on the way (a CDN on a custom domain) must not answer for the service.
        let mut request = self.paid(Request::new(Method::Head, self.key)).header(CACHE_CONTROL, "no-cache");
        let seen = self.client.persist(&mut request, |request| match self.client.once(request) {
            Ok(answer) => match read_head(&answer) {
                Seen::Nothing(error) => Try::Again(error, answer.retry_after()),
                seen => Try::Done(seen),
            },
            Err(lost) => lost.into(),
        });
        seen.unwrap_or_else(Seen::Nothing)
    }

    /// GET from `expected.position`: to the object's end if that is near, else only what is expected. `None`: no answer.
    pub(crate) fn read_back(&self, expected: &Expected<'_>, length: u64) -> Option<ReadBack> {
        let from = expected.position;
        let end = from + expected.length;
        let whole_tail = length.saturating_sub(end) <= READ_LIMIT;
        let range = match whole_tail {
            true => format!("bytes={from}-"),
            false => format!("bytes={from}-{}", end - 1),
        };
        // Without this header a range beyond the end is answered with the whole object and 200 (GetObject reference).
        let request = Request::new(Method::Get, self.key)
            .header(RANGE, range)
            .header(X_OSS_RANGE_BEHAVIOR, "standard")
            .header(CACHE_CONTROL, "no-cache")
            .header("accept-encoding", "identity");
        let tried = self.client.persist(&mut self.paid(request), |request| {
            match self.read_once(request, expected, whole_tail) {
                Ok(read) => Try::Done(read),
                Err(error) => Try::Again(error, None),
            }
        });
        tried.ok()
    }

    fn read_once(&self, request: &mut Request, expected: &Expected<'_>, whole_tail: bool) -> Result<ReadBack> {
        let from = expected.position;
        let unread = || Error::new(ErrorKind::Transport, "the object's bytes could not be read back");
        let (answer, incoming) = self.client.open(request).map_err(|lost| lost.error)?;
        if answer.status != 206 || !is_current(&answer) {
            return Err(if answer.is_success() { unread() } else { answer.error() });
        }
        let (last, length) = answer.content_range(from).ok_or_else(unread)?;
        // All that was asked for, or it proves nothing: a slice would look like an object without our bytes.
        if last + 1 != if whole_tail { length } else { length.min(from + expected.length) } {
            return Err(unread());
        }
        let stop = (last + 1).min(from.saturating_add(expected.length).saturating_add(READ_LIMIT));
        let (mut common, mut ours, mut tail, mut left) =
            (Common::new(expected), Crc64::new(), Crc64::new(), stop - from);
        let mut ours_left = expected.length.min(left);
        let whole = left >= expected.length;
        let (mut incoming, mut piece) = (incoming, vec![0; PIECE]);
        while left > 0 {
            let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let read = incoming.read(&mut piece[..most]).map_err(|cause| unread().with_source(cause))?;
            if read == 0 {
                return Err(unread());
            }
            let bytes = &piece[..read];
            let first = &bytes[..usize::try_from(ours_left).map_or(read, |n| n.min(read))];
            ours.update(first);
            common.compare(first);
            tail.update(bytes);
            ours_left -= first.len() as u64;
            left -= read as u64;
        }
        // What goes on beyond its own range is something else, packed on its way perhaps: the bytes are not the object's.
        if stop == last + 1 && incoming.read(&mut [0]).map_err(|cause| unread().with_source(cause))? > 0 {
            return Err(unread());
        }
        Ok(ReadBack {
            length,
            crc64: answer.number(response::CRC64),
            ours: whole && ours.value() == expected.crc64 && common.is_whole(),
            in_common: common.count,
            tail: (stop == length).then(|| tail.value()),
        })
    }

    /// CRC of the object's first `length` bytes, read from the service: for objects that have none of their own.
    pub(crate) fn crc64_of(&self, length: u64) -> Option<u64> {
        if length == 0 {
            return Some(0);
        }
        // What is expected does not matter: the tail from 0 is the whole.
        let all = Expected { position: 0, length, crc64: 0, bytes: None };
        let read = self.read_back(&all, length)?;
        (read.length == length).then_some(read.tail)?
    }

    fn paid(&self, request: Request) -> Request {
        match self.payer {
            Some((name, value)) => request.header(name.clone(), value.clone()),
            None => request,
        }
    }
}

/// How far bytes read back equal ours.
struct Common<'a> {
    ours: Option<&'a [u8]>,
    count: u64,
    differs: bool,
}

impl<'a> Common<'a> {
    fn new(expected: &Expected<'a>) -> Self {
        Self { ours: expected.bytes, count: 0, differs: false }
    }

    fn compare(&mut self, theirs: &[u8]) {
        let Some(ours) = &mut self.ours else { return };
        let (now, later) = ours.split_at(theirs.len().min(ours.len()));
        if !self.differs {
            self.count += now.iter().zip(theirs).take_while(|(a, b)| a == b).count() as u64;
            self.differs = now != theirs;
        }
        *ours = later;
    }

    /// True as well where there is nothing to compare but the CRC.
    fn is_whole(&self) -> bool {
        !self.differs
    }
}

fn read_head(answer: &Answer) -> Seen {
    if answer.is_success() && is_current(answer) {
        return match head(answer) {
            Some(head) => Seen::Object(head),
            None => Seen::Nothing(answer.error()),
        };
    }
    let code = answer.refusal().code;
    match (answer.status, code.as_deref()) {
        (404, Some("NoSuchKey")) if is_current(answer) => Seen::Missing,
        (403, Some("AccessDenied")) if is_current(answer) => Seen::Forbidden(answer.error()),
        _ => Seen::Nothing(answer.error()),
    }
}

fn head(answer: &Answer) -> Option<Head> {
    let length = answer.object_length()?;
    let kind = answer.header(response::OBJECT_TYPE);
    // A word that is none says nothing: neither that it is appendable, nor that it is not.
    if kind.is_some_and(|kind| kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return None;
    }
    let sealed = answer.header(response::SEALED_TIME);
    if sealed.is_some_and(|time| time.is_empty() || !time.is_ascii()) {
        return None;
    }
    Some(Head {
        length,
        crc64: answer.number(response::CRC64),
        // Said in different cases by different sources. Unsaid: the service will say when the next append comes.
        appendable: kind.is_none_or(|kind| kind.eq_ignore_ascii_case("Appendable")),
        sealed: sealed.is_some(),
    })
}

/// From the service itself, and not from some cache's past.
fn is_current(answer: &Answer) -> bool {
    answer.is_from_oss() && answer.header("age").is_none()
}

impl Expected<'_> {
    /// CRC of our first `length` bytes, where they are at hand.
    pub(crate) fn crc64_of_first(&self, length: u64) -> Option<u64> {
        let length = usize::try_from(length).ok()?;
        self.bytes?.get(..length).map(crc64::of)
    }
}
