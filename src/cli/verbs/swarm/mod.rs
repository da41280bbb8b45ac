//! The operator's commands about swarms, and what they share: the client of the swarm surface.
//!
//! That surface asks for the API token where the instance has one, and for a process of this user where it has
//! none; the owner key does not go there. A 401 is told as one, with what to set: never as "not running", and
//! nothing is kept to be tried again later. Secrets come from the environment alone.

pub mod change;
pub mod keep;
pub mod life;
pub mod look;
pub mod talk;

use std::{os::unix::ffi::OsStringExt, time::Duration};

use serde_json::Value;

use super::{client_failure, home_failure, home_path, keyfile_failure, not_running, refusal};
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        parse::usage,
        progress::while_waiting_at,
    },
    client::{Answer, Client, ClientError},
    store::{Home, HomeError, keyfile},
    wire::{
        node::{FullName, NodeName},
        secret::Secret,
    },
};

/// The API token, under its seed's name and ours.
const TOKENS: [&str; 2] = ["GENSWARMS_API_TOKEN", "LOOPGATE_API_TOKEN"];

/// Longest look at how far something is: the work that is waited for may be over meanwhile.
const GLANCE: Duration = Duration::from_millis(500);

/// Where a swarm's name leads nowhere.
pub const LIST: &str = "`loopgate status --swarms` lists the swarms";

/// The operator's client of the instance in the home that the environment names.
pub fn operator() -> Result<Client, Failure> {
    let token = api_token(|name| std::env::var_os(name).map(OsStringExt::into_vec))?;
    let path = home_path()?;
    let home = match Home::open(&path) {
        Ok(home) => home,
        Err(HomeError::Missing(_)) => return Err(not_running(&path, "there is no such directory")),
        Err(error) => return Err(home_failure(&error)),
    };
    match keyfile::read(&home) {
        Ok(file) => Ok(Client::operator(&file, token)),
        Err(error) => Err(keyfile_failure(&path, &error)),
    }
}

/// The same where this shell has a token, and nothing where it has none.
pub(super) fn with_token() -> Result<Option<Client>, Failure> {
    TOKENS.iter().any(|name| is_set(name)).then(operator).transpose()
}

