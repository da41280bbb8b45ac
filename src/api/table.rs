//! The routes, as data (design section 5).
//!
//! Admission, the routes page, `loopgate exposure --routes` and the test that walks all routes
//! read this one table. A path that is not in it does not exist.

use super::{
    App, agentmux, agents, bus, elsewhere, file, inject, messages, own, request::Request, request::Result,
    rotate, service_rpc, socket, status,
};
use crate::{
    admit::{Caller, Surface, Who},
    limits::{BODY_LARGEST, BODY_SMALL},
    wire::head::Method,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// anybody, without a credential
    Anyone,
    /// the owner key
    Owner,
    /// another instance's peer key
    Peer,
    /// the API token
    Api,
    /// an agent, by its own token
    Agent,
    /// the config token
    Config,
    /// a process of this user, where no API token is configured
    Loopback,
}

impl Scope {
    /// The scope that `who` has.
    pub fn of(who: &Who) -> Self {
        match who {
            Who::Owner => Scope::Owner,
            Who::Peer => Scope::Peer,
            Who::Api => Scope::Api,
            Who::Agent(_) => Scope::Agent,
            Who::Config => Scope::Config,
            Who::Loopback => Scope::Loopback,
        }
    }

    /// Whether it reaches a few routes only, so that the others are closed to it whether they
    /// exist or not.
    pub fn is_limited(self) -> bool {
        match self {
            Scope::Peer | Scope::Agent | Scope::Config => true,
            Scope::Anyone | Scope::Owner | Scope::Api | Scope::Loopback => false,
        }
    }

    /// Its name in the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Anyone => "anyone",
            Scope::Owner => "owner key",
            Scope::Peer => "peer key",
            Scope::Api => "API token",
            Scope::Agent => "agent token",
            Scope::Config => "config token",
            Scope::Loopback => "loopback",
        }
    }
}

/// What answers a route. Every handler takes the proof of admission.
pub type Handler = fn(&App, &Caller, &Request<'_>) -> Result;

/// One row.
pub struct Route {
    /// a GET row answers HEAD too
    pub method: Method,
    /// as sent; a segment that begins with a colon (`:id`) stands for one that is not empty, `*path` at
    /// the end for all that follows
    pub path: &'static str,
    /// another name of the same path
    pub alias: Option<&'static str>,
    /// whose rules of admission hold
    pub surface: Surface,
    /// bytes; 0: it takes no body, else it takes JSON
    pub body_limit: usize,
    /// who may call it
    pub scopes: &'static [Scope],
    /// one line
    pub doc: &'static str,
    /// `None` where no credential is needed, so that there is no caller to hand on
    pub(super) handler: Option<Handler>,
}

/// All routes.
pub static ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/",
        alias: None,
        surface: Surface::AgentMux,
        body_limit: 0,
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
    ours(Method::Get, "/api/v1/peers", elsewhere::peers)
        .doc("other instances of this user and their agents, and what is wrong in the registry"),
    ours(Method::Get, "/api/v1/audit", status::audit)
        .doc("the audit, newest entries first; ?since=<unix ms>&before=<number>&limit="),
    ours(Method::Get, "/api/v1/status", status::status).doc("version, counts and refusals of the instance"),
    Route { scopes: OWNER, ..ours(Method::Post, "/api/v1/rotate-key", rotate::rotate) }
        .doc("a new owner key and a new peer key: {keep_connections}"),
    ours(Method::Get, "/api/v1/exposure", status::exposure).doc("what is open: declared against observed"),
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

const fn own(method: Method, path: &'static str, handler: Handler) -> Route {
    Route { scopes: &[Scope::Agent], ..ours(method, path, handler) }
}

const fn ours(method: Method, path: &'static str, handler: Handler) -> Route {
    let body_limit = if matches!(method, Method::Post) { BODY_SMALL } else { 0 };
    let (surface, scopes) = (Surface::Ours, &[Scope::Owner, Scope::Api] as &[Scope]);
    Route { method, path, alias: None, surface, body_limit, scopes, doc: "", handler: Some(handler) }
}

impl Route {
    const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    /// What stands for the segments with a colon in a path of this route, in their order; empty where
    /// nothing does.
    pub(super) fn ids_in<'p>(&self, path: &'p str) -> Ids<'p> {
        self.matches(path).unwrap_or_default()
    }

    /// Whether `path` is this route's, and what stands for its segments with a colon.
    fn matches<'p>(&self, path: &'p str) -> Option<Ids<'p>> {
        fit(self.path, path).or_else(|| fit(self.alias?, path))
    }
}

/// Segments with a colon in one path, at most.
const SEGMENTS: usize = 3;

/// What stands for the segments with a colon; never decoded.
pub type Ids<'p> = [&'p str; SEGMENTS];

/// Whether `path` is of this shape, and what stands for the segments with a colon in it.
fn fit<'p>(shape: &str, path: &'p str) -> Option<Ids<'p>> {
    if let Some(before) = shape.strip_suffix("*path") {
        return path.strip_prefix(before).filter(|rest| !rest.is_empty()).map(|_| Ids::default());
    }
    let mut ids = Ids::default();
    let mut places = ids.iter_mut();
    let mut sent = path.split('/');
    for segment in shape.split('/') {
        let part = sent.next()?;
        if !segment.starts_with(':') {
            if segment != part {
                return None;
            }
        } else if part.is_empty() {
            return None;
        } else {
            *places.next()? = part;
        }
    }
    sent.next().is_none().then_some(ids)
}

