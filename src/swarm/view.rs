//! What is shown of swarms, and what an agent may say by its token: the shapes of spec genswarms B.2.
//!
//! No path of this machine and no secret is in any of them (spec L.1.13): where genswarms shows a path, the key is
//! there and null.

use serde_json::{Map, Value, json};

use crate::{
    agent::Took,
    backend::InForce,
    wire::{
        date,
        node::{FullName, NodeName},
    },
};

/// One swarm in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmRow {
    /// its name
    pub name: NodeName,
    /// `starting`, `running`, `error` or `stopped`
    pub status: &'static str,
    /// when it was started, Unix ms
    pub started_at: Option<u64>,
    /// agents that it has
    pub agents: usize,
    /// objects that it has
    pub objects: usize,
}

/// All that is shown of one swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmView {
    /// its name
    pub name: NodeName,
    /// `starting`, `running`, `error` or `stopped`
    pub status: &'static str,
    /// why it did not start, where the status is `error`
    pub error: Option<String>,
    /// nothing is handed to its agents now
    pub paused: bool,
    /// it starts with the instance
    pub autostart: bool,
    /// when it was started, Unix ms
    pub started_at: Option<u64>,
    /// its agents, by name
    pub agents: Vec<AgentView>,
    /// its objects, by name
    pub objects: Vec<ObjectView>,
    /// its edges, by sender
    pub topology: Vec<TopologyRow>,
}

/// What is shown of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentView {
    /// its swarm
    pub swarm: NodeName,
    /// its name there
    pub name: NodeName,
    /// `initializing`, `idle`, `working`, `error` or `stopped`
    pub state: &'static str,
    /// why, where the state is `error`: a sentence
    pub reason: Option<String>,
    /// `local`, `mock`, ...
    pub backend: &'static str,
    /// `pipe` or `pty`
    pub controller: &'static str,
    /// tasks and messages that wait for it
    pub inbox_size: usize,
    /// messages and tasks that it was given
    pub message_count: u64,
    /// its skills, by name
    pub skills: Vec<String>,
    /// when its program was started, Unix ms
    pub started_at: Option<u64>,
    /// when it last said or was given something, Unix ms
    pub last_activity: Option<u64>,
    /// the number of its program, while it runs
    pub pid: Option<u32>,
    /// its terminal, where it runs in one
    pub block_id: Option<String>,
    /// what is in force of its sandbox, where it runs in one
    pub sandbox: Option<InForce>,
}

/// How one agent of a running swarm does, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPace {
    /// its name
    pub name: FullName,
    /// `initializing`, `idle`, `working`, `error` or `stopped`
    pub state: &'static str,
    /// nothing is handed to it now
    pub paused: bool,
    /// tasks and messages that wait for it
    pub inbox_size: usize,
    /// tasks and messages to and from it, so far
    pub message_count: u64,
    /// the number of its program, while it runs
    pub pid: Option<u32>,
    /// how long its turns took
    pub took: Took,
}

/// What is shown of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectView {
    /// its name
    pub name: NodeName,
    /// `initializing`, `idle`, `working`, `error` or `stopped`
    pub state: &'static str,
    /// why, where the state is `error`: a sentence
    pub reason: Option<String>,
    /// its built-in handler; none where it is a process
    pub handler: Option<String>,
}

/// To whom one node may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyRow {
    /// the node
    pub from: NodeName,
    /// its targets, by name
    pub targets: Vec<NodeName>,
}

/// One change that was made while the swarm ran, secrets replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayRow {
    /// `add_agent`, `scale_agent_group`, ... (spec genswarms I.3)
    pub op: String,
    /// what was changed
    pub payload: Value,
}

/// What a scale did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scaled {
    /// agents that are new, by name
    pub added: Vec<NodeName>,
    /// agents that are gone, by name
    pub removed: Vec<NodeName>,
    /// agents that could not be started, and why
    pub failed: Vec<(NodeName, String)>,
}

