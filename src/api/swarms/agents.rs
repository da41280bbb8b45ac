//! The agents of a swarm: look, add, remove, restart, scale, give a task, read what they did, their skills.

use serde_json::{Value, json};

use super::{Change, added, fields_of, no_fields, removed};
use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result, ok},
    },
    bus::audit::SwarmHappened,
    swarm::{self, Swarms, view::AgentView},
    wire::{json::Error, query},
};

/// `GET /api/swarms/:swarm/agents`.
pub(in crate::api) fn list(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let agents: Vec<Value> = app.swarms.agents(request.id).iter().map(AgentView::to_value).collect();
    ok(&json!({ "agents": agents }))
}

/// `GET /api/swarms/:swarm/agents/:agent`.
pub(in crate::api) fn show(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    ok(&app.swarms.agent(swarm, agent)?.to_value())
}

/// `POST /api/swarms/:swarm/agents`: 201 once its program runs.
pub(in crate::api) fn add(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    added(app, caller, request, SwarmHappened::AddAgent, Swarms::add_agent)
}

/// `DELETE /api/swarms/:swarm/agents/:agent`.
pub(in crate::api) fn remove(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    removed(app, caller, request, SwarmHappened::RemoveAgent, Swarms::remove_agent)
}

/// `POST /api/swarms/:swarm/agents/:agent/restart`.
pub(in crate::api) fn restart(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    no_fields(request)?;
    let (swarm, agent) = request.two_ids();
    let change = Change::of(SwarmHappened::RestartAgent, swarm).node(agent);
    let name = app.change(caller, &change, |swarms| swarms.restart_agent(swarm, agent))?;
    ok(&json!({ "status": "restarted", "agent": name.as_str() }))
}

/// `POST /api/swarms/:swarm/agents/:base/scale`: `{"count": N}`.
pub(in crate::api) fn scale(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let (swarm, base) = request.two_ids();
    let count = fields_of(request.body)?.get("count").and_then(Value::as_u64);
    let count = count.and_then(|count| usize::try_from(count).ok()).ok_or(swarm::Fault::BadCount)?;
    let change = Change::of(SwarmHappened::Scale, swarm).node(base);
    let scaled = app.change(caller, &change, |swarms| swarms.scale(swarm, base, count))?;
    ok(&json!({ "status": "ok", "result": scaled.to_value() }))
}

/// `POST /api/swarms/:swarm/agents/:agent/task`: `{"task": ...}`, a text or anything else.
pub(in crate::api) fn task(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    let body = fields_of(request.body)?;
    let task = body
        .get("task")
        .filter(|task| !task.is_null())
        .ok_or_else(|| Fault::field(400, "missing_field", "task", "Missing 'task' parameter"))?;
    let text = task.as_str().map_or_else(|| task.to_string(), str::to_owned);
    let change = Change::task(swarm, agent, &text);
    app.change(caller, &change, |swarms| swarms.task(swarm, agent, task))?;
    ok(&json!({ "status": "sent", "agent": agent, "task": task }))
}

/// `GET /api/swarms/:swarm/agents/:agent/history?limit=`: newest first.
pub(in crate::api) fn history(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    let rows = app.swarms.history(swarm, agent, request.newest()?)?;
    ok(&json!({ "history": rows }))
}

/// `GET /api/swarms/:swarm/agents/:agent/skills`.
pub(in crate::api) fn skills(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    ok(&json!({ "skills": app.swarms.agent_skills(swarm, agent)? }))
}

/// `PUT /api/swarms/:swarm/agents/:agent/skills/:skill`: the name of one file, decoded once.
pub(in crate::api) fn put_skill(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let [swarm, agent, skill] = request.ids;
    let skill = query::decode_text(skill).ok_or(swarm::Fault::BadSkillName)?;
    let body = fields_of(request.body)?;
    let content = match body.get("content") {
        Some(Value::String(content)) => content,
        Some(_) => return Err(Error::wrong("content", "a string").into()),
        None => return Err(Error::Missing { field: "content" }.into()),
    };
    let change = Change::of(SwarmHappened::PutSkill, swarm).node(agent).text(content);
    let name = app.change(caller, &change, |swarms| swarms.put_skill(swarm, agent, &skill, content))?;
    ok(&json!({ "status": "updated", "skill": name }))
}
