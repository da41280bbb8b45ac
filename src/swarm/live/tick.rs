//! What the clock brings: timers of the agents, letters in their outboxes.
//!
//! Outboxes are asked every [`SCAN_MS`] while there are agents with directories, one look each, so that an agent
//! that floods its own takes no more than its turn. A directory that has not changed costs one system call.

use std::sync::Arc;

use super::{
    Live,
    place::{Place, Taken},
    table::Phase,
};
use crate::{
    agent::{outbox::Letter, protocol::Spoken},
    swarm::turn::Now,
    wire::node::NodeName,
};

/// How often outboxes are asked.
pub(super) const SCAN_MS: u64 = 200;
/// How often answers that nobody fetched are looked for.
const PRUNE_MS: u64 = 60_000;

impl Live {
    /// Does what is due; when to come again, monotonic ms. Called by one thread; nobody else waits for it.
    pub fn tick(&self, now_ms: u64) -> Option<u64> {
        let (places, prune) = self.due_places(now_ms);
        for (name, since, place) in &places {
            if let Some(taken) = place.look() {
                self.letters(name, *since, taken);
            }
            if prune {
                place.prune();
            }
        }
        self.input(|pass| {
            pass.now = Now { ms: now_ms.max(pass.now.ms), ..pass.now };
            let now = pass.now.ms;
            let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
            let due: Vec<NodeName> = pass
                .table
                .agents()
                .filter(|(_, agent)| is_due(agent.turn.deadline()))
                .map(|(name, _)| name.clone())
                .collect();
            for name in &due {
                pass.turn(name, |turn, now| ((), turn.tick(now)));
                pass.run();
            }
        });
        self.promise(now_ms)
    }

    /// When something is due next.
    fn promise(&self, now_ms: u64) -> Option<u64> {
        let mut table = self.lock();
        if table.phase == Phase::Stopped {
            table.promised = u64::MAX;
            return None;
        }
        let timers = table.agents().filter_map(|(_, agent)| agent.turn.deadline()).min();
        let has_place =
            table.phase == Phase::Running && table.agents().any(|(_, agent)| agent.place.is_some());
        let scan = has_place.then_some(table.scan.max(now_ms));
        let starter = (!table.starter && !table.starts.is_empty()).then_some(table.starter_at.max(now_ms));
        let next = [timers, scan, starter].into_iter().flatten().min();
        table.promised = next.unwrap_or(u64::MAX);
        next
    }

    /// The outboxes to be asked now, with the number of a run of theirs, if it is time; and whether it is time to
    /// prune the inboxes.
    fn due_places(&self, now_ms: u64) -> (Vec<(NodeName, u64, Arc<Place>)>, bool) {
        let mut table = self.lock();
        if table.phase != Phase::Running || now_ms < table.scan {
            return (Vec::new(), false);
        }
        table.scan = now_ms.saturating_add(SCAN_MS);
        let prune = now_ms >= table.prune;
        if prune {
            table.prune = now_ms.saturating_add(PRUNE_MS);
        }
        let place = |(name, agent): (&NodeName, &super::Agent)| {
            // Any run of this agent will do.
            Some((name.clone(), agent.since.saturating_add(1), agent.place.clone()?))
        };
        (table.agents().filter_map(place).collect(), prune)
    }

    /// What a program had written before it ended. Nobody writes any more, so this comes to an end; where it would
    /// not, after as many looks as a full outbox needs.
    pub(super) fn last_letters(&self, name: &NodeName, run: u64, place: &Place) {
        const LOOKS: usize = 200;
        for _ in 0..LOOKS {
            let Some(taken) = place.take() else { return };
            let more = taken.more;
            self.letters(name, run, taken);
            if !more {
                return;
            }
        }
    }

    /// Letters of an agent, which this run of it wrote or one before it: its own words, as if its program had said
    /// them.
    pub(super) fn letters(&self, name: &NodeName, run: u64, taken: Taken<'_>) {
        for letter in taken.letters {
            let spoken = match letter {
                Letter::Send { to, content } => Spoken::Send { to, content },
                Letter::Ask { to, content, id } => Spoken::Ask { to, content, id },
                Letter::Broadcast { content } => Spoken::Broadcast { content },
                Letter::Invalid { why, .. } => Spoken::Invalid { why },
            };
            self.input(|pass| pass.written(name, run, spoken));
        }
    }
}
