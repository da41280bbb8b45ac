//! What an agent that belongs to no swarm is put into: nothing, or a sandbox in the directory that its owner named.
//!
//! Its options are those of an agent of a swarm, by the same table; one that would do nothing for it is refused here,
//! so that nobody believes in it. It has no letters: what it says is on its terminal.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Backends, NO_SANDBOXES,
    bwrap::Sandbox,
    options::{self, Kind, NETWORK},
};
use crate::{
    agent::{StartError, cage::Cage},
    wire::document::{Wrong, quoted},
};

/// Options of the turns that a swarm's agent makes of its model.
const OF_TURNS: [&str; 2] = ["request_extra", "compact_extra"];
/// Options of the one way out.
const OF_THE_WAY: [&str; 2] = ["endpoint", "api_key"];

/// Why there is nothing to put it into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCaged {
    /// an option that is wrong, or does nothing
    Option(Wrong),
    /// it may not be
    Start(StartError),
}

impl Backends {
    /// What a loose agent of this name is put into that works in `cwd`; nothing on `local`.
    pub fn loose(
        &self,
        kind: Kind,
        name: &str,
        config: &Map<String, Value>,
        cwd: PathBuf,
    ) -> Result<Option<Arc<dyn Cage>>, NotCaged> {
        let isolated = config.get(NETWORK).and_then(Value::as_str) == Some("isolated");
        for (option, value) in config {
            check(kind, isolated, option, value)
                .map_err(|wrong| NotCaged::Option(wrong.under(option).under("config")))?;
        }
        if kind == Kind::Local {
            return Ok(None);
        }
        let sandboxes = self.sandboxes().ok_or(NotCaged::Start(NO_SANDBOXES))?;
        let sandbox = Sandbox::read(config, cwd, false, None).map_err(NotCaged::Start)?;
        sandboxes.cage(sandbox, self.policy(), name).map(Some).map_err(NotCaged::Start)
    }
}

/// Whether a loose agent has this option.
fn check(kind: Kind, isolated: bool, option: &str, value: &Value) -> Result<(), Wrong> {
    options::check(kind, option, value).map_err(|wrong| match wrong.code {
        // Of a swarm's agent it would be told where that goes.
        "unknown_key" => Wrong::new(wrong.code, format!("there is no option {}", quoted(option))).by_name(),
        _ => wrong,
    })?;
    let nothing = |why: &str| Err(Wrong::new("unsupported_option", why).by_name().next("leave it out"));
    if OF_TURNS.contains(&option) {
        return nothing("does nothing for an agent that belongs to no swarm");
    }
    if !isolated && OF_THE_WAY.contains(&option) {
        return nothing("is for \"network\": \"isolated\"");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_option_that_does_nothing_for_a_loose_agent_is_refused() {
        for (kind, isolated, option, value, code) in [
            (Kind::Bwrap, true, "endpoint", json!("https://h/v1"), ""),
            (Kind::Bwrap, true, "network", json!("isolated"), ""),
            (Kind::Bwrap, false, "network", json!("Isolated"), "invalid_network"),
            (Kind::Bwrap, false, "endpoint", json!("https://h/v1"), "unsupported_option"),
            (Kind::Bwrap, false, "api_key", json!("k"), "unsupported_option"),
            (Kind::Bwrap, true, "request_extra", json!({}), "unsupported_option"),
            (Kind::Bwrap, true, "seccomp", json!(false), "unsupported_option"),
            (Kind::Bwrap, true, "workspace", json!("/w"), "unknown_key"),
            (Kind::Bwrap, true, "no_such", json!(1), "unknown_key"),
            (Kind::Local, false, "network", json!("open"), ""),
            (Kind::Local, true, "network", json!("isolated"), "unsupported_network"),
            (Kind::Local, false, "memory_limit", json!("1G"), "unsupported_option"),
        ] {
            let found = check(kind, isolated, option, &value).map_or_else(|wrong| wrong.code, |()| "");
            assert_eq!(found, code, "{kind:?} {option} {value}");
        }
    }
}
