//! Where to ask: endpoints, addressing, names, escaping.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    error::{Error, Result},
    region::{Site, check_region, is_known, is_region_like, public_host},
};

/// Where the bucket's name goes.
///
/// Said with [`BucketBuilder::addressing`](crate::BucketBuilder::addressing). Otherwise it is [`Path`](Self::Path) for IP
/// addresses and `localhost`, and [`VirtualHost`](Self::VirtualHost) for everything else.
///
/// # Endpoints
///
/// What follows from an endpoint, and what must be said ("Regions and endpoints" lists the service's own). Without a
/// scheme it is `https://`. Upper case, blanks around it, a slash behind it and a port do not matter; a path, a user
/// name, or the bucket's name in front is refused with what to write instead.
///
/// | endpoint | region | addressing |
/// |---|---|---|
/// | `cn-hangzhou`: a region alone is its public host, with `-internal` behind it the internal one | follows | follows |
/// | `oss-cn-hangzhou.aliyuncs.com`, `oss-cn-hangzhou-internal.aliyuncs.com` | follows | follows |
/// | `cn-hangzhou.oss.aliyuncs.com`, IPv4 and IPv6; only some regions have it | follows | follows |
/// | `oss-cn-hzfinance.aliyuncs.com` and the other finance hosts, whose names are not their region's | follows | follows |
/// | `oss-cn-north-2-gov-1.aliyuncs.com`, also internal and dual-stack | follows | follows |
/// | `oss.aliyuncs.com`, `oss-internal.aliyuncs.com` | `cn-hangzhou` | follows |
/// | `oss-rg-china-mainland.aliyuncs.com` | `rg-china-mainland`, unless another is said | follows |
/// | `oss-accelerate.aliyuncs.com`, `oss-accelerate-overseas.aliyuncs.com` | say the bucket's | follows |
/// | `logs.example.com`, your own domain, bound to the bucket | say the bucket's | say [`Cname`](Self::Cname) |
/// | any other name, as of a private cloud | say it | `VirtualHost`, or say [`Path`](Self::Path) |
/// | `127.0.0.1:9000`, `[::1]:9000`, `localhost:9000` | say it | `Path`, or say [`Cname`](Self::Cname) |
///
/// A region newer than this crate is derived by its look. Requests that are not signed need none. A cloud box, whose
/// signatures are others, is not supported.
///
/// ```
/// use oss_append::{Addressing, Auth, Bucket};
///
/// let own_domain = Bucket::builder(Auth::anonymous(), "http://logs.example.com", "my-bucket")
///     .addressing(Addressing::Cname)
///     .build()?;
/// # drop(own_domain);
/// # Ok::<(), oss_append::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addressing {
    /// In front of the host: `https://bucket.oss-cn-hangzhou.aliyuncs.com/key`.
    VirtualHost,
    /// In front of the key: `http://127.0.0.1:9000/bucket/key`. The public service refuses it
    /// (`SecondLevelDomainForbidden`), so one of the service's own hosts with it is an error.
    Path,
    /// Nowhere: the host is a domain of your own that is bound to the bucket, `https://logs.example.com/key`.
    #[doc(alias = "is_cname")]
    Cname,
}

/// A bucket's address, checked.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Everything in front of the key, the slash included.
    base: String,
    bucket: String,
    region: String,
}

