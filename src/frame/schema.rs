//! What a frame's columns are: fixed by what was asked for, never by what was found.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::summary::summary_fields;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A scalar value.
    Scalar,
    /// A summary value of any kind.
    Summary,
    /// An event.
    Event,
}

/// Columns: those beyond what every frame of its kind has, and those of the latter that nobody needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // a set of names
pub struct Columns {
    /// Leave out what every frame has, but for steps.
    pub without: Without,
    /// The plugin's name (summary frames always have it).
    pub plugin: bool,
    /// The value as a struct (summary and event frames always have it).
    pub summary: bool,
    /// Which of several writers of one run.
    pub source: bool,
    /// Which of several logdirs.
    pub logdir: bool,
    /// The event file's path.
    pub file: bool,
    /// Where in the file the record begins.
    pub offset: bool,
    /// Which attempt, as an index into [`Rows::attempts`].
    pub attempt: bool,
    /// What a call of `Run.log` told of itself: its epoch, and its number.
    pub call: bool,
}

/// Columns of every frame that are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, missing_docs)] // a set of names
pub struct Without {
    pub run: bool,
    pub tag: bool,
    pub wall_time: bool,
    pub value: bool,
    pub summary: bool,
}

/// The elements of an event's list of summaries.
pub fn summary_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(summary_fields(true)), true))
}

/// The schema of a frame.
pub fn schema(kind: Kind, columns: Columns) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8View, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let float = |name: &str| Field::new(name, DataType::Float64, true);
    let summary = || Field::new("summary", DataType::Struct(summary_fields(false)), true);
    let without = columns.without;
    let mut fields = Vec::new();
    fields.extend((!without.run).then(|| text("run")));
    if kind == Kind::Event {
        fields.push(number("step"));
        fields.extend((!without.wall_time).then(|| float("wall_time")));
        fields.extend([text("what"), text("file_version")]);
        let list = || Field::new("summary", DataType::List(summary_item()), true);
        fields.extend((!without.summary).then(list));
    } else {
        fields.extend((!without.tag).then(|| text("tag")));
        fields.extend((kind == Kind::Summary).then(|| text("plugin")));
        fields.push(number("step"));
        fields.extend((!without.wall_time).then(|| float("wall_time")));
        fields.extend((!without.value).then(|| float("value")));
        fields.extend((kind == Kind::Scalar && columns.plugin).then(|| text("plugin")));
        fields.extend(((kind == Kind::Summary || columns.summary) && !without.summary).then(summary));
    }
    fields.extend(columns.source.then(|| text("source")));
    fields.extend(columns.logdir.then(|| text("logdir")));
    fields.extend(columns.file.then(|| text("file")));
    fields.extend(columns.offset.then(|| number("offset")));
    fields.extend(columns.attempt.then(|| Field::new("attempt", DataType::UInt32, true)));
    fields.extend(columns.call.then(|| Field::new("epoch", DataType::Int64, true)));
    fields.extend(columns.call.then(|| Field::new("call", DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}
