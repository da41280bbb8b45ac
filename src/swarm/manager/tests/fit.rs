//! What is kept: changes that come again, that no longer fit, and that could not be written down.

use super::*;
use crate::{
    limits,
    swarm::{
        config,
        ir::{State, gate},
        manager::shape::Shape,
    },
    wire::node::NodeName,
};

fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

#[test]
fn m6_what_was_changed_is_there_again_after_a_stop_and_after_a_restart() {
    let rig = Rig::with(&small());
    let spec =
        json!({"name": "x", "backend": "mock", "model": "m", "connections": ["alpha"], "incoming": ["beta"]});
    rig.swarms.add_agent("s", &spec).expect("it is added");
    rig.swarms.scale("s", "alpha", 2).expect("it scales");
    rig.swarms
        .change_topology("s", &pairs(&[("alpha_1", "alpha_2")]), &pairs(&[("beta", "x")]))
        .expect("edges");
    rig.swarms.remove_agent("s", "beta").expect("it goes");
    let before = (rig.agents(), rig.edges());
    rig.swarms.stop("s", false).expect("it stops");
    rig.swarms.start("s").expect("it starts");
    assert_eq!((rig.agents(), rig.edges()), before);
    let rig = rig.reopen();
    assert_eq!((rig.agents(), rig.edges()), before, "also before it starts");
    rig.swarms.start("s").expect("it starts");
    assert_eq!((rig.agents(), rig.edges()), before);
    let ops = rig.ops();
    assert_eq!(ops.first().map(String::as_str), Some("add_agent"));
    assert_eq!(ops.last().map(String::as_str), Some("remove_agent"));
}

#[test]
fn m6_a_swarm_that_is_created_again_keeps_its_overlay_or_is_told_what_does_not_fit() {
    let rig = Rig::with(&small());
    let spec = json!({"name": "x", "backend": "mock", "connections": ["beta"]});
    rig.swarms.add_agent("s", &spec).expect("it is added");
    rig.swarms.stop("s", false).expect("it stops");
    let without_beta = json!({"name": "s", "agents": [mock("alpha")]});
    let fault = rig.create(&without_beta).expect_err("the overlay names beta");
    assert_eq!((fault.status(), fault.code()), (400, "overlay_does_not_fit"));
    let text = fault.to_string();
    assert!(
        text.contains("change 1") && text.contains("beta") && text.contains("overlay s --clear"),
        "{text}"
    );
    assert_eq!(rig.agents(), ["alpha", "beta", "x"], "the old one is still kept");
    let with_gamma = json!({"name": "s", "agents": [mock("beta"), mock("gamma")]});
    rig.create(&with_gamma).expect("the overlay fits");
    assert_eq!(rig.agents(), ["beta", "gamma", "x"]);
    rig.swarms.stop("s", false).expect("it stops");
    rig.swarms.clear_overlay("s").expect("it is cleared");
    rig.create(&without_beta).expect("nothing is in the way");
    assert_eq!(rig.agents(), ["alpha"]);
}

#[test]
fn m6_a_kept_change_that_does_not_fit_refuses_the_start_and_names_its_number() {
    let rig = Rig::capped(4);
    rig.create(&small()).expect("it is created");
    rig.swarms.change_topology("s", &pairs(&[("beta", "alpha")]), &[]).expect("an edge");
    rig.swarms.add_agent("s", &mock("x")).expect("it is added");
    let rig = Rig { cap: 3, ..rig }.reopen();
    let fault = rig.swarms.start("s").expect_err("the cap was lowered");
    assert_eq!(fault.code(), "overlay_does_not_fit");
    assert!(fault.to_string().contains("change 2"), "{fault}");
    let view = rig.swarms.status("s").expect("it is kept");
    assert_eq!(view.status, "error");
    assert_eq!(view.error, Some(fault.to_string()));
    rig.swarms.clear_overlay("s").expect("it is cleared");
    rig.swarms.start("s").expect("it starts");
    assert_eq!(rig.agents(), ["alpha", "beta"]);
}

/// A seed of which another one takes the place does not bring back a program that it does not have.
#[test]
fn m6_a_replayed_change_brings_no_program_that_the_seed_lacks() {
    let seed = |command: &str| {
        json!({"name": "s", "agents": [
            {"name": "idle", "backend": "mock"},
            {"name": "a", "backend": "local", "config": {"command": [command]}},
        ]})
    };
    let shape = |command: &str| Shape::of(Config::of(&seed(command)).expect("a config"), 9).expect("a shape");
    let given = json!({"name": "x", "backend": "local", "config": {"command": ["/bin/cat"]}});
    let (agent, ..) = config::agent_of_call(&given, &shape("/bin/cat").config).expect("the seed has it");
    let added = |state: &State| gate::add_agent(state, &agent.to_value(), &[], &[], 9);
    let line = shape("/bin/cat").after(added).expect("it passes").line;
    assert!(shape("/bin/cat").replay(&[(1, line.clone())], 9).is_ok());
    let misfit = shape("/bin/sh").replay(&[(1, line)], 9).err().expect("it does not fit");
    assert_eq!(misfit.seq, 1);
    assert!(misfit.reason.contains("command of x"), "{}", misfit.reason);
}

