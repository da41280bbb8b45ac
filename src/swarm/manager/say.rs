//! What is said to the nodes of a swarm, and by its agents. It waits for no change of the swarm.

use std::sync::Arc;

use serde_json::Value;

use super::{Swarms, nodes::cut};
use crate::{
    swarm::{
        Fault, TaskFault,
        live::Live,
        view::{Answer, Speech},
    },
    wire::node::{FullName, NodeName},
};

impl Swarms {
    /// Gives an agent a task: a text as it is, anything else as JSON.
    pub fn task(&self, swarm: &str, agent: &str, task: &Value) -> Result<(), Fault> {
        let facts = self.table.find(swarm).ok_or(Fault::SwarmNotFound)?.facts();
        let shape = facts.shown();
        let name = match shape.agent(agent) {
            Ok(agent) => agent.name.clone(),
            Err(_) if shape.object(agent).is_ok() => return Err(Fault::Task(TaskFault::NotAnAgent)),
            Err(fault) => return Err(fault),
        };
        let running = facts.live().ok_or(Fault::Task(TaskFault::Stopped))?;
        let content = task.as_str().map_or_else(|| task.to_string(), str::to_owned);
        running.live.task(&name, &content)
    }

    /// Sends a message from one node of the swarm to another, along an edge.
    pub fn message(&self, swarm: &str, from: &str, to: &str, content: &str) -> Result<(), Fault> {
        let facts = self.table.find(swarm).ok_or(Fault::SwarmNotFound)?.facts();
        let running = facts.live().ok_or(Fault::NotRunning)?;
        let known = |name: &str| running.present.agent(name).is_ok() || running.present.object(name).is_ok();
        if !known(from) {
            return Err(Fault::UnknownSender { name: cut(from) });
        }
        if !known(to) {
            return Err(Fault::UnknownTarget { name: cut(to) });
        }
        running.live.message(from, to, content).map(drop)
    }

    /// What an agent says by its token, as itself and along its edges only.
    pub fn speak(&self, agent: &FullName, speech: Speech) -> Result<Answer, Fault> {
        self.live_of(&agent.swarm).ok_or(Fault::SwarmNotFound)?.speak(&agent.agent, speech)
    }

    fn live_of(&self, swarm: &NodeName) -> Option<Arc<Live>> {
        Some(self.table.find(swarm.as_str())?.facts().live()?.live.clone())
    }
}
