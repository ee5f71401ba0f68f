//! Credentials that come from somewhere: metadata, OIDC, processes and URIs, asked of stand-ins on this machine that answer
//! well, badly, late or not at all; and nothing secret is ever printed.

#![cfg(feature = "credentials")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    Auth, BoxError, Bucket, Credentials, CredentialsProvider, ErrorKind,
    credentials::{EcsRamRole, OidcRole, Process, Uri},
    testing::FakeOss,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

const FOREVER: &str = "2999-01-01T00:00:00Z";
/// For what will not come.
const SOON: Duration = Duration::from_millis(50);

// ---- a stand-in ----------------------------------------------------------------------------------------------------

/// One request, as it came.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    head: String,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Status and body, or silence.
type Reply = Option<(u16, String)>;

fn ok(body: impl Into<String>) -> Reply {
    Some((200, body.into()))
}

struct Desk {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Desk {
    fn open(answer: impl Fn(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, closing) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, over) = (Arc::clone(&asked), Arc::clone(&closing));
        let thread = thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                if over.load(SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else { continue };
                seen.lock().unwrap().push(request.clone());
                match answer(&request) {
                    Some((status, body)) => {
                        let length = body.len();
                        let head =
                            format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                        let _ = stream.write_all((head + &body).as_bytes());
                    }
                    None => silent.push(stream),
                }
            }
        });
        Self { address, asked, closing, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.line.replace(" HTTP/1.1", "")).collect()
    }

    fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.closing.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    let mut asked = Asked { line, head, body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

fn keys(id: &str) -> String {
    format!(
        r#"{{"Code": "Success", "AccessKeyId": "{id}", "AccessKeySecret": "hidden-secret",
            "SecurityToken": "hidden-token", "Expiration": "{FOREVER}", "LastUpdated": "2025-04-10T10:00:57Z"}}"#
    )
}

// ---- what is said --------------------------------------------------------------------------------------------------

#[track_caller]
fn gives(provider: &impl CredentialsProvider, id: &str) -> Credentials {
    let credentials = provider.credentials().unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(format!("{credentials:?}").contains(&format!("{id:?}")), "{credentials:?}");
    credentials
}

/// The whole chain of causes. Secrets are in none of it, however it is printed.
#[track_caller]
fn told(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(" <- {cause}");
        next = cause.source();
    }
    assert!(!format!("{text} {error:?} {error:#?}").contains("hidden"), "{text} {error:?}");
    text
}

#[track_caller]
fn refused(provider: &impl CredentialsProvider, says: &str) -> String {
    let text = told(&provider.credentials().map(drop).unwrap_err());
    assert!(text.contains(says), "{says:?} should be in {text:?}");
    text
}

// ---- instance metadata ---------------------------------------------------------------------------------------------

const LIST: &str = "GET /latest/meta-data/ram/security-credentials/";

/// A metadata service: with tokens or without, and what it gives for the role.
fn metadata(tokens: bool, needs_token: bool, document: impl Fn() -> Reply + Send + 'static) -> Desk {
    Desk::open(move |asked| {
        let token = asked.header("x-aliyun-ecs-metadata-token") == Some("t0k3n");
        match &asked.line[..asked.line.rfind(' ').unwrap()] {
            "PUT /latest/api/token" if tokens => {
                assert_eq!(asked.header("x-aliyun-ecs-metadata-token-ttl-seconds"), Some("21600"));
                ok("t0k3n")
            }
            "PUT /latest/api/token" => Some((404, "hidden".into())),
            _ if needs_token && !token => Some((403, "hidden".into())),
            LIST => ok("role-1\n"),
            "GET /latest/meta-data/ram/security-credentials/role-1" => document(),
            _ => Some((404, "hidden".into())),
        }
    })
}

fn role(desk: &Desk) -> EcsRamRole {
    EcsRamRole::new().endpoint(&desk.url()).timeout(SOON * 20)
}

