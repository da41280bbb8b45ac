//! The directories through which an agent without a network speaks (spec genswarms E.5).
//!
//! A letter is written beside its place and renamed, so that nobody reads a part of it. An answer is a file
//! named after its question; it is read once, bounded, and removed.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    cli::outcome::{Exit, Failure},
    limits,
    sys::random,
    wire::json as wire_json,
};

/// Between two looks for an answer.
const LOOK: Duration = Duration::from_millis(100);

/// The directories.
pub struct Outbox {
    letters: PathBuf,
    answers: Option<PathBuf>,
}

impl Outbox {
    /// Those that the environment names, if it does.
    pub fn of_environment() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Some(Self { letters: set("OUTBOX_DIR")?, answers: set("ASK_REPLY_DIR") })
    }

    /// Puts a letter there, whole.
    pub fn put(&self, label: &str, letter: &Value) -> Result<(), Failure> {
        let name = format!("0001_{label}_{}.json", unique()?);
        let (part, whole) = (self.letters.join(format!(".tmp_{name}")), self.letters.join(&name));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(letter.to_string().as_bytes()))
            .and_then(|()| fs::rename(&part, &whole));
        written.map_err(|error| {
            // What is left of it is no letter.
            let _ = fs::remove_file(&part);
            Failure::new(Exit::CannotCreate, format!("the outbox cannot be written: {error}"))
                .next("leave OUTBOX_DIR as the instance set it when it started this agent")
        })
    }

    /// Asks, and waits for the answer: its envelope (spec genswarms J.2), one that says so where none came.
    pub fn ask(&self, to: &str, text: &str, within: Duration) -> Result<Value, Failure> {
        let Some(answers) = &self.answers else {
            return Err(Failure::new(
                Exit::BadConfig,
                "ASK_REPLY_DIR is not set, so no answer could be read",
            )
            .next("leave it as the instance set it when it started this agent"));
        };
        let id = format!("ask_{}", unique()?);
        let answer = answers.join(format!("{id}.json"));
        let begin = Instant::now();
        self.put("ask", &json!({ "to": to, "content": text, "reply_to": id }))?;
        loop {
            if let Some(envelope) = taken(&answer)? {
                return Ok(envelope);
            }
            let left = within.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(late(&id, within));
            }
            thread::park_timeout(LOOK.min(left));
        }
    }
}

/// The answer, if it is there; read once.
fn taken(path: &PathBuf) -> Result<Option<Value>, Failure> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let wrong = |why: &str| Failure::new(Exit::BadData, format!("the answer cannot be read: {why}"));
    let most = limits::BODY_LARGEST.saturating_mul(8);
    let mut bytes = Vec::new();
    let read = file.take((most as u64).saturating_add(1)).read_to_end(&mut bytes);
    let _ = fs::remove_file(path);
    match read {
        Ok(_) if bytes.len() > most => Err(wrong("it is larger than an answer can be")),
        Ok(_) => wire_json::parse(&bytes).map(Some).map_err(|error| wrong(&error.to_string())),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

fn late(id: &str, within: Duration) -> Value {
    json!({
        "ok": false,
        "result": null,
        "error": {
            "code": "timeout",
            "message": format!("no reply within {} seconds", within.as_secs()),
            "type": "transient",
        },
        "timeout": true,
        "correlation_id": id,
        "duration_ms": u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Of this process, and of this letter.
fn unique() -> Result<String, Failure> {
    let id = random::uuid().map_err(|error| {
        Failure::new(Exit::CannotCreate, format!("the system gives no random bytes: {error}"))
    })?;
    Ok(format!("{}_{id}", std::process::id()))
}
