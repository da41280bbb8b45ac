//! Programs that end late, or not at all; starts that come too late, or wait.

use std::{
    fs,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::rig::{Fakes, Rig, local, mock, mocks, name, swarm};
use crate::{
    agent::Exit,
    swarm::{
        Fault,
        config::{AgentConfig, Config, ObjectConfig},
        live::lock,
        view::Speech,
    },
};

const LONG: Duration = Duration::from_secs(60);

pub(super) fn made(agent: serde_json::Value) -> AgentConfig {
    Config::of(&json!({"name": "x", "agents": [agent]})).unwrap().agents.remove(0)
}

fn process() -> ObjectConfig {
    let objects = json!([{"name": "p", "handler": {"command": ["/bin/cat"]}}]);
    Config::of(&json!({"name": "x", "agents": [mock("x")], "objects": objects})).unwrap().objects.remove(0)
}

fn again(name: &str) -> serde_json::Value {
    json!({"name": name, "backend": "mock", "config": {"restart": "on-failure"}})
}

/// An agent's row among all agents: state, and why.
fn row(rig: &Rig, agent: &str) -> Option<(&'static str, Option<String>)> {
    let rows = rig.live.agents();
    rows.into_iter().find(|row| row.name == name(agent)).map(|row| (row.state, row.reason))
}

/// A flag that others wait for.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(super) fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    pub(super) fn wait(&self) {
        let waited = self.0.1.wait_timeout_while(lock(&self.0.0), LONG, |open| !*open).unwrap();
        assert!(!waited.1.timed_out(), "waited in vain");
    }
}

#[test]
fn a_restart_takes_the_place_of_a_start_that_waits() {
    let rig = Rig::new(&swarm(&[again("a")], &[], ""));
    rig.fakes.no_threads.store(true, Ordering::SeqCst);
    rig.program("a").exits(Some(Exit::Code(1)));
    rig.passes(1_000);
    rig.live.restart_agent(&name("a")).unwrap();
    assert_eq!((rig.starts("a"), rig.state("a")), (2, "idle"));
    assert!(rig.live.lock().starts.is_empty(), "the start that waited would come at a time of its own");
}

#[test]
fn a_removal_takes_the_place_of_a_start_that_waits() {
    let rig = Rig::new(&swarm(&[again("a"), mock("b")], &[], ""));
    rig.fakes.no_threads.store(true, Ordering::SeqCst);
    rig.program("a").exits(Some(Exit::Code(1)));
    rig.passes(1_000);
    rig.live.remove_agent(&name("a")).unwrap();
    assert!(rig.live.lock().starts.is_empty());
}

#[test]
fn starts_for_which_there_is_no_thread_are_tried_again() {
    let rig = Rig::new(&swarm(&[again("a")], &[], ""));
    rig.fakes.no_threads.store(true, Ordering::SeqCst);
    rig.program("a").exits(Some(Exit::Code(1)));
    rig.passes(1_000);
    assert_eq!((rig.starts("a"), rig.state("a")), (1, "initializing"));
    let now = 1_001_000;
    assert_eq!(rig.live.tick(now), Some(now + 1_000), "nobody else would try");
    rig.fakes.no_threads.store(false, Ordering::SeqCst);
    rig.passes(1_000);
    rig.until(|rig| rig.state("a") == "idle");
    assert_eq!(rig.starts("a"), 2);
}

#[test]
fn a_removed_agent_that_is_being_started_is_gone_before_the_answer() {
    let rig = Rig::new(&mocks("a", ""));
    let answered = Arc::new(Mutex::new(None));
    let (live, fakes, told) = (rig.live.clone(), rig.fakes.clone(), answered.clone());
    rig.fakes.meanwhile.then(move || {
        let remover = live.clone();
        thread::spawn(move || {
            let removed = remover.remove_agent(&name("c"));
            let over = fakes.starts("c") == 1 && fakes.program("c").is_over();
            *lock(&told) = Some((removed, over));
        });
        while live.agent(&name("c")).is_some() {
            thread::yield_now();
        }
    });
    assert_eq!(rig.live.add_agent(made(mock("c")), &[], &[]), Err(Fault::NotRunning));
    rig.until(|_| lock(&answered).is_some());
    assert_eq!(*lock(&answered), Some((Ok(()), true)));
    assert!(rig.program("c").is_over());
}

#[test]
fn a_program_that_does_not_end_stays_known_and_none_begins_beside_it() {
    let rig = Rig::new(&mocks("a b", "a>b"));
    rig.fakes.stay.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(rig.live.restart_agent(&name("a")), Err(Fault::StillThere));
        assert_eq!(row(&rig, "a"), Some(("error", Some("its processes did not end".to_owned()))));
    }
    rig.program("a").says(&["@b: from beyond"]);
    assert!(rig.program("b").heard().is_empty());
    assert_eq!(rig.starts("a"), 1);
    rig.fakes.stay.store(false, Ordering::SeqCst);
    let old = rig.program("a");
    rig.live.restart_agent(&name("a")).unwrap();
    assert!(old.is_over());
    assert_eq!((rig.starts("a"), row(&rig, "a")), (2, Some(("idle", None))));
}

