//! The config, black box.

use serde_json::json;

use super::*;

mod agents;
mod bounds;
mod calls;
mod objects;
mod shows;
mod texts;
mod whole;

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

#[test]
fn a_small_config_is_read_and_written_again() {
    let value = json!({"name": "s", "agents": [{"name": "a", "backend": "local", "command": ["cat"]}]});
    let config = Config::of(&value).unwrap();
    assert_eq!(Config::of(&config.to_value()), Ok(config));
}
