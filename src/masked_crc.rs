//! The checksum of event files: CRC-32C, masked.
//!
//! A record carries two of them, one over its length and one over its payload. The mask (rotate right by 15,
//! add a constant) keeps a checksum of data that itself holds checksums from being degenerate. Polynomial and
//! mask are those of the TFRecord format (CRC-32C: RFC 3720, appendix B.4; not the CRC-32 of zip).
//!
//! Lengths repeat, so the checksum of a small one is a table look-up.

use std::sync::LazyLock;

const MASK_DELTA: u32 = 0xa282_ead8;

/// Lengths below this have their checksum in a table (16 KiB): nearly every scalar and text record.
const TABLE_LEN: usize = 4096;

static LENGTH_CRCS: LazyLock<Box<[u32]>> =
    LazyLock::new(|| (0..TABLE_LEN as u64).map(|len| masked_crc(&len.to_le_bytes())).collect());

/// The masked CRC-32C of `bytes`.
pub fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA)
}

/// The masked CRC-32C of a record's length field, `len` as eight little-endian bytes.
pub fn length_crc(len: u64) -> u32 {
    match usize::try_from(len) {
        Ok(small) if small < TABLE_LEN => LENGTH_CRCS[small],
        _ => masked_crc(&len.to_le_bytes()),
    }
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
}
