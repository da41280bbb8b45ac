//! `counter`: adds up, and tells when a threshold is reached.
//!
//! Configuration: `start`, `max`, and as mutable keys `step`, `threshold`, `notify`. Messages are
//! `{"action":"add","by":2}`, `{"action":"get"}`, `{"action":"reset"}` or the words alone; anything else counts
//! nothing, so that a broadcast which happens to reach it starts nobody's turn.

use serde_json::{Map, Value, json};

use super::{Action, Object, Reply, action, own_error};

/// Largest number in either direction: what every reader of JSON holds exactly.
const MOST: i64 = 1 << 53;

pub(super) struct Counter {
    count: i64,
    start: i64,
    step: i64,
    max: i64,
    threshold: Option<i64>,
    notify: Option<String>,
}

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "start": {"type": "integer", "minimum": -MOST, "maximum": MOST, "default": 0,
                      "description": "where it begins, and where a reset leads back to"},
            "max": {"type": "integer", "minimum": -MOST, "maximum": MOST,
                    "description": "it never goes above this"},
            "step": {"type": "integer", "minimum": -MOST, "maximum": MOST, "default": 1, "x-mutable": true,
                     "description": "what an add without `by` adds"},
            "threshold": {"type": "integer", "minimum": -MOST, "maximum": MOST, "x-mutable": true,
                          "description": "reaching this from below is told"},
            "notify": {"type": "string", "maxLength": 64, "x-mutable": true,
                       "description": "who is told; without it all neighbours are"},
        },
    })
}

impl Counter {
    /// From a configuration that fits the schema.
    pub fn new(config: &Map<String, Value>) -> Self {
        let whole = |key: &str| config.get(key).and_then(Value::as_i64);
        let (start, max) = (whole("start").unwrap_or(0), whole("max").unwrap_or(MOST));
        Self {
            count: start.min(max),
            start,
            step: whole("step").unwrap_or(1),
            max,
            threshold: whole("threshold"),
            notify: config.get("notify").and_then(Value::as_str).map(str::to_owned),
        }
    }

    fn told(&self) -> String {
        json!({"count": self.count}).to_string()
    }

    /// Does what a message says; nothing where it says nothing that a counter knows.
    fn take(&mut self, content: &str) -> Option<(bool, Vec<Action>)> {
        let (word, fields) = action(content);
        match word.as_str() {
            "get" => Some((true, Vec::new())),
            "reset" => {
                self.count = self.start.min(self.max);
                Some((false, Vec::new()))
            }
            "add" => {
                let by = match fields.get("by") {
                    None | Some(Value::Null) => self.step,
                    Some(by) => by.as_i64()?,
                };
                Some((false, self.add(by)))
            }
            _ => None,
        }
    }

    fn add(&mut self, by: i64) -> Vec<Action> {
        let before = self.count;
        self.count = before.saturating_add(by).clamp(-MOST, self.max);
        let reached = self.threshold.is_some_and(|threshold| before < threshold && threshold <= self.count);
        match (reached, &self.notify) {
            (false, _) => Vec::new(),
            (true, Some(to)) => vec![Action::Send { to: to.clone(), content: self.told() }],
            (true, None) => vec![Action::Broadcast { content: self.told(), except: None }],
        }
    }
}

impl Object for Counter {
    fn handle(&mut self, _from: &str, content: &str) -> Vec<Action> {
        match self.take(content) {
            None => vec![Action::NoReply],
            Some((false, told)) if told.is_empty() => vec![Action::NoReply],
            Some((false, told)) => told,
            Some((true, _)) => vec![Action::Reply { content: self.told() }],
        }
    }

    fn ask(&mut self, _from: &str, content: &str) -> (Reply, Vec<Action>) {
        match self.take(content) {
            Some((_, told)) => (Reply::Text(self.told()), told),
            None => (own_error("unknown_action", "a counter knows add, get and reset"), Vec::new()),
        }
    }

    fn shown(&self) -> Value {
        json!({"count": self.count})
    }
}
