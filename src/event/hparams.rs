//! Hyperparameters: what TensorBoard's HParams plugin keeps in the metadata of its three tags.
//!
//! | tag | content |
//! |---|---|
//! | `_hparams_/experiment` | the domains of the hyperparameters and the metrics to compare |
//! | `_hparams_/session_start_info` | a session's values, and its trial |
//! | `_hparams_/session_end_info` | how it ended |

use prost::Message;

use super::metadata::put_metadata_field;
use super::proto::h_param_info::Domain;
use super::proto::h_param_value::Kind;
use super::proto::h_params_plugin_data::Data;
use super::proto::{self, DataType, HParamValue, HParamsPluginData};
use super::tensor::{Dim, put_tensor_field};

/// The value of a hyperparameter.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names say it
pub enum Scalar {
    Bool(bool),
    Number(f64),
    Text(String),
}

/// The values that a hyperparameter may take.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Any.
    Any,
    /// Any of the kind that this one is of.
    Like(Scalar),
    /// One of these, all of one kind.
    OneOf(Vec<Scalar>),
    /// A number between these.
    Between(f64, f64),
}

/// A hyperparameter of an experiment.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names say it
pub struct HParam {
    pub name: String,
    pub values: Values,
    pub display_name: String,
    pub description: String,
}

/// A metric of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The tag.
    pub tag: String,
    /// The run below the session's that holds the tag; empty for the session's own.
    pub group: String,
    /// The name to show.
    pub display_name: String,
    /// What it means.
    pub description: String,
    /// 0 unknown, 1 training, 2 validation.
    pub dataset_type: i32,
}

/// The content of one of the three tags.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names say it
pub enum Content {
    Experiment { hparams: Vec<HParam>, metrics: Vec<Metric>, time_created_secs: f64 },
    SessionStart { hparams: Vec<(String, Scalar)>, trial: String, start_time_secs: f64 },
    SessionEnd { status: i32, end_time_secs: f64 },
}

impl From<Scalar> for HParamValue {
    fn from(value: Scalar) -> Self {
        let kind = match value {
            Scalar::Bool(value) => Kind::BoolValue(value),
            Scalar::Number(value) => Kind::NumberValue(value),
            Scalar::Text(value) => Kind::StringValue(value),
        };
        Self { kind: Some(kind) }
    }
}

fn scalar(value: HParamValue) -> Option<Scalar> {
    value.kind.map(|kind| match kind {
        Kind::BoolValue(value) => Scalar::Bool(value),
        Kind::NumberValue(value) => Scalar::Number(value),
        Kind::StringValue(value) => Scalar::Text(value),
    })
}

/// Appends the fields of a value with this content: a tensor without elements, as TensorBoard's own writer puts it, and
/// the metadata.
pub fn put_fields(buf: &mut Vec<u8>, content: Content) {
    put_tensor_field(buf, DataType::DtFloat, &[Dim::new(0)], &[]);
    put_metadata_alone(buf, content);
}

/// Appends the same without the tensor, as torch writes it.
pub fn put_metadata_alone(buf: &mut Vec<u8>, content: Content) {
    let data = match content {
        Content::Experiment { hparams, metrics, time_created_secs } => {
            Data::Experiment(proto::HParamsExperiment {
                time_created_secs,
                hparam_infos: hparams.into_iter().map(hparam_info).collect(),
                metric_infos: metrics.into_iter().map(metric_info).collect(),
                ..Default::default()
            })
        }
        Content::SessionStart { hparams, trial, start_time_secs } => {
            Data::SessionStartInfo(proto::HParamsSessionStart {
                hparams: hparams.into_iter().map(|(name, value)| (name, value.into())).collect(),
                group_name: trial,
                start_time_secs,
                ..Default::default()
            })
        }
        Content::SessionEnd { status, end_time_secs } => {
            Data::SessionEndInfo(proto::HParamsSessionEnd { status, end_time_secs })
        }
    };
    let content = HParamsPluginData { version: 0, data: Some(data) }.encode_to_vec();
    put_metadata_field(buf, "hparams", &content, "", "");
}

