//! What one append may carry besides bytes.

use std::{fmt, sync::Arc};

use crate::{
    endpoint::escape_query,
    error::{Error, Result},
    request::{
        CONTENT_MD5, CONTENT_TYPE, X_OSS_META_PREFIX, X_OSS_OBJECT_ACL, X_OSS_REQUEST_PAYER,
        X_OSS_SERVER_SIDE_ENCRYPTION, X_OSS_STORAGE_CLASS, X_OSS_TAGGING, X_OSS_TRAFFIC_LIMIT,
    },
    response::CRC64,
};

/// What one append may carry besides bytes: headers, metadata, tags, progress.
///
/// Two kinds of headers, told apart by their name on the wire, not by the method that set them:
///
/// - what describes the *object* (content type, ACL, storage class, encryption, metadata, tags, `Cache-Control`,
///   `Content-Disposition`, `Content-Encoding`, `Content-Language`, `Expires`, `x-oss-forbid-overwrite`) goes out only
///   while the object is new: the service ignores most of it later ("AppendObject" reference);
/// - everything else goes out with every request.
///
/// A later value replaces an earlier one of the same name. Blanks around a value are cut off, as HTTP does. Nothing is
/// checked here: a value that cannot be sent is an [`InvalidInput`](crate::ErrorKind::InvalidInput) error of the
/// append, before anything is sent. Debug shows names, never values.
///
/// # `Content-MD5`
///
/// After every append the service's CRC-64 of the whole object is compared with ours, which *finds* bytes that were
/// damaged on their way ([`Integrity`](crate::ErrorKind::Integrity)); by then they are in the object. With
/// `content_md5(true)`, which the feature `md5` adds, they are *refused* instead, and sent again. Behind a bare position,
/// where there is no CRC to compare, it is the only check. Over HTTPS there is little left for it to find: what TLS
/// delivers is what was sent.
///
/// ```
/// use oss_append::{AppendOptions, testing::FakeOss};
///
/// let oss = FakeOss::start()?;
/// let bucket = oss.bucket("bucket");
/// let options = AppendOptions::new().content_type("text/csv").meta("from", "build").header("cache-control", "no-cache");
/// bucket.append_object_with("table", 0, "a,b\n", &options)?;
///
/// let meta = bucket.head_object("table")?;
/// assert_eq!(meta.content_type.as_deref(), Some("text/csv"));
/// assert_eq!(meta.meta, [("from".to_owned(), "build".to_owned())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct AppendOptions {
    /// Lower-case names, each once, values as said.
    headers: Vec<(String, String)>,
    content_md5: bool,
    progress: Option<Callback>,
}

type Callback = Arc<dyn Fn(Progress) + Send + Sync>;

/// How far one append is, in bytes of its body.
///
/// ```
/// use oss_append::AppendOptions;
///
/// let options = AppendOptions::new().progress(|now| match now.total {
///     Some(total) => eprintln!("{} of {total}", now.sent),
///     None => eprintln!("{}", now.sent),
/// });
/// # drop(options);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Handed to the connection in this attempt; that it arrived is not said.
    pub sent: u64,
    /// The length of the body, if it is known.
    pub total: Option<u64>,
}

impl AppendOptions {
    /// Nothing but the bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// `Content-Type` of a new object. Default: by the key's extension, else `application/octet-stream`.
    ///
    /// ```
    /// let options = oss_append::AppendOptions::new().content_type("application/x-ndjson");
    /// # drop(options);
    /// ```
    pub fn content_type(self, value: &str) -> Self {
        self.header(CONTENT_TYPE, value)
    }

    /// Who may read a new object: `private`, `public-read`, `public-read-write` or `default` (as the bucket).
    ///
    /// ```
    /// let options = oss_append::AppendOptions::new().acl("public-read");
    /// # drop(options);
    /// ```
    pub fn acl(self, value: &str) -> Self {
        self.header(X_OSS_OBJECT_ACL, value)
    }

    /// `Standard`, `IA` or `Archive`. Appendable objects cannot be `ColdArchive` or `DeepColdArchive`.
    ///
    /// ```
    /// let options = oss_append::AppendOptions::new().storage_class("IA");
    /// # drop(options);
    /// ```
    pub fn storage_class(self, value: &str) -> Self {
        self.header(X_OSS_STORAGE_CLASS, value)
    }

