//! A real instance, real programs in real terminals, spoken to over HTTP alone.

mod support;

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{Answer, Instance, until};

/// Starts `script` under /bin/sh as agent `name`; more fields of the request in `more`.
#[track_caller]
fn start(instance: &Instance, name: &str, script: &str, more: Value) -> Value {
    let mut body = json!({ "name": name, "command": ["/bin/sh", "-c", script], "cwd": "/" });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let answer = instance.call("POST", "/api/v1/agents", &body);
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

fn output(instance: &Instance, name: &str) -> String {
    let answer = instance.call("GET", &format!("/api/v1/agents/{name}/output"), &Value::Null);
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[track_caller]
fn shows(instance: &Instance, name: &str, text: &str) -> String {
    until(&format!("{name} shows {text:?}"), || Some(output(instance, name)).filter(|out| out.contains(text)))
}

fn inject(instance: &Instance, body: &Value) -> Answer {
    instance.call("POST", "/agentmux/reactive/inject", body)
}

/// The token that an agent was given, as the agent itself tells by a file (its output is redacted).
fn token_of(instance: &Instance, name: &str) -> String {
    let file = instance.home.path().join(format!("token-of-{name}"));
    let script = format!(
        "umask 077; printf %s \"$LOOPGATE_AGENT_TOKEN\" > {0}.new; mv {0}.new {0}; read x",
        file.display()
    );
    start(instance, name, &script, Value::Null);
    let token = until("the token file", || std::fs::read_to_string(&file).ok());
    std::fs::remove_file(file).expect("removed");
    token
}

#[test]
fn what_is_injected_is_typed_into_the_terminal_and_read_by_the_program() {
    let instance = Instance::start();
    let record =
        start(&instance, "coder", "read line; echo \"got <$line>\"; read x", json!({ "submit": "once" }));
    let answer =
        inject(&instance, &json!({ "target_agent": "coder", "message": "build it", "request_id": "req-1" }));
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["success"], true, "{body}");
    assert_eq!(body["request_id"], "req-1");
    assert_eq!(body["block_id"], record["block_id"]);
    assert_eq!(body["outcome"], "delivered");
    shows(&instance, "coder", "got <build it>");
    let audit = instance.call("GET", "/agentmux/reactive/audit?limit=10", &Value::Null).json();
    assert_eq!(audit[0]["target_agent"], "coder");
    assert_eq!(audit[0]["request_id"], "req-1");
    assert_eq!(audit[0]["success"], true);
    assert!(!audit.to_string().contains("build it"), "the audit holds no text");
}

/// Spec agentmux L.57: the bytes, and when they come.
#[test]
fn case_l57_the_terminal_gets_cr_then_the_text_then_three_more_crs() {
    let instance = Instance::start();
    // A raw terminal: each read's bytes in hex on a line, with the time in ms.
    let script = "stty raw -echo; printf 'ready\\r\\n'; \
                  while :; do b=$(dd bs=64 count=1 2>/dev/null | od -An -tx1 | tr -d ' \\n'); \
                  printf '%s@%s\\r\\n' \"$b\" \"$(date +%s%3N)\"; done";
    start(&instance, "raw", script, Value::Null);
    shows(&instance, "raw", "ready");
    assert_eq!(inject(&instance, &json!({ "target_agent": "raw", "message": "hi" })).json()["success"], true);
    let all = until("all bytes of an inject", || {
        let text = output(&instance, "raw");
        let reads: Vec<(String, u64)> = text
            .lines()
            .filter_map(|line| line.trim().split_once('@'))
            .filter_map(|(hex, at)| Some((hex.to_owned(), at.parse().ok()?)))
            .collect();
        let bytes: String = reads.iter().map(|(hex, _)| hex.as_str()).collect();
        (bytes == "0d68690d0d0d0d").then_some(reads)
    });
    let first = all.first().expect("a read").1;
    let last = all.last().expect("a read").1;
    // The schedule itself is tested with an injected clock; here only that it is not all at once.
    assert!(last - first >= 400, "{all:?}");
}

/// Spec agentmux L.58.
#[test]
fn case_l58_a_long_message_is_cut_to_ten_thousand_bytes_and_says_so() {
    let instance = Instance::start();
    let script = "stty raw -echo; printf 'ready\\r\\n'; head -c 10001 | wc -c; read x";
    start(&instance, "long", script, json!({ "submit": "once" }));
    shows(&instance, "long", "ready");
    let answer = inject(&instance, &json!({ "target_agent": "long", "message": "x".repeat(12_000) })).json();
    assert_eq!(answer["truncated"], true, "{answer}");
    // 10,000 bytes of text and one CR.
    shows(&instance, "long", "10001");
}

#[test]
fn control_bytes_in_a_message_never_reach_the_terminal() {
    let instance = Instance::start();
    let script = "stty raw -echo; printf 'ready\\r\\n'; head -c 12 | od -An -tx1; read x";
    start(&instance, "raw", script, json!({ "submit": "once" }));
    shows(&instance, "raw", "ready");
    let message = "a\u{1b}]0;title\u{7}b\rc\u{9b}31md\u{202e}e\u{200b}\u{3}fghi";
    assert_eq!(
        inject(&instance, &json!({ "target_agent": "raw", "message": message })).json()["success"],
        true
    );
    // a b LF c 3 1 m d e f g h: the C1 introducer went, its printable rest is text.
    shows(&instance, "raw", "61 62 0a 63 33 31 6d 64 65 66 67 68");
}

#[test]
fn an_agent_speaks_to_another_with_its_own_token_from_inside() {
    let instance = Instance::start();
    start(
        &instance,
        "second",
        "read line; echo \"second got <$line>\"; read x",
        json!({ "accept_typed_from": ["first"], "submit": "once" }),
    );
    start(
        &instance,
        "first",
        "read go; loopgate send second 'hello from inside'; echo \"code $?\"; read x",
        json!({ "submit": "once" }),
    );
    assert_eq!(
        inject(&instance, &json!({ "target_agent": "first", "message": "go" })).json()["success"],
        true
    );
    shows(&instance, "first", "code 0");
    shows(&instance, "second", "second got <@first: hello from inside>");
}

#[test]
fn a_message_to_an_agent_that_did_not_ask_for_typing_waits() {
    let instance = Instance::start();
    start(&instance, "second", "read line; echo \"second got <$line>\"", json!({ "submit": "once" }));
    start(&instance, "first", "loopgate send second 'rm -rf'; echo \"code $?\"; read x", Value::Null);
    shows(&instance, "first", "code 0");
    let record = instance.call("GET", "/api/v1/agents/second", &Value::Null).json();
    assert_eq!(record["waiting"], 1, "{record}");
    assert!(!output(&instance, "second").contains("rm -rf"));
}

#[test]
fn an_agent_token_opens_its_own_narrow_surface_and_nothing_else() {
    let instance = Instance::start();
    let token = format!("Bearer {}", token_of(&instance, "first"));
    let as_agent = |method: &str, path: &str, body: Value| {
        instance.call_as(&[("Authorization", &token)], method, path, &body).status
    };
    // The test's own process is positively not in the agent's tree.
    assert_eq!(as_agent("GET", "/api/v1/self/whoami", Value::Null), 401);
    // From inside its tree the token works, and only there where it is meant to.
    let script = "ask() { exec 3<>/dev/tcp/127.0.0.1/$1; \
                  printf '%s %s HTTP/1.1\\r\\nHost: 127.0.0.1:%s\\r\\nAuthorization: Bearer %s\\r\\nConnection: close\\r\\n\\r\\n' \
                  $2 $3 $1 $LOOPGATE_AGENT_TOKEN >&3; read -r _ status _ <&3; echo \"$2 $3 -> $status\"; }; \
                  for r in 'GET /api/v1/self/whoami' 'GET /api/v1/self/agents' 'GET /api/v1/agents' 'GET /api/v1/status' \
                  'GET /api/v1/exposure' 'DELETE /api/v1/agents/inner' 'GET /api/v1/nothing' 'GET /agentmux/reactive/agents' 'GET /api/swarms'; do \
                  ask ${LOOPGATE_URL##*:} $r; done; \
                  loopgate whoami >/dev/null; echo \"whoami -> $?\"; loopgate agents >/dev/null; echo \"agents -> $?\"; \
                  loopgate status >/dev/null 2>&1; echo \"status -> $?\"; \
                  LOOPGATE_AGENT_TOKEN=lga_wrong loopgate whoami 2>&1; echo \"wrong token -> $?\"; read x";
    let body = json!({ "name": "inner", "command": ["/bin/bash", "-c", script], "cwd": "/" });
    assert_eq!(instance.call("POST", "/api/v1/agents", &body).status, 201);
    let out = shows(&instance, "inner", "wrong token -> ");
    for (request, status) in [
        ("GET /api/v1/self/whoami", 200),
        ("GET /api/v1/self/agents", 200),
        ("GET /api/v1/agents", 403),
        ("GET /api/v1/status", 403),
        ("GET /api/v1/exposure", 403),
        ("DELETE /api/v1/agents/inner", 403),
        ("GET /api/v1/nothing", 403),
        ("GET /agentmux/reactive/agents", 401),
        ("GET /api/swarms", 401),
    ] {
        assert!(out.contains(&format!("{request} -> {status}\r\n")), "{request}: {out}");
    }
    assert!(out.contains("whoami -> 0") && out.contains("agents -> 0"), "{out}");
    assert!(out.contains("status -> 77"), "{out}");
    assert!(out.contains("wrong token -> 77"), "a refused token never falls back to the key file: {out}");
}

#[test]
fn nothing_of_the_instances_secrets_is_in_an_agent() {
    let (key, token) = ("owner-key-0123456789", "api-token-0123456789");
    let instance = Instance::start_with(
        &[
            ("LOOPGATE_AUTH_KEY", key),
            ("GENSWARMS_API_TOKEN", token),
            ("LOOPGATE_LLM_API_KEY", "llm-key-0123456789"),
        ],
        &[],
    );
    let script = "env; tr '\\0' '\\n' < /proc/$$/environ; tr '\\0' ' ' < /proc/$$/cmdline; ls -l /proc/$$/fd; umask; echo all-'told'; read x";
    start(&instance, "nosy", script, Value::Null);
    let out = shows(&instance, "nosy", "all-told");
    for secret in [key, token, "llm-key-0123456789"] {
        assert!(!out.contains(secret), "{out}");
    }
    assert!(out.contains("LOOPGATE_AGENT_TOKEN=[agent token]"), "its own token is not shown: {out}");
    assert!(!out.contains("lga_"), "{out}");
    assert!(out.contains("0077"), "{out}");
    assert!(!out.contains("socket:") && !out.contains("pipe:"), "only the terminal is open: {out}");
}

#[test]
fn output_is_read_by_offset_and_waited_for() {
    let instance = Instance::start();
    start(&instance, "talker", "echo one; read x; echo two; exit 7", json!({ "submit": "once" }));
    shows(&instance, "talker", "one");
    let first = instance.call("GET", "/api/v1/agents/talker/output?from=0", &Value::Null);
    let next: u64 = first.header("x-loopgate-next").and_then(|v| v.parse().ok()).expect("an offset");
    let waiting = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            instance.call(
                "GET",
                &format!("/api/v1/agents/talker/output?from={next}&wait=20000"),
                &Value::Null,
            )
        });
        let typed = instance.call("POST", "/api/v1/agents/talker/input", &json!({ "text": "\r" }));
        assert_eq!(typed.status, 200, "{:?}", typed.json());
        waiter.join().expect("the waiter")
    });
    assert_eq!(waiting.status, 200);
    assert!(!waiting.body.is_empty());
    shows(&instance, "talker", "two");
    let record = until("it is done", || {
        Some(instance.call("GET", "/api/v1/agents/talker", &Value::Null).json())
            .filter(|r| r["state"] == "done")
    });
    assert_eq!(record["exit"], json!({ "code": 7 }));
    let beyond = instance.call("GET", "/api/v1/agents/talker/output?from=999999999", &Value::Null);
    assert_eq!((beyond.status, beyond.json()["code"].as_str()), (400, Some("offset_beyond_end")));
}

