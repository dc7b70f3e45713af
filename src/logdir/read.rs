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

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use flate2::read::MultiGzDecoder;

use super::EventFile;
use crate::event::walk::WalkError;
use crate::frame::rows::{Attempt, Place, Rows};
use crate::frame::{Columns, Filter, Kind};
use crate::tfrecord::read::frame_at;
use crate::tfrecord::recover::{Budget, Next, Search};
use crate::tfrecord::{Frame, HEADER_LEN, OVERHEAD, RecordReader};

/// Work below this many bytes isn't worth a thread.
const MIN_BLOCK_BYTES: u64 = 4 << 20;
/// What opening a file costs, in bytes read.
const FILE_COST_BYTES: u64 = 64 << 10;
/// How far a division is looked for, and what looking may cost.
const DIVISION_REACH: u64 = 4 << 20;

/// The most that an archive may unpack to; what is beyond is not looked at.
const MAX_UNPACKED: u64 = 4 << 30;

/// Records from this length on may be skipped: shorter ones are read as quickly.
const MIN_SKIPPED: u64 = 16 << 10;
/// Records from this length on are checked before there is memory taken for them.
const MIN_CHECKED_FIRST: u64 = 64 << 20;
/// No message is longer, says protobuf.
const MAX_MESSAGE: u64 = i32::MAX as u64;

/// Lost places of a file that have a row each.
const MAX_DAMAGES: usize = 10_000;

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

/// Why bytes could not be read as records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The checksum of a header is wrong.
    #[error("header checksum")]
    Header,
    /// The checksum of a payload is wrong.
    #[error("payload checksum")]
    Payload,
    /// A header asks for more than the file has, and records follow.
    #[error("length beyond the end")]
    Length,
    /// Zeros, and records follow.
    #[error("zeros")]
    Zeros,
    /// The record is whole, its payload is no event.
    #[error("no event: {0}")]
    Event(#[from] WalkError),
    /// More places than are worth a row each: their bytes in all, from the first of them on.
    #[error("many places")]
    Many,
    /// Too many false beginnings: the rest of the file was given up.
    #[error("search given up")]
    GaveUp,
    /// The file could not be read.
    #[error("{message}")]
    Io {
        /// The system's error number.
        errno: Option<i32>,
        /// The system's message.
        message: String,
    },
}

/// Bytes that were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The event file.
    pub path: PathBuf,
    /// Where the lost bytes begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// What is wrong with them.
    pub reason: Reason,
    /// How many records were read behind them in the file.
    pub recovered: u64,
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

/// A file or a part of one.
#[derive(Clone, Copy, Debug)]
struct Piece {
    file: usize,
    start: u64,
    end: Option<u64>,
    /// Reading has to end exactly there: the next piece begins with it.
    is_division: bool,
    /// Values of the file's run stand before.
    continues: bool,
}

type Block = Vec<Piece>;

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
fn from_the_start(files: &[EventFile]) -> Block {
    (0..files.len()).map(|file| Piece { start: 0, continues: false, ..piece(files, file) }).collect()
}

/// Deals the files out to blocks of about equal work. Attempts are counted through, so they make one block.
fn divide(files: &[EventFile], query: &Query<'_>, threads: usize) -> Vec<Block> {
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
    let mut seen = std::collections::HashSet::new();
    let mut earlier = std::collections::HashSet::new();
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
        let rows = &mut done.rows;
        let mut scan = FileScan {
            file,
            rows,
            damages: Vec::new(),
            progress,
            len: file.len,
            lazy,
            skipped: 0,
            kept: None,
            checked: None,
        };
        match scan.read(piece, std::mem::take(&mut window), stop) {
            Ok((end, used)) => {
                window = used;
                done.ends.push(Some(end));
            }
            Err(error) => {
                let message = format!("{}: {error}", file.path.display());
                let reason = Reason::Io { errno: error.raw_os_error(), message };
                scan.lose(piece.start, file.len.saturating_sub(piece.start), reason);
                done.ends.push(None);
            }
        }
        let (mut damages, seen) = (std::mem::take(&mut scan.damages), scan.seen());
        done.skipped += scan.skipped;
        for damage in &mut damages {
            damage.recovered = seen - damage.recovered;
        }
        done.damages.append(&mut damages);
        progress.read += length(piece);
        progress.to_come -= length(piece);
        done.files_opened += u64::from(piece.start == 0);
    }
    done
}

