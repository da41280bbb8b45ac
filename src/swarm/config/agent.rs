//! One agent (spec genswarms H.2, H.3, B.3).
//!
//! Some fields may stand beside `config` or in it. Both places, or two names of one field, with different
//! values are an error: neither is taken for the right one.

use serde_json::{Map, Value};

use super::{AgentConfig, REPLY_GRACE_MS, Restart, command, env, keys, lists, read, turns};
use crate::{
    agent::Controller,
    backend::{
        form::Form,
        options::{self, Kind},
        script::Script,
    },
    limits,
    wire::{document::Wrong, json},
};

/// Reads an agent.
pub fn agent(value: &Value) -> Result<AgentConfig, Wrong> {
    let map = value.as_object().ok_or_else(|| Wrong::new("invalid_agent_config", "must be an object"))?;
    keys::check(map, keys::AGENT)?;
    let name = read::node_name(map, "invalid_agent_config", "invalid_agent_name", "Agent")?;
    let backend = keys::given(map, "backend").map(Form::parse).transpose();
    let backend = backend.map_err(|wrong| wrong.under("backend"))?.unwrap_or_default();
    let none = Map::new();
    let config = match keys::given(map, "config") {
        None => &none,
        Some(Value::Object(config)) => config,
        Some(_) => return Err(Wrong::new("invalid_config", "must be an object").under("config")),
    };
    let source = Source { beside: map, config };
    let skills = source.read(&["skills"], lists::skills)?.unwrap_or_default();
    let tools = source.read(&["tools"], lists::tools)?.unwrap_or_default();
    let presets = source.read(&["presets"], lists::presets)?.unwrap_or_default();
    keys::check_config(config).map_err(|wrong| wrong.under("config"))?;
    let kind = backend.kind();
    let command = source.read(&["command", "cmd"], command::command)?;
    let mut agent = AgentConfig {
        skills,
        tools,
        presets,
        model: source.read(&["model"], model)?,
        controller: source.read(&["controller"], turns::controller)?.unwrap_or(Controller::Pipe),
        workspace: source.read(&["workspace"], env::workspace)?,
        env: source.read(&["env", "extra_env"], env::env)?.unwrap_or_default(),
        max_turns: source.read(&["max_turns"], |value| turns::whole(value, &turns::TURNS))?,
        turn_timeout_ms: source.read(&["turn_timeout_ms"], |value| turns::whole(value, &turns::TURN_MS))?,
        reply_to: source.read(&["reply_to"], turns::reply_to)?,
        reply_grace_ms: source
            .read(&["reply_grace_ms"], |value| turns::whole(value, &turns::GRACE_MS))?
            .unwrap_or(REPLY_GRACE_MS),
        restart: source.read(&["restart"], turns::restart)?.unwrap_or(Restart::Never),
        script: source.read(&["script"], |value| script(value, kind))?,
        config: options(&source, &backend)?,
        name,
        backend,
        command,
    };
    if agent.command.is_none() && matches!(kind, Kind::Local | Kind::Bwrap) {
        let why = format!("an agent on the backend {} needs a program", kind.name());
        let wrong = Wrong::new("missing_command", why).next("write \"command\": [\"program\", \"argument\"]");
        return Err(wrong.under("command").under("config"));
    }
    agent.config = agent.config_value();
    read::shallow(&agent.config).map_err(|wrong| wrong.under("config"))?;
    let opts = agent.backend.opts().map_or(Ok(()), read::shallow);
    opts.map_err(|wrong| wrong.under("opts").under("backend"))?;
    fits(&agent)?;
    Ok(agent)
}

/// What the program is given fits into what the system lets a process be given.
fn fits(agent: &AgentConfig) -> Result<(), Wrong> {
    let variables = agent.variables();
    let bytes = |(name, value): &(String, String)| name.len() + value.len() + 2;
    let env: usize = variables.iter().chain(&agent.env).map(bytes).sum();
    let command = agent.command.as_deref().map_or(0, command::size);
    if env + command <= limits::COMMAND_BYTES {
        return Ok(());
    }
    let why = format!("has with its variables and requests more than {} bytes", limits::COMMAND_BYTES);
    Err(Wrong::new("invalid_env", why).under("config"))
}

fn model(value: &Value) -> Result<String, Wrong> {
    let text = value.as_str().filter(|text| lists::is_text(text) && text.len() <= limits::CONFIG_WORD);
    text.map(str::to_owned).ok_or_else(|| {
        let why = format!("must be a text of one line, of at most {} bytes", limits::CONFIG_WORD);
        Wrong::new("invalid_model", why)
    })
}

fn script(value: &Value, kind: Kind) -> Result<Script, Wrong> {
    if kind == Kind::Mock {
        return Script::parse(value);
    }
    let why = format!("does nothing on the backend {}", kind.name());
    Err(Wrong::new("unsupported_option", why).by_name().next("leave it out; it is for mock"))
}

/// What `config` holds beside the fields that are read on their own: the backend's options, which are checked,
/// and the agent's own business, which is not.
fn options(source: &Source<'_>, backend: &Form) -> Result<Map<String, Value>, Wrong> {
    let mut kept = Map::new();
    for name in options::names().chain([options::NETWORK]) {
        let checked = source.read(&[name], |value| {
            let value = from_text(name, value)?;
            options::check(backend.kind(), name, &value).map(|()| value)
        });
        let Some(value) = checked? else { continue };
        if backend.opts().and_then(|opts| opts.get(name)).is_some_and(|other| *other != value) {
            return Err(twice(name).under(name).under("config"));
        }
        kept.insert(name.to_owned(), value);
    }
    let own = source.config.iter().filter(|(key, _)| !keys::is_agent_config(key));
    kept.extend(own.map(|(key, value)| (key.clone(), value.clone())));
    Ok(kept)
}

/// What the request to a model gets in addition may be JSON in a text (spec genswarms E.1).
fn from_text(name: &str, value: &Value) -> Result<Value, Wrong> {
    match value {
        Value::String(text) if matches!(name, "request_extra" | "compact_extra") => {
            json::parse(text.as_bytes()).map_err(|_| Wrong::new("invalid_config", "must be a JSON object"))
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => Ok(value.clone()),
    }
}

/// The two places in which an agent's fields stand.
struct Source<'a> {
    beside: &'a Map<String, Value>,
    config: &'a Map<String, Value>,
}

impl<'a> Source<'a> {
    /// Reads a field by any of its names, wherever it stands.
    fn read<T>(
        &self,
        names: &[&str],
        read: impl FnOnce(&'a Value) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        let mut found: Option<(&'a Value, Vec<&str>)> = None;
        for name in names {
            for (map, path) in [(self.beside, vec![*name]), (self.config, vec![*name, "config"])] {
                let Some(value) = keys::given(map, name) else { continue };
                match &found {
                    Some((first, _)) if *first != value => {
                        let wrong = twice(name);
                        return Err(path.iter().fold(wrong, |wrong, key| wrong.under(key)));
                    }
                    Some(_) => {}
                    None => found = Some((value, path)),
                }
            }
        }
        let Some((value, path)) = found else { return Ok(None) };
        read(value).map(Some).map_err(|wrong| path.iter().fold(wrong, |wrong, key| wrong.under(key)))
    }
}

fn twice(name: &str) -> Wrong {
    let why = "is given in two places with different values";
    Wrong::new("conflicting_keys", why).by_name().next(format!("keep one \"{name}\""))
}
