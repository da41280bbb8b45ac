//! The commands' handlers, and what they share: who calls, and what an answer means.
//!
//! Inside an agent the key file is never opened, not even when the token is refused. A refusal is shown
//! with the instance's sentence and code, and becomes an exit code and a next step in one place.

pub mod agents;
pub mod api;
pub mod ask;
pub mod attach;
pub mod audit;
pub mod completions;
pub mod config;
mod confirm;
pub mod demo;
pub mod egress;
mod elsewhere;
pub mod events;
pub mod exposure;
mod follow;
pub mod inbox;
pub mod init;
pub mod keys;
pub mod logs;
pub mod mail;
pub mod man;
pub mod member;
pub mod messages;
pub mod names;
mod outbox;
pub mod own;
pub mod peers;
pub mod prove;
pub mod run;
pub mod serve;
pub mod shim;
pub mod swarm;
pub mod top;

use std::{
    io::Read,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    cli::{
        outcome::{Exit, Failure},
        table::{Audience, Command},
    },
    client::{Answer, Client, ClientError},
    limits,
    store::{Home, HomeError, KeyFileError, keyfile},
    wire::secret::Secret,
};

/// The variable that makes this shell an agent's.
const TOKEN: &str = "LOOPGATE_AGENT_TOKEN";

/// A client and whose it is.
pub enum Side {
    /// with the owner key
    Owner(Client),
    /// with an agent's token
    Agent(Client),
}

/// Refuses the owner's commands inside an agent, and an agent's outside, before anything is opened.
pub fn may_run(command: &Command) -> Result<(), Failure> {
    match (command.audience, is_agent()) {
        (Audience::Agent, false) => {
            let what = format!("`loopgate {}` is for an agent, and this shell is not one's", command.name);
            return Err(Failure::new(Exit::NotPermitted, what)
                .next("`loopgate inbox AGENT` and `loopgate send AGENT` are for the owner"));
        }
        (Audience::Owner, true) => {}
        (Audience::OwnerOrAgent | Audience::Anyone | Audience::Internal, _)
        | (Audience::Owner, false)
        | (Audience::Agent, true) => return Ok(()),
    }
    let what = format!(
        "`loopgate {}` is for the owner, and this shell is an agent's ({TOKEN} or OUTBOX_DIR is set)",
        command.name
    );
    Err(Failure::new(Exit::NotPermitted, what)
        .next("an agent may use `loopgate send`, `inbox`, `ack`, `ask`, `agents` and `whoami`; the owner runs the rest in a shell of their own"))
}

/// Whether this shell is an agent's. One without a network has no token, and its directories instead.
fn is_agent() -> bool {
    agent_token().is_some() || (member::is_member() && outbox::Outbox::of_environment().is_some())
}

/// The agent's token, where this shell is an agent's. Empty counts as unset.
fn agent_token() -> Option<Secret> {
    let token = std::env::var_os(TOKEN)?.into_vec();
    (!token.is_empty()).then(|| Secret::new(token))
}

/// The client of whoever this shell belongs to. Inside an agent the key file is never opened, not
/// even when the token is refused.
pub fn side() -> Result<Side, Failure> {
    match agent_token() {
        None => owner().map(Side::Owner),
        Some(token) => {
            let url = std::env::var("LOOPGATE_URL").unwrap_or_default();
            Client::of_agent(&url, token).map(Side::Agent).map_err(|error| {
                Failure::new(Exit::BadConfig, format!("LOOPGATE_URL leads nowhere: {error}"))
                    .next("leave LOOPGATE_URL as the instance set it when it started this agent")
            })
        }
    }
}

/// The owner's client of the instance in the home that the environment names.
pub fn owner() -> Result<Client, Failure> {
    let path = home_path()?;
    owner_at(&path)
}

/// The home that the environment names.
pub fn home_path() -> Result<PathBuf, Failure> {
    Home::locate(None, |name| std::env::var_os(name)).map_err(|error| home_failure(&error))
}

/// The owner's client of the instance in this home.
pub fn owner_at(path: &Path) -> Result<Client, Failure> {
    let home = match Home::open(path) {
        Ok(home) => home,
        Err(HomeError::Missing(_)) => return Err(not_running(path, "there is no such directory")),
        Err(error) => return Err(home_failure(&error)),
    };
    match keyfile::read(&home) {
        Ok(file) => Ok(Client::owner_in(home, file)),
        Err(error) => Err(keyfile_failure(path, &error)),
    }
}

