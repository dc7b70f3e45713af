//! Reading an event where it lies: the wire format is walked, nothing is copied or decoded that nobody asks for.
//!
//! What comes out is what prost gives for the same bytes ([`super::proto`], the plain twin that the tests compare
//! with). Two things are left to it altogether, because they are legal and nobody writes them: a message field that
//! stands twice and has to be merged ([`WalkError::Repeated`], see [`normalise`]), and the inside of messages that
//! are handed out as bytes. The walk never recurses.

use prost::Message;

use super::proto;

/// Why some bytes are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// A field reaches beyond the message.
    #[error("a field reaches beyond its message")]
    Truncated,
    /// A varint of more than ten bytes, or of more than 64 bits.
    #[error("a varint has more than 64 bits")]
    Varint,
    /// A field key with number zero, an unknown wire type, or the wrong one for a field we know.
    #[error("a field has a wrong wire type")]
    WireType,
    /// Groups nested too deep, or closed that were not open.
    #[error("groups are nested too deep or badly")]
    Nesting,
    /// A string that is no UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// A message field stands twice: legal, to be merged; see [`normalise`].
    #[error("a message field stands twice")]
    Repeated,
    /// A tensor whose values don't fit its shape and type, or are too many to be true.
    #[error("a tensor's values do not fit its shape")]
    Tensor,
}

type Result<T> = std::result::Result<T, WalkError>;

/// How deep unknown groups may be nested: prost's limit.
const MAX_GROUPS: usize = 100;

/// The value of one field, by wire type.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(&'a [u8; 8]),
    /// Wire type 2.
    Len(&'a [u8]),
    /// Wire type 5.
    Fixed32(&'a [u8; 4]),
    /// Wire types 3 and 4: a group, skipped.
    Group,
}

impl<'a> Wire<'a> {
    fn len(self) -> Result<&'a [u8]> {
        if let Self::Len(bytes) = self { Ok(bytes) } else { Err(WalkError::WireType) }
    }

    fn str(self) -> Result<&'a str> {
        std::str::from_utf8(self.len()?).map_err(|_| WalkError::Utf8)
    }

    fn varint(self) -> Result<u64> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(WalkError::WireType) }
    }

    fn fixed32(self) -> Result<&'a [u8; 4]> {
        if let Self::Fixed32(bytes) = self { Ok(bytes) } else { Err(WalkError::WireType) }
    }

    fn fixed64(self) -> Result<&'a [u8; 8]> {
        if let Self::Fixed64(bytes) = self { Ok(bytes) } else { Err(WalkError::WireType) }
    }
}

/// The fields of a message, in the order they stand.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// Walks over the fields of a message.
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

