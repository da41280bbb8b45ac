//! The gate in front of a running swarm (spec genswarms I.6, M.6, M.9).

use serde_json::{Value, json};

use super::*;

fn config() -> Value {
    json!({
        "name": "s",
        "agents": [
            {"name": "a", "backend": "local", "model": "x/y", "controller": "pty", "skills": ["k.md"],
             "config": {"command": ["sh"], "env": {"A": "b"}, "extra_path": "/opt"}},
            {"name": "b", "backend": {"type": "docker", "image": "img:1", "opts": {"network": "isolated"}}},
            {"name": "c", "backend": {"type": "ssh", "host": "h", "opts": {"user": "u"}}},
            {"name": "d", "backend": {"type": "apple_container", "image": "i"}},
            {"name": "e", "backend": "mock", "config": {"script": [["x"]]}},
            {"name": "f", "backend": {"type": "bwrap", "opts": {"network": "open"}}},
        ],
        "objects": [
            {"name": "n", "handler": "counter", "config": {"start": 1}},
            {"name": "p", "backend": "local", "handler": {"command": ["obj"]}, "config": {"y": 1}},
        ],
        "topology": [["a", "b"], ["b", "n"]],
        "options": {"o": 1},
    })
}

fn seed() -> State {
    gate::start(&config(), 100).expect("starts")
}

#[test]
fn m9_a_configuration_becomes_a_state() {
    let it = seed().to_value();
    let slot = |at: usize, slot: &str| it["agents"][at][slot].clone();
    assert_eq!(slot(0, "body"), json!({"ref": "inline:a", "kind": "data"}));
    assert_eq!(slot(0, "model"), json!({"ref": "openrouter:x/y", "attested": true}));
    assert_eq!(slot(1, "model"), json!({"ref": "openrouter:default", "attested": true}));
    assert_eq!(slot(0, "backend"), json!({"ref": "local"}));
    assert_eq!(
        slot(1, "backend"),
        json!({"ref": "oci:img:1", "kind": "data", "opts": {"network": "isolated"}})
    );
    assert_eq!(slot(2, "backend"), json!({"ref": "ssh", "host": "h", "opts": {"user": "u"}}));
    assert_eq!(slot(3, "backend"), json!({"ref": "apple_container", "image": "i"}));
    assert_eq!(slot(4, "backend"), json!({"ref": "mock"}));
    assert_eq!(slot(5, "backend"), json!({"ref": "bwrap", "opts": {"network": "open"}}));
    assert_eq!(slot(0, "controller"), "pty");
    assert_eq!(slot(0, "skills"), json!(["k.md"]));
    assert_eq!(it["objects"][0]["handler"], json!({"ref": "module:counter", "kind": "code"}));
    assert_eq!(
        it["objects"][1]["handler"],
        json!({"ref": "process:p", "kind": "code", "opts": {"command": ["obj"]}})
    );
    assert_eq!(it["phase"], "desired");
}

#[test]
fn a_configuration_comes_back_as_it_was() {
    assert_eq!(untranslate(&seed()), Some(config()));
    let handler = object("o", json!({"handler": {"ref": "swarmidx:x", "kind": "code"}}));
    let elsewhere = State::parse(&document(json!([]), json!([handler]), json!([]))).expect("a state");
    assert_eq!(untranslate(&elsewhere), None, "no configuration says this");
}

