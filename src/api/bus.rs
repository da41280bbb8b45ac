//! AgentMux's message bus over HTTP (spec agentmux B.11): same fields, same `status` strings.
//!
//! What a request may say in addition: `id`, `hold`, and for an answer `in_reply_to` or `correlation_id`,
//! so that a name on the bus can answer an agent's question. A name may be another instance's.
//!
//! What an answer says in addition: `outcome` (delivered, queued, forwarded, waiting), `home` of the instance
//! that has it, `held` where it waits for one, with `code` and `error` of why, `duplicate` where the id
//! was seen before, `code` and the `limit` that was reached beside an error. Reading stays
//! destructive, but a message is gone only once the socket has taken the answer: one whose answer
//! nobody took comes again, marked `redelivered` (spec agentmux K.3.11).

use serde_json::{Value, json};

use super::{
    App,
    messages::{correlation_id, in_reply_to, message_id, put_where},
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::Caller,
    bus::{
        BusInject, BusInjectError, BusInjected, Outgoing, SendError, SendOutcome, Sent, ToAll, bus_message,
        mail::{Kind, Manner, Priority},
        rate::Sender,
    },
    gate::{Reply, Response},
    limits,
    wire::{address::Address, head::Method, id::AgentId, json::Fields},
};

/// `POST /api/bus/register`: the name fetches its messages; a socket's push of them ends.
pub(super) fn register(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let id = Fields::of(&body)?.text("agent_id")?;
    let Ok(name) = AgentId::parse(id) else {
        return Ok(Reply::Response(Response::json(400, &bad_id(id))));
    };
    match app.bus.register_http(&name) {
        Ok(()) => ok(&json!({ "agent_id": id, "status": "registered" })),
        Err(full) => {
            let (code, sentence, limit) = full.answer();
            ok(&error(code, &sentence, u64::try_from(limit).ok()))
        }
    }
}

/// `POST /api/bus/send`.
pub(super) fn send(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let (from, to) = (fields.text("from")?, fields.text("to")?);
    let text = fields.text("payload")?;
    let priority = priority(fields)?;
    let id = message_id(app, fields)?;
    let (correlation_id, in_reply_to) = (correlation_id(fields)?, in_reply_to(fields)?);
    let hold = fields.optional_flag("hold")?;
    let Ok(address) = Address::parse(to) else { return ok(&bad_id(to)) };
    let plain = Outgoing::on_bus(&address.name, text, &id, from);
    let kind = if in_reply_to.is_some() { Kind::Reply } else { plain.kind };
    let home = address.home.as_ref();
    let message = Outgoing { kind, priority, correlation_id, in_reply_to, home, hold, ..plain };
    match app.bus.send(Sender::Owner(from), message, &*app.fleet) {
        Ok(sent) => {
            let answer = json!({ "message_id": id, "status": "sent", "to": to });
            ok(&with_outcome(answer, &sent))
        }
        Err(refused) => ok(&send_error(&refused)),
    }
}

/// `POST /api/bus/inject`: into the terminal, or where nobody is registered into the mailbox.
pub(super) fn inject(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let from = fields.text("from")?;
    let target = fields.text("target")?;
    let message = fields.text("message")?;
    let id = message_id(app, fields)?;
    let hold = fields.optional_flag("hold")?;
    let ask = BusInject { target, message, from, priority: priority(fields)?, id: &id, hold };
    match app.bus.bus_inject(Sender::Owner(from), ask, &*app.fleet) {
        Ok(BusInjected::Typed { block_id, queued, truncated }) => {
            let outcome = if queued { SendOutcome::Queued } else { SendOutcome::Delivered };
            let mut answer = json!({
                "block_id": block_id,
                "status": "injected",
                "target": target,
                "via": "pty",
                "outcome": outcome.as_str(),
            });
            add_if(&mut answer, "truncated", truncated);
            ok(&answer)
        }
        Ok(BusInjected::Forwarded { home, block_id, outcome, truncated }) => {
            let mut answer = json!({
                "status": "injected",
                "target": target,
                "via": "forward",
                "outcome": outcome,
                "home": home.as_str(),
            });
            if let (Some(block_id), Some(fields)) = (block_id, answer.as_object_mut()) {
                fields.insert("block_id".to_owned(), json!(block_id));
            }
            add_if(&mut answer, "truncated", truncated);
            ok(&answer)
        }
        Ok(BusInjected::Mailed(sent)) => {
            let answer =
                json!({ "message_id": id, "status": "injected", "target": target, "via": "messagebus" });
            ok(&with_outcome(answer, &sent))
        }
        Err(BusInjectError::Inject(refused, sentence)) => ok(&error(refused.code(), &sentence, None)),
        Err(BusInjectError::Send(refused)) => ok(&send_error(&refused)),
    }
}

