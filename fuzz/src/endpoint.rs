//! An endpoint that is taken leads to the host and the port that were written, over the scheme that was written, and
//! nothing gets through that could lead elsewhere: no user name, no query, no second line.

use crate::{
    bytes::{line, number},
    said,
};
use http::Uri;
use oss_append::{Addressing, ErrorKind, internal::url};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Might be a secret: a password, or the query of a signed address.
const HIDDEN: &str = "never-to-be-shown-0123456789";
const KEY: &str = "a key/ä";
const ESCAPED: &str = "a%20key/%C3%A4?append&position=0";

pub fn run(data: &[u8]) {
    let mut data = data;
    let choice = number::<1>(&mut data);
    let (text, rest) = line(data);
    let said = line(rest).0;
    let region = match choice & 3 {
        0 => None,
        1 => Some(&*said),
        _ => Some("cn-hangzhou"),
    };
    let addressing = match choice >> 2 & 3 {
        0 => None,
        1 => Some(Addressing::VirtualHost),
        2 => Some(Addressing::Path),
        _ => Some(Addressing::Cname),
    };
    match url(&text, region, addressing, KEY) {
        Ok(url) => leads_there(&text, addressing, &url),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!error.to_string().contains(['\r', '\n']), "{error}");
            if text.len() < 300 && said.len() < 300 {
                said::check(&error);
            }
        }
    }
    hides_secrets(&text, region, addressing, choice >> 4);
}

fn leads_there(text: &str, addressing: Option<Addressing>, url: &str) {
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?}");
    let (scheme, host, port) = meant(text);
    let uri: Uri = url.parse().unwrap_or_else(|error| panic!("{error}: {url}"));
    let authority = uri.authority().expect("an address has an authority");
    assert!(!authority.as_str().contains('@'), "{url}");
    assert_eq!(uri.scheme_str(), Some(&*scheme), "{url} of {text:?}");
    assert_eq!(uri.port_u16(), port, "{url} of {text:?}");

    let ip = host
        .parse::<Ipv4Addr>()
        .map(IpAddr::from)
        .or_else(|_| host.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>().map(IpAddr::from));
    let addressing = addressing.unwrap_or(match ip.is_ok() || host == "localhost" {
        true => Addressing::Path,
        false => Addressing::VirtualHost,
    });
    let (there, path) = match addressing {
        Addressing::VirtualHost => (uri.host().and_then(|host| host.strip_prefix("bucket.")), ""),
        Addressing::Path => (uri.host(), "bucket/"),
        _ => (uri.host(), ""),
    };
    let there = there.unwrap_or_else(|| panic!("no bucket in {url}"));
    let path = format!("/{path}{ESCAPED}");
    assert_eq!(uri.path_and_query().map(|it| it.as_str()), Some(&*path), "{url}");
    match ip {
        Ok(ip) => {
            let there = there.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            assert_eq!(there.ok(), Some(ip), "{url} of {text:?}");
        }
        // A region alone is its public host, which may have another name.
        Err(_) if there != host => {
            let region = !host.contains('.') && host.contains('-') && port.is_none();
            assert!(region && there.starts_with("oss-") && there.ends_with(".aliyuncs.com"), "{url} of {text:?}");
        }
        Err(_) => {}
    }
}

/// Scheme, host and port by RFC 3986, for texts that should be taken.
fn meant(text: &str) -> (String, String, Option<u16>) {
    let text = text.trim().to_lowercase();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", &text));
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port.parse().expect("a port"))),
        _ => (authority, None),
    };
    (scheme.to_owned(), host.to_owned(), port)
}

/// What may be a password, or a signed address, is refused and not repeated.
fn hides_secrets(text: &str, region: Option<&str>, addressing: Option<Addressing>, choice: u64) {
    let cut = text.char_indices().nth(choice as usize).map_or(text.len(), |(at, _)| at);
    let (before, behind) = text.split_at(cut);
    for with in [
        format!("{before}user:{HIDDEN}@{behind}"),
        format!("{before}{HIDDEN}@{behind}"),
        format!("{before}?Signature={HIDDEN}{behind}"),
        format!("{before}#{HIDDEN}{behind}"),
    ] {
        let error = url(&with, region, addressing, KEY).expect_err("not an endpoint");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(HIDDEN), "{shown}");
    }
}
