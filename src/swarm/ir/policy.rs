//! What an operation may do, asked before it is done (spec genswarms I.5).
//!
//! The cap is of the swarm as the operation would leave it, agents and objects together, so that no order of
//! operations gets past it. Keys with which a program leaves its place are refused wherever an operation
//! brings settings along, not only where a new agent does: two steps would do what one may not.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    error::{Error, Stopped},
    fold::{self, Naming},
    nodes::{Agent, Model, Object},
    op::Op,
    overlay::Event,
    scale,
    state::State,
};

/// Keys with which a config reaches out of its sandbox.
pub const FORBIDDEN: [&str; 4] = ["extra_path", "extra_ro_binds", "extra_rw_binds", "subzeroclaw_path"];

/// Applies one operation, if it may be.
pub fn apply_op(state: &State, op: &Op, cap: usize) -> Result<State, Error> {
    let mut state = state.clone();
    step(&mut state, op, cap, Naming::Document)?;
    Ok(state)
}

/// Applies events up to the first one that may not be or cannot.
pub fn apply_overlay(state: &State, events: &[Event], cap: usize) -> Result<State, Stopped> {
    fold::each(state, events, |state, op| step(state, op, cap, Naming::Document))
}

/// Whether an operation may be applied to `state`; not whether it can.
pub fn check(state: &State, op: &Op, cap: usize) -> Result<(), Error> {
    allowed(state, op, cap, Naming::Document)
}

/// Checks and applies.
pub(super) fn step(state: &mut State, op: &Op, cap: usize, naming: Naming) -> Result<(), Error> {
    allowed(state, op, cap, naming)?;
    fold::apply(state, op, naming, cap)
}

fn allowed(state: &State, op: &Op, cap: usize, naming: Naming) -> Result<(), Error> {
    let nodes = state.nodes() as u64;
    match op {
        Op::AddAgent(agent) => {
            within(nodes.saturating_add(1), cap)?;
            keys(of_agent(agent))
        }
        Op::AddObject(object) => {
            within(nodes.saturating_add(1), cap)?;
            keys(of_object(object))
        }
        Op::Scale { base, count, .. } => {
            let separator = naming.separator();
            let is_member = |agent: &&Agent| scale::is_member(&agent.name, base, separator);
            let members = state.agents.iter().filter(is_member).count() as u64;
            // A group without members is the fold's to refuse; the count alone is still too much.
            let others = if members == 0 { 0 } else { nodes.saturating_sub(members) };
            within(others.saturating_add(*count), cap)
        }
        Op::UpdateConfig { config, .. } => keys(vec![config]),
        Op::RemoveAgent { .. }
        | Op::RemoveObject { .. }
        | Op::AddEdges(_)
        | Op::RemoveEdges(_)
        | Op::Bump { .. }
        | Op::SetOptions(_) => Ok(()),
    }
}

/// Whether a swarm may have so many agents and objects.
pub(super) fn within(count: u64, cap: usize) -> Result<(), Error> {
    let cap = cap as u64;
    if count > cap { Err(Error::AgentCapExceeded { count, cap }) } else { Ok(()) }
}

fn of_agent(agent: &Agent) -> Vec<&Map<String, Value>> {
    let (Model::Service(model) | Model::Policy(model)) = &agent.model;
    vec![&agent.config, &agent.rest, &agent.body.opts, &model.opts, &agent.backend.opts]
}

fn of_object(object: &Object) -> Vec<&Map<String, Value>> {
    let mut all: Vec<&Map<String, Value>> = vec![&object.config, &object.rest, &object.handler.opts];
    all.extend(object.backend.iter().map(|backend| &*backend.opts));
    all
}

fn keys(settings: Vec<&Map<String, Value>>) -> Result<(), Error> {
    let found = settings.into_iter().flat_map(Map::keys).filter(|key| FORBIDDEN.contains(&key.as_str()));
    let found: BTreeSet<&String> = found.collect();
    if found.is_empty() {
        Ok(())
    } else {
        Err(Error::ForbiddenConfigKeys(found.into_iter().cloned().collect()))
    }
}
