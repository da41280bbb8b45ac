//! The proof of admission.

use crate::wire::{id::AgentId, node::FullName};

/// Who a request was admitted as (design section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// the holder of the owner key
    Owner,
    /// another instance, by the peer key
    Peer,
    /// the operator, by the API token
    Api,
    /// the holder of the config token
    Config,
    /// one loose agent, by its own token
    Agent(AgentId),
    /// one agent of a swarm, by its own token
    Member(FullName),
    /// a process of this user on this machine, while no API token is configured
    Loopback,
}

/// An admitted caller. Only `admit` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    who: Who,
    generation: Option<u64>,
}

impl Caller {
    /// Only for the one function that has checked a credential.
    pub(super) fn admitted(who: Who, generation: Option<u64>) -> Self {
        Self { who, generation }
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Of the key that opened; `None` for a token, which no rotation changes.
    pub fn generation(&self) -> Option<u64> {
        self.generation
    }
}
