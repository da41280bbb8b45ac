//! Step 5: the credential (design section 5; spec agentmux C.1, genswarms C.1-C.4).
//!
//! Every comparison with a secret is [`Secret::matches`], in constant time. A credential counts
//! only on the surface it belongs to: the owner key never opens the swarm surface.

use super::{
    PeerAddr, Policy, Standing, Surface, TreeFact, Who, World, policy::is_loopback, refusal::Reason,
};
use crate::wire::{
    head::{Field, Head, Method, Name},
    node::Holder,
    query,
    secret::Secret,
};

/// What every agent token begins with.
const AGENT_TOKEN: &[u8] = b"lga_";

/// Longest text that is looked up as an agent token, so that nobody makes us hash much.
const AGENT_TOKEN_LONGEST: usize = 128;

/// Why nobody was admitted, and whether that was a wrong credential, which costs.
pub(super) struct Denied {
    pub reason: Reason,
    pub wrong: bool,
}

impl From<Reason> for Denied {
    fn from(reason: Reason) -> Self {
        let wrong = matches!(reason, Reason::CredentialWrong | Reason::CredentialTwice);
        Self { reason, wrong }
    }
}

/// Who was admitted, and the generation of the key that opened.
pub(super) type Admitted = (Who, Option<u64>);

/// Tokens have no generation.
fn by_token(who: Who) -> Admitted {
    (who, None)
}

/// What `GET /` made of an Authorization header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glance {
    /// there is none, or nothing to hold it against
    None,
    Right,
    Wrong,
}

/// Step 1 for the headers whose second copy is a 401.
pub(super) fn no_second_copy(head: &Head) -> Result<(), Denied> {
    let several = [Name::AuthKey, Name::Authorization].map(|name| head.field_of(name) == Field::Several);
    if several.contains(&true) { Err(Reason::CredentialTwice.into()) } else { Ok(()) }
}

/// Who sent `head`.
pub(super) fn check(
    policy: &Policy,
    at: &PeerAddr,
    surface: Surface,
    head: &Head,
    world: &dyn World,
) -> Result<Admitted, Denied> {
    match surface {
        Surface::AgentMux => agentmux(policy, head),
        Surface::Ours => ours(policy, head, world),
        Surface::Swarm => swarm(policy, at, head, world).map(by_token),
    }
}

/// `GET /` answers everybody; a right API token adds the swarm descriptor.
pub(super) fn glance(policy: &Policy, head: &Head) -> Glance {
    match (policy.api_token(), head.field_of(Name::Authorization)) {
        (Some(token), Field::One(value)) => match bearer(value).is_some_and(|sent| is(token, sent)) {
            true => Glance::Right,
            false => Glance::Wrong,
        },
        (Some(_), Field::Several) => Glance::Wrong,
        (Some(_), Field::Absent) | (None, _) => Glance::None,
    }
}

fn agentmux(policy: &Policy, head: &Head) -> Result<Admitted, Denied> {
    // The header wins: a wrong one is not rescued by a right query value.
    let key = match head.field_of(Name::AuthKey) {
        Field::One(value) => value,
        Field::Several => return Err(Reason::CredentialTwice.into()),
        // In the query for browsers' WebSockets alone, and as it stands.
        Field::Absent if head.path() == "/ws" => {
            query::first(head.query(), "authkey").unwrap_or_default().as_bytes()
        }
        Field::Absent => b"",
    };
    if key.is_empty() {
        return Err(Reason::CredentialMissing.into());
    }
    // A peer on the whole surface: what is not a peer's is then 403 by the route table (step 6).
    match policy.keys.holder(key) {
        Some((who, generation)) => Ok((who, Some(generation))),
        None => Err(Reason::CredentialWrong.into()),
    }
}

fn ours(policy: &Policy, head: &Head, world: &dyn World) -> Result<Admitted, Denied> {
    match (head.field_of(Name::AuthKey), head.field_of(Name::Authorization)) {
        (Field::Absent, Field::Absent) => Err(Reason::CredentialMissing.into()),
        (Field::One(b""), Field::Absent) | (Field::Absent, Field::One(b"")) => {
            Err(Reason::CredentialMissing.into())
        }
        (Field::One(key), Field::Absent) => match policy.keys.holder(key) {
            Some((Who::Owner, generation)) => Ok((Who::Owner, Some(generation))),
            Some(_) | None => Err(Reason::CredentialWrong.into()),
        },
        (Field::Absent, Field::One(value)) => {
            let token = bearer(value).ok_or(Reason::CredentialWrong)?;
            if policy.api_token().is_some_and(|ours| is(ours, token)) {
                return Ok(by_token(Who::Api));
            }
            agent(token, world).map(by_token)
        }
        (Field::One(_) | Field::Several, _) | (_, Field::Several) => Err(Reason::CredentialTwice.into()),
    }
}

