//! `loopgate keeper`: holds one agent's tree, and ends it.

use std::process::ExitCode;

/// The program of the keeper process: reads its order from descriptor 0.
pub fn run() -> ExitCode {
    todo!()
}
