//! Agents, edges, scale, tasks and messages.

use super::*;

#[test]
fn m6_an_agent_with_a_bad_name_is_refused_and_one_with_a_taken_name_changes_nothing() {
    let rig = Rig::with(&small());
    for name in ["a; touch /tmp/x", "../escape", "1agent", "a b", "all", "orchestrator"] {
        let fault = rig.swarms.add_agent("s", &mock(name)).expect_err("a bad name");
        assert_eq!((fault.status(), fault.code()), (400, "invalid_agent_name"), "{name}");
    }
    let before = rig.edges();
    for name in ["alpha", "count"] {
        let spec = json!({"name": name, "backend": "mock", "connections": ["beta"], "incoming": ["beta"]});
        assert_eq!(code(rig.swarms.add_agent("s", &spec)), "agent_exists");
    }
    assert_eq!((rig.agents(), rig.edges(), rig.ops().len()), (names(&["alpha", "beta"]), before, 0));
}

#[test]
fn m6_a_new_agent_has_its_connections_at_once_and_a_removed_one_none_both_ways() {
    let rig = Rig::with(&small());
    let spec =
        json!({"name": "x", "backend": "mock", "connections": ["alpha", "count"], "incoming": ["beta"]});
    assert_eq!(rig.swarms.add_agent("s", &spec).map(|name| name.to_string()), Ok("x".to_owned()));
    assert_eq!(rig.edges(), ["alpha>beta", "beta>count", "beta>x", "x>alpha", "x>count"]);
    assert_eq!(code(rig.swarms.remove_object("s", "x")), "object_not_found");
    rig.swarms.remove_agent("s", "x").expect("it goes");
    assert_eq!(rig.edges(), ["alpha>beta", "beta>count"]);
    assert_eq!(code(rig.swarms.remove_agent("s", "x")), "agent_not_found");
    assert_eq!(code(rig.swarms.agent("s", "x")), "agent_not_found");
}

/// What genswarms takes, and what then keeps every later change from passing its gate (spec L.2).
#[test]
fn m6_an_agent_with_unknown_connections_or_without_a_name_spoils_nothing() {
    let rig = Rig::with(&small());
    let unknown = json!({"name": "x", "backend": "mock", "connections": ["nobody"]});
    assert_eq!(code(rig.swarms.add_agent("s", &unknown)), "unknown_endpoint");
    rig.swarms.add_agent("s", &json!({"backend": "mock"})).expect_err("no name");
    rig.swarms.add_agent("s", &mock("x")).expect("all is well");
    rig.swarms.scale("s", "x", 2).expect("all is well");
}

#[test]
fn m6_scale_names_members_copies_the_template_and_removes_the_last_ones() {
    let rig = Rig::with(&small());
    let scaled = rig.swarms.scale("s", "alpha", 3).expect("it scales");
    assert_eq!(
        scaled.to_value(),
        json!({"added": ["alpha_1", "alpha_2", "alpha_3"], "removed": ["alpha"], "failed": []})
    );
    assert_eq!(rig.edges(), ["alpha_1>beta", "alpha_2>beta", "alpha_3>beta", "beta>count"]);
    rig.swarms.scale("s", "alpha", 5).expect("it scales");
    let scaled = rig.swarms.scale("s", "alpha", 2).expect("it scales");
    assert_eq!(
        scaled.to_value(),
        json!({"added": [], "removed": ["alpha_3", "alpha_4", "alpha_5"], "failed": []})
    );
    assert_eq!(rig.agents(), ["alpha_1", "alpha_2", "beta"]);
    let ops = rig.ops().len();
    assert_eq!(rig.swarms.scale("s", "alpha", 2).map(|scaled| scaled.added.len()), Ok(0));
    assert_eq!(rig.ops().len(), ops, "what changes nothing is not kept");
    assert_eq!(code(rig.swarms.scale("s", "nobody", 2)), "no_template");
    assert_eq!(code(rig.swarms.scale("s", "count", 2)), "no_template");
    rig.swarms.scale("s", "alpha", 0).expect("it scales");
    assert_eq!(rig.agents(), ["beta"]);
    assert_eq!(code(rig.swarms.scale("s", "alpha", 1)), "no_template");
}

#[test]
fn m6_the_cap_counts_the_whole_swarm_objects_included() {
    let rig = Rig::capped(5);
    rig.create(&small()).expect("three nodes");
    let fault = rig.swarms.scale("s", "alpha", 6).expect_err("too many");
    assert_eq!((fault.status(), fault.to_string().as_str()), (400, "Scale limit exceeded (max 5)"));
    assert_eq!(code(rig.swarms.scale("s", "alpha", 4)), "scale_limit");
    assert_eq!(code(rig.swarms.scale("s", "alpha", usize::MAX)), "scale_limit");
    rig.swarms.scale("s", "alpha", 3).expect("five nodes");
    let fault = rig.swarms.add_agent("s", &mock("x")).expect_err("too many");
    assert_eq!((fault.status(), fault.to_string().as_str()), (400, "Agent limit reached (max 5)"));
    assert_eq!(code(rig.swarms.add_object("s", &json!({"name": "o", "handler": "log"}))), "agent_limit");
    assert_eq!(code(rig.swarms.scale("s", "beta", 2)), "scale_limit");
}

