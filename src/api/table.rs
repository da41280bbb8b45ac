//! The routes, as data (design section 5).
//!
//! Admission, the routes page, `loopgate exposure --routes` and the test that walks all routes
//! read this one table. A path that is not in it does not exist. Its rows stand in a file for each
//! surface, because a request is looked for among those of its own surface only.

mod agentmux;
mod ours;
mod swarms;

use super::{
    App,
    request::{Request, Result},
};
use crate::{
    admit::{Caller, Surface, Who},
    limits::BODY_SMALL,
    wire::head::Method,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// anybody, without a credential
    Anyone,
    /// the owner key
    Owner,
    /// the owner key, where no API token is configured
    OwnerAlone,
    /// another instance's peer key
    Peer,
    /// the API token
    Api,
    /// a loose agent, by its own token
    Agent,
    /// an agent of a swarm, by its own token
    Member,
    /// the config token
    Config,
    /// a process of this user, where no API token is configured
    Loopback,
}

impl Scope {
    /// The scopes that `who` has; where an API token is configured, the owner key does not do what is that
    /// token's.
    pub fn of(who: &Who, api_token: bool) -> &'static [Self] {
        match who {
            Who::Owner if api_token => &[Scope::Owner],
            Who::Owner => &[Scope::Owner, Scope::OwnerAlone],
            Who::Peer => &[Scope::Peer],
            Who::Api => &[Scope::Api],
            Who::Agent(_) => &[Scope::Agent],
            Who::Member(_) => &[Scope::Member],
            Who::Config => &[Scope::Config],
            Who::Loopback => &[Scope::Loopback],
        }
    }

    /// Whether it reaches a few routes only, so that the others are closed to it whether they
    /// exist or not.
    pub fn is_limited(self) -> bool {
        match self {
            Scope::Peer | Scope::Agent | Scope::Member | Scope::Config => true,
            Scope::Anyone | Scope::Owner | Scope::OwnerAlone | Scope::Api | Scope::Loopback => false,
        }
    }

    /// Its name in the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Anyone => "anyone",
            Scope::Owner => "owner key",
            Scope::OwnerAlone => "owner key where no API token is set",
            Scope::Peer => "peer key",
            Scope::Api => "API token",
            Scope::Agent => "agent token",
            Scope::Member => "member token",
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
    /// whether a request without a body, and without a word about its type, will do as well
    pub optional_body: bool,
    /// whether it can be followed, so that who takes a stream of events is answered too
    pub streams: bool,
    /// who may call it
    pub scopes: &'static [Scope],
    /// one line
    pub doc: &'static str,
    /// `None` where no credential is needed, so that there is no caller to hand on
    pub(super) handler: Option<Handler>,
}

/// All routes.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    [Surface::AgentMux, Surface::Ours, Surface::Swarm].into_iter().flat_map(rows_of)
}

/// Those of one surface.
fn rows_of(surface: Surface) -> &'static [Route] {
    match surface {
        Surface::AgentMux => agentmux::ROWS,
        Surface::Ours => ours::ROWS,
        Surface::Swarm => swarms::ROWS,
    }
}

const fn ours(method: Method, path: &'static str, handler: Handler) -> Route {
    let body_limit = if matches!(method, Method::Post) { BODY_SMALL } else { 0 };
    let (surface, scopes) = (Surface::Ours, &[Scope::Owner, Scope::Api] as &[Scope]);
    Route {
        method,
        path,
        alias: None,
        surface,
        body_limit,
        optional_body: false,
        streams: false,
        scopes,
        doc: "",
        handler: Some(handler),
    }
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
pub fn find(method: Method, path: &str, scopes: &[Scope]) -> Found {
    let method = if method == Method::Head { Method::Get } else { method };
    let mut exists = false;
    let mut methods = Vec::new();
    for route in rows_of(Surface::of(path)) {
        if route.matches(path).is_none() {
            continue;
        }
        exists = true;
        if !route.scopes.iter().any(|scope| scopes.contains(scope) || *scope == Scope::Anyone) {
            continue;
        }
        if route.method == method {
            return Found::Route(route);
        }
        methods.push(route.method);
    }
    if !methods.is_empty() {
        Found::WrongMethod(methods)
    } else if exists || scopes.iter().any(|scope| scope.is_limited()) {
        Found::OutOfScope
    } else {
        Found::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(method: Method, path: &str) -> Option<(&'static str, Option<&str>)> {
        match find(method, path, &[Scope::Owner]) {
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
    fn a_limited_caller_does_not_learn_which_paths_there_are() {
        let places = [("/api/v1/nowhere", "/api/v1/agents"), ("/api/nowhere", "/api/swarms")];
        for (nowhere, somewhere) in places {
            for scope in [Scope::Peer, Scope::Agent, Scope::Member, Scope::Config] {
                for path in [nowhere, somewhere] {
                    assert!(
                        matches!(find(Method::Get, path, &[scope]), Found::OutOfScope),
                        "{scope:?} {path}"
                    );
                }
            }
            assert!(matches!(find(Method::Get, nowhere, &[Scope::Owner]), Found::Unknown));
        }
    }

    #[test]
    fn who_has_a_limited_scope_has_no_other() {
        let member = Who::Member(crate::wire::node::FullName::parse("s/a").unwrap());
        for (who, scope) in [(Who::Peer, Scope::Peer), (Who::Config, Scope::Config), (member, Scope::Member)]
        {
            for api_token in [false, true] {
                assert_eq!(Scope::of(&who, api_token), [scope]);
            }
        }
    }

    #[test]
    fn no_two_rows_answer_the_same_request() {
        for (index, route) in routes().enumerate() {
            for other in routes().skip(index + 1) {
                // Agents of swarms have their own rows for paths that loose agents have too.
                let both = route.scopes.iter().any(|scope| other.scopes.contains(scope));
                let same = route.method == other.method && both;
                let example = example(route.path, "x");
                assert!(!(same && other.matches(&example).is_some()), "{} and {}", route.path, other.path);
            }
        }
    }

    #[test]
    fn every_row_is_complete_and_belongs_to_the_surface_of_its_path() {
        for route in routes() {
            assert_eq!(Surface::of(route.path), route.surface, "{}", route.path);
            assert!(route.alias.is_none_or(|alias| Surface::of(alias) == route.surface));
            assert!(!route.doc.is_empty() && !route.scopes.is_empty(), "{}", route.path);
            assert_eq!(route.handler.is_none(), route.scopes == [Scope::Anyone], "{}", route.path);
            assert!(route.body_limit <= crate::limits::BODY_LARGEST);
        }
    }
}
