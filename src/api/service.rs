//! The way of a request behind the gate: admission, penalties, scope, route, media type, handler.
//!
//! Everything is decided from the head before a byte of body is read (design section 5). Every
//! answer after the Host was known carries what a browser must know about origins.

use std::{cell::OnceCell, net::SocketAddr};

use super::{
    App, VERSION,
    request::{Fault, Request},
    swarms,
    table::{Found, Route, Scope, find},
};
use crate::{
    admit::{
        Admission, Caller, CorsHeaders, PeerAddr, PeerFacts, Preflight, Standing, Surface, TreeFact, Verdict,
        World, admit,
    },
    bus::audit::Refused,
    gate::{Decision, Peer, Reply, Response, Service},
    limits,
    wire::{
        head::{Head, HeadError, Method},
        node::Holder,
    },
};

/// What is remembered of a connection.
pub struct Conn {
    at: PeerAddr,
    /// looked up when first needed, because it costs
    facts: OnceCell<PeerFacts>,
    /// the same, for the agent whose token came first
    tree: OnceCell<(Holder, TreeFact)>,
}

/// A head that was let in.
pub struct Ticket {
    cors: CorsHeaders,
    to: Destination,
}

enum Destination {
    Preflight(Preflight),
    /// and the swarms' surface, to whom showed the API token
    Health {
        api: bool,
    },
    Route(&'static Route, Caller),
}

impl Service for App {
    type Conn = Conn;
    type Ticket = Ticket;

    fn open(&self, peer: SocketAddr, local: SocketAddr) -> Conn {
        Conn { at: PeerAddr { peer, local }, facts: OnceCell::new(), tree: OnceCell::new() }
    }

    fn decide(&self, conn: &mut Conn, head: &Head) -> Decision<Ticket> {
        let outcome = admit(&self.policy, &conn.at, head, &AtPeer { app: self, conn });
        let now = self.clock.monotonic_ms();
        let admission = match self.penalties.settle(outcome, conn.at.peer.ip(), now) {
            Ok(admission) => admission,
            Err(refusal) => {
                self.write_refusal(conn, head, refusal.status(), refusal.code());
                let response = Response::bytes(refusal.status(), "application/json", refusal.body());
                return Decision::Refuse(
                    refusal.headers().fold(response, |response, (name, value)| response.with(name, value)),
                );
            }
        };
        let Admission { verdict, surface, cors, .. } = admission;
        let (to, body_limit, admitted) = match verdict {
            Verdict::Preflight(preflight) => (Destination::Preflight(preflight), 0, false),
            Verdict::Public { api } => (Destination::Health { api }, 0, false),
            Verdict::Admitted(caller) => match self.route(&caller, surface, head) {
                Ok(route) => {
                    // An agent that opens connection after connection must not crowd its owner out.
                    let kept = !self.scopes_of(&caller).iter().any(|scope| scope.is_limited());
                    (Destination::Route(route, caller), route.body_limit, kept)
                }
                Err((response, code)) => {
                    if response.status() == 403 {
                        self.write_refusal(conn, head, 403, code);
                    } else {
                        self.refusals.count(code);
                    }
                    return Decision::Refuse(with_cors(response, &cors));
                }
            },
        };
        Decision::Admit { ticket: Ticket { cors, to }, body_limit, admitted }
    }

    fn handle(&self, _: &mut Conn, ticket: &Ticket, head: &Head, body: &[u8], peer: &Peer<'_>) -> Reply {
        let reply = match &ticket.to {
            Destination::Preflight(preflight) => {
                let response = preflight.pairs().fold(Response::empty(200), |response, (name, value)| {
                    response.with(name, value.to_owned())
                });
                Reply::Response(response)
            }
            Destination::Health { api: false } => Reply::Response(health()),
            Destination::Health { api: true } => Reply::Response(Response::json(200, &swarms::descriptor())),
            // Admitted before a rotation, and its body came after it.
            Destination::Route(_, caller) if self.is_outdated(caller) => {
                self.refusals.count("credential_wrong");
                Reply::Response(Response::error(401, "credential_wrong", "unauthorized"))
            }
            Destination::Route(route, caller) => {
                let ids = route.ids_in(head.path());
                let [id, ..] = ids;
                let request = Request { head, id, ids, body, peer };
                match route.handler {
                    None => Reply::Response(health()),
                    Some(handler) => handler(self, caller, &request)
                        .unwrap_or_else(|fault| Reply::Response(fault.response(route.surface))),
                }
            }
        };
        match reply {
            Reply::Response(response) => Reply::Response(with_cors(response, &ticket.cors)),
            Reply::Told(response, told) => Reply::Told(with_cors(response, &ticket.cors), told),
            Reply::Upgrade(mut upgrade) => {
                upgrade.response = with_cors(upgrade.response, &ticket.cors);
                Reply::Upgrade(upgrade)
            }
            Reply::Stream(mut stream) => {
                stream.response = with_cors(stream.response, &ticket.cors);
                Reply::Stream(stream)
            }
        }
    }

    fn malformed(&self, error: HeadError) -> Response {
        let (status, code, sentence) = error.answer();
        self.refusals.count(code);
        Response::error(status, code, sentence)
    }

