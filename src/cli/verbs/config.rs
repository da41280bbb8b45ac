//! `config validate`: whether files are configs of swarms, without an instance, and what is wrong in them: the
//! file, the line and the column, what, why, and what to do.
//!
//! A file is read with the rights of whoever asks, and nothing of it is evaluated, looked up or started.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
    },
    limits,
    swarm::config::{self, Config, ConfigError},
    wire::document::Wrong,
};

/// `loopgate config`.
pub fn config(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let words = arguments.operands()?;
    let files = match words.split_first() {
        Some((&"validate", files)) if !files.is_empty() => files,
        Some((&"validate", _)) => return Err(usage("config validate: no file was given".to_owned())),
        Some(_) | None => return Err(usage("config: the one thing to do is `validate`".to_owned())),
    };
    check_all(files, arguments, output)
}

/// `loopgate check`: the same, in one word.
pub fn check_files(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let files = arguments.operands()?;
    if files.is_empty() {
        return Err(usage("check: no file was given".to_owned()));
    }
    check_all(&files, arguments, output)
}

fn check_all(files: &[&str], arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if files.iter().filter(|file| **file == "-").count() > 1 {
        return Err(usage("stdin can be read once".to_owned()));
    }
    let (as_json, quiet) = (arguments.has("--json"), arguments.has("--quiet"));
    let (mut told, mut exit) = (Vec::new(), Exit::Ok);
    for path in files {
        let checked = check(path);
        if as_json {
            told.push(as_value(path, &checked));
        }
        match checked {
            Ok(checked) if !as_json && !quiet => output.data(&line(path, &checked.config))?,
            Ok(_) => {}
            Err(Bad { failure, .. }) => {
                // a wrong file says more than one that cannot be read
                exit = if exit == Exit::BadData { exit } else { failure.exit() };
                if !as_json {
                    failure.tell(output);
                }
            }
        }
    }
    if as_json {
        output.json(&Value::Array(told))?;
    }
    Ok(exit.into())
}

/// The body of the request that starts the config in a file (`-` is stdin), with the programs beside the file
/// found from there.
pub fn read(path: &str) -> Result<Value, Failure> {
    check(path).map(|checked| checked.body).map_err(|bad| bad.failure)
}

/// The config in a file (`-` is stdin), with the programs beside the file found from there.
pub fn parsed(path: &str) -> Result<Config, Failure> {
    check(path).map(|checked| checked.config).map_err(|bad| bad.failure)
}

/// Where the programs of a file are looked for.
fn directory(path: &str) -> io::Result<PathBuf> {
    match path {
        "-" => std::env::current_dir(),
        path => std::path::absolute(path).map(|path| path.parent().map_or_else(PathBuf::new, Path::to_owned)),
    }
}

/// The body of the request that starts a config. What is sent is not the text that was read, and may be larger: a
/// config is only said to be valid where it also arrives.
fn body(config: &Config) -> Result<Value, ConfigError> {
    let body = json!({ "config": config.to_value() });
    let bytes = body.to_string().len();
    if bytes > limits::BODY_LARGEST {
        let most = limits::BODY_LARGEST;
        let why =
            format!("the config has {bytes} bytes as it is sent to the instance, which takes {most} at most");
        return Err(Wrong::new("config_too_large", why).into());
    }
    Ok(body)
}

/// What is said of a config that was refused, with its place and the line in question.
pub fn failure(path: &str, bytes: &[u8], error: &ConfigError) -> Failure {
    let at = error.position().map_or_else(String::new, |at| format!(":{at}"));
    let field = error.field();
    let field = if field.is_empty() { field } else { format!("{field}: ") };
    let what = format!("{}{at}: {field}{} [{}]", name(path), error.why(), error.code());
    let failure = Failure::new(Exit::BadData, what);
    let failure = failure.lines(error.excerpt(bytes).iter().flat_map(|text| text.lines()));
    failure.next(
        error
            .suggestion()
            .unwrap_or("correct it; `loopgate help config` says where the fields are described"),
    )
}

/// Why a file is no config.
struct Bad {
    failure: Failure,
    error: Option<Box<ConfigError>>,
}

/// A config that is valid, and that the instance would take.
struct Checked {
    config: Config,
    body: Value,
}

fn check(path: &str) -> Result<Checked, Bad> {
    let refused = |bytes: &[u8], error: ConfigError| Bad {
        failure: failure(path, bytes, &error),
        error: Some(Box::new(error)),
    };
    // a name without an extension says nothing: it may be a pipe of the shell
    if Path::new(path).extension().is_some() {
        config::format_of(path).map_err(|error| refused(&[], error))?;
    }
    let unread = |error: io::Error| Bad {
        failure: Failure::new(Exit::Negative, format!("{} cannot be read: {error}", name(path)))
            .next("give the path of a file that you may read"),
        error: None,
    };
    let bytes = bytes(path).map_err(unread)?;
    let config = Config::parse(&bytes).map_err(|error| refused(&bytes, error))?;
    let config = config.beside(&directory(path).map_err(unread)?);
    match body(&config) {
        Ok(body) => Ok(Checked { config, body }),
        Err(error) => Err(refused(&bytes, error)),
    }
}

/// As much as tells whether it is too large.
fn bytes(path: &str) -> io::Result<Vec<u8>> {
    let most = (limits::CONFIG_BYTES as u64).saturating_add(1);
    let mut bytes = Vec::new();
    match path {
        "-" => io::stdin().lock().take(most).read_to_end(&mut bytes)?,
        path => File::open(path)?.take(most).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn name(path: &str) -> &str {
    if path == "-" { "stdin" } else { path }
}

fn line(path: &str, config: &Config) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    display::line(&format!(
        "{}: valid: swarm {}, {}, {}, {}",
        name(path),
        config.name,
        count(config.agents.len(), "agent"),
        count(config.objects.len(), "object"),
        count(config.topology.len(), "edge"),
    ))
}

fn as_value(path: &str, checked: &Result<Checked, Bad>) -> Value {
    match checked {
        Ok(checked) => json!({"file": path, "valid": true, "config": config::summary(&checked.config)}),
        Err(Bad { error: Some(error), .. }) => json!({
            "file": path,
            "valid": false,
            "code": error.code(),
            "field": error.field(),
            "error": error.why(),
            "next": error.suggestion(),
            "line": error.position().map(|at| at.line),
            "column": error.position().map(|at| at.column),
        }),
        Err(Bad { error: None, .. }) => {
            json!({"file": path, "valid": false, "code": "unreadable", "error": "the file cannot be read"})
        }
    }
}
