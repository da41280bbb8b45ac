//! What those who follow a swarm are told of its changes (spec genswarms D.6).

use std::{
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    store::testing::{Silent, in_own_mounts},
    swarm::events::{Follow, Level, Name, Query},
    sys::poll::Wake,
};

fn follow(rig: &Rig) -> Follow {
    rig.swarms.events().follow_pushes(Arc::new(Wake::new().expect("a descriptor")))
}

/// The pushes since the last time, without messages: what an agent does as `a idle`.
fn told(follow: &mut Follow) -> Vec<String> {
    let pushed = |(name, payload): (&str, &str)| {
        let payload: Value = serde_json::from_str(payload).expect("JSON");
        let word = |key: &str| payload[key].as_str().unwrap_or_default().to_owned();
        match name {
            "agent_status" => format!("{} {}", word("agent"), word("state")),
            "agent_added" | "agent_removed" => format!("{name} {}", word("name")),
            _ => name.to_owned(),
        }
    };
    let batch = follow.next(usize::MAX);
    assert_eq!(batch.missed, 0);
    batch.entries.iter().filter_map(|entry| entry.pushed().map(pushed)).collect()
}

#[test]
fn m10_each_change_that_was_made_is_told_once_behind_what_it_changed() {
    let rig = Rig::new();
    let mut follow = follow(&rig);
    let swarms = &rig.swarms;
    rig.create(&small()).expect("it is created");
    assert_eq!(told(&mut follow).last().map(String::as_str), Some("swarm_started"));

    let given = json!({"name": "x", "backend": "mock", "connections": ["alpha"], "incoming": ["beta"]});
    swarms.add_agent("s", &given).expect("it is added");
    assert_eq!(told(&mut follow), ["x idle", "agent_added x", "topology_changed"]);
    swarms.scale("s", "x", 2).expect("it is scaled");
    let scaled =
        ["x_1 idle", "agent_added x_1", "x_2 idle", "agent_added x_2", "x stopped", "agent_removed x"];
    assert_eq!(told(&mut follow), [&scaled[..], &["topology_changed"]].concat());
    swarms.scale("s", "x", 2).expect("nothing is to be done");
    assert_eq!(told(&mut follow), [""; 0]);
    swarms.remove_agent("s", "x_1").expect("it is removed");
    assert_eq!(told(&mut follow), ["x_1 stopped", "agent_removed x_1", "topology_changed"]);

    swarms.add_object("s", &json!({"name": "o", "handler": "log"})).expect("it is added");
    assert_eq!(told(&mut follow), ["topology_changed"]);
    let keys = json!({"threshold": 3});
    swarms.patch_object("s", "count", keys.as_object().expect("an object")).expect("it is changed");
    assert_eq!(told(&mut follow), ["topology_changed"]);
    swarms.remove_object("s", "o").expect("it is removed");
    assert_eq!(told(&mut follow), ["topology_changed"]);
    let (add, remove) = (pairs(&[("beta", "alpha")]), pairs(&[("alpha", "beta")]));
    assert_eq!(swarms.change_topology("s", &add, &remove), Ok((1, 1)));
    assert_eq!(told(&mut follow), ["topology_changed"]);

    // What was not changed is not told.
    assert_eq!(swarms.change_topology("s", &add, &[]), Ok((0, 0)));
    swarms.add_agent("s", &json!({"name": "alpha", "backend": "mock"})).expect_err("the name is taken");
    swarms.remove_agent("s", "nobody").expect_err("nobody is called so");
    swarms.pause("s").and_then(|_| swarms.resume("s")).expect("it goes on");
    assert_eq!(told(&mut follow), [""; 0]);
    swarms.restart_agent("s", "alpha").expect("it begins anew");
    assert_eq!(told(&mut follow), ["alpha initializing", "alpha idle"]);
    swarms.stop("s", false).expect("it stops");
    let stopped = ["alpha stopped", "beta stopped", "x_2 stopped", "swarm_stopped"];
    assert_eq!(told(&mut follow), stopped);
}

