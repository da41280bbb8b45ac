//! A swarm changed while it runs, held still, and ended.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use serde_json::json;

use super::rig::{Fakes, Rig, broken, local, mock, mocks, name, object, swarm};
use crate::{
    agent::Exit,
    limits,
    swarm::{
        Fault, TaskFault,
        config::{AgentConfig, Config, Edge},
        events::Query,
        live::lock,
        view::Speech,
    },
};

fn made(agent: serde_json::Value) -> AgentConfig {
    Config::of(&json!({"name": "x", "agents": [agent]})).unwrap().agents.remove(0)
}

fn edge(text: &str) -> Edge {
    let (from, to) = text.split_once('>').unwrap();
    Edge { from: name(from), to: name(to) }
}

fn shown(rig: &Rig) -> String {
    let rows = rig.live.topology();
    let edges = rows.iter().flat_map(|row| row.targets.iter().map(move |to| format!("{}>{to}", row.from)));
    edges.collect::<Vec<_>>().join(" ")
}

#[test]
fn m6_an_added_agent_has_its_edges_before_its_first_message() {
    let rig = Rig::new(&mocks("a b", "a>b"));
    rig.live.add_agent(made(mock("c")), &[name("a")], &[name("b")]).unwrap();
    assert_eq!(shown(&rig), "a>b b>c c>a");
    rig.program("b").says(&["@c: welcome"]);
    assert_eq!(rig.program("c").heard(), ["b: welcome"]);
    rig.live.remove_agent(&name("c")).unwrap();
    assert_eq!(shown(&rig), "a>b");
    assert!(rig.program("c").is_over() && rig.live.agent(&name("c")).is_none());
    assert_eq!((rig.events("agent_added").len(), rig.events("agent_removed").len()), (1, 1));
    assert_eq!(rig.live.remove_agent(&name("c")), Err(Fault::AgentNotFound));
}

#[test]
fn m6_an_agent_that_cannot_be_added_leaves_nothing() {
    let rig = Rig::new(&mocks("a b", "a>b"));
    let taken = Fault::NameTaken { code: "agent_exists", name: "a".to_owned() };
    assert_eq!(rig.live.add_agent(made(mock("a")), &[name("b")], &[name("b")]), Err(taken));
    let unknown = Fault::UnknownEndpoint { name: "x".to_owned() };
    assert_eq!(rig.live.add_agent(made(mock("c")), &[name("a"), name("x")], &[]), Err(unknown));
    lock(&rig.fakes.broken).insert("c".to_owned(), broken());
    let fault = rig.live.add_agent(made(mock("c")), &[name("a")], &[name("b")]).unwrap_err();
    assert_eq!((fault.status(), fault.code()), (400, "not_started"));
    assert_eq!(shown(&rig), "a>b");
    assert!(rig.live.agent(&name("c")).is_none() && rig.events("agent_added").is_empty());
}

#[test]
fn m6_edges_are_changed_all_or_none() {
    let rig = Rig::new(&mocks("a b c", "a>b"));
    let unknown = Fault::UnknownEndpoint { name: "x".to_owned() };
    assert_eq!(rig.live.change_edges(&[edge("b>c"), edge("c>x")], &[edge("a>b")]), Err(unknown));
    assert_eq!(shown(&rig), "a>b");
    let changed = rig.live.change_edges(&[edge("b>c"), edge("a>b")], &[edge("a>b"), edge("c>a")]);
    assert_eq!((changed, shown(&rig)), (Ok((1, 1)), "b>c".to_owned()));
    rig.program("a").says(&["@b: still?"]);
    assert!(rig.program("b").heard().is_empty());
}

