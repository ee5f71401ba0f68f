//! Checksums and encodings, written a second time: were they shared, client and fake could be wrong together.

use std::fmt::Write as _;

/// CRC-64/XZ, bit-reflected.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

/// `TABLES[n][byte]`: what `byte` becomes after `n` more zero bytes. Sixteen of them let sixteen bytes go at once.
static TABLES: [[u64; 256]; 16] = tables();

const fn tables() -> [[u64; 256]; 16] {
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = times_x(crc);
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut n = 1;
    while n < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[n - 1][byte];
            tables[n][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        n += 1;
    }
    tables
}

const fn times_x(a: u64) -> u64 {
    (a >> 1) ^ if a & 1 == 1 { POLYNOMIAL } else { 0 }
}

/// The CRC of what `start` is the CRC of, followed by `bytes`. Nothing has the CRC 0.
pub(super) fn crc64(start: u64, bytes: &[u8]) -> u64 {
    let mut crc = !start;
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        let mut block = *block;
        for (byte, old) in block.iter_mut().zip(crc.to_le_bytes()) {
            *byte ^= old;
        }
        crc = 0;
        for (table, byte) in TABLES.iter().rev().zip(block) {
            crc ^= table[usize::from(byte)];
        }
    }
    for byte in rest {
        crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    !crc
}

/// The CRC of two pieces in a row, from their CRCs and the length of the second.
pub(super) fn crc64_join(first: u64, second: u64, second_len: u64) -> u64 {
    // Appending n bytes multiplies by x^8n. The highest bit stands for x^0.
    let (mut shift, mut square, mut n) = (1 << 63, 1 << (63 - 8), second_len);
    while n > 0 {
        if n & 1 == 1 {
            shift = product(shift, square);
        }
        square = product(square, square);
        n >>= 1;
    }
    product(first, shift) ^ second
}

fn product(a: u64, mut b: u64) -> u64 {
    let mut sum = 0;
    for power in (0..64).rev() {
        if a >> power & 1 == 1 {
            sum ^= b;
        }
        b = times_x(b);
    }
    sum
}

/// MD5 in pieces, for `Content-MD5` and the `ETag` of normal objects.
#[derive(Clone)]
pub(super) struct Md5 {
    state: [u32; 4],
    rest: Vec<u8>,
    len: u64,
}

impl Md5 {
    pub(super) fn new() -> Self {
        Self { state: [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476], rest: Vec::new(), len: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.len = self.len.wrapping_add(bytes.len() as u64);
        self.rest.extend_from_slice(bytes);
        let (blocks, rest) = self.rest.as_chunks::<64>();
        for block in blocks {
            md5_block(&mut self.state, block);
        }
        self.rest = rest.to_vec();
    }

    pub(super) fn finish(mut self) -> [u8; 16] {
        let bits = self.len.wrapping_mul(8);
        let zeros = (119 - self.len % 64) % 64;
        let mut padding = vec![0x80];
        padding.resize(1 + zeros as usize, 0);
        padding.extend_from_slice(&bits.to_le_bytes());
        self.update(&padding);
        let mut digest = [0; 16];
        for (four, word) in digest.chunks_exact_mut(4).zip(self.state) {
            four.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }
}

fn md5_block(state: &mut [u32; 4], block: &[u8; 64]) {
    const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let (words, _) = block.as_chunks::<4>();
    let [mut a, mut b, mut c, mut d] = *state;
    for i in 0..64 {
        let (mixed, word) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), 5 * i + 1),
            2 => (b ^ c ^ d, 3 * i + 5),
            _ => (c ^ (b | !d), 7 * i),
        };
        // RFC 1321 defines its constants by the sine.
        let constant = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
        let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(u32::from_le_bytes(words[word % 16]));
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(TURNS[i / 16][i % 4])));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// `None` for an escape that is none.
pub(super) fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(*rest.next()?).to_digit(16);
            bytes.push((digit()? << 4 | digit()?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

/// As signature V4 wants it: everything but letters, digits and `-._~`, and the bytes in `also`.
pub(super) fn percent_encode(bytes: &[u8], also: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}"); // writing to a String cannot fail
        }
        text
    })
}

pub(super) fn xml_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' | '\n' | '\r' | ' '.. => escaped.push(c),
            _ => escaped.push('\u{FFFD}'), // XML 1.0 has no way to write control characters
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_has_the_published_values() {
        assert_eq!(crc64(0, b""), 0);
        assert_eq!(crc64(0, b"123456789"), 0x995D_C9BB_DF19_39FA);
        assert_eq!(crc64(0, b"This is a test of the emergency broadcast system."), 0x27DB_187F_C15B_BC72);
        assert_eq!(crc64(crc64(0, b"hi oss,append object"), b",this is a demo"), 8_586_970_469_916_596_321);
    }

    #[test]
    fn crcs_of_pieces_join() {
        assert_eq!(crc64_join(3_961_137_788_409_295_120, 9_819_274_155_591_636_727, 6), crc64(0, b"hello, append"));
        assert_eq!(crc64_join(42, 0, 0), 42);
        let gib_5 = (0..23).fold((crc64(0, &[0; 640]), 640_u64), |(crc, n), _| (crc64_join(crc, crc, n), 2 * n));
        assert_eq!(gib_5, (0xD3B2_91C9_2E59_D38C, 5 << 30));
    }

    #[test]
    fn md5_has_the_values_of_rfc_1321() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            let mut md5 = Md5::new();
            text.as_bytes().chunks(7).for_each(|piece| md5.update(piece));
            assert_eq!(hex(&md5.finish()), digest);
        }
    }

    #[test]
    fn base64_pads() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|s| base64(s.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }

    #[test]
    fn percent_goes_both_ways() {
        assert_eq!(percent_encode("a/b c+é~".as_bytes(), b"/"), "a/b%20c%2B%C3%A9~");
        assert_eq!(percent_decode(b"a%2Fb%20c%2b").as_deref(), Some(&b"a/b c+"[..]));
        assert_eq!([&b"%"[..], b"%1", b"%zz"].map(percent_decode), [None, None, None]);
    }
}
