//! The values of one call, out of mappings.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::check::describe;
use super::number::plain_number;
use crate::errors;

/// Mappings nested deeper are refused: one that holds itself has no end.
const DEEPEST: usize = 100;

/// One value of a call, read from Python.
pub(super) struct Leaf<'py> {
    pub run: usize,
    pub tag: Bound<'py, PyString>,
    pub value: Value<'py>,
}

pub(super) enum Value<'py> {
    Number(f64),
    Text(Bound<'py, PyString>),
    Fields(Bound<'py, PyBytes>),
}

/// The values of a call, and the runs they go to.
#[derive(Default)]
pub(super) struct Leaves<'py> {
    pub leaves: Vec<Leaf<'py>>,
    /// Runs beside the logdir itself, which is number 0.
    pub runs: Vec<String>,
}

impl<'py> Leaves<'py> {
    pub(super) fn run(&mut self, name: String) -> usize {
        if name == "." {
            return 0;
        }
        let known = self.runs.iter().position(|run| *run == name);
        known.unwrap_or_else(|| {
            self.runs.push(name);
            self.runs.len() - 1
        }) + 1
    }

    /// Adds what `mapping` holds; false where something is neither number, text nor dict.
    pub(super) fn collect(
        &mut self,
        mapping: &Bound<'py, PyDict>,
        run: usize,
        depth: usize,
    ) -> PyResult<bool> {
        if depth > DEEPEST {
            return Ok(false); // the general way says what is wrong
        }
        for (key, value) in mapping {
            if let Ok(nested) = value.cast_exact::<PyDict>() {
                let key = key_of(&key)?;
                let name = match run {
                    0 => key.to_str()?.to_owned(),
                    _ => format!("{}/{}", self.runs[run - 1], key.to_str()?),
                };
                if nested.is_empty() {
                    let message = format!("{name:?} is an empty mapping");
                    return Err(errors::error(nested.py(), "InvalidEventError", message));
                }
                let nested_run = self.run(name);
                // A copy, for to read a number may let other threads change the mapping.
                if !self.collect(&nested.copy()?, nested_run, depth + 1)? {
                    return Ok(false);
                }
                continue;
            }
            let value = if let Ok(text) = value.cast::<PyString>() {
                Value::Text(text.clone())
            } else if let Some(number) = plain_number(&value)? {
                Value::Number(number)
            } else {
                return Ok(false);
            };
            self.leaves.push(Leaf { run, tag: key_of(&key)?, value });
        }
        Ok(true)
    }
}

pub(super) fn key_of<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    if let Ok(key) = key.cast::<PyString>() {
        return Ok(key.clone());
    }
    let message = format!("{} is no tag or run name: these are text", describe(key));
    Err(errors::error(key.py(), "InvalidEventError", message))
}
