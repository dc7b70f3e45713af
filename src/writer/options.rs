//! How a writer behaves, and what it has done.

use std::time::Duration;

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
    /// Whether processes that write to this logdir append to the same files.
    pub shared: bool,
    /// The number of this process among those of a distributed job, if it is part of one.
    pub rank: Option<u32>,
    /// How long a sharer waits for the others before it goes on alone.
    pub lock_timeout: Duration,
}

/// The number of this process in a distributed job, as the common launchers tell it.
pub fn rank_of_environment() -> Option<u32> {
    ["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"]
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse().ok())
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
            shared: false,
            rank: None,
            lock_timeout: Duration::from_secs(5),
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
    /// Whether the files are shared with other processes.
    pub sharing: SharingState,
    /// Batches of killed sharers that this process has completed.
    pub completed: u64,
}

/// Whether a writer shares its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharingState {
    /// It was not asked to.
    #[default]
    Off,
    /// It does, or will with its next record.
    On,
    /// It goes on in runs of its own, because the lock could not be had in time.
    LockTimeout,
    /// It goes on in runs of its own, because the file system's locks don't exclude.
    UntrustedLocks,
    /// It goes on in runs of its own, because a process of another host writes here.
    OtherHost,
}
