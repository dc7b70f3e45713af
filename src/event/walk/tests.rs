#![allow(clippy::float_cmp, clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // bits are compared

use proptest::prelude::*;

use super::wire::MAX_GROUPS;
use super::*;
use crate::event::proto;
use crate::event::proto::summary::value::Value as ProtoContent;
use prost::Message;

fn metadata() -> impl Strategy<Value = proto::SummaryMetadata> {
    (".{0,12}", prop::collection::vec(any::<u8>(), 0..8), ".{0,3}", ".{0,3}", 0i32..4).prop_map(
        |(plugin_name, content, display_name, summary_description, data_class)| proto::SummaryMetadata {
            plugin_data: Some(proto::summary_metadata::PluginData { plugin_name, content }),
            display_name,
            summary_description,
            data_class,
        },
    )
}

fn tensor() -> impl Strategy<Value = proto::TensorProto> {
    let float = (prop::collection::vec(any::<f32>(), 1..5), any::<bool>()).prop_map(|(values, packed)| {
        let shape = proto::TensorShapeProto {
            dim: vec![proto::tensor_shape_proto::Dim { size: values.len() as i64, name: String::new() }],
            unknown_rank: false,
        };
        let mut tensor = proto::TensorProto { dtype: 1, tensor_shape: Some(shape), ..Default::default() };
        if packed {
            tensor.tensor_content = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        } else {
            tensor.float_val = values;
        }
        tensor
    });
    let double = any::<f64>().prop_map(|value| proto::TensorProto {
        dtype: 2,
        double_val: vec![value],
        ..Default::default()
    });
    let int64 = any::<i64>().prop_map(|value| proto::TensorProto {
        dtype: 9,
        int64_val: vec![value],
        ..Default::default()
    });
    prop_oneof![float, double, int64]
}

fn content() -> impl Strategy<Value = Option<ProtoContent>> {
    prop::option::of(prop_oneof![
        any::<f32>().prop_map(ProtoContent::SimpleValue),
        tensor().prop_map(ProtoContent::Tensor),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
            ProtoContent::Image(proto::summary::Image {
                height: 3,
                width: -2,
                colorspace: 1,
                encoded_image_string: bytes,
            })
        }),
        prop::collection::vec(any::<f64>(), 0..4)
            .prop_map(|bucket| ProtoContent::Histo(proto::HistogramProto { bucket, ..Default::default() })),
    ])
}

fn value() -> impl Strategy<Value = proto::summary::Value> {
    (".{0,20}", ".{0,3}", prop::option::of(metadata()), content(), prop::option::of(any::<f64>())).prop_map(
        |(tag, node_name, metadata, value, exact_value)| proto::summary::Value {
            tag,
            node_name,
            metadata,
            value,
            exact_value,
        },
    )
}

fn event() -> impl Strategy<Value = proto::Event> {
    let what = prop::option::of(prop_oneof![
        prop::collection::vec(value(), 0..4)
            .prop_map(|value| proto::event::What::Summary(proto::Summary { value })),
        ".{0,20}".prop_map(proto::event::What::FileVersion),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(proto::event::What::GraphDef),
        (0i32..4).prop_map(|status| proto::event::What::SessionLog(proto::SessionLog {
            status,
            ..Default::default()
        })),
    ]);
    (any::<f64>(), any::<i64>(), what).prop_map(|(wall_time, step, what)| proto::Event {
        wall_time,
        step,
        what,
        ..Default::default()
    })
}

/// The walk's answer as prost would give it.
fn rebuilt(payload: &[u8]) -> Result<proto::Event> {
    let event = match Event::walk(payload) {
        Err(WalkError::Repeated) => return rebuilt(&normalise(payload)?),
        event => event?,
    };
    let summary = |bytes: &[u8]| -> Result<proto::Summary> {
        let mut summary = proto::Summary::default();
        for value in values(bytes) {
            let value = match value {
                Err(WalkError::Repeated) => return rebuilt_summary(&normalise(payload)?),
                value => value?,
            };
            summary.value.push(rebuilt_value(&value)?);
        }
        Ok(summary)
    };
    Ok(proto::Event {
        wall_time: event.wall_time,
        step: event.step,
        what: match event.what {
            What::FileVersion(version) => Some(proto::event::What::FileVersion(version.to_owned())),
            What::GraphDef(bytes) => Some(proto::event::What::GraphDef(bytes.to_vec())),
            What::Summary(bytes) => Some(proto::event::What::Summary(summary(bytes)?)),
            What::SessionLog(bytes) => {
                let status = i32::from(is_session_start(bytes)?);
                Some(proto::event::What::SessionLog(proto::SessionLog { status, ..Default::default() }))
            }
            What::MetaGraphDef(bytes) => Some(proto::event::What::MetaGraphDef(bytes.to_vec())),
            What::None | What::LogMessage(_) | What::TaggedRunMetadata(_) => None,
        },
        ..Default::default()
    })
}

fn rebuilt_summary(payload: &[u8]) -> Result<proto::Summary> {
    match rebuilt(payload)?.what {
        Some(proto::event::What::Summary(summary)) => Ok(summary),
        _ => Err(WalkError::Repeated),
    }
}

