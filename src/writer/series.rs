//! A series of scalars, framed at once: whole records, from a template.
//!
//! The records of a series differ in time, step and value only. So the bytes of their summary are made once, and
//! each record is a copy of them with its value patched in. Nothing needs the writer's lock, nor Python's.
//!
//! Checksums are taken in a second pass over some records that are still in the cache: reading bytes back while the
//! stores that made them are on their way would make the processor wait.
//!
//! The plain twin is [`super::Call::scalar`].

use super::MetadataPolicy;
use super::options::Options;
use crate::event::encode::{SCALARS_METADATA, needs_exact, put_scalar_summary};
use crate::masked_crc::{length_crc, masked_crc};
use crate::tfrecord::{FOOTER_LEN, HEADER_LEN, OVERHEAD};

/// Bytes framed at once: some tens of microseconds of work, and a batch that the thread takes.
const CHUNK_BYTES: usize = 256 << 10;
/// Records between two passes.
const PASS: usize = 32;
/// A key and a double; a key and the longest varint.
const TIME_AND_STEP_LEN: usize = 9 + 11;

/// Frames the values of one tag, a chunk at a time.
pub struct Series {
    pub(super) tag: Box<str>,
    single: Template,
    exact: Option<Template>,
    record_len: usize,
    chunk: usize,
    pub(super) records: Vec<u8>,
    pub(super) len: usize,
    /// Where the first record ends, and what it says: step, value and time.
    pub(super) first: (usize, i64, f64, f64),
    /// The last step.
    pub(super) last_step: i64,
    /// The first step of the chunk that goes back, and the one before.
    pub(super) went_back: Option<(i64, i64)>,
}

/// The bytes of a summary, and where its value stands in them.
struct Template {
    bytes: Vec<u8>,
    value_at: usize,
}

impl Template {
    fn new(tag: &str, value: f64, metadata: &[u8]) -> Self {
        let mut bytes = Vec::new();
        put_scalar_summary(&mut bytes, tag, value, true, metadata);
        let behind = 4 + metadata.len() + if needs_exact(value) { 10 } else { 0 };
        Self { value_at: bytes.len() - behind, bytes }
    }
}

impl Series {
    /// A series for a writer with these options.
    pub fn new(tag: &str, options: &Options) -> Self {
        let metadata = match options.metadata {
            MetadataPolicy::Always => SCALARS_METADATA,
            MetadataPolicy::First => b"", // the call that takes the chunk describes the tag where it has to
        };
        let single = Template::new(tag, 0.0, metadata);
        let exact = options.exact.then(|| Template::new(tag, 0.1, metadata));
        let longest = exact.as_ref().map_or(single.bytes.len(), |exact| exact.bytes.len());
        let record_len = OVERHEAD + TIME_AND_STEP_LEN + longest;
        let chunk = (CHUNK_BYTES.min(options.max_buffer_bytes) / record_len).max(1);
        Self {
            tag: tag.into(),
            single,
            exact,
            record_len,
            chunk,
            records: vec![0; chunk * record_len],
            len: 0,
            first: (0, 0, 0.0, 0.0),
            last_step: 0,
            went_back: None,
        }
    }

    /// How many values a chunk takes.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// About how many bytes a chunk of `values` takes.
    pub fn size(&self, values: usize) -> usize {
        values * self.record_len
    }

    /// Frames a chunk, in place of the last one: as many values as there are steps, at times of their own or at `now`.
    pub fn frame(&mut self, steps: &[i64], values: &[f64], times: Option<&[f64]>, now: f64) {
        let count = steps.len().min(values.len());
        self.records.resize(count * self.record_len, 0);
        self.went_back = steps.windows(2).find(|pair| pair[1] < pair[0]).map(|pair| (pair[1], pair[0]));
        self.last_step = steps.last().copied().unwrap_or_default();
        self.len = count;
        let mut at = 0;
        let mut starts = [0; PASS + 1];
        for start in (0..count).step_by(PASS) {
            let end = count.min(start + PASS);
            starts[0] = at;
            for i in start..end {
                let time = times.map_or(now, |times| times[i]);
                at += self.put(at, time, steps[i], values[i]);
                starts[i - start + 1] = at;
            }
            for pair in starts[..=end - start].windows(2) {
                close(&mut self.records[pair[0]..pair[1]]);
            }
            if start == 0 {
                self.first = (starts[1], steps[0], values[0], times.map_or(now, |times| times[0]));
            }
        }
        self.records.truncate(at);
    }

