//! One event: the payload of a record.
//!
//! Hot messages are written ([`encode`]) and read ([`walk`]) by hand; all others go through prost ([`proto`]).
//!
//! | module | what |
//! |---|---|
//! | [`encode`] | events to bytes: the fields of the messages in `proto/` |
//! | [`classic`] | values in the forms of TensorFlow 1 |
//! | [`elements`], [`tensor`] | arrays of any element type, and tensors of them |
//! | [`metadata`], [`plugins`] | what a value says about itself, and what further plugins want to be told |
//! | [`hparams`], [`graph`] | hyperparameters; graphs and what running them cost |
//! | [`walk`] | an event read where it lies |

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
