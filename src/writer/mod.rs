//! The writer: from any thread's record to the event files of a logdir.
//!
//! A caller encodes its record straight into the writer's *buffer* under a short lock and goes on. To *commit* is to
//! take what the buffer holds, frame it and write it to the writer's *sink* of files, one `write` a batch. Anyone may
//! commit: the background thread on its timer or when the buffer has grown, a caller in [`Writer::flush`], in a
//! writer that writes through, and after the interpreter's exit has begun. So there is no queue and no message, and a
//! fork, an exit or a thread that is not there only means that somebody else commits.
//!
//! # Threads and locks
//!
//! A thread, `tfruns-writer`, serves all writers, and another steps in where a file system stalls ([`thread`]). They
//! are started by records that wait, and joined before a fork. Each writer has two locks, and the sink comes before the buffer:
//!
//! | lock | guards | held for |
//! |---|---|---|
//! | sink | files, records on their way, the step counter | a commit |
//! | buffer | entries not yet taken, counters | encoding one record, or a swap |
//!
//! The threads' own lock comes after both and is held for moments. Nobody holds a lock while waiting for Python, but for
//! the one who forks: so who has Python's lock only tries for the buffer, and lets go of Python to wait for it.
//! A stalled file system holds the sink of its own writer; its callers go on until their buffer is full.
//!
//! Dropping the last handle commits: the timer holds a writer that has records until they are written.

mod buffer;
mod call;
mod entries;
mod error;
mod files;
pub mod fork;
mod options;
mod rows;
mod run_file;
mod series;
mod share;
mod sidecar;
mod sink;
mod spare;
pub mod thread;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

pub use buffer::RunId;
pub use call::{Call, Refused, Taken};
pub use error::WriteError;
pub use options::{MetadataPolicy, Options, SharingState, Stats, rank_of_environment};
pub use rows::{RowError, RowWriter};
pub use series::Series;

use crate::event_file::{Attempt, InvalidRunName, RunName, now};
use buffer::Buffer;
use sink::Sink;

/// A buffer that has grown to this is committed before its time.
const COMMIT_BYTES: usize = 256 << 10;
/// How long to wait before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// A logdir's writer. Cheap to share; all methods may be called from any thread.
pub struct Writer {
    logdir: PathBuf,
    options: Options,
    sink: Mutex<Sink>,
    buffer: Mutex<Buffer>,
    room: Condvar,
    last_used: AtomicU64,
    closed: AtomicBool,
    /// Whether the thread waits for the file system, and nobody has been told.
    stalled: AtomicBool,
}

impl Writer {
    /// A writer for `logdir`, which should be absolute. Nothing is created before the first record.
    pub fn new(logdir: &Path, options: Options) -> Arc<Self> {
        let sink = Sink::new(logdir, &options);
        let mut buffer = Buffer { generation: fork::generation(), ..Buffer::default() };
        buffer.counters.written = sink.written();
        let writer = Arc::new(Self {
            logdir: logdir.to_path_buf(),
            sink: Mutex::new(sink),
            buffer: Mutex::new(buffer),
            room: Condvar::new(),
            last_used: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            options,
        });
        thread::register(&writer);
        writer
    }