/// A path of this shape, with `id` for each segment with a colon.
#[cfg(test)]
pub(super) fn example(shape: &str, id: &str) -> String {
    let filled = |segment: &str| if segment.starts_with(':') { id.to_owned() } else { segment.to_owned() };
    shape.split('/').map(filled).collect::<Vec<_>>().join("/").replace("*path", "a/b")
}

/// Where a request goes.
pub enum Found {
    /// to this row
    Route(&'static Route),
    /// the path exists, for these methods
    WrongMethod(Vec<Method>),
    /// the path exists for others, or does not, and this caller need not know which
    OutOfScope,
    /// nowhere
    Unknown,
}

/// Finds the row of a request. Scope first: whoever is out of scope does not learn which methods
/// a path has, and a limited caller not even whether it exists.
pub fn find(method: Method, path: &str, scope: Scope) -> Found {
    let method = if method == Method::Head { Method::Get } else { method };
    let mut exists = false;
    let mut methods = Vec::new();
    for route in ROUTES {
        if route.matches(path).is_none() {
            continue;
        }
        exists = true;
        if !route.scopes.contains(&scope) && !route.scopes.contains(&Scope::Anyone) {
            continue;
        }
        if route.method == method {
            return Found::Route(route);
        }
        methods.push(route.method);
    }
    if !methods.is_empty() {
        Found::WrongMethod(methods)
    } else if exists || scope.is_limited() {
        Found::OutOfScope
    } else {
        Found::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(method: Method, path: &str) -> Option<(&'static str, Option<&str>)> {
        match find(method, path, Scope::Owner) {
            Found::Route(route) => {
                let [id, ..] = route.ids_in(path);
                Some((route.path, (!id.is_empty()).then_some(id)))
            }
            Found::WrongMethod(_) | Found::OutOfScope | Found::Unknown => None,
        }
    }

    #[test]
    fn a_path_is_found_as_it_is_written() {
        let get = |path| path_of(Method::Get, path);
        assert_eq!(get("/api/v1/agents/a1"), Some(("/api/v1/agents/:id", Some("a1"))));
        assert_eq!(get("/api/v1/agents/a1/output"), Some(("/api/v1/agents/:id/output", Some("a1"))));
        assert_eq!(get("/wave/reactive/agents"), Some(("/agentmux/reactive/agents", None)));
        for path in ["/agentmux/stream-file/a", "/wave/stream-file/a/b", "/wave/stream-file//"] {
            assert_eq!(get(path), Some(("/agentmux/stream-file/*path", None)));
        }
        assert_eq!(path_of(Method::Head, "/api/v1/status"), Some(("/api/v1/status", None)));
        for unknown in [
            "/api/v1/agents/",
            "/api/v1/agents//output",
            "/api/v1/agents/a/b/output",
            "/api/v1/agents/a1/",
            "/API/v1/agents",
            "/agentmux/reactive/agents/",
            "//",
            "/agentmux/reactive/%61gents",
            "/agentmux/stream-file/",
            "/agentmux/stream-filex",
        ] {
            assert_eq!(get(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn segments_with_a_colon_are_found_in_their_order() {
        let shape = "/api/swarms/:swarm/agents/:agent/skills/:skill";
        assert_eq!(fit(shape, "/api/swarms/s/agents/a/skills/x.md"), Some(["s", "a", "x.md"]));
        assert_eq!(fit("/api/swarms/:swarm", "/api/swarms/s%2Fa"), Some(["s%2Fa", "", ""]));
        for other in [
            "/api/swarms/s/agents/a/skills",
            "/api/swarms/s/agents/a/skills/",
            "/api/swarms/s/agents//skills/x",
            "/api/swarms/s/agents/a/skills/x/",
            "/api/swarms/s/objects/a/skills/x",
        ] {
            assert_eq!(fit(shape, other), None, "{other}");
        }
    }

    #[test]
    fn no_two_rows_answer_the_same_request() {
        for (index, route) in ROUTES.iter().enumerate() {
            for other in ROUTES.iter().skip(index + 1) {
                let same = route.method == other.method;
                let example = example(route.path, "x");
                assert!(!(same && other.matches(&example).is_some()), "{} and {}", route.path, other.path);
            }
        }
    }

    #[test]
    fn every_row_is_complete_and_belongs_to_the_surface_of_its_path() {
        for route in ROUTES {
            assert_eq!(Surface::of(route.path), route.surface, "{}", route.path);
            assert!(route.alias.is_none_or(|alias| Surface::of(alias) == route.surface));
            assert!(!route.doc.is_empty() && !route.scopes.is_empty(), "{}", route.path);
            assert_eq!(route.handler.is_none(), route.scopes == [Scope::Anyone], "{}", route.path);
            assert!(route.body_limit <= crate::limits::BODY_LARGEST);
        }
    }
}
