//! `run`: start an agent.

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Map, Value, json};

use super::{expect_success, own::shown, owner};
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
        progress::while_waiting,
    },
    limits,
};

/// `loopgate run`.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let request = request(arguments, |name| std::env::var_os(name))?;
    let client = owner()?;
    let answer = while_waiting("the agent to start", || client.post("/api/v1/agents", &request));
    let record = expect_success(answer)?.json();
    if arguments.has("--json") {
        output.json(&record)?;
        return Ok(Exit::Ok.into());
    }
    let name = shown(record.get("name"));
    output.data(&format!("started {name}, pid {}{}", shown(record.get("pid")), confined(&record)))?;
    output.say(&format!(
        "  join its terminal:  loopgate attach {name}\n  type to it:         loopgate inject {name} \"text\"\n  end it:             loopgate stop-agent {name}"
    ));
    if let Some(note) = unfound(&record) {
        output.say(&note);
    }
    Ok(Exit::Ok.into())
}

/// What keeps it from the machine, where something does.
fn confined(record: &Value) -> String {
    match record.get("backend").and_then(Value::as_str) {
        None | Some("local") => String::new(),
        Some(_) => format!(", in a sandbox, network {}", shown(record.get("network"))),
    }
}

/// What to say where other instances cannot find the agent by its name.
fn unfound(record: &Value) -> Option<String> {
    match record.get("registry").and_then(Value::as_str)? {
        "taken" => Some(
            "another instance has an agent of this name: other instances reach that one (see `loopgate peers`)"
                .to_owned(),
        ),
        "pending" => Some("other instances cannot find it yet".to_owned()),
        _ => Some(format!(
            "other instances cannot find it: its file could not be written [{}]; see `loopgate peers`",
            shown(record.get("registry_code"))
        )),
    }
}

/// The body of the start request.
fn request(
    arguments: &Arguments,
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<Value, Failure> {
    let name = arguments.text("--name")?.ok_or_else(|| usage("run: --name NAME is missing".to_owned()))?;
    let mut env = Map::new();
    for name in arguments.texts("--env")? {
        env.insert(name.to_owned(), passed(name, variable(name))?.into());
    }
    let mut request = json!({
        "name": name,
        "command": arguments.operands()?,
        "cwd": working_directory(arguments)?,
        "env": env,
        "accept_typed_from": arguments.texts("--accept-typed-from")?,
    });
    let rows = i64::from(limits::ROWS_MIN)..=i64::from(limits::ROWS_MAX);
    let cols = i64::from(limits::COLS_MIN)..=i64::from(limits::COLS_MAX);
    let optional = [
        ("rows", arguments.number("--rows", rows)?.map(Value::from)),
        ("cols", arguments.number("--cols", cols)?.map(Value::from)),
        ("submit", arguments.text("--submit")?.map(Value::from)),
        (
            "may_type_into",
            Some(arguments.texts("--may-type-into")?).filter(|names| !names.is_empty()).map(Value::from),
        ),
    ];
    for (field, value) in optional {
        if let (Some(fields), Some(value)) = (request.as_object_mut(), value) {
            fields.insert(field.to_owned(), value);
        }
    }
    if let (Some(fields), Some(config)) = (request.as_object_mut(), sandbox(arguments)?) {
        fields.extend([("backend".to_owned(), json!("bwrap")), ("config".to_owned(), config)]);
    }
    Ok(request)
}

/// The sandbox that is asked for, if one is.
fn sandbox(arguments: &Arguments) -> Result<Option<Value>, Failure> {
    let endpoint = arguments.text("--endpoint")?;
    match (arguments.has("--isolated"), arguments.has("--sandbox")) {
        (true, true) => {
            Err(usage("run: --isolated and --sandbox are two kinds of sandbox: give one".to_owned()))
        }
        (false, _) if endpoint.is_some() => {
            Err(usage("run: --endpoint is where the way out of an --isolated agent leads".to_owned()))
        }
        (false, false) => Ok(None),
        (false, true) => Ok(Some(json!({"network": "open"}))),
        (true, false) => Ok(Some(match endpoint {
            Some(endpoint) => json!({"network": "isolated", "endpoint": endpoint}),
            None => json!({"network": "isolated"}),
        })),
    }
}

/// The value that a variable has in this shell; it is named on the command line and never spelled
/// out there, because every user of the machine can read command lines.
fn passed(name: &str, value: Option<std::ffi::OsString>) -> Result<String, Failure> {
    if name.is_empty() || name.contains('=') {
        let shown = display::line(name.split('=').next().unwrap_or_default());
        return Err(usage(format!("--env takes the name of a variable and not a value (`{shown}=...`)"))
            .next(format!("set it first (`export {shown}`), then pass `--env {shown}`")));
    }
    let shown = display::line(name);
    let value = value.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("--env {shown}: the variable is not set in this shell"))
            .next(format!("`export {shown}` first, or leave the flag out"))
    })?;
    value
        .into_string()
        .map_err(|_| Failure::new(Exit::BadData, format!("--env {shown}: the variable's value is not UTF-8")))
}

