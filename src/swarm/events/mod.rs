//! What happened in the swarms: told by whoever did it, kept in a bounded ring, read by who asks (spec
//! genswarms J.4).
//!
//! A [`Draft`] is what is told; the [`Hub`] gives it its number and its time and cleans it before anybody
//! sees it: no secret by the name of its key, no agent token, no text without an end. Events are facts for
//! reading, and nothing of the program decides by them.

mod clean;
mod filter;
mod hub;
mod names;

use serde_json::{Map, Value, json};

pub(in crate::swarm) use self::clean::cut;
pub use self::{
    clean::preview,
    filter::Filter,
    hub::{Hub, Since},
    names::Name,
};
use crate::wire::date;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// for who looks for a fault
    Debug,
    /// the ordinary way of things
    Info,
    /// somebody did what may not be, or something was left out
    Warning,
    /// something does not work
    Error,
}

impl Level {
    /// The word that clients know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// where agents run
    Backend,
    /// messages on their way
    Routing,
    /// one agent
    Agent,
    /// one object
    Object,
    /// a swarm as a whole
    Swarm,
    /// the rest
    System,
}

impl Category {
    /// The word that clients know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Routing => "routing",
            Self::Agent => "agent",
            Self::Object => "object",
            Self::Swarm => "swarm",
            Self::System => "system",
        }
    }
}

/// Something that happened, before it has a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// how much it matters; by its name, unless overridden
    pub level: Level,
    /// what it is about; by its name
    pub category: Category,
    /// which swarm, where it is one
    pub swarm: Option<String>,
    /// which agent or object
    pub agent: Option<String>,
    /// its name
    pub event_type: Name,
    /// a sentence, like `agent a task sent`
    pub message: String,
    /// the rest; texts of users as a [`preview`] only
    pub metadata: Map<String, Value>,
}

impl Draft {
    /// An event of this name, with the level and the category that go with it.
    pub fn new(event_type: Name, message: impl Into<String>) -> Self {
        Self {
            level: event_type.level(),
            category: event_type.category(),
            swarm: None,
            agent: None,
            event_type,
            message: message.into(),
            metadata: Map::new(),
        }
    }

    /// The same, of this swarm.
    #[must_use]
    pub fn swarm(self, name: impl ToString) -> Self {
        Self { swarm: Some(name.to_string()), ..self }
    }

    /// The same, about this agent or object.
    #[must_use]
    pub fn agent(self, name: impl ToString) -> Self {
        Self { agent: Some(name.to_string()), ..self }
    }

    /// The same, at another level than its name has.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The same, with one more fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// The same, with the beginning of a text that somebody wrote.
    #[must_use]
    pub fn with_preview(self, key: &str, text: &str) -> Self {
        self.with(key, preview(text))
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// its number, from 1, rising
    pub id: u64,
    /// when, in ms since 1970
    pub unix_ms: u64,
    /// the rest, cleaned
    pub draft: Draft,
}

impl Event {
    /// As clients know it (spec genswarms B.2).
    pub fn to_value(&self) -> Value {
        let draft = &self.draft;
        json!({
            "id": self.id,
            "timestamp": date::rfc3339_us(self.unix_ms),
            "level": draft.level.as_str(),
            "category": draft.category.as_str(),
            "swarm": draft.swarm,
            "agent": draft.agent,
            "event_type": draft.event_type.as_str(),
            "message": draft.message,
            "metadata": draft.metadata,
        })
    }
}

#[cfg(test)]
mod tests;
