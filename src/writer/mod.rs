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
//! The sink's is no lock of the system: the sink is lent ([`lending`]). The threads' own lock comes after both and is
//! held for moments. Nobody holds a lock while waiting for Python, but for
//! the one who forks: so who has Python's lock only tries for the buffer, and lets go of Python to wait for it.
//! A stalled file system holds the sink of its own writer; its callers go on until their buffer is full, and who
//! flushes waits for a thread, not in the write, so that he can give up.
//!
//! Dropping the last handle commits: the timer holds a writer that has records until they are written.

mod buffer;
mod call;
mod entries;
mod error;
mod files;
pub mod fork;
mod lending;
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
use lending::{Lending, Lent, STALLED};
use sink::Sink;

/// A buffer that has grown to this is committed before its time.
const COMMIT_BYTES: usize = 256 << 10;
/// How long to wait before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// A logdir's writer. Cheap to share; all methods may be called from any thread.
pub struct Writer {
    logdir: PathBuf,
    options: Options,
    sink: Lending,
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
            sink: Lending::new(sink),
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

    /// Creates the directory and the file of a run, so that what is wrong with them is told at once; but for a full
    /// disk, which may have space again when the records are written.
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
        match sink.create_run(&name, &self.options) {
            Err(error) if error.is_full_disk() && sink.dir(&name).is_dir() => sink.add_run(name.clone()),
            created => created?,
        }
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
            self.forget_inherited(&mut buffer);
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
    pub fn flush(self: &Arc<Self>) -> Result<(), WriteError> {
        let flush = self.begin_flush();
        loop {
            if let Some(flushed) = self.wait_flushed(flush, STALLED) {
                return flushed;
            }
        }
    }

    /// Has a thread write all records logged so far; to be waited for with [`Writer::wait_flushed`].
    pub fn begin_flush(self: &Arc<Self>) -> Flush {
        self.notice_fork();
        let buffer = self.buffer();
        if buffer.is_clean() {
            return Flush(0);
        }
        let flush = Flush(buffer.commits_begun + 1);
        drop(buffer);
        if !thread::hurry(self) {
            let _told_by_wait_flushed = self.commit_for_caller();
        }
        flush
    }

    /// What came of a flush; None if nothing has until `timeout`.
    pub fn wait_flushed(&self, flush: Flush, timeout: Duration) -> Option<Result<(), WriteError>> {
        self.wait_committed(flush, timeout).then(|| {
            let mut buffer = self.buffer();
            match buffer.fault.take() {
                Some(fault) => Err(fault),
                None if buffer.failing => {
                    drop(buffer);
                    self.commit() // another one who flushes was told
                }
                None => Ok(()),
            }
        })
    }

    fn wait_committed(&self, flush: Flush, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut buffer = self.buffer();
        while buffer.commits_ended < flush.0 && !buffer.is_clean() && !buffer.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            buffer = self.room.wait_timeout(buffer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until nobody is at the files, or for `timeout`; whether nobody is.
    pub fn wait_for_files(&self, timeout: Duration) -> bool {
        self.notice_fork();
        self.sink.wait(timeout)
    }

    /// [`Writer::flush`], and sees the files to the disk.
    pub fn sync(self: &Arc<Self>) -> Result<(), WriteError> {
        self.flush()?;
        self.sink().sync()
    }

    /// Flushes and ends the writer. With an error it stays open, so that nothing is lost that could be written later.
    pub fn close(&self) -> Result<(), WriteError> {
        let mut sink = self.sink();
        self.commit_with(&mut sink, |_, error| error)?;
        let fault = {
            let mut buffer = self.buffer();
            buffer.closed = buffer.bytes == 0;
            self.closed.store(buffer.closed, Ordering::Release);
            buffer.fault.take()
        };
        sink.retire(&self.options);
        self.buffer().counters.written = sink.written();
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
            self.buffer().counters.written = sink.written();
        }
    }

    /// Takes the buffer and writes it.
    pub fn commit(&self) -> Result<(), WriteError> {
        let result = self.commit_with(&mut self.sink(), |_, error| error);
        thread::spare_descriptors();
        result
    }

    /// [`Writer::commit`] in place of a caller, who is told at his next call.
    fn commit_for_caller(&self) -> Result<(), ()> {
        let result = self.commit_with(&mut self.sink(), |buffer, error| buffer.fault = Some(error));
        thread::spare_descriptors();
        result
    }

    fn commit_with<E>(
        &self,
        sink: &mut Sink,
        fail: impl FnOnce(&mut Buffer, WriteError) -> E,
    ) -> Result<(), E> {
        let commit = {
            let mut buffer = self.buffer();
            sink.take(&mut buffer);
            buffer.commits_begun += 1;
            buffer.commits_begun
        };
        let result = sink.commit(&self.options);
        let mut buffer = self.buffer();
        buffer.commits_ended = commit;
        buffer.backlog = sink.waiting();
        buffer.counters.written = sink.written();
        buffer.failing = result.is_err();
        let result = match result {
            Ok(()) => {
                buffer.fault.take_if(|fault| matches!(fault, WriteError::Io { lost: false, .. }));
                Ok(())
            }
            Err(error) => {
                buffer.counters.errors += 1;
                buffer.counters.last_error = Some(error.to_string());
                if matches!(error, WriteError::Io { lost: true, .. }) {
                    buffer.forget_described();
                }
                Err(fail(&mut buffer, error))
            }
        };
        drop(buffer);
        self.room.notify_all();
        result
    }

    fn sink(&self) -> Lent<'_> {
        self.notice_fork();
        self.sink.borrow()
    }

    fn notice_fork(&self) {
        let mut buffer = self.buffer();
        if buffer.generation != fork::generation() {
            self.forget_inherited(&mut buffer);
        }
    }

    /// Drops what a forked child has inherited.
    fn forget_inherited(&self, buffer: &mut Buffer) {
        self.sink.inherit(|inherited| {
            let mut sink = inherited.unwrap_or_else(|| {
                let mut sink = Sink::new(&self.logdir, &self.options);
                buffer.names().for_each(|name| sink.add_run(name.clone()));
                Box::new(sink)
            });
            sink.forget_inherited();
            buffer.forget_inherited(fork::generation());
            buffer.counters.written = sink.written();
            sink
        });
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

/// A flush on its way.
#[derive(Clone, Copy, Debug)]
pub struct Flush(u64);
