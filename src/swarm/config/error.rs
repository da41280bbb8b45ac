//! Why a config was refused, in the three ways in which it is told: the answer of a call, the line of a
//! validation, and the report of the command line (spec genswarms B.0, B.2, H.2).
//!
//! Clients match on some of the sentences; those are exact. None holds a value of the config.

use std::fmt;

use serde_json::Value;

use super::{excerpt, secrets};
use crate::{
    limits,
    wire::{
        document::{
            Step, Wrong,
            place::{self, Position},
        },
        json,
    },
};

/// Errors that are told by their name alone.
const BARE: [&str; 8] = [
    "invalid_config_format",
    "missing_name",
    "missing_or_empty_agents",
    "invalid_agent_config",
    "invalid_skills_format",
    "invalid_tools_format",
    "invalid_presets_format",
    "invalid_object_config",
];

/// Errors whose sentence stands for itself, without the field.
const SENTENCE: [&str; 3] = ["invalid_name", "invalid_agent_name", "invalid_object_name"];

/// What a route says where an object has no handler that can run.
const HANDLER: &str = "Invalid or missing object handler";

/// A config that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    wrong: Wrong,
    at: Option<Position>,
}

impl From<Wrong> for ConfigError {
    fn from(wrong: Wrong) -> Self {
        Self { wrong, at: None }
    }
}

impl ConfigError {
    /// Its stable name: one of spec genswarms H.2, or one of ours.
    pub fn code(&self) -> &'static str {
        self.wrong.code
    }

    /// The field's path, like `agents[0].config.command`; empty for the whole config.
    pub fn field(&self) -> String {
        self.wrong.field()
    }

    /// What is wrong, to be read behind the field's path.
    pub fn why(&self) -> &str {
        &self.wrong.why
    }

    /// What to do about it, where that can be said.
    pub fn suggestion(&self) -> Option<&str> {
        self.wrong.next.as_deref()
    }

    /// Where it stands in the text, where it was read from one.
    pub fn position(&self) -> Option<Position> {
        self.at
    }

    /// The `error` of a call's answer (spec genswarms B.0).
    pub fn answer(&self) -> String {
        match self.code() {
            bare if BARE.contains(&bare) => bare.to_owned(),
            sentence if SENTENCE.contains(&sentence) => self.wrong.why.clone(),
            "invalid_topology" => format!("Invalid topology: {}", self.wrong.why),
            "invalid_handler" => HANDLER.to_owned(),
            _ => self.to_string(),
        }
    }

    /// The line of a validation (spec genswarms B.2).
    pub fn validation(&self) -> String {
        match self.code() {
            bare if BARE.contains(&bare) => format!(":{bare}"),
            "invalid_topology" => format!("Invalid topology: {}", self.wrong.why),
            "missing_command" => format!("Missing required field: {}", self.field()),
            _ if self.wrong.path.is_empty() => self.wrong.why.clone(),
            _ => format!("Invalid field '{}': {}", self.field(), self.wrong.why),
        }
    }

    /// The line of `text` that is to blame and a caret below the place in it; none where the error has no
    /// place, or where the value at the place is a secret.
    pub fn excerpt(&self, text: &[u8]) -> Option<String> {
        let hidden = |step: &Step| match step {
            Step::Key(key) => secrets::is_secret(key) || matches!(key.as_str(), "env" | "extra_env"),
            Step::At(_) => false,
        };
        let at = self.at.filter(|_| self.wrong.on_key || !self.wrong.path.iter().any(hidden))?;
        excerpt::excerpt(text, at)
    }

    /// With its place in the text that it was read from.
    pub(super) fn placed(mut self, text: &[u8]) -> Self {
        self.at = Some(place::find(text, &self.wrong.path, self.wrong.on_key));
        self
    }
}

/// The field, what is wrong, and what to do.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.suggestion() {
            None => self.wrong.fmt(f),
            Some(next) => write!(f, "{}; {next}", self.wrong),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Parses the text of a config: within its size, strict JSON.
pub(super) fn parsed(text: &[u8]) -> Result<Value, ConfigError> {
    if text.len() > limits::CONFIG_BYTES {
        let why = format!("the config is larger than {} bytes", limits::CONFIG_BYTES);
        return Err(Wrong::new("config_too_large", why).into());
    }
    json::parse(text).map_err(|error| {
        let (why, at) = match error {
            json::Error::Syntax { line, column } => {
                ("the text is not JSON".to_owned(), Some(Position { line, column: column.max(1) }))
            }
            json::Error::TooDeep => {
                (format!("more than {} arrays and objects inside each other", limits::JSON_DEPTH), None)
            }
            json::Error::Duplicate => {
                ("a field stands twice in one object".to_owned(), place::duplicate(text))
            }
            json::Error::NotAnObject | json::Error::Missing { .. } | json::Error::Wrong { .. } => {
                (error.to_string(), None)
            }
        };
        ConfigError { wrong: Wrong::new(error.code(), why), at }
    })
}
