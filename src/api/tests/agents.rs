//! Our own routes about agents.

use serde_json::json;

use super::*;
use crate::{agent::Exit, bus::events::Scopes, limits};

#[test]
fn a_started_agent_is_201_with_its_record_and_can_be_injected_by_name() {
    let instance = Instance::new();
    let body = json!({"name": "coder", "command": ["sh", "-c", "cat"], "cwd": "/tmp", "env": {"A": "b"},
                      "rows": 30, "cols": 100, "accept_typed_from": ["first"], "may_type_into": ["far", "far@0123456789ab"],
                      "submit": "once"});
    let answer = instance.post("/api/v1/agents", OWNER, &body);
    assert_eq!(answer.status, 201);
    let record = json!({
        "name": "coder", "block_id": "block-of-coder", "state": "running", "pid": 1000, "keeper_pid": 6000,
        "started_at": 7, "rows": 30, "cols": 100, "command": ["sh", "-c", "cat"], "cwd": "/tmp", "exit": null,
        "output": {"start": 0, "end": 0}, "waiting": 0, "accept_typed_from": ["first"],
        "may_type_into": ["far", "far@0123456789ab"],
        "backend": "local", "network": "open", "layers": [], "limits_not_kept": []});
    assert_eq!(answer.body, record);
    assert_eq!(instance.get("/api/v1/agents/coder", API).body, record);
    assert_eq!(instance.get("/api/v1/agents", OWNER).body, json!({"agents": [record]}));
    let found = instance.get("/agentmux/reactive/agent?id=coder", OWNER);
    assert_eq!((found.status, &found.body["block_id"]), (200, &json!("block-of-coder")));
}

#[test]
fn a_long_command_is_cut_in_the_list_and_whole_in_its_record() {
    let instance = Instance::new();
    let long = json!(["sh", "-c", "é".repeat(limits::LISTED_COMMAND), "more"]);
    let body = json!({"name": "coder", "command": long, "cwd": "/tmp"});
    assert_eq!(instance.post("/api/v1/agents", OWNER, &body).status, 201);
    let row = &instance.get("/api/v1/agents", OWNER).body["agents"][0];
    let left = limits::LISTED_COMMAND - "sh-c".len();
    assert_eq!(row["command"], json!(["sh", "-c", "é".repeat(left / 2)]));
    assert_eq!(row["command_truncated"], json!(true));
    let whole = instance.get("/api/v1/agents/coder", OWNER).body;
    assert_eq!((&whole["command"], whole.get("command_truncated")), (&long, None));
}

#[test]
fn a_start_that_is_refused_says_which_field_or_why() {
    let instance = Instance::new();
    let good = json!({"name": "a", "command": ["sh"], "cwd": "/"});
    for (field, value, error) in [
        ("name", json!("a b"), "field 'name' must be 1 to 64 ASCII letters, digits, _ and -"),
        ("name", json!(null), "field 'name' is missing"),
        ("command", json!("sh"), "field 'command' must be an array of strings"),
        ("command", json!([]), "field 'command' must be an array that begins with a program"),
        ("command", json!([""]), "field 'command' must be an array that begins with a program"),
        ("cwd", json!("tmp"), "field 'cwd' must be an absolute path"),
        ("rows", json!(1), "field 'rows' must be a whole number from 2 to 500"),
        ("rows", json!("24"), "field 'rows' must be a whole number from 2 to 500"),
        ("cols", json!(1001), "field 'cols' must be a whole number from 2 to 1000"),
        ("env", json!({"A": 1}), "field 'env' must be an object of strings"),
        ("accept_typed_from", json!("x"), "field 'accept_typed_from' must be an array of strings"),
        ("may_type_into", json!([1]), "field 'may_type_into' must be an array of strings"),
        ("submit", json!("x"), "field 'submit' must be \"thrice\" or \"once\""),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = instance.post("/api/v1/agents", OWNER, &body);
        assert_eq!((answer.status, answer.error(), &answer.body["field"]), (400, error, &json!(field)));
    }
    for (error, status, code) in [
        (StartError::Exists, 409, "agent_exists"),
        (StartError::Reserved, 400, "reserved_name"),
        (StartError::Limit { most: 7 }, 503, "agent_limit"),
        (
            StartError::NoSuchCommand {
                reason: "there is no such program, or not the one that it is a script of",
            },
            422,
            "command_not_found",
        ),
        (StartError::NoSuchDirectory, 422, "no_such_directory"),
        (StartError::OutOfBounds("env"), 400, "out_of_bounds"),
        (StartError::Failed("no_pty"), 503, "agent_not_started"),
    ] {
        *instance.table.start_fails.lock().expect("no panic") = Some(error);
        let answer = instance.post("/api/v1/agents", OWNER, &good);
        assert_eq!((answer.status, answer.code()), (status, code));
    }
}

