//! The one stream: numbers, time, bounds, and who is woken when there is more.
//!
//! One lock, held for moving an entry in or copying pointers out; cleaning happens before it, and what makes room is
//! thrown away after it. A reader holds a place and asks for what came after it, so a slow one holds up nobody.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Draft, Entry, Event, Follow, Push, Settings, behind::Behind, clean, disk::EventDisk, event};
use crate::{
    agent::{Watch, Watchers},
    limits,
    store::{Disk, JournalError, journal::Opened},
    sys::poll::Wake,
    wire::{clock::Clock, node::NodeName},
};

/// What an entry takes of memory beside its texts.
pub(super) const EACH: usize = 512;

/// All events of one instance, the newest [`limits::SWARM_EVENTS`] and [`limits::SWARM_EVENTS_BYTES`] of them in
/// memory, and many more on the disk, where there is one.
pub struct Hub {
    clock: Arc<dyn Clock>,
    ring: Mutex<Ring>,
    /// something came for the writer, or the writer has done something
    pub(super) changed: Condvar,
    pub(super) disk: Option<EventDisk>,
    watchers: Arc<Watchers>,
    /// how many follow; changed under the ring's lock only
    following: AtomicUsize,
}

/// Invariants: the places in `entries` rise by one, the last is below `next`; `bytes` is the sum of their sizes.
#[derive(Default)]
pub(super) struct Ring {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// the place of the next entry
    pub next: u64,
    /// the number of the newest event
    pub last: u64,
    /// the number of the newest event that is in memory no more
    gone: u64,
    /// what waits for the disk
    pub behind: Behind,
}

