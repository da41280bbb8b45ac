//! Colours, decided once: for what is printed for a person at a terminal, and nowhere else.
//!
//! There are none where the stream is no terminal, where NO_COLOR is set to anything, and where TERM is unset or
//! `dumb`. A colour only stresses a word that says the same without it. What is painted has been through the
//! display filter before: the sequences here are the program's own, and each ends what it began.

use std::{ffi::OsString, io::IsTerminal};

/// Whether to paint, for one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// as it should be
    Good,
    /// wrong
    Bad,
    /// to be looked at
    Warn,
    /// at work, or worth reading
    Note,
    /// of less interest
    Dim,
}

impl Tone {
    /// The number of the sequence that begins it.
    fn code(self) -> u8 {
        match self {
            Self::Good => 32,
            Self::Bad => 31,
            Self::Warn => 33,
            Self::Note => 36,
            Self::Dim => 2,
        }
    }
}

impl Paint {
    /// For stdout of this process.
    pub fn of_stdout() -> Self {
        Self::decide(std::io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    /// For stderr of this process.
    pub fn of_stderr() -> Self {
        Self::decide(std::io::stderr().is_terminal(), |name| std::env::var_os(name))
    }

    /// Never, whatever the tests' stdout is.
    #[cfg(test)]
    pub const NONE: Self = Self { on: false };

    /// Always.
    #[cfg(test)]
    pub const ALWAYS: Self = Self { on: true };

    fn decide(to_a_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let knows_colours = set("TERM").is_some_and(|term| term != "dumb");
        Self { on: to_a_terminal && knows_colours && set("NO_COLOR").is_none() }
    }

    /// The text in a tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    /// The state of an agent, an object or a swarm, by the first word of the text.
    pub fn state(self, text: &str) -> String {
        let tone = match text.split([' ', '(']).next().unwrap_or_default() {
            "running" | "started" | "idle" | "ready" | "ok" => Tone::Good,
            "working" | "starting" | "initializing" | "delivered" => Tone::Note,
            "waiting_input" | "waiting" | "paused" | "stopping" => Tone::Warn,
            "error" | "crashed" | "failed" | "dead" => Tone::Bad,
            "done" | "stopped" | "expired" => Tone::Dim,
            _ => return text.to_owned(),
        };
        self.tone(tone, text)
    }

    /// A name, so that several are told apart: always the same colour for the same one.
    pub fn name(self, text: &str) -> String {
        const COLOURS: [u8; 6] = [36, 33, 35, 32, 34, 31];
        let sum =
            text.trim_end().bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        match COLOURS.get(sum % COLOURS.len()) {
            Some(colour) if self.on && !text.is_empty() => format!("\x1b[{colour}m{text}\x1b[0m"),
            Some(_) | None => text.to_owned(),
        }
    }

    /// The level of an event.
    pub fn level(self, text: &str) -> String {
        let tone = match text.trim_end() {
            "error" => Tone::Bad,
            "warning" => Tone::Warn,
            "info" => Tone::Note,
            "debug" => Tone::Dim,
            _ => return text.to_owned(),
        };
        self.tone(tone, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(terminal: bool, variables: &[(&str, &str)]) -> bool {
        let find = |name: &str| variables.iter().find(|(found, _)| *found == name).map(|(_, v)| v.into());
        Paint::decide(terminal, find).on
    }

    #[test]
    fn colours_are_for_a_terminal_that_knows_them_where_nobody_forbids_them() {
        assert!(decided(true, &[("TERM", "xterm")]));
        assert!(decided(true, &[("TERM", "xterm"), ("NO_COLOR", "")]));
        for (terminal, variables) in [
            (false, &[("TERM", "xterm")][..]),
            (true, &[]),
            (true, &[("TERM", "")]),
            (true, &[("TERM", "dumb")]),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")]),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "0")]),
        ] {
            assert!(!decided(terminal, variables), "{terminal} {variables:?}");
        }
    }

    #[test]
    fn what_is_painted_says_the_same_without_its_colour() {
        let (on, off) = (Paint { on: true }, Paint { on: false });
        assert_eq!(on.state("done (exit 1)"), "\x1b[2mdone (exit 1)\x1b[0m");
        assert_eq!(on.level("error"), "\x1b[31merror\x1b[0m");
        for (code, states) in [
            (32, &["running", "started", "idle", "ready", "ok"][..]),
            (36, &["working", "starting", "initializing", "delivered"]),
            (33, &["waiting_input", "waiting", "paused", "stopping"]),
            (31, &["error", "crashed", "failed", "dead"]),
            (2, &["done", "stopped", "expired"]),
        ] {
            for state in states {
                assert_eq!(on.state(state), format!("\x1b[{code}m{state}\x1b[0m"));
            }
        }
        for word in ["running", "error", "waiting_input", "something else", ""] {
            assert_eq!(off.state(word), word);
            assert_eq!(off.level(word), word);
            assert_eq!(off.name(word), word);
        }
        assert_eq!(on.state("something else"), "something else");
        assert_eq!(on.tone(Tone::Good, ""), "");
        assert_eq!(on.name("coder").replace("coder", "coder  "), on.name("coder  "));
    }
}
