//! `append_object` and the small operations beside it do what they say: positions, bodies, options, verification.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Addressing, AppendOptions, Auth, Body, Bucket, Checkpoint, Error, ErrorKind, Found, Outcome, Position,
    testing::{FakeOss, Fault, Recorded},
};
use std::{
    borrow::Cow,
    fs::{File, OpenOptions},
    io::{Cursor, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

fn start() -> (FakeOss, Bucket) {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket("bucket");
    (oss, bucket)
}

#[track_caller]
fn content(oss: &FakeOss, key: &str) -> String {
    String::from_utf8(oss.object("bucket", key).expect("there should be an object")).unwrap()
}

fn of_method(oss: &FakeOss, method: &str) -> Vec<Recorded> {
    oss.requests().into_iter().filter(|request| request.method == method).collect()
}

fn posts(oss: &FakeOss) -> Vec<Recorded> {
    of_method(oss, "POST")
}

/// A file of this test's own, open for reading and writing, standing at its beginning.
fn file(name: &str, bytes: &[u8]) -> (File, PathBuf) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("append_object_{name}"));
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    (file, path)
}

// ---- positions and results -----------------------------------------------------------------------------------------

#[test]
fn every_kind_of_position_goes_on_where_the_last_append_ended() {
    let (oss, bucket) = start();
    let first = bucket.append_object("k", 0, "a").unwrap();
    let second = bucket.append_object("k", first.next_position, "b").unwrap();
    let third = bucket.append_object("k", &second, "c").unwrap();
    let fourth = bucket.append_object("k", third.clone(), "d").unwrap();
    let fifth = bucket.append_object("k", fourth.checkpoint().unwrap(), "e").unwrap();
    let position = Position::from(&fifth);
    let sixth = bucket.append_object("k", position, "f").unwrap();
    bucket.append_object("k", bucket.head_object("k").unwrap().checkpoint().unwrap(), "g").unwrap();
    assert_eq!(content(&oss, "k"), "abcdefg");
    assert_eq!(sixth.checkpoint(), Some(Checkpoint::default().advance("abcdef")));
    let targets: Vec<_> = posts(&oss).into_iter().map(|request| request.target).collect();
    let expected: Vec<_> = (0..7).map(|at| format!("/bucket/k?append&position={at}")).collect();
    assert_eq!(targets, expected);
}

#[test]
fn an_append_is_one_request() {
    let (oss, bucket) = start();
    let mut last = bucket.append_object("k", 0, "x").unwrap();
    for _ in 0..9 {
        last = bucket.append_object("k", &last, "x").unwrap();
    }
    assert_eq!(oss.requests().len(), 10);
    assert_eq!(oss.requests().last().unwrap().connection, 0, "on one connection");
}

#[test]
fn everything_the_service_said_is_in_the_result() {
    let (oss, bucket) = start();
    oss.inject(Fault::WithHeader("x-oss-version-id", "CAEQNhiBgM0BYiIDc4MGZ"));
    let appended = bucket.append_object("k", 0, "hi oss,append object").unwrap();
    // Length and CRC of the AppendObject reference's own sample.
    assert_eq!((appended.next_position, appended.crc64), (20, Some(2_313_496_259_928_504_459)));
    assert_eq!(appended.version_id.as_deref(), Some("CAEQNhiBgM0BYiIDc4MGZ"));
    assert_eq!(appended.request_id.as_deref(), Some("5FA4E5A00000000000000000"));
    let etag = appended.etag.unwrap();
    assert!(etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit()), "unquoted: {etag}");

    let second = bucket.append_object("k", 20, ",this is a demo").unwrap();
    // From a bare position, the CRC is the service's word.
    assert_eq!((second.next_position, second.crc64), (35, Some(8_586_970_469_916_596_321)));
    assert_eq!(second.version_id, None);
}

#[test]
fn what_nobody_said_is_not_in_the_result() {
    let (oss, bucket) = start();
    oss.inject(Fault::LoseAnswer);
    let settled = bucket.append_object("k", 0, "one").unwrap();
    assert_eq!(settled.checkpoint(), Some(Checkpoint::default().advance("one")));
    assert_eq!((settled.etag, settled.request_id, settled.version_id), (None, None, None));

    oss.without_crc();
    let unverified = bucket.append_object("k", 3, "two").unwrap();
    assert_eq!((unverified.next_position, unverified.crc64, unverified.checkpoint()), (6, None, None));
    let ours = bucket.append_object("k", Checkpoint::default().advance("onetwo"), "three").unwrap();
    assert_eq!(ours.checkpoint(), Some(Checkpoint::default().advance("onetwothree")), "kept by ourselves");
}

