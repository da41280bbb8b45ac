//! The one stream: numbers, time, bounds, and who is woken when there is more.
//!
//! One lock, held for moving an entry in or copying pointers out; cleaning happens before it, and what makes room is
//! thrown away after it. A reader holds a place and asks for what came after it, so a slow one holds up nobody.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{
    Draft, Entry, Event, Follow, Of, Push, Settings, behind::Behind, clean, disk::EventDisk, event,
    of::Counters,
};
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
    /// how many follow, and how many of them with all that is pushed; changed under the ring's lock only
    following: AtomicUsize,
    pushed_to: AtomicUsize,
}

/// Invariants: the places in `entries` rise by one, the last is below `next`; `bytes` is the sum of their sizes;
/// `texts` are the places of those that have a text, in order, and `text_bytes` is what these take.
#[derive(Default)]
pub(super) struct Ring {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    texts: VecDeque<u64>,
    text_bytes: usize,
    /// what is followed of single swarms
    counters: Counters,
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
            pushed_to: AtomicUsize::new(0),
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
            let text = push.text_size();
            (push, text)
        });
        let mut ring = self.ring();
        if ring.behind.closed {
            return ring.last;
        }
        let id = ring.last.saturating_add(1);
        ring.last = id;
        // Under the lock: who follows from now on is told of all that comes from now on.
        let push = push.filter(|_| self.is_pushed_to());
        // So is the time: numbers and times rise together.
        let unix_ms = self.clock.unix_ms();
        let wake = ring.behind.put(id, unix_ms, &fields);
        let nth = ring.counters.next(draft.swarm.as_deref());
        let event = Event::new(id, unix_ms, draft, fields);
        let entry = Entry::event_at(ring.next, nth, event, push, size);
        let dropped = ring.push(Arc::new(entry));
        drop(ring);
        drop(dropped);
        if wake {
            self.changed.notify_all();
        }
        self.wake();
        id
    }

    /// Tells those who follow with all that is pushed of something that nobody keeps.
    pub fn tell(&self, swarm: &NodeName, agent: &NodeName, push: Push) {
        if !self.is_pushed_to() {
            return;
        }
        let push = push.cleaned();
        let text = push.text_size();
        let mut ring = self.ring();
        if ring.behind.closed {
            return;
        }
        let nth = ring.counters.next(Some(swarm.as_str()));
        let (swarm, agent) = (swarm.to_string(), agent.to_string());
        let entry = Entry::told_at(ring.next, nth, ring.last, swarm, agent, (push, text));
        let dropped = ring.push(Arc::new(entry));
        drop(ring);
        drop(dropped);
        self.wake();
    }

    /// Follows the events from now on. `wake` is woken whenever there is more.
    pub fn follow(self: &Arc<Self>, wake: Arc<Wake>) -> Follow {
        Follow::new(Arc::clone(self), wake, false)
    }

    /// Follows the stream with all that is pushed, which is kept only while somebody does.
    pub fn follow_pushes(self: &Arc<Self>, wake: Arc<Wake>) -> Follow {
        Follow::new(Arc::clone(self), wake, true)
    }

    /// Counts what is told of a swarm from now on, for one who follows it.
    pub fn of(self: &Arc<Self>, swarm: &str) -> Of {
        Of::new(Arc::clone(self), swarm)
    }

    /// The number of the newest event; 0 before the first.
    pub fn last(&self) -> u64 {
        self.ring().last
    }

    pub(super) fn unix_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    pub(super) fn watch(&self, wake: Arc<Wake>) -> Watch {
        self.watchers.add(wake)
    }

    /// One more follows: the place of the next entry.
    pub(super) fn join(&self, pushes: bool) -> u64 {
        let ring = self.ring();
        self.following.fetch_add(1, Ordering::SeqCst);
        self.pushed_to.fetch_add(usize::from(pushes), Ordering::SeqCst);
        ring.next
    }

    /// One less follows.
    pub(super) fn leave(&self, pushes: bool) {
        let _ring = self.ring();
        self.following.fetch_sub(1, Ordering::SeqCst);
        self.pushed_to.fetch_sub(usize::from(pushes), Ordering::SeqCst);
    }

    /// One more counts what is told of a swarm: what he need not count, and where what is gone stands.
    pub(super) fn count(&self, swarm: &str) -> (u64, Arc<AtomicU64>) {
        let mut ring = self.ring();
        let entries = ring.next.saturating_sub(1);
        ring.counters.begin(swarm, entries)
    }

    /// One less does.
    pub(super) fn count_no_more(&self, swarm: &str) {
        self.ring().counters.end(swarm);
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

    fn is_pushed_to(&self) -> bool {
        self.pushed_to.load(Ordering::SeqCst) > 0
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
        if entry.text_size() > 0 {
            self.texts.push_back(entry.at());
            self.text_bytes = self.text_bytes.saturating_add(entry.text_size());
        }
        self.entries.push_back(entry);
        let mut dropped = Dropped::default();
        while self.entries.len() > limits::SWARM_EVENTS || self.bytes > limits::SWARM_EVENTS_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.left(&oldest);
            self.gone = oldest.last();
            dropped.keep(oldest);
        }
        while self.text_bytes > limits::SWARM_TEXTS_BYTES {
            let Some(at) = self.texts.pop_front() else { break };
            let place = usize::try_from(at.saturating_sub(self.first())).unwrap_or(usize::MAX);
            let Some(entry) = self.entries.get_mut(place) else { break };
            self.text_bytes = self.text_bytes.saturating_sub(entry.text_size());
            let without = Arc::new(entry.without_text());
            dropped.keep(std::mem::replace(entry, without));
        }
        dropped
    }

    /// The oldest entry is here no more.
    fn left(&mut self, oldest: &Entry) {
        self.bytes = self.bytes.saturating_sub(oldest.size());
        if self.texts.front() == Some(&oldest.at()) {
            self.texts.pop_front();
            self.text_bytes = self.text_bytes.saturating_sub(oldest.text_size());
        }
        self.counters.leaves(oldest);
    }

    /// Forgets the entries below this place, and with them the events up to this number. What is forgotten is the
    /// caller's to throw away.
    #[must_use]
    pub fn forget(&mut self, place: u64, id: u64) -> Vec<Arc<Entry>> {
        let count = self.entries.partition_point(|entry| entry.at() < place);
        let forgotten: Vec<_> = self.entries.drain(..count).collect();
        forgotten.iter().for_each(|entry| self.left(entry));
        self.gone = self.gone.max(id.min(self.last));
        forgotten
    }

    /// How many texts there are, and what they take.
    #[cfg(test)]
    pub fn texts(&self) -> (usize, usize) {
        (self.texts.len(), self.text_bytes)
    }

    /// How many swarms are counted.
    #[cfg(test)]
    pub fn counted(&self) -> usize {
        self.counters.len()
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
