//! What agents said and printed, on a real instance: of a pipe, a terminal and a mock, by route and by verb, over
//! restarts and after a kill.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStderr, ChildStdout, Output, Stdio},
};

use serde_json::{Value, json};
use support::{Instance, signal, until};

/// Says what it is told, a token, a key by its name, and a sequence; a word on its standard error.
const PIPED: &str = r#"while read -r line; do
    echo "heard $line"; echo "token $LOOPGATE_AGENT_TOKEN"; echo "API_KEY=sk-not-to-be-shown"
    printf '\033[31mred\033[0m\n'; echo problem >&2; echo '<<TURN_COMPLETE>>'; done"#;
const TYPED: &str =
    "stty -echo; printf 'ready\\r\\n'; while read -r line; do printf '\\033[2Jgot %s\\r\\n' \"$line\"; done";

fn started() -> Instance {
    let instance = Instance::start();
    let agents = json!([
        {"name": "piped", "backend": "local", "command": ["/bin/sh", "-c", PIPED]},
        {"name": "typed", "backend": "local", "controller": "pty", "command": ["/bin/sh", "-c", TYPED]},
        {"name": "mock", "backend": "mock", "config": {"script": [["one", "two {content}"]]}},
    ]);
    let config = json!({"name": "s", "agents": agents});
    let made = instance.call_as(&[], "POST", "/api/swarms", &json!({ "config": config }));
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    instance
}

fn task(instance: &Instance, agent: &str, text: &str) {
    let path = format!("/api/swarms/s/agents/{agent}/task");
    let answer = instance.call_as(&[], "POST", &path, &json!({ "task": text }));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

fn look(instance: &Instance, path: &str) -> Value {
    let answer = instance.call_as(&[], "GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// Waits until an agent's whole log holds this.
#[track_caller]
fn holds(instance: &Instance, agent: &str, text: &str) -> String {
    until(text, || {
        let log =
            look(instance, &format!("/api/swarms/s/agents/{agent}/logs?kind=all&limit=1000")).to_string();
        log.contains(text).then_some(log)
    })
}

fn verb(instance: &Instance, args: &[&str]) -> Output {
    instance.loopgate(args).output().expect("it runs")
}

fn out(instance: &Instance, args: &[&str]) -> String {
    let ran = verb(instance, args);
    assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}

/// `loopgate logs -f`, and what it prints.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
    talk: BufReader<ChildStderr>,
}

impl Follower {
    fn start(instance: &Instance, args: &[&str]) -> Self {
        let mut command = instance.loopgate(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout"));
        let talk = BufReader::new(child.stderr.take().expect("stderr"));
        Self { child, lines, talk }
    }

    /// The next line that holds this.
    fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("text") > 0, "it ended before: {text}");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("it ends").code();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.talk, &mut rest).expect("text");
        (code, rest)
    }
}

#[test]
fn what_a_pipe_a_terminal_and_a_mock_say_is_shown_without_tokens_secrets_and_sequences() {
    let instance = started();
    holds(&instance, "typed", "ready");
    for agent in ["piped", "typed", "mock"] {
        task(&instance, agent, "hello");
    }
    let piped = holds(&instance, "piped", "problem");
    assert!(
        piped.contains("[agent token]") && piped.contains("API_KEY=[REDACTED]") && piped.contains("\"red\""),
        "{piped}"
    );
    assert!(!piped.contains("lga_") && !piped.contains("sk-not") && !piped.contains("\\u001b"), "{piped}");
    let typed = holds(&instance, "typed", "\"got ");
    assert!(!typed.contains("\\u001b") && typed.contains("hello"), "{typed}");
    holds(&instance, "mock", "two hello");
    holds(&instance, "piped", "\"assistant\"");
    let all = out(&instance, &["logs", "s", "--all", "-n", "1000"]);
    for wanted in ["piped", "typed", "mock", "user", "assistant", "stdout", "stderr", "swarm_started"] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    assert!(!all.contains('\u{1b}') && !all.contains(instance.home.path().to_str().expect("text")), "{all}");
    // A text of two lines is one record: what goes on stands further in.
    let mock = out(&instance, &["logs", "s/mock"]);
    assert!(
        mock.lines().any(|line| line.ends_with("assistant one")) && mock.contains("\n    | two hello"),
        "{mock}"
    );
    let json = out(&instance, &["logs", "--json", "--stdout"]);
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["kind"] == "output" && row["n"].is_u64()));
    let records = |most| {
        let shown = out(&instance, &["logs", "s", "piped", "--json", "-n", most]);
        shown.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = records("100");
    assert!(all.len() > 2 && records("1") == all[all.len() - 1..] && records("2") == all[all.len() - 2..]);
}

