//! `scale`, `overlay`, `snapshot`: what was changed in a swarm since its configuration, and what it is now.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, process::ExitCode};

use serde_json::{Value, json};

use super::{done, life::told, list, name, operator, while_starting};
use crate::cli::{
    display,
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, usage},
    verbs::own::shown,
};

/// `loopgate scale`.
pub fn scale(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let (swarm, base) = (name(arguments.required(0)?)?, name(arguments.required(1)?)?);
    let count = arguments.required(2)?;
    let count: u32 = count
        .parse()
        .ok()
        .filter(|_| count.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| usage(format!("COUNT is a whole number and not `{}`", display::line(count))))?;
    let path = format!("/api/swarms/{swarm}/agents/{base}/scale");
    let client = operator()?;
    let what = format!("{count} of {base} in swarm {swarm}");
    let answer = done(while_starting(&what, Some(swarm), || client.post(&path, &json!({ "count": count }))))?;
    let result = answer.get("result").cloned().unwrap_or(Value::Null);
    let names =
        |field: &str| list(&result, field).iter().map(|name| shown(Some(name))).collect::<Vec<_>>().join(" ");
    let failed = list(&result, "failed");
    if arguments.has("--json") {
        output.json(&answer)?;
    } else {
        for (word, field) in [("added", "added"), ("removed", "removed")] {
            let names = names(field);
            if !names.is_empty() {
                output.data(&format!("{word} {names}"))?;
            }
        }
        if list(&result, "added").is_empty() && list(&result, "removed").is_empty() && failed.is_empty() {
            output.data(&format!("{swarm} has {count} of {base} already"))?;
        }
    }
    for failure in failed {
        output.say(&format!("{}: {}", shown(failure.get("name")), shown(failure.get("reason"))));
    }
    if failed.is_empty() {
        Ok(Exit::Ok.into())
    } else {
        Err(Failure::new(Exit::Negative, format!("{} of them did not start", failed.len())))
    }
}

/// `loopgate overlay`.
pub fn overlay(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let path = format!("/api/swarms/{swarm}/overlay");
    if arguments.has("--clear") {
        let answer = done(operator()?.delete(&path))?;
        return told(
            arguments,
            output,
            &answer,
            &format!("cleared the changes of {swarm}; it runs on as it is"),
        );
    }
    let client = operator()?;
    let answer = done(client.get(&path))?;
    if list(&answer, "events").is_empty() {
        // Of a swarm that is not there nothing was changed either.
        done(client.get(&format!("/api/swarms/{swarm}")))?;
    }
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let events = list(&answer, "events");
    if events.is_empty() {
        output.say(&format!("nothing was changed in {swarm} since its configuration"));
    }
    for event in events {
        output.data(&format!("{}  {}", shown(event.get("op")), shown(event.get("payload"))))?;
    }
    Ok(Exit::Ok.into())
}

/// `loopgate snapshot`.
pub fn snapshot(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let document = done(operator()?.post(&format!("/api/swarms/{swarm}/snapshot"), &json!({})))?;
    let Some(path) = arguments.path("--output") else {
        output.json(&document)?;
        return Ok(Exit::Ok.into());
    };
    let text = format!("{}\n", display::json(&document));
    // Never over another file, and for nobody else: what a command line of an agent is may be private.
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Failure::new(
            Exit::CannotCreate,
            format!("{} cannot be written: {error}", display::line(&path.to_string_lossy())),
        )
        .next("name a file that does not exist yet, in a directory of yours")
    })?;
    output.say(&format!("wrote {}; secrets in it are [REDACTED]", display::line(&path.to_string_lossy())));
    Ok(Exit::Ok.into())
}
