//! Regions: their ids, and the hosts that are named after them.

use std::{borrow::Cow, net::Ipv4Addr};

use crate::error::{Error, Result};

/// Whose host it is.
pub(crate) enum Site {
    Ip,
    Localhost,
    /// The service's own, with its region where the host tells.
    Oss(Option<String>),
    Other,
}

impl Site {
    /// The forms are those of "Regions and endpoints". The host is in lower case.
    pub(crate) fn of(host: &str) -> Result<Self> {
        if host == "localhost" {
            return Ok(Self::Localhost);
        }
        if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
            return Ok(Self::Ip);
        }
        let Some(name) = host.strip_suffix(".aliyuncs.com") else { return Ok(Self::Other) };
        let (before, last) = name.rsplit_once('.').unwrap_or(("", name));
        match (before, last) {
            ("", "oss" | "oss-internal") => Ok(Self::Oss(Some("cn-hangzhou".to_owned()))),
            ("", "oss-accelerate" | "oss-accelerate-overseas") => Ok(Self::Oss(None)),
            ("", _) => Ok(match last.strip_prefix("oss-").filter(|id| is_region_like(id)) {
                Some(id) => Self::Oss(Some(region_of(id))),
                None => Self::Other,
            }),
            (_, "oss-cloudbox" | "oss-cloudbox-control") => {
                refuse(format!("the endpoint {host:?} is a cloud box, whose signatures are others: not supported"))
            }
            (id, "oss") if is_region_like(id) => Ok(Self::Oss(Some(region_of(id)))),
            (_, last) if last == "oss" || last.starts_with("oss-") => {
                let (bucket, rest) = host.split_once('.').expect("something stands before the last label");
                refuse(format!(
                    "the endpoint {host:?} repeats a bucket name: write {rest} and the bucket {bucket:?} apart"
                ))
            }
            _ => Ok(Self::Other),
        }
    }

    /// As far as the host tells it.
    pub(crate) fn region(&self) -> Option<&str> {
        match self {
            Self::Oss(region) => region.as_deref(),
            Self::Ip | Self::Localhost | Self::Other => None,
        }
    }
}

/// What a user calls a region.
pub(crate) fn check_region(region: &str) -> Result<()> {
    if !region.is_empty() && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        let bare = region.strip_prefix("oss-").unwrap_or(region);
        let bare = bare.strip_suffix("-internal").unwrap_or(bare);
        if bare == region {
            return Ok(());
        }
        return refuse(format!(
            "the region {region:?} is written {bare:?}: \"oss-\" and \"-internal\" belong in endpoints"
        ));
    }
    refuse(format!("the region {region:?} is not valid: write it as cn-hangzhou (a-z, 0-9 and '-')"))
}

