//! Signature V1 in the `Authorization` header ("Add a signature to the header" in the API reference).

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::sorted;
use crate::{
    auth::Credentials,
    clock,
    request::{CONTENT_MD5, CONTENT_TYPE, DATE, Request},
};

/// Adds `date`, and says what `authorization` is to be.
pub(super) fn authorize(request: &mut Request, bucket: &str, credentials: &Credentials, time: u64) -> String {
    let date = clock::http_date(time);
    request.without(&[DATE]);
    request.headers.push((DATE.into(), date.clone().into()));

    let text = string_to_sign(request.method.as_str(), bucket, request, &date);
    [SCHEME, credentials.id(), ":", &signature(credentials.secret(), &text)].concat()
}

/// Whose signature this is, if it is one of this version.
pub(super) fn key_id(authorization: &str) -> Option<&str> {
    Some(authorization.strip_prefix(SCHEME)?.rsplit_once(':')?.0)
}

const SCHEME: &str = "OSS ";

/// The parameters that are signed: all that a request for one object can have here, and those of the service's own that
/// come with the published examples. Others are not, whatever they mean.
const SUBRESOURCES: [&str; 8] =
    ["acl", "append", "objectMeta", "position", "resourceGroup", "seal", "security-token", "versionId"];

fn string_to_sign(method: &str, bucket: &str, request: &Request, date: &str) -> String {
    let line = |name| request.value(name).unwrap_or_default();
    let mut text = [method, line(CONTENT_MD5), line(CONTENT_TYPE), date, ""].join("\n");

    let headers = request.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    for (name, value) in sorted(headers.filter(|(name, _)| name.starts_with(OF_THE_SERVICE))) {
        text.extend([name, ":", value, "\n"]);
    }

    // As it is, nothing escaped.
    text.extend(["/", bucket, "/", &request.key]);
    let query = sorted(request.query.iter().filter(|(name, _)| is_signed(name)));
    for (i, (name, value)) in query.into_iter().enumerate() {
        text.extend([if i > 0 { "&" } else { "?" }, name]);
        if !value.is_empty() {
            text.extend(["=", value]);
        }
    }
    text
}

const OF_THE_SERVICE: &str = "x-oss-";

fn is_signed(parameter: &str) -> bool {
    SUBRESOURCES.contains(&parameter) || parameter.starts_with(OF_THE_SERVICE)
}

fn signature(secret: &str, string_to_sign: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(string_to_sign.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        request::Method,
        sign::{
            SignatureVersion::{V1, V4},
            is_signed_by, sign,
        },
    };

    #[test]
    fn strings_to_sign_are_those_of_the_official_clients() {
        for vector in vectors() {
            let mut request = vector.request(Method::Post);
            if let Some(token) = vector["token"].as_str() {
                request = request.header("x-oss-security-token", token.to_owned());
            }
            let text = string_to_sign(vector.text("method"), vector.text("bucket"), &request, vector.text("date"));
            assert_eq!(text, vector["string_to_sign"], "{}", vector["name"]);
        }
    }

    #[test]
    fn signatures_are_those_of_the_official_clients() {
        for vector in vectors() {
            let signature = signature(vector.text("secret"), vector.text("string_to_sign"));
            assert_eq!(signature, vector["signature"], "{}", vector["name"]);
        }
    }

    #[test]
    fn a_signed_request_carries_what_the_official_clients_send() {
        let mut checked = 0;
        for vector in vectors() {
            // Requests as we send them: no further methods.
            let method = match vector.text("method") {
                "GET" => Method::Get,
                "POST" => Method::Post,
                "HEAD" => Method::Head,
                _ => continue,
            };
            let mut request = vector.request(method);
            let mut credentials = Credentials::new(vector.text("id"), vector.text("secret"));
            if let Some(token) = vector["token"].as_str() {
                credentials = credentials.with_token(token);
            }
            sign(&mut request, V1, vector.text("bucket"), &credentials, "", vector["time"].as_u64().unwrap());
            assert_eq!(request.value("authorization"), vector["authorization"].as_str(), "{}", vector["name"]);
            assert_eq!(request.value("date"), vector["date"].as_str());
            assert_eq!(request.value("x-oss-security-token"), vector["token"].as_str());
            checked += 1;
        }
        assert_eq!(checked, 6);
    }

    #[test]
    fn signing_again_replaces_what_the_first_time_added() {
        let credentials = Credentials::new("id", "secret");
        let once = |time| {
            let mut request = Request::new(Method::Post, "a").query("append", "").header("content-type", "text/plain");
            sign(&mut request, V1, "bucket", &credentials, "", time);
            request
        };
        let mut twice = once(0);
        sign(&mut twice, V1, "bucket", &Credentials::new("other", "secret").with_token("old"), "", 1_000_000);
        sign(&mut twice, V1, "bucket", &credentials, "", 1_764_590_400);
        assert_eq!(twice.headers, once(1_764_590_400).headers);
        assert_eq!(twice.headers.len(), 3);
    }

    #[test]
    fn a_signature_is_known_by_its_credentials() {
        for version in [V1, V4] {
            let mut request = Request::new(Method::Head, "a");
            let credentials = Credentials::new("id", "secret").with_token("token");
            sign(&mut request, version, "bucket", &credentials, "cn-hangzhou", 0);
            assert!(is_signed_by(&request, &credentials));
            assert!(!is_signed_by(&request, &Credentials::new("id", "secret")));
            assert!(!is_signed_by(&request, &Credentials::new("other", "secret").with_token("token")));
            assert!(!is_signed_by(&request, &Credentials::new("i", "secret").with_token("token")));
        }
    }

    #[test]
    fn a_key_is_signed_as_it_is_and_parameters_sorted_and_chosen() {
        let request = Request::new(Method::Get, "日/a b+%?#.txt")
            .query("versionId", "v/ ")
            .query("x-oss-traffic-limit", "819200")
            .query("x-oss-request-payer", "requester")
            .query("security-token", "t")
            .query("objectMeta", "")
            .query("prefix", "not signed");
        let text = string_to_sign("GET", "bucket", &request, "date");
        assert_eq!(
            text,
            "GET\n\n\ndate\n/bucket/日/a b+%?#.txt?objectMeta&security-token=t&versionId=v/ \
             &x-oss-request-payer=requester&x-oss-traffic-limit=819200"
        );
    }

    #[test]
    fn no_time_is_too_odd_to_sign() {
        for (time, date) in [(0, "Thu, 01 Jan 1970 00:00:00 GMT"), (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT")] {
            let mut request = Request::new(Method::Head, "a");
            sign(&mut request, V1, "bucket", &Credentials::new("id", "secret"), "", time);
            assert_eq!(request.value("date"), Some(date));
        }
    }

    /// From the service's SDKs; each names its origin.
    fn vectors() -> Vec<Vector> {
        let data: Value = serde_json::from_str(include_str!("../../tests/data/signature_v1.json")).unwrap();
        let vectors: Vec<_> = data["vectors"].as_array().unwrap().iter().cloned().map(Vector).collect();
        assert_eq!(vectors.len(), 8);
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
    }
}
