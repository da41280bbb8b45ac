//! Counts and lengths, each at its limit and one beyond.

use serde_json::{Map, Value, json};

use super::{agent, of_agents, wrong};
use crate::{limits, swarm::config::Config};

#[test]
fn a_config_over_its_size_is_refused() {
    let text = |spaces: usize| {
        let config = of_agents(vec![agent("a")]).to_string();
        format!("{config}{}", " ".repeat(spaces - config.len()))
    };
    assert!(Config::parse(text(limits::CONFIG_BYTES).as_bytes()).is_ok());
    let error = Config::parse(text(limits::CONFIG_BYTES + 1).as_bytes()).unwrap_err();
    assert_eq!(error.code(), "config_too_large");
}

#[test]
fn a_config_has_a_bounded_number_of_nodes_and_edges() {
    let with = |agents: usize, objects: usize, edges: usize| {
        let agents: Vec<Value> = (0..agents).map(|at| agent(&format!("a{at}"))).collect();
        let objects: Vec<Value> =
            (0..objects).map(|at| json!({"name": format!("o{at}"), "handler": "log"})).collect();
        let edges = vec![json!(["a0", "a0"]); edges];
        let value = json!({"name": "s", "agents": agents, "objects": objects, "topology": edges});
        Config::of(&value).map_err(|error| error.code())
    };
    assert!(with(limits::CONFIG_NODES - 1, 1, 0).is_ok());
    assert_eq!(with(limits::CONFIG_NODES, 1, 0), Err("too_many_nodes"));
    assert_eq!(with(1, limits::CONFIG_NODES, 0), Err("too_many_nodes"));
    assert_eq!(with(limits::CONFIG_NODES + 1, 0, 0), Err("too_many_nodes"));
    assert_eq!(with(1, 0, limits::CONFIG_EDGES).map(|config| config.topology.len()), Ok(1));
    assert_eq!(with(1, 0, limits::CONFIG_EDGES + 1), Err("invalid_topology"));
}

#[test]
fn lists_and_texts_of_a_config_are_bounded() {
    let skills = |number: usize, length: usize| {
        wrong(json!({"name": "a", "backend": "mock", "skills": vec!["x".repeat(length); number]})).0
    };
    assert_eq!(skills(limits::CONFIG_LIST, limits::CONFIG_TEXT), "");
    assert_eq!(skills(limits::CONFIG_LIST + 1, 1), "invalid_skills_format");
    assert_eq!(skills(1, limits::CONFIG_TEXT + 1), "invalid_skills_format");
    let binds = |number: usize| {
        let binds = vec![json!(["/a", "/b"]); number];
        wrong(json!({"name": "a", "command": ["c"], "config": {"extra_ro_binds": binds}})).0
    };
    assert_eq!(binds(limits::CONFIG_LIST), "");
    assert_eq!(binds(limits::CONFIG_LIST + 1), "invalid_config");
}

#[test]
fn the_environment_of_an_agent_is_bounded() {
    let env = |number: usize, length: usize| {
        let env: Map<String, Value> =
            (0..number).map(|at| (format!("V{at}"), json!("x".repeat(length)))).collect();
        wrong(json!({"name": "a", "backend": "mock", "env": env})).0
    };
    assert_eq!(env(limits::CONFIG_ENV, 1), "");
    assert_eq!(env(limits::CONFIG_ENV + 1, 1), "invalid_env");
    assert_eq!(env(1, limits::COMMAND_BYTES), "invalid_env");
    let both = json!({"name": "a", "command": ["x".repeat(limits::COMMAND_BYTES - 20)], "env": {"V": "x".repeat(20)}});
    assert_eq!(wrong(both).0, "invalid_env");
}

#[test]
fn the_command_of_an_object_is_bounded() {
    let with = |words: Vec<String>| {
        let object = json!({"name": "o", "handler": {"command": words}});
        let value = json!({"name": "s", "agents": [agent("a")], "objects": [object]});
        Config::of(&value).map_or_else(|error| error.code(), |_| "")
    };
    assert_eq!(with(vec!["x".repeat(limits::COMMAND_BYTES - 1)]), "");
    assert_eq!(with(vec!["x".repeat(limits::COMMAND_BYTES)]), "invalid_command");
    assert_eq!(with(vec!["x".to_owned(); limits::COMMAND_WORDS]), "");
    assert_eq!(with(vec!["x".to_owned(); limits::COMMAND_WORDS + 1]), "invalid_command");
}

