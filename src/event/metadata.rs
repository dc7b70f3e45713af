//! What a value says about itself: its plugin, how to show it, and of which class its data is.

use prost::Message;

use super::encode::put_bytes_field;
use super::proto::{DataClass, SummaryMetadata, summary_metadata::PluginData};

/// The field number of `metadata` in `Summary.Value`.
const METADATA_FIELD: u32 = 9;

/// The plugins whose data TensorBoard knows how to load from the name alone (`dataclass_compat` in TensorBoard).
const PLUGINS_WITH_KNOWN_CLASS: [&str; 12] = [
    "audio",
    "custom_scalars",
    "graph_keras_model",
    "graph_run_metadata",
    "graph_run_metadata_graph",
    "histograms",
    "hparams",
    "images",
    "mesh",
    "pr_curves",
    "scalars",
    "text",
];

/// Appends `metadata` as a field of `Summary.Value`.
///
/// The data class is written only for plugins that TensorBoard does not know; without it their data stays
/// invisible. Where TensorBoard knows the plugin, a class would turn off the conversions its loader does for
/// that plugin (it would take the labels of audio clips for clips), and R's tfevents writes none either.
pub fn put_metadata_field(
    buf: &mut Vec<u8>,
    plugin_name: &str,
    content: &[u8],
    display_name: &str,
    description: &str,
) {
    let known = PLUGINS_WITH_KNOWN_CLASS.contains(&plugin_name);
    let data_class = match plugin_name {
        "graphs" | "graph_tagged_run_metadata" => DataClass::BlobSequence,
        _ if known => DataClass::Unknown,
        _ => DataClass::Tensor,
    };
    let metadata = SummaryMetadata {
        plugin_data: Some(PluginData { plugin_name: plugin_name.to_owned(), content: content.to_vec() }),
        display_name: display_name.to_owned(),
        summary_description: description.to_owned(),
        data_class: data_class.into(),
    };
    put_bytes_field(buf, METADATA_FIELD, &metadata.encode_to_vec());
}

#[cfg(test)]
mod tests {
    use super::super::encode::SCALARS_METADATA;
    use super::*;

    fn field(plugin_name: &str, content: &[u8], display_name: &str, description: &str) -> Vec<u8> {
        let mut buf = Vec::new();
        put_metadata_field(&mut buf, plugin_name, content, display_name, description);
        buf
    }

    #[test]
    fn known_plugins_are_written_as_r_writes_them() {
        assert_eq!(field("scalars", b"", "", ""), SCALARS_METADATA);
        assert_eq!(field("audio", b"\x10\x0b", "", ""), b"\x4a\x0d\x0a\x0b\x0a\x05audio\x12\x02\x10\x0b");
        assert_eq!(field("scalars", b"", "DD", "DD"), b"\x4a\x13\x0a\x09\x0a\x07scalars\x12\x02DD\x1a\x02DD");
    }

    #[test]
    fn unknown_plugins_say_their_class() {
        assert_eq!(field("mine", b"", "", ""), b"\x4a\x0a\x0a\x06\x0a\x04mine\x20\x02");
    }
}
