//! The cases of spec agentmux L that touch the reactive routes, with the differences of design
//! section 5. Some have a second half in bus/.

use serde_json::json;

use super::*;
use crate::limits;

const INJECT: &str = "/agentmux/reactive/inject";
const REGISTER: &str = "/agentmux/reactive/register";

fn registered() -> Instance {
    let instance = Instance::new();
    let body = json!({"agent_id": "a1", "block_id": "b1", "tab_id": "tab1"});
    let answer = instance.post(REGISTER, OWNER, &body);
    assert_eq!((answer.status, &answer.body), (200, &json!({"success": true})));
    instance
}

#[test]
fn case_l17_a_registered_agent_is_found_with_its_block_and_tab() {
    let instance = registered();
    for target in ["/agentmux/reactive/agent?id=a1", "/wave/reactive/agent?agent_id=a1"] {
        let answer = instance.get(target, OWNER);
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            json!({"agent_id": "a1", "block_id": "b1", "tab_id": "tab1",
                   "registered_at": 1_000_000, "last_seen": 1_000_000})
        );
    }
}

#[test]
fn case_l18_registering_again_moves_the_agent() {
    let instance = registered();
    instance.post(REGISTER, OWNER, &json!({"agent_id": "a1", "block_id": "b2"}));
    let answer = instance.get("/agentmux/reactive/agent?id=a1", OWNER);
    assert_eq!(answer.body["block_id"], "b2");
    assert_eq!(answer.body.get("tab_id"), None, "no tab was given");
    assert_eq!(instance.get("/agentmux/reactive/agents", OWNER).body.as_array().map(Vec::len), Some(1));
}

#[test]
fn case_l19_an_unregistered_agent_is_404() {
    let instance = registered();
    for _ in 0..2 {
        let answer = instance.post("/wave/reactive/unregister", OWNER, &json!({"agent_id": "a1"}));
        assert_eq!((answer.status, answer.body), (200, json!({"success": true})), "unknown ones too");
    }
    let answer = instance.get("/agentmux/reactive/agent?id=a1", OWNER);
    assert_eq!((answer.status, answer.error()), (404, "agent not found"));
}

#[test]
fn case_l20_two_registrations_are_a_list_of_two() {
    let instance = registered();
    instance.post(REGISTER, OWNER, &json!({"agent_id": "a2", "block_id": "b2", "tab_id": null}));
    let answer = instance.get("/agentmux/reactive/agents", OWNER);
    let names: Vec<_> = answer.body.as_array().into_iter().flatten().map(|r| r["agent_id"].clone()).collect();
    assert_eq!(names, ["a1", "a2"]);
}

#[test]
fn case_l21_a_malformed_id_is_not_registered() {
    let instance = Instance::new();
    for bad in ["a b", "a@b", "", &"x".repeat(65)] {
        let answer = instance.post(REGISTER, OWNER, &json!({"agent_id": bad, "block_id": "b"}));
        assert_eq!((answer.status, answer.error()), (400, format!("invalid agent ID: {bad}").as_str()));
    }
    let answer = instance.post(REGISTER, OWNER, &json!({"agent_id": "x".repeat(64), "block_id": ""}));
    assert_eq!(answer.status, 200);
    let answer = instance.post(REGISTER, OWNER, &json!({"agent_id": "Owner", "block_id": "b"}));
    assert_eq!(answer.status, 400, "no agent may be called like another caller");
}

#[test]
fn case_l22_an_unknown_agent_is_not_found_and_gets_a_request_id() {
    let answer = Instance::new().post(INJECT, OWNER, &json!({"target_agent": "nobody", "message": "x"}));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["success"], false);
    assert!(answer.error().starts_with("agent not found: nobody"));
    assert_eq!(answer.body["request_id"].as_str().map(str::len), Some(36));
    assert_eq!(answer.body["timestamp"], 1_000_000);
    assert_eq!(answer.body.get("block_id"), None);
    assert_eq!((answer.code(), &answer.body["outcome"]), ("agent_not_found", &json!("failed")));
}

#[test]
fn case_l23_an_inject_into_a_live_block_is_typed() {
    let instance = Instance::new().with_agent("coder", &[]);
    let body = json!({"target_agent": "coder", "message": "hello\r\x1b[31m!", "source_agent": "me",
                      "request_id": "req-1", "priority": null, "wait_for_idle": false, "unknown": {}});
    let answer = instance.post(INJECT, OWNER, &body);
    assert_eq!(
        answer.body,
        json!({"success": true, "request_id": "req-1", "block_id": "block-of-coder",
               "timestamp": 1_000_000, "outcome": "delivered"})
    );
    assert_eq!(instance.table.typed("coder"), ["hello\n!"], "cleaned, and without a source before it");
}

