//! `EventWriter`, and the life of all writers.
//!
//! | file | what |
//! |---|---|
//! | here | the class |
//! | `log` | one call: its run, waiting for room, errors and warnings |
//! | `leaves` | the values of a call, out of mappings |
//! | `number`, `check` | what Python hands over: numbers, arrays, tags, steps |
//! | `life` | all writers: flush, fork, exit |

mod check;
mod leaves;
pub mod life;
mod log;
mod number;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString, PyTuple};
use tfruns_rs::writer::{self as core, MetadataPolicy, Options, RunId, SharingState, Writer};

use self::check::{check_size, check_time, choice, extract_step, refuse_value, step_of, tag_of};
use self::leaves::{Leaf, Leaves, Value, key_of};
use self::log::to_python;
use self::number::{Array, note_rounded, number};
use crate::errors;

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
        let steps: Array<i64> = Array::of(steps, "int64")?;
        let values: Array<f64> = Array::of(values, "float64")?;
        let times: Option<Array<f64>> = wall_times.map(|times| Array::of(times, "float64")).transpose()?;
        let tag = tag_of(tag)?;
        let numbers = &values.elements[..];
        let steps = &steps.elements[..];
        let times = times.as_ref().map(|times| &times.elements[..]);
        let lengths = (steps.len(), times.map_or(steps.len(), <[f64]>::len));
        if lengths != (numbers.len(), numbers.len()) {
            let message = format!("tag {tag:?}: steps, values and wall_times differ in length");
            return Err(errors::error(py, "InvalidEventError", message));
        }
        if let Some(time) = times.unwrap_or_default().iter().find(|time| !time.is_finite()) {
            check_time(py, Some(*time))?;
        }
        if numbers.is_empty() {
            return Ok(());
        }
        let run = self.run(py, run.unwrap_or("."), true)?;
        self.log_series(py, run, tag, steps, numbers, times)?;
        note_rounded(py, &values)
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
        let flushed = self.wait_flushed(py)?;
        self.report(py, flushed)
    }

    /// Flushes, and sees the files to the disk.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        let flushed = self.wait_flushed(py)?;
        self.report(py, flushed.and_then(|()| py.detach(|| self.writer.sync())))
    }

    /// Flushes and ends the writer.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let flushed = self.wait_flushed(py)?;
        self.report(py, flushed.and_then(|()| py.detach(|| self.writer.close())))
    }

    /// The next managed step, which it uses up unless told otherwise.
    #[pyo3(signature = (*, increment=true))]
    fn next_step(&self, py: Python<'_>, increment: bool) -> PyResult<i64> {
        self.wait_for_files(py)?;
        py.detach(|| self.writer.next_step(increment)).map_err(|error| to_python(py, &error))
    }

    /// Makes a step the next managed one; returns what would have been.
    #[pyo3(signature = (step, /))]
    fn set_next_step(&self, py: Python<'_>, step: &Bound<'_, PyAny>) -> PyResult<i64> {
        let step = extract_step(py, step)?;
        self.wait_for_files(py)?;
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
    fn files(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.wait_for_files(py)?;
        let files = py.detach(|| self.writer.files());
        Ok(files.iter().map(|path| path.to_string_lossy().into_owned()).collect())
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
