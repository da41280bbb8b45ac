//! Injects that are for agents of other instances, and those of AgentMux that answer a question.
//!
//! An inject is typed now or not at all: it is handed over without being accepted here first. Where its
//! sender lets it wait, it becomes a message.

use super::super::{
    Bus, Inject, InjectAnswer, InjectError, Terminals, audit,
    elsewhere::{NotForwarded, Place},
    inject::ForwardedInject,
    mail::Kind,
    outgoing::{Outgoing, SendError, Sent},
    rate::Sender,
};
use super::{nobody, text_for};
use crate::{
    agent::Submit,
    registry::{Carry, Letter, NotReached, Origin, Peer, Speaks},
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

/// Where a text is typed.
pub(in super::super) enum Target {
    /// into this block here
    Block(String),
    /// at another instance
    At(Box<Peer>),
}

impl Bus {
    /// Where an inject goes.
    pub(in super::super) fn target(
        &self,
        sender: Sender<'_>,
        address: &Address,
        terminals: &dyn Terminals,
    ) -> Result<Target, InjectError> {
        match self.locate(sender, &address.name, address.home.as_ref(), None, terminals) {
            Place::Here => {
                let state = self.state();
                let registered = state.directory.get(&address.name).map(|found| found.block_id.clone());
                registered.map(Target::Block).ok_or(InjectError::NotFound)
            }
            Place::At(peer) => Ok(Target::At(peer)),
            Place::Nobody(None) => Err(InjectError::NotFound),
            Place::Nobody(trouble) => {
                let message =
                    Outgoing { home: address.home.as_ref(), ..Outgoing::new(&address.name, "", "") };
                Err(InjectError::NotForwarded(nobody(&message, trouble)))
            }
            Place::Several(candidates) => Err(InjectError::Ambiguous(candidates)),
        }
    }

    /// Hands an inject over; whether it is queued there.
    pub(in super::super) fn inject_elsewhere(
        &self,
        sender: Sender<'_>,
        ask: &Inject<'_>,
        peer: &Peer,
        answer: &mut InjectAnswer,
    ) -> Result<bool, InjectError> {
        if sender == Sender::Peer && ask.route.hops == 0 && peer.speaks == Speaks::AgentMux {
            return Err(InjectError::NotForwarded(circle(peer)));
        }
        let (caller, home) = self.origin(sender);
        let text = text_for(peer.speaks, &caller, Kind::Inject, ask.message, None);
        let address = Address::parse(ask.target).ok();
        let letter = Letter {
            origin: Origin { caller: &caller, home: &home },
            at: address.as_ref().and_then(|address| address.home.as_ref()),
            carry: Carry::Inject,
            text: &text,
            id: ask.request_id,
            from: ask.source,
            priority: "normal",
            ttl_ms: 0,
            correlation_id: None,
            in_reply_to: None,
            redelivered: ask.route.redelivered,
            submit: ask.submit.map(|submit| match submit {
                Submit::Once => "once",
                Submit::Thrice => "thrice",
            }),
            path: ask.route.path,
            hops: ask.route.hops,
        };
        let said = |body, outcome| Some(Box::new(ForwardedInject { home: peer.home.clone(), body, outcome }));
        match self.hand_over(peer, &letter) {
            Ok((body, there)) => {
                let queued = there.outcome.as_deref() == Some("queued");
                answer.block_id = there.block_id;
                answer.truncated = there.truncated;
                answer.forwarded = said(body, there.outcome);
                Ok(queued)
            }
            Err((why, body)) => {
                if !body.is_null() {
                    answer.forwarded = said(body, None);
                }
                Err(InjectError::NotForwarded(why))
            }
        }
    }

    /// Lets a text that was not typed wait as a message, where trying again may be of use. Where it may
    /// have arrived it is marked.
    pub(in super::super) fn hold_inject(
        &self,
        sender: Sender<'_>,
        error: &InjectError,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Option<Sent>, SendError> {
        let ours = matches!(sender, Sender::Owner(_) | Sender::Api);
        let here = message.home;
        let message = Outgoing { kind: Kind::Inject, home: self.far_home(message.home), ..message };
        match error {
            InjectError::NotFound if ours => {
                let is_here = !self.elsewhere.is_on() || self.is_known(message.to, terminals);
                if message.home.is_none() && (is_here || here.is_some()) {
                    return self.mail_only(sender, message, terminals).map(Some);
                }
                self.keep(sender, &message, nobody(&message, None)).map(Some)
            }
            // What is wrong with an entry keeps no agent's text here.
            InjectError::NotForwarded(why)
                if !why.lasting && (ours || (matches!(sender, Sender::Agent(_)) && why.home.is_some())) =>
            {
                let route = super::super::Route { redelivered: why.unsure, ..message.route };
                self.keep(sender, &Outgoing { route, ..message }, why.clone()).map(Some)
            }
            InjectError::RateLimited(_)
            | InjectError::BadId
            | InjectError::NotAllowed
            | InjectError::NotFound
            | InjectError::NoController
            | InjectError::Failed(_)
            | InjectError::Ambiguous(_)
            | InjectError::NotForwarded(_)
            | InjectError::FarNotAllowed(_) => Ok(None),
        }
    }

    /// Takes the inject of an instance of AgentMux as the answer to the question that waits for it: to
    /// the asker, with the question's id or correlation id as request id, and from the one that was
    /// asked. `None`: it answers none. [`Bus::inject`] asks this itself.
    pub fn answer_from_peer(&self, ask: &Inject<'_>) -> Option<InjectAnswer> {
        let address = Address::parse(ask.target).ok()?;
        let asker: &AgentId = &address.name;
        let (waiting, home) = match self.far_home(address.home.as_ref()) {
            None => self.asks.answered_by_peer(asker, ask.source?, ask.request_id)?,
            Some(_) => return None,
        };
        let mut answer = InjectAnswer::begun(self.clock.unix_ms());
        let from = format!("{}@{home}", ask.source?);
        answer.result = (|| {
            let now = self.clock.monotonic_ms();
            let taken = self.state().rates.take(Sender::Peer, asker.as_str(), now);
            taken.map_err(InjectError::RateLimited)?;
            let failed = |_| InjectError::Failed("the answer could not be kept");
            let id = self.fresh_id().map_err(failed)?;
            let reply = Outgoing {
                kind: Kind::Reply,
                from: Some(&from),
                in_reply_to: Some(waiting.id()),
                ..Outgoing::new(asker, ask.message, &id)
            };
            self.answer(Sender::Peer, &reply, waiting.clone()).map_err(failed)?;
            Ok(true)
        })();
        let entry = audit::Inject {
            timestamp: answer.timestamp,
            source_agent: ask.source.map(str::to_owned),
            target_agent: ask.target.to_owned(),
            block_id: String::new(),
            message_length: ask.message.len(),
            error: answer.error(ask.target),
            request_id: ask.request_id.to_owned(),
            caller: Sender::Peer.caller(),
            home: Some(HomeId::to_string(&home)),
            code: None,
        };
        self.write_down(answer.result.as_ref().err(), ask.message, entry);
        Some(answer)
    }
}

/// AgentMux 0.33.790 hands on neither hops nor a path: what came from it without them is not sent to its
/// kind, where it may come round again.
fn circle(peer: &Peer) -> NotForwarded {
    NotForwarded {
        status: 502,
        code: NotReached::Loop.code(),
        sentence: format!("{}: it came from an instance of AgentMux, and may come round again", peer.agent),
        home: Some(peer.home.clone()),
        unsure: false,
        lasting: false,
    }
}
