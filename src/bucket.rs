//! A bucket and how to reach it.

use crate::{
    Appended, Auth, Body, Checkpoint, Position,
    append::{Append, Chunk, elsewhere},
    auth,
    client::Client,
    endpoint,
    error::{Error, ErrorKind, Outcome, Result},
    options::AppendOptions,
    position::SIZE_LIMIT,
    request::{CACHE_CONTROL, CONTENT_TYPE, Method, Request, X_OSS_META_PREFIX},
    response::{self, Answer},
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

mod builder;

pub use builder::BucketBuilder;

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
    /// [`builder`](Self::builder). [Which endpoints tell what](crate::Addressing#endpoints) is a table.
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
        let meta = match answer.is_success() {
            true if answer.object_length().is_none() => {
                let what = "the answer does not say, or not only once, how long the object is";
                Err(Error::new(ErrorKind::Protocol, what).with_refusal(answer.refusal()))
            }
            true => ObjectMeta::from_answer(&answer, None),
            false => Err(answer.error()),
        };
        meta.map_err(|error| error.at(format_args!("head of {key:?}")))
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
            name.strip_prefix(X_OSS_META_PREFIX).map(|name| (name.to_owned(), value.to_owned()))
        });
        let length = length.or_else(|| answer.number("content-length")).ok_or_else(missing)?;
        Ok(Self {
            length,
            crc64: answer.number(response::CRC64),
            // Together with the CRC it is where to go on, so it must be that of the same bytes.
            next_position: answer.number(response::NEXT_POSITION).filter(|next| *next == length),
            content_type: answer.header(CONTENT_TYPE).map(str::to_owned),
            meta: meta.collect(),
        })
    }
}
