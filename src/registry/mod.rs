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

mod answer;
mod check;
mod entry;
mod forward;
mod letter;
mod look;
mod own;
mod place;
mod places;
mod sweep;
mod trouble;
mod types;
mod writer;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

#[cfg(any(fuzzing, test))]
pub use answer::fuzz as fuzz_answer;
#[cfg(any(fuzzing, test))]
pub use letter::fuzz as fuzz_letter;
pub use letter::{Carry, Far, Letter, Origin, Received, hops};
pub use types::{
    Counts, Forwarded, Found, Listing, NotReached, Peer, PeerAgent, PeerInstance, Published, Speaks, There,
    Trouble, Unsure,
};

#[cfg(any(fuzzing, test))]
pub use entry::fuzz as fuzz_entry;
pub use writer::Writer;

use check::Us;
use forward::{Entries, Forwarder};
use place::Layout;

use crate::{
    store::{HomeError, common::CommonDirectory},
    wire::{
        address::{Address, HomeId},
        clock::Clock,
        id::AgentId,
        secret::Secret,
    },
};

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

/// What a registry is made of.
pub struct Settings {
    /// the directory of files; its last part is made where it is missing
    pub directory: PathBuf,
    /// whether other instances' entries count
    pub shared: bool,
    /// this home's id
    pub home: HomeId,
    /// this instance's
    pub instance: String,
    /// where its listener is bound
    pub at: SocketAddr,
    /// its process
    pub pid: u32,
    /// of its listener
    pub listener_inode: u64,
    /// what its files carry
    pub key: Secret,
    /// the time
    pub clock: Arc<dyn Clock>,
}

/// The registry of one directory.
pub struct Registry {
    directory: PathBuf,
    layout: Layout,
    shared: bool,
    us: Us,
    /// what our entries say; `None` where nobody on loopback reaches us
    reached_at: Option<SocketAddr>,
    clock: Arc<dyn Clock>,
    forwarder: Forwarder,
    state: Mutex<writer::State>,
    turn: Condvar,
}

impl Registry {
    /// Refused where the directory is not ours, or others may write to it.
    pub fn open(settings: Settings) -> Result<Arc<Self>, HomeError> {
        CommonDirectory::create(&settings.directory)?;
        let us = Us {
            at: settings.at,
            inode: settings.listener_inode,
            pid: settings.pid,
            instance: settings.instance,
            home: settings.home,
        };
        Ok(Arc::new(Self {
            layout: Layout::of(&settings.directory),
            directory: settings.directory,
            shared: settings.shared,
            reached_at: on_loopback(settings.at),
            forwarder: Forwarder::new(&us.instance),
            us,
            clock: settings.clock,
            state: Mutex::new(writer::State::new(settings.key)),
            turn: Condvar::new(),
        }))
    }
}

impl Entries for Registry {
    fn again(&self, peer: &Peer) -> Option<Peer> {
        self.look_again(peer)
    }

    fn gone(&self, peer: &Peer) {
        self.note_gone(peer.file.clone());
    }
}

impl Elsewhere for Registry {
    fn home(&self) -> &HomeId {
        &self.us.home
    }

    fn is_on(&self) -> bool {
        self.shared
    }

    fn find(&self, to: &Address) -> Found {
        self.look_for(to)
    }

    fn forward(&self, peer: &Peer, letter: &Letter<'_>) -> Forwarded {
        self.forwarder.forward(peer, letter, self)
    }

    fn publish(&self, name: &AgentId, within: Duration) -> Published {
        self.publish_now(name, within)
    }

    fn changed(&self) {
        self.ask();
    }

    fn rekey(&self, key: Secret, within: Duration) -> bool {
        self.change_key(key, within)
    }

    fn listing(&self) -> Listing {
        self.list()
    }

    fn counts(&self) -> Counts {
        self.forwarder.counts()
    }
}

/// Where a listener that is bound to `at` is reached from this machine without leaving loopback.
fn on_loopback(at: SocketAddr) -> Option<SocketAddr> {
    match at.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Some((Ipv4Addr::LOCALHOST, at.port()).into()),
        IpAddr::V6(ip) if ip.is_unspecified() => Some((Ipv6Addr::LOCALHOST, at.port()).into()),
        ip if ip.is_loopback() => Some(SocketAddr::new(ip, at.port())),
        _ => None,
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

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_attacks;
#[cfg(test)]
mod tests_kept;
#[cfg(test)]
mod tests_own;
