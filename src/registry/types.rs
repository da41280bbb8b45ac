//! The words of the registry: who was found, what is wrong with an entry, what became of a letter.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc};

use serde_json::Value;

use crate::wire::{address::HomeId, id::AgentId, secret::Secret};

/// What another instance understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// injects only
    AgentMux,
    /// letters of this program, in the layout of this version
    Loopgate,
}

/// An agent of another instance, whose entry was checked against the kernel a moment ago.
#[derive(Clone)]
pub struct Peer {
    /// as its entry spells it
    pub agent: AgentId,
    /// of its instance; of one of AgentMux made from its channel
    pub home: HomeId,
    /// the id of its instance, where its entry tells
    pub instance: Option<String>,
    /// loopback, and not our own
    pub at: SocketAddr,
    /// the process of its instance
    pub pid: u32,
    /// of the socket that listens at `at`
    pub inode: u64,
    /// what its instance understands
    pub speaks: Speaks,
    /// its block there
    pub block_id: String,
    /// the peer key of its instance; `None`: the entry holds none
    pub(super) key: Option<Arc<Secret>>,
    /// the entry's file below the registry's directory
    pub(super) file: PathBuf,
}

#[cfg(test)]
impl Peer {
    /// One that stands in no file.
    pub fn made_up(agent: &str, home: &str, speaks: Speaks) -> Self {
        Self {
            agent: AgentId::parse(agent).expect("an id"),
            home: HomeId::parse(home).expect("a home"),
            instance: Some("made-up".to_owned()),
            at: ([127, 0, 0, 1], 9).into(),
            pid: 1,
            inode: 1,
            speaks,
            block_id: "block".to_owned(),
            key: None,
            file: PathBuf::new(),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("agent", &self.agent)
            .field("home", &self.home)
            .field("at", &self.at)
            .field("pid", &self.pid)
            .field("speaks", &self.speaks)
            .finish_non_exhaustive()
    }
}

/// Who has an agent.
#[derive(Debug, Clone)]
pub enum Found {
    /// nobody; the code of what is wrong with the entry, where there is one that does not count
    Nobody(Option<&'static str>),
    /// one
    One(Box<Peer>),
    /// several: the homes to choose from, at most eight
    Several(Vec<HomeId>),
}

/// What is wrong with an entry, or with the directory: for its owner's eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// the entry's file below the directory; empty: the directory itself
    pub file: PathBuf,
    /// the agent that it seems to be about
    pub agent: Option<String>,
    /// stable
    pub code: &'static str,
    /// what is wrong
    pub sentence: String,
    /// what to do
    pub next: String,
}

/// One agent of another instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAgent {
    /// its name
    pub name: AgentId,
    /// its block there
    pub block_id: String,
    /// unix ms
    pub updated_at: u64,
}

/// One other instance that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInstance {
    /// what to put behind `@`
    pub home: HomeId,
    /// its id, where its entries tell
    pub instance: Option<String>,
    /// where it listens
    pub at: SocketAddr,
    /// its process
    pub pid: u32,
    /// what it understands
    pub speaks: Speaks,
    /// AgentMux's word for its version or branch; empty: none
    pub channel: String,
    /// by name
    pub agents: Vec<PeerAgent>,
}

/// All that is in the registry.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// `None`: there is none
    pub directory: Option<PathBuf>,
    /// of the directory, where it can be read
    pub mode: Option<u32>,
    /// whether other instances' entries count
    pub shared: bool,
    /// the agents of this instance that have a file
    pub own: Vec<AgentId>,
    /// by address
    pub instances: Vec<PeerInstance>,
    /// by file
    pub troubles: Vec<Trouble>,
    /// there are more entries than are looked at
    pub more: bool,
}

/// Whether an agent of ours can be found by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// there is no registry
    Off,
    /// its file is there, or gone where it is to be gone
    Done,
    /// another instance that lives has a file of this name, which was left alone
    Taken,
    /// it is not there yet
    Pending,
    /// the file could not be written; a stable code
    Failed(&'static str),
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq)]
pub enum Forwarded {
    /// the other instance has it
    Taken {
        /// its answer, whole
        body: Value,
        /// what it says
        there: There,
    },
    /// the other instance does not take it, and has said so
    Refused {
        /// its answer, whole; null where it is not to be handed on
        body: Value,
        /// stable, ours or the other instance's
        code: String,
        /// its sentence, at most 512 bytes
        sentence: String,
        /// whether it is of no use to try again
        lasting: bool,
    },
    /// certainly nothing arrived
    NotReached(NotReached),
    /// it may have arrived
    Unsure(Unsure),
}

/// How many letters have gone which way, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// the other instance has them
    pub taken: u64,
    /// the other instance said no
    pub refused: u64,
    /// certainly nothing arrived
    pub not_reached: u64,
    /// they may have arrived
    pub unsure: u64,
}

/// What an instance that took a letter says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct There {
    /// `delivered`, `queued`, `waiting`; `None`: it does not say
    pub outcome: Option<String>,
    /// it had it before
    pub duplicate: bool,
    /// the text was cut there
    pub truncated: bool,
    /// the block that it was typed into
    pub block_id: Option<String>,
}

/// Why nothing arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReached {
    /// its process has ended, or its port is closed; the entry is gone
    Gone,
    /// its process lives and does not let us connect in time
    NoConnection,
    /// what listens there is not the process of the entry: it got no key
    Impostor,
    /// as many letters as may be are on their way to it, or in all
    Busy,
    /// it has come through too many instances, or through this one
    Loop,
    /// it does not fit into a request
    TooLarge,
    /// the kernel does not tell, or a thread or descriptor is missing
    Unknown,
}

impl NotReached {
    /// Stable.
    pub fn code(self) -> &'static str {
        match self {
            NotReached::Gone => "peer_gone",
            NotReached::NoConnection => "peer_unreachable",
            NotReached::Impostor => "peer_impostor",
            NotReached::Busy => "peer_busy",
            NotReached::Loop => "forward_loop",
            NotReached::TooLarge => "too_large_to_forward",
            NotReached::Unknown => "peer_unknown",
        }
    }
}

/// Why it is not known whether it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsure {
    /// no answer, or no whole one, in time
    Silent,
    /// the connection broke
    Broken,
    /// the answer is not one: too large, a redirect, not JSON, not what an instance says
    Junk,
}

impl Unsure {
    /// Stable.
    pub fn code(self) -> &'static str {
        match self {
            Unsure::Silent => "peer_silent",
            Unsure::Broken => "peer_broke_off",
            Unsure::Junk => "peer_answer",
        }
    }
}
