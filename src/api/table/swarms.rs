//! The rows of the swarms' surface (spec genswarms B.1), and `start`, which is ours. The owner key opens none:
//! the API token does, and where none is configured a process of this user. Two rows open to the config
//! token too, the same that admission knows (spec genswarms C.3).

use super::{Handler, Route, Scope, ours};
use crate::{
    admit::Surface,
    api::{
        channel,
        swarms::{agents, configs, control, events, logs, objects, shelf, traffic},
    },
    limits::{BODY_LARGEST, BODY_SMALL},
    wire::head::Method,
};

pub(super) static ROWS: &[Route] = &[
    row(Method::Get, "/api/swarms", control::list).doc("all swarms, those that do not run too"),
    large(Method::Post, "/api/swarms", control::create).doc("start a new swarm: {config} or {config_path}"),
    act("/api/swarms/clean", control::clean)
        .doc("forget the swarms that do not run, or of them {swarms}; ?all=true: the events too"),
    row(Method::Get, "/api/swarms/:swarm", control::show).doc("one swarm"),
    row(Method::Delete, "/api/swarms/:swarm", control::stop)
        .doc("end a swarm and all of its processes; ?purge=true: and remove what is kept of it"),
    act("/api/swarms/:swarm/start", control::start).doc("start a swarm that is kept"),
    act("/api/swarms/:swarm/pause", control::pause)
        .doc("hand out nothing more, and freeze the agents' processes"),
    act("/api/swarms/:swarm/resume", control::resume).doc("end a pause"),
    act("/api/swarms/:swarm/restart", control::restart)
        .doc("end a swarm and start it again; ?delete=true: with empty directories"),
    large(Method::Post, "/api/swarms/:swarm/message", traffic::message)
        .doc("a message from a node to another, along an edge: {from, to, content}"),
    row(Method::Get, "/api/swarms/:swarm/messages", traffic::messages)
        .doc("its messages, newest first; ?limit="),
    row(Method::Get, "/api/swarms/:swarm/logs", logs::of_swarm)
        .doc("the same of all its agents, in one order"),
    row(Method::Get, "/api/swarms/:swarm/topology", traffic::topology).doc("its edges, by sender"),
    row(Method::Patch, "/api/swarms/:swarm/topology", traffic::change_topology)
        .doc("add and remove edges, all or none: {add: [[from, to]], remove: []}"),
    row(Method::Get, "/api/swarms/:swarm/agents", agents::list).doc("its agents"),
    large(Method::Post, "/api/swarms/:swarm/agents", agents::add)
        .doc("add an agent: {name, backend, config, connections, incoming}"),
    row(Method::Get, "/api/swarms/:swarm/agents/:agent", agents::show).doc("one agent"),
    row(Method::Delete, "/api/swarms/:swarm/agents/:agent", agents::remove)
        .doc("end an agent and take it out of the swarm"),
    large(Method::Post, "/api/swarms/:swarm/agents/:agent/task", agents::task)
        .doc("give an agent a task: {task}"),
    act("/api/swarms/:swarm/agents/:agent/restart", agents::restart).doc("end an agent and start it again"),
    row(Method::Post, "/api/swarms/:swarm/agents/:base/scale", agents::scale)
        .doc("have so many copies of an agent: {count}"),
    row(Method::Get, "/api/swarms/:swarm/agents/:agent/history", agents::history)
        .doc("what an agent was given and said, newest first; ?limit="),
    row(Method::Get, "/api/swarms/:swarm/agents/:agent/logs", logs::of_agent).doc(
        "what an agent was told and said, oldest first; ?kind=conversation,output,events ?limit= ?since= ?follow=1",
    ),
    row(Method::Get, "/api/swarms/:swarm/agents/:agent/skills", agents::skills).doc("an agent's skills"),
    large(Method::Put, "/api/swarms/:swarm/agents/:agent/skills/:skill", agents::put_skill)
        .doc("write one of an agent's skills: {content}"),
    row(Method::Get, "/api/swarms/:swarm/objects", objects::list).doc("its objects"),
    large(Method::Post, "/api/swarms/:swarm/objects", objects::add)
        .doc("add an object: {name, handler, config, connections, incoming}"),
    row(Method::Get, "/api/swarms/:swarm/objects/:object", objects::show).doc("one object"),
    row(Method::Delete, "/api/swarms/:swarm/objects/:object", objects::remove)
        .doc("take an object out of the swarm"),
    Route {
        scopes: WITH_CONFIG,
        ..large(Method::Patch, "/api/swarms/:swarm/objects/:object/config", objects::patch)
    }
    .doc("change what may change of an object's configuration: {config}"),
    Route { scopes: WITH_CONFIG, ..row(Method::Get, "/api/swarms/:swarm/overlay", objects::overlay) }
        .doc("what was changed while it ran"),
    row(Method::Delete, "/api/swarms/:swarm/overlay", objects::clear_overlay)
        .doc("forget what was changed while it ran, from the next start on"),
    act("/api/swarms/:swarm/snapshot", objects::snapshot)
        .doc("the configuration that would make it as it is now, secrets replaced"),
    large(Method::Post, "/api/config/validate", configs::validate).doc(
        "what is wrong in a configuration: {config}, {config_path} or {content, format}; nothing is run",
    ),
    followed("/api/events", events::events).doc(
        "what happened, newest first; ?level= &category= &swarm= &agent= &event_type= &minutes= &limit=; \
         ?since=: what came after that number, oldest first; ?follow=1: and what comes, as server-sent events",
    ),
    followed("/api/swarms/:swarm/events", events::of_swarm).doc("the same, of one swarm"),
    followed("/api/swarms/:swarm/agents/:agent/events", events::of_agent).doc("the same, of one agent"),
    row(Method::Get, CHANNEL, channel::channel)
        .doc("the Phoenix channel of the swarms, WebSocket; ?vsn=, ?token=<API token>"),
    act(CHANNEL, channel::not_get).doc("refused: a channel begins with GET"),
    row(Method::Get, "/api/skills", shelf::list).doc("the skills in the repository; ?path=<below it>"),
    row(Method::Get, "/api/skills/:skill", shelf::show).doc("one skill of the repository"),
];

/// Where the channel is.
const CHANNEL: &str = "/swarm/websocket";

const FULL: &[Scope] = &[Scope::Api, Scope::Loopback];
const WITH_CONFIG: &[Scope] = &[Scope::Api, Scope::Loopback, Scope::Config];

const fn row(method: Method, path: &'static str, handler: Handler) -> Route {
    let body_limit = if matches!(method, Method::Get | Method::Delete) { 0 } else { BODY_SMALL };
    Route { surface: Surface::Swarm, scopes: FULL, body_limit, ..ours(method, path, handler) }
}

/// One that can be followed.
const fn followed(path: &'static str, handler: Handler) -> Route {
    Route { streams: true, ..row(Method::Get, path, handler) }
}

/// One that takes a task, a message, a skill or a configuration.
const fn large(method: Method, path: &'static str, handler: Handler) -> Route {
    Route { body_limit: BODY_LARGEST, ..row(method, path, handler) }
}

/// One that is told all by its path: clients send no body, or an empty object.
const fn act(path: &'static str, handler: Handler) -> Route {
    Route { optional_body: true, ..row(Method::Post, path, handler) }
}
