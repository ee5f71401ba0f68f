//! A bucket and how to reach it.

use crate::{
    Appended, Auth, Body, Checkpoint, Position,
    append::{Append, Chunk, elsewhere},
    auth,
    client::Client,
    clock::Clock,
    endpoint::{self, Addressing, Endpoint},
    error::{Error, ErrorKind, Outcome, Result},
    event::{Event, Hook},
    options::AppendOptions,
    position::SIZE_LIMIT,
    proxy::ProxyChoice,
    request::{CACHE_CONTROL, CONTENT_TYPE, Method, Request, X_OSS_META_PREFIX},
    response::{self, Answer},
    retry::Policy,
    sign::SignatureVersion,
    tls,
    transport::{Settings, Transport},
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
    time::Duration,
};

/// A bucket and how to reach it. Cheap to clone; clones share their connections.
///
/// ```
/// use oss_append::testing::FakeOss;
///
/// let oss = FakeOss::start()?;
/// let bucket = oss.bucket("bucket"); // or Bucket::new(auth, "https://oss-cn-hangzhou.aliyuncs.com", "bucket")
/// let first = bucket.append_object("log.txt", 0, "content of first append")?;
/// bucket.append_object("log.txt", first.next_position, "content of second append")?;
/// assert_eq!(bucket.head_object("log.txt")?.length, 47);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Bucket {
    client: Arc<Client>,
}

impl Bucket {
    /// A bucket, in oss2's order of arguments. The region comes from the endpoint; where that names none, use
    /// [`builder`](Self::builder). [Which endpoints tell what](Addressing#endpoints) is a table.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket};
    ///
    /// let auth = Auth::new("<id>", "<secret>");
    /// let bucket = Bucket::new(auth, "http://oss-cn-hangzhou.aliyuncs.com", "bucket")?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name or endpoint that cannot be. Nothing is sent.
    pub fn new(auth: Auth, endpoint: &str, name: &str) -> Result<Self> {
        Self::builder(auth, endpoint, name).build()
    }

    /// From `OSS_BUCKET`, `OSS_ENDPOINT` or `OSS_REGION` (both where the endpoint names no region), and
    /// [`Auth::from_env`].
    ///
    /// ```no_run
    /// let bucket = oss_append::Bucket::from_env()?;
    /// bucket.append_object("log.txt", 0, "text")?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput), naming the variables that are missing or wrong. Nothing is sent.
    pub fn from_env() -> Result<Self> {
        let (place, auth) = match (auth::bucket_from_env(), Auth::from_env()) {
            (Ok(place), Ok(auth)) => (place, auth),
            // All that is missing at once, and not one thing per run.
            (Err(place), Err(auth)) => return Err(Error::invalid_input(format!("{place}; {auth}"))),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        let (endpoint, region, name) = place;
        let builder = Self::builder(auth, &endpoint, &name);
        let built = match region {
            Some(region) => builder.region(&region).build(),
            None => builder.build(),
        };
        built.map_err(|error| error.at("OSS_ENDPOINT, OSS_REGION and OSS_BUCKET"))
    }

    /// Everything that can be set. Nothing is checked before [`build`](BucketBuilder::build).
    pub fn builder(auth: Auth, endpoint: &str, name: &str) -> BucketBuilder {
        BucketBuilder {
            auth,
            endpoint: endpoint.to_owned(),
            name: name.to_owned(),
            region: None,
            addressing: None,
            signature: SignatureVersion::default(),
            settings: Settings::default(),
            policy: Policy::default(),
            hook: Hook::default(),
        }
    }

    /// Appends `body` at `position`, which must be where the object ends; an absent object ends at 0 and is made.
    ///
    /// Given a [`Checkpoint`] or the last [`Appended`] (or 0), the CRC-64 of the whole object is compared with the
    /// service's, and a lost answer is settled by asking: bytes that can be read again ([`Body`] says which) are sent
    /// again if they are not in, never twice. Given a bare number, an answer that is lost makes the call fail with
    /// [`Outcome::Unknown`].
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let mut last = bucket.append_object("words", 0, "")?;
    /// for word in ["one\n", "two\n"] {
    ///     last = bucket.append_object("words", &last, word)?;
    /// }
    /// assert_eq!(last.checkpoint(), Some(Default::default()).map(|at: oss_append::Checkpoint| at.advance("one\ntwo\n")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::outcome`] says what became of the bytes. Among the kinds are
    /// [`Conflict`](ErrorKind::Conflict) (the end is elsewhere; [`Error::next_position`] says where),
    /// [`NotAppendable`](ErrorKind::NotAppendable), [`Body`](ErrorKind::Body) (the source failed: nothing was
    /// appended), [`Transport`](ErrorKind::Transport) and [`Integrity`](ErrorKind::Integrity).
    pub fn append_object<'b>(
        &self,
        key: &str,
        position: impl Into<Position>,
        body: impl Into<Body<'b>>,
    ) -> Result<Appended> {
        self.append(key, position.into(), body.into(), &AppendOptions::new())
    }

