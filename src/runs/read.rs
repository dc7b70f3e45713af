//! One run directory read into a record.
//!
//! Only the files that the wanted columns need are opened, and each is opened once. A fault (a broken document, a link
//! where a file belongs, no permission) costs one text in `problems`; what could be read stands.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::mem;
use std::path::Path;

use super::dir::{Content, Dir, Kind, Names};
use super::json::{Column, Json, last_values, special};
use super::liveness::Alive;
use super::property::{Property, cut, is_reserved};
use super::record::{Cell, Extremes, Field, META_DIR, Record, Source, TEXT_LIMIT, Wanted};

/// Documents beyond this size are not read.
const DOCUMENT_LIMIT: usize = 256 << 20;
/// Columns that one file of a run may bring, so that a hostile one can't make a frame of millions.
const COLUMN_LIMIT: usize = 4096;

/// Reads one run after another, in the same memory.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    meta: Names,
    properties: Names,
    /// Files and directories opened so far.
    pub opened: u64,
}

impl Reader {
    /// Reads the run `name` below `runs`; `None` if it is none. With `whole` no text is cut.
    pub fn read(&mut self, runs: &Dir, name: &OsStr, wanted: &Wanted, whole: bool) -> Option<Record> {
        self.opened += 1;
        let meta = match runs.child(Path::new(name).join(META_DIR), false) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Some(Record::unreadable(format!("{META_DIR}: {}", reason(&error))));
            }
            Err(_) => return None,
        };
        let names = mem::take(&mut self.meta);
        let mut reading = Reading { meta: &meta, record: Record::default(), wanted, whole, reader: self };
        let names = reading.read(names);
        let record = reading.record;
        self.meta = names;
        Some(record)
    }
}

/// One run being read.
struct Reading<'a> {
    meta: &'a Dir,
    record: Record,
    wanted: &'a Wanted,
    whole: bool,
    reader: &'a mut Reader,
}

