//! A refusal: status, stable code, the surface's own sentence, and the headers that go with it.
//!
//! A refusal says which step refused and nothing that the caller does not know already: not
//! whether the path exists, not which part of a credential was wrong.

use std::net::IpAddr;

use serde_json::json;

use super::{CorsHeaders, Surface};

/// Why a request was not admitted. Each has a stable code (design section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 400: no Host header
    HostMissing,
    /// 400: a Host header that names no host
    HostMalformed,
    /// 421: a Host that is not ours
    HostUnknown,
    /// 403: an Origin that is not on the surface's list
    OriginNotAllowed,
    /// 403: a cross-site request without an Origin
    CrossSite,
    /// 401: no credential
    CredentialMissing,
    /// 401: a credential that opens nothing here
    CredentialWrong,
    /// 401: two credentials at once
    CredentialTwice,
    /// 401: an agent's token, from a process outside that agent's tree
    AgentTokenElsewhere,
    /// 401: a remote peer, while no token is configured
    TokenRequired,
    /// 401: token-less, from another user's process
    NotOurUser,
    /// 401: token-less, from an agent's process
    AgentProcess,
    /// 401: token-less, and the kernel does not say who it is
    PeerUnknown,
    /// 429: token-less, and too many others ask who they are
    PeerNotAsked,
    /// 429: too many wrong credentials
    TooManyWrong,
}

impl Reason {
    /// All reasons, for counters and documents.
    pub const ALL: [Reason; 15] = [
        Reason::HostMissing,
        Reason::HostMalformed,
        Reason::HostUnknown,
        Reason::OriginNotAllowed,
        Reason::CrossSite,
        Reason::CredentialMissing,
        Reason::CredentialWrong,
        Reason::CredentialTwice,
        Reason::AgentTokenElsewhere,
        Reason::TokenRequired,
        Reason::NotOurUser,
        Reason::AgentProcess,
        Reason::PeerUnknown,
        Reason::PeerNotAsked,
        Reason::TooManyWrong,
    ];

    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Reason::HostMissing | Reason::HostMalformed => 400,
            Reason::HostUnknown => 421,
            Reason::OriginNotAllowed | Reason::CrossSite => 403,
            Reason::CredentialMissing
            | Reason::CredentialWrong
            | Reason::CredentialTwice
            | Reason::AgentTokenElsewhere
            | Reason::TokenRequired
            | Reason::NotOurUser
            | Reason::AgentProcess
            | Reason::PeerUnknown => 401,
            Reason::PeerNotAsked | Reason::TooManyWrong => 429,
        }
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Reason::HostMissing => "host_missing",
            Reason::HostMalformed => "host_malformed",
            Reason::HostUnknown => "host_unknown",
            Reason::OriginNotAllowed => "origin_not_allowed",
            Reason::CrossSite => "cross_site",
            Reason::CredentialMissing => "credential_missing",
            Reason::CredentialWrong => "credential_wrong",
            Reason::CredentialTwice => "credential_twice",
            Reason::AgentTokenElsewhere => "agent_token_elsewhere",
            Reason::TokenRequired => "token_required",
            Reason::NotOurUser => "not_our_user",
            Reason::AgentProcess => "agent_process",
            Reason::PeerUnknown => "peer_unknown",
            Reason::PeerNotAsked => "too_many_peers",
            Reason::TooManyWrong => "too_many_wrong_credentials",
        }
    }

    /// The `error` string: the surface's own where its clients match on it (spec agentmux C.1,
    /// genswarms C.1), else a sentence.
    pub fn error(self, surface: Surface) -> &'static str {
        match self {
            Reason::HostMissing => "missing host",
            Reason::HostMalformed => "malformed host",
            Reason::HostUnknown => "unknown host",
            Reason::OriginNotAllowed | Reason::CrossSite => "origin not allowed",
            Reason::CredentialMissing
            | Reason::CredentialWrong
            | Reason::CredentialTwice
            | Reason::AgentTokenElsewhere => match surface {
                Surface::AgentMux | Surface::Ours => "unauthorized",
                Surface::Swarm => "Invalid or missing API token",
            },
            Reason::TokenRequired => {
                "API token required for non-local requests. Set GENSWARMS_API_TOKEN on the server and send \
                 'Authorization: Bearer <token>'."
            }
            Reason::NotOurUser => {
                "API token required for requests of another user. Set GENSWARMS_API_TOKEN on the server and \
                 send 'Authorization: Bearer <token>'."
            }
            Reason::AgentProcess => {
                "API token required for requests of an agent's process. Set GENSWARMS_API_TOKEN on the server \
                 and send 'Authorization: Bearer <token>'."
            }
            Reason::PeerUnknown => {
                "API token required: the system does not say which process is asking. Set \
                 GENSWARMS_API_TOKEN on the server and send 'Authorization: Bearer <token>'."
            }
            Reason::PeerNotAsked => {
                "too many connections without an API token in this second: try again, keep one open, or set \
                 GENSWARMS_API_TOKEN on the server and send 'Authorization: Bearer <token>'."
            }
            Reason::TooManyWrong => "too many wrong credentials",
        }
    }
}

/// A request that was not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    surface: Surface,
    cors: CorsHeaders,
    wrong: bool,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(reason: Reason, surface: Surface, cors: CorsHeaders) -> Self {
        // The limit is one of any second.
        let retry_after = (reason == Reason::PeerNotAsked).then_some(1);
        Self { reason, surface, cors, wrong: false, retry_after }
    }

    /// Marks a credential that was presented and is wrong.
    pub(super) fn wrong(mut self, wrong: bool) -> Self {
        self.wrong = wrong;
        self
    }

    pub(super) fn throttled(surface: Surface, cors: CorsHeaders, retry_after: u64) -> Self {
        Self { reason: Reason::TooManyWrong, surface, cors, wrong: true, retry_after: Some(retry_after) }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.reason.status()
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// The surface that was asked.
    pub fn surface(&self) -> Surface {
        self.surface
    }

    /// The body: JSON.
    pub fn body(&self) -> Vec<u8> {
        json!({ "error": self.reason.error(self.surface), "code": self.code() }).to_string().into_bytes()
    }

    /// Vary and allow-origin, from step 2 on.
    pub fn cors(&self) -> &CorsHeaders {
        &self.cors
    }

    /// Seconds to wait, for Retry-After.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// Whether a credential was presented and wrong: that costs, a missing one does not.
    pub fn wrong_credential(&self) -> bool {
        self.wrong
    }

    /// All headers of the answer but those that the gate adds.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let retry = self.retry_after.map(|seconds| ("Retry-After", seconds.to_string()));
        self.cors.pairs().map(|(name, value)| (name, value.to_owned())).chain(retry)
    }
}

/// A peer as penalties know it: an IPv4 address, or the 64 bits of an IPv6 network.
pub(super) fn payer(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => (ip & std::net::Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0)).into(),
    }
}
