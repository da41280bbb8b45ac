//! `loopgate top`: what it shows, on a real terminal and without one, and what it leaves behind.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    os::fd::{AsFd, AsRawFd},
    process::Command,
};

use loopgate::sys::tty::{self, Size};
use serde_json::{Value, json};
use stand_in::{Ran, loopgate, new_home, ran, run, stand_in};
use support::{Instance, signal, until};
use terminal::OnTerminal;

const SIZE: Size = Size { rows: 24, cols: 80 };
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

fn start(instance: &Instance, name: &str, script: &str) {
    let body = json!({"name": name, "command": ["sh", "-c", script], "cwd": "/", "submit": "once"});
    assert_eq!(instance.call("POST", "/api/v1/agents", &body).status, 201);
}

fn swarm(instance: &Instance) {
    let turn = "while read -r line; do echo '<<TURN_COMPLETE>>'; done";
    let agent = json!({"name": "worker", "backend": "local", "config": {"command": ["sh", "-c", turn]}});
    let body = json!({"config": {"name": "ring", "agents": [agent, {"name": "mute", "backend": "mock"}]}});
    assert_eq!(instance.call_as(&[], "POST", "/api/swarms", &body).status, 201);
}

/// What is said of one agent now; asked until it is what is wanted, because answers are given again for a while.
#[track_caller]
fn row(instance: &Instance, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(&format!("the row of {name}"), || {
        let answer = instance.call("GET", "/api/v1/top", &Value::Null).json();
        let rows = answer["agents"].as_array()?.clone();
        rows.into_iter().find(|row| row["name"] == name && wanted(row))
    })
}

fn text(instance: &Instance, args: &[&str]) -> String {
    let Ran { code, out, err } = ran(&mut instance.loopgate(args));
    assert_eq!(code, Some(0), "{out}{err}");
    out
}

#[test]
fn the_memory_of_an_agent_is_that_of_its_processes_and_grows_with_them() {
    const GROWN: u64 = 30_000_000;
    let instance = Instance::start();
    start(&instance, "still", "read line");
    // In a process of its own: the agent's program is not the one that grows.
    let grows =
        format!("sh -c 'read x; y=$(head -c {GROWN} /dev/zero | tr \"\\\\0\" x); echo grown; read z'; :");
    start(&instance, "grows", &grows);
    let bytes = |row: &Value| row["memory_bytes"].as_u64().unwrap_or(0);
    let before = row(&instance, "grows", |row| row["processes"] == 2);
    assert!(bytes(&before) > 0 && bytes(&before) < GROWN, "{before}");
    instance.call("POST", "/api/v1/agents/grows/input", &json!({"text": "go\r"}));
    let after = row(&instance, "grows", |row| bytes(row) > bytes(&before) + GROWN * 9 / 10);
    assert_eq!(after["pid"], before["pid"]);
    let still = row(&instance, "still", |_| true);
    assert!(bytes(&still) < GROWN / 2, "and nobody else's: {still}");
    // One that has ended has no processes, and its number is nobody's.
    instance.call("POST", "/api/v1/agents/still/input", &json!({"text": "go\r"}));
    let done = row(&instance, "still", |row| row["state"] == "done");
    assert_eq!((&done["pid"], &done["memory_bytes"]), (&Value::Null, &Value::Null));
}

#[test]
fn top_tells_state_counts_and_lengths_of_turns_and_no_command() {
    let instance = Instance::start();
    swarm(&instance);
    start(&instance, "loose", "while read -r line; do echo \"got $line\"; done");
    text(&instance, &["task", "ring", "worker", "one"]);
    text(&instance, &["task", "ring", "worker", "two"]);
    text(&instance, &["inject", "loose", "three"]);
    let worker = row(&instance, "ring/worker", |row| row["turns"] == 2);
    assert_eq!(
        (&worker["state"], &worker["messages"], &worker["waiting"]),
        (&json!("idle"), &json!(2), &json!(0))
    );
    assert!(worker["latency_ms"]["p50"].as_u64() <= worker["latency_ms"]["p99"].as_u64(), "{worker}");
    assert!(worker["pid"].is_u64() && worker["memory_bytes"].is_u64(), "{worker}");
    let mute = row(&instance, "ring/mute", |_| true);
    assert_eq!((&mute["swarm"], &mute["memory_bytes"]), (&json!("ring"), &Value::Null), "without a process");
    // A terminal's turn is over when it is quiet.
    let loose = row(&instance, "loose", |row| row["turns"] == 1);
    assert!(loose["messages"] == 1 && loose["latency_ms"]["last"].is_u64(), "{loose}");
    let answer = instance.call("GET", "/api/v1/top", &Value::Null);
    let whole = String::from_utf8(answer.body).expect("text");
    for hidden in
        ["read -r", "TURN_COMPLETE", "/bin", instance.home.path().to_str().expect("text"), &*instance.key]
    {
        assert!(!whole.contains(hidden), "{hidden} in {whole}");
    }
    text(&instance, &["pause", "ring"]);
    row(&instance, "ring/worker", |row| row["paused"] == true);
}