#[test]
fn a_wrong_position_is_a_conflict_that_names_the_end() {
    let (oss, bucket) = start();
    oss.append_as_stranger("bucket", "k", b"12345");
    let at = Checkpoint::default();
    for (position, found, next) in [
        (Position::from(0), Found::Longer, 5),
        (Position::from(2), Found::Longer, 5),
        (Position::from(9), Found::Shorter, 5),
        (Position::from(at), Found::Longer, 5),
        (Position::from(at.advance("12")), Found::Longer, 5),
        (Position::from(at.advance("123456")), Found::Shorter, 5),
    ] {
        let error = bucket.append_object("k", position, "xy").unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(found), Outcome::NotApplied), "{position:?}");
        assert_eq!((error.next_position(), error.status()), (Some(next), Some(409)), "{position:?}");
        assert_eq!(error.code(), Some("PositionNotEqualToLength"));
        assert_eq!(error.ec(), Some("0026-00000016"));
    }
    let error = bucket.append_object("absent", 3, "xy").unwrap_err();
    assert_eq!((error.kind(), error.next_position()), (ErrorKind::Conflict(Found::Missing), Some(0)));
    assert_eq!(content(&oss, "k"), "12345");
    assert_eq!(oss.object("bucket", "absent"), None);
}

#[test]
fn an_object_of_another_kind_is_told_apart() {
    let (oss, bucket) = start();
    oss.put_object("bucket", "normal", b"12");
    let error = bucket.append_object("normal", 2, "x").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotAppendable, Outcome::NotApplied));
    assert_eq!(error.code(), Some("ObjectNotAppendable"));
    oss.replace_object("bucket", "sealed", b"12");
    oss.seal("bucket", "sealed");
    let error = bucket.append_object("sealed", 2, "x").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Sealed), Outcome::NotApplied));
    oss.replace_object("bucket", "full", b"12");
    oss.set_size_limit(3);
    let error = bucket.append_object("full", 2, "xy").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotApplied));
    oss.replace_object("bucket", "worm", b"12");
    oss.make_immutable("bucket", "worm");
    let error = bucket.append_object("worm", 2, "x").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("FileImmutable")));
}

// ---- verified ------------------------------------------------------------------------------------------------------

#[test]
fn the_whole_object_is_verified_wherever_its_crc_is_known() {
    let before = Checkpoint::default().advance("one\n");
    let (_oss, bucket) = start();
    let last = bucket.append_object("k", 0, "one\n").unwrap();
    for (position, verified) in [(Position::from(before), true), (last.into(), true), (Position::from(4), false)] {
        let (oss, bucket) = start();
        oss.replace_object("bucket", "k", b"ONE\n");
        let result = bucket.append_object("k", position, "two\n");
        assert_eq!(content(&oss, "k"), "ONE\ntwo\n");
        match result {
            Ok(appended) => assert_eq!((verified, appended.next_position), (false, 8)),
            Err(error) => {
                assert!(verified);
                assert_eq!((error.kind(), error.outcome()), (ErrorKind::Integrity, Outcome::Applied));
                assert_eq!(error.next_position(), Some(8));
                assert!(error.to_string().contains("the bytes are in unharmed"), "{error}");
            }
        }
    }
}

#[test]
fn damaged_bytes_are_found_at_position_0_too() {
    let (oss, bucket) = start();
    oss.inject(Fault::Damage);
    let error = bucket.append_object("k", 0, "one").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Integrity, Outcome::Applied));
    assert!(error.to_string().contains("the bytes were damaged on their way"), "{error}");
    assert!(!error.is_transient());
    assert_eq!(content(&oss, "k"), "nne");
}

#[test]
fn a_damaged_crc_header_is_not_a_damaged_object() {
    let (oss, bucket) = start();
    oss.inject(Fault::WrongCrc);
    let appended = bucket.append_object("k", 0, "one").unwrap();
    assert_eq!(appended.checkpoint(), Some(Checkpoint::default().advance("one")));
    assert_eq!(of_method(&oss, "HEAD").len(), 1);
}

