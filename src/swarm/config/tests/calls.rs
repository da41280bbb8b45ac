//! Agents and objects that are asked for later: what their lists let pass, and nothing else (spec genswarms
//! B.3, L.1.8).

use serde_json::{Value, json};

use crate::{
    limits,
    swarm::config::{Config, Foreign, agent_of_call, foreign, object_of_call},
};

fn seed() -> Config {
    Config::of(&json!({
        "name": "s",
        "agents": [
            {"name": "free", "backend": "local", "command": ["run", "it"]},
            {"name": "shut", "command": ["in", "a", "box"]},
            {"name": "docked", "backend": "docker:i"},
            {"name": "tight", "backend": {"type": "docker", "image": "t", "opts": {"memory_limit": "1G"}}},
            {"name": "told", "backend": "docker:u", "config": {"network": "own"}},
            {"name": "far", "backend": "ssh:u@h", "config": {"port": 2222, "endpoint": "https://x.example/"}},
        ],
        "objects": [{"name": "clerk", "handler": {"command": ["clerk"]}}],
    }))
    .unwrap()
}

/// Code and reason; the code is empty where nothing is wrong.
fn agent(value: Value) -> (&'static str, String) {
    match agent_of_call(&value, &seed()) {
        Ok(_) => ("", String::new()),
        Err(error) => (error.code(), error.why().to_owned()),
    }
}

fn object(value: Value) -> &'static str {
    object_of_call(&value, &seed()).map_or_else(|error| error.code(), |_| "")
}

#[test]
fn a_call_gives_an_agent_and_its_edges() {
    let value = json!({
        "name": "new", "backend": "local", "controller": "pty", "command": ["run", "it"], "skills": ["a.md"],
        "model": "m", "presets": ["base"], "connections": ["free"], "incoming": ["free", "clerk"],
        "config": {"max_turns": 3, "turn_timeout_ms": 5, "reply_to": "clerk", "reply_grace_ms": 9,
            "restart": "on-failure", "network": "open", "own": {"x": 1}},
    });
    let (agent, connections, incoming) = agent_of_call(&value, &seed()).unwrap();
    assert_eq!((connections.len(), incoming.len()), (1, 2));
    assert_eq!((agent.max_turns, agent.config.get("own")), (Some(3), Some(&json!({"x": 1}))));
    // what is kept of it comes through the same list at the next start
    let (again, ..) = agent_of_call(&agent.to_value(), &seed()).unwrap();
    assert_eq!(again, agent);
    assert_eq!(self::agent(json!({"name": "m", "backend": "mock", "config": {"script": [["x"]]}})).0, "");
}

#[test]
fn a_call_cannot_bring_what_only_a_seed_may() {
    for key in [
        "workspace",
        "env",
        "extra_env",
        "endpoint",
        "api_key",
        "volumes",
        "seccomp",
        "memory_limit",
        "extra_path",
        "extra_ro_binds",
        "extra_rw_binds",
        "subzeroclaw_path",
        "subzeroclaw_src",
        "container_name",
        "proc_mount",
        "privilege_mode",
        "store",
        "extra_store_paths",
        "request_extra",
        "compact_extra",
        "nice",
        "tools",
        "key_path",
        "password",
        "silently_accept_hosts",
    ] {
        let why = format!("forbidden_config_keys: {key}");
        for value in [json!(null), json!("x"), json!({"a": 1})] {
            let inner = json!({"name": "n", "backend": "mock", "config": {key: value}});
            assert_eq!(agent(inner), ("forbidden_config_keys", why.clone()), "{key} in config");
            assert_eq!(
                agent(json!({"name": "n", "backend": "mock", key: value})),
                ("forbidden_config_keys", why.clone())
            );
        }
    }
    let many = json!({"name": "n", "env": {}, "backend": {"type": "bwrap", "opts": {"seccomp": false}},
        "config": {"workspace": "/", "extra_path": "x", "max_turns": 1}});
    assert_eq!(agent(many).1, "forbidden_config_keys: env, extra_path, seccomp, workspace");
    assert_eq!(
        agent(json!({"name": "n", "backend": "docker:i", "config": {"network": "host"}})).0,
        "forbidden_config_keys"
    );
    assert_eq!(agent(json!({"name": "n", "backend": "docker:i", "config": {"network": "isolated"}})).0, "");
}

