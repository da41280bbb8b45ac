//! Messages as their owner sees them: sent, looked at, found by their id, dead and sent again.
//!
//! Looking changes nothing. Every list comes in pages bounded in number and bytes, and what a
//! limit refuses names the limit. The shapes are those of an agent's own inbox too.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{
    App,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::{Caller, Who},
    bus::{
        Outgoing, SendError, Sent, audit, is_correlation_id,
        mail::{Info, Kind, MailError, Message, Page, Priority, State},
        rate::Sender,
    },
    limits,
    wire::{
        address::{Address, HomeId},
        id::AgentId,
        json::{Error, Fields},
        query,
    },
};

/// Words for the order of those that wait.
const PRIORITIES: &[(&str, Priority)] =
    &[("normal", Priority::Normal), ("high", Priority::High), ("urgent", Priority::Urgent)];
/// What a correlation id may be.
const CORRELATION_ID: &str = "1 to 128 ASCII letters, digits, dots, _ and -, and neither . nor ..";

/// `POST /api/v1/agents/:id/send`: the owner's message. He need not wait for the agent to exist.
pub(super) fn send(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let to = address_of(request)?;
    let body = request.json()?;
    deliver(app, sender(caller), &to, Fields::of(&body)?)
}

/// Who speaks on the owner's routes.
fn sender(caller: &Caller) -> Sender<'_> {
    match caller.who() {
        Who::Api => Sender::Api,
        Who::Owner | Who::Peer | Who::Agent(_) | Who::Member(_) | Who::Config | Who::Loopback => {
            Sender::Owner("")
        }
    }
}

/// The part of a send that is the same for everybody.
pub(super) fn deliver(app: &App, sender: Sender<'_>, to: &Address, fields: Fields<'_>) -> Result {
    let text = fields.text("text")?;
    let id = message_id(app, fields)?;
    let in_reply_to = in_reply_to(fields)?;
    let ttl = fields.optional_whole("ttl_ms", limits::TTL_LEAST_MS..=limits::TTL_MOST_MS)?;
    let plain = Outgoing::new(&to.name, text, &id);
    let message = Outgoing {
        kind: if in_reply_to.is_some() { Kind::Reply } else { Kind::Send },
        priority: priority(fields)?,
        ttl_ms: ttl.unwrap_or(plain.ttl_ms),
        correlation_id: correlation_id(fields)?,
        in_reply_to,
        home: to.home.as_ref(),
        hold: fields.optional_flag("hold")?,
        ..plain
    };
    let sent = app.bus.send(sender, message, &*app.fleet).map_err(send_fault)?;
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("id", json!(id));
    put("to", json!(to.to_string()));
    put("outcome", json!(sent.outcome.as_str()));
    put("state", json!(sent.state.as_str()));
    put("known", json!(sent.known));
    for (name, is) in [("duplicate", sent.duplicate), ("truncated", sent.truncated)] {
        if is {
            put(name, json!(true));
        }
    }
    put_where(&mut answer, &sent);
    ok(&Value::Object(answer))
}

