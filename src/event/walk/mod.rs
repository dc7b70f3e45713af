//! Reading an event where it lies: the wire format is walked, nothing is copied or decoded that nobody asks for.
//!
//! What comes out is what prost gives for the same bytes ([`super::proto`], the plain twin that the tests compare
//! with). Two things are left to it altogether, because they are legal and nobody writes them: a message field that
//! stands twice and has to be merged ([`WalkError::Repeated`], see [`normalise`]), and the inside of messages that
//! are handed out as bytes. The walk never recurses.
//!
//! | module | what |
//! |---|---|
//! | `wire` | the fields of any message |
//! | `event` | events, their values and what is said of tags |
//! | `tensor` | tensors and images |
//! | `glance` | what the beginning of a large event says of the rest |

mod event;
mod glance;
mod tensor;
#[cfg(test)]
mod tests;
mod wire;

pub use event::{
    Content, Event, Metadata, Value, What, audio_bytes, is_session_start, normalise, scalar_value, values,
};
pub use glance::{Glance, Rest};
pub use tensor::{DType, Image, Tensor};
pub use wire::{Fields, Wire, fields};

/// Why some bytes are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// A field reaches beyond the message.
    #[error("a field reaches beyond its message")]
    Truncated,
    /// A varint of more than ten bytes, or of more than 64 bits.
    #[error("a varint has more than 64 bits")]
    Varint,
    /// A field key with number zero, an unknown wire type, or the wrong one for a field we know.
    #[error("a field has a wrong wire type")]
    WireType,
    /// Groups nested too deep, or closed that were not open.
    #[error("groups are nested too deep or badly")]
    Nesting,
    /// A string that is no UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// A message field stands twice: legal, to be merged; see [`normalise`].
    #[error("a message field stands twice")]
    Repeated,
    /// A tensor whose values don't fit its shape and type, or are too many to be true.
    #[error("a tensor's values do not fit its shape")]
    Tensor,
}

type Result<T> = std::result::Result<T, WalkError>;
