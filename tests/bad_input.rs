//! What cannot be right is refused before any request, with words that say what is wrong and what to do.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Addressing, AppendOptions, Auth, Body, Bucket, BucketBuilder, Checkpoint, Error, ErrorKind, Outcome,
    testing::FakeOss,
};
use std::{
    io::{self, Cursor, Read},
    process::Command,
    time::Duration,
};

const GIB: u64 = 1 << 30;

fn auth() -> Auth {
    Auth::new("id", "secret")
}

/// Refused for good, nothing applied, and the text has all these words.
#[track_caller]
fn refused(error: &Error, says: &[&str]) {
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotApplied), "{error:?}");
    assert!(!error.is_transient() && error.status().is_none(), "{error:?}");
    let text = error.to_string();
    for word in says {
        assert!(text.contains(word), "{word:?} should be in {text:?}");
    }
    assert!(!text.contains(['\n', '\r', '\0']), "{text:?}");
}

#[track_caller]
fn built(builder: BucketBuilder) -> Error {
    builder.build().expect_err("must be refused")
}

/// A call on a good bucket.
fn on_bucket<T>(call: impl FnOnce(&Bucket) -> Result<T, Error>) -> Error {
    let oss = FakeOss::start().unwrap();
    let error = call(&oss.bucket("bucket")).err().expect("must be refused");
    assert_eq!(oss.requests(), [], "{error}");
    error
}

#[test]
fn keys() {
    let (long, wide) = ("a".repeat(1024), "ß".repeat(512));
    for (key, says) in [
        ("", ["empty", "1 to 1023 bytes"]),
        (&*long, ["1024 bytes long", "at most 1023"]),
        (&*wide, ["1024 bytes long", "at most 1023"]),
        ("/a", ["begins with '/'", "write it without"]),
        ("//", ["begins with '/'", "write it without"]),
        ("\\a", ["begins with '\\'", "write it without"]),
    ] {
        refused(&on_bucket(|bucket| bucket.append_object(key, 0, "x")), &says);
        refused(
            &on_bucket(|bucket| bucket.append_object(key, Checkpoint::default(), Body::from_reader(io::empty()))),
            &says,
        );
        refused(&on_bucket(|bucket| bucket.head_object(key)), &says);
        refused(&on_bucket(|bucket| bucket.object_exists(key)), &says);
        refused(&on_bucket(|bucket| bucket.delete_object(key)), &says);
        refused(&on_bucket(|bucket| bucket.appender(key).open()), &says);
        refused(&on_bucket(|bucket| bucket.appender(key).create_new()), &says);
        refused(&on_bucket(|bucket| bucket.appender(key).resume(Checkpoint::default())), &says);
    }
    let oss = FakeOss::start().unwrap();
    oss.bucket("bucket").append_object(&"a".repeat(1023), 0, "as long as may be").unwrap();
}

#[test]
fn bucket_names() {
    for name in ["", "ab", "-ab", "ab-", "Abc", "a_c", "a.c", "ab c", "äöü", "a/b", "a\r\nb", &"a".repeat(64)] {
        let error = built(Bucket::builder(auth(), "http://127.0.0.1", name).region("cn-hangzhou"));
        refused(&error, &["the bucket name", "is not valid", "3 to 63"]);
        refused(&Bucket::new(auth(), "http://oss-cn-hangzhou.aliyuncs.com", name).unwrap_err(), &["3 to 63"]);
    }
}

