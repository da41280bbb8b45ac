//! `status`: of the instance with its swarms, or of one swarm.

use std::process::ExitCode;

use serde_json::Value;

use super::{done, list, name, operator};
use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::Arguments,
    verbs::{agents::painted, own, own::shown},
};

/// `loopgate status`: without a name the instance's, with one the swarm's.
pub fn status(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match arguments.operand(0)? {
        Some(swarm) => one(name(swarm)?, arguments, output),
        None if arguments.has("--swarms") => all(arguments, output),
        None => own::status(arguments, output),
    }
}

fn all(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let answer = done(operator()?.get("/api/swarms"))?;
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let swarms = list(&answer, "swarms");
    if swarms.is_empty() {
        output.say("no swarms; start one with `loopgate start FILE`");
        return Ok(Exit::Ok.into());
    }
    let mut rows = vec![["SWARM", "STATUS", "AGENTS", "OBJECTS", "STARTED"].map(str::to_owned).to_vec()];
    let cells = ["name", "status", "agent_count", "object_count", "started_at"];
    rows.extend(swarms.iter().map(|swarm| cells.iter().map(|cell| shown(swarm.get(cell))).collect()));
    show(&rows, output)?;
    Ok(Exit::Ok.into())
}

fn one(swarm: &str, arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let client = operator()?;
    let status = done(client.get(&format!("/api/swarms/{swarm}")))?;
    if arguments.has("--json") {
        output.json(&status)?;
        return Ok(Exit::Ok.into());
    }
    let paused = if status.get("paused").and_then(Value::as_bool) == Some(true) { ", paused" } else { "" };
    output.data(&format!(
        "{}: {}{paused}",
        shown(status.get("name")),
        output.paint().state(&shown(status.get("status")))
    ))?;
    let agents = done(client.get(&format!("/api/swarms/{swarm}/agents")))?;
    let mut rows = vec![["AGENT", "STATE", "BACKEND", "WAITING", "MESSAGES"].map(str::to_owned).to_vec()];
    let cells = ["name", "state", "backend", "inbox_size", "message_count"];
    let row = |agent: &Value| cells.iter().map(|cell| shown(agent.get(cell))).collect();
    rows.extend(list(&agents, "agents").iter().map(row));
    show(&rows, output)?;
    let mut rows = vec![["OBJECT", "STATE", "HANDLER"].map(str::to_owned).to_vec()];
    let row =
        |object: &Value| ["name", "state", "handler"].iter().map(|cell| shown(object.get(cell))).collect();
    rows.extend(list(&status, "objects").iter().map(row));
    if rows.len() > 1 {
        show(&rows, output)?;
    }
    for row in list(&status, "topology") {
        let targets: Vec<String> = list(row, "targets").iter().map(|name| shown(Some(name))).collect();
        output.data(&format!("{} -> {}", shown(row.get("from")), targets.join(" ")))?;
    }
    for agent in list(&agents, "agents") {
        if let Some(line) = sandbox(agent) {
            output.data(&line)?;
        }
    }
    say_troubles(&status, output);
    Ok(Exit::Ok.into())
}

/// What keeps an agent from the machine, and what it was to be kept from and is not.
fn sandbox(agent: &Value) -> Option<String> {
    let sandbox = agent.get("sandbox").filter(|sandbox| sandbox.is_object())?;
    let words = |field: &str| {
        let words: Vec<String> = list(sandbox, field).iter().map(|word| shown(Some(word))).collect();
        (!words.is_empty()).then(|| words.join(", "))
    };
    let mut line = format!("{}: network {}", shown(agent.get("name")), shown(sandbox.get("network")));
    if let Some(layers) = words("layers") {
        line.push_str(&format!("; {layers}"));
    }
    if let Some(missing) = words("limits_not_kept") {
        line.push_str(&format!("; limits not kept: {missing}"));
    }
    Some(line)
}

/// A table whose second column is a state.
fn show(rows: &[Vec<String>], output: &mut Output) -> Result<(), Failure> {
    let paint = output.paint();
    let cell = |at: usize, cell: &str| if at == 1 { paint.state(cell) } else { cell.to_owned() };
    painted(rows, cell).iter().try_for_each(|line| output.data(line))
}

/// Whoever starts a swarm, or looks at one, is told of those in it that are not well.
pub(super) fn say_troubles(status: &Value, output: &mut Output) {
    let nodes = list(status, "agents").iter().chain(list(status, "objects"));
    for node in nodes.filter(|node| node.get("state").and_then(Value::as_str) == Some("error")) {
        let why = node.get("reason").filter(|reason| !reason.is_null());
        let why = why.map_or_else(String::new, |reason| format!(": {}", shown(Some(reason))));
        output.say(&format!("{} is in state error{why}", shown(node.get("name"))));
    }
}
