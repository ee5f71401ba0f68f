//! A HEAD answer's refusal, in its headers: read without a panic, and as the same document in a body is.

use crate::{
    bytes::{line, number},
    error_body::{document, is_xml, says},
    said,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use oss_append::{Error, ErrorKind, internal::refusal};

pub fn run(data: &[u8]) {
    let mut data = data;
    let status = 300 + number::<2>(&mut data) as u16 % 300;
    any_headers(status, data);
    as_in_a_body(status, data);
    let (code, rest) = line(data);
    let (message, rest) = line(rest);
    let (ec, _) = line(rest);
    let [code, message, ec] = [code, message, ec].map(|text| text.chars().filter(|c| is_xml(*c)).collect::<String>());
    says(&in_header(status, document(&code, &message, &ec).as_bytes(), None), &code, &message, &ec);
}

/// What can come as a header's value: text, trimmed.
fn value(text: &str) -> String {
    text.trim().to_owned()
}

fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn in_header(status: u16, document: &[u8], ec: Option<&str>) -> Error {
    let mut headers = vec![header("x-oss-request-id", "1"), header("x-oss-err", BASE64_STANDARD.encode(document))];
    headers.extend(ec.map(|ec| header("x-oss-ec", ec)));
    refusal(status, headers, Vec::new())
}

fn any_headers(status: u16, data: &[u8]) {
    let (document, rest) = line(data);
    let (ec, rest) = line(rest);
    let (id, rest) = line(rest);
    let (kind, rest) = line(rest);
    let headers = vec![
        header("x-oss-err", value(&document)),
        header("x-oss-ec", value(&ec)),
        header("x-oss-request-id", value(&id)),
        header("content-type", value(&kind)),
        header("x-oss-next-append-position", value(&line(rest).0)),
    ];
    let error = refusal(status, headers.clone(), Vec::new());
    said::check(&error);
    assert_eq!(error.kind() == ErrorKind::Transport && error.code().is_none(), value(&id).is_empty());
    if let Some(next) = error.next_position() {
        let text = value(&line(rest).0);
        assert!(text.bytes().all(|b| b.is_ascii_digit()) && text.parse() == Ok(next), "{next} of {text:?}");
    }
    // With a body, the header's document does not count.
    let body = refusal(status, headers, b"<Error><Code>OfTheBody</Code></Error>".to_vec());
    assert_eq!(body.code(), Some("OfTheBody").filter(|_| !value(&id).is_empty()));
}

fn as_in_a_body(status: u16, document: &[u8]) {
    let id = vec![header("x-oss-request-id", "1")];
    let (there, here) = (in_header(status, document, None), refusal(status, id, document.to_vec()));
    assert_eq!((there.kind(), there.to_string()), (here.kind(), here.to_string()));
    // The header's detailed code stands in where the document has none.
    let told = in_header(status, document, Some("0026-00000001"));
    assert_eq!(told.ec(), here.ec().or(Some("0026-00000001")));
}