// ---- bodies --------------------------------------------------------------------------------------------------------

struct Record {
    line: String,
}

impl<'b> From<&'b Record> for Body<'b> {
    fn from(record: &'b Record) -> Self {
        record.line.as_str().into()
    }
}

impl From<Record> for Body<'_> {
    fn from(record: Record) -> Self {
        record.line.into()
    }
}

#[test]
fn everything_that_is_bytes_is_a_body() {
    let (oss, bucket) = start();
    let (mut at, mut expected) = (Checkpoint::default(), Vec::new());
    let mut append = |body: Body<'_>, bytes: &[u8]| {
        let appended = bucket.append_object("k", at, body).unwrap();
        expected.extend_from_slice(bytes);
        at = at.advance(bytes);
        assert_eq!(appended.checkpoint(), Some(at));
        assert_eq!(oss.object("bucket", "k").unwrap(), expected);
        let request = posts(&oss).pop().unwrap();
        assert_eq!(request.header("content-length"), Some(bytes.len().to_string().as_str()));
        assert_eq!(request.header("transfer-encoding"), None);
        assert_eq!(request.body_len, bytes.len() as u64);
    };
    let (s, v) = (String::from("string"), vec![1_u8, 2]);
    let (mut file, _path) = file("bodies", b"a file");
    append("text".into(), b"text");
    append(b"bytes".into(), b"bytes");
    append(b"".into(), b"");
    append((&s).into(), b"string");
    append(s[..3].into(), b"str");
    append(s.clone().into(), b"string");
    append(format!("{}", 1).into(), b"1");
    append((&v).into(), &[1, 2]);
    append(v[..1].into(), &[1]);
    append(v.clone().into(), &[1, 2]);
    append([1, 2, 3].as_slice().into(), &[1, 2, 3]);
    append((&[1, 2, 3]).into(), &[1, 2, 3]);
    append((&[]).into(), &[]);
    append(vec![1, 2, 3].into(), &[1, 2, 3]);
    append(String::from_utf8_lossy(b"borrowed").into(), b"borrowed");
    append(String::from_utf8_lossy(b"owned\xff").into(), "owned\u{fffd}".as_bytes());
    append(Cow::<[u8]>::Borrowed(b"cow").into(), b"cow");
    append(Cow::<[u8]>::Owned(vec![9]).into(), &[9]);
    for word in ["one", "two"].iter() {
        append(word.into(), word.as_bytes());
    }
    for chunk in [1_u8, 2, 3].chunks(2).collect::<Vec<_>>().iter() {
        append(chunk.into(), chunk);
    }
    append((&file).into(), b"a file");
    file.rewind().unwrap();
    append((&mut file).into(), b"a file");
    append(Body::sized(&b"sized"[..], 5), b"sized");
    append(Body::sized((&b"of a stream that goes on"[..]).take(4), 4), b"of a");
    append(Body::sized(std::io::empty(), 0), b"");
    append(Body::from_seekable(Cursor::new(&v)), &[1, 2]);
    file.rewind().unwrap();
    append(file.into(), b"a file");
    let record = Record { line: "record".to_owned() };
    append((&record).into(), b"record");
    append(record.into(), b"record");
}

#[test]
fn a_body_of_unknown_length_goes_out_in_chunks() {
    let (oss, bucket) = start();
    let long = "0123456789".repeat(30_000);
    let mut at = Checkpoint::default();
    for text in ["", "short", &long, ""] {
        at = bucket.append_object("k", at, Body::from_reader(text.as_bytes())).unwrap().checkpoint().unwrap();
        let request = posts(&oss).pop().unwrap();
        assert_eq!(request.header("transfer-encoding"), Some("chunked"));
        assert_eq!(request.header("content-length"), None);
        assert_eq!(request.body_len, text.len() as u64);
    }
    assert_eq!(content(&oss, "k"), format!("short{long}"));
}

