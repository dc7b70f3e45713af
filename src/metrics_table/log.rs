//! Batches on disk before they are a part: an Arrow stream that outlives its killed writer.
//!
//! ```text
//! schema message | batch message | batch message | … | end mark | what an earlier log left
//! ```
//!
//! What one call appends goes out in one write, over the end mark of before. The metadata of a message end with a
//! checksum, where Arrow has padding:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | mark, length of the metadata |
//! | n | metadata, then zeros up to a multiple of 64 with the 8 before |
//! | 60 | zeros |
//! | 4 | CRC-32C of the number of the log, the metadata and the body |
//! | m | body |
//!
//! So a message is torn, whole, or of another log, and a file may serve for one log after another: pages that are
//! written over cost half of what new ones do. What was written is kept in memory as well, until the log is full and
//! its rows are taken: nothing is read back.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};
use thiserror::Error;

use super::compact::compact;

const PREFIX: usize = 8;
const SEAL: usize = 64; // so that bodies stay aligned
const END_MARK: [u8; PREFIX] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
const SPARE_BYTES: usize = 64 << 20; // larger memory is not kept

/// Why a batch was not taken. The log is as it was before.
#[derive(Debug, Error)]
pub enum LogError {
    /// The batch has columns that a stream can't hold, or not those of the log.
    #[error("{}: {source}", path.display())]
    Arrow {
        /// The log.
        path: PathBuf,
        /// What the Arrow library says.
        source: ArrowError,
    },
    /// The disk refused it; another try may succeed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The log.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Memory that one log after another uses, so that its pages are not made anew each time.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<Vec<u8>>>>);

impl Memory {
    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, mut bytes: Vec<u8>) {
        if (1..=SPARE_BYTES).contains(&bytes.capacity()) {
            bytes.clear();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

/// Bytes that rows refer to; they are given back with the last of these.
struct Lent {
    bytes: Vec<u8>,
    memory: Memory,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.memory.give(std::mem::take(&mut self.bytes));
    }
}

/// An open log.
pub struct BatchLog {
    path: PathBuf,
    file: File,
    number: u32,
    schema: SchemaRef,
    encoder: StreamEncoder,
    memory: Memory,
    bytes: Vec<u8>,
    written: usize,
}

impl BatchLog {
    /// Makes the log `number` at `path`, where nothing is yet; out of the file `spare`, if there is one.
    pub fn create(
        path: &Path,
        number: u32,
        schema: SchemaRef,
        spare: Option<&Path>,
        memory: Memory,
    ) -> Result<Self, LogError> {
        let encoder = encoder(path, &schema)?;
        let file = match spare {
            Some(spare) => {
                std::fs::rename(spare, path).and_then(|()| OpenOptions::new().write(true).open(path))
            }
            None => OpenOptions::new().write(true).create_new(true).open(path),
        };
        let file = file.map_err(|source| LogError::Io { path: path.to_owned(), source })?;
        let bytes = memory.take();
        Ok(Self { path: path.to_owned(), file, number, schema, encoder, memory, bytes, written: 0 })
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The columns of all batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many bytes are written.
    pub fn len(&self) -> usize {
        self.written
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// Copies a batch behind the others; `commit` writes it. The batch may go once this returned.
    pub fn stage(&mut self, batch: &RecordBatch) -> Result<(), LogError> {
        let compacted = self.fitting(batch).and_then(compact);
        let mut buffers = match compacted.and_then(|batch| self.encoder.encode(&batch)) {
            Ok(buffers) => buffers,
            Err(source) => {
                if self.bytes.is_empty() {
                    // It may have told the schema to nobody.
                    self.encoder = encoder(&self.path, &self.schema)?;
                }
                return Err(LogError::Arrow { path: self.path.clone(), source });
            }
        };
        self.bytes.reserve(buffers.iter().map(Buffer::len).sum::<usize>() + 2 * SEAL + PREFIX);
        if self.bytes.is_empty() {
            // The encoder told the schema with its first batch; it has no body.
            let mut schema = Vec::new();
            while schema.len() < PREFIX || schema.len() < head_end(&schema) {
                schema.extend_from_slice(&buffers.remove(0));
            }
            self.seal(&[schema.into()]);
        }
        self.seal(&buffers);
        Ok(())
    }

    /// Copies a message with its checksum behind the others.
    fn seal(&mut self, message: &[Buffer]) {
        let start = self.bytes.len();
        let mut body = 0;
        for buffer in message {
            self.bytes.extend_from_slice(buffer);
            // The metadata and their padding end with a buffer.
            if body == 0 && self.bytes.len() - start >= PREFIX {
                let head = head_end(&self.bytes[start..]);
                if self.bytes.len() - start == head {
                    self.bytes.resize(start + head + SEAL, 0);
                    let length = u32::try_from(head + SEAL - PREFIX).unwrap_or(u32::MAX);
                    self.bytes[start + 4..start + PREFIX].copy_from_slice(&length.to_le_bytes());
                    body = start + head + SEAL;
                }
            }
        }
        let sum = checksum(self.number, &self.bytes[start + PREFIX..body - 4], &self.bytes[body..]);
        self.bytes[body - 4..body].copy_from_slice(&sum.to_le_bytes());
    }

    fn fitting<'a>(&self, batch: &'a RecordBatch) -> Result<&'a RecordBatch, ArrowError> {
        if batch.schema_ref().fields() == self.schema.fields() {
            return Ok(batch);
        }
        Err(ArrowError::SchemaError(format!("columns {} in a log of {}", batch.schema_ref(), self.schema)))
    }

    /// Drops what was staged since the last `commit`.
    pub fn unstage(&mut self) {
        // The encoder told the schema once and for all, so it stays.
        let schema = if self.bytes.is_empty() { 0 } else { head_end(&self.bytes) };
        self.bytes.truncate(self.written.max(schema));
    }

    /// Writes what is staged; it is with the operating system when this returns.
    pub fn commit(&mut self) -> Result<(), LogError> {
        let end = self.bytes.len();
        self.bytes.extend_from_slice(&END_MARK);
        let place = SeekFrom::Start(self.written as u64);
        let done = self.file.seek(place).and_then(|_| self.file.write_all(&self.bytes[self.written..]));
        self.bytes.truncate(end);
        if let Err(source) = done {
            self.unstage();
            return Err(LogError::Io { path: self.path.clone(), source });
        }
        self.written = end;
        Ok(())
    }

    /// Stages and commits.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<(), LogError> {
        self.append_all([Ok(batch.clone())])
    }

    /// Writes all batches at once, or none.
    pub fn append_all(
        &mut self,
        batches: impl IntoIterator<Item = Result<RecordBatch, ArrowError>>,
    ) -> Result<(), LogError> {
        for batch in batches {
            let batch = batch.map_err(|source| LogError::Arrow { path: self.path.clone(), source });
            if let Err(error) = batch.and_then(|batch| self.stage(&batch)) {
                self.unstage();
                return Err(error);
            }
        }
        self.commit()
    }

    /// Ends the log; its rows, which share the memory of what was written. The file stays.
    pub fn close(mut self) -> Vec<RecordBatch> {
        self.bytes.truncate(self.written);
        self.bytes.extend_from_slice(&END_MARK); // without it the decoder leaves out a last batch of no bytes
        let mut rest = Buffer::from(Bytes::from_owner(Lent { bytes: self.bytes, memory: self.memory }));
        let mut decoder = StreamDecoder::new();
        #[allow(unsafe_code)] // half of the time of decoding
        // SAFETY: the bytes are what the encoder made of arrays that were valid.
        unsafe {
            decoder = decoder.with_skip_validation(true);
        }
        let mut batches = Vec::new();
        while let Ok(Some(batch)) = decoder.decode(&mut rest) {
            batches.push(batch);
        }
        batches
    }
}

fn encoder(path: &Path, schema: &SchemaRef) -> Result<StreamEncoder, LogError> {
    StreamEncoder::try_new(schema).map_err(|source| LogError::Arrow { path: path.to_owned(), source })
}

/// Where the whole batches end in what the log `number` left, which may be torn; 0 if there are none.
pub fn whole(bytes: &[u8], number: u32) -> usize {
    let Some(schema) = message(bytes, number) else { return 0 };
    let mut end = schema;
    while let Some(length) = message(&bytes[end..], number) {
        end += length;
    }
    if end == schema { 0 } else { end }
}

/// The length of the message of the log `number` that begins here, if it is whole.
fn message(bytes: &[u8], number: u32) -> Option<usize> {
    let prefix = bytes.get(..PREFIX)?;
    let head = head_end(prefix);
    if prefix[..4] != END_MARK[..4] || head < PREFIX + SEAL {
        return None;
    }
    let metadata = bytes.get(PREFIX..head)?;
    let body = arrow_ipc::root_as_message(metadata).ok()?.bodyLength();
    let end = head.checked_add(usize::try_from(body).ok()?)?;
    let (metadata, sum) = metadata.split_at(metadata.len() - 4);
    (checksum(number, metadata, bytes.get(head..end)?).to_le_bytes() == sum).then_some(end)
}

/// Where the metadata of a message end, by its first eight bytes.
fn head_end(prefix: &[u8]) -> usize {
    let length = [prefix[4], prefix[5], prefix[6], prefix[7]];
    PREFIX.saturating_add(u32::from_le_bytes(length) as usize)
}

fn checksum(number: u32, metadata: &[u8], body: &[u8]) -> u32 {
    crc32c_append(crc32c_append(crc32c(&number.to_le_bytes()), metadata), body)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{Int64Builder, ListBuilder, StringViewBuilder};
    use arrow_array::{Array, ArrayRef, RecordBatch};
    use proptest::prelude::*;

    use super::*;

    fn batch(numbers: &[Option<i64>], texts: &[Option<String>]) -> RecordBatch {
        let mut ids = Int64Builder::new();
        let mut names = StringViewBuilder::new();
        let mut words = ListBuilder::new(StringViewBuilder::new());
        for (number, text) in numbers.iter().zip(texts) {
            ids.append_option(*number);
            names.append_option(text.as_deref());
            words.append_option(text.as_deref().map(|text| text.split(' ').map(Some)));
        }
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(ids.finish())),
            ("name", Arc::new(names.finish())),
            ("words", Arc::new(words.finish())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    fn log(directory: &tempfile::TempDir, like: &RecordBatch) -> BatchLog {
        BatchLog::create(&directory.path().join("7"), 7, like.schema(), None, Memory::default()).unwrap()
    }

    fn some_rows() -> impl Strategy<Value = RecordBatch> {
        let row = (any::<Option<i64>>(), proptest::option::of("[a-zé ]{0,40}"));
        proptest::collection::vec(row, 0..50).prop_map(|rows| {
            let (numbers, texts): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            batch(&numbers, &texts)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn slices_come_back_as_they_were(all in proptest::collection::vec(some_rows(), 1..5), from in 0usize..60) {
            let directory = tempfile::tempdir().unwrap();
            let mut log = log(&directory, &all[0]);
            let slices: Vec<_> = all
                .iter()
                .map(|batch| {
                    let from = from.min(batch.num_rows());
                    batch.slice(from, batch.num_rows() - from)
                })
                .collect();
            for slice in &slices {
                log.append(slice).unwrap();
            }
            let path = log.path().to_owned();
            let data = std::fs::read(path).unwrap();
            prop_assert_eq!(whole(&data, 7), log.len());
            prop_assert_eq!(&log.close(), &slices);
        }
    }

    #[test]
    fn a_log_cut_anywhere_keeps_its_whole_batches() {
        let directory = tempfile::tempdir().unwrap();
        let one = batch(&[Some(1), None], &[Some("a text of some length".into()), None]);
        let mut log = log(&directory, &one);
        let mut ends = Vec::new();
        for rows in [1, 0, 2] {
            log.append(&one.slice(0, rows)).unwrap();
            ends.push(log.len());
        }
        let all = std::fs::read(log.path()).unwrap();
        for length in 0..=all.len() {
            let kept = ends.iter().copied().rfind(|&end| end <= length).unwrap_or(0);
            assert_eq!(whole(&all[..length], 7), kept, "cut at {length}");
            let grown = [&all[..length], &[0; 100]].concat(); // a file system that grew the file but not the data
            let found = whole(&grown, 7); // more where the missing bytes were zeros as well
            assert!(found >= kept && grown[..found] == all[..found], "cut at {length}");
            if length < ends[2] {
                let mut changed = all.clone();
                changed[length] ^= 1;
                assert_eq!(whole(&changed, 7), kept, "changed at {length}");
            }
        }
        assert_eq!(whole(&all, 8), 0);
    }

    #[test]
    fn a_file_serves_again_and_what_it_held_is_gone_wherever_the_writer_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let rows = batch(&[Some(1), Some(2), Some(3), Some(4)], &vec![None; 4]);
        let mut first = log(&directory, &rows);
        for row in 0..4 {
            first.append(&rows.slice(row, 1)).unwrap();
        }
        let old = std::fs::read(first.path()).unwrap();
        let (spare, memory) = (first.path().to_owned(), first.memory.clone());
        drop(first.close());
        let path = directory.path().join("8");
        let mut second = BatchLog::create(&path, 8, rows.schema(), Some(&spare), memory).unwrap();
        assert!(second.bytes.capacity() > 0, "the memory serves again as well");
        assert_eq!(whole(&std::fs::read(&path).unwrap(), 8), 0);
        second.append(&rows.slice(2, 1)).unwrap();
        let between = second.len();
        second.append(&rows.slice(3, 1)).unwrap();
        let new = std::fs::read(&path).unwrap();
        assert_eq!(new.len(), old.len());
        for length in 0..new.len() {
            let mixed = [&new[..length], &old[length..]].concat();
            let kept = [0, between, second.len()].into_iter().rfind(|&end| end <= length).unwrap();
            let found = whole(&mixed, 8); // more where the missing bytes were the same before
            assert!(found >= kept && mixed[..found] == new[..found], "killed at {length}");
        }
        assert_eq!(second.close(), [rows.slice(2, 1), rows.slice(3, 1)]);
    }

    #[test]
    fn garbage_is_no_batch() {
        for bytes in [&b""[..], b"\xff\xff\xff\xff", b"PAR1 is something else", &[0xff; 640], &[0; 64]] {
            assert_eq!(whole(bytes, 7), 0);
        }
    }

    #[test]
    fn what_was_not_committed_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let one = batch(&[Some(1)], &[Some("x".into())]);
        let mut log = log(&directory, &one);
        for _ in 0..2 {
            log.stage(&one).unwrap();
            log.unstage();
        }
        assert!(log.is_empty());
        log.append(&one).unwrap();
        log.stage(&one).unwrap();
        assert_eq!(log.close(), [one]);
    }

    #[test]
    fn a_slice_does_not_bring_the_texts_of_the_whole() {
        let directory = tempfile::tempdir().unwrap();
        let texts: Vec<_> =
            (0..10_000).map(|number| Some(format!("a text of some length {number}"))).collect();
        let all = batch(&vec![None; texts.len()], &texts);
        let mut log = log(&directory, &all);
        for from in (0..10_000).step_by(100) {
            log.append(&all.slice(from, 100)).unwrap();
        }
        assert!(log.len() < 4_000_000, "{}", log.len());
        let rows: usize = log.close().iter().map(|batch| batch.column(1).len()).sum();
        assert_eq!(rows, 10_000);
    }
}
