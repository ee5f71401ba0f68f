//! CRC-64s of parts join to that of the whole, wherever it is cut, and going on from one is joining to it.

use crate::bytes::{number, take};
use oss_append::{Checkpoint, internal};

pub fn run(data: &[u8]) {
    let mut data = data;
    let (first, second) = (number::<2>(&mut data) as usize, number::<2>(&mut data) as usize);
    // Lengths that nobody has as bytes.
    let (m, n) = (number::<8>(&mut data) >> 1, number::<8>(&mut data) >> 1);
    let (a, rest) = take(data, first);
    let (b, c) = take(rest, second);
    let (ab, bc) = ([a, b].concat(), [b, c].concat());

    let of = internal::crc64;
    let join = internal::crc64_join;
    let len = |bytes: &[u8]| bytes.len() as u64;
    assert_eq!(of(data), bit_by_bit(data), "it is not CRC-64/XZ");
    assert_eq!(join(of(a), of(&bc), len(&bc)), of(data), "two parts");
    assert_eq!(join(of(&ab), of(c), len(c)), of(data), "two other parts");
    assert_eq!(internal::crc64_going_on(of(&ab), c), of(data), "going on");
    assert_eq!(internal::crc64_going_on(of(a), &bc), of(data), "going on earlier");

    // Any number is the CRC of something.
    let (x, y, z) = (of(a) ^ m, of(b) ^ n, of(c));
    assert_eq!(join(join(x, y, m), z, n), join(x, join(y, z, n), m.wrapping_add(n)), "associativity");
    assert_eq!(join(x, 0, 0), x, "nothing behind");
    assert_eq!(join(0, x, n), x, "nothing before");
    assert_eq!(internal::crc64_going_on(x, b""), x, "going on with nothing");
    assert_eq!(internal::crc64_going_on(x, b), join(x, of(b), len(b)), "from any number");
    // What comes before matters, however much follows: x^8 has an inverse.
    assert_eq!(join(x, y, n) == join(z, y, n), x == z, "two beginnings, one CRC");

    let at = Checkpoint { position: m, crc64: x };
    assert_eq!(at.advance(b).advance(c), at.advance(&bc), "a checkpoint's way");
    assert_eq!(at.advance(b), Checkpoint { position: m + len(b), crc64: join(x, of(b), len(b)) });
}

/// From the catalogue's definition, unreflected, sharing nothing with the crate.
fn bit_by_bit(bytes: &[u8]) -> u64 {
    let mut register = u64::MAX;
    for byte in bytes {
        for bit in 0..8 {
            let feedback = (register >> 63) ^ u64::from(byte >> bit & 1);
            register <<= 1;
            if feedback == 1 {
                register ^= 0x42F0_E1EB_A9EA_3693;
            }
        }
    }
    !register.reverse_bits()
}
