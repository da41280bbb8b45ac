//! The operations of an overlay (spec genswarms I.3).
//!
//! A payload is read whole before anything is done with it. What to do about work in flight and about a
//! package's own state is carried along for whoever performs an operation; the fold does not look at it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    error::Error,
    fields::{self, Held},
    nodes::{Agent, Object},
    refs::is_digest,
    shown::Shown,
    state::{Edge, TOO_MANY_EDGES, edges_of, edges_value},
};

/// What becomes of the work of a node that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InFlight {
    /// it is finished
    Drain,
    /// it is ended
    Kill,
    /// it is set aside
    Quarantine,
}

/// What becomes of what a package holds when another version takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migration {
    /// it is carried over
    StateMigrate,
    /// it begins anew
    Restart,
}

/// What a package can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// of an agent
    Body,
    /// of an agent
    Model,
    /// of an agent
    Backend,
    /// of an object
    Handler,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// another agent
    AddAgent(Agent),
    /// another object
    AddObject(Object),
    /// an agent goes, with its edges
    RemoveAgent {
        /// which
        name: String,
        /// and its work
        on_inflight: Option<InFlight>,
    },
    /// an object goes, with its edges
    RemoveObject {
        /// which
        name: String,
        /// and its work
        on_inflight: Option<InFlight>,
    },
    /// edges that are there afterwards
    AddEdges(BTreeSet<Edge>),
    /// edges that are not there afterwards
    RemoveEdges(BTreeSet<Edge>),
    /// so many agents like one
    Scale {
        /// the group
        base: String,
        /// how many afterwards
        count: u64,
        /// and the work of those that go
        on_inflight: Option<InFlight>,
    },
    /// another version of a package
    Bump {
        /// the node
        target: String,
        /// the slot
        field: Slot,
        /// the digest that must be there
        from: String,
        /// the digest afterwards
        to: String,
        /// and its state
        migration: Option<Migration>,
        /// and its work
        on_inflight: Option<InFlight>,
    },
    /// merged into the swarm's options
    SetOptions(Held),
    /// merged into a node's config
    UpdateConfig {
        /// the node
        target: String,
        /// what changes
        config: Held,
    },
}

impl InFlight {
    const WORDS: &[(&str, Self)] =
        &[("drain", Self::Drain), ("kill", Self::Kill), ("quarantine", Self::Quarantine)];

    fn as_str(self) -> &'static str {
        match self {
            InFlight::Drain => "drain",
            InFlight::Kill => "kill",
            InFlight::Quarantine => "quarantine",
        }
    }
}

impl Migration {
    const WORDS: &[(&str, Self)] = &[("state_migrate", Self::StateMigrate), ("restart", Self::Restart)];

    fn as_str(self) -> &'static str {
        match self {
            Migration::StateMigrate => "state_migrate",
            Migration::Restart => "restart",
        }
    }
}

impl Slot {
    const WORDS: &[(&str, Self)] = &[
        ("body", Self::Body),
        ("model", Self::Model),
        ("backend", Self::Backend),
        ("handler", Self::Handler),
    ];

    /// As a payload says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Slot::Body => "body",
            Slot::Model => "model",
            Slot::Backend => "backend",
            Slot::Handler => "handler",
        }
    }
}

