//! What to do about a refusal, where the service's own words leave it open.

use std::borrow::Cow;

use crate::{error::Refusal, region::Site};

/// Nothing for most: their codes and messages say it. `endpoint` is what the error document names as the bucket's own,
/// which is anybody's text.
pub(crate) fn advice(refusal: &Refusal, endpoint: Option<&str>) -> Option<Cow<'static, str>> {
    let (ec, message) = (refusal.ec.as_deref(), refusal.message.as_deref().unwrap_or_default());
    Some(match refusal.code.as_deref()? {
        // "HTTP status code 403": the bucket is in another region than the host.
        "AccessDenied" | "PermanentRedirect" if endpoint.is_some() => elsewhere(endpoint?),
        // "0002-00000080": signed by V1, which is a choice.
        "AccessDenied" if ec == Some("0002-00000080") => {
            "Signature V1 is not taken here: leave out BucketBuilder::signature_version".into()
        }
        // "0002-00000226". The vendor reserves to change these numbers, so the message counts, too.
        "InvalidArgument" if ec == Some("0002-00000226") || message.contains("signing region") => {
            "the bucket is in another region than the request was signed for: say the bucket's own with \
             BucketBuilder::region (from the environment: OSS_REGION), as cn-hangzhou"
                .into()
        }
        // "0048-00000401" and "Regions and endpoints".
        "PublicEndpointForbidden" => {
            "accounts that are new to the service since 2025-03-20 cannot reach the data of buckets in mainland China \
             through the public endpoint: bind a domain of your own to the bucket and use it with Addressing::Cname, \
             or, from within the region, use the internal endpoint, as oss-cn-hangzhou-internal.aliyuncs.com"
                .into()
        }
        "SecondLevelDomainForbidden" => {
            "the bucket's name belongs in front of this host: leave out Addressing::Path, and for a domain of your own \
             that is bound to the bucket say Addressing::Cname"
                .into()
        }
        "CnameDenied" => {
            "the domain is bound to another bucket or account: bind it to this one, or use the endpoint of the \
             bucket's region without Addressing::Cname"
                .into()
        }
        _ => return None,
    })
}

/// The name is repeated only if it is a host's.
fn elsewhere(endpoint: &str) -> Cow<'static, str> {
    let host = endpoint.trim().to_ascii_lowercase();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if host.is_empty() || host.len() > LONGEST_HOST || !host.bytes().all(plain) {
        return "the bucket is in another region: the console shows its endpoint, write that one".into();
    }
    match Site::of(&host).as_ref().ok().and_then(Site::region) {
        Some(region) => {
            format!("the bucket is in {region}: write the endpoint {host}, and {region} where the region is said")
                .into()
        }
        None => format!("the bucket is elsewhere: the service says to write the endpoint {host}").into(),
    }
}

/// A host may be longer; none of the service's is.
const LONGEST_HOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, ec: Option<&str>, message: Option<&str>) -> Refusal {
        let owned = |text: &str| Some(text.to_owned());
        Refusal { code: owned(code), ec: ec.and_then(owned), message: message.and_then(owned), ..Refusal::default() }
    }

    fn denied_at(endpoint: &str) -> String {
        advice(&refusal("AccessDenied", None, None), Some(endpoint)).expect("there is advice").into_owned()
    }

    #[test]
    fn the_right_endpoint_is_named_with_its_region() {
        assert_eq!(
            denied_at("oss-cn-shanghai.aliyuncs.com"),
            "the bucket is in cn-shanghai: write the endpoint oss-cn-shanghai.aliyuncs.com, and cn-shanghai where the \
             region is said"
        );
        assert!(
            denied_at("OSS-CN-hzfinance.aliyuncs.com").contains("in cn-hangzhou-finance: write the endpoint oss-cn-")
        );
        assert!(denied_at("oss.private.example").ends_with("to write the endpoint oss.private.example"));
        assert!(
            denied_at("oss-accelerate.aliyuncs.com").ends_with("to write the endpoint oss-accelerate.aliyuncs.com")
        );
    }

    #[test]
    fn what_is_no_host_is_not_repeated() {
        for text in ["", " ", "a b", "a/b", "a\u{202e}b", "http://a", "a:1", "a\nb", "<a>", "ä", &"a".repeat(101)] {
            assert!(denied_at(text).starts_with("the bucket is in another region"), "{text:?}");
        }
    }

    #[test]
    fn a_wrong_signing_region_is_known_by_number_or_words() {
        for (ec, message) in [
            (Some("0002-00000226"), None),
            (None, Some("Invalid signing region in Authorization header.")),
            (Some("0002-99999999"), Some("Invalid signing region in Authorization header.")),
        ] {
            let advice = advice(&refusal("InvalidArgument", ec, message), None).expect("there is advice");
            assert!(advice.contains("BucketBuilder::region"), "{advice}");
        }
    }

    #[test]
    fn a_refused_old_signature_is_recognised() {
        let advice = advice(&refusal("AccessDenied", Some("0002-00000080"), None), None).expect("there is advice");
        assert!(advice.contains("V1 is not taken here"), "{advice}");
    }

    #[test]
    fn where_the_service_says_it_nothing_is_added() {
        for code in ["AccessDenied", "InvalidArgument", "NoSuchBucket", "PositionNotEqualToLength", "Unheard"] {
            assert_eq!(advice(&refusal(code, Some("0003-00000001"), Some("No.")), None), None, "{code}");
        }
        assert_eq!(advice(&refusal("NoSuchKey", None, None), Some("oss-cn-shanghai.aliyuncs.com")), None);
        assert_eq!(advice(&Refusal::default(), Some("oss-cn-shanghai.aliyuncs.com")), None);
    }
}
