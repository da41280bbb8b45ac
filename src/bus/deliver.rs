//! Send: a message reaches a terminal that accepts its sender, or waits for its reader.
//!
//! Rates come before anything is accepted; what is accepted is on disk before its sender hears so.
//! Who a sender is was decided by his credential: what a message says of itself is a label, kept
//! beside the name and never in its place (design section 8).

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    Bus, InjectError, Terminal, Terminals,
    ask::Waiting,
    audit,
    mail::{Accepted, Answer, Kind, MailError, Message, NewMessage, Priority, State},
    rate::{Reached, Sender},
    typing::Typing,
};
use crate::{limits, wire::id::AgentId};

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
            SendError::Mail(error) => error.clone().answer(),
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

/// Where a message goes.
enum Way {
    /// into the mailbox
    Mailbox,
    /// into this terminal
    Terminal(Terminal),
    /// to the request that waits for it as an answer
    Asker(Arc<Waiting>),
}

impl Bus {
    /// Types a message where the target accepts that from this sender, hands it to whoever asked for
    /// it, or lets it wait.
    pub fn send(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        self.count_send(sender)?;
        let way = self.way(sender, &message, terminals)?;
        self.accept(sender, &message, way, terminals)
    }

    /// Lets a message wait, whoever accepts typed text.
    pub(super) fn mail_only(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        self.count_send(sender)?;
        self.accept(sender, &message, Way::Mailbox, terminals)
    }

    /// A copy for every name on the bus and every running agent but the sender's own. One that finds
    /// no room does not keep the others from theirs. Those that may be typed are typed by
    /// [`Bus::drain`], as fast as that may be.
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
            match self.accept(sender, &copy, Way::Mailbox, terminals) {
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

    /// Decides where a message goes; what would be typed pays for that before it is accepted. One that
    /// was accepted before goes nowhere and pays nothing: its sender is told what he was told.
    fn way(
        &self,
        sender: Sender<'_>,
        message: &Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Way, SendError> {
        if self.mail.knows(&sender.caller(), message.to, message.id) {
            return Ok(Way::Mailbox);
        }
        if let Some(waiting) = self.asks.answered_by(sender, message) {
            return Ok(Way::Asker(waiting));
        }
        let Some(terminal) = terminals.terminal(message.to).filter(|t| t.accepts(sender.name())) else {
            return Ok(Way::Mailbox);
        };
        // What this sender has waiting there comes first; what others have does not keep him back.
        let own = sender.caller();
        if !self.typing.has_room()
            || !self.mail.waiting_for_typing(message.to, &|caller| caller == own).is_empty()
        {
            return Ok(Way::Mailbox);
        }
        let now = self.clock.monotonic_ms();
        let taken = self.state().rates.take(sender, message.to.as_str(), now);
        match taken {
            Ok(()) => Ok(Way::Terminal(terminal)),
            Err(reached) => {
                let error = InjectError::RateLimited(reached);
                self.write_typed(
                    &sender.caller(),
                    message.to,
                    message.id,
                    message.text,
                    &terminal.block_id,
                    Some(error),
                );
                Err(SendError::RateLimited(reached))
            }
        }
    }

    fn accept(
        &self,
        sender: Sender<'_>,
        message: &Outgoing<'_>,
        way: Way,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        let caller = sender.caller();
        let result = self.mail.accept(NewMessage {
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
            claim: !matches!(way, Way::Mailbox),
        });
        let accepted = match result {
            Ok(accepted) => accepted,
            Err(error) => {
                let (_, code, _, _) = error.clone().answer();
                self.write_message(audit::Happened::Refused(code), &caller, message);
                return Err(SendError::Mail(error));
            }
        };
        let known = self.is_known(message.to, terminals);
        let Accepted { number, state, duplicate, handed } = accepted;
        let told = Sent { number, outcome: SendOutcome::Waiting, state, duplicate, truncated: false, known };
        if duplicate {
            return Ok(Sent { outcome: self.outcome_now(number, state), ..told });
        }
        let happened =
            if message.kind == Kind::Ask { audit::Happened::Asked } else { audit::Happened::Accepted };
        self.write_message(happened, &caller, message);
        let back = || Sent { outcome: self.outcome_waiting(message.to), state: State::Accepted, ..told };
        Ok(match (way, handed) {
            (Way::Terminal(terminal), Some(handed)) => {
                match self.type_out(handed, &terminal.block_id, TYPED_WITHIN, terminals) {
                    Typing::Done { truncated } => {
                        Sent { outcome: SendOutcome::Delivered, state: State::Delivered, truncated, ..told }
                    }
                    Typing::Underway { truncated } => {
                        Sent { outcome: SendOutcome::Queued, truncated, ..told }
                    }
                    Typing::Back => back(),
                }
            }
            (Way::Asker(waiting), Some(handed)) => match waiting.put(handed) {
                Ok(()) => Sent { outcome: SendOutcome::Queued, ..told },
                // He has stopped waiting: it is in his mailbox.
                Err(handed) => {
                    drop(handed);
                    back()
                }
            },
            (Way::Mailbox | Way::Terminal(_) | Way::Asker(_), _) => back(),
        })
    }

    /// Of one that waits: somebody is there to take it, or not.
    fn outcome_waiting(&self, to: &AgentId) -> SendOutcome {
        if self.presence.is_live(to) { SendOutcome::Queued } else { SendOutcome::Waiting }
    }

    /// Of one that was accepted before.
    fn outcome_now(&self, number: u64, state: State) -> SendOutcome {
        match state {
            State::Delivered | State::Read => SendOutcome::Delivered,
            State::Delivering if self.typing.holds(number) => SendOutcome::Queued,
            State::Accepted | State::Delivering | State::Failed | State::Expired => SendOutcome::Waiting,
        }
    }

    fn write_message(&self, happened: audit::Happened, caller: &str, message: &Outgoing<'_>) {
        let entry = audit::Message {
            happened,
            caller: caller.to_owned(),
            from: message.from.map(str::to_owned),
            to: message.to.as_str().to_owned(),
            id: message.id.to_owned(),
            kind: message.kind.as_str(),
            message_length: message.text.len(),
        };
        self.audit.message(entry, message.text);
    }
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

/// The name of a caller, as `accept_typed_from` holds it and as it stands before a typed text.
pub(super) fn name_of(caller: &str) -> &str {
    caller.strip_prefix("agent ").unwrap_or(caller)
}

/// Whether a caller is an agent.
pub(super) fn is_agent(caller: &str) -> bool {
    caller.starts_with("agent ")
}

/// How long the sender of a message waits to be told that it is typed.
const TYPED_WITHIN: Duration = Duration::from_millis(250);

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
