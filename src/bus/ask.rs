//! Ask: a question, and whoever waits for its answer.
//!
//! A question is a message like any other; so is its answer, which only the one who was asked can
//! give: to the asker, and naming the question's id or its correlation id. An answer goes to the
//! request that waits for it, or where nobody waits any more to the asker's mailbox. Waiting is
//! bounded in time and in number, by agent and in all.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Bus, SendError, Terminals,
    elsewhere::{self, Place},
    envelope::{self, Lasting, Progress},
    mail::{Handed, Kind, Priority},
    outgoing::Outgoing,
    rate::Sender,
};
use crate::{
    limits,
    registry::Speaks,
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

/// A question, as its asker put it.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// who is asked
    pub to: &'a AgentId,
    /// at which home; `None`: here, else wherever there is exactly one of the name
    pub home: Option<&'a HomeId>,
    /// whether the question waits here where it cannot be handed to another instance; `None`: it does not
    pub hold: Option<bool>,
    /// not cleaned yet
    pub text: &'a str,
    /// the question's id as a message
    pub id: &'a str,
    /// `None`: the message's id, where it may be one, else one is made
    pub correlation_id: Option<&'a str>,
    /// `None`: [`limits::ASK_TIMEOUT_MS`]; longer than [`limits::ASK_TIMEOUT_MOST_MS`] is cut to it
    pub timeout_ms: Option<u64>,
    /// which of those that wait comes first
    pub priority: Priority,
}

/// Why a question was not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// the correlation id is none
    BadCorrelationId,
    /// [`limits::ASKS_PER_AGENT`] questions of this agent wait
    TooManyOfAgent,
    /// [`limits::ASKS`] questions wait, or all but those kept for the owner
    TooMany,
    /// the message was not accepted
    Send(SendError),
}

/// What becomes of an answer once its asker has been told it, or could not be.
type Settle = Box<dyn FnOnce(bool) + Send>;

/// What whoever asked is told.
pub struct Asked {
    envelope: Value,
    settle: Option<Settle>,
}

impl Asked {
    /// The envelope, and what to call with whether the asker took it: an answer that was not taken
    /// waits in his mailbox.
    pub fn into_parts(self) -> (Value, Settle) {
        (self.envelope, self.settle.unwrap_or_else(|| Box::new(|_| ())))
    }
}

/// The questions that wait.
#[derive(Default)]
pub(super) struct Asks(Mutex<Vec<Arc<Waiting>>>);

/// One of them.
pub(super) struct Waiting {
    asker: AgentId,
    /// whether an agent asks
    by_agent: bool,
    asked: AgentId,
    /// where the one is who was asked
    at: Mutex<At>,
    id: String,
    correlation_id: String,
    slot: Mutex<Slot>,
    told: Condvar,
}

/// Where the one is who was asked: nobody else of his name can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Here,
    /// at another instance, whose home is this; what it understands
    Home(HomeId, Speaks),
}

/// Where an answer is put.
enum Slot {
    Open,
    Taken(Handed),
    /// nobody waits any more, or an answer came before
    Closed,
}

/// A question's place among those that wait.
struct Entered<'a> {
    asks: &'a Asks,
    waiting: Arc<Waiting>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.asks.lock().retain(|other| !Arc::ptr_eq(other, &self.waiting));
    }
}

impl Asks {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, waiting: Waiting) -> Result<Entered<'_>, AskError> {
        let mut all = self.lock();
        let most = if waiting.by_agent { limits::ASKS - limits::ASKS_KEPT } else { limits::ASKS };
        let own = all.iter().filter(|other| other.by_agent && other.asker == waiting.asker).count();
        if waiting.by_agent && own >= limits::ASKS_PER_AGENT {
            return Err(AskError::TooManyOfAgent);
        }
        let agents = all.iter().filter(|other| other.by_agent).count();
        if all.len() >= limits::ASKS || (waiting.by_agent && agents >= most) {
            return Err(AskError::TooMany);
        }
        let waiting = Arc::new(waiting);
        all.push(Arc::clone(&waiting));
        Ok(Entered { asks: self, waiting })
    }

    /// The question that a message answers.
    pub fn answered_by(&self, sender: Sender<'_>, message: &Outgoing<'_>) -> Option<Arc<Waiting>> {
        // The owner speaks for the names on the bus, which have no credential of their own.
        let (speaker, at) = match sender {
            Sender::Agent(name) => (name, At::Here),
            Sender::Owner(_) | Sender::Api => (message.from?, At::Here),
            Sender::FarAgent(shown) => {
                let (name, home) = shown.split_once('@')?;
                (name, At::Home(HomeId::parse(home).ok()?, Speaks::Loopgate))
            }
            Sender::Peer | Sender::FarOwner(_) => return None,
        };
        let all = self.lock();
        let mut fitting = all.iter().filter(|waiting| {
            waiting.asker == *message.to
                && waiting.asked.as_str() == speaker
                && *waiting.at() == at
                && (message.in_reply_to == Some(waiting.id.as_str())
                    || message.correlation_id == Some(waiting.correlation_id.as_str()))
                && matches!(*waiting.slot(), Slot::Open)
        });
        fitting.next().map(Arc::clone)
    }
}

