//! What a call that was refused, or not done, leaves behind: nothing, or what it says.

use super::*;
use crate::{
    limits,
    swarm::{
        events::{Filter, Name, Query},
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
        rig.swarms.make(&busy, &step, |live| live.add_agent(agent, &beta, &[]), |_| Err(Fault::NotRunning));
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
fn a_cleaning_forgets_events_only_where_it_is_told_to() {
    let rig = Rig::with(&small());
    rig.swarms.stop("s", false).expect("it stops");
    let query = Query { since: Some(0), most: usize::MAX, ..Query::default() };
    let events = || rig.swarms.events().page(&query).expect("memory alone").events.len();
    let before = events();
    assert!(before > 0);
    assert_eq!(rig.cleaned(false), ["s"]);
    assert_eq!(events(), before);
    assert!(rig.cleaned(true).is_empty());
    assert_eq!(events(), 0);
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

/// How often this was told.
fn told(rig: &Rig, event_type: &str) -> usize {
    let filter = Filter { event_type: Some(Name::parse(event_type).expect("a name")), ..Filter::default() };
    let query = Query { filter, since: None, most: usize::MAX };
    rig.swarms.events().page(&query).expect("memory alone").events.len()
}

#[test]
fn an_instance_that_ends_stops_every_swarm() {
    let rig = Rig::with(&small());
    rig.create(&many("other", 1)).expect("it is created");
    rig.swarms.stop_all(std::time::Duration::from_secs(60));
    assert_eq!(told(&rig, "swarm_stopped"), 2);
}

#[test]
fn a_start_that_could_not_be_written_down_leaves_nothing_running() {
    let rig = Rig::with(&small());
    rig.swarms.stop("s", false).expect("it stops");
    assert_eq!(told(&rig, "swarm_stopped"), 1);
    let state = rig.temp.path().join("swarms/s/state.json");
    std::fs::remove_file(&state).expect("removed");
    std::fs::create_dir(&state).expect("in its place");
    rig.swarms.start("s").expect_err("it cannot be written down");
    assert_eq!(told(&rig, "swarm_stopped"), 2);
    assert_eq!((rig.swarms.status("s").expect("it is kept").status, places(&rig)), ("error", 0));
    std::fs::remove_dir(&state).expect("removed");
    rig.swarms.start("s").expect("it starts");
}

/// An instance that runs so many agents and no more.
fn with_room_for(most: usize) -> Rig {
    let temp = TempHome::in_memory();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let room = agent::Settings { most, ..agent::Settings::new(String::new(), 1_024) };
    let agents = Agents::new(clock.clone(), room).expect("a thread");
    let settings = Settings { cap: 100, url: String::new() };
    let events = Arc::new(Hub::new(clock.clone()));
    let parts =
        Parts { home: Arc::new(temp.home()), agents, clock, events, policy: Policy::default(), settings };
    let (swarms, _) = Swarms::open(parts).expect("a home");
    Rig { temp, cap: 100, swarms }
}

#[test]
fn members_of_a_group_that_did_not_start_are_named_and_not_kept() {
    for (most, count, added, failed, then) in [
        (1, 2, vec![], vec!["a0_1", "a0_2"], vec!["a0"]),
        (3, 3, vec!["a0_1", "a0_2"], vec!["a0_3"], vec!["a0_1", "a0_2"]),
    ] {
        let rig = with_room_for(most);
        rig.create(&many("s", 1)).expect("it is created");
        let scaled = rig.swarms.scale("s", "a0", count).expect("an answer");
        assert!(scaled.added.iter().map(NodeName::as_str).eq(added.iter().copied()), "{scaled:?}");
        assert!(scaled.failed.iter().map(|(name, _)| name.as_str()).eq(failed), "{scaled:?}");
        assert_eq!(scaled.removed.len(), usize::from(!added.is_empty()));
        assert_eq!(
            (rig.agents(), places(&rig)),
            (then.iter().map(ToString::to_string).collect(), then.len())
        );
        assert_eq!(rig.ops().is_empty(), added.is_empty());
        rig.swarms.restart("s", false).expect("it restarts");
        assert_eq!(rig.agents(), then);
    }
}
