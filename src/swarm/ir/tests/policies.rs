//! What operations may do (spec genswarms I.5, M.9).

use serde_json::{Value, json};

use super::*;

fn op(name: &str, payload: Value) -> Op {
    Op::parse(name, &payload).expect("an operation")
}

fn add(more: Value) -> Op {
    op("add_agent", agent("new", more))
}

fn scale(base: &str, count: u64) -> Op {
    op("scale_agent_group", json!({"base_name": base, "target_count": count}))
}

pub(super) fn cases() -> Vec<Case> {
    let five = state(&["a", "b", "c"], &["o", "p"], json!([]));
    let not = |op: Op, cap: usize| refused(policy::check(&five, &op, cap));
    let escape = json!({"config": {"extra_ro_binds": []}});
    vec![
        (not(add(json!({})), 5), "agent_cap_exceeded: 6 agents and objects, at most 5"),
        (
            not(op("add_object", object("q", json!({}))), 5),
            "agent_cap_exceeded: 6 agents and objects, at most 5",
        ),
        (not(scale("a", 100_000), 100), "agent_cap_exceeded: 100004 agents and objects, at most 100"),
        (not(scale("a", 2), 5), "agent_cap_exceeded: 6 agents and objects, at most 5"),
        (
            not(scale("x", u64::MAX), 5),
            "agent_cap_exceeded: 18446744073709551615 agents and objects, at most 5",
        ),
        (not(add(escape.clone()), 5), "agent_cap_exceeded: 6 agents and objects, at most 5"),
        (not(add(escape), 6), "forbidden_config_keys: extra_ro_binds"),
    ]
}

#[test]
fn m9_operations_over_the_cap_are_refused_before_forbidden_keys_are_looked_at() {
    assert_said(&cases());
}

#[test]
fn m9_the_fifth_of_five_passes_and_the_sixth_does_not() {
    let mut it = state(&["a"], &["o"], json!([]));
    for name in ["b", "c", "d"] {
        it = policy::apply_op(&it, &op("add_agent", agent(name, json!({}))), 5).expect("within the cap");
    }
    assert_eq!(it.nodes(), 5);
    assert_eq!(refused(policy::apply_op(&it, &add(json!({})), 5)).code(), "agent_cap_exceeded");
    let object = op("add_object", object("q", json!({})));
    assert_eq!(refused(policy::apply_op(&it, &object, 5)).code(), "agent_cap_exceeded");
    assert!(policy::check(&it, &op("remove_object", json!({"name": "o"})), 5).is_ok());
}

#[test]
fn two_groups_do_not_get_past_the_cap_that_one_would_not() {
    let it = state(&["a", "b"], &["o"], json!([]));
    let it = policy::apply_op(&it, &scale("a", 8), 10).expect("within the cap");
    assert_eq!(it.nodes(), 10);
    assert_eq!(refused(policy::apply_op(&it, &scale("b", 2), 10)).code(), "agent_cap_exceeded");
    let it = policy::apply_op(&it, &scale("a", 7), 10).expect("fewer");
    assert!(policy::apply_op(&it, &scale("b", 2), 10).is_ok());
}

#[test]
fn m9_every_forbidden_key_is_refused_and_several_are_named_in_order() {
    let it = state(&[], &[], json!([]));
    let refusal = |op: &Op| refused(policy::apply_op(&it, op, 9)).to_string();
    for key in policy::FORBIDDEN {
        assert_eq!(refusal(&add(json!({"config": {key: "x"}}))), format!("forbidden_config_keys: {key}"));
    }
    let all = json!({"config": {"subzeroclaw_path": 1, "fine": 1, "extra_rw_binds": 1, "extra_path": 1}});
    let named = "forbidden_config_keys: extra_path, extra_rw_binds, subzeroclaw_path";
    assert_eq!(refusal(&add(all)), named);
    assert!(policy::check(&it, &add(json!({"config": {"network": "isolated"}})), 9).is_ok());
}

#[test]
fn a_forbidden_key_finds_no_other_way_in() {
    let it = state(&["a"], &["o"], json!([]));
    let opts = json!({"extra_path": "x"});
    for op in [
        add(json!({"backend": {"ref": "bwrap", "opts": opts}})),
        add(json!({"model": {"ref": "openrouter:x", "opts": opts}})),
        add(json!({"body": {"ref": "inline:x", "kind": "data", "opts": opts}})),
        add(json!({"extra_path": "x"})),
        op("add_object", object("p", json!({"config": opts}))),
        op("add_object", object("p", json!({"backend": {"ref": "bwrap", "opts": opts}}))),
        op("add_object", object("p", json!({"extra_path": "x"}))),
        op("update_config", json!({"target": "a", "config": opts})),
        op("update_config", json!({"target": "o", "config": opts})),
    ] {
        assert_eq!(
            policy::check(&it, &op, 9),
            Err(Error::ForbiddenConfigKeys(vec!["extra_path".to_owned()])),
            "{op:?}"
        );
    }
}

#[test]
fn m9_an_overlay_stops_at_the_first_violation_with_its_number() {
    let it = state(&["a"], &[], json!([]));
    let overlay = events(&[
        ("add_agent", agent("b", json!({}))),
        ("add_agent", agent("c", json!({"config": {"extra_path": 1}}))),
        ("add_agent", agent("b", json!({}))),
    ]);
    let stopped = refused(policy::apply_overlay(&it, &overlay, 9));
    assert_eq!(stopped.to_string(), "event 2: forbidden_config_keys: extra_path");
    assert_eq!(refused(policy::apply_overlay(&it, &overlay, 1)).seq, 1);
    assert!(policy::apply_overlay(&it, &overlay[..1], 2).is_ok());
}
