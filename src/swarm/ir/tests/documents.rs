//! Refs, states and overlays as documents (spec genswarms I.1 to I.3, M.9).

use serde_json::{Value, json};

use super::*;

const DIGEST: &str = "sha256:0a";

fn of_ref(it: Value) -> Error {
    refused(Ref::parse(&it))
}

fn unresolved(it: Value) -> Error {
    refused(Ref::parse(&it).expect("a right ref").resolved())
}

pub(super) fn refs() -> Vec<Case> {
    let oci = |digest: &str| json!({"ref": "oci:x", "kind": "data", "digest": digest});
    let package = json!({"ref": "swarmidx:x", "kind": "data"});
    let body = agent("a", json!({"body": package}));
    let package = State::parse(&document(json!([body]), json!([]), json!([]))).expect("not resolved yet");
    vec![
        (of_ref(json!("local")), "ref_not_a_map"),
        (of_ref(json!({})), "missing_ref"),
        (of_ref(json!({"ref": " "})), "missing_ref"),
        (of_ref(json!({"ref": 1})), "missing_ref"),
        (of_ref(json!({"ref": "docker"})), "invalid_ref_string"),
        (of_ref(json!({"ref": ":x"})), "invalid_ref_string"),
        (of_ref(json!({"ref": "x:"})), "invalid_ref_string"),
        (of_ref(json!({"ref": "oci:x"})), "missing_kind"),
        (of_ref(json!({"ref": "swarmidx:x", "kind": null})), "missing_kind"),
        (of_ref(json!({"ref": "local", "kind": "both"})), "invalid_kind: \"both\""),
        (of_ref(json!({"ref": "local", "kind": 1})), "invalid_kind: 1"),
        (of_ref(json!({"ref": "ssh"})), "missing_host: ssh"),
        (of_ref(json!({"ref": "ssh:x", "host": ""})), "missing_host: ssh"),
        (of_ref(json!({"ref": "local", "image": ""})), "invalid_image: \"\""),
        (of_ref(json!({"ref": "local", "image": [1, {"key": "x"}]})), "invalid_image: [1,an object]"),
        (of_ref(json!({"ref": "local", "opts": "x"})), "invalid_opts: \"x\""),
        (of_ref(json!({"ref": "local", "attested": "yes"})), "invalid_attested: \"yes\""),
        (of_ref(json!({"ref": "local", "digest": {}})), "invalid_digest: an object"),
        (unresolved(json!({"ref": "oci:x", "kind": "data"})), "missing_digest"),
        (unresolved(oci("sha256:")), "invalid_digest: \"sha256:\""),
        (unresolved(oci(":0a")), "invalid_digest: \":0a\""),
        (unresolved(oci("SHA:0a")), "invalid_digest: \"SHA:0a\""),
        (unresolved(oci("sha256:0A")), "invalid_digest: \"sha256:0A\""),
        (unresolved(oci("sha256:0a\n")), "invalid_digest: \"sha256:0a\\n\""),
        (unresolved(oci("\nsha256:0a")), "invalid_digest: \"\\nsha256:0a\""),
        (unresolved(oci("sha256:0a:0b")), "invalid_digest: \"sha256:0a:0b\""),
        (unresolved(json!({"ref": "local", "digest": DIGEST})), "unexpected_digest"),
        (refused(package.resolved()), "unresolved_ref: swarmidx:x, missing_digest"),
    ]
}

#[test]
fn m9_wrong_refs_are_refused() {
    assert_said(&refs());
}

#[test]
fn m9_right_refs_are_read_and_written_back() {
    for it in [
        json!({"ref": "local"}),
        json!({"ref": "mock", "opts": {"a": [1, null]}}),
        json!({"ref": "ssh", "host": "h", "attested": true}),
        json!({"ref": "apple_container", "image": "i"}),
        json!({"ref": "host"}),
        json!({"ref": "oci:registry/x:1", "kind": "data", "digest": DIGEST}),
        json!({"ref": "swarmidx:x", "kind": "code", "digest": "blake3:00ff"}),
        json!({"ref": "anything:x"}),
    ] {
        let read = Ref::parse(&it).expect("a right ref");
        assert_eq!(read.to_value(), it);
        assert_eq!(read.resolved(), Ok(()), "{it}");
    }
    let plain = json!({"ref": "local", "kind": null, "attested": false, "opts": {}, "digest": null});
    assert_eq!(Ref::parse(&plain), Ref::parse(&json!({"ref": "local"})));
}

