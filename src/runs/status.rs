//! How a run is doing: told from its files, and of one that has no end from its beat.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use super::liveness::{Here, Verdict, server_time};
use super::record::Record;

/// How a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can't be read.
    Invalid,
    /// It ended well.
    Completed,
    /// It ended with an error.
    Failed,
    /// Somebody stopped it.
    Interrupted,
    /// Its process is gone without an end.
    Killed,
    /// Its beat is overdue.
    Stale,
    /// It runs.
    Running,
    /// It has no end and no beat, as R's runs while they run and after a crash.
    Unknown,
}

impl Status {
    /// The word in the column `status`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
            Self::Stale => "stale",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

/// Judges the runs below a directory; what it has to know is asked once, and only where a run needs it.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    /// Where a file may be made to see the clock that stamps the beats.
    pub(super) runs_dir: &'a Path,
    here: OnceLock<Here>,
    server_time: OnceLock<i64>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(runs_dir: &'a Path) -> Self {
        Self { runs_dir, here: OnceLock::new(), server_time: OnceLock::new() }
    }

    /// First match wins.
    pub(super) fn status(&self, record: &Record) -> Status {
        if record.unreadable {
            return Status::Invalid;
        }
        if record.completed == Some(true) {
            return Status::Completed;
        }
        if record.failed {
            return Status::Failed;
        }
        if record.interrupted {
            return Status::Interrupted;
        }
        if record.exit_code.is_some_and(|code| code != 0) {
            return Status::Failed;
        }
        if record.ended {
            return if record.completed == Some(false) { Status::Interrupted } else { Status::Unknown };
        }
        let Some((alive, stamp)) = &record.alive else { return Status::Unknown };
        let age = || {
            let nanos = self.server_time().saturating_sub(stamp.times.0);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
        };
        match self.here.get_or_init(Here::read).judge(alive, age) {
            Verdict::Dead => Status::Killed,
            Verdict::Overdue => Status::Stale,
            Verdict::Live => Status::Running,
        }
    }

    /// The clock that stamped the beats.
    fn server_time(&self) -> i64 {
        *self.server_time.get_or_init(|| {
            let time = server_time(&self.runs_dir.join("clock"));
            i64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
        })
    }
}