#[test]
fn the_request_says_what_it_must_and_nothing_else() {
    let (oss, bucket) = start();
    bucket.append_object("k", 0, "text").unwrap();
    bucket.append_object("k", 4, "text").unwrap();
    let names = |request: &Recorded| {
        let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names
    };
    let always = ["authorization", "content-length", "host", "user-agent", "x-oss-content-sha256", "x-oss-date"];
    let [first, second] = &posts(&oss)[..] else { panic!("two requests") };
    let mut creating: Vec<_> = always.iter().copied().chain(["content-type"]).collect();
    creating.sort_unstable();
    assert_eq!(names(first), creating);
    assert_eq!(names(second), always);
    assert_eq!(first.header("user-agent"), Some(concat!("oss-append/", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn appending_nothing_creates_an_object_and_changes_none() {
    let (oss, bucket) = start();
    let created = bucket.append_object("k", 0, "").unwrap();
    assert_eq!(created.checkpoint(), Some(Checkpoint::default()));
    assert_eq!(content(&oss, "k"), "");
    bucket.append_object("k", &created, "").unwrap();
    let one = bucket.append_object("k", &created, "one").unwrap();
    let same = bucket.append_object("k", &one, "").unwrap();
    assert_eq!((same.checkpoint(), &same.etag), (one.checkpoint(), &one.etag));
    let error = bucket.append_object("k", 0, "").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict(Found::Longer), Outcome::NotApplied));
    assert_eq!(content(&oss, "k"), "one");
    assert!(posts(&oss).iter().all(|request| request.header("content-length").is_some()));
}

#[test]
fn a_lost_answer_to_nothing_is_settled_too() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::ApplyLate, Fault::Hold, Fault::Garbage] {
        let (oss, bucket) = start();
        oss.inject(fault.clone());
        assert_eq!(bucket.append_object("k", 0, "").unwrap().checkpoint(), Some(Checkpoint::default()), "{fault:?}");
        assert_eq!(content(&oss, "k"), "");
        let one = bucket.append_object("k", 0, "one").unwrap();
        oss.inject(fault.clone());
        assert_eq!(bucket.append_object("k", &one, "").unwrap().checkpoint(), one.checkpoint(), "{fault:?}");
        oss.land();
        assert_eq!(content(&oss, "k"), "one");
    }
}

#[test]
fn a_file_is_sent_from_its_cursor_and_again_from_there() {
    let (mut file, _path) = file("cursor", b"0123456789");
    let (oss, bucket) = start();
    file.seek(SeekFrom::Start(4)).unwrap();
    for fault in [Fault::LoseRequest, Fault::Refuse(500, "InternalError"), Fault::Refuse(400, "InvalidDigest")] {
        oss.inject(fault);
    }
    let bucket_of_many_attempts = oss.builder("bucket").attempts(9).build().unwrap();
    bucket_of_many_attempts.append_object("k", 0, &file).unwrap();
    assert_eq!(content(&oss, "k"), "456789");
    assert_eq!(posts(&oss).len(), 4);
    assert!(posts(&oss).iter().all(|request| request.body_len == 6));
    // It stands behind what was sent, as after any other reading.
    assert_eq!(file.stream_position().unwrap(), 10);
    bucket.append_object("k", 6, &file).unwrap();
    assert_eq!(content(&oss, "k"), "456789");
}

#[test]
fn a_file_that_grows_is_as_long_as_it_was() {
    let (mut file, path) = file("grows", b"one");
    let (oss, bucket) = start();
    let body = Body::from(&file);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b" and more").unwrap();
    bucket.append_object("k", 0, body).unwrap();
    assert_eq!(content(&oss, "k"), "one");
    bucket.append_object("k", 3, &mut file).unwrap();
    assert_eq!(content(&oss, "k"), "one and more");
}

#[test]
fn a_file_that_shrinks_or_changes_is_not_appended() {
    let (file, path) = file("shrinks", b"0123456789");
    let (oss, bucket) = start();
    let body = Body::from(&file);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
    let error = bucket.append_object("k", 0, body).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied));
    assert!(error.to_string().contains("ended after 3 of the 10 bytes"), "{error}");
    assert_eq!(oss.object("bucket", "k"), None);

    // What goes out again must be what went out before: the first may still land.
    let ((oss, bucket), mut reads) = (start(), 0);
    let changing = ChangingAtEachRead { inner: Cursor::new(b"0123456789".to_vec()), reads: &mut reads };
    oss.inject(Fault::Hold);
    let error = bucket.append_object("k", 0, Body::from_seekable(changing)).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::Unknown));
    assert!(error.to_string().contains("not what it was at the first attempt"), "{error}");
    assert_eq!(oss.object("bucket", "k"), None);
    assert_eq!(oss.land(), 1);
    assert_eq!(content(&oss, "k"), "0123456789");
}

