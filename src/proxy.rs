//! Which proxy leads to the service, if any.
//!
//! The client's own reading of the environment is not used: it passes over what it cannot parse or was not built for
//! and goes on without a proxy, sends http and https by the same one, and takes blanks for parts of names.

use crate::{
    auth::environment,
    endpoint::split_scheme,
    error::{Error, Result},
};
use std::net::IpAddr;
use ureq::{Proxy, ProxyProtocol};

#[derive(Clone)]
pub(crate) enum ProxyChoice {
    Direct,
    Url(String),
    Environment,
}

impl ProxyChoice {
    /// Reads the environment if that was asked for, and nowhere else is it read.
    pub(crate) fn proxy_to(&self, url: &str) -> Result<Option<Proxy>> {
        match self {
            Self::Direct => Ok(None),
            Self::Url(url) => parse("the proxy", url).map(Some),
            Self::Environment => from_variables(environment::variable, url),
        }
    }
}

/// Who that is, for messages: no user, no password.
pub(crate) fn name(proxy: &Proxy) -> String {
    format!("{}:{}", proxy.host(), proxy.port())
}

/// What the client tells of a proxy that led nowhere, in plain words; and whether waiting may help.
pub(crate) fn trouble(told: &str) -> (String, bool) {
    // "proxy server responded 407/407"
    let status = told.rsplit('/').next().and_then(|status| status.parse::<u16>().ok());
    let transient = status.is_none_or(|status| status >= 500 || matches!(status, 408 | 429));
    let why = match status {
        Some(407) => ": the proxy answers 407 and wants another user and password than it was given".to_owned(),
        Some(status) => format!(": the proxy answers {status} and does not lead there"),
        None => ": the proxy does not answer".to_owned(),
    };
    (why, transient)
}

/// curl's and Go's rules: the scheme's own variable, else the one for all, unless the host is exempt.
fn from_variables(lookup: impl Fn(&str) -> Option<String>, url: &str) -> Result<Option<Proxy>> {
    let (https, authority) = (url.starts_with("https:"), url.split('/').nth(2).unwrap_or_default());
    let said = |name: &&str| lookup(name).filter(|value| !value.trim().is_empty());
    let names = match https {
        true => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        // In a CGI program this is a header of the request it answers ("httpoxy").
        false if lookup("REQUEST_METHOD").is_some() => ["", "http_proxy", "ALL_PROXY", "all_proxy"],
        false => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let Some((name, url)) = names.iter().find_map(|name| Some((*name, said(name)?))) else {
        return Ok(None);
    };
    let exempt = ["NO_PROXY", "no_proxy"].iter().find_map(said).unwrap_or_default();
    if is_exempt(&exempt, https, authority) {
        return Ok(None);
    }
    let url = url.trim();
    match split_scheme(url) {
        Some(_) => parse(name, url).map(Some),
        None => parse(name, &format!("http://{url}")).map(Some),
    }
}

/// The text may hold a password, so it is not repeated.
fn parse(what: &str, url: &str) -> Result<Proxy> {
    let refused = |why: &str| Err(Error::invalid_input(format!("{what} {why}")));
    let (scheme, rest) = split_scheme(url).unwrap_or_default();
    let is_socks = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "socks" | "socks5" | "socks5h" | "socks4" | "socks4a" if cfg!(feature = "socks") => true,
        "socks" | "socks5" | "socks5h" | "socks4" | "socks4a" => {
            return refused("is a SOCKS proxy: switch on the feature `socks`, or name one as http://host:port");
        }
        _ if cfg!(feature = "socks") => return refused("must be given as http://host:port or socks5://host:port"),
        _ => return refused("must be given as http://host:port; that carries https endpoints, too"),
    };
    match Proxy::new(url) {
        Ok(proxy) if is_authority(rest) => match proxy.protocol() {
            ProxyProtocol::Socks4 | ProxyProtocol::Socks4A if proxy.username().is_some() => {
                refused("is SOCKS 4, which has no passwords: use socks5://")
            }
            _ => Ok(proxy),
        },
        _ if is_socks => refused("is not a URL of the form socks5://[user:password@]host:port"),
        _ => refused("is not a URL of the form http://[user:password@]host:port"),
    }
}

