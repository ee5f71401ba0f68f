//! Signing: its outcome depends on request, credentials, region and time, and on nothing else.

use crate::{
    auth::Credentials,
    request::{AUTHORIZATION, Request, X_OSS_SECURITY_TOKEN},
};
use std::fmt;

#[cfg(feature = "sign-v1")]
mod v1;
mod v4;

/// How requests are signed: said with [`BucketBuilder::signature_version`](crate::BucketBuilder::signature_version).
///
/// ```
/// use oss_append::{Auth, Bucket, SignatureVersion};
///
/// let builder = Bucket::builder(Auth::new("<id>", "<secret>"), "http://oss-cn-hangzhou.aliyuncs.com", "bucket");
/// let bucket = builder.signature_version(SignatureVersion::V4).build()?; // as without it
/// # Ok::<(), oss_append::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SignatureVersion {
    /// `OSS`, HMAC-SHA1. Needs the feature `sign-v1`, and no region.
    ///
    /// For private clouds and old buckets whose servers know no V4. Elsewhere it is going out of use: by the "Guidelines
    /// for upgrading V1 signatures to V4 signatures" (edition of December 2024; later ones give no dates) the service
    /// does not offer it to accounts that are new since 2025-03-01, nor for buckets that are new since 2025-09-01. Where
    /// it is not taken the answer is 403 with EC `0002-00000080`. It is the weaker one, too: it covers only some
    /// parameters of the query, and the key as it is, so that a key with `?` in it can look like a query.
    #[cfg(feature = "sign-v1")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sign-v1")))]
    V1,
    /// `OSS4-HMAC-SHA256`, the default. Covers method, bucket, key, the whole query and every header of the service's
    /// own; a key derived from the secret is good for one day, one region and this service.
    #[default]
    V4,
}

impl SignatureVersion {
    pub(crate) fn needs_region(self) -> bool {
        self == Self::V4
    }
}

/// Signs by one version.
pub(crate) struct Signer {
    version: SignatureVersion,
    last_key: v4::LastKey,
}

impl Signer {
    pub(crate) fn new(version: SignatureVersion) -> Self {
        Self { version, last_key: v4::LastKey::default() }
    }

    /// Adds the time, the security token (if there is one) and `authorization`, instead of those of an earlier attempt.
    /// The time is in seconds since 1970.
    ///
    /// `bucket` is signed even where the host name carries it.
    pub(crate) fn sign(&self, request: &mut Request, bucket: &str, credentials: &Credentials, region: &str, time: u64) {
        request.without(&[X_OSS_SECURITY_TOKEN, AUTHORIZATION]);
        if let Some(token) = credentials.token() {
            request.headers.push((X_OSS_SECURITY_TOKEN.into(), token.to_owned().into()));
        }
        let authorization = match self.version {
            #[cfg(feature = "sign-v1")]
            SignatureVersion::V1 => v1::authorize(request, bucket, credentials, time),
            SignatureVersion::V4 => v4::authorize(request, bucket, credentials, region, time, &self.last_key),
        };
        request.headers.push((AUTHORIZATION.into(), authorization.into()));
    }
}

impl fmt::Debug for Signer {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.version).finish()
    }
}

/// Was the request signed with these credentials?
pub(crate) fn is_signed_by(request: &Request, credentials: &Credentials) -> bool {
    request.value(AUTHORIZATION).and_then(key_id) == Some(credentials.id())
        && request.value(X_OSS_SECURITY_TOKEN) == credentials.token()
}

/// Whose signature it is.
fn key_id(authorization: &str) -> Option<&str> {
    #[cfg(feature = "sign-v1")]
    if let Some(id) = v1::key_id(authorization) {
        return Some(id);
    }
    v4::key_id(authorization)
}

/// A handful, put in order one by one: `sort` would bring more code along than all of this room has.
fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut sorted = Vec::new();
    for item in items {
        sorted.insert(sorted.partition_point(|known| *known <= item), item);
    }
    sorted
}

#[cfg(test)]
fn sign(
    request: &mut Request,
    version: SignatureVersion,
    bucket: &str,
    credentials: &Credentials,
    region: &str,
    time: u64,
) {
    Signer::new(version).sign(request, bucket, credentials, region, time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_prints_as_its_version_and_never_its_key() {
        assert_eq!(format!("{:?}", Signer::new(SignatureVersion::V4)), "Signer(V4)");
    }
}
