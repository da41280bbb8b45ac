//! Objects in a running swarm: answers, circles, crashes, replacement.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::rig::{Rig, mock, mocks, name, object, swarm};
use crate::{
    agent::Exit,
    limits,
    swarm::{
        Fault, TaskFault,
        config::{Config, ObjectConfig},
        live::lock,
        view::{Answer, Speech},
    },
};

fn ask(rig: &Rig, to: &str, content: &str) -> Value {
    let speech = Speech::Ask { to: to.to_owned(), content: content.to_owned(), id: Some("q1".to_owned()) };
    match rig.live.speak(&name("a"), speech) {
        Ok(Answer::Asked(envelope)) => envelope,
        other => panic!("no envelope: {other:?}"),
    }
}

/// An object of a config.
fn made(value: Value) -> ObjectConfig {
    let config = json!({"name": "x", "agents": [mock("x")], "objects": [value]});
    Config::of(&config).unwrap().objects.remove(0)
}

#[test]
fn m11_asks_are_answered_at_once_and_start_no_turn() {
    let process = json!({"name": "p", "handler": {"command": ["/bin/cat"]}});
    let objects = [object("count", "counter"), process];
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &objects, "a>count a>b a>p"));
    let envelope = ask(&rig, "count", "add");
    assert_eq!((&envelope["ok"], &envelope["result"]), (&json!(true), &json!({"count": 1})));
    assert_eq!(envelope["correlation_id"], "q1");
    for (to, code) in [
        ("b", "not_an_object"),
        ("nobody", "route_denied"),
        ("metrics", "target_not_found"),
        ("p", "not_supported"),
    ] {
        let envelope = ask(&rig, to, "x");
        assert_eq!((&envelope["ok"], &envelope["error"]["code"]), (&json!(false), &json!(code)), "{to}");
    }
    let long = "x".repeat(limits::SWARM_MESSAGE + 1);
    assert_eq!(ask(&rig, "count", &long)["error"]["code"], "invalid_content");
    let bad = Speech::Ask { to: "count".to_owned(), content: String::new(), id: Some("../x".to_owned()) };
    assert_eq!(rig.live.speak(&name("a"), bad).unwrap_err().status(), 400);
    assert!(rig.program("a").heard().is_empty() && rig.program("b").heard().is_empty());
}

