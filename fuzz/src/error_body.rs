//! A refusal's body, whatever is in it: read without a panic, bounded, in one line; what a document says is what the
//! error says, and what it says elsewhere (the string to sign, signatures, keys) is never repeated.

use crate::{
    bytes::{line, number},
    said,
};
use oss_append::{Error, ErrorKind, Outcome, internal::refusal};

const ID: &str = "5C3D9175B6FC201293AD0000";
/// Of elements that nobody asks for.
const HIDDEN: &str = "never-to-be-shown-0123456789";

pub fn run(data: &[u8]) {
    let mut data = data;
    let status = 300 + number::<2>(&mut data) as u16 % 300;
    any_body(status, data);
    strangers_words_stay_out(status, data);
    read_back(status, data);
}

fn headers() -> Vec<(String, String)> {
    vec![("x-oss-request-id".to_owned(), ID.to_owned())]
}

fn any_body(status: u16, body: &[u8]) {
    let error = refusal(status, headers(), body.to_vec());
    said::check(&error);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_eq!(error.status(), Some(status));
    assert_eq!(error.request_id(), Some(ID), "the header's counts");
    assert_ne!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), refusal(status, headers(), body.to_vec()).to_string());

    // Without a request id it is somebody else's page, whatever it says.
    let page = refusal(status, Vec::new(), body.to_vec());
    said::check(&page);
    assert_eq!((page.kind(), page.code(), page.is_transient()), (ErrorKind::Transport, None, true));
}

fn strangers_words_stay_out(status: u16, inside: &[u8]) {
    let mut body = b"<?xml version=\"1.0\"?><Error>".to_vec();
    body.extend_from_slice(inside);
    for name in ["StringToSign", "SignatureProvided", "OSSAccessKeyId", "CanonicalRequest", "HostId"] {
        body.extend_from_slice(format!("<{name}>{HIDDEN}</{name}>").as_bytes());
    }
    body.extend_from_slice(b"</Error>");
    let error = refusal(status, headers(), body);
    let text = format!("{error} {error:?}");
    assert!(!text.contains(HIDDEN), "{text}");
}

/// A document as the service writes it says what was put in.
fn read_back(status: u16, data: &[u8]) {
    let (code, data) = line(data);
    let (message, data) = line(data);
    let (ec, _) = line(data);
    let [code, message, ec] = [code, message, ec].map(|text| text.chars().filter(|c| is_xml(*c)).collect::<String>());
    let body = document(&code, &message, &ec);
    let error = refusal(status, headers(), body.into_bytes());
    says(&error, &code, &message, &ec);
}

pub(crate) fn document(code: &str, message: &str, ec: &str) -> String {
    let [code, message, ec] = [code, message, ec].map(escape);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Detail><Code>inner</Code><EC>inner</EC></Detail>\n  \
         <Code>{code}</Code>\n  <Message>{message}</Message>\n  <RequestId>of the document</RequestId>\n  \
         <EC>{ec}</EC>\n</Error>\n"
    )
}

pub(crate) fn says(error: &Error, code: &str, message: &str, ec: &str) {
    said::check(error);
    if let Some(code) = said::as_repeated(code) {
        assert_eq!(error.code(), Some(&*code));
    }
    if let Some(ec) = said::as_repeated(ec) {
        assert_eq!(error.ec(), Some(&*ec));
    }
    if let Some(message) = said::as_repeated(message) {
        assert!(error.to_string().contains(&message), "{error} without {message:?}");
    }
}

/// Characters that XML can carry, but for the carriage return, which becomes a line feed.
pub(crate) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
