//! `EventWriter`, and the life of all writers: flush, fork, exit.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeWarning, PyUserWarning, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyMapping, PyString, PyTuple};
use tfruns_rs::event_file::RunName;
use tfruns_rs::writer::{
    self as core, Call, MetadataPolicy, Options, Refused, RunId, SharingState, WriteError, Writer,
};

use crate::errors;

/// How often a waiting caller looks for Ctrl-C.
const LOOK_FOR_SIGNALS: Duration = Duration::from_millis(100);
/// How long a caller waits for room before it says so.
const STALLED: Duration = Duration::from_secs(5);
/// Integers up to here are all floats.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;
/// The largest message that protobuf allows, less the frame around a value.
const LARGEST: usize = (1 << 31) - (1 << 16);
/// How many values of a series are encoded at once.
const SERIES_CHUNK: usize = 1 << 14;
/// Mappings nested deeper are refused: one that holds itself has no end.
const DEEPEST: usize = 100;

/// Writes the events of one logdir.
#[pyclass(frozen, weakref, module = "tfruns_rs")]
pub struct EventWriter {
    writer: Arc<Writer>,
    /// The logdir itself as a run: for managed steps, and for explicit ones.
    roots: [OnceLock<RunId>; 2],
    on_full: OnFull,
    on_error: OnError,
    stall_told: AtomicBool,
}

#[derive(Clone, Copy, PartialEq)]
enum OnFull {
    Block,
    Raise,
}

#[derive(Clone, Copy, PartialEq)]
enum OnError {
    Raise,
    Warn,
}

/// One value of a call, read from Python.
struct Leaf<'py> {
    run: usize,
    tag: Bound<'py, PyString>,
    value: Value<'py>,
}

enum Value<'py> {
    Number(f64),
    Text(Bound<'py, PyString>),
    Fields(Bound<'py, PyBytes>),
}

/// The values of a call, and the runs they go to.
#[derive(Default)]
struct Leaves<'py> {
    leaves: Vec<Leaf<'py>>,
    /// Runs beside the logdir itself, which is number 0.
    runs: Vec<String>,
}

