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
//! One thread a process, `tfruns-writer`, serves all writers ([`thread`]). It is started by the first record that
//! waits, and joined before a fork and at exit. Each writer has two locks, and the sink comes before the buffer:
//!
//! | lock | guards | held for |
//! |---|---|---|
//! | sink | files, records on their way, the step counter | a commit |
//! | buffer | entries not yet taken, counters | encoding one record, or a swap |
//!
//! The thread's own lock comes after both and is held for moments. Nobody holds a lock while waiting for Python.
//! A stalled file system holds the sink of its own writer; its callers go on until their buffer is full.
//!
//! Dropping the last handle commits: the timer holds a writer that has records until they are written.

mod buffer;
mod error;
mod files;
pub mod fork;
mod sink;
pub mod thread;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use buffer::RunId;
pub use error::WriteError;

use crate::event::encode::{
    SCALARS_METADATA, TEXT_METADATA, put_call_extension, put_scalar_summary, put_summary, put_text_fields,
};
use crate::event_file::{RunName, last_step, now};
use buffer::{Buffer, seal};
use sink::{RunFile, Sink};

/// A buffer that has grown to this is committed before its time.
const COMMIT_BYTES: usize = 256 << 10;
/// How long to wait before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How a writer behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Records are in their file at most this many seconds after they were logged; 0 writes each at once.
    pub flush_secs: f64,
    /// The bound of what waits in memory.
    pub max_buffer_bytes: usize,
    /// The end of file names.
    pub filename_suffix: String,
    /// Whether a float64 that is no float32 is kept beside it.
    pub exact: bool,
    /// Whether each value carries its metadata, or only the first of its tag in a file.
    pub metadata: MetadataPolicy,
}

/// Which values carry their metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataPolicy {
    /// Each: R's tfevents finds no scalar without.
    Always,
    /// The first of a tag in a file: 13 bytes less for each other scalar.
    First,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flush_secs: 1.0,
            max_buffer_bytes: 64 << 20,
            filename_suffix: ".v2".to_owned(),
            exact: true,
            metadata: MetadataPolicy::Always,
        }
    }
}

/// What a writer has done so far in this process.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Records logged.
    pub events: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Batches written.
    pub batches: u64,
    /// Bytes that wait in memory.
    pub buffered_bytes: u64,
    /// Times a caller waited for room.
    pub waits: u64,
    /// Records not taken because the buffer was full and writing failed.
    pub dropped: u64,
    /// Writes that failed.
    pub errors: u64,
    /// The last of them.
    pub last_error: Option<String>,
}

/// A logdir's writer. Cheap to share; all methods may be called from any thread.
pub struct Writer {
    logdir: PathBuf,
    options: Options,
    sink: Mutex<Sink>,
    buffer: Mutex<Buffer>,
    room: Condvar,
    last_used: AtomicU64,
}

/// Why a record was not taken.
#[derive(Debug)]
pub enum Refused {
    /// There is no room; wait with [`Writer::wait_for_room`].
    Full {
        /// Whether the last write failed, so that waiting may be for ever.
        failing: bool,
    },
    /// The writer is closed.
    Closed,
}

/// What is left to do after a record was taken.
#[derive(Debug, Default)]
#[must_use]
pub struct Taken {
    /// Whether this caller has to commit.
    pub commit: bool,
    /// What went wrong with earlier records.
    pub fault: Option<WriteError>,
    /// The first explicit step in this writer that went back: tag, step, the step before.
    pub went_back: Option<(String, i64, i64)>,
}

/// A call in the making: records that share one step and one time. Holds the buffer's lock.
pub struct Call<'w> {
    writer: &'w Arc<Writer>,
    buffer: MutexGuard<'w, Buffer>,
    wall_time: f64,
    step: i64,
    open: bool,
    extension: Vec<u8>,
    taken: Taken,
}

