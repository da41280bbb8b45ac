//! Configurations as calls bring them: in the call, as a text, or as the name of a file in the one directory that
//! the operator set aside for them (spec genswarms B.1, H.4).
//!
//! The directory's guard opens the file and answers for where it lies; nothing is looked at before. What is not
//! JSON is refused by its name, and nothing is ever evaluated. An error repeats a path only as the caller gave it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::fields_of;
use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result, ok},
    },
    gate::{Reply, Response},
    limits,
    store::BeneathError,
    swarm::{
        self,
        config::{self, Config, ConfigError},
    },
};

/// Why a file is not a configuration.
pub(super) enum Unread {
    /// it may not be read, or is none
    Guard(&'static str),
    /// there is none of that name, which is as the caller gave it
    Missing(String),
    /// it was read, or its name says what it is
    Config(ConfigError),
    /// one of its agents may not be led where it says
    Led(swarm::Fault),
}

impl Unread {
    /// The answer of a call that wanted to run it.
    pub(super) fn fault(self) -> Fault {
        match self {
            Unread::Guard(code) => Fault::new(400, code, "Invalid config_path"),
            Unread::Missing(path) => Fault::new(400, "file_not_found", format!("File not found: {path}")),
            Unread::Led(fault) => Fault::new(400, fault.code(), fault.to_string()),
            // A field says itself where it stands.
            Unread::Config(error) => match error.position().filter(|_| error.field().is_empty()) {
                Some(at) if error.answer() != error.code() => {
                    let sentence = format!("{}: line {}, column {}", error.answer(), at.line, at.column);
                    Fault::new(400, error.code(), sentence)
                }
                Some(_) | None => config_fault(&error),
            },
        }
    }
}

/// The answer of a call whose configuration is wrong.
pub(super) fn config_fault(error: &ConfigError) -> Fault {
    Fault::new(400, error.code(), error.answer())
}

/// Reads the configuration in the file that `config_path` names, any value that a call may hold there. A
/// program in it that is relative is so to the file.
pub(super) fn read(app: &App, config_path: &Value) -> std::result::Result<Config, Unread> {
    let path = config_path.as_str().ok_or(Unread::Guard("invalid_path"))?;
    let directory = app.config_dir.as_ref().ok_or(Unread::Guard("no_config_directory"))?;
    let inside = directory.relative(path).map_err(|error| unread(&error, path))?;
    let text = directory.read(path, limits::CONFIG_BYTES);
    match &text {
        Err(error @ (BeneathError::Outside | BeneathError::Invalid)) => return Err(unread(error, path)),
        Ok(_) | Err(_) => config::format_of(path).map_err(Unread::Config)?,
    }
    let text = text.map_err(|error| unread(&error, path))?;
    let beside = directory.path().join(Path::new(&inside).parent().unwrap_or(Path::new("")));
    Config::parse(&text).map(|config| config.beside(&beside)).map_err(Unread::Config)
}

fn unread(error: &BeneathError, path: &str) -> Unread {
    match error {
        BeneathError::Missing => Unread::Missing(path.to_owned()),
        BeneathError::Outside => Unread::Guard("outside_allowed_dir"),
        BeneathError::Invalid => Unread::Guard("invalid_path"),
        BeneathError::NotRegular => Unread::Guard("not_a_regular_file"),
        BeneathError::TooLarge => Unread::Guard("file_too_large"),
        BeneathError::Io(_) => Unread::Guard("unreadable"),
    }
}

/// `POST /api/config/validate`: one of `config`, `config_path`, and `content` with its `format`.
pub(in crate::api) fn validate(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = fields_of(request.body)?;
    let there = |name: &str| body.get(name).filter(|value| !value.is_null());
    let mut echo = Map::new();
    if let Some(config) = there("config") {
        return verdict(app, Config::of(config).map_err(Unread::Config), echo);
    }
    // Null too names a path, and none that is one (spec genswarms M.4).
    if let Some(path) = body.get("config_path") {
        if path.as_str().is_some_and(|path| path.len() <= limits::REQUEST_LINE) {
            echo.insert("config_path".to_owned(), path.clone());
        }
        return verdict(app, read(app, path), echo);
    }
    let Some(content) = there("content") else { return Ok(nothing_given()) };
    let format = match there("format") {
        None => "json",
        Some(Value::String(format)) => format,
        Some(_) => return Err(Fault::field(400, "wrong_field", "format", "field 'format' must be a string")),
    };
    let Value::String(content) = content else {
        return Err(Fault::field(400, "wrong_field", "content", "field 'content' must be a string"));
    };
    let config = config::format_named(format).and_then(|()| Config::parse(content.as_bytes()));
    if config.is_ok() {
        echo.insert("format".to_owned(), json!(format));
    }
    verdict(app, config.map_err(Unread::Config), echo)
}

/// What is said of a configuration, and what is repeated of the call.
fn verdict(app: &App, config: std::result::Result<Config, Unread>, mut answer: Map<String, Value>) -> Result {
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    let led = |config: Config| match app.swarms.may_be_led(&config) {
        Ok(()) => Ok(config),
        Err(fault) => Err(Unread::Led(fault)),
    };
    let unread = match config.and_then(led) {
        Ok(config) => {
            put("valid", json!(true));
            put("config", config::summary(&config));
            return ok(&Value::Object(answer));
        }
        Err(unread) => unread,
    };
    put("valid", json!(false));
    let (status, line) = match &unread {
        Unread::Missing(path) => (404, format!("File not found: {path}")),
        Unread::Guard(_) => (400, "Invalid config_path".to_owned()),
        Unread::Led(fault) => (400, fault.to_string()),
        Unread::Config(error) => {
            put("field", json!(error.field()));
            put("suggestion", json!(error.suggestion()));
            put("line", json!(error.position().map(|at| at.line)));
            put("column", json!(error.position().map(|at| at.column)));
            (400, error.validation())
        }
    };
    let code = match &unread {
        Unread::Missing(_) => "file_not_found",
        Unread::Guard(code) => code,
        Unread::Led(fault) => fault.code(),
        Unread::Config(error) => error.code(),
    };
    put("code", json!(code));
    put("error", json!(line));
    put("errors", json!([line]));
    Ok(Reply::Response(Response::json(status, &Value::Object(answer))))
}

fn nothing_given() -> Reply {
    let answer = json!({
        "error": "Missing 'config', 'config_path', or 'content' parameter",
        "code": "missing_field",
        "usage": {
            "config": "a configuration",
            "config_path": "the name of a JSON file below the directory of configurations",
            "content": "the text of a configuration, with \"format\": \"json\"",
        },
    });
    Reply::Response(Response::json(400, &answer))
}
