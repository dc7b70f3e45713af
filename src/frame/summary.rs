//! The `summary` column: a value as a struct, whatever its kind.
//!
//! | field | |
//! |---|---|
//! | plugin | the plugin's name |
//! | kind | "scalar", "tensor", "image", "histo", "audio" or "none" |
//! | dtype | element type by NumPy's name; null if there is no tensor |
//! | shape | list of int64; an image's is height, width, colour space |
//! | `display_name`, description, `plugin_content` | from the metadata; null when absent |
//! | data | a tensor's elements (row-major, little-endian, spread to the shape; strings each behind a four-byte length), a scalar's four or eight bytes, an encoded image or audio, or the bytes of a `HistogramProto` |

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, ListArray, StructArray};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};

use super::column::{Blobs, Texts, nulls, text_column};
use crate::event::walk::{Content, DType, Image, Tensor, Value, audio_bytes, scalar_value};

/// What the metadata of a tag says, ready for rows.
#[derive(Clone, Debug, Default)]
pub struct TagMetadata {
    /// The plugin's name, as a view.
    pub plugin: u128,
    /// Whether this is a scalar's metadata.
    pub is_scalars: bool,
    /// The display name, as a view.
    pub display_name: Option<u128>,
    /// The description, as a view.
    pub description: Option<u128>,
    /// The plugin's own bytes.
    pub plugin_content: Option<Box<[u8]>>,
}

/// The fields of the struct; in a list of summaries they begin with the tag.
pub fn summary_fields(with_tag: bool) -> Fields {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8View, nullable);
    let mut fields = vec![
        text("plugin", true),
        text("kind", true),
        text("dtype", true),
        Field::new("shape", DataType::List(shape_item()), true),
        text("display_name", true),
        text("description", true),
        Field::new("plugin_content", DataType::BinaryView, true),
        Field::new("data", DataType::BinaryView, true),
    ];
    if with_tag {
        fields.insert(0, text("tag", true));
    }
    fields.into()
}

fn shape_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Int64, true))
}

/// A value taken apart, but for its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Which of the forms of a value it has.
    pub kind: &'static str,
    /// The element type.
    pub dtype: Option<DType>,
    /// The shape; an image's is height, width, colour space.
    pub shape: Option<Vec<i64>>,
    /// Whether there is data. A tensor of a type we don't know, or whose elements don't fit its shape, has none.
    pub has_data: bool,
}

impl Parts {
    /// Takes a value apart and appends its data.
    pub fn of(value: &Value<'_>, data: &mut Vec<u8>) -> Self {
        let (kind, dtype, shape) = match value.content {
            Content::Simple(simple) => {
                let number = scalar_value(*simple, value.exact.copied());
                let single = f64::from(f32::from_le_bytes(*simple));
                let is_single = number.to_bits() == single.to_bits() || number.is_nan();
                if is_single {
                    data.extend_from_slice(simple);
                } else {
                    data.extend_from_slice(&number.to_le_bytes());
                }
                ("scalar", Some(if is_single { DType::Float32 } else { DType::Float64 }), Some(Vec::new()))
            }
            Content::Tensor(message) => {
                let tensor = Tensor::walk(message).ok();
                let has_data = tensor.as_ref().is_some_and(|tensor| tensor.append_data(data).is_ok());
                let (dtype, shape) = tensor.map(|tensor| (tensor.dtype, tensor.shape)).unzip();
                return Self { kind: "tensor", dtype, shape, has_data };
            }
            Content::Image(message) => {
                let image = Image::walk(message).unwrap_or_default();
                data.extend_from_slice(image.encoded);
                ("image", None, Some(image.shape.to_vec()))
            }
            Content::Histo(message) => {
                data.extend_from_slice(message);
                ("histo", None, None)
            }
            Content::Audio(message) => {
                data.extend_from_slice(audio_bytes(message).unwrap_or_default());
                ("audio", None, None)
            }
            Content::None | Content::Obsolete(_) => {
                return Self { kind: "none", dtype: None, shape: None, has_data: false };
            }
        };
        Self { kind, dtype, shape, has_data: true }
    }
}

#[derive(Debug, Default)]
struct OptionalText {
    views: Vec<u128>,
    valid: Vec<bool>,
}

impl OptionalText {
    fn push(&mut self, view: Option<u128>) {
        self.valid.push(view.is_some());
        self.views.push(view.unwrap_or_default());
    }

    fn finish(self, texts: &Buffer) -> ArrayRef {
        text_column(self.views, texts, nulls(self.valid))
    }
}

/// The struct's columns.
#[derive(Debug, Default)]
pub struct Summaries {
    kind: Vec<u128>,
    dtype: OptionalText,
    shapes: Vec<i64>,
    shape_ends: Vec<i32>,
    shape_valid: Vec<bool>,
    display_name: OptionalText,
    description: OptionalText,
    plugin_content: Blobs,
    data: Blobs,
    scratch: Vec<u8>,
}

impl Summaries {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Appends a value.
    pub fn push(&mut self, texts: &mut Texts, value: &Value<'_>, metadata: Option<&TagMetadata>) {
        self.scratch.clear();
        let Parts { kind, dtype, shape, has_data } = Parts::of(value, &mut self.scratch);
        self.kind.push(texts.view(kind));
        self.dtype.push(dtype.map(|dtype| texts.view(dtype.name())));
        self.shape_valid.push(shape.is_some());
        self.shapes.extend(shape.unwrap_or_default());
        self.shape_ends.push(i32::try_from(self.shapes.len()).unwrap_or(i32::MAX));
        self.display_name.push(metadata.and_then(|metadata| metadata.display_name));
        self.description.push(metadata.and_then(|metadata| metadata.description));
        self.plugin_content.push(metadata.and_then(|metadata| metadata.plugin_content.as_deref()));
        self.data.push(has_data.then_some(&self.scratch[..]));
    }

    /// The struct, with `leading` columns before its own: the plugin, behind the tag in a list's elements.
    pub fn finish(self, texts: &Buffer, leading: Vec<ArrayRef>) -> ArrayRef {
        let fields = summary_fields(leading.len() == 2);
        let ends = std::iter::once(0).chain(self.shape_ends).collect();
        let shape = ListArray::new(
            shape_item(),
            OffsetBuffer::new(ends),
            Arc::new(Int64Array::from(self.shapes)),
            nulls(self.shape_valid),
        );
        let mut columns = leading;
        columns.extend([
            text_column(self.kind, texts, None),
            self.dtype.finish(texts),
            Arc::new(shape),
            self.display_name.finish(texts),
            self.description.finish(texts),
            self.plugin_content.finish(),
            self.data.finish(),
        ]);
        Arc::new(StructArray::new(fields, columns, None))
    }
}
