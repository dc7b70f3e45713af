//! One run directory read into a record: fields in R's order, facts for its status, and what could not be read.
//!
//! Only the files that the wanted columns need are opened. A fault (a broken document, a link where a file belongs, no
//! permission) costs one text in `problems`; what could be read stands.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::dir::{Content, Dir, Entry, Kind, Stamp};
use super::json::{Column, Json, last_values, special};
use super::liveness::Alive;

/// What makes a directory a run.
pub const META_DIR: &str = "tfruns.d";
/// Longer texts are cut in listings, at this many bytes.
pub const TEXT_LIMIT: usize = 4096;
/// Documents beyond this size are not read.
const DOCUMENT_LIMIT: usize = 256 << 20;
/// Columns that one file of a run may bring, so that a hostile one can't make a frame of millions.
const COLUMN_LIMIT: usize = 4096;

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
    pub name: String,
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
}

/// Which columns a listing needs.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    columns: Option<HashSet<String>>,
    best: bool,
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

    fn any(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.iter().any(|column| wanted(column)))
    }

    fn column(&self, name: &str) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.contains(name))
    }

    fn property(&self, name: &str) -> bool {
        self.column(name) || (self.state() && matches!(name, "completed" | "end" | "exit_code" | "signal"))
    }

    fn state(&self) -> bool {
        self.any(|column| STATE.contains(&column))
    }

    fn metrics(&self) -> bool {
        self.best || self.any(|column| column.starts_with("metric_") || column.ends_with("s_completed"))
    }
}

/// Reads the run `name` below `runs`; `None` if it is none. With `whole` no text is cut. `depends_on` is given the path
/// below `tfruns.d` of every file that was read.
pub fn read(
    runs: &Dir,
    name: &OsStr,
    wanted: &Wanted,
    whole: bool,
    depends_on: &mut Vec<String>,
) -> Option<Record> {
    let meta = match runs.child(Path::new(name).join(META_DIR), false) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Some(Record::unreadable(format!("{META_DIR}: {}", reason(&error))));
        }
        Err(_) => return None,
    };
    let mut reader =
        Reader { meta: &meta, record: Record::default(), wanted, whole, buffer: Vec::new(), depends_on };
    reader.read();
    Some(reader.record)
}

impl Record {
    /// The record of a run that can't be read.
    pub fn unreadable(problem: String) -> Self {
        Self { unreadable: true, problems: vec![problem], ..Self::default() }
    }
}

