//! *A proxy that was asked for is used for everything, and one that was not, never*; what it refuses was not sent;
//! its password goes to it alone, and into no text.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

#[path = "common/listener.rs"]
mod listener;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "common/tls.rs"]
mod tls;

use oss_append::{
    Addressing, Auth, Bucket, BucketBuilder, Checkpoint, Error, ErrorKind, Found, Outcome,
    testing::{FakeOss, Fault},
};
use proxy::*;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use tls::*;

const BUCKET: &str = "bucket";
const HOST: &str = "log.example.com";

/// A fake under a name that only the proxy can lead to.
struct Stage {
    oss: FakeOss,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    _tls: Option<TlsServer>,
    proxy: Proxy,
    scheme: &'static str,
}

fn address(oss: &FakeOss) -> SocketAddr {
    oss.endpoint().strip_prefix("http://").unwrap().parse().unwrap()
}

impl Stage {
    fn http(does: Does) -> Self {
        let oss = FakeOss::start().unwrap();
        oss.add_domain(HOST, BUCKET);
        let proxy = Proxy::start(address(&oss), does);
        Self {
            oss,
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            _tls: None,
            proxy,
            scheme: "http",
        }
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn https(does: Does) -> Self {
        let oss = FakeOss::start().unwrap();
        oss.add_domain(HOST, BUCKET);
        let tls = TlsServer::before(&oss, Shows::Good);
        let proxy = Proxy::start(tls.address(), does);
        Self { oss, _tls: Some(tls), proxy, scheme: "https" }
    }

    /// Both, where TLS is built in.
    fn each() -> Vec<Self> {
        vec![
            Self::http(Does::Lead),
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            Self::https(Does::Lead),
        ]
    }

    fn direct(&self) -> BucketBuilder {
        let auth = Auth::new(self.oss.access_key_id(), self.oss.access_key_secret());
        let builder = Bucket::builder(auth, &format!("{}://{HOST}", self.scheme), BUCKET).region(self.oss.region());
        let builder = builder.addressing(Addressing::Cname).backoff(Duration::ZERO, Duration::ZERO).attempts(2);
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        let builder = builder.root_certs(authority_pem().as_bytes());
        builder
    }

    /// `before`: the scheme, and whom to be.
    fn builder(&self, before: &str) -> BucketBuilder {
        self.direct().proxy(&format!("{before}{}", self.proxy.address()))
    }

    fn bucket(&self, before: &str) -> Bucket {
        self.builder(before).build().unwrap()
    }

    fn port(&self) -> u16 {
        if self.scheme == "http" { 80 } else { 443 }
    }
}

#[track_caller]
fn says(error: &Error, kind: ErrorKind, outcome: Outcome) {
    assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{error:?}");
}

/// The whole chain, and all that Debug shows.
fn told(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error} <- {} {error:?}", source.unwrap_or_default())
}

// ---- HTTP CONNECT ------------------------------------------------------------------------------------------------

#[test]
fn everything_goes_by_one_tunnel_to_the_host_that_was_meant() {
    for stage in Stage::each() {
        let bucket = stage.bucket("http://");
        let mut log = bucket.appender("log").open().unwrap();
        for _ in 0..10 {
            log.write_all(b"a line\n").unwrap();
            log.flush().unwrap();
        }
        log.finish().unwrap();
        let mut read = Vec::new();
        bucket.get_object("log").unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, b"a line\n".repeat(10));
        bucket.delete_object("log").unwrap();

        let asked = stage.proxy.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!((asked[0].how, asked[0].to.clone()), ("CONNECT", format!("{HOST}:{}", stage.port())));
        // The request's own headers are for the service.
        assert!(!asked[0].head.to_ascii_lowercase().contains("authorization"), "{}", asked[0].head);
        assert_eq!(stage.proxy.carried("POST /log?append"), stage.scheme == "http", "TLS reaches to the service");
    }
}

