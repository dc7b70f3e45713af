//! Forks: no child inherits a buffer, a held lock or the belief in a thread.
//!
//! [`settle`] has all writers committed. [`before`] stops the threads and holds the writers' locks, so that both sides of
//! the fork find them whole. [`after_in_parent`] and [`after_in_child`] let go; the child drops what is the parent's.
//! Python calls the four around `os.fork`.
//!
//! A file system that stalls holds up the forks of its process for five seconds together. Then they leave the write
//! and its thread alone: the parent's records wait for it as before, and the child begins with files of its own.
//!
//! Behind them stands a counter that the C library raises in every forked child: who finds it raised behind Python's
//! back drops what it has inherited as well, though a lock that another thread held at that moment stays held.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard, Once};
use std::time::{Duration, Instant};

use super::buffer::Buffer;
use super::lending::STALLED;
use super::sink::Sink;
use super::{Writer, files, thread};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The number of forks between this process and the one that loaded the library.
pub(super) fn generation() -> u32 {
    static WATCH: Once = Once::new();
    WATCH.call_once(watch);
    GENERATION.load(Ordering::Relaxed)
}

#[cfg(unix)]
fn watch() {
    extern "C" fn count() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    #[allow(unsafe_code)] // the C library has no other way to tell of a fork
    // SAFETY: the handler only touches an atomic, which a forked child may do at any point.
    unsafe {
        libc::pthread_atfork(None, None, Some(count));
    }
}

#[cfg(not(unix))]
fn watch() {}

/// A writer whose locks are held. Fields are dropped in this order: the lock before what it is in.
struct Held {
    buffer: MutexGuard<'static, Buffer>,
    /// None where its file system stalls.
    sink: Option<Box<Sink>>,
    writer: Arc<Writer>,
}

impl Held {
    fn new(writer: Arc<Writer>) -> Self {
        let mut sink = writer.sink.take_away();
        if files::are_many()
            && let Some(sink) = &mut sink
        {
            sink.rest();
        }
        let buffer = writer.buffer();
        #[allow(unsafe_code)] // the guard goes to a place that no lifetime describes
        // SAFETY: the lock lives in `writer`, which stands behind the guard in `Held` and is dropped after it.
        let buffer =
            unsafe { std::mem::transmute::<MutexGuard<'_, Buffer>, MutexGuard<'static, Buffer>>(buffer) };
        Self { buffer, sink, writer }
    }

    fn bring_back(&mut self) {
        if let Some(sink) = self.sink.take() {
            self.writer.sink.bring_back(sink);
        }
    }
}

/// What the forking thread holds from `before` to `after`.
struct Fork {
    held: Vec<Held>,
    state: MutexGuard<'static, thread::State>,
}

thread_local! {
    static FORK: RefCell<Option<Fork>> = const { RefCell::new(None) };
}

/// Commits all writers. Waits for file systems, but not for one that stalls.
pub fn settle() {
    let end = Instant::now() + STALLED;
    let waiting = thread::writers().into_iter().filter(|writer| writer.waiting_bytes() > 0);
    let flushes: Vec<_> = waiting.map(|writer| (writer.begin_flush(), writer)).collect();
    for (flush, writer) in flushes {
        let look = || Duration::from_millis(100).min(end.saturating_duration_since(Instant::now()));
        while !writer.sink.is_stalled() && !writer.wait_committed(flush, look()) && Instant::now() < end {}
    }
}

/// Holds the locks of all writers.
pub fn before() {
    thread::stop();
    let held = thread::writers().into_iter().map(Held::new).collect();
    FORK.with_borrow_mut(|fork| *fork = Some(Fork { held, state: thread::state() }));
}

/// Lets go of the locks.
pub fn after_in_parent() {
    if let Some(mut fork) = FORK.take() {
        fork.held.iter_mut().for_each(Held::bring_back);
    }
    thread::resume();
}

/// Drops what is the parent's, and lets go of the locks.
pub fn after_in_child() {
    let Some(mut fork) = FORK.take() else { return };
    fork.state.forget_inherited();
    for held in &mut fork.held {
        held.bring_back();
        held.writer.forget_inherited(&mut held.buffer);
    }
}
