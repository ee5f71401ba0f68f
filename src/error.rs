//! What can go wrong, in the user's words.

use std::{borrow::Cow, fmt, io, sync::Arc};

/// `std`'s `Result` with this crate's error.
///
/// ```
/// fn first_line(bucket: &oss_append::Bucket) -> oss_append::Result<u64> {
///     Ok(bucket.append_object("log", 0, "first\n")?.next_position)
/// }
/// # Ok::<(), oss_append::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a credentials provider may fail with.
///
/// ```
/// use oss_append::{BoxError, Credentials};
///
/// fn keys() -> Result<Credentials, BoxError> {
///     let text = std::fs::read_to_string("/run/secrets/oss")?; // any error turns into it
///     let (id, secret) = text.split_once(':').ok_or("no colon in it")?; // and so does text
///     Ok(Credentials::new(id, secret))
/// }
/// # let _ = keys;
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, and what became of the bytes.
///
/// [`kind`](Self::kind) says what can be done about it, [`outcome`](Self::outcome) whether the bytes are in the
/// object. Everything the service said is kept: its code, its detailed code, the request id its support asks for.
/// The text speaks for this level only; [`source`](std::error::Error::source) has the next.
///
/// One pointer wide; clones share.
///
/// ```
/// use oss_append::{ErrorKind, Found, Outcome, testing::FakeOss};
///
/// let oss = FakeOss::start()?;
/// let bucket = oss.bucket("bucket");
/// bucket.append_object("log.txt", 0, "one")?;
///
/// let error = bucket.append_object("log.txt", 0, "two").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Conflict(Found::Longer));
/// assert_eq!(error.outcome(), Outcome::NotApplied);
/// assert_eq!(error.next_position(), Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "ServerError")]
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    transient: bool,
    what: Cow<'static, str>,
    next_position: Option<u64>,
    refusal: Option<Refusal>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What the service said when it refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) ec: Option<String>,
    pub(crate) request_id: Option<String>,
    /// Ours: what to do.
    pub(crate) advice: Option<Cow<'static, str>>,
}

