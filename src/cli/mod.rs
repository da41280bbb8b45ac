//! The command line: a table of commands, and one handler for each.
//!
//! Parsing and help both come from [`table`]. Data goes to stdout, talk to stderr, and neither
//! being gone ends in a panic. What came from outside is shown through [`display`] only. Inside an
//! agent the owner's key file is never opened.

#![forbid(unsafe_code)]

pub mod colour;
pub mod display;
mod help;
mod man;
mod outcome;
mod output;
mod parse;
mod place;
pub mod progress;
pub mod serve;
mod shells;
mod table;
mod verbs;
mod when;

use std::{ffi::OsString, process::ExitCode};

pub use outcome::{Exit, Failure};
use output::Output;

/// Runs the program: `args` are those after its own name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let mut output = Output::standard();
    let result = parse::parse(args).and_then(|(command, arguments)| {
        verbs::may_run(command)?;
        (command.run)(&arguments, &mut output).map_err(|failure| failure.of_command(command.name))
    });
    match result {
        Ok(exit) => exit,
        Err(failure) => failure.tell(&mut output).into(),
    }
}
