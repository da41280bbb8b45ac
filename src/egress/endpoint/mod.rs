//! The URL of a model endpoint, read in one way (attacks.md, "number forms of hosts", "userinfo", "IDN").
//!
//! What two readers could read differently is refused, not corrected: whoever compares an endpoint with a list
//! must compare what is dialled. `backend` asks here too, so that a config, the policy and the forwarder agree.
//! Whether an endpoint is allowed is the policy's business, and its addresses are `address`'s.

mod routes;

#[cfg(any(test, fuzzing))]
mod fuzz;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;

pub use routes::{Route, Routes};

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use crate::{
    limits,
    wire::host::{self, HostName},
};

/// Longest label of a name (RFC 1035, 2.3.4).
const LABEL: usize = 63;

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// in the clear
    Http,
    /// over TLS
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL means that names none.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The machine of an endpoint: a name, or an address that is meant as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Machine {
    /// letters in lower case, digits, `-`, `_` and `.`
    Name(String),
    /// an address literal
    Literal(IpAddr),
}

/// As it stands in a URL and in a Host header: IPv6 in brackets.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// One endpoint: scheme, machine, port and path, and nothing else. No user, no query, no fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    machine: Machine,
    /// 1 to 65535
    port: u16,
    /// begins with `/`; visible ASCII without `%`, empty segments (but the last), `.` and `..`
    path: String,
}

/// Where nothing else is said (spec genswarms A.2): `https://openrouter.ai/api/v1/chat/completions`.
impl Default for Endpoint {
    fn default() -> Self {
        Self {
            scheme: Scheme::Https,
            machine: Machine::Name("openrouter.ai".to_owned()),
            port: 443,
            path: "/api/v1/chat/completions".to_owned(),
        }
    }
}

/// Why a text is no endpoint. It is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointError {
    /// over [`limits::ENDPOINT`] bytes
    TooLong,
    /// neither `http://` nor `https://` in front
    Scheme,
    /// a name or password in front of the host
    UserInfo,
    /// a `?` or `#` with what follows
    Query,
    /// no host, or a character that none has
    Host,
    /// a name beyond ASCII, or what stands for one (`xn--`)
    International,
    /// a trailing dot, or an address in a form that not every reader takes for the same
    HostForm,
    /// not a number from 1 to 65535 without zeros in front
    Port,
    /// a character, a segment or an escape that may be read in more than one way
    Path,
}

impl EndpointError {
    /// The code of the answer.
    pub fn code(self) -> &'static str {
        "invalid_endpoint"
    }

    /// What is wrong, as the second half of a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "is too long",
            Self::Scheme => "must begin with http:// or https://",
            Self::UserInfo => "must not hold a name or password",
            Self::Query => "must end with its path: no ? and no #",
            Self::Host => "has no host, or one with a character that no host has",
            Self::International => "must name its host in ASCII, and not by an international name",
            Self::HostForm => {
                "has a host with a dot at its end, or an address in a form that not everybody reads alike"
            }
            Self::Port => "has a port that is not a number from 1 to 65535",
            Self::Path => {
                "has a path with a space, an escape, an empty step or one of dots: write it without them"
            }
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the endpoint {}", self.reason())
    }
}

impl std::error::Error for EndpointError {}

impl Endpoint {
    /// Reads one. The case of scheme and host does not count; nothing else is forgiven.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.len() > limits::ENDPOINT {
            return Err(EndpointError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(scheme))
            .ok_or(EndpointError::Scheme)?;
        if rest.contains(['?', '#']) {
            return Err(EndpointError::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at_checked(at).ok_or(EndpointError::Host)?,
            None => (rest, "/"),
        };
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let (machine, port) = machine_and_port(authority)?;
        if !is_path(path) {
            return Err(EndpointError::Path);
        }
        Ok(Self { scheme, machine, port: port.unwrap_or(scheme.port()), path: path.to_owned() })
    }

    /// http or https.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its machine.
    pub fn host(&self) -> &Machine {
        &self.machine
    }

    /// Its port, also where the URL names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its path, `/` where the URL has none.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of the Host header (RFC 9110, 7.2): the port only where it is not the scheme's.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.machine.to_string()
        } else {
            format!("{}:{}", self.machine, self.port)
        }
    }

    /// Whether `other` is the same in all but the path.
    pub fn is_at(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.machine == other.machine && self.port == other.port
    }
}

/// One spelling: read again it is the same endpoint.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

/// Reads `host` or `host:port`, as a URL and an entry of the list of allowed endpoints have it.
fn machine_and_port(text: &str) -> Result<(Machine, Option<u16>), EndpointError> {
    if !text.is_ascii() {
        return Err(EndpointError::International);
    }
    let read = host::Host::parse(text.as_bytes()).map_err(|error| match error {
        host::HostError::Port => EndpointError::Port,
        host::HostError::Empty
        | host::HostError::TooLong
        | host::HostError::Character
        | host::HostError::Bracket
        | host::HostError::NoName => EndpointError::Host,
    })?;
    if read.port == Some(0) {
        return Err(EndpointError::Port);
    }
    let machine = match read.name {
        HostName::Name(name) => Machine::Name(name_of(name)?),
        HostName::V4(address) => Machine::Literal(IpAddr::V4(address)),
        HostName::V6(address) => Machine::Literal(IpAddr::V6(in_one_spelling(address, text)?)),
    };
    Ok((machine, read.port))
}

fn name_of(name: &str) -> Result<String, EndpointError> {
    if !host::is_plain(name) {
        return Err(EndpointError::HostForm);
    }
    let name = name.to_ascii_lowercase();
    let mut labels = name.split('.');
    if labels.clone().any(|label| label.starts_with("xn--")) {
        return Err(EndpointError::International);
    }
    // A name that begins with `-` is an option in a command line.
    let fits = |label: &str| label.len() <= LABEL && !label.starts_with('-') && !label.ends_with('-');
    if labels.all(fits) { Ok(name) } else { Err(EndpointError::Host) }
}

/// The address, if `text` begins with it as it is written here: other spellings of it are refused.
fn in_one_spelling(address: Ipv6Addr, text: &str) -> Result<Ipv6Addr, EndpointError> {
    let spelt = text.to_ascii_lowercase().starts_with(&format!("[{address}]"));
    if spelt { Ok(address) } else { Err(EndpointError::HostForm) }
}

/// Whether a path is read alike by everybody: no escapes, no segment that a reader removes, and of the visible
/// characters only those that a path has as they are (RFC 3986, 3.3), without `;`: some cut a step there, and
/// `..;` is then one of dots.
pub(super) fn is_path(path: &str) -> bool {
    let Some(steps) = path.strip_prefix('/') else { return false };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/".contains(&b);
    // The last may be empty: a slash at the end says nothing else.
    let steps_fit = steps.strip_suffix('/').unwrap_or(steps);
    let fit = steps_fit.is_empty() && steps.is_empty()
        || steps_fit.split('/').all(|step| !matches!(step, "" | "." | ".."));
    fit && path.bytes().all(plain)
}

#[cfg(test)]
mod tests;
