//! Which placeholders there are, in a private file of the home: for the instance after one that was killed.
//!
//! Written before a placeholder is made. What cannot be read says nothing, and what it names is removed only if it
//! is something that a guard puts there, and as it was made.

use serde_json::{Value, json};

use super::Made;
use crate::{
    store::{Home, private},
    wire::json,
};

/// The file.
const FILE: &str = "placeholders";

/// Those that an earlier instance has left.
pub(super) fn read(home: &Home) -> Vec<Made> {
    let Ok(bytes) = private::read(home, FILE) else { return Vec::new() };
    let Ok(Value::Object(record)) = json::parse(&bytes) else { return Vec::new() };
    let all = record.get("made").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|pair| {
        let [workspace, relative] = pair.as_array()?.as_slice() else { return None };
        Some(Made { workspace: workspace.as_str()?.into(), relative: relative.as_str()?.to_owned() })
    })
    .collect()
}

/// Writes them down. Where that fails, what is left after a kill stays: no reason not to protect.
pub(super) fn write<'a>(home: &Home, made: impl Iterator<Item = &'a Made>) {
    let made: Vec<_> =
        made.filter_map(|made| Some(json!([made.workspace.to_str()?, made.relative]))).collect();
    let _ = if made.is_empty() {
        private::remove(home, FILE)
    } else {
        private::write_atomic(home, FILE, json!({ "version": 1, "made": made }).to_string().as_bytes())
    };
}