struct ChangingAtEachRead<'a> {
    inner: Cursor<Vec<u8>>,
    reads: &'a mut u8,
}

impl Read for ChangingAtEachRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read > 0 {
            buffer[0] = b'0' + *self.reads;
            *self.reads += 1;
        }
        Ok(read)
    }
}

impl Seek for ChangingAtEachRead<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_usable_length_is_read_once_in_chunks() {
    let (oss, bucket) = start();
    bucket.append_object("proc", 0, File::open("/proc/self/status").unwrap()).unwrap();
    assert!(content(&oss, "proc").starts_with("Name:\t"), "from its first byte");

    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"through a pipe").unwrap();
    drop(writer);
    let reader = File::from(std::os::fd::OwnedFd::from(reader));
    oss.inject(Fault::Refuse(500, "InternalError"));
    let error = bucket.append_object("pipe", 0, &reader).unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "there is no second attempt");
    assert_eq!(posts(&oss).len(), 2);
    assert!(posts(&oss).iter().all(|request| request.header("transfer-encoding") == Some("chunked")));
    assert_eq!(posts(&oss)[1].body_len, 14);

    let null = File::open("/dev/null").unwrap();
    assert_eq!(bucket.append_object("null", 0, null).unwrap().next_position, 0);
    let error = bucket.append_object("dir", 0, File::open("/proc").unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied));
    assert_eq!(posts(&oss).len(), 3);
}

// ---- options -------------------------------------------------------------------------------------------------------

fn options() -> AppendOptions {
    AppendOptions::new()
        .content_type("text/x-log")
        .acl("public-read")
        .storage_class("IA")
        .server_side_encryption("AES256")
        .meta("From", "build")
        .meta("to", "you")
        .tag("a b", "ä/=")
        .tag("c", "")
        .traffic_limit(819_200)
        .header("Cache-Control", "no-cache")
        .header("content-disposition", "inline")
        .header("Content-Encoding", "gzip")
        .header("content-language", "de")
        .header("Expires", "0")
        .header("x-oss-forbid-overwrite", "true")
        .header("x-oss-server-side-data-encryption", "SM4")
        .header("X-Oss-Request-Payer", " requester\t")
        .header("x-unheard-of", "yes")
}

const CREATING: [(&str, &str); 14] = [
    ("content-type", "text/x-log"),
    ("x-oss-object-acl", "public-read"),
    ("x-oss-storage-class", "IA"),
    ("x-oss-server-side-encryption", "AES256"),
    ("x-oss-meta-from", "build"),
    ("x-oss-meta-to", "you"),
    ("x-oss-tagging", "a%20b=%C3%A4%2F%3D&c="),
    ("cache-control", "no-cache"),
    ("content-disposition", "inline"),
    ("content-encoding", "gzip"),
    ("content-language", "de"),
    ("expires", "0"),
    ("x-oss-forbid-overwrite", "true"),
    ("x-oss-server-side-data-encryption", "SM4"),
];

const ALWAYS: [(&str, &str); 3] =
    [("x-oss-traffic-limit", "819200"), ("x-oss-request-payer", "requester"), ("x-unheard-of", "yes")];