#[test]
fn case_l24_a_block_without_a_terminal_of_ours_has_no_controller() {
    let answer = registered().post(INJECT, OWNER, &json!({"target_agent": "a1", "message": "x"}));
    assert_eq!((answer.status, answer.error()), (200, "no controller for block b1"));
    assert_eq!((&answer.body["success"], &answer.body["block_id"]), (&json!(false), &json!("b1")));
}

#[test]
fn case_l25_an_inject_is_audited() {
    let instance = registered();
    let body = json!({"target_agent": "a1", "message": "the words", "request_id": "r", "source_agent": "s"});
    instance.post(INJECT, OWNER, &body);
    let answer = instance.get("/agentmux/reactive/audit?limit=10", OWNER);
    let entry = &answer.body[0];
    assert_eq!(answer.body.as_array().map(Vec::len), Some(1));
    for (name, value) in [
        ("target_agent", json!("a1")),
        ("source_agent", json!("s")),
        ("block_id", json!("b1")),
        ("request_id", json!("r")),
        ("success", json!(false)),
        ("message_length", json!(9)),
        ("error_message", json!("no controller for block b1")),
    ] {
        assert_eq!(entry[name], value, "{name}");
    }
    assert_eq!(entry["message_hash"].as_str().map(str::len), Some(16));
    assert!(!answer.body.to_string().contains("words"), "never the text");
}

/// Printed: 100 are kept. Ours: as many as asked of those kept.
#[test]
fn case_l26_the_audit_gives_as_many_as_asked_of_those_kept() {
    let instance = Instance::new();
    for n in 0..110 {
        instance.clock.advance(200);
        let body = json!({"target_agent": "nobody", "message": "x", "request_id": format!("req-{n}")});
        instance.post(INJECT, OWNER, &body);
    }
    let count = |target: &str| instance.get(target, OWNER).body.as_array().map(Vec::len);
    assert_eq!(count("/agentmux/reactive/audit?limit=200"), Some(110));
    assert_eq!(count("/agentmux/reactive/audit"), Some(100));
    assert_eq!(count("/agentmux/reactive/audit?limit=0"), Some(0));
    let newest = instance.get("/agentmux/reactive/audit?limit=1", OWNER);
    assert_eq!(newest.body[0]["request_id"], "req-109");
}

#[test]
fn rejected_injects_are_audited_too() {
    let instance = Instance::new();
    instance.post(INJECT, OWNER, &json!({"target_agent": "a b", "message": "x"}));
    for _ in 0..11 {
        instance.post(INJECT, OWNER, &json!({"target_agent": "nobody", "message": "x"}));
    }
    let answer = instance.get("/agentmux/reactive/audit?limit=200", OWNER);
    let errors: Vec<_> =
        answer.body.as_array().into_iter().flatten().map(|e| e["error_message"].clone()).collect();
    assert_eq!(errors.first(), Some(&json!("rate limit exceeded")));
    assert_eq!(errors.last(), Some(&json!("invalid agent ID: a b")));
}

#[test]
fn a_flood_of_rejected_injects_does_not_push_the_others_out_of_the_audit() {
    let instance = Instance::new();
    instance.post(INJECT, OWNER, &json!({"target_agent": "nobody", "message": "x", "request_id": "first"}));
    for _ in 0..2_000 {
        instance.post(INJECT, OWNER, &json!({"target_agent": "nobody", "message": "x"}));
    }
    let answer = instance.get("/agentmux/reactive/audit?limit=1000", OWNER);
    assert!(answer.body.to_string().contains("first"));
}

/// Printed: 404 without a key. Ours: 401, because it is not yet known who asks.
#[test]
fn case_l36_an_unknown_path_is_401_without_a_key_and_404_with_one() {
    let instance = Instance::new();
    assert_eq!(instance.get("/nope", "").status, 401);
    let answer = instance.get("/nope", OWNER);
    assert_eq!((answer.status, answer.body), (404, json!({"error": "not found", "code": "not_found"})));
    for odd in ["/agentmux/reactive/agents/", "//agentmux/reactive/agents", "/agentmux/Reactive/agents"] {
        assert_eq!(instance.get(odd, OWNER).status, 404, "{odd}");
    }
}

