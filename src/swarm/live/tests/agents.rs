//! Turns of agents in a running swarm: gating, `reply_to`, ends, starts after a failure.

use serde_json::{Value, json};

use super::rig::{Fakes, Rig, broken, local, mock, mocks, name, object, swarm};
use crate::{agent::Exit, limits, swarm::live::lock};

fn with(agent: &str, config: Value) -> Value {
    json!({"name": agent, "backend": "mock", "config": config})
}

#[test]
fn m11_a_send_to_who_may_answer_gates_tasks() {
    let rig = Rig::new(&mocks("a b", "a>b b>a"));
    rig.task("a", "one").unwrap();
    rig.program("a").says(&["@b: well?"]);
    rig.program("a").done();
    rig.task("a", "two").unwrap();
    assert_eq!(rig.program("a").heard(), ["task: one"], "the second waits for the answer");
    rig.program("b").says(&["@a: well!"]);
    assert_eq!(rig.program("a").heard(), ["b: well!"]);
    rig.program("a").done();
    assert_eq!(rig.program("a").heard(), ["task: two"]);
}

#[test]
fn m11_a_gated_task_comes_when_no_answer_does() {
    let rig = Rig::new(&mocks("a b", "a>b b>a"));
    rig.task("a", "one").unwrap();
    rig.program("a").says(&["@b: well?"]);
    rig.program("a").done();
    rig.program("a").heard();
    rig.task("a", "two").unwrap();
    rig.passes(limits::REPLY_WAIT_MS);
    assert_eq!(rig.program("a").heard(), ["task: two"]);
}

#[test]
fn m11_a_turns_text_goes_to_reply_to_once_without_an_edge() {
    let config =
        swarm(&[with("a", json!({"reply_to": "o", "reply_grace_ms": 50}))], &[object("o", "log")], "");
    let rig = Rig::new(&config);
    let total = || rig.live.object(&name("o")).unwrap().1.unwrap()["total"].clone();
    rig.task("a", "one").unwrap();
    rig.program("a").says(&["the answer"]);
    rig.program("a").done();
    assert_eq!(total(), 0, "not before the grace is over");
    rig.passes(50);
    assert_eq!((total(), rig.events("auto_delivered").len()), (json!(1), 1));
    rig.passes(5_000);
    assert_eq!(total(), 1);
}

#[test]
fn m11_an_explicit_send_in_the_turn_suppresses_the_text_for_reply_to() {
    let agent = with("a", json!({"reply_to": "o", "reply_grace_ms": 50}));
    let rig = Rig::new(&swarm(&[agent], &[object("o", "log")], "a>o"));
    rig.task("a", "one").unwrap();
    rig.program("a").says(&["@o: by my own hand"]);
    rig.program("a").done();
    rig.passes(5_000);
    assert_eq!(rig.live.object(&name("o")).unwrap().1.unwrap()["total"], 1);
    assert_eq!(rig.events("auto_deliver_skipped").len(), 1);
}

#[test]
fn m11_a_reply_to_that_is_gone_is_told() {
    let agent = with("a", json!({"reply_to": "o", "reply_grace_ms": 1}));
    let rig = Rig::new(&swarm(&[agent], &[object("o", "log")], ""));
    rig.live.remove_object(&name("o")).unwrap();
    rig.task("a", "one").unwrap();
    rig.program("a").says(&["text"]);
    rig.program("a").done();
    rig.passes(10);
    assert_eq!(rig.events("auto_deliver_failed").len(), 1);
}

#[test]
fn a_timer_that_comes_up_earlier_wakes_the_ticker() {
    let agent = with("a", json!({"reply_to": "o", "reply_grace_ms": 50}));
    let rig = Rig::new(&swarm(&[agent], &[object("o", "log")], ""));
    let woken = || rig.woken.load(std::sync::atomic::Ordering::SeqCst);
    rig.passes(0);
    let before = woken();
    rig.task("a", "one").unwrap();
    rig.program("a").says(&["text"]);
    assert_eq!(woken(), before);
    rig.program("a").done();
    assert_eq!(woken(), before + 1);
    assert_eq!(rig.live.tick(1_000_000), Some(1_000_050));
}

