//! NumPy's arrays as Arrow's, in place.

use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, FixedSizeListArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, Buffer, ScalarBuffer};
use arrow_schema::DataType;
use pyo3::buffer::{ElementType, PyUntypedBuffer};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// An array whose elements and shape are those of `dtype`, as Arrow sees its memory; None for anything else.
///
/// The result must be gone before other threads run Python again: they may write to the memory.
pub fn borrow(values: &Bound<'_, PyAny>, dtype: &DataType) -> Option<ArrayRef> {
    static NDARRAY: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = NDARRAY.import(values.py(), "numpy", "ndarray").ok()?;
    // Its subclasses mean more than their memory: masks, records.
    if !values.get_type().is(class) {
        return None;
    }
    let buffer = PyUntypedBuffer::get(values).ok()?;
    let (&length, sizes) = buffer.shape().split_first()?;
    let mut inner = dtype;
    for &size in sizes {
        let DataType::FixedSizeList(field, width) = inner else { return None };
        if usize::try_from(*width) != Ok(size) {
            return None;
        }
        inner = field.data_type();
    }
    let leaf = leaf(buffer, inner)?;
    wrapped(dtype, leaf, length)
}

/// The lists of the dtype around the elements.
fn wrapped(dtype: &DataType, leaf: ArrayRef, length: usize) -> Option<ArrayRef> {
    let DataType::FixedSizeList(field, width) = dtype else { return Some(leaf) };
    let values = wrapped(field.data_type(), leaf, length * usize::try_from(*width).ok()?)?;
    let lists = FixedSizeListArray::try_new_with_length(Arc::clone(field), *width, values, None, length);
    Some(Arc::new(lists.ok()?))
}

fn leaf(buffer: PyUntypedBuffer, dtype: &DataType) -> Option<ArrayRef> {
    use ElementType::{Bool, Float, SignedInteger as Int, UnsignedInteger as UInt};
    if !buffer.is_c_contiguous() {
        return None;
    }
    let foreign_order = if cfg!(target_endian = "little") { b">!" } else { b"<<" };
    if buffer.format().to_bytes().first().is_some_and(|mark| foreign_order.contains(mark)) {
        return None;
    }
    let element = ElementType::from_format(buffer.format());
    Some(match (dtype, element) {
        (DataType::Float64, Float { bytes: 8 }) => primitive::<Float64Type>(buffer)?,
        (DataType::Float32, Float { bytes: 4 }) => primitive::<Float32Type>(buffer)?,
        (DataType::Int64, Int { bytes: 8 }) => primitive::<Int64Type>(buffer)?,
        (DataType::Int32, Int { bytes: 4 }) => primitive::<Int32Type>(buffer)?,
        (DataType::Int16, Int { bytes: 2 }) => primitive::<Int16Type>(buffer)?,
        (DataType::Int8, Int { bytes: 1 }) => primitive::<Int8Type>(buffer)?,
        (DataType::UInt64, UInt { bytes: 8 }) => primitive::<UInt64Type>(buffer)?,
        (DataType::UInt32, UInt { bytes: 4 }) => primitive::<UInt32Type>(buffer)?,
        (DataType::UInt16, UInt { bytes: 2 }) => primitive::<UInt16Type>(buffer)?,
        (DataType::UInt8, UInt { bytes: 1 }) => primitive::<UInt8Type>(buffer)?,
        (DataType::Boolean, Bool) => {
            let bytes = lent(buffer);
            Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(bytes.len(), |row| bytes[row] != 0), None))
        }
        _ => return None,
    })
}

fn primitive<T: ArrowPrimitiveType>(buffer: PyUntypedBuffer) -> Option<ArrayRef> {
    let elements = buffer.item_count();
    let bytes = lent(buffer);
    if bytes.as_ptr().align_offset(align_of::<T::Native>()) != 0 {
        return None;
    }
    Some(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::new(bytes, 0, elements), None)))
}

/// The memory of a contiguous buffer.
fn lent(buffer: PyUntypedBuffer) -> Buffer {
    let (memory, length) = (buffer.buf_ptr().cast::<u8>(), buffer.len_bytes());
    let Some(memory) = NonNull::new(memory).filter(|_| length > 0) else { return Buffer::default() };
    #[allow(unsafe_code)] // another library's memory, read in place
    // SAFETY: the view keeps the memory alive and in place, and the buffer owns the view; that nobody writes to it is
    // the caller's duty, told at `borrow`.
    unsafe {
        Buffer::from_custom_allocation(memory, length, Arc::new(buffer))
    }
}