#[test]
fn case_l35_a_wrong_method_is_405_and_names_the_right_one() {
    let instance = Instance::new();
    let answer = instance.get(INJECT, OWNER);
    assert_eq!((answer.status, answer.header("Allow"), answer.code()), (405, Some("POST"), "wrong_method"));
    let answer = instance.post("/agentmux/reactive/agents", OWNER, &json!({}));
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(instance.get(INJECT, "").status, 401, "not before admission");
    assert_eq!(instance.post("/", OWNER, &json!({})).status, 405);
    assert_eq!(instance.ask("HEAD", "/agentmux/reactive/agents", OWNER, b"").status, 200);
}

#[test]
fn case_l37_a_wrong_header_is_not_rescued_by_a_right_query() {
    let query = "/agentmux/reactive/agents?authkey=11111111-1111-4111-8111-111111111111";
    let instance = Instance::new();
    assert_eq!(instance.get(query, "X-AuthKey: wrong\r\n").status, 401);
    assert_eq!(instance.get(query, "").status, 401, "nor read at all on this path");
}

#[test]
fn case_l38_two_keys_are_401() {
    let instance = Instance::new();
    let answer = instance.get("/agentmux/reactive/agents", &format!("X-AuthKey: bad\r\n{OWNER}"));
    assert_eq!((answer.status, answer.error()), (401, "unauthorized"));
    assert_eq!(instance.get("/agentmux/reactive/agents", &format!("{OWNER}{OWNER}")).status, 401);
}

/// Printed: text bodies and 2 MiB. Ours: JSON with the same status, 413 at the route's limit.
#[test]
fn case_l39_a_body_that_is_not_understood_says_why() {
    let instance = Instance::new();
    let with = format!("{OWNER}{JSON}");
    let answer = instance.ask("POST", INJECT, &with, b"{bad");
    assert_eq!((answer.status, answer.code()), (400, "bad_json"));
    for (body, error, field) in [
        (json!({"message": "x"}), "field 'target_agent' is missing", "target_agent"),
        (json!({"target_agent": "a", "message": 1}), "field 'message' must be a string", "message"),
        (
            json!({"target_agent": "a", "message": "x", "wait_for_idle": null}),
            "field 'wait_for_idle' must be true or false",
            "wait_for_idle",
        ),
        (
            json!({"target_agent": "a", "message": "x", "submit": "twice"}),
            "field 'submit' must be \"thrice\" or \"once\"",
            "submit",
        ),
    ] {
        let answer = instance.post(INJECT, OWNER, &body);
        assert_eq!((answer.status, answer.error(), &answer.body["field"]), (422, error, &json!(field)));
    }
    assert_eq!(instance.post(INJECT, OWNER, &json!([])).status, 422);
    assert_eq!(instance.ask("POST", INJECT, OWNER, b"{}").status, 415);
    assert_eq!(instance.ask("POST", INJECT, &with, b"").status, 400, "an empty body is not JSON");
    let large = "x".repeat(3 << 20);
    let answer = instance.post(INJECT, OWNER, &json!({"target_agent": "a", "message": large}));
    assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
}

#[test]
fn case_l40_a_look_up_needs_an_id() {
    let instance = registered();
    for target in ["/agentmux/reactive/agent", "/agentmux/reactive/agent?id="] {
        let answer = instance.get(target, OWNER);
        assert_eq!((answer.status, answer.error()), (400, "missing id param"));
    }
    assert_eq!(instance.get("/agentmux/reactive/agent?id=A1", OWNER).status, 404, "case matters");
    assert_eq!(instance.get("/agentmux/reactive/agent?id=a%31", OWNER).status, 200, "decoded once");
    assert_eq!(instance.get("/agentmux/reactive/agent?id=a%2531", OWNER).status, 404);
    assert_eq!(instance.get("/agentmux/reactive/agent?id=a1&id=a2", OWNER).status, 400);
}

#[test]
fn case_l41_a_limit_that_is_no_number_is_400() {
    let instance = Instance::new();
    for bad in ["abc", "-1", "1.5", "+1", "", "%31%", "99999999999999999999"] {
        let answer = instance.get(&format!("/agentmux/reactive/audit?limit={bad}"), OWNER);
        assert_eq!((answer.status, answer.code()), (400, "bad_query"), "{bad}");
    }
}