#[test]
fn an_agent_that_was_removed_and_does_not_end_is_shown_and_keeps_its_name() {
    let rig = Rig::new(&mocks("a b", ""));
    rig.fakes.stay.store(true, Ordering::SeqCst);
    assert_eq!(rig.live.remove_agent(&name("a")), Err(Fault::StillThere));
    assert!(rig.live.agent(&name("a")).is_none() && rig.live.counts() == (1, 0));
    let shown = Some(("error", Some("its processes did not end".to_owned())));
    assert_eq!(row(&rig, "a"), shown);
    assert_eq!(rig.live.add_agent(made(mock("a")), &[], &[]), Err(Fault::StillThere));
    assert_eq!((rig.starts("a"), row(&rig, "a")), (1, shown));
    assert_eq!(rig.live.remove_object(&name("a")), Err(Fault::ObjectNotFound));
    assert_eq!(rig.live.remove_agent(&name("a")), Err(Fault::StillThere));
    rig.fakes.stay.store(false, Ordering::SeqCst);
    rig.live.remove_agent(&name("a")).unwrap();
    assert_eq!((row(&rig, "a"), rig.live.remove_agent(&name("a"))), (None, Err(Fault::AgentNotFound)));
    rig.live.add_agent(made(mock("a")), &[], &[]).unwrap();
    assert_eq!(rig.starts("a"), 2);
}

#[test]
fn what_is_left_of_an_agent_does_not_speak_as_the_next_of_its_name() {
    let rig = Rig::new(&mocks("a b", "a>b"));
    rig.fakes.stay.store(true, Ordering::SeqCst);
    assert_eq!(rig.live.remove_agent(&name("a")), Err(Fault::StillThere));
    let (live, said) = (rig.live.clone(), Arc::new(Mutex::new(None)));
    let told = said.clone();
    // While the next one waits for it to end.
    rig.fakes.meanwhile.then(move || {
        assert!(live.agent(&name("a")).is_some());
        let speech = Speech::Send { to: "b".to_owned(), content: "from beyond".to_owned() };
        *lock(&told) = Some(live.speak(&name("a"), speech));
    });
    assert_eq!(rig.live.add_agent(made(mock("a")), &[name("b")], &[]), Err(Fault::StillThere));
    assert_eq!(*lock(&said), Some(Err(Fault::AgentNotFound)));
    assert!(rig.program("b").heard().is_empty());
    rig.fakes.stay.store(false, Ordering::SeqCst);
    rig.live.add_agent(made(mock("a")), &[name("b")], &[]).unwrap();
    let speech = Speech::Send { to: "b".to_owned(), content: "here".to_owned() };
    assert!(rig.live.speak(&name("a"), speech).is_ok());
}

#[test]
fn a_program_that_ends_late_is_forgotten_then() {
    let rig = Rig::new(&mocks("a b", ""));
    rig.fakes.stay.store(true, Ordering::SeqCst);
    assert_eq!(rig.live.remove_agent(&name("a")), Err(Fault::StillThere));
    rig.program("a").exits(Some(Exit::Signal(9)));
    assert_eq!(row(&rig, "a"), None);
    assert!(rig.live.lock().ending.is_empty());
}

#[test]
fn an_object_whose_process_does_not_end_stays_known() {
    let rig = Rig::new(&mocks("a", ""));
    rig.live.add_object(process(), &[], &[]).unwrap();
    rig.fakes.stay.store(true, Ordering::SeqCst);
    assert_eq!(rig.live.remove_object(&name("p")), Err(Fault::StillThere));
    let shown = rig.live.objects();
    assert_eq!((shown.len(), shown[0].state), (1, "error"));
    assert_eq!(rig.live.add_object(process(), &[], &[]), Err(Fault::StillThere));
    assert_eq!(rig.starts("p"), 1);
    rig.fakes.stay.store(false, Ordering::SeqCst);
    rig.live.remove_object(&name("p")).unwrap();
    assert!(rig.live.objects().is_empty());
}

#[test]
fn a_stop_that_left_something_is_tried_again() {
    let rig = Rig::new(&mocks("a", ""));
    rig.live.add_object(process(), &[], &[]).unwrap();
    rig.fakes.stay.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert!(!rig.live.stop(Duration::ZERO));
        assert_eq!(row(&rig, "a").map(|(state, _)| state), Some("error"));
        assert_eq!(rig.live.objects()[0].state, "error");
    }
    assert_eq!(rig.events("swarm_stopped").len(), 1);
    rig.fakes.stay.store(false, Ordering::SeqCst);
    assert!(rig.live.stop(Duration::ZERO));
    assert!(rig.program("a").is_over() && rig.program("p").is_over());
    assert_eq!(row(&rig, "a"), Some(("stopped", None)));
}