    fn refused(&self, status: u16, ticket: Option<&Ticket>) -> Response {
        let most = match ticket.map(|ticket| &ticket.to) {
            Some(Destination::Route(route, _)) => route.body_limit,
            Some(Destination::Preflight(_) | Destination::Health { .. }) => 0,
            None => limits::BODY_LARGEST,
        };
        let too_large = format!("the body is larger than {most} bytes, the most that is taken here");
        let busy = match ticket {
            Some(_) => {
                format!("bodies of {} bytes are held, the most at once; try again", limits::BODY_BUDGET)
            }
            None => format!("{} connections are open, the most at once; try again", limits::CONNECTIONS),
        };
        let (code, sentence) = match status {
            408 => ("deadline", "the request did not arrive in time"),
            413 => ("body_too_large", too_large.as_str()),
            503 => ("busy", busy.as_str()),
            _ => ("internal", "something went wrong here"),
        };
        self.refusals.count(code);
        let response = Response::error(status, code, sentence);
        match ticket {
            Some(ticket) => with_cors(response, &ticket.cors),
            None => response,
        }
    }
}

impl App {
    /// Steps 6 and 7 of design section 5. The error is the answer and its code.
    fn route(
        &self,
        caller: &Caller,
        surface: Surface,
        head: &Head,
    ) -> Result<&'static Route, (Response, &'static str)> {
        let refuse = |status, code, sentence: &str| (Response::error(status, code, sentence), code);
        match find(head.method(), head.path(), self.scopes_of(caller)) {
            Found::Route(route)
                if route.body_limit > 0
                    && !Request::declares_json(head)
                    && !(route.optional_body && Request::has_no_body(head)) =>
            {
                Err(refuse(415, "not_json", "send a body with Content-Type: application/json"))
            }
            Found::Route(route) if surface == Surface::Swarm && !Request::accepts(head, route.streams) => {
                let fault = Fault::new(406, "not_acceptable", "answers are JSON: accept application/json");
                Err((fault.response(surface), "not_acceptable"))
            }
            Found::Route(route) => Ok(route),
            Found::OutOfScope => Err(refuse(403, "forbidden", "this credential does not open this route")),
            Found::Unknown | Found::WrongMethod(_) if surface == Surface::Swarm => {
                Err((Fault::new(404, "not_found", "not found").response(surface), "not_found"))
            }
            Found::Unknown => Err(refuse(404, "not_found", "not found")),
            Found::WrongMethod(methods) => {
                let (response, code) = refuse(405, "wrong_method", "this path does not take this method");
                Err((response.with("Allow", allow(&methods)), code))
            }
        }
    }

    fn scopes_of(&self, caller: &Caller) -> &'static [Scope] {
        Scope::of(caller.who(), self.policy.has_api_token())
    }

    /// Whether the key that admitted this caller opens nothing any more.
    pub(super) fn is_outdated(&self, caller: &Caller) -> bool {
        caller.generation().is_some_and(|generation| !self.policy.keys.counts(generation))
    }

    /// Refuses a caller whose key was changed while his request waited for something.
    pub(super) fn still_admitted(&self, caller: &Caller) -> std::result::Result<(), Fault> {
        match self.is_outdated(caller) {
            true => Err(Self::key_changed()),
            false => Ok(()),
        }
    }

    /// What a caller is told whose key opens nothing any more.
    pub(super) fn key_changed() -> Fault {
        Fault::new(401, "credential_wrong", "the key was changed meanwhile")
    }

    /// Counts a refusal, and writes it down as often as that may be done.
    fn write_refusal(&self, conn: &Conn, head: &Head, status: u16, code: &'static str) {
        self.refusals.count(code);
        let audit = &self.bus.audit;
        if !audit.refusal_rate.take(self.clock.monotonic_ms()) {
            return;
        }
        let facts = self.facts(conn);
        audit.refused(Refused {
            timestamp: self.clock.unix_ms(),
            status,
            code,
            request: head.label(),
            peer: conn.at.peer.to_string(),
            pid: facts.pid,
            uid: facts.uid,
            unwritten_before: audit.refusal_rate.take_unwritten(),
        });
    }

    fn facts(&self, conn: &Conn) -> PeerFacts {
        let keepers = || self.fleet.keepers().into_iter().map(|(pid, _)| pid).collect();
        let look = || self.peers.facts(&conn.at, &keepers, self.clock.monotonic_ms());
        let facts = conn.facts.get().copied().unwrap_or_else(look);
        if facts.standing == Standing::NotAsked {
            // Who was told to try again may do so on the same connection.
            return facts;
        }
        *conn.facts.get_or_init(|| facts)
    }
}

/// What admission may ask about one connection.
struct AtPeer<'a> {
    app: &'a App,
    conn: &'a Conn,
}

impl World for AtPeer<'_> {
    fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        self.app.fleet.holder_of_token(token)
    }

    fn peer_facts(&self) -> PeerFacts {
        self.app.facts(self.conn)
    }

    fn agent_tree(&self, agent: &Holder) -> TreeFact {
        let look = || {
            let keepers = self.app.fleet.keepers();
            let keeper = keepers.iter().find(|(_, holder)| holder == agent);
            let Some((keeper, _)) = keeper else { return TreeFact::Unknown };
            self.app.peers.tree(&self.conn.at, *keeper, self.app.clock.monotonic_ms())
        };
        match self.conn.tree.get_or_init(|| (agent.clone(), look())) {
            (known, fact) if known == agent => *fact,
            _ => look(), // another agent's token on the same connection
        }
    }
}

/// `GET /` (spec agentmux B.3): written out, because it is what most who knock ask for.
fn health() -> Response {
    let body = format!("{{\"status\":\"ok\",\"version\":\"{VERSION}\"}}");
    Response::bytes(200, "application/json", body.into_bytes())
}

fn with_cors(response: Response, cors: &CorsHeaders) -> Response {
    cors.pairs().fold(response, |response, (name, value)| response.with(name, value.to_owned()))
}

fn allow(methods: &[Method]) -> String {
    let mut names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    if methods.contains(&Method::Get) {
        names.push("HEAD");
    }
    names.join(", ")
}
