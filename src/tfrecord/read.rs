//! Taking frames apart again, wherever the bytes at hand may end.
//!
//! [`frame_at`] looks at bytes, [`RecordReader`] at a file: it holds a window of it that moves on, so that a record
//! is checked and handed out where it lies. A reader can stop at any byte and go on when the file has grown.
//!
//! A length is believed only as far as the file reaches: no header makes the reader take memory.

#![allow(clippy::cast_possible_truncation)] // a length is compared with what is in memory before it becomes usize
#![allow(clippy::missing_panics_doc)] // a header has twelve bytes

use std::io::{self, Read, Seek, SeekFrom};

use super::{HEADER_LEN, OVERHEAD};
use crate::masked_crc::{length_crc, masked_crc};

/// Bytes after the window's content that may be looked at without harm, so that the hot path can compare whole blocks.
pub const PADDING: usize = 128;

/// The window's first size: large enough that system calls don't count, small enough to stay in a core's cache.
const WINDOW_LEN: usize = 256 << 10;

/// What is read at first behind a record that was skipped: the next one may be skipped as well.
const SKIP_STEP: usize = 512;

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole record with a payload of `len` bytes, both checksums right.
    Record {
        /// Payload length.
        len: usize,
    },
    /// The header is right and asks for `need` bytes in all, more than there are.
    Partial {
        /// Frame length; saturates.
        need: u64,
    },
    /// Fewer bytes than a header.
    Short,
    /// Twelve zero bytes: a block that has not arrived yet (NFS), or that was never written.
    Zeros,
    /// The header's checksum is wrong.
    BadHeader,
    /// The header is right, the payload's checksum is not.
    BadPayload {
        /// Payload length.
        len: usize,
    },
}

/// The payload length a header claims, if its checksum is right.
#[inline]
pub fn header_len(header: &[u8; HEADER_LEN]) -> Option<u64> {
    let len = u64::from_le_bytes(*header.first_chunk().expect("twelve bytes"));
    let crc = u32::from_le_bytes(*header.last_chunk().expect("twelve bytes"));
    (length_crc(len) == crc).then_some(len)
}

/// Looks at the frame that `bytes` begin with.
#[inline]
pub fn frame_at(bytes: &[u8]) -> Frame {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Frame::Short };
    let Some(claimed) = header_len(header) else {
        return if *header == [0; HEADER_LEN] { Frame::Zeros } else { Frame::BadHeader };
    };
    let need = claimed.saturating_add(OVERHEAD as u64);
    if need > bytes.len() as u64 {
        return Frame::Partial { need };
    }
    let len = claimed as usize;
    let (payload, footer) = bytes[HEADER_LEN..len + OVERHEAD].split_at(len);
    if masked_crc(payload).to_le_bytes() == footer {
        Frame::Record { len }
    } else {
        Frame::BadPayload { len }
    }
}

/// A place in a file where reading stopped, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The file ends here, after a whole record.
    End,
    /// What follows is the beginning of a record that is not (wholly) there yet.
    NotYet(Frame),
    /// What follows is no record.
    Damage(Frame),
}

/// A moving window over a file, and the position in it.
#[derive(Debug)]
pub struct RecordReader<R> {
    input: R,
    window: Vec<u8>,
    filled: usize,
    at: usize,
    base: u64,
    file_len: u64,
    /// How much is read at once.
    step: usize,
}

impl<R: Read> RecordReader<R> {
    /// A reader whose `input` stands at `offset` of a file of `file_len` bytes (`u64::MAX` if nobody knows).
    pub fn new(input: R, offset: u64, file_len: u64) -> Self {
        Self::with_window(input, offset, file_len, Vec::new())
    }

    /// As [`Self::new`], with the window of an earlier reader ([`Self::into_window`]).
    pub fn with_window(input: R, offset: u64, file_len: u64, mut window: Vec<u8>) -> Self {
        if window.len() < WINDOW_LEN + PADDING {
            window.resize(WINDOW_LEN + PADDING, 0);
        }
        Self { input, window, filled: 0, at: 0, base: offset, file_len, step: usize::MAX }
    }

    /// The file's length, as far as known.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Says how long the file is now: nothing behind that is read.
    pub fn set_file_len(&mut self, file_len: u64) {
        self.file_len = file_len;
    }