    /// How the service encrypts a new object: `AES256`, `KMS` or `SM4`.
    ///
    /// ```
    /// let options = oss_append::AppendOptions::new().server_side_encryption("AES256");
    /// # drop(options);
    /// ```
    pub fn server_side_encryption(self, value: &str) -> Self {
        self.header(X_OSS_SERVER_SIDE_ENCRYPTION, value)
    }

    /// Metadata of a new object, `x-oss-meta-<name>`; may be repeated for other names.
    ///
    /// Names are of `a-z`, `0-9` and `-` (upper case is lowered), values of ASCII; all together at most 8 KB.
    ///
    /// ```
    /// use oss_append::AppendOptions;
    ///
    /// let options = AppendOptions::new().meta("host", "web-1").meta("city", "Z%C3%BCrich");
    /// # drop(options);
    /// ```
    pub fn meta(self, name: &str, value: &str) -> Self {
        self.header(&format!("{X_OSS_META_PREFIX}{name}"), value)
    }

    /// One tag of a new object; at most 10. The same key again replaces its value.
    ///
    /// Keys have 1 to 128 characters, values up to 256: letters of any script, digits, space and `+ - = . _ : /`.
    /// Both are given as they are; escaping is done here.
    ///
    /// ```
    /// let options = oss_append::AppendOptions::new().tag("team", "build").tag("keep", "30 days");
    /// # drop(options);
    /// ```
    pub fn tag(self, key: &str, value: &str) -> Self {
        let (key, value) = (escaped(key), escaped(value));
        let before = self.headers.iter().find(|(name, _)| name == X_OSS_TAGGING).map_or("", |(_, tags)| tags);
        let mut tags: Vec<_> =
            before.split('&').filter(|t| !t.is_empty() && t.split('=').next() != Some(&key)).collect();
        let tag = format!("{key}={value}");
        tags.push(&tag);
        let tags = tags.join("&");
        self.header(X_OSS_TAGGING, &tags)
    }

    /// Bits per second for each request: 819 200 to 838 860 800 ("single-connection bandwidth throttling").
    ///
    /// ```
    /// let options = oss_append::AppendOptions::new().traffic_limit(8 << 20);
    /// # drop(options);
    /// ```
    pub fn traffic_limit(self, bits_per_second: u64) -> Self {
        self.header(X_OSS_TRAFFIC_LIMIT, &bits_per_second.to_string())
    }