#[track_caller]
fn has(request: &Recorded, creating: bool) {
    for (name, value) in CREATING {
        assert_eq!(request.header(name), creating.then_some(value), "{name}");
    }
    for (name, value) in ALWAYS {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
}

#[test]
fn what_describes_the_object_goes_out_with_every_attempt_to_create_it_and_never_after() {
    let (oss, bucket) = start();
    oss.inject(Fault::LoseRequest);
    oss.inject(Fault::Refuse(503, "ServiceUnavailable"));
    let first = bucket.append_object_with("k", 0, "one", &options()).unwrap();
    let second = bucket.append_object_with("k", &first, "two", &options()).unwrap();
    oss.inject(Fault::LoseRequest);
    bucket.append_object_with("k", &second, "three", &options()).unwrap();
    let requests = posts(&oss);
    assert_eq!(requests.len(), 6);
    for (n, request) in requests.iter().enumerate() {
        has(request, n < 3);
    }
    let stored = oss.metadata("bucket", "k").unwrap();
    for (name, value) in &CREATING[..10] {
        assert!(stored.contains(&((*name).to_owned(), (*value).to_owned())), "{name} in {stored:?}");
    }
    assert_eq!(content(&oss, "k"), "onetwothree");
}

#[test]
fn options_by_their_wire_names_are_the_same_options() {
    let (oss, bucket) = start();
    let by_setter = AppendOptions::new()
        .content_type("a/b")
        .acl("private")
        .storage_class("Archive")
        .server_side_encryption("KMS")
        .meta("a", "1")
        .tag("t", "1")
        .traffic_limit(838_860_800);
    let by_name = AppendOptions::new()
        .header("Content-Type", "a/b")
        .header("X-Oss-Object-Acl", "private")
        .header("x-oss-storage-class", "Archive")
        .header("x-oss-server-side-encryption", "KMS")
        .header("X-OSS-Meta-A", "1")
        .header("x-oss-tagging", "t=1")
        .header("x-oss-traffic-limit", "838860800");
    for (key, options) in [("a", &by_setter), ("b", &by_name)] {
        let first = bucket.append_object_with(key, 0, "x", options).unwrap();
        bucket.append_object_with(key, &first, "x", options).unwrap();
    }
    let names = |n: usize| {
        let own = ["authorization", "x-oss-date", "host"];
        let mut headers = posts(&oss)[n].headers.clone();
        headers.retain(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str()));
        headers.sort();
        headers
    };
    assert_eq!(names(0), names(2));
    assert_eq!(names(1), names(3));
    assert_eq!(posts(&oss)[3].header("x-oss-object-acl"), None);
    assert_eq!(oss.metadata("bucket", "a"), oss.metadata("bucket", "b"));
}

#[test]
fn who_pays_is_said_when_asking_and_reading_too() {
    let (oss, bucket) = start();
    let options = AppendOptions::new().header("x-oss-request-payer", "requester").meta("a", "b").traffic_limit(819_200);
    oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"x".to_vec())));
    bucket.append_object_with("k", 0, "one", &options).unwrap_err();
    for method in ["POST", "HEAD", "GET"] {
        let [request] = &of_method(&oss, method)[..] else { panic!("one {method}") };
        assert_eq!(request.header("x-oss-request-payer"), Some("requester"), "{method}");
        assert_eq!(request.header("x-oss-meta-a").is_some(), method == "POST", "{method}");
        assert_eq!(request.header("content-type").is_some(), method == "POST", "{method}");
    }
    let head = &of_method(&oss, "HEAD")[0];
    assert_eq!(head.header("cache-control"), Some("no-cache"));
    let get = &of_method(&oss, "GET")[0];
    assert_eq!((get.header("range"), get.header("x-oss-range-behavior")), (Some("bytes=0-"), Some("standard")));
}

#[test]
fn a_content_type_follows_from_the_key() {
    let (oss, bucket) = start();
    for (key, expected) in [
        ("a.log", "text/plain"),
        ("b/c.CSV", "text/csv"),
        ("d.tar.gz", "application/gzip"),
        ("e.jsonl", "application/x-ndjson"),
        ("f", "application/octet-stream"),
        ("log.d/g", "application/octet-stream"),
        (".", "application/octet-stream"),
    ] {
        bucket.append_object(key, 0, "x").unwrap();
        assert_eq!(posts(&oss).pop().unwrap().header("content-type"), Some(expected), "{key}");
        assert_eq!(bucket.head_object(key).unwrap().content_type.as_deref(), Some(expected), "{key}");
    }
}

#[test]
fn progress_adds_up_and_starts_again_with_the_attempt() {
    let (oss, bucket) = start();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&seen);
    let options = AppendOptions::new().progress(move |now| inner.lock().unwrap().push((now.sent, now.total)));
    let bytes = vec![7; 1 << 20];
    oss.inject(Fault::LoseRequest);
    bucket.append_object_with("k", 0, &bytes, &options).unwrap();
    let sent = std::mem::take(&mut *seen.lock().unwrap());
    assert!(sent.iter().all(|(_, total)| *total == Some(1 << 20)));
    let ends: Vec<_> = sent.iter().enumerate().filter(|(_, (sent, _))| *sent == 1 << 20).map(|(n, _)| n).collect();
    assert_eq!((ends.len(), ends[1]), (2, sent.len() - 1), "twice to the end: {sent:?}");
    for attempt in [&sent[..=ends[0]], &sent[ends[0] + 1..]] {
        assert!(attempt.len() > 1 && attempt.is_sorted_by(|a, b| a.0 < b.0), "{attempt:?}");
    }

    bucket.append_object_with("r", 0, Body::from_reader(&bytes[..]), &options).unwrap();
    let sent = std::mem::take(&mut *seen.lock().unwrap());
    assert!(sent.is_sorted() && sent.iter().all(|(_, total)| total.is_none()));
    assert_eq!(sent.last(), Some(&(1 << 20, None)));
}

