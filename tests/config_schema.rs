//! The schema of a config in docs/ says what the parser does: over the examples, and over a table of good
//! and bad documents.
//!
//! The checker knows the keywords that the schema uses, and fails on any other: a keyword that nobody looks at
//! must not pass for a rule.

#[path = "support/schema.rs"]
mod schema;
#[path = "support/sources.rs"]
mod sources;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use loopgate::swarm::config::Config;
use schema::Schema;
use serde_json::{Value, json};

fn schema() -> Schema {
    Schema::new(serde_json::from_str(&sources::read("docs/swarm-config.schema.json")).expect("JSON"))
}

/// The documents of the examples.
fn examples() -> Vec<(String, Value)> {
    let folder = sources::root().join("examples/swarms");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path).expect("read");
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).expect("a name");
            found.push((name, serde_json::from_str(&text).expect("JSON")));
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    found
}

/// What the parser says of a document as the text of a file.
fn accepts(value: &Value) -> Result<(), String> {
    Config::parse(value.to_string().as_bytes()).map(drop).map_err(|error| error.to_string())
}

#[test]
fn every_example_parses_and_its_programs_are_there() {
    let schema = schema();
    for (name, value) in examples() {
        assert_eq!(accepts(&value), Ok(()), "{name}");
        assert_eq!(schema.check(&value), Ok(()), "{name}");
        let folder = sources::root().join("examples/swarms");
        let config = Config::parse(value.to_string().as_bytes()).expect("valid").beside(&folder);
        for command in config.agents.iter().filter_map(|agent| agent.command.as_ref()) {
            let program = Path::new(&command[0]);
            assert!(!program.is_absolute() || program.is_file(), "{name}: {}", program.display());
        }
        assert_eq!(schema.check(&config.to_value()), Ok(()), "{name}: its one form");
    }
}

/// The agent of the first example, line by line: what it prints is what was said, whatever stands in it.
#[test]
fn the_agent_of_the_example_answers_in_json_lines() {
    let script = sources::root().join("examples/swarms/echo-agent.sh");
    let texts = [
        "x",
        "say \"hi\" now",
        "back\\",
        "\\\"",
        "\\\\",
        "",
        "\"",
        "\\n %s $HOME `id`",
        "a\nb \u{e4}",
        "\"content\":\"y\"",
    ];
    let mut command = Command::new("sh");
    command.arg(script).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
    command
        .env("LOOPGATE_AGENT", "s/a")
        .env("SWARM_TOPOLOGY", r#"{"agent":"a","objects":["o"],"targets":["b","c"]}"#);
    let mut child = command.spawn().expect("sh runs");
    let lines: String = texts
        .iter()
        .map(|text| format!("{}\n", json!({"type": "message", "from": "z", "content": text})))
        .collect();
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(format!("not JSON\n{lines}").as_bytes()).expect("taken");
    drop(stdin);
    let out = String::from_utf8(child.wait_with_output().expect("ends").stdout).expect("text");
    let turns: Vec<&str> = out.split("<<TURN_COMPLETE>>\n").collect();
    assert_eq!(turns.len(), texts.len() + 1, "{out}");
    for (turn, text) in turns.iter().zip(texts) {
        let said: Vec<Value> = turn.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let wanted = [
            json!({"type": "output", "content": format!("a: {text}")}),
            json!({"type": "send", "to": "o", "content": text}),
            json!({"type": "send", "to": "b", "content": text}),
        ];
        assert_eq!(said, wanted, "{out}");
    }
}

#[test]
fn schema_and_parser_agree_on_a_table_of_documents() {
    let schema = schema();
    for (at, value) in good().into_iter().enumerate() {
        assert_eq!(accepts(&value), Ok(()), "good {at}: {value}");
        assert_eq!(schema.check(&value), Ok(()), "good {at}: {value}");
    }
    for (at, value) in bad().into_iter().enumerate() {
        assert!(accepts(&value).is_err(), "bad {at}, by the parser: {value}");
        assert!(schema.check(&value).is_err(), "bad {at}, by the schema: {value}");
    }
}

/// Every default of the schema, written out, makes the same config as leaving it out.
#[test]
fn the_schema_gives_the_defaults_of_the_parser() {
    let schema = sources::read("docs/swarm-config.schema.json");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let parsed = |value: &Value| Config::parse(value.to_string().as_bytes()).expect("valid").to_value();
    let config = |agent: Value| json!({"name": "s", "agents": [agent]});
    let defaults = |pointer: &str| {
        let fields = schema.pointer(pointer).and_then(Value::as_object).expect(pointer);
        let fields =
            fields.iter().filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone())));
        fields.collect::<serde_json::Map<_, _>>()
    };
    let bare = json!({"name": "a", "command": ["x"]});
    let mut counted = 0;
    for (name, value) in defaults("/properties") {
        let mut whole = config(bare.clone());
        whole[&name] = value;
        assert_eq!(parsed(&whole), parsed(&config(bare.clone())), "{name}");
        counted += 1;
    }
    for (name, value) in defaults("/$defs/agent/properties") {
        let mut agent = bare.clone();
        agent[&name] = value;
        assert_eq!(parsed(&config(agent)), parsed(&config(bare.clone())), "{name}");
        counted += 1;
    }
    for (name, value) in defaults("/$defs/agentConfig/properties") {
        let agent = json!({"name": "a", "command": ["x"], "config": {&name: value}});
        assert_eq!(parsed(&config(agent)), parsed(&config(bare.clone())), "{name}");
        counted += 1;
    }
    let terminal = |fields: Value| config(json!({"name": "a", "command": ["x"], "controller": fields}));
    for (name, value) in defaults("/$defs/controller/oneOf/2/properties") {
        let whole = terminal(json!({"type": "pty", &name: value}));
        assert_eq!(parsed(&whole), parsed(&terminal(json!({"type": "pty"}))), "{name}");
        counted += 1;
    }
    assert_eq!(counted, schema.to_string().matches("\"default\":").count(), "each was looked at");
}

