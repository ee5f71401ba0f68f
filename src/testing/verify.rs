//! Signatures, checked against the request as it was received: V4 here.

use super::{
    clock::{iso_date, parse_stamp},
    codec::{hex, percent_encode},
    http::header,
    reply::Refusal,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

#[cfg(feature = "sign-v1")]
mod v1;

/// "Clock skew" in the service's pages: fifteen minutes either way.
const WINDOW: i64 = 900;

const PRODUCT: &str = "oss";

/// What is signed.
pub(super) struct Claim<'r> {
    pub(super) method: &'r str,
    pub(super) bucket: &'r str,
    pub(super) key: &'r [u8],
    pub(super) parameters: &'r [(Vec<u8>, Vec<u8>)],
    pub(super) headers: &'r [(String, String)],
}

/// What it is held against.
pub(super) struct Rules<'r> {
    /// Secrets by key id.
    pub(super) keys: &'r BTreeMap<String, String>,
    pub(super) region: &'r str,
    /// The one security token that is good; `None` takes any, or none.
    pub(super) token: Option<&'r str>,
    pub(super) now: i64,
}

/// Is the request from who it says, and of today?
pub(super) fn verify(claim: &Claim<'_>, rules: &Rules<'_>) -> Result<(), Refusal> {
    let text = header(claim.headers, "authorization").unwrap_or_default();
    #[cfg(feature = "sign-v1")]
    if let Some(given) = text.strip_prefix("OSS ") {
        return v1::verify(claim, rules, given);
    }
    let given = Authorization::parse(text)?;
    let secret = secret_of(rules, given.key_id)?;
    if given.region != rules.region {
        return Err(invalid("Invalid signing region in Authorization header.", "0002-00000226"));
    }
    if given.product != PRODUCT {
        return Err(invalid("Invalid signing product in Authorization header.", "0002-00000227"));
    }
    if header(claim.headers, "x-oss-content-sha256") != Some("UNSIGNED-PAYLOAD") {
        return Err(invalid("x-oss-content-sha256 must be UNSIGNED-PAYLOAD.", ""));
    }
    let stamp = header(claim.headers, "x-oss-date").unwrap_or_default();
    let time = parse_stamp(stamp).filter(|_| stamp.starts_with(given.date));
    let time = time.ok_or_else(|| invalid("Invalid signing date in Authorization header.", "0002-00000505"))?;
    check_time(time, rules)?;
    let string = string_to_sign(claim, stamp, &given);
    if sign(secret, &given, &string) != given.signature {
        return Err(does_not_match(given.key_id, given.signature, string.as_bytes()));
    }
    check_token(claim, rules)
}

fn secret_of<'r>(rules: &Rules<'r>, key_id: &str) -> Result<&'r str, Refusal> {
    rules.keys.get(key_id).map(String::as_str).ok_or_else(|| {
        let message = "The OSS Access Key Id you provided does not exist in our records.";
        Refusal::new(403, "InvalidAccessKeyId", message, "0002-00000902").element("OSSAccessKeyId", key_id)
    })
}

fn check_time(time: i64, rules: &Rules<'_>) -> Result<(), Refusal> {
    if (time - rules.now).abs() <= WINDOW {
        return Ok(());
    }
    Err(Refusal::scripted(403, "RequestTimeTooSkewed")
        .element("MaxAllowedSkewMilliseconds", WINDOW * 1000)
        .element("RequestTime", iso_date(time))
        .element("ServerTime", iso_date(rules.now)))
}

fn check_token(claim: &Claim<'_>, rules: &Rules<'_>) -> Result<(), Refusal> {
    match rules.token.is_some_and(|token| header(claim.headers, "x-oss-security-token") != Some(token)) {
        true => Err(Refusal::scripted(403, "SecurityTokenExpired")),
        false => Ok(()),
    }
}

fn invalid(message: &'static str, ec: &'static str) -> Refusal {
    Refusal::new(400, "InvalidArgument", message, ec).element("ArgumentName", "authorization")
}

