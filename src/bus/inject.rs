//! Inject: typing into a terminal at once.
//!
//! Typing is a privilege (design section 8). The owner has it, and a peer on his behalf; an agent
//! only where the target was started with `accept_typed_from` naming it. The order is that of spec
//! agentmux E.1. [`Bus::bus_inject`] is the message bus's form: where nobody is registered, the text
//! waits in the mailbox.

use serde_json::Value;

use super::{
    Bus, SendError, Sent, Terminals, audit,
    elsewhere::{self, NotForwarded, Route},
    far::Target,
    mail::Priority,
    outgoing::Outgoing,
    rate::{Reached, Sender},
    sanitise,
};
use crate::{
    agent::{Delivery, Submit},
    registry::Speaks,
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

/// An inject, as its caller asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Inject<'a> {
    /// not checked yet: `name` or `name@home`
    pub target: &'a str,
    /// not cleaned yet
    pub message: &'a str,
    /// free text of the caller, never believed
    pub source: Option<&'a str>,
    /// the caller's, or one that was made
    pub request_id: &'a str,
    /// how to submit; `None`: as the agent was started to
    pub submit: Option<Submit>,
    /// whether it waits as a message where no instance that has the agent takes it; `None`: it does not
    pub hold: Option<bool>,
    /// how it came here
    pub route: Route<'a>,
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
    /// what the instance that has the agent says, where there is one and it answers
    pub forwarded: Option<Box<ForwardedInject>>,
    /// beside an error: it waits as a message, held for another instance
    pub held: Option<Box<Sent>>,
    /// `Ok(true)`: it waits behind another; `Ok(false)`: it is typed, here or there, or there it is not said
    pub result: Result<bool, InjectError>,
}

/// What the instance that has the agent says of an inject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedInject {
    /// its home
    pub home: HomeId,
    /// its answer, whole; null where it is not to be handed on
    pub body: Value,
    /// its word for what became of it: `delivered`, `queued`; `None`: it does not say
    pub outcome: Option<String>,
}

/// Why a text was not typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectError {
    /// a rate
    RateLimited(Reached),
    /// the target is not an agent id
    BadId,
    /// an agent asked that its target does not let type
    NotAllowed,
    /// nobody is registered under the target's name
    NotFound,
    /// the registered block is no terminal of ours
    NoController,
    /// the terminal did not take it
    Failed(&'static str),
    /// several instances have an agent of that name: these
    Ambiguous(Vec<Address>),
    /// the instance that has the agent does not have the text
    NotForwarded(NotForwarded),
    /// the agent is of another instance, and its sender was not started to type there
    FarNotAllowed(Address),
}

impl InjectError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            InjectError::RateLimited(_) => "rate_limited",
            InjectError::BadId => "bad_agent_id",
            InjectError::NotAllowed => "typing_not_allowed",
            InjectError::NotFound => "agent_not_found",
            InjectError::NoController => "no_controller",
            InjectError::Failed(_) => "not_typed",
            InjectError::Ambiguous(_) => "ambiguous_agent",
            InjectError::NotForwarded(why) => why.code,
            InjectError::FarNotAllowed(_) => "typing_not_allowed",
        }
    }

    /// The sentence that AgentMux clients know (spec agentmux B.4).
    pub(super) fn sentence(&self, target: &str, block_id: &str) -> String {
        match self {
            InjectError::RateLimited(_) => "rate limit exceeded".to_owned(),
            InjectError::BadId => format!("invalid agent ID: {target}"),
            InjectError::NotAllowed => format!("{target} does not let you type"),
            InjectError::NotFound | InjectError::NotForwarded(_) => format!("agent not found: {target}"),
            InjectError::NoController => format!("no controller for block {block_id}"),
            InjectError::Failed(reason) => (*reason).to_owned(),
            InjectError::Ambiguous(candidates) => elsewhere::ambiguous(candidates),
            InjectError::FarNotAllowed(to) => elsewhere::typing_not_allowed(to),
        }
    }
}

impl InjectAnswer {
    /// Of one that nothing was done with yet; `at` in unix ms.
    pub(super) fn begun(at: u64) -> Self {
        Self {
            timestamp: at,
            block_id: None,
            truncated: false,
            forwarded: None,
            held: None,
            result: Err(InjectError::BadId),
        }
    }

