//! HTTP/1.1 as a server reads it. Nothing is taken from the socket that is not needed yet: what is left there when it
//! is closed decides between a reset and an orderly end.

use super::codec::{Md5, crc64, percent_decode};
use std::{
    io::{self, Read as _},
    net::TcpStream,
};

/// Longest head that is read, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Longest line between two chunks.
const MAX_LINE: usize = 4 << 10;

/// A socket from which at most `left` more bytes are taken.
pub(super) struct Wire<'s> {
    stream: &'s TcpStream,
    left: u64,
}

impl<'s> Wire<'s> {
    pub(super) fn new(stream: &'s TcpStream) -> Self {
        Self { stream, left: u64::MAX }
    }

    /// From now on the client seems gone after `bytes`.
    pub(super) fn cut_after(&mut self, bytes: u64) {
        self.left = bytes;
    }

    /// Was it us who ended it?
    pub(super) fn was_cut(&self) -> bool {
        self.left == 0
    }

    fn peek(&self, ahead: &mut [u8]) -> io::Result<usize> {
        let most = ahead.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        match if most == 0 { 0 } else { self.stream.peek(&mut ahead[..most])? } {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            seen => Ok(seen),
        }
    }

    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let most = piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let taken = self.stream.read(&mut piece[..most])?;
        self.left -= taken as u64;
        if taken == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(taken) }
    }

    /// Everything up to and including `end`.
    fn until(&mut self, end: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let (mut taken, mut ahead) = (Vec::new(), [0; 4096]);
        while taken.len() < most {
            let seen = self.peek(&mut ahead)?;
            let (old, from) = (taken.len(), (taken.len() + 1).saturating_sub(end.len()));
            taken.extend_from_slice(&ahead[..seen]);
            let found = taken[from..].windows(end.len()).position(|window| window == end);
            let used = found.map_or(seen, |at| from + at + end.len() - old);
            taken.truncate(old + used);
            self.stream.read_exact(&mut ahead[..used])?;
            self.left -= used as u64;
            if found.is_some() {
                return Ok(taken);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// The head of a request.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    /// As it came.
    pub(super) head: Vec<u8>,
}

impl Request {
    /// `InvalidData` if it is no HTTP or too long.
    pub(super) fn read(wire: &mut Wire<'_>) -> io::Result<Self> {
        let head = wire.until(b"\r\n\r\n", MAX_HEAD)?;
        Self::parse(head).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(head: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.strip_suffix("\r\n\r\n")?.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        let fine = first.next().is_none()
            && !method.is_empty()
            && method.bytes().all(|b| b.is_ascii_uppercase())
            && !target.is_empty()
            && version == "HTTP/1.1";
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            let token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
            token.then(|| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        });
        let (method, target) = (method.to_owned(), target.to_owned());
        let headers = headers.collect::<Option<_>>()?;
        fine.then_some(Self { method, target, headers, head })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Path and query. The form with scheme and host, as sent to proxies, is understood too.
    pub(super) fn path_and_query(&self) -> (&str, &str) {
        let target = match self.target.split_once("://") {
            Some((_, rest)) if !self.target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => &self.target,
        };
        target.split_once('?').unwrap_or((target, ""))
    }

    /// The decoded parameters in the order they came; a missing value is empty. `None` for a bad escape.
    pub(super) fn parameters(&self) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let pairs = self.path_and_query().1.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((percent_decode(name.as_bytes())?, percent_decode(value.as_bytes())?))
            })
            .collect()
    }

    pub(super) fn framing(&self) -> Framing {
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Framing::Chunked;
        }
        match self.header("content-length") {
            None => Framing::Missing,
            Some(len) if len.bytes().all(|b| b.is_ascii_digit()) => len.parse().map_or(Framing::Bad, Framing::Length),
            Some(_) => Framing::Bad,
        }
    }

    pub(super) fn wants(&self, name: &str, value: &str) -> bool {
        self.header(name).is_some_and(|given| given.eq_ignore_ascii_case(value))
    }
}

pub(super) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Missing,
    Bad,
    Length(u64),
    Chunked,
}

/// A body, or as much of one as came.
pub(super) struct Body {
    /// `None` if nobody wanted them kept.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) len: u64,
    pub(super) crc64: u64,
    md5: Option<Md5>,
    damage: bool,
}

impl Body {
    pub(super) fn new(keep: bool) -> Self {
        Self { bytes: keep.then(Vec::new), len: 0, crc64: 0, md5: None, damage: false }
    }

