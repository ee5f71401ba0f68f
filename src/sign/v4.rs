//! Signature V4 in the `Authorization` header, as the Signature V4 reference has it, in the layout of the service's Go
//! SDK.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::sync::{Mutex, PoisonError};

use super::sorted;
use crate::{
    auth::Credentials,
    clock,
    endpoint::{escape_path, escape_query},
    request::{CONTENT_MD5, CONTENT_TYPE, Request, X_OSS_CONTENT_SHA256, X_OSS_DATE},
};

/// Adds `x-oss-date` and `x-oss-content-sha256`, and says what `authorization` is to be.
pub(super) fn authorize(
    request: &mut Request,
    bucket: &str,
    credentials: &Credentials,
    region: &str,
    time: u64,
    last_key: &LastKey,
) -> String {
    let timestamp = clock::timestamp(time);
    let date = &timestamp[..8];
    let scope = [date, region, PRODUCT, TERMINATOR].join("/");

    request.without(&[X_OSS_DATE, X_OSS_CONTENT_SHA256]);
    request.headers.push((X_OSS_DATE.into(), timestamp.clone().into()));
    request.headers.push((X_OSS_CONTENT_SHA256.into(), PAYLOAD.into()));

    let canonical = canonical_request(request.method.as_str(), bucket, request, &[]);
    let text = string_to_sign(&timestamp, &scope, &canonical);
    let signature = signature(last_key.or_another(credentials.secret(), date, region), &text);
    [ALGORITHM, " Credential=", credentials.id(), "/", &scope, ",Signature=", &signature].concat()
}

/// Whose signature this is, if it is one of this version. The scope behind the id has four parts; an id may have any.
pub(super) fn key_id(authorization: &str) -> Option<&str> {
    let credential = authorization.strip_prefix(ALGORITHM)?.strip_prefix(" Credential=")?.split(',').next()?;
    credential.rsplitn(5, '/').nth(4)
}

const ALGORITHM: &str = "OSS4-HMAC-SHA256";
const PRODUCT: &str = "oss";
const TERMINATOR: &str = "aliyun_v4_request";
/// The one value the service knows: bodies are not signed. Ours are checked by their CRC.
const PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// `additional` are the lower-case names of headers to be signed besides those that always are. We need none; the
/// published examples have them.
fn canonical_request(method: &str, bucket: &str, request: &Request, additional: &[&str]) -> String {
    let mut text = String::with_capacity(512);
    text.push_str(method);
    text.push_str("\n/");
    escape_path(bucket, &mut text);
    text.push('/');
    escape_path(&request.key, &mut text);
    text.push('\n');
    canonical_query(request, &mut text);
    text.push('\n');

    let headers = request.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let signed = sorted(headers.filter(|(name, _)| always_signed(name) || additional.contains(name)));
    for (name, value) in &signed {
        text.extend([name, ":", value, "\n"]);
    }
    text.push('\n');
    for (i, (name, _)) in signed.iter().filter(|(name, _)| !always_signed(name)).enumerate() {
        text.extend([if i > 0 { ";" } else { "" }, name]);
    }
    text.push('\n');
    text.push_str(PAYLOAD);
    text
}

/// Sorted by the escaped name, which is another order than that of the names: `|` comes after `p`, `%7C` before.
fn canonical_query(request: &Request, text: &mut String) {
    let escaped = |name: &str| {
        let mut text = String::with_capacity(name.len());
        escape_query(name, &mut text);
        text
    };
    let pairs = sorted(request.query.iter().map(|(name, value)| (escaped(name), value)));
    for (i, (name, value)) in pairs.iter().enumerate() {
        text.extend([if i > 0 { "&" } else { "" }, name]);
        if !value.is_empty() {
            text.push('=');
            escape_query(value, text);
        }
    }
}

fn always_signed(name: &str) -> bool {
    name.starts_with("x-oss-") || name == CONTENT_TYPE || name == CONTENT_MD5
}

fn string_to_sign(timestamp: &str, scope: &str, canonical_request: &str) -> String {
    [ALGORITHM, timestamp, scope, &hex(&Sha256::digest(canonical_request))].join("\n")
}

/// The signing key that was derived last. Deriving it costs four times what signing with it does, and it is good for all
/// requests of a day.
#[derive(Default)]
pub(super) struct LastKey(Mutex<Option<Derived>>);

struct Derived {
    /// Secret, date and region.
    from: [String; 3],
    key: Hmac<Sha256>,
}

impl LastKey {
    /// A key for these: that one, if it is.
    fn or_another(&self, secret: &str, date: &str, region: &str) -> Hmac<Sha256> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = [secret, date, region];
        if let Some(derived) = last.as_ref().filter(|derived| derived.from == from) {
            return derived.key.clone();
        }
        let key = keyed(&signing_key(secret, date, region));
        *last = Some(Derived { from: from.map(str::to_owned), key: key.clone() });
        key
    }
}

