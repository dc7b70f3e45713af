//! Reading event files, as Python sees it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use tfruns_rs::frame::{Columns, Filter, Kind, Without, schema};
use tfruns_rs::logdir::repair::copy_whole;
use tfruns_rs::logdir::{self, EventFile, Listing, Query, ReadError, Reason};

use crate::arrow::ArrowStream;
use crate::errors::{error, os_error};

/// Event files, in the order in which they are read.
#[pyclass(frozen, module = "tfruns_rs._core")]
pub struct EventFiles {
    files: Vec<EventFile>,
}

#[pymethods]
impl EventFiles {
    fn __len__(&self) -> usize {
        self.files.len()
    }

    /// The run of each file.
    #[getter]
    fn runs(&self) -> Vec<&str> {
        self.files.iter().map(|file| file.run.as_str()).collect()
    }

    /// The path of each file.
    #[getter]
    fn paths(&self) -> Vec<&OsStr> {
        self.files.iter().map(|file| file.path.as_os_str()).collect()
    }

    /// The length of each file when it was listed, in bytes.
    #[getter]
    fn sizes(&self) -> Vec<u64> {
        self.files.iter().map(|file| file.len).collect()
    }

    /// What tells each file from another of the same name.
    #[getter]
    fn ids(&self) -> Vec<(u64, u64)> {
        self.files.iter().map(|file| file.id).collect()
    }

    /// Some files, each from an offset (a record) on.
    fn resume(&self, starts: Vec<(usize, u64)>) -> Self {
        let file =
            |(number, start): (usize, u64)| Some(EventFile { start, ..self.files.get(number)?.clone() });
        Self { files: starts.into_iter().filter_map(file).collect() }
    }

    /// One file from `start` (a record) on, up to the record that reaches `end`.
    fn part(&self, number: usize, start: u64, end: u64) -> Self {
        let part = |file: &EventFile| EventFile { start, end: Some(end), ..file.clone() };
        Self { files: self.files.get(number).map(part).into_iter().collect() }
    }

    /// Copies the first `end` bytes of a file, but for what is lost: offsets and lengths.
    fn copy_whole(
        &self,
        py: Python<'_>,
        number: usize,
        target: PathBuf,
        lost: Vec<(u64, u64)>,
        end: u64,
    ) -> PyResult<()> {
        let Some(file) = self.files.get(number) else { return Ok(()) };
        py.detach(|| copy_whole(file, &target, &lost, end)).map_err(|problem| os_error(&problem, &target))
    }

    /// The files with these numbers.
    fn select(&self, numbers: Vec<usize>) -> Self {
        Self { files: numbers.into_iter().filter_map(|number| self.files.get(number).cloned()).collect() }
    }
}

/// Lists the event files of several logdirs.
#[pyfunction]
pub fn list_event_files(py: Python<'_>, logdirs: Vec<PathBuf>, fold: bool) -> PyResult<EventFiles> {
    let files = py.detach(|| {
        let mut files = Vec::new();
        for logdir in &logdirs {
            match logdir::discover(logdir, fold) {
                Ok(found) => files.extend(found),
                Err(error) => return Err((logdir, error)),
            }
        }
        Ok(files)
    });
    files.map(|files| EventFiles { files }).map_err(|(logdir, problem)| no_logdir(py, logdir, &problem))
}

fn no_logdir(py: Python<'_>, logdir: &Path, problem: &std::io::Error) -> PyErr {
    match problem.kind() {
        std::io::ErrorKind::NotFound => {
            error(py, "LogdirNotFoundError", format!("there is no log directory {}", logdir.display()))
        }
        _ => os_error(problem, logdir),
    }
}

/// The event files of several logdirs, asked for again and again.
#[pyclass(frozen, module = "tfruns_rs._core")]
pub struct EventListing {
    state: Mutex<(Listing, Option<Py<EventFiles>>)>,
}

#[pymethods]
impl EventListing {
    #[new]
    fn new(logdirs: Vec<PathBuf>, fold: bool) -> Self {
        Self { state: Mutex::new((Listing::new(logdirs, fold), None)) }
    }

    /// The files there are now: the same object as before if nothing has changed.
    fn refresh(&self, py: Python<'_>) -> PyResult<Py<EventFiles>> {
        // Whoever waits for the lock does not hold the GIL, so whoever holds the lock may wait for it.
        let refreshed = py.detach(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (listing, known) = &mut *state;
            let changed = listing.refresh()?;
            Ok(Python::attach(|py| match known {
                Some(known) if !changed => Ok(known.clone_ref(py)),
                _ => {
                    let files = Py::new(py, EventFiles { files: listing.files().to_vec() })?;
                    Ok(known.insert(files).clone_ref(py))
                }
            }))
        });
        refreshed.unwrap_or_else(|(logdir, problem): (PathBuf, _)| Err(no_logdir(py, &logdir, &problem)))
    }
}

