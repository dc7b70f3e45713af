//! Events to rows.
//!
//! A training loop writes the same few records over and over; only time, step and value differ. So a scalar's record
//! is compared, whole, with the record of that tag seen before, its *template*, as soon as time and step are off: if
//! all bytes but the value's are equal, so is all that a walk could find, and the walk is left out. Which template to
//! try is foretold by which one followed the last time. Whatever does not match is walked.

#![allow(clippy::cast_possible_truncation)] // files, runs and attempts are counted in 32 bits

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use prost::Message;

use super::column::{Texts, nulls, reserve, text_column};
use super::summary::{Summaries, TagMetadata, summary_fields};
use crate::event::graph::graph_value;
use crate::event::proto;
use crate::event::walk::{
    Content, Event, Metadata, Tensor, Value, WalkError, What, Wire, fields, is_session_start, normalise,
    scalar_value, values,
};

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

/// Which rows are wanted. Runs are chosen before a file is opened.
#[derive(Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Asked once for every tag name.
    pub tag: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// Sorted, disjoint ranges of steps, ends included.
    pub steps: Option<&'a [(i64, i64)]>,
    /// Range of wall times, ends included; NaN always passes.
    pub wall_time: Option<(f64, f64)>,
    /// The number of events after which reading ends.
    pub limit: Option<u64>,
}

impl std::fmt::Debug for Filter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("tag", &self.tag.is_some())
            .field("steps", &self.steps)
            .field("wall_time", &self.wall_time)
            .field("limit", &self.limit)
            .finish()
    }
}

impl Filter<'_> {
    #[inline]
    fn takes(&self, step: i64, wall_time: f64) -> bool {
        if let Some(steps) = self.steps {
            let after = steps.partition_point(|&(_, last)| last < step);
            if steps.get(after).is_none_or(|&(first, _)| first > step) {
                return false;
            }
        }
        // A NaN is neither before the first nor behind the last.
        self.wall_time.is_none_or(|(first, last)| !(wall_time < first || wall_time > last))
    }
}

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

/// Bytes compared at a time.
const BLOCK: usize = 32;
/// Records with more than this behind their step are walked.
const MAX_TEMPLATE_LEN: usize = 8 * BLOCK;
/// Templates that may be remembered; a file of ever new tags would fill the memory with them.
const MAX_TEMPLATES: usize = 4096;

#[derive(Clone, Copy, Debug)]
enum Hole {
    Float32(usize),
    Float64(usize),
    Exact(usize, usize),
}

/// A scalar's record behind its step: what stays the same, and where the value is.
#[derive(Debug)]
struct Template {
    len: usize,
    blocks: Vec<([u8; BLOCK], [u8; BLOCK])>,
    hole: Hole,
    tag: u128,
    wanted: bool,
    epoch: u32,
    /// The template that came next the last time.
    follower: usize,
    /// Another template of this tag: with an exact value, or without.
    sibling: usize,
}

impl Template {
    fn new(suffix: &[u8], hole: Hole) -> Self {
        let mut mask = vec![0xff; suffix.len()];
        match hole {
            Hole::Float32(at) => mask[at..at + 4].fill(0),
            Hole::Float64(at) => mask[at..at + 8].fill(0),
            Hole::Exact(at, exact) => {
                mask[at..at + 4].fill(0);
                mask[exact..exact + 8].fill(0);
            }
        }
        let block = |bytes: &[u8]| {
            let mut block = [0; BLOCK];
            block[..bytes.len()].copy_from_slice(bytes);
            block
        };
        let blocks =
            suffix.chunks(BLOCK).zip(mask.chunks(BLOCK)).map(|(bytes, mask)| (block(bytes), block(mask)));
        let blocks = blocks.collect();
        Self { len: suffix.len(), blocks, hole, tag: 0, wanted: true, epoch: 0, follower: 0, sibling: 0 }
    }

    /// Whether `bytes`, of which `len` are the record's, are this template but for the value.
    #[inline]
    fn matches(&self, bytes: &[u8], len: usize) -> bool {
        if len != self.len {
            return false;
        }
        let (chunks, _) = bytes.as_chunks::<BLOCK>();
        if chunks.len() < self.blocks.len() {
            return false;
        }
        let mut differing = 0;
        for (chunk, (bytes, mask)) in chunks.iter().zip(&self.blocks) {
            for i in 0..BLOCK {
                differing |= (chunk[i] ^ bytes[i]) & mask[i];
            }
        }
        differing == 0
    }

    #[inline]
    fn value(&self, bytes: &[u8]) -> f64 {
        let four = |at: usize| *bytes[at..].first_chunk::<4>().expect("within the template");
        let eight = |at: usize| *bytes[at..].first_chunk::<8>().expect("within the template");
        match self.hole {
            Hole::Float32(at) => f64::from(f32::from_le_bytes(four(at))),
            Hole::Float64(at) => f64::from_le_bytes(eight(at)),
            Hole::Exact(at, exact) => scalar_value(four(at), Some(eight(exact))),
        }
    }
}

