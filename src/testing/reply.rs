//! An answer as data, and how OSS words a refusal.

use super::{
    clock::http_date,
    codec::{base64, xml_escape},
    http::header,
};
use std::borrow::Cow;

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Does it come from the service itself, not from something in between?
    from_oss: bool,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), from_oss: true }
    }

    /// What a proxy or a captive portal says: HTML, and no request id.
    pub(super) fn page(status: u16) -> Self {
        let html =
            format!("<html><head><title>{status}</title></head><body><h1>{status}</h1>\n<hr>nginx<br></body></html>\n");
        let mut page = Self::new(status).with("Server", "nginx").with("Content-Type", "text/html");
        page.body = html.into_bytes();
        page.from_oss = false;
        page
    }

    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.set(name, value);
        self
    }

    pub(super) fn set(&mut self, name: &str, value: impl ToString) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_string()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// What every answer has, and what a HEAD makes of a body.
    pub(super) fn complete(&mut self, method: &str, request_id: &str, now: i64) {
        if method == "HEAD" && self.status >= 400 && self.from_oss {
            // HeadObject reference: no body; the error sits in a header.
            let xml = std::mem::take(&mut self.body);
            self.remove("Content-Type");
            self.set("x-oss-err", base64(&xml));
        }
        if self.header("Content-Length").is_none() && self.status != 204 {
            self.set("Content-Length", self.body.len());
        }
        if method == "HEAD" {
            self.body.clear();
        }
        self.set("Date", http_date(now));
        if self.from_oss {
            self.set("Server", "AliyunOSS");
            self.set("x-oss-request-id", request_id);
            self.set("x-oss-server-time", "1");
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        416 => "Requested Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// The service's No.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    message: Cow<'static, str>,
    /// The fine-grained code; empty where the service's pages show none.
    pub(super) ec: &'static str,
    elements: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(
        status: u16,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
        ec: &'static str,
    ) -> Self {
        Self { status, code, message: message.into(), ec, elements: Vec::new(), headers: Vec::new() }
    }

    /// A scripted one, with the texts the service uses for this code as far as they are known.
    pub(super) fn scripted(status: u16, code: &'static str) -> Self {
        let (message, ec) = match code {
            "AccessDenied" => ("You have no right to access this object because of bucket acl.", "0003-00000001"),
            "NoSuchBucket" => ("The specified bucket does not exist.", "0015-00000101"),
            "NoSuchKey" => ("The specified key does not exist.", "0026-00000001"),
            "ObjectNotAppendable" => ("The object is not appendable", "0026-00000017"),
            "PositionNotEqualToLength" => ("Position is not equal to file length", "0026-00000016"),
            "RequestTimeTooSkewed" => {
                ("The difference between the request time and the current time is too large.", "0002-00000504")
            }
            "PublicEndpointForbidden" => ("Public endpoint is forbidden for this account.", "0048-00000401"),
            "SecondLevelDomainForbidden" => {
                ("The bucket you are attempting to access must be addressed using OSS third level domain.", "")
            }
            "CnameDenied" => ("The cname belongs to another user.", ""),
            "SecurityTokenExpired" => ("The security token you provided has expired.", ""),
            "InternalError" => ("We encountered an internal error. Please try again.", ""),
            "ServiceUnavailable" => ("Please reduce your request rate.", ""),
            _ => ("Scripted by the test.", ""),
        };
        Self::new(status, code, message, ec)
    }

    /// For a bucket in another region ("HTTP status code 403").
    pub(super) fn wrong_endpoint(endpoint: &'static str) -> Self {
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.";
        Self::new(403, "AccessDenied", message, "").element("Endpoint", endpoint)
    }

    /// One more XML element.
    pub(super) fn element(mut self, name: &'static str, value: impl ToString) -> Self {
        self.elements.push((name, value.to_string()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(super) fn into_reply(self, request_id: &str, host: &str) -> Reply {
        let mut reply = Reply::new(self.status).with("Content-Type", "application/xml");
        reply.body = self.xml(request_id, host).into_bytes();
        if !self.ec.is_empty() {
            reply.set("x-oss-ec", self.ec);
        }
        for (name, value) in self.headers {
            reply.set(name, value);
        }
        reply
    }

    fn xml(&self, request_id: &str, host: &str) -> String {
        let element = |name: &str, value: &str| format!("  <{name}>{}</{name}>\n", xml_escape(value));
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n");
        xml += &element("Code", self.code);
        xml += &element("Message", &self.message);
        xml += &element("RequestId", request_id);
        xml += &element("HostId", host);
        for (name, value) in &self.elements {
            xml += &element(name, value);
        }
        if !self.ec.is_empty() {
            xml += &element("EC", self.ec);
            xml += &element("RecommendDoc", &format!("https://api.aliyun.com/troubleshoot?q={}", self.ec));
        }
        xml + "</Error>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_xml_and_for_head_a_header() {
        let refusal = || Refusal::scripted(404, "NoSuchKey").element("Key", "a<b");
        let mut reply = refusal().into_reply("ID", "host");
        reply.complete("GET", "ID", 0);
        let text = String::from_utf8(reply.to_bytes()).unwrap();
        assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n") && text.contains("<Key>a&lt;b</Key>"), "{text}");
        assert!(
            text.contains("<EC>0026-00000001</EC>") && text.contains("Date: Thu, 01 Jan 1970 00:00:00 GMT"),
            "{text}"
        );

        let mut reply = refusal().into_reply("ID", "host");
        reply.complete("HEAD", "ID", 0);
        assert!(reply.body.is_empty() && reply.header("x-oss-err").is_some_and(|err| err.starts_with("PD94bWwg")));
    }
}
