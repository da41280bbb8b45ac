//! What an agent may ask with its own token: who it is, who is there, its own mail, and to send,
//! ask and type where it is let. It speaks as itself and reads as itself only: sender and mailbox
//! are those of whom the token names, never what a path, a query or a body says.
//!
//! One that asks from many threads holds few places, each until its answer is taken.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{
    App,
    agents::{done, not_found, queue_full},
    inject::SUBMITS,
    messages::{
        correlation_id, deliver, mail_fault, message_id, message_json, priority, put_where, send_fault,
    },
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::{Caller, Who},
    bus::{
        Ask, AskError, Inject, InjectError, Route, SendError,
        mail::{Ack, Manner},
        rate::Sender,
    },
    gate::{Reply, Response},
    limits,
    wire::{
        address::Address,
        head::Method,
        id::AgentId,
        json::{Error, Fields},
    },
};

/// `GET /api/v1/self/whoami`.
pub(super) fn whoami(app: &App, caller: &Caller, _: &Request<'_>) -> Result {
    let me = own_name(caller)?;
    ok(&json!({ "agent": me.as_str(), "address": app.address_of(me), "instance": app.instance }))
}

/// `GET /api/v1/self/agents`: names and states, nothing else of them; of other instances' agents the
/// addresses.
pub(super) fn agents(app: &App, caller: &Caller, _: &Request<'_>) -> Result {
    own_name(caller)?;
    let mut list: Vec<Value> = app
        .fleet
        .records()
        .iter()
        .map(|record| json!({ "name": record.name.as_str(), "state": record.state.as_str() }))
        .collect();
    let far = app.far_agents()?;
    list.extend(
        far.iter().map(
            |(name, address)| json!({ "name": name.as_str(), "state": "elsewhere", "address": address }),
        ),
    );
    ok(&json!({ "agents": list }))
}

/// `POST /api/v1/self/send`: to an agent that this instance knows or another one has, or to the owner's
/// mailbox. The bus lets no agent fill mailboxes under names that it makes up.
pub(super) fn send(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let from = own_name(caller)?;
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let to = target(fields)?;
    deliver(app, Sender::Agent(from.as_str()), &to, fields)
}

/// `GET /api/v1/self/inbox?after=&limit=&wait=`: the agent's own mail, which stays until it is
/// acknowledged. `cursor` is what to give as `after` next.
pub(super) fn inbox(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let me = own_name(caller)?;
    let (after, limit, wait) = (request.after()?, request.limit()?, request.wait()?);
    let place = app.waiters.enter_agent(me)?;
    let mut messages = Vec::new();
    let mut handed = None;
    // Nobody reads the answer to a HEAD: nothing is handed out for it.
    if request.head.method() != Method::Head && limit > 0 {
        let until = Instant::now() + wait;
        let gone = || request.peer.is_gone();
        let manner = Manner::UntilAcked { after };
        let mut taken =
            app.bus.mail.take(me, manner, limit, limits::MESSAGES_PAGE_BYTES).map_err(mail_fault)?;
        // Another request of the same agent may take what was waited for.
        while taken.messages.is_empty()
            && app.bus.mail.wait(me, Some(after.unwrap_or_default()), until, &gone)
            && !gone()
        {
            taken = app.bus.mail.take(me, manner, limit, limits::MESSAGES_PAGE_BYTES).map_err(mail_fault)?;
        }
        messages = taken.messages.iter().map(message_json).collect();
        handed = Some(taken);
    }
    let highest =
        handed.iter().flat_map(|taken| &taken.messages).filter_map(|message| message.position).max();
    let cursor = highest.max(after).unwrap_or_default();
    let body = json!({ "agent": me.as_str(), "messages": messages, "cursor": cursor });
    let told = move |taken: bool| {
        if let Some(handed) = handed.filter(|_| taken) {
            handed.sent();
        }
        drop(place);
    };
    Ok(Reply::Told(Response::json(200, &body), Box::new(told)))
}

/// `POST /api/v1/self/ack`: up to a position, or these, by the ids that their senders chose or by the
/// instance's own numbers.
pub(super) fn ack(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let me = own_name(caller)?;
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let through = fields.optional_whole("through", 0..=u64::MAX)?;
    let ids = fields.optional_texts("ids")?;
    let numbers = numbers(fields)?;
    let ack = match (through, &ids, &numbers) {
        (Some(position), None, None) => Ack::Through(position),
        (None, Some(ids), None) => Ack::Ids(ids),
        (None, None, Some(numbers)) => Ack::Numbers(numbers),
        (None, None, None) => return Err(Error::Missing { field: "through" }.into()),
        (Some(_), _, _) => return Err(Error::wrong("ids", "absent where through is given").into()),
        (None, Some(_), Some(_)) => {
            return Err(Error::wrong("numbers", "absent where ids are given").into());
        }
    };
    let acked = app.bus.mail.ack(me, ack).map_err(mail_fault)?;
    ok(&json!({ "acked": acked }))
}

