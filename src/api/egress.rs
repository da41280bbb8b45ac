//! What went through the one way out of an isolated agent, of a swarm or loose.
//!
//! Where it leads is shown as scheme, host and port; neither the key nor the path of the endpoint is, and nothing
//! that the agent said.

use serde_json::{Value, json};

use super::{
    App,
    agents::not_found,
    request::{Fault, Request, Result, ok},
};
use crate::{admit::Caller, backend::Egress};

/// `GET /api/v1/egress/:swarm/:agent`.
pub(super) fn of_member(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let [swarm, agent, _] = request.ids;
    let egress = app.swarms.egress(swarm, agent)?.ok_or_else(not_isolated)?;
    ok(&shown(&format!("{swarm}/{agent}"), &egress))
}

/// `GET /api/v1/egress/:agent`.
pub(super) fn of_loose(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let record = app.fleet.record(request.id).ok_or_else(not_found)?;
    // One of the same name may have been isolated before.
    let isolated = record.boundary.is_some_and(|boundary| boundary.network == "isolated");
    let egress = isolated.then(|| app.swarms.backends().egress(record.name.as_str(), None));
    ok(&shown(record.name.as_str(), &egress.ok_or_else(not_isolated)?))
}

fn shown(name: &str, egress: &Egress) -> Value {
    let mut shown = egress.account.json();
    if let Value::Object(fields) = &mut shown {
        fields.insert("agent".to_owned(), json!(name));
        fields.insert("network".to_owned(), json!("isolated"));
        fields.insert("endpoint".to_owned(), json!(egress.endpoint));
    }
    shown
}

fn not_isolated() -> Fault {
    Fault::new(409, "not_isolated", "the agent is not isolated: nothing counts what it sends")
}
