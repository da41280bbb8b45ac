//! Handing a letter to another instance (spec agentmux I.2 and K.4; design section 7).
//!
//! A letter goes to a peer that was found a moment ago, once: over a connection of its own, in a bounded
//! time, with a bounded number of others beside it, never in a circle. What is told of it is exact in one
//! thing: `NotReached` means that nothing can have arrived, `Unsure` that it may have. Entries of the dead
//! go, those of the slow stay.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{
    answer,
    letter::Letter,
    places::{Class, Places},
    types::{Counts, Forwarded, NotReached, Peer, Unsure},
};
use crate::{
    client::peer::{self, Listener, Patience, PeerError},
    limits,
};

/// The status of a peer that does not take our key.
const UNAUTHORIZED: u16 = 401;

/// The files that letters go by.
pub trait Entries {
    /// The peer's entry as it stands in its file now; `None` where it does not count any more.
    fn again(&self, peer: &Peer) -> Option<Peer>;

    /// The peer seems to be gone: takes its entry away, if it is the very one and the kernel says so too.
    fn gone(&self, peer: &Peer);
}

/// What hands letters over. One for an instance.
#[derive(Debug)]
pub struct Forwarder {
    /// this instance's id
    instance: String,
    places: Places,
    patience: Patience,
    turn: Duration,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    taken: AtomicU64,
    refused: AtomicU64,
    not_reached: AtomicU64,
    unsure: AtomicU64,
}

impl Forwarder {
    /// For the instance of this id.
    pub fn new(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            places: Places::default(),
            patience: Patience::default(),
            turn: Duration::from_millis(limits::FORWARD_TURN_MS),
            tally: Tally::default(),
        }
    }

    /// Hands a letter over; returns within [`limits::FORWARD_MS`], and [`limits::FORWARD_TURN_MS`] more where
    /// it waits for its turn.
    pub fn forward(&self, peer: &Peer, letter: &Letter<'_>, entries: &dyn Entries) -> Forwarded {
        let forwarded = self.hand_over(peer, letter, entries).unwrap_or_else(Forwarded::NotReached);
        let count = match &forwarded {
            Forwarded::Taken { .. } => &self.tally.taken,
            Forwarded::Refused { .. } => &self.tally.refused,
            Forwarded::NotReached(_) => &self.tally.not_reached,
            Forwarded::Unsure(_) => &self.tally.unsure,
        };
        count.fetch_add(1, Ordering::Relaxed);
        forwarded
    }

    /// What became of all letters so far.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            taken: read(&self.tally.taken),
            refused: read(&self.tally.refused),
            not_reached: read(&self.tally.not_reached),
            unsure: read(&self.tally.unsure),
        }
    }

    fn hand_over(
        &self,
        peer: &Peer,
        letter: &Letter<'_>,
        entries: &dyn Entries,
    ) -> Result<Forwarded, NotReached> {
        if self.is_loop(peer, letter) {
            return Err(NotReached::Loop);
        }
        let body = letter.body(&peer.agent, peer.speaks, &self.instance);
        if body.len() > limits::BODY_SMALL {
            return Err(NotReached::TooLarge);
        }
        // What another instance hands on does not wait here: it would hold that one up, and a connection.
        let turn = if is_handed_on(letter) { Duration::ZERO } else { self.turn };
        let _place = self.places.enter(peer.at, class_of(letter), turn).ok_or(NotReached::Busy)?;
        let start = Instant::now();
        let first = self.post(peer, letter, &body, start, entries)?;
        if !matches!(first, Answered::Unauthorized(_)) {
            return Ok(first.into());
        }
        // Its keys may have changed since its entry was read. Whoever is turned away has handed nothing over.
        match entries.again(peer) {
            Some(now) if now.at == peer.at && now.home == peer.home && !same_key(peer, &now) => {
                Ok(self.post(&now, letter, &body, start, entries)?.into())
            }
            Some(_) | None => Ok(first.into()),
        }
    }

    /// Whether the letter has come through this instance, the peer, or as many as may be.
    fn is_loop(&self, peer: &Peer, letter: &Letter<'_>) -> bool {
        let through = |id: &str| letter.path.iter().any(|passed| passed == id);
        letter.hops >= limits::FORWARD_HOPS
            || through(&self.instance)
            || through(peer.home.as_str())
            || peer.instance.as_deref().is_some_and(through)
            // It may have been started anew in between, and have another id now.
            || *letter.origin.home == peer.home
    }

    /// One request, with what is left of the time since `start`.
    fn post(
        &self,
        peer: &Peer,
        letter: &Letter<'_>,
        body: &[u8],
        start: Instant,
        entries: &dyn Entries,
    ) -> Result<Answered, NotReached> {
        let to = Listener { at: peer.at, pid: peer.pid, inode: peer.inode, key: peer.key.as_deref() };
        let total = self.patience.total.saturating_sub(start.elapsed());
        let patience = Patience { connect: self.patience.connect.min(total), total };
        let error = match peer::post(to, body, patience) {
            Ok(answer) => {
                let meaning = answer::read(answer.status, &answer.body, peer.speaks, letter.id);
                return Ok(match answer.status {
                    UNAUTHORIZED => Answered::Unauthorized(meaning),
                    _ => Answered::Whole(meaning),
                });
            }
            Err(error) => error,
        };
        match error {
            PeerError::NoListener => {
                entries.gone(peer);
                Err(NotReached::Gone)
            }
            PeerError::Impostor => {
                entries.gone(peer);
                Err(NotReached::Impostor)
            }
            PeerError::NoConnection => Err(NotReached::NoConnection),
            PeerError::Unknown | PeerError::Key => Err(NotReached::Unknown),
            PeerError::Silent => Ok(Answered::Whole(Forwarded::Unsure(Unsure::Silent))),
            PeerError::Broken => Ok(Answered::Whole(Forwarded::Unsure(Unsure::Broken))),
            PeerError::Junk => Ok(Answered::Whole(Forwarded::Unsure(Unsure::Junk))),
        }
    }
}

/// What came back.
enum Answered {
    Whole(Forwarded),
    /// the key was not taken
    Unauthorized(Forwarded),
}

impl From<Answered> for Forwarded {
    fn from(answered: Answered) -> Self {
        match answered {
            Answered::Whole(meaning) | Answered::Unauthorized(meaning) => meaning,
        }
    }
}

/// Agents do not take the last places from whom they work for, nor does another instance for anybody.
fn class_of(letter: &Letter<'_>) -> Class {
    let ours = matches!(letter.origin.caller, "owner" | "api");
    if ours && !is_handed_on(letter) { Class::Owner } else { Class::Agent }
}

/// Whether another instance handed it to us.
fn is_handed_on(letter: &Letter<'_>) -> bool {
    letter.hops > 0 || !letter.path.is_empty()
}

fn same_key(one: &Peer, other: &Peer) -> bool {
    match (&one.key, &other.key) {
        (Some(one), Some(other)) => one.matches(other.expose()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests;
