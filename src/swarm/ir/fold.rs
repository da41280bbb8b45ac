//! What a state becomes by the events of an overlay (spec genswarms I.4), and the shortening of an overlay
//! (I.5). The same events on the same state give the same, always: there is no clock and no chance here.
//!
//! An event that cannot be applied stops the fold; what was folded so far is not handed out.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    error::{Error, Stopped},
    fields::Held,
    op::{Op, Slot},
    overlay::{Event, Overlay},
    refs::Ref,
    scale,
    shown::Shown,
    state::{Edge, State, TOO_MANY_EDGES, TOO_MANY_NODES},
};
use crate::limits;

/// How the members of a group are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `base#1`: the specification's, for documents
    Document,
    /// `base_1`: what runs, and may be a directory
    Runtime,
}

impl Naming {
    /// What stands between a group's name and a member's number.
    pub(super) fn separator(self) -> char {
        match self {
            Naming::Document => '#',
            Naming::Runtime => '_',
        }
    }
}

/// The state after all events.
pub fn fold(state: &State, events: &[Event]) -> Result<State, Stopped> {
    each(state, events, |state, op| apply(state, op, Naming::Document, usize::MAX))
}

/// The overlay up to `at_seq` folded into a state, and the rest of it. Folding the rest onto that state
/// equals folding all.
pub fn compact(seed: &State, overlay: &Overlay, at_seq: u64) -> Result<(State, Overlay), Stopped> {
    let cut = overlay.events.partition_point(|event| event.seq <= at_seq);
    let (folded, rest) = overlay.events.split_at_checked(cut).unwrap_or((&overlay.events, &[]));
    let rest = Overlay { swarm: overlay.swarm.clone(), apply: overlay.apply, events: rest.to_vec() };
    Ok((fold(seed, folded)?, rest))
}

/// The state after all events, each applied by `step`.
pub(super) fn each(
    state: &State,
    events: &[Event],
    step: impl Fn(&mut State, &Op) -> Result<(), Error>,
) -> Result<State, Stopped> {
    let mut state = state.clone();
    for Event { seq, op } in events {
        step(&mut state, op).map_err(|reason| Stopped { seq: *seq, reason })?;
    }
    Ok(state)
}

/// Applies one operation. After an error `state` is not to be used.
pub(super) fn apply(state: &mut State, op: &Op, naming: Naming, cap: usize) -> Result<(), Error> {
    match op {
        Op::AddAgent(agent) => {
            free(state, &agent.name, Error::AgentExists)?;
            state.agents.push(agent.clone());
            Ok(())
        }
        Op::AddObject(object) => {
            free(state, &object.name, Error::ObjectExists)?;
            state.objects.push(object.clone());
            Ok(())
        }
        Op::RemoveAgent { name, .. } => {
            let at = state.agents.iter().position(|agent| agent.name == *name);
            state.agents.remove(at.ok_or_else(|| Error::AgentNotFound(Shown::name(name)))?);
            forget(&mut state.topology, name);
            Ok(())
        }
        Op::RemoveObject { name, .. } => {
            let at = state.objects.iter().position(|object| object.name == *name);
            state.objects.remove(at.ok_or_else(|| Error::ObjectNotFound(Shown::name(name)))?);
            forget(&mut state.topology, name);
            Ok(())
        }
        Op::AddEdges(edges) => add_edges(state, edges),
        Op::RemoveEdges(edges) => {
            state.topology.retain(|edge| !edges.contains(edge));
            Ok(())
        }
        Op::Scale { base, count, .. } => match naming {
            Naming::Document => scale::document(state, base, *count),
            Naming::Runtime => scale::runtime(state, base, *count, cap),
        },
        Op::Bump { target, field, from, to, .. } => bump(state, target, *field, from, to),
        Op::SetOptions(options) => {
            merge(&mut state.options, options);
            Ok(())
        }
        Op::UpdateConfig { target, config } => {
            let agents = state.agents.iter_mut().map(|agent| (&agent.name, &mut agent.config));
            let objects = state.objects.iter_mut().map(|object| (&object.name, &mut object.config));
            let held = agents.chain(objects).find(|(name, _)| *name == target).map(|(_, config)| config);
            merge(held.ok_or_else(|| Error::TargetNotFound(Shown::name(target)))?, config);
            Ok(())
        }
    }
}

/// Whether another node may have this name.
fn free(state: &State, name: &str, taken: fn(Shown) -> Error) -> Result<(), Error> {
    if state.has(name) {
        Err(taken(Shown::name(name)))
    } else if state.nodes() >= limits::IR_NODES {
        Err(TOO_MANY_NODES)
    } else {
        Ok(())
    }
}

fn forget(topology: &mut BTreeSet<Edge>, name: &str) {
    topology.retain(|(from, to)| from != name && to != name);
}

fn add_edges(state: &mut State, edges: &BTreeSet<Edge>) -> Result<(), Error> {
    let names: BTreeSet<&str> = state.names().collect();
    let mut ends = edges.iter().flat_map(|(from, to)| [from, to]);
    if let Some(end) = ends.find(|end| !names.contains(end.as_str())) {
        return Err(Error::UnknownEdgeEndpoint(Shown::name(end)));
    }
    state.topology.extend(edges.iter().cloned());
    if state.topology.len() > limits::IR_EDGES { Err(TOO_MANY_EDGES) } else { Ok(()) }
}

/// Shallow: a field that is there is replaced whole.
fn merge(held: &mut Held, more: &Held) {
    let changes = more.iter().map(|(field, value)| (field.clone(), value.clone()));
    Arc::make_mut(held).extend(changes);
}

fn bump(state: &mut State, target: &str, field: Slot, from: &str, to: &str) -> Result<(), Error> {
    let not_its_own = || Error::InvalidBumpField(Shown::name(field.as_str()));
    let agent = state.agents.iter_mut().find(|agent| agent.name == target);
    let object = state.objects.iter_mut().find(|object| object.name == target);
    let slot: &mut Ref = match (agent, object, field) {
        (Some(agent), _, Slot::Body) => &mut agent.body,
        (Some(agent), _, Slot::Model) => agent.model.its_ref_mut(),
        (Some(agent), _, Slot::Backend) => &mut agent.backend,
        (None, Some(object), Slot::Handler) => &mut object.handler,
        (Some(_), _, Slot::Handler) | (None, Some(_), Slot::Body | Slot::Model | Slot::Backend) => {
            return Err(not_its_own());
        }
        (None, None, Slot::Body | Slot::Model | Slot::Backend | Slot::Handler) => {
            return Err(Error::TargetNotFound(Shown::name(target)));
        }
    };
    if slot.digest.as_deref() != Some(from) {
        let got = Shown::name(slot.digest.as_deref().unwrap_or("none"));
        return Err(Error::BumpDigestMismatch { expected: Shown::name(from), got });
    }
    slot.digest = Some(to.to_owned());
    Ok(())
}
