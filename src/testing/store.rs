//! Buckets, objects, and what the operations do to them. Knows nothing of sockets, signatures and faults.

use super::{
    clock::http_date,
    codec::{base64, crc64_join, hex},
    http::{Body, header},
    reply::{Refusal, Reply},
};
use std::collections::BTreeMap;

/// Content headers that are stored as they come.
const CONTENT: [&str; 5] = ["cache-control", "content-disposition", "content-encoding", "content-type", "expires"];

/// `x-oss-*` headers that are stored when an object is created.
const CREATION: [&str; 6] = [
    "x-oss-storage-class",
    "x-oss-tagging",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-server-side-data-encryption",
    ACL,
];

const ACL: &str = "x-oss-object-acl";
const CRC: &str = "x-oss-hash-crc64ecma";
const NEXT: &str = "x-oss-next-append-position";

/// One object.
pub(super) struct Object {
    appendable: bool,
    /// `None` when only length and CRC are kept.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) len: u64,
    pub(super) crc64: u64,
    etag: String,
    modified: i64,
    pub(super) sealed: Option<i64>,
    pub(super) immutable: bool,
    md5: Option<[u8; 16]>,
    pub(super) headers: Vec<(String, String)>,
}

/// Something to do to one object.
pub(super) struct Operation {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) action: Action,
}

pub(super) enum Action {
    Append { position: u64, body: Body },
    Seal { position: u64 },
    Head,
    Meta,
    Get,
    Put { body: Body },
    Delete,
}

/// All buckets, and what the account allows.
pub(super) struct Store {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    pub(super) size_limit: u64,
    pub(super) size_code: &'static str,
    pub(super) sealing: bool,
    pub(super) tells_crc: bool,
    etags: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            buckets: BTreeMap::new(),
            size_limit: 5 << 30,
            // No page names the code for append; this one's page at least lists the limit.
            size_code: "InlineDataTooLarge",
            sealing: true,
            tells_crc: true,
            etags: 0,
        }
    }
}

impl Store {
    pub(super) fn create_bucket(&mut self, name: &str) {
        self.buckets.entry(name.to_owned()).or_default();
    }

    pub(super) fn has_bucket(&self, name: &str) -> bool {
        self.buckets.contains_key(name)
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.buckets.get(bucket)?.get(key)
    }

    pub(super) fn object_mut(&mut self, bucket: &str, key: &str) -> Option<&mut Object> {
        self.buckets.get_mut(bucket)?.get_mut(key)
    }

    pub(super) fn remove(&mut self, bucket: &str, key: &str) -> bool {
        self.buckets.get_mut(bucket).is_some_and(|objects| objects.remove(key).is_some())
    }

    /// A new object in the place of whatever was there.
    pub(super) fn replace(&mut self, bucket: &str, key: &str, body: &Body, appendable: bool, now: i64) -> &mut Object {
        let etag = self.etag(body.crc64);
        let objects = self.buckets.entry(bucket.to_owned()).or_default();
        let object = Object {
            appendable,
            etag: if appendable { etag } else { body.md5().map_or(etag, |md5| hex(&md5).to_uppercase()) },
            md5: body.md5().filter(|_| !appendable),
            len: body.len,
            crc64: body.crc64,
            bytes: body.bytes.clone(),
            modified: now,
            sealed: None,
            immutable: false,
            headers: Vec::new(),
        };
        objects.insert(key.to_owned(), object);
        objects.get_mut(key).expect("was just put there")
    }

    /// Adds at the end, wherever that is, and whoever may not.
    pub(super) fn grow(&mut self, bucket: &str, key: &str, body: &Body, now: i64) {
        let etag = self.etag(body.crc64);
        match self.object_mut(bucket, key) {
            None => {
                self.replace(bucket, key, body, true, now);
            }
            Some(_) if body.len == 0 => {} // AppendObject reference: an empty append changes nothing
            Some(object) => {
                object.crc64 = crc64_join(object.crc64, body.crc64, body.len);
                object.len += body.len;
                object.bytes = object.bytes.take().zip(body.bytes.as_ref()).map(|(mut old, new)| {
                    old.extend_from_slice(new);
                    old
                });
                (object.etag, object.modified) = (etag, now);
            }
        }
    }

    /// For appendable objects it is no MD5, and different after each append (common headers reference).
    fn etag(&mut self, crc64: u64) -> String {
        self.etags = self.etags.wrapping_add(1);
        format!("{crc64:016X}{:08X}00000000", self.etags)
    }

