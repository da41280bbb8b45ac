//! Reading fields of an IR document: absent and null are the same, a name is not blank, nothing is longer
//! or deeper than its limit.
//!
//! What each caller makes of a wrong field is its own: the specification names the errors one by one.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::Error;
use crate::limits;

/// The fields of an object that no code here gives a meaning to. Shared between copies of a node: a group of
/// a thousand has one.
pub type Held = Arc<Map<String, Value>>;

/// A field; null counts as absent.
pub fn get<'a>(map: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    map.get(field).filter(|value| !value.is_null())
}

/// A text that is not blank, or `None`.
pub fn text<'a>(map: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    get(map, field).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// The same, as long as a name or ref may be; `missing` where there is none.
pub fn name(map: &Map<String, Value>, field: &'static str, missing: Error) -> Result<String, Error> {
    short(field, text(map, field).ok_or(missing)?)
}

/// A text within its limit.
pub fn short(field: &'static str, text: &str) -> Result<String, Error> {
    if text.len() > limits::IR_TEXT { Err(Error::TooLong(field)) } else { Ok(text.to_owned()) }
}

/// An object of free fields, empty where it is absent; `wrong` where it is something else.
pub fn held(map: &Map<String, Value>, field: &'static str, wrong: Error) -> Result<Held, Error> {
    match get(map, field) {
        None => Ok(Held::default()),
        Some(Value::Object(inner)) => {
            shallow(field, inner)?;
            Ok(Arc::new(inner.clone()))
        }
        Some(_) => Err(wrong),
    }
}

/// Whether free fields have no more levels than they may.
pub fn shallow(field: &'static str, map: &Map<String, Value>) -> Result<(), Error> {
    let mut level: Vec<&Value> = map.values().collect();
    for _ in 1..limits::IR_DEPTH {
        level = level.into_iter().flat_map(within).collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    let nested = level.iter().any(|value| value.is_array() || value.is_object());
    if nested { Err(Error::TooDeep(field)) } else { Ok(()) }
}

/// What stands directly within a value.
fn within(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
