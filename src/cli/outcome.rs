//! How a command ends: an exit code of design section 9, and for a failure what, why and the next
//! step.

use std::process::ExitCode;

use crate::cli::{colour::Tone, display, output::Output};

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// done
    Ok = 0,
    /// refused, or the answer is no
    Negative = 1,
    /// the command line is wrong
    Usage = 2,
    /// the data given is wrong
    BadData = 65,
    /// no instance runs
    NotRunning = 69,
    /// a fault of loopgate
    Bug = 70,
    /// something could not be made or written
    CannotCreate = 73,
    /// it may work later
    TryLater = 75,
    /// not permitted
    NotPermitted = 77,
    /// the configuration is wrong
    BadConfig = 78,
}

/// The exit codes with what they mean, as the help and the manual say it.
pub const CODES: [(Exit, &str); 10] = [
    (Exit::Ok, "done"),
    (Exit::Negative, "refused or negative"),
    (Exit::Usage, "usage"),
    (Exit::BadData, "bad data"),
    (Exit::NotRunning, "no instance runs"),
    (Exit::Bug, "a bug"),
    (Exit::CannotCreate, "cannot create"),
    (Exit::TryLater, "try later"),
    (Exit::NotPermitted, "not permitted"),
    (Exit::BadConfig, "bad configuration"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // the only enum-to-number cast of the codes above
        ExitCode::from(exit as u8)
    }
}

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    /// what failed and why, one sentence
    what: String,
    /// what it is about, as lines of text
    lines: Vec<String>,
    /// the next step
    next: Option<String>,
    /// command lines to choose one from
    choices: Vec<String>,
}

impl Failure {
    /// A failure; `what` says what failed and why.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), lines: Vec::new(), next: None, choices: Vec::new() }
    }

    /// With another code.
    #[must_use]
    pub fn exit_with(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// With lines of the text that it is about, below the sentence.
    #[must_use]
    pub fn lines<'a>(mut self, lines: impl IntoIterator<Item = &'a str>) -> Self {
        self.lines = lines.into_iter().map(str::to_owned).collect();
        self
    }

    /// With the next step.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// With command lines to choose one from, below the next step.
    #[must_use]
    pub fn choices(mut self, choices: Vec<String>) -> Self {
        self.choices = choices;
        self
    }

    /// Of this command: a wrong command line without a next step is sent to the command's help.
    #[must_use]
    pub fn of_command(mut self, name: &str) -> Self {
        if self.exit == Exit::Usage && self.next.is_none() {
            self.next = Some(format!("`loopgate help {name}` says what it takes"));
        }
        self
    }

    /// Nobody reads our stdout any more: nothing to say, and nobody to say it to.
    pub fn output_gone() -> Self {
        Self::new(Exit::Ok, "")
    }

    /// The code it ends with.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What failed and why, line-filtered.
    pub fn what(&self) -> String {
        display::line(&self.what)
    }

    /// Says it on stderr, line-filtered: the text may quote what came from outside.
    pub(super) fn tell(&self, output: &mut Output) -> Exit {
        if !self.what.is_empty() {
            output.say_sentence(Tone::Bad, "loopgate:", &display::line(&self.what));
        }
        for line in &self.lines {
            output.say(&format!("  {}", display::line(line)));
        }
        if let Some(next) = &self.next {
            output.say_sentence(Tone::Note, "  next:", &display::line(next));
        }
        for choice in &self.choices {
            output.say(&format!("    {}", display::line(choice)));
        }
        self.exit
    }
}