    /// Where the writer's runs are.
    pub fn logdir(&self) -> &Path {
        &self.logdir
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The index of a run that has been opened, if it can be had without waiting.
    pub fn run(&self, name: &str) -> Option<RunId> {
        self.try_buffer()?.ids.get(name).copied()
    }

    /// Whether events with explicit steps go to runs of their own.
    pub fn is_ranked(&self) -> bool {
        self.options.shared && self.options.rank.is_some_and(|rank| rank > 0)
    }

    /// The run that events of `run` with explicit steps go to: where several ranks log the same tags with steps of
    /// their own, each has a run of its own.
    pub fn run_of_steps(&self, run: &str) -> Result<RunName, InvalidRunName> {
        let name = RunName::new(run)?;
        Ok(match self.options.rank.filter(|_| self.is_ranked()) {
            Some(rank) => name.suffixed(&format!("{}-{rank}", Attempt::current().host)),
            None => name,
        })
    }

    /// Creates the directory and the file of a run, so that what is wrong with them is told at once.
    pub fn open_run(&self, name: RunName) -> Result<RunId, WriteError> {
        let mut sink = self.sink();
        {
            let buffer = self.buffer();
            if buffer.closed {
                return Err(WriteError::Closed(self.logdir.clone()));
            }
            if let Some(&id) = buffer.ids.get(&name) {
                return Ok(id);
            }
        }
        sink.create_run(&name, &self.options)?;
        let mut buffer = self.buffer();
        let id = buffer.add_run(name);
        buffer.counters.written = sink.written();
        drop(buffer);
        drop(sink);
        thread::spare_descriptors();
        Ok(id)
    }

    /// Begins a call that logs about `size` bytes. Without a step it takes the next managed one.
    ///
    /// Never waits: a caller may hold what others need to go on, Python's lock for example.
    pub fn call(
        self: &Arc<Self>,
        step: Option<i64>,
        wall_time: Option<f64>,
        size: usize,
    ) -> Result<Call<'_>, Refused> {
        let wall_time = wall_time.unwrap_or_else(now);
        let Some(mut buffer) = self.try_buffer() else { return Err(Refused::Busy) };
        if buffer.generation != fork::generation() {
            drop(buffer);
            drop(self.sink()); // forgets what is the parent's
            buffer = self.buffer();
        }
        if buffer.closed {
            return Err(Refused::Closed);
        }
        let waiting = buffer.bytes + buffer.backlog;
        if waiting > 0 && waiting + size > self.options.max_buffer_bytes {
            return Err(Refused::Full { failing: buffer.failing });
        }
        let step_or_call = step.unwrap_or(buffer.calls);
        let open = step.is_none();
        Ok(Call {
            writer: self,
            buffer,
            wall_time,
            step: step_or_call,
            open,
            extension: Vec::new(),
            taken: Taken::default(),
        })
    }

    /// Waits until the buffer is free.
    pub fn wait_for_turn(&self) {
        drop(self.buffer());
    }

    /// Waits until a commit has made room, or for `timeout`.
    pub fn wait_for_room(self: &Arc<Self>, timeout: Duration) {
        let mut buffer = self.buffer();
        if !buffer.urgent && !buffer.failing {
            buffer.urgent = true;
            drop(buffer);
            thread::wake(self, Instant::now());
            buffer = self.buffer();
        }
        if buffer.bytes + buffer.backlog > 0 && !buffer.closed {
            let _unused = self.room.wait_timeout(buffer, timeout);
        }
    }

    /// Takes what a failed write has left for the callers to know.
    pub fn take_fault(&self) -> Option<WriteError> {
        self.buffer().fault.take()
    }

    /// Counts a call that has to wait.
    pub fn count_wait(&self) {
        self.buffer().counters.waits += 1;
    }

    /// Bytes that are not in a file yet.
    pub fn waiting_bytes(&self) -> usize {
        let buffer = self.buffer();
        buffer.bytes + buffer.backlog
    }

    /// Counts records that were given up.
    pub fn count_dropped(&self, records: u64) {
        self.buffer().counters.dropped += records;
    }

    /// Writes all records logged so far. A barrier: when it returns without an error, they are in their files.
    pub fn flush(&self) -> Result<(), WriteError> {
        self.commit()?;
        self.buffer().fault.take().map_or(Ok(()), Err)
    }

    /// [`Writer::flush`], and sees the files to the disk.
    pub fn sync(&self) -> Result<(), WriteError> {
        self.flush()?;
        self.sink().sync()
    }

