//! The one hash of this crate, and the seed of every table that an input fills.
//!
//! Keys come from a sender, so a table that they fill needs a seed that he cannot know. The hash is a
//! multiplication of two words to 128 bits, folded (the scheme of wyhash), which is fast for the short
//! texts that keys are. It is no promise: it may change with every version.
//!
//! A factor of 0 in the multiplication makes the product 0, whatever the other one is, and a sender would choose his
//! bytes for that; so what he chooses is mixed with the seed before it is a factor.

/// A seed that a sender cannot know, where there is a standard library to ask for one.
pub(crate) fn seed() -> u64 {
    #[cfg(feature = "std")]
    {
        use core::hash::BuildHasher;
        std::hash::RandomState::new().hash_one(0_u8)
    }
    #[cfg(not(feature = "std"))]
    {
        0x5851_f42d_4c95_7f2d
    }
}

/// Multiplies to 128 bits and adds both halves: every bit of the factors reaches every bit of the result.
pub(crate) const fn fold(left: u64, right: u64) -> u64 {
    let wide = (left as u128).wrapping_mul(right as u128);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// Odd numbers without a pattern; an operand of [`fold`] that a sender could choose is mixed with one.
pub(crate) const K0: u64 = 0x9e37_79b9_7f4a_7c15;

pub(crate) const K1: u64 = 0xd6e8_feb8_6659_fd93;

#[inline]
/// The hash of bytes under a seed.
pub(crate) fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    let len = bytes.len() as u64;
    // Two words that overlap cover 8 to 16 bytes, two halves 4 to 7.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let last = u64::from_le_bytes(*last);
        if bytes.len() <= 16 {
            // Neither factor is a number that a sender can choose: a factor of 0 would make all hashes 0.
            let first = u64::from_le_bytes(*first) ^ seed ^ K1;
            return fold(fold(first, last ^ seed.rotate_left(29) ^ K0) ^ len, K0);
        }
        let mut hash = seed ^ len;
        for word in bytes.as_chunks::<8>().0 {
            hash = fold(hash ^ u64::from_le_bytes(*word), K0);
        }
        return fold(hash ^ last, K1);
    }
    let short = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
        (Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        (_, _, &[first, .., last]) => {
            let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(last);
            u64::from(first) | u64::from(middle) << 8 | u64::from(last) << 16
        }
        (_, _, &[only]) => u64::from(only),
        _ => 0,
    };
    fold(short ^ seed, K1 ^ len)
}
