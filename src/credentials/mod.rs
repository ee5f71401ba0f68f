//! Keys that come from somewhere and expire: instance metadata, OIDC, a process, a URI. Needs the feature `credentials`.
//!
//! | provider | for |
//! |---|---|
//! | [`EcsRamRole`] | programs on an ECS instance with a RAM role |
//! | [`OidcRole`] | pods with RRSA, and others with an OIDC token in a file |
//! | [`Process`] | keys from another program, as ossutil's `credential-process` |
//! | [`Uri`] | keys from a local service, as `ALIBABA_CLOUD_CREDENTIALS_URI` |
//! | [`Cached`] | your own provider, if it is slow |
//!
//! [`Auth::default_chain`](crate::Auth::default_chain) takes what a machine has. All of these fetch once and keep what
//! they have until it nears its end, as [`Cached`] says; nothing is fetched before the first request is signed.
//!
//! ```no_run
//! # fn main() -> oss_append::Result<()> {
//! use oss_append::{Auth, Bucket, credentials::EcsRamRole};
//!
//! let auth = Auth::provider(EcsRamRole::new().role_name("log-writer"));
//! let bucket = Bucket::new(auth, "https://oss-cn-hangzhou-internal.aliyuncs.com", "bucket")?;
//! # drop(bucket); Ok(()) }
//! ```

mod cached;
mod chain;
mod document;
mod instance;
mod oidc;
mod process;
mod uri;
mod web;

pub use cached::Cached;
pub(crate) use chain::default_chain;
pub use instance::EcsRamRole;
pub use oidc::OidcRole;
pub use process::Process;
pub use uri::Uri;

/// For the fuzz targets: `temporary` asks for token and expiry, too.
#[cfg(feature = "testing")]
pub(crate) fn read_document(bytes: &[u8], temporary: bool) -> crate::Result<crate::Credentials> {
    let needs = if temporary { document::Needs::All } else { document::Needs::Keys };
    document::Document::parse(bytes)?.credentials(needs)
}

/// The public types are a [`Cached`] of what fetches; how to fetch is set before it is used.
macro_rules! provider {
    ($name:ident) => {
        impl crate::CredentialsProvider for $name {
            fn credentials(&self) -> Result<crate::Credentials, crate::BoxError> {
                self.0.credentials()
            }

            fn refresh(&self, refused: &crate::Credentials) -> Result<crate::Credentials, crate::BoxError> {
                self.0.refresh(refused)
            }
        }
    };
}
use provider;
