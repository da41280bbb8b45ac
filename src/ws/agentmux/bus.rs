//! `bus:*` on a connection (spec agentmux D.4): the message bus of names that are pushed to.
//!
//! An answer goes out before what it caused is pushed. A message that is pushed is taken for good
//! only when the socket has all of its frame; a connection that ends before gives it back, and it
//! comes again, marked.

use serde_json::{Map, Value, json};

use super::AgentMux;
use crate::{
    bus::{
        BusInject, BusInjectError, BusInjected, Outgoing, SendError, Sent, ToAll, mail::Priority,
        rate::Sender,
    },
    limits,
    wire::{address::Address, id::AgentId},
    ws::Out,
};

/// Messages that are taken at once for one name.
const TAKEN: usize = 8;

/// Bytes of texts that are taken at once, one message more excepted.
const TAKEN_BYTES: usize = 64 * 1024;

/// An answer of the bus, or what `bus:error` says.
type Done = Result<Value, Map<String, Value>>;

impl AgentMux {
    /// `bus:register`.
    pub(super) fn register(&mut self, name: &str, out: &mut Out<'_>) {
        let registered = agent_id(name).and_then(|id| {
            let bus = self.instance.bus();
            bus.register_socket(&id, self.socket, self.wake.clone()).map_err(|full| {
                let (code, sentence, limit) = full.answer();
                limited(error(code, &sentence), limit)
            })?;
            self.names = bus.presence.names_of(self.socket);
            self.mail_due = true;
            Ok(json!({ "type": "bus:registered", "agent_id": name }))
        });
        answer(registered, out);
    }

    /// `bus:send`.
    pub(super) fn send(&self, from: &str, to: &str, text: &str, priority: Priority, out: &mut Out<'_>) {
        let bus = self.instance.bus();
        let sent = address(to).and_then(|to| {
            fits(text)?;
            let id = bus.fresh_id().map_err(refused)?;
            let message =
                Outgoing { priority, home: to.home.as_ref(), ..Outgoing::on_bus(&to.name, text, &id, from) };
            let sent = bus.send(Sender::Owner(from), message, self.instance.terminals()).map_err(refused)?;
            let mut done = json!({ "type": "bus:sent", "message_id": id, "outcome": sent.outcome.as_str() });
            put_where(&mut done, &sent);
            Ok(done)
        });
        answer(sent, out);
    }

    /// `bus:inject`.
    pub(super) fn inject(&self, from: &str, target: &str, text: &str, priority: Priority, out: &mut Out<'_>) {
        let bus = self.instance.bus();
        let injected = fits(text).and_then(|()| {
            let id = bus.fresh_id().map_err(refused)?;
            let ask = BusInject { target, message: text, from, priority, id: &id, hold: None };
            match bus.bus_inject(Sender::Owner(from), ask, self.instance.terminals()) {
                Ok(BusInjected::Typed { block_id, queued, truncated }) => {
                    let outcome = if queued { "queued" } else { "delivered" };
                    let mut done = json!({
                        "type": "bus:injected", "via": "pty", "block_id": block_id, "outcome": outcome,
                    });
                    if let (true, Some(done)) = (truncated, done.as_object_mut()) {
                        done.insert("truncated".to_owned(), json!(true));
                    }
                    Ok(done)
                }
                Ok(BusInjected::Forwarded { home, block_id, outcome, truncated }) => {
                    let mut done = json!({
                        "type": "bus:injected", "via": "forward", "outcome": outcome, "home": home.as_str(),
                    });
                    if let (Some(block_id), Some(done)) = (block_id, done.as_object_mut()) {
                        done.insert("block_id".to_owned(), json!(block_id));
                    }
                    if let (true, Some(done)) = (truncated, done.as_object_mut()) {
                        done.insert("truncated".to_owned(), json!(true));
                    }
                    Ok(done)
                }
                Ok(BusInjected::Mailed(sent)) => {
                    let mut done = json!({
                        "type": "bus:injected", "via": "messagebus", "message_id": id,
                        "outcome": sent.outcome.as_str(),
                    });
                    put_where(&mut done, &sent);
                    Ok(done)
                }
                Err(BusInjectError::Inject(why, sentence)) => Err(error(why.code(), &sentence)),
                Err(BusInjectError::Send(why)) => Err(refused(why)),
            }
        });
        answer(injected, out);
    }

