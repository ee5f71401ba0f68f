//! Nothing secret is ever printed: no key, token, signature, password or byte of a body, by any type, error or event.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{
    AppendOptions, Auth, Body, Bucket, BucketBuilder, Checkpoint, Credentials, Error, OnConflict, Position,
    testing::{FakeOss, Fault},
};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt::{Debug, Display},
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

const SECRET: &str = "MARK-secret-key";
const OLD_SECRET: &str = "MARK-secret-key-before";
const TOKEN: &str = "MARK-security-token";
const PASSWORD: &str = "MARK-proxy-password";
/// What objects hold and their metadata say.
const BYTES: &str = "MARK-bytes-of-a-body\n";

/// Every text there was, once, to be searched at the end.
#[derive(Clone, Default)]
struct Texts(Arc<Mutex<BTreeSet<String>>>);

impl Texts {
    fn debug(&self, value: &dyn Debug) {
        self.0.lock().unwrap().insert(format!("{value:?}\n{value:#?}"));
    }

    fn display(&self, value: &dyn Display) {
        self.0.lock().unwrap().insert(format!("{value}\n{value:#}"));
    }

    /// With everything it leads to, and as it looks inside others' errors.
    fn error(&self, error: &Error) {
        let mut next: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = next {
            self.debug(&error);
            self.display(&error);
            next = error.source();
        }
        let io = std::io::Error::from(error.clone());
        self.debug(&io);
        self.display(&io);
        let any = anyhow::Error::from(error.clone()).context("above");
        self.debug(&any);
        self.display(&any);
    }

    fn result<T: Debug>(&self, result: Result<T, Error>) {
        match result {
            Ok(value) => self.debug(&value),
            Err(error) => self.error(&error),
        }
    }

    fn panic<T>(&self, call: impl FnOnce() -> T) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(call)) else { panic!("the callback did not panic") };
        let words =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|&text| text.into()));
        self.display(&words.expect("a panic has a text"));
    }

    #[track_caller]
    fn hide(&self, what: &str) {
        let hex: String = what.bytes().map(|byte| format!("{byte:02x}")).collect();
        let (list, lines) = (format!("{:?}", what.as_bytes()), format!("{:#?}", what.as_bytes()));
        let [list, lines] = [&list, &lines].map(|list| list.trim_matches(['[', ']', '\n', ' ', ',']));
        for text in self.0.lock().unwrap().iter() {
            for written in [what, &hex, list, lines] {
                assert!(!text.contains(written), "{what} is in:\n{text}");
            }
        }
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Signs as three kinds of programs do. Keys that were rotated away are told apart by their id.
fn auths() -> [Auth; 3] {
    let stale = Mutex::new(false);
    let provider = Auth::provider(move || {
        let mut stale = stale.lock().unwrap();
        *stale = !*stale;
        let (id, secret) = if *stale { ("id-before", OLD_SECRET) } else { ("id", SECRET) };
        Ok(Credentials::new(id, secret).with_token(TOKEN))
    });
    [Auth::new("id", SECRET), Auth::sts("id", SECRET, TOKEN), provider]
}

fn start() -> FakeOss {
    let oss = FakeOss::start().unwrap();
    oss.create_bucket("bucket");
    oss.add_key("id", SECRET);
    oss
}

fn builder(oss: &FakeOss, auth: Auth, texts: &Texts) -> BucketBuilder {
    let seen = texts.clone();
    let proxy = oss.endpoint().replace("http://", &format!("http://me:{PASSWORD}@"));
    let builder = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).proxy(&proxy);
    builder.idle_timeout(Duration::from_secs(2)).backoff(Duration::ZERO, Duration::from_millis(1)).on_event(
        move |event| {
            seen.debug(event);
            seen.display(event);
            // Each field as a program would take it out.
            seen.debug(&[*event]);
        },
    )
}

/// All kinds of trouble, each with what was seen on the way.
fn faults() -> Vec<Fault> {
    vec![
        Fault::Pass,
        Fault::LoseRequest,
        Fault::LoseAnswer,
        Fault::CutRequest(300),
        Fault::CutAnswer(30),
        Fault::Garbage,
        Fault::Reset,
        Fault::RefuseEarly,
        Fault::Refuse(403, "AccessDenied"),
        Fault::Refuse(403, "SecurityTokenExpired"),
        Fault::Refuse(403, "SignatureDoesNotMatch"),
        Fault::Refuse(403, "RequestTimeTooSkewed"),
        Fault::Refuse(400, "InvalidDigest"),
        Fault::Refuse(503, "SlowDown").and(Fault::WithHeader("Retry-After", "1")),
        Fault::FailAfter(500, "InternalError"),
        Fault::Page(502),
        Fault::PageAfter(200),
        Fault::WrongNext,
        Fault::NoCrc,
        Fault::WrongCrc,
        Fault::Damage,
        Fault::Duplicate,
        Fault::LoseAnswer.and(Fault::StrangerAfter(BYTES.into())),
        Fault::StrangerBefore(BYTES.into()),
    ]
}

