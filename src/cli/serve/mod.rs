//! `loopgate serve`: puts an instance together, tells that it is ready, and ends it.

use std::{path::PathBuf, process::ExitCode};

mod logger;
pub mod settings;

/// The arguments of `serve`.
#[derive(Debug, Default, Clone)]
pub struct ServeArgs {
    /// end when stdin closes
    pub watch_stdin: bool,
    /// end when the process that started us does
    pub watch_parent: bool,
    /// read the owner key from this descriptor
    pub key_fd: Option<i32>,
    /// the home; beats the environment
    pub wavedata: Option<PathBuf>,
    /// what the ready line's `instance:` shows
    pub instance: Option<String>,
}

/// Serves until a signal, or until what it was told to watch is gone.
pub fn run(args: &ServeArgs) -> ExitCode {
    let _ = (args, logger::start as fn());
    ExitCode::from(70)
}
