//! What a tag, a step, a time and an option must be.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::errors;

/// The largest message that protobuf allows, less the frame around a value.
const LARGEST: usize = (1 << 31) - (1 << 16);

pub(super) fn tag_of<'a>(tag: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    let text = tag.to_str()?;
    if text.is_empty() {
        return Err(errors::error(tag.py(), "InvalidEventError", "a value has no tag: its name is empty"));
    }
    Ok(text)
}

pub(super) fn refuse_value(tag: &Bound<'_, PyString>, value: &Bound<'_, PyAny>, accepted: &str) -> PyErr {
    let message = format!("tag {:?}: {} is not {accepted}", tag.to_string_lossy(), describe(value));
    errors::error(value.py(), "InvalidEventError", message)
}

/// The type of a value, and its shape or length.
pub(super) fn describe(value: &Bound<'_, PyAny>) -> String {
    let name =
        value.get_type().fully_qualified_name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    match (value.getattr("shape"), value.len()) {
        (Ok(shape), _) if shape.is_instance_of::<PyTuple>() => format!("{name} of shape {shape}"),
        (_, Ok(len)) if value.cast::<PyString>().is_err() => format!("{name} of length {len}"),
        _ => name,
    }
}

pub(super) fn check_size(py: Python<'_>, tag: &str, len: usize) -> PyResult<()> {
    if len > LARGEST {
        let message = format!("tag {tag:?}: a value of {len} bytes is larger than a record can be (2 GiB)");
        return Err(errors::error(py, "InvalidEventError", message));
    }
    Ok(())
}

pub(super) fn check_time(py: Python<'_>, wall_time: Option<f64>) -> PyResult<Option<f64>> {
    match wall_time {
        Some(time) if !time.is_finite() => {
            let message = format!("wall_time is {time}; it is a time in seconds since the epoch");
            Err(errors::error(py, "InvalidEventError", message))
        }
        _ => Ok(wall_time),
    }
}

pub(super) fn step_of(py: Python<'_>, step: Option<&Bound<'_, PyAny>>) -> PyResult<Option<i64>> {
    step.map(|step| extract_step(py, step)).transpose()
}

pub(super) fn extract_step(py: Python<'_>, step: &Bound<'_, PyAny>) -> PyResult<i64> {
    step.extract().map_err(|_| {
        let shown = step.repr().map_or_else(|_| describe(step), |text| text.to_string());
        let message = format!("step {shown:.100} is no integer of 64 bits");
        errors::error(py, "InvalidEventError", message)
    })
}

pub(super) fn choice<T: Copy>(name: &str, given: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(word, _)| *word == given).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        PyValueError::new_err(format!("{name} is {given:?}; it is one of {}", words.join(", ")))
    })
}
