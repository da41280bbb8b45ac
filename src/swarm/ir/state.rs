//! `swarm.state`: the nodes of a swarm and its edges, as they are wanted or as they are (spec genswarms I.2).
//!
//! Whatever holds a [`State`] knows: names are unique over agents and objects, and both ends of each edge
//! exist. Agents may be none, and edges may go in circles.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::{
    error::Error,
    fields::{self, Held},
    nodes::{Agent, Object},
    shown::Shown,
};
use crate::limits;

/// From where to where.
pub type Edge = (String, String);

/// What a state is a state of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// as somebody wants it
    Desired,
    /// as it is
    Observed,
}

/// A whole swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// not blank
    pub name: String,
    /// wanted or found
    pub phase: Phase,
    /// in the order in which they start
    pub agents: Vec<Agent>,
    /// in the order in which they start
    pub objects: Vec<Object>,
    /// each once
    pub topology: BTreeSet<Edge>,
    /// of the swarm
    pub options: Held,
}

/// Reads `v` and `kind` of a document.
pub(super) fn document<'a>(
    value: &'a Value,
    kind: &str,
    not_a_map: Error,
) -> Result<&'a Map<String, Value>, Error> {
    let map = value.as_object().ok_or(not_a_map)?;
    if map.get("v").and_then(Value::as_u64) != Some(VERSION) {
        return Err(Error::UnsupportedVersion(Shown::of(map.get("v"))));
    }
    if map.get("kind").and_then(Value::as_str) != Some(kind) {
        return Err(Error::WrongKind(Shown::of(map.get("kind"))));
    }
    Ok(map)
}

/// The version of both documents.
pub(super) const VERSION: u64 = 1;
/// The kind of this one.
const KIND: &str = "swarm.state";

impl State {
    /// Reads a document; the first thing that is wrong is the error.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let map = document(value, KIND, Error::StateNotAMap)?;
        let name = fields::name(map, "name", Error::Missing("name"))?;
        let phase = match map.get("phase") {
            Some(Value::String(word)) if word == Phase::Desired.as_str() => Phase::Desired,
            Some(Value::String(word)) if word == Phase::Observed.as_str() => Phase::Observed,
            other => return Err(Error::InvalidPhase(Shown::of(other))),
        };
        let agents = match fields::get(map, "agents") {
            None => return Err(Error::Missing("agents")),
            Some(Value::Array(agents)) => bounded(agents.iter().map(Agent::parse))?,
            Some(_) => return Err(Error::Invalid("agents")),
        };
        let objects = match fields::get(map, "objects") {
            None => Vec::new(),
            Some(Value::Array(objects)) => bounded(objects.iter().map(Object::parse))?,
            Some(_) => return Err(Error::Invalid("objects")),
        };
        let topology = match fields::get(map, "topology") {
            None => BTreeSet::new(),
            Some(Value::Array(edges)) => edges_of(edges)?,
            Some(_) => return Err(Error::InvalidTopology),
        };
        let options = fields::held(map, "options", Error::Invalid("options"))?;
        let state = Self { name, phase, agents, objects, topology, options };
        state.holds_together()?;
        Ok(state)
    }

    /// As [`Self::parse`] reads it.
    pub fn to_value(&self) -> Value {
        let fields = [
            ("v", json!(VERSION)),
            ("kind", json!(KIND)),
            ("name", json!(self.name)),
            ("phase", json!(self.phase.as_str())),
            ("agents", self.agents.iter().map(Agent::to_value).collect()),
            ("objects", self.objects.iter().map(Object::to_value).collect()),
            ("topology", edges_value(&self.topology)),
            ("options", Value::Object(Map::clone(&self.options))),
        ];
        Value::Object(fields.map(|(field, value)| (field.to_owned(), value)).into_iter().collect())
    }

    /// The names of all nodes: agents, then objects.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let agents = self.agents.iter().map(|agent| agent.name.as_str());
        agents.chain(self.objects.iter().map(|object| object.name.as_str()))
    }

    /// How many agents and objects it has.
    pub fn nodes(&self) -> usize {
        self.agents.len().saturating_add(self.objects.len())
    }

    /// Whether an agent or object has this name.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|taken| taken == name)
    }

    /// Whether every ref is resolved; the first one that is not is the error.
    pub fn resolved(&self) -> Result<(), Error> {
        let of_agents =
            self.agents.iter().flat_map(|agent| [&agent.body, agent.model.its_ref(), &agent.backend]);
        let of_objects =
            self.objects.iter().flat_map(|object| [Some(&object.handler), object.backend.as_ref()]).flatten();
        of_agents.chain(of_objects).try_for_each(|it| {
            let text = Shown::name(&it.text);
            it.resolved().map_err(|reason| Error::UnresolvedRef { text, reason: Box::new(reason) })
        })
    }

    fn holds_together(&self) -> Result<(), Error> {
        if self.nodes() > limits::IR_NODES {
            return Err(TOO_MANY_NODES);
        }
        let mut names = HashSet::new();
        for name in self.names() {
            if !names.insert(name) {
                return Err(Error::DuplicateName(Shown::name(name)));
            }
        }
        let mut ends = self.topology.iter().flat_map(|(from, to)| [from, to]);
        match ends.find(|end| !names.contains(end.as_str())) {
            Some(end) => Err(Error::UnknownEdgeEndpoint(Shown::name(end))),
            None => Ok(()),
        }
    }
}

/// More nodes than a state may have, whatever the cap of the swarm.
pub(super) const TOO_MANY_NODES: Error = Error::TooMany { what: "nodes", most: limits::IR_NODES };
/// More edges than a state may have.
pub(super) const TOO_MANY_EDGES: Error = Error::TooMany { what: "edges", most: limits::IR_EDGES };

fn bounded<T>(nodes: impl ExactSizeIterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    if nodes.len() > limits::IR_NODES { Err(TOO_MANY_NODES) } else { nodes.collect() }
}

/// Edges, each once.
pub(super) fn edges_of(edges: &[Value]) -> Result<BTreeSet<Edge>, Error> {
    if edges.len() > limits::IR_EDGES {
        return Err(TOO_MANY_EDGES);
    }
    edges.iter().map(|edge| edge_of(edge).ok_or_else(|| Error::InvalidEdge(Shown::of(Some(edge))))).collect()
}

fn edge_of(edge: &Value) -> Option<Edge> {
    let [from, to] = edge.as_array()?.as_slice() else { return None };
    let end = |end: &Value| {
        let name = end.as_str().filter(|name| !name.trim().is_empty())?;
        fields::short("edge", name).ok()
    };
    Some((end(from)?, end(to)?))
}

/// As [`edges_of`] reads them.
pub(super) fn edges_value(edges: &BTreeSet<Edge>) -> Value {
    edges.iter().map(|(from, to)| json!([from, to])).collect()
}

impl Phase {
    /// As a document says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Desired => "desired",
            Phase::Observed => "observed",
        }
    }
}
