//! ossutil's file and the JSON documents of other sources: what is taken from them stands in them and can go into a
//! header; what is refused is named by its line or field, and no value that may be a secret is shown.

use crate::{
    bytes::{line, number},
    said,
};
use oss_append::{
    Credentials, Error, ErrorKind,
    internal::{document_keys, ossutil_keys, parts},
};

/// In place of every value that may be a secret. Not as any word that an error may show.
const HIDDEN: &str = "never-to-be-shown-0123456789";

pub fn run(data: &[u8]) {
    let mut data = data;
    let choice = number::<1>(&mut data);
    let (profile, rest) = line(data);
    let profile = (choice & 1 == 1).then_some(&*profile);
    let text = String::from_utf8_lossy(rest);
    file(&text, profile);
    written(&text, choice);
    for temporary in [false, true] {
        document(rest, temporary);
    }
}

fn file(text: &str, profile: Option<&str>) {
    let read = ossutil_keys(text, profile);
    match &read {
        Ok(Some(keys)) => taken(keys, text),
        Ok(None) => {
            assert!(text.to_lowercase().replace(['-', '_'], "").contains("anonymous"), "anonymous, and nobody said so")
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
    }
    // What stands behind, in a section of its own, is somebody else's.
    let longer = format!("{text}\n# a comment\n[unheard-of]\naccess-key-id = other\n= nonsense\n");
    if !text.to_lowercase().contains("unheard-of") {
        assert_eq!(ossutil_keys(&longer, profile).ok(), read.ok(), "a strange section counts");
    }
    let covered = covered(text);
    if let Err(error) = ossutil_keys(&covered, profile) {
        shows_nothing(&error);
    }
}

/// The same text, its values hidden but for those that are words of a list.
fn covered(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some((name, _)) if !line.trim_start().starts_with('[') && !name.to_lowercase().contains("mode") => {
            format!("{}= {HIDDEN}\u{7f}", name.replace(HIDDEN, ""))
        }
        None if !line.trim_start().starts_with('[') => line.replace(char::is_alphanumeric, "") + HIDDEN,
        _ => line.replace(HIDDEN, ""),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shows_nothing(error: &Error) {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(HIDDEN), "{text}");
}

/// Trimmed, printable, and from this text.
fn taken(keys: &Credentials, text: &str) {
    let (id, secret, token) = parts(keys);
    for part in [Some(id), Some(secret), token].into_iter().flatten() {
        assert!(!part.is_empty() && part.trim() == part, "{part:?}");
        assert!(part.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{part:?}");
        assert!(text.contains(part), "{part:?} is from elsewhere");
    }
    let shown = format!("{keys:?}");
    assert_eq!(shown, format!("Credentials {{ id: {id:?}, .. }}"));
}

/// A file as ossutil writes it says what was put in.
fn written(words: &str, choice: u64) {
    let mut words = words.split(['\n', '\r', '=', '[']).map(|word| {
        word.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"')).collect::<String>().trim().to_owned()
    });
    let mut next = || words.next().filter(|word| !word.is_empty());
    let (Some(id), Some(secret), token) = (next(), next(), next()) else { return };
    let names = match choice >> 1 & 3 {
        0 => ["access-key-id", "access-key-secret", "sts-token"],
        1 => ["accessKeyID", "accessKeySecret", "stsToken"],
        2 => ["ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "STS_TOKEN"],
        _ => ["access_id", "access_key", "ststoken"],
    };
    let quote = if choice & 8 == 0 { "" } else { "\"" };
    let end = if choice & 16 == 0 { "\n" } else { "\r\n" };
    let section = if choice & 32 == 0 { "[default]" } else { "[Credentials]" };
    let [id_name, secret_name, token_name] = names;
    let mut text =
        format!("{section}{end}{id_name} = {quote}{id}{quote}{end}{secret_name}={quote}{secret}{quote}{end}");
    if let Some(token) = &token {
        text += &format!("{token_name} = {token}{end}");
    }
    let read = ossutil_keys(&text, None).unwrap_or_else(|error| panic!("{error} in {text:?}"));
    assert_eq!(parts(&read.expect("keys")), (&*id, &*secret, token.as_deref()), "{text:?}");
    for wrong in ["nonsense", "= nonsense", "accesskeyid=\"cut", "accessKeyId=another", "[another"] {
        let error = ossutil_keys(&format!("{text}{wrong}{end}"), None).expect_err(wrong);
        assert!(error.to_string().starts_with("line "), "{error}");
    }
}

fn document(bytes: &[u8], temporary: bool) {
    match document_keys(bytes, temporary) {
        Ok(keys) => {
            let (id, secret, token) = parts(&keys);
            assert!(!id.is_empty() && !secret.is_empty() && token != Some(""));
            assert!(!temporary || token.is_some(), "temporary keys have a token");
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Credentials);
            said::check(&error);
            // It can only be one of a few.
            assert!(error.to_string().len() < 200, "{error}");
        }
    }
}
