//! What callers have logged and nobody has committed yet.

use std::collections::{HashMap, HashSet};

use super::entries::Entries;
use super::{SharingState, WriteError};
use crate::event_file::RunName;

/// The index of a run in its writer.
pub type RunId = usize;

/// What waits of one run, and what is known of its tags.
#[derive(Default)]
pub(super) struct Pending {
    pub entries: Entries,
    /// The last explicit step of each tag, until a step has gone back once.
    last_steps: HashMap<Box<str>, i64>,
    /// The tags that had their metadata, where only the first value carries it.
    described: HashSet<Box<str>>,
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // each is one fact, in any combination
pub(super) struct Buffer {
    pub ids: HashMap<RunName, RunId>,
    pub runs: Vec<Pending>,
    /// Runs with entries, in the order they got them.
    pub dirty: Vec<RunId>,
    /// Calls whose step is open.
    pub calls: i64,
    /// Bytes of all entries.
    pub bytes: usize,
    /// Bytes taken from here that are not in a file yet.
    pub backlog: usize,
    /// Whether the thread has been told when to come.
    pub armed: bool,
    /// Whether the thread has been told to come at once.
    pub urgent: bool,
    /// What went wrong behind the callers' back.
    pub fault: Option<WriteError>,
    /// Whether the last attempt to write failed.
    pub failing: bool,
    pub closed: bool,
    /// Commits that have taken what was here, and those of them that have ended.
    pub commits_begun: u64,
    pub commits_ended: u64,
    pub step_went_back: bool,
    /// The number of forks this state has seen through.
    pub generation: u32,
    pub counters: Counters,
}

/// What [`super::Stats`] counts under the buffer's lock.
#[derive(Clone, Default)]
pub(super) struct Counters {
    pub events: u64,
    pub dropped: u64,
    pub waits: u64,
    pub errors: u64,
    pub last_error: Option<String>,
    /// As of the last commit.
    pub written: Written,
}

/// What a sink has done.
#[derive(Clone, Default)]
pub(super) struct Written {
    pub bytes: u64,
    pub batches: u64,
    /// Batches of killed sharers.
    pub completed: u64,
    pub sharing: SharingState,
}

impl Buffer {
    /// Whether all that was logged is in the files.
    pub fn is_clean(&self) -> bool {
        self.bytes + self.backlog == 0 && !self.failing
    }

    /// The runs' names, in the order of their indices.
    pub fn names(&self) -> impl Iterator<Item = &RunName> {
        let mut names: Vec<_> = self.ids.iter().collect();
        names.sort_by_key(|(_, id)| **id);
        names.into_iter().map(|(name, _)| name)
    }

    pub fn add_run(&mut self, name: RunName) -> RunId {
        if let Some(&id) = self.ids.get(&name) {
            return id;
        }
        let id = self.runs.len();
        self.runs.push(Pending::default());
        self.ids.insert(name, id);
        id
    }

    /// Appends an entry whose body `body` appends.
    pub fn push(
        &mut self,
        run: RunId,
        wall_time: f64,
        step: i64,
        open: bool,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.bytes += self.entries(run).push(wall_time, step, open, body);
        self.counters.events += 1;
    }

    /// Appends `count` records that are framed already.
    pub fn push_records(&mut self, run: RunId, records: &[u8], count: u64) {
        self.bytes += self.entries(run).push_records(records);
        self.counters.events += count;
    }

    fn entries(&mut self, run: RunId) -> &mut Entries {
        let entries = &mut self.runs[run].entries;
        if entries.is_empty() {
            self.dirty.push(run);
        }
        entries
    }

    /// The step before, if `step` is the first in this writer that goes back in its tag.
    pub fn step_goes_back(&mut self, run: RunId, tag: &str, step: i64) -> Option<i64> {
        const TAGS: usize = 1 << 16; // bounds the memory, not what may be logged
        if self.step_went_back {
            return None;
        }
        let steps = &mut self.runs[run].last_steps;
        match steps.get_mut(tag) {
            Some(last) if step < *last => {
                self.step_went_back = true;
                let last = *last;
                for run in &mut self.runs {
                    run.last_steps = HashMap::new();
                }
                Some(last)
            }
            Some(last) => {
                *last = step;
                None
            }
            None => {
                if steps.len() < TAGS {
                    steps.insert(tag.into(), step);
                }
                None
            }
        }
    }

    /// Whether this is the first value of `tag`.
    pub fn first_of_tag(&mut self, run: RunId, tag: &str) -> bool {
        let described = &mut self.runs[run].described;
        !described.contains(tag) && described.insert(tag.into())
    }

    /// Whether `tag` had its metadata.
    pub fn is_described(&self, run: RunId, tag: &str) -> bool {
        self.runs[run].described.contains(tag)
    }

    /// Forgets which tags a file describes: the next records go to another.
    pub fn forget_described(&mut self) {
        for run in &mut self.runs {
            run.described = HashSet::new();
        }
    }

    /// Drops what a forked child has inherited: it is the parent's to write.
    pub fn forget_inherited(&mut self, generation: u32) {
        for run in &mut self.runs {
            run.entries.clear();
        }
        self.commits_ended = self.commits_begun;
        self.forget_described();
        self.dirty.clear();
        self.calls = 0;
        self.bytes = 0;
        self.backlog = 0;
        self.armed = false;
        self.urgent = false;
        self.fault = None;
        self.failing = false;
        self.counters = Counters::default();
        self.generation = generation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_goes_back_is_told_once() {
        let mut buffer = Buffer::default();
        let root = buffer.add_run(RunName::root());
        let steps = [1, 2, 2, 1, 0].map(|step| buffer.step_goes_back(root, "t", step));
        assert_eq!(steps, [None, None, None, Some(2), None]);
    }
}
