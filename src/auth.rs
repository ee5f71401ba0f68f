//! Who is asking. The only file that reads the environment.

use std::{fmt, sync::Arc};

use crate::error::{BoxError, Error, ErrorKind, Result};

/// How requests are signed.
///
/// Nothing is checked here: keys that cannot be used are an error of the first call that signs with them. Debug
/// shows the key id at most, never a secret or token.
///
/// ```
/// use oss_append::Auth;
///
/// let auth = Auth::new("LTAI5t-example", "not-for-printing");
/// assert!(!format!("{auth:?}").contains("not-for-printing"));
/// ```
#[doc(alias = "ProviderAuth")]
#[derive(Clone)]
pub struct Auth(Source);

#[derive(Clone)]
enum Source {
    Anonymous,
    Fixed(Credentials),
    Provider(Arc<dyn CredentialsProvider>),
}

impl Auth {
    /// A fixed key pair. Blanks around either are cut off.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self(Source::Fixed(Credentials::new(id, secret)))
    }

    /// A temporary key pair with its security token. When it expires, so does this: see [`provider`](Self::provider).
    #[doc(alias = "StsAuth")]
    pub fn sts(id: impl Into<String>, secret: impl Into<String>, token: impl Into<String>) -> Self {
        Self(Source::Fixed(Credentials::new(id, secret).with_token(token)))
    }

    /// Unsigned requests: only what the bucket lets everybody do.
    #[doc(alias = "AnonymousAuth")]
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Source::Anonymous)
    }

    /// `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET` and, for temporary keys, `OSS_SESSION_TOKEN`: the variables of the
    /// service's own SDKs and of ossutil. Read once, here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when a key is missing, empty or not text that can be sent; it names every variable
    /// to set.
    ///
    /// ```
    /// use oss_append::Auth;
    ///
    /// let auth = Auth::from_env().unwrap_or_else(|missing| {
    ///     eprintln!("{missing}; going on without keys");
    ///     Auth::anonymous()
    /// });
    /// # drop(auth);
    /// ```
    #[doc(alias = "EnvironmentVariableCredentialsProvider")]
    pub fn from_env() -> Result<Self> {
        Self::from_variables(variable)
    }

    /// Asked before every request, and once more when the service says that a token has expired: a closure or your own
    /// type.
    ///
    /// ```
    /// use oss_append::{Auth, Credentials};
    ///
    /// fn fetch() -> std::io::Result<[String; 3]> {
    ///     Ok(["id".into(), "secret".into(), "token".into()]) // from your vault; cached there
    /// }
    ///
    /// let auth = Auth::provider(|| {
    ///     let [id, secret, token] = fetch()?;
    ///     Ok(Credentials::new(id, secret).with_token(token))
    /// });
    /// # drop(auth);
    /// ```
    pub fn provider(provider: impl CredentialsProvider + 'static) -> Self {
        Self(Source::Provider(Arc::new(provider)))
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self.0, Source::Anonymous)
    }

    /// What to sign the next request with; `None`: it stays unsigned.
    pub(crate) fn credentials(&self) -> Result<Option<Credentials>> {
        match &self.0 {
            Source::Anonymous => Ok(None),
            Source::Fixed(credentials) => {
                credentials.check()?;
                Ok(Some(credentials.clone()))
            }
            Source::Provider(provider) => {
                let credentials = provider.credentials().map_err(|source| {
                    Error::new(ErrorKind::Credentials, "the credentials provider failed").with_source(source)
                })?;
                credentials.check().map_err(|e| e.with_kind(ErrorKind::Credentials).at("the credentials provider"))?;
                Ok(Some(credentials))
            }
        }
    }

    fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let (id, secret) = (said(&lookup, KEY_ID), said(&lookup, KEY_SECRET));
        let (Some(id), Some(secret)) = (&id, &secret) else {
            return Err(not_set(&[
                (id.is_none(), KEY_ID, "OSS_ACCESS_KEY_ID=<id>"),
                (secret.is_none(), KEY_SECRET, "OSS_ACCESS_KEY_SECRET=<secret>"),
            ]));
        };
        let credentials = Credentials::new(id, secret).with_token(lookup(SESSION_TOKEN).unwrap_or_default());
        credentials.check().map_err(|e| e.at("the environment's OSS_* variables"))?;
        Ok(Self(Source::Fixed(credentials)))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Anonymous => f.write_str("Auth(anonymous)"),
            Source::Fixed(credentials) => f.debug_tuple("Auth").field(credentials).finish(),
            Source::Provider(_) => f.write_str("Auth(provider)"),
        }
    }
}

