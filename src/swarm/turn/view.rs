//! What may be seen of an agent's machine (spec genswarms B.1, B.2).

use serde_json::Value;

use super::{State, Turn};
use crate::agent::Took;

/// An agent's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// what it is doing
    pub state: State,
    /// whether it is held still
    pub paused: bool,
    /// tasks and messages that wait
    pub inbox_size: usize,
    /// tasks and messages to and from it, so far
    pub message_count: u64,
    /// when its program was started, in ms since 1970
    pub started_at: Option<u64>,
    /// when something was last said to it or by it, in ms since 1970
    pub last_activity: Option<u64>,
}

impl Turn {
    /// Where it stands.
    pub fn facts(&self) -> Facts {
        Facts {
            state: self.state,
            paused: self.paused.is_some(),
            inbox_size: self.inbox.len(),
            message_count: self.messages,
            started_at: self.started_at,
            last_activity: self.last_activity,
        }
    }

    /// How long its turns took.
    pub fn took(&self) -> Took {
        self.latency.took()
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its history, newest first, at most `most` lines.
    pub fn history(&self, most: usize) -> Vec<Value> {
        self.history.newest(most)
    }
}
