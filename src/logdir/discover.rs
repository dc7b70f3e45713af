//! Which event files there are.
//!
//! A file counts if its name contains "tfevents". Its directory, relative to the logdir, is its run. The order is
//! that of R's tfevents: depth first, by name, files and directories mixed. Hidden names are left out, as R leaves
//! them out, and so are the empty files that mark a profile. Links are followed, but never in a circle. Of a directory
//! of runs its `archive` is left out, as a listing of the runs leaves it out; named itself it is read.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::runs::record::META_DIR;

/// An event file, as it was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its run: "." for the logdir itself, else the directory with forward slashes.
    pub run: String,
    /// Which of several writers of the run; empty for the only one.
    pub source: String,
    /// The logdir it was found in.
    pub logdir: String,
    /// Its length in bytes.
    pub len: u64,
    /// What tells it from another file of the same name: device and number; zeros where there is no such thing.
    pub id: (u64, u64),
    /// Where reading begins: at a record.
    pub start: u64,
    /// Where reading ends: with the record that reaches this offset. All that is there if left out.
    pub end: Option<u64>,
}

/// The event files of `logdir`, which may be a directory or an event file.
///
/// With `fold`, a run `<run>@<host>-<rank>` is a source of `<run>`. A directory below `logdir` that can't be read is
/// left out; an error is one about `logdir` itself.
pub fn discover(logdir: &Path, fold: bool) -> io::Result<Vec<EventFile>> {
    discover_with(logdir, fold, None)
}

/// Told of a directory once it has been listed.
pub(super) type NoteDirectory<'a> = &'a mut dyn FnMut(&Path, &Metadata);

/// As [`discover`]; `note` is told of each directory.
pub(super) fn discover_with(
    logdir: &Path,
    fold: bool,
    mut note: Option<NoteDirectory<'_>>,
) -> io::Result<Vec<EventFile>> {
    let metadata = std::fs::metadata(logdir)?;
    let name = logdir.to_string_lossy().into_owned();
    if !metadata.is_dir() && !metadata.is_file() {
        // Opening a pipe would wait for whoever writes to it.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a directory nor a file"));
    }
    if !metadata.is_dir() {
        let directory = std::path::absolute(logdir)?;
        let run =
            directory.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        return Ok(vec![event_file(logdir.to_path_buf(), run, name, &metadata, fold)]);
    }
    std::fs::read_dir(logdir)?;
    let walk = WalkDir::new(logdir).follow_links(true).sort_by_file_name();
    let visible = |entry: &DirEntry| {
        let is_hidden = || entry.file_name().as_encoded_bytes().starts_with(b".");
        entry.depth() == 0 || !(is_hidden() || is_archive(entry))
    };
    let mut files = Vec::new();
    let mut runs: Option<(PathBuf, String)> = None;
    for entry in walk.into_iter().filter_entry(visible).filter_map(Result::ok) {
        if let Some(note) = &mut note
            && entry.file_type().is_dir()
            && let Ok(metadata) = std::fs::metadata(entry.path())
        {
            note(entry.path(), &metadata);
        }
        if !is_event_file(&entry) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        let directory = entry.path().parent().unwrap_or(logdir);
        let run = match &runs {
            Some((known, run)) if known == directory => run.clone(),
            _ => run_name(directory.strip_prefix(logdir).unwrap_or(directory)),
        };
        runs = Some((directory.to_path_buf(), run.clone()));
        files.push(event_file(entry.into_path(), run, name.clone(), &metadata, fold));
    }
    Ok(files)
}

/// Whether a directory is where a runs directory keeps the runs that were put away.
fn is_archive(entry: &DirEntry) -> bool {
    let holds_run = |path: &Path| {
        let mut entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
        entries.any(|entry| entry.path().join(META_DIR).is_dir())
    };
    entry.depth() == 1 && entry.file_name() == "archive" && holds_run(entry.path())
}

fn event_file(path: PathBuf, run: String, logdir: String, metadata: &Metadata, fold: bool) -> EventFile {
    let folded = if fold { fold_run(&run) } else { None };
    let (run, source) = folded.unwrap_or((run, String::new()));
    EventFile { path, run, source, logdir, len: metadata.len(), id: id(metadata), start: 0, end: None }
}