impl Asks {
    /// The question that the inject of an instance of AgentMux answers: to the asker, from the name that
    /// was asked, with the question's id or correlation id.
    /// Beside it the home that was asked.
    pub fn answered_by_peer(
        &self,
        asker: &AgentId,
        source: &str,
        id: &str,
    ) -> Option<(Arc<Waiting>, HomeId)> {
        let all = self.lock();
        all.iter().find_map(|waiting| {
            let At::Home(home, Speaks::AgentMux) = waiting.at().clone() else { return None };
            let fits = waiting.asker == *asker
                && waiting.asked.as_str() == source
                && (waiting.id == id || waiting.correlation_id == id)
                && matches!(*waiting.slot(), Slot::Open);
            fits.then(|| (Arc::clone(waiting), home))
        })
    }

    /// A question that was held has gone to this instance.
    pub fn went_to(&self, caller: &str, id: &str, home: &HomeId, speaks: Speaks) {
        let Some(asker) = caller.strip_prefix("agent ") else { return };
        let all = self.lock();
        for waiting in all.iter().filter(|waiting| waiting.asker.as_str() == asker && waiting.id == id) {
            *waiting.at() = At::Home(home.clone(), speaks);
        }
    }
}

impl Waiting {
    /// The question's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an answer over; gives it back where nobody waits for it any more.
    pub fn put(&self, answer: Handed) -> Result<(), Handed> {
        let mut slot = self.slot();
        match *slot {
            Slot::Open => {
                *slot = Slot::Taken(answer);
                self.told.notify_all();
                Ok(())
            }
            Slot::Taken(_) | Slot::Closed => Err(answer),
        }
    }

    /// Waits until an answer is there, the time is over or the asker is gone. Takes none afterwards.
    fn wait(&self, until: Instant, gone: &dyn Fn() -> bool) -> Option<Handed> {
        let mut slot = self.slot();
        while matches!(*slot, Slot::Open) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            slot = self.told.wait_timeout(slot, left.min(LOOK)).unwrap_or_else(PoisonError::into_inner).0;
            // Asked without the lock: it looks at a socket, and who answers waits for the lock.
            drop(slot);
            let is_gone = gone();
            slot = self.slot();
            if is_gone {
                break;
            }
        }
        match std::mem::replace(&mut *slot, Slot::Closed) {
            Slot::Taken(answer) => Some(answer),
            Slot::Open | Slot::Closed => None,
        }
    }
}

fn timeout(asked_for: Option<u64>) -> Duration {
    Duration::from_millis(asked_for.unwrap_or(limits::ASK_TIMEOUT_MS).min(limits::ASK_TIMEOUT_MOST_MS))
}

/// How often whoever waits is asked whether he still does.
const LOOK: Duration = Duration::from_millis(250);

