//! What the configuration's reader takes, the gate takes too, and gives back as it was.

use std::{fs, path::Path};

use serde_json::json;

use super::*;
use crate::swarm::{config::Config, ir::fuzz::agrees};

#[test]
fn every_example_starts_and_comes_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/swarms");
    let mut examples = 0;
    for file in fs::read_dir(&folder).expect("examples") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            println!("{}", path.display());
            let config = Config::parse(&fs::read(&path).expect("can be read")).expect("is right");
            agrees(&config.beside(&folder));
            examples += 1;
        }
    }
    assert!(examples > 0);
}

#[test]
fn every_form_of_a_configuration_starts_and_comes_back() {
    let command = json!(["cat"]);
    let longest = "m".repeat(256);
    let backends = [
        json!("local"),
        json!("bwrap"),
        json!("apple_container"),
        json!("apple_container:i"),
        json!("docker:r.io:5/i@sha256:00"),
        json!("ssh:u@h"),
        json!({"type": "docker", "image": longest, "opts": {"network": "isolated", "memory_limit": "1G"}}),
        json!({"type": "apple_container", "image": "i", "opts": {"cpu_limit": 1}}),
        json!({"type": "ssh", "host": "h", "opts": {"port": 22, "key_path": "/k"}}),
        json!({"type": "bwrap", "opts": {"extra_path": ["/opt"], "nice": 3}}),
    ];
    let of = |fields: Value| {
        let mut agent = json!({"name": "a", "backend": "local", "command": command});
        extend(&mut agent, fields);
        agent
    };
    let mut agents: Vec<Value> = backends.iter().map(|backend| of(json!({ "backend": backend }))).collect();
    agents.extend([
        of(json!({"model": "default"})),
        of(json!({"model": longest})),
        of(json!({"controller": "pty", "skills": ["s.md"], "tools": ["git"], "presets": ["web"]})),
        of(json!({"controller": {"type": "pty", "rows": 50, "cols": 100, "submit": "once"}})),
        of(json!({"workspace": "w/a", "env": {"A": "b"}, "config": {"max_turns": 3, "restart": "on-failure",
                  "reply_to": "o", "reply_grace_ms": 5, "turn_timeout_ms": 9, "own": {"deep": [{}]}}})),
        of(json!({"backend": "mock", "command": null, "config": {"script": [["{content}"], []]}})),
    ]);
    for agent in agents {
        let objects = json!([
            {"name": "o", "handler": "relay", "config": {"to": ["a"]}},
            {"name": "p", "handler": {"command": ["cat"]}, "config": {"x": 1}},
            {"name": "q", "config": {"command": ["cat"]}, "backend": "docker:i"},
        ]);
        let config = json!({"name": "s", "agents": [agent], "objects": objects, "options": {"x": [1]},
                            "topology": [["p", "a"], {"from": "a", "to": "o"}], "autostart": true});
        agrees(&Config::of(&config).unwrap_or_else(|error| panic!("{agent}: {error:?}")));
    }
}
