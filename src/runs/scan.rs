//! All runs below a directory, read at once.
//!
//! Threads share a counter over the names and live only for the call, so listing works in a forked child.
//!
//! What was read before is kept in memory and used again for a run none of whose files changed since, as their time
//! stamps say. It is never the truth: a run that changed shortly before it was read is read again, and so is every run
//! where the clock was set, or where another machine's clock stamps the files. One check is spared: properties that only
//! the training itself writes, of a run that has ended, are asked for their stamps once a second at most (R writes
//! properties in place; all other changes show in the stamp of the directory). The cache's lock is only ever tried: who
//! does not get it reads the files.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::dir::{Dir, Kind};
use super::liveness::{Here, Verdict, server_time};
use super::record::{self, Cell, META_DIR, Record, Wanted};

/// A file written this short before it was read may have been written again within the same tick of its time stamp.
const SETTLED: Duration = Duration::from_secs(3);
/// A clock that moved this far against the steady one was set.
const CLOCK_SET: Duration = Duration::from_secs(1);
/// How long the properties of an ended run may go unasked.
const THOROUGH: Duration = Duration::from_secs(1);
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
const CACHED_DIRS: usize = 8;
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

/// Every run directly below `runs_dir`, by name, the greatest first; none if there is no such directory. With
/// `latest_n` only so many, the latest by start, then by name; with `only` those of these names.
pub fn scan(
    runs_dir: &Path,
    latest_n: Option<usize>,
    wanted: &Wanted,
    only: Option<&BTreeSet<String>>,
) -> io::Result<Vec<Run>> {
    let dir = match Dir::open(runs_dir) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names: Vec<_> = dir.entries()?;
    names.retain(|entry| {
        matches!(entry.kind, Kind::Dir | Kind::Link)
            && only.is_none_or(|only| entry.name.to_str().is_some_and(|name| only.contains(name)))
    });
    names.sort_unstable_by(|a, b| b.name.cmp(&a.name));
    let mut names: Vec<_> = names.into_iter().map(|entry| entry.name).collect();
    let below = Below::new(&dir, runs_dir);
    if let Some(count) = latest_n {
        let only_start = Wanted::columns(["start".to_owned()], false);
        let started = below.read_all(&names, &only_start, false);
        names = latest(started, count).into_iter().map(|index| names[index].clone()).collect();
    }
    let is_whole = only.is_none() && latest_n.is_none();
    Ok(below.read_all(&names, wanted, is_whole).into_iter().flatten().collect())
}

/// One run, its texts whole; `None` if `run_dir` is no run.
pub fn read_whole(run_dir: &Path) -> io::Result<Option<Run>> {
    let dir = Dir::open(run_dir)?;
    let Some(record) = record::read(&dir, OsStr::new(""), &Wanted::all(), true, &mut Vec::new()) else {
        return Ok(None);
    };
    let below = Below::new(&dir, run_dir);
    let status = below.status(&record);
    Ok(Some(Run { run_dir: run_dir.to_string_lossy().into_owned(), record: Arc::new(record), status }))
}

/// Indices of the `count` latest runs, in their old order.
fn latest(started: Vec<Option<Run>>, count: usize) -> Vec<usize> {
    let start = |run: &Run| {
        run.record.fields.iter().find_map(|field| match field.cell {
            Cell::Time(time) if field.name == "start" => Some(time),
            _ => None,
        })
    };
    let mut runs: Vec<_> =
        started.into_iter().enumerate().filter_map(|(index, run)| Some((start(&run?), index))).collect();
    runs.sort_by_key(|(start, index)| (std::cmp::Reverse(*start), *index));
    let mut indices: Vec<_> = runs.into_iter().take(count).map(|(_, index)| index).collect();
    indices.sort_unstable();
    indices
}

struct Below<'a> {
    dir: &'a Dir,
    path: &'a Path,
    here: OnceLock<Here>,
    server_time: OnceLock<i64>,
}

/// A run as it was read, with the files it depends on, below the runs directory.
#[derive(Debug)]
struct Cached {
    record: Arc<Record>,
    files: Vec<String>,
    /// Files that only the training writes; none while it runs.
    files_of_training: Vec<String>,
    /// A file of a later stamp, in nanoseconds since the epoch, may have changed since.
    settled: i64,
}

/// The runs of a directory, by name.
#[derive(Debug)]
struct CachedDir {
    runs: HashMap<String, Arc<Cached>>,
    clock: (SystemTime, Instant),
    thorough: Instant,
}

static CACHE: Mutex<Vec<(PathBuf, Arc<CachedDir>)>> = Mutex::new(Vec::new());

impl CachedDir {
    /// Whether the clock that stamps the files runs as it did.
    fn is_in_time(&self) -> bool {
        let steady = self.clock.1.elapsed();
        self.clock.0.elapsed().is_ok_and(|elapsed| elapsed.abs_diff(steady) < CLOCK_SET)
    }
}