#[test]
fn no_type_no_error_and_no_event_shows_a_secret() {
    let oss = start();
    let texts = Texts::default();
    let path = std::env::temp_dir().join(format!("oss-append-secrets-{}", std::process::id()));
    std::fs::write(&path, BYTES).unwrap();
    texts.debug(&Credentials::new("id", SECRET).with_token(TOKEN));
    for auth in auths() {
        texts.debug(&auth);
        texts.debug(&builder(&oss, auth.clone(), &texts));
        let bucket = builder(&oss, auth, &texts).build().unwrap();
        texts.debug(&bucket);
        let headers = || AppendOptions::new().meta("mark", BYTES.trim()).header("x-oss-object-acl", "private");
        let seen = texts.clone();
        let options = headers().progress(move |progress| seen.debug(&progress));
        texts.debug(&options);
        for body in [Body::from(BYTES), Body::from(BYTES.to_owned()), Body::from_reader(BYTES.as_bytes())] {
            texts.debug(&body);
        }
        for fault in faults() {
            // Nobody else's place, whatever became of the fault before.
            oss.delete_object("bucket", "log");
            oss.inject(fault.clone());
            let first = bucket.append_object_with("log", 0, BYTES, &options);
            if let Ok(first) = &first {
                texts.debug(&Position::from(first));
            }
            texts.result(first);
            oss.inject(fault.clone());
            texts.result(bucket.append_object("other", 7, Body::from_reader(BYTES.as_bytes())));

            oss.delete_object("bucket", "log");
            let appender = bucket.appender("log").options(options.clone()).on_conflict(OnConflict::Rebase);
            let seen = texts.clone();
            let appender = appender.roll_over(30, move |rolled| {
                seen.debug(rolled);
                "log-2".to_owned()
            });
            texts.debug(&appender);
            let mut appender = appender.open().unwrap();
            oss.inject(fault.clone());
            for _ in 0..2 {
                if let Err(error) = appender.write_all(BYTES.as_bytes()).and_then(|()| appender.flush()) {
                    texts.debug(&error);
                    texts.error(Error::find(&error).unwrap());
                }
                texts.debug(&appender);
            }
            match appender.finish() {
                Ok(end) => texts.debug(&end),
                Err(failed) => {
                    texts.debug(&failed);
                    texts.display(&failed);
                    texts.error(failed.error());
                    let mut appender = failed.into_appender();
                    texts.result(appender.resync());
                    texts.debug(&appender);
                }
            }

            oss.delete_object("bucket", "log");
            oss.inject(fault);
            texts.result(bucket.resumable_append_with("log", &path, &options));
            let mut appender = bucket.appender("log-2").resume(Checkpoint::default()).unwrap();
            appender.write_all(BYTES.as_bytes()).unwrap();
            oss.inject(Fault::Refuse(403, "AccessDenied"));
            drop(appender);
        }
        for method in ["HEAD", "GET", "DELETE", "SEAL"] {
            for fault in [Fault::Refuse(503, "SlowDown"), Fault::Refuse(403, "InvalidSecurityToken"), Fault::Page(403)]
            {
                oss.inject_on(method, fault);
                texts.result(bucket.head_object("log"));
                texts.result(bucket.object_exists("log"));
                let mut read = Vec::new();
                let got = bucket.get_object("log").inspect(|reader| {
                    texts.debug(reader);
                    texts.debug(reader.meta());
                });
                texts.result(got.map(|mut reader| reader.read_to_end(&mut read).is_ok()));
                texts.result(bucket.seal_append_object("log", 1));
                texts.result(bucket.delete_object("log"));
            }
        }
        oss.require_token("another");
        texts.result(bucket.append_object("log", 0, BYTES));
        oss.require_token(TOKEN);
        oss.add_key("id", "rotated");
        // The fake, as the service, repeats what it was sent to say why a signature is wrong.
        texts.result(bucket.append_object("log", 0, BYTES));
        oss.add_key("id", SECRET);
        oss.go_away();
        texts.result(bucket.append_object("log", 0, BYTES));
        texts.result(bucket.head_object("log"));
        oss.come_back();
        oss.require_token(TOKEN);
    }
    std::fs::remove_file(&path).unwrap();
    assert!(texts.len() > 1000, "only {} texts", texts.len());
    for needle in ["retry 2 of", "ask about", "settled: ", "failed: ", "rolled over", "credentials refreshed: "] {
        let seen = texts.0.lock().unwrap().iter().any(|text| text.contains(needle));
        assert!(seen, "{needle} was never told");
    }
    for what in [SECRET, OLD_SECRET, TOKEN, PASSWORD, BYTES.trim(), "MARK"] {
        texts.hide(what);
    }
    let digits = |text: &str| text.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
    let sent = oss.requests();
    let signed = sent.iter().find_map(|request| request.header("authorization")).unwrap();
    assert_eq!(digits(signed), Some(64), "so long is a signature");
    texts.hide("Signature=");
    for text in texts.0.lock().unwrap().iter() {
        assert!(digits(text) < Some(64), "a signature is in:\n{text}");
    }
}

