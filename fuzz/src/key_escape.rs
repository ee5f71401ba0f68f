//! The signed text is the sent text, and it decodes back to the key.
//!
//! The signature is made once more, from the address alone as it goes out, and must be the same. Some keys make the
//! whole way to the fake and back.

use crate::bytes::{line, number, take};
use hmac::{Hmac, KeyInit, Mac};
use http::Uri;
use oss_append::{Addressing, Bucket, Credentials, ErrorKind, internal, testing::FakeOss};
use sha2::{Digest, Sha256};
use std::cell::RefCell;

/// 2025-12-01T12:00:00Z
const TIME: u64 = 1_764_590_400;
const STAMP: &str = "20251201T120000Z";

pub fn run(data: &[u8]) {
    let mut data = data;
    let choice = number::<1>(&mut data);
    let position = number::<2>(&mut data);
    let (other, rest) = line(data);
    let (key, _) = take(rest, 1100);
    let key = String::from_utf8_lossy(key);
    escapes(&key, &other);
    let addressing = match choice >> 1 & 3 {
        0 => Addressing::VirtualHost,
        1 => Addressing::Path,
        _ => Addressing::Cname,
    };
    let url = match internal::url("https://oss.example.com", Some("cn-hangzhou"), Some(addressing), &key) {
        Ok(url) => url,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(key.is_empty() || key.len() > 1023 || key.starts_with(['/', '\\']), "{key:?}");
            return;
        }
    };
    let uri: Uri = url.parse().unwrap_or_else(|error| panic!("{error}: {url}"));
    let path = uri.path().to_owned();
    let sent = match addressing {
        Addressing::Path => path.strip_prefix("/bucket/"),
        _ => path.strip_prefix('/'),
    };
    let sent = sent.expect("the key is behind the bucket");
    assert_eq!(sent, internal::escape_path(&key), "{url}");
    assert_eq!(uri.query(), Some("append&position=0"), "the key ends where the query begins: {url}");
    assert_eq!(decoded(sent), key.as_bytes(), "{url}");
    signed_as_sent(&key, sent, position);
    if choice & 1 == 1 {
        there_and_back(&key, sent);
    }
}

fn escapes(text: &str, other: &str) {
    for (escape, slash) in [(internal::escape_path as fn(&str) -> String, true), (internal::escape_query, false)] {
        let escaped = escape(text);
        assert_eq!(decoded(&escaped), text.as_bytes());
        assert!(escaped.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b) || (slash && b == b'/')));
        assert_eq!(escape(&format!("{text}{other}")), escaped + &escape(other), "part by part");
    }
}

/// RFC 3986, and nothing but what must be escaped is: upper case, never of an unreserved character.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        rest = behind;
        bytes.push(match first {
            b'%' => {
                let (digits, behind) = rest.split_at(2);
                rest = behind;
                let value = digits.iter().fold(0, |sum, digit| match digit {
                    b'0'..=b'9' => sum << 4 | (digit - b'0'),
                    b'A'..=b'F' => sum << 4 | (digit - b'A' + 10),
                    _ => panic!("%{digits:?} in {text}"),
                });
                assert!(!value.is_ascii_alphanumeric() && !b"-._~".contains(&value), "{text}");
                value
            }
            byte => *byte,
        });
    }
    bytes
}

fn signed_as_sent(key: &str, sent: &str, position: u64) {
    let keys = Credentials::new("id", "secret").with_token("token");
    let authorization = internal::signed_append(key, position, &keys, TIME);
    let canonical = format!(
        "POST\n/bucket/{sent}\nappend&position={position}\ncontent-type:application/octet-stream\n\
         x-oss-content-sha256:UNSIGNED-PAYLOAD\nx-oss-date:{STAMP}\nx-oss-security-token:token\n\n\nUNSIGNED-PAYLOAD"
    );
    let scope = "20251201/cn-hangzhou/oss/aliyun_v4_request";
    let text = format!("OSS4-HMAC-SHA256\n{STAMP}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let secret = b"aliyun_v4secret".to_vec();
    let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &text));
    assert_eq!(authorization, format!("OSS4-HMAC-SHA256 Credential=id/{scope},Signature={signature}"));
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

thread_local! {
    /// With how often it was used: it remembers every request.
    static FAKE: RefCell<Option<(FakeOss, Bucket, u32)>> = const { RefCell::new(None) };
}

/// The fake checks the signature by code of its own, and takes the key from what it was sent.
fn there_and_back(key: &str, sent: &str) {
    FAKE.with_borrow_mut(|fake| {
        if fake.as_ref().is_none_or(|(_, _, used)| *used == 100) {
            let oss = FakeOss::start().expect("a port is free");
            let bucket = oss.builder("bucket").attempts(1).build().expect("a good bucket");
            *fake = Some((oss, bucket, 0));
        }
        let (oss, bucket, used) = fake.as_mut().expect("just made");
        *used += 1;
        oss.delete_object("bucket", key);
        bucket.append_object(key, 0, "text").unwrap_or_else(|error| panic!("{error}: {key:?}"));
        assert_eq!(oss.object("bucket", key).as_deref(), Some(&b"text"[..]), "{key:?}");
        let requests = oss.requests();
        let last = requests.last().expect("it was asked");
        assert_eq!(last.target, format!("/bucket/{sent}?append&position=0"));
        oss.delete_object("bucket", key);
    });
}