fn of_state(change: Value) -> Error {
    let mut it =
        document(json!([agent("a", json!({}))]), json!([object("o", json!({}))]), json!([["a", "o"]]));
    extend(&mut it, change);
    refused(State::parse(&it))
}

fn of_agent(change: Value) -> Error {
    of_state(json!({"agents": [agent("a", change)]}))
}

fn of_object(change: Value) -> Error {
    of_state(json!({"objects": [object("o", change)]}))
}

pub(super) fn states() -> Vec<Case> {
    let package = json!({"ref": "swarmidx:x", "kind": "data"});
    let code = json!({"ref": "inline:a", "kind": "code"});
    let data = json!({"ref": "module:x", "kind": "data"});
    let two = json!([agent("a", json!({})), agent("a", json!({}))]);
    vec![
        (refused(State::parse(&json!([]))), "state_not_a_map"),
        (of_state(json!({"v": 2})), "unsupported_version: 2"),
        (of_state(json!({"v": "1"})), "unsupported_version: \"1\""),
        (of_state(json!({"v": null})), "unsupported_version: nothing"),
        (of_state(json!({"kind": "swarm.overlay"})), "wrong_kind: \"swarm.overlay\""),
        (of_state(json!({"name": null})), "missing: name"),
        (of_state(json!({"name": ""})), "missing: name"),
        (of_state(json!({"phase": null})), "invalid_phase: nothing"),
        (of_state(json!({"phase": "dreamt"})), "invalid_phase: \"dreamt\""),
        (of_state(json!({"agents": null})), "missing: agents"),
        (of_state(json!({"agents": {}})), "invalid: agents"),
        (of_state(json!({"objects": {}})), "invalid: objects"),
        (of_state(json!({"options": []})), "invalid: options"),
        (of_state(json!({"agents": ["a"]})), "invalid_agent"),
        (of_state(json!({"objects": ["o"]})), "invalid_object"),
        (of_agent(json!({"name": null})), "missing: name"),
        (of_object(json!({"name": "\t"})), "missing: name"),
        (of_agent(json!({"body": null})), "missing_slot: body"),
        (of_agent(json!({"model": null})), "missing_slot: model"),
        (of_agent(json!({"backend": null})), "missing_slot: backend"),
        (of_object(json!({"handler": null})), "missing_slot: handler"),
        (of_agent(json!({"model": "gpt"})), "invalid_model_slot: \"gpt\""),
        (of_agent(json!({"model": {"api_key": "x"}})), "invalid_model_slot: an object"),
        (
            of_agent(json!({"model": {"ref": "a:b", "policy": {"ref": "a:b"}}})),
            "invalid_model_slot: an object",
        ),
        (of_agent(json!({"model": {"policy": code}})), "slot_type_mismatch: model must be data"),
        (of_agent(json!({"model": {"policy": {"ref": "x"}}})), "invalid_ref_string"),
        (of_agent(json!({"model": package})), "slot_type_mismatch: model must be a service"),
        (of_agent(json!({"body": code})), "slot_type_mismatch: body must be data"),
        (of_agent(json!({"body": {"ref": "inline:a"}})), "slot_type_mismatch: body must be data"),
        (of_agent(json!({"backend": package})), "slot_type_mismatch: backend must be no package"),
        (of_object(json!({"backend": package})), "slot_type_mismatch: backend must be no package"),
        (of_object(json!({"handler": data})), "slot_type_mismatch: handler must be code"),
        (of_agent(json!({"config": [1]})), "invalid: config"),
        (of_object(json!({"config": "x"})), "invalid: config"),
        (of_state(json!({"topology": {}})), "invalid_topology"),
        (of_state(json!({"topology": [["a"]]})), "invalid_edge: [\"a\"]"),
        (of_state(json!({"topology": [["a", "o", "a"]]})), "invalid_edge: [\"a\",\"o\",\"a\"]"),
        (of_state(json!({"topology": [["a", 1]]})), "invalid_edge: [\"a\",1]"),
        (of_state(json!({"topology": [["a", ""]]})), "invalid_edge: [\"a\",\"\"]"),
        (of_state(json!({"topology": [{"from": "a", "to": "o"}]})), "invalid_edge: an object"),
        (of_state(json!({"agents": two})), "duplicate_name: a"),
        (of_state(json!({"objects": [object("a", json!({}))]})), "duplicate_name: a"),
        (of_state(json!({"topology": [["a", "nobody"]]})), "unknown_edge_endpoint: nobody"),
        (of_state(json!({"topology": [["\u{1b}[2J", "a"]]})), "unknown_edge_endpoint: \"\\u001b[2J\""),
    ]
}

