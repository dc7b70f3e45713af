//! The files of a writer, and the records on their way into them.
//!
//! A batch of records goes out with one `write`. What the system did not take stays here, is written first the next
//! time, and nothing that a reader may have seen is ever removed. Before each write the file is looked at: a
//! descriptor that somebody closed, or a file that somebody moved or deleted, is an error and not silence.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Options, WriteError, files};
use crate::event_file::{Attempt, FileNames, RunName, file_version_record, now};

/// Buffers larger than this are given back after use.
const KEPT_CAPACITY: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Sink {
    pub files: Vec<RunFile>,
    /// The next managed step, once known.
    pub next_step: Option<i64>,
    pub written: u64,
    pub batches: u64,
}

/// The event file of one run.
pub(super) struct RunFile {
    dir: PathBuf,
    state: State,
    /// Entries on their way from the buffer; empty between commits, kept for its memory.
    pub taken: Vec<u8>,
    /// Records that are not in the file yet.
    unwritten: Vec<u8>,
    /// How much of `unwritten` is.
    done: usize,
    /// Whether the file has bytes that `sync` has not seen to the disk.
    unsynced: bool,
}

enum State {
    /// No file yet, or the last one was taken away.
    None,
    /// A file of this writer, closed to spare descriptors.
    Closed {
        path: PathBuf,
        identity: Identity,
    },
    Open {
        path: PathBuf,
        identity: Identity,
        file: files::Counted,
    },
}

type Identity = files::Identity;

impl Sink {
    /// Makes place for the runs that the buffer knows.
    pub fn add_runs(&mut self, logdir: &Path, names: &[RunName]) {
        for name in &names[self.files.len()..] {
            self.files.push(RunFile::new(name.dir(logdir)));
        }
    }

    /// Writes what is unwritten; the first error, after all files were tried.
    pub fn write_out(&mut self, options: &Options) -> Result<(), WriteError> {
        let mut result = Ok(());
        for file in self.files.iter_mut().filter(|file| file.unwritten_len() > 0) {
            let before = file.unwritten_len();
            if let Err(error) = file.write_out(options)
                && result.is_ok()
            {
                result = Err(error);
            }
            // A file that was just created has its first record added, which no caller logged.
            self.written += before.saturating_sub(file.unwritten_len()) as u64;
            self.batches += 1;
            if files::are_many() {
                file.rest();
            }
        }
        result
    }

    pub fn unwritten_len(&self) -> usize {
        self.files.iter().map(RunFile::unwritten_len).sum()
    }

    /// Sees all files to the disk.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.files.iter_mut().filter(|file| file.unsynced).try_for_each(RunFile::sync)
    }

    /// Closes the descriptors; files are opened again when they are needed.
    pub fn rest(&mut self) {
        self.files.iter_mut().for_each(RunFile::rest);
    }

    /// Drops what a forked child has inherited; its files are its own.
    pub fn forget_inherited(&mut self) {
        for file in &mut self.files {
            let dir = std::mem::take(&mut file.dir);
            *file = RunFile::new(dir);
        }
        self.written = 0;
        self.batches = 0;
    }
}

impl RunFile {
    fn new(dir: PathBuf) -> Self {
        Self { dir, state: State::None, taken: Vec::new(), unwritten: Vec::new(), done: 0, unsynced: false }
    }

    pub fn path(&self) -> Option<&Path> {
        match &self.state {
            State::None => None,
            State::Closed { path, .. } | State::Open { path, .. } => Some(path),
        }
    }

    /// Where records are appended for the next write.
    pub fn unwritten(&mut self) -> &mut Vec<u8> {
        &mut self.unwritten
    }

    pub fn unwritten_len(&self) -> usize {
        self.unwritten.len() - self.done
    }

    /// Creates a run's directory and its file, with its first record.
    pub fn create(dir: PathBuf, options: &Options) -> Result<Self, WriteError> {
        fs::create_dir_all(&dir).map_err(|error| WriteError::io(&dir, error))?;
        let mut file = Self::new(dir);
        file.write_out(options)?;
        Ok(file)
    }

