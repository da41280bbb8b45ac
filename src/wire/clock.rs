//! Time as a parameter: whoever needs "now" is given a [`Clock`], so that tests can hold it still.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Milliseconds on a clock that never goes back; its zero is arbitrary.
    fn monotonic_ms(&self) -> u64;
    /// Milliseconds since 1970-01-01 UTC.
    fn unix_ms(&self) -> u64;
}

/// A clock that moves only when told to, for tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `ms`, both ways.
    pub fn at(ms: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(ms)))
    }

    /// Moves it on.
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn monotonic_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn unix_ms(&self) -> u64 {
        self.monotonic_ms()
    }
}