    /// Any other header, and any of the above by its wire name, with the same effect.
    ///
    /// Names are in any case, values in ASCII. What the library itself must say (`Host`, `Content-Length`,
    /// `Authorization`, `Date`, ...) is refused. `x-oss-tagging` is `key=value&key=value`, each part percent-encoded.
    ///
    /// ```
    /// use oss_append::AppendOptions;
    ///
    /// let options = AppendOptions::new()
    ///     .header("Cache-Control", "no-cache")
    ///     .header("x-oss-request-payer", "requester")
    ///     .header("x-oss-object-acl", "private"); // the same as .acl("private")
    /// # drop(options);
    /// ```
    #[doc(alias = "headers")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.trim_matches([' ', '\t']).to_owned()));
        self
    }

    /// Sends the MD5 of its own bytes with every request, so that bytes that were damaged on their way are refused before
    /// they are stored (400 `InvalidDigest`), and sent again as often as
    /// [`attempts`](crate::BucketBuilder::attempts) says.
    ///
    /// For an [`Appender`](crate::Appender) that is each chunk, for
    /// [`resumable_append`](crate::Bucket::resumable_append) each section of the file. Bytes that are not in memory are
    /// read once more, before they are sent; a source that can be read only once is
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and so is a `Content-MD5` given by hand beside it.
    ///
    /// MD5 is slow, and runs while nothing is sent: on one core of an AMD EPYC, shared with others at the time, it did
    /// 320 MB/s where the CRC did 12 GB/s, so that a chunk of 8 MiB waits 26 ms, and a GiB takes 3.4 s longer. Measured by
    /// `cargo test --release --no-default-features --features md5 --test content_md5 -- --ignored --nocapture`.
    ///
    /// ```
    /// use oss_append::{AppendOptions, testing::{FakeOss, Fault}};
    ///
    /// let oss = FakeOss::start()?;
    /// let bucket = oss.bucket("bucket");
    /// oss.inject(Fault::Damage);
    /// # #[cfg(feature = "md5")] {
    /// let options = AppendOptions::new().content_md5(true);
    /// bucket.append_object_with("log", 0, "text", &options)?; // refused, and sent again
    /// assert_eq!(oss.object("bucket", "log").unwrap(), b"text");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "md5")]
    #[cfg_attr(docsrs, doc(cfg(feature = "md5")))]
    pub fn content_md5(mut self, on: bool) -> Self {
        self.content_md5 = on;
        self
    }

    /// Called as bytes go out, on the thread that appends; starts again when an attempt is repeated.
    ///
    /// It must not use the appender that calls it.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use oss_append::AppendOptions;
    ///
    /// let sent = Arc::new(AtomicU64::new(0));
    /// let seen = Arc::clone(&sent);
    /// let options = AppendOptions::new().progress(move |now| seen.store(now.sent, Ordering::Relaxed));
    /// # drop(options);
    /// ```
    #[doc(alias = "progress_callback")]
    pub fn progress(mut self, callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(callback));
        self
    }

    /// Everything checked and sorted; an object without a content type gets the one its key suggests.
    pub(crate) fn headers(&self, key: &str) -> Result<Headers> {
        let mut headers = Headers {
            always: Vec::new(),
            creating: Vec::new(),
            #[cfg(feature = "md5")]
            content_md5: self.content_md5,
        };
        for (name, value) in &self.headers {
            check_header(name, value)?;
            let list = if describes_the_object(name) { &mut headers.creating } else { &mut headers.always };
            list.push((name.clone(), value.clone()));
        }
        check_meta_size(&headers.creating)?;
        if self.content_md5 && headers.always.iter().any(|(name, _)| name == CONTENT_MD5) {
            return refuse(format!("{CONTENT_MD5} is given, and content_md5 computes it: leave out one of the two"));
        }
        if !headers.creating.iter().any(|(name, _)| name == CONTENT_TYPE) {
            headers.creating.push((CONTENT_TYPE.to_owned(), content_type_of(key).to_owned()));
        }
        Ok(headers)
    }

    pub(crate) fn tell(&self, progress: Progress) {
        if let Some(callback) = self.progress_callback() {
            callback(progress);
        }
    }

    pub(crate) fn progress_callback(&self) -> Option<&(dyn Fn(Progress) + Send + Sync)> {
        self.progress.as_deref()
    }
}

impl fmt::Debug for AppendOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("AppendOptions")
            .field("headers", &names)
            .field("progress", &self.progress.is_some())
            .finish_non_exhaustive()
    }
}

/// Headers that can be sent: lower-case names, each once in both lists together.
pub(crate) struct Headers {
    /// For every append.
    pub(crate) always: Vec<(String, String)>,
    /// Only while the object is new.
    pub(crate) creating: Vec<(String, String)>,
    /// Each request says the MD5 of its bytes.
    #[cfg(feature = "md5")]
    pub(crate) content_md5: bool,
}

impl Headers {
    /// Goes out when asking, too: a bucket whose requesters pay refuses every request without it.
    pub(crate) fn request_payer(&self) -> Option<&(String, String)> {
        self.always.iter().find(|(name, _)| name == X_OSS_REQUEST_PAYER)
    }

    /// The header that speaks of the bytes of one body, and so cannot be true of every chunk of a stream.
    pub(crate) fn fixes_the_body(&self) -> Option<&str> {
        self.always.iter().map(|(name, _)| &**name).find(|name| [CONTENT_MD5, CRC64].contains(name))
    }
}

fn describes_the_object(name: &str) -> bool {
    OF_THE_OBJECT.contains(&name) || name.starts_with(X_OSS_META_PREFIX) || name.starts_with(SERVER_SIDE)
}

