//! The fold and the shortening of an overlay (spec genswarms I.4, I.5, M.9).

use serde_json::{Value, json};

use super::*;

const FROM: &str = "sha256:aa";
const TO: &str = "sha256:bb";

/// Two agents and an object; `a` has a package as its body.
fn seed() -> State {
    let body = json!({"ref": "swarmidx:p", "kind": "data", "digest": FROM});
    let agents = json!([
        agent("a", json!({"body": body, "config": {"x": {"deep": 1}, "y": 1}})),
        agent("b", json!({}))
    ]);
    let it = document(agents, json!([object("o", json!({}))]), json!([["a", "b"], ["b", "o"]]));
    State::parse(&it).expect("a right state")
}

fn after(ops: &[(&str, Value)]) -> State {
    fold(&seed(), &events(ops)).expect("can be applied")
}

/// The error of a last operation that cannot be applied.
fn stops(ops: &[(&str, Value)]) -> Error {
    let stopped = refused(fold(&seed(), &events(ops)));
    assert_eq!(stopped.seq, ops.len() as u64);
    assert!(stopped.to_string().starts_with(&format!("event {}: ", stopped.seq)));
    stopped.reason
}

fn bump(target: &str, field: &str, from: &str) -> (&'static str, Value) {
    ("bump_package", json!({"target": target, "field": field, "from": from, "to": TO}))
}

pub(super) fn cases() -> Vec<Case> {
    let noop = ("set_options", json!({"options": {}}));
    let scale = |base: &str| ("scale_agent_group", json!({"base_name": base, "target_count": 2}));
    let add_edge = |edge: Value| ("add_topology_edges", json!({"edges": [edge]}));
    vec![
        (stops(&[noop, ("add_agent", agent("a", json!({})))]), "agent_exists: a"),
        (stops(&[("add_agent", agent("o", json!({})))]), "agent_exists: o"),
        (stops(&[("add_object", object("o", json!({})))]), "object_exists: o"),
        (stops(&[("add_object", object("a", json!({})))]), "object_exists: a"),
        (stops(&[("remove_agent", json!({"name": "o"}))]), "agent_not_found: o"),
        (stops(&[("remove_object", json!({"name": "a"}))]), "object_not_found: a"),
        (stops(&[add_edge(json!(["a", "x"]))]), "unknown_edge_endpoint: x"),
        (
            stops(&[("remove_agent", json!({"name": "b"})), add_edge(json!(["b", "a"]))]),
            "unknown_edge_endpoint: b",
        ),
        (stops(&[("update_config", json!({"target": "x", "config": {}}))]), "target_not_found: x"),
        (stops(&[bump("x", "body", FROM)]), "target_not_found: x"),
        (stops(&[bump("a", "handler", FROM)]), "invalid_bump_field: handler"),
        (stops(&[bump("o", "body", FROM)]), "invalid_bump_field: body"),
        (stops(&[bump("a", "body", TO)]), "bump_digest_mismatch: expected sha256:bb, got sha256:aa"),
        (stops(&[bump("a", "model", FROM)]), "bump_digest_mismatch: expected sha256:aa, got none"),
        (
            stops(&[bump("a", "body", FROM), bump("a", "body", FROM)]),
            "bump_digest_mismatch: expected sha256:aa, got sha256:bb",
        ),
        (stops(&[scale("o")]), "scale_base_not_found: o"),
        (stops(&[scale("c")]), "scale_base_not_found: c"),
        (stops(&[("add_object", object("a#2", json!({}))), scale("a")]), "agent_exists: a#2"),
    ]
}

#[test]
fn m9_a_fold_stops_at_the_first_error_with_its_number() {
    assert_said(&cases());
    let late = Overlay::parse(&overlay_document(json!([
        {"seq": 7, "op": "remove_agent", "payload": {"name": "b"}},
        {"seq": 19, "op": "remove_agent", "payload": {"name": "b"}},
        {"seq": 20, "op": "remove_agent", "payload": {"name": "x"}},
    ])));
    let stopped = refused(fold(&seed(), &late.expect("an overlay").events));
    assert_eq!(stopped.to_string(), "event 19: agent_not_found: b");
}

#[test]
fn m9_a_removed_node_takes_its_edges_along() {
    assert_eq!(edges(&after(&[("remove_agent", json!({"name": "b"}))])), [""; 0]);
    assert_eq!(edges(&after(&[("remove_object", json!({"name": "o"}))])), ["a>b"]);
}

#[test]
fn m9_edges_are_there_once_and_absent_ones_are_no_error() {
    let add = |edges: Value| ("add_topology_edges", json!({ "edges": edges }));
    let remove = |edges: Value| ("remove_topology_edges", json!({ "edges": edges }));
    let it = after(&[add(json!([["a", "b"], ["o", "a"], ["o", "a"], ["a", "a"]]))]);
    assert_eq!(edges(&it), ["a>a", "a>b", "b>o", "o>a"]);
    let it = after(&[remove(json!([["a", "b"], ["b", "a"], ["x", "y"]]))]);
    assert_eq!(edges(&it), ["b>o"]);
}

#[test]
fn m9_a_bump_takes_place_only_from_the_digest_it_names() {
    let it = after(&[bump("a", "body", FROM)]);
    assert_eq!(it.agents[0].body.digest.as_deref(), Some(TO));
    assert_eq!(State { agents: seed().agents, ..it }, seed(), "nothing else");
    let handler = json!({"ref": "swarmidx:h", "kind": "code", "digest": FROM});
    let policy = json!({"policy": {"ref": "swarmidx:m", "kind": "data", "digest": FROM}});
    let it = after(&[
        ("add_object", object("h", json!({"handler": handler}))),
        ("add_agent", agent("m", json!({"model": policy}))),
        bump("h", "handler", FROM),
        bump("m", "model", FROM),
    ]);
    assert_eq!(it.objects[1].handler.digest.as_deref(), Some(TO));
    assert_eq!(it.agents[2].to_value()["model"]["policy"]["digest"], TO);
}

