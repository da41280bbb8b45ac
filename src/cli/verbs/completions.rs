//! `completions`: the script by which a shell completes command lines of loopgate.

use std::process::ExitCode;

use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, usage},
    shells,
};

/// `loopgate completions`.
pub fn completions(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    // the parser takes no other shell than those of the list
    let script = shells::script(arguments.required(0)?).ok_or_else(|| usage("no such shell".to_owned()))?;
    output.bytes(script.as_bytes())?;
    Ok(Exit::Ok.into())
}
