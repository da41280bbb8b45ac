//! Letters of other instances, as they arrive: who they are from, and how they are treated.
//!
//! Another instance vouches for who wrote a letter, and can say what it likes: so a writer is never one
//! of ours, and is shown with the home that it is said to be from. A message is typed only where its
//! target was started to take it from that very address; an agent's inject too. What the owner of another
//! instance may do is what the peer key lets him do without a letter. Nothing is kept for a name that is
//! not here.

use serde_json::{Map, Value, json};

use super::{
    App,
    inject::{SUBMITS, answer_json},
    request::{Result, ok},
};
use crate::{
    bus::{Inject, Outgoing, Route, SendError, SendOutcome, Sent, mail::Kind, mail::Priority, rate::Sender},
    registry::{Carry, Far, Received},
    wire::{address::Address, id::AgentId},
};

/// Takes a letter in; answers 200, and says what became of it.
pub(super) fn receive(app: &App, letter: &Received) -> Result {
    let shown = letter.shown();
    let sender = match letter.far {
        Far::Owner | Far::Api | Far::Peer => Sender::FarOwner(&shown),
        Far::Agent(_) => Sender::FarAgent(&shown),
    };
    let route = Route { path: &letter.path, hops: letter.hops, redelivered: letter.redelivered };
    // Nobody of this home writes to it from another instance, and nothing comes twice: it is in a loop,
    // or a lie.
    if letter.home == *app.bus.elsewhere.home() || letter.path.contains(&app.instance) {
        app.refusals.count("forward_loop");
        let refused = ("forward_loop", "the letter has been at this instance, or is from it", None);
        return ok(&failed(app, letter, refused));
    }
    let kind = match letter.carry {
        Carry::Inject => {
            let submit = letter.submit.and_then(|word| SUBMITS.iter().find(|(name, _)| *name == word));
            let ask = Inject {
                target: &letter.target,
                message: &letter.text,
                source: Some(&shown),
                request_id: &letter.id,
                submit: submit.map(|(_, submit)| *submit),
                hold: None,
                route,
            };
            let answer = app.bus.inject(sender, ask, &*app.fleet);
            let mut answer = answer_json(answer, &letter.target, &letter.id);
            if let Some(fields) = answer.as_object_mut() {
                mark(app, letter, fields);
            }
            return ok(&answer);
        }
        Carry::Send => Kind::Send,
        Carry::Ask => Kind::Ask,
        Carry::Reply => Kind::Reply,
    };
    let Ok(to) = Address::parse(&letter.target) else {
        let sentence = format!("invalid agent ID: {}", letter.target);
        return ok(&failed(app, letter, ("bad_agent_id", &sentence, None)));
    };
    if to.home.as_ref().is_some_and(|home| home != app.bus.elsewhere.home()) {
        let sentence = format!("agent not found: {to}");
        return ok(&failed(app, letter, ("agent_not_found", &sentence, None)));
    }
    let label = label(letter);
    let message = Outgoing {
        home: to.home.as_ref(),
        from: label.as_deref(),
        kind,
        priority: Priority::parse(letter.priority),
        // One that is not to wait is told of as expired, where nobody takes it at once.
        ttl_ms: letter.ttl_ms.max(1),
        correlation_id: letter.correlation_id.as_deref(),
        in_reply_to: letter.in_reply_to.as_deref(),
        route,
        ..Outgoing::new(&to.name, &letter.text, &letter.id)
    };
    match app.bus.receive(sender, message, &*app.fleet) {
        Ok(sent) => ok(&taken(app, letter, &sent)),
        Err(refused) => ok(&refusal(app, letter, &refused)),
    }
}

/// What a reader is shown where the writer spoke for a name on his message bus, which has no
/// credential of its own: that name at his home. An agent is shown as itself.
fn label(letter: &Received) -> Option<String> {
    let text = match letter.far {
        Far::Owner | Far::Api => letter.from.as_deref()?,
        Far::Agent(_) | Far::Peer => return None,
    };
    let name = AgentId::parse(text.strip_suffix(&format!("@{}", letter.home)).unwrap_or(text)).ok()?;
    Some(Address { name, home: Some(letter.home.clone()) }.to_string())
}

fn taken(app: &App, letter: &Received, sent: &Sent) -> Value {
    let mut out = head(app, letter, true);
    // It came before, and was taken then: what became of it since is told by its state.
    if sent.outcome != SendOutcome::Failed {
        out.insert("outcome".to_owned(), json!(sent.outcome.as_str()));
    }
    out.insert("state".to_owned(), json!(sent.state.as_str()));
    for (name, is) in [("duplicate", sent.duplicate), ("truncated", sent.truncated)] {
        if is {
            out.insert(name.to_owned(), json!(true));
        }
    }
    Value::Object(out)
}

fn refusal(app: &App, letter: &Received, refused: &SendError) -> Value {
    let (_, code, sentence, limit) = refused.answer();
    let mut out = failed(app, letter, (code, &sentence, limit));
    // It was handed on, and what became of it is not known.
    if let (SendError::NotForwarded(why), Some(out)) = (refused, out.as_object_mut())
        && why.unsure
    {
        out.insert("unsure".to_owned(), json!(true));
    }
    out
}

fn failed(app: &App, letter: &Received, (code, sentence, limit): (&'static str, &str, Option<u64>)) -> Value {
    let mut out = head(app, letter, false);
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("outcome", json!("failed"));
    put("error", json!(sentence));
    put("code", json!(code));
    if let Some(limit) = limit {
        put("limit", json!(limit));
    }
    Value::Object(out)
}

/// What every answer to a letter begins with.
fn head(app: &App, letter: &Received, success: bool) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("success", json!(success));
    put("timestamp", json!(app.clock.unix_ms()));
    mark(app, letter, &mut out);
    out
}

/// By this the writer knows that it was read as a letter, and that the answer is to his: without it he
/// takes it for no answer. Another instance's answer that is handed on gets our mark too.
fn mark(app: &App, letter: &Received, out: &mut Map<String, Value>) {
    out.insert("request_id".to_owned(), json!(letter.id));
    out.insert("instance".to_owned(), json!(app.instance));
    out.insert("loopgate".to_owned(), json!(1));
}