/// The token of this shell. Empty counts as unset; two that differ are refused.
fn api_token(variable: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Option<Secret>, Failure> {
    let mut found: Option<(&str, Secret)> = None;
    for name in TOKENS {
        let Some(value) = variable(name).filter(|value| !value.is_empty()).map(Secret::new) else { continue };
        match &found {
            Some((first, other)) if !other.matches(value.expose()) => {
                return Err(Failure::new(Exit::BadConfig, format!("{name} differs from {first}"))
                    .next("set one of them"));
            }
            Some(_) => {}
            None => found = Some((name, value)),
        }
    }
    Ok(found.map(|(_, token)| token))
}

/// The answer, if it says that it worked.
pub(super) fn done(answer: Result<Answer, ClientError>) -> Result<Value, Failure> {
    let answer = answer.map_err(|error| client_failure(&error))?;
    if answer.is_success() { Ok(answer.json()) } else { Err(refused(&answer)) }
}

/// Does the work, and says meanwhile how far the agents of a swarm are that is to come up.
fn while_starting<T>(what: &str, swarm: Option<&str>, work: impl FnOnce() -> T) -> T {
    let runs = |state: &str| matches!(state, "idle" | "working");
    while_waiting_at(what, || far(swarm?, runs, "run"), work)
}

/// The same of one that is to go.
fn while_ending<T>(swarm: &str, work: impl FnOnce() -> T) -> T {
    let ended = |state: &str| state == "stopped";
    while_waiting_at(&format!("swarm {swarm} to end"), || far(swarm, ended, "have ended"), work)
}

/// `2 of 5 agents run`, where the instance says so at once.
fn far(swarm: &str, counts: fn(&str) -> bool, word: &str) -> Option<String> {
    let answer = operator().ok()?.within(GLANCE).get(&format!("/api/swarms/{swarm}")).ok()?;
    let status = answer.is_success().then(|| answer.json())?;
    let agents = list(&status, "agents");
    let count = agents.iter().filter_map(|agent| agent.get("state")?.as_str()).filter(|state| counts(state));
    Some(format!("{} of {} agents {word}", count.count(), agents.len()))
}

/// Whether a variable holds something: empty counts as unset here too.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// What a refusal on the swarm surface means for the command.
pub(super) fn refused(answer: &Answer) -> Failure {
    let body = answer.json();
    let code = body.get("code").and_then(Value::as_str).unwrap_or_default();
    // The call was right, and the answer is no.
    let no = |next: &str| refusal(answer).exit_with(Exit::Negative).next(next);
    match (answer.status, code) {
        (401, "not_our_user" | "agent_process" | "peer_unknown") => refusal(answer),
        (401, _) => needs_token(),
        (_, "swarm_not_found") => no(LIST),
        (
            _,
            "agent_not_found" | "object_not_found" | "unknown_sender" | "target_not_found" | "no_template",
        ) => no("`loopgate status SWARM` lists its agents and objects"),
        (_, "swarm_not_running") => no("`loopgate start SWARM` starts it"),
        (_, "already_exists") => {
            no("it runs; `loopgate restart SWARM` starts it again, `loopgate stop SWARM` ends it")
        }
        (_, "not_an_agent") => no("it is an object: `loopgate msg SWARM FROM OBJECT TEXT` sends to it"),
        (_, "agent_limit" | "scale_limit" | "instance_limit") => {
            no("remove agents or objects, or start the server with a larger LOOPGATE_MAX_AGENTS_PER_SWARM")
        }
        (_, "route_denied") => {
            refusal(answer).next("`loopgate status SWARM` shows the edges; only along them messages go")
        }
        (_, "overlay_does_not_fit") => refusal(answer).next(
            "`loopgate overlay SWARM` shows the changes, `loopgate overlay SWARM --clear` forgets them",
        ),
        (_, "inbox_full" | "agent_initializing" | "busy") => {
            refusal(answer).exit_with(Exit::TryLater).next("try again in a moment")
        }
        (_, "agent_error" | "agent_stopped") => no(
            "`loopgate status SWARM` says why; `loopgate restart SWARM AGENT` starts it again, or `loopgate start SWARM` all of it",
        ),
        _ => refusal(answer),
    }
}

/// What to set in this shell.
pub(super) fn needs_token() -> Failure {
    let what = match TOKENS.iter().find(|name| is_set(name)) {
        None => format!("this server needs {}, set it in this shell", TOKENS[0]),
        Some(name) => format!("this server takes another token than the {name} of this shell"),
    };
    Failure::new(Exit::NotPermitted, what)
        .next("nothing was done; whoever started the server knows the token")
}

/// An operand that names an agent of a swarm: `SWARM/AGENT`.
pub(super) fn full_name(text: &str) -> Result<FullName, Failure> {
    FullName::parse(text).map_err(|_| {
        usage(format!(
            "`{}` is no SWARM/AGENT: each is a letter, then letters, digits, `_` and `-`, at most 64",
            display::line(text)
        ))
    })
}

/// An operand that names a swarm or a node of one, as a path segment.
pub(super) fn name(text: &str) -> Result<&str, Failure> {
    NodeName::parse(text).map(|_| text).map_err(|_| {
        usage(format!(
            "`{}` is no name: a letter, then letters, digits, `_` and `-`, at most 64",
            display::line(text)
        ))
    })
}

/// The array of this name; none where it is something else.
fn list<'a>(answer: &'a Value, field: &str) -> &'a [Value] {
    answer.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(pairs: &[(&str, &str)]) -> Result<Option<String>, Exit> {
        let find = |name: &str| {
            pairs.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_bytes().to_vec())
        };
        api_token(find)
            .map(|token| token.map(|token| token.expose_str().to_owned()))
            .map_err(|failure| failure.exit())
    }

    #[test]
    fn the_token_is_the_shells_and_two_that_differ_are_refused() {
        assert_eq!(token(&[]), Ok(None));
        assert_eq!(token(&[("GENSWARMS_API_TOKEN", "")]), Ok(None));
        assert_eq!(token(&[("LOOPGATE_API_TOKEN", "t")]), Ok(Some("t".to_owned())));
        let both = [("GENSWARMS_API_TOKEN", "t"), ("LOOPGATE_API_TOKEN", "t")];
        assert_eq!(token(&both), Ok(Some("t".to_owned())));
        let differ = [("GENSWARMS_API_TOKEN", "one"), ("LOOPGATE_API_TOKEN", "two")];
        assert_eq!(token(&differ), Err(Exit::BadConfig));
    }
}
