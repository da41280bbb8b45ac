//! The memory that bodies may take at once, over all connections.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::Counters;

/// What is left of the budget is `most` less [`Counters::bodies_bytes`].
pub(super) struct Budget {
    most: u64,
    counters: Arc<Counters>,
}

/// A part of the budget; dropping it gives it back.
pub(super) struct Held<'a> {
    bodies: &'a AtomicU64,
    length: u64,
}

impl Budget {
    /// `most` bytes, counted in `counters`.
    pub(super) fn new(most: usize, counters: Arc<Counters>) -> Self {
        Self { most: u64::try_from(most).unwrap_or(u64::MAX), counters }
    }

    /// Takes `length` bytes, before the first of them is read; `None` where that is too many.
    pub(super) fn hold(&self, length: usize) -> Option<Held<'_>> {
        let length = u64::try_from(length).ok()?;
        let bodies = &self.counters.bodies_bytes;
        if length > 0 {
            let fits = |held: u64| held.checked_add(length).filter(|sum| *sum <= self.most);
            bodies.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        }
        Some(Held { bodies, length })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.length > 0 {
            self.bodies.fetch_sub(self.length, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_overdrawn_and_comes_back() {
        let counters = Arc::new(Counters::default());
        let budget = Budget::new(10, Arc::clone(&counters));
        let first = budget.hold(6);
        assert!(first.is_some() && budget.hold(5).is_none() && budget.hold(usize::MAX).is_none());
        let second = budget.hold(4);
        assert!(second.is_some() && budget.hold(1).is_none() && budget.hold(0).is_some());
        assert_eq!(counters.bodies_bytes.load(Ordering::Relaxed), 10);
        drop((first, second));
        assert_eq!(counters.bodies_bytes.load(Ordering::Relaxed), 0);
    }
}
