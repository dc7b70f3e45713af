//! Events to bytes: the fields of the messages in `proto/`, appended to a buffer.
//!
//! A value is handed over as its *fields*: the wire bytes of a `Summary.Value` but for its tag. So whoever makes
//! a value (a scalar here, an image elsewhere) need not know the tag, and framing an event copies bytes once.

#![allow(clippy::cast_possible_truncation)] // varints take the low bits, a float32 the high ones of a float64

use crate::tfrecord::append_record;

/// `metadata { plugin_data { plugin_name: "scalars" } }` as a field of `Summary.Value`.
///
/// On every value, as R's tfevents and TensorFlow 2 write it: R finds no scalar without it.
pub const SCALARS_METADATA: &[u8] = b"\x4a\x0b\x0a\x09\x0a\x07scalars";

/// `metadata { plugin_data { plugin_name: "text" } }` as a field of `Summary.Value`.
pub const TEXT_METADATA: &[u8] = b"\x4a\x08\x0a\x06\x0a\x04text";

const WIRE_VARINT: u32 = 0;
const WIRE_FIXED64: u32 = 1;
const WIRE_LEN: u32 = 2;
const WIRE_FIXED32: u32 = 5;

/// The number of the extension field that carries a scalar's exact float64 (`proto/event.proto`).
pub const EXACT_VALUE_FIELD: u32 = 1001;

/// The number of an event's extension field.
const EXTENSION_FIELD: u32 = 1001;

/// Appends a base-128 varint.
pub fn put_varint(buf: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buf.push(value as u8 | 0x80);
        value >>= 7;
    }
    buf.push(value as u8);
}

/// The number of bytes [`put_varint`] takes for `value`.
pub fn varint_len(value: u64) -> usize {
    ((70 - (value | 1).leading_zeros()) / 7) as usize
}

fn put_key(buf: &mut Vec<u8>, field: u32, wire: u32) {
    put_varint(buf, u64::from(field << 3 | wire));
}

/// Appends a length-delimited field.
pub fn put_bytes_field(buf: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_key(buf, field, WIRE_LEN);
    put_varint(buf, bytes.len() as u64);
    buf.extend_from_slice(bytes);
}

/// Appends the fields of a scalar value: `simple_value`, `metadata` (a whole field, [`SCALARS_METADATA`]) and,
/// where `exact` and the float64 is no float32, its exact form. NaN never has one.
pub fn put_scalar_fields(buf: &mut Vec<u8>, value: f64, exact: bool, metadata: &[u8]) {
    let single = value as f32;
    put_key(buf, 2, WIRE_FIXED32);
    buf.extend_from_slice(&single.to_le_bytes());
    buf.extend_from_slice(metadata);
    if exact && needs_exact(value) {
        put_key(buf, EXACT_VALUE_FIELD, WIRE_FIXED64);
        buf.extend_from_slice(&value.to_le_bytes());
    }
}

/// The number of bytes [`put_scalar_fields`] appends.
fn scalar_fields_len(value: f64, exact: bool, metadata: &[u8]) -> usize {
    5 + metadata.len() + if exact && needs_exact(value) { 10 } else { 0 }
}

/// Whether the float64 is lost in `simple_value`.
#[inline]
#[allow(clippy::float_cmp)] // bits are meant
pub(crate) fn needs_exact(value: f64) -> bool {
    f64::from(value as f32) != value && !value.is_nan()
}

/// Appends the fields of a text value: a string tensor of one element, and `metadata` (a whole field).
pub fn put_text_fields(buf: &mut Vec<u8>, text: &str, metadata: &[u8]) {
    let shape = [0x12, 0x02, 0x08, 0x01]; // dim { size: 1 }
    let text_len = 1 + varint_len(text.len() as u64) + text.len();
    put_key(buf, 8, WIRE_LEN);
    put_varint(buf, (2 + 2 + shape.len() + text_len) as u64);
    buf.extend_from_slice(&[0x08, 0x07]); // dtype: DT_STRING
    put_bytes_field(buf, 2, &shape);
    put_bytes_field(buf, 8, text.as_bytes());
    buf.extend_from_slice(metadata);
}

/// Appends an event's `summary` with one value, given as its tag and its other fields.
pub fn put_summary(buf: &mut Vec<u8>, tag: &str, fields: &[u8]) {
    put_summary_start(buf, tag, fields.len());
    buf.extend_from_slice(fields);
}

/// Appends an event's `summary` with one scalar: [`put_summary`] and [`put_scalar_fields`] in one go.
pub fn put_scalar_summary(buf: &mut Vec<u8>, tag: &str, value: f64, exact: bool, metadata: &[u8]) {
    let fields_len = scalar_fields_len(value, exact, metadata);
    buf.reserve(fields_len + tag.len() + 32);
    put_summary_start(buf, tag, fields_len);
    put_scalar_fields(buf, value, exact, metadata);
}

