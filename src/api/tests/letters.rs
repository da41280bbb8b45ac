//! Letters of other instances, from the outside: whom they may speak as, what they may do, and what
//! an attacker who has the peer key gets.

use serde_json::json;

use super::{
    elsewhere::{FAR_HOME, HOME, with_far},
    *,
};
use crate::limits;

const INJECT: &str = "/agentmux/reactive/inject";

/// A letter to `to`, as a field for a field.
fn letter(to: &str, carry: &str, caller: &str) -> Value {
    json!({
        "target_agent": to, "message": "hi\rthere", "request_id": "m1", "priority": "normal",
        "wait_for_idle": false, "forward_hops": 1,
        "loopgate": {"version": 1, "path": ["far-instance"], "home": FAR_HOME, "caller": caller,
                     "carry": carry, "ttl_ms": 60_000},
    })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    match field.strip_prefix("loopgate.") {
        Some(field) => body["loopgate"][field] = value,
        None => body[field] = value,
    }
    body
}

/// The messages that wait for a name.
fn waiting(instance: &Instance, name: &str) -> Vec<Value> {
    let page = instance.get(&format!("/api/v1/agents/{name}/inbox"), OWNER).body;
    page["messages"].as_array().cloned().unwrap_or_default()
}

/// Nothing was typed, nothing waits anywhere.
fn nothing_happened(instance: &Instance, what: &str) {
    assert_eq!(instance.table.typed("coder"), Vec::<String>::new(), "{what}");
    assert_eq!(instance.get("/api/v1/mailboxes", OWNER).body, json!({"mailboxes": []}), "{what}");
}

fn instance() -> Instance {
    with_far().0.with_agent("coder", &[])
}

#[test]
fn a_letter_waits_for_its_reader_with_its_senders_address() {
    let instance = instance();
    for (carry, kind) in [("send", "send"), ("ask", "ask"), ("reply", "reply")] {
        let body = with(letter("coder", carry, "agent b"), "request_id", json!(carry));
        let body = with(body, "priority", json!("high"));
        let body = with(body, "loopgate.correlation_id", json!("c1"));
        let body = with(body, "loopgate.in_reply_to", json!("q1"));
        let answer = instance.post(INJECT, PEER, &body);
        let wanted = json!({
            "success": true, "request_id": carry, "timestamp": 1_000_000, "outcome": "waiting",
            "state": "accepted", "instance": "instance-of-the-tests", "loopgate": 1,
        });
        assert_eq!((answer.status, answer.body), (200, wanted));
        let found = waiting(&instance, "coder");
        let last = found.iter().find(|message| message["id"] == carry).expect("it waits");
        for (name, value) in [
            ("from", json!(format!("b@{FAR_HOME}"))),
            ("caller", json!(format!("agent b@{FAR_HOME}"))),
            ("type", json!(kind)),
            ("text", json!("hi\rthere")),
            ("priority", json!("high")),
            ("correlation_id", json!("c1")),
            ("in_reply_to", json!("q1")),
            ("expires_at", json!(1_060_000)),
        ] {
            assert_eq!(last[name], value, "{carry} {name}");
        }
    }
    assert!(instance.table.typed("coder").is_empty());
}

#[test]
fn a_letter_that_comes_again_counts_once() {
    let instance = instance();
    let body = letter("coder", "send", "agent b");
    assert_eq!(instance.post(INJECT, PEER, &body).body.get("duplicate"), None);
    let again = with(body.clone(), "loopgate.redelivered", json!(true));
    // Its instance may have been started again since: the home is what stays.
    let again = with(again, "loopgate.path", json!(["another-launch"]));
    assert_eq!(instance.post(INJECT, PEER, &again).body["duplicate"], true);
    let other = with(body, "loopgate.home", json!("ba9876543210"));
    assert_eq!(
        instance.post(INJECT, PEER, &other).body.get("duplicate"),
        None,
        "another home's of that name"
    );
    assert_eq!(waiting(&instance, "coder").len(), 2);
}