impl Error {
    /// What can be done about it.
    ///
    /// ```
    /// use oss_append::ErrorKind;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "one")?;
    /// let error = bucket.append_object("log", 0, "two").unwrap_err();
    ///
    /// match error.kind() {
    ///     ErrorKind::Conflict(found) => println!("found: {found:?}"), // Longer
    ///     ErrorKind::Service => println!("refused: {:?}", error.code()),
    ///     _ => println!("{error}"),
    /// }
    /// # assert_eq!(error.kind(), ErrorKind::Conflict(oss_append::Found::Longer));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Did my bytes land?
    ///
    /// Speaks of the bytes of one request, which the text names by their range. For calls that append nothing:
    /// [`Outcome::NotApplied`].
    ///
    /// ```
    /// use oss_append::{Outcome, testing::Fault};
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// let first = bucket.append_object("log", 0, "one")?;
    /// oss.inject(Fault::LoseAnswer);
    /// let error = bucket.append_object("log", first.next_position, "two").unwrap_err(); // nothing to settle it by
    /// assert_eq!(error.outcome(), Outcome::Unknown);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// May waiting help? Says nothing about the bytes; [`outcome`](Self::outcome) does.
    ///
    /// ```
    /// use oss_append::testing::Fault;
    ///
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// let bucket = oss.builder("bucket").attempts(1).build()?;
    /// oss.inject(Fault::Refuse(503, "TotalQpsLimitExceeded"));
    /// assert!(bucket.append_object("log", 0, "text").unwrap_err().is_transient());
    /// oss.inject(Fault::Refuse(403, "AccessDenied"));
    /// assert!(!bucket.append_object("log", 0, "text").unwrap_err().is_transient());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Where the object's end is, in bytes, if the service said so.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "one")?;
    /// let error = bucket.append_object("log", 0, "two").unwrap_err();
    /// assert_eq!(error.next_position(), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn next_position(&self) -> Option<u64> {
        self.0.next_position
    }

    /// HTTP status of the answer, if there was one.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "one")?;
    /// let error = bucket.append_object("log", 0, "two").unwrap_err();
    /// assert_eq!(error.status(), Some(409));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.refusal.as_ref().map(|r| r.status)
    }

    /// The service's code, as `NoSuchBucket`.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "one")?;
    /// let error = bucket.append_object("log", 0, "two").unwrap_err();
    /// assert_eq!(error.code(), Some("PositionNotEqualToLength"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.refusal.as_ref()?.code.as_deref()
    }

    /// The service's detailed code, as `0026-00000016`. The service asks that programs do not depend on it.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "one")?;
    /// let error = bucket.append_object("log", 0, "two").unwrap_err();
    /// assert_eq!(error.ec(), Some("0026-00000016"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ec(&self) -> Option<&str> {
        self.0.refusal.as_ref()?.ec.as_deref()
    }

    /// What the service's support will ask for.
    ///
    /// ```
    /// # let oss = oss_append::testing::FakeOss::start()?;
    /// # let bucket = oss.bucket("bucket");
    /// bucket.append_object("log", 0, "one")?;
    /// let error = bucket.append_object("log", 0, "two").unwrap_err();
    /// eprintln!("{error}; ask the support about {:?}", error.request_id());
    /// # assert!(error.request_id().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.refusal.as_ref()?.request_id.as_deref()
    }

    /// Our error inside any other: through [`io::Error`], anyhow, boxes, other writers' errors.
    ///
    /// It sees what [`source`](std::error::Error::source) shows. `std::io::IntoInnerError` and `serde_json::Error` show
    /// nothing: call their `error()` or turn them into an [`io::Error`] first.
    ///
    /// ```
    /// use oss_append::{Error, ErrorKind};
    ///
    /// let ours = "v2:nonsense".parse::<oss_append::Checkpoint>().unwrap_err();
    /// let theirs = std::io::Error::from(ours);
    /// assert_eq!(Error::find(&theirs).map(Error::kind), Some(ErrorKind::InvalidInput));
    /// ```
    #[must_use]
    pub fn find<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(ours) = error.downcast_ref() {
                return Some(ours);
            }
            // The source of an io::Error is the source of what it holds: what it holds would be skipped.
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
                None => error.source(),
            };
        }
        None
    }

    pub(crate) fn new(kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Self {
        Self::of(kind, what.into())
    }

    /// One copy of it, and out of the way: errors are made in a hundred places.
    #[cold]
    fn of(kind: ErrorKind, what: Cow<'static, str>) -> Self {
        Self(Arc::new(Inner {
            kind,
            outcome: Outcome::NotApplied,
            transient: false,
            what,
            next_position: None,
            refusal: None,
            source: None,
        }))
    }

    /// To be changed: this copy alone.
    #[cold]
    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// Refused before any request: `what` names the culprit and what to do.
    pub(crate) fn invalid_input(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, what)
    }

    #[must_use]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner().kind = kind;
        self
    }

    #[must_use]
    pub(crate) fn with_what(mut self, what: impl Into<Cow<'static, str>>) -> Self {
        self.inner().what = what.into();
        self
    }

    #[must_use]
    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.inner().outcome = outcome;
        self
    }

    #[must_use]
    pub(crate) fn with_transient(mut self, transient: bool) -> Self {
        self.inner().transient = transient;
        self
    }

    #[must_use]
    pub(crate) fn with_next_position(mut self, next: Option<u64>) -> Self {
        self.inner().next_position = next;
        self
    }

    #[must_use]
    pub(crate) fn with_refusal(mut self, refusal: Refusal) -> Self {
        self.inner().refusal = Some(refusal);
        self
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner().source = Some(Arc::from(source.into()));
        self
    }

    /// The same with its place said in front: `append to "log" at 4: ...`.
    #[must_use]
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        let inner = self.inner();
        inner.what = format!("{place}: {}", inner.what).into();
        self
    }

    /// What happened and what the service said of it, but not what became of the bytes.
    pub(crate) fn write_what(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if let Some(refusal) = &self.0.refusal {
            write!(f, " ({refusal})")?;
            if let Some(advice) = &refusal.advice {
                write!(f, ": {advice}")?;
            }
        }
        Ok(())
    }

    /// The kind a reader of `io::Error` expects. Never `Interrupted` or `WouldBlock`: std repeats a call for those.
    fn io_kind(&self) -> io::ErrorKind {
        match self.kind() {
            ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
            ErrorKind::Integrity => io::ErrorKind::InvalidData,
            ErrorKind::TooLarge => io::ErrorKind::FileTooLarge,
            ErrorKind::Body | ErrorKind::Transport => {
                match self.0.source.as_ref().and_then(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind) {
                    None | Some(io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => io::ErrorKind::Other,
                    Some(kind) => kind,
                }
            }
            ErrorKind::Conflict(Found::Missing) => io::ErrorKind::NotFound,
            _ => match self.status() {
                Some(403) => io::ErrorKind::PermissionDenied,
                Some(404) => io::ErrorKind::NotFound,
                _ => io::ErrorKind::Other,
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_what(f)?;
        match self.0.outcome {
            Outcome::NotApplied => Ok(()),
            Outcome::Unknown => f.write_str("; whether the bytes are in the object is not known"),
            Outcome::Applied => f.write_str("; the bytes are in the object"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("outcome", &self.0.outcome).field("what", &self.0.what);
        if let Some(refusal) = &self.0.refusal {
            debug.field("service", &format_args!("{refusal}"));
            if let Some(advice) = &refusal.advice {
                debug.field("advice", advice);
            }
        }
        if let Some(next) = self.0.next_position {
            debug.field("next_position", &next);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| &**e as &(dyn std::error::Error + 'static))
    }
}

impl From<Error> for io::Error {
    /// Keeps the error inside, where [`Error::find`] and [`io::Error::downcast`] find it.
    fn from(error: Error) -> Self {
        Self::new(error.io_kind(), error)
    }
}

impl fmt::Display for Refusal {
    /// `403 AccessDenied, EC 0003-00000001, request id 5C...: message`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(ec) = &self.ec {
            write!(f, ", EC {ec}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request id {id}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

/// What went wrong, by what the caller can do.
///
/// `Copy` and comparable, as [`io::ErrorKind`]; texts and numbers are on [`Error`].
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// use oss_append::{ErrorKind, Found};
///
/// oss.put_object("bucket", "normal", b"not appendable");
/// match bucket.append_object("normal", 0, "text").unwrap_err().kind() {
///     ErrorKind::Conflict(Found::Sealed) | ErrorKind::NotAppendable | ErrorKind::TooLarge => println!("take another key"),
///     ErrorKind::Conflict(_) => println!("others write there"),
///     other => println!("{other:?}"), // there may be more some day
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Refused before any request: the text names what is wrong and what to do.
    InvalidInput,
    /// The credentials provider failed.
    Credentials,
    /// Your reader or file failed, or was longer or shorter than declared.
    Body,
    /// No (whole) answer.
    Transport,
    /// The object is not what you said: the end is elsewhere, or the bytes before it are others.
    #[doc(alias = "PositionNotEqualToLength")]
    Conflict(Found),
    /// Not an appendable object.
    #[doc(alias = "ObjectNotAppendable")]
    NotAppendable,
    /// An object holds at most 5 GiB (5 368 709 120 bytes).
    TooLarge,
    /// Bytes are in and the CRC differs; or, when reading, they are not those of the object.
    #[doc(alias = "InconsistentError")]
    Integrity,
    /// Any other refusal: see [`Error::code`].
    Service,
    /// An answer that breaks the service's own rules.
    Protocol,
}

/// What was there instead. Facts, not motives.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// use oss_append::{Checkpoint, ErrorKind, Found};
///
/// let gone: Checkpoint = "v1:4:1660784822540881237".parse()?;
/// let error = bucket.append_object("log", gone, "text").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Conflict(Found::Missing));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// The object goes on beyond the position.
    Longer,
    /// The object ends before the position.
    Shorter,
    /// The length fits, the bytes before it do not.
    Different,
    /// There is no such object.
    Missing,
    /// The object was sealed: it takes no more bytes.
    Sealed,
}

/// Did my bytes land?
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// # let bucket = oss.bucket("bucket");
/// use oss_append::Outcome;
///
/// match bucket.append_object("log", 5, "text").map_err(|error| error.outcome()) {
///     Ok(_) | Err(Outcome::Applied) => println!("in"),
///     Err(Outcome::NotApplied) => println!("not in, and not to come"),
///     Err(Outcome::Unknown) => println!("ask before sending again"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(clippy::exhaustive_enums)] // complete: there is no fourth answer
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// They are not in the object, and no request of ours can still put them there.
    NotApplied,
    /// Neither is proved: no answer has settled it. Ask before sending again.
    Unknown,
    /// They are in the object. (With [`ErrorKind::Integrity`]: their places are taken, perhaps by damaged copies.)
    Applied,
}
