//! What is said to the nodes of a swarm, and by its agents.

use serde_json::Value;

use super::Swarms;
use crate::{
    swarm::{
        Fault,
        view::{Answer, Speech},
    },
    wire::node::FullName,
};

impl Swarms {
    /// Gives an agent a task: a text as it is, anything else as JSON.
    pub fn task(&self, _swarm: &str, _agent: &str, _task: &Value) -> Result<(), Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Sends a message from one node of the swarm to another, along an edge.
    pub fn message(&self, _swarm: &str, _from: &str, _to: &str, _content: &str) -> Result<(), Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// What an agent says by its token, as itself and along its edges only.
    pub fn speak(&self, _agent: &FullName, _speech: Speech) -> Result<Answer, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// The keeper of an agent's processes, while it runs.
    pub fn keeper_pid(&self, _agent: &FullName) -> Option<u32> {
        None
    }
}
