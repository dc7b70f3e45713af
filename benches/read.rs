//! Record framing, walking and whole files, in bytes a second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tfruns_rs::event::encode::{SCALARS_METADATA, append_value_event, put_scalar_fields};
use tfruns_rs::event::walk::{Event, What, values};
use tfruns_rs::frame::{Columns, Filter, Kind};
use tfruns_rs::logdir::{Query, discover, read};
use tfruns_rs::tfrecord::RecordReader;

const TAGS: [&str; 5] = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"];

#[allow(clippy::cast_sign_loss)] // counts from zero
fn scalars(events: i32, metadata: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for i in 0..events {
        let mut fields = Vec::new();
        put_scalar_fields(&mut fields, 1.0 / f64::from(i + 3), !metadata.is_empty(), metadata);
        append_value_event(&mut bytes, 1.7e9 + f64::from(i), i64::from(i / 5), TAGS[i as usize % 5], &fields);
    }
    bytes
}

fn records(c: &mut Criterion) {
    let bytes = scalars(100_000, &[]);
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("framed", |b| {
        b.iter(|| {
            let mut reader = RecordReader::new(&bytes[..], 0, bytes.len() as u64);
            while let Ok((_, payload)) = reader.next_record().expect("memory can be read") {
                black_box(payload);
            }
        });
    });
    group.bench_function("framed and walked", |b| {
        b.iter(|| {
            let mut reader = RecordReader::new(&bytes[..], 0, bytes.len() as u64);
            while let Ok((_, payload)) = reader.next_record().expect("memory can be read") {
                if let Ok(Event { what: What::Summary(summary), .. }) = Event::walk(payload) {
                    values(summary).for_each(|value| {
                        black_box(value.ok());
                    });
                }
            }
        });
    });
}

fn files(c: &mut Criterion) {
    let mut group = c.benchmark_group("file");
    for (name, bytes) in [("float32", scalars(200_000, &[])), ("ours", scalars(200_000, SCALARS_METADATA))] {
        let logdir = tempfile::tempdir().expect("a directory");
        std::fs::write(logdir.path().join("events.out.tfevents.1"), &bytes).expect("room for a file");
        let files = discover(logdir.path(), false).expect("a listing");
        let query = Query {
            kind: Kind::Scalar,
            columns: Columns::default(),
            filter: Filter::default(),
            lazy: false,
            threads: 1,
            interrupted: &|| false,
        };
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| black_box(read(&files, &query).expect("a frame"))));
    }
}

criterion_group!(benches, records, files);
criterion_main!(benches);
