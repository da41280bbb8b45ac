//! The config as a whole, in the order of spec genswarms H.2: the first thing that is wrong is told, of the
//! topology everything.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{AgentConfig, Config, ObjectConfig, agent, keys, object, topology};
use crate::{
    limits,
    wire::{
        document::{Wrong, quoted},
        node::NodeName,
    },
};

/// The rule of names, in GenSwarms' words.
const RULE: &str = "must start with a letter and contain only alphanumeric, underscore, or hyphen characters";

/// Names that would be ambiguous in a message: who sent it, or to whom it goes.
const RESERVED: [&str; 6] = ["all", "orchestrator", "owner", "api", "config", "loopgate"];

/// How many agents a config has at least; also whether it is a seed, in which each reply has its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Least {
    /// none: that of a swarm that runs
    None,
    /// one
    One,
}

/// Reads a config.
pub fn config(value: &Value, least: Least) -> Result<Config, Wrong> {
    let map = value
        .as_object()
        .ok_or_else(|| Wrong::new("invalid_config_format", "a config must be a JSON object"))?;
    keys::check(map, keys::ROOT)?;
    if map.get("$schema").is_some_and(|schema| !schema.is_string()) {
        return Err(Wrong::new("invalid_config_format", "must be a text").under("$schema"));
    }
    let name = swarm_name(map)?;
    let agents = agents(map, least)?;
    let objects = objects(map)?;
    different(&agents, &objects)?;
    let nodes: HashSet<&NodeName> =
        agents.iter().map(|agent| &agent.name).chain(objects.iter().map(|object| &object.name)).collect();
    if nodes.len() > limits::CONFIG_NODES {
        let most = limits::CONFIG_NODES;
        return Err(Wrong::new("too_many_nodes", format!("more than {most} agents and objects")));
    }
    let topology = topology::edges(keys::given(map, "topology"), &nodes)?;
    if least == Least::One {
        replies(&agents, &objects)?;
    }
    Ok(Config { name, topology, options: options(map)?, autostart: autostart(map)?, agents, objects })
}

fn swarm_name(map: &Map<String, Value>) -> Result<NodeName, Wrong> {
    match keys::given(map, "name") {
        Some(Value::String(text)) if !text.is_empty() => named(text, "invalid_name", "Name"),
        None | Some(Value::String(_)) => Err(Wrong::new("missing_name", "the config has no \"name\"")),
        Some(_) => Err(Wrong::new("invalid_name", format!("Name {RULE}")).under("name")),
    }
}

/// The name of an agent or an object; `none` is said where there is none.
pub fn node_name(
    map: &Map<String, Value>,
    none: &'static str,
    bad: &'static str,
    what: &str,
) -> Result<NodeName, Wrong> {
    let name = match keys::given(map, "name") {
        Some(Value::String(text)) if !text.is_empty() => named(text, bad, &format!("{what} name"))?,
        None | Some(Value::String(_)) => {
            return Err(Wrong::new(none, format!("{} has no \"name\"", article(what))));
        }
        Some(_) => return Err(Wrong::new(bad, format!("{what} name {RULE}")).under("name")),
    };
    if RESERVED.contains(&name.as_str()) {
        let why = format!("{what} name \"{name}\" is reserved: messages carry it as a sender or a target");
        return Err(Wrong::new(bad, why).under("name"));
    }
    Ok(name)
}

fn article(what: &str) -> String {
    format!("an {}", what.to_lowercase())
}

fn named(text: &str, code: &'static str, what: &str) -> Result<NodeName, Wrong> {
    let longest = text.len() > 64 && text.get(..64).is_some_and(|begin| NodeName::parse(begin).is_ok());
    let rule = if longest { "must be at most 64 bytes long" } else { RULE };
    NodeName::parse(text).map_err(|_| Wrong::new(code, format!("{what} {rule}")).under("name"))
}

