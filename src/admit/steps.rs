//! The one entry: the steps of design section 5 in their order, first failure answers.

use super::{
    Caller, CorsHeaders, PeerAddr, Policy, Preflight, Refusal, Surface, World, cors,
    credential::{self, Denied, Glance},
    policy::is_loopback,
    refusal::Reason,
};
use crate::wire::{
    head::{Field, Head, Method, Name},
    host::Host,
};

/// What a head may go on to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// a preflight, from anybody: 200, an empty body, these headers
    Preflight(Preflight),
    /// `GET /`, from anybody
    Public {
        /// whether the API token was presented, and right
        api: bool,
    },
    /// a caller
    Admitted(Caller),
}

/// A head that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Admission {
    /// to what
    pub verdict: Verdict,
    /// on which surface
    pub surface: Surface,
    /// headers of the answer, whatever it will be
    pub cors: CorsHeaders,
    wrong: bool,
}

impl Admission {
    /// Whether a wrong credential came with a request that needed none: that costs too.
    pub fn wrong_credential(&self) -> bool {
        self.wrong
    }
}

/// Decides about one head. Reads no body, no clock and no socket; asks `world` only where the
/// answer hangs on it.
pub fn admit(policy: &Policy, at: &PeerAddr, head: &Head, world: &dyn World) -> Result<Admission, Refusal> {
    let surface = Surface::of(head.path());
    let refuse = |denied: Denied, cors: &CorsHeaders| {
        Refusal::new(denied.reason, surface, cors.clone()).wrong(denied.wrong)
    };
    // Step 1, as far as the parser left it.
    credential::no_second_copy(head).map_err(|denied| refuse(denied, &CorsHeaders::none()))?;
    // Step 2.
    host(policy, at, head).map_err(|reason| refuse(reason.into(), &CorsHeaders::none()))?;
    let cors = CorsHeaders::of(policy, surface, head);
    // Step 3.
    if head.method() == Method::Options {
        let verdict = Verdict::Preflight(Preflight::of(surface, &cors, head));
        return Ok(Admission { verdict, surface, cors, wrong: false });
    }
    // Step 4.
    cors::check(&cors, head).map_err(|reason| refuse(reason.into(), &cors))?;
    // Step 5.
    if head.path() == "/" && matches!(head.method(), Method::Get | Method::Head) {
        let glance = credential::glance(policy, head);
        let verdict = Verdict::Public { api: glance == Glance::Right };
        return Ok(Admission { verdict, surface, cors, wrong: glance == Glance::Wrong });
    }
    match credential::check(policy, at, surface, head, world) {
        Ok((who, generation)) => {
            let verdict = Verdict::Admitted(Caller::admitted(who, generation));
            Ok(Admission { verdict, surface, cors, wrong: false })
        }
        Err(denied) => Err(refuse(denied, &cors)),
    }
}

/// Step 2: the Host is one of ours, whole.
fn host(policy: &Policy, at: &PeerAddr, head: &Head) -> Result<(), Reason> {
    let value = match head.field_of(Name::Host) {
        Field::One(b"") | Field::Absent => return Err(Reason::HostMissing),
        Field::One(value) => value,
        Field::Several => return Err(Reason::HostMalformed),
    };
    let host = Host::parse(value).map_err(|_| Reason::HostMalformed)?;
    let bound = policy.bound.ip();
    let six = bound.is_ipv6() && (is_loopback(bound) || bound.is_unspecified());
    let ours = host.is_address(std::net::Ipv4Addr::LOCALHOST.into(), policy.port)
        || host.is_name("localhost", policy.port)
        || (six && host.is_address(std::net::Ipv6Addr::LOCALHOST.into(), policy.port))
        || host.is_address(at.local.ip().to_canonical(), at.local.port())
        || policy.hosts.iter().any(|entry| entry.admits(&host, policy.port));
    if ours { Ok(()) } else { Err(Reason::HostUnknown) }
}