    /// Puts a record but for its checksums at `at`; returns its length.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the low bits of a varint, the high ones of a double
    fn put(&mut self, at: usize, time: f64, step: i64, value: f64) -> usize {
        let record = &mut self.records[at..at + self.record_len];
        record[HEADER_LEN] = 0x09;
        record[HEADER_LEN + 1..HEADER_LEN + 9].copy_from_slice(&time.to_le_bytes());
        let mut end = HEADER_LEN + 9;
        if step != 0 {
            record[end] = 0x10;
            end += 1;
            let mut rest = step.cast_unsigned();
            while rest >= 0x80 {
                record[end] = rest as u8 | 0x80;
                rest >>= 7;
                end += 1;
            }
            record[end] = rest as u8;
            end += 1;
        }
        let template = match &self.exact {
            Some(exact) if needs_exact(value) => exact,
            _ => &self.single,
        };
        let summary = &mut record[end..end + template.bytes.len()];
        summary.copy_from_slice(&template.bytes);
        summary[template.value_at..template.value_at + 4].copy_from_slice(&(value as f32).to_le_bytes());
        if !std::ptr::eq(template, &raw const self.single) {
            let exact_at = summary.len() - 8;
            summary[exact_at..].copy_from_slice(&value.to_le_bytes());
        }
        end += template.bytes.len();
        let payload = (end - HEADER_LEN) as u64;
        record[..8].copy_from_slice(&payload.to_le_bytes());
        record[8..HEADER_LEN].copy_from_slice(&length_crc(payload).to_le_bytes());
        end + FOOTER_LEN
    }
}

/// Puts the checksum of a record's payload behind it.
#[inline]
fn close(record: &mut [u8]) {
    let footer = record.len() - FOOTER_LEN;
    let crc = masked_crc(&record[HEADER_LEN..footer]);
    record[footer..].copy_from_slice(&crc.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::encode::put_time_and_step;
    use crate::tfrecord::append_record;

    fn plain(
        tag: &str,
        steps: &[i64],
        values: &[f64],
        times: &[f64],
        exact: bool,
        metadata: &[u8],
    ) -> Vec<u8> {
        let mut records = Vec::new();
        for ((&step, &value), &time) in steps.iter().zip(values).zip(times) {
            append_record(&mut records, |buf| {
                put_time_and_step(buf, time, step);
                put_scalar_summary(buf, tag, value, exact, metadata);
            });
        }
        records
    }

    proptest! {
        #[test]
        fn a_series_is_its_scalars(
            tag in "[a-zäß/]{1,300}",
            rows in prop::collection::vec((any::<i64>(), prop_oneof![any::<f64>(), any::<f32>().prop_map(f64::from)], 0.0..2e9), 1..100),
            small_steps in any::<bool>(),
            exact in any::<bool>(),
            always in any::<bool>(),
        ) {
            let steps: Vec<i64> =
                rows.iter().map(|row| if small_steps { row.0.rem_euclid(300) } else { row.0 }).collect();
            let values: Vec<f64> = rows.iter().map(|row| row.1).collect();
            let times: Vec<f64> = rows.iter().map(|row| row.2).collect();
            let policy = if always { MetadataPolicy::Always } else { MetadataPolicy::First };
            let metadata = if always { SCALARS_METADATA } else { b"" };
            let options = Options { exact, metadata: policy, ..Options::default() };
            let mut series = Series::new(&tag, &options);
            for _ in 0..2 {
                series.frame(&steps, &values, Some(&times), 0.0);
                prop_assert_eq!(&series.records, &plain(&tag, &steps, &values, &times, exact, metadata));
            }
            let first = plain(&tag, &steps[..1], &values[..1], &times[..1], exact, metadata);
            prop_assert_eq!(series.first.0, first.len());
        }
    }

    #[test]
    fn without_times_all_have_the_one_given() {
        let mut series = Series::new("t", &Options::default());
        series.frame(&[0, 1], &[0.5, 0.1], None, 7.0);
        assert_eq!(series.records, plain("t", &[0, 1], &[0.5, 0.1], &[7.0, 7.0], true, SCALARS_METADATA));
    }

    #[test]
    fn a_chunk_is_within_the_buffers_bound() {
        let small = Options { max_buffer_bytes: 1000, ..Options::default() };
        let series = Series::new("t", &small);
        assert!(series.size(series.chunk()) <= 1000);
        assert_eq!(Series::new("t", &Options { max_buffer_bytes: 1, ..small }).chunk(), 1);
    }
}