    /// The error's sentence, if there is one.
    pub fn error(&self, target: &str) -> Option<String> {
        let block_id = self.block_id.as_deref().unwrap_or_default();
        self.result.as_ref().err().map(|error| error.sentence(target, block_id))
    }
}

/// An inject of the message bus, as its caller asked for it.
#[derive(Debug, Clone, Copy)]
pub struct BusInject<'a> {
    /// not checked yet
    pub target: &'a str,
    /// not cleaned yet
    pub message: &'a str,
    /// a label of the caller's
    pub from: &'a str,
    /// where it waits
    pub priority: Priority,
    /// of the message, where it waits
    pub id: &'a str,
    /// whether it waits where no instance that has the agent takes it; `None`: it does
    pub hold: Option<bool>,
}

/// What became of an inject of the message bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusInjected {
    /// it went to a terminal
    Typed {
        /// which
        block_id: String,
        /// it will be typed after what is ahead of it
        queued: bool,
        /// it was cut
        truncated: bool,
    },
    /// the instance that has the agent has it
    Forwarded {
        /// its home
        home: HomeId,
        /// the block there, where it is told
        block_id: Option<String>,
        /// its word for what became of it: `delivered`, `queued`, else `forwarded`
        outcome: String,
        /// it was cut there
        truncated: bool,
    },
    /// nobody is registered under the name, so it waits in the mailbox; `held` for another instance
    Mailed(Sent),
}

/// Why an inject of the message bus was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusInjectError {
    /// not typed; the sentence that AgentMux clients know
    Inject(InjectError, String),
    /// not put in the mailbox
    Send(SendError),
}

impl Bus {
    /// Types a text into the terminal of a registered agent: for the owner, a peer, or an agent that
    /// its target accepts.
    pub fn inject(&self, sender: Sender<'_>, ask: Inject<'_>, terminals: &dyn Terminals) -> InjectAnswer {
        if sender == Sender::Peer
            && let Some(answer) = self.answer_from_peer(&ask)
        {
            return answer;
        }
        let mut answer = InjectAnswer::begun(self.clock.unix_ms());
        let mut length = ask.message.len();
        let mut home = None;
        answer.result = (|| {
            let now = self.clock.monotonic_ms();
            let address = Address::parse(ask.target).map_err(|_| InjectError::BadId);
            let accepting = self.accepting(sender, &address, terminals)?;
            let name = address.as_ref().map_or(ask.target, |address| address.name.as_str());
            self.state().rates.take(sender, name, now).map_err(InjectError::RateLimited)?;
            let target = match accepting {
                Some(target) => target,
                None => self.target(sender, &address.clone()?, terminals)?,
            };
            let block_id = match target {
                Target::Block(block_id) => block_id,
                Target::At(peer) => {
                    home = Some(peer.home.clone());
                    return self.inject_elsewhere(sender, &ask, &peer, &mut answer);
                }
            };
            let target = address?.name;
            let typed = match sender {
                Sender::Owner(_) | Sender::Peer | Sender::Api | Sender::FarOwner(_) => {
                    sanitise::typed(ask.message)
                }
                Sender::Agent(name) | Sender::FarAgent(name) => sanitise::typed_from(name, ask.message),
            };
            let typed = if ask.route.redelivered {
                sanitise::typed(&["[redelivered] ", &typed.text].concat())
            } else {
                typed
            };
            length = typed.text.len();
            answer.truncated = typed.truncated;
            let block_id = answer.block_id.insert(block_id);
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
            answer.result.as_ref().err(),
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
                home: home.as_ref().map(HomeId::to_string),
                code: match &answer.result {
                    Err(InjectError::NotForwarded(why)) => Some(why.code),
                    Ok(_) | Err(_) => None,
                },
            },
        );
        if ask.hold == Some(true)
            && let (Err(error), Ok(address)) = (&answer.result, Address::parse(ask.target))
        {
            let plain = Outgoing::new(&address.name, ask.message, ask.request_id);
            let message = Outgoing { from: ask.source, home: address.home.as_ref(), ..plain };
            let held = self.hold_inject(sender, error, message, terminals);
            answer.held = held.ok().flatten().map(Box::new);
        }
        answer
    }

