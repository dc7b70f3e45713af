//! All runs below a directory, read at once.
//!
//! Threads share a counter over the names and live only for the call, so listing works in a forked child.
//!
//! What was read before is kept in memory and used again for a run none of whose files changed since, as their time
//! stamps say; the whole table, if that holds for all of them. It is never the truth: a run that changed shortly before it was read is read again, and so is every run
//! where the clock was set, or where another machine's clock stamps the files. One check is spared: properties that only
//! the training itself writes, of a run that has ended, are asked for their stamps every ten seconds at most (R writes
//! properties in place; all other changes show in the stamp of the directory). The cache's lock is only ever tried: who
//! does not get it reads the files.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::dir::{Dir, Kind, Stamp};
use super::frame::{self, Best};
use super::liveness::{Here, Verdict, server_time};
use super::read::Reader;
use super::record::{Cell, Field, META_DIR, Record, Source, Wanted};

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
/// Reading from a file server is waiting; more threads than cores wait together.
const THREADS: std::ops::RangeInclusive<usize> = 4..=32;

/// A listed run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its directory, below the one that was listed as that was given.
    pub run_dir: String,
    /// What was read.
    pub record: Arc<Record>,
    /// How it is doing.
    pub status: Status,
}

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

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The directory can't be listed.
    #[error(transparent)]
    Dir(#[from] io::Error),
    /// The columns make no table.
    #[error(transparent)]
    Table(#[from] ArrowError),
}

/// Every run directly below `runs_dir` as a table, by name, the greatest first; no rows if there is no such directory.
/// With `latest_n` only so many, the latest by start, then by name; with `only` those of these names.
pub fn list(
    runs_dir: &Path,
    latest_n: Option<usize>,
    wanted: &Wanted,
    only: Option<&BTreeSet<String>>,
    best: &[Best],
) -> Result<RecordBatch, ListError> {
    let dir = match Dir::open(runs_dir) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(frame::table(&[], best)?),
        Err(error) => return Err(error.into()),
    };
    OPENED.fetch_add(1, Ordering::Relaxed);
    let mut names: Vec<_> = dir.entries()?;
    names.retain(|entry| {
        matches!(entry.kind, Kind::Dir | Kind::Link)
            && only.is_none_or(|only| entry.name.to_str().is_some_and(|name| only.contains(name)))
    });
    names.sort_unstable_by(|a, b| b.name.cmp(&a.name));
    let mut names: Vec<OsString> = names.into_iter().map(|entry| entry.name).collect();
    let below = Below::new(&dir, runs_dir);
    if let Some(count) = latest_n {
        let only_start = Wanted::columns(["start".to_owned()], false);
        let started = below.read_all(&names, &only_start, None);
        names = latest(&started, count).into_iter().map(|index| names[index].clone()).collect();
    }
    let is_whole = only.is_none() && latest_n.is_none() && wanted.is_all();
    if is_whole
        && dir.is_local()
        && let Ok(key) = fs::canonicalize(runs_dir)
    {
        return Ok(below.list_remembered(&names, key)?);
    }
    let runs: Vec<Run> = below.read_all(&names, wanted, None).into_iter().map(|found| found.run).collect();
    Ok(frame::table(&runs, best)?)
}

/// One run, its texts whole; `None` if `run_dir` is no run.
pub fn read_whole(run_dir: &Path) -> io::Result<Option<Run>> {
    let dir = Dir::open(run_dir)?;
    let Some(record) = Reader::default().read(&dir, OsStr::new(""), &Wanted::all(), true) else {
        return Ok(None);
    };
    let below = Below::new(&dir, run_dir);
    let status = below.status(&record);
    Ok(Some(Run { run_dir: run_dir.to_string_lossy().into_owned(), record: Arc::new(record), status }))
}

/// Files and directories that listings of this process have opened so far. On a network file system each costs a round
/// trip, so tests hold it to a bound.
pub fn opened() -> u64 {
    OPENED.load(Ordering::Relaxed)
}

