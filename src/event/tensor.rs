//! Tensors of any element type, as `Summary.Value.tensor`.
//!
//! float32 and float64 go to their own packed lists, which every reader knows (R's tfevents knows no other
//! form); all other numbers go to `tensor_content`, whose bytes are the array's own.

use super::encode::{put_bytes_field, put_varint, varint_len};
use super::proto::DataType;

/// The keys of `Summary.Value.tensor` and of the fields of `TensorProto`, as they stand on the wire.
const VALUE_TENSOR: u8 = 0x42;
const DTYPE: u8 = 0x08;
const SHAPE_FIELD: u32 = 2;
const CONTENT_FIELD: u32 = 4;
const FLOAT_FIELD: u32 = 5;
const DOUBLE_FIELD: u32 = 6;
const STRING_FIELD: u32 = 8;

/// Every element type we know, with its name (`NumPy`'s, where `NumPy` has one) and the bytes of an element; 0 where
/// elements have no fixed size.
const DTYPES: [(DataType, &str, usize); 17] = [
    (DataType::DtFloat, "float32", 4),
    (DataType::DtDouble, "float64", 8),
    (DataType::DtInt32, "int32", 4),
    (DataType::DtUint8, "uint8", 1),
    (DataType::DtInt16, "int16", 2),
    (DataType::DtInt8, "int8", 1),
    (DataType::DtString, "string", 0),
    (DataType::DtComplex64, "complex64", 8),
    (DataType::DtInt64, "int64", 8),
    (DataType::DtBool, "bool", 1),
    (DataType::DtBfloat16, "bfloat16", 2),
    (DataType::DtUint16, "uint16", 2),
    (DataType::DtComplex128, "complex128", 16),
    (DataType::DtHalf, "float16", 2),
    (DataType::DtUint32, "uint32", 4),
    (DataType::DtUint64, "uint64", 8),
    (DataType::DtInvalid, "invalid", 0),
];

/// The element type of that name.
pub fn dtype_from_name(name: &str) -> Option<DataType> {
    DTYPES.iter().find(|(dtype, n, _)| *n == name && *dtype != DataType::DtInvalid).map(|row| row.0)
}

/// The name of an element type.
pub fn dtype_name(dtype: DataType) -> &'static str {
    DTYPES.iter().find(|row| row.0 == dtype).map_or("invalid", |row| row.1)
}

/// Bytes an element takes; `None` for strings.
pub fn element_size(dtype: DataType) -> Option<usize> {
    DTYPES.iter().find(|row| row.0 == dtype).map(|row| row.2).filter(|&size| size > 0)
}

/// One axis of a tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dim {
    /// Elements along the axis.
    pub size: u64,
    /// The axis' name, or empty.
    pub name: String,
}

impl Dim {
    /// An axis without a name.
    pub fn new(size: u64) -> Self {
        Self { size, name: String::new() }
    }
}

/// Appends the field `tensor` of numbers: `data` is row-major and little-endian.
pub fn put_tensor_field(buf: &mut Vec<u8>, dtype: DataType, dims: &[Dim], data: &[u8]) {
    let field = match dtype {
        DataType::DtFloat => FLOAT_FIELD,
        DataType::DtDouble => DOUBLE_FIELD,
        _ => CONTENT_FIELD,
    };
    let data_len = if data.is_empty() { 0 } else { bytes_field_len(data) };
    put_tensor_head(buf, dtype, dims, data_len);
    if !data.is_empty() {
        put_bytes_field(buf, field, data);
    }
}

/// Appends the field `tensor` of strings, row-major.
pub fn put_string_tensor_field<T: AsRef<[u8]>>(buf: &mut Vec<u8>, dims: &[Dim], elements: &[T]) {
    let data_len = elements.iter().map(|element| bytes_field_len(element.as_ref())).sum();
    put_tensor_head(buf, DataType::DtString, dims, data_len);
    for element in elements {
        put_bytes_field(buf, STRING_FIELD, element.as_ref());
    }
}

fn put_tensor_head(buf: &mut Vec<u8>, dtype: DataType, dims: &[Dim], data_len: usize) {
    let mut shape = Vec::new();
    for dim in dims {
        let mut message = Vec::new();
        if dim.size != 0 {
            message.push(0x08);
            put_varint(&mut message, dim.size);
        }
        if !dim.name.is_empty() {
            put_bytes_field(&mut message, 2, dim.name.as_bytes());
        }
        put_bytes_field(&mut shape, 2, &message);
    }
    let tensor_len = 2 + bytes_field_len(&shape) + data_len;
    buf.reserve(tensor_len + 16);
    buf.push(VALUE_TENSOR);
    put_varint(buf, tensor_len as u64);
    buf.extend_from_slice(&[DTYPE, dtype as u8]);
    put_bytes_field(buf, SHAPE_FIELD, &shape);
}

/// The length of a length-delimited field with a one-byte key.
fn bytes_field_len(bytes: &[u8]) -> usize {
    1 + varint_len(bytes.len() as u64) + bytes.len()
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::proto::{TensorProto, summary};
    use super::*;

    fn tensor(field: &[u8]) -> TensorProto {
        let value = summary::Value::decode(field).unwrap();
        match value.value {
            Some(summary::value::Value::Tensor(tensor)) => tensor,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_as_r_writes_it() {
        let mut buf = Vec::new();
        put_string_tensor_field(&mut buf, &[Dim::new(1)], &["hi"]);
        assert_eq!(buf, b"\x42\x0c\x08\x07\x12\x04\x12\x02\x08\x01\x42\x02hi");
    }

    #[test]
    fn prost_reads_what_is_written() {
        let mut buf = Vec::new();
        let dims = [Dim { size: 2, name: "row".into() }, Dim::new(300)];
        let data = vec![7; 600];
        put_tensor_field(&mut buf, DataType::DtUint8, &dims, &data);
        let read = tensor(&buf);
        assert_eq!(read.dtype(), DataType::DtUint8);
        assert_eq!(read.tensor_content, data);
        let shape = read.tensor_shape.unwrap();
        assert_eq!((shape.dim[0].size, shape.dim[0].name.as_str(), shape.dim[1].size), (2, "row", 300));

        buf.clear();
        put_tensor_field(&mut buf, DataType::DtFloat, &[], &1.5f32.to_le_bytes());
        let read = tensor(&buf);
        assert_eq!((read.float_val, read.tensor_shape.unwrap().dim.len()), (vec![1.5], 0));

        buf.clear();
        put_tensor_field(&mut buf, DataType::DtDouble, &[Dim::new(0), Dim::new(3)], &[]);
        let read = tensor(&buf);
        assert_eq!((read.double_val.len(), read.tensor_shape.unwrap().dim[1].size), (0, 3));
    }

    #[test]
    fn names_lead_back_to_their_types() {
        for (dtype, name, _) in DTYPES.iter().filter(|row| row.0 != DataType::DtInvalid) {
            assert_eq!(dtype_from_name(name), Some(*dtype));
            assert_eq!(dtype_name(*dtype), *name);
        }
        assert_eq!(dtype_from_name("invalid"), None);
        assert_eq!(element_size(DataType::DtString), None);
    }
}
