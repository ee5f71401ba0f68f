//! The fake keeps the service's rules and its own script: asked over bare sockets, without our client.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]
#![expect(clippy::disallowed_types, reason = "published signatures have a date, to which the fake's clock is set")]

use oss_append::testing::{FakeOss, Fault, Recorded};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Unsigned requests are taken, so that tests can write them by hand; signatures have tests of their own.
fn start() -> FakeOss {
    let oss = FakeOss::start().unwrap();
    oss.allow_anonymous();
    oss.create_bucket("b");
    oss
}

fn connect(oss: &FakeOss) -> TcpStream {
    let stream = TcpStream::connect(oss.endpoint().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").skip(1);
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn next(&self) -> Option<u64> {
        self.header("x-oss-next-append-position")?.parse().ok()
    }

    fn crc64(&self) -> Option<u64> {
        self.header("x-oss-hash-crc64ecma")?.parse().ok()
    }

    /// Status, code and detailed code of an error with a body.
    fn error(&self) -> (u16, String, String) {
        let body = String::from_utf8(self.body.clone()).unwrap();
        let element = |name: &str| {
            let inner = body.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
            inner.map(|(text, _)| text.to_owned()).unwrap_or_default()
        };
        (self.status, element("Code"), element("EC"))
    }
}

/// `None` if the connection ended without a whole answer.
fn read(stream: &mut TcpStream, method: &str) -> Option<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(head).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut answer = Answer { status, head, body: Vec::new() };
    if method != "HEAD" && status != 100 {
        let len = answer.header("content-length").map_or(0, |len| len.parse().unwrap());
        answer.body.resize(len, 0);
        stream.read_exact(&mut answer.body).ok()?;
    }
    Some(answer)
}

fn head_of(line: &str, headers: &str, len: usize) -> String {
    format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len}\r\n{headers}\r\n")
}

fn ask_on(stream: &mut TcpStream, line: &str, headers: &str, body: &[u8]) -> Option<Answer> {
    let mut request = head_of(line, headers, body.len()).into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request).ok()?;
    read(stream, line.split(' ').next().unwrap())
}

fn try_ask(oss: &FakeOss, line: &str, headers: &str, body: &[u8]) -> Option<Answer> {
    ask_on(&mut connect(oss), line, headers, body)
}

fn ask(oss: &FakeOss, line: &str, headers: &str, body: &[u8]) -> Answer {
    try_ask(oss, line, headers, body).expect("an answer should come")
}

fn append(oss: &FakeOss, position: u64, body: &str) -> Answer {
    ask(oss, &format!("POST /b/k?append&position={position}"), "", body.as_bytes())
}

fn try_append(oss: &FakeOss, position: u64, body: &str) -> Option<Answer> {
    try_ask(oss, &format!("POST /b/k?append&position={position}"), "", body.as_bytes())
}

fn head(oss: &FakeOss) -> Answer {
    ask(oss, "HEAD /b/k", "", b"")
}

fn text(oss: &FakeOss) -> Option<String> {
    oss.object("b", "k").map(|bytes| String::from_utf8(bytes).unwrap())
}

fn error(status: u16, code: &str, ec: &str) -> (u16, String, String) {
    (status, code.to_owned(), ec.to_owned())
}

// ---- the service's rules ---------------------------------------------------------------------------------------

#[test]
fn an_append_tells_the_new_end_and_the_crc_of_the_whole_object() {
    let oss = start();
    let first = append(&oss, 0, "hi oss,append object");
    assert_eq!((first.status, first.next(), first.crc64()), (200, Some(20), Some(2_313_496_259_928_504_459)));
    let second = append(&oss, 20, ",this is a demo");
    assert_eq!((second.status, second.next(), second.crc64()), (200, Some(35), Some(8_586_970_469_916_596_321)));
    assert_eq!((second.header("content-length"), second.header("server")), (Some("0"), Some("AliyunOSS")));
    assert_eq!(second.header("x-oss-request-id").unwrap().len(), 24);
    assert_ne!(first.header("etag"), second.header("etag"));
    assert_ne!(first.header("x-oss-request-id"), second.header("x-oss-request-id"));
    assert_eq!(text(&oss).unwrap(), "hi oss,append object,this is a demo");
}

