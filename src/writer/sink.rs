//! The files of a writer, and its step counter: what a commit moves records to.

use std::path::{Path, PathBuf};

use super::buffer::{Buffer, Written};
use super::run_file::RunFile;
use super::share::Share;
use super::{Options, WriteError, files};
use crate::event_file::{RunName, last_step};

pub(super) struct Sink {
    pub logdir: PathBuf,
    pub names: Vec<RunName>,
    pub files: Vec<RunFile>,
    /// The next managed step, once known.
    pub next_step: Option<i64>,
    /// No managed step is below this.
    pub step_floor: i64,
    /// The calls whose entries were taken and have no step yet.
    pub calls: i64,
    pub share: Share,
    pub written: Written,
}

impl Sink {
    pub fn new(logdir: &Path, options: &Options) -> Self {
        Self {
            logdir: logdir.to_path_buf(),
            names: Vec::new(),
            files: Vec::new(),
            next_step: None,
            step_floor: 0,
            calls: 0,
            share: Share::new(options),
            written: Written::default(),
        }
    }

    /// Creates the file of a new run.
    pub fn create_run(&mut self, name: &RunName, options: &Options) -> Result<(), WriteError> {
        let file = if self.share.is_on() {
            self.create_shared(name, options)?
        } else {
            RunFile::create(self.dir(name), options)?
        };
        self.names.push(name.clone());
        self.files.push(file);
        Ok(())
    }

    /// Adds a run whose file is created with its first record.
    pub fn add_run(&mut self, name: RunName) {
        self.files.push(RunFile::new(self.dir(&name)));
        self.names.push(name);
    }

    pub fn dir(&self, name: &RunName) -> PathBuf {
        match self.share.own_suffix() {
            Some(suffix) => name.suffixed(suffix).dir(&self.logdir),
            None => name.dir(&self.logdir),
        }
    }

    /// Takes the entries of the buffer.
    pub fn take(&mut self, buffer: &mut Buffer) {
        for run in std::mem::take(&mut buffer.dirty) {
            let mut entries = std::mem::take(&mut buffer.runs[run].entries);
            if self.calls > 0 {
                entries.renumber(self.calls);
            }
            self.files[run].taken.append(entries);
        }
        self.calls += std::mem::take(&mut buffer.calls);
        buffer.backlog += std::mem::take(&mut buffer.bytes);
        buffer.urgent = false;
    }

    /// The next managed step. The first one of a logdir follows the largest step it holds.
    pub fn counter(&mut self) -> i64 {
        *self.next_step.get_or_insert_with(|| {
            last_step(&self.logdir).map_or(0, |last| last.saturating_add(1)).max(self.step_floor)
        })
    }

    /// The next managed step; `change` may set another.
    pub fn count(
        &mut self,
        options: &Options,
        change: impl Fn(i64) -> Option<i64>,
    ) -> Result<i64, WriteError> {
        if self.share.is_on() {
            return self.count_shared(options, change);
        }
        let base = self.number_calls();
        self.files.iter_mut().for_each(|file| file.taken.bind(base));
        let next = self.counter();
        self.next_step = Some(change(next).unwrap_or(next));
        Ok(next)
    }

    /// Uses up the steps of the calls whose entries were taken; the first of them.
    fn number_calls(&mut self) -> i64 {
        let base = if self.calls > 0 { self.counter() } else { 0 };
        if self.calls > 0 {
            self.next_step = Some(base.saturating_add(std::mem::take(&mut self.calls)));
        }
        base
    }

    /// Writes what was taken; the first error, after all files were tried.
    pub fn commit(&mut self, options: &Options) -> Result<(), WriteError> {
        if self.share.is_on() {
            return self.commit_shared(options);
        }
        let base = self.number_calls();
        let mut result = Ok(());
        for file in self.files.iter_mut().filter(|file| file.is_dirty()) {
            let wrote = file.open(options).and_then(|()| file.write_taken(base, &mut self.written));
            if wrote.is_err() {
                file.taken.bind(base); // for the next attempt, whose steps begin elsewhere
            }
            result = result.and(wrote);
            if files::are_many() {
                file.rest();
            }
        }
        result
    }

    /// What has been done so far.
    pub fn written(&self) -> Written {
        Written { sharing: self.share.state, ..self.written.clone() }
    }

    pub fn waiting(&self) -> usize {
        self.files.iter().map(RunFile::waiting).sum()
    }

    /// Sees all files to the disk.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.files.iter_mut().try_for_each(RunFile::sync)
    }

    /// Closes the descriptors; files are opened again when they are needed.
    pub fn rest(&mut self) {
        self.files.iter_mut().for_each(RunFile::rest);
        self.share.rest();
    }

    /// Closes the descriptors for good, and leaves the others.
    pub fn retire(&mut self, options: &Options) {
        self.files.iter_mut().for_each(RunFile::rest);
        self.written.completed += self.share.leave(&self.logdir, options);
    }

    /// Drops what a forked child has inherited; its files are its own.
    pub fn forget_inherited(&mut self) {
        self.files.iter_mut().for_each(RunFile::forget_inherited);
        self.calls = 0;
        self.share.rest();
        self.written = Written::default();
    }
}
