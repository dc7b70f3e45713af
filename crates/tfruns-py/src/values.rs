//! Values to bytes: the fields of `Summary.Value`, for `tfruns_rs.tfevents`.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfruns_rs::event::encode::put_scalar_fields;
use tfruns_rs::event::metadata::put_metadata_field;
use tfruns_rs::event::tensor::{self, Dim};

/// The `metadata` field of a value.
#[pyfunction]
pub fn encode_metadata<'py>(
    py: Python<'py>,
    plugin_name: &str,
    content: &[u8],
    display_name: &str,
    description: &str,
) -> Bound<'py, PyBytes> {
    let mut fields = Vec::new();
    put_metadata_field(&mut fields, plugin_name, content, display_name, description);
    PyBytes::new(py, &fields)
}

/// The fields of a scalar value.
#[pyfunction]
pub fn encode_scalar<'py>(py: Python<'py>, value: f64, exact: bool, metadata: &[u8]) -> Bound<'py, PyBytes> {
    let mut fields = Vec::with_capacity(64);
    put_scalar_fields(&mut fields, value, exact, metadata);
    PyBytes::new(py, &fields)
}

/// The fields of a tensor of strings, given row-major.
#[pyfunction]
pub fn encode_strings(
    py: Python<'_>,
    elements: Vec<PyBackedBytes>,
    shape: Vec<u64>,
    dim_names: Option<Vec<String>>,
    metadata: PyBackedBytes,
) -> PyResult<Bound<'_, PyBytes>> {
    let dims = dims(&shape, dim_names)?;
    let fields = py.detach(move || {
        let mut fields = Vec::new();
        tensor::put_string_tensor_field(&mut fields, &dims, &elements);
        fields.extend_from_slice(&metadata);
        fields
    });
    Ok(PyBytes::new(py, &fields))
}

/// The fields of a tensor of numbers; `data` holds its elements row-major and little-endian.
#[pyfunction]
pub fn encode_tensor<'py>(
    py: Python<'py>,
    data: PyBuffer<u8>,
    dtype: &str,
    shape: Vec<u64>,
    dim_names: Option<Vec<String>>,
    metadata: PyBackedBytes,
) -> PyResult<Bound<'py, PyBytes>> {
    let unknown = || PyValueError::new_err(format!("unknown dtype {dtype:?}"));
    let dtype = tensor::dtype_from_name(dtype).ok_or_else(unknown)?;
    let size = tensor::element_size(dtype).ok_or_else(unknown)? as u64;
    let bytes = bytes_of(&data)?;
    if shape.iter().try_fold(size, |product, &dim| product.checked_mul(dim)) != Some(bytes.len() as u64) {
        return Err(PyValueError::new_err("the data does not fill the shape"));
    }
    let dims = dims(&shape, dim_names)?;
    let fields = py.detach(move || {
        let mut fields = Vec::new();
        tensor::put_tensor_field(&mut fields, dtype, &dims, bytes);
        fields.extend_from_slice(&metadata);
        fields
    });
    Ok(PyBytes::new(py, &fields))
}

fn dims(shape: &[u64], names: Option<Vec<String>>) -> PyResult<Vec<Dim>> {
    match names {
        None => Ok(shape.iter().copied().map(Dim::new).collect()),
        Some(names) if names.len() == shape.len() => {
            Ok(shape.iter().zip(names).map(|(&size, name)| Dim { size, name }).collect())
        }
        Some(_) => Err(PyValueError::new_err("there must be as many dimension names as dimensions")),
    }
}

/// The bytes of a contiguous buffer, read in place.
#[allow(unsafe_code)] // the one place that reads another library's memory
fn bytes_of(buffer: &PyBuffer<u8>) -> PyResult<&[u8]> {
    if !buffer.is_c_contiguous() {
        return Err(PyValueError::new_err("the buffer must be contiguous"));
    }
    if buffer.len_bytes() == 0 {
        return Ok(&[]);
    }
    // SAFETY: the buffer keeps its memory alive and in place while it is held; that nobody writes to it meanwhile
    // is what Python libraries ask of all callers that release the interpreter's lock around an array.
    Ok(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) })
}