    /// The same with headers, metadata, progress.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::AppendOptions;
    ///
    /// let options = AppendOptions::new().acl("private").progress(|now| println!("{} bytes", now.sent));
    /// bucket.append_object_with("table.csv", 0, "a,b\n", &options)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`append_object`](Self::append_object); options that cannot be sent are
    /// [`InvalidInput`](ErrorKind::InvalidInput).
    pub fn append_object_with<'b>(
        &self,
        key: &str,
        position: impl Into<Position>,
        body: impl Into<Body<'b>>,
        options: &AppendOptions,
    ) -> Result<Appended> {
        self.append(key, position.into(), body.into(), options)
    }

    fn append(&self, key: &str, position: Position, mut body: Body<'_>, options: &AppendOptions) -> Result<Appended> {
        endpoint::check_key(key)?;
        check_position(position)?;
        let append = Append {
            client: &self.client,
            key,
            headers: &options.headers(key)?,
            progress: options.progress_callback(),
            creates: true,
            rebase: false,
        };
        append.run(&mut Chunk::new(position, None), &mut body).map(Appended::from)
    }

    /// Length, CRC, type, metadata.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "text")?;
    /// let meta = bucket.head_object("log")?;
    /// bucket.append_object("log", meta.checkpoint().expect("it is appendable"), "more")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Service`](ErrorKind::Service) with code `NoSuchKey` or `NoSuchBucket`; and whatever else the service refuses.
    pub fn head_object(&self, key: &str) -> Result<ObjectMeta> {
        let answer = self.head(key)?;
        match answer.is_success() {
            true => ObjectMeta::from_answer(&answer, None).map_err(|error| error.at(format_args!("head of {key:?}"))),
            false => Err(answer.error().at(format_args!("head of {key:?}"))),
        }
    }

    /// Is there such an object? False only for a missing key.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// assert!(!bucket.object_exists("log")?);
    /// bucket.append_object("log", 0, "")?; // an empty object is one
    /// assert!(bucket.object_exists("log")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A missing bucket is an error, as is everything else that keeps the question from being answered.
    pub fn object_exists(&self, key: &str) -> Result<bool> {
        let answer = self.head(key)?;
        if answer.is_success() {
            return Ok(true);
        }
        let error = answer.error();
        match error.code() {
            Some("NoSuchKey") => Ok(false),
            _ => Err(error.at(format_args!("head of {key:?}"))),
        }
    }

    /// Deletes; a missing key is fine.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "text")?;
    /// bucket.delete_object("log")?;
    /// bucket.delete_object("log")?; // fine, too
    /// assert!(!bucket.object_exists("log")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Whatever the service refuses, as `FileImmutable` for objects under retention.
    pub fn delete_object(&self, key: &str) -> Result<()> {
        endpoint::check_key(key)?;
        let answer = self.client.fetch(Request::new(Method::Delete, key));
        match answer {
            Ok(answer) if answer.status == 204 => Ok(()),
            Ok(answer) => Err(answer.error()),
            // It may be deleted, and is if asked again: what is idempotent has no doubtful outcome.
            Err(error) => Err(error),
        }
        .map_err(|error| error.at(format_args!("delete of {key:?}")))
    }

    /// Ends appending for good: `position` must be where the object ends. Idempotent. The service opens this to accounts
    /// that ask for it, and it needs the permission `oss:SealAppendObject` (SealAppendObject reference).
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::{ErrorKind, Found};
    ///
    /// let last = bucket.append_object("log", 0, "text")?;
    /// bucket.seal_append_object("log", &last)?;
    /// let error = bucket.append_object("log", &last, "more").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Conflict(Found::Sealed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if the end is elsewhere; [`Service`](ErrorKind::Service) with code
    /// `OperationNotSupported` or `MethodNotAllowed` if the account may not.
    pub fn seal_append_object(&self, key: &str, position: impl Into<Position>) -> Result<()> {
        endpoint::check_key(key)?;
        let at = position.into();
        check_position(at)?;
        let request = Request::new(Method::Post, key).query("seal", "").query("position", at.position.to_string());
        let answer = self.client.fetch(request);
        match answer {
            Ok(answer) if answer.is_success() => return Ok(()),
            Ok(answer) => {
                let error = answer.error();
                Err(match error.code() {
                    Some("PositionNotEqualToLength") => {
                        elsewhere(error, at.position, answer.number(response::NEXT_POSITION))
                    }
                    Some("OperationNotSupported" | "MethodNotAllowed") => {
                        error.with_what("this account may not seal objects; the service opens that on request")
                    }
                    _ => error,
                })
            }
            Err(error) => Err(error),
        }
        .map_err(|error| error.at(format_args!("seal of {key:?} at {}", at.position)))
    }

    fn head(&self, key: &str) -> Result<Answer> {
        endpoint::check_key(key)?;
        let request = Request::new(Method::Head, key).header(CACHE_CONTROL, "no-cache");
        self.client
            .fetch(request)
            .map_err(|error| error.with_outcome(Outcome::NotApplied).at(format_args!("head of {key:?}")))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

pub(crate) fn check_position(at: Position) -> Result<()> {
    if at.position > SIZE_LIMIT {
        return Err(Error::invalid_input(format!(
            "position {} is beyond the 5 GiB (5368709120 bytes) an object can hold",
            at.position
        )));
    }
    if at.position == 0 && at.crc64.is_some_and(|crc64| crc64 != 0) {
        return Err(Error::invalid_input("at position 0 the crc64 is 0: this checkpoint is none"));
    }
    Ok(())
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = &self.client.endpoint;
        f.debug_struct("Bucket")
            .field("name", &endpoint.bucket())
            .field("url", &endpoint.url("", ""))
            .field("region", &endpoint.region())
            .finish_non_exhaustive()
    }
}

