//! The agents that this instance runs: start, look, type keys, resize, end.
//!
//! For the owner and the API token alone. A start is checked field by field before anything is made,
//! and each way in which it can fail has a code of its own. Output is given as raw bytes with headers
//! that say which ones they are; a request may wait for more, in a bounded number of places and no
//! longer than its peer is there.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::{
    App,
    agentmux::directory_full,
    boundary, elsewhere,
    inject::SUBMITS,
    request::{Fault, Request, Result, ok},
    swarms::caller_of,
};
use crate::{
    admit::Caller,
    agent::{Exit, InputError, Record, ResizeError, StartError, StartSpec, State, StopError, Submit},
    bus::audit::{self, AgentHappened},
    gate::{Reply, Response},
    limits,
    registry::Published,
    wire::{base64, id::AgentId, json::Error, json::Fields},
};

/// `POST /api/v1/agents`: 201 and the record.
pub(super) fn start(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let mut spec = spec(fields)?;
    let name = spec.name.clone();
    if !app.bus.state().directory.has_room_for(&name) {
        return Err(directory_full());
    }
    spec.cage = boundary::asked(app, fields, &body, &spec)?;
    let record = app.fleet.start(spec).map_err(|error| start_fault(error, &name))?;
    let published = app.registered(&record);
    app.note_agent(AgentHappened::Started, &record, caller);
    let mut answer = app.record_json(&record);
    elsewhere::say(published, &mut answer);
    Ok(Reply::Response(Response::json(201, &answer)))
}

fn spec(fields: Fields<'_>) -> Result<StartSpec> {
    const NAME: &str = "1 to 64 ASCII letters, digits, _ and -";
    let rows = u64::from(limits::ROWS_MIN)..=u64::from(limits::ROWS_MAX);
    let cols = u64::from(limits::COLS_MIN)..=u64::from(limits::COLS_MAX);
    let name = AgentId::parse(fields.text("name")?).map_err(|_| Error::wrong("name", NAME))?;
    let command = fields.texts("command")?;
    if command.first().is_none_or(|program| program.is_empty()) {
        return Err(Error::wrong("command", "an array that begins with a program").into());
    }
    let cwd = Path::new(fields.text("cwd")?);
    if !cwd.is_absolute() {
        return Err(Error::wrong("cwd", "an absolute path").into());
    }
    let own = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let env = fields.optional_text_map("env")?.unwrap_or_default();
    Ok(StartSpec {
        name,
        command: own(command),
        cwd: cwd.to_owned(),
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        rows: small(fields.optional_whole("rows", rows)?, 24),
        cols: small(fields.optional_whole("cols", cols)?, 80),
        accept_typed_from: own(fields.optional_texts("accept_typed_from")?.unwrap_or_default()),
        may_type_into: own(fields.optional_texts("may_type_into")?.unwrap_or_default()),
        submit: fields.optional_word("submit", SUBMITS)?.unwrap_or(Submit::Thrice),
        cage: None,
    })
}

/// A number whose range was checked to fit.
fn small(number: Option<u64>, default: u16) -> u16 {
    number.map_or(default, |number| u16::try_from(number).unwrap_or(u16::MAX))
}

pub(super) fn start_fault(error: StartError, name: &AgentId) -> Fault {
    match error {
        StartError::Exists => Fault::new(409, "agent_exists", format!("an agent named {name} runs already")),
        StartError::Reserved => {
            Fault::field(400, "reserved_name", "name", format!("the name {name} stands for another caller"))
        }
        StartError::Limit { most } => Fault::new(
            503,
            "agent_limit",
            format!("{most} agents are there already, ended ones included: remove some"),
        ),
        StartError::NoSuchCommand { reason } => {
            let sentence = format!("the command cannot be run: {reason}");
            Fault::field(422, "command_not_found", "command", sentence)
        }
        StartError::NoSuchDirectory => {
            Fault::field(422, "no_such_directory", "cwd", "the directory cannot be entered")
        }
        StartError::OutOfBounds(field) => out_of_bounds(field),
        StartError::Sandbox { code, reason } => Fault::new(422, code, reason),
        StartError::Failed(what) => Fault::new(
            503,
            "agent_not_started",
            format!("the agent could not be started for want of: {what}"),
        ),
    }
}

