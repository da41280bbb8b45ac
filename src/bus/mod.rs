//! Delivery: what reaches an agent, how fast, and what is remembered of it.
//!
//! Text is cleaned before it is typed ([`sanitise`]), counted against limits ([`rate`]), sent
//! where the directory says ([`directory`]) and written down without its words ([`audit`]). What
//! may not be typed waits ([`mail`]). Whoever watches is told ([`events`]). Who the caller is was
//! decided before (admit/).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod ask;
pub mod audit;
mod deliver;
pub mod directory;
mod elsewhere;
mod envelope;
pub mod events;
mod far;
mod held;
mod inject;
pub mod mail;
mod outgoing;
pub mod presence;
pub mod rate;
pub mod sanitise;
mod typing;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use ask::{Ask, AskError, Asked};
pub use elsewhere::{NotForwarded, Route};
pub use envelope::is_correlation_id;
pub use inject::{
    BusInject, BusInjectError, BusInjected, ForwardedInject, Inject, InjectAnswer, InjectError,
};
pub use outgoing::{Broadcast, Outgoing, SendError, SendOutcome, Sent, ToAll, bus_message};

use self::{
    ask::Asks,
    audit::Audit,
    directory::Directory,
    events::Hub,
    mail::Mail,
    presence::{Presence, PresenceError},
    rate::{Rates, Sends},
};
use crate::{
    agent::{Confinement, Delivery, Offer, Submit},
    registry::Elsewhere,
    sys::{poll::Wake, random},
    wire::{clock::Clock, id::AgentId},
};

/// What the bus asks of the terminals of running agents.
pub trait Terminals {
    /// Types `text` into the terminal of this block and submits it, as the agent was started to
    /// where `submit` does not say. `None`: no terminal of ours has this id.
    fn deliver(&self, block_id: &str, text: &str, submit: Option<Submit>) -> Option<Delivery>;

    /// The same, waiting at most `within` for it to be written; what becomes of it can be asked
    /// later.
    fn offer(&self, block_id: &str, text: &str, within: Duration) -> Option<Offer>;

    /// The terminal of an agent that runs.
    fn terminal(&self, agent: &AgentId) -> Option<Terminal>;

    /// Into which agents of instances that know typing only an agent's text may be typed: `NAME`, or
    /// `NAME@HOME`.
    fn may_type_into(&self, agent: &AgentId) -> Vec<String>;

    /// How far an agent is kept from the machine, one that is only being started too.
    fn confinement(&self, _agent: &AgentId) -> Confinement {
        Confinement::None
    }

    /// Whether there is an agent of that name, running or done.
    fn knows(&self, agent: &AgentId) -> bool;

    /// The agents that run.
    fn running(&self) -> Vec<AgentId>;
}

/// A running agent's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// its block
    pub block_id: String,
    /// who, beside the owner, may have text typed into it
    pub accept_typed_from: Vec<String>,
    /// how far the agent is kept from the machine
    pub confinement: Confinement,
    /// whether the agent is assumed to wait for input
    pub quiet: bool,
    /// unix ms
    pub started_at: u64,
}

impl Terminal {
    /// Whether text of this caller may be typed into it: it was started so, and the caller is not kept further from
    /// the machine than it is. Who has the name now counts, as it does for everything else of a name.
    fn accepts(&self, name: &str, terminals: &dyn Terminals) -> bool {
        self.accepted(terminals).any(|who| who == name)
    }

    /// All such callers.
    fn accepted(&self, terminals: &dyn Terminals) -> impl Iterator<Item = &str> {
        let of = |name: &str| {
            AgentId::parse(name).map_or(Confinement::None, |agent| terminals.confinement(&agent))
        };
        let may = move |name: &&str| of(name).may_type_into(self.confinement);
        self.accept_typed_from.iter().map(String::as_str).filter(may)
    }
}

/// The bus of one instance. Shared by all connections; nothing is typed while its lock is held.
pub struct Bus {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// what waits, on disk; never called while the state is locked
    pub mail: Arc<Mail>,
    /// what was typed and sent, and who was refused; never called while the state is locked
    pub audit: Arc<Audit>,
    /// the agents of other instances
    pub elsewhere: Arc<dyn Elsewhere>,
    /// what happens, for those who watch
    pub events: Arc<Hub>,
    /// which names are on the message bus
    pub presence: Presence,
    /// held while a name changes hands, so that whom it belongs to is also who is woken for it
    registering: Mutex<()>,
    asks: Asks,
    typing: typing::InHand,
    forwarding: held::Forwarding,
}

/// All that the bus remembers.
pub struct State {
    /// who is reached where
    pub directory: Directory,
    rates: Rates,
    sends: Sends,
}

impl Bus {
    /// A bus with what waits already.
    pub fn new(
        clock: Arc<dyn Clock>,
        audit: Arc<Audit>,
        mail: Arc<Mail>,
        elsewhere: Arc<dyn Elsewhere>,
    ) -> Self {
        let state =
            State { directory: Directory::default(), rates: Rates::default(), sends: Sends::default() };
        Self {
            clock,
            state: Mutex::new(state),
            mail,
            presence: Presence::default(),
            registering: Mutex::new(()),
            asks: Asks::default(),
            typing: typing::InHand::default(),
            forwarding: held::Forwarding::default(),
            audit,
            elsewhere,
            events: Arc::default(),
        }
    }

    /// A fresh UUIDv4 for a message.
    pub fn fresh_id(&self) -> Result<String, SendError> {
        random::uuid().map_err(|_| SendError::NoRandomness)
    }

    /// Puts a name on the bus that fetches its messages. A socket's push of them ends.
    pub fn register_http(&self, name: &AgentId) -> Result<(), PresenceError> {
        let _registering = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = self.presence.register_http(name, self.clock.unix_ms())? {
            self.mail.detach(name, socket);
        }
        Ok(())
    }

    /// Puts a name on the bus whose messages are pushed: `wake` is woken when there are some. Another
    /// socket's push of them ends. `socket` comes from [`Presence::new_socket`].
    pub fn register_socket(&self, name: &AgentId, socket: u64, wake: Arc<Wake>) -> Result<(), PresenceError> {
        let _registering = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        self.presence.register_socket(name, socket, self.clock.unix_ms())?;
        self.mail.attach(name, socket, wake);
        Ok(())
    }

    /// Takes a name off the bus; whether it was on it. What waits for it goes on waiting.
    pub fn unregister(&self, name: &AgentId) -> bool {
        let _registering = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.presence.unregister(name);
        if let Some(Some(socket)) = held {
            self.mail.detach(name, socket);
        }
        held.is_some()
    }

    /// Takes those names off the bus that this socket still holds.
    pub fn socket_closed(&self, socket: u64) {
        let _registering = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        for name in self.presence.socket_closed(socket) {
            self.mail.detach(&name, socket);
        }
    }

    /// What the bus remembers, for as long as the guard lives.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // A panic of another thread leaves counters at worst one too low; nothing is half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