#[test]
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn a_certificate_is_looked_at_behind_the_proxy_too() {
    let oss = FakeOss::start().unwrap();
    let server = TlsServer::before(&oss, Shows::WrongHost);
    let stage = Stage { proxy: Proxy::start(server.address(), Does::Lead), ..Stage::https(Does::Lead) };
    let error = stage.bucket("http://").append_object("log", 0, "once").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    let text = error.to_string();
    assert!(text.contains("its certificate is for another host") && text.contains(HOST), "{text}");
    assert_eq!((server.received(), oss.requests()), (0, vec![]));
}

#[test]
fn a_lost_answer_is_settled_by_the_same_way() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::CutAnswer(30), Fault::ApplyLate] {
        for stage in Stage::each() {
            let bucket = stage.bucket("http://");
            let first = bucket.append_object("log", 0, "one").unwrap();
            stage.oss.inject(fault.clone());
            bucket.append_object("log", &first, "two").unwrap();
            stage.oss.land();
            assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), b"onetwo", "{fault:?}");
            assert!(stage.proxy.asked().len() > 1);
        }
    }
}

#[test]
fn an_early_refusal_of_a_large_body_comes_through() {
    for stage in Stage::each() {
        let bucket = stage.bucket("http://");
        (0..8).for_each(|_| stage.oss.inject(Fault::RefuseEarly));
        let error = bucket.append_object("log", 0, vec![b'x'; 32 << 20]).unwrap_err();
        says(&error, ErrorKind::Service, Outcome::NotApplied);
        assert_eq!(error.code(), Some("AccessDenied"));
        assert_eq!(stage.oss.object(BUCKET, "log"), None);
    }
}

#[test]
fn an_early_conflict_of_a_large_body_comes_through() {
    for stage in Stage::each() {
        let bucket = stage.bucket("http://");
        bucket.append_object("log", 0, "base").unwrap();
        stage.oss.inject(Fault::RefuseEarlyWith(409, "PositionNotEqualToLength"));
        let start = Checkpoint::default().advance("bas");
        let error = bucket.append_object("log", start, vec![b'x'; 32 << 20]).unwrap_err();
        says(&error, ErrorKind::Conflict(Found::Longer), Outcome::NotApplied);
        assert_eq!(error.next_position(), Some(4));
    }
}

#[test]
fn credentials_go_to_the_proxy_and_nowhere_else() {
    for stage in Stage::each() {
        // The password: "p:a/s s%"
        let builder = stage.builder("http://me:p%3Aa%2Fs%20s%25@");
        let shown = format!("{builder:?}");
        let bucket = builder.build().unwrap();
        bucket.append_object("log", 0, "once").unwrap();
        // base64 of "me:p:a/s s%"
        let asked = stage.proxy.asked();
        assert!(asked[0].head.contains("Proxy-Authorization: Basic bWU6cDphL3MgcyU=\r\n"), "{}", asked[0].head);
        for request in stage.oss.requests() {
            assert_eq!(request.header("proxy-authorization"), None);
            assert!(!String::from_utf8(request.head).unwrap().contains("bWU6"));
        }
        let shown = format!("{shown} {bucket:?}");
        assert!(!shown.contains("p%3Aa") && !shown.contains("p:a"), "{shown}");
    }
}

#[test]
fn what_a_proxy_refuses_was_not_sent_and_the_error_names_the_proxy_and_not_its_password() {
    for (status, words, transient) in [
        (407, "407 and wants another user and password", false),
        (403, "403 and does not lead there", false),
        (502, "502 and does not lead there", true),
        (503, "503 and does not lead there", true),
    ] {
        for body in ["once", ""] {
            let stage = Stage::http(Does::refuse(status));
            let bucket = stage.bucket("http://me:secret@");
            let error = bucket.append_object("log", 0, body).unwrap_err();
            says(&error, ErrorKind::Transport, Outcome::NotApplied);
            assert_eq!((error.is_transient(), error.status()), (transient, None));
            let text = error.to_string();
            let way = format!("{HOST} by way of the proxy {}", stage.proxy.address());
            assert!(text.contains(words) && text.contains(&way), "{text}");
            assert!(!told(&error).contains("secret"), "{}", told(&error));
            assert_eq!(stage.oss.requests(), []);
        }
    }
}