// ---- keys ----------------------------------------------------------------------------------------------------------

#[test]
fn nasty_keys_arrive_byte_for_byte() {
    let printable: String = (' '..='~').filter(|c| *c != '/').collect();
    let controls: String = ('\0'..=' ').chain(['\u{7f}', '\u{80}', '\u{9f}']).collect();
    let long = "ß".repeat(511);
    let keys = [
        "a b/ü?#%2F//..",
        ".",
        "..",
        "../..",
        "a/./b/../c",
        "a//two",
        "trailing/",
        "%",
        "%zz%41",
        "a+b&c=d;e",
        "?append&position=9",
        "#",
        "\u{202e}\u{feff}",
        "👩‍👩‍👧‍👦/日本語",
        "http://host/path",
        "bucket/k",
        &printable,
        &controls,
        &long,
    ];
    let (oss, bucket) = start();
    for (n, key) in keys.into_iter().enumerate() {
        let text = format!("{n}");
        bucket.append_object(key, 0, &text).unwrap_or_else(|e| panic!("{key:?}: {e}"));
        assert_eq!(oss.object("bucket", key).as_deref(), Some(text.as_bytes()), "{key:?}");
        assert!(bucket.object_exists(key).unwrap(), "{key:?}");
        assert_eq!(bucket.head_object(key).unwrap().length, text.len() as u64, "{key:?}");
        let target = posts(&oss).pop().unwrap().target;
        assert!(target.ends_with("?append&position=0"), "{target}");
        assert!(target.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%?&=".contains(&b)), "{target}");
    }
    for key in keys {
        bucket.delete_object(key).unwrap();
        assert_eq!(oss.object("bucket", key), None, "{key:?}");
    }
}

#[test]
fn a_bucket_may_be_in_the_host_in_the_path_or_nowhere() {
    let oss = FakeOss::start().unwrap();
    oss.add_domain("logs.example.com", "bucket");
    let auth = || Auth::new(oss.access_key_id(), oss.access_key_secret());
    let through = |endpoint: &str, style| {
        let builder = Bucket::builder(auth(), endpoint, "bucket").region(oss.region()).addressing(style);
        builder.proxy(&oss.endpoint()).build().unwrap()
    };
    let mut at = Checkpoint::default();
    for (bucket, host) in [
        (through("http://oss.example.com", Addressing::VirtualHost), "bucket.oss.example.com"),
        (through("http://logs.example.com", Addressing::Cname), "logs.example.com"),
    ] {
        at = bucket.append_object("a key", at, "x").unwrap().checkpoint().unwrap();
        let request = posts(&oss).pop().unwrap();
        assert_eq!(request.header("host"), Some(host));
        assert!(request.target.ends_with(&format!("/a%20key?append&position={}", at.position - 1)), "{request:?}");
        assert!(!request.target.contains("/bucket/"), "{request:?}");
    }
    // Everything else here reaches an IP address, with the bucket in the path.
    let by_path = oss.bucket("bucket").append_object("a key", at, "x").unwrap();
    assert_eq!(posts(&oss).pop().unwrap().target, "/bucket/a%20key?append&position=2");
    assert_eq!(by_path.next_position, 3);
    assert_eq!(content(&oss, "a key"), "xxx");
}

// ---- the small operations ------------------------------------------------------------------------------------------

fn absent_bucket(oss: &FakeOss) -> Bucket {
    let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
    Bucket::builder(auth, &oss.endpoint(), "absent").region(oss.region()).build().unwrap()
}

#[test]
fn head_tells_length_crc_type_and_metadata() {
    let (oss, bucket) = start();
    let options = AppendOptions::new().content_type("text/plain").meta("b", "2").meta("a", "1");
    bucket.append_object_with("k", 0, "text", &options).unwrap();
    let meta = bucket.head_object("k").unwrap();
    let at = Checkpoint::default().advance("text");
    assert_eq!((meta.length, meta.crc64, meta.next_position), (4, Some(at.crc64), Some(4)));
    assert_eq!((meta.content_type.as_deref(), meta.checkpoint()), (Some("text/plain"), Some(at)));
    let mut stored = meta.meta.clone();
    stored.sort();
    assert_eq!(stored, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);

    oss.put_object("bucket", "normal", b"12");
    let normal = bucket.head_object("normal").unwrap();
    assert_eq!((normal.length, normal.next_position, normal.checkpoint()), (2, None, None));
    oss.without_crc();
    let old = bucket.head_object("k").unwrap();
    assert_eq!((old.length, old.crc64, old.checkpoint()), (4, None, None));
}

#[test]
fn a_missing_key_is_no_object_and_a_missing_bucket_is_an_error() {
    let (oss, bucket) = start();
    assert!(!bucket.object_exists("k").unwrap());
    let error = bucket.head_object("k").unwrap_err();
    assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Service, Some(404), Some("NoSuchKey")));
    let absent = absent_bucket(&oss);
    for error in [absent.object_exists("k").unwrap_err(), absent.head_object("k").unwrap_err()] {
        assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Service, Some(404), Some("NoSuchBucket")));
    }
    oss.inject_on("HEAD", Fault::Page(404));
    oss.inject_on("HEAD", Fault::Page(404));
    oss.inject_on("HEAD", Fault::Page(404));
    let error = bucket.object_exists("k").unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Transport, Some(404)), "a proxy's 404 is no verdict");
    oss.forbid("HEAD");
    let error = bucket.object_exists("k").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("AccessDenied")));
}