#[test]
fn endpoints() {
    for (endpoint, says) in [
        ("", &["the endpoint is empty", "https://oss-cn-hangzhou.aliyuncs.com"][..]),
        ("http://", &["no host", "https://oss-cn-hangzhou.aliyuncs.com"]),
        ("ftp://oss-cn-hangzhou.aliyuncs.com", &["ftp", "http or https"]),
        ("http//oss-cn-hangzhou.aliyuncs.com", &["misspelt"]),
        ("https:oss-cn-hangzhou.aliyuncs.com", &["misspelt"]),
        ("http://http://oss-cn-hangzhou.aliyuncs.com", &["misspelt"]),
        ("http://oss-cn-hangzhou.aliyuncs.com/logs", &["has a path", "scheme, host and port only"]),
        ("http://oss-cn-hangzhou.aliyuncs.com/bucket/", &["has a path", "keys are given with each call"]),
        ("http://oss-cn-hangzhou.aliyuncs.com?x=1", &["query", "scheme, host and port only"]),
        ("http://oss-cn-hangzhou.aliyuncs.com#x", &["fragment", "scheme, host and port only"]),
        ("http://me:secret@oss-cn-hangzhou.aliyuncs.com", &["user name", "keys belong in Auth"]),
        ("http://oss-cn-hangzhou.aliyuncs.com:0", &["port \"0\"", "1 to 65535"]),
        ("http://oss-cn-hangzhou.aliyuncs.com:65536", &["port \"65536\"", "1 to 65535"]),
        ("http://oss-cn-hangzhou.aliyuncs.com:http", &["port \"http\"", "1 to 65535"]),
        ("http://oss-cn-hangzhou.aliyuncs.com:", &["port \"\"", "1 to 65535"]),
        ("http://::1", &["write [::1]"]),
        ("http://[::1", &["not an IPv6 address"]),
        ("http://1.2.3.256", &["not an IPv4 address", "0 to 255"]),
        ("http://oss_cn hangzhou", &["not a host name"]),
        ("http://bücher.example", &["not a host name"]),
        ("http://oss-cn-hangzhou\r\nx", &["not a host name"]),
        ("http://oss-cn-hangzhou", &["cut short", "oss-cn-hangzhou.aliyuncs.com or cn-hangzhou"]),
        // The bucket twice.
        (
            "http://bucket.oss-cn-hangzhou.aliyuncs.com",
            &["repeats a bucket name", "write oss-cn-hangzhou.aliyuncs.com and the bucket \"bucket\" apart"],
        ),
        ("http://other.oss-cn-hangzhou.aliyuncs.com", &["repeats a bucket name", "\"other\" apart"]),
        ("http://bucket.oss-accelerate.aliyuncs.com", &["repeats a bucket name", "write oss-accelerate.aliyuncs.com"]),
        ("http://bucket.example.com", &["repeats the bucket name", "Addressing::Cname"]),
    ] {
        let error = Bucket::new(auth(), endpoint, "bucket").unwrap_err();
        refused(&error, says);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn regions() {
    let with = |endpoint: &str, region: &str| built(Bucket::builder(auth(), endpoint, "bucket").region(region));
    for (region, says) in [
        ("oss-cn-hangzhou", &["\"oss-cn-hangzhou\"", "is written \"cn-hangzhou\"", "belong in endpoints"][..]),
        ("cn-hangzhou-internal", &["is written \"cn-hangzhou\"", "belong in endpoints"]),
        ("oss-cn-hangzhou-internal", &["is written \"cn-hangzhou\""]),
        ("oss-cn-hangzhou.aliyuncs.com", &["write it as cn-hangzhou"]),
        ("", &["write it as cn-hangzhou"]),
        ("CN-Hangzhou", &["write it as cn-hangzhou"]),
        ("cn-hangzhou\n", &["write it as cn-hangzhou"]),
    ] {
        refused(&with("http://127.0.0.1", region), says);
    }
    refused(
        &with("http://oss-cn-hangzhou.aliyuncs.com", "cn-beijing"),
        &["contradicts", "cn-beijing", "leave out one"],
    );
    // None at all, where the host does not tell it.
    for endpoint in [
        "http://127.0.0.1:9000",
        "http://[::1]",
        "http://localhost",
        "http://oss-accelerate.aliyuncs.com",
        "http://logs.example.com",
    ] {
        let says = ["does not tell its region", "BucketBuilder::region", "OSS_REGION", "cn-hangzhou"];
        refused(&Bucket::new(auth(), endpoint, "bucket").unwrap_err(), &says);
        Bucket::new(Auth::anonymous(), endpoint, "bucket").unwrap();
    }
    let cname = Bucket::builder(auth(), "http://logs.example.com", "bucket").addressing(Addressing::Cname);
    refused(&built(cname), &["does not tell its region", "BucketBuilder::region"]);
}

#[test]
fn addressing() {
    let with = |endpoint: &str, style| {
        built(Bucket::builder(auth(), endpoint, "bucket").region("cn-hangzhou").addressing(style))
    };
    let service = "http://oss-cn-hangzhou.aliyuncs.com";
    refused(&with(service, Addressing::Path), &["SecondLevelDomainForbidden", "leave out Addressing::Path"]);
    refused(&with(service, Addressing::Cname), &["Addressing::Cname is for a domain of yours"]);
    refused(&with("http://127.0.0.1", Addressing::VirtualHost), &["IP address", "use Addressing::Path"]);
}

#[test]
fn headers_metadata_and_tags() {
    let with = |options: AppendOptions| on_bucket(|bucket| bucket.append_object_with("k", 0, "x", &options));
    let new = AppendOptions::new;
    let (eight_kb, long_key, long_value) = ("x".repeat(8 << 10), "k".repeat(129), "v".repeat(257));
    let eleven = (0..11).fold(new(), |options, n| options.tag(&format!("t{n}"), ""));
    let cases: Vec<(AppendOptions, &[&str])> = vec![
        (new().header("a", "b\r\nHost: c"), &["the value of a", "control characters", "leave them out"]),
        (new().header("a", "b\nc"), &["control characters"]),
        (new().header("a", "b\0"), &["control characters"]),
        (new().header("a", "b\x7f"), &["control characters"]),
        (new().content_type("text/\rplain"), &["the value of content-type", "control characters"]),
        (new().meta("a", "b\nc"), &["the value of x-oss-meta-a", "control characters"]),
        (new().header("a", "ü"), &["the value of a is not ASCII", "percent-encode"]),
        (new().header("a\r\nb", "c"), &["the header name", "is not valid"]),
        (new().header("a\0", "c"), &["the header name", "is not valid"]),
        (new().header("a b", "c"), &["the header name", "no blanks"]),
        (new().header("a:", "c"), &["the header name", "colons"]),
        (new().header("ü", "c"), &["the header name", "is not valid"]),
        (new().header("", "c"), &["the header name", "is not valid"]),
        (new().meta("a_b", "c"), &["\"a_b\"", "'_' is refused by the service"]),
        (new().header("x-oss-meta-a_b", "c"), &["\"a_b\"", "'_' is refused by the service"]),
        (new().meta("", "c"), &["metadata name \"\"", "letters, digits and '-' only"]),
        (new().meta("a", &eight_kb), &["the metadata has 8193 bytes", "at most 8192"]),
        (new().meta("a", &eight_kb[..8190]).meta("bc", ""), &["the metadata has 8193 bytes", "at most 8192"]),
        (eleven, &["there are 11 tags", "at most 10"]),
        (new().header("x-oss-tagging", "a&b&c&d&e&f&g&h&i&j&k"), &["there are 11 tags", "at most 10"]),
        (new().header("x-oss-tagging", "a=1&a=2"), &["\"a\"", "twice"]),
        (new().header("x-oss-tagging", "%zz"), &["not percent-encoded", "use AppendOptions::tag"]),
        (new().tag("", "v"), &["1 to 128 characters"]),
        (new().tag(&long_key, "v"), &["1 to 128 characters"]),
        (new().tag("k", &long_value), &["up to 256"]),
        (new().tag("k", "?"), &["\"k\"", "letters, digits, space and"]),
        (new().traffic_limit(819_199), &["\"819199\"", "from 819200 to 838860800"]),
        (new().traffic_limit(838_860_801), &["\"838860801\"", "from 819200 to 838860800"]),
        (new().traffic_limit(0), &["\"0\"", "bits per second"]),
        (new().header("x-oss-traffic-limit", "fast"), &["\"fast\"", "from 819200 to 838860800"]),
        (new().acl("publicread"), &["x-oss-object-acl cannot be \"publicread\"", "public-read"]),
        (new().storage_class("ColdArchive"), &["cannot be of storage class ColdArchive", "Standard, IA, Archive"]),
        (new().storage_class("standard"), &["\"standard\"", "Standard, IA, Archive"]),
        (new().server_side_encryption("AES"), &["\"AES\"", "AES256, KMS, SM4"]),
    ];
    for (options, says) in cases {
        refused(&with(options.clone()), says);
        let error = on_bucket(|bucket| bucket.appender("k").options(options).open());
        refused(&error, says);
    }
    let oss = FakeOss::start().unwrap();
    let just_fits = new().meta("a", &eight_kb[..8191]).traffic_limit(819_200);
    oss.bucket("bucket").append_object_with("k", 0, "x", &just_fits).unwrap();
}

#[test]
fn reserved_headers() {
    for (names, instead) in [
        (&["Host"][..], "it follows from the endpoint"),
        (&["Content-Length", "transfer-encoding", "TE", "Trailer"], "it follows from the body"),
        (
            &["Connection", "Keep-Alive", "Upgrade", "Expect", "Proxy-Connection", "Accept-Encoding"],
            "keeps the connection",
        ),
        (&["Proxy-Authorization"], "BucketBuilder::proxy"),
        (&["Authorization", "Date", "x-oss-date", "X-Oss-Content-Sha256", "x-oss-security-token"], "the library signs"),
        (&["User-Agent"], "BucketBuilder::user_agent"),
        (&["Range"], "an append has no range"),
        (&["append", "position"], "as an argument"),
    ] {
        for name in names {
            let options = AppendOptions::new().header(name, "x");
            let error = on_bucket(|bucket| bucket.append_object_with("k", 0, "x", &options));
            refused(&error, &[&name.to_ascii_lowercase(), "cannot be set", instead]);
        }
    }
}

#[test]
fn positions_beyond_what_an_object_holds() {
    let says = ["position", "5 GiB", "5368709120"];
    refused(&on_bucket(|bucket| bucket.append_object("k", 5 * GIB + 1, "x")), &says);
    refused(&on_bucket(|bucket| bucket.append_object("k", u64::MAX, "x")), &says);
    let beyond = Checkpoint { position: 5 * GIB + 1, crc64: 1 };
    refused(&on_bucket(|bucket| bucket.append_object("k", beyond, "x")), &says);
    refused(&on_bucket(|bucket| bucket.appender("k").resume(beyond)), &says);
    let none = Checkpoint { position: 0, crc64: 1 };
    refused(&on_bucket(|bucket| bucket.append_object("k", none, "x")), &["at position 0 the crc64 is 0"]);
    refused(&on_bucket(|bucket| bucket.appender("k").resume(none)), &["at position 0 the crc64 is 0"]);

    // Each may be, both together not.
    for body in [Body::from("xy"), Body::sized(io::empty(), 2), Body::sized(io::empty(), u64::MAX)] {
        let error = on_bucket(|bucket| bucket.append_object("k", 5 * GIB - 1, body));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotApplied));
        assert!(error.to_string().contains("5 GiB"), "{error}");
    }
    let (oss, endless) = (FakeOss::start().unwrap(), Body::from_reader(io::repeat(7)));
    let error = oss.bucket("bucket").append_object("k", 5 * GIB - 1, endless).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotApplied));
    assert_eq!(oss.object("bucket", "k"), None);
}

