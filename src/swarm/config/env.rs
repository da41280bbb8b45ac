//! The variables and the directory of an agent.
//!
//! Values are taken as they are: nothing of the instance's own environment is put into them (spec genswarms
//! F.4). Names that an agent gets from its instance cannot be set.

use serde_json::Value;

use super::lists;
use crate::{limits, wire::document::Wrong};

const CODE: &str = "invalid_env";
/// Beginnings of names that only the instance gives a meaning to.
const OURS: [&str; 3] = ["LOOPGATE_", "AGENTMUX_", "GENSWARMS_"];
/// Names that each agent gets.
const SET: [&str; 5] =
    ["OUTBOX_DIR", "ASK_REPLY_DIR", "SWARM_TOPOLOGY", "SUBZEROCLAW_AGENT_NAME", "SUBZEROCLAW_SKILLS"];
/// Names that say the same as a field, which is the one to use.
const FIELDS: [(&str, &str); 4] = [
    ("SUBZEROCLAW_REQUEST_EXTRA", "request_extra"),
    ("SUBZEROCLAW_COMPACT_EXTRA", "compact_extra"),
    ("SUBZEROCLAW_ENDPOINT", "endpoint"),
    ("SUBZEROCLAW_API_KEY", "api_key"),
];
/// Longest name of a variable, in bytes.
const NAME: usize = 128;

/// Reads the variables.
pub fn env(value: &Value) -> Result<Vec<(String, String)>, Wrong> {
    let map = value.as_object().ok_or_else(|| Wrong::new(CODE, "must be an object of texts"))?;
    if map.len() > limits::CONFIG_ENV {
        return Err(Wrong::new(CODE, format!("has more than {} variables", limits::CONFIG_ENV)));
    }
    let mut env = Vec::new();
    for (name, value) in map {
        may_set(name).map_err(|wrong| wrong.by_name().under(name))?;
        match value.as_str() {
            Some(text) if !text.contains('\0') => env.push((name.clone(), text.to_owned())),
            Some(_) => return Err(Wrong::new(CODE, "holds a NUL character").under(name)),
            None => return Err(Wrong::new(CODE, "must be a text").under(name)),
        }
    }
    Ok(env)
}

fn may_set(name: &str) -> Result<(), Wrong> {
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let clean = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !begins || !clean || name.len() > NAME {
        let why = format!(
            "is no name of a variable: a letter or _, then letters, digits and _, at most {NAME} bytes"
        );
        return Err(Wrong::new(CODE, why));
    }
    if let Some((_, field)) = FIELDS.iter().find(|(set, _)| *set == name) {
        return Err(Wrong::new(CODE, "is set from a field of the agent").next(format!("give \"{field}\"")));
    }
    if OURS.iter().any(|prefix| name.starts_with(prefix)) || SET.contains(&name) {
        return Err(Wrong::new(CODE, "is set by the instance").next("leave it out"));
    }
    Ok(())
}

/// Reads a directory: absolute, or below the agent's own; never with a `..`. `~` is an ordinary character.
pub fn workspace(value: &Value) -> Result<String, Wrong> {
    let wrong = |why: &str| Err(Wrong::new("invalid_workspace", why));
    match value.as_str() {
        Some(path) if !lists::is_text(path) => wrong("must be a path of one line"),
        Some(path) if path.split('/').any(|part| part == "..") => wrong("must not have \"..\" in it"),
        Some(path) => Ok(path.to_owned()),
        None => wrong("must be a text"),
    }
}
