//! Help, written from the table of commands.
//!
//! So it cannot fall behind what is parsed: every operand and flag that the table has is explained, with
//! the table's own words, and nothing else is. No line is longer than 80 columns; examples come first,
//! because they are what most people look for.

use crate::cli::{
    outcome::CODES,
    table::{Audience, Command, Count, FIRST, Flag, Group, all, find},
};

/// Width that everything is broken at.
const WIDTH: usize = 80;

/// Widest column of names; what is longer has its explanation on the next line.
const NAMES: usize = 26;

/// What `loopgate help` prints.
pub fn overview() -> String {
    let mut text = String::from(
        "loopgate: runs command-line agents in terminals and swarms, and lets them and\n\
         you talk to each other, on loopback only.\n\n\
         usage: loopgate COMMAND [FLAGS] [WORDS]\n\nto begin with\n",
    );
    for command in FIRST.iter().filter_map(|name| find(name)) {
        text.push_str(&row(command));
    }
    for group in Group::ALL {
        text.push_str(&format!("\n{}\n", group.title()));
        let is_shown = |command: &&Command| {
            command.group == group && command.audience != Audience::Internal && !FIRST.contains(&command.name)
        };
        for command in all().filter(is_shown) {
            text.push_str(&row(command));
        }
    }
    text.push_str(
        "\n`loopgate help COMMAND` explains one. First steps: `loopgate demo`, or\n\
         `loopgate serve` in one terminal and `loopgate run -n coder -- PROGRAM` in\n\
         another.\n\n",
    );
    let codes: Vec<String> = CODES.iter().map(|(code, means)| format!("{} {means}", *code as u8)).collect();
    text.push_str(&wrapped(&format!("exit codes: {}", codes.join(", ")), 0));
    text
}

/// One line of the overview.
fn row(command: &Command) -> String {
    format!("  {:<13} {}\n", command.name, command.summary)
}

/// What `loopgate help COMMAND` prints.
pub fn about(command: &Command) -> String {
    let mut text = wrapped(&format!("loopgate {}: {}", command.name, command.summary), 0);
    if !command.examples.is_empty() {
        text.push_str("\nexamples:\n");
        for example in command.examples {
            text.push_str(&format!("  {example}\n"));
        }
    }
    text.push_str(&format!("\nusage: loopgate {}\n", usage(command)));
    if !command.aliases.is_empty() {
        text.push_str(&format!("       (also: {})\n", command.aliases.join(", ")));
    }
    let operands: Vec<_> =
        command.operands.iter().map(|operand| (operand.name.to_owned(), operand.about)).collect();
    let help = ("-h, --help".to_owned(), "say this");
    let flags: Vec<_> = command.flags.iter().map(|flag| (spelled(flag), flag.about)).chain([help]).collect();
    let longest = operands.iter().chain(&flags).map(|(name, _)| name.len()).max().unwrap_or(0);
    let column = longest.min(NAMES).saturating_add(4);
    if !operands.is_empty() {
        text.push('\n');
        text.push_str(&rows(&operands, column));
    }
    text.push_str("\nflags:\n");
    text.push_str(&rows(&flags, column));
    if !command.about.is_empty() {
        text.push('\n');
        text.push_str(&wrapped(command.about, 0));
    }
    text.push_str(match command.audience {
        Audience::Owner => "\nFor the owner; refused inside an agent.\n",
        Audience::Agent => "\nInside an agent only.\n",
        Audience::OwnerOrAgent => "\nFor the owner, and inside an agent.\n",
        Audience::Anyone | Audience::Internal => "",
    });
    text
}

/// Names with their explanations, which begin at `column`.
fn rows(rows: &[(String, &str)], column: usize) -> String {
    let mut text = String::new();
    for (name, about) in rows {
        let about = wrapped(about, column);
        let width = column.saturating_sub(2);
        if name.len() < width {
            text.push_str(&format!("  {name:<width$}{}", about.trim_start()));
        } else {
            text.push_str(&format!("  {name}\n{about}"));
        }
    }
    text
}

/// What follows `loopgate` on the command line.
pub fn usage(command: &Command) -> String {
    let mut text = command.name.to_owned();
    if !command.flags.is_empty() {
        text.push_str(" [FLAGS]");
    }
    for operand in command.operands {
        text.push_str(&match operand.count {
            Count::One => format!(" {}", operand.name),
            Count::Optional => format!(" [{}]", operand.name),
            Count::Any => format!(" [{}...]", operand.name),
            Count::Rest => format!(" [--] {} [ARGUMENT...]", operand.name),
        });
    }
    text
}

/// A flag as it is typed. Those without a letter stand below the names of those with one.
fn spelled(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    match flag.value {
        Some(value) => format!("{short}{} {value}", flag.name),
        None => format!("{short}{}", flag.name),
    }
}

/// Breaks a text into lines, each indented by `indent`.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut line = " ".repeat(indent);
    for word in text.split_whitespace() {
        if line.len() > indent && line.len().saturating_add(word.len()) > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_a_command_names_all_that_it_takes() {
        for command in all() {
            let text = about(command);
            assert!(text.contains(&format!("loopgate {}", command.name)));
            for flag in command.flags {
                assert!(text.contains(flag.name), "{} {}", command.name, flag.name);
                let short = flag.short.is_none_or(|letter| text.contains(&format!("-{letter}, --")));
                assert!(short, "{} {}", command.name, flag.name);
            }
            for operand in command.operands {
                assert!(text.contains(operand.name), "{} {}", command.name, operand.name);
            }
        }
    }

    #[test]
    fn no_line_of_any_help_is_longer_than_80_columns() {
        let shown = all().filter(|command| command.audience != Audience::Internal);
        let texts: Vec<String> = shown.map(about).chain([overview()]).collect();
        let lines = || texts.iter().flat_map(|text| text.lines());
        let long: Vec<_> = lines().filter(|line| line.chars().count() > WIDTH).collect();
        assert_eq!(long, [""; 0], "longer than {WIDTH} columns");
        assert!(lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn the_overview_names_every_command_once_but_the_internal_ones() {
        let text = overview();
        for command in all() {
            let listed = text.matches(&format!("\n  {:<14}", command.name)).count();
            assert_eq!(listed, usize::from(command.audience != Audience::Internal), "{}", command.name);
        }
    }

    #[test]
    fn examples_stand_before_everything_else() {
        for command in all().filter(|command| command.audience != Audience::Internal) {
            let text = about(command);
            let at = |part: &str| text.find(part).expect(part);
            assert!(at("\nexamples:\n") < at("\nusage: "), "{text}");
            assert!(at("\nusage: ") < at("\nflags:\n"), "{text}");
        }
    }
}
