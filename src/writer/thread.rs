//! The one background thread, `tfruns-writer`: when it has to commit which writer.
//!
//! It never takes a lock of Python, so it can be joined from anywhere: before a fork, and at exit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{RETRY, Writer, files, fork};

static STATE: Mutex<State> = Mutex::new(State {
    writers: Vec::new(),
    queue: Vec::new(),
    thread: None,
    asked_to_stop: false,
    generation: 0,
});
static WAKE: Condvar = Condvar::new();
static EXITING: AtomicBool = AtomicBool::new(false);

pub(super) struct State {
    writers: Vec<Weak<Writer>>,
    /// Writers to commit, and when. A writer stays alive until then.
    queue: Vec<(Instant, Arc<Writer>)>,
    thread: Option<JoinHandle<()>>,
    asked_to_stop: bool,
    generation: u32,
}

pub(super) fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All writers of the process, open or not.
pub fn writers() -> Vec<Arc<Writer>> {
    state().writers.iter().filter_map(Weak::upgrade).collect()
}

/// Whether callers have to commit for themselves, because nobody waits for the thread any more.
pub fn is_exiting() -> bool {
    EXITING.load(Ordering::Relaxed)
}

pub(super) fn register(writer: &Arc<Writer>) {
    let mut state = state();
    if state.writers.len() == state.writers.capacity() {
        state.writers.retain(|writer| writer.strong_count() > 0);
    }
    state.writers.push(Arc::downgrade(writer));
}

/// Has `writer` committed when it is `due`.
pub(super) fn wake(writer: &Arc<Writer>, due: Instant) {
    let mut state = state();
    if state.generation != fork::generation() {
        state.forget_inherited();
    }
    let sooner = state.queue.iter().all(|(other, _)| due < *other);
    state.queue.push((due, Arc::clone(writer)));
    if state.thread.is_none() && !is_exiting() {
        start(&mut state);
    } else if sooner {
        WAKE.notify_one();
    }
}

fn start(state: &mut State) {
    state.asked_to_stop = false;
    // Without a thread, what callers log is committed when they flush, and at exit.
    state.thread = std::thread::Builder::new().name("tfruns-writer".to_owned()).spawn(run).ok();
}

fn run() {
    let mut state = state();
    while !state.asked_to_stop {
        let now = Instant::now();
        let due: Vec<_> =
            state.queue.extract_if(.., |(due, _)| *due <= now).map(|(_, writer)| writer).collect();
        if due.is_empty() {
            let next = state.queue.iter().map(|(due, _)| *due).min();
            state = match next {
                None => WAKE.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(next) => WAKE.wait_timeout(state, next - now).unwrap_or_else(PoisonError::into_inner).0,
            };
            continue;
        }
        drop(state);
        for writer in due {
            writer.commit_on_timer();
        }
        spare_descriptors();
        state = self::state();
    }
}

impl Writer {
    fn commit_on_timer(self: &Arc<Self>) {
        {
            let mut buffer = self.buffer();
            buffer.armed = false;
            if buffer.bytes + buffer.backlog == 0 || buffer.closed {
                return;
            }
        }
        if let Err(error) = self.commit() {
            let mut buffer = self.buffer();
            buffer.fault = Some(error);
            buffer.armed = true;
            drop(buffer);
            self.room.notify_all();
            wake(self, Instant::now() + RETRY);
        }
    }
}

/// Closes the files of the writers not used for longest, if there are too many. Writers that are busy are left alone.
pub(super) fn spare_descriptors() {
    if !files::are_many() {
        return;
    }
    let mut writers = writers();
    writers.sort_by_key(|writer| writer.last_used.load(Ordering::Relaxed));
    for writer in writers {
        if files::are_few() {
            break;
        }
        if let Ok(mut sink) = writer.sink.try_lock() {
            sink.rest();
        }
    }
}

impl State {
    /// In a forked child there is no thread, and what waits is the parent's.
    pub fn forget_inherited(&mut self) {
        self.queue.clear();
        if let Some(thread) = self.thread.take() {
            std::mem::forget(thread);
        }
        self.asked_to_stop = false;
        self.generation = fork::generation();
    }
}

/// Stops the thread and waits until it has ended: at most for a commit in the making.
pub(super) fn stop() {
    let thread = {
        let mut state = state();
        state.asked_to_stop = true;
        state.thread.take()
    };
    WAKE.notify_all();
    if let Some(thread) = thread {
        let _panicked = thread.join();
    }
    state().asked_to_stop = false;
}

/// Starts the thread again, if somebody waits for it.
pub(super) fn resume() {
    let mut state = state();
    if !state.queue.is_empty() && state.thread.is_none() && !is_exiting() {
        start(&mut state);
    }
}

/// The end of the process: commits all writers. From now on callers commit for themselves.
///
/// Returns the writers whose records could not be written by then, or not before `deadline`.
pub fn exit(deadline: Duration) -> Vec<Arc<Writer>> {
    EXITING.store(true, Ordering::Relaxed);
    let writers = writers();
    let (done, all_done) = std::sync::mpsc::channel();
    let work = writers.clone();
    // A thread of its own, for a file system that stalls would hold this one past the deadline.
    let thread = std::thread::Builder::new().name("tfruns-exit".to_owned()).spawn(move || {
        stop();
        for writer in work {
            let committed = writer.commit().is_ok();
            if done.send(committed).is_err() {
                return;
            }
            writer.retire();
        }
    });
    let end = Instant::now() + deadline;
    let mut waiting = writers;
    if thread.is_ok() {
        let mut written = Vec::new();
        while let Ok(committed) = all_done.recv_timeout(end.saturating_duration_since(Instant::now())) {
            written.push(committed);
        }
        // Threads that still log commit for themselves; what of theirs waits at this moment is not lost.
        let mut written = written.into_iter();
        waiting.retain(|_| !written.next().unwrap_or(false));
    }
    waiting.retain(|writer| writer.waiting_bytes() > 0);
    waiting
}
