//! What live followers are told (spec genswarms D.6): each push comes from exactly one entry of the stream.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Event, Name, event::text};
use crate::{agent, wire::date};

/// What only live followers are told. Nobody keeps it, on disk least of all.
#[derive(Debug, Clone, PartialEq)]
pub enum Push {
    /// the whole text of a turn
    Output {
        /// the text
        content: Arc<str>,
    },
    /// how an agent that is new was configured, without secrets and paths
    Added {
        /// `{name, backend, ...}`
        spec: Value,
    },
    /// what an agent is doing now
    State {
        /// the word that clients know
        state: &'static str,
    },
}

impl Push {
    /// The same without agent tokens. What else a caller may not see its maker has left out.
    pub(super) fn cleaned(self) -> Self {
        match self {
            Self::Output { content } if agent::may_hold_token(&content) => {
                Self::Output { content: agent::redacted(&content).into() }
            }
            Self::Added { spec } => Self::Added { spec: clean(spec) },
            Self::Output { .. } | Self::State { .. } => self,
        }
    }

    /// What its text takes of memory, the JSON of it included.
    pub(super) fn text_size(&self) -> usize {
        match self {
            Self::Output { content } => content.len().saturating_mul(2).saturating_add(escapes(content)),
            Self::Added { spec } => spec.to_string().len().saturating_mul(4),
            Self::State { .. } => 0,
        }
    }

    /// The word that clients know, and the payload.
    pub(super) fn told(&self, agent: &str) -> (&'static str, String) {
        match self {
            Self::Output { content } => {
                ("agent_output", format!("{{\"agent\":{},\"content\":{}}}", text(agent), text(content)))
            }
            Self::Added { spec } => ("agent_added", json!({"name": agent, "spec": spec}).to_string()),
            Self::State { state } => ("agent_status", json!({"agent": agent, "state": state}).to_string()),
        }
    }
}

/// What followers are told because of an event that brings no push of its own.
pub(super) fn of(event: &Event) -> Option<(&'static str, String)> {
    let (draft, facts) = (&event.draft, &event.draft.metadata);
    let name = || draft.agent.as_deref().unwrap_or_default();
    let routed = |sort: &str| {
        json!({
            "timestamp": date::rfc3339_us(event.unix_ms),
            "swarm": draft.swarm,
            "from": facts.get("from"),
            "to": facts.get("to"),
            "type": facts.get("type").and_then(Value::as_str).unwrap_or(sort),
            "content_preview": facts.get("content_preview"),
        })
    };
    let payload = match draft.event_type {
        Name::MessageRouted => routed("direct"),
        Name::MessageBroadcast => routed("broadcast"),
        Name::SwarmStarted => json!({"status": "running"}),
        // It was to start, and does not run.
        Name::SwarmError => json!({"status": "error"}),
        Name::SwarmStopped | Name::TopologyChanged => json!({}),
        Name::AgentAdded => json!({"name": name(), "spec": {"name": name()}}),
        Name::AgentRemoved => json!({"name": name()}),
        _ => return None,
    };
    let word = if draft.event_type == Name::SwarmError { Name::SwarmStarted } else { draft.event_type };
    Some((word.as_str(), payload.to_string()))
}

/// How many bytes JSON adds to a text.
fn escapes(text: &str) -> usize {
    let added = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..=0x1f => 5,
        _ => 0,
    };
    text.bytes().map(added).sum()
}

/// A tree without agent tokens. As deep as the tree, which was bounded when it was read.
fn clean(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
        Value::String(text) => agent::redacted(&text).into(),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (agent::redacted(&key), clean(value))).collect())
        }
    }
}