    /// The window's memory, for the next file.
    pub fn into_window(self) -> Vec<u8> {
        self.window
    }

    /// The offset in the file of the next record.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The bytes at hand from the current offset on, and how many of them belong to the file (the rest is padding).
    #[inline]
    pub fn rest(&self) -> (&[u8], usize) {
        (&self.window[self.at..], self.filled - self.at)
    }

    /// The file's bytes at hand from the current offset on.
    #[inline]
    pub fn at_hand(&self) -> &[u8] {
        &self.window[self.at..self.filled]
    }

    /// Steps over `len` bytes at hand.
    #[inline]
    pub fn advance(&mut self, len: usize) {
        debug_assert!(self.at + len <= self.filled);
        self.at += len;
    }

    /// The file, the bytes of it at hand and where they begin. Whoever moves in the file calls [`Self::go_to`] next.
    pub fn parts(&mut self) -> (&mut R, (u64, &[u8])) {
        (&mut self.input, (self.base, &self.window[..self.filled]))
    }

    /// Goes on at `offset`, not before the current one; `has_moved` if the file stands elsewhere than it was left.
    pub fn go_to(&mut self, offset: u64, has_moved: bool) -> io::Result<()>
    where
        R: Seek,
    {
        let end = self.base + self.filled as u64;
        if offset < end {
            self.at = (offset - self.base) as usize;
            if !has_moved {
                return Ok(());
            }
        } else {
            (self.base, self.at, self.filled) = (offset, 0, 0);
        }
        self.input.seek(SeekFrom::Start(end.max(offset)))?;
        Ok(())
    }

    /// Reads a little at first: what comes may be skipped.
    pub fn read_little(&mut self) {
        self.step = SKIP_STEP;
    }

    /// Goes on at `offset`, behind all that is at hand, without reading what is between. What is read there grows from
    /// a little, as long as nothing is skipped again.
    pub fn skip_to(&mut self, offset: u64) -> io::Result<()>
    where
        R: Seek,
    {
        self.read_little();
        self.go_to(offset, true)
    }

    /// Goes back to `offset`, whose bytes are no longer at hand.
    pub fn go_back(&mut self, offset: u64) -> io::Result<()>
    where
        R: Seek,
    {
        (self.base, self.at, self.filled, self.step) = (offset, 0, 0, usize::MAX);
        self.input.seek(SeekFrom::Start(offset))?;
        Ok(())
    }