impl Op {
    /// Reads the operation `op` with its payload.
    pub fn parse(op: &str, payload: &Value) -> Result<Self, Error> {
        let read: fn(&Map<String, Value>) -> Result<Self, Error> = match op {
            "add_agent" => |map| Agent::parse(&Value::Object(map.clone())).map(Self::AddAgent),
            "add_object" => |map| Object::parse(&Value::Object(map.clone())).map(Self::AddObject),
            "remove_agent" => {
                |map| Ok(Self::RemoveAgent { name: named(map, "name")?, on_inflight: on_inflight(map)? })
            }
            "remove_object" => {
                |map| Ok(Self::RemoveObject { name: named(map, "name")?, on_inflight: on_inflight(map)? })
            }
            "add_topology_edges" => |map| edges(map).map(Self::AddEdges),
            "remove_topology_edges" => |map| edges(map).map(Self::RemoveEdges),
            "scale_agent_group" => scale,
            "bump_package" => bump,
            "set_options" => |map| inner(map, "options").map(Self::SetOptions),
            "update_config" => {
                |map| Ok(Self::UpdateConfig { target: named(map, "target")?, config: inner(map, "config")? })
            }
            other => return Err(Error::UnknownOp(Shown::name(other))),
        };
        read(payload.as_object().ok_or(Error::InvalidPayload)?)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Op::AddAgent(_) => "add_agent",
            Op::AddObject(_) => "add_object",
            Op::RemoveAgent { .. } => "remove_agent",
            Op::RemoveObject { .. } => "remove_object",
            Op::AddEdges(_) => "add_topology_edges",
            Op::RemoveEdges(_) => "remove_topology_edges",
            Op::Scale { .. } => "scale_agent_group",
            Op::Bump { .. } => "bump_package",
            Op::SetOptions(_) => "set_options",
            Op::UpdateConfig { .. } => "update_config",
        }
    }

    /// Its payload, as [`Self::parse`] reads it.
    pub fn payload(&self) -> Value {
        match self {
            Op::AddAgent(agent) => agent.to_value(),
            Op::AddObject(object) => object.to_value(),
            Op::RemoveAgent { name, on_inflight } | Op::RemoveObject { name, on_inflight } => {
                with_policies(json!({ "name": name }), *on_inflight, None)
            }
            Op::AddEdges(edges) | Op::RemoveEdges(edges) => json!({ "edges": edges_value(edges) }),
            Op::Scale { base, count, on_inflight } => {
                with_policies(json!({ "base_name": base, "target_count": count }), *on_inflight, None)
            }
            Op::Bump { target, field, from, to, migration, on_inflight } => {
                let payload = json!({ "target": target, "field": field.as_str(), "from": from, "to": to });
                with_policies(payload, *on_inflight, *migration)
            }
            Op::SetOptions(options) => json!({ "options": Map::clone(options) }),
            Op::UpdateConfig { target, config } => json!({ "target": target, "config": Map::clone(config) }),
        }
    }
}

fn with_policies(mut payload: Value, on_inflight: Option<InFlight>, migration: Option<Migration>) -> Value {
    if let Value::Object(map) = &mut payload {
        on_inflight.map(|policy| map.insert("on_inflight".to_owned(), json!(policy.as_str())));
        migration.map(|policy| map.insert("migration".to_owned(), json!(policy.as_str())));
    }
    payload
}

fn scale(map: &Map<String, Value>) -> Result<Op, Error> {
    let base = named(map, "base_name")?;
    let count = present(map, COUNT)?;
    let count =
        count.as_u64().ok_or_else(|| Error::InvalidCount { field: COUNT, value: Shown::of(Some(count)) })?;
    Ok(Op::Scale { base, count, on_inflight: on_inflight(map)? })
}

const COUNT: &str = "target_count";

fn bump(map: &Map<String, Value>) -> Result<Op, Error> {
    let target = named(map, "target")?;
    let field = present(map, "field")?;
    let field = word(field, Slot::WORDS).ok_or_else(|| Error::InvalidBumpField(Shown::of(Some(field))))?;
    let digest = |field| {
        let value = present(map, field)?;
        let digest = value.as_str().filter(|digest| is_digest(digest));
        let invalid = || Error::InvalidBumpDigest { field, value: Shown::of(Some(value)) };
        fields::short(field, digest.ok_or_else(invalid)?)
    };
    let (from, to) = (digest("from")?, digest("to")?);
    let migration = policy(map, "migration", Migration::WORDS)?;
    Ok(Op::Bump { target, field, from, to, migration, on_inflight: on_inflight(map)? })
}

fn on_inflight(map: &Map<String, Value>) -> Result<Option<InFlight>, Error> {
    policy(map, "on_inflight", InFlight::WORDS)
}

fn policy<T: Copy>(
    map: &Map<String, Value>,
    field: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, Error> {
    let Some(value) = fields::get(map, field) else { return Ok(None) };
    let invalid = || Error::InvalidPolicy { field, value: Shown::of(Some(value)) };
    word(value, words).map(Some).ok_or_else(invalid)
}

fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

fn named(map: &Map<String, Value>, field: &'static str) -> Result<String, Error> {
    fields::name(map, field, Error::MissingField(field))
}

fn present<'a>(map: &'a Map<String, Value>, field: &'static str) -> Result<&'a Value, Error> {
    fields::get(map, field).ok_or(Error::MissingField(field))
}

fn inner(map: &Map<String, Value>, field: &'static str) -> Result<Held, Error> {
    present(map, field)?;
    fields::held(map, field, Error::InvalidPayload)
}

fn edges(map: &Map<String, Value>) -> Result<BTreeSet<Edge>, Error> {
    let edges = fields::get(map, "edges").ok_or(Error::MissingEdges)?;
    let edges = edges_of(edges.as_array().ok_or(Error::InvalidEdges)?);
    edges.map_err(|error| if error == TOO_MANY_EDGES { error } else { Error::InvalidEdges })
}
