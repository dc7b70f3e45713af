//! Run directories: what a training run leaves on disk, and how thousands of them are read at once.
//!
//! In the order a run lives: a directory is made ([`create`]), text and JSON are written into it ([`write`]), a beat
//! says that its process lives ([`liveness`]), what the script changed is found and copied ([`snapshot`], [`copy`]), its
//! sources are packed ([`archive`]). Reading goes through a directory handle ([`dir`]): one run becomes a
//! [`record::Record`] ([`read`], [`property`]) and is judged ([`status`]), all runs below a directory become a frame
//! ([`scan`], [`frame`]).
//!
//! Everything in a run directory is untrusted: any fault costs one `problem` text and never hides the other runs.

pub mod archive;
pub mod copy;
pub mod create;
pub mod dir;
pub mod frame;
pub mod json;
pub mod liveness;
pub mod metrics;
pub mod property;
pub mod read;
pub mod record;
pub mod remembered;
pub mod scan;
pub mod snapshot;
pub mod status;
pub mod write;