fn put_summary_start(buf: &mut Vec<u8>, tag: &str, fields_len: usize) {
    let value_len = 1 + varint_len(tag.len() as u64) + tag.len() + fields_len;
    let summary_len = 1 + varint_len(value_len as u64) + value_len;
    put_key(buf, 5, WIRE_LEN);
    put_varint(buf, summary_len as u64);
    put_key(buf, 1, WIRE_LEN);
    put_varint(buf, value_len as u64);
    put_bytes_field(buf, 1, tag.as_bytes());
}

/// Appends one record: an event with one value, given as its tag and its other fields.
pub fn append_value_event(buf: &mut Vec<u8>, wall_time: f64, step: i64, tag: &str, fields: &[u8]) {
    append_record(buf, |buf| {
        put_time_and_step(buf, wall_time, step);
        put_summary(buf, tag, fields);
    });
}

/// Appends an event's `extension` with what `Run.log` says: the epoch, and the number of the call.
pub fn put_call_extension(buf: &mut Vec<u8>, epoch: Option<i64>, call: u64) {
    let epoch_len = epoch.map_or(0, |epoch| 1 + varint_len(epoch.cast_unsigned()));
    put_key(buf, EXTENSION_FIELD, WIRE_LEN);
    put_varint(buf, (epoch_len + 1 + varint_len(call)) as u64);
    if let Some(epoch) = epoch {
        put_key(buf, 2, WIRE_VARINT);
        put_varint(buf, epoch.cast_unsigned());
    }
    put_key(buf, 3, WIRE_VARINT);
    put_varint(buf, call);
}

/// Appends an event's `wall_time` and, unless it is zero, its `step`.
pub fn put_time_and_step(buf: &mut Vec<u8>, wall_time: f64, step: i64) {
    put_key(buf, 1, WIRE_FIXED64);
    buf.extend_from_slice(&wall_time.to_le_bytes());
    if step != 0 {
        put_key(buf, 2, WIRE_VARINT);
        put_varint(buf, step.cast_unsigned());
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::event::proto::{self, event::What, summary::value::Value};

    fn decode(record: &[u8]) -> proto::Event {
        proto::Event::decode(&record[12..record.len() - 4]).unwrap()
    }

    fn scalar_record(value: f64, exact: bool) -> Vec<u8> {
        let mut buf = Vec::new();
        append_record(&mut buf, |buf| {
            put_time_and_step(buf, 1.5, -3);
            put_scalar_summary(buf, "loss", value, exact, SCALARS_METADATA);
        });
        buf
    }

    #[test]
    fn a_scalar_is_what_prost_reads() {
        for (value, exact, carried) in
            [(0.5, true, None), (0.1, true, Some(0.1)), (0.1, false, None), (1e300, true, Some(1e300))]
        {
            let event = decode(&scalar_record(value, exact));
            assert_eq!((event.wall_time, event.step), (1.5, -3));
            let Some(What::Summary(summary)) = event.what else { panic!("no summary") };
            let read = &summary.value[0];
            assert_eq!(read.tag, "loss");
            assert_eq!(read.value, Some(Value::SimpleValue(value as f32)));
            assert_eq!(read.exact_value, carried);
            assert_eq!(read.metadata.as_ref().unwrap().plugin_data.as_ref().unwrap().plugin_name, "scalars");
        }
    }

    #[test]
    fn a_call_is_told_in_the_extension() {
        for (epoch, call) in [(None, 0), (Some(0), 1), (Some(-3), u64::MAX), (Some(300), 128)] {
            let mut event = Vec::new();
            put_call_extension(&mut event, epoch, call);
            let extension = proto::Event::decode(&event[..]).unwrap().extension.unwrap();
            assert_eq!((extension.epoch, extension.call), (epoch, Some(call)));
        }
    }

    #[test]
    fn nan_never_carries_the_extension() {
        let event = decode(&scalar_record(f64::NAN, true));
        let Some(What::Summary(summary)) = event.what else { panic!("no summary") };
        assert_eq!(summary.value[0].exact_value, None);
    }

    #[test]
    fn in_one_go_equals_the_two_parts() {
        for value in [0.0, 0.1, f64::NAN, f64::INFINITY, -1e-300] {
            let (mut whole, mut fields, mut parts) = (Vec::new(), Vec::new(), Vec::new());
            put_scalar_summary(&mut whole, "a/b", value, true, SCALARS_METADATA);
            put_scalar_fields(&mut fields, value, true, SCALARS_METADATA);
            put_summary(&mut parts, "a/b", &fields);
            assert_eq!(whole, parts);
        }
    }

    #[test]
    fn a_text_is_what_prost_reads() {
        for text in ["", "héllo", &"x".repeat(300)] {
            let (mut fields, mut record) = (Vec::new(), Vec::new());
            put_text_fields(&mut fields, text, TEXT_METADATA);
            append_value_event(&mut record, 2.0, 0, "note", &fields);
            let Some(What::Summary(summary)) = decode(&record).what else { panic!("no summary") };
            let Some(Value::Tensor(tensor)) = &summary.value[0].value else { panic!("no tensor") };
            assert_eq!(tensor.string_val, [text.as_bytes()]);
            assert_eq!(tensor.tensor_shape.as_ref().unwrap().dim[0].size, 1);
        }
    }
}
