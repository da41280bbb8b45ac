//! Data to stdout, talk to stderr; a stream that is gone is no reason to panic.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::cli::{
    colour::Paint,
    display,
    outcome::{Exit, Failure},
};

/// Where a command's output goes.
pub struct Output {
    data: Box<dyn Write>,
    talk: Box<dyn Write>,
    to_a_person: bool,
    paint: Paint,
}

impl Output {
    /// The process's own streams.
    pub fn standard() -> Self {
        Self {
            to_a_person: io::stdout().is_terminal(),
            paint: Paint::of_stdout(),
            data: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
        }
    }

    /// The colours of what goes to stdout.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Lines of data, already filtered where they hold what came from outside.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// A JSON value as data, in ASCII where its texts hold what a terminal should not see.
    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.data(&display::json(value))
    }

    /// Bytes from outside as data: as they are for a program, through the filter for a person.
    pub fn foreign(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.to_a_person {
            let mut shown = Vec::new();
            display::Filter::new().feed(bytes, &mut shown);
            self.bytes(&shown)
        } else {
            self.bytes(bytes)
        }
    }

    /// Bytes that are safe to show.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.data.write_all(bytes).and_then(|()| self.data.flush()).map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::output_gone()
            } else {
                Failure::new(Exit::CannotCreate, format!("stdout cannot be written: {error}"))
            }
        })
    }

    /// One line of talk. Nobody listening is fine.
    pub fn say(&mut self, line: &str) {
        let _ = self.talk.write_all(format!("{line}\n").as_bytes());
        let _ = self.talk.flush();
    }
}
