//! `inject` and `send`.
//!
//! An agent may be another instance's: then it is said where the text went, or why it is held or did not go.
//! What is typed and what only waits is told apart in what they print: the outcome is the instance's
//! word, never assumed. A text may come from stdin, bounded by what a request carries.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Side, client_failure, elsewhere, mail::length, member, own::shown, owner, refusal, segment, side,
    text_or_stdin,
};
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
    },
    client::{Answer, ClientError},
    limits,
};

/// `loopgate inject`.
pub fn inject(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let target = arguments.required(0)?;
    let mut body = json!({ "target_agent": target });
    if let (Some(fields), Some(how)) = (body.as_object_mut(), arguments.text("--submit")?) {
        fields.insert("submit".to_owned(), how.into());
    }
    let client = owner()?;
    let text = text_or_stdin(arguments.operand(1)?)?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("message".to_owned(), text.into());
        if arguments.has("--hold") {
            fields.insert("hold".to_owned(), true.into());
        }
    }
    let answer = accepted("inject", target, client.post("/agentmux/reactive/inject", &body))?.json();
    let succeeded = answer.get("success").and_then(Value::as_bool) == Some(true);
    if arguments.has("--json") {
        output.json(&answer)?;
    }
    if !succeeded {
        return Err(inject_failure(target, &answer));
    }
    say_if_cut(&answer, output);
    if !arguments.has("--json") {
        let outcome = answer.get("outcome").and_then(Value::as_str).unwrap_or("delivered");
        let receiver = display::line(&elsewhere::receiver(&answer, target));
        // what waits has not gone anywhere
        let word = if outcome == "waiting" { "for" } else { "to" };
        output.data(&format!("{} {word} {receiver}", display::line(outcome)))?;
    }
    say_if_held(&answer, target, output);
    Ok(Exit::Ok.into())
}

/// Whoever sent a text is told that it was not typed whole.
fn say_if_cut(answer: &Value, output: &mut Output) {
    if answer.get("truncated").and_then(Value::as_bool) == Some(true) {
        output.say(&format!("the text was cut at {} bytes", limits::TYPED_TEXT));
    }
}

/// Whoever sent a text that is held is told why, and what becomes of it.
fn say_if_held(answer: &Value, target: &str, output: &mut Output) {
    if let Some(why) = elsewhere::held(answer, target) {
        output.say(&display::line(&why));
    }
}

/// An answer that says that it worked; a name that several instances have comes back as a choice.
pub(super) fn accepted(
    verb: &str,
    target: &str,
    answer: Result<Answer, ClientError>,
) -> Result<Answer, Failure> {
    let answer = answer.map_err(|error| client_failure(&error))?;
    if answer.is_success() {
        return Ok(answer);
    }
    let body = answer.json();
    let candidates = elsewhere::candidates(elsewhere::text(&body, "code"), elsewhere::text(&body, "error"));
    if candidates.is_empty() {
        Err(refusal(&answer))
    } else {
        Err(elsewhere::ambiguous(verb, target, &candidates))
    }
}

/// AgentMux answers 200 to an inject that failed, with a sentence that clients match on.
fn inject_failure(target: &str, answer: &Value) -> Failure {
    let error = shown(answer.get("error"));
    let code = elsewhere::text(answer, "code");
    let candidates = elsewhere::candidates(code, elsewhere::text(answer, "error"));
    if !candidates.is_empty() {
        return elsewhere::ambiguous("inject", target, &candidates);
    }
    if let Some((exit, next)) = elsewhere::why(code) {
        let what = match elsewhere::what(code) {
            Some(what) => format!("{}: {what}", display::line(target)),
            None => error,
        };
        return Failure::new(exit, format!("not injected: {what} [{}]", display::line(code))).next(next);
    }
    let (exit, next) = match error.as_str() {
        text if text.starts_with("agent not found") => (
            Exit::Negative,
            "`loopgate agents` lists the agents, and `loopgate peers` those of other instances; one that is done takes no more text",
        ),
        text if text.starts_with("invalid agent ID") => (Exit::BadData, elsewhere::NAMES),
        text if text.starts_with("rate limit") => (Exit::TryLater, "wait a second"),
        text if text.contains("queue full") => {
            (Exit::TryLater, "the agent's terminal takes no more; try later")
        }
        _ => (Exit::Negative, "`loopgate agents` shows the agents' states"),
    };
    Failure::new(exit, format!("not injected: {error}")).next(next)
}

/// Flags of `send` that are fields of the request as they are.
const OPTIONS: [(&str, &str); 4] = [
    ("--id", "id"),
    ("--priority", "priority"),
    ("--reply-to", "in_reply_to"),
    ("--correlation", "correlation_id"),
];

/// `loopgate send`.
pub fn send(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if member::is_member() {
        return member::send(arguments, output);
    }
    let target = arguments.required(0)?;
    let ttl = length(arguments, "--ttl")?;
    if ttl.is_some_and(|ttl| !(limits::TTL_LEAST_MS..=limits::TTL_MOST_MS).contains(&ttl)) {
        return Err(usage("--ttl takes 1s to 30d".to_owned()));
    }
    let hold = match (arguments.has("--hold"), arguments.has("--no-hold")) {
        (true, true) => return Err(usage("--hold and --no-hold exclude each other".to_owned())),
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    let side = side()?;
    let text = text_or_stdin(arguments.operand(1)?)?;
    let mut body = json!({ "text": text });
    if let Some(fields) = body.as_object_mut() {
        for (flag, name) in OPTIONS {
            if let Some(text) = arguments.text(flag)? {
                fields.insert(name.to_owned(), text.into());
            }
        }
        if let Some(hold) = hold {
            fields.insert("hold".to_owned(), hold.into());
        }
        if let Some(ttl) = ttl {
            fields.insert("ttl_ms".to_owned(), ttl.into());
        }
    }
    let answer = match side {
        Side::Owner(client) => client.post(&format!("/api/v1/agents/{}/send", segment(target)), &body),
        Side::Agent(client) => {
            if let Some(fields) = body.as_object_mut() {
                fields.insert("to".to_owned(), target.into());
            }
            client.post("/api/v1/self/send", &body)
        }
    };
    let answer = accepted("send", target, answer)?.json();
    say_if_cut(&answer, output);
    if arguments.has("--json") {
        output.json(&answer)?;
    } else {
        let (outcome, id) = (answer.get("outcome"), answer.get("id"));
        let to = display::line(&elsewhere::receiver(&answer, target));
        // an agent may be started later: then it is told what waits
        let nobody = answer.get("known").and_then(Value::as_bool) == Some(false);
        let forwarded = elsewhere::text(&answer, "outcome") == "forwarded";
        let note = if nobody && !forwarded { " (no agent of that name yet)" } else { "" };
        let word = if forwarded { "to" } else { "for" };
        output.data(&format!("{} {word} {to}{note}, id {}", shown(outcome), shown(id)))?;
        say_if_held(&answer, target, output);
        if answer.get("duplicate").and_then(Value::as_bool) == Some(true) {
            output.say("it was sent before with this id, and counts once");
        }
    }
    Ok(Exit::Ok.into())
}
