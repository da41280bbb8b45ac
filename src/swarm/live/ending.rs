//! Programs on their way out: taken from their nodes, and known until nothing of them is left.
//!
//! A program is taken from its node under the lock, so that nobody hears it any more, and is ended without it. Where
//! that takes longer than it may, the program stays known: it is shown, no other one begins under its name
//! beside it, and whoever ends the swarm, or starts something under that name, tries again first.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Live,
    table::{Node, Run, Table},
};
use crate::{
    backend::Running,
    limits,
    swarm::config::{AgentConfig, ObjectConfig},
    wire::node::NodeName,
};

/// Time for a program's tree to be gone.
pub(super) const GONE: Duration = Duration::from_millis(limits::STOP_MS);
/// What is said of a node whose program is not gone in time.
pub(super) const NOT_GONE: &str = "its processes did not end";

/// A program that was taken from its node, and is to be gone.
#[derive(Clone)]
pub(super) struct Ending {
    /// whose it was
    pub name: NodeName,
    /// what it was there for
    pub was: Was,
    /// the number of its run
    pub run: u64,
    pub running: Arc<dyn Running>,
    /// it was not gone in time
    pub late: bool,
}

/// What a program was there for.
#[derive(Clone)]
pub(super) enum Was {
    /// an agent
    Agent(Box<AgentConfig>),
    /// an object
    Object(Box<ObjectConfig>),
}

impl Was {
    /// What this node's program is there for.
    pub fn of(node: &Node) -> Self {
        match node {
            Node::Agent(agent) => Self::Agent(Box::new(agent.config.clone())),
            Node::Object(thing) => Self::Object(Box::new(thing.config.clone())),
        }
    }
}

impl Table {
    /// Takes the program of a node from it, to be ended. Nor is it started again.
    pub fn part(&mut self, name: &NodeName) {
        self.starts.retain(|waiting| waiting != name);
        let Some(node) = self.nodes.get_mut(name) else { return };
        let was = Was::of(node);
        let Some(run) = node.run_mut() else { return };
        // One that is being started is ended by whoever starts it.
        if let Run::Here { number, running } = std::mem::replace(run, Run::None) {
            self.ends_later(name, was, number, running);
        }
    }

    /// A program that is no node's is to be ended.
    pub fn ends_later(&mut self, name: &NodeName, was: Was, run: u64, running: Arc<dyn Running>) {
        self.ending.push(Ending { name: name.clone(), was, run, running, late: false });
    }

    /// The runs under a name, but for `own`, that are to be gone.
    fn runs_of(&self, name: &NodeName, own: Option<u64>) -> BTreeSet<u64> {
        let starting = self.launching.iter().filter(|(_, one)| one.name == *name).map(|(run, _)| *run);
        let ending = self.ending.iter().filter(|one| one.name == *name).map(|one| one.run);
        starting.chain(ending).filter(|run| Some(*run) != own).collect()
    }

    /// Whether there is no such node any more, but processes of one.
    pub fn is_removed(&self, name: &NodeName, was: impl Fn(&Was) -> bool) -> bool {
        !self.nodes.contains_key(name) && self.late(name).is_some_and(|one| was(&one.was))
    }

    /// Whether there is an agent of this name, and still a program of one before it.
    pub fn is_outlived(&self, name: &NodeName) -> bool {
        let since = self.agent(name).map_or(0, |agent| agent.since);
        self.runs_of(name, None).iter().any(|run| *run <= since)
    }

    /// The program under this name that was not gone in time, if there is one.
    pub fn late(&self, name: &NodeName) -> Option<&Ending> {
        self.ending.iter().find(|one| one.late && one.name == *name)
    }
}

impl Live {
    /// Ends what was taken from the node of this name, also by earlier calls, but for the run `own`; whether all of
    /// it is gone in time.
    pub(super) fn end_of(&self, name: &NodeName, own: Option<u64>) -> bool {
        let limit = Instant::now().checked_add(GONE).unwrap_or_else(Instant::now);
        let runs = self.lock().runs_of(name, own);
        runs.is_empty() || self.end_runs(&runs, limit)
    }

    /// Ends all that was taken from its node, and waits for what is being started; whether all of it is gone in
    /// time.
    pub(super) fn end_all(&self, limit: Instant) -> bool {
        let runs = {
            let table = self.lock();
            table.launching.keys().copied().chain(table.ending.iter().map(|one| one.run)).collect()
        };
        self.end_runs(&runs, limit)
    }

    /// Ends these runs, all at once; whether all are gone in time. Those that are not stay known. None of
    /// them may be the caller's own.
    pub(super) fn end_runs(&self, runs: &BTreeSet<u64>, limit: Instant) -> bool {
        let mut tried = BTreeSet::new();
        loop {
            let programs: Vec<Ending> = {
                let table = self.lock();
                table.ending.iter().filter(|one| runs.contains(&one.run)).cloned().collect()
            };
            let left = end(&programs, limit);
            let gone =
                |one: &Ending| programs.iter().any(|other| other.run == one.run) && !left.contains(&one.run);
            tried.extend(programs.iter().map(|one| one.run));
            let mut table = self.lock();
            table.ending.retain(|one| !gone(one));
            let time = limit.saturating_duration_since(Instant::now());
            let starting = table.launching.keys().any(|run| runs.contains(run));
            let mut ending = table.ending.iter_mut().filter(|one| runs.contains(&one.run));
            if starting && !time.is_zero() {
                // Whoever starts it is told that nobody waits for it.
                drop(self.changed.wait_timeout(table, time).unwrap_or_else(PoisonError::into_inner));
            } else if ending.all(|one| tried.contains(&one.run)) {
                let late = table.ending.iter_mut().filter(|one| runs.contains(&one.run));
                let count = late.map(|one| one.late = true).count();
                return count == 0 && !starting;
            }
        }
    }
}

/// Ends these programs; the runs of those that are not gone in time.
fn end(programs: &[Ending], limit: Instant) -> BTreeSet<u64> {
    let left = |until: Instant| until.saturating_duration_since(Instant::now());
    let now = Instant::now();
    let first = now.checked_add(left(limit) / 3 * 2).unwrap_or(now);
    programs.iter().for_each(|one| one.running.begin_end());
    let mut waiting: Vec<&Ending> = programs.iter().collect();
    waiting.retain(|one| !one.running.end(left(first)));
    if waiting.len() > 1 {
        // One keeper that does not do as told has taken the time of the others: now they are all killed at once.
        waiting.retain(|one| !one.running.end(Duration::ZERO));
    }
    waiting.retain(|one| !one.running.end(left(limit)));
    waiting.into_iter().map(|one| one.run).collect()
}
