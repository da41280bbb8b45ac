//! The seats of all swarms, and the places that their nodes take together.
//!
//! Its lock is held while one of its maps is read or changed, and for nothing else. Order of locks: the table's,
//! then a seat's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    seat::{Busy, Phase, Seat},
    shape::Shape,
};
use crate::{limits, swarm::Fault, wire::node::NodeName};

/// All seats.
#[derive(Default)]
pub(super) struct Table(Mutex<BTreeMap<NodeName, Arc<Seat>>>);

/// Whose seat a new swarm gets.
pub(super) enum Claimed {
    /// one of its own
    New(Busy),
    /// that of a swarm of its name, which does not run
    Kept(Busy),
}

impl Table {
    /// One more seat.
    pub fn add(&self, seat: Arc<Seat>) {
        self.lock().insert(seat.name().clone(), seat);
    }

    /// The seat of that name.
    pub fn find(&self, name: &str) -> Option<Arc<Seat>> {
        let name = NodeName::parse(name).ok()?;
        self.lock().get(&name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Seat>> {
        self.lock().values().cloned().collect()
    }

    /// A seat for a swarm that is about to be created, with its busy mark. Of two who ask at once one gets it.
    pub fn claim(&self, seed: &Arc<Shape>, patience: Duration) -> Result<Claimed, Fault> {
        let name = &seed.config.name;
        loop {
            let seat = {
                let mut seats = self.lock();
                let Some(seat) = seats.get(name).cloned() else {
                    if seats.len() >= limits::SWARMS_KEPT {
                        return Err(Fault::TooManySwarms { most: limits::SWARMS_KEPT });
                    }
                    let (seat, busy) = Seat::claimed(seed.clone());
                    seats.insert(name.clone(), seat);
                    return Ok(Claimed::New(busy));
                };
                seat
            };
            if seat.is_up() {
                return Err(Fault::AlreadyExists);
            }
            match seat.enter(patience) {
                Ok(_) if seat.is_up() => return Err(Fault::AlreadyExists),
                Ok(busy) => return Ok(Claimed::Kept(busy)),
                // It was purged meanwhile: the name is free.
                Err(Fault::SwarmNotFound) => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Takes a seat away; whoever waits for it is told that there is none.
    pub fn remove(&self, busy: &Busy) {
        let mut seats = self.lock();
        if seats.get(busy.name()).is_some_and(|seat| busy.is_of(seat)) {
            seats.remove(busy.name());
        }
        busy.is_gone();
    }

    /// Takes places for the nodes of a swarm, which has `places` of them afterwards. `others` are taken by agents
    /// of no swarm.
    pub fn hold(&self, busy: &Busy, places: usize, others: usize) -> Result<(), Fault> {
        let seats = self.lock();
        let other_seats = seats.values().filter(|seat| !busy.is_of(seat));
        let taken: usize = other_seats.map(|seat| seat.places()).sum();
        if taken.saturating_add(others).saturating_add(places) > limits::AGENTS {
            return Err(Fault::TooManyNodes { most: limits::AGENTS });
        }
        busy.note(|facts| facts.places = places);
        Ok(())
    }

    /// The swarm does not run any more, or was never started.
    pub fn give_back(&self, busy: &Busy, phase: Phase) {
        busy.note(|facts| {
            facts.phase = phase;
            facts.places = 0;
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeName, Arc<Seat>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
