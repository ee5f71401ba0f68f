//! What holds for every error, whoever's words are in it.

use oss_append::Error;

/// Nobody's word may be longer than this in an error.
const LONGEST_WORD: usize = 300;
/// A few words, and ours.
const LONGEST_TEXT: usize = 2_500;

/// One line, not endless, no control characters: it goes to terminals and logs.
pub(crate) fn check(error: &Error) {
    for word in [error.code(), error.ec(), error.request_id()].into_iter().flatten() {
        let length = word.chars().count();
        assert!((1..=LONGEST_WORD).contains(&length), "a word of {length} characters");
        assert!(!word.chars().any(char::is_control), "a control character in {word:?}");
    }
    let text = error.to_string();
    assert!(text.chars().count() <= LONGEST_TEXT, "{} characters: {text:?}", text.chars().count());
    assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
    let _ = format!("{error:?}");
}

/// A server's word as an error repeats it: trimmed, in one line, cut; `None` if nothing is left.
pub(crate) fn as_repeated(word: &str) -> Option<String> {
    let shown: String = word.trim().chars().take(LONGEST_WORD).map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(shown).filter(|shown| !shown.is_empty())
}