#[test]
fn m9_wrong_states_are_refused() {
    assert_said(&states());
}

#[test]
fn m9_a_state_may_be_without_agents_and_go_in_circles() {
    let it = state(&["b", "a"], &["o"], json!([["a", "b"], ["b", "a"], ["a", "a"], ["a", "b"]]));
    assert_eq!(edges(&it), ["a>a", "a>b", "b>a"]);
    assert_eq!(it.names().collect::<Vec<_>>(), ["b", "a", "o"], "in their order");
    assert_eq!(State::parse(&it.to_value()), Ok(it));
    assert!(State::parse(&document(json!([]), json!(null), json!(null))).is_ok());
}

#[test]
fn fields_without_a_meaning_here_stay_with_their_node() {
    let more = json!({"skills": ["a.md"], "controller": "pty", "config": {"x": {"y": [1]}}, "model": {
        "policy": {"ref": "swarmidx:p", "kind": "data", "digest": DIGEST}}});
    let objects = json!([object("o", json!({"backend": {"ref": "local"}, "note": 1}))]);
    let it = document(json!([agent("a", more)]), objects, json!([]));
    let read = State::parse(&it).expect("a right state");
    assert_eq!(read.to_value()["agents"], it["agents"]);
    assert_eq!(read.to_value()["objects"], it["objects"]);
}

fn of_overlay(change: Value) -> Error {
    let mut it = overlay_document(json!([]));
    extend(&mut it, change);
    refused(Overlay::parse(&it))
}

fn of_events(events: Value) -> Error {
    of_overlay(json!({ "events": events }))
}

fn of_op(op: &str, payload: Value) -> Error {
    of_events(json!([{"seq": 1, "op": op, "payload": payload}]))
}

pub(super) fn overlays() -> Vec<Case> {
    let event = |seq: Value| json!({"seq": seq, "op": "remove_agent", "payload": {"name": "a"}});
    let bump = |change: Value| {
        let mut it = json!({"target": "a", "field": "body", "from": DIGEST, "to": DIGEST});
        extend(&mut it, change);
        of_op("bump_package", it)
    };
    let scale = |count: Value| of_op("scale_agent_group", json!({"base_name": "a", "target_count": count}));
    vec![
        (refused(Overlay::parse(&json!(1))), "overlay_not_a_map"),
        (of_overlay(json!({"v": 2})), "unsupported_version: 2"),
        (of_overlay(json!({"kind": "swarm.state"})), "wrong_kind: \"swarm.state\""),
        (of_overlay(json!({"swarm": null})), "missing: swarm"),
        (of_overlay(json!({"apply": "later"})), "invalid_apply_mode: \"later\""),
        (of_overlay(json!({"events": null})), "missing_events"),
        (of_overlay(json!({"events": {}})), "missing_events"),
        (of_events(json!(["x"])), "invalid_event"),
        (of_events(json!([event(json!("1"))])), "invalid_seq: \"1\""),
        (of_events(json!([event(json!(-1))])), "invalid_seq: -1"),
        (of_events(json!([event(json!(1.5))])), "invalid_seq: 1.5"),
        (of_events(json!([{"op": "remove_agent"}])), "invalid_seq: nothing"),
        (of_events(json!([event(json!(1)), event(json!(1))])), "non_monotonic_seq: 1 after 1"),
        (of_events(json!([event(json!(5)), event(json!(3))])), "non_monotonic_seq: 3 after 5"),
        (of_events(json!([{"seq": 1, "payload": {}}])), "unknown_op: nothing"),
        (of_op("explode", json!({})), "unknown_op: explode"),
        (of_op("remove_agent", json!("a")), "invalid_payload"),
        (of_op("set_options", json!({"options": 1})), "invalid_payload"),
        (of_op("update_config", json!({"target": "a", "config": []})), "invalid_payload"),
        (of_op("add_agent", json!({"name": "a"})), "missing_slot: body"),
        (of_op("add_object", json!({"name": "a"})), "missing_slot: handler"),
        (of_op("remove_agent", json!({})), "missing_field: name"),
        (of_op("remove_object", json!({"name": " "})), "missing_field: name"),
        (
            of_op("remove_agent", json!({"name": "a", "on_inflight": "wait"})),
            "invalid_policy: on_inflight, \"wait\"",
        ),
        (of_op("add_topology_edges", json!({})), "missing_edges"),
        (of_op("remove_topology_edges", json!({"edges": "a>b"})), "invalid_edges"),
        (of_op("add_topology_edges", json!({"edges": [["a"]]})), "invalid_edges"),
        (of_op("scale_agent_group", json!({"target_count": 1})), "missing_field: base_name"),
        (of_op("scale_agent_group", json!({"base_name": "a"})), "missing_field: target_count"),
        (scale(json!(-1)), "invalid_count: target_count, -1"),
        (scale(json!("3")), "invalid_count: target_count, \"3\""),
        (bump(json!({"target": null})), "missing_field: target"),
        (bump(json!({"field": null})), "missing_field: field"),
        (bump(json!({"field": "name"})), "invalid_bump_field: \"name\""),
        (bump(json!({"from": null})), "missing_field: from"),
        (bump(json!({"from": "0a"})), "invalid_digest: from, \"0a\""),
        (bump(json!({"to": "sha256:0a\n"})), "invalid_digest: to, \"sha256:0a\\n\""),
        (bump(json!({"migration": "hope"})), "invalid_policy: migration, \"hope\""),
        (of_op("set_options", json!({})), "missing_field: options"),
        (of_op("update_config", json!({"config": {}})), "missing_field: target"),
        (of_op("update_config", json!({"target": "a"})), "missing_field: config"),
    ]
}

