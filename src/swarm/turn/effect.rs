//! What an agent's machine is told and what it wants done: plain data.

use crate::{
    agent::protocol::Item,
    swarm::events::Draft,
    wire::{clock::Clock, node::NodeName},
};

/// One moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// on the clock that never goes back
    pub ms: u64,
    /// since 1970-01-01 UTC
    pub unix_ms: u64,
}

impl Now {
    /// What a clock shows.
    pub fn of(clock: &dyn Clock) -> Self {
        Self { ms: clock.monotonic_ms(), unix_ms: clock.unix_ms() }
    }
}

/// What an agent is doing (spec genswarms B.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// its program is being started, or waits to be started again
    Initializing,
    /// it waits for something to do
    Idle,
    /// a turn is under way
    Working,
    /// its program could not be started, or failed too often
    Error,
    /// its program has ended
    Stopped,
}

impl State {
    /// The word that clients know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Error => "error",
            Self::Stopped => "stopped",
        }
    }
}

/// Why something was not accepted for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// it is in state [`State::Error`]
    Error,
    /// it is in state [`State::Stopped`]
    Stopped,
    /// it is in state [`State::Initializing`]
    Initializing,
    /// as much waits for it as may
    InboxFull,
    /// the text is longer than [`crate::limits::SWARM_MESSAGE`]
    TooLong,
}

impl Refused {
    /// The word that clients know; also the answer's stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "agent_error",
            Self::Stopped => "agent_stopped",
            Self::Initializing => "agent_initializing",
            Self::InboxFull => "inbox_full",
            Self::TooLong => "message_too_long",
        }
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Say this to the agent's program. Where it cannot be taken, [`super::Turn::not_said`] is told.
    Say {
        /// what
        item: Item,
        /// the turn that begins with it
        turn: u64,
    },
    /// The agent sends a message. Where it goes its way, [`super::Turn::sent`] is told.
    Send {
        /// as the agent wrote it
        to: String,
        /// what
        content: String,
    },
    /// The agent sends a message to all its neighbours.
    Broadcast {
        /// what
        content: String,
    },
    /// The agent asks an object.
    Ask {
        /// as the agent wrote it
        to: String,
        /// what
        content: String,
        /// as the agent wrote it
        id: String,
    },
    /// A turn's text goes to the agent's `reply_to`, whatever the topology says.
    AutoReply {
        /// the object
        to: NodeName,
        /// what
        content: String,
    },
    /// A turn is over.
    TurnDone {
        /// all of its text that was kept
        output: String,
        /// bytes that were not
        lost: u64,
    },
    /// Start the agent's program again.
    Restart,
    /// End the agent's program.
    Stop,
    /// Something to be told.
    Event(Draft),
    /// What the agent is doing has changed to this.
    State(State),
}
