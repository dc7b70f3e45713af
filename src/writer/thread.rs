//! The background threads, `tfruns-writer`: when they have to commit which writer.
//!
//! One does the work. While it is in a commit another keeps the time, and takes the work over where that commit does
//! not come back: a file system that stalls holds up its own writers and no others. A writer occupies one thread at
//! most, so there are two, and one more for each writer that stalls.
//!
//! They never take a lock of Python, so they can be joined from anywhere: before a fork, for example. Who flushes has a
//! thread commit as well, and waits: so he can be told of a stall, and can give up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use super::lending::STALLED;
use super::{RETRY, Writer, files, fork};

/// A commit that takes longer does not hold up the others.
const PATIENCE: Duration = Duration::from_millis(100);
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
    /// Writers to commit. A writer stays alive until then.
    queue: Vec<Due>,
    /// What the threads are doing.
    commits: Vec<Commit>,
    threads: Vec<JoinHandle<()>>,
    alive: usize,
    /// The threads that wait for something to do.
    waiting: usize,
    asked_to_stop: bool,
    generation: u32,
}

/// A writer to commit, and when.
struct Due {
    at: Instant,
    writer: Arc<Writer>,
    /// Whether somebody waits for it: then it does not wait for the commits of others.
    waited_for: bool,
}

/// A commit in the making.
struct Commit {
    writer: Arc<Writer>,
    thread: ThreadId,
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

/// Has `writer` committed at a time.
pub(super) fn wake(writer: &Arc<Writer>, at: Instant) {
    enqueue(Due { at, writer: Arc::clone(writer), waited_for: false });
}

/// Has `writer` committed now; whether there is a thread that will.
pub(super) fn hurry(writer: &Arc<Writer>) -> bool {
    enqueue(Due { at: Instant::now(), writer: Arc::clone(writer), waited_for: true })
}

fn enqueue(due: Due) -> bool {
    let mut state = state();
    if state.generation != fork::generation() {
        state.forget_inherited();
    }
    let is_next =
        due.waited_for || state.queue.iter().all(|other| due.at < other.at || state.is_at(&other.writer));
    state.queue.push(due);
    if state.alive == state.commits.len() {
        start(&mut state);
    } else if is_next {
        WAKE.notify_one();
    }
    (state.alive > 0 || state.asked_to_stop) && !is_exiting()
}

fn start(state: &mut State) {
    if is_exiting() || state.asked_to_stop {
        return; // `resume` does, after the fork
    }
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
            state.commits.push(Commit {
                writer: Arc::clone(&writer),
                thread: std::thread::current().id(),
                since: now,
                told: false,
            });
            if !state.queue.is_empty() {
                // Somebody else has to keep the time now.
                if state.alive == state.commits.len() {
                    start(&mut state);
                } else {
                    WAKE.notify_one();
                }
            }
            drop(state);
            writer.commit_on_timer();
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
    WAKE.notify_all(); // who stops the threads waits for their end
}

impl Writer {
    fn commit_on_timer(self: &Arc<Self>) {
        {
            let mut buffer = self.buffer();
            buffer.armed = false;
            if buffer.is_clean() || buffer.closed {
                return;
            }
        }
        if self.commit_for_caller().is_err() {
            self.buffer().armed = true;
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
        if let Some(mut sink) = writer.sink.try_borrow() {
            sink.rest();
        }
    }
}

impl State {
    /// A writer whose time has come, and which no thread is at. Where nobody waits for it, it leaves a commit in the
    /// making the time to come back.
    fn take_due(&mut self, now: Instant) -> Option<Arc<Writer>> {
        let is_busy = self.commits.iter().any(|commit| now < commit.since + PATIENCE);
        let is_due = |due: &Due| due.at <= now && (due.waited_for || !is_busy) && !self.is_at(&due.writer);
        let next = self.queue.iter().position(is_due)?;
        let writer = self.queue.swap_remove(next).writer;
        self.queue.retain(|other| !Arc::ptr_eq(&other.writer, &writer));
        Some(writer)
    }

    /// When there may be something to do.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        let free = self.commits.iter().map(|commit| commit.since + PATIENCE).max().unwrap_or(now);
        let due = self.queue.iter().filter(|due| !self.is_at(&due.writer)).map(|due| due.at.max(free));
        let stalled = self.commits.iter().filter(|commit| !commit.told).map(|commit| commit.since + STALLED);
        due.chain(stalled).min()
    }

    /// The commits that a file system holds up.
    fn stalled(&self) -> impl Iterator<Item = &Commit> {
        self.commits.iter().filter(|commit| commit.since.elapsed() >= STALLED)
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

/// Stops the threads until [`resume`], and waits until they have ended, but for those that a file system holds up.
pub(super) fn stop() {
    let mut state = state();
    state.asked_to_stop = true;
    WAKE.notify_all();
    while state.alive > state.stalled().count() {
        let next = state.commits.iter().map(|commit| commit.since + STALLED).min();
        let left = next.map_or(STALLED, |next| next.saturating_duration_since(Instant::now()));
        state = WAKE.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    let stalled: Vec<_> = state.stalled().map(|commit| commit.thread).collect();
    let (stalled, ended): (Vec<_>, Vec<_>) = std::mem::take(&mut state.threads)
        .into_iter()
        .partition(|thread| stalled.contains(&thread.thread().id()));
    state.threads = stalled;
    drop(state);
    for thread in ended {
        let _panicked = thread.join();
    }
}

/// Starts a thread again, if somebody waits for it.
pub(super) fn resume() {
    let mut state = state();
    state.asked_to_stop = false;
    if !state.queue.is_empty() && state.alive == state.commits.len() {
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
