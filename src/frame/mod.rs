//! Frames: what was read, as columns in Arrow's layout.
//!
//! | module | what |
//! |---|---|
//! | [`schema`] | what a frame's columns are |
//! | [`filter`] | which rows are wanted |
//! | [`column`] | columns that grow: numbers, strings as views into one shared buffer, blobs |
//! | [`summary`] | the `summary` struct of a value |
//! | [`template`] | records that were seen before, but for their value |
//! | [`rows`] | events to rows: scalars, summaries, events |
//! | `table` | the columns they are appended to |
//! | `places` | the files, runs and attempts they came from |
//!
//! A schema is fixed by what was asked for, never by what was found.

pub mod column;
pub mod filter;
mod places;
pub mod rows;
pub mod schema;
pub mod summary;
mod table;
pub mod template;

pub use filter::Filter;
pub use rows::Attempt;
pub use schema::{Columns, Kind, Without, schema};
