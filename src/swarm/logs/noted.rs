//! One agent's log, to be written to: by whoever has the time for it, or under a lock, where nobody has.
//!
//! Cleaning a text takes as long as the agent makes it. What is said while the swarm's table is locked is therefore
//! noted as it is, and cleaned and logged when the lock has been given back, by the thread whose input caused it: one
//! agent's words hold up nobody but who hears them. One queue for each agent keeps the order of things.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use super::{clean, lock, of_swarm::SwarmLog, record::Voice};
use crate::{agent::Stream, swarm::history::Role, wire::node::NodeName};

/// What waits to be cleaned.
#[derive(Default)]
pub(super) struct Noted {
    waiting: Mutex<VecDeque<(Moment, Voice, clean::Raw)>>,
    /// held while it is cleaned and logged, so that it stays in order
    turn: Mutex<()>,
}

/// When something was said or printed.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// in ms since 1970
    pub unix_ms: u64,
    /// in which run of the agent's program
    pub session: u64,
}

/// One agent's log, to be written to. What is written by one that was removed is nobody's.
#[derive(Clone)]
pub struct Log {
    pub(super) swarm: Arc<SwarmLog>,
    pub(super) agent: NodeName,
    pub(super) id: u64,
    pub(super) noted: Arc<Noted>,
}

impl Log {
    /// Its program is about to be started: what follows is another session.
    pub fn begin(&self) {
        self.swarm.begin(&self.agent, self.id);
    }

    /// Something of the conversation, said under a lock: takes no time. It is logged by
    /// [`catch_up`](Self::catch_up), which is for whoever is given this log by [`SwarmLog::noted`].
    pub fn note(&self, role: Role, text: &str) {
        let moment = self.swarm.moment(&self.agent, self.id);
        lock(&self.noted.waiting).push_back((moment, Voice::Said(role), clean::Raw::of(text)));
        self.swarm.has_noted(self);
    }

    /// Logs what was noted before now. Not to be called under a lock.
    pub fn catch_up(&self) {
        let _turn = lock(&self.noted.turn);
        self.log_noted();
    }

    fn log_noted(&self) {
        // What comes meanwhile is for who notes it: nobody cleans for ever.
        let count = lock(&self.noted.waiting).len();
        for _ in 0..count {
            let Some((moment, voice, raw)) = lock(&self.noted.waiting).pop_front() else { return };
            self.swarm.push(&self.agent, self.id, moment, voice, raw.cleaned());
        }
    }

    /// Its agent has left the swarm: what was noted is logged, and nothing more. Not to be called under a lock.
    pub fn leave(&self) {
        self.catch_up();
        self.swarm.remove(self);
    }

    /// A line that its program printed; `cut` where its end is missing. Not to be called under a lock.
    pub fn printed(&self, stream: Stream, line: &[u8], cut: bool) {
        let moment = self.swarm.moment(&self.agent, self.id);
        let content = clean::line(line, cut);
        let _turn = lock(&self.noted.turn);
        self.log_noted();
        self.swarm.push(&self.agent, self.id, moment, Voice::Printed(stream), content);
    }
}

#[cfg(test)]
impl Log {
    /// Something of the conversation.
    pub fn said(&self, role: Role, text: &str) {
        self.note(role, text);
        self.catch_up();
    }

    /// What is in memory, by kind, oldest first.
    pub fn held(&self) -> [Vec<Arc<super::Record>>; 2] {
        self.catch_up();
        let state = self.swarm.lock();
        let held = state.agents.get(&self.agent).expect("it is there");
        held.lanes.each_ref().map(|lane| {
            let mut records: Vec<_> = lane.newest().cloned().collect();
            records.reverse();
            records
        })
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({:?}, {})", self.agent, self.id)
    }
}