impl<'a> Fields<'a> {
    /// Takes a varint.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                if i == 9 && byte > 1 {
                    return Err(WalkError::Varint);
                }
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WalkError::Truncated } else { WalkError::Varint })
    }

    /// Takes a little-endian number of `N` bytes.
    #[inline]
    pub fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(WalkError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.varint()?;
        if len > self.rest.len() as u64 {
            return Err(WalkError::Truncated);
        }
        let (bytes, rest) = self.rest.split_at(len as usize);
        self.rest = rest;
        Ok(bytes)
    }

    fn key(&mut self) -> Result<(u32, u32)> {
        let key = u32::try_from(self.varint()?).map_err(|_| WalkError::WireType)?;
        if key < 8 { Err(WalkError::WireType) } else { Ok((key >> 3, key & 7)) }
    }

    fn skip_group(&mut self, number: u32) -> Result<()> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, wire) = self.key()?;
            match wire {
                3 if open.len() == MAX_GROUPS => return Err(WalkError::Nesting),
                3 => open.push(number),
                4 if number == innermost => {
                    open.pop();
                }
                4 => return Err(WalkError::Nesting),
                _ => {
                    self.value(number, wire)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn value(&mut self, number: u32, wire: u32) -> Result<Wire<'a>> {
        match wire {
            0 => self.varint().map(Wire::Varint),
            1 => self.fixed().map(Wire::Fixed64),
            2 => self.bytes().map(Wire::Len),
            3 => self.skip_group(number).map(|()| Wire::Group),
            5 => self.fixed().map(Wire::Fixed32),
            _ => Err(WalkError::WireType),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.key().and_then(|(number, wire)| Ok((number, self.value(number, wire)?)));
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

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
            match number {
                1 => event.wall_time = f64::from_le_bytes(*wire.fixed64()?),
                2 => event.step = wire.varint()?.cast_signed(),
                3 => event.what = What::FileVersion(wire.str()?),
                4 => event.what = What::GraphDef(wire.len()?),
                5 => event.what = once(matches!(event.what, What::Summary(_)), What::Summary(wire.len()?))?,
                6 => {
                    event.what =
                        once(matches!(event.what, What::LogMessage(_)), What::LogMessage(wire.len()?))?
                }
                7 => {
                    event.what =
                        once(matches!(event.what, What::SessionLog(_)), What::SessionLog(wire.len()?))?
                }
                8 => {
                    let known = matches!(event.what, What::TaggedRunMetadata(_));
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
    tag: &'a str,
    node_name: &'a str,
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

/// The element types of tensors, as TensorFlow numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum DType {
    Float32 = 1,
    Float64 = 2,
    Int32 = 3,
    UInt8 = 4,
    Int16 = 5,
    Int8 = 6,
    String = 7,
    Complex64 = 8,
    Int64 = 9,
    Bool = 10,
    BFloat16 = 14,
    UInt16 = 17,
    Complex128 = 18,
    Float16 = 19,
    UInt32 = 22,
    UInt64 = 23,
}

impl DType {
    /// The type with TensorFlow's number.
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Float32,
            2 => Self::Float64,
            3 => Self::Int32,
            4 => Self::UInt8,
            5 => Self::Int16,
            6 => Self::Int8,
            7 => Self::String,
            8 => Self::Complex64,
            9 => Self::Int64,
            10 => Self::Bool,
            14 => Self::BFloat16,
            17 => Self::UInt16,
            18 => Self::Complex128,
            19 => Self::Float16,
            22 => Self::UInt32,
            23 => Self::UInt64,
            _ => return None,
        })
    }

    /// NumPy's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Int32 => "int32",
            Self::UInt8 => "uint8",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
            Self::String => "string",
            Self::Complex64 => "complex64",
            Self::Int64 => "int64",
            Self::Bool => "bool",
            Self::BFloat16 => "bfloat16",
            Self::UInt16 => "uint16",
            Self::Complex128 => "complex128",
            Self::Float16 => "float16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
        }
    }

    /// The bytes of an element; zero for strings.
    pub const fn size(self) -> usize {
        match self {
            Self::String => 0,
            Self::UInt8 | Self::Int8 | Self::Bool => 1,
            Self::Int16 | Self::UInt16 | Self::BFloat16 | Self::Float16 => 2,
            Self::Float32 | Self::Int32 | Self::UInt32 => 4,
            Self::Float64 | Self::Int64 | Self::UInt64 | Self::Complex64 => 8,
            Self::Complex128 => 16,
        }
    }

    /// The number of the `*_val` field that holds elements of this type.
    const fn val_field(self) -> u32 {
        match self {
            Self::Float32 => 5,
            Self::Float64 => 6,
            Self::Int32 | Self::UInt8 | Self::Int16 | Self::Int8 | Self::UInt16 => 7,
            Self::String => 8,
            Self::Complex64 => 9,
            Self::Int64 => 10,
            Self::Bool => 11,
            Self::Complex128 => 12,
            Self::BFloat16 | Self::Float16 => 13,
            Self::UInt32 => 16,
            Self::UInt64 => 17,
        }
    }

    /// One element of a numeric type, as a number; complex numbers and strings have none.
    pub fn number(self, bytes: &[u8]) -> Option<f64> {
        Some(match self {
            Self::Float32 => f32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::Float64 => f64::from_le_bytes(*bytes.first_chunk()?),
            Self::Int32 => i32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt8 => (*bytes.first()?).into(),
            Self::Int16 => i16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::Int8 => bytes.first()?.cast_signed().into(),
            Self::Int64 => i64::from_le_bytes(*bytes.first_chunk()?) as f64,
            Self::Bool => (*bytes.first()? != 0).into(),
            Self::BFloat16 => half::bf16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt16 => u16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::Float16 => half::f16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt32 => u32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::UInt64 => u64::from_le_bytes(*bytes.first_chunk()?) as f64,
            Self::String | Self::Complex64 | Self::Complex128 => return None,
        })
    }
}

/// The largest tensor that a repeated value is spread to. A record can ask for any number of copies of one element.
const MAX_SPREAD_BYTES: usize = 64 << 20;

