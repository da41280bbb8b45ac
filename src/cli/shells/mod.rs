//! Completions: for each shell a fixed script, with data from the table of commands.
//!
//! The data are names and words, which hold letters, digits, `_` and `-` alone, and explanations, which are
//! quoted by the shell's own rule: nothing of them is ever evaluated. What a script asks while somebody types
//! is `loopgate names`, and of its answer it takes lines that are names by the same rule.

mod bash;
mod fish;
mod zsh;

use crate::cli::table::{Audience, Command, Flag, Kind, all};

/// The script for a shell of [`SHELLS`].
pub fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash::script()),
        "zsh" => Some(zsh::script()),
        "fish" => Some(fish::script()),
        _ => None,
    }
}

/// The shells that there are completions for.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The commands that are offered.
fn commands() -> impl Iterator<Item = &'static Command> {
    all().filter(|command| command.audience != Audience::Internal)
}

/// A command's name and its other names.
fn names(command: &Command) -> impl Iterator<Item = &'static str> + use<> {
    [command.name].into_iter().chain(command.aliases.iter().copied())
}

/// A flag as it may be typed: `-f`, `--follow`.
fn spellings(flag: &Flag) -> Vec<String> {
    let short = flag.short.map(|letter| format!("-{letter}"));
    short.into_iter().chain([flag.name.to_owned()]).collect()
}

/// What the scripts call a kind.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::FileOrSwarm => "file-or-swarm",
        Kind::Agent => "agent",
        Kind::AnyAgent => "any-agent",
        Kind::SwarmOrAgent => "swarm-or-agent",
        Kind::Swarm => "swarm",
        Kind::SwarmAgent => "member",
        Kind::Verb => "verb",
        Kind::Word(_) => "word",
        Kind::Variable => "variable",
        Kind::Program => "program",
    }
}

/// The words of a kind that has some.
fn words(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Word(words) => words,
        Kind::Text
        | Kind::File
        | Kind::Directory
        | Kind::FileOrSwarm
        | Kind::Agent
        | Kind::AnyAgent
        | Kind::SwarmOrAgent
        | Kind::Swarm
        | Kind::SwarmAgent
        | Kind::Verb
        | Kind::Variable
        | Kind::Program => &[],
    }
}

/// Most characters of an explanation beside a flag.
const BRIEF: usize = 60;

/// The beginning of an explanation, as far as it fits beside a flag: its first clause, and of that whole words.
fn brief(about: &str) -> String {
    let clause = ["; ", ": ", " ("].iter().filter_map(|end| about.split_once(end)).map(|(first, _)| first);
    // one word says nothing by itself
    let clause =
        clause.min_by_key(|clause| clause.len()).filter(|clause| clause.contains(' ')).unwrap_or(about);
    let mut text = String::new();
    for word in clause.split_whitespace() {
        if text.chars().count().saturating_add(word.chars().count()) > BRIEF {
            return text.trim_end_matches([' ', ',']).to_owned() + " ...";
        }
        text.push_str(word);
        text.push(' ');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::FIRST;

    #[test]
    fn what_goes_into_the_scripts_unquoted_are_names_and_words() {
        let plain = |word: &str| {
            assert!(!word.is_empty());
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)), "{word:?}");
        };
        for command in all() {
            names(command).for_each(plain);
            command.flags.iter().flat_map(spellings).for_each(|flag| plain(&flag));
            let kinds = command.flags.iter().map(|flag| flag.kind);
            for kind in kinds.chain(command.operands.iter().map(|operand| operand.kind)) {
                words(kind).iter().for_each(|word| plain(word));
            }
        }
    }

    #[test]
    fn each_script_has_every_command_and_flag_and_no_placeholder_is_left() {
        for shell in SHELLS {
            let text = script(shell).expect("a script");
            for part in ["VERBS", "NAMES", "FLAGS", "VALUES", "OPERANDS", "COMMANDS"] {
                assert!(!text.contains(&format!("@{part}@")), "{shell}: {part}");
            }
            for command in commands() {
                assert!(text.contains(command.name), "{shell} {}", command.name);
                for flag in command.flags {
                    let name = flag.name.trim_start_matches('-');
                    assert!(text.contains(name), "{shell} {}", flag.name);
                }
            }
            assert!(FIRST.iter().all(|name| text.contains(name)));
            assert!(!text.contains("keeper"), "{shell}");
        }
        assert!(script("tcsh").is_none());
    }

    #[test]
    fn a_brief_explanation_is_one_clause_of_whole_words() {
        assert_eq!(brief("wait for more, until Ctrl-C"), "wait for more, until Ctrl-C");
        assert_eq!(brief("the silence (default: 500)"), "the silence");
        let long = brief("a word and another and so on and so forth until there is no room left for it");
        assert_eq!(long, "a word and another and so on and so forth until there is no ...");
    }
}