/// `POST /api/bus/broadcast`: `delivered` counts connections that take it at once, as clients know
/// it; `queued` those who fetch, whom AgentMux left out (spec agentmux K.3.16).
pub(super) fn broadcast(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let (from, text) = (fields.text("from")?, fields.text("payload")?);
    let message = ToAll { from, text, priority: priority(fields)? };
    match app.bus.broadcast(Sender::Owner(from), message, &*app.fleet) {
        Ok(told) => ok(&json!({
            "status": "broadcast",
            "delivered": told.delivered,
            "queued": told.queued,
            "refused": told.refused,
        })),
        Err(refused) => ok(&send_error(&refused)),
    }
}

/// `GET /api/bus/messages?agent_id=&limit=`: reading takes them, once the socket has taken the answer.
/// HEAD takes none.
pub(super) fn messages(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let Some(id) = request.param("agent_id")? else {
        return Err(Fault::new(400, "missing_id", "missing agent_id param"));
    };
    let limit = request.whole_param("limit")?.unwrap_or(100);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(limits::BUS_READ);
    let list =
        |messages: Vec<Value>| json!({ "agent_id": id, "count": messages.len(), "messages": messages });
    let Ok(name) = AgentId::parse(&id) else {
        return ok(&merged(list(Vec::new()), bad_id(&id)));
    };
    app.bus.presence.seen(&name, app.clock.unix_ms());
    if request.head.method() == Method::Head || limit == 0 {
        return ok(&list(Vec::new()));
    }
    let handed = match app.bus.mail.take(&name, Manner::Final, limit, limits::BUS_READ_BYTES) {
        Ok(handed) => handed,
        Err(refused) => return ok(&merged(list(Vec::new()), send_error(&SendError::Mail(refused)))),
    };
    let answer = list(handed.messages.iter().map(bus_message).collect());
    let told = move |taken| {
        if taken {
            handed.sent();
        }
    };
    Ok(Reply::Told(Response::json(200, &answer), Box::new(told)))
}

/// `POST /api/bus/messages/delete`: of those that wait.
pub(super) fn delete(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let (id, ids) = (fields.text("agent_id")?, fields.texts("message_ids")?);
    let Ok(name) = AgentId::parse(id) else { return ok(&bad_id(id)) };
    match app.bus.mail.delete(&name, &ids) {
        Ok(deleted) => ok(&json!({ "status": "deleted", "deleted": deleted })),
        Err(refused) => ok(&send_error(&SendError::Mail(refused))),
    }
}

/// `GET /api/bus/agents`: times in seconds.
pub(super) fn agents(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let list: Vec<Value> = app
        .bus
        .presence
        .list()
        .iter()
        .map(|present| {
            json!({
                "id": present.name.as_str(),
                "registered_at": present.registered_at / 1_000,
                "last_seen": present.last_seen / 1_000,
                "connection_type": if present.socket.is_some() { "websocket" } else { "http" },
            })
        })
        .collect();
    ok(&json!({ "total_count": list.len(), "agents": list }))
}

/// An unknown word is normal, as is none (spec agentmux B.11).
fn priority(fields: Fields<'_>) -> Result<Priority> {
    Ok(fields.optional_text("priority")?.map_or(Priority::Normal, Priority::parse))
}

fn with_outcome(mut answer: Value, sent: &Sent) -> Value {
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("outcome".to_owned(), json!(sent.outcome.as_str()));
        put_where(fields, sent);
    }
    add_if(&mut answer, "duplicate", sent.duplicate);
    add_if(&mut answer, "truncated", sent.truncated);
    answer
}

fn merged(mut into: Value, from: Value) -> Value {
    if let (Value::Object(into), Value::Object(from)) = (&mut into, from) {
        into.extend(from);
    }
    into
}

fn add_if(answer: &mut Value, name: &str, holds: bool) {
    if let (true, Some(fields)) = (holds, answer.as_object_mut()) {
        fields.insert(name.to_owned(), json!(true));
    }
}

/// 200 and this: clients of the bus look at nothing but `status`.
fn error(code: &str, sentence: &str, limit: Option<u64>) -> Value {
    let mut answer = json!({ "status": "error", "error": sentence, "code": code });
    if let (Some(limit), Some(fields)) = (limit, answer.as_object_mut()) {
        fields.insert("limit".to_owned(), json!(limit));
    }
    answer
}

fn send_error(refused: &SendError) -> Value {
    let (code, sentence, limit) = refused.on_bus();
    error(code, &sentence, limit)
}

fn bad_id(id: &str) -> Value {
    error("bad_agent_id", &format!("invalid agent ID: {id}"), None)
}
