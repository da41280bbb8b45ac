//! What goes wrong: programs that do not start or end, a disk that takes nothing, stops that cannot wait.

use std::{
    sync::{
        OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::swarm::{
    kept::ShelfError,
    live::tests::rig::{Fakes, broken},
    manager::Swarms,
};

/// A rig whose programs are only notes.
fn faked(change: impl FnOnce(&mut Swarms)) -> (Rig, Arc<Fakes>) {
    let (mut rig, fakes) = (Rig::new(), Arc::new(Fakes::default()));
    let swarms = Arc::get_mut(&mut rig.swarms).expect("nobody else has it");
    swarms.live.launch = fakes.clone();
    change(swarms);
    (rig, fakes)
}

fn breaks(fakes: &Fakes, names: &[&str]) {
    let names = names.iter().map(|name| ((*name).to_owned(), broken()));
    *fakes.broken.lock().expect("a lock") = names.collect();
}

/// A local agent and a counter.
fn locals() -> Value {
    let local = json!({"name": "alpha", "backend": "local", "config": {"command": ["/bin/cat"]}});
    json!({"name": "s", "agents": [local], "objects": [{"name": "count", "handler": "counter"}]})
}

fn waits_for(done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "waited in vain");
        thread::yield_now();
    }
}

fn status(rig: &Rig) -> (&'static str, Option<String>) {
    let view = rig.swarms.status("s").expect("it is kept");
    (view.status, view.error)
}

#[test]
fn a_skill_is_written_while_nobody_else_changes_its_swarm() {
    let (rig, _) = faked(|swarms| swarms.patience = Duration::ZERO);
    rig.create(&small()).expect("it is created");
    let busy = rig.swarms.table.find("s").expect("it is kept").enter(Duration::ZERO).expect("its turn");
    assert_eq!(rig.swarms.put_skill("s", "alpha", "web.md", "x"), Err(Fault::Busy));
    drop(busy);
    assert_eq!(rig.swarms.put_skill("s", "alpha", "web.md", "x"), Ok("web.md".to_owned()));
}

#[test]
fn a_scale_names_those_that_did_not_start_and_keeps_the_others() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    breaks(&fakes, &["alpha_2"]);
    let scaled = rig.swarms.scale("s", "alpha", 3).expect("it scales").to_value();
    assert_eq!((&scaled["added"], &scaled["removed"]), (&json!(["alpha_1", "alpha_3"]), &json!(["alpha"])));
    let failed = scaled["failed"].as_array().expect("a list");
    assert_eq!((failed.len(), &failed[0]["name"]), (1, &json!("alpha_2")));
    let reason = failed[0]["reason"].as_str().expect("a sentence");
    assert!(reason.contains("alpha_2") && !reason.contains('/'), "{reason}");
    let now = (rig.agents(), rig.edges());
    assert_eq!(now.0, ["alpha_1", "alpha_3", "beta"]);
    assert_eq!(now.1, ["alpha_1>beta", "alpha_3>beta", "beta>count"]);
    assert_eq!(rig.swarms.table.find("s").expect("it is kept").places(), 4);
    breaks(&fakes, &[]);
    rig.swarms.restart("s", false).expect("it restarts");
    assert_eq!((rig.agents(), rig.edges()), now, "what is kept is what was answered");
}

#[test]
fn a_scale_of_which_nothing_starts_changes_nothing() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    let before = (rig.agents(), rig.edges(), rig.ops());
    breaks(&fakes, &["alpha_1", "alpha_2"]);
    let scaled = rig.swarms.scale("s", "alpha", 2).expect("an answer");
    assert_eq!((scaled.added.len(), scaled.removed.len(), scaled.failed.len()), (0, 0, 2));
    assert_eq!((rig.agents(), rig.edges(), rig.ops()), before);
    assert_eq!(rig.swarms.table.find("s").expect("it is kept").places(), 3);
}

#[test]
fn a_scale_that_cannot_be_written_down_leaves_the_swarm_as_it_was() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    let before = (rig.agents(), rig.edges());
    breaks(&fakes, &["alpha_2"]);
    rig.swarms.shelf.set_aside(rig.swarms.table.find("s").expect("it is kept").name());
    assert_eq!(code(rig.swarms.scale("s", "alpha", 3)), "unreadable");
    assert_eq!((rig.agents(), rig.edges()), before);
    let live = rig.swarms.table.find("s").expect("it is kept").facts().live().expect("it runs").live.clone();
    assert_eq!(live.counts(), (2, 1), "nor are those that had started there");
    assert!(fakes.program("alpha_1").is_over() && fakes.program("alpha_3").is_over());
    assert_eq!(rig.swarms.table.find("s").expect("it is kept").places(), 3);
}

