//! Send: a message reaches a terminal that accepts its sender, or waits for its reader.
//!
//! Rates come before anything is accepted; what is accepted is on disk before its sender hears so.
//! Who a sender is was decided by his credential: what a message says of itself is a label, kept
//! beside the name and never in its place (design section 8).

use super::{
    Bus, InjectError, Terminals, audit,
    mail::{Accepted, Answer, Kind, MailError, NewMessage, Priority, State},
    rate::{Reached, Sender},
    sanitise,
    typed::Seen,
};
use crate::{agent::Delivery, limits, wire::id::AgentId};

/// How long a message waits where its sender does not say.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A message, as its sender asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// to whom
    pub to: &'a AgentId,
    /// not cleaned yet
    pub text: &'a str,
    /// the sender's, or one that was made
    pub id: &'a str,
    /// what the reader is shown as sender, on the owner's surfaces; else the sender's own name
    pub from: Option<&'a str>,
    /// how it was sent
    pub kind: Kind,
    /// which of those that wait comes first
    pub priority: Priority,
    /// how long it may wait
    pub ttl_ms: u64,
    /// what question and answer are matched by
    pub correlation_id: Option<&'a str>,
    /// the id of the message that this one answers
    pub in_reply_to: Option<&'a str>,
}

impl<'a> Outgoing<'a> {
    /// A plain message, for a day.
    pub fn new(to: &'a AgentId, text: &'a str, id: &'a str) -> Self {
        Self {
            to,
            text,
            id,
            from: None,
            kind: Kind::Send,
            priority: Priority::Normal,
            ttl_ms: DAY_MS,
            correlation_id: None,
            in_reply_to: None,
        }
    }

    /// A message of the AgentMux message bus, which waits [`limits::BUS_TTL_MS`].
    pub fn on_bus(to: &'a AgentId, text: &'a str, id: &'a str, from: &'a str) -> Self {
        Self { from: Some(from), ttl_ms: limits::BUS_TTL_MS, ..Self::new(to, text, id) }
    }
}

/// What became of a message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// it is typed, or its reader has it
    Delivered,
    /// it will be typed after what is ahead of it, or a connection or a waiting asker is there to take it
    Queued,
    /// it waits for its reader
    Waiting,
}

impl SendOutcome {
    /// As answers say it.
    pub fn as_str(self) -> &'static str {
        match self {
            SendOutcome::Delivered => "delivered",
            SendOutcome::Queued => "queued",
            SendOutcome::Waiting => "waiting",
        }
    }
}

/// What the sender of an accepted message is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// of the message, over all messages
    pub number: u64,
    /// what became of it
    pub outcome: SendOutcome,
    /// its state
    pub state: State,
    /// whether it had been accepted before, under this id: then it was not again
    pub duplicate: bool,
    /// whether the text was cut to be typed; one that waits never is
    pub truncated: bool,
    /// whether there is an agent or a name on the bus that it is for, now
    pub known: bool,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// its sender sends too fast, or it would be typed and a rate forbids that now
    RateLimited(Reached),
    /// there is no room for it, or it cannot be kept
    Mail(MailError),
    /// the system gives no random bytes for its id
    NoRandomness,
}

impl SendError {
    /// The answer, as /api/v1/ gives it.
    pub fn answer(&self) -> Answer {
        match self {
            SendError::RateLimited(reached) => {
                (429, "rate_limited", format!("rate limit exceeded: {}", reached.sentence()), None)
            }
            SendError::Mail(error) => error.answer(),
            SendError::NoRandomness => {
                (500, "no_randomness", "the system gives no random bytes".to_owned(), None)
            }
        }
    }

    /// Code, sentence and limit, as clients of the AgentMux message bus are told.
    pub fn on_bus(&self) -> (&'static str, String, Option<u64>) {
        let (_, code, sentence, limit) = self.answer();
        let known = match code {
            "mailbox_full" => "mailbox full".to_owned(),
            "rate_limited" => "rate limit exceeded".to_owned(),
            _ => sentence,
        };
        (code, known, limit)
    }
}

/// What became of a broadcast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// copies for names with a connection that takes them at once
    pub delivered: usize,
    /// copies that wait to be fetched, or typed
    pub queued: usize,
    /// copies that found no room
    pub refused: usize,
}

/// A message to all, as its sender asked for it.
#[derive(Debug, Clone, Copy)]
pub struct ToAll<'a> {
    /// the sender's label, and the name that gets no copy
    pub from: &'a str,
    /// not cleaned yet
    pub text: &'a str,
    /// which of those that wait comes first
    pub priority: Priority,
}

impl Sender<'_> {
    /// The name that a target's `accept_typed_from` may hold, and that stands before a typed text.
    pub(super) fn name(&self) -> &str {
        match self {
            Sender::Owner(_) => "owner",
            Sender::Agent(name) => name,
            Sender::Api => "api",
            Sender::Peer => "peer",
        }
    }

    /// As the audit and the mailboxes write it.
    pub(super) fn caller(&self) -> String {
        match self {
            Sender::Agent(name) => format!("agent {name}"),
            Sender::Owner(_) | Sender::Api | Sender::Peer => self.name().to_owned(),
        }
    }
}

impl Bus {
    /// Types a message where the target accepts that from this sender, or lets it wait.
    pub fn send(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        self.count_send(sender)?;
        if let Some(sent) = self.answer_ask(sender, message, terminals)? {
            return Ok(sent);
        }
        let accepts = |who: &String| who == sender.name();
        let terminal = terminals.terminal(message.to).filter(|t| t.accept_typed_from.iter().any(accepts));
        if let Some(terminal) = terminal
            && let Some(result) = self.type_once(sender, message, &terminal.block_id, terminals)
        {
            return result;
        }
        self.put(sender, message, terminals)
    }

