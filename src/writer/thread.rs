//! The background threads, `tfruns-writer`: when they have to commit which writer.
//!
//! One does the work. While it is in a commit another keeps the time, and takes the work over where that commit does
//! not come back: a file system that stalls holds up its own writers and no others. A writer occupies one thread at
//! most, so there are two, and one more for each writer that stalls.
//!
//! They never take a lock of Python, so they can be joined from anywhere: before a fork, for example.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{RETRY, Writer, files, fork};

/// A commit that takes longer does not hold up the others.
const PATIENCE: Duration = Duration::from_millis(100);
/// A commit that takes longer is worth a warning.
const STALLED: Duration = Duration::from_secs(5);
/// Threads that are kept while there is nothing to do: one to work, one to keep the time.
const KEPT: usize = 2;

static STATE: Mutex<State> = Mutex::new(State {
    writers: Vec::new(),
    queue: Vec::new(),
    commits: Vec::new(),
    threads: Vec::new(),
    alive: 0,
    waiting: 0,
    asked_to_stop: false,
    generation: 0,
});
static WAKE: Condvar = Condvar::new();
static EXITING: AtomicBool = AtomicBool::new(false);

pub(super) struct State {
    writers: Vec<Weak<Writer>>,
    /// Writers to commit, and when. A writer stays alive until then.
    queue: Vec<(Instant, Arc<Writer>)>,
    /// What the threads are doing.
    commits: Vec<Commit>,
    threads: Vec<JoinHandle<()>>,
    alive: usize,
    /// The threads that wait for something to do.
    waiting: usize,
    asked_to_stop: bool,
    generation: u32,
}

/// A commit in the making.
struct Commit {
    writer: Arc<Writer>,
    since: Instant,
    told: bool,
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
    let sooner = state.queue.iter().all(|(other, writer)| due < *other || state.is_at(writer));
    state.queue.push((due, Arc::clone(writer)));
    if state.alive == state.commits.len() {
        start(&mut state);
    } else if sooner {
        WAKE.notify_one();
    }
}

fn start(state: &mut State) {
    if is_exiting() {
        return;
    }
    state.asked_to_stop = false;
    state.threads.retain(|thread| !thread.is_finished());
    // Without a thread, what callers log is committed when they flush, and at exit.
    if let Ok(thread) = std::thread::Builder::new().name("tfruns-writer".to_owned()).spawn(run) {
        state.threads.push(thread);
        state.alive += 1;
    }
}

fn run() {
    let mut state = state();
    while !state.asked_to_stop && !is_exiting() {
        let now = Instant::now();
        state.tell_of_stalls(now);
        if let Some(writer) = state.take_due(now) {
            state.commits.push(Commit { writer: Arc::clone(&writer), since: now, told: false });
            if state.alive == state.commits.len() && !state.queue.is_empty() {
                start(&mut state);
            }
            drop(state);
            writer.commit_on_timer();
            spare_descriptors();
            state = self::state();
            state.commits.retain(|commit| !Arc::ptr_eq(&commit.writer, &writer));
        } else if state.waiting < KEPT {
            state.waiting += 1;
            state = match state.next_look(now) {
                None => WAKE.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(next) => WAKE.wait_timeout(state, next - now).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.waiting -= 1;
        } else {
            break;
        }
    }
    state.alive -= 1;
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
    /// A writer whose time has come, and which no thread is at. None while a commit may come back soon.
    fn take_due(&mut self, now: Instant) -> Option<Arc<Writer>> {
        if self.commits.iter().any(|commit| now < commit.since + PATIENCE) {
            return None;
        }
        let due = self.queue.iter().position(|(due, writer)| *due <= now && !self.is_at(writer))?;
        let (_, writer) = self.queue.swap_remove(due);
        self.queue.retain(|(due, other)| *due > now || !Arc::ptr_eq(other, &writer));
        Some(writer)
    }

    /// When there may be something to do.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        let free = self.commits.iter().map(|commit| commit.since + PATIENCE).max().unwrap_or(now);
        let due =
            self.queue.iter().filter(|(_, writer)| !self.is_at(writer)).map(|(due, _)| (*due).max(free));
        let stalled = self.commits.iter().filter(|commit| !commit.told).map(|commit| commit.since + STALLED);
        due.chain(stalled).min()
    }

    fn is_at(&self, writer: &Arc<Writer>) -> bool {
        self.commits.iter().any(|commit| Arc::ptr_eq(&commit.writer, writer))
    }

    fn tell_of_stalls(&mut self, now: Instant) {
        for commit in self.commits.iter_mut().filter(|commit| now >= commit.since + STALLED) {
            if !std::mem::replace(&mut commit.told, true) {
                commit.writer.stalled.store(true, Ordering::Relaxed);
            }
        }
    }

    /// In a forked child there is no thread, and what waits is the parent's.
    pub fn forget_inherited(&mut self) {
        self.queue.clear();
        self.commits.clear();
        self.threads.drain(..).for_each(std::mem::forget);
        self.alive = 0;
        self.waiting = 0;
        self.asked_to_stop = false;
        self.generation = fork::generation();
    }
}

/// Stops the threads and waits until they have ended: at most for the commits in the making.
pub(super) fn stop() {
    let threads = {
        let mut state = state();
        state.asked_to_stop = true;
        std::mem::take(&mut state.threads)
    };
    WAKE.notify_all();
    for thread in threads {
        let _panicked = thread.join();
    }
    state().asked_to_stop = false;
}

/// Starts a thread again, if somebody waits for it.
pub(super) fn resume() {
    let mut state = state();
    if !state.queue.is_empty() && state.alive == 0 {
        start(&mut state);
    }
}

/// The end of the process: commits all writers. From now on callers commit for themselves.
///
/// Returns the writers whose records could not be written by then, or not before `deadline`.
pub fn exit(deadline: Duration) -> Vec<Arc<Writer>> {
    EXITING.store(true, Ordering::Relaxed);
    WAKE.notify_all();
    let mut waiting = writers();
    let work = Arc::new(Mutex::new(VecDeque::from(waiting.clone())));
    let (done, all_done) = mpsc::channel();
    let end = Instant::now() + deadline;
    // Threads of their own, one more whenever a file system stalls, for it would hold this one past the deadline.
    let mut is_working = commit_at_exit(&work, &done);
    let mut left = waiting.len();
    while is_working && left > 0 && Instant::now() < end {
        match all_done.recv_timeout(PATIENCE.min(end.saturating_duration_since(Instant::now()))) {
            // Threads that still log commit for themselves; what of theirs waits at this moment is not lost.
            Ok(Some(committed)) => waiting.retain(|other| !Arc::ptr_eq(other, &committed)),
            Ok(None) => left -= 1,
            Err(RecvTimeoutError::Timeout) => is_working = commit_at_exit(&work, &done),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    waiting.retain(|writer| writer.waiting_bytes() > 0);
    waiting
}

/// Starts a thread that commits the writers left, and tells of each that it is committed, then that it is done with.
fn commit_at_exit(
    work: &Arc<Mutex<VecDeque<Arc<Writer>>>>,
    done: &mpsc::Sender<Option<Arc<Writer>>>,
) -> bool {
    let take = |work: &Mutex<VecDeque<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (work, done) = (Arc::clone(work), done.clone());
    let thread = std::thread::Builder::new().name("tfruns-exit".to_owned()).spawn(move || {
        while let Some(writer) = take(&work) {
            if writer.commit().is_ok() {
                let _nobody_waits = done.send(Some(Arc::clone(&writer)));
            }
            writer.retire();
            let _nobody_waits = done.send(None);
        }
    });
    thread.is_ok()
}
