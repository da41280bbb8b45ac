//! What the instance says about itself: status, exposure, and the audit.
//!
//! Counts and refusals, whether the audit can be written, what is open now against what is declared, and
//! the pages of the audit. For the owner and the API token; nothing here is secret, and nothing names a
//! text or a key.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{
    App, VERSION,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::Caller,
    agent::{State, cage::Boundary},
    backend::{Destination, InForce, bwrap::place},
    bus::audit::Query,
    exposure::{self, Isolated, Keeper, Moving, Outbound},
    registry::Counts,
    wire::node::Holder,
};

/// `GET /api/v1/status`.
pub(super) fn status(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let records = app.fleet.records();
    let count = |state| records.iter().filter(|record| record.state == state).count();
    ok(&json!({
        "version": VERSION,
        "instance": app.instance,
        "pid": std::process::id(),
        "uptime_ms": app.clock.monotonic_ms().saturating_sub(app.started),
        "address": app.policy.bound.to_string(),
        "agents": {
            "running": count(State::Running),
            "waiting_input": count(State::WaitingInput),
            "done": count(State::Done),
        },
        "connections": connections(app),
        "websockets": { "open": app.sockets().open(), "frames_ignored": app.sockets().ignored() },
        "refusals": app.refusals.to_json(),
        "audit": audit_health(app),
        "events": events_health(app),
        "messages_waiting": app.bus.mail.waiting_in_all().0,
        "forwards": forwards(app),
    }))
}

/// What became of letters to other instances.
fn forwards(app: &App) -> Value {
    let Counts { taken, refused, not_reached, unsure } = app.bus.elsewhere.counts();
    let held = app.bus.mail.held_in_all();
    json!({ "taken": taken, "refused": refused, "not_reached": not_reached, "unsure": unsure, "held": held })
}

/// What the audit holds, what it lost, and why it is not written where it is not.
fn audit_health(app: &App) -> Value {
    let health = app.bus.audit.health();
    json!({
        "bytes": app.bus.audit.bytes(),
        "lost": health.lost,
        "left_out": health.left_out,
        "failing": health.failing,
    })
}

/// What of the events is on the disk, what is not, and why the newest are not where they are not.
fn events_health(app: &App) -> Value {
    let health = app.swarms.events().health().unwrap_or_default();
    json!({
        "bytes": health.bytes,
        "lost": health.lost,
        "skipped": health.unread,
        "failing": health.failing,
    })
}

fn connections(app: &App) -> Value {
    let Some(counters) = app.gate_counters.get() else { return Value::Null };
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "open": read(&counters.open),
        "accepted": read(&counters.accepted),
        "evicted": read(&counters.evicted),
        "refused_full": read(&counters.refused_full),
        "deadline_408": read(&counters.deadline_408),
        "accept_errors": read(&counters.accept_errors),
        "panics": read(&counters.panics),
        "bodies_bytes": read(&counters.bodies_bytes),
    })
}

/// `GET /api/v1/exposure`: looked at now, not remembered.
pub(super) fn exposure(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let moving = || {
        let keepers = app.fleet.keepers();
        let of_swarms = keepers.iter().filter(|(_, holder)| matches!(holder, Holder::Member(_))).count();
        let listing = app.bus.elsewhere.listing();
        let (ways, destinations) = app.destinations();
        let endpoints = destinations.into_iter().map(|one| Outbound {
            address: one.address,
            purpose: format!("requests of isolated agents to {}", one.endpoint),
            default: "per agent".to_owned(),
        });
        let outbound = listing.instances.iter().map(|instance| Outbound {
            address: instance.at,
            purpose: format!("letters to instance pid {}", instance.pid),
            default: "off: set".to_owned(),
        });
        Moving {
            keepers: keepers
                .into_iter()
                .map(|(pid, holder)| Keeper { pid, agent: holder.to_string() })
                .collect(),
            // stdin, stdout and stderr; those in terminals have none
            pipes: of_swarms.saturating_mul(3),
            outbound: outbound.chain(endpoints).collect(),
            entries: listing.own_files(app.bus.elsewhere.home()),
            isolated: app.isolated(ways),
        }
    };
    let report = exposure::live(&app.declared, &moving)
        .map_err(|_| Fault::new(500, "exposure_unreadable", "the kernel's tables cannot be read"))?;
    ok(&report.to_json())
}

impl App {
    /// How many ways out stand, and where they lead now.
    fn destinations(&self) -> (usize, Vec<Destination>) {
        self.swarms.backends().sandboxes().map(|sandboxes| sandboxes.destinations()).unwrap_or_default()
    }

    /// Agents in sandboxes; and where ways out may lead, if there are any.
    fn isolated(&self, ways: usize) -> Isolated {
        let policy = self.swarms.backends().policy();
        let allowed = policy.allowed().iter().map(|one| (place(one), "model of isolated agents: allowed"));
        let all = std::iter::once((place(policy.operator()), "model of isolated agents: the operator's"));
        let endpoints = all.chain(allowed).filter(|_| ways > 0);
        let what = |network: &str, layers: &[String], missing: &[&str]| {
            let layers = layers.iter().map(|layer| format!(", {layer}")).collect::<String>();
            let missing = missing.iter().map(|limit| format!(", without {limit}")).collect::<String>();
            format!("network {network}{layers}{missing}")
        };
        let swarms = self.swarms.list();
        let members = swarms.iter().flat_map(|row| self.swarms.agents(row.name.as_str()));
        let members = members.filter_map(|agent| {
            let InForce { network, layers, limits_not_kept, .. } = agent.sandbox?;
            let name = format!("{}/{}", agent.swarm, agent.name);
            Some((name, what(network, &layers, &limits_not_kept)))
        });
        let loose = self.fleet.records().into_iter().filter_map(|record| {
            let Boundary { network, layers, limits_not_kept, .. } = record.boundary?;
            Some((record.name.to_string(), what(network, &layers, &limits_not_kept)))
        });
        Isolated {
            ways,
            endpoints: endpoints.map(|(at, right)| (at, right.to_owned())).collect(),
            sandboxes: members.chain(loose).collect(),
        }
    }
}

/// `GET /api/v1/audit?since=&before=&limit=`: all entries, newest first, in pages.
pub(super) fn audit(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let limit = request.whole_param("limit")?.unwrap_or(100);
    let query = Query {
        since: request.whole_param("since")?.unwrap_or(0),
        before: request.whole_param("before")?,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let page = app.bus.audit.page(query).map_err(|_| {
        Fault::new(500, "audit_unreadable", "the audit cannot be read from the disk; see the instance's log")
    })?;
    ok(&json!({ "entries": page.entries, "next": page.next }))
}