    /// Reads more bytes behind those at hand; `false` if there are none for now.
    ///
    /// The window grows only when it is full of one record, whose bytes the file is known to hold.
    pub fn fill(&mut self) -> io::Result<bool> {
        if self.at > 0 {
            self.window.copy_within(self.at..self.filled, 0);
            self.base += self.at as u64;
            self.filled -= self.at;
            self.at = 0;
        }
        if self.filled + PADDING == self.window.len() {
            let len = self.window.len();
            self.window.resize(2 * len - PADDING, 0);
        }
        let to_come = self.file_len.saturating_sub(self.base + self.filled as u64);
        let end = (self.window.len() - PADDING)
            .min(self.filled.saturating_add(self.step))
            .min(self.filled.saturating_add(usize::try_from(to_come).unwrap_or(usize::MAX)));
        self.step = self.step.saturating_mul(2);
        let mut got = false;
        while self.filled < end {
            match self.input.read(&mut self.window[self.filled..end]) {
                Ok(0) => break,
                Ok(n) => {
                    self.filled += n;
                    got = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    /// Whether a partial record ends behind the end of the file.
    pub fn reaches_beyond(&self, frame: Frame) -> bool {
        matches!(frame, Frame::Partial { need } if self.offset().saturating_add(need) > self.file_len)
    }

    /// The next record's payload and its offset, or why there is none. Asking again after [`Stop::End`] or
    /// [`Stop::NotYet`] looks whether the file has grown.
    pub fn next_record(&mut self) -> io::Result<Result<(u64, &[u8]), Stop>> {
        loop {
            let (rest, len) = self.rest();
            match frame_at(&rest[..len]) {
                Frame::Record { len } => {
                    let (offset, start) = (self.offset(), self.at + HEADER_LEN);
                    self.at += len + OVERHEAD;
                    return Ok(Ok((offset, &self.window[start..start + len])));
                }
                frame @ (Frame::Short | Frame::Partial { .. }) => {
                    if self.reaches_beyond(frame) || !self.fill()? {
                        return Ok(Err(if self.filled == 0 { Stop::End } else { Stop::NotYet(frame) }));
                    }
                }
                frame @ Frame::Zeros => return Ok(Err(Stop::NotYet(frame))),
                frame @ (Frame::BadHeader | Frame::BadPayload { .. }) => return Ok(Err(Stop::Damage(frame))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::tfrecord::append_record;

    /// A file that somebody else is still writing.
    #[derive(Clone, Default)]
    struct Growing {
        bytes: Rc<RefCell<Vec<u8>>>,
        at: usize,
    }

    impl Read for Growing {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let bytes = self.bytes.borrow();
            let n = buf.len().min(bytes.len() - self.at).min(7);
            buf[..n].copy_from_slice(&bytes[self.at..self.at + n]);
            self.at += n;
            Ok(n)
        }
    }

    fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            append_record(&mut bytes, |buf| buf.extend_from_slice(payload));
        }
        bytes
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12)
    }

    proptest! {
        #[test]
        fn a_growing_file_yields_every_record_once(payloads in payloads(), cuts in prop::collection::vec(0usize..3000, 0..8)) {
            let bytes = file(&payloads);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let growing = Growing::default();
            let mut reader = RecordReader::new(growing.clone(), 0, u64::MAX);
            let mut got = Vec::new();
            let mut there = 0;
            for cut in cuts {
                growing.bytes.borrow_mut().extend_from_slice(&bytes[there..cut]);
                there = cut;
                let stop = loop {
                    match reader.next_record().unwrap() {
                        Ok((_, payload)) => got.push(payload.to_vec()),
                        Err(stop) => break stop,
                    }
                };
                prop_assert!(!matches!(stop, Stop::Damage(_)));
                prop_assert_eq!(&got[..], &payloads[..got.len()]);
            }
            prop_assert_eq!(got, payloads);
            prop_assert_eq!(reader.offset(), bytes.len() as u64);
        }

        #[test]
        fn a_flipped_bit_is_never_a_record(payload in prop::collection::vec(any::<u8>(), 0..64), bit in any::<prop::sample::Index>()) {
            let mut bytes = file(std::slice::from_ref(&payload));
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let is_record = matches!(frame_at(&bytes), Frame::Record { .. });
            prop_assert!(!is_record);
        }
    }

    #[test]
    fn a_length_beyond_the_file_takes_no_memory() {
        let mut bytes = (1u64 << 60).to_le_bytes().to_vec();
        bytes.extend_from_slice(&length_crc(1 << 60).to_le_bytes());
        bytes.extend_from_slice(&[1; 100]);
        let len = bytes.len() as u64;
        let mut reader = RecordReader::new(&bytes[..], 0, len);
        assert!(matches!(reader.next_record().unwrap(), Err(Stop::NotYet(Frame::Partial { .. }))));
        assert_eq!(reader.window.len(), WINDOW_LEN + PADDING);
        assert_eq!(reader.offset(), 0);
    }

    #[test]
    fn zeros_are_not_yet_there() {
        let mut bytes = file(&[b"one".to_vec()]);
        let whole = bytes.len() as u64;
        bytes.extend_from_slice(&[0; 64]);
        let mut reader = RecordReader::new(&bytes[..], 0, bytes.len() as u64);
        assert_eq!(reader.next_record().unwrap(), Ok((0, &b"one"[..])));
        assert_eq!(reader.next_record().unwrap(), Err(Stop::NotYet(Frame::Zeros)));
        assert_eq!(reader.offset(), whole);
    }

    #[test]
    fn a_record_larger_than_the_window() {
        let payloads = vec![vec![7; 3 * WINDOW_LEN], b"small".to_vec()];
        let bytes = file(&payloads);
        let mut reader = RecordReader::new(&bytes[..], 0, bytes.len() as u64);
        for payload in &payloads {
            assert_eq!(reader.next_record().unwrap().unwrap().1, &payload[..]);
        }
        assert_eq!(reader.next_record().unwrap(), Err(Stop::End));
    }
}
