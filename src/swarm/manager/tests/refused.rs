//! What a call that was refused, or not done, leaves behind: nothing, or what it says.

use super::*;
use crate::{
    limits,
    swarm::{
        ir::gate,
        manager::{compact, shape::Shape},
    },
    wire::node::NodeName,
};

fn many(name: &str, count: usize) -> Value {
    let agents: Vec<Value> = (0..count).map(|number| mock(&format!("a{number}"))).collect();
    json!({"name": name, "agents": agents})
}

fn names(rig: &Rig) -> Vec<String> {
    rig.swarms.list().iter().map(|row| row.name.to_string()).collect()
}

fn places(rig: &Rig) -> usize {
    rig.swarms.table.find("s").expect("it is kept").places()
}

#[test]
fn a_new_swarm_that_did_not_start_is_not_there_in_the_next_life() {
    let rig = Rig::capped(limits::AGENTS);
    rig.create(&many("first", 600)).expect("there is room");
    assert_eq!(code(rig.create(&many("second", 425))), "instance_limit");
    assert_eq!(names(&rig), ["first"]);
    assert_eq!(names(&rig.reopen()), ["first"]);
}

#[test]
fn a_stopped_swarm_whose_new_seed_does_not_start_is_what_it_was() {
    let rig = Rig::capped(limits::AGENTS);
    rig.create(&small()).expect("it is created");
    rig.swarms.add_agent("s", &mock("x")).expect("it is added");
    rig.swarms.stop("s", false).expect("it stops");
    rig.create(&many("first", limits::AGENTS - 10)).expect("there is room");
    assert_eq!(code(rig.create(&many("s", 11))), "instance_limit");
    assert_eq!(rig.agents(), ["alpha", "beta", "x"]);
    assert_eq!(places(&rig), 0);
    rig.swarms.start("s").expect("there is room for this one");
    assert_eq!(rig.agents(), ["alpha", "beta", "x"]);
    let rig = rig.reopen();
    rig.swarms.start("s").expect("it starts");
    assert_eq!(rig.agents(), ["alpha", "beta", "x"]);
}

#[test]
fn an_agent_that_does_not_start_leaves_no_place_and_no_change() {
    let program = json!({"command": ["/nonexistent/program"]});
    let rig = Rig::with(&json!({"name": "s", "agents": [
        {"name": "alpha", "backend": "mock"},
        {"name": "gone", "backend": "local", "config": program},
    ]}));
    let spec = json!({"name": "x", "backend": "local", "config": program, "connections": ["alpha"]});
    assert_eq!(code(rig.swarms.add_agent("s", &spec)), "not_started");
    assert_eq!((rig.agents(), places(&rig)), (vec!["alpha".to_owned(), "gone".to_owned()], 2));
    assert!(rig.edges().is_empty() && rig.ops().is_empty());
}

/// It was done, could not be written down, and could not be undone: it is shown as it is.
#[test]
fn a_change_that_could_neither_be_kept_nor_undone_is_shown_until_the_swarm_stops() {
    let rig = Rig::with(&small());
    let busy = rig.swarms.table.find("s").expect("it is kept").enter(rig.swarms.patience).expect("its turn");
    let step = rig.swarms.step(&busy, |state| gate::add_agent(state, &mock("x"), &["beta"], &[], 100));
    let step = step.expect("it passes");
    let agent = step.present.agent("x").expect("it is there").clone();
    rig.swarms.shelf.set_aside(busy.name());
    let beta = [NodeName::parse("beta").expect("a name")];
    let made =
        rig.swarms.make(&busy, &step, |live| live.add_agent(agent, &beta, &[]), |_| Err(Fault::StillThere));
    assert_eq!(made, Err(Fault::HoldsUntilStop));
    drop(busy);
    assert_eq!(
        (rig.agents(), places(&rig)),
        (vec!["alpha".to_owned(), "beta".to_owned(), "x".to_owned()], 4)
    );
    assert_eq!(rig.edges(), ["alpha>beta", "beta>count", "x>beta"]);
    rig.swarms.task("s", "x", &json!("work")).expect("it runs");
}