    pub(super) fn perform(&mut self, operation: &Operation, now: i64) -> Result<Reply, Refusal> {
        let Operation { bucket, key, headers, action } = operation;
        if key.len() > 1023 {
            return Err(invalid_name("0016-00000002"));
        }
        match key.as_bytes().first() {
            None => return Err(invalid_name("0016-00000001")),
            Some(b'/' | b'\\') => return Err(invalid_name("0016-00000005")),
            Some(_) => {}
        }
        match action {
            Action::Append { position, body } => self.append(operation, *position, body, now),
            Action::Seal { position } => self.seal(bucket, key, *position, now),
            Action::Head => self.existing(bucket, key).map(|object| object.head(self.tells_crc)),
            Action::Meta => self.existing(bucket, key).map(|object| object.meta(self.tells_crc)),
            Action::Get => self.existing(bucket, key)?.get(headers, self.tells_crc),
            Action::Put { body } => self.put(operation, body, now),
            Action::Delete => {
                may_change(self.object(bucket, key))?;
                self.remove(bucket, key);
                Ok(Reply::new(204))
            }
        }
    }

    fn existing(&self, bucket: &str, key: &str) -> Result<&Object, Refusal> {
        let missing = || Refusal::scripted(404, "NoSuchKey").element("BucketName", bucket).element("Key", key);
        self.object(bucket, key).ok_or_else(missing)
    }

    fn append(&mut self, operation: &Operation, position: u64, body: &Body, now: i64) -> Result<Reply, Refusal> {
        let Operation { bucket, key, headers, .. } = operation;
        let object = self.object(bucket, key);
        may_append(object)?;
        may_overwrite(object, headers)?;
        at_end(object, position)?;
        check_md5(headers, body)?;
        if position.checked_add(body.len).is_none_or(|end| end > self.size_limit) {
            return Err(Refusal::new(
                400,
                self.size_code,
                "Your object is larger than an appendable object may be.",
                "",
            ));
        }
        check_each_time(headers)?;
        let is_new = object.is_none();
        if is_new {
            check_creation(headers)?;
        }
        self.grow(bucket, key, body, now);
        let tells_crc = self.tells_crc;
        let object = self.object_mut(bucket, key).expect("was just written");
        if is_new {
            object.headers = stored(headers);
        } else if let Some(acl) = header(headers, ACL) {
            // Unlike metadata, tags and class, the SDKs' tests show that a later ACL takes effect.
            object.headers.retain(|(name, _)| name != ACL);
            object.headers.push((ACL.to_owned(), acl.to_owned()));
        }
        Ok(object
            .say_crc(object.echo(Reply::new(200)), tells_crc)
            .with("ETag", object.quoted_etag())
            .with(NEXT, object.len))
    }

    fn seal(&mut self, bucket: &str, key: &str, position: u64, now: i64) -> Result<Reply, Refusal> {
        if !self.sealing {
            return Err(Refusal::new(
                400,
                "OperationNotSupported",
                "SealAppendable is not supported.",
                "0016-00000513",
            ));
        }
        let object = self.existing(bucket, key)?;
        if !object.appendable {
            return Err(Refusal::scripted(409, "ObjectNotAppendable"));
        }
        at_end(Some(object), position)?;
        let object = self.object_mut(bucket, key).expect("was just seen");
        let time = *object.sealed.get_or_insert(now);
        Ok(Reply::new(200).with("ETag", object.quoted_etag()).with("x-oss-sealed-time", http_date(time)))
    }

    fn put(&mut self, operation: &Operation, body: &Body, now: i64) -> Result<Reply, Refusal> {
        let Operation { bucket, key, headers, .. } = operation;
        may_change(self.object(bucket, key))?;
        may_overwrite(self.object(bucket, key), headers)?;
        check_md5(headers, body)?;
        check_each_time(headers)?;
        check_creation(headers)?;
        let tells_crc = self.tells_crc;
        let object = self.replace(bucket, key, body, false, now);
        object.headers = stored(headers);
        Ok(object.say_crc(object.echo(Reply::new(200)), tells_crc).with("ETag", object.quoted_etag()))
    }
}

impl Object {
    fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    fn say_crc(&self, reply: Reply, tells_crc: bool) -> Reply {
        if tells_crc { reply.with(CRC, self.crc64) } else { reply }
    }

    /// Answers state the encryption the object has, whatever the request asked for.
    fn echo(&self, mut reply: Reply) -> Reply {
        for (name, value) in self.headers.iter().filter(|(name, _)| name.contains("encryption")) {
            reply.set(name, value);
        }
        reply
    }

