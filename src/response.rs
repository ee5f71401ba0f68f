//! What the server said. The only file that names XML.
#![expect(clippy::disallowed_types, reason = "this is the room that reads XML")]

use crate::{
    error::{Error, ErrorKind, Found, Refusal},
    hints,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::time::Duration;

pub(crate) const NEXT_POSITION: &str = "x-oss-next-append-position";
pub(crate) const CRC64: &str = "x-oss-hash-crc64ecma";
pub(crate) const OBJECT_TYPE: &str = "x-oss-object-type";
pub(crate) const SEALED_TIME: &str = "x-oss-sealed-time";
pub(crate) const VERSION_ID: &str = "x-oss-version-id";
const REQUEST_ID: &str = "x-oss-request-id";
/// The error document of an answer that has no body (HeadObject reference), base64-encoded.
const ERROR_DOCUMENT: &str = "x-oss-err";
const ERROR_CODE: &str = "x-oss-ec";

/// One whole answer: status, headers, and a body of at most [`Answer::BODY_LIMIT`] bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Error documents are some hundred bytes; more than this is not one.
    pub(crate) const BODY_LIMIT: u64 = 64 << 10;

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// A header that is a plain decimal number. One that is absent, anything else, or there twice with different values
    /// is unknown, never 0.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let mut values = self.headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| value);
        let first = values.next()?;
        if values.all(|v| v == first) { decimal(first) } else { None }
    }

    /// The length of an object as HEAD tells it. It is told twice for an appendable object, and equal (HeadObject
    /// reference). If not, who knows what is meant.
    pub(crate) fn object_length(&self) -> Option<u64> {
        let length = self.number("content-length")?;
        (self.header(NEXT_POSITION).is_none() || self.number(NEXT_POSITION) == Some(length)).then_some(length)
    }

    /// Answers of the service carry a request id. Anything else is somebody else's page, whatever its status.
    pub(crate) fn is_from_oss(&self) -> bool {
        self.request_id().is_some()
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.header(REQUEST_ID).filter(|id| !id.is_empty())
    }

    /// The object's tag. Quoted in most answers, bare in one of the service's own samples.
    pub(crate) fn etag(&self) -> Option<String> {
        self.header("etag").map(|tag| tag.trim_matches('"').to_owned())
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status == 200
    }

    /// The service's own no: the bytes of this request are not stored.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_from_oss() && (400..500).contains(&self.status) && !self.is_transient()
    }

    /// May asking again help? Busy, throttled, broken: yes; refused: no.
    pub(crate) fn is_transient(&self) -> bool {
        self.status >= 500 || self.status == 429 || self.status == 408
    }

    /// Seconds only: the form with a date is not used by this service.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.number("retry-after").map(Duration::from_secs)
    }

    /// The server's clock as the error document states it, where it does (RequestTimeTooSkewed).
    pub(crate) fn server_time(&self) -> Option<String> {
        Document::of(self).text("ServerTime")
    }

    /// Of a part that was asked for from `first`: its last byte, and how long the object is. Anything but a part that
    /// begins there is no proof of anything.
    pub(crate) fn content_range(&self, first: u64) -> Option<(u64, u64)> {
        let (range, length) = self.header("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
        let (begin, last) = range.split_once('-')?;
        let (begin, last, length) = (decimal(begin)?, decimal(last)?, decimal(length)?);
        (begin == first && first <= last && last < length).then_some((last, length))
    }

    /// What the service said when it refused.
    pub(crate) fn refusal(&self) -> Refusal {
        let document = Document::of(self);
        let ec = document.text("EC").or_else(|| self.header(ERROR_CODE).filter(|ec| !ec.is_empty()).map(printable));
        let refusal = Refusal {
            status: self.status,
            code: document.text("Code").or_else(|| self.code_without_document(ec.as_deref()).map(str::to_owned)),
            message: document.text("Message"),
            ec,
            request_id: self.request_id().map(printable).or_else(|| document.text("RequestId")),
            advice: None,
        };
        let advice = hints::advice(&refusal, document.text("Endpoint").as_deref());
        Refusal { advice, ..refusal }
    }

    /// An end is named by no other refusal than that of an append elsewhere ("AppendObject").
    fn code_without_document(&self, ec: Option<&str>) -> Option<&'static str> {
        let is_elsewhere = self.status == 409 && self.number(NEXT_POSITION).is_some();
        code_of(self.status, ec).or_else(|| is_elsewhere.then_some("PositionNotEqualToLength"))
    }

    /// The refusal as an error. What became of the bytes is the engine's to say.
    pub(crate) fn error(&self) -> Error {
        if !self.is_from_oss() {
            let what = match self.header("content-type") {
                Some(kind) => format!("the answer is not from OSS: no request id, content type {}", printable(kind)),
                None => "the answer is not from OSS: no request id".to_owned(),
            };
            let refusal = Refusal { status: self.status, ..Refusal::default() };
            return Error::new(ErrorKind::Transport, what).with_refusal(refusal).with_transient(true);
        }
        let refusal = self.refusal();
        let code = refusal.code.as_deref().unwrap_or_default();
        let (kind, what) = match code {
            "ObjectNotAppendable" => (ErrorKind::NotAppendable, "the object is not appendable"),
            "AppendSealedObjectNotAllowed" => (ErrorKind::Conflict(Found::Sealed), "the object is sealed"),
            // What passing the limit gives is not documented for append; both are for other uploads.
            "InlineDataTooLarge" | "EntityTooLarge" => (ErrorKind::TooLarge, "the object would be too large"),
            _ if self.status < 400 => (ErrorKind::Protocol, "an answer that is none to this request"),
            "NoSuchBucket" => (ErrorKind::Service, "there is no such bucket"),
            _ => (ErrorKind::Service, "the service refused"),
        };
        let transient = self.is_transient() || is_spoiled(code);
        Error::new(kind, what)
            .with_next_position(self.number(NEXT_POSITION))
            .with_refusal(refusal)
            .with_transient(transient)
    }
}