impl Hub {
    /// An empty one, in memory alone.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            ring: Mutex::new(Ring { next: 1, ..Ring::default() }),
            changed: Condvar::new(),
            disk: None,
            watchers: Arc::default(),
            following: AtomicUsize::new(0),
        }
    }

    /// The events that are kept in a directory, which is nobody else's; and what opening found. What is told from now
    /// on is written there once [`Hub::start`] was called.
    pub fn open(
        disk: Box<dyn Disk>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, Opened), JournalError> {
        let (disk, first, opened) = EventDisk::open(disk, settings)?;
        let last = first.saturating_sub(1);
        let behind = Behind { on: true, most: settings.waiting, settled: last, ..Behind::default() };
        let ring = Ring { next: 1, last, gone: last, behind, ..Ring::default() };
        let hub = Self { ring: Mutex::new(ring), disk: Some(disk), ..Self::new(clock) };
        Ok((Arc::new(hub), opened))
    }

    /// Tells of something. Returns its number. Nobody is told of anything once [`Hub::stop`] has come to its end.
    pub fn publish(&self, draft: Draft) -> u64 {
        let (mut draft, size) = clean::cleaned(draft);
        let fields = event::fields(&draft);
        let push = draft.push.take().map(|push| {
            let push = push.cleaned();
            let size = push.size();
            (push, size)
        });
        let mut ring = self.ring();
        if ring.behind.closed {
            return ring.last;
        }
        let id = ring.last.saturating_add(1);
        ring.last = id;
        // Under the lock: who follows from now on is told of all that comes from now on.
        let (push, more) = match push {
            Some((push, size)) if self.is_followed() => (Some(push), size),
            Some(_) | None => (None, 0),
        };
        // So is the time: numbers and times rise together.
        let unix_ms = self.clock.unix_ms();
        let wake = ring.behind.put(id, unix_ms, &fields);
        let event = Event::new(id, unix_ms, draft, fields);
        let entry = Entry::event_at(ring.next, event, push, size.saturating_add(more));
        let dropped = ring.push(Arc::new(entry));
        drop(ring);
        drop(dropped);
        if wake {
            self.changed.notify_all();
        }
        self.wake();
        id
    }

    /// Tells those who follow of something that nobody keeps.
    pub fn tell(&self, swarm: &NodeName, agent: &NodeName, push: Push) {
        if !self.is_followed() {
            return;
        }
        let push = push.cleaned();
        let mut ring = self.ring();
        if ring.behind.closed {
            return;
        }
        let entry = Entry::told_at(ring.next, ring.last, swarm.to_string(), agent.to_string(), push);
        let dropped = ring.push(Arc::new(entry));
        drop(ring);
        drop(dropped);
        self.wake();
    }

    /// Follows the stream from now on. `wake` is woken whenever there is more.
    pub fn follow(self: &Arc<Self>, wake: Arc<Wake>) -> Follow {
        Follow::new(Arc::clone(self), wake)
    }

    /// The number of the newest event; 0 before the first.
    pub fn last(&self) -> u64 {
        self.ring().last
    }

    /// The place of the newest entry of the stream; 0 before the first.
    pub fn place(&self) -> u64 {
        self.ring().next.saturating_sub(1)
    }

    pub(super) fn unix_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    pub(super) fn watch(&self, wake: Arc<Wake>) -> Watch {
        self.watchers.add(wake)
    }

    /// One more follows: the place of the next entry.
    pub(super) fn join(&self) -> u64 {
        let ring = self.ring();
        self.following.fetch_add(1, Ordering::SeqCst);
        ring.next
    }

    /// One less follows.
    pub(super) fn leave(&self) {
        let _ring = self.ring();
        self.following.fetch_sub(1, Ordering::SeqCst);
    }

    /// The entries from this place on, at most `most`; and how many of them are in memory no more.
    pub(super) fn after(&self, place: u64, most: usize) -> (u64, Vec<Arc<Entry>>) {
        let ring = self.ring();
        let first = ring.first();
        let skip = usize::try_from(place.saturating_sub(first)).unwrap_or(usize::MAX);
        let count = ring.entries.len().saturating_sub(skip).min(most);
        let entries = ring.entries.range(skip.min(ring.entries.len())..).take(count).cloned().collect();
        (first.saturating_sub(place), entries)
    }

    /// The newest entries below this place, at most `most`, oldest first.
    pub(super) fn before(&self, place: u64, most: usize) -> Vec<Arc<Entry>> {
        let ring = self.ring();
        let end = usize::try_from(place.saturating_sub(ring.first())).unwrap_or(usize::MAX);
        let end = end.min(ring.entries.len());
        ring.entries.range(end.saturating_sub(most)..end).cloned().collect()
    }

    /// The place of the first entry behind the event of this number; none where an event behind it has left the
    /// memory meanwhile.
    pub(super) fn place_after(&self, id: u64) -> Option<u64> {
        let ring = self.ring();
        if ring.gone > id {
            return None;
        }
        let skip = ring.entries.partition_point(|entry| entry.last() <= id);
        Some(ring.first().saturating_add(u64::try_from(skip).unwrap_or(u64::MAX)))
    }

    /// The numbers of the newest event that is in memory no more, and of the newest at all.
    pub(super) fn kept(&self) -> (u64, u64) {
        let ring = self.ring();
        (ring.gone, ring.last)
    }

    fn is_followed(&self) -> bool {
        self.following.load(Ordering::SeqCst) > 0
    }

    fn wake(&self) {
        if self.is_followed() {
            self.watchers.wake();
        }
    }

    /// Nothing here is half changed when another holder panics.
    pub(super) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// One more entry, in its place. What made room is the caller's to throw away.
    #[must_use]
    fn push(&mut self, entry: Arc<Entry>) -> Dropped {
        self.next = self.next.saturating_add(1);
        self.bytes = self.bytes.saturating_add(entry.size());
        self.entries.push_back(entry);
        let mut dropped = Dropped::default();
        while self.entries.len() > limits::SWARM_EVENTS || self.bytes > limits::SWARM_EVENTS_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.size());
            self.gone = oldest.last();
            dropped.keep(oldest);
        }
        dropped
    }

    /// Forgets the entries below this place, and with them the events up to this number. What is forgotten is the
    /// caller's to throw away.
    #[must_use]
    pub fn forget(&mut self, place: u64, id: u64) -> Vec<Arc<Entry>> {
        let count = self.entries.partition_point(|entry| entry.at() < place);
        let forgotten: Vec<_> = self.entries.drain(..count).collect();
        let bytes = forgotten.iter().map(|entry| entry.size()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        self.gone = self.gone.max(id.min(self.last));
        forgotten
    }

    /// The place of the oldest entry.
    fn first(&self) -> u64 {
        self.next.saturating_sub(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }
}

/// What made room: nearly always one entry.
#[derive(Default)]
struct Dropped {
    one: Option<Arc<Entry>>,
    more: Vec<Arc<Entry>>,
}

impl Dropped {
    fn keep(&mut self, entry: Arc<Entry>) {
        match self.one {
            None => self.one = Some(entry),
            Some(_) => self.more.push(entry),
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub(last {})", self.last())
    }
}
