//! Errors on their way to Python: the only place that makes them.

use std::io;
use std::path::Path;

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

/// An `OSError` with its errno and path, so that Python picks the subclass (`FileNotFoundError`, …).
pub fn os_error(error: &io::Error, path: &Path) -> PyErr {
    match error.raw_os_error() {
        Some(code) => PyOSError::new_err((code, strerror(error), path.as_os_str().to_os_string())),
        None => PyOSError::new_err(format!("{}: {error}", path.display())),
    }
}

/// The text of an operating system's error, without the code that Rust appends and Python adds again.
fn strerror(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// An instance of the class `name` of `tfruns_rs.errors`.
pub fn error(py: Python<'_>, name: &str, message: impl Into<String>) -> PyErr {
    let message = message.into();
    match py.import("tfruns_rs.errors").and_then(|errors| errors.getattr(name)?.call1((&message,))) {
        Ok(instance) => PyErr::from_value(instance),
        Err(_) => PyRuntimeError::new_err(message),
    }
}
