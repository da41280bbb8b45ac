//! What is shown of a config: its summary, its snapshot and the spec of one agent (spec genswarms B.2, D.6, H.6).

use serde_json::{Value, json};

use super::{AgentConfig, Config, secrets};

/// What stands in a path's place.
const PATH: &str = "[PATH]";

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

/// An agent as those are told of it who follow a swarm: without secrets, without its program, its script and the
/// values of its variables, and without a path of the machine.
pub fn spec(agent: &AgentConfig) -> Value {
    let mut config = agent.config_value();
    let endpoint = config.remove("endpoint");
    for key in ["command", "workspace", "script"] {
        config.remove(key);
    }
    let spec = json!({
        "name": agent.name.as_str(),
        "backend": agent.backend.shown(),
        "skills": agent.skills,
        "model": agent.model,
        "endpoint": endpoint,
        "presets": agent.presets,
        "config": config,
    });
    let mut spec = secrets::redacted(&spec);
    hide_paths(&mut spec);
    spec
}

/// Replaces texts in which a path of the machine stands. As deep as the value, which was bounded when it was read.
fn hide_paths(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) if has_path(text) => *value = PATH.into(),
        Value::String(_) => {}
        Value::Array(items) => items.iter_mut().for_each(hide_paths),
        Value::Object(map) => map.values_mut().for_each(hide_paths),
    }
}

/// Whether a word of a text, or a part of one behind a separator, is an absolute path. A URL is none, but for one of
/// a file.
fn has_path(text: &str) -> bool {
    let is_path = |word: &str| match word.split_once("://") {
        Some((scheme, _)) => scheme.eq_ignore_ascii_case("file"),
        None => word.split(':').any(|part| part.starts_with(['/', '~'])),
    };
    let separators = |c: char| c.is_whitespace() || "=,;'\"`()[]{}<>|".contains(c);
    text.split(separators).any(is_path)
}