fn agents(map: &Map<String, Value>, least: Least) -> Result<Vec<AgentConfig>, Wrong> {
    let list = match keys::given(map, "agents") {
        Some(Value::Array(list)) if !list.is_empty() || least == Least::None => list,
        None => return Err(Wrong::new("missing_or_empty_agents", "the config has no \"agents\"")),
        Some(_) => {
            let why = "must be an array with at least one agent";
            return Err(Wrong::new("missing_or_empty_agents", why).under("agents"));
        }
    };
    items(list, "agents", agent::agent)
}

fn objects(map: &Map<String, Value>) -> Result<Vec<ObjectConfig>, Wrong> {
    match keys::given(map, "objects") {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => items(list, "objects", object::object),
        Some(_) => Err(Wrong::new("invalid_object_config", "must be an array of objects").under("objects")),
    }
}

fn items<T>(list: &[Value], under: &str, read: impl Fn(&Value) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
    if list.len() > limits::CONFIG_NODES {
        let why = format!("has more than {} items", limits::CONFIG_NODES);
        return Err(Wrong::new("too_many_nodes", why).under(under));
    }
    let read = |(at, item)| read(item).map_err(|wrong| wrong.within(at).under(under));
    list.iter().enumerate().map(read).collect()
}

/// One name, one node: agents and objects share their names.
fn different(agents: &[AgentConfig], objects: &[ObjectConfig]) -> Result<(), Wrong> {
    let mut seen = HashSet::new();
    let agents = agents.iter().enumerate().map(|(at, agent)| (&agent.name, at, "agents"));
    let objects = objects.iter().enumerate().map(|(at, object)| (&object.name, at, "objects"));
    for (name, at, under) in agents.chain(objects) {
        if !seen.insert(name) {
            let why =
                format!("the name {} stands for another agent or object already", quoted(name.as_str()));
            return Err(Wrong::new("duplicate_name", why).under("name").within(at).under(under));
        }
    }
    Ok(())
}

/// The text of a turn goes to an object of the swarm (spec genswarms E.6).
fn replies(agents: &[AgentConfig], objects: &[ObjectConfig]) -> Result<(), Wrong> {
    for (at, agent) in agents.iter().enumerate() {
        let Some(to) = &agent.reply_to else { continue };
        if !objects.iter().any(|object| object.name == *to) {
            let why = format!("names no object of this swarm: {}", quoted(to.as_str()));
            let wrong = Wrong::new("unknown_reply_to", why).under("reply_to").under("config");
            return Err(wrong.within(at).under("agents"));
        }
    }
    Ok(())
}

fn options(map: &Map<String, Value>) -> Result<Map<String, Value>, Wrong> {
    let options = match keys::given(map, "options") {
        None => return Ok(Map::new()),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(Wrong::new("invalid_options", "must be an object").under("options")),
    };
    if options.contains_key("skills_base_dir") {
        let why = "does nothing: skills are below the instance's own skills directory";
        return Err(Wrong::new("unsupported_option", why)
            .by_name()
            .under("skills_base_dir")
            .under("options"));
    }
    shallow(options).map_err(|wrong| wrong.under("options"))?;
    Ok(options.clone())
}

/// Whether free fields have no more levels than the documents of a swarm can hold.
pub fn shallow(map: &Map<String, Value>) -> Result<(), Wrong> {
    let mut level: Vec<&Value> = map.values().collect();
    for _ in 1..limits::IR_DEPTH {
        level = level.into_iter().flat_map(within).collect();
    }
    if level.iter().all(|value| !value.is_array() && !value.is_object()) {
        return Ok(());
    }
    let why = format!("has more than {} arrays and objects inside each other", limits::IR_DEPTH);
    Err(Wrong::new("too_deep", why))
}

/// What stands directly within a value.
fn within(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn autostart(map: &Map<String, Value>) -> Result<bool, Wrong> {
    match keys::given(map, "autostart") {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(Wrong::new("invalid_autostart", "must be true or false").under("autostart")),
    }
}
