//! The registry: how the instances of one user find each other's agents, and hand messages over
//! (spec agentmux I; design section 7).
//!
//! A directory of private files, one for each agent. What stands in a file of another program is a claim:
//! it counts only where the file is private and ours, its address is loopback and not our own, and the
//! kernel confirms that the process that it names has the listener there. The key in it is sent only on
//! a connection whose other end was looked at after it stood. Who may send, and what becomes of a
//! message that cannot be handed over, is decided elsewhere (bus/).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod letter;
mod types;

use std::time::Duration;

#[cfg(any(fuzzing, test))]
pub use letter::fuzz as fuzz_letter;
pub use letter::{Carry, Far, Letter, Origin, Received, hops};
pub use types::{
    Counts, Forwarded, Found, Listing, NotReached, Peer, PeerAgent, PeerInstance, Published, Speaks, There,
    Trouble, Unsure,
};

use crate::wire::{address::Address, address::HomeId, id::AgentId, secret::Secret};

/// What the rest of the program asks of the registry. [`Nowhere`] is an instance without one.
pub trait Elsewhere: Send + Sync {
    /// This instance's home.
    fn home(&self) -> &HomeId;

    /// Whether agents of other instances are looked for.
    fn is_on(&self) -> bool;

    /// Who has an agent; checked now, against the kernel. Never this instance itself.
    fn find(&self, to: &Address) -> Found;

    /// Hands a letter over; returns within three seconds, and a second more where it
    /// waits for its turn.
    fn forward(&self, peer: &Peer, letter: &Letter<'_>) -> Forwarded;

    /// The registered agents have changed, and files are to follow; returns when they have for this name,
    /// or `within` is over.
    fn publish(&self, name: &AgentId, within: Duration) -> Published;

    /// The same, for whoever does not wait.
    fn changed(&self);

    /// From now on this is the peer key that files carry; returns when they do, or `within` is over, and
    /// whether they do.
    fn rekey(&self, key: Secret, within: Duration) -> bool;

    /// All that is there, with what is wrong.
    fn listing(&self) -> Listing;

    /// What became of all letters so far.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// No registry: nobody is elsewhere.
#[derive(Debug)]
pub struct Nowhere(HomeId);

impl Default for Nowhere {
    fn default() -> Self {
        Self(HomeId::of([0; 6]))
    }
}

impl Elsewhere for Nowhere {
    fn home(&self) -> &HomeId {
        &self.0
    }

    fn is_on(&self) -> bool {
        false
    }

    fn find(&self, _: &Address) -> Found {
        Found::Nobody(None)
    }

    fn forward(&self, _: &Peer, _: &Letter<'_>) -> Forwarded {
        Forwarded::NotReached(NotReached::Gone)
    }

    fn publish(&self, _: &AgentId, _: Duration) -> Published {
        Published::Off
    }

    fn changed(&self) {}

    fn rekey(&self, _: Secret, _: Duration) -> bool {
        true
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
