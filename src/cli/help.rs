//! Help, written from the table of commands.
//!
//! So it cannot fall behind what is parsed: every operand and flag that the table has is explained, with
//! the table's own words, and nothing else is.

use crate::cli::table::{Audience, Command, Count, Flag, all};

/// Width that the texts are broken at.
const WIDTH: usize = 96;

/// What `loopgate help` prints.
pub fn overview() -> String {
    let mut text = String::from(
        "loopgate: runs command-line agents in terminals and lets them and you talk to each other,\n\
         on loopback only.\n\nusage: loopgate COMMAND [ARGUMENTS]\n\n",
    );
    let shown = all().filter(|command| command.audience != Audience::Internal);
    for command in shown {
        text.push_str(&format!("  {:<12}{}\n", command.name, command.summary));
    }
    text.push_str(
        "\n`loopgate help COMMAND` explains one. First steps: `loopgate demo`, or `loopgate serve` in one\n\
         terminal and `loopgate run --name coder -- COMMAND` in another.\n\n\
         exit codes: 0 done, 1 refused or negative, 2 usage, 65 bad data, 69 no instance runs, 70 a bug,\n\
         73 cannot create, 75 try later, 77 not permitted, 78 bad configuration\n",
    );
    text
}

/// What `loopgate help COMMAND` prints.
pub fn about(command: &Command) -> String {
    let mut text = format!("loopgate {}: {}\n\nusage: {}\n", command.name, command.summary, usage(command));
    if !command.about.is_empty() {
        text.push('\n');
        text.push_str(&wrapped(command.about, 0));
    }
    let operands = command.operands.iter().map(|operand| (operand.name.to_owned(), operand.about));
    let flags = command.flags.iter().map(|flag| (spelled(flag), flag.about));
    let rows: Vec<_> = operands.chain(flags).collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).saturating_add(4);
    if !rows.is_empty() {
        text.push('\n');
    }
    for (name, about) in rows {
        let about = wrapped(about, width);
        text.push_str(&format!("  {name:<pad$}{}", about.trim_start(), pad = width.saturating_sub(2)));
    }
    if !command.examples.is_empty() {
        text.push_str("\nexamples:\n");
        for example in command.examples {
            text.push_str(&format!("  {example}\n"));
        }
    }
    match command.audience {
        Audience::Owner => text.push_str("\nFor the owner; refused inside an agent.\n"),
        Audience::Agent => text.push_str("\nInside an agent only.\n"),
        Audience::OwnerOrAgent => text.push_str("\nFor the owner, and inside an agent.\n"),
        Audience::Anyone | Audience::Internal => {}
    }
    text
}

fn usage(command: &Command) -> String {
    let mut text = format!("loopgate {}", command.name);
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

fn spelled(flag: &Flag) -> String {
    match flag.value {
        Some(value) => format!("{} {value}", flag.name),
        None => flag.name.to_owned(),
    }
}

/// Breaks a text into lines, each indented by `indent`.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut line = " ".repeat(indent);
    for word in text.split_whitespace() {
        if line.len() > indent && line.len().saturating_add(word.len()) >= WIDTH {
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
            }
            for operand in command.operands {
                assert!(text.contains(operand.name), "{} {}", command.name, operand.name);
            }
            assert!(text.lines().all(|line| line.len() <= 110), "{text}");
        }
    }

    #[test]
    fn the_overview_names_every_command_but_the_internal_ones() {
        let text = overview();
        for command in all() {
            let listed = text.contains(&format!("\n  {:<12}", command.name));
            assert_eq!(listed, command.audience != Audience::Internal, "{}", command.name);
        }
    }
}
