//! A swarm's life: created, started, stopped, restarted, paused, forgotten.

use super::Swarms;
use crate::{swarm::Fault, wire::node::NodeName};

impl Swarms {
    /// Starts a kept swarm.
    pub fn start(&self, _swarm: &str) -> Result<NodeName, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Ends a swarm's processes. It stays kept, or with `purge` nothing of it does.
    pub fn stop(&self, _swarm: &str, _purge: bool) -> Result<(), Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Stops the swarm, if it runs, and starts it; with `delete` its agents begin with empty directories.
    pub fn restart(&self, _swarm: &str, _delete: bool) -> Result<(), Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Hands nothing more to the agents and freezes their processes; how many agents.
    pub fn pause(&self, _swarm: &str) -> Result<usize, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Ends a pause; of how many agents.
    pub fn resume(&self, _swarm: &str) -> Result<usize, Fault> {
        Err(Fault::NotBuiltYet)
    }

    /// Forgets all swarms that do not run, with all that they have; how many. With `all` the events too.
    pub fn clean(&self, _all: bool) -> Result<usize, Fault> {
        Err(Fault::NotBuiltYet)
    }
}
