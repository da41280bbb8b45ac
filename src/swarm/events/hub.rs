//! The one stream: numbers, time, bounds, and who is woken when there is more.
//!
//! One lock, held for moving an entry in or copying pointers out; cleaning happens before it, and what makes room is
//! thrown away after it. A reader holds a place and asks for what came after it, so a slow one holds up nobody.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{
    Draft, Entry, Event, Follow, Of, Push, Settings,
    behind::Behind,
    clean,
    disk::EventDisk,
    event,
    ring::{Dropped, Ring},
};
use crate::{
    agent::{Watch, Watchers},
    store::{Disk, JournalError, journal::Opened},
    sys::poll::Wake,
    wire::{clock::Clock, node::NodeName},
};

/// What an entry takes of memory beside its texts.
pub(super) const EACH: usize = 512;

/// All events of one instance, the newest [`crate::limits::SWARM_EVENTS`] and [`crate::limits::SWARM_EVENTS_BYTES`] of
/// them in memory, and many more on the disk, where there is one.
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

impl Hub {
    /// An empty one, in memory alone.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            ring: Mutex::new(Ring::new(0, Behind::default())),
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
        let hub = Self { ring: Mutex::new(Ring::new(last, behind)), disk: Some(disk), ..Self::new(clock) };
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
        // Who followed last may have left meanwhile.
        if ring.behind.closed || !self.is_pushed_to() {
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
        let mut ring = self.ring();
        self.following.fetch_sub(1, Ordering::SeqCst);
        self.pushed_to.fetch_sub(usize::from(pushes), Ordering::SeqCst);
        // Texts are for nobody then. They are thrown away without the lock.
        let dropped = if self.is_pushed_to() { Dropped::default() } else { ring.forget_texts() };
        drop(ring);
        drop(dropped);
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
        self.ring().after(place, most)
    }

    /// The newest entries below this place, at most `most`, oldest first.
    pub(super) fn before(&self, place: u64, most: usize) -> Vec<Arc<Entry>> {
        self.ring().before(place, most)
    }

    /// The place of the first entry behind the event of this number; none where an event behind it has left the
    /// memory meanwhile.
    pub(super) fn place_after(&self, id: u64) -> Option<u64> {
        self.ring().place_after(id)
    }

    /// The numbers of the newest event that is in memory no more, and of the newest at all.
    pub(super) fn kept(&self) -> (u64, u64) {
        let ring = self.ring();
        (ring.gone(), ring.last)
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

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub(last {})", self.last())
    }
}