#[cfg(unix)]
fn id(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn id(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

fn is_event_file(entry: &DirEntry) -> bool {
    let name = entry.file_name().as_encoded_bytes();
    entry.file_type().is_file()
        && name.windows(8).any(|part| part == b"tfevents")
        && !name.ends_with(b".profile-empty")
}

/// The run of a directory relative to its logdir.
fn run_name(relative: &Path) -> String {
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// `<run>@<host>-<rank>` as run and source.
fn fold_run(run: &str) -> Option<(String, String)> {
    let (parent, last) = run.rsplit_once('/').map_or((None, run), |(parent, last)| (Some(parent), last));
    let (base, source) = last.rsplit_once('@')?;
    let (_, rank) = source.rsplit_once('-')?;
    if rank.is_empty() || !rank.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let run = match (parent, base) {
        (None, "" | ".") => ".".to_owned(),
        (None, base) => base.to_owned(),
        (Some(parent), "" | ".") => parent.to_owned(),
        (Some(parent), base) => format!("{parent}/{base}"),
    };
    Some((run, source.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
    }

    fn listed(root: &Path, fold: bool) -> Vec<(String, String)> {
        let files = discover(root, fold).unwrap();
        files
            .into_iter()
            .map(|file| (file.run, file.path.file_name().unwrap().to_string_lossy().into()))
            .collect()
    }

    #[test]
    fn order_and_runs_are_those_of_r() {
        let root = tempfile::tempdir().unwrap();
        touch(
            root.path(),
            &[
                "train/events.out.tfevents.2",
                "events.out.tfevents.1",
                "abs/x.tfevents",
                "a/events.out.tfevents.3",
                "a/b/c/events.out.tfevents.4",
                "notes.txt",
                "tfevents/notes.txt",
                ".hidden/events.out.tfevents.5",
                "a/events.out.tfevents.3.profile-empty",
            ],
        );
        let runs: Vec<String> = listed(root.path(), false).into_iter().map(|(run, _)| run).collect();
        assert_eq!(runs, ["a/b/c", "a", "abs", ".", "train"]);
    }

    #[test]
    fn the_archive_of_runs_is_read_only_where_it_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = "logs/events.out.tfevents.1";
        touch(root.path(), &[&format!("now/{file}"), &format!("archive/{file}"), "other/archive/tfevents"]);
        let runs = |logdir: &Path| -> Vec<String> {
            listed(logdir, false).into_iter().map(|(run, _)| run).collect()
        };
        assert_eq!(runs(root.path()), ["archive/logs", "now/logs", "other/archive"], "no run is in it");
        touch(root.path(), &[&format!("archive/old/{file}"), "archive/old/tfruns.d/run.json"]);
        assert_eq!(runs(root.path()), ["now/logs", "other/archive"]);
        assert_eq!(runs(&root.path().join("archive")), ["logs", "old/logs"]);
    }

    #[test]
    fn a_file_is_the_run_of_its_directory() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &["train/events.out.tfevents.1"]);
        let runs = listed(&root.path().join("train/events.out.tfevents.1"), false);
        assert_eq!(runs[0].0, "train");
    }

    #[test]
    fn several_writers_of_a_run_fold_on_request() {
        assert_eq!(fold_run("a/train@node1-0"), Some(("a/train".into(), "node1-0".into())));
        assert_eq!(fold_run("@node-12"), Some((".".into(), "node-12".into())));
        assert_eq!(fold_run("me@home"), None);
        assert_eq!(fold_run("train"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_no_event_file() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.out.tfevents.1");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(discover(&path, false).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(discover(root.path(), false).unwrap(), []);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_a_circle() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        touch(elsewhere.path(), &["events.out.tfevents.1"]);
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("linked")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("circle")).unwrap();
        let runs: Vec<String> = listed(root.path(), false).into_iter().map(|(run, _)| run).collect();
        assert_eq!(runs, ["linked"]);
    }
}
