//! What reading lost, and why.

use std::path::PathBuf;

use crate::event::walk::WalkError;

/// Why bytes could not be read as records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The checksum of a header is wrong.
    #[error("header checksum")]
    Header,
    /// The checksum of a payload is wrong.
    #[error("payload checksum")]
    Payload,
    /// A header asks for more than the file has, and records follow.
    #[error("length beyond the end")]
    Length,
    /// Zeros, and records follow.
    #[error("zeros")]
    Zeros,
    /// The record is whole, its payload is no event.
    #[error("no event: {0}")]
    Event(#[from] WalkError),
    /// More places than are worth a row each: their bytes in all, from the first of them on.
    #[error("many places")]
    Many,
    /// Too many false beginnings: the rest of the file was given up.
    #[error("search given up")]
    GaveUp,
    /// A compressed archive is damaged, cut or too large: what is behind can't be unpacked.
    #[error("archive: {0}")]
    Archive(String),
    /// The file could not be read.
    #[error("{message}")]
    Io {
        /// The system's error number.
        errno: Option<i32>,
        /// The system's message.
        message: String,
    },
}

/// Bytes that were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The event file.
    pub path: PathBuf,
    /// Where the lost bytes begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// What is wrong with them.
    pub reason: Reason,
    /// How many records were read behind them in the file.
    pub recovered: u64,
}
