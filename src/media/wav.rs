//! Sounds: WAV files of whole or floating samples.
//!
//! | bytes | content |
//! |---|---|
//! | 12 | `RIFF`, bytes that follow, `WAVE` |
//! | 8 + 16 | `fmt `, 16; format (1 whole, 3 float), channels, frames a second, bytes a second, bytes a frame, bits |
//! | 8 + *n* | `data`, *n*; the samples, little-endian, those of one moment together |
//!
//! Read are also files with further chunks, and the extensible header.

/// How a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    /// A whole number of 8 (unsigned), 16, 24 or 32 (signed) bits.
    Whole(u16),
    /// A float of 32 or 64 bits.
    Float(u16),
}

impl SampleFormat {
    /// Bits a sample takes.
    pub fn bits(self) -> u16 {
        match self {
            Self::Whole(bits) | Self::Float(bits) => bits,
        }
    }

    /// Bytes a sample takes.
    pub fn size(self) -> usize {
        usize::from(self.bits() / 8)
    }

    fn tag(self) -> u16 {
        match self {
            Self::Whole(_) => WHOLE,
            Self::Float(_) => FLOAT,
        }
    }
}

const WHOLE: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// A sound, its samples as they stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clip<'a> {
    /// How a sample is stored.
    pub format: SampleFormat,
    /// Frames a second.
    pub sample_rate: u32,
    /// Samples of one moment.
    pub channels: u16,
    /// The samples, frame by frame.
    pub samples: &'a [u8],
}

/// Why bytes are no sound. None is worth another try with the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// They do not begin as a WAV file does.
    #[error("not a WAV file: it does not begin with RIFF and WAVE")]
    Signature,
    /// A part is missing or cut.
    #[error("not a whole WAV file: the part {0:?} is missing or cut")]
    Missing(&'static str),
    /// The samples are compressed or of an unknown kind.
    #[error("a WAV file of format {tag} with {bits} bits a sample is not supported")]
    Format {
        /// The format's number.
        tag: u16,
        /// Bits a sample takes.
        bits: u16,
    },
    /// It is too long for the format.
    #[error("a WAV file holds less than 4 GiB")]
    TooLong,
}

/// Makes a WAV file.
pub fn encode_wav(clip: Clip<'_>) -> Result<Vec<u8>, WavError> {
    let len = u32::try_from(clip.samples.len()).ok().filter(|&len| len < u32::MAX - 36);
    let len = len.ok_or(WavError::TooLong)?;
    let bits = clip.format.bits();
    let frame = clip.channels * (bits / 8);
    let mut file = Vec::with_capacity(44 + clip.samples.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + len).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0");
    file.extend_from_slice(&clip.format.tag().to_le_bytes());
    file.extend_from_slice(&clip.channels.to_le_bytes());
    file.extend_from_slice(&clip.sample_rate.to_le_bytes());
    file.extend_from_slice(&clip.sample_rate.wrapping_mul(u32::from(frame)).to_le_bytes());
    file.extend_from_slice(&frame.to_le_bytes());
    file.extend_from_slice(&bits.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&len.to_le_bytes());
    file.extend_from_slice(clip.samples);
    Ok(file)
}

/// Reads a WAV file.
///
/// A stream that was cut, or whose length was never filled in, ends with its last whole frame.
pub fn decode_wav(bytes: &[u8]) -> Result<Clip<'_>, WavError> {
    let (head, mut rest) = bytes.split_at_checked(12).ok_or(WavError::Signature)?;
    if &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
        return Err(WavError::Signature);
    }
    let mut format = None;
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, len @ ..] = *head;
        let len = u32::from_le_bytes(len) as usize;
        let chunk = body.get(..len).unwrap_or(body);
        match &[a, b, c, d] {
            b"fmt " => format = Some(parse_format(chunk)?),
            b"data" => {
                let (format, channels, sample_rate) = format.ok_or(WavError::Missing("fmt "))?;
                let frame = usize::from(channels) * format.size();
                let samples = &chunk[..chunk.len() / frame * frame];
                return Ok(Clip { format, sample_rate, channels, samples });
            }
            _ => {}
        }
        rest = body.get(len.saturating_add(len % 2)..).unwrap_or_default(); // chunks are padded to even lengths
    }
    Err(WavError::Missing(if format.is_none() { "fmt " } else { "data" }))
}

fn parse_format(chunk: &[u8]) -> Result<(SampleFormat, u16, u32), WavError> {
    let short = |at: usize| chunk.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let missing = WavError::Missing("fmt ");
    let mut tag = short(0).ok_or(missing)?;
    let channels = short(2).filter(|&n| n > 0).ok_or(missing)?;
    let rate = chunk.get(4..8).ok_or(missing)?;
    let rate = u32::from_le_bytes([rate[0], rate[1], rate[2], rate[3]]);
    let bits = short(14).ok_or(missing)?;
    if tag == EXTENSIBLE {
        tag = short(24).ok_or(missing)?; // the first bytes of the GUID that follows
    }
    let format = match (tag, bits) {
        (WHOLE, 8 | 16 | 24 | 32) => SampleFormat::Whole(bits),
        (FLOAT, 32 | 64) => SampleFormat::Float(bits),
        _ => return Err(WavError::Format { tag, bits }),
    };
    Ok((format, channels, rate))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_r_writes_it() {
        let samples: Vec<u8> = [0f32, -0.5, 0.5, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let clip =
            Clip { format: SampleFormat::Float(32), sample_rate: 8000, channels: 2, samples: &samples };
        let file = encode_wav(clip).unwrap();
        let head =
            b"RIFF\x34\0\0\0WAVEfmt \x10\0\0\0\x03\0\x02\0\x40\x1f\0\0\0\xfa\0\0\x08\0\x20\0data\x10\0\0\0";
        assert_eq!(&file[..44], head);
        assert_eq!(decode_wav(&file), Ok(clip));
    }

    #[test]
    fn other_parts_are_skipped() {
        let samples = [1, 2, 3, 4];
        let clip =
            Clip { format: SampleFormat::Whole(16), sample_rate: 44_100, channels: 2, samples: &samples };
        let file = encode_wav(clip).unwrap();
        let with_list = [&file[..12], b"LIST\x03\0\0\0abc\0", &file[12..]].concat();
        assert_eq!(decode_wav(&with_list), Ok(clip));
    }

    #[test]
    fn what_is_no_sound() {
        let clip = Clip { format: SampleFormat::Whole(16), sample_rate: 1, channels: 1, samples: &[] };
        let file = encode_wav(clip).unwrap();
        assert_eq!(decode_wav(b"\x01\x02\x03\x04"), Err(WavError::Signature));
        assert_eq!(decode_wav(&file[..30]), Err(WavError::Missing("fmt ")));
        assert_eq!(decode_wav(&file[..36]), Err(WavError::Missing("data")));
        let mut compressed = file.clone();
        compressed[20] = 85;
        assert_eq!(decode_wav(&compressed), Err(WavError::Format { tag: 85, bits: 16 }));
        let mut silent = file;
        silent[22] = 0;
        assert_eq!(decode_wav(&silent), Err(WavError::Missing("fmt ")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_sound_or_an_error(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_wav(&tail);
            let _ = decode_wav(&[b"RIFF\0\0\0\0WAVE", tail.as_slice()].concat());
            let _ = decode_wav(&[b"RIFF\0\0\0\0WAVEfmt ", tail.as_slice()].concat());
        }
    }
}
