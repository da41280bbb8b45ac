//! What must hold for any bytes as a config, asserted; driven by cargo-fuzz and by the replayed corpus.
//!
//! The judge knows the rules from the specification and shares no reader with the parser.

use serde_json::{Map, Value, json};

use super::{AgentConfig, Config, Handler, agent_of_call, object_of_call, redacted, snapshot};
use crate::{
    backend::form::Form,
    limits,
    wire::{
        document::{Step, place},
        json,
    },
};

/// A secret that no input holds.
const PLANTED: &str = "pl4nted-and-n0t-t0-be-sh0wn";

/// Any bytes end in a config that keeps every rule, is written in one form and shows no secret, or in an error
/// with its words and its place; and no call gets more than its list out of them.
pub fn fuzz(data: &[u8]) {
    let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
    let duplicate = place::duplicate(data);
    for path in [vec![], vec![Step::Key("agents".to_owned()), Step::At(1), Step::Key("name".to_owned())]] {
        assert!((1..=lines).contains(&place::find(data, &path, true).line));
    }
    let parsed = json::parse(data);
    if parsed == Err(json::Error::Duplicate) {
        assert!(duplicate.is_some(), "a duplicate has a place");
    } else if parsed.is_ok() {
        assert_eq!(duplicate, None);
    }
    match Config::parse(data) {
        Err(error) => {
            assert!(!error.code().is_empty() && !error.answer().is_empty() && !error.validation().is_empty());
            let place = error.position();
            assert!(place.is_none_or(|at| (1..=lines).contains(&at.line) && at.column <= data.len() + 1));
            let shown = error.excerpt(data).unwrap_or_default();
            assert!(shown.len() < 1_000 && shown.lines().count() <= 2);
            assert!(error.to_string().len() < 8_192);
        }
        Ok(config) => {
            assert!(parsed.is_ok(), "a config is JSON");
            keeps_the_rules(&config);
            is_written_in_one_form(&config);
            shows_no_secret(&config, data);
        }
    }
    if let Ok(value) = parsed {
        assert_eq!(redacted(&redacted(&value)), redacted(&value));
        a_call_gets_no_more_than_its_list(&value);
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let reserved = ["all", "orchestrator", "owner", "api", "config", "loopgate"];
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        && name.len() <= 64
        && !reserved.contains(&name)
}

fn keeps_the_rules(config: &Config) {
    let agents = config.agents.iter().map(|agent| agent.name.as_str());
    let mut names: Vec<&str> =
        agents.chain(config.objects.iter().map(|object| object.name.as_str())).collect();
    assert!(names.iter().all(|name| is_name(name)) && names.len() <= limits::CONFIG_NODES);
    assert!(!config.agents.is_empty());
    for edge in &config.topology {
        assert!(names.contains(&edge.from.as_str()) && names.contains(&edge.to.as_str()));
    }
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair.first() != pair.last()), "names are different");
    for agent in &config.agents {
        agent_keeps_the_rules(agent);
        let to = agent.reply_to.as_ref();
        assert!(to.is_none_or(|to| config.objects.iter().any(|object| object.name == *to)));
    }
    for object in &config.objects {
        match &object.handler {
            Handler::BuiltIn(name) => {
                assert!(["counter", "log", "relay"].contains(&name.as_str()) && object.backend.is_none());
            }
            Handler::Process { command } => {
                assert!(is_command(command) && object.backend.is_some());
                assert!(["network", "workspace", "env"].iter().all(|key| !object.config.contains_key(*key)));
            }
        }
        assert!(!object.config.contains_key("subzeroclaw_path"));
    }
}

fn is_command(command: &[String]) -> bool {
    command.first().is_some_and(|program| !program.is_empty())
        && command.len() <= limits::COMMAND_WORDS
        && command.iter().map(|word| word.len() + 1).sum::<usize>() <= limits::COMMAND_BYTES
        && command.iter().all(|word| !word.contains('\0'))
}

