//! `egress`: what went through the one way out of an isolated agent.

use std::process::ExitCode;

use serde_json::Value;

use super::{agents::table, expect_success, own::shown, owner, segment, swarm};
use crate::{
    cli::{
        outcome::{Exit, Failure},
        output::Output,
        parse::Arguments,
    },
    wire::date,
};

/// `loopgate egress`.
pub fn egress(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let name = arguments.required(0)?;
    let answer = if name.contains('/') { of_member(name)? } else { of_loose(name)? };
    if arguments.has("--json") {
        output.json(&answer)?;
    } else {
        for line in lines(&answer) {
            output.data(&line)?;
        }
    }
    Ok(Exit::Ok.into())
}

fn of_loose(name: &str) -> Result<Value, Failure> {
    Ok(expect_success(owner()?.get(&format!("/api/v1/egress/{}", segment(name))))?.json())
}

/// With the API token where this shell has one, else with the owner key.
fn of_member(name: &str) -> Result<Value, Failure> {
    let name = swarm::full_name(name)?;
    let path = format!("/api/v1/egress/{}/{}", name.swarm, name.agent);
    let client = match swarm::with_token()? {
        Some(client) => client,
        None => owner()?,
    };
    let answer = client.get(&path).map_err(|error| super::client_failure(&error))?;
    match answer.status {
        403 => Err(swarm::needs_token()),
        _ if answer.is_success() => Ok(answer.json()),
        _ => Err(swarm::refused(&answer)),
    }
}

fn lines(answer: &Value) -> Vec<String> {
    let field = |name: &str| shown(answer.get(name));
    let when = |value: Option<&Value>| {
        value.and_then(Value::as_u64).map_or_else(|| "-".to_owned(), |ms| date::rfc3339(ms / 1_000))
    };
    let mut lines = vec![
        format!("{}: {}, leads to {}", field("agent"), field("network"), field("endpoint")),
        format!(
            "requests {} ({} on their way), {} bytes sent, {} bytes received",
            field("requests"),
            field("running"),
            field("bytes_up"),
            field("bytes_down")
        ),
        format!("first {}, last {}", when(answer.get("first_ms")), when(answer.get("last_ms"))),
    ];
    let refusals = answer.get("refusals").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if refusals.is_empty() {
        lines.push("nothing was refused".to_owned());
        return lines;
    }
    let mut rows = vec![["REFUSED", "TIMES", "FIRST", "LAST"].map(str::to_owned).to_vec()];
    rows.extend(refusals.iter().map(|one| {
        let (first, last) = (when(one.get("first_ms")), when(one.get("last_ms")));
        vec![shown(one.get("code")), shown(one.get("count")), first, last]
    }));
    lines.extend(table(&rows));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_way_out_is_shown_in_a_few_lines() {
        let answer = json!({
            "agent": "s/a", "network": "isolated", "endpoint": "https://api.example:443", "requests": 2, "running": 1,
            "bytes_up": 10, "bytes_down": 20, "first_ms": 0, "last_ms": null,
            "refusals": [{"code": "path_not_allowed", "count": 3, "first_ms": 0, "last_ms": 1_000}],
        });
        assert_eq!(
            lines(&answer),
            [
                "s/a: isolated, leads to https://api.example:443",
                "requests 2 (1 on their way), 10 bytes sent, 20 bytes received",
                "first 1970-01-01T00:00:00Z, last -",
                "REFUSED           TIMES  FIRST                 LAST",
                "path_not_allowed  3      1970-01-01T00:00:00Z  1970-01-01T00:00:01Z",
            ]
        );
        assert_eq!(lines(&json!({})).last().map(String::as_str), Some("nothing was refused"));
    }
}
