//! Text of a more confined agent is in the inbox of a less confined terminal and is not typed, on any way.

use serde_json::{Value, json};

use super::{
    letters::{inbox, post},
    rig::{Rig, name, object, swarm},
};
use crate::swarm::view::Speech;

fn pty(name: &str, backend: &str) -> Value {
    json!({"name": name, "backend": backend, "config": {"command": ["/bin/cat"], "controller": "pty"}})
}

fn isolated(name: &str) -> Value {
    let config = json!({"command": ["/bin/cat"], "network": "isolated"});
    json!({"name": name, "backend": "bwrap", "config": config})
}

/// Whether the only thing that became of a message is a file in the inbox and an event.
#[track_caller]
fn is_left(rig: &Rig, to: &str, content: &str) {
    let program = rig.program(to);
    assert_eq!(program.heard(), Vec::<String>::new(), "it is typed");
    let files = inbox(&program);
    assert!(files.iter().any(|file| file["content"] == content), "{files:?}");
    let events = rig.events("message_not_typed");
    assert!(events.last().is_some_and(|event| event.draft.agent.as_deref() == Some(to)), "{events:?}");
}

#[test]
fn text_of_an_isolated_agent_is_not_typed_into_a_less_confined_terminal_on_any_way() {
    let agents = [isolated("inner"), pty("outer", "local"), pty("boxed", "bwrap")];
    type Way<'a> = &'a dyn Fn(&Rig, &str);
    let ways: [(&str, Way<'_>); 5] = [
        ("line", &|rig, to| rig.program("inner").says(&[&format!("@{to}: line")])),
        ("all", &|rig, _| rig.program("inner").says(&["@all: all"])),
        ("letter", &|rig, to| {
            post(&rig.program("inner"), "1.json", &json!({"to": to, "content": "letter"}));
            rig.passes(200);
        }),
        ("token", &|rig, to| {
            let speech = Speech::Send { to: to.to_owned(), content: "token".to_owned() };
            rig.live.speak(&name("inner"), speech).expect("it is taken");
        }),
        ("operator", &|rig, to| drop(rig.live.message("inner", to, "operator").expect("it is taken"))),
    ];
    for to in ["outer", "boxed"] {
        for (content, way) in &ways {
            let rig = Rig::new(&swarm(&agents, &[], &format!("inner>{to}")));
            way(&rig, to);
            is_left(&rig, to, content);
        }
    }
}

#[test]
fn an_object_between_them_hands_on_what_is_not_typed_either() {
    let agents = [isolated("inner"), pty("outer", "local")];
    let objects = [object("one", "relay"), object("two", "relay")];
    let rig = Rig::new(&swarm(&agents, &objects, "inner>one one>two two>outer"));
    rig.program("inner").says(&["@one: handed on"]);
    assert_eq!(rig.program("outer").heard(), Vec::<String>::new());
    let program = json!({"name": "p", "handler": {"command": ["/bin/cat"]}});
    let rig = Rig::new(&swarm(&agents, std::slice::from_ref(&program), "inner>p p>outer"));
    rig.program("p").says(&[r#"{"action":"send","to":"outer","content":"of its own accord"}"#]);
    assert_eq!(rig.program("outer").heard(), Vec::<String>::new());
    // What an agent answers to needs no edge.
    let mut answering = isolated("inner");
    answering["config"]["reply_to"] = json!("p");
    let rig = Rig::new(&swarm(&[answering, pty("outer", "local")], &[program], "p>outer"));
    rig.program("p").says(&[r#"{"action":"send","to":"outer","content":"what it was answered"}"#]);
    assert_eq!(rig.program("outer").heard(), Vec::<String>::new());
}

#[test]
fn text_of_an_agent_that_is_no_more_confined_is_typed() {
    for (from, to) in [("local", "local"), ("local", "bwrap"), ("bwrap", "bwrap")] {
        let from = json!({"name": "a", "backend": from, "config": {"command": ["/bin/cat"]}});
        let rig = Rig::new(&swarm(&[from, pty("b", to)], &[object("o", "relay")], "a>b a>o o>b"));
        rig.program("a").says(&["@b: hi"]);
        assert_eq!(rig.program("b").heard(), ["a: hi"], "{to}");
        assert!(rig.events("message_not_typed").is_empty());
    }
    let reader = json!({"name": "b", "backend": "local", "config": {"command": ["/bin/cat"]}});
    let rig = Rig::new(&swarm(&[isolated("a"), reader], &[], "a>b"));
    rig.program("a").says(&["@b: data"]);
    assert_eq!(rig.program("b").heard(), ["a: data"], "lines of the protocol are not typed");
}