#[test]
fn only_the_end_can_be_appended_to() {
    let oss = start();
    for (position, end) in [(1, 0), (0, 3), (2, 3), (4, 3)] {
        let answer = append(&oss, position, "one");
        assert_eq!(answer.error(), error(409, "PositionNotEqualToLength", "0026-00000016"));
        assert_eq!((answer.next(), answer.crc64()), (Some(end), None));
        if end == 0 {
            append(&oss, 0, "one");
        }
    }
    assert_eq!(text(&oss).unwrap(), "one");
}

#[test]
fn an_empty_append_creates_but_changes_nothing() {
    let oss = start();
    let created = append(&oss, 0, "");
    assert_eq!((created.next(), created.crc64(), text(&oss).as_deref()), (Some(0), Some(0), Some("")));
    let first = append(&oss, 0, "x");
    let again = append(&oss, 1, "");
    assert_eq!((again.next(), again.crc64(), again.header("etag")), (Some(1), first.crc64(), first.header("etag")));
}

#[test]
fn every_refusal_has_its_code() {
    let oss = start();
    let of = |line: &str, headers: &str| ask(&oss, line, headers, b"").error();
    assert_eq!(of("POST /b/k?append", ""), error(400, "MissingArgument", "0016-00000501"));
    assert_eq!(of("POST /b/k?append&position=test", ""), error(400, "MissingArgument", "0016-00000502"));
    assert_eq!(of("POST /b/k?append&position=0&versionId=1", ""), error(400, "MissingArgument", "0016-00000504"));
    assert_eq!(of("POST /none/k?append&position=0", ""), error(404, "NoSuchBucket", "0015-00000101"));
    assert_eq!(of("POST /b/?append&position=0", ""), error(400, "InvalidObjectName", "0016-00000001"));
    assert_eq!(of("POST /b//k?append&position=0", ""), error(400, "InvalidObjectName", "0016-00000005"));
    assert_eq!(of("POST /b/%FF?append&position=0", ""), error(400, "InvalidObjectName", "0016-00000002"));
    assert_eq!(of("POST /b/%?append&position=0", ""), error(400, "InvalidURI", ""));
    assert_eq!(of("POST /b/k", ""), error(405, "MethodNotAllowed", ""));
    assert_eq!(of("GET /b/k", ""), error(404, "NoSuchKey", "0026-00000001"));
    let creating = |headers| of("POST /b/k?append=&position=0", headers);
    assert_eq!(creating("x-oss-storage-class: ColdArchive\r\n"), error(400, "InvalidArgument", "0016-00000503"));
    assert_eq!(creating("x-oss-object-acl: mine\r\n"), error(400, "InvalidArgument", ""));
    assert_eq!(creating("x-oss-traffic-limit: 1\r\n"), error(400, "InvalidArgument", "0004-00000502"));
    assert_eq!(creating("x-oss-server-side-encryption: DES\r\n"), error(400, "InvalidEncryptionAlgorithmError", ""));
    assert_eq!(creating("x-oss-meta-a_b: c\r\n"), error(400, "InvalidArgument", "0011-00000004"));
    assert_eq!(creating("x-oss-tagging: a&b&c&d&e&f&g&h&i&j&k\r\n"), error(400, "InvalidTag", ""));
    assert_eq!(text(&oss), None);

    append(&oss, 0, "x");
    assert_eq!(creating("x-oss-forbid-overwrite: true\r\n"), error(409, "FileAlreadyExists", ""));
    oss.put_object("b", "k", b"normal");
    assert_eq!(append(&oss, 6, "x").error(), error(409, "ObjectNotAppendable", "0026-00000017"));
    oss.replace_object("b", "k", b"worm");
    assert!(oss.make_immutable("b", "k"));
    assert_eq!(append(&oss, 4, "x").error(), error(409, "FileImmutable", ""));
    assert_eq!(of("DELETE /b/k", ""), error(409, "FileImmutable", ""));
}

#[test]
fn a_wrong_md5_stores_nothing() {
    let oss = start();
    let with = |md5: &str| ask(&oss, "POST /b/k?append&position=0", &format!("Content-MD5: {md5}\r\n"), b"123");
    assert_eq!(with("ICy5YqxZB1uWSwcVLSNLcB==").error(), error(400, "InvalidDigest", "0017-00000503"));
    assert_eq!(with("ICy5").error(), error(400, "InvalidDigest", "0017-00000502"));
    assert_eq!(text(&oss), None);
    assert_eq!(with("ICy5YqxZB1uWSwcVLSNLcA==").status, 200);
}

