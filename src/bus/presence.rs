//! Which names are on the message bus, and how each is reached: polled over HTTP, or pushed to over
//! a socket (spec agentmux B.11, F).
//!
//! A registration belongs to whoever made it last: a socket that closes takes only those along that
//! are still its own, and a second name on one socket orphans none (spec agentmux K.3.10). Bounded
//! in names, and in names of one socket. Nothing here reads a clock or sends.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{limits, wire::id::AgentId};

/// One name.
#[derive(Debug, Clone)]
struct Entry {
    /// that it is pushed to; `None`: it polls over HTTP
    socket: Option<u64>,
    /// unix ms
    registered_at: u64,
    /// unix ms
    last_seen: u64,
}

/// One name, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// the name
    pub name: AgentId,
    /// unix ms
    pub registered_at: u64,
    /// unix ms
    pub last_seen: u64,
    /// the socket that it is pushed to; `None`: it is polled
    pub socket: Option<u64>,
}

/// Why a name is not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceError {
    /// [`limits::BUS_NAMES`] are
    Full,
    /// the socket holds [`limits::SOCKET_NAMES`]
    SocketFull,
}

impl PresenceError {
    /// The stable code, the sentence of the answer, and the limit.
    pub fn answer(self) -> (&'static str, String, usize) {
        match self {
            PresenceError::Full => {
                let sentence = format!("{} names are on the bus already", limits::BUS_NAMES);
                ("bus_full", sentence, limits::BUS_NAMES)
            }
            PresenceError::SocketFull => {
                let sentence = format!("one connection may hold {} names", limits::SOCKET_NAMES);
                ("connection_names_full", sentence, limits::SOCKET_NAMES)
            }
        }
    }
}

/// The names on the bus.
#[derive(Debug, Default)]
pub struct Presence {
    names: Mutex<Names>,
    sockets: AtomicU64,
}

/// The names, and which of them each socket holds: asked with every push.
#[derive(Debug, Default)]
struct Names {
    all: HashMap<AgentId, Entry>,
    /// no set is empty
    by_socket: HashMap<u64, BTreeSet<AgentId>>,
}

impl Presence {
    /// A number for one more socket, never given twice.
    pub fn new_socket(&self) -> u64 {
        self.sockets.fetch_add(1, Ordering::Relaxed)
    }

    /// Registers a name that polls; the socket whose push ends by that, if there was one.
    pub(super) fn register_http(&self, name: &AgentId, now: u64) -> Result<Option<u64>, PresenceError> {
        self.put(name, None, now)
    }

    /// Registers a name that is pushed to; the other socket whose push ends by that.
    pub(super) fn register_socket(
        &self,
        name: &AgentId,
        socket: u64,
        now: u64,
    ) -> Result<Option<u64>, PresenceError> {
        self.put(name, Some(socket), now)
    }

    fn put(&self, name: &AgentId, socket: Option<u64>, now: u64) -> Result<Option<u64>, PresenceError> {
        let mut names = self.lock();
        let before = names.all.get(name).and_then(|entry| entry.socket);
        if !names.all.contains_key(name) && names.all.len() >= limits::BUS_NAMES {
            return Err(PresenceError::Full);
        }
        if let Some(socket) = socket
            && before != Some(socket)
            && names.by_socket.get(&socket).is_some_and(|own| own.len() >= limits::SOCKET_NAMES)
        {
            return Err(PresenceError::SocketFull);
        }
        names.remove(name);
        names.all.insert(name.clone(), Entry { socket, registered_at: now, last_seen: now });
        if let Some(socket) = socket {
            names.by_socket.entry(socket).or_default().insert(name.clone());
        }
        Ok(before.filter(|_| before != socket))
    }

    /// Forgets a name, if it is registered; the socket that it was pushed to.
    pub(super) fn unregister(&self, name: &AgentId) -> Option<Option<u64>> {
        self.lock().remove(name).map(|entry| entry.socket)
    }

    /// Forgets what a closing socket still holds; those names.
    pub(super) fn socket_closed(&self, socket: u64) -> Vec<AgentId> {
        let mut names = self.lock();
        let own = names.by_socket.remove(&socket).unwrap_or_default();
        for name in &own {
            names.all.remove(name);
        }
        own.into_iter().collect()
    }

    /// The names that a socket holds now: whose messages are pushed to it.
    pub fn names_of(&self, socket: u64) -> Vec<AgentId> {
        self.lock().by_socket.get(&socket).into_iter().flatten().cloned().collect()
    }

    /// Notes that a name was heard of.
    pub fn seen(&self, name: &AgentId, now: u64) {
        if let Some(entry) = self.lock().all.get_mut(name) {
            entry.last_seen = now;
        }
    }

    /// Whether a name is registered.
    pub fn is_known(&self, name: &AgentId) -> bool {
        self.lock().all.contains_key(name)
    }

