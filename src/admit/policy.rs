//! What an instance's owner decided about who may call: addresses, lists and keys.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::Keyring;
use crate::wire::{
    host::HostEntry,
    origin::{self, Origin},
    secret::Secret,
};

/// Everything that admission holds a head against. Made once at start.
pub struct Policy {
    /// the port that clients know
    pub port: u16,
    /// the address that the listener is bound to
    pub bound: SocketAddr,
    /// further Host values (`LOOPGATE_HOSTS`)
    pub hosts: Vec<HostEntry>,
    /// origins of the swarm surface (`GENSWARMS_CORS_ORIGINS`)
    pub cors: Cors,
    /// the origin of the page that this instance's own host serves, allowed everywhere
    pub host_origin: Option<String>,
    /// the owner key and the peer key: all of this that may change later
    pub keys: Arc<Keyring>,
    /// opens the swarm surface and `/api/v1/`; `None` or empty: the token-less rule
    pub api_token: Option<Secret>,
    /// opens the two config routes of the swarm surface
    pub config_token: Option<Secret>,
}

/// Why an instance must not start with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyError {
    /// The listener is reachable from elsewhere, and nothing asks remote callers for a token.
    OpenBindWithoutToken,
    /// Every page's origin is allowed, and nothing asks for a token.
    AnyOriginWithoutToken,
}

impl PolicyError {
    /// What is wrong and what to do, in one sentence behind the variable's name.
    pub fn sentence(self) -> &'static str {
        match self {
            PolicyError::OpenBindWithoutToken => {
                "is not a loopback address: set GENSWARMS_API_TOKEN, or bind 127.0.0.1"
            }
            PolicyError::AnyOriginWithoutToken => {
                "is `*`, which lets every web page in: set GENSWARMS_API_TOKEN, or name the origins"
            }
        }
    }
}

impl PolicyError {
    /// The variable that asked for it.
    pub fn variable(self) -> &'static str {
        match self {
            PolicyError::OpenBindWithoutToken => "GENSWARMS_HTTP_IP",
            PolicyError::AnyOriginWithoutToken => "GENSWARMS_CORS_ORIGINS",
        }
    }
}

/// Refuses what would leave a door open (design sections 5 and 10). To be asked before anything
/// is bound.
pub fn check_open(bind: IpAddr, cors: &Cors, api_token: bool) -> Result<(), PolicyError> {
    match cors {
        _ if api_token => Ok(()),
        _ if !is_loopback(bind) => Err(PolicyError::OpenBindWithoutToken),
        Cors::Any => Err(PolicyError::AnyOriginWithoutToken),
        Cors::Loopback | Cors::List(_) => Ok(()),
    }
}

impl Policy {
    /// Whether an API token is configured, which is then needed for all that touches a swarm.
    pub fn has_api_token(&self) -> bool {
        self.api_token().is_some()
    }

    /// The API token, where one is configured; an empty one counts as none (spec genswarms C.1).
    pub(super) fn api_token(&self) -> Option<&Secret> {
        self.api_token.as_ref().filter(|token| !token.expose().is_empty())
    }

    /// The config token, where one is configured.
    pub(super) fn config_token(&self) -> Option<&Secret> {
        self.config_token.as_ref().filter(|token| !token.expose().is_empty())
    }
}

/// Which origins the swarm surface allows (spec genswarms C.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// http or https on `localhost`, `127.0.0.1` or `[::1]`, any port
    Loopback,
    /// exactly these
    List(Vec<String>),
    /// any origin but `null`
    Any,
}

impl Cors {
    /// Reads the setting: unset or empty, `*`, or a list between commas. The error is the entry
    /// that no browser would ever send.
    pub fn parse(setting: Option<&str>) -> Result<Self, String> {
        match setting {
            None | Some("") => Ok(Cors::Loopback),
            Some("*") => Ok(Cors::Any),
            Some(list) => list
                .split(',')
                .map(str::trim)
                .map(|entry| match origin::is_serialised(entry) {
                    true => Ok(entry.to_owned()),
                    false => Err(entry.to_owned()),
                })
                .collect::<Result<_, _>>()
                .map(Cors::List),
        }
    }

    /// Whether the swarm surface allows `origin`. `null` is never allowed.
    pub(super) fn allows(&self, origin: Origin<'_>) -> bool {
        !origin.is_null()
            && match self {
                Cors::Loopback => origin.is_loopback_web(),
                Cors::List(list) => list.iter().any(|entry| entry == origin.as_str()),
                Cors::Any => true,
            }
    }
}

/// The two ends of a connection, as `accept` gave them. Never from a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr {
    /// where it comes from
    pub peer: SocketAddr,
    /// the address it arrived on
    pub local: SocketAddr,
}

/// 127.0.0.0/8 and `::1`, in their IPv4-mapped forms too.
pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