    fn meta(&self, tells_crc: bool) -> Reply {
        let reply = Reply::new(200).with("Content-Length", self.len).with("ETag", self.quoted_etag());
        self.say_crc(reply.with("Last-Modified", http_date(self.modified)), tells_crc)
    }

    fn head(&self, tells_crc: bool) -> Reply {
        let mut reply = self.meta(tells_crc).with("Accept-Ranges", "bytes");
        reply.set("Content-Type", "application/octet-stream");
        reply.set("x-oss-storage-class", "Standard");
        reply.set("x-oss-object-type", if self.appendable { "Appendable" } else { "Normal" });
        for (name, value) in &self.headers {
            match name.as_str() {
                ACL => {}
                "x-oss-tagging" => reply.set("x-oss-tagging-count", value.split('&').count()),
                _ => reply.set(name, value),
            }
        }
        if self.appendable {
            reply.set(NEXT, self.len);
        }
        if let Some(time) = self.sealed {
            reply.set("x-oss-sealed-time", http_date(time));
        }
        if let Some(md5) = self.md5 {
            reply.set("Content-MD5", base64(&md5));
        }
        reply
    }

    fn get(&self, headers: &[(String, String)], tells_crc: bool) -> Result<Reply, Refusal> {
        let Some(bytes) = &self.bytes else {
            return Err(Refusal::new(500, "InternalError", "This fake keeps no bytes.", ""));
        };
        let mut reply = self.head(tells_crc);
        let standard = header(headers, "x-oss-range-behavior") == Some("standard");
        match header(headers, "range").map(|range| range_of(range, self.len, standard)) {
            Some(Range::Part(first, last)) => {
                reply.status = 206;
                reply.set("Content-Range", format!("bytes {first}-{last}/{}", self.len));
                reply.body = bytes[first as usize..=last as usize].to_vec();
            }
            Some(Range::Outside) => {
                let refusal = Refusal::new(416, "InvalidRange", "The requested range cannot be satisfied", "");
                return Err(refusal.header("Content-Range", format!("bytes */{}", self.len)));
            }
            Some(Range::Ignored) | None => reply.body.clone_from(bytes),
        }
        reply.set("Content-Length", reply.body.len());
        Ok(reply)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// First and last byte.
    Part(u64, u64),
    Outside,
    Ignored,
}

/// GetObject reference: a range that is not wholly inside is ignored, unless standard behaviour is asked for.
fn range_of(text: &str, len: u64, standard: bool) -> Range {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Ignored;
    };
    match (number(first), number(last)) {
        (None, Some(n)) if first.is_empty() && n > 0 && n <= len => Range::Part(len - n, len - 1),
        (None, Some(n)) if first.is_empty() && standard && n > 0 && len > 0 => Range::Part(0, len - 1),
        (None, Some(_)) if first.is_empty() && standard => Range::Outside,
        (Some(first), None) if last.is_empty() && first < len => Range::Part(first, len - 1),
        (Some(_), None) if last.is_empty() && standard => Range::Outside,
        (Some(first), Some(last)) if first <= last && last < len => Range::Part(first, last),
        (Some(first), Some(last)) if first <= last && first < len && standard => Range::Part(first, len - 1),
        (Some(first), Some(last)) if first <= last && standard => Range::Outside,
        _ => Range::Ignored,
    }
}

fn invalid_name(ec: &'static str) -> Refusal {
    Refusal::new(400, "InvalidObjectName", "The specified object is not valid.", ec)
}

fn invalid(name: &str, value: &str, ec: &'static str) -> Refusal {
    let refusal = Refusal::new(400, "InvalidArgument", format!("The value of {name} is not valid."), ec);
    refusal.element("ArgumentName", name).element("ArgumentValue", value)
}

fn may_change(object: Option<&Object>) -> Result<(), Refusal> {
    match object {
        Some(object) if object.immutable => {
            Err(Refusal::new(409, "FileImmutable", "The object you specified is immutable.", ""))
        }
        _ => Ok(()),
    }
}

fn may_append(object: Option<&Object>) -> Result<(), Refusal> {
    match object {
        Some(object) if !object.appendable => Err(Refusal::scripted(409, "ObjectNotAppendable")),
        Some(object) if object.sealed.is_some() => {
            Err(Refusal::new(400, "AppendSealedObjectNotAllowed", "The object has been sealed.", ""))
        }
        _ => may_change(object),
    }
}

