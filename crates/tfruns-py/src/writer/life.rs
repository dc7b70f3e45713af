//! The life of all writers of the process.

use std::time::Duration;

use pyo3::prelude::*;
use tfruns_rs::writer as core;

use super::log::to_python;

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
