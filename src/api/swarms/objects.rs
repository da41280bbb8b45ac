//! The objects of a swarm and their configuration; the overlay, and the swarm as one document.
//!
//! Two routes here are all that the config token opens: the change of an object's configuration, and the look
//! at the overlay (spec genswarms C.3).

use serde_json::{Value, json};

use super::{Change, added, fields_of, no_fields, no_swarm, removed};
use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result, ok},
    },
    bus::audit::SwarmHappened,
    swarm::{
        Swarms,
        view::{ObjectView, OverlayRow},
    },
};

/// `GET /api/swarms/:swarm/objects`.
pub(in crate::api) fn list(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let objects: Vec<Value> = app.swarms.objects(request.id).iter().map(ObjectView::to_value).collect();
    ok(&json!({ "objects": objects }))
}

/// `GET /api/swarms/:swarm/objects/:object`: never an agent.
pub(in crate::api) fn show(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let (swarm, object) = request.two_ids();
    let view = app.swarms.object(swarm, object).map_err(no_swarm(404, "Object not found"))?;
    let holds = app.swarms.object_holds(swarm, object);
    ok(&json!({ "object": view.name.as_str(), "state": view.state, "domain_state": holds }))
}

/// `POST /api/swarms/:swarm/objects`.
pub(in crate::api) fn add(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    added(app, caller, request, SwarmHappened::AddObject, Swarms::add_object)
}

/// `DELETE /api/swarms/:swarm/objects/:object`: never an agent.
pub(in crate::api) fn remove(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    removed(app, caller, request, SwarmHappened::RemoveObject, Swarms::remove_object)
}

/// `PATCH /api/swarms/:swarm/objects/:object/config`: `{"config": {...}}`.
pub(in crate::api) fn patch(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let (swarm, name) = request.two_ids();
    let body = fields_of(request.body)?;
    let patch = body
        .get("config")
        .and_then(Value::as_object)
        .ok_or_else(|| Fault::field(400, "missing_field", "config", "Missing 'config' object parameter"))?;
    let change = Change::of(SwarmHappened::PatchObject, swarm).node(name);
    let keys = app
        .change(caller, &change, |swarms| swarms.patch_object(swarm, name, patch))
        .map_err(no_swarm(404, "Swarm not found"))?;
    ok(&json!({ "status": "updated", "object": name, "keys": keys }))
}

/// `GET /api/swarms/:swarm/overlay`: what was changed while it ran.
pub(in crate::api) fn overlay(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let events: Vec<Value> = app.swarms.overlay(request.id)?.iter().map(OverlayRow::to_value).collect();
    ok(&json!({ "swarm": request.id, "events": events }))
}

/// `DELETE /api/swarms/:swarm/overlay`.
pub(in crate::api) fn clear_overlay(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let change = Change::of(SwarmHappened::ClearOverlay, request.id);
    app.change(caller, &change, |swarms| swarms.clear_overlay(request.id))?;
    ok(&json!({ "status": "cleared", "swarm": request.id }))
}

/// `POST /api/swarms/:swarm/snapshot`: the document that would make the swarm as it is, secrets replaced. It
/// is JSON; genswarms' own form, a program, is not made here.
pub(in crate::api) fn snapshot(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    no_fields(request)?;
    match request.param("format")?.as_deref() {
        None | Some("json") => {}
        Some(_) => {
            let sentence = "a snapshot is JSON: leave ?format= out, or set it to json";
            return Err(Fault::new(406, "not_acceptable", sentence));
        }
    }
    ok(&app.swarms.snapshot(request.id).map_err(no_swarm(404, "swarm_not_found"))?)
}
