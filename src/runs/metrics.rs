//! The history of metrics, of many runs at once, as one long table: a row a value.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, StringViewBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::dir::Dir;
use super::json::Json;
use super::read::read_document;
use super::record::META_DIR;
use super::snapshot::in_parallel;

/// `run_dir`, metric, epoch (by the column `epoch`, else counted from 1), value (null for an epoch to come).
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("run_dir", DataType::Utf8View, true),
        Field::new("metric", DataType::Utf8View, true),
        Field::new("epoch", DataType::Int64, true),
        Field::new("value", DataType::Float64, true),
    ]))
}

/// The metrics of these runs, those named in `only` if given, in the runs' order. A run without readable metrics has
/// no rows.
pub fn table(run_dirs: &[PathBuf], only: Option<&[String]>) -> Result<RecordBatch, ArrowError> {
    let read = |run_dir: &PathBuf| document(run_dir).unwrap_or(Json::Null);
    let documents = in_parallel(run_dirs, read);
    let (mut names, mut metrics) = (StringViewBuilder::new(), StringViewBuilder::new());
    let (mut epochs, mut values) = (Int64Builder::new(), Float64Builder::new());
    for (run_dir, document) in run_dirs.iter().zip(&documents) {
        let Json::Map(columns) = document else { continue };
        let run_dir = run_dir.to_string_lossy();
        let numbers = document.get("epoch").map(column);
        for (metric, found) in columns {
            if metric == "epoch" || only.is_some_and(|only| !only.contains(metric)) {
                continue;
            }
            for (index, value) in column(found).iter().enumerate() {
                let counted = || i64::try_from(index + 1).ok();
                let epoch = match numbers.and_then(|numbers| numbers.get(index)) {
                    Some(number) => whole(number),
                    None => counted(),
                };
                names.append_value(&run_dir);
                metrics.append_value(metric);
                epochs.append_option(epoch);
                values.append_option(value.number());
            }
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(names.finish()),
        Arc::new(metrics.finish()),
        Arc::new(epochs.finish()),
        Arc::new(values.finish()),
    ];
    RecordBatch::try_new(schema(), columns)
}

fn column(value: &Json) -> &[Json] {
    match value {
        Json::List(values) => values,
        scalar => std::slice::from_ref(scalar),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole, and an epoch")]
fn whole(number: &Json) -> Option<i64> {
    match number {
        Json::Int(value) => Some(*value),
        Json::Float(value) if value.fract() == 0.0 => Some(*value as i64),
        _ => None,
    }
}

fn document(run_dir: &Path) -> io::Result<Json> {
    let meta = Dir::open(run_dir)?.child(META_DIR, false)?;
    read_document(&meta, "metrics.json", &mut Vec::new()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_row() {
        let root = tempfile::tempdir().unwrap();
        let write = |run: &str, text: &str| {
            let meta = root.path().join(run).join(META_DIR);
            std::fs::create_dir_all(&meta).unwrap();
            std::fs::write(meta.join("metrics.json"), text).unwrap();
            root.path().join(run)
        };
        let runs = [
            write("a", r#"{"loss": [1, null, "NaN"], "acc": [0.5]}"#),
            write("b", r#"{"epoch": [10, 20], "loss": [3, 4]}"#),
            write("broken", r#"{"loss""#),
            root.path().join("missing"),
        ];
        assert_eq!(table(&runs, None).unwrap().num_rows(), 6);
        assert_eq!(table(&runs, Some(&["acc".to_owned()])).unwrap().num_rows(), 1);
        assert_eq!(table(&[], None).unwrap().num_rows(), 0);
    }
}
