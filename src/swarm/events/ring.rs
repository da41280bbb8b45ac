//! What is in memory: the newest entries of the stream, within a number of them and bytes, under the lock of
//! [`super::Hub`].
//!
//! A text that is only pushed takes room of its own and goes before its entry does. What makes room is handed back, so
//! that it is thrown away without the lock.

use std::{collections::VecDeque, sync::Arc};

use super::{Entry, behind::Behind, of::Counters};
use crate::limits;

/// Invariants: the places in `entries` rise by one, the last is below `next`; `bytes` is the sum of their sizes;
/// `texts` are the places of those that have a text, in order, and `text_bytes` is what these take.
#[derive(Default)]
pub(super) struct Ring {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    texts: VecDeque<u64>,
    text_bytes: usize,
    /// what is followed of single swarms
    pub counters: Counters,
    /// the place of the next entry
    pub next: u64,
    /// the number of the newest event
    pub last: u64,
    /// the number of the newest event that is in memory no more
    gone: u64,
    /// what waits for the disk
    pub behind: Behind,
}

impl Ring {
    /// An empty one behind the event of this number.
    pub fn new(last: u64, behind: Behind) -> Self {
        Self { next: 1, last, gone: last, behind, ..Self::default() }
    }

    /// One more entry, in its place. What made room is the caller's to throw away.
    #[must_use]
    pub fn push(&mut self, entry: Arc<Entry>) -> Dropped {
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
        self.fit_texts(limits::SWARM_TEXTS_BYTES, &mut dropped);
        dropped
    }

    /// Takes all texts out. They are the caller's to throw away.
    #[must_use]
    pub fn forget_texts(&mut self) -> Dropped {
        let mut dropped = Dropped::default();
        self.fit_texts(0, &mut dropped);
        dropped
    }

    /// Takes the oldest texts out, until the others are not above so many bytes.
    fn fit_texts(&mut self, most: usize, dropped: &mut Dropped) {
        while self.text_bytes > most {
            let Some(at) = self.texts.pop_front() else { break };
            let place = usize::try_from(at.saturating_sub(self.first())).unwrap_or(usize::MAX);
            let Some(entry) = self.entries.get_mut(place) else { break };
            self.text_bytes = self.text_bytes.saturating_sub(entry.text_size());
            let without = Arc::new(entry.without_text());
            dropped.keep(std::mem::replace(entry, without));
        }
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

    /// The entries from this place on, at most `most`; and how many of them are here no more.
    pub fn after(&self, place: u64, most: usize) -> (u64, Vec<Arc<Entry>>) {
        let first = self.first();
        let skip = usize::try_from(place.saturating_sub(first)).unwrap_or(usize::MAX);
        let count = self.entries.len().saturating_sub(skip).min(most);
        let entries = self.entries.range(skip.min(self.entries.len())..).take(count).cloned().collect();
        (first.saturating_sub(place), entries)
    }

    /// The newest entries below this place, at most `most`, oldest first.
    pub fn before(&self, place: u64, most: usize) -> Vec<Arc<Entry>> {
        let end = usize::try_from(place.saturating_sub(self.first())).unwrap_or(usize::MAX);
        let end = end.min(self.entries.len());
        self.entries.range(end.saturating_sub(most)..end).cloned().collect()
    }

    /// The place of the first entry behind the event of this number; none where an event behind it has left.
    pub fn place_after(&self, id: u64) -> Option<u64> {
        if self.gone > id {
            return None;
        }
        let skip = self.entries.partition_point(|entry| entry.last() <= id);
        Some(self.first().saturating_add(u64::try_from(skip).unwrap_or(u64::MAX)))
    }

    /// The number of the newest event that is here no more.
    pub fn gone(&self) -> u64 {
        self.gone
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
pub(super) struct Dropped {
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
