//! Rows to event files: the inverse of reading a frame.
//!
//! Rows are written in their order, each run to a new file of its own. Records gather in a buffer a run; a buffer
//! that has grown is appended and its file closed again, so that any number of runs needs no descriptors and
//! bounded memory.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, BinaryViewArray, RecordBatch, StringViewArray, StructArray};
use prost::Message;

use super::{WriteError, files};
use crate::event::encode::{
    SCALARS_METADATA, put_bytes_field, put_scalar_fields, put_scalar_summary, put_summary, put_time_and_step,
};
use crate::event::metadata::put_metadata_field;
use crate::event::proto::summary::{Audio, Image};
use crate::event::tensor::{Dim, dtype_from_name, put_string_tensor_field, put_tensor_field};
use crate::event_file::{Attempt, FileNames, RunName, file_version_record, now};
use crate::tfrecord::append_record;

/// A run's buffer is appended to its file when it has this size,
const RUN_BYTES: usize = 1 << 20;
/// and all are when they have this size together.
const ALL_BYTES: usize = 64 << 20;

/// Why rows could not be written. What was written before stays.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// A column is missing or has another type.
    #[error("column `{name}` must be {expected}")]
    Column {
        /// The column.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A value can't be written.
    #[error("row {row}: `{column}` {problem}")]
    Value {
        /// The row, counted from 0.
        row: u64,
        /// The column.
        column: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The system refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes rows to new event files below one logdir.
#[derive(Debug)]
pub struct RowWriter {
    logdir: PathBuf,
    exact: bool,
    names: FileNames,
    ids: HashMap<Box<str>, usize>,
    runs: Vec<RunRows>,
    buffered: usize,
    rows: u64,
}

#[derive(Debug)]
struct RunRows {
    dir: PathBuf,
    path: Option<PathBuf>,
    records: Vec<u8>,
}

/// The columns of a batch. All but the tag and the step may be missing: the run is then the logdir's own, the time
/// the present; `value` may be missing where there is a `summary`.
struct Columns<'b> {
    run: Option<&'b StringViewArray>,
    tag: &'b StringViewArray,
    step: &'b [i64],
    wall_time: Option<&'b [f64]>,
    value: Option<&'b arrow_array::Float64Array>,
    plugin: Option<&'b StringViewArray>,
    summary: Option<Summaries<'b>>,
}

/// The columns of the `summary` struct.
struct Summaries<'b> {
    kind: &'b StringViewArray,
    dtype: &'b StringViewArray,
    shape: &'b arrow_array::LargeListArray,
    display_name: &'b StringViewArray,
    description: &'b StringViewArray,
    plugin_content: &'b BinaryViewArray,
    data: &'b BinaryViewArray,
}

impl RowWriter {
    /// A writer below `logdir`, which should be absolute. `exact` keeps each float64 beside its float32.
    pub fn new(logdir: &Path, exact: bool, filename_suffix: &str) -> Self {
        let names = FileNames::new(now(), Attempt::current(), std::process::id(), filename_suffix);
        Self {
            logdir: logdir.to_path_buf(),
            exact,
            names,
            ids: HashMap::new(),
            runs: Vec::new(),
            buffered: 0,
            rows: 0,
        }
    }

