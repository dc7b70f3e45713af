//! Metrics tables, for `tfruns_rs.tracking.tables`.

use std::path::PathBuf;

use pyo3::prelude::*;
use tfruns_rs::metrics_table::{ConcatError, concat};

use crate::errors;

/// One Parquet file from several with the same columns; returns its size.
#[pyfunction]
pub fn concat_parquet(
    py: Python<'_>,
    parts: Vec<PathBuf>,
    target: PathBuf,
    entries: Vec<(String, String)>,
) -> PyResult<u64> {
    py.detach(move || concat(&parts, &target, &entries)).map_err(|error| match error {
        ConcatError::Io { path, source } => errors::os_error(&source, &path),
        other => errors::error(py, "MetricsTableError", other.to_string()),
    })
}
