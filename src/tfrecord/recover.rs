//! Finding the records behind damaged bytes.
//!
//! A place counts as a record's beginning when its header *and* its payload verify. What is known of the damaged
//! record comes first: a right header says where the next record begins, and of a wrong one a single bit may be
//! told. Only then are the bytes searched, so a payload that itself holds an event file is not taken apart as long
//! as its own frame can be made out.
//!
//! A file made for the purpose can hold a right header with a huge length at every place, so the bytes that
//! checksums may be run over in vain, and the looks elsewhere into the file, are bounded ([`Budget`]).

#![allow(clippy::cast_possible_truncation)] // a length is compared with the file's before it becomes usize
#![allow(clippy::missing_panics_doc)] // a header has twelve bytes

use std::io::{self, Read, Seek, SeekFrom};

use super::read::header_len;
use super::{Frame, HEADER_LEN, OVERHEAD};
use crate::masked_crc::{flipped_bit, mask};

/// The bytes searched at a time.
const CHUNK: usize = 256 << 10;
/// What a look at bytes that are not at hand costs, in bytes of checksum.
const LOOK_COST: u64 = 1 << 10;
/// What every file may spend, however small.
const LEAST_BUDGET: u64 = 1 << 20;

/// How many bytes of a file checksums may be run over in vain: four times the file.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u64);

impl Budget {
    /// The budget of a file.
    pub const fn of_file(len: u64) -> Self {
        Self(len.saturating_mul(4).saturating_add(LEAST_BUDGET))
    }

    /// A budget of so many bytes.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    fn is_spent(self) -> bool {
        self.0 == 0
    }

    fn take(&mut self, bytes: u64) -> bool {
        let enough = self.0 >= bytes;
        self.0 = self.0.saturating_sub(bytes);
        enough
    }
}

/// Where reading can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A record begins here, or the file ends.
    At(u64),
    /// Nothing that verifies follows.
    Nothing,
    /// The budget is spent: the rest of the file is lost.
    GaveUp,
}

/// A file, its length, and what may still be spent on searching it.
pub struct Search<'a, R> {
    /// The file.
    pub input: &'a mut R,
    /// Whether it stands elsewhere than before.
    pub has_moved: bool,
    /// Bytes of it that are at hand, and where they begin.
    pub at_hand: (u64, &'a [u8]),
    /// Its length: nothing behind is looked at.
    pub file_len: u64,
    /// What may still be spent.
    pub budget: &'a mut Budget,
    /// Asked now and then: whether to end the search.
    pub stop: &'a mut dyn FnMut() -> bool,
}

impl<R: std::fmt::Debug> std::fmt::Debug for Search<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search")
            .field("input", &self.input)
            .field("file_len", &self.file_len)
            .finish_non_exhaustive()
    }
}

impl<'a, R: Read + Seek> Search<'a, R> {
    /// Where reading goes on behind `frame` at `offset`, which is no record.
    pub fn behind(&mut self, offset: u64, frame: Frame) -> io::Result<Next> {
        if self.budget.is_spent() {
            return Ok(Next::GaveUp);
        }
        match frame {
            Frame::BadPayload { len } => {
                // Its checksum was run in vain; among records that verify, many such would cost a file's length each.
                if !self.budget.take(len as u64) {
                    return Ok(Next::GaveUp);
                }
                let end = offset + (len + OVERHEAD) as u64;
                if self.may_follow(end)? {
                    Ok(Next::At(end))
                } else {
                    self.find(offset + HEADER_LEN as u64, u64::MAX)
                }
            }
            Frame::BadHeader => match self.mend(offset)? {
                Some(end) => Ok(Next::At(end)),
                None => self.find(offset + 1, u64::MAX),
            },
            Frame::Partial { .. } => self.find(offset + HEADER_LEN as u64, u64::MAX),
            Frame::Zeros => self.find(offset + 1, u64::MAX),
            Frame::Short | Frame::Record { .. } => Ok(Next::Nothing),
        }
    }

