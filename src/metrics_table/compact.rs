//! Columns without what lies beside their rows.
//!
//! A slice of a column refers to all of its texts, and a stream would write them all with every batch.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericByteViewArray, GenericListArray, OffsetSizeTrait,
    RecordBatch, StructArray,
};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType};

/// The same rows, whose texts are in buffers of about their size.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(column).collect::<Result<_, _>>()?;
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

fn column(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if !holds_views(array.data_type()) {
        return Ok(Arc::clone(array));
    }
    Ok(match array.data_type() {
        DataType::Utf8View => views::<StringViewType>(array),
        DataType::BinaryView => views::<BinaryViewType>(array),
        DataType::List(_) => list::<i32>(array)?,
        DataType::LargeList(_) => list::<i64>(array)?,
        DataType::FixedSizeList(field, size) => {
            let list = array.as_fixed_size_list();
            let values = column(list.values())?;
            let same = FixedSizeListArray::try_new_with_length(
                Arc::clone(field),
                *size,
                values,
                list.nulls().cloned(),
                list.len(),
            );
            Arc::new(same?)
        }
        DataType::Struct(fields) => {
            let one = array.as_struct();
            let columns = one.columns().iter().map(column).collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                one.nulls().cloned(),
                one.len(),
            )?)
        }
        _ => Arc::clone(array),
    })
}

fn holds_views(dtype: &DataType) -> bool {
    match dtype {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            holds_views(field.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| holds_views(field.data_type())),
        _ => false,
    }
}

fn views<T: ByteViewType>(array: &ArrayRef) -> ArrayRef {
    let views: &GenericByteViewArray<T> = array.as_byte_view();
    let held: usize = views.data_buffers().iter().map(Buffer::len).sum();
    // Little is gained below a page, and a copy costs about what it saves while half of the bytes are used.
    if held <= 4096 || held <= 2 * views.total_buffer_bytes_used() {
        return Arc::clone(array);
    }
    Arc::new(views.gc())
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (field, offsets, values, nulls) = array.as_list::<O>().clone().into_parts();
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let values = column(&values.slice(first.as_usize(), (last - first).as_usize()))?;
    let offsets = OffsetBuffer::new(offsets.iter().map(|&offset| offset - first).collect());
    Ok(Arc::new(GenericListArray::try_new(field, offsets, values, nulls)?))
}
