//! JSON as it is found in run directories: keys in their order, numbers exact, and what other writers get wrong.
//!
//! R writes NaN and infinities as strings ("NaN", "Inf", "-Inf"), Python's `json` as bare words that no standard
//! allows. Both are read as numbers here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Objects keep the order of their keys, and keys that come twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number that 64 bits hold.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Parses one document.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(bytes) {
            Ok(json) => Ok(json),
            Err(error) => quote_bare_numbers(bytes)
                .and_then(|repaired| serde_json::from_slice(&repaired).ok())
                .ok_or_else(|| error.to_string()),
        }
    }

    /// The value as a number, R's words for NaN and the infinities included.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(as_f64(*value)),
            Self::Float(value) => Some(*value),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Text(text) => special(text),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value of an object's key; the last one where a key comes twice.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}

/// Compact JSON again; what is not a finite number becomes R's word for it.
impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Float(value) if value.is_finite() => write!(out, "{value}"),
            Self::Float(value) if value.is_nan() => out.write_str("\"NaN\""),
            Self::Float(value) => out.write_str(if *value > 0.0 { "\"Inf\"" } else { "\"-Inf\"" }),
            Self::Text(text) => out.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?),
            Self::List(values) => {
                out.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(out, "{}{value}", if index == 0 { "" } else { "," })?;
                }
                out.write_str("]")
            }
            Self::Map(entries) => {
                out.write_str("{")?;
                for (index, (name, value)) in entries.iter().enumerate() {
                    let name = serde_json::to_string(name).map_err(|_| fmt::Error)?;
                    write!(out, "{}{name}:{value}", if index == 0 { "" } else { "," })?;
                }
                out.write_str("}")
            }
        }
    }
}

/// A column of numbers without its numbers: how many values are not null, and the last of them.
#[derive(Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Values that are not null.
    pub count: usize,
    /// The last of them.
    pub last: Option<Json>,
}

/// The columns of an object of plain arrays of numbers and nulls; `None` for anything else, which the reader of whole
/// documents judges. A listing shows one number of hundreds, and exact numbers are what reading costs most.
pub fn last_values(bytes: &[u8]) -> Option<Vec<Column>> {
    let mut text = Cursor { bytes, at: 0 };
    let mut columns: Vec<Column> = Vec::new();
    text.token(b'{')?;
    if text.token(b'}').is_none() {
        loop {
            let name = text.plain_string()?.to_owned();
            if columns.iter().any(|column| column.name == name) {
                return None;
            }
            text.token(b':')?;
            let (count, last) = text.plain_array()?;
            let last = last.map(serde_json::from_slice).transpose().ok()?;
            columns.push(Column { name, count, last });
            if text.token(b',').is_none() {
                break;
            }
        }
        text.token(b'}')?;
    }
    text.space();
    (text.at == bytes.len()).then_some(columns)
}

/// A place in a text of JSON.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Passes spaces and this byte.
    fn token(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek() == byte).then(|| self.at += 1)
    }

    /// A string without escapes.
    fn plain_string(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        self.at += end + 1;
        (rest[end] == b'"').then(|| str::from_utf8(&rest[..end]).ok())?
    }

    /// An array of numbers and nulls: how many numbers, and the last of them.
    fn plain_array(&mut self) -> Option<(usize, Option<&'a [u8]>)> {
        self.token(b'[')?;
        let (mut count, mut last) = (0, None);
        if self.token(b']').is_some() {
            return Some((0, None));
        }
        loop {
            self.space();
            let from = self.at;
            if self.bytes[from..].starts_with(b"null") {
                self.at += 4;
            } else {
                self.number()?;
                count += 1;
                last = Some(from..self.at);
            }
            if self.token(b',').is_none() {
                self.token(b']')?;
                return Some((count, last.map(|range| &self.bytes[range])));
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.peek() == b'-');
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        Some(())
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        (count > 0).then_some(())
    }
}