#[test]
fn delete_removes_and_does_not_mind_a_missing_key() {
    let (oss, bucket) = start();
    bucket.append_object("k", 0, "text").unwrap();
    oss.inject_on("DELETE", Fault::LoseAnswer);
    bucket.delete_object("k").unwrap();
    assert_eq!(oss.object("bucket", "k"), None);
    bucket.delete_object("k").unwrap();
    bucket.append_object("k", 0, "again from the start").unwrap();

    oss.replace_object("bucket", "worm", b"12");
    oss.make_immutable("bucket", "worm");
    let error = bucket.delete_object("worm").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("FileImmutable")));
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_eq!(absent_bucket(&oss).delete_object("k").unwrap_err().code(), Some("NoSuchBucket"));
}

#[test]
fn asking_and_deleting_are_repeated_while_the_service_is_busy() {
    type Call = fn(&Bucket) -> Result<(), Error>;
    let calls: [(&str, Call); 3] = [
        ("HEAD", |bucket| bucket.head_object("k").map(drop)),
        ("HEAD", |bucket| bucket.object_exists("k").map(|exists| assert!(exists))),
        ("DELETE", |bucket| bucket.delete_object("k")),
    ];
    for (method, call) in calls {
        let (oss, bucket) = start();
        oss.replace_object("bucket", "k", b"text");
        for fault in [Fault::Refuse(503, "ServiceUnavailable"), Fault::LoseAnswer] {
            oss.inject_on(method, fault);
        }
        call(&bucket).unwrap();
        assert_eq!(of_method(&oss, method).len(), 3);
        oss.replace_object("bucket", "k", b"text");
        for _ in 0..9 {
            oss.inject_on(method, Fault::Refuse(503, "ServiceUnavailable"));
        }
        let error = call(&bucket).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Service, Outcome::NotApplied));
        assert!(error.is_transient());
        assert_eq!(of_method(&oss, method).len(), 6);
    }
}

#[test]
fn a_body_of_nothing_is_sent_again_as_any_other_and_tells_no_progress() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.builder("bucket").backoff(Duration::ZERO, Duration::ZERO).build().unwrap();
    let options = AppendOptions::new().progress(|_| panic!("there is none"));
    oss.inject(Fault::LoseRequest);
    let appended = bucket.append_object_with("log", 0, Body::sized(std::io::empty(), 0), &options).unwrap();
    assert_eq!((appended.next_position, oss.object("bucket", "log")), (0, Some(Vec::new())));
}
