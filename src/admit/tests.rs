//! Admission as tables: heads as raw bytes, and a world that says what it is told to say.

mod agentmux;
mod genswarms;
mod host;
mod web_page;

use std::{cell::Cell, collections::BTreeMap, net::SocketAddr, sync::Arc};

use super::*;
use crate::wire::{
    head::Head,
    id::AgentId,
    node::{FullName, Holder},
    secret::Secret,
};

const OWNER: &str = "7f1d5a34-0a52-4c5c-9d4e-000000000001";
const PEER: &str = "0c2b9a11-7d1e-4b3f-8a55-000000000002";
const API: &str = "api-token-3f9a";
const CONFIG: &str = "config-token-77c1";
const AGENT: &str = "lga_1111111111111111111111111111111111111111111111111111111111111111";
const MEMBER: &str = "lga_2222222222222222222222222222222222222222222222222222222222222222";
const PORT: u16 = 4000;

/// Answers for the kernel and for the agents.
struct Told {
    standing: Standing,
    tree: TreeFact,
    asked: Cell<u32>,
}

impl World for Told {
    fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        assert!(token.starts_with(b"lga_") && token.len() <= 128, "nothing else is looked up");
        if token == MEMBER.as_bytes() {
            return FullName::parse("s/coder").ok().map(Holder::Member);
        }
        (token == AGENT.as_bytes()).then(|| Holder::Loose(AgentId::parse("coder").unwrap()))
    }

    fn peer_facts(&self) -> PeerFacts {
        self.asked.set(self.asked.get() + 1);
        PeerFacts { standing: self.standing, ..PeerFacts::UNKNOWN }
    }

    fn agent_tree(&self, agent: &Holder) -> TreeFact {
        assert!(["coder", "s/coder"].contains(&agent.to_string().as_str()));
        self.tree
    }
}

/// One instance, one peer.
struct Setting {
    policy: Policy,
    at: PeerAddr,
    world: Told,
}

impl Setting {
    /// With the tokens that are given; the peer is a process of ours on this machine.
    fn new(api: Option<&str>, config: Option<&str>) -> Self {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let local = SocketAddr::from(([127, 0, 0, 1], PORT));
        Self {
            policy: Policy {
                port: PORT,
                bound: local,
                hosts: Vec::new(),
                cors: Cors::Loopback,
                host_origin: None,
                keys: Arc::new(Keyring::new(Keys { owner: secret(OWNER), peer: secret(PEER) })),
                api_token: api.map(secret),
                config_token: config.map(secret),
            },
            at: PeerAddr { peer: SocketAddr::from(([127, 0, 0, 1], 50_000)), local },
            world: Told { standing: Standing::Ours, tree: TreeFact::Inside, asked: Cell::new(0) },
        }
    }

    fn with_peer(mut self, ip: &str) -> Self {
        self.at.peer = SocketAddr::new(ip.parse().unwrap(), 50_000);
        self
    }

    /// `line` is method and target; the Host is the right one unless `fields` has one.
    fn ask(&self, line: &str, fields: &[&str]) -> Result<Admission, Refusal> {
        let has_host = fields.iter().any(|field| field.to_ascii_lowercase().starts_with("host:"));
        let host = if has_host { "" } else { "Host: 127.0.0.1:4000\r\n" };
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.raw(&format!("{line} HTTP/1.1\r\n{host}{fields}\r\n"))
    }

