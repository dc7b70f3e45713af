//! Events to rows: each value that is asked for is appended to columns, by its template or after a walk.

#![allow(clippy::cast_possible_truncation)] // files, runs and attempts are counted in 32 bits

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use prost::Message;

use super::column::{Texts, nulls, reserve, text_column};
use super::filter::Filter;
use super::schema::{Columns, Kind, schema, summary_item};
use super::summary::{Summaries, TagMetadata};
use super::template::{Templates, short_varint};
use crate::event::graph::graph_value;
use crate::event::proto;
use crate::event::walk::{
    Content, Event, Glance, Metadata, Rest, Tensor, Value, WalkError, What, is_session_start, normalise,
    scalar_value, values,
};

/// Where rows come from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The run's name.
    pub run: &'a str,
    /// Which of several writers of the run; empty for the only one.
    pub source: &'a str,
    /// The logdir the run was found in.
    pub logdir: &'a str,
    /// The event file.
    pub file: &'a str,
    /// The file's number in the listing.
    pub number: u32,
}

/// One life of a writer, as far as its rows tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The file's number in the listing.
    pub file: u32,
    /// What tells it from others: host, boot, process and start of a writer of ours; else the file itself.
    pub key: String,
    /// When it started, in seconds since the epoch.
    pub start: f64,
    /// The latest wall time of its events, filtered or not.
    pub last: f64,
}

