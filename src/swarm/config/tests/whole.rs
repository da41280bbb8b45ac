//! The config as a whole: the order of its rules, its edges, and its one form.

use serde_json::{Value, json};

use super::agent;
use crate::swarm::config::Config;

/// Code, answer and line of validation.
fn told(value: Value) -> (&'static str, String, String) {
    let error = Config::of(&value).unwrap_err();
    (error.code(), error.answer(), error.validation())
}

#[test]
fn m5_what_is_missing_is_told_in_genswarms_words() {
    let bare = |code: &'static str| (code, code.to_owned(), format!(":{code}"));
    assert_eq!(told(json!([])), bare("invalid_config_format"));
    assert_eq!(told(json!("x")), bare("invalid_config_format"));
    for none in [json!({"agents": [agent("a")]}), json!({"name": ""}), json!({"name": null}), json!({})] {
        assert_eq!(told(none), bare("missing_name"));
    }
    for none in [
        json!({"name": "s"}),
        json!({"name": "s", "agents": []}),
        json!({"name": "s", "agents": {}}),
        json!({"name": "s", "agents": null}),
    ] {
        assert_eq!(told(none), bare("missing_or_empty_agents"));
    }
    let rule =
        "Name must start with a letter and contain only alphanumeric, underscore, or hyphen characters";
    for bad in [json!("../x"), json!("1s"), json!("s\n"), json!(5), json!(["s"])] {
        let (code, answer, _) = told(json!({"name": bad, "agents": [agent("a")]}));
        assert_eq!((code, answer.as_str()), ("invalid_name", rule));
    }
    let (code, _, line) = told(json!({"name": "s", "agents": [{"name": "a", "backend": "local"}]}));
    assert_eq!(
        (code, line.as_str()),
        ("missing_command", "Missing required field: agents[0].config.command")
    );
    let (code, _, line) = told(json!({"name": "s", "agents": [{"name": "a", "backend": "vm"}]}));
    assert_eq!(code, "invalid_backend");
    assert!(line.starts_with("Invalid field 'agents[0].backend': "), "{line}");
}

#[test]
fn m5_edges_join_nodes_of_the_config_and_all_that_do_not_are_told() {
    let with = |topology: Value| {
        let objects = json!([{"name": "o", "handler": "log"}]);
        json!({"name": "s", "agents": [agent("a"), agent("b")], "objects": objects, "topology": topology})
    };
    let edges =
        Config::of(&with(json!([["a", "b"], {"from": "b", "to": "o"}, ["a", "a"], ["a", "b"]]))).unwrap();
    assert_eq!(edges.to_value()["topology"], json!([["a", "b"], ["b", "o"], ["a", "a"]]));
    let (code, answer, line) = told(with(json!([["a", "b"], ["a", "x"], ["a"], ["y", "z"]])));
    let wanted = "Invalid topology: unknown_agent \"x\", invalid_edge_format at 2, unknown_agent \"y\", unknown_agent \"z\"";
    assert_eq!((code, answer.as_str(), line.as_str()), ("invalid_topology", wanted, wanted));
    for bad in [
        json!({}),
        json!("a"),
        json!([[]]),
        json!([["a", "b", "a"]]),
        json!([["a", 1]]),
        json!(["a"]),
        json!([null]),
        json!([{"from": "a"}]),
        json!([{"from": "a", "to": "b", "x": 1}]),
        json!([{"from": "a", "too": "b"}]),
        json!([["a", "metrics"]]),
        json!([["a", "all"]]),
        json!([["a", "A"]]),
        json!([["a", "b\n"]]),
    ] {
        assert_eq!(told(with(bad.clone())).0, "invalid_topology", "{bad}");
    }
    let many = told(with(json!(vec![["x", "y"]; 5_000]))).1;
    assert!(many.len() < 1_000 && many.ends_with("and 9990 more"), "{many}");
}

#[test]
fn names_are_different_over_agents_and_objects() {
    let (code, ..) = told(json!({"name": "s", "agents": [agent("a"), agent("a")]}));
    assert_eq!(code, "duplicate_name");
    // case is kept: two names that differ in it are two names
    assert!(Config::of(&json!({"name": "s", "agents": [agent("a"), agent("A")]})).is_ok());
}

