//! Metrics tables, for `tfruns_rs.tracking.tables`.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayReader, ArrayRef, RecordBatch, RecordBatchReader};
use arrow_ipc::reader::StreamReader;
use arrow_schema::Field;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyCapsule, PyDict};
use tfruns_rs::metrics_table::log::{self, LogError, Memory};
use tfruns_rs::metrics_table::{CloseError, close};

use crate::arrow::{ArrowStream, take_column, take_stream};
use crate::{errors, numpy};

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

/// The batches of a table that are not compressed yet: the log of this number.
///
/// `like` is a frame with the columns that all of them have; `spare` the file and `after` the log that it may use again.
#[pyclass(frozen, module = "tfruns_rs._core")]
pub struct BatchLog {
    log: Mutex<Option<log::BatchLog>>,
    memory: Memory,
}

#[pymethods]
impl BatchLog {
    #[new]
    #[pyo3(signature = (path, number, like, spare = None, after = None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        number: u32,
        like: &Bound<'_, PyAny>,
        spare: Option<PathBuf>,
        after: Option<&Self>,
    ) -> PyResult<Self> {
        let memory = after.map_or_else(Memory::default, |log| log.memory.clone());
        let schema = stream_of(like)?.schema();
        let log =
            py.detach(|| log::BatchLog::create(&path, number, schema, spare.as_deref(), memory.clone()));
        Ok(Self { log: Mutex::new(Some(log.map_err(|error| to_python(py, &error))?)), memory })
    }

    /// How many bytes are written.
    #[getter]
    fn size(&self, py: Python<'_>) -> usize {
        self.locked(py).as_ref().map_or(0, log::BatchLog::len)
    }

    /// Writes a frame; it is with the operating system when this returns.
    fn append(&self, py: Python<'_>, frame: &Bound<'_, PyAny>) -> PyResult<()> {
        let frame = stream_of(frame)?;
        let mut log = self.locked(py);
        let log = log.as_mut().ok_or_else(closed)?;
        py.detach(|| log.append_all(frame)).map_err(|error| to_python(py, &error))
    }

    /// Writes columns that are exactly as the log's: arrays of its types and shapes, Arrow columns of its types.
    ///
    /// None if they are not, and nothing was done. Otherwise the largest value of the column `key`, which holds numbers
    /// from 0 and below `limit`; -1 if there is none.
    #[pyo3(signature = (columns, key = None, limit = None))]
    fn append_columns(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyDict>,
        key: Option<&str>,
        limit: Option<i64>,
    ) -> PyResult<Option<i64>> {
        let mut log = self.locked(py);
        let log = log.as_mut().ok_or_else(closed)?;
        let schema = Arc::clone(log.schema());
        if columns.len() != schema.fields().len() {
            return Ok(None);
        }
        let mut arrays = Vec::with_capacity(schema.fields().len());
        let mut largest = -1;
        for field in schema.fields() {
            let Some(array) = columns.get_item(field.name())?.and_then(|values| column(&values, field))
            else {
                return Ok(None);
            };
            if key == Some(field.name()) {
                let Some(found) = largest_key(&array, limit) else { return Ok(None) };
                largest = found;
            }
            arrays.push(array);
        }
        let Ok(batch) = RecordBatch::try_new(schema, arrays) else { return Ok(None) };
        // The arrays lend their memory, which other threads may write to: it is copied while they wait.
        let staged = log.stage(&batch);
        drop(batch);
        py.detach(|| staged.and_then(|()| log.commit())).map_err(|error| to_python(py, &error))?;
        Ok(Some(largest))
    }

    /// Ends the log; its rows. The file stays.
    fn close(&self, py: Python<'_>) -> PyResult<ArrowStream> {
        let log = self.locked(py).take().ok_or_else(closed)?;
        let schema = Arc::clone(log.schema());
        Ok(ArrowStream::new(schema, py.detach(|| log.close())))
    }
}

impl BatchLog {
    fn locked(&self, py: Python<'_>) -> MutexGuard<'_, Option<log::BatchLog>> {
        self.log.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> PyErr {
    PyRuntimeError::new_err("the log is closed")
}

/// Where the whole batches end in what the log of this number left; 0 if there are none.
#[pyfunction]
pub fn batch_log_end(py: Python<'_>, data: &[u8], number: u32) -> usize {
    py.detach(|| log::whole(data, number))
}

/// The batches of a frame, or of the bytes of an Arrow stream.
fn stream_of(frame: &Bound<'_, PyAny>) -> PyResult<Box<dyn RecordBatchReader + Send>> {
    if let Ok(bytes) = frame.cast::<PyBytes>() {
        let reader = StreamReader::try_new(Cursor::new(bytes.as_bytes().to_vec()), None);
        return Ok(Box::new(reader.map_err(|error| PyValueError::new_err(error.to_string()))?));
    }
    let capsule = frame.call_method0(intern!(frame.py(), "__arrow_c_stream__"))?;
    Ok(Box::new(take_stream(capsule.cast::<PyCapsule>()?)?))
}

/// The values as an array of the field's type, if that is what they are.
fn column(values: &Bound<'_, PyAny>, field: &Field) -> Option<ArrayRef> {
    if let Some(array) = numpy::borrow(values, field.data_type()) {
        return Some(array);
    }
    let capsule = values.call_method0(intern!(values.py(), "__arrow_c_stream__")).ok()?;
    let mut chunks = take_column(capsule.cast::<PyCapsule>().ok()?).ok()?;
    if chunks.field().data_type() != field.data_type() {
        return None;
    }
    let array = chunks.next()?.ok()?;
    chunks.next().is_none().then_some(array)
}

/// The largest of keys from 0 and below `limit`, -1 if there are none; None if some are not.
fn largest_key(keys: &ArrayRef, limit: Option<i64>) -> Option<i64> {
    let keys = keys.as_primitive_opt::<Int64Type>()?;
    if keys.null_count() > 0 {
        return None;
    }
    let range = |(low, high): (i64, i64), &key: &i64| (low.min(key), high.max(key));
    let (smallest, largest) = keys.values().iter().fold((0, -1), range);
    (smallest >= 0 && limit.is_none_or(|limit| largest < limit)).then_some(largest)
}

fn to_python(py: Python<'_>, error: &LogError) -> PyErr {
    match error {
        LogError::Io { path, source } => errors::os_error(source, path),
        LogError::Arrow { .. } => errors::error(py, "MetricsTableError", error.to_string()),
    }
}
