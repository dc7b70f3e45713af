//! Values to bytes and back: the fields of `Summary.Value`, for `tfruns_rs.tfevents`.

#![allow(clippy::needless_pass_by_value)] // what comes from Python is owned

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use tfruns_rs::event::classic;
use tfruns_rs::event::elements::Elements;
use tfruns_rs::event::encode::put_scalar_fields;
use tfruns_rs::event::hparams::{self, Values};
use tfruns_rs::event::metadata::put_metadata_field;
use tfruns_rs::event::plugins;
use tfruns_rs::event::proto::HistogramProto;
use tfruns_rs::event::tensor::{self, Dim};
use tfruns_rs::event::walk::{DType, Metadata, Value};
use tfruns_rs::frame::summary::Parts;
use tfruns_rs::histogram::{self, histogram};
use tfruns_rs::media::{self, Clip, ImageError, Picture, SampleFormat, eight_bits, encode_png};

use crate::errors;

/// The `metadata` field of a value.
#[pyfunction]
pub fn encode_metadata<'py>(
    py: Python<'py>,
    plugin_name: &str,
    content: &[u8],
    display_name: &str,
    description: &str,
) -> Bound<'py, PyBytes> {
    let mut fields = Vec::new();
    put_metadata_field(&mut fields, plugin_name, content, display_name, description);
    PyBytes::new(py, &fields)
}

/// The fields of a scalar value.
#[pyfunction]
pub fn encode_scalar<'py>(py: Python<'py>, value: f64, exact: bool, metadata: &[u8]) -> Bound<'py, PyBytes> {
    let mut fields = Vec::with_capacity(64);
    put_scalar_fields(&mut fields, value, exact, metadata);
    PyBytes::new(py, &fields)
}

/// The fields of a tensor of strings, given row-major.
#[pyfunction]
pub fn encode_strings(
    py: Python<'_>,
    elements: Vec<PyBackedBytes>,
    shape: Vec<u64>,
    dim_names: Option<Vec<String>>,
    metadata: PyBackedBytes,
) -> PyResult<Bound<'_, PyBytes>> {
    let dims = dims(&shape, dim_names)?;
    let fields = py.detach(move || {
        let mut fields = Vec::new();
        tensor::put_string_tensor_field(&mut fields, &dims, &elements);
        fields.extend_from_slice(&metadata);
        fields
    });
    Ok(PyBytes::new(py, &fields))
}

/// The fields of a tensor of numbers; `data` holds its elements row-major and little-endian.
#[pyfunction]
pub fn encode_tensor<'py>(
    py: Python<'py>,
    data: PyBuffer<u8>,
    dtype: &str,
    shape: Vec<u64>,
    dim_names: Option<Vec<String>>,
    metadata: PyBackedBytes,
) -> PyResult<Bound<'py, PyBytes>> {
    let unknown = || PyValueError::new_err(format!("unknown dtype {dtype:?}"));
    let dtype = tensor::dtype_from_name(dtype).ok_or_else(unknown)?;
    let size = tensor::element_size(dtype).ok_or_else(unknown)? as u64;
    let bytes = bytes_of(&data)?;
    if shape.iter().try_fold(size, |product, &dim| product.checked_mul(dim)) != Some(bytes.len() as u64) {
        return Err(PyValueError::new_err("the data does not fill the shape"));
    }
    let dims = dims(&shape, dim_names)?;
    let fields = py.detach(move || {
        let mut fields = Vec::new();
        tensor::put_tensor_field(&mut fields, dtype, &dims, bytes);
        fields.extend_from_slice(&metadata);
        fields
    });
    Ok(PyBytes::new(py, &fields))
}

/// NaN, positive and negative infinities.
type NonFinite = (u64, u64, u64);

/// The tensor field of a histogram of an array, the plugin's content, and how many values are in no bucket.
#[pyfunction]
pub fn encode_histogram<'py>(
    py: Python<'py>,
    data: PyBuffer<u8>,
    dtype: &str,
    buckets: u32,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, NonFinite)> {
    let elements = elements(&data, dtype)?;
    let (tensor, histogram) = py.detach(move || {
        let histogram = histogram(elements, buckets as usize);
        let mut tensor = Vec::new();
        histogram.put_tensor_field(&mut tensor);
        (tensor, histogram)
    });
    let content = PyBytes::new(py, &histogram.content());
    Ok((PyBytes::new(py, &tensor), content, non_finite(histogram.non_finite)))
}