fn check_header(name: &str, value: &str) -> Result<()> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) {
        return refuse(format!("the header name {name:?} is not valid: letters, digits and '-', no blanks or colons"));
    }
    if let Some((_, instead)) = RESERVED.iter().find(|(names, _)| names.contains(&name)) {
        return refuse(format!("the header {name} cannot be set: {instead}"));
    }
    if value.bytes().any(|b| b.is_ascii_control()) {
        return refuse(format!("the value of {name} has control characters, as line breaks or tabs: leave them out"));
    }
    if !value.is_ascii() {
        return refuse(format!("the value of {name} is not ASCII: percent-encode the other characters"));
    }
    if let Some((_, choices)) = CHOICES.iter().find(|(choice, _)| *choice == name) {
        check_choice(name, value, choices)?;
    }
    match name {
        X_OSS_TAGGING => check_tags(value),
        X_OSS_TRAFFIC_LIMIT => check_traffic_limit(value),
        _ => name.strip_prefix(X_OSS_META_PREFIX).map_or(Ok(()), check_meta_name),
    }
}

fn check_choice(name: &str, value: &str, choices: &[&str]) -> Result<()> {
    if choices.contains(&value) {
        return Ok(());
    }
    let choices = choices.join(", ");
    if ["ColdArchive", "DeepColdArchive"].contains(&value) {
        return refuse(format!("an appendable object cannot be of storage class {value}: {name} is one of {choices}"));
    }
    refuse(format!("{name} cannot be {value:?}: it is one of {choices}"))
}

fn check_traffic_limit(value: &str) -> Result<()> {
    match value.parse::<u64>() {
        Ok(819_200..=838_860_800) => Ok(()),
        _ => refuse(format!("the traffic limit {value:?} is not from 819200 to 838860800 (bits per second)")),
    }
}

fn check_meta_name(name: &str) -> Result<()> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Ok(());
    }
    refuse(format!(
        "the metadata name {name:?} is not valid: letters, digits and '-' only ('_' is refused by the service)"
    ))
}

fn check_meta_size(creating: &[(String, String)]) -> Result<()> {
    let meta =
        creating.iter().filter_map(|(name, value)| Some(name.strip_prefix(X_OSS_META_PREFIX)?.len() + value.len()));
    match meta.sum() {
        0..=MOST_META => Ok(()),
        size => {
            refuse(format!("the metadata has {size} bytes, names and values together: at most {MOST_META} are allowed"))
        }
    }
}

