//! Changes of a running swarm's agents and edges.

use serde_json::Value;

use super::Swarms;
use crate::{
    swarm::{
        Fault,
        config::{self, Edge},
        ir::{Op, gate},
        live::Live,
        view::Scaled,
    },
    wire::node::NodeName,
};

impl Swarms {
    /// Adds an agent (spec genswarms B.3); its name.
    pub fn add_agent(&self, swarm: &str, given: &Value) -> Result<NodeName, Fault> {
        let busy = self.enter(swarm, Fault::NoSuchSwarm)?;
        let (agent, to, from) =
            config::agent_of_call(given, &busy.facts().seed.config).map_err(Fault::of_config)?;
        let (name, value) = (agent.name.clone(), agent.to_value());
        let cap = self.settings.cap;
        let step =
            self.step(&busy, |state| gate::add_agent(state, &value, &texts(&to), &texts(&from), cap))?;
        self.fits(&step.present.config)?;
        let agent = step.present.agent(name.as_str())?.clone();
        self.make(&busy, &step, |live| live.add_agent(agent, &to, &from), |live| live.remove_agent(&name))?;
        Ok(name)
    }

    /// Removes an agent with its edges, never an object.
    pub fn remove_agent(&self, swarm: &str, agent: &str) -> Result<NodeName, Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        let name = NodeName::parse(agent).map_err(|_| Fault::AgentNotFound)?;
        let running = busy.running()?;
        if running.present.agent(agent).is_err() {
            // One that was removed, and whose processes did not end then.
            return running.live.remove_agent(&name).map(|()| name);
        }
        let step = self.step(&busy, |state| gate::remove_agent(state, agent, self.settings.cap))?;
        self.make_for_good(&busy, &step, |live| live.remove_agent(&name))?;
        Ok(name)
    }

    /// Ends an agent's program and starts it again.
    pub fn restart_agent(&self, swarm: &str, agent: &str) -> Result<NodeName, Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        let running = busy.running()?;
        let agent = running.present.agent(agent)?;
        let name = agent.name.clone();
        self.is_led_right(busy.name(), agent)?;
        running.live.restart_agent(&name)?;
        Ok(name)
    }

    /// Makes `count` agents of a base (spec genswarms I.7): `base_1` to `base_N`. Members that could not be started
    /// are not there; where none of the new ones could, none of the old ones goes.
    pub fn scale(&self, swarm: &str, base: &str, count: usize) -> Result<Scaled, Fault> {
        let busy = self.enter(swarm, Fault::NoSuchSwarm)?;
        let cap = self.settings.cap;
        if count > cap {
            return Err(Fault::ScaleLimit { most: cap });
        }
        let whole = self.step(&busy, |state| gate::scale(state, base, count as u64, cap));
        let whole = whole.map_err(|fault| match fault {
            Fault::AgentLimit { most } => Fault::ScaleLimit { most },
            other => other,
        })?;
        self.hold(&busy, &whole)?;
        let mut scaled = Scaled::default();
        for agent in &whole.present.config.agents {
            if whole.before().agent(agent.name.as_str()).is_ok() {
                continue;
            }
            let (to, from) = whole.present.neighbours(&agent.name);
            // Neighbours that are about to come get their edges with themselves.
            let there = |names: Vec<NodeName>| -> Vec<NodeName> {
                names.into_iter().filter(|name| *name == agent.name || is_there(whole.live(), name)).collect()
            };
            match whole.live().add_agent(agent.clone(), &there(to), &there(from)) {
                Ok(()) => scaled.added.push(agent.name.clone()),
                Err(fault) => scaled.failed.push((agent.name.clone(), fault.to_string())),
            }
        }
        if scaled.added.is_empty() && !scaled.failed.is_empty() {
            self.leave(&busy, &whole);
            return Ok(scaled);
        }
        let gone = whole.before().config.agents.iter().map(|agent| &agent.name);
        scaled.removed = gone.filter(|name| whole.present.agent(name.as_str()).is_err()).cloned().collect();
        if scaled == Scaled::default() {
            self.leave(&busy, &whole);
            return Ok(scaled);
        }
        // What failed is not kept: the next start would find another swarm than was answered.
        let scale = Op::Scale { base: base.to_owned(), count: count as u64, on_inflight: None };
        let remove = |name: &NodeName| Op::RemoveAgent { name: name.to_string(), on_inflight: None };
        let failed = scaled.failed.iter().map(|(name, _)| remove(name));
        let ops: Vec<Op> = std::iter::once(scale).chain(failed).collect();
        let step = self.step(&busy, |state| gate::all(state, ops.clone(), cap));
        let step = step.and_then(|step| self.write(&busy, &step).map(|()| step));
        let step = match step {
            Ok(step) => step,
            Err(fault) => {
                let left =
                    scaled.added.iter().filter(|name| whole.live().remove_agent(name).is_err()).count();
                self.leave(&busy, &whole);
                return Err(if left == 0 { fault } else { Fault::StillThere });
            }
        };
        let ended: Vec<Result<(), Fault>> =
            scaled.removed.iter().map(|name| step.live().remove_agent(name)).collect();
        self.done(&busy, &step);
        step.live().tell_changed();
        ended.into_iter().collect::<Result<(), Fault>>()?;
        Ok(scaled)
    }

    /// Adds edges, then removes some, all or none; how many are new, and how many are gone.
    pub fn change_topology(
        &self,
        swarm: &str,
        add: &[(String, String)],
        remove: &[(String, String)],
    ) -> Result<(usize, usize), Fault> {
        let busy = self.enter(swarm, Fault::NoSuchSwarm)?;
        let present = busy.running()?.present;
        let known = |name: &str| present.agent(name).is_ok() || present.object(name).is_ok();
        let ends = add.iter().chain(remove).flat_map(|(from, to)| [from, to]);
        if let Some(unknown) = ends.into_iter().find(|name| !known(name)) {
            return Err(Fault::UnknownEndpoint { name: cut(unknown) });
        }
        let step = self.step(&busy, |state| {
            gate::topology(state, add.iter().cloned(), remove.iter().cloned(), self.settings.cap)
        })?;
        let new = missing(&step.present.config.topology, &present.config.topology);
        let gone = missing(&present.config.topology, &step.present.config.topology);
        if !new.is_empty() || !gone.is_empty() {
            let change =
                |live: &Live, add: &[Edge], remove: &[Edge]| live.change_edges(add, remove).map(drop);
            self.make(&busy, &step, |live| change(live, &new, &gone), |live| change(live, &gone, &new))?;
        }
        Ok((new.len(), gone.len()))
    }

    /// Forgets what was changed: it counts from the next start on.
    pub fn clear_overlay(&self, swarm: &str) -> Result<(), Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        self.shelf.clear(busy.name()).map_err(Fault::of_shelf)?;
        busy.note(|facts| facts.kept = facts.seed.clone());
        Ok(())
    }
}

fn is_there(live: &Live, name: &NodeName) -> bool {
    live.agent(name).is_some() || live.object(name).is_some()
}

/// The edges of `all` that are not among `others`.
fn missing(all: &[Edge], others: &[Edge]) -> Vec<Edge> {
    let others: std::collections::BTreeSet<(&NodeName, &NodeName)> =
        others.iter().map(|edge| (&edge.from, &edge.to)).collect();
    all.iter().filter(|edge| !others.contains(&(&edge.from, &edge.to))).cloned().collect()
}

fn texts(names: &[NodeName]) -> Vec<&str> {
    names.iter().map(NodeName::as_str).collect()
}

/// A name that somebody sent, to be repeated: the beginning of it.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}
