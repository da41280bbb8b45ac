//! The rows of our own surface, `/api/v1/`: the owner's, and what an agent may ask with its own token.

use super::{Handler, Route, Scope, ours};
use crate::{
    api::{agents, egress, elsewhere, messages, own, own_swarm, rotate, status, swarms, top},
    limits::BODY_LARGEST,
    wire::head::Method,
};

pub(super) static ROWS: &[Route] = &[
    ours(Method::Get, "/api/v1/agents", agents::list).doc("all agents that this instance runs"),
    // A command and its environment may have 128 KiB, and JSON may escape every byte.
    Route { body_limit: BODY_LARGEST, ..ours(Method::Post, "/api/v1/agents", agents::start) }
        .doc("start an agent in a terminal"),
    ours(Method::Get, "/api/v1/agents/:id", agents::show).doc("one agent"),
    ours(Method::Delete, "/api/v1/agents/:id", agents::stop).doc("end an agent and all of its processes"),
    ours(Method::Get, "/api/v1/agents/:id/output", agents::output)
        .doc("its terminal's output as raw bytes; ?from=<offset>&wait=<ms>"),
    ours(Method::Post, "/api/v1/agents/:id/input", agents::input).doc("raw keys into its terminal"),
    ours(Method::Post, "/api/v1/agents/:id/resize", agents::resize).doc("change its screen's size"),
    ours(Method::Post, "/api/v1/agents/:id/send", messages::send)
        .doc("a message to an agent, from the owner"),
    ours(Method::Get, "/api/v1/agents/:id/inbox", messages::inbox)
        .doc("a look at what waits for an agent, which changes nothing; ?after=<number>&limit=&wait=<ms>"),
    ours(Method::Get, "/api/v1/messages/:id", messages::show)
        .doc("state and history of a message, by its id"),
    ours(Method::Post, "/api/v1/messages/:id/redeliver", messages::redeliver)
        .doc("a message that failed or expired waits again: {}, or {number} where several have the id"),
    ours(Method::Get, "/api/v1/dead", messages::dead)
        .doc("messages that failed or expired, with the reason; ?after=<number>&limit="),
    ours(Method::Get, "/api/v1/mailboxes", messages::mailboxes).doc("the mailboxes in which something waits"),
    own(Method::Get, "/api/v1/self/whoami", own::whoami).doc("an agent asks for its own name"),
    own(Method::Get, "/api/v1/self/agents", own::agents).doc("an agent asks whom it can send to"),
    own(Method::Post, "/api/v1/self/send", own::send).doc("a message to an agent, from an agent"),
    own(Method::Get, "/api/v1/self/inbox", own::inbox)
        .doc("an agent reads its own mail, which stays until acknowledged; ?after=<cursor>&limit=&wait=<ms>"),
    own(Method::Post, "/api/v1/self/ack", own::ack)
        .doc("an agent has read: {through: <cursor>}, {ids: []} or {numbers: []}"),
    own(Method::Post, "/api/v1/self/inject", own::inject)
        .doc("an agent types into a terminal that was started to let it"),
    own(Method::Post, "/api/v1/self/ask", own::ask).doc("an agent asks another, and waits for the answer"),
    member(Method::Get, "/api/v1/self/whoami", own_swarm::whoami)
        .doc("an agent of a swarm asks for its own name"),
    member(Method::Get, "/api/v1/self/agents", own_swarm::agents)
        .doc("an agent of a swarm asks to whom it has an edge"),
    member(Method::Post, "/api/v1/self/send", own_swarm::send)
        .doc("a message of an agent of a swarm, along an edge: {to, text}"),
    member(Method::Post, "/api/v1/self/ask", own_swarm::ask)
        .doc("an agent of a swarm asks an object: {to, text, correlation_id}"),
    member(Method::Post, "/api/v1/self/broadcast", own_swarm::broadcast)
        .doc("a message of an agent of a swarm along all its edges: {text}"),
    ours(Method::Get, "/api/v1/peers", elsewhere::peers)
        .doc("other instances of this user and their agents, and what is wrong in the registry"),
    ours(Method::Get, "/api/v1/audit", status::audit)
        .doc("the audit, newest entries first; ?since=<unix ms>&before=<number>&limit="),
    ours(Method::Get, "/api/v1/status", status::status).doc("version, counts and refusals of the instance"),
    Route { scopes: &[Scope::OwnerAlone, Scope::Api], ..ours(Method::Get, "/api/v1/top", top::top) }
        .doc("how all agents do, those of swarms too: state, counts, latency of turns, memory"),
    Route { scopes: &[Scope::Owner], ..ours(Method::Post, "/api/v1/rotate-key", rotate::rotate) }
        .doc("a new owner key and a new peer key: {keep_connections}"),
    Route {
        scopes: &[Scope::OwnerAlone, Scope::Api],
        ..ours(Method::Get, "/api/v1/swarms/:swarm/agents/:agent", swarms::record::record)
    }
    .doc("one agent of a swarm, with its terminal where it has one"),
    Route {
        scopes: &[Scope::OwnerAlone, Scope::Api],
        ..ours(Method::Get, "/api/v1/egress/:swarm/:agent", egress::of_member)
    }
    .doc("what went through the one way out of an isolated agent of a swarm: requests, bytes, refusals"),
    ours(Method::Get, "/api/v1/egress/:agent", egress::of_loose).doc("the same, of a loose one"),
    ours(Method::Get, "/api/v1/exposure", status::exposure).doc("what is open: declared against observed"),
];

const fn own(method: Method, path: &'static str, handler: Handler) -> Route {
    Route { scopes: &[Scope::Agent], ..ours(method, path, handler) }
}

/// A row for the agents of swarms; the same path may have another for loose ones.
const fn member(method: Method, path: &'static str, handler: Handler) -> Route {
    let body_limit = if matches!(method, Method::Post) { BODY_LARGEST } else { 0 };
    Route { scopes: &[Scope::Member], body_limit, ..ours(method, path, handler) }
}