#[test]
fn a_start_that_could_not_be_written_down_leaves_nothing_running() {
    let rig = Rig::with(&json!({"name": "s", "agents": [
        {"name": "alpha", "backend": "local", "config": {"command": ["/bin/cat"]}},
    ]}));
    rig.swarms.stop("s", false).expect("it stops");
    let state = rig.temp.path().join("swarms/s/state.json");
    std::fs::remove_file(&state).expect("removed");
    std::fs::create_dir(&state).expect("in its place");
    assert_eq!(code(rig.swarms.start("s")), "disk_failed");
    assert!(rig.swarms.agents.keepers().is_empty(), "no program of it is left");
    assert_eq!((rig.swarms.status("s").expect("it is kept").status, places(&rig)), ("error", 0));
    std::fs::remove_dir(&state).expect("removed");
    rig.swarms.start("s").expect("it starts");
}

#[test]
fn a_purged_swarm_leaves_no_messages_to_the_next_one_of_its_name() {
    let rig = Rig::with(&small());
    rig.swarms.message("s", "alpha", "beta", "hush").expect("it is sent");
    assert_eq!(rig.swarms.messages("s", 10).len(), 1);
    rig.swarms.stop("s", true).expect("it goes");
    rig.create(&small()).expect("the name is free");
    assert!(rig.swarms.messages("s", 10).is_empty());
}

#[test]
fn an_instance_that_ends_starts_and_changes_nothing() {
    let rig = Rig::with(&small());
    rig.swarms.stop("s", false).expect("it stops");
    rig.swarms.stop_all(std::time::Duration::from_secs(3));
    assert_eq!(code(rig.swarms.start("s")), "stopping");
    assert_eq!(code(rig.swarms.restart("s", true)), "stopping");
    assert_eq!(code(rig.swarms.stop("s", true)), "stopping");
    assert_eq!(code(rig.create(&many("other", 1))), "stopping");
    assert_eq!(names(&rig), ["s"]);
}

#[test]
fn an_instance_that_ends_leaves_no_program_of_a_swarm() {
    let agent = |name: &str| json!({"name": name, "backend": "local", "config": {"command": ["/bin/cat"]}});
    let rig = Rig::with(&json!({"name": "s", "agents": [agent("a"), agent("b")]}));
    rig.create(&json!({"name": "t", "agents": [agent("a")]})).expect("it is created");
    assert_eq!(rig.swarms.agents.keepers().len(), 3);
    rig.swarms.stop_all(std::time::Duration::from_secs(60));
    assert!(rig.swarms.agents.keepers().is_empty());
}

#[test]
fn a_cleaning_forgets_events_only_where_it_is_told_to() {
    let rig = Rig::with(&small());
    rig.swarms.stop("s", false).expect("it stops");
    let events = || rig.swarms.events().since(0, usize::MAX).events.len();
    let before = events();
    assert!(before > 0);
    assert_eq!(rig.swarms.clean(false), Ok(1));
    assert_eq!(events(), before);
    assert_eq!(rig.swarms.clean(true), Ok(0));
    assert_eq!(events(), 0);
}

/// Before anything of it runs: what is not there is not tried.
#[test]
fn a_later_call_for_a_backend_that_is_not_built_says_so() {
    let boxed = json!({"command": ["/bin/cat"]});
    let rig = Rig::with(&json!({"name": "s", "agents": [
        {"name": "alpha", "backend": "local", "config": boxed},
    ]}));
    let agent = json!({"name": "x", "backend": "bwrap", "config": boxed});
    assert_eq!(code(rig.swarms.add_agent("s", &agent)), "backend_not_built");
    let object = json!({"name": "o", "backend": "docker:i", "handler": boxed});
    assert_eq!(code(rig.swarms.add_object("s", &object)), "backend_not_built");
    assert_eq!((rig.agents(), rig.swarms.objects("s").len(), places(&rig)), (vec!["alpha".to_owned()], 0, 1));
}

/// A link in the place of its directory keeps an agent from starting.
#[test]
fn members_of_a_group_that_did_not_start_are_named_and_not_kept() {
    let rig = Rig::with(&json!({"name": "s", "agents": [
        {"name": "alpha", "backend": "local", "config": {"command": ["/bin/cat"]}},
    ]}));
    let at = |name: &str| rig.temp.path().join("swarms/s/agents").join(name);
    let block = |name: &str| std::os::unix::fs::symlink(at("alpha"), at(name)).expect("a link");
    let failed = |scaled: &crate::swarm::view::Scaled| -> Vec<String> {
        scaled.failed.iter().map(|(name, _)| name.to_string()).collect()
    };
    block("alpha_1");
    block("alpha_2");
    let scaled = rig.swarms.scale("s", "alpha", 2).expect("an answer");
    assert_eq!(
        (failed(&scaled), scaled.added.len(), scaled.removed.len()),
        (vec!["alpha_1".to_owned(), "alpha_2".to_owned()], 0, 0)
    );
    assert_eq!((rig.agents(), places(&rig), rig.ops().len()), (vec!["alpha".to_owned()], 1, 0));
    std::fs::remove_file(at("alpha_1")).expect("removed");
    let scaled = rig.swarms.scale("s", "alpha", 3).expect("an answer");
    assert_eq!(
        (failed(&scaled), scaled.added.len(), scaled.removed.len()),
        (vec!["alpha_2".to_owned()], 2, 1)
    );
    assert_eq!(rig.agents(), ["alpha_1", "alpha_3"]);
    assert_eq!(places(&rig), 2);
    rig.swarms.restart("s", false).expect("it restarts");
    assert_eq!(rig.agents(), ["alpha_1", "alpha_3"]);
}

