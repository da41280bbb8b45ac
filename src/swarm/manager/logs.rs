//! What is shown of the agents' logs, of swarms that do not run too. Nothing here waits for anybody's change.

use std::sync::Arc;

use super::Swarms;
use crate::{
    swarm::{
        Fault,
        logs::{Follow, Kinds, Look, Page, Query, Unread},
    },
    sys::poll::Wake,
    wire::node::NodeName,
};

impl Swarms {
    /// A page of the logs of a swarm's agents, or of one of them.
    pub fn logs(&self, swarm: &str, agent: Option<&str>, query: &Query) -> Result<Page, Fault> {
        self.look_at_logs(swarm, agent, query)?.page().map_err(|Unread::Busy| Fault::Busy)
    }

    /// The same, to be made without waiting.
    pub fn look_at_logs(&self, swarm: &str, agent: Option<&str>, query: &Query) -> Result<Look, Fault> {
        let facts = self.facts(swarm)?;
        let shown = facts.shown();
        let agents: Vec<NodeName> = match agent {
            Some(agent) => vec![shown.agent(agent)?.name.clone()],
            None => shown.config.agents.iter().map(|agent| agent.name.clone()).collect(),
        };
        Ok(self.logs.of(&shown.config.name).look(agents, query))
    }

    /// What is logged from now on; `wake` is woken when something is.
    pub fn follow_logs(
        &self,
        swarm: &str,
        agent: Option<&str>,
        kinds: Kinds,
        wake: Arc<Wake>,
    ) -> Result<Follow, Fault> {
        let facts = self.facts(swarm)?;
        let agent = agent.map(|agent| Ok(facts.shown().agent(agent)?.name.clone())).transpose()?;
        Ok(self.logs.of(&facts.shown().config.name).follow(agent, kinds, wake))
    }
}