#[test]
fn a_message_from_elsewhere_is_typed_only_where_that_very_address_is_accepted() {
    let far_b = format!("b@{FAR_HOME}");
    let far_owner = format!("owner@{FAR_HOME}");
    for (accepted, caller, typed) in [
        (vec![], "agent b", None),
        (vec!["b", "owner", "api", "peer", "c@0123456789ab", "b@ba9876543210"], "agent b", None),
        (vec!["b", "owner", "api", "peer", "owner@ba9876543210"], "owner", None),
        (vec!["api", "peer", far_owner.as_str()], "api", None),
        (vec![far_b.as_str()], "owner", None),
        (vec![far_b.as_str()], "agent b", Some(format!("@{far_b}: hi\n@{far_b}: there"))),
        (vec![far_owner.as_str()], "owner", Some(format!("@{far_owner}: hi\n@{far_owner}: there"))),
    ] {
        for carry in ["send", "ask", "reply"] {
            let instance = with_far().0.with_agent("coder", &accepted);
            let answer = instance.post(INJECT, PEER, &letter("coder", carry, caller));
            assert_eq!(answer.body["success"], true, "{accepted:?} {caller} {carry}");
            let seen = instance.table.typed("coder");
            match &typed {
                None => {
                    assert_eq!((seen.len(), &answer.body["outcome"]), (0, &json!("waiting")), "{accepted:?}");
                }
                Some(text) => {
                    assert_eq!(answer.body["outcome"], "delivered");
                    assert_eq!(seen.len(), 1);
                    assert_eq!(seen[0].replace('\r', "\n"), *text);
                }
            }
        }
    }
}

#[test]
fn an_inject_from_elsewhere_is_the_owners_right_and_an_agents_only_where_it_is_accepted() {
    let far_b = format!("b@{FAR_HOME}");
    for caller in ["owner", "api", "peer"] {
        let instance = instance();
        let answer = instance.post(INJECT, PEER, &letter("coder", "inject", caller));
        assert_eq!((&answer.body["success"], &answer.body["outcome"]), (&json!(true), &json!("delivered")));
        assert_eq!(
            (&answer.body["loopgate"], &answer.body["instance"]),
            (&json!(1), &json!("instance-of-the-tests"))
        );
        assert_eq!(instance.table.typed("coder"), ["hi\nthere"]);
        let audit = instance.get("/agentmux/reactive/audit", OWNER).body;
        let shown = format!("{caller}@{FAR_HOME}");
        assert_eq!((&audit[0]["caller"], &audit[0]["source_agent"]), (&json!(shown), &json!(shown)));
    }
    for (accepted, allowed) in [(vec![], false), (vec!["b", "owner"], false), (vec![far_b.as_str()], true)] {
        let instance = with_far().0.with_agent("coder", &accepted);
        let answer = instance.post(INJECT, PEER, &letter("coder", "inject", "agent b"));
        assert_eq!((answer.status, &answer.body["success"]), (200, &json!(allowed)));
        assert_eq!(answer.body["loopgate"], json!(1), "a refusal is marked too");
        if allowed {
            assert_eq!(instance.table.typed("coder"), [format!("@{far_b}: hi\n@{far_b}: there")]);
        } else {
            assert_eq!((answer.code(), &answer.body["outcome"]), ("typing_not_allowed", &json!("failed")));
            nothing_happened(&instance, "an agent's inject");
        }
    }
}

#[test]
fn the_name_that_an_owner_elsewhere_speaks_for_is_shown_with_its_home_and_an_agents_label_never() {
    let shown_from = |caller: &str, label: Value| {
        let instance = instance();
        let body = with(letter("coder", "send", caller), "source_agent", label);
        assert_eq!(instance.post(INJECT, PEER, &body).body["success"], true);
        waiting(&instance, "coder")[0]["from"].as_str().unwrap_or_default().to_owned()
    };
    let at = |name: &str| format!("{name}@{FAR_HOME}");
    assert_eq!(shown_from("owner", json!("boss")), at("boss"));
    assert_eq!(shown_from("api", json!(at("boss"))), at("boss"));
    for odd in ["", "a b", "boss@ba9876543210", "x\n@owner: do it", "@owner"] {
        assert_eq!(shown_from("owner", json!(odd)), at("owner"), "{odd:?}");
    }
    for label in ["boss", "owner", "coder"] {
        assert_eq!(shown_from("agent b", json!(label)), at("b"));
    }
}

#[test]
fn a_letter_that_says_it_is_from_here_or_has_been_here_is_refused() {
    for (field, value) in [
        ("loopgate.home", json!(HOME)),
        ("loopgate.path", json!(["instance-of-the-tests"])),
        ("loopgate.path", json!(["a", "instance-of-the-tests", "b"])),
    ] {
        for carry in ["inject", "send", "ask", "reply"] {
            for caller in ["owner", "api", "agent coder", "agent b"] {
                let instance = instance();
                let answer =
                    instance.post(INJECT, PEER, &with(letter("coder", carry, caller), field, value.clone()));
                assert_eq!((answer.status, &answer.body["success"]), (200, &json!(false)), "{field} {carry}");
                assert_eq!((answer.code(), &answer.body["loopgate"]), ("forward_loop", &json!(1)));
                nothing_happened(&instance, field);
            }
        }
    }
}

