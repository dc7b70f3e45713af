//! Names of event files: `events.out.tfevents.<seconds>.<host>.<pid>.<n><suffix>`.
//!
//! Seconds come first and have ten digits, so that names sort by time. Host, process and a number make a name that
//! nobody else takes; files are still created exclusively.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Attempt;

const PREFIX: &str = "events.out.tfevents.";

/// Names for the files of one process, or of all processes that share files.
#[derive(Clone, Debug)]
pub struct FileNames {
    seconds: u64,
    host: String,
    pid: u32,
    suffix: String,
}

impl FileNames {
    /// Names that begin with `wall_time` and the host of `attempt`, for the process `pid`.
    pub fn new(wall_time: f64, attempt: &Attempt, pid: u32, suffix: &str) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a time before 1970 becomes 0
        let seconds = wall_time as u64;
        let host = attempt.host.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
        Self { seconds, host, pid, suffix: suffix.to_owned() }
    }

    /// The `n`th name.
    pub fn nth(&self, n: u32) -> String {
        format!("{PREFIX}{:010}.{}.{}.{n}{}", self.seconds, self.host, self.pid, self.suffix)
    }

    /// A name that this process has not used yet.
    pub fn next(&self) -> String {
        self.nth(next_number())
    }
}

/// A number that this process has not used in a name yet.
pub(crate) fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Whether a file of this name holds events: TensorBoard's rule, without its profiles' markers.
pub fn is_event_file(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.windows(8).any(|part| part == b"tfevents") && !name.ends_with(b".profile-empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_stay_one_component() {
        let attempt = Attempt { host: "a/b".into(), ..Attempt::default() };
        let names = FileNames::new(7.9, &attempt, 12, ".v2");
        assert_eq!(names.nth(3), "events.out.tfevents.0000000007.a_b.12.3.v2");
        assert_ne!(names.next(), names.next());
        assert!(is_event_file(OsStr::new(&names.nth(0))));
        assert!(!is_event_file(OsStr::new(".tfruns-share")));
    }
}