#[test]
fn unknown_fields_are_refused_wherever_they_stand() {
    for (value, field, meant) in [
        (json!({"nmae": "s", "agents": [agent("a")]}), "nmae", "did you mean \"name\"?"),
        (
            json!({"name": "s", "agents": [agent("a")], "auto_start": true}),
            "auto_start",
            "did you mean \"autostart\"?",
        ),
        (
            json!({"name": "s", "agents": [{"name": "a", "skils": []}]}),
            "agents[0].skils",
            "did you mean \"skills\"?",
        ),
    ] {
        let error = Config::of(&value).unwrap_err();
        assert_eq!((error.code(), error.field().as_str()), ("unknown_key", field));
        assert_eq!(error.suggestion(), Some(meant));
    }
    assert!(Config::of(&json!({"$schema": "x.json", "name": "s", "agents": [agent("a")]})).is_ok());
    assert!(Config::of(&json!({"$schema": 1, "name": "s", "agents": [agent("a")]})).is_err());
}

#[test]
fn the_rest_is_checked_too() {
    for (key, value, code) in [
        ("options", json!([]), "invalid_options"),
        ("options", json!({"skills_base_dir": "/"}), "unsupported_option"),
        ("autostart", json!("yes"), "invalid_autostart"),
        ("objects", json!({}), "invalid_object_config"),
    ] {
        let mut config = json!({"name": "s", "agents": [agent("a")]});
        config[key] = value;
        assert_eq!(told(config).0, code, "{key}");
    }
    let reply = |to: &str| json!({"name": "s", "agents": [{"name": "a", "backend": "mock", "config": {"reply_to": to}}], "objects": [{"name": "o", "handler": "log"}]});
    assert!(Config::of(&reply("o")).is_ok());
    for bad in ["a", "x", "a b"] {
        assert_eq!(told(reply(bad)).0, "unknown_reply_to");
    }
}

#[test]
fn a_config_is_written_in_one_form_that_reads_as_the_same() {
    let config = Config::of(&json!({
        "name": "s", "autostart": true, "options": {"x": [1.5, null]},
        "agents": [
            {"name": "a", "backend": {"type": "local"}, "cmd": ["x"], "env": {"B": "2", "A": "1"}, "workspace": "w",
             "controller": "pty", "tools": ["git"], "presets": ["base"], "skills": ["s.md"], "model": "m",
             "config": {"max_turns": 1, "restart": "on-failure", "reply_grace_ms": 1_000, "own": null}},
            {"name": "b", "backend": "ssh:u@h", "config": {"port": 22}},
            {"name": "c", "backend": "mock", "config": {"script": [["{content}"]], "reply_to": "o"}},
        ],
        "objects": [{"name": "o", "handler": "counter", "config": {"n": 1}}, {"name": "p", "config": {"cmd": ["x"]}}],
        "topology": [{"from": "a", "to": "b"}],
    }))
    .unwrap();
    let written = config.to_value();
    assert_eq!(
        written["agents"][0],
        json!({
            "name": "a", "backend": "local", "model": "m", "skills": ["s.md"], "tools": ["git"], "presets": ["base"],
            "controller": {"type": "pty", "rows": 24, "cols": 80, "submit": "thrice"},
            "config": {"command": ["x"], "env": {"A": "1", "B": "2"}, "workspace": "w", "max_turns": 1,
                "restart": "on-failure", "own": null},
        })
    );
    assert_eq!(
        written["objects"][1],
        json!({"name": "p", "handler": {"command": ["x"]}, "backend": "local"})
    );
    assert_eq!(Config::of(&written).as_ref(), Ok(&config));
    assert_eq!(Config::parse(written.to_string().as_bytes()), Ok(config));
}

#[test]
fn a_running_swarm_may_have_lost_its_last_agent() {
    let empty = json!({"name": "s", "agents": [], "objects": [{"name": "o", "handler": "log"}]});
    assert!(Config::of_running(&empty).is_ok());
    assert!(Config::of(&empty).is_err());
    assert!(Config::of_running(&json!({"name": "s"})).is_err());
}
