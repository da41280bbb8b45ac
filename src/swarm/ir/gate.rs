//! The gate in front of a running swarm (spec genswarms I.6): what a swarm would become is worked out and
//! checked before anything of it is done.
//!
//! Everything passes here: a start, each live operation, and the operations that are replayed when a swarm
//! starts again. Each function answers with the state afterwards, or with what is wrong, and what was refused
//! has changed nothing. Which keys and commands a caller may name at all was decided before (swarm/config).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    error::{Error, Stopped},
    fold::{self, Naming},
    nodes::{Agent, Object},
    op::Op,
    overlay::Event,
    policy,
    shown::Shown,
    state::{Edge, State},
    translate::{self, translate},
};
use crate::wire::node::NodeName;

/// What passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// the swarm afterwards
    pub state: State,
    /// what leads there, for the overlay
    pub ops: Vec<Op>,
}

/// A swarm starts, from a canonical configuration.
pub fn start(config: &Value, cap: usize) -> Result<State, Error> {
    let state = translate(config)?;
    policy::within(state.nodes() as u64, cap)?;
    Ok(state)
}

/// A swarm starts again, from its seed and what was done since: after a restart as after a stop.
pub fn replay(seed: &State, events: &[Event], cap: usize) -> Result<State, Stopped> {
    fold::each(seed, events, |state, op| step(state, op, cap))
}

/// Operations that are done together or not at all.
pub fn all(state: &State, ops: Vec<Op>, cap: usize) -> Result<Passed, Error> {
    let mut after = state.clone();
    ops.iter().try_for_each(|op| step(&mut after, op, cap))?;
    Ok(Passed { state: after, ops })
}

/// Another agent, as it would stand in a canonical configuration, with edges to `connections` and from
/// `incoming`.
pub fn add_agent(
    state: &State,
    agent: &Value,
    connections: &[&str],
    incoming: &[&str],
    cap: usize,
) -> Result<Passed, Error> {
    let agent = Agent::parse(&translate::agent(agent)?)?;
    let edges = edges(&agent.name, connections, incoming);
    all(state, with(Op::AddAgent(agent), Op::AddEdges(edges)), cap)
}

/// Another object, in the same way.
pub fn add_object(
    state: &State,
    object: &Value,
    connections: &[&str],
    incoming: &[&str],
    cap: usize,
) -> Result<Passed, Error> {
    let object = Object::parse(&translate::object(object)?)?;
    let edges = edges(&object.name, connections, incoming);
    all(state, with(Op::AddObject(object), Op::AddEdges(edges)), cap)
}

/// An agent goes, with its edges. An object of that name is no agent.
pub fn remove_agent(state: &State, name: &str, cap: usize) -> Result<Passed, Error> {
    all(state, vec![Op::RemoveAgent { name: name.to_owned(), on_inflight: None }], cap)
}

/// An object goes, with its edges. An agent of that name is no object.
pub fn remove_object(state: &State, name: &str, cap: usize) -> Result<Passed, Error> {
    all(state, vec![Op::RemoveObject { name: name.to_owned(), on_inflight: None }], cap)
}

/// A group gets another size; names and edges as [`super::runtime_scale`] says.
pub fn scale(state: &State, base: &str, count: u64, cap: usize) -> Result<Passed, Error> {
    all(state, vec![Op::Scale { base: base.to_owned(), count, on_inflight: None }], cap)
}

/// Edges come, then edges go; both ends of those that come must exist.
pub fn topology(
    state: &State,
    add: impl IntoIterator<Item = Edge>,
    remove: impl IntoIterator<Item = Edge>,
    cap: usize,
) -> Result<Passed, Error> {
    let (add, remove): (BTreeSet<Edge>, BTreeSet<Edge>) =
        (add.into_iter().collect(), remove.into_iter().collect());
    all(state, with(Op::AddEdges(add), Op::RemoveEdges(remove)), cap)
}

/// Settings of a node change; a field that is there is replaced whole.
pub fn update_config(
    state: &State,
    target: &str,
    config: &Map<String, Value>,
    cap: usize,
) -> Result<Passed, Error> {
    let config = config.clone().into();
    all(state, vec![Op::UpdateConfig { target: target.to_owned(), config }], cap)
}

/// One operation. A node that runs has a name that may be a directory, whoever wrote the operation down.
fn step(state: &mut State, op: &Op, cap: usize) -> Result<(), Error> {
    if let Op::AddAgent(Agent { name, .. }) | Op::AddObject(Object { name, .. }) = op {
        NodeName::parse(name).map_err(|_| Error::InvalidName(Shown::name(name)))?;
    }
    policy::step(state, op, cap, Naming::Runtime)
}

fn edges(name: &str, connections: &[&str], incoming: &[&str]) -> BTreeSet<Edge> {
    let out = connections.iter().map(|to| (name.to_owned(), (*to).to_owned()));
    out.chain(incoming.iter().map(|from| ((*from).to_owned(), name.to_owned()))).collect()
}

/// Both, but for edges that are none.
fn with(first: Op, second: Op) -> Vec<Op> {
    let is_empty = |op: &Op| matches!(op, Op::AddEdges(edges) | Op::RemoveEdges(edges) if edges.is_empty());
    [first, second].into_iter().filter(|op| !is_empty(op)).collect()
}
