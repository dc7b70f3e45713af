//! Metrics tables, for `tfruns_rs.tracking.tables`.

use std::path::PathBuf;

use pyo3::prelude::*;
use tfruns_rs::metrics_table::{CloseError, close};

use crate::errors;

/// Makes the Parquet parts that stand in one file a single table; returns its size.
#[pyfunction]
pub fn close_parquet(
    py: Python<'_>,
    path: PathBuf,
    ends: Vec<u64>,
    entries: Vec<(String, String)>,
) -> PyResult<u64> {
    py.detach(move || close(&path, &ends, &entries)).map_err(|error| match error {
        CloseError::Io { path, source } => errors::os_error(&source, &path),
        other => errors::error(py, "MetricsTableError", other.to_string()),
    })
}
