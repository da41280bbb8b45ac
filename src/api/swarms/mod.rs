//! The REST surface of the swarms (spec genswarms B), a file for each family of routes.
//!
//! Handlers read what was asked, strictly, and ask `swarm` for it; what may run is decided there. Names in a
//! path are taken as they are sent: what is no name is nobody's. Whoever changes a swarm is written down, and
//! what was sent is not. No answer shows a path of this machine, nor a secret.

pub(super) mod agents;
pub(super) mod configs;
pub(super) mod control;
mod descriptor;
pub(super) mod events;
pub(super) mod logs;
pub(super) mod objects;
pub(super) mod query;
pub(super) mod record;
pub(super) mod shelf;
pub(super) mod traffic;

pub(super) use descriptor::descriptor;

use serde_json::{Map, Value, json};

use super::{
    App,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::{Caller, Who},
    bus::audit::{self, Audit, SwarmHappened},
    gate::{Reply, Response},
    swarm::{self, Swarms},
    wire::{
        json::{self, Fields},
        node::NodeName,
    },
};

/// What a call is to change, as the audit has it.
pub(super) struct Change<'a> {
    pub happened: SwarmHappened,
    pub swarm: &'a str,
    pub node: Option<&'a str>,
    /// whose length and keyed hash are written
    pub text: Option<&'a str>,
}

impl<'a> Change<'a> {
    pub fn of(happened: SwarmHappened, swarm: &'a str) -> Self {
        Self { happened, swarm, node: None, text: None }
    }

    fn node(self, node: &'a str) -> Self {
        Self { node: Some(node), ..self }
    }

    fn text(self, text: &'a str) -> Self {
        Self { text: Some(text), ..self }
    }

    /// A task for an agent.
    pub fn task(swarm: &'a str, agent: &'a str, text: &'a str) -> Self {
        Self::of(SwarmHappened::Task, swarm).node(agent).text(text)
    }
}

impl App {
    /// Does it, and writes down that it was asked for, and why it was not done where it was not.
    pub(super) fn change<T>(
        &self,
        caller: &Caller,
        change: &Change<'_>,
        act: impl FnOnce(&Swarms) -> std::result::Result<T, swarm::Fault>,
    ) -> std::result::Result<T, swarm::Fault> {
        changed(&self.swarms, &self.bus.audit, &caller_of(caller), change, act)
    }
}

/// The same, where there is no request any more.
pub(super) fn changed<T>(
    swarms: &Swarms,
    audit: &Audit,
    caller: &str,
    change: &Change<'_>,
    act: impl FnOnce(&Swarms) -> std::result::Result<T, swarm::Fault>,
) -> std::result::Result<T, swarm::Fault> {
    let done = act(swarms);
    let entry = audit::Swarm {
        happened: change.happened,
        caller: caller.to_owned(),
        swarm: change.swarm.to_owned(),
        node: change.node.map(str::to_owned),
        message_length: change.text.map(str::len),
        refused: done.as_ref().err().map(swarm::Fault::code),
    };
    audit.swarm(entry, change.text);
    done
}

/// Adds a node, and answers 201 once it is there.
fn added(
    app: &App,
    caller: &Caller,
    request: &Request<'_>,
    happened: SwarmHappened,
    add: impl FnOnce(&Swarms, &str, &Value) -> std::result::Result<NodeName, swarm::Fault>,
) -> Result {
    let spec = Value::Object(fields_of(request.body)?);
    let mut change = Change::of(happened, request.id);
    change.node = spec.get("name").and_then(Value::as_str);
    let name = app.change(caller, &change, |swarms| add(swarms, request.id, &spec))?;
    let answer = json!({ "status": "added", "name": name.as_str() });
    Ok(Reply::Response(Response::json(201, &answer)))
}

/// Removes a node of the kind that `remove` knows, and never one of the other.
fn removed(
    app: &App,
    caller: &Caller,
    request: &Request<'_>,
    happened: SwarmHappened,
    remove: impl FnOnce(&Swarms, &str, &str) -> std::result::Result<NodeName, swarm::Fault>,
) -> Result {
    let (swarm, node) = request.two_ids();
    let change = Change::of(happened, swarm).node(node);
    let name = app.change(caller, &change, |swarms| remove(swarms, swarm, node)).map_err(not_removed)?;
    ok(&json!({ "status": "removed", "name": name.as_str() }))
}

/// The caller as entries of the audit name him.
pub(super) fn caller_of(caller: &Caller) -> String {
    match caller.who() {
        Who::Owner => "owner".to_owned(),
        Who::Peer => "peer".to_owned(),
        Who::Api => "api".to_owned(),
        Who::Config => "config".to_owned(),
        Who::Loopback => "loopback".to_owned(),
        Who::Agent(name) => format!("agent {name}"),
        Who::Member(name) => format!("agent {name}"),
    }
}

impl From<swarm::Fault> for Fault {
    fn from(fault: swarm::Fault) -> Self {
        Fault::new(fault.status(), fault.code(), fault.to_string())
    }
}

/// The fault, with the status and the text that clients of one route know where there is no such swarm.
fn no_swarm(status: u16, text: &'static str) -> impl Fn(swarm::Fault) -> Fault {
    move |fault| match fault {
        swarm::Fault::SwarmNotFound | swarm::Fault::NoSuchSwarm => {
            Fault::new(status, "swarm_not_found", text)
        }
        other => other.into(),
    }
}

/// The words of a removal (spec genswarms B.1): there is no such swarm, or no such node in it.
fn not_removed(fault: swarm::Fault) -> Fault {
    let text = match fault {
        swarm::Fault::SwarmNotFound | swarm::Fault::NoSuchSwarm => "swarm_not_found",
        swarm::Fault::AgentNotFound | swarm::Fault::ObjectNotFound => "not_found",
        other => return other.into(),
    };
    Fault::new(404, fault.code(), text)
}

/// The fields of a body that is a JSON object.
fn fields_of(body: &[u8]) -> Result<Map<String, Value>> {
    match json::parse(body)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(json::Error::NotAnObject.into()),
    }
}

/// A body that may be left out is one that nothing is read of; where there is one, it is an object.
fn no_fields(request: &Request<'_>) -> Result<()> {
    if !request.body.is_empty() {
        Fields::of(&request.json()?)?;
    }
    Ok(())
}

impl Request<'_> {
    /// The first two segments with a colon.
    fn two_ids(&self) -> (&str, &str) {
        let [first, second, _] = self.ids;
        (first, second)
    }

    /// How many of the newest, `?limit=`: 100; there are never more than are kept.
    fn newest(&self) -> Result<usize> {
        let limit = self.whole_param("limit")?.unwrap_or(100);
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// A query parameter that is `true` or `false`, and false where it is absent.
    fn flag_param(&self, name: &'static str) -> Result<bool> {
        match self.param(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                let sentence = format!("query parameter '{name}' is true or false");
                Err(Fault::field(400, "bad_query", name, sentence))
            }
        }
    }
}