#[test]
fn checkpoints_that_are_none() {
    for text in [
        "",
        "v1",
        "v1:",
        "v1:1",
        "v1:1:",
        "v1::1",
        "v2:1:1",
        "V1:1:1",
        "v1:1:1:1",
        "v1:-1:1",
        "v1:+1:1",
        "v1:01:1",
        " v1:1:1",
        "v1:1:1\n",
        "v1:1:18446744073709551616",
        "v1:x:1",
    ] {
        refused(&text.parse::<Checkpoint>().unwrap_err(), &["not a checkpoint", "v1:<position>:<crc64>"]);
    }
    refused(&"v1:5368709121:1".parse::<Checkpoint>().unwrap_err(), &["not a checkpoint", "5 GiB"]);
    refused(&"v1:0:1".parse::<Checkpoint>().unwrap_err(), &["not a checkpoint", "at position 0"]);
}

// ---- settings --------------------------------------------------------------------------------------------------

#[test]
fn settings_with_which_nothing_could_be_sent() {
    let builder = || Bucket::builder(auth(), "http://127.0.0.1:9", "bucket").region("cn-hangzhou");
    let cases: Vec<(BucketBuilder, &[&str])> = vec![
        (builder().attempts(0), &["attempts is 0", "1 is never again"]),
        (builder().connect_timeout(Duration::ZERO), &["connect_timeout is zero"]),
        (builder().idle_timeout(Duration::ZERO), &["idle_timeout is zero"]),
        (builder().request_timeout(Duration::ZERO), &["request_timeout is zero"]),
        (builder().user_agent(""), &["user agent", "one line of printable ASCII"]),
        (builder().user_agent("   "), &["user agent", "one line of printable ASCII"]),
        (builder().user_agent("a\r\nb"), &["user agent", "one line of printable ASCII"]),
        (builder().user_agent("a\0"), &["user agent", "one line of printable ASCII"]),
        (builder().user_agent("ü"), &["user agent", "one line of printable ASCII"]),
        (builder().proxy(""), &["the proxy", "http://host:port"]),
        (builder().proxy("localhost:3128"), &["the proxy", "http://host:port"]),
        (builder().proxy("ftp://localhost:1080"), &["the proxy", "http://host:port"]),
        (builder().proxy("http://localhost:80/path"), &["the proxy", "http://[user:password@]host:port"]),
        (builder().proxy("https://me:secret@localhost"), &["the proxy", "http://host:port"]),
        (builder().proxy("http://"), &["the proxy", "http://[user:password@]host:port"]),
        (builder().proxy("http://me:secret@host:port"), &["the proxy", "http://[user:password@]host:port"]),
        (builder().proxy("http://localhost:99999"), &["the proxy", "http://[user:password@]host:port"]),
        (builder().proxy("http://a b"), &["the proxy", "http://[user:password@]host:port"]),
        (builder().root_certs(b""), &["root_certs"]),
        (builder().root_certs(b"not PEM"), &["root_certs"]),
        (builder().root_certs(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), &["root_certs"]),
    ];
    let mut accepted = Vec::new();
    for (n, (builder, says)) in cases.into_iter().enumerate() {
        let Err(error) = builder.build() else {
            accepted.push((n, says));
            continue;
        };
        refused(&error, says);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    assert!(accepted.is_empty(), "these must be refused: {accepted:?}");
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
#[test]
fn https_where_it_is_not_built_in() {
    let says = ["cannot speak https", "`rustls` or `native-tls`", "http://"];
    for endpoint in ["https://oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"] {
        refused(&Bucket::new(auth(), endpoint, "bucket").unwrap_err(), &says);
    }
    let roots = Bucket::builder(auth(), "http://127.0.0.1:9000", "bucket")
        .region("cn-hangzhou")
        .root_certs(b"-----BEGIN CERTIFICATE-----")
        .build();
    refused(&roots.unwrap_err(), &["root_certs", "`rustls` or `native-tls`"]);
}

#[test]
fn endless_patience_is_fine() {
    let oss = FakeOss::start().unwrap();
    let builder = oss.builder("bucket").connect_timeout(Duration::MAX).idle_timeout(Duration::MAX);
    let bucket = builder.request_timeout(Duration::MAX).attempts(u32::MAX).build().unwrap();
    bucket.append_object("k", 0, "x").unwrap();
    let bucket = oss.builder("bucket").backoff(Duration::MAX, Duration::MAX).build().unwrap();
    bucket.append_object("k", 1, "y").unwrap();
    assert_eq!(oss.object("bucket", "k").unwrap(), b"xy");
}

#[test]
fn keys_that_cannot_stand_in_a_header() {
    for (auth, says) in [
        (Auth::new("", "secret"), "the access key id is empty"),
        (Auth::new("id", " "), "the access key secret is empty"),
        (Auth::new("id\r\nx", "secret"), "the access key id has characters that cannot stand in a header"),
        (Auth::new("id", "secret\0"), "the access key secret has characters that cannot stand in a header"),
        (Auth::sts("id", "secret", "secret\ntoken"), "the security token has characters that cannot stand in a header"),
    ] {
        let oss = FakeOss::start().unwrap();
        oss.create_bucket("bucket");
        let bucket = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).build().unwrap();
        for error in [bucket.append_object("k", 0, "x").unwrap_err(), bucket.head_object("k").unwrap_err()] {
            refused(&error, &[says]);
            assert!(!format!("{error} {error:?}").contains("secret\0"), "{error:?}");
        }
        assert_eq!(oss.requests(), []);
    }
}

// ---- the environment ---------------------------------------------------------------------------------------------

/// Run by the next test, in an environment of its own: prints what `from_env` says.
#[test]
#[ignore = "is run by the_environment"]
fn helper_for_the_environment() {
    match Bucket::from_env() {
        Ok(bucket) => println!("[[{bucket:?}]]"),
        Err(error) => {
            refused(&error, &[]);
            println!("[[{error}]]");
        }
    }
}

fn in_environment(variables: &[(&str, &str)]) -> String {
    let mut helper = Command::new(std::env::current_exe().unwrap());
    helper.args(["--exact", "--ignored", "--nocapture", "helper_for_the_environment"]).env_clear();
    let output = helper.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let (_, said) = text.split_once("[[").unwrap();
    said.split_once("]]").unwrap().0.to_owned()
}

#[test]
fn the_environment() {
    let id = ("OSS_ACCESS_KEY_ID", "id");
    let secret = ("OSS_ACCESS_KEY_SECRET", "hidden");
    let bucket = ("OSS_BUCKET", "bucket");
    let endpoint = ("OSS_ENDPOINT", "http://oss-cn-hangzhou.aliyuncs.com");
    let region = ("OSS_REGION", "cn-hangzhou");
    for (variables, says) in [
        (
            &[][..],
            &["OSS_BUCKET and OSS_ENDPOINT (or OSS_REGION) are not set", "export OSS_BUCKET=<name> OSS_ENDPOINT="][..],
        ),
        (
            &[bucket],
            &["OSS_ENDPOINT (or OSS_REGION) is not set", "export OSS_ENDPOINT=https://oss-cn-hangzhou.aliyuncs.com"],
        ),
        (&[endpoint], &["OSS_BUCKET is not set", "export OSS_BUCKET=<name>"]),
        (&[endpoint, ("OSS_BUCKET", " ")], &["OSS_BUCKET is not set"]),
        (
            &[bucket, endpoint],
            &[
                "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set",
                "export OSS_ACCESS_KEY_ID=<id> OSS_ACCESS_KEY_SECRET=<secret>",
            ],
        ),
        (&[bucket, endpoint, id], &["OSS_ACCESS_KEY_SECRET is not set", "export OSS_ACCESS_KEY_SECRET=<secret>"]),
        (&[bucket, endpoint, secret], &["OSS_ACCESS_KEY_ID is not set", "export OSS_ACCESS_KEY_ID=<id>"]),
        (&[bucket, endpoint, id, ("OSS_ACCESS_KEY_SECRET", "")], &["OSS_ACCESS_KEY_SECRET is not set"]),
        (&[bucket, endpoint, ("OSS_ACCESS_KEY_ID", "i\nd"), secret], &["OSS_*", "the access key id has characters"]),
        (&[("OSS_BUCKET", "b"), endpoint, id, secret], &["the bucket name \"b\" is not valid"]),
        (
            &[bucket, ("OSS_ENDPOINT", "http://logs.example.com"), id, secret],
            &["does not tell its region", "OSS_REGION"],
        ),
        (&[bucket, endpoint, ("OSS_REGION", "oss-cn-hangzhou"), id, secret], &["is written \"cn-hangzhou\""]),
        (&[bucket, endpoint, id, secret], &["Bucket {", "\"bucket\"", "\"cn-hangzhou\""]),
        (&[bucket, endpoint, region, id, secret, ("OSS_SESSION_TOKEN", "hidden")], &["Bucket {"]),
        (&[bucket, ("OSS_ENDPOINT", "http://127.0.0.1:9"), region, id, secret], &["Bucket {", "127.0.0.1:9"]),
    ] {
        let said = in_environment(variables);
        for words in says {
            assert!(said.contains(words), "{words:?} should be in {said:?}");
        }
        assert!(!said.contains("hidden"), "{said}");
    }
}

#[test]
fn the_fakes_environment_is_a_good_one() {
    let oss = FakeOss::start().unwrap();
    let env = oss.env("bucket");
    let said = in_environment(&env.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    assert!(said.starts_with("Bucket {"), "{said}");
}

// ---- bodies that are not what they say ---------------------------------------------------------------------------

struct Failing<R>(R);

impl<R: Read> Read for Failing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the disk is on fire")),
            read => Ok(read),
        }
    }
}

