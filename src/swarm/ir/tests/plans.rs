//! The way from what is to what is wanted (spec genswarms I.8, M.9).

use serde_json::json;

use super::*;
use crate::swarm::ir::reconcile::{Action, applied};

fn plan(desired: &State, observed: &State) -> Vec<String> {
    let steps = reconcile(desired, observed);
    assert_eq!(
        reconcile(desired, &applied(observed, &steps).expect("can be done")),
        [],
        "and then nothing is left"
    );
    steps
        .iter()
        .map(|step| match step {
            Action::StartAgent(agent) => format!("start agent {}", agent.name),
            Action::StartObject(object) => format!("start object {}", object.name),
            Action::RestartAgent(agent) => format!("restart agent {}", agent.name),
            Action::RestartObject(object) => format!("restart object {}", object.name),
            Action::AddEdge((from, to)) => format!("add {from}>{to}"),
            Action::RemoveEdge((from, to)) => format!("remove {from}>{to}"),
            Action::StopAgent(name) => format!("stop agent {name}"),
            Action::StopObject(name) => format!("stop object {name}"),
        })
        .collect()
}

#[test]
fn m9_identical_states_need_nothing() {
    let it = state(&["a", "b"], &["o"], json!([["a", "b"]]));
    assert_eq!(plan(&it, &it), [""; 0]);
    let observed = State { phase: Phase::Observed, ..it.clone() };
    assert_eq!(plan(&it, &observed), [""; 0], "the phase is no difference");
    let other_order = state(&["b", "a"], &["o"], json!([["a", "b"]]));
    assert_eq!(plan(&it, &other_order), [""; 0], "nor is the order");
}

#[test]
fn m9_starts_come_before_edges_and_edges_before_stops() {
    let desired = state(&["a", "n1", "n2"], &["o", "m"], json!([["a", "n1"], ["n1", "m"]]));
    let observed = state(&["x", "a", "y"], &["o", "z"], json!([["a", "x"], ["o", "z"]]));
    let wanted = [
        "start agent n1",
        "start agent n2",
        "start object m",
        "add a>n1",
        "add n1>m",
        "remove a>x",
        "remove o>z",
        "stop agent x",
        "stop agent y",
        "stop object z",
    ];
    assert_eq!(plan(&desired, &observed), wanted);
}

#[test]
fn m9_a_changed_node_is_restarted_and_keeps_its_edges() {
    let with = |more| {
        let agents = json!([agent("a", more), agent("b", json!({}))]);
        let objects = json!([object("o", json!({}))]);
        State::parse(&document(agents, objects, json!([["a", "o"], ["b", "a"]]))).expect("a state")
    };
    let plain = with(json!({}));
    for more in [
        json!({"config": {"x": 1}}),
        json!({"backend": {"ref": "mock"}}),
        json!({"model": {"ref": "openrouter:other"}}),
        json!({"body": {"ref": "inline:other", "kind": "data"}}),
        json!({"skills": ["s.md"]}),
    ] {
        assert_eq!(plan(&with(more.clone()), &plain), ["restart agent a"], "{more}");
    }
    let other = events(&[("update_config", json!({"target": "o", "config": {"x": 1}}))]);
    let other = fold(&plain, &other).expect("folds");
    assert_eq!(plan(&other, &plain), ["restart object o"]);
}

#[test]
fn an_object_that_is_to_be_an_agent_is_not_stopped_in_the_end() {
    let agents = state(&["a", "b"], &[], json!([["a", "b"], ["b", "a"]]));
    let mixed = state(&["a"], &["b"], json!([["a", "b"]]));
    assert_eq!(plan(&agents, &mixed), ["restart agent b", "add b>a"]);
    assert_eq!(plan(&mixed, &agents), ["restart object b", "remove b>a"]);
}
