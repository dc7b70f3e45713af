//! All runs below a directory, read at once.
//!
//! Threads share a counter over the names and live only for the call, so listing works in a forked child.
//!
//! Where this machine's own clock stamps the files, what was read before is used again ([`super::remembered`]).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Instant, SystemTime};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::dir::{Dir, Kind};
use super::frame::{self, Best};
use super::read::Reader;
use super::record::{Cell, Record, Wanted};
use super::remembered::{Known, Listing, Remembered, recall, remember, settled_before};
use super::status::{Judge, Status};

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
    let status = below.judge.status(&record);
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
    judge: Judge<'a>,
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

impl<'a> Below<'a> {
    fn new(dir: &'a Dir, path: &'a Path) -> Self {
        Self { dir, path, judge: Judge::new(path) }
    }

    /// The table of all runs, with the help of what was read before.
    fn list_remembered(&self, names: &[OsString], key: PathBuf) -> Result<RecordBatch, ArrowError> {
        let listing = recall(&key);
        let clock = (SystemTime::now(), Instant::now());
        let thorough = listing.as_ref().is_none_or(|listing| listing.is_due());
        let known = listing.as_deref().map(|listing| Known { listing, thorough });
        let found = self.read_all(names, &Wanted::all(), known.as_ref());
        let statuses: Vec<Status> = found.iter().map(|found| found.run.status).collect();
        let is_same = listing.as_ref().filter(|listing| {
            listing.spelled == self.path
                && listing.statuses == statuses
                && found.iter().all(|found| found.is_remembered)
        });
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
            statuses,
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
                let before = known.and_then(|known| known.fresh(self.dir, name, &mut path));
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
                let read = workers.into_iter().map(thread::ScopedJoinHandle::join);
                read.flat_map(|read| read.unwrap_or_else(|fault| panic::resume_unwind(fault))).collect()
            })
        };
        found.sort_unstable_by_key(|found| found.place);
        found
    }

    fn run(&self, name: &OsStr, record: Arc<Record>) -> Run {
        let status = self.judge.status(&record);
        Run { run_dir: self.path.join(name).to_string_lossy().into_owned(), record, status }
    }

    fn read_one(
        &self,
        reader: &mut Reader,
        name: &OsStr,
        wanted: &Wanted,
    ) -> Option<(Arc<Record>, bool, i64)> {
        let settled = settled_before();
        let mut record = reader.read(self.dir, name, wanted, false)?;
        if name.to_str().is_none() {
            record.problems.push("the name is not UTF-8".to_owned());
        }
        Some((Arc::new(record), false, settled))
    }
}