#[pymethods]
#[allow(clippy::too_many_arguments)] // keywords, in Python
impl EventWriter {
    #[new]
    #[pyo3(signature = (
        logdir, *, flush_secs=1.0, max_buffer_bytes=67_108_864, filename_suffix=".v2", exact=true,
        metadata="always", on_full="block", on_error="raise", shared=false, lock_timeout_secs=5.0
    ))]
    fn new(
        py: Python<'_>,
        logdir: PathBuf,
        flush_secs: f64,
        max_buffer_bytes: usize,
        filename_suffix: &str,
        exact: bool,
        metadata: &str,
        on_full: &str,
        on_error: &str,
        shared: bool,
        lock_timeout_secs: f64,
    ) -> PyResult<Self> {
        if !(0.0..=1e6).contains(&flush_secs) {
            return Err(PyValueError::new_err(format!(
                "flush_secs is {flush_secs}; it is from 0 to 1000000"
            )));
        }
        if !(0.0..=1e6).contains(&lock_timeout_secs) {
            let message = format!("lock_timeout_secs is {lock_timeout_secs}; it is from 0 to 1000000");
            return Err(PyValueError::new_err(message));
        }
        if filename_suffix.len() > 64 || filename_suffix.contains(['/', '\0']) {
            return Err(PyValueError::new_err(format!(
                "filename_suffix {filename_suffix:?} is no part of a name"
            )));
        }
        let metadata = choice(
            "metadata",
            metadata,
            &[("always", MetadataPolicy::Always), ("first", MetadataPolicy::First)],
        )?;
        let options = Options {
            flush_secs,
            max_buffer_bytes,
            filename_suffix: filename_suffix.to_owned(),
            exact,
            metadata,
            shared,
            rank: core::rank_of_environment(),
            lock_timeout: Duration::from_secs_f64(lock_timeout_secs),
        };
        if logdir.as_os_str().is_empty() {
            return Err(PyValueError::new_err("a logdir is not an empty text"));
        }
        let path = py.import("os.path")?;
        let logdir = path.call_method1("expanduser", (logdir,))?;
        let logdir: PathBuf = path.call_method1("abspath", (logdir,))?.extract()?;
        Ok(Self {
            on_full: choice("on_full", on_full, &[("block", OnFull::Block), ("raise", OnFull::Raise)])?,
            on_error: choice("on_error", on_error, &[("raise", OnError::Raise), ("warn", OnError::Warn)])?,
            writer: py.detach(|| Writer::new(&logdir, options)),
            roots: [OnceLock::new(), OnceLock::new()],
            stall_told: AtomicBool::new(false),
        })
    }

    /// Logs a number.
    #[pyo3(signature = (tag, value, step=None, *, wall_time=None, run=None))]
    fn add_scalar(
        &self,
        py: Python<'_>,
        tag: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        step: Option<&Bound<'_, PyAny>>,
        wall_time: Option<f64>,
        run: Option<&str>,
    ) -> PyResult<()> {
        let number = number(value)?.ok_or_else(|| refuse_value(tag, value, "a number"))?;
        let (step, wall_time) = (step_of(py, step)?, check_time(py, wall_time)?);
        let tag = tag_of(tag)?;
        let run = self.run(py, run.unwrap_or("."), step.is_some())?;
        self.log(py, step, wall_time, 64 + tag.len(), |call| call.scalar(run, tag, number))
    }

    /// Logs numbers under one step.
    #[pyo3(signature = (values, step=None, *, wall_time=None, run=None))]
    fn add_scalars<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyMapping>,
        step: Option<&Bound<'py, PyAny>>,
        wall_time: Option<f64>,
        run: Option<&str>,
    ) -> PyResult<()> {
        let mut leaves = Leaves::default();
        for item in values.items()? {
            let (tag, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item.extract()?;
            let tag = key_of(&tag)?;
            let number = number(&value)?.ok_or_else(|| refuse_value(&tag, &value, "a number"))?;
            leaves.leaves.push(Leaf { run: 0, tag, value: Value::Number(number) });
        }
        self.log_leaves(py, run.unwrap_or("."), &leaves, step, wall_time)
    }

    /// Logs a text.
    #[pyo3(signature = (tag, text, step=None, *, wall_time=None, run=None))]
    fn add_text(
        &self,
        py: Python<'_>,
        tag: &Bound<'_, PyString>,
        text: &str,
        step: Option<&Bound<'_, PyAny>>,
        wall_time: Option<f64>,
        run: Option<&str>,
    ) -> PyResult<()> {
        let (step, wall_time) = (step_of(py, step)?, check_time(py, wall_time)?);
        let tag = tag_of(tag)?;
        check_size(py, tag, text.len())?;
        let run = self.run(py, run.unwrap_or("."), step.is_some())?;
        self.log(py, step, wall_time, 64 + tag.len() + text.len(), |call| call.text(run, tag, text))
    }

    /// Logs a whole series of numbers from arrays.
    #[pyo3(signature = (tag, steps, values, wall_times=None, *, run=None))]
    fn add_scalar_series(
        &self,
        py: Python<'_>,
        tag: &Bound<'_, PyString>,
        steps: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
        wall_times: Option<&Bound<'_, PyAny>>,
        run: Option<&str>,
    ) -> PyResult<()> {
        let steps: Vec<i64> = array(steps, "int64")?;
        let values: Vec<f64> = array(values, "float64")?;
        let times: Option<Vec<f64>> = wall_times.map(|times| array(times, "float64")).transpose()?;
        let tag = tag_of(tag)?;
        let lengths = (steps.len(), times.as_ref().map_or(steps.len(), Vec::len));
        if lengths != (values.len(), values.len()) {
            let message = format!("tag {tag:?}: steps, values and wall_times differ in length");
            return Err(errors::error(py, "InvalidEventError", message));
        }
        if let Some(time) = times.iter().flatten().find(|time| !time.is_finite()) {
            check_time(py, Some(*time))?;
        }
        if values.is_empty() {
            return Ok(());
        }
        let run = self.run(py, run.unwrap_or("."), true)?;
        for start in (0..values.len()).step_by(SERIES_CHUNK) {
            let chunk = start..values.len().min(start + SERIES_CHUNK);
            let size = chunk.len() * (64 + tag.len());
            let (steps, values) = (&steps[chunk.clone()], &values[chunk.clone()]);
            let times = times.as_ref().map(|times| &times[chunk]);
            self.log(py, Some(0), None, size, |call| call.series(run, tag, steps, values, times))?;
        }
        Ok(())
    }

    /// Logs values that are encoded already, `(run, tag, fields)`, under one step.
    #[pyo3(signature = (values, step=None, wall_time=None))]
    fn add_values<'py>(
        &self,
        py: Python<'py>,
        values: Vec<(String, Bound<'py, PyString>, Bound<'py, PyBytes>)>,
        step: Option<&Bound<'py, PyAny>>,
        wall_time: Option<f64>,
    ) -> PyResult<()> {
        let mut leaves = Leaves::default();
        for (run, tag, fields) in values {
            check_size(py, tag.to_str()?, fields.as_bytes().len())?;
            let run = leaves.run(run);
            leaves.leaves.push(Leaf { run, tag, value: Value::Fields(fields) });
        }
        self.log_leaves(py, ".", &leaves, step, wall_time)
    }

    /// `log_event`, as far as it needs no Python: False where a value is neither number, text nor dict of these.
    fn _log_plain<'py>(
        &self,
        py: Python<'py>,
        mappings: &Bound<'py, PyTuple>,
        step: Option<&Bound<'py, PyAny>>,
        wall_time: Option<f64>,
    ) -> PyResult<bool> {
        let mut leaves = Leaves::default();
        for mapping in mappings {
            let Ok(mapping) = mapping.cast_exact::<PyDict>() else { return Ok(false) };
            if !leaves.collect(mapping, 0, 1)? {
                return Ok(false);
            }
        }
        self.log_leaves(py, ".", &leaves, step, wall_time)?;
        Ok(true)
    }

    /// Logs an event that holds something else than values with tags, as torch's `add_event` does: `field` is the
    /// number of a field of `Event` (4 a graph, 5 a summary, 7 a session log, 8 the metadata of a run).
    #[pyo3(signature = (field, message, step, wall_time=None, *, run=None))]
    fn _log_message(
        &self,
        py: Python<'_>,
        field: u32,
        message: &Bound<'_, PyBytes>,
        step: i64,
        wall_time: Option<f64>,
        run: Option<&str>,
    ) -> PyResult<()> {
        if !(3..=9).contains(&field) {
            return Err(PyValueError::new_err(format!("an event has no field {field} for what it holds")));
        }
        let wall_time = check_time(py, wall_time)?;
        let message = message.as_bytes();
        check_size(py, "", message.len())?;
        let run = self.run(py, run.unwrap_or("."), true)?;
        self.log(py, Some(step), wall_time, 64 + message.len(), |call| call.message(run, field, message))
    }

    /// `Run.log`: numbers of one call, which its events carry with its epoch.
    fn _log_metrics(
        &self,
        py: Python<'_>,
        run: &str,
        values: &Bound<'_, PyDict>,
        step: i64,
        wall_time: f64,
        epoch: Option<i64>,
        call: u64,
    ) -> PyResult<()> {
        let wall_time = check_time(py, Some(wall_time))?;
        let mut numbers = Vec::with_capacity(values.len());
        for (tag, value) in values {
            numbers.push((tag.cast_into::<PyString>()?, value.extract::<f64>()?));
        }
        let tags: Vec<_> = numbers.iter().map(|(tag, _)| tag_of(tag)).collect::<PyResult<_>>()?;
        let size = tags.iter().map(|tag| 96 + tag.len()).sum();
        let run = self.run(py, run, true)?;
        self.log(py, Some(step), wall_time, size, |record| {
            record.extend(epoch, call);
            for (tag, (_, value)) in tags.iter().zip(&numbers) {
                record.scalar(run, tag, *value);
            }
        })
    }

    /// Writes all records logged so far to their files.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.report(py, py.detach(|| self.writer.flush()))
    }

    /// Flushes, and sees the files to the disk.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.report(py, py.detach(|| self.writer.sync()))
    }

    /// Flushes and ends the writer.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.report(py, py.detach(|| self.writer.close()))
    }

    /// The next managed step, which it uses up unless told otherwise.
    #[pyo3(signature = (*, increment=true))]
    fn next_step(&self, py: Python<'_>, increment: bool) -> PyResult<i64> {
        py.detach(|| self.writer.next_step(increment)).map_err(|error| to_python(py, &error))
    }

    /// Makes a step the next managed one; returns what would have been.
    #[pyo3(signature = (step, /))]
    fn set_next_step(&self, py: Python<'_>, step: &Bound<'_, PyAny>) -> PyResult<i64> {
        let step = extract_step(py, step)?;
        py.detach(|| self.writer.set_next_step(step)).map_err(|error| to_python(py, &error))
    }

    /// The counters, as a dict.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.writer.stats());
        let dict = PyDict::new(py);
        dict.set_item("events", stats.events)?;
        dict.set_item("bytes", stats.bytes)?;
        dict.set_item("batches", stats.batches)?;
        dict.set_item("buffered_bytes", stats.buffered_bytes)?;
        dict.set_item("waits", stats.waits)?;
        dict.set_item("dropped", stats.dropped)?;
        dict.set_item("errors", stats.errors)?;
        dict.set_item("last_error", stats.last_error)?;
        let sharing = match stats.sharing {
            SharingState::Off => "off",
            SharingState::On => "on",
            SharingState::LockTimeout => "alone: lock timeout",
            SharingState::UntrustedLocks => "alone: untrusted locks",
            SharingState::OtherHost => "alone: other host",
        };
        dict.set_item("sharing", sharing)?;
        dict.set_item("completed", stats.completed)?;
        Ok(dict)
    }

    /// Where the writer's runs are: an absolute path.
    #[getter]
    fn logdir(&self) -> String {
        self.writer.logdir().to_string_lossy().into_owned()
    }

    /// The event files written now, one a run.
    #[getter]
    fn files(&self, py: Python<'_>) -> Vec<String> {
        let files = py.detach(|| self.writer.files());
        files.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    /// Whether the writer is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.writer.is_closed()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((String,), Bound<'py, PyDict>)> {
        let options = self.writer.options();
        let kwargs = PyDict::new(py);
        kwargs.set_item("flush_secs", options.flush_secs)?;
        kwargs.set_item("max_buffer_bytes", options.max_buffer_bytes)?;
        kwargs.set_item("filename_suffix", &options.filename_suffix)?;
        kwargs.set_item("exact", options.exact)?;
        let first = options.metadata == MetadataPolicy::First;
        kwargs.set_item("metadata", if first { "first" } else { "always" })?;
        kwargs.set_item("on_full", if self.on_full == OnFull::Raise { "raise" } else { "block" })?;
        kwargs.set_item("on_error", if self.on_error == OnError::Warn { "warn" } else { "raise" })?;
        kwargs.set_item("shared", options.shared)?;
        kwargs.set_item("lock_timeout_secs", options.lock_timeout.as_secs_f64())?;
        Ok(((self.logdir(),), kwargs))
    }

    fn __repr__(&self) -> String {
        let closed = if self.closed() { ", closed" } else { "" };
        format!("EventWriter({:?}{closed})", self.logdir())
    }
}