/// One key pair, as a provider returns it. Debug shows the key id only.
///
/// ```
/// use oss_append::Credentials;
///
/// let temporary = Credentials::new("STS.example", "not-for-printing").with_token("nor this");
/// assert_eq!(format!("{temporary:?}"), r#"Credentials { id: "STS.example", .. }"#);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    id: String,
    secret: String,
    token: Option<String>,
}

impl Credentials {
    /// A key pair. Blanks around either are cut off: they come along when keys are copied from files.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: trimmed(id), secret: trimmed(secret), token: None }
    }

    /// The same with a security token; an empty one means none.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(trimmed(token)).filter(|token| !token.is_empty());
        self
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Id and token go into headers; a secret with anything else in it was copied wrong. None is ever repeated.
    fn check(&self) -> Result<()> {
        let parts = [("access key id", &*self.id), ("access key secret", &*self.secret)];
        for (what, value) in parts.into_iter().chain(self.token().map(|token| ("security token", token))) {
            if value.is_empty() {
                return Err(Error::invalid_input(format!("the {what} is empty")));
            }
            if !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
                return Err(Error::invalid_input(format!(
                    "the {what} has characters that cannot stand in a header: copy it again, on one line"
                )));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A source of credentials, for [`Auth::provider`].
///
/// It is asked on the thread that appends, before every request: be quick, or cache. Closures are providers; so is an
/// `Arc` of one, to be shared or looked at from outside.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use oss_append::{Auth, BoxError, Credentials, CredentialsProvider};
///
/// struct Rotating(Mutex<Credentials>);
///
/// impl CredentialsProvider for Rotating {
///     fn credentials(&self) -> Result<Credentials, BoxError> {
///         Ok(self.0.lock().map_err(|_| "a rotation panicked")?.clone())
///     }
/// }
///
/// let keys = Arc::new(Rotating(Mutex::new(Credentials::new("id", "secret"))));
/// let auth = Auth::provider(Arc::clone(&keys));
/// *keys.0.lock().unwrap() = Credentials::new("next", "secret"); // the next request is signed with it
/// # drop(auth);
/// ```
pub trait CredentialsProvider: Send + Sync {
    /// The credentials to sign the next request with.
    ///
    /// # Errors
    ///
    /// Whatever kept you from having any: the call that needed them fails with [`ErrorKind::Credentials`] and this as
    /// its source.
    fn credentials(&self) -> Result<Credentials, BoxError>;
}

impl<F> CredentialsProvider for F
where
    F: Fn() -> Result<Credentials, BoxError> + Send + Sync,
{
    fn credentials(&self) -> Result<Credentials, BoxError> {
        self()
    }
}

impl<P: CredentialsProvider + ?Sized> CredentialsProvider for Arc<P> {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        (**self).credentials()
    }
}

/// Endpoint, region and bucket by `OSS_ENDPOINT` or `OSS_REGION`, and `OSS_BUCKET`. A region is an endpoint, too.
pub(crate) fn bucket_from_env() -> Result<(String, Option<String>, String)> {
    bucket_from_variables(variable)
}

fn bucket_from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<(String, Option<String>, String)> {
    let region = said(&lookup, REGION);
    let endpoint = said(&lookup, ENDPOINT).or_else(|| region.clone());
    match (endpoint, said(&lookup, BUCKET)) {
        (Some(endpoint), Some(bucket)) => Ok((endpoint, region, bucket)),
        (endpoint, bucket) => Err(not_set(&[
            (bucket.is_none(), BUCKET, "OSS_BUCKET=<name>"),
            (endpoint.is_none(), "OSS_ENDPOINT (or OSS_REGION)", "OSS_ENDPOINT=https://oss-cn-hangzhou.aliyuncs.com"),
        ])),
    }
}

/// A variable that says something: set, and more than blanks.
fn said(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    lookup(name).map(trimmed).filter(|value| !value.is_empty())
}

/// Names every variable that is missing, and shows how to set each.
fn not_set(variables: &[(bool, &str, &str)]) -> Error {
    let missing = || variables.iter().filter(|(missing, ..)| *missing);
    let names: Vec<_> = missing().map(|(_, name, _)| *name).collect();
    let examples: Vec<_> = missing().map(|(.., example)| *example).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let (names, examples) = (names.join(" and "), examples.join(" "));
    Error::invalid_input(format!("{names} {verb} not set in the environment: export {examples}"))
}

fn trimmed(text: impl Into<String>) -> String {
    let text = text.into();
    match text.trim() {
        same if same.len() == text.len() => text,
        shorter => shorter.to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
fn variable(name: &str) -> Option<String> {
    // What is not Unicode must not pass for missing: its replacement characters are refused where it is used.
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

const KEY_ID: &str = "OSS_ACCESS_KEY_ID";
const KEY_SECRET: &str = "OSS_ACCESS_KEY_SECRET";
const SESSION_TOKEN: &str = "OSS_SESSION_TOKEN";
const BUCKET: &str = "OSS_BUCKET";
const ENDPOINT: &str = "OSS_ENDPOINT";
const REGION: &str = "OSS_REGION";

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'e>(variables: &'e [(&'e str, &'e str)]) -> impl Fn(&str) -> Option<String> + 'e {
        move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }

    fn used(auth: &Auth) -> Credentials {
        auth.credentials().expect("good keys").expect("signed")
    }

    #[test]
    fn secrets_are_never_printed() {
        let provider = Auth::provider(|| Ok(Credentials::new("id", "hidden")));
        for auth in [Auth::new("id", "hidden"), Auth::sts("id", "hidden", "hidden"), provider, Auth::anonymous()] {
            assert!(!format!("{auth:?} {auth:#?}").contains("hidden"));
        }
        assert_eq!(format!("{:?}", Auth::sts("me", "hidden", "hidden")), "Auth(Credentials { id: \"me\", .. })");
        for auth in [Auth::new("hidden\n!", "x"), Auth::new("x", "hidden\0"), Auth::sts("x", "x", "hidden\r\nHost: a")]
        {
            let error = auth.credentials().expect_err("cannot stand in a header");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!format!("{error} {error:?}").contains("hidden"));
        }
    }

    #[test]
    fn blanks_are_cut_off_and_an_empty_token_is_none() {
        let keys = used(&Auth::sts(" id\n", "\tsecret ", " "));
        assert_eq!((keys.id(), keys.secret(), keys.token()), ("id", "secret", None));
        assert_eq!(used(&Auth::sts("id", "secret", " token\n")).token(), Some("token"));
    }

    #[test]
    fn unusable_keys_are_an_error_when_used() {
        for (auth, says) in [
            (Auth::new(" ", "s"), "the access key id is empty"),
            (Auth::new("i", ""), "the access key secret is empty"),
            (
                Auth::new("schlüssel", "s"),
                "the access key id has characters that cannot stand in a header: copy it again, on one line",
            ),
        ] {
            assert_eq!(auth.credentials().expect_err(says).to_string(), says);
        }
    }

    #[test]
    fn anonymous_signs_nothing() {
        assert!(Auth::anonymous().is_anonymous());
        assert!(Auth::anonymous().credentials().expect("no keys are needed").is_none());
        assert!(!Auth::new("", "").is_anonymous());
    }

    #[test]
    fn a_provider_is_asked_each_time_and_its_error_is_the_source() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let asked = AtomicU32::new(0);
        let auth = Auth::provider(move || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Credentials::new("id-0", "secret")),
            1 => Err("the vault is closed".into()),
            _ => Ok(Credentials::new("", "secret")),
        });
        assert_eq!(used(&auth).id(), "id-0");

        let failed = auth.clone().credentials().expect_err("second answer");
        assert_eq!(
            (failed.kind(), failed.to_string().as_str()),
            (ErrorKind::Credentials, "the credentials provider failed")
        );
        assert_eq!(std::error::Error::source(&failed).expect("kept").to_string(), "the vault is closed");

        let empty = auth.credentials().expect_err("third answer");
        assert_eq!(empty.kind(), ErrorKind::Credentials);
        assert_eq!(empty.to_string(), "the credentials provider: the access key id is empty");
    }

    #[test]
    fn shared_and_erased_providers_are_providers() {
        let shared: Arc<dyn CredentialsProvider> = Arc::new(|| Ok(Credentials::new("id", "secret")));
        assert_eq!(used(&Auth::provider(Arc::clone(&shared))), Credentials::new("id", "secret"));
        fn crosses_threads<T: Send + Sync + 'static>() {}
        crosses_threads::<Auth>();
        crosses_threads::<Credentials>();
    }

    #[test]
    fn the_environment_gives_keys_or_names_what_is_missing() {
        let full = [("OSS_ACCESS_KEY_ID", " id "), ("OSS_ACCESS_KEY_SECRET", "secret"), ("OSS_SESSION_TOKEN", "")];
        assert_eq!(used(&Auth::from_variables(env(&full)).expect("all set")), Credentials::new("id", "secret"));

        let with_token = [full[0], full[1], ("OSS_SESSION_TOKEN", "token")];
        assert_eq!(used(&Auth::from_variables(env(&with_token)).expect("all set")).token(), Some("token"));

        assert_eq!(
            Auth::from_variables(env(&[])).expect_err("nothing set").to_string(),
            "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set in the environment: \
             export OSS_ACCESS_KEY_ID=<id> OSS_ACCESS_KEY_SECRET=<secret>"
        );
        for (set, missing) in [
            (&full[..1], "OSS_ACCESS_KEY_SECRET is not set"),
            (&[("OSS_ACCESS_KEY_ID", " "), full[1]][..], "OSS_ACCESS_KEY_ID is not set"),
        ] {
            let error = Auth::from_variables(env(set)).expect_err(missing);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().starts_with(missing), "{error}");
        }
        let broken = [full[0], ("OSS_ACCESS_KEY_SECRET", "sec\u{fffd}ret")];
        let error = Auth::from_variables(env(&broken)).expect_err("not Unicode").to_string();
        assert!(error.starts_with("the environment's OSS_* variables: the access key secret has"), "{error}");
    }

    #[test]
    fn the_environment_gives_the_bucket_or_names_what_is_missing() {
        let (endpoint, region, bucket) =
            (("OSS_ENDPOINT", "http://h"), ("OSS_REGION", " cn-hangzhou"), ("OSS_BUCKET", "b\n"));
        let told = |set: &[(&str, &str)]| bucket_from_variables(env(set));
        let cn = || Some("cn-hangzhou".to_owned());
        assert_eq!(told(&[endpoint, region, bucket]).expect("all"), ("http://h".into(), cn(), "b".into()));
        assert_eq!(told(&[endpoint, bucket]).expect("enough"), ("http://h".into(), None, "b".into()));
        assert_eq!(told(&[region, bucket]).expect("enough"), ("cn-hangzhou".into(), cn(), "b".into()));
        for (set, missing) in [
            (&[][..], "OSS_BUCKET and OSS_ENDPOINT (or OSS_REGION) are not set"),
            (&[region][..], "OSS_BUCKET is not set"),
            (&[bucket, ("OSS_ENDPOINT", "")][..], "OSS_ENDPOINT (or OSS_REGION) is not set"),
        ] {
            let error = told(set).expect_err(missing).to_string();
            assert!(error.starts_with(missing), "{error}");
        }
    }
}
