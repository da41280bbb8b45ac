//! One agent's states, its inbox and its turns (spec genswarms B.2, E.4, E.6), without threads and without I/O.
//!
//! Whoever runs the agent tells what happened and does, in their order, the effects that come back. Each
//! accepted item is said once; one at a time; never while the agent works, is paused, or waits for its
//! `reply_to` to be settled. All that is kept is bounded, whatever the agent prints.

mod effect;
mod ending;
mod inbox;
mod retry;
mod rules;
mod text;
mod time;
mod trouble;
mod turns;
mod view;

pub use self::{
    effect::{Effect, Now, Refused, State},
    rules::Rules,
    view::Facts,
};
use self::{
    inbox::Inbox,
    retry::Retry,
    text::{Tail, Text},
    trouble::Troubles,
};
use super::{
    events::{Draft, Level, Name},
    history::{History, Past, Role, Sort},
    logs::Log,
};
use crate::{
    agent::{
        Latency,
        protocol::{Item, Spoken},
    },
    limits,
    wire::node::{FullName, NodeName},
};

/// Pause before an item that an agent's program could not take is said again.
const AGAIN_MS: u64 = 1_000;

/// One agent of a swarm. Invariants: `current` is there exactly in state `Working`; nothing is said while
/// `current`, `pending` or `paused` is there; in the states `Error` and `Stopped` nothing waits and no time
/// is waited for.
#[derive(Debug)]
pub struct Turn {
    name: FullName,
    rules: Rules,
    state: State,
    /// since when it is held still
    paused: Option<u64>,
    inbox: Inbox,
    current: Option<Current>,
    pending: Option<Pending>,
    /// until when tasks wait for an answer to come first
    awaiting: Option<u64>,
    /// when an item that was not taken is said again
    again: Option<u64>,
    /// when the program is started again
    restart: Option<u64>,
    retry: Retry,
    /// turns begun; the last one's number
    begun: u64,
    /// turns ended since the program was started by order
    ended: u64,
    latency: Latency,
    tail: Tail,
    troubles: Troubles,
    /// when the last broadcast went out, and whom it reached first
    broadcast: Option<(u64, NodeName)>,
    /// when the last line that nobody understood was told of
    invalid: Option<u64>,
    history: History,
    /// where what was said to it and by it is kept
    log: Log,
    messages: u64,
    started_at: Option<u64>,
    last_activity: Option<u64>,
}

/// The turn under way.
#[derive(Debug)]
struct Current {
    began: u64,
    text: Text,
    /// when it has taken too long
    expires: Option<u64>,
    expired: bool,
    /// the agent sent to its `reply_to` itself
    told: bool,
}

/// A turn's text on its way to `reply_to`.
#[derive(Debug)]
struct Pending {
    text: String,
    at: u64,
}

impl Turn {
    /// An agent whose program is being started.
    pub fn new(name: FullName, rules: Rules, log: Log) -> Self {
        Self {
            name,
            rules,
            state: State::Initializing,
            paused: None,
            inbox: Inbox::default(),
            current: None,
            pending: None,
            awaiting: None,
            again: None,
            restart: None,
            retry: Retry::default(),
            begun: 0,
            ended: 0,
            latency: Latency::default(),
            tail: Tail::default(),
            troubles: Troubles::default(),
            broadcast: None,
            invalid: None,
            history: History::default(),
            log,
            messages: 0,
            started_at: None,
            last_activity: None,
        }
    }

    /// Its program runs.
    pub fn started(&mut self, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.state == State::Initializing {
            self.restart = None;
            self.retry.started(now.ms);
            self.started_at = Some(now.unix_ms);
            self.tell(&mut out, Draft::new(Name::AgentStarted, format!("agent {} started", self.name.agent)));
            self.turn_to(State::Idle, &mut out);
            self.next(now, &mut out);
        }
        out
    }

    /// A task from outside.
    pub fn task(&mut self, content: &str, now: Now) -> Result<Vec<Effect>, Refused> {
        match self.state {
            State::Initializing => return Err(Refused::Initializing),
            State::Error => return Err(Refused::Error),
            State::Stopped => return Err(Refused::Stopped),
            // It only waits for its last text to be settled.
            State::Idle | State::Working if self.is_through() => return Err(Refused::Stopped),
            State::Idle | State::Working => {}
        }
        if content.len() > limits::SWARM_MESSAGE {
            return Err(Refused::TooLong);
        }
        let content = content.to_owned();
        self.inbox.push(Item::Task { content: content.clone() }).map_err(|_| Refused::InboxFull)?;
        let mut out = Vec::new();
        let said = Draft::new(Name::TaskSent, format!("agent {} task sent", self.name.agent));
        self.tell(&mut out, said.with_preview("task", &content));
        self.remember(Past::Task { content }, now);
        self.next(now, &mut out);
        Ok(out)
    }

    /// A message of another node. What is refused is dropped, and the effects tell so.
    pub fn message(&mut self, from: &str, content: &str, now: Now) -> (Result<(), Refused>, Vec<Effect>) {
        let mut out = Vec::new();
        let result = self.accept(from, content, now);
        match result {
            Ok(()) => self.next(now, &mut out),
            Err(why) => {
                let name = match why {
                    Refused::InboxFull => Name::InboxFull,
                    Refused::Error | Refused::Stopped | Refused::Initializing | Refused::TooLong => {
                        Name::MessageDropped
                    }
                };
                let lost = Draft::new(name, format!("message from {from} to {} dropped", self.name.agent));
                let lost = lost.level(Level::Warning).with("from", from).with("reason", why.as_str());
                self.tell(&mut out, lost.with_preview("content_preview", content));
            }
        }
        (result, out)
    }

