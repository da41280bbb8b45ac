//! What an agent's program is told of its model: the variables that GenSwarms' agents read (spec genswarms
//! E.1). Where its endpoint is and which key it holds is decided by the policy, when it is started.

use serde_json::{Map, Value, json};

use super::AgentConfig;
use crate::{agent::Confinement, backend::options::NETWORK};

impl AgentConfig {
    /// An option of its backend, beside the backend or in the agent's `config`.
    fn option(&self, name: &str) -> Option<&Value> {
        let opts = self.backend.opts().and_then(|opts| opts.get(name));
        self.config.get(name).or(opts)
    }

    /// The endpoint that it asks for.
    pub fn endpoint(&self) -> Option<&str> {
        self.option("endpoint").and_then(Value::as_str)
    }

    /// Its own key.
    pub fn api_key(&self) -> Option<&str> {
        self.option("api_key").and_then(Value::as_str)
    }

    /// Whether its only way out is one endpoint.
    pub fn is_isolated(&self) -> bool {
        self.option(NETWORK).and_then(Value::as_str) == Some("isolated")
    }

    /// How far it is kept from this machine.
    pub fn confinement(&self) -> Confinement {
        self.backend.confinement(self.is_isolated())
    }

    /// The variables that come from the agent's model and requests, in front of its `env`.
    pub fn variables(&self) -> Vec<(String, String)> {
        let object = |name: &str| self.option(name).and_then(Value::as_object).cloned();
        let mut request: Option<Map<String, Value>> = object("request_extra");
        if let Some(model) = &self.model {
            request.get_or_insert_default().entry("model").or_insert_with(|| json!(model));
        }
        let variables = [
            ("SUBZEROCLAW_REQUEST_EXTRA", request.map(|map| Value::Object(map).to_string())),
            ("SUBZEROCLAW_COMPACT_EXTRA", object("compact_extra").map(|map| Value::Object(map).to_string())),
        ];
        variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