#[test]
fn case_l42_the_eleventh_inject_within_a_second_is_refused() {
    let instance = Instance::new().with_agent("coder", &[]);
    let body = json!({"target_agent": "coder", "message": "x", "source_agent": "me"});
    for _ in 0..10 {
        assert_eq!(instance.post(INJECT, OWNER, &body).body["success"], true);
    }
    let answer = instance.post(INJECT, OWNER, &body);
    assert_eq!((answer.status, answer.error(), answer.code()), (200, "rate limit exceeded", "rate_limited"));
    assert_eq!(instance.table.typed("coder").len(), 10);
    instance.clock.advance(1_000);
    assert_eq!(instance.post(INJECT, OWNER, &body).body["success"], true);
}

/// The CRs themselves are the agent's part: here, that the cadence is the agent's own unless the
/// request says otherwise.
#[test]
fn case_l57_an_inject_is_submitted_as_the_agent_was_started_or_as_asked() {
    let instance = Instance::new().with_agent("coder", &[]);
    for submit in [json!(null), json!("once"), json!("thrice")] {
        instance.post(INJECT, OWNER, &json!({"target_agent": "coder", "message": "x", "submit": submit}));
    }
    let submits = instance.table.with("coder", |row| row.typed.iter().map(|(_, s)| *s).collect::<Vec<_>>());
    assert_eq!(submits, Some(vec![None, Some(Submit::Once), Some(Submit::Thrice)]));
}

/// Printed: cut to 10,000 bytes. Ours: the same, and the answer says so.
#[test]
fn case_l58_a_long_message_is_cut_and_the_answer_says_so() {
    let instance = Instance::new().with_agent("coder", &[]);
    let answer =
        instance.post(INJECT, OWNER, &json!({"target_agent": "coder", "message": "x".repeat(12_000)}));
    assert_eq!((&answer.body["success"], &answer.body["truncated"]), (&json!(true), &json!(true)));
    assert_eq!(instance.table.typed("coder")[0].len(), limits::TYPED_TEXT);
}

#[test]
fn what_becomes_of_an_inject_is_told_truthfully() {
    let instance = Instance::new().with_agent("coder", &[]);
    let body = json!({"target_agent": "coder", "message": "x"});
    for (delivery, success, outcome, error) in [
        (Delivery::Queued, true, "queued", ""),
        (Delivery::Failed("controller is not running"), false, "failed", "controller is not running"),
        (
            Delivery::Failed("failed to send input: queue full"),
            false,
            "failed",
            "failed to send input: queue full",
        ),
    ] {
        instance.table.with("coder", |row| row.delivery = delivery);
        let answer = instance.post(INJECT, OWNER, &body);
        assert_eq!((&answer.body["success"], &answer.body["outcome"]), (&json!(success), &json!(outcome)));
        assert_eq!((answer.error(), &answer.body["block_id"]), (error, &json!("block-of-coder")));
    }
}

#[test]
fn an_agent_that_ended_is_not_found_any_more() {
    let instance = Instance::new().with_agent("coder", &[]);
    instance.table.ends("coder");
    let answer = instance.post(INJECT, OWNER, &json!({"target_agent": "coder", "message": "x"}));
    assert_eq!(answer.error(), "agent not found: coder");
}

#[test]
fn a_registration_that_came_after_the_agents_end_does_not_stay() {
    let instance = Instance::new().with_agent("coder", &[]);
    instance.table.ends("coder");
    instance.post(REGISTER, OWNER, &json!({"agent_id": "coder", "block_id": "block-of-coder"}));
    let inject = || instance.post(INJECT, OWNER, &json!({"target_agent": "coder", "message": "x"}));
    assert_eq!(inject().error(), "controller is not running");
    assert_eq!(inject().error(), "agent not found: coder");
}

#[test]
fn a_peer_has_a_limit_of_its_own() {
    let instance = Instance::new();
    for _ in 0..10 {
        let answer = instance.post(INJECT, PEER, &json!({"target_agent": "nobody", "message": "x"}));
        assert_eq!(answer.code(), "agent_not_found");
    }
    let body = json!({"target_agent": "other", "message": "x", "source_agent": "another name"});
    assert_eq!(instance.post(INJECT, PEER, &body).code(), "rate_limited", "whatever source it gives");
    assert_eq!(instance.post(INJECT, OWNER, &body).code(), "agent_not_found");
}

#[test]
fn a_registration_over_its_bounds_says_which() {
    let instance = Instance::new();
    let long = "b".repeat(limits::REGISTRATION_TEXT + 1);
    let answer = instance.post(REGISTER, OWNER, &json!({"agent_id": "a", "block_id": long}));
    assert_eq!((answer.status, answer.code()), (400, "registration_too_long"));
}
