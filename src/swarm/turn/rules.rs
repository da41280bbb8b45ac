//! What an agent's configuration says of its turns.

use crate::{
    limits,
    swarm::config::{REPLY_GRACE_MS, Restart},
    wire::node::NodeName,
};

/// What an agent's configuration says of its turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// how long tasks wait while an answer is expected; [`limits::REPLY_WAIT_MS`] but in tests
    pub reply_wait_ms: u64,
    /// after so many turns the agent is stopped
    pub max_turns: Option<u64>,
    /// a turn that takes longer has no text for `reply_to`
    pub turn_timeout_ms: Option<u64>,
    /// the object that each turn's text goes to
    pub reply_to: Option<NodeName>,
    /// how long after a turn the agent may still send to `reply_to` itself
    pub reply_grace_ms: u64,
    /// when its program is started again
    pub restart: Restart,
    /// its turns end when its terminal is quiet, and not by a marker
    pub pty: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            reply_wait_ms: limits::REPLY_WAIT_MS,
            max_turns: None,
            turn_timeout_ms: None,
            reply_to: None,
            reply_grace_ms: REPLY_GRACE_MS,
            restart: Restart::Never,
            pty: false,
        }
    }
}