struct Reader<'a> {
    meta: &'a Dir,
    record: Record,
    wanted: &'a Wanted,
    whole: bool,
    buffer: Vec<u8>,
    depends_on: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let entries = match self.meta.entries() {
            Ok(entries) => entries,
            Err(error) => {
                self.record = Record::unreadable(format!("{META_DIR}: {}", reason(&error)));
                return;
            }
        };
        let has = |name: &str| entries.iter().find(|entry| entry.name == name);
        let unit = has("properties").map(|properties| self.properties(properties)).unwrap_or_default();
        if self.wanted.any(|column| column.starts_with("eval_"))
            && let Some(entry) = has("evaluation.json")
            && let Some(json) = self.document(entry, "evaluation.json")
        {
            self.spread("eval_", Source::Evaluation, json);
        }
        let counted = match has("metrics.json") {
            Some(entry) => {
                self.record.has_metrics = entry.kind == Kind::File;
                if self.wanted.metrics() { self.read_metrics(entry) } else { 0 }
            }
            None => 0,
        };
        self.derived(unit.column(), Cell::Int(counted));
        if self.wanted.any(|column| column.starts_with("flag_"))
            && let Some(entry) = has("flags.json")
            && let Some(json) = self.document(entry, "flags.json")
        {
            self.spread("flag_", Source::Flag, json);
        }
        if let Some(entry) = has("error.json") {
            self.record.failed = true;
            if self.wanted.any(|column| column.starts_with("error_"))
                && let Some(json) = self.document(entry, "error.json")
            {
                self.error(&json);
            }
        }
        self.record.has_source = has("source.tar.gz").is_some_and(|entry| entry.kind == Kind::File);
        if !self.record.ended
            && self.wanted.state()
            && let Some(entry) = has("alive.json")
            && let Some(json) = self.document(entry, "alive.json")
        {
            match (Alive::from_json(&json), self.meta.stamp("alive.json")) {
                (Some(alive), Ok(stamp)) => self.record.alive = Some((alive, stamp)),
                _ => self.problem("alive.json", "facts are missing"),
            }
        }
    }

    fn properties(&mut self, entry: &Entry) -> Unit {
        let mut unit = Unit::default();
        let listed = match entry.kind {
            Kind::Dir => self.meta.child("properties", false).and_then(|dir| Ok((dir.entries()?, dir))),
            _ => Err(io::Error::other("not a directory")),
        };
        self.depends_on.push("properties".to_owned());
        let (mut entries, dir) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                self.record.unreadable = true;
                self.problem("properties", &reason(&error));
                return unit;
            }
        };
        if entries.len() > COLUMN_LIMIT {
            self.problem("properties", &format!("{} files, of which {COLUMN_LIMIT} are read", entries.len()));
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        entries.truncate(COLUMN_LIMIT);
        let (mut context, mut kind) = (false, false);
        for Entry { name, kind: entry_kind } in entries {
            let Ok(name) = name.into_string() else {
                self.problem("properties", "a name is not UTF-8");
                continue;
            };
            unit.saw(&name);
            if !self.wanted.property(&name) {
                continue;
            }
            if is_reserved(&name) {
                self.problem(&format!("properties/{name}"), "the name of a column of the listing");
                continue;
            }
            self.depends_on.push(format!("properties/{name}"));
            let read = match entry_kind {
                Kind::File => self.text(&dir, &name),
                Kind::Dir => Err("a directory, not a file".to_owned()),
                Kind::Link => Err("a link is not read".to_owned()),
                Kind::Other => Err("not a file".to_owned()),
            };
            match read.and_then(|text| self.property(&name, text)) {
                Ok(mut cell) => {
                    if name == "type" && matches!(&cell, Cell::Text(text) if text == "local") {
                        cell = Cell::Text("training".to_owned());
                    }
                    context |= name == "context";
                    kind |= name == "type";
                    self.record.fields.push(Field { name, source: Source::Property, cell });
                }
                Err(why) => {
                    self.record.unreadable |= name == "completed";
                    self.problem(&format!("properties/{name}"), &why);
                    // The column keeps its place and type; R shows NA for what it can't convert.
                    self.record.fields.push(Field { name, source: Source::Property, cell: Cell::Null });
                }
            }
        }
        if !context {
            self.record.fields.push(text_field("context", "local"));
        }
        if !kind {
            self.record.fields.push(text_field("type", "training"));
        }
        unit
    }

    /// A property's text: one trailing line end less, as R's reader has it, and cut where it is long.
    fn text(&mut self, dir: &Dir, name: &str) -> Result<String, String> {
        let limit = if self.whole { DOCUMENT_LIMIT } else { TEXT_LIMIT };
        let content = dir.read(name, &mut self.buffer, limit).map_err(|error| reason(&error))?;
        Ok(text_of(&self.buffer, &content))
    }

    fn property(&mut self, name: &str, text: String) -> Result<Cell, String> {
        let number = || -> Result<Option<f64>, String> {
            match text.trim() {
                "" | "NA" => Ok(None),
                word => match word.parse::<f64>().ok().or_else(|| special(word)) {
                    Some(number) => Ok(Some(number)),
                    None => Err("not a number".to_owned()),
                },
            }
        };
        Ok(match property_type(name) {
            PropertyType::Text => Cell::Text(text),
            PropertyType::Float => number()?.map_or(Cell::Null, Cell::Float),
            PropertyType::Int => {
                let whole = number()?.map_or(Ok(None), |number| whole(number).map(Some))?;
                if name == "exit_code" {
                    self.record.exit_code = whole;
                }
                whole.map_or(Cell::Null, Cell::Int)
            }
            PropertyType::Time => {
                let time = number()?.map_or(Ok(None), |seconds| whole((seconds * 1e6).round()).map(Some))?;
                self.record.ended |= name == "end" && time.is_some();
                time.map_or(Cell::Null, Cell::Time)
            }
            PropertyType::Bool => {
                self.record.completed = truth(text.trim());
                self.record.completed.map_or(Cell::Null, Cell::Bool)
            }
            PropertyType::Signal => {
                self.record.interrupted = text == "SIGINT";
                Cell::Text(text)
            }
        })
    }

    fn document(&mut self, entry: &Entry, name: &str) -> Option<Json> {
        self.depends_on.push(name.to_owned());
        let read = match entry.kind {
            Kind::File => read_document(self.meta, name, &mut self.buffer),
            Kind::Dir => Err("a directory, not a file".to_owned()),
            Kind::Link => Err("a link is not read".to_owned()),
            Kind::Other => Err("not a file".to_owned()),
        };
        read.map_err(|why| self.problem(name, &why)).ok()
    }

    /// Flags and evaluation: an object, whose nested objects are spread to dotted names; a bare array or scalar, which
    /// R's keras writes, is numbered.
    fn spread(&mut self, prefix: &str, source: Source, json: Json) {
        let entries = match json {
            Json::Map(entries) => entries,
            Json::List(values) => numbered(values),
            scalar => numbered(vec![scalar]),
        };
        let before = self.record.fields.len();
        let mut pending: Vec<(String, Json)> =
            entries.into_iter().rev().map(|(name, value)| (format!("{prefix}{name}"), value)).collect();
        while let Some((name, value)) = pending.pop() {
            let cell = match value {
                Json::Map(entries) => {
                    let nested = entries.into_iter().rev();
                    pending.extend(nested.map(|(inner, value)| (format!("{name}.{inner}"), value)));
                    continue;
                }
                Json::Null => Cell::Null,
                Json::Bool(value) => Cell::Bool(value),
                Json::Int(value) => Cell::Int(value),
                Json::Float(value) => Cell::Float(value),
                Json::Text(text) => match special(&text) {
                    Some(number) if source == Source::Evaluation => Cell::Float(number),
                    _ => Cell::Text(cut(text, self.whole)),
                },
                list @ Json::List(_) => Cell::Text(cut(list.to_string(), self.whole)),
            };
            if self.record.fields.len() - before >= COLUMN_LIMIT {
                self.problem(&format!("{prefix}*"), &format!("only {COLUMN_LIMIT} names are read"));
                return;
            }
            self.push(Field { name, source, cell });
        }
    }

    /// How many epochs or steps the metrics reach.
    fn read_metrics(&mut self, entry: &Entry) -> i64 {
        let is_plain = !self.wanted.best && entry.kind == Kind::File;
        if is_plain
            && let Ok(Content { cut_from: None }) =
                self.meta.read("metrics.json", &mut self.buffer, DOCUMENT_LIMIT)
            && let Some(columns) = last_values(&self.buffer)
            && columns.len() < COLUMN_LIMIT
        {
            self.depends_on.push("metrics.json".to_owned());
            let mut most = 0;
            for Column { name, count, last } in columns {
                if let Some(value) = last.filter(|_| name != "epoch") {
                    most = most.max(count);
                    let cell = Cell::Float(value.number().unwrap_or(f64::NAN));
                    self.push(Field { name: format!("metric_{name}"), source: Source::Metric, cell });
                }
            }
            return i64::try_from(most).unwrap_or(i64::MAX);
        }
        self.document(entry, "metrics.json").map_or(0, |json| self.metrics(json))
    }

    /// The last value of every metric, and how many epochs or steps they reach.
    fn metrics(&mut self, json: Json) -> i64 {
        let entries = match json {
            Json::Map(entries) => entries,
            Json::List(values) if values.is_empty() => return 0,
            _ => {
                self.problem("metrics.json", "not an object of arrays");
                return 0;
            }
        };
        let epochs = entries.iter().find_map(|(name, value)| match value {
            Json::List(values) if name == "epoch" => Some(values.as_slice()),
            _ => None,
        });
        let mut most = 0;
        let mut columns = Vec::with_capacity(entries.len());
        for (name, value) in entries.iter().filter(|(name, _)| name != "epoch").take(COLUMN_LIMIT) {
            let values = match value {
                Json::List(values) => values.as_slice(),
                scalar => std::slice::from_ref(scalar),
            };
            let Some((count, last, extremes)) = summary(values, epochs) else { continue };
            most = most.max(count);
            columns.push((
                Field { name: format!("metric_{name}"), source: Source::Metric, cell: last },
                extremes,
            ));
        }
        if entries.len() > COLUMN_LIMIT {
            self.problem(
                "metrics.json",
                &format!("{} metrics, of which {COLUMN_LIMIT} are read", entries.len()),
            );
        }
        for (field, extremes) in columns {
            if let Some((min, max)) = extremes {
                let metric = field.name["metric_".len()..].to_owned();
                self.record.extremes.push(Extremes { metric, min, max });
            }
            self.push(field);
        }
        i64::try_from(most).unwrap_or(i64::MAX)
    }

    fn error(&mut self, json: &Json) {
        let message = json.get("message").and_then(Json::text);
        let traceback = match json.get("traceback") {
            Some(Json::List(lines)) => {
                let lines: Vec<&str> = lines.iter().filter_map(Json::text).collect();
                Some(lines.join("\n"))
            }
            Some(Json::Text(text)) => Some(text.clone()),
            _ => None,
        };
        if message.is_none() {
            self.problem("error.json", "no message");
        }
        let whole = self.whole;
        let cell = |text: Option<String>| text.map_or(Cell::Null, |text| Cell::Text(cut(text, whole)));
        self.derived("error_message", cell(message.map(str::to_owned)));
        self.derived("error_traceback", cell(traceback));
    }

    fn derived(&mut self, name: &str, cell: Cell) {
        self.record.fields.push(Field { name: name.to_owned(), source: Source::Derived, cell });
    }

    /// Adds a field; of a key that comes twice the last value counts, as it does for R and Python.
    fn push(&mut self, field: Field) {
        let twin = self.record.fields.iter_mut().rev().take_while(|held| held.source == field.source);
        match twin.into_iter().find(|held| held.name == field.name) {
            Some(held) => {
                held.cell = field.cell;
                self.problem(&field.name, "comes twice, the last one counts");
            }
            None => self.record.fields.push(field),
        }
    }

    fn problem(&mut self, place: &str, why: &str) {
        self.record.problems.push(format!("{place}: {why}"));
    }
}

