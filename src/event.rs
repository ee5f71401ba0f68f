//! What an operator would want to know, as it happens.

use crate::{Checkpoint, error::Error};
use std::{
    cell::RefCell,
    error::Error as _,
    fmt::{self, Write as _},
    ptr,
    time::Duration,
};

/// Something went wrong, or was put right: what [`BucketBuilder::on_event`](crate::BucketBuilder::on_event) is told.
///
/// An append that meets no trouble raises nothing. One that does raises [`Retry`](Self::Retry) and [`Ask`](Self::Ask)
/// as they come, each before its pause, and ends with one [`Settled`](Self::Settled) as [`Landed`](Verdict::Landed) or
/// one [`Failed`](Self::Failed). Calls that append nothing raise `Retry`, and their error is only returned.
/// A clock or credentials that were put right, and nothing else, are told without an end.
///
/// As text an event is one line. It holds no secret, no token and no byte of a body; what a credentials provider of
/// yours puts into its error is shown as it is.
///
/// ```
/// use oss_append::testing::{FakeOss, Fault};
/// use std::sync::{Arc, Mutex};
///
/// let oss = FakeOss::start()?;
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let seen = Arc::clone(&lines);
/// let bucket = oss.builder("bucket").on_event(move |event| seen.lock().unwrap().push(event.to_string())).build()?;
///
/// oss.inject(Fault::Refuse(503, "SlowDown"));
/// bucket.append_object("log", 0, "once")?;
/// let lines = lines.lock().unwrap();
/// assert!(lines[0].starts_with(r#"ask about append to "log" at 0..4: the service refused (503 SlowDown"#));
/// assert_eq!(lines[1], r#"settled: append to "log" at 0..4 is not there yet"#);
/// assert!(lines[2].starts_with(r#"retry 2 of 3 of append to "log" at 0..4: the service refused (503 SlowDown"#));
/// assert_eq!(lines[3], r#"settled: append to "log" at 0..4 is in"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In a hook
///
/// It runs on the thread whose call met the trouble, in the middle of that call, which waits for it. Threads call it at
/// the same time. While it runs it is not called again on its thread: what it raises itself, as by logging into an
/// appender of the same bucket, is not told.
///
/// - A hook that waits for a mutex which its thread holds waits for ever. So does one that logs through a logger whose
///   sink is the very appender that raised the event. Give that appender a bucket of its own, built without a hook or
///   with one that writes to stderr; or send the event's text through a channel.
/// - A hook that panics does what a panicking progress callback does: the call unwinds, bytes on their way stay in
///   doubt, and the next call asks before it sends. A dropped [`Appender`](crate::Appender) swallows the panic.
/// - The HTTP client logs by itself, through the crate `log`: at DEBUG without paths and headers, at TRACE with heads
///   in hex and as text: `Authorization`, the security token, and bytes of bodies that are read or whose length is not
///   known. Leave its modules out (`ureq`,
///   `ureq_proto`, `rustls`) where that must not be read.
#[non_exhaustive]
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A request is about to be repeated.
    ///
    /// Not raised for one that goes out again at once, signed anew: see
    /// [`CredentialsRefreshed`](Self::CredentialsRefreshed) and [`ClockCorrected`](Self::ClockCorrected).
    #[non_exhaustive]
    Retry {
        /// What is repeated.
        operation: Operation,
        /// The object.
        key: &'e str,
        /// Where an append's bytes go; `None` for other requests.
        position: Option<u64>,
        /// How many bytes an append has; `None` too while the end of its source was not met.
        length: Option<u64>,
        /// The number of the attempt to come: 2 is the first repetition.
        attempt: u32,
        /// How many there can be, as [set](crate::BucketBuilder::attempts).
        attempts: u32,
        /// How long it waits first.
        pause: Duration,
        /// What became of the last one.
        error: &'e Error,
    },
    /// The service is about to be asked whether an append's bytes are in. Until `Settled` or `Failed` they are in doubt.
    #[non_exhaustive]
    Ask {
        /// The object.
        key: &'e str,
        /// Where the bytes should be.
        position: u64,
        /// How many they are, if known.
        length: Option<u64>,
        /// How long it waits first: a service that is too busy to append is asked later.
        pause: Duration,
        /// Why it is not known.
        error: &'e Error,
    },
    /// It is known what became of an append's bytes, or what is done since it cannot be.
    #[non_exhaustive]
    Settled {
        /// The object.
        key: &'e str,
        /// Where the bytes should be.
        position: u64,
        /// How many they are. Those that landed, where an earlier run had sent them in other pieces.
        length: Option<u64>,
        /// What became of them.
        verdict: Verdict,
    },
    /// An append failed: what the call returns, and loggers tend to swallow. Also from the drop of an
    /// [`Appender`](crate::Appender), which can tell nobody else.
    ///
    /// [`Error::outcome`] says what became of the bytes. [`Appender::resync`](crate::Appender::resync) and
    /// [`Bucket::resumable_append`](crate::Bucket::resumable_append) may go on behind it.
    #[non_exhaustive]
    Failed {
        /// The object.
        key: &'e str,
        /// Where the bytes should be.
        position: u64,
        /// How many they are, if known.
        length: Option<u64>,
        /// Why.
        error: &'e Error,
    },
    /// An [`Appender`](crate::Appender) goes on in the next object.
    #[non_exhaustive]
    RolledOver {
        /// The object that is full.
        key: &'e str,
        /// Where it ends, confirmed.
        checkpoint: Checkpoint,
        /// The next object.
        next_key: &'e str,
    },
    /// The service refused the credentials, and the provider has others: the next request is signed with these.
    #[non_exhaustive]
    CredentialsRefreshed {
        /// The object of the refused request.
        key: &'e str,
        /// Of the new ones.
        key_id: &'e str,
        /// The refusal.
        error: &'e Error,
    },
    /// The service refused a request for its date, and told the time: requests are dated by its clock from now on.
    #[non_exhaustive]
    ClockCorrected {
        /// The object of the refused request.
        key: &'e str,
        /// Seconds by which the service's clock is ahead of this machine's; negative if behind.
        offset: i64,
    },
}

