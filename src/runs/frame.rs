//! Runs as one table: R's columns in R's order, typed by the union of what the runs hold.
//!
//! | place | columns |
//! |---|---|
//! | first | `run_dir` |
//! | then | `eval_*`, `metric_*`, `best_*`, `flag_*`, each in the order they were first seen |
//! | then | those of [`KNOWN`], where a run has them |
//! | then | every other property, as first seen |
//! | last | `status`, `problem` |
//!
//! Whole numbers and fractions make a column of fractions, anything and text make text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringViewBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Field as Column, Schema};

use super::json::Json;
use super::record::{Cell, Source};
use super::scan::Run;

/// The properties and derived values that have a place of their own. Those marked true are there even if no run has
/// them.
const KNOWN: [(&str, Type, bool); 25] = [
    ("samples", Type::Int, false),
    ("validation_samples", Type::Int, false),
    ("batch_size", Type::Int, false),
    ("steps", Type::Int, false),
    ("steps_completed", Type::Int, false),
    ("epochs", Type::Int, false),
    ("epochs_completed", Type::Int, false),
    ("metrics", Type::Text, false),
    ("model", Type::Text, false),
    ("loss_function", Type::Text, false),
    ("optimizer", Type::Text, false),
    ("learning_rate", Type::Float, false),
    ("script", Type::Text, true),
    ("source", Type::Text, false),
    ("start", Type::Time, true),
    ("end", Type::Time, true),
    ("completed", Type::Bool, true),
    ("output", Type::Text, false),
    ("error_message", Type::Text, false),
    ("error_traceback", Type::Text, false),
    ("source_code", Type::Text, false),
    ("context", Type::Text, true),
    ("type", Type::Text, true),
    ("exit_code", Type::Int, false),
    ("signal", Type::Text, false),
];

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Null,
    Bool,
    Int,
    Float,
    Time,
    Text,
}

impl Type {
    fn of(cell: &Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Bool(_) => Self::Bool,
            Cell::Int(_) => Self::Int,
            Cell::Float(_) => Self::Float,
            Cell::Text(_) => Self::Text,
            Cell::Time(_) => Self::Time,
        }
    }

    fn union(self, other: Self) -> Self {
        match (self.min(other), self.max(other)) {
            (low, high) if low == high || low == Self::Null => high,
            (Self::Bool | Self::Int | Self::Float, Self::Time) => Self::Text,
            (_, high) => high,
        }
    }
}

/// A metric whose best value and epoch the listing shows.
#[derive(Clone, Debug)]
pub struct Best {
    /// The metric.
    pub metric: String,
    /// The smallest value is the best one.
    pub smallest: bool,
}

/// The runs as a table, one row a run.
pub fn table(runs: &[Run], best: &[Best]) -> Result<RecordBatch, ArrowError> {
    let mut columns = Columns::default();
    for (row, run) in runs.iter().enumerate() {
        columns.add(row, run);
    }
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    let mut push = |name: &str, array: ArrayRef| {
        fields.push(Column::new(name, array.data_type().clone(), true));
        arrays.push(array);
    };
    push("run_dir", text(runs.iter().map(|run| Some(run.run_dir.as_str()))));
    for source in [Source::Evaluation, Source::Metric, Source::Flag] {
        if source == Source::Flag {
            for best in best {
                let reached = |run: &Run| {
                    let found = run.record.extremes.iter().find(|extremes| extremes.metric == best.metric)?;
                    Some(if best.smallest { found.min } else { found.max })
                };
                let column = |pick: fn((f64, f64)) -> f64| -> ArrayRef {
                    let mut builder = Float64Builder::with_capacity(runs.len());
                    builder.extend(runs.iter().map(|run| reached(run).map(pick)));
                    Arc::new(builder.finish())
                };
                push(&format!("best_{}", best.metric), column(|(value, _)| value));
                push(&format!("best_{}_epoch", best.metric), column(|(_, epoch)| epoch));
            }
        }
        for column in columns.found.iter().filter(|column| column.source == source) {
            let numeric = source != Source::Flag && column.kind <= Type::Float;
            push(column.name, column.array(runs.len(), if numeric { Type::Float } else { column.kind }));
        }
    }
    for (name, kind, always) in KNOWN {
        match name {
            "metrics" | "source_code" => {
                let (has, file): (fn(&Run) -> bool, _) = match name {
                    "metrics" => (|run| run.record.has_metrics, "metrics.json"),
                    _ => (|run| run.record.has_source, "source.tar.gz"),
                };
                if runs.iter().any(has) {
                    let paths =
                        runs.iter().map(|run| has(run).then(|| format!("{}/tfruns.d/{file}", run.run_dir)));
                    push(name, text(paths));
                }
            }
            _ => match columns.find(name) {
                Some(column) => push(name, column.array(runs.len(), kind)),
                None if always => push(name, Sparse::new(name, Source::Property).array(runs.len(), kind)),
                None => {}
            },
        }
    }
    for column in columns.found.iter().filter(|column| column.is_other()) {
        push(column.name, column.array(runs.len(), column.kind.max(Type::Bool)));
    }
    push("status", text(runs.iter().map(|run| Some(run.status.word()))));
    push("problem", text(runs.iter().map(problem)));
    let options = RecordBatchOptions::new().with_row_count(Some(runs.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

fn problem(run: &Run) -> Option<String> {
    let problems = &run.record.problems;
    (!problems.is_empty()).then(|| {
        let shown = problems.len().min(20);
        let mut text = problems[..shown].join("; ");
        if problems.len() > shown {
            let _ = write!(text, "; and {} more", problems.len() - shown);
        }
        text
    })
}

fn text<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    let mut builder = StringViewBuilder::new();
    for value in values {
        builder.append_option(value);
    }
    Arc::new(builder.finish())
}

/// The columns of all runs, in the order they are first seen.
#[derive(Default)]
struct Columns<'a> {
    found: Vec<Sparse<'a>>,
    places: HashMap<&'a str, usize>,
    /// Where the last run had its fields: most runs have the same ones in the same order.
    last: Vec<usize>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, row: usize, run: &'a Run) {
        for (index, field) in run.record.fields.iter().enumerate() {
            let guess = self.last.get(index).copied().filter(|&place| self.found[place].name == field.name);
            let place = guess.unwrap_or_else(|| {
                *self.places.entry(&*field.name).or_insert_with(|| {
                    self.found.push(Sparse::new(&field.name, field.source));
                    self.found.len() - 1
                })
            });
            match self.last.get_mut(index) {
                Some(last) => *last = place,
                None => self.last.push(place),
            }
            let column = &mut self.found[place];
            column.kind = column.kind.union(Type::of(&field.cell));
            column.cells.push((row, &field.cell));
        }
    }

    fn find(&self, name: &str) -> Option<&Sparse<'a>> {
        self.places.get(name).map(|&place| &self.found[place])
    }
}