/// How far a block has got, in bytes.
#[derive(Clone, Copy, Debug)]
struct Progress {
    read: u64,
    to_come: u64,
}

/// Whether a file is a compressed archive of an event file.
fn is_packed(file: &EventFile) -> bool {
    file.path.extension().is_some_and(|extension| extension == "gz")
}

/// What is read: a file, or an archive's content, which is no event file in use and so can be held in memory.
enum Input {
    Plain(File),
    Unpacked(Cursor<Vec<u8>>),
}

impl Input {
    /// Opens a file; also how long it is.
    fn open(file: &EventFile) -> io::Result<(Self, u64)> {
        let plain = File::open(&file.path)?;
        if !is_packed(file) {
            return Ok((Self::Plain(plain), file.len));
        }
        let mut content = Vec::new();
        // A damaged archive gives what comes before the damage.
        match MultiGzDecoder::new(plain).take(MAX_UNPACKED).read_to_end(&mut content) {
            Err(error) if content.is_empty() => return Err(error),
            _ => {}
        }
        let len = content.len() as u64;
        Ok((Self::Unpacked(Cursor::new(content)), len))
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buf),
            Self::Unpacked(content) => content.read(buf),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.seek(to),
            Self::Unpacked(content) => content.seek(to),
        }
    }
}

/// What to do about a record that is not wholly at hand.
enum Ahead {
    /// Read it.
    Read,
    /// Nothing: it was passed.
    Skipped,
    /// Nothing: no record follows.
    End,
}

/// One file being read.
struct FileScan<'a, 'q> {
    file: &'a EventFile,
    rows: &'a mut Rows<'q>,
    damages: Vec<Damage>,
    progress: Progress,
    len: u64,
    lazy: bool,
    skipped: u64,
    /// A record that could have been skipped, had there been another behind it.
    kept: Option<u64>,
    /// The record that was checked before memory is taken for it.
    checked: Option<u64>,
}

impl FileScan<'_, '_> {
    /// Reads a piece; where it ended, and the window for the next one.
    fn read(
        &mut self,
        piece: &Piece,
        window: Vec<u8>,
        stop: &mut dyn FnMut() -> bool,
    ) -> io::Result<(u64, Vec<u8>)> {
        let (mut input, len) = Input::open(self.file)?;
        self.len = len;
        if piece.start > 0 {
            input.seek(SeekFrom::Start(piece.start))?;
        }
        let mut reader = RecordReader::with_window(input, piece.start, len, window);
        if self.lazy {
            reader.read_little();
        }
        let mut budget = Budget::of_file(len);
        let until = piece.end.unwrap_or(u64::MAX);
        let mut rounds = 0u32;
        loop {
            let frame = self.records(&mut reader, until);
            rounds += 1;
            if rounds.is_multiple_of(16) && stop() {
                break;
            }
            match frame {
                None => break,
                Some(frame @ (Frame::Short | Frame::Partial { .. })) if !reader.reaches_beyond(frame) => {
                    if let Frame::Partial { need } = frame
                        && need >= MIN_SKIPPED
                    {
                        match self.look_ahead(&mut reader, need, &mut budget, stop)? {
                            Ahead::Read => {}
                            Ahead::Skipped => continue,
                            Ahead::End => break,
                        }
                    }
                    let read = reader.offset() - piece.start;
                    if !reader.fill()? {
                        break;
                    }
                    let Progress { read: before, to_come } = self.progress;
                    self.rows.foresee(before + read, to_come.saturating_sub(read), reader.rest().1);
                }
                Some(frame) => {
                    if !self.pass(&mut reader, frame, &mut budget, stop)? {
                        break;
                    }
                }
            }
        }
        Ok((reader.offset(), reader.into_window()))
    }

