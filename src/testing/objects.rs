//! What is in the fake, and what it is like: changed past every rule of the service, as somebody else would.

use super::FakeOss;

/// Objects.
impl FakeOss {
    /// An empty bucket. Nothing if there is one of that name.
    pub fn create_bucket(&self, name: &str) {
        self.service().store.create_bucket(name);
    }

    /// An object's bytes. `None` if it is absent, or if the fake was told to [`keep_no_bytes`](Self::keep_no_bytes).
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.service().store.object(bucket, key)?.bytes.clone()
    }

    /// An object's length in bytes.
    #[must_use]
    pub fn object_len(&self, bucket: &str, key: &str) -> Option<u64> {
        Some(self.service().store.object(bucket, key)?.len)
    }

    /// The CRC-64 of an object's bytes.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// let end = oss.bucket("bucket").append_object("log", 0, "text")?;
    /// assert_eq!(oss.object_crc64("bucket", "log"), end.crc64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn object_crc64(&self, bucket: &str, key: &str) -> Option<u64> {
        Some(self.service().store.object(bucket, key)?.crc64)
    }

    /// The headers that were stored when the object was created: content type and the like, `x-oss-meta-*`,
    /// `x-oss-tagging`, `x-oss-object-acl`, storage class, encryption. Names are in lower case.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.bucket("bucket").append_object("log.csv", 0, "a,b\n")?;
    /// let stored = oss.metadata("bucket", "log.csv").unwrap();
    /// assert!(stored.contains(&("content-type".to_owned(), "text/csv".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn metadata(&self, bucket: &str, key: &str) -> Option<Vec<(String, String)>> {
        Some(self.service().store.object(bucket, key)?.headers.clone())
    }

    /// Seeds a *normal* object, to which nothing can be appended. Replaces what is there.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::ErrorKind;
    ///
    /// let bucket = oss.bucket("bucket");
    /// oss.put_object("bucket", "normal", b"text");
    /// assert_eq!(bucket.append_object("normal", 4, "more").unwrap_err().kind(), ErrorKind::NotAppendable);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_object(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.put(bucket, key, bytes, false);
    }

    /// Puts an appendable object in the place of whatever is there.
    ///
    /// ```
    /// use oss_append::{ErrorKind, Found, testing::FakeOss};
    ///
    /// let oss = FakeOss::start()?;
    /// let first = oss.bucket("bucket").append_object("log", 0, "ours")?;
    /// oss.replace_object("bucket", "log", b"else");
    /// let error = oss.bucket("bucket").append_object("log", &first, "more").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Integrity); // the place fits, the CRC-64 does not
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace_object(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.put(bucket, key, bytes, true);
    }

    fn put(&self, bucket: &str, key: &str, bytes: &[u8], appendable: bool) {
        let mut service = self.service();
        let (body, now) = (service.body_of(bytes), service.now());
        service.store.replace(bucket, key, &body, appendable, now);
    }

    /// Adds bytes at the object's end, or creates it with them.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// let bucket = oss.bucket("bucket");
    /// oss.append_as_stranger("bucket", "log", b"theirs");
    /// assert_eq!(bucket.append_object("log", 0, "ours").unwrap_err().next_position(), Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_as_stranger(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.service().append_as_stranger(bucket, key, bytes);
    }

    /// Removes an object. False if there was none.
    ///
    /// ```
    /// let oss = oss_append::testing::FakeOss::start()?;
    /// oss.put_object("bucket", "key", b"bytes");
    /// assert!(oss.delete_object("bucket", "key"));
    /// assert_eq!(oss.object("bucket", "key"), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn delete_object(&self, bucket: &str, key: &str) -> bool {
        self.service().store.remove(bucket, key)
    }

    /// Seals an object: appends to it are refused from now on. False if there is none.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// use oss_append::{ErrorKind, Found};
    ///
    /// bucket.append_object("log", 0, "all")?;
    /// assert!(oss.seal("bucket", "log"));
    /// let error = bucket.append_object("log", 3, "more").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Conflict(Found::Sealed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seal(&self, bucket: &str, key: &str) -> bool {
        let mut service = self.service();
        let now = service.now();
        service.store.object_mut(bucket, key).map(|object| object.sealed.get_or_insert(now)).is_some()
    }

    /// Puts an object under a retention rule: it can be neither appended to nor replaced nor deleted by requests.
    /// False if there is none.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "kept")?;
    /// assert!(oss.make_immutable("bucket", "log"));
    /// assert_eq!(bucket.append_object("log", 4, "more").unwrap_err().code(), Some("FileImmutable"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn make_immutable(&self, bucket: &str, key: &str) -> bool {
        self.service().store.object_mut(bucket, key).map(|object| object.immutable = true).is_some()
    }
}