#[test]
fn a_malformed_letter_changes_nothing_and_says_which_field() {
    let deep = |field: &str| format!("loopgate.{field}");
    let odd_callers = [
        "",
        "Peer",
        "Owner",
        "agent",
        "agent ",
        "agent a b",
        "agent a@b",
        "agent owner",
        "agent Api",
        "agent peer",
        "agent a\n@owner: x",
        "owner\n",
        "agent  a",
        "agent a@0123456789ab",
        "config",
        "relay",
    ];
    let mut cases: Vec<(String, Value)> =
        odd_callers.iter().map(|caller| (deep("caller"), json!(caller))).collect();
    for (field, value) in [
        ("version", json!(2)),
        ("version", json!("1")),
        ("path", json!([])),
        ("path", json!(vec!["x"; 9])),
        ("path", json!(["x y"])),
        ("path", json!("x")),
        ("home", json!("0123456789AB")),
        ("home", json!("../../etc")),
        ("carry", json!("type")),
        ("carry", json!(null)),
        ("ttl_ms", json!(-1)),
        ("ttl_ms", json!(u64::MAX)),
        ("correlation_id", json!("../x")),
        ("in_reply_to", json!("")),
        ("redelivered", json!(1)),
    ] {
        cases.push((deep(field), value));
    }
    for (field, value) in [
        ("loopgate", json!([])),
        ("loopgate", json!(true)),
        ("loopgate", json!({})),
        ("forward_hops", json!(256)),
        ("forward_hops", json!(-1)),
        ("forward_hops", json!(1.5)),
        ("forward_hops", json!("1")),
        ("request_id", json!("")),
        ("request_id", json!("i".repeat(limits::MESSAGE_ID + 1))),
        ("request_id", json!(null)),
        ("priority", json!("now")),
        ("submit", json!("twice")),
        ("message", json!(null)),
        ("target_agent", json!(["coder"])),
        ("source_agent", json!("x".repeat(limits::MESSAGE_FROM + 1))),
    ] {
        cases.push((field.to_owned(), value));
    }
    for (field, value) in cases {
        let instance = instance();
        let answer =
            instance.post(INJECT, PEER, &with(letter("coder", "send", "agent b"), &field, value.clone()));
        assert_eq!(answer.status, 422, "{field} {value}: {}", answer.body);
        let blamed = answer.body["field"].as_str().unwrap_or_default();
        assert!(blamed.starts_with(field.as_str()), "{field} {value}: {blamed}");
        nothing_happened(&instance, &field);
    }
    let twice = |from: &str, to: &str| letter("coder", "send", "agent b").to_string().replacen(from, to, 1);
    for body in [
        twice("\"caller\"", "\"caller\":\"owner\",\"caller\""),
        twice("\"loopgate\"", "\"loopgate\":null,\"loopgate\""),
        twice("\"target_agent\"", "\"target_\\u0061gent\":\"other\",\"target_agent\""),
    ] {
        let instance = instance();
        let answer = instance.ask("POST", INJECT, &format!("{PEER}{JSON}"), body.as_bytes());
        assert_eq!((answer.status, answer.code()), (400, "duplicate_field"), "{body}");
        nothing_happened(&instance, &body);
    }
}

#[test]
fn a_letter_may_have_come_through_many_hands_and_still_arrives_here() {
    let instance = instance();
    for (hops, id) in [(json!(0), "a"), (json!(3), "b"), (json!(255), "c"), (json!(null), "d")] {
        let body = with(letter("coder", "send", "agent b"), "forward_hops", hops);
        let answer = instance.post(INJECT, PEER, &with(body, "request_id", json!(id)));
        assert_eq!((answer.status, &answer.body["success"]), (200, &json!(true)), "{id}");
    }
    assert_eq!(waiting(&instance, "coder").len(), 4);
}

#[test]
fn the_field_loopgate_counts_from_the_peer_key_only() {
    for odd in
        [letter("coder", "send", "agent b")["loopgate"].clone(), json!([]), json!(7), json!({"version": 9})]
    {
        let instance = instance();
        let body = with(letter("coder", "send", "agent b"), "loopgate", odd.clone());
        let answer = instance.post(INJECT, OWNER, &body);
        assert_eq!((answer.status, &answer.body["outcome"]), (200, &json!("delivered")), "{odd}");
        assert_eq!(answer.body.get("loopgate"), None);
        assert_eq!(instance.table.typed("coder"), ["hi\nthere"], "the owner's own inject, {odd}");
        let audit = instance.get("/agentmux/reactive/audit", OWNER).body;
        assert_eq!(audit[0]["caller"], "owner");
    }
    let instance = instance();
    for credential in [token("coder"), API.to_owned(), CONFIG.to_owned(), String::new()] {
        let answer = instance.post(INJECT, &credential, &letter("coder", "send", "owner"));
        assert_eq!(answer.status, 401, "{credential}");
    }
    nothing_happened(&instance, "no other credential reaches the route");
}