static OPENED: AtomicU64 = AtomicU64::new(0);

/// Indices of the `count` latest runs, in their old order.
fn latest(started: &[Found], count: usize) -> Vec<usize> {
    let start = |run: &Run| {
        run.record.fields.iter().find_map(|field| match field.cell {
            Cell::Time(time) if field.name == "start" => Some(time),
            _ => None,
        })
    };
    let mut runs: Vec<_> = started.iter().map(|found| (start(&found.run), found.place)).collect();
    runs.sort_by_key(|(start, place)| (std::cmp::Reverse(*start), *place));
    let mut places: Vec<_> = runs.into_iter().take(count).map(|(_, place)| place).collect();
    places.sort_unstable();
    places
}

struct Below<'a> {
    dir: &'a Dir,
    path: &'a Path,
    here: OnceLock<Here>,
    server_time: OnceLock<i64>,
}

/// A run that was found under one of the names.
struct Found {
    /// The index of its name.
    place: usize,
    run: Run,
    /// It was read before and has not changed.
    is_remembered: bool,
    /// A file of a later stamp, in nanoseconds since the epoch, may have changed since.
    settled: i64,
}

/// A run as it was read, below the runs directory.
#[derive(Debug)]
struct Remembered {
    name: String,
    record: Arc<Record>,
    settled: i64,
}

/// A directory as it was listed.
#[derive(Debug)]
struct Listing {
    /// By name, the greatest first.
    runs: Vec<Remembered>,
    /// The directory as it was named, and the table with it.
    spelled: PathBuf,
    table: RecordBatch,
    statuses: Vec<Status>,
    clock: (SystemTime, Instant),
    /// When all files were last asked for their stamps.
    thorough: Instant,
}

static CACHE: Mutex<Vec<(PathBuf, Arc<Listing>)>> = Mutex::new(Vec::new());

impl Listing {
    /// Whether the clock that stamps the files runs as it did.
    fn is_in_time(&self) -> bool {
        let steady = self.clock.1.elapsed();
        self.clock.0.elapsed().is_ok_and(|elapsed| elapsed.abs_diff(steady) < CLOCK_SET)
    }

    fn find(&self, name: &str) -> Option<&Remembered> {
        let place = self.runs.binary_search_by(|run| name.cmp(&run.name)).ok()?;
        self.runs.get(place)
    }

    /// Whether its table is that of these runs.
    fn is_of(&self, runs: &[Found], spelled: &Path) -> bool {
        self.spelled == spelled
            && self.runs.len() == runs.len()
            && runs.iter().all(|found| found.is_remembered)
            && runs.iter().map(|found| found.run.status).eq(self.statuses.iter().copied())
    }
}

/// What the threads of a reading go by.
struct Known<'a> {
    listing: &'a Listing,
    thorough: bool,
}

impl<'a> Below<'a> {
    fn new(dir: &'a Dir, path: &'a Path) -> Self {
        Self { dir, path, here: OnceLock::new(), server_time: OnceLock::new() }
    }

    /// The table of all runs, with the help of what was read before.
    fn list_remembered(&self, names: &[OsString], key: PathBuf) -> Result<RecordBatch, ArrowError> {
        let listing = remembered(&key);
        let clock = (SystemTime::now(), Instant::now());
        let thorough = listing.as_ref().is_none_or(|listing| listing.thorough.elapsed() > THOROUGH);
        let known = listing.as_deref().map(|listing| Known { listing, thorough });
        let found = self.read_all(names, &Wanted::all(), known.as_ref());
        let is_same = listing.as_ref().filter(|listing| listing.is_of(&found, self.path));
        if let Some(listing) = is_same.filter(|_| !thorough) {
            return Ok(listing.table.clone());
        }
        let mut runs = Vec::with_capacity(found.len());
        let mut remembering = Vec::with_capacity(found.len());
        for Found { place, run, settled, .. } in found {
            if let Some(name) = names[place].to_str() {
                let record = Arc::clone(&run.record);
                remembering.push(Remembered { name: name.to_owned(), record, settled });
            }
            runs.push(run);
        }
        let table = match is_same {
            Some(listing) => listing.table.clone(),
            None => frame::table(&runs, &[])?,
        };
        let listing = Listing {
            runs: remembering,
            spelled: self.path.to_owned(),
            table: table.clone(),
            statuses: runs.iter().map(|run| run.status).collect(),
            thorough: listing.filter(|_| !thorough).map_or(clock.1, |listing| listing.thorough),
            clock,
        };
        remember(key, listing);
        Ok(table)
    }