/// What a request was to do.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To append bytes.
    Append,
    /// To ask for an object's length and metadata.
    Head,
    /// To read an object's bytes.
    Get,
    /// To delete an object.
    Delete,
    /// To seal an object.
    Seal,
}

/// What became of an append that met trouble.
///
/// ```
/// # use oss_append::testing::{FakeOss, Fault};
/// use oss_append::{Event, Verdict};
/// use std::sync::{Arc, Mutex};
///
/// let oss = FakeOss::start()?;
/// let landed = Arc::new(Mutex::new(0));
/// let count = Arc::clone(&landed);
/// let builder = oss.builder("bucket").on_event(move |event| {
///     if let Event::Settled { verdict: Verdict::Landed, .. } = event {
///         *count.lock().unwrap() += 1;
///     }
/// });
/// oss.inject(Fault::LoseAnswer);
/// builder.build()?.append_object("log", 0, "once")?;
/// assert_eq!(*landed.lock().unwrap(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The bytes are in, once. The last word about them.
    Landed,
    /// They are not there yet: they are sent again if an attempt is left.
    NotThere,
    /// These credentials may not read. The same bytes are presented again if an attempt is left: they can land only
    /// once, and the answer tells.
    Forbidden,
    /// Others' bytes were proved to be in their place, and they go behind these
    /// ([`OnConflict::Rebase`](crate::OnConflict::Rebase)).
    Moved {
        /// Where they go now.
        position: u64,
    },
}

