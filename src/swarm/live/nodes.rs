//! Agents that come, go and begin anew while the swarm runs.
//!
//! An agent that is added is there, with its edges, before its program is started; where that fails, all of it
//! is taken back and only the caller hears of it. One that is removed is gone at once, for every sender, and its
//! processes are ended after that.

use super::{
    Live, Phase,
    ending::Was,
    pass::Pass,
    programs::NotLaunched,
    table::{Node, Run},
};
use crate::{
    swarm::{
        Fault,
        config::{self, AgentConfig},
        events::{Draft, Name, Push},
    },
    wire::node::NodeName,
};

impl Live {
    /// Adds an agent with edges to `connections` and from `incoming`; returns when its program runs.
    pub fn add_agent(
        &self,
        config: AgentConfig,
        connections: &[NodeName],
        incoming: &[NodeName],
    ) -> Result<(), Fault> {
        let name = config.name.clone();
        let spec = config::spec(&config);
        let mut node = self.new_agent(config, 0);
        self.input(|pass| {
            node.since = pass.table.runs;
            pass.insert(&name, Node::Agent(Box::new(node)), connections, incoming)?;
            let now = pass.now;
            let paused = pass.table.phase == Phase::Paused;
            if let Some(agent) = pass.table.agent_mut(&name).filter(|_| paused) {
                agent.turn.pause(now);
            }
            Ok(())
        })?;
        match self.launch_agent(&name) {
            Ok(()) => {
                let draft = Draft::new(Name::AgentAdded, format!("agent {name} added")).agent(&name);
                self.input(|pass| pass.tell(draft.pushing(Push::Added { spec })));
                Ok(())
            }
            Err(why) => {
                self.input(|pass| pass.take_out(&name));
                Err(not_started(&name, why))
            }
        }
    }

    /// Removes an agent, its edges and its processes, also one that is just being started. One that was removed
    /// before and whose processes did not end then is ended now.
    pub fn remove_agent(&self, name: &NodeName) -> Result<(), Fault> {
        let place = self.input(|pass| {
            pass.may_change()?;
            if pass.table.is_removed(name, |was| matches!(was, Was::Agent(_))) {
                return Ok(None);
            }
            let agent = pass.table.agent(name).ok_or(Fault::AgentNotFound)?;
            let place = agent.place.clone();
            pass.turn(name, |turn, now| ((), turn.stop(now)));
            pass.run();
            pass.take_out(name);
            pass.tell(Draft::new(Name::AgentRemoved, format!("agent {name} removed")).agent(name));
            Ok(place)
        })?;
        if let Some(place) = place {
            place.close();
        }
        self.gone(name)
    }

    /// Ends what was taken from the node of this name.
    pub(super) fn gone(&self, name: &NodeName) -> Result<(), Fault> {
        if self.end_of(name, None) { Ok(()) } else { Err(Fault::StillThere) }
    }

    /// Ends an agent's processes and starts its program again. What waits for it still waits.
    pub fn restart_agent(&self, name: &NodeName) -> Result<(), Fault> {
        self.input(|pass| {
            pass.may_change()?;
            let agent = pass.table.agent_mut(name).ok_or(Fault::AgentNotFound)?;
            if matches!(agent.run, Run::Starting { .. }) {
                return Err(Fault::Busy);
            }
            pass.table.part(name);
            pass.turn(name, |turn, now| ((), turn.restarted(now)));
            Ok(())
        })?;
        self.launch_agent(name).map_err(|why| not_started(name, why))
    }
}

impl Pass<'_> {
    /// Whether the swarm may still be changed.
    pub fn may_change(&self) -> Result<(), Fault> {
        if self.table.phase == Phase::Stopped { Err(Fault::NotRunning) } else { Ok(()) }
    }

    /// A new node with its edges, all of it or nothing.
    pub fn insert(
        &mut self,
        name: &NodeName,
        node: Node,
        connections: &[NodeName],
        incoming: &[NodeName],
    ) -> Result<(), Fault> {
        self.may_change()?;
        if let Some(there) = self.table.nodes.get(name) {
            let code = if there.agent().is_some() { "agent_exists" } else { "object_exists" };
            return Err(Fault::NameTaken { code, name: name.to_string() });
        }
        let nodes = &self.table.nodes;
        let unknown = |end: &&NodeName| *end != name && !nodes.contains_key(*end);
        if let Some(end) = connections.iter().chain(incoming).find(unknown) {
            return Err(Fault::UnknownEndpoint { name: end.to_string() });
        }
        let out = connections.iter().map(|to| (name.clone(), to.clone()));
        let into = incoming.iter().map(|from| (from.clone(), name.clone()));
        self.table.topology.add(out.chain(into)).map_err(super::too_many_edges)?;
        self.table.nodes.insert(name.clone(), node);
        Ok(())
    }

    /// Takes a node and its edges away; its program is to be ended.
    pub fn take_out(&mut self, name: &NodeName) {
        self.table.part(name);
        self.table.nodes.remove(name);
        self.table.topology.remove_node(name);
        self.logs_left.extend(self.live.log.left(name));
    }
}

pub(super) fn not_started(name: &NodeName, why: NotLaunched) -> Fault {
    match why {
        NotLaunched::Gone => Fault::NotRunning,
        NotLaunched::NotGone => Fault::StillThere,
        NotLaunched::Failed(reason) => Fault::NotStarted { name: name.to_string(), reason },
    }
}
