//! `attach SWARM/AGENT`: the terminal of an agent of a swarm, on a real one.

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::fs;

use loopgate::sys::tty::Size;
use serde_json::{Value, json};
use support::Instance;
use terminal::OnTerminal;

const SIZE: Size = Size { rows: 24, cols: 80 };
const TOKEN: &str = "the-operators-token";
/// Says what it reads, and ends when told to.
const SCRIPT: &str =
    "stty -echo; echo ready; while read -r line; do echo \"got $line\"; [ \"$line\" != end ] || exit 3; done";

/// Starts a swarm with an agent in a terminal and one on pipes.
fn start(instance: &Instance, token: &[(&str, &str)]) {
    let agents = json!([
        { "name": "a", "backend": "local", "controller": "pty", "command": ["/bin/sh", "-c", SCRIPT] },
        { "name": "piped", "backend": "local", "command": ["/bin/cat"] },
    ]);
    let path = instance.home.path().join("swarm.json");
    fs::write(&path, json!({ "name": "s", "agents": agents }).to_string()).expect("written");
    let mut command = instance.loopgate(&["start", path.to_str().expect("text")]);
    let ran = command.envs(token.iter().copied()).output().expect("it runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn attach(instance: &Instance, whom: &str, token: &[(&str, &str)]) -> OnTerminal {
    OnTerminal::start(instance.loopgate(&["attach", whom]).envs(token.iter().copied()), SIZE)
}

/// What attach says to whom it does not let in.
#[track_caller]
fn refused(mut user: OnTerminal, code: i32, says: &[&str]) {
    assert_eq!(user.end(), Some(code), "{}", user.text());
    assert!(user.echoes());
    let text = user.text();
    assert!(says.iter().all(|says| text.contains(says)), "{text}");
    assert!(!text.contains(TOKEN) && !text.contains("attached"), "{text}");
}

#[test]
fn attach_joins_an_agent_of_a_swarm_in_its_terminal_and_tells_its_end() {
    let instance = Instance::start();
    start(&instance, &[]);
    let mut user = attach(&instance, "s/a", &[]);
    user.until("attached to s/a");
    user.until("ready");
    user.type_keys(b"hello\r");
    user.until("got hello");
    user.type_keys(b"\x1d");
    user.until("left s/a; it goes on");
    assert_eq!(user.end(), Some(0));
    assert!(user.echoes());
    // Where the instance has no token, one in the shell is no harm.
    let mut user = attach(&instance, "s/a", &[("GENSWARMS_API_TOKEN", "of-another-server")]);
    user.until("got hello");
    user.type_keys(b"end\r");
    let text = user.until("s/a has ended: stopped");
    assert!(text.contains("got end\r\n"), "{text:?}");
    assert_eq!(user.end(), Some(0));
    refused(attach(&instance, "s/a", &[]), 1, &["its state is `stopped`", "loopgate restart s a"]);
}

#[test]
fn attach_to_an_agent_that_is_started_again_ends_and_says_so() {
    let instance = Instance::start();
    start(&instance, &[]);
    let mut user = attach(&instance, "s/a", &[]);
    user.until("ready");
    let path = "/api/swarms/s/agents/a/restart";
    assert_eq!(instance.call_as(&[], "POST", path, &json!({})).status, 200);
    user.until("s/a has ended: it was started again; `loopgate attach s/a` joins it");
    assert_eq!(user.end(), Some(0));
}

#[test]
fn attach_says_why_an_agent_of_a_swarm_has_no_terminal_to_join_and_what_to_do() {
    let instance = Instance::start();
    start(&instance, &[]);
    let pipe =
        ["s/piped has no terminal: its controller is `pipe`", "loopgate msg s FROM piped TEXT", "/history"];
    refused(attach(&instance, "s/piped", &[]), 1, &pipe);
    refused(attach(&instance, "s/nobody", &[]), 1, &["Agent not found", "loopgate status SWARM"]);
    refused(attach(&instance, "none/a", &[]), 1, &["Swarm not found", "loopgate status --swarms"]);
    refused(attach(&instance, "s/../a", &[]), 2, &["is no SWARM/AGENT"]);
    let ran = instance.loopgate(&["attach", "s/a"]).output().expect("it runs");
    assert_eq!(ran.status.code(), Some(2));
    let err = String::from_utf8(ran.stderr).expect("text");
    assert!(err.contains("needs a terminal") && err.contains("/api/v1/swarms/s/agents/a"), "{err}");
}

#[test]
fn attach_to_an_agent_of_a_swarm_needs_the_token_where_there_is_one() {
    let instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", TOKEN)], &[]);
    let token = [("GENSWARMS_API_TOKEN", TOKEN)];
    start(&instance, &token);
    refused(
        attach(&instance, "s/a", &[]),
        77,
        &["this server needs GENSWARMS_API_TOKEN, set it in this shell"],
    );
    let wrong = [("GENSWARMS_API_TOKEN", "another")];
    refused(attach(&instance, "s/a", &wrong), 77, &["takes another token than the GENSWARMS_API_TOKEN"]);
    let mut user = attach(&instance, "s/a", &token);
    user.until("ready");
    user.type_keys(b"end\r");
    user.until("s/a has ended: stopped");
    assert_eq!(user.end(), Some(0));
    let owners = instance.call("GET", "/api/v1/swarms/s/agents/a", &Value::Null);
    assert_eq!(owners.status, 403, "the owner key alone learns of no terminal");
}
