//! All swarms of the instance: which are kept, which run, and who may change one now.
//!
//! A call that changes a swarm holds the swarm's busy mark while it works, and no lock: starting a hundred
//! programs or waiting for the disk holds up nobody who only looks. What a call would make of the swarm passes the
//! gate of the IR whole, then it is done, then it is written down, then it is answered. Who may call was decided
//! before (admit/); what a running swarm does is [`live`](super::live)'s.

mod life;
mod look;
mod nodes;
mod say;
mod ticker;

use std::{io, sync::Arc, time::Duration};

use crate::{agent::Agents, store::Home, wire::clock::Clock};

pub use ticker::Ticker;

/// What the swarms need of the instance.
pub struct Parts {
    /// where they are kept
    pub home: Arc<Home>,
    /// who starts their processes
    pub agents: Arc<Agents>,
    /// the time
    pub clock: Arc<dyn Clock>,
    /// what the operator has set
    pub settings: Settings,
}

/// What the operator has set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// agents and objects of one swarm
    pub cap: usize,
    /// the address at which agents reach the instance
    pub url: String,
}

/// All swarms of the instance.
pub struct Swarms {
    #[expect(dead_code, reason = "the parts that use it follow")]
    parts: Parts,
}

impl Swarms {
    /// The swarms that are kept in the home, all stopped; and what of them could not be read, for the log.
    pub fn open(parts: Parts) -> io::Result<(Arc<Self>, Vec<String>)> {
        Ok((Arc::new(Self { parts }), Vec::new()))
    }

    /// Starts the thread `swarms`, which does what is due, and those swarms that start by themselves.
    pub fn run(self: &Arc<Self>) -> io::Result<Ticker> {
        Ok(Ticker::default())
    }

    /// Ends every swarm's processes within that time, and starts none from now on. They stay kept.
    pub fn stop_all(&self, _within: Duration) {}
}
