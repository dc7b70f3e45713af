//! Finding the records behind damaged bytes.
//!
//! A place counts as a record's beginning when its header *and* its payload verify. What is known of the damaged
//! record comes first: a right header says where the next record begins, and of a wrong one a single bit may be
//! told. Only then are the bytes searched, so a payload that itself holds an event file is not taken apart as long
//! as its own frame can be made out.
//!
//! A file made for the purpose can hold a right header with a huge length at every place, so the bytes that
//! searching may run checksums over are bounded ([`Budget`]).

#![allow(clippy::cast_possible_truncation)] // a length is compared with the file's before it becomes usize
#![allow(clippy::missing_panics_doc)] // a header has twelve bytes

use std::io::{self, Read, Seek, SeekFrom};

use super::read::header_len;
use super::{Frame, HEADER_LEN, OVERHEAD};
use crate::masked_crc::{length_crc, mask};

/// The bytes searched at a time.
const CHUNK: usize = 256 << 10;

/// How many bytes all searches in a file may run checksums over: four times the file.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u64);

impl Budget {
    /// The budget of a file.
    pub const fn of_file(len: u64) -> Self {
        Self(len.saturating_mul(4))
    }

    /// A budget of so many bytes.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
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
#[derive(Debug)]
pub struct Search<'a, R> {
    /// The file.
    pub input: &'a mut R,
    /// Its length: nothing behind is looked at.
    pub file_len: u64,
    /// What may still be spent.
    pub budget: &'a mut Budget,
}

impl<R: Read + Seek> Search<'_, R> {
    /// Where reading goes on behind `frame` at `offset`, which is no record.
    pub fn behind(&mut self, offset: u64, frame: Frame) -> io::Result<Next> {
        match frame {
            Frame::BadPayload { len } => {
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
        if self.is_payload(offset, len)? {
            return Ok(Some(offset + OVERHEAD as u64 + len));
        }
        for bit in 0..64 {
            let len = len ^ 1 << bit;
            if len < self.file_len && length_crc(len) == crc {
                let end = offset + OVERHEAD as u64 + len;
                let is_record =
                    self.is_payload(offset, len)? || (end <= self.file_len && self.may_follow(end)?);
                return Ok(is_record.then_some(end));
            }
        }
        Ok(None)
    }

    /// Whether a record, the end of the file or its unwritten tail stands at `offset`.
    fn may_follow(&mut self, offset: u64) -> io::Result<bool> {
        let mut header = [0; HEADER_LEN];
        let got = self.read_at(offset, &mut header)?;
        Ok(got < HEADER_LEN || header == [0; HEADER_LEN] || header_len(&header).is_some())
    }

    /// The first place from `from` on and before `until` where a whole record verifies.
    pub fn find(&mut self, from: u64, until: u64) -> io::Result<Next> {
        let mut chunk = vec![0; CHUNK];
        let mut base = from;
        loop {
            let got = self.read_at(base, &mut chunk)?;
            if got < HEADER_LEN || base >= until {
                return Ok(Next::Nothing);
            }
            for (at, header) in chunk[..got].windows(HEADER_LEN).enumerate() {
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
                    let (payload, footer) = chunk[at + HEADER_LEN..whole].split_at(len as usize);
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
    fn is_payload(&mut self, offset: u64, len: u64) -> io::Result<bool> {
        let reach = offset.saturating_add(OVERHEAD as u64).saturating_add(len);
        if reach > self.file_len || !self.budget.take(len) {
            return Ok(false);
        }
        self.input.seek(SeekFrom::Start(offset + HEADER_LEN as u64))?;
        let mut crc = 0;
        let mut chunk = vec![0; CHUNK.min(len as usize)];
        let mut left = len;
        while left > 0 {
            let part = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.input.read_exact(&mut chunk[..part])?;
            crc = crc32c::crc32c_append(crc, &chunk[..part]);
            left -= part as u64;
        }
        let mut footer = [0; 4];
        self.input.read_exact(&mut footer)?;
        Ok(mask(crc).to_le_bytes() == footer)
    }

    /// Fills `buf` from `offset` on as far as the file goes.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let there = usize::try_from(self.file_len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = buf.len().min(there);
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
