//! A RAM role for those who can show an OIDC token: RRSA (the credentials tool: OIDC; STS: AssumeRoleWithOIDC).

use super::{
    Cached,
    document::{Document, Needs},
    provider,
    web::{self, Web},
};
use crate::{
    BoxError, Credentials, CredentialsProvider, Error, ErrorKind,
    auth::environment::{Lookup, not_set, said, variable},
    clock::{self, Clock},
    endpoint::split_scheme,
    error::Result,
    request::{CONTENT_TYPE, Method, Request},
    response::Answer,
};
use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

const ENDPOINT: &str = "https://sts.aliyuncs.com";
/// STS gives out nothing that lives shorter (AssumeRoleWithOIDC).
const SHORTEST: u64 = 900;
const HOUR: u64 = 3600;
/// STS takes tokens of at most 20,000 characters; a file that is much longer holds something else.
const TOKEN_LIMIT: u64 = 64 << 10;

/// The keys of a RAM role, for an OIDC token that is kept in a file: RRSA in a pod of ACK, or another identity provider.
///
/// The file is read again at each refresh, since its token is replaced while the pod runs. The request to STS is not
/// signed: the token is the proof, so the address should be `https`.
///
/// ```no_run
/// # fn main() -> oss_append::Result<()> {
/// use oss_append::{Auth, credentials::OidcRole};
///
/// let auth = Auth::provider(OidcRole::from_env()?.session_name("log-writer"));
/// # drop(auth); Ok(()) }
/// ```
#[doc(alias = "RRSA")]
#[must_use = "does nothing until it provides"]
pub struct OidcRole(Cached<Sts>);

provider!(OidcRole);

struct Sts {
    role_arn: String,
    provider_arn: String,
    token_file: PathBuf,
    session_name: String,
    duration: u64,
    policy: Option<String>,
    endpoint: String,
    timeout: Duration,
    clock: Clock,
}

impl OidcRole {
    /// The role, the identity provider that RAM knows, and the file with the token.
    pub fn new(role_arn: &str, provider_arn: &str, token_file: impl AsRef<Path>) -> Self {
        Self(Cached::new(Sts {
            role_arn: role_arn.to_owned(),
            provider_arn: provider_arn.to_owned(),
            token_file: token_file.as_ref().to_owned(),
            session_name: "oss-append".to_owned(),
            duration: HOUR,
            policy: None,
            endpoint: ENDPOINT.to_owned(),
            timeout: Duration::from_secs(10),
            clock: Clock::default(),
        }))
    }

    /// As RRSA sets them: `ALIBABA_CLOUD_ROLE_ARN`, `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`, `ALIBABA_CLOUD_OIDC_TOKEN_FILE`,
    /// and if it is set `ALIBABA_CLOUD_ROLE_SESSION_NAME`.
    ///
    /// STS is that of `ALIBABA_CLOUD_STS_ENDPOINT`, else of the region `ALIBABA_CLOUD_STS_REGION` (inside the VPC with
    /// `ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED=true`), else the one for all regions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when one of the first three is not set; it names each.
    pub fn from_env() -> Result<Self> {
        Self::read(&variable)
    }

    /// `None` if nothing speaks of a token. A role alone does not: other tools mean other things by it.
    pub(super) fn from_variables(lookup: Lookup<'_>) -> Result<Option<Self>> {
        match (said(lookup, TOKEN_FILE_VARIABLE), said(lookup, PROVIDER_VARIABLE)) {
            (None, None) => Ok(None),
            _ => Self::read(lookup).map(Some),
        }
    }

    fn read(lookup: Lookup<'_>) -> Result<Self> {
        let [role, provider, file] =
            [ROLE_VARIABLE, PROVIDER_VARIABLE, TOKEN_FILE_VARIABLE].map(|name| said(lookup, name));
        let (Some(role), Some(provider), Some(file)) = (&role, &provider, &file) else {
            return Err(not_set(&[
                (role.is_none(), ROLE_VARIABLE, "ALIBABA_CLOUD_ROLE_ARN=acs:ram::<account>:role/<name>"),
                (
                    provider.is_none(),
                    PROVIDER_VARIABLE,
                    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN=acs:ram::<account>:oidc-provider/<name>",
                ),
                (file.is_none(), TOKEN_FILE_VARIABLE, "ALIBABA_CLOUD_OIDC_TOKEN_FILE=<path>"),
            ]));
        };
        let mut this = Self::new(role, provider, file);
        if let Some(name) = said(lookup, SESSION_VARIABLE) {
            this = this.session_name(&name);
        }
        let vpc = said(lookup, VPC_VARIABLE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        match (said(lookup, ENDPOINT_VARIABLE), said(lookup, REGION_VARIABLE)) {
            (Some(endpoint), _) => this = this.endpoint(&endpoint),
            (None, Some(region)) => {
                let sts = if vpc { "sts-vpc" } else { "sts" };
                this = this.endpoint(&format!("https://{sts}.{region}.aliyuncs.com"));
            }
            (None, None) => {}
        }
        Ok(this)
    }

    /// What the service's logs call this program; `oss-append` unless said.
    pub fn session_name(mut self, name: &str) -> Self {
        self.0.provider.session_name = name.to_owned();
        self
    }

    /// How long the keys shall live: at least 15 minutes, at most what the role allows; an hour unless said.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.0.provider.duration = duration.as_secs();
        self
    }

