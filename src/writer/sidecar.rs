//! The sidecar of a shared logdir: who holds the lock, what he is about to append, and the next step.
//!
//! Two hidden files stand beside the events. Every sharer keeps the *members* file locked as one of many, so that
//! who comes can tell whether anybody is there. The *sidecar* is locked by the one who writes:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | length of the header *n* |
//! | 4 | masked CRC-32C of the header |
//! | *n* | header (`proto/sharing.proto`), within the first page |
//! | from 4096 | payload: the bytes of the header's batches, one after the other |
//!
//! Before a sharer appends, it puts its batches here: the payload first, then the header in one write within a page,
//! which a kill can't cut. From then on the batches are part of the files: whoever holds the lock next appends what
//! is missing. The locks are those of `flock`: the system lets go of them when their holder dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use prost::Message;

use super::files::{self, Counted, Identity};
use super::{SharingState, WriteError};
use crate::event::proto::{self, Sharing, sharing::Batch};
use crate::event_file::{Attempt, FileNames, RunName, next_number, now};
use crate::masked_crc::masked_crc;

const SIDECAR: &str = ".tfruns-share";
const MEMBERS: &str = ".tfruns-members";
/// Where the payload begins: behind the page that is written at once.
const PAGE: usize = 4096;
const PREFIX: usize = 8;
/// A sidecar that has grown beyond this is cut before a small batch.
const LARGE: u64 = 8 << 20;

pub(super) struct Sidecar {
    file: Counted,
    members: Counted,
    pub state: Sharing,
    /// How many batches of killed sharers were completed, until somebody counts them.
    pub completed: u64,
}

/// Which files the sharers write: a new session or a new number means new files.
#[derive(Clone, PartialEq)]
pub(super) struct Session {
    pid: u32,
    opened: u64,
    pub file: u32,
}

/// What came of an attempt to lock.
pub(super) enum Lock {
    Held(Box<Sidecar>),
    /// Others can't be kept out, or not in time.
    Alone(SharingState),
}

impl Sidecar {
    /// Locks, as a member. Who finds nobody begins a session, unless `last` is his own that nobody has ended.
    pub fn join(
        logdir: &Path,
        suffix: &str,
        last: Option<&Session>,
        timeout: Duration,
    ) -> Result<Lock, WriteError> {
        let deadline = Instant::now() + timeout;
        loop {
            let file = open(&logdir.join(SIDECAR))?;
            let members = open(&logdir.join(MEMBERS))?;
            let mut sidecar = Self { file, members, state: Sharing::default(), completed: 0 };
            if let Some(state) = lock_until(sidecar.file.get(), deadline) {
                return Ok(Lock::Alone(state));
            }
            if !sidecar.is_in_place(logdir) {
                continue; // the last member has just removed it
            }
            if !sidecar.locks_exclude(logdir)? {
                return Ok(Lock::Alone(SharingState::UntrustedLocks));
            }
            let nobody = sidecar.members.get().try_lock().is_ok();
            if nobody {
                sidecar.members.get().unlock().map_err(|error| WriteError::io(logdir, error))?;
            }
            if sidecar.members.get().try_lock_shared().is_err() {
                return Ok(Lock::Alone(SharingState::UntrustedLocks));
            }
            let known = sidecar.load();
            if known && !nobody && !sidecar.is_of_this_host() {
                return Ok(Lock::Alone(SharingState::OtherHost));
            }
            if nobody && known {
                sidecar.complete(logdir)?;
            }
            if !known || nobody && last != Some(&sidecar.session()) {
                sidecar.found(suffix)?;
            }
            return Ok(Lock::Held(Box::new(sidecar)));
        }
    }

    /// Locks again, as the member one is; `None` where the sidecar is no longer in its place.
    pub fn lock(
        mut self: Box<Self>,
        logdir: &Path,
        suffix: &str,
        timeout: Duration,
    ) -> Result<Option<Lock>, WriteError> {
        if let Some(state) = lock_until(self.file.get(), Instant::now() + timeout) {
            return Ok(Some(Lock::Alone(state)));
        }
        if !self.is_in_place(logdir) {
            return Ok(None);
        }
        if !self.load() {
            self.found(suffix)?;
        }
        Ok(Some(Lock::Held(self)))
    }

    pub fn unlock(&self) {
        let _closing_unlocks_too = self.file.get().unlock();
    }