impl Writer {
    /// A writer for `logdir`, which should be absolute. Nothing is created before the first record.
    pub fn new(logdir: &Path, options: Options) -> Arc<Self> {
        let buffer = Buffer { generation: fork::generation(), ..Buffer::default() };
        let writer = Arc::new(Self {
            logdir: logdir.to_path_buf(),
            options,
            sink: Mutex::default(),
            buffer: Mutex::new(buffer),
            room: Condvar::new(),
            last_used: AtomicU64::new(0),
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

    /// The index of a run that has been opened.
    pub fn run(&self, name: &str) -> Option<RunId> {
        let buffer = self.buffer();
        if name == "." && buffer.names.first().is_some_and(|first| first.as_str() == ".") {
            return Some(0);
        }
        buffer.ids.get(&RunName::new(name).ok()?).copied()
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
        let file = RunFile::create(name.dir(&self.logdir), &self.options)?;
        let mut buffer = self.buffer();
        let id = buffer.add_run(name);
        sink.add_runs(&self.logdir, &buffer.names);
        sink.files[id] = file;
        drop((buffer, sink));
        thread::spare_descriptors();
        Ok(id)
    }

    /// Begins a call that logs about `size` bytes. Without a step it takes the next managed one.
    pub fn call(
        self: &Arc<Self>,
        step: Option<i64>,
        wall_time: Option<f64>,
        size: usize,
    ) -> Result<Call<'_>, Refused> {
        let wall_time = wall_time.unwrap_or_else(now);
        let mut buffer = self.buffer();
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
            buffer.fault.take()
        };
        sink.rest();
        drop(sink);
        self.room.notify_all();
        fault.map_or(Ok(()), Err)
    }

    /// Whether [`Writer::close`] has succeeded.
    pub fn is_closed(&self) -> bool {
        self.buffer().closed
    }

    /// The current file of each run.
    pub fn files(&self) -> Vec<PathBuf> {
        self.sink().files.iter().filter_map(|file| file.path().map(Path::to_path_buf)).collect()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        let sink = self.sink();
        let buffer = self.buffer();
        let counters = buffer.counters.clone();
        Stats {
            events: counters.events,
            bytes: sink.written,
            batches: sink.batches,
            buffered_bytes: (buffer.bytes + buffer.backlog) as u64,
            waits: counters.waits,
            dropped: counters.dropped,
            errors: counters.errors,
            last_error: counters.last_error,
        }
    }

    /// The next managed step, used up if `increment`.
    pub fn next_step(&self, increment: bool) -> Result<i64, WriteError> {
        let mut sink = self.sink();
        self.take(&mut sink);
        let next = self.counter(&mut sink);
        if increment {
            sink.next_step = Some(next.saturating_add(1));
        }
        Ok(next)
    }

    /// Makes `next` the next managed step; returns what it would have been.
    pub fn set_next_step(&self, next: i64) -> Result<i64, WriteError> {
        let mut sink = self.sink();
        self.take(&mut sink);
        let before = self.counter(&mut sink);
        sink.next_step = Some(next);
        Ok(before)
    }

    /// Takes the buffer and writes it.
    pub fn commit(&self) -> Result<(), WriteError> {
        let result = self.commit_with(&mut self.sink());
        thread::spare_descriptors();
        result
    }

    fn commit_with(&self, sink: &mut Sink) -> Result<(), WriteError> {
        self.take(sink);
        let result = sink.write_out(&self.options);
        let mut buffer = self.buffer();
        buffer.backlog = sink.unwritten_len();
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

    /// Moves the buffer's entries to the sink, as records: framed, their steps bound.
    fn take(&self, sink: &mut Sink) {
        let (dirty, calls) = {
            let mut buffer = self.buffer();
            sink.add_runs(&self.logdir, &buffer.names);
            let dirty = std::mem::take(&mut buffer.dirty);
            for &run in &dirty {
                std::mem::swap(&mut buffer.runs[run].entries, &mut sink.files[run].taken);
            }
            buffer.backlog += std::mem::take(&mut buffer.bytes);
            buffer.urgent = false;
            (dirty, std::mem::take(&mut buffer.calls))
        };
        let base = if calls > 0 { self.counter(sink) } else { 0 };
        if calls > 0 {
            sink.next_step = Some(base.saturating_add(calls));
        }
        for run in dirty {
            let file = &mut sink.files[run];
            let mut taken = std::mem::take(&mut file.taken);
            seal(&taken, base, file.unwritten());
            if taken.capacity() <= 4 * COMMIT_BYTES {
                taken.clear();
                file.taken = taken;
            }
        }
    }

    /// The next managed step. The first one of a logdir follows the largest step it holds.
    fn counter(&self, sink: &mut Sink) -> i64 {
        *sink
            .next_step
            .get_or_insert_with(|| last_step(&self.logdir).map_or(0, |last| last.saturating_add(1)))
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if fork::generation() != self.buffer().generation {
            forget_inherited(&mut sink, &mut self.buffer());
        }
        sink
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
}

impl Call<'_> {
    /// What the events that follow say beyond TensorBoard's fields: their epoch, and which call they belong to.
    pub fn extend(&mut self, epoch: Option<i64>, number: u64) {
        self.extension.clear();
        put_call_extension(&mut self.extension, epoch, number);
    }

    /// Logs a scalar.
    pub fn scalar(&mut self, run: RunId, tag: &str, value: f64) {
        let options = &self.writer.options;
        let metadata = match options.metadata {
            MetadataPolicy::First if !self.buffer.first_of_tag(run, tag) => b"".as_slice(),
            _ => SCALARS_METADATA,
        };
        let exact = options.exact;
        self.push(run, tag, |buf| put_scalar_summary(buf, tag, value, exact, metadata));
    }

    /// Logs a text.
    pub fn text(&mut self, run: RunId, tag: &str, text: &str) {
        let mut fields = Vec::with_capacity(text.len() + 32);
        put_text_fields(&mut fields, text, TEXT_METADATA);
        self.fields(run, tag, &fields);
    }

    /// Logs any value, given as its fields: the bytes of a `Summary.Value` but for its tag.
    pub fn fields(&mut self, run: RunId, tag: &str, fields: &[u8]) {
        self.push(run, tag, |buf| put_summary(buf, tag, fields));
    }

    fn push(&mut self, run: RunId, tag: &str, body: impl FnOnce(&mut Vec<u8>)) {
        if !self.open
            && let Some(last) = self.buffer.step_goes_back(run, tag, self.step)
        {
            self.taken.went_back = Some((tag.to_owned(), self.step, last));
        }
        let extension = &self.extension;
        self.buffer.push(run, self.wall_time, self.step, self.open, |buf| {
            body(buf);
            buf.extend_from_slice(extension);
        });
    }

    /// Ends the call and tells the thread, if it has to know.
    pub fn end(mut self) -> Taken {
        let options = &self.writer.options;
        let buffer = &mut *self.buffer;
        buffer.calls += i64::from(self.open);
        self.taken.fault = buffer.fault.take();
        self.taken.commit = options.flush_secs <= 0.0 || thread::is_exiting();
        let due = if self.taken.commit {
            None
        } else if buffer.bytes >= COMMIT_BYTES && !buffer.urgent && !buffer.failing {
            buffer.urgent = true;
            Some(Instant::now())
        } else if !buffer.armed {
            buffer.armed = true;
            Some(Instant::now() + Duration::from_secs_f64(options.flush_secs))
        } else {
            None
        };
        let Self { writer, buffer, taken, .. } = self;
        drop(buffer);
        if let Some(due) = due {
            writer.touch();
            thread::wake(writer, due);
        }
        taken
    }
}