/// What an agent says by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speech {
    /// to one neighbour
    Send {
        /// to whom
        to: String,
        /// what
        content: String,
    },
    /// a question to an object, which is answered at once
    Ask {
        /// to whom
        to: String,
        /// what
        content: String,
        /// the question's id, where the agent gives one
        id: Option<String>,
    },
    /// to all neighbours
    Broadcast {
        /// what
        content: String,
    },
    /// who the neighbours are
    List,
}

/// What an agent is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// it is on its way to this node
    Sent {
        /// the node
        to: NodeName,
    },
    /// the object's answer, in an envelope (spec genswarms J.2)
    Asked(Value),
    /// it is on its way to these nodes
    Broadcast {
        /// the nodes
        to: Vec<NodeName>,
    },
    /// the neighbours
    Neighbours {
        /// agents to which it may send
        agents: Vec<NodeName>,
        /// objects to which it may send
        objects: Vec<NodeName>,
    },
}

impl SwarmRow {
    /// As in the list of `GET /api/swarms`.
    pub fn to_value(&self) -> Value {
        json!({
            "name": self.name.as_str(),
            "status": self.status,
            "started_at": self.started_at.map(date::rfc3339_us),
            "agent_count": self.agents,
            "object_count": self.objects,
        })
    }
}

impl SwarmView {
    /// As `GET /api/swarms/:name` answers.
    pub fn to_value(&self) -> Value {
        json!({
            "name": self.name.as_str(),
            "status": self.status,
            "error": self.error,
            "paused": self.paused,
            "autostart": self.autostart,
            "started_at": self.started_at.map(date::rfc3339_us),
            "config_path": null,
            "agents": self.agents.iter().map(AgentView::in_swarm).collect::<Vec<_>>(),
            "objects": self.objects.iter().map(ObjectView::in_swarm).collect::<Vec<_>>(),
            "agent_counts": self.counts(),
            "config": self.sizes(),
            "topology": self.topology.iter().map(TopologyRow::to_value).collect::<Vec<_>>(),
            "file_paths": {"config": null, "data_dir": null, "log": null},
        })
    }

    /// As a client of the channel is told it (spec genswarms D.5).
    pub fn in_channel(&self) -> Value {
        let agent =
            |agent: &AgentView| json!({"name": agent.name.as_str(), "pid": agent.pid, "state": agent.state});
        let object = |object: &ObjectView| {
            let name = object.name.as_str();
            json!({"name": name, "pid": null, "state": object.state, "handler": object.handler})
        };
        json!({
            "name": self.name.as_str(),
            "status": self.status,
            "started_at": self.started_at.map(date::rfc3339_us),
            "config_path": null,
            "agents": self.agents.iter().map(agent).collect::<Vec<_>>(),
            "objects": self.objects.iter().map(object).collect::<Vec<_>>(),
            "agent_counts": self.counts(),
            "config": self.sizes(),
        })
    }

    /// How many agents are in each state.
    fn counts(&self) -> Map<String, Value> {
        let mut counts = Map::new();
        for agent in &self.agents {
            let before = counts.get(agent.state).and_then(Value::as_u64).unwrap_or(0);
            counts.insert(agent.state.to_owned(), before.saturating_add(1).into());
        }
        counts
    }

    fn sizes(&self) -> Value {
        let edges: usize = self.topology.iter().map(|row| row.targets.len()).sum();
        json!({
            "agent_count": self.agents.len(),
            "object_count": self.objects.len(),
            "topology_edges": edges,
        })
    }
}

impl AgentView {
    /// AgentStatus of spec genswarms B.2.
    pub fn to_value(&self) -> Value {
        json!({
            "name": self.name.as_str(),
            "swarm_name": self.swarm.as_str(),
            "state": self.state,
            "reason": self.reason,
            "backend": self.backend,
            "controller": self.controller,
            "inbox_size": self.inbox_size,
            "message_count": self.message_count,
            "skills": self.skills,
            "started_at": self.started_at.map(date::rfc3339_us),
            "last_activity": self.last_activity.map(date::rfc3339_us),
            "pid": self.pid,
            "sandbox": self.sandbox.as_ref().map(InForce::to_value),
        })
    }

