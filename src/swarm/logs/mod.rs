//! What the agents of a swarm said and printed, kept so that it can be shown and followed (spec genswarms A.4,
//! B.1).
//!
//! A record is a piece of the conversation or a line of output. The newest are in memory, for who looks or follows;
//! all of them go, behind who logs them and bounded, to a file of the agent's own directory, which the agent may
//! do anything with. Records are numbered over all agents of a swarm, and over restarts; a session is one run of an
//! agent's program. Nothing of the program decides by a log.

mod clean;
mod file;
mod follow;
mod held;
mod noted;
mod of_swarm;
mod page;
mod record;
mod screen;
mod sheet;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::writer::Writer;
pub use self::{
    follow::{Batch, Follow},
    noted::Log,
    of_swarm::SwarmLog,
    page::{Look, Page, Query, Unread},
    record::{Record, Voice},
    screen::Screen,
};
use super::{desk::Desk, kept::Shelf};
use crate::wire::{clock::Clock, node::NodeName};
#[cfg(test)]
pub use clean::CLEANED;
#[cfg(any(test, fuzzing))]
pub use record::fuzz;

/// How long who reads waits for what was logged just before.
const SETTLE: Duration = Duration::from_millis(500);

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// the conversation
    pub said: bool,
    /// the output
    pub printed: bool,
}

impl Kinds {
    /// What was said, and no output.
    pub const SAID: Self = Self { said: true, printed: false };
    /// Both.
    pub const ALL: Self = Self { said: true, printed: true };

    fn has_lane(self, at: usize) -> bool {
        if at == 0 { self.said } else { self.printed }
    }

    fn has(self, voice: Voice) -> bool {
        self.has_lane(voice.lane())
    }
}

/// One record, and whose it is.
#[derive(Debug, Clone)]
pub struct Row {
    /// whose
    pub agent: NodeName,
    /// what
    pub record: Arc<Record>,
}

/// The logs of all swarms.
pub struct Logs {
    shared: Arc<Shared>,
    swarms: Mutex<BTreeMap<NodeName, Arc<SwarmLog>>>,
}

/// What all logs share.
struct Shared {
    clock: Arc<dyn Clock>,
    /// where they are kept; without it they are in memory alone
    shelf: Option<Arc<Shelf>>,
    writer: Arc<Writer>,
    /// held by who reads files: one at a time
    reading: Desk,
}

impl Logs {
    /// Of the swarms on this shelf; without one they are kept in memory alone. No thread runs yet.
    pub fn new(clock: Arc<dyn Clock>, shelf: Option<Arc<Shelf>>) -> Arc<Self> {
        let shared = Shared { clock, shelf, writer: Arc::default(), reading: Desk::default() };
        Arc::new(Self { shared: Arc::new(shared), swarms: Mutex::default() })
    }

    /// Those of a swarm that is kept.
    pub fn of(&self, swarm: &NodeName) -> Arc<SwarmLog> {
        let mut swarms = lock(&self.swarms);
        let log = swarms
            .entry(swarm.clone())
            .or_insert_with(|| Arc::new(SwarmLog::new(swarm.clone(), Arc::clone(&self.shared))));
        Arc::clone(log)
    }

    /// A swarm runs: what is logged goes to the disk from now on.
    pub fn start(&self) -> io::Result<()> {
        if self.shared.shelf.is_some() { self.shared.writer.start() } else { Ok(()) }
    }

    /// The directories of a swarm's agents are about to be emptied.
    pub fn wipe(&self, swarm: &NodeName) {
        let log = lock(&self.swarms).get(swarm).cloned();
        log.iter().for_each(|log| log.wipe(false));
    }

    /// A swarm is about to be purged.
    pub fn forget(&self, swarm: &NodeName) {
        let log = lock(&self.swarms).remove(swarm);
        log.iter().for_each(|log| log.wipe(true));
    }

    /// Brings what was logged to the disk, and waits no longer than this.
    pub fn end(&self, within: Duration) {
        self.shared.writer.end(within);
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.shared.writer.end(Duration::ZERO);
    }
}

/// Locks; nothing here is half changed when another holder panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