/// How many values of a histogram are in no bucket, as its plugin's content says.
#[pyfunction]
pub fn decode_non_finite(content: &[u8]) -> NonFinite {
    non_finite(histogram::non_finite(content))
}

fn non_finite(apart: histogram::NonFinite) -> NonFinite {
    (apart.nan, apart.positive_infinity, apart.negative_infinity)
}

/// The buckets of a `HistogramProto`: lower and upper edge and count; and its minimum, maximum, number, sum and
/// sum of squares. `None` if the bytes are no such message, or it has not as many edges as buckets.
#[pyfunction]
pub fn decode_histo(histo: &[u8]) -> Option<(Vec<[f64; 3]>, [f64; 5])> {
    histogram::read_histo(histo)
}

/// The fields of a histogram in TensorFlow 1's form: minimum, maximum, number, sum, sum of squares; the upper edge and
/// the count of each bucket.
#[pyfunction]
pub fn encode_histo(
    py: Python<'_>,
    moments: [f64; 5],
    bucket_limit: Vec<f64>,
    bucket: Vec<f64>,
) -> Bound<'_, PyBytes> {
    let [min, max, num, sum, sum_squares] = moments;
    let histo = HistogramProto { min, max, num, sum, sum_squares, bucket_limit, bucket };
    let mut fields = Vec::new();
    classic::put_histo_field(&mut fields, &histo);
    PyBytes::new(py, &fields)
}

/// The fields of a sound in TensorFlow 1's form: a WAV file.
#[pyfunction]
pub fn encode_audio(
    py: Python<'_>,
    wav: Vec<u8>,
    sample_rate: f32,
    channels: i64,
    frames: i64,
) -> Bound<'_, PyBytes> {
    let mut fields = Vec::new();
    classic::put_audio_field(&mut fields, sample_rate, channels, frames, wav);
    PyBytes::new(py, &fields)
}

/// What the metadata of a hyperparameter's tag holds.
#[derive(FromPyObject, IntoPyObject)]
pub enum Scalar {
    #[pyo3(transparent)]
    Bool(bool),
    #[pyo3(transparent)]
    Number(f64),
    #[pyo3(transparent)]
    Text(String),
}

impl From<Scalar> for hparams::Scalar {
    fn from(value: Scalar) -> Self {
        match value {
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Number(value) => Self::Number(value),
            Scalar::Text(value) => Self::Text(value),
        }
    }
}

impl From<hparams::Scalar> for Scalar {
    fn from(value: hparams::Scalar) -> Self {
        match value {
            hparams::Scalar::Bool(value) => Self::Bool(value),
            hparams::Scalar::Number(value) => Self::Number(value),
            hparams::Scalar::Text(value) => Self::Text(value),
        }
    }
}

/// Name, values, range, display name and description.
type HParam = (String, Option<Vec<Scalar>>, Option<(f64, f64)>, String, String);
/// Tag, group, display name, description and type of dataset.
type Metric = (String, String, String, String, i32);

fn hparams_fields(py: Python<'_>, content: hparams::Content) -> Bound<'_, PyBytes> {
    let mut fields = Vec::new();
    hparams::put_fields(&mut fields, content);
    PyBytes::new(py, &fields)
}

/// The fields of an experiment's configuration.
#[pyfunction]
pub fn encode_hparams_experiment(
    py: Python<'_>,
    hparams: Vec<HParam>,
    metrics: Vec<Metric>,
    time_created_secs: f64,
) -> Bound<'_, PyBytes> {
    let hparam = |(name, values, range, display_name, description): HParam| {
        let values = match (values, range) {
            (Some(values), _) => Values::OneOf(values.into_iter().map(Into::into).collect()),
            (None, Some((min, max))) => Values::Between(min, max),
            (None, None) => Values::Any,
        };
        hparams::HParam { name, values, display_name, description }
    };
    let metric = |(tag, group, display_name, description, dataset_type): Metric| hparams::Metric {
        tag,
        group,
        display_name,
        description,
        dataset_type,
    };
    let hparams = hparams.into_iter().map(hparam).collect();
    let metrics = metrics.into_iter().map(metric).collect();
    hparams_fields(py, hparams::Content::Experiment { hparams, metrics, time_created_secs })
}

/// The fields of a session's start.
#[pyfunction]
pub fn encode_hparams_start(
    py: Python<'_>,
    hparams: Vec<(String, Scalar)>,
    trial: String,
    start_time_secs: f64,
) -> Bound<'_, PyBytes> {
    let hparams = hparams.into_iter().map(|(name, value)| (name, value.into())).collect();
    hparams_fields(py, hparams::Content::SessionStart { hparams, trial, start_time_secs })
}