    fn in_swarm(&self) -> Value {
        json!({
            "name": self.name.as_str(),
            "pid": self.pid,
            "state": self.state,
            "reason": self.reason,
            "backend_type": self.backend,
            "controller": self.controller,
            "skills_paths": self.skills,
            "container_name": null,
            "container_status": null,
        })
    }
}

impl ObjectView {
    /// As in the list of `GET /api/swarms/:s/objects`.
    pub fn to_value(&self) -> Value {
        let name = self.name.as_str();
        json!({"name": name, "state": self.state, "reason": self.reason, "handler": self.handler})
    }

    fn in_swarm(&self) -> Value {
        json!({
            "name": self.name.as_str(),
            "pid": null,
            "state": self.state,
            "reason": self.reason,
            "handler": self.handler,
            "handler_module": self.handler,
            "source_file": null,
        })
    }
}

impl TopologyRow {
    /// As in the list of `GET /api/swarms/:s/topology`.
    pub fn to_value(&self) -> Value {
        json!({"from": self.from.as_str(), "targets": texts(&self.targets)})
    }
}

impl OverlayRow {
    /// As in the list of `GET /api/swarms/:s/overlay`.
    pub fn to_value(&self) -> Value {
        json!({"op": self.op, "payload": self.payload})
    }
}

impl Scaled {
    /// `result` of the answer to a scale.
    pub fn to_value(&self) -> Value {
        let failed: Vec<Value> = self
            .failed
            .iter()
            .map(|(name, reason)| json!({"name": name.as_str(), "reason": reason}))
            .collect();
        json!({"added": texts(&self.added), "removed": texts(&self.removed), "failed": failed})
    }
}

fn texts(names: &[NodeName]) -> Vec<&str> {
    names.iter().map(NodeName::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).expect("a name")
    }

    #[test]
    fn a_swarm_is_shown_as_genswarms_does_and_without_paths() {
        let agent = |text: &str, state| AgentView {
            swarm: name("s"),
            name: name(text),
            state,
            reason: None,
            backend: "local",
            controller: "pipe",
            inbox_size: 0,
            message_count: 2,
            skills: vec!["web".to_owned()],
            started_at: Some(0),
            last_activity: None,
            pid: Some(7),
            block_id: None,
            sandbox: None,
        };
        let view = SwarmView {
            name: name("s"),
            status: "running",
            error: None,
            paused: false,
            autostart: false,
            started_at: Some(1_500),
            agents: vec![agent("a", "idle"), agent("b", "idle"), agent("c", "working")],
            objects: vec![ObjectView {
                name: name("o"),
                state: "idle",
                reason: None,
                handler: Some("counter".to_owned()),
            }],
            topology: vec![TopologyRow { from: name("a"), targets: vec![name("b"), name("o")] }],
        };
        let value = view.to_value();
        assert_eq!(value["started_at"], "1970-01-01T00:00:01.500000Z");
        assert_eq!(value["agent_counts"], json!({"idle": 2, "working": 1}));
        assert_eq!(value["config"], json!({"agent_count": 3, "object_count": 1, "topology_edges": 2}));
        assert_eq!(value["topology"], json!([{"from": "a", "targets": ["b", "o"]}]));
        assert_eq!(value["agents"][0]["skills_paths"], json!(["web"]));
        assert_eq!(view.agents[0].to_value()["swarm_name"], "s");
        assert!(!value.to_string().contains("\"/"), "no path: {value}");
        let (agent, object) = (json!({"name": "a", "pid": 7, "state": "idle"}), &value["objects"][0]);
        let brief = view.in_channel();
        assert_eq!((&brief["agents"][0], &brief["agent_counts"]), (&agent, &value["agent_counts"]));
        assert_eq!(brief["objects"][0]["handler"], object["handler"]);
        assert_eq!((&brief["config"], &brief["started_at"]), (&value["config"], &value["started_at"]));
        assert_eq!(brief.get("config_path"), Some(&Value::Null));
    }
}
