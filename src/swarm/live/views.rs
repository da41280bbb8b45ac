//! What is shown of a running swarm. Copied out under the lock; nothing of it is a path or a secret.

use serde_json::{Value, json};

use super::{
    Live,
    ending::{Ending, NOT_GONE, Was},
    table::{Agent, Body, Node, Run, Table, Thing, full},
};
use crate::{
    agent::Controller,
    limits,
    swarm::{
        config::{AgentConfig, Config, Edge, Handler, ObjectConfig},
        turn::State,
        view::{AgentPace, AgentView, ObjectView, TopologyRow},
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

    /// Its agents, by name; also those that were removed and whose processes did not end.
    pub fn agents(&self) -> Vec<AgentView> {
        let table = self.lock();
        let there = table.agents().map(|(name, agent)| self.agent_view(&table, name, agent));
        let removed = table.ending.iter().filter_map(|one| match &one.was {
            Was::Agent(config) if one.late && !table.nodes.contains_key(&one.name) => {
                Some(not_gone(AgentView::at_rest(&self.name, config), one))
            }
            Was::Agent(_) | Was::Object(_) => None,
        });
        let mut all: Vec<AgentView> = there.chain(removed).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// How each of its agents does, by name.
    pub fn paces(&self) -> Vec<AgentPace> {
        let table = self.lock();
        let pace = |(name, agent): (&NodeName, &Agent)| {
            let facts = agent.turn.facts();
            AgentPace {
                name: full(&self.name, name),
                state: facts.state.as_str(),
                paused: facts.paused,
                inbox_size: facts.inbox_size,
                message_count: facts.message_count,
                pid: agent.run.running().and_then(|running| running.pid()),
                took: agent.turn.took(),
            }
        };
        table.agents().map(pace).collect()
    }

    /// One agent.
    pub fn agent(&self, name: &NodeName) -> Option<AgentView> {
        let table = self.lock();
        table.agent(name).map(|agent| self.agent_view(&table, name, agent))
    }

    /// Its objects, by name; also those that were removed and whose processes did not end.
    pub fn objects(&self) -> Vec<ObjectView> {
        let table = self.lock();
        let there =
            table.nodes.iter().filter_map(|(name, node)| Some(object_view(&table, name, node.object()?)));
        let removed = table.ending.iter().filter_map(|one| match &one.was {
            Was::Object(config) if one.late && !table.nodes.contains_key(&one.name) => {
                let view = ObjectView::at_rest(config);
                Some(ObjectView { state: State::Error.as_str(), reason: Some(NOT_GONE.to_owned()), ..view })
            }
            Was::Agent(_) | Was::Object(_) => None,
        });
        let mut all: Vec<ObjectView> = there.chain(removed).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// One object, and what it holds, where it is built in; of one that is a process, what it wrote on its
    /// standard error.
    pub fn object(&self, name: &NodeName) -> Option<(ObjectView, Option<Value>)> {
        let table = self.lock();
        let thing = table.nodes.get(name)?.object()?;
        let shown = match &thing.body {
            Body::BuiltIn(object) => Some(object.shown()),
            // One that is broken too: its last lines may say why.
            Body::Process { .. } | Body::Broken(_) => match &thing.config.handler {
                Handler::Process { .. } => Some(json!({ "log": thing.heard.newest(limits::OBJECT_LINES) })),
                Handler::BuiltIn(_) => None,
            },
        };
        Some((object_view(&table, name, thing), shown))
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

    fn agent_view(&self, table: &Table, name: &NodeName, agent: &Agent) -> AgentView {
        let facts = agent.turn.facts();
        let running = agent.run.running();
        let reason = agent.reason.clone().unwrap_or_else(|| "its program failed too often".to_owned());
        let view = AgentView {
            state: facts.state.as_str(),
            reason: (facts.state == State::Error).then_some(reason),
            inbox_size: facts.inbox_size,
            message_count: facts.message_count,
            started_at: facts.started_at,
            last_activity: facts.last_activity,
            pid: running.and_then(|running| running.pid()),
            block_id: running.and_then(|running| running.block_id()),
            sandbox: running.and_then(|running| running.in_force()),
            ..AgentView::at_rest(&self.name, &agent.config)
        };
        table.late(name).into_iter().fold(view, not_gone)
    }
}

/// An agent as it is shown whose processes did not end.
fn not_gone(view: AgentView, ending: &Ending) -> AgentView {
    AgentView {
        state: State::Error.as_str(),
        reason: Some(NOT_GONE.to_owned()),
        pid: ending.running.pid(),
        block_id: ending.running.block_id(),
        ..view
    }
}

fn object_view(table: &Table, name: &NodeName, thing: &Thing) -> ObjectView {
    let (state, reason) = match &thing.body {
        // One that was replaced runs: beside it something is left.
        Body::Process { run: Run::None, .. } | Body::Broken(_) if table.late(name).is_some() => {
            (State::Error, Some(NOT_GONE.to_owned()))
        }
        Body::BuiltIn(_) | Body::Process { run: Run::Here { .. }, .. } => (State::Idle, None),
        Body::Process { run: Run::None | Run::Starting { .. }, .. } => (State::Initializing, None),
        Body::Broken(why) => (State::Error, Some(why.clone())),
    };
    ObjectView { state: state.as_str(), reason, ..ObjectView::at_rest(&thing.config) }
}

impl AgentView {
    /// One whose program does not run.
    pub(in crate::swarm) fn at_rest(swarm: &NodeName, agent: &AgentConfig) -> Self {
        Self {
            swarm: swarm.clone(),
            name: agent.name.clone(),
            state: State::Stopped.as_str(),
            backend: agent.backend.name(),
            controller: match agent.controller {
                Controller::Pipe => "pipe",
                Controller::Pty { .. } => "pty",
            },
            inbox_size: 0,
            message_count: 0,
            skills: agent.skills.clone(),
            started_at: None,
            last_activity: None,
            pid: None,
            block_id: None,
            sandbox: None,
            reason: None,
        }
    }
}

impl ObjectView {
    /// One that does not run.
    pub(in crate::swarm) fn at_rest(object: &ObjectConfig) -> Self {
        let handler = match &object.handler {
            Handler::BuiltIn(name) => Some(name.clone()),
            Handler::Process { .. } => None,
        };
        Self { name: object.name.clone(), state: State::Stopped.as_str(), reason: None, handler }
    }
}