/// The fields of a session's end.
#[pyfunction]
pub fn encode_hparams_end(py: Python<'_>, status: i32, end_time_secs: f64) -> Bound<'_, PyBytes> {
    hparams_fields(py, hparams::Content::SessionEnd { status, end_time_secs })
}

/// The fields of the three values that torch's `add_hparams` writes: the experiment, with names, values and domains of
/// hyperparameters and the tags of metrics; the session's start; its end, a success. A value of None has no kind.
#[pyfunction]
pub fn encode_hparams_session(
    py: Python<'_>,
    hparams: Vec<(String, Option<Scalar>, Option<Vec<Scalar>>)>,
    metrics: Vec<String>,
) -> (Bound<'_, PyBytes>, Bound<'_, PyBytes>, Bound<'_, PyBytes>) {
    let mut values = Vec::new();
    let mut infos = Vec::new();
    for (name, value, domain) in hparams {
        let value: Option<hparams::Scalar> = value.map(Into::into);
        let allowed = match (domain, &value) {
            (Some(domain), _) => Values::OneOf(domain.into_iter().map(Into::into).collect()),
            (None, Some(value)) => Values::Like(value.clone()),
            (None, None) => Values::Any,
        };
        infos.push(hparams::HParam {
            name: name.clone(),
            values: allowed,
            display_name: String::new(),
            description: String::new(),
        });
        values.extend(value.map(|value| (name, value)));
    }
    let metric = |tag| hparams::Metric {
        tag,
        group: String::new(),
        display_name: String::new(),
        description: String::new(),
        dataset_type: 0,
    };
    let metrics = metrics.into_iter().map(metric).collect();
    let [experiment, start, end] = [
        hparams::Content::Experiment { hparams: infos, metrics, time_created_secs: 0.0 },
        hparams::Content::SessionStart { hparams: values, trial: String::new(), start_time_secs: 0.0 },
        hparams::Content::SessionEnd { status: 1, end_time_secs: 0.0 },
    ]
    .map(|content| {
        let mut fields = Vec::new();
        hparams::put_metadata_alone(&mut fields, content);
        PyBytes::new(py, &fields)
    });
    (experiment, start, end)
}

/// What the metadata of one of the plugin's tags holds: "experiment" with hyperparameters, metrics and time; "start"
/// with values, trial and time; or "end" with status and time. `None` for other bytes.
#[pyfunction]
pub fn decode_hparams<'py>(py: Python<'py>, content: &[u8]) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let Some(content) = hparams::decode(content) else { return Ok(None) };
    let tuple = match content {
        hparams::Content::Experiment { hparams, metrics, time_created_secs } => {
            let hparam = |hparam: hparams::HParam| -> HParam {
                let (values, range) = match hparam.values {
                    Values::Any | Values::Like(_) => (None, None),
                    Values::OneOf(values) => (Some(values.into_iter().map(Into::into).collect()), None),
                    Values::Between(min, max) => (None, Some((min, max))),
                };
                (hparam.name, values, range, hparam.display_name, hparam.description)
            };
            let metric = |metric: hparams::Metric| -> Metric {
                (metric.tag, metric.group, metric.display_name, metric.description, metric.dataset_type)
            };
            let hparams: Vec<HParam> = hparams.into_iter().map(hparam).collect();
            let metrics: Vec<Metric> = metrics.into_iter().map(metric).collect();
            ("experiment", hparams, metrics, time_created_secs).into_pyobject(py)?
        }
        hparams::Content::SessionStart { hparams, trial, start_time_secs } => {
            let values = PyDict::new(py);
            for (name, value) in hparams {
                values.set_item(name, Scalar::from(value))?;
            }
            ("start", values, trial, start_time_secs).into_pyobject(py)?
        }
        hparams::Content::SessionEnd { status, end_time_secs } => {
            ("end", status, end_time_secs).into_pyobject(py)?
        }
    };
    Ok(Some(tuple))
}

