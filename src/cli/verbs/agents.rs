//! `agents` and `stop-agent`.

use std::process::ExitCode;

use serde_json::Value;

use super::{Side, expect_success, own::shown, owner, segment, side};
use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::Arguments,
    progress::while_waiting,
};

/// Most characters of a command that the list shows.
const COMMAND_SHOWN: usize = 60;

/// `loopgate agents`.
pub fn agents(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let (answer, full) = match side()? {
        Side::Owner(client) => (client.get("/api/v1/agents"), true),
        Side::Agent(client) => (client.get("/api/v1/self/agents"), false),
    };
    let answer = expect_success(answer)?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let none = Vec::new();
    let records = answer.get("agents").and_then(Value::as_array).unwrap_or(&none);
    if records.is_empty() {
        output.say("no agents; start one with `loopgate run --name NAME -- COMMAND`");
        return Ok(Exit::Ok.into());
    }
    let mut rows = vec![if full { heading(&FULL) } else { heading(&SHORT) }];
    rows.extend(records.iter().map(|record| if full { full_row(record) } else { short_row(record) }));
    let paint = output.paint();
    for line in painted(&rows, |at, cell| if at == STATE { paint.state(cell) } else { cell.to_owned() }) {
        output.data(&line)?;
    }
    Ok(Exit::Ok.into())
}

/// The column of both that holds the state.
const STATE: usize = 1;
const FULL: [&str; 6] = ["NAME", "STATE", "PID", "SCREEN", "WAITING", "COMMAND"];
const SHORT: [&str; 2] = ["NAME", "STATE"];

fn heading(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn short_row(record: &Value) -> Vec<String> {
    // one of another instance is reached by its address
    vec![shown(record.get("address").or_else(|| record.get("name"))), shown(record.get("state"))]
}

fn full_row(record: &Value) -> Vec<String> {
    let words = record.get("command").and_then(Value::as_array).into_iter().flatten();
    let command: Vec<String> = words.map(|word| shown(Some(word))).collect();
    let command: String = command.join(" ").chars().take(COMMAND_SHOWN).collect();
    vec![
        shown(record.get("name")),
        state(record),
        shown(record.get("pid")),
        format!("{}x{}", shown(record.get("cols")), shown(record.get("rows"))),
        shown(record.get("waiting")),
        command,
    ]
}

/// The state, and for an agent that is done how it ended.
pub fn state(record: &Value) -> String {
    let exit = record.get("exit");
    let how = |name: &str| exit.and_then(|exit| exit.get(name)).filter(|value| !value.is_null());
    let state = shown(record.get("state"));
    match (how("code"), how("signal")) {
        (Some(code), _) => format!("{state} (exit {})", shown(Some(code))),
        (None, Some(signal)) => format!("{state} (signal {})", shown(Some(signal))),
        (None, None) => state,
    }
}

/// Columns as wide as their widest cell.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    painted(rows, |_, cell| cell.to_owned())
}

/// The same with colours: `paint` is given the number of the column and the cell. The heading has none.
pub fn painted(rows: &[Vec<String>], paint: impl Fn(usize, &str) -> String) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |(row, cells): (usize, &Vec<String>)| {
        let mut line = String::new();
        for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let room = width.saturating_sub(cell.chars().count()).saturating_add(2);
            line.push_str(&if row == 0 { cell.clone() } else { paint(at, cell) });
            line.push_str(&" ".repeat(room));
        }
        line.trim_end().to_owned()
    };
    rows.iter().enumerate().map(line).collect()
}

/// `loopgate stop-agent`.
pub fn stop(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let name = arguments.required(0)?;
    let (client, path) = (owner()?, format!("/api/v1/agents/{}", segment(name)));
    let answer = while_waiting(&format!("agent {name} to end"), || client.delete(&path));
    let answer = expect_success(answer)?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
    } else {
        output.data(&format!("stopped {}", shown(answer.pointer("/agent/name"))))?;
    }
    Ok(Exit::Ok.into())
}
