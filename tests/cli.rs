//! The command line as a program, against a server that stands in for an instance: what it takes,
//! what it prints, how it ends.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;

use std::{fs, io::Write, process::Stdio};

use serde_json::{Value, json};
use stand_in::{loopgate, new_home, run, stand_in};

#[test]
fn help_explains_every_command_and_usage_errors_exit_2() {
    let (_temp, home) = new_home();
    let overview = run(&home, &["help"]);
    assert_eq!((overview.code, overview.err.as_str()), (Some(0), ""));
    let commands: Vec<&str> = overview
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        .collect();
    for verb in [
        "serve",
        "run",
        "attach",
        "inject",
        "send",
        "agents",
        "whoami",
        "status",
        "stop-agent",
        "exposure",
        "api",
        "demo",
        "version",
        "help",
    ] {
        assert!(commands.contains(&verb), "{verb} is not in {commands:?}");
        for args in [&["help", verb][..], &[verb, "--help"]] {
            let help = run(&home, args);
            assert_eq!(help.code, Some(0), "{args:?}");
            assert!(help.out.contains(&format!("usage: loopgate {verb}")), "{}", help.out);
            assert!(verb == "version" || verb == "help" || help.out.contains("examples:"), "{}", help.out);
        }
        assert_eq!(run(&home, &[verb, "--no-such-flag"]).code, Some(2), "{verb}");
    }
    assert!(!commands.contains(&"keeper"));
    for args in [&[][..], &["nonsense"], &["help", "nonsense"], &["help", "keeper"], &["run", "--name", "a"]]
    {
        let wrong = run(&home, args);
        assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(wrong.err.starts_with("loopgate: ") && wrong.err.contains("next: "), "{}", wrong.err);
    }
    for (verb, args) in [
        ("run", &["run", "--name", "a", "--rows", "1", "sh"][..]),
        ("run", &["run", "--", "sh"]),
        ("inject", &["inject", "--submit", "never", "a", "text"]),
        ("api", &["api", "GET", "no-slash"]),
        ("exposure", &["exposure", "--routes", "--limits"]),
        ("message", &["message", ""]),
    ] {
        let wrong = run(&home, args);
        assert_eq!(wrong.code, Some(2), "{args:?}");
        assert!(wrong.err.contains(&format!("next: `loopgate help {verb}`")), "{}", wrong.err);
    }
    assert_eq!(run(&home, &["--version"]).out, run(&home, &["version"]).out);
    let version: Value = serde_json::from_str(&run(&home, &["version", "--json"]).out).expect("JSON");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_the_instance_refuses_becomes_the_exit_code_that_says_what_to_do() {
    let cases = [
        (400, "bad_request", 65),
        (401, "unauthorized", 77),
        (403, "forbidden", 77),
        (404, "agent_not_found", 1),
        (409, "agent_exists", 1),
        (413, "body_too_large", 65),
        (422, "command_not_found", 65),
        (429, "mailbox_full", 75),
        (500, "internal", 70),
        (503, "agent_limit", 75),
    ];
    let answers = cases
        .iter()
        .map(|(status, code, _)| (*status, json!({ "error": "a \u{1b}[31mreason", "code": code })));
    let instance = stand_in(answers.collect());
    for (status, code, exit) in cases {
        let ran = run(&instance.home, &["run", "--name", "a", "true"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(exit), ""), "{status} {}", ran.err);
        assert!(ran.err.contains(code) && !ran.err.contains('\u{1b}'), "{}", ran.err);
        assert!(status == 500 || ran.err.contains("next: "), "{}", ran.err);
    }
}

#[test]
fn a_refusal_that_may_pass_is_told_as_one() {
    let refusals = [(400, "inbox_full"), (400, "agent_initializing"), (409, "busy")];
    let answers = refusals.map(|(status, code)| (status, json!({ "error": code, "code": code })));
    let instance = stand_in(answers.to_vec());
    for (_, code) in refusals {
        let ran = run(&instance.home, &["task", "s", "a", "x"]);
        assert_eq!(ran.code, Some(75), "{ran:?}");
        assert!(ran.err.contains(code) && ran.err.contains("try again in a moment"), "{ran:?}");
    }
}

#[test]
fn a_refusal_is_told_once_and_in_the_words_of_its_surface() {
    let field = json!({ "error": "field 'name' must be a string", "code": "wrong_field", "field": "name" });
    let swarm = json!({ "errors": { "detail": "Not Found" } });
    let instance = stand_in(vec![(400, field), (404, swarm)]);
    for said in
        ["field 'name' must be a string [400 wrong_field]\n", "the instance refused: Not Found [404]\n"]
    {
        let ran = run(&instance.home, &["run", "--name", "a", "true"]);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

#[test]
fn an_inject_that_failed_behind_a_200_fails_the_command() {
    let failed =
        |error: &str| (200, json!({ "success": false, "request_id": "r", "timestamp": 1, "error": error }));
    let instance = stand_in(vec![
        (200, json!({ "success": true, "outcome": "queued", "truncated": true })),
        failed("agent not found: a"),
        failed("invalid agent ID: a b"),
        failed("rate limit exceeded"),
        failed("failed to send input: queue full"),
        failed("controller is not running"),
    ]);
    let ran = run(&instance.home, &["inject", "--submit", "once", "a", "text"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "queued to a\n"));
    assert!(ran.err.contains("cut at 10000 bytes"), "{}", ran.err);
    let asked = instance.asked.recv().expect("a request");
    assert_eq!(asked.line, "POST /agentmux/reactive/inject");
    assert_eq!(asked.body, json!({ "target_agent": "a", "message": "text", "submit": "once" }));
    for exit in [1, 65, 75, 75, 1] {
        let ran = run(&instance.home, &["inject", "a", "text"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(exit), ""), "{}", ran.err);
    }
}

#[test]
fn a_text_comes_from_the_command_line_or_from_stdin() {
    let ok = (200, json!({ "id": "i", "to": "a", "outcome": "waiting" }));
    let instance = stand_in(vec![ok.clone(), ok.clone(), ok]);
    let piped = |args: &[&str], bytes: &[u8]| {
        let mut command = loopgate(&instance.home, args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let _ = child.stdin.take().expect("stdin").write_all(bytes);
        child.wait_with_output().expect("it ends").status.code()
    };
    assert_eq!(run(&instance.home, &["send", "--id", "i", "a", "--", "--text"]).code, Some(0));
    assert_eq!(piped(&["send", "a"], "from\nstdin ä".as_bytes()), Some(0));
    assert_eq!(piped(&["send", "a", "-"], b"also"), Some(0));
    for (text, id) in [("--text", json!("i")), ("from\nstdin ä", Value::Null), ("also", Value::Null)] {
        let asked = instance.asked.recv().expect("a request");
        assert_eq!(asked.line, "POST /api/v1/agents/a/send");
        assert_eq!((&asked.body["text"], &asked.body["id"]), (&json!(text), &id));
    }
    assert_eq!(piped(&["send", "a"], b"\xff"), Some(65));
    assert_eq!(piped(&["send", "a"], &vec![b'x'; loopgate::limits::BODY_SMALL + 1]), Some(65));
    assert!(instance.asked.try_recv().is_err());
}

#[test]
fn names_in_a_path_cannot_reach_another_route() {
    let instance = stand_in(vec![(404, json!({})), (404, json!({}))]);
    run(&instance.home, &["stop-agent", "../status?x#y"]);
    assert_eq!(
        instance.asked.recv().expect("a request").line,
        "DELETE /api/v1/agents/%2E%2E%2Fstatus%3Fx%23y"
    );
    run(&instance.home, &["send", "a/b", "text"]);
    assert_eq!(instance.asked.recv().expect("a request").line, "POST /api/v1/agents/a%2Fb/send");
}

#[test]
fn api_prints_the_answer_and_tells_a_refusal() {
    let not_found = (404, json!({ "error": "not found", "code": "not_found" }));
    let instance = stand_in(vec![(200, json!({ "a": 1 })), not_found, (200, json!({}))]);
    let ran = run(&instance.home, &["api", "post", "/api/v1/agents", "{\"name\": \"x\"}"]);
    assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.out).ok()), (Some(0), Some(json!({ "a": 1 }))));
    let asked = instance.asked.recv().expect("a request");
    assert_eq!((asked.line.as_str(), asked.body), ("POST /api/v1/agents", json!({ "name": "x" })));
    let ran = run(&instance.home, &["api", "GET", "/nope?x=1"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("not_found") && ran.err.contains("404"), "{ran:?}");
    let path = "/api/swarms/s/topology";
    assert_eq!(run(&instance.home, &["api", "PATCH", path, "{\"add\": []}"]).code, Some(0));
    let asked = instance.asked.iter().nth(1).expect("a request");
    assert_eq!((asked.line.as_str(), asked.body), ("PATCH /api/swarms/s/topology", json!({ "add": [] })));
    for (args, code) in [
        (["api", "BREW", "/", "{}"], 2),
        (["api", "GET", "agents", "{}"], 2),
        (["api", "GET", "/a b", "{}"], 2),
        (["api", "GET", "/a\r\nX: 1", "{}"], 2),
        (["api", "POST", "/", "{"], 65),
    ] {
        assert_eq!(run(&instance.home, &args).code, Some(code), "{args:?}");
    }
}

#[test]
fn exposure_exits_1_on_a_difference_and_shows_limits_and_routes_without_an_instance() {
    let row = |difference: Value| {
        json!({ "kind": "socket", "process": "x\u{1b}]0;t\u{7}", "address": "127.0.0.1:1", "purpose": "p", "auth": "a",
                "default": "on", "declared": true, "observed": true, "difference": difference })
    };
    let instance = stand_in(vec![
        (200, json!({ "rows": [row(Value::Null)], "differences": 0 })),
        (200, json!({ "rows": [row(json!("not declared"))], "differences": 1 })),
        (200, json!({})),
    ]);
    for exit in [0, 1, 1] {
        let ran = run(&instance.home, &["exposure"]);
        assert_eq!(ran.code, Some(exit), "{}", ran.err);
        assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
    }
    let (_temp, empty) = new_home();
    for (flag, list, count) in [
        ("--limits", "limits", loopgate::limits::TABLE.len()),
        ("--routes", "routes", loopgate::api::table::routes().count()),
    ] {
        let shown = run(&empty, &["exposure", flag]);
        assert!(shown.code == Some(0) && shown.out.lines().count() > count, "{}", shown.err);
        let data: Value =
            serde_json::from_str(&run(&empty, &["exposure", flag, "--json"]).out).expect("JSON");
        assert_eq!(data[list].as_array().map(Vec::len), Some(count));
    }
}

#[test]
fn what_agents_call_themselves_reaches_a_terminal_only_filtered() {
    let agents = json!({ "agents": [{ "name": "a\u{1b}]52;c;AA\u{7}\r\u{202e}b", "state": "running", "pid": 1, "rows": 24,
        "cols": 80, "waiting": 0, "command": ["sh\n\u{9b}2J"] }] });
    let instance = stand_in(vec![(200, agents.clone()), (200, agents.clone())]);
    for args in [&["agents"][..], &["agents", "--json"]] {
        let ran = run(&instance.home, args);
        assert_eq!(ran.code, Some(0));
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ran.out.contains(bad), "{:?}", ran.out);
        if args.len() == 2 {
            assert_eq!(serde_json::from_str::<Value>(&ran.out).expect("JSON"), agents);
        }
    }
}

#[test]
fn a_closed_or_full_stdout_and_stderr_end_quietly() {
    let (_temp, home) = new_home();
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let output = loopgate(&home, &["help"]).stdout(closed()).stderr(Stdio::piped()).spawn().expect("it runs");
    let output = output.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let status = loopgate(&home, &["status"]).stdout(closed()).stderr(closed()).status().expect("it runs");
    assert_eq!(status.code(), Some(69));
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full"));
    let status = loopgate(&home, &["help"]).stdout(full()).stderr(full()).status().expect("it runs");
    assert_eq!(status.code(), Some(73));
}