/// A tensor, borrowed from a record.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// The element type.
    pub dtype: DType,
    /// The shape; empty for a single number and where there is none.
    pub shape: Vec<i64>,
    /// The elements, row-major, if they are packed.
    content: &'a [u8],
    message: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// Walks over the bytes of a `TensorProto`.
    pub fn walk(message: &'a [u8]) -> Result<Self> {
        let mut tensor = Self { dtype: DType::Float32, shape: Vec::new(), content: &[], message };
        let mut dtype = 0;
        for field in fields(message) {
            let (number, wire) = field?;
            match number {
                1 => dtype = wire.varint()?,
                2 => {
                    for field in fields(wire.len()?) {
                        let (number, wire) = field?;
                        if number == 2 {
                            let mut size = 0;
                            for field in fields(wire.len()?) {
                                let (number, wire) = field?;
                                if number == 1 {
                                    size = wire.varint()?.cast_signed();
                                }
                            }
                            tensor.shape.push(size);
                        }
                    }
                }
                4 => tensor.content = wire.len()?,
                _ => {}
            }
        }
        tensor.dtype = DType::from_number(dtype).ok_or(WalkError::Tensor)?;
        Ok(tensor)
    }

    /// The number of elements.
    pub fn len(&self) -> Result<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |len, &dim| len.checked_mul(usize::try_from(dim).ok()?))
            .ok_or(WalkError::Tensor)
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The bytes in the record that are the tensor's one float, where they are that and no more.
    pub fn single(&self) -> Option<&'a [u8]> {
        if self.len() != Ok(1) || !matches!(self.dtype, DType::Float32 | DType::Float64) {
            return None;
        }
        if !self.content.is_empty() {
            return (self.content.len() == self.dtype.size()).then_some(self.content);
        }
        let mut single = None;
        for field in fields(self.message) {
            let (number, wire) = field.ok()?;
            if number == self.dtype.val_field() {
                let bytes = match wire {
                    Wire::Len(bytes) => bytes,
                    Wire::Fixed32(bytes) => bytes,
                    Wire::Fixed64(bytes) => bytes,
                    _ => return None,
                };
                if single.replace(bytes).is_some() {
                    return None;
                }
            }
        }
        single.filter(|bytes| bytes.len() == self.dtype.size())
    }

    /// The number that a tensor of one element stands for.
    pub fn scalar(&self) -> Option<f64> {
        if let Some(bytes) = self.single() {
            return self.dtype.number(bytes);
        }
        if self.len() != Ok(1) || self.dtype == DType::String {
            return None;
        }
        let mut data = Vec::new();
        self.append_data(&mut data).ok()?;
        self.dtype.number(&data)
    }

    /// Appends all elements, row-major and little-endian, the last one repeated until the shape is full; a string
    /// as its length (four bytes, little-endian) and its bytes.
    pub fn append_data(&self, data: &mut Vec<u8>) -> Result<()> {
        let (len, size, start) = (self.len()?, self.dtype.size(), data.len());
        if !self.content.is_empty() && self.dtype != DType::String {
            if len.checked_mul(size) != Some(self.content.len()) {
                return Err(WalkError::Tensor);
            }
            data.extend_from_slice(self.content);
            return Ok(());
        }
        let mut strings = 0;
        let mut last = start;
        for field in fields(self.message) {
            let (number, wire) = field?;
            if number != self.dtype.val_field() {
                continue;
            }
            match (self.dtype, wire) {
                (DType::String, Wire::Len(bytes)) => {
                    last = data.len();
                    put_string(data, bytes)?;
                    strings += 1;
                }
                (DType::Float32 | DType::Complex64, Wire::Len(bytes)) if bytes.len() % 4 == 0 => {
                    data.extend_from_slice(bytes)
                }
                (DType::Float32 | DType::Complex64, Wire::Fixed32(bytes)) => data.extend_from_slice(bytes),
                (DType::Float64 | DType::Complex128, Wire::Len(bytes)) if bytes.len() % 8 == 0 => {
                    data.extend_from_slice(bytes)
                }
                (DType::Float64 | DType::Complex128, Wire::Fixed64(bytes)) => data.extend_from_slice(bytes),
                (_, Wire::Varint(value)) if size > 0 => put_integer(data, self.dtype, value),
                (_, Wire::Len(packed)) if size > 0 => {
                    let mut packed = fields(packed);
                    while !packed.rest.is_empty() {
                        put_integer(data, self.dtype, packed.varint()?);
                    }
                }
                _ => return Err(WalkError::WireType),
            }
        }
        let got = if size == 0 { strings } else { (data.len() - start) / size };
        if got == len {
            return Ok(());
        }
        let element = if size == 0 {
            data[last..].to_vec()
        } else {
            data[data.len().saturating_sub(size).max(start)..].to_vec()
        };
        if got == 0
            || got > len
            || len.checked_mul(element.len()).is_none_or(|bytes| bytes > MAX_SPREAD_BYTES)
        {
            data.truncate(start);
            return Err(WalkError::Tensor);
        }
        for _ in got..len {
            data.extend_from_slice(&element);
        }
        Ok(())
    }
}

