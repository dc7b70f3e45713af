//! Frames: what was read, as columns in Arrow's layout.
//!
//! | module | what |
//! |---|---|
//! | [`column`] | columns that grow: numbers, strings as views into one shared buffer, blobs |
//! | [`summary`] | the `summary` struct of a value |
//! | [`rows`] | the frames themselves: scalars, summaries, events |
//!
//! A schema is fixed by what was asked for, never by what was found.

pub mod column;
pub mod rows;
pub mod summary;

pub use rows::{Attempt, Columns, Filter, Kind, Without, schema};
