//! A listing that is kept: what it costs to find that nothing has changed.
//!
//! Walking through ten thousand directories opens each of them. To see that no file has come or gone it is enough to
//! ask each directory when it changed; then every file is asked for its length, for appending changes no directory.
//!
//! A change within the clock's tick of the last look at a directory can't be told from none, so a directory that
//! changed shortly before it was listed is listed again. And since some file systems don't keep these times at all,
//! everything is every few seconds.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::discover::{EventFile, discover_with};
use facts::{Facts, Name, Root};

/// A directory that changed less than this before it was listed may have changed again unseen.
const SETTLED: Duration = Duration::from_secs(2);
/// For how long the directories' times are believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// Fewer questions than this aren't worth a thread.
const MIN_A_THREAD: usize = 500;

/// A directory or file below a logdir.
#[derive(Debug)]
struct Place {
    logdir: usize,
    name: Name,
}

/// The event files of some logdirs, as they were when last asked for.
#[derive(Debug)]
pub struct Listing {
    logdirs: Vec<PathBuf>,
    fold: bool,
    files: Vec<EventFile>,
    places: Vec<Place>,
    directories: Vec<(Place, Facts)>,
    listed: Option<Instant>,
}

impl Listing {
    /// Nothing has been listed yet.
    pub const fn new(logdirs: Vec<PathBuf>, fold: bool) -> Self {
        Self { logdirs, fold, files: Vec::new(), places: Vec::new(), directories: Vec::new(), listed: None }
    }

    /// The files, as the last [`Self::refresh`] found them.
    pub fn files(&self) -> &[EventFile] {
        &self.files
    }

    /// Looks what there is now; whether it differs from what was there before. An error is about the logdir it names.
    pub fn refresh(&mut self) -> Result<bool, (PathBuf, io::Error)> {
        if let Some(changed) = self.update() {
            return Ok(changed);
        }
        let before = std::mem::take(&mut self.files);
        self.directories.clear();
        self.places.clear();
        self.listed = None;
        let (start, now) = (Instant::now(), SystemTime::now());
        let mut settled = true;
        for (number, logdir) in self.logdirs.iter().enumerate() {
            let place = |path: &Path| Place { logdir: number, name: Name::below(logdir, path) };
            let mut note = |path: &Path, metadata: &Metadata| {
                let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok());
                settled &= age.is_some_and(|age| age >= SETTLED);
                self.directories.push((place(path), Facts::of(metadata)));
            };
            match discover_with(logdir, self.fold, Some(&mut note)) {
                Ok(found) => {
                    self.places.extend(found.iter().map(|file| place(&file.path)));
                    self.files.extend(found);
                }
                Err(error) => return Err((logdir.clone(), error)),
            }
        }
        self.listed = settled.then_some(start);
        Ok(before != self.files)
    }

    /// Asks each file for its length; whether one has another now. `None` if there may be other files now.
    fn update(&mut self) -> Option<bool> {
        self.listed.filter(|listed| listed.elapsed() < BELIEVED)?;
        let roots: Vec<Root> = self.logdirs.iter().map(|logdir| Root::open(logdir)).collect::<Option<_>>()?;
        let ask = |place: &Place| roots[place.logdir].ask(&place.name);
        let is_same =
            |(place, facts): &(Place, Facts)| ask(place).is_some_and(|now| now.is_same_directory(facts));
        if !ask_all(&self.directories, is_same).into_iter().all(|same| same) {
            return None;
        }
        let mut changed = false;
        for (file, now) in self.files.iter_mut().zip(ask_all(&self.places, ask)) {
            let Facts { len, id, .. } = now.filter(|now| now.is_file)?;
            changed |= (len, id) != (file.len, file.id);
            (file.len, file.id) = (len, id);
        }
        Some(changed)
    }
}

/// What the system says of a directory or file, by its name below an open directory.
#[cfg(unix)]
mod facts {
    use std::ffi::CString;
    use std::fs::{File, Metadata};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use rustix::fs::{AtFlags, FileType, Stat, statat};

    /// An open logdir. Where it is a file there is nothing below it, and it is asked for itself.
    #[derive(Debug)]
    pub struct Root(File);

    /// A path relative to a logdir.
    #[derive(Debug)]
    pub struct Name(CString);

    #[derive(Debug)]
    pub struct Facts {
        pub len: u64,
        pub id: (u64, u64),
        pub is_file: bool,
        modified: (i64, i64),
        changed: (i64, i64),
    }

    impl Root {
        pub fn open(logdir: &Path) -> Option<Self> {
            File::open(logdir).ok().map(Self)
        }

        pub fn ask(&self, name: &Name) -> Option<Facts> {
            if name.0.is_empty() {
                return self.0.metadata().ok().as_ref().map(Facts::of);
            }
            statat(&self.0, &name.0, AtFlags::empty()).ok().map(Facts::from)
        }
    }