    /// Ends the membership; the last one removes the files. The sidecar is locked.
    pub fn leave(self, logdir: &Path) {
        if self.members.get().unlock().is_ok()
            && self.members.get().try_lock().is_ok()
            && self.is_in_place(logdir)
        {
            let _left_for_the_next = fs::remove_file(logdir.join(SIDECAR));
            let _left_for_the_next = fs::remove_file(logdir.join(MEMBERS));
        }
    }

    pub fn session(&self) -> Session {
        Session { pid: self.founder().pid, opened: self.state.opened.to_bits(), file: self.state.file }
    }

    /// The name of the sharers' files, one a run.
    pub fn file_name(&self) -> String {
        let suffix =
            self.state.filename_suffix.chars().filter(|c| !matches!(c, '/' | '\0')).collect::<String>();
        FileNames::new(self.state.opened, &self.founder(), self.founder().pid, &suffix).nth(self.state.file)
    }

    pub fn founder(&self) -> Attempt {
        let founder = self.state.founder.clone().unwrap_or_default();
        Attempt { host: founder.host, boot_id: founder.boot_id, pid: founder.pid, start: founder.start }
    }

    /// Appends what a killed sharer left out of the files.
    pub fn complete(&mut self, logdir: &Path) -> Result<(), WriteError> {
        let batches = std::mem::take(&mut self.state.batches);
        let mut sound = true;
        let mut at = PAGE as u64;
        for batch in &batches {
            let done = RunName::new(&batch.run)
                .map_err(|_| Wrong)
                .and_then(|run| self.missing(&run.dir(logdir).join(self.file_name()), batch, at));
            match done {
                Ok(Missing::Nothing) => {}
                Ok(Missing::Bytes(path, bytes)) => {
                    let file = files::create(&path).or_else(|_| files::reopen(&path));
                    let appended = file.and_then(|file| file.get().write_all(&bytes));
                    if let Err(error) = appended {
                        self.state.batches = batches;
                        return Err(WriteError::io(&path, error));
                    }
                    self.completed += 1;
                }
                Err(Wrong) => sound = false,
            }
            at = at.saturating_add(batch.len);
        }
        self.state.batches = batches;
        if !sound {
            self.next_file()?;
        }
        Ok(())
    }

