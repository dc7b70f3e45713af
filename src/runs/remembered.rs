//! What was read before, kept in memory and used again for a run none of whose files changed since, as their time stamps
//! say; the whole table, if that holds for all of them.
//!
//! It is never the truth: a run that changed shortly before it was read is read again, and so is every run where the
//! clock was set. One check is spared: properties that only the training itself writes, of a run that has ended, are
//! asked for their stamps every ten seconds at most (R writes properties in place; all other changes show in the stamp
//! of the directory). The lock is only ever tried: who does not get it reads the files.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;

use super::dir::{Dir, Stamp};
use super::record::{Field, META_DIR, Record, Source};
use super::status::Status;

/// A file written this short before it was read may have been written again within the same tick of its time stamp.
const SETTLED: Duration = Duration::from_secs(3);
/// A clock that moved this far against the steady one was set.
const CLOCK_SET: Duration = Duration::from_secs(1);
/// How long the properties of an ended run may go unasked.
const THOROUGH: Duration = Duration::from_secs(10);
/// Properties that only the training itself writes.
const OF_TRAINING: [&str; 14] = [
    "batch_size",
    "context",
    "epochs",
    "learning_rate",
    "loss_function",
    "model",
    "optimizer",
    "output",
    "samples",
    "script",
    "start",
    "steps",
    "type",
    "validation_samples",
];
/// Directories whose runs are remembered.
const REMEMBERED_DIRS: usize = 8;

/// A run as it was read, below the runs directory.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) name: String,
    pub(super) record: Arc<Record>,
    /// A file of a later stamp, in nanoseconds since the epoch, may have changed since.
    pub(super) settled: i64,
}

/// A directory as it was listed.
#[derive(Debug)]
pub(super) struct Listing {
    /// By name, the greatest first.
    pub(super) runs: Vec<Remembered>,
    /// The directory as it was named, and the table with it.
    pub(super) spelled: PathBuf,
    pub(super) table: RecordBatch,
    pub(super) statuses: Vec<Status>,
    /// When it was listed, by the clock that can be set and by the steady one.
    pub(super) clock: (SystemTime, Instant),
    /// When all files were last asked for their stamps.
    pub(super) thorough: Instant,
}

static CACHE: Mutex<Vec<(PathBuf, Arc<Listing>)>> = Mutex::new(Vec::new());

impl Listing {
    /// Whether the clock that stamps the files runs as it did.
    fn is_in_time(&self) -> bool {
        let steady = self.clock.1.elapsed();
        self.clock.0.elapsed().is_ok_and(|elapsed| elapsed.abs_diff(steady) < CLOCK_SET)
    }

    /// Whether the files that are asked less often are due.
    pub(super) fn is_due(&self) -> bool {
        self.thorough.elapsed() > THOROUGH
    }
}

/// What the threads of a reading go by.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) listing: &'a Listing,
    /// Whether every file is asked.
    pub(super) thorough: bool,
}

impl<'a> Known<'a> {
    /// The run of this name as it was read, if none of its files changed since. `path` is memory to use. A file that
    /// went away shows in the stamp of its directory.
    pub(super) fn fresh(&self, dir: &Dir, name: &OsStr, path: &mut String) -> Option<&'a Remembered> {
        let name = name.to_str()?;
        let place = self.listing.runs.binary_search_by(|run| name.cmp(&run.name)).ok()?;
        let run = self.listing.runs.get(place)?;
        is_fresh(dir, run, self.thorough, path).then_some(run)
    }
}

fn is_fresh(dir: &Dir, run: &Remembered, thorough: bool, path: &mut String) -> bool {
    path.clear();
    let _ = write!(path, "{}/{META_DIR}", run.name);
    let settled = |stamp: Stamp| stamp.times.0.max(stamp.times.1) < run.settled;
    if !dir.stamp(path).is_ok_and(settled) {
        return false;
    }
    let meta = path.len();
    let mut is_settled = |folder: &str, name: &str| {
        path.truncate(meta);
        let _ = write!(path, "/{folder}{name}");
        match dir.stamp(path) {
            Ok(stamp) => settled(stamp),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    };
    let Record { fields, documents, ended, .. } = &*run.record;
    let is_asked = |field: &&Field| {
        field.source == Source::Property && (thorough || !ended || !OF_TRAINING.contains(&&*field.name))
    };
    is_settled("", "properties")
        && documents.iter().all(|name| is_settled("", name))
        && fields.iter().filter(is_asked).all(|field| is_settled("properties/", &field.name))
}

/// Files with stamps before this moment, in nanoseconds since the epoch, can be read for good now.
pub(super) fn settled_before() -> i64 {
    let settled = (SystemTime::now() - SETTLED).duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(settled.as_nanos()).unwrap_or(0)
}

/// The directory as it was listed, unless the clock was set.
pub(super) fn recall(key: &Path) -> Option<Arc<Listing>> {
    let cache = CACHE.try_lock().ok()?;
    let (_, listing) = cache.iter().find(|(path, _)| path == key)?;
    listing.is_in_time().then(|| Arc::clone(listing))
}

/// Keeps a directory as it was listed.
pub(super) fn remember(key: PathBuf, listing: Listing) {
    if let Ok(mut cache) = CACHE.try_lock() {
        cache.retain(|(path, _)| *path != key);
        cache.insert(0, (key, Arc::new(listing)));
        cache.truncate(REMEMBERED_DIRS);
    }
}

/// Forgets what was read before.
pub fn forget() {
    if let Ok(mut cache) = CACHE.try_lock() {
        cache.clear();
    }
}