#[test]
fn a_restarted_agent_keeps_what_waits_for_it() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b"));
    rig.task("b", "under way").unwrap();
    rig.program("a").says(&["@b: waits"]);
    let old = rig.program("b");
    rig.live.restart_agent(&name("b")).unwrap();
    assert!(old.is_over());
    assert_eq!((rig.starts("b"), rig.state("b")), (2, "working"));
    assert_eq!(rig.program("b").heard(), ["a: waits"], "what was said once is not said again");
    rig.program("b").exits(Some(Exit::Code(0)));
    assert_eq!(rig.state("b"), "stopped");
    rig.live.restart_agent(&name("b")).unwrap();
    assert_eq!((rig.starts("b"), rig.state("b")), (3, "idle"));
    assert_eq!(rig.live.restart_agent(&name("x")), Err(Fault::AgentNotFound));
}

#[test]
fn a_restart_that_fails_says_so_and_another_may_succeed() {
    let rig = Rig::new(&mocks("a", ""));
    lock(&rig.fakes.broken).insert("a".to_owned(), broken());
    assert_eq!(rig.live.restart_agent(&name("a")).unwrap_err().code(), "not_started");
    assert_eq!(rig.state("a"), "error");
    lock(&rig.fakes.broken).clear();
    rig.live.restart_agent(&name("a")).unwrap();
    assert_eq!(rig.state("a"), "idle");
}

#[test]
fn m6_a_swarm_held_still_hands_out_nothing_and_loses_nothing() {
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[object("count", "counter")], "a>b a>count"));
    assert_eq!(rig.live.pause(), Ok(2));
    assert!(rig.program("a").frozen.load(Ordering::SeqCst) && rig.live.is_paused());
    rig.task("a", "one").unwrap();
    rig.live.message("a", "b", "two").unwrap();
    // What was in its pipe already.
    rig.program("a").says(&["@b: three"]);
    rig.passes(600_000);
    assert!(rig.program("a").heard().is_empty() && rig.program("b").heard().is_empty());
    assert_eq!(rig.live.resume(), Ok(2));
    assert!(!rig.program("a").frozen.load(Ordering::SeqCst));
    assert_eq!(rig.program("b").heard(), ["a: two"]);
    rig.program("b").done();
    assert_eq!(rig.program("b").heard(), ["a: three"]);
}

#[test]
fn an_agent_added_to_a_swarm_held_still_is_held_too() {
    let rig = Rig::new(&mocks("a", ""));
    rig.live.pause().unwrap();
    rig.live.add_agent(made(mock("b")), &[], &[name("a")]).unwrap();
    rig.live.message("a", "b", "x").unwrap();
    assert!(rig.program("b").frozen.load(Ordering::SeqCst) && rig.program("b").heard().is_empty());
    rig.live.resume().unwrap();
    assert_eq!(rig.program("b").heard(), ["a: x"]);
}

#[test]
fn a_program_that_starts_while_a_pause_ends_is_not_left_standing() {
    let rig = Rig::new(&mocks("a", ""));
    rig.live.pause().unwrap();
    // The pause ends after the program was known to be one of a pause, and before it stands still.
    let live = rig.live.clone();
    rig.fakes.meanwhile.then(|| {});
    rig.fakes.meanwhile.then(move || _ = live.resume());
    rig.live.add_agent(made(mock("b")), &[], &[]).unwrap();
    assert!(!rig.live.is_paused() && !rig.program("b").frozen.load(Ordering::SeqCst));
    // It starts while the others go on already.
    rig.live.pause().unwrap();
    let live = rig.live.clone();
    rig.fakes.meanwhile.then(move || live.add_agent(made(mock("c")), &[], &[]).unwrap());
    rig.live.resume().unwrap();
    for program in ["a", "b", "c"] {
        assert!(!rig.program(program).frozen.load(Ordering::SeqCst), "{program}");
    }
}

#[test]
fn a_stop_waits_for_a_program_that_was_just_being_started() {
    let rig = Rig::prepared(&mocks("a", ""), Fakes::default());
    let stops: Arc<Mutex<Vec<bool>>> = Arc::default();
    for _ in ["as it is started", "as whoever started it ends it"] {
        let (live, stops) = (rig.live.clone(), stops.clone());
        rig.fakes.meanwhile.then(move || lock(&stops).push(live.stop(Duration::ZERO)));
    }
    rig.live.begin();
    assert_eq!(*lock(&stops), [false, true], "the first could not end what was not there yet");
    assert!(rig.program("a").is_over() && rig.live.stop(Duration::ZERO));
}

