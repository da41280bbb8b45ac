//! One place in the table: what its connection does now, and since when.
//!
//! The connection's own thread moves it from phase to phase; the watchdog, an eviction and the
//! server's end may only take it out of a phase in which it waits for its peer. Both go through one
//! atomic word, so whoever comes first wins and the other learns it: a connection whose request
//! has just come in is never shut down in the middle of its handler.

use std::{
    net::{Shutdown, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::Settings;
use crate::sys::socket;

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// waits for the rest of a head
    Head,
    /// waits for the rest of a body
    Body,
    /// waits for the peer to take an answer
    Write,
    /// waits for another request
    Idle,
    /// answered, and waits for the peer's end
    Linger,
    /// inside a handler
    Busy,
    /// handed over
    Upgraded,
    /// a head or body came too late; its reading side is shut, its thread answers 408
    Overdue,
    /// shut down; its thread is about to end
    Closed,
}

/// Why a connection may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// too late, but an answer can be sent
    Overdue,
    /// no byte can be sent or read any more
    Closed,
}

const PHASES: [Phase; 9] = [
    Phase::Head,
    Phase::Body,
    Phase::Write,
    Phase::Idle,
    Phase::Linger,
    Phase::Busy,
    Phase::Upgraded,
    Phase::Overdue,
    Phase::Closed,
];

/// One connection, as the threads that do not serve it see it.
pub(super) struct Slot {
    /// the order of arrival
    pub(super) id: u64,
    pub(super) stream: TcpStream,
    /// phase in the low four bits, above them since when in ms
    state: AtomicU64,
    /// whether a request of this connection carried a right credential
    admitted: AtomicBool,
}

impl Slot {
    /// A connection that has just been accepted: it owes a head.
    pub(super) fn new(id: u64, stream: TcpStream, now: u64) -> Self {
        Self { id, stream, state: AtomicU64::new(packed(Phase::Head, now)), admitted: AtomicBool::new(false) }
    }

    /// For the connection's own thread: goes on to `phase`, unless it was shut down.
    pub(super) fn enter(&self, phase: Phase, now: u64) -> Result<(), Shut> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            match unpacked(state).0 {
                Phase::Closed => return Err(Shut::Closed),
                Phase::Overdue => return Err(Shut::Overdue),
                Phase::Head
                | Phase::Body
                | Phase::Write
                | Phase::Idle
                | Phase::Linger
                | Phase::Busy
                | Phase::Upgraded => {}
            }
            match self.replace(state, packed(phase, now)) {
                Ok(()) => return Ok(()),
                Err(other) => state = other,
            }
        }
    }

    /// For the connection's own thread: whether it was shut down for being too late.
    pub(super) fn is_overdue(&self) -> bool {
        self.load().0 == Phase::Overdue
    }

    /// For the connection's own thread: whether nothing of a request had come yet.
    pub(super) fn is_idle(&self) -> bool {
        self.load().0 == Phase::Idle
    }

    /// For the connection's own thread: begins an answer. An overdue connection's last one is due.
    pub(super) fn enter_answer(&self, now: u64) -> Result<(), Shut> {
        let state = self.state.load(Ordering::Acquire);
        if unpacked(state).0 == Phase::Overdue && self.replace(state, packed(Phase::Write, now)).is_err() {
            return Err(Shut::Closed);
        }
        self.enter(Phase::Write, now)
    }

    /// The connection's caller has shown a credential.
    pub(super) fn admit(&self) {
        self.admitted.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    pub(super) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Relaxed)
    }

    /// Since when it waits for its peer; `None` while it does not.
    pub(super) fn waits_since(&self) -> Option<u64> {
        let (phase, since) = self.load();
        is_waiting(phase).then_some(since)
    }

    /// For the watchdog: shuts it down where it has waited longer than its phase allows.
    pub(super) fn shut_if_overdue(&self, now: u64, settings: &Settings) {
        let state = self.state.load(Ordering::Acquire);
        let (phase, since) = unpacked(state);
        let (limit, next) = match phase {
            Phase::Head => (settings.head, Phase::Overdue),
            Phase::Body => (settings.body, Phase::Overdue),
            Phase::Write => (settings.write, Phase::Closed),
            Phase::Idle => (settings.idle, Phase::Closed),
            Phase::Linger => (settings.linger, Phase::Closed),
            Phase::Busy | Phase::Upgraded | Phase::Overdue | Phase::Closed => return,
        };
        if u128::from(now.saturating_sub(since)) < limit.as_millis()
            || self.replace(state, packed(next, now)).is_err()
        {
            return;
        }
        if next == Phase::Overdue {
            // Wakes the reader and leaves the way out open for a 408.
            let _ = self.stream.shutdown(Shutdown::Read);
            return;
        }
        if phase == Phase::Write {
            socket::reset_on_close(&self.stream);
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Closes it where it waits for its peer; `false` where it has just begun to do something else.
    pub(super) fn close_if_waiting(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        let (phase, since) = unpacked(state);
        if !is_waiting(phase) || self.replace(state, packed(Phase::Closed, since)).is_err() {
            return false;
        }
        if phase == Phase::Write {
            socket::reset_on_close(&self.stream);
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        true
    }

    /// Closes it where it does not owe an answer, nor is giving one: for the server's end.
    pub(super) fn close_unless_busy(&self) {
        match self.load().0 {
            Phase::Upgraded => self.close(),
            // The answer of a handler that was waited for.
            Phase::Write => {}
            Phase::Head
            | Phase::Body
            | Phase::Idle
            | Phase::Linger
            | Phase::Busy
            | Phase::Overdue
            | Phase::Closed => _ = self.close_if_waiting(),
        }
    }

    /// Closes it, whatever it does.
    pub(super) fn close(&self) {
        self.state.store(packed(Phase::Closed, 0), Ordering::Release);
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn load(&self) -> (Phase, u64) {
        unpacked(self.state.load(Ordering::Acquire))
    }

    fn replace(&self, old: u64, new: u64) -> Result<(), u64> {
        self.state.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }
}

/// Whether it is the peer's turn. An overdue connection's thread is on its way already.
fn is_waiting(phase: Phase) -> bool {
    match phase {
        Phase::Head | Phase::Body | Phase::Write | Phase::Idle | Phase::Linger => true,
        Phase::Busy | Phase::Upgraded | Phase::Overdue | Phase::Closed => false,
    }
}

fn packed(phase: Phase, since: u64) -> u64 {
    (since << 4) | phase as u64
}

fn unpacked(state: u64) -> (Phase, u64) {
    let index = usize::try_from(state & 0xf).unwrap_or(usize::MAX);
    (PHASES.get(index).copied().unwrap_or(Phase::Closed), state >> 4)
}
