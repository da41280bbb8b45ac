//! `start`, `stop`, `restart`, `pause`, `resume`: the life of a swarm.
//!
//! A configuration is read here, with the operator's own rights and wherever it lies, checked with the place
//! of each error, and sent as it was understood; the instance checks it again and reads no file for it.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{done, name, operator};
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
        verbs::own::shown,
    },
    limits,
    swarm::config::{Config, ConfigError},
};

/// `loopgate start`: a configuration, or a swarm that the instance has kept.
pub fn start(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let what = arguments.required(0)?;
    let (client, answer) = if is_file(what) {
        let config = read(what)?;
        let client = operator()?;
        let answer = client.post("/api/swarms", &json!({ "config": config.to_value() }));
        (client, answer)
    } else {
        let client = operator()?;
        let answer = client.post(&format!("/api/swarms/{}/start", name(what)?), &json!({}));
        (client, answer)
    };
    let started = done(answer)?;
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
    let word = |count: u64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    [
        word(count("agent_count"), "agent"),
        word(count("object_count"), "object"),
        word(count("topology_edges"), "edge"),
    ]
    .join(", ")
}

/// Whether an operand of `start` names a file: a swarm's name has neither slash nor dot.
fn is_file(operand: &str) -> bool {
    operand == "-" || operand.contains(['/', '.'])
}

/// Reads a configuration and says where in it something is wrong. What it runs beside itself is found
/// beside it.
fn read(path: &str) -> Result<Config, Failure> {
    let bytes = bytes_of(path)?;
    let config = Config::parse(&bytes).map_err(|error| wrong(path, &error))?;
    let directory = match path {
        "-" => std::env::current_dir(),
        path => std::path::absolute(path).map(|path| path.parent().map(Path::to_path_buf).unwrap_or(path)),
    };
    let directory = directory
        .map_err(|error| Failure::new(Exit::BadData, format!("the directory cannot be named: {error}")))?;
    Ok(config.beside(&directory))
}

/// Where a configuration is wrong, and why.
fn wrong(path: &str, error: &ConfigError) -> Failure {
    let at = error.position().map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
    let what = format!("{}{at}: {}", display::line(path), error.why());
    Failure::new(Exit::BadData, what).next("`loopgate config validate FILE` shows it in its line")
}

fn bytes_of(path: &str) -> Result<Vec<u8>, Failure> {
    let most = limits::BODY_LARGEST;
    let limit = (most as u64).saturating_add(1);
    let mut bytes = Vec::new();
    let read = |bytes: &mut Vec<u8>| -> io::Result<()> {
        match path {
            "-" => io::stdin().lock().take(limit).read_to_end(bytes)?,
            path => File::open(path)?.take(limit).read_to_end(bytes)?,
        };
        Ok(())
    };
    read(&mut bytes).map_err(|error| {
        Failure::new(Exit::BadData, format!("{} cannot be read: {error}", display::line(path)))
            .next("give the path of a configuration, or the name of a swarm that `loopgate status` lists")
    })?;
    if bytes.len() > most {
        return Err(Failure::new(
            Exit::BadData,
            format!("{} is larger than {most} bytes", display::line(path)),
        ));
    }
    Ok(bytes)
}

/// `loopgate stop`.
pub fn stop(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let query = if arguments.has("--purge") { "?purge=true" } else { "" };
    let answer = done(operator()?.delete(&format!("/api/swarms/{swarm}{query}")))?;
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
    let answer = done(operator()?.post(&path, &json!({})))?;
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
    let answer = done(operator()?.post(&format!("/api/swarms/{swarm}/{verb}"), &json!({})))?;
    let agents = answer.get(count).and_then(Value::as_u64).unwrap_or(0);
    let line = format!("{} {swarm}: {agents} agents", shown(answer.get("status")));
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