/// R's words for the numbers that JSON lacks.
pub fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Inf" | "Infinity" => Some(f64::INFINITY),
        "-Inf" | "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a column of numbers is one of doubles")]
fn as_f64(value: i64) -> f64 {
    value as f64
}

/// The document with bare `NaN`, `Infinity` and `-Infinity` in quotes; `None` if it has none.
fn quote_bare_numbers(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut repaired = Vec::with_capacity(bytes.len() + 64);
    let (mut quoted, mut escaped, mut found) = (false, false, false);
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if let Some(word) =
            [&b"-Infinity"[..], b"Infinity", b"NaN"].into_iter().find(|word| rest.starts_with(word))
        {
            repaired.push(b'"');
            repaired.extend_from_slice(word);
            repaired.push(b'"');
            rest = &rest[word.len()..];
            found = true;
            continue;
        } else {
            quoted = byte == b'"';
        }
        repaired.push(byte);
        rest = tail;
    }
    found.then_some(repaired)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "a number beyond 64 signed bits is a double")]
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = pairs.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_keys_keep_their_order() {
        let json =
            Json::parse(br#"{"b": 0.1234567890123456789, "a": 1, "big": 18446744073709551615}"#).unwrap();
        assert_eq!(json.get("b"), Some(&Json::Float(0.123_456_789_012_345_68)));
        assert_eq!(json.get("big"), Some(&Json::Float(18_446_744_073_709_551_615.0)));
        assert_eq!(json.to_string(), r#"{"b":0.12345678901234568,"a":1,"big":18446744073709552000}"#);
    }

    #[test]
    fn bare_and_quoted_specials_are_numbers() {
        let json = Json::parse(br#"{"NaN \" NaN": [NaN, -Infinity, Infinity, "Inf", "NaN"]}"#).unwrap();
        let Json::Map(entries) = json else { panic!() };
        assert_eq!(entries[0].0, "NaN \" NaN");
        let Json::List(values) = &entries[0].1 else { panic!() };
        let numbers: Vec<f64> = values.iter().map(|value| value.number().unwrap()).collect();
        assert!(numbers[0].is_nan() && numbers[4].is_nan());
        assert_eq!(numbers[1..4], [f64::NEG_INFINITY, f64::INFINITY, f64::INFINITY]);
    }

    #[test]
    fn last_values_are_those_of_the_whole_document() {
        let plain = r#"{"a": [1, 2.5, null], "bé": [ ], "c": [null, -0, 1e-3 , 7 ], "d":[null]}"#;
        let columns = last_values(plain.as_bytes()).unwrap();
        let Json::Map(entries) = Json::parse(plain.as_bytes()).unwrap() else { panic!() };
        assert_eq!(columns.len(), entries.len());
        for (column, (name, values)) in columns.iter().zip(&entries) {
            let Json::List(values) = values else { panic!() };
            let present: Vec<_> = values.iter().filter(|value| **value != Json::Null).collect();
            assert_eq!(
                (&column.name, column.count, column.last.as_ref()),
                (name, present.len(), present.last().copied())
            );
        }
        for other in [
            r#"{"b\u00e9": [1]}"#,
            r#"{"a": [01]}"#,
            r#"{"a": [1 2]}"#,
            r#"{"a": [1.]}"#,
            r#"{"a": [1],}"#,
            r#"{"a": [1]} 2"#,
            r#"{"a": ["NaN", 1]}"#,
            r#"{"a": [NaN]}"#,
            r#"{"a": [true]}"#,
            r#"{"a": [[1, 2]]}"#,
            r#"{"a": [{"b": 1}]}"#,
            r#"{"a": 1}"#,
            r#"{"a": [1], "a": [2]}"#,
            r#"{"a": [1"#,
            "[1]",
            "",
        ] {
            assert_eq!(last_values(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn damage_and_depth_are_errors() {
        assert!(Json::parse(br#"{"loss": [1, 2"#).is_err());
        assert!(Json::parse(&vec![b'['; 100_000]).is_err());
        assert!(Json::parse(b"").is_err());
    }
}