    /// The end of the record at `offset` whose header is wrong in its checksum or in one bit of its length.
    fn mend(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let mut header = [0; HEADER_LEN];
        if self.read_at(offset, &mut header)? < HEADER_LEN {
            return Ok(None);
        }
        let len = u64::from_le_bytes(*header.first_chunk().expect("twelve bytes"));
        let crc = u32::from_le_bytes(*header.last_chunk().expect("twelve bytes"));
        // A look at what follows costs nothing; only then is the checksum run over the payload.
        let end = offset.saturating_add(OVERHEAD as u64).saturating_add(len);
        if end <= self.file_len && self.may_follow(end)? && self.is_payload(offset, len)? {
            return Ok(Some(end));
        }
        let Some(bit) = flipped_bit(len, crc) else { return Ok(None) };
        let end = offset.saturating_add(OVERHEAD as u64).saturating_add(len ^ 1 << bit);
        Ok((end <= self.file_len && self.may_follow(end)?).then_some(end))
    }

    /// Whether a record, the end of the file or its unwritten tail stands at `offset`.
    pub fn may_follow(&mut self, offset: u64) -> io::Result<bool> {
        let mut header = [0; HEADER_LEN];
        let got = self.read_at(offset, &mut header)?;
        Ok(got < HEADER_LEN || header == [0; HEADER_LEN] || header_len(&header).is_some())
    }

    /// The first place from `from` on and before `until` where a whole record verifies.
    pub fn find(&mut self, from: u64, until: u64) -> io::Result<Next> {
        let mut chunk = Vec::new();
        let mut base = from;
        let mut rounds = 0u32;
        loop {
            rounds += 1;
            if rounds.is_multiple_of(16) && (self.stop)() {
                return Ok(Next::Nothing);
            }
            let at_hand = self.at_hand_from(base);
            let bytes = if at_hand.len() < HEADER_LEN {
                chunk.resize(CHUNK, 0);
                let got = self.read_at(base, &mut chunk)?;
                &chunk[..got]
            } else {
                at_hand
            };
            let got = bytes.len();
            if got < HEADER_LEN || base >= until {
                return Ok(Next::Nothing);
            }
            for (at, header) in bytes.windows(HEADER_LEN).enumerate() {
                let offset = base + at as u64;
                let len = u64::from_le_bytes(*header.first_chunk().expect("twelve bytes"));
                // Nearly every place is dismissed here: random bytes make a length no file has.
                if len > self.file_len.saturating_sub(offset + OVERHEAD as u64) {
                    continue;
                }
                if offset >= until {
                    return Ok(Next::Nothing);
                }
                let header: &[u8; HEADER_LEN] = header.try_into().expect("twelve bytes");
                if header_len(header) != Some(len) || offset + OVERHEAD as u64 > self.file_len {
                    continue;
                }
                if !self.budget.take(len) {
                    return Ok(Next::GaveUp);
                }
                let whole = at + OVERHEAD + len as usize;
                let verifies = if whole <= got {
                    let (payload, footer) = bytes[at + HEADER_LEN..whole].split_at(len as usize);
                    mask(crc32c::crc32c(payload)).to_le_bytes() == footer
                } else {
                    self.is_payload(offset, len)?
                };
                if verifies {
                    return Ok(Next::At(offset));
                }
            }
            base += (got - (HEADER_LEN - 1)) as u64;
        }
    }

    /// Whether `len` bytes behind the header at `offset` have the checksum that follows them.
    pub fn is_payload(&mut self, offset: u64, len: u64) -> io::Result<bool> {
        let reach = offset.saturating_add(OVERHEAD as u64).saturating_add(len);
        if reach > self.file_len || !self.budget.take(len) {
            return Ok(false);
        }
        if let Some(record) = self.held(offset, OVERHEAD as u64 + len) {
            let (payload, footer) = record[HEADER_LEN..].split_at(len as usize);
            return Ok(mask(crc32c::crc32c(payload)).to_le_bytes() == footer);
        }
        self.has_moved = true;
        self.input.seek(SeekFrom::Start(offset + HEADER_LEN as u64))?;
        let mut crc = 0;
        let mut chunk = vec![0; CHUNK.min(len as usize)];
        let mut left = len;
        let mut rounds = 0u32;
        while left > 0 {
            rounds += 1;
            if rounds.is_multiple_of(16) && (self.stop)() {
                return Ok(false);
            }
            let part = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.input.read_exact(&mut chunk[..part])?;
            crc = crc32c::crc32c_append(crc, &chunk[..part]);
            left -= part as u64;
        }
        let mut footer = [0; 4];
        self.input.read_exact(&mut footer)?;
        Ok(mask(crc).to_le_bytes() == footer)
    }

