//! One file, or a part of it, record by record into rows, past what is damaged or not asked for.

use std::io::{self, Cursor, Seek, SeekFrom};
use std::path::PathBuf;

use super::EventFile;
use super::blocks::Piece;
use super::damage::{Damage, Reason};
use super::input::{Input, Opened};
use crate::frame::rows::Rows;
use crate::tfrecord::read::frame_at;
use crate::tfrecord::recover::{Budget, Next, Search};
use crate::tfrecord::{Frame, HEADER_LEN, OVERHEAD, RecordReader};

/// Records from this length on may be skipped: shorter ones are read as quickly.
const MIN_SKIPPED: u64 = 16 << 10;
/// Records from this length on are checked before there is memory taken for them.
const MIN_CHECKED_FIRST: u64 = 64 << 20;
/// No message is longer, says protobuf.
const MAX_MESSAGE: u64 = i32::MAX as u64;

/// Lost places of a file that have a row each.
const MAX_DAMAGES: usize = 10_000;

/// How far a block has got, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub read: u64,
    pub to_come: u64,
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
pub(super) struct FileScan<'a, 'q> {
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

impl<'a, 'q> FileScan<'a, 'q> {
    /// A scan that has read nothing yet.
    pub fn new(file: &'a EventFile, rows: &'a mut Rows<'q>, progress: Progress, lazy: bool) -> Self {
        Self {
            file,
            rows,
            damages: Vec::new(),
            progress,
            len: file.len,
            lazy,
            skipped: 0,
            kept: None,
            checked: None,
        }
    }

    /// What was lost, and how many records were skipped.
    pub fn finish(mut self) -> (Vec<Damage>, u64) {
        let seen = self.seen();
        for damage in &mut self.damages {
            damage.recovered = seen - damage.recovered;
        }
        (self.damages, self.skipped)
    }

    /// Reads a piece; where it ended, and the window for the next one.
    pub fn read(
        &mut self,
        piece: &Piece,
        window: Vec<u8>,
        stop: &mut dyn FnMut() -> bool,
    ) -> io::Result<(u64, Vec<u8>)> {
        let Opened { input, len, problem } = Input::open(self.file)?;
        self.len = len;
        let (end, window) = self.read_from(input, piece, window, stop)?;
        if let Some(problem) = problem
            && !self.rows.is_full()
        {
            self.lose(end, len - end, Reason::Archive(problem));
        }
        Ok((end, window))
    }

    fn read_from(
        &mut self,
        mut input: Input,
        piece: &Piece,
        window: Vec<u8>,
        stop: &mut dyn FnMut() -> bool,
    ) -> io::Result<(u64, Vec<u8>)> {
        let len = self.len;
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

    /// Notes lost bytes. Until [`Self::finish`], `recovered` holds how many records came before them.
    pub fn lose(&mut self, offset: u64, bytes: u64, reason: Reason) {
        let recovered = self.seen();
        if self.damages.len() == MAX_DAMAGES {
            let last = self.damages.last_mut().expect("there are many");
            (last.bytes, last.recovered, last.reason) = (last.bytes + bytes, recovered, Reason::Many);
            return;
        }
        self.damages.push(Damage { path: self.file.path.clone(), offset, bytes, reason, recovered });
    }
}

/// Reads bytes as a whole event file, for [`crate::fuzzing`]: what was lost, and how many records were skipped.
pub(crate) fn scan_bytes(bytes: &[u8], rows: &mut Rows<'_>, lazy: bool) -> (Vec<Damage>, u64) {
    let file = EventFile {
        path: PathBuf::new(),
        run: ".".to_owned(),
        source: String::new(),
        logdir: String::new(),
        len: bytes.len() as u64,
        id: (0, 0),
        start: 0,
        end: None,
    };
    let progress = Progress { read: 0, to_come: file.len };
    let mut scan = FileScan::new(&file, rows, progress, lazy);
    let input = Input::Unpacked(Cursor::new(bytes.to_vec()));
    let whole = Piece { file: 0, start: 0, end: None, is_division: false, continues: false };
    scan.read_from(input, &whole, Vec::new(), &mut || false).expect("memory can be read");
    scan.finish()
}
