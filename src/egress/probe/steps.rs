//! Parts of probes that need a process of their own.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use super::answers::name_of;
use crate::sys::attempt::{self, Attempt};

/// Our own program, also where no path leads to it.
pub(super) const PROGRAM: &str = "/proc/self/exe";
/// The verb of this program.
pub const VERB: &str = "sandbox-probe";
/// Makes a user namespace, and says how that went.
pub(super) const UNSHARE: &str = "unshare";
/// Waits until its input ends.
pub(super) const WAIT: &str = "wait";
/// Starts `linger` in a session of its own, and ends.
pub const LEAVE: &str = "leave";
/// Stays until it is killed, or half a minute.
const LINGER: &str = "linger";
/// What a step says that worked.
pub(super) const DONE: &str = "done";

const STAY: Duration = Duration::from_secs(30);

/// Runs one step.
pub(super) fn run(step: &str, rest: &[String]) -> ExitCode {
    match step {
        UNSHARE => {
            let word = match attempt::attempt(Attempt::UserNamespace) {
                Ok(()) => DONE.to_owned(),
                Err(error) => name_of(&error),
            };
            said(&word)
        }
        WAIT => {
            let _ = io::stdin().read(&mut [0; 1]);
            ExitCode::SUCCESS
        }
        LEAVE => leave(rest),
        LINGER => {
            // Nothing ends this process but its time, whoever goes away.
            let _ = attempt::attempt(Attempt::Session);
            thread::park_timeout(STAY);
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(2),
    }
}

/// Runs a step of this program as a process of its own; what it says.
pub(super) fn run_as_process(step: &str) -> io::Result<String> {
    let output = Command::new(PROGRAM)
        .args([VERB, "step", step])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Leaves a process behind that has nothing to do with us any more: another session, another group, streams of
/// its own. The word behind it is how it is found.
fn leave(rest: &[String]) -> ExitCode {
    let mut command = Command::new(PROGRAM);
    command.args([VERB, "step", LINGER]).args(rest).process_group(0);
    match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        // Not waited for: that is the point.
        Ok(_) => said(DONE),
        Err(error) => said(&name_of(&error)),
    }
}

fn said(word: &str) -> ExitCode {
    match writeln!(io::stdout(), "{word}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
