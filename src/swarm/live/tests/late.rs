//! What comes while something else is under way, or too late.

use serde_json::{Value, json};

use super::rig::{Rig, broken, local, mock, name, object, swarm};
use crate::swarm::{
    Fault,
    config::{AgentConfig, Config, ObjectConfig},
    live::lock,
};

fn process(name: &str) -> Value {
    json!({"name": name, "handler": {"command": ["/bin/cat"]}})
}

fn agent(value: Value) -> AgentConfig {
    Config::of(&swarm(&[value], &[], "")).expect("a config").agents.remove(0)
}

fn thing(value: Value) -> ObjectConfig {
    Config::of(&swarm(&[mock("x")], &[value], "")).expect("a config").objects.remove(0)
}

#[test]
fn an_object_whose_program_does_not_start_leaves_nothing() {
    let rig = Rig::new(&swarm(&[mock("a")], &[], ""));
    lock(&rig.fakes.broken).insert("p".to_owned(), broken());
    let added = rig.live.add_object(thing(process("p")), &[name("a")], &[name("a")]);
    assert_eq!(added.unwrap_err().code(), "not_started");
    assert!(rig.live.object(&name("p")).is_none() && rig.live.topology().is_empty());
    lock(&rig.fakes.broken).clear();
    rig.live.add_object(thing(process("p")), &[name("a")], &[name("a")]).unwrap();
}

#[test]
fn an_object_that_is_replaced_while_its_swarm_stops_leaves_no_program() {
    let rig = Rig::new(&swarm(&[mock("a")], &[process("p")], "a>p"));
    let live = rig.live.clone();
    rig.fakes.meanwhile.then(move || _ = live.stop(std::time::Duration::ZERO));
    assert_eq!(rig.live.replace_object(thing(process("p"))), Err(Fault::NotRunning));
    assert_eq!(rig.starts("p"), 2);
    assert!(rig.program("p").is_over());
}

#[test]
fn a_program_that_is_being_started_is_not_started_beside_itself() {
    let rig = Rig::new(&swarm(&[mock("a")], &[], ""));
    let live = rig.live.clone();
    rig.fakes.meanwhile.then(move || assert!(live.launch_agent(&name("b")).is_err()));
    rig.live.add_agent(agent(mock("b")), &[], &[]).unwrap();
    assert_eq!((rig.starts("b"), rig.state("b")), (1, "idle"));
}

/// An earlier run may have left anything in the agent's own directory.
#[test]
fn a_workspace_is_reached_through_no_link() {
    let mut with = local("a");
    with["config"]["workspace"] = json!("deep/er");
    let rig = Rig::new(&swarm(&[with], &[object("o", "log")], ""));
    let cwd = rig.program("a").spec.cwd.clone();
    assert!(cwd.ends_with("workspace/deep/er") && cwd.is_dir());
    let deep = cwd.parent().expect("deep");
    let elsewhere = deep.parent().and_then(std::path::Path::parent).expect("the agent's own").join("logs");
    std::fs::remove_dir_all(deep).expect("removed");
    std::os::unix::fs::symlink(&elsewhere, deep).expect("a link");
    let fault = rig.live.restart_agent(&name("a")).unwrap_err();
    assert_eq!((fault.code(), rig.starts("a"), rig.state("a")), ("not_started", 1, "error"));
    assert!(!elsewhere.join("er").exists(), "nothing was made where the link leads");
}
