//! The same counts as [`super::plain`], several times faster.
//!
//! Two passes over the array, in blocks that stay in the first cache: the range, then the buckets. Elements become
//! float32 where that is exact, else float64; both have a [`Lane`].
//!
//! A division costs more than all else together, so the ratio is estimated by a multiplication with the reciprocal,
//! and only where the estimate is so close to an edge that its rounding could matter are the 16 values around it
//! divided as the definition says. Estimates are rounded by adding a number so large that its last bit is worth 1;
//! an index is then read from the low bits, and the whole is a loop of additions that compiles to vector code.
//!
//! Counting goes to several tables in turn: equal neighbours (a constant array, a sparse activation) would else wait
//! for each other's store.

use super::{Binning, Histogram, NonFinite};
use crate::event::elements::{Elements, Fill};
use crate::event::proto::DataType;

/// Values a block holds: 8 or 16 KiB.
const BLOCK: usize = 2048;
/// Values that are binned, and if need be divided, together.
const GROUP: usize = 16;
/// Tables that are counted into in turn.
const TABLES: usize = 8;
/// Buckets for which an index is a byte.
const SMALL: usize = 256;
/// The largest block count of one table: a table's counters are 32 bits.
const BLOCKS_BEFORE_OVERFLOW: usize = (u32::MAX as usize / BLOCK) - 1;

/// The histogram of `elements` in `buckets` equal buckets.
pub fn histogram(elements: Elements<'_>, buckets: usize) -> Histogram {
    let singles = elements.singles.map(|fill| Pass { elements, fill });
    let doubles = Pass { elements, fill: elements.doubles };
    let range = singles.map_or_else(|| doubles.range(), |pass| pass.range());
    let Range { min, max, finite, non_finite } = range;
    let mut rows = vec![[0.0; 3]; buckets];
    if buckets == 0 || finite == 0 {
        return Histogram { rows, non_finite };
    }
    if min >= max {
        rows.fill([min, min, 0.0]);
        rows[buckets - 1][2] = finite as f64;
        return Histogram { rows, non_finite };
    }
    let binning = Binning::new(min, max, buckets);
    let all_finite = finite == elements.len();
    let single =
        singles.and_then(|pass| Some(pass.count(&binning, Some(&Estimate::new(&binning)?), all_finite)));
    let counts =
        single.unwrap_or_else(|| doubles.count(&binning, Estimate::new(&binning).as_ref(), all_finite));
    Histogram { rows: binning.rows(counts), non_finite }
}

/// A float type and what its arithmetic needs to know.
trait Lane: Copy + Default + PartialOrd + Into<f64> + 'static {
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    /// Twice the error of an estimated ratio of 1, a generous bound: three roundings and one of the reciprocal.
    const ERROR: f64;
    /// The elements themselves, where they are of this type and stand aligned.
    fn in_place<'a>(elements: &Elements<'a>) -> Option<&'a [Self]>;
    fn from_f64(value: f64) -> Self;
    fn is_normal(self) -> bool;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// The nearest integer of a number between 0 and 2²², and the same as a float.
    fn nearest(self) -> (u32, Self);
}

macro_rules! lane {
    ($type:ty, $dtype:expr, $magic:expr, $error:expr) => {
        impl Lane for $type {
            const INFINITY: Self = <$type>::INFINITY;
            const NEG_INFINITY: Self = <$type>::NEG_INFINITY;
            const ERROR: f64 = $error;

            fn in_place<'a>(elements: &Elements<'a>) -> Option<&'a [Self]> {
                #[allow(unsafe_code)] // what saves a copy of the whole array
                // SAFETY: all bits are a float.
                let (before, values, after) = unsafe { elements.bytes.align_to() };
                let fits = elements.dtype == $dtype && before.is_empty() && after.is_empty();
                (fits && cfg!(target_endian = "little")).then_some(values)
            }

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn is_normal(self) -> bool {
                self.is_normal()
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self - other
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }

            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }

            #[inline(always)]
            fn nearest(self) -> (u32, Self) {
                const MAGIC: $type = $magic;
                let sum = self + MAGIC;
                ((sum.to_bits() - MAGIC.to_bits()) as u32, sum - MAGIC)
            }
        }
    };
}

lane!(f32, DataType::DtFloat, 12_582_912.0, 8.0 / 16_777_216.0);
lane!(f64, DataType::DtDouble, 6_755_399_441_055_744.0, 8.0 / 9_007_199_254_740_992.0);

