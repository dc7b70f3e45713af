//! The largest step of a logdir's events, so that a counter can go on after it.
//!
//! Only the head of each record is read: its length and the first bytes of its payload, where every writer we know
//! puts time and step. Checksums are not verified; a file that makes no sense is read up to there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::is_event_file;
use crate::tfrecord::{FOOTER_LEN, HEADER_LEN};

/// The largest step below `logdir`, in all runs; `None` where there are no events with a summary.
///
/// Directories and files that can't be read count as empty. Linked directories are not followed.
pub fn last_step(logdir: &Path) -> Option<i64> {
    let mut largest = None;
    let mut pending = vec![logdir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            if kind.is_dir() && !is_hidden(&name) {
                pending.push(entry.path());
            } else if !kind.is_dir() && is_event_file(&name) {
                largest = largest.max(last_step_of_file(&entry.path()));
            }
        }
    }
    largest
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn last_step_of_file(path: &Path) -> Option<i64> {
    if !fs::metadata(path).ok()?.is_file() {
        return None; // opening a pipe would wait
    }
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).ok()?);
    let mut largest = None;
    let mut header = [0; HEADER_LEN];
    while reader.read_exact(&mut header).is_ok() {
        let len = u64::from_le_bytes(header[..8].try_into().unwrap_or_default());
        if len == 0 || len > i64::MAX as u64 - 64 {
            break;
        }
        let Ok(available) = reader.fill_buf() else { break };
        let mut head = [0; 32];
        let head_len = usize::try_from(len).unwrap_or(usize::MAX).min(head.len());
        if available.len() >= head_len {
            head[..head_len].copy_from_slice(&available[..head_len]);
            if skip(&mut reader, len + FOOTER_LEN as u64).is_err() {
                break;
            }
        } else if reader.read_exact(&mut head[..head_len]).is_err()
            || skip(&mut reader, len - head_len as u64 + FOOTER_LEN as u64).is_err()
        {
            break;
        }
        if let Some(step) = step_of_summary(&head[..head_len]) {
            largest = largest.max(Some(step));
        }
    }
    largest
}

fn skip(reader: &mut BufReader<File>, len: u64) -> std::io::Result<()> {
    reader.seek_relative(i64::try_from(len).map_err(std::io::Error::other)?)
}

/// The step of an event that begins `wall_time, step, summary`; `None` for any other.
fn step_of_summary(head: &[u8]) -> Option<i64> {
    let rest = head.strip_prefix(&[0x09])?.get(8..)?;
    let Some(varint) = rest.strip_prefix(&[0x10]) else {
        return (rest.first() == Some(&0x2a)).then_some(0);
    };
    let mut step = 0_u64;
    for (position, byte) in varint.iter().take(10).enumerate() {
        step |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return (varint.get(position + 1) == Some(&0x2a)).then(|| step.cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::encode::append_value_event;
    use crate::event_file::{Attempt, file_version_record};

    #[test]
    fn the_largest_step_of_all_runs() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(last_step(dir.path()), None);
        let mut bytes = file_version_record(&Attempt::default());
        fs::write(dir.path().join("events.out.tfevents.1"), &bytes).unwrap();
        assert_eq!(last_step(dir.path()), None);
        append_value_event(&mut bytes, 1.0, 0, "t", b"");
        append_value_event(&mut bytes, 1.0, 41, "t", &vec![0x2a; 1 << 20]);
        append_value_event(&mut bytes, 1.0, -5, "t", b"");
        fs::create_dir(dir.path().join("train")).unwrap();
        fs::write(dir.path().join("train/events.out.tfevents.1"), &bytes).unwrap();
        assert_eq!(last_step(dir.path()), Some(41));
        append_value_event(&mut bytes, 1.0, i64::MAX, "t", b"");
        fs::write(dir.path().join("events.out.tfevents.2"), &bytes).unwrap();
        assert_eq!(last_step(dir.path()), Some(i64::MAX));
    }

    #[test]
    fn nonsense_ends_quietly() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("events.out.tfevents.1"), [0xff; 100]).unwrap();
        fs::write(dir.path().join("events.out.tfevents.2"), [0; 100]).unwrap();
        assert_eq!(last_step(dir.path()), None);
    }
}