impl EventWriter {
    /// The run's index; its directory and file are created with its first record.
    fn run(&self, py: Python<'_>, name: &str, explicit: bool) -> PyResult<RunId> {
        if name == "." {
            let root = &self.roots[usize::from(explicit)];
            if let Some(&root) = root.get() {
                return Ok(root);
            }
            let run = self.open_run(py, name, explicit)?;
            return Ok(*root.get_or_init(|| run));
        }
        match self.writer.run(name) {
            Some(run) if !explicit || !self.writer.is_ranked() => Ok(run),
            _ => self.open_run(py, name, explicit),
        }
    }

    fn open_run(&self, py: Python<'_>, name: &str, explicit: bool) -> PyResult<RunId> {
        let name = if explicit { self.writer.run_of_steps(name) } else { RunName::new(name) };
        let name = name.map_err(|error| errors::error(py, "InvalidEventError", error.to_string()))?;
        py.detach(|| self.writer.open_run(name)).map_err(|error| to_python(py, &error))
    }

    fn log_leaves<'py>(
        &self,
        py: Python<'py>,
        root: &str,
        leaves: &Leaves<'py>,
        step: Option<&Bound<'py, PyAny>>,
        wall_time: Option<f64>,
    ) -> PyResult<()> {
        let (step, wall_time) = (step_of(py, step)?, check_time(py, wall_time)?);
        if leaves.leaves.is_empty() {
            return Err(errors::error(py, "InvalidEventError", "nothing to log: no value was given"));
        }
        let mut values = Vec::with_capacity(leaves.leaves.len());
        let mut size = 0;
        for leaf in &leaves.leaves {
            let tag = tag_of(&leaf.tag)?;
            size += 64 + tag.len();
            if let Value::Text(text) = &leaf.value {
                let len = text.to_str()?.len();
                check_size(py, tag, len)?;
                size += len;
            } else if let Value::Fields(fields) = &leaf.value {
                size += fields.as_bytes().len();
            }
            values.push((leaf.run, tag, &leaf.value));
        }
        for name in &leaves.runs {
            RunName::new(name).map_err(|error| errors::error(py, "InvalidEventError", error.to_string()))?;
        }
        // A mapping that holds only mappings names a directory, not a run.
        let mut runs = vec![None; leaves.runs.len() + 1];
        for leaf in &leaves.leaves {
            if runs[leaf.run].is_none() {
                let name = if leaf.run == 0 { root } else { &leaves.runs[leaf.run - 1] };
                runs[leaf.run] = Some(self.run(py, name, step.is_some())?);
            }
        }
        let runs: Vec<_> = runs.into_iter().map(Option::unwrap_or_default).collect();
        self.log(py, step, wall_time, size, |call| {
            for (run, tag, value) in values {
                match value {
                    Value::Number(number) => call.scalar(runs[run], tag, *number),
                    Value::Text(text) => call.text(runs[run], tag, text.to_str().unwrap_or_default()),
                    Value::Fields(fields) => call.fields(runs[run], tag, fields.as_bytes()),
                }
            }
        })
    }

    /// Makes a call, waiting for room where that is asked for, and does what is left to do after it.
    fn log(
        &self,
        py: Python<'_>,
        step: Option<i64>,
        wall_time: Option<f64>,
        size: usize,
        encode: impl FnOnce(&mut Call<'_>),
    ) -> PyResult<()> {
        let mut call = match self.writer.call(step, wall_time, size) {
            Ok(call) => call,
            Err(refused) => match self.wait(py, refused, step, wall_time, size)? {
                Some(call) => call,
                None => return Ok(()),
            },
        };
        encode(&mut call);
        let taken = call.end();
        if taken.commit {
            self.report(py, py.detach(|| self.writer.commit()))?;
        }
        if let Some(fault) = taken.fault {
            self.report(py, Err(fault))?;
        }
        if let Some((tag, step, last)) = taken.went_back {
            let message = format!(
                "tag {tag:?}: step {step} comes after step {last}; TensorBoard hides points whose step goes back \
                 (said once for a writer)"
            );
            warn(py, &py.get_type::<PyUserWarning>(), &message)?;
        }
        Ok(())
    }

    /// Waits for room; `None` where the records were given up.
    #[cold]
    fn wait(
        &self,
        py: Python<'_>,
        mut refused: Refused,
        step: Option<i64>,
        wall_time: Option<f64>,
        size: usize,
    ) -> PyResult<Option<Call<'_>>> {
        let start = Instant::now();
        loop {
            match refused {
                Refused::Busy => {
                    py.detach(|| self.writer.wait_for_turn());
                    refused = match self.writer.call(step, wall_time, size) {
                        Ok(call) => return Ok(Some(call)),
                        Err(refused) => refused,
                    };
                    continue;
                }
                Refused::Closed => {
                    return Err(to_python(py, &WriteError::Closed(self.writer.logdir().to_path_buf())));
                }
                Refused::Full { failing: true } if self.on_error == OnError::Warn => {
                    py.detach(|| self.writer.count_dropped(1));
                    if let Some(fault) = py.detach(|| self.writer.take_fault()) {
                        self.report(py, Err(fault))?;
                    }
                    return Ok(None);
                }
                Refused::Full { failing } => {
                    if failing && let Some(fault) = py.detach(|| self.writer.take_fault()) {
                        py.detach(|| self.writer.count_dropped(1));
                        return Err(to_python(py, &fault));
                    }
                    if self.on_full == OnFull::Raise {
                        let bytes = self.writer.options().max_buffer_bytes;
                        let message = format!(
                            "the buffer of {} is full ({bytes} bytes); the record was not taken",
                            self.logdir()
                        );
                        return Err(errors::error(py, "BufferFullError", message));
                    }
                }
            }
            let waited = start.elapsed();
            if waited.is_zero() || waited < LOOK_FOR_SIGNALS / 2 {
                py.detach(|| self.writer.count_wait());
            }
            if waited > STALLED && !self.stall_told.swap(true, Ordering::Relaxed) {
                let message = format!(
                    "logging to {} waits: its buffer is full and the file system has not taken it for 5 s",
                    self.logdir()
                );
                warn(py, &py.get_type::<PyRuntimeWarning>(), &message)?;
            }
            py.detach(|| self.writer.wait_for_room(LOOK_FOR_SIGNALS));
            py.check_signals()?;
            refused = match self.writer.call(step, wall_time, size) {
                Ok(call) => return Ok(Some(call)),
                Err(refused) => refused,
            };
        }
    }

    /// Raises an error, or warns of it.
    fn report(&self, py: Python<'_>, result: Result<(), WriteError>) -> PyResult<()> {
        match result {
            Ok(()) => Ok(()),
            Err(error @ WriteError::Io { .. }) if self.on_error == OnError::Warn => {
                warn(py, &py.get_type::<PyRuntimeWarning>(), &format!("events are not written: {error}"))
            }
            Err(error) => Err(to_python(py, &error)),
        }
    }
}