    /// A policy as JSON that takes away rights from the role's.
    pub fn policy(mut self, policy: &str) -> Self {
        self.0.provider.policy = Some(policy.to_owned());
        self
    }

    /// Where STS is: `https://sts.cn-hangzhou.aliyuncs.com`. Without a scheme it is https.
    pub fn endpoint(mut self, url: &str) -> Self {
        let scheme = if split_scheme(url).is_some() { "" } else { "https://" };
        self.0.provider.endpoint = format!("{scheme}{url}");
        self
    }

    /// For connecting, and for each wait for an answer; ten seconds unless said.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.provider.timeout = limit;
        self
    }
}

impl fmt::Debug for OidcRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcRole").field("role_arn", &self.0.provider.role_arn).finish_non_exhaustive()
    }
}

impl CredentialsProvider for Sts {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        if self.duration < SHORTEST {
            return Err(Error::invalid_input("STS gives out nothing that lives shorter than 15 minutes").into());
        }
        let web = Web::new(&self.endpoint, self.timeout)?;
        Ok(web::persist(|| self.ask(&web))?)
    }
}

impl Sts {
    fn ask(&self, web: &Web) -> Result<Credentials> {
        let token = self.token().map_err(|error| {
            let path = self.token_file.display();
            Error::new(ErrorKind::Credentials, format!("the OIDC token cannot be read from {path}")).with_source(error)
        })?;
        let query = Request::new(Method::Post, "")
            .query("Action", "AssumeRoleWithOIDC")
            .query("Version", "2015-04-01")
            .query("Format", "JSON")
            .query("Timestamp", clock::iso_8601(self.clock.now()));
        let mut form = Request::new(Method::Post, "")
            .query("RoleArn", self.role_arn.clone())
            .query("OIDCProviderArn", self.provider_arn.clone())
            .query("OIDCToken", token)
            .query("RoleSessionName", self.session_name.clone())
            .query("DurationSeconds", self.duration.to_string());
        if let Some(policy) = &self.policy {
            form = form.query("Policy", policy.clone());
        }
        let headers = [(CONTENT_TYPE, "application/x-www-form-urlencoded")];
        let path = format!("/?{}", query.query_text());
        let answer = web.send(Method::Post, &path, &headers, form.query_text().as_bytes());
        let answer = answer.map_err(|lost| lost.error)?;
        if answer.status != 200 {
            return Err(refused(&answer));
        }
        let document = Document::parse(&answer.body).and_then(|document| document.within("Credentials"));
        document.and_then(|keys| keys.credentials(Needs::All)).map_err(|error| error.at("STS's document"))
    }

    fn token(&self) -> io::Result<String> {
        let mut text = String::new();
        File::open(&self.token_file)?.take(TOKEN_LIMIT + 1).read_to_string(&mut text)?;
        match text.trim() {
            "" => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")),
            _ if text.len() as u64 > TOKEN_LIMIT => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too long for a token"))
            }
            token => Ok(token.to_owned()),
        }
    }
}

/// What STS said. Long words are left out: one of them might be the token.
fn refused(answer: &Answer) -> Error {
    let document = Document::parse(&answer.body).ok();
    let said = |name: &str| {
        let words = document.as_ref()?.text(&[name]).ok()??.split_whitespace();
        let words: Vec<_> = words.take(60).map(|word| if word.len() > 48 { "..." } else { word }).collect();
        Some(words.join(" ").replace(char::is_control, ""))
    };
    let mut what = format!("STS answers with status {}", answer.status);
    for (name, before) in [("Code", ", "), ("RequestId", ", request id "), ("Message", ": ")] {
        if let Some(text) = said(name) {
            what.extend([before, &text]);
        }
    }
    Error::new(ErrorKind::Credentials, what).with_transient(answer.is_transient())
}

const ROLE_VARIABLE: &str = "ALIBABA_CLOUD_ROLE_ARN";
const PROVIDER_VARIABLE: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
pub(super) const TOKEN_FILE_VARIABLE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";
const SESSION_VARIABLE: &str = "ALIBABA_CLOUD_ROLE_SESSION_NAME";
const ENDPOINT_VARIABLE: &str = "ALIBABA_CLOUD_STS_ENDPOINT";
const REGION_VARIABLE: &str = "ALIBABA_CLOUD_STS_REGION";
const VPC_VARIABLE: &str = "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED";
