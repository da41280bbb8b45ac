//! Created, started, stopped, restarted, forgotten.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::*;
use crate::{limits, swarm::manager::Cleaned, wire::node::NodeName};

fn statuses(rig: &Rig) -> Vec<(String, &'static str)> {
    rig.swarms.list().into_iter().map(|row| (row.name.to_string(), row.status)).collect()
}

fn named(name: &str, autostart: bool) -> Value {
    json!({"name": name, "agents": [mock("a")], "autostart": autostart})
}

#[test]
fn m6_a_second_start_of_a_running_swarm_is_already_exists() {
    let rig = Rig::with(&small());
    assert_eq!(code(rig.create(&small())), "already_exists");
    let fault = rig.swarms.start("s").expect_err("it runs");
    assert_eq!((fault.status(), fault.to_string().as_str()), (400, "already_exists"));
    assert_eq!(statuses(&rig), [("s".to_owned(), "running")]);
}

#[test]
fn m6_of_two_creates_of_one_name_at_once_one_wins() {
    let rig = Rig::new();
    let results: Vec<Result<(), Fault>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| rig.create(&small()))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.into_iter().filter_map(Result::err).all(|fault| fault == Fault::AlreadyExists));
    assert_eq!(rig.agents(), ["alpha", "beta"]);
}

#[test]
fn m6_a_swarm_that_ran_is_listed_as_stopped_and_starts_again() {
    let rig = Rig::with(&small()).reopen();
    assert_eq!(statuses(&rig), [("s".to_owned(), "stopped")]);
    assert_eq!(rig.agents(), ["alpha", "beta"]);
    assert!(rig.swarms.agents("s").iter().all(|agent| agent.state == "stopped"));
    assert_eq!(code(rig.swarms.task("s", "alpha", &json!("work"))), "agent_stopped");
    assert_eq!(code(rig.swarms.add_agent("s", &mock("x"))), "swarm_not_running");
    assert_eq!(rig.swarms.start("s").map(|name| name.to_string()), Ok("s".to_owned()));
    assert_eq!(statuses(&rig), [("s".to_owned(), "running")]);
    rig.swarms.task("s", "alpha", &json!("work")).expect("it is sent");
}

#[test]
fn m6_a_stopped_swarm_stays_and_a_purged_one_leaves_nothing() {
    let rig = Rig::with(&small());
    rig.swarms.stop("s", false).expect("it stops");
    assert_eq!(statuses(&rig), [("s".to_owned(), "stopped")]);
    rig.swarms.stop("s", false).expect("it is stopped");
    rig.swarms.start("s").expect("it starts");
    rig.swarms.stop("s", true).expect("it goes");
    assert_eq!(rig.swarms.tick(), None, "nothing is due while none runs");
    assert!(statuses(&rig).is_empty());
    assert_eq!(code(rig.swarms.status("s")), "swarm_not_found");
    assert_eq!(code(rig.swarms.start("s")), "swarm_not_found");
    let rig = rig.reopen();
    assert!(statuses(&rig).is_empty());
    rig.create(&small()).expect("its name is free");
}

#[test]
fn m6_restart_works_for_running_and_for_stopped_swarms_and_keeps_the_seed() {
    let rig = Rig::with(&small());
    rig.swarms.add_agent("s", &mock("x")).expect("it is added");
    rig.swarms.put_skill("s", "alpha", "notes.md", "kept").expect("it is written");
    let notes = || rig.swarms.agent_skills("s", "alpha").expect("an agent");
    rig.swarms.restart("s", false).expect("it restarts");
    let kept = json!([{"name": "notes.md", "content": "kept", "path": "notes.md"}]);
    assert_eq!(json!(notes()), kept, "without delete the agents' data stays");
    rig.swarms.stop("s", false).expect("it stops");
    rig.swarms.restart("s", true).expect("it restarts");
    assert!(notes().is_empty(), "delete wipes the agents' data");
    assert_eq!(rig.agents(), ["alpha", "beta", "x"]);
    assert_eq!(statuses(&rig), [("s".to_owned(), "running")]);
}

#[test]
fn m6_unknown_swarms_are_answered_as_genswarms_does() {
    let rig = Rig::new();
    let swarms = &rig.swarms;
    for name in ["s", "", "../s", "s/a"] {
        assert_eq!(swarms.status(name), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.topology(name), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.stop(name, false), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.restart(name, false), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.agent(name, "a"), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.task(name, "a", &json!("x")), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.remove_agent(name, "a"), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.snapshot(name), Err(Fault::SwarmNotFound));
        assert_eq!(swarms.add_agent(name, &mock("a")), Err(Fault::NoSuchSwarm));
        assert_eq!(swarms.scale(name, "a", 2), Err(Fault::NoSuchSwarm));
        assert_eq!(swarms.object(name, "o"), Err(Fault::ObjectNotFound));
        assert!(swarms.agents(name).is_empty() && swarms.objects(name).is_empty());
        assert!(swarms.overlay(name).expect("nothing").is_empty() && swarms.messages(name, 9).is_empty());
    }
}

#[test]
fn m6_clean_forgets_what_does_not_run() {
    let rig = Rig::with(&small());
    rig.create(&named("other", false)).expect("it is created");
    rig.swarms.stop("other", false).expect("it stops");
    assert_eq!(rig.cleaned(false), ["other"]);
    assert_eq!(statuses(&rig), [("s".to_owned(), "running")]);
    assert!(rig.swarms.events().last() > 0);
    assert!(rig.cleaned(true).is_empty());
    assert_eq!(statuses(&rig.reopen()), [("s".to_owned(), "stopped")]);
}