/// What is in the hands of whoever looked into the outbox when the agent is removed is not said by the next agent of
/// its name.
#[test]
fn letters_of_an_agent_are_not_those_of_the_next_of_its_name() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b"));
    let outbox = rig.program("a").variable("OUTBOX_DIR").map(std::path::PathBuf::from).unwrap();
    for at in ["1", "2"] {
        let letter = json!({"to": "b", "content": at}).to_string();
        fs::write(outbox.join(".tmp_x"), letter).unwrap();
        fs::rename(outbox.join(".tmp_x"), outbox.join(format!("{at}.json"))).unwrap();
    }
    let added = Gate::default();
    let (live, gate, stay) = (rig.live.clone(), added.clone(), rig.fakes.stay.clone());
    stay.store(true, Ordering::SeqCst);
    rig.fakes.heard.then(move || {
        let (other, removed) = (live.clone(), Arc::new(AtomicBool::new(false)));
        let seen = removed.clone();
        thread::spawn(move || {
            assert_eq!(other.remove_agent(&name("a")), Err(Fault::StillThere));
            // Its keeper is gone, and its last words are not heard yet.
            other.lock().ending.clear();
            stay.store(false, Ordering::SeqCst);
            other.add_agent(made(local("a")), &[name("b")], &[]).unwrap();
            seen.store(true, Ordering::SeqCst);
            gate.open();
        });
        // Either it has to wait for whoever has the letters, or it is done soon.
        while live.agent(&name("a")).is_some() && !removed.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        (0..10_000).take_while(|_| !removed.load(Ordering::SeqCst)).for_each(|_| thread::yield_now());
    });
    rig.passes(200);
    added.wait();
    assert_eq!((rig.program("b").heard(), rig.waiting("b")), (vec!["a: 1".to_owned()], 0));
    assert_eq!(rig.starts("a"), 2);
}

/// What a run that is over is told last is not looked for in the directories of the next agent.
#[test]
fn an_end_that_is_told_late_takes_no_letter_of_the_next_agent() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b"));
    let old = rig.program("a");
    rig.fakes.stay.store(true, Ordering::SeqCst);
    assert_eq!(rig.live.remove_agent(&name("a")), Err(Fault::StillThere));
    // Its keeper is gone, and its last words are not heard yet.
    rig.live.lock().ending.clear();
    rig.fakes.stay.store(false, Ordering::SeqCst);
    rig.live.add_agent(made(local("a")), &[name("b")], &[]).unwrap();
    let outbox = rig.program("a").variable("OUTBOX_DIR").map(std::path::PathBuf::from).unwrap();
    fs::write(outbox.join("1.json"), json!({"to": "b", "content": "new"}).to_string()).unwrap();
    old.done();
    old.exits(Some(Exit::Code(0)));
    rig.passes(200);
    assert_eq!(rig.program("b").heard(), ["a: new"]);
}

#[test]
fn a_swarm_is_started_by_eight_at_a_time() {
    let names: Vec<String> = (0..20).map(|at| format!("a{at}")).collect();
    let (fakes, under_way) = (Fakes::default(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..8 {
        let under_way = under_way.clone();
        fakes.meanwhile.then(move || {
            under_way.fetch_add(1, Ordering::SeqCst);
            let end = std::time::Instant::now() + LONG;
            while under_way.load(Ordering::SeqCst) < 8 {
                assert!(std::time::Instant::now() < end, "they come one after the other");
                thread::yield_now();
            }
        });
    }
    let rig = Rig::with(&mocks(&names.join(" "), ""), fakes);
    assert!(names.iter().all(|name| rig.starts(name) == 1 && rig.state(name) == "idle"));
}

#[test]
fn nothing_of_a_swarm_that_was_stopped_meanwhile_is_started() {
    let names: Vec<String> = (0..20).map(|at| format!("a{at}")).collect();
    let rig = Rig::prepared(&mocks(&names.join(" "), ""), Fakes::default());
    for _ in 0..8 {
        let live = rig.live.clone();
        rig.fakes.meanwhile.then(move || _ = live.stop(Duration::ZERO));
    }
    rig.live.begin();
    let started: Vec<_> = names.iter().filter(|name| rig.starts(name) > 0).collect();
    assert!((1..=8).contains(&started.len()), "{started:?}");
    assert!(started.iter().all(|name| rig.program(name).is_over()));
    assert!(rig.live.stop(Duration::ZERO) && rig.events("swarm_started").is_empty());
}
