//! Columns that grow, and the views that stand for strings.
//!
//! A run or a tag is written into a shared buffer once; a row holds sixteen bytes that point there (Arrow's
//! `Utf8View`), so handing a million rows over, joining and filtering them copies no text.

#![allow(clippy::cast_possible_truncation)] // a view's numbers are 32 bits wide; what they count is kept below

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryViewArray, StringViewArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

/// Strings up to this length stand in the view itself.
const INLINE_LEN: usize = 12;

/// The most that the shared buffer may hold: an offset has 31 bits.
const MAX_TEXTS_LEN: usize = i32::MAX as usize;

/// A block of blob bytes; a view's offset is 32 bits wide.
const BLOB_BLOCK_LEN: usize = 16 << 20;

/// The view of `bytes` that stand at `offset` of buffer `buffer`, where they are too long to stand in it.
fn view(bytes: &[u8], buffer: u32, offset: u32) -> u128 {
    let mut view = [0; 16];
    view[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    if bytes.len() <= INLINE_LEN {
        view[4..4 + bytes.len()].copy_from_slice(bytes);
    } else {
        view[4..8].copy_from_slice(&bytes[..4]);
        view[8..12].copy_from_slice(&buffer.to_le_bytes());
        view[12..].copy_from_slice(&offset.to_le_bytes());
    }
    u128::from_le_bytes(view)
}

/// The texts of a frame, each once.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    views: HashMap<Box<str>, u128>,
}

impl Texts {
    /// The view of `text`; an empty one once the buffer they share is full.
    pub fn view(&mut self, text: &str) -> u128 {
        if text.len() <= INLINE_LEN {
            return view(text.as_bytes(), 0, 0);
        }
        if let Some(&known) = self.views.get(text) {
            return known;
        }
        if self.bytes.len() + text.len() > MAX_TEXTS_LEN {
            return 0;
        }
        let view = view(text.as_bytes(), 0, self.bytes.len() as u32);
        self.bytes.extend_from_slice(text.as_bytes());
        self.views.insert(text.into(), view);
        view
    }

    /// The shared buffer.
    pub fn into_buffer(self) -> Buffer {
        Buffer::from_vec(self.bytes)
    }
}

/// A column of strings out of views that [`Texts::view`] made and the buffer it filled.
pub fn text_column(views: Vec<u128>, texts: &Buffer, nulls: Option<NullBuffer>) -> ArrayRef {
    #[allow(unsafe_code)]
    // SAFETY: a view holds its string or points to one in `texts`, as `Texts::view` made it from a `&str`.
    let column = unsafe {
        StringViewArray::new_unchecked(ScalarBuffer::from(views), vec![texts.clone()].into(), nulls)
    };
    Arc::new(column)
}

/// A column of byte strings.
#[derive(Debug, Default)]
pub struct Blobs {
    views: Vec<u128>,
    valid: Vec<bool>,
    blocks: Vec<Vec<u8>>,
}

impl Blobs {
    /// Appends a row.
    pub fn push(&mut self, bytes: Option<&[u8]>) {
        self.valid.push(bytes.is_some());
        let bytes = bytes.unwrap_or_default();
        if bytes.len() <= INLINE_LEN {
            self.views.push(view(bytes, 0, 0));
            return;
        }
        if self.blocks.last().is_none_or(|block| block.capacity() - block.len() < bytes.len()) {
            self.blocks.push(Vec::with_capacity(bytes.len().max(self.next_block_len())));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        self.views.push(view(bytes, number as u32, block.len() as u32));
        block.extend_from_slice(bytes);
    }

    /// Small first, so that a frame of a few rows takes a few pages.
    fn next_block_len(&self) -> usize {
        self.blocks.last().map_or(64 << 10, |block| (2 * block.capacity()).min(BLOB_BLOCK_LEN))
    }

    /// The column.
    pub fn finish(self) -> ArrayRef {
        let blocks: Vec<Buffer> = self.blocks.into_iter().map(Buffer::from_vec).collect();
        let nulls = nulls(self.valid);
        #[allow(unsafe_code)]
        // SAFETY: `push` made every view out of the bytes it appended to the block it names.
        let column =
            unsafe { BinaryViewArray::new_unchecked(ScalarBuffer::from(self.views), blocks.into(), nulls) };
        Arc::new(column)
    }
}

/// The validity of a column; `None` where nothing is null.
pub fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    valid.contains(&false).then(|| NullBuffer::from(valid))
}

/// Makes room for `rows` elements in all, in huge pages where the system has them: a page fault every four KiB would
/// cost as much as parsing what fills them. Memory that is never touched costs nothing.
pub fn reserve<T>(column: &mut Vec<T>, rows: usize) {
    if rows <= column.capacity() {
        return;
    }
    column.reserve_exact(rows - column.len());
    advise_huge_pages(column);
}

#[cfg(target_os = "linux")]
fn advise_huge_pages<T>(column: &mut Vec<T>) {
    const HUGE_PAGE: usize = 2 << 20;
    let spare = column.spare_capacity_mut();
    let bytes = size_of_val(spare);
    let start = spare.as_mut_ptr() as usize;
    let (first, end) = (start.next_multiple_of(HUGE_PAGE), (start + bytes) / HUGE_PAGE * HUGE_PAGE);
    if first < end {
        #[allow(unsafe_code)]
        // SAFETY: the range lies within the vector's own unused capacity, and the advice changes no byte of it.
        unsafe {
            libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages<T>(_column: &mut Vec<T>) {}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    #[test]
    fn texts_are_shared_and_come_back() {
        let mut texts = Texts::default();
        let names = ["", "loss", "exactly12by!", "a tag that is longer than a view", "exactly13byte"];
        let views: Vec<u128> = names.iter().chain(&names).map(|name| texts.view(name)).collect();
        let buffer = texts.into_buffer();
        assert_eq!(buffer.len(), names[3].len() + names[4].len());
        let column = text_column(views, &buffer, None);
        column.to_data().validate_full().unwrap();
        let got: Vec<_> = column.as_string_view().iter().flatten().collect();
        assert_eq!(got, names.repeat(2));
    }

    #[test]
    fn blobs_come_back() {
        let mut blobs = Blobs::default();
        let rows: Vec<Option<Vec<u8>>> =
            (0..300usize).map(|i| (i % 7 != 0).then(|| vec![i as u8; i * i])).collect();
        for row in &rows {
            blobs.push(row.as_deref());
        }
        let column = blobs.finish();
        column.to_data().validate_full().unwrap();
        let got: Vec<Option<Vec<u8>>> =
            column.as_binary_view().iter().map(|row| row.map(<[u8]>::to_vec)).collect();
        assert_eq!(got, rows);
    }

    #[test]
    fn reserved_room_keeps_what_is_there() {
        let mut column = vec![1u64, 2, 3];
        reserve(&mut column, 4 << 20);
        assert!(column.capacity() >= 4 << 20);
        column.resize(4 << 20, 9);
        assert_eq!(column[..4], [1, 2, 3, 9]);
    }
}
