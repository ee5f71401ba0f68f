//! A request as data.

use std::{borrow::Cow, fmt};

use crate::endpoint::escape_query;

/// One request for an object, before anybody knows how it will travel.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The object's name as the user wrote it, nothing escaped.
    pub(crate) key: String,
    /// Unescaped, in the order they are sent. An empty value is the bare name.
    pub(crate) query: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// Names in lower case and once each, values without blanks around them: as they are sent, so they are signed.
    pub(crate) headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    #[cfg(feature = "credentials")]
    Put,
    Delete,
}

impl Request {
    pub(crate) fn new(method: Method, key: impl Into<String>) -> Self {
        Self { method, key: key.into(), query: Vec::new(), headers: Vec::new() }
    }

    /// Adds a query parameter.
    pub(crate) fn query(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets a header; the last value given for a name is the one sent.
    pub(crate) fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.set(name.into(), value.into());
        self
    }

    fn set(&mut self, mut name: Cow<'static, str>, mut value: Cow<'static, str>) {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            name.to_mut().make_ascii_lowercase();
        }
        let trimmed = value.trim_matches([' ', '\t']);
        if trimmed.len() < value.len() {
            value = trimmed.to_owned().into();
        }
        match self.headers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.headers.push((name, value)),
        }
    }

    /// Takes headers away.
    pub(crate) fn without(&mut self, names: &[&str]) {
        self.headers.retain(|(name, _)| !names.contains(&name.as_ref()));
    }

    /// What a header is set to.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// The query as it stands in the request line, without the question mark: `append&position=0`.
    pub(crate) fn query_text(&self) -> String {
        let mut text = String::with_capacity(self.query.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        for (name, value) in &self.query {
            if !text.is_empty() {
                text.push('&');
            }
            escape_query(name, &mut text);
            if !value.is_empty() {
                text.push('=');
                escape_query(value, &mut text);
            }
        }
        text
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value)| match name {
            AUTHORIZATION | X_OSS_SECURITY_TOKEN => (name, "***"),
            _ => (name, value),
        };
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| shown((name.as_ref(), value.as_ref()))).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("key", &self.key)
            .field("query", &self.query)
            .field("headers", &headers)
            .finish()
    }
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            #[cfg(feature = "credentials")]
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

// The headers that requests carry and this crate has to know, spelled here and nowhere else.

pub(crate) const AUTHORIZATION: &str = "authorization";
pub(crate) const CACHE_CONTROL: &str = "cache-control";
pub(crate) const CONTENT_MD5: &str = "content-md5";
pub(crate) const CONTENT_TYPE: &str = "content-type";
#[cfg(feature = "sign-v1")]
pub(crate) const DATE: &str = "date";
pub(crate) const RANGE: &str = "range";

pub(crate) const X_OSS_CONTENT_SHA256: &str = "x-oss-content-sha256";
pub(crate) const X_OSS_DATE: &str = "x-oss-date";
pub(crate) const X_OSS_SECURITY_TOKEN: &str = "x-oss-security-token";

pub(crate) const X_OSS_META_PREFIX: &str = "x-oss-meta-";
pub(crate) const X_OSS_OBJECT_ACL: &str = "x-oss-object-acl";
pub(crate) const X_OSS_RANGE_BEHAVIOR: &str = "x-oss-range-behavior";
pub(crate) const X_OSS_REQUEST_PAYER: &str = "x-oss-request-payer";
pub(crate) const X_OSS_SERVER_SIDE_ENCRYPTION: &str = "x-oss-server-side-encryption";
pub(crate) const X_OSS_STORAGE_CLASS: &str = "x-oss-storage-class";
pub(crate) const X_OSS_TAGGING: &str = "x-oss-tagging";
pub(crate) const X_OSS_TRAFFIC_LIMIT: &str = "x-oss-traffic-limit";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_its_order_and_an_empty_value_is_a_bare_name() {
        let append = Request::new(Method::Post, "a").query("append", "").query("position", "0");
        assert_eq!(append.query_text(), "append&position=0");
        assert_eq!(Request::new(Method::Get, "a").query_text(), "");
        assert_eq!(
            Request::new(Method::Get, "a").query("b/ä", "c d").query("a", "&=").query_text(),
            "b%2F%C3%A4=c%20d&a=%26%3D"
        );
    }

    #[test]
    fn a_header_is_sent_as_it_is_signed() {
        let request =
            Request::new(Method::Post, "a").header("Content-Type", " text/plain\t").header("x-oss-meta-a", "b c");
        assert_eq!(headers(&request), [("content-type", "text/plain"), ("x-oss-meta-a", "b c")]);
    }

    #[test]
    fn a_header_given_twice_is_sent_once() {
        let request = Request::new(Method::Post, "a").header("X-Oss-Tagging", "a=1").header(X_OSS_TAGGING, "b=2");
        assert_eq!(headers(&request), [("x-oss-tagging", "b=2")]);
    }

    #[test]
    fn debug_shows_a_request_without_its_secrets() {
        let request = Request::new(Method::Post, "log.txt")
            .query("append", "")
            .header("Authorization", "hidden")
            .header("X-Oss-Security-Token", "hidden")
            .header("content-type", "text/plain");
        let text = format!("{request:?}");
        assert!(!text.contains("hidden"), "{text}");
        for shown in ["Post", "log.txt", "append", "authorization", "x-oss-security-token", "text/plain"] {
            assert!(text.contains(shown), "{text}");
        }
    }

    #[test]
    fn methods_are_spelled_as_on_the_wire() {
        let spelled = [Method::Get, Method::Head, Method::Post, Method::Delete].map(Method::as_str);
        assert_eq!(spelled, ["GET", "HEAD", "POST", "DELETE"]);
    }

    fn headers(request: &Request) -> Vec<(&str, &str)> {
        request.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
    }
}