    /// Closes the descriptor; the file is opened again when it is needed.
    fn rest(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::None) {
            State::Open { path, identity, .. } => State::Closed { path, identity },
            other => other,
        };
    }

    fn write_out(&mut self, options: &Options) -> Result<(), WriteError> {
        self.open(options)?;
        let State::Open { path, identity, file } = &mut self.state else { return Ok(()) };
        match identity.look(path, file.get()) {
            Ok(()) => {}
            Err(files::Gone::File) => {
                let error = io::Error::from_raw_os_error(files::ENOENT);
                let error = WriteError::Io { path: path.clone(), source: error, lost: true };
                self.forget_file();
                return Err(error);
            }
            Err(files::Gone::Descriptor) => {
                let error = WriteError::io(path, io::Error::from_raw_os_error(files::EBADF));
                let (path, identity) = (path.clone(), identity.clone());
                if let State::Open { file, .. } =
                    std::mem::replace(&mut self.state, State::Closed { path, identity })
                {
                    file.abandon();
                }
                return Err(error);
            }
        }
        while self.done < self.unwritten.len() {
            match file.get().write(&self.unwritten[self.done..]) {
                Ok(0) => return Err(WriteError::io(path, io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    self.done += n;
                    self.unsynced = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(WriteError::io(path, error)),
            }
        }
        self.done = 0;
        self.unwritten.clear();
        if self.unwritten.capacity() > KEPT_CAPACITY {
            self.unwritten = Vec::new();
        }
        Ok(())
    }

    /// The file is gone. The next one begins with the first record that is not whole in it.
    fn forget_file(&mut self) {
        self.state = State::None;
        let mut whole = 0;
        while whole < self.done {
            let len = u64::from_le_bytes(self.unwritten[whole..whole + 8].try_into().unwrap_or_default());
            let end = whole + usize::try_from(len).unwrap_or(usize::MAX) + crate::tfrecord::OVERHEAD;
            if end > self.done {
                break;
            }
            whole = end;
        }
        self.unwritten.drain(..whole);
        self.done = 0;
    }

    fn open(&mut self, options: &Options) -> Result<(), WriteError> {
        match &self.state {
            State::Open { .. } => Ok(()),
            State::Closed { path, identity } => {
                let file = files::reopen(path).map_err(|error| WriteError::io(path, error));
                let path = path.clone();
                match file {
                    Ok(file) if identity.is_of(file.get()) => {
                        self.state = State::Open { path, identity: identity.clone(), file };
                        Ok(())
                    }
                    Err(WriteError::Io { source, .. }) if source.kind() != io::ErrorKind::NotFound => {
                        Err(WriteError::io(&path, source))
                    }
                    _ => {
                        self.forget_file();
                        let source = io::Error::from_raw_os_error(files::ENOENT);
                        Err(WriteError::Io { path, source, lost: true })
                    }
                }
            }
            State::None => {
                let attempt = Attempt::current();
                let names = FileNames::new(now(), attempt, std::process::id(), &options.filename_suffix);
                let (path, file) = loop {
                    let path = self.dir.join(names.next());
                    match files::create(&path) {
                        Ok(file) => break (path, file),
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        Err(error) => return Err(WriteError::io(&path, error)),
                    }
                };
                let identity = Identity::of(file.get()).map_err(|error| WriteError::io(&path, error))?;
                self.unwritten.splice(0..0, file_version_record(attempt));
                self.state = State::Open { path, identity, file };
                Ok(())
            }
        }
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        let result = match &self.state {
            State::None => Ok(()),
            State::Open { file, .. } => file.get().sync_data(),
            State::Closed { path, .. } => File::open(path).and_then(|file| file.sync_data()),
        };
        result
            .and_then(|()| if cfg!(unix) { File::open(&self.dir)?.sync_all() } else { Ok(()) })
            .map_err(|error| WriteError::io(self.path().unwrap_or(&self.dir), error))?;
        self.unsynced = false;
        Ok(())
    }
}

/// How event files are opened: for append, without following a link in the last component.
pub(super) fn append_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options
}
