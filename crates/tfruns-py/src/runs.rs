//! Run directories: listing, writing, liveness.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tfruns_rs::runs::record::Wanted;
use tfruns_rs::runs::scan::ListError;
use tfruns_rs::runs::{archive, copy, create, frame, liveness, metrics, remembered, scan, snapshot, write};

use crate::arrow::ArrowStream;
use crate::errors::os_error;

/// Makes a run directory of its own below `runs_dir`.
#[pyfunction]
#[pyo3(signature = (runs_dir, seconds_scale = 0))]
pub fn unique_run_dir(py: Python<'_>, runs_dir: PathBuf, seconds_scale: u8) -> PyResult<String> {
    let made = py.detach(|| create::unique_run_dir(&runs_dir, seconds_scale));
    let path = made.map_err(|error| os_error(&error, &runs_dir))?;
    Ok(path.to_string_lossy().into_owned())
}

/// The runs directly below `runs_dir` as a table. `columns` says which ones matter, `best` which metrics' extremes,
/// `only` which runs, by name.
#[pyfunction]
#[pyo3(signature = (runs_dir, latest_n = None, columns = None, best = None, only = None))]
pub fn scan_runs(
    py: Python<'_>,
    runs_dir: PathBuf,
    latest_n: Option<usize>,
    columns: Option<Vec<String>>,
    best: Option<Vec<(String, bool)>>,
    only: Option<BTreeSet<String>>,
) -> PyResult<ArrowStream> {
    let best: Vec<_> = best.unwrap_or_default().into_iter().map(best_of).collect();
    let all = || if best.is_empty() { Wanted::all() } else { Wanted::with_best() };
    let wanted = columns.map_or_else(all, |columns| Wanted::columns(columns, !best.is_empty()));
    py.detach(|| match scan::list(&runs_dir, latest_n, &wanted, only.as_ref(), &best) {
        Ok(table) => Ok(ArrowStream::new(table.schema(), vec![table])),
        Err(ListError::Dir(error)) => Err(os_error(&error, &runs_dir)),
        Err(ListError::Table(error)) => Err(PyRuntimeError::new_err(error.to_string())),
    })
}

fn best_of((metric, smallest): (String, bool)) -> frame::Best {
    frame::Best { metric, smallest }
}

/// One run as a table of one row, its texts whole; None if the directory is no run.
#[pyfunction]
pub fn read_run(py: Python<'_>, run_dir: PathBuf) -> PyResult<Option<ArrowStream>> {
    py.detach(|| match scan::read_whole(&run_dir) {
        Ok(Some(run)) => {
            let table = frame::table(&[run], &[]);
            let table = table.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            Ok(Some(ArrowStream::new(table.schema(), vec![table])))
        }
        Ok(None) => Ok(None),
        Err(error) => Err(os_error(&error, &run_dir)),
    })
}

/// Forgets the runs that were read before.
#[pyfunction]
pub fn forget_runs() {
    remembered::forget();
}

/// Files and directories that listings of this process have opened so far.
#[pyfunction]
pub fn run_files_opened() -> u64 {
    scan::opened()
}

/// Replaces a file at once: readers see the old bytes or the new ones.
#[pyfunction]
#[pyo3(signature = (path, data, durable = false))]
pub fn write_atomic(py: Python<'_>, path: PathBuf, data: &[u8], durable: bool) -> PyResult<()> {
    py.detach(|| write::write_atomic(&path, data, durable)).map_err(|error| os_error(&error, &path))
}

/// Says that a process lives, until it is stopped.
#[pyclass(frozen, module = "tfruns_rs._core")]
pub struct Heartbeat {
    beat: Mutex<liveness::Heartbeat>,
}

#[pymethods]
impl Heartbeat {
    #[new]
    #[pyo3(signature = (path, pid, interval_secs = 10.0))]
    fn new(py: Python<'_>, path: PathBuf, pid: u32, interval_secs: f64) -> PyResult<Self> {
        let start =
            |path: &Path| liveness::Heartbeat::start(path, pid, Duration::from_secs_f64(interval_secs));
        let beat = py.detach(|| start(&path)).map_err(|error| os_error(&error, &path))?;
        Ok(Self { beat: Mutex::new(beat) })
    }

