//! The table of commands. What can be typed, and what help says, is here and nowhere else.
//!
//! Each row says who the command is for: the check that keeps the owner's commands from agents, and
//! agents' commands from everybody else, reads it before anything is opened.

mod looks;
mod mail;
mod swarm;
mod work;

use std::process::ExitCode;

use crate::cli::{outcome::Failure, output::Output, parse::Arguments};

/// One command.
pub struct Command {
    /// what is typed
    pub name: &'static str,
    /// one line
    pub summary: &'static str,
    /// who may use it
    pub audience: Audience,
    /// what follows, in order
    pub operands: &'static [Operand],
    /// its flags
    pub flags: &'static [Flag],
    /// what there is to know
    pub about: &'static str,
    /// command lines to copy
    pub examples: &'static [&'static str],
    /// does it
    pub run: fn(&Arguments, &mut Output) -> Result<ExitCode, Failure>,
}

/// Who a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// the owner; refused inside an agent
    Owner,
    /// the owner with the key file, an agent with its token
    OwnerOrAgent,
    /// an agent with its token, and nobody else
    Agent,
    /// whoever asks; it needs no instance
    Anyone,
    /// the program itself; not in the help
    Internal,
}

/// One operand.
pub struct Operand {
    /// its name in the help
    pub name: &'static str,
    /// how often it stands there
    pub count: Count,
    /// what it is
    pub about: &'static str,
}

/// How often an operand stands on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// exactly once
    One,
    /// once or not at all
    Optional,
    /// as often as one likes, or not at all
    Any,
    /// once or more, and everything behind its first word belongs to it, flags included
    Rest,
}

/// One flag.
pub struct Flag {
    /// with its dashes
    pub name: &'static str,
    /// the name of its value, where it takes one
    pub value: Option<&'static str>,
    /// whether it may be given more than once
    pub repeats: bool,
    /// what it does
    pub about: &'static str,
}

const fn flag(name: &'static str, about: &'static str) -> Flag {
    Flag { name, value: None, repeats: false, about }
}

const fn with_value(name: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { name, value: Some(value), repeats: false, about }
}

const fn repeated(name: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { name, value: Some(value), repeats: true, about }
}

const fn one(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::One, about }
}

const fn optional(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::Optional, about }
}

const fn rest(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::Rest, about }
}

const fn any(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::Any, about }
}

const JSON: Flag = flag("--json", "print the data as JSON");
const ADDRESS: &str = "the agent's name, or NAME@HOME for one of another instance";
const SUBMIT: &str =
    "how Enter is pressed behind typed text: `thrice` (AgentMux's cadence, the default) or `once`";
/// All commands, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static Command> {
    [work::COMMANDS, mail::COMMANDS, swarm::COMMANDS, looks::COMMANDS].into_iter().flatten()
}

/// The command of this name.
pub fn find(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
