//! A shorter overlay that leads to the same swarm, for when as many changes are kept as may be.
//!
//! What came and went, or changed back and forth, is left out. Pure; what it proposes is folded again before it is
//! believed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shape;
use crate::swarm::ir::{Event, Op, State, gate};

/// Lines that lead from `seed` to `kept`; nothing where there are none that the gate lets pass.
pub(super) fn lines(seed: &State, kept: &State) -> Option<Vec<Value>> {
    let ops = ops(seed, kept);
    let events: Vec<Event> = (1..).zip(&ops).map(|(seq, op)| Event { seq, op: op.clone() }).collect();
    let folded = gate::replay(seed, &events, usize::MAX).ok()?;
    is_same(&folded, kept).then(|| ops.into_iter().map(|op| shape::line(&[op])).collect())
}

fn ops(seed: &State, kept: &State) -> Vec<Op> {
    // What goes comes first, so that no step has more nodes than the larger of the two.
    let gone_agents = seed.agents.iter().filter(|agent| !kept.agents.contains(agent));
    let gone_objects = seed.objects.iter().filter(|object| !kept.objects.contains(object));
    let new_agents = kept.agents.iter().filter(|agent| !seed.agents.contains(agent));
    let new_objects = kept.objects.iter().filter(|object| !seed.objects.contains(object));
    let gone: BTreeSet<&str> = gone_agents
        .clone()
        .map(|agent| agent.name.as_str())
        .chain(gone_objects.clone().map(|object| object.name.as_str()))
        .collect();
    let left = seed
        .topology
        .iter()
        .filter(|(from, to)| !gone.contains(from.as_str()) && !gone.contains(to.as_str()));
    let left: BTreeSet<_> = left.cloned().collect();
    let add: BTreeSet<_> = kept.topology.difference(&left).cloned().collect();
    let remove: BTreeSet<_> = left.difference(&kept.topology).cloned().collect();

    let mut ops: Vec<Op> = gone_agents
        .map(|agent| Op::RemoveAgent { name: agent.name.clone(), on_inflight: None })
        .chain(gone_objects.map(|object| Op::RemoveObject { name: object.name.clone(), on_inflight: None }))
        .chain(new_agents.map(|agent| Op::AddAgent(agent.clone())))
        .chain(new_objects.map(|object| Op::AddObject(object.clone())))
        .collect();
    if !add.is_empty() {
        ops.push(Op::AddEdges(add));
    }
    if !remove.is_empty() {
        ops.push(Op::RemoveEdges(remove));
    }
    ops
}

/// The same but for the order of its nodes.
fn is_same(one: &State, other: &State) -> bool {
    one.topology == other.topology
        && one.options == other.options
        && one.nodes() == other.nodes()
        && one.agents.iter().all(|agent| other.agents.contains(agent))
        && one.objects.iter().all(|object| other.objects.contains(object))
}