#[test]
fn metadata_belongs_to_the_first_append_and_the_acl_to_the_last() {
    let oss = start();
    let first = "Content-Type: text/plain\r\nX-Oss-Meta-Who: me\r\nx-oss-tagging: a=1&b=2\r\nx-oss-object-acl: private\r\n\
        x-oss-server-side-encryption: AES256\r\nx-oss-storage-class: IA\r\n";
    ask(&oss, "POST /b/k?append&position=0", first, b"1");
    let second = "Content-Type: text/html\r\nx-oss-meta-who: you\r\nx-oss-tagging: c&d&e&f&g&h&i&j&k&l&m\r\n\
        x-oss-object-acl: public-read\r\n";
    let answer = ask(&oss, "POST /b/k?append&position=1", second, b"2");
    assert_eq!((answer.status, answer.header("x-oss-server-side-encryption")), (200, Some("AES256")));
    let stored = oss.metadata("b", "k").unwrap();
    let has = |name: &str, value: &str| stored.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("x-oss-object-acl", "public-read") && has("x-oss-tagging", "a=1&b=2"), "{stored:?}");

    let head = head(&oss);
    for (name, value) in [
        ("content-length", "2"),
        ("content-type", "text/plain"),
        ("x-oss-meta-who", "me"),
        ("x-oss-tagging-count", "2"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-object-type", "Appendable"),
        ("x-oss-next-append-position", "2"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    assert_eq!(head.header("x-oss-sealed-time"), None);
    let meta = ask(&oss, "HEAD /b/k?objectMeta", "", b"");
    assert_eq!((meta.header("content-length"), meta.crc64()), (Some("2"), head.crc64()));
    assert_eq!((meta.header("x-oss-object-type"), meta.next()), (None, None));
}

#[test]
fn an_object_ends_at_the_limit() {
    let oss = start();
    oss.set_size_limit(4);
    assert_eq!(append(&oss, 0, "1234").status, 200);
    assert_eq!(append(&oss, 4, "").status, 200);
    assert_eq!(append(&oss, 4, "5").error(), error(400, "InlineDataTooLarge", ""));
    oss.set_size_limit_code("EntityTooLarge");
    assert_eq!(append(&oss, 4, "5").error(), error(400, "EntityTooLarge", ""));
}

#[test]
fn a_seal_is_for_good_and_can_be_repeated() {
    let oss = start();
    append(&oss, 0, "123");
    let seal = |position| ask(&oss, &format!("POST /b/k?seal&position={position}"), "", b"");
    assert_eq!(seal(2).error(), error(409, "PositionNotEqualToLength", "0026-00000016"));
    let time = seal(3).header("x-oss-sealed-time").unwrap().to_owned();
    oss.set_clock_offset(60);
    assert_eq!(seal(3).header("x-oss-sealed-time"), Some(&*time));
    assert_eq!(append(&oss, 3, "4").error(), error(400, "AppendSealedObjectNotAllowed", ""));
    assert_eq!(head(&oss).header("x-oss-sealed-time"), Some(&*time));
    assert_eq!(head(&oss).header("x-oss-object-type"), Some("Appendable"));
    oss.without_sealing();
    assert_eq!(seal(3).error(), error(400, "OperationNotSupported", "0016-00000513"));
}

#[test]
fn errors_to_a_head_are_in_its_headers() {
    let oss = start();
    let missing = head(&oss);
    assert_eq!((missing.status, missing.header("x-oss-ec")), (404, Some("0026-00000001")));
    assert!(missing.header("x-oss-err").is_some_and(|err| err.starts_with("PD94bWwg")));
    assert_eq!(ask(&oss, "HEAD /none/k", "", b"").header("x-oss-ec"), Some("0015-00000101"));
}

#[test]
fn ranges_of_an_object_can_be_had() {
    let oss = start();
    let whole = append(&oss, 0, "0123456789").crc64();
    let get = |headers: &str| ask(&oss, "GET /b/k", headers, b"");
    let part = get("Range: bytes=2-4\r\n");
    assert_eq!((part.status, &*part.body, part.crc64()), (206, &b"234"[..], whole));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let ignored = get("Range: bytes=10-\r\n");
    assert_eq!((ignored.status, ignored.body.len(), ignored.header("content-range")), (200, 10, None));
    let standard = get("Range: bytes=10-\r\nx-oss-range-behavior: standard\r\n");
    assert_eq!(standard.error(), error(416, "InvalidRange", ""));
    oss.inject_on("GET", Fault::IgnoreRange);
    assert_eq!(get("Range: bytes=2-4\r\n").status, 200);
}

#[test]
fn put_makes_it_normal_and_delete_starts_it_over() {
    let oss = start();
    append(&oss, 0, "x");
    let put = ask(&oss, "PUT /b/k", "", b"message digest");
    assert_eq!(put.header("etag"), Some("\"F96B697D7CB7938D525A2F31AAF161D0\""));
    assert_eq!((head(&oss).header("x-oss-object-type"), head(&oss).next()), (Some("Normal"), None));
    for _ in 0..2 {
        assert_eq!(ask(&oss, "DELETE /b/k", "", b"").status, 204);
    }
    assert_eq!(append(&oss, 0, "y").next(), Some(1));
}

#[test]
fn a_bucket_is_in_the_path_the_host_or_the_domain() {
    let oss = start();
    oss.add_domain("data.example.com", "b");
    let put = |host: &str, target: &str| {
        let mut stream = connect(&oss);
        let request = format!("POST {target}?append&position=0 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        read(&mut stream, "POST").unwrap().status
    };
    assert_eq!(put("b.oss-cn-hangzhou.aliyuncs.com", "/virtual"), 200);
    assert_eq!(put("b.localhost:80", "/host%2Fpart"), 200);
    assert_eq!(put("[::1]:80", "/b/path"), 200);
    assert_eq!(put("data.example.com", "/cname"), 200);
    assert_eq!(put("b.host", "http://b.host/proxied"), 200);
    assert_eq!(put("other.host", "/x"), 404);
    for key in ["virtual", "host/part", "path", "cname", "proxied"] {
        assert!(oss.object("b", key).is_some(), "{key}");
    }
}

#[test]
fn bodies_come_chunked_too() {
    let oss = start();
    let mut stream = connect(&oss);
    let head = "POST /b/k?append&position=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read(&mut stream, "POST").unwrap().status, 100);
    stream.write_all(b"4\r\nchun\r\nA;x=y\r\nked, in th\r\n3\r\nree\r\n0\r\nTrailer: x\r\n\r\n").unwrap();
    assert_eq!(read(&mut stream, "POST").unwrap().next(), Some(17));
    assert_eq!(text(&oss).unwrap(), "chunked, in three");
    // The connection goes on.
    assert_eq!(ask_on(&mut stream, "HEAD /b/k", "", b"").unwrap().next(), Some(17));
}

#[test]
fn a_body_without_a_length_or_too_short_is_refused() {
    let oss = start();
    for (length, ec) in [("", "0017-00000101"), ("Content-Length: x\r\n", "0017-00000103")] {
        let mut stream = connect(&oss);
        write!(stream, "POST /b/k?append&position=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n").unwrap();
        assert_eq!(read(&mut stream, "POST").unwrap().error(), error(411, "MissingContentLength", ec));
    }
    let mut stream = connect(&oss);
    stream.write_all(head_of("POST /b/k?append&position=0", "", 5).as_bytes()).unwrap();
    stream.write_all(b"four").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(&mut stream, "POST").unwrap().error(), error(400, "IncompleteBody", "0017-00000505"));
    assert_eq!(text(&oss), None);
}

#[test]
fn of_racing_appends_exactly_one_succeeds() {
    let oss = start();
    std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| append(&oss, 0, "12345678").status)).collect();
        let statuses: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    });
    assert_eq!(text(&oss).unwrap(), "12345678");
}

