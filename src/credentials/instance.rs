//! The RAM role of an ECS instance (the credentials tool and the Go SDK v2: ECS RAM role).

use super::{
    Cached,
    document::{Document, Needs},
    provider,
    web::{self, Web},
};
use crate::{
    BoxError, Credentials, CredentialsProvider, Error, ErrorKind,
    auth::environment::{Lookup, said, variable},
    error::Result,
    request::Method,
    transport::Sent,
};
use std::{fmt, time::Duration};

const ENDPOINT: &str = "http://100.100.100.200";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const TOKEN: &str = "/latest/api/token";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
const TOKEN_LIFE_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
/// Six hours, the most there is; the token is used at once.
const TOKEN_LIFE: &str = "21600";

/// The keys of the RAM role that an ECS instance has, from its metadata service.
///
/// The service is asked in its hardened mode (with a token of its own), and without where it gives none; see
/// [`hardened`](Self::hardened). It is never asked through a proxy. It answers within a second or not at all; a question
/// without an answer is asked three times.
///
/// ```no_run
/// use oss_append::{Auth, credentials::EcsRamRole};
///
/// let auth = Auth::provider(EcsRamRole::new());
/// # drop(auth);
/// ```
#[doc(alias = "EcsRamRoleCredentialsProvider")]
#[must_use = "does nothing until it provides"]
pub struct EcsRamRole(Cached<Metadata>);

provider!(EcsRamRole);

struct Metadata {
    endpoint: String,
    role: Option<String>,
    hardened: bool,
    timeout: Duration,
}

impl EcsRamRole {
    /// Whatever role the instance has: it is asked for its name.
    pub fn new() -> Self {
        let endpoint = ENDPOINT.to_owned();
        Self(Cached::new(Metadata { endpoint, role: None, hardened: false, timeout: Duration::from_secs(1) }))
    }

    /// As the environment says: `ALIBABA_CLOUD_ECS_METADATA` is the role's name, if it is set; with
    /// `ALIBABA_CLOUD_IMDSV1_DISABLED=true` it is [`hardened`](Self::hardened).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with `ALIBABA_CLOUD_ECS_METADATA_DISABLED=true`: the metadata service must not be asked.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(&variable).ok_or_else(|| {
            Error::invalid_input(format!("the metadata service must not be asked: {DISABLED_VARIABLE} is true"))
        })
    }

    /// `None`: it must not be asked.
    pub(super) fn from_variables(lookup: Lookup<'_>) -> Option<Self> {
        let is_true = |name| said(lookup, name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_true(DISABLED_VARIABLE) {
            return None;
        }
        let mut role = Self::new().hardened(is_true(HARDENED_VARIABLE));
        role.0.provider.role = said(lookup, ROLE_VARIABLE);
        Some(role)
    }

    /// The role's name, so that it is not asked for.
    pub fn role_name(mut self, name: &str) -> Self {
        self.0.provider.role = Some(name.to_owned());
        self
    }

    /// Without a token from the service there is no question: for instances where IMDSv1 is switched off, or should be.
    pub fn hardened(mut self, only: bool) -> Self {
        self.0.provider.hardened = only;
        self
    }

    /// Where the service is; `http://100.100.100.200` unless said. For tests, and for stand-ins that keep this protocol.
    pub fn endpoint(mut self, url: &str) -> Self {
        self.0.provider.endpoint = url.to_owned();
        self
    }

    /// For connecting, and for each wait for an answer; one second unless said.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.provider.timeout = limit;
        self
    }
}

impl Default for EcsRamRole {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EcsRamRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcsRamRole").field("role_name", &self.0.provider.role).finish_non_exhaustive()
    }
}

impl CredentialsProvider for Metadata {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        let web = Web::new(&self.endpoint, self.timeout)?;
        if let Some(role) = &self.role
            && !is_role(role)
        {
            return Err(Error::invalid_input(format!("{role:?} cannot be the name of a RAM role")).into());
        }
        Ok(web::persist(|| self.ask(&web))?)
    }
}

impl Metadata {
    fn ask(&self, web: &Web) -> Result<Credentials> {
        let token = self.token(web)?;
        let headers: Vec<_> = token.iter().map(|token| (TOKEN_HEADER, &**token)).collect();
        let role = match &self.role {
            Some(role) => role.clone(),
            None => role_of_instance(web, &headers)?,
        };
        let answer = web.get(&format!("{ROLES}{role}"), &headers)?;
        if answer.status == 404 {
            return Err(failed(format!("the instance does not have the RAM role {role:?}")));
        }
        let answer = web::ok(answer, WHO)?;
        let document = Document::parse(&answer.body).map_err(|error| error.at(DOCUMENT))?;
        match document.text(&["Code"]).map_err(|error| error.at(DOCUMENT))? {
            Some("Success") => document.credentials(Needs::All).map_err(|error| error.at(DOCUMENT)),
            Some(code) => Err(failed(format!("{DOCUMENT} says {:?}, not Success", short(code)))),
            None => Err(failed(format!("{DOCUMENT}: Code is missing or empty"))),
        }
    }

    /// Without one the service is asked all the same, unless that is ruled out: older ones have none, and on the way out
    /// of a container its answer can be dropped.
    fn token(&self, web: &Web) -> Result<Option<String>> {
        match web.send(Method::Put, TOKEN, &[(TOKEN_LIFE_HEADER, TOKEN_LIFE)], &[]) {
            Ok(answer) => {
                let token = String::from_utf8_lossy(&answer.body).trim().to_owned();
                if answer.status == 200 && !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) {
                    return Ok(Some(token));
                }
                if self.hardened {
                    web::ok(answer, WHO)?;
                    return Err(failed(format!("{WHO} gives no usable token")));
                }
                Ok(None)
            }
            // Nobody is there.
            Err(lost) if lost.sent == Sent::Nothing || self.hardened => Err(lost.error),
            Err(_) => Ok(None),
        }
    }
}

fn role_of_instance(web: &Web, headers: &[(&'static str, &str)]) -> Result<String> {
    let answer = web.get(ROLES, headers)?;
    if answer.status == 404 {
        return Err(failed("the instance has no RAM role"));
    }
    let answer = web::ok(answer, WHO)?;
    let role = String::from_utf8_lossy(&answer.body).trim().to_owned();
    if is_role(&role) { Ok(role) } else { Err(failed(format!("{WHO} gives no name of a RAM role"))) }
}

/// Letters, digits, `.` and `-` by the rules of RAM; what matters is that it stays one step of a path.
fn is_role(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

fn failed(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Credentials, what.into())
}

const WHO: &str = "the metadata service";
const DOCUMENT: &str = "the metadata service's document";
const ROLE_VARIABLE: &str = "ALIBABA_CLOUD_ECS_METADATA";
pub(super) const DISABLED_VARIABLE: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";
const HARDENED_VARIABLE: &str = "ALIBABA_CLOUD_IMDSV1_DISABLED";
