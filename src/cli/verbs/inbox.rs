//! `inbox` and `ack`.
//!
//! The owner looks and changes nothing; an agent reads its own mail, which comes again until it is
//! acknowledged. With `--follow` one request after the other waits for more.

use std::{process::ExitCode, time::Duration};

use serde_json::{Value, json};

use super::{
    Side, expect_success,
    mail::{list, page, say_if_more, show},
    own::shown,
    segment, side,
};
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
    },
    client::Client,
};

/// How long one request of `--follow` waits for a message.
const WAIT: Duration = Duration::from_secs(20);

/// `loopgate inbox`.
pub fn inbox(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let query = page(arguments)?;
    let name = arguments.operand(0)?;
    let (client, path) = match (side()?, name) {
        (Side::Owner(client), Some(name)) => (client, format!("/api/v1/agents/{}/inbox", segment(name))),
        (Side::Owner(_), None) => return Err(usage("inbox: AGENT is missing".to_owned())),
        (Side::Agent(client), None) => (client, "/api/v1/self/inbox".to_owned()),
        (Side::Agent(_), Some(_)) => {
            return Err(usage("inbox: an agent reads its own messages only, without a name".to_owned()));
        }
    };
    if arguments.has("--follow") {
        return follow(&client, &path, arguments, output);
    }
    let answer = expect_success(client.get(&format!("{path}?{query}")))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let messages = list(&answer, "messages");
    if messages.is_empty() {
        output.say("no message waits");
    }
    for message in messages {
        show(message, output)?;
    }
    say_if_more(&answer, output);
    Ok(Exit::Ok.into())
}

/// Ends only with an error: the instance's end, or that of whoever reads our output.
fn follow(
    client: &Client,
    path: &str,
    arguments: &Arguments,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let limit = arguments.number("--limit", 1..=1_000)?.unwrap_or(100);
    let mut after = arguments.number("--after", 0..=i64::MAX)?.and_then(|after| u64::try_from(after).ok());
    loop {
        let behind = after.map_or_else(String::new, |after| format!("&after={after}"));
        let query = format!("{path}?limit={limit}&wait={}{behind}", WAIT.as_millis());
        let answer = expect_success(client.get_waiting(&query, WAIT))?.json();
        let messages = list(&answer, "messages");
        for message in messages {
            if arguments.has("--json") {
                output.data(&display::json_line(message))?;
            } else {
                show(message, output)?;
            }
        }
        let next = answer.get("next").or_else(|| answer.get("cursor")).and_then(Value::as_u64);
        if !messages.is_empty() && next.is_none_or(|next| after.is_some_and(|after| next <= after)) {
            // it would be shown again and again
            return Err(Failure::new(Exit::Bug, "the instance does not say how to go on behind these"));
        }
        after = next.max(after);
    }
}

/// `loopgate ack`.
pub fn ack(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let ids = arguments.operands()?;
    let through = arguments.number("--through", 1..=i64::MAX)?;
    let body = match (through, ids.as_slice()) {
        (Some(through), []) => json!({ "through": through }),
        (None, [_, ..]) => json!({ "ids": ids }),
        (Some(_), _) | (None, []) => {
            return Err(usage("ack: give --through N or the messages' ids, one of the two".to_owned()));
        }
    };
    let Side::Agent(client) = side()? else {
        return Err(Failure::new(Exit::NotPermitted, "only an agent acknowledges its messages"));
    };
    let answer = expect_success(client.post("/api/v1/self/ack", &body))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
    } else {
        output.data(&format!("acknowledged {}", shown(answer.get("acked"))))?;
    }
    Ok(Exit::Ok.into())
}
