//! Events to rows: each value that is asked for is appended to columns, by its template or after a walk.

#![allow(clippy::cast_possible_truncation)] // files, runs and attempts are counted in 32 bits

use std::collections::HashMap;
use std::rc::Rc;

use arrow_array::RecordBatch;
use prost::Message;

use super::column::Texts;
use super::filter::Filter;
use super::places::Places;
pub use super::places::{Attempt, Place};
use super::schema::{Columns, Kind};
use super::summary::TagMetadata;
use super::table::Table;
use super::template::{Templates, short_varint};
use crate::event::graph::graph_value;
use crate::event::proto;
use crate::event::walk::{
    Content, Event, Glance, Metadata, Rest, Tensor, Value, WalkError, What, normalise, scalar_value, values,
};

/// A tag name, met anywhere.
#[derive(Debug)]
struct Name {
    view: u128,
    wanted: bool,
    templates: Vec<usize>,
}

/// The field of an event that may begin an attempt.
const SESSION_LOG: u32 = 7;
/// The fields of a value that may be large: what of it is, is no scalar.
const LARGE_CONTENTS: [u32; 5] = [3, 4, 5, 6, 8];

/// The rows of one block of files, in the order they were read.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // each is one fact, in any combination
pub struct Rows<'q> {
    kind: Kind,
    columns: Columns,
    filter: Filter<'q>,
    fast: bool,
    texts: Texts,
    places: Places,
    table: Table,
    // What was seen of tags.
    names: Vec<Name>,
    by_name: HashMap<Box<str>, usize>,
    runs: HashMap<Box<str>, u32>,
    run: u32,
    metadata: HashMap<(u32, usize), Rc<TagMetadata>>,
    templates: Templates,
    continues: bool,
    emit_from: u64,
    unresolved: bool,
    events: u64,
    records: u64,
}

