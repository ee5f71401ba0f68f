//! *What is sent, byte for byte*: the heads of requests as a server reads them, and how many connections they take.
//!
//! Virtual-hosted addressing is seen through a proxy, which needs no name service.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Addressing, AppendOptions, Auth, Body, Bucket, Checkpoint,
    testing::{FakeOss, Fault, Recorded},
};
use std::io::Write;

const BUCKET: &str = "bucket";
const AGENT: &str = concat!("oss-append/", env!("CARGO_PKG_VERSION"));

/// The head with what differs from run to run named: port, date, signature.
fn head(oss: &FakeOss, request: &Recorded) -> String {
    let head = String::from_utf8(request.head.clone()).unwrap();
    let host = oss.endpoint();
    let head = head.replace(host.trim_start_matches("http://"), "<host>").replace(AGENT, "<agent>");
    let mut lines = Vec::new();
    for line in head.split("\r\n") {
        lines.push(match line.split_once(": ") {
            Some((name @ "x-oss-date", date)) => {
                assert!(date.len() == 16 && date.ends_with('Z') && date.as_bytes()[8] == b'T', "{date}");
                format!("{name}: <date>")
            }
            Some((name @ "authorization", value)) => {
                let (before, signature) = value.split_once("Signature=").unwrap();
                assert!(signature.len() == 64 && signature.bytes().all(|b| b.is_ascii_hexdigit()), "{signature}");
                let (id, rest) = before.split_once('/').unwrap();
                format!("{name}: {id}/<day>{}Signature=<signature>", &rest[8..])
            }
            _ => line.to_owned(),
        });
    }
    lines.join("\n")
}

fn heads(oss: &FakeOss) -> Vec<String> {
    oss.requests().iter().map(|request| head(oss, request)).collect()
}

#[test]
fn an_append_is_this_request() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    bucket.append_object("a b/log.txt", 0, "text").unwrap();
    assert_eq!(heads(&oss), [APPEND]);
}

#[test]
fn an_empty_append_says_that_it_is_empty() {
    let oss = FakeOss::start().unwrap();
    oss.bucket(BUCKET).append_object("log", 0, "").unwrap();
    assert_eq!(oss.requests()[0].header("content-length"), Some("0"));
    assert_eq!(oss.requests()[0].header("transfer-encoding"), None);
}

#[test]
fn a_body_of_unknown_length_is_sent_in_chunks() {
    let oss = FakeOss::start().unwrap();
    oss.bucket(BUCKET).append_object("log", 0, Body::from_reader(&b"piped"[..])).unwrap();
    assert_eq!(oss.requests()[0].header("content-length"), None);
    assert_eq!(oss.requests()[0].header("transfer-encoding"), Some("chunked"));
}

#[test]
fn an_ask_is_this_request() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    oss.inject(Fault::LoseAnswer);
    bucket.append_object("log", 0, "text").unwrap();
    let heads = heads(&oss);
    assert_eq!(heads.len(), 2);
    assert_eq!(heads[1], ASK);
}

#[test]
fn a_read_back_is_this_request() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"x".to_vec())));
    bucket.append_object("log", 0, "text").unwrap_err();
    let heads = heads(&oss);
    assert_eq!(heads.len(), 3);
    assert_eq!(heads[2], READ_BACK);
}

#[test]
fn options_go_out_as_they_were_given() {
    let oss = FakeOss::start().unwrap();
    let options = AppendOptions::new().content_type("text/x-log").acl("private").meta("who", "me").tag("a", "b c");
    oss.bucket(BUCKET).append_object_with("log", 0, "text", &options).unwrap();
    assert_eq!(heads(&oss), [OPTIONS]);
}

#[test]
fn the_order_of_headers_is_always_the_same() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    for _ in 0..20 {
        oss.delete_object(BUCKET, "log");
        bucket.append_object("log", 0, "text").unwrap();
    }
    let heads = heads(&oss);
    assert!(heads.iter().all(|head| *head == heads[0]));
}

#[test]
fn nothing_asks_for_compression() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    bucket.append_object("log", 0, "text").unwrap();
    bucket.head_object("log").unwrap();
    oss.inject(Fault::LoseAnswer.and(Fault::StrangerAfter(b"x".to_vec())));
    bucket.append_object("log", Checkpoint::default().advance("text"), "more").unwrap_err();
    for request in oss.requests() {
        assert!(request.header("accept-encoding").is_none_or(|coding| coding == "identity"), "{request:?}");
    }
}

