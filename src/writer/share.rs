//! Several processes, one file a run: how a commit goes where the files are shared.
//!
//! The lock of the [`Sidecar`] is taken, what a killed sharer left is completed, open steps are bound to the
//! counter in the header, the batches are written down and then appended. A commit that fails before they are
//! written down leaves its entries without a step, for the next attempt; one that fails after leaves them to whoever
//! holds the lock next.

use std::fs;
use std::path::Path;

use super::run_file::RunFile;
use super::sidecar::{Lock, Session, Sidecar};
use super::sink::Sink;
use super::{Options, SharingState, WriteError, files};
use crate::event::proto::sharing::Batch;
use crate::event_file::{Attempt, RunName, file_version_record};
use crate::masked_crc::masked_crc;

/// A writer's part in the sharing.
pub(super) struct Share {
    pub state: SharingState,
    sidecar: Option<Box<Sidecar>>,
    /// The session this writer's files are of.
    session: Option<Session>,
    /// Behind the `@` of the runs of its own.
    suffix: String,
    /// Whether a batch of this writer was cut, and nobody is known to have completed it.
    cut: bool,
}

impl Share {
    pub fn new(options: &Options) -> Self {
        let state = if options.shared && cfg!(unix) { SharingState::On } else { SharingState::Off };
        Self { state, sidecar: None, session: None, suffix: String::new(), cut: false }
    }

    pub fn is_on(&self) -> bool {
        self.state == SharingState::On
    }

    /// What a run's name is followed by, where the writer goes on alone.
    pub fn own_suffix(&self) -> Option<&str> {
        (!self.suffix.is_empty()).then_some(&*self.suffix)
    }

    /// Closes the files; the session is remembered.
    pub fn rest(&mut self) {
        self.sidecar = None;
    }

    /// Ends the membership; returns how many batches of killed sharers were completed on the way.
    pub fn leave(&mut self, logdir: &Path, options: &Options) -> u64 {
        let Some(sidecar) = self.sidecar.take() else { return 0 };
        let Ok(Some(Lock::Held(mut sidecar))) = sidecar.lock(logdir, "", options.lock_timeout / 10) else {
            return 0;
        };
        let is_whole = sidecar.complete(logdir).is_ok();
        let completed = sidecar.completed;
        if is_whole {
            sidecar.leave(logdir);
        }
        completed
    }

    fn lock(&mut self, logdir: &Path, options: &Options) -> Result<Lock, WriteError> {
        let (suffix, timeout) = (&options.filename_suffix, options.lock_timeout);
        if let Some(sidecar) = self.sidecar.take()
            && let Some(lock) = sidecar.lock(logdir, suffix, timeout)?
        {
            return Ok(lock);
        }
        Sidecar::join(logdir, suffix, self.session.as_ref(), timeout)
    }

    fn put_back(&mut self, sidecar: Box<Sidecar>) {
        sidecar.unlock();
        self.sidecar = Some(sidecar);
    }
}

impl Sink {
    /// Writes what was taken, under the lock.
    pub fn commit_shared(&mut self, options: &Options) -> Result<(), WriteError> {
        if !self.share.cut && !self.files.iter().any(RunFile::is_dirty) {
            self.calls = 0;
            return Ok(());
        }
        self.locked(options, Self::write_shared)?.unwrap_or_else(|| self.commit(options))
    }

    /// The next managed step of all sharers; `change` may set another.
    pub fn count_shared(
        &mut self,
        options: &Options,
        change: impl Fn(i64) -> Option<i64>,
    ) -> Result<i64, WriteError> {
        if !self.logdir.exists() {
            let next = self.counter();
            if change(next).is_none() {
                return Ok(next);
            }
            fs::create_dir_all(&self.logdir).map_err(|error| WriteError::io(&self.logdir, error))?;
        }
        let counted = self.locked(options, |sink, sidecar| {
            sink.write_shared(sidecar)?;
            let next = sink.counter();
            if let Some(changed) = change(next) {
                sidecar.set_next_step(&sink.logdir, changed)?;
                sink.next_step = Some(changed);
            }
            Ok(next)
        })?;
        counted.unwrap_or_else(|| self.count(options, change))
    }

    /// Creates a run's directory and file, or finds those of the others.
    pub fn create_shared(&mut self, name: &RunName, options: &Options) -> Result<RunFile, WriteError> {
        for dir in [self.logdir.clone(), self.dir(name)] {
            fs::create_dir_all(&dir).map_err(|error| WriteError::io(&dir, error))?;
        }
        let created = self.locked(options, |sink, sidecar| {
            sink.names.push(name.clone());
            sink.files.push(RunFile::new(name.dir(&sink.logdir)));
            let next = sidecar.state.next_step;
            let result = sink.write_batches(sidecar, &[sink.files.len() - 1], 0, next);
            sink.names.pop();
            let file = sink.files.pop();
            result.map(|()| file)
        })?;
        match created.transpose()?.flatten() {
            Some(file) => Ok(file),
            None => RunFile::create(self.dir(name), options),
        }
    }

