//! Signature V1, checked against the request as it was received ("Add a signature to the header").

use super::{Claim, Rules, check_time, check_token, does_not_match, invalid, secret_of};
use crate::testing::{clock::parse_http_date, codec::base64, http::header, reply::Refusal};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use std::collections::BTreeMap;

/// The parameters that the official clients sign when the request is for one object; besides them all whose names begin
/// with `x-oss-`.
const SIGNED: [&str; 19] = [
    "acl",
    "append",
    "callback",
    "callback-var",
    "objectMeta",
    "partNumber",
    "position",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "seal",
    "security-token",
    "symlink",
    "tagging",
    "versionId",
];

/// `given`: what stands behind the scheme.
pub(super) fn verify(claim: &Claim<'_>, rules: &Rules<'_>, given: &str) -> Result<(), Refusal> {
    let (key_id, signature) =
        given.rsplit_once(':').ok_or_else(|| invalid("The Authorization header is malformed.", ""))?;
    let secret = secret_of(rules, key_id)?;
    let value = |name| header(claim.headers, name);
    let date = value("x-oss-date").or_else(|| value("date")).unwrap_or_default();
    let Some(time) = parse_http_date(date) else {
        return Err(Refusal::new(403, "AccessDenied", "OSS authentication requires a valid Date.", ""));
    };
    check_time(time, rules)?;
    let in_query = claim.parameters.iter().any(|(name, _)| name == b"security-token");
    if in_query && value("x-oss-security-token").is_some() {
        return Err(invalid("The security token is given twice.", ""));
    }
    let text = string_to_sign(claim, date);
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(&text);
    if base64(&mac.finalize().into_bytes()) != signature {
        return Err(does_not_match(key_id, signature, &text));
    }
    check_token(claim, rules)
}

fn string_to_sign(claim: &Claim<'_>, date: &str) -> Vec<u8> {
    let line = |name| header(claim.headers, name).unwrap_or_default();
    let mut text =
        format!("{}\n{}\n{}\n{date}\n", claim.method, line("content-md5"), line("content-type")).into_bytes();
    let ours = claim.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let ours: BTreeMap<_, _> = ours.filter(|(name, _)| name.starts_with("x-oss-")).collect();
    for (name, value) in ours {
        text.extend_from_slice(format!("{name}:{value}\n").as_bytes());
    }
    text.extend_from_slice(format!("/{}/", claim.bucket).as_bytes());
    text.extend_from_slice(claim.key);
    let is_signed = |name: &[u8]| name.starts_with(b"x-oss-") || SIGNED.iter().any(|known| known.as_bytes() == name);
    let parameters: BTreeMap<_, _> = claim.parameters.iter().map(|(name, value)| (name, value)).collect();
    let mut separator = b'?';
    for (name, value) in parameters.into_iter().filter(|(name, _)| is_signed(name)) {
        text.push(separator);
        text.extend_from_slice(name);
        if !value.is_empty() {
            text.push(b'=');
            text.extend_from_slice(value);
        }
        separator = b'&';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by several SDKs that agree: `POST /examplebucket/logs/app.log?append&position=0`.
    const NOW: i64 = 1_764_590_400;
    const DATE: &str = "Mon, 01 Dec 2025 12:00:00 GMT";
    const APPEND: &str = "example-ak-id:lCMy/eySlwWZBKrQg4D+l1NvqRE=";
    const WITH_TOKEN: &str = "example-ak-id:XlBqM4fHWtvOfJhqyuZvctjkIr8=";
    const TOKEN: &str = "CAIS+example/sts-token==";
    const HEAD: &str = "example-ak-id:/DcSnvd06aFSAyz/0m232vgs4L0=";
    const SEAL: &str = "example-ak-id:8wG142b6hMLB+iYjGwjrcwjcONs=";

    type Pairs<'p> = &'p [(&'p str, &'p str)];
    const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");
    const FIRST: Pairs<'_> = &[("append", ""), ("position", "0")];

    fn code_of(method: &str, query: Pairs<'_>, headers: Pairs<'_>, given: &str, now: i64) -> Option<&'static str> {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let parameters: Vec<_> = query.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        let claim =
            Claim { method, bucket: "examplebucket", key: b"logs/app.log", parameters: &parameters, headers: &headers };
        let keys = BTreeMap::from([("example-ak-id".to_owned(), "example-ak-secret".to_owned())]);
        let rules = Rules { keys: &keys, region: "", token: None, now };
        verify(&claim, &rules, given).err().map(|refusal| refusal.code)
    }

    #[test]
    fn signatures_of_the_official_clients_are_accepted() {
        let date = ("Date", DATE);
        assert_eq!(code_of("POST", FIRST, &[OCTETS, date], APPEND, NOW), None);
        assert_eq!(code_of("POST", FIRST, &[OCTETS, date, ("x-oss-security-token", TOKEN)], WITH_TOKEN, NOW), None);
        assert_eq!(code_of("HEAD", &[], &[date], HEAD, NOW), None);
        assert_eq!(code_of("POST", &[("seal", ""), ("position", "13")], &[date], SEAL, NOW), None);
        // Not signed: other parameters, other headers.
        assert_eq!(code_of("HEAD", &[("prefix", "a")], &[date, ("Range", "bytes=0-1")], HEAD, NOW), None);
    }

    #[test]
    fn one_changed_letter_is_a_mismatch() {
        let no = Some("SignatureDoesNotMatch");
        let date = ("Date", DATE);
        assert_eq!(code_of("PUT", FIRST, &[OCTETS, date], APPEND, NOW), no);
        assert_eq!(code_of("POST", &[("append", ""), ("position", "1")], &[OCTETS, date], APPEND, NOW), no);
        assert_eq!(code_of("POST", FIRST, &[date], APPEND, NOW), no);
        assert_eq!(code_of("POST", FIRST, &[OCTETS, ("Date", "Mon, 01 Dec 2025 12:00:01 GMT")], APPEND, NOW), no);
        assert_eq!(code_of("POST", FIRST, &[OCTETS, date, ("x-oss-meta-a", "b")], APPEND, NOW), no);
        assert_eq!(code_of("POST", FIRST, &[OCTETS, date, ("Content-MD5", "x")], APPEND, NOW), no);
    }

    #[test]
    fn each_part_has_its_own_refusal() {
        let date = ("Date", DATE);
        let of = |headers: Pairs<'_>, given: &str, now: i64| code_of("POST", FIRST, headers, given, now);
        assert_eq!(of(&[OCTETS, date], "no-colon", NOW), Some("InvalidArgument"));
        assert_eq!(of(&[OCTETS, date], "another:lCMy/eySlwWZBKrQg4D+l1NvqRE=", NOW), Some("InvalidAccessKeyId"));
        assert_eq!(of(&[OCTETS], APPEND, NOW), Some("AccessDenied"));
        assert_eq!(of(&[OCTETS, ("Date", "Mon, 1 Dec 2025 12:00:00 GMT")], APPEND, NOW), Some("AccessDenied"));
        for (now, code) in [(NOW + 900, None), (NOW - 900, None)] {
            assert_eq!(of(&[OCTETS, date], APPEND, now), code);
        }
        for now in [NOW + 901, NOW - 901] {
            assert_eq!(of(&[OCTETS, date], APPEND, now), Some("RequestTimeTooSkewed"));
        }
        let twice = code_of("HEAD", &[("security-token", "t")], &[date, ("x-oss-security-token", "t")], HEAD, NOW);
        assert_eq!(twice, Some("InvalidArgument"));
    }
}