#[test]
fn an_agent_that_is_not_there_is_404_on_each_of_its_routes() {
    let instance = Instance::new();
    let posts = [("input", json!({"text": "x"})), ("resize", json!({"rows": 24, "cols": 80}))];
    for (verb, body) in posts {
        let answer = instance.post(&format!("/api/v1/agents/nobody/{verb}"), OWNER, &body);
        assert_eq!((answer.status, answer.code()), (404, "agent_not_found"), "{verb}");
    }
    for target in ["/api/v1/agents/nobody", "/api/v1/agents/nobody/output", "/api/v1/agents/a%20b"] {
        let answer = instance.get(target, OWNER);
        assert_eq!((answer.status, answer.code()), (404, "agent_not_found"), "{target}");
    }
    let answer = instance.ask("DELETE", "/api/v1/agents/nobody", OWNER, b"");
    assert_eq!((answer.status, answer.code()), (404, "agent_not_found"));
}

#[test]
fn a_stopped_agent_is_gone_and_its_name_is_free() {
    let instance = Instance::new().with_agent("coder", &[]);
    instance.table.with("coder", |row| row.record.exit = Some(Exit::Signal(9)));
    let answer = instance.ask("DELETE", "/api/v1/agents/coder", OWNER, b"");
    assert_eq!((answer.status, &answer.body["stopped"]), (200, &json!(true)));
    assert_eq!(answer.body["agent"]["exit"], json!({"signal": 9}));
    assert_eq!(instance.get("/api/v1/agents/coder", OWNER).status, 404);
    assert_eq!(instance.get("/agentmux/reactive/agent?id=coder", OWNER).status, 404);
}

#[test]
fn output_is_raw_bytes_and_headers_that_say_which() {
    let instance = Instance::new().with_agent("coder", &[]);
    instance.table.with("coder", |row| row.output = b"\x1b[1mhello\xff".to_vec());
    let answer = instance.get("/api/v1/agents/coder/output?from=4", OWNER);
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, &b"hello\xff"[..]));
    for (name, value) in [("From", "4"), ("Next", "10"), ("Gap", "false"), ("State", "running")] {
        assert_eq!(answer.header(&format!("X-Loopgate-{name}")), Some(value));
    }
    assert_eq!(instance.get("/api/v1/agents/coder/output", OWNER).header("X-Loopgate-From"), Some("0"));
    let answer = instance.get("/api/v1/agents/coder/output?from=11", OWNER);
    assert_eq!((answer.status, answer.code()), (400, "offset_beyond_end"));
    for junk in ["from=x", "from=-1", "wait=1s", "from=1&from=2", "wait=%zz"] {
        let answer = instance.get(&format!("/api/v1/agents/coder/output?{junk}"), OWNER);
        assert_eq!((answer.status, answer.code()), (400, "bad_query"), "{junk}");
    }
}

#[test]
fn an_output_wait_asked_for_over_the_limit_is_cut_to_it() {
    let instance = Instance::new().with_agent("coder", &[]);
    instance.get("/api/v1/agents/coder/output?from=0&wait=99999999", OWNER);
    let waits = instance.table.with("coder", |row| row.waits.clone()).unwrap_or_default();
    assert_eq!(waits, [Duration::ZERO, Duration::from_millis(limits::OUTPUT_WAIT_MS)]);
}

#[test]
fn output_waiters_are_bounded() {
    let instance = Instance::new().with_agent("coder", &[]);
    let target = "/api/v1/agents/coder/output?wait=1000";
    let taken: Vec<_> = (0..limits::OUTPUT_WAITERS).map(|_| instance.app.waiters.enter()).collect();
    assert!(taken.iter().all(Result::is_ok));
    let answer = instance.get(target, OWNER);
    assert_eq!((answer.status, answer.code()), (503, "too_many_waiters"));
    assert_eq!(
        instance.get("/api/v1/agents/coder/output", OWNER).status,
        200,
        "who does not wait needs no place"
    );
    instance.table.with("coder", |row| row.output = b"x".to_vec());
    assert_eq!(instance.get(target, OWNER).status, 200, "nor who finds something");
    instance.table.with("coder", |row| row.output.clear());
    drop(taken);
    assert_eq!(instance.get(target, OWNER).status, 200, "places are given back");
}