/// The headers of an answer, names in lower case. Most answers are read for three of a dozen, so all of them share one
/// text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers {
    text: String,
    /// Where in the text each name and each value ends.
    ends: Vec<(usize, usize)>,
}

impl Headers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut begin = 0;
        self.ends.iter().map(move |&(name, value)| {
            let pair = (&self.text[begin..name], &self.text[name..value]);
            begin = value;
            pair
        })
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(headers: I) -> Self {
        let headers = headers.into_iter();
        let count = headers.size_hint().0;
        let mut all = Self { text: String::with_capacity(48 * count), ends: Vec::with_capacity(count) };
        for (name, value) in headers {
            all.text.push_str(name);
            let end = all.text.len();
            match std::str::from_utf8(value) {
                Ok(value) => all.text.push_str(value),
                Err(_) => all.text.push_str(&String::from_utf8_lossy(value)),
            }
            all.ends.push((end, all.text.len()));
        }
        all
    }
}

/// Digits and nothing else: no sign, no blanks.
fn decimal(text: &str) -> Option<u64> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Codes that say the request was damaged or cut on its way; nothing was stored (PutObject reference).
pub(crate) fn is_spoiled(code: &str) -> bool {
    matches!(code, "InvalidDigest" | "IncompleteBody" | "RequestTimeout")
}

/// What an answer without its error document still tells: that of a HEAD, or one that was cut.
fn code_of(status: u16, ec: Option<&str>) -> Option<&'static str> {
    match (status, ec?) {
        (404, "0026-00000001") => Some("NoSuchKey"),
        (404, "0015-00000101") => Some("NoSuchBucket"),
        (403, "0003-00000001") => Some("AccessDenied"),
        (403, "0002-00000504") => Some("RequestTimeTooSkewed"),
        (409, "0026-00000016") => Some("PositionNotEqualToLength"),
        (400, "0002-00000226") => Some("InvalidArgument"),
        (400, "0048-00000401") => Some("PublicEndpointForbidden"),
        _ => None,
    }
}

/// An error document: `<Error><Code>..</Code>..</Error>`, from the body or from the header of a bodiless answer.
struct Document(String);