#[test]
fn the_user_agent_is_ours_or_yours() {
    let oss = FakeOss::start().unwrap();
    oss.bucket(BUCKET).append_object("log", 0, "text").unwrap();
    oss.builder(BUCKET).user_agent("shipper/7").build().unwrap().append_object("log", 4, "text").unwrap();
    let agents: Vec<_> = oss.requests().iter().map(|r| r.header("user-agent").unwrap().to_owned()).collect();
    assert_eq!(agents, [AGENT, "shipper/7"]);
}

#[test]
fn requests_share_one_connection() {
    let oss = FakeOss::start().unwrap();
    let bucket = oss.bucket(BUCKET);
    let mut app = bucket.appender("log").open().unwrap();
    for _ in 0..10 {
        app.write_all(b"line\n").unwrap();
        app.flush().unwrap();
        bucket.clone().head_object("log").unwrap();
    }
    app.finish().unwrap();
    let requests = oss.requests();
    assert_eq!(requests.len(), 21);
    assert!(requests.iter().all(|request| request.connection == requests[0].connection));
}

#[test]
fn addresses_have_the_bucket_in_the_path() {
    let oss = FakeOss::start().unwrap();
    oss.bucket(BUCKET).append_object("log", 0, "text").unwrap();
    let request = &oss.requests()[0];
    assert_eq!(request.target, "/bucket/log?append&position=0");
    assert_eq!(request.header("host"), Some(oss.endpoint().trim_start_matches("http://")));
}

#[test]
fn names_have_the_bucket_in_the_host() {
    for (endpoint, style, host) in [
        ("http://oss-cn-hangzhou.aliyuncs.com", None, "bucket.oss-cn-hangzhou.aliyuncs.com"),
        ("http://oss.example.com:8080", Some(Addressing::VirtualHost), "bucket.oss.example.com:8080"),
        ("http://log.example.com", Some(Addressing::Cname), "log.example.com"),
    ] {
        let oss = FakeOss::start().unwrap();
        oss.create_bucket(BUCKET);
        oss.add_domain("log.example.com", BUCKET);
        let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
        let mut builder = Bucket::builder(auth, endpoint, BUCKET).region(oss.region()).proxy(&oss.endpoint());
        if let Some(style) = style {
            builder = builder.addressing(style);
        }
        builder.build().unwrap().append_object("log", 0, "text").unwrap();
        let requests = oss.requests();
        assert_eq!(requests[1].target, "/log?append&position=0");
        assert_eq!(requests[1].header("host"), Some(host));
        assert_eq!(oss.object(BUCKET, "log").unwrap(), b"text");
    }
}

const APPEND: &str = "\
POST /bucket/a%20b/log.txt?append&position=0 HTTP/1.1
user-agent: <agent>
host: <host>
content-type: text/plain
x-oss-date: <date>
x-oss-content-sha256: UNSIGNED-PAYLOAD
authorization: OSS4-HMAC-SHA256 Credential=fake-key-id/<day>/cn-hangzhou/oss/aliyun_v4_request,Signature=<signature>
content-length: 4

";

const ASK: &str = "\
HEAD /bucket/log HTTP/1.1
user-agent: <agent>
host: <host>
cache-control: no-cache
x-oss-date: <date>
x-oss-content-sha256: UNSIGNED-PAYLOAD
authorization: OSS4-HMAC-SHA256 Credential=fake-key-id/<day>/cn-hangzhou/oss/aliyun_v4_request,Signature=<signature>

";

const READ_BACK: &str = "\
GET /bucket/log HTTP/1.1
user-agent: <agent>
host: <host>
range: bytes=0-
x-oss-range-behavior: standard
cache-control: no-cache
accept-encoding: identity
x-oss-date: <date>
x-oss-content-sha256: UNSIGNED-PAYLOAD
authorization: OSS4-HMAC-SHA256 Credential=fake-key-id/<day>/cn-hangzhou/oss/aliyun_v4_request,Signature=<signature>

";

const OPTIONS: &str = "\
POST /bucket/log?append&position=0 HTTP/1.1
user-agent: <agent>
host: <host>
content-type: text/x-log
x-oss-object-acl: private
x-oss-meta-who: me
x-oss-tagging: a=b%20c
x-oss-date: <date>
x-oss-content-sha256: UNSIGNED-PAYLOAD
authorization: OSS4-HMAC-SHA256 Credential=fake-key-id/<day>/cn-hangzhou/oss/aliyun_v4_request,Signature=<signature>
content-length: 4

";