/// Says which instance has a message, or that it is held for one, and why.
pub(super) fn put_where(answer: &mut Map<String, Value>, sent: &Sent) {
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    if let Some(home) = &sent.home {
        put("home", json!(home.as_str()));
    }
    if sent.held {
        put("held", json!(true));
    }
    if let Some(why) = &sent.why {
        put("code", json!(why.code));
        put("error", json!(why.sentence));
    }
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

/// The id of the message that this one answers.
pub(super) fn in_reply_to(fields: Fields<'_>) -> Result<Option<&str>> {
    bounded(fields, "in_reply_to")
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

/// `GET /api/v1/agents/:id/inbox?after=&limit=&wait=`: a look, which changes nothing. The agent need
/// not exist.
pub(super) fn inbox(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let name = agent_of(request)?;
    let (after, limit, wait) = (request.after()?, request.limit()?, request.wait()?);
    let look = || app.bus.mail.look(&name, after.unwrap_or_default(), limit, limits::MESSAGES_PAGE_BYTES);
    let mut page = look().map_err(mail_fault)?;
    if page.messages.is_empty() && !wait.is_zero() {
        let _place = app.waiters.enter()?;
        let until = Instant::now() + wait;
        let gone = || request.peer.is_gone() || app.is_outdated(caller);
        app.bus.mail.wait_above(&name, after.unwrap_or_default(), until, &gone);
        app.still_admitted(caller)?;
        page = look().map_err(mail_fault)?;
    }
    let mut answer = page_json(&page);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("agent".to_owned(), json!(name.as_str()));
    }
    ok(&answer)
}

/// `GET /api/v1/messages/:id`: what is known of the messages with this id, without their words.
pub(super) fn show(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let id = id_of(request)?;
    let found: Vec<Value> = app.bus.mail.find(&id).iter().map(info_json).collect();
    if found.is_empty() {
        return Err(mail_fault(MailError::NotFound));
    }
    ok(&json!({ "messages": found }))
}

/// `POST /api/v1/messages/:id/redeliver`: a dead letter goes back into its mailbox. `{number}` says which
/// where several senders chose the id.
pub(super) fn redeliver(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let id = id_of(request)?;
    let body = request.json()?;
    let number = Fields::of(&body)?.optional_whole("number", 0..=u64::MAX)?;
    let again = app.bus.redeliver(&id, number).map_err(mail_fault)?;
    write_redelivery(app, caller, &again);
    ok(&json!({ "id": again.id, "to": again.to.as_str(), "state": again.state.as_str() }))
}

/// Writes it to the audit, with the hash of its words, which the mailbox has.
fn write_redelivery(app: &App, caller: &Caller, info: &Info) {
    let found = app.bus.mail.look(&info.to, info.number.saturating_sub(1), 1, 0).unwrap_or_default().messages;
    let text = found.iter().find(|message| message.number == info.number).map_or("", |message| &message.text);
    let entry = audit::Message {
        happened: audit::Happened::Redelivered,
        caller: if *caller.who() == Who::Api { "api" } else { "owner" }.to_owned(),
        from: Some(info.from.clone()),
        to: info.to.as_str().to_owned(),
        id: info.id.clone(),
        kind: info.kind.as_str(),
        home: None,
        message_length: info.size,
    };
    app.bus.audit.message(entry, text);
}

/// `GET /api/v1/dead?after=&limit=`: what failed or expired.
pub(super) fn dead(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let (after, limit) = (request.after()?.unwrap_or_default(), request.limit()?);
    ok(&page_json(&app.bus.mail.dead(after, limit).map_err(mail_fault)?))
}

/// `GET /api/v1/mailboxes`: those in which something waits.
pub(super) fn mailboxes(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let rows: Vec<Value> = app
        .bus
        .mail
        .mailboxes()
        .iter()
        .map(|(agent, waiting)| json!({ "agent": agent.as_str(), "waiting": waiting }))
        .collect();
    ok(&json!({ "mailboxes": rows }))
}

fn agent_of(request: &Request<'_>) -> Result<AgentId> {
    AgentId::parse(request.id).map_err(|_| Fault::new(400, "bad_agent_id", "the path does not name an agent"))
}

/// Whom a path names: `name`, or `name@home`, also where `@` is encoded.
fn address_of(request: &Request<'_>) -> Result<Address> {
    let bad = || Fault::new(400, "bad_agent_id", "the path does not name an agent");
    let text = query::decode_text(request.id).ok_or_else(bad)?;
    Address::parse(&text).map_err(|_| bad())
}

/// A message's id in the path: senders choose it, so it may hold anything, encoded.
fn id_of(request: &Request<'_>) -> Result<String> {
    query::decode_text(request.id).ok_or_else(|| mail_fault(MailError::NotFound))
}

/// Some messages of a list.
fn page_json(page: &Page) -> Value {
    let messages: Vec<Value> = page.messages.iter().map(message_json).collect();
    json!({ "messages": messages, "next": page.next, "more": page.more })
}

/// A message with its words.
pub(super) fn message_json(message: &Message) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    put("id", json!(message.id));
    put("number", json!(message.number));
    put("from", json!(message.from));
    put("caller", json!(message.caller));
    put("to", json!(message.to.as_str()));
    put("type", json!(message.kind.as_str()));
    put("text", json!(message.text));
    put("priority", json!(message.priority.as_str()));
    put("sent_at", json!(message.sent_at));
    put("expires_at", json!(message.expires_at));
    put("state", json!(message.state.as_str()));
    put("redelivered", if message.redelivered { json!(true) } else { Value::Null });
    put("position", json!(message.position));
    put("correlation_id", json!(message.correlation_id));
    put("in_reply_to", json!(message.in_reply_to));
    put("reason", json!(message.reason));
    put("home", json!(message.via.as_ref().map(HomeId::as_str)));
    put("held", held(message.hold, message.state));
    Value::Object(fields)
}

/// What is known of a message beside its words.
fn info_json(info: &Info) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    put("id", json!(info.id));
    put("number", json!(info.number));
    put("from", json!(info.from));
    put("caller", json!(info.caller));
    put("to", json!(info.to.as_str()));
    put("type", json!(info.kind.as_str()));
    put("priority", json!(info.priority.as_str()));
    put("sent_at", json!(info.sent_at));
    put("expires_at", json!(info.expires_at));
    put("state", json!(info.state.as_str()));
    put("redelivered", if info.redelivered { json!(true) } else { Value::Null });
    put("position", json!(info.position));
    put("correlation_id", json!(info.correlation_id));
    put("in_reply_to", json!(info.in_reply_to));
    put("reason", json!(info.reason));
    put("home", json!(info.via.as_ref().map(HomeId::as_str)));
    put("held", held(info.hold, info.state));
    put("size", json!(info.size));
    let history = info.history.iter().map(|(state, at)| json!({ "state": state.as_str(), "at": at }));
    put("history", history.collect());
    Value::Object(fields)
}

/// Whether it waits to be handed to another instance; null where it does not.
fn held(hold: bool, state: State) -> Value {
    if hold && state == State::Accepted { json!(true) } else { Value::Null }
}

/// Why a message was not accepted, as an answer.
pub(super) fn send_fault(error: SendError) -> Fault {
    let (status, code, sentence, limit) = error.answer();
    Fault::limited(status, code, sentence, limit)
}

/// Why the mailbox does not do as asked, as an answer.
pub(super) fn mail_fault(error: MailError) -> Fault {
    let (status, code, sentence, limit) = error.answer();
    Fault::limited(status, code, sentence, limit)
}

impl Request<'_> {
    /// `?after=`: where the page before ended.
    pub(super) fn after(&self) -> Result<Option<u64>> {
        self.whole_param("after")
    }

    /// `?limit=`: 100, and at most [`limits::MESSAGES_PAGE`].
    pub(super) fn limit(&self) -> Result<usize> {
        let limit = self.whole_param("limit")?.unwrap_or(100);
        Ok(usize::try_from(limit).unwrap_or(usize::MAX).min(limits::MESSAGES_PAGE))
    }

    /// `?wait=` in ms: 0, and at most [`limits::OUTPUT_WAIT_MS`].
    pub(super) fn wait(&self) -> Result<Duration> {
        Ok(Duration::from_millis(self.whole_param("wait")?.unwrap_or(0).min(limits::OUTPUT_WAIT_MS)))
    }
}
