//! `start`, `stop`, `restart`, `pause`, `resume`: the life of a swarm.
//!
//! A configuration is read here, with the operator's own rights and wherever it lies, checked with the place
//! of each error, and sent as it was understood; the instance checks it again and reads no file for it.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{done, name, operator, refused, while_ending, while_starting};
use crate::cli::{
    display,
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, usage},
    progress::while_waiting,
    verbs::{config, own::shown},
};

/// `loopgate start`: a configuration, or a swarm that the instance has kept.
pub fn start(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let what = arguments.required(0)?;
    let (client, answer) = if is_file(what) {
        let body = config::read(what)?;
        let client = operator()?;
        let swarm = body.pointer("/config/name").and_then(Value::as_str);
        let answer = while_starting("the swarm to start", swarm, || client.post("/api/swarms", &body));
        (client, answer)
    } else {
        let client = operator()?;
        let path = format!("/api/swarms/{}/start", name(what)?);
        let waited = format!("swarm {what} to start");
        let answer = while_starting(&waited, Some(what), || client.post(&path, &json!({})));
        (client, answer)
    };
    let started = match answer {
        Ok(answer) if answer.status == 404 && !is_file(what) => {
            return Err(refused(&answer).next(format!(
                "`loopgate status --swarms` lists the swarms; a file is named with its ending or a slash: `loopgate start ./{what}`"
            )));
        }
        answer => done(answer)?,
    };
    if arguments.has("--json") {
        output.json(&started)?;
        return Ok(Exit::Ok.into());
    }
    let swarm = started.get("swarm_name").and_then(Value::as_str).unwrap_or(what);
    let status = done(client.get(&format!("/api/swarms/{}", name(swarm)?)))?;
    output.data(&format!("started {}: {}", display::line(swarm), counts(&status)))?;
    super::look::say_troubles(&status, output);
    Ok(Exit::Ok.into())
}

/// `2 agents, 1 object, 3 edges`.
fn counts(status: &Value) -> String {
    let count =
        |field: &str| status.pointer(&format!("/config/{field}")).and_then(Value::as_u64).unwrap_or(0);
    [("agent_count", "agent"), ("object_count", "object"), ("topology_edges", "edge")]
        .map(|(field, word)| number(count(field), word))
        .join(", ")
}

/// `1 agent`, `2 agents`.
pub(super) fn number(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// Whether an operand of `start` names a file: a swarm's name has neither slash nor dot.
fn is_file(operand: &str) -> bool {
    operand == "-" || operand.contains(['/', '.'])
}

/// `loopgate stop`.
pub fn stop(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let query = if arguments.has("--purge") { "?purge=true" } else { "" };
    let (client, path) = (operator()?, format!("/api/swarms/{swarm}{query}"));
    let answer = done(while_ending(swarm, || client.delete(&path)))?;
    told(arguments, output, &answer, &format!("{} {swarm}", shown(answer.get("status"))))
}

/// `loopgate restart`: a swarm, or one agent of it.
pub fn restart(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let agent = arguments.operand(1)?.map(name).transpose()?;
    if agent.is_some() && arguments.has("--delete-data") {
        return Err(usage("--delete-data is for a whole swarm".to_owned()));
    }
    let query = if arguments.has("--delete-data") { "?delete=true" } else { "" };
    let (path, whom) = match agent {
        Some(agent) => (format!("/api/swarms/{swarm}/agents/{agent}/restart"), format!("{swarm}/{agent}")),
        None => (format!("/api/swarms/{swarm}/restart{query}"), swarm.to_owned()),
    };
    let client = operator()?;
    let (waited, whole) = (format!("{whom} to start again"), agent.is_none().then_some(swarm));
    let answer = done(while_starting(&waited, whole, || client.post(&path, &json!({}))))?;
    told(arguments, output, &answer, &format!("restarted {whom}"))
}

/// `loopgate pause`.
pub fn pause(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    hold(arguments, output, "pause", "containers_paused")
}

/// `loopgate resume`.
pub fn resume(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    hold(arguments, output, "resume", "containers_resumed")
}

fn hold(arguments: &Arguments, output: &mut Output, verb: &str, count: &str) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let (client, path) = (operator()?, format!("/api/swarms/{swarm}/{verb}"));
    let what = format!("swarm {swarm} to {verb}");
    let answer = done(while_waiting(&what, || client.post(&path, &json!({}))))?;
    let agents = answer.get(count).and_then(Value::as_u64).unwrap_or(0);
    let line = format!("{} {swarm}: {}", shown(answer.get("status")), number(agents, "agent"));
    told(arguments, output, &answer, &line)
}

/// Prints an answer as JSON, or this line for a person.
pub(super) fn told(
    arguments: &Arguments,
    output: &mut Output,
    answer: &Value,
    line: &str,
) -> Result<ExitCode, Failure> {
    if arguments.has("--json") {
        output.json(answer)?;
    } else {
        output.data(line)?;
    }
    Ok(Exit::Ok.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_a_swarm_by_its_slash_or_dot() {
        for file in ["swarms/x.json", "./x", "x.json", "/x", "-", "..", "x."] {
            assert!(is_file(file), "{file}");
        }
        for swarm in ["x", "x-1", "x_json"] {
            assert!(!is_file(swarm), "{swarm}");
        }
    }
}
