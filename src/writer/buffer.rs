//! What callers have logged and nobody has committed yet.
//!
//! A record waits here as an *entry*: everything but its frame, and its step where that is open. Framing needs the
//! step, and checksums cost time; both are left to whoever commits.
//!
//! | bytes | content of an entry |
//! |---|---|
//! | 4 | length of the body |
//! | 4 | what it is: 0 with its step, 1 where the step is open, 2 where the body is whole records |
//! | 8 | wall time |
//! | 8 | the step; where it is open, the number of the call since the last commit |
//! | *n* | body: the event's fields beyond time and step |
//!
//! All entries of one call carry the same number, in whatever runs they are; so they get the same step.

use std::collections::{HashMap, HashSet};

use super::{SharingState, WriteError};
use crate::event::encode::put_time_and_step;
use crate::event_file::RunName;
use crate::tfrecord::append_record;

/// The index of a run in its writer.
pub type RunId = usize;

const ENTRY_HEADER_LEN: usize = 24;
const OPEN: u8 = 1;
const RECORDS: u8 = 2;

/// The entries of one run.
#[derive(Default)]
pub(super) struct Pending {
    pub entries: Vec<u8>,
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
        let entries = &mut self.runs[run].entries;
        if entries.is_empty() {
            self.dirty.push(run);
        }
        let start = entries.len();
        let mut header = [0; ENTRY_HEADER_LEN];
        header[4] = if open { OPEN } else { 0 };
        header[8..16].copy_from_slice(&wall_time.to_le_bytes());
        header[16..].copy_from_slice(&step.to_le_bytes());
        entries.extend_from_slice(&header);
        body(entries);
        let len = entries.len() - start;
        let body_len =
            u32::try_from(len - ENTRY_HEADER_LEN).expect("callers check the size of what they log");
        entries[start..start + 4].copy_from_slice(&body_len.to_le_bytes());
        self.bytes += len;
        self.counters.events += 1;
    }

    /// Appends `count` records that are framed already.
    pub fn push_records(&mut self, run: RunId, records: &[u8], count: u64) {
        self.push(run, 0.0, 0, false, |entries| {
            let kind = entries.len() - ENTRY_HEADER_LEN + 4;
            entries[kind] = RECORDS;
            entries.extend_from_slice(records);
        });
        self.counters.events += count - 1;
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

/// Adds `calls` to the numbers of the calls whose step is open.
pub(super) fn renumber(mut entries: &mut [u8], calls: i64) {
    while let Some((header, rest)) = entries.split_first_chunk_mut::<ENTRY_HEADER_LEN>() {
        if header[4] == OPEN {
            let number = i64::from_le_bytes(header[16..].try_into().unwrap_or_default());
            header[16..].copy_from_slice(&(number + calls).to_le_bytes());
        }
        let body_len = u32::from_le_bytes(header[..4].try_into().unwrap_or_default());
        entries = &mut rest[body_len as usize..];
    }
}

/// Appends the records of `entries`, their open steps counted from `base`.
pub(super) fn seal(mut entries: &[u8], base: i64, records: &mut Vec<u8>) {
    records.reserve(entries.len());
    while let Some((header, rest)) = entries.split_first_chunk::<ENTRY_HEADER_LEN>() {
        let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap_or_default());
        let body_len = u32::from_le_bytes(header[..4].try_into().unwrap_or_default());
        let (body, next) = rest.split_at(body_len as usize);
        entries = next;
        if header[4] == RECORDS {
            records.extend_from_slice(body);
            continue;
        }
        let step = word(16).cast_signed();
        let step = if header[4] == OPEN { base.saturating_add(step) } else { step };
        append_record(records, |buf| {
            put_time_and_step(buf, f64::from_bits(word(8)), step);
            buf.extend_from_slice(body);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::encode::{SCALARS_METADATA, append_value_event, put_scalar_fields, put_scalar_summary};

    #[test]
    fn sealing_equals_framing_at_once() {
        let mut buffer = Buffer::default();
        let root = buffer.add_run(RunName::root());
        let (mut sealed, mut plain, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        put_scalar_fields(&mut fields, 0.1, true, SCALARS_METADATA);
        for (step, open) in [(0, false), (-7, false), (0, true), (1, true), (1, true)] {
            buffer.push(root, 1.25, step, open, |buf| {
                put_scalar_summary(buf, "loss", 0.1, true, SCALARS_METADATA);
            });
            append_value_event(&mut plain, 1.25, if open { 300 + step } else { step }, "loss", &fields);
        }
        seal(&buffer.runs[root].entries, 300, &mut sealed);
        assert_eq!(sealed, plain);
    }

    #[test]
    fn entries_of_two_takes_count_on() {
        let mut buffer = Buffer::default();
        let root = buffer.add_run(RunName::root());
        let (mut sealed, mut plain) = (Vec::new(), Vec::new());
        for (step, open) in [(0, true), (5, false), (1, true)] {
            buffer.push(root, 1.0, step, open, |buf| buf.extend_from_slice(b"xyz"));
        }
        renumber(&mut buffer.runs[root].entries, 40);
        seal(&buffer.runs[root].entries, 2, &mut sealed);
        let mut expected = Buffer::default();
        expected.add_run(RunName::root());
        for step in [42, 5, 43] {
            expected.push(root, 1.0, step, false, |buf| buf.extend_from_slice(b"xyz"));
        }
        seal(&expected.runs[root].entries, 0, &mut plain);
        assert_eq!(sealed, plain);
    }

    #[test]
    fn a_step_that_goes_back_is_told_once() {
        let mut buffer = Buffer::default();
        let root = buffer.add_run(RunName::root());
        let steps = [1, 2, 2, 1, 0].map(|step| buffer.step_goes_back(root, "t", step));
        assert_eq!(steps, [None, None, None, Some(2), None]);
    }
}
