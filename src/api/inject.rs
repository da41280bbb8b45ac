//! `POST reactive/inject` (spec agentmux B.4): same fields, same status, same strings; where the agent is
//! another instance's, its answer, whole.
//!
//! What an answer says in addition: `outcome` (delivered, queued, forwarded, waiting, failed), `code` beside
//! an error, `truncated` where the text was cut, `forwarded` and `home` where another instance has the agent,
//! `held` where the text waits for one, `unsure` where it may have arrived all the same.

use serde_json::{Map, Value, json};

use super::{
    App, letters,
    messages::put_where,
    request::{Request, Result, ok},
};
use crate::{
    admit::{Caller, Who},
    agent::Submit,
    bus::{Inject, InjectAnswer, InjectError, Route, rate::Sender},
    registry,
    wire::json::Fields,
};

/// Names of the ways to submit.
pub(super) const SUBMITS: &[(&str, Submit)] = &[("thrice", Submit::Thrice), ("once", Submit::Once)];

/// `POST reactive/inject`: 200 once the body is understood, whatever becomes of the text.
pub(super) fn inject(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let fields = Fields::of(&body)?;
    let peer = match caller.who() {
        Who::Peer => true,
        Who::Owner | Who::Api | Who::Agent(_) | Who::Member(_) | Who::Config | Who::Loopback => false,
    };
    // Only who has the peer key vouches for others; from anybody else the field is one that nobody knows.
    if peer && let Some(letter) = registry::Received::read(&body)? {
        return letters::receive(app, &letter);
    }
    let target = fields.text("target_agent")?;
    let message = fields.text("message")?;
    let source = fields.optional_text("source_agent")?;
    let given = fields.optional_text("request_id")?.filter(|id| !id.is_empty());
    let submit = fields.optional_word("submit", SUBMITS)?;
    let hops = registry::hops(fields)?;
    let hold = fields.optional_flag("hold")?;
    // Carried by clients and without effect; a wrong type is still theirs to know about.
    fields.optional_text("priority")?;
    fields.flag("wait_for_idle", false)?;
    let request_id = match given {
        Some(id) => id.to_owned(),
        None => app.fresh_id()?,
    };
    let sender = if peer { Sender::Peer } else { Sender::Owner(source.unwrap_or_default()) };
    let ask = Inject {
        target,
        message,
        source,
        request_id: &request_id,
        submit,
        // What another instance cannot hand on it keeps itself.
        hold: hold.filter(|_| !peer),
        route: Route { hops, ..Route::default() },
    };
    let answer = app.bus.inject(sender, ask, &*app.fleet);
    ok(&answer_json(answer, target, &request_id))
}

/// What became of an inject.
pub(super) fn answer_json(answer: InjectAnswer, target: &str, request_id: &str) -> Value {
    if let Some(forwarded) = &answer.forwarded
        && let Value::Object(theirs) = &forwarded.body
    {
        let mut out = theirs.clone();
        let without = if answer.result.is_ok() { "forwarded" } else { "failed" };
        let outcome = forwarded.outcome.as_deref().unwrap_or(without);
        out.insert("outcome".to_owned(), json!(outcome));
        out.insert("forwarded".to_owned(), json!(true));
        out.insert("home".to_owned(), json!(forwarded.home.as_str()));
        return Value::Object(out);
    }
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("success", json!(answer.result.is_ok() || answer.held.is_some()));
    put("request_id", json!(request_id));
    put("timestamp", json!(answer.timestamp));
    if let Some(block_id) = &answer.block_id {
        put("block_id", json!(block_id));
    }
    if answer.truncated {
        put("truncated", json!(true));
    }
    if let Some(forwarded) = &answer.forwarded {
        put("forwarded", json!(true));
        put("home", json!(forwarded.home.as_str()));
    }
    let outcome = match (&answer.result, &answer.held, &answer.forwarded) {
        (Ok(_), _, Some(forwarded)) => forwarded.outcome.as_deref().unwrap_or("forwarded"),
        (Ok(false), _, None) => "delivered",
        (Ok(true), _, None) => "queued",
        (Err(_), Some(held), _) => {
            put_where(&mut out, held);
            held.outcome.as_str()
        }
        (Err(error), None, _) => {
            put("error", json!(answer.error(target)));
            put("code", json!(error.code()));
            if let InjectError::NotForwarded(why) = error
                && why.unsure
            {
                put("unsure", json!(true));
            }
            "failed"
        }
    };
    out.insert("outcome".to_owned(), json!(outcome));
    Value::Object(out)
}
