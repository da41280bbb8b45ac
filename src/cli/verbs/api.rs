//! `api`: one request, as it is.

use std::{process::ExitCode, time::Duration};

use serde_json::Value;

use super::{client_failure, long_text_or_stdin, owner, refusal, swarm};
use crate::{
    admit::Surface,
    cli::{
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
    },
    limits,
};

/// Every method of the table of routes.
pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// `loopgate api`.
pub fn api(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let method = arguments.required(0)?;
    let path = arguments.required(1)?;
    if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(usage("api: PATH begins with a slash and holds visible ASCII only".to_owned()));
    }
    // The owner key does not go to the swarms' surface; the API token of this shell does.
    let on_swarms = Surface::of(path) == Surface::Swarm;
    let client = if on_swarms { swarm::operator()? } else { owner()? };
    let body = match arguments.operand(2)? {
        None => None,
        Some(operand) => Some(long_text_or_stdin(Some(operand))?),
    };
    if let Some(text) = &body
        && let Err(error) = serde_json::from_str::<Value>(text)
    {
        // the parser's message names line and column and quotes nothing
        return Err(Failure::new(Exit::BadData, format!("the body is not JSON: {error}")));
    }
    let body = match (body, method) {
        (None, "POST" | "PUT" | "PATCH") => Some(Vec::new()),
        (body, _) => body.map(String::into_bytes),
    };
    let wait = Duration::from_millis(limits::OUTPUT_WAIT_MS);
    let answer = client.call(method, path, body, wait).map_err(|error| client_failure(&error))?;
    let is_json = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) if is_json => output.json(&value)?,
        _ => output.foreign(&answer.body)?,
    }
    match answer.status {
        ..400 => Ok(Exit::Ok.into()),
        _ if on_swarms => Err(swarm::refused(&answer)),
        _ => Err(refusal(&answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::table::routes;

    #[test]
    fn a_single_request_may_have_every_method_of_the_routes() {
        for route in routes() {
            assert!(METHODS.contains(&route.method.as_str()), "{} {}", route.method.as_str(), route.path);
        }
    }
}