/// Nor a place to run in.
#[test]
fn m6_a_replayed_change_brings_no_backend_that_the_seed_lacks() {
    let shape = |backend: &str| {
        let seed = json!({"name": "s", "agents": [{"name": "a", "backend": backend}]});
        Shape::of(Config::of(&seed).expect("a config"), 9).expect("a shape")
    };
    let given = json!({"name": "x", "backend": "docker:i"});
    let (agent, ..) = config::agent_of_call(&given, &shape("docker:i").config).expect("the seed has it");
    let added = |state: &State| gate::add_agent(state, &agent.to_value(), &[], &[], 9);
    let line = shape("docker:i").after(added).expect("it passes").line;
    assert!(shape("docker:i").replay(&[(1, line.clone())], 9).is_ok());
    for other in ["docker:other", "mock"] {
        let misfit = shape(other).replay(&[(1, line.clone())], 9).err().expect("it does not fit");
        assert!(misfit.seq == 1 && misfit.reason.contains("backend of x"), "{}", misfit.reason);
    }
}

/// A call may bring a program that the seed runs in an agent or in an object, and into either; what was taken
/// comes again. In another seed's place it does not.
#[test]
fn m6_a_program_that_a_call_may_bring_comes_again_and_one_that_it_may_not_does_not() {
    let seed = |command: &str, backend: &str| {
        let seed = json!({
            "name": "s",
            "agents": [{"name": "a", "backend": backend, "config": {"command": ["/bin/cat"]}}],
            "objects": [{"name": "o", "handler": {"command": [command]}}],
        });
        Shape::of(Config::of(&seed).expect("a config"), 9).expect("a shape")
    };
    let before = seed("/bin/tac", "local");
    let agent = |command: &str| {
        let given = json!({"name": "x", "backend": "local", "config": {"command": [command]}});
        let (agent, ..) = config::agent_of_call(&given, &before.config).expect("the seed has it");
        before.after(|state| gate::add_agent(state, &agent.to_value(), &[], &[], 9)).expect("it passes").line
    };
    let object = |command: &str| {
        let given = json!({"name": "x", "handler": {"command": [command]}});
        let (object, ..) = config::object_of_call(&given, &before.config).expect("the seed has it");
        before
            .after(|state| gate::add_object(state, &object.to_value(), &[], &[], 9))
            .expect("it passes")
            .line
    };
    for line in [agent("/bin/tac"), agent("/bin/cat"), object("/bin/tac"), object("/bin/cat")] {
        assert!(before.replay(&[(1, line.clone())], 9).is_ok(), "{line}");
    }
    let other = seed("/bin/sh", "bwrap");
    for line in [agent("/bin/tac"), agent("/bin/cat"), object("/bin/tac"), object("/bin/cat")] {
        let misfit = other.replay(&[(1, line.clone())], 9).err().expect("it does not fit");
        assert!(misfit.reason.contains("command of x"), "{line}: {}", misfit.reason);
    }
}

/// The swarm runs on as it is; from the next start on the seed counts. Changes between the two are kept where
/// they mean something there.
#[test]
fn m6_a_cleared_overlay_counts_from_the_next_start_on_and_spoils_no_later_change() {
    let rig = Rig::with(&small());
    rig.swarms.add_agent("s", &mock("x")).expect("it is added");
    rig.swarms.add_agent("s", &mock("y")).expect("it is added");
    rig.swarms.clear_overlay("s").expect("it is cleared");
    assert!(rig.ops().is_empty());
    assert_eq!(rig.agents(), ["alpha", "beta", "x", "y"]);
    let refused = rig.swarms.change_topology("s", &pairs(&[("x", "alpha")]), &[]);
    assert_eq!(code(refused), "overlay_cleared");
    rig.swarms.remove_agent("s", "x").expect("it goes");
    rig.swarms.add_agent("s", &mock("z")).expect("it is added");
    assert_eq!(rig.agents(), ["alpha", "beta", "y", "z"]);
    rig.swarms.restart("s", false).expect("it restarts");
    assert_eq!(rig.agents(), ["alpha", "beta", "z"]);
    rig.swarms.change_topology("s", &pairs(&[("z", "alpha")]), &[]).expect("all is one again");
}

