//! Whose rows they are: the file and run each came from, and the attempts that wrote them.

#![allow(clippy::cast_possible_truncation)] // attempts are counted in 32 bits

use prost::Message;

use super::column::{Texts, reserve};
use super::schema::Columns;
use crate::event::proto;
use crate::event::walk::{Event, WalkError, What, is_session_start};

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
pub(super) struct Span {
    pub end: usize,
    pub run: u128,
    pub source: u128,
    pub logdir: u128,
    pub file: u128,
    pub attempt: u32,
}

/// The places of a block's rows, in their order.
#[derive(Debug)]
pub(super) struct Places {
    spans: Vec<Span>,
    here: Option<Span>,
    attempts: Vec<Attempt>,
    last: f64,
    is_first: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self { spans: Vec::new(), here: None, attempts: Vec::new(), last: f64::NEG_INFINITY, is_first: false }
    }
}

impl Places {
    /// The attempts met so far.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Begins a file behind so many rows.
    pub fn begin_file(&mut self, place: &Place<'_>, columns: Columns, texts: &mut Texts, rows: usize) {
        self.end_span(rows);
        self.is_first = true;
        let mut view = |asked: bool, text: &str| if asked { texts.view(text) } else { 0 };
        self.here = Some(Span {
            end: 0,
            run: view(true, place.run),
            source: view(columns.source, place.source),
            logdir: view(columns.logdir, place.logdir),
            file: view(columns.file, place.file),
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
    fn end_span(&mut self, rows: usize) {
        if let Some(mut span) = self.here.take() {
            span.end = rows;
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

    /// Notes the time of an event.
    #[inline]
    pub fn note_time(&mut self, wall_time: f64) {
        self.last = self.last.max(wall_time);
    }

    /// Notes an event that begins no attempt.
    pub fn note(&mut self, wall_time: f64, is_summary: bool) {
        self.is_first &= !is_summary;
        self.note_time(wall_time);
    }

    /// Keeps the books about attempts: the first record says whose the file is, a session's start begins another.
    pub fn note_event(&mut self, event: &Event<'_>, rows: usize) -> Result<(), WalkError> {
        let is_start = matches!(event.what, What::SessionLog(log) if is_session_start(log)?);
        if let (true, Some(span)) = (is_start && !self.is_first, self.here) {
            let (file, key) = self.attempts.last().map(|own| (own.file, own.key.clone())).unwrap_or_default();
            self.end_span(rows);
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
        self.note(event.wall_time, matches!(event.what, What::Summary(_)));
        Ok(())
    }

    /// Closes the books: the spans of all `rows`, and the attempts.
    pub fn finish(mut self, rows: usize) -> (Vec<Span>, Vec<Attempt>) {
        self.end_span(rows);
        (self.spans, self.attempts)
    }
}

/// A column of what rows of one place share.
pub(super) fn spread<T: Clone>(spans: &[Span], of: impl Fn(&Span) -> T) -> Vec<T> {
    let mut column = Vec::new();
    reserve(&mut column, spans.last().map_or(0, |span| span.end));
    for span in spans {
        column.resize(span.end, of(span));
    }
    column
}