/// A lost part of a file: path, offset, bytes, reason, records recovered behind it, errno.
type Loss = (OsString, u64, u64, String, u64, Option<i32>);

/// What reading gave besides the frame.
#[pyclass(frozen, get_all, module = "tfruns_rs._core")]
pub struct ReadReport {
    /// What was lost: path, offset, bytes, reason, records recovered behind it, errno.
    losses: Vec<Loss>,
    /// Of each batch its attempts: key, start, last wall time.
    attempts: Vec<Vec<(String, f64, f64)>>,
    files_opened: u64,
    records: u64,
    skipped: u64,
    /// Where reading ended in each file.
    ends: Vec<Option<u64>>,
}

fn kind_of(name: &str) -> PyResult<Kind> {
    match name {
        "scalar" => Ok(Kind::Scalar),
        "summary" => Ok(Kind::Summary),
        "any" => Ok(Kind::Event),
        _ => Err(pyo3::exceptions::PyValueError::new_err(format!("no kind of frame: {name}"))),
    }
}

fn columns_of(names: &[String], without: &[String]) -> Columns {
    let has = |name: &str| names.iter().any(|known| known == name);
    let lacks = |name: &str| without.iter().any(|known| known == name);
    Columns {
        without: Without {
            run: lacks("run"),
            tag: lacks("tag"),
            wall_time: lacks("wall_time"),
            value: lacks("value"),
            summary: lacks("summary"),
        },
        plugin: has("plugin"),
        summary: has("summary"),
        source: has("source"),
        logdir: has("logdir"),
        file: has("file"),
        offset: has("offset"),
        attempt: has("attempt"),
        call: has("call"),
    }
}

/// Reads event files into a frame. `tag_filter` is called once for each tag name.
#[pyfunction]
#[pyo3(signature = (files, kind, columns, *, without = None, tag_filter = None, steps = None, wall_time = None, without_plugins = None, limit = None, lazy = false, threads = 0))]
#[allow(clippy::too_many_arguments)] // keyword-only in Python
pub fn read_events(
    py: Python<'_>,
    files: &EventFiles,
    kind: &str,
    columns: Vec<String>,
    without: Option<Vec<String>>,
    tag_filter: Option<Py<PyAny>>,
    steps: Option<Vec<(i64, i64)>>,
    wall_time: Option<(f64, f64)>,
    without_plugins: Option<Vec<String>>,
    limit: Option<u64>,
    lazy: bool,
    threads: usize,
) -> PyResult<(ArrowStream, ReadReport)> {
    let kind = kind_of(kind)?;
    let mut columns = columns_of(&columns, &without.unwrap_or_default());
    columns.plugin &= kind == Kind::Scalar;
    columns.summary &= kind == Kind::Scalar;
    let raised: Mutex<Option<PyErr>> = Mutex::new(None);
    let keep = |error: PyErr| {
        raised.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let outcome = py.detach(|| {
        let tag = |tag: &str| {
            let filter = tag_filter.as_ref();
            let wanted = Python::attach(|py| {
                filter.map_or(Ok(true), |filter| filter.call1(py, (tag,))?.is_truthy(py))
            });
            wanted.map_err(keep).unwrap_or(false)
        };
        let interrupted = || Python::attach(|py| py.check_signals().map_err(keep).is_err());
        let filter = Filter {
            tag: tag_filter.is_some().then_some(&tag),
            steps: steps.as_deref(),
            wall_time,
            without_plugins: without_plugins.as_deref().unwrap_or_default(),
            limit,
        };
        logdir::read(&files.files, &Query { kind, columns, filter, lazy, threads, interrupted: &interrupted })
    });
    if let Some(raised) = raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(raised);
    }
    let outcome =
        outcome.map_err(|ReadError::Interrupted| pyo3::exceptions::PyKeyboardInterrupt::new_err(()))?;
    let loss = |damage: logdir::Damage| {
        let errno = if let Reason::Io { errno, .. } = damage.reason { errno } else { None };
        (
            damage.path.into_os_string(),
            damage.offset,
            damage.bytes,
            damage.reason.to_string(),
            damage.recovered,
            errno,
        )
    };
    let attempts = |attempts: Vec<tfruns_rs::frame::rows::Attempt>| {
        attempts.into_iter().map(|attempt| (attempt.key, attempt.start, attempt.last)).collect()
    };
    let report = ReadReport {
        losses: outcome.damages.into_iter().map(loss).collect(),
        attempts: outcome.attempts.into_iter().map(attempts).collect(),
        files_opened: outcome.files_opened,
        records: outcome.records,
        skipped: outcome.skipped,
        ends: outcome.ends,
    };
    Ok((ArrowStream::new(schema(kind, columns), outcome.batches), report))
}