/// The client takes whatever cannot be a port for none, and passes over paths.
fn is_authority(rest: &str) -> bool {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let host = rest.rsplit('@').next().unwrap_or_default();
    !rest.contains(['/', '?', '#'])
        && match host.rsplit_once(':') {
            // The colons of an IPv6 address are no port's.
            Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok_and(|port| port > 0),
            _ => true,
        }
}

/// Does `NO_PROXY` name this host? A list of `*`, names (with all that is under them), `.name` and `*.name` (only what
/// is under them), addresses and networks as `10.0.0.0/8`; each but the last may end in `:port`.
fn is_exempt(list: &str, https: bool, authority: &str) -> bool {
    let (host, port) = split_port(authority);
    let port = port.unwrap_or(if https { 443 } else { 80 });
    let host = host.to_ascii_lowercase();
    let entries = list.split([',', ' ']).filter(|entry| !entry.is_empty());
    entries.map(str::to_ascii_lowercase).any(|entry| {
        let (entry, its_port) = split_port(&entry);
        let fits = match host.parse::<IpAddr>() {
            _ if entry == "*" => true,
            Ok(address) => is_within(address, entry),
            Err(_) => match entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.')) {
                Some(zone) => is_under(&host, zone),
                None => host == entry || is_under(&host, entry),
            },
        };
        fits && its_port.is_none_or(|its_port| its_port == port)
    })
}

/// `host`, `host:port`, `[address]:port` or a bare address of either kind.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let unbracketed = |host: &'_ str| -> usize { usize::from(host.starts_with('[') && host.ends_with(']')) };
    let (host, port) = match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) if !host.contains(':') || unbracketed(host) == 1 => (host, Some(port)),
        _ => (text, None),
    };
    let cut = unbracketed(host);
    (&host[cut..host.len() - cut], port)
}

