//! What fuzzing holds against each other: entry points for `fuzz/` and for the tests that run its corpus.
//!
//! Each takes any bytes and panics if two ways that must agree do not, or if reading does not come to an end.

use std::io::Cursor;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use prost::Message;

use crate::event::proto;
use crate::event::walk::{Event, WalkError, What, normalise, values};
use crate::frame::rows::{Place, Rows};
use crate::frame::{Columns, Filter, Kind};
use crate::tfrecord::read::{PADDING, frame_at};
use crate::tfrecord::recover::{Budget, Next, Search};
use crate::tfrecord::{Frame, HEADER_LEN, OVERHEAD, RecordReader, Stop};

/// Reads bytes as an event file, past all damage: what is handed out verifies, and every step leads on.
///
/// # Panics
///
/// If it does not.
pub fn frames(data: &[u8]) {
    let len = data.len() as u64;
    let mut reader = RecordReader::new(Cursor::new(data), 0, len);
    let mut budget = Budget::of_file(len);
    loop {
        let before = reader.offset();
        match reader.next_record().expect("memory can be read") {
            Ok((offset, payload)) => {
                let frame = frame_at(&data[usize::try_from(offset).expect("an offset in memory")..]);
                assert_eq!(frame, Frame::Record { len: payload.len() });
            }
            Err(Stop::End) => break,
            Err(Stop::NotYet(frame) | Stop::Damage(frame)) => {
                let (input, at_hand) = reader.parts();
                let mut search = Search {
                    input,
                    has_moved: false,
                    at_hand,
                    file_len: len,
                    budget: &mut budget,
                    stop: &mut || false,
                };
                let next = search.behind(before, frame).expect("memory can be read");
                let has_moved = search.has_moved;
                let Next::At(next) = next else { break };
                assert!(next > before && next <= len);
                reader.go_to(next, has_moved).expect("memory can be read");
            }
        }
        assert!(reader.offset() > before);
    }
}

/// Walks over bytes as an event: what prost takes the walk takes, and finds the same in it.
///
/// # Panics
///
/// If it does not.
pub fn walk(data: &[u8]) {
    let normal;
    let walked = match Event::walk(data) {
        Err(WalkError::Repeated) => match normalise(data) {
            Ok(bytes) => {
                normal = bytes;
                Event::walk(&normal)
            }
            Err(error) => Err(error),
        },
        walked => walked,
    };
    if let Ok(Event { what: What::Summary(summary), .. }) = walked {
        for value in values(summary) {
            let _ = value.map(|value| value.tag().len());
        }
    }
    let Ok(decoded) = proto::Event::decode(data) else { return };
    let event = walked.expect("what prost takes");
    assert_eq!(event.wall_time.to_bits(), decoded.wall_time.to_bits());
    assert_eq!(event.step, decoded.step);
    let count = match decoded.what {
        Some(proto::event::What::Summary(summary)) => summary.value.len(),
        _ => 0,
    };
    let found = if let What::Summary(summary) = event.what { values(summary).count() } else { 0 };
    assert_eq!(found, count);
}

/// Makes rows of payloads, with templates and without: they are the same.
///
/// The first byte of each part says how long the part is; a zero repeats the payload before it with its last
/// bytes changed, so that templates have something to match.
///
/// # Panics
///
/// If the rows differ.
pub fn rows(data: &[u8]) {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut rest = data;
    while let Some((&len, tail)) = rest.split_first() {
        let (part, tail) = tail.split_at(tail.len().min(usize::from(len)));
        match (payloads.last(), len) {
            (Some(last), 0) => {
                let mut again = last.clone();
                again.iter_mut().rev().take(4).for_each(|byte| *byte ^= 1);
                payloads.push(again);
            }
            _ => payloads.push(part.to_vec()),
        }
        rest = tail;
    }
    let fast = batch(&payloads, Columns { offset: true, ..Columns::default() });
    let plain = batch(&payloads, Columns { offset: true, plugin: true, ..Columns::default() });
    for name in ["run", "tag"] {
        let texts =
            |batch: &RecordBatch| batch.column_by_name(name).cloned().expect("a column of every frame");
        assert_eq!(texts(&fast).as_string_view(), texts(&plain).as_string_view(), "{name}");
    }
    for name in ["step", "wall_time", "value", "offset"] {
        // As bytes: a NaN is a NaN only with the same bits.
        let bytes = |batch: &RecordBatch| {
            let column = batch.column_by_name(name).expect("a column of every frame");
            column.to_data().buffers()[0].as_slice().to_vec()
        };
        assert_eq!(bytes(&fast), bytes(&plain), "{name}");
    }
}

fn batch(payloads: &[Vec<u8>], columns: Columns) -> RecordBatch {
    let mut rows = Rows::new(Kind::Scalar, columns, Filter::default());
    let place = Place { run: ".", source: "", logdir: "", file: "", number: 0 };
    rows.begin_file(&place, false, 0);
    let mut offset = 0;
    for payload in payloads {
        let mut padded = payload.clone();
        padded.resize(payload.len() + PADDING, 0xee);
        let _ = rows.record(&padded, payload.len(), offset);
        offset += (payload.len() + OVERHEAD + HEADER_LEN) as u64;
    }
    rows.finish().0
}
