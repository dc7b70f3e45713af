//! Videos: GIF, the one moving format that TensorBoard's image viewer shows.

use gif::{Encoder, Frame, Repeat};

/// Why frames can't become a GIF.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// Frames have no size, one beyond 65 535, or too few samples.
    #[error("{samples} samples are no frames of height {height} and width {width}")]
    Size {
        /// Rows.
        height: usize,
        /// Pixels in a row.
        width: usize,
        /// How many samples there are.
        samples: usize,
    },
    /// The encoder failed, which memory does not do.
    #[error("GIF encoding failed: {0}")]
    Encoding(#[from] gif::EncodingError),
}

/// Encodes frames of RGB, eight bits a sample, each shown for `delay` hundredths of a second, over and over.
pub fn encode_gif(width: usize, height: usize, delay: u16, samples: &[u8]) -> Result<Vec<u8>, VideoError> {
    let wrong = || VideoError::Size { height, width, samples: samples.len() };
    let (columns, rows) = u16::try_from(width).ok().zip(u16::try_from(height).ok()).ok_or_else(wrong)?;
    let frame_len = width * height * 3;
    if frame_len == 0 || samples.is_empty() || !samples.len().is_multiple_of(frame_len) {
        return Err(wrong());
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, columns, rows, &[])?;
    encoder.set_repeat(Repeat::Infinite)?;
    for pixels in samples.chunks_exact(frame_len) {
        let mut frame = Frame::from_rgb_speed(columns, rows, pixels, 10);
        frame.delay = delay;
        encoder.write_frame(&frame)?;
    }
    drop(encoder);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back() {
        let (black, white) = ([0u8; 18], [255u8; 18]);
        let file = encode_gif(3, 2, 25, &[black, white].concat()).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(&file[..]).unwrap();
        for shade in [0, 255] {
            let frame = decoder.read_next_frame().unwrap().unwrap();
            assert_eq!((frame.width, frame.height, frame.delay), (3, 2, 25));
            assert!(frame.buffer.chunks(4).all(|pixel| pixel[..3] == [shade; 3]));
        }
        assert!(decoder.read_next_frame().unwrap().is_none());
    }

    #[test]
    fn wrong_sizes() {
        for (width, height, len) in [(3, 2, 17), (0, 2, 0), (3, 2, 0), (70_000, 1, 210_000)] {
            assert!(matches!(encode_gif(width, height, 1, &vec![0; len]), Err(VideoError::Size { .. })));
        }
    }
}