#[test]
fn logs_are_there_after_a_kill_and_after_a_restart_and_go_on() {
    let mut instance = started();
    task(&instance, "mock", "first");
    holds(&instance, "mock", "two first");
    let file = instance.home.path().join("swarms/s/agents/mock/logs/log.jsonl");
    // Behind the loss window: it is on the disk.
    until("the line on the disk", || {
        fs::read_to_string(&file).is_ok_and(|text| text.contains("\"assistant\"")).then_some(())
    });
    instance.kill();
    instance.start_again();
    assert!(holds(&instance, "mock", "two first").contains("session-1"));
    assert!(
        out(&instance, &["logs", "s", "mock"]).contains("user      first"),
        "of a swarm that does not run"
    );
    out(&instance, &["start", "s"]);
    task(&instance, "mock", "second");
    assert!(holds(&instance, "mock", "two second").contains("session-2"));
    assert!(instance.terminate().success());
    instance.start_again();
    let log = holds(&instance, "mock", "two second");
    assert!(log.find("two first") < log.find("two second"), "{log}");
}

#[test]
fn logs_are_followed_over_a_restart_of_the_agent_until_ctrl_c_or_the_end() {
    let mut instance = started();
    task(&instance, "mock", "before");
    holds(&instance, "mock", "two before");
    let mut one = Follower::start(&instance, &["logs", "s/mock", "-f"]);
    let mut all = Follower::start(&instance, &["logs", "s", "--all", "--follow", "-n", "5", "--json"]);
    one.until("before");
    all.until("before");
    out(&instance, &["restart", "s", "mock"]);
    one.until("restarted");
    task(&instance, "mock", "after");
    assert!(one.until("after").contains("user"));
    all.until("agent_started");
    all.until("two after");
    signal(one.child.id(), libc::SIGINT);
    assert_eq!(one.end().0, Some(0));
    assert!(instance.terminate().success());
    let (code, told) = all.end();
    assert!(code == Some(69) && told.contains("the instance has ended"), "{code:?} {told}");
    assert!(!told.contains("--after"), "a flag that `logs` does not have: {told}");
}

#[test]
fn the_end_of_what_is_followed_is_told_by_its_reason() {
    let instance = started();
    task(&instance, "mock", "before");
    holds(&instance, "mock", "two before");
    let mut follower = Follower::start(&instance, &["logs", "s", "-f"]);
    follower.until("before");
    out(&instance, &["delete", "s", "--force"]);
    let (code, told) = follower.end();
    assert!(code == Some(1) && told.contains("the swarm was removed"), "{code:?} {told}");
    assert!(told.contains("status --swarms") && !told.contains("--after"), "{told}");
}

