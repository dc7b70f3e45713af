//! Events to bytes: the fields of the messages in `proto/`, appended to a buffer.
//!
//! A value is handed over as its *fields*: the wire bytes of a `Summary.Value` but for its tag. So whoever makes
//! a value (a scalar here, an image elsewhere) need not know the tag, and framing an event copies bytes once.

use crate::tfrecord::append_record;

/// `metadata { plugin_data { plugin_name: "scalars" } }` as a field of `Summary.Value`.
///
/// On every value, as R's tfevents and TensorFlow 2 write it: R finds no scalar without it.
pub const SCALARS_METADATA: &[u8] = b"\x4a\x0b\x0a\x09\x0a\x07scalars";

const WIRE_VARINT: u32 = 0;
const WIRE_FIXED64: u32 = 1;
const WIRE_LEN: u32 = 2;
const WIRE_FIXED32: u32 = 5;

/// The number of the extension field that carries a scalar's exact float64 (`proto/event.proto`).
pub const EXACT_VALUE_FIELD: u32 = 1001;

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
    if exact && f64::from(single) != value && !value.is_nan() {
        put_key(buf, EXACT_VALUE_FIELD, WIRE_FIXED64);
        buf.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends one record: an event with one value, given as its tag and its other fields.
pub fn append_value_event(buf: &mut Vec<u8>, wall_time: f64, step: i64, tag: &str, fields: &[u8]) {
    let tag_len = 1 + varint_len(tag.len() as u64) + tag.len();
    let value_len = tag_len + fields.len();
    let summary_len = 1 + varint_len(value_len as u64) + value_len;
    append_record(buf, |buf| {
        put_time_and_step(buf, wall_time, step);
        put_key(buf, 5, WIRE_LEN);
        put_varint(buf, summary_len as u64);
        put_key(buf, 1, WIRE_LEN);
        put_varint(buf, value_len as u64);
        put_bytes_field(buf, 1, tag.as_bytes());
        buf.extend_from_slice(fields);
    });
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
