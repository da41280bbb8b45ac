//! What must hold for any head, asserted; driven by cargo-fuzz and by the replayed corpus.
//!
//! The judge reads the bytes on its own, by `split` alone, and shares no code with admission.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Admission, Caller, Cors, Keyring, Keys, PeerAddr, PeerFacts, Policy, Standing, TreeFact, Verdict, Who,
    World, admit,
};
use crate::wire::{
    head::Head,
    id::AgentId,
    node::{FullName, Holder},
    secret::Secret,
};

const OWNER: &str = "7f1d5a34-0a52-4c5c-9d4e-000000000001";
const PEER: &str = "c40d3f0e-93b1-4b7e-8a7e-5d0c6f1a2b3c";
const API: &str = "secret-api-token";
const CONFIG: &str = "config-token";
const AGENT: &str = "lga_0000000000000000000000000000000000000000000000000000000000000000";
const MEMBER: &str = "lga_1111111111111111111111111111111111111111111111111111111111111111";

struct Fixed(Standing);

impl World for Fixed {
    fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        match token {
            token if token == AGENT.as_bytes() => AgentId::parse("coder").ok().map(Holder::Loose),
            token if token == MEMBER.as_bytes() => FullName::parse("s/coder").ok().map(Holder::Member),
            _ => None,
        }
    }

    fn peer_facts(&self) -> PeerFacts {
        PeerFacts { standing: self.0, ..PeerFacts::UNKNOWN }
    }

    fn agent_tree(&self, _: &Holder) -> TreeFact {
        TreeFact::Inside
    }
}

/// No head becomes a [`Caller`] unless the right credential stands in the right place, the Host is
/// ours and the Origin absent or allowed; nobody's word but the kernel's opens the token-less way;
/// and an allow-origin header only ever names an allowed Origin.
pub fn fuzz(data: &[u8]) {
    let Ok(head) = Head::parse(data) else { return };
    let text = &String::from_utf8_lossy(data);
    for (api, config) in [(Some(API), Some(CONFIG)), (None, Some(CONFIG)), (None, None), (Some(""), Some(""))]
    {
        let policy = policy(api, config);
        for peer in ["127.0.0.1:50000", "203.0.113.7:50000"] {
            let at = PeerAddr { peer: address(peer), local: address("127.0.0.1:4000") };
            for standing in [
                Standing::Ours,
                Standing::NotOurUser,
                Standing::AgentProcess,
                Standing::NotAsked,
                Standing::Unknown,
            ] {
                let outcome = admit(&policy, &at, &head, &Fixed(standing));
                let tokens = (api.filter(|t| !t.is_empty()), config.filter(|t| !t.is_empty()));
                judge(text, &outcome, tokens, standing == Standing::Ours && peer.starts_with("127."));
            }
        }
    }
}

