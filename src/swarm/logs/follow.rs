//! Following the logs of a swarm, or of one of its agents: a place in each lane, and no queue.
//!
//! Whoever is slow holds up nobody; what came and went in the meantime is counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Kinds, Row, of_swarm::SwarmLog};
use crate::{agent::Watch, sys::poll::Wake, wire::node::NodeName};

/// A place in the logs. Dropped, nobody is woken any more.
pub struct Follow {
    log: Arc<SwarmLog>,
    agent: Option<NodeName>,
    kinds: Kinds,
    /// the next places of both lanes, by the id of the agent's log
    places: BTreeMap<u64, [u64; 2]>,
    begins: u64,
    _watch: Watch,
}

/// What came since the last time.
#[derive(Debug, Default)]
pub struct Batch {
    /// in the order of their numbers
    pub rows: Vec<Row>,
    /// how many records of these kinds came and are held no more
    pub missed: u64,
    /// the swarm was purged: nothing more comes
    pub gone: bool,
}

impl SwarmLog {
    /// What comes from now on; of one agent, or of all. `wake` is woken when something does.
    pub fn follow(self: &Arc<Self>, agent: Option<NodeName>, kinds: Kinds, wake: Arc<Wake>) -> Follow {
        let watch = self.watchers.add(wake);
        let mut state = self.lock();
        let begins = state.place(self.now());
        // Also of those who are not followed: an agent that comes later is one that has no place here.
        let places = state
            .agents
            .values()
            .map(|held| (held.id, held.lanes.each_ref().map(|lane| lane.place_of(begins))));
        let places = places.collect();
        drop(state);
        Follow { log: Arc::clone(self), agent, kinds, places, begins, _watch: watch }
    }
}

impl Follow {
    /// All records that come have higher numbers, and those that were there have not.
    pub fn begins(&self) -> u64 {
        self.begins
    }

    /// What came since the last time, at most `most` records.
    pub fn next(&mut self, most: usize) -> Batch {
        let state = self.log.lock();
        let mut batch = Batch { gone: state.gone, ..Batch::default() };
        let followed =
            state.agents.iter().filter(|(name, _)| self.agent.as_ref().is_none_or(|one| one == *name));
        let lanes: Vec<_> = followed
            .flat_map(|(name, held)| {
                held.lanes.iter().enumerate().map(move |(at, lane)| (name, held.id, at, lane))
            })
            .filter(|(_, _, at, _)| self.kinds.has_lane(*at))
            .collect();
        // The number of the next record of each lane: the least goes first.
        let mut next = BTreeSet::new();
        for (index, (_, id, at, lane)) in lanes.iter().enumerate() {
            let places = self.places.entry(*id).or_default();
            let Some(place) = places.get_mut(*at) else { continue };
            batch.missed = batch.missed.saturating_add(lane.first().saturating_sub(*place));
            *place = lane.first().max(*place);
            next.extend(lane.at(*place).map(|record| (record.n, index)));
        }
        while let Some((_, index)) = next.pop_first().filter(|_| batch.rows.len() < most) {
            let Some((name, id, at, lane)) = lanes.get(index) else { continue };
            let Some(place) = self.places.get_mut(id).and_then(|places| places.get_mut(*at)) else {
                continue;
            };
            if let Some(record) = lane.at(*place) {
                batch.rows.push(Row { agent: (*name).clone(), record: Arc::clone(record) });
                *place = place.saturating_add(1);
            }
            next.extend(lane.at(*place).map(|record| (record.n, index)));
        }
        self.places.retain(|id, _| state.agents.values().any(|held| held.id == *id));
        batch
    }
}
