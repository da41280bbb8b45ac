//! Inject and send: how a text gets into an agent's terminal, or does not.
//!
//! Typing into a terminal is a privilege (design section 8). The owner has it, and a peer on his
//! behalf: that is [`Bus::inject`], in the order of spec agentmux E.1. Anybody's [`Bus::send`] is
//! typed only where the target was started to accept it from this sender; else it waits.

use super::{
    Bus, Terminals, audit,
    mail::{Full, Message},
    rate::{Reached, Sender},
    sanitise,
    typed::Seen,
};
use crate::{
    agent::{Delivery, Submit},
    wire::id::AgentId,
};

/// An inject, as its caller asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Inject<'a> {
    /// not checked yet
    pub target: &'a str,
    /// not cleaned yet
    pub message: &'a str,
    /// free text of the caller, never believed
    pub source: Option<&'a str>,
    /// the caller's, or one that was made
    pub request_id: &'a str,
    /// how to submit; `None`: as the agent was started to
    pub submit: Option<Submit>,
}

/// What became of an inject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectAnswer {
    /// unix ms
    pub timestamp: u64,
    /// the block, where one was found
    pub block_id: Option<String>,
    /// whether the text was cut
    pub truncated: bool,
    /// `Ok(true)`: it waits behind another; `Ok(false)`: it is typed
    pub result: Result<bool, InjectError>,
}

/// Why a text was not typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectError {
    /// a rate
    RateLimited(Reached),
    /// the target is not an agent id
    BadId,
    /// nobody is registered under the target's name
    NotFound,
    /// the registered block is no terminal of ours
    NoController,
    /// the terminal did not take it
    Failed(&'static str),
}

impl InjectError {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            InjectError::RateLimited(_) => "rate_limited",
            InjectError::BadId => "bad_agent_id",
            InjectError::NotFound => "agent_not_found",
            InjectError::NoController => "no_controller",
            InjectError::Failed(_) => "not_typed",
        }
    }

    /// The sentence that AgentMux clients know (spec agentmux B.4).
    fn sentence(self, target: &str, block_id: &str) -> String {
        match self {
            InjectError::RateLimited(_) => "rate limit exceeded".to_owned(),
            InjectError::BadId => format!("invalid agent ID: {target}"),
            InjectError::NotFound => format!("agent not found: {target}"),
            InjectError::NoController => format!("no controller for block {block_id}"),
            InjectError::Failed(reason) => reason.to_owned(),
        }
    }
}

impl InjectAnswer {
    /// The error's sentence, if there is one.
    pub fn error(&self, target: &str) -> Option<String> {
        let block_id = self.block_id.as_deref().unwrap_or_default();
        self.result.err().map(|error| error.sentence(target, block_id))
    }
}

/// A message, as its sender asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// to whom
    pub to: &'a AgentId,
    /// not cleaned yet
    pub text: &'a str,
    /// the sender's, or one that was made
    pub id: &'a str,
}

/// What became of a message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// it is typed
    Delivered,
    /// it will be typed after what is ahead of it
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
    /// what became of it
    pub outcome: SendOutcome,
    /// whether the text was cut to be typed; one that waits never is
    pub truncated: bool,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// it would be typed, and a rate or the terminal forbids that now
    NotTyped(InjectError),
    /// another request is typing the same message
    Underway,
    /// it would wait, and there is no room
    Full(Full),
}

impl Sender<'_> {
    /// The name that a target's `accept_typed_from` may hold, and that stands before a typed text.
    fn name(&self) -> &str {
        match self {
            Sender::Owner(_) => "owner",
            Sender::Agent(name) => name,
            Sender::Api => "api",
            Sender::Peer => "peer",
        }
    }

    /// As the audit writes it.
    fn caller(&self) -> String {
        match self {
            Sender::Agent(name) => format!("agent {name}"),
            Sender::Owner(_) | Sender::Api | Sender::Peer => self.name().to_owned(),
        }
    }
}

impl Bus {
    /// Types a text into the terminal of a registered agent, for the owner or a peer.
    pub fn inject(&self, sender: Sender<'_>, ask: Inject<'_>, terminals: &dyn Terminals) -> InjectAnswer {
        let mut answer = InjectAnswer {
            timestamp: self.clock.unix_ms(),
            block_id: None,
            truncated: false,
            result: Err(InjectError::BadId),
        };
        let mut length = ask.message.len();
        answer.result = (|| {
            let now = self.clock.monotonic_ms();
            self.state().rates.take(sender, ask.target, now).map_err(InjectError::RateLimited)?;
            let target = AgentId::parse(ask.target).map_err(|_| InjectError::BadId)?;
            let typed = sanitise::typed(ask.message);
            length = typed.text.len();
            answer.truncated = typed.truncated;
            let block_id = self.state().directory.get(&target).map(|r| r.block_id.clone());
            let block_id = answer.block_id.insert(block_id.ok_or(InjectError::NotFound)?);
            let queued = match terminals.deliver(block_id, &typed.text, ask.submit) {
                None => return Err(InjectError::NoController),
                Some(Delivery::Failed(reason)) => {
                    self.forget_ended(&target, block_id, terminals);
                    return Err(InjectError::Failed(reason));
                }
                Some(Delivery::Queued) => true,
                Some(Delivery::Delivered) => false,
            };
            self.state().directory.seen(&target, answer.timestamp);
            Ok(queued)
        })();
        self.write_down(
            answer.result.err(),
            ask.message,
            audit::Inject {
                timestamp: answer.timestamp,
                source_agent: ask.source.map(str::to_owned),
                target_agent: ask.target.to_owned(),
                block_id: answer.block_id.clone().unwrap_or_default(),
                message_length: length,
                error: answer.error(ask.target),
                request_id: ask.request_id.to_owned(),
                caller: sender.caller(),
            },
        );
        answer
    }

    /// Types a message where the target accepts that from this sender, or lets it wait.
    pub fn send(
        &self,
        sender: Sender<'_>,
        ask: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        let terminal =
            terminals.terminal(ask.to).filter(|t| t.accept_typed_from.iter().any(|who| who == sender.name()));
        if let Some(terminal) = terminal
            && let Some(result) = self.type_once(sender, ask, &terminal.block_id, terminals)
        {
            return result;
        }
        let message = Message {
            id: ask.id.to_owned(),
            from: sender.name().to_owned(),
            text: ask.text.to_owned(),
            sent_at: self.clock.unix_ms(),
        };
        self.state().mail.put(ask.to, message).map_err(SendError::Full)?;
        Ok(Sent { outcome: SendOutcome::Waiting, truncated: false })
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
            Seen::Typed(sent) => Some(Ok(sent)),
            Seen::Underway => Some(Err(SendError::Underway)),
            Seen::New => {
                let result = self.type_message(sender, ask, block_id, terminals);
                let sent = result.and_then(Result::ok);
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
        let sent = result.map(|outcome| Sent { outcome, truncated: typed.truncated });
        Some(sent.map_err(SendError::NotTyped))
    }

    /// Forgets a registration whose agent has ended: one that ended in the moment it was registered
    /// was not there yet when its end was told.
    fn forget_ended(&self, target: &AgentId, block_id: &str, terminals: &dyn Terminals) {
        if terminals.terminal(target).is_none_or(|terminal| terminal.block_id != block_id) {
            self.state().directory.unregister_block(block_id);
        }
    }

    fn write_down(&self, error: Option<InjectError>, message: &str, entry: audit::Inject) {
        self.audit.inject(entry, message, matches!(error, Some(InjectError::RateLimited(_))));
    }
}