fn signing_key(secret: &str, date: &str, region: &str) -> [u8; 32] {
    let key = hmac(keyed(["aliyun_v4", secret].concat().as_bytes()), date);
    [region, PRODUCT, TERMINATOR].iter().fold(key, |key, part| hmac(keyed(&key), part))
}

fn signature(key: Hmac<Sha256>, string_to_sign: &str) -> String {
    hex(&hmac(key, string_to_sign))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn hmac(mut key: Hmac<Sha256>, text: &str) -> [u8; 32] {
    key.update(text.as_bytes());
    key.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    let mut text = vec![0; 2 * bytes.len()];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    String::from_utf8(text).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        request::Method,
        sign::{SignatureVersion::V4, is_signed_by, sign},
    };

    #[test]
    fn canonical_requests_are_those_of_the_official_clients() {
        for vector in vectors() {
            assert_eq!(vector.canonical_request(), vector["canonical_request"], "{}", vector["name"]);
            if let Some(hash) = vector.0.get("canonical_request_sha256") {
                assert_eq!(hex(&Sha256::digest(vector.canonical_request())), *hash);
            }
        }
    }

    #[test]
    fn strings_to_sign_are_those_of_the_official_clients() {
        for vector in vectors() {
            let timestamp = clock::timestamp(vector["time"].as_u64().unwrap());
            assert_eq!(timestamp, vector["timestamp"]);
            let scope = format!("{}/{}/oss/aliyun_v4_request", &timestamp[..8], vector.text("region"));
            let text = string_to_sign(&timestamp, &scope, vector.text("canonical_request"));
            assert_eq!(text, vector["string_to_sign"], "{}", vector["name"]);
        }
    }

    #[test]
    fn signing_keys_derive_from_secret_date_and_region() {
        let check = Vector(data()["signing_key"].clone());
        let key = signing_key(check.text("secret"), check.text("date"), check.text("region"));
        assert_eq!(hex(&key), check["key"]);
    }

    #[test]
    fn a_key_is_kept_for_its_secret_date_and_region_alone() {
        let last = LastKey::default();
        let (one, two) = (["secret", "20251201", "cn-hangzhou"], ["secret2", "20251202", "cn-beijing"]);
        let signed = |last: &LastKey, [secret, date, region]: [&str; 3]| {
            hex(&hmac(last.or_another(secret, date, region), "text"))
        };
        for mask in [0, 0, 1, 0, 2, 2, 4, 7, 3, 0] {
            let of = std::array::from_fn(|i| if mask >> i & 1 == 1 { two[i] } else { one[i] });
            assert_eq!(signed(&last, of), signed(&LastKey::default(), of));
        }
    }

    #[test]
    fn signatures_are_those_of_the_official_clients() {
        for vector in vectors() {
            assert_eq!(
                signature(keyed(&vector.signing_key()), vector.text("string_to_sign")),
                vector["signature"],
                "{}",
                vector["name"]
            );
        }
    }

    #[test]
    fn a_signed_request_carries_what_the_official_clients_send() {
        let mut checked = 0;
        for vector in vectors() {
            // Requests as we send them: no further methods, no additional headers.
            let method = match vector.text("method") {
                "POST" => Method::Post,
                "HEAD" => Method::Head,
                "DELETE" => Method::Delete,
                _ => continue,
            };
            if vector.additional().is_empty() {
                let mut request = vector.request(method);
                vector.sign(&mut request);
                assert_eq!(header(&request, "authorization"), vector["authorization"].as_str(), "{}", vector["name"]);
                assert_eq!(header(&request, "x-oss-date"), vector["timestamp"].as_str());
                assert_eq!(header(&request, "x-oss-content-sha256"), Some("UNSIGNED-PAYLOAD"));
                assert_eq!(header(&request, "x-oss-security-token"), vector["token"].as_str());
                checked += 1;
            }
        }
        assert_eq!(checked, 7);
    }

    #[test]
    fn signing_again_replaces_what_the_first_time_added() {
        let credentials = Credentials::new("id", "secret");
        let once = |time| {
            let mut request = Request::new(Method::Post, "a").query("append", "").header("content-type", "text/plain");
            sign(&mut request, V4, "bucket", &credentials, "cn-hangzhou", time);
            request
        };
        let mut twice = once(0);
        sign(&mut twice, V4, "bucket", &Credentials::new("other", "secret").with_token("old"), "cn-beijing", 1_000_000);
        sign(&mut twice, V4, "bucket", &credentials, "cn-hangzhou", 1_764_590_400);
        assert_eq!(twice.headers, once(1_764_590_400).headers);
        assert_eq!(twice.headers.len(), 4);
    }

    #[test]
    fn a_signature_is_known_by_its_credentials() {
        let old = Credentials::new("id", "secret").with_token("old");
        let mut request = Request::new(Method::Head, "a");
        assert!(!is_signed_by(&request, &old));
        sign(&mut request, V4, "bucket", &old, "cn-hangzhou", 0);
        assert!(is_signed_by(&request, &old));
        for (id, token) in [("id", "new"), ("i", "old"), ("id/", "old"), ("", "old")] {
            assert!(!is_signed_by(&request, &Credentials::new(id, "secret").with_token(token)), "{id} {token}");
        }
        assert!(!is_signed_by(&request, &Credentials::new("id", "secret")));

        let slashed = Credentials::new("a/b", "secret");
        sign(&mut request, V4, "bucket", &slashed, "cn-hangzhou", 0);
        assert!(is_signed_by(&request, &slashed));
    }

    #[test]
    fn a_query_is_signed_sorted_and_escaped_whatever_its_order() {
        let request = Request::new(Method::Get, "").query("b", "/ ~").query("a-b", "1").query("a", "2").query("a", "");
        let mut text = String::new();
        canonical_query(&request, &mut text);
        assert_eq!(text, "a&a=2&a-b=1&b=%2F%20~");
    }

    #[test]
    fn a_key_is_signed_escaped_and_its_slashes_stay() {
        let request = Request::new(Method::Head, "日/a b+%?#.txt");
        let text = canonical_request("HEAD", "bucket", &request, &[]);
        assert!(text.starts_with("HEAD\n/bucket/%E6%97%A5/a%20b%2B%25%3F%23.txt\n\n"), "{text}");
    }

    #[test]
    fn no_time_is_too_odd_to_sign() {
        for (time, timestamp) in [(0, "19700101T000000Z"), (u64::MAX, "99991231T235959Z")] {
            let mut request = Request::new(Method::Head, "a");
            sign(&mut request, V4, "bucket", &Credentials::new("id", "secret"), "cn-hangzhou", time);
            assert_eq!(header(&request, "x-oss-date"), Some(timestamp));
        }
    }

    /// From the service's SDKs and help pages; each names its origin.
    fn data() -> Value {
        serde_json::from_str(include_str!("../../tests/data/signature_v4.json")).unwrap()
    }

    fn vectors() -> Vec<Vector> {
        let vectors: Vec<_> = data()["vectors"].as_array().unwrap().iter().cloned().map(Vector).collect();
        assert_eq!(vectors.len(), 13);
        vectors
    }

    struct Vector(Value);

    impl std::ops::Index<&str> for Vector {
        type Output = Value;
        fn index(&self, name: &str) -> &Value {
            &self.0[name]
        }
    }

    impl Vector {
        fn text(&self, name: &str) -> &str {
            self[name].as_str().unwrap()
        }

        fn additional(&self) -> Vec<String> {
            self["additional"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_lowercase()).collect()
        }

        fn request(&self, method: Method) -> Request {
            let mut request = Request::new(method, self.text("key"));
            for pair in self["query"].as_array().unwrap() {
                request = request.query(pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned());
            }
            for (name, value) in self["headers"].as_object().unwrap() {
                request = request.header(name.clone(), value.as_str().unwrap().to_owned());
            }
            request
        }

        fn sign(&self, request: &mut Request) {
            let mut credentials = Credentials::new(self.text("id"), self.text("secret"));
            if let Some(token) = self["token"].as_str() {
                credentials = credentials.with_token(token);
            }
            sign(request, V4, self.text("bucket"), &credentials, self.text("region"), self["time"].as_u64().unwrap());
        }

        /// The method is text: some vectors are of PUT, which we never send.
        fn canonical_request(&self) -> String {
            let mut request = self
                .request(Method::Post)
                .header("x-oss-date", self.text("timestamp").to_owned())
                .header("x-oss-content-sha256", "UNSIGNED-PAYLOAD");
            if let Some(token) = self["token"].as_str() {
                request = request.header("x-oss-security-token", token.to_owned());
            }
            let additional = self.additional();
            let additional: Vec<_> = additional.iter().map(String::as_str).collect();
            canonical_request(self.text("method"), self.text("bucket"), &request, &additional)
        }

        /// The help page's example shows a key that is not that of its secret, so there the key is taken as printed.
        fn signing_key(&self) -> [u8; 32] {
            match self["signing_key"].as_str() {
                Some(printed) => {
                    std::array::from_fn(|i| u8::from_str_radix(&printed[2 * i..][..2], 16).expect("two hex digits"))
                }
                None => signing_key(self.text("secret"), &self.text("timestamp")[..8], self.text("region")),
            }
        }
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }
}