#[test]
fn m9_wrong_overlays_are_refused() {
    assert_said(&overlays());
}

#[test]
fn m9_every_operation_is_read_and_written_back() {
    let ops = [
        ("add_agent", agent("a", json!({"config": {"x": 1}}))),
        ("add_object", object("o", json!({}))),
        ("remove_agent", json!({"name": "a", "on_inflight": "drain"})),
        ("remove_object", json!({"name": "o", "on_inflight": "kill"})),
        ("add_topology_edges", json!({"edges": [["a", "b"], ["b", "a"]]})),
        ("remove_topology_edges", json!({"edges": []})),
        ("scale_agent_group", json!({"base_name": "a", "target_count": 0, "on_inflight": "quarantine"})),
        (
            "bump_package",
            json!({"target": "a", "field": "model", "from": DIGEST, "to": "b:1", "migration": "state_migrate"}),
        ),
        ("set_options", json!({"options": {"a": null}})),
        ("update_config", json!({"target": "a", "config": {"b": [1]}})),
    ];
    let events: Vec<Value> = ops
        .iter()
        .zip(3..)
        .map(|((op, payload), seq)| json!({"seq": seq, "op": op, "payload": payload}))
        .collect();
    for apply in ["incremental", "transactional"] {
        let mut document = overlay_document(json!(events));
        document["apply"] = json!(apply);
        assert_eq!(Overlay::parse(&document).expect("right").to_value(), document);
    }
}

#[test]
fn an_error_shows_no_more_than_it_must() {
    let long = "s".repeat(1_000);
    let shown = refused(Ref::parse(&json!({"ref": "local", "kind": long}))).to_string();
    assert!(shown.chars().count() < 100, "{shown}");
    let many = json!({"ref": "local", "kind": ["a", "b", "c", "d", "e"]});
    assert_eq!(of_ref(many).to_string(), "invalid_kind: a list");
}

#[test]
fn an_error_shows_no_control_character_of_what_was_sent() {
    for name in ["a\u{7f}b", "a\u{9b}31m", "a\u{0}b\n"] {
        let event = json!({"seq": 1, "op": name, "payload": {}});
        let overlay = json!({"v": 1, "kind": "swarm.overlay", "swarm": "s", "events": [event]});
        let text = Overlay::parse(&overlay).unwrap_err().to_string();
        assert!(text.starts_with("unknown_op: \"a\\") && !text.chars().any(char::is_control), "{text:?}");
    }
}