#[test]
fn unsigned_requests_are_refused_unless_allowed() {
    let oss = FakeOss::start().unwrap();
    oss.create_bucket("b");
    assert_eq!(append(&oss, 0, "x").error(), error(403, "AccessDenied", "0003-00000001"));
    // Before anything is said about the bucket.
    assert_eq!(ask(&oss, "GET /none/k", "", b"").error().1, "AccessDenied");
    let signed =
        "Authorization: OSS4-HMAC-SHA256 Credential=nobody/20251201/cn-hangzhou/oss/aliyun_v4_request,Signature=0\r\n";
    assert_eq!(ask(&oss, "GET /b/k", signed, b"").error(), error(403, "InvalidAccessKeyId", "0002-00000902"));
}

/// Signed by several of the service's SDKs, which agree, at 2025-12-01 12:00:00.
#[test]
fn a_signature_is_checked_from_the_bytes_that_came() {
    let oss = FakeOss::start().unwrap();
    oss.create_bucket("examplebucket");
    oss.add_key("example-ak-id", "example-ak-secret");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signed_at = 1_764_590_400 - i64::try_from(now).unwrap();
    oss.set_clock_offset(signed_at);
    let append = |target: &str, more: &str, signature: &str| {
        let headers = format!(
            "Content-Type: application/octet-stream\r\nx-oss-content-sha256: UNSIGNED-PAYLOAD\r\nx-oss-date: 20251201T120000Z\r\n{more}\
            Authorization: OSS4-HMAC-SHA256 Credential=example-ak-id/20251201/cn-hangzhou/oss/aliyun_v4_request,Signature={signature}\r\n"
        );
        ask(&oss, &format!("POST {target}"), &headers, b"hello, append")
    };
    let plain = "2128b4b8e7dc5cfceace192606a0f224702e03eb2e226e23df879f65466d468b";
    let target = "/examplebucket/logs/app.log?append&position=0";
    assert_eq!(append(target, "", plain).next(), Some(13));
    // Other spellings of the same request have the same signature.
    let spelt = append("/examplebucket/logs%2Fapp%2elog?position=%30&append=", "", plain);
    assert_eq!(spelt.error().1, "PositionNotEqualToLength");
    let other = append("/examplebucket/logs/app.lag?append&position=0", "", plain);
    assert_eq!(other.error(), error(403, "SignatureDoesNotMatch", "0002-00000040"));
    let body = String::from_utf8(other.body).unwrap();
    assert!(
        body.contains("<StringToSign>OSS4-HMAC-SHA256\n20251201T120000Z\n") && body.contains("Bytes>4F 53 53 34 2D"),
        "{body}"
    );

    oss.require_token("CAIS+example/sts-token==");
    assert_eq!(append(target, "", plain).error(), error(403, "SecurityTokenExpired", ""));
    let with_token = "6f6978c885469d3928157a7740032b04c88e771b93161b287a7455e7aa65a80a";
    let answer = append(target, "x-oss-security-token: CAIS+example/sts-token==\r\n", with_token);
    assert_eq!(answer.error().1, "PositionNotEqualToLength");

    oss.set_clock_offset(signed_at + 2000);
    let late = append(target, "", plain);
    assert_eq!(late.error(), error(403, "RequestTimeTooSkewed", "0002-00000504"));
    let body = String::from_utf8(late.body).unwrap();
    assert!(
        body.contains("<RequestTime>2025-12-01T12:00:00.000Z<") && body.contains("<ServerTime>2025-12-01T12:33:2"),
        "{body}"
    );
    assert!(body.contains("<MaxAllowedSkewMilliseconds>900000<"), "{body}");
}

