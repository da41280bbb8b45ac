//! One agent's newest records in memory, and where its numbers stand.
//!
//! Conversation and output have a lane each and one bound together. Where it is exceeded the larger lane gives way,
//! so that a program that floods its output pushes out no more than half of what was said.

use std::{collections::VecDeque, sync::Arc};

use super::{file::File, noted::Noted, record::Record};

/// The newest records of one kind. Invariant: `first` is how many were dropped, and so the place of the first
/// one that is there.
pub(super) struct Lane {
    records: VecDeque<Arc<Record>>,
    first: u64,
    bytes: usize,
    /// all records of this kind with numbers from here on are in the lane
    pub from: u64,
}

impl Lane {
    /// An empty one; all that comes has numbers from here on.
    pub fn new(from: u64) -> Self {
        Self { records: VecDeque::new(), first: 0, bytes: 0, from }
    }

    /// The place of the first record that is there.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The record at a place.
    pub fn at(&self, place: u64) -> Option<&Arc<Record>> {
        self.records.get(usize::try_from(place.checked_sub(self.first)?).ok()?)
    }

    /// The place behind the last record up to this number.
    pub fn place_of(&self, n: u64) -> u64 {
        self.first.saturating_add(self.records.partition_point(|record| record.n <= n) as u64)
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.iter().rev()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    fn drop_oldest(&mut self) -> usize {
        let Some(oldest) = self.records.pop_front() else { return 0 };
        self.first = self.first.saturating_add(1);
        self.from = oldest.n.saturating_add(1);
        let size = oldest.size();
        self.bytes = self.bytes.saturating_sub(size);
        size
    }
}

/// Where this instance began to number an agent's records. What has such numbers is known; what was there before
/// is as the agent's own file has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began {
    /// all of its records have this number or a higher one
    pub n: u64,
    /// and come behind this count
    pub seq: u64,
}

/// What is in memory of one agent's log.
pub(super) struct Held {
    /// of no other agent that has, had or will have the name
    pub id: u64,
    pub file: Arc<File>,
    /// its agent is not in the swarm any more; what was noted of it is still to be logged
    pub left: bool,
    pub noted: Arc<Noted>,
    /// which run of its program
    pub session: u64,
    /// how many records it had
    pub seq: u64,
    pub began: Began,
    /// there was something on the disk before, a record or not
    pub had_disk: bool,
    pub lanes: [Lane; 2],
}

impl Held {
    /// One more record; at most `most` bytes are kept.
    pub fn push(&mut self, record: Arc<Record>, most: usize) {
        if let Some(lane) = self.lanes.get_mut(record.voice.lane()) {
            lane.bytes = lane.bytes.saturating_add(record.size());
            lane.records.push_back(record);
        }
        self.shrink(most);
    }

    /// Drops the oldest, of the lane that has more, until `most` bytes are left.
    pub fn shrink(&mut self, most: usize) {
        let [said, printed] = &mut self.lanes;
        while said.bytes.saturating_add(printed.bytes) > most {
            let lane = if said.bytes > printed.bytes { &mut *said } else { &mut *printed };
            if lane.drop_oldest() == 0 {
                return;
            }
        }
    }
}
