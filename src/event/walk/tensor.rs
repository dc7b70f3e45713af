//! Tensors, in every form that the message has for them, and images.

#![allow(clippy::cast_possible_truncation)] // integers keep their low bits, as protobuf's do

use super::wire::{Wire, fields};
use super::{Result, WalkError};

/// The element types of tensors, as TensorFlow numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum DType {
    Float32 = 1,
    Float64 = 2,
    Int32 = 3,
    UInt8 = 4,
    Int16 = 5,
    Int8 = 6,
    String = 7,
    Complex64 = 8,
    Int64 = 9,
    Bool = 10,
    BFloat16 = 14,
    UInt16 = 17,
    Complex128 = 18,
    Float16 = 19,
    UInt32 = 22,
    UInt64 = 23,
}

impl DType {
    /// The type with TensorFlow's number.
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Float32,
            2 => Self::Float64,
            3 => Self::Int32,
            4 => Self::UInt8,
            5 => Self::Int16,
            6 => Self::Int8,
            7 => Self::String,
            8 => Self::Complex64,
            9 => Self::Int64,
            10 => Self::Bool,
            14 => Self::BFloat16,
            17 => Self::UInt16,
            18 => Self::Complex128,
            19 => Self::Float16,
            22 => Self::UInt32,
            23 => Self::UInt64,
            _ => return None,
        })
    }

    /// NumPy's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Int32 => "int32",
            Self::UInt8 => "uint8",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
            Self::String => "string",
            Self::Complex64 => "complex64",
            Self::Int64 => "int64",
            Self::Bool => "bool",
            Self::BFloat16 => "bfloat16",
            Self::UInt16 => "uint16",
            Self::Complex128 => "complex128",
            Self::Float16 => "float16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
        }
    }

    /// The bytes of an element; zero for strings.
    pub const fn size(self) -> usize {
        match self {
            Self::String => 0,
            Self::UInt8 | Self::Int8 | Self::Bool => 1,
            Self::Int16 | Self::UInt16 | Self::BFloat16 | Self::Float16 => 2,
            Self::Float32 | Self::Int32 | Self::UInt32 => 4,
            Self::Float64 | Self::Int64 | Self::UInt64 | Self::Complex64 => 8,
            Self::Complex128 => 16,
        }
    }

    /// The number of the `*_val` field that holds elements of this type.
    const fn val_field(self) -> u32 {
        match self {
            Self::Float32 => 5,
            Self::Float64 => 6,
            Self::Int32 | Self::UInt8 | Self::Int16 | Self::Int8 | Self::UInt16 => 7,
            Self::String => 8,
            Self::Complex64 => 9,
            Self::Int64 => 10,
            Self::Bool => 11,
            Self::Complex128 => 12,
            Self::BFloat16 | Self::Float16 => 13,
            Self::UInt32 => 16,
            Self::UInt64 => 17,
        }
    }

    /// One element of a numeric type, as a number; complex numbers and strings have none.
    #[allow(clippy::cast_precision_loss)] // a float64 is what a scalar is
    pub fn number(self, bytes: &[u8]) -> Option<f64> {
        Some(match self {
            Self::Float32 => f32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::Float64 => f64::from_le_bytes(*bytes.first_chunk()?),
            Self::Int32 => i32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt8 => (*bytes.first()?).into(),
            Self::Int16 => i16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::Int8 => bytes.first()?.cast_signed().into(),
            Self::Int64 => i64::from_le_bytes(*bytes.first_chunk()?) as f64,
            Self::Bool => (*bytes.first()? != 0).into(),
            Self::BFloat16 => half::bf16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt16 => u16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::Float16 => half::f16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt32 => u32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt64 => u64::from_le_bytes(*bytes.first_chunk()?) as f64,
            Self::String | Self::Complex64 | Self::Complex128 => return None,
        })
    }
}

/// The largest tensor that a repeated value is spread to. A record can ask for any number of copies of one element.
const MAX_SPREAD_BYTES: usize = 64 << 20;

