//! From the words of the command line to a command and its arguments, by the table.
//!
//! Flags stand before or behind operands, `--` ends them, and a value is the next word or stands behind
//! `=`. Letters behind one dash are flags of their own (`-fn 5` is `-f -n 5`), and what stands behind the
//! letter of one that takes a value is the value (`-n5`). What is unknown, missing or too much is an error
//! that says what was meant, where that is near, and where to read more; nothing is guessed or abbreviated.

use std::{ffi::OsString, path::PathBuf};

use crate::cli::{
    display,
    outcome::{Exit, Failure},
    table::{self, Audience, Command, Count, Flag, Kind, Operand},
};
use crate::wire::nearest::nearest;

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
            None => {
                let (least, most) = (range.start(), *range.end());
                let bounds = if most == i64::MAX { "on".to_owned() } else { format!("to {most}") };
                let given = display::line(text);
                Err(usage(format!("{flag} takes a number from {least} {bounds} and not `{given}`")))
            }
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

/// A command that is not there: with what is used here in the place of a verb of GenSwarms or AgentMux, or
/// with the name that was probably meant.
pub fn unknown(name: &str) -> Failure {
    let what = format!("there is no command `{}`", display::line(name));
    if let Some((_, here)) = table::ELSEWHERE.iter().find(|(verb, _)| *verb == name) {
        return usage(what).next(*here);
    }
    let shown = table::all().filter(|command| command.audience != Audience::Internal);
    match nearest(name, shown.flat_map(|command| command.aliases.iter().copied().chain([command.name]))) {
        Some(meant) => usage(format!("{what}; did you mean `{meant}`?"))
            .next(format!("`loopgate help {meant}` says what it takes, `loopgate help` lists the commands")),
        None => match nearest(name, ["--help", "--version"]).filter(|_| name.starts_with("--")) {
            Some(meant) => no_command(format!("{what}; did you mean `{meant}`?")),
            None => no_command(what),
        },
    }
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
                "--version" | "-v" | "-V" => "version".to_owned(),
                name => name.to_owned(),
            };
            words.next();
            &name.clone()
        }
    };
    let Some(command) = table::find(name) else {
        return Err(unknown(name));
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
        let helps = match text.strip_prefix("--") {
            Some(_) => found.long(command, text, &mut words),
            None => found.letters(command, text.get(1..).unwrap_or_default(), &mut words),
        };
        if helps.map_err(wrong)? {
            return Ok(Parsed::Help);
        }
    }
    counted(command, &found).map_err(wrong)?;
    for (operand, given) in command.operands.iter().zip(&mut found.operands) {
        one_of(operand.name, operand.kind, given).map_err(wrong)?;
    }
    Ok(Parsed::Arguments(found))
}

impl Arguments {
    /// A flag by its name, with its value behind `=` or as the next word; true where it asks for help.
    fn long(
        &mut self,
        command: &'static Command,
        text: &str,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<bool, String> {
        let (name, joined) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        if text == "--help" {
            return Ok(true);
        }
        let Some(flag) = command.flags.iter().find(|flag| flag.name == name) else {
            let known = command.flags.iter().map(|flag| flag.name).chain(["--help"]);
            let meant =
                nearest(name, known).map_or_else(dashes, |meant| format!("; did you mean `{meant}`?"));
            return Err(format!("there is no flag `{}`{meant}", display::line(name)));
        };
        self.give(flag, flag.name, joined, words)?;
        Ok(false)
    }

    /// Letters of flags without a value, the last of which may take one; true where one asks for help.
    fn letters(
        &mut self,
        command: &'static Command,
        letters: &str,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<bool, String> {
        let mut behind = letters.chars();
        while let Some(letter) = behind.next() {
            let flag = command.flags.iter().find(|flag| flag.short == Some(letter));
            let Some(flag) = flag else {
                if letter == 'h' {
                    return Ok(true);
                }
                let letter = display::line(&letter.to_string());
                return Err(format!("there is no flag `-{letter}`{}", dashes()));
            };
            let takes_value = flag.value.is_some();
            let joined = Some(behind.as_str()).filter(|rest| takes_value && !rest.is_empty());
            self.give(flag, &format!("-{letter}"), joined.map(OsString::from), words)?;
            if takes_value {
                break;
            }
        }
        Ok(false)
    }

    /// A flag, as it was `spelled`, with its value.
    fn give(
        &mut self,
        flag: &'static Flag,
        spelled: &str,
        joined: Option<OsString>,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), String> {
        if self.has(flag.name) && !flag.repeats {
            return Err(format!("{spelled} was given twice"));
        }
        let mut value = match (flag.value, joined) {
            (None, None) => None,
            (None, Some(_)) => return Err(format!("{spelled} takes no value")),
            (Some(_), Some(value)) => Some(value),
            (Some(name), None) => {
                Some(words.next().ok_or_else(|| format!("{spelled} needs a value: {spelled} {name}"))?)
            }
        };
        if let Some(value) = &mut value {
            one_of(spelled, flag.kind, value)?;
        }
        self.flags.push((flag.name, value));
        Ok(())
    }
}

/// What is said to a word that looks like a flag and is like none.
fn dashes() -> String {
    " (before words that begin with a dash and are no flags stands `--`)".to_owned()
}

/// Whether there are as many operands as the command takes.
fn counted(command: &Command, found: &Arguments) -> Result<(), String> {
    let needed = |operand: &&Operand| !matches!(operand.count, Count::Optional | Count::Any);
    let least = command.operands.iter().filter(needed).count();
    let no_end = command.operands.iter().any(|operand| matches!(operand.count, Count::Any | Count::Rest));
    if found.operands.len() < least {
        let missing = command.operands.get(found.operands.len()).map_or("", |operand| operand.name);
        return Err(format!("{missing} is missing"));
    }
    if !no_end && found.operands.len() > command.operands.len() {
        return Err("there are more words than it takes (quote a text with spaces)".to_owned());
    }
    Ok(())
}

/// Of a list of words only these count, in capitals or not; what is kept is the list's own spelling.
fn one_of(of: &str, kind: Kind, value: &mut OsString) -> Result<(), String> {
    let Kind::Word(words) = kind else { return Ok(()) };
    let given = value.to_string_lossy();
    if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(&given)) {
        *value = OsString::from(word);
        return Ok(());
    }
    let meant = nearest(&given, words.iter().copied());
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    Err(format!("{of} takes {} and not `{}`{meant}", listed(words), display::line(&given)))
}

/// Words as a sentence lists them.
pub fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => format!("`{word}`"),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

#[cfg(test)]
#[path = "parse/tests.rs"]
mod tests;