#[test]
fn an_agent_in_a_terminal_is_typed_to_and_its_turn_ends_when_it_is_quiet() {
    let mut agent = local("a");
    agent["controller"] = json!("pty");
    let rig = Rig::new(&swarm(&[agent, mock("b")], &[], "b>a"));
    rig.program("b").says(&["@a: one \u{1b}]52;c;x\u{7}and\u{202e} clean", "@a: two"]);
    assert_eq!(rig.program("a").heard(), ["b: one and clean"]);
    rig.program("a").quiet();
    assert!(rig.program("a").heard().is_empty(), "that silence was before the turn");
    rig.passes(limits::QUIET_MS);
    rig.program("a").quiet();
    assert_eq!(rig.program("a").heard(), ["b: two"]);
}

#[test]
fn m11_an_agent_is_stopped_after_its_turns() {
    let rig = Rig::new(&swarm(&[with("a", json!({"max_turns": 2})), mock("b")], &[], "b>a"));
    rig.task("a", "one").unwrap();
    rig.program("a").done();
    rig.task("a", "two").unwrap();
    rig.program("a").done();
    assert_eq!(rig.program("a").heard(), ["task: one", "task: two"]);
    assert!(rig.program("a").is_over(), "its program is ended");
    assert_eq!(rig.state("a"), "stopped");
}

#[test]
fn what_a_program_does_not_take_is_said_again_and_once() {
    let rig = Rig::new(&mocks("a b", "a>b"));
    rig.program("b").full.store(true, std::sync::atomic::Ordering::SeqCst);
    rig.program("a").says(&["@b: one"]);
    rig.program("b").done();
    assert_eq!(rig.waiting("b"), 1, "it waits again");
    rig.program("b").full.store(false, std::sync::atomic::Ordering::SeqCst);
    rig.passes(1_000);
    assert_eq!(rig.program("b").heard(), ["a: one"]);
    rig.passes(60_000);
    assert!(rig.program("b").heard().is_empty());
}

#[test]
fn an_agent_that_fails_is_started_again_where_its_config_says_so() {
    let rig = Rig::new(&swarm(&[with("a", json!({"restart": "on-failure"})), mock("b")], &[], "b>a"));
    rig.task("a", "lost with its turn").unwrap();
    rig.program("b").says(&["@a: kept"]);
    let old = rig.program("a");
    old.exits(Some(Exit::Signal(9)));
    assert_eq!(rig.state("a"), "initializing");
    assert_eq!(rig.starts("a"), 1, "not at once");
    rig.passes(1_000);
    assert_eq!(rig.hears_again("a"), ["b: kept"]);
    old.says(&["@b: from beyond"]);
    assert!(rig.program("b").heard().is_empty(), "a run that is over has no voice");
    rig.program("a").exits(Some(Exit::Code(0)));
    assert_eq!(rig.state("a"), "stopped");
}

#[test]
fn an_agent_that_may_not_is_not_started_again() {
    let rig = Rig::new(&mocks("a b", "b>a"));
    rig.program("a").exits(Some(Exit::Code(1)));
    rig.passes(600_000);
    assert_eq!((rig.state("a"), rig.starts("a")), ("stopped", 1));
    assert_eq!(rig.events("agent_stopped").len(), 1);
    rig.program("b").says(&["@a: anybody?"]);
    assert_eq!(rig.events("message_dropped").len(), 1);
}

#[test]
fn an_agent_that_does_not_start_is_in_error_and_the_others_run() {
    let fakes = Fakes::default();
    lock(&fakes.broken).insert("a".to_owned(), broken());
    let rig = Rig::with(&mocks("a b", "b>a"), fakes);
    assert_eq!((rig.state("a"), rig.state("b")), ("error", "idle"));
    let view = rig.live.agent(&name("a")).unwrap();
    assert!(view.reason.is_some_and(|reason| !reason.contains('/')));
    assert_eq!(rig.events("agent_error").len(), 1);
    assert_eq!(rig.task("a", "t").unwrap_err().code(), "agent_error");
}
