//! `exposure`: what the instance has open.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{agents::table, expect_success, own::shown, owner};
use crate::{
    cli::{
        outcome::{Exit, Failure},
        output::Output,
        parse::Arguments,
    },
    limits,
};

/// `loopgate exposure`.
pub fn exposure(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if arguments.has("--limits") {
        return show_limits(arguments.has("--json"), output);
    }
    let report = expect_success(owner()?.get("/api/v1/exposure"))?.json();
    if arguments.has("--json") {
        output.json(&report)?;
    } else {
        for line in lines(&report) {
            output.data(&line)?;
        }
    }
    let differences = differences(&report);
    if differences == 0 {
        return Ok(Exit::Ok.into());
    }
    Err(Failure::new(Exit::Negative, format!("{differences} of these differ from what is declared"))
        .next("each marked line says how; an instance opens nothing that is not declared"))
}

/// How many rows differ; a report that does not say so is one difference.
pub fn differences(report: &Value) -> u64 {
    report.get("differences").and_then(Value::as_u64).unwrap_or(1)
}

/// The report as a table, lines that differ marked with `!`.
pub fn lines(report: &Value) -> Vec<String> {
    let names = ["", "KIND", "PROCESS", "ADDRESS", "PURPOSE", "AUTH", "DEFAULT"];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    for row in report.get("rows").and_then(Value::as_array).into_iter().flatten() {
        let difference = row.get("difference").filter(|value| !value.is_null());
        let mut cells = vec![if difference.is_some() { "!" } else { "" }.to_owned()];
        cells.extend(
            ["kind", "process", "address", "purpose", "auth", "default"].map(|name| shown(row.get(name))),
        );
        if difference.is_some() {
            cells.push(shown(difference));
        }
        rows.push(cells);
    }
    table(&rows)
}

fn show_limits(as_json: bool, output: &mut Output) -> Result<ExitCode, Failure> {
    if as_json {
        let rows: Vec<Value> = limits::TABLE
            .iter()
            .map(|limit| {
                json!({ "name": limit.name, "value": limit.value, "unit": limit.unit,
                        "meaning": limit.meaning, "test": limit.test })
            })
            .collect();
        output.json(&json!({ "limits": rows }))?;
        return Ok(Exit::Ok.into());
    }
    let mut rows = vec![["NAME", "VALUE", "UNIT", "WHAT IT BOUNDS", "TEST"].map(str::to_owned).to_vec()];
    rows.extend(limits::TABLE.iter().map(|limit| {
        vec![
            limit.name.to_owned(),
            limit.value.to_string(),
            limit.unit.to_owned(),
            limit.meaning.to_owned(),
            limit.test.to_owned(),
        ]
    }));
    for line in table(&rows) {
        output.data(&line)?;
    }
    Ok(Exit::Ok.into())
}
