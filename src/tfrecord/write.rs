//! Framing in place: the payload is built where it will stand, then its frame is closed around it.

use super::HEADER_LEN;
use crate::masked_crc::{length_crc, masked_crc};

/// Appends one record to `buf`; `payload` appends the payload's bytes to what it is given.
pub fn append_record(buf: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let header = buf.len();
    buf.extend_from_slice(&[0; HEADER_LEN]);
    let start = buf.len();
    payload(buf);
    let len = (buf.len() - start) as u64;
    buf[header..header + 8].copy_from_slice(&len.to_le_bytes());
    buf[header + 8..start].copy_from_slice(&length_crc(len).to_le_bytes());
    let crc = masked_crc(&buf[start..]);
    buf.extend_from_slice(&crc.to_le_bytes());
}