#[test]
fn m9_the_gate_refuses_what_cannot_start() {
    let start = |field: &str, value: Value| {
        let mut config = config();
        config[field] = value;
        refused(gate::start(&config, 100)).to_string()
    };
    let mock = |name: &str| json!({"name": name, "backend": "mock"});
    assert_eq!(start("agents", json!([mock("n")])), "duplicate_name: n");
    assert_eq!(start("agents", json!([mock("a"), mock("b"), mock("a")])), "duplicate_name: a");
    assert_eq!(start("objects", json!([{"name": "p", "backend": "local"}])), "object_without_handler");
    assert_eq!(
        start("objects", json!([{"name": "p", "backend": "local", "config": {"x": 1}}])),
        "object_without_handler"
    );
    assert_eq!(start("agents", json!([{"name": "a", "backend": "nix"}])), "unsupported_backend: nix");
    assert_eq!(
        start("agents", json!([{"name": "a", "backend": {"type": "docker"}}])),
        "unsupported_backend: docker"
    );
    assert_eq!(start("agents", json!([{"name": "a", "backend": 1}])), "unsupported_backend: 1");
    let beside = json!({"type": "bwrap", "extra_path": "/opt"});
    assert_eq!(start("agents", json!([{"name": "a", "backend": beside}])), "unsupported_backend: bwrap");
    assert_eq!(start("agents", json!([{"name": "../a", "backend": "mock"}])), "invalid_name: ../a");
    assert_eq!(start("agents", json!([{"name": "a#1", "backend": "mock"}])), "invalid_name: a#1");
    assert_eq!(start("agents", json!([{"name": "a", "body": "x"}])), "invalid: body");
    assert_eq!(start("topology", json!([["a", "x"]])), "unknown_edge_endpoint: x");
    assert_eq!(start("name", json!(null)), "missing: name");
}

#[test]
fn m9_a_start_over_the_cap_is_refused_and_so_is_all_that_grows_beyond_it() {
    assert_eq!(
        refused(gate::start(&config(), 7)).to_string(),
        "agent_cap_exceeded: 8 agents and objects, at most 7"
    );
    let one = json!({"name": "s", "agents": [{"name": "a", "backend": "mock"}]});
    let it = gate::start(&one, 1).expect("one");
    let second = json!({"name": "b", "backend": "mock"});
    assert_eq!(refused(gate::add_agent(&it, &second, &[], &[], 1)).code(), "agent_cap_exceeded");
    let object = json!({"name": "o", "handler": "counter"});
    assert_eq!(refused(gate::add_object(&it, &object, &[], &[], 1)).code(), "agent_cap_exceeded");
    assert_eq!(refused(gate::scale(&it, "a", 2, 1)).code(), "agent_cap_exceeded");
    assert_eq!(gate::scale(&it, "a", 1, 1).map(|passed| passed.state.nodes()), Ok(1));
}

#[test]
fn m9_an_agent_that_reaches_out_of_its_sandbox_is_not_added() {
    let it = seed();
    let agent = json!({"name": "z", "backend": "mock", "config": {"extra_ro_binds": ["/"]}});
    assert_eq!(
        refused(gate::add_agent(&it, &agent, &[], &[], 100)).to_string(),
        "forbidden_config_keys: extra_ro_binds"
    );
    let agent = json!({"name": "z", "backend": {"type": "bwrap", "opts": {"extra_rw_binds": ["/"]}}});
    assert_eq!(
        refused(gate::add_agent(&it, &agent, &[], &[], 100)).to_string(),
        "forbidden_config_keys: extra_rw_binds"
    );
}

#[test]
fn m6_an_agent_is_added_with_all_its_edges_or_not_at_all() {
    let it = seed();
    let new = json!({"name": "z", "backend": "mock"});
    let passed = gate::add_agent(&it, &new, &["a", "z"], &["n"], 100).expect("passes");
    assert_eq!(edges(&passed.state), ["a>b", "b>n", "n>z", "z>a", "z>z"]);
    assert_eq!(passed.ops.iter().map(Op::name).collect::<Vec<_>>(), ["add_agent", "add_topology_edges"]);
    assert_eq!(
        refused(gate::add_agent(&it, &new, &["a"], &["x"], 100)).to_string(),
        "unknown_edge_endpoint: x"
    );
    for taken in ["a", "n"] {
        let new = json!({"name": taken, "backend": "mock"});
        assert_eq!(
            refused(gate::add_agent(&it, &new, &[], &[], 100)).to_string(),
            format!("agent_exists: {taken}")
        );
        let new = json!({"name": taken, "handler": "log"});
        assert_eq!(
            refused(gate::add_object(&it, &new, &[], &[], 100)).to_string(),
            format!("object_exists: {taken}")
        );
    }
}