    /// The bytes at hand from `offset` on, as far as the file is known to go.
    fn at_hand_from(&self, offset: u64) -> &'a [u8] {
        let (base, bytes) = self.at_hand;
        let start = offset.checked_sub(base).map_or(bytes.len(), |start| bytes.len().min(start as usize));
        &bytes[start..]
    }

    /// The `len` bytes from `offset` on, if they are at hand.
    fn held(&self, offset: u64, len: u64) -> Option<&'a [u8]> {
        self.at_hand_from(offset).get(..usize::try_from(len).ok()?)
    }

    /// Fills `buf` from `offset` on as far as the file goes.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let there = usize::try_from(self.file_len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = buf.len().min(there);
        if let Some(bytes) = self.held(offset, want as u64) {
            buf[..want].copy_from_slice(bytes);
            return Ok(want);
        }
        self.has_moved = true;
        self.budget.take(LOOK_COST);
        self.input.seek(SeekFrom::Start(offset))?;
        let mut got = 0;
        while got < want {
            match self.input.read(&mut buf[got..want]) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::masked_crc::length_crc;
    use crate::tfrecord::append_record;
    use crate::tfrecord::read::frame_at;

    /// Records with these payloads, and where each begins.
    fn file(payloads: &[&[u8]]) -> (Vec<u8>, Vec<u64>) {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for payload in payloads {
            starts.push(bytes.len() as u64);
            append_record(&mut bytes, |buf| buf.extend_from_slice(payload));
        }
        (bytes, starts)
    }

    fn behind(bytes: &[u8], offset: u64) -> Next {
        let file_len = bytes.len() as u64;
        let mut budget = Budget::of_file(file_len);
        let at_hand = (0, &bytes[..bytes.len() / 2]);
        let mut input = Cursor::new(bytes);
        let mut search = Search {
            input: &mut input,
            has_moved: false,
            at_hand,
            file_len,
            budget: &mut budget,
            stop: &mut || false,
        };
        search.behind(offset, frame_at(&bytes[offset as usize..])).unwrap()
    }

    #[test]
    fn a_flipped_bit_costs_its_record_only() {
        let (inner, _) = file(&[b"an event", b"file", b"inside"]);
        for payload in [&b"some payload"[..], &inner] {
            let (bytes, starts) = file(&[b"first", payload, b"third"]);
            for bit in starts[1] * 8..starts[2] * 8 {
                let mut bytes = bytes.clone();
                bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
                assert_eq!(behind(&bytes, starts[1]), Next::At(starts[2]), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_destroyed_record_is_searched_through() {
        let (mut bytes, starts) = file(&[b"first", b"second", b"third"]);
        bytes[starts[1] as usize..][..15].fill(0xab);
        assert_eq!(behind(&bytes, starts[1]), Next::At(starts[2]));
        bytes.truncate(starts[2] as usize + 5);
        assert_eq!(behind(&bytes, starts[1]), Next::Nothing);
    }

    #[test]
    fn headers_with_huge_lengths_use_up_the_budget() {
        let mut bytes = vec![1];
        let len: u64 = 1 << 20;
        while bytes.len() < 1 << 22 {
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(&length_crc(len).to_le_bytes());
        }
        assert_eq!(behind(&bytes, 0), Next::GaveUp);
    }

    #[test]
    fn a_search_ends_when_asked() {
        let bytes = vec![0xff; 32 * CHUNK];
        let mut asked = 0;
        let mut budget = Budget::of_file(bytes.len() as u64);
        let mut search = Search {
            input: &mut Cursor::new(&bytes),
            has_moved: false,
            at_hand: (0, &[]),
            file_len: bytes.len() as u64,
            budget: &mut budget,
            stop: &mut || {
                asked += 1;
                true
            },
        };
        assert_eq!(search.find(0, u64::MAX).unwrap(), Next::Nothing);
        assert_eq!(asked, 1);
    }
}
