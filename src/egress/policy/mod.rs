//! Which endpoint an agent may be led to, and who is given the operator's key: one rule for both.
//!
//! The operator's endpoint is trusted, and what he lists beside it; scheme, host and port count, the path is
//! free. A port of this instance's own is never an endpoint, whatever is listed, or an agent could be led to
//! the one who guards it. A name's addresses are looked at before they are dialled (`address`), at the start
//! and each time they are asked for again. decisions/032 has the reasons.

mod entry;
mod lookup;

#[cfg(test)]
mod tests;

pub use entry::{EntryError, list, trusted};
pub use lookup::{Here, System, Unresolved};

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{
    address::{self, Sort, Why},
    endpoint::{Endpoint, EndpointError, Machine},
};
use crate::{limits, wire::secret::Secret};
use lookup::Lookup;

/// What a policy is made of.
pub struct Parts {
    /// the operator's endpoint
    pub operator: Endpoint,
    /// the operator's key
    pub key: Option<Secret>,
    /// what else is allowed, by scheme, host and port
    pub allowed: Vec<Endpoint>,
    /// where this instance listens
    pub own: Vec<SocketAddr>,
    /// whose signature on the endpoint's certificate is good, as PEM; `None`: the public authorities'
    pub authorities: Option<Vec<u8>>,
    /// the system
    pub system: Arc<dyn System>,
}

/// The one policy of an instance. Cheap to clone.
#[derive(Clone)]
pub struct Policy(Arc<Held>);

struct Held {
    operator: Endpoint,
    key: Option<Secret>,
    allowed: Vec<Endpoint>,
    own: Vec<SocketAddr>,
    authorities: Option<Vec<u8>>,
    lookup: Lookup,
}

/// By what right an endpoint is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// it is the operator's own
    Operator,
    /// it is on his list
    Listed,
}

/// Why an agent may not be led to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyError {
    /// it is none
    Invalid(EndpointError),
    /// it is neither the operator's nor on his list; its scheme, host and port
    NotAllowed(String),
    /// it is this instance
    OwnListener,
}

impl PolicyError {
    /// The code of the answer and of the event.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.code(),
            Self::NotAllowed(_) | Self::OwnListener => "endpoint_not_allowed",
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::NotAllowed(at) => write!(
                f,
                "the endpoint {at} is not allowed: the operator lists it in GENSWARMS_ALLOWED_ENDPOINTS"
            ),
            Self::OwnListener => f.write_str("the endpoint is not allowed: it is this instance itself"),
        }
    }
}

impl std::error::Error for PolicyError {}

/// Why an endpoint has no address to be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// nobody knows its name, or nobody said so in time
    Unresolved,
    /// none of its addresses may be dialled; what the first of them is
    Refused(Why),
}

impl AddressError {
    /// The code of the answer and of the event.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unresolved => "endpoint_unresolved",
            Self::Refused(_) => "endpoint_address_refused",
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("the name of the endpoint cannot be looked up"),
            Self::Refused(Why::OwnListener) => f.write_str("the endpoint leads back to this instance"),
            Self::Refused(why) => write!(
                f,
                "the endpoint's name has only addresses that may not be dialled ({}): the operator allows one by \
                 listing it as a literal with its port in GENSWARMS_ALLOWED_ENDPOINTS",
                why.word()
            ),
        }
    }
}

impl std::error::Error for AddressError {}

/// Of an operator who has set nothing: no key, and nothing allowed but the endpoint where nothing else is said.
impl Default for Policy {
    fn default() -> Self {
        Self::new(Parts {
            operator: Endpoint::default(),
            key: None,
            allowed: Vec::new(),
            own: Vec::new(),
            authorities: None,
            system: Arc::new(Here),
        })
    }
}

/// An endpoint that an agent may be led to.
#[derive(Clone)]
pub struct Admitted {
    endpoint: Endpoint,
    right: Right,
    policy: Policy,
}

impl Policy {
    /// Made once, when it is known where the instance listens.
    pub fn new(parts: Parts) -> Self {
        let Parts { operator, key, allowed, own, authorities, system } = parts;
        let lookup = Lookup::new(system);
        Self(Arc::new(Held { operator, key, allowed, own, authorities, lookup }))
    }

    /// The operator's endpoint.
    pub fn operator(&self) -> &Endpoint {
        &self.0.operator
    }

    /// What he allows beside it.
    pub fn allowed(&self) -> &[Endpoint] {
        &self.0.allowed
    }

    /// His authorities, as PEM; `None`: the public ones.
    pub fn authorities(&self) -> Option<&[u8]> {
        self.0.authorities.as_deref()
    }

