//! Forks: no child inherits a buffer, a held lock or the belief in a thread.
//!
//! [`before`] stops the thread, commits all writers and holds their locks, so that both sides of the fork find them
//! whole. [`after_in_parent`] and [`after_in_child`] let go; the child drops what is the parent's. Python calls the
//! three around `os.fork`.
//!
//! Behind them stands a counter that the C library raises in every forked child: who finds it raised behind Python's
//! back drops what it has inherited as well, though a lock that another thread held at that moment stays held.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard, Once};

use super::buffer::Buffer;
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

/// A writer whose locks are held. Fields are dropped in this order: the locks before what they are in.
struct Held {
    buffer: MutexGuard<'static, Buffer>,
    sink: MutexGuard<'static, Sink>,
    _writer: Arc<Writer>,
}

/// What the forking thread holds from `before` to `after`.
struct Fork {
    held: Vec<Held>,
    state: MutexGuard<'static, thread::State>,
}

thread_local! {
    static FORK: RefCell<Option<Fork>> = const { RefCell::new(None) };
}

/// Commits all writers and holds their locks. May wait for a commit in the making.
pub fn before() {
    thread::stop();
    let held = thread::writers()
        .into_iter()
        .map(|writer| {
            let mut sink = writer.sink();
            if let Err(error) = writer.commit_with(&mut sink) {
                writer.buffer().fault = Some(error);
            }
            if files::are_many() {
                sink.rest();
            }
            let buffer = writer.buffer();
            #[allow(unsafe_code)] // the guards go to a place that no lifetime describes
            // SAFETY: the locks live in `writer`, which stands behind the guards in `Held` and is dropped after them.
            let (buffer, sink) = unsafe {
                (
                    std::mem::transmute::<MutexGuard<'_, Buffer>, MutexGuard<'static, Buffer>>(buffer),
                    std::mem::transmute::<MutexGuard<'_, Sink>, MutexGuard<'static, Sink>>(sink),
                )
            };
            Held { buffer, sink, _writer: writer }
        })
        .collect();
    FORK.with_borrow_mut(|fork| *fork = Some(Fork { held, state: thread::state() }));
}

/// Lets go of the locks.
pub fn after_in_parent() {
    drop(FORK.take());
    thread::resume();
}

/// Drops what is the parent's, and lets go of the locks.
pub fn after_in_child() {
    let Some(mut fork) = FORK.take() else { return };
    fork.state.forget_inherited();
    for held in &mut fork.held {
        super::forget_inherited(&mut held.sink, &mut held.buffer);
    }
}