#[test]
fn the_instance_gives_the_keys_of_its_role() {
    let desk = metadata(true, true, || ok(keys("STS.1")));
    let provider = role(&desk);
    gives(&provider, "STS.1");
    gives(&provider, "STS.1");
    assert_eq!(desk.lines(), ["PUT /latest/api/token", LIST, &format!("{LIST}role-1")], "once");
    assert!(!format!("{provider:?}").contains("hidden"));

    let desk = metadata(true, true, || ok(keys("STS.1")));
    gives(&role(&desk).role_name("role-1").hardened(true), "STS.1");
    assert_eq!(desk.lines(), ["PUT /latest/api/token", &format!("{LIST}role-1")], "not asked for its name");
}

#[test]
fn without_tokens_it_is_asked_all_the_same_unless_that_is_ruled_out() {
    let desk = metadata(false, false, || ok(keys("STS.1")));
    gives(&role(&desk), "STS.1");
    assert_eq!(desk.last().header("x-aliyun-ecs-metadata-token"), None);
    let asked = desk.lines().len();
    refused(&role(&desk).hardened(true), "the metadata service answers with status 404");
    assert_eq!(desk.lines().len(), asked + 1, "no question without a token");
    refused(&role(&metadata(false, true, || None)), "the metadata service answers with status 403");

    // A token that does not come: dropped on its way into a container.
    let silent = Desk::open(|asked| match asked.line.starts_with("PUT") {
        true => None,
        false => ok(keys("STS.1")),
    });
    gives(&role(&silent).role_name("role-1").timeout(SOON), "STS.1");
    refused(&role(&silent).role_name("role-1").timeout(SOON).hardened(true), "no whole answer came");
    let nothing = Desk::open(|_| ok(" \n"));
    refused(&role(&nothing).hardened(true), "gives no usable token");
}

