//! Histograms of a million values, 30 buckets: the fast kernel on inputs that are easy and inputs that are hard.

#![allow(missing_docs)] // criterion_group makes a public function
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // made-up numbers

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tfruns_rs::event::elements::Elements;
use tfruns_rs::event::proto::DataType;
use tfruns_rs::histogram::{histogram, plain_histogram};

const LEN: usize = 1_000_000;

/// Sums of uniform numbers: a bell, without a dependency.
fn bell() -> Vec<f64> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..LEN).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect()
}

fn singles(values: impl Iterator<Item = f64>) -> Vec<u8> {
    values.flat_map(|x| (x as f32).to_le_bytes()).collect()
}

fn benchmark(c: &mut Criterion) {
    let bell = bell();
    let inputs: [(&str, DataType, Vec<u8>); 9] = [
        ("float32", DataType::DtFloat, singles(bell.iter().copied())),
        ("float32, equal", DataType::DtFloat, singles(bell.iter().map(|_| 0.5))),
        (
            "float32, all but one equal",
            DataType::DtFloat,
            singles((0..LEN).map(|i| f64::from(u8::from(i == 9)))),
        ),
        ("float32, on edges", DataType::DtFloat, singles((0..LEN).map(|i| (i * 7919 % 31) as f64))),
        ("float32, half zero", DataType::DtFloat, singles(bell.iter().map(|x| x.max(0.0)))),
        ("float32, subnormal", DataType::DtFloat, singles(bell.iter().map(|x| x * 1e-39))),
        ("float32, one NaN", DataType::DtFloat, {
            singles(bell.iter().enumerate().map(|(i, &x)| if i == 7 { f64::NAN } else { x }))
        }),
        ("float64", DataType::DtDouble, bell.iter().flat_map(|x| x.to_le_bytes()).collect()),
        ("int64", DataType::DtInt64, bell.iter().flat_map(|x| ((x * 1e6) as i64).to_le_bytes()).collect()),
    ];
    let mut group = c.benchmark_group("histogram, 30 buckets");
    group.throughput(Throughput::Elements(LEN as u64)).sample_size(20);
    for (name, dtype, bytes) in &inputs {
        group.bench_function(*name, |b| {
            b.iter(|| histogram(Elements::new(*dtype, black_box(bytes)).unwrap(), 30));
        });
    }
    let elements = Elements::new(inputs[0].1, &inputs[0].2).unwrap();
    group.bench_function("float32, 1000 buckets", |b| b.iter(|| histogram(black_box(elements), 1000)));
    group.bench_function("float32, plain kernel", |b| b.iter(|| plain_histogram(black_box(elements), 30)));
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