/// An array to be passed over.
#[derive(Clone, Copy)]
struct Pass<'a, L> {
    elements: Elements<'a>,
    fill: Fill<L>,
}

/// What the first pass finds: the range of the finite values, and how many there are.
struct Range {
    min: f64,
    max: f64,
    finite: usize,
    non_finite: NonFinite,
}

impl<L: Lane> Pass<'_, L> {
    /// Calls `visit` with all values, block by block.
    fn for_each_block(&self, mut visit: impl FnMut(&[L])) {
        if let Some(values) = L::in_place(&self.elements) {
            values.chunks(BLOCK).for_each(visit);
            return;
        }
        let mut block = [L::default(); BLOCK];
        for bytes in self.elements.bytes.chunks(BLOCK * self.elements.size) {
            let values = &mut block[..bytes.len() / self.elements.size];
            (self.fill)(bytes, values);
            visit(values);
        }
    }

    /// The first pass.
    fn range(&self) -> Range {
        let (mut min, mut max, mut finite) = (L::INFINITY, L::NEG_INFINITY, 0);
        let mut non_finite = NonFinite::default();
        let mut kept = Vec::new();
        let mut extend = |values: &[L], (block_min, block_max, _)| {
            finite += values.len();
            min = smaller(min, block_min);
            max = larger(max, block_max);
        };
        self.for_each_block(|values| {
            let range = range_of(values);
            if range.2 {
                extend(values, range);
            } else {
                keep_finite(values, &mut kept, &mut non_finite);
                extend(&kept, range_of(&kept));
            }
        });
        Range { min: min.into(), max: max.into(), finite, non_finite }
    }

    /// The second pass.
    fn count(&self, binning: &Binning, estimate: Option<&Estimate<L>>, all_finite: bool) -> Vec<u64> {
        let mut counts = vec![0; binning.buckets];
        let mut tables = [[0; SMALL]; TABLES];
        let mut indices = [0; BLOCK];
        let mut kept = Vec::new();
        let mut blocks = 0;
        self.for_each_block(|values| {
            let values = if all_finite || range_of(values).2 {
                values
            } else {
                keep_finite(values, &mut kept, &mut NonFinite::default());
                &kept
            };
            index(values, binning, estimate, &mut indices);
            let indices = &indices[..values.len()];
            if binning.buckets <= SMALL {
                count_in_turn(indices, &mut tables);
                blocks += 1;
                if blocks % BLOCKS_BEFORE_OVERFLOW == 0 {
                    drain(&mut tables, &mut counts);
                }
            } else {
                for &index in indices {
                    counts[index as usize] += 1;
                }
            }
        });
        drain(&mut tables, &mut counts);
        counts
    }
}

/// Puts the finite values into `kept` and counts the others.
fn keep_finite<L: Lane>(values: &[L], kept: &mut Vec<L>, non_finite: &mut NonFinite) {
    kept.clear();
    for &value in values {
        let wide: f64 = value.into();
        if wide.is_finite() {
            kept.push(value);
        } else {
            non_finite.count(wide);
        }
    }
}

fn count_in_turn(indices: &[u32], tables: &mut [[u32; SMALL]; TABLES]) {
    let (turns, rest) = indices.as_chunks::<TABLES>();
    for turn in turns {
        for table in 0..TABLES {
            tables[table][turn[table] as usize % SMALL] += 1;
        }
    }
    for &index in rest {
        tables[0][index as usize % SMALL] += 1;
    }
}

fn drain(tables: &mut [[u32; SMALL]; TABLES], counts: &mut [u64]) {
    for table in tables {
        for (count, n) in counts.iter_mut().zip(table) {
            *count += u64::from(std::mem::take(n));
        }
    }
}

/// How to estimate a bucket without dividing.
struct Estimate<L> {
    min: L,
    /// Buckets per unit.
    reciprocal: L,
    /// The smallest and largest ratio, less one half and moved away from the outer edges, which bound nothing: all
    /// values are inside.
    lowest: L,
    highest: L,
    /// A ratio is certain if it is no farther than this from the middle of its bucket.
    certain: L,
}

impl<L: Lane> Estimate<L> {
    /// None where the reciprocal is out of range, or there are so many buckets that most would be uncertain.
    fn new(binning: &Binning) -> Option<Self> {
        let reciprocal = L::from_f64(1.0 / binning.width);
        let buckets = binning.buckets as f64;
        let error = buckets * L::ERROR;
        let usable = binning.scale == 1.0
            && reciprocal.is_normal()
            && L::from_f64(binning.width).is_normal()
            && L::from_f64(binning.max - binning.min) < L::INFINITY
            && error < 1.0 / 16.0
            && buckets < 4_194_304.0;
        usable.then(|| Self {
            min: L::from_f64(binning.min),
            reciprocal,
            lowest: L::from_f64(2.0 * error - 0.5),
            highest: L::from_f64(buckets - 0.5 - 2.0 * error),
            certain: L::from_f64(0.5 - error),
        })
    }
}