/// Has it the look of a region id? New ones must work without a new version of this crate.
pub(crate) fn is_region_like(text: &str) -> bool {
    text.split_once('-').is_some_and(|(area, place)| {
        AREAS.contains(&area)
            && !place.trim_matches('-').is_empty()
            && place.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

pub(crate) fn is_known(region: &str) -> bool {
    REGIONS.contains(&region) || RENAMED.iter().any(|(_, id)| *id == region)
}

/// The region behind what a host is called, without its `oss-`.
fn region_of(name: &str) -> String {
    let name = name.strip_suffix("-internal").unwrap_or(name);
    RENAMED.iter().find(|(host, _)| *host == name).map_or(name, |(_, region)| region).to_owned()
}

/// Where a region is reached that was written alone, in place of an endpoint.
pub(crate) fn public_host(region: &str) -> Result<String> {
    let host_of = |region: &str| RENAMED.iter().find(|(_, id)| *id == region).map(|(host, _)| *host);
    // A bucket is behind one of them and not behind the other.
    if let Some((region, host)) = region.strip_suffix("-internal").and_then(|bare| Some((bare, host_of(bare)?))) {
        return refuse(format!(
            "{region} has several internal hosts: write the one that the console shows for the bucket, as \
             oss-{host}-internal.aliyuncs.com"
        ));
    }
    Ok(format!("oss-{}.aliyuncs.com", host_of(region).unwrap_or(region)))
}

fn refuse<T>(what: impl Into<Cow<'static, str>>) -> Result<T> {
    Err(Error::invalid_input(what))
}

/// What region ids begin with.
const AREAS: [&str; 9] = ["af", "ap", "cn", "eu", "me", "na", "rg", "sa", "us"];

/// "Regions and endpoints", retired ones included.
#[rustfmt::skip]
const REGIONS: [&str; 35] = [
    "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
    "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ap-southeast-8", "cn-beijing", "cn-chengdu", "cn-fuzhou",
    "cn-guangzhou", "cn-hangzhou", "cn-heyuan", "cn-hongkong", "cn-huhehaote", "cn-nanjing", "cn-north-2-gov-1",
    "cn-qingdao", "cn-shanghai", "cn-shenzhen", "cn-wuhan-lr", "cn-wulanchabu", "cn-zhangjiakou", "cn-zhongwei",
    "eu-central-1", "eu-west-1", "eu-west-2", "me-central-1", "me-east-1", "na-south-1", "us-east-1", "us-west-1",
];

/// Finance regions, whose hosts have other names than the region; the public host first, the dual-stack one last.
const RENAMED: [(&str, &str); 8] = [
    ("cn-hzfinance", "cn-hangzhou-finance"),
    ("cn-hzjbp-a", "cn-hangzhou-finance"),
    ("cn-hzjbp-b", "cn-hangzhou-finance"),
    ("cn-szfinance", "cn-shenzhen-finance-1"),
    ("cn-shenzhen-finance", "cn-shenzhen-finance-1"),
    ("cn-shanghai-finance-1-pub", "cn-shanghai-finance-1"),
    ("cn-shanghai-finance", "cn-shanghai-finance-1"),
    ("cn-beijing-finance-1-pub", "cn-beijing-finance-1"),
];

/// All of them, for tests of other rooms.
#[cfg(test)]
pub(crate) fn known() -> impl Iterator<Item = &'static str> {
    REGIONS.into_iter().chain(RENAMED.into_iter().map(|(_, region)| region))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Public, internal and dual-stack hosts of the finance and government clouds, as "Regions and endpoints" has them.
    const CLOUDS: [(&str, &str); 19] = [
        ("oss-cn-hzfinance", "cn-hangzhou-finance"),
        ("oss-cn-hzfinance-internal", "cn-hangzhou-finance"),
        ("cn-hangzhou-finance.oss", "cn-hangzhou-finance"),
        ("oss-cn-hzjbp-a-internal", "cn-hangzhou-finance"),
        ("oss-cn-hzjbp-b-internal", "cn-hangzhou-finance"),
        ("oss-cn-shanghai-finance-1-pub", "cn-shanghai-finance-1"),
        ("oss-cn-shanghai-finance-1-pub-internal", "cn-shanghai-finance-1"),
        ("oss-cn-shanghai-finance-1-internal", "cn-shanghai-finance-1"),
        ("cn-shanghai-finance.oss", "cn-shanghai-finance-1"),
        ("oss-cn-szfinance", "cn-shenzhen-finance-1"),
        ("oss-cn-szfinance-internal", "cn-shenzhen-finance-1"),
        ("oss-cn-shenzhen-finance-1-internal", "cn-shenzhen-finance-1"),
        ("cn-shenzhen-finance.oss", "cn-shenzhen-finance-1"),
        ("oss-cn-beijing-finance-1-pub", "cn-beijing-finance-1"),
        ("oss-cn-beijing-finance-1-pub-internal", "cn-beijing-finance-1"),
        ("oss-cn-beijing-finance-1-internal", "cn-beijing-finance-1"),
        ("oss-cn-north-2-gov-1", "cn-north-2-gov-1"),
        ("oss-cn-north-2-gov-1-internal", "cn-north-2-gov-1"),
        ("cn-north-2-gov-1.oss", "cn-north-2-gov-1"),
    ];

    /// Regions that have the form for IPv4 and IPv6.
    const DUAL_STACK: [&str; 13] = [
        "cn-hangzhou",
        "cn-shanghai",
        "cn-qingdao",
        "cn-beijing",
        "cn-zhangjiakou",
        "cn-huhehaote",
        "cn-wulanchabu",
        "cn-shenzhen",
        "cn-heyuan",
        "cn-guangzhou",
        "cn-chengdu",
        "cn-hongkong",
        "eu-central-1",
    ];

    #[track_caller]
    fn region_at(host: &str) -> Option<String> {
        Site::of(&format!("{host}.aliyuncs.com")).expect("a host of the service").region().map(str::to_owned)
    }

    #[test]
    fn public_and_internal_hosts_are_named_after_their_region() {
        for region in REGIONS {
            assert_eq!(region_at(&format!("oss-{region}")).as_deref(), Some(region));
            assert_eq!(region_at(&format!("oss-{region}-internal")).as_deref(), Some(region));
            assert_eq!(public_host(region).expect("good"), format!("oss-{region}.aliyuncs.com"));
        }
    }

    #[test]
    fn dual_stack_hosts_are_named_after_their_region_whether_it_is_listed_or_newer() {
        for region in DUAL_STACK.into_iter().chain(["us-west-1", "cn-tomorrow-9"]) {
            assert_eq!(region_at(&format!("{region}.oss")).as_deref(), Some(region));
        }
    }

    #[test]
    fn hosts_of_finance_and_government_have_names_of_their_own() {
        for (host, region) in CLOUDS {
            assert_eq!(region_at(host).as_deref(), Some(region), "{host}");
            assert!(is_known(region));
        }
    }

    #[test]
    fn acceleration_tells_no_region_and_legacy_hosts_are_in_hangzhou() {
        for host in ["oss-accelerate", "oss-accelerate-overseas"] {
            assert_eq!(region_at(host), None);
        }
        for host in ["oss", "oss-internal"] {
            assert_eq!(region_at(host).as_deref(), Some("cn-hangzhou"));
        }
    }

    #[test]
    fn a_bucket_without_a_region_has_a_host_of_its_own_kind() {
        assert_eq!(region_at("oss-rg-china-mainland").as_deref(), Some("rg-china-mainland"));
        // What it is signed with is not documented: what the user says stands.
        assert!(!is_known("rg-china-mainland"));
    }

    #[test]
    fn other_hosts_of_the_same_domain_are_not_guessed_at() {
        for host in ["sts", "ecs.cn-hangzhou", "vpc100-oss-cn-hangzhou", "oss-console", "oss-cn", "oss-cn-"] {
            assert!(matches!(Site::of(&format!("{host}.aliyuncs.com")), Ok(Site::Other)), "{host}");
        }
        for host in ["aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com.example.com", "oss-cn-hangzhou-aliyuncs.com"] {
            assert!(matches!(Site::of(host), Ok(Site::Other)), "{host}");
        }
    }

    #[test]
    fn which_internal_host_a_finance_region_means_must_be_said() {
        for region in ["cn-hangzhou-finance", "cn-shanghai-finance-1", "cn-shenzhen-finance-1", "cn-beijing-finance-1"]
        {
            public_host(region).expect("there is one public host");
            let error = public_host(&format!("{region}-internal")).expect_err("must be refused").to_string();
            assert!(error.contains("several internal hosts") && error.contains("-internal.aliyuncs.com"), "{error}");
        }
    }
}
