//! What an agent that is started by a call is put into: asked for, refused, and shown.
//!
//! The rules are the backend's. A boundary that cannot be as it was asked for starts nothing; where the endpoint is
//! to blame an event says so, as for an agent of a swarm.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    App,
    request::{Fault, Result},
};
use crate::{
    agent::{
        StartError, StartSpec,
        cage::{Boundary, Cage},
    },
    backend::{NotCaged, options::Kind},
    swarm::events::{Draft, Level, Name},
    wire::json::{Error, Fields},
};

const BACKENDS: &[(&str, Kind)] = &[("local", Kind::Local), ("bwrap", Kind::Bwrap)];

/// What a start asks for with `backend` and `config`.
pub(super) fn asked(
    app: &App,
    fields: Fields<'_>,
    body: &Value,
    spec: &StartSpec,
) -> Result<Option<Arc<dyn Cage>>> {
    let kind = fields.optional_word("backend", BACKENDS)?.unwrap_or(Kind::Local);
    let none = Map::new();
    let config = match body.get("config") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(config)) => config,
        Some(_) => return Err(Error::wrong("config", "an object").into()),
    };
    let name = spec.name.as_str();
    app.swarms.backends().loose(kind, name, config, spec.cwd.clone()).map_err(|refused| match refused {
        NotCaged::Option(wrong) => {
            let next = wrong.next.as_deref().map_or_else(String::new, |next| format!("; {next}"));
            Fault::field(400, wrong.code, "config", format!("{wrong}{next}"))
        }
        NotCaged::Start(StartError::Sandbox { code, reason }) => {
            if code == "endpoint_not_allowed" || code == "invalid_endpoint" {
                let event = Draft::new(Name::EndpointNotAllowed, format!("{name}: {reason}"));
                app.swarms.events().publish(event.agent(name).level(Level::Warning).with("code", code));
            }
            Fault::field(400, code, "config", reason)
        }
        NotCaged::Start(other) => super::agents::start_fault(other, &spec.name),
    })
}

/// What of a record says what keeps the agent from the machine.
pub(super) fn show(boundary: Option<&Boundary>, record: &mut Value) {
    let Some(record) = record.as_object_mut() else { return };
    let open =
        Boundary { backend: "local", network: "open", layers: Vec::new(), limits_not_kept: Vec::new() };
    let Boundary { backend, network, layers, limits_not_kept } = boundary.unwrap_or(&open);
    let all = [
        ("backend", json!(backend)),
        ("network", json!(network)),
        ("layers", json!(layers)),
        ("limits_not_kept", json!(limits_not_kept)),
    ];
    record.extend(all.map(|(name, value)| (name.to_owned(), value)));
}
