//! Open files: which file a descriptor is of, and how many the process keeps open.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const ENOENT: i32 = 2;
pub(super) const EBADF: i32 = if cfg!(windows) { 6 } else { 9 };

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// More files than this are not kept open.
const MANY: usize = 128;

/// Whether too many files are open: event files, and those by which they are shared.
pub(super) fn are_many() -> bool {
    OPEN.load(Ordering::Relaxed) > MANY
}

/// Whether few enough are open to stop closing some.
pub(super) fn are_few() -> bool {
    OPEN.load(Ordering::Relaxed) <= MANY / 2
}

/// An open file that counts.
pub(super) struct Counted(Option<File>);

impl Counted {
    pub fn new(file: File) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self(Some(file))
    }

    pub fn get(&self) -> &File {
        self.0.as_ref().expect("taken only by `abandon`")
    }

    /// Lets go of a descriptor that is no longer ours: closing it would close somebody else's file.
    pub fn abandon(mut self) {
        if let Some(file) = self.0.take() {
            std::mem::forget(file);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn create(path: &Path) -> io::Result<Counted> {
    append_options().create_new(true).open(path).map(Counted::new)
}

pub(super) fn reopen(path: &Path) -> io::Result<Counted> {
    append_options().open(path).map(Counted::new)
}

fn append_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true);
    follow_no_link(&mut options);
    options
}

/// A link in the last component is an error.
pub(super) fn follow_no_link(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW);
    #[cfg(not(unix))]
    let _follows = options;
}

/// What became of a file.
pub(super) enum Gone {
    /// It was moved or deleted.
    File,
    /// The descriptor was closed, and perhaps given to another file.
    Descriptor,
}

/// Device and number of a file. Elsewhere than on Unix all files look alike, and nothing is noticed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    pub fn is_of(&self, file: &File) -> bool {
        Self::of(file).is_ok_and(|identity| identity == *self)
    }

    /// Whether `file` is still the one, and still at `path`.
    pub fn look(&self, path: &Path, file: &File) -> Result<(), Gone> {
        if !self.is_of(file) {
            return Err(Gone::Descriptor);
        }
        match fs::symlink_metadata(path) {
            Ok(metadata) if Self::from(&metadata) == *self => Ok(()),
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(()) // the write will tell
            }
            _ => Err(Gone::File),
        }
    }

    #[cfg(unix)]
    fn from(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    #[cfg(not(unix))]
    fn from(_: &fs::Metadata) -> Self {
        Self(0, 0)
    }
}