impl<'py> Leaves<'py> {
    fn run(&mut self, name: String) -> usize {
        if name == "." {
            return 0;
        }
        let known = self.runs.iter().position(|run| *run == name);
        known.unwrap_or_else(|| {
            self.runs.push(name);
            self.runs.len() - 1
        }) + 1
    }

    /// Adds what `mapping` holds; false where something is neither number, text nor dict.
    fn collect(&mut self, mapping: &Bound<'py, PyDict>, run: usize, depth: usize) -> PyResult<bool> {
        if depth > DEEPEST {
            return Ok(false); // the general way says what is wrong
        }
        for (key, value) in mapping {
            if let Ok(nested) = value.cast_exact::<PyDict>() {
                let key = key_of(&key)?;
                let name = match run {
                    0 => key.to_str()?.to_owned(),
                    _ => format!("{}/{}", self.runs[run - 1], key.to_str()?),
                };
                if nested.is_empty() {
                    let message = format!("{name:?} is an empty mapping");
                    return Err(errors::error(nested.py(), "InvalidEventError", message));
                }
                let nested_run = self.run(name);
                if !self.collect(nested, nested_run, depth + 1)? {
                    return Ok(false);
                }
                continue;
            }
            let value = if let Ok(text) = value.cast::<PyString>() {
                Value::Text(text.clone())
            } else if let Some(number) = plain_number(&value)? {
                Value::Number(number)
            } else {
                return Ok(false);
            };
            self.leaves.push(Leaf { run, tag: key_of(&key)?, value });
        }
        Ok(true)
    }
}

