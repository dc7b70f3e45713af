//! What callers have logged for a run, waiting to be framed.
//!
//! A record waits as an *entry*: everything but its frame, and its step where that is open. Framing needs the
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
//!
//! Entries stand in chunks. So a caller never waits while a large buffer is copied into a larger one, and a commit
//! lets go of what it has framed, chunk by chunk.

use std::collections::VecDeque;

use super::spare;
use crate::event::encode::put_time_and_step;
use crate::tfrecord::append_record;

const HEADER_LEN: usize = 24;
const OPEN: u8 = 1;
const RECORDS: u8 = 2;
/// A chunk that has grown to this is full.
const FULL: usize = 256 << 10;

/// The entries of one run.
#[derive(Default)]
pub(super) struct Entries {
    full: VecDeque<Vec<u8>>,
    last: Vec<u8>,
    len: usize,
}

impl Entries {
    /// Their bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends an entry whose body `body` appends; returns its length.
    pub fn push(&mut self, wall_time: f64, step: i64, open: bool, body: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.push_as(if open { OPEN } else { 0 }, wall_time, step, body)
    }

    /// Appends records that are framed already; returns the length of their entry.
    pub fn push_records(&mut self, records: &[u8]) -> usize {
        self.push_as(RECORDS, 0.0, 0, |entry| entry.extend_from_slice(records))
    }

    fn push_as(&mut self, kind: u8, wall_time: f64, step: i64, body: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.last.capacity() == 0 || self.last.len() >= FULL {
            self.begin_chunk();
        }
        let chunk = &mut self.last;
        let start = chunk.len();
        let mut header = [0; HEADER_LEN];
        header[4] = kind;
        header[8..16].copy_from_slice(&wall_time.to_le_bytes());
        header[16..].copy_from_slice(&step.to_le_bytes());
        chunk.extend_from_slice(&header);
        body(chunk);
        let len = chunk.len() - start;
        let body_len = u32::try_from(len - HEADER_LEN).expect("callers check the size of what they log");
        chunk[start..start + 4].copy_from_slice(&body_len.to_le_bytes());
        self.len += len;
        len
    }

    #[cold]
    fn begin_chunk(&mut self) {
        if self.last.is_empty() {
            self.last = spare::take();
        } else {
            self.full.push_back(std::mem::replace(&mut self.last, spare::take_large()));
        }
    }

    /// Appends others.
    pub fn append(&mut self, mut others: Self) {
        if self.is_empty() {
            *self = others;
            return;
        }
        self.len += others.len;
        if others.full.is_empty() && self.last.len() + others.last.len() <= FULL {
            self.last.extend_from_slice(&others.last);
            spare::give(others.last);
            return;
        }
        self.full.push_back(std::mem::replace(&mut self.last, others.last));
        self.full.append(&mut others.full);
    }

    /// The first chunk, which is no longer here.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let chunk = match self.full.pop_front() {
            Some(chunk) => chunk,
            None if self.last.is_empty() => return None,
            None => std::mem::take(&mut self.last),
        };
        self.len -= chunk.len();
        Some(chunk)
    }

    pub fn clear(&mut self) {
        while let Some(chunk) = self.pop() {
            spare::give(chunk);
        }
    }

    /// Adds `calls` to the numbers of the calls whose step is open.
    pub fn renumber(&mut self, calls: i64) {
        self.change_open(|number, _| number + calls);
    }

    /// Gives the open steps their numbers, counted from `base`.
    pub fn bind(&mut self, base: i64) {
        self.change_open(|number, kind| {
            *kind = 0;
            base.saturating_add(number)
        });
    }

    fn change_open(&mut self, change: impl Fn(i64, &mut u8) -> i64) {
        for chunk in self.full.iter_mut().chain([&mut self.last]) {
            let mut entries = &mut chunk[..];
            while let Some((header, rest)) = entries.split_first_chunk_mut::<HEADER_LEN>() {
                if header[4] == OPEN {
                    let number = i64::from_le_bytes(header[16..].try_into().unwrap_or_default());
                    let step = change(number, &mut header[4]);
                    header[16..].copy_from_slice(&step.to_le_bytes());
                }
                let body_len = u32::from_le_bytes(header[..4].try_into().unwrap_or_default());
                entries = &mut rest[body_len as usize..];
            }
        }
    }

    /// Appends the records of all entries, their open steps counted from `base`.
    pub fn seal(&self, base: i64, records: &mut Vec<u8>) {
        records.reserve(self.len + self.len / 4);
        for chunk in self.full.iter().chain([&self.last]) {
            seal(chunk, base, records);
        }
    }
}

