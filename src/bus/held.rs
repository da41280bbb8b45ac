//! Messages that are held for other instances, and the thread that hands them over.
//!
//! What could not be handed over waits in its mailbox, and is tried again in the order in which its sender
//! sent it. An instance that does not take what is for it is left alone for longer and longer, and those
//! that do come first: a silent one holds the others up once in a while, for seconds.

mod pauses;

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Bus, Terminals, audit,
    elsewhere::Place,
    far::{self, agent_may},
    mail::{self, Message},
    outgoing::Outgoing,
    rate::Sender,
};
use crate::{
    limits,
    registry::{Peer, Speaks},
    wire::id::AgentId,
};
use pauses::{Class, Pauses};

/// Where nothing is held.
const IDLE: Duration = Duration::from_secs(60);

/// Where something is: the registry may have changed.
const AGAIN: Duration = Duration::from_millis(limits::HELD_AGAIN_MS);

/// Where there is more to do at once: what came meanwhile gets its turn.
const BREATH: Duration = Duration::from_millis(1);

/// Senders of whom one name's messages are tried in one round.
const SENDERS: usize = 64;

/// How long one round takes at most, one letter more excepted.
const ROUND_MS: u64 = 2_000;

/// What one round may still do.
struct Round {
    letters: usize,
    /// looks into the registry
    looks: usize,
    /// monotonic ms
    until: u64,
    /// whose turn it is
    class: Class,
    /// there is more to do
    more: bool,
}

impl Round {
    fn is_over(&self, now: u64) -> bool {
        self.letters == 0 || now >= self.until
    }
}

/// What became of a message that was tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// it is gone from here
    Gone,
    /// it waits on, and what its sender sent after it does so too
    Waits,
}

impl Bus {
    /// Hands over what is held, as far as that goes now; returns when to be called again at the latest.
    pub fn forward_held(&self, terminals: &dyn Terminals) -> Duration {
        let names = self.mail.names_held();
        if names.is_empty() || !self.elsewhere.is_on() {
            return IDLE;
        }
        let until = self.clock.monotonic_ms().saturating_add(ROUND_MS);
        let most = limits::HELD_ROUND;
        let mut round = Round { letters: most, looks: most, until, class: Class::Good, more: false };
        for class in Class::ALL {
            (round.class, round.looks) = (class, most);
            let mut waits = self.forwarding.lock();
            if !waits.pauses.has(class) {
                continue;
            }
            let last = waits.last(class).clone();
            drop(waits);
            let after = names.partition_point(|name| last.as_ref().is_some_and(|last| name <= last));
            let (first, then) = names.split_at(after);
            for name in then.iter().chain(first) {
                if self.forwarding.has_ended() {
                    return IDLE;
                }
                if round.is_over(self.clock.monotonic_ms()) {
                    round.more = true;
                    break;
                }
                if round.looks == 0 {
                    break;
                }
                self.forward_name(name, &mut round, terminals);
                *self.forwarding.lock().last(class) = Some(name.clone());
            }
        }
        if round.more {
            return BREATH;
        }
        let now = self.clock.monotonic_ms();
        let next = self.forwarding.lock().pauses.next(now);
        next.map_or(AGAIN, |left| Duration::from_millis(left).clamp(BREATH, AGAIN))
    }

    /// Hands over what is held for one name, of each sender as far as it goes.
    fn forward_name(&self, to: &AgentId, round: &mut Round, terminals: &dyn Terminals) {
        for first in self.mail.first_held(to, SENDERS) {
            let Some(peer) = self.peer_for(to, &first, round, terminals) else { continue };
            let mut next = Some(first);
            while let Some(held) = next {
                if round.is_over(self.clock.monotonic_ms()) {
                    round.more = true;
                    return;
                }
                if self.forward_one(&held, &peer, round, terminals) == Tried::Waits {
                    break;
                }
                next = self.mail.next_held(to, &held);
            }
        }
    }

    /// The instance that gets what is held for a name, where it is not left alone just now. A name that
    /// has appeared here is here.
    fn peer_for(
        &self,
        to: &AgentId,
        first: &mail::Held,
        round: &mut Round,
        terminals: &dyn Terminals,
    ) -> Option<Box<Peer>> {
        round.looks = round.looks.checked_sub(1)?;
        let Place::At(peer) = self.locate(Sender::Api, to, first.via.as_ref(), None, terminals) else {
            return None;
        };
        let now = self.clock.monotonic_ms();
        let may_try = self.forwarding.lock().pauses.may_try(&peer, &first.caller, now);
        (may_try == Some(round.class)).then_some(peer)
    }