    /// Reads runs, in the order of their names; names that are no runs are left out.
    fn read_all(&self, names: &[OsString], wanted: &Wanted, known: Option<&Known<'_>>) -> Vec<Found> {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.clamp(*THREADS.start(), *THREADS.end()).min(names.len().div_ceil(16));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut read = Vec::with_capacity(names.len() / threads.max(1));
            let mut reader = Reader::default();
            let mut path = String::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(name) = names.get(place) else { break };
                let before = known.and_then(|known| {
                    let run = known.listing.find(name.to_str()?)?;
                    self.is_fresh(run, known.thorough, &mut path).then_some(run)
                });
                let found = match before {
                    Some(run) => Some((Arc::clone(&run.record), true, run.settled)),
                    None => self.read_one(&mut reader, name, wanted),
                };
                read.extend(found.map(|(record, is_remembered, settled)| {
                    let run = self.run(name, record);
                    Found { place, run, is_remembered, settled }
                }));
            }
            OPENED.fetch_add(reader.opened, Ordering::Relaxed);
            read
        };
        let mut found: Vec<Found> = if threads < 2 {
            work()
        } else {
            thread::scope(|scope| {
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
            })
        };
        found.sort_unstable_by_key(|found| found.place);
        found
    }

    fn run(&self, name: &OsStr, record: Arc<Record>) -> Run {
        let status = self.status(&record);
        Run { run_dir: self.path.join(name).to_string_lossy().into_owned(), record, status }
    }

    fn read_one(
        &self,
        reader: &mut Reader,
        name: &OsStr,
        wanted: &Wanted,
    ) -> Option<(Arc<Record>, bool, i64)> {
        let settled = (SystemTime::now() - SETTLED).duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = i64::try_from(settled.as_nanos()).unwrap_or(0);
        let mut record = reader.read(self.dir, name, wanted, false)?;
        if name.to_str().is_none() {
            record.problems.push("the name is not UTF-8".to_owned());
        }
        Some((Arc::new(record), false, settled))
    }

    /// Whether no file of the run changed since it was read. `path` is memory to use. A file that went away shows in
    /// the stamp of its directory.
    fn is_fresh(&self, run: &Remembered, thorough: bool, path: &mut String) -> bool {
        path.clear();
        let _ = write!(path, "{}/{META_DIR}", run.name);
        let settled = |stamp: Stamp| stamp.times.0.max(stamp.times.1) < run.settled;
        if !self.dir.stamp(path).is_ok_and(settled) {
            return false;
        }
        let meta = path.len();
        let mut is_settled = |folder: &str, name: &str| {
            path.truncate(meta);
            let _ = write!(path, "/{folder}{name}");
            match self.dir.stamp(path) {
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

    /// First match wins.
    fn status(&self, record: &Record) -> Status {
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
            let time = server_time(&self.path.join("clock"));
            i64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
        })
    }
}

fn remembered(key: &Path) -> Option<Arc<Listing>> {
    let cache = CACHE.try_lock().ok()?;
    let (_, listing) = cache.iter().find(|(path, _)| path == key)?;
    listing.is_in_time().then(|| Arc::clone(listing))
}

fn remember(key: PathBuf, listing: Listing) {
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
