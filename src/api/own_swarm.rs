//! What an agent of a swarm may ask with its own token: who it is, to whom it has an edge, and to send, ask and
//! broadcast along those edges. It speaks as itself only: sender and swarm are those of whom the token names,
//! never what a body says. Mail and typing are for loose agents; here a message goes at once or not at all.

use serde_json::{Value, json};

use super::{
    App,
    messages::{correlation_id, send_fault},
    request::{Fault, Request, Result, ok},
    swarms::Change,
};
use crate::{
    admit::{Caller, Who},
    bus::{audit::SwarmHappened, rate::Sender},
    swarm::view::{Answer, Speech},
    wire::{json::Fields, node::FullName},
};

/// `GET /api/v1/self/whoami`.
pub(super) fn whoami(app: &App, caller: &Caller, _: &Request<'_>) -> Result {
    let me = own_name(caller)?;
    let (swarm, agent) = (me.swarm.as_str(), me.agent.as_str());
    ok(&json!({ "agent": me.to_string(), "swarm": swarm, "name": agent, "instance": app.instance }))
}

/// `GET /api/v1/self/agents`: those to whom it has an edge, with their states and nothing else of them.
pub(super) fn agents(app: &App, caller: &Caller, _: &Request<'_>) -> Result {
    let me = own_name(caller)?;
    let Answer::Neighbours { agents, objects } = app.swarms.speak(me, Speech::List)? else {
        return Err(other_answer());
    };
    let swarm = me.swarm.as_str();
    let state = |name: &str, kind: &str| match kind {
        "object" => app.swarms.object(swarm, name).map(|object| object.state),
        _ => app.swarms.agent(swarm, name).map(|agent| agent.state),
    };
    let rows: Vec<Value> = (agents.iter().map(|name| (name, "agent")))
        .chain(objects.iter().map(|name| (name, "object")))
        .map(|(name, kind)| {
            let state = state(name.as_str(), kind).unwrap_or("unknown");
            json!({ "name": name.as_str(), "state": state, "kind": kind })
        })
        .collect();
    ok(&json!({ "agents": rows }))
}

/// `POST /api/v1/self/send`.
pub(super) fn send(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let (to, text) = (fields.text("to")?, fields.text("text")?);
    let speech = Speech::Send { to: to.to_owned(), content: text.to_owned() };
    match speak(app, caller, (SwarmHappened::Message, Some(to), text), speech)? {
        Answer::Sent { to } => ok(&json!({ "to": to.as_str(), "outcome": "routed" })),
        Answer::Asked(_) | Answer::Broadcast { .. } | Answer::Neighbours { .. } => Err(other_answer()),
    }
}

/// `POST /api/v1/self/ask`: the object's answer, in an envelope that says too why there is none.
pub(super) fn ask(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let id = correlation_id(fields)?.map(str::to_owned);
    let (to, text) = (fields.text("to")?, fields.text("text")?);
    let speech = Speech::Ask { to: to.to_owned(), content: text.to_owned(), id };
    match speak(app, caller, (SwarmHappened::Ask, Some(to), text), speech)? {
        Answer::Asked(envelope) => ok(&envelope),
        Answer::Sent { .. } | Answer::Broadcast { .. } | Answer::Neighbours { .. } => Err(other_answer()),
    }
}

/// `POST /api/v1/self/broadcast`: to each of its neighbours once.
pub(super) fn broadcast(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let text = Fields::of(&body)?.text("text")?;
    let speech = Speech::Broadcast { content: text.to_owned() };
    match speak(app, caller, (SwarmHappened::Broadcast, None, text), speech)? {
        Answer::Broadcast { to } => {
            let to: Vec<&str> = to.iter().map(|name| name.as_str()).collect();
            ok(&json!({ "outcome": "routed", "to": to }))
        }
        Answer::Sent { .. } | Answer::Asked(_) | Answer::Neighbours { .. } => Err(other_answer()),
    }
}

/// Says it, and writes down that it was said; as often in a second as an agent may send.
fn speak(
    app: &App,
    caller: &Caller,
    (happened, node, text): (SwarmHappened, Option<&str>, &str),
    speech: Speech,
) -> Result<Answer> {
    let me = own_name(caller)?;
    app.bus.count_send(Sender::Agent(&me.to_string())).map_err(send_fault)?;
    let change = Change { happened, swarm: me.swarm.as_str(), node, text: Some(text) };
    Ok(app.change(caller, &change, |swarms| swarms.speak(me, speech))?)
}

fn other_answer() -> Fault {
    Fault::new(500, "internal", "something went wrong here")
}

/// The table lets only agents of swarms in here; whoever else came would be told so.
fn own_name(caller: &Caller) -> Result<&FullName> {
    match caller.who() {
        Who::Member(name) => Ok(name),
        Who::Owner | Who::Peer | Who::Api | Who::Agent(_) | Who::Config | Who::Loopback => {
            Err(Fault::new(403, "forbidden", "only an agent of a swarm may ask this"))
        }
    }
}
