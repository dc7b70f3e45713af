//! Histograms as TensorBoard defines them: equal buckets from the smallest to the largest value.
//!
//! The definition (TensorBoard's `histogram_pb`): in float64, the bucket of *x* is `floor((x - min) / width)` with
//! `width = (max - min) / buckets`, and the largest value belongs to the last bucket. [`plain`] computes just that,
//! [`fast`] the same counts at the speed of memory; a property test compares the two.
//!
//! What the definition leaves open, and what we do:
//!
//! - NaN and infinities are in no bucket; they are counted apart.
//! - A range beyond float64, or so small that its buckets have no width, is scaled by a power of two first.
#![allow(
    clippy::cast_possible_truncation, // bounded by the number of buckets
    clippy::cast_precision_loss,      // counts are below 2⁵³
    clippy::cast_sign_loss,           // a value is not below the smallest
    clippy::float_cmp,                // exact by definition
    clippy::inline_always             // what makes loops vectors
)]

mod binning;
mod fast;
mod plain;

use prost::Message;

pub use self::binning::Binning;
use crate::event::encode::put_bytes_field;
use crate::event::proto::DataType;
/// How many values are no finite numbers.
pub use crate::event::proto::NonFinite;
use crate::event::tensor::{Dim, put_tensor_field};

/// The number of the extension field that carries [`NonFinite`] (`proto/event.proto`).
const NON_FINITE_FIELD: u32 = 1002;

pub use fast::histogram;
pub use plain::histogram as plain_histogram;

/// A histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Left edge, right edge and count of each bucket. All zero where there is no finite value; all edges equal, and
    /// all values in the last bucket, where they are one.
    pub rows: Vec<[f64; 3]>,
    /// The values that are in no bucket.
    pub non_finite: NonFinite,
}

impl Histogram {
    /// Appends the value's fields but for its metadata's: the table of rows, which is what TensorBoard shows; `metadata`,
    /// a whole field; and where there are any, the counts of [`NonFinite`] in our extension.
    pub fn put_fields(&self, buf: &mut Vec<u8>, metadata: &[u8]) {
        let table: Vec<u8> = self.rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
        let dims = [Dim::new(self.rows.len() as u64), Dim::new(3)];
        put_tensor_field(buf, DataType::DtDouble, &dims, &table);
        buf.extend_from_slice(metadata);
        if self.non_finite != NonFinite::default() {
            put_bytes_field(buf, NON_FINITE_FIELD, &self.non_finite.encode_to_vec());
        }
    }
}

impl NonFinite {
    fn count(&mut self, value: f64) {
        if value.is_nan() {
            self.nan += 1;
        } else if value > 0.0 {
            self.positive_infinity += 1;
        } else {
            self.negative_infinity += 1;
        }
    }
}
