//! Messages as their owner sees them: sent, looked at, found by their id, dead and sent again.
//!
//! Looking changes nothing. Every list comes in pages bounded in number and bytes, and what a
//! limit refuses names the limit. The shapes are those of an agent's own inbox too.

use serde_json::{Map, Value, json};

use super::{
    App,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::{Caller, Who},
    bus::{
        Outgoing, SendError, is_correlation_id,
        mail::{Kind, Priority},
        rate::Sender,
    },
    limits,
    wire::{
        id::AgentId,
        json::{Error, Fields},
    },
};

/// Words for the order of those that wait.
const PRIORITIES: &[(&str, Priority)] =
    &[("normal", Priority::Normal), ("high", Priority::High), ("urgent", Priority::Urgent)];
/// What a correlation id may be.
const CORRELATION_ID: &str = "1 to 128 ASCII letters, digits, dots, _ and -, and neither . nor ..";

/// `POST /api/v1/agents/:id/send`: the owner's message. He need not wait for the agent to exist.
pub(super) fn send(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let to = agent_of(request)?;
    let body = request.json()?;
    deliver(app, sender(caller), &to, Fields::of(&body)?)
}

/// Who speaks on the owner's routes.
fn sender(caller: &Caller) -> Sender<'_> {
    match caller.who() {
        Who::Api => Sender::Api,
        Who::Owner | Who::Peer | Who::Agent(_) | Who::Config | Who::Loopback => Sender::Owner(""),
    }
}

/// The part of a send that is the same for everybody.
pub(super) fn deliver(app: &App, sender: Sender<'_>, to: &AgentId, fields: Fields<'_>) -> Result {
    let text = fields.text("text")?;
    let id = message_id(app, fields)?;
    let in_reply_to = bounded(fields, "in_reply_to")?;
    let message = Outgoing {
        kind: if in_reply_to.is_some() { Kind::Reply } else { Kind::Send },
        priority: priority(fields)?,
        correlation_id: correlation_id(fields)?,
        in_reply_to,
        ..Outgoing::new(to, text, &id)
    };
    let sent = app.bus.send(sender, message, &*app.fleet).map_err(send_fault)?;
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("id", json!(id));
    put("to", json!(to.as_str()));
    put("outcome", json!(sent.outcome.as_str()));
    put("state", json!(sent.state.as_str()));
    put("known", json!(sent.known));
    for (name, is) in [("duplicate", sent.duplicate), ("truncated", sent.truncated)] {
        if is {
            put(name, json!(true));
        }
    }
    ok(&Value::Object(answer))
}

/// The sender's id for a message, or a fresh one.
pub(super) fn message_id(app: &App, fields: Fields<'_>) -> Result<String> {
    match bounded(fields, "id")? {
        Some(id) => Ok(id.to_owned()),
        None => app.fresh_id(),
    }
}

pub(super) fn priority(fields: Fields<'_>) -> Result<Priority> {
    Ok(fields.optional_word("priority", PRIORITIES)?.unwrap_or(Priority::Normal))
}

pub(super) fn correlation_id(fields: Fields<'_>) -> Result<Option<&str>> {
    match fields.optional_text("correlation_id")? {
        Some(id) if !is_correlation_id(id) => Err(Error::wrong("correlation_id", CORRELATION_ID).into()),
        id => Ok(id),
    }
}

/// A message's id in a field.
fn bounded<'a>(fields: Fields<'a>, name: &'static str) -> Result<Option<&'a str>> {
    match fields.optional_text(name)? {
        Some(id) if !(1..=limits::MESSAGE_ID).contains(&id.len()) => {
            Err(Error::wrong(name, format!("1 to {} bytes long", limits::MESSAGE_ID)).into())
        }
        id => Ok(id),
    }
}

fn agent_of(request: &Request<'_>) -> Result<AgentId> {
    AgentId::parse(request.id).map_err(|_| Fault::new(400, "bad_agent_id", "the path does not name an agent"))
}

/// Why a message was not accepted, as an answer.
pub(super) fn send_fault(error: SendError) -> Fault {
    let (status, code, sentence, limit) = error.answer();
    Fault::limited(status, code, sentence, limit)
}