// What is inside and not unwind-safe by itself are the users' closures and the connection pool. Between two calls all
// of it is whole: nothing is marked done before it is.
impl UnwindSafe for Bucket {}
impl RefUnwindSafe for Bucket {}
impl UnwindSafe for BucketBuilder {}
impl RefUnwindSafe for BucketBuilder {}

/// Settings of a [`Bucket`].
///
/// ```
/// use oss_append::{Auth, Bucket};
/// use std::time::Duration;
///
/// let bucket = Bucket::builder(Auth::anonymous(), "http://127.0.0.1:9000", "bucket")
///     .connect_timeout(Duration::from_secs(1))
///     .attempts(5)
///     .build()?;
/// # Ok::<(), oss_append::Error>(())
/// ```
#[must_use = "does nothing until built"]
pub struct BucketBuilder {
    auth: Auth,
    endpoint: String,
    name: String,
    region: Option<String>,
    addressing: Option<Addressing>,
    signature: SignatureVersion,
    settings: Settings,
    policy: Policy,
    hook: Hook,
}

impl BucketBuilder {
    /// The region, as `cn-hangzhou`, for endpoints that [do not name one](Addressing#endpoints): custom domains, IP
    /// addresses, acceleration. One that contradicts the endpoint is refused.
    ///
    /// ```
    /// # use oss_append::{Auth, Bucket};
    /// # let builder = Bucket::builder(Auth::new("id", "secret"), "http://oss-accelerate.aliyuncs.com", "my-bucket");
    /// let bucket = builder.region("cn-hangzhou").build()?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// Where the bucket's name goes. Default: in front of the host; into the path for IP addresses and localhost.
    ///
    /// ```
    /// # use oss_append::{Addressing, Auth, Bucket};
    /// # let builder = Bucket::builder(Auth::new("id", "secret"), "http://logs.example.com", "my-bucket");
    /// let bucket = builder.addressing(Addressing::Cname).region("cn-hangzhou").build()?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn addressing(mut self, style: Addressing) -> Self {
        self.addressing = Some(style);
        self
    }

    /// How requests are signed; default [`V4`](SignatureVersion::V4), and what else there is needs a feature.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket, SignatureVersion};
    ///
    /// # #[cfg(feature = "sign-v1")] {
    /// let bucket = Bucket::builder(Auth::new("<id>", "<secret>"), "https://oss.private.example", "bucket")
    ///     .signature_version(SignatureVersion::V1) // a private cloud; no region is needed
    ///     .build()?;
    /// # }
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn signature_version(mut self, version: SignatureVersion) -> Self {
        self.signature = version;
        self
    }

    /// How long making a connection may take: TCP to all of the host's addresses together, the proxy's part and the TLS
    /// handshake. Default 10 s. The look-up of the host's name is not in it.
    ///
    /// When it ends nothing was sent: [`Transport`](ErrorKind::Transport), [`NotApplied`](Outcome::NotApplied), and the
    /// next attempt follows. Zero is refused by [`build`](Self::build); [`Duration::MAX`] is no limit.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket, ErrorKind};
    /// use std::time::Duration;
    ///
    /// let builder = Bucket::builder(Auth::anonymous(), "http://127.0.0.1:9000", "bucket");
    /// let bucket = builder.connect_timeout(Duration::from_secs(2)).build()?;
    ///
    /// let builder = Bucket::builder(Auth::anonymous(), "http://127.0.0.1:9000", "bucket");
    /// let refused = builder.connect_timeout(Duration::ZERO).build().unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// How long a request may stand still, no byte moving either way. Default 60 s. Less than that can break healthy
    /// uploads on slow links: a write into the system's buffer waits until a good part of it has drained. The wait for
    /// an answer is longer by what the last 4 MiB of the body need at 32 KiB/s.
    ///
    /// When it ends while the body goes out, nothing is applied; after that the bytes are in doubt, and are asked about.
    /// Zero is refused by [`build`](Self::build); [`Duration::MAX`] is no limit.
    ///
    /// ```
    /// use oss_append::testing::FakeOss;
    /// use std::time::Duration;
    ///
    /// let oss = FakeOss::start()?;
    /// let bucket = oss.builder("bucket").idle_timeout(Duration::from_secs(120)).build()?;
    /// bucket.append_object("log", 0, "patience")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = limit;
        self
    }

    /// How long one request may take all in all, from the look-up of the name to the last byte of the answer (of a
    /// reader, too). Default: no such limit, for a large body may take its time; against a server that feeds byte after
    /// byte only this one helps. Attempts and questions are requests of their own, each with this limit, so that a call
    /// may take several times as long.
    ///
    /// Costs a thread per request, for the look-up. Errors as with [`idle_timeout`](Self::idle_timeout). Zero is refused
    /// by [`build`](Self::build).
    ///
    /// ```
    /// use oss_append::{Checkpoint, testing::{FakeOss, Fault}};
    /// use std::time::Duration;
    ///
    /// let oss = FakeOss::start()?;
    /// let bucket = oss.builder("bucket").request_timeout(Duration::from_millis(200)).build()?;
    /// oss.inject(Fault::Stall(Duration::from_secs(3600)));
    /// // The answer does not come in time. The bytes were asked about, and are there once.
    /// let end = bucket.append_object("log", Checkpoint::default(), "once")?;
    /// assert_eq!((end.next_position, oss.object("bucket", "log")), (4, Some(b"once".to_vec())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.settings.request_timeout = Some(limit);
        self
    }

    /// How often the bytes of one request are sent, and a question asked; default 3, and 1 is never again.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::{Outcome, testing::Fault};
    ///
    /// let bucket = oss.builder("bucket").attempts(1).build()?;
    /// oss.inject(Fault::LoseRequest);
    /// let error = bucket.append_object("log", 0, "text").unwrap_err();
    /// assert_eq!(error.outcome(), Outcome::Unknown); // asked once, and not there yet: it may still arrive
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.policy.attempts = attempts;
        self
    }

    /// First and longest pause between attempts; default 200 ms and 20 s. Pauses double, and are random below that.
    ///
    /// ```
    /// # use oss_append::{Auth, Bucket};
    /// # use std::time::Duration;
    /// # let builder = Bucket::builder(Auth::new("id", "secret"), "http://oss-cn-hangzhou.aliyuncs.com", "my-bucket");
    /// let bucket = builder.backoff(Duration::from_millis(50), Duration::from_secs(2)).build()?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.first = first;
        self.policy.longest = longest;
        self
    }

    /// A proxy, as `http://[user:password@]host[:port]`; port 80 if none is given. It is asked by CONNECT to lead to the
    /// endpoint, for `http://` endpoints as for `https://` ones, whose TLS reaches through it: it sees the host and
    /// nothing else. In user and password everything but letters and digits is written `%XX`; they go to the proxy alone
    /// and into no error's text.
    ///
    /// With the feature `socks` also `socks5h://` and `socks4a://`, where the proxy looks up the endpoint's name, and
    /// `socks5://` (or `socks://`) and `socks4://`, where that is done here; port 1080 if none is given.
    ///
    /// What the proxy refuses was not sent: [`Transport`](ErrorKind::Transport), [`NotApplied`](Outcome::NotApplied),
    /// [transient](Error::is_transient) unless it is a refusal of its own, as 407. There is no way round a proxy that
    /// does not answer. The default is none; the environment's is not used unless [said so](Self::proxy_from_env). The
    /// last call of either counts.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket, testing::FakeOss};
    ///
    /// let oss = FakeOss::start()?; // leads to itself when asked as a proxy
    /// oss.add_domain("log.example.com", "bucket");
    /// let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
    /// let bucket = Bucket::builder(auth, "http://log.example.com", "bucket")
    ///     .addressing(oss_append::Addressing::Cname)
    ///     .region(oss.region())
    ///     .proxy(&oss.endpoint())
    ///     .build()?;
    /// bucket.append_object("log", 0, "by a detour")?;
    /// assert_eq!(oss.requests()[0].target, "log.example.com:80");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn proxy(mut self, url: &str) -> Self {
        self.settings.proxy = ProxyChoice::Url(url.to_owned());
        self
    }

    /// The proxy that the environment names, by curl's and Go's rules: for `https://` endpoints `HTTPS_PROXY`, for
    /// `http://` ones `HTTP_PROXY`, and where that is not set `ALL_PROXY`; each in upper case first, then in lower. A
    /// value without a scheme is an `http://` one. In a CGI program, where `REQUEST_METHOD` is set, the upper-case
    /// `HTTP_PROXY` is its client's word and is not used.
    ///
    /// None of them for what `NO_PROXY` (or `no_proxy`) lists, separated by commas or blanks: `*`, names with all that
    /// is under them, `.name` and `*.name` for only what is under them, addresses, networks as `10.0.0.0/8`; names and
    /// addresses also with a `:port`.
    ///
    /// Read once, by [`build`](Self::build), which refuses what it cannot use, naming the variable: a proxy of another
    /// kind (SOCKS without the feature `socks`), or no URL. It is never passed over.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket};
    ///
    /// let auth = Auth::new("<id>", "<secret>");
    /// let builder = Bucket::builder(auth, "http://oss-cn-hangzhou.aliyuncs.com", "bucket").proxy_from_env();
    /// match builder.build() {
    ///     Ok(bucket) => println!("{bucket:?}"),
    ///     Err(unusable) => eprintln!("{unusable}"),
    /// }
    /// ```
    pub fn proxy_from_env(mut self) -> Self {
        self.settings.proxy = ProxyChoice::Environment;
        self
    }

    /// What is sent as `User-Agent`, to the service and to a proxy, instead of `oss-append/<version>`. One line of
    /// printable ASCII, refused by [`build`](Self::build) otherwise.
    ///
    /// ```
    /// use oss_append::testing::FakeOss;
    ///
    /// let oss = FakeOss::start()?;
    /// let bucket = oss.builder("bucket").user_agent("log-shipper/2.1").build()?;
    /// bucket.append_object("log", 0, "text")?;
    /// assert_eq!(oss.requests()[0].header("user-agent"), Some("log-shipper/2.1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn user_agent(mut self, value: &str) -> Self {
        self.settings.user_agent = value.to_owned();
        self
    }

    /// Certificates to be trusted beside the built-in roots, for endpoints whose authority is your own: PEM, of one
    /// certificate or several, or one certificate in DER. The last call counts.
    ///
    /// A server whose certificate is not good gets nothing: [`Transport`](ErrorKind::Transport),
    /// [`NotApplied`](Outcome::NotApplied), and the text says whether it has expired, is not valid yet, is for another
    /// host, or is signed by nobody who is trusted. There is no way to switch the check off.
    ///
    /// Bytes that hold no certificate, or a damaged one, or only a private key, are refused by [`build`](Self::build).
    /// A build without TLS refuses all.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket, ErrorKind};
    ///
    /// let auth = Auth::new("<id>", "<secret>");
    /// let builder = Bucket::builder(auth, "http://oss.example.com", "bucket").region("cn-hangzhou");
    /// // .root_certs(&std::fs::read("/etc/ssl/our-authority.pem")?)
    /// let refused = builder.root_certs(b"no certificate").build().unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn root_certs(mut self, pem_or_der: &[u8]) -> Self {
        self.settings.roots = Some(tls::roots(pem_or_der));
        self
    }

    /// Called when something goes wrong or is put right, for a log or a counter: [`Event`] says when, and what a hook
    /// must not do. Clones of the bucket and its appenders share it. Only one: the last that was set.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// let bucket = oss.builder("bucket").on_event(|event| eprintln!("{event}")).build()?;
    /// # drop(bucket);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_event(mut self, hook: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.hook = Hook::new(hook);
        self
    }

    /// Checks everything; sends nothing.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket};
    ///
    /// let error = Bucket::builder(Auth::new("id", "secret"), "http://logs.example.com", "my-bucket").build().unwrap_err();
    /// assert!(error.to_string().contains("does not tell its region"));
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput), naming what is wrong and what to do.
    pub fn build(self) -> Result<Bucket> {
        let region_is_signed = !self.auth.is_anonymous() && self.signature.needs_region();
        let region = self.region.as_deref();
        let endpoint = Endpoint::new(&self.endpoint, &self.name, region, self.addressing, region_is_signed)?;
        if self.policy.attempts == 0 {
            return Err(Error::invalid_input("attempts is 0: nothing would ever be sent; 1 is never again"));
        }
        let transport = Transport::new(&self.settings, &endpoint.url("", ""))?;
        let client = Client {
            auth: self.auth,
            endpoint,
            signature: self.signature,
            transport,
            clock: Clock::default(),
            policy: self.policy,
            hook: self.hook,
        };
        Ok(Bucket { client: Arc::new(client) })
    }
}

