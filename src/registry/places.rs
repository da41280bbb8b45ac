//! Places for letters on their way: so many to one peer, so many in all.
//!
//! A peer that is slow holds its own places and no others', and whoever waits for one is told in time. Some
//! are kept for the owner, whatever agents send.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::limits;

/// Who is on the way.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Taken {
    /// the sum of `peers`, at most [`limits::FORWARDS`]
    all: usize,
    /// 1 to [`limits::FORWARDS_PER_PEER`] each; those with none are not in it
    peers: HashMap<SocketAddr, usize>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    places: &'a Places,
    to: SocketAddr,
}

/// Whose letter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// the owner's, or the operator's
    Owner,
    /// an agent's
    Agent,
}

impl Places {
    /// A place for a letter to `to`; waits for it. `None`: there was none in time.
    pub(super) fn enter(&self, to: SocketAddr, of: Class, within: Duration) -> Option<Place<'_>> {
        let start = Instant::now();
        let (kept, kept_there) = match of {
            Class::Owner => (0, 0),
            Class::Agent => (limits::FORWARDS_KEPT, limits::FORWARDS_PER_PEER_KEPT),
        };
        let mut taken = self.lock();
        loop {
            let there = taken.peers.get(&to).copied().unwrap_or_default();
            if taken.all.saturating_add(kept) < limits::FORWARDS
                && there.saturating_add(kept_there) < limits::FORWARDS_PER_PEER
            {
                taken.all = taken.all.saturating_add(1);
                taken.peers.insert(to, there.saturating_add(1));
                return Some(Place { places: self, to });
            }
            let left = within.saturating_sub(start.elapsed());
            if left.is_zero() {
                return None;
            }
            let waited = self.left.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner);
            taken = waited.0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Both numbers are changed together, with nothing in between that could panic.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        match taken.peers.get_mut(&self.to) {
            Some(there) if *there > 1 => *there = there.saturating_sub(1),
            Some(_) | None => {
                taken.peers.remove(&self.to);
            }
        }
        drop(taken);
        // All of them: the next in line may wait for another peer.
        self.places.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::channel, thread};

    use super::*;

    const NOT_AT_ALL: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    fn peer(number: usize) -> SocketAddr {
        ([127, 0, 0, 1], 1_000 + number as u16).into()
    }

    #[test]
    fn one_peer_has_four_letters_at_once() {
        let places = Places::default();
        let mut held: Vec<Place<'_>> = (0..limits::FORWARDS_PER_PEER)
            .map(|_| places.enter(peer(0), Class::Owner, NOT_AT_ALL).expect("a place"))
            .collect();
        assert!(places.enter(peer(0), Class::Owner, NOT_AT_ALL).is_none());
        assert!(places.enter(peer(1), Class::Owner, NOT_AT_ALL).is_some(), "another peer's are its own");
        held.pop();
        assert!(places.enter(peer(0), Class::Owner, NOT_AT_ALL).is_some());
        drop(held);
        assert!(places.lock().peers.is_empty() && places.lock().all == 0);
    }

    #[test]
    fn letters_on_their_way_are_bounded_in_all() {
        let places = Places::default();
        let held: Vec<Place<'_>> = (0..limits::FORWARDS)
            .map(|n| places.enter(peer(n), Class::Owner, NOT_AT_ALL).expect("a place"))
            .collect();
        assert!(places.enter(peer(99), Class::Owner, NOT_AT_ALL).is_none());
        drop(held);
        assert!(places.enter(peer(99), Class::Owner, NOT_AT_ALL).is_some());
    }

    #[test]
    fn a_letter_without_a_turn_is_told_so_in_time() {
        let places = Places::default();
        let _held: Vec<Option<Place<'_>>> =
            (0..limits::FORWARDS_PER_PEER).map(|_| places.enter(peer(0), Class::Owner, NOT_AT_ALL)).collect();
        let start = Instant::now();
        assert!(
            places.enter(peer(0), Class::Owner, Duration::from_millis(limits::FORWARD_TURN_MS)).is_none()
        );
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(limits::FORWARD_TURN_MS) && waited < LONG, "{waited:?}");
    }

    /// The one who waits for a free peer goes although those ahead of him wait for a busy one.
    #[test]
    fn whoever_waits_goes_as_soon_as_there_is_a_place() {
        let places = Places::default();
        let mut held: Vec<Option<Place<'_>>> =
            (0..limits::FORWARDS_PER_PEER).map(|_| places.enter(peer(0), Class::Owner, NOT_AT_ALL)).collect();
        let (send, receive) = channel();
        thread::scope(|scope| {
            for _ in 0..10 {
                let (send, places) = (send.clone(), &places);
                scope.spawn(move || send.send(places.enter(peer(0), Class::Owner, LONG).is_some()));
            }
            held.clear();
            for _ in 0..10 {
                assert_eq!(receive.recv_timeout(LONG), Ok(true));
            }
        });
        assert!(places.lock().peers.is_empty() && places.lock().all == 0);
    }

    #[test]
    fn letters_of_agents_leave_places_to_the_owner() {
        let places = Places::default();
        let agents = |to: usize| places.enter(peer(to), Class::Agent, NOT_AT_ALL);
        let most = limits::FORWARDS_PER_PEER - limits::FORWARDS_PER_PEER_KEPT;
        let mut held: Vec<Place<'_>> = (0..most).map(|_| agents(0).expect("a place")).collect();
        assert!(agents(0).is_none());
        assert!(places.enter(peer(0), Class::Owner, NOT_AT_ALL).is_some(), "one is the owner's");
        held.extend(
            (held.len()..limits::FORWARDS - limits::FORWARDS_KEPT).map(|n| agents(n).expect("a place")),
        );
        assert!(agents(99).is_none());
        let owners: Vec<_> = (0..=limits::FORWARDS_KEPT)
            .map(|n| places.enter(peer(100 + n), Class::Owner, NOT_AT_ALL).is_some().then_some(n))
            .collect();
        assert!(owners.iter().all(Option::is_some), "they are his one after the other");
        drop(held);
        assert!(agents(0).is_some());
    }
}
