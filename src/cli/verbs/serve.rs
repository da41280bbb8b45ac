//! `serve`, `keeper`, `sandbox-shim` and `sandbox-probe`: the commands that are not clients.

use std::process::ExitCode;

use crate::{
    agent::keeper,
    cli::{
        outcome::Failure,
        output::Output,
        parse::{Arguments, usage},
        serve::{self, ServeArgs},
    },
    egress::{probe, shim},
};

/// `loopgate serve`.
pub fn serve(arguments: &Arguments, _: &mut Output) -> Result<ExitCode, Failure> {
    let agent_user = arguments.text("--agent-user")?.map(str::to_owned);
    let key_fd = arguments.number("--key-fd", 0..=i64::from(i32::MAX))?.and_then(|fd| i32::try_from(fd).ok());
    serve::run(&ServeArgs {
        watch_stdin: arguments.has("--watch-stdin"),
        watch_parent: arguments.has("--watch-parent"),
        key_fd,
        wavedata: arguments.path("--wavedata"),
        instance: arguments.text("--instance")?.map(str::to_owned),
        agent_user,
    })
}

/// `loopgate keeper`.
pub fn keeper(arguments: &Arguments, _: &mut Output) -> Result<ExitCode, Failure> {
    let numbers = arguments.operands()?;
    let pipes = numbers.iter().map(|number| number.parse()).collect::<Result<Vec<_>, _>>();
    Ok(keeper::run(&pipes.map_err(|_| usage("keeper: a descriptor is a number".to_owned()))?))
}

/// `loopgate sandbox-shim`.
pub fn sandbox_shim(arguments: &Arguments, _: &mut Output) -> Result<ExitCode, Failure> {
    let socket = arguments
        .required(0)?
        .parse()
        .map_err(|_| usage("sandbox-shim: a descriptor is a number".to_owned()))?;
    Ok(shim::run(socket))
}

/// `loopgate sandbox-probe`.
pub fn sandbox_probe(arguments: &Arguments, _: &mut Output) -> Result<ExitCode, Failure> {
    let words: Vec<String> = arguments.operands()?.iter().map(ToString::to_string).collect();
    Ok(probe::run(&words))
}