/// Defines `$name`: `$kernel`, compiled for the widest vectors the processor has.
macro_rules! widest_vectors {
    ($name:ident = $kernel:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        fn $name<L: Lane>($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            if std::is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn with_avx2<L: Lane>($($argument: $type),*) $(-> $result)? {
                    $kernel($($argument),*)
                }
                #[allow(unsafe_code)] // how Rust spells a choice of instructions at run time
                // SAFETY: the processor has the instructions.
                return unsafe { with_avx2($($argument),*) };
            }
            $kernel($($argument),*)
        }
    };
}

widest_vectors!(range_of = range_kernel(values: &[L]) -> (L, L, bool));
widest_vectors!(
    index = index_kernel(
        values: &[L],
        binning: &Binning,
        estimate: Option<&Estimate<L>>,
        indices: &mut [u32; BLOCK]
    )
);

#[inline(always)]
fn smaller<L: Lane>(a: L, b: L) -> L {
    if b < a { b } else { a }
}

#[inline(always)]
fn larger<L: Lane>(a: L, b: L) -> L {
    if b > a { b } else { a }
}

/// The smallest and the largest value, and whether all are finite.
///
/// A difference of a value with itself is 0, or NaN if the value is not finite: one sum tells of any.
#[inline(always)]
fn range_kernel<L: Lane>(values: &[L]) -> (L, L, bool) {
    let mut mins = [L::INFINITY; GROUP];
    let mut maxs = [L::NEG_INFINITY; GROUP];
    let mut tells = [L::default(); GROUP];
    let (groups, rest) = values.as_chunks::<GROUP>();
    for group in groups {
        for lane in 0..GROUP {
            let x = group[lane];
            mins[lane] = smaller(mins[lane], x);
            maxs[lane] = larger(maxs[lane], x);
            tells[lane] = tells[lane].add(x.sub(x));
        }
    }
    for (lane, &x) in rest.iter().enumerate() {
        mins[lane] = smaller(mins[lane], x);
        maxs[lane] = larger(maxs[lane], x);
        tells[lane] = tells[lane].add(x.sub(x));
    }
    let (mut min, mut max, mut tell) = (mins[0], maxs[0], tells[0]);
    for lane in 1..GROUP {
        min = smaller(min, mins[lane]);
        max = larger(max, maxs[lane]);
        tell = tell.add(tells[lane]);
    }
    (min, max, tell == L::default())
}