#[test]
fn m6_a_removal_clears_both_directions_and_agents_are_no_objects() {
    let it = seed();
    assert_eq!(edges(&gate::remove_agent(&it, "b", 100).expect("passes").state), [""; 0]);
    assert_eq!(edges(&gate::remove_object(&it, "n", 100).expect("passes").state), ["a>b"]);
    assert_eq!(refused(gate::remove_agent(&it, "n", 100)).to_string(), "agent_not_found: n");
    assert_eq!(refused(gate::remove_object(&it, "b", 100)).to_string(), "object_not_found: b");
}

#[test]
fn m6_a_change_of_the_topology_is_all_or_nothing() {
    let it = seed();
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let passed =
        gate::topology(&it, [edge("b", "a")], [edge("a", "b"), edge("x", "y")], 100).expect("passes");
    assert_eq!(edges(&passed.state), ["b>a", "b>n"]);
    let refusal = refused(gate::topology(&it, [edge("b", "a"), edge("a", "x")], [], 100));
    assert_eq!(refusal.to_string(), "unknown_edge_endpoint: x");
    assert_eq!(gate::topology(&it, [], [], 100).map(|passed| (passed.state, passed.ops.len())), Ok((it, 0)));
}

#[test]
fn m6_what_was_done_is_replayed_to_the_same() {
    let it = seed();
    let config = |value: Value| value.as_object().cloned().expect("an object");
    let mut now = it.clone();
    let mut ops = Vec::new();
    let object = json!({"name": "q", "handler": "log", "config": {"keep": 1}});
    let mut step = |passed: &dyn Fn(&State) -> Result<gate::Passed, Error>| {
        let passed = passed(&now).expect("passes");
        ops.extend(passed.ops);
        now = passed.state;
    };
    step(&|now| gate::add_object(now, &object, &["a"], &["a"], 100));
    step(&|now| gate::update_config(now, "q", &config(json!({"keep": 2})), 100));
    step(&|now| gate::remove_object(now, "q", 100));
    step(&|now| gate::add_object(now, &object, &[], &["a"], 100));
    step(&|now| gate::update_config(now, "q", &config(json!({"keep": 3})), 100));
    step(&|now| gate::scale(now, "a", 3, 100));
    step(&|now| gate::remove_agent(now, "a_2", 100));
    let events: Vec<Event> = ops.into_iter().zip(1..).map(|(op, seq)| Event { seq, op }).collect();
    // As they stand in a journal.
    let events: Result<Vec<Event>, Error> =
        events.iter().map(|event| Event::parse(&event.to_value())).collect();
    let events = events.expect("can be read");
    let again = gate::replay(&it, &events, 100).expect("replays");
    assert_eq!(again, now);
    let back = untranslate(&again).expect("a configuration");
    assert_eq!(back["objects"][2], json!({"name": "q", "handler": "log", "config": {"keep": 3}}));
    assert_eq!(gate::start(&back, 100), Ok(again));
    assert_eq!(
        refused(gate::replay(&it, &events, 9)).to_string(),
        "event 8: agent_cap_exceeded: 11 agents and objects, at most 9"
    );
}

/// Whoever wrote it down: a node's name becomes a directory's.
#[test]
fn a_replayed_node_has_a_name_that_may_be_a_directory() {
    let seed = seed();
    let mut agent = seed.agents[0].clone();
    let mut object = seed.objects[0].clone();
    for bad in ["../x", "a/b", "..", "a b", "a#1"] {
        (agent.name, object.name) = (bad.to_owned(), bad.to_owned());
        agent.config = Default::default();
        for op in [Op::AddAgent(agent.clone()), Op::AddObject(object.clone())] {
            let stopped = gate::replay(&seed, &[Event { seq: 7, op: op.clone() }], 100).expect_err("refused");
            assert_eq!((stopped.seq, stopped.reason), (7, Error::InvalidName(Shown::name(bad))), "{bad}");
            let error = gate::all(&seed, vec![op], 100).expect_err("refused");
            assert_eq!(error, Error::InvalidName(Shown::name(bad)));
        }
    }
}
