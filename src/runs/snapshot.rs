//! Which files a script created or changed: one parallel walk before, one after.
//!
//! Left out, with all below them: the runs themselves (directories with a `tfruns.d`, but for the one asked about), the
//! archive of runs, hidden directories, packages and environments (`__pycache__`, `node_modules`, `site-packages`, what
//! holds a `pyvenv.cfg`). Links and devices are never followed or taken. In the runs directory what is named as a run is
//! taken for one without a look: there may be ten thousand.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::UNIX_EPOCH;

use super::record::META_DIR;

/// Where runs go that are cleaned away.
const ARCHIVE: &str = "archive";

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    size: u64,
    modified: u128,
    inode: u64,
}

/// The files below a directory, by their path in it.
#[derive(Debug, Default)]
pub struct Snapshot {
    files: HashMap<PathBuf, State>,
    /// Directories that could not be read.
    pub unread: Vec<PathBuf>,
}

/// A file that is new or differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    /// Its path below the directory.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
}

impl Snapshot {
    /// Walks `root`. Directories in `skipped`, named by their path below it, are left out; `runs_dir` is named so as well.
    pub fn take(root: &Path, skipped: &[PathBuf], runs_dir: Option<&Path>) -> Self {
        let walk = Walk {
            root,
            skipped,
            runs_dir,
            queue: Mutex::new(Queue { directories: vec![PathBuf::new()], at_work: 0 }),
            found: Condvar::new(),
        };
        let threads = thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 8);
        let parts: Vec<Self> = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| walk.work())).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
        });
        let mut whole = Self::default();
        for part in parts {
            whole.files.extend(part.files);
            whole.unread.extend(part.unread);
        }
        whole
    }

    /// How many files it holds.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether it holds no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files that are new or differ in `later`, sorted.
    pub fn changed(&self, later: &Self) -> Vec<Changed> {
        let differs = |(path, state): &(&PathBuf, &State)| self.files.get(*path) != Some(*state);
        let mut changed: Vec<_> = later
            .files
            .iter()
            .filter(differs)
            .map(|(path, state)| Changed { path: path.clone(), size: state.size })
            .collect();
        changed.sort_unstable();
        changed
    }
}

/// Directories waiting to be read, shared by the threads of one walk. A thread waits while others may still find more.
struct Walk<'a> {
    root: &'a Path,
    skipped: &'a [PathBuf],
    runs_dir: Option<&'a Path>,
    queue: Mutex<Queue>,
    found: Condvar,
}

struct Queue {
    directories: Vec<PathBuf>,
    at_work: usize,
}

impl Walk<'_> {
    fn work(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        while let Some(directory) = self.next() {
            let mut below = Vec::new();
            if self.read(&directory, &mut snapshot, &mut below).is_err() {
                snapshot.unread.push(directory);
            }
            self.done(below);
        }
        snapshot
    }

    fn next(&self) -> Option<PathBuf> {
        let mut queue = self.queue.lock().ok()?;
        loop {
            if let Some(directory) = queue.directories.pop() {
                queue.at_work += 1;
                return Some(directory);
            }
            if queue.at_work == 0 {
                return None;
            }
            queue = self.found.wait(queue).ok()?;
        }
    }

    fn done(&self, below: Vec<PathBuf>) {
        if let Ok(mut queue) = self.queue.lock() {
            queue.directories.extend(below);
            queue.at_work -= 1;
        }
        self.found.notify_all();
    }

    fn read(&self, directory: &Path, snapshot: &mut Snapshot, below: &mut Vec<PathBuf>) -> io::Result<()> {
        let entries = fs::read_dir(self.root.join(directory))?.collect::<io::Result<Vec<_>>>()?;
        let is_root = directory.as_os_str().is_empty();
        let holds_runs = self.runs_dir == Some(directory);
        let holds = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
        if !is_root && (holds(META_DIR) || holds("pyvenv.cfg")) {
            return Ok(());
        }
        for entry in entries {
            let name = entry.file_name();
            let path = directory.join(&name);
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let is_run = holds_runs && (name == ARCHIVE || is_stamp(&name));
                if !is_run && !is_left_out(&name) && !self.skipped.contains(&path) {
                    below.push(path);
                }
            } else if kind.is_file() && !name.as_encoded_bytes().starts_with(b".") {
                // A file that went in the meantime is none.
                if let Ok(about) = entry.metadata() {
                    snapshot.files.insert(path, State::of(&about));
                }
            }
        }
        Ok(())
    }
}

/// Whether a name is one that `unique_run_dir` gives.
fn is_stamp(name: &OsStr) -> bool {
    let pattern = b"0000-00-00T00-00-00";
    let Some((stamp, rest)) = name.as_encoded_bytes().split_at_checked(pattern.len()) else { return false };
    let fits = |(byte, like): (&u8, &u8)| if *like == b'0' { byte.is_ascii_digit() } else { byte == like };
    stamp.iter().zip(pattern).all(fits)
        && matches!(rest.first(), Some(b'Z' | b'.'))
        && rest.iter().all(|byte| byte.is_ascii_digit() || b".Z-".contains(byte))
}

fn is_left_out(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
        || ["__pycache__", "node_modules", "site-packages", "packrat"].iter().any(|known| name == *known)
}

impl State {
    fn of(about: &Metadata) -> Self {
        let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self { size: about.len(), modified: modified.unwrap_or_default().as_nanos(), inode: inode(about) }
    }
}

#[cfg(unix)]
fn inode(about: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

/// Runs `work` for every item on a few threads; what it returns comes back in the items' order.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads =
        thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 8).min(items.len());
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let (index, Some(item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            (index, items.get(index))
        } {
            done.push((index, work(item)));
        }
        done
    };
    let mut all: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn new_and_changed_files_are_found_and_runs_left_out() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for path in ["same.txt", "changed.txt", "gone.txt", "deep/er/same.txt"] {
            write(root, path, "old");
        }
        let before = Snapshot::take(root, &[], None);
        assert_eq!(before.len(), 4);
        fs::remove_file(root.join("gone.txt")).unwrap();
        write(root, "changed.txt", "newer");
        for path in [
            "new.txt",
            "deep/new.txt",
            "runs/2026/tfruns.d/properties/x",
            "runs/2026/model.bin",
            "runs/2026-11-21T07-07-03Z/model.bin",
            "runs/2026-11-21T07-07-03.125Z-001/model.bin",
            "runs/archive/2026/model.bin",
            "out/2026-11-21T07-07-03Z/model.bin",
            "runs/Nov21_host/events.out.tfevents.1",
            ".hidden/x",
            ".env",
            "venv/pyvenv.cfg",
            "venv/lib/x.py",
            "deep/__pycache__/x.pyc",
            "skipped/x",
        ] {
            write(root, path, "new");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        let after = Snapshot::take(root, &[PathBuf::from("skipped")], Some(Path::new("runs")));
        let changed: Vec<_> = before.changed(&after).into_iter().map(|file| file.path).collect();
        let expected = [
            "changed.txt",
            "deep/new.txt",
            "new.txt",
            "out/2026-11-21T07-07-03Z/model.bin",
            "runs/Nov21_host/events.out.tfevents.1",
        ];
        assert_eq!(changed, expected.map(PathBuf::from));
        assert!(after.unread.is_empty());
    }

    #[test]
    fn results_keep_their_order() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(
            in_parallel(&items, |item| item * 2),
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        assert!(in_parallel(&[] as &[usize], |item| *item).is_empty());
    }
}