/// The buckets of a block of values.
#[inline(always)]
fn index_kernel<L: Lane>(
    values: &[L],
    binning: &Binning,
    estimate: Option<&Estimate<L>>,
    indices: &mut [u32; BLOCK],
) {
    let half = L::from_f64(0.5);
    let (groups, rest) = values.as_chunks::<GROUP>();
    let (index_groups, _) = indices.as_chunks_mut::<GROUP>();
    for (i, group) in groups.iter().enumerate() {
        let indices = &mut index_groups[i];
        let mut uncertain = u32::from(estimate.is_none());
        if let Some(estimate) = estimate {
            for lane in 0..GROUP {
                let ratio = group[lane].sub(estimate.min).mul(estimate.reciprocal).sub(half);
                let ratio = smaller(larger(ratio, estimate.lowest), estimate.highest);
                let (index, middle) = ratio.nearest();
                uncertain |= u32::from(ratio.sub(middle).abs() > estimate.certain);
                indices[lane] = index;
            }
        }
        if uncertain != 0 {
            for lane in 0..GROUP {
                indices[lane] = binning.index(group[lane].into());
            }
        }
    }
    for (i, &value) in rest.iter().enumerate() {
        indices[groups.len() * GROUP + i] = binning.index(value.into());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plain;
    use super::*;

    fn check(dtype: DataType, bytes: &[u8], buckets: usize) {
        let elements = Elements::new(dtype, bytes).unwrap();
        let (fast, plain) = (histogram(elements, buckets), plain::histogram(elements, buckets));
        assert_eq!(fast, plain, "{dtype:?}, {buckets} buckets");
        let total: f64 = fast.rows.iter().map(|row| row[2]).sum();
        let apart =
            fast.non_finite.nan + fast.non_finite.positive_infinity + fast.non_finite.negative_infinity;
        assert!(buckets == 0 || total as u64 + apart == elements.len() as u64);
    }

    fn singles(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn doubles(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    const NUMBERS: [DataType; 13] = [
        DataType::DtFloat,
        DataType::DtDouble,
        DataType::DtInt32,
        DataType::DtUint8,
        DataType::DtInt16,
        DataType::DtInt8,
        DataType::DtInt64,
        DataType::DtBool,
        DataType::DtBfloat16,
        DataType::DtUint16,
        DataType::DtHalf,
        DataType::DtUint32,
        DataType::DtUint64,
    ];

    proptest! {
        #[test]
        fn any_bytes_of_any_type(bytes in prop::collection::vec(any::<u8>(), 0..4000), buckets in 0usize..300) {
            for dtype in NUMBERS {
                let size = Elements::new(dtype, &[]).unwrap().size;
                check(dtype, &bytes[..bytes.len() / size * size], buckets);
            }
        }

        #[test]
        fn values_of_one_magnitude(
            values in prop::collection::vec(-1.0..1.0, 1..3000),
            exponent in -340..308,
            offset in -3.0..3.0,
            buckets in 1usize..400,
        ) {
            let scaled: Vec<f64> = values.iter().map(|x| (x + offset) * 10f64.powi(exponent)).collect();
            check(DataType::DtDouble, &doubles(&scaled), buckets);
            let narrow: Vec<f32> = scaled.iter().map(|&x| x as f32).collect();
            check(DataType::DtFloat, &singles(&narrow), buckets);
        }

        #[test]
        fn values_on_the_edges(steps in prop::collection::vec(0u32..60, 1..3000), buckets in 1usize..70) {
            let grid: Vec<f64> = steps.iter().map(|&k| f64::from(k) * 0.1).collect();
            check(DataType::DtDouble, &doubles(&grid), buckets);
            let narrow: Vec<f32> = grid.iter().map(|&x| x as f32).collect();
            check(DataType::DtFloat, &singles(&narrow), buckets);
        }

        #[test]
        fn neighbours_of_edges(
            values in prop::collection::vec((0u32..33, -3i64..4), 1..3000),
            width in 0.001..1000.0,
            min in -100.0..100.0,
            buckets in 1usize..33,
        ) {
            let near: Vec<f64> = values.iter().map(|&(k, ulps)| {
                let edge: f64 = min + f64::from(k) * width / buckets as f64;
                f64::from_bits(edge.to_bits().wrapping_add_signed(ulps))
            }).collect();
            check(DataType::DtDouble, &doubles(&near), buckets);
            let narrow: Vec<f32> = near.iter().zip(&values).map(|(&x, &(_, ulps))| {
                f32::from_bits((x as f32).to_bits().wrapping_add_signed(ulps as i32))
            }).collect();
            check(DataType::DtFloat, &singles(&narrow), buckets);
        }
    }

    #[test]
    fn many_blocks() {
        let values: Vec<f32> = (0..100_003).map(|i| (i as f32 * 0.7).sin()).collect();
        for buckets in [1, 30, 256, 257, 100_000] {
            check(DataType::DtFloat, &singles(&values), buckets);
        }
        let mut holes = values;
        holes[5000] = f32::NAN;
        holes[60_000] = f32::INFINITY;
        check(DataType::DtFloat, &singles(&holes), 30);
    }

    #[test]
    fn ends_of_the_range() {
        for values in [
            vec![f64::MIN, 0.0, f64::MAX],
            vec![0.0, 5e-324, 1e-323],
            vec![-5e-324, 5e-324],
            vec![f64::NAN, f64::INFINITY],
            vec![1.0, f64::NEG_INFINITY],
            vec![],
        ] {
            for buckets in [0, 1, 2, 30, 300] {
                check(DataType::DtDouble, &doubles(&values), buckets);
            }
        }
        check(DataType::DtFloat, &singles(&[f32::MIN, -1.0, f32::MAX]), 30);
    }

    #[test]
    fn the_largest_value_is_in_the_last_bucket() {
        let bytes = doubles(&[0.0, 1.0, 2.0, 4.0, 4.0]);
        let result = histogram(Elements::new(DataType::DtDouble, &bytes).unwrap(), 2);
        assert_eq!(result.rows, [[0.0, 2.0, 2.0], [2.0, 4.0, 3.0]]);
    }
}