impl<'q> Rows<'q> {
    /// No rows yet.
    pub fn new(kind: Kind, columns: Columns, filter: Filter<'q>) -> Self {
        Self {
            kind,
            columns,
            filter,
            fast: kind == Kind::Scalar && !columns.plugin && !columns.summary,
            texts: Texts::default(),
            places: Places::default(),
            table: Table::default(),
            names: Vec::new(),
            by_name: HashMap::new(),
            runs: HashMap::new(),
            run: 0,
            metadata: HashMap::new(),
            templates: Templates::default(),
            continues: false,
            emit_from: 0,
            unresolved: false,
            events: 0,
            records: 0,
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// The number of events that passed the filter.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The number of records looked into.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Whether as many events are there as were asked for.
    pub fn is_full(&self) -> bool {
        self.filter.limit.is_some_and(|limit| self.events >= limit)
    }

    /// Whether a value's kind hangs on metadata that stands before the place where reading began.
    pub fn is_unresolved(&self) -> bool {
        self.unresolved
    }

    /// The attempts met so far.
    pub fn attempts(&self) -> &[Attempt] {
        self.places.attempts()
    }

    /// Makes room for as many rows as the rest will have if it is like the part that was read, once the room might
    /// not do for the next `step_bytes`.
    pub fn foresee(&mut self, bytes_read: u64, bytes_to_come: u64, step_bytes: usize) {
        const SMALL_RECORD: usize = 32;
        let has_room = self.len() + step_bytes / SMALL_RECORD <= self.table.step.capacity();
        if has_room || bytes_read == 0 || self.kind != Kind::Scalar {
            return;
        }
        let expected = self.len() as u128 * u128::from(bytes_to_come) / u128::from(bytes_read);
        let rows = self.len() + expected as usize + expected as usize / 64 + 64;
        self.table.reserve(rows, self.columns);
    }

    /// Begins a file; it `continues` if values of its run stand before the place where reading begins. Records
    /// before `emit_from` give no rows, only what they say of later ones.
    pub fn begin_file(&mut self, place: &Place<'_>, continues: bool, emit_from: u64) {
        self.emit_from = emit_from;
        self.continues = continues;
        let runs = self.runs.len() as u32;
        let run = *self.runs.entry(place.run.into()).or_insert(runs);
        if run != self.run || self.places.attempts().is_empty() {
            self.templates.begin_run();
        }
        self.run = run;
        self.places.begin_file(place, self.columns, &mut self.texts, self.table.len());
    }

    /// Takes a record's payload: the first `len` of `bytes`; what follows may be looked at, no more.
    #[inline]
    pub fn record(&mut self, bytes: &[u8], len: usize, offset: u64) -> Result<(), WalkError> {
        self.records += 1;
        if self.fast && self.by_template(bytes, len, offset) {
            return Ok(());
        }
        match self.by_walk(&bytes[..len], offset) {
            Err(WalkError::Repeated) => self.by_walk(&normalise(&bytes[..len])?, offset),
            done => done,
        }
    }

    /// Whether a record of `len` bytes, of which the `beginning` is at hand, gives no row and says nothing of later
    /// ones. A summary's metadata does where rows tell it, but for values that are too large to be a scalar.
    pub fn leaves_out(&mut self, beginning: &[u8], len: usize) -> bool {
        let Some(glance) = Glance::at(beginning, len) else { return false };
        let is_scalar = self.kind == Kind::Scalar;
        let leaves_out = match glance.rest {
            _ if self.kind == Kind::Event => false,
            Rest::Field(number) => is_scalar && number != SESSION_LOG,
            Rest::Value(tag, content) => {
                let name = self.name(tag);
                let takes = self.filter.takes(glance.step, glance.wall_time);
                !self.names[name].wanted || (is_scalar && (!takes || LARGE_CONTENTS.contains(&content)))
            }
        };
        if leaves_out {
            self.places.note(glance.wall_time, matches!(glance.rest, Rest::Value(..)));
        }
        leaves_out
    }

    #[inline]
    fn by_template(&mut self, bytes: &[u8], len: usize, offset: u64) -> bool {
        let Some(head) = bytes.first_chunk::<18>() else { return false };
        if head[0] != 0x09 {
            return false;
        }
        let (mut at, mut step) = (9, 0);
        if head[9] == 0x10 {
            let Some((value, taken)) =
                short_varint(u64::from_le_bytes(*head.last_chunk().expect("18 bytes")))
            else {
                return false;
            };
            (at, step) = (10 + taken, value.cast_signed());
        }
        let suffix = &bytes[at..];
        let len = len.wrapping_sub(at);
        let Some(template) = self.templates.matching(suffix, len) else { return false };
        let wall_time = f64::from_le_bytes(*head[1..].first_chunk().expect("18 bytes"));
        self.places.note_time(wall_time);
        if template.wanted && offset >= self.emit_from && self.filter.takes(step, wall_time) {
            let value = template.value(suffix);
            let without = self.columns.without;
            self.table.step.push(step);
            if !without.tag {
                self.table.tag.push(template.tag);
            }
            if !without.wall_time {
                self.table.wall_time.push(wall_time);
            }
            if !without.value {
                self.table.value.push(value);
            }
            if self.columns.offset {
                self.table.offset.push(offset.cast_signed());
            }
            if self.columns.call {
                self.table.epoch_of_call.push(None); // a record with an extension fits no template
                self.table.call.push(None);
            }
            self.events += 1;
        }
        true
    }

    #[cold]
    #[inline(never)]
    fn by_walk(&mut self, payload: &[u8], offset: u64) -> Result<(), WalkError> {
        let event = Event::walk(payload)?;
        if let What::Summary(summary) = event.what {
            for value in values(summary) {
                if let Some(metadata) = value?.metadata {
                    Metadata::walk(metadata)?;
                }
            }
        }
        self.places.note_event(&event, self.table.len())?;
        let taken = offset >= self.emit_from && self.filter.takes(event.step, event.wall_time);
        match (self.kind, event.what) {
            (Kind::Event, _) => self.event_row(&event, taken, offset),
            (_, What::Summary(summary)) => {
                let before = self.len();
                for value in values(summary) {
                    self.value_row(payload, &event, &value?, taken, offset)?;
                }
                self.events += u64::from(self.len() > before);
                Ok(())
            }
            (Kind::Summary, what) => {
                let before = self.len();
                if let Some(value) = graph_value(&what)? {
                    self.value_row(payload, &event, &Value::walk(&value)?, taken, offset)?;
                }
                self.events += u64::from(self.len() > before);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn name(&mut self, tag: &str) -> usize {
        if let Some(&known) = self.by_name.get(tag) {
            return known;
        }
        let wanted = self.filter.tag.is_none_or(|wanted| wanted(tag));
        self.names.push(Name { view: self.texts.view(tag), wanted, templates: Vec::new() });
        self.by_name.insert(tag.into(), self.names.len() - 1);
        self.names.len() - 1
    }

    /// A value's own metadata, or that of the first value of its tag.
    fn metadata_of(&mut self, name: usize, value: &Value<'_>) -> Result<Option<Rc<TagMetadata>>, WalkError> {
        let key = (self.run, name);
        let Some(bytes) = value.metadata else {
            return Ok(self.metadata.get(&key).cloned());
        };
        let walked = Metadata::walk(bytes)?;
        let mut text = |text: &str| (!text.is_empty()).then(|| self.texts.view(text));
        let metadata = Rc::new(TagMetadata {
            plugin: text(walked.plugin_name).unwrap_or_default(),
            is_scalars: walked.plugin_name == "scalars" || walked.data_class == 1,
            display_name: text(walked.display_name),
            description: text(walked.description),
            plugin_content: (!walked.plugin_content.is_empty()).then(|| walked.plugin_content.into()),
        });
        self.metadata.entry(key).or_insert_with(|| metadata.clone());
        Ok(Some(metadata))
    }

    fn value_row(
        &mut self,
        payload: &[u8],
        event: &Event<'_>,
        value: &Value<'_>,
        taken: bool,
        offset: u64,
    ) -> Result<(), WalkError> {
        let name = self.name(value.tag());
        let metadata = self.metadata_of(name, value)?;
        let mut source = None;
        let number = match value.content {
            Content::Simple(simple) => {
                source = Some(&simple[..]);
                Some(scalar_value(*simple, value.exact.copied()))
            }
            Content::Tensor(message) => {
                self.unresolved |= self.continues && metadata.is_none();
                let is_scalar = metadata.as_ref().is_some_and(|metadata| metadata.is_scalars);
                let tensor = if is_scalar { Tensor::walk(message).ok() } else { None };
                source = tensor.as_ref().and_then(Tensor::single);
                tensor.and_then(|tensor| tensor.scalar())
            }
            _ => None,
        };
        let is_whole = value.metadata.is_some() || matches!(value.content, Content::Simple(_));
        if self.fast
            && is_whole
            && let Some(source) = source
        {
            let Name { view, wanted, templates } = &mut self.names[name];
            self.templates.learn(templates, (*view, *wanted), payload, value, source);
        }
        if !taken || !self.names[name].wanted || (self.kind == Kind::Scalar && number.is_none()) {
            return Ok(());
        }
        if !self.filter.without_plugins.is_empty() {
            self.unresolved |= self.continues && metadata.is_none();
            let plugin = self.plugin_view(value, metadata.as_deref());
            if self.filter.without_plugins.iter().any(|name| self.texts.view(name) == plugin) {
                return Ok(());
            }
        }
        let without = self.columns.without;
        self.table.step.push(event.step);
        if !without.tag {
            self.table.tag.push(self.names[name].view);
        }
        if !without.wall_time {
            self.table.wall_time.push(event.wall_time);
        }
        if !without.value {
            self.table.value.push(number.unwrap_or_default());
            if self.kind == Kind::Summary {
                self.table.has_value.push(number.is_some());
            }
        }
        if self.columns.offset {
            self.table.offset.push(offset.cast_signed());
        }
        if self.columns.call {
            self.push_call(event);
        }
        if self.columns.plugin || self.columns.summary || self.kind == Kind::Summary {
            let plugin = self.plugin_view(value, metadata.as_deref());
            self.table.plugin.push(plugin);
        }
        if (self.columns.summary || self.kind == Kind::Summary) && !without.summary {
            self.unresolved |= self.continues && metadata.is_none();
            self.table.summaries.push(&mut self.texts, value, metadata.as_deref());
        }
        Ok(())
    }

    /// The plugin's name: what the metadata says, else what TensorBoard takes a value of this kind for.
    fn plugin_view(&mut self, value: &Value<'_>, metadata: Option<&TagMetadata>) -> u128 {
        match metadata {
            Some(metadata) if metadata.plugin != 0 => metadata.plugin,
            _ => self.texts.view(match value.content {
                Content::Simple(_) => "scalars",
                Content::Image(_) => "images",
                Content::Histo(_) => "histograms",
                Content::Audio(_) => "audio",
                Content::None | Content::Obsolete(_) | Content::Tensor(_) => "",
            }),
        }
    }

    fn event_row(&mut self, event: &Event<'_>, taken: bool, offset: u64) -> Result<(), WalkError> {
        let mut matching = 0;
        if let What::Summary(summary) = event.what {
            for value in values(summary) {
                let value = value?;
                let name = self.name(value.tag());
                let metadata = self.metadata_of(name, &value)?;
                self.unresolved |= self.continues && metadata.is_none();
                if taken && self.names[name].wanted {
                    matching += 1;
                    if self.columns.without.summary {
                        continue;
                    }
                    self.table.tag.push(self.names[name].view);
                    let plugin = self.plugin_view(&value, metadata.as_deref());
                    self.table.plugin.push(plugin);
                    self.table.summaries.push(&mut self.texts, &value, metadata.as_deref());
                }
            }
        }
        if !taken || (self.filter.tag.is_some() && matching == 0) {
            return Ok(());
        }
        self.table.step.push(event.step);
        if !self.columns.without.wall_time {
            self.table.wall_time.push(event.wall_time);
        }
        self.table.what.push(self.texts.view(event.what.name()));
        let version = if let What::FileVersion(version) = event.what { Some(version) } else { None };
        self.table.file_version.push(version.map_or(0, |version| self.texts.view(version)));
        self.table.has_file_version.push(version.is_some());
        self.table.list_ends.push(i32::try_from(self.table.summaries.len()).unwrap_or(i32::MAX));
        self.table.has_value.push(matches!(event.what, What::Summary(_)));
        if self.columns.offset {
            self.table.offset.push(offset.cast_signed());
        }
        if self.columns.call {
            self.push_call(event);
        }
        self.events += 1;
        Ok(())
    }

    fn push_call(&mut self, event: &Event<'_>) {
        let extension = event.extension.and_then(|bytes| proto::EventExtension::decode(bytes).ok());
        let (epoch, call) = extension.map_or((None, None), |extension| (extension.epoch, extension.call));
        self.table.epoch_of_call.push(epoch);
        self.table.call.push(call.and_then(|call| i64::try_from(call).ok()));
    }

    /// The frame, and the attempts its rows come from.
    pub fn finish(self) -> (RecordBatch, Vec<Attempt>) {
        let (spans, attempts) = self.places.finish(self.table.len());
        let texts = self.texts.into_buffer();
        (self.table.finish(self.kind, self.columns, &texts, &spans), attempts)
    }
}
