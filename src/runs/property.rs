//! Properties: small text files, each a column. Their types are R's, and so is the reading of their texts.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::dir::Content;
use super::json::special;
use super::record::{Cell, TEXT_LIMIT};

/// What a property's text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Int,
    Float,
    Time,
    Bool,
}

/// The properties that training writes, and those that are more than text; by name.
const KNOWN: [(&str, Type); 23] = [
    ("batch_size", Type::Int),
    ("cloudml_created", Type::Time),
    ("cloudml_end", Type::Time),
    ("cloudml_ml_units", Type::Float),
    ("cloudml_start", Type::Time),
    ("completed", Type::Bool),
    ("context", Type::Text),
    ("end", Type::Time),
    ("epochs", Type::Int),
    ("exit_code", Type::Int),
    ("learning_rate", Type::Float),
    ("loss_function", Type::Text),
    ("model", Type::Text),
    ("optimizer", Type::Text),
    ("output", Type::Text),
    ("samples", Type::Int),
    ("script", Type::Text),
    ("signal", Type::Text),
    ("source", Type::Text),
    ("start", Type::Time),
    ("steps", Type::Int),
    ("type", Type::Text),
    ("validation_samples", Type::Int),
];

/// A property's name and how its text is read.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its name, which costs no memory where it is a known one.
    pub name: Cow<'static, str>,
    kind: Type,
}

impl Property {
    /// The property of this name.
    pub fn of(name: &str) -> Self {
        match KNOWN.binary_search_by_key(&name, |(known, _)| known) {
            Ok(place) => Self { name: Cow::Borrowed(KNOWN[place].0), kind: KNOWN[place].1 },
            Err(_) => Self { name: Cow::Owned(name.to_owned()), kind: Type::Text },
        }
    }

    /// Its value: of a text, one trailing line end less, as R's reader has it, with a mark where it was cut.
    pub fn value(&self, bytes: &[u8], content: &Content) -> Result<Cell, String> {
        if self.kind == Type::Text {
            return Ok(Cell::Text(text_of(bytes, content)));
        }
        let text = String::from_utf8_lossy(bytes);
        let word = text.trim();
        if self.kind == Type::Bool {
            return Ok(truth(word).map_or(Cell::Null, Cell::Bool));
        }
        if matches!(word, "" | "NA") {
            return Ok(Cell::Null);
        }
        let number = word.parse::<f64>().ok().or_else(|| special(word)).ok_or("not a number")?;
        match self.kind {
            Type::Float => Ok(Cell::Float(number)),
            Type::Time => whole((number * 1e6).round()).map(Cell::Time),
            _ => whole(number).map(Cell::Int),
        }
    }
}

/// Columns of the listing that no property may take.
pub fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "run_dir"
            | "status"
            | "problem"
            | "metrics"
            | "source_code"
            | "error_message"
            | "error_traceback"
            | "steps_completed"
            | "epochs_completed"
    ) || ["eval_", "metric_", "flag_", "best_"].iter().any(|prefix| name.starts_with(prefix))
}

/// R's reading of a logical.
fn truth(word: &str) -> Option<bool> {
    let is_any = |words: [&str; 4]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is_any(["true", "t", "yes", "1"]) {
        Some(true)
    } else {
        is_any(["false", "f", "no", "0"]).then_some(false)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within the exact range")]
fn whole(number: f64) -> Result<i64, String> {
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        Ok(number as i64)
    } else {
        Err("not a whole number".to_owned())
    }
}

/// The text of a file, lossless where it is UTF-8, with a mark where it was cut.
fn text_of(bytes: &[u8], content: &Content) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    match content.cut_from {
        None => String::from_utf8_lossy(bytes).into_owned(),
        Some(size) => {
            // A character that the limit cut in two is dropped.
            let valid = match str::from_utf8(bytes) {
                Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
                _ => bytes,
            };
            mark(String::from_utf8_lossy(valid).into_owned(), size)
        }
    }
}

/// A text of a document, cut where it is long unless it is wanted whole.
pub fn cut(mut text: String, whole: bool) -> String {
    if whole || text.len() <= TEXT_LIMIT {
        return text;
    }
    let size = text.len() as u64;
    let boundary = (0..=TEXT_LIMIT).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(boundary.unwrap_or(0));
    mark(text, size)
}

fn mark(mut text: String, size: u64) -> String {
    let _ = write!(text, "\n… [cut, {size} bytes in all]");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_in_order_and_found() {
        assert!(KNOWN.is_sorted_by_key(|(name, _)| name));
        for (name, kind) in KNOWN {
            let property = Property::of(name);
            assert!(matches!(property.name, Cow::Borrowed(held) if held == name));
            assert_eq!(property.kind, kind);
        }
    }

    #[test]
    fn texts_are_read_as_r_reads_them() {
        let value = |name: &str, text: &str| {
            Property::of(name).value(text.as_bytes(), &Content { len: text.len(), cut_from: None })
        };
        assert_eq!(value("samples", "1e+05\n"), Ok(Cell::Int(100_000)));
        assert_eq!(value("samples", "1.5\n"), Err("not a whole number".to_owned()));
        assert_eq!(value("learning_rate", "NA\n"), Ok(Cell::Null));
        assert_eq!(value("start", "1795244823.16958\n"), Ok(Cell::Time(1_795_244_823_169_580)));
        assert_eq!(value("completed", "TRUE\n"), Ok(Cell::Bool(true)));
        assert_eq!(value("completed", "perhaps\n"), Ok(Cell::Null));
        assert_eq!(value("note", "a\n\n"), Ok(Cell::Text("a\n".to_owned())));
    }
}
