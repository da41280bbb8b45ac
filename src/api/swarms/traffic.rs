//! Messages between the nodes of a swarm, and the edges along which they may go.

use serde_json::{Map, Value, json};

use super::{Change, fields_of};
use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result, ok},
    },
    bus::audit::SwarmHappened,
    swarm::view::TopologyRow,
};

/// `POST /api/swarms/:swarm/message`: from one node to another, where there is an edge.
pub(in crate::api) fn message(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = fields_of(request.body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(from), Some(to), Some(content)) = (text("from"), text("to"), text("content")) else {
        let sentence = "Missing 'from', 'to', or 'content' parameter";
        return Err(Fault::new(400, "missing_field", sentence));
    };
    let change = Change::of(SwarmHappened::Message, request.id).node(to).text(content);
    app.change(caller, &change, |swarms| swarms.message(request.id, from, to, content))?;
    ok(&json!({ "status": "routed", "from": from, "to": to, "swarm": request.id }))
}

/// `GET /api/swarms/:swarm/messages?limit=`: newest first.
pub(in crate::api) fn messages(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    ok(&json!({ "messages": app.swarms.messages(request.id, request.newest()?) }))
}

/// `GET /api/swarms/:swarm/topology`.
pub(in crate::api) fn topology(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let rows = app.swarms.topology(request.id)?;
    ok(&json!({ "topology": rows.iter().map(TopologyRow::to_value).collect::<Vec<_>>() }))
}

/// `PATCH /api/swarms/:swarm/topology`: `{"add": [edge], "remove": [edge]}`; all of it or nothing.
pub(in crate::api) fn change_topology(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = fields_of(request.body)?;
    let (add, remove) = (edges(&body, "add")?, edges(&body, "remove")?);
    let change = Change::of(SwarmHappened::Topology, request.id);
    let (added, removed) =
        app.change(caller, &change, |swarms| swarms.change_topology(request.id, &add, &remove))?;
    ok(&json!({ "status": "ok", "added": added, "removed": removed }))
}

type Edges = Vec<(String, String)>;

/// Edges as `["from", "to"]` or `{"from", "to"}`. What is neither fails the call: a change that is done in
/// part is one that nobody asked for.
fn edges(body: &Map<String, Value>, field: &'static str) -> Result<Edges> {
    let wrong = |what: &str| {
        Fault::field(400, "invalid_topology", field, format!("Invalid topology: '{field}' {what}"))
    };
    match body.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|edge| edge_of(edge).ok_or_else(|| wrong(r#"has an edge that is not ["from", "to"]"#)))
            .collect(),
        Some(_) => Err(wrong("must be an array of edges")),
    }
}

fn edge_of(edge: &Value) -> Option<(String, String)> {
    let (from, to) = match edge {
        Value::Array(ends) => match ends.as_slice() {
            [from, to] => (from, to),
            _ => return None,
        },
        Value::Object(ends) if ends.len() == 2 => (ends.get("from")?, ends.get("to")?),
        _ => return None,
    };
    Some((from.as_str()?.to_owned(), to.as_str()?.to_owned()))
}
