//! Where the programs of a config run, and whether another config has the like: a later call brings no program and
//! no place of its own (spec genswarms L.1.8).
//!
//! A place is a backend with its image or host and all that its sandbox is told. `local` and `mock` are told nothing
//! and are open to all; any other must stand in the seed in the same words. Only an isolated network may be had where
//! the seed has none: that is less, and not more.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{AgentConfig, Config, Handler, ObjectConfig};
use crate::{
    backend::{
        form::Form,
        options::{self, Kind},
    },
    wire::node::NodeName,
};

/// What a node has that no later call could have brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign<'a> {
    /// its program
    Program(&'a NodeName),
    /// its backend, or what that is told
    Backend(&'a NodeName),
}

/// A node that runs somewhere: its program, and the place.
struct Place<'a> {
    name: &'a NodeName,
    command: Option<&'a [String]>,
    form: &'a Form,
    /// options stand there too
    config: Option<&'a Map<String, Value>>,
}

/// The first of a config's nodes that a call could not have brought into a swarm of this seed.
pub fn foreign<'a>(config: &'a Config, seed: &Config) -> Option<Foreign<'a>> {
    places(config).find_map(|place| {
        let program = place.command.is_none_or(|command| has_command(seed, command, place.form));
        match (has(seed, &place), program) {
            (false, _) => Some(Foreign::Backend(place.name)),
            (true, false) => Some(Foreign::Program(place.name)),
            (true, true) => None,
        }
    })
}

/// Whether the seed runs anything where this agent would run.
pub fn has_place_of_agent(seed: &Config, agent: &AgentConfig) -> bool {
    has(seed, &of_agent(agent))
}

/// Whether the seed runs anything where this object would run.
pub fn has_place_of_object(seed: &Config, object: &ObjectConfig) -> bool {
    of_object(object).is_none_or(|place| has(seed, &place))
}

/// Whether the seed runs this command, and where nothing confines it, in the same place: a command of a
/// sandbox is not to be had without one.
pub fn has_command(seed: &Config, command: &[String], backend: &Form) -> bool {
    let mut known = places(seed).filter(|place| place.command == Some(command)).map(|place| place.form);
    match backend {
        Form::Local | Form::Ssh { .. } => known.any(|place| place == backend),
        Form::Mock | Form::Bwrap { .. } | Form::Docker { .. } | Form::AppleContainer { .. } => {
            known.next().is_some()
        }
    }
}

fn has(seed: &Config, place: &Place<'_>) -> bool {
    match place.form.kind() {
        Kind::Local | Kind::Mock => return true,
        Kind::Bwrap | Kind::Docker | Kind::AppleContainer | Kind::Ssh => {}
    }
    let isolated = place.told().get(options::NETWORK) == Some(&&json!("isolated"));
    places(seed).any(|known| {
        let (mut wanted, mut told) = (place.told(), known.told());
        if isolated {
            wanted.remove(options::NETWORK);
            told.remove(options::NETWORK);
        }
        let same = (place.form.kind(), place.form.target()) == (known.form.kind(), known.form.target());
        same && wanted == told
    })
}

impl<'a> Place<'a> {
    /// What the sandbox is told, wherever it stands; `config` counts before `opts`.
    fn told(&self) -> BTreeMap<&'a str, &'a Value> {
        let all = self.form.opts().into_iter().chain(self.config).flatten();
        let all = all.filter(|(name, value)| options::is_of_place(name) && !value.is_null());
        all.map(|(name, value)| (name.as_str(), value)).collect()
    }
}

fn places(config: &Config) -> impl Iterator<Item = Place<'_>> {
    config.agents.iter().map(of_agent).chain(config.objects.iter().filter_map(of_object))
}

fn of_agent(agent: &AgentConfig) -> Place<'_> {
    let command = agent.command.as_deref();
    Place { name: &agent.name, command, form: &agent.backend, config: Some(&agent.config) }
}

/// One that is built in runs nowhere.
fn of_object(object: &ObjectConfig) -> Option<Place<'_>> {
    match &object.handler {
        Handler::Process { command } => Some(Place {
            name: &object.name,
            command: Some(command),
            form: object.backend.as_ref().unwrap_or(&Form::Local),
            config: None,
        }),
        Handler::BuiltIn(_) => None,
    }
}
