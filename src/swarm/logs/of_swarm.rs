//! The logs of one swarm's agents: numbered together, so that they can be read as one.
//!
//! One lock, held to move a record in or pointers out; texts are cleaned before it, and the disk is somebody else's
//! ([`Writer`](super::writer::Writer)). A swarm has its logs from its first start until it is purged: whoever follows
//! them follows over stops and starts.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Shared, clean,
    file::File,
    held::{Began, Held, Lane},
    lock,
    noted::{Log, Moment, Noted},
    record::{Record, Voice},
    writer::Owner,
};
use crate::{agent::Watchers, limits, store::LentError, swarm::history::Role, wire::node::NodeName};

/// A number of the disk is believed as long as it is no further ahead than a clock may have been wrong, in
/// microseconds: a year.
const AHEAD: u64 = 365 * 24 * 60 * 60 * 1_000_000;
/// Bytes that are read of a log to see where its numbers stand, at most: all that both files may hold, where an agent
/// has put junk at their end.
const TAIL: usize = 2 * limits::LOG_FILE;
/// A session's number of the disk that is believed.
const SESSIONS: u64 = u32::MAX as u64;
/// A count of records of the disk that is believed: what comes is counted on from there.
const COUNTED: u64 = 1 << 53;

/// The logs of one swarm.
pub struct SwarmLog {
    name: NodeName,
    pub(super) shared: Arc<Shared>,
    state: Mutex<State>,
    /// the logs of which something was noted since they were last asked for
    noted: Mutex<Vec<Log>>,
    pub(super) watchers: Arc<Watchers>,
}

/// Invariant: no record of any agent has a higher number than `last`.
#[derive(Default)]
pub(super) struct State {
    last: u64,
    pub agents: BTreeMap<NodeName, Held>,
    /// the swarm was purged
    pub gone: bool,
}

impl SwarmLog {
    pub(super) fn new(name: NodeName, shared: Arc<Shared>) -> Self {
        Self { name, shared, state: Mutex::default(), noted: Mutex::default(), watchers: Arc::default() }
    }

    /// The log of an agent. What is on the disk of it is looked at first: not to be called under a lock. Of all
    /// agents that a swarm starts with, before the first of them speaks: what comes has higher numbers than all
    /// that is there.
    pub fn agent(self: &Arc<Self>, agent: &NodeName) -> Log {
        match self.held(agent) {
            Some((log, false)) => return log,
            Some((log, true)) => log.leave(),
            None => {}
        }
        // What an agent of this name left may not be written yet.
        self.shared.writer.settle(super::SETTLE);
        let (id, noted) = self.open(agent);
        Log { swarm: Arc::clone(self), agent: agent.clone(), id, noted }
    }

    /// The log that is open under this name, and whether its agent has left.
    fn held(self: &Arc<Self>, agent: &NodeName) -> Option<(Log, bool)> {
        let state = self.lock();
        let held = state.agents.get(agent)?;
        let (swarm, noted) = (Arc::clone(self), Arc::clone(&held.noted));
        Some((Log { swarm, agent: agent.clone(), id: held.id, noted }, held.left))
    }

    /// Logs what was noted of these agents before now. Not to be called under a lock.
    pub(super) fn catch_up(self: &Arc<Self>, agents: &[NodeName]) {
        agents.iter().filter_map(|agent| self.held(agent)).for_each(|(log, _)| log.catch_up());
    }

    /// When something is that is said now.
    pub(super) fn moment(&self, agent: &NodeName, id: u64) -> Moment {
        let state = self.lock();
        let held = state.agents.get(agent).filter(|held| held.id == id);
        Moment { unix_ms: self.shared.clock.unix_ms(), session: held.map_or(0, |held| held.session) }
    }

    /// Whether what is on the disk of an agent was looked at.
    pub(super) fn is_open(&self, agent: &NodeName) -> bool {
        self.lock().agents.contains_key(agent)
    }

    /// Looks at what is on the disk of an agent.
    pub(super) fn open(&self, agent: &NodeName) -> (u64, Arc<Noted>) {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let file = Arc::new(File::new(self.shared.shelf.clone(), self.name.clone(), agent.clone()));
        let now = self.now();
        let mut newest = None;
        let had_disk = file.newest_first(TAIL, |record| {
            // A number that nobody here has given out is no reason to look no further.
            if record.n > now.saturating_add(AHEAD) {
                return ControlFlow::Continue(());
            }
            newest = Some((record.n, record.seq, record.session));
            ControlFlow::Break(())
        });
        let (n, seq, session) = newest.unwrap_or_default();
        let seq = seq.min(COUNTED);
        let mut state = self.lock();
        state.last = state.last.max(now).max(n);
        let from = state.last.saturating_add(1);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let held = state.agents.entry(agent.clone()).or_insert_with(|| Held {
            id,
            file,
            left: false,
            noted: Arc::default(),
            session: session.min(SESSIONS),
            seq,
            began: Began { n: from, seq },
            had_disk,
            lanes: [Lane::new(from), Lane::new(from)],
        });
        (held.id, Arc::clone(&held.noted))
    }