#[test]
fn the_schema_gives_the_limits_of_the_parser() {
    use loopgate::limits;
    let schema = sources::read("docs/swarm-config.schema.json");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    for (pointer, limit) in [
        ("/properties/agents/maxItems", limits::CONFIG_NODES as u64),
        ("/properties/topology/maxItems", limits::CONFIG_EDGES as u64),
        ("/$defs/agent/properties/skills/maxItems", limits::CONFIG_LIST as u64),
        ("/$defs/line/maxLength", limits::CONFIG_TEXT as u64),
        ("/$defs/image/maxLength", limits::CONFIG_WORD as u64),
        ("/$defs/env/maxProperties", limits::CONFIG_ENV as u64),
        ("/$defs/command/maxItems", limits::COMMAND_WORDS as u64),
        ("/$defs/script/maxItems", limits::SCRIPT_TURNS as u64),
        ("/$defs/agentConfig/properties/max_turns/maximum", limits::CONFIG_TURNS),
        ("/$defs/agentConfig/properties/turn_timeout_ms/maximum", limits::CONFIG_TURN_MS),
        ("/$defs/agentConfig/properties/reply_grace_ms/maximum", limits::CONFIG_GRACE_MS),
    ] {
        assert_eq!(schema.pointer(pointer).and_then(Value::as_u64), Some(limit), "{pointer}");
    }
}

fn agents(agents: Value) -> Value {
    json!({"name": "s", "agents": agents})
}

fn agent(more: Value) -> Value {
    let mut agent = json!({"name": "a", "backend": "mock"});
    for (key, value) in more.as_object().expect("an object") {
        agent[key] = value.clone();
    }
    agents(json!([agent]))
}

fn object(object: Value) -> Value {
    json!({"name": "s", "agents": [{"name": "a", "backend": "mock"}], "objects": [object]})
}

fn edges(edges: Value) -> Value {
    json!({"name": "s", "agents": [{"name": "a", "backend": "mock"}, {"name": "b", "backend": "mock"}], "topology": edges})
}