fn agent_keeps_the_rules(agent: &AgentConfig) {
    let backend = agent.backend.name();
    match &agent.command {
        Some(command) => assert!(is_command(command)),
        None => assert!(!["local", "bwrap"].contains(&backend), "a program is needed"),
    }
    let opts = agent.backend.to_value();
    for network in [agent.config.get("network"), opts.pointer("/opts/network")].into_iter().flatten() {
        match backend {
            "docker" => assert!(network.is_string()),
            "bwrap" => assert!(*network == json!("open") || *network == json!("isolated")),
            _ => assert_eq!(*network, json!("open"), "isolation is had or refused"),
        }
    }
    for name in ["subzeroclaw_path", "subzeroclaw_src", "wrapper_path", "cmd", "extra_env", "netwrok"] {
        assert!(!agent.config.contains_key(name), "{name}");
    }
    for (name, value) in &agent.env {
        let ours = ["LOOPGATE_", "AGENTMUX_", "GENSWARMS_"].iter().any(|prefix| name.starts_with(prefix));
        assert!(
            !ours && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !value.contains('\0')
        );
    }
    assert!(agent.env.len() <= limits::CONFIG_ENV);
    assert!(agent.workspace.as_ref().is_none_or(|path| path.split('/').all(|part| part != "..")));
    assert!(
        agent.skills.iter().all(|path| !path.starts_with('/') && path.split('/').all(|part| part != ".."))
    );
    assert!(agent.max_turns != Some(0) && agent.turn_timeout_ms != Some(0) && agent.reply_grace_ms > 0);
    assert!(agent.script.is_none() || backend == "mock");
    assert!(agent.variables().iter().all(|(_, value)| !value.contains('\0')));
}

fn is_written_in_one_form(config: &Config) {
    let written = config.to_value();
    let placed = config.clone().beside("/srv".as_ref());
    assert_eq!(Config::of(&placed.to_value()).as_ref(), Ok(&placed));
    // Numbers with a fraction may differ in their last digit after they were text.
    if !has_fraction(&written) {
        let again = Config::parse(written.to_string().as_bytes());
        assert_eq!(again.as_ref(), Ok(config));
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(map) => map.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Puts a secret wherever one is known by its name, and looks for it in all that is shown.
fn shows_no_secret(config: &Config, data: &[u8]) {
    if String::from_utf8_lossy(data).contains(PLANTED) {
        return;
    }
    let mut document = config.to_value();
    for agent in document.get_mut("agents").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(agent) = agent.as_object_mut() else { continue };
        if let Value::Object(config) = agent.entry("config").or_insert_with(|| Value::Object(Map::new())) {
            config.insert("api_key".to_owned(), json!("x"));
            config.insert("own_token".to_owned(), json!({"deep": ["x"]}));
            config.insert(
                "link".to_owned(),
                json!(format!("a://b:{PLANTED}@c://d:{PLANTED}@e?token={PLANTED}&x")),
            );
        }
    }
    plant(&mut document, false);
    let Ok(planted) = Config::parse(document.to_string().as_bytes()) else { return };
    let shown = snapshot(&planted);
    assert!(!shown.to_string().contains(PLANTED), "a secret is shown");
    assert!(!format!("{planted:?}").contains(PLANTED), "a secret is printed");
    assert!(Config::parse(shown.to_string().as_bytes()).is_ok(), "a snapshot is a config");
}

fn plant(value: &mut Value, secret: bool) {
    match value {
        Value::String(text) if secret => *text = PLANTED.to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(items) => items.iter_mut().for_each(|item| plant(item, secret)),
        Value::Object(map) => {
            for (key, value) in map {
                let name = key.to_lowercase();
                let parts = ["key", "secret", "token", "password", "passwd", "credential"];
                let named = name != "key_path" && parts.iter().any(|part| name.contains(part));
                let env =
                    name == "env" && value.as_object().is_some_and(|env| env.values().all(Value::is_string));
                plant(value, secret || named || env);
            }
        }
    }
}

fn a_call_gets_no_more_than_its_list(value: &Value) {
    let seed = json!({"name": "s", "agents": [{"name": "a", "backend": "local", "command": ["x"]}]});
    let Ok(seed) = Config::of(&seed) else { return };
    let agents = value.get("agents").and_then(Value::as_array).into_iter().flatten();
    for agent in agents.chain([value]) {
        let Ok((agent, ..)) = agent_of_call(agent, &seed) else { continue };
        agent_keeps_the_rules(&agent);
        assert!(agent.workspace.is_none() && agent.env.is_empty() && agent.tools.is_empty());
        assert!(agent.command.is_none_or(|command| command == ["x"]), "no program but the seed's");
        for key in
            ["endpoint", "api_key", "volumes", "seccomp", "extra_path", "extra_ro_binds", "env", "workspace"]
        {
            assert!(!agent.config.contains_key(key), "{key}");
        }
        assert!(matches!(agent.backend, Form::Local | Form::Mock), "no backend but the seed's");
    }
    let objects = value.get("objects").and_then(Value::as_array).into_iter().flatten();
    for object in objects.chain([value]) {
        let Ok((object, ..)) = object_of_call(object, &seed) else { continue };
        match &object.handler {
            Handler::Process { command } => assert_eq!(*command, ["x"], "no program but the seed's"),
            Handler::BuiltIn(_) => {}
        }
    }
}
