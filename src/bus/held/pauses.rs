//! Whom the thread leaves alone, and for how long: instances that did not take what was for them.
//!
//! One that does not answer is left alone whole. One that refuses what a sender has for a name, because a
//! mailbox or a share of it is full, is asked for all else. Pure; monotonic ms; bounded.

use std::collections::HashMap;

use crate::{
    limits,
    registry::Peer,
    wire::{address::HomeId, id::AgentId},
};

/// What is left alone.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<Of, Pause>);

/// An instance, or what one caller has for one name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Of {
    home: HomeId,
    what: Option<(AgentId, String)>,
}

#[derive(Debug, Default)]
struct Pause {
    /// it is left alone until then
    until: u64,
    /// for so long, the last time
    length: u64,
    /// the process and the socket that it had then: one that was started anew is tried at once
    of: (u32, u64),
}

/// Instances by how they did before: the better ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// it takes what comes, as far as is known
    Good,
    /// it has failed a few times in a row
    Failing,
    /// it has failed for long
    Bad,
}

impl Class {
    pub const ALL: [Self; 3] = [Self::Good, Self::Failing, Self::Bad];
}

impl Pause {
    fn class(&self) -> Class {
        if self.length < BAD_MS { Class::Failing } else { Class::Bad }
    }
}

/// Words for why an instance did not take a message that say nothing of any other message.
const OF_THE_MESSAGE: [&str; 8] = [
    "agent_not_found",
    "ambiguous_agent",
    "mailbox_full",
    "not_typed",
    // All places may be taken by one sender's.
    "peer_busy",
    "peer_refused",
    "rate_limited",
    "sender_share_full",
];

const FIRST_PAUSE_MS: u64 = 1_000;

/// Whoever was left alone for so long is tried last.
const BAD_MS: u64 = 8_000;

impl Pauses {
    /// It has not taken what this caller has for the name of the peer; whether that is so of all that is
    /// for it.
    pub fn count(&mut self, peer: &Peer, caller: &str, code: &str, now: u64) -> bool {
        let whole = !OF_THE_MESSAGE.contains(&code);
        let what = (!whole).then(|| (peer.agent.clone(), caller.to_owned()));
        let key = Of { home: peer.home.clone(), what };
        if self.0.len() >= limits::HELD_HOMES {
            self.0.retain(|_, pause| pause.until > now);
        }
        if self.0.len() >= limits::HELD_HOMES && !self.0.contains_key(&key) {
            return whole;
        }
        let pause = self.0.entry(key).or_default();
        let of = (peer.pid, peer.inode);
        if pause.of != of {
            *pause = Pause { of, ..Pause::default() };
        }
        // Several letters that were on their way at once fail at once.
        if pause.until <= now {
            pause.length = (pause.length * 2).clamp(FIRST_PAUSE_MS, limits::HELD_PAUSE_MS);
            pause.until = now.saturating_add(pause.length);
        }
        whole
    }

    /// It has taken something for this name.
    pub fn end(&mut self, peer: &Peer) {
        let other =
            |what: &Option<(AgentId, String)>| what.as_ref().is_some_and(|(name, _)| *name != peer.agent);
        self.0.retain(|of, _| of.home != peer.home || other(&of.what));
    }

    /// Whether what this caller has for the name may be tried now, and with which others.
    pub fn may_try(&self, peer: &Peer, caller: &str, now: u64) -> Option<Class> {
        if self.0.is_empty() {
            return Some(Class::Good);
        }
        let what = Some((peer.agent.clone(), caller.to_owned()));
        let mut class = Class::Good;
        for (what, whole) in [(None, true), (what, false)] {
            let pause = self.0.get(&Of { home: peer.home.clone(), what });
            let Some(pause) = pause.filter(|pause| pause.of == (peer.pid, peer.inode)) else { continue };
            if pause.until > now {
                return None;
            }
            if whole {
                class = pause.class();
            }
        }
        Some(class)
    }

    /// Whether there are any of this class.
    pub fn has(&self, class: Class) -> bool {
        class == Class::Good || self.0.values().any(|pause| pause.class() == class)
    }

    /// How long until the next one may be tried again.
    pub fn next(&self, now: u64) -> Option<u64> {
        self.0.values().map(|pause| pause.until.saturating_sub(now)).filter(|left| *left > 0).min()
    }
}
