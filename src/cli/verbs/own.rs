//! `whoami`, `status`, `version`, `help`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Side, expect_success, owner, side};
use crate::cli::{
    display, help,
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, unknown},
    table::{self, Audience},
};

/// `loopgate whoami`.
pub fn whoami(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let found = match side()? {
        Side::Agent(client) => expect_success(client.get("/api/v1/self/whoami"))?.json(),
        Side::Owner(client) => {
            let status = expect_success(client.get("/api/v1/status"))?.json();
            json!({
                "owner": true,
                "instance": status.get("instance"),
                "url": format!("http://{}", client.address()),
            })
        }
    };
    if arguments.has("--json") {
        output.json(&found)?;
    } else {
        let who = match found.get("agent").and_then(Value::as_str) {
            Some(agent) => format!("agent {}", display::line(agent)),
            None => "owner".to_owned(),
        };
        let address = found.get("address").filter(|address| !address.is_null());
        let address = address.map_or_else(String::new, |_| format!(", to others {}", shown(address)));
        output.data(&format!("{who} of instance {}{address}", shown(found.get("instance"))))?;
    }
    Ok(Exit::Ok.into())
}

/// `loopgate status`.
pub fn status(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let status = expect_success(owner()?.get("/api/v1/status"))?.json();
    if arguments.has("--json") {
        output.json(&status)?;
        return Ok(Exit::Ok.into());
    }
    for line in rows("", &status) {
        output.data(&line)?;
    }
    Ok(Exit::Ok.into())
}

/// One line for each value, nested names joined by a dot.
fn rows(above: &str, value: &Value) -> Vec<String> {
    let Value::Object(fields) = value else {
        return vec![format!("{:<28}{}", display::line(above), shown(Some(value)))];
    };
    fields
        .iter()
        .flat_map(|(name, value)| {
            let name = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            rows(&name, value)
        })
        .collect()
}

/// `loopgate version`.
pub fn version(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if arguments.has("--json") {
        output.json(&json!({ "version": version }))?;
    } else {
        output.data(&format!("loopgate {version}"))?;
    }
    Ok(Exit::Ok.into())
}

/// `loopgate help`.
pub fn help(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let text = match arguments.operand(0)? {
        None => help::overview(),
        Some(name) => match table::find(name).filter(|command| command.audience != Audience::Internal) {
            Some(command) => help::about(command),
            None => return Err(unknown(name)),
        },
    };
    output.data(text.trim_end())?;
    Ok(Exit::Ok.into())
}

/// A JSON value on one line, for a person.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => display::line(text),
        Some(other) => display::line(&other.to_string()),
    }
}
