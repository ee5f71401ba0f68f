//! A fake OSS for tests: yours as well as ours. Needs the feature `testing`.
//!
//! [`FakeOss`] is an HTTP server on loopback that behaves as the service's reference says, checks signatures, and goes
//! wrong when told to: see [`Fault`]. Nothing sleeps and nothing is random, so a test that fails once fails always.
//!
//! ```
//! use oss_append::testing::{FakeOss, Fault};
//! use std::io::Write;
//!
//! let oss = FakeOss::start()?;
//! let bucket = oss.bucket("bucket");
//!
//! oss.inject(Fault::LoseAnswer);
//! let mut log = bucket.appender("log").open()?;
//! log.write_all(b"once")?;
//! log.finish()?;
//!
//! assert_eq!(oss.object("bucket", "log").as_deref(), Some(&b"once"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it has not: versioning, conditional requests, signature V2 (and V1 without the feature `sign-v1`), presigned
//! addresses, HTTPS.

mod clock;
mod codec;
mod fault;
mod http;
mod objects;
mod reply;
mod server;
mod service;
mod store;
mod verify;

pub use fault::Fault;

use crate::{Auth, Bucket, BucketBuilder};
use server::Server;
use service::Service;
use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, MutexGuard},
    thread::JoinHandle,
    time::Duration,
};

const KEY_ID: &str = "fake-key-id";
const KEY_SECRET: &str = "fake-key-secret";
const REGION: &str = "cn-hangzhou";

/// A fake OSS on loopback, stopped when dropped.
///
/// Objects are kept in memory. Methods that look at or change them act at once, past every rule of the service, as
/// somebody else would; they may be called while requests are under way.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// let bucket = oss.bucket("bucket");
/// bucket.append_object("log", 0, "text")?;
/// assert_eq!(oss.object("bucket", "log").as_deref(), Some(&b"text"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FakeOss {
    server: Arc<Server>,
    listener: Option<JoinHandle<()>>,
}

/// One request, as it came in.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// oss.bucket("bucket").append_object("log", 0, "text")?;
/// let request = &oss.requests()[0];
/// assert_eq!((&*request.method, &*request.target), ("POST", "/bucket/log?append&position=0"));
/// assert_eq!(request.body_len, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// `POST` and the like.
    pub method: String,
    /// Path and query, still encoded.
    pub target: String,
    /// In their order, names as they were sent.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body that arrived, without chunk framing.
    pub body_len: u64,
    /// Request line and headers, byte for byte, with the empty line.
    pub head: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub connection: u64,
}

impl Recorded {
    /// The value of a header, whatever the case of its name.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.bucket("bucket").append_object("log.csv", 0, "a,b\n")?;
    /// assert_eq!(oss.requests()[0].header("Content-Type"), Some("text/csv"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
    }
}

/// Starting, and reaching it.
impl FakeOss {
    /// On a port that is free.
    ///
    /// # Errors
    ///
    /// When the system gives no port or no thread.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// On this port.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and when the port is taken.
    pub fn start_on(port: u16) -> io::Result<Self> {
        let keys = BTreeMap::from([(KEY_ID.to_owned(), KEY_SECRET.to_owned())]);
        let (server, listener) = Server::start(port, Service::new(keys, REGION))?;
        Ok(Self { server, listener: Some(listener) })
    }

    /// A client for it: no proxy, no pauses. The bucket is made if needed.
    ///
    /// # Panics
    ///
    /// When `name` can be no bucket's name.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Bucket {
        self.builder(name).build().expect("the name should be one for a bucket")
    }

    /// The same, to be changed before `build`.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// let bucket = oss.builder("bucket").attempts(1).build()?;
    /// # drop(bucket);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(&self, name: &str) -> BucketBuilder {
        self.create_bucket(name);
        let auth = Auth::new(self.access_key_id(), self.access_key_secret());
        let builder = Bucket::builder(auth, &self.endpoint(), name).region(self.region());
        builder.backoff(Duration::ZERO, Duration::ZERO)
    }

    /// [`Bucket::from_env`]'s variables, for a program under test. The bucket is made if needed.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// let mut program = std::process::Command::new("your-tool");
    /// program.envs(oss.env("bucket")); // its `Bucket::from_env` leads here
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn env(&self, bucket: &str) -> Vec<(&'static str, String)> {
        self.create_bucket(bucket);
        vec![
            ("OSS_ACCESS_KEY_ID", self.access_key_id().to_owned()),
            ("OSS_ACCESS_KEY_SECRET", self.access_key_secret().to_owned()),
            ("OSS_BUCKET", bucket.to_owned()),
            ("OSS_ENDPOINT", self.endpoint()),
            ("OSS_REGION", self.region().to_owned()),
        ]
    }

    /// `http://127.0.0.1:<port>`. As an HTTP proxy it leads to itself, whatever the host.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::{Auth, Bucket};
    ///
    /// oss.create_bucket("bucket");
    /// let auth = Auth::new(oss.access_key_id(), oss.access_key_secret()); // or a provider under test
    /// let bucket = Bucket::builder(auth, &oss.endpoint(), "bucket").region(oss.region()).build()?;
    /// bucket.append_object("log", 0, "text")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Of the key pair that is known from the start.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        KEY_ID
    }

    /// Of the key pair that is known from the start.
    #[must_use]
    pub fn access_key_secret(&self) -> &str {
        KEY_SECRET
    }

    /// The only region whose signatures are good.
    #[must_use]
    pub fn region(&self) -> &str {
        REGION
    }
}