#[test]
fn m11_an_object_answers_along_an_edge_only() {
    let rig =
        Rig::new(&swarm(&[mock("a"), mock("b")], &[object("count", "counter")], "a>count count>a b>count"));
    rig.program("a").says(&["@count: get"]);
    assert_eq!(rig.program("a").heard(), [r#"count: {"count":0}"#]);
    rig.program("b").says(&["@count: get"]);
    assert!(rig.program("b").heard().is_empty());
    assert_eq!(rig.events("invalid_route").len(), 1);
}

#[test]
fn messages_between_objects_end_after_the_limit_of_hops() {
    let objects = [object("one", "relay"), object("two", "relay"), object("three", "relay")];
    // A relay never answers whom it has a message from: the circle has three.
    let rig = Rig::new(&swarm(&[mock("a")], &objects, "a>one one>two two>three three>one"));
    rig.program("a").says(&["@one: round and round"]);
    let relayed = |rig: &Rig| -> u64 {
        let one = |text| rig.live.object(&name(text)).unwrap().1.unwrap()["relayed"].as_u64().unwrap();
        one("one") + one("two") + one("three")
    };
    assert_eq!(relayed(&rig), u64::from(limits::OBJECT_HOPS) + 1);
    let told = rig.events("hop_limit");
    assert_eq!((told.len(), &told[0].draft.metadata["count"]), (1, &json!(1)));
    rig.program("a").says(&["@one: once more"]);
    assert_eq!(relayed(&rig), 2 * (u64::from(limits::OBJECT_HOPS) + 1), "an agent's message begins anew");
}

#[test]
fn a_circle_that_forks_is_bounded_for_one_input() {
    let names = ["one", "two", "three", "four"];
    let objects = names.map(|name| object(name, "relay"));
    let edges: Vec<String> = names
        .iter()
        .flat_map(|from| names.map(|to| format!("{from}>{to}")))
        .chain(["a>one".to_owned()])
        .collect();
    let rig = Rig::new(&swarm(&[mock("a")], &objects, &edges.join(" ")));
    rig.program("a").says(&["@one: grow"]);
    let relayed: u64 = names
        .iter()
        .map(|text| rig.live.object(&name(text)).unwrap().1.unwrap()["relayed"].as_u64().unwrap())
        .sum();
    assert_eq!(relayed, limits::OBJECT_MESSAGES as u64 + 1);
    assert_eq!(rig.events("hop_limit").len(), 1, "told once for each input");
}

#[test]
fn the_bytes_that_objects_send_for_one_input_are_bounded() {
    let objects = ["one", "two", "three"].map(|name| object(name, "relay"));
    let rig = Rig::new(&swarm(&[mock("a")], &objects, "a>one one>two two>three three>one"));
    rig.live.message("a", "one", &"x".repeat(limits::SWARM_MESSAGE)).unwrap();
    let hops = limits::OBJECT_BYTES / limits::SWARM_MESSAGE;
    let relayed = ["one", "two", "three"]
        .map(|text| rig.live.object(&name(text)).unwrap().1.unwrap()["relayed"].as_u64().unwrap());
    assert_eq!(relayed.iter().sum::<u64>(), hops as u64 + 1);
}

#[test]
fn m11_an_object_that_is_a_process_speaks_lines_of_json() {
    let process = json!({"name": "p", "handler": {"command": ["/bin/cat"]}});
    let rig = Rig::new(&swarm(&[mock("a"), mock("b")], &[process], "a>p p>a p>b"));
    rig.program("a").says(&["@p: hello"]);
    assert_eq!(rig.program("p").lines(), [json!({"from": "a", "content": "hello"})]);
    rig.program("p").says(&[
        r#"{"action":"reply","content":"to you"}"#,
        r#"{"action":"send","to":"b","content":"to b"}"#,
        r#"{"action":"send","to":"p","content":"to me"}"#,
        "nonsense",
    ]);
    assert_eq!(rig.program("a").heard(), ["p: to you"]);
    assert_eq!(rig.program("b").heard(), ["p: to b"]);
    assert!(rig.program("p").lines().is_empty(), "no edge to itself");
    assert_eq!(rig.events("invalid_line").len(), 1);
    rig.program("p").exits(Some(Exit::Code(3)));
    let (view, _) = rig.live.object(&name("p")).unwrap();
    assert_eq!(view.state, "error");
    assert_eq!(rig.events("object_error").len(), 1);
    let crashed = rig.events("handler_crashed");
    assert_eq!((crashed.len(), crashed[0].draft.level.as_str()), (1, "error"));
    rig.program("a").says(&["@p: still there?"]);
    assert_eq!(rig.events("message_dropped").len(), 1);
    assert_eq!(ask(&rig, "p", "x")["error"]["code"], "object_error_state");
}

#[test]
fn a_message_that_an_objects_process_does_not_take_is_refused_and_told() {
    let process = json!({"name": "p", "handler": {"command": ["/bin/cat"]}});
    let rig = Rig::new(&swarm(&[mock("a")], &[process], "a>p"));
    let program = rig.program("p");
    program.full.store(true, Ordering::SeqCst);
    assert_eq!(rig.live.message("a", "p", "one"), Err(Fault::Task(TaskFault::InboxFull)));
    assert_eq!(rig.events("message_dropped").len(), 1);
    program.full.store(false, Ordering::SeqCst);
    rig.live.message("a", "p", "two").unwrap();
    assert_eq!(program.lines(), [json!({"from": "a", "content": "two"})]);
}

#[test]
fn an_object_whose_program_ends_well_has_not_crashed() {
    let process = json!({"name": "p", "handler": {"command": ["/bin/cat"]}});
    let rig = Rig::new(&swarm(&[mock("a")], &[process], ""));
    rig.program("p").exits(Some(Exit::Code(0)));
    assert_eq!((rig.events("object_error").len(), rig.events("handler_crashed").len()), (1, 0));
}

#[test]
fn m6_objects_come_and_go() {
    let rig = Rig::new(&mocks("a", ""));
    let add = |value| rig.live.add_object(made(value), &[name("a")], &[name("a")]);
    add(object("count", "counter")).unwrap();
    assert_eq!(ask(&rig, "count", "add")["result"]["count"], 1);
    let taken = Fault::NameTaken { code: "object_exists", name: "count".to_owned() };
    assert_eq!(add(object("count", "log")), Err(taken));
    assert_eq!(ask(&rig, "count", "get")["result"]["count"], 1, "the one that was there is untouched");
    assert_eq!(rig.live.remove_agent(&name("count")), Err(Fault::AgentNotFound));
    assert_eq!(rig.live.remove_object(&name("a")), Err(Fault::ObjectNotFound));
    rig.live.remove_object(&name("count")).unwrap();
    assert_eq!(ask(&rig, "count", "get")["error"]["code"], "route_denied", "its edges are gone");
    assert!(rig.live.topology().is_empty());
}

#[test]
fn m6_a_replaced_object_begins_anew_and_keeps_its_edges() {
    let rig = Rig::new(&swarm(&[mock("a")], &[object("count", "counter")], "a>count"));
    ask(&rig, "count", "add");
    let with = |config: Value| made(json!({"name": "count", "handler": "counter", "config": config}));
    rig.live.replace_object(with(json!({"step": 5}))).unwrap();
    assert_eq!(ask(&rig, "count", "add")["result"]["count"], 5);
    let mut wrong = with(json!({"step": 5}));
    wrong.config = json!({"step": "many"}).as_object().unwrap().clone();
    assert!(rig.live.replace_object(wrong).is_err());
    assert_eq!(ask(&rig, "count", "get")["result"]["count"], 5, "the old one goes on");
}

#[test]
fn m6_a_process_that_does_not_start_leaves_the_old_one() {
    let process = |word: &str| json!({"name": "p", "handler": {"command": [word]}});
    let rig = Rig::new(&swarm(&[mock("a")], &[process("/bin/cat")], "a>p"));
    super::super::lock(&rig.fakes.broken).insert("p".to_owned(), super::rig::broken());
    assert!(rig.live.replace_object(made(process("/bin/dog"))).is_err());
    assert!(!rig.program("p").is_over());
    rig.program("a").says(&["@p: hello"]);
    assert_eq!(rig.program("p").lines().len(), 1);
    super::super::lock(&rig.fakes.broken).clear();
    let old = rig.program("p");
    rig.live.replace_object(made(process("/bin/tac"))).unwrap();
    assert!(old.is_over() && !rig.program("p").is_over());
    assert_eq!(rig.live.object(&name("p")).unwrap().0.state, "idle", "the end of the old one is not its own");
    rig.program("a").says(&["@p: again"]);
    assert_eq!((rig.program("p").lines().len(), old.lines().len()), (1, 0));
}

#[test]
fn the_first_words_of_a_process_that_takes_an_objects_place_are_heard() {
    let process = json!({"name": "p", "handler": {"command": ["/bin/cat"]}});
    let rig = Rig::new(&swarm(&[mock("a")], std::slice::from_ref(&process), "p>a"));
    *lock(&rig.fakes.first_words) = Some(r#"{"action":"send","to":"a","content":"here"}"#);
    rig.live.replace_object(made(process)).unwrap();
    let mut heard = Vec::new();
    rig.until(|rig| {
        heard.extend(rig.program("a").heard());
        !heard.is_empty()
    });
    assert_eq!((heard, rig.starts("p")), (vec!["p: here".to_owned()], 2));
}
