//! `ask`: a question to another agent, and its answer.
//!
//! Inside an agent only. The exit code tells the three ends apart: an answer, an answer that is an error,
//! and no answer in time, where what became of the question is said.

use std::{process::ExitCode, time::Duration};

use serde_json::{Value, json};

use super::{Side, elsewhere, member, messages::accepted, own::shown, side, text_or_stdin};
use crate::cli::{
    display,
    outcome::{Exit, Failure},
    output::Output,
    parse::Arguments,
};

/// Seconds to wait where nothing else is said.
const TIMEOUT: i64 = 30;

/// `loopgate ask`.
pub fn ask(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if member::is_member() {
        return member::ask(arguments, output);
    }
    let to = arguments.required(0)?;
    let wait = seconds(arguments)?;
    let Side::Agent(client) = side()? else {
        return Err(Failure::new(Exit::NotPermitted, "only an agent asks"));
    };
    let text = text_or_stdin(arguments.operand(1)?)?;
    let mut body = json!({ "to": to, "text": text, "timeout_ms": wait.as_secs().saturating_mul(1_000) });
    if let (Some(fields), Some(id)) = (body.as_object_mut(), arguments.text("--correlation")?) {
        fields.insert("correlation_id".to_owned(), id.into());
    }
    let answer = client.call("POST", "/api/v1/self/ask", Some(body.to_string().into_bytes()), wait);
    let envelope = accepted("ask", to, answer)?.json();
    ended(to, &envelope, arguments, output)
}

/// How long `--timeout` waits for an answer.
pub(super) fn seconds(arguments: &Arguments) -> Result<Duration, Failure> {
    let seconds = arguments.number("--timeout", 1..=300)?.unwrap_or(TIMEOUT);
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

/// What an envelope means for the command.
pub(super) fn ended(
    to: &str,
    envelope: &Value,
    arguments: &Arguments,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    if arguments.has("--json") {
        output.json(envelope)?;
    }
    let is = |name: &str| envelope.get(name).and_then(Value::as_bool) == Some(true);
    if is("timeout") {
        return Err(Failure::new(Exit::TryLater, format!("no answer: {}", why(envelope)))
            .next("ask again, or look for the answer with `loopgate inbox`"));
    }
    if !is("ok") {
        return Err(failed(to, envelope));
    }
    if !arguments.has("--json") {
        result(envelope.get("result").unwrap_or(&Value::Null), output)?;
    }
    Ok(Exit::Ok.into())
}

/// An answer that is an error, or a question that did not get to the instance of the agent that was asked.
fn failed(to: &str, envelope: &Value) -> Failure {
    let told = |name| envelope.get("error").map_or("", |error| elsewhere::text(error, name));
    // Whoever answers may choose any words: they count only where no time went by for an answer.
    let unasked = envelope.get("duration_ms").and_then(Value::as_u64) == Some(0);
    let candidates = elsewhere::candidates(told("code"), told("message"));
    if unasked && !candidates.is_empty() {
        return elsewhere::ambiguous("ask", to, &candidates);
    }
    if unasked && told("code") == "target_not_found" {
        return Failure::new(Exit::Negative, format!("not asked: {}", why(envelope)))
            .next("`loopgate agents` lists the agents, those of other instances too");
    }
    match elsewhere::why(told("code")).filter(|_| unasked) {
        Some((exit, next)) => Failure::new(exit, format!("not asked: {}", why(envelope))).next(next),
        None => Failure::new(Exit::Negative, format!("the answer is an error: {}", why(envelope))),
    }
}

/// What went wrong, in the envelope's words.
fn why(envelope: &Value) -> String {
    let error = envelope.get("error");
    match error.and_then(|error| error.get("message")).and_then(Value::as_str) {
        Some(message) => display::line(message),
        None => shown(error),
    }
}

/// An answer that was no JSON comes as `{"raw": text}`, and is printed as the text that it was.
fn result(result: &Value, output: &mut Output) -> Result<(), Failure> {
    let raw = result.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.get("raw"));
    match raw.unwrap_or(result) {
        Value::String(text) => text.lines().try_for_each(|line| output.data(&display::line(line))),
        other => output.json(other),
    }
}
