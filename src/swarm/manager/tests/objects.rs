//! Objects and the changes of their configuration; what is shown of a swarm.

use super::*;

fn patch(rig: &Rig, keys: Value) -> Result<Vec<String>, Fault> {
    rig.swarms.patch_object("s", "count", keys.as_object().expect("an object"))
}

/// The configuration of `count`, as a snapshot shows it.
fn config(rig: &Rig) -> Value {
    let snapshot = rig.swarms.snapshot("s").expect("a snapshot");
    let objects = snapshot["objects"].as_array().expect("objects").clone();
    objects.into_iter().find(|object| object["name"] == "count").expect("it is there")["config"].clone()
}

#[test]
fn m6_objects_are_added_and_removed_and_are_no_agents() {
    let rig = Rig::with(&small());
    let spec = json!({"name": "notes", "handler": "log", "connections": ["alpha"], "incoming": ["beta"]});
    rig.swarms.add_object("s", &spec).expect("it is added");
    assert_eq!(rig.edges(), ["alpha>beta", "beta>count", "beta>notes", "notes>alpha"]);
    assert_eq!(code(rig.swarms.add_object("s", &spec)), "object_exists");
    assert_eq!(code(rig.swarms.remove_object("s", "alpha")), "object_not_found");
    assert_eq!(code(rig.swarms.remove_agent("s", "notes")), "agent_not_found");
    assert_eq!(code(rig.swarms.object("s", "alpha")), "object_not_found");
    assert_eq!(code(rig.swarms.agent("s", "notes")), "agent_not_found");
    rig.swarms.remove_object("s", "notes").expect("it goes");
    assert_eq!(rig.edges(), ["alpha>beta", "beta>count"]);
}

#[test]
fn m6_an_object_handler_that_is_missing_or_unknown_is_refused() {
    let rig = Rig::with(&small());
    for spec in
        [json!({"name": "o"}), json!({"name": "o", "handler": "nobody"}), json!({"name": "o", "handler": 3})]
    {
        let fault = rig.swarms.add_object("s", &spec).expect_err("no handler");
        let said = (fault.status(), fault.to_string());
        assert_eq!(said, (400, "Invalid or missing object handler".to_owned()), "{spec}");
    }
    for number in 0..1_000 {
        let spec = json!({"name": "o", "handler": format!("unknown{number}")});
        rig.swarms.add_object("s", &spec).expect_err("no handler");
    }
    assert_eq!(rig.swarms.objects("s").len(), 1);
}

#[test]
fn m6_object_config_patch_follows_the_schema() {
    let rig = Rig::with(&small());
    let schema = crate::swarm::objects::config_schema("counter").expect("a schema");
    let properties = schema["properties"].as_object().expect("properties");
    let is_mutable = |key: &&String| properties[*key]["x-mutable"] == true;
    let immutable = properties.keys().find(|key| !is_mutable(key)).expect("one that is not");
    let status = |result: Result<Vec<String>, Fault>| result.expect_err("a fault").status();
    assert_eq!(status(patch(&rig, json!({immutable: 1}))), 422);
    for key in ["subzeroclaw_path", "extra_ro_binds", "extra_rw_binds", "extra_path"] {
        assert_eq!(status(patch(&rig, json!({key: "/bin/sh"}))), 422);
    }
    let many: serde_json::Map<String, Value> = (0..201).map(|n| (format!("k{n}"), json!(n))).collect();
    let fault = patch(&rig, Value::Object(many)).expect_err("too many");
    assert_eq!((fault.status(), fault.code()), (400, "patch_too_large"));
    let none = serde_json::Map::new();
    assert_eq!(code(rig.swarms.patch_object("s", "nobody", &none)), "object_not_found");
    assert_eq!(code(rig.swarms.patch_object("s", "alpha", &none)), "object_not_found");
    assert_eq!(code(rig.swarms.patch_object("x", "count", &none)), "swarm_not_found");
    assert!(rig.ops().is_empty());

    assert_eq!(patch(&rig, json!({"step": 5})), Ok(vec!["step".to_owned()]));
    assert_eq!(config(&rig)["step"], 5);
    assert_eq!(rig.ops(), ["update_config"]);
    let rig = rig.reopen();
    rig.swarms.start("s").expect("it starts");
    assert_eq!(config(&rig)["step"], 5, "folded in before it boots");
}

