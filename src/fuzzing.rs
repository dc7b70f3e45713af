//! What fuzzing holds against each other: entry points for `fuzz/` and for the tests that run its corpus.
//!
//! Each takes any bytes and panics if two ways that must agree do not, or if reading does not come to an end.

use std::io::Cursor;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use prost::Message;

use crate::event::encode::{append_value_event, put_bytes_field, put_scalar_fields, put_time_and_step};
use crate::event::proto;
use crate::event::walk::{Event, WalkError, What, normalise, values};
use crate::frame::rows::{Place, Rows};
use crate::frame::{Columns, Filter, Kind};
use crate::logdir::{Reason, scan_bytes};
use crate::tfrecord::read::{PADDING, frame_at};
use crate::tfrecord::recover::{Budget, Next, Search};
use crate::tfrecord::{Frame, HEADER_LEN, OVERHEAD, RecordReader, Stop, append_record};

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

/// Reads a file of small and large records with all checksums and without those of what is skipped: the rows are the
/// same, and nothing is lost that is not lost otherwise.
///
/// Two bytes begin each part of the file: what it is, and which tag, field or length it has.
///
/// # Panics
///
/// If they differ.
pub fn lazy(data: &[u8]) {
    let mut file = Vec::new();
    let mut tells = true;
    let mut rest = data;
    while let [what, which, tail @ ..] = rest
        && file.len() < 1 << 20
    {
        rest = tail;
        let mut take = |len: usize| {
            let (part, tail) = rest.split_at(rest.len().min(len));
            rest = tail;
            part
        };
        let len = (15 << 10) + 64 * usize::from(*which);
        let tag = ["loss", "picture", "a tag of more than twelve bytes", ""][usize::from(which % 4)];
        let mut fields = Vec::new();
        match what % 8 {
            0 => {
                put_scalar_fields(&mut fields, f64::from(*which), true, &[]);
                append_value_event(&mut file, 1.0, i64::from(*what), tag, &fields);
            }
            1 | 2 => {
                // An image, a histogram, a sound, a tensor or an unknown field.
                put_bytes_field(&mut fields, [3, 4, 5, 6, 8, 77][usize::from(which % 6)], &vec![7; len]);
                append_value_event(&mut file, 2.0, i64::from(*what), tag, &fields);
            }
            3 => append_record(&mut file, |buf| {
                put_time_and_step(buf, 3.0, i64::from(*what));
                put_bytes_field(buf, u32::from(which % 16) + 3, &vec![0; len]);
            }),
            4 => {
                // Anything that a summary may begin with.
                tells = false;
                let beginning = take(usize::from(*which));
                append_record(&mut file, |buf| {
                    buf.extend_from_slice(beginning);
                    buf.resize(buf.len() + (20 << 10), 0);
                });
            }
            5 => {
                let back = take(2).iter().fold(0, |back, &byte| back << 8 | usize::from(byte));
                let at = file.len().saturating_sub(back + 1);
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= 1 << (which % 8);
                }
            }
            6 => file.truncate(file.len().saturating_sub(usize::from(*which) * 32)),
            _ => file.extend_from_slice(take(usize::from(*which))),
        }
    }
    let is_loss = |tag: &str| tag == "loss";
    for (kind, tag) in [(Kind::Scalar, false), (Kind::Scalar, true), (Kind::Summary, true)] {
        let read = |lazy| {
            let filter = Filter { tag: if tag { Some(&is_loss) } else { None }, ..Filter::default() };
            let mut rows = Rows::new(kind, Columns { offset: true, ..Columns::default() }, filter);
            rows.begin_file(&Place { run: ".", source: "", logdir: "", file: "", number: 0 }, false, 0);
            let (damages, skipped) = scan_bytes(&file, &mut rows, lazy);
            let lost: Vec<_> =
                damages.into_iter().map(|lost| (lost.offset, lost.bytes, lost.reason)).collect();
            (lost, skipped, rows.records(), rows.finish().0)
        };
        let (all_lost, none_skipped, all_records, all) = read(false);
        let (lost, skipped, records, some) = read(true);
        assert_eq!(none_skipped, 0);
        if all_lost.iter().any(|(_, _, reason)| *reason == Reason::GaveUp) {
            continue;
        }
        assert!(lost.iter().all(|lost| all_lost.contains(lost)), "{lost:?} of {all_lost:?}");
        assert!(records + skipped >= all_records, "{records} and {skipped} of {all_records}");
        if tells {
            assert_eq!(all, some);
        }
    }
}
