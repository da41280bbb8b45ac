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

pub mod audit;
mod deliver;
pub mod directory;
pub mod events;
pub mod mail;
pub mod rate;
pub mod sanitise;
mod typed;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use deliver::{Inject, InjectAnswer, InjectError, Outgoing, SendError, SendOutcome, Sent};

use self::{audit::Audit, directory::Directory, events::Hub, mail::Mail, rate::Rates};
use crate::{
    agent::{Delivery, Submit},
    wire::{clock::Clock, id::AgentId},
};

/// What the bus asks of the terminals of running agents.
pub trait Terminals {
    /// Types `text` into the terminal of this block and submits it, as the agent was started to
    /// where `submit` does not say. `None`: no terminal of ours has this id.
    fn deliver(&self, block_id: &str, text: &str, submit: Option<Submit>) -> Option<Delivery>;

    /// The terminal of an agent that runs.
    fn terminal(&self, agent: &AgentId) -> Option<Terminal>;
}

/// A running agent's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// its block
    pub block_id: String,
    /// who, beside the owner, may have text typed into it
    pub accept_typed_from: Vec<String>,
}

/// The bus of one instance. Shared by all connections; nothing is typed while its lock is held.
pub struct Bus {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// what was typed and sent, and who was refused; never called while the state is locked
    pub audit: Arc<Audit>,
    /// what happens, for those who watch
    pub events: Arc<Hub>,
}

/// All that the bus remembers.
pub struct State {
    /// who is reached where
    pub directory: Directory,
    /// what waits
    pub mail: Mail,
    rates: Rates,
    typed: typed::TypedMessages,
}

impl Bus {
    /// An empty bus.
    pub fn new(clock: Arc<dyn Clock>, audit: Arc<Audit>) -> Self {
        let state = State {
            directory: Directory::default(),
            mail: Mail::default(),
            rates: Rates::default(),
            typed: typed::TypedMessages::default(),
        };
        Self { clock, state: Mutex::new(state), audit, events: Arc::default() }
    }

    /// What the bus remembers, for as long as the guard lives.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // A panic of another thread leaves counters at worst one too low; nothing is half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
