//! Log directories: what event files there are, and reading them all.
//!
//! | module | what |
//! |---|---|
//! | [`discover`] | the event files below a directory, in the order of R's tfevents |
//! | [`listing`] | the same, kept up to date |
//! | [`read`] | their records into frames, in blocks that threads share |

pub mod discover;
pub mod listing;
pub mod read;

pub use discover::{EventFile, discover};
pub use listing::Listing;
pub use read::{Damage, Outcome, Query, ReadError, Reason, read};
