//! Completions for bash: the data of `loopgate.bash`.
//!
//! Rows of `case`, whose patterns and words are names of the table. bash shows no explanations.

use super::{commands, kind, names, spellings, words};
use crate::cli::table::{Command, Count, Kind};

/// The script.
pub fn script() -> String {
    let verbs: Vec<&str> = commands().map(|command| command.name).collect();
    include_str!("loopgate.bash")
        .replace("@VERBS@", &verbs.join(" "))
        .replace("@FLAGS@\n", &commands().map(flags).collect::<String>())
        .replace("@VALUES@\n", &commands().map(values).collect::<String>())
        .replace("@OPERANDS@\n", &commands().map(operands).collect::<String>())
}

/// The row of a command's flags.
fn flags(command: &Command) -> String {
    let flags: Vec<String> = command.flags.iter().flat_map(spellings).collect();
    let pattern: Vec<&str> = names(command).collect();
    format!(
        "        {}) kind=(word {}) ;;\n",
        pattern.join("|"),
        [&flags[..], &["-h".into(), "--help".into()]].concat().join(" ")
    )
}

/// A row for each flag that takes a value.
fn values(command: &Command) -> String {
    let takes = command.flags.iter().filter(|flag| flag.value.is_some());
    takes.map(|flag| row(command, &spellings(flag), flag.kind)).collect()
}

/// A row for each operand; one that stands there any number of times comes last.
fn operands(command: &Command) -> String {
    let place = |(at, count): (usize, Count)| match count {
        Count::One | Count::Optional => at.to_string(),
        Count::Any | Count::Rest => "*".to_owned(),
    };
    let rows = command.operands.iter().enumerate();
    rows.map(|(at, operand)| row(command, &[place((at, operand.count))], operand.kind)).collect()
}

fn row(command: &Command, places: &[String], of: Kind) -> String {
    let patterns: Vec<String> =
        names(command).flat_map(|name| places.iter().map(move |place| format!("{name}:{place}"))).collect();
    let kind: Vec<&str> = [kind(of)].into_iter().chain(words(of).iter().copied()).collect();
    format!("        {}) kind=({}) ;;\n", patterns.join("|"), kind.join(" "))
}