impl Bus {
    /// Asks, and waits for the answer. `gone` tells whether the asker has hung up.
    pub fn ask(
        &self,
        sender: Sender<'_>,
        ask: Ask<'_>,
        terminals: &dyn Terminals,
        gone: &dyn Fn() -> bool,
    ) -> Result<Asked, AskError> {
        let made;
        let correlation_id = match ask.correlation_id {
            Some(given) if envelope::is_correlation_id(given) => given,
            Some(_) => return Err(AskError::BadCorrelationId),
            None if envelope::is_correlation_id(ask.id) => ask.id,
            None => {
                made = self.fresh_id().map_err(AskError::Send)?;
                made.as_str()
            }
        };
        let only = |envelope| Ok(Asked { envelope, settle: None });
        let Ok(asker) = AgentId::parse(sender.name()) else { return Err(AskError::BadCorrelationId) };
        self.count_send(sender).map_err(AskError::Send)?;
        let place = self.locate(sender, ask.to, ask.home, Some(ask.hold.unwrap_or(false)), terminals);
        let at = match &place {
            // The owner is nobody who answers.
            Place::Here if self.is_known(ask.to, terminals) => At::Here,
            Place::At(peer) => At::Home(peer.home.clone(), peer.speaks),
            Place::Several(candidates) => {
                return Err(AskError::Send(SendError::Ambiguous(candidates.clone())));
            }
            Place::Here | Place::Nobody(_) => {
                let trouble = if let Place::Nobody(trouble) = place { trouble } else { None };
                let to = Address { name: ask.to.clone(), home: ask.home.cloned() };
                let sentence = elsewhere::not_found(&to, trouble);
                let lasting = Lasting::Permanent;
                return only(envelope::refused("target_not_found", &sentence, lasting, correlation_id));
            }
        };
        let begin = Instant::now();
        let entered = self.asks.enter(Waiting {
            asker,
            by_agent: matches!(sender, Sender::Agent(_)),
            asked: ask.to.clone(),
            at: Mutex::new(at),
            id: ask.id.to_owned(),
            correlation_id: correlation_id.to_owned(),
            slot: Mutex::new(Slot::Open),
            told: Condvar::new(),
        })?;
        let question = Outgoing {
            kind: Kind::Ask,
            priority: ask.priority,
            correlation_id: Some(correlation_id),
            home: ask.home,
            hold: Some(ask.hold.unwrap_or(false)),
            ..Outgoing::new(ask.to, ask.text, ask.id)
        };
        let sent = match self.send_to(sender, question, place, terminals) {
            Ok(sent) => sent,
            Err(SendError::NotForwarded(why)) => {
                let lasting = if why.lasting { Lasting::Permanent } else { Lasting::Transient };
                return only(envelope::refused(why.code, &why.sentence, lasting, correlation_id));
            }
            Err(error) => return Err(AskError::Send(error)),
        };
        let answer = entered.waiting.wait(begin + timeout(ask.timeout_ms), gone);
        let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Some(handed) = answer else {
            let progress = self.mail.state_of(sent.number).map_or(Progress::Failed, Progress::of);
            return only(envelope::timed_out(progress, correlation_id, took));
        };
        let text = handed.messages.first().map_or("", |message| message.text.as_str());
        Ok(Asked {
            envelope: envelope::answered(text, correlation_id, took),
            settle: Some(Box::new(move |taken| {
                if taken {
                    handed.sent();
                }
            })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AgentId {
        AgentId::parse(text).expect("a valid id")
    }

    fn waiting(asker: &str, by_agent: bool, id_: &str) -> Waiting {
        Waiting {
            asker: id(asker),
            by_agent,
            asked: id("asked"),
            at: Mutex::new(At::Here),
            id: id_.to_owned(),
            correlation_id: format!("c-{id_}"),
            slot: Mutex::new(Slot::Open),
            told: Condvar::new(),
        }
    }

    #[test]
    fn waiting_questions_are_bounded() {
        let asks = Asks::default();
        let mut places = Vec::new();
        for n in 0..limits::ASKS - limits::ASKS_KEPT {
            let asker = format!("a{}", n / limits::ASKS_PER_AGENT);
            places.push(asks.enter(waiting(&asker, true, &n.to_string())).expect("a place"));
        }
        assert_eq!(asks.enter(waiting("a0", true, "x")).err(), Some(AskError::TooManyOfAgent));
        assert_eq!(asks.enter(waiting("new", true, "x")).err(), Some(AskError::TooMany));
        for n in 0..limits::ASKS_KEPT {
            places.push(asks.enter(waiting("owner", false, &n.to_string())).expect("the owner's place"));
        }
        assert_eq!(asks.enter(waiting("owner", false, "x")).err(), Some(AskError::TooMany));
        places.clear();
        assert!(asks.enter(waiting("a0", true, "x")).is_ok(), "places are given back");
    }

    #[test]
    fn the_wait_for_an_answer_is_bounded() {
        assert_eq!(timeout(None), Duration::from_secs(30));
        assert_eq!(timeout(Some(5)), Duration::from_millis(5));
        assert_eq!(timeout(Some(u64::MAX)), Duration::from_secs(300));
        let asks = Asks::default();
        let place = asks.enter(waiting("a", true, "1")).expect("a place");
        assert!(place.waiting.wait(Instant::now(), &|| false).is_none());
        assert!(matches!(*place.waiting.slot(), Slot::Closed), "and takes nothing afterwards");
        let place = asks.enter(waiting("a", true, "2")).expect("a place");
        assert!(place.waiting.wait(Instant::now() + Duration::from_secs(60), &|| true).is_none(), "gone");
    }

    #[test]
    fn only_who_was_asked_can_answer() {
        let asks = Asks::default();
        let place = asks.enter(waiting("asker", true, "q1")).expect("a place");
        let (to, other) = (id("asker"), id("other"));
        let plain = Outgoing::new(&to, "x", "m");
        let by_id = Outgoing { in_reply_to: Some("q1"), ..plain };
        let by_mark = Outgoing { correlation_id: Some("c-q1"), ..plain };
        let fits = |sender, message: Outgoing<'_>| asks.answered_by(sender, &message).is_some();
        let asked = Sender::Agent("asked");
        assert!(fits(asked, by_id) && fits(asked, by_mark));
        assert!(!fits(asked, plain), "it answers nothing");
        assert!(!fits(asked, Outgoing { in_reply_to: Some("q2"), ..plain }));
        assert!(!fits(asked, Outgoing { to: &other, ..by_id }), "another did not ask");
        for sender in
            [Sender::Agent("other"), Sender::Agent("asker"), Sender::Owner(""), Sender::Api, Sender::Peer]
        {
            assert!(!fits(sender, by_id), "{sender:?}");
        }
        let labelled = Outgoing { from: Some("asked"), ..by_id };
        assert!(fits(Sender::Owner("asked"), labelled), "the owner speaks for names on the bus");
        assert!(!fits(Sender::Agent("other"), labelled), "an agent's label changes nothing");
        drop(place);
        assert!(!fits(asked, by_id), "nobody waits any more");
    }
}