/// What goes wrong, and what came in.
impl FakeOss {
    /// For the next append. Each call adds one to a queue, and each append takes one, whatever becomes of it.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::testing::Fault;
    ///
    /// oss.inject(Fault::Pass);
    /// oss.inject(Fault::LoseAnswer); // for the second append
    /// let bucket = oss.bucket("bucket");
    /// let first = bucket.append_object("log", 0, "one")?;
    /// bucket.append_object("log", &first, "two")?;
    /// assert_eq!(oss.object_len("bucket", "log"), Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inject(&self, fault: Fault) {
        self.inject_on("POST", fault);
    }

    /// The same for the next request of another kind: `"HEAD"`, `"GET"`, `"PUT"`, `"DELETE"`, and `"SEAL"` for the POST
    /// that seals. Each kind has a queue of its own.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::testing::Fault;
    ///
    /// oss.inject_on("HEAD", Fault::Refuse(403, "AccessDenied"));
    /// assert!(oss.bucket("bucket").appender("log").open().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inject_on(&self, method: &str, fault: Fault) {
        self.service().faults.entry(method.to_owned()).or_default().push_back(fault);
    }

    /// How many faults nobody has met yet.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::testing::Fault;
    ///
    /// oss.inject(Fault::LoseAnswer);
    /// assert_eq!(oss.faults_left(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.service().faults.values().map(|queue| queue.len()).sum()
    }

    /// Applies what [`Fault::Hold`], [`Fault::ApplyLate`] and [`Fault::ApplyAfter`] held back, in the order of arrival.
    /// Returns how many of them the service still accepted.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::{Outcome, testing::Fault};
    ///
    /// let bucket = oss.builder("bucket").attempts(1).build()?;
    /// oss.inject(Fault::Hold); // on its way, and late
    /// assert_eq!(bucket.append_object("log", 0, "text").unwrap_err().outcome(), Outcome::Unknown);
    /// assert_eq!(oss.land(), 1);
    /// assert_eq!(oss.object_len("bucket", "log"), Some(4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn land(&self) -> usize {
        self.service().land()
    }

    /// Every request since the start, in the order in which they were complete.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.bucket("bucket").append_object("log", 0, "text")?;
    /// assert_eq!(oss.requests().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.service().recorded.clone()
    }

    /// The same since the last call of this, and forgets them: a fake that runs for hours keeps every one otherwise.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.bucket("bucket").append_object("log", 0, "text")?;
    /// assert_eq!(oss.take_requests().len(), 1);
    /// assert!(oss.requests().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.service().recorded)
    }

    /// Stops listening: open connections end, connecting is refused. Objects and scripts stay.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// let bucket = oss.bucket("bucket");
    /// oss.go_away();
    /// assert!(bucket.append_object("log", 0, "text").is_err());
    /// oss.come_back();
    /// bucket.append_object("log", 0, "text")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn go_away(&self) {
        self.server.go_away();
    }

    /// Listens again, on the same port.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::{ErrorKind, Outcome};
    ///
    /// oss.go_away();
    /// let error = bucket.append_object("log", 0, "text").unwrap_err();
    /// assert_eq!((error.kind(), error.outcome()), (ErrorKind::Transport, Outcome::NotApplied));
    /// oss.come_back();
    /// bucket.append_object("log", 0, "text")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn come_back(&self) {
        self.server.come_back();
    }
}

impl FakeOss {
    fn service(&self) -> MutexGuard<'_, Service> {
        self.server.service()
    }
}

impl fmt::Debug for FakeOss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeOss").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

impl Drop for FakeOss {
    fn drop(&mut self) {
        self.server.stop();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join(); // a panic there was printed there
        }
    }
}