    /// `bus:broadcast`.
    pub(super) fn broadcast(&self, from: &str, text: &str, priority: Priority, out: &mut Out<'_>) {
        let told = fits(text).and_then(|()| {
            let to_all = ToAll { from, text, priority };
            let bus = self.instance.bus();
            let told =
                bus.broadcast(Sender::Owner(from), to_all, self.instance.terminals()).map_err(refused)?;
            let mut done = json!({
                "type": "bus:broadcasted", "delivered": told.delivered, "queued": told.queued,
            });
            if let (true, Some(done)) = (told.refused > 0, done.as_object_mut()) {
                done.insert("refused".to_owned(), json!(told.refused));
            }
            Ok(done)
        });
        answer(told, out);
    }

    /// Pushes some of what waits for the names of this connection: one name's at a time, because the
    /// outbox has room for what is taken at once, whatever its JSON makes of it, and not for sixteen
    /// times that.
    pub(super) fn push_mail(&mut self, out: &mut Out<'_>) {
        if !self.mail_due || self.names.is_empty() {
            return;
        }
        // A newer connection, or a poll, may have taken a name over.
        self.names = self.instance.bus().presence.names_of(self.socket);
        self.mail_due = false;
        let after = self.names.partition_point(|name| self.pushed.as_ref().is_some_and(|last| name <= last));
        let (before, behind) = self.names.split_at(after);
        for name in behind.iter().chain(before) {
            let Some(parcel) = self.instance.take(name, TAKEN, TAKEN_BYTES) else { continue };
            let mut last = 0;
            for message in &parcel.messages {
                last = out.text(&json!({ "type": "bus:message", "data": message }).to_string());
            }
            self.handed.push((last, parcel));
            // There may be more, of this name or of the others, whose turn is next.
            self.mail_due = true;
            self.pushed = Some(name.clone());
            return;
        }
    }
}

/// Says which instance has a message, or that it is held for one. Why is not told: clients of a socket take
/// an `error` for a refusal.
fn put_where(done: &mut Value, sent: &Sent) {
    let Some(done) = done.as_object_mut() else { return };
    if let Some(home) = &sent.home {
        done.insert("home".to_owned(), json!(home.as_str()));
    }
    if sent.held {
        done.insert("held".to_owned(), json!(true));
    }
}

fn address(name: &str) -> Result<Address, Map<String, Value>> {
    Address::parse(name).map_err(|_| error("bad_agent_id", &format!("invalid agent ID: {name:.64}")))
}

fn agent_id(name: &str) -> Result<AgentId, Map<String, Value>> {
    AgentId::parse(name).map_err(|_| error("bad_agent_id", &format!("invalid agent ID: {name:.64}")))
}

/// A frame may be longer than a message's text: whoever sends one that is too long is told so.
fn fits(text: &str) -> Result<(), Map<String, Value>> {
    if text.len() <= limits::MESSAGE_TEXT {
        return Ok(());
    }
    let sentence = format!("a message may have {} bytes", limits::MESSAGE_TEXT);
    Err(limited(error("payload_too_large", &sentence), limits::MESSAGE_TEXT))
}

fn refused(why: SendError) -> Map<String, Value> {
    let (code, sentence, limit) = why.on_bus();
    let refused = error(code, &sentence);
    match limit.and_then(|limit| usize::try_from(limit).ok()) {
        Some(limit) => limited(refused, limit),
        None => refused,
    }
}

fn error(code: &str, sentence: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("type".to_owned(), json!("bus:error"));
    fields.insert("error".to_owned(), json!(sentence));
    fields.insert("code".to_owned(), json!(code));
    fields
}

fn limited(mut error: Map<String, Value>, limit: usize) -> Map<String, Value> {
    error.insert("limit".to_owned(), json!(limit));
    error
}

fn answer(done: Done, out: &mut Out<'_>) {
    out.text(&done.unwrap_or_else(Value::Object).to_string());
}