#[test]
fn what_the_metadata_service_gives_instead_is_named() {
    let document = |text: &'static str| metadata(true, true, move || ok(text));
    for (text, says) in [
        ("", "the metadata service's document: it is no JSON"),
        ("<html>hidden</html>", "the metadata service's document: it is no JSON (line 1, column 1)"),
        ("[]", "it is JSON, but no object"),
        ("{}", "Code is missing"),
        (r#"{"Code":"Failed","AccessKeyId":"hidden"}"#, "says \"Failed\", not Success"),
        (r#"{"Code":"Success"}"#, "AccessKeyId (or access_key_id) is missing or empty"),
        (r#"{"Code":"Success","AccessKeyId":"hidden","AccessKeySecret":"hidden"}"#, "SecurityToken"),
        (
            r#"{"Code":"Success","AccessKeyId":"hidden","AccessKeySecret":"hidden","SecurityToken":"hidden"}"#,
            "Expiration (or expiration) is missing or empty",
        ),
        (
            r#"{"Code":"Success","AccessKeyId":"a","AccessKeySecret":"b","SecurityToken":"c","Expiration":"hidden"}"#,
            "Expiration is no time",
        ),
    ] {
        let desk = document(text);
        refused(&role(&desk), says);
        assert_eq!(desk.lines().len(), 3, "asking again would not help: {says}");
    }
    let long = metadata(true, true, || ok(format!("{{\"Code\": \"{}\"}}", "x".repeat(70_000))));
    refused(&role(&long), "no whole answer came");

    refused(&role(&Desk::open(|_| Some((404, String::new())))), "the instance has no RAM role");
    refused(&role(&Desk::open(|_| ok("<html>\nhidden"))), "gives no name of a RAM role");
    refused(&role(&document("")).role_name("other"), "the instance does not have the RAM role \"other\"");
    for name in ["", "a/b", "..%2f", "a b", "a?b"] {
        let desk = document("");
        refused(&role(&desk).role_name(name), "cannot be the name of a RAM role");
        assert!(desk.lines().is_empty());
    }
    for url in ["", "100.100.100.200", "ftp://x", "http://", "http://me:hidden@x", "http://x y"] {
        refused(&EcsRamRole::new().endpoint(url), "the address of a credentials service");
    }
}

#[test]
fn a_service_that_is_not_there_or_silent_or_busy_is_asked_a_few_times() {
    let silent = Desk::open(|_| None);
    refused(&role(&silent).role_name("role-1").timeout(SOON), "no whole answer came from 127.0.0.1");
    assert_eq!(silent.lines().len(), 6, "three times, with and without a token");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let nobody = format!("http://{}", stream.local_addr().unwrap());
    refused(&EcsRamRole::new().endpoint(&nobody), "was not sent");

    let busy = AtomicUsize::new(0);
    let desk = metadata(true, true, move || match busy.fetch_add(1, SeqCst) {
        0 | 1 => Some((503, "hidden".into())),
        _ => ok(keys("STS.1")),
    });
    gives(&role(&desk), "STS.1");
    let desk = metadata(true, true, || Some((503, "hidden".into())));
    refused(&role(&desk), "the metadata service answers with status 503");
    assert_eq!(desk.lines().len(), 9);
}

// ---- OIDC ----------------------------------------------------------------------------------------------------------

const SUBJECT: &str = "hidden-eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL29pZGMifQ.c2lnbmF0dXJl";

struct Pod {
    desk: Desk,
    token: tempfile::NamedTempFile,
}

impl Pod {
    fn new(answer: impl Fn(&Asked) -> Reply + Send + 'static) -> Self {
        let pod = Self { desk: Desk::open(answer), token: tempfile::NamedTempFile::new().unwrap() };
        pod.set_token(&format!("{SUBJECT}\n"));
        pod
    }

    fn set_token(&self, token: &str) {
        std::fs::write(self.token.path(), token).unwrap();
    }

    fn role(&self) -> OidcRole {
        let role = OidcRole::new("acs:ram::1:role/r", "acs:ram::1:oidc-provider/p", self.token.path());
        role.endpoint(&self.desk.url())
    }
}

fn sts(id: &str) -> Reply {
    ok(format!(r#"{{"RequestId":"R","AssumedRoleUser":{{}},"Credentials":{}}}"#, keys(id)))
}

#[test]
fn a_token_in_a_file_is_exchanged_for_a_roles_keys() {
    let pod = Pod::new(|_| sts("STS.1"));
    let provider = pod.role();
    gives(&provider, "STS.1");
    let asked = pod.desk.last();
    let (path, query) = asked.line.split_once('?').unwrap();
    assert_eq!(path, "POST /");
    for part in ["Action=AssumeRoleWithOIDC", "Version=2015-04-01", "Format=JSON", "Timestamp=20"] {
        assert!(query.split(['&', ' ']).any(|said| said.starts_with(part)), "{part} in {query}");
    }
    assert!(!asked.line.contains("hidden"), "the token is in the body");
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.header("authorization"), None);
    let form = |text: &str| text.replace("RoleArn=acs", "").replace(':', "%3A").replace('/', "%2F");
    assert_eq!(
        asked.body,
        format!(
            "RoleArn={}&OIDCProviderArn={}&OIDCToken={SUBJECT}&RoleSessionName=oss-append&DurationSeconds=3600",
            form("acs:ram::1:role/r"),
            form("acs:ram::1:oidc-provider/p")
        )
    );
    // The pod's token is replaced while it runs.
    pod.set_token("another-token");
    let refused = gives(&provider, "STS.1");
    provider.refresh(&refused).unwrap();
    assert!(pod.desk.last().body.contains("OIDCToken=another-token&"));
    assert!(!format!("{provider:?}").contains("hidden"));

    let asking = pod.role().session_name("log writer").duration(Duration::from_secs(900)).policy(r#"{"Version":"1"}"#);
    gives(&asking, "STS.1");
    let said = "RoleSessionName=log%20writer&DurationSeconds=900&Policy=%7B%22Version%22%3A%221%22%7D";
    assert!(pod.desk.last().body.ends_with(said), "{}", pod.desk.last().body);
}

#[test]
fn what_sts_says_instead_is_told_without_the_token() {
    let pod = Pod::new(|_| {
        let message = format!("This JWT {SUBJECT} has expired\u{7}");
        let error = r#"{"RequestId":"5D0F","Code":"AuthenticationFail.OIDCToken.Expired","Message":"MESSAGE"}"#;
        Some((400, error.replace("MESSAGE", &message.replace('\u{7}', "\\u0007"))))
    });
    let says =
        "STS answers with status 400, AuthenticationFail.OIDCToken.Expired, request id 5D0F: This JWT ... has expired";
    refused(&pod.role(), says);
    assert_eq!(pod.desk.lines().len(), 1);
    for (body, says) in [
        ("", "STS's document: it is no JSON"),
        ("{}", "STS's document: Credentials is missing"),
        (r#"{"Credentials":"hidden"}"#, "STS's document: Credentials is no object"),
        (r#"{"Credentials":{"AccessKeyId":"hidden"}}"#, "STS's document: AccessKeySecret"),
    ] {
        refused(&Pod::new(move |_| ok(body)).role(), says);
    }
    refused(&Pod::new(|_| Some((403, "<hidden>".into()))).role(), "STS answers with status 403");
    let busy = Pod::new(|_| Some((500, String::new())));
    refused(&busy.role(), "STS answers with status 500");
    assert_eq!(busy.desk.lines().len(), 3);
    refused(&Pod::new(|_| None).role().timeout(SOON), "no whole answer came");
}

#[test]
fn a_token_file_that_is_none_is_named_before_anything_is_sent() {
    let pod = Pod::new(|_| None);
    let path = pod.token.path().display().to_string();
    for (text, says) in [(" \n".to_owned(), "the file is empty"), ("hidden".repeat(20_000), "the file is too long")] {
        pod.set_token(&text);
        assert!(refused(&pod.role(), says).contains(&path));
    }
    std::fs::remove_file(pod.token.path()).unwrap();
    refused(&pod.role(), &format!("the OIDC token cannot be read from {path}"));
    refused(&pod.role().duration(Duration::from_secs(899)), "lives shorter than 15 minutes");
    refused(&pod.role().endpoint("http://"), "the address of a credentials service");
    assert!(pod.desk.lines().is_empty());
}

// ---- URI -----------------------------------------------------------------------------------------------------------

#[test]
fn a_uri_gives_keys() {
    let desk = Desk::open(|_| ok(keys("STS.1")));
    for (path, line) in [("", "GET /"), ("/", "GET /"), ("/keys?for=hidden", "GET /keys?for=hidden"), ("?a", "GET /?a")]
    {
        let provider = Uri::new(&format!("{}{path}", desk.url()));
        gives(&provider, "STS.1");
        assert_eq!(desk.lines().last().unwrap(), line);
        assert!(!format!("{provider:?}").contains("hidden"));
    }
    for (answer, says) in [
        (Some((404, "hidden".to_owned())), "the credentials URI answers with status 404"),
        (ok("hidden"), "the credentials URI's document: it is no JSON"),
        (ok(r#"{"AccessKeyId":"hidden","AccessKeySecret":"hidden"}"#), "SecurityToken (or sts_token) is missing"),
        (None, "no whole answer came"),
    ] {
        let desk = Desk::open(move |_| answer.clone());
        refused(&Uri::new(&format!("{}/hidden", desk.url())).timeout(SOON), says);
    }
    for uri in ["", "hidden", "file:///hidden", "http://me:hidden@127.0.0.1/", "http://x/\nhidden", "http://x/#hidden"]
    {
        refused(&Uri::new(uri), "the ");
    }
}

// ---- processes -----------------------------------------------------------------------------------------------------

#[cfg(unix)]
mod process {
    use super::*;

    #[test]
    fn a_command_prints_keys_in_either_spelling() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), keys("id 1")).unwrap();
        gives(&Process::new(&format!("cat \"{}\"", file.path().display())), "id 1");
        let cli = r#"echo '{"mode":"AK","access_key_id":"id-2",'; echo '"access_key_secret":"hidden"}'"#;
        gives(&Process::new(cli), "id-2");
        let chatty = format!("echo 'hidden from nobody' >&2; cat; {cli}");
        gives(&Process::new(&chatty), "id-2");
    }

    #[test]
    fn it_runs_once_until_its_keys_are_refused() {
        let count = tempfile::NamedTempFile::new().unwrap();
        let path = count.path().display();
        let command = format!(
            r#"echo x >> "{path}"; n=$(wc -l < "{path}"); echo "{{\"AccessKeyId\":\"id-$((n))\",\"AccessKeySecret\":\"s\"}}""#
        );
        let provider = Process::new(&command);
        gives(&provider, "id-1");
        let held = gives(&provider, "id-1");
        assert!(format!("{:?}", provider.refresh(&held).unwrap()).contains("id-2"));
        gives(&provider, "id-2");
    }

    #[test]
    fn one_that_fails_is_told_with_its_stderr_and_never_with_its_stdout() {
        for (command, says) in [
            ("echo hidden; echo 'no such  vault' >&2; exit 3", "failed (exit status: 3): no such  vault"),
            ("kill -9 $$ # hidden", "signal: 9"),
            ("exit 1", "the credentials process failed (exit status: 1)"),
            ("true", "what the credentials process writes: it is no JSON"),
            ("echo hidden", "what the credentials process writes: it is no JSON"),
            ("echo '{\"AccessKeyId\": \"hidden\"}'", "AccessKeySecret (or access_key_secret) is missing"),
            ("yes hidden", "the credentials process"),
            (" ", "the command of the credentials process is empty"),
        ] {
            let provider = Process::new(command);
            refused(&provider, says);
            assert!(!format!("{provider:?}").contains("hidden"));
        }
        refused(&Process::new("true").timeout(Duration::ZERO), "at most 600 s");
        refused(&Process::new("true").timeout(Duration::from_secs(601)), "at most 600 s");
        let long = refused(&Process::new("yes word | head -c 100000 >&2; exit 1"), "word word word");
        assert!(long.len() < 2000);
    }

    #[test]
    fn one_that_hangs_is_ended_with_all_that_it_started() {
        for command in [
            // What it started keeps stderr open: its text is only there because that was ended, too.
            "sleep 1000 & echo 'locked' >&2; wait",
            // Streams that are closed are no end.
            "echo 'locked' >&2; exec sleep 1000 >&- 2>&-",
        ] {
            refused(
                &Process::new(command).timeout(Duration::from_secs(1)),
                "did not end within 1s, and was ended: locked",
            );
        }
    }
}

// ---- in a bucket ---------------------------------------------------------------------------------------------------

#[test]
fn an_appender_takes_the_next_keys_of_the_instance_when_the_service_refuses_the_first() {
    let oss = FakeOss::start().unwrap();
    oss.create_bucket("bucket");
    for n in 0..20 {
        oss.add_key(&format!("STS.{n}"), "hidden-secret");
    }
    oss.remove_key("STS.0");
    let given = Arc::new(AtomicUsize::new(0));
    let next = Arc::clone(&given);
    let desk = metadata(true, true, move || ok(keys(&format!("STS.{}", next.fetch_add(1, SeqCst)))));
    let builder = Bucket::builder(Auth::provider(role(&desk)), &oss.endpoint(), "bucket").region(oss.region());
    let bucket = builder.backoff(Duration::ZERO, Duration::ZERO).build().unwrap();
    assert!(desk.lines().is_empty(), "building asks nobody");
    let mut log = bucket.appender("k").open().unwrap();
    for n in 1..10 {
        writeln!(log, "{n}").unwrap();
        log.confirm().unwrap();
        oss.remove_key(&format!("STS.{n}"));
    }
    assert_eq!(oss.object("bucket", "k").unwrap(), b"1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_eq!(given.load(SeqCst), 10);

    // The metadata service goes away, and the last keys are refused: the service's word is told.
    drop(desk);
    writeln!(log, "lost").unwrap();
    let error = log.confirm().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("InvalidAccessKeyId")));
}

#[test]
fn a_source_that_fails_is_the_source_of_the_calls_error() {
    let oss = FakeOss::start().unwrap();
    let desk = Desk::open(|_| Some((404, String::new())));
    let auth = Auth::provider(Arc::new(role(&desk)));
    let bucket = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).build().unwrap();
    let error = bucket.append_object("k", 0, "x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let text = told(&BoxError::from(error));
    assert!(text.contains("the credentials provider failed <- no credentials could be fetched <- the instance has no"));
    assert_eq!(oss.requests(), []);
    fn shared<T: Send + Sync + 'static>() {}
    shared::<EcsRamRole>();
    shared::<OidcRole>();
    shared::<Process>();
    shared::<Uri>();
}

// ---- the environment -----------------------------------------------------------------------------------------------

/// Run by the test below in a process of its own, which has the environment to itself.
#[test]
#[ignore = "only means something with the environment that its caller makes"]
fn helper_for_the_environment() {
    let chain = Auth::default_chain().map_err(|error| error.to_string());
    let [env, ossutil] = [Auth::from_env(), Auth::from_ossutil()].map(|auth| auth.map_err(|error| error.to_string()));
    let [oidc, uri] = [OidcRole::from_env().map(drop), Uri::from_env().map(drop)].map(|made| made.is_ok());
    println!("[[env {env:?}\nossutil {ossutil:?}\nchain {chain:?}\noidc {oidc}\nuri {uri}");
    println!("role {:?}]]", EcsRamRole::from_env().map_err(|error| error.to_string()));
}

fn in_environment(variables: &[(&str, &str)]) -> String {
    let mut helper = std::process::Command::new(std::env::current_exe().unwrap());
    helper.args(["--exact", "--ignored", "--nocapture", "helper_for_the_environment"]).env_clear();
    let output = helper.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("hidden"), "{text}");
    text.split_once("[[").unwrap().1.split_once("]]").unwrap().0.to_owned()
}

#[test]
fn the_environment_is_read_where_the_docs_say() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("named");
    std::fs::write(home.path().join(".ossutilconfig"), "[default]\naccesskeyid=at-home\naccesskeysecret=hidden\n")
        .unwrap();
    std::fs::write(&file, "[profile dev]\naccesskeyid=named-dev\naccesskeysecret=hidden\n").unwrap();
    let at_home = [("HOME", home.path().to_str().unwrap()), ("USERPROFILE", home.path().to_str().unwrap())];
    let named = [("OSSUTIL_CONFIG_FILE", file.to_str().unwrap()), ("OSSUTIL_PROFILE", "Dev")];
    let cloud = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "cloud"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hidden"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "hidden"),
    ];
    let oidc = [
        ("ALIBABA_CLOUD_ROLE_ARN", "role"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/nowhere"),
    ];
    let ecs = [("ALIBABA_CLOUD_ECS_METADATA", "log-writer"), ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://hidden")];
    let disabled = [("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")];
    for (variables, says) in [
        (&[][..], &["env Err", "ossutil Err", "chain Ok(Auth(provider))", "oidc false", "uri false", "role Ok"][..]),
        (&disabled, &["chain Err", "ALIBABA_CLOUD_ECS_METADATA_DISABLED is true", "role Err"]),
        (
            &ecs,
            &["chain Ok(Auth(provider))", "uri true", r#"role Ok(EcsRamRole { role_name: Some("log-writer"), .. })"#],
        ),
        (&oidc, &["chain Ok(Auth(provider))", "oidc true", "env Err"]),
        (&cloud, &[r#"env Ok(Auth(Credentials { id: "cloud", .. }))"#, r#"chain Ok(Auth(Credentials { id: "cloud""#]),
        (
            &at_home,
            &[
                "env Err",
                r#"ossutil Ok(Auth(Credentials { id: "at-home""#,
                r#"chain Ok(Auth(Credentials { id: "at-home""#,
            ],
        ),
        (
            &[at_home, named].concat(),
            &[r#"ossutil Ok(Auth(Credentials { id: "named-dev""#, r#"id: "named-dev", .. }))"#],
        ),
    ] {
        let said = in_environment(variables);
        for words in says {
            assert!(said.contains(words), "{words:?} should be in {said}");
        }
    }
}