    /// As spec agentmux B.11 and D.4: into the terminal, or where nobody is registered into the
    /// mailbox, and the answer tells which.
    pub fn bus_inject(
        &self,
        sender: Sender<'_>,
        ask: BusInject<'_>,
        terminals: &dyn Terminals,
    ) -> Result<BusInjected, BusInjectError> {
        let inject = Inject {
            target: ask.target,
            message: ask.message,
            source: Some(ask.from),
            request_id: ask.id,
            submit: None,
            hold: None,
            route: Route::default(),
        };
        let mut answer = self.inject(sender, inject, terminals);
        if let (Ok(_), Some(there)) = (&answer.result, answer.forwarded.take()) {
            return Ok(BusInjected::Forwarded {
                home: there.home,
                block_id: answer.block_id,
                outcome: there.outcome.unwrap_or_else(|| "forwarded".to_owned()),
                truncated: answer.truncated,
            });
        }
        let error = match &answer.result {
            Ok(queued) => {
                return Ok(BusInjected::Typed {
                    queued: *queued,
                    block_id: answer.block_id.unwrap_or_default(),
                    truncated: answer.truncated,
                });
            }
            Err(error) => error.clone(),
        };
        if ask.hold != Some(false)
            && let Ok(target) = Address::parse(ask.target)
        {
            let plain = Outgoing::on_bus(&target.name, ask.message, ask.id, ask.from);
            let message = Outgoing { priority: ask.priority, home: target.home.as_ref(), ..plain };
            let held = self.hold_inject(sender, &error, message, terminals);
            if let Some(sent) = held.map_err(BusInjectError::Send)? {
                return Ok(BusInjected::Mailed(sent));
            }
        }
        let sentence = answer.error(ask.target).unwrap_or_default();
        Err(BusInjectError::Inject(error, sentence))
    }

    /// The terminal that lets this agent type: never one that was registered under the same name. One of
    /// another instance asks its own list, or ours where it has none. `None`: the sender is no agent,
    /// and goes by the directory.
    ///
    /// Asked before the rates, which those who may type share: another must not use theirs up. Its
    /// asking is counted with its messages.
    fn accepting(
        &self,
        sender: Sender<'_>,
        address: &Result<Address, InjectError>,
        terminals: &dyn Terminals,
    ) -> Result<Option<Target>, InjectError> {
        let (Sender::Agent(name) | Sender::FarAgent(name)) = sender else { return Ok(None) };
        let now = self.clock.monotonic_ms();
        self.state().sends.take(sender, now).map_err(InjectError::RateLimited)?;
        let address = address.clone()?;
        if self.far_home(address.home.as_ref()).is_some()
            || (self.elsewhere.is_on() && !self.is_known(&address.name, terminals))
        {
            match self.target(sender, &address, terminals)? {
                Target::At(peer)
                    if peer.speaks == Speaks::AgentMux && !self.may_type(sender, &peer, terminals) =>
                {
                    return Err(InjectError::FarNotAllowed(address));
                }
                Target::At(peer) => return Ok(Some(Target::At(peer))),
                // It has appeared here in this moment, and has a list of its own.
                Target::Block(_) => {}
            }
        }
        let terminal = terminals.terminal(&address.name).filter(|terminal| terminal.accepts(name, terminals));
        terminal.map(|terminal| Some(Target::Block(terminal.block_id))).ok_or(InjectError::NotAllowed)
    }

    /// Forgets a registration whose agent has ended: one that ended in the moment it was registered
    /// was not there yet when its end was told.
    fn forget_ended(&self, target: &AgentId, block_id: &str, terminals: &dyn Terminals) {
        if terminals.terminal(target).is_none_or(|terminal| terminal.block_id != block_id) {
            self.state().directory.unregister_block(block_id);
            self.elsewhere.changed();
        }
    }

    pub(super) fn write_down(&self, error: Option<&InjectError>, message: &str, entry: audit::Inject) {
        self.audit.inject(entry, message, matches!(error, Some(InjectError::RateLimited(_))));
    }
}
