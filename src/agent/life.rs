//! What the spawner learns of one agent, for those who wait for it.
//!
//! Filled in from the keeper's reports: that the command runs, or why it does not; that it has ended;
//! that nothing of its tree is left. Two wait for it: whoever started the agent, with a deadline, and
//! the agent's terminal thread, which is woken.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{order::Report, types::Exit};
use crate::sys::poll::Wake;

/// Filled in by the spawner thread, read by whoever started the agent and by its terminal thread.
pub(super) struct Life {
    now: Mutex<Now>,
    changed: Condvar,
    /// Wakes the terminal thread; its descriptor is given back when that ends.
    wake: Mutex<Option<Arc<Wake>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Now {
    begin: Option<Report>,
    exit: Option<Exit>,
    gone: bool,
}

/// How a start went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// The keeper's word.
    Told(Report),
    /// The keeper ended without a word.
    Nothing,
    /// Not a word in time.
    Late,
}

impl Life {
    pub fn new(wake: Arc<Wake>) -> Self {
        Self { now: Mutex::new(Now::default()), changed: Condvar::new(), wake: Mutex::new(Some(wake)) }
    }

    /// Wakes the terminal thread, while there is one.
    pub fn wake(&self) {
        if let Some(wake) = &*lock(&self.wake) {
            wake.wake();
        }
    }

    /// The terminal thread has ended.
    pub fn needs_no_wake(&self) {
        *lock(&self.wake) = None;
    }

    /// A report of the keeper.
    pub fn hear(&self, report: Report) {
        match report {
            Report::Ended(exit) => lock(&self.now).exit = Some(exit),
            Report::Started(_) | Report::NoDirectory(_) | Report::NotStarted(_) => {
                lock(&self.now).begin = Some(report);
            }
        }
        self.changed.notify_all();
    }

    /// Keeper and tree are gone.
    pub fn tree_is_gone(&self) {
        lock(&self.now).gone = true;
        self.changed.notify_all();
        self.wake();
    }

    /// Waits for the start to succeed or fail.
    pub fn wait_for_begin(&self, end: Instant) -> Begin {
        let mut now = lock(&self.now);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match *now {
                Now { begin: Some(report), .. } => return Begin::Told(report),
                Now { gone: true, .. } => return Begin::Nothing,
                Now { .. } if left.is_zero() => return Begin::Late,
                Now { .. } => {}
            }
            now = self.changed.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until keeper and tree are gone; whether they are.
    pub fn wait_gone(&self, end: Instant) -> bool {
        let mut now = lock(&self.now);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if now.gone || left.is_zero() {
                return now.gone;
            }
            now = self.changed.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The command's exit, once the tree is gone.
    pub fn end(&self) -> Option<Option<Exit>> {
        let now = lock(&self.now);
        now.gone.then_some(now.exit)
    }

    /// How the command ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        lock(&self.now).exit
    }
}

/// Locks; a panic of another holder does not matter, because no lock here is held over a state
/// that is half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