fn hparam_info(hparam: HParam) -> proto::HParamInfo {
    let kind_of = |value: &Scalar| match value {
        Scalar::Bool(_) => proto::HParamType::Bool,
        Scalar::Number(_) => proto::HParamType::Float64,
        Scalar::Text(_) => proto::HParamType::String,
    };
    let kind = match &hparam.values {
        Values::Any => None,
        Values::Like(value) => Some(kind_of(value)),
        Values::Between(..) => Some(proto::HParamType::Float64),
        Values::OneOf(values) => values.first().map(kind_of),
    };
    let domain = match hparam.values {
        Values::Any | Values::Like(_) => None,
        Values::OneOf(values) => {
            let values = values.into_iter().map(HParamValue::from).collect();
            Some(Domain::DomainDiscrete(proto::HParamValues { values }))
        }
        Values::Between(min_value, max_value) => {
            Some(Domain::DomainInterval(proto::HParamInterval { min_value, max_value }))
        }
    };
    proto::HParamInfo {
        name: hparam.name,
        display_name: hparam.display_name,
        description: hparam.description,
        r#type: kind.unwrap_or_default().into(),
        domain,
    }
}

fn metric_info(metric: Metric) -> proto::MetricInfo {
    proto::MetricInfo {
        name: Some(proto::metric_info::Name { group: metric.group, tag: metric.tag }),
        display_name: metric.display_name,
        description: metric.description,
        dataset_type: metric.dataset_type,
    }
}

/// Reads the content of the metadata of one of the three tags; `None` if it is something else.
pub fn decode(content: &[u8]) -> Option<Content> {
    let data = HParamsPluginData::decode(content).ok()?.data?;
    Some(match data {
        Data::Experiment(experiment) => Content::Experiment {
            hparams: experiment.hparam_infos.into_iter().map(hparam).collect(),
            metrics: experiment.metric_infos.into_iter().map(metric).collect(),
            time_created_secs: experiment.time_created_secs,
        },
        Data::SessionStartInfo(start) => Content::SessionStart {
            hparams: start
                .hparams
                .into_iter()
                .filter_map(|(name, value)| Some((name, scalar(value)?)))
                .collect(),
            trial: start.group_name,
            start_time_secs: start.start_time_secs,
        },
        Data::SessionEndInfo(end) => {
            Content::SessionEnd { status: end.status, end_time_secs: end.end_time_secs }
        }
    })
}

fn hparam(info: proto::HParamInfo) -> HParam {
    let values = match info.domain {
        None => Values::Any,
        Some(Domain::DomainDiscrete(list)) => {
            Values::OneOf(list.values.into_iter().filter_map(scalar).collect())
        }
        Some(Domain::DomainInterval(interval)) => Values::Between(interval.min_value, interval.max_value),
    };
    HParam { name: info.name, values, display_name: info.display_name, description: info.description }
}

fn metric(info: proto::MetricInfo) -> Metric {
    let name = info.name.unwrap_or_default();
    Metric {
        tag: name.tag,
        group: name.group,
        display_name: info.display_name,
        description: info.description,
        dataset_type: info.dataset_type,
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::{Metadata, Value};
    use super::*;

    fn round_trip(content: &Content) -> Option<Content> {
        let mut fields = Vec::new();
        put_fields(&mut fields, content.clone());
        let value = Value::walk(&fields).unwrap();
        let metadata = Metadata::walk(value.metadata.unwrap()).unwrap();
        assert_eq!(metadata.plugin_name, "hparams");
        decode(metadata.plugin_content)
    }

    #[test]
    fn contents_come_back() {
        for content in [
            Content::Experiment {
                hparams: vec![
                    HParam {
                        name: "lr".into(),
                        values: Values::Between(0.1, 0.5),
                        display_name: "rate".into(),
                        description: "learning rate".into(),
                    },
                    HParam {
                        name: "opt".into(),
                        values: Values::OneOf(vec![Scalar::Text("a".into()), Scalar::Text("b".into())]),
                        display_name: String::new(),
                        description: String::new(),
                    },
                ],
                metrics: vec![Metric {
                    tag: "acc".into(),
                    group: "valid".into(),
                    display_name: String::new(),
                    description: String::new(),
                    dataset_type: 2,
                }],
                time_created_secs: 1.5,
            },
            Content::SessionStart {
                hparams: vec![
                    ("a".into(), Scalar::Bool(false)),
                    ("b".into(), Scalar::Number(0.0)),
                    ("c".into(), Scalar::Text(String::new())),
                ],
                trial: "t".into(),
                start_time_secs: 2.5,
            },
            Content::SessionEnd { status: 1, end_time_secs: 3.5 },
        ] {
            assert_eq!(round_trip(&content), Some(content));
        }
        assert_eq!(decode(b"\xff"), None);
        assert_eq!(decode(b""), None);
    }
}
