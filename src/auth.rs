//! Who is asking.

use crate::error::{BoxError, Error, ErrorKind, Result};
use std::{fmt, path::Path, sync::Arc};

pub(crate) mod environment;
pub(crate) mod ossutil;

pub(crate) use environment::bucket_from_env;
use environment::variable;

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
    ///
    /// ```
    /// use oss_append::{Auth, Bucket};
    ///
    /// let bucket = Bucket::new(Auth::new("<id>", "<secret>"), "http://oss-cn-hangzhou.aliyuncs.com", "my-bucket")?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::fixed(Credentials::new(id, secret))
    }

    /// A temporary key pair with its security token. When it expires, so does this: see [`provider`](Self::provider).
    ///
    /// ```
    /// use oss_append::Auth;
    ///
    /// let auth = Auth::sts("STS.<id>", "<secret>", "<token>");
    /// # drop(auth);
    /// ```
    #[doc(alias = "StsAuth")]
    pub fn sts(id: impl Into<String>, secret: impl Into<String>, token: impl Into<String>) -> Self {
        Self::fixed(Credentials::new(id, secret).with_token(token))
    }

    /// Unsigned requests: only what the bucket lets everybody do.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket};
    ///
    /// let bucket = Bucket::new(Auth::anonymous(), "http://oss-cn-hangzhou.aliyuncs.com", "public-bucket")?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    #[doc(alias = "AnonymousAuth")]
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Source::Anonymous)
    }

    /// Keys from the environment, read once, here.
    ///
    /// | first | if nothing of that is set | |
    /// |---|---|---|
    /// | `OSS_ACCESS_KEY_ID` | `ALIBABA_CLOUD_ACCESS_KEY_ID` | |
    /// | `OSS_ACCESS_KEY_SECRET` | `ALIBABA_CLOUD_ACCESS_KEY_SECRET` | |
    /// | `OSS_SESSION_TOKEN` | `ALIBABA_CLOUD_SECURITY_TOKEN` | for temporary keys |
    ///
    /// The first column is that of the service's own SDKs and of ossutil, the second that of Alibaba Cloud's tools. They
    /// are never mixed. A variable that is empty or blank is not set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when neither id and secret are set, or only a part of one column is, or a value is not
    /// text that can be sent; it names every variable to set. A column that is set in part is never passed over.
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
        environment::keys(&variable)?.map(Self::fixed).ok_or_else(environment::no_keys)
    }

    /// Keys from ossutil's configuration, where ossutil looks for it: the file `OSSUTIL_CONFIG_FILE`, else
    /// `~/.ossutilconfig`, and there the profile `OSSUTIL_PROFILE`, else the default. Read once, here.
    ///
    /// # Errors
    ///
    /// As [`from_ossutil_config`](Self::from_ossutil_config).
    ///
    /// ```no_run
    /// # fn main() -> oss_append::Result<()> {
    /// let auth = oss_append::Auth::from_ossutil()?;
    /// # drop(auth); Ok(()) }
    /// ```
    pub fn from_ossutil() -> Result<Self> {
        let path = ossutil::default_path(&variable).ok_or_else(|| {
            Error::invalid_input("there is no home directory to look for .ossutilconfig in: set OSSUTIL_CONFIG_FILE")
        })?;
        Self::from_ossutil_config(path, ossutil::default_profile(&variable).as_deref())
    }

    /// Keys from a configuration file of ossutil, version 1 or 2, read once, here.
    ///
    /// `None` is version 2's `[default]` or version 1's `[Credentials]`, whichever has keys; `Some("dev")` is
    /// `[profile dev]`. The modes AK, StsToken and Anonymous are read; without a mode the keys are taken as they are,
    /// with the token if there is one. Only the keys are: region and endpoint are said to the bucket.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the file cannot be read (the [`io::Error`](std::io::Error) is the source), has no
    /// such profile, or the profile has no usable keys: another mode (the text says which provider serves it), a
    /// `source-profile` (not followed), keys in both versions' sections, a line that is none. Lines are named by number
    /// and never shown.
    ///
    /// ```
    /// use oss_append::Auth;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("config");
    /// std::fs::write(&path, "[profile dev]\naccess-key-id = LTAI5t\naccess-key-secret = \"not for printing\"\n")?;
    /// let auth = Auth::from_ossutil_config(&path, Some("dev"))?;
    /// assert_eq!(format!("{auth:?}"), r#"Auth(Credentials { id: "LTAI5t", .. })"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_ossutil_config(path: impl AsRef<Path>, profile: Option<&str>) -> Result<Self> {
        Ok(ossutil::read(path.as_ref(), profile)?.map_or_else(Self::anonymous, Self::fixed))
    }

    /// Whatever this machine has: the first of these that is configured.
    ///
    /// 1. `OSS_ACCESS_KEY_ID` and its family, else
    /// 2. `ALIBABA_CLOUD_ACCESS_KEY_ID` and its family: [`from_env`](Self::from_env).
    /// 3. `ALIBABA_CLOUD_OIDC_TOKEN_FILE` or `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`, as RRSA sets them in a pod:
    ///    [`OidcRole`](crate::credentials::OidcRole).
    /// 4. ossutil's configuration, if there is such a file or `OSSUTIL_CONFIG_FILE` names one:
    ///    [`from_ossutil`](Self::from_ossutil).
    /// 5. The RAM role of the ECS instance, unless `ALIBABA_CLOUD_ECS_METADATA_DISABLED` is `true`:
    ///    [`EcsRamRole`](crate::credentials::EcsRamRole).
    ///
    /// Which one is decided here and for good, so that a program does not change its identity while it runs. A source
    /// that is configured and broken is an error: the next would be somebody else. Nothing is sent; the metadata service,
    /// which nothing but asking shows, is the last.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when a configured source is broken (as the functions above), or none is configured: it
    /// then says what each lacked. Where only the metadata service is left and does not answer, the first call that
    /// signs says the same, with [`ErrorKind::Credentials`].
    ///
    /// ```no_run
    /// # fn main() -> oss_append::Result<()> {
    /// use oss_append::{Auth, Bucket};
    ///
    /// let bucket = Bucket::new(Auth::default_chain()?, "https://oss-cn-hangzhou.aliyuncs.com", "bucket")?;
    /// # drop(bucket); Ok(()) }
    /// ```
    #[cfg(feature = "credentials")]
    #[cfg_attr(docsrs, doc(cfg(feature = "credentials")))]
    pub fn default_chain() -> Result<Self> {
        crate::credentials::default_chain(&variable)
    }

    /// Asked before every request, and again when the service says that a token has expired: a closure or your own type.
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

    pub(crate) fn fixed(credentials: Credentials) -> Self {
        Self(Source::Fixed(credentials))
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self.0, Source::Anonymous)
    }

    /// Others than those that the service refused. A provider may have them by now, or is asked to fetch them.
    pub(crate) fn others_than(&self, are_refused: impl Fn(&Credentials) -> bool) -> Option<Credentials> {
        let Source::Provider(provider) = &self.0 else { return None };
        match self.credentials().ok().flatten()? {
            held if are_refused(&held) => {
                let fresh = provider.refresh(&held).ok()?;
                (fresh.check().is_ok() && !are_refused(&fresh)).then_some(fresh)
            }
            held => Some(held),
        }
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
    /// In seconds since 1970; unsaid: until the service refuses them.
    #[cfg(feature = "credentials")]
    expiry: Option<u64>,
}

