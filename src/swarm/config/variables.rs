//! What an agent's program is told of its model: the variables that GenSwarms' agents read (spec genswarms
//! E.1). An agent gets what its own config gives, and no key of the operator's.

use serde_json::{Map, Value, json};

use super::AgentConfig;

impl AgentConfig {
    /// The variables that come from the agent's model, endpoint and requests, in front of its `env`.
    pub fn variables(&self) -> Vec<(String, String)> {
        let option = |name: &str| {
            let opts = self.backend.opts().and_then(|opts| opts.get(name));
            self.config.get(name).or(opts)
        };
        let object = |name: &str| option(name).and_then(Value::as_object).cloned();
        let mut request: Option<Map<String, Value>> = object("request_extra");
        if let Some(model) = &self.model {
            request.get_or_insert_default().entry("model").or_insert_with(|| json!(model));
        }
        let text = |name: &str| option(name).and_then(Value::as_str).map(str::to_owned);
        let variables = [
            ("SUBZEROCLAW_REQUEST_EXTRA", request.map(|map| Value::Object(map).to_string())),
            ("SUBZEROCLAW_COMPACT_EXTRA", object("compact_extra").map(|map| Value::Object(map).to_string())),
            ("SUBZEROCLAW_ENDPOINT", text("endpoint")),
            ("SUBZEROCLAW_API_KEY", text("api_key")),
        ];
        variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
