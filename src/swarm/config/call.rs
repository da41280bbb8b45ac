//! Agents and objects that are asked for later, by whoever may call the API: by a list of what may stand there
//! (spec genswarms B.3, L.1.8).
//!
//! A caller cannot bring a program, a directory, a variable, an endpoint or a place to run: a program and a
//! backend are some that the seed config has, word for word, and the rest is refused by name. What an overlay
//! brings when it is replayed is asked for both again.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    AgentConfig, Config, ConfigError, Handler, ObjectConfig, agent,
    foreign::{has_command, has_place_of_agent, has_place_of_object},
    keys, object,
};
use crate::{
    backend::{form::Form, options},
    limits,
    wire::{document::Wrong, node::NodeName},
};

/// Fields of an agent that a call may give, beside its edges.
const AGENT: &[&str] =
    &["name", "backend", "controller", "command", "cmd", "skills", "model", "presets", "config"];
/// Fields of its `config` that have a meaning here and may be given.
const AGENT_CONFIG: &[&str] = &[
    "command",
    "cmd",
    "controller",
    "model",
    "presets",
    "max_turns",
    "turn_timeout_ms",
    "reply_to",
    "reply_grace_ms",
    "restart",
    "script",
    options::NETWORK,
];
/// The fields that hold edges: to whom the node may send, and who may send to it.
const EDGES: [&str; 2] = ["connections", "incoming"];

/// A new node, to whom it may send, and who may send to it.
type Node<T> = (T, Vec<NodeName>, Vec<NodeName>);

/// Reads an agent that is asked for in a swarm of this seed.
pub fn agent_of_call(value: &Value, seed: &Config) -> Result<Node<AgentConfig>, ConfigError> {
    agent_node(value, seed).map_err(ConfigError::from)
}

/// Reads an object that is asked for in a swarm of this seed.
pub fn object_of_call(value: &Value, seed: &Config) -> Result<Node<ObjectConfig>, ConfigError> {
    object_node(value, seed).map_err(ConfigError::from)
}

fn agent_node(value: &Value, seed: &Config) -> Result<Node<AgentConfig>, Wrong> {
    let map = value.as_object().ok_or_else(|| Wrong::new("invalid_agent_config", "must be an object"))?;
    let mut forbidden = BTreeSet::new();
    let mut own = Map::new();
    for (key, value) in map.iter().filter(|(key, _)| !EDGES.contains(&key.as_str())) {
        if AGENT.contains(&key.as_str()) {
            own.insert(key.clone(), value.clone());
        } else if is_known(key) {
            forbidden.insert(key.as_str());
        } else {
            let known: Vec<&str> = AGENT.iter().copied().chain(EDGES).collect();
            return Err(keys::unknown(key, &known));
        }
    }
    if let Some(config) = map.get("config").and_then(Value::as_object) {
        let odd = |key: &&String| is_known(key) && !AGENT_CONFIG.contains(&key.as_str()) && *key != "name";
        forbidden.extend(config.keys().filter(odd).map(String::as_str));
        // A network by name is somebody else's; less of a network than usual may be asked for.
        let network = keys::given(config, options::NETWORK);
        if network.is_some_and(|network| !matches!(network.as_str(), Some("open" | "isolated"))) {
            forbidden.insert(options::NETWORK);
        }
    }
    allowed(forbidden, map)?;
    let agent = agent::agent(&Value::Object(own)).map_err(|wrong| match wrong.code {
        "missing_command" => wrong.next("give one of the commands of the swarm's seed config, word for word"),
        _ => wrong,
    })?;
    is_there(has_place_of_agent(seed, &agent))?;
    if let Some(command) = &agent.command
        && !has_command(seed, command, &agent.backend)
    {
        return Err(not_in_seed().under("command").under("config"));
    }
    let (connections, incoming) = edges(map)?;
    Ok((agent, connections, incoming))
}