#[test]
fn a_resize_is_seen_by_the_program() {
    let instance = Instance::start();
    start(
        &instance,
        "sized",
        "stty size; trap 'stty size' WINCH; echo ready; while :; do read x; done",
        json!({ "rows": 30, "cols": 100 }),
    );
    shows(&instance, "sized", "30 100");
    shows(&instance, "sized", "ready");
    assert_eq!(
        instance.call("POST", "/api/v1/agents/sized/resize", &json!({ "rows": 41, "cols": 121 })).status,
        200
    );
    instance.call("POST", "/api/v1/agents/sized/input", &json!({ "text": "\r" }));
    shows(&instance, "sized", "41 121");
    let wrong = instance.call("POST", "/api/v1/agents/sized/resize", &json!({ "rows": 1, "cols": 121 }));
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["error"].as_str().is_some_and(|e| e.contains("rows")), "{}", wrong.json());
}

#[test]
fn a_command_that_does_not_exist_is_told_before_anything_is_registered() {
    let instance = Instance::start();
    let body = json!({ "name": "ghost", "command": ["/no/such/program"], "cwd": "/" });
    let answer = instance.call("POST", "/api/v1/agents", &body);
    assert_eq!(answer.status, 422, "{}", answer.json());
    assert_eq!(answer.json()["code"], "command_not_found");
    assert_eq!(instance.call("GET", "/api/v1/agents/ghost", &Value::Null).status, 404);
    assert_eq!(instance.call("GET", "/agentmux/reactive/agent?id=ghost", &Value::Null).status, 404);
}

