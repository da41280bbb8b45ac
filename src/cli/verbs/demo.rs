//! `demo` (being built).

use std::process::ExitCode;

use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::Arguments,
};

/// `loopgate demo`.
pub fn demo(_: &Arguments, _: &mut Output) -> Result<ExitCode, Failure> {
    Err(Failure::new(Exit::Bug, "not built yet"))
}
