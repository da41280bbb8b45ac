//! Messages that are held for other instances, and the thread that hands them over.
//!
//! What could not be handed over waits in its mailbox. It is tried again in the order in which its sender
//! sent it; an instance that does not answer is left alone for longer and longer.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Bus, Terminals};

/// Where nothing is held.
const IDLE: Duration = Duration::from_secs(60);

impl Bus {
    /// Hands over what is held, as far as that goes now; returns when to be called again at the latest.
    pub fn forward_held(&self, _terminals: &dyn Terminals) -> Duration {
        IDLE
    }

    /// Waits for that long at most, less where something new is held. `false`: the instance ends.
    pub fn pause_forwarding(&self, most: Duration) -> bool {
        self.forwarding.pause(most)
    }

    /// Ends all pauses, once and for all.
    pub fn end_forwarding(&self) {
        self.forwarding.end();
    }
}

/// What the thread waits for.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    state: Mutex<Waits>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waits {
    due: bool,
    ending: bool,
}

impl Forwarding {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to hand over.
    #[expect(dead_code, reason = "the next commits hold messages")]
    pub fn wake(&self) {
        self.lock().due = true;
        self.changed.notify_all();
    }

    fn pause(&self, most: Duration) -> bool {
        let until = Instant::now() + most;
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.ending || std::mem::take(&mut state.due) || left.is_zero() {
                return !state.ending;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn end(&self) {
        self.lock().ending = true;
        self.changed.notify_all();
    }
}