impl Endpoint {
    /// `region` and `addressing` are what the user said, if anything. `signed`: a region is needed, for the signature.
    pub(crate) fn new(
        text: &str,
        bucket: &str,
        region: Option<&str>,
        addressing: Option<Addressing>,
        signed: bool,
    ) -> Result<Self> {
        check_bucket(bucket)?;
        if let Some(region) = region {
            check_region(region)?;
        }
        let Address { scheme, host, port } = Address::parse(text)?;
        let site = Site::of(&host)?;
        let addressing = addressing.unwrap_or(match site {
            Site::Ip | Site::Localhost => Addressing::Path,
            Site::Oss(_) | Site::Other => Addressing::VirtualHost,
        });
        check_addressing(addressing, &site, &host, bucket)?;
        let region = choose_region(region, &site, &host, signed)?;

        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let base = match addressing {
            Addressing::VirtualHost => format!("{scheme}://{bucket}.{host}{port}/"),
            Addressing::Path => format!("{scheme}://{host}{port}/{bucket}/"),
            Addressing::Cname => format!("{scheme}://{host}{port}/"),
        };
        Ok(Self { base, bucket: bucket.to_owned(), region })
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Empty when requests are not signed and nobody named it.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// `https://bucket.host:port/escaped/key?query`. The query is escaped text already, or empty.
    pub(crate) fn url(&self, key: &str, query: &str) -> String {
        let mut url = String::with_capacity(self.base.len() + key.len() + query.len() + 1);
        url.push_str(&self.base);
        escape_path(key, &mut url);
        if !query.is_empty() {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

/// The service's rule for keys ("AppendObject" reference): 1 to 1023 bytes, no `/` or `\` in front.
pub(crate) fn check_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return refuse("the key is empty: an object needs a name of 1 to 1023 bytes");
    }
    if key.len() > 1023 {
        return refuse(format!("the key is {} bytes long: at most 1023 are allowed", key.len()));
    }
    if let Some(first) = key.chars().next().filter(|c| matches!(c, '/' | '\\')) {
        return refuse(format!("the key begins with '{first}': write it without"));
    }
    Ok(())
}

/// The service's rule for buckets ("PutBucket" reference).
pub(crate) fn check_bucket(name: &str) -> Result<()> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edge = |b: Option<u8>| b.is_some_and(good);
    if (3..=63).contains(&name.len())
        && name.bytes().all(|b| good(b) || b == b'-')
        && edge(name.bytes().next())
        && edge(name.bytes().last())
    {
        return Ok(());
    }
    let hint =
        if split_scheme(name).is_some() { "; this is an endpoint: the order is auth, endpoint, name" } else { "" };
    refuse(format!(
        "the bucket name {name:?} is not valid: 3 to 63 of a-z, 0-9 and '-', a letter or digit at both ends{hint}"
    ))
}

/// Keeps the unreserved characters of RFC 3986 and `/`; every other byte becomes `%XX`.
pub(crate) fn escape_path(text: &str, into: &mut String) {
    escape(text, true, into);
}

/// The same, but `/` becomes `%2F`.
pub(crate) fn escape_query(text: &str, into: &mut String) {
    escape(text, false, into);
}

fn escape(text: &str, keep_slash: bool, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let stays = |byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
        _ => keep_slash && byte == b'/',
    };
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let (plain, behind) = rest.split_at(rest.iter().position(|byte| !stays(*byte)).unwrap_or(rest.len()));
        into.push_str(std::str::from_utf8(plain).expect("ASCII stays, and nothing else"));
        rest = behind;
        if let Some((byte, behind)) = rest.split_first() {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 15)]));
            rest = behind;
        }
    }
}

/// What stands on both sides of `://`.
pub(crate) fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    Some((scheme, rest.strip_prefix("//")?))
}

/// An endpoint taken apart; what stands where is right, what it means is not looked at.
struct Address {
    scheme: &'static str,
    /// Lower case; IPv6 in brackets.
    host: String,
    port: Option<u16>,
}