    fn accept(&mut self, from: &str, content: &str, now: Now) -> Result<(), Refused> {
        match self.state {
            State::Error => return Err(Refused::Error),
            State::Stopped => return Err(Refused::Stopped),
            State::Idle | State::Working if self.is_through() => return Err(Refused::Stopped),
            // What is sent to an agent whose program is not up yet waits for it.
            State::Initializing | State::Idle | State::Working => {}
        }
        if content.len() > limits::SWARM_MESSAGE {
            return Err(Refused::TooLong);
        }
        let (from, content) = (from.to_owned(), content.to_owned());
        let item = Item::Message { from: from.clone(), content: content.clone() };
        self.inbox.push(item).map_err(|_| Refused::InboxFull)?;
        self.remember(Past::Incoming { from, content }, now);
        Ok(())
    }

    /// Something that the agent's program said.
    pub fn spoken(&mut self, spoken: Spoken, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        if matches!(self.state, State::Error | State::Stopped) {
            return out;
        }
        self.last_activity = Some(now.unix_ms);
        match spoken {
            Spoken::Send { to, content } => out.push(Effect::Send { to, content }),
            Spoken::Broadcast { content } => out.push(Effect::Broadcast { content }),
            Spoken::Ask { to, content, id } => out.push(Effect::Ask { to, content, id }),
            Spoken::Output { content } => self.output(&content, now, &mut out),
            Spoken::Log { content } => {
                self.tail.push(&content);
                self.log.note(Role::System, &content);
            }
            // That the program in it has ended is told by its process, which ends with it.
            Spoken::Exit { status } => {
                self.log.note(Role::System, &format!("exit status {status}"));
            }
            Spoken::TurnComplete if !self.rules.pty => self.turn_over(now, &mut out),
            Spoken::TurnComplete => {}
            Spoken::Invalid { why } => self.invalid(why, now, &mut out),
        }
        out
    }

    /// Its terminal was quiet for [`limits::QUIET_MS`] after something was shown or typed.
    pub fn quiet(&mut self, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        // A silence that was noticed just before the turn began is none of this turn: its own cannot come
        // so early.
        let own = |current: &Current| now.ms.saturating_sub(current.began) >= limits::QUIET_MS / 2;
        if self.rules.pty && self.current.as_ref().is_some_and(own) {
            self.turn_over(now, &mut out);
        }
        out
    }

    /// An item could not be said: the program takes nothing. It comes next again after a pause.
    pub fn not_said(&mut self, item: Item, turn: u64, now: Now) -> Vec<Effect> {
        if matches!(self.state, State::Error | State::Stopped) {
            return Vec::new();
        }
        let mut out = Vec::new();
        self.inbox.put_back(item);
        if self.state == State::Working && turn == self.begun {
            self.current = None;
            self.turn_to(State::Idle, &mut out);
        }
        self.again = Some(now.ms.saturating_add(AGAIN_MS));
        out
    }

    /// A message of the agent went its way, by whichever of its ways it came; `expects_reply` as the topology
    /// says. A broadcast is told once for each whom it reached.
    #[must_use]
    pub fn sent(
        &mut self,
        to: &NodeName,
        content: &str,
        sort: Sort,
        expects_reply: bool,
        now: Now,
    ) -> Vec<Effect> {
        let mut out = Vec::new();
        if matches!(self.state, State::Error | State::Stopped) {
            return out;
        }
        self.last_activity = Some(now.unix_ms);
        if self.is_another(to, sort, now) {
            let to = if sort == Sort::Broadcast { "all".to_owned() } else { to.to_string() };
            self.remember(Past::Outgoing { to, sort, content: content.to_owned() }, now);
        }
        if expects_reply && sort != Sort::Ask {
            self.awaiting = Some(now.ms.saturating_add(self.rules.reply_wait_ms));
        }
        if self.rules.reply_to.as_ref() == Some(to) && sort != Sort::Ask {
            // Nothing new is said while a text is pending: what comes now belongs to its turn.
            match &mut self.current {
                Some(current) => current.told = true,
                None => self.explicit(now, &mut out),
            }
        }
        out
    }

    /// Whether this is a message of its own, and not one more of whom the last broadcast reached: those are
    /// told at one moment, each once.
    fn is_another(&mut self, to: &NodeName, sort: Sort, now: Now) -> bool {
        if sort != Sort::Broadcast {
            return true;
        }
        let same = self.broadcast.as_ref().is_some_and(|(at, first)| *at == now.ms && first != to);
        if !same {
            self.broadcast = Some((now.ms, to.clone()));
        }
        !same
    }

    fn invalid(&mut self, why: &'static str, now: Now, out: &mut Vec<Effect>) {
        const PAUSE_MS: u64 = 1_000;
        if self.invalid.is_none_or(|last| now.ms.saturating_sub(last) >= PAUSE_MS) {
            self.invalid = Some(now.ms);
            let text = format!("agent {} said what nobody understands", self.name.agent);
            self.tell(out, Draft::new(Name::InvalidLine, text).with("reason", why));
        }
    }

    fn remember(&mut self, past: Past, now: Now) {
        self.messages = self.messages.saturating_add(1);
        self.history.push(now.unix_ms, past);
    }

    /// It does something else from now on.
    fn turn_to(&mut self, state: State, out: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.state, state) != state {
            out.push(Effect::State(state));
        }
    }

    fn tell(&self, out: &mut Vec<Effect>, draft: Draft) {
        out.push(Effect::Event(draft.swarm(&self.name.swarm).agent(&self.name.agent)));
    }
}

#[cfg(test)]
mod tests;
