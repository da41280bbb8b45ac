//! `log`: keeps the last messages that it was sent, and shows them to who asks.
//!
//! Configuration: `keep`, mutable. Questions are `{"action":"tail","n":10}` or `tail`; a message is kept,
//! whatever it says.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::{Action, Object, Reply, action, own_error};
use crate::{limits, swarm::events::cut};

const KEEP: u64 = 100;
const TAIL: u64 = 10;

/// Invariants: at most `keep` entries; `bytes` is the sum of their texts, at most
/// [`limits::OBJECT_LOG_BYTES`].
pub(super) struct Log {
    keep: usize,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// the next entry's number
    next: u64,
}

struct Entry {
    number: u64,
    from: String,
    content: String,
}

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "keep": {"type": "integer", "minimum": 1, "maximum": limits::OBJECT_LOG, "default": KEEP,
                     "x-mutable": true, "description": "how many messages it keeps"},
        },
    })
}

impl Log {
    /// From a configuration that fits the schema.
    pub fn new(config: &Map<String, Value>) -> Self {
        let keep = config.get("keep").and_then(Value::as_u64).unwrap_or(KEEP);
        let keep = usize::try_from(keep).unwrap_or(limits::OBJECT_LOG).min(limits::OBJECT_LOG);
        Self { keep, entries: VecDeque::new(), bytes: 0, next: 1 }
    }

    fn tail(&self, most: u64) -> Value {
        let skip = self.entries.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        let shown = |entry: &Entry| json!({"n": entry.number, "from": entry.from, "content": entry.content});
        self.entries.iter().skip(skip).map(shown).collect()
    }
}

impl Object for Log {
    fn handle(&mut self, from: &str, content: &str) -> Vec<Action> {
        let content = cut(content, limits::OBJECT_LOG_ENTRY).to_owned();
        self.bytes += from.len() + content.len();
        self.entries.push_back(Entry { number: self.next, from: from.to_owned(), content });
        self.next = self.next.saturating_add(1);
        while self.entries.len() > self.keep || self.bytes > limits::OBJECT_LOG_BYTES {
            let Some(old) = self.entries.pop_front() else { break };
            self.bytes -= old.from.len() + old.content.len();
        }
        vec![Action::NoReply]
    }

    fn ask(&mut self, _from: &str, content: &str) -> (Reply, Vec<Action>) {
        let (word, fields) = action(content);
        let most = match fields.get("n") {
            None | Some(Value::Null) => Some(TAIL),
            Some(most) => most.as_u64(),
        };
        let reply = match most {
            Some(most) if word == "tail" => Reply::Text(json!({"entries": self.tail(most)}).to_string()),
            Some(_) | None => own_error("unknown_action", "a log knows tail, with a whole number n"),
        };
        (reply, Vec::new())
    }

    fn shown(&self) -> Value {
        json!({"entries": self.entries.len(), "total": self.next - 1})
    }
}
