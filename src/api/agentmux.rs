//! AgentMux's reactive routes about registrations and the audit (spec agentmux B.5-B.9): same fields, same
//! statuses, same strings.

use serde_json::{Value, json};

use super::{
    App, elsewhere,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::Caller,
    bus::directory::{RegisterError, Registration},
    limits,
    wire::{id::AgentId, json::Fields},
};

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