    /// Whether an agent may be led to the endpoint that its config asks for; the operator's where it asks for none.
    pub fn admit(&self, asked: Option<&str>) -> Result<Admitted, PolicyError> {
        let endpoint = match asked {
            Some(text) => Endpoint::parse(text).map_err(PolicyError::Invalid)?,
            None => self.0.operator.clone(),
        };
        let right = self.right(&endpoint)?;
        Ok(Admitted { endpoint, right, policy: self.clone() })
    }

    fn right(&self, endpoint: &Endpoint) -> Result<Right, PolicyError> {
        let right = if entry::same(endpoint, &self.0.operator) {
            Right::Operator
        } else if self.0.allowed.iter().any(|listed| entry::same(endpoint, listed)) {
            Right::Listed
        } else {
            let at = format!("{}://{}", endpoint.scheme().as_str(), endpoint.authority());
            return Err(PolicyError::NotAllowed(at));
        };
        match entry::literal(endpoint.host()) {
            Some(ip) if self.is_own(SocketAddr::new(ip, endpoint.port())) => Err(PolicyError::OwnListener),
            Some(_) | None => Ok(right),
        }
    }

    /// The key that goes to an endpoint: the agent's `own` wherever it has one, and the operator's only where the
    /// endpoint is allowed. `None`: none. The same for an agent that is led there and for one that goes itself.
    pub fn key_for(&self, endpoint: Option<&str>, own: Option<&str>) -> Option<Secret> {
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            return Some(Secret::new(own.as_bytes().to_vec()));
        }
        self.admit(endpoint).ok()?;
        self.0.key.as_ref().map(|key| Secret::new(key.expose().to_vec()))
    }

    fn is_own(&self, at: SocketAddr) -> bool {
        address::is_own(at, &self.0.own, |ip| self.0.lookup.system.is_local(ip).ok())
    }

    /// Whether the operator wrote this address himself, with this port.
    fn names(&self, at: SocketAddr) -> bool {
        let is_it = |endpoint: &Endpoint| {
            entry::literal(endpoint.host()) == Some(at.ip()) && endpoint.port() == at.port()
        };
        is_it(&self.0.operator) || self.0.allowed.iter().any(is_it)
    }

    /// Whether a name that is used by this right may have this address.
    fn check(&self, at: SocketAddr, right: Right) -> Result<(), Why> {
        if self.is_own(at) {
            return Err(Why::OwnListener);
        }
        if self.names(at) {
            return Ok(());
        }
        match (address::sort(at.ip()), right) {
            (Sort::Refused(why), _) => Err(why),
            (Sort::Private, Right::Listed) => Err(Why::Private),
            // What the system does not tell counts as one of its own.
            (Sort::Public, _) | (Sort::Private, Right::Operator) => {
                match self.0.lookup.system.is_local(at.ip()) {
                    Ok(false) => Ok(()),
                    Ok(true) | Err(_) => Err(Why::OwnMachine),
                }
            }
        }
    }
}

impl Admitted {
    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The addresses to be dialled, each of them checked now. Waits for the system's resolver, at most `within`.
    /// What may not be dialled is left out; where nothing else is left, that is the error.
    pub fn resolve(&self, within: Duration) -> Result<Vec<SocketAddr>, AddressError> {
        let port = self.endpoint.port();
        let found = match (entry::literal(self.endpoint.host()), self.endpoint.host()) {
            (Some(ip), _) => return self.literal(SocketAddr::new(ip, port)),
            (None, Machine::Name(name)) => self.policy.0.lookup.within(name, port, within),
            (None, Machine::Literal(_)) => Err(Unresolved),
        };
        let mut good: Vec<SocketAddr> = Vec::new();
        let mut refused = None;
        for at in found.map_err(|Unresolved| AddressError::Unresolved)?.into_iter().take(LOOKED_AT) {
            // Of what came back only the address counts: no scope, no flow, and the port that was asked for.
            let at = SocketAddr::new(at.ip(), port);
            match self.policy.check(at, self.right) {
                Ok(()) if good.contains(&at) => {}
                Ok(()) => good.push(at),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        good.truncate(limits::ENDPOINT_ADDRESSES);
        match (good.is_empty(), refused) {
            (false, _) => Ok(good),
            (true, Some(why)) => Err(AddressError::Refused(why)),
            (true, None) => Err(AddressError::Unresolved),
        }
    }

    /// A literal that was admitted is one that the operator wrote.
    fn literal(&self, at: SocketAddr) -> Result<Vec<SocketAddr>, AddressError> {
        if self.policy.is_own(at) { Err(AddressError::Refused(Why::OwnListener)) } else { Ok(vec![at]) }
    }
}

/// Of the addresses of one name so many are looked at.
const LOOKED_AT: usize = 64;

/// The address that a machine is without any look-up.
pub fn literal(machine: &Machine) -> Option<IpAddr> {
    entry::literal(machine)
}
