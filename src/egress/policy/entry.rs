//! The endpoints that the operator allows beside his own: `GENSWARMS_ALLOWED_ENDPOINTS`, read strictly.
//!
//! A list that was meant otherwise than it is read gives the key away, so an entry that is not plain is an
//! error that names it, and never left out.

use std::net::IpAddr;

use super::super::{
    address::{self, Sort, Why},
    endpoint::{Endpoint, EndpointError, Machine, Scheme},
};

/// Why an endpoint of the operator's cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// it is no endpoint
    Endpoint(EndpointError),
    /// an entry with a path, which would not be compared
    Path,
    /// http to a machine that is not on this one or in a private network: the key would go in the clear
    Clear,
}

impl EntryError {
    /// What is wrong, as the second half of a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Endpoint(error) => error.reason(),
            Self::Path => "has a path, which is not compared: leave it out",
            Self::Clear => {
                "is http, over which the key and all that is said would go in the clear: only a loopback or private \
                 address may be spoken to so; write https"
            }
        }
    }
}

/// Reads an endpoint of the operator's.
pub fn trusted(text: &str) -> Result<Endpoint, EntryError> {
    let endpoint = Endpoint::parse(text.trim()).map_err(EntryError::Endpoint)?;
    if endpoint.scheme() == Scheme::Http && !may_be_clear(endpoint.host()) {
        return Err(EntryError::Clear);
    }
    Ok(endpoint)
}

/// Reads one entry of the list: `scheme://host[:port]`, or `host` and `host:port`, which mean https.
pub fn entry(text: &str) -> Result<Endpoint, EntryError> {
    let text = text.trim();
    let endpoint = if text.contains("://") { trusted(text)? } else { trusted(&format!("https://{text}"))? };
    if endpoint.path() == "/" { Ok(endpoint) } else { Err(EntryError::Path) }
}

/// Reads the whole list, split at commas; what is empty between two of them is nothing. The error holds the entry.
pub fn list(text: &str) -> Result<Vec<Endpoint>, (String, EntryError)> {
    let entries = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    entries.map(|text| entry(text).map_err(|error| (text.to_owned(), error))).collect()
}

/// Only an address that the operator wrote himself, and that does not lead over other people's networks.
fn may_be_clear(machine: &Machine) -> bool {
    match literal(machine).map(address::sort) {
        Some(Sort::Private | Sort::Refused(Why::Loopback)) => true,
        Some(Sort::Public | Sort::Refused(_)) | None => false,
    }
}

/// The address that a machine is without any look-up. `localhost` is 127.0.0.1, wherever a resolver would look.
pub fn literal(machine: &Machine) -> Option<IpAddr> {
    match machine {
        Machine::Literal(ip) => Some(*ip),
        Machine::Name(name) if name == "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        Machine::Name(_) => None,
    }
}

/// Whether two endpoints are the same in scheme, host and port; the path does not count.
pub fn same(one: &Endpoint, other: &Endpoint) -> bool {
    one.is_at(other)
        || one.scheme() == other.scheme()
            && one.port() == other.port()
            && literal(one.host()).is_some()
            && literal(one.host()) == literal(other.host())
}
