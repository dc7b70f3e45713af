//! Metrics tables on disk, in the order the rows flow.
//!
//! A table is written while a model trains, so memory stays bounded and a killed process loses nothing. Batches go into
//! a [`log`] as they come. A log that is full is compressed to Parquet, a part, and dropped; at the end [`close`] makes
//! the parts one file.

mod close;
mod compact;
pub mod log;

pub use close::{CloseError, close};