impl fmt::Debug for BucketBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The endpoint's text may hold a password that `build` will refuse.
        f.debug_struct("BucketBuilder").field("name", &self.name).field("region", &self.region).finish_non_exhaustive()
    }
}

/// What HEAD said about an object.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// bucket.append_object("table.csv", 0, "a,b\n")?;
/// let meta = bucket.head_object("table.csv")?;
/// assert_eq!((meta.length, meta.next_position), (4, Some(4)));
/// assert_eq!(meta.content_type.as_deref(), Some("text/csv"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// In bytes.
    pub length: u64,
    /// CRC-64 of all its bytes. Missing for objects older than the feature.
    pub crc64: Option<u64>,
    /// Where the next append goes, in bytes; for appendable objects only.
    pub next_position: Option<u64>,
    /// As it was set when the object was made.
    pub content_type: Option<String>,
    /// The user's own metadata: names without `x-oss-meta-`, in lower case.
    pub meta: Vec<(String, String)>,
}

impl ObjectMeta {
    /// Where to go on, for an appendable object with a known CRC.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// oss.put_object("bucket", "normal", b"text");
    /// assert_eq!(bucket.head_object("normal")?.checkpoint(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        Some(Checkpoint { position: self.next_position?, crc64: self.crc64? })
    }

    /// `length`: of the object, where the answer holds only a part of it.
    pub(crate) fn from_answer(answer: &Answer, length: Option<u64>) -> Result<Self> {
        let missing = || Error::new(ErrorKind::Protocol, "the answer has no length").with_refusal(answer.refusal());
        let meta = answer.headers.iter().filter_map(|(name, value)| {
            name.strip_prefix(X_OSS_META_PREFIX).map(|name| (name.to_owned(), value.clone()))
        });
        Ok(Self {
            length: length.or_else(|| answer.number("content-length")).ok_or_else(missing)?,
            crc64: answer.number(response::CRC64),
            next_position: answer.number(response::NEXT_POSITION),
            content_type: answer.header(CONTENT_TYPE).map(str::to_owned),
            meta: meta.collect(),
        })
    }
}