/// A document of a run.
pub fn read_document(meta: &Dir, name: &str, buffer: &mut Vec<u8>) -> Result<Json, String> {
    match meta.read(name, buffer, DOCUMENT_LIMIT) {
        Ok(Content { cut_from: Some(size) }) => Err(format!("{size} bytes are too many")),
        Ok(Content { cut_from: None }) => Json::parse(buffer),
        Err(error) => Err(reason(&error)),
    }
}

/// What a run counts, by the properties it has.
#[derive(Default)]
struct Unit {
    steps: bool,
    epochs: bool,
}

impl Unit {
    fn saw(&mut self, property: &str) {
        self.steps |= property == "steps";
        self.epochs |= property == "epochs";
    }

    fn column(&self) -> &'static str {
        if self.epochs && !self.steps { "epochs_completed" } else { "steps_completed" }
    }
}

type Reached = (f64, f64);
type Summary = (usize, Cell, Option<(Reached, Reached)>);

/// Count of values, the last one, and the extremes with their epochs; `None` if there is no value.
fn summary(values: &[Json], epochs: Option<&[Json]>) -> Option<Summary> {
    let mut count = 0;
    let mut last = None;
    let mut extremes: Option<((f64, usize), (f64, usize))> = None;
    for (index, value) in values.iter().enumerate() {
        if *value == Json::Null {
            continue;
        }
        count += 1;
        last = Some(value);
        let Some(number) = value.number().filter(|number| !number.is_nan()) else { continue };
        let (min, max) = extremes.get_or_insert(((number, index), (number, index)));
        if number < min.0 {
            *min = (number, index);
        }
        if number > max.0 {
            *max = (number, index);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "nobody trains for 2^53 epochs")]
    let epoch = |index: usize| {
        let named = epochs.and_then(|epochs| epochs.get(index)).and_then(Json::number);
        named.unwrap_or((index + 1) as f64)
    };
    let cell = match last? {
        value if value.number().is_some() => Cell::Float(value.number().unwrap_or(f64::NAN)),
        Json::Text(text) => Cell::Text(cut(text.clone(), false)),
        other => Cell::Text(cut(other.to_string(), false)),
    };
    let reached = extremes.map(|(min, max)| ((min.0, epoch(min.1)), (max.0, epoch(max.1))));
    Some((count, cell, reached))
}