#[test]
fn a_proxy_that_hangs_up_or_talks_nonsense_got_nothing() {
    for words in ["", "HTTP/1.1 200 Conn", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
        let stage = Stage::http(Does::Say(words.as_bytes().to_vec()));
        let bucket = stage.bucket("http://me:secret@");
        let error = bucket.append_object("log", 0, "once").unwrap_err();
        says(&error, ErrorKind::Transport, Outcome::NotApplied);
        let text = told(&error);
        assert!(text.contains(&stage.proxy.address().to_string()) && !text.contains("secret"), "{text}");
        assert_eq!((stage.oss.requests(), stage.proxy.asked().len()), (vec![], 2));
    }
}

#[test]
fn a_proxy_that_is_not_there_is_not_gone_round() {
    let oss = FakeOss::start().unwrap();
    // Nobody listens where a connection comes from, and no other test's server is given its port.
    let keeper = TcpStream::connect(oss.endpoint().trim_start_matches("http://")).unwrap();
    let dead = keeper.local_addr().unwrap();
    // The service itself could be reached.
    let bucket = oss.builder(BUCKET).proxy(&format!("http://{dead}")).build().unwrap();
    let error = bucket.append_object("log", 0, "once").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    assert!(error.is_transient());
    assert!(error.to_string().contains(&dead.to_string()), "{error}");
    assert_eq!(oss.requests(), []);
}

#[test]
fn a_proxy_that_does_not_answer_is_waited_for_no_longer_than_connect_timeout() {
    let stage = Stage::http(Does::Hold);
    let builder = stage.builder("http://").connect_timeout(Duration::from_millis(50));
    let error = builder.build().unwrap().append_object("log", 0, "once").unwrap_err();
    says(&error, ErrorKind::Transport, Outcome::NotApplied);
    assert!(told(&error).contains("no connection within connect_timeout"), "{}", told(&error));
}

// ---- URLs --------------------------------------------------------------------------------------------------------

#[test]
fn a_url_that_is_no_proxys_is_refused_without_showing_it() {
    let stage = Stage::http(Does::Lead);
    for url in [
        "",
        "proxy",
        "proxy:3128",
        "http://",
        "http://me:secret@",
        "http://me:secret@proxy:port",
        "http://me:secret@proxy:0",
        "http://me:secret@proxy:99999",
        "http://me:secret@proxy:3128/path",
        "http://me:secret@proxy:3128?query",
        "http://me:secret@pro xy:3128",
        "http://me:secret%ff@proxy:3128",
        "https://me:secret@proxy:3128",
        "ftp://me:secret@proxy:3128",
    ] {
        let error = stage.direct().proxy(url).build().unwrap_err();
        says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
        let text = told(&error);
        assert!(text.contains("the proxy") && !text.contains("secret"), "{url}: {text}");
    }
    for url in ["http://proxy", "http://proxy/", "HTTP://proxy:3128", "http://me@proxy", "http://[::1]:3128"] {
        stage.direct().proxy(url).build().unwrap();
    }
}

// ---- the environment ---------------------------------------------------------------------------------------------

const VARIABLES: [&str; 9] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
];

/// The environment is the process's, so another process appends. What it says on the way.
fn child(oss: &FakeOss, variables: &[(&str, &str)]) -> (bool, String) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    for name in VARIABLES {
        child.env_remove(name);
    }
    child.args(["--exact", "a_child_appends", "--ignored", "--nocapture"]);
    let output = child.envs(oss.env(BUCKET)).envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), text)
}

#[test]
#[ignore = "run by another test, in an environment of its own"]
#[expect(clippy::disallowed_methods, reason = "it was given its environment for this")]
fn a_child_appends() {
    let said = |name| std::env::var(name).unwrap();
    let auth = Auth::new(said("OSS_ACCESS_KEY_ID"), said("OSS_ACCESS_KEY_SECRET"));
    let builder = Bucket::builder(auth, &said("OSS_ENDPOINT"), BUCKET).region(&said("OSS_REGION"));
    builder.proxy_from_env().build().unwrap().append_object("log", 0, "text").unwrap();
}

