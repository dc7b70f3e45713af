//! One call: the run it goes to, waiting for room, what went wrong.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeWarning, PyUserWarning};
use pyo3::prelude::*;
use tfruns_rs::event_file::{RunName, now};
use tfruns_rs::writer::{Call, Refused, RunId, Series, Taken, WriteError};

use super::check::{check_size, check_time, step_of, tag_of};
use super::leaves::{Leaves, Value};
use super::{EventWriter, OnError, OnFull};
use crate::errors;

/// How often a waiting caller looks for Ctrl-C.
pub(super) const LOOK_FOR_SIGNALS: Duration = Duration::from_millis(100);
/// How long a caller waits for room before it says so.
const STALLED: Duration = Duration::from_secs(5);

impl EventWriter {
    /// The run's index; its directory and file are created with its first record.
    pub(super) fn run(&self, py: Python<'_>, name: &str, explicit: bool) -> PyResult<RunId> {
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

    pub(super) fn open_run(&self, py: Python<'_>, name: &str, explicit: bool) -> PyResult<RunId> {
        let name = if explicit { self.writer.run_of_steps(name) } else { RunName::new(name) };
        let name = name.map_err(|error| errors::error(py, "InvalidEventError", error.to_string()))?;
        py.detach(|| self.writer.open_run(name)).map_err(|error| to_python(py, &error))
    }

    pub(super) fn log_leaves<'py>(
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
    pub(super) fn log(
        &self,
        py: Python<'_>,
        step: Option<i64>,
        wall_time: Option<f64>,
        size: usize,
        encode: impl FnOnce(&mut Call<'_>),
    ) -> PyResult<()> {
        match self.take(py, step, wall_time, size, encode)? {
            Some(taken) => self.finish(py, taken),
            None => Ok(()),
        }
    }

    /// The part of a call that may fail: `None` where its records were given up.
    fn take(
        &self,
        py: Python<'_>,
        step: Option<i64>,
        wall_time: Option<f64>,
        size: usize,
        encode: impl FnOnce(&mut Call<'_>),
    ) -> PyResult<Option<Taken>> {
        let mut call = match self.writer.call(step, wall_time, size) {
            Ok(call) => call,
            Err(refused) => match self.wait(py, refused, step, wall_time, size)? {
                Some(call) => call,
                None => return Ok(None),
            },
        };
        encode(&mut call);
        Ok(Some(call.end()))
    }

    /// The part after it: the records are taken, whatever this raises.
    fn finish(&self, py: Python<'_>, taken: Taken) -> PyResult<()> {
        if taken.commit {
            self.report(py, py.detach(|| self.writer.commit()))?;
        }
        if taken.stalled {
            self.tell_of_stall(py, "waits in memory")?;
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

    /// Logs a series, a chunk at a time. What its records have to say of others is said at its end.
    pub(super) fn log_series(
        &self,
        py: Python<'_>,
        run: RunId,
        tag: &str,
        steps: &[i64],
        values: &[f64],
        times: Option<&[f64]>,
    ) -> PyResult<()> {
        let mut series = Series::new(tag, self.writer.options());
        let mut finished = Ok(());
        for start in (0..values.len()).step_by(series.chunk()) {
            let chunk = start..values.len().min(start + series.chunk());
            let count = chunk.len();
            py.detach(|| {
                let times = times.map(|times| &times[chunk.clone()]);
                series.frame(&steps[chunk.clone()], &values[chunk.clone()], times, now());
            });
            match self.take(py, Some(0), None, series.size(count), |call| call.series(run, &series)) {
                Ok(Some(mut taken)) => {
                    // Written by the caller while it is in the cache: the thread could not keep up.
                    taken.commit |= count == series.chunk() && finished.is_ok();
                    finished = finished.and(self.finish(py, taken));
                }
                given_up => {
                    py.detach(|| self.writer.count_dropped(count as u64 - 1));
                    if let Err(error) = given_up {
                        let note = format!("{start} of {} values were logged", values.len());
                        error.value(py).call_method1("add_note", (note,))?;
                        return Err(error);
                    }
                }
            }
        }
        finished
    }

    /// Waits for room; `None` where the records were given up.
    #[cold]
    pub(super) fn wait(
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
            if waited > STALLED {
                self.tell_of_stall(py, "fills its buffer, so logging waits")?;
            }
            py.detach(|| self.writer.wait_for_room(LOOK_FOR_SIGNALS));
            py.check_signals()?;
            refused = match self.writer.call(step, wall_time, size) {
                Ok(call) => return Ok(Some(call)),
                Err(refused) => refused,
            };
        }
    }

    /// Flushes. Looks for Ctrl-C while it waits, and says so where a file system stalls.
    pub(super) fn wait_flushed(&self, py: Python<'_>) -> PyResult<Result<(), WriteError>> {
        let flush = py.detach(|| self.writer.begin_flush());
        let wait = || self.writer.wait_flushed(flush, LOOK_FOR_SIGNALS);
        wait_patiently(py, Instant::now(), wait, || self.tell_of_stall(py, "is waited for"))
    }

    /// Waits until nobody is at the files, in the same way.
    pub(super) fn wait_for_files(&self, py: Python<'_>) -> PyResult<()> {
        let wait = || self.writer.wait_for_files(LOOK_FOR_SIGNALS).then_some(());
        wait_patiently(py, Instant::now(), wait, || self.tell_of_stall(py, "is waited for"))
    }

    /// Warns once of a file system that stalls.
    #[cold]
    fn tell_of_stall(&self, py: Python<'_>, what: &str) -> PyResult<()> {
        if self.stall_told.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let logdir = self.logdir();
        let message = stall_message(&logdir, what);
        warn(py, &py.get_type::<PyRuntimeWarning>(), &message)
    }

    /// Raises an error, or warns of it.
    pub(super) fn report(&self, py: Python<'_>, result: Result<(), WriteError>) -> PyResult<()> {
        match result {
            Ok(()) => Ok(()),
            Err(error @ WriteError::Io { .. }) if self.on_error == OnError::Warn => {
                warn(py, &py.get_type::<PyRuntimeWarning>(), &format!("events are not written: {error}"))
            }
            Err(error) => Err(to_python(py, &error)),
        }
    }
}

/// Waits without the GIL until `wait` has an answer. Looks for Ctrl-C in between, and tells where it takes long.
pub(super) fn wait_patiently<T: Send>(
    py: Python<'_>,
    start: Instant,
    wait: impl Fn() -> Option<T> + Send + Sync,
    mut tell: impl FnMut() -> PyResult<()>,
) -> PyResult<T> {
    loop {
        if let Some(done) = py.detach(&wait) {
            return Ok(done);
        }
        py.check_signals()?;
        if start.elapsed() > STALLED {
            tell()?;
        }
    }
}

pub(super) fn stall_message(logdir: &str, what: &str) -> String {
    format!("the file system of {logdir} has not taken what was logged for 5 s: it {what} (said once)")
}

pub(super) fn warn(py: Python<'_>, category: &Bound<'_, PyAny>, message: &str) -> PyResult<()> {
    let message = std::ffi::CString::new(message.replace('\0', "")).unwrap_or_default();
    PyErr::warn(py, category, &message, 1)
}

pub(super) fn to_python(py: Python<'_>, error: &WriteError) -> PyErr {
    match error {
        WriteError::Io { path, source, .. } => errors::os_error(source, path),
        WriteError::Closed(_) => errors::error(py, "WriterClosedError", error.to_string()),
    }
}
