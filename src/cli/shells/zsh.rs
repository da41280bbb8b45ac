//! Completions for zsh: the data of `loopgate.zsh`.
//!
//! Rows of `_arguments`. Explanations are quoted twice: for `_arguments`, where brackets, colons and
//! backslashes mean something, and for the shell, in single quotes.

use super::{brief, commands, kind, names, words};
use crate::cli::table::{Command, Count, Flag, Kind, Operand};

/// The script.
pub fn script() -> String {
    let verbs: String = commands()
        .map(|command| format!("        {}\n", quoted(&format!("{}:{}", command.name, command.summary))))
        .collect();
    include_str!("loopgate.zsh")
        .replace("@VERBS@\n", &verbs)
        .replace("@COMMANDS@\n", &commands().map(rows).collect::<String>())
}

/// The rows of a command.
fn rows(command: &Command) -> String {
    let pattern: Vec<&str> = names(command).collect();
    let flags = command.flags.iter().map(flag);
    let operands = command.operands.iter().enumerate().map(|(at, one)| operand(at, one));
    let rows: String = flags.chain(operands).map(|row| format!(" \\\n                {row}")).collect();
    format!("        {})\n            _arguments -s -S $help{rows}\n            ;;\n", pattern.join("|"))
}

/// A flag, with its letter and its value.
fn flag(flag: &Flag) -> String {
    let about = escaped(&brief(flag.about));
    // `+` and `=`: the value stands in the same word or in the next
    let spec = |before: &str, name: &str, sign: &str| match flag.value {
        Some(value) => {
            quoted(&format!("{before}{name}{sign}[{about}]:{}:{}", escaped(value), action(flag.kind)))
        }
        None => quoted(&format!("{before}{name}[{about}]")),
    };
    let before = match (flag.repeats, flag.short) {
        (true, _) => "*".to_owned(),
        (false, None) => String::new(),
        // one spelling makes the other needless
        (false, Some(letter)) => format!("(-{letter} {})", flag.name),
    };
    let long = spec(&before, flag.name, "=");
    let short = flag.short.map(|letter| spec(&before, &format!("-{letter}"), "+") + " ");
    short.unwrap_or_default() + &long
}

/// An operand at its place.
fn operand(at: usize, operand: &Operand) -> String {
    let (name, does) = (escaped(operand.name), action(operand.kind));
    let place = at.saturating_add(1);
    match operand.count {
        Count::One => quoted(&format!("{place}:{name}:{does}")),
        Count::Optional => quoted(&format!("{place}::{name}:{does}")),
        Count::Any => quoted(&format!("*:{name}:{does}")),
        // what stands behind the program is the program's own: no flag of ours any more
        Count::Rest => {
            format!("{} {}", quoted(&format!("(-){place}:{name}:{does}")), quoted("*:: :_normal"))
        }
    }
}

/// What completes a kind.
fn action(of: Kind) -> String {
    match of {
        Kind::Text => " ".to_owned(),
        Kind::File => "_files".to_owned(),
        Kind::Directory => "_files -/".to_owned(),
        Kind::Word(_) => format!("({})", words(of).join(" ")),
        Kind::Program => "_command_names -e".to_owned(),
        Kind::Verb
        | Kind::FileOrSwarm
        | Kind::Agent
        | Kind::AnyAgent
        | Kind::SwarmOrAgent
        | Kind::Swarm
        | Kind::SwarmAgent
        | Kind::Variable => format!("_loopgate_{}", kind(of)),
    }
}

/// For `_arguments`.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | '[' | ']' | ':') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// For the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