    impl Name {
        pub fn below(logdir: &Path, path: &Path) -> Self {
            let relative = path.strip_prefix(logdir).unwrap_or(path);
            Self(CString::new(relative.as_os_str().as_bytes()).unwrap_or_default())
        }
    }

    impl Facts {
        pub fn of(metadata: &Metadata) -> Self {
            Self {
                len: metadata.len(),
                id: (metadata.dev(), metadata.ino()),
                is_file: metadata.is_file(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            }
        }

        /// Nobody can set the time of the last change, as one can that of the last modification.
        pub fn is_same_directory(&self, other: &Self) -> bool {
            (self.id, self.modified, self.changed) == (other.id, other.modified, other.changed)
        }
    }

    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, clippy::cast_sign_loss)] // types differ between systems
    impl From<Stat> for Facts {
        fn from(stat: Stat) -> Self {
            Self {
                len: stat.st_size as u64,
                id: (stat.st_dev as u64, stat.st_ino as u64),
                is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
                modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            }
        }
    }
}

#[cfg(not(unix))]
mod facts {
    use std::fs::Metadata;
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    #[derive(Debug)]
    pub struct Root;

    #[derive(Debug)]
    pub struct Name(PathBuf);

    #[derive(Debug)]
    pub struct Facts {
        pub len: u64,
        pub id: (u64, u64),
        pub is_file: bool,
        modified: Option<SystemTime>,
    }

    impl Root {
        pub fn open(logdir: &Path) -> Option<Self> {
            logdir.exists().then_some(Self)
        }

        pub fn ask(&self, name: &Name) -> Option<Facts> {
            std::fs::metadata(&name.0).ok().as_ref().map(Facts::of)
        }
    }

    impl Name {
        pub fn below(_: &Path, path: &Path) -> Self {
            Self(path.to_path_buf())
        }
    }

    impl Facts {
        pub fn of(metadata: &Metadata) -> Self {
            let modified = metadata.modified().ok();
            Self { len: metadata.len(), id: (0, 0), is_file: metadata.is_file(), modified }
        }

        pub fn is_same_directory(&self, other: &Self) -> bool {
            self.modified == other.modified
        }
    }
}

/// Asks a question of every item, on several threads if there are many.
fn ask_all<T: Sync, A: Send>(items: &[T], ask: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let threads =
        thread::available_parallelism().map_or(1, usize::from).min(items.len() / MIN_A_THREAD).max(1);
    let share = items.len().div_ceil(threads).max(1);
    let (ask, mut parts) = (&ask, items.chunks(share));
    let mine = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = parts
            .map(|part| {
                let work = move || part.iter().map(ask).collect::<Vec<A>>();
                (part, thread::Builder::new().name("tfruns-list".to_owned()).spawn_scoped(scope, work))
            })
            .collect();
        let mut answers: Vec<A> = mine.iter().map(ask).collect();
        for (part, handle) in others {
            match handle {
                Ok(handle) => {
                    answers.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                }
                Err(_) => answers.extend(part.iter().map(ask)),
            }
        }
        answers
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        std::fs::File::open(path).unwrap().set_modified(time).unwrap();
    }

    fn lens(listing: &Listing) -> Vec<u64> {
        listing.files().iter().map(|file| file.len).collect()
    }

    #[test]
    fn what_has_changed_is_seen_and_what_has_not_is_not_listed_again() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("run");
        let path = run.join("events.out.tfevents.1");
        std::fs::create_dir(&run).unwrap();
        std::fs::write(&path, b"1").unwrap();
        let settle = || {
            age(&run, 60);
            age(root.path(), 60);
        };
        settle();
        let mut listing = Listing::new(vec![root.path().to_path_buf(), path.clone()], false);
        assert!(listing.refresh().unwrap());
        assert_eq!(listing.update(), Some(false));
        std::fs::write(&path, b"12").unwrap();
        assert_eq!(listing.update(), Some(true));
        assert_eq!(lens(&listing), [2, 2]);
        std::fs::write(run.join("events.out.tfevents.2"), b"123").unwrap();
        assert_eq!(listing.update(), None);
        assert!(listing.refresh().unwrap());
        assert_eq!(lens(&listing), [2, 3, 2]);
        // The directory has just changed, so nothing is taken for granted.
        assert_eq!(listing.update(), None);
        settle();
        assert!(!listing.refresh().unwrap());
        assert_eq!(listing.update(), Some(false));
        std::fs::rename(run.join("events.out.tfevents.2"), &path).unwrap();
        settle();
        assert!(listing.refresh().unwrap());
        assert_eq!(lens(&listing), [3, 3]);
        std::fs::remove_dir_all(root.path()).unwrap();
        assert_eq!(listing.refresh().unwrap_err().0, root.path());
    }

    #[test]
    fn answers_keep_their_order_over_threads() {
        let items: Vec<usize> = (0..=3 * MIN_A_THREAD).collect();
        assert_eq!(ask_all(&items, |&item| item), items);
        assert!(ask_all(&[], |item: &usize| *item).is_empty());
    }
}
