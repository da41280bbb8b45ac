//! Programs that a config's file names relative to itself: `./agent.sh` beside the file.
//!
//! Only a file has a directory. A document that came over the network has none, and a program relative to an
//! agent's own directory would be one that the agent itself may write: there it is an error.

use std::path::{Component, Path, PathBuf};

use super::{Config, Handler};
use crate::wire::document::Wrong;

/// With every relative program taken from this directory.
pub fn beside(mut config: Config, directory: &Path) -> Config {
    for agent in &mut config.agents {
        if let Some(command) = &mut agent.command {
            place(command, directory);
        }
        agent.config = agent.config_value();
    }
    for object in &mut config.objects {
        match &mut object.handler {
            Handler::Process { command } => place(command, directory),
            Handler::BuiltIn(_) => {}
        }
    }
    config
}

/// The config, if it names no program relative to a file.
pub fn no_relative(config: Config) -> Result<Config, Wrong> {
    let wrong = |at: usize, path: [&str; 3]| {
        let [command, place, list] = path;
        let why = "must be the name of a program in PATH, or an absolute path: there is no file that it could be relative to";
        Err(Wrong::new("relative_command", why).within(0).under(command).under(place).within(at).under(list))
    };
    let agent = config.agents.iter().position(|agent| agent.command.as_deref().is_some_and(is_relative));
    let object = config.objects.iter().position(|object| match &object.handler {
        Handler::Process { command } => is_relative(command),
        Handler::BuiltIn(_) => false,
    });
    match (agent, object) {
        (Some(at), _) => wrong(at, ["command", "config", "agents"]),
        (None, Some(at)) => wrong(at, ["command", "handler", "objects"]),
        (None, None) => Ok(config),
    }
}

fn is_relative(command: &[String]) -> bool {
    command.first().is_some_and(|program| program.contains('/') && !program.starts_with('/'))
}

fn place(command: &mut [String], directory: &Path) {
    if !is_relative(command) {
        return;
    }
    let Some(program) = command.first_mut() else { return };
    let mut path = PathBuf::new();
    for part in directory.join(&program).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => path.push(part),
        }
    }
    // a directory that is not UTF-8 leaves the word as it is: the start then says that it is relative
    if let Some(path) = path.to_str() {
        path.clone_into(program);
    }
}
