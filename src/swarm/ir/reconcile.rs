//! What leads from what is to what is wanted (spec genswarms I.8).
//!
//! Nodes start before edges come, and edges go before nodes stop, so that no edge is ever without its ends.
//! A restarted node keeps its edges. One name that was an object and is to be an agent, or the other way, is
//! a restart too: a stop at the end would take the new one away.

use std::collections::HashMap;

use super::{
    nodes::{Agent, Object},
    state::{Edge, State},
};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// it is not there
    StartAgent(Agent),
    /// it is not there
    StartObject(Object),
    /// it is there and differs: remove, then add
    RestartAgent(Agent),
    /// it is there and differs: remove, then add
    RestartObject(Object),
    /// it is missing
    AddEdge(Edge),
    /// it is too many
    RemoveEdge(Edge),
    /// nobody wants it
    StopAgent(String),
    /// nobody wants it
    StopObject(String),
}

/// The steps from `observed` to `desired`, in their order; none: it is as it is wanted.
pub fn reconcile(desired: &State, observed: &State) -> Vec<Action> {
    let has_agents: HashMap<&str, &Agent> =
        observed.agents.iter().map(|agent| (agent.name.as_str(), agent)).collect();
    let has_objects: HashMap<&str, &Object> =
        observed.objects.iter().map(|object| (object.name.as_str(), object)).collect();
    let wanted: std::collections::HashSet<&str> = desired.names().collect();

    let (mut starts, mut restarts) = (Vec::new(), Vec::new());
    for agent in &desired.agents {
        let name = agent.name.as_str();
        match (has_agents.get(name), has_objects.contains_key(name)) {
            (Some(same), _) if *same == agent => {}
            (Some(_), _) | (None, true) => restarts.push(Action::RestartAgent(agent.clone())),
            (None, false) => starts.push(Action::StartAgent(agent.clone())),
        }
    }
    for object in &desired.objects {
        let name = object.name.as_str();
        match (has_objects.get(name), has_agents.contains_key(name)) {
            (Some(same), _) if *same == object => {}
            (Some(_), _) | (None, true) => restarts.push(Action::RestartObject(object.clone())),
            (None, false) => starts.push(Action::StartObject(object.clone())),
        }
    }
    let mut plan = starts;
    plan.append(&mut restarts);
    plan.extend(desired.topology.difference(&observed.topology).cloned().map(Action::AddEdge));
    plan.extend(observed.topology.difference(&desired.topology).cloned().map(Action::RemoveEdge));
    let unwanted = |name: &&String| !wanted.contains(name.as_str());
    let agents = observed.agents.iter().map(|agent| &agent.name).filter(unwanted);
    plan.extend(agents.cloned().map(Action::StopAgent));
    let objects = observed.objects.iter().map(|object| &object.name).filter(unwanted);
    plan.extend(objects.cloned().map(Action::StopObject));
    plan
}

/// What `state` becomes by these steps; `None` where one cannot be done in its turn. The executor of the
/// tests: a restart is a removal and an addition that leave the edges alone.
#[cfg(any(test, fuzzing))]
pub(super) fn applied(state: &State, steps: &[Action]) -> Option<State> {
    let mut state = state.clone();
    for step in steps {
        let name = match step {
            Action::StartAgent(Agent { name, .. }) | Action::RestartAgent(Agent { name, .. }) => name,
            Action::StartObject(Object { name, .. }) | Action::RestartObject(Object { name, .. }) => name,
            Action::StopAgent(name) | Action::StopObject(name) => name,
            Action::AddEdge((from, to)) | Action::RemoveEdge((from, to)) => {
                (state.has(from) && state.has(to)).then_some(())?;
                from
            }
        };
        let starts = matches!(step, Action::StartAgent(_) | Action::StartObject(_));
        (state.has(name) != starts).then_some(())?;
        let remove = |state: &mut State| {
            state.agents.retain(|agent| agent.name != *name);
            state.objects.retain(|object| object.name != *name);
        };
        match step {
            Action::StartAgent(agent) | Action::RestartAgent(agent) => {
                remove(&mut state);
                state.agents.push(agent.clone());
            }
            Action::StartObject(object) | Action::RestartObject(object) => {
                remove(&mut state);
                state.objects.push(object.clone());
            }
            Action::AddEdge(edge) => state.topology.insert(edge.clone()).then_some(())?,
            Action::RemoveEdge(edge) => state.topology.remove(edge).then_some(())?,
            Action::StopAgent(_) | Action::StopObject(_) => {
                remove(&mut state);
                // Its edges went before it.
                let left = state.topology.iter().any(|(from, to)| from == name || to == name);
                (!left).then_some(())?;
            }
        }
    }
    Some(state)
}
