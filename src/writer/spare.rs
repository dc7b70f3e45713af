//! Memory that batches pass through: used again for the next one, and given back to the system after a burst.
//!
//! Left to itself, the C library's allocator keeps what a burst has freed, for it expects another. So a process that
//! once could not write fast enough would hold its largest backlog for ever. Here a few buffers are kept for all
//! writers together, and the pages of others go back when they are done with.

use std::sync::Mutex;

/// Room for a batch as the thread takes it, and some.
const LARGE: usize = 512 << 10;
/// Buffers larger than this are not kept: one that has grown beyond [`LARGE`] held more than a batch.
const LARGEST: usize = 640 << 10;
/// How many are kept.
const KEPT: usize = 12;
/// Smaller buffers are left to the allocator.
const SMALL: usize = 32 << 10;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty buffer: one that was used before, if there is one.
pub(super) fn take() -> Vec<u8> {
    // Nobody ever waits here: a forked child may have inherited the lock from a thread it has not.
    SPARE.try_lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
}

/// An empty buffer that a batch fits into.
pub(super) fn take_large() -> Vec<u8> {
    let mut buffer = take();
    buffer.reserve_exact(LARGE);
    buffer
}

/// Takes a buffer that is done with.
pub(super) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() < SMALL {
        return;
    }
    if buffer.capacity() <= LARGEST
        && let Ok(mut spare) = SPARE.try_lock()
        && spare.len() < KEPT
    {
        buffer.clear();
        spare.push(buffer);
        return;
    }
    empty_pages(&mut buffer);
}

/// Tells the system that what the buffer's pages hold is not needed any more.
#[cfg(target_os = "linux")]
fn empty_pages(buffer: &mut Vec<u8>) {
    const LARGEST_PAGE: usize = 64 << 10;
    buffer.clear();
    let start = buffer.as_mut_ptr() as usize;
    let first = start.next_multiple_of(LARGEST_PAGE);
    let end = (start + buffer.capacity()) / LARGEST_PAGE * LARGEST_PAGE;
    if first < end {
        #[allow(unsafe_code)] // no safe call gives pages of the heap back
        // SAFETY: the whole pages between `first` and `end` lie in the buffer, which is empty: nobody reads them
        // before they are written again.
        unsafe {
            libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_DONTNEED);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn empty_pages(_: &mut Vec<u8>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept_and_none_that_is_large() {
        for _ in 0..3 * KEPT {
            give(Vec::with_capacity(LARGE));
            give(Vec::with_capacity(LARGEST + 1));
        }
        let spare = SPARE.lock().unwrap();
        assert!(spare.len() <= KEPT);
        assert!(spare.iter().all(|buffer| buffer.is_empty() && buffer.capacity() <= LARGEST));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pages_are_given_back() {
        let resident = || {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        let mut buffer = vec![1; 64 << 20];
        let before = resident();
        empty_pages(&mut buffer);
        assert!(resident() + (48 << 20) < before);
        buffer.extend_from_slice(&[7; 100]);
        assert_eq!(buffer, [7; 100]);
    }
}
