//! Records: the frames of an event file.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | payload length *n*, little-endian |
//! | 4 | masked CRC-32C of those 8 bytes |
//! | *n* | payload |
//! | 4 | masked CRC-32C of the payload |
//!
//! A file is these and nothing else, so a reader that stops anywhere can go on when more bytes have come.

pub mod read;
pub mod recover;
mod write;

pub use read::{Frame, RecordReader, Stop};
pub use write::append_record;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 12;
/// Bytes after the payload.
pub const FOOTER_LEN: usize = 4;
/// What a record takes beyond its payload.
pub const OVERHEAD: usize = HEADER_LEN + FOOTER_LEN;