/// A number without looking at what is no number: floats, integers and bools, numpy's and tensors of no dimension.
fn plain_number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Some(float.value()));
    }
    if value.cast::<PyInt>().is_ok() {
        return integer(value);
    }
    let py = value.py();
    if let Some(number) = numpy_number(value)? {
        return Ok(Some(number));
    }
    match value.getattr_opt(intern!(py, "ndim"))? {
        Some(ndim) if ndim.extract::<usize>().is_ok_and(|ndim| ndim == 0) => number(value),
        _ => Ok(None),
    }
}

/// A number, from whatever is one or holds exactly one.
fn number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let py = value.py();
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Some(float.value()));
    }
    if value.cast::<PyInt>().is_ok() {
        return integer(value);
    }
    if value.cast::<PyString>().is_ok() || value.is_none() {
        return Ok(None);
    }
    if let Some(number) = numpy_number(value)? {
        return Ok(Some(number));
    }
    if let Ok(item) = value.call_method0(intern!(py, "item")) {
        return match item.cast::<PyFloat>() {
            Ok(float) => Ok(Some(float.value())),
            Err(_) if item.cast::<PyInt>().is_ok() => integer(&item),
            Err(_) => Ok(None),
        };
    }
    match value.call_method0(intern!(py, "__float__")) {
        Ok(float) => Ok(float.extract().ok()),
        Err(_) => Ok(None),
    }
}

