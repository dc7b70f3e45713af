//! The first record of a file, and who wrote it.

use std::fs;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::event::proto;
use crate::tfrecord::append_record;

/// What TensorBoard expects of a file that is not from before 2016.
const FILE_VERSION: &str = "brain.Event:2";
const WRITER: &str = "tfruns_rs";

/// One life of a training process; a restart is another attempt, a forked worker is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attempt {
    /// The machine's name.
    pub host: String,
    /// The machine's boot, empty where the system does not say.
    pub boot_id: String,
    /// The first process.
    pub pid: u32,
    /// When it began to log, in seconds since the epoch.
    pub start: f64,
}

impl Attempt {
    /// The attempt of this process, or of the process it was forked from.
    pub fn current() -> &'static Self {
        static CURRENT: OnceLock<Attempt> = OnceLock::new();
        CURRENT.get_or_init(|| Self {
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map(|id| id.trim().to_owned())
                .unwrap_or_default(),
            pid: std::process::id(),
            start: now(),
        })
    }
}

/// Seconds since the epoch.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The record a file begins with.
pub fn file_version_record(attempt: &Attempt) -> Vec<u8> {
    let event = proto::Event {
        wall_time: now(),
        what: Some(proto::event::What::FileVersion(FILE_VERSION.to_owned())),
        source_metadata: Some(proto::SourceMetadata { writer: WRITER.to_owned() }),
        extension: Some(proto::EventExtension {
            attempt: Some(proto::Attempt {
                host: attempt.host.clone(),
                boot_id: attempt.boot_id.clone(),
                pid: attempt.pid,
                start: attempt.start,
            }),
            ..proto::EventExtension::default()
        }),
        ..proto::Event::default()
    };
    let mut record = Vec::new();
    append_record(&mut record, |buf| buf.extend_from_slice(&event.encode_to_vec()));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_says_who_wrote_it() {
        let attempt = Attempt { host: "h".into(), boot_id: "b".into(), pid: 7, start: 1.5 };
        let record = file_version_record(&attempt);
        let event = proto::Event::decode(&record[12..record.len() - 4]).unwrap();
        assert_eq!(event.source_metadata.unwrap().writer, "tfruns_rs");
        assert_eq!(event.extension.unwrap().attempt.unwrap().pid, 7);
        assert!(record.windows(13).any(|part| part == b"brain.Event:2"));
    }
}