fn is_under(host: &str, zone: &str) -> bool {
    host.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

fn is_within(address: IpAddr, network: &str) -> bool {
    let (network, bits) = network.split_once('/').map_or((network, None), |(network, bits)| (network, Some(bits)));
    let (address, network, width) = match (address, network.parse()) {
        (IpAddr::V4(one), Ok(IpAddr::V4(other))) => (one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), Ok(IpAddr::V6(other))) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    let same_bits = |bits: u32| (address ^ network).checked_shr(width - bits).unwrap_or(0) == 0;
    match bits.map(str::parse) {
        None => address == network,
        Some(Ok(bits)) => bits <= width && same_bits(bits),
        Some(Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy's name, or why there is none.
    fn chosen(variables: &[(&str, &str)], url: &str) -> Result<Option<String>, String> {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let chosen = from_variables(lookup, url);
        chosen.map(|proxy| proxy.as_ref().map(name)).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn goes(variables: &[(&str, &str)], url: &str, proxy: Option<&str>) {
        assert_eq!(chosen(variables, url), Ok(proxy.map(str::to_owned)), "{variables:?} {url}");
    }

    const HTTPS: &str = "https://b.oss-cn-hangzhou.aliyuncs.com";
    const HTTP: &str = "http://b.oss-cn-hangzhou.aliyuncs.com";

    #[test]
    fn the_schemes_own_variable_comes_before_the_one_for_all_and_upper_case_before_lower() {
        let mut variables = vec![
            ("HTTPS_PROXY", "http://a:1"),
            ("https_proxy", "http://b:2"),
            ("HTTP_PROXY", "http://c:3"),
            ("http_proxy", "http://d:4"),
            ("ALL_PROXY", "http://e:5"),
            ("all_proxy", "http://f:6"),
        ];
        goes(&variables, HTTPS, Some("a:1"));
        goes(&variables, HTTP, Some("c:3"));
        variables.retain(|(name, _)| *name != "HTTPS_PROXY" && *name != "HTTP_PROXY");
        goes(&variables, HTTPS, Some("b:2"));
        goes(&variables, HTTP, Some("d:4"));
        variables.drain(..2);
        goes(&variables, HTTPS, Some("e:5"));
        goes(&variables, HTTP, Some("e:5"));
        goes(&variables[1..], HTTP, Some("f:6"));
        goes(&[], HTTP, None);
        goes(&[("HTTPS_PROXY", "http://a:1")], HTTP, None);
        goes(&[("HTTP_PROXY", "http://a:1")], HTTPS, None);
    }

    #[test]
    fn a_variable_of_blanks_is_not_set_and_a_scheme_is_http_unless_said() {
        goes(&[("HTTPS_PROXY", " "), ("ALL_PROXY", " proxy:3128 ")], HTTPS, Some("proxy:3128"));
        goes(&[("HTTPS_PROXY", "http://me:secret@proxy/")], HTTPS, Some("proxy:80"));
    }

    #[test]
    fn a_cgi_programs_http_proxy_is_its_clients_header() {
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:1")];
        goes(&cgi, HTTP, None);
        goes(&[cgi[0], cgi[1], ("http_proxy", "http://good:1")], HTTP, Some("good:1"));
    }

    #[test]
    fn what_cannot_be_used_is_told_and_not_passed_over() {
        for wrong in [
            "http://",
            "ftp://proxy:1",
            "https://proxy:1",
            "http://proxy:0",
            "http://proxy:1/path",
            "a b",
            "http://me:pass/word@proxy:1",
            "http://me:pass?word@proxy:1",
            "http://me:pass#word@proxy:1",
        ] {
            for name in ["HTTPS_PROXY", "ALL_PROXY"] {
                let told = chosen(&[(name, wrong), ("all_proxy", "http://good:1")], HTTPS).unwrap_err();
                assert!(told.starts_with(name), "{wrong}: {told}");
            }
        }
        let told = chosen(&[("ALL_PROXY", "http://me:secret@proxy:x")], HTTPS).unwrap_err();
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn a_socks_proxy_is_used_or_refused_by_name_and_never_passed_over() {
        for scheme in ["socks", "socks5", "SOCKS5", "socks5h", "socks4", "socks4a"] {
            let chosen = chosen(&[("ALL_PROXY", &format!("{scheme}://proxy"))], HTTPS);
            match cfg!(feature = "socks") {
                true => assert_eq!(chosen, Ok(Some("proxy:1080".to_owned())), "{scheme}"),
                false => assert!(chosen.clone().is_err_and(|told| told.contains("the feature `socks`")), "{chosen:?}"),
            }
        }
        goes(&[("ALL_PROXY", "socks5://proxy"), ("NO_PROXY", "aliyuncs.com")], HTTPS, None);
    }

    #[test]
    fn no_proxy_exempts_hosts_zones_addresses_and_networks() {
        let exempt = |list: &str, url: &str| {
            let proxy = chosen(&[("HTTPS_PROXY", "http://a:1"), ("HTTP_PROXY", "http://a:1"), ("NO_PROXY", list)], url);
            proxy.unwrap().is_none()
        };
        for (list, url) in [
            ("*", HTTPS),
            ("aliyuncs.com", HTTPS),
            ("ALIYUNCS.com", HTTP),
            (".aliyuncs.com", HTTPS),
            ("*.aliyuncs.com", HTTPS),
            ("localhost, .example.com ,aliyuncs.com", HTTPS),
            ("localhost aliyuncs.com", HTTPS),
            ("b.oss-cn-hangzhou.aliyuncs.com", HTTPS),
            ("aliyuncs.com:443", HTTPS),
            ("aliyuncs.com:80", HTTP),
            ("127.0.0.1", "http://127.0.0.1:9000"),
            ("127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("10.0.0.0/8", "https://10.200.3.4"),
            ("0.0.0.0/0", "https://10.200.3.4"),
            ("10.200.3.4/32", "https://10.200.3.4"),
            ("::1", "http://[::1]:9000"),
            ("[::1]:9000", "http://[::1]:9000"),
            ("fd00::/8", "http://[fd12::1]"),
            ("::/0", "http://[fd12::1]"),
        ] {
            assert!(exempt(list, url), "{list} should exempt {url}");
        }
        for (list, url) in [
            ("", HTTPS),
            ("oss-cn-hangzhou", HTTPS),
            ("yuncs.com", HTTPS),
            (".b.oss-cn-hangzhou.aliyuncs.com", HTTPS),
            ("aliyuncs.com:80", HTTPS),
            ("10.0.0.0/8", "https://11.0.0.1"),
            ("10.0.0.0/33", "https://10.0.0.1"),
            ("10.0.0.0/x", "https://10.0.0.0"),
            ("10.0.0", "https://10.0.0.1"),
            ("::1", "http://127.0.0.1"),
            ("127.0.0.1:80", "http://127.0.0.1:9000"),
            ("0.0.1", "http://127.0.0.1"),
        ] {
            assert!(!exempt(list, url), "{list} should not exempt {url}");
        }
    }
}