/// A tensor, borrowed from a record.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// The element type.
    pub dtype: DType,
    /// The shape; empty for a single number and where there is none.
    pub shape: Vec<i64>,
    /// The elements, row-major, if they are packed.
    content: &'a [u8],
    message: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// Walks over the bytes of a `TensorProto`.
    pub fn walk(message: &'a [u8]) -> Result<Self> {
        let mut tensor = Self { dtype: DType::Float32, shape: Vec::new(), content: &[], message };
        let mut dtype = 0;
        for field in fields(message) {
            let (number, wire) = field?;
            match number {
                1 => dtype = wire.varint()?,
                2 => {
                    for field in fields(wire.len()?) {
                        let (number, wire) = field?;
                        if number == 2 {
                            let mut size = 0;
                            for field in fields(wire.len()?) {
                                let (number, wire) = field?;
                                if number == 1 {
                                    size = wire.varint()?.cast_signed();
                                }
                            }
                            tensor.shape.push(size);
                        }
                    }
                }
                4 => tensor.content = wire.len()?,
                _ => {}
            }
        }
        tensor.dtype = DType::from_number(dtype).ok_or(WalkError::Tensor)?;
        Ok(tensor)
    }

    /// The number of elements.
    pub fn len(&self) -> Result<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |len, &dim| len.checked_mul(usize::try_from(dim).ok()?))
            .ok_or(WalkError::Tensor)
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The bytes in the record that are the tensor's one float, where they are that and no more.
    pub fn single(&self) -> Option<&'a [u8]> {
        if self.len() != Ok(1) || !matches!(self.dtype, DType::Float32 | DType::Float64) {
            return None;
        }
        if !self.content.is_empty() {
            return (self.content.len() == self.dtype.size()).then_some(self.content);
        }
        let mut single = None;
        for field in fields(self.message) {
            let (number, wire) = field.ok()?;
            if number == self.dtype.val_field() {
                let bytes = match wire {
                    Wire::Len(bytes) => bytes,
                    Wire::Fixed32(bytes) => bytes,
                    Wire::Fixed64(bytes) => bytes,
                    _ => return None,
                };
                if single.replace(bytes).is_some() {
                    return None;
                }
            }
        }
        single.filter(|bytes| bytes.len() == self.dtype.size())
    }

    /// The number that a tensor of one element stands for.
    pub fn scalar(&self) -> Option<f64> {
        if let Some(bytes) = self.single() {
            return self.dtype.number(bytes);
        }
        if self.len() != Ok(1) || self.dtype == DType::String {
            return None;
        }
        let mut data = Vec::new();
        self.append_data(&mut data).ok()?;
        self.dtype.number(&data)
    }

    /// Appends all elements, row-major and little-endian, the last one repeated until the shape is full; a string
    /// as its length (four bytes, little-endian) and its bytes.
    pub fn append_data(&self, data: &mut Vec<u8>) -> Result<()> {
        let (len, size, start) = (self.len()?, self.dtype.size(), data.len());
        if !self.content.is_empty() && self.dtype != DType::String {
            if len.checked_mul(size) != Some(self.content.len()) {
                return Err(WalkError::Tensor);
            }
            data.extend_from_slice(self.content);
            return Ok(());
        }
        let mut strings = 0;
        let mut last = start;
        for field in fields(self.message) {
            let (number, wire) = field?;
            if number != self.dtype.val_field() {
                continue;
            }
            match (self.dtype, wire) {
                (DType::String, Wire::Len(bytes)) => {
                    last = data.len();
                    put_string(data, bytes)?;
                    strings += 1;
                }
                (DType::Float32 | DType::Complex64, Wire::Len(bytes)) if bytes.len() % 4 == 0 => {
                    data.extend_from_slice(bytes);
                }
                (DType::Float32 | DType::Complex64, Wire::Fixed32(bytes)) => data.extend_from_slice(bytes),
                (DType::Float64 | DType::Complex128, Wire::Len(bytes)) if bytes.len() % 8 == 0 => {
                    data.extend_from_slice(bytes);
                }
                (DType::Float64 | DType::Complex128, Wire::Fixed64(bytes)) => data.extend_from_slice(bytes),
                (_, Wire::Varint(value)) if size > 0 => put_integer(data, self.dtype, value),
                (_, Wire::Len(packed)) if size > 0 => {
                    let mut packed = fields(packed);
                    while !packed.rest.is_empty() {
                        put_integer(data, self.dtype, packed.varint()?);
                    }
                }
                _ => return Err(WalkError::WireType),
            }
        }
        let got = (data.len() - start).checked_div(size).unwrap_or(strings);
        if got == len {
            return Ok(());
        }
        let element = if size == 0 {
            data[last..].to_vec()
        } else {
            data[data.len().saturating_sub(size).max(start)..].to_vec()
        };
        if got == 0
            || got > len
            || len.checked_mul(element.len()).is_none_or(|bytes| bytes > MAX_SPREAD_BYTES)
        {
            data.truncate(start);
            return Err(WalkError::Tensor);
        }
        for _ in got..len {
            data.extend_from_slice(&element);
        }
        Ok(())
    }
}

fn put_string(data: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| WalkError::Tensor)?;
    data.extend_from_slice(&len.to_le_bytes());
    data.extend_from_slice(bytes);
    Ok(())
}

/// Appends an element that came as a varint.
fn put_integer(data: &mut Vec<u8>, dtype: DType, value: u64) {
    match dtype {
        // PyTorch stores the bits of a float32 where those of a half belong; no half has as many.
        DType::Float16 if value > 0xffff => {
            data.extend_from_slice(&half::f16::from_f32(f32::from_bits(value as u32)).to_le_bytes());
        }
        DType::BFloat16 if value > 0xffff => {
            data.extend_from_slice(&half::bf16::from_f32(f32::from_bits(value as u32)).to_le_bytes());
        }
        _ => data.extend_from_slice(&value.to_le_bytes()[..dtype.size()]),
    }
}

/// An image value: the encoded file and the sizes beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Image<'a> {
    /// Height, width and colour space.
    pub shape: [i64; 3],
    /// PNG, GIF or JPEG.
    pub encoded: &'a [u8],
}

impl<'a> Image<'a> {
    /// Walks over the bytes of an `Image`.
    pub fn walk(bytes: &'a [u8]) -> Result<Self> {
        let mut image = Self::default();
        for field in fields(bytes) {
            let (number, wire) = field?;
            match number {
                1..=3 => image.shape[number as usize - 1] = i64::from(wire.varint()? as i32),
                4 => image.encoded = wire.len()?,
                _ => {}
            }
        }
        Ok(image)
    }
}