impl Credentials {
    /// A key pair. Blanks around either are cut off: they come along when keys are copied from files.
    ///
    /// ```
    /// use oss_append::{Auth, Bucket};
    ///
    /// let bucket = Bucket::new(Auth::new("<id>", "<secret>"), "http://oss-cn-hangzhou.aliyuncs.com", "my-bucket")?;
    /// # Ok::<(), oss_append::Error>(())
    /// ```
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: trimmed(id.into()),
            secret: trimmed(secret.into()),
            token: None,
            #[cfg(feature = "credentials")]
            expiry: None,
        }
    }

    /// The same with a security token; an empty one means none.
    ///
    /// ```
    /// use oss_append::Credentials;
    ///
    /// let temporary = Credentials::new("STS.example", "<secret>").with_token("<token>");
    /// assert_eq!(temporary, Credentials::new("STS.example", "<secret>").with_token(" <token>\n"));
    /// ```
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(trimmed(token.into())).filter(|token| !token.is_empty());
        self
    }

    /// The same with the time when they expire, for [`Cached`](crate::credentials::Cached) to know when to ask for others.
    ///
    /// ```
    /// use oss_append::Credentials;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let hour = SystemTime::now() + Duration::from_secs(3600);
    /// let temporary = Credentials::new("STS.example", "secret").with_token("token").with_expiry(hour);
    /// # drop(temporary);
    /// ```
    #[cfg(feature = "credentials")]
    #[cfg_attr(docsrs, doc(cfg(feature = "credentials")))]
    #[must_use]
    #[expect(clippy::disallowed_types, reason = "a time that is named; clock.rs reads what it is")]
    pub fn with_expiry(self, at: std::time::SystemTime) -> Self {
        self.expiring(Some(crate::clock::seconds(at)))
    }

    #[cfg(feature = "credentials")]
    pub(crate) fn expiring(mut self, unix: Option<u64>) -> Self {
        self.expiry = unix;
        self
    }

    #[cfg(feature = "credentials")]
    pub(crate) fn expiry(&self) -> Option<u64> {
        self.expiry
    }

    /// Are they the same, whatever is said of their end?
    #[cfg(feature = "credentials")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.id, &self.secret, &self.token) == (&other.id, &other.secret, &other.token)
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
    pub(crate) fn check(&self) -> Result<()> {
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

    /// Others than these, which the service has just refused: their token has expired, or their key is no longer known.
    ///
    /// Only asked if [`credentials`](Self::credentials) still gives the refused ones, so a provider that caches must
    /// fetch here; where several threads come with the same refused ones, once. The request is repeated with what comes
    /// back, unless it is the same again. The default asks `credentials`.
    ///
    /// # Errors
    ///
    /// Whatever kept you from having others. The service's refusal is told, not this.
    fn refresh(&self, refused: &Credentials) -> Result<Credentials, BoxError> {
        let _ = refused;
        self.credentials()
    }
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

    fn refresh(&self, refused: &Credentials) -> Result<Credentials, BoxError> {
        (**self).refresh(refused)
    }
}

fn trimmed(text: String) -> String {
    match text.trim() {
        same if same.len() == text.len() => text,
        shorter => shorter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
