//! Questions to services that give out credentials.

use crate::{
    Body, Error,
    error::Result,
    request::{Method, Request},
    response::Answer,
    retry::Policy,
    transport::{Lost, Settings, Transport},
};
use std::time::Duration;

/// Of one question in all; the Go SDK v2 asks the metadata service as often.
const POLICY: Policy = Policy { attempts: 3, first: Duration::from_millis(100), longest: Duration::from_millis(500) };

/// One service. Never through a proxy: what it gives is for this machine.
pub(super) struct Web {
    transport: Transport,
    base: String,
}

impl Web {
    /// `base` is the address up to the path; `timeout` for connecting and for each wait for an answer.
    pub(super) fn new(base: &str, timeout: Duration) -> Result<Self> {
        let base = base.trim_end_matches('/');
        let Some(rest) = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://")) else {
            return Err(Error::invalid_input("the address of a credentials service begins with http:// or https://"));
        };
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        if host.is_empty() || host.contains('@') || !base.bytes().all(|b| b.is_ascii_graphic()) {
            // It may hold a password, so it is not repeated.
            return Err(Error::invalid_input("the address of a credentials service has no host, or more than that"));
        }
        let settings = Settings {
            connect_timeout: timeout,
            idle_timeout: timeout,
            // A server that lets a byte fall now and then is no better than one that is silent.
            request_timeout: Some(timeout.saturating_mul(3)),
            ..Settings::default()
        };
        Ok(Self { transport: Transport::new(&settings, base)?, base: base.to_owned() })
    }

    pub(super) fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Answer> {
        self.send(Method::Get, path, headers, &[]).map_err(|lost| lost.error)
    }

    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<Answer, Lost> {
        let mut request = Request::new(method, path);
        for (name, value) in headers {
            request = request.header(*name, (*value).to_owned());
        }
        let mut body = Body::from(body);
        let lost = |error| Lost { sent: crate::transport::Sent::Nothing, error };
        let mut body = body.attempt(None, u64::MAX, None).map_err(lost)?;
        self.transport.send(&format!("{}{path}", self.base), &request, &mut body)
    }
}

/// Again, a few times, where that may help.
pub(super) fn persist<T>(mut once: impl FnMut() -> Result<T>) -> Result<T> {
    let mut pauses = POLICY.pauses();
    for _ in 1..POLICY.attempts {
        match once() {
            Err(error) if error.is_transient() => pauses.wait(None, |_| {}),
            ended => return ended,
        }
    }
    once()
}

/// The answer if it is a 200.
pub(super) fn ok(answer: Answer, who: &str) -> Result<Answer> {
    match answer.status {
        200 => Ok(answer),
        status => Err(Error::new(crate::ErrorKind::Credentials, format!("{who} answers with status {status}"))
            .with_transient(answer.is_transient())),
    }
}
