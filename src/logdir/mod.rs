//! Log directories: what event files there are, and reading them all.
//!
//! | module | what |
//! |---|---|
//! | [`discover`] | the event files below a directory, in the order of R's tfevents |
//! | [`listing`] | the same, kept up to date |
//! | [`read`] | their records into frames |
//! | `blocks` | dealing files out to threads |
//! | `file_scan` | one file, past what is damaged |
//! | `input` | its bytes, plain or unpacked |
//! | [`damage`] | what was lost |
//! | [`repair`] | copies without it |

mod blocks;
pub mod damage;
pub mod discover;
mod file_scan;
mod input;
pub mod listing;
pub mod read;
pub mod repair;

pub(crate) use file_scan::scan_bytes;

pub use damage::{Damage, Reason};
pub use discover::{EventFile, discover};
pub use listing::Listing;
pub use read::{Outcome, Query, ReadError, read};
