//! `GET /swarm/websocket`: the upgrade to the Phoenix channel of the swarms (spec genswarms D.1), and what its
//! sessions ask of this instance.
//!
//! Admission came before, as for every route: a foreign Origin is 403, a wrong or missing token 401. Here the
//! version is looked at (403), then the request (400), then a place is taken, or 503. A task that comes over
//! the channel is written down like one of a request.

use std::sync::Arc;

use serde_json::Value;

use super::{
    App,
    request::{Fault, Request, Result},
    swarms::{Change, caller_of, changed},
};
use crate::{
    admit::Caller,
    bus::audit::Audit,
    gate::{Reply, Response, Upgrade, Upgraded},
    swarm::{self, Swarms, events::Hub},
    wire::head::Head,
    ws::{
        self, Phoenix,
        phoenix::{Stage, Version},
        upgrade::{self, UpgradeError},
    },
};

/// The version of a client that names none.
const VSN: &str = "1.0.0";

/// `GET /swarm/websocket`.
pub(super) fn channel(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let vsn = request.param("vsn").map(|vsn| Version::parse(vsn.as_deref().unwrap_or(VSN)));
    // One that is malformed or there twice is none of the two either.
    let Ok(Some(version)) = vsn else {
        return Err(Fault::new(403, "bad_vsn", "vsn must be 1.0.x or 2.0.x"));
    };
    let response = match upgrade::accept(request.head) {
        Ok(response) => response,
        Err(error) => return Ok(Reply::Response(refused(error, request.head))),
    };
    let seat = app.seat(caller)?;
    let clock = Arc::clone(&app.clock);
    let stage = Arc::new(TheseSwarms {
        swarms: Arc::clone(&app.swarms),
        audit: Arc::clone(&app.bus.audit),
        caller: caller_of(caller),
    });
    let run = move |upgraded: Upgraded| {
        let mut session = Phoenix::new(stage, version, &seat);
        ws::run(upgraded, &mut session, &seat, ws::Settings::channel(), &*clock);
    };
    Ok(Reply::Upgrade(Upgrade { response, run: Box::new(run) }))
}

/// `POST /swarm/websocket`, which genswarms knows and refuses.
pub(super) fn not_get(_: &App, _: &Caller, _: &Request<'_>) -> Result {
    Err(Fault::new(400, "not_an_upgrade", "a channel begins with GET"))
}

/// The words of a refusal, as clients of genswarms know them.
fn refused(error: UpgradeError, head: &Head) -> Response {
    let sentence = match error {
        UpgradeError::Method => "a channel begins with GET and HTTP/1.1".to_owned(),
        UpgradeError::Connection => {
            format!("'connection' header must contain 'upgrade', got {}", got(head, b"connection"))
        }
        UpgradeError::Upgrade => {
            format!("'upgrade' header must contain 'websocket', got {}", got(head, b"upgrade"))
        }
        UpgradeError::Version => {
            let got = got(head, b"sec-websocket-version");
            format!("'sec-websocket-version' header must equal '13', got {got}")
        }
        UpgradeError::NoKey => "'sec-websocket-key' header is absent".to_owned(),
        UpgradeError::BadKey => "'sec-websocket-key' header is not the base64 of 16 bytes".to_owned(),
    };
    error.response_with(&sentence)
}

/// The values of a header as they are printed there: `["8"]`.
fn got(head: &Head, name: &[u8]) -> String {
    let values = head.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    let values = values.map(|(_, value)| Value::from(String::from_utf8_lossy(value)).to_string());
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

/// What a session sees of the [`App`].
struct TheseSwarms {
    swarms: Arc<Swarms>,
    audit: Arc<Audit>,
    /// as entries of the audit name him
    caller: String,
}

impl Stage for TheseSwarms {
    fn joins(&self, swarm: &str) -> bool {
        self.swarms.knows(swarm)
    }

    fn status(&self, swarm: &str) -> std::result::Result<Value, &'static str> {
        match self.swarms.status(swarm) {
            Ok(view) => Ok(view.in_channel()),
            // Genswarms has a word of its own for it here.
            Err(swarm::Fault::SwarmNotFound) => Err("not_found"),
            Err(fault) => Err(fault.code()),
        }
    }

    fn task(&self, swarm: &str, agent: &str, task: &Value) -> std::result::Result<(), &'static str> {
        let text = task.as_str().map_or_else(|| task.to_string(), str::to_owned);
        let change = Change::task(swarm, agent, &text);
        let done = changed(&self.swarms, &self.audit, &self.caller, &change, |swarms| {
            swarms.task(swarm, agent, task)
        });
        done.map_err(|fault| fault.code())
    }

    fn hub(&self) -> &Arc<Hub> {
        self.swarms.events()
    }
}
