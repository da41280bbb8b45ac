//! What the handlers ask of the agents that run, so that tests can put a table in their place.
//!
//! The one real implementation passes everything on to `agent`. Nothing is decided here: a handler
//! has checked who calls and with what, and gets `None` where there is no agent of that name.

use std::{sync::Arc, time::Duration};

use crate::{
    agent::{
        Agent, Agents, BeyondEnd, Confinement, Delivery, InputError, Offer, Output, Pace, Record,
        ResizeError, StartError, StartSpec, State, StopError, Submit, Watch,
    },
    bus::{Terminal, Terminals},
    sys::poll::Wake,
    wire::{id::AgentId, node::Holder},
};

/// The agents of an instance. `None` in an answer: there is no agent of that name.
pub trait Fleet: Terminals + Send + Sync {
    /// Starts one.
    fn start(&self, spec: StartSpec) -> Result<Record, StartError>;
    /// One by name.
    fn record(&self, name: &str) -> Option<Record>;
    /// All.
    fn records(&self) -> Vec<Record>;
    /// How each does.
    fn paces(&self) -> Vec<Pace>;
    /// Ends one and all of its processes.
    fn stop(&self, name: &AgentId) -> Result<Record, StopError>;
    /// Raw keys.
    fn input(&self, name: &str, bytes: &[u8]) -> Option<Result<(), InputError>>;
    /// A piece of output; waits for one up to `wait`, and about a second where whoever wants it is
    /// `gone`.
    fn output(
        &self,
        name: &str,
        from: Option<u64>,
        wait: Duration,
        most: usize,
        gone: &dyn Fn() -> bool,
    ) -> Option<Result<Output, BeyondEnd>>;
    /// Changes the screen.
    fn resize(&self, name: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>>;
    /// Whose token this is.
    fn holder_of_token(&self, token: &[u8]) -> Option<Holder>;
    /// The keepers of all agents that are not done, those of swarms too.
    fn keepers(&self) -> Vec<(u32, Holder)>;
    /// `callback` is told of each agent that ends, once its state is done.
    fn on_exit(&self, callback: Box<dyn Fn(&Record) + Send + Sync>);

    /// One by its terminal.
    fn record_of_block(&self, block_id: &str) -> Option<Record>;
    /// Raw keys.
    fn input_to_block(&self, block_id: &str, bytes: &[u8]) -> Option<Result<(), InputError>>;
    /// Changes the screen.
    fn resize_block(&self, block_id: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>>;
    /// A piece of output, or nothing where there is none yet: does not wait. While somebody watches it,
    /// also that of an agent that was removed.
    fn output_of_block(
        &self,
        block_id: &str,
        from: Option<u64>,
        most: usize,
    ) -> Option<Result<Output, BeyondEnd>>;
    /// Wakes `wake` whenever there is more output, and at the end, until the watch is dropped.
    fn watch(&self, block_id: &str, wake: Arc<Wake>) -> Option<Watch>;
}

impl Terminals for Agents {
    fn deliver(&self, block_id: &str, text: &str, submit: Option<Submit>) -> Option<Delivery> {
        let agent = self.by_block(block_id)?;
        Some(agent.deliver(text, submit.unwrap_or(agent.submit())))
    }

    fn offer(&self, block_id: &str, text: &str, within: Duration) -> Option<Offer> {
        let agent = self.by_block(block_id)?;
        Some(agent.offer(text, agent.submit(), within))
    }

    fn terminal(&self, agent: &AgentId) -> Option<Terminal> {
        // Not the whole record: it may hold 128 KiB of command, and this is asked again and again.
        let agent = self.get(agent.as_str())?;
        let state = agent.state();
        (state != State::Done).then(|| Terminal {
            block_id: agent.block_id().to_owned(),
            accept_typed_from: agent.accept_typed_from().to_vec(),
            confinement: agent.confinement(),
            quiet: state == State::WaitingInput,
            started_at: agent.started_at(),
        })
    }

    fn may_type_into(&self, agent: &AgentId) -> Vec<String> {
        self.get(agent.as_str()).map(|agent| agent.may_type_into().to_vec()).unwrap_or_default()
    }

    fn confinement(&self, agent: &AgentId) -> Confinement {
        match self.confinement(agent) {
            Some(confinement) => confinement,
            // Such a name stands for a caller who is no agent.
            None if agent.is_reserved() => Confinement::None,
            // Of one that is gone nobody knows: what it said is not typed where it might not have been.
            None => Confinement::Isolated,
        }
    }

    fn knows(&self, agent: &AgentId) -> bool {
        self.get(agent.as_str()).is_some()
    }

    fn running(&self) -> Vec<AgentId> {
        let running = |agent: &&Arc<Agent>| agent.state() != State::Done;
        self.list().iter().filter(running).map(|agent| agent.name().clone()).collect()
    }
}

impl Fleet for Agents {
    fn start(&self, spec: StartSpec) -> Result<Record, StartError> {
        self.start(spec).map(|agent| agent.record())
    }

    fn record(&self, name: &str) -> Option<Record> {
        self.get(name).map(|agent| agent.record())
    }

    fn records(&self) -> Vec<Record> {
        self.list().iter().map(|agent| agent.record()).collect()
    }

    fn paces(&self) -> Vec<Pace> {
        self.list().iter().map(|agent| agent.pace()).collect()
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
        gone: &dyn Fn() -> bool,
    ) -> Option<Result<Output, BeyondEnd>> {
        self.get(name).map(|agent| agent.output_for(from, wait, most, gone))
    }

    fn resize(&self, name: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>> {
        self.get(name).map(|agent| agent.resize(rows, cols))
    }

    fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        self.holder_of_token(token)
    }

    fn keepers(&self) -> Vec<(u32, Holder)> {
        self.keepers()
    }

    fn on_exit(&self, callback: Box<dyn Fn(&Record) + Send + Sync>) {
        self.on_exit(move |agent| callback(&agent.record()));
    }

    fn record_of_block(&self, block_id: &str) -> Option<Record> {
        self.by_block(block_id).map(|agent| agent.record())
    }

    fn input_to_block(&self, block_id: &str, bytes: &[u8]) -> Option<Result<(), InputError>> {
        self.by_block(block_id).map(|agent| agent.input(bytes))
    }

    fn resize_block(&self, block_id: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>> {
        self.by_block(block_id).map(|agent| agent.resize(rows, cols))
    }

    fn output_of_block(
        &self,
        block_id: &str,
        from: Option<u64>,
        most: usize,
    ) -> Option<Result<Output, BeyondEnd>> {
        self.by_block_or_watched(block_id).map(|agent| agent.output(from, Duration::ZERO, most))
    }

    fn watch(&self, block_id: &str, wake: Arc<Wake>) -> Option<Watch> {
        self.by_block(block_id).map(|agent| agent.watch(wake))
    }
}
