//! Tests of the IR. Those of a numbered case carry its number.

mod bounds;
mod scale;

use serde_json::{Value, json};

use super::*;

/// An agent's document, with these fields beside the least it needs.
fn agent(name: &str, more: Value) -> Value {
    let mut agent = json!({
        "name": name,
        "body": {"ref": format!("inline:{name}"), "kind": "data"},
        "model": {"ref": "openrouter:default", "attested": true},
        "backend": {"ref": "local"},
    });
    extend(&mut agent, more);
    agent
}

/// An object's document, in the same way.
fn object(name: &str, more: Value) -> Value {
    let mut object = json!({"name": name, "handler": {"ref": "module:counter", "kind": "code"}});
    extend(&mut object, more);
    object
}

/// Null takes a field away.
fn extend(value: &mut Value, more: Value) {
    let (Value::Object(map), Value::Object(more)) = (value, more) else { panic!("objects") };
    for (field, value) in more {
        match value {
            Value::Null => map.remove(&field),
            value => map.insert(field, value),
        };
    }
}

/// A state's document.
fn document(agents: Value, objects: Value, topology: Value) -> Value {
    json!({"v": 1, "kind": "swarm.state", "name": "s", "phase": "desired",
           "agents": agents, "objects": objects, "topology": topology})
}

fn state(agents: &[&str], objects: &[&str], topology: Value) -> State {
    let agents: Vec<Value> = agents.iter().map(|name| agent(name, json!({}))).collect();
    let objects: Vec<Value> = objects.iter().map(|name| object(name, json!({}))).collect();
    State::parse(&document(json!(agents), json!(objects), topology)).expect("a right state")
}

fn overlay_document(events: Value) -> Value {
    json!({"v": 1, "kind": "swarm.overlay", "swarm": "s", "events": events})
}

/// Events numbered from 1.
fn events(ops: &[(&str, Value)]) -> Vec<Event> {
    let numbered =
        ops.iter().zip(1..).map(|((op, payload), seq)| json!({"seq": seq, "op": op, "payload": payload}));
    Overlay::parse(&overlay_document(numbered.collect())).expect("a right overlay").events
}

fn edges(state: &State) -> Vec<String> {
    state.topology.iter().map(|(from, to)| format!("{from}>{to}")).collect()
}
