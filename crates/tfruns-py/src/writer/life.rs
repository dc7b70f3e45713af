//! The life of all writers of the process.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use tfruns_rs::writer as core;

use super::log::{LOOK_FOR_SIGNALS, stall_message, to_python, wait_patiently, warn};

/// Flushes all writers of the process, side by side: one whose file system stalls holds up no other.
#[pyfunction]
pub fn flush_writers(py: Python<'_>) -> PyResult<()> {
    let start = Instant::now();
    let mut is_told = false;
    let flushes: Vec<_> = py.detach(|| {
        core::thread::writers().into_iter().map(|writer| (writer.begin_flush(), writer)).collect()
    });
    let mut result = Ok(());
    for (flush, writer) in flushes {
        let wait = || writer.wait_flushed(flush, LOOK_FOR_SIGNALS);
        let ended = wait_patiently(py, start, wait, || {
            if std::mem::replace(&mut is_told, true) {
                return Ok(());
            }
            let message = stall_message(&writer.logdir().to_string_lossy(), "is waited for");
            warn(py, &py.get_type::<PyRuntimeWarning>(), &message)
        })?;
        result = result.and(ended);
    }
    result.map_err(|error| to_python(py, &error))
}

/// The end of the process: commits all writers; returns what could not be written in time, as `(logdir, bytes)`.
#[pyfunction]
pub fn exit_writers(py: Python<'_>, deadline_secs: f64) -> Vec<(String, usize)> {
    py.detach(|| core::thread::exit(Duration::from_secs_f64(deadline_secs)))
        .iter()
        .map(|writer| (writer.logdir().to_string_lossy().into_owned(), writer.waiting_bytes()))
        .collect()
}

/// Before a fork. Keeps the GIL from `before` on: a thread that had it could wait for a lock that is held.
#[pyfunction]
pub fn before_fork(py: Python<'_>) {
    py.detach(core::fork::settle);
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