#[test]
fn m6_the_topology_changes_whole_or_not_at_all_and_counts_what_changed() {
    let rig = Rig::with(&small());
    let change = |add: &[(&str, &str)], remove: &[(&str, &str)]| {
        rig.swarms.change_topology("s", &pairs(add), &pairs(remove))
    };
    assert_eq!(change(&[("beta", "alpha"), ("alpha", "beta")], &[("beta", "beta")]), Ok((1, 0)));
    assert_eq!(code(change(&[("count", "alpha"), ("alpha", "nobody")], &[])), "unknown_endpoint");
    assert_eq!(code(change(&[("count", "alpha")], &[("nobody", "alpha")])), "unknown_endpoint");
    assert_eq!(code(change(&[("count", "../alpha")], &[])), "unknown_endpoint");
    assert_eq!(rig.edges(), ["alpha>beta", "beta>alpha", "beta>count"]);
    assert_eq!(change(&[("count", "beta")], &[("alpha", "beta"), ("beta", "alpha")]), Ok((1, 2)));
    assert_eq!(rig.edges(), ["beta>count", "count>beta"]);
    assert_eq!(change(&[("alpha", "beta")], &[("alpha", "beta")]), Ok((0, 0)), "first added, then removed");
    assert_eq!(change(&[], &[]), Ok((0, 0)));
    assert_eq!(rig.reopen().edges(), ["beta>count", "count>beta"]);
}

#[test]
fn m6_a_restarted_agent_runs() {
    let rig = Rig::with(&small());
    assert_eq!(rig.swarms.restart_agent("s", "alpha").map(|name| name.to_string()), Ok("alpha".to_owned()));
    assert_eq!(rig.swarms.agent("s", "alpha").expect("it is there").state, "idle");
    rig.swarms.task("s", "alpha", &json!("work")).expect("it takes tasks");
    assert_eq!(code(rig.swarms.restart_agent("s", "count")), "agent_not_found");
    assert_eq!(code(rig.swarms.restart_agent("s", "nobody")), "agent_not_found");
}

#[test]
fn m6_tasks_of_any_json_are_for_agents_only() {
    let rig = Rig::with(&small());
    for task in [json!("text"), json!({"do": ["this", 1]}), json!(7), json!(null)] {
        rig.swarms.task("s", "alpha", &task).expect("it is sent");
    }
    let fault = rig.swarms.task("s", "count", &json!("x")).expect_err("an object");
    assert_eq!((fault.status(), fault.to_string().as_str()), (400, "not_an_agent"));
    let fault = rig.swarms.task("s", "nobody", &json!("x")).expect_err("nobody");
    assert_eq!((fault.status(), fault.to_string().as_str()), (404, "Agent not found"));
    let said = rig.swarms.history("s", "alpha", 10).expect("a history");
    assert!(said.iter().any(|row| row["content"] == "{\"do\":[\"this\",1]}"), "{said:?}");
}

#[test]
fn m6_messages_go_along_edges_between_nodes_of_the_swarm() {
    let rig = Rig::with(&small());
    let say = |from, to| rig.swarms.message("s", from, to, "hello");
    say("alpha", "beta").expect("there is an edge");
    let fault = say("beta", "alpha").expect_err("there is none");
    assert_eq!((fault.status(), fault.code()), (403, "route_denied"));
    assert_eq!(say("alpha", "nobody").map_err(|fault| fault.status()), Err(404));
    assert_eq!(code(say("owner", "beta")), "unknown_sender");
    assert_eq!(code(say("nobody", "beta")), "unknown_sender");
    assert_eq!(rig.swarms.message("x", "alpha", "beta", "hello"), Err(Fault::SwarmNotFound));
    let log = rig.swarms.messages("s", 10);
    assert!(log.iter().any(|row| row["from"] == "alpha" && row["to"] == "beta"), "{log:?}");
}

#[test]
fn m7_an_agents_skills_have_plain_names() {
    let rig = Rig::with(&small());
    for name in ["../escape.md", "/etc/passwd", "sub/x.md", "..\\win.md", "a\0.md", ".", "..", ""] {
        let fault = rig.swarms.put_skill("s", "alpha", name, "x").expect_err("a bad name");
        assert_eq!((fault.status(), fault.to_string().as_str()), (400, "Invalid skill name"), "{name:?}");
    }
    assert_eq!(rig.swarms.put_skill("s", "alpha", "web.md", "x"), Ok("web.md".to_owned()));
    assert_eq!(rig.swarms.agent_skills("s", "alpha").expect("an agent").len(), 1);
    assert_eq!(code(rig.swarms.put_skill("s", "count", "web.md", "x")), "agent_not_found");
    assert_eq!(code(rig.swarms.put_skill("x", "alpha", "web.md", "x")), "swarm_not_found");
}

/// Only what the seed runs may be run by a later call (spec L.1.8).
#[test]
fn m6_a_later_call_brings_no_program_and_no_place_of_its_own() {
    let rig = Rig::with(&small());
    for extra in ["workspace", "env", "endpoint", "api_key", "volumes", "subzeroclaw_path"] {
        let spec = json!({"name": "x", "backend": "mock", "config": {extra: "/etc"}});
        assert_eq!(code(rig.swarms.add_agent("s", &spec)), "forbidden_config_keys", "{extra}");
    }
    let spec = json!({"name": "x", "backend": "local", "config": {"command": ["/bin/sh"]}});
    rig.swarms.add_agent("s", &spec).expect_err("the seed has no such command");
    let spec = json!({"name": "x", "backend": {"type": "docker", "image": "alpine"}});
    rig.swarms.add_agent("s", &spec).expect_err("not built in");
    assert_eq!(rig.agents(), ["alpha", "beta"]);
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}
