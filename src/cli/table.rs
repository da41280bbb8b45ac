//! The table of commands. What can be typed, and what help says, is here and nowhere else.
//!
//! Each row says who the command is for: the check that keeps the owner's commands from agents, and
//! agents' commands from everybody else, reads it before anything is opened.

mod looks;
mod mail;
mod program;
mod project;
mod swarm;
mod work;

use std::process::ExitCode;

use crate::cli::{outcome::Failure, output::Output, parse::Arguments};

/// One command.
pub struct Command {
    /// what is typed
    pub name: &'static str,
    /// other names that mean it: taken, and not offered
    pub aliases: &'static [&'static str],
    /// where the overview shows it
    pub group: Group,
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

/// Where the overview of the help shows a command. What a new user needs first stands in [`FIRST`] besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// agents in terminals
    Agents,
    /// swarms of agents
    Swarms,
    /// messages between agents
    Messages,
    /// what happens and what is open
    Watch,
    /// what an agent uses itself
    Inside,
    /// the instance and the program
    Program,
}

impl Group {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 6] =
        [Self::Agents, Self::Swarms, Self::Messages, Self::Watch, Self::Inside, Self::Program];

    /// What stands above its commands.
    pub fn title(self) -> &'static str {
        match self {
            Self::Agents => "agents in terminals",
            Self::Swarms => "swarms",
            Self::Messages => "messages",
            Self::Watch => "what happens, and what is open",
            Self::Inside => "inside an agent",
            Self::Program => "the instance and this program",
        }
    }
}

/// The commands that a new user needs, in the order in which they are needed.
pub const FIRST: [&str; 10] =
    ["demo", "serve", "run", "attach", "init", "start", "status", "logs", "stop", "help"];

/// Verbs of GenSwarms and AgentMux that are not here, and what is used in their place.
pub const ELSEWHERE: [(&str, &str); 8] = [
    ("up", "`loopgate serve` runs the instance, and `loopgate start CONFIG` a swarm in it"),
    ("down", "`loopgate stop SWARM` ends a swarm; Ctrl-C or SIGTERM ends `loopgate serve` and all in it"),
    ("dashboard", "there is no page; `loopgate top` shows what runs, `loopgate status` how it is"),
    (
        "env",
        "nothing is kept for agents: `loopgate run --env NAME` passes a variable, a swarm's configuration names its own",
    ),
    ("build", "no image is built here: `docker build` makes one, and a swarm's configuration names it"),
    ("test", "`loopgate config validate FILE` checks a configuration without starting anything"),
    ("daemon", "`loopgate serve` stays in the foreground; a service manager or `nohup` keeps it"),
    ("mcp", "there is no such server here; `loopgate api METHOD PATH` makes any request"),
];

/// One operand.
pub struct Operand {
    /// its name in the help
    pub name: &'static str,
    /// how often it stands there
    pub count: Count,
    /// what may stand there
    pub kind: Kind,
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

/// What an operand or a flag's value may be: completions offer it, and of a list of words the parser takes
/// no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// anything: a text, a number, an id
    Text,
    /// a file's path
    File,
    /// a directory's path
    Directory,
    /// a file's path, or a swarm's name
    FileOrSwarm,
    /// an agent that belongs to no swarm
    Agent,
    /// an agent that belongs to no swarm, or SWARM/AGENT
    AnyAgent,
    /// a swarm, SWARM/AGENT, or an agent that belongs to no swarm
    SwarmOrAgent,
    /// a swarm
    Swarm,
    /// an agent of the swarm that an operand before it names
    SwarmAgent,
    /// the name of a command of the table
    Verb,
    /// one of these words, in capitals or not
    Word(&'static [&'static str]),
    /// the name of a variable of the environment
    Variable,
    /// a program, with its own words behind it
    Program,
}

/// One flag.
pub struct Flag {
    /// with its dashes
    pub name: &'static str,
    /// the letter that means the same behind one dash
    pub short: Option<char>,
    /// the name of its value, where it takes one
    pub value: Option<&'static str>,
    /// what its value may be
    pub kind: Kind,
    /// whether it may be given more than once
    pub repeats: bool,
    /// what it does
    pub about: &'static str,
}

impl Flag {
    /// With a letter that means the same: `-f`.
    const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// With a value of this kind.
    const fn of(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}

impl Operand {
    /// Of this kind.
    const fn of(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}

const fn flag(name: &'static str, about: &'static str) -> Flag {
    Flag { name, short: None, value: None, kind: Kind::Text, repeats: false, about }
}

const fn with_value(name: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { value: Some(value), ..flag(name, about) }
}

const fn repeated(name: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { repeats: true, ..with_value(name, value, about) }
}

const fn one(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::One, kind: Kind::Text, about }
}

const fn optional(name: &'static str, about: &'static str) -> Operand {
    Operand { count: Count::Optional, ..one(name, about) }
}

const fn rest(name: &'static str, about: &'static str) -> Operand {
    Operand { count: Count::Rest, kind: Kind::Program, ..one(name, about) }
}

const fn any(name: &'static str, about: &'static str) -> Operand {
    Operand { count: Count::Any, ..one(name, about) }
}

const JSON: Flag = flag("--json", "print the data as JSON");
const ADDRESS: &str = "the agent's name, or NAME@HOME for one of another instance";
const SUBMIT_WORDS: Kind = Kind::Word(&["thrice", "once"]);
const SUBMIT: &str =
    "how Enter is pressed behind typed text: `thrice` (AgentMux's cadence, the default) or `once`";

/// All commands, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static Command> {
    [work::COMMANDS, mail::COMMANDS, swarm::COMMANDS, project::COMMANDS, looks::COMMANDS, program::COMMANDS]
        .into_iter()
        .flatten()
}

/// The command of this name, or with this other name.
pub fn find(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name || command.aliases.contains(&name))
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
