//! Append to objects in Alibaba Cloud OSS, exactly once: synchronous, verified by CRC-64, with a [`std::io::Write`].
//!
//! - One call? [`Bucket::append_object`], as in Python's `oss2`.
//! - A stream, a log? [`Appender`], from [`Bucket::appender`].
//! - A local file, once or again and again? [`Bucket::resumable_append`].
//! - Tests without an account? [`testing`], a fake OSS that goes wrong when told to.
//!
//! ```
//! use oss_append::testing::{FakeOss, Fault};
//! use std::io::{self, Write};
//!
//! let oss = FakeOss::start()?;
//! let bucket = oss.bucket("bucket"); // or Bucket::new(auth, "https://oss-cn-hangzhou.aliyuncs.com", "bucket")?
//! let first = bucket.append_object("hello.txt", 0, "content of first append")?;
//! bucket.append_object("hello.txt", &first, "content of second append")?;
//!
//! oss.inject(Fault::LoseAnswer); // the next append is stored, and nobody is told
//! let mut log = bucket.appender("log.txt").open()?;
//! writeln!(log, "a line")?;
//! io::copy(&mut "a file\n".as_bytes(), &mut log)?;
//! let end = log.finish()?;
//! assert_eq!(oss.object("bucket", "log.txt").as_deref(), Some(&b"a line\na file\n"[..]));
//! assert_eq!(bucket.head_object("log.txt")?.checkpoint(), Some(end));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What "exactly once" means
//!
//! Every byte an [`Appender`] accepted is in the object once, in order, or an error said what became of it. The one
//! exception is its `Drop`: it makes one attempt and can tell only a hook.
//!
//! The service takes bytes only at the object's end, so the position of an append is a compare-and-swap: of a request
//! and its repetition at most one can land. Bytes are *in doubt* from the moment their last byte may have left until
//! the service has said what became of them. While they are, they are kept as they were cut, and the object is asked
//! for its length *and* its CRC-64; where these do not decide, the bytes are read back and compared. Not there yet: the
//! same bytes are sent again. There: they are confirmed. Not to be found out: [`Outcome::Unknown`], and the next call
//! asks again.
//!
//! ```text
//!             your code
//!                │
//!      Appender ─┴─ Bucket
//!                │
//!        ┌──▶  append ── 200, place and CRC-64 fit ───────────▶ confirmed
//!        │       │
//!        │       ├─ refused, nothing in doubt ────────────────▶ NotApplied
//!        │       │
//!        │       └─ no answer, or none that can be believed ──▶ ask: length and CRC-64
//!        │                                                        │
//!        ├───────── not there (yet) ──────────────────────────────┤
//!        │                                                        ├─ there ──────────▶ confirmed
//!        └───────── another's, with Rebase: go behind it ─────────┤
//!                                                                 ├─ another's ──────▶ Conflict
//!                                                                 └─ not found out ──▶ Unknown
//! ```
//!
//! [`append_object`](Bucket::append_object) does the same if it knows the CRC-64 of what lies before (position 0, a
//! [`Checkpoint`] or the last [`Appended`]) and the bytes can be read again ([`Body`] says which can). Without the first a
//! lost answer is [`Outcome::Unknown`] at once; without the second it is asked about, and `Unknown` if they are not there.
//!
//! What no client can see, what to do for each error, and how to go on after a kill: [`guide::exactly_once`].
//!
//! # Errors
//!
//! A function that writes to an [`Appender`] and calls this library returns [`std::io::Result`] or a box, because
//! [`write`](std::io::Write::write) gives [`std::io::Error`], which does not turn into an [`Error`]; the other
//! direction works with `?`.
//!
//! [`Error::kind`] says what can be done, [`Error::outcome`] what became of the bytes, and [`Error::find`] gets the
//! [`Error`] back out of an [`std::io::Error`], a box or another library's error:
//!
//! ```
//! use oss_append::{Appender, Error, ErrorKind, Outcome};
//! use std::io::{self, Write};
//!
//! fn log(to: &mut Appender) -> io::Result<()> {
//!     writeln!(to, "hello")?; // io::Error
//!     to.confirm()?; // Error, turned into io::Error
//!     Ok(())
//! }
//!
//! fn advice(error: &(dyn std::error::Error + 'static)) -> &'static str {
//!     match Error::find(error).map(|e| (e.kind(), e.outcome())) {
//!         Some((ErrorKind::Conflict(_), _)) => "somebody else writes there",
//!         Some((ErrorKind::Protocol, _)) => "see the text, then resync",
//!         Some((_, Outcome::Unknown)) => "keep the appender and call again: it asks first",
//!         Some(_) => "see the text",
//!         None => "not ours",
//!     }
//! }
//! # let oss = oss_append::testing::FakeOss::start()?;
//! # let mut appender = oss.bucket("bucket").appender("log").create_new()?;
//! # oss.append_as_stranger("bucket", "log", b"x");
//! # assert_eq!(advice(&log(&mut appender).unwrap_err()), "somebody else writes there");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! An error of `write` speaks of earlier bytes, never of those of the failing call: these were not taken. After a
//! [`Conflict`](ErrorKind::Conflict), [`Integrity`](ErrorKind::Integrity) or [`Protocol`](ErrorKind::Protocol) error
//! every call of that appender repeats it until [`resync`](Appender::resync); only a refusal that nobody could be asked
//! about is asked about by the next call.
//!
//! # Writing logs
//!
//! - Loggers flush after every record, and an honest [`flush`](std::io::Write::flush) is a request. With
//!   [`flush_threshold`](AppenderBuilder::flush_threshold) and [`max_age`](AppenderBuilder::max_age) records are
//!   joined; then only [`confirm`](Appender::confirm) and [`finish`](Appender::finish) are proof.
//! - `writeln!` with arguments is several writes. [`whole_lines`](AppenderBuilder::whole_lines) keeps requests from
//!   ending inside a line.
//! - **The HTTP client logs, too.** A logger that writes here must leave out the modules `ureq`, `ureq_proto` and
//!   `rustls`, or it waits for itself for ever.
//! - A global logger is never dropped: keep a second handle and [`confirm`](Appender::confirm) before the program ends.
//! - Loggers swallow errors, and a retry that succeeded is none: [`on_event`](BucketBuilder::on_event) tells of both.
//! - Several processes, one object: [`OnConflict::Rebase`]. An object per day or size:
//!   [`roll_over`](AppenderBuilder::roll_over).
//!
//! What each logger and writer does with `flush` and at its end, how to filter it, and a global logger as a whole:
//! [`guide::writing_logs`].
//!
//! # Permissions
//!
//! `oss:PutObject` appends, with [tags](AppendOptions::tag) also `oss:PutObjectTagging`. `oss:GetObject` asks and reads:
//! [`open`](AppenderBuilder::open), [`resync`](Appender::resync), [`OnConflict::Rebase`],
//! [`resumable_append`](Bucket::resumable_append), [`head_object`](Bucket::head_object) need it. With a key that may only
//! write, [`append_object`](Bucket::append_object), [`create_new`](AppenderBuilder::create_new) and
//! [`resume`](AppenderBuilder::resume) work. Every call, and policies to copy: [`guide::permissions`].
//!
//! # Limits
//!
//! - An object holds 5 GiB (5 368 709 120 bytes): more is [`TooLarge`](ErrorKind::TooLarge).
//! - What describes the object ([`AppendOptions`] lists it) is sent only when the object is made: the service ignores
//!   most of it later. [`Appender::existed`] says whether the object was there before.
//! - One `Appender` sends one request at a time, on the calling thread. Its memory is one buffer,
//!   [8 MiB](AppenderBuilder::DEFAULT_BUFFER_CAPACITY) unless said otherwise.
//!
//! How many requests a gigabyte is, and how fast it can go: [`guide::limits_and_prices`].
//!
//! # And
//!
//! Keys: [`guide::credentials`]. Regions, proxies, certificates, timeouts: [`guide::endpoints_and_networks`]. Faults for
//! your own tests: [`guide::testing_your_program`]. From Python: [`guide::coming_from_oss2`].
//!
//! # Features
//!
//! - `rustls` (default): HTTPS by rustls with ring and Mozilla's roots compiled in. Needs a C compiler to build.
//! - `native-tls`: HTTPS by the system's library, with Mozilla's roots, too. With both, rustls is used; with neither, only `http://` is spoken.
//! - `wire` (default): our own sockets under the HTTP client (not through a SOCKS proxy), which stand on a part of it that may change in a minor
//!   release: switch it off should that happen. Everything works without it; appends are then slower, and a refusal of
//!   a large body takes a question more to be seen.
//! - `md5`: [`Content-MD5` per request](AppendOptions#content-md5), so that damaged bytes are refused before they are
//!   stored.
//! - `sign-v1`: the [old signature](SignatureVersion), for private clouds.
//! - `credentials`: keys from instance metadata, an external process, an OIDC token or a URI, and one default chain.
//! - `socks`: SOCKS proxies for [`BucketBuilder::proxy`] and [`BucketBuilder::proxy_from_env`]. No crate more.
//! - `testing`: [`testing`], for `[dev-dependencies]`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Positions and lengths go beyond what a `usize` of 32 bits holds, and must never be cut. Tests may be careless.
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss))]
#![cfg_attr(not(feature = "testing"), doc = "\n\n[`testing`]: #features")]