    fn forward_one(
        &self,
        held: &mail::Held,
        peer: &Peer,
        round: &mut Round,
        terminals: &dyn Terminals,
    ) -> Tried {
        // Somebody here has it, and it is not known yet whether it stays with him.
        if !held.free {
            return Tried::Waits;
        }
        let agent = held.caller.strip_prefix("agent ").and_then(|name| AgentId::parse(name).ok());
        let types = peer.speaks == Speaks::AgentMux;
        let now = self.clock.monotonic_ms();
        let allowed = !types || agent.as_ref().is_none_or(|agent| agent_may(agent, peer, terminals));
        let typing = types && allowed;
        if typing && self.state().rates.take_waiting(agent.is_none(), peer.agent.as_str(), now).is_err() {
            return Tried::Waits;
        }
        let handed = match self.mail.claim(held.number) {
            Ok(Some(handed)) => handed,
            // It has expired, or somebody here was faster.
            Ok(None) => return Tried::Waits,
            Err(error) => {
                log::warn!("mail: a message cannot be handed over: {}", error.answer().1);
                return Tried::Waits;
            }
        };
        round.letters = round.letters.saturating_sub(1);
        let Some(message) = handed.messages.first() else { return Tried::Waits };
        if !allowed {
            self.write_held(audit::Happened::GivenUp("typing_not_allowed"), message, peer);
            handed.failed(&format!("{} to {}: typing_not_allowed", mail::NOT_FORWARDED, peer.home), true);
            return Tried::Gone;
        }
        // Said before it goes: the answer may be here first, or all there is of its going.
        self.asks.went_to(&message.caller, &message.id, &peer.home, peer.speaks);
        match self.forward_message(peer, message) {
            Ok(_) => {
                self.write_held(audit::Happened::Forwarded, message, peer);
                handed.forwarded(&peer.home);
                self.forwarding.answered(peer);
                Tried::Gone
            }
            Err(why) if why.lasting => {
                self.write_held(audit::Happened::GivenUp(why.code), message, peer);
                handed.failed(&far::reason(&why), true);
                Tried::Gone
            }
            Err(why) => {
                if why.unsure {
                    drop(handed);
                } else {
                    handed.unsent();
                }
                let now = self.clock.monotonic_ms();
                if self.forwarding.failed(peer, &held.caller, why.code, now) && round.class != Class::Good {
                    // One that fails again costs the others no more than this; they come first now.
                    round.letters = 0;
                }
                Tried::Waits
            }
        }
    }

    fn write_held(&self, happened: audit::Happened, message: &Message, peer: &Peer) {
        let shown = Outgoing {
            from: (message.from != super::deliver::name_of(&message.caller)).then_some(&*message.from),
            home: message.via.as_ref(),
            kind: message.kind,
            ..Outgoing::new(&message.to, &message.text, &message.id)
        };
        self.write_far(happened, &message.caller, &shown, Some(&peer.home));
    }

    /// Lets a dead letter wait again; where it was held, it is handed over.
    pub fn redeliver(&self, id: &str, number: Option<u64>) -> Result<mail::Info, mail::MailError> {
        let again = self.mail.redeliver(id, number)?;
        self.forwarding.wake();
        Ok(again)
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

/// What the thread waits for, and whom it leaves alone.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    state: Mutex<Waits>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waits {
    due: bool,
    ending: bool,
    /// the name whose turn was last, of each class
    last: [Option<AgentId>; 3],
    pauses: Pauses,
}

impl Waits {
    fn last(&mut self, class: Class) -> &mut Option<AgentId> {
        let [good, failing, bad] = &mut self.last;
        match class {
            Class::Good => good,
            Class::Failing => failing,
            Class::Bad => bad,
        }
    }
}

impl Forwarding {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to hand over.
    pub fn wake(&self) {
        self.lock().due = true;
        self.changed.notify_all();
    }

    /// An instance has taken something for this name.
    pub fn answered(&self, peer: &Peer) {
        self.lock().pauses.end(peer);
    }

    /// It has not, from this caller and for this reason; whether that is so of all that is for it.
    pub fn failed(&self, peer: &Peer, caller: &str, code: &str, now: u64) -> bool {
        self.lock().pauses.count(peer, caller, code, now)
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

    fn has_ended(&self) -> bool {
        self.lock().ending
    }
}
