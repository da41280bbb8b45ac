//! Who waits for messages: requests that are held open, and sockets that are pushed to.
//!
//! Of several sockets under one name the newest is woken, and one that goes away takes only itself along.
//! A request that waits asks now and then whether its peer is still there, so that places are not held
//! for nobody. What a reader then gets is decided in `take`.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, PoisonError},
    time::{Duration, Instant},
};

use super::{Inner, Mail, types::Manner};
use crate::{sys::poll::Wake, wire::id::AgentId};

/// How often one that waits looks whether its peer is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Those that wait. Bounded by the connections there are.
#[derive(Default)]
pub(super) struct Readers {
    /// by mailbox, with how many requests wait
    requests: HashMap<AgentId, (Arc<Condvar>, usize)>,
    /// by mailbox, the newest only
    sockets: HashMap<AgentId, (u64, Arc<Wake>)>,
}

impl Readers {
    /// There is something in this mailbox.
    pub fn tell(&self, to: &AgentId) {
        if let Some((condvar, _)) = self.requests.get(to) {
            condvar.notify_all();
        }
        if let Some((_, wake)) = self.sockets.get(to) {
            wake.wake();
        }
    }

    /// The instance ends.
    pub fn tell_all(&self) {
        self.requests.values().for_each(|(condvar, _)| condvar.notify_all());
    }

    fn enter(&mut self, to: &AgentId) -> Arc<Condvar> {
        let (condvar, count) = self.requests.entry(to.clone()).or_default();
        *count += 1;
        Arc::clone(condvar)
    }

    fn leave(&mut self, to: &AgentId) {
        if let Some((_, count)) = self.requests.get_mut(to) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.requests.remove(to);
            }
        }
    }
}

impl Mail {
    /// Waits until there is something to take from a mailbox; whether there is. A cursor gives its
    /// position (0 for none yet); without one it is waited for what [`Manner::Final`] would get.
    /// `gone` is asked now and then whether anybody still waits for the answer.
    pub fn wait(&self, to: &AgentId, after: Option<u64>, until: Instant, gone: &dyn Fn() -> bool) -> bool {
        let manner = match after {
            None => Manner::Final,
            Some(_) => Manner::UntilAcked { after },
        };
        self.wait_for(to, until, gone, &|inner| {
            inner.table.has_any(to.as_str(), manner, self.shared.clock.unix_ms())
        })
    }

    /// Waits until a look above this number would find something; whether it would.
    pub fn wait_above(&self, to: &AgentId, after: u64, until: Instant, gone: &dyn Fn() -> bool) -> bool {
        self.wait_for(to, until, gone, &|inner| !inner.table.look(to.as_str(), after, 1, 0).0.is_empty())
    }

    fn wait_for(
        &self,
        to: &AgentId,
        until: Instant,
        gone: &dyn Fn() -> bool,
        is_there: &dyn Fn(&Inner) -> bool,
    ) -> bool {
        let mut inner = self.shared.lock();
        let condvar = inner.readers.enter(to);
        let found = loop {
            if is_there(&inner) {
                break true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || inner.ending {
                break false;
            }
            inner = condvar.wait_timeout(inner, left.min(LOOK)).unwrap_or_else(PoisonError::into_inner).0;
            // Asked without the lock: it looks at a socket.
            drop(inner);
            let is_gone = gone();
            inner = self.shared.lock();
            if is_gone {
                break false;
            }
        };
        inner.readers.leave(to);
        found
    }

    /// From now on this socket is woken when there is something to take, and no other one.
    pub fn attach(&self, to: &AgentId, socket: u64, wake: Arc<Wake>) {
        let mut inner = self.shared.lock();
        if inner.table.has_any(to.as_str(), Manner::Final, self.shared.clock.unix_ms()) {
            wake.wake();
        }
        inner.readers.sockets.insert(to.clone(), (socket, wake));
    }

    /// This socket is woken no more; a newer one stays.
    pub fn detach(&self, to: &AgentId, socket: u64) {
        let mut inner = self.shared.lock();
        if inner.readers.sockets.get(to).is_some_and(|(held, _)| *held == socket) {
            inner.readers.sockets.remove(to);
        }
    }
}
