//! Changes of a running swarm: its agents, its objects, its edges.

use serde_json::{Map, Value};

use super::Swarms;
use crate::{
    swarm::{Fault, view::Scaled},
    wire::node::NodeName,
};

impl Swarms {
    /// Adds an agent (spec genswarms B.3); its name.
    pub fn add_agent(&self, _swarm: &str, _agent: &Value) -> Result<NodeName, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Removes an agent with its edges, never an object.
    pub fn remove_agent(&self, _swarm: &str, _agent: &str) -> Result<NodeName, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Ends an agent's program and starts it again.
    pub fn restart_agent(&self, _swarm: &str, _agent: &str) -> Result<NodeName, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Makes `count` agents of a base (spec genswarms I.7): `base_1` to `base_N`.
    pub fn scale(&self, _swarm: &str, _base: &str, _count: usize) -> Result<Scaled, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Adds edges, then removes some, all or none; how many are new, and how many are gone.
    pub fn change_topology(
        &self,
        _swarm: &str,
        _add: &[(String, String)],
        _remove: &[(String, String)],
    ) -> Result<(usize, usize), Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Adds an object; its name.
    pub fn add_object(&self, _swarm: &str, _object: &Value) -> Result<NodeName, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Removes an object with its edges, never an agent.
    pub fn remove_object(&self, _swarm: &str, _object: &str) -> Result<NodeName, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Changes keys of an object's configuration that may change, and restarts it with them; the keys.
    pub fn patch_object(
        &self,
        _swarm: &str,
        _object: &str,
        _patch: &Map<String, Value>,
    ) -> Result<Vec<String>, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Forgets what was changed: it counts from the next start on.
    pub fn clear_overlay(&self, _swarm: &str) -> Result<(), Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Writes one of an agent's skills; its name.
    pub fn put_skill(
        &self,
        _swarm: &str,
        _agent: &str,
        _skill: &str,
        _content: &str,
    ) -> Result<String, Fault> {
        Err(Fault::NotBuiltYet)
    }
}