    /// Ends the beat.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| {
            if let Ok(mut beat) = self.beat.lock() {
                beat.stop();
            }
        });
    }
}

/// How the process that keeps a beat is doing: "live", "overdue" or "dead"; None where no beat can be read.
#[pyfunction]
pub fn judge_beat(py: Python<'_>, path: PathBuf) -> PyResult<Option<&'static str>> {
    let judged = py.detach(|| liveness::judge_beat(&path)).map_err(|error| os_error(&error, &path))?;
    Ok(judged.map(|verdict| match verdict {
        liveness::Verdict::Live => "live",
        liveness::Verdict::Overdue => "overdue",
        liveness::Verdict::Dead => "dead",
    }))
}

/// Packs files under names below `source/`; what was left out comes back as (path, why).
#[pyfunction]
pub fn pack_source(
    py: Python<'_>,
    archive: PathBuf,
    files: Vec<(String, PathBuf)>,
    max_bytes: u64,
) -> PyResult<Vec<(PathBuf, String)>> {
    let packed = py.detach(|| archive::pack_source(&archive, &files, max_bytes));
    let left_out = packed.map_err(|error| os_error(&error, &archive))?;
    Ok(left_out.into_iter().map(|left| (left.path, left.why)).collect())
}

/// The files below a directory, as they are now.
#[pyclass(frozen, module = "tfruns_rs._core")]
pub struct Snapshot {
    snapshot: snapshot::Snapshot,
}

#[pymethods]
impl Snapshot {
    #[new]
    #[pyo3(signature = (root, skipped = Vec::new(), runs_dir = None))]
    fn new(py: Python<'_>, root: PathBuf, skipped: Vec<PathBuf>, runs_dir: Option<PathBuf>) -> Self {
        Self { snapshot: py.detach(|| snapshot::Snapshot::take(&root, &skipped, runs_dir.as_deref())) }
    }

    fn __len__(&self) -> usize {
        self.snapshot.len()
    }

    /// The files that are new or differ in a later snapshot, as (path, bytes), sorted.
    fn changed(&self, py: Python<'_>, later: PyRef<'_, Self>) -> Vec<(PathBuf, u64)> {
        let later = &later.snapshot;
        let changed = py.detach(|| self.snapshot.changed(later));
        changed.into_iter().map(|file| (file.path, file.size)).collect()
    }
}

/// Copies files between directories; returns those that could not be, as (path, why).
#[pyfunction]
pub fn copy_files(
    py: Python<'_>,
    source: PathBuf,
    target: PathBuf,
    files: Vec<PathBuf>,
) -> Vec<(PathBuf, String)> {
    let copied = py.detach(|| copy::copy_files(&source, &target, &files));
    copied.into_iter().filter_map(|file| Some((file.path, file.problem?.to_string()))).collect()
}

/// Copies a directory to a place where nothing is; returns the links and devices that were left out.
#[pyfunction]
#[pyo3(signature = (source, target, without = Vec::new()))]
pub fn copy_tree(
    py: Python<'_>,
    source: PathBuf,
    target: PathBuf,
    without: Vec<String>,
) -> PyResult<Vec<PathBuf>> {
    let without: Vec<&str> = without.iter().map(String::as_str).collect();
    py.detach(|| copy::copy_tree(&source, &target, &without)).map_err(|error| os_error(&error, &target))
}

/// Moves a directory to a place where nothing is, across file systems as well.
#[pyfunction]
pub fn move_tree(py: Python<'_>, source: PathBuf, target: PathBuf) -> PyResult<()> {
    py.detach(|| copy::move_tree(&source, &target)).map_err(|error| os_error(&error, &target))
}

/// The metrics of runs as a long table; `only` names those that matter.
#[pyfunction]
#[pyo3(signature = (run_dirs, only = None))]
pub fn read_run_metrics(
    py: Python<'_>,
    run_dirs: Vec<PathBuf>,
    only: Option<Vec<String>>,
) -> PyResult<ArrowStream> {
    let table = py.detach(|| metrics::table(&run_dirs, only.as_deref()));
    let table = table.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok(ArrowStream::new(table.schema(), vec![table]))
}
