//! How often refusals are written down.
//!
//! Without a lock, because anybody can cause refusals: threads that wait for each other are busy ones,
//! and nobody could be evicted for a better caller. What is not written is counted, and the next one that
//! is written says how many there were.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits;

/// At most [`limits::AUDIT_REFUSALS_PER_SECOND`], whoever is refused.
#[derive(Debug, Default)]
pub struct RefusalRate {
    /// a second of the monotonic clock, and in the low eight bits how many were written in it
    written: AtomicU64,
    unwritten: AtomicU64,
}

impl RefusalRate {
    /// Whether a refusal may be written now. One that may not is counted. Asked before the peer is
    /// looked up, because that costs.
    #[must_use]
    pub fn take(&self, now_monotonic: u64) -> bool {
        let next = |written: u64| {
            let second = (written >> 8).max(now_monotonic / 1_000);
            let used = if written >> 8 == second { written & 0xff } else { 0 };
            (used < u64::from(limits::AUDIT_REFUSALS_PER_SECOND)).then_some(second << 8 | (used + 1))
        };
        let free = self.written.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok();
        if !free {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// How many were counted and not written, for the one that is written now.
    pub fn take_unwritten(&self) -> u64 {
        self.unwritten.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_audited_at_a_bounded_rate() {
        let rate = RefusalRate::default();
        let written = (0..1_000).filter(|now| rate.take(*now)).count();
        assert_eq!(written, limits::AUDIT_REFUSALS_PER_SECOND as usize);
        assert!(rate.take(1_000));
        assert_eq!((rate.take_unwritten(), rate.take_unwritten()), (990, 0));
    }
}
