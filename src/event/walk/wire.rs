//! The fields of a message, whatever it is.

#![allow(clippy::cast_possible_truncation)] // lengths are compared with what is there first

use super::{Result, WalkError};

/// How deep unknown groups may be nested: prost's limit.
pub(super) const MAX_GROUPS: usize = 100;

/// The value of one field, by wire type.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(&'a [u8; 8]),
    /// Wire type 2.
    Len(&'a [u8]),
    /// Wire type 5.
    Fixed32(&'a [u8; 4]),
    /// Wire types 3 and 4: a group, skipped.
    Group,
}

impl<'a> Wire<'a> {
    pub(super) fn len(self) -> Result<&'a [u8]> {
        if let Self::Len(bytes) = self { Ok(bytes) } else { Err(WalkError::WireType) }
    }

    pub(super) fn str(self) -> Result<&'a str> {
        std::str::from_utf8(self.len()?).map_err(|_| WalkError::Utf8)
    }

    pub(super) fn varint(self) -> Result<u64> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(WalkError::WireType) }
    }

    pub(super) fn fixed32(self) -> Result<&'a [u8; 4]> {
        if let Self::Fixed32(bytes) = self { Ok(bytes) } else { Err(WalkError::WireType) }
    }

    pub(super) fn fixed64(self) -> Result<&'a [u8; 8]> {
        if let Self::Fixed64(bytes) = self { Ok(bytes) } else { Err(WalkError::WireType) }
    }
}

/// The fields of a message, in the order they stand.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    pub(super) rest: &'a [u8],
}

/// Walks over the fields of a message.
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

impl<'a> Fields<'a> {
    /// Takes a varint.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                if i == 9 && byte > 1 {
                    return Err(WalkError::Varint);
                }
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WalkError::Truncated } else { WalkError::Varint })
    }

    /// Takes a little-endian number of `N` bytes.
    #[inline]
    pub fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(WalkError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.varint()?;
        if len > self.rest.len() as u64 {
            return Err(WalkError::Truncated);
        }
        let (bytes, rest) = self.rest.split_at(len as usize);
        self.rest = rest;
        Ok(bytes)
    }

    /// Takes a field's key: its number and wire type.
    pub fn key(&mut self) -> Result<(u32, u32)> {
        let key = u32::try_from(self.varint()?).map_err(|_| WalkError::WireType)?;
        if key < 8 { Err(WalkError::WireType) } else { Ok((key >> 3, key & 7)) }
    }

    fn skip_group(&mut self, number: u32) -> Result<()> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, wire) = self.key()?;
            match wire {
                3 if open.len() == MAX_GROUPS => return Err(WalkError::Nesting),
                3 => open.push(number),
                4 if number == innermost => {
                    open.pop();
                }
                4 => return Err(WalkError::Nesting),
                _ => {
                    self.value(number, wire)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn value(&mut self, number: u32, wire: u32) -> Result<Wire<'a>> {
        match wire {
            0 => self.varint().map(Wire::Varint),
            1 => self.fixed().map(Wire::Fixed64),
            2 => self.bytes().map(Wire::Len),
            3 => self.skip_group(number).map(|()| Wire::Group),
            5 => self.fixed().map(Wire::Fixed32),
            _ => Err(WalkError::WireType),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.key().and_then(|(number, wire)| Ok((number, self.value(number, wire)?)));
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}