#[test]
fn stop_agent_ends_the_whole_tree_and_forgets_it() {
    let instance = Instance::start();
    let marker = format!("{}", 600_000 + std::process::id() % 100_000);
    let script = format!(
        "setsid sh -c 'sleep {marker} & sleep {marker}' & trap '' TERM HUP INT; sleep {marker} & echo up; wait; read x"
    );
    start(&instance, "tree", &script, Value::Null);
    shows(&instance, "tree", "up");
    until("three sleepers", || (sleepers(&marker) >= 3).then_some(()));
    let answer = instance.call("DELETE", "/api/v1/agents/tree", &Value::Null);
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(sleepers(&marker), 0);
    assert_eq!(instance.call("GET", "/api/v1/agents/tree", &Value::Null).status, 404);
}

fn sleepers(marker: &str) -> usize {
    let wanted = format!("sleep\0{marker}\0");
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter(|entry| {
            std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
        })
        .count()
}

#[test]
fn kill_9_of_the_instance_leaves_nothing_of_its_agents() {
    let mut instance = Instance::start();
    let marker = format!("{}", 700_000 + std::process::id() % 100_000);
    start(&instance, "a", &format!("setsid sleep {marker} & sleep {marker}"), Value::Null);
    start(&instance, "b", &format!("(setsid sh -c 'sleep {marker}' &) ; sleep {marker}"), Value::Null);
    until("the sleepers", || (sleepers(&marker) >= 4).then_some(()));
    instance.child.kill().expect("killed");
    instance.child.wait().expect("reaped");
    until("nothing is left", || (sleepers(&marker) == 0).then_some(()));
}

