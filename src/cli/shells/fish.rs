//! Completions for fish: the data of `loopgate.fish`.
//!
//! Rows of `complete`. Everything is in single quotes, where only a backslash and a quote mean something.
//! fish evaluates what stands behind `-a` and `-n`: there only names of the table and fixed calls stand.

use super::{brief, commands, kind, names, words};
use crate::cli::table::{Command, Count, Flag, Kind};

/// The script.
pub fn script() -> String {
    let verbs: String = commands()
        .map(|command| {
            format!(
                "complete -c loopgate -n __loopgate_begins -f -a {} -d {}\n",
                command.name,
                quoted(command.summary)
            )
        })
        .collect();
    let names: Vec<&str> = commands().map(|command| command.name).collect();
    include_str!("loopgate.fish")
        .replace("@NAMES@", &names.join(" "))
        .replace("@VERBS@\n", &verbs)
        .replace("@VALUES@\n", &commands().map(values).collect::<String>())
        .replace("@OPERANDS@\n", &commands().map(operands).collect::<String>())
        .replace("@COMMANDS@\n", &commands().flat_map(rows).collect::<String>())
}

/// Which of a command's flags take a value.
fn values(command: &Command) -> String {
    let takes = command.flags.iter().filter(|flag| flag.value.is_some());
    let flags: Vec<String> = takes.flat_map(super::spellings).collect();
    let names: Vec<&str> = names(command).collect();
    if flags.is_empty() {
        return String::new();
    }
    format!("        case {}\n            set takes {}\n", names.join(" "), flags.join(" "))
}

/// What a command's operands are, in order; the last word stands for all that follow where it ends in `...`.
fn operands(command: &Command) -> String {
    let words: Vec<String> = command
        .operands
        .iter()
        .map(|operand| match operand.count {
            Count::One | Count::Optional => kind(operand.kind).to_owned(),
            Count::Any | Count::Rest => format!("{}...", kind(operand.kind)),
        })
        .collect();
    let names: Vec<&str> = names(command).collect();
    if words.is_empty() {
        return String::new();
    }
    format!("        case {}\n            set kinds {}\n", names.join(" "), words.join(" "))
}

/// A command's flags, and the words of its operands that are from a list.
fn rows(command: &Command) -> Vec<String> {
    let names: Vec<&str> = names(command).collect();
    let names = names.join(" ");
    let flags = command.flags.iter().map(|flag| row(&names, flag));
    let lists = command.operands.iter().enumerate().filter(|(_, operand)| !words(operand.kind).is_empty());
    let lists = lists.map(|(at, operand)| {
        let words = words(operand.kind).join(" ");
        format!(
            "complete -c loopgate -n '__loopgate_at {at} {names}' -f -a '{words}' -d {}\n",
            quoted(&brief(operand.about))
        )
    });
    flags.chain(lists).collect()
}

fn row(names: &str, flag: &Flag) -> String {
    let short = flag.short.map_or_else(String::new, |letter| format!(" -s {letter}"));
    let long = flag.name.trim_start_matches('-');
    let value = if flag.value.is_some() { action(flag.kind) } else { "".to_owned() };
    format!(
        "complete -c loopgate -n '__loopgate_in {names}'{short} -l {long}{value} -d {}\n",
        quoted(&brief(flag.about))
    )
}

/// How the value of a flag is completed.
fn action(of: Kind) -> String {
    match of {
        Kind::File => " -r -F".to_owned(),
        Kind::Text => " -x".to_owned(),
        Kind::Word(_) => format!(" -x -a '{}'", words(of).join(" ")),
        Kind::Directory
        | Kind::FileOrSwarm
        | Kind::Agent
        | Kind::AnyAgent
        | Kind::SwarmOrAgent
        | Kind::Swarm
        | Kind::SwarmAgent
        | Kind::Verb
        | Kind::Variable
        | Kind::Program => format!(" -x -a '(__loopgate_offer {})'", kind(of)),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
