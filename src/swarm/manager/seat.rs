//! One swarm that is kept: what is known of it, and whose turn it is to change it.
//!
//! Whoever changes it holds its busy mark, an ordinary value that is given back when it is dropped. The lock is
//! held only to read or to write what stands here, never while something is started, ended or written to disk.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::shape::Shape;
use crate::{
    swarm::{Fault, live::Live},
    wire::node::NodeName,
};

/// A kept swarm.
pub(super) struct Seat {
    name: NodeName,
    known: Mutex<Known>,
    freed: Condvar,
}

/// What is known of it.
struct Known {
    busy: bool,
    /// how many wait to stop it
    stops: usize,
    /// nothing of it is kept any more; the name may have another seat
    gone: bool,
    facts: Facts,
}

/// What is known of a swarm at one moment.
#[derive(Clone)]
pub(super) struct Facts {
    /// what was asked for when it was created
    pub seed: Arc<Shape>,
    /// the seed with the changes that are written down: how it will start again
    pub kept: Arc<Shape>,
    /// where it stands in its life
    pub phase: Phase,
    /// places that its nodes take of the instance's
    pub places: usize,
    /// its owner has stopped it: it does not start by itself any more
    pub halted: bool,
}

/// Where a swarm stands in its life.
#[derive(Clone)]
pub(super) enum Phase {
    /// It does not run.
    Stopped,
    /// It does not run, and should: why.
    Failed(String),
    /// Its nodes are being started; where they are there already, they can speak.
    Starting(Option<Running>),
    /// It runs.
    Running(Running),
    /// It was stopped, and some of its processes are still there: whoever stops or starts it tries again.
    Ending(Running),
}

/// A swarm that runs.
#[derive(Clone)]
pub(super) struct Running {
    /// its nodes
    pub live: Arc<Live>,
    /// what they are now; the same as what is kept, but after the overlay was cleared
    pub present: Arc<Shape>,
    /// since when, Unix ms
    pub started_at: u64,
}

impl Facts {
    /// What is shown of it: as it runs, or as it would.
    pub fn shown(&self) -> &Arc<Shape> {
        match &self.phase {
            Phase::Running(running) | Phase::Starting(Some(running)) | Phase::Ending(running) => {
                &running.present
            }
            Phase::Stopped | Phase::Failed(_) | Phase::Starting(None) => &self.kept,
        }
    }

    /// It runs as this from now on.
    pub fn run_as(&mut self, present: Arc<Shape>) {
        match &mut self.phase {
            Phase::Running(running) => running.present = present,
            Phase::Stopped | Phase::Failed(_) | Phase::Starting(_) | Phase::Ending(_) => {}
        }
    }

    /// The swarm that runs.
    pub fn running(&self) -> Option<&Running> {
        match &self.phase {
            Phase::Running(running) => Some(running),
            Phase::Stopped | Phase::Failed(_) | Phase::Starting(_) | Phase::Ending(_) => None,
        }
    }

    /// Its nodes, also while they are being started, for a program speaks as soon as it runs, and as long as there
    /// are processes of them.
    pub fn live(&self) -> Option<&Running> {
        match &self.phase {
            Phase::Running(running) | Phase::Starting(Some(running)) | Phase::Ending(running) => {
                Some(running)
            }
            Phase::Stopped | Phase::Failed(_) | Phase::Starting(None) => None,
        }
    }
}

impl Seat {
    /// Of a swarm that does not run.
    pub fn new(seed: Arc<Shape>, kept: Arc<Shape>) -> Arc<Self> {
        Self::with(seed, kept, Phase::Stopped, false)
    }

    /// Of a swarm that is new, with its busy mark.
    pub fn claimed(seed: Arc<Shape>) -> (Arc<Self>, Busy) {
        let seat = Self::with(seed.clone(), seed, Phase::Starting(None), true);
        let busy = Busy(seat.clone());
        (seat, busy)
    }

    fn with(seed: Arc<Shape>, kept: Arc<Shape>, phase: Phase, busy: bool) -> Arc<Self> {
        let name = seed.config.name.clone();
        let facts = Facts { seed, kept, phase, places: 0, halted: false };
        Arc::new(Self {
            name,
            known: Mutex::new(Known { busy, stops: 0, gone: false, facts }),
            freed: Condvar::new(),
        })
    }

    /// The swarm's name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// What is known of it now.
    pub fn facts(&self) -> Facts {
        self.lock().facts.clone()
    }

    /// It runs, or is about to.
    pub fn is_up(&self) -> bool {
        match self.lock().facts.phase {
            Phase::Starting(_) | Phase::Running(_) => true,
            Phase::Stopped | Phase::Failed(_) | Phase::Ending(_) => false,
        }
    }

    /// Places that its nodes take.
    pub fn places(&self) -> usize {
        self.lock().facts.places
    }

    /// Waits for its turn to change the swarm.
    pub fn enter(self: &Arc<Self>, patience: Duration) -> Result<Busy, Fault> {
        let until = Instant::now() + patience;
        let mut known = self.lock();
        loop {
            if known.gone {
                return Err(Fault::SwarmNotFound);
            }
            if !known.busy {
                known.busy = true;
                return Ok(Busy(self.clone()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Busy);
            }
            known = self.freed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for its turn to stop the swarm. Whoever starts or changes it now would take long, and in vain: nothing
    /// more of the swarm begins, and what is there is ended, before it is this call's turn: `within` is a part
    /// of its `patience`.
    pub fn enter_to_stop(self: &Arc<Self>, patience: Duration, within: Duration) -> Result<Busy, Fault> {
        match self.enter(Duration::ZERO) {
            Err(Fault::Busy) => {}
            other => return other,
        }
        let begin = Instant::now();
        let live = {
            let mut known = self.lock();
            known.stops = known.stops.saturating_add(1);
            known.facts.live().map(|running| running.live.clone())
        };
        if let Some(live) = live {
            // Whether all is gone is seen when it is our turn.
            live.stop(within);
        }
        let entered = self.enter(patience.saturating_sub(begin.elapsed()));
        let mut known = self.lock();
        known.stops = known.stops.saturating_sub(1);
        entered
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The busy mark of a swarm: nobody else changes it meanwhile.
#[must_use]
pub(super) struct Busy(Arc<Seat>);

impl Busy {
    /// The swarm's name.
    pub fn name(&self) -> &NodeName {
        self.0.name()
    }

    /// What is known of it.
    pub fn facts(&self) -> Facts {
        self.0.facts()
    }

    /// The swarm that runs.
    pub fn running(&self) -> Result<Running, Fault> {
        self.facts().running().cloned().ok_or(Fault::NotRunning)
    }

    /// Writes down what is known of it now.
    pub fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.0.lock().facts);
    }

    /// Somebody waits to stop it.
    pub fn is_to_stop(&self) -> bool {
        self.0.lock().stops > 0
    }

    /// Nothing of it is kept any more: whoever waits for it is told so.
    pub fn is_gone(&self) {
        self.0.lock().gone = true;
    }

    /// Whether this is the mark of that seat.
    pub fn is_of(&self, seat: &Arc<Seat>) -> bool {
        Arc::ptr_eq(&self.0, seat)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let facts = self.facts();
        if let Some(running) = facts.running().filter(|running| running.live.is_stopped()) {
            // By a stop that did not wait for its turn to the end: another one sees to the rest.
            self.note(|facts| facts.phase = Phase::Ending(running.clone()));
        }
        self.0.lock().busy = false;
        self.0.freed.notify_all();
    }
}