#[test]
fn a_program_of_a_call_is_one_of_the_seed_word_for_word_in_its_place() {
    for (backend, command, wanted) in [
        ("local", json!(["run", "it"]), ""),
        ("local", json!(["run"]), "command_not_in_seed"),
        ("local", json!(["run", "it", ""]), "command_not_in_seed"),
        ("local", json!(["/bin/sh", "-c", "id"]), "command_not_in_seed"),
        // a program of a sandbox is not to be had without it, the other way round is harmless
        ("local", json!(["in", "a", "box"]), "command_not_in_seed"),
        ("docker:i", json!(["run", "it"]), ""),
        ("bwrap", json!(["run", "it"]), ""),
        ("bwrap", json!(["in", "a", "box"]), ""),
        ("mock", json!(["other"]), "command_not_in_seed"),
        ("docker:i", json!(["other"]), "command_not_in_seed"),
    ] {
        for value in [
            json!({"name": "n", "backend": backend, "command": command}),
            json!({"name": "n", "backend": backend, "config": {"cmd": command}}),
        ] {
            assert_eq!(agent(value).0, wanted, "{backend} {command}");
        }
    }
    let error = agent_of_call(&json!({"name": "n", "backend": "local"}), &seed()).unwrap_err();
    assert_eq!(error.code(), "missing_command");
    assert!(error.suggestion().unwrap().contains("seed"));
}

/// What confines it, or where it is, a call does not choose.
#[test]
fn a_backend_of_a_call_is_one_of_the_seed_told_the_same() {
    for (backend, config, wanted) in [
        (json!("local"), json!({"command": ["run", "it"]}), true),
        (json!("mock"), json!({}), true),
        (json!("docker:i"), json!({}), true),
        (json!({"type": "docker", "image": "i"}), json!({}), true),
        (json!("docker:i"), json!({"network": "isolated"}), true),
        (json!("docker:i"), json!({"network": "open"}), false),
        (json!("docker:other"), json!({}), false),
        (json!("docker:i:latest"), json!({}), false),
        // The seed's own are held tighter, or are told something.
        (json!("docker:t"), json!({}), false),
        (json!("docker:u"), json!({}), false),
        (json!("docker:u"), json!({"network": "isolated"}), true),
        (json!("ssh:h"), json!({}), false),
        (json!("ssh:u@h"), json!({}), false),
        (json!("ssh:u@elsewhere"), json!({}), false),
        (json!("apple_container"), json!({}), false),
        (json!("apple_container:i"), json!({}), false),
        (json!("bwrap"), json!({"command": ["in", "a", "box"]}), true),
        (Value::Null, json!({"command": ["in", "a", "box"]}), true),
    ] {
        let (code, why) = agent(json!({"name": "n", "backend": backend, "config": config}));
        let refused = ("forbidden_config_keys", "forbidden_config_keys: backend".to_owned());
        assert_eq!((code, why), if wanted { ("", String::new()) } else { refused }, "{backend} {config}");
    }
    let open =
        json!({"name": "s", "agents": [{"name": "free", "backend": "local", "command": ["run", "it"]}]});
    let open = Config::of(&open).unwrap();
    for backend in [json!("bwrap"), Value::Null] {
        let given = json!({"name": "n", "backend": backend, "command": ["run", "it"]});
        let error = agent_of_call(&given, &open).unwrap_err();
        assert_eq!(error.code(), "forbidden_config_keys");
        assert!(error.suggestion().unwrap().contains("\"local\""), "{error}");
    }
    for (backend, wanted) in [
        ("local", ""),
        ("docker:i", ""),
        ("docker:t", "forbidden_config_keys"),
        ("docker:other", "forbidden_config_keys"),
        ("ssh:u@h", "forbidden_config_keys"),
    ] {
        let value = json!({"name": "n", "handler": {"command": ["clerk"]}, "backend": backend});
        assert_eq!(object(value), wanted, "{backend}");
    }
}

/// As it is kept and comes again: all nodes of a config are what its own seed may have, and of another's not.
#[test]
fn a_config_has_nothing_foreign_to_itself_and_another_backend_is() {
    let seed = seed();
    assert_eq!(foreign(&seed, &seed), None);
    let mut other = seed.clone();
    other.agents.retain(|agent| agent.name.as_str() != "tight");
    let tight = &seed.agents.iter().find(|agent| agent.name.as_str() == "tight").unwrap().name;
    assert_eq!(foreign(&seed, &other), Some(Foreign::Backend(tight)));
    other.agents.retain(|agent| agent.name.as_str() != "free");
    assert!(matches!(foreign(&seed, &other), Some(Foreign::Program(name)) if name.as_str() == "free"));
}

