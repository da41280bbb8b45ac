//! `rotate-key`: a new owner key and a new peer key, of which none is ever printed.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{expect_success, own::shown, owner};
use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::Arguments,
};

/// `loopgate rotate-key`.
pub fn rotate(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let body = json!({ "keep_connections": arguments.has("--keep-connections") });
    let answer = expect_success(owner()?.post("/api/v1/rotate-key", &body))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
    } else {
        for line in lines(&answer) {
            output.data(&line)?;
        }
    }
    if answer["registry"] == "pending" {
        output.say("the registry's files follow later: until then other instances do not reach agents here");
    }
    if answer["from_host"] == true {
        output.say(
            "the host that started the instance still has the old key, and is let in with it no more: \
             start the instance anew from there, or let the host read the key file",
        );
    }
    Ok(Exit::Ok.into())
}

fn lines(answer: &Value) -> Vec<String> {
    let generation = shown(answer.get("generation"));
    let connections = match (answer["connections"].as_str(), answer["closing"].as_u64()) {
        (Some("kept"), _) => "WebSockets of older keys stay".to_owned(),
        (_, Some(0)) => "no WebSocket of an older key is open".to_owned(),
        (_, Some(1)) => "1 WebSocket of an older key closes in 10 s".to_owned(),
        (_, _) => format!("{} WebSockets of older keys close in 10 s", shown(answer.get("closing"))),
    };
    vec![
        format!(
            "rotated: the old owner key and the old peer key open nothing any more (generation {generation})"
        ),
        connections,
        "agents' tokens and the API token are as they were".to_owned(),
    ]
}
