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
/// How many values are no finite numbers.
pub use crate::event::proto::NonFinite;
use crate::event::proto::{DataType, HistogramContent, HistogramProto};
use crate::event::tensor::{Dim, put_tensor_field};

/// The buckets of a `HistogramProto`, the form of `TensorFlow` 1 and `PyTorch`, and its minimum, maximum, number, sum and
/// sum of squares. `None` if it has not as many limits as buckets.
///
/// Empty buckets before the first and behind the last value are left out, and the outermost edges are the smallest
/// and largest value, as TensorBoard shows them.
pub fn read_histo(message: &[u8]) -> Option<(Vec<[f64; 3]>, [f64; 5])> {
    let histo = HistogramProto::decode(message).ok()?;
    let totals = [histo.min, histo.max, histo.num, histo.sum, histo.sum_squares];
    let (limits, counts) = (&histo.bucket_limit, &histo.bucket);
    if limits.len() != counts.len() {
        return None;
    }
    let filled = |count: &f64| *count > 0.0;
    let (Some(first), Some(last)) = (counts.iter().position(filled), counts.iter().rposition(filled)) else {
        return Some((Vec::new(), totals));
    };
    let row = |i: usize| {
        let left = if i == first { histo.min } else { limits[i - 1] };
        let right = if i == last { histo.max } else { limits[i] };
        [left, right, counts[i]]
    };
    Some(((first..=last).map(row).collect(), totals))
}

/// The values of a histogram that are in no bucket, as its metadata's plugin content counts them.
pub fn non_finite(content: &[u8]) -> NonFinite {
    HistogramContent::decode(content).ok().and_then(|content| content.non_finite).unwrap_or_default()
}

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
    /// Appends the field `tensor`: the table of rows, which TensorBoard shows.
    pub fn put_tensor_field(&self, buf: &mut Vec<u8>) {
        let table: Vec<u8> = self.rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
        let dims = [Dim::new(self.rows.len() as u64), Dim::new(3)];
        put_tensor_field(buf, DataType::DtDouble, &dims, &table);
    }

    /// What the plugin's content says of the values that are in no bucket (`proto/event.proto`); nothing if there are none.
    pub fn content(&self) -> Vec<u8> {
        let non_finite = (self.non_finite != NonFinite::default()).then_some(self.non_finite);
        HistogramContent { non_finite }.encode_to_vec()
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
