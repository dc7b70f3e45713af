//! Events that hold a graph, or what running it cost, as summary values.
//!
//! Writers of TensorFlow 1's kind, PyTorch's among them, put a graph beside summaries; TensorFlow 2 puts it into one.
//! TensorBoard's loader turns the one into the other (`dataclass_compat`), and so do we: readers know one form.

use super::encode::put_bytes_field;
use super::metadata::put_metadata_field;
use super::tensor::{Dim, put_string_tensor_field};
use super::walk::{WalkError, What, Wire, fields};

/// The tag of a run's graph.
const RUN_GRAPH: &[u8] = b"__run_graph__";

/// The bytes of the `Summary.Value` that stands for such an event; `None` for all others.
pub fn graph_value(what: &What<'_>) -> Result<Option<Vec<u8>>, WalkError> {
    let ((tag, message), plugin) = match what {
        What::GraphDef(graph) => ((RUN_GRAPH, *graph), "graphs"),
        What::TaggedRunMetadata(tagged) => (tagged_message(tagged)?, "graph_tagged_run_metadata"),
        _ => return Ok(None),
    };
    let mut value = Vec::with_capacity(message.len() + 128);
    put_bytes_field(&mut value, 1, tag);
    put_string_tensor_field(&mut value, &[Dim::new(1)], &[message]);
    put_metadata_field(&mut value, plugin, b"", "", "");
    Ok(Some(value))
}

/// The tag and the message of the bytes of a `TaggedRunMetadata`.
fn tagged_message(tagged: &[u8]) -> Result<(&[u8], &[u8]), WalkError> {
    let (mut tag, mut message) = (&b""[..], &b""[..]);
    for field in fields(tagged) {
        match field? {
            (1, Wire::Len(bytes)) => tag = bytes,
            (2, Wire::Len(bytes)) => message = bytes,
            (1 | 2, _) => return Err(WalkError::WireType),
            _ => {}
        }
    }
    Ok((tag, message))
}

#[cfg(test)]
mod tests {
    use super::super::walk::{Content, Tensor, Value};
    use super::*;

    fn strings(value: &[u8]) -> (String, Vec<u8>) {
        let value = Value::walk(value).unwrap();
        let Content::Tensor(tensor) = value.content else { panic!("{value:?}") };
        let mut data = Vec::new();
        Tensor::walk(tensor).unwrap().append_data(&mut data).unwrap();
        (value.tag().to_owned(), data.split_off(4))
    }

    #[test]
    fn graphs_are_values() {
        let value = graph_value(&What::GraphDef(b"graph")).unwrap().unwrap();
        assert_eq!(strings(&value), ("__run_graph__".to_owned(), b"graph".to_vec()));
        let value = graph_value(&What::TaggedRunMetadata(b"\x0a\x05step1\x12\x04cost")).unwrap().unwrap();
        assert_eq!(strings(&value), ("step1".to_owned(), b"cost".to_vec()));
    }

    #[test]
    fn others_are_none() {
        for what in [What::None, What::Summary(b""), What::MetaGraphDef(b"meta")] {
            assert_eq!(graph_value(&what), Ok(None));
        }
        assert!(graph_value(&What::TaggedRunMetadata(b"\x0a\x05s")).is_err());
    }
}