#[test]
fn keys_are_typed_as_they_are() {
    let instance = Instance::new().with_agent("coder", &[]);
    let target = "/api/v1/agents/coder/input";
    let answer = instance.post(target, OWNER, &json!({"data64": "AxsNCg=="}));
    assert_eq!((answer.status, answer.body), (200, json!({"written": 4})));
    instance.post(target, OWNER, &json!({"text": "é"}));
    assert_eq!(instance.table.with("coder", |row| row.keys.clone()), Some(b"\x03\x1b\r\n\xc3\xa9".to_vec()));
    for (body, field) in [
        (json!({"data64": "AxsNCg"}), "data64"),
        (json!({"data64": "Axs\nNCg="}), "data64"),
        (json!({}), "data64"),
        (json!({"data64": "", "text": ""}), "text"),
    ] {
        let answer = instance.post(target, OWNER, &body);
        assert_eq!((answer.status, &answer.body["field"]), (400, &json!(field)), "{body}");
    }
    instance.table.with("coder", |row| row.input = Err(InputError::QueueFull));
    let answer = instance.post(target, OWNER, &json!({"text": "x"}));
    assert_eq!((answer.status, answer.code()), (503, "terminal_queue_full"));
    instance.table.with("coder", |row| row.input = Err(InputError::Done));
    let answer = instance.post(target, OWNER, &json!({"text": "x"}));
    assert_eq!((answer.status, answer.code()), (409, "agent_done"));
}

#[test]
fn a_screen_is_resized_within_its_bounds() {
    let instance = Instance::new().with_agent("coder", &[]);
    let target = "/api/v1/agents/coder/resize";
    let answer = instance.post(target, OWNER, &json!({"rows": 500, "cols": 1000}));
    assert_eq!((answer.status, answer.body), (200, json!({"rows": 500, "cols": 1000})));
    for body in
        [json!({"rows": 1, "cols": 80}), json!({"rows": 501, "cols": 80}), json!({"rows": 24, "cols": 1001})]
    {
        assert_eq!(instance.post(target, OWNER, &body).status, 400, "{body}");
    }
    assert_eq!(instance.table.record("coder").map(|r| (r.rows, r.cols)), Some((500, 1000)));
    instance.table.ends("coder");
    let answer = instance.post(target, OWNER, &json!({"rows": 24, "cols": 80}));
    assert_eq!((answer.status, answer.code()), (409, "agent_done"));
}

#[test]
fn an_agent_that_ended_before_it_was_registered_leaves_no_entry() {
    let instance = Instance::new().with_agent("coder", &[]);
    let mut record = instance.table.record("coder").expect("there");
    record.block_id = "later".to_owned();
    instance.table.with("coder", |row| row.record.state = State::Done);
    instance.app.registered(&record);
    assert_eq!(instance.get("/agentmux/reactive/agent?id=coder", OWNER).status, 404);
}

#[test]
fn controllerstatus_tells_of_the_start_and_of_the_end_with_its_code() {
    let instance = Instance::new();
    let wake = Arc::new(Wake::new().expect("a descriptor"));
    let events = instance.app.bus.events.subscribe(wake);
    events
        .set("controllerstatus", Scopes::new(vec!["block:*".to_owned()], false).expect("few"))
        .expect("room");
    let instance = instance.with_agent("a", &[]);
    instance.table.with("a", |row| row.record.exit = Some(Exit::Code(3)));
    instance.table.ends("a");
    let told: Vec<Value> = events.take(9).iter().map(|event| event.data.clone()).collect();
    let expected = |status: &str, code: i32, version: u32| {
        json!({"blockid": "block-of-a", "shellprocstatus": status, "shellprocconnname": "local",
            "shellprocexitcode": code, "version": version})
    };
    assert_eq!(told, [expected("running", 0, 1), expected("done", 3, 2)]);
    let kept = instance.app.bus.events.history("controllerstatus", "block:block-of-a", 9);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].data, expected("done", 3, 2));
}

#[test]
fn an_agent_that_ended_at_once_is_never_told_as_running_afterwards() {
    let instance = Instance::new().with_agent("a", &[]);
    instance.table.ends("a");
    let record = instance.table.record("a").expect("it is still in the table");
    instance.app.registered(&record);
    let kept = instance.app.bus.events.history("controllerstatus", "block:block-of-a", 9);
    assert_eq!(kept[0].data["shellprocstatus"], "done");
}

#[test]
fn a_program_that_a_signal_ended_has_the_exit_code_of_a_shell() {
    let instance = Instance::new().with_agent("a", &[]);
    instance.table.with("a", |row| row.record.exit = Some(Exit::Signal(9)));
    instance.table.ends("a");
    let kept = instance.app.bus.events.history("controllerstatus", "", 9);
    assert_eq!(kept[0].data["shellprocexitcode"], 137);
}
