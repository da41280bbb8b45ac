//! What of the stream is about one swarm: counted for who follows it, so that a gap says how much of it he missed.
//!
//! Each entry about a swarm that somebody follows has its place among them, and the newest of those that left the memory
//! is known. Only swarms that are followed are counted: as many as there are followers' topics, and no more.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Entry, Hub};

/// Counts what somebody is told of one swarm. Dropping it ends that.
pub struct Of {
    hub: Arc<Hub>,
    swarm: String,
    gone: Arc<AtomicU64>,
    /// what he was given, or told that he missed
    seen: u64,
}

impl Of {
    pub(super) fn new(hub: Arc<Hub>, swarm: &str) -> Self {
        let (seen, gone) = hub.count(swarm);
        Self { hub, swarm: swarm.to_owned(), gone, seen }
    }

    /// Its name.
    pub fn swarm(&self) -> &str {
        &self.swarm
    }

    /// The next entry of the stream: how many of the swarm came before it, after the last, and are kept no more. Nothing
    /// where it is not about the swarm, or came before the counting began.
    pub fn passes(&mut self, entry: &Entry) -> Option<u64> {
        let missed = entry.nth().checked_sub(self.seen)?.checked_sub(1)?;
        if entry.swarm() != Some(&self.swarm) {
            return None;
        }
        self.seen = entry.nth();
        Some(missed)
    }

    /// How many of the swarm came after the last and are kept no more, for one who holds none that is to pass.
    pub fn missed(&mut self) -> u64 {
        let gone = self.gone.load(Ordering::SeqCst);
        let missed = gone.saturating_sub(self.seen);
        self.seen = self.seen.max(gone);
        missed
    }
}

impl Drop for Of {
    fn drop(&mut self) {
        self.hub.count_no_more(&self.swarm);
    }
}

impl fmt::Debug for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Of({}, {})", self.swarm, self.seen)
    }
}

/// The swarms that are followed.
#[derive(Default)]
pub(super) struct Counters(HashMap<String, Counter>);

/// Invariant: `told` is at most as many entries as there ever were, of all swarms.
struct Counter {
    followers: usize,
    /// where the newest entry of the swarm stands among its own
    told: u64,
    /// the same of the newest that is in memory no more
    gone: Arc<AtomicU64>,
}

impl Counters {
    /// One more follows, where there were so many entries of all swarms: what he has seen, and what is gone.
    pub fn begin(&mut self, swarm: &str, entries: u64) -> (u64, Arc<AtomicU64>) {
        // Above what any entry has from a time before, when somebody followed it as well.
        let new = || Counter { followers: 0, told: entries, gone: Arc::default() };
        let counter = self.0.entry(swarm.to_owned()).or_insert_with(new);
        counter.followers = counter.followers.saturating_add(1);
        (counter.told, Arc::clone(&counter.gone))
    }

    /// One less follows.
    pub fn end(&mut self, swarm: &str) {
        let Some(counter) = self.0.get_mut(swarm) else { return };
        counter.followers = counter.followers.saturating_sub(1);
        if counter.followers == 0 {
            self.0.remove(swarm);
        }
    }

    /// One more entry of a swarm: where it stands among its own; 0 where nobody follows the swarm.
    pub fn next(&mut self, swarm: Option<&str>) -> u64 {
        let Some(counter) = swarm.and_then(|swarm| self.0.get_mut(swarm)) else { return 0 };
        counter.told = counter.told.saturating_add(1);
        counter.told
    }

    /// An entry leaves the memory.
    pub fn leaves(&self, entry: &Entry) {
        if let Some(counter) = entry.swarm().and_then(|swarm| self.0.get(swarm)) {
            counter.gone.fetch_max(entry.nth(), Ordering::SeqCst);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