#[test]
fn m6_a_removed_object_that_is_added_again_keeps_the_patches_that_follow() {
    let rig = Rig::with(&small());
    patch(&rig, json!({"step": 2})).expect("it is patched");
    rig.swarms.remove_object("s", "count").expect("it goes");
    rig.swarms.add_object("s", &json!({"name": "count", "handler": "counter"})).expect("it comes");
    patch(&rig, json!({"step": 7})).expect("it is patched");
    let rig = rig.reopen();
    rig.swarms.start("s").expect("it starts");
    assert_eq!(config(&rig)["step"], 7);
    assert_eq!(rig.ops(), ["update_config", "remove_object", "add_object", "update_config"]);
}

#[test]
fn m6_a_snapshot_hides_secrets_and_parses_back() {
    let secrets = ["api_key", "db_PASSWORD", "GH_TOKEN", "my_secret_word", "aws_credentials"];
    let mut config: serde_json::Map<String, Value> =
        secrets.iter().map(|key| ((*key).to_owned(), json!("hunter2"))).collect();
    config.insert("login".to_owned(), json!({"key_path": "keys/id", "password": "hunter2"}));
    config.insert("plain".to_owned(), json!("shown"));
    let document = json!({
        "name": "s",
        "agents": [{"name": "alpha", "backend": "mock", "config": config}],
        "objects": [{"name": "count", "handler": "counter"}],
        "topology": [["alpha", "count"]],
    });
    let rig = Rig::with(&document);
    let spec = json!({"name": "x", "backend": "mock", "config": {"pass_token": "hunter2"}});
    rig.swarms.add_agent("s", &spec).expect("it is added");
    let snapshot = rig.swarms.snapshot("s").expect("a snapshot");
    let text = snapshot.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("keys/id") && text.contains("shown") && text.contains("[REDACTED]"), "{text}");
    let again = Config::of(&snapshot).expect("it parses back");
    assert_eq!((again.agents.len(), again.objects.len(), again.topology.len()), (2, 1, 1));
    let overlay: Vec<Value> =
        rig.swarms.overlay("s").expect("an overlay").iter().map(|row| row.to_value()).collect();
    assert!(!json!(overlay).to_string().contains("hunter2"), "{overlay:?}");
    // What runs has its secrets: only what is shown has not.
    let rig = rig.reopen();
    rig.swarms.start("s").expect("it starts");
    let facts = rig.swarms.table.find("s").expect("it is kept").facts();
    let agent = facts.shown().agent("x").expect("it is there").clone();
    assert_eq!(agent.config["pass_token"], "hunter2");
}

#[test]
fn m6_error_bodies_never_hold_paths_or_words_of_the_system() {
    let rig = Rig::with(&small());
    let home = rig.temp.path().display().to_string();
    rig.swarms.shelf.set_aside(&crate::wire::node::NodeName::parse("s").expect("a name"));
    let faults = [
        rig.swarms.add_agent("s", &mock("x")).map(drop).expect_err("no disk"),
        rig.swarms.scale("s", "alpha", 2).map(drop).expect_err("no disk"),
        rig.swarms
            .create(Config::of(&json!({"name": "t", "agents": [mock("a")]})).expect("a config"))
            .and_then(|_| rig.swarms.add_agent("t", &json!({"name": "../../etc/passwd", "backend": "mock"})))
            .map(drop)
            .expect_err("a bad name"),
    ];
    for fault in faults {
        let text = fault.to_string();
        assert!(!text.contains(&home) && !text.contains("os error") && !text.contains("/etc"), "{text}");
    }
}