    /// Writes the rows of a batch; some may wait for [`RowWriter::finish`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), RowError> {
        let columns = Columns::of(batch)?;
        let present = now();
        let mut fields = Vec::new();
        let mut last: Option<(&str, usize)> = None;
        for i in 0..batch.num_rows() {
            let name = columns.run.map_or(".", |runs| runs.value(i));
            let run = match last {
                Some((last, run)) if last == name => run,
                _ => self.run(name)?,
            };
            last = Some((name, run));
            let tag = columns.tag.value(i);
            let wall_time = columns.wall_time.map_or(present, |times| times[i]);
            if !wall_time.is_finite() {
                return Err(self.refuse("wall_time", format!("is {wall_time}, not seconds since the epoch")));
            }
            if tag.is_empty() {
                return Err(self.refuse("tag", "is empty".to_owned()));
            }
            let value = columns.value.filter(|values| values.is_valid(i)).map(|values| values.value(i));
            let described = columns.summary.as_ref().is_some_and(|summaries| summaries.is_described(i));
            let exact = self.exact;
            let records = &mut self.runs[run].records;
            let before = records.len();
            match (value, &columns.summary) {
                (Some(value), _) if !described => append_record(records, |buf| {
                    put_time_and_step(buf, wall_time, columns.step[i]);
                    put_scalar_summary(buf, tag, value, exact, SCALARS_METADATA);
                }),
                (value, Some(summaries)) => {
                    fields.clear();
                    let plugin = columns.plugin.filter(|plugins| plugins.is_valid(i)).map(|p| p.value(i));
                    if let Err(problem) = summaries.put_fields(&mut fields, i, value, plugin, exact) {
                        return Err(self.refuse("summary", problem));
                    }
                    append_record(records, |buf| {
                        put_time_and_step(buf, wall_time, columns.step[i]);
                        put_summary(buf, tag, &fields);
                    });
                }
                _ => return Err(self.refuse("value", "is null".to_owned())),
            }
            self.rows += 1;
            self.buffered += records.len() - before;
            if records.len() >= RUN_BYTES {
                self.buffered -= self.runs[run].append(&self.names)?;
            } else if self.buffered >= ALL_BYTES {
                self.append_all()?;
            }
        }
        Ok(())
    }

    /// Writes what waits; the number of rows and the files written.
    pub fn finish(mut self) -> Result<(u64, Vec<PathBuf>), RowError> {
        self.append_all()?;
        Ok((self.rows, self.runs.into_iter().filter_map(|run| run.path).collect()))
    }

    fn run(&mut self, name: &str) -> Result<usize, RowError> {
        if let Some(&run) = self.ids.get(name) {
            return Ok(run);
        }
        let run =
            RunName::new(name).map_err(|error| self.refuse("run", format!("can't be used: {error}")))?;
        let rows = RunRows { dir: run.dir(&self.logdir), path: None, records: Vec::new() };
        self.ids.insert(name.into(), self.runs.len());
        self.runs.push(rows);
        Ok(self.runs.len() - 1)
    }

    fn append_all(&mut self) -> Result<(), WriteError> {
        for run in self.runs.iter_mut().filter(|run| !run.records.is_empty()) {
            run.append(&self.names)?;
            run.records = Vec::new();
        }
        self.buffered = 0;
        Ok(())
    }

    fn refuse(&self, column: &'static str, problem: String) -> RowError {
        RowError::Value { row: self.rows, column, problem }
    }
}

impl RunRows {
    /// Appends the records to the file, which the first ones create; the number of bytes.
    fn append(&mut self, names: &FileNames) -> Result<usize, WriteError> {
        let (path, file) = match self.path.take() {
            Some(path) => {
                let file = files::reopen(&path).map_err(|error| WriteError::io(&path, error))?;
                (path, file)
            }
            None => self.create(names)?,
        };
        let result = file.get().write_all(&self.records).map_err(|error| WriteError::io(&path, error));
        self.path = Some(path);
        let len = self.records.len();
        self.records.clear();
        result.map(|()| len)
    }

    fn create(&self, names: &FileNames) -> Result<(PathBuf, files::Counted), WriteError> {
        std::fs::create_dir_all(&self.dir).map_err(|error| WriteError::io(&self.dir, error))?;
        loop {
            let path = self.dir.join(names.next());
            match files::create(&path) {
                Ok(file) => {
                    let first = file_version_record(Attempt::current());
                    file.get().write_all(&first).map_err(|error| WriteError::io(&path, error))?;
                    return Ok((path, file));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(WriteError::io(&path, error)),
            }
        }
    }
}

impl<'b> Columns<'b> {
    fn of(batch: &'b RecordBatch) -> Result<Self, RowError> {
        let texts = |name: &'static str| {
            let column = batch.column_by_name(name);
            column.map(|column| column.as_string_view_opt().ok_or(wrong(name, "strings"))).transpose()
        };
        let whole = |name: &'static str| {
            let column = batch.column_by_name(name).filter(|column| column.null_count() == 0);
            column.ok_or(wrong(name, "there, without nulls"))
        };
        let values = batch.column_by_name("value");
        let summary = batch.column_by_name("summary");
        if values.is_none() && summary.is_none() {
            return Err(wrong("value", "there, or `summary`"));
        }
        whole("tag")?;
        if batch.column_by_name("run").is_some() {
            whole("run")?;
        }
        let wall_time = batch.column_by_name("wall_time").map(|_| whole("wall_time")).transpose()?;
        Ok(Self {
            run: texts("run")?,
            tag: texts("tag")?.ok_or(wrong("tag", "strings"))?,
            step: whole("step")?.as_primitive_opt::<Int64Type>().ok_or(wrong("step", "int64"))?.values(),
            wall_time: wall_time
                .map(|column| column.as_primitive_opt::<Float64Type>().ok_or(wrong("wall_time", "float64")))
                .transpose()?
                .map(|times| &times.values()[..]),
            value: values
                .map(|column| column.as_primitive_opt::<Float64Type>().ok_or(wrong("value", "float64")))
                .transpose()?,
            plugin: texts("plugin")?,
            summary: summary
                .map(|column| {
                    let structs = column.as_struct_opt();
                    structs.and_then(Summaries::of).ok_or(wrong("summary", "as `collect_events` makes it"))
                })
                .transpose()?,
        })
    }
}

