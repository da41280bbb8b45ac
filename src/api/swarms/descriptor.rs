//! What `GET /` adds to health for whoever shows the API token: what genswarms says of itself there, for the
//! routes that are here.

use serde_json::{Value, json};

use crate::{
    admit::Surface,
    api::{
        VERSION,
        table::{Route, routes},
    },
    ws::phoenix::{ASKED, PUSHED},
};

/// Health, and the swarms' surface (spec genswarms B.1). The version is ours, as in health. What is not built
/// is null, so that nobody is sent to a route that is not there.
pub(in crate::api) fn descriptor() -> Value {
    let rows = |wanted: fn(&str) -> bool| -> Vec<Value> {
        let rows =
            routes().filter(|route| route.surface == Surface::Swarm && route.path.starts_with("/api/"));
        rows.filter(|route| wanted(route.path)).map(row).collect()
    };
    json!({
        "status": "ok",
        "version": VERSION,
        "name": "Genswarms API",
        "description": "swarms of agents: their life, their topology, their messages",
        "endpoints": {
            "swarms": "/api/swarms",
            "events": null,
            "skills": "/api/skills",
            "config": "/api/config/validate",
        },
        "websocket": {
            "url": "/swarm",
            "channel": "swarm:{swarm_name}",
            "events": { "client_to_server": ASKED, "server_to_client": PUSHED },
        },
        "documentation": {
            "swarm_management": rows(|path| family(path) == Family::Swarms),
            "agent_operations": rows(|path| family(path) == Family::Agents),
            "topology_events": rows(|path| family(path) == Family::Traffic),
            "skills_config": rows(|path| family(path) == Family::Library),
        },
    })
}

fn row(route: &Route) -> Value {
    json!({ "method": route.method.as_str(), "path": route.path, "description": route.doc })
}

/// The lists of the descriptor.
#[derive(PartialEq, Eq)]
enum Family {
    Swarms,
    Agents,
    Traffic,
    Library,
}

fn family(path: &str) -> Family {
    if !path.starts_with("/api/swarms") {
        Family::Library
    } else if path.contains("/agents") {
        Family::Agents
    } else if ["/topology", "/message", "/messages"].iter().any(|end| path.ends_with(end)) {
        Family::Traffic
    } else {
        Family::Swarms
    }
}
