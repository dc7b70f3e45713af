//! Event files as files: what they are called (`name`), where a run's are (`run_name`), how they begin (`attempt`),
//! and the newest step they hold (`last_step`).

mod attempt;
mod last_step;
mod name;
mod run_name;

pub use attempt::now;
pub use attempt::{Attempt, file_version_record};
pub use last_step::last_step;
pub(crate) use name::next_number;
pub use name::{FileNames, is_event_file};
pub use run_name::{InvalidRunName, RunName};