/// A column's cells, for the rows that have one.
struct Sparse<'a> {
    name: &'a str,
    source: Source,
    kind: Type,
    cells: Vec<(usize, &'a Cell)>,
}

impl<'a> Sparse<'a> {
    fn new(name: &'a str, source: Source) -> Self {
        Self { name, source, kind: Type::Null, cells: Vec::new() }
    }

    fn is_other(&self) -> bool {
        self.source == Source::Property && !KNOWN.iter().any(|(name, _, _)| *name == self.name)
    }

    fn array(&self, rows: usize, kind: Type) -> ArrayRef {
        match kind {
            Type::Null | Type::Text => {
                let mut builder = StringViewBuilder::with_capacity(rows);
                self.fill(rows, |cell| builder.append_option(cell.and_then(shown)));
                Arc::new(builder.finish())
            }
            Type::Bool => {
                let mut builder = BooleanBuilder::with_capacity(rows);
                self.fill(rows, |cell| match cell {
                    Some(Cell::Bool(value)) => builder.append_value(*value),
                    _ => builder.append_null(),
                });
                Arc::new(builder.finish())
            }
            Type::Int => {
                let mut builder = Int64Builder::with_capacity(rows);
                self.fill(rows, |cell| match cell {
                    Some(Cell::Int(value)) => builder.append_value(*value),
                    Some(Cell::Bool(value)) => builder.append_value(i64::from(*value)),
                    _ => builder.append_null(),
                });
                Arc::new(builder.finish())
            }
            Type::Float => {
                let mut builder = Float64Builder::with_capacity(rows);
                self.fill(rows, |cell| match cell {
                    Some(Cell::Float(value)) => builder.append_value(*value),
                    #[expect(clippy::cast_precision_loss, reason = "the column holds fractions")]
                    Some(Cell::Int(value)) => builder.append_value(*value as f64),
                    Some(Cell::Bool(value)) => builder.append_value(f64::from(u8::from(*value))),
                    _ => builder.append_null(),
                });
                Arc::new(builder.finish())
            }
            Type::Time => {
                let mut builder = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
                self.fill(rows, |cell| match cell {
                    Some(Cell::Time(value)) => builder.append_value(*value),
                    _ => builder.append_null(),
                });
                Arc::new(builder.finish())
            }
        }
    }

    fn fill(&self, rows: usize, mut append: impl FnMut(Option<&Cell>)) {
        let mut cells = self.cells.iter().peekable();
        for row in 0..rows {
            append(cells.next_if(|(at, _)| *at == row).map(|(_, cell)| *cell));
        }
    }
}

/// A cell in a column of text.
fn shown(cell: &Cell) -> Option<Cow<'_, str>> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(value) => value.to_string().into(),
        Cell::Int(value) | Cell::Time(value) => value.to_string().into(),
        Cell::Float(value) => Json::Float(*value).to_string().trim_matches('"').to_owned().into(),
        Cell::Text(text) => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_unite() {
        assert_eq!(Type::Int.union(Type::Float), Type::Float);
        assert_eq!(Type::Text.union(Type::Bool), Type::Text);
        assert_eq!(Type::Null.union(Type::Int), Type::Int);
        assert_eq!(Type::Time.union(Type::Int), Type::Text);
        assert_eq!(Type::Bool.union(Type::Int), Type::Int);
    }

    #[test]
    fn no_runs_make_a_typed_table() {
        let table = table(&[], &[]).unwrap();
        let schema = table.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(
            names,
            ["run_dir", "script", "start", "end", "completed", "context", "type", "status", "problem"]
        );
    }
}