impl fmt::Display for Event<'_> {
    /// One line, with the causes of an error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        match *self {
            Event::Retry { operation, key, position, length, attempt, attempts, pause, error } => {
                let place = Place { operation, key, position, length };
                write!(line, "retry {attempt} of {attempts} of {place}{}: {}", In(pause), Why(error))
            }
            Event::Ask { key, position, length, pause, error } => {
                write!(line, "ask about {}{}: {}", Place::append(key, position, length), In(pause), Why(error))
            }
            Event::Settled { key, position, length, verdict } => {
                write!(line, "settled: {} {verdict}", Place::append(key, position, length))
            }
            // The error names the place.
            Event::Failed { error, .. } => write!(line, "failed: {}", Chain(error)),
            Event::RolledOver { key, checkpoint, next_key } => {
                write!(line, "rolled over from {key:?} to {next_key:?}: the first ends at {checkpoint}")
            }
            Event::CredentialsRefreshed { key_id, error, .. } => {
                write!(line, "credentials refreshed: the key id is {key_id} now, after {}", Chain(error))
            }
            Event::ClockCorrected { offset, .. } => {
                let side = if offset < 0 { "behind" } else { "ahead of" };
                write!(line, "clock corrected: the service is {} s {side} this machine", offset.unsigned_abs())
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append => "append",
            Self::Head => "head",
            Self::Get => "get",
            Self::Delete => "delete",
            Self::Seal => "seal",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Landed => f.write_str("is in"),
            Self::NotThere => f.write_str("is not there yet"),
            Self::Forbidden => f.write_str("may not be looked for: these credentials cannot read"),
            Self::Moved { position } => write!(f, "goes to {position}: others appended"),
        }
    }
}

/// `append to "log" at 5..9`, as errors and events have it.
pub(crate) struct Place<'a> {
    operation: Operation,
    key: &'a str,
    position: Option<u64>,
    length: Option<u64>,
}

impl<'a> Place<'a> {
    pub(crate) fn append(key: &'a str, position: u64, length: Option<u64>) -> Self {
        Self { operation: Operation::Append, key, position: Some(position), length }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = if self.operation == Operation::Append { "to" } else { "of" };
        write!(f, "{} {link} {:?}", self.operation, self.key)?;
        match (self.position, self.length) {
            (Some(position), Some(length)) => write!(f, " at {position}..{}", position.saturating_add(length)),
            (Some(position), None) => write!(f, " at {position}"),
            (None, _) => Ok(()),
        }
    }
}

/// ` in 180ms`; nothing if that is at once.
struct In(Duration);

impl fmt::Display for In {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = Duration::from_millis(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX));
        if whole.is_zero() { Ok(()) } else { write!(f, " in {whole:?}") }
    }
}

/// An error and its causes.
struct Chain<'a>(&'a Error);

/// The same without its outcome, which is not final and goes without saying: there is still something to ask or to
/// repeat.
struct Why<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        causes(self.0, f)
    }
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_what(f)?;
        causes(self.0, f)
    }
}

fn causes(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut next = error.source();
    while let Some(cause) = next {
        write!(f, ": {cause}")?;
        next = cause.source();
    }
    Ok(())
}

/// What others wrote must not begin a line of its own, nor steer a terminal.
struct OneLine<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (n, part) in text.split(char::is_control).enumerate() {
            if n > 0 {
                self.0.write_char(' ')?;
            }
            self.0.write_str(part)?;
        }
        Ok(())
    }
}

type Callback = dyn Fn(&Event<'_>) + Send + Sync;

/// Whom to tell, if anybody.
#[derive(Default)]
pub(crate) struct Hook(Option<Box<Callback>>);

thread_local! {
    /// The hooks this thread is in. Not one flag: a logger's bucket may have a hook of its own, for when logging fails.
    static RUNNING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Hook {
    pub(crate) fn new(callback: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    /// Not from inside itself: what a hook does may raise events, too.
    pub(crate) fn tell(&self, event: Event<'_>) {
        let Some(callback) = &self.0 else { return };
        let hook = ptr::from_ref(self).addr();
        let enter = |running: &RefCell<Vec<usize>>| {
            let free = !running.borrow().contains(&hook);
            if free {
                running.borrow_mut().push(hook);
            }
            free
        };
        // A thread at its very end has no list any more. Silence there is better than a hook without an end.
        if RUNNING.try_with(enter).unwrap_or(false) {
            let _leave = Leave;
            callback(&event);
        }
    }
}

/// Also when the hook panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let _ = RUNNING.try_with(|running| running.borrow_mut().pop());
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hook").field(&self.0.is_some()).finish()
    }
}