fn good() -> Vec<Value> {
    let command = json!(["x", "y"]);
    vec![
        agent(json!({})),
        agents(json!([{"name": "a", "command": command}])),
        agents(json!([{"name": "a", "cmd": command, "backend": "local"}])),
        agents(json!([{"name": "a", "backend": {"type": "local"}, "config": {"command": command}}])),
        agents(
            json!([{"name": "a", "backend": {"type": "bwrap", "opts": {"nice": 19, "seccomp": true, "network": "isolated", "egress": {"allow": ["POST /v1/messages"], "concurrent": 4}}}, "config": {"cmd": command}}]),
        ),
        agents(
            json!([{"name": "a", "command": command, "config": {"memory_limit": "256M", "extra_ro_binds": [["/a", "/b"]], "network": "isolated", "store": "full", "limits": "required", "cpu_limit": 0.5, "endpoint_env": ["A_URL"], "cpu_seconds": 5, "file_size_limit": "1G", "localhost": true}}]),
        ),
        agent(
            json!({"backend": "docker:r.io:5/i:tag", "config": {"volumes": [["a", "b"]], "network": "net-1", "pids_limit": 5, "memory_swap": 7}}),
        ),
        agent(
            json!({"backend": {"type": "docker", "image": "i", "opts": {"cpu_limit": 0.5, "network": "n"}}}),
        ),
        agent(json!({"backend": "apple_container"})),
        agent(json!({"backend": "apple_container:i", "config": {"network": "open", "cpu_limit": 2}})),
        agent(json!({"backend": {"type": "apple_container", "image": "i"}})),
        agent(
            json!({"backend": "ssh:pi@192.168.1.50", "config": {"port": 22, "key_path": "/k", "nixos": false}}),
        ),
        agent(json!({"backend": {"type": "ssh", "host": "[::1]", "opts": {"password": "p"}}})),
        agent(json!({"skills": ["a.md", "b/c.md"], "tools": ["git"], "presets": ["base"], "model": "m/x"})),
        agent(json!({"controller": "pty", "env": {"A": "", "_b1": "x"}, "workspace": "/w"})),
        agent(
            json!({"controller": {"type": "pty", "rows": 2, "cols": 1000, "submit": "once"}, "workspace": "w"}),
        ),
        agent(
            json!({"config": {"max_turns": 1, "turn_timeout_ms": 2, "reply_grace_ms": 3, "restart": "never", "script": [[], ["x"]], "own": {"deep": [null]}}}),
        ),
        agent(
            json!({"endpoint": "https://h:1/v1", "request_extra": {"a": 1}, "config": {"compact_extra": "{}", "api_key": "k", "extra_env": {"A": "b"}}}),
        ),
        object(json!({"name": "o", "handler": "counter", "config": {"any": 1}})),
        object(json!({"name": "o", "handler": {"command": command}, "backend": "local"})),
        object(json!({"name": "o", "config": {"cmd": command}})),
        object(json!({"name": "o", "handler": {"cmd": command}, "backend": "docker:i"})),
        edges(json!([["a", "b"], {"from": "b", "to": "a"}, ["a", "a"]])),
        json!({"$schema": "x", "name": "s", "agents": [{"name": "a", "backend": "mock"}], "objects": [], "topology": [], "options": {"x": 1}, "autostart": true}),
    ]
}

fn bad() -> Vec<Value> {
    let mut bad = vec![
        json!([]),
        json!({}),
        json!({"name": "s"}),
        agents(json!([])),
        agents(json!({})),
        agents(json!(["a"])),
        agents(json!([{"backend": "mock"}])),
        agents(json!([{"name": "a"}])),
        agents(json!([{"name": "a", "backend": "local"}])),
        agents(json!([{"name": "a", "backend": {"type": "bwrap"}, "config": {}}])),
        json!({"nmae": "s", "agents": [{"name": "a", "backend": "mock"}]}),
        json!({"name": "s", "agents": [{"name": "a", "backend": "mock"}], "autostart": "yes"}),
        json!({"name": "s", "agents": [{"name": "a", "backend": "mock"}], "options": []}),
        json!({"name": "s", "agents": [{"name": "a", "backend": "mock"}], "options": {"skills_base_dir": "/"}}),
        json!({"name": "../s", "agents": [{"name": "a", "backend": "mock"}]}),
        json!({"$schema": 1, "name": "s", "agents": [{"name": "a", "backend": "mock"}]}),
        edges(json!([["a"]])),
        edges(json!([["a", "b", "a"]])),
        edges(json!([["a", 1]])),
        edges(json!(["a"])),
        edges(json!([{"from": "a"}])),
        edges(json!([{"from": "a", "to": "b", "x": 1}])),
        edges(json!({})),
    ];
    let names =
        ["", "1a", "a b", "a\n", "\na", "a.b", "a/b", "all", "orchestrator", "config", "loopgate", "\u{e4}"];
    bad.extend(names.map(|name| agents(json!([{"name": name, "backend": "mock"}]))));
    bad.push(agents(json!([{"name": "x".repeat(65), "backend": "mock"}])));
    bad.extend(lines(ODD_AGENTS).map(agent));
    bad.extend(lines(ODD_OBJECTS).map(object));
    bad
}

/// One document a line.
fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect("JSON"))
}

