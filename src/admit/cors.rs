//! Steps 3 and 4: preflights, Origin and Fetch metadata (design section 5).
//!
//! Defends against every page in the user's browser: a foreign Origin is refused with a right key
//! too, on upgrades too. What allow-origin says is never wider than what is admitted.

use super::{Policy, Surface, refusal::Reason};
use crate::wire::{
    head::{Field, Head, Name},
    origin::Origin,
};

/// The headers by which a browser knows what a page may read. They go on every answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsHeaders {
    vary: bool,
    /// the request's own Origin, where it is allowed
    allow_origin: Option<String>,
}

impl CorsHeaders {
    /// For answers before the Host was known to be ours.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// The headers of the answer to `head`.
    pub(super) fn of(policy: &Policy, surface: Surface, head: &Head) -> Self {
        let origin = match head.field_of(Name::Origin) {
            Field::One(value) => Origin::parse(value),
            Field::Absent | Field::Several => None,
        };
        let allowed = origin.filter(|origin| is_allowed(policy, surface, *origin));
        Self { vary: true, allow_origin: allowed.map(|origin| origin.as_str().to_owned()) }
    }

    /// Name and value of each.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let vary = self.vary.then_some(("Vary", "Origin"));
        let allow = self.allow_origin.as_deref().map(|origin| ("Access-Control-Allow-Origin", origin));
        vary.into_iter().chain(allow)
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.allow_origin.is_some()
    }
}

/// The further headers of a preflight's answer: 200 with an empty body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preflight {
    methods: Option<String>,
    headers: Option<String>,
}

impl Preflight {
    /// AgentMux clients get C.2's headers always. On the swarm surface an allowed origin gets back
    /// what it asked for (C.5), another one nothing.
    pub(super) fn of(surface: Surface, cors: &CorsHeaders, head: &Head) -> Self {
        match surface {
            Surface::AgentMux | Surface::Ours => Self {
                methods: Some("*".to_owned()),
                headers: Some(
                    "content-type,authorization,accept,x-session-id,x-authkey,x-requested-with,\
                     x-vercel-ai-ui-message-stream"
                        .to_owned(),
                ),
            },
            Surface::Swarm if cors.is_allowed() => Self {
                methods: head.text_of(Name::RequestMethod).filter(|text| is_token(text)).map(str::to_owned),
                headers: head.text_of(Name::RequestHeaders).and_then(asked_headers),
            },
            Surface::Swarm => Self::default(),
        }
    }

    /// Name and value of each.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let methods = self.methods.as_deref().map(|value| ("Access-Control-Allow-Methods", value));
        let headers = self.headers.as_deref().map(|value| ("Access-Control-Allow-Headers", value));
        methods.into_iter().chain(headers)
    }
}

/// Step 4. `cors` is what [`CorsHeaders::of`] made of the same head.
pub(super) fn check(cors: &CorsHeaders, head: &Head) -> Result<(), Reason> {
    if cors.is_allowed() {
        return Ok(());
    }
    if head.field_of(Name::Origin) != Field::Absent {
        return Err(Reason::OriginNotAllowed);
    }
    match head.field_of(Name::SecFetchSite) {
        Field::Absent => Ok(()),
        // A value that is none of the four (Fetch metadata, 2.3) is taken for the worst of them.
        Field::One(b"none" | b"same-origin" | b"same-site") => Ok(()),
        Field::One(_) | Field::Several => Err(Reason::CrossSite),
    }
}

fn is_allowed(policy: &Policy, surface: Surface, origin: Origin<'_>) -> bool {
    if policy.host_origin.as_deref() == Some(origin.as_str()) && !origin.is_null() {
        return true;
    }
    match surface {
        Surface::AgentMux | Surface::Ours => origin.is_loopback_http(),
        Surface::Swarm => policy.cors.allows(origin),
    }
}

/// The requested header names, lower-cased and joined anew; nothing where one is not a name.
fn asked_headers(list: &str) -> Option<String> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.iter().all(|name| is_token(name)).then(|| names.join(", "))
}

/// `token` of RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
