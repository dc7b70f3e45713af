//! One event: the payload of a record.
//!
//! Hot messages are written ([`encode`]) and read by hand; all others go through prost ([`proto`]).

pub mod classic;
pub mod elements;
pub mod encode;
pub mod graph;
pub mod hparams;
pub mod metadata;
pub mod plugins;
pub mod tensor;
pub mod walk;

/// The messages of `proto/`, as prost makes them: complete and slow, for cold paths and as the plain twin in tests.
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/tfruns.rs"));
}
