//! Program 15 of the API page: every body; own types.

use oss_append::{Body, Bucket, Result};
use std::{borrow::Cow, fs::File, io, net::TcpStream};

struct Record {
    line: String,
}
impl<'b> From<&'b Record> for Body<'b> {
    fn from(r: &'b Record) -> Self {
        r.line.as_str().into()
    }
}
impl From<Record> for Body<'_> {
    fn from(r: Record) -> Self {
        r.line.into()
    }
}

fn all(b: &Bucket, mut file: File, socket: &TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    let (s, v, n) = (String::from("s"), vec![1u8], 1);
    let cow: Cow<'_, str> = String::from_utf8_lossy(&v);
    b.append_object("k", 0, "text")?;
    b.append_object("k", 0, b"bytes")?;
    b.append_object("k", 0, b"")?;
    b.append_object("k", 0, &s)?;
    b.append_object("k", 0, &s[..n])?;
    b.append_object("k", 0, s.clone())?;
    b.append_object("k", 0, format!("{n}"))?;
    b.append_object("k", 0, &v)?;
    b.append_object("k", 0, &v[..n])?;
    b.append_object("k", 0, v.clone())?;
    b.append_object("k", 0, [1, 2, 3].as_slice())?;
    b.append_object("k", 0, &[1, 2, 3])?;
    b.append_object("k", 0, &[])?;
    b.append_object("k", 0, vec![1, 2, 3])?;
    b.append_object("k", 0, cow)?;
    for chunk in [1u8, 2, 3].chunks(2).collect::<Vec<_>>().iter() {
        b.append_object("k", 0, chunk)?;
    }
    b.append_object("k", 0, &file)?;
    b.append_object("k", 0, &mut file)?;
    b.append_object("k", 0, Body::from_reader(io::stdin().lock()))?;
    b.append_object("k", 0, Body::from_reader(&mut file))?;
    b.append_object("k", 0, Body::sized(socket, 42))?;
    b.append_object("k", 0, Body::from_seekable(io::Cursor::new(&v)))?;
    b.append_object("k", 0, file)?;
    let record = Record { line: s };
    b.append_object("k", 0, &record)?;
    b.append_object("k", 0, record)?;
    let mut at = 0; // infers u64
    for line in ["a\n", "b\n"] {
        at = b.append_object("k", at, line)?.next_position;
    }
    let mut last = b.append_object("v", 0, "")?;
    for line in ["a\n", "b\n"] {
        last = b.append_object("v", &last, line)?;
    } // verified
    Ok(())
}
pub(crate) fn main() {
    let _ = all;
}
