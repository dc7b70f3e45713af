//! Events, their values, and what is said of tags.

#![allow(clippy::cast_possible_truncation)] // a float64 is rounded where its rounding is asked for

use prost::Message;

use super::wire::fields;
use super::{Result, WalkError};
use crate::event::proto;

/// What an event is about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum What<'a> {
    /// Nothing: only a time, and perhaps a step.
    #[default]
    None,
    /// The first record of a file.
    FileVersion(&'a str),
    /// A `GraphDef`.
    GraphDef(&'a [u8]),
    /// The bytes of a `Summary`: its values ([`values`]).
    Summary(&'a [u8]),
    /// The bytes of a `LogMessage`.
    LogMessage(&'a [u8]),
    /// The bytes of a `SessionLog`.
    SessionLog(&'a [u8]),
    /// The bytes of a `TaggedRunMetadata`.
    TaggedRunMetadata(&'a [u8]),
    /// A `MetaGraphDef`.
    MetaGraphDef(&'a [u8]),
}

impl What<'_> {
    /// The field's name in TensorBoard's message; "none" without one.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FileVersion(_) => "file_version",
            Self::GraphDef(_) => "graph_def",
            Self::Summary(_) => "summary",
            Self::LogMessage(_) => "log_message",
            Self::SessionLog(_) => "session_log",
            Self::TaggedRunMetadata(_) => "tagged_run_metadata",
            Self::MetaGraphDef(_) => "meta_graph_def",
        }
    }
}

/// One event, borrowed from a record's payload.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Event<'a> {
    /// Seconds since the epoch.
    pub wall_time: f64,
    /// The step; zero when absent.
    pub step: i64,
    /// The content.
    pub what: What<'a>,
    /// The bytes of our extension (`EventExtension`), if there is one.
    pub extension: Option<&'a [u8]>,
}

impl<'a> Event<'a> {
    /// Walks over a record's payload.
    pub fn walk(payload: &'a [u8]) -> Result<Self> {
        let mut event = Self::default();
        for field in fields(payload) {
            let (number, wire) = field?;
            let known = event.what;
            match number {
                1 => event.wall_time = f64::from_le_bytes(*wire.fixed64()?),
                2 => event.step = wire.varint()?.cast_signed(),
                3 => event.what = What::FileVersion(wire.str()?),
                4 => event.what = What::GraphDef(wire.len()?),
                5 => event.what = once(matches!(known, What::Summary(_)), What::Summary(wire.len()?))?,
                6 => event.what = once(matches!(known, What::LogMessage(_)), What::LogMessage(wire.len()?))?,
                7 => event.what = once(matches!(known, What::SessionLog(_)), What::SessionLog(wire.len()?))?,
                8 => {
                    let known = matches!(known, What::TaggedRunMetadata(_));
                    event.what = once(known, What::TaggedRunMetadata(wire.len()?))?;
                }
                9 => event.what = What::MetaGraphDef(wire.len()?),
                1001 => event.extension = once(event.extension.is_some(), Some(wire.len()?))?,
                _ => {}
            }
        }
        Ok(event)
    }
}

fn once<T>(seen: bool, value: T) -> Result<T> {
    if seen { Err(WalkError::Repeated) } else { Ok(value) }
}

/// Decodes an event with repeated message fields and writes it again with those merged.
pub fn normalise(payload: &[u8]) -> Result<Vec<u8>> {
    proto::Event::decode(payload).map(|event| event.encode_to_vec()).map_err(|_| WalkError::Truncated)
}

/// Whether the bytes of a `SessionLog` say that a session starts.
pub fn is_session_start(log: &[u8]) -> Result<bool> {
    let mut status = 0;
    for field in fields(log) {
        if let (1, wire) = field? {
            status = wire.varint()?;
        }
    }
    Ok(status == 1)
}

/// The payload of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Content<'a> {
    /// Nothing.
    #[default]
    None,
    /// A float32, as it lies in the record.
    Simple(&'a [u8; 4]),
    /// A histogram of TensorFlow's first days.
    Obsolete(&'a [u8]),
    /// The bytes of an `Image`.
    Image(&'a [u8]),
    /// The bytes of a `HistogramProto`.
    Histo(&'a [u8]),
    /// The bytes of an `Audio`.
    Audio(&'a [u8]),
    /// The bytes of a `TensorProto`.
    Tensor(&'a [u8]),
}

/// One value of a summary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Value<'a> {
    pub(super) tag: &'a str,
    pub(super) node_name: &'a str,
    /// The bytes of the `SummaryMetadata`, if there are some.
    pub metadata: Option<&'a [u8]>,
    /// The payload.
    pub content: Content<'a>,
    /// The float64 behind `simple_value` (our extension), as it lies in the record.
    pub exact: Option<&'a [u8; 8]>,
}

impl<'a> Value<'a> {
    /// Walks over the bytes of a `Summary.Value`.
    pub fn walk(bytes: &'a [u8]) -> Result<Self> {
        let mut value = Self::default();
        for field in fields(bytes) {
            let (number, wire) = field?;
            let known = value.content;
            match number {
                1 => value.tag = wire.str()?,
                2 => value.content = Content::Simple(wire.fixed32()?),
                3 => value.content = Content::Obsolete(wire.len()?),
                4 => value.content = once(matches!(known, Content::Image(_)), Content::Image(wire.len()?))?,
                5 => value.content = once(matches!(known, Content::Histo(_)), Content::Histo(wire.len()?))?,
                6 => value.content = once(matches!(known, Content::Audio(_)), Content::Audio(wire.len()?))?,
                7 => value.node_name = wire.str()?,
                8 => value.content = once(matches!(known, Content::Tensor(_)), Content::Tensor(wire.len()?))?,
                9 => value.metadata = once(value.metadata.is_some(), Some(wire.len()?))?,
                1001 => value.exact = Some(wire.fixed64()?),
                _ => {}
            }
        }
        Ok(value)
    }

    /// The tag; very old writers call it `node_name`.
    pub const fn tag(&self) -> &'a str {
        if self.tag.is_empty() { self.node_name } else { self.tag }
    }
}

/// The number that a `simple_value` and, if there is one, its exact form stand for.
///
/// The exact form counts only if it rounds to the float32: a tool that changed the one has not changed the other.
#[inline]
pub fn scalar_value(simple: [u8; 4], exact: Option<[u8; 8]>) -> f64 {
    let single = f32::from_le_bytes(simple);
    match exact.map(f64::from_le_bytes) {
        #[allow(clippy::float_cmp)] // rounding is exact or it is not
        Some(exact) if exact as f32 == single => exact,
        _ => f64::from(single),
    }
}

/// The values of a summary, in order.
pub fn values(summary: &[u8]) -> impl Iterator<Item = Result<Value<'_>>> + Clone {
    fields(summary).filter_map(|field| match field {
        Ok((1, wire)) => Some(wire.len().and_then(Value::walk)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// What a plugin says of a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metadata<'a> {
    /// The plugin's name.
    pub plugin_name: &'a str,
    /// The plugin's own bytes.
    pub plugin_content: &'a [u8],
    /// A name to show instead of the tag.
    pub display_name: &'a str,
    /// A description, Markdown.
    pub description: &'a str,
    /// TensorBoard's `DataClass`.
    pub data_class: u64,
}

impl<'a> Metadata<'a> {
    /// Walks over the bytes of a `SummaryMetadata`.
    pub fn walk(bytes: &'a [u8]) -> Result<Self> {
        let mut metadata = Self::default();
        for field in fields(bytes) {
            let (number, wire) = field?;
            match number {
                1 => {
                    for field in fields(wire.len()?) {
                        let (number, wire) = field?;
                        match number {
                            1 => metadata.plugin_name = wire.str()?,
                            2 => metadata.plugin_content = wire.len()?,
                            _ => {}
                        }
                    }
                }
                2 => metadata.display_name = wire.str()?,
                3 => metadata.description = wire.str()?,
                4 => metadata.data_class = wire.varint()?,
                _ => {}
            }
        }
        Ok(metadata)
    }
}

/// The encoded file of the bytes of an `Audio`.
pub fn audio_bytes(bytes: &[u8]) -> Result<&[u8]> {
    let mut encoded: &[u8] = &[];
    for field in fields(bytes) {
        if let (4, wire) = field? {
            encoded = wire.len()?;
        }
    }
    Ok(encoded)
}