fn judge(
    text: &str,
    outcome: &Result<Admission, super::Refusal>,
    (api, config): (Option<&str>, Option<&str>),
    local: bool,
) {
    let mut lines = text.split("\r\n");
    let mut request = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (request.next().unwrap_or_default(), request.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let fields: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
        .collect();
    let all =
        |name: &str| fields.iter().filter(|(found, _)| found == name).map(|(_, value)| *value).collect();
    let hosts: Vec<&str> = all("host");
    let origins: Vec<&str> = all("origin");
    let keys: Vec<&str> = all("x-authkey");
    let authorizations: Vec<&str> = all("authorization");
    let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let of =
        |name: &str| pairs.iter().filter(|(found, _)| *found == name).map(|(_, v)| *v).collect::<Vec<_>>();

    let swarm = (path.starts_with("/api/") || path.starts_with("/swarm/"))
        && path != "/api/post-chat-message"
        && !["/api/v1/", "/api/bus/", "/api/lan-instances"].iter().any(|prefix| path.starts_with(prefix));
    let ours = path.starts_with("/api/v1/");
    let origin_fits = match origins.as_slice() {
        [] => true,
        [origin] => is_local_origin(origin, swarm),
        _ => false,
    };
    let (cors, admission) = match outcome {
        Ok(admission) => (&admission.cors, Some(admission)),
        Err(refusal) => (refusal.cors(), None),
    };
    for (name, value) in cors.pairs() {
        assert!(name == "Vary" || (origin_fits && origins == [value]), "{value} is named to a page");
    }
    let Some(admission) = admission else { return };

    let host = hosts.first().copied().unwrap_or_default().to_ascii_lowercase();
    assert!(hosts.len() == 1 && (host == "127.0.0.1:4000" || host == "localhost:4000"), "host {hosts:?}");
    assert!(keys.len() < 2 && authorizations.len() < 2, "two credentials");
    let caller: &Caller = match &admission.verdict {
        Verdict::Preflight(_) => return assert_eq!(method, "OPTIONS"),
        Verdict::Public { api: right } => {
            assert!(path == "/" && origin_fits);
            let sent = authorizations.first().and_then(|value| value.strip_prefix("Bearer "));
            return assert_eq!(*right, api.is_some() && sent == api);
        }
        Verdict::Admitted(caller) => caller,
    };
    assert!(origin_fits, "foreign origin {origins:?}");
    let cross = all_is(&fields, "sec-fetch-site", "cross-site");
    assert!(!cross || !origins.is_empty(), "cross-site without an origin");

    let bearer = authorizations.first().and_then(|value| value.strip_prefix("Bearer "));
    let tokens: Vec<&str> = of("token").into_iter().filter(|value| !value.is_empty()).collect();
    let token = match (bearer, tokens.as_slice()) {
        (None, [raw]) if path == "/swarm/websocket" => Some(decoded(raw)),
        (bearer, _) => bearer.map(str::to_owned),
    };
    let key = keys.first().copied().or_else(|| of("authkey").first().copied().filter(|_| path == "/ws"));
    match caller.who() {
        Who::Owner => assert!(!swarm && key == Some(OWNER)),
        Who::Peer => assert!(!swarm && !ours && key == Some(PEER)),
        Who::Api => assert!((swarm || ours) && api.is_some() && token.as_deref() == api),
        Who::Config => {
            assert!(swarm && config.is_some() && token.as_deref() == config);
            assert!(path.ends_with("/config") || path.ends_with("/overlay"));
        }
        Who::Agent(_) => assert!(ours && bearer == Some(AGENT)),
        Who::Member(_) => assert!(ours && bearer == Some(MEMBER)),
        Who::Loopback => assert!(swarm && local && api.is_none()),
    }
}

fn all_is(fields: &[(String, &str)], name: &str, value: &str) -> bool {
    fields.iter().any(|(found, sent)| found == name && sent.eq_ignore_ascii_case(value))
}

fn is_local_origin(origin: &str, swarm: bool) -> bool {
    let (schemes, hosts): (&[_], &[_]) = match swarm {
        true => (&["http", "https"], &["localhost", "127.0.0.1", "[::1]"]),
        false => (&["http"], &["localhost", "127.0.0.1"]),
    };
    schemes.iter().any(|scheme| {
        hosts.iter().any(|host| {
            let bare = format!("{scheme}://{host}");
            let port = origin.strip_prefix(&bare).and_then(|rest| rest.strip_prefix(':'));
            origin == bare
                || port.is_some_and(|port| port.parse::<u16>().is_ok_and(|p| p.to_string() == port))
        })
    })
}

/// One layer of percent-encoding, for the judge alone.
fn decoded(raw: &str) -> String {
    let mut parts = raw.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).unwrap_or(("", part));
        out.extend(u8::from_str_radix(hex, 16).ok());
        out.extend(rest.as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn policy(api: Option<&str>, config: Option<&str>) -> Policy {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    Policy {
        port: 4000,
        bound: address("127.0.0.1:4000"),
        hosts: Vec::new(),
        cors: Cors::Loopback,
        host_origin: None,
        keys: Arc::new(Keyring::new(Keys { owner: secret(OWNER), peer: secret(PEER) })),
        api_token: api.map(secret),
        config_token: config.map(secret),
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}
