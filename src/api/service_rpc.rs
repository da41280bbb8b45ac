//! `POST /agentmux/service`: the calls of AgentMux's page that have to do with terminals (spec
//! agentmux B.12): always 200, with `success` or an `error`.
//!
//! Its object store (windows, tabs, workspaces) is not ours: those methods are unknown here. All of
//! a call is looked at before any of it is done.

use serde_json::{Map, Value, json};

use super::{
    App,
    request::{Request, Result, ok},
};
use crate::{
    admit::Caller,
    agent::{Exit, InputError, Record, ResizeError, State},
    limits,
    wire::{
        base64,
        json::{self, Fields},
    },
};

/// What a call gives: its data, if it has any.
type Done = std::result::Result<Option<Value>, Failure>;

/// Why a call was not done: AgentMux's sentence, and a stable code.
struct Failure {
    sentence: String,
    code: &'static str,
}

impl Failure {
    fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code }
    }
}

impl From<json::Error> for Failure {
    fn from(error: json::Error) -> Self {
        Self::new(error.code(), format!("invalid request body: {error}"))
    }
}

/// `POST /agentmux/service`.
pub(super) fn service(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let mut answer = Map::new();
    match json::parse(request.body).map_err(Failure::from).and_then(|body| call(app, &body)) {
        Ok(data) => {
            answer.insert("success".to_owned(), json!(true));
            if let Some(data) = data {
                answer.insert("data".to_owned(), data);
            }
        }
        Err(failure) => {
            answer.insert("error".to_owned(), json!(failure.sentence));
            answer.insert("code".to_owned(), json!(failure.code));
        }
    }
    ok(&Value::Object(answer))
}

fn call(app: &App, body: &Value) -> Done {
    let fields = Fields::of(body)?;
    let (service, method) = (fields.text("service")?, fields.text("method")?);
    let args = Args(fields.optional_list("args")?.unwrap_or_default());
    match (service, method) {
        ("client", "GetClientData") => Ok(Some(client_data(app))),
        ("block", "GetControllerStatus") => Ok(Some(controller_status(app, args.text(0)?))),
        ("block", "SendCommand") => send_command(app, args.text(0)?, args.fields(1)?),
        _ => Err(Failure::new("unknown_method", format!("unknown service method: {service}.{method}"))),
    }
}

/// The arguments of a call.
struct Args<'a>(&'a [Value]);

impl<'a> Args<'a> {
    fn at(&self, index: usize) -> std::result::Result<&'a Value, Failure> {
        let missing = || Failure::new("missing_argument", format!("missing argument at index {index}"));
        self.0.get(index).filter(|value| !value.is_null()).ok_or_else(missing)
    }

    fn text(&self, index: usize) -> std::result::Result<&'a str, Failure> {
        self.at(index)?.as_str().ok_or_else(|| wrong(index, "a string"))
    }

    fn fields(&self, index: usize) -> std::result::Result<Fields<'a>, Failure> {
        Fields::of(self.at(index)?).map_err(|_| wrong(index, "an object"))
    }
}

fn wrong(index: usize, must_be: &str) -> Failure {
    Failure::new("wrong_argument", format!("argument at index {index} must be {must_be}"))
}

/// One client, without windows: the instance.
fn client_data(app: &App) -> Value {
    json!({ "otype": "client", "oid": app.instance, "version": 1, "windowids": [], "tempoid": "", "meta": {} })
}

/// The state of a block; of one that is not there, that nothing runs in it yet, as AgentMux says it.
fn controller_status(app: &App, block_id: &str) -> Value {
    match app.fleet.record_of_block(block_id) {
        Some(record) => status_of(&record),
        None => json!({
            "blockid": block_id,
            "shellprocstatus": "init",
            "shellprocconnname": "",
            "shellprocexitcode": 0,
            "version": 0,
        }),
    }
}

/// `controllerstatus`, as events show it too (spec agentmux D.6). The version rises with the status;
/// a program that a signal ended has the exit code that a shell would give it.
pub(super) fn status_of(record: &Record) -> Value {
    let (status, version) = match record.state {
        State::Running | State::WaitingInput => ("running", 1),
        State::Done => ("done", 2),
    };
    let code = match record.exit {
        None => 0,
        Some(Exit::Code(code)) => code,
        Some(Exit::Signal(signal)) => signal.saturating_add(128),
    };
    json!({
        "blockid": record.block_id,
        "shellprocstatus": status,
        "shellprocconnname": "local",
        "shellprocexitcode": code,
        "version": version,
    })
}

/// `controller:input`: keys, a new size, or both; the size first, so that what the keys make the
/// program show fits it.
fn send_command(app: &App, block_id: &str, command: Fields<'_>) -> Done {
    match command.optional_text("command")? {
        None | Some("controller:input" | "controllerinput") => {}
        Some(other) => return Err(Failure::new("unknown_command", format!("unknown command: {other}"))),
    }
    if command.optional_text("blockid")?.is_some_and(|other| other != block_id) {
        return Err(Failure::new("wrong_argument", "the command names another block"));
    }
    if command.optional_text("signame")?.is_some_and(|name| !name.is_empty()) {
        let sentence =
            "signals cannot be sent: send the key that the terminal makes one of, or end the agent";
        return Err(Failure::new("signal_not_supported", sentence));
    }
    let keys = match command.optional_text("inputdata64")? {
        None => Vec::new(),
        Some(text) => base64::decode(text)
            .ok_or_else(|| json::Error::wrong("inputdata64", "standard base64 with padding"))?,
    };
    let size = match command.optional_fields("termsize")? {
        None => None,
        Some(size) => Some((side(size, "rows")?, side(size, "cols")?)),
    };
    let no_block = || Failure::new("no_controller", format!("no controller for block {block_id}"));
    let not_running = || Failure::new("agent_done", "controller is not running");
    if let Some((rows, cols)) = size {
        app.fleet.resize_block(block_id, rows, cols).ok_or_else(no_block)?.map_err(|error| match error {
            ResizeError::Done => not_running(),
            ResizeError::OutOfBounds(field) => {
                Failure::new("out_of_bounds", format!("{field} is out of bounds"))
            }
        })?;
    }
    // Without keys too: so a block that is not there is told of.
    app.fleet.input_to_block(block_id, &keys).ok_or_else(no_block)?.map_err(|error| match error {
        InputError::Done => not_running(),
        InputError::QueueFull => Failure::new("terminal_queue_full", "failed to send input: queue full"),
    })?;
    Ok(None)
}

fn side(size: Fields<'_>, name: &'static str) -> std::result::Result<u16, Failure> {
    let range = match name {
        "rows" => limits::ROWS_MIN..=limits::ROWS_MAX,
        _ => limits::COLS_MIN..=limits::COLS_MAX,
    };
    let number = size.whole(name, u64::from(*range.start())..=u64::from(*range.end()))?;
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}