/// The fields of images, each a PNG in a tensor of strings behind width and height; and whether some samples were
/// outside of 0 to 1. `shape` is batch, height, width, channels.
#[pyfunction]
pub fn encode_images<'py>(
    py: Python<'py>,
    data: PyBuffer<u8>,
    dtype: &str,
    shape: (u32, u32, u32, u8),
    metadata: PyBackedBytes,
) -> PyResult<(Bound<'py, PyBytes>, bool)> {
    let elements = elements(&data, dtype)?;
    let (batch, height, width, channels) = shape;
    let result = py.detach(move || {
        let (samples, outside) = eight_bits(elements);
        let mut strings = vec![width.to_string().into_bytes(), height.to_string().into_bytes()];
        for picture in samples.chunks_exact((samples.len() / batch.max(1) as usize).max(1)) {
            strings.push(encode_png(width, height, channels, picture)?);
        }
        let mut fields = Vec::new();
        tensor::put_string_tensor_field(&mut fields, &[Dim::new(strings.len() as u64)], &strings);
        fields.extend_from_slice(&metadata);
        Ok((fields, outside))
    });
    let (fields, outside) = result.map_err(|error: ImageError| invalid(py, &error))?;
    Ok((PyBytes::new(py, &fields), outside))
}

/// The fields of one encoded image, in TensorBoard's first form.
#[pyfunction]
pub fn encode_image<'py>(
    py: Python<'py>,
    image: &[u8],
    width: i32,
    height: i32,
    colorspace: i32,
    metadata: &[u8],
) -> Bound<'py, PyBytes> {
    let mut fields = Vec::new();
    media::put_image_field(&mut fields, width, height, colorspace, image);
    fields.extend_from_slice(metadata);
    PyBytes::new(py, &fields)
}

/// A PNG of samples of 8 bits, row by row.
#[pyfunction]
#[pyo3(name = "encode_png")]
pub fn to_png(
    py: Python<'_>,
    data: PyBuffer<u8>,
    width: u32,
    height: u32,
    channels: u8,
) -> PyResult<Bound<'_, PyBytes>> {
    let samples = bytes_of(&data)?;
    let png = py.detach(move || encode_png(width, height, channels, samples));
    Ok(PyBytes::new(py, &png.map_err(|error| invalid(py, &error))?))
}

/// Width, height, channels, bits and samples of a PNG.
#[pyfunction]
pub fn decode_png(py: Python<'_>, png: PyBackedBytes) -> PyResult<(u32, u32, u8, u8, Bound<'_, PyBytes>)> {
    let picture = py.detach(move || media::decode_png(&png)).map_err(|error| invalid(py, &error))?;
    let Picture { width, height, channels, bits, samples } = picture;
    Ok((width, height, channels, bits, PyBytes::new(py, &samples)))
}

/// A WAV file of samples: floats of 32 bits, or whole numbers.
#[pyfunction]
pub fn encode_wav<'py>(
    py: Python<'py>,
    data: PyBuffer<u8>,
    dtype: &str,
    channels: u16,
    sample_rate: u32,
) -> PyResult<Bound<'py, PyBytes>> {
    let format = match dtype {
        "float32" => SampleFormat::Float(32),
        "int32" => SampleFormat::Whole(32),
        "int16" => SampleFormat::Whole(16),
        _ => return Err(PyValueError::new_err(format!("no WAV file of {dtype}"))),
    };
    let samples = bytes_of(&data)?;
    let file = py.detach(move || media::encode_wav(Clip { format, sample_rate, channels, samples }));
    Ok(PyBytes::new(py, &file.map_err(|error| invalid(py, &error))?))
}

/// Sample rate, channels, bits, whether the samples are floats, and the samples of a WAV file.
#[pyfunction]
pub fn decode_wav<'py>(py: Python<'py>, wav: &[u8]) -> PyResult<(u32, u16, u16, bool, Bound<'py, PyBytes>)> {
    let clip = media::decode_wav(wav).map_err(|error| invalid(py, &error))?;
    let float = matches!(clip.format, SampleFormat::Float(_));
    Ok((clip.sample_rate, clip.channels, clip.format.bits(), float, PyBytes::new(py, clip.samples)))
}

/// A GIF of RGB frames, eight bits a sample, each shown for `delay` hundredths of a second. `shape` is frames, height,
/// width.
#[pyfunction]
pub fn encode_gif<'py>(
    py: Python<'py>,
    data: PyBuffer<u8>,
    dtype: &str,
    shape: (usize, usize, usize),
    delay: u16,
) -> PyResult<(Bound<'py, PyBytes>, bool)> {
    let elements = elements(&data, dtype)?;
    let (gif, outside) = py.detach(move || {
        let (samples, outside) = eight_bits(elements);
        (media::encode_gif(shape.2, shape.1, delay, &samples), outside)
    });
    Ok((PyBytes::new(py, &gif.map_err(|error| invalid(py, &error))?), outside))
}