fn put_string(data: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| WalkError::Tensor)?;
    data.extend_from_slice(&len.to_le_bytes());
    data.extend_from_slice(bytes);
    Ok(())
}

/// Appends an element that came as a varint.
fn put_integer(data: &mut Vec<u8>, dtype: DType, value: u64) {
    match dtype {
        // PyTorch stores the bits of a float32 where those of a half belong; no half has as many.
        DType::Float16 if value > 0xffff => {
            data.extend_from_slice(&half::f16::from_f32(f32::from_bits(value as u32)).to_le_bytes());
        }
        DType::BFloat16 if value > 0xffff => {
            data.extend_from_slice(&half::bf16::from_f32(f32::from_bits(value as u32)).to_le_bytes());
        }
        _ => data.extend_from_slice(&value.to_le_bytes()[..dtype.size()]),
    }
}

/// An image value: the encoded file and the sizes beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Image<'a> {
    /// Height, width and colour space.
    pub shape: [i64; 3],
    /// PNG, GIF or JPEG.
    pub encoded: &'a [u8],
}

impl<'a> Image<'a> {
    /// Walks over the bytes of an `Image`.
    pub fn walk(bytes: &'a [u8]) -> Result<Self> {
        let mut image = Self::default();
        for field in fields(bytes) {
            let (number, wire) = field?;
            match number {
                1..=3 => image.shape[number as usize - 1] = i64::from(wire.varint()? as i32),
                4 => image.encoded = wire.len()?,
                _ => {}
            }
        }
        Ok(image)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::proto::summary::value::Value as ProtoContent;
    use super::*;

    fn metadata() -> impl Strategy<Value = proto::SummaryMetadata> {
        (".{0,12}", prop::collection::vec(any::<u8>(), 0..8), ".{0,3}", ".{0,3}", 0i32..4).prop_map(
            |(plugin_name, content, display_name, summary_description, data_class)| proto::SummaryMetadata {
                plugin_data: Some(proto::summary_metadata::PluginData { plugin_name, content }),
                display_name,
                summary_description,
                data_class,
            },
        )
    }

    fn tensor() -> impl Strategy<Value = proto::TensorProto> {
        let float =
            (prop::collection::vec(any::<f32>(), 1..5), any::<bool>()).prop_map(|(values, packed)| {
                let shape = proto::TensorShapeProto {
                    dim: vec![proto::tensor_shape_proto::Dim {
                        size: values.len() as i64,
                        name: String::new(),
                    }],
                    unknown_rank: false,
                };
                let mut tensor =
                    proto::TensorProto { dtype: 1, tensor_shape: Some(shape), ..Default::default() };
                if packed {
                    tensor.tensor_content = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                } else {
                    tensor.float_val = values;
                }
                tensor
            });
        let double = any::<f64>().prop_map(|value| proto::TensorProto {
            dtype: 2,
            double_val: vec![value],
            ..Default::default()
        });
        let int64 = any::<i64>().prop_map(|value| proto::TensorProto {
            dtype: 9,
            int64_val: vec![value],
            ..Default::default()
        });
        prop_oneof![float, double, int64]
    }

    fn content() -> impl Strategy<Value = Option<ProtoContent>> {
        prop::option::of(prop_oneof![
            any::<f32>().prop_map(ProtoContent::SimpleValue),
            tensor().prop_map(ProtoContent::Tensor),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
                ProtoContent::Image(proto::summary::Image {
                    height: 3,
                    width: -2,
                    colorspace: 1,
                    encoded_image_string: bytes,
                })
            }),
            prop::collection::vec(any::<f64>(), 0..4).prop_map(|bucket| ProtoContent::Histo(
                proto::HistogramProto { bucket, ..Default::default() }
            )),
        ])
    }

    fn value() -> impl Strategy<Value = proto::summary::Value> {
        (".{0,20}", ".{0,3}", prop::option::of(metadata()), content(), prop::option::of(any::<f64>()))
            .prop_map(|(tag, node_name, metadata, value, exact_value)| proto::summary::Value {
                tag,
                node_name,
                metadata,
                value,
                exact_value,
            })
    }

    fn event() -> impl Strategy<Value = proto::Event> {
        let what = prop::option::of(prop_oneof![
            prop::collection::vec(value(), 0..4)
                .prop_map(|value| proto::event::What::Summary(proto::Summary { value })),
            ".{0,20}".prop_map(proto::event::What::FileVersion),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(proto::event::What::GraphDef),
            (0i32..4).prop_map(|status| proto::event::What::SessionLog(proto::SessionLog {
                status,
                ..Default::default()
            })),
        ]);
        (any::<f64>(), any::<i64>(), what).prop_map(|(wall_time, step, what)| proto::Event {
            wall_time,
            step,
            what,
            ..Default::default()
        })
    }

    /// The walk's answer as prost would give it.
    fn rebuilt(payload: &[u8]) -> Result<proto::Event> {
        let event = match Event::walk(payload) {
            Err(WalkError::Repeated) => return rebuilt(&normalise(payload)?),
            event => event?,
        };
        let summary = |bytes: &[u8]| -> Result<proto::Summary> {
            let mut summary = proto::Summary::default();
            for value in values(bytes) {
                let value = match value {
                    Err(WalkError::Repeated) => return rebuilt_summary(&normalise(payload)?),
                    value => value?,
                };
                summary.value.push(rebuilt_value(&value)?);
            }
            Ok(summary)
        };
        Ok(proto::Event {
            wall_time: event.wall_time,
            step: event.step,
            what: match event.what {
                What::None => None,
                What::FileVersion(version) => Some(proto::event::What::FileVersion(version.to_owned())),
                What::GraphDef(bytes) => Some(proto::event::What::GraphDef(bytes.to_vec())),
                What::Summary(bytes) => Some(proto::event::What::Summary(summary(bytes)?)),
                What::SessionLog(bytes) => {
                    let status = i32::from(is_session_start(bytes)?);
                    Some(proto::event::What::SessionLog(proto::SessionLog { status, ..Default::default() }))
                }
                What::MetaGraphDef(bytes) => Some(proto::event::What::MetaGraphDef(bytes.to_vec())),
                _ => None,
            },
            ..Default::default()
        })
    }

    fn rebuilt_summary(payload: &[u8]) -> Result<proto::Summary> {
        match rebuilt(payload)?.what {
            Some(proto::event::What::Summary(summary)) => Ok(summary),
            _ => Err(WalkError::Repeated),
        }
    }

    fn rebuilt_value(value: &Value<'_>) -> Result<proto::summary::Value> {
        let bytes = |error: std::result::Result<ProtoContent, prost::DecodeError>| {
            error.map_err(|_| WalkError::Truncated)
        };
        let content = match value.content {
            Content::None => None,
            Content::Simple(simple) => Some(ProtoContent::SimpleValue(f32::from_le_bytes(*simple))),
            Content::Obsolete(bytes) => Some(ProtoContent::ObsoleteOldStyleHistogram(bytes.to_vec())),
            Content::Image(message) => {
                let Image { shape, encoded } = Image::walk(message)?;
                Some(ProtoContent::Image(proto::summary::Image {
                    height: shape[0] as i32,
                    width: shape[1] as i32,
                    colorspace: shape[2] as i32,
                    encoded_image_string: encoded.to_vec(),
                }))
            }
            Content::Histo(message) => {
                Some(bytes(proto::HistogramProto::decode(message).map(ProtoContent::Histo))?)
            }
            Content::Audio(message) => {
                Some(bytes(proto::summary::Audio::decode(message).map(ProtoContent::Audio))?)
            }
            Content::Tensor(message) => {
                Some(bytes(proto::TensorProto::decode(message).map(ProtoContent::Tensor))?)
            }
        };
        let metadata =
            value.metadata.map(Metadata::walk).transpose()?.map(|metadata| proto::SummaryMetadata {
                plugin_data: Some(proto::summary_metadata::PluginData {
                    plugin_name: metadata.plugin_name.to_owned(),
                    content: metadata.plugin_content.to_vec(),
                }),
                display_name: metadata.display_name.to_owned(),
                summary_description: metadata.description.to_owned(),
                data_class: metadata.data_class as i32,
            });
        Ok(proto::summary::Value {
            tag: value.tag.to_owned(),
            node_name: value.node_name.to_owned(),
            metadata,
            value: content,
            exact_value: value.exact.map(|exact| f64::from_le_bytes(*exact)),
        })
    }

    /// Session logs are only told apart by whether they start one.
    fn simplified(mut event: proto::Event) -> proto::Event {
        if let Some(proto::event::What::SessionLog(log)) = &mut event.what {
            *log = proto::SessionLog { status: i32::from(log.status == 1), ..Default::default() };
        }
        event
    }

    proptest! {
        #[test]
        fn the_walk_finds_what_prost_finds(event in event()) {
            let bytes = event.encode_to_vec();
            let decoded = simplified(proto::Event::decode(&bytes[..]).unwrap());
            // Compared as text, where NaN equals NaN.
            prop_assert_eq!(format!("{:?}", rebuilt(&bytes).unwrap()), format!("{decoded:?}"));
        }

        #[test]
        fn two_messages_in_one_are_merged(first in event(), second in event()) {
            let mut both = first.encode_to_vec();
            both.extend(second.encode_to_vec());
            let merged = proto::Event::decode(&both[..]).unwrap();
            prop_assert_eq!(format!("{:?}", rebuilt(&both).unwrap()), format!("{:?}", simplified(merged)));
        }

        #[test]
        fn what_prost_takes_the_walk_takes(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = event.encode_to_vec();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(decoded) = proto::Event::decode(&bytes[..]) {
                let walked = Event::walk(&bytes).or_else(|_| Event::walk(&normalise(&bytes)?).map(|_| Event::default()));
                prop_assert!(walked.is_ok(), "{decoded:?}");
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = rebuilt(&bytes);
            let _ = Tensor::walk(&bytes).map(|tensor| (tensor.scalar(), tensor.append_data(&mut Vec::new())));
        }
    }

    #[test]
    fn a_varint_of_eleven_bytes_is_none() {
        let mut bytes = vec![0x10];
        bytes.extend([0xff; 10]);
        bytes.push(1);
        assert_eq!(Event::walk(&bytes), Err(WalkError::Varint));
    }

    #[test]
    fn unknown_groups_are_skipped_up_to_a_depth() {
        let nested = |depth: usize| [vec![0x6b; depth], vec![0x6c; depth], vec![0x10, 7]].concat();
        assert_eq!(Event::walk(&nested(MAX_GROUPS)).unwrap().step, 7);
        assert_eq!(Event::walk(&nested(100_000)), Err(WalkError::Nesting));
    }

    #[test]
    fn the_exact_value_counts_only_if_it_rounds_to_the_other() {
        let third: f64 = 1.0 / 3.0;
        assert_eq!(scalar_value((third as f32).to_le_bytes(), Some(third.to_le_bytes())), third);
        assert_eq!(scalar_value(0.5f32.to_le_bytes(), Some(third.to_le_bytes())), 0.5);
    }

    #[test]
    fn values_are_spread_to_the_shape() {
        let shape = |size| {
            Some(proto::TensorShapeProto {
                dim: vec![proto::tensor_shape_proto::Dim { size, name: String::new() }],
                unknown_rank: false,
            })
        };
        let message = |size| {
            proto::TensorProto {
                dtype: 3,
                tensor_shape: shape(size),
                int_val: vec![1, -2],
                ..Default::default()
            }
            .encode_to_vec()
        };
        let mut data = Vec::new();
        Tensor::walk(&message(4)).unwrap().append_data(&mut data).unwrap();
        let expected: Vec<u8> = [1i32, -2, -2, -2].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(data, expected);
        let mut data = Vec::new();
        assert_eq!(Tensor::walk(&message(1 << 40)).unwrap().append_data(&mut data), Err(WalkError::Tensor));
        assert!(data.is_empty());
    }

    #[test]
    fn halves_are_read_as_bits_or_as_pytorch_writes_them() {
        let scalar = |dtype, bits| {
            let message =
                proto::TensorProto { dtype, half_val: vec![bits], ..Default::default() }.encode_to_vec();
            Tensor::walk(&message).unwrap().scalar()
        };
        assert_eq!(scalar(19, 0x3c00), Some(1.0));
        assert_eq!(scalar(14, 0x3f80), Some(1.0));
        assert_eq!(scalar(19, 1.5f32.to_bits() as i32), Some(1.5));
    }
}