    /// Decides about a record of `need` bytes of which only the beginning is at hand.
    fn look_ahead(
        &mut self,
        reader: &mut RecordReader<Input>,
        need: u64,
        budget: &mut Budget,
        stop: &mut dyn FnMut() -> bool,
    ) -> io::Result<Ahead> {
        let offset = reader.offset();
        let len = need - OVERHEAD as u64;
        let (bytes, there) = reader.rest();
        let beginning = &bytes[HEADER_LEN..there];
        if self.lazy
            && self.kept != Some(offset)
            && self.rows.leaves_out(beginning, usize::try_from(len).unwrap_or(usize::MAX))
        {
            reader.skip_to(offset + need)?;
            reader.fill()?;
            // The length has been verified; that a record stands behind it says that the file is whole there.
            if !matches!(frame_at(reader.at_hand()), Frame::BadHeader) {
                self.skipped += 1;
                return Ok(Ahead::Skipped);
            }
            self.kept = Some(offset);
            reader.go_back(offset)?;
            return Ok(Ahead::Read);
        }
        if need >= MIN_CHECKED_FIRST && self.checked != Some(offset) {
            self.checked = Some(offset);
            let mut search = self.search(reader, budget, stop);
            let is_whole = len <= MAX_MESSAGE && search.is_payload(offset, len)?;
            reader.go_to(offset, true)?;
            if !is_whole {
                let len = usize::try_from(len).unwrap_or(usize::MAX - OVERHEAD);
                let goes_on = self.pass(reader, Frame::BadPayload { len }, budget, stop)?;
                return Ok(if goes_on { Ahead::Skipped } else { Ahead::End });
            }
        }
        Ok(Ahead::Read)
    }

    fn search<'s>(
        &self,
        reader: &'s mut RecordReader<Input>,
        budget: &'s mut Budget,
        stop: &'s mut dyn FnMut() -> bool,
    ) -> Search<'s, Input> {
        let (input, at_hand) = reader.parts();
        Search { input, has_moved: false, at_hand, file_len: self.len, budget, stop }
    }

    /// Passes what is no record; `false` if there is nothing to go on with.
    fn pass(
        &mut self,
        reader: &mut RecordReader<Input>,
        frame: Frame,
        budget: &mut Budget,
        stop: &mut dyn FnMut() -> bool,
    ) -> io::Result<bool> {
        let offset = reader.offset();
        let mut search = self.search(reader, budget, stop);
        let next = search.behind(offset, frame)?;
        let has_moved = search.has_moved;
        self.step_over(reader, offset, frame, next, has_moved)
    }

    /// Takes the records at hand that begin before `until`; what stopped it, if that was not `until`.
    #[inline]
    fn records(&mut self, reader: &mut RecordReader<Input>, until: u64) -> Option<Frame> {
        let base = reader.offset();
        let (bytes, len) = reader.rest();
        let until = usize::try_from(until.saturating_sub(base)).unwrap_or(usize::MAX);
        let mut at = 0;
        let stopped = loop {
            if at >= until || self.rows.is_full() {
                break None;
            }
            match frame_at(&bytes[at..len]) {
                Frame::Record { len } => {
                    let offset = base + at as u64;
                    if let Err(error) = self.rows.record(&bytes[at + HEADER_LEN..], len, offset) {
                        self.lose(offset, (len + OVERHEAD) as u64, Reason::Event(error));
                    }
                    at += len + OVERHEAD;
                }
                other => break Some(other),
            }
        };
        reader.advance(at);
        stopped
    }

    /// Goes on where `next` says; `false` if there is nothing to go on with.
    fn step_over(
        &mut self,
        reader: &mut RecordReader<Input>,
        offset: u64,
        frame: Frame,
        next: Next,
        has_moved: bool,
    ) -> io::Result<bool> {
        let reason = match frame {
            Frame::BadHeader => Reason::Header,
            Frame::BadPayload { .. } => Reason::Payload,
            Frame::Zeros => Reason::Zeros,
            _ => Reason::Length,
        };
        let is_tail = matches!(frame, Frame::Short | Frame::Partial { .. } | Frame::Zeros);
        match next {
            Next::At(next) => {
                self.lose(offset, next - offset, reason);
                reader.go_to(next, has_moved)?;
                Ok(true)
            }
            Next::Nothing if is_tail => Ok(false),
            Next::Nothing => {
                self.lose(offset, self.len - offset, reason);
                Ok(false)
            }
            Next::GaveUp => {
                self.lose(offset, self.len - offset, Reason::GaveUp);
                Ok(false)
            }
        }
    }

    /// How many records there were so far, of this file and others.
    fn seen(&self) -> u64 {
        self.rows.records() + self.skipped
    }

    /// Notes lost bytes. Until the file's end is reached, `recovered` holds how many records came before them.
    fn lose(&mut self, offset: u64, bytes: u64, reason: Reason) {
        let recovered = self.seen();
        if self.damages.len() == MAX_DAMAGES {
            let last = self.damages.last_mut().expect("there are many");
            (last.bytes, last.recovered, last.reason) = (last.bytes + bytes, recovered, Reason::Many);
            return;
        }
        self.damages.push(Damage { path: self.file.path.clone(), offset, bytes, reason, recovered });
    }
}
