//! Writing frames, as Python sees it.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tfruns_rs::writer::{RowError, RowWriter, WriteError};

use crate::arrow::take_stream;
use crate::errors;

/// Writes the rows of an Arrow stream to new event files; their number and the files.
#[pyfunction]
pub fn write_rows(
    py: Python<'_>,
    stream: &Bound<'_, PyCapsule>,
    logdir: PathBuf,
    exact: bool,
    filename_suffix: &str,
) -> PyResult<(u64, Vec<PathBuf>)> {
    let mut writer = RowWriter::new(&logdir, exact, filename_suffix);
    for batch in take_stream(stream)? {
        let batch = batch.map_err(|error| errors::error(py, "InvalidEventError", error.to_string()))?;
        py.detach(|| writer.write(&batch)).map_err(|error| to_python(py, &error))?;
        py.check_signals()?;
    }
    py.detach(|| writer.finish()).map_err(|error| to_python(py, &error))
}

fn to_python(py: Python<'_>, error: &RowError) -> PyErr {
    match error {
        RowError::Write(WriteError::Io { path, source, .. }) => errors::os_error(source, path),
        other => errors::error(py, "InvalidEventError", other.to_string()),
    }
}