impl Document {
    fn of(answer: &Answer) -> Self {
        let decoded = match answer.header(ERROR_DOCUMENT) {
            Some(header) if answer.body.is_empty() => BASE64_STANDARD.decode(header.trim()).unwrap_or_default(),
            _ => Vec::new(),
        };
        let bytes = if answer.body.is_empty() { &decoded } else { &answer.body };
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The text of a child element. Old samples have a default namespace and blanks around the text.
    fn text(&self, element: &str) -> Option<String> {
        // The limit bounds what a hostile document can cost; a real one has some fifteen nodes.
        let options = roxmltree::ParsingOptions { nodes_limit: 1000, ..Default::default() };
        let text = match roxmltree::Document::parse_with_options(&self.0, options) {
            Ok(document) => {
                let root = document.root_element();
                let mut children = root.children().filter(|_| root.tag_name().name() == "Error");
                let child = children.find(|child| child.tag_name().name() == element)?;
                child.children().filter(|node| node.is_text()).filter_map(|node| node.text()).collect()
            }
            Err(_) => self.between(element)?.to_owned(),
        };
        let text = printable(&text);
        (!text.is_empty()).then_some(text)
    }

    /// From a document that was cut short: what stands whole in it. A page of HTML has no such elements.
    fn between(&self, element: &str) -> Option<&str> {
        let (_, rest) = self.0.split_once("<Error")?;
        let (_, rest) = rest.split_once(&format!("<{element}>"))?;
        rest.split_once(&format!("</{element}>")).map(|(text, _)| text)
    }
}

/// A server's words as they may stand in an error: one line, no control characters, not endless.
fn printable(text: &str) -> String {
    let words = text.trim().chars().take(300);
    words.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>AccessDenied</Code>\n  \
        <Message>You have no right to access this object.</Message>\n  <RequestId>534B371674E88A4D8906008B</RequestId>\n  \
        <HostId>b.oss-cn-hangzhou.aliyuncs.com</HostId>\n  <EC>0003-00000001</EC>\n</Error>\n";

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        Answer { status, headers, body: body.into() }
    }

    fn refusal_of(body: &str) -> Refusal {
        answer(403, &[("x-oss-request-id", "534B371674E88A4D8906008B")], body).refusal()
    }

    #[test]
    fn an_error_document_is_read_whole() {
        let refusal = refusal_of(DENIED);
        assert_eq!(refusal.code.as_deref(), Some("AccessDenied"));
        assert_eq!(refusal.message.as_deref(), Some("You have no right to access this object."));
        assert_eq!(refusal.ec.as_deref(), Some("0003-00000001"));
        assert_eq!(refusal.request_id.as_deref(), Some("534B371674E88A4D8906008B"));
    }

    #[test]
    fn namespaces_blanks_comments_and_nesting_do_not_matter() {
        let refusal = refusal_of(
            "<Error xmlns=\"http://doc.oss-cn-hangzhou.aliyuncs.com\"><Detail><Code>inner</Code></Detail>\
             <Code>\n  Access<!-- -->Denied\n</Code></Error>",
        );
        assert_eq!(refusal.code.as_deref(), Some("AccessDenied"));
    }

    #[test]
    fn a_document_cut_short_still_tells_its_code() {
        let refusal = refusal_of(&DENIED[..100]);
        assert_eq!(refusal.code.as_deref(), Some("AccessDenied"));
        assert_eq!(refusal.message, None);
    }

    #[test]
    fn html_empty_and_hostile_bodies_tell_nothing_and_do_no_harm() {
        let deep = format!("<Error>{}", "<a>".repeat(20_000));
        let many = format!("<Error>{}<Code>late</Code></Error>", "<a/>".repeat(2_000));
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xx\">]><Error><Code>&x;</Code></Error>";
        for body in
            ["", "<html><body>403</body></html>", "\u{0}\u{1}", &deep, "<Error", "<Error><Code>", "<Code>x</Code>"]
        {
            assert_eq!(refusal_of(body).code, None, "{}", &body[..body.len().min(40)]);
        }
        for body in [many.as_str(), bomb] {
            let _ = refusal_of(body);
        }
        let mut bytes = answer(403, &[], "");
        bytes.body = vec![0xff; 100];
        assert_eq!(bytes.refusal().code, None);
    }

