//! Objects and their handlers.

use serde_json::{Value, json};

use super::agent;
use crate::{
    backend::form::Form,
    swarm::config::{BUILT_IN, Config, Handler},
};

fn object(value: Value) -> Result<Config, (&'static str, String)> {
    let value = json!({"name": "s", "agents": [agent("a")], "objects": [value]});
    Config::of(&value).map_err(|error| (error.code(), error.answer()))
}

fn code(value: Value) -> &'static str {
    object(value).map_or_else(|(code, _)| code, |_| "")
}

#[test]
fn handlers_are_built_in_or_a_program() {
    for name in BUILT_IN {
        let config = object(json!({"name": "o", "handler": name, "config": {"any": 1}})).unwrap();
        assert_eq!(config.objects[0].handler, Handler::BuiltIn(name.to_owned()));
        assert_eq!(config.objects[0].backend, None);
    }
    for value in [
        json!({"name": "o", "handler": {"command": ["x", "y"]}}),
        json!({"name": "o", "handler": {"cmd": ["x", "y"]}, "backend": "local"}),
        json!({"name": "o", "config": {"command": ["x", "y"]}, "backend": {"type": "local"}}),
        json!({"name": "o", "handler": {"command": ["x", "y"]}, "config": {"cmd": ["x", "y"]}}),
    ] {
        let config = object(value).unwrap();
        let wanted = Handler::Process { command: vec!["x".to_owned(), "y".to_owned()] };
        assert_eq!((&config.objects[0].handler, &config.objects[0].backend), (&wanted, &Some(Form::Local)));
        assert!(config.objects[0].config.is_empty());
    }
}

#[test]
fn m5_references_to_packages_are_checked_and_refused() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let code = |handler: Value| code(json!({"name": "o", "handler": handler}));
    for bad in [
        json!({"ref": "swarmidx:x", "path": "p"}),
        json!({"ref": "oci:x", "digest": digest, "path": "p"}),
        json!({"ref": "swarmidx:", "digest": digest, "path": "p"}),
        json!({"ref": "swarmidx:x", "digest": "md5:00", "path": "p"}),
        json!({"ref": "swarmidx:x", "digest": "sha256:00", "path": "p"}),
        json!({"ref": "swarmidx:x", "digest": digest, "path": ""}),
        json!({"ref": 1}),
    ] {
        assert_eq!(code(bad.clone()), "invalid_handler_ref", "{bad}");
    }
    let right = json!({"ref": "swarmidx:x", "digest": digest, "path": "p"});
    assert_eq!(code(right), "handler_ref_not_supported");
}

#[test]
fn m6_an_object_without_a_handler_that_can_run_is_refused_in_genswarms_words() {
    for bad in [
        json!({"name": "o"}),
        json!({"name": "o", "handler": null}),
        json!({"name": "o", "handler": "Elixir.System"}),
        json!({"name": "o", "handler": "Counter"}),
        json!({"name": "o", "handler": ""}),
        json!({"name": "o", "handler": 1}),
        json!({"name": "o", "handler": ["log"]}),
        json!({"name": "o", "handler": {}}),
        json!({"name": "o", "backend": "docker:i"}),
        json!({"name": "o", "handler": "log", "config": {"command": ["x"]}}),
    ] {
        let wanted = ("invalid_handler", "Invalid or missing object handler".to_owned());
        assert_eq!(object(bad.clone()).unwrap_err(), wanted, "{bad}");
    }
}

#[test]
fn an_object_is_checked_like_an_agent() {
    for (bad, wanted) in [
        (json!("o"), "invalid_object_config"),
        (json!({"handler": "log"}), "invalid_object_config"),
        (json!({"name": "../x", "handler": "log"}), "invalid_object_name"),
        (json!({"name": "a", "handler": "log"}), "duplicate_name"),
        (json!({"name": "o", "handler": "log", "skill": []}), "unknown_key"),
        (json!({"name": "o", "handler": "log", "backend": "local"}), "invalid_backend"),
        (json!({"name": "o", "handler": {"command": ["x"]}, "backend": "mock"}), "invalid_backend"),
        (json!({"name": "o", "handler": {"command": ["x"]}, "backend": "vm"}), "invalid_backend"),
        (json!({"name": "o", "handler": {"command": "x"}}), "invalid_command"),
        (json!({"name": "o", "handler": {"command": ["x"]}, "config": {"cmd": ["y"]}}), "conflicting_keys"),
        (
            json!({"name": "o", "handler": {"command": ["x"]}, "config": {"network": "isolated"}}),
            "unsupported_option",
        ),
        (
            json!({"name": "o", "handler": {"command": ["x"]}, "config": {"workspace": "/"}}),
            "unsupported_option",
        ),
        (json!({"name": "o", "handler": "log", "config": {"subzeroclaw_path": "/"}}), "unsupported_option"),
        (json!({"name": "o", "handler": "log", "config": []}), "invalid_config"),
    ] {
        assert_eq!(code(bad.clone()), wanted, "{bad}");
    }
}
