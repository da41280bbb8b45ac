//! All agents of the instance.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use super::{
    handle::Agent,
    types::{Record, StartError, StartSpec, StopError},
};
use crate::{
    limits,
    wire::{clock::Clock, id::AgentId},
};

/// What an [`Agents`] needs to know; tests change parts of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the instance is reached: `http://127.0.0.1:<port>`.
    pub url: String,
    /// The soft limit of descriptors that agents get.
    pub descriptors: u64,
    /// The program that is started as keeper.
    pub program: PathBuf,
    /// Agents in all.
    pub most: usize,
}

impl Settings {
    /// Those of the running program.
    pub fn new(url: String, descriptors: u64) -> Self {
        Self { url, descriptors, program: "/proc/self/exe".into(), most: limits::AGENTS }
    }
}

/// All agents of the instance.
pub struct Agents {}

impl Agents {
    /// None yet. Starts the thread "spawner". An orphan of a killed keeper reaches the instance
    /// only if it is subreaper: call `sys::process::become_subreaper` before.
    pub fn new(clock: Arc<dyn Clock>, url: String, descriptors: u64) -> io::Result<Arc<Self>> {
        Self::with(clock, Settings::new(url, descriptors))
    }

    /// As [`Agents::new`], with other settings.
    pub fn with(_clock: Arc<dyn Clock>, _settings: Settings) -> io::Result<Arc<Self>> {
        todo!()
    }

    /// Starts an agent; returns when its program runs. A done agent of that name is replaced.
    pub fn start(&self, _spec: StartSpec) -> Result<Arc<Agent>, StartError> {
        todo!()
    }

    /// The agent of that name, running or done.
    pub fn get(&self, _name: &str) -> Option<Arc<Agent>> {
        todo!()
    }

    /// The agent with that terminal.
    pub fn by_block(&self, _block_id: &str) -> Option<Arc<Agent>> {
        todo!()
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Arc<Agent>> {
        todo!()
    }

    /// Ends the agent's tree, within `STOP_MS`, and forgets the agent.
    pub fn stop(&self, _name: &AgentId) -> Result<Record, StopError> {
        todo!()
    }

    /// Ends every agent's tree; returns when all are gone or the time is over.
    pub fn stop_all(&self, _within: Duration) {
        todo!()
    }

    /// Whose token this is; a done agent's token is nobody's.
    pub fn agent_of_token(&self, _token: &[u8]) -> Option<AgentId> {
        todo!()
    }

    /// The keepers of all agents that are not done.
    pub fn keeper_pids(&self) -> Vec<u32> {
        todo!()
    }

    /// `callback` is called once for each agent that is done from now on, before anybody waiting
    /// for its end is told.
    pub fn on_exit(&self, _callback: impl Fn(&Agent) + Send + Sync + 'static) {
        todo!()
    }
}