#[test]
fn m6_what_could_not_be_written_down_is_undone() {
    let rig = Rig::with(&small());
    let before = (rig.agents(), rig.edges(), rig.swarms.objects("s").len());
    rig.swarms.shelf.set_aside(&name("s"));
    let swarms = &rig.swarms;
    assert_eq!(code(swarms.add_agent("s", &mock("x"))), "unreadable");
    assert_eq!(code(swarms.add_object("s", &json!({"name": "o", "handler": "log"}))), "unreadable");
    assert_eq!(code(swarms.scale("s", "alpha", 3)), "unreadable");
    assert_eq!(code(swarms.remove_agent("s", "alpha")), "unreadable");
    assert_eq!(code(swarms.remove_object("s", "count")), "unreadable");
    assert_eq!(
        code(swarms.change_topology("s", &pairs(&[("beta", "alpha")]), &pairs(&[("alpha", "beta")]))),
        "unreadable"
    );
    let step = json!({"step": 3});
    assert_eq!(code(swarms.patch_object("s", "count", step.as_object().expect("an object"))), "unreadable");
    assert_eq!((rig.agents(), rig.edges(), rig.swarms.objects("s").len()), before);
    assert_eq!(rig.swarms.table.find("s").expect("it is kept").places(), 3);
    swarms.task("s", "alpha", &json!("work")).expect("it runs on");
}

/// One whose seed cannot be read any more is told of, its name stays taken, and the others are there.
#[test]
fn a_seed_that_nobody_can_read_is_set_aside_and_holds_up_no_other() {
    let (_temp, swarms, _) = with_one_set_aside();
    let rows: Vec<String> = swarms.list().iter().map(|row| row.name.to_string()).collect();
    assert_eq!(rows, ["other"]);
    let again = swarms.create(Config::of(&small()).expect("a config"));
    assert_eq!(code(again), "unreadable");
}

/// Only who says so removes it.
#[test]
fn what_was_set_aside_outlives_a_start_under_its_name_and_goes_with_a_purge() {
    let (_temp, swarms, seed) = with_one_set_aside();
    for _ in 0..2 {
        assert_eq!(code(swarms.create(Config::of(&small()).expect("a config"))), "unreadable");
        assert!(seed.exists(), "it waits for somebody who looks at it");
    }
    assert_eq!(code(swarms.stop("s", false)), "swarm_not_found");
    assert_eq!(code(swarms.stop("nobody", true)), "swarm_not_found");
    swarms.stop("s", true).expect("it is purged");
    assert!(!seed.exists());
    assert_eq!(code(swarms.stop("s", true)), "swarm_not_found");
    swarms.create(Config::of(&small()).expect("a config")).expect("the name is free");
}

/// The swarms of a home in which the seed of `s` cannot be read any more, and that seed.
fn with_one_set_aside() -> (TempHome, Arc<Swarms>, std::path::PathBuf) {
    let rig = Rig::with(&small());
    rig.create(&json!({"name": "other", "agents": [mock("a")]})).expect("it is created");
    let seed = rig.temp.path().join("swarms/s/seed.json");
    let text = std::fs::read_to_string(&seed).expect("a seed");
    std::fs::write(&seed, text.replace("\"mock\"", "\"magic\"")).expect("it is written");
    let Rig { temp, cap, swarms } = rig;
    drop(swarms);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let agents = Agents::new(clock.clone(), agent::Settings::new(String::new(), 1_024)).expect("a thread");
    let settings = Settings { cap, url: String::new() };
    let events = Arc::new(Hub::new(clock.clone()));
    let parts =
        Parts { home: Arc::new(temp.home()), agents, clock, events, policy: Policy::default(), settings };
    let (swarms, troubles) = Swarms::open(parts).expect("a home");
    assert!(matches!(troubles.as_slice(), [one] if one.contains("swarm s")), "{troubles:?}");
    (temp, swarms, seed)
}

/// As many changes are kept as may be; before that is said, those that cancel each other out are left out.
#[test]
fn changes_that_cancel_each_other_out_never_fill_the_overlay() {
    let rig = Rig::with(&small());
    rig.swarms.scale("s", "alpha", 2).expect("it scales");
    rig.swarms
        .patch_object("s", "count", json!({"step": 4}).as_object().expect("an object"))
        .expect("a patch");
    for _ in 0..limits::OVERLAY_CHANGES / 2 {
        rig.swarms.change_topology("s", &pairs(&[("count", "beta")]), &[]).expect("an edge comes");
        rig.swarms.change_topology("s", &[], &pairs(&[("count", "beta")])).expect("an edge goes");
    }
    assert!(rig.ops().len() < limits::OVERLAY_CHANGES / 2, "{}", rig.ops().len());
    let before =
        (rig.agents(), rig.edges(), rig.swarms.snapshot("s").expect("a snapshot")["objects"].clone());
    let rig = rig.reopen();
    rig.swarms.start("s").expect("it starts");
    let after = (rig.agents(), rig.edges(), rig.swarms.snapshot("s").expect("a snapshot")["objects"].clone());
    assert_eq!(after, before);
}
