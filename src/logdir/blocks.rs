//! Dealing files out to threads, in blocks of about equal work.

use std::collections::HashSet;
use std::fs::File;

use super::EventFile;
use super::input::is_packed;
use super::read::Query;
use crate::frame::Kind;
use crate::tfrecord::recover::{Budget, Next, Search};

/// Work below this many bytes isn't worth a thread.
const MIN_BLOCK_BYTES: u64 = 4 << 20;
/// What opening a file costs, in bytes read.
const FILE_COST_BYTES: u64 = 64 << 10;
/// How far a division is looked for, and what looking may cost.
const DIVISION_REACH: u64 = 4 << 20;

/// A file or a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub file: usize,
    pub start: u64,
    pub end: Option<u64>,
    /// Reading has to end exactly there: the next piece begins with it.
    pub is_division: bool,
    /// Values of the file's run stand before.
    pub continues: bool,
}

pub(super) type Block = Vec<Piece>;

/// A file, as far as it is asked for.
fn piece(files: &[EventFile], file: usize) -> Piece {
    let EventFile { start, end, .. } = files[file];
    Piece { file, start, end, is_division: false, continues: start > 0 }
}

/// All files in one block.
fn whole(files: &[EventFile]) -> Block {
    (0..files.len()).map(|file| piece(files, file)).collect()
}

/// All files in one block and from their first byte on, so that nothing is said before what is read.
pub(super) fn from_the_start(files: &[EventFile]) -> Block {
    (0..files.len()).map(|file| Piece { start: 0, continues: false, ..piece(files, file) }).collect()
}

/// Deals the files out to blocks of about equal work. Attempts are counted through, so they make one block.
pub(super) fn divide(files: &[EventFile], query: &Query<'_>, threads: usize) -> Vec<Block> {
    let reach = |file: &EventFile| file.end.map_or(file.len, |end| end.min(file.len));
    let cost = |file: &EventFile| reach(file).saturating_sub(file.start) + FILE_COST_BYTES;
    let total: u64 = files.iter().map(cost).sum();
    let share = (total / threads as u64 + 1).max(MIN_BLOCK_BYTES);
    let is_one = query.filter.limit.is_some() || query.columns.attempt;
    if threads < 2 || total <= share || is_one {
        return vec![whole(files)];
    }
    // Only scalars of one file are read in parts: other kinds carry metadata along.
    let may_split = query.kind == Kind::Scalar && !query.columns.plugin;
    let mut blocks = vec![Block::new()];
    let mut used = 0;
    let mut seen = HashSet::new();
    let mut earlier = HashSet::new();
    for (number, file) in files.iter().enumerate() {
        let mut piece = piece(files, number);
        piece.continues |= earlier.contains(file.run.as_str());
        loop {
            let room = share.saturating_sub(used);
            let left = reach(file).saturating_sub(piece.start);
            if left + FILE_COST_BYTES <= room + share / 8 {
                used += left + FILE_COST_BYTES;
                break;
            }
            let at = piece.start + room;
            let division = if may_split && !is_packed(file) && room > 0 && left > room {
                division(file, at)
            } else {
                None
            };
            if let Some(end) = division {
                blocks.last_mut().expect("there is one").push(Piece {
                    end: Some(end),
                    is_division: true,
                    ..piece
                });
                seen.insert(file.run.as_str());
                piece = Piece { start: end, end: file.end, is_division: false, continues: true, ..piece };
            } else if used == 0 {
                used += left;
                break;
            }
            blocks.push(Block::new());
            used = 0;
            earlier.extend(seen.drain());
            piece.continues |= earlier.contains(file.run.as_str());
        }
        blocks.last_mut().expect("there is one").push(piece);
        seen.insert(file.run.as_str());
    }
    blocks
}

/// A place at or behind `at` where a record of the file verifies.
fn division(file: &EventFile, at: u64) -> Option<u64> {
    let mut input = File::open(&file.path).ok()?;
    let mut budget = Budget::of_bytes(2 * DIVISION_REACH);
    let mut search = Search {
        input: &mut input,
        has_moved: true,
        at_hand: (0, &[]),
        file_len: file.len,
        budget: &mut budget,
        stop: &mut || false,
    };
    match search.find(at, at.saturating_add(DIVISION_REACH).min(file.len)) {
        Ok(Next::At(offset)) if offset < file.len => Some(offset),
        _ => None,
    }
}