#[test]
fn a_swarm_that_is_told_to_have_started_is_shown_as_one_that_runs() {
    let rig = Rig::new();
    let wake = Arc::new(Wake::new().expect("a descriptor"));
    let mut follow = rig.swarms.events().follow_pushes(wake);
    let swarms = rig.swarms.clone();
    let end = Instant::now() + Duration::from_secs(60);
    let seen = thread::spawn(move || {
        while Instant::now() < end {
            let entries = follow.next(1).entries;
            if entries.iter().any(|entry| name_of(entry) == Some(Name::SwarmStarted)) {
                return swarms.status("s").map(|view| view.status);
            }
            thread::yield_now();
        }
        Err(Fault::NotRunning)
    });
    rig.create(&small()).expect("it is created");
    assert_eq!(seen.join().expect("no panic"), Ok("running"));
}

/// Spec genswarms L.1.13: what a caller planted in a configuration is in nothing that followers are told, and in
/// nothing that is kept.
#[test]
fn an_added_agents_spec_has_no_secret_no_variable_and_no_path() {
    let planted = json!({
        "command": ["/bin/cat", "--token", "planted-1", "/planted/path"], "workspace": "/planted/work",
        "env": {"HARMLESS": "planted-2"}, "api_key": "planted-3", "script": [["planted-4"]],
        "endpoint": "https://model.example/v1",
        "note": "see /planted/file", "where": ["a:/planted/x", "~/planted", "file:///planted/y"],
        "deep": {"DB_PASSWORD": "planted-7", "path": "--dir=/planted/z"}, "url": "https://model.example/planted-ok",
        "max_turns": 7,
    });
    let agent =
        json!({"name": "a", "backend": "local", "model": "m", "skills": ["web/a.md"], "config": planted});
    let mut agent_of = agent;
    // A script is for mock agents only.
    agent_of["config"].as_object_mut().expect("an object").remove("script");
    let config = Config::of(&json!({"name": "s", "agents": [agent_of]})).expect("a configuration");
    let spec = crate::swarm::config::spec(&config.agents[0]);
    let text = spec.to_string();
    let left = text.replace("https://model.example/planted-ok", "");
    assert!(!left.contains("planted"), "{text}");
    assert_eq!(
        (&spec["name"], &spec["backend"], &spec["model"]),
        (&json!("a"), &json!("local"), &json!("m"))
    );
    assert_eq!(spec["config"]["max_turns"], 7);
    assert_eq!(spec["config"]["env"], json!({"HARMLESS": "[REDACTED]"}));
    assert_eq!(spec["skills"], json!(["web/a.md"]));
    assert!(spec["endpoint"].as_str().is_some_and(|url| url.contains("model.example")));

    let rig = Rig::with(&small());
    let mut follow = follow(&rig);
    let given = json!({"name": "x", "backend": "mock", "config": {"my_token": "planted", "at": "/planted"}});
    rig.swarms.add_agent("s", &given).expect("it is added");
    let entries = follow.next(usize::MAX).entries;
    let texts = entries.iter().flat_map(|entry| [entry.event_json(), entry.pushed().map(|(_, text)| text)]);
    assert!(texts.flatten().all(|text| !text.contains("planted")));
    let is_added = |entry: &&Arc<_>| Some(Name::AgentAdded) == name_of(entry);
    assert_eq!(entries.iter().filter(is_added).count(), 1);
}

fn name_of(entry: &crate::swarm::events::Entry) -> Option<Name> {
    entry.event().map(|event| event.draft.event_type)
}

#[test]
fn a_purge_that_leaves_something_is_told() {
    if !in_own_mounts(module_path!(), "a_purge_that_leaves_something_is_told") {
        return;
    }
    let rig = Rig::with(&small());
    let mounted = rig.temp.path().join("swarms/s/agents/alpha/kept");
    std::fs::create_dir_all(&mounted).expect("made");
    let _silent = Silent::over(&mounted);
    rig.swarms.stop("s", true).expect("it is gone from the shelf");
    assert!(rig.swarms.list().is_empty());
    let query = Query { since: Some(0), most: usize::MAX, ..Query::default() };
    let events = rig.swarms.events().page(&query).expect("memory alone").events;
    let left: Vec<_> = events.iter().filter(|event| event.draft.event_type == Name::SwarmError).collect();
    assert!(matches!(left.as_slice(), [event] if event.draft.level == Level::Warning), "{left:?}");
}