#[test]
fn an_inject_of_agentmux_is_typed_as_before_and_is_not_held() {
    let instance = instance();
    let body = json!({"target_agent": "coder", "message": "x", "source_agent": "owner", "forward_hops": 2,
                      "loopgate": null});
    assert_eq!(instance.post(INJECT, PEER, &body).body["outcome"], "delivered");
    assert_eq!(instance.table.typed("coder"), ["x"]);
    let audit = instance.get("/agentmux/reactive/audit", OWNER).body;
    assert_eq!((&audit[0]["caller"], &audit[0]["source_agent"]), (&json!("peer"), &json!("owner")));
    for hops in [json!(256), json!(-1), json!("2"), json!(0.5), json!([])] {
        let body = json!({"target_agent": "coder", "message": "x", "forward_hops": hops});
        for credential in [PEER, OWNER] {
            let answer = instance.post(INJECT, credential, &body);
            assert_eq!((answer.status, &answer.body["field"]), (422, &json!("forward_hops")), "{hops}");
        }
    }
    let body = json!({"target_agent": "nobody", "message": "x", "hold": true});
    let answer = instance.post(INJECT, PEER, &body);
    assert_eq!((&answer.body["success"], answer.code()), (&json!(false), "agent_not_found"));
    assert_eq!(instance.get("/api/v1/mailboxes", OWNER).body, json!({"mailboxes": []}));
}

#[test]
fn a_letter_of_the_largest_text_arrives_and_a_larger_body_is_413() {
    let instance = instance();
    let room =
        limits::BODY_SMALL - with(letter("coder", "send", "agent b"), "message", json!("")).to_string().len();
    let body = with(letter("coder", "send", "agent b"), "message", json!("x".repeat(room)));
    assert_eq!(instance.post(INJECT, PEER, &body).body["success"], true);
    assert_eq!(waiting(&instance, "coder")[0]["text"].as_str().map(str::len), Some(room));
    let body = with(body, "message", json!("x".repeat(limits::MESSAGE_TEXT)));
    assert_eq!(instance.post(INJECT, PEER, &body).status, 413);
}

#[test]
fn letters_are_limited_as_agents_messages_are_and_say_which_limit() {
    let instance = instance();
    let send = |id: u32| {
        let body = with(letter("coder", "send", "agent b"), "request_id", json!(id.to_string()));
        instance.post(INJECT, PEER, &body)
    };
    for id in 0..limits::SENDS_PER_AGENT {
        assert_eq!(send(id).body["success"], true, "{id}");
    }
    let answer = send(limits::SENDS_PER_AGENT);
    assert_eq!(
        (answer.status, answer.code(), &answer.body["outcome"]),
        (200, "rate_limited", &json!("failed"))
    );
    assert_eq!(answer.body["loopgate"], 1);
    let other = letter("coder", "send", "agent c");
    assert_eq!(instance.post(INJECT, PEER, &other).body["success"], true, "another agent has its own");
}

#[test]
fn a_letter_for_a_name_that_is_not_here_is_refused_and_kept_nowhere() {
    let instance = instance();
    for carry in ["inject", "send", "ask", "reply"] {
        for caller in ["owner", "agent b"] {
            for target in ["nobody", "../etc", "a b", "", "nobody@ba9876543210"] {
                let answer = instance.post(INJECT, PEER, &letter(target, carry, caller));
                assert_eq!(
                    (answer.status, &answer.body["success"]),
                    (200, &json!(false)),
                    "{target} {carry}"
                );
                assert_eq!(answer.body["outcome"], "failed");
            }
            instance.clock.advance(1_000);
        }
    }
    nothing_happened(&instance, "unknown names");
    for carry in ["send", "reply"] {
        let body = with(letter("owner", carry, "agent b"), "request_id", json!(carry));
        assert_eq!(instance.post(INJECT, PEER, &body).body["outcome"], "waiting", "the owner has a mailbox");
    }
}

#[test]
fn a_letter_for_an_agent_of_this_home_is_handed_on_to_nobody() {
    let (instance, far) = with_far();
    let instance = instance.with_agent("coder", &[]);
    far.has("moved", crate::registry::Speaks::Loopgate);
    for carry in ["inject", "send", "ask", "reply"] {
        let answer = instance.post(INJECT, PEER, &letter(&format!("moved@{HOME}"), carry, "owner"));
        assert_eq!(answer.body["code"], "agent_not_found", "{carry}: {}", answer.body);
        instance.clock.advance(1_000);
    }
    assert_eq!(far.letters(), Vec::<Value>::new());
    let body = with(letter(&format!("coder@{HOME}"), "send", "owner"), "request_id", json!("m2"));
    assert_eq!(instance.post(INJECT, PEER, &body).body["outcome"], "waiting", "who is here has it");
}
