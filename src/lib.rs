//! The core of `tfruns_rs`, without Python: event files and run directories.
//!
//! In the order the data flows: bytes ([`masked_crc`], [`tfrecord`]), events ([`event`]).

pub mod event;
pub mod masked_crc;
pub mod tfrecord;