impl Reading<'_> {
    /// Gives the memory of the names back.
    fn read(&mut self, mut names: Names) -> Names {
        if let Err(error) = self.meta.names(&mut names) {
            self.record = Record::unreadable(format!("{META_DIR}: {}", reason(&error)));
            return names;
        }
        let properties = names.find("properties").filter(|_| self.wanted.properties());
        let unit = properties.map(|kind| self.properties(kind)).unwrap_or_default();
        if self.wanted.any(|column| column.starts_with("eval_"))
            && let Some(kind) = names.find("evaluation.json")
            && let Some(json) = self.document(kind, "evaluation.json")
        {
            self.spread("eval_", Source::Evaluation, json);
        }
        let counted = match names.find("metrics.json") {
            Some(kind) => {
                self.record.has_metrics = kind == Kind::File;
                if self.wanted.metrics() { self.read_metrics(kind) } else { 0 }
            }
            None => 0,
        };
        self.derived(unit.column(), Cell::Int(counted));
        if self.wanted.any(|column| column.starts_with("flag_"))
            && let Some(kind) = names.find("flags.json")
            && let Some(json) = self.document(kind, "flags.json")
        {
            self.spread("flag_", Source::Flag, json);
        }
        if let Some(kind) = names.find("error.json") {
            self.record.failed = true;
            if self.wanted.any(|column| column.starts_with("error_"))
                && let Some(json) = self.document(kind, "error.json")
            {
                self.error(&json);
            }
        }
        self.record.has_source = names.find("source.tar.gz") == Some(Kind::File);
        if !self.record.ended
            && self.wanted.state()
            && let Some(kind) = names.find("alive.json")
            && let Some(json) = self.document(kind, "alive.json")
        {
            match (Alive::from_json(&json), self.meta.stamp("alive.json")) {
                (Some(alive), Ok(stamp)) => self.record.alive = Some((alive, stamp)),
                _ => self.problem("alive.json", "facts are missing"),
            }
        }
        names
    }

    fn properties(&mut self, kind: Kind) -> Unit {
        let mut unit = Unit::default();
        let mut names = mem::take(&mut self.reader.properties);
        let listed = match kind {
            Kind::Dir => {
                self.reader.opened += 1;
                self.meta.child("properties", false).and_then(|dir| dir.names(&mut names).map(|()| dir))
            }
            _ => Err(io::Error::other("not a directory")),
        };
        match listed {
            Ok(dir) => {
                names.sort();
                unit = self.listed_properties(&dir, &names);
            }
            Err(error) => {
                self.record.unreadable = true;
                self.problem("properties", &reason(&error));
            }
        }
        self.reader.properties = names;
        unit
    }

    fn listed_properties(&mut self, dir: &Dir, names: &Names) -> Unit {
        let mut unit = Unit::default();
        for _ in 0..names.foreign.min(1) {
            self.problem("properties", "a name is not UTF-8");
        }
        if names.len() > COLUMN_LIMIT {
            self.problem("properties", &format!("{} files, of which {COLUMN_LIMIT} are read", names.len()));
        }
        self.record.fields.reserve(names.len().min(COLUMN_LIMIT) + 16);
        let (mut context, mut training) = (false, false);
        for (name, kind) in names.iter().take(COLUMN_LIMIT) {
            unit.saw(name);
            if !self.wanted.property(name) {
                continue;
            }
            if is_reserved(name) {
                self.problem(&format!("properties/{name}"), "the name of a column of the listing");
                continue;
            }
            let property = Property::of(name);
            let cell = match self.property(dir, &property, kind) {
                Ok(cell) => {
                    context |= name == "context";
                    training |= name == "type";
                    cell
                }
                Err(why) => {
                    self.record.unreadable |= name == "completed";
                    self.problem(&format!("properties/{name}"), &why);
                    // The column keeps its place and type; R shows NA for what it can't convert.
                    Cell::Null
                }
            };
            self.record.fields.push(Field { name: property.name, source: Source::Property, cell });
        }
        if !context {
            self.default_property("context", "local");
        }
        if !training {
            self.default_property("type", "training");
        }
        unit
    }

    fn property(&mut self, dir: &Dir, property: &Property, kind: Kind) -> Result<Cell, String> {
        regular(kind)?;
        self.reader.opened += 1;
        let limit = if self.whole { DOCUMENT_LIMIT } else { TEXT_LIMIT };
        let buffer = &mut self.reader.buffer;
        let content = dir.read(&property.name, buffer, limit).map_err(|error| reason(&error))?;
        let mut cell = property.value(&buffer[..content.len], &content)?;
        match (&*property.name, &mut cell) {
            ("end", Cell::Time(_)) => self.record.ended = true,
            ("completed", Cell::Bool(completed)) => self.record.completed = Some(*completed),
            ("exit_code", Cell::Int(code)) => self.record.exit_code = Some(*code),
            ("signal", Cell::Text(signal)) => self.record.interrupted = signal == "SIGINT",
            ("type", Cell::Text(kind)) if kind == "local" => "training".clone_into(kind),
            _ => {}
        }
        Ok(cell)
    }

    fn default_property(&mut self, name: &'static str, text: &str) {
        let cell = Cell::Text(text.to_owned());
        self.record.fields.push(Field { name: Cow::Borrowed(name), source: Source::Property, cell });
    }

    fn document(&mut self, kind: Kind, name: &'static str) -> Option<Json> {
        self.record.documents.push(name);
        self.reader.opened += u64::from(kind == Kind::File);
        let read = regular(kind).and_then(|()| read_document(self.meta, name, &mut self.reader.buffer));
        read.map_err(|why| self.problem(name, &why)).ok()
    }

    /// How many epochs or steps the metrics reach.
    fn read_metrics(&mut self, kind: Kind) -> i64 {
        if self.wanted.best || kind != Kind::File {
            return self.document(kind, "metrics.json").map_or(0, |json| self.metrics(json));
        }
        self.record.documents.push("metrics.json");
        self.reader.opened += 1;
        let bytes = match read_bytes(self.meta, "metrics.json", &mut self.reader.buffer) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.problem("metrics.json", &why);
                return 0;
            }
        };
        let Some(columns) = last_values(bytes).filter(|columns| columns.len() < COLUMN_LIMIT) else {
            let json = Json::parse(bytes);
            return match json {
                Ok(json) => self.metrics(json),
                Err(why) => {
                    self.problem("metrics.json", &why);
                    0
                }
            };
        };
        let mut most = 0;
        for Column { name, count, last } in columns {
            if let Some(value) = last.filter(|_| name != "epoch") {
                most = most.max(count);
                let cell = Cell::Float(value.number().unwrap_or(f64::NAN));
                self.push(Field { name: format!("metric_{name}").into(), source: Source::Metric, cell });
            }
        }
        i64::try_from(most).unwrap_or(i64::MAX)
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
            self.push(Field { name: name.into(), source, cell });
        }
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
                Field { name: format!("metric_{name}").into(), source: Source::Metric, cell: last },
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

    fn derived(&mut self, name: &'static str, cell: Cell) {
        self.record.fields.push(Field { name: Cow::Borrowed(name), source: Source::Derived, cell });
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
    Json::parse(read_bytes(meta, name, buffer)?)
}

fn read_bytes<'a>(meta: &Dir, name: &str, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], String> {
    match meta.read(name, buffer, DOCUMENT_LIMIT) {
        Ok(Content { cut_from: Some(size), .. }) => Err(format!("{size} bytes are too many")),
        Ok(Content { len, cut_from: None }) => Ok(&buffer[..len]),
        Err(error) => Err(reason(&error)),
    }
}

fn regular(kind: Kind) -> Result<(), String> {
    let why = match kind {
        Kind::File => return Ok(()),
        Kind::Dir => "a directory, not a file",
        Kind::Link => "a link is not read",
        Kind::Other => "not a file",
    };
    Err(why.to_owned())
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

fn numbered(values: Vec<Json>) -> Vec<(String, Json)> {
    values.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
}

fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