/// What a field may be beyond its type.
fn out_of_bounds(field: &'static str) -> Fault {
    let bounds = match field {
        "command" => format!(
            "1 to {} words without NUL, of at most {} bytes together",
            limits::COMMAND_WORDS,
            limits::COMMAND_BYTES
        ),
        "env" => format!(
            "variables without NUL, of at most {} bytes together with the command, none of which begins with \
             LOOPGATE_, AGENTMUX_ or GENSWARMS_",
            limits::COMMAND_BYTES
        ),
        "accept_typed_from" | "may_type_into" => {
            "at most 64 names of 1 to 129 visible ASCII characters".to_owned()
        }
        _ => "within its bounds".to_owned(),
    };
    Fault::field(400, "out_of_bounds", field, format!("field '{field}' must be {bounds}"))
}

/// `GET /api/v1/agents`.
pub(super) fn list(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let list: Vec<Value> = app
        .fleet
        .records()
        .iter()
        .map(|record| {
            let mut row = app.record_json(record);
            if let (Some(short), Some(row)) = (shortened(&record.command), row.as_object_mut()) {
                row.insert("command".to_owned(), json!(short));
                row.insert("command_truncated".to_owned(), json!(true));
            }
            row
        })
        .collect();
    ok(&json!({ "agents": list }))
}

/// The beginning of a command that is longer than a row of the list may show.
fn shortened(command: &[String]) -> Option<Vec<&str>> {
    let mut left = limits::LISTED_COMMAND;
    let mut words = Vec::new();
    for word in command {
        let cut = (0..=left.min(word.len())).rev().find(|at| word.is_char_boundary(*at)).unwrap_or_default();
        words.push(word.get(..cut).unwrap_or_default());
        if cut < word.len() {
            return Some(words);
        }
        left = left.saturating_sub(cut);
    }
    None
}

/// `GET /api/v1/agents/:id`.
pub(super) fn show(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let record = app.fleet.record(request.id).ok_or_else(not_found)?;
    ok(&app.record_json(&record))
}

/// `DELETE /api/v1/agents/:id`: when it answers 200, nothing of the agent's tree is left.
pub(super) fn stop(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let name = AgentId::parse(request.id).map_err(|_| not_found())?;
    match app.fleet.stop(&name) {
        Ok(record) => {
            app.bus.state().directory.unregister_block(&record.block_id);
            app.note_agent(AgentHappened::Stopped, &record, caller);
            let mut answer = json!({ "stopped": true, "agent": app.record_json(&record) });
            elsewhere::say_removed(app.publish(&name), &mut answer);
            ok(&answer)
        }
        Err(StopError::NotFound) => Err(not_found()),
        Err(StopError::StillThere) => {
            let sentence = "something of the agent's tree is still there, and is still being killed";
            Err(Fault::new(503, "still_there", sentence))
        }
    }
}

/// `GET /api/v1/agents/:id/output?from=&wait=`: raw bytes, and headers that say which.
pub(super) fn output(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let from = request.whole_param("from")?;
    let wait = request.whole_param("wait")?.unwrap_or(0).min(limits::OUTPUT_WAIT_MS);
    let gone = || request.peer.is_gone() || app.is_outdated(caller);
    let read = |wait| app.fleet.output(request.id, from, wait, limits::OUTPUT_CHUNK, &gone);
    let mut result = read(Duration::ZERO).ok_or_else(not_found)?;
    if let Ok(nothing) = &result
        && nothing.bytes.is_empty()
        && !nothing.done
        && wait > 0
    {
        let _place = app.waiters.enter()?;
        result = read(Duration::from_millis(wait)).ok_or_else(not_found)?;
        app.still_admitted(caller)?;
    }
    let piece = result.map_err(|beyond| {
        let sentence = format!("the output ends at offset {} so far", beyond.end);
        Fault::field(400, "offset_beyond_end", "from", sentence)
    })?;
    let state = if piece.done { Some(State::Done) } else { app.fleet.record(request.id).map(|r| r.state) };
    let response = Response::bytes(200, "application/octet-stream", piece.bytes)
        .with("X-Loopgate-From", piece.from.to_string())
        .with("X-Loopgate-Next", piece.next.to_string())
        .with("X-Loopgate-Gap", if piece.gap { "true" } else { "false" })
        .with("X-Loopgate-State", state.unwrap_or(State::Done).as_str());
    Ok(Reply::Response(response))
}

