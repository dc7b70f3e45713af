//! A call: records that share one step and one time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::buffer::{Buffer, RunId};
use super::{COMMIT_BYTES, MetadataPolicy, Series, WriteError, Writer, thread};
use crate::event::encode::{
    SCALARS_METADATA, TEXT_METADATA, put_bytes_field, put_call_extension, put_scalar_summary, put_summary,
    put_text_fields,
};

/// Why a record was not taken.
#[derive(Debug)]
pub enum Refused {
    /// There is no room; wait with [`Writer::wait_for_room`].
    Full {
        /// Whether the last write failed, so that waiting may be for ever.
        failing: bool,
    },
    /// The writer is closed.
    Closed,
    /// Somebody holds the buffer for longer than a record takes, a fork for example; see [`Writer::wait_for_turn`].
    Busy,
}

/// What is left to do after a record was taken.
#[derive(Debug, Default)]
#[must_use]
pub struct Taken {
    /// Whether this caller has to commit.
    pub commit: bool,
    /// Whether the file system has not taken earlier records for some seconds.
    pub stalled: bool,
    /// What went wrong with earlier records.
    pub fault: Option<WriteError>,
    /// The first explicit step in this writer that went back: tag, step, the step before.
    pub went_back: Option<(String, i64, i64)>,
}

/// A call in the making: records that share one step and one time. Holds the buffer's lock.
pub struct Call<'w> {
    pub(super) writer: &'w Arc<Writer>,
    pub(super) buffer: MutexGuard<'w, Buffer>,
    pub(super) wall_time: f64,
    pub(super) step: i64,
    pub(super) open: bool,
    pub(super) extension: Vec<u8>,
    pub(super) taken: Taken,
}

impl Call<'_> {
    /// What the events that follow say beyond TensorBoard's fields: their epoch, and which call they belong to.
    pub fn extend(&mut self, epoch: Option<i64>, number: u64) {
        self.extension.clear();
        put_call_extension(&mut self.extension, epoch, number);
    }

    /// Logs a scalar.
    pub fn scalar(&mut self, run: RunId, tag: &str, value: f64) {
        let options = &self.writer.options;
        let metadata = match options.metadata {
            MetadataPolicy::First if !self.buffer.first_of_tag(run, tag) => b"".as_slice(),
            _ => SCALARS_METADATA,
        };
        let exact = options.exact;
        self.push(run, tag, |buf| put_scalar_summary(buf, tag, value, exact, metadata));
    }

    /// Logs the chunk that a series has framed, at steps and times of its own.
    pub fn series(&mut self, run: RunId, series: &Series) {
        let mut records = &series.records[..];
        let mut count = series.len;
        if records.is_empty() {
            return;
        }
        let (end, step, value, wall_time) = series.first;
        self.step = step;
        self.wall_time = wall_time;
        if self.writer.options.metadata == MetadataPolicy::First
            && !self.buffer.is_described(run, &series.tag)
        {
            self.scalar(run, &series.tag, value);
            records = &records[end..];
            count -= 1;
        }
        self.note_step(run, &series.tag, step);
        if let Some((step, last)) = series.went_back {
            self.note_step(run, &series.tag, last);
            self.note_step(run, &series.tag, step);
        }
        self.note_step(run, &series.tag, series.last_step);
        if !records.is_empty() {
            self.buffer.push_records(run, records, count as u64);
        }
    }

    /// Logs a text.
    pub fn text(&mut self, run: RunId, tag: &str, text: &str) {
        let mut fields = Vec::with_capacity(text.len() + 32);
        put_text_fields(&mut fields, text, TEXT_METADATA);
        self.fields(run, tag, &fields);
    }

    /// Logs any value, given as its fields: the bytes of a `Summary.Value` but for its tag.
    pub fn fields(&mut self, run: RunId, tag: &str, fields: &[u8]) {
        self.push(run, tag, |buf| put_summary(buf, tag, fields));
    }

    /// Logs an event that holds something else than a value with a tag: the number of its field, and its bytes.
    pub fn message(&mut self, run: RunId, field: u32, message: &[u8]) {
        let (wall_time, step, open) = (self.wall_time, self.step, self.open);
        self.buffer.push(run, wall_time, step, open, |buf| put_bytes_field(buf, field, message));
    }

    fn push(&mut self, run: RunId, tag: &str, body: impl FnOnce(&mut Vec<u8>)) {
        if !self.open {
            self.note_step(run, tag, self.step);
        }
        let extension = &self.extension;
        self.buffer.push(run, self.wall_time, self.step, self.open, |buf| {
            body(buf);
            buf.extend_from_slice(extension);
        });
    }

    fn note_step(&mut self, run: RunId, tag: &str, step: i64) {
        if let Some(last) = self.buffer.step_goes_back(run, tag, step) {
            self.taken.went_back = Some((tag.to_owned(), step, last));
        }
    }

    /// Ends the call and tells the thread, if it has to know.
    pub fn end(mut self) -> Taken {
        let options = &self.writer.options;
        let buffer = &mut *self.buffer;
        buffer.calls += i64::from(self.open);
        self.taken.fault = buffer.fault.take();
        self.taken.stalled =
            self.writer.stalled.load(Ordering::Relaxed) && self.writer.stalled.swap(false, Ordering::Relaxed);
        self.taken.commit = options.flush_secs <= 0.0 || thread::is_exiting();
        let due = if self.taken.commit {
            None
        } else if buffer.bytes >= COMMIT_BYTES && !buffer.urgent && !buffer.failing {
            buffer.urgent = true;
            Some(Instant::now())
        } else if !buffer.armed {
            buffer.armed = true;
            Some(Instant::now() + Duration::from_secs_f64(options.flush_secs))
        } else {
            None
        };
        let Self { writer, buffer, taken, .. } = self;
        drop(buffer);
        if let Some(due) = due {
            writer.touch();
            thread::wake(writer, due);
        }
        taken
    }
}
