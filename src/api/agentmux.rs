//! AgentMux's reactive routes (spec agentmux B.4-B.9): same fields, same statuses, same strings.
//!
//! What an inject says in addition: `outcome` (delivered, queued, failed), `code` beside an error,
//! and `truncated` where the text was cut.

use serde_json::{Map, Value, json};

use super::{
    App, elsewhere,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::{Caller, Who},
    agent::Submit,
    bus::{
        Inject, Route,
        directory::{RegisterError, Registration},
        rate::Sender,
    },
    limits,
    wire::{id::AgentId, json::Fields},
};

/// Names of the ways to submit.
pub(super) const SUBMITS: &[(&str, Submit)] = &[("thrice", Submit::Thrice), ("once", Submit::Once)];

/// `POST reactive/inject`: 200 once the body is understood, whatever becomes of the text.
pub(super) fn inject(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let target = fields.text("target_agent")?;
    let message = fields.text("message")?;
    let source = fields.optional_text("source_agent")?;
    let given = fields.optional_text("request_id")?.filter(|id| !id.is_empty());
    let submit = fields.optional_word("submit", SUBMITS)?;
    // Carried by clients and without effect; a wrong type is still theirs to know about.
    fields.optional_text("priority")?;
    fields.flag("wait_for_idle", false)?;
    let request_id = match given {
        Some(id) => id.to_owned(),
        None => app.fresh_id()?,
    };
    let sender = match caller.who() {
        Who::Peer => Sender::Peer,
        Who::Owner | Who::Api | Who::Agent(_) | Who::Config | Who::Loopback => {
            Sender::Owner(source.unwrap_or_default())
        }
    };
    let ask = Inject {
        target,
        message,
        source,
        request_id: &request_id,
        submit,
        hold: None,
        route: Route::default(),
    };
    let answer = app.bus.inject(sender, ask, &*app.fleet);
    let mut out = Map::new();
    out.insert("success".to_owned(), json!(answer.result.is_ok()));
    out.insert("request_id".to_owned(), json!(request_id));
    out.insert("timestamp".to_owned(), json!(answer.timestamp));
    if let Some(block_id) = &answer.block_id {
        out.insert("block_id".to_owned(), json!(block_id));
    }
    if answer.truncated {
        out.insert("truncated".to_owned(), json!(true));
    }
    let outcome = match &answer.result {
        Ok(false) => "delivered",
        Ok(true) => "queued",
        Err(error) => {
            out.insert("error".to_owned(), json!(answer.error(target)));
            out.insert("code".to_owned(), json!(error.code()));
            "failed"
        }
    };
    out.insert("outcome".to_owned(), json!(outcome));
    ok(&Value::Object(out))
}

/// `GET reactive/agent?id=`; the documented `?agent_id=` too.
pub(super) fn agent(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let id = match request.param("id")? {
        Some(id) => Some(id),
        None => request.param("agent_id")?,
    };
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Err(Fault::new(400, "missing_id", "missing id param"));
    };
    let not_found = || Fault::new(404, "agent_not_found", "agent not found");
    let id = AgentId::parse(&id).map_err(|_| not_found())?;
    let record = app.bus.state().directory.get(&id).map(|registration| registration.to_json());
    ok(&record.ok_or_else(not_found)?)
}

/// `GET reactive/agents`: a bare array.
pub(super) fn agents(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let list: Vec<Registration> = app.bus.state().directory.list().into_iter().cloned().collect();
    ok(&Value::Array(list.iter().map(Registration::to_json).collect()))
}

/// `GET reactive/audit?limit=`: a bare array, newest first.
pub(super) fn audit(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let limit = request.whole_param("limit")?.unwrap_or(100);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    ok(&Value::Array(app.bus.audit.newest_injects(limit)))
}

/// `POST reactive/register`: `registry` says where other instances cannot find the agent yet.
pub(super) fn register(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let id = fields.text("agent_id")?;
    let block_id = fields.text("block_id")?;
    let tab_id = fields.optional_text("tab_id")?;
    let agent_id = AgentId::parse(id)
        .ok()
        .filter(|id| !id.is_reserved())
        .ok_or_else(|| Fault::new(400, "bad_agent_id", format!("invalid agent ID: {id}")))?;
    let now = app.clock.unix_ms();
    let registered = app.bus.state().directory.register(agent_id.clone(), block_id, tab_id, now);
    match registered {
        Ok(()) => {
            let mut answer = json!({ "success": true });
            elsewhere::say(app.publish(&agent_id), &mut answer);
            ok(&answer)
        }
        Err(RegisterError::Full) => Err(directory_full()),
        Err(RegisterError::TooLong) => {
            let limit = limits::REGISTRATION_TEXT;
            let sentence = format!("block_id and tab_id may have {limit} bytes");
            Err(Fault::new(400, "registration_too_long", sentence))
        }
    }
}

/// `POST reactive/unregister`: 200 for unknown ids too. Only a file of our own is removed.
pub(super) fn unregister(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let id = Fields::of(&body)?.text("agent_id")?;
    let mut answer = json!({ "success": true });
    let known = app.bus.state().directory.unregister(id);
    if let (true, Ok(id)) = (known, AgentId::parse(id)) {
        elsewhere::say_removed(app.publish(&id), &mut answer);
    }
    ok(&answer)
}

/// There is no room for another name.
pub(super) fn directory_full() -> Fault {
    let sentence = format!("{} agents are registered already", limits::DIRECTORY);
    Fault::new(503, "directory_full", sentence)
}
