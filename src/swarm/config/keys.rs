//! The names of all fields, and what is said of one that is none of them.
//!
//! Nothing but `command` names a program: a field that did so in GenSwarms is refused with a word that says
//! it. Within an agent's `config` other names are the agent's own business, but one that is a slip of a
//! known name is refused: `netwrok` must not become an open network (spec genswarms H.3, L.3).

use serde_json::{Map, Value};

use crate::{
    backend::options,
    wire::{
        document::{Wrong, quoted},
        nearest,
    },
};

/// Fields of a config. `$schema` is for editors.
pub const ROOT: &[&str] = &["$schema", "name", "agents", "objects", "topology", "options", "autostart"];

/// Fields of an agent.
pub const AGENT: &[&str] = &[
    "name",
    "backend",
    "controller",
    "command",
    "cmd",
    "workspace",
    "env",
    "skills",
    "tools",
    "model",
    "presets",
    "endpoint",
    "request_extra",
    "compact_extra",
    "config",
];

/// Fields of an agent's `config` beside the options of the backends.
pub const AGENT_CONFIG: &[&str] = &[
    "command",
    "cmd",
    "workspace",
    "env",
    "extra_env",
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

/// Fields of an object.
pub const OBJECT: &[&str] = &["name", "handler", "backend", "config"];

/// Fields that named a program in GenSwarms.
pub const PROGRAMS: &[&str] = &["subzeroclaw_path", "subzeroclaw_src", "wrapper_path"];

/// The value of a field; null is absent.
pub fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// Refuses every field that is none of `known`.
pub fn check(map: &Map<String, Value>, known: &[&str]) -> Result<(), Wrong> {
    let odd = map.keys().find(|key| !known.contains(&key.as_str()));
    odd.map_or(Ok(()), |key| Err(unknown(key, known)))
}

/// What is said of a field that is none of `known`.
pub fn unknown(key: &str, known: &[&str]) -> Wrong {
    if PROGRAMS.contains(&key) {
        return not_a_program(key);
    }
    let wrong = Wrong::new("unknown_key", format!("there is no field {}", quoted(key))).by_name().under(key);
    if known == AGENT && is_agent_config(key) {
        return wrong.next("put it into the agent's \"config\"");
    }
    match nearest::nearest(key, known.iter().copied()) {
        Some(meant) => wrong.next(format!("did you mean \"{meant}\"?")),
        None => wrong.next(format!("the fields here are {}", known.join(", "))),
    }
}

/// Whether a name is a field of an agent's `config`, or an option of a backend.
pub fn is_agent_config(key: &str) -> bool {
    AGENT_CONFIG.contains(&key) || options::is_option(key)
}

/// Refuses the names in a `config` that must not pass for the agent's own business.
pub fn check_config(config: &Map<String, Value>) -> Result<(), Wrong> {
    for key in config.keys().filter(|key| !is_agent_config(key)) {
        if PROGRAMS.contains(&key.as_str()) {
            return Err(not_a_program(key));
        }
        let wrong =
            || Wrong::new("unknown_key", format!("there is no field {}", quoted(key))).by_name().under(key);
        if ["backend", "skills", "tools", "config"].contains(&key.as_str()) {
            return Err(wrong().next("put it beside \"config\", not into it"));
        }
        if let Some(meant) = nearest::slip(key, AGENT_CONFIG.iter().copied().chain(options::names())) {
            return Err(wrong().next(format!("did you mean \"{meant}\"?")));
        }
    }
    Ok(())
}

fn not_a_program(key: &str) -> Wrong {
    Wrong::new("not_a_program", "does not name a program here")
        .by_name()
        .under(key)
        .next("the program is the first word of \"command\", an array of words")
}
