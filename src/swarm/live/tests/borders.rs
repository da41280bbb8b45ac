//! What gets past no border of a running swarm, whichever way it comes.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use super::rig::{Rig, mock, name, object, swarm};
use crate::{
    agent::{Exit, protocol::Item},
    limits,
    swarm::{
        Fault, TaskFault,
        config::{AgentConfig, Config, ObjectConfig},
        live::lock,
        view::Speech,
    },
};

fn process(name: &str) -> Value {
    json!({"name": name, "handler": {"command": ["/bin/cat"]}})
}

fn made(agent: Value, object: Value) -> (AgentConfig, ObjectConfig) {
    let mut config = Config::of(&swarm(&[agent], &[object], "")).expect("a config");
    (config.agents.remove(0), config.objects.remove(0))
}

#[test]
fn who_sent_to_a_relay_does_not_get_it_back() {
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[object("r", "relay")], "a>r r>a r>b"));
    rig.program("a").says(&["@r: hello"]);
    assert_eq!(rig.program("b").heard(), ["r: hello"]);
    assert!(rig.program("a").heard().is_empty());
}

/// A `reply_to` needs no edge, because it is an object: an agent that has got the object's name is none.
#[test]
fn a_turns_text_never_goes_to_an_agent_without_an_edge() {
    let config = json!({"name": "a", "backend": "mock", "config": {"reply_to": "o", "reply_grace_ms": 1}});
    let rig = Rig::new(&swarm(&[config], &[object("o", "log")], ""));
    rig.live.remove_object(&name("o")).unwrap();
    let (other, _) = made(mock("o"), object("x", "log"));
    rig.live.add_agent(other, &[], &[]).unwrap();
    rig.task("a", "one").unwrap();
    rig.program("a").says(&["text"]);
    rig.program("a").done();
    rig.passes(10);
    assert!(rig.program("o").heard().is_empty() && rig.waiting("o") == 0);
    assert_eq!((rig.events("auto_delivered").len(), rig.events("auto_deliver_failed").len()), (0, 1));
}

#[test]
fn a_process_that_was_replaced_says_nothing_more() {
    let rig = Rig::new(&swarm(&[mock("a")], &[process("p")], "a>p p>a"));
    let old = rig.program("p");
    let (_, again) = made(mock("x"), process("p"));
    rig.live.replace_object(again).unwrap();
    old.says(&[r#"{"action":"send","to":"a","content":"from the grave"}"#]);
    assert!(rig.program("a").heard().is_empty());
    rig.program("p").says(&[r#"{"action":"send","to":"a","content":"alive"}"#]);
    assert_eq!(rig.program("a").heard(), ["p: alive"]);
}

#[test]
fn processes_that_answer_each_other_at_once_end_after_the_limit_of_hops() {
    let rig = Rig::new(&swarm(&[mock("a")], &[process("p"), process("q")], "a>p p>q q>p"));
    rig.program("a").says(&["@p: begin"]);
    let mut told = 0_u32;
    while told <= 2 * limits::OBJECT_HOPS {
        let (from, to) = if told.is_multiple_of(2) { ("p", "q") } else { ("q", "p") };
        if rig.program(from).lines().is_empty() {
            break;
        }
        told += 1;
        rig.program(from).says(&[&json!({"action": "send", "to": to, "content": "on"}).to_string()]);
    }
    assert_eq!((told, rig.events("hop_limit").len()), (limits::OBJECT_HOPS + 1, 1));
    // Later it speaks of its own accord.
    rig.passes(1_000);
    rig.program("p").says(&[r#"{"action":"send","to":"q","content":"anew"}"#]);
    assert_eq!(rig.program("q").lines().len(), 1);
}

#[test]
fn who_sends_to_an_object_that_is_broken_is_told() {
    let rig = Rig::new(&swarm(&[mock("a")], &[process("p")], "a>p"));
    rig.program("p").exits(Some(Exit::Code(1)));
    assert_eq!(rig.live.message("a", "p", "x"), Err(Fault::Task(TaskFault::Error)));
    assert_eq!(rig.events("message_dropped").len(), 1);
    assert!(rig.live.stop(Duration::from_millis(limits::STOP_MS)));
}

#[test]
fn a_program_that_was_replaced_says_nothing_more_and_ends_no_turn() {
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[], "a>b"));
    let old = rig.program("a");
    rig.live.restart_agent(&name("a")).unwrap();
    rig.task("a", "one").unwrap();
    old.says(&["@b: from the grave"]);
    old.done();
    assert!(rig.program("b").heard().is_empty());
    assert_eq!(rig.state("a"), "working");
    rig.program("a").says(&["@b: alive"]);
    rig.program("a").done();
    assert_eq!((rig.program("b").heard(), rig.state("a")), (vec!["a: alive".to_owned()], "idle"));
}

#[test]
fn what_could_not_be_said_to_a_removed_agent_is_not_said_to_one_of_its_name() {
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[], ""));
    rig.live.remove_agent(&name("a")).unwrap();
    let (again, _) = made(mock("a"), object("x", "log"));
    rig.live.add_agent(again, &[], &[]).unwrap();
    let old = Item::Task { content: "for the one before".to_owned() };
    for run in [1, 2] {
        rig.live.input(|pass| pass.not_said(&name("a"), run, old.clone(), 1));
    }
    rig.passes(600_000);
    assert!(rig.program("a").heard().is_empty() && rig.waiting("a") == 0);
}

#[test]
fn an_agent_that_is_over_speaks_to_nobody_by_its_token() {
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[], "a>b"));
    rig.program("a").exits(Some(Exit::Code(0)));
    for speech in [
        Speech::Send { to: "b".to_owned(), content: "x".to_owned() },
        Speech::Broadcast { content: "x".to_owned() },
        Speech::List,
    ] {
        assert_eq!(rig.live.speak(&name("a"), speech).unwrap_err(), Fault::Task(TaskFault::Stopped));
    }
    assert!(rig.program("b").heard().is_empty());
}