#[test]
fn a_swarm_whose_processes_do_not_end_is_not_forgotten_and_starts_no_second_one() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    fakes.stay.store(true, Ordering::SeqCst);
    let left = ("error", Some(Fault::StillThere.to_string()));
    let fault = rig.swarms.stop("s", false).expect_err("it does not end");
    assert_eq!((fault.status(), fault.code()), (500, "still_there"));
    assert_eq!(status(&rig), left);
    assert_eq!(code(rig.swarms.start("s")), "still_there");
    assert_eq!(code(rig.swarms.restart("s", true)), "still_there");
    assert_eq!(code(rig.create(&small())), "still_there");
    let cleaned = rig.swarms.clean(None, false).expect("it is told of each");
    assert!(matches!(cleaned.failed.as_slice(), [(_, Fault::StillThere)]), "{cleaned:?}");
    assert_eq!(code(rig.swarms.stop("s", true)), "still_there");
    assert_eq!(code(rig.swarms.add_agent("s", &mock("x"))), "swarm_not_running");
    assert_eq!((status(&rig), fakes.starts("alpha")), (left, 1));
    assert!(rig.swarms.agents("s").iter().all(|agent| agent.state == "error"));
    assert_eq!(rig.swarms.table.find("s").expect("it is kept").places(), 3, "they still take their places");
    fakes.stay.store(false, Ordering::SeqCst);
    rig.swarms.start("s").expect("all is gone");
    assert_eq!((status(&rig), fakes.starts("alpha")), (("running", None), 2));
}

#[test]
fn an_agent_whose_processes_do_not_end_is_ended_by_a_later_call() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    fakes.stay.store(true, Ordering::SeqCst);
    assert_eq!(code(rig.swarms.restart_agent("s", "alpha")), "still_there");
    assert_eq!(code(rig.swarms.remove_agent("s", "alpha")), "still_there");
    assert_eq!(code(rig.swarms.remove_agent("s", "alpha")), "still_there");
    assert_eq!(rig.agents(), ["alpha", "beta"], "it is shown as long as it is there");
    assert_eq!(code(rig.swarms.add_agent("s", &mock("alpha"))), "still_there");
    assert_eq!((rig.edges(), fakes.starts("alpha")), (vec!["beta>count".to_owned()], 1));
    fakes.stay.store(false, Ordering::SeqCst);
    rig.swarms.remove_agent("s", "alpha").expect("it ends");
    assert_eq!(
        (rig.agents(), code(rig.swarms.remove_agent("s", "alpha"))),
        (vec!["beta".to_owned()], "agent_not_found")
    );
    rig.swarms.add_agent("s", &mock("alpha")).expect("its name is free");
}

#[test]
fn what_cannot_be_kept_nor_ended_is_said_to_be_still_there() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    rig.swarms.shelf.set_aside(rig.swarms.table.find("s").expect("it is kept").name());
    fakes.stay.store(true, Ordering::SeqCst);
    assert_eq!(code(rig.swarms.add_agent("s", &mock("x"))), "still_there");
    assert_eq!(rig.swarms.status("s").expect("it runs").topology.len(), 2);
    let live = rig.swarms.table.find("s").expect("it is kept").facts().live().expect("it runs").live.clone();
    assert_eq!(live.counts(), (2, 1), "it is no agent of the swarm");
}

/// The swarm is stopped between the deed and its writing down, which fails: then there is nothing to take it back from.
#[test]
fn what_can_neither_be_kept_nor_taken_back_holds_until_the_stop() {
    let (armed, of) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::<Weak<Swarms>>::new()));
    let (is_armed, swarms) = (armed.clone(), of.clone());
    let (rig, _) = faked(|parts| {
        parts.live.wake = Arc::new(move || {
            if is_armed.swap(false, Ordering::SeqCst) {
                let swarms = swarms.get().and_then(Weak::upgrade).expect("it is there");
                let seat = swarms.table.find("s").expect("it is kept");
                swarms.shelf.set_aside(seat.name());
                seat.facts().live().expect("it runs").live.stop(Duration::ZERO);
            }
        });
    });
    of.set(Arc::downgrade(&rig.swarms)).expect("once");
    rig.create(&locals()).expect("it is created");
    // Held still, it looks at no outbox: so one more of them wakes the ticker.
    rig.swarms.pause("s").expect("it runs");
    rig.swarms.tick();
    armed.store(true, Ordering::SeqCst);
    let spec = json!({"name": "x", "backend": "local", "config": {"command": ["/bin/cat"]}});
    let fault = rig.swarms.add_agent("s", &spec).expect_err("it is not kept");
    assert_eq!((fault.status(), fault.code()), (500, "not_kept"));
    assert_eq!(rig.agents(), ["alpha", "x"]);
    rig.swarms.stop("s", false).expect("it stops");
    assert_eq!(rig.agents(), ["alpha"]);
}

