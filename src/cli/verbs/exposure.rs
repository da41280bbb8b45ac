//! `exposure`: what the instance has open.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{agents::table, expect_success, owner};
use crate::{
    api::table::{Route, routes},
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
    },
    exposure::{self, Report},
    limits,
};

/// `loopgate exposure`.
pub fn exposure(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if arguments.has("--routes") && arguments.has("--limits") {
        return Err(usage("exposure: --routes and --limits are asked for one at a time".to_owned()));
    }
    if arguments.has("--routes") {
        return show_routes(arguments.has("--json"), output);
    }
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

/// The report as a table, each line filtered; a report that cannot be read is shown as it came.
pub fn lines(report: &Value) -> Vec<String> {
    match Report::from_json(report) {
        Some(report) => exposure::table(&report).lines().map(display::line).collect(),
        None => display::json(report).lines().map(str::to_owned).collect(),
    }
}

fn show_routes(as_json: bool, output: &mut Output) -> Result<ExitCode, Failure> {
    let scopes = |route: &Route| route.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>();
    if as_json {
        let rows: Vec<Value> = routes()
            .map(|route| {
                json!({ "method": route.method.as_str(), "path": route.path, "alias": route.alias,
                        "body_limit": route.body_limit, "callers": scopes(route), "doc": route.doc })
            })
            .collect();
        output.json(&json!({ "routes": rows }))?;
        return Ok(Exit::Ok.into());
    }
    let mut rows = vec![["METHOD", "PATH", "BODY", "CALLERS", "WHAT IT DOES"].map(str::to_owned).to_vec()];
    for route in routes() {
        let row = |path: &str, doc: String| {
            vec![
                route.method.as_str().to_owned(),
                path.to_owned(),
                route.body_limit.to_string(),
                scopes(route).join(", "),
                doc,
            ]
        };
        rows.push(row(route.path, route.doc.to_owned()));
        rows.extend(route.alias.map(|alias| row(alias, format!("the same as {}", route.path))));
    }
    for line in table(&rows) {
        output.data(&line)?;
    }
    Ok(Exit::Ok.into())
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