#[test]
fn the_verb_says_what_is_meant_where_it_is_not_clear() {
    let instance = started();
    let second = json!({"config": {"name": "t", "agents": [{"name": "a", "backend": "mock"}]}});
    instance.call_as(&[], "POST", "/api/swarms", &second);
    for (args, code, says) in [
        (&["logs"][..], 2, "s, t"),
        (&["logs", "nobody"], 1, "status --swarms"),
        (&["logs", "s", "nobody"], 1, "Agent not found"),
        (&["logs", "nobody", "-f"], 1, "attach nobody"),
        (&["logs", "s/mock", "mock"], 2, "no name"),
        (&["logs", "s", "-n", "0"], 2, "--tail"),
        (&["logs", "7up"], 1, "loopgate agents"),
        (&["logs", "7up", "-f"], 1, "attach 7up"),
        (&["logs", "7 up"], 2, "no name"),
    ] {
        let ran = verb(&instance, args);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(
            ran.status.code() == Some(code) && said.contains(says),
            "{args:?}: {:?} {said}",
            ran.status.code()
        );
    }
    // An agent that runs alone has no log: its terminal's last lines are shown.
    out(
        &instance,
        &[
            "run",
            "--name",
            "alone",
            "--",
            "/bin/sh",
            "-c",
            "printf '\\033[1mbold\\033[0m\\nlast\\n'; exec cat",
        ],
    );
    out(&instance, &["run", "--name", "2nd", "--", "/bin/sh", "-c", "echo here; exec cat"]);
    until("a name that no swarm may have", || {
        (out(&instance, &["logs", "2nd", "--all"]) == "here\n").then_some(())
    });
    until("its words", || out(&instance, &["logs", "alone"]).contains("last").then_some(()));
    for json in [&["logs", "alone", "--json", "-n", "1"][..], &["logs", "alone", "--stdout", "--json", "-n1"]]
    {
        let record = json!({"agent": "alone", "kind": "output", "stream": "stdout", "content": "last",
                            "truncated": false});
        assert_eq!(serde_json::from_str::<Value>(&out(&instance, json)).expect("JSON"), record);
    }
    for none in ["--conversation", "--events"] {
        let ran = verb(&instance, &["logs", "alone", none]);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(1) && said.contains("the lines of its terminal"), "{none}: {said}");
        assert!(ran.stdout.is_empty());
    }
    assert_eq!(out(&instance, &["logs", "alone", "-n", "1"]), "last\n");
    assert!(out(&instance, &["logs", "alone"]).starts_with("bold\n"));
}

/// Follows what `s` logs until each of `until` was in the data of a frame; the data of all frames, and the last id.
fn frames(instance: &Instance, query: &str, last: &str, until: &[&str]) -> (Vec<Value>, String) {
    let mut stream = instance.connect();
    write!(
        stream,
        "GET /api/swarms/s/logs?follow=1&kind={query} HTTP/1.1\r\nHost: {}\r\nLast-Event-ID: {last}\r\n\r\n",
        instance.address
    )
    .expect("it is asked");
    let (mut rows, mut id, mut until) = (Vec::new(), String::new(), until.to_vec());
    for line in BufReader::new(stream).lines() {
        let line = line.expect("text");
        if let Some(text) = line.strip_prefix("id: ") {
            text.clone_into(&mut id);
        }
        if let Some(data) = line.strip_prefix("data: ") {
            rows.push(serde_json::from_str(data).expect("JSON"));
            until.retain(|text| !data.contains(text));
            if until.is_empty() {
                return (rows, id);
            }
        }
    }
    panic!("it ended before: {until:?}");
}

#[test]
fn who_comes_back_to_logs_and_events_misses_and_repeats_none_of_either() {
    let mut instance = started();
    task(&instance, "mock", "one");
    holds(&instance, "mock", "two one");
    let (_, mut id) = frames(&instance, "conversation,events&limit=50", "", &["two one", "turn complete"]);
    let mut seen = Vec::new();
    for at in 0..6 {
        if at == 3 {
            assert!(instance.terminate().success());
            instance.start_again();
            out(&instance, &["start", "s"]);
        }
        let said = format!("task number {at}");
        task(&instance, "mock", &said);
        let all = [said.as_str(), &format!("two {said}"), "task_sent", "turn complete"];
        let (rows, last) = frames(&instance, "conversation,events", &id, &all);
        assert!(rows.iter().all(|row| row["missed"].is_null()), "{rows:?}");
        assert!(
            last.split_once('-')
                .is_some_and(|(n, event)| n.parse::<u64>().is_ok() && event.parse::<u64>().is_ok())
        );
        seen.extend(rows);
        id = last;
    }
    let sent = |row: &&Value| row["event_type"] == "task_sent";
    assert_eq!(seen.iter().filter(sent).count(), 6, "each event once");
    let users = seen.iter().filter(|row| row["role"] == "user").count();
    let ids: std::collections::BTreeSet<String> =
        seen.iter().map(|row| format!("{} {}", row["n"], row["id"])).collect();
    assert_eq!((users, ids.len()), (6, seen.len()), "each record once, and nothing twice");
    let (alone, id) = frames(&instance, "conversation&since=0", "", &["two one"]);
    assert!(!alone.is_empty() && id.parse::<u64>().is_ok(), "without events it is a number");
}