    /// Lets a message wait, whoever accepts typed text.
    pub(super) fn mail_only(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        self.count_send(sender)?;
        self.put(sender, message, terminals)
    }

    /// A copy for every name on the bus and every running agent but the sender's own. One that finds
    /// no room does not keep the others from theirs.
    pub fn broadcast(
        &self,
        sender: Sender<'_>,
        message: ToAll<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Broadcast, SendError> {
        self.count_send(sender)?;
        let mut names = terminals.running();
        names.extend(self.presence.list().into_iter().map(|present| present.name));
        names.sort();
        names.dedup();
        let mut told = Broadcast::default();
        for to in names.iter().filter(|name| name.as_str() != message.from) {
            let id = self.fresh_id()?;
            let copy = Outgoing {
                kind: Kind::Broadcast,
                priority: message.priority,
                ..Outgoing::on_bus(to, message.text, &id, message.from)
            };
            match self.put(sender, copy, terminals) {
                Ok(_) if self.presence.is_live(to) => told.delivered += 1,
                Ok(_) => told.queued += 1,
                Err(_) => told.refused += 1,
            }
        }
        Ok(told)
    }

    /// Whether there is an agent or a name on the bus.
    pub fn is_known(&self, name: &AgentId, terminals: &dyn Terminals) -> bool {
        self.presence.is_known(name) || terminals.knows(name) || self.state().directory.get(name).is_some()
    }

    fn count_send(&self, sender: Sender<'_>) -> Result<(), SendError> {
        let now = self.clock.monotonic_ms();
        self.state().sends.take(sender, now).map_err(SendError::RateLimited)
    }

    fn put(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        let caller = sender.caller();
        let kept = NewMessage {
            id: message.id,
            caller: &caller,
            from: message.from.unwrap_or(sender.name()),
            to: message.to,
            kind: message.kind,
            text: message.text,
            priority: message.priority,
            ttl_ms: message.ttl_ms,
            correlation_id: message.correlation_id,
            in_reply_to: message.in_reply_to,
            claim: false,
        };
        let accepted = self.mail.accept(kept).map_err(SendError::Mail)?;
        let outcome =
            if self.presence.is_live(message.to) { SendOutcome::Queued } else { SendOutcome::Waiting };
        let known = self.is_known(message.to, terminals);
        let Accepted { number, state, duplicate, .. } = accepted;
        Ok(Sent { number, outcome, state, duplicate, truncated: false, known })
    }

    /// Types a message unless it was typed before, which is what its sender is told then.
    fn type_once(
        &self,
        sender: Sender<'_>,
        ask: Outgoing<'_>,
        block_id: &str,
        terminals: &dyn Terminals,
    ) -> Option<Result<Sent, SendError>> {
        let seen = self.state().typed.begin(sender.name(), &ask, self.clock.monotonic_ms());
        match seen {
            Seen::Typed(sent) => Some(Ok(Sent { duplicate: true, ..sent })),
            Seen::Underway => None,
            Seen::New => {
                let result = self.type_message(sender, ask, block_id, terminals);
                let sent = result.as_ref().and_then(|result| result.as_ref().ok()).copied();
                self.state().typed.end(sender.name(), &ask, sent);
                result
            }
        }
    }

    /// `None`: the terminal went away meanwhile, so the message waits like any other.
    fn type_message(
        &self,
        sender: Sender<'_>,
        ask: Outgoing<'_>,
        block_id: &str,
        terminals: &dyn Terminals,
    ) -> Option<Result<Sent, SendError>> {
        let (now, to) = (self.clock.monotonic_ms(), ask.to.as_str());
        let typed = sanitise::typed_from(sender.name(), ask.text);
        let taken = self.state().rates.take(sender, to, now);
        let result = match taken {
            Err(reached) => Err(InjectError::RateLimited(reached)),
            Ok(()) => match terminals.deliver(block_id, &typed.text, None)? {
                Delivery::Delivered => Ok(SendOutcome::Delivered),
                Delivery::Queued => Ok(SendOutcome::Queued),
                Delivery::Failed(reason) => Err(InjectError::Failed(reason)),
            },
        };
        self.write_down(
            result.err(),
            ask.text,
            audit::Inject {
                timestamp: self.clock.unix_ms(),
                source_agent: Some(sender.name().to_owned()),
                target_agent: to.to_owned(),
                block_id: block_id.to_owned(),
                message_length: typed.text.len(),
                error: result.err().map(|error| error.sentence(to, block_id)),
                request_id: ask.id.to_owned(),
                caller: sender.caller(),
            },
        );
        match result {
            Ok(outcome) => Some(Ok(Sent {
                number: 0,
                outcome,
                state: State::Delivered,
                duplicate: false,
                truncated: typed.truncated,
                known: true,
            })),
            Err(InjectError::RateLimited(reached)) => Some(Err(SendError::RateLimited(reached))),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_message_waits_an_hour() {
        let to = AgentId::parse("a").expect("a valid id");
        assert_eq!(Outgoing::on_bus(&to, "x", "1", "me").ttl_ms, 3_600_000);
        assert_eq!(Outgoing::new(&to, "x", "1").ttl_ms, 24 * 3_600_000);
    }
}
