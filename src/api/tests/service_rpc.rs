//! `POST /agentmux/service`: the calls that have to do with terminals.

use serde_json::json;

use super::*;
use crate::{agent::Exit, limits};

const SERVICE: &str = "/agentmux/service";

fn call(instance: &Instance, service: &str, method: &str, args: Value) -> Value {
    let body = json!({"service": service, "method": method, "args": args, "uicontext": null});
    let answer = instance.post(SERVICE, OWNER, &body);
    assert_eq!(answer.status, 200);
    answer.body
}

#[test]
fn case_l5_get_client_data_names_the_instance() {
    let instance = Instance::new();
    let answer = call(&instance, "client", "GetClientData", json!([]));
    assert_eq!((&answer["success"], &answer["data"]["oid"]), (&json!(true), &json!("instance-of-the-tests")));
    assert_eq!(answer["data"]["windowids"], json!([]));
    let again =
        instance.post("/wave/service", OWNER, &json!({"service": "client", "method": "GetClientData"}));
    assert_eq!(again.body, answer, "without args, and by the old path");
}

/// Design section 5: the object store is not ours, so L.11 and L.12 are unknown methods too.
#[test]
fn case_l11_case_l12_case_l13_other_methods_are_unknown() {
    let instance = Instance::new();
    for (service, method) in [
        ("foo", "Bar"),
        ("workspace", "ListWorkspaces"),
        ("workspace", "GetColors"),
        ("object", "CreateBlock"),
    ] {
        let answer = call(&instance, service, method, json!([]));
        let sentence = format!("unknown service method: {service}.{method}");
        assert_eq!(answer, json!({"error": sentence, "code": "unknown_method"}), "no success");
    }
}

#[test]
fn a_call_that_is_not_understood_is_200_with_an_error() {
    let instance = Instance::new();
    for (body, end) in [
        ("{bad", "the body is not JSON: line 1, column 2"),
        ("[]", "the body must be a JSON object"),
        ("{}", "field 'service' is missing"),
        (r#"{"service":"block"}"#, "field 'method' is missing"),
        (r#"{"service":"block","method":1}"#, "field 'method' must be a string"),
        (r#"{"service":"block","method":"SendCommand","args":{}}"#, "field 'args' must be an array"),
        (r#"{"service":"a","service":"b"}"#, "the body has a field twice in one object"),
    ] {
        let answer = instance.ask("POST", SERVICE, &format!("{OWNER}{JSON}"), body.as_bytes());
        assert_eq!((answer.status, answer.error()), (200, format!("invalid request body: {end}").as_str()));
        assert!(answer.body.get("success").is_none() && !answer.code().is_empty());
    }
}

#[test]
fn a_missing_argument_is_named_by_its_index() {
    let instance = Instance::new().with_agent("coder", &[]);
    for (method, args, error) in [
        ("GetControllerStatus", json!([]), "missing argument at index 0"),
        ("GetControllerStatus", json!([null]), "missing argument at index 0"),
        ("GetControllerStatus", json!([7]), "argument at index 0 must be a string"),
        ("SendCommand", json!([]), "missing argument at index 0"),
        ("SendCommand", json!(["block-of-coder"]), "missing argument at index 1"),
        ("SendCommand", json!(["block-of-coder", "x"]), "argument at index 1 must be an object"),
    ] {
        assert_eq!(call(&instance, "block", method, args.clone())["error"], error, "{method} {args}");
    }
}

#[test]
fn a_blocks_status_rises_from_init_over_running_to_done() {
    let instance = Instance::new().with_agent("coder", &[]);
    let status = |block: &str| call(&instance, "block", "GetControllerStatus", json!([block]));
    let expected = |block: &str, status: &str, code: i32, version: u32| {
        let connection = if status == "init" { "" } else { "local" };
        json!({"success": true, "data": {"blockid": block, "shellprocstatus": status, "shellprocconnname": connection,
               "shellprocexitcode": code, "version": version}})
    };
    assert_eq!(status("nothing"), expected("nothing", "init", 0, 0));
    assert_eq!(status("block-of-coder"), expected("block-of-coder", "running", 0, 1));
    instance.table.ends("coder");
    for (exit, code) in [(Exit::Code(3), 3), (Exit::Signal(9), 137)] {
        instance.table.with("coder", |row| row.record.exit = Some(exit));
        assert_eq!(status("block-of-coder"), expected("block-of-coder", "done", code, 2));
    }
}

#[test]
fn a_command_types_keys_and_resizes() {
    let instance = Instance::new().with_agent("coder", &[]);
    let send = |command: Value| call(&instance, "block", "SendCommand", json!(["block-of-coder", command]));
    let command = json!({"command": "controller:input", "blockid": "block-of-coder", "inputdata64": "AxsNCg==",
                         "termsize": {"rows": 30, "cols": 100}});
    assert_eq!(send(command), json!({"success": true}));
    assert_eq!(send(json!({"inputdata64": "eA=="})), json!({"success": true}));
    assert_eq!(instance.table.with("coder", |row| row.keys.clone()), Some(b"\x03\x1b\r\nx".to_vec()));
    assert_eq!(instance.table.record("coder").map(|r| (r.rows, r.cols)), Some((30, 100)));
}

#[test]
fn a_command_that_is_wrong_in_one_part_does_nothing_of_the_others() {
    let instance = Instance::new().with_agent("coder", &[]);
    let keys = "eA==";
    for (command, code) in [
        (json!({"command": "setmeta", "inputdata64": keys}), "unknown_command"),
        (json!({"blockid": "another", "inputdata64": keys}), "wrong_argument"),
        (json!({"signame": "SIGINT", "inputdata64": keys}), "signal_not_supported"),
        (json!({"inputdata64": "eA", "termsize": {"rows": 9, "cols": 9}}), "wrong_field"),
        (json!({"inputdata64": keys, "termsize": {"rows": limits::ROWS_MAX + 1, "cols": 9}}), "wrong_field"),
        (json!({"inputdata64": keys, "termsize": {"rows": 9}}), "missing_field"),
        (json!({"inputdata64": keys, "termsize": 7}), "wrong_field"),
    ] {
        let answer = call(&instance, "block", "SendCommand", json!(["block-of-coder", command]));
        assert_eq!((&answer["code"], answer.get("success")), (&json!(code), None), "{answer}");
        assert!(answer["error"].is_string());
    }
    assert_eq!(instance.table.with("coder", |row| row.keys.clone()), Some(Vec::new()));
    assert_eq!(instance.table.record("coder").map(|r| (r.rows, r.cols)), Some((24, 80)));
}

#[test]
fn a_command_to_a_block_that_is_not_there_or_has_ended_says_so() {
    let instance = Instance::new().with_agent("coder", &[]);
    let send = |block: &str| {
        call(&instance, "block", "SendCommand", json!([block, {"termsize": {"rows": 9, "cols": 9}}]))["error"]
            .clone()
    };
    assert_eq!(send("nothing"), "no controller for block nothing");
    assert_eq!(send("coder"), "no controller for block coder", "an agent's name is no block");
    instance.table.ends("coder");
    assert_eq!(send("block-of-coder"), "controller is not running");
    instance.table.with("coder", |row| row.input = Err(InputError::QueueFull));
    let answer = call(&instance, "block", "SendCommand", json!(["block-of-coder", {"inputdata64": "eA=="}]));
    assert_eq!(answer["error"], "failed to send input: queue full");
}
