//! A configuration as a state, and back (spec genswarms I.6).
//!
//! What the gate decides about is a state, so every field of a configuration must be in it: names, model,
//! backend and handler become refs, `config` stays, and every other field of a node goes along under its own
//! name. What comes back is the canonical form of the same configuration; `autostart` is no part of what runs.

use serde_json::{Map, Value, json};

use super::{
    error::Error,
    fields,
    nodes::{Agent, Model, Object},
    refs::{BARE, Ref},
    scale::inline,
    shown::Shown,
    state::{Phase, State, VERSION, edges_value},
};
use crate::wire::node::NodeName;

/// The state that a canonical configuration asks for.
pub fn translate(config: &Value) -> Result<State, Error> {
    let map = config.as_object().ok_or(Error::StateNotAMap)?;
    let list = |field: &'static str| match fields::get(map, field) {
        None => Ok(&[][..]),
        Some(Value::Array(items)) => Ok(items.as_slice()),
        Some(_) => Err(Error::Invalid(field)),
    };
    let agents: Vec<Value> = list("agents")?.iter().map(agent).collect::<Result<_, _>>()?;
    let objects: Vec<Value> = list("objects")?.iter().map(object).collect::<Result<_, _>>()?;
    State::parse(&json!({
        "v": VERSION, "kind": "swarm.state", "phase": Phase::Desired.as_str(),
        "name": map.get("name"), "agents": agents, "objects": objects,
        "topology": map.get("topology"), "options": map.get("options"),
    }))
}

/// The document of an agent, from its place in a canonical configuration.
pub fn agent(value: &Value) -> Result<Value, Error> {
    let map = value.as_object().ok_or(Error::InvalidAgent)?;
    let name = node_name(map)?;
    let mut out = others(map, &["model", "backend"], Some("body"))?;
    out.insert("body".to_owned(), json!({ "ref": inline(name), "kind": "data" }));
    out.insert("model".to_owned(), model(map));
    let default = json!(DEFAULT_BACKEND);
    out.insert("backend".to_owned(), backend(fields::get(map, "backend").unwrap_or(&default))?);
    Ok(Value::Object(out))
}

/// The document of an object, from its place in a canonical configuration.
pub fn object(value: &Value) -> Result<Value, Error> {
    let map = value.as_object().ok_or(Error::InvalidObject)?;
    let name = node_name(map)?;
    let handler = match fields::get(map, "handler") {
        Some(Value::String(handler)) => json!({ "ref": format!("{MODULE}{handler}"), "kind": "code" }),
        Some(Value::Object(program)) if fields::get(program, "command").is_some() => {
            json!({ "ref": format!("{PROCESS}{name}"), "kind": "code", "opts": program })
        }
        Some(_) | None => return Err(Error::ObjectWithoutHandler),
    };
    let mut out = others(map, &["handler", "backend"], None)?;
    out.insert("handler".to_owned(), handler);
    if let Some(form) = fields::get(map, "backend") {
        out.insert("backend".to_owned(), backend(form)?);
    }
    Ok(Value::Object(out))
}

/// The handler of an object that is a program; which one is in its options.
const PROCESS: &str = "process:";
/// A handler that is built in.
const MODULE: &str = "module:";
const MODEL: &str = "openrouter:";
const DEFAULT_MODEL: &str = "default";
const NAMED: &str = "named";
const DEFAULT_BACKEND: &str = "bwrap";

/// A model as a ref. One that is called like the default is still one that was named.
fn model(map: &Map<String, Value>) -> Value {
    let named = fields::text(map, "model");
    let text = format!("{MODEL}{}", named.unwrap_or(DEFAULT_MODEL));
    let opts = (named == Some(DEFAULT_MODEL)).then(|| json!({ NAMED: true }));
    json!({ "ref": text, "attested": true, "opts": opts })
}

/// The name of a node that runs: it becomes a directory.
fn node_name(map: &Map<String, Value>) -> Result<&str, Error> {
    let name = fields::text(map, "name").ok_or(Error::Missing("name"))?;
    NodeName::parse(name).map(|_| name).map_err(|_| Error::InvalidName(Shown::name(name)))
}

/// The fields of a node that go along as they are; one that a document gives another meaning is refused.
fn others(
    map: &Map<String, Value>,
    read: &[&str],
    taken: Option<&'static str>,
) -> Result<Map<String, Value>, Error> {
    if let Some(field) = taken.filter(|field| map.contains_key(*field)) {
        return Err(Error::Invalid(field));
    }
    let fields = map.iter().filter(|(field, _)| !read.contains(&field.as_str()));
    Ok(fields.map(|(field, value)| (field.clone(), value.clone())).collect())
}