fn does_not_match(key_id: &str, signature: &str, string: &[u8]) -> Refusal {
    let bytes = string.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X} "); // writing to a String cannot fail
        text
    });
    let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    Refusal::new(403, "SignatureDoesNotMatch", message, "0002-00000040")
        .element("OSSAccessKeyId", key_id)
        .element("SignatureProvided", signature)
        .element("StringToSign", String::from_utf8_lossy(string))
        .element("StringToSignBytes", bytes.trim_end())
}

/// The header's parts, in whatever order and with or without blanks behind the commas: SDKs differ.
struct Authorization<'r> {
    key_id: &'r str,
    date: &'r str,
    region: &'r str,
    product: &'r str,
    additional: BTreeSet<String>,
    additional_text: &'r str,
    signature: &'r str,
}

impl<'r> Authorization<'r> {
    fn parse(text: &'r str) -> Result<Self, Refusal> {
        let malformed = || invalid("The Authorization header is malformed.", "");
        let Some(parts) = text.strip_prefix("OSS4-HMAC-SHA256 ") else {
            // The service's pages on upgrading to V4: older signatures are refused so.
            return Err(Refusal::new(403, "AccessDenied", "Please use signature version 4.", "0002-00000080"));
        };
        let mut parts: BTreeMap<_, _> = parts.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        let mut part = |name| parts.remove(name);
        let credential: Vec<_> = part("Credential").ok_or_else(malformed)?.split('/').collect();
        let [key_id, date, region, product, "aliyun_v4_request"] = credential[..] else {
            return Err(malformed());
        };
        let additional_text = match part("AdditionalHeaders") {
            Some("") => return Err(invalid("AdditionalHeaders is empty.", "0002-00000209")),
            Some(list) if list.ends_with(';') => {
                return Err(invalid("AdditionalHeaders ends in ';'.", "0002-00000210"));
            }
            list => list.unwrap_or_default(),
        };
        let additional =
            additional_text.split(';').filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
        let signature = part("Signature").ok_or_else(malformed)?;
        Ok(Self { key_id, date, region, product, additional, additional_text, signature })
    }
}

fn string_to_sign(claim: &Claim<'_>, stamp: &str, given: &Authorization<'_>) -> String {
    let hash = hex(&Sha256::digest(canonical_request(claim, given)));
    let (date, region, product) = (given.date, given.region, given.product);
    format!("OSS4-HMAC-SHA256\n{stamp}\n{date}/{region}/{product}/aliyun_v4_request\n{hash}")
}

fn canonical_request(claim: &Claim<'_>, given: &Authorization<'_>) -> String {
    let path = match claim.bucket {
        "" => "/".to_owned(),
        bucket => format!("/{bucket}/{}", percent_encode(claim.key, b"/")),
    };
    let encoded = |(name, value): &(Vec<u8>, Vec<u8>)| (percent_encode(name, b""), percent_encode(value, b""));
    let mut query: Vec<_> = claim.parameters.iter().map(encoded).collect();
    query.sort();
    let query = query.into_iter().map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") });
    let query = query.collect::<Vec<_>>().join("&");

    let mut headers = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in claim.headers {
        let name = name.to_ascii_lowercase();
        let signed = name.starts_with("x-oss-") || matches!(&*name, "content-type" | "content-md5");
        if signed || given.additional.contains(&name) {
            headers.entry(name).or_default().push(value.as_str());
        }
    }
    let headers: String = headers.iter().map(|(name, values)| format!("{name}:{}\n", values.join(","))).collect();
    format!("{}\n{path}\n{query}\n{headers}\n{}\nUNSIGNED-PAYLOAD", claim.method, given.additional_text)
}