/// The plugin content of a precision-recall curve.
#[pyfunction]
pub fn encode_pr_curve_content(py: Python<'_>, num_thresholds: u32) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &plugins::pr_curve_content(num_thresholds))
}

/// The plugin content of a mesh's vertices (1), faces (2) or colours (3).
#[pyfunction]
pub fn encode_mesh_content(
    py: Python<'_>,
    name: String,
    kind: i32,
    kinds: Vec<i32>,
    shape: Vec<i32>,
    config: String,
) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &plugins::mesh_content(name, kind, &kinds, shape, config))
}

/// The lines of a chart: tags, or margins of value, lower and upper.
#[derive(FromPyObject)]
pub enum Lines {
    #[pyo3(transparent)]
    Tags(Vec<String>),
    #[pyo3(transparent)]
    Margins(Vec<(String, String, String)>),
}

/// A category of charts: its title, whether it is closed, and the charts with their titles.
type Charts = (String, bool, Vec<(String, Lines)>);

/// The layout of the custom scalars dashboard.
#[pyfunction]
pub fn encode_layout(py: Python<'_>, categories: Vec<Charts>) -> Bound<'_, PyBytes> {
    let lines = |lines| match lines {
        Lines::Tags(tags) => plugins::Lines::Tags(tags),
        Lines::Margins(margins) => plugins::Lines::Margins(margins),
    };
    let category = |(title, closed, charts): Charts| {
        (title, closed, charts.into_iter().map(|(title, chart)| (title, lines(chart))).collect())
    };
    PyBytes::new(py, &plugins::layout(categories.into_iter().map(category).collect()))
}

/// A value's kind, dtype, shape, data and plugin content, as the `summary` column would hold them.
type Cell<'py> =
    (&'static str, Option<&'static str>, Option<Vec<i64>>, Option<Bound<'py, PyBytes>>, Bound<'py, PyBytes>);

/// Takes the fields of a value apart.
#[pyfunction]
pub fn summary_cell<'py>(py: Python<'py>, fields: &[u8]) -> PyResult<Cell<'py>> {
    let broken = |_| errors::error(py, "InvalidEventError", "the summary's fields are broken");
    let value = Value::walk(fields).map_err(broken)?;
    let metadata = value.metadata.map(Metadata::walk).transpose().map_err(broken)?.unwrap_or_default();
    let mut data = Vec::new();
    let parts = Parts::of(&value, &mut data);
    let data = parts.has_data.then(|| PyBytes::new(py, &data));
    Ok((
        parts.kind,
        parts.dtype.map(DType::name),
        parts.shape,
        data,
        PyBytes::new(py, metadata.plugin_content),
    ))
}

fn invalid(py: Python<'_>, error: &dyn std::error::Error) -> PyErr {
    errors::error(py, "InvalidEventError", error.to_string())
}

fn elements<'a>(data: &'a PyBuffer<u8>, dtype: &str) -> PyResult<Elements<'a>> {
    let bytes = bytes_of(data)?;
    tensor::dtype_from_name(dtype)
        .and_then(|dtype| Elements::new(dtype, bytes))
        .ok_or_else(|| PyValueError::new_err(format!("no numbers with an order: {dtype:?}")))
}

fn dims(shape: &[u64], names: Option<Vec<String>>) -> PyResult<Vec<Dim>> {
    match names {
        None => Ok(shape.iter().copied().map(Dim::new).collect()),
        Some(names) if names.len() == shape.len() => {
            Ok(shape.iter().zip(names).map(|(&size, name)| Dim { size, name }).collect())
        }
        Some(_) => Err(PyValueError::new_err("there must be as many dimension names as dimensions")),
    }
}

/// The bytes of a contiguous buffer, read in place.
#[allow(unsafe_code)] // the one place that reads another library's memory
fn bytes_of(buffer: &PyBuffer<u8>) -> PyResult<&[u8]> {
    if !buffer.is_c_contiguous() {
        return Err(PyValueError::new_err("the buffer must be contiguous"));
    }
    if buffer.len_bytes() == 0 {
        return Ok(&[]);
    }
    // SAFETY: the buffer keeps its memory alive and in place while it is held; that nobody writes to it meanwhile
    // is what Python libraries ask of all callers that release the interpreter's lock around an array.
    Ok(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) })
}