    #[test]
    fn the_error_of_a_head_answer_comes_from_its_header() {
        let header = BASE64_STANDARD.encode(DENIED);
        let head = answer(403, &[("x-oss-err", &header), ("x-oss-request-id", "1")], "");
        assert_eq!(head.refusal().code.as_deref(), Some("AccessDenied"));
        let spoiled = answer(404, &[("x-oss-err", "!!"), ("x-oss-ec", "0026-00000001")], "");
        assert_eq!(spoiled.refusal().code.as_deref(), Some("NoSuchKey"));
        assert_eq!(answer(404, &[], "").refusal().code, None);
        assert_eq!(answer(404, &[("x-oss-ec", "")], "").refusal().ec, None);
    }

    #[test]
    fn without_its_document_a_head_answer_is_known_by_its_number() {
        for (status, ec, code) in [
            (404, "0026-00000001", "NoSuchKey"),
            (404, "0015-00000101", "NoSuchBucket"),
            (403, "0003-00000001", "AccessDenied"),
            (403, "0002-00000504", "RequestTimeTooSkewed"),
            (400, "0002-00000226", "InvalidArgument"),
            (400, "0048-00000401", "PublicEndpointForbidden"),
        ] {
            let code_of = |status| answer(status, &[("x-oss-ec", ec)], "").refusal().code;
            assert_eq!(code_of(status).as_deref(), Some(code));
            assert_eq!(code_of(status + 10), None);
        }
    }

    #[test]
    fn a_missing_bucket_is_said_in_words() {
        let error = answer(404, &[("x-oss-request-id", "1"), ("x-oss-ec", "0015-00000101")], "").error();
        assert!(error.to_string().starts_with("there is no such bucket (404 NoSuchBucket"), "{error}");
    }

    #[test]
    fn a_refusal_for_the_time_tells_the_servers() {
        let body = "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2023-12-16T16:20:57.000Z</ServerTime></Error>";
        assert_eq!(answer(403, &[], body).server_time().as_deref(), Some("2023-12-16T16:20:57.000Z"));
        assert_eq!(answer(403, &[], DENIED).server_time(), None);
    }

    #[test]
    fn a_number_is_plain_decimal_and_unambiguous_or_unknown() {
        let number = |values: &[&str]| {
            let headers: Vec<_> = values.iter().map(|v| (CRC64, *v)).collect();
            answer(200, &headers, "").number(CRC64)
        };
        assert_eq!(number(&["18446744073709551615"]), Some(u64::MAX));
        assert_eq!(number(&["7", "7"]), Some(7));
        for bad in [&[][..], &[""], &["18446744073709551616"], &["-1"], &["+1"], &["1 "], &["0x1"], &["1", "2"], &["١"]]
        {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_range_is_plain_and_possible_or_none() {
        let range = |value: &str| answer(206, &[("content-range", value)], "").content_range(1);
        assert_eq!(range("bytes 1-2/5"), Some((2, 5)));
        assert_eq!(range("bytes 1-4/5"), Some((4, 5)));
        let last = u64::MAX - 1;
        assert_eq!(range(&format!("bytes 1-{last}/{}", u64::MAX)), Some((last, u64::MAX)));
        for bad in [
            "",
            "bytes",
            "bytes 1-2",
            "bytes 1/5",
            "bytes 1-2/*",
            "bytes */5",
            "1-2/5",
            "bytes=1-2/5",
            "bytes +1-2/5",
            "bytes 1-+2/5",
            "bytes 1-2/+5",
            "bytes -1-2/5",
            "bytes 1-2/-5",
            "bytes 1-5/5",
            "bytes 1-0/5",
            "bytes 0-2/5",
            "bytes 1 - 2/5",
            "bytes 1-2/18446744073709551616",
        ] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_servers_words_cannot_break_a_line_or_fill_a_screen() {
        let body = format!("<Error><Code>A\u{7f}B\nC</Code><Message>{}</Message></Error>", "x".repeat(5000));
        let refusal = refusal_of(&body);
        assert_eq!(refusal.code.as_deref(), Some("A B C"));
        assert_eq!(refusal.message.map(|m| m.len()), Some(300));
    }

    #[test]
    fn a_page_without_a_request_id_is_not_the_services_word() {
        let error = answer(403, &[("content-type", "text/html")], "<html>").error();
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert_eq!(error.status(), Some(403));
    }
}