fn sign(secret: &str, given: &Authorization<'_>, string: &str) -> String {
    let mut key = format!("aliyun_v4{secret}").into_bytes();
    for part in [given.date, given.region, given.product, "aliyun_v4_request"] {
        key = hmac(&key, part);
    }
    hex(&hmac(&key, string))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case<'c> {
        method: &'c str,
        bucket: &'c str,
        key: &'c str,
        query: &'c [(&'c str, &'c str)],
        headers: &'c [(&'c str, &'c str)],
        secret: &'c str,
        stamp: &'c str,
        authorization: &'c str,
    }

    impl Case<'_> {
        fn verify_at(&self, now: i64, token: Option<&str>) -> Result<(), Refusal> {
            let mut headers: Vec<_> = self.headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            for (name, value) in [
                ("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
                ("X-Oss-Date", self.stamp),
                ("Authorization", self.authorization),
            ] {
                headers.push((name.to_owned(), value.to_owned()));
            }
            let parameters: Vec<_> =
                self.query.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
            let claim = Claim {
                method: self.method,
                bucket: self.bucket,
                key: self.key.as_bytes(),
                parameters: &parameters,
                headers: &headers,
            };
            let id = if self.secret == "sk" { "ak" } else { "example-ak-id" };
            let keys = BTreeMap::from([(id.to_owned(), self.secret.to_owned())]);
            verify(&claim, &Rules { keys: &keys, region: "cn-hangzhou", token, now })
        }

        fn verify(&self) -> Result<(), Refusal> {
            self.verify_at(parse_stamp(self.stamp).unwrap(), None)
        }
    }

    // Published by the service's own SDKs for Go and Python.
    const PUT: Case<'_> = Case {
        method: "PUT",
        bucket: "bucket",
        key: "1234+-/123/1.txt",
        query: &[
            ("param1", "value1"),
            ("+param1", "value3"),
            ("|param1", "value4"),
            ("+param2", ""),
            ("|param2", ""),
            ("param2", ""),
        ],
        headers: &[
            ("x-oss-head1", "value"),
            ("abc", "value"),
            ("ZAbc", "value"),
            ("XYZ", "value"),
            ("content-type", "text/plain"),
        ],
        secret: "sk",
        stamp: "20231216T162057Z",
        authorization: "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,\
            Signature=e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe",
    };

    // Computed by several SDKs that agree.
    const APPEND: Case<'_> = Case {
        method: "POST",
        bucket: "examplebucket",
        key: "logs/app.log",
        query: &[("append", ""), ("position", "0")],
        headers: &[("Content-Type", "application/octet-stream")],
        secret: "example-ak-secret",
        stamp: "20251201T120000Z",
        authorization: "OSS4-HMAC-SHA256 Credential=example-ak-id/20251201/cn-hangzhou/oss/aliyun_v4_request, \
            Signature=2128b4b8e7dc5cfceace192606a0f224702e03eb2e226e23df879f65466d468b",
    };

    fn code(result: Result<(), Refusal>) -> (u16, &'static str, &'static str) {
        let refusal = result.unwrap_err();
        (refusal.status, refusal.code, refusal.ec)
    }

    #[test]
    fn published_signatures_are_accepted() {
        PUT.verify().unwrap();
        Case {
            stamp: "20231216T172512Z",
            authorization: "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,AdditionalHeaders=abc;zabc,\
                Signature=4a4183c187c07c8947db7620deb0a6b38d9fbdd34187b6dbaccb316fa251212f",
            ..PUT
        }
        .verify()
        .unwrap();
    }

    #[test]
    fn appends_heads_tokens_and_the_other_layout_are_accepted() {
        APPEND.verify().unwrap();
        Case {
            query: &[("append", ""), ("position", "13")],
            authorization: "OSS4-HMAC-SHA256 Credential=example-ak-id/20251201/cn-hangzhou/oss/aliyun_v4_request,\
                Signature=5ea6918a2466802dde2b76d55e72c66920306f05c1f508e32e2699e524829606",
            ..APPEND
        }
        .verify()
        .unwrap();
        Case {
            headers: &[("Content-Type", "application/octet-stream"), ("content-length", "13"), ("Content-Encoding", "gzip")],
            authorization: "OSS4-HMAC-SHA256 Credential=example-ak-id/20251201/cn-hangzhou/oss/aliyun_v4_request, \
                Signature=7de9d8ef5df0dbbb8ada7fb1aeef79d1c710877e32b54a9de62a7b725c6185b0, AdditionalHeaders=content-encoding;content-length",
            ..APPEND
        }
        .verify()
        .unwrap();
        Case {
            method: "HEAD",
            query: &[("objectMeta", "")],
            headers: &[],
            authorization: "OSS4-HMAC-SHA256 Credential=example-ak-id/20251201/cn-hangzhou/oss/aliyun_v4_request,\
                Signature=85623b9f04c7f7d5a9d70ea9fb0cbc5251dbd97c4757555e93ee1211fdaacf0c",
            ..APPEND
        }
        .verify()
        .unwrap();
        let sts = Case {
            headers: &[
                ("Content-Type", "application/octet-stream"),
                ("x-oss-security-token", "CAIS+example/sts-token=="),
            ],
            authorization: "OSS4-HMAC-SHA256 Credential=example-ak-id/20251201/cn-hangzhou/oss/aliyun_v4_request,\
                Signature=6f6978c885469d3928157a7740032b04c88e771b93161b287a7455e7aa65a80a",
            ..APPEND
        };
        sts.verify().unwrap();
        let now = parse_stamp(sts.stamp).unwrap();
        sts.verify_at(now, Some("CAIS+example/sts-token==")).unwrap();
        assert_eq!(code(sts.verify_at(now, Some("newer"))), (403, "SecurityTokenExpired", ""));
    }

    #[test]
    fn one_changed_letter_is_a_mismatch() {
        let mismatch = (403, "SignatureDoesNotMatch", "0002-00000040");
        assert_eq!(code(Case { method: "HEAD", ..APPEND }.verify()), mismatch);
        assert_eq!(code(Case { bucket: "another", ..APPEND }.verify()), mismatch);
        assert_eq!(code(Case { key: "logs/app.lag", ..APPEND }.verify()), mismatch);
        assert_eq!(code(Case { query: &[("append", ""), ("position", "1")], ..APPEND }.verify()), mismatch);
        assert_eq!(code(Case { headers: &[("Content-Type", "text/plain")], ..APPEND }.verify()), mismatch);
        assert_eq!(code(Case { headers: &[("x-oss-meta-a", "b")], ..APPEND }.verify()), mismatch);
        assert_eq!(code(Case { secret: "another", ..APPEND }.verify()), mismatch);
    }

    #[test]
    fn each_part_has_its_own_refusal() {
        let of = |authorization| code(Case { authorization, ..APPEND }.verify());
        #[cfg(not(feature = "sign-v1"))]
        assert_eq!(of("OSS id:signature"), (403, "AccessDenied", "0002-00000080"));
        assert_eq!(of("OSS2 AccessKeyId:id,Signature:x"), (403, "AccessDenied", "0002-00000080"));
        let scope = |scope: &str| {
            let authorization = format!("OSS4-HMAC-SHA256 Credential={scope},Signature=0");
            code(Case { authorization: &authorization, ..APPEND }.verify())
        };
        assert_eq!(scope("x/20251201/cn-hangzhou/oss/aliyun_v4_request").1, "InvalidAccessKeyId");
        assert_eq!(scope("example-ak-id/20251201/cn-beijing/oss/aliyun_v4_request").2, "0002-00000226");
        assert_eq!(scope("example-ak-id/20251201/cn-hangzhou/ecs/aliyun_v4_request").2, "0002-00000227");
        assert_eq!(scope("example-ak-id/20251202/cn-hangzhou/oss/aliyun_v4_request").2, "0002-00000505");
        assert_eq!(scope("example-ak-id"), (400, "InvalidArgument", ""));
    }

    #[test]
    fn fifteen_minutes_are_allowed() {
        let signed = parse_stamp(APPEND.stamp).unwrap();
        for fine in [signed - 900, signed + 900] {
            APPEND.verify_at(fine, None).unwrap();
        }
        for skewed in [signed - 901, signed + 901] {
            assert_eq!(code(APPEND.verify_at(skewed, None)), (403, "RequestTimeTooSkewed", "0002-00000504"));
        }
    }
}