#[test]
fn methods_can_be_forbidden() {
    let oss = start();
    oss.forbid("HEAD");
    oss.forbid("GET");
    assert_eq!(append(&oss, 0, "x").status, 200);
    assert_eq!(head(&oss).header("x-oss-ec"), Some("0003-00000001"));
    assert_eq!(ask(&oss, "GET /b/k", "", b"").status, 403);
    oss.allow("HEAD");
    assert_eq!(head(&oss).status, 200);
}

#[test]
fn huge_objects_need_no_memory() {
    let oss = start();
    oss.keep_no_bytes();
    append(&oss, 0, "hello, ");
    assert_eq!(append(&oss, 7, "append").crc64(), Some(11_717_270_943_495_523_566));
    assert_eq!((oss.object("b", "k"), oss.object_len("b", "k")), (None, Some(13)));
    assert_eq!(oss.object_crc64("b", "k"), Some(11_717_270_943_495_523_566));
}

// ---- the script ------------------------------------------------------------------------------------------------

#[test]
fn a_lost_request_leaves_nothing_and_a_lost_answer_everything() {
    let oss = start();
    for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::Reset] {
        oss.inject(fault);
    }
    assert_eq!((try_append(&oss, 0, "a"), text(&oss)), (None, None));
    assert_eq!((try_append(&oss, 0, "a"), text(&oss).as_deref()), (None, Some("a")));
    assert_eq!((try_append(&oss, 1, "b"), text(&oss).as_deref()), (None, Some("ab")));
    assert_eq!((append(&oss, 2, "c").next(), oss.faults_left()), (Some(3), 0));
}