mod append;
mod appender;
mod ask;
mod auth;
mod body;
mod bucket;
mod buffer;
mod client;
mod clock;
mod crc64;
#[cfg(feature = "credentials")]
#[cfg_attr(docsrs, doc(cfg(feature = "credentials")))]
pub mod credentials;
mod endpoint;
mod error;
mod event;
mod files;
mod hints;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod internal;
mod options;
mod position;
mod proxy;
mod reader;
mod region;
mod request;
mod response;
mod retry;
mod sign;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
#[cfg_attr(
    not(test),
    expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "dates of our time, table indices, and parts of objects that are in memory"
    )
)]
pub mod testing;
mod tls;
mod transport;
mod wire;

pub use appender::{Appender, AppenderBuilder, FinishError, OnConflict, Rolled};
pub use auth::{Auth, Credentials, CredentialsProvider};
pub use body::Body;
pub use bucket::{Bucket, BucketBuilder, ObjectMeta};
pub use endpoint::Addressing;
pub use error::{BoxError, Error, ErrorKind, Found, Outcome, Result};
pub use event::{Event, Operation, Verdict};
pub use files::Resumed;
pub use options::{AppendOptions, Progress};
pub use position::{Appended, Checkpoint, Position};
pub use reader::ObjectReader;
pub use sign::SignatureVersion;

