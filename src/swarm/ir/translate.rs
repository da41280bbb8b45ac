//! A configuration as a state, and back (spec genswarms I.6).
//!
//! What the gate decides about is a state, so every field of a configuration must be in it: names, model,
//! backend and handler become refs, `config` stays, and every other field of a node goes along under its own
//! name. What comes back is the canonical form of the same configuration; `autostart` is no part of what runs.

use serde_json::{Map, Value, json};

use super::{
    error::{Error, Shown},
    fields,
    refs::{BARE, Ref},
    scale::inline,
    state::{Agent, Model, Object, Phase, State, VERSION, edges_value},
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
    let model = fields::text(map, "model").unwrap_or(DEFAULT_MODEL);
    let mut out = others(map, &["model", "backend"], Some("body"))?;
    out.insert("body".to_owned(), json!({ "ref": inline(name), "kind": "data" }));
    out.insert("model".to_owned(), json!({ "ref": format!("{MODEL}{model}"), "attested": true }));
    let default = json!(DEFAULT_BACKEND);
    out.insert("backend".to_owned(), backend(fields::get(map, "backend").unwrap_or(&default))?);
    Ok(Value::Object(out))
}

/// The document of an object, from its place in a canonical configuration.
pub fn object(value: &Value) -> Result<Value, Error> {
    let map = value.as_object().ok_or(Error::InvalidObject)?;
    let name = node_name(map)?;
    let config = fields::get(map, "config").and_then(Value::as_object);
    let program = config.and_then(|config| fields::get(config, "command"));
    let handler = match (fields::text(map, "handler"), program) {
        (Some(PROCESS), _) | (None, Some(_)) => format!("{PROCESS}:{name}"),
        (Some(handler), _) => format!("{MODULE}{handler}"),
        (None, None) => return Err(Error::ObjectWithoutHandler),
    };
    let mut out = others(map, &["handler", "backend"], None)?;
    out.insert("handler".to_owned(), json!({ "ref": handler, "kind": "code" }));
    if let Some(form) = fields::get(map, "backend") {
        out.insert("backend".to_owned(), backend(form)?);
    }
    Ok(Value::Object(out))
}

/// What a process object calls its handler.
const PROCESS: &str = "process";
const MODULE: &str = "module:";
const MODEL: &str = "openrouter:";
const DEFAULT_MODEL: &str = "default";
const DEFAULT_BACKEND: &str = "bwrap";

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
    let unsupported = || Error::UnsupportedBackend(Shown::of(Some(form)));
    let none = Map::new();
    let (name, fields) = match form {
        Value::String(name) => (name.as_str(), &none),
        Value::Object(map) => (fields::text(map, "type").ok_or_else(unsupported)?, map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return Err(unsupported()),
    };
    let unknown = || Error::UnsupportedBackend(Shown::name(name));
    let needed = |field: &str| fields::text(fields, field).ok_or_else(unknown);
    let (mut it, own) = match name {
        "docker" => (json!({ "ref": format!("oci:{}", needed("image")?), "kind": "data" }), "image"),
        "apple_container" => (json!({ "ref": name, "image": needed("image")? }), "image"),
        "ssh" => (json!({ "ref": name, "host": needed("host")? }), "host"),
        "local" | "bwrap" | "mock" => (json!({ "ref": name }), "type"),
        _ => return Err(unknown()),
    };
    let opts = fields.iter().filter(|(field, _)| field.as_str() != "type" && field.as_str() != own);
    let opts: Map<String, Value> = opts.map(|(field, value)| (field.clone(), value.clone())).collect();
    if let (Value::Object(map), false) = (&mut it, opts.is_empty()) {
        map.insert("opts".to_owned(), Value::Object(opts));
    }
    Ok(it)
}

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
    let model = model.text.strip_prefix(MODEL)?;
    if model != DEFAULT_MODEL {
        map.insert("model".to_owned(), json!(model));
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
    if let Some(handler) = object.handler.text.strip_prefix(MODULE) {
        map.insert("handler".to_owned(), json!(handler));
    }
    if let Some(form) = &object.backend {
        map.insert("backend".to_owned(), backend_back(form)?);
    }
    if !object.config.is_empty() {
        map.insert("config".to_owned(), Value::Object(Map::clone(&object.config)));
    }
    Some(Value::Object(map))
}

fn backend_back(it: &Ref) -> Option<Value> {
    let mut map = Map::clone(&it.opts);
    let own = match it.text.split_once(':') {
        Some(("oci", image)) => ("docker", Some(("image", image))),
        None if it.text == "ssh" => ("ssh", it.host.as_deref().map(|host| ("host", host))),
        None if it.text == "apple_container" => {
            ("apple_container", it.image.as_deref().map(|image| ("image", image)))
        }
        None if BARE.contains(&it.text.as_str()) => (it.text.as_str(), None),
        Some(_) | None => return None,
    };
    let (name, field) = own;
    if map.is_empty() && field.is_none() {
        return Some(json!(name));
    }
    map.insert("type".to_owned(), json!(name));
    field.map(|(field, value)| map.insert(field.to_owned(), json!(value)));
    Some(Value::Object(map))
}