#[test]
fn connections_end_in_order_or_by_a_reset() {
    let oss = start();
    oss.inject(Fault::LoseAnswer);
    oss.inject(Fault::Reset);
    oss.inject(Fault::LoseRequest.and(Fault::Reset));
    for (end, after) in [(None, 1), (Some(ErrorKind::ConnectionReset), 2), (Some(ErrorKind::ConnectionReset), 2)] {
        let mut stream = connect(&oss);
        let head = head_of(&format!("POST /b/k?append&position={}", oss.object_len("b", "k").unwrap_or(0)), "", 1);
        stream.write_all(&[head.as_bytes(), b"x"].concat()).unwrap();
        assert_eq!(stream.read(&mut [0]).err().map(|e| e.kind()), end);
        assert_eq!(oss.object_len("b", "k"), Some(after));
    }
}

#[test]
fn a_cut_request_is_applied_only_if_it_was_whole() {
    let oss = start();
    let line = "POST /b/k?append&position=0";
    let whole = head_of(line, "", 10).len() as u64 + 10;
    for (n, stored) in [(0, None), (30, None), (whole - 10, None), (whole - 1, None), (whole, Some(10))] {
        oss.inject(Fault::CutRequest(n));
        assert_eq!(try_ask(&oss, line, "", b"0123456789"), None, "{n}");
        assert_eq!(oss.object_len("b", "k"), stored, "{n}");
    }
}

#[test]
fn a_cut_answer_is_that_long() {
    let oss = start();
    oss.inject(Fault::CutAnswer(17));
    let mut stream = connect(&oss);
    stream.write_all(head_of("POST /b/k?append&position=0", "", 0).as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!((&*answer, text(&oss).as_deref()), (&b"HTTP/1.1 200 OK\r\n"[..], Some("")));
}

#[test]
fn a_late_request_lands_behind_the_one_it_waits_for() {
    let oss = start();
    oss.inject(Fault::ApplyLate);
    assert_eq!((try_append(&oss, 0, "a"), text(&oss)), (None, None));
    assert_eq!((head(&oss).status, text(&oss).as_deref()), (404, Some("a")));

    oss.inject(Fault::ApplyAfter(2));
    assert_eq!(try_append(&oss, 1, "b"), None);
    assert_eq!((head(&oss).next(), head(&oss).next(), head(&oss).next()), (Some(1), Some(1), Some(2)));

    oss.inject(Fault::Hold);
    oss.inject(Fault::Hold);
    assert_eq!((try_append(&oss, 2, "c"), try_append(&oss, 2, "d"), head(&oss).next()), (None, None, Some(2)));
    assert_eq!((oss.land(), oss.land(), text(&oss).as_deref()), (1, 0, Some("abc")));

    oss.inject(Fault::ApplyAfter(0));
    assert_eq!((try_append(&oss, 3, "d"), text(&oss).as_deref()), (None, Some("abcd")));
}

#[test]
fn refusals_and_pages_come_before_or_after_the_bytes() {
    let oss = start();
    for (fault, status, end) in [
        (Fault::Refuse(503, "ServiceUnavailable"), 503, 0),
        (Fault::Page(502), 502, 0),
        (Fault::FailAfter(500, "InternalError"), 500, 1),
        (Fault::PageAfter(200), 200, 2),
        (Fault::Status(202), 202, 3),
    ] {
        let is_page = matches!(fault, Fault::Page(_) | Fault::PageAfter(_));
        oss.inject(fault);
        let answer = append(&oss, oss.object_len("b", "k").unwrap_or(0), "x");
        assert_eq!((answer.status, oss.object_len("b", "k").unwrap_or(0)), (status, end));
        assert_eq!(answer.header("x-oss-request-id").is_none(), is_page);
        assert_eq!(answer.body.starts_with(b"<html>"), is_page);
    }
    oss.inject_on("HEAD", Fault::Refuse(403, "SecurityTokenExpired"));
    assert!(head(&oss).header("x-oss-err").is_some());
}

#[test]
fn an_early_answer_comes_before_the_body_and_then_a_reset() {
    let oss = start();
    oss.inject(Fault::RefuseEarly);
    oss.inject(Fault::RefuseEarlyWith(409, "PositionNotEqualToLength"));
    oss.inject(Fault::AcceptEarly);
    for (status, next) in [(403, None), (409, None), (200, Some(1 << 20))] {
        let mut stream = connect(&oss);
        stream.write_all(head_of("POST /b/k?append&position=0", "", 1 << 20).as_bytes()).unwrap();
        let answer = read(&mut stream, "POST").unwrap();
        assert_eq!((answer.status, answer.next()), (status, next));
        let piece = [0; 1 << 16];
        assert!((0..1000).any(|_| stream.write_all(&piece).is_err()), "the body should not be wanted");
    }
    assert_eq!((text(&oss), oss.requests().len()), (None, 3));
}

#[test]
fn answers_are_spoilt_as_scripted() {
    let oss = start();
    for fault in [
        Fault::Pass,
        Fault::WrongCrc,
        Fault::NoCrc,
        Fault::WrongNext,
        Fault::NoNext,
        Fault::StripHeaders,
        Fault::WithHeader("Age", "7").and(Fault::WithoutHeader("ETag")),
    ] {
        oss.inject(fault);
    }
    let mut answers = (0..7).map(|n| (n + 1, append(&oss, n, "x"), head(&oss).crc64()));
    let mut next = || answers.next().unwrap();
    let (n, fine, crc64) = next();
    assert_eq!((fine.next(), fine.crc64()), (Some(n), crc64));
    let (n, wrong, crc64) = next();
    assert!(wrong.next() == Some(n) && wrong.crc64().is_some() && wrong.crc64() != crc64);
    let (n, none, _) = next();
    assert_eq!((none.next(), none.crc64()), (Some(n), None));
    let (n, wrong, crc64) = next();
    assert_eq!((wrong.next(), wrong.crc64()), (Some(n + 1), crc64));
    let (_, none, crc64) = next();
    assert_eq!((none.next(), none.crc64()), (None, crc64));
    let (_, bare, _) = next();
    assert!(bare.status == 200 && !bare.head.contains("x-oss-"), "{}", bare.head);
    let (_, changed, _) = next();
    assert_eq!((changed.header("age"), changed.header("etag")), (Some("7"), None));
}

#[test]
fn strangers_come_before_behind_and_meanwhile() {
    let oss = start();
    oss.inject(Fault::StrangerBefore(b"<".to_vec()));
    assert_eq!((append(&oss, 0, "a").next(), text(&oss).as_deref()), (Some(1), Some("<")));
    oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b">".to_vec())));
    assert_eq!((try_append(&oss, 1, "a"), text(&oss).as_deref()), (None, Some("<a>")));
    oss.inject(Fault::LoseRequest.and(Fault::StrangerAfter(b"!".to_vec())));
    assert_eq!((try_append(&oss, 3, "b"), text(&oss).as_deref()), (None, Some("<a>!")));
    oss.inject(Fault::CutRequest(9).and(Fault::StrangerAfter(b"?".to_vec())));
    assert_eq!((try_append(&oss, 4, "b"), text(&oss).as_deref()), (None, Some("<a>!?")));
}