/// What the service is like.
impl FakeOss {
    /// From now on only lengths and CRCs are kept, so that objects may be larger than the memory. They cannot be read.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.keep_no_bytes();
    /// oss.bucket("bucket").append_object("log", 0, "text")?;
    /// assert_eq!((oss.object_len("bucket", "log"), oss.object("bucket", "log")), (Some(4), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_no_bytes(&self) {
        self.service().forgets_bytes = true;
    }

    /// How long an appendable object may become, in bytes; at the start 5 368 709 120.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// use oss_append::ErrorKind;
    ///
    /// oss.set_size_limit(3);
    /// let error = oss.bucket("bucket").append_object("log", 0, "text").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooLarge);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_size_limit(&self, bytes: u64) {
        self.service().store.size_limit = bytes;
    }

    /// The code of the 400 for objects beyond the limit; at the start `InlineDataTooLarge`. The real one is not
    /// documented.
    pub fn set_size_limit_code(&self, code: &'static str) {
        self.service().store.size_code = code;
    }

    /// Answers carry no CRC any more, as for very old objects.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// oss.without_crc();
    /// let ours = oss_append::Checkpoint::default().advance("text");
    /// assert_eq!(bucket.append_object("log", 0, "text")?.checkpoint(), Some(ours)); // by our own sum
    /// assert_eq!(bucket.head_object("log")?.crc64, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_crc(&self) {
        self.service().store.tells_crc = false;
    }

    /// Sealing is not opened for this account.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// oss.without_sealing();
    /// bucket.append_object("log", 0, "text")?;
    /// assert_eq!(bucket.seal_append_object("log", 4).unwrap_err().code(), Some("OperationNotSupported"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_sealing(&self) {
        self.service().store.sealing = false;
    }

    /// How far the service's clock is ahead of ours, in seconds.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.set_clock_offset(7 * 24 * 60 * 60); // our clock is a week late
    /// oss.bucket("bucket").append_object("log", 0, "text")?; // learned from the refusal
    /// assert_eq!(oss.requests().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_clock_offset(&self, seconds: i64) {
        self.service().clock_offset = seconds;
    }

    /// 403 AccessDenied for every request of this method. A write-only key: forbid `"HEAD"` and `"GET"`.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.forbid("HEAD");
    /// oss.forbid("GET");
    /// let bucket = oss.bucket("bucket");
    /// assert!(bucket.appender("log").open().is_err()); // asks
    /// assert!(bucket.appender("log").create_new().is_ok()); // does not
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forbid(&self, method: &str) {
        self.service().forbidden.insert(method.to_owned());
    }

    /// Takes back [`forbid`](Self::forbid).
    pub fn allow(&self, method: &str) {
        self.service().forbidden.remove(method);
    }

    /// Requests without a signature are good, too.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket, testing::FakeOss};
    ///
    /// let oss = FakeOss::start()?;
    /// oss.create_bucket("bucket");
    /// oss.allow_anonymous();
    /// Bucket::new(Auth::anonymous(), &oss.endpoint(), "bucket")?.append_object("log", 0, "by anybody")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allow_anonymous(&self) {
        self.service().anonymous = true;
    }

    /// Knows this key pair from now on.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket, testing::FakeOss};
    ///
    /// let oss = FakeOss::start()?;
    /// oss.create_bucket("bucket");
    /// oss.add_key("mine", "secret");
    /// let bucket = Bucket::builder(Auth::new("mine", "secret"), &oss.endpoint(), "bucket").region(oss.region()).build()?;
    /// bucket.append_object("log", 0, "text")?;
    /// oss.remove_key("mine");
    /// assert_eq!(bucket.append_object("log", 4, "more").unwrap_err().code(), Some("InvalidAccessKeyId"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_key(&self, id: &str, secret: &str) {
        self.service().keys.insert(id.to_owned(), secret.to_owned());
    }

    /// Knows no key pair of this id any more.
    pub fn remove_key(&self, id: &str) {
        self.service().keys.remove(id);
    }

    /// Only this security token is good; requests with another one or none get 403 SecurityTokenExpired. At the start
    /// every token is good, and none is needed.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// oss.require_token("the first");
    /// let error = oss.bucket("bucket").append_object("log", 0, "text").unwrap_err();
    /// assert_eq!(error.code(), Some("SecurityTokenExpired"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn require_token(&self, token: &str) {
        self.service().token = Some(token.to_owned());
    }

    /// Every security token is good for this many requests, and refused with 403 SecurityTokenExpired from then on: a
    /// day in a few requests. Keys without a token are not concerned.
    pub fn expire_tokens_after(&self, requests: u64) {
        self.service().token_life = Some(requests);
    }

    /// Requests to this host are about this bucket, with nothing of it in the path: a CNAME. Other hosts are read as
    /// `<bucket>.<rest>`, addresses and `localhost` as hosts whose paths begin with the bucket.
    pub fn add_domain(&self, host: &str, bucket: &str) {
        self.create_bucket(bucket);
        self.service().domains.insert(host.to_owned(), bucket.to_owned());
    }
}
