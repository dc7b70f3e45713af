//! Numbers and arrays of numbers, of Python's types and of numpy's.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyUserWarning;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use super::log::warn;
use crate::errors;

/// Integers up to here are all floats.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// A number without looking at what is no number: floats, integers and bools, numpy's and tensors of no dimension.
pub(super) fn plain_number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Some(float.value()));
    }
    if value.cast::<PyInt>().is_ok() {
        return integer(value);
    }
    let py = value.py();
    if let Some(number) = numpy_number(value)? {
        return Ok(Some(number));
    }
    match value.getattr_opt(intern!(py, "ndim"))? {
        Some(ndim) if ndim.extract::<usize>().is_ok_and(|ndim| ndim == 0) => number(value),
        _ => Ok(None),
    }
}

/// A number, from whatever is one or holds exactly one.
pub(super) fn number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let py = value.py();
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Some(float.value()));
    }
    if value.cast::<PyInt>().is_ok() {
        return integer(value);
    }
    if value.cast::<PyString>().is_ok() || value.is_none() {
        return Ok(None);
    }
    if let Some(number) = numpy_number(value)? {
        return Ok(Some(number));
    }
    if let Ok(item) = value.call_method0(intern!(py, "item")) {
        return match item.cast::<PyFloat>() {
            Ok(float) => Ok(Some(float.value())),
            Err(_) if item.cast::<PyInt>().is_ok() => integer(&item),
            Err(_) => Ok(None),
        };
    }
    match value.call_method0(intern!(py, "__float__")) {
        Ok(float) => Ok(float.extract().ok()),
        Err(_) => Ok(None),
    }
}

/// The elements of an array of one dimension, or of a sequence.
pub(super) struct Array<T> {
    pub elements: Vec<T>,
    of_integers: bool,
}

impl<T: Element> Array<T> {
    /// By way of numpy, as this dtype.
    pub fn of(values: &Bound<'_, PyAny>, dtype: &str) -> PyResult<Self> {
        let py = values.py();
        let numpy = py.import("numpy")?;
        let given = numpy.call_method1("asarray", (values,))?;
        if given.getattr("size")?.extract::<usize>()? == 0 {
            return Ok(Self { elements: Vec::new(), of_integers: false });
        }
        if given.getattr("ndim")?.extract::<usize>()? != 1 {
            let shape = given.getattr("shape")?;
            let message = format!("an array of shape {shape} is no series: that has one dimension");
            return Err(errors::error(py, "InvalidEventError", message));
        }
        let kwargs = PyDict::new(py);
        kwargs.set_item("casting", "same_kind")?;
        kwargs.set_item("copy", false)?;
        let array = given.call_method("astype", (dtype,), Some(&kwargs))?;
        Ok(Self {
            elements: PyBuffer::get(&numpy.call_method1("ascontiguousarray", (array,))?)?.to_vec(py)?,
            of_integers: given.getattr("dtype")?.getattr("kind")?.extract::<char>()? != 'f',
        })
    }
}

/// A number of numpy's floating or integer types; numpy is not imported for it.
pub(super) fn numpy_number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    static TYPES: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    let py = value.py();
    let types = if let Some(types) = TYPES.get(py) {
        types
    } else {
        let modules = py.import("sys")?.getattr("modules")?;
        let Ok(numpy) = modules.get_item("numpy") else { return Ok(None) };
        let (Ok(floating), Ok(integer), Ok(boolean)) =
            (numpy.getattr("floating"), numpy.getattr("integer"), numpy.getattr("bool_"))
        else {
            return Ok(None); // it is being imported
        };
        TYPES.get_or_init(py, || [floating.unbind(), integer.unbind(), boolean.unbind()])
    };
    let is = |number: usize| value.is_instance(types[number].bind(py));
    if is(0)? {
        value.extract().map(Some)
    } else if is(1)? {
        integer(&value.call_method0(intern!(py, "__index__"))?)
    } else if is(2)? {
        Ok(Some(f64::from(u8::from(value.is_truthy()?))))
    } else {
        Ok(None)
    }
}

/// `None` for one that is larger than any float64.
pub(super) fn integer(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(boolean) = value.cast::<PyBool>() {
        return Ok(Some(f64::from(u8::from(boolean.is_true()))));
    }
    let Ok(float) = value.extract::<f64>() else { return Ok(None) };
    note_rounding(value.py(), || float.abs() > EXACT_INTEGERS)?;
    Ok(Some(float))
}

/// Warns once where the values were integers that are no float64.
pub(super) fn note_rounded(py: Python<'_>, values: &Array<f64>) -> PyResult<()> {
    if !values.of_integers {
        return Ok(());
    }
    note_rounding(py, || values.elements.iter().any(|value| value.abs() > EXACT_INTEGERS))
}

/// Warns once where an integer is no float64.
fn note_rounding(py: Python<'_>, is_rounded: impl FnOnce() -> bool) -> PyResult<()> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if TOLD.load(Ordering::Relaxed) || !is_rounded() || TOLD.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let message = "an integer beyond 2**53 was logged; it is rounded to a float64 (said once)";
    warn(py, &py.get_type::<PyUserWarning>(), message)
}
