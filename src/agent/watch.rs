//! Who is to be woken when an agent shows more, and when it has ended.
//!
//! A watcher is told that there is something, never what: it holds an offset and reads the ring
//! when it can, so that a slow one holds up neither the terminal nor the others. One that has not
//! looked since it was last woken costs no system call.

use std::sync::{Arc, Mutex};

use super::{handle::Agent, life::lock};
use crate::sys::poll::Wake;

/// All watchers of one agent. There are as many as there are connections that watch, and those are
/// bounded.
#[derive(Default)]
pub struct Watchers(Mutex<List>);

#[derive(Default)]
struct List {
    next: u64,
    wakes: Vec<(u64, Arc<Wake>)>,
}

impl Watchers {
    /// One more.
    pub fn add(self: &Arc<Self>, wake: Arc<Wake>) -> Watch {
        self.place(wake, None)
    }

    pub(super) fn place(self: &Arc<Self>, wake: Arc<Wake>, agent: Option<Arc<Agent>>) -> Watch {
        let mut list = lock(&self.0);
        let id = list.next;
        list.next = id.wrapping_add(1);
        list.wakes.push((id, wake));
        Watch { watchers: Arc::clone(self), id, _agent: agent }
    }

    /// Wakes all of them.
    pub fn wake(&self) {
        lock(&self.0).wakes.iter().for_each(|(_, wake)| wake.wake());
    }
}

/// One watcher's place; dropping it ends the watching. Until then the agent's output can be read, also
/// where the agent was removed meanwhile: whoever watched sees what it showed last.
pub struct Watch {
    watchers: Arc<Watchers>,
    id: u64,
    _agent: Option<Arc<Agent>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.watchers.0).wakes.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::{os::fd::AsFd, time::Duration};

    use super::*;
    use crate::sys::poll::{Entry, poll};

    fn is_woken(wake: &Wake) -> bool {
        poll(&mut [Entry::new(wake.as_fd(), true, false)], Some(Duration::ZERO)).unwrap() == 1
    }

    #[test]
    fn all_watchers_are_woken_and_dropped_ones_are_not() {
        let watchers = Arc::new(Watchers::default());
        let wakes: Vec<_> = (0..100).map(|_| Arc::new(Wake::new().unwrap())).collect();
        let mut watches: Vec<_> = wakes.iter().map(|wake| watchers.add(wake.clone())).collect();
        watchers.wake();
        assert!(wakes.iter().all(|wake| is_woken(wake)));
        wakes.iter().for_each(|wake| wake.clear());
        watches.remove(7);
        watchers.wake();
        let woken: Vec<_> = (0..100).filter(|at| is_woken(&wakes[*at])).collect();
        assert!(woken.len() == 99 && !woken.contains(&7));
        drop(watches);
        assert!(lock(&watchers.0).wakes.is_empty());
    }
}