    /// Something of this log was noted.
    pub(super) fn has_noted(&self, log: &Log) {
        let mut noted = lock(&self.noted);
        if noted.last().is_none_or(|last| last.id != log.id) {
            noted.push(log.clone());
        }
    }

    /// The logs of which something was noted since this was last asked. Asked under the lock under which it was
    /// noted, they are those of who has the lock.
    pub fn noted(&self) -> Vec<Log> {
        std::mem::take(&mut lock(&self.noted))
    }

    /// An agent's program is about to be started.
    pub(super) fn begin(&self, agent: &NodeName, id: u64) {
        let mut state = self.lock();
        if let Some(held) = state.agents.get_mut(agent).filter(|held| held.id == id) {
            held.session = held.session.saturating_add(1);
        }
    }

    /// No agent of this name is in the swarm any more. Takes no time, for who is under a lock; what was noted of it
    /// is logged by [`Log::leave`], which is for the caller.
    pub fn left(self: &Arc<Self>, agent: &NodeName) -> Option<Log> {
        let mut state = self.lock();
        state.agents.get_mut(agent)?.left = true;
        drop(state);
        self.held(agent).map(|(log, _)| log)
    }

    pub(super) fn remove(&self, log: &Log) {
        let mut state = self.lock();
        if state.agents.get(&log.agent).is_some_and(|held| held.id == log.id) {
            state.agents.remove(&log.agent);
            drop(state);
            self.shared.writer.forget(log.id);
        }
    }

    /// The swarm is stopped: less of it is held.
    pub fn rest(&self) {
        self.lock().agents.values_mut().for_each(|held| held.shrink(limits::LOG_AT_REST));
    }

    /// What is on the disk of it is about to be removed: nothing more is written there, and nothing is known of it.
    pub(super) fn wipe(&self, gone: bool) {
        let mut state = self.lock();
        let agents = std::mem::take(&mut state.agents);
        state.gone = gone;
        drop(state);
        for held in agents.values() {
            held.file.close();
            self.shared.writer.forget(held.id);
        }
        self.watchers.wake();
    }

    pub(super) fn push(
        self: &Arc<Self>,
        agent: &NodeName,
        id: u64,
        moment: Moment,
        voice: Voice,
        content: clean::Content,
    ) {
        let Moment { unix_ms, session } = moment;
        let mut state = self.lock();
        let n = state.last.saturating_add(1).max(unix_ms.saturating_mul(1_000));
        let Some(held) = state.agents.get_mut(agent).filter(|held| held.id == id) else { return };
        held.seq = held.seq.saturating_add(1);
        let seq = held.seq;
        let record = Record { n, seq, unix_ms, session, voice, content: content.text, cut: content.cut };
        let record = Arc::new(record);
        held.push(Arc::clone(&record), limits::LOG_MEMORY);
        if self.shared.shelf.is_some() {
            // Under the lock: a file has its records in their order.
            let owner: Arc<dyn Owner> = Arc::clone(self) as _;
            self.shared.writer.put(&owner, id, &held.file, &record);
        }
        state.last = n;
        drop(state);
        self.watchers.wake();
    }

    /// Tells a log of itself.
    fn tell(self: &Arc<Self>, id: u64, text: &str) {
        let agent = self.lock().agents.iter().find(|(_, held)| held.id == id).map(|(name, _)| name.clone());
        if let Some(agent) = agent {
            let moment = self.moment(&agent, id);
            self.push(&agent, id, moment, Voice::Said(Role::System), clean::content(text, false));
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.shared.clock.unix_ms().saturating_mul(1_000)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// A number above those of all records that there are, and below those of all that come.
    pub fn place(&mut self, now: u64) -> u64 {
        self.last = self.last.max(now);
        self.last
    }
}

impl Owner for SwarmLog {
    fn lost(self: Arc<Self>, id: u64, count: u64) {
        self.tell(
            id,
            &format!("{count} lines of this log were not kept: they came too fast, or the disk failed"),
        );
    }

    fn refused(self: Arc<Self>, id: u64, why: LentError) {
        self.tell(
            id,
            &format!("the lines of this log are not kept for now; of its directory or file: {why}"),
        );
    }
}
