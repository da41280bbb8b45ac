//! `task` and `msg`: words to an agent of a swarm, from the operator or along an edge.

use std::process::ExitCode;

use serde_json::json;

use super::{done, life::told, name, operator};
use crate::cli::{outcome::Failure, output::Output, parse::Arguments, verbs::long_text_or_stdin};

/// `loopgate task`.
pub fn task(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let (swarm, agent) = (name(arguments.required(0)?)?, name(arguments.required(1)?)?);
    let client = operator()?;
    let text = long_text_or_stdin(arguments.operand(2)?)?;
    let answer =
        done(client.post(&format!("/api/swarms/{swarm}/agents/{agent}/task"), &json!({ "task": text })))?;
    told(arguments, output, &answer, &format!("sent to {swarm}/{agent}"))
}

/// `loopgate msg`.
pub fn msg(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let (from, to) = (name(arguments.required(1)?)?, name(arguments.required(2)?)?);
    let client = operator()?;
    let text = long_text_or_stdin(arguments.operand(3)?)?;
    let body = json!({ "from": from, "to": to, "content": text });
    let answer = done(client.post(&format!("/api/swarms/{swarm}/message"), &body))?;
    told(arguments, output, &answer, &format!("routed from {from} to {to} in {swarm}"))
}