/// The elements of an array of one dimension, or of a sequence.
fn array<T: pyo3::buffer::Element>(values: &Bound<'_, PyAny>, dtype: &str) -> PyResult<Vec<T>> {
    let py = values.py();
    let numpy = py.import("numpy")?;
    let array = numpy.call_method1("asarray", (values,))?;
    if array.getattr("size")?.extract::<usize>()? == 0 {
        return Ok(Vec::new());
    }
    let kwargs = PyDict::new(py);
    kwargs.set_item("casting", "same_kind")?;
    kwargs.set_item("copy", false)?;
    let array = array.call_method("astype", (dtype,), Some(&kwargs))?;
    pyo3::buffer::PyBuffer::<T>::get(&numpy.call_method1("ascontiguousarray", (array,))?)?.to_vec(py)
}

/// A number of numpy's floating types; numpy is not imported for it.
fn numpy_number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    static FLOATING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let floating = if let Some(floating) = FLOATING.get(py) {
        floating
    } else {
        let modules = py.import("sys")?.getattr("modules")?;
        let Ok(numpy) = modules.get_item("numpy") else { return Ok(None) };
        let Ok(floating) = numpy.getattr("floating") else { return Ok(None) };
        FLOATING.get_or_init(py, || floating.unbind())
    };
    if value.is_instance(floating.bind(py))? { value.extract().map(Some) } else { Ok(None) }
}

