//! Reading event files into frames.
//!
//! The files, in their order, are dealt out as *blocks*: runs of files, or a part of one large file, each about as
//! much work as the others. A scoped thread reads a block into columns of its own, and every block is one batch of
//! the frame, so nothing is copied to put them together. The thread that called reads the first block and looks for
//! Ctrl-C. All threads end before the call does, so a process may fork before and after.
//!
//! A file is divided at a place where a record verifies. That alone proves nothing, for a payload may hold records
//! too: a division counts only if reading the part before ends exactly there. If not, or if a value turns out to
//! hang on metadata in an earlier block, the files are read again in one block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;

use super::EventFile;
use super::blocks::{Block, Piece, divide, from_the_start};
use super::damage::{Damage, Reason};
use super::file_scan::{FileScan, Progress};
use crate::frame::rows::{Attempt, Place, Rows};
use crate::frame::{Columns, Filter, Kind};

/// What to read.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// What a row is.
    pub kind: Kind,
    /// Columns beyond the usual.
    pub columns: Columns,
    /// Which rows.
    pub filter: Filter<'a>,
    /// Skip large records that hold nothing asked for: their payloads are not read, and so not checked.
    pub lazy: bool,
    /// How many threads may work, the calling one included; zero: as many as there are processors.
    pub threads: usize,
    /// Asked now and then by the calling thread: whether to stop with [`ReadError::Interrupted`].
    pub interrupted: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("kind", &self.kind)
            .field("columns", &self.columns)
            .field("filter", &self.filter)
            .field("lazy", &self.lazy)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// What reading gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The frame, in order.
    pub batches: Vec<RecordBatch>,
    /// The attempts of each batch, which its `attempt` column counts.
    pub attempts: Vec<Vec<Attempt>>,
    /// What was lost, in order.
    pub damages: Vec<Damage>,
    /// How many files were opened.
    pub files_opened: u64,
    /// How many records were looked into.
    pub records: u64,
    /// How many records were skipped unchecked.
    pub skipped: u64,
    /// Where reading ended in each file; `None` where it did not begin or failed.
    pub ends: Vec<Option<u64>>,
}

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The caller wished so.
    #[error("interrupted")]
    Interrupted,
}

/// Reads `files` into a frame.
pub fn read(files: &[EventFile], query: &Query<'_>) -> Result<Outcome, ReadError> {
    let threads = match query.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    match read_blocks(files, query, &divide(files, query, threads), false)? {
        Some(outcome) => Ok(outcome),
        None => Ok(read_blocks(files, query, &[from_the_start(files)], true)?.unwrap_or_default()),
    }
}

/// What became of a block.
struct Done<'q> {
    rows: Rows<'q>,
    damages: Vec<Damage>,
    files_opened: u64,
    skipped: u64,
    /// Where reading each piece ended.
    ends: Vec<Option<u64>>,
}

/// Reads the blocks, each on a thread; `None`, but for the last try, if they were divided in the wrong places.
fn read_blocks(
    files: &[EventFile],
    query: &Query<'_>,
    blocks: &[Block],
    is_last_try: bool,
) -> Result<Option<Outcome>, ReadError> {
    let stop = AtomicBool::new(false);
    let stop = &stop;
    let (kind, columns, filter, lazy) = (query.kind, query.columns, query.filter, query.lazy);
    let read_block = |block: &[Piece], stop: &mut dyn FnMut() -> bool| {
        let done = read_block(files, block, Rows::new(kind, columns, filter), lazy, stop);
        let (records, unresolved) = (done.rows.records(), done.rows.is_unresolved());
        (done.damages, (done.files_opened, records, done.skipped), done.ends, unresolved, done.rows.finish())
    };
    let read_block = &read_block;
    let done = thread::scope(|scope| {
        let others: Vec<_> = blocks[1..]
            .iter()
            .map(|block| {
                let work = move || read_block(block, &mut || stop.load(Ordering::Relaxed));
                thread::Builder::new().name("tfruns-read".to_owned()).spawn_scoped(scope, work)
            })
            .collect();
        let mut ask = || {
            if !stop.load(Ordering::Relaxed) && (query.interrupted)() {
                stop.store(true, Ordering::Relaxed);
            }
            stop.load(Ordering::Relaxed)
        };
        let mut done = vec![read_block(&blocks[0], &mut ask)];
        for (handle, block) in others.into_iter().zip(&blocks[1..]) {
            match handle {
                Ok(handle) => {
                    while !handle.is_finished() {
                        thread::park_timeout(Duration::from_micros(200));
                        ask();
                    }
                    done.push(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                }
                // No more threads to be had: the work is done here.
                Err(_) => done.push(read_block(block, &mut ask)),
            }
        }
        done
    });
    if stop.load(Ordering::Relaxed) {
        return Err(ReadError::Interrupted);
    }
    let mut outcome = Outcome { ends: vec![None; files.len()], ..Outcome::default() };
    for (block, (damages, (files_opened, records, skipped), ends, unresolved, (batch, attempts))) in
        blocks.iter().zip(done)
    {
        let lands = block.iter().zip(&ends).all(|(piece, &end)| !piece.is_division || piece.end == end);
        if !is_last_try && (unresolved || !lands) {
            return Ok(None);
        }
        for (piece, end) in block.iter().zip(ends) {
            outcome.ends[piece.file] = end;
        }
        outcome.batches.push(batch);
        outcome.attempts.push(attempts);
        outcome.damages.extend(damages);
        outcome.files_opened += files_opened;
        outcome.records += records;
        outcome.skipped += skipped;
    }
    Ok(Some(outcome))
}

fn read_block<'q>(
    files: &[EventFile],
    block: &[Piece],
    rows: Rows<'q>,
    lazy: bool,
    stop: &mut dyn FnMut() -> bool,
) -> Done<'q> {
    let mut done = Done { rows, damages: Vec::new(), files_opened: 0, skipped: 0, ends: Vec::new() };
    let length = |piece: &Piece| piece.end.unwrap_or(files[piece.file].len).saturating_sub(piece.start);
    let mut progress = Progress { read: 0, to_come: block.iter().map(length).sum() };
    let mut window = Vec::new();
    for piece in block {
        if done.rows.is_full() || stop() {
            break;
        }
        let file = &files[piece.file];
        let path = file.path.to_string_lossy();
        let place = Place {
            run: &file.run,
            source: &file.source,
            logdir: &file.logdir,
            file: &path,
            number: u32::try_from(piece.file).unwrap_or(u32::MAX),
        };
        done.rows.begin_file(&place, piece.continues, file.start);
        let mut scan = FileScan::new(file, &mut done.rows, progress, lazy);
        match scan.read(piece, std::mem::take(&mut window), stop) {
            Ok((end, used)) => {
                window = used;
                done.ends.push(Some(end));
            }
            Err(error) => {
                let reason = Reason::Io { errno: error.raw_os_error(), message: error.to_string() };
                scan.lose(piece.start, file.len.saturating_sub(piece.start), reason);
                done.ends.push(None);
            }
        }
        let (damages, skipped) = scan.finish();
        done.damages.extend(damages);
        done.skipped += skipped;
        progress.read += length(piece);
        progress.to_come -= length(piece);
        done.files_opened += u64::from(piece.start == 0);
    }
    done
}
