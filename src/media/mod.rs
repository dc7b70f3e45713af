//! Images and sounds as files in memory: PNG both ways, GIF one way, WAV both ways.
//!
//! What comes in from event files is untrusted: sizes are checked against the bytes before memory is taken.

mod image;
mod video;
mod wav;

pub use image::{ImageError, Picture, decode_png, eight_bits, encode_png, put_image_field};
pub use video::{VideoError, encode_gif};
pub use wav::{Clip, SampleFormat, WavError, decode_wav, encode_wav};
