//! The config, black box.

use serde_json::json;

use super::*;
use crate::limits;

/// An agent that needs nothing.
fn agent(name: &str) -> Value {
    json!({"name": name, "backend": "mock"})
}

fn of_agents(agents: Vec<Value>) -> Value {
    json!({"name": "s", "agents": agents})
}

/// The code and the field of what is wrong with an agent; both empty where nothing is.
fn wrong(agent: Value) -> (String, String) {
    match Config::of(&of_agents(vec![agent])) {
        Ok(_) => (String::new(), String::new()),
        Err(error) => (error.code().to_owned(), error.field()),
    }
}

mod bounds {
    use super::*;

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
}

#[test]
fn a_small_config_is_read_and_written_again() {
    let value = json!({"name": "s", "agents": [{"name": "a", "backend": "local", "command": ["cat"]}]});
    let config = Config::of(&value).unwrap();
    assert_eq!(Config::of(&config.to_value()), Ok(config));
}