    /// Does `work` under the lock; `None` where the writer goes on alone, from now on.
    fn locked<T>(
        &mut self,
        options: &Options,
        work: impl FnOnce(&mut Self, &mut Sidecar) -> Result<T, WriteError>,
    ) -> Result<Option<Result<T, WriteError>>, WriteError> {
        let mut sidecar = match self.share.lock(&self.logdir, options)? {
            Lock::Held(sidecar) => sidecar,
            Lock::Alone(why) => {
                self.go_alone(why)?;
                return Ok(None);
            }
        };
        let completed = sidecar.complete(&self.logdir);
        self.written.completed += std::mem::take(&mut sidecar.completed);
        let result = completed.and_then(|()| {
            self.share.cut = false;
            self.follow(&sidecar);
            work(self, &mut sidecar)
        });
        self.share.put_back(sidecar);
        Ok(Some(result))
    }

    /// Goes on where the others are: in their files, with their counter.
    fn follow(&mut self, sidecar: &Sidecar) {
        let session = Some(sidecar.session());
        if self.share.session != session {
            self.share.session = session;
            for file in &mut self.files {
                file.leave(None);
            }
        }
        match sidecar.state.next_step {
            Some(next) => self.next_step = Some(next),
            None => self.step_floor = self.next_step.take().unwrap_or(self.step_floor),
        }
    }

    fn go_alone(&mut self, why: SharingState) -> Result<(), WriteError> {
        let attempt = Attempt::current();
        self.share.state = why;
        self.share.suffix = format!("{}-{}", attempt.host, std::process::id());
        for run in 0..self.files.len() {
            let dir = self.dir(&self.names[run]);
            fs::create_dir_all(&dir).map_err(|error| WriteError::io(&dir, error))?;
            self.files[run].leave(Some(dir));
        }
        Ok(())
    }

    fn write_shared(&mut self, sidecar: &mut Sidecar) -> Result<(), WriteError> {
        let dirty: Vec<usize> = (0..self.files.len()).filter(|&run| self.files[run].is_dirty()).collect();
        let base = if self.calls > 0 { self.counter() } else { 0 };
        if self.calls > 0 {
            self.next_step = Some(base.saturating_add(self.calls));
        }
        let next = self.next_step;
        let mut result = Ok(());
        for runs in self.groups(&dirty) {
            result = result.and(self.write_batches(sidecar, runs, base, next));
            if self.share.cut {
                break; // what is written down stays there until it is in the files
            }
        }
        if self.files.iter().all(|file| file.taken.is_empty()) {
            self.calls = 0;
        }
        result
    }

    /// Runs whose batches fit into one header: 32 short names, or one long.
    fn groups<'a>(&self, runs: &'a [usize]) -> Vec<&'a [usize]> {
        let short = |run: usize| self.names[run].as_str().len() < 64;
        runs.chunk_by(|&a, &b| a / 32 == b / 32 && short(a) && short(b)).collect()
    }

    /// Writes down and appends what was taken for `runs`. With an error, what has no step yet waits for the next time.
    fn write_batches(
        &mut self,
        sidecar: &mut Sidecar,
        runs: &[usize],
        base: i64,
        next: Option<i64>,
    ) -> Result<(), WriteError> {
        let name = sidecar.file_name();
        let mut result = Ok(());
        let mut open: Vec<usize> = Vec::with_capacity(runs.len());
        let mut batches = Vec::with_capacity(runs.len());
        for &run in runs {
            let file = &mut self.files[run];
            let opened = file.open_named(&name).and_then(|()| file.len());
            match opened {
                Ok(offset) => {
                    if offset == 0 {
                        file.begin_with(file_version_record(&sidecar.founder()));
                    }
                    file.seal(base);
                    let bytes = file.unwritten();
                    let (len, crc) = (bytes.len() as u64, masked_crc(bytes));
                    batches.push(Batch { run: self.names[run].as_str().to_owned(), offset, len, crc });
                    open.push(run);
                }
                Err(error @ WriteError::Io { lost: true, .. }) => {
                    // All sharers begin another file: in this one, what they wrote down can't be found again.
                    for run in open {
                        self.files[run].clear_unwritten();
                    }
                    sidecar.next_file()?;
                    return Err(error);
                }
                Err(error) => result = Err(error),
            }
        }
        let payload: Vec<&[u8]> = open.iter().map(|&run| self.files[run].unwritten()).collect();
        if payload.iter().all(|bytes| bytes.is_empty()) {
            return result;
        }
        let prepared = sidecar.prepare(&self.logdir, next, batches, &payload);
        for &run in &open {
            let file = &mut self.files[run];
            if prepared.is_ok() {
                file.taken.clear();
                let wrote = file.write_counted(&mut self.written);
                self.share.cut |= wrote.is_err();
                result = result.and(wrote);
            }
            file.clear_unwritten();
            if files::are_many() {
                file.rest();
            }
        }
        prepared.and(result)
    }
}