fn numbers(fields: Fields<'_>) -> Result<Option<Vec<u64>>> {
    let Some(list) = fields.optional_list("numbers")? else { return Ok(None) };
    let numbers: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
    numbers.map(Some).ok_or_else(|| Error::wrong("numbers", "an array of whole numbers").into())
}

/// `POST /api/v1/self/inject`: typed now, where the target was started to let this agent type.
pub(super) fn inject(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let from = own_name(caller)?.as_str();
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let to = target(fields)?;
    let message = fields.text("text")?;
    let submit = fields.optional_word("submit", SUBMITS)?;
    let id = message_id(app, fields)?;
    let address = to.to_string();
    let ask = Inject {
        target: &address,
        message,
        source: Some(from),
        request_id: &id,
        submit,
        hold: fields.optional_flag("hold")?,
        route: Route::default(),
    };
    let injected = app.bus.inject(Sender::Agent(from), ask, &*app.fleet);
    let mut answer = Map::new();
    let outcome = match injected.result {
        Ok(queued) => match &injected.forwarded {
            Some(forwarded) => {
                answer.insert("home".to_owned(), json!(forwarded.home.as_str()));
                forwarded.outcome.as_deref().unwrap_or("forwarded")
            }
            None if queued => "queued",
            None => "delivered",
        },
        Err(_) if injected.held.is_some() => {
            injected.held.iter().for_each(|held| put_where(&mut answer, held));
            "waiting"
        }
        Err(InjectError::NotAllowed) => {
            let sentence = "the target was not started to let this agent type into its terminal";
            return Err(Fault::new(403, "typing_not_allowed", sentence));
        }
        Err(InjectError::RateLimited(reached)) => return Err(send_fault(SendError::RateLimited(reached))),
        Err(InjectError::BadId | InjectError::NotFound) => return Err(not_found()),
        Err(InjectError::NoController) => return Err(done()),
        Err(InjectError::Failed(reason)) => return Err(queue_full(reason)),
        Err(InjectError::Ambiguous(candidates)) => return Err(send_fault(SendError::Ambiguous(candidates))),
        Err(InjectError::NotForwarded(why)) => return Err(send_fault(SendError::NotForwarded(why))),
        Err(InjectError::FarNotAllowed(to)) => return Err(send_fault(SendError::TypingNotAllowed(to))),
    };
    answer.insert("id".to_owned(), json!(id));
    answer.insert("to".to_owned(), json!(address));
    answer.insert("outcome".to_owned(), json!(outcome));
    if injected.truncated {
        answer.insert("truncated".to_owned(), json!(true));
    }
    ok(&Value::Object(answer))
}

/// `POST /api/v1/self/ask`: a question, and the wait for its answer, as one envelope.
pub(super) fn ask(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let from = own_name(caller)?;
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let to = target(fields)?;
    let id = message_id(app, fields)?;
    let question = Ask {
        to: &to.name,
        home: to.home.as_ref(),
        hold: fields.optional_flag("hold")?,
        text: fields.text("text")?,
        id: &id,
        correlation_id: correlation_id(fields)?,
        timeout_ms: fields.optional_whole("timeout_ms", 1..=limits::ASK_TIMEOUT_MOST_MS)?,
        priority: priority(fields)?,
    };
    let place = app.waiters.enter_agent(from)?;
    let gone = || request.peer.is_gone();
    match app.bus.ask(Sender::Agent(from.as_str()), question, &*app.fleet, &gone) {
        Ok(asked) => {
            let (envelope, settle) = asked.into_parts();
            let told = move |taken| {
                settle(taken);
                drop(place);
            };
            Ok(Reply::Told(Response::json(200, &envelope), Box::new(told)))
        }
        Err(AskError::BadCorrelationId) => Err(Error::wrong("correlation_id", "a correlation id").into()),
        Err(AskError::TooManyOfAgent) => Err(too_many_asks(limits::ASKS_PER_AGENT)),
        Err(AskError::TooMany) => Err(too_many_asks(limits::ASKS)),
        Err(AskError::Send(error)) => Err(send_fault(error)),
    }
}

fn too_many_asks(most: usize) -> Fault {
    let sentence = format!("{most} questions wait for their answers already");
    Fault::limited(503, "too_many_asks", sentence, u64::try_from(most).ok())
}

fn target(fields: Fields<'_>) -> Result<Address> {
    Address::parse(fields.text("to")?).map_err(|_| Error::wrong("to", "an agent's name, or name@home").into())
}

/// The table lets only agents in here; whoever else came would be told so.
fn own_name(caller: &Caller) -> Result<&AgentId> {
    match caller.who() {
        Who::Agent(name) => Ok(name),
        Who::Owner | Who::Peer | Who::Api | Who::Member(_) | Who::Config | Who::Loopback => {
            Err(Fault::new(403, "forbidden", "only an agent may ask this"))
        }
    }
}
