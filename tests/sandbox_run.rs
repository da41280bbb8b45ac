//! `loopgate run` in a sandbox: the real program, a real bubblewrap, a terminal.
//!
//! They run as root, where the program in the sandbox is another user's, and as an ordinary user.

#[path = "support/endpoint.rs"]
#[allow(dead_code)]
mod endpoint;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    process::{Command, Output},
};

use endpoint::{StandIn, http};
use loopgate::sys::tty::Size;
use serde_json::{Value, json};
use support::{Instance, TempDir, skipped, until};
use terminal::OnTerminal;

/// What the operator's key is in these tests.
const KEY: &str = "sk-the-key-that-no-agent-sees";
const NOBODY: u32 = 65_534;

/// Whether there is what a sandbox needs; says so where there is not.
fn is_possible() -> bool {
    let tried = Command::new("bwrap")
        .args(["--unshare-all", "--ro-bind", "/", "/", "true"])
        .output()
        .is_ok_and(|tried| tried.status.success());
    if !tried {
        skipped("bubblewrap, or user namespaces");
    }
    tried
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|facts| facts.uid() == 0)
}

/// A directory of the user that programs in sandboxes are.
fn directory() -> TempDir {
    let directory = TempDir::new();
    if is_root() {
        chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("handed over");
    }
    directory
}

fn run(instance: &Instance, at: &Path, flags: &[&str], script: &str) -> Output {
    let mut command = instance.loopgate(&["run", "--name", "r", "-C", at.to_str().expect("text")]);
    command.args(flags).args(["--", "/bin/bash", "-c", script]).output().expect("it runs")
}

#[track_caller]
fn started(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn record(instance: &Instance) -> Value {
    let listed = instance.loopgate(&["agents", "--json"]).output().expect("it runs");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    listed["agents"]
        .as_array()
        .expect("agents")
        .iter()
        .find(|one| one["name"] == "r")
        .cloned()
        .unwrap_or_default()
}

/// What the script has written into a file of its workspace, once that is whole.
#[track_caller]
fn written(at: &Path, name: &str) -> String {
    until(name, || fs::read_to_string(at.join(name)).ok().filter(|text| text.ends_with("END\n")))
}

fn names(directory: &Path) -> Vec<String> {
    let all = fs::read_dir(directory).expect("a directory").flatten();
    let mut all: Vec<_> = all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

/// Whether a process is there whose arguments hold this mark.
fn is_there(mark: &str) -> bool {
    let own = std::process::id().to_string();
    fs::read_dir("/proc").expect("/proc").flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        entry.file_name().to_string_lossy() != own.as_str() && String::from_utf8_lossy(&line).contains(mark)
    })
}

fn stop(instance: &Instance) {
    let stopped = instance.loopgate(&["stop-agent", "r"]).output().expect("it runs");
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
}

