//! What an agent may ask with its own token: who it is, who is there, and to send. It speaks as
//! itself only: the sender is whom the token names, never what the body says.

use serde_json::{Value, json};

use super::{
    App,
    agents::{deliver, not_found},
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::{Caller, Who},
    bus::rate::Sender,
    wire::{
        id::AgentId,
        json::{Error, Fields},
    },
};

/// `GET /api/v1/self/whoami`.
pub(super) fn whoami(app: &App, caller: &Caller, _: &Request<'_>) -> Result {
    ok(&json!({ "agent": own_name(caller)?.as_str(), "instance": app.instance }))
}

/// `GET /api/v1/self/agents`: names and states, nothing else of them.
pub(super) fn agents(app: &App, caller: &Caller, _: &Request<'_>) -> Result {
    own_name(caller)?;
    let list: Vec<Value> = app
        .fleet
        .records()
        .iter()
        .map(|record| json!({ "name": record.name.as_str(), "state": record.state.as_str() }))
        .collect();
    ok(&json!({ "agents": list }))
}

/// `POST /api/v1/self/send`: to an agent that this instance knows.
pub(super) fn send(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let from = own_name(caller)?;
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let to = AgentId::parse(fields.text("to")?).map_err(|_| Error::wrong("to", "an agent's name"))?;
    // An agent cannot fill mailboxes under names that it makes up.
    let known = app.fleet.record(to.as_str()).is_some() || app.bus.state().directory.get(&to).is_some();
    if !known {
        return Err(not_found());
    }
    deliver(app, Sender::Agent(from.as_str()), &to, fields)
}

/// The table lets only agents in here; whoever else came would be told so.
fn own_name(caller: &Caller) -> Result<&AgentId> {
    match caller.who() {
        Who::Agent(name) => Ok(name),
        Who::Owner | Who::Peer | Who::Api | Who::Config | Who::Loopback => {
            Err(Fault::new(403, "forbidden", "only an agent may ask this"))
        }
    }
}