enum PropertyType {
    Text,
    Int,
    Float,
    Time,
    Bool,
    Signal,
}

fn property_type(name: &str) -> PropertyType {
    match name {
        "samples" | "validation_samples" | "batch_size" | "steps" | "epochs" | "exit_code" => {
            PropertyType::Int
        }
        "learning_rate" | "cloudml_ml_units" => PropertyType::Float,
        "start" | "end" | "cloudml_created" | "cloudml_start" | "cloudml_end" => PropertyType::Time,
        "completed" => PropertyType::Bool,
        "signal" => PropertyType::Signal,
        _ => PropertyType::Text,
    }
}

/// Columns of the listing that no property may take.
fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "run_dir"
            | "status"
            | "problem"
            | "metrics"
            | "source_code"
            | "error_message"
            | "error_traceback"
            | "steps_completed"
            | "epochs_completed"
    ) || ["eval_", "metric_", "flag_", "best_"].iter().any(|prefix| name.starts_with(prefix))
}

/// R's reading of a logical.
fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "1" => Some(true),
        "false" | "f" | "no" | "0" => Some(false),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within the exact range")]
fn whole(number: f64) -> Result<i64, String> {
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        Ok(number as i64)
    } else {
        Err("not a whole number".to_owned())
    }
}

fn numbered(values: Vec<Json>) -> Vec<(String, Json)> {
    values.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
}

fn text_field(name: &str, text: &str) -> Field {
    Field { name: name.to_owned(), source: Source::Property, cell: Cell::Text(text.to_owned()) }
}

/// The text of a file, lossless where it is UTF-8, with a mark where it was cut.
fn text_of(bytes: &[u8], content: &Content) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    match content.cut_from {
        None => String::from_utf8_lossy(bytes).into_owned(),
        Some(size) => {
            // A character that the limit cut in two is dropped.
            let valid = match str::from_utf8(bytes) {
                Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
                _ => bytes,
            };
            mark(String::from_utf8_lossy(valid).into_owned(), size)
        }
    }
}

fn cut(mut text: String, whole: bool) -> String {
    if whole || text.len() <= TEXT_LIMIT {
        return text;
    }
    let size = text.len() as u64;
    let boundary = (0..=TEXT_LIMIT).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(boundary.unwrap_or(0));
    mark(text, size)
}

fn mark(mut text: String, size: u64) -> String {
    let _ = write!(text, "\n… [cut, {size} bytes in all]");
    text
}

fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
