//! A run as a record: fields in R's order, facts for its status, and what could not be read; and which of it a listing
//! wants.

use std::borrow::Cow;
use std::collections::HashSet;

use super::dir::Stamp;
use super::liveness::Alive;

/// What makes a directory a run.
pub const META_DIR: &str = "tfruns.d";
/// Longer texts are cut in listings, at this many bytes.
pub const TEXT_LIMIT: usize = 4096;

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Missing, of a column that has a type all the same.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Microseconds since the epoch.
    Time(i64),
}

/// Where a field comes from, which decides the place and type of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of `properties/`.
    Property,
    /// `evaluation.json`
    Evaluation,
    /// `metrics.json`
    Metric,
    /// `flags.json`
    Flag,
    /// `error.json`, and what is counted.
    Derived,
}

/// A named value of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The column.
    pub name: Cow<'static, str>,
    /// Where it comes from.
    pub source: Source,
    /// The value.
    pub cell: Cell,
}

/// A metric's extremes: value and epoch, counted from 1 or by the column `epoch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Extremes {
    /// The metric.
    pub metric: String,
    /// Its smallest value.
    pub min: (f64, f64),
    /// Its largest value.
    pub max: (f64, f64),
}

/// A run, as read.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact found on disk, independent of the others")]
pub struct Record {
    /// Its values, R's order within each source.
    pub fields: Vec<Field>,
    /// What `best` picks from.
    pub extremes: Vec<Extremes>,
    /// `metrics.json` is there.
    pub has_metrics: bool,
    /// `source.tar.gz` is there.
    pub has_source: bool,
    /// The property `completed`.
    pub completed: Option<bool>,
    /// The property `end` is there and holds a time.
    pub ended: bool,
    /// `error.json` is there.
    pub failed: bool,
    /// The property `exit_code`.
    pub exit_code: Option<i64>,
    /// The property `signal` is SIGINT.
    pub interrupted: bool,
    /// `alive.json`, read only for a run without an end, and the stamp of the file.
    pub alive: Option<(Alive, Stamp)>,
    /// The run can't be read at all.
    pub unreadable: bool,
    /// What could not be read, and why.
    pub problems: Vec<String>,
    /// The documents that were read.
    pub documents: Vec<&'static str>,
}

/// Which columns a listing needs.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    columns: Option<HashSet<String>>,
    pub(super) best: bool,
}

/// Columns that come of the state of several files.
const STATE: [&str; 2] = ["status", "problem"];

impl Wanted {
    /// Every column; `best` adds the metrics' extremes.
    pub fn with_best() -> Self {
        Self { columns: None, best: true }
    }

    /// Every column.
    pub fn all() -> Self {
        Self { columns: None, best: false }
    }

    /// These columns; `best` adds the metrics' extremes.
    pub fn columns(columns: impl IntoIterator<Item = String>, best: bool) -> Self {
        Self { columns: Some(columns.into_iter().collect()), best }
    }

    /// Whether every column is wanted.
    pub fn is_all(&self) -> bool {
        self.columns.is_none() && !self.best
    }

    pub(super) fn any(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.iter().any(|column| wanted(column)))
    }

    pub(super) fn column(&self, name: &str) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.contains(name))
    }

    pub(super) fn property(&self, name: &str) -> bool {
        self.column(name) || (self.state() && matches!(name, "completed" | "end" | "exit_code" | "signal"))
    }

    /// Whether a property, or what is told from the properties, is wanted.
    pub(super) fn properties(&self) -> bool {
        let elsewhere = |column: &str| {
            matches!(column, "run_dir" | "metrics" | "source_code")
                || ["eval_", "metric_", "flag_", "best_", "error_"]
                    .iter()
                    .any(|prefix| column.starts_with(prefix))
        };
        self.any(|column| !elsewhere(column))
    }

    pub(super) fn state(&self) -> bool {
        self.any(|column| STATE.contains(&column))
    }

    pub(super) fn metrics(&self) -> bool {
        self.best || self.any(|column| column.starts_with("metric_") || column.ends_with("s_completed"))
    }
}

impl Record {
    /// The record of a run that can't be read.
    pub fn unreadable(problem: String) -> Self {
        Self { unreadable: true, problems: vec![problem], ..Self::default() }
    }
}