#[test]
fn a_terminating_instance_takes_its_agents_along() {
    let mut instance = Instance::start();
    let marker = format!("{}", 800_000 + std::process::id() % 100_000);
    start(
        &instance,
        "stubborn",
        &format!("trap '' TERM HUP INT; setsid sleep {marker} & sleep {marker}"),
        Value::Null,
    );
    until("the sleepers", || (sleepers(&marker) >= 2).then_some(()));
    let began = Instant::now();
    assert_eq!(instance.terminate().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "spec agentmux L.15");
    assert_eq!(sleepers(&marker), 0);
}

#[test]
fn the_exposure_of_a_working_instance_has_no_difference() {
    let instance = Instance::start();
    start(&instance, "coder", "read x", Value::Null);
    let report = instance.call("GET", "/api/v1/exposure", &Value::Null).json();
    assert_eq!(report["differences"], 0, "{report:#}");
    let rows = report["rows"].as_array().expect("rows");
    let address = instance.address.to_string();
    assert!(rows.iter().any(|r| r["kind"] == "socket" && r["address"] == address), "{report:#}");
    assert!(rows.iter().any(|r| r["kind"] == "child"), "{report:#}");
    let output = instance.loopgate(&["exposure"]).output().expect("a client");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&address));
}

/// A request for which nothing was sent back is not a request that was lost: HTTP is told first.
#[test]
fn requests_in_flight_at_the_end_are_answered_or_closed_never_hung() {
    let mut instance = Instance::start();
    start(&instance, "quiet", "read x", Value::Null);
    let mut stream = instance.connect();
    let head = format!(
        "GET /api/v1/agents/quiet/output?from=0&wait=20000 HTTP/1.1\r\nHost: {}\r\nX-AuthKey: {}\r\n\r\n",
        instance.address, instance.key
    );
    std::io::Write::write_all(&mut stream, head.as_bytes()).expect("sent");
    until("the request is being handled", || {
        (instance.call("GET", "/api/v1/status", &Value::Null).json()["connections"]["open"].as_u64()? >= 2)
            .then_some(())
    });
    let began = Instant::now();
    assert_eq!(instance.terminate().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
}

#[test]
fn nobody_waits_for_output_on_behalf_of_a_client_that_has_gone() {
    let instance = Instance::start();
    start(&instance, "quiet", "read x", Value::Null);
    let open = || {
        let status = instance.call("GET", "/api/v1/status", &Value::Null).json();
        // Its own connection is one.
        status["connections"]["open"].as_u64().expect("a number")
    };
    let request = format!(
        "GET /api/v1/agents/quiet/output?wait=25000 HTTP/1.1\r\nHost: {}\r\nX-AuthKey: {}\r\n\r\n",
        instance.address, instance.key
    );
    let mut waiting: Vec<_> = (0..5).map(|_| instance.connect()).collect();
    waiting.iter_mut().for_each(|stream| stream.write_all(request.as_bytes()).expect("it is sent"));
    until("the five", || (open() == 6).then_some(()));
    // One stays, and keeps its place.
    waiting.truncate(1);
    until("the end of four", || (open() == 2).then_some(()));
    waiting[0].set_nonblocking(true).expect("a socket");
    let nothing = waiting[0].read(&mut [0; 1]).expect_err("no answer yet");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

/// The promise of messages: sent to an agent that is not there yet, typed once when it is.
#[test]
fn a_message_to_an_agent_that_is_not_there_yet_is_typed_once_when_it_is() {
    let instance = Instance::start();
    let send = |to: &str| {
        let body = json!({ "text": "good morning", "id": "m-1" });
        instance.call("POST", &format!("/api/v1/agents/{to}/send"), &body).json()
    };
    assert_eq!(send("later")["outcome"], "waiting");
    start(
        &instance,
        "later",
        "while read line; do echo \"got <$line>\"; done",
        json!({ "submit": "once", "accept_typed_from": ["owner"] }),
    );
    shows(&instance, "later", "got <@owner: good morning>");
    let again =
        until("the message is delivered", || Some(send("later")).filter(|sent| sent["state"] == "delivered"));
    assert_eq!((&again["duplicate"], &again["outcome"]), (&json!(true), &json!("delivered")));
    assert_eq!(output(&instance, "later").matches("got <").count(), 1);
}