#[test]
fn a_call_is_read_as_strictly_as_a_config() {
    for (value, wanted) in [
        (json!([]), "invalid_agent_config"),
        (json!({"backend": "mock"}), "invalid_agent_config"),
        (json!({"name": "a b", "backend": "mock"}), "invalid_agent_name"),
        (json!({"name": "all", "backend": "mock"}), "invalid_agent_name"),
        (json!({"name": "n", "backend": "vm"}), "invalid_backend"),
        (json!({"name": "n", "backend": "mock", "conections": []}), "unknown_key"),
        (json!({"name": "n", "backend": "mock", "connections": "free"}), "invalid_connections"),
        (json!({"name": "n", "backend": "mock", "incoming": ["a b"]}), "invalid_connections"),
        (json!({"name": "n", "backend": "mock", "incoming": [1]}), "invalid_connections"),
        (
            json!({"name": "n", "backend": "mock", "connections": vec!["free"; limits::CONFIG_NODES + 1]}),
            "invalid_connections",
        ),
        (json!({"name": "n", "backend": "mock", "config": {"max_turns": 0}}), "invalid_config"),
        (json!({"name": "n", "backend": "mock", "config": {"netwrok": "open"}}), "unknown_key"),
        (json!({"name": "n", "backend": "mock", "skills": ["/etc/passwd"]}), "invalid_skill_name"),
    ] {
        assert_eq!(agent(value.clone()).0, wanted, "{value}");
    }
}

#[test]
fn objects_of_a_call_have_a_handler_that_is_there() {
    for (value, wanted) in [
        (json!({"name": "n", "handler": "counter", "config": {"step": 2}, "connections": ["free"]}), ""),
        (json!({"name": "n", "handler": {"command": ["clerk"]}}), ""),
        (json!({"name": "n", "handler": {"command": ["run", "it"]}}), ""),
        (json!({"name": "n", "handler": {"command": ["in", "a", "box"]}}), "command_not_in_seed"),
        (json!({"name": "n", "handler": {"command": ["sh"]}}), "command_not_in_seed"),
        (json!({"name": "n", "config": {"command": ["sh"]}}), "command_not_in_seed"),
        (json!({"name": "n"}), "invalid_handler"),
        (json!({"name": "n", "handler": "none"}), "invalid_handler"),
        (json!({"handler": "log"}), "invalid_object_config"),
        (json!({"name": "n", "handler": "log", "incomming": []}), "unknown_key"),
        (json!({"name": "n", "handler": "log", "config": {"extra_ro_binds": []}}), "forbidden_config_keys"),
        (json!({"name": "n", "handler": "log", "config": {"subzeroclaw_path": ""}}), "forbidden_config_keys"),
        (
            json!({"name": "n", "handler": {"command": ["clerk"]}, "config": {"env": {}}}),
            "unsupported_option",
        ),
    ] {
        assert_eq!(object(value.clone()), wanted, "{value}");
    }
}

/// What stands in an overlay is asked for its programs once more: somebody may have written it.
#[test]
fn a_program_that_the_seed_does_not_have_where_it_is_to_run_is_foreign() {
    let seed = seed();
    let named_by = |agents: Value, objects: Value| {
        let config = Config::of(&json!({"name": "s", "agents": agents, "objects": objects})).unwrap();
        foreign(&config, &seed).map(|found| match found {
            Foreign::Program(name) | Foreign::Backend(name) => name.to_string(),
        })
    };
    let free = json!({"name": "free", "backend": "local", "command": ["run", "it"]});
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(named_by(json!([free]), json!([{"name": "o", "handler": {"command": ["clerk"]}}])), None);
    assert_eq!(named_by(json!([free]), json!([{"name": "o", "handler": {"command": ["sh"]}}])), named("o"));
    for (backend, command) in
        [("local", json!(["sh"])), ("local", json!(["in", "a", "box"])), ("mock", json!(["sh"]))]
    {
        let new = json!({"name": "new", "backend": backend, "command": command});
        assert_eq!(named_by(json!([free, new]), json!([])), named("new"), "{backend} {command}");
    }
}
