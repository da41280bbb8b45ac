//! An event, and the texts by which clients know it.
//!
//! A text is made once, by who needs it first, and shared by all: hundreds of followers cost no more than one.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::Draft;
use crate::wire::date;

/// Something that happened.
#[derive(Debug)]
pub struct Event {
    /// its number, from 1, rising
    pub id: u64,
    /// when, in ms since 1970
    pub unix_ms: u64,
    /// the rest, cleaned
    pub draft: Draft,
    json: OnceLock<Box<str>>,
    log: OnceLock<Box<str>>,
}

impl Event {
    pub(super) fn new(id: u64, unix_ms: u64, draft: Draft) -> Self {
        Self { id, unix_ms, draft, json: OnceLock::new(), log: OnceLock::new() }
    }

    /// As clients know it (spec genswarms B.2), one line of JSON.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| self.text(true).into())
    }

    /// As a subscriber of logs knows it (spec genswarms D.5): without category and swarm.
    pub fn log_json(&self) -> &str {
        self.log.get_or_init(|| self.text(false).into())
    }

    /// The same as [`Event::json`], as a tree.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.json()).unwrap_or_default()
    }

    fn text(&self, whole: bool) -> String {
        let draft = &self.draft;
        let mut out = String::with_capacity(256);
        out.push_str("{\"id\":");
        out.push_str(&self.id.to_string());
        field(&mut out, "timestamp", Some(&date::rfc3339_us(self.unix_ms)));
        field(&mut out, "level", Some(draft.level.as_str()));
        if whole {
            field(&mut out, "category", Some(draft.category.as_str()));
            field(&mut out, "swarm", draft.swarm.as_deref());
        }
        field(&mut out, "agent", draft.agent.as_deref());
        field(&mut out, "event_type", Some(draft.event_type.as_str()));
        field(&mut out, "message", Some(&draft.message));
        out.push_str(",\"metadata\":");
        out.push_str(&object(&draft.metadata));
        out.push('}');
        out
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.unix_ms, &self.draft) == (other.id, other.unix_ms, &other.draft)
    }
}

/// One more field of an object that has one.
fn field(out: &mut String, name: &str, value: Option<&str>) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    out.push_str(&value.map_or_else(|| "null".to_owned(), text));
}

/// A text as JSON has it.
pub(super) fn text(text: &str) -> String {
    // Writing a text to memory cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

fn object(map: &Map<String, Value>) -> String {
    // Nor can a tree of values whose keys are texts.
    serde_json::to_string(map).unwrap_or_default()
}
