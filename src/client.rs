//! One request, signed and sent: credentials asked for each time, a wrong clock and an expired token mended.

use crate::{
    auth::Auth,
    body::{Body, Exact},
    clock::Clock,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Result},
    event::{Event, Hook, Operation},
    request::{Method, Request},
    response::Answer,
    retry::Policy,
    sign::{self, Signer},
    transport::{Incoming, Lost, Sent, Transport},
};
use std::time::Duration;

/// Everything that requests to one bucket share.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) auth: Auth,
    pub(crate) endpoint: Endpoint,
    pub(crate) signer: Signer,
    pub(crate) transport: Transport,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
    pub(crate) hook: Hook,
}

/// What was already mended for the request that is repeated. Each is tried once: a second refusal in a row is the
/// service's word.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    clock: bool,
    credentials: bool,
}

/// What one try came to.
pub(crate) enum Try<T> {
    Done(T),
    /// No success, but another try may be one.
    Again(Error, Option<Duration>),
    Fail(Error),
}

impl<T> From<Lost> for Try<T> {
    fn from(lost: Lost) -> Self {
        match lost.error.kind() {
            ErrorKind::Transport => Self::Again(lost.error, None),
            _ => Self::Fail(lost.error),
        }
    }
}

impl Client {
    /// Signs and sends once.
    pub(crate) fn send(&self, request: &mut Request, body: &mut Exact<'_>) -> Result<Answer, Lost> {
        let url = self.sign(request).map_err(|error| Lost { sent: Sent::Nothing, error })?;
        self.transport.send(&url, request, body)
    }

    /// Sends a request without a body, again after a mend.
    pub(crate) fn once(&self, request: &mut Request) -> Result<Answer, Lost> {
        let mut mended = Mended::default();
        loop {
            let nothing = &mut Body::from(&[]);
            let answer = self.send(request, &mut nothing.attempt(None, 0, None).map_err(not_sent)?)?;
            if !self.mend(&answer, request, &mut mended) {
                return Ok(answer);
            }
        }
    }

    /// The same, with the body of a success left to be read.
    pub(crate) fn open(&self, request: &mut Request) -> Result<(Answer, Incoming), Lost> {
        let mut mended = Mended::default();
        loop {
            let url = self.sign(request).map_err(not_sent)?;
            let (mut answer, mut incoming) = self.transport.open(&url, request)?;
            if answer.status >= 300 {
                // An error document that cannot be read tells nothing; the status still does.
                let _ = incoming.read_up_to(Answer::BODY_LIMIT, &mut answer.body);
            }
            if !self.mend(&answer, request, &mut mended) {
                return Ok((answer, incoming));
            }
        }
    }

    /// Sends a request without a body as often as the policy says, and returns the first answer that is the service's
    /// and final: a success or a refusal.
    pub(crate) fn fetch(&self, mut request: Request) -> Result<Answer> {
        self.persist(&mut request, |request| match self.once(request) {
            Ok(answer) if answer.is_from_oss() && !answer.is_transient() => Try::Done(answer),
            Ok(answer) => Try::Again(answer.error(), answer.retry_after()),
            Err(lost) => lost.into(),
        })
    }

    /// Tries as often as the policy says, with its pauses.
    pub(crate) fn persist<T>(&self, request: &mut Request, mut once: impl FnMut(&mut Request) -> Try<T>) -> Result<T> {
        let (mut pauses, mut attempt) = (self.policy.pauses(), 1);
        loop {
            match once(request) {
                Try::Done(value) => return Ok(value),
                Try::Again(error, retry_after) if attempt < self.policy.attempts => {
                    pauses.wait(retry_after, |pause| self.tell_retry(request, attempt + 1, pause, &error));
                }
                Try::Again(error, _) | Try::Fail(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// A request that appends nothing is about to be repeated.
    pub(crate) fn tell_retry(&self, request: &Request, attempt: u32, pause: Duration, error: &Error) {
        let operation = match request.method {
            Method::Head => Operation::Head,
            Method::Get => Operation::Get,
            Method::Delete => Operation::Delete,
            // Appends have their own loop; this is the other thing to post.
            _ => Operation::Seal,
        };
        let (key, attempts) = (request.key.as_str(), self.policy.attempts);
        let (position, length) = (None, None);
        self.hook.tell(Event::Retry { operation, key, position, length, attempt, attempts, pause, error });
    }

    /// Can the refusal be mended by another date or another token? Then the same request may go out again.
    pub(crate) fn mend(&self, answer: &Answer, request: &Request, mended: &mut Mended) -> bool {
        let is_refusal = answer.status >= 400 && answer.is_from_oss();
        let code = if is_refusal { answer.refusal().code } else { None };
        match code.as_deref() {
            Some("RequestTimeTooSkewed") => {
                let learned = !std::mem::replace(&mut mended.clock, true)
                    && self.clock.learn(answer.server_time().as_deref(), answer.header("date"));
                if learned {
                    self.hook.tell(Event::ClockCorrected { key: &request.key, offset: self.clock.offset() });
                }
                learned
            }
            Some(
                "SecurityTokenExpired"
                | "InvalidSecurityToken"
                | "InvalidAccessKeyId"
                | "AccessKeyIdAndSecurityTokenNotMatch",
            ) => {
                if std::mem::replace(&mut mended.credentials, true) {
                    return false;
                }
                let others = self.auth.others_than(|credentials| sign::is_signed_by(request, credentials));
                if let Some(others) = &others {
                    let (key, key_id, error) = (&request.key, others.id(), &answer.error());
                    self.hook.tell(Event::CredentialsRefreshed { key, key_id, error });
                }
                others.is_some()
            }
            // Date and token were good: what is refused for them later is another matter.
            _ => {
                *mended = Mended::default();
                false
            }
        }
    }

    fn sign(&self, request: &mut Request) -> Result<String> {
        if let Some(credentials) = self.auth.credentials()? {
            let (bucket, region) = (self.endpoint.bucket(), self.endpoint.region());
            self.signer.sign(request, bucket, &credentials, region, self.clock.now());
        }
        Ok(self.endpoint.url(&request.key, &request.query_text()))
    }
}

fn not_sent(error: Error) -> Lost {
    Lost { sent: Sent::Nothing, error }
}
