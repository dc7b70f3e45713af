//! The event file of one run, and the records on their way into it.
//!
//! A batch of records goes out with one `write`. What the system did not take stays here, is written first the next
//! time, and nothing that a reader may have seen is ever removed. Before each write the file is looked at: a
//! descriptor that somebody closed, or a file that somebody moved or deleted, is an error and not silence.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::buffer::Written;
use super::entries::{Entries, seal};
use super::files::{self, Counted, Gone, Identity};
use super::{Options, WriteError, spare};
use crate::event_file::{Attempt, FileNames, file_version_record, now};
use crate::tfrecord::OVERHEAD;

pub(super) struct RunFile {
    dir: PathBuf,
    state: State,
    /// Entries that are not framed yet.
    pub taken: Entries,
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
    Closed(Place),
    Open(Place, Counted),
}

/// Where a file is, and which one it is.
#[derive(Clone)]
struct Place {
    path: PathBuf,
    identity: Identity,
}

impl RunFile {
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            state: State::None,
            taken: Entries::default(),
            unwritten: Vec::new(),
            done: 0,
            unsynced: false,
        }
    }

    pub fn path(&self) -> Option<&Path> {
        match &self.state {
            State::None => None,
            State::Closed(place) | State::Open(place, _) => Some(&place.path),
        }
    }

    /// Frames the entries that were taken, their open steps counted from `base`, behind what is unwritten.
    pub fn seal(&mut self, base: i64) {
        self.taken.seal(base, &mut self.unwritten);
    }

    /// Forgets the records: they are in the file, or in what the next holder of the lock reads.
    pub fn clear_unwritten(&mut self) {
        spare::give(std::mem::take(&mut self.unwritten));
        self.done = 0;
    }

    /// The records that are not in the file yet.
    pub fn unwritten(&self) -> &[u8] {
        &self.unwritten[self.done..]
    }

    /// Whether something waits.
    pub fn is_dirty(&self) -> bool {
        self.waiting() > 0
    }

    pub fn waiting(&self) -> usize {
        self.taken.len() + self.unwritten().len()
    }

    /// Creates a run's directory and its file, with its first record where there is space for it.
    pub fn create(dir: PathBuf, options: &Options) -> Result<Self, WriteError> {
        fs::create_dir_all(&dir).map_err(|error| WriteError::io(&dir, error))?;
        let mut file = Self::new(dir);
        file.open(options)?;
        let _tried_again_with_the_records = file.write_out();
        Ok(file)
    }

    /// Closes the descriptor; the file is opened again when it is needed.
    pub fn rest(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::None) {
            State::Open(place, _) => State::Closed(place),
            other => other,
        };
    }

    /// Goes on in another directory, or under another name.
    pub fn leave(&mut self, dir: Option<PathBuf>) {
        self.state = State::None;
        if let Some(dir) = dir {
            self.dir = dir;
        }
    }

    /// Drops what a forked child has inherited; its files are its own.
    pub fn forget_inherited(&mut self) {
        let dir = std::mem::take(&mut self.dir);
        *self = Self::new(dir);
    }

    /// Opens the file, a new one if there is none.
    pub fn open(&mut self, options: &Options) -> Result<(), WriteError> {
        if let State::None = self.state {
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
            self.opened(path, file)?;
            self.unwritten.splice(0..0, file_version_record(attempt));
        }
        self.reopen()
    }

    /// Opens the file of this name, which others may have created.
    pub fn open_named(&mut self, name: &str) -> Result<(), WriteError> {
        if let State::None = self.state {
            let path = self.dir.join(name);
            let file = match files::create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => files::reopen(&path),
                result => result,
            };
            let file = file.map_err(|error| WriteError::io(&path, error))?;
            self.opened(path, file)?;
        }
        self.reopen()
    }

    fn opened(&mut self, path: PathBuf, file: Counted) -> Result<(), WriteError> {
        let identity = Identity::of(file.get()).map_err(|error| WriteError::io(&path, error))?;
        self.state = State::Open(Place { path, identity }, file);
        Ok(())
    }

    /// Opens a file that was closed, and looks whether it is still the one.
    fn reopen(&mut self) -> Result<(), WriteError> {
        if let State::Closed(place) = &self.state {
            match files::reopen(&place.path) {
                Ok(file) => self.state = State::Open(place.clone(), file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.lost()),
                Err(error) => return Err(WriteError::io(&place.path, error)),
            }
        }
        let State::Open(place, file) = &self.state else { return Ok(()) };
        match place.identity.look(&place.path, file.get()) {
            Ok(()) => Ok(()),
            Err(Gone::File) => Err(self.lost()),
            Err(Gone::Descriptor) => {
                let place = place.clone();
                let error = WriteError::io(&place.path, io::Error::from_raw_os_error(files::EBADF));
                if let State::Open(_, file) = std::mem::replace(&mut self.state, State::Closed(place)) {
                    file.abandon();
                }
                Err(error)
            }
        }
    }

    /// The file is gone. The next one begins with the first record that is not whole in it.
    fn lost(&mut self) -> WriteError {
        let path = self.path().unwrap_or(&self.dir).to_path_buf();
        self.state = State::None;
        let mut whole = 0;
        while whole < self.done {
            let len = u64::from_le_bytes(self.unwritten[whole..whole + 8].try_into().unwrap_or_default());
            let end = whole + usize::try_from(len).unwrap_or(usize::MAX) + OVERHEAD;
            if end > self.done {
                break;
            }
            whole = end;
        }
        self.unwritten.drain(..whole);
        self.done = 0;
        WriteError::Io { path, source: io::Error::from_raw_os_error(files::ENOENT), lost: true }
    }

    /// The length of the open file.
    pub fn len(&self) -> Result<u64, WriteError> {
        let State::Open(place, file) = &self.state else { return Ok(0) };
        file.get()
            .metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| WriteError::io(&place.path, error))
    }

    /// Puts `record` before what is unwritten.
    pub fn begin_with(&mut self, record: Vec<u8>) {
        self.unwritten.splice(0..0, record);
    }

    /// Frames the entries that were taken, their open steps counted from `base`, and writes them to the open file: one
    /// `write` a chunk, so that little stands in memory twice.
    pub fn write_taken(&mut self, base: i64, written: &mut Written) -> Result<(), WriteError> {
        loop {
            if let Some(chunk) = self.taken.pop() {
                if self.unwritten.capacity() == 0 {
                    self.unwritten = spare::take();
                }
                seal(&chunk, base, &mut self.unwritten);
                spare::give(chunk);
            }
            self.write_counted(written)?;
            if self.taken.is_empty() {
                return Ok(());
            }
        }
    }

    /// [`RunFile::write_out`] as a batch that counts.
    pub fn write_counted(&mut self, written: &mut Written) -> Result<(), WriteError> {
        let before = self.unwritten().len();
        let wrote = self.write_out();
        written.bytes += (before - self.unwritten().len()) as u64;
        written.batches += 1;
        wrote
    }

    /// Writes what is unwritten to the open file.
    pub fn write_out(&mut self) -> Result<(), WriteError> {
        let State::Open(place, file) = &mut self.state else { return Ok(()) };
        while self.done < self.unwritten.len() {
            match file.get().write(&self.unwritten[self.done..]) {
                Ok(0) => return Err(WriteError::io(&place.path, io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    self.done += n;
                    self.unsynced = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(WriteError::io(&place.path, error)),
            }
        }
        self.clear_unwritten();
        Ok(())
    }

    /// Sees the file and its name to the disk.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        if !self.unsynced {
            return Ok(());
        }
        let result = match &self.state {
            State::None => Ok(()),
            State::Open(_, file) => file.get().sync_data(),
            State::Closed(place) => File::open(&place.path).and_then(|file| file.sync_data()),
        };
        result
            .and_then(|()| if cfg!(unix) { File::open(&self.dir)?.sync_all() } else { Ok(()) })
            .map_err(|error| WriteError::io(self.path().unwrap_or(&self.dir), error))?;
        self.unsynced = false;
        Ok(())
    }
}
