//! One request, signed and sent: credentials asked for each time, a wrong clock and an expired token mended once.

use crate::{
    auth::Auth,
    body::{Body, Exact},
    clock::Clock,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Result},
    request::Request,
    response::Answer,
    retry::Policy,
    sign,
    transport::{Incoming, Lost, Sent, Transport},
};
use std::{io::Read, time::Duration};

/// Everything that requests to one bucket share.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) auth: Auth,
    pub(crate) endpoint: Endpoint,
    pub(crate) transport: Transport,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
}

/// What was already mended for one request. Each is tried once: a second refusal is the service's word.
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
                let _ = incoming.by_ref().take(Answer::BODY_LIMIT).read_to_end(&mut answer.body);
            }
            if !self.mend(&answer, request, &mut mended) {
                return Ok((answer, incoming));
            }
        }
    }

    /// Sends a request without a body as often as the policy says, and returns the first answer that is the service's
    /// and final: a success or a refusal.
    pub(crate) fn fetch(&self, mut request: Request) -> Result<Answer> {
        self.persist(|| match self.once(&mut request) {
            Ok(answer) if answer.is_from_oss() && !answer.is_transient() => Try::Done(answer),
            Ok(answer) => Try::Again(answer.error(), answer.retry_after()),
            Err(lost) => lost.into(),
        })
    }

    /// Tries as often as the policy says, with its pauses.
    pub(crate) fn persist<T>(&self, mut once: impl FnMut() -> Try<T>) -> Result<T> {
        let (mut pauses, mut attempt) = (self.policy.pauses(), 1);
        loop {
            match once() {
                Try::Done(value) => return Ok(value),
                Try::Again(_, retry_after) if attempt < self.policy.attempts => pauses.wait(retry_after),
                Try::Again(error, _) | Try::Fail(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Can the refusal be mended by another date or another token? Then the same request may go out again.
    pub(crate) fn mend(&self, answer: &Answer, request: &Request, mended: &mut Mended) -> bool {
        if answer.status < 400 || !answer.is_from_oss() {
            return false;
        }
        match answer.refusal().code.as_deref() {
            Some("RequestTimeTooSkewed") if !mended.clock => {
                mended.clock = true;
                self.clock.learn(answer.server_time().as_deref(), answer.header("date"))
            }
            Some(
                "SecurityTokenExpired"
                | "InvalidSecurityToken"
                | "InvalidAccessKeyId"
                | "AccessKeyIdAndSecurityTokenNotMatch",
            ) if !mended.credentials => {
                mended.credentials = true;
                // The provider may have others by now; the same ones would be refused again.
                self.auth
                    .credentials()
                    .is_ok_and(|fresh| fresh.is_some_and(|fresh| !sign::is_signed_by(request, &fresh)))
            }
            _ => false,
        }
    }

    fn sign(&self, request: &mut Request) -> Result<String> {
        if let Some(credentials) = self.auth.credentials()? {
            sign::sign(request, self.endpoint.bucket(), &credentials, self.endpoint.region(), self.clock.now());
        }
        Ok(self.endpoint.url(&request.key, &request.query_text()))
    }
}

fn not_sent(error: Error) -> Lost {
    Lost { sent: Sent::Nothing, error }
}
