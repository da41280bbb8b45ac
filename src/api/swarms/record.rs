//! An agent of a swarm on our own surface: what a program needs that wants to look at its terminal.

use serde_json::{Value, json};

use crate::{
    admit::Caller,
    api::{
        App,
        request::{Request, Result, ok},
    },
};

/// `GET /api/v1/swarms/:swarm/agents/:agent`: as on the swarms' surface, its terminal where it has one, and what
/// is in force of its sandbox where it is in one.
pub(in crate::api) fn record(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    let view = app.swarms.agent(swarm, agent)?;
    let mut record = view.to_value();
    if let Value::Object(fields) = &mut record {
        fields.insert("full_name".to_owned(), json!(format!("{}/{}", view.swarm, view.name)));
        fields.insert("block_id".to_owned(), json!(view.block_id));
        if let Some(sandbox) = &view.sandbox {
            fields.insert("sandbox".to_owned(), sandbox.to_value());
        }
        if let Some(terminal) = view.block_id.and_then(|block| app.fleet.record_of_block(&block)) {
            let output = json!({ "start": terminal.output_start, "end": terminal.output_end });
            fields.insert("output".to_owned(), output);
        }
    }
    ok(&record)
}