#[test]
fn numbers_of_a_config_are_bounded() {
    for (name, most) in [
        ("max_turns", limits::CONFIG_TURNS),
        ("turn_timeout_ms", limits::CONFIG_TURN_MS),
        ("reply_grace_ms", limits::CONFIG_GRACE_MS),
    ] {
        let code = |value: Value| wrong(json!({"name": "a", "backend": "mock", "config": {name: value}})).0;
        for good in [json!(1), json!(most)] {
            assert_eq!(code(good), "");
        }
        for bad in [
            json!(0),
            json!(-1),
            json!(most + 1),
            json!(1.5),
            json!("1"),
            json!(true),
            json!([1]),
            json!(1e3),
        ] {
            assert_eq!(code(bad.clone()), "invalid_config", "{name} {bad}");
        }
    }
}

#[test]
fn free_fields_have_a_bounded_depth() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"x": inner}));
    let most = limits::IR_DEPTH;
    assert_eq!(wrong(json!({"name": "a", "backend": "mock", "config": nested(most)})).0, "");
    assert_eq!(wrong(json!({"name": "a", "backend": "mock", "config": nested(most + 1)})).0, "too_deep");
    let extra =
        json!({"name": "a", "backend": "mock", "config": {"request_extra": nested(most - 1).to_string()}});
    assert_eq!(wrong(extra).0, "");
    let extra =
        json!({"name": "a", "backend": "mock", "config": {"request_extra": nested(most).to_string()}});
    assert_eq!(wrong(extra).0, "too_deep");
    let opts = |levels: usize| {
        let opts = json!({"request_extra": nested(levels)});
        wrong(json!({"name": "a", "backend": {"type": "bwrap", "opts": opts}, "command": ["x"]})).0
    };
    assert_eq!((opts(most - 1).as_str(), opts(most).as_str()), ("", "too_deep"));
    let options = |levels| json!({"name": "s", "agents": [agent("a")], "options": nested(levels)});
    assert!(Config::of(&options(most)).is_ok());
    assert_eq!(Config::of(&options(most + 1)).unwrap_err().code(), "too_deep");
}

#[test]
fn what_a_program_is_given_fits_into_a_process() {
    let with = |bytes: usize| {
        let extra = json!({"x": "y".repeat(bytes)});
        wrong(json!({"name": "a", "backend": "mock", "command": ["x"], "config": {"request_extra": extra}}))
    };
    assert_eq!(with(1_000).0, "");
    assert_eq!(with(limits::COMMAND_BYTES), ("invalid_env".to_owned(), "agents[0].config".to_owned()));
}

#[test]
fn an_error_about_many_words_is_short() {
    let words = vec!["\u{202e}".repeat(4_000 / 3); limits::CONFIG_LIST];
    let value = json!({"name": "s", "agents": [{"name": "a", "backend": "mock", "tools": words}]});
    let error = Config::of(&value).unwrap_err();
    assert_eq!(error.code(), "unknown_tools");
    assert!(error.to_string().len() < 16 * 1_024 && error.why().ends_with("and 54 more"), "{error}");
}

/// It is handed to the program in a variable, and a variable has its own bound.
#[test]
fn the_config_of_a_process_is_bounded() {
    let config = |handler: Value, filler: usize| {
        Config::of(&json!({
            "name": "s",
            "agents": [{"name": "a", "backend": "mock"}],
            "objects": [{"name": "o", "handler": handler, "config": {"x": "x".repeat(filler)}}],
        }))
    };
    let (process, room) = (json!({"command": ["p"]}), limits::OBJECT_CONFIG - r#"{"x":""}"#.len());
    assert!(config(process.clone(), room).is_ok());
    let error = config(process, room + 1).unwrap_err();
    assert_eq!((error.code(), error.field().as_str()), ("config_too_large", "objects[0].config"));
}
