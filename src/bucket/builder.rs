//! How a bucket is reached: everything that can be set.

use super::Bucket;
use crate::{
    Auth,
    client::Client,
    clock::Clock,
    endpoint::{Addressing, Endpoint},
    error::{Error, Result},
    event::{Event, Hook},
    proxy::ProxyChoice,
    retry::Policy,
    sign::{SignatureVersion, Signer},
    tls,
    transport::{Settings, Transport},
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
    time::Duration,
};

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

impl Bucket {
    /// Everything that can be set. Nothing is checked before [`build`](BucketBuilder::build).
    ///
    /// ```
    /// use oss_append::{Auth, Bucket};
    ///
    /// let bucket = Bucket::builder(Auth::new("<id>", "<secret>"), "http://oss.example.com", "bucket")
    ///     .region("cn-hangzhou")
    ///     .attempts(5)
    ///     .build()?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
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
    /// handshake. Default 10 s. The look-up of the host's name is not in it; with a
    /// [`request_timeout`](Self::request_timeout) it may take as long once more.
    ///
    /// When it ends nothing was sent: [`Transport`](crate::ErrorKind::Transport), [`NotApplied`](crate::Outcome::NotApplied), and the
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
    /// an answer is longer by what the last 4 MiB of the body need at 32 KiB/s, in whole seconds: at most 128 s, and always
    /// that for a body whose length is not known.
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
    /// Costs a thread for each look-up of a name: one per connection, without the feature `wire` one per request. Errors
    /// as with [`idle_timeout`](Self::idle_timeout). Zero is refused by [`build`](Self::build).
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

    /// How often the bytes of one request are sent, and a question asked; default 3, and 1 is never again. Zero is
    /// refused by [`build`](Self::build).
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
    /// What the proxy refuses was not sent: [`Transport`](crate::ErrorKind::Transport), [`NotApplied`](crate::Outcome::NotApplied),
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
    /// A server whose certificate is not good gets nothing: [`Transport`](crate::ErrorKind::Transport),
    /// [`NotApplied`](crate::Outcome::NotApplied), and the text says whether it has expired, is not valid yet, is for another
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
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), naming what is wrong and what to do.
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
            signer: Signer::new(self.signature),
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

impl UnwindSafe for BucketBuilder {}
impl RefUnwindSafe for BucketBuilder {}
