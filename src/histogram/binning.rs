//! From a range to its buckets: the definition, once.

/// `buckets` equal buckets from `min` to `max`, both finite and `min < max`.
#[derive(Clone, Copy, Debug)]
pub struct Binning {
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// How many buckets.
    pub buckets: usize,
    /// A power of two by which values are multiplied before anything else; 1 but at the ends of float64's range.
    pub scale: f64,
    /// The width of a scaled bucket.
    pub width: f64,
    scaled_min: f64,
    last: u32,
}

impl Binning {
    /// Buckets for values between `min` and `max`; at least one and less than 2³².
    pub fn new(min: f64, max: f64, buckets: usize) -> Self {
        let parts = buckets as f64;
        let width = (max - min) / parts;
        let scale = if width.is_infinite() {
            0.5
        } else if width == 0.0 {
            2f64.powi(600)
        } else {
            1.0
        };
        let width = (max * scale - min * scale) / parts;
        Self { min, max, buckets, scale, width, scaled_min: min * scale, last: buckets as u32 - 1 }
    }

    /// The bucket of `value`, between `min` and `max`.
    #[inline(always)]
    pub fn index(&self, value: f64) -> u32 {
        let ratio = (value * self.scale - self.scaled_min) / self.width;
        (ratio as u32).min(self.last)
    }

    /// Left edge, right edge and count of each bucket, the edges as `numpy.linspace` spaces them.
    pub fn rows(&self, counts: impl IntoIterator<Item = u64>) -> Vec<[f64; 3]> {
        let edge = |index: usize| match index {
            index if index == self.buckets => self.max,
            index => (index as f64 * self.width + self.scaled_min) / self.scale,
        };
        counts.into_iter().enumerate().map(|(i, count)| [edge(i), edge(i + 1), count as f64]).collect()
    }
}
