//! `relay`: hands on what it is sent, to some of its neighbours or to all of them.
//!
//! Configuration: `show_from`, and as mutable keys `to` and `prefix`. Whoever sent a message never gets it back,
//! so that an agent and a relay do not keep each other busy.

use serde_json::{Map, Value, json};

use super::{Action, Object, Reply, own_error};

pub(super) struct Relay {
    to: Vec<String>,
    prefix: String,
    show_from: bool,
    relayed: u64,
}

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "show_from": {"type": "boolean", "default": false,
                          "description": "begin each message with `[from NAME] `"},
            "to": {"type": "array", "items": {"type": "string", "maxLength": 64}, "maxItems": 100,
                   "x-mutable": true, "description": "whom it hands on to; without it, all its neighbours"},
            "prefix": {"type": "string", "maxLength": 256, "x-mutable": true,
                       "description": "what each message begins with"},
        },
    })
}

impl Relay {
    /// From a configuration that fits the schema.
    pub fn new(config: &Map<String, Value>) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let names = |value: &Value| value.as_array().map(|names| names.iter().filter_map(text).collect());
        Self {
            to: config.get("to").and_then(names).unwrap_or_default(),
            prefix: config.get("prefix").and_then(text).unwrap_or_default(),
            show_from: config.get("show_from").and_then(Value::as_bool).unwrap_or(false),
            relayed: 0,
        }
    }
}

impl Object for Relay {
    fn handle(&mut self, from: &str, content: &str) -> Vec<Action> {
        let shown = if self.show_from { format!("[from {from}] ") } else { String::new() };
        let content = format!("{}{shown}{content}", self.prefix);
        self.relayed = self.relayed.saturating_add(1);
        if self.to.is_empty() {
            return vec![Action::Broadcast { content, except: Some(from.to_owned()) }];
        }
        let others = self.to.iter().filter(|to| *to != from);
        others.map(|to| Action::Send { to: to.clone(), content: content.clone() }).collect()
    }

    fn ask(&mut self, _from: &str, _content: &str) -> (Reply, Vec<Action>) {
        (own_error("not_supported", "a relay hands messages on and answers none"), Vec::new())
    }

    fn shown(&self) -> Value {
        json!({"relayed": self.relayed})
    }
}
