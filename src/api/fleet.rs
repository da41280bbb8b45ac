//! What the handlers ask of the agents that run, so that tests can put a table in their place.

use std::time::Duration;

use crate::{
    agent::{
        Agents, BeyondEnd, Delivery, InputError, Output, Record, ResizeError, StartError, StartSpec, State,
        StopError, Submit,
    },
    bus::{Terminal, Terminals},
    wire::id::AgentId,
};

/// The agents of an instance. `None` in an answer: there is no agent of that name.
pub trait Fleet: Terminals + Send + Sync {
    /// Starts one.
    fn start(&self, spec: StartSpec) -> Result<Record, StartError>;
    /// One by name.
    fn record(&self, name: &str) -> Option<Record>;
    /// Whose terminal this block is, running or done.
    fn agent_of_block(&self, block_id: &str) -> Option<AgentId>;
    /// All.
    fn records(&self) -> Vec<Record>;
    /// Ends one and all of its processes.
    fn stop(&self, name: &AgentId) -> Result<Record, StopError>;
    /// Raw keys.
    fn input(&self, name: &str, bytes: &[u8]) -> Option<Result<(), InputError>>;
    /// A piece of output; waits for one up to `wait`.
    fn output(
        &self,
        name: &str,
        from: Option<u64>,
        wait: Duration,
        most: usize,
    ) -> Option<Result<Output, BeyondEnd>>;
    /// Changes the screen.
    fn resize(&self, name: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>>;
    /// Whose token this is.
    fn agent_of_token(&self, token: &[u8]) -> Option<AgentId>;
    /// The keepers of all agents that are not done.
    fn keeper_pids(&self) -> Vec<u32>;
    /// `callback` is told the block of each agent that ends.
    fn on_exit(&self, callback: Box<dyn Fn(&str) + Send + Sync>);
}

impl Terminals for Agents {
    fn deliver(&self, block_id: &str, text: &str, submit: Option<Submit>) -> Option<Delivery> {
        let agent = self.by_block(block_id)?;
        Some(agent.deliver(text, submit.unwrap_or(agent.submit())))
    }

    fn terminal(&self, agent: &AgentId) -> Option<Terminal> {
        let record = self.get(agent.as_str())?.record();
        (record.state != State::Done)
            .then_some(Terminal { block_id: record.block_id, accept_typed_from: record.accept_typed_from })
    }
}

impl Fleet for Agents {
    fn start(&self, spec: StartSpec) -> Result<Record, StartError> {
        self.start(spec).map(|agent| agent.record())
    }

    fn record(&self, name: &str) -> Option<Record> {
        self.get(name).map(|agent| agent.record())
    }

    fn agent_of_block(&self, block_id: &str) -> Option<AgentId> {
        self.by_block(block_id).map(|agent| agent.name().clone())
    }

    fn records(&self) -> Vec<Record> {
        self.list().iter().map(|agent| agent.record()).collect()
    }

    fn stop(&self, name: &AgentId) -> Result<Record, StopError> {
        self.stop(name)
    }

    fn input(&self, name: &str, bytes: &[u8]) -> Option<Result<(), InputError>> {
        self.get(name).map(|agent| agent.input(bytes))
    }

    fn output(
        &self,
        name: &str,
        from: Option<u64>,
        wait: Duration,
        most: usize,
    ) -> Option<Result<Output, BeyondEnd>> {
        self.get(name).map(|agent| agent.output(from, wait, most))
    }

    fn resize(&self, name: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>> {
        self.get(name).map(|agent| agent.resize(rows, cols))
    }

    fn agent_of_token(&self, token: &[u8]) -> Option<AgentId> {
        self.agent_of_token(token)
    }

    fn keeper_pids(&self) -> Vec<u32> {
        self.keeper_pids()
    }

    fn on_exit(&self, callback: Box<dyn Fn(&str) + Send + Sync>) {
        self.on_exit(move |agent| callback(agent.block_id()));
    }
}