#[test]
fn a_disk_that_does_not_answer_is_a_fault_of_its_own() {
    let fault = Fault::of_shelf(ShelfError::Slow);
    assert_eq!((fault.status(), fault.code()), (503, "disk_slow"));
    assert!(fault.to_string().contains("disk"), "{fault}");
}

/// A swarm of many, whose first program stops it.
fn stopped_at_its_start(rig: &Rig, fakes: &Fakes, stop: impl FnOnce(&Swarms) + Send + 'static) {
    let swarms = rig.swarms.clone();
    fakes.meanwhile.then(move || {
        let other = swarms.clone();
        thread::spawn(move || stop(&other));
        let live = || swarms.table.find("s").and_then(|seat| Some(seat.facts().live()?.live.clone()));
        waits_for(|| live().is_some_and(|live| live.is_stopped()));
    });
}

#[test]
fn a_stop_ends_a_start_that_is_under_way() {
    let (rig, fakes) = faked(|_| {});
    let names: Vec<String> = (0..50).map(|at| format!("a{at}")).collect();
    let many = json!({"name": "s", "agents": names.iter().map(|name| mock(name)).collect::<Vec<_>>()});
    for round in 0..2 {
        let stopped = Arc::new(OnceLock::new());
        let answer = stopped.clone();
        stopped_at_its_start(&rig, &fakes, move |swarms| {
            answer.set(swarms.stop("s", false)).expect("once");
        });
        let started = if round == 0 { rig.create(&many) } else { rig.swarms.start("s").map(drop) };
        assert_eq!(started, Err(Fault::NotRunning));
        waits_for(|| stopped.get().is_some());
        assert_eq!((stopped.get(), status(&rig)), (Some(&Ok(())), ("stopped", None)));
    }
    let over = |name: &String| (0..fakes.starts(name)).all(|_| fakes.program(name).is_over());
    assert!(names.iter().all(over));
    rig.swarms.start("s").expect("nobody stops it");
    assert_eq!(status(&rig), ("running", None));
}

#[test]
fn a_purge_during_a_start_leaves_nothing() {
    let (rig, fakes) = faked(|_| {});
    let purged = Arc::new(OnceLock::new());
    let answer = purged.clone();
    stopped_at_its_start(&rig, &fakes, move |swarms| {
        answer.set(swarms.stop("s", true)).expect("once");
    });
    assert_eq!(rig.create(&small()), Err(Fault::NotRunning));
    waits_for(|| purged.get().is_some());
    assert_eq!((purged.get(), rig.swarms.list().len()), (Some(&Ok(())), 0));
}

#[test]
fn the_end_of_the_instance_ends_a_start_that_is_under_way() {
    let (rig, fakes) = faked(|_| {});
    stopped_at_its_start(&rig, &fakes, |swarms| swarms.stop_all(Duration::from_secs(3)));
    rig.create(&small()).expect_err("it ends");
    assert!(["alpha", "beta"].iter().all(|name| fakes.starts(name) == 0 || fakes.program(name).is_over()));
}

#[test]
fn a_restart_that_could_not_be_written_down_ends_nothing() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    let state = rig.temp.path().join("swarms/s/state.json");
    std::fs::remove_file(&state).expect("it is there");
    std::fs::create_dir_all(state.join("in the way")).expect("made");
    assert_eq!(code(rig.swarms.restart("s", false)), "unreadable", "what is there is no file");
    assert_eq!((status(&rig), fakes.starts("alpha")), (("running", None), 1));
    std::fs::remove_dir_all(&state).expect("it is ours");
    rig.swarms.restart("s", false).expect("it is restarted");
    assert_eq!((status(&rig), fakes.starts("alpha")), (("running", None), 2));
}

#[test]
fn a_swarm_that_a_stop_has_ended_is_not_shown_to_run_when_the_stop_has_given_up_waiting() {
    let (rig, fakes) = faked(|_| {});
    rig.create(&small()).expect("it is created");
    let seat = rig.swarms.table.find("s").expect("it is kept");
    let busy = seat.enter(Duration::ZERO).expect("its turn");
    assert_eq!(seat.enter_to_stop(Duration::ZERO, Duration::ZERO).err(), Some(Fault::Busy));
    drop(busy);
    assert_eq!(status(&rig), ("error", Some(Fault::StillThere.to_string())));
    rig.swarms.start("s").expect("it runs no more");
    assert_eq!((status(&rig), fakes.starts("alpha")), (("running", None), 2));
}
