//! Taking inputs apart.

/// The first `N` bytes as a number; missing ones are 0.
pub(crate) fn number<const N: usize>(data: &mut &[u8]) -> u64 {
    let (first, rest) = take(data, N);
    *data = rest;
    first.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The first `length` bytes, or as many as there are, and the rest.
pub(crate) fn take(data: &[u8], length: usize) -> (&[u8], &[u8]) {
    data.split_at(length.min(data.len()))
}

/// As text, and the rest, behind the first 0.
pub(crate) fn line(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    (String::from_utf8_lossy(&data[..end]).into_owned(), data.get(end + 1..).unwrap_or_default())
}