/// A backend as a ref.
fn backend(form: &Value) -> Result<Value, Error> {
    let none = Map::new();
    let (name, fields) = match form {
        Value::String(name) => (Some(name.as_str()), &none),
        Value::Object(map) => (fields::text(map, "type"), map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => (None, &none),
    };
    let name = name.ok_or_else(|| Error::UnsupportedBackend(Shown::of(Some(form))))?;
    let unsupported = || Error::UnsupportedBackend(Shown::name(name));
    let text = |field: &str| fields::text(fields, field);
    let opts = fields.get("opts");
    let (it, own) = match name {
        "docker" => {
            let image = text("image").ok_or_else(unsupported)?;
            (json!({ "ref": format!("{CONTAINER}{image}"), "kind": "data", "opts": opts }), "image")
        }
        "apple_container" => (json!({ "ref": name, "image": text("image"), "opts": opts }), "image"),
        "ssh" => {
            let host = text("host").ok_or_else(unsupported)?;
            (json!({ "ref": name, "host": host, "opts": opts }), "host")
        }
        "local" | "bwrap" | "mock" => (json!({ "ref": name, "opts": opts }), "type"),
        _ => return Err(unsupported()),
    };
    // An option that stands beside `opts` would be dropped here and looked for there.
    let known = |field: &String| ["type", "opts", own].contains(&field.as_str());
    if fields.keys().all(known) { Ok(it) } else { Err(unsupported()) }
}

/// Where docker's images are.
const CONTAINER: &str = "oci:";

/// The canonical configuration that [`translate`] makes this state of. `None` where there is none: a state
/// read from elsewhere may hold what no configuration says.
pub fn untranslate(state: &State) -> Option<Value> {
    let agents: Vec<Value> = state.agents.iter().map(agent_back).collect::<Option<_>>()?;
    let objects: Vec<Value> = state.objects.iter().map(object_back).collect::<Option<_>>()?;
    let config = json!({
        "name": state.name, "agents": agents, "objects": objects,
        "topology": edges_value(&state.topology), "options": Map::clone(&state.options),
    });
    let again = State { phase: state.phase, ..translate(&config).ok()? };
    (again == *state).then_some(config)
}

fn agent_back(agent: &Agent) -> Option<Value> {
    let mut map = Map::clone(&agent.rest);
    map.insert("name".to_owned(), json!(agent.name));
    let Model::Service(model) = &agent.model else { return None };
    let named = model.text.strip_prefix(MODEL)?;
    if named != DEFAULT_MODEL || model.opts.contains_key(NAMED) {
        map.insert("model".to_owned(), json!(named));
    }
    map.insert("backend".to_owned(), backend_back(&agent.backend)?);
    if !agent.config.is_empty() {
        map.insert("config".to_owned(), Value::Object(Map::clone(&agent.config)));
    }
    Some(Value::Object(map))
}

fn object_back(object: &Object) -> Option<Value> {
    let mut map = Map::clone(&object.rest);
    map.insert("name".to_owned(), json!(object.name));
    let handler = match object.handler.text.strip_prefix(MODULE) {
        Some(built_in) => json!(built_in),
        None => Value::Object(Map::clone(&object.handler.opts)),
    };
    map.insert("handler".to_owned(), handler);
    if let Some(form) = &object.backend {
        map.insert("backend".to_owned(), backend_back(form)?);
    }
    if !object.config.is_empty() {
        map.insert("config".to_owned(), Value::Object(Map::clone(&object.config)));
    }
    Some(Value::Object(map))
}

fn backend_back(it: &Ref) -> Option<Value> {
    let text = |field: &str, text: Option<&String>| text.map(|text| (field.to_owned(), json!(text)));
    let (name, own) = match it.text.strip_prefix(CONTAINER) {
        Some(image) => ("docker", Some(("image".to_owned(), json!(image)))),
        None if BARE.contains(&it.text.as_str()) => {
            (it.text.as_str(), text("host", it.host.as_ref()).or(text("image", it.image.as_ref())))
        }
        None => return None,
    };
    if it.opts.is_empty() && own.is_none() {
        return Some(json!(name));
    }
    let mut map: Map<String, Value> = own.into_iter().collect();
    map.insert("type".to_owned(), json!(name));
    if !it.opts.is_empty() {
        map.insert("opts".to_owned(), Value::Object(Map::clone(&it.opts)));
    }
    Some(Value::Object(map))
}