#[test]
fn an_objects_configuration_that_could_not_be_kept_counts_no_more() {
    let rig = Rig::with(&small());
    rig.swarms.shelf.set_aside(&NodeName::parse("s").expect("a name"));
    let keys = json!({"step": 3});
    let patched = rig.swarms.patch_object("s", "count", keys.as_object().expect("an object"));
    assert_eq!(code(patched), "unreadable");
    rig.swarms.message("s", "beta", "count", "add").expect("it is sent");
    assert_eq!(rig.swarms.object_holds("s", "count"), Some(json!({"count": 1})));
}

#[test]
fn a_line_of_an_overlay_that_says_nothing_refuses_the_start() {
    let shape = Shape::of(Config::of(&small()).expect("a config"), 9).expect("a shape");
    let good = json!({"events": [{"op": "remove_agent", "payload": {"name": "alpha"}}]});
    assert!(shape.replay(&[(1, good.clone())], 9).is_ok());
    for bad in [
        json!({}),
        json!(null),
        json!({"events": []}),
        json!({"events": "x"}),
        json!({"events": [{"op": 1, "payload": {}}]}),
        json!({"events": [{"op": "remove_agent"}]}),
        json!({"events": [{"op": "fly", "payload": {}}]}),
    ] {
        let misfit = shape.replay(&[(1, good.clone()), (2, bad.clone())], 9).err().expect("it does not fit");
        assert_eq!(misfit.seq, 2, "{bad}");
    }
}

/// Whoever found it before, and waits for his turn.
#[test]
fn who_waits_for_a_swarm_that_is_purged_is_told_that_there_is_none() {
    let rig = Rig::with(&small());
    let seat = rig.swarms.table.find("s").expect("it is kept");
    rig.swarms.stop("s", true).expect("it goes");
    assert_eq!(seat.enter(std::time::Duration::ZERO).err(), Some(Fault::SwarmNotFound));
    rig.create(&small()).expect("the name is free");
    assert_eq!(seat.enter(std::time::Duration::ZERO).err(), Some(Fault::SwarmNotFound));
}

#[test]
fn a_shorter_overlay_leads_to_the_same_swarm() {
    let seed = Shape::of(Config::of(&small()).expect("a config"), 9).expect("a shape");
    let value = json!({
        "name": "s",
        "agents": [mock("gamma"), {"name": "alpha", "backend": "mock"}],
        "objects": [{"name": "count", "handler": "counter", "config": {"step": 2}}],
        "topology": [["gamma", "count"], ["count", "alpha"]],
    });
    for value in [value, json!({"name": "s", "agents": small()["agents"], "objects": small()["objects"]})] {
        let kept = Shape::of(Config::of(&value).expect("a config"), 9).expect("a shape");
        let lines = compact::lines(&seed.state, &kept.state).expect("lines");
        let lines: Vec<(u64, Value)> = (1..).zip(lines).collect();
        let again = seed.replay(&lines, 9).ok().expect("it fits");
        let nodes = |shape: &Shape| {
            let mut nodes: Vec<String> = shape.state.names().map(str::to_owned).collect();
            nodes.sort();
            (nodes, shape.state.topology.clone(), shape.object("count").expect("there").config.clone())
        };
        assert_eq!(nodes(&again), nodes(&kept));
    }
}

#[test]
fn a_swarm_that_was_changed_still_starts_by_itself() {
    let mut config = small();
    config["autostart"] = json!(true);
    let rig = Rig::with(&config);
    rig.swarms.add_agent("s", &mock("x")).expect("it is added");
    assert_eq!(rig.swarms.snapshot("s").expect("a snapshot")["autostart"], true);
    let rig = rig.reopen();
    assert_eq!(rig.swarms.snapshot("s").expect("a snapshot")["autostart"], true);
}