    /// Whether a name is pushed to.
    pub fn is_live(&self, name: &AgentId) -> bool {
        self.lock().all.get(name).is_some_and(|entry| entry.socket.is_some())
    }

    /// All names, in order.
    pub fn list(&self) -> Vec<Present> {
        let mut all: Vec<Present> = self
            .lock()
            .all
            .iter()
            .map(|(name, entry)| Present {
                name: name.clone(),
                registered_at: entry.registered_at,
                last_seen: entry.last_seen,
                socket: entry.socket,
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        // Nothing between the changes of the two maps can panic.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn remove(&mut self, name: &AgentId) -> Option<Entry> {
        let entry = self.all.remove(name)?;
        if let Some(socket) = entry.socket
            && let Some(own) = self.by_socket.get_mut(&socket)
        {
            own.remove(name);
            if own.is_empty() {
                self.by_socket.remove(&socket);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AgentId {
        AgentId::parse(text).expect("a valid id")
    }

    #[test]
    fn a_closing_socket_removes_only_what_is_still_its_own() {
        let presence = Presence::default();
        assert_eq!(presence.register_socket(&id("a"), 1, 5), Ok(None));
        assert_eq!(presence.register_socket(&id("b"), 1, 5), Ok(None));
        assert_eq!(presence.register_socket(&id("a"), 2, 6), Ok(Some(1)), "the newer one wins");
        assert_eq!(presence.register_http(&id("c"), 6), Ok(None));
        assert_eq!(presence.socket_closed(1), [id("b")]);
        assert!(presence.is_live(&id("a")), "registered again on a newer socket");
        assert_eq!(presence.socket_closed(1), [], "and closing twice changes nothing");
        assert_eq!(presence.names_of(2), [id("a")]);
        assert_eq!(presence.list().len(), 2);
    }

    #[test]
    fn a_second_name_on_one_socket_orphans_none() {
        let presence = Presence::default();
        for name in ["a", "b", "c"] {
            assert_eq!(presence.register_socket(&id(name), 7, 1), Ok(None));
        }
        assert_eq!(presence.names_of(7), ["a", "b", "c"].map(id));
        assert_eq!(presence.socket_closed(7).len(), 3);
        assert_eq!(presence.list(), []);
    }

    #[test]
    fn registering_over_http_ends_the_push() {
        let presence = Presence::default();
        assert_eq!(presence.register_socket(&id("a"), 1, 1), Ok(None));
        assert_eq!(presence.register_http(&id("a"), 2), Ok(Some(1)));
        assert!(presence.is_known(&id("a")) && !presence.is_live(&id("a")));
        assert_eq!(presence.socket_closed(1), [], "so the socket takes nothing along");
        assert_eq!(presence.list()[0].socket, None);
        assert_eq!(presence.register_socket(&id("a"), 3, 4), Ok(None));
        assert_eq!(presence.register_socket(&id("a"), 3, 5), Ok(None), "again on the same one");
        assert_eq!(presence.unregister(&id("a")), Some(Some(3)));
        assert_eq!(presence.unregister(&id("a")), None);
        assert_eq!(presence.register_http(&id("a"), 6), Ok(None));
        assert_eq!(presence.unregister(&id("a")), Some(None));
        assert!(presence.lock().by_socket.is_empty(), "nothing is left of a socket without names");
    }

    #[test]
    fn a_name_remembers_when_it_was_registered_and_seen() {
        let presence = Presence::default();
        assert_eq!(presence.register_http(&id("a"), 2_000), Ok(None));
        presence.seen(&id("a"), 9_000);
        presence.seen(&id("nobody"), 9_000);
        let expected = Present { name: id("a"), registered_at: 2_000, last_seen: 9_000, socket: None };
        assert_eq!(presence.list(), [expected]);
    }

    #[test]
    fn names_on_the_bus_are_bounded() {
        let presence = Presence::default();
        for n in 0..limits::BUS_NAMES {
            assert_eq!(presence.register_http(&id(&format!("a{n}")), 1), Ok(None));
        }
        assert_eq!(presence.register_http(&id("more"), 1), Err(PresenceError::Full));
        assert_eq!(presence.register_socket(&id("more"), 1, 1), Err(PresenceError::Full));
        assert_eq!(presence.register_http(&id("a0"), 1), Ok(None), "a known name may come again");
    }

    #[test]
    fn the_names_of_one_socket_are_bounded() {
        let presence = Presence::default();
        for n in 0..limits::SOCKET_NAMES {
            assert_eq!(presence.register_socket(&id(&format!("a{n}")), 1, 1), Ok(None));
        }
        let register = |name: &str, socket| presence.register_socket(&id(name), socket, 1);
        assert_eq!(register("more", 1), Err(PresenceError::SocketFull));
        assert_eq!(register("a0", 1), Ok(None), "one of its own may come again");
        assert_eq!(register("more", 2), Ok(None), "another socket has its own share");
        assert_ne!(presence.new_socket(), presence.new_socket());
    }
}