fn agent(token: &[u8], world: &dyn World) -> Result<Who, Denied> {
    if !token.starts_with(AGENT_TOKEN) || token.len() > AGENT_TOKEN_LONGEST {
        return Err(Reason::CredentialWrong.into());
    }
    let holder = world.holder_of_token(token).ok_or(Reason::CredentialWrong)?;
    match world.agent_tree(&holder) {
        // The token is the credential; its tree is a hurdle for a token that was carried off.
        TreeFact::Inside | TreeFact::Unknown => Ok(match holder {
            Holder::Loose(agent) => Who::Agent(agent),
            Holder::Member(agent) => Who::Member(agent),
        }),
        TreeFact::Outside => Err(Reason::AgentTokenElsewhere.into()),
    }
}

fn swarm(policy: &Policy, at: &PeerAddr, head: &Head, world: &dyn World) -> Result<Who, Denied> {
    let sent = presented(head)?;
    let config = policy.config_token().filter(|_| is_config_route(head));
    let full = policy.api_token();
    if full.is_none() && config.is_none() {
        return token_less(at, world);
    }
    let token = match &sent {
        Sent::Nothing => return Err(Reason::CredentialMissing.into()),
        Sent::Junk => return Err(Reason::CredentialWrong.into()),
        Sent::Header(token) => *token,
        Sent::Query(token) => token.as_slice(),
    };
    if full.is_some_and(|ours| is(ours, token)) {
        return Ok(Who::Api);
    }
    if config.is_some_and(|ours| is(ours, token)) {
        return Ok(Who::Config);
    }
    Err(Reason::CredentialWrong.into())
}

/// Nobody configured a token: only a process of ours on this machine, and no agent's.
fn token_less(at: &PeerAddr, world: &dyn World) -> Result<Who, Denied> {
    if !is_loopback(at.peer.ip()) {
        return Err(Reason::TokenRequired.into());
    }
    match world.peer_facts().standing {
        Standing::Ours => Ok(Who::Loopback),
        Standing::NotOurUser => Err(Reason::NotOurUser.into()),
        Standing::AgentProcess => Err(Reason::AgentProcess.into()),
        Standing::NotAsked => Err(Reason::PeerNotAsked.into()),
        Standing::Unknown => Err(Reason::PeerUnknown.into()),
    }
}

/// What a request of the swarm surface carries.
enum Sent<'a> {
    Nothing,
    /// a header without `Bearer `, or a query value that cannot be decoded
    Junk,
    Header(&'a [u8]),
    Query(Vec<u8>),
}

/// One credential, or none; two kinds or two copies are refused.
fn presented<'a>(head: &'a Head) -> Result<Sent<'a>, Denied> {
    let mut in_query = None;
    if head.path() == "/swarm/websocket" {
        // An empty one counts as none (spec genswarms C.4).
        let mut tokens = query::values(head.query(), "token").filter(|value| !value.is_empty());
        in_query = tokens.next();
        if tokens.next().is_some() {
            return Err(Reason::CredentialTwice.into());
        }
    }
    match (head.field_of(Name::Authorization), in_query) {
        (Field::Absent | Field::One(b""), None) => Ok(Sent::Nothing),
        (Field::One(value), None) => Ok(bearer(value).map_or(Sent::Junk, Sent::Header)),
        (Field::Absent, Some(raw)) => Ok(query::decode(raw).map_or(Sent::Junk, Sent::Query)),
        (Field::One(_), Some(_)) | (Field::Several, _) => Err(Reason::CredentialTwice.into()),
    }
}

/// The token of `Bearer <token>`: this case, one space, the rest as it stands.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"Bearer ")
}

/// Constant-time equality; an empty text is nobody's.
fn is(secret: &Secret, sent: &[u8]) -> bool {
    !sent.is_empty() && secret.matches(sent)
}

/// The two routes of the config token (spec genswarms C.3).
fn is_config_route(head: &Head) -> bool {
    let Some(rest) = head.path().strip_prefix("/api/swarms/") else { return false };
    let mut parts = rest.split('/');
    let route = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
    let named = |name: &str| !name.is_empty();
    match (head.method(), route) {
        (Method::Patch, [Some(swarm), Some("objects"), Some(object), Some("config"), None]) => {
            named(swarm) && named(object)
        }
        (Method::Get | Method::Head, [Some(swarm), Some("overlay"), None, None, None]) => named(swarm),
        _ => false,
    }
}
