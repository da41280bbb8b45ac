//! What is shown of a running swarm. Copied out under the lock; nothing of it is a path or a secret.

use serde_json::Value;

use super::{
    Live,
    table::{Agent, Body, Node, Run, Thing},
};
use crate::{
    agent::Controller,
    swarm::{
        config::{Config, Edge, Handler},
        turn::State,
        view::{AgentView, ObjectView, TopologyRow},
    },
    wire::node::NodeName,
};

impl Live {
    /// The configuration as it stands now, agents and objects by name.
    pub fn config(&self) -> Config {
        let table = self.lock();
        let agents = table.agents().map(|(_, agent)| agent.config.clone()).collect();
        let objects =
            table.nodes.values().filter_map(Node::object).map(|thing| thing.config.clone()).collect();
        let topology = table.topology.edges().map(|(from, to)| Edge { from: from.clone(), to: to.clone() });
        Config {
            name: self.name.clone(),
            agents,
            objects,
            topology: topology.collect(),
            options: table.options.clone(),
            autostart: self.autostart,
        }
    }

    /// How many agents and objects it has.
    pub fn counts(&self) -> (usize, usize) {
        let table = self.lock();
        let agents = table.agents().count();
        (agents, table.nodes.len().saturating_sub(agents))
    }

    /// Its agents, by name.
    pub fn agents(&self) -> Vec<AgentView> {
        self.lock().agents().map(|(name, agent)| self.agent_view(name, agent)).collect()
    }

    /// One agent.
    pub fn agent(&self, name: &NodeName) -> Option<AgentView> {
        self.lock().agent(name).map(|agent| self.agent_view(name, agent))
    }

    /// Its objects, by name.
    pub fn objects(&self) -> Vec<ObjectView> {
        let table = self.lock();
        table.nodes.iter().filter_map(|(name, node)| Some(object_view(name, node.object()?))).collect()
    }

    /// One object, and what it holds, where it is built in.
    pub fn object(&self, name: &NodeName) -> Option<(ObjectView, Option<Value>)> {
        let table = self.lock();
        let thing = table.nodes.get(name)?.object()?;
        let shown = match &thing.body {
            Body::BuiltIn(object) => Some(object.shown()),
            Body::Process { .. } | Body::Broken(_) => None,
        };
        Some((object_view(name, thing), shown))
    }

    /// Its edges, by sender.
    pub fn topology(&self) -> Vec<TopologyRow> {
        let table = self.lock();
        let mut rows: Vec<TopologyRow> = Vec::new();
        for (from, to) in table.topology.edges() {
            match rows.last_mut().filter(|row| row.from == *from) {
                Some(row) => row.targets.push(to.clone()),
                None => rows.push(TopologyRow { from: from.clone(), targets: vec![to.clone()] }),
            }
        }
        rows
    }

    /// What was said to and by an agent, newest first.
    pub fn history(&self, name: &NodeName, most: usize) -> Option<Vec<Value>> {
        Some(self.lock().agent(name)?.turn.history(most))
    }

    /// An agent's conversation, oldest first, the newest `most` lines.
    pub fn logs(&self, name: &NodeName, most: usize) -> Option<Vec<Value>> {
        Some(self.lock().agent(name)?.turn.logs(most))
    }

    /// The process that holds a node's tree.
    pub fn keeper_pid(&self, name: &NodeName) -> Option<u32> {
        self.lock().nodes.get(name)?.run()?.running()?.keeper_pid()
    }

    fn agent_view(&self, name: &NodeName, agent: &Agent) -> AgentView {
        let facts = agent.turn.facts();
        let running = agent.run.running();
        let reason = agent.reason.clone().unwrap_or_else(|| "its program failed too often".to_owned());
        AgentView {
            swarm: self.name.clone(),
            name: name.clone(),
            state: facts.state.as_str(),
            reason: (facts.state == State::Error).then_some(reason),
            backend: agent.config.backend.name(),
            controller: match agent.config.controller {
                Controller::Pipe => "pipe",
                Controller::Pty { .. } => "pty",
            },
            inbox_size: facts.inbox_size,
            message_count: facts.message_count,
            skills: agent.config.skills.clone(),
            started_at: facts.started_at,
            last_activity: facts.last_activity,
            pid: running.and_then(|running| running.pid()),
            block_id: running.and_then(|running| running.block_id()),
        }
    }
}

fn object_view(name: &NodeName, thing: &Thing) -> ObjectView {
    let (state, reason) = match &thing.body {
        Body::BuiltIn(_) | Body::Process { run: Run::Here { .. }, .. } => (State::Idle, None),
        Body::Process { run: Run::None | Run::Starting { .. }, .. } => (State::Initializing, None),
        Body::Broken(why) => (State::Error, Some(why.clone())),
    };
    let handler = match &thing.config.handler {
        Handler::BuiltIn(handler) => Some(handler.clone()),
        Handler::Process { .. } => None,
    };
    ObjectView { name: name.clone(), state: state.as_str(), reason, handler }
}