/// `key=value&key`, percent-encoded, by the rules of "Object tagging".
fn check_tags(tags: &str) -> Result<()> {
    let mut seen = Vec::new();
    for tag in tags.split('&') {
        let (escaped, value) = tag.split_once('=').unwrap_or((tag, ""));
        let (Some(key), Some(value)) = (unescape(escaped), unescape(value)) else {
            return refuse(format!("the tag {escaped:?} is not percent-encoded UTF-8: use AppendOptions::tag"));
        };
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return refuse(format!(
                "the tag {key:?} is empty or too long: keys have 1 to 128 characters, values up to 256"
            ));
        }
        if !key.chars().chain(value.chars()).all(|c| c.is_alphanumeric() || " +-=._:/".contains(c)) {
            return refuse(format!(
                "the tag {key:?} has other characters than letters, digits, space and + - = . _ : /"
            ));
        }
        if seen.contains(&key) {
            return refuse(format!("the tag {key:?} is given twice"));
        }
        seen.push(key);
    }
    if seen.len() > MOST_TAGS {
        return refuse(format!("there are {} tags: an object has at most {MOST_TAGS}", seen.len()));
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    escape_query(text, &mut escaped);
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn content_type_of(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or(key);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match CONTENT_TYPES.binary_search_by_key(&&*extension, |(extension, _)| extension) {
        Ok(at) => CONTENT_TYPES[at].1,
        Err(_) => "application/octet-stream",
    }
}

fn refuse<T>(what: String) -> Result<T> {
    Err(Error::invalid_input(what))
}

const SERVER_SIDE: &str = "x-oss-server-side-";

/// Bytes of metadata, names (without their prefix) and values.
const MOST_META: usize = 8 << 10;
const MOST_TAGS: usize = 10;

/// Sent only while the object is new, beside metadata and encryption.
const OF_THE_OBJECT: [&str; 10] = [
    CONTENT_TYPE,
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    X_OSS_OBJECT_ACL,
    X_OSS_STORAGE_CLASS,
    X_OSS_TAGGING,
    "x-oss-forbid-overwrite",
];

/// What costs money or exposes data when misspelt.
const CHOICES: [(&str, &[&str]); 3] = [
    (X_OSS_OBJECT_ACL, &["private", "public-read", "public-read-write", "default"]),
    (X_OSS_STORAGE_CLASS, &["Standard", "IA", "Archive"]),
    (X_OSS_SERVER_SIDE_ENCRYPTION, &["AES256", "KMS", "SM4"]),
];

/// What the library says itself, and what to do instead.
const RESERVED: [(&[&str], &str); 8] = [
    (&["host"], "it follows from the endpoint"),
    (&["content-length", "transfer-encoding", "te", "trailer"], "it follows from the body"),
    (
        &["connection", "keep-alive", "upgrade", "expect", "proxy-connection", "accept-encoding"],
        "the library keeps the connection",
    ),
    (&["proxy-authorization"], "use BucketBuilder::proxy"),
    (
        &["authorization", "date", "x-oss-date", "x-oss-content-sha256", "x-oss-security-token"],
        "the library signs, with what Auth gives it",
    ),
    (&["user-agent"], "use BucketBuilder::user_agent"),
    (&["range"], "an append has no range; to read one, use Bucket::get_object_range"),
    (&["append", "position"], "it is not a header; say the position as an argument"),
];

/// By extension, sorted.
#[rustfmt::skip]
const CONTENT_TYPES: [(&str, &str); 44] = [
    ("7z", "application/x-7z-compressed"),
    ("avro", "application/avro"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ini", "text/plain"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonl", "application/x-ndjson"),
    ("log", "text/plain"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ndjson", "application/x-ndjson"),
    ("parquet", "application/vnd.apache.parquet"),
    ("pcap", "application/vnd.tcpdump.pcap"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("sql", "application/sql"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tgz", "application/gzip"),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn headers(options: &AppendOptions) -> Headers {
        options.headers("key").expect("good options")
    }

    #[track_caller]
    fn refused(options: AppendOptions) -> String {
        let error = options.headers("key").err().expect("must be refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn no_options_give_a_content_type_by_the_key_and_nothing_else() {
        for (key, content_type) in [
            ("log.txt", "text/plain"),
            ("a.b/APP.LOG", "text/plain"),
            ("x.tar.gz", "application/gzip"),
            ("events.jsonl", "application/x-ndjson"),
            ("data.zst", "application/zstd"),
            ("7.7z", "application/x-7z-compressed"),
            ("a.txt/b", "application/octet-stream"),
            ("log", "application/octet-stream"),
            ("txt", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("a.unknown", "application/octet-stream"),
            ("日本.ß", "application/octet-stream"),
        ] {
            let headers = AppendOptions::new().headers(key).expect("nothing to refuse");
            assert_eq!(headers.creating, pairs(&[("content-type", content_type)]), "{key}");
            assert!(headers.always.is_empty());
        }
    }

    #[test]
    fn the_table_of_content_types_is_sorted() {
        assert!(CONTENT_TYPES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_header_by_its_wire_name_is_the_same_as_its_setter() {
        let by_setter = AppendOptions::new()
            .content_type("text/csv")
            .acl("private")
            .storage_class("IA")
            .server_side_encryption("KMS")
            .meta("a", "1")
            .meta("B", "2")
            .tag("k", "a b")
            .tag("ü", "")
            .traffic_limit(819_200);
        let by_name = AppendOptions::new()
            .header("Content-Type", "text/csv")
            .header("X-OSS-Object-ACL", " private\t")
            .header("x-oss-storage-class", "IA")
            .header("x-oss-server-side-encryption", "KMS")
            .header("x-oss-meta-a", "1")
            .header("X-Oss-Meta-b", "2")
            .header("x-oss-tagging", "k=a%20b&%C3%BC=")
            .header("x-oss-traffic-limit", "819200");
        let (one, other) = (headers(&by_setter), headers(&by_name));
        assert_eq!((&one.always, &one.creating), (&other.always, &other.creating));
        assert_eq!(one.always, pairs(&[("x-oss-traffic-limit", "819200")]));
        assert_eq!(one.creating.len(), 7);
    }

    #[test]
    fn what_describes_the_object_goes_out_only_when_it_is_new() {
        let creating = [
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
            "expires",
            "x-oss-server-side-data-encryption",
            "x-oss-server-side-encryption-key-id",
            "x-oss-forbid-overwrite",
        ];
        let always = ["content-md5", "x-oss-request-payer", "x-oss-hash-crc64ecma", "x-anything"];
        let all = creating.iter().chain(&always).fold(AppendOptions::new(), |o, name| o.header(name, "x"));
        let headers = headers(&all);
        for name in creating {
            assert!(headers.creating.iter().any(|(n, _)| n == name), "{name}");
        }
        assert!(headers.always.iter().map(|(name, _)| &**name).eq(always));
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        let options = AppendOptions::new().header("X-A", "1").meta("m", "1").header("x-a", "2").meta("M", "2");
        let headers = headers(&options.content_type("a/b").content_type("c/d"));
        assert_eq!(headers.always, pairs(&[("x-a", "2")]));
        assert_eq!(headers.creating, pairs(&[("x-oss-meta-m", "2"), ("content-type", "c/d")]));
    }

    #[test]
    fn asking_knows_the_payer_and_a_stream_knows_what_fixes_a_body() {
        let payer = headers(&AppendOptions::new().header("x-oss-request-payer", "requester"));
        assert_eq!(payer.request_payer(), pairs(&[("x-oss-request-payer", "requester")]).first());
        assert_eq!(payer.fixes_the_body(), None);
        for name in ["content-md5", "x-oss-hash-crc64ecma"] {
            let fixed = headers(&AppendOptions::new().header(name, "x"));
            assert_eq!(fixed.fixes_the_body(), Some(name));
            assert!(fixed.request_payer().is_none());
        }
    }

    #[test]
    fn names_and_values_that_cannot_be_sent_are_refused() {
        for name in ["", " ", "a b", "a:", "a\r\n", "ä", "a\0"] {
            assert!(refused(AppendOptions::new().header(name, "x")).contains("header name"), "{name:?}");
        }
        for value in ["a\rb", "a\n", "\n", "a\0", "a\tb", "\x7f", "x\r\nHost: evil"] {
            let error = refused(AppendOptions::new().header("x-a", value));
            assert_eq!(error, "the value of x-a has control characters, as line breaks or tabs: leave them out");
        }
        let error = refused(AppendOptions::new().meta("city", "Zürich"));
        assert_eq!(error, "the value of x-oss-meta-city is not ASCII: percent-encode the other characters");
    }

    #[test]
    fn what_the_library_says_itself_cannot_be_set() {
        for name in RESERVED.iter().flat_map(|(names, _)| *names) {
            let error = refused(AppendOptions::new().header(&name.to_uppercase(), "x"));
            assert!(error.starts_with(&format!("the header {name} cannot be set: ")), "{error}");
        }
        assert!(refused(AppendOptions::new().header("User-Agent", "x")).contains("BucketBuilder::user_agent"));
    }

    #[test]
    fn misspelt_choices_are_refused_with_the_list() {
        for good in ["private", "public-read", "public-read-write", "default"] {
            headers(&AppendOptions::new().acl(good));
        }
        assert_eq!(
            refused(AppendOptions::new().header("x-oss-object-acl", "Private")),
            "x-oss-object-acl cannot be \"Private\": it is one of private, public-read, public-read-write, default"
        );
        assert!(refused(AppendOptions::new().server_side_encryption("aes")).contains("AES256, KMS, SM4"));
        assert!(refused(AppendOptions::new().storage_class("")).contains("Standard, IA, Archive"));
        for cold in ["ColdArchive", "DeepColdArchive"] {
            let error = refused(AppendOptions::new().storage_class(cold));
            assert!(error.starts_with("an appendable object cannot be of storage class"), "{error}");
        }
    }

    #[test]
    fn a_traffic_limit_has_two_ends() {
        for good in [819_200, 838_860_800] {
            headers(&AppendOptions::new().traffic_limit(good));
        }
        for bad in [0, 819_199, 838_860_801, u64::MAX] {
            assert!(refused(AppendOptions::new().traffic_limit(bad)).contains("from 819200 to 838860800"));
        }
        refused(AppendOptions::new().header("x-oss-traffic-limit", "1 MB"));
    }

    #[test]
    fn metadata_has_its_names_and_its_size() {
        for name in ["", "a_b", "a.b", "a b", "ä"] {
            refused(AppendOptions::new().meta(name, "x"));
        }
        assert!(refused(AppendOptions::new().meta("a_b", "x")).contains("'_' is refused"));
        headers(&AppendOptions::new().meta("A-1", "").meta("b", &"x".repeat(8192 - 4)));
        let error = refused(AppendOptions::new().meta("a-1", "").meta("b", &"x".repeat(8192 - 3)));
        assert!(error.contains("8193 bytes") && error.contains("at most 8192"), "{error}");
    }

    #[test]
    fn tags_are_escaped_and_the_same_key_replaces() {
        let options = AppendOptions::new().tag("a", "1").tag("ab", "x=y").tag("a", "+/: 界").tag("c", "");
        let headers = headers(&options);
        assert_eq!(headers.creating[0], ("x-oss-tagging".into(), "ab=x%3Dy&a=%2B%2F%3A%20%E7%95%8C&c=".into()));

        let mixed = AppendOptions::new().header("x-oss-tagging", "a&b=1").tag("a", "2");
        assert_eq!(mixed.headers[0].1, "b=1&a=2");
    }

    #[test]
    fn tags_beyond_the_rules_are_refused() {
        let tags = |n| (0..n).fold(AppendOptions::new(), |o: AppendOptions, i: u32| o.tag(&i.to_string(), ""));
        headers(&tags(10));
        assert_eq!(refused(tags(11)), "there are 11 tags: an object has at most 10");
        headers(&AppendOptions::new().tag(&"界".repeat(128), &"界".repeat(256)));
        for (key, value) in [("", "x"), (&*"k".repeat(129), ""), ("k", &*"v".repeat(257))] {
            assert!(refused(AppendOptions::new().tag(key, value)).contains("1 to 128 characters"));
        }
        for bad in ["a&b", "a?", "a\n", "😀", "a%"] {
            assert!(refused(AppendOptions::new().tag(bad, "")).contains("other characters"), "{bad}");
            assert!(refused(AppendOptions::new().tag("k", bad)).contains("other characters"), "{bad}");
        }
        for raw in ["a=%", "a=%4", "a=%zz", "a=%FF", "a=%+1"] {
            assert!(refused(AppendOptions::new().header("x-oss-tagging", raw)).contains("percent-encoded"), "{raw}");
        }
        assert!(refused(AppendOptions::new().header("x-oss-tagging", "a=1&%61=2")).contains("twice"));
        refused(AppendOptions::new().header("x-oss-tagging", ""));
        refused(AppendOptions::new().header("x-oss-tagging", "a=1&"));
    }

    #[test]
    fn debug_shows_names_and_never_values() {
        let options = AppendOptions::new().meta("owner", "hidden").tag("hidden", "hidden").progress(|_| {});
        assert_eq!(
            format!("{options:?}"),
            r#"AppendOptions { headers: ["x-oss-meta-owner", "x-oss-tagging"], progress: true, .. }"#
        );
    }

    #[test]
    fn options_cross_threads_and_share_their_callback() {
        fn crosses_threads<T: Send + Sync + 'static>() {}
        crosses_threads::<AppendOptions>();
        let seen = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let inner = Arc::clone(&seen);
        let options = AppendOptions::new()
            .progress(move |now| inner.store(now.sent, std::sync::atomic::Ordering::Relaxed))
            .clone();
        options.progress_callback().expect("set")(Progress { sent: 7, total: None });
        assert_eq!(seen.load(std::sync::atomic::Ordering::Relaxed), 7);
        assert!(AppendOptions::new().progress_callback().is_none());
    }
}