    /// What of `batch` is not in the file at `path`; its payload begins at `at`.
    fn missing(&self, path: &Path, batch: &Batch, at: u64) -> Result<Missing, Wrong> {
        let size = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && batch.offset == 0 => 0,
            _ => return Err(Wrong),
        };
        let end = batch.offset.checked_add(batch.len).ok_or(Wrong)?;
        if size >= end {
            return Ok(Missing::Nothing);
        }
        let done = size.checked_sub(batch.offset).ok_or(Wrong)?;
        let mut file = self.file.get();
        let held = file.metadata().map_err(|_| Wrong)?.len();
        if at.checked_add(batch.len).is_none_or(|end| end > held) {
            return Err(Wrong);
        }
        let mut bytes = vec![0; usize::try_from(batch.len).map_err(|_| Wrong)?];
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes)).map_err(|_| Wrong)?;
        if masked_crc(&bytes) != batch.crc {
            return Err(Wrong);
        }
        bytes.drain(..usize::try_from(done).map_err(|_| Wrong)?);
        Ok(Missing::Bytes(path.to_path_buf(), bytes))
    }

    /// Writes down what is about to be appended. With an error, nothing is.
    pub fn prepare(
        &mut self,
        logdir: &Path,
        next_step: Option<i64>,
        batches: Vec<Batch>,
        payload: &[&[u8]],
    ) -> Result<(), WriteError> {
        let before = self.state.clone();
        let result = self.write_payload(payload).and_then(|()| {
            self.state.batches = batches;
            self.state.next_step = next_step;
            self.write_header()
        });
        result.map_err(|error| {
            self.state = before;
            WriteError::io(&logdir.join(SIDECAR), error)
        })
    }

    pub fn set_next_step(&mut self, logdir: &Path, next: i64) -> Result<(), WriteError> {
        self.state.next_step = Some(next);
        self.write_header().map_err(|error| WriteError::io(&logdir.join(SIDECAR), error))
    }

    /// The sharers go on in their next files.
    pub fn next_file(&mut self) -> Result<(), WriteError> {
        self.state.file = self.state.file.saturating_add(1);
        self.state.batches.clear();
        self.write_header().map_err(|error| WriteError::io(Path::new(SIDECAR), error))
    }

    fn write_payload(&self, payload: &[&[u8]]) -> io::Result<()> {
        let len: usize = payload.iter().map(|part| part.len()).sum();
        let mut file = self.file.get();
        if file.metadata()?.len() > LARGE && (len as u64) < LARGE {
            file.set_len(PAGE as u64)?;
        }
        file.seek(SeekFrom::Start(PAGE as u64))?;
        payload.iter().try_for_each(|part| file.write_all(part))
    }

    fn write_header(&self) -> io::Result<()> {
        let header = self.state.encode_to_vec();
        let mut page = Vec::with_capacity(PREFIX + header.len());
        page.extend_from_slice(&u32::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes());
        page.extend_from_slice(&masked_crc(&header).to_le_bytes());
        page.extend_from_slice(&header);
        let mut file = self.file.get();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&page)
    }

    /// Reads the header; false where there is none that makes sense.
    fn load(&mut self) -> bool {
        let mut page = [0; PAGE];
        let mut len = 0;
        let mut file = self.file.get();
        if file.seek(SeekFrom::Start(0)).is_err() {
            return false;
        }
        while let Ok(n @ 1..) = file.read(&mut page[len..]) {
            len += n;
        }
        let Some((prefix, rest)) = page[..len].split_first_chunk::<PREFIX>() else { return false };
        let word = |at: usize| u32::from_le_bytes(prefix[at..at + 4].try_into().unwrap_or_default());
        let header = usize::try_from(word(0)).ok().and_then(|len| rest.get(..len));
        let state = header
            .filter(|header| masked_crc(header) == word(4))
            .and_then(|header| Sharing::decode(header).ok())
            .filter(|state| state.founder.is_some());
        let known = state.is_some();
        self.state = state.unwrap_or_default();
        known
    }

    /// Begins a session, with this process's names.
    fn found(&mut self, suffix: &str) -> Result<(), WriteError> {
        let attempt = Attempt::current();
        self.state = Sharing {
            founder: Some(proto::Attempt {
                host: attempt.host.chars().take(255).collect(),
                boot_id: attempt.boot_id.clone(),
                pid: std::process::id(),
                start: attempt.start,
            }),
            opened: now(),
            filename_suffix: suffix.to_owned(),
            file: next_number(),
            next_step: None,
            batches: Vec::new(),
        };
        self.write_header().map_err(|error| WriteError::io(Path::new(SIDECAR), error))
    }

    fn is_of_this_host(&self) -> bool {
        let (founder, here) = (self.founder(), Attempt::current());
        founder.host.chars().eq(here.host.chars().take(255)) && founder.boot_id == here.boot_id
    }

    fn is_in_place(&self, logdir: &Path) -> bool {
        is_at(self.file.get(), &logdir.join(SIDECAR)) && is_at(self.members.get(), &logdir.join(MEMBERS))
    }

    /// Whether a second descriptor is kept out, as it must be.
    fn locks_exclude(&self, logdir: &Path) -> Result<bool, WriteError> {
        let second = open(&logdir.join(SIDECAR))?;
        Ok(self.file.get().metadata().is_ok_and(|metadata| metadata.is_file())
            && matches!(second.get().try_lock(), Err(TryLockError::WouldBlock)))
    }
}

/// The sidecar does not fit the files.
struct Wrong;

enum Missing {
    Nothing,
    Bytes(std::path::PathBuf, Vec<u8>),
}

fn is_at(file: &File, path: &Path) -> bool {
    Identity::of(file).is_ok_and(|identity| identity.look(path, file).is_ok())
}

fn open(path: &Path) -> Result<Counted, WriteError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    files::follow_no_link(&mut options);
    options.open(path).map(Counted::new).map_err(|error| WriteError::io(path, error))
}

/// Waits for the lock; says why it can't be had.
fn lock_until(file: &File, deadline: Instant) -> Option<SharingState> {
    const LONGEST: Duration = Duration::from_millis(1);
    let mut pause = Duration::from_micros(20);
    loop {
        match file.try_lock() {
            Ok(()) => return None,
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(_)) => return Some(SharingState::UntrustedLocks),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Some(SharingState::LockTimeout);
            }
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}
