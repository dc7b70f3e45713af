//! The definition, one value at a time.

use super::{Binning, Histogram, NonFinite};
use crate::event::elements::Elements;

/// The histogram of `elements`: what [`super::histogram`] computes, in the plainest way.
pub fn histogram(elements: Elements<'_>, buckets: usize) -> Histogram {
    let mut non_finite = NonFinite::default();
    let mut finite = Vec::new();
    for value in elements.iter() {
        if value.is_finite() {
            finite.push(value);
        } else {
            non_finite.count(value);
        }
    }
    let min = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let max = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if buckets == 0 || finite.is_empty() {
        return Histogram { rows: vec![[0.0; 3]; buckets], non_finite };
    }
    let mut counts = vec![0; buckets];
    if min >= max {
        counts[buckets - 1] = finite.len() as u64;
        return Histogram { rows: counts.iter().map(|&n| [min, min, n as f64]).collect(), non_finite };
    }
    let binning = Binning::new(min, max, buckets);
    for value in finite {
        counts[binning.index(value) as usize] += 1;
    }
    Histogram { rows: binning.rows(counts), non_finite }
}