/// `None` for one that is larger than any float64.
fn integer(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if let Ok(boolean) = value.cast::<PyBool>() {
        return Ok(Some(f64::from(u8::from(boolean.is_true()))));
    }
    let Ok(float) = value.extract::<f64>() else { return Ok(None) };
    if float.abs() > EXACT_INTEGERS && !TOLD.swap(true, Ordering::Relaxed) {
        let message = "an integer beyond 2**53 was logged; it is rounded to a float64 (said once)";
        warn(value.py(), &value.py().get_type::<PyUserWarning>(), message)?;
    }
    Ok(Some(float))
}

fn key_of<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    if let Ok(key) = key.cast::<PyString>() {
        return Ok(key.clone());
    }
    let message = format!("{} is no tag or run name: these are text", describe(key));
    Err(errors::error(key.py(), "InvalidEventError", message))
}

fn tag_of<'a>(tag: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    let text = tag.to_str()?;
    if text.is_empty() {
        return Err(errors::error(tag.py(), "InvalidEventError", "a value has no tag: its name is empty"));
    }
    Ok(text)
}

fn refuse_value(tag: &Bound<'_, PyString>, value: &Bound<'_, PyAny>, accepted: &str) -> PyErr {
    let message = format!("tag {:?}: {} is not {accepted}", tag.to_string_lossy(), describe(value));
    errors::error(value.py(), "InvalidEventError", message)
}