    /// Flushes and ends the writer. With an error it stays open, so that nothing is lost that could be written later.
    pub fn close(&self) -> Result<(), WriteError> {
        let mut sink = self.sink();
        self.commit_with(&mut sink)?;
        let fault = {
            let mut buffer = self.buffer();
            buffer.closed = buffer.bytes == 0;
            self.closed.store(buffer.closed, Ordering::Release);
            buffer.fault.take()
        };
        sink.retire(&self.options);
        drop(sink);
        self.room.notify_all();
        fault.map_or(Ok(()), Err)
    }

    /// Whether [`Writer::close`] has succeeded.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The current file of each run.
    pub fn files(&self) -> Vec<PathBuf> {
        self.sink().files.iter().filter_map(|file| file.path().map(Path::to_path_buf)).collect()
    }

    /// The counters, as of the last commit: this never waits for one.
    pub fn stats(&self) -> Stats {
        let buffer = self.buffer();
        let counters = buffer.counters.clone();
        Stats {
            events: counters.events,
            bytes: counters.written.bytes,
            batches: counters.written.batches,
            buffered_bytes: (buffer.bytes + buffer.backlog) as u64,
            waits: counters.waits,
            dropped: counters.dropped,
            errors: counters.errors,
            last_error: counters.last_error,
            sharing: counters.written.sharing,
            completed: counters.written.completed,
        }
    }

    /// The next managed step, used up if `increment`.
    pub fn next_step(&self, increment: bool) -> Result<i64, WriteError> {
        self.counter(|next| increment.then(|| next.saturating_add(1)))
    }

    /// Makes `next` the next managed step; returns what it would have been.
    pub fn set_next_step(&self, next: i64) -> Result<i64, WriteError> {
        self.counter(|_| Some(next))
    }

    fn counter(&self, change: impl Fn(i64) -> Option<i64>) -> Result<i64, WriteError> {
        let mut sink = self.sink();
        sink.take(&mut self.buffer());
        let counted = sink.count(&self.options, change);
        let mut buffer = self.buffer();
        buffer.backlog = sink.waiting();
        buffer.counters.written = sink.written();
        counted
    }

    /// Ends the part of an idle writer in the sharing, as its process ends.
    fn retire(&self) {
        let mut sink = self.sink();
        if self.waiting_bytes() == 0 {
            sink.retire(&self.options);
        }
    }

    /// Takes the buffer and writes it.
    pub fn commit(&self) -> Result<(), WriteError> {
        let result = self.commit_with(&mut self.sink());
        thread::spare_descriptors();
        result
    }

    fn commit_with(&self, sink: &mut Sink) -> Result<(), WriteError> {
        sink.take(&mut self.buffer());
        let result = sink.commit(&self.options);
        let mut buffer = self.buffer();
        buffer.backlog = sink.waiting();
        buffer.counters.written = sink.written();
        match &result {
            Ok(()) => {
                buffer.failing = false;
                buffer.fault.take_if(|fault| matches!(fault, WriteError::Io { lost: false, .. }));
            }
            Err(error) => {
                buffer.failing = true;
                buffer.counters.errors += 1;
                buffer.counters.last_error = Some(error.to_string());
                if matches!(error, WriteError::Io { lost: true, .. }) {
                    buffer.forget_described();
                }
            }
        }
        drop(buffer);
        self.room.notify_all();
        result
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if fork::generation() != self.buffer().generation {
            forget_inherited(&mut sink, &mut self.buffer());
        }
        sink
    }

    fn try_buffer(&self) -> Option<MutexGuard<'_, Buffer>> {
        const TRIES: u32 = 200; // some microseconds: longer than a swap or a record takes
        for _ in 0..TRIES {
            match self.buffer.try_lock() {
                Ok(buffer) => return Some(buffer),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        static CLOCK: AtomicU64 = AtomicU64::new(0);
        self.last_used.store(CLOCK.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Drops what a forked child has inherited.
fn forget_inherited(sink: &mut Sink, buffer: &mut Buffer) {
    sink.forget_inherited();
    buffer.forget_inherited(fork::generation());
    buffer.counters.written = sink.written();
}
