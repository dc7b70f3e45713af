//! Files that readers never see half: written beside their target under a hidden name, then renamed over it.
//!
//! Temporary names start with "." because R's `ls_runs` takes every other file of `properties/` for a property. Modes
//! are those the umask leaves, so that a group reads its members' runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Replaces `path` by a file of these bytes, at once. With `durable` the bytes are on the disk before the name is.
pub fn write_atomic(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let (temporary, mut file) = create_beside(path)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| if durable { file.sync_data() } else { Ok(()) })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A new file of a hidden name in the directory of `path`.
pub fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    loop {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut hidden = std::ffi::OsString::from(format!(".{}-{serial}.", process::id()));
        hidden.push(name);
        let temporary = path.with_file_name(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("flags.json");
        write_atomic(&path, b"old", true).unwrap();
        fs::create_dir(root.path().join("dir")).unwrap();
        assert!(write_atomic(&root.path().join("dir"), b"new", false).is_err());
        assert!(write_atomic(&root.path().join("missing/x"), b"new", false).is_err());
        let mut names: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["dir", "flags.json"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