/// The type of a value, and its shape or length.
fn describe(value: &Bound<'_, PyAny>) -> String {
    let name =
        value.get_type().fully_qualified_name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    match (value.getattr("shape"), value.len()) {
        (Ok(shape), _) if shape.is_instance_of::<PyTuple>() => format!("{name} of shape {shape}"),
        (_, Ok(len)) if value.cast::<PyString>().is_err() => format!("{name} of length {len}"),
        _ => name,
    }
}

fn check_size(py: Python<'_>, tag: &str, len: usize) -> PyResult<()> {
    if len > LARGEST {
        let message = format!("tag {tag:?}: a value of {len} bytes is larger than a record can be (2 GiB)");
        return Err(errors::error(py, "InvalidEventError", message));
    }
    Ok(())
}

fn check_time(py: Python<'_>, wall_time: Option<f64>) -> PyResult<Option<f64>> {
    match wall_time {
        Some(time) if !time.is_finite() => {
            let message = format!("wall_time is {time}; it is a time in seconds since the epoch");
            Err(errors::error(py, "InvalidEventError", message))
        }
        _ => Ok(wall_time),
    }
}

fn step_of(py: Python<'_>, step: Option<&Bound<'_, PyAny>>) -> PyResult<Option<i64>> {
    step.map(|step| extract_step(py, step)).transpose()
}

fn extract_step(py: Python<'_>, step: &Bound<'_, PyAny>) -> PyResult<i64> {
    step.extract().map_err(|_| {
        let shown = step.repr().map_or_else(|_| describe(step), |text| text.to_string());
        let message = format!("step {shown:.100} is no integer of 64 bits");
        errors::error(py, "InvalidEventError", message)
    })
}

fn choice<T: Copy>(name: &str, given: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(word, _)| *word == given).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        PyValueError::new_err(format!("{name} is {given:?}; it is one of {}", words.join(", ")))
    })
}

fn warn(py: Python<'_>, category: &Bound<'_, PyAny>, message: &str) -> PyResult<()> {
    let message = std::ffi::CString::new(message.replace('\0', "")).unwrap_or_default();
    PyErr::warn(py, category, &message, 1)
}

fn to_python(py: Python<'_>, error: &WriteError) -> PyErr {
    match error {
        WriteError::Io { path, source, .. } => errors::os_error(source, path),
        WriteError::Closed(_) => errors::error(py, "WriterClosedError", error.to_string()),
    }
}

/// Flushes all writers of the process.
#[pyfunction]
pub fn flush_writers(py: Python<'_>) -> PyResult<()> {
    let results: Vec<_> = py.detach(|| core::thread::writers().iter().map(|writer| writer.flush()).collect());
    results.into_iter().collect::<Result<(), _>>().map_err(|error| to_python(py, &error))
}

/// The end of the process: commits all writers; returns what could not be written in time, as `(logdir, bytes)`.
#[pyfunction]
pub fn exit_writers(py: Python<'_>, deadline_secs: f64) -> Vec<(String, usize)> {
    py.detach(|| core::thread::exit(Duration::from_secs_f64(deadline_secs)))
        .iter()
        .map(|writer| (writer.logdir().to_string_lossy().into_owned(), writer.waiting_bytes()))
        .collect()
}

/// Before a fork. Keeps the GIL: a thread that had it could wait for a lock that is held from here on.
#[pyfunction]
pub fn before_fork() {
    core::fork::before();
}

/// After a fork, in the parent.
#[pyfunction]
pub fn after_fork_in_parent() {
    core::fork::after_in_parent();
}

/// After a fork, in the child.
#[pyfunction]
pub fn after_fork_in_child() {
    core::fork::after_in_child();
}