fn may_overwrite(object: Option<&Object>, headers: &[(String, String)]) -> Result<(), Refusal> {
    if object.is_some() && header(headers, "x-oss-forbid-overwrite") == Some("true") {
        let message = "The object you specified already exists and can not be overwritten.";
        return Err(Refusal::new(409, "FileAlreadyExists", message, ""));
    }
    Ok(())
}

/// The 409 names the end. No page says that it carries the CRC, so it does not.
fn at_end(object: Option<&Object>, position: u64) -> Result<(), Refusal> {
    let len = object.map_or(0, |object| object.len);
    if position == len {
        return Ok(());
    }
    Err(Refusal::scripted(409, "PositionNotEqualToLength").header(NEXT, len))
}

fn check_md5(headers: &[(String, String)], body: &Body) -> Result<(), Refusal> {
    let wrong = |ec| Refusal::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid.", ec);
    match (header(headers, "content-md5"), body.md5()) {
        (Some(given), _) if given.len() != 24 || !given.ends_with("==") => Err(wrong("0017-00000502")),
        (Some(given), Some(md5)) if base64(&md5) != given => Err(wrong("0017-00000503")),
        _ => Ok(()),
    }
}

fn check_each_time(headers: &[(String, String)]) -> Result<(), Refusal> {
    one_of(headers, ACL, &["default", "private", "public-read", "public-read-write"], "")?;
    match header(headers, "x-oss-traffic-limit") {
        Some(text) if !text.parse().is_ok_and(|bits: u64| (819_200..=838_860_800).contains(&bits)) => {
            Err(invalid("x-oss-traffic-limit", text, "0004-00000502"))
        }
        _ => Ok(()),
    }
}

fn check_creation(headers: &[(String, String)]) -> Result<(), Refusal> {
    one_of(headers, "x-oss-storage-class", &["Standard", "IA", "Archive"], "0016-00000503")?;
    if let Some(method) = header(headers, "x-oss-server-side-encryption")
        && !["AES256", "KMS", "SM4"].contains(&method)
    {
        let message = "The encryption algorithm you specified is not valid.";
        return Err(Refusal::new(400, "InvalidEncryptionAlgorithmError", message, ""));
    }
    if header(headers, "x-oss-tagging").is_some_and(|tags| tags.split('&').count() > 10) {
        return Err(Refusal::new(400, "InvalidTag", "Object tags cannot be greater than 10.", ""));
    }
    let mut size = 0;
    for (name, value) in headers.iter().filter_map(|(name, value)| Some((meta_name(name)?, value))) {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(invalid(name, value, "0011-00000004"));
        }
        size += name.len() + value.len();
    }
    if size > 8 << 10 {
        return Err(invalid("x-oss-meta", "", "0011-00000002"));
    }
    Ok(())
}

fn one_of(headers: &[(String, String)], name: &str, values: &[&str], ec: &'static str) -> Result<(), Refusal> {
    match header(headers, name) {
        Some(value) if !values.contains(&value) => Err(invalid(name, value, ec)),
        _ => Ok(()),
    }
}

fn meta_name(header: &str) -> Option<&str> {
    let (prefix, name) = header.split_at_checked("x-oss-meta-".len())?;
    prefix.eq_ignore_ascii_case("x-oss-meta-").then_some(name)
}

fn stored(headers: &[(String, String)]) -> Vec<(String, String)> {
    let lower = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let kept = |name: &str| CONTENT.contains(&name) || CREATION.contains(&name) || meta_name(name).is_some();
    lower.filter(|(name, _)| kept(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_reference() {
        assert_eq!(range_of("bytes=0-9", 10, false), Range::Part(0, 9));
        assert_eq!(range_of("bytes=4-", 10, false), Range::Part(4, 9));
        assert_eq!(range_of("bytes=-3", 10, false), Range::Part(7, 9));
        for (range, standard) in [
            ("bytes=5-20", Range::Part(5, 9)),
            ("bytes=10-", Range::Outside),
            ("bytes=10-20", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=-20", Range::Part(0, 9)),
            ("bytes=9-5", Range::Ignored),
            ("bytes=-", Range::Ignored),
            ("bytes=+1-2", Range::Ignored),
            ("bytes=0-1,4-5", Range::Ignored),
            ("lines=1-2", Range::Ignored),
        ] {
            assert_eq!(range_of(range, 10, false), Range::Ignored, "{range}");
            assert_eq!(range_of(range, 10, true), standard, "{range}");
        }
        assert_eq!(range_of("bytes=-1", 0, true), Range::Outside);
    }
}
