//! Doors into private rooms, for the benches and fuzz targets of this repository. Hidden, and outside of semver: what is
//! here may change or go in any release.
#![allow(missing_docs, reason = "nobody else is to use it")]

use crate::{
    Addressing, Credentials, SignatureVersion,
    auth::ossutil,
    crc64::{self, Crc64},
    endpoint::{self, Endpoint},
    error::{Error, Result},
    request::{Method, Request},
    response::Answer,
    sign::Signer,
};

pub fn crc64(bytes: &[u8]) -> u64 {
    crc64::of(bytes)
}

pub fn crc64_join(a: u64, b: u64, length_of_b: u64) -> u64 {
    crc64::join(a, b, length_of_b)
}

pub fn crc64_going_on(from: u64, bytes: &[u8]) -> u64 {
    let mut crc = Crc64::starting_from(from);
    crc.update(bytes);
    crc.value()
}

pub fn escape_path(text: &str) -> String {
    let mut escaped = String::new();
    endpoint::escape_path(text, &mut escaped);
    escaped
}

pub fn escape_query(text: &str) -> String {
    let mut escaped = String::new();
    endpoint::escape_query(text, &mut escaped);
    escaped
}

/// The URL of a key at an endpoint.
pub fn url(text: &str, region: Option<&str>, addressing: Option<Addressing>, key: &str) -> Result<String> {
    endpoint::check_key(key)?;
    Ok(Endpoint::new(text, "bucket", region, addressing, true)?.url(key, "append&position=0"))
}

/// An append as it goes out: made, signed, and its `authorization`.
pub fn signed_append(key: &str, position: u64, credentials: &Credentials, time: u64) -> String {
    let mut request = Request::new(Method::Post, key)
        .query("append", "")
        .query("position", position.to_string())
        .header("content-type", "application/octet-stream");
    Signer::new(SignatureVersion::V4).sign(&mut request, "bucket", credentials, "cn-hangzhou", time);
    request.value("authorization").unwrap_or_default().to_owned()
}

/// What an answer that is no success is taken for.
pub fn refusal(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Error {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    Answer { status, headers, body }.error()
}

/// The keys of one profile in the text of an ossutil file; `None` is anonymous.
pub fn ossutil_keys(text: &str, profile: Option<&str>) -> Result<Option<Credentials>> {
    ossutil::keys(text, profile)
}

/// The keys in a JSON document; `temporary`: with token and expiry.
#[cfg(feature = "credentials")]
pub fn document_keys(bytes: &[u8], temporary: bool) -> Result<Credentials> {
    crate::credentials::read_document(bytes, temporary)
}

/// Id, secret and token.
pub fn parts(keys: &Credentials) -> (&str, &str, Option<&str>) {
    (keys.id(), keys.secret(), keys.token())
}
