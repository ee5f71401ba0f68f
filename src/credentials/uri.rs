//! Keys from a URI (the credentials tool: URI).

use super::{
    Cached,
    document::{Document, Needs},
    provider,
    web::{self, Web},
};
use crate::{
    BoxError, Credentials, CredentialsProvider, Error,
    auth::environment::{not_set, said, variable},
    error::Result,
};
use std::{fmt, time::Duration};

/// The keys that a service on this machine or near it gives out: an answer of 200 to GET, whose JSON has `AccessKeyId`,
/// `AccessKeySecret`, `SecurityToken` and `Expiration`.
///
/// The address may hold a password of its own, which is never shown. The service is never asked through a proxy.
///
/// ```no_run
/// use oss_append::{Auth, credentials::Uri};
///
/// let auth = Auth::provider(Uri::new("http://127.0.0.1:9999/keys"));
/// # drop(auth);
/// ```
#[must_use = "does nothing until it provides"]
pub struct Uri(Cached<Address>);

provider!(Uri);

struct Address {
    uri: String,
    timeout: Duration,
}

impl Uri {
    /// `http://` or `https://`. Looked at when it is used.
    pub fn new(uri: &str) -> Self {
        Self(Cached::new(Address { uri: uri.to_owned(), timeout: Duration::from_secs(10) }))
    }

    /// `ALIBABA_CLOUD_CREDENTIALS_URI`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is not set.
    pub fn from_env() -> Result<Self> {
        let uri = said(&variable, VARIABLE);
        let missing = || not_set(&[(true, VARIABLE, &format!("{VARIABLE}=http://<address>"))]);
        Ok(Self::new(&uri.ok_or_else(missing)?))
    }

    /// For connecting, and for each wait for an answer; ten seconds unless said.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.provider.timeout = limit;
        self
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uri").finish_non_exhaustive()
    }
}

impl CredentialsProvider for Address {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        let (web, path) = self.web()?;
        let answer = web::persist(|| web::ok(web.get(path, &[])?, "the credentials URI"))?;
        let document = Document::parse(&answer.body).and_then(|document| document.credentials(Needs::All));
        Ok(document.map_err(|error| error.at("the credentials URI's document"))?)
    }
}

impl Address {
    fn web(&self) -> Result<(Web, &str)> {
        let uri = self.uri.trim();
        let host = uri.find("://").map_or(0, |at| at + 3);
        let path = uri[host..].find(['/', '?', '#']).map_or(uri.len(), |at| host + at);
        if !uri.bytes().all(|b| b.is_ascii_graphic()) || uri.contains('#') {
            return Err(Error::invalid_input("the credentials URI has characters that no URI has"));
        }
        let (base, path) = uri.split_at(path);
        Ok((Web::new(base, self.timeout)?, path))
    }
}

const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";
