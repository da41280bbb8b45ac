//! What is shown of the swarms. Nothing here waits for anybody.

use serde_json::Value;

use super::Swarms;
use crate::swarm::{
    Fault,
    view::{AgentView, ObjectView, OverlayRow, SwarmRow, SwarmView, TopologyRow},
};

impl Swarms {
    /// All of them, by name.
    pub fn list(&self) -> Vec<SwarmRow> {
        Vec::new()
    }

    /// All that is shown of one.
    pub fn status(&self, _swarm: &str) -> Result<SwarmView, Fault> {
        Err(Fault::SwarmNotFound)
    }

    /// Its agents, by name; none where there is no such swarm.
    pub fn agents(&self, _swarm: &str) -> Vec<AgentView> {
        Vec::new()
    }

    /// One agent.
    pub fn agent(&self, _swarm: &str, _agent: &str) -> Result<AgentView, Fault> {
        Err(Fault::SwarmNotFound)
    }

    /// Its edges, by sender.
    pub fn topology(&self, _swarm: &str) -> Result<Vec<TopologyRow>, Fault> {
        Err(Fault::SwarmNotFound)
    }

    /// Its objects, by name; none where there is no such swarm.
    pub fn objects(&self, _swarm: &str) -> Vec<ObjectView> {
        Vec::new()
    }

    /// One object.
    pub fn object(&self, _swarm: &str, _object: &str) -> Result<ObjectView, Fault> {
        Err(Fault::ObjectNotFound)
    }

    /// What was changed while it ran, oldest first, secrets replaced; nothing where there is no such swarm.
    pub fn overlay(&self, _swarm: &str) -> Result<Vec<OverlayRow>, Fault> {
        Ok(Vec::new())
    }

    /// Its newest messages (spec genswarms J.1), the newest first; none where there is no such swarm.
    pub fn messages(&self, _swarm: &str, _limit: usize) -> Vec<Value> {
        Vec::new()
    }

    /// What an agent was given and said (spec genswarms B.1), the newest first.
    pub fn history(&self, _swarm: &str, _agent: &str, _limit: usize) -> Result<Vec<Value>, Fault> {
        Err(Fault::SwarmNotFound)
    }

    /// What an agent wrote on its log (spec genswarms B.1).
    pub fn logs(&self, _swarm: &str, _agent: &str) -> Result<Vec<Value>, Fault> {
        Err(Fault::SwarmNotFound)
    }

    /// An agent's skills: `{name, content, path}`, the path relative to its skills.
    pub fn agent_skills(&self, _swarm: &str, _agent: &str) -> Result<Vec<Value>, Fault> {
        Err(Fault::SwarmNotFound)
    }

    /// The swarm as a configuration that would make it as it is now, secrets replaced.
    pub fn snapshot(&self, _swarm: &str) -> Result<Value, Fault> {
        Err(Fault::SwarmNotFound)
    }
}
