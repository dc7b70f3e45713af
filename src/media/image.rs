//! Images: eight bits a channel, one to four channels, as PNG.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // shades saturate

use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, Transformations};
use prost::Message;

use crate::event::elements::Elements;
use crate::event::proto::DataType;
use crate::event::proto::summary::{Image, Value, value};

/// The most memory a decoded image may take: a bomb is an error.
const LARGEST_IMAGE_BYTES: usize = 1 << 30;

/// Pixels: rows from the top, within a row pixels from the left, within a pixel its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA: also TensorBoard's number of the color space.
    pub channels: u8,
    /// Bits a sample takes, 8 or 16. Samples of 16 bits are little-endian.
    pub bits: u8,
    /// The samples.
    pub samples: Vec<u8>,
}

/// Why an image can't be encoded or decoded. None is worth another try with the same bytes.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The channels are not 1 to 4.
    #[error("an image has 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA) channels, not {0}")]
    Channels(u8),
    /// The size is zero or beyond 2³¹, or the samples do not fill it.
    #[error("{samples} samples are no image of height {height} and width {width}")]
    Size {
        /// Rows.
        height: u32,
        /// Pixels in a row.
        width: u32,
        /// How many samples there are.
        samples: usize,
    },
    /// The bytes are no PNG, or a damaged one.
    #[error("not a whole PNG: {0}")]
    Png(#[from] png::DecodingError),
    /// The encoder failed, which memory does not do.
    #[error("PNG encoding failed: {0}")]
    Encoding(#[from] png::EncodingError),
}

fn color_type(channels: u8) -> Result<ColorType, ImageError> {
    match channels {
        1 => Ok(ColorType::Grayscale),
        2 => Ok(ColorType::GrayscaleAlpha),
        3 => Ok(ColorType::Rgb),
        4 => Ok(ColorType::Rgba),
        other => Err(ImageError::Channels(other)),
    }
}

/// Samples of any type as eight bits: whole ones as they are, floats from 0 to 1 rounded to the nearest of 256 shades.
/// Also whether some were outside of 0 to 1, or NaN; those become the nearest shade, NaN black.
pub fn eight_bits(elements: Elements<'_>) -> (Vec<u8>, bool) {
    if elements.dtype == DataType::DtUint8 {
        return (elements.bytes.to_vec(), false);
    }
    let mut outside = false;
    let shade = |x: f64| {
        outside |= !(0.0..=1.0).contains(&x);
        (x * 255.0 + 0.5) as u8 // saturates
    };
    (elements.iter().map(shade).collect(), outside)
}

/// Appends an encoded image as `Summary.Value.image`, TensorBoard's first form of images.
pub fn put_image_field(buf: &mut Vec<u8>, width: i32, height: i32, colorspace: i32, image: &[u8]) {
    let image = Image { height, width, colorspace, encoded_image_string: image.to_vec() };
    let value = Value { value: Some(value::Value::Image(image)), ..Default::default() };
    buf.extend_from_slice(&value.encode_to_vec());
}

/// Encodes an image of eight bits a sample.
pub fn encode_png(width: u32, height: u32, channels: u8, samples: &[u8]) -> Result<Vec<u8>, ImageError> {
    let color = color_type(channels)?;
    let expected = u64::from(width) * u64::from(height) * u64::from(channels);
    if expected == 0 || expected != samples.len() as u64 {
        return Err(ImageError::Size { height, width, samples: samples.len() });
    }
    let mut file = Vec::with_capacity(samples.len() / 2 + 128);
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast); // an image is logged from a training loop
    let mut writer = encoder.write_header()?;
    writer.write_image_data(samples)?;
    writer.finish()?;
    Ok(file)
}

/// Decodes a PNG of any kind; palettes and fewer than eight bits are widened.
pub fn decode_png(bytes: &[u8]) -> Result<Picture, ImageError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: LARGEST_IMAGE_BYTES });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info()?;
    let too_large = png::DecodingError::LimitsExceeded;
    let len = reader.output_buffer_size().filter(|&len| len <= LARGEST_IMAGE_BYTES).ok_or(too_large)?;
    let mut samples = vec![0; len];
    let info = reader.next_frame(&mut samples)?;
    reader.finish()?;
    samples.truncate(info.buffer_size());
    let bits = if info.bit_depth == BitDepth::Sixteen { 16 } else { 8 };
    if bits == 16 {
        for pair in samples.as_chunks_mut::<2>().0 {
            pair.swap(0, 1);
        }
    }
    let channels = u8::try_from(info.color_type.samples()).unwrap_or_default();
    Ok(Picture { width: info.width, height: info.height, channels, bits, samples })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            width in 1u32..40, height in 1u32..40, channels in 1u8..=4, seed in any::<u8>(),
        ) {
            let len = width * height * u32::from(channels);
            let samples: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_mul(seed).wrapping_add(i as u8 >> 3)).collect();
            let png = encode_png(width, height, channels, &samples).unwrap();
            prop_assert_eq!(decode_png(&png).unwrap(), Picture { width, height, channels, bits: 8, samples });
        }

        #[test]
        fn any_bytes_are_an_image_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..70) {
            let _ = decode_png(&bytes);
            let mut png = encode_png(3, 2, 1, &[1, 2, 3, 4, 5, 6]).unwrap();
            png.truncate(cut.min(png.len() - 1));
            prop_assert!(decode_png(&png).is_err());
            png.extend_from_slice(&bytes);
            let _ = decode_png(&png);
        }
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let png = encode_png(16, 16, 3, &[9; 768]).unwrap();
        for i in 0..png.len() - 12 {
            let mut damaged = png.clone();
            damaged[i] ^= 0x55;
            assert!(decode_png(&damaged).is_err(), "byte {i}");
        }
    }

    #[test]
    fn shades() {
        let floats = [0.0f32, 1.0, 0.5, 0.998, 0.001, -0.1, 1.1, f32::NAN];
        let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        let (shades, outside) = eight_bits(Elements::new(DataType::DtFloat, &bytes).unwrap());
        assert_eq!((shades.as_slice(), outside), ([0, 255, 128, 254, 0, 0, 255, 0].as_slice(), true));
        let (shades, outside) = eight_bits(Elements::new(DataType::DtFloat, &bytes[..20]).unwrap());
        assert_eq!((shades.len(), outside), (5, false));
        assert_eq!(eight_bits(Elements::new(DataType::DtUint8, &[7, 8]).unwrap()), (vec![7, 8], false));
    }

    #[test]
    fn wrong_sizes() {
        assert!(matches!(encode_png(2, 2, 5, &[0; 20]), Err(ImageError::Channels(5))));
        assert!(matches!(encode_png(2, 2, 1, &[0; 5]), Err(ImageError::Size { .. })));
        assert!(matches!(encode_png(0, 2, 1, &[]), Err(ImageError::Size { .. })));
    }
}
