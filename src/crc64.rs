//! CRC-64/XZ, as the service computes it, and how two of them join. The only file that names crc64fast.
//!
//! The service's pages call it ECMA-182; the catalogue's variant of that name is another one.

#![expect(clippy::disallowed_types, reason = "this is the room that owns crc64fast")]

use std::fmt;

use crc64fast::Digest;

/// So much is summed at once, right after it was copied or read: while the processor's caches still hold it.
pub(crate) const PIECE: usize = 128 << 10;

/// The CRC of bytes that come one after the other.
#[derive(Clone, Default)]
pub(crate) struct Crc64(Digest);

impl Crc64 {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Of whatever it was that has this CRC; what is added next follows it.
    pub(crate) fn starting_from(crc: u64) -> Self {
        let mut digest = Digest::new();
        if crc != 0 {
            digest.write(&seed(crc));
        }
        Self(digest)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.sum64()
    }
}

impl fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc64({:#018x})", self.value())
    }
}

/// The CRC of these bytes alone.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.value()
}

/// The CRC of A followed by B, of which only the CRCs and B's length are known.
pub(crate) fn join(a: u64, b: u64, len_b: u64) -> u64 {
    // The register is linear: A's part moves on by 8 bits for every byte of B, which is a multiplication by x^8.
    let mut shifted = a;
    let mut rest = len_b;
    while rest != 0 {
        shifted = product(shifted, POWERS[rest.trailing_zeros() as usize]);
        rest &= rest - 1;
    }
    shifted ^ b
}

/// 0x42F0E1EBA9EA3693 with its bits reversed: as everywhere here, x^0 is the highest bit.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

/// x^(8 * 2^k): what 2^k bytes multiply a CRC by.
const POWERS: [u64; 64] = {
    let mut powers = [1 << (63 - 8); 64];
    let mut k = 1;
    while k < 64 {
        powers[k] = product(powers[k - 1], powers[k - 1]);
        k += 1;
    }
    powers
};

/// `a * b` modulo the polynomial. Without branches: on bits as random as these they would be guessed wrong.
const fn product(a: u64, mut b: u64) -> u64 {
    let mut sum = 0;
    let mut power = 64;
    while power > 0 {
        power -= 1;
        sum ^= b & ((a >> power) & 1).wrapping_neg();
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
    }
    sum
}

/// The eight bytes that bring a fresh digest to where one is that has seen data of this CRC.
///
/// crc64fast cannot be told where to start. So the register is run backwards by 64 bits, and what it differs there
/// from a fresh one is the message.
fn seed(crc: u64) -> [u8; 8] {
    let register = (0..64).fold(!crc, |register, _| {
        let carry = register >> 63;
        ((register ^ (POLYNOMIAL & carry.wrapping_neg())) << 1) | carry
    });
    (!register).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_are_the_services() {
        assert_eq!(of(b""), 0);
        assert_eq!(of(b"123456789"), 0x995D_C9BB_DF19_39FA);
        // aliyun/alibabacloud-oss-go-sdk-v2: oss/utils_crc_test.go, oss/client_mock_test.go
        assert_eq!(of(b"a"), 0x3302_8477_2E65_2B05);
        assert_eq!(of(b"This is a test of the emergency broadcast system."), 0x27DB_187F_C15B_BC72);
        assert_eq!(of(b"hi oss,append object"), 2313496259928504459);
        assert_eq!(of(b"hi oss,append object,this is a demo"), 8586970469916596321);
        assert_eq!(of(b"hello, append"), 11717270943495523566);
    }

    #[test]
    fn two_parts_join_to_the_whole() {
        assert_eq!(join(3961137788409295120, 9819274155591636727, 6), 11717270943495523566);
        assert_eq!(join(of(b"hi oss,append object"), of(b",this is a demo"), 15), 8586970469916596321);
    }

    #[test]
    fn five_gibibytes_of_zeros_join_from_one() {
        let mut crc = of(&[0]);
        let mut len = 1;
        while len < 1 << 30 {
            (crc, len) = (join(crc, crc, len), len * 2);
        }
        let five = (0..5).fold(0, |sum, _| join(sum, crc, len));
        assert_eq!(five, 0xD3B2_91C9_2E59_D38C);
    }

    #[test]
    fn any_split_joins_and_any_start_goes_on_to_the_whole() {
        let mut random = Random(1);
        let data: Vec<u8> = (0..5000).map(|_| random.below(256) as u8).collect();
        for _ in 0..3000 {
            let whole = &data[random.below(2000)..][..random.below(3001)];
            let (a, b) = whole.split_at(random.below(whole.len() + 1));
            assert_eq!(join(of(a), of(b), b.len() as u64), of(whole));

            let mut going_on = Crc64::starting_from(of(a));
            assert_eq!(going_on.value(), of(a));
            let (first, second) = b.split_at(random.below(b.len() + 1));
            going_on.update(first);
            going_on.update(second);
            assert_eq!(going_on.value(), of(whole));
        }
    }

    #[test]
    fn it_is_what_one_bit_at_a_time_gives() {
        let mut random = Random(2);
        for len in 0..600 {
            let data: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
            assert_eq!(of(&data), bit_by_bit(&data), "{len} bytes");
        }
    }

    #[test]
    fn nothing_joins_without_a_trace() {
        for crc in [0, 1, u64::MAX, of(b"something")] {
            assert_eq!(join(crc, of(b""), 0), crc);
            assert_eq!(Crc64::starting_from(crc).value(), crc);
            for len in [0, 1, 1 << 20, u64::MAX] {
                assert_eq!(join(of(b""), crc, len), crc);
            }
        }
    }

    #[test]
    fn starting_from_any_number_is_joining_to_it() {
        let mut random = Random(3);
        for _ in 0..1000 {
            let start = random.next();
            let mut crc = Crc64::starting_from(start);
            crc.update(b"the rest");
            assert_eq!(crc.value(), join(start, of(b"the rest"), 8));
        }
    }

    #[test]
    fn three_parts_join_in_either_order() {
        let (mut random, huge) = (Random(4), 5 << 30);
        for _ in 0..100 {
            let (a, b, c) = (random.next(), random.next(), random.next());
            assert_eq!(join(join(a, b, huge - 1), c, huge + 1), join(a, join(b, c, huge + 1), 2 * huge));
        }
    }

    #[test]
    fn it_prints_as_its_value() {
        assert_eq!(format!("{:?}", Crc64::starting_from(0x123)), "Crc64(0x0000000000000123)");
    }

    /// From the catalogue's definition, unreflected, sharing nothing with the code above.
    fn bit_by_bit(bytes: &[u8]) -> u64 {
        let mut register = u64::MAX;
        for byte in bytes {
            for bit in 0..8 {
                let feedback = (register >> 63) as u8 ^ (byte >> bit & 1);
                register <<= 1;
                if feedback == 1 {
                    register ^= 0x42F0_E1EB_A9EA_3693;
                }
            }
        }
        !register.reverse_bits()
    }

    /// xorshift64: the same numbers in every run.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, bound: usize) -> usize {
            (self.next() >> 16) as usize % bound
        }
    }
}
