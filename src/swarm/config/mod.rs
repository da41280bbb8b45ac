//! The config of a swarm: its agents, objects and edges, read strictly from JSON and written again in one
//! form (spec genswarms H, B.2, B.3).
//!
//! Nothing is guessed, dropped or evaluated: an unknown key, a value that means nothing and an option that a
//! backend does not have are errors, each with the field's path, in a text its line and column, and what to
//! do. A config is a *seed*: it may name programs, directories and variables. What is asked for later goes
//! through [`agent_of_call`] and [`object_of_call`], which let pass what their lists name and nothing else.

mod agent;
mod call;
mod command;
mod env;
mod error;
mod excerpt;
mod foreign;
mod format;
mod fuzz;
mod keys;
mod lists;
mod object;
mod place;
mod read;
mod secrets;
mod show;
mod topology;
mod turns;
mod variables;
mod write;

#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use serde_json::{Map, Value};

pub use call::{agent_of_call, object_of_call};
pub use error::ConfigError;
pub use foreign::{Foreign, foreign};
pub use format::{format_named, format_of};
pub use fuzz::fuzz;
pub use secrets::{is_secret, redacted};
pub use show::{snapshot, spec, summary};

use crate::{
    agent::Controller,
    backend::{form::Form, script::Script},
    wire::node::NodeName,
};

/// A directed edge: `from` may send to `to`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// who may send
    pub from: NodeName,
    /// to whom
    pub to: NodeName,
}

/// Whether an agent whose program ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// no
    #[default]
    Never,
    /// where it ended with a signal or another status than 0
    OnFailure,
}

/// The pause between the end of a turn and its reply, where a config names none (spec genswarms E.6).
pub const REPLY_GRACE_MS: u64 = 1_000;

/// One agent.
#[derive(Clone, PartialEq)]
pub struct AgentConfig {
    /// its name
    pub name: NodeName,
    /// where it runs
    pub backend: Form,
    /// how text reaches it
    pub controller: Controller,
    /// its program and arguments; always there on a backend that runs a process of this machine
    pub command: Option<Vec<String>>,
    /// its directory: absolute, or below the agent's own; never with a `..`
    pub workspace: Option<String>,
    /// its variables, by name
    pub env: Vec<(String, String)>,
    /// files below the skills directory
    pub skills: Vec<String>,
    /// programs that its sandbox should hold
    pub tools: Vec<String>,
    /// its model
    pub model: Option<String>,
    /// sets of programs that its sandbox should hold
    pub presets: Vec<String>,
    /// turns that its program may take
    pub max_turns: Option<u64>,
    /// after which a turn's late text is not delivered by itself
    pub turn_timeout_ms: Option<u64>,
    /// the object that gets the text of each turn
    pub reply_to: Option<NodeName>,
    /// how long that waits
    pub reply_grace_ms: u64,
    /// whether it is started again
    pub restart: Restart,
    /// what a mock agent answers
    pub script: Option<Script>,
    /// all of `config` in its canonical form: what the fields above say, the backend's options, and what
    /// is the agent's own business
    pub config: Map<String, Value>,
}

/// What runs in an object.
#[derive(Clone, PartialEq, Eq)]
pub enum Handler {
    /// one of [`BUILT_IN`]
    BuiltIn(String),
    /// a program that speaks JSON lines (spec genswarms J.3)
    Process {
        /// the program and its arguments
        command: Vec<String>,
    },
}

/// The handlers that need no program.
pub const BUILT_IN: [&str; 3] = ["counter", "log", "relay"];

/// One object.
#[derive(Clone, PartialEq)]
pub struct ObjectConfig {
    /// its name
    pub name: NodeName,
    /// what runs in it
    pub handler: Handler,
    /// where; given for a program, and only there
    pub backend: Option<Form>,
    /// what the handler is told
    pub config: Map<String, Value>,
}

/// A swarm. Names of agents and objects are all different, and every edge joins two of them.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// its name
    pub name: NodeName,
    /// at least one
    pub agents: Vec<AgentConfig>,
    /// its objects
    pub objects: Vec<ObjectConfig>,
    /// each edge once, in the order of the config
    pub topology: Vec<Edge>,
    /// the swarm's own business
    pub options: Map<String, Value>,
    /// whether it starts with the instance
    pub autostart: bool,
}

impl Config {
    /// Reads the text of a file. A program in it may be relative to the file: [`Config::beside`] says where
    /// that is.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let value = error::parsed(text)?;
        read::config(&value, read::Least::One).map_err(|wrong| ConfigError::from(wrong).placed(text))
    }

    /// Reads a document that was given as it is, with no file that a program could be relative to.
    pub fn of(value: &Value) -> Result<Self, ConfigError> {
        let config = read::config(value, read::Least::One)?;
        Ok(place::no_relative(config)?)
    }

    /// The same for a swarm that runs: it may have lost its last agent, or the object of a reply.
    pub fn of_running(value: &Value) -> Result<Self, ConfigError> {
        let config = read::config(value, read::Least::None)?;
        Ok(place::no_relative(config)?)
    }

    /// The config of a file in this directory: a program whose first word is relative and holds a slash is
    /// taken from there, and no longer relative. Nothing is looked at on the disk.
    #[must_use]
    pub fn beside(self, directory: &Path) -> Self {
        place::beside(self, directory)
    }
}

/// Redacted, as everything that shows a config.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({})", snapshot(self))
    }
}

/// Redacted.
impl fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentConfig({})", redacted(&self.to_value()))
    }
}

/// Redacted.
impl fmt::Debug for ObjectConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectConfig({})", redacted(&self.to_value()))
    }
}

/// Without the program's words.
impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handler({})", self.shown())
    }
}
