//! One object: a built-in handler, or a program that speaks JSON lines (spec genswarms H.2, J.3).
//!
//! Handlers from packages are checked by their rule, so that a wrong reference is told from one that is only
//! not supported; either way nothing is loaded.

use serde_json::{Map, Value};

use super::{BUILT_IN, Handler, ObjectConfig, command, keys, read};
use crate::{
    backend::{form::Form, options::Kind},
    limits,
    swarm::objects::process,
    wire::{document::Wrong, nearest},
};

const CODE: &str = "invalid_handler";

/// Reads an object.
pub fn object(value: &Value) -> Result<ObjectConfig, Wrong> {
    let map = value.as_object().ok_or_else(|| Wrong::new("invalid_object_config", "must be an object"))?;
    keys::check(map, keys::OBJECT)?;
    let name = read::node_name(map, "invalid_object_config", "invalid_object_name", "Object")?;
    let backend = keys::given(map, "backend").map(Form::parse).transpose();
    let backend = backend.map_err(|wrong| wrong.under("backend"))?;
    let mut config = match keys::given(map, "config") {
        None => Map::new(),
        Some(Value::Object(config)) => config.clone(),
        Some(_) => return Err(Wrong::new("invalid_config", "must be an object").under("config")),
    };
    let of_config = take_command(&mut config).map_err(|wrong| wrong.under("config"))?;
    let handler = keys::given(map, "handler").map(handler).transpose();
    let handler = handler.map_err(|wrong| wrong.under("handler"))?;
    let handler = match (handler, of_config) {
        (Some(Handler::BuiltIn(_)), Some(_)) => {
            let why = "a built-in handler has no program";
            return Err(Wrong::new(CODE, why).under("handler"));
        }
        (Some(Handler::Process { command }), Some(other)) if command != other => {
            let wrong = Wrong::new("conflicting_keys", "is given in two places with different values");
            return Err(wrong.under("command").under("config"));
        }
        (Some(handler), _) => handler,
        (None, Some(command)) => Handler::Process { command },
        (None, None) => return Err(no_handler()),
    };
    check_config(&config, &handler).map_err(|wrong| wrong.under("config"))?;
    read::shallow(&config).map_err(|wrong| wrong.under("config"))?;
    let backend = runs_on(&handler, backend).map_err(|wrong| wrong.under("backend"))?;
    Ok(ObjectConfig { name, handler, backend, config })
}

fn no_handler() -> Wrong {
    let next = format!("give a \"handler\": {} or {{\"command\": [\"program\"]}}", BUILT_IN.join(", "));
    Wrong::new(CODE, "the object has no handler").next(next)
}

/// Takes the program out of `config`.
fn take_command(config: &mut Map<String, Value>) -> Result<Option<Vec<String>>, Wrong> {
    let mut found: Option<Vec<String>> = None;
    for name in ["command", "cmd"] {
        let Some(value) = config.remove(name).filter(|value| !value.is_null()) else { continue };
        let words = command::command(&value).map_err(|wrong| wrong.under(name))?;
        if found.as_ref().is_some_and(|first| *first != words) {
            let why = "is given in two places with different values";
            return Err(Wrong::new("conflicting_keys", why).by_name().under(name));
        }
        found = Some(words);
    }
    Ok(found)
}

fn handler(value: &Value) -> Result<Handler, Wrong> {
    match value {
        Value::String(name) if BUILT_IN.contains(&name.as_str()) => Ok(Handler::BuiltIn(name.clone())),
        Value::String(name) => {
            let wrong = Wrong::new(CODE, "there is no such handler");
            Err(match nearest::nearest(name, BUILT_IN) {
                Some(meant) => wrong.next(format!("did you mean \"{meant}\"?")),
                None => wrong.next(format!("built in are {}", BUILT_IN.join(", "))),
            })
        }
        Value::Object(map) if map.contains_key("ref") => Err(package(map)),
        Value::Object(map) => {
            keys::check(map, &["command", "cmd"])?;
            let command = take_command(&mut map.clone())?;
            command.map(|command| Handler::Process { command }).ok_or_else(no_handler)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(no_handler()),
    }
}

/// What is said of a package: that its reference is wrong, or that packages are not supported.
fn package(map: &Map<String, Value>) -> Wrong {
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let wrong = |key: &str, why: &str| Wrong::new("invalid_handler_ref", why).under(key);
    if text("ref").strip_prefix("swarmidx:").is_none_or(str::is_empty) {
        return wrong("ref", "must begin with \"swarmidx:\"");
    }
    let digest = text("digest").strip_prefix("sha256:").unwrap_or_default();
    if digest.len() != 64 || !digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return wrong("digest", "must be \"sha256:\" and 64 hexadecimal digits");
    }
    if text("path").is_empty() {
        return wrong("path", "must be a path");
    }
    Wrong::new("handler_ref_not_supported", "handlers from packages are not supported")
        .next(format!("take one of {} or a program of your own", BUILT_IN.join(", ")))
}

/// Refuses what an object's program would be expected to keep to and does not get.
fn check_config(config: &Map<String, Value>, handler: &Handler) -> Result<(), Wrong> {
    let odd = config.keys().find(|key| match handler {
        Handler::BuiltIn(_) => keys::PROGRAMS.contains(&key.as_str()),
        Handler::Process { .. } => keys::PROGRAMS.contains(&key.as_str()) || keys::is_agent_config(key),
    });
    odd.map_or(Ok(()), |key| {
        let why = "does nothing in the config of an object";
        Err(Wrong::new("unsupported_option", why).by_name().under(key).next("leave it out"))
    })?;
    match handler {
        Handler::Process { .. } if !process::fits(config) => {
            let why = format!("has more than {} bytes as JSON", limits::OBJECT_CONFIG);
            Err(Wrong::new("config_too_large", why).next("put what is large into a file, and its name here"))
        }
        Handler::Process { .. } | Handler::BuiltIn(_) => Ok(()),
    }
}

/// Where an object runs: a program on `local` where nothing else is said, a built-in handler nowhere.
fn runs_on(handler: &Handler, backend: Option<Form>) -> Result<Option<Form>, Wrong> {
    match (handler, backend) {
        (Handler::BuiltIn(_), None) => Ok(None),
        (Handler::BuiltIn(_), Some(_)) => {
            let why = "a built-in handler runs in the instance and has no backend";
            Err(Wrong::new("invalid_backend", why).next("leave it out"))
        }
        (Handler::Process { .. }, None) => Ok(Some(Form::Local)),
        (Handler::Process { .. }, Some(form)) if form.kind() == Kind::Mock => {
            Err(Wrong::new("invalid_backend", "an object's program cannot run on mock"))
        }
        (Handler::Process { .. }, Some(form)) => Ok(Some(form)),
    }
}
