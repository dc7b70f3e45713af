//! Frames back to event files.
//!
//! A run's rows become one new file. It is written under a hidden name and gets its own when it is whole, so that no
//! reader meets half of it and a failure leaves nothing behind.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use crate::event::encode::{SCALARS_METADATA, append_value_event, put_scalar_summary, put_time_and_step};
use crate::event::proto;
use crate::event_file::{Attempt, FileNames, InvalidRunName, RunName};
use crate::tfrecord::append_record;

/// Bytes gathered before they are written.
const CHUNK: usize = 1 << 20;

/// Why rows were not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteRowsError {
    /// The run's name is none.
    #[error(transparent)]
    Run(#[from] InvalidRunName),
    /// The columns don't fit together.
    #[error("columns of different lengths, or a tag that is none of the names")]
    Columns,
    /// The file or its directory could not be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// Scalars as columns: native-endian numbers, tags as positions in a list of names.
#[derive(Clone, Copy, Debug)]
pub struct Scalars<'a> {
    /// The names.
    pub names: &'a [String],
    /// The tags (u32).
    pub tags: &'a [u8],
    /// The steps (i64).
    pub steps: &'a [u8],
    /// The wall times (f64).
    pub wall_times: &'a [u8],
    /// The values (f64).
    pub values: &'a [u8],
}

/// Writes scalars to a new event file of a run; its path.
pub fn write_scalars(logdir: &Path, run: &str, scalars: &Scalars<'_>) -> Result<PathBuf, WriteRowsError> {
    let (tags, []) = scalars.tags.as_chunks::<4>() else { return Err(WriteRowsError::Columns) };
    let (steps, _) = scalars.steps.as_chunks::<8>();
    let (wall_times, _) = scalars.wall_times.as_chunks::<8>();
    let (values, _) = scalars.values.as_chunks::<8>();
    if steps.len() != tags.len() || wall_times.len() != tags.len() || values.len() != tags.len() {
        return Err(WriteRowsError::Columns);
    }
    if tags.iter().any(|&tag| u32::from_ne_bytes(tag) as usize >= scalars.names.len()) {
        return Err(WriteRowsError::Columns);
    }
    let start = wall_times.first().map_or(0.0, |&first| f64::from_ne_bytes(first));
    write_file(logdir, run, start, |sink| {
        for (i, &tag) in tags.iter().enumerate() {
            let tag = &scalars.names[u32::from_ne_bytes(tag) as usize];
            let (wall_time, value) = (f64::from_ne_bytes(wall_times[i]), f64::from_ne_bytes(values[i]));
            append_record(&mut sink.bytes, |buf| {
                put_time_and_step(buf, wall_time, i64::from_ne_bytes(steps[i]));
                put_scalar_summary(buf, tag, value, true, SCALARS_METADATA);
            });
            sink.flush_if_full()?;
        }
        Ok(())
    })
}

/// A value: tag, fields, step and wall time.
pub type ValueRow = (String, Vec<u8>, i64, f64);

/// Writes values of any kind to a new event file of a run; its path.
pub fn write_values(logdir: &Path, run: &str, rows: &[ValueRow]) -> Result<PathBuf, WriteRowsError> {
    write_file(logdir, run, rows.first().map_or(0.0, |row| row.3), |sink| {
        for (tag, fields, step, wall_time) in rows {
            append_value_event(&mut sink.bytes, *wall_time, *step, tag, fields);
            sink.flush_if_full()?;
        }
        Ok(())
    })
}

struct Sink {
    bytes: Vec<u8>,
    file: File,
}

impl Sink {
    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.bytes.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

fn write_file(
    logdir: &Path,
    run: &str,
    start: f64,
    rows: impl FnOnce(&mut Sink) -> io::Result<()>,
) -> Result<PathBuf, WriteRowsError> {
    let directory = RunName::new(run)?.dir(logdir);
    let failed = |path: &Path, error| WriteRowsError::Io { path: path.to_path_buf(), error };
    fs::create_dir_all(&directory).map_err(|error| failed(&directory, error))?;
    let name = FileNames::new(start, Attempt::current(), std::process::id(), ".v2").next();
    let path = directory.join(&name);
    // Without "tfevents" in it, so that nobody takes it for an event file.
    let hidden = directory.join(format!(".{}.tmp", name.replace("tfevents", "events")));
    let written = File::create_new(&hidden).and_then(|file| {
        let mut sink = Sink { bytes: Vec::with_capacity(CHUNK + CHUNK / 8), file };
        append_record(&mut sink.bytes, |buf| buf.extend_from_slice(&file_version(start)));
        rows(&mut sink)?;
        sink.flush()?;
        fs::rename(&hidden, &path)
    });
    written.map_err(|error| {
        let _gone = fs::remove_file(&hidden);
        failed(&path, error)
    })?;
    Ok(path)
}

/// The first event: of the time of the first row, and of no attempt, for these rows were logged by others.
fn file_version(start: f64) -> Vec<u8> {
    let event = proto::Event {
        wall_time: start,
        what: Some(proto::event::What::FileVersion("brain.Event:2".to_owned())),
        source_metadata: Some(proto::SourceMetadata { writer: "tfruns_rs".to_owned() }),
        ..proto::Event::default()
    };
    event.encode_to_vec()
}