fn rebuilt_value(value: &Value<'_>) -> Result<proto::summary::Value> {
    let bytes = |error: std::result::Result<ProtoContent, prost::DecodeError>| {
        error.map_err(|_| WalkError::Truncated)
    };
    let content = match value.content {
        Content::None => None,
        Content::Simple(simple) => Some(ProtoContent::SimpleValue(f32::from_le_bytes(*simple))),
        Content::Obsolete(bytes) => Some(ProtoContent::ObsoleteOldStyleHistogram(bytes.to_vec())),
        Content::Image(message) => {
            let Image { shape, encoded } = Image::walk(message)?;
            Some(ProtoContent::Image(proto::summary::Image {
                height: shape[0] as i32,
                width: shape[1] as i32,
                colorspace: shape[2] as i32,
                encoded_image_string: encoded.to_vec(),
            }))
        }
        Content::Histo(message) => {
            Some(bytes(proto::HistogramProto::decode(message).map(ProtoContent::Histo))?)
        }
        Content::Audio(message) => {
            Some(bytes(proto::summary::Audio::decode(message).map(ProtoContent::Audio))?)
        }
        Content::Tensor(message) => {
            Some(bytes(proto::TensorProto::decode(message).map(ProtoContent::Tensor))?)
        }
    };
    let metadata = value.metadata.map(Metadata::walk).transpose()?.map(|metadata| proto::SummaryMetadata {
        plugin_data: Some(proto::summary_metadata::PluginData {
            plugin_name: metadata.plugin_name.to_owned(),
            content: metadata.plugin_content.to_vec(),
        }),
        display_name: metadata.display_name.to_owned(),
        summary_description: metadata.description.to_owned(),
        data_class: metadata.data_class as i32,
    });
    Ok(proto::summary::Value {
        tag: value.tag.to_owned(),
        node_name: value.node_name.to_owned(),
        metadata,
        value: content,
        exact_value: value.exact.map(|exact| f64::from_le_bytes(*exact)),
    })
}

/// Session logs are only told apart by whether they start one.
fn simplified(mut event: proto::Event) -> proto::Event {
    if let Some(proto::event::What::SessionLog(log)) = &mut event.what {
        *log = proto::SessionLog { status: i32::from(log.status == 1), ..Default::default() };
    }
    event
}

proptest! {
    #[test]
    fn the_walk_finds_what_prost_finds(event in event()) {
        let bytes = event.encode_to_vec();
        let decoded = simplified(proto::Event::decode(&bytes[..]).unwrap());
        // Compared as text, where NaN equals NaN.
        prop_assert_eq!(format!("{:?}", rebuilt(&bytes).unwrap()), format!("{decoded:?}"));
    }

    #[test]
    fn two_messages_in_one_are_merged(first in event(), second in event()) {
        let mut both = first.encode_to_vec();
        both.extend(second.encode_to_vec());
        let merged = proto::Event::decode(&both[..]).unwrap();
        prop_assert_eq!(format!("{:?}", rebuilt(&both).unwrap()), format!("{:?}", simplified(merged)));
    }

    #[test]
    fn what_prost_takes_the_walk_takes(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = event.encode_to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = proto::Event::decode(&bytes[..]) {
            let walked = Event::walk(&bytes).or_else(|_| Event::walk(&normalise(&bytes)?).map(|_| Event::default()));
            prop_assert!(walked.is_ok(), "{decoded:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = rebuilt(&bytes);
        let _ = Tensor::walk(&bytes).map(|tensor| (tensor.scalar(), tensor.append_data(&mut Vec::new())));
    }
}

#[test]
fn a_varint_of_eleven_bytes_is_none() {
    let mut bytes = vec![0x10];
    bytes.extend([0xff; 10]);
    bytes.push(1);
    assert_eq!(Event::walk(&bytes), Err(WalkError::Varint));
}

#[test]
fn unknown_groups_are_skipped_up_to_a_depth() {
    let nested = |depth: usize| [vec![0x6b; depth], vec![0x6c; depth], vec![0x10, 7]].concat();
    assert_eq!(Event::walk(&nested(MAX_GROUPS)).unwrap().step, 7);
    assert_eq!(Event::walk(&nested(100_000)), Err(WalkError::Nesting));
}

#[test]
fn the_exact_value_counts_only_if_it_rounds_to_the_other() {
    let third: f64 = 1.0 / 3.0;
    assert_eq!(scalar_value((third as f32).to_le_bytes(), Some(third.to_le_bytes())), third);
    assert_eq!(scalar_value(0.5f32.to_le_bytes(), Some(third.to_le_bytes())), 0.5);
}

#[test]
fn values_are_spread_to_the_shape() {
    let shape = |size| {
        Some(proto::TensorShapeProto {
            dim: vec![proto::tensor_shape_proto::Dim { size, name: String::new() }],
            unknown_rank: false,
        })
    };
    let message = |size| {
        proto::TensorProto { dtype: 3, tensor_shape: shape(size), int_val: vec![1, -2], ..Default::default() }
            .encode_to_vec()
    };
    let mut data = Vec::new();
    Tensor::walk(&message(4)).unwrap().append_data(&mut data).unwrap();
    let expected: Vec<u8> = [1i32, -2, -2, -2].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(data, expected);
    let mut data = Vec::new();
    assert_eq!(Tensor::walk(&message(1 << 40)).unwrap().append_data(&mut data), Err(WalkError::Tensor));
    assert!(data.is_empty());
}

#[test]
fn halves_are_read_as_bits_or_as_pytorch_writes_them() {
    let scalar = |dtype, bits| {
        let message =
            proto::TensorProto { dtype, half_val: vec![bits], ..Default::default() }.encode_to_vec();
        Tensor::walk(&message).unwrap().scalar()
    };
    assert_eq!(scalar(19, 0x3c00), Some(1.0));
    assert_eq!(scalar(14, 0x3f80), Some(1.0));
    assert_eq!(scalar(19, 1.5f32.to_bits() as i32), Some(1.5));
}