    fn raw(&self, head: &str) -> Result<Admission, Refusal> {
        let head = Head::parse(head.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {head}"));
        admit(&self.policy, &self.at, &head, &self.world)
    }
}

fn x_key(key: &str) -> String {
    format!("X-AuthKey: {key}")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

fn who(outcome: &Result<Admission, Refusal>) -> Option<&Who> {
    match outcome {
        Ok(Admission { verdict: Verdict::Admitted(caller), .. }) => Some(caller.who()),
        Ok(_) | Err(_) => None,
    }
}

#[track_caller]
fn is_refused(outcome: Result<Admission, Refusal>, reason: Reason) -> Refusal {
    let refusal = outcome.expect_err("a refusal");
    assert_eq!(refusal.reason(), reason);
    refusal
}

fn error_of(refusal: &Refusal) -> String {
    let body: serde_json::Value = serde_json::from_slice(&refusal.body()).unwrap();
    assert_eq!(body["code"], refusal.code());
    body["error"].as_str().unwrap().to_owned()
}

/// Name and value of all headers, names in lower case.
fn headers(outcome: &Result<Admission, Refusal>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut take = |name: &str, value: &str| {
        let twice = all.insert(name.to_ascii_lowercase(), value.to_owned());
        assert_eq!(twice, None, "{name}");
    };
    match outcome {
        Ok(admission) => {
            admission.cors.pairs().for_each(|(name, value)| take(name, value));
            if let Verdict::Preflight(preflight) = &admission.verdict {
                preflight.pairs().for_each(|(name, value)| take(name, value));
            }
        }
        Err(refusal) => refusal.headers().for_each(|(name, value)| take(name, &value)),
    }
    all
}

/// Design section 5: first failure answers.
#[test]
fn the_steps_come_in_their_order() {
    let setting = Setting::new(Some(API), None);
    let two = ["X-AuthKey: a", "X-AuthKey: a"];
    let all = ["Host: evil", "Origin: http://evil", two[0], two[1]];
    is_refused(setting.ask("GET /agentmux/x", &all), Reason::CredentialTwice);
    is_refused(setting.ask("GET /agentmux/x", &["Host: evil", "Origin: http://evil"]), Reason::HostUnknown);
    is_refused(setting.ask("OPTIONS /agentmux/x", &["Host: evil"]), Reason::HostUnknown);
    is_refused(setting.ask("GET /agentmux/x", &["Origin: http://evil"]), Reason::OriginNotAllowed);
    is_refused(setting.ask("GET /agentmux/x", &["Origin: http://localhost"]), Reason::CredentialMissing);
}

#[test]
fn every_answer_after_the_host_says_what_a_page_may_read() {
    let setting = Setting::new(Some(API), None);
    let origin = "Origin: http://localhost:5173";
    let key = x_key(OWNER);
    for (line, fields) in [
        ("GET /", vec![origin]),
        ("GET /agentmux/reactive/agents", vec![origin, &key]),
        ("GET /agentmux/reactive/agents", vec![origin]),
        ("GET /nowhere", vec![origin, "X-AuthKey: wrong"]),
        ("GET /ws", vec![origin]),
        ("GET /api/v1/status", vec![origin]),
        ("GET /api/swarms", vec![origin]),
        ("OPTIONS /agentmux/reactive/inject", vec![origin]),
        ("OPTIONS /api/swarms", vec![origin]),
    ] {
        let headers = headers(&setting.ask(line, &fields));
        assert_eq!(headers["vary"], "Origin", "{line}");
        assert_eq!(headers["access-control-allow-origin"], "http://localhost:5173", "{line}");
        for never in ["credentials", "max-age", "private-network"] {
            assert!(!headers.contains_key(&format!("access-control-{never}")));
            assert!(!headers.contains_key(&format!("access-control-allow-{never}")));
        }
    }
    // Without an Origin, or with a foreign one, Vary alone.
    for fields in [&[][..], &["Origin: https://evil.com"]] {
        for line in ["GET /", "GET /agentmux/reactive/agents", "OPTIONS /api/swarms", "GET /api/swarms"] {
            let headers = headers(&setting.ask(line, fields));
            assert_eq!(headers.get("vary").map(String::as_str), Some("Origin"), "{line}");
            assert!(!headers.contains_key("access-control-allow-origin"), "{line}");
        }
    }
}

#[test]
fn the_hosts_own_origin_is_allowed_everywhere() {
    let mut setting = Setting::new(Some(API), None);
    setting.policy.host_origin = Some("https://box.example:8443".to_owned());
    setting.policy.cors = Cors::List(vec!["https://a.com".to_owned()]);
    for line in ["GET /", "GET /agentmux/reactive/agents", "GET /api/swarms", "GET /api/v1/status"] {
        let outcome = setting.ask(line, &["Origin: https://box.example:8443"]);
        assert!(headers(&outcome).contains_key("access-control-allow-origin"), "{line}");
        is_refused(setting.ask(line, &["Origin: https://box.example"]), Reason::OriginNotAllowed);
    }
    setting.policy.host_origin = Some("null".to_owned());
    is_refused(setting.ask("GET /", &["Origin: null"]), Reason::OriginNotAllowed);
}

#[test]
fn our_own_surface_takes_the_owner_the_operator_and_agents() {
    let setting = Setting::new(Some(API), Some(CONFIG));
    let coder = Who::Agent(AgentId::parse("coder").unwrap());
    let path = "GET /api/v1/agents";
    assert_eq!(who(&setting.ask(path, &[&x_key(OWNER)])), Some(&Who::Owner));
    assert_eq!(who(&setting.ask(path, &[&bearer(API)])), Some(&Who::Api));
    // Which routes an agent may call is the route table's business.
    assert_eq!(who(&setting.ask(path, &[&bearer(AGENT)])), Some(&coder));
    assert_eq!(who(&setting.ask("POST /api/v1/self/send", &[&bearer(AGENT)])), Some(&coder));
    let member = Who::Member(FullName::parse("s/coder").unwrap());
    assert_eq!(who(&setting.ask("POST /api/v1/self/send", &[&bearer(MEMBER)])), Some(&member));
    for wrong in [
        x_key(PEER),
        x_key(API),
        x_key(AGENT),
        bearer(OWNER),
        bearer(PEER),
        bearer(CONFIG),
        bearer("lga_"),
        bearer(&AGENT.replace('1', "3")),
        bearer(&format!("lga_{}", "1".repeat(10_000))),
        format!("Authorization: {AGENT}"),
        format!("Authorization: bearer {API}"),
    ] {
        let refusal = is_refused(setting.ask(path, &[&wrong]), Reason::CredentialWrong);
        assert!(refusal.wrong_credential());
        assert_eq!((refusal.status(), error_of(&refusal).as_str()), (401, "unauthorized"));
    }
    is_refused(setting.ask(path, &[&x_key(OWNER), &bearer(API)]), Reason::CredentialTwice);
    is_refused(setting.ask(path, &[&bearer(API), &bearer(API)]), Reason::CredentialTwice);
    for none in [&[][..], &["X-AuthKey:"], &["Authorization:"]] {
        let refusal = is_refused(setting.ask(path, none), Reason::CredentialMissing);
        assert!(!refusal.wrong_credential());
    }
    // There is no token-less rule here.
    let setting = Setting::new(None, None);
    is_refused(setting.ask(path, &[]), Reason::CredentialMissing);
    is_refused(setting.ask(path, &["Authorization: Bearer"]), Reason::CredentialWrong);
    assert_eq!(setting.world.asked.get(), 0);
}

#[test]
fn a_caller_knows_the_generation_of_its_key_and_tokens_have_none() {
    let setting = Setting::new(Some(API), Some(CONFIG));
    let generation = |line: &str, field: &str| match setting.ask(line, &[field]) {
        Ok(Admission { verdict: Verdict::Admitted(caller), .. }) => Some(caller.generation()),
        Ok(_) | Err(_) => None,
    };
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let (agents, inject, ws) = ("GET /api/v1/agents", "POST /agentmux/reactive/inject", "GET /ws");
    let next = Keys { owner: secret("the-next-owner-key"), peer: secret("the-next-peer-key") };
    let rotation = setting.policy.keys.begin(next, None).unwrap();
    for line in [agents, inject, ws] {
        assert_eq!(generation(line, &x_key(OWNER)), Some(Some(1)));
        assert_eq!(generation(line, &x_key("the-next-owner-key")), Some(Some(2)));
    }
    assert_eq!(generation(inject, &x_key(PEER)), Some(Some(1)));
    assert_eq!(generation(inject, &x_key("the-next-peer-key")), Some(Some(2)));
    assert_eq!(rotation.finish(), 2);
    for (line, old) in [(agents, OWNER), (inject, OWNER), (inject, PEER), (ws, OWNER)] {
        is_refused(setting.ask(line, &[&x_key(old)]), Reason::CredentialWrong);
    }
    assert_eq!(generation(inject, &x_key("the-next-peer-key")), Some(Some(2)));
    is_refused(setting.ask(agents, &[&x_key("the-next-peer-key")]), Reason::CredentialWrong);
    assert_eq!(generation(agents, &bearer(API)), Some(None));
    assert_eq!(generation(agents, &bearer(AGENT)), Some(None));
}

#[test]
fn an_agents_token_from_another_tree_is_refused_only_where_that_is_known() {
    let mut setting = Setting::new(None, None);
    for (tree, admitted) in [(TreeFact::Inside, true), (TreeFact::Unknown, true), (TreeFact::Outside, false)]
    {
        setting.world.tree = tree;
        for token in [AGENT, MEMBER] {
            let outcome = setting.ask("POST /api/v1/self/send", &[&bearer(token)]);
            assert_eq!(who(&outcome).is_some(), admitted, "{tree:?}");
            if !admitted {
                let refusal = is_refused(outcome, Reason::AgentTokenElsewhere);
                // It is a right token: not a guess, and not charged as one.
                assert!(refusal.status() == 401 && !refusal.wrong_credential());
            }
        }
    }
    // An agent's token opens no other surface.
    for token in [AGENT, MEMBER] {
        is_refused(setting.ask("GET /agentmux/reactive/agents", &[&x_key(token)]), Reason::CredentialWrong);
        let setting = Setting::new(Some(API), None);
        is_refused(setting.ask("GET /api/swarms", &[&bearer(token)]), Reason::CredentialWrong);
    }
}

#[test]
fn wrong_credentials_cost_and_right_ones_never_do() {
    let setting = Setting::new(Some(API), None);
    let penalties = Penalties::new();
    let ip = setting.at.peer.ip();
    let ask = |line: &str, fields: &[&str], now| penalties.settle(setting.ask(line, fields), ip, now);
    let wrong = ["X-AuthKey: wrong"];
    let path = "GET /agentmux/reactive/agents";
    // Missing ones are free.
    for _ in 0..1_000 {
        is_refused(ask(path, &[], 0), Reason::CredentialMissing);
    }
    let burst = u64::from(limits::WRONG_CREDENTIALS_BURST);
    for _ in 0..burst {
        is_refused(ask(path, &wrong, 0), Reason::CredentialWrong);
    }
    let refusal = is_refused(ask(path, &wrong, 0), Reason::TooManyWrong);
    assert_eq!((refusal.status(), refusal.retry_after()), (429, Some(1)));
    assert_eq!(headers(&Err(refusal))["retry-after"], "1");
    // On every surface, and with what health did not need; but a right one is let in.
    is_refused(ask("GET /api/swarms", &["Authorization: Bearer x"], 0), Reason::TooManyWrong);
    is_refused(ask("GET /", &["Authorization: Bearer x"], 0), Reason::TooManyWrong);
    assert!(ask("GET /", &[], 0).is_ok());
    assert_eq!(who(&ask(path, &[&x_key(OWNER)], 0)), Some(&Who::Owner));
    // Ten a second come back, no more.
    let rate = u64::from(limits::WRONG_CREDENTIALS_PER_SECOND);
    for second in 1..=3 {
        let refused = (0..20).filter(|_| penalties.charge(ip, second * 1_000).is_some()).count();
        assert_eq!(refused as u64, 20 - rate);
    }
    // Another peer has a bucket of its own; the same address in other clothes has not.
    assert_eq!(penalties.charge("203.0.113.7".parse().unwrap(), 3_000), None);
    assert!(penalties.charge("::ffff:127.0.0.1".parse().unwrap(), 3_000).is_some());
    // Time going on fills the bucket to the brim and not beyond.
    let taken = (0..1_000).take_while(|_| penalties.charge(ip, 1_000_000).is_none()).count();
    assert_eq!(taken as u64, burst);
}

#[test]
fn a_wrong_token_at_health_is_charged_and_still_answered() {
    let setting = Setting::new(Some(API), None);
    for (fields, api, wrong) in [
        (vec![], false, false),
        (vec![bearer(API)], true, false),
        (vec![bearer("x")], false, true),
        (vec![format!("Authorization: {API}")], false, true),
        (vec![x_key("x")], false, false),
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let admission = setting.ask("GET /", &fields).unwrap();
        assert_eq!(admission.verdict, Verdict::Public { api });
        assert_eq!(admission.wrong_credential(), wrong);
    }
    // Without a token configured there is nothing to guess.
    let admission = Setting::new(None, None).ask("GET /", &[&bearer("x")]).unwrap();
    assert_eq!((&admission.verdict, admission.wrong_credential()), (&Verdict::Public { api: false }, false));
}

#[test]
fn penalties_remember_a_bounded_number_of_peers() {
    let penalties = Penalties::new();
    let ip = |n: u32| std::net::IpAddr::from(n.to_be_bytes());
    let most = u32::try_from(limits::PENALTY_PEERS).unwrap();
    // They all still owe at the end.
    for n in 0..most {
        for _ in 0..50 {
            assert_eq!(penalties.charge(ip(n), 0), None);
        }
    }
    let strangers = (most..2 * most).filter(|n| penalties.charge(ip(*n), 0).is_none()).count();
    assert_eq!(strangers, limits::WRONG_CREDENTIALS_BURST as usize);
    assert_eq!(penalties.remembered(), limits::PENALTY_PEERS);
    // Who owes nothing any more makes room.
    assert_eq!(penalties.charge(ip(3 * most), 60_000), None);
    assert_eq!(penalties.remembered(), 1);
    // An IPv6 network is one peer, however many addresses it has.
    for n in 0..limits::WRONG_CREDENTIALS_BURST {
        let ip = std::net::Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, u16::try_from(n).unwrap());
        assert_eq!(penalties.charge(ip.into(), 60_000), None);
    }
    assert!(penalties.charge("fd00:0:0:1:ffff::".parse().unwrap(), 60_000).is_some());
    assert_eq!(penalties.charge("fd00:0:0:2::".parse().unwrap(), 60_000), None);
}

#[test]
fn an_open_door_is_refused_at_the_start() {
    let check = |bind: &str, cors: &Cors, token| check_open(bind.parse().unwrap(), cors, token);
    for bind in ["127.0.0.1", "127.5.9.11", "::1"] {
        assert_eq!(check(bind, &Cors::Loopback, false), Ok(()), "{bind}");
        assert_eq!(check(bind, &Cors::Any, false), Err(PolicyError::AnyOriginWithoutToken), "{bind}");
    }
    for bind in ["0.0.0.0", "::", "192.168.1.5", "::ffff:10.0.0.5"] {
        for cors in [Cors::Loopback, Cors::List(Vec::new()), Cors::Any] {
            assert_eq!(check(bind, &cors, false), Err(PolicyError::OpenBindWithoutToken), "{bind}");
            assert_eq!(check(bind, &cors, true), Ok(()), "{bind}");
        }
    }
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        assert!((400..500).contains(&reason.status()));
        for surface in [Surface::AgentMux, Surface::Ours, Surface::Swarm] {
            assert!(!reason.error(surface).is_empty());
        }
    }
}
