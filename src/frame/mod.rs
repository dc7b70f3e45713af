//! Frames: what was read, as columns in Arrow's layout.
//!
//! | module | what |
//! |---|---|
//! | [`schema`] | what a frame's columns are |
//! | [`filter`] | which rows are wanted |
//! | [`column`] | columns that grow: numbers, strings as views into one shared buffer, blobs |
//! | [`summary`] | the `summary` struct of a value |
//! | [`template`] | records that were seen before, but for their value |
//! | [`rows`] | the frames themselves: scalars, summaries, events |
//!
//! A schema is fixed by what was asked for, never by what was found.

pub mod column;
pub mod filter;
pub mod rows;
pub mod schema;
pub mod summary;
pub mod template;

pub use filter::Filter;
pub use rows::Attempt;
pub use schema::{Columns, Kind, Without, schema};
