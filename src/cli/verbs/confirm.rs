//! Whether what cannot be undone is meant.
//!
//! On a terminal it is asked, on stderr, and only yes is a yes. Where nobody can be asked, `--force` says it:
//! silence never does.

use std::io::{self, BufRead, IsTerminal, Read};

use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, usage},
};

/// Longest answer that is read.
const ANSWER: u64 = 256;

/// Goes on where `--force` was given or the question is answered with yes. `what` is what will be done, as it
/// stands behind "this".
pub fn confirmed(arguments: &Arguments, what: &str, output: &mut Output) -> Result<(), Failure> {
    if arguments.has("--force") {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(usage(format!("nothing was done: this {what}, and there is no terminal to ask on"))
            .next("--force does it without asking"));
    }
    output.say(&format!("this {what}. Go on? [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().lock().take(ANSWER).read_line(&mut answer);
    if read.is_ok() && is_yes(&answer) {
        return Ok(());
    }
    Err(Failure::new(Exit::Negative, "nothing was done"))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_a_yes() {
        for yes in ["y\n", "Y", " yes \n", "YES"] {
            assert!(is_yes(yes), "{yes}");
        }
        for no in ["", "\n", "n", "yes please", "ye", "ja", "yy"] {
            assert!(!is_yes(no), "{no}");
        }
    }
}