#[test]
fn top_prints_once_where_stdout_is_no_terminal() {
    let instance = Instance::start();
    swarm(&instance);
    start(&instance, "loose", "read line");
    // Nothing is looked at twice within a quarter of a second.
    row(&instance, "loose", |row| row["memory_bytes"].is_u64());
    for args in [&["top"][..], &["top", "--once"], &["top", "--once", "--interval", "0.25"]] {
        let table = text(&instance, args);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("up ") && lines[0].contains("agents 3, swarms 1 of 1"), "{table}");
        assert!(lines[1].starts_with("NAME ") && lines[1].ends_with("PID"), "{table}");
        let names: Vec<_> = lines[2..].iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["loose", "ring/mute", "ring/worker"]);
        assert!(!table.contains('\x1b'), "{table:?}");
    }
    let one = text(&instance, &["top", "-s", "ring", "-o", "memory"]);
    assert!(
        one.lines().count() == 4 && one.lines().nth(2).is_some_and(|line| line.starts_with("ring/worker")),
        "{one}"
    );
    let json = |args: &[&str]| -> Value { serde_json::from_str(&text(&instance, args)).expect("JSON") };
    let names = |answer: &Value| -> Vec<String> {
        let agents = answer["agents"].as_array().expect("a list");
        agents.iter().map(|agent| agent["name"].as_str().expect("a name").to_owned()).collect()
    };
    let all = json(&["top", "--json"]);
    assert_eq!(all["swarms"], json!({"all": 1, "running": 1}));
    assert_eq!(names(&all), ["loose", "ring/mute", "ring/worker"]);
    let one = json(&["top", "--json", "-s", "ring", "-o", "memory", "-i", "0.25"]);
    assert_eq!(names(&one), ["ring/worker", "ring/mute"], "as the table shows them");
    for unknown in [&["top", "-s", "none"][..], &["top", "-s", "none", "--json"]] {
        let unknown = ran(&mut instance.loopgate(unknown));
        assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""), "{}", unknown.err);
        assert!(unknown.err.contains("status --swarms"), "{}", unknown.err);
    }
    text(&instance, &["stop", "ring"]);
    until("a look at a swarm that does not run", || {
        (text(&instance, &["top", "-s", "ring"]).lines().count() == 2).then_some(())
    });
    for wrong in [&["top", "-o", "colour"][..], &["top", "-i", "0"], &["top", "-s", "a/b"], &["top", "x"]] {
        assert_eq!(ran(&mut instance.loopgate(wrong)).code, Some(2), "{wrong:?}");
    }
    let (_temp, home) = new_home();
    assert_eq!(run(&home, &["top"]).code, Some(69), "nobody runs there");
}

#[test]
fn top_needs_the_token_where_there_is_one() {
    let instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", "the-token-of-this-test")], &[]);
    let without = ran(&mut instance.loopgate(&["top"]));
    assert_eq!(without.code, Some(77), "{}", without.err);
    assert!(without.err.contains("GENSWARMS_API_TOKEN"), "{}", without.err);
    let with = |instance: &Instance| {
        ran(instance.loopgate(&["top"]).env("GENSWARMS_API_TOKEN", "the-token-of-this-test"))
    };
    assert_eq!(with(&instance).code, Some(0));
    // an instance that has none knows none
    assert_eq!(with(&Instance::start()).code, Some(0));
}

fn on_terminal(command: &mut Command) -> OnTerminal {
    OnTerminal::start(command.env("TERM", "xterm"), SIZE)
}

/// Left as it was found: its mode, its screen and its cursor.
#[track_caller]
fn given_back(terminal: &mut OnTerminal) {
    let text = terminal.text();
    assert_eq!((text.matches(ENTER).count(), text.matches(LEAVE).count()), (1, 1), "{text:?}");
    assert!(terminal.echoes(), "the terminal is as before");
}

#[test]
fn top_goes_on_until_q_and_leaves_the_terminal_as_it_was() {
    let instance = Instance::start();
    start(&instance, "loose", "read line");
    let mut terminal = on_terminal(&mut instance.loopgate(&["top", "--interval", "0.25"]));
    terminal.until("loose");
    assert!(!terminal.echoes());
    // what comes after it began is seen, too
    start(&instance, "later", "read line");
    terminal.until("later");
    terminal.type_keys(b"m");
    terminal.until("by memory; q ends");
    // keys that send a sequence are no letters
    terminal.type_keys(b"\x1b[D\x1bOq\x1b[5~r");
    terminal.until("by rate; q ends");
    terminal.type_keys(b"q");
    assert_eq!(terminal.end(), Some(0));
    given_back(&mut terminal);
}