#[test]
fn a_doubled_request_is_applied_once_and_refused_once() {
    let oss = start();
    oss.inject(Fault::Duplicate);
    let answer = append(&oss, 0, "a");
    assert_eq!((answer.status, answer.next(), text(&oss).as_deref()), (409, Some(1), Some("a")));
}

#[test]
fn damage_is_stored_and_shows_in_the_crc() {
    let oss = start();
    oss.inject(Fault::Damage);
    let damaged = append(&oss, 0, "a").crc64();
    assert_eq!(text(&oss).as_deref(), Some("`"));
    assert_eq!(damaged, oss.object_crc64("b", "k"));
}

#[test]
fn a_stale_head_tells_of_another_object() {
    let oss = start();
    for crc64 in [Some(42), None] {
        oss.inject_on("HEAD", Fault::Stale { length: 7, crc64 });
        let stale = head(&oss);
        assert_eq!((stale.status, stale.next(), stale.crc64()), (200, Some(7), crc64));
        assert_eq!((stale.header("content-length"), stale.header("x-oss-err")), (Some("7"), None));
    }
    assert_eq!(head(&oss).status, 404);
}

#[test]
fn garbage_is_no_http() {
    let oss = start();
    oss.inject(Fault::Garbage);
    assert_eq!((try_append(&oss, 0, "a"), text(&oss).as_deref()), (None, Some("a")));
}