#[test]
fn m9_a_scaled_group_fans_its_edges_out() {
    let topology = json!([["coder", "o"], ["lead", "coder"], ["coder", "coder"], ["lead", "o"]]);
    let it = state(&["coder", "lead"], &["o"], topology);
    let scale =
        |count: u64| events(&[("scale_agent_group", json!({"base_name": "coder", "target_count": count}))]);
    let three = fold(&it, &scale(3)).expect("scales");
    assert_eq!(three.names().collect::<Vec<_>>(), ["coder#1", "coder#2", "coder#3", "lead", "o"]);
    let wanted = [
        "coder#1>coder#1",
        "coder#1>o",
        "coder#2>coder#2",
        "coder#2>o",
        "coder#3>coder#3",
        "coder#3>o",
        "lead>coder#1",
        "lead>coder#2",
        "lead>coder#3",
        "lead>o",
    ];
    assert_eq!(edges(&three), wanted);
    let two = fold(&three, &scale(2)).expect("scales again");
    assert_eq!(
        edges(&two),
        [
            "coder#1>coder#1",
            "coder#1>o",
            "coder#2>coder#2",
            "coder#2>o",
            "lead>coder#1",
            "lead>coder#2",
            "lead>o"
        ]
    );
    assert_eq!(fold(&three, &scale(3)), Ok(three.clone()), "a group of that size is as it was");
    let none = fold(&three, &scale(0)).expect("scales to nothing");
    assert_eq!(none.names().collect::<Vec<_>>(), ["lead", "o"]);
    assert_eq!(edges(&none), ["lead>o"]);
}

#[test]
fn a_scaled_group_is_made_of_its_base_or_else_of_its_first() {
    let of = |name: &str, mark: u64| agent(name, json!({"config": {"mark": mark}}));
    let marks = |agents: Value| {
        let it = State::parse(&document(agents, json!([]), json!([]))).expect("a state");
        let scale = events(&[("scale_agent_group", json!({"base_name": "c", "target_count": 2}))]);
        let it = fold(&it, &scale).expect("scales");
        it.agents.iter().map(|agent| agent.config["mark"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(marks(json!([of("c#9", 1), of("c", 2), of("c#1", 3)])), [2, 2]);
    assert_eq!(marks(json!([of("c#9", 1), of("c#1", 3)])), [1, 1]);
    assert_eq!(
        marks(json!([of("c#x", 5), of("c_1", 6), of("c#1", 3)])),
        [5, 6, 3, 3],
        "others are no members"
    );
}

#[test]
fn an_object_that_is_called_like_a_member_is_none() {
    let it = state(&["c"], &["c#9"], json!([["c", "c#9"], ["c#9", "c#9"]]));
    let it = fold(&it, &events(&[("scale_agent_group", json!({"base_name": "c", "target_count": 1}))]));
    assert_eq!(edges(&it.expect("scales")), ["c#1>c#9", "c#9>c#9"]);
}

#[test]
fn m9_options_and_configs_merge_by_whole_fields() {
    let it = after(&[
        ("set_options", json!({"options": {"a": 1, "b": {"c": 1}}})),
        ("set_options", json!({"options": {"b": {"d": 2}}})),
        ("update_config", json!({"target": "a", "config": {"x": 2, "z": null}})),
        ("update_config", json!({"target": "o", "config": {"k": "v"}})),
    ]);
    assert_eq!(Value::Object((*it.options).clone()), json!({"a": 1, "b": {"d": 2}}));
    assert_eq!(Value::Object((*it.agents[0].config).clone()), json!({"x": 2, "y": 1, "z": null}));
    assert_eq!(Value::Object((*it.objects[0].config).clone()), json!({"k": "v"}));
    assert_eq!(*seed().agents[0].config.get("x").unwrap(), json!({"deep": 1}), "the seed stays as it is");
}

#[test]
fn m9_a_compacted_overlay_folds_to_the_same() {
    let ops = [
        ("add_agent", agent("c", json!({}))),
        ("add_topology_edges", json!({"edges": [["c", "a"], ["a", "c"]]})),
        ("scale_agent_group", json!({"base_name": "c", "target_count": 3})),
        bump("a", "body", FROM),
        ("update_config", json!({"target": "c#2", "config": {"x": 1}})),
        ("remove_agent", json!({"name": "b"})),
        ("set_options", json!({"options": {"a": 1}})),
    ];
    let overlay = Overlay { swarm: "s".to_owned(), apply: Apply::Incremental, events: events(&ops) };
    let all = fold(&seed(), &overlay.events).expect("folds");
    for at in 0..=9 {
        let (checkpoint, rest) = compact(&seed(), &overlay, at).expect("compacts");
        assert_eq!(rest.events.len() as u64, 7_u64.saturating_sub(at));
        assert!(rest.events.iter().all(|event| event.seq > at));
        assert_eq!(fold(&checkpoint, &rest.events).as_ref(), Ok(&all), "at {at}");
    }
    let broken = Overlay { events: events(&[("remove_agent", json!({"name": "x"}))]), ..overlay };
    assert_eq!(refused(compact(&seed(), &broken, 1)).seq, 1);
    assert!(compact(&seed(), &broken, 0).is_ok(), "what is not folded is not looked at");
}
