//! Tests of the IR. Those of a numbered case carry its number.

mod bounds;
mod configs;
mod documents;
mod folds;
mod gates;
mod plans;
mod policies;
mod random;
mod scale;

use serde_json::{Value, json};

use super::*;

/// What refuses, and how it must say so.
type Case = (Error, &'static str);

/// The error of something that must be refused.
fn refused<T: std::fmt::Debug, E: std::fmt::Debug>(result: Result<T, E>) -> E {
    result.expect_err("refused")
}

fn assert_said(cases: &[Case]) {
    for (error, text) in cases {
        assert_eq!(error.to_string(), *text);
        assert!(*text == error.code() || text.starts_with(&format!("{}: ", error.code())), "{text}");
    }
}

/// The names of sections I.1 to I.5, and which tests make each of them happen.
#[test]
fn m9_every_error_of_the_specification_happens_in_a_test() {
    let cases =
        [documents::refs(), documents::states(), documents::overlays(), folds::cases(), policies::cases()];
    let happened: std::collections::BTreeSet<&str> =
        cases.iter().flatten().map(|(error, _)| error.code()).collect();
    for code in SPECIFIED {
        assert!(happened.contains(code), "{code}");
    }
}

const SPECIFIED: [&str; 51] = [
    // I.1
    "invalid_ref_string",
    "ref_not_a_map",
    "missing_ref",
    "missing_kind",
    "invalid_kind",
    "missing_host",
    "invalid_image",
    "invalid_opts",
    "invalid_attested",
    "missing_digest",
    "invalid_digest",
    "unexpected_digest",
    "unresolved_ref",
    // I.2
    "state_not_a_map",
    "unsupported_version",
    "wrong_kind",
    "missing",
    "invalid_phase",
    "invalid",
    "invalid_agent",
    "invalid_object",
    "missing_slot",
    "invalid_model_slot",
    "slot_type_mismatch",
    "invalid_topology",
    "invalid_edge",
    "duplicate_name",
    "unknown_edge_endpoint",
    // I.3
    "overlay_not_a_map",
    "invalid_apply_mode",
    "missing_events",
    "invalid_event",
    "invalid_seq",
    "non_monotonic_seq",
    "unknown_op",
    "invalid_payload",
    "missing_edges",
    "invalid_edges",
    "invalid_count",
    "invalid_bump_field",
    "missing_field",
    "invalid_policy",
    // I.4
    "agent_exists",
    "object_exists",
    "agent_not_found",
    "object_not_found",
    "target_not_found",
    "bump_digest_mismatch",
    "scale_base_not_found",
    // I.5
    "agent_cap_exceeded",
    "forbidden_config_keys",
];

/// An agent's document, with these fields beside the least it needs.
fn agent(name: &str, more: Value) -> Value {
    let mut agent = json!({
        "name": name,
        "body": {"ref": format!("inline:{name}"), "kind": "data"},
        "model": {"ref": "openrouter:default", "attested": true},
        "backend": {"ref": "local"},
    });
    extend(&mut agent, more);
    agent
}

/// An object's document, in the same way.
fn object(name: &str, more: Value) -> Value {
    let mut object = json!({"name": name, "handler": {"ref": "module:counter", "kind": "code"}});
    extend(&mut object, more);
    object
}

/// Null takes a field away.
fn extend(value: &mut Value, more: Value) {
    let (Value::Object(map), Value::Object(more)) = (value, more) else { panic!("objects") };
    for (field, value) in more {
        match value {
            Value::Null => map.remove(&field),
            value => map.insert(field, value),
        };
    }
}

/// A state's document.
fn document(agents: Value, objects: Value, topology: Value) -> Value {
    json!({"v": 1, "kind": "swarm.state", "name": "s", "phase": "desired",
           "agents": agents, "objects": objects, "topology": topology})
}

fn state(agents: &[&str], objects: &[&str], topology: Value) -> State {
    let agents: Vec<Value> = agents.iter().map(|name| agent(name, json!({}))).collect();
    let objects: Vec<Value> = objects.iter().map(|name| object(name, json!({}))).collect();
    State::parse(&document(json!(agents), json!(objects), topology)).expect("a right state")
}

fn overlay_document(events: Value) -> Value {
    json!({"v": 1, "kind": "swarm.overlay", "swarm": "s", "events": events})
}

/// Events numbered from 1.
fn events(ops: &[(&str, Value)]) -> Vec<Event> {
    let numbered =
        ops.iter().zip(1..).map(|((op, payload), seq)| json!({"seq": seq, "op": op, "payload": payload}));
    Overlay::parse(&overlay_document(numbered.collect())).expect("a right overlay").events
}

fn edges(state: &State) -> Vec<String> {
    state.topology.iter().map(|(from, to)| format!("{from}>{to}")).collect()
}