#[test]
fn the_environments_proxy_is_used_when_asked_for() {
    let stage = Stage::http(Does::Lead);
    let proxy = format!("http://me:secret@{}", stage.proxy.address());
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let before = stage.proxy.asked().len();
        assert!(child(&stage.oss, &[(name, &proxy)]).0);
        let asked = &stage.proxy.asked()[before..];
        assert_eq!(asked.len(), 1, "{name}");
        assert!(asked[0].head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0"));
        stage.oss.delete_object(BUCKET, "log");
    }
    assert!(child(&stage.oss, &[("HTTPS_PROXY", &proxy)]).0, "that is not for http");
    assert_eq!(stage.proxy.asked().len(), 4);
}

#[test]
fn hosts_of_no_proxy_are_reached_without_it() {
    let stage = Stage::http(Does::Lead);
    let proxy = format!("http://{}", stage.proxy.address());
    for list in ["*", "127.0.0.1", "localhost, 127.0.0.1", "127.0.0.0/8"] {
        assert!(child(&stage.oss, &[("HTTP_PROXY", &proxy), ("NO_PROXY", list)]).0);
        assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), b"text");
        stage.oss.delete_object(BUCKET, "log");
    }
    assert_eq!(stage.proxy.asked(), []);
}

#[test]
fn a_proxy_in_the_environment_that_cannot_be_used_is_told_by_build_and_not_gone_round() {
    let stage = Stage::http(Does::Lead);
    let mut wrong = vec!["http://me:secret@proxy:port", "https://me:secret@proxy:1"];
    if !cfg!(feature = "socks") {
        wrong.push("socks5://me:secret@127.0.0.1:1080");
    }
    for url in wrong {
        for name in ["HTTP_PROXY", "ALL_PROXY"] {
            let (success, text) = child(&stage.oss, &[(name, url)]);
            assert!(!success && text.contains(&format!("{name} ")), "{text}");
            assert_eq!(text.contains("the feature `socks`"), url.starts_with("socks"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
    assert_eq!(stage.oss.requests(), []);
}

// ---- SOCKS -------------------------------------------------------------------------------------------------------

#[test]
#[cfg(not(feature = "socks"))]
fn socks_without_the_feature_is_refused_naming_the_feature() {
    let stage = Stage::http(Does::Lead);
    for scheme in ["socks", "socks4", "socks4a", "socks5", "socks5h"] {
        let error = stage.builder(&format!("{scheme}://")).build().unwrap_err();
        says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
        assert!(error.to_string().contains("switch on the feature `socks`"), "{error}");
    }
}

#[cfg(feature = "socks")]
mod socks {
    use super::*;

    #[test]
    fn the_proxy_is_asked_for_the_name_and_everything_goes_by_one_tunnel() {
        for (scheme, how) in [("socks5h", "SOCKS5"), ("socks4a", "SOCKS4")] {
            for stage in Stage::each() {
                let bucket = stage.bucket(&format!("{scheme}://"));
                let first = bucket.append_object("log", 0, "one").unwrap();
                bucket.append_object("log", &first, "two").unwrap();
                assert_eq!(stage.oss.object(BUCKET, "log").unwrap(), b"onetwo");
                let asked = stage.proxy.asked();
                assert_eq!(asked.len(), 1, "{asked:?}");
                assert_eq!((asked[0].how, asked[0].to.clone()), (how, format!("{HOST}:{}", stage.port())));
                assert_eq!(stage.proxy.carried("POST /log?append"), stage.scheme == "http");
            }
        }
    }

    #[test]
    fn the_address_is_looked_up_here_where_the_scheme_says_so() {
        for (scheme, how) in [("socks", "SOCKS5"), ("socks5", "SOCKS5"), ("socks4", "SOCKS4")] {
            let oss = FakeOss::start().unwrap();
            let proxy = Proxy::start(address(&oss), Does::Lead);
            let bucket = oss.builder(BUCKET).proxy(&format!("{scheme}://{}", proxy.address())).build().unwrap();
            bucket.append_object("log", 0, "once").unwrap();
            let asked = proxy.asked();
            assert_eq!((asked[0].how, asked[0].to.clone()), (how, address(&oss).to_string()));
        }
        // A name that nobody here knows gets no further.
        let stage = Stage::http(Does::Lead);
        let builder = Bucket::builder(Auth::anonymous(), "http://oss.invalid", BUCKET).attempts(1);
        let bucket = builder.proxy(&format!("socks5://{}", stage.proxy.address())).build().unwrap();
        says(&bucket.append_object("log", 0, "once").unwrap_err(), ErrorKind::Transport, Outcome::NotApplied);
        assert_eq!(stage.proxy.asked(), []);
    }

    #[test]
    fn a_password_is_for_the_proxy_and_for_version_5() {
        let stage = Stage::http(Does::Lead);
        let bucket = stage.bucket("socks5h://me:p%3As@");
        bucket.append_object("log", 0, "once").unwrap();
        assert_eq!(stage.proxy.asked()[0].credentials.as_deref(), Some("me:p:s"));
        assert!(!stage.proxy.carried("p:s") && !format!("{bucket:?}").contains("p%3As"));
        for scheme in ["socks4", "socks4a"] {
            let error = stage.builder(&format!("{scheme}://me:secret@")).build().unwrap_err();
            says(&error, ErrorKind::InvalidInput, Outcome::NotApplied);
            assert!(error.to_string().contains("no passwords") && !told(&error).contains("secret"));
        }
    }

    #[test]
    fn what_a_proxy_refuses_was_not_sent() {
        for (scheme, words) in [
            ("socks5h", &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0][..]), // not allowed by its rules
            ("socks5h", &[5, 1, 0, 1, 0, 0, 0, 0, 0, 0]),
            ("socks4a", &[0, 91, 0, 0, 0, 0, 0, 0]),
            ("socks5h", b""),
            ("socks4a", b""),
            ("socks5h", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ] {
            let stage = Stage::http(Does::Say(words.to_vec()));
            let error = stage.bucket(&format!("{scheme}://")).append_object("log", 0, "once").unwrap_err();
            says(&error, ErrorKind::Transport, Outcome::NotApplied);
            assert!(error.to_string().contains(&stage.proxy.address().to_string()), "{error}");
            assert_eq!((stage.oss.requests(), stage.proxy.asked().len()), (vec![], 2));
        }
    }

    #[test]
    fn a_proxy_that_does_not_answer_is_waited_for_no_longer_than_connect_timeout() {
        let stage = Stage::http(Does::Hold);
        let builder = stage.builder("socks5h://").connect_timeout(Duration::from_millis(50));
        let error = builder.build().unwrap().append_object("log", 0, "once").unwrap_err();
        says(&error, ErrorKind::Transport, Outcome::NotApplied);
        assert_eq!(stage.oss.requests(), []);
    }

    #[test]
    fn an_early_refusal_of_a_large_body_comes_through() {
        for stage in Stage::each() {
            let bucket = stage.bucket("socks5h://");
            (0..8).for_each(|_| stage.oss.inject(Fault::RefuseEarly));
            let error = bucket.append_object("log", 0, vec![b'x'; 32 << 20]).unwrap_err();
            says(&error, ErrorKind::Service, Outcome::NotApplied);
            assert_eq!(error.code(), Some("AccessDenied"));
        }
    }

    #[test]
    fn the_environment_may_name_one() {
        let stage = Stage::http(Does::Lead);
        assert!(child(&stage.oss, &[("ALL_PROXY", &format!("socks5://{}", stage.proxy.address()))]).0);
        assert_eq!(stage.proxy.asked()[0].how, "SOCKS5");
    }
}
