//! The columns of a frame while rows are appended to them.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, UInt32Array};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::column::{nulls, reserve, text_column};
use super::places::{Span, spread};
use super::schema::{Columns, Kind, schema, summary_item};
use super::summary::Summaries;

/// One element a row, as far as the kind has them.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub tag: Vec<u128>,
    pub step: Vec<i64>,
    pub wall_time: Vec<f64>,
    pub value: Vec<f64>,
    pub has_value: Vec<bool>,
    pub plugin: Vec<u128>,
    pub offset: Vec<i64>,
    pub epoch_of_call: Vec<Option<i64>>,
    pub call: Vec<Option<i64>>,
    pub what: Vec<u128>,
    pub file_version: Vec<u128>,
    pub has_file_version: Vec<bool>,
    pub list_ends: Vec<i32>,
    pub summaries: Summaries,
}

impl Table {
    /// The number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        self.step.len()
    }

    /// Makes room for `rows` scalars in all.
    pub fn reserve(&mut self, rows: usize, columns: Columns) {
        let without = columns.without;
        reserve(&mut self.step, rows);
        if !without.tag {
            reserve(&mut self.tag, rows);
        }
        if !without.wall_time {
            reserve(&mut self.wall_time, rows);
        }
        if !without.value {
            reserve(&mut self.value, rows);
        }
        if columns.offset {
            reserve(&mut self.offset, rows);
        }
    }

    /// The frame; `texts` is what the views point to.
    ///
    /// # Panics
    ///
    /// Never: the columns are those of the schema.
    pub fn finish(self, kind: Kind, columns: Columns, texts: &Buffer, spans: &[Span]) -> RecordBatch {
        let rows = self.len();
        let text = |views: Vec<u128>| text_column(views, texts, None);
        let without = columns.without;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        if !without.run {
            arrays.push(text(spread(spans, |span| span.run)));
        }
        if kind == Kind::Event {
            arrays.push(numbers(self.step));
            if !without.wall_time {
                arrays.push(floats(self.wall_time, None));
            }
            arrays.push(text(self.what));
            let versions = self.file_version;
            arrays.push(text_column(versions, texts, nulls(self.has_file_version)));
            if !without.summary {
                let summaries = self.summaries.finish(texts, vec![text(self.tag), text(self.plugin)]);
                let ends = std::iter::once(0).chain(self.list_ends).collect();
                let present = nulls(self.has_value);
                arrays.push(Arc::new(ListArray::new(
                    summary_item(),
                    OffsetBuffer::new(ends),
                    summaries,
                    present,
                )));
            }
        } else {
            if !without.tag {
                arrays.push(text(self.tag));
            }
            if kind == Kind::Summary {
                arrays.push(text(self.plugin.clone()));
            }
            arrays.push(numbers(self.step));
            if !without.wall_time {
                arrays.push(floats(self.wall_time, None));
            }
            if !without.value {
                let present = self.has_value;
                arrays.push(floats(self.value, if kind == Kind::Summary { nulls(present) } else { None }));
            }
            if kind == Kind::Scalar && columns.plugin {
                arrays.push(text(self.plugin.clone()));
            }
            if (kind == Kind::Summary || columns.summary) && !without.summary {
                arrays.push(self.summaries.finish(texts, vec![text(self.plugin)]));
            }
        }
        for (asked, of) in [
            (columns.source, (|span: &Span| span.source) as fn(&Span) -> u128),
            (columns.logdir, |span| span.logdir),
            (columns.file, |span| span.file),
        ] {
            if asked {
                arrays.push(text(spread(spans, of)));
            }
        }
        if columns.offset {
            arrays.push(numbers(self.offset));
        }
        if columns.attempt {
            arrays.push(Arc::new(UInt32Array::from(spread(spans, |span| span.attempt))));
        }
        if columns.call {
            arrays.push(Arc::new(Int64Array::from(self.epoch_of_call)));
            arrays.push(Arc::new(Int64Array::from(self.call)));
        }
        debug_assert!(arrays.iter().all(|column| column.len() == rows));
        RecordBatch::try_new(schema(kind, columns), arrays)
            .expect("the columns are those of the schema, all as long as each other")
    }
}

fn numbers(column: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::new(ScalarBuffer::from(column), None))
}

fn floats(column: Vec<f64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(Float64Array::new(ScalarBuffer::from(column), nulls))
}