fn not_running(path: &Path, why: &str) -> Failure {
    Failure::new(Exit::NotRunning, format!("no instance runs in {}: {why}", path.display()))
        .next("start one with `loopgate serve`, or set LOOPGATE_HOME to the home of one that runs")
}

/// What an unusable home means for the command.
pub fn home_failure(error: &HomeError) -> Failure {
    let exit = match error {
        HomeError::Unknown => Exit::BadConfig,
        HomeError::Missing(_) => Exit::NotRunning,
        HomeError::Io(_, error) if error.kind() == std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        HomeError::Io(..) => Exit::CannotCreate,
        HomeError::Symlink(_) | HomeError::NotDirectory(_) | HomeError::Owner(..) | HomeError::Mode(..) => {
            Exit::NotPermitted
        }
    };
    Failure::new(exit, error.to_string()).next(
        "set LOOPGATE_HOME (AGENTMUX_DATA_HOME, where it is set, goes first) to a directory of your own \
         that nobody else can enter",
    )
}

fn keyfile_failure(path: &Path, error: &KeyFileError) -> Failure {
    if error.is_not_running() {
        return not_running(path, &error.to_string());
    }
    let exit = match error {
        KeyFileError::Malformed(_) => Exit::BadData,
        KeyFileError::Missing
        | KeyFileError::File(_)
        | KeyFileError::Dead(_)
        | KeyFileError::ForeignProcess(_)
        | KeyFileError::NoListener(_)
        | KeyFileError::ForeignListener(_)
        | KeyFileError::Unknown(_) => Exit::NotPermitted,
    };
    let file = path.join(keyfile::FILE);
    Failure::new(exit, format!("{}: {error}; the key was not used", file.display())).next(
        "find out who changed it; if no instance of yours runs, remove the file and `loopgate serve` again",
    )
}

/// What a client's error means for the command.
pub fn client_failure(error: &ClientError) -> Failure {
    match error {
        ClientError::NotRunning(_) => {
            Failure::new(Exit::NotRunning, format!("the instance has ended: {error}"))
                .next("start one with `loopgate serve`")
        }
        ClientError::Unproven(inner) if inner.is_not_running() => {
            Failure::new(Exit::NotRunning, format!("the instance has ended: {error}"))
                .next("start one with `loopgate serve`")
        }
        ClientError::Unproven(_) => Failure::new(Exit::NotPermitted, error.to_string())
            .next("another program has taken the instance's port; `loopgate serve` starts a new one"),
        ClientError::TimedOut(_) | ClientError::Silent(_) => Failure::new(Exit::TryLater, error.to_string())
            .next("try again; `loopgate status` shows whether the instance answers"),
        ClientError::TooLarge | ClientError::FrameTooLarge | ClientError::Broken(_) => {
            Failure::new(Exit::TryLater, error.to_string()).next("try again")
        }
        ClientError::Address | ClientError::Credential => Failure::new(Exit::BadConfig, error.to_string()),
        ClientError::Request => Failure::new(Exit::Usage, error.to_string()),
        ClientError::BodyTooLarge(_) => Failure::new(Exit::BadData, error.to_string())
            .next("send it in parts, or put it in a file and send its name"),
    }
}

/// The answer, if it says that it worked.
pub fn expect_success(answer: Result<Answer, ClientError>) -> Result<Answer, Failure> {
    let answer = answer.map_err(|error| client_failure(&error))?;
    if answer.is_success() { Ok(answer) } else { Err(refusal(&answer)) }
}