#[test]
fn a_cleaning_by_name_removes_what_was_named_and_rests_and_says_why_not_of_the_others() {
    let rig = Rig::with(&small());
    for name in ["meant", "other"] {
        rig.create(&named(name, false)).expect("it is created");
        rig.swarms.stop(name, false).expect("it stops");
    }
    let names = ["gone", "meant", "s"].map(|name| NodeName::parse(name).expect("a name"));
    let [gone, meant, runs] = names.clone();
    let cleaned = rig.swarms.clean(Some(&names.into()), false).expect("it is told of each");
    assert_eq!(cleaned.removed, [meant]);
    assert_eq!(cleaned.failed, [(gone, Fault::SwarmNotFound), (runs, Fault::Runs)]);
    assert_eq!(statuses(&rig), [("other".to_owned(), "stopped"), ("s".to_owned(), "running")]);
    let none = rig.swarms.clean(Some(&BTreeSet::new()), false);
    assert_eq!(none, Ok(Cleaned::default()), "no names are not all names");
    rig.swarms.stop_all(Duration::from_secs(3));
    assert_eq!(rig.swarms.clean(None, false), Err(Fault::Stopping), "what the end stops was not meant");
}

/// Waits for `done`, without sleeping for luck.
fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn m6_swarms_with_autostart_start_by_themselves_and_one_that_fails_holds_up_no_other() {
    let rig = Rig::capped(4);
    for name in ["a", "c"] {
        rig.create(&named(name, true)).expect("it is created");
    }
    rig.create(&named("quiet", false)).expect("it is created");
    let many: Vec<Value> = ["a", "b", "c", "d"].map(mock).to_vec();
    rig.create(&json!({"name": "big", "agents": many, "autostart": true})).expect("it is created");
    let rig = Rig { cap: 2, ..rig }.reopen();
    let ticker = rig.swarms.run().expect("threads");
    let running = |name: &str| rig.swarms.status(name).expect("it is kept").status;
    until("both start", || running("a") == "running" && running("c") == "running");
    until("the big one fails", || running("big") == "error");
    assert_eq!(running("quiet"), "stopped");
    let error = rig.swarms.status("big").expect("it is kept").error.expect("a reason");
    assert!(error.contains("max 2"), "{error}");
    drop(ticker);
    rig.swarms.stop_all(Duration::from_secs(3));
    assert_eq!(code(rig.create(&small())), "stopping");
}

#[test]
fn a_swarm_that_was_stopped_before_its_turn_does_not_start_by_itself() {
    let rig = Rig::new();
    for name in ["a", "b"] {
        rig.create(&named(name, true)).expect("it is created");
    }
    let rig = rig.reopen();
    rig.swarms.stop("a", false).expect("it does not run");
    rig.swarms.autostart();
    let running = |name: &str| rig.swarms.status(name).expect("it is kept").status;
    assert_eq!((running("a"), running("b")), ("stopped", "running"));
    rig.swarms.start("a").expect("its owner may");
}

#[test]
fn m6_a_paused_swarm_is_shown_as_one_and_goes_on() {
    let rig = Rig::with(&small());
    assert_eq!(rig.swarms.pause("s"), Ok(2));
    assert!(rig.swarms.status("s").expect("it runs").paused);
    assert_eq!(rig.swarms.resume("s"), Ok(2));
    assert!(!rig.swarms.status("s").expect("it runs").paused);
}

#[test]
fn kept_swarms_are_bounded() {
    let rig = Rig::new();
    for number in 0..limits::SWARMS_KEPT {
        rig.create(&named(&format!("s{number}"), false)).expect("there is room");
    }
    let fault = rig.create(&named("more", false)).expect_err("there is none");
    assert_eq!((fault.status(), fault.code()), (409, "swarm_limit"));
    rig.swarms.stop("s0", true).expect("it goes");
    rig.create(&named("more", false)).expect("there is room again");
}

#[test]
fn nodes_are_bounded_over_all_swarms() {
    let rig = Rig::capped(limits::AGENTS);
    let many = |name: &str, count: usize| {
        let agents: Vec<Value> = (0..count).map(|number| mock(&format!("a{number}"))).collect();
        json!({"name": name, "agents": agents})
    };
    rig.create(&many("first", 600)).expect("there is room");
    assert_eq!(code(rig.create(&many("second", 425))), "instance_limit");
    assert!(rig.swarms.status("second").is_err(), "nothing of it is left");
    rig.create(&many("second", 424)).expect("there is room");
    assert_eq!(code(rig.swarms.add_agent("first", &mock("x"))), "instance_limit");
    assert_eq!(code(rig.swarms.scale("second", "a0", 3)), "instance_limit");
    rig.swarms.remove_agent("second", "a1").expect("it goes");
    rig.swarms.add_agent("first", &mock("x")).expect("there is room");
    rig.swarms.stop("second", false).expect("it stops");
    rig.create(&many("third", 400)).expect("a stopped swarm takes no places");
    assert_eq!(code(rig.swarms.start("second")), "instance_limit");
}

#[test]
fn a_call_that_waits_too_long_for_another_one_is_told_so() {
    let rig = Rig::with(&small());
    let seat = rig.swarms.table.find("s").expect("it is kept");
    let busy = seat.enter(Duration::ZERO).expect("nobody is there");
    assert!(matches!(seat.enter(Duration::ZERO), Err(Fault::Busy)));
    // Whoever only looks, or says something, waits for nobody.
    assert_eq!(rig.agents(), ["alpha", "beta"]);
    rig.swarms.task("s", "alpha", &json!("work")).expect("it is sent");
    drop(busy);
    assert_eq!(rig.swarms.pause("s"), Ok(2));
}
