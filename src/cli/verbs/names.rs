//! `names`: what completions in a shell offer as names of swarms and agents.
//!
//! It is asked while somebody types, so it says nothing at all where something is not as it should be, and it
//! is done within a second whatever the instance does. A name goes out only as what the rules for names allow:
//! letters, digits, `_` and `-`, with one slash between swarm and agent, so no shell finds anything to
//! evaluate in it. Inside an agent it asks as that agent.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Side, agent_token, side, swarm};
use crate::{
    cli::{
        outcome::{Exit, Failure},
        output::Output,
        parse::Arguments,
    },
    client::Client,
    wire::{
        id::AgentId,
        node::{FullName, NodeName},
    },
};

/// Time that all requests have together.
const PATIENCE: Duration = Duration::from_millis(800);
/// Most names that are offered.
const MOST: usize = 1000;

/// Which names are asked for.
pub const KINDS: [&str; 5] = ["agents", "swarms", "members", "any", "all"];

/// `loopgate names`.
pub fn names(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let end = Instant::now() + PATIENCE;
    let mut found = match (arguments.operand(0)?, arguments.operand(1)?) {
        (Some("agents"), _) => loose(end),
        (Some("swarms"), _) => swarms(end),
        (Some("members"), Some(swarm)) => {
            NodeName::parse(swarm).map_or_else(|_| Vec::new(), |s| members(&s, end))
        }
        (Some(kind @ ("any" | "all")), _) => {
            let (swarms, mut members) = (swarms(end), Vec::new());
            for swarm in swarms.iter().filter_map(|name| NodeName::parse(name).ok()) {
                members.extend(self::members(&swarm, end).iter().map(|agent| format!("{swarm}/{agent}")));
            }
            [loose(end), members, if kind == "all" { swarms } else { Vec::new() }].concat()
        }
        (_, _) => Vec::new(),
    };
    found.retain(|name| may_be_offered(name));
    found.sort();
    found.dedup();
    found.truncate(MOST);
    for name in found {
        output.data(&name)?;
    }
    Ok(Exit::Ok.into())
}

/// Whether it is a name by the rules, and no flag.
fn may_be_offered(name: &str) -> bool {
    !name.starts_with('-') && (AgentId::parse(name).is_ok() || FullName::parse(name).is_ok())
}

fn loose(end: Instant) -> Vec<String> {
    match side() {
        Ok(Side::Owner(client)) => asked(client, "/api/v1/agents", "agents", end),
        Ok(Side::Agent(client)) => asked(client, "/api/v1/self/agents", "agents", end),
        Err(_) => Vec::new(),
    }
}

/// The operator's client; an agent has none.
fn operator() -> Option<Client> {
    if agent_token().is_some() { None } else { swarm::operator().ok() }
}

fn swarms(end: Instant) -> Vec<String> {
    operator().map_or_else(Vec::new, |client| asked(client, "/api/swarms", "swarms", end))
}

/// The agents and objects of a swarm.
fn members(swarm: &NodeName, end: Instant) -> Vec<String> {
    let Some(client) = operator() else { return Vec::new() };
    let Some(status) = answered(client, &format!("/api/swarms/{swarm}"), end) else { return Vec::new() };
    [names_in(&status, "agents"), names_in(&status, "objects")].concat()
}

fn asked(client: Client, path: &str, field: &str, end: Instant) -> Vec<String> {
    answered(client, path, end).map_or_else(Vec::new, |answer| names_in(&answer, field))
}

fn names_in(answer: &Value, field: &str) -> Vec<String> {
    let records = answer.get(field).and_then(Value::as_array).into_iter().flatten();
    let name = |record: &Value| record.get("name").and_then(Value::as_str).map(str::to_owned);
    records.filter_map(name).take(MOST).collect()
}

fn answered(client: Client, path: &str, end: Instant) -> Option<Value> {
    let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
    let answer = client.within(left).get(path).ok()?;
    answer.is_success().then(|| answer.json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_name_by_the_rules_and_no_flag_is_offered() {
        for name in ["coder", "a_1", "7", "ring/place_1", "A-b"] {
            assert!(may_be_offered(name), "{name}");
        }
        for name in [
            "",
            "-f",
            "--json",
            "$(id)",
            "`id`",
            "a b",
            "a;b",
            "a\nb",
            "a'b",
            "a\"b",
            "a\\b",
            "a/b/c",
            "/a",
            "a/",
            "a/$x",
            "*",
            "~",
            "a\u{202e}b",
            "\u{e4}",
            "-/a",
        ] {
            assert!(!may_be_offered(name), "{name:?}");
        }
        assert!(!may_be_offered(&"a".repeat(65)));
    }
}