    /// Computes the MD5 as well.
    pub(super) fn with_md5(mut self) -> Self {
        self.md5 = Some(Md5::new());
        self
    }

    /// Flips a bit of the first byte, as a broken network card would.
    pub(super) fn damage(&mut self) {
        self.damage = true;
    }

    pub(super) fn md5(&self) -> Option<[u8; 16]> {
        self.md5.clone().map(Md5::finish)
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.len += piece.len() as u64;
        self.crc64 = crc64(self.crc64, piece);
        if let Some(bytes) = &mut self.bytes {
            bytes.extend_from_slice(piece);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
    }

    /// Reads to the end. On an error, what came before it is there. With `leave_last` the last byte on the wire has
    /// arrived and is used, but stays in the socket.
    pub(super) fn read(&mut self, wire: &mut Wire<'_>, framing: Framing, leave_last: bool) -> io::Result<()> {
        match framing {
            Framing::Missing | Framing::Bad | Framing::Length(0) => Ok(()),
            Framing::Length(len) => self.take(wire, len, leave_last),
            Framing::Chunked => self.read_chunked(wire, leave_last),
        }
    }

    fn take(&mut self, wire: &mut Wire<'_>, len: u64, leave_last: bool) -> io::Result<()> {
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(256 << 10)];
        let mut left = len - u64::from(leave_last);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let taken = wire.read(&mut buffer[..most])?;
            left -= taken as u64;
            self.arrived(&mut buffer[..taken]);
        }
        if leave_last {
            wire.peek(&mut buffer[..1])?;
            self.arrived(&mut buffer[..1]);
        }
        Ok(())
    }

    fn arrived(&mut self, piece: &mut [u8]) {
        if let Some(first) = piece.first_mut()
            && std::mem::take(&mut self.damage)
        {
            *first ^= 1;
        }
        self.push(piece);
    }

    fn read_chunked(&mut self, wire: &mut Wire<'_>, leave_last: bool) -> io::Result<()> {
        loop {
            match chunk_len(&wire.until(b"\r\n", MAX_LINE)?) {
                None => return Err(io::ErrorKind::InvalidData.into()),
                Some(0) => break,
                Some(len) => self.take(wire, len, false)?,
            }
            if wire.until(b"\r\n", MAX_LINE)? != b"\r\n" {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        if leave_last {
            return wire.peek(&mut [0]).map(drop);
        }
        while wire.until(b"\r\n", MAX_LINE)? != b"\r\n" {} // trailers
        Ok(())
    }
}

fn chunk_len(line: &[u8]) -> Option<u64> {
    let line = str::from_utf8(line).ok()?.trim_end();
    let digits = line.split_once(';').map_or(line, |(digits, _extension)| digits).trim_end();
    let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
    hexadecimal.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Option<Request> {
        Request::parse(head.as_bytes().to_vec())
    }

    #[test]
    fn a_head_is_taken_apart() {
        let request = parse("POST /b/a%20b?append&position=1%30 HTTP/1.1\r\nHost:  x \r\nA: b:c\r\n\r\n").unwrap();
        assert_eq!((&*request.method, request.path_and_query().0), ("POST", "/b/a%20b"));
        assert_eq!((request.header("HOST"), request.header("a")), (Some("x"), Some("b:c")));
        let parameters = request.parameters().unwrap();
        assert_eq!(parameters, [(b"append".to_vec(), vec![]), (b"position".to_vec(), b"10".to_vec())]);
        assert_eq!(request.framing(), Framing::Missing);
    }

    #[test]
    fn proxies_get_whole_addresses() {
        let path = |target: &str| {
            let request = parse(&format!("GET {target} HTTP/1.1\r\n\r\n")).unwrap();
            request.path_and_query().0.to_owned()
        };
        assert_eq!(path("http://b.host:1/k?x"), "/k");
        assert_eq!(path("http://b.host"), "/");
        assert_eq!(path("/b/http://k"), "/b/http://k");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for head in [
            "\r\n\r\n",
            "GET\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "get / HTTP/1.1\r\n\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "GET / HTTP/1.1\r\na b: x\r\n\r\n",
        ] {
            assert!(parse(head).is_none(), "{head:?}");
        }
    }

    #[test]
    fn chunk_lengths_are_hexadecimal() {
        assert_eq!(chunk_len(b"1F;x=y\r\n"), Some(31));
        for bad in [&b"\r\n"[..], b"+1\r\n", b"g\r\n", b"11111111111111111\r\n", b"\xFF\r\n"] {
            assert_eq!(chunk_len(bad), None);
        }
    }
}
