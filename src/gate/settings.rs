//! The gate's bounds and what it counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{limits, sys::clock::SystemClock, wire::clock::Clock};

/// The bounds of one gate. The default is [`crate::limits`]; tests pass smaller ones.
#[derive(Clone)]
pub struct Settings {
    /// connections in all; admitted < connections
    pub connections: usize,
    /// places among them that only connections of admitted callers may hold
    pub admitted: usize,
    /// from accept, or from a request's first byte, to the end of its head
    pub head: Duration,
    /// for a whole body
    pub body: Duration,
    /// for the peer to take a whole answer
    pub write: Duration,
    /// between an answer and the first byte of the next request
    pub idle: Duration,
    /// for what a closing connection still drains
    pub linger: Duration,
    /// bytes that a closing connection still drains
    pub linger_bytes: usize,
    /// bytes of bodies in memory at once, over all connections
    pub body_budget: usize,
    /// how often the watchdog looks; a deadline is kept this late at most
    pub tick: Duration,
    /// what deadlines are measured with, and where the Date of an answer comes from
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS,
            admitted: limits::CONNECTIONS_ADMITTED,
            head: Duration::from_millis(limits::HEAD_DEADLINE_MS),
            body: Duration::from_millis(limits::BODY_DEADLINE_MS),
            write: Duration::from_millis(limits::WRITE_DEADLINE_MS),
            idle: Duration::from_millis(limits::IDLE_DEADLINE_MS),
            linger: Duration::from_millis(limits::LINGER_MS),
            linger_bytes: limits::LINGER_BYTES,
            body_budget: limits::BODY_BUDGET,
            tick: Duration::from_millis(100),
            clock: Arc::new(SystemClock),
        }
    }
}

/// What the gate counts. Each is readable at any time; together they are no snapshot.
#[derive(Debug, Default)]
pub struct Counters {
    /// connections open now
    pub open: AtomicU64,
    /// connections accepted since the start
    pub accepted: AtomicU64,
    /// connections closed to make room for another
    pub evicted: AtomicU64,
    /// connections turned away because every place was busy
    pub refused_full: AtomicU64,
    /// requests answered 408
    pub deadline_408: AtomicU64,
    /// errors of accept(2), and of starting a connection's thread
    pub accept_errors: AtomicU64,
    /// bytes of bodies in memory now
    pub bodies_bytes: AtomicU64,
    /// handlers that panicked
    pub panics: AtomicU64,
}

impl Counters {
    /// One more of `counter`.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
