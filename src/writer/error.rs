//! What can go wrong between a record and its file.

use std::io;
use std::path::{Path, PathBuf};

/// Why records are not in their file yet.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused. The records are kept and tried again: at the next flush, and by the background thread.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or directory it is about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// Whether records that were in the file are gone, because somebody removed it.
        lost: bool,
    },
    /// The writer was closed; open another.
    #[error("the writer of {path} is closed", path = .0.display())]
    Closed(PathBuf),
}

impl WriteError {
    /// Whether it was for want of space.
    pub(super) fn is_full_disk(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source, lost: false }
    }
}
