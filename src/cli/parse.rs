//! From the words of the command line to a command and its arguments, by the table.
//!
//! Flags stand before or behind operands, `--` ends them, and a value is the next word or stands behind
//! `=`. What is unknown, missing or too much is an error that says where to read more; nothing is guessed
//! or abbreviated.

use std::{ffi::OsString, path::PathBuf};

use crate::cli::{
    display,
    outcome::{Exit, Failure},
    table::{self, Audience, Command, Count, Flag, Operand},
};

/// What stood on the command line behind the command's name.
#[derive(Debug, Default)]
pub struct Arguments {
    flags: Vec<(&'static str, Option<OsString>)>,
    operands: Vec<OsString>,
}

impl Arguments {
    /// Whether the flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| *name == flag)
    }

    /// A flag's value as a path.
    pub fn path(&self, flag: &str) -> Option<PathBuf> {
        self.values(flag).next().map(PathBuf::from)
    }

    /// A flag's value as text.
    pub fn text(&self, flag: &str) -> Result<Option<&str>, Failure> {
        self.values(flag).next().map(|value| utf8(flag, value)).transpose()
    }

    /// All values of a flag that repeats, as texts.
    pub fn texts(&self, flag: &str) -> Result<Vec<&str>, Failure> {
        self.values(flag).map(|value| utf8(flag, value)).collect()
    }

    /// A flag's value as a number in `range`.
    pub fn number(&self, flag: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Failure> {
        let Some(text) = self.text(flag)? else { return Ok(None) };
        match text.parse().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(usage(format!(
                "{flag} takes a number from {} to {} and not `{}`",
                range.start(),
                range.end(),
                display::line(text)
            ))),
        }
    }

    /// An operand as text; the parser has seen to it that a required one is there.
    pub fn operand(&self, at: usize) -> Result<Option<&str>, Failure> {
        self.operands.get(at).map(|value| utf8("an operand", value)).transpose()
    }

    /// An operand that the table requires.
    pub fn required(&self, at: usize) -> Result<&str, Failure> {
        match self.operand(at)? {
            None => Err(usage("an operand is missing".to_owned())),
            Some("") => Err(usage("an operand is empty".to_owned())),
            Some(text) => Ok(text),
        }
    }

    /// All operands as texts.
    pub fn operands(&self) -> Result<Vec<&str>, Failure> {
        self.operands.iter().map(|value| utf8("an operand", value)).collect()
    }

    fn values<'a>(&'a self, flag: &str) -> impl Iterator<Item = &'a OsString> {
        self.flags.iter().filter(move |(name, _)| *name == flag).filter_map(|(_, value)| value.as_ref())
    }
}

fn utf8<'a>(what: &str, value: &'a OsString) -> Result<&'a str, Failure> {
    value.to_str().ok_or_else(|| usage(format!("{what} must be UTF-8")))
}

/// A command line that is wrong; where to read more is told by who knows the command.
pub fn usage(what: String) -> Failure {
    Failure::new(Exit::Usage, what)
}

/// The command line names no command.
fn no_command(what: String) -> Failure {
    usage(what).next("`loopgate help` lists the commands and what they take")
}

/// Finds the command and reads its arguments.
pub fn parse(args: Vec<OsString>) -> Result<(&'static Command, Arguments), Failure> {
    let mut words = args.into_iter().peekable();
    let Some(first) = words.peek() else {
        return Err(no_command("no command was given".to_owned()));
    };
    let name = first.to_str().unwrap_or_default();
    let flag_name = name.split_once('=').map_or(name, |(name, _)| name);
    let name = match flag_name {
        // AgentMux's launcher gives these and no command
        "--wavedata" | "--instance" => "serve",
        _ => {
            let name = match name {
                "--help" | "-h" => "help".to_owned(),
                "--version" | "-V" => "version".to_owned(),
                name => name.to_owned(),
            };
            words.next();
            &name.clone()
        }
    };
    let Some(command) = table::find(name) else {
        return Err(no_command(format!("there is no command `{}`", display::line(name))));
    };
    arguments(command, words).map(|found| match found {
        Parsed::Arguments(arguments) => (command, arguments),
        Parsed::Help => help_about(command),
    })
}

enum Parsed {
    Arguments(Arguments),
    /// `--help` stood among the flags
    Help,
}

fn help_about(command: &'static Command) -> (&'static Command, Arguments) {
    let help = table::find("help").unwrap_or(command);
    let operands = match command.audience {
        Audience::Internal => Vec::new(),
        Audience::Owner | Audience::OwnerOrAgent | Audience::Agent | Audience::Anyone => {
            vec![command.name.into()]
        }
    };
    (help, Arguments { flags: Vec::new(), operands })
}

fn arguments(
    command: &'static Command,
    mut words: impl Iterator<Item = OsString>,
) -> Result<Parsed, Failure> {
    let wrong = |what: String| usage(format!("{}: {what}", command.name)).of_command(command.name);
    let takes_rest = command.operands.iter().any(|operand| operand.count == Count::Rest);
    let mut found = Arguments::default();
    let mut flags_ended = false;
    while let Some(word) = words.next() {
        // by its bytes: one that is not UTF-8 must not pass for an operand
        let is_flag = !flags_ended && word.as_encoded_bytes().starts_with(b"-") && word != "-";
        if !is_flag {
            found.operands.push(word);
            // everything behind the first word of a command line belongs to it
            flags_ended |= takes_rest;
            continue;
        }
        let Some(text) = word.to_str() else {
            let shown = word.to_string_lossy();
            return Err(wrong(format!("the flag `{}` is not UTF-8", display::line(&shown))));
        };
        if text == "--" {
            flags_ended = true;
            continue;
        }
        if text == "--help" || text == "-h" {
            return Ok(Parsed::Help);
        }
        // the one short flag, which GenSwarms' users know
        let text = if text == "-q" { "--quiet" } else { text };
        let (name, joined) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        let Some(flag) = command.flags.iter().find(|flag| flag.name == name) else {
            return Err(wrong(format!("there is no flag `{}`", display::line(name))));
        };
        if found.has(flag.name) && !flag.repeats {
            return Err(wrong(format!("{} was given twice", flag.name)));
        }
        let value = value_of(flag, joined, &mut words).map_err(wrong)?;
        found.flags.push((flag.name, value));
    }
    let needed = |operand: &&Operand| !matches!(operand.count, Count::Optional | Count::Any);
    let least = command.operands.iter().filter(needed).count();
    let takes_any = command.operands.iter().any(|operand| operand.count == Count::Any);
    if found.operands.len() < least {
        let missing = command.operands.get(found.operands.len()).map_or("", |operand| operand.name);
        return Err(wrong(format!("{missing} is missing")));
    }
    if !takes_rest && !takes_any && found.operands.len() > command.operands.len() {
        return Err(wrong("there are more words than it takes (quote a text with spaces)".to_owned()));
    }
    Ok(Parsed::Arguments(found))
}

fn value_of(
    flag: &'static Flag,
    joined: Option<OsString>,
    words: &mut impl Iterator<Item = OsString>,
) -> Result<Option<OsString>, String> {
    match (flag.value, joined) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(format!("{} takes no value", flag.name)),
        (Some(_), Some(value)) => Ok(Some(value)),
        (Some(value), None) => match words.next() {
            Some(word) => Ok(Some(word)),
            None => Err(format!("{} needs {value}", flag.name)),
        },
    }
}

#[cfg(test)]
#[path = "parse/tests.rs"]
mod tests;