impl Address {
    fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return refuse(
                "the endpoint is empty: write https://oss-cn-hangzhou.aliyuncs.com or a region, cn-hangzhou",
            );
        }
        // These may hold secrets, so their errors do not repeat the text.
        if text.contains('@') {
            return refuse("the endpoint holds a user name ('@'): write scheme and host only, keys belong in Auth");
        }
        if text.contains(['?', '#']) {
            return refuse("the endpoint has a query or fragment ('?', '#'): write scheme, host and port only");
        }
        let (scheme, rest) = match split_scheme(text) {
            None => ("https", text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, _)) => return refuse(format!("the endpoint's scheme is {scheme:?}: write http or https")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority
            .split([':', '/'])
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("http") || word.eq_ignore_ascii_case("https"))
        {
            return refuse("the endpoint's scheme is misspelt: write it once, as https://oss-cn-hangzhou.aliyuncs.com");
        }
        if authority.contains('/') {
            return refuse("the endpoint has a path: write scheme, host and port only, keys are given with each call");
        }
        let (host, port) = split_port(authority)?;
        let host = check_host(host)?;
        Ok(match port {
            None if is_region_like(&host) => Self { scheme, host: public_host(&host)?, port },
            _ => Self { scheme, host, port },
        })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>)> {
    if authority.parse::<Ipv6Addr>().is_ok() {
        return refuse(format!("an IPv6 address stands in brackets: write [{authority}]"));
    }
    let colon = match authority.rfind(']') {
        Some(end) => Some(end + 1).filter(|at| authority[*at..].starts_with(':')),
        None if authority.starts_with('[') => None,
        None => authority.find(':'),
    };
    let Some(colon) = colon else { return Ok((authority, None)) };
    let port = &authority[colon + 1..];
    match port.parse() {
        Ok(number @ 1..) if port.bytes().all(|b| b.is_ascii_digit()) => Ok((&authority[..colon], Some(number))),
        _ => refuse(format!("the endpoint's port {port:?} is not a number from 1 to 65535")),
    }
}

fn check_host(host: &str) -> Result<String> {
    if let Some(inside) = host.strip_prefix('[') {
        return match inside.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
            Some(Ok(address)) => Ok(format!("[{address}]")),
            _ => refuse(format!("the endpoint's host {host:?} is not an IPv6 address")),
        };
    }
    let host = host.to_ascii_lowercase();
    if host.is_empty() {
        return refuse("the endpoint has no host: write https://oss-cn-hangzhou.aliyuncs.com");
    }
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let label =
        |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(good) && !l.starts_with('-') && !l.ends_with('-');
    if host.len() > 253 || !host.split('.').all(label) {
        return refuse(format!(
            "the endpoint's host {host:?} is not a host name: labels of a-z, 0-9 and '-' with single dots between \
             them, none at the end"
        ));
    }
    // Resolvers read 127.1 and 010.0.0.1 in ways of their own.
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') && host.parse::<Ipv4Addr>().is_err() {
        return refuse(format!(
            "the endpoint's host {host:?} is not an IPv4 address: write four numbers from 0 to 255"
        ));
    }
    if let Some(region) = host.strip_prefix("oss-").filter(|r| is_region_like(r)) {
        return refuse(format!("the endpoint {host:?} is cut short: write {host}.aliyuncs.com or {region}"));
    }
    Ok(host)
}

fn check_addressing(addressing: Addressing, site: &Site, host: &str, bucket: &str) -> Result<()> {
    match (addressing, site) {
        (Addressing::Path, Site::Oss(_)) => {
            refuse(format!("{host} refuses path style (SecondLevelDomainForbidden): leave out Addressing::Path"))
        }
        (Addressing::Cname, Site::Oss(_)) => refuse(format!(
            "{host} is the service's own host: Addressing::Cname is for a domain of yours bound to the bucket"
        )),
        (Addressing::VirtualHost, Site::Ip) => {
            refuse(format!("a bucket name cannot stand in front of the IP address {host}: use Addressing::Path"))
        }
        (Addressing::VirtualHost, Site::Other) if host.split('.').next() == Some(bucket) => refuse(format!(
            "the endpoint {host:?} repeats the bucket name: leave it out, \
             or use Addressing::Cname if this is the bucket's own domain"
        )),
        _ => Ok(()),
    }
}

fn choose_region(said: Option<&str>, site: &Site, host: &str, signed: bool) -> Result<String> {
    let derived = site.region();
    match (said, derived) {
        // A region newer than this list is only a guess from the host: what the user says stands.
        (Some(said), Some(derived)) if said != derived && is_known(derived) => refuse(format!(
            "the region {said:?} contradicts the endpoint {host}, which is in {derived}: leave out one of the two"
        )),
        (Some(region), _) | (None, Some(region)) => Ok(region.to_owned()),
        (None, None) if signed => refuse(format!(
            "the endpoint {host} does not tell its region, which signing needs: say it with BucketBuilder::region \
             (from the environment: OSS_REGION), as cn-hangzhou"
        )),
        (None, None) => Ok(String::new()),
    }
}

