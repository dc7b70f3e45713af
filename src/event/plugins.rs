//! What further TensorBoard plugins want to be told: the content of their metadata, or a message as their tensor.

use prost::Message;

use super::proto::custom_scalar_layout::chart::Content;
use super::proto::custom_scalar_layout::margin::Series;
use super::proto::custom_scalar_layout::{Category, Chart, Margin, Multiline};
use super::proto::{CustomScalarLayout, MeshPluginData, PrCurvePluginData};

/// The plugin content of a precision-recall curve.
pub fn pr_curve_content(num_thresholds: u32) -> Vec<u8> {
    PrCurvePluginData { version: 0, num_thresholds }.encode_to_vec()
}

/// The plugin content of one of the tensors of a mesh: its kind (1 vertices, 2 faces, 3 colours), and which kinds the
/// mesh has.
pub fn mesh_content(name: String, kind: i32, kinds: &[i32], shape: Vec<i32>, config: String) -> Vec<u8> {
    let components = kinds.iter().fold(0, |mask, kind| mask | 1 << kind);
    MeshPluginData { version: 0, name, content_type: kind, json_config: config, shape, components }
        .encode_to_vec()
}

/// A chart of the custom scalars dashboard.
#[derive(Clone, Debug)]
pub enum Lines {
    /// A line for each tag that one of these regular expressions matches.
    Tags(Vec<String>),
    /// Lines between a lower and an upper bound: the tags of value, lower and upper.
    Margins(Vec<(String, String, String)>),
}

/// A category of charts: its title, whether it is closed, and the charts with their titles.
pub type Charts = (String, bool, Vec<(String, Lines)>);

/// The layout of the custom scalars dashboard, as a message.
pub fn layout(categories: Vec<Charts>) -> Vec<u8> {
    let series = |(value, lower, upper)| Series { value, lower, upper };
    let chart = |(title, lines)| {
        let content = match lines {
            Lines::Tags(tag) => Content::Multiline(Multiline { tag }),
            Lines::Margins(margins) => {
                Content::Margin(Margin { series: margins.into_iter().map(series).collect() })
            }
        };
        Chart { title, content: Some(content) }
    };
    let category = |(title, closed, charts): Charts| Category {
        title,
        closed,
        chart: charts.into_iter().map(chart).collect(),
    };
    let category = categories.into_iter().map(category).collect();
    CustomScalarLayout { version: 0, category }.encode_to_vec()
}
