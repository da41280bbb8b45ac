//! Messages to agents of other instances: accepted here first, then handed over.
//!
//! What cannot be handed over waits in the mailbox here, if it is to be held, and is tried again
//! ([`super::held`]); it comes marked only where it may have arrived. An instance that knows typing only
//! is typed into, by whom that is allowed. What came from another instance is handed on at once or
//! not at all.

mod inject;

use std::borrow::Cow;

pub(super) use inject::Target;

use super::{
    Bus, Terminals, audit,
    deliver::name_of,
    elsewhere::{NotForwarded, Place},
    mail::{Accepted, Kind, Message, NOT_FORWARDED, State},
    outgoing::{Outgoing, SendError, SendOutcome, Sent},
    rate::Sender,
    sanitise,
};
use crate::{
    registry::{Carry, Letter, Origin, Peer, Speaks, There},
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

impl Bus {
    /// Sends to a name that is not here.
    pub(super) fn send_elsewhere(
        &self,
        sender: Sender<'_>,
        message: &Outgoing<'_>,
        place: Place,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        let result = self.try_elsewhere(sender, message, place, terminals);
        if let Err(error) = &result {
            let (_, code, _, _) = error.answer();
            let home = match error {
                SendError::NotForwarded(why) => why.home.as_ref(),
                SendError::RateLimited(_)
                | SendError::Mail(_)
                | SendError::NoRandomness
                | SendError::Ambiguous(_)
                | SendError::NotFound(..)
                | SendError::TypingNotAllowed(_) => None,
            };
            self.write_far(audit::Happened::Refused(code), &sender.caller(), message, home);
        }
        result
    }

    fn try_elsewhere(
        &self,
        sender: Sender<'_>,
        message: &Outgoing<'_>,
        place: Place,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        let caller = sender.caller();
        let hold = self.holds(message);
        let peer = match place {
            Place::At(peer) => peer,
            Place::Several(candidates) => return Err(SendError::Ambiguous(candidates)),
            Place::Here | Place::Nobody(_) => {
                let trouble = if let Place::Nobody(trouble) = place { trouble } else { None };
                let ours = matches!(sender, Sender::Owner(_) | Sender::Api | Sender::Peer);
                if hold && ours {
                    return self.keep(sender, message, nobody(message, trouble));
                }
                return Err(SendError::NotFound(message.address(), trouble));
            }
        };
        self.may_hand_over(sender, &peer, message.to, terminals)?;
        if matches!(sender, Sender::FarOwner(_) | Sender::FarAgent(_)) {
            return self.hand_on(sender, message, &peer);
        }
        if hold && self.mail.has_held(&caller, message.to, message.home) {
            return self.keep(sender, message, behind(message));
        }
        let new = Outgoing { hold: Some(true), ..*message };
        let Accepted { number, state, duplicate, handed } =
            self.mail.accept(new.to_accept(sender, &caller, true)).map_err(SendError::Mail)?;
        let Some(handed) = handed else {
            return Ok(self.told_again(number, state, duplicate, true));
        };
        self.write_far(accepted(message.kind), &caller, message, Some(&peer.home));
        let told = Sent {
            number,
            outcome: SendOutcome::Forwarded,
            state: State::Forwarded,
            duplicate: false,
            truncated: false,
            known: true,
            home: Some(peer.home.clone()),
            held: false,
            why: None,
        };
        let Some(letter) = handed.messages.first() else { return Ok(told) };
        match self.forward_message(&peer, letter) {
            Ok(there) => {
                handed.forwarded(&peer.home);
                self.forwarding.answered(&peer);
                self.write_far(audit::Happened::Forwarded, &caller, message, Some(&peer.home));
                Ok(Sent { truncated: there.truncated, ..told })
            }
            Err(why) if why.lasting || !hold => {
                handed.refused(&reason(&why));
                Err(SendError::NotForwarded(why))
            }
            Err(why) => {
                if why.unsure {
                    drop(handed);
                } else {
                    handed.unsent();
                }
                self.forwarding.failed(&peer, &caller, why.code, self.clock.monotonic_ms());
                self.write_far(audit::Happened::Held(why.code), &caller, message, Some(&peer.home));
                self.forwarding.wake();
                Ok(Sent {
                    outcome: SendOutcome::Waiting,
                    state: State::Accepted,
                    held: true,
                    why: Some(why),
                    ..told
                })
            }
        }
    }

    /// Whether a message waits here where it cannot be handed over.
    fn holds(&self, message: &Outgoing<'_>) -> bool {
        message.hold.unwrap_or(message.kind != Kind::Ask && self.elsewhere.is_on())
    }

    /// Lets a message wait for another instance.
    pub(super) fn keep(
        &self,
        sender: Sender<'_>,
        message: &Outgoing<'_>,
        why: NotForwarded,
    ) -> Result<Sent, SendError> {
        let caller = sender.caller();
        let new = Outgoing { hold: Some(true), ..*message };
        let accepted_ = self.mail.accept(new.to_accept(sender, &caller, false)).map_err(SendError::Mail)?;
        let known = why.status != 404;
        if accepted_.duplicate {
            return Ok(self.told_again(accepted_.number, accepted_.state, true, known));
        }
        self.write_far(audit::Happened::Held(why.code), &caller, message, why.home.as_ref());
        self.forwarding.wake();
        Ok(Sent {
            number: accepted_.number,
            outcome: SendOutcome::Waiting,
            state: State::Accepted,
            duplicate: false,
            truncated: false,
            known,
            home: why.home.clone().or_else(|| message.home.cloned()),
            held: true,
            why: Some(why),
        })
    }

    /// Hands on what came from another instance; nothing of it is kept.
    fn hand_on(&self, sender: Sender<'_>, message: &Outgoing<'_>, peer: &Peer) -> Result<Sent, SendError> {
        let (caller, home) = self.origin(sender);
        let text = text_for(peer.speaks, &caller, message.kind, message.text, message.correlation_id);
        let letter = Letter {
            origin: Origin { caller: &caller, home: &home },
            at: message.home,
            carry: carry(message.kind, peer.speaks),
            text: &text,
            id: message.id,
            from: message.from,
            priority: message.priority.as_str(),
            ttl_ms: message.ttl_ms,
            correlation_id: message.correlation_id,
            in_reply_to: message.in_reply_to,
            redelivered: message.route.redelivered,
            submit: None,
            path: message.route.path,
            hops: message.route.hops,
        };
        let there = match self.hand_over(peer, &letter) {
            Ok((_, there)) => there,
            Err((why, _)) => return Err(SendError::NotForwarded(why)),
        };
        self.write_far(audit::Happened::Forwarded, &sender.caller(), message, Some(&peer.home));
        let outcome = match there.outcome.as_deref() {
            Some("delivered") => SendOutcome::Delivered,
            Some("waiting") => SendOutcome::Waiting,
            Some(_) | None => SendOutcome::Queued,
        };
        Ok(Sent {
            number: 0,
            outcome,
            state: State::Forwarded,
            duplicate: there.duplicate,
            truncated: there.truncated,
            known: true,
            home: Some(peer.home.clone()),
            held: false,
            why: None,
        })
    }

    /// Who a sender is for other instances, and at which home.
    pub(super) fn origin(&self, sender: Sender<'_>) -> (String, HomeId) {
        let own = || self.elsewhere.home().clone();
        match sender {
            Sender::Owner(_) => ("owner".to_owned(), own()),
            // Nobody of ours: another instance, which does not say for whom it speaks.
            Sender::Peer => ("peer".to_owned(), own()),
            Sender::Api => ("api".to_owned(), own()),
            Sender::Agent(name) => (format!("agent {name}"), own()),
            Sender::FarOwner(shown) | Sender::FarAgent(shown) => {
                let (name, home) = shown.split_once('@').unwrap_or((shown, ""));
                let home = HomeId::parse(home).unwrap_or_else(|_| own());
                let agent = matches!(sender, Sender::FarAgent(_));
                (if agent { format!("agent {name}") } else { name.to_owned() }, home)
            }
        }
    }

    /// Whether this sender's text may go to an instance: where that knows typing only, typing there is
    /// what he has to be allowed, and costs what typing costs.
    fn may_hand_over(
        &self,
        sender: Sender<'_>,
        peer: &Peer,
        to: &AgentId,
        terminals: &dyn Terminals,
    ) -> Result<(), SendError> {
        if peer.speaks == Speaks::Loopgate {
            return Ok(());
        }
        if !self.may_type(sender, peer, terminals) {
            let to = Address { name: to.clone(), home: Some(peer.home.clone()) };
            return Err(SendError::TypingNotAllowed(to));
        }
        let now = self.clock.monotonic_ms();
        self.state().rates.take(sender, to.as_str(), now).map_err(SendError::RateLimited)
    }

    /// Whether this sender may type into an agent of an instance that cannot ask its own list.
    pub(super) fn may_type(&self, sender: Sender<'_>, peer: &Peer, terminals: &dyn Terminals) -> bool {
        match sender {
            Sender::Owner(_) | Sender::Api | Sender::Peer | Sender::FarOwner(_) => true,
            Sender::Agent(name) => AgentId::parse(name).is_ok_and(|name| agent_may(&name, peer, terminals)),
            // What its own instance lets it do is not known here.
            Sender::FarAgent(_) => false,
        }
    }

    /// Hands over a message that is held for that.
    pub(super) fn forward_message(&self, peer: &Peer, message: &Message) -> Result<There, NotForwarded> {
        let caller = message.caller.as_str();
        let correlation = message.correlation_id.as_deref();
        let text = text_for(peer.speaks, caller, message.kind, &message.text, correlation);
        let letter = Letter {
            origin: Origin { caller, home: self.elsewhere.home() },
            at: message.via.as_ref(),
            carry: carry(message.kind, peer.speaks),
            text: &text,
            id: &message.id,
            from: Some(&message.from),
            priority: message.priority.as_str(),
            ttl_ms: message.expires_at.saturating_sub(self.clock.unix_ms()),
            correlation_id: correlation,
            in_reply_to: message.in_reply_to.as_deref(),
            redelivered: message.redelivered,
            submit: None,
            path: &[],
            hops: 0,
        };
        self.hand_over(peer, &letter).map(|(_, there)| there).map_err(|(why, _)| why)
    }

    /// Of one that was accepted before.
    fn told_again(&self, number: u64, state: State, duplicate: bool, known: bool) -> Sent {
        let (held, home) = self.mail.kept_for(number);
        Sent {
            number,
            outcome: self.outcome_now(number, state),
            state,
            duplicate,
            truncated: false,
            known,
            home,
            held,
            why: None,
        }
    }

    /// Writes down what became of a message for another instance.
    pub(super) fn write_far(
        &self,
        happened: audit::Happened,
        caller: &str,
        message: &Outgoing<'_>,
        home: Option<&HomeId>,
    ) {
        let entry = audit::Message {
            happened,
            caller: caller.to_owned(),
            from: message.from.map(str::to_owned),
            to: message.address().to_string(),
            id: message.id.to_owned(),
            kind: message.kind.as_str(),
            home: home.map(HomeId::to_string),
            message_length: message.text.len(),
        };
        self.audit.message(entry, message.text);
    }
}

/// Whether an agent of ours was started to type into that agent.
pub(super) fn agent_may(name: &AgentId, peer: &Peer, terminals: &dyn Terminals) -> bool {
    let full = format!("{}@{}", peer.agent, peer.home);
    terminals.may_type_into(name).iter().any(|target| *target == full || target == peer.agent.as_str())
}

/// Why a message is given up, or waits, as its history says.
pub(super) fn reason(why: &NotForwarded) -> String {
    match &why.home {
        Some(home) => format!("{NOT_FORWARDED} to {home}: {}", why.code),
        None => format!("{NOT_FORWARDED}: {}", why.code),
    }
}

/// Nobody has the name yet.
pub(super) fn nobody(message: &Outgoing<'_>, trouble: Option<&'static str>) -> NotForwarded {
    NotForwarded {
        status: 404,
        code: trouble.unwrap_or("agent_not_found"),
        sentence: super::elsewhere::not_found(&message.address(), trouble),
        home: None,
        unsure: false,
        lasting: false,
    }
}

fn behind(message: &Outgoing<'_>) -> NotForwarded {
    NotForwarded {
        status: 503,
        code: "held_before",
        sentence: format!("what was sent to {} before is held, and goes first", message.address()),
        home: None,
        unsure: false,
        lasting: false,
    }
}

fn accepted(kind: Kind) -> audit::Happened {
    if kind == Kind::Ask { audit::Happened::Asked } else { audit::Happened::Accepted }
}

/// How a message is to be treated there. What waited here as a message is one there, whatever it was
/// meant as: so it is known if it comes twice.
fn carry(kind: Kind, speaks: Speaks) -> Carry {
    match (speaks, kind) {
        (Speaks::AgentMux, _) => Carry::Inject,
        (Speaks::Loopgate, Kind::Ask) => Carry::Ask,
        (Speaks::Loopgate, Kind::Reply) => Carry::Reply,
        (Speaks::Loopgate, Kind::Send | Kind::Inject | Kind::Broadcast) => Carry::Send,
    }
}

/// The words as they leave. Where they are typed as they come, an agent's show on every line whose they
/// are, and a question says how it is answered.
fn text_for<'a>(
    speaks: Speaks,
    caller: &str,
    kind: Kind,
    text: &'a str,
    correlation: Option<&str>,
) -> Cow<'a, str> {
    if speaks == Speaks::Loopgate {
        return Cow::Borrowed(text);
    }
    let name = name_of(caller);
    let mut text = Cow::Borrowed(text);
    if caller != name {
        text = Cow::Owned(sanitise::typed_from(name, &text).text);
    }
    if let (Kind::Ask, Some(id)) = (kind, correlation) {
        text.to_mut().push_str(&format!("\n(answer: inject to {name} with request_id {id})"));
    }
    text
}
