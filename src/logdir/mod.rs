//! Log directories: what event files there are, and reading them all.
//!
//! | module | what |
//! |---|---|
//! | [`discover`] | the event files below a directory, in the order of R's tfevents |
//! | [`read`] | their records into frames, in blocks that threads share |

pub mod discover;
pub mod read;

pub use discover::{EventFile, discover};
pub use read::{Damage, Outcome, Query, ReadError, Reason, read};
