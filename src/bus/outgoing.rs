//! What a sender gives and is told: a message on its way into the mailbox or the terminal, its fate, and
//! the form in which clients of AgentMux's message bus see it.
//!
//! Plain data. Who the sender is comes from his credential (admit/), never from here: `from` is a
//! label that is shown beside that.

use serde_json::{Value, json};

use super::{
    elsewhere::{self, NotForwarded, Route},
    mail::{Answer, Kind, MailError, Message, NewMessage, Priority, State},
    rate::{Reached, Sender},
};
use crate::{
    limits,
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

/// How long a message waits where its sender does not say.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A message, as its sender asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// to whom
    pub to: &'a AgentId,
    /// at which home; `None`: here, else wherever there is exactly one of the name
    pub home: Option<&'a HomeId>,
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
    /// whether it waits here where it cannot be handed to another instance; `None`: as its kind does
    pub hold: Option<bool>,
    /// how it came here
    pub route: Route<'a>,
}

impl<'a> Outgoing<'a> {
    /// A plain message, for a day.
    pub fn new(to: &'a AgentId, text: &'a str, id: &'a str) -> Self {
        Self {
            to,
            home: None,
            text,
            id,
            from: None,
            kind: Kind::Send,
            priority: Priority::Normal,
            ttl_ms: DAY_MS,
            correlation_id: None,
            in_reply_to: None,
            hold: None,
            route: Route::default(),
        }
    }

    /// Its target, as its sender named it.
    pub fn address(&self) -> Address {
        Address { name: self.to.clone(), home: self.home.cloned() }
    }

    /// As the mailbox takes it.
    pub(super) fn to_accept(self, sender: Sender<'a>, caller: &'a str, claim: bool) -> NewMessage<'a> {
        NewMessage {
            id: self.id,
            caller,
            from: self.from.unwrap_or(sender.name()),
            to: self.to,
            kind: self.kind,
            text: self.text,
            priority: self.priority,
            ttl_ms: self.ttl_ms,
            correlation_id: self.correlation_id,
            in_reply_to: self.in_reply_to,
            claim,
            hold: self.hold == Some(true),
            via: self.home,
            redelivered: self.route.redelivered,
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
    /// another instance has it
    Forwarded,
    /// of one that was sent before: it was given up, or nobody took it in time
    Failed,
}

impl SendOutcome {
    /// As answers say it.
    pub fn as_str(self) -> &'static str {
        match self {
            SendOutcome::Delivered => "delivered",
            SendOutcome::Queued => "queued",
            SendOutcome::Waiting => "waiting",
            SendOutcome::Forwarded => "forwarded",
            SendOutcome::Failed => "failed",
        }
    }
}

/// What the sender of an accepted message is told.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// the home of the instance that has it, or that it is held for where that is known
    pub home: Option<HomeId>,
    /// it waits here until it can be handed to another instance, or its name appears here
    pub held: bool,
    /// why it is held
    pub why: Option<NotForwarded>,
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
    /// several instances have an agent of that name: these
    Ambiguous(Vec<Address>),
    /// nobody has the name; beside it what is wrong with the entry that seems to be about it
    NotFound(Address, Option<&'static str>),
    /// it was not handed to the instance that has the name, and is not held
    NotForwarded(NotForwarded),
    /// the target is reached by typing only, and its sender was not started to type there
    TypingNotAllowed(Address),
}

impl SendError {
    /// The answer, as /api/v1/ gives it.
    pub fn answer(&self) -> Answer {
        match self {
            SendError::RateLimited(reached) => {
                (429, "rate_limited", format!("rate limit exceeded: {}", reached.sentence()), None)
            }
            SendError::Mail(error) => error.clone().answer(),
            SendError::NoRandomness => {
                (500, "no_randomness", "the system gives no random bytes".to_owned(), None)
            }
            SendError::Ambiguous(candidates) => {
                (409, "ambiguous_agent", elsewhere::ambiguous(candidates), None)
            }
            SendError::NotFound(to, trouble) => {
                (404, "agent_not_found", elsewhere::not_found(to, *trouble), None)
            }
            SendError::NotForwarded(why) => (why.status, why.code, why.sentence.clone(), None),
            SendError::TypingNotAllowed(to) => {
                (403, "typing_not_allowed", elsewhere::typing_not_allowed(to), None)
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

/// A message as clients of AgentMux's bus know it (spec agentmux F): `timestamp` in seconds. Beside
/// that `redelivered` where a reader may have had it before, and what an answer has to name.
pub fn bus_message(message: &Message) -> Value {
    let mut shown = json!({
        "id": message.id,
        "from": message.from,
        "to": message.to.as_str(),
        "type": message.kind.as_str(),
        "payload": message.text,
        "priority": message.priority.as_str(),
        "timestamp": message.sent_at / 1_000,
    });
    if let Some(fields) = shown.as_object_mut() {
        if message.redelivered {
            fields.insert("redelivered".to_owned(), json!(true));
        }
        let marks = [("correlation_id", &message.correlation_id), ("in_reply_to", &message.in_reply_to)];
        for (name, mark) in marks {
            if let Some(mark) = mark {
                fields.insert(name.to_owned(), json!(mark));
            }
        }
    }
    shown
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
