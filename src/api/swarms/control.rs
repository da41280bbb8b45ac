//! A swarm as a whole: the list of all, one of them, its start, its end and what is between.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Change,
    configs::{self, Unread, config_fault},
    fields_of, no_fields, no_swarm,
};
use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result, ok},
    },
    bus::audit::SwarmHappened,
    gate::{Reply, Response},
    swarm::{config::Config, view::SwarmRow},
    wire::{json, node::NodeName},
};

/// `GET /api/swarms`: those that are kept too.
pub(in crate::api) fn list(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let swarms: Vec<Value> = app.swarms.list().iter().map(SwarmRow::to_value).collect();
    ok(&json!({ "swarms": swarms }))
}

/// `GET /api/swarms/:swarm`.
pub(in crate::api) fn show(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    ok(&app.swarms.status(request.id)?.to_value())
}

/// `POST /api/swarms`: `{"config": {...}}` or `{"config_path": "..."}`, the first of them where both are there.
pub(in crate::api) fn create(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = fields_of(request.body)?;
    let config = match (body.get("config").filter(|config| !config.is_null()), body.get("config_path")) {
        (Some(config), _) => Config::of(config).map_err(|error| config_fault(&error))?,
        (None, Some(path)) => configs::read(app, path).map_err(Unread::fault)?,
        (None, None) => {
            let sentence = "Missing 'config' or 'config_path' parameter";
            return Err(Fault::new(400, "missing_field", sentence));
        }
    };
    let name = config.name.clone();
    let change = Change::of(SwarmHappened::Create, name.as_str());
    let name = app.change(caller, &change, |swarms| swarms.create(config))?;
    let answer = json!({ "status": "created", "swarm_name": name.as_str() });
    Ok(Reply::Response(Response::json(201, &answer)))
}

/// `POST /api/swarms/:swarm/start`: one that is kept runs again.
pub(in crate::api) fn start(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    no_fields(request)?;
    let change = Change::of(SwarmHappened::Start, request.id);
    let name = app.change(caller, &change, |swarms| swarms.start(request.id))?;
    ok(&json!({ "status": "started", "swarm_name": name.as_str() }))
}

/// `DELETE /api/swarms/:swarm?purge=true`: when it answers 200, none of its processes is left, and with
/// `purge` nothing that was kept of it.
pub(in crate::api) fn stop(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let purge = request.flag_param("purge")?;
    let (happened, status) =
        if purge { (SwarmHappened::Purge, "purged") } else { (SwarmHappened::Stop, "stopped") };
    app.change(caller, &Change::of(happened, request.id), |swarms| swarms.stop(request.id, purge))?;
    ok(&json!({ "status": status, "swarm_name": request.id, "config_path": null }))
}

/// `POST /api/swarms/:swarm/pause`.
pub(in crate::api) fn pause(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    no_fields(request)?;
    let change = Change::of(SwarmHappened::Pause, request.id);
    let agents = app.change(caller, &change, |swarms| swarms.pause(request.id))?;
    ok(&json!({ "status": "paused", "swarm_name": request.id, "containers_paused": agents }))
}

/// `POST /api/swarms/:swarm/resume`.
pub(in crate::api) fn resume(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    no_fields(request)?;
    let change = Change::of(SwarmHappened::Resume, request.id);
    let agents = app.change(caller, &change, |swarms| swarms.resume(request.id))?;
    ok(&json!({ "status": "resumed", "swarm_name": request.id, "containers_resumed": agents }))
}

/// `POST /api/swarms/:swarm/restart?delete=true`.
pub(in crate::api) fn restart(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    no_fields(request)?;
    let delete = request.flag_param("delete")?;
    let change = Change::of(SwarmHappened::Restart, request.id);
    app.change(caller, &change, |swarms| swarms.restart(request.id, delete))
        .map_err(no_swarm(404, "Swarm not found or no config path"))?;
    ok(&json!({ "status": "restarted", "swarm_name": request.id, "delete_data": delete }))
}

/// `POST /api/swarms/clean?all=true`, `{"swarms": ["..."]}`: no swarm can be created under a name that would make
/// this path its own, because no swarm has a path with this method and nothing behind its name.
///
/// Who names them is told of each what became of it. Who names none, as clients of genswarms do, means all that do
/// not run now, and hears of one that failed by the status alone. The audit has each of them by its name.
pub(in crate::api) fn clean(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let names = named(request)?;
    let all = request.flag_param("all")?;
    let done = app.swarms.clean(names.as_ref(), all);
    if let Ok(cleaned) = &done {
        let removed = cleaned.removed.iter().map(|name| (name, Ok(())));
        let failed = cleaned.failed.iter().map(|(name, fault)| (name, Err(fault.clone())));
        for (name, done) in removed.chain(failed) {
            // It is answered below.
            let _ = app.change(caller, &Change::of(SwarmHappened::Purge, name.as_str()), |_| done);
        }
    }
    // And what was asked for as a whole, where that is more than what was named.
    let cleaned = match done {
        Ok(cleaned) if names.is_some() && !all => cleaned,
        done => app.change(caller, &Change::of(SwarmHappened::Clean, ""), |_| {
            let cleaned = done?;
            match cleaned.failed.first().filter(|_| names.is_none()) {
                Some((_, fault)) => Err(fault.clone()),
                None => Ok(cleaned),
            }
        })?,
    };
    let removed: Vec<&str> = cleaned.removed.iter().map(NodeName::as_str).collect();
    let failed: Vec<Value> = cleaned
        .failed
        .iter()
        .map(|(name, fault)| json!({ "swarm": name.as_str(), "code": fault.code(), "error": fault.to_string() }))
        .collect();
    ok(&json!({
        "status": "cleaned",
        "swarms_removed": removed.len(),
        "events_cleared": all,
        "removed": removed,
        "failed": failed,
    }))
}

/// The swarms that the body names, if it names any. A field that is no `swarms` could be a slip, and would then mean
/// all.
fn named(request: &Request<'_>) -> Result<Option<BTreeSet<NodeName>>> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let body = fields_of(request.body)?;
    if body.keys().any(|field| field != "swarms") {
        return Err(Fault::new(400, "wrong_field", "the body may have one field: 'swarms'"));
    }
    let Some(names) = body.get("swarms") else { return Ok(None) };
    let wrong = || json::Error::wrong("swarms", "an array of names of swarms");
    let names = names.as_array().ok_or_else(wrong)?.iter();
    let names = names.map(|name| name.as_str().and_then(|name| NodeName::parse(name).ok()).ok_or_else(wrong));
    Ok(Some(names.collect::<std::result::Result<_, _>>()?))
}