/// What a refusing answer means for the command: its sentence, an exit code, a next step.
pub fn refusal(answer: &Answer) -> Failure {
    let body = answer.json();
    let sentence = body.get("error").or(body.pointer("/errors/detail"));
    let sentence = sentence.and_then(Value::as_str).unwrap_or("no reason was given");
    let code = body.get("code").and_then(Value::as_str).unwrap_or_default();
    let field = body.get("field").and_then(Value::as_str).filter(|field| !sentence.contains(field));
    let field = field.map_or_else(String::new, |field| format!(" ({field})"));
    let number = answer.status;
    let what = format!("the instance refused: {sentence}{field} [{}]", format!("{number} {code}").trim_end());
    let exit = match answer.status {
        409 if code == "rotation_underway" => Exit::TryLater,
        500 if code == "key_file" => Exit::CannotCreate,
        400 | 413 | 415 | 422 => Exit::BadData,
        401 | 403 => Exit::NotPermitted,
        408 | 429 | 502 | 503 | 504 | 507 => Exit::TryLater,
        500..=599 => Exit::Bug,
        _ => Exit::Negative,
    };
    if let Some((exit, next)) = elsewhere::why(code) {
        return Failure::new(exit, what).next(next);
    }
    let next = match (code, answer.status) {
        ("agent_not_found", _) => {
            "`loopgate agents` lists the agents, the owner's `loopgate peers` those of other instances"
        }
        ("agent_exists", _) => "choose another --name, or end that agent with `loopgate stop-agent`",
        ("agent_done", _) => "the agent has ended; start it again with `loopgate run`",
        ("agent_limit", _) => "end an agent with `loopgate stop-agent`",
        ("command_not_found", _) => "give the command's path, or check its spelling",
        ("no_such_directory", _) => "give an existing directory with --cwd",
        ("mailbox_full", _) => "the agent must read its messages first; `loopgate inbox` shows them",
        ("mailboxes_full" | "mail_full", _) => {
            "messages must be read first; `loopgate mailboxes` says by whom"
        }
        ("sender_share_full", _) => "what was sent before must be read first; the owner may still send",
        ("id_reused", _) => "give another --id: this one was sent before, with another text",
        ("message_not_found", _) => {
            "`loopgate dead` lists what failed or expired; others are remembered for a day"
        }
        ("no_space", _) => "make room on the instance's disk; nothing that was accepted is lost",
        ("journal_failed", _) => "see the instance's log and the disk; the message was not accepted",
        ("journal_slow", _) => {
            "it may have been accepted: send it again with the same --id, which counts once"
        }
        ("agent_token_elsewhere", _) => {
            "use the token only in the processes of the agent that it was given to"
        }
        ("rotation_underway", _) => "try again when it is done: it takes a second at most",
        ("key_file", _) => "look at the home's mode and at its disk; the instance's log says more",
        ("not_dead", _) => "`loopgate message ID` says what became of it",
        ("bad_agent_id", _) => elsewhere::NAMES,
        (_, 413) => "put the text in a file and send its name",
        (_, 400 | 415 | 422) => "correct it; `loopgate help COMMAND` says what a command takes",
        (_, 403..=405) => "`loopgate exposure --routes` lists the routes and who may call them",
        (_, 401) => "the instance was started anew, or its keys were changed: the old ones no longer hold",
        (_, 429 | 503) => "try again in a moment",
        _ => return Failure::new(exit, what),
    };
    Failure::new(exit, what).next(next)
}

/// A text operand, or stdin where it is missing or `-`; at most what most requests may carry.
pub fn text_or_stdin(operand: Option<&str>) -> Result<String, Failure> {
    text_within(limits::BODY_SMALL, operand)
}

/// The same for a task or a message of a swarm, and for any request: as much as the largest may carry.
pub fn long_text_or_stdin(operand: Option<&str>) -> Result<String, Failure> {
    text_within(limits::BODY_LARGEST, operand)
}

fn text_within(most: usize, operand: Option<&str>) -> Result<String, Failure> {
    match operand {
        Some(text) if text != "-" => Ok(text.to_owned()),
        Some(_) | None => {
            let mut bytes = Vec::new();
            let limit = (most as u64).saturating_add(1);
            std::io::stdin()
                .lock()
                .take(limit)
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::new(Exit::BadData, format!("stdin cannot be read: {error}")))?;
            if bytes.len() > most {
                let what = format!("nothing was sent: the text on stdin is larger than {most} bytes");
                return Err(Failure::new(Exit::BadData, what).next("put it in a file and send its name"));
            }
            String::from_utf8(bytes).map_err(|_| {
                Failure::new(Exit::BadData, "the text on stdin is not UTF-8")
                    .next("convert it with `iconv -t UTF-8`")
            })
        }
    }
}

/// A path segment of a name or an address: what is not a plain character is escaped, so that no name can
/// reach another route.
pub fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'@') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
