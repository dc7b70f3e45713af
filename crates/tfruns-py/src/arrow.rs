//! Frames on their way to Python: the Arrow `PyCapsule` protocol, no library's types.

use std::ffi::CStr;

use arrow_array::ffi_stream::{ArrayStreamReader, FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_schema::SchemaRef;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

const STREAM_NAME: &CStr = c"arrow_array_stream";

/// A finished frame. Whatever speaks Arrow can take it, any number of times: `pl.DataFrame(stream)`.
#[pyclass(frozen, module = "tfruns_rs._core")]
pub struct ArrowStream {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl ArrowStream {
    /// A frame of `batches`, all with `schema`.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches }
    }
}

/// Takes the stream of a frame out of the capsule of its `__arrow_c_stream__`.
pub fn take_stream(capsule: &Bound<'_, PyCapsule>) -> PyResult<RecordBatchStreamReader> {
    RecordBatchStreamReader::try_new(take(capsule)?).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Takes the stream of a column out of the capsule of its `__arrow_c_stream__`.
pub fn take_column(capsule: &Bound<'_, PyCapsule>) -> PyResult<ArrayStreamReader> {
    ArrayStreamReader::try_new(take(capsule)?).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn take(capsule: &Bound<'_, PyCapsule>) -> PyResult<FFI_ArrowArrayStream> {
    let stream = capsule.pointer_checked(Some(STREAM_NAME))?.cast::<FFI_ArrowArrayStream>();
    #[allow(unsafe_code)] // Arrow's C interface hands over structures behind pointers
    // SAFETY: a capsule of this name holds a valid stream (the protocol's promise), and the GIL keeps others from it;
    // a released stream is left behind, so nobody takes it twice.
    Ok(unsafe { stream.as_ptr().replace(FFI_ArrowArrayStream::empty()) })
}

#[pymethods]
impl ArrowStream {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol lets a producer keep its own schema.
        drop(requested_schema);
        let batches = self.batches.clone().into_iter().map(Ok);
        let stream =
            FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(batches, self.schema.clone())));
        PyCapsule::new_with_value(py, stream, STREAM_NAME)
    }
}