/// Appends the records of a chunk of entries, their open steps counted from `base`.
pub(super) fn seal(mut entries: &[u8], base: i64, records: &mut Vec<u8>) {
    records.reserve(entries.len());
    while let Some((header, rest)) = entries.split_first_chunk::<HEADER_LEN>() {
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

    fn sealed(entries: &Entries, base: i64) -> Vec<u8> {
        let mut records = Vec::new();
        entries.seal(base, &mut records);
        records
    }

    fn push_xyz(entries: &mut Entries, steps: &[(i64, bool)]) {
        for &(step, open) in steps {
            entries.push(1.0, step, open, |buf| buf.extend_from_slice(b"xyz"));
        }
    }

    #[test]
    fn sealing_equals_framing_at_once() {
        let (mut entries, mut plain, mut fields) = (Entries::default(), Vec::new(), Vec::new());
        put_scalar_fields(&mut fields, 0.1, true, SCALARS_METADATA);
        for (step, open) in [(0, false), (-7, false), (0, true), (1, true), (1, true)] {
            entries.push(1.25, step, open, |buf| {
                put_scalar_summary(buf, "loss", 0.1, true, SCALARS_METADATA);
            });
            append_value_event(&mut plain, 1.25, if open { 300 + step } else { step }, "loss", &fields);
        }
        assert_eq!(sealed(&entries, 300), plain);
        entries.bind(300);
        assert_eq!(sealed(&entries, 7), plain);
    }

    #[test]
    fn entries_of_two_takes_count_on() {
        let (mut first, mut second, mut expected) =
            (Entries::default(), Entries::default(), Entries::default());
        push_xyz(&mut first, &[(0, true), (39, true)]);
        push_xyz(&mut second, &[(0, true), (5, false), (1, true)]);
        second.renumber(40);
        first.append(second);
        push_xyz(&mut expected, &[2, 41, 42, 5, 43].map(|step| (step, false)));
        assert_eq!(sealed(&first, 2), sealed(&expected, 0));
    }

    #[test]
    fn chunks_hold_what_one_buffer_would() {
        let sizes = [3, FULL, 100, FULL + 1, FULL / 2, FULL / 2, 0, 3 * FULL, 9];
        let (mut entries, mut plain) = (Entries::default(), Vec::new());
        for (step, size) in (0..).zip(sizes) {
            let body = vec![u8::try_from(step).unwrap(); size];
            let mut other = Entries::default();
            let into = if step % 3 == 2 { &mut other } else { &mut entries };
            let before = into.len();
            assert_eq!(into.push(1.0, step, false, |buf| buf.extend_from_slice(&body)), into.len() - before);
            entries.append(other);
            let mut alone = Entries::default();
            alone.push(1.0, step, false, |buf| buf.extend_from_slice(&body));
            plain.extend(sealed(&alone, 0));
        }
        assert_eq!(sealed(&entries, 0), plain);
        let mut popped = Vec::new();
        let mut len = entries.len();
        while let Some(chunk) = entries.pop() {
            assert!(!chunk.is_empty());
            seal(&chunk, 0, &mut popped);
            len -= chunk.len();
        }
        assert_eq!((popped, len, entries.len()), (plain, 0, 0));
    }
}