#[test]
fn top_fits_a_window_that_changes() {
    let instance = Instance::start();
    for at in 0..9 {
        start(&instance, &format!("agent-{at}"), "read line");
    }
    // so seldom that only the change itself brings a picture
    let mut terminal = on_terminal(&mut instance.loopgate(&["top", "-i", "3600"]));
    terminal.until("agent-8");
    tty::set_size(terminal.slave.as_fd(), Size { rows: 8, cols: 60 }).expect("resized");
    // the kernel tells the terminal's own processes; this one is none of them
    signal(terminal.child.id(), libc::SIGWINCH);
    let text = terminal.until("5 more: ");
    let picture = text.rsplit("\x1b[8H\x1b[J").next().expect("the last one");
    for line in picture.split("\x1b[2K").skip(1) {
        let visible =
            line.split('\x1b').map(|part| part.split_once('m').map_or(part, |(_, text)| text).len());
        assert!(line.split('\x1b').next().is_some_and(|line| line.len() <= 60), "{line:?}");
        assert!(visible.sum::<usize>() <= 70, "{line:?}");
    }
    terminal.type_keys(b"\x03");
    assert_eq!(terminal.end(), Some(0));
    given_back(&mut terminal);
}

#[test]
fn top_gives_the_terminal_back_at_a_signal() {
    let instance = Instance::start();
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut terminal = on_terminal(&mut instance.loopgate(&["top"]));
        terminal.until("NAME");
        signal(terminal.child.id(), number);
        assert_eq!(terminal.end(), Some(0));
        given_back(&mut terminal);
    }
}

#[test]
fn top_ends_with_its_instance_and_says_so() {
    let mut instance = Instance::start();
    let mut terminal = on_terminal(&mut instance.loopgate(&["top", "-i", "0.25"]));
    terminal.until("NAME");
    assert!(instance.terminate().success());
    assert_eq!(terminal.end(), Some(69));
    given_back(&mut terminal);
    let text = terminal.text();
    let behind = text.rsplit(LEAVE).next().expect("the end");
    assert!(behind.contains("the instance has ended"), "said where it is seen: {text:?}");
}

#[test]
fn a_hostile_answer_tells_the_terminal_nothing() {
    let evil = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{9b}31m\u{202e}e\u{301}vil\r\n\u{1b}Pq\u{1b}\\";
    let rows: Vec<Value> = (0..40)
        .map(|at| {
            json!({"name": format!("{at}{evil}"), "swarm": evil, "state": evil, "pid": u64::MAX, "messages": u64::MAX,
                   "waiting": u64::MAX, "memory_bytes": u64::MAX, "latency_ms": {"last": u64::MAX, "p50": -1, "p99": evil}})
        })
        .collect();
    let answer = json!({"at_ms": u64::MAX, "uptime_ms": u64::MAX, "events": evil, "connections": evil,
                        "swarms": {"all": u64::MAX, "running": -1}, "agents": rows});
    let stage = stand_in(vec![(200, answer.clone()), (200, answer.clone())]);
    let once = run(&stage.home, &["top", "--once"]);
    assert_eq!(once.code, Some(0), "{}", once.err);
    assert_eq!(once.out.lines().count(), 42, "{}", once.out);
    assert!(once.out.bytes().all(|b| b == b'\n' || b == b' ' || b.is_ascii_graphic()), "{:?}", once.out);
    let mut terminal = on_terminal(&mut loopgate(&stage.home, &["top", "-i", "3600"]));
    let text = terminal.until("20 more: ");
    // The sequences are our own and no others: where a row is, what is emptied, colours.
    for sequence in text.split('\x1b').skip(1) {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).expect("a sequence");
        let own = ["[?1049h", "[?25l", "[2J", "[J", "[2K", "[2m", "[33m", "[0m"];
        let row = sequence[..=end].strip_prefix('[').and_then(|rest| rest.strip_suffix('H'));
        let is_own = own.contains(&&sequence[..=end]) || row.is_some_and(|row| row.parse::<u16>().is_ok());
        assert!(is_own, "{sequence:?}");
    }
    assert!(text.matches("\x1b[2J").count() == 1 && !text.contains('\u{9b}'), "{text:?}");
    terminal.type_keys(b"q");
    assert_eq!(terminal.end(), Some(0));
    given_back(&mut terminal);
}

/// A stuck connection behind the terminal, say: what it shows is lost then, its mode is not.
#[test]
fn a_terminal_that_takes_nothing_holds_up_no_signal() {
    let instance = Instance::start();
    let mut terminal = on_terminal(&mut instance.loopgate(&["top", "-i", "0.25"]));
    terminal.until("NAME");
    // SAFETY: tcflow(3) touches no memory of ours.
    assert_eq!(unsafe { libc::tcflow(terminal.slave.as_raw_fd(), libc::TCOOFF) }, 0);
    signal(terminal.child.id(), libc::SIGTERM);
    let status = until("its end, with nobody who reads", || terminal.child.try_wait().expect("a child"));
    assert_eq!(status.code(), Some(0));
    assert!(terminal.echoes());
}