fn wrong(name: &'static str, expected: &'static str) -> RowError {
    RowError::Column { name, expected }
}

impl<'b> Summaries<'b> {
    fn of(structs: &'b StructArray) -> Option<Self> {
        let text = |name| structs.column_by_name(name)?.as_string_view_opt();
        let blob = |name| structs.column_by_name(name)?.as_binary_view_opt();
        Some(Self {
            kind: text("kind")?,
            dtype: text("dtype")?,
            shape: structs.column_by_name("shape")?.as_list_opt::<i64>()?,
            display_name: text("display_name")?,
            description: text("description")?,
            plugin_content: blob("plugin_content")?,
            data: blob("data")?,
        })
    }

    /// Whether the metadata says more than the plugin.
    fn is_described(&self, i: usize) -> bool {
        self.display_name.is_valid(i) || self.description.is_valid(i) || self.plugin_content.is_valid(i)
    }

    /// Appends a value's fields. A `value` of the row's own wins over that in its summary.
    fn put_fields(
        &self,
        buf: &mut Vec<u8>,
        i: usize,
        value: Option<f64>,
        plugin: Option<&str>,
        exact: bool,
    ) -> Result<(), String> {
        let mut metadata = Vec::new();
        let text = |texts: &'b StringViewArray| if texts.is_valid(i) { texts.value(i) } else { "" };
        let kind = text(self.kind);
        let plugin = plugin.unwrap_or(if kind == "scalar" || value.is_some() { "scalars" } else { "" });
        if !plugin.is_empty() {
            let content = if self.plugin_content.is_valid(i) { self.plugin_content.value(i) } else { b"" };
            put_metadata_field(
                &mut metadata,
                plugin,
                content,
                text(self.display_name),
                text(self.description),
            );
        }
        if let Some(value) = value {
            put_scalar_fields(buf, value, exact, &metadata);
            return Ok(());
        }
        let data = if self.data.is_valid(i) { self.data.value(i) } else { b"" };
        let shape = if self.shape.is_valid(i) { Some(self.shape.value(i)) } else { None };
        let dims = || -> Result<Vec<u64>, String> {
            let sizes = shape.as_ref().and_then(|shape| shape.as_primitive_opt::<Int64Type>());
            let sizes = sizes.ok_or("has no shape")?;
            sizes
                .values()
                .iter()
                .map(|&size| u64::try_from(size).map_err(|_| format!("has the size {size}")))
                .collect()
        };
        match kind {
            "scalar" => put_scalar_fields(buf, scalar(data).ok_or("has no number")?, exact, &metadata),
            "tensor" => {
                let dtype = dtype_from_name(text(self.dtype)).ok_or("has no known dtype")?;
                let dims: Vec<Dim> = dims()?.into_iter().map(Dim::new).collect();
                if text(self.dtype) == "string" {
                    put_string_tensor_field(buf, &dims, &strings(data).ok_or("holds damaged strings")?);
                } else {
                    put_tensor_field(buf, dtype, &dims, data);
                }
                buf.extend_from_slice(&metadata);
            }
            "image" => {
                let dims = dims()?;
                let size = |axis: usize| {
                    dims.get(axis).and_then(|&size| i32::try_from(size).ok()).unwrap_or_default()
                };
                let image = Image {
                    height: size(0),
                    width: size(1),
                    colorspace: size(2),
                    encoded_image_string: data.to_vec(),
                };
                put_bytes_field(buf, 4, &image.encode_to_vec());
                buf.extend_from_slice(&metadata);
            }
            "audio" => {
                let audio = Audio { encoded_audio_string: data.to_vec(), ..Audio::default() };
                put_bytes_field(buf, 6, &audio.encode_to_vec());
                buf.extend_from_slice(&metadata);
            }
            "histo" => {
                put_bytes_field(buf, 5, data);
                buf.extend_from_slice(&metadata);
            }
            "none" => buf.extend_from_slice(&metadata),
            other => return Err(format!("has the unknown kind {other:?}")),
        }
        Ok(())
    }
}

/// The number of a scalar's data.
fn scalar(data: &[u8]) -> Option<f64> {
    match data.len() {
        4 => Some(f64::from(f32::from_le_bytes(data.try_into().ok()?))),
        8 => Some(f64::from_le_bytes(data.try_into().ok()?)),
        _ => None,
    }
}

/// The elements of a string tensor's data.
fn strings(mut data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut strings = Vec::new();
    while let Some((len, rest)) = data.split_first_chunk::<4>() {
        let (string, next) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        strings.push(string);
        data = next;
    }
    data.is_empty().then_some(strings)
}