fn working_directory(arguments: &Arguments) -> Result<String, Failure> {
    let given = arguments.path("--cwd").unwrap_or_else(|| PathBuf::from("."));
    let absolute = std::fs::canonicalize(&given).map_err(|error| {
        let shown = display::line(&given.to_string_lossy());
        Failure::new(Exit::BadData, format!("the directory {shown} cannot be used: {error}"))
            .next("give an existing directory with --cwd")
    })?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|_| Failure::new(Exit::BadData, "the working directory's name is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse::parse;

    fn body(words: &[&str], variables: &[(&str, &str)]) -> Result<Value, Failure> {
        let words = std::iter::once(&"run").chain(words).map(Into::into).collect();
        let (_, arguments) = parse(words)?;
        request(&arguments, |name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn run_says_what_was_asked_and_leaves_the_rest_to_the_instance() {
        let words = [
            "--name",
            "a",
            "--cwd",
            "/",
            "--env",
            "X",
            "--submit=once",
            "--rows",
            "30",
            "--may-type-into",
            "b",
            "--may-type-into",
            "c@0123456789ab",
            "--",
            "sh",
            "--cwd",
        ];
        let body = body(&words, &[("X", "value")]).expect("a request");
        assert_eq!(
            body,
            json!({"name": "a", "command": ["sh", "--cwd"], "cwd": "/", "env": {"X": "value"},
                   "accept_typed_from": [], "may_type_into": ["b", "c@0123456789ab"], "rows": 30, "submit": "once"})
        );
    }

    #[test]
    fn env_takes_a_name_and_never_shows_a_value() {
        for (words, exit) in [
            (["--name", "a", "--env", "X=hush", "sh"], Exit::Usage),
            (["--name", "a", "--env", "UNSET", "sh"], Exit::Usage),
            (["--name", "a", "--rows", "1", "sh"], Exit::Usage),
            (["--name", "a", "--submit", "never", "sh"], Exit::Usage),
            (["--name", "a", "--cwd", "/no/such/directory", "sh"], Exit::BadData),
        ] {
            let failure = body(&words, &[]).expect_err("refused");
            assert_eq!(failure.exit(), exit, "{words:?}");
            assert!(!format!("{failure:?}").contains("hush"));
        }
        assert!(body(&["sh"], &[]).is_err());
    }

    #[test]
    fn a_sandbox_is_asked_for_by_its_kind_and_an_endpoint_for_an_isolated_one_alone() {
        let sandbox = |words: &[&str]| {
            let words = [&["--name", "a", "--cwd", "/"], words, &["--", "sh"]].concat();
            body(&words, &[]).map(|body| (body["backend"].clone(), body["config"].clone()))
        };
        assert_eq!(sandbox(&[]).unwrap(), (json!(null), json!(null)));
        assert_eq!(sandbox(&["--sandbox"]).unwrap(), (json!("bwrap"), json!({"network": "open"})));
        assert_eq!(sandbox(&["--isolated"]).unwrap(), (json!("bwrap"), json!({"network": "isolated"})));
        assert_eq!(
            sandbox(&["--isolated", "--endpoint", "https://h/v1"]).unwrap().1,
            json!({"network": "isolated", "endpoint": "https://h/v1"})
        );
        for wrong in [&["--isolated", "--sandbox"][..], &["--endpoint", "x"], &["--sandbox", "--endpoint=x"]]
        {
            assert_eq!(sandbox(wrong).unwrap_err().exit(), Exit::Usage, "{wrong:?}");
        }
    }
}