/// What no agent may be, laid over one of a mock backend.
const ODD_AGENTS: &str = r#"
{"backend": "vm"}
{"backend": "docker"}
{"backend": "docker:-x"}
{"backend": "local:x"}
{"backend": 1}
{"backend": {"type": "local", "opts": {}}}
{"backend": {"type": "docker"}}
{"backend": {"image": "i"}}
{"backend": {"type": "ssh", "host": "-o"}}
{"backend": "ssh:a@b@c"}
{"backend": "ssh:"}
{"backend": {"type": "bwrap", "opts": {"wrapper": 1}}, "command": ["x"]}
{"backend": {"type": "bwrap", "opts": {"volumes": []}}, "command": ["x"]}
{"backend": {"type": "ssh", "host": "h", "opts": {"network": "isolated"}}}
{"skils": []}
{"skills": "x"}
{"skills": ["/etc/passwd"]}
{"skills": [""]}
{"tools": ["rm"]}
{"presets": ["root"]}
{"network": "isolated"}
{"config": {"network": "isolated"}}
{"config": {"network": true}}
{"backend": "local", "command": ["x"], "config": {"network": "isolated"}}
{"backend": "bwrap", "command": ["x"], "config": {"network": "net"}}
{"backend": "apple_container", "config": {"network": "net"}}
{"config": {"memory_limit": "1G"}}
{"backend": "docker:i", "config": {"memory_limit": "junk"}}
{"backend": "docker:i", "config": {"memory_limit": 0}}
{"backend": "docker:i", "config": {"seccomp": true}}
{"backend": "local", "command": ["x"], "config": {"script": [[]]}}
{"config": {"script": []}}
{"config": {"script": [["a\nb"]]}}
{"backend": "bwrap", "command": ["x"], "config": {"nice": 20}}
{"backend": "bwrap", "command": ["x"], "config": {"nice": -1}}
{"backend": "bwrap", "command": ["x"], "config": {"seccomp": false}}
{"backend": "bwrap", "command": ["x"], "config": {"store": "closure"}}
{"backend": "bwrap", "command": ["x"], "config": {"extra_store_paths": ["/x"]}}
{"backend": "bwrap", "command": ["x"], "config": {"proc_mount": "bind"}}
{"backend": "bwrap", "command": ["x"], "config": {"privilege_mode": "cgroup"}}
{"backend": "bwrap", "command": ["x"], "config": {"limits": "none"}}
{"backend": "bwrap", "command": ["x"], "config": {"cpu_seconds": 0}}
{"backend": "bwrap", "command": ["x"], "config": {"endpoint_env": "LD_PRELOAD"}}
{"backend": "bwrap", "command": ["x"], "config": {"endpoint_env": ["A B"]}}
{"backend": "bwrap", "command": ["x"], "config": {"egress": {"allow": ["v1"]}}}
{"backend": "bwrap", "command": ["x"], "config": {"egress": {"tunnel": true}}}
{"backend": "local", "command": ["x"], "config": {"cpu_seconds": 1}}
{"backend": "local", "command": ["x"], "config": {"egress": {}}}
{"command": "x"}
{"command": []}
{"command": [""]}
{"command": [1]}
{"cmd": {}}
{"subzeroclaw_path": "/x"}
{"config": {"subzeroclaw_path": "/x"}}
{"config": {"wrapper_path": "/x"}}
{"config": {"skills": []}}
{"config": {"backend": "local"}}
{"config": []}
{"controller": "tty"}
{"controller": {"type": "pty", "rows": 1}}
{"controller": {"type": "pipe", "rows": 5}}
{"controller": {}}
{"model": ""}
{"model": 1}
{"endpoint": "ftp://h"}
{"endpoint": "http://u:p@h"}
{"env": []}
{"env": {"A": 1}}
{"env": {"1A": ""}}
{"env": {"A-B": ""}}
{"env": {"OUTBOX_DIR": ""}}
{"env": {"SUBZEROCLAW_API_KEY": ""}}
{"workspace": ""}
{"workspace": 1}
{"config": {"max_turns": 0}}
{"config": {"max_turns": 1.5}}
{"config": {"turn_timeout_ms": "1"}}
{"config": {"reply_grace_ms": -1}}
{"config": {"restart": "always"}}
{"config": {"reply_to": "a b"}}
"#;

/// What no object may be.
const ODD_OBJECTS: &str = r#"
"o"
{"handler": "log"}
{"name": "o"}
{"name": "o", "handler": "none"}
{"name": "o", "handler": 1}
{"name": "o", "handler": {}}
{"name": "o", "handler": {"command": "x"}}
{"name": "o", "handler": "log", "backend": "local"}
{"name": "o", "handler": {"command": ["x"]}, "backend": "mock"}
{"name": "o", "backend": "docker:i"}
{"name": "o", "handler": "log", "config": {"cmd": ["x"]}}
{"name": "o", "handler": "log", "config": {"subzeroclaw_path": "x"}}
{"name": "o", "handler": "log", "x": 1}
{"name": "all", "handler": "log"}
{"name": "o", "handler": {"ref": "swarmidx:x", "digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "path": "p"}}
"#;
