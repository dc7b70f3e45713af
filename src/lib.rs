//! The core of `tfruns_rs`, without Python: event files and run directories.
//!
//! In the order the data flows: bytes ([`masked_crc`], [`tfrecord`]), events ([`event`]), their files
//! ([`event_file`]) and who fills these ([`writer`]); and back: whole directories ([`logdir`]) into frames ([`frame`]).
//! What values are made of: [`histogram`] and [`media`]. Beside them the directories of training runs ([`runs`])
//! and the tables in these ([`metrics_table`]).

pub mod event;
pub mod event_file;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod histogram;
pub mod logdir;
pub mod masked_crc;
pub mod media;
pub mod metrics_table;
pub mod runs;
pub mod tfrecord;
pub mod writer;