/// A varint of up to eight bytes that `word` begins with: its value and length. `None` for longer ones.
#[inline]
fn short_varint(word: u64) -> Option<(u64, usize)> {
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    let bits = ends.trailing_zeros() + 1;
    let x = word & (u64::MAX >> (64 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
    let x = (x & 0x007f_007f_007f_007f) | ((x & 0x7f00_7f00_7f00_7f00) >> 1);
    let x = (x & 0x0000_3fff_0000_3fff) | ((x & 0x3fff_0000_3fff_0000) >> 2);
    let x = (x & 0x0fff_ffff) | ((x & 0x0fff_ffff_0000_0000) >> 4);
    Some((x, bits as usize / 8))
}

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
    templates: Vec<Template>,
    previous: usize,
    foretold: usize,
    epoch: u32,
    continues: bool,
    emit_from: u64,
    unresolved: bool,
    events: u64,
    records: u64,
}

impl<'q> Rows<'q> {
    /// No rows yet.
    pub fn new(kind: Kind, columns: Columns, filter: Filter<'q>) -> Self {
        // The first template is nobody's: it has a length that no record has.
        let nobody = Template { len: usize::MAX, ..Template::new(&[0; 4], Hole::Float32(0)) };
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
            templates: vec![nobody],
            previous: 0,
            foretold: 0,
            epoch: 0,
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
        if run != self.run || self.epoch == 0 {
            self.epoch += 1;
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
        let mut template = &self.templates[self.foretold];
        if !template.matches(suffix, len) {
            self.foretold = template.sibling;
            template = &self.templates[self.foretold];
            if !template.matches(suffix, len) {
                return false;
            }
        }
        if template.epoch != self.epoch {
            return false;
        }
        self.previous = std::mem::replace(&mut self.foretold, template.follower);
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
            own.start = event.wall_time;
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
            self.learn_template(payload, value, name, source);
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

    /// Remembers what a scalar's record looks like, if it is nothing but time, step and that one value.
    fn learn_template(&mut self, payload: &[u8], value: &Value<'_>, name: usize, source: &[u8]) {
        let Some(suffix) = only_value(payload) else { return };
        let place = |part: &[u8]| (part.as_ptr() as usize).checked_sub(suffix.as_ptr() as usize);
        let Some(at) = place(source).filter(|at| at + source.len() <= suffix.len()) else { return };
        let hole = match (source.len(), value.exact) {
            (4, Some(exact)) if matches!(value.content, Content::Simple(_)) => match place(exact) {
                Some(exact) => Hole::Exact(at, exact),
                None => return,
            },
            (4, _) => Hole::Float32(at),
            (8, _) => Hole::Float64(at),
            _ => return,
        };
        let known = self.names[name].templates.iter().copied().find(|&known| {
            let template = &self.templates[known];
            let mut padded = [0; MAX_TEMPLATE_LEN];
            padded[..suffix.len()].copy_from_slice(suffix);
            template.matches(&padded, suffix.len())
        });
        let number = known.unwrap_or(self.templates.len());
        if known.is_none() {
            if number == MAX_TEMPLATES {
                return;
            }
            let Name { view, wanted, .. } = self.names[name];
            let siblings = &mut self.names[name].templates;
            let sibling = siblings.last().copied().unwrap_or_default();
            siblings.push(number);
            let first = siblings[0];
            self.templates.push(Template { tag: view, wanted, sibling, ..Template::new(suffix, hole) });
            self.templates[first].sibling = number;
        }
        self.templates[number].epoch = self.epoch;
        // What stood here instead of the foretold is what follows from now on.
        let previous = std::mem::replace(&mut self.previous, number);
        self.templates[previous].follower = number;
        self.foretold = self.templates[number].follower;
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

/// The suffix of a payload that is a time, perhaps a step, and a summary of one value, which the suffix is.
fn only_value(payload: &[u8]) -> Option<&[u8]> {
    let rest = payload.strip_prefix(&[0x09])?.get(8..)?;
    let suffix = match rest.strip_prefix(&[0x10]) {
        Some(step) => &step[step.iter().position(|&byte| byte < 0x80)? + 1..],
        None => rest,
    };
    let whole = |message: &[u8], number: u32| {
        let mut fields = fields(message);
        match (fields.next(), fields.next()) {
            (Some(Ok((found, Wire::Len(inside)))), None) if found == number => Some(inside.len()),
            _ => None,
        }
    };
    let summary = whole(suffix, 5)?;
    whole(&suffix[suffix.len() - summary..], 1)?;
    (suffix.len() <= MAX_TEMPLATE_LEN).then_some(suffix)
}

/// The elements of an event's list of summaries.
fn summary_item() -> Arc<Field> {
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
