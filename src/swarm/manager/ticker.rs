//! The thread `swarms`: calls each running swarm when something of it is due.
//!
//! It sleeps until the earliest of what is due, and without an end while no swarm runs. A swarm that starts, or
//! that has something due sooner than it said, wakes it.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::Swarms;
use crate::limits;

/// The threads that [`Swarms::run`] starts. Dropped, it ends them and waits for their end.
pub struct Ticker {
    bell: Arc<Bell>,
    threads: Vec<JoinHandle<()>>,
}

/// Wakes the thread. Ringing it never blocks, and is never lost.
#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    rung: bool,
    ended: bool,
}

impl Bell {
    pub fn ring(&self) {
        self.lock().rung = true;
        self.rung.notify_all();
    }

    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    fn end(&self) {
        self.lock().ended = true;
        self.rung.notify_all();
    }

    /// Returns when it is rung or was since the last time, when the time is over, or at the end.
    fn wait(&self, most: Option<Duration>) {
        let quiet = |state: &mut State| !state.rung && !state.ended;
        let state = self.lock();
        let mut state = match most {
            None => self.rung.wait_while(state, quiet).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.rung.wait_timeout_while(state, most, quiet);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.rung = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    pub(super) fn start(swarms: &Arc<Swarms>) -> io::Result<Self> {
        let mut ticker = Self { bell: swarms.bell().clone(), threads: Vec::new() };
        ticker.spawn("swarms", swarms, Self::tick)?;
        // Beside the other: what starts slowly must not hold up what runs.
        ticker.spawn("autostart", swarms, Swarms::autostart)?;
        Ok(ticker)
    }

    fn spawn(&mut self, name: &str, swarms: &Arc<Swarms>, run: fn(&Swarms)) -> io::Result<()> {
        let swarms = swarms.clone();
        let thread = thread::Builder::new().name(name.to_owned()).stack_size(limits::THREAD_STACK);
        self.threads.push(thread.spawn(move || run(&swarms))?);
        Ok(())
    }

    fn tick(swarms: &Swarms) {
        let bell = swarms.bell();
        while !bell.has_ended() {
            let next = swarms.tick();
            bell.wait(next);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.bell.end();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_that_was_rung_before_is_heard() {
        let bell = Bell::default();
        bell.ring();
        bell.wait(None);
        bell.wait(Some(Duration::ZERO));
        bell.end();
        bell.wait(None);
        assert!(bell.has_ended());
    }
}
