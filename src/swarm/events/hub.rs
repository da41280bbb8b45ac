//! The ring of events: numbers, time, bounds, and who is woken when there is more.
//!
//! One lock, held for moving an event in or copying pointers out; cleaning happens before it. A reader holds a
//! number and asks for what came after it, so a slow one holds up nobody and is told what it missed.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Draft, Event, Filter, clean};
use crate::{
    agent::{Watch, Watchers},
    limits,
    sys::poll::Wake,
    wire::clock::Clock,
};

/// All events of one instance, the newest [`limits::SWARM_EVENTS`] and [`limits::SWARM_EVENTS_BYTES`] of them.
pub struct Hub {
    clock: Arc<dyn Clock>,
    ring: Mutex<Ring>,
    watchers: Arc<Watchers>,
}

/// Invariants: the numbers in `events` rise by one, the last is `last`; `bytes` is the sum of their sizes.
#[derive(Default)]
struct Ring {
    events: VecDeque<(Arc<Event>, usize)>,
    bytes: usize,
    last: u64,
}

/// What came after a number.
#[derive(Debug, Default)]
pub struct Since {
    /// oldest first
    pub events: Vec<Arc<Event>>,
    /// how many came after the number asked for and before the first of `events`, and are kept no more
    pub missed: u64,
}

impl Hub {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ring: Mutex::default(), watchers: Arc::default() }
    }

    /// Tells of something. Returns its number.
    pub fn publish(&self, draft: Draft) -> u64 {
        let draft = clean::cleaned(draft);
        let size = size(&draft);
        let mut ring = lock(&self.ring);
        let id = ring.last.saturating_add(1);
        ring.last = id;
        // The time is read under the lock: numbers and times rise together.
        ring.events.push_back((Arc::new(Event { id, unix_ms: self.clock.unix_ms(), draft }), size));
        ring.bytes = ring.bytes.saturating_add(size);
        while ring.events.len() > limits::SWARM_EVENTS || ring.bytes > limits::SWARM_EVENTS_BYTES {
            let Some((_, size)) = ring.events.pop_front() else { break };
            ring.bytes = ring.bytes.saturating_sub(size);
        }
        drop(ring);
        self.watchers.wake();
        id
    }

    /// The events that a filter asks for, newest first, at most `most`.
    pub fn query(&self, filter: &Filter, most: usize) -> Vec<Arc<Event>> {
        let now = self.clock.unix_ms();
        // Pointers out, then the looking without the lock.
        let all: Vec<_> = lock(&self.ring).events.iter().map(|(event, _)| Arc::clone(event)).collect();
        all.into_iter().rev().filter(|event| filter.matches(event, now)).take(most).collect()
    }

    /// What came after number `id`, oldest first, at most `most`.
    pub fn since(&self, id: u64, most: usize) -> Since {
        let ring = lock(&self.ring);
        let Some(first) = ring.events.front().map(|(event, _)| event.id) else {
            return Since { events: Vec::new(), missed: ring.last.saturating_sub(id) };
        };
        let skip = id.saturating_add(1).saturating_sub(first);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let events = ring.events.iter().skip(skip).take(most).map(|(event, _)| Arc::clone(event)).collect();
        Since { events, missed: first.saturating_sub(id.saturating_add(1)) }
    }

    /// The number of the newest event; 0 before the first.
    pub fn last(&self) -> u64 {
        lock(&self.ring).last
    }

    /// Wakes `wake` whenever there is more, until the watch is dropped.
    pub fn watch(&self, wake: Arc<Wake>) -> Watch {
        self.watchers.add(wake)
    }

    /// Forgets all events. The numbers go on.
    pub fn clear(&self) {
        let mut ring = lock(&self.ring);
        ring.events = VecDeque::new();
        ring.bytes = 0;
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub(last {})", self.last())
    }
}

/// What an event takes of memory, about.
fn size(draft: &Draft) -> usize {
    const EACH: usize = 400;
    let names = [&draft.swarm, &draft.agent].map(|name| name.as_ref().map_or(0, String::len));
    let metadata = serde_json::to_vec(&draft.metadata).map_or(0, |text| text.len());
    // A tree of JSON takes a few times what its text does.
    EACH + draft.message.len() + names.iter().sum::<usize>() + metadata * 3
}

/// Locks; nothing here is half changed when another holder panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
