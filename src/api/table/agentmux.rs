//! The rows of AgentMux's surface, health included: what its clients call, under both of its prefixes.

use super::{Handler, Route, Scope, ours};
use crate::{
    admit::Surface,
    api::{agentmux, bus, file, inject, service_rpc, socket},
    wire::head::Method,
};

pub(super) static ROWS: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/",
        alias: None,
        surface: Surface::AgentMux,
        body_limit: 0,
        optional_body: false,
        streams: false,
        scopes: &[Scope::Anyone],
        doc: "health: status and version",
        handler: None,
    },
    mux(Method::Post, ["/agentmux/reactive/inject", "/wave/reactive/inject"], WITH_PEERS, inject::inject)
        .doc("type a text into an agent's terminal"),
    mux(Method::Get, ["/agentmux/reactive/agent", "/wave/reactive/agent"], WITH_PEERS, agentmux::agent)
        .doc("one registered agent, by ?id="),
    mux(Method::Get, ["/agentmux/reactive/agents", "/wave/reactive/agents"], OWNER, agentmux::agents)
        .doc("all registered agents"),
    mux(Method::Get, ["/agentmux/reactive/audit", "/wave/reactive/audit"], OWNER, agentmux::audit)
        .doc("the newest injects, newest first; ?limit="),
    mux(Method::Post, ["/agentmux/reactive/register", "/wave/reactive/register"], OWNER, agentmux::register)
        .doc("register an agent with its block"),
    mux(
        Method::Post,
        ["/agentmux/reactive/unregister", "/wave/reactive/unregister"],
        OWNER,
        agentmux::unregister,
    )
    .doc("forget an agent"),
    mux(Method::Post, ["/agentmux/service", "/wave/service"], OWNER, service_rpc::service)
        .doc("the service calls of a terminal: state of a block, input into it"),
    mux(Method::Get, ["/agentmux/file", "/wave/file"], OWNER, file::file)
        .doc("the output of a block; ?zoneid=<block>&name=term&offset="),
    mux(Method::Get, ["/agentmux/stream-file", "/wave/stream-file"], OWNER, file::not_implemented)
        .doc(NOT_HERE),
    mux(
        Method::Get,
        ["/agentmux/stream-file/*path", "/wave/stream-file/*path"],
        OWNER,
        file::not_implemented,
    )
    .doc(NOT_HERE),
    mux(
        Method::Get,
        ["/agentmux/stream-local-file", "/wave/stream-local-file"],
        OWNER,
        file::not_implemented,
    )
    .doc(NOT_HERE),
    Route { alias: None, ..mux(Method::Get, [POST_CHAT, POST_CHAT], OWNER, file::not_implemented) }
        .doc(NOT_HERE),
    Route { alias: None, ..mux(Method::Post, [POST_CHAT, POST_CHAT], OWNER, file::not_implemented) }
        .doc(NOT_HERE),
    Route { alias: None, ..mux(Method::Get, ["/ws", "/ws"], OWNER, socket::socket) }
        .doc("AgentMux's WebSocket: terminals, events and the message bus"),
    bus(Method::Post, "/api/bus/register", bus::register).doc("put a name on the message bus"),
    bus(Method::Post, "/api/bus/send", bus::send).doc("a message to a name on the bus or an agent"),
    bus(Method::Post, "/api/bus/inject", bus::inject)
        .doc("type into an agent's terminal, or where there is none leave a message"),
    bus(Method::Post, "/api/bus/broadcast", bus::broadcast).doc("a message to all"),
    bus(Method::Get, "/api/bus/messages", bus::messages)
        .doc("take the messages of a name; ?agent_id=&limit=; HEAD takes none"),
    bus(Method::Post, "/api/bus/messages/delete", bus::delete).doc("remove waiting messages by their ids"),
    bus(Method::Get, "/api/bus/agents", bus::agents).doc("the names on the message bus"),
];

const NOT_HERE: &str = "a route of AgentMux that is not built: 501";
const POST_CHAT: &str = "/api/post-chat-message";
const OWNER: &[Scope] = &[Scope::Owner];
const WITH_PEERS: &[Scope] = &[Scope::Owner, Scope::Peer];

const fn mux(
    method: Method,
    [path, alias]: [&'static str; 2],
    scopes: &'static [Scope],
    handler: Handler,
) -> Route {
    Route { alias: Some(alias), surface: Surface::AgentMux, scopes, ..ours(method, path, handler) }
}

const fn bus(method: Method, path: &'static str, handler: Handler) -> Route {
    Route { surface: Surface::AgentMux, scopes: OWNER, ..ours(method, path, handler) }
}
