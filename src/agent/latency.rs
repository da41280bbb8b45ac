//! How long an agent takes: from what was said to it until its turn was over, of its newest turns.
//!
//! A terminal has no turns that end: there one is over with the last that was shown or typed before it became
//! quiet. Kept in a bounded number of small values, and without a clock: whoever counts gives the lengths.

use std::collections::VecDeque;

use crate::limits;

/// The lengths of the newest [`limits::TURNS_TIMED`] turns.
#[derive(Debug, Default)]
pub struct Latency {
    newest: VecDeque<u32>,
    turns: u64,
}

/// What is shown of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Took {
    /// turns that were over so far
    pub turns: u64,
    /// ms of the last one, and of the newest ones half of them, and 99 in a hundred, took no longer
    pub ms: Option<Lengths>,
}

/// Lengths of turns, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// of the last one
    pub last: u32,
    /// half of the newest took no longer
    pub p50: u32,
    /// of a hundred 99 took no longer
    pub p99: u32,
}

impl Latency {
    /// A turn is over that took so many ms.
    pub fn push(&mut self, ms: u64) {
        self.turns = self.turns.saturating_add(1);
        if self.newest.len() >= limits::TURNS_TIMED {
            self.newest.pop_front();
        }
        self.newest.push_back(u32::try_from(ms).unwrap_or(u32::MAX));
    }

    /// What is shown of it.
    pub fn took(&self) -> Took {
        let mut sorted: Vec<u32> = self.newest.iter().copied().collect();
        sorted.sort_unstable();
        // The nearest rank: the smallest length that so many in a hundred do not exceed.
        let rank = |percent: usize| {
            let place = sorted.len().saturating_mul(percent).div_ceil(100);
            sorted.get(place.saturating_sub(1)).copied()
        };
        let lengths = || Some(Lengths { last: *self.newest.back()?, p50: rank(50)?, p99: rank(99)? });
        Took { turns: self.turns, ms: lengths() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_of_the_newest_turns() {
        let mut latency = Latency::default();
        assert_eq!(latency.took(), Took { turns: 0, ms: None });
        latency.push(7);
        assert_eq!(latency.took().ms, Some(Lengths { last: 7, p50: 7, p99: 7 }));
        // one that is forgotten, then a hundred from 1 to 100, the longest not last
        latency.push(u64::MAX);
        assert_eq!(latency.took().ms.map(|ms| ms.last), Some(u32::MAX));
        for ms in (1..=100).rev() {
            latency.push(ms);
        }
        assert_eq!(latency.newest.len(), limits::TURNS_TIMED);
        assert_eq!(latency.took(), Took { turns: 102, ms: Some(Lengths { last: 1, p50: 50, p99: 99 }) });
    }
}