#[test]
fn what_callbacks_put_into_their_panics_shows_no_secret() {
    let oss = start();
    let texts = Texts::default();
    for auth in auths() {
        let bucket = builder(&oss, auth.clone(), &texts).build().unwrap();
        let progress = AppendOptions::new().progress(|progress| panic!("{progress:?} {progress:#?}"));
        texts.panic(|| bucket.append_object_with("log", 0, BYTES, &progress));
        let rolled = |rolled: &oss_append::Rolled| -> String { panic!("{rolled:?} {rolled:#?}") };
        let mut appender = bucket.appender("log").roll_over(1, rolled).create_new().unwrap();
        appender.write_all(BYTES.as_bytes()).unwrap();
        texts.panic(|| appender.write_all(BYTES.as_bytes()));
        drop(appender);
        let proxy = oss.endpoint().replace("http://", &format!("http://me:{PASSWORD}@"));
        let builder = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).proxy(&proxy);
        let hook = builder.on_event(|event| panic!("{event} {event:?} {event:#?}")).build().unwrap();
        for fault in [Fault::LoseAnswer, Fault::Refuse(403, "SignatureDoesNotMatch")] {
            oss.delete_object("bucket", "log");
            oss.inject(fault);
            texts.panic(|| hook.append_object("log", 0, BYTES));
        }
        let panics = Auth::provider(move || panic!("{:?}", Credentials::new("id", SECRET).with_token(TOKEN)));
        let bucket = Bucket::builder(panics, &oss.endpoint(), "bucket").region(oss.region()).build().unwrap();
        texts.panic(|| bucket.append_object("log", 0, BYTES));
        oss.delete_object("bucket", "log");
    }
    texts.hide("MARK");
}

/// What the crate `log` was told: ours nothing, the client's what the docs of [`oss_append::Event`] say.
struct Log;

type Record = (log::Level, String, String);

thread_local! {
    /// Of this test's thread alone: the client logs on that of the call.
    static LOGGED: RefCell<Vec<Record>> = const { RefCell::new(Vec::new()) };
}

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = (record.level(), record.target().to_owned(), record.args().to_string());
        LOGGED.with(|logged| logged.borrow_mut().push(line));
    }

    fn flush(&self) {}
}

#[test]
fn the_clients_own_log_shows_heads_and_bodies_at_trace_and_nothing_of_them_elsewhere() {
    log::set_logger(&Log).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let oss = start();
    oss.require_token(TOKEN);
    let bucket = Bucket::builder(Auth::sts("id", SECRET, TOKEN), &oss.endpoint(), "bucket").region(oss.region());
    let bucket = bucket.build().unwrap();
    bucket.append_object("log", 0, BYTES).unwrap();
    bucket.append_object("in pieces", 0, Body::from_reader(&b"MARK-in-pieces"[..])).unwrap();
    std::io::copy(&mut bucket.get_object("log").unwrap(), &mut std::io::sink()).unwrap();
    log::set_max_level(log::LevelFilter::Off);
    let logged = LOGGED.take();
    let client = |target: &str| target.starts_with("ureq") || target.starts_with("rustls");
    assert!(logged.iter().all(|(_, target, _)| client(target)), "{logged:#?}");
    for (level, target, line) in logged.iter().filter(|(level, ..)| *level < log::Level::Trace) {
        assert!(!line.contains("MARK"), "{level} {target}: {line}");
    }
    // Sixteen bytes a line: in hex, and as text. This is what the docs warn of.
    let dumped: String = logged
        .iter()
        .filter(|(level, ..)| *level == log::Level::Trace)
        .flat_map(|(_, _, text)| text.lines())
        .filter_map(|line| Some(line.split_once("  ")?.1.trim_start()))
        .collect();
    // Of bodies those that are read, and those sent in pieces.
    for shown in [TOKEN, "authorization:", "Signature=", "x-oss-request-id:", BYTES.trim(), "MARK-in-pieces"] {
        assert!(dumped.contains(shown), "{shown} is there no longer: mend the docs\n{dumped}");
    }
    assert!(!dumped.contains(SECRET), "{dumped}");
}
