//! The checksum of event files: CRC-32C, masked.
//!
//! A record carries two of them, one over its length and one over its payload. The mask (rotate right by 15,
//! add a constant) keeps a checksum of data that itself holds checksums from being degenerate. Polynomial and
//! mask are those of the TFRecord format (CRC-32C: RFC 3720, appendix B.4; not the CRC-32 of zip).
//!
//! Lengths repeat, so the checksum of a small one is a table look-up. Most payloads are some fifty bytes, where a
//! library's kernel for megabytes spends its time on aligning; those take the processor's instruction directly.

use std::sync::LazyLock;

const MASK_DELTA: u32 = 0xa282_ead8;

/// Lengths below this have their checksum in a table (16 KiB): nearly every scalar and text record.
const TABLE_LEN: usize = 4096;

static LENGTH_CRCS: LazyLock<Box<[u32]>> =
    LazyLock::new(|| (0..TABLE_LEN as u64).map(|len| masked_crc(&len.to_le_bytes())).collect());

/// Payloads up to this length go through the instruction alone, longer ones through three streams of it.
const SMALL_LEN: usize = 512;

/// The masked CRC-32C of `bytes`.
#[inline]
pub fn masked_crc(bytes: &[u8]) -> u32 {
    mask(crc(bytes))
}

/// The masked form of a CRC-32C.
#[inline]
pub fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn crc(bytes: &[u8]) -> u32 {
    if bytes.len() <= SMALL_LEN && is_x86_feature_detected!("sse4.2") {
        #[allow(unsafe_code)]
        // SAFETY: the line above has found the instruction.
        unsafe {
            small_crc(bytes)
        }
    } else {
        crc32c::crc32c(bytes)
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// CRC-32C eight bytes a step, without regard to alignment.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::cast_possible_truncation)]
#[target_feature(enable = "sse4.2")]
fn small_crc(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u16, _mm_crc32_u32, _mm_crc32_u64};
    let (words, tail) = bytes.as_chunks::<8>();
    let mut state = u64::from(u32::MAX);
    for word in words {
        state = _mm_crc32_u64(state, u64::from_le_bytes(*word));
    }
    let mut state = state as u32; // the instruction leaves the upper half zero
    let (fours, tail) = tail.as_chunks::<4>();
    for four in fours {
        state = _mm_crc32_u32(state, u32::from_le_bytes(*four));
    }
    let (twos, tail) = tail.as_chunks::<2>();
    for two in twos {
        state = _mm_crc32_u16(state, u16::from_le_bytes(*two));
    }
    for &byte in tail {
        state = _mm_crc32_u8(state, byte);
    }
    !state
}

/// The masked CRC-32C of a record's length field, `len` as eight little-endian bytes.
pub fn length_crc(len: u64) -> u32 {
    match usize::try_from(len) {
        Ok(small) if small < TABLE_LEN => LENGTH_CRCS[small],
        _ => masked_crc(&len.to_le_bytes()),
    }
}

/// The bit whose flipping makes the checksum of `len` the one that is stored, if there is one.
///
/// A checksum is linear: flipping a bit changes it by the same pattern, whatever the other bits are.
pub fn flipped_bit(len: u64, stored: u32) -> Option<u32> {
    static PATTERNS: LazyLock<[u32; 64]> = LazyLock::new(|| {
        let zero = crc(&[0; 8]);
        std::array::from_fn(|bit| crc(&(1u64 << bit).to_le_bytes()) ^ zero)
    });
    let stored = stored.wrapping_sub(MASK_DELTA).rotate_left(15);
    let pattern = stored ^ crc(&len.to_le_bytes());
    (0..64).find(|&bit| PATTERNS[bit as usize] == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_of_the_file_version_record() {
        assert_eq!(length_crc(24), 0x224b_7fa3);
    }

    #[test]
    fn zero_bytes() {
        assert_eq!(masked_crc(&[0; 8]), 0x0798_0329);
    }

    #[test]
    fn table_equals_computation() {
        for len in [0, 1, 24, 4095, 4096, 4097, u64::MAX] {
            assert_eq!(length_crc(len), masked_crc(&len.to_le_bytes()), "length {len}");
        }
    }

    #[test]
    fn the_flipped_bit_of_a_length_is_found() {
        for len in [0, 57, 1 << 20, u64::MAX] {
            assert_eq!(flipped_bit(len, length_crc(len)), None);
            for bit in 0..64 {
                assert_eq!(flipped_bit(len ^ 1 << bit, length_crc(len)), Some(bit));
            }
        }
    }

    #[test]
    fn every_small_length_equals_the_library() {
        let bytes: Vec<u8> = (0..=250u8).cycle().take(2 * SMALL_LEN).collect();
        for start in 0..8 {
            for end in start..bytes.len() {
                assert_eq!(crc(&bytes[start..end]), crc32c::crc32c(&bytes[start..end]), "{start}..{end}");
            }
        }
    }
}
