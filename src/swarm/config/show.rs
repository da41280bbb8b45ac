//! What is shown of a config: its summary and its snapshot (spec genswarms B.2, H.6).

use serde_json::{Value, json};

use super::{Config, secrets};

/// The summary of a validation.
pub fn summary(config: &Config) -> Value {
    let agents = config.agents.iter().map(|agent| {
        json!({
            "name": agent.name.as_str(),
            "backend": agent.backend.shown(),
            "skills": agent.skills,
            "model": agent.model,
        })
    });
    let objects = config
        .objects
        .iter()
        .map(|object| json!({"name": object.name.as_str(), "handler": object.handler.shown()}));
    let topology =
        config.topology.iter().map(|edge| json!({"from": edge.from.as_str(), "to": edge.to.as_str()}));
    json!({
        "name": config.name.as_str(),
        "agent_count": config.agents.len(),
        "object_count": config.objects.len(),
        "topology_edges": config.topology.len(),
        "agents": agents.collect::<Vec<_>>(),
        "objects": objects.collect::<Vec<_>>(),
        "topology": topology.collect::<Vec<_>>(),
    })
}

/// The config as a document without its secrets; it reads as a config again. A reply that would go to an
/// object that is gone is left out: it goes nowhere.
pub fn snapshot(config: &Config) -> Value {
    let mut config = config.clone();
    for agent in &mut config.agents {
        agent.reply_to =
            agent.reply_to.take().filter(|to| config.objects.iter().any(|object| object.name == *to));
    }
    secrets::redacted(&config.to_value())
}
