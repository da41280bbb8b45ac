//! `send`, `ask`, `broadcast` and `list` inside an agent of a swarm.
//!
//! Such an agent speaks along its swarm's edges: by its token, or, where no instance can be reached, through the
//! directories that it was started with (`OUTBOX_DIR`, `ASK_REPLY_DIR`; spec genswarms E.5). What went into a
//! directory is on its way and not yet routed, and is told so.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Side,
    ask::{ended, seconds},
    expect_success, long_text_or_stdin,
    mail::list,
    outbox::Outbox,
    own::shown,
    side,
};
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
    },
    client::{Answer, Client, ClientError},
    wire::node::FullName,
};

/// The two ways out of an agent of a swarm.
enum Way {
    /// by its token
    Client(Box<Client>),
    /// through its directories
    Outbox(Outbox),
}

/// What a message or a question became.
enum Went {
    /// the instance's answer
    Answer(Value),
    /// this is what to write to the outbox
    Outbox(Outbox),
}

/// Whether this shell is an agent's of a swarm.
pub fn is_member() -> bool {
    std::env::var("LOOPGATE_AGENT").is_ok_and(|name| FullName::parse(&name).is_ok())
}

/// Flags of `send` that say how a message waits in a mailbox: a swarm has none.
const OF_MAILBOXES: [&str; 7] =
    ["--id", "--priority", "--ttl", "--reply-to", "--correlation", "--hold", "--no-hold"];

/// `loopgate send` in an agent of a swarm.
pub fn send(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if let Some(flag) = OF_MAILBOXES.iter().find(|flag| arguments.has(flag)) {
        return Err(usage(format!(
            "{flag} is not for an agent of a swarm: its messages do not wait in mailboxes"
        )));
    }
    let to = arguments.required(0)?;
    let text = long_text_or_stdin(arguments.operand(1)?)?;
    let body = json!({ "to": to, "text": text });
    match go(|client| client.post("/api/v1/self/send", &body))? {
        Went::Answer(answer) => told(arguments, output, &answer, to),
        Went::Outbox(outbox) => {
            outbox.put("send", &json!({ "to": to, "content": text }))?;
            written(arguments, output, &format!("written to the outbox for {}", display::line(to)))
        }
    }
}

/// `loopgate broadcast`.
pub fn broadcast(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if !is_member() {
        return Err(Failure::new(Exit::NotPermitted, "`loopgate broadcast` is for an agent of a swarm")
            .next("the owner's `loopgate msg SWARM FROM TO` sends along one edge"));
    }
    let text = long_text_or_stdin(arguments.operand(0)?)?;
    match go(|client| client.post("/api/v1/self/broadcast", &json!({ "text": text })))? {
        Went::Answer(answer) => {
            let names: Vec<String> = list(&answer, "to").iter().map(|name| shown(Some(name))).collect();
            told(
                arguments,
                output,
                &answer,
                &if names.is_empty() { "nobody".to_owned() } else { names.join(" ") },
            )
        }
        Went::Outbox(outbox) => {
            outbox.put("broadcast", &json!({ "broadcast": true, "content": text }))?;
            written(arguments, output, "written to the outbox for all")
        }
    }
}

/// `loopgate ask` in an agent of a swarm: objects answer.
pub fn ask(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let to = arguments.required(0)?;
    if arguments.has("--correlation") {
        return Err(usage(
            "--correlation is not for an agent of a swarm: each question has its own".to_owned(),
        ));
    }
    let within = seconds(arguments)?;
    let text = long_text_or_stdin(arguments.operand(1)?)?;
    let body = json!({ "to": to, "text": text, "timeout_ms": u64::try_from(within.as_millis()).unwrap_or(u64::MAX) });
    let bytes = body.to_string().into_bytes();
    let envelope = match go(|client| client.call("POST", "/api/v1/self/ask", Some(bytes.clone()), within))? {
        Went::Answer(envelope) => envelope,
        Went::Outbox(outbox) => outbox.ask(to, &text, within)?,
    };
    ended(to, &envelope, arguments, output)
}

/// `loopgate list`: whom this agent can send to.
pub fn list_targets(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if !is_member() {
        return super::agents::agents(arguments, output);
    }
    let answer = match go(|client| client.get("/api/v1/self/agents"))? {
        Went::Answer(answer) => answer,
        Went::Outbox(_) => topology()?,
    };
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let all = list(&answer, "agents");
    if all.is_empty() {
        output.say("no edge leads from here");
    }
    all.iter().try_for_each(|node| {
        output.data(format!("{}  {}", shown(node.get("name")), shown(node.get("kind"))).trim_end())
    })?;
    Ok(Exit::Ok.into())
}

/// What the environment says of the edges, where nobody can be asked.
fn topology() -> Result<Value, Failure> {
    let text = std::env::var("SWARM_TOPOLOGY").unwrap_or_default();
    let told: Value = serde_json::from_str(&text)
        .map_err(|_| Failure::new(Exit::BadConfig, "SWARM_TOPOLOGY does not say who can be reached"))?;
    let of = |field: &str, kind: &str| -> Vec<Value> {
        list(&told, field).iter().map(|name| json!({ "name": name, "kind": kind })).collect()
    };
    let all = [of("targets", "agent"), of("objects", "object")].concat();
    Ok(json!({ "agents": all }))
}

/// Asks the instance, or where nothing could be sent to one says that the directories are the way.
fn go(request: impl Fn(&Client) -> Result<Answer, ClientError>) -> Result<Went, Failure> {
    match way()? {
        Way::Outbox(outbox) => Ok(Went::Outbox(outbox)),
        Way::Client(client) => match (request(&client), Outbox::of_environment()) {
            // Nothing went out: the same may be asked the other way.
            (Err(ClientError::NotRunning(_) | ClientError::Unproven(_)), Some(outbox)) => {
                Ok(Went::Outbox(outbox))
            }
            (answer, _) => expect_success(answer).map(|answer| Went::Answer(answer.json())),
        },
    }
}

fn way() -> Result<Way, Failure> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match (set(super::TOKEN) && set("LOOPGATE_URL"), Outbox::of_environment()) {
        (false, Some(outbox)) => Ok(Way::Outbox(outbox)),
        (true, _) | (false, None) => match side()? {
            Side::Agent(client) => Ok(Way::Client(Box::new(client))),
            Side::Owner(_) => Err(Failure::new(Exit::NotPermitted, "this shell has no agent's token")
                .next("LOOPGATE_AGENT_TOKEN and OUTBOX_DIR are set where an instance starts an agent")),
        },
    }
}

fn told(arguments: &Arguments, output: &mut Output, answer: &Value, to: &str) -> Result<ExitCode, Failure> {
    if arguments.has("--json") {
        output.json(answer)?;
    } else {
        output.data(&format!("{} to {}", shown(answer.get("outcome")), display::line(to)))?;
    }
    Ok(Exit::Ok.into())
}

fn written(arguments: &Arguments, output: &mut Output, line: &str) -> Result<ExitCode, Failure> {
    if arguments.has("--json") {
        output.json(&json!({ "outcome": "written" }))?;
    } else {
        output.data(line)?;
    }
    Ok(Exit::Ok.into())
}
