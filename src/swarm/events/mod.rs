//! What happened in the swarms: told by whoever did it, kept within bounds, read by who asks and by who follows
//! (spec genswarms J.4, D.5, D.6).
//!
//! A [`Draft`] is what is told; the [`Hub`] gives it its number and its time and cleans it before anybody
//! sees it: no secret by the name of its key, no agent token, no text without an end. There is one stream, in one
//! order, of [`Entry`]s: each is an event, or something that only a live follower is told, or both. Events are
//! facts for reading, and nothing of the program decides by them.

mod behind;
mod clean;
mod disk;
mod entry;
mod event;
mod filter;
mod follow;
mod hub;
mod line;
mod marks;
mod names;
mod of;
mod page;
mod push;
mod read;
mod ring;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use serde_json::{Map, Value};

pub(in crate::swarm) use self::clean::{cut, last};
#[cfg(any(test, fuzzing))]
pub use self::line::fuzz_event_line;
pub use self::{
    clean::preview,
    disk::Settings,
    entry::Entry,
    event::Event,
    filter::Filter,
    follow::{Batch, Follow},
    hub::Hub,
    names::Name,
    of::Of,
    page::{Page, Query, Recent, Unread},
    push::Push,
    writer::Health,
};

/// The directory of the events in the home.
pub const DIRECTORY: &str = "events";

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
    /// All of them.
    pub const ALL: &[Self] = &[Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// The level of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|level| level.as_str() == word)
    }

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
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Backend, Self::Routing, Self::Agent, Self::Object, Self::Swarm, Self::System];

    /// The category of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|category| category.as_str() == word)
    }

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
    /// what live followers are told with it and nobody keeps
    pub push: Option<Push>,
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
            push: None,
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

    /// The same, with what live followers are told and nobody keeps.
    #[must_use]
    pub fn pushing(self, push: Push) -> Self {
        Self { push: Some(push), ..self }
    }
}

#[cfg(test)]
mod tests;