#[test]
fn an_object_takes_no_message_over_the_limit_and_none_of_a_swarm_that_is_stopped() {
    let rig = Rig::new(&swarm(&[mock("a")], &[object("o", "log")], "a>o"));
    let total = || rig.live.object(&name("o")).unwrap().1.unwrap()["total"].clone();
    let long = "x".repeat(limits::SWARM_MESSAGE + 1);
    assert_eq!(rig.live.message("a", "o", &long), Err(Fault::TooLarge { most: limits::SWARM_MESSAGE }));
    assert_eq!(total(), 0);
    rig.live.message("a", "o", &long[1..]).unwrap();
    assert!(rig.live.stop(Duration::from_millis(limits::STOP_MS)));
    assert_eq!(rig.live.message("a", "o", "late"), Err(Fault::NotRunning));
    assert_eq!(total(), 1);
}

#[test]
fn an_agent_that_is_being_started_is_not_started_a_second_time() {
    let rig = Rig::new(&swarm(&[mock("a")], &[], ""));
    let results: Arc<Mutex<Vec<Result<(), Fault>>>> = Arc::default();
    let (live, noted) = (rig.live.clone(), results.clone());
    rig.fakes.meanwhile.then(move || lock(&noted).push(live.restart_agent(&name("b"))));
    let (again, _) = made(mock("b"), object("x", "log"));
    rig.live.add_agent(again, &[], &[]).unwrap();
    assert_eq!(*lock(&results), [Err(Fault::Busy)]);
    assert_eq!((rig.starts("b"), rig.state("b")), (1, "idle"));
}

#[test]
fn where_a_program_does_not_end_no_other_is_started_in_its_place_and_it_is_told() {
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[], "a>b"));
    for program in ["a", "b"] {
        rig.program(program).stays.store(true, Ordering::SeqCst);
    }
    assert_eq!(rig.live.restart_agent(&name("a")), Err(Fault::StillThere));
    assert_eq!((rig.starts("a"), rig.state("a")), (1, "error"));
    assert_eq!(rig.live.remove_agent(&name("b")), Err(Fault::StillThere));
    let rig = Rig::new(&swarm(&[mock("a")], &[], ""));
    rig.program("a").stays.store(true, Ordering::SeqCst);
    assert!(!rig.live.stop(Duration::ZERO), "something of it is left");
}