struct Boasting;

impl Read for Boasting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(buffer.len() + 1)
    }
}

#[test]
fn a_body_that_is_not_what_it_says_is_not_appended() {
    const LARGE: usize = 3 << 20;
    let bytes = vec![7; LARGE];
    let sized = |have: usize, say: usize| Body::sized(&bytes[..have], say as u64);
    let cases: Vec<(&str, Body<'_>, &str)> = vec![
        ("short", sized(3, 5), "the body ended after 3 of the 5 bytes it declared"),
        ("empty", sized(0, 5), "the body ended after 0 of the 5 bytes"),
        ("short and large", sized(LARGE - 1, LARGE), "the body ended after 3145727 of the 3145728 bytes"),
        ("long", sized(5, 3), "the body is longer than the 3 bytes it declared"),
        ("long where nothing was declared", sized(1, 0), "the body is longer than the 0 bytes it declared"),
        ("long by one", sized(LARGE, LARGE - 1), "the body is longer than the 3145727 bytes"),
        ("fails at once", Body::from_reader(Failing(io::empty())), "source failed after 0 bytes"),
        ("fails midway", Body::from_reader(Failing(&bytes[..])), "source failed after 3145728 bytes"),
        ("fails where it is known", Body::sized(Failing(&bytes[..]), LARGE as u64), "source failed after"),
        ("fails behind its end", Body::sized(Failing(&b"12"[..]), 2), "source failed after 0 bytes"),
        ("claims too much", Body::from_reader(Boasting), "source failed after 0 bytes"),
        ("claims too much, sized", Body::sized(Boasting, 9), "source failed after 0 bytes"),
    ];
    for (name, body, says) in cases {
        let oss = FakeOss::start().unwrap();
        let bucket = oss.bucket("bucket");
        let first = bucket.append_object("k", 0, "one\n").unwrap();
        let error = bucket.append_object("k", &first, body).expect_err(name);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied), "{name}: {error:?}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert!(!error.is_transient(), "{name}");
        assert_eq!(oss.object("bucket", "k").unwrap(), b"one\n", "{name}");
        // The connection with half a request on it is gone; the next call has one of its own.
        bucket.append_object("k", &first, "two\n").unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(oss.object("bucket", "k").unwrap(), b"one\ntwo\n", "{name}");
        assert_eq!(oss.requests().iter().filter(|request| request.method != "POST").count(), 0, "{name}");
    }
}

/// Says where it is, but cannot go there.
struct Stuck(Cursor<&'static [u8]>, u8);

impl Read for Stuck {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::Seek for Stuck {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        match self.1 {
            0 => Err(io::Error::other("the tape is torn")),
            _ => {
                self.1 -= 1;
                self.0.seek(to)
            }
        }
    }
}

#[test]
fn a_body_that_cannot_be_measured_sends_nothing() {
    // Four seeks measure it and go back to where it stood for the attempt.
    for seeks in 0..4 {
        let body = Body::from_seekable(Stuck(Cursor::new(b"123"), seeks));
        let error = on_bucket(|bucket| bucket.append_object("k", 0, body));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Body, Outcome::NotApplied), "{seeks}");
        let cause = std::error::Error::source(&error).expect("the source's own error");
        assert_eq!(cause.to_string(), "the tape is torn");
    }
}

#[test]
fn the_sources_own_error_is_kept() {
    let oss = FakeOss::start().unwrap();
    let error = oss.bucket("bucket").append_object("k", 0, Body::from_reader(Failing(io::empty()))).unwrap_err();
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>()).unwrap();
    assert_eq!((cause.kind(), cause.to_string().as_str()), (io::ErrorKind::PermissionDenied, "the disk is on fire"));
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
}