#[test]
fn run_isolated_reaches_the_endpoint_alone_holds_no_key_and_leaves_nothing() {
    if !is_possible() {
        return;
    }
    let stand_in = StandIn::answering(None, http("200 OK", "", "{\"from\":\"the model\"}"));
    let at = format!("http://{}/v1", stand_in.at);
    let instance =
        Instance::start_with(&[("LOOPGATE_LLM_ENDPOINT", &at), ("LOOPGATE_LLM_API_KEY", KEY)], &[]);
    let (work, mark) = (directory(), "mark-of-the-isolated-run");
    let script = format!(
        r#": {mark}
        ask() {{ exec 3<> /dev/tcp/127.0.0.1/4141 && printf 'POST %s HTTP/1.1\r\nHost: 127.0.0.1:4141\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}' "$1" >&3 && cat <&3; echo; }}
        (env; pwd; ask /v1/messages; (: <> /dev/tcp/127.0.0.1/{}) 2> /dev/null || echo unreached
         (: <> /dev/tcp/{}) 2> /dev/null || echo unreached too; tail -n +3 /proc/net/dev | wc -l; echo END) > out 2>&1
        (setsid sleep 1000 &); read x"#,
        instance.address.port(),
        stand_in.at.to_string().replace(':', "/"),
    );
    let said = started(&run(&instance, work.path(), &["--isolated"], &script));
    assert!(said.contains("in a sandbox, network isolated"), "{said}");
    let out = written(work.path(), "out");
    for line in [
        "ANTHROPIC_BASE_URL=http://127.0.0.1:4141",
        "OPENAI_BASE_URL=http://127.0.0.1:4141/v1",
        "HOME=/home/agent",
        "LOOPGATE_AGENT=r",
        "/workspace",
        "{\"from\":\"the model\"}",
        "unreached",
        "unreached too",
        "1",
    ] {
        assert!(out.lines().any(|said| said == line), "{line}: {out}");
    }
    for never in [KEY, "LOOPGATE_AGENT_TOKEN", "LOOPGATE_URL", "AGENTMUX_LOCAL_URL", "OUTBOX_DIR"] {
        assert!(!out.contains(never), "{never}: {out}");
    }
    assert!(stand_in.heard().contains(KEY), "{}", stand_in.heard());
    let record = record(&instance);
    assert_eq!((&record["backend"], &record["network"]), (&json!("bwrap"), &json!("isolated")), "{record}");
    assert_eq!(
        (&record["layers"][0], &record["limits_not_kept"]),
        (&json!("seccomp"), &json!([])),
        "{record}"
    );
    assert!(is_there(mark));
    stop(&instance);
    until("nothing to be left", || (!is_there(mark)).then_some(()));
    assert_eq!(names(work.path()), ["out"], "no placeholder is left");
    assert!(!instance.home.path().join("placeholders").exists());
}

#[test]
fn a_run_in_a_sandbox_has_a_terminal_of_its_own_and_attach_reaches_it() {
    if !is_possible() {
        return;
    }
    let instance = Instance::start_with(&[("LOOPGATE_LLM_ENDPOINT", "http://127.0.0.1:9/v1")], &[]);
    for flag in ["--isolated", "--sandbox"] {
        let work = directory();
        let script = "tty; : < /dev/tty && echo mine; while read -r line; do echo \"got $line\"; done";
        started(&run(&instance, work.path(), &[flag], script));
        let mut command = instance.loopgate(&["attach", "r"]);
        let mut user = OnTerminal::start(&mut command, Size { rows: 24, cols: 80 });
        let shown = user.until("mine");
        assert!(!shown.contains("not a tty"), "{shown}");
        user.type_keys(b"hello\r");
        // as the terminal echoes it, and as the program has read it
        let shown = user.until("got hello");
        assert_eq!(shown.matches("hello").count(), 2, "{shown}");
        user.type_keys(b"\x1d");
        assert_eq!(user.end(), Some(0));
        stop(&instance);
    }
}

#[test]
fn a_run_that_may_not_be_is_refused_and_starts_nothing() {
    let instance = Instance::start_with(&[("LOOPGATE_LLM_ENDPOINT", "http://127.0.0.1:9/v1")], &[]);
    let work = directory();
    let output = run(
        &instance,
        work.path(),
        &["--isolated", "--endpoint", "https://elsewhere.example/v1"],
        "echo > out",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("endpoint_not_allowed"), "{said}");
    let events = instance.call("GET", "/api/events", &Value::Null);
    assert!(String::from_utf8_lossy(&events.body).contains("endpoint_not_allowed"));
    let start = |backend: &str, config: Value| {
        let body = json!({"name": "r", "command": ["/bin/sh", "-c", "echo > out; read x"],
            "cwd": work.path(), "backend": backend, "config": config});
        let answer = instance.call("POST", "/api/v1/agents", &body);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    for (backend, config, code) in [
        ("bwrap", json!({"network": "isolated", "endpoint": "http://h/v1?x"}), "invalid_endpoint"),
        ("bwrap", json!({"network": "isolatd"}), "invalid_network"),
        ("bwrap", json!({"seccomp": false}), "unsupported_option"),
        ("bwrap", json!({"workspace": "/tmp"}), "unknown_key"),
        ("bwrap", json!({"endpoint": "https://h/v1"}), "unsupported_option"),
        ("bwrap", json!(["isolated"]), "wrong_field"),
        ("local", json!({"network": "isolated"}), "unsupported_network"),
        ("local", json!({"memory_limit": "1G"}), "unsupported_option"),
        ("docker", json!({}), "wrong_field"),
    ] {
        assert_eq!(start(backend, config.clone()), (400, code.to_owned()), "{backend} {config}");
    }
    assert_eq!(names(work.path()), [""; 0]);
    assert_eq!(record(&instance), Value::Null);
    if is_root() && is_possible() {
        chown(work.path(), Some(0), Some(0)).expect("taken back");
        assert_eq!(start("bwrap", json!({})), (422, "workspace_owner".to_owned()));
        let said = run(&instance, work.path(), &["--sandbox"], "echo > out").stderr;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("chown 65534") && said.contains("start it in one of theirs"), "{said}");
        assert_eq!(names(work.path()), [""; 0]);
    }
}