fn object_node(value: &Value, seed: &Config) -> Result<Node<ObjectConfig>, Wrong> {
    let map = value.as_object().ok_or_else(|| Wrong::new("invalid_object_config", "must be an object"))?;
    let mut own = map.clone();
    own.retain(|key, _| !EDGES.contains(&key.as_str()));
    if let Some(key) = own.keys().find(|key| !keys::OBJECT.contains(&key.as_str())) {
        let known: Vec<&str> = keys::OBJECT.iter().copied().chain(EDGES).collect();
        return Err(keys::unknown(key, &known));
    }
    let mut forbidden = BTreeSet::new();
    if let Some(config) = map.get("config").and_then(Value::as_object) {
        let odd = |key: &&String| keys::PROGRAMS.contains(&key.as_str()) || is_escape(key);
        forbidden.extend(config.keys().filter(odd).map(String::as_str));
    }
    allowed(forbidden, map)?;
    let object = object::object(&Value::Object(own))?;
    is_there(has_place_of_object(seed, &object))?;
    match &object.handler {
        Handler::Process { command }
            if !has_command(seed, command, object.backend.as_ref().unwrap_or(&Form::Local)) =>
        {
            return Err(not_in_seed().under("command").under("handler"));
        }
        Handler::Process { .. } | Handler::BuiltIn(_) => {}
    }
    let (connections, incoming) = edges(map)?;
    Ok((object, connections, incoming))
}

/// Names that reach out of a sandbox, wherever they stand (spec genswarms I.5).
fn is_escape(key: &str) -> bool {
    matches!(key, "extra_ro_binds" | "extra_rw_binds" | "extra_path")
}

/// Whether a name has a meaning in an agent or its `config`.
fn is_known(key: &str) -> bool {
    keys::AGENT.contains(&key) || keys::PROGRAMS.contains(&key) || keys::is_agent_config(key)
}

/// Refuses the names that were found, and the options of a backend.
fn allowed<'a>(mut forbidden: BTreeSet<&'a str>, map: &'a Map<String, Value>) -> Result<(), Wrong> {
    let backend = map.get("backend").and_then(Value::as_object);
    let opts = backend.and_then(|backend| backend.get("opts")).and_then(Value::as_object);
    forbidden.extend(opts.into_iter().flat_map(Map::keys).map(String::as_str).filter(|key| is_known(key)));
    if forbidden.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = forbidden.into_iter().collect();
    Err(Wrong::new("forbidden_config_keys", format!("forbidden_config_keys: {}", names.join(", ")))
        .next("only the swarm's seed config may give them"))
}

/// Refuses a place that is none of the seed's.
fn is_there(there: bool) -> Result<(), Wrong> {
    if there {
        return Ok(());
    }
    Err(Wrong::new("forbidden_config_keys", "forbidden_config_keys: backend")
        .next("give \"local\", \"mock\", or a backend that the swarm's seed config has, in the same words and told the same"))
}

fn not_in_seed() -> Wrong {
    Wrong::new("command_not_in_seed", "is no command of the swarm's seed config on this backend")
        .next("give one of its commands word for word, or put it into the config and start the swarm anew")
}

fn edges(map: &Map<String, Value>) -> Result<(Vec<NodeName>, Vec<NodeName>), Wrong> {
    let names = |key: &str| {
        let wrong = || Wrong::new("invalid_connections", "must be an array of names of agents or objects");
        let list = match keys::given(map, key) {
            None => return Ok(Vec::new()),
            Some(value) => value.as_array().ok_or_else(|| wrong().under(key))?,
        };
        if list.len() > limits::CONFIG_NODES {
            return Err(wrong().under(key));
        }
        let name = |(at, name): (usize, &Value)| {
            let name = name.as_str().and_then(|text| NodeName::parse(text).ok());
            name.ok_or_else(|| wrong().within(at).under(key))
        };
        list.iter().enumerate().map(name).collect()
    };
    Ok((names("connections")?, names("incoming")?))
}