impl<'a> Below<'a> {
    fn new(dir: &'a Dir, path: &'a Path) -> Self {
        Self { dir, path, here: OnceLock::new(), server_time: OnceLock::new() }
    }

    /// Reads runs. Only a reading of all of the directory's is remembered.
    fn read_all(
        &self,
        names: &[impl AsRef<OsStr> + Sync],
        wanted: &Wanted,
        is_whole: bool,
    ) -> Vec<Option<Run>> {
        let key =
            (wanted.is_all() && self.dir.is_local()).then(|| fs::canonicalize(self.path).ok()).flatten();
        let known = key.as_deref().and_then(remembered);
        let clock = (SystemTime::now(), Instant::now());
        let thorough = known.as_ref().is_none_or(|known| known.thorough.elapsed() > THOROUGH);
        let cached = |name: &OsStr| {
            let cached = known.as_ref()?.runs.get(name.to_str()?)?;
            self.is_fresh(cached, thorough).then(|| Arc::clone(cached))
        };
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.clamp(*THREADS.start(), *THREADS.end()).min(names.len().div_ceil(16));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut read = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(name) = names.get(index).map(AsRef::as_ref) else { return read };
                let found = match cached(name) {
                    Some(cached) => Some((Arc::clone(&cached.record), Some(cached))),
                    None => self.read_one(name, wanted, key.is_some()),
                };
                read.extend(found.map(|(record, cached)| (index, self.run(name, record), cached)));
            }
        };
        let parts: Vec<_> = if threads < 2 {
            vec![work()]
        } else {
            thread::scope(|scope| {
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
            })
        };
        let mut runs: Vec<Option<Run>> = Vec::new();
        runs.resize_with(names.len(), || None);
        let mut remembering = HashMap::with_capacity(if key.is_some() { names.len() } else { 0 });
        for (index, run, cached) in parts.into_iter().flatten() {
            runs[index] = Some(run);
            if let (Some(cached), Some(name)) = (cached, names[index].as_ref().to_str()) {
                remembering.insert(name.to_owned(), cached);
            }
        }
        if let Some(key) = key.filter(|_| is_whole) {
            let thorough = known.filter(|_| !thorough).map_or(clock.1, |known| known.thorough);
            remember(key, CachedDir { runs: remembering, clock, thorough });
        }
        runs
    }

    fn run(&self, name: &OsStr, record: Arc<Record>) -> Run {
        let status = self.status(&record);
        Run { run_dir: self.path.join(name).to_string_lossy().into_owned(), record, status }
    }

    fn read_one(
        &self,
        name: &OsStr,
        wanted: &Wanted,
        caching: bool,
    ) -> Option<(Arc<Record>, Option<Arc<Cached>>)> {
        let mut files = Vec::new();
        let began = SystemTime::now();
        let mut record = record::read(self.dir, name, wanted, false, &mut files)?;
        let Some(name) = name.to_str() else {
            record.problems.push("the name is not UTF-8".to_owned());
            return Some((Arc::new(record), None));
        };
        let record = Arc::new(record);
        let cached = caching.then(|| cached(name, &record, files, began)).flatten();
        Some((record, cached.map(Arc::new)))
    }

    fn is_fresh(&self, cached: &Cached, thorough: bool) -> bool {
        let settled = |path: &String| {
            self.dir.stamp(path).is_ok_and(|stamp| stamp.times.0.max(stamp.times.1) < cached.settled)
        };
        cached.files.iter().all(settled) && (!thorough || cached.files_of_training.iter().all(settled))
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

fn cached(name: &str, record: &Arc<Record>, read: Vec<String>, began: SystemTime) -> Option<Cached> {
    let meta = format!("{name}/{META_DIR}");
    let settled = (began - SETTLED).duration_since(UNIX_EPOCH).ok()?;
    let settled = i64::try_from(settled.as_nanos()).ok()?;
    let mut files = vec![meta.clone()];
    let mut files_of_training = Vec::new();
    for file in read {
        let path = format!("{meta}/{file}");
        let of_training =
            record.ended && file.strip_prefix("properties/").is_some_and(|name| OF_TRAINING.contains(&name));
        if of_training { files_of_training.push(path) } else { files.push(path) }
    }
    Some(Cached { record: Arc::clone(record), files, files_of_training, settled })
}

fn remembered(key: &Path) -> Option<Arc<CachedDir>> {
    let cache = CACHE.try_lock().ok()?;
    let (_, known) = cache.iter().find(|(path, _)| path == key)?;
    known.is_in_time().then(|| Arc::clone(known))
}

fn remember(key: PathBuf, runs: CachedDir) {
    if let Ok(mut cache) = CACHE.try_lock() {
        cache.retain(|(path, _)| *path != key);
        cache.insert(0, (key, Arc::new(runs)));
        cache.truncate(CACHED_DIRS);
    }
}

/// Forgets what was read before.
pub fn forget() {
    if let Ok(mut cache) = CACHE.try_lock() {
        cache.clear();
    }
}