/// Rows that share their place.
#[derive(Clone, Copy, Debug)]
struct Span {
    end: usize,
    run: u128,
    source: u128,
    logdir: u128,
    file: u128,
    attempt: u32,
}

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
    spans: Vec<Span>,
    here: Option<Span>,
    attempts: Vec<Attempt>,
    last: f64,
    is_first: bool,
    // One element a row, as far as the kind has them.
    tag: Vec<u128>,
    step: Vec<i64>,
    wall_time: Vec<f64>,
    value: Vec<f64>,
    has_value: Vec<bool>,
    plugin: Vec<u128>,
    offset: Vec<i64>,
    epoch_of_call: Vec<Option<i64>>,
    call: Vec<Option<i64>>,
    what: Vec<u128>,
    file_version: Vec<u128>,
    has_file_version: Vec<bool>,
    list_ends: Vec<i32>,
    summaries: Summaries,
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
            spans: Vec::new(),
            here: None,
            attempts: Vec::new(),
            last: f64::NEG_INFINITY,
            is_first: false,
            tag: Vec::new(),
            step: Vec::new(),
            wall_time: Vec::new(),
            value: Vec::new(),
            has_value: Vec::new(),
            plugin: Vec::new(),
            offset: Vec::new(),
            epoch_of_call: Vec::new(),
            call: Vec::new(),
            what: Vec::new(),
            file_version: Vec::new(),
            has_file_version: Vec::new(),
            list_ends: Vec::new(),
            summaries: Summaries::default(),
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
        self.step.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.step.is_empty()
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
        &self.attempts
    }

    /// Makes room for as many rows as the rest will have if it is like the part that was read, once the room might
    /// not do for the next `step_bytes`.
    pub fn foresee(&mut self, bytes_read: u64, bytes_to_come: u64, step_bytes: usize) {
        const SMALL_RECORD: usize = 32;
        let has_room = self.len() + step_bytes / SMALL_RECORD <= self.step.capacity();
        if has_room || bytes_read == 0 || self.kind != Kind::Scalar {
            return;
        }
        let expected = self.len() as u128 * u128::from(bytes_to_come) / u128::from(bytes_read);
        let rows = self.len() + expected as usize + expected as usize / 64 + 64;
        let without = self.columns.without;
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
        if self.columns.offset {
            reserve(&mut self.offset, rows);
        }
    }

    /// Begins a file; it `continues` if values of its run stand before the place where reading begins. Records
    /// before `emit_from` give no rows, only what they say of later ones.
    pub fn begin_file(&mut self, place: &Place<'_>, continues: bool, emit_from: u64) {
        self.end_span();
        self.emit_from = emit_from;
        self.continues = continues;
        let runs = self.runs.len() as u32;
        let run = *self.runs.entry(place.run.into()).or_insert(runs);
        if run != self.run || self.attempts.is_empty() {
            self.templates.begin_run();
        }
        self.run = run;
        self.is_first = true;
        let mut view = |asked: bool, text: &str| if asked { self.texts.view(text) } else { 0 };
        self.here = Some(Span {
            end: 0,
            run: view(true, place.run),
            source: view(self.columns.source, place.source),
            logdir: view(self.columns.logdir, place.logdir),
            file: view(self.columns.file, place.file),
            attempt: self.attempts.len() as u32,
        });
        self.attempts.push(Attempt {
            file: place.number,
            key: place.file.to_owned(),
            start: f64::NAN,
            last: f64::NEG_INFINITY,
        });
    }

    /// Closes the rows of the current place and attempt.
    fn end_span(&mut self) {
        if let Some(mut span) = self.here.take() {
            span.end = self.len();
            self.spans.push(span);
            if let Some(attempt) = self.attempts.last_mut() {
                attempt.last = attempt.last.max(self.last);
                if attempt.start.is_nan() && self.last >= 0.0 {
                    attempt.start = 0.0;
                }
            }
            self.last = f64::NEG_INFINITY;
        }
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
            self.is_first &= !matches!(glance.rest, Rest::Value(..));
            self.last = self.last.max(glance.wall_time);
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
        self.last = self.last.max(wall_time);
        if template.wanted && offset >= self.emit_from && self.filter.takes(step, wall_time) {
            let value = template.value(suffix);
            let without = self.columns.without;
            self.step.push(step);
            if !without.tag {
                self.tag.push(template.tag);
            }
            if !without.wall_time {
                self.wall_time.push(wall_time);
            }
            if !without.value {
                self.value.push(value);
            }
            if self.columns.offset {
                self.offset.push(offset.cast_signed());
            }
            if self.columns.call {
                self.epoch_of_call.push(None); // a record with an extension fits no template
                self.call.push(None);
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
        self.note_attempt(&event)?;
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

    /// Keeps the books about attempts: the first record says whose the file is, a session's start begins another.
    fn note_attempt(&mut self, event: &Event<'_>) -> Result<(), WalkError> {
        let is_start = matches!(event.what, What::SessionLog(log) if is_session_start(log)?);
        if let (true, Some(span)) = (is_start && !self.is_first, self.here) {
            let (file, key) = self.attempts.last().map(|own| (own.file, own.key.clone())).unwrap_or_default();
            self.end_span();
            let key = format!("{key}#{}", self.attempts.len());
            self.attempts.push(Attempt { file, key, start: event.wall_time, last: f64::NEG_INFINITY });
            self.here = Some(Span { attempt: self.attempts.len() as u32 - 1, ..span });
        }
        if let Some(own) = self.attempts.last_mut()
            && own.start.is_nan()
        {
            // A first record without a time says nothing of the start.
            own.start = if event.wall_time == 0.0 { f64::NAN } else { event.wall_time };
            let extension = event.extension.map(proto::EventExtension::decode);
            if let Some(attempt) = extension.and_then(Result::ok).and_then(|extension| extension.attempt) {
                own.key = format!("{}/{}/{}/{}", attempt.host, attempt.boot_id, attempt.pid, attempt.start);
                own.start = attempt.start;
            }
        }
        self.is_first &= !matches!(event.what, What::Summary(_));
        self.last = self.last.max(event.wall_time);
        Ok(())
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
        let without = self.columns.without;
        self.step.push(event.step);
        if !without.tag {
            self.tag.push(self.names[name].view);
        }
        if !without.wall_time {
            self.wall_time.push(event.wall_time);
        }
        if !without.value {
            self.value.push(number.unwrap_or_default());
            if self.kind == Kind::Summary {
                self.has_value.push(number.is_some());
            }
        }
        if self.columns.offset {
            self.offset.push(offset.cast_signed());
        }
        if self.columns.call {
            self.push_call(event);
        }
        if self.columns.plugin || self.columns.summary || self.kind == Kind::Summary {
            let plugin = self.plugin_view(value, metadata.as_deref());
            self.plugin.push(plugin);
        }
        if (self.columns.summary || self.kind == Kind::Summary) && !without.summary {
            self.unresolved |= self.continues && metadata.is_none();
            self.summaries.push(&mut self.texts, value, metadata.as_deref());
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
                    self.tag.push(self.names[name].view);
                    let plugin = self.plugin_view(&value, metadata.as_deref());
                    self.plugin.push(plugin);
                    self.summaries.push(&mut self.texts, &value, metadata.as_deref());
                }
            }
        }
        if !taken || (self.filter.tag.is_some() && matching == 0) {
            return Ok(());
        }
        self.step.push(event.step);
        if !self.columns.without.wall_time {
            self.wall_time.push(event.wall_time);
        }
        self.what.push(self.texts.view(event.what.name()));
        let version = if let What::FileVersion(version) = event.what { Some(version) } else { None };
        self.file_version.push(version.map_or(0, |version| self.texts.view(version)));
        self.has_file_version.push(version.is_some());
        self.list_ends.push(i32::try_from(self.summaries.len()).unwrap_or(i32::MAX));
        self.has_value.push(matches!(event.what, What::Summary(_)));
        if self.columns.offset {
            self.offset.push(offset.cast_signed());
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
        self.epoch_of_call.push(epoch);
        self.call.push(call.and_then(|call| i64::try_from(call).ok()));
    }

    /// The frame.
    ///
    /// # Panics
    ///
    /// Never: the columns are those of the schema.
    pub fn finish(mut self) -> (RecordBatch, Vec<Attempt>) {
        self.end_span();
        let rows = self.len();
        let texts = std::mem::take(&mut self.texts).into_buffer();
        let text = |views: Vec<u128>| text_column(views, &texts, None);
        let without = self.columns.without;
        let mut columns: Vec<ArrayRef> = Vec::new();
        let tag = std::mem::take(&mut self.tag);
        let plugin = std::mem::take(&mut self.plugin);
        let step = std::mem::take(&mut self.step);
        let wall_time = std::mem::take(&mut self.wall_time);
        let value = std::mem::take(&mut self.value);
        let summaries = std::mem::take(&mut self.summaries);
        if !without.run {
            columns.push(text(self.spread(|span| span.run)));
        }
        if self.kind == Kind::Event {
            columns.push(numbers(step));
            if !without.wall_time {
                columns.push(floats(wall_time, None));
            }
            columns.push(text(std::mem::take(&mut self.what)));
            let versions = std::mem::take(&mut self.file_version);
            columns.push(text_column(versions, &texts, nulls(std::mem::take(&mut self.has_file_version))));
            if !without.summary {
                let summaries = summaries.finish(&texts, vec![text(tag), text(plugin)]);
                let ends = std::iter::once(0).chain(std::mem::take(&mut self.list_ends)).collect();
                let present = nulls(std::mem::take(&mut self.has_value));
                columns.push(Arc::new(ListArray::new(
                    summary_item(),
                    OffsetBuffer::new(ends),
                    summaries,
                    present,
                )));
            }
        } else {
            if !without.tag {
                columns.push(text(tag));
            }
            if self.kind == Kind::Summary {
                columns.push(text(plugin.clone()));
            }
            columns.push(numbers(step));
            if !without.wall_time {
                columns.push(floats(wall_time, None));
            }
            if !without.value {
                let present = std::mem::take(&mut self.has_value);
                columns.push(floats(value, if self.kind == Kind::Summary { nulls(present) } else { None }));
            }
            if self.kind == Kind::Scalar && self.columns.plugin {
                columns.push(text(plugin.clone()));
            }
            if (self.kind == Kind::Summary || self.columns.summary) && !without.summary {
                columns.push(summaries.finish(&texts, vec![text(plugin)]));
            }
        }
        for (asked, of) in [
            (self.columns.source, (|span: &Span| span.source) as fn(&Span) -> u128),
            (self.columns.logdir, |span| span.logdir),
            (self.columns.file, |span| span.file),
        ] {
            if asked {
                columns.push(text(self.spread(of)));
            }
        }
        if self.columns.offset {
            columns.push(numbers(std::mem::take(&mut self.offset)));
        }
        if self.columns.attempt {
            columns.push(Arc::new(UInt32Array::from(self.spread(|span| span.attempt))));
        }
        if self.columns.call {
            columns.push(Arc::new(Int64Array::from(std::mem::take(&mut self.epoch_of_call))));
            columns.push(Arc::new(Int64Array::from(std::mem::take(&mut self.call))));
        }
        debug_assert!(columns.iter().all(|column| column.len() == rows));
        let batch = RecordBatch::try_new(schema(self.kind, self.columns), columns)
            .expect("the columns are those of the schema, all as long as each other");
        (batch, self.attempts)
    }

    /// A column of what rows of one place share.
    fn spread<T: Clone>(&self, of: impl Fn(&Span) -> T) -> Vec<T> {
        let mut column = Vec::new();
        reserve(&mut column, self.spans.last().map_or(0, |span| span.end));
        for span in &self.spans {
            column.resize(span.end, of(span));
        }
        column
    }
}

fn numbers(column: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::new(ScalarBuffer::from(column), None))
}

fn floats(column: Vec<f64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(Float64Array::new(ScalarBuffer::from(column), nulls))
}
