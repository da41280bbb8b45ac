//! `message`, `dead`, `redeliver` and `mailboxes`, and how a message is shown.
//!
//! Everything that came from a sender passes the display filter: a text cannot steer the owner's
//! terminal. Lists are asked for in pages, and it is said where there is more.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{agents::table, expect_success, own::shown, owner, segment};
use crate::cli::{
    display,
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, usage},
    when,
};

/// Most messages that one answer is asked for.
const MOST: i64 = 1_000;

/// `loopgate message`.
pub fn message(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let id = arguments.required(0)?;
    let answer = expect_success(owner()?.get(&format!("/api/v1/messages/{}", segment(id))))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    for message in list(&answer, "messages") {
        output.data(&heading(message))?;
        for step in list(message, "history") {
            output.data(&format!("  {}  {}", time(step.get("at")), shown(step.get("state"))))?;
        }
        if let Some(reason) = message.get("reason").filter(|reason| !reason.is_null()) {
            // of one that was handed on it is the home that has it
            let word = if shown(message.get("state")) == "forwarded" { "at home" } else { "because" };
            output.data(&format!("  {word}: {}", shown(Some(reason))))?;
        }
    }
    Ok(Exit::Ok.into())
}

/// `loopgate dead`.
pub fn dead(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let path = format!("/api/v1/dead?{}", page(arguments)?);
    let answer = expect_success(owner()?.get(&path))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let messages = list(&answer, "messages");
    if messages.is_empty() {
        output.say("no message failed or expired");
    }
    for message in messages {
        show(message, output)?;
        output.data(&format!("  because: {}", shown(message.get("reason"))))?;
    }
    say_if_more(&answer, output);
    Ok(Exit::Ok.into())
}

/// `loopgate redeliver`.
pub fn redeliver(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let id = arguments.required(0)?;
    let path = format!("/api/v1/messages/{}/redeliver", segment(id));
    let body = match arguments.number("--number", 0..=i64::MAX)? {
        Some(number) => json!({ "number": number }),
        None => json!({}),
    };
    let answer = expect_success(owner()?.post(&path, &body))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
    } else {
        let (id, to, state) = (answer.get("id"), answer.get("to"), answer.get("state"));
        output.data(&format!("{} for {}, id {}", shown(state), shown(to), shown(id)))?;
    }
    Ok(Exit::Ok.into())
}

/// `loopgate mailboxes`.
pub fn mailboxes(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let answer = expect_success(owner()?.get("/api/v1/mailboxes"))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let boxes = list(&answer, "mailboxes");
    if boxes.is_empty() {
        output.say("no message waits");
        return Ok(Exit::Ok.into());
    }
    let mut rows = vec![vec!["AGENT".to_owned(), "WAITING".to_owned()]];
    rows.extend(boxes.iter().map(|mailbox| vec![shown(mailbox.get("agent")), shown(mailbox.get("waiting"))]));
    for line in table(&rows) {
        output.data(&line)?;
    }
    Ok(Exit::Ok.into())
}

/// The query of a page, by `--after` and `--limit`.
pub fn page(arguments: &Arguments) -> Result<String, Failure> {
    let limit = arguments.number("--limit", 1..=MOST)?.unwrap_or(100);
    let after = arguments.number("--after", 0..=i64::MAX)?;
    let after = after.map_or_else(String::new, |after| format!("&after={after}"));
    Ok(format!("limit={limit}{after}"))
}

/// Says how to go on where there is more.
pub fn say_if_more(answer: &Value, output: &mut Output) {
    if answer.get("more").and_then(Value::as_bool) == Some(true) {
        output.say(&format!("there are more: --after {} shows them", shown(answer.get("next"))));
    }
}

/// A message with its text, for a person: who and when on one line, each line of the text behind it.
pub fn show(message: &Value, output: &mut Output) -> Result<(), Failure> {
    output.data(&heading(message))?;
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    for line in text.lines() {
        output.data(&format!("  {}", display::line(line)))?;
    }
    Ok(())
}

fn heading(message: &Value) -> String {
    let number = message.get("position").or_else(|| message.get("number"));
    // it waits for that home alone
    let home = message.get("home").filter(|home| !home.is_null());
    let home = home.map_or_else(String::new, |home| format!("@{}", shown(Some(home))));
    let mut line = format!(
        "{}  {}  from {} to {}{home}  id {}  {}",
        shown(number),
        time(message.get("sent_at")),
        shown(message.get("from").or_else(|| message.get("caller"))),
        shown(message.get("to")),
        shown(message.get("id")),
        shown(message.get("state")),
    );
    if message.get("priority").and_then(Value::as_str).is_some_and(|priority| priority != "normal") {
        line.push_str(&format!("  {}", shown(message.get("priority"))));
    }
    for mark in ["redelivered", "held"] {
        if message.get(mark).and_then(Value::as_bool) == Some(true) {
            line.push_str(&format!("  {mark}"));
        }
    }
    for (name, said) in [("in_reply_to", "answers"), ("correlation_id", "matter")] {
        if let Some(id) = message.get(name).filter(|id| !id.is_null()) {
            line.push_str(&format!("  {said} {}", shown(Some(id))));
        }
    }
    line
}

/// Unix ms for a person.
pub fn time(value: Option<&Value>) -> String {
    value.and_then(Value::as_u64).map_or_else(|| "-".to_owned(), when::shown)
}

/// The array of this name; none where it is something else.
pub fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A length of time that a flag takes, in milliseconds.
pub fn length(arguments: &Arguments, flag: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = arguments.text(flag)? else { return Ok(None) };
    let wrong = || {
        usage(format!("{flag} takes a length such as 90s, 10m, 2h or 1d and not `{}`", display::line(text)))
    };
    when::length(text).map(Some).ok_or_else(wrong)
}
