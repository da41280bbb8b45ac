//! Whether the agents of a swarm can be started at all: their backends are built in, and those that are led to
//! an endpoint are led to one that is allowed.
//!
//! Asked of a whole configuration before anything of it runs; a backend asks the policy again at each start.

use super::Swarms;
use crate::{
    backend::Backends,
    swarm::{
        Fault,
        config::{AgentConfig, Config},
        events::{Draft, Level, Name},
    },
    wire::node::NodeName,
};

impl Swarms {
    /// Nothing of a swarm is started where this is not so; an event tells of an endpoint that is not allowed.
    pub(super) fn fits(&self, config: &Config) -> Result<(), Fault> {
        self.may_be_led(config).inspect_err(|fault| self.tell(&config.name, fault))?;
        let agents = config.agents.iter().map(|agent| (&agent.name, &agent.backend));
        let objects =
            config.objects.iter().filter_map(|object| Some((&object.name, object.backend.as_ref()?)));
        for (name, form) in agents.chain(objects) {
            Backends::check(form)
                .map_err(|error| Fault::BackendNotBuilt { reason: format!("{name}: {error}") })?;
        }
        Ok(())
    }

    /// Whether the agents of a configuration may be led where it says: nothing is told of it, and nothing started.
    pub fn may_be_led(&self, config: &Config) -> Result<(), Fault> {
        let objects = config.objects.iter().filter_map(|object| {
            let form = object.backend.as_ref()?;
            form.is_isolated().then(|| self.led(&object.name, form.endpoint()))
        });
        config.agents.iter().try_for_each(|agent| self.agent_led(agent))?;
        objects.into_iter().collect()
    }

    /// The same of one agent that is to be started.
    pub(super) fn is_led_right(&self, swarm: &NodeName, agent: &AgentConfig) -> Result<(), Fault> {
        self.agent_led(agent).inspect_err(|fault| self.tell(swarm, fault))
    }

    fn tell(&self, swarm: &NodeName, fault: &Fault) {
        let draft = Draft::new(Name::EndpointNotAllowed, fault.to_string()).swarm(swarm);
        let draft = match fault {
            Fault::Endpoint { name, .. } => draft.agent(name),
            _ => draft,
        };
        self.hub.publish(draft.level(Level::Warning).with("code", fault.code()));
    }

    fn agent_led(&self, agent: &AgentConfig) -> Result<(), Fault> {
        if agent.is_isolated() { self.led(&agent.name, agent.endpoint()) } else { Ok(()) }
    }

    fn led(&self, name: &NodeName, asked: Option<&str>) -> Result<(), Fault> {
        let admitted = self.backends.policy().admit(asked);
        admitted.map(drop).map_err(|error| Fault::Endpoint {
            code: error.code(),
            name: name.clone(),
            reason: error.to_string(),
        })
    }
}