#[test]
fn a_kept_connection_can_end_or_speak_unasked() {
    let oss = start();
    oss.inject(Fault::CloseAfter);
    oss.inject(Fault::Unasked);
    let mut stream = connect(&oss);
    assert_eq!(ask_on(&mut stream, "POST /b/k?append&position=0", "", b"a").unwrap().header("connection"), None);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let mut stream = connect(&oss);
    assert_eq!(ask_on(&mut stream, "POST /b/k?append&position=1", "", b"b").unwrap().status, 200);
    assert_eq!(read(&mut stream, "POST").unwrap().error(), error(400, "RequestTimeout", ""));
}

#[test]
fn while_it_is_away_connecting_is_refused() {
    let oss = start();
    let mut idle = connect(&oss);
    assert_eq!(ask_on(&mut idle, "HEAD /b/k", "", b"").unwrap().status, 404);
    oss.inject(Fault::GoAway);
    assert_eq!(append(&oss, 0, "a").status, 200);
    let address = oss.endpoint().trim_start_matches("http://").to_owned();
    assert_eq!(TcpStream::connect(&address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(ask_on(&mut idle, "HEAD /b/k", "", b""), None);
    oss.come_back();
    assert_eq!(append(&oss, 1, "b").next(), Some(2));
    oss.go_away();
    assert_eq!(TcpStream::connect(&address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn faults_wait_for_their_method() {
    let oss = start();
    oss.inject_on("HEAD", Fault::Page(503));
    oss.inject_on("SEAL", Fault::Page(504));
    oss.inject(Fault::Pass);
    oss.inject(Fault::Page(502));
    assert_eq!(append(&oss, 0, "a").status, 200);
    assert_eq!(ask(&oss, "POST /b/k?seal&position=1", "", b"").status, 504);
    assert_eq!((head(&oss).status, append(&oss, 1, "a").status, oss.faults_left()), (503, 502, 0));
}

#[test]
fn a_stalled_answer_does_not_hold_up_the_end() {
    let oss = start();
    oss.inject(Fault::Stall(Duration::from_secs(3600)));
    let mut stream = connect(&oss);
    stream.write_all(head_of("POST /b/k?append&position=0", "", 0).as_bytes()).unwrap();
    while text(&oss).is_none() {
        std::thread::yield_now();
    }
    drop(oss);
}

#[test]
fn dropping_ends_open_connections() {
    let oss = start();
    let mut idle = connect(&oss);
    let mut half = connect(&oss);
    half.write_all(b"POST /b/k?append&position=0 HTTP/1.1\r\nContent-Length: 9\r\n\r\n1").unwrap();
    ask_on(&mut idle, "HEAD /b/k", "", b"").unwrap();
    drop(oss);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn every_request_is_recorded_as_it_came() {
    let oss = start();
    let mut stream = connect(&oss);
    for _ in 0..2 {
        ask_on(&mut stream, "POST /b/k%20?append&position=0", "X-Oss-Meta-A: b\r\n", b"12345").unwrap();
    }
    ask(&oss, "HEAD /b/k", "", b"");
    let requests = oss.requests();
    let Recorded { method, target, body_len, head, .. } = &requests[0];
    assert_eq!((&**method, &**target, *body_len), ("POST", "/b/k%20?append&position=0", 5));
    assert_eq!(*head, head_of("POST /b/k%20?append&position=0", "X-Oss-Meta-A: b\r\n", 5).into_bytes());
    assert_eq!(requests[0].header("x-oss-meta-a"), Some("b"));
    assert_eq!(requests.iter().map(|r| r.connection).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn nonsense_is_survived() {
    let oss = start();
    let long = [&b"GET / HTTP/1.1\r\nA: "[..], &[b'a'; 80_000], b"\r\n\r\n"].concat();
    for nonsense in [
        &b""[..],
        b"\r\n\r\n",
        b"\0\xFF\r\n\r\n",
        b"GET /b/k\r\n\r\n",
        b"GET ? HTTP/1.1\r\n\r\n",
        b"GET /%00?%&=&== HTTP/1.1\r\nHost: :::\r\nAuthorization: OSS4-HMAC-SHA256 =,,\r\n\r\n",
        b"POST /b/k?append&position=99999999999999999999 HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST /b/k?append&position=18446744073709551615 HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST /b/k?append&position=0 HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /b/k?append&position=0 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n-1\r\n",
        b"POST /b/k?append&position=0 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
        b"HEAD /b/k HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\nCONNECT",
        &long,
    ] {
        let mut stream = connect(&oss);
        let _ = stream.write_all(nonsense);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!((text(&oss), append(&oss, 0, "x").status), (None, 200));
}
