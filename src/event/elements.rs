//! Arrays of any element type, read in place.

#![allow(clippy::cast_precision_loss)] // whole numbers beyond 2⁵³ are rounded, as TensorBoard rounds them

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

use super::proto::DataType;
use super::tensor::element_size;

/// Reads as many elements as there are places.
pub(crate) type Fill<L> = fn(&[u8], &mut [L]);

/// The bytes of an array, little-endian.
#[derive(Clone, Copy)]
pub struct Elements<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) dtype: DataType,
    /// Bytes an element takes.
    pub(crate) size: usize,
    /// As float32, where that is exact.
    pub(crate) singles: Option<Fill<f32>>,
    /// As float64, which is exact but for integers beyond 2⁵³; those are rounded, as TensorBoard rounds them.
    pub(crate) doubles: Fill<f64>,
}

/// How to read elements of `$type` by way of `$convert`.
macro_rules! fill {
    ($type:ty, $convert:expr) => {
        |bytes, values| {
            let elements = bytes.as_chunks::<{ size_of::<$type>() }>().0;
            let len = elements.len().min(values.len());
            let (elements, values) = (&elements[..len], &mut values[..len]);
            for i in 0..len {
                values[i] = $convert(<$type>::from_le_bytes(elements[i]));
            }
        }
    };
}

impl<'a> Elements<'a> {
    /// The elements of an array; `None` where they have no order (complex numbers, strings).
    pub fn new(dtype: DataType, bytes: &'a [u8]) -> Option<Self> {
        let (singles, doubles): (Option<Fill<f32>>, Fill<f64>) = match dtype {
            DataType::DtFloat => (Some(fill!(f32, |x| x)), fill!(f32, f64::from)),
            DataType::DtDouble => (None, fill!(f64, |x| x)),
            DataType::DtHalf => (Some(fill_from_half), fill!(f16, f64::from)),
            DataType::DtBfloat16 => (Some(fill!(bf16, f32::from)), fill!(bf16, f64::from)),
            DataType::DtInt8 => (Some(fill!(i8, f32::from)), fill!(i8, f64::from)),
            DataType::DtUint8 | DataType::DtBool => (Some(fill!(u8, f32::from)), fill!(u8, f64::from)),
            DataType::DtInt16 => (Some(fill!(i16, f32::from)), fill!(i16, f64::from)),
            DataType::DtUint16 => (Some(fill!(u16, f32::from)), fill!(u16, f64::from)),
            DataType::DtInt32 => (None, fill!(i32, f64::from)),
            DataType::DtUint32 => (None, fill!(u32, f64::from)),
            DataType::DtInt64 => (None, fill!(i64, |x| x as f64)),
            DataType::DtUint64 => (None, fill!(u64, |x| x as f64)),
            _ => return None,
        };
        Some(Self { bytes, dtype, size: element_size(dtype)?, singles, doubles })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.size
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each as float64.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        self.bytes.chunks_exact(self.size).map(|element| {
            let mut value = [0.0];
            (self.doubles)(element, &mut value);
            value[0]
        })
    }
}

/// Half floats by the run: the processor converts eight at once, which the conversion of a single one can't use.
fn fill_from_half(bytes: &[u8], values: &mut [f32]) {
    const RUN: usize = 64;
    for (bytes, values) in bytes.chunks(2 * RUN).zip(values.chunks_mut(RUN)) {
        let mut bits = [0; RUN];
        for (bits, bytes) in bits.iter_mut().zip(bytes.as_chunks().0) {
            *bits = u16::from_le_bytes(*bytes);
        }
        bits[..values.len()].reinterpret_cast::<f16>().convert_to_f32_slice(values);
    }
}
