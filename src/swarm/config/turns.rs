//! How text reaches an agent, and how its turns go (spec genswarms E.6). A number that means nothing is an
//! error: nothing falls back to a default.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::{Restart, keys};
use crate::{
    agent::{Controller, Submit},
    limits,
    wire::{document::Wrong, nearest, node::NodeName},
};

/// How many turns an agent may be allowed.
pub const TURNS: RangeInclusive<u64> = 1..=limits::CONFIG_TURNS;
/// How long a turn may be.
pub const TURN_MS: RangeInclusive<u64> = 1..=limits::CONFIG_TURN_MS;
/// How long a reply may wait.
pub const GRACE_MS: RangeInclusive<u64> = 1..=limits::CONFIG_GRACE_MS;
/// The size of a screen where a config names none.
const SCREEN: (u16, u16) = (24, 80);

/// A whole number of this range.
pub fn whole(value: &Value, range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    value.as_u64().filter(|number| range.contains(number)).ok_or_else(|| {
        let why = format!("must be a whole number from {} to {}", range.start(), range.end());
        Wrong::new("invalid_config", why)
    })
}

/// The object that gets the text of a turn.
pub fn reply_to(value: &Value) -> Result<NodeName, Wrong> {
    let name = value.as_str().and_then(|text| NodeName::parse(text).ok());
    name.ok_or_else(|| Wrong::new("unknown_reply_to", "must be the name of an object"))
}

/// `never` or `on-failure`.
pub fn restart(value: &Value) -> Result<Restart, Wrong> {
    match value.as_str() {
        Some("never") => Ok(Restart::Never),
        Some("on-failure") => Ok(Restart::OnFailure),
        Some(_) | None => Err(Wrong::new("invalid_restart", "must be \"never\" or \"on-failure\"")),
    }
}

/// `pipe`, `pty`, or an object that says more of a terminal.
pub fn controller(value: &Value) -> Result<Controller, Wrong> {
    let wrong = |why: &str| Wrong::new("invalid_controller", why);
    let (kind, map) = match value {
        Value::String(kind) => (kind.as_str(), None),
        Value::Object(map) => match map.get("type") {
            Some(Value::String(kind)) => (kind.as_str(), Some(map)),
            _ => return Err(wrong("needs a \"type\": \"pipe\" or \"pty\"")),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return Err(wrong("must be \"pipe\", \"pty\" or an object with a \"type\""));
        }
    };
    let known: &[&str] = match kind {
        "pipe" => &["type"],
        "pty" => &["type", "rows", "cols", "submit"],
        _ => {
            let wrong = wrong("must be \"pipe\" or \"pty\"");
            return Err(match nearest::nearest(kind, ["pipe", "pty"]) {
                Some(meant) => wrong.next(format!("did you mean \"{meant}\"?")),
                None => wrong,
            });
        }
    };
    if let Some(map) = map {
        keys::check(map, known)?;
    }
    if kind == "pipe" {
        return Ok(Controller::Pipe);
    }
    let none = Map::new();
    let map = map.unwrap_or(&none);
    let size = |key: &str, range: RangeInclusive<u16>, default| match keys::given(map, key) {
        None => Ok(default),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
            number.filter(|number| range.contains(number)).ok_or_else(|| {
                wrong(&format!("must be a whole number from {} to {}", range.start(), range.end())).under(key)
            })
        }
    };
    Ok(Controller::Pty {
        rows: size("rows", limits::ROWS_MIN..=limits::ROWS_MAX, SCREEN.0)?,
        cols: size("cols", limits::COLS_MIN..=limits::COLS_MAX, SCREEN.1)?,
        submit: match keys::given(map, "submit").map(Value::as_str) {
            None | Some(Some("thrice")) => Submit::Thrice,
            Some(Some("once")) => Submit::Once,
            Some(Some(_) | None) => return Err(wrong("must be \"thrice\" or \"once\"").under("submit")),
        },
    })
}