fn refuse<T>(what: impl Into<std::borrow::Cow<'static, str>>) -> Result<T> {
    Err(Error::invalid_input(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ErrorKind, region::known};

    fn endpoint(text: &str) -> Result<Endpoint> {
        Endpoint::new(text, "bucket", None, None, true)
    }

    fn with(text: &str, region: Option<&str>, addressing: Option<Addressing>) -> Result<Endpoint> {
        Endpoint::new(text, "bucket", region, addressing, true)
    }

    #[track_caller]
    fn refused<T>(result: Result<T>) -> String {
        let error = result.err().expect("must be refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    }

    #[test]
    fn the_documented_forms_tell_their_region() {
        for (text, base, region) in [
            ("oss-cn-hangzhou.aliyuncs.com", "https://bucket.oss-cn-hangzhou.aliyuncs.com/", "cn-hangzhou"),
            ("http://OSS-CN-Hangzhou.Aliyuncs.com/", "http://bucket.oss-cn-hangzhou.aliyuncs.com/", "cn-hangzhou"),
            (" HTTPS://oss-us-west-1.aliyuncs.com ", "https://bucket.oss-us-west-1.aliyuncs.com/", "us-west-1"),
            (
                "https://oss-cn-hangzhou-internal.aliyuncs.com:8443",
                "https://bucket.oss-cn-hangzhou-internal.aliyuncs.com:8443/",
                "cn-hangzhou",
            ),
            ("cn-beijing.oss.aliyuncs.com", "https://bucket.cn-beijing.oss.aliyuncs.com/", "cn-beijing"),
            ("oss.aliyuncs.com", "https://bucket.oss.aliyuncs.com/", "cn-hangzhou"),
            ("oss-internal.aliyuncs.com", "https://bucket.oss-internal.aliyuncs.com/", "cn-hangzhou"),
            ("oss-cn-tomorrow-9.aliyuncs.com", "https://bucket.oss-cn-tomorrow-9.aliyuncs.com/", "cn-tomorrow-9"),
            ("oss-cn-hzfinance.aliyuncs.com", "https://bucket.oss-cn-hzfinance.aliyuncs.com/", "cn-hangzhou-finance"),
            (
                "oss-cn-hzjbp-a-internal.aliyuncs.com",
                "https://bucket.oss-cn-hzjbp-a-internal.aliyuncs.com/",
                "cn-hangzhou-finance",
            ),
            (
                "oss-cn-shanghai-finance-1-pub.aliyuncs.com",
                "https://bucket.oss-cn-shanghai-finance-1-pub.aliyuncs.com/",
                "cn-shanghai-finance-1",
            ),
            (
                "oss-cn-shanghai-finance-1-internal.aliyuncs.com",
                "https://bucket.oss-cn-shanghai-finance-1-internal.aliyuncs.com/",
                "cn-shanghai-finance-1",
            ),
            ("CN-Beijing.OSS.aliyuncs.com:443/", "https://bucket.cn-beijing.oss.aliyuncs.com:443/", "cn-beijing"),
            (
                "http://oss-cn-north-2-gov-1-internal.aliyuncs.com",
                "http://bucket.oss-cn-north-2-gov-1-internal.aliyuncs.com/",
                "cn-north-2-gov-1",
            ),
            ("cn-north-2-gov-1", "https://bucket.oss-cn-north-2-gov-1.aliyuncs.com/", "cn-north-2-gov-1"),
            ("oss-cn-szfinance.aliyuncs.com", "https://bucket.oss-cn-szfinance.aliyuncs.com/", "cn-shenzhen-finance-1"),
            (
                "cn-shanghai-finance.oss.aliyuncs.com",
                "https://bucket.cn-shanghai-finance.oss.aliyuncs.com/",
                "cn-shanghai-finance-1",
            ),
            (
                "oss-rg-china-mainland.aliyuncs.com",
                "https://bucket.oss-rg-china-mainland.aliyuncs.com/",
                "rg-china-mainland",
            ),
            // Retired: the host is gone, its name still tells.
            ("oss-ap-south-1.aliyuncs.com", "https://bucket.oss-ap-south-1.aliyuncs.com/", "ap-south-1"),
            ("ap-southeast-2", "https://bucket.oss-ap-southeast-2.aliyuncs.com/", "ap-southeast-2"),
            ("cn-hangzhou", "https://bucket.oss-cn-hangzhou.aliyuncs.com/", "cn-hangzhou"),
            ("http://ap-southeast-1", "http://bucket.oss-ap-southeast-1.aliyuncs.com/", "ap-southeast-1"),
            ("cn-shenzhen-finance-1", "https://bucket.oss-cn-szfinance.aliyuncs.com/", "cn-shenzhen-finance-1"),
            ("cn-hangzhou-internal", "https://bucket.oss-cn-hangzhou-internal.aliyuncs.com/", "cn-hangzhou"),
        ] {
            let endpoint = endpoint(text).expect(text);
            assert_eq!((endpoint.base.as_str(), endpoint.region()), (base, region), "{text}");
            assert_eq!(endpoint.bucket(), "bucket");
        }
    }

    #[test]
    fn every_listed_region_is_an_endpoint_by_itself() {
        for region in known() {
            assert_eq!(endpoint(region).expect(region).region(), region);
            assert!(is_known(region));
        }
    }

    #[test]
    fn the_bucket_goes_where_the_addressing_says() {
        let region = Some("cn-hangzhou");
        for (text, addressing, url) in [
            ("http://127.0.0.1:9000", None, "http://127.0.0.1:9000/bucket/k?append"),
            ("http://localhost:1", None, "http://localhost:1/bucket/k?append"),
            ("http://[::1]:9000/", None, "http://[::1]:9000/bucket/k?append"),
            ("http://[0:0::1]", None, "http://[::1]/bucket/k?append"),
            ("http://localhost:1", Some(Addressing::VirtualHost), "http://bucket.localhost:1/k?append"),
            ("oss_mock:9000", Some(Addressing::Path), "https://oss_mock:9000/bucket/k?append"),
            ("logs.example.com", Some(Addressing::Cname), "https://logs.example.com/k?append"),
            ("bucket.example.com", Some(Addressing::Cname), "https://bucket.example.com/k?append"),
            ("oss.example.com", None, "https://bucket.oss.example.com/k?append"),
            ("oss-accelerate.aliyuncs.com", None, "https://bucket.oss-accelerate.aliyuncs.com/k?append"),
            (
                "oss-accelerate-overseas.aliyuncs.com:443",
                None,
                "https://bucket.oss-accelerate-overseas.aliyuncs.com:443/k?append",
            ),
            ("http://Logs.Example.COM:8080/", Some(Addressing::Cname), "http://logs.example.com:8080/k?append"),
            ("[2408:4009:500::4]", None, "https://[2408:4009:500::4]/bucket/k?append"),
            ("[2001:DB8::1]:8443", Some(Addressing::Cname), "https://[2001:db8::1]:8443/k?append"),
        ] {
            let endpoint = with(text, region, addressing).expect(text);
            assert_eq!(endpoint.url("k", "append"), url);
            assert_eq!(endpoint.region(), "cn-hangzhou");
        }
        assert_eq!(
            endpoint("cn-hangzhou").expect("good").url("a b", ""),
            "https://bucket.oss-cn-hangzhou.aliyuncs.com/a%20b"
        );
    }

    #[test]
    fn a_region_is_asked_for_only_when_something_is_signed() {
        for text in [
            "oss-accelerate.aliyuncs.com",
            "oss-accelerate-overseas.aliyuncs.com",
            "127.0.0.1",
            "[::1]",
            "localhost",
            "logs.example.com",
            "oss-mock",
        ] {
            let error = refused(endpoint(text));
            assert!(error.contains("BucketBuilder::region") && error.contains("OSS_REGION"), "{error}");
            let anonymous = Endpoint::new(text, "bucket", None, None, false).expect(text);
            assert_eq!(anonymous.region(), "");
        }
    }

    #[test]
    fn a_said_region_must_not_contradict_a_known_endpoint() {
        let host = "oss-cn-hangzhou.aliyuncs.com";
        assert_eq!(with(host, Some("cn-hangzhou"), None).expect("agrees").region(), "cn-hangzhou");
        assert_eq!(
            refused(with(host, Some("cn-beijing"), None)),
            "the region \"cn-beijing\" contradicts the endpoint oss-cn-hangzhou.aliyuncs.com, which is in cn-hangzhou: \
             leave out one of the two"
        );
        let none = with("oss-rg-china-mainland.aliyuncs.com", Some("cn-hangzhou"), None).expect("what is said stands");
        assert_eq!(none.region(), "cn-hangzhou");
        let newer = with("oss-cn-xyzjbp-a-internal.aliyuncs.com", Some("cn-xyz-finance"), None).expect("a guess only");
        assert_eq!(newer.region(), "cn-xyz-finance");
    }

    #[test]
    fn regions_are_written_as_the_service_writes_them() {
        for (region, says) in [
            ("oss-cn-hangzhou", "is written \"cn-hangzhou\""),
            ("cn-hangzhou-internal", "is written \"cn-hangzhou\""),
            ("oss-cn-hangzhou-internal", "is written \"cn-hangzhou\""),
            ("", "write it as cn-hangzhou"),
            ("CN-Hangzhou", "write it as cn-hangzhou"),
            ("cn hangzhou", "write it as cn-hangzhou"),
            ("oss-cn-hangzhou.aliyuncs.com", "write it as cn-hangzhou"),
            ("cn-hangzhou\n", "write it as cn-hangzhou"),
            ("华东", "write it as cn-hangzhou"),
        ] {
            let error = refused(with("127.0.0.1", Some(region), None));
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn wrong_endpoints_are_refused_with_what_to_write() {
        for (text, says) in [
            ("", "the endpoint is empty"),
            ("  ", "the endpoint is empty"),
            ("/", "has no host"),
            ("https://", "has no host"),
            (":80", "has no host"),
            ("ftp://oss-cn-hangzhou.aliyuncs.com", "scheme is \"ftp\""),
            ("://x", "scheme is \"\""),
            ("oss://bucket", "scheme is \"oss\""),
            ("https//oss-cn-hangzhou.aliyuncs.com", "misspelt"),
            ("http:/oss-cn-hangzhou.aliyuncs.com", "misspelt"),
            ("https:oss-cn-hangzhou.aliyuncs.com", "misspelt"),
            ("https://https://oss-cn-hangzhou.aliyuncs.com", "misspelt"),
            ("oss-cn-hangzhou.aliyuncs.com/logs", "has a path"),
            ("oss-cn-hangzhou.aliyuncs.com//", "has a path"),
            ("oss-cn-hangzhou.aliyuncs.com?x=1", "query or fragment"),
            ("oss-cn-hangzhou.aliyuncs.com#x", "query or fragment"),
            ("https://me:secret@oss-cn-hangzhou.aliyuncs.com", "keys belong in Auth"),
            ("oss-cn-hangzhou.aliyuncs.com:0", "port \"0\""),
            ("oss-cn-hangzhou.aliyuncs.com:65536", "port \"65536\""),
            ("oss-cn-hangzhou.aliyuncs.com:+80", "port \"+80\""),
            ("oss-cn-hangzhou.aliyuncs.com:", "port \"\""),
            ("oss-cn-hangzhou.aliyuncs.com:80:80", "port \"80:80\""),
            ("[::1]80", "not an IPv6 address"),
            ("[::1]:x", "port \"x\""),
            ("[::1]]", "not an IPv6 address"),
            ("[::1", "not an IPv6 address"),
            ("[fe80::1%eth0]", "not an IPv6 address"),
            ("::1", "write [::1]"),
            ("127.1", "not an IPv4 address"),
            ("1.2.3.256", "not an IPv4 address"),
            ("oss cn", "not a host name"),
            ("oss..aliyuncs.com", "not a host name"),
            ("oss-cn-hangzhou.aliyuncs.com.", "none at the end"),
            ("https://oss-cn-hangzhou.aliyuncs.com./", "none at the end"),
            ("cn-hangzhou.", "none at the end"),
            ("-a.example.com", "not a host name"),
            ("bücher.example", "not a host name"),
            ("a\\b", "not a host name"),
            ("a\r\nb", "not a host name"),
            ("oss-cn-hangzhou", "write oss-cn-hangzhou.aliyuncs.com or cn-hangzhou"),
            ("x.cn-hangzhou.oss-cloudbox.aliyuncs.com", "cloud box"),
            ("x.cn-hangzhou.oss-cloudbox-control.aliyuncs.com", "cloud box"),
            ("cn-hangzhou-finance-internal", "write the one that the console shows"),
            (
                "bucket.oss-cn-hangzhou.aliyuncs.com",
                "write oss-cn-hangzhou.aliyuncs.com and the bucket \"bucket\" apart",
            ),
            ("other.oss-cn-hangzhou.aliyuncs.com", "and the bucket \"other\" apart"),
            ("bucket.oss.aliyuncs.com", "write oss.aliyuncs.com and"),
            ("bucket.cn-hangzhou.oss.aliyuncs.com", "write cn-hangzhou.oss.aliyuncs.com and"),
            ("bucket.oss-accelerate.aliyuncs.com", "write oss-accelerate.aliyuncs.com and"),
            ("bucket.oss-accelerate-overseas.aliyuncs.com", "write oss-accelerate-overseas.aliyuncs.com and"),
            ("bucket.oss-cn-hzfinance-internal.aliyuncs.com", "write oss-cn-hzfinance-internal.aliyuncs.com and"),
            ("bucket.example.com", "Addressing::Cname"),
        ] {
            let error = refused(endpoint(text));
            assert!(error.contains(says), "{text:?}: {error}");
            assert!(!error.contains("secret"));
        }
        assert!(refused(endpoint(&"a".repeat(64))).contains("not a host name"));
        assert!(refused(endpoint(&"a.".repeat(200))).contains("not a host name"));
    }

    #[test]
    fn addressing_that_cannot_work_is_refused() {
        let region = Some("cn-hangzhou");
        for host in ["oss-cn-hangzhou.aliyuncs.com", "oss-accelerate.aliyuncs.com", "cn-hangzhou.oss.aliyuncs.com"] {
            assert!(refused(with(host, region, Some(Addressing::Path))).contains("SecondLevelDomainForbidden"));
            assert!(refused(with(host, region, Some(Addressing::Cname))).contains("a domain of yours"));
        }
        for host in ["127.0.0.1:80", "[::1]"] {
            assert!(refused(with(host, region, Some(Addressing::VirtualHost))).contains("use Addressing::Path"));
        }
    }

    #[test]
    fn a_host_name_has_at_most_253_characters() {
        let (label, region) = ("a".repeat(63), Some("cn-hangzhou"));
        let host = |last: usize| format!("{label}.{label}.{label}.{}", "b".repeat(last));
        assert_eq!(host(61).len(), 253);
        with(&host(61), region, Some(Addressing::Cname)).unwrap();
        for last in [62, 63] {
            assert!(refused(with(&host(last), region, Some(Addressing::Cname))).contains("is not a host name"));
        }
    }

    #[test]
    fn bucket_names_follow_the_rule() {
        for name in ["abc", "a-c", "123", "a--c", &"a".repeat(63)] {
            check_bucket(name).expect(name);
        }
        for name in ["", "ab", "-ab", "ab-", "Abc", "a_c", "a.c", "ab c", "äöü", "a/b", &"a".repeat(64)] {
            assert!(refused(check_bucket(name)).contains("3 to 63"));
            refused(Endpoint::new("cn-hangzhou", name, None, None, true));
        }
    }

    #[test]
    fn keys_follow_the_rule() {
        for key in ["a", "a/", "a//b", ".", "..", "?", " ", "\0", "a\\", "日本", &"ß".repeat(511), &"a".repeat(1023)]
        {
            check_key(key).expect(key);
        }
        assert_eq!(refused(check_key("/a")), "the key begins with '/': write it without");
        assert_eq!(refused(check_key("\\a")), "the key begins with '\\': write it without");
        assert!(refused(check_key("")).contains("empty"));
        assert_eq!(refused(check_key(&"ß".repeat(512))), "the key is 1024 bytes long: at most 1023 are allowed");
    }

    #[test]
    fn escaping_is_rfc_3986_in_upper_case() {
        let mut path = String::new();
        escape_path("a-._~/Z9 +%&=ß\u{1F600}\\\n", &mut path);
        assert_eq!(path, "a-._~/Z9%20%2B%25%26%3D%C3%9F%F0%9F%98%80%5C%0A");
        let mut query = String::from("k=");
        escape_query("a/b", &mut query);
        assert_eq!(query, "k=a%2Fb");
    }

    fn unescape(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                    let digits = std::str::from_utf8(&digits).expect("ASCII");
                    assert_eq!(digits, digits.to_uppercase());
                    u8::from_str_radix(digits, 16).expect("hexadecimal")
                }
                _ => byte,
            });
        }
        String::from_utf8(bytes).expect("was text")
    }

    #[test]
    fn escaped_text_comes_back_and_holds_nothing_that_a_url_reads() {
        let mut texts: Vec<String> = (0..=0x17f).filter_map(char::from_u32).map(String::from).collect();
        texts.extend(["../..", "a/./b/../c", "//two", "a/", "a b/ü?#%2F//..", "👩‍👩‍👧‍👦", "%zz"].map(String::from));
        texts.extend(["ß".repeat(511), texts.concat()]);
        for text in &texts {
            for (escape, slash) in [(escape_path as fn(&str, &mut String), true), (escape_query, false)] {
                let mut escaped = String::new();
                escape(text, &mut escaped);
                assert_eq!(&unescape(&escaped), text);
                assert!(
                    escaped.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b) || (slash && b == b'/')),
                    "{escaped}"
                );
            }
        }
    }

    /// Deterministic: the same inputs in every run (xorshift).
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        fn text(&mut self, most: usize) -> String {
            const PARTS: [&str; 40] = [
                "https",
                "http",
                "://",
                ":",
                "/",
                "//",
                "[",
                "]",
                "::1",
                "127.0.0.1",
                ".",
                "..",
                "-",
                "_",
                "@",
                "?",
                "#",
                "%",
                "oss",
                "oss-",
                "cn-hangzhou",
                "-internal",
                ".oss",
                ".aliyuncs.com",
                "bucket",
                "bucket.",
                "localhost",
                "8080",
                "0",
                "65536",
                " ",
                "\r\n",
                "\0",
                "ß",
                "😀",
                "İ",
                "\\",
                "A",
                "oss-accelerate",
                "\u{202e}",
            ];
            (0..self.below(most)).map(|_| PARTS[self.below(PARTS.len())]).collect()
        }
    }

    #[test]
    fn no_input_panics_and_every_url_keeps_its_key() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let styles = [None, Some(Addressing::VirtualHost), Some(Addressing::Path), Some(Addressing::Cname)];
        let mut built = 0;
        for _ in 0..100_000 {
            let (text, key, region) = (dice.text(7), dice.text(9), dice.text(3));
            let region = [None, Some("cn-hangzhou"), Some(region.as_str())][dice.below(3)];
            let style = styles[dice.below(4)];
            let _ = check_key(&key);
            let _ = check_bucket(&text);
            let Ok(endpoint) = Endpoint::new(&text, "bucket", region, style, dice.below(2) == 0) else { continue };
            built += 1;
            let url = endpoint.url(&key, "append&position=0");
            let (scheme, rest) = url.split_once("://").expect("a scheme");
            let (authority, rest) = rest.split_once('/').expect("a path");
            let (path, query) = rest.split_once('?').expect("a query");
            assert!(matches!(scheme, "http" | "https"), "{url}");
            assert!(authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)), "{url}");
            assert_eq!(authority, authority.to_ascii_lowercase());
            assert!(unescape(path) == key || unescape(path) == format!("bucket/{key}"), "{url}");
            assert_eq!(query, "append&position=0");
        }
        assert!(built > 1_000, "the dice must also hit good endpoints: {built}");
    }
}
