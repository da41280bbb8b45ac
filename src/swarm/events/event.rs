//! An event, and the texts by which clients know it.
//!
//! Most of the text is made once, before the event has its number; the rest by who needs it first, and it is shared by
//! all: hundreds of followers cost no more than one.

use std::sync::OnceLock;

use serde_json::Value;

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
    /// the fields behind number and time, as JSON has them
    fields: Box<str>,
    json: OnceLock<Box<str>>,
    log: OnceLock<Box<str>>,
}

impl Event {
    /// An event of these fields, which [`fields`] has made of the draft.
    pub(super) fn new(id: u64, unix_ms: u64, draft: Draft, fields: String) -> Self {
        Self { id, unix_ms, draft, fields: fields.into(), json: OnceLock::new(), log: OnceLock::new() }
    }

    /// As clients know it (spec genswarms B.2), one line of JSON.
    pub fn json(&self) -> &str {
        let text = || {
            let mut out = begin(self.id, &date::rfc3339_us(self.unix_ms), self.fields.len());
            out.push_str(&self.fields);
            out.push('}');
            out.into()
        };
        self.json.get_or_init(text)
    }

    /// As a subscriber of logs knows it (spec genswarms D.5): without category and swarm.
    pub fn log_json(&self) -> &str {
        let text = || {
            let mut out = begin(self.id, &date::rfc3339_us(self.unix_ms), self.fields.len());
            write(&mut out, &self.draft, false);
            out.push('}');
            out.into()
        };
        self.log.get_or_init(text)
    }

    /// The same as [`Event::json`], as a tree.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.json()).unwrap_or_default()
    }

    /// The fields behind number and time.
    #[cfg(any(test, fuzzing))]
    pub(super) fn fields(&self) -> &str {
        &self.fields
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.unix_ms, &self.draft) == (other.id, other.unix_ms, &other.draft)
    }
}

/// The fields behind number and time, as JSON has them, of a draft that is clean.
pub(super) fn fields(draft: &Draft) -> String {
    let mut out = String::with_capacity(256);
    write(&mut out, draft, true);
    out
}

/// A text as JSON has it.
pub(super) fn text(text: &str) -> String {
    // Writing a text to memory cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

fn begin(id: u64, timestamp: &str, more: usize) -> String {
    let mut out = String::with_capacity(more.saturating_add(64));
    out.push_str("{\"id\":");
    out.push_str(&id.to_string());
    out.push_str(",\"timestamp\":\"");
    out.push_str(timestamp);
    out.push_str("\",");
    out
}

fn write(out: &mut String, draft: &Draft, whole: bool) {
    out.push_str("\"level\":\"");
    out.push_str(draft.level.as_str());
    if whole {
        out.push_str("\",\"category\":\"");
        out.push_str(draft.category.as_str());
        out.push_str("\",\"swarm\":");
        name(out, draft.swarm.as_deref());
        out.push_str(",\"agent\":");
    } else {
        out.push_str("\",\"agent\":");
    }
    name(out, draft.agent.as_deref());
    out.push_str(",\"event_type\":\"");
    out.push_str(draft.event_type.as_str());
    out.push_str("\",\"message\":");
    out.push_str(&text(&draft.message));
    out.push_str(",\"metadata\":");
    // A tree of values whose keys are texts can always be written.
    out.push_str(&serde_json::to_string(&draft.metadata).unwrap_or_default());
}

fn name(out: &mut String, name: Option<&str>) {
    match name {
        Some(name) => out.push_str(&text(name)),
        None => out.push_str("null"),
    }
}
