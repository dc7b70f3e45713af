//! Values in the forms of TensorFlow 1, which torch's and tensorboardX's writers still use.

use prost::Message;

use super::encode::put_bytes_field;
use super::proto::HistogramProto;
use super::proto::summary::Audio;

const HISTO_FIELD: u32 = 5;
const AUDIO_FIELD: u32 = 6;

/// Appends the field `histo` of `Summary.Value`.
pub fn put_histo_field(buf: &mut Vec<u8>, histo: &HistogramProto) {
    put_bytes_field(buf, HISTO_FIELD, &histo.encode_to_vec());
}

/// Appends the field `audio` of `Summary.Value`: a WAV file.
pub fn put_audio_field(buf: &mut Vec<u8>, sample_rate: f32, channels: i64, frames: i64, wav: Vec<u8>) {
    let audio = Audio {
        sample_rate,
        num_channels: channels,
        length_frames: frames,
        encoded_audio_string: wav,
        content_type: "audio/wav".to_owned(),
    };
    put_bytes_field(buf, AUDIO_FIELD, &audio.encode_to_vec());
}

#[cfg(test)]
mod tests {
    use super::super::proto::summary::{Value, value};
    use super::*;

    #[test]
    fn fields_are_what_prost_reads() {
        let histo = HistogramProto {
            num: 2.0,
            bucket_limit: vec![0.5, 1.0],
            bucket: vec![0.0, 2.0],
            ..Default::default()
        };
        let mut fields = Vec::new();
        put_histo_field(&mut fields, &histo);
        assert_eq!(Value::decode(&fields[..]).unwrap().value, Some(value::Value::Histo(histo)));
        fields.clear();
        put_audio_field(&mut fields, 8000.0, 2, 3, b"wav".to_vec());
        let Some(value::Value::Audio(audio)) = Value::decode(&fields[..]).unwrap().value else { panic!() };
        assert_eq!(
            (audio.num_channels, audio.length_frames, &audio.encoded_audio_string[..]),
            (2, 3, &b"wav"[..])
        );
    }
}
