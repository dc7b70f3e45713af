//! Copying and moving: never over what is there, never through a link, and never as a link to the original.
//!
//! Copies are copies: the file system may share blocks (`copy_file_range`, reflinks), but a later change of one never
//! shows in the other, as it would in a hard link. Times are kept.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::snapshot::in_parallel;

/// How a file of a run got there.
#[derive(Debug)]
pub struct Copied {
    /// Its path below the source.
    pub path: PathBuf,
    /// What went wrong.
    pub problem: Option<io::Error>,
}

/// Copies files from below one directory to below another, in parallel. What is there already stays.
pub fn copy_files(from: &Path, to: &Path, files: &[PathBuf]) -> Vec<Copied> {
    let copy = |path: &PathBuf| copy_new(&from.join(path), &to.join(path)).err();
    let problems = in_parallel(files, copy);
    files.iter().zip(problems).map(|(path, problem)| Copied { path: path.clone(), problem }).collect()
}

/// Copies a directory with all in it to a new place. Links are copied as links only if they stay below it; devices,
/// pipes and other links are left out. Names of the top level in `without` are left out as well.
///
/// The copy is made under a hidden name and renamed when whole.
pub fn copy_tree(from: &Path, to: &Path, without: &[&str]) -> io::Result<Vec<PathBuf>> {
    let parent = to.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    fs::create_dir_all(parent)?;
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists already"));
    }
    let temporary = hidden_dir(to)?;
    let copied = copy_into(from, &temporary, without).and_then(|left_out| {
        rename_new(&temporary, to)?;
        Ok(left_out)
    });
    if copied.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    copied
}

/// Moves a directory to a new place, by copying where that is on another file system.
pub fn move_tree(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    match rename_new(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_tree(from, to, &[])?;
            fs::remove_dir_all(from)
        }
        moved => moved,
    }
}

fn hidden_dir(beside: &Path) -> io::Result<PathBuf> {
    let name = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut serial = 0;
    loop {
        let path = beside.with_file_name(format!(".{name}.{}-{serial}", std::process::id()));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => serial += 1,
            made => return made.map(|()| path),
        }
    }
}

fn copy_into(from: &Path, to: &Path, without: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut links = Vec::new();
    let mut left_out = Vec::new();
    let mut directories = vec![PathBuf::new()];
    let mut at = 0;
    while let Some(directory) = directories.get(at).cloned() {
        at += 1;
        for entry in fs::read_dir(from.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if at == 1 && without.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            match entry.file_type()? {
                kind if kind.is_dir() => directories.push(path),
                kind if kind.is_file() => files.push(path),
                kind if kind.is_symlink() && stays_below(from, &path) => links.push(path),
                _ => left_out.push(path),
            }
        }
    }
    for directory in &directories[1..] {
        fs::create_dir(to.join(directory))?;
    }
    for copied in copy_files(from, to, &files) {
        if let Some(problem) = copied.problem {
            return Err(io::Error::new(problem.kind(), format!("{}: {problem}", copied.path.display())));
        }
    }
    for link in links {
        symlink(&fs::read_link(from.join(&link))?, &to.join(&link))?;
    }
    for directory in directories.iter().rev() {
        let _ = keep_times(&from.join(directory), &to.join(directory));
    }
    Ok(left_out)
}

/// Whether a link is relative and leads nowhere above `root`.
fn stays_below(root: &Path, link: &Path) -> bool {
    let Ok(target) = fs::read_link(root.join(link)) else { return false };
    if target.is_absolute() {
        return false;
    }
    let resolved = fs::canonicalize(root.join(link)).ok();
    resolved.zip(fs::canonicalize(root).ok()).is_some_and(|(path, root)| path.starts_with(root))
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Copies one file to a place where nothing is.
fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let about = fs::symlink_metadata(from)?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).open(to)?;
    // The standard library asks the kernel to copy, which shares blocks where the file system can.
    io::copy(&mut source, &mut target)?;
    let _ = target.set_permissions(about.permissions());
    if let Ok(modified) = about.modified() {
        let _ = target.set_modified(modified);
    }
    Ok(())
}

fn keep_times(from: &Path, to: &Path) -> io::Result<()> {
    File::open(to)?.set_modified(fs::metadata(from)?.modified()?)
}

/// Renames to a place where nothing is; a target that appears meanwhile stays.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_checked(from, to),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    rename_checked(from, to)
}

/// For file systems that can't rename exclusively. An empty directory that appears meanwhile is replaced; any other
/// target makes the rename fail.
fn rename_checked(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists already"));
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in
            [("run/a.txt", "a"), ("run/deep/b.txt", "b"), ("run/logs/e", "e"), ("other/x", "x")]
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn a_copy_is_whole_and_its_own() {
        let root = tree();
        let path = |name: &str| root.path().join(name);
        #[cfg(unix)]
        {
            symlink(Path::new("deep/b.txt"), &path("run/inside")).unwrap();
            symlink(Path::new("../other/x"), &path("run/outside")).unwrap();
        }
        let left_out = copy_tree(&path("run"), &path("to/copy"), &["logs"]).unwrap();
        #[cfg(unix)]
        assert_eq!(left_out, [PathBuf::from("outside")]);
        assert_eq!(fs::read_to_string(path("to/copy/deep/b.txt")).unwrap(), "b");
        assert!(!path("to/copy/logs").exists());
        fs::write(path("run/a.txt"), "changed").unwrap();
        assert_eq!(fs::read_to_string(path("to/copy/a.txt")).unwrap(), "a");
        let times = |name: &str| fs::metadata(path(name)).unwrap().modified().unwrap();
        assert_eq!(times("run/deep/b.txt"), times("to/copy/deep/b.txt"));
        assert_eq!(times("run/deep"), times("to/copy/deep"));
        assert_eq!(fs::read_dir(path("to")).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_replaced() {
        let root = tree();
        let path = |name: &str| root.path().join(name);
        let there = |result: io::Error| assert_eq!(result.kind(), io::ErrorKind::AlreadyExists);
        there(copy_tree(&path("run"), &path("other"), &[]).unwrap_err());
        there(move_tree(&path("run"), &path("other")).unwrap_err());
        fs::create_dir(path("empty")).unwrap();
        there(move_tree(&path("run"), &path("empty")).unwrap_err());
        let copied = copy_files(&path("run"), &path("other"), &["a.txt".into(), "deep/b.txt".into()]);
        assert!(copied.iter().all(|file| file.problem.is_none()));
        let again = copy_files(&path("run"), &path("other"), &["a.txt".into()]);
        assert!(again[0].problem.is_some());
        move_tree(&path("run"), &path("moved/run")).unwrap();
        assert!(!path("run").exists() && path("moved/run/deep/b.txt").exists());
    }
}