// Loggers, threads and `catch_unwind` ask for these. Every public type is here but `Body`, which may hold a borrowed reader;
// .ci/public-api looks.
const _: () = {
    const fn shared<T: Send + Sync + 'static>() {}
    const fn unwinds<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    shared::<(Bucket, BucketBuilder, Addressing, SignatureVersion, ObjectMeta, ObjectReader)>();
    shared::<(Auth, Credentials)>();
    shared::<(Appender, AppenderBuilder, FinishError, OnConflict, Rolled, Resumed)>();
    shared::<(AppendOptions, Progress, Appended, Checkpoint, Position)>();
    shared::<(Error, ErrorKind, Found, Outcome)>();
    #[cfg(feature = "credentials")]
    shared::<(credentials::Cached<credentials::Process>, credentials::Process, credentials::Uri)>();
    #[cfg(feature = "credentials")]
    shared::<(credentials::EcsRamRole, credentials::OidcRole)>();
    #[cfg(feature = "testing")]
    shared::<(testing::FakeOss, testing::Fault, testing::Recorded)>();
    shared::<(Event<'static>, Operation, Verdict)>();
    unwinds::<(Bucket, BucketBuilder, Appender)>();
};

// Pages, and no code: only documentation has it.
#[cfg(any(doc, doctest))]
pub mod guide;

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
