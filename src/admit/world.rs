//! The questions that admission may ask about what is not in the head.

use crate::wire::node::Holder;

/// What admission may ask. Implemented by the program, and by a fake in tests.
pub trait World {
    /// The running agent whose token this is, compared by hash.
    fn holder_of_token(&self, token: &[u8]) -> Option<Holder>;

    /// What the kernel says of the process at the other end. Asked at most once per request; the
    /// implementor keeps the answer for the connection.
    fn peer_facts(&self) -> PeerFacts;

    /// Whether the process at the other end belongs to this agent's tree.
    fn agent_tree(&self, agent: &Holder) -> TreeFact;
}

/// What the kernel says of the process at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerFacts {
    /// what follows from it for the token-less rule
    pub standing: Standing,
    /// the socket's user, where known
    pub uid: Option<u32>,
    /// a process that holds the socket, where known
    pub pid: Option<u32>,
}

/// Where a peer stands under the token-less rule (design section 5, step 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// our user's, and held by a process outside every agent's tree: may call
    Ours,
    /// another user's socket
    NotOurUser,
    /// held by a process of an agent's tree
    AgentProcess,
    /// not asked for: as many peers were looked for in this second as may be
    NotAsked,
    /// anything else that is not positively known
    Unknown,
}

impl PeerFacts {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { standing: Standing::Unknown, uid: None, pid: None };
}

/// Where a peer's process stands with regard to one agent's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeFact {
    /// a process of the tree holds the socket
    Inside,
    /// the kernel shows positively that none does
    Outside,
    /// neither is known
    Unknown,
}