/// `POST /api/v1/agents/:id/input`: keys as they are, from `data64` or `text`.
pub(super) fn input(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let bytes = match (fields.optional_text("data64")?, fields.optional_text("text")?) {
        (Some(encoded), None) => {
            base64::decode(encoded).ok_or_else(|| Error::wrong("data64", "standard base64 with padding"))?
        }
        (None, Some(text)) => text.as_bytes().to_vec(),
        (None, None) => return Err(Error::Missing { field: "data64" }.into()),
        (Some(_), Some(_)) => return Err(Error::wrong("text", "absent where data64 is given").into()),
    };
    match app.fleet.input(request.id, &bytes).ok_or_else(not_found)? {
        Ok(()) => ok(&json!({ "written": bytes.len() })),
        Err(InputError::Done) => Err(done()),
        Err(InputError::QueueFull) => Err(queue_full("the terminal does not take what was typed before")),
    }
}

/// `POST /api/v1/agents/:id/resize`.
pub(super) fn resize(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let rows = fields.whole("rows", u64::from(limits::ROWS_MIN)..=u64::from(limits::ROWS_MAX))?;
    let cols = fields.whole("cols", u64::from(limits::COLS_MIN)..=u64::from(limits::COLS_MAX))?;
    let result = app.fleet.resize(request.id, small(Some(rows), 0), small(Some(cols), 0));
    match result.ok_or_else(not_found)? {
        Ok(()) => ok(&json!({ "rows": rows, "cols": cols })),
        Err(ResizeError::Done) => Err(done()),
        Err(ResizeError::OutOfBounds(field)) => Err(out_of_bounds(field)),
    }
}

/// The terminal takes nothing more now.
pub(super) fn queue_full(reason: &str) -> Fault {
    Fault::new(503, "terminal_queue_full", reason)
}

/// The agent is there and runs no more.
pub(super) fn done() -> Fault {
    Fault::new(409, "agent_done", "the agent has ended")
}

/// `most` of these are there at once already.
pub(super) fn too_many(what: &str, most: usize) -> Fault {
    let sentence = format!("there are {most} {what} already, the most at once; try again");
    Fault::limited(503, "too_many_waiters", sentence, u64::try_from(most).ok())
}

/// No agent of that name.
pub(super) fn not_found() -> Fault {
    Fault::new(404, "agent_not_found", "agent not found")
}

impl App {
    /// Makes a started agent reachable by its name, as spec agentmux E.3 does at spawn; whether other
    /// instances find it.
    pub(super) fn registered(&self, record: &Record) -> Published {
        self.statuses.started(|| self.fleet.record_of_block(&record.block_id));
        let now = self.clock.unix_ms();
        // Room was there when the agent was started; where another took it meanwhile, the agent
        // runs and only inject by name does not reach it.
        let _ = self.bus.state().directory.register(record.name.clone(), &record.block_id, None, now);
        // It may have ended before it was registered, and then nobody would remove the entry.
        let ended = |record: Record| record.state == State::Done;
        if self.fleet.record(record.name.as_str()).is_none_or(ended) {
            self.bus.state().directory.unregister_block(&record.block_id);
        }
        self.publish(&record.name)
    }

    /// Writes down that an agent was started or stopped.
    fn note_agent(&self, happened: AgentHappened, record: &Record, by: &Caller) {
        let (name, block_id) = (record.name.as_str().to_owned(), record.block_id.clone());
        self.bus.audit.agent(audit::Agent { happened, name, block_id, by: Some(caller_of(by)) });
    }

    /// An agent's record, as answers show it.
    pub(super) fn record_json(&self, record: &Record) -> Value {
        let exit = match record.exit {
            None => Value::Null,
            Some(Exit::Code(code)) => json!({ "code": code }),
            Some(Exit::Signal(signal)) => json!({ "signal": signal }),
        };
        let mut shown = json!({
            "name": record.name.as_str(),
            "block_id": record.block_id,
            "state": record.state.as_str(),
            "pid": record.pid,
            "keeper_pid": record.keeper_pid,
            "started_at": record.started_at,
            "rows": record.rows,
            "cols": record.cols,
            "command": record.command,
            "cwd": record.cwd.to_string_lossy(),
            "exit": exit,
            "output": { "start": record.output_start, "end": record.output_end },
            "waiting": self.bus.mail.waiting(&record.name),
            "accept_typed_from": record.accept_typed_from,
            "may_type_into": record.may_type_into,
        });
        boundary::show(record.boundary.as_ref(), &mut shown);
        shown
    }
}