#[test]
fn m6_a_stopped_swarm_ends_all_and_tells_what_it_drops() {
    let process = json!({"name": "p", "handler": {"command": ["/bin/cat"]}});
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[process], "a>b"));
    rig.task("b", "busy").unwrap();
    rig.program("a").says(&["@b: one", "@b: two"]);
    assert!(rig.live.stop(Duration::from_millis(limits::STOP_MS)));
    for program in ["a", "b", "p"] {
        assert!(rig.program(program).is_over(), "{program}");
    }
    let dropped = rig.events("inbox_dropped");
    assert_eq!((dropped.len(), &dropped[0].draft.metadata["count"]), (1, &json!(2)));
    assert_eq!((rig.events("swarm_stopped").len(), rig.events("object_error").len()), (1, 0));
    assert_eq!(rig.task("a", "t"), Err(Fault::NotRunning));
    assert_eq!(rig.live.resume(), Err(Fault::NotRunning));
    assert_eq!(rig.live.add_agent(made(mock("c")), &[], &[]), Err(Fault::NotRunning));
    assert_eq!(rig.live.tick(2_000_000), None);
    rig.program("a").says(&["@b: late"]);
    assert!(rig.program("b").heard() == ["task: busy"]);
}

#[test]
fn a_program_that_ends_at_once_is_known_to_have_ended() {
    let rig = Rig::new(&mocks("a", ""));
    rig.fakes.short.store(true, Ordering::SeqCst);
    rig.live.add_agent(made(mock("b")), &[], &[]).unwrap();
    assert_eq!(rig.state("b"), "stopped");
    assert_eq!(rig.task("b", "t"), Err(Fault::Task(TaskFault::Stopped)));
    let page = rig.hub.page(&Query { since: Some(0), most: 100, ..Query::default() }).unwrap();
    let names: Vec<_> = page.events.iter().map(|event| event.draft.event_type.as_str()).collect();
    let at = |name: &str| names.iter().rposition(|other| *other == name);
    assert!(at("agent_started") < at("agent_stopped"), "{names:?}");
}

#[test]
fn a_swarm_that_is_being_started_hears_already() {
    let rig =
        Rig::prepared(&swarm(&[mock("a"), mock("b")], &[object("o", "log")], "a>b a>o"), Fakes::default());
    let speech = |to: &str| Speech::Send { to: to.to_owned(), content: "early".to_owned() };
    rig.live.speak(&name("a"), speech("b")).unwrap();
    rig.live.speak(&name("a"), speech("o")).unwrap();
    assert_eq!((rig.state("b"), rig.waiting("b"), rig.starts("b")), ("initializing", 1, 0));
    assert_eq!(rig.task("b", "t"), Err(Fault::Task(TaskFault::Initializing)));
    rig.live.begin();
    assert_eq!(rig.program("b").heard(), ["a: early"]);
    let stopped = Rig::prepared(&mocks("a", ""), Fakes::default());
    assert!(stopped.live.stop(Duration::ZERO));
    stopped.live.begin();
    assert_eq!(stopped.starts("a"), 0);
}

#[test]
fn the_config_of_a_running_swarm_shows_its_changes() {
    let seed = swarm(&[mock("a"), mock("b")], &[object("o", "log")], "a>b");
    let rig = Rig::new(&seed);
    assert_eq!(rig.live.config(), Config::of(&seed).unwrap());
    rig.live.add_agent(made(mock("c")), &[name("a")], &[]).unwrap();
    rig.live.remove_agent(&name("b")).unwrap();
    let now = Config::of(&swarm(&[mock("a"), mock("c")], &[object("o", "log")], "c>a")).unwrap();
    assert_eq!(rig.live.config(), now);
    assert_eq!(rig.live.counts(), (2, 1));
}