#[test]
fn a_run_that_ends_by_itself_or_with_a_killed_instance_leaves_nothing() {
    if !is_possible() {
        return;
    }
    let mut instance = Instance::start_with(&[("LOOPGATE_LLM_ENDPOINT", "http://127.0.0.1:9/v1")], &[]);
    let (work, mark) = (directory(), "mark-of-the-run-that-was-killed");
    started(&run(&instance, work.path(), &["--isolated"], "(setsid sleep 1000 &); echo END > out; exit 3"));
    until("its end", || (record(&instance)["exit"] == json!({"code": 3})).then_some(()));
    // Its end is told before what held it is gone: who waits for it waits for that too.
    until("the placeholders to be gone", || (names(work.path()) == ["out"]).then_some(()));
    fs::remove_file(work.path().join("out")).expect("removed");
    let script = format!(": {mark}; (setsid sleep 1000 &); echo END > out; read x");
    started(&run(&instance, work.path(), &["--isolated"], &script));
    written(work.path(), "out");
    assert!(names(work.path()).len() > 10, "placeholders stand");
    instance.kill();
    until("nothing to be left", || (!is_there(mark)).then_some(()));
    instance.start_again();
    assert_eq!(names(work.path()), ["out"]);
}

/// One that reaches the instance says with its own token that something is to be typed.
#[test]
fn what_a_run_in_a_sandbox_says_is_never_typed_into_a_terminal_outside() {
    if !is_possible() {
        return;
    }
    let instance = Instance::start_with(&[], &[]);
    let work = directory();
    let outside = json!({"name": "outside", "command": ["/bin/cat"], "cwd": "/", "accept_typed_from": ["r"]});
    assert_eq!(instance.call("POST", "/api/v1/agents", &outside).status, 201);
    let script = r#"
        at=${LOOPGATE_URL#http://}; body='{"to":"outside","text":"typed-from-inside"}'
        say() { exec 3<> "/dev/tcp/${at%:*}/${at#*:}" && printf 'POST /api/v1/self/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' "$1" "$at" "$LOOPGATE_AGENT_TOKEN" "${#body}" "$body" >&3 && cat <&3; echo; }
        (say inject; say send; echo END) > out 2>&1; read x"#;
    started(&run(&instance, work.path(), &["--sandbox"], script));
    let out = written(work.path(), "out");
    assert!(out.contains("HTTP/1.1 403"), "{out}");
    assert!(out.contains("HTTP/1.1 200") && out.contains("\"outcome\":\"waiting\""), "{out}");
    let inbox = instance.call("GET", "/api/v1/agents/outside/inbox", &Value::Null);
    assert!(String::from_utf8_lossy(&inbox.body).contains("typed-from-inside"));
    // Nor when it is gone, and what it said still waits.
    stop(&instance);
    let last = json!({"text": "the owner's last"});
    assert_eq!(instance.call("POST", "/api/v1/agents/outside/input", &last).status, 200);
    let shown = until("what the owner typed", || {
        let shown = instance.call("GET", "/api/v1/agents/outside/output", &Value::Null);
        let shown = String::from_utf8_lossy(&shown.body).into_owned();
        shown.contains("the owner's last").then_some(shown)
    });
    assert!(!shown.contains("typed-from-inside"), "{shown}");
}
