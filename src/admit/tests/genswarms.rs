//! The cases of spec genswarms M.1 and M.3, and C.1 to C.6, with the differences of design
//! section 5.

use super::*;

const REST: &str = "GET /api/swarms";
const WRONG: &str = "Invalid or missing API token";
const REMOTE: &str = "API token required for non-local requests. Set GENSWARMS_API_TOKEN on the server and send \
                      'Authorization: Bearer <token>'.";

fn is_401(outcome: Result<Admission, Refusal>, error: &str) {
    let refusal = outcome.expect_err("a refusal");
    assert_eq!((refusal.status(), error_of(&refusal).as_str()), (401, error));
}

#[test]
fn m1_a_right_token_passes_from_anywhere() {
    for ip in ["127.0.0.1", "203.0.113.7", "10.0.0.5", "::1", "2001:db8::1"] {
        let setting = Setting::new(Some(API), None).with_peer(ip);
        assert_eq!(who(&setting.ask(REST, &[&bearer(API)])), Some(&Who::Api), "{ip}");
        assert_eq!(setting.world.asked.get(), 0);
    }
}

#[test]
fn m1_with_a_token_set_nothing_else_passes_not_even_from_loopback() {
    let setting = Setting::new(Some(API), None);
    let prefix = bearer(&API[..API.len() - 1]);
    for fields in [
        vec![],
        vec!["Authorization:".to_owned()],
        vec!["Authorization: Bearer".to_owned()],
        vec!["Authorization: Bearer ".to_owned()],
        vec![bearer("wrong")],
        vec![prefix],
        vec![bearer(&format!("{API}x"))],
        vec![bearer(&format!(" {API}"))],
        vec![format!("Authorization: Token {API}")],
        vec![format!("Authorization: {API}")],
        vec![format!("Authorization: bearer {API}")],
        vec![format!("Authorization: BEARER {API}")],
        vec![format!("Authorization: Bearer\t{API}")],
        vec![bearer(API), bearer(API)],
        vec![bearer(API), bearer("wrong")],
        vec![x_key(API)],
        // The owner key never opens the swarm surface.
        vec![x_key(OWNER)],
        vec![bearer(OWNER)],
        vec![bearer(PEER)],
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        is_401(setting.ask(REST, &fields), WRONG);
    }
    is_401(setting.ask(&format!("{REST}?token={API}"), &[]), WRONG);
    is_401(setting.ask("GET /api/nowhere", &[]), WRONG);
    is_401(setting.ask("GET /swarm/longpoll", &[]), WRONG);
    assert_eq!(setting.world.asked.get(), 0);
    // An X-AuthKey beside a right token is of no interest here.
    assert_eq!(who(&setting.ask(REST, &[&bearer(API), &x_key("x")])), Some(&Who::Api));
}

#[test]
fn m1_without_a_token_loopback_passes_and_nobody_else() {
    for token in [None, Some("")] {
        for ip in ["127.0.0.1", "127.5.9.11", "::1", "::ffff:127.0.0.1"] {
            let setting = Setting::new(token, None).with_peer(ip);
            assert_eq!(who(&setting.ask(REST, &[])), Some(&Who::Loopback), "{ip}");
            // Any presented token is ignored, and costs nothing: there is nothing to guess.
            assert_eq!(who(&setting.ask(REST, &[&bearer("x")])), Some(&Who::Loopback), "{ip}");
            assert_eq!(setting.world.asked.get(), 2);
        }
        for ip in ["203.0.113.7", "10.0.0.5", "192.168.1.1", "0.0.0.0", "::", "::ffff:10.0.0.5", "fe80::1"] {
            let setting = Setting::new(token, None).with_peer(ip);
            is_401(setting.ask(REST, &[]), REMOTE);
            is_401(setting.ask(REST, &[&bearer(API)]), REMOTE);
            // Refused without asking the kernel about it.
            assert_eq!(setting.world.asked.get(), 0);
        }
    }
}

#[test]
fn m1_forwarding_headers_change_nothing() {
    let spoofed = ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Real-IP: 127.0.0.1"];
    is_401(Setting::new(None, None).with_peer("203.0.113.7").ask(REST, &spoofed), REMOTE);
    let outcome = Setting::new(None, None).ask(REST, &["X-Forwarded-For: 203.0.113.7"]);
    assert_eq!(who(&outcome), Some(&Who::Loopback));
}

/// Design section 5: all of it positively known from the kernel, or refused.
#[test]
fn m1_token_less_is_for_processes_of_ours_outside_every_agent() {
    let mut setting = Setting::new(None, None);
    for (standing, reason, code) in [
        (Standing::NotOurUser, Reason::NotOurUser, "not_our_user"),
        (Standing::AgentProcess, Reason::AgentProcess, "agent_process"),
        (Standing::Unknown, Reason::PeerUnknown, "peer_unknown"),
    ] {
        setting.world.standing = standing;
        for line in [REST, "POST /api/swarms", "GET /swarm/websocket", "GET /api/swarms/a/overlay"] {
            let refusal = is_refused(setting.ask(line, &[]), reason);
            assert_eq!((refusal.status(), refusal.code()), (401, code));
            assert!(error_of(&refusal).starts_with("API token required"));
            assert!(!refusal.wrong_credential());
        }
    }
    // A limit is no reason to send somebody for a token: it is told as one.
    setting.world.standing = Standing::NotAsked;
    let refusal = is_refused(setting.ask(REST, &[]), Reason::PeerNotAsked);
    assert_eq!((refusal.status(), refusal.code(), refusal.retry_after()), (429, "too_many_peers", Some(1)));
    assert!(!refusal.wrong_credential());
}

const CONFIG_ROUTES: [&str; 3] =
    ["PATCH /api/swarms/a/objects/o/config", "GET /api/swarms/a/overlay", "HEAD /api/swarms/a/overlay"];
const OTHER_ROUTES: [&str; 10] = [
    "GET /api/swarms",
    "POST /api/swarms",
    "DELETE /api/swarms/a/overlay",
    "PATCH /api/swarms/a/overlay",
    "GET /api/swarms/a/objects/o/config",
    "PATCH /api/swarms/a/objects/o/config/",
    "PATCH /api/swarms//objects/o/config",
    "GET /api/swarms/a/overlay/x",
    "GET /api/swarms/a/b/overlay",
    "GET /swarm/websocket",
];

#[test]
fn m1_the_config_token_opens_two_routes() {
    let both = Setting::new(Some(API), Some(CONFIG));
    for line in CONFIG_ROUTES {
        assert_eq!(who(&both.ask(line, &[&bearer(CONFIG)])), Some(&Who::Config), "{line}");
        assert_eq!(who(&both.ask(line, &[&bearer(API)])), Some(&Who::Api), "{line}");
        is_401(both.ask(line, &[&bearer("wrong")]), WRONG);
        is_401(both.ask(line, &[]), WRONG);
    }
    for line in OTHER_ROUTES {
        is_401(both.ask(line, &[&bearer(CONFIG)]), WRONG);
    }
    is_401(both.ask(&format!("GET /swarm/websocket?token={CONFIG}"), &[]), WRONG);
    // Only the full one configured: it is needed everywhere.
    let full = Setting::new(Some(API), None);
    for line in CONFIG_ROUTES {
        is_401(full.ask(line, &[&bearer(CONFIG)]), WRONG);
        assert_eq!(who(&full.ask(line, &[&bearer(API)])), Some(&Who::Api));
    }
}

#[test]
fn m1_only_a_config_token_set() {
    let local = Setting::new(None, Some(CONFIG));
    let remote = Setting::new(None, Some(CONFIG)).with_peer("203.0.113.7");
    for line in CONFIG_ROUTES {
        for setting in [&local, &remote] {
            assert_eq!(who(&setting.ask(line, &[&bearer(CONFIG)])), Some(&Who::Config));
            is_401(setting.ask(line, &[&bearer("wrong")]), WRONG);
            is_401(setting.ask(line, &[]), WRONG);
        }
    }
    for line in OTHER_ROUTES {
        assert_eq!(who(&local.ask(line, &[])), Some(&Who::Loopback), "{line}");
        is_401(remote.ask(line, &[&bearer(CONFIG)]), REMOTE);
    }
}

#[test]
fn m1_an_empty_config_token_is_none() {
    let local = Setting::new(None, Some(""));
    let full = Setting::new(Some(API), Some(""));
    for line in CONFIG_ROUTES {
        assert_eq!(who(&local.ask(line, &[])), Some(&Who::Loopback), "{line}");
        is_401(full.ask(line, &["Authorization: Bearer "]), WRONG);
        is_401(full.ask(line, &[]), WRONG);
    }
}

#[test]
fn m1_no_tokens_both_scopes_are_loopback_only() {
    let local = Setting::new(None, None);
    let remote = Setting::new(None, None).with_peer("203.0.113.7");
    for line in CONFIG_ROUTES.iter().chain(&OTHER_ROUTES) {
        assert_eq!(who(&local.ask(line, &[])), Some(&Who::Loopback), "{line}");
        is_401(remote.ask(line, &[]), REMOTE);
    }
}

/// Differs from what was observed there: 401 and not 403, and the header counts (D.1, C.4).
#[test]
fn m1_the_socket_takes_its_token_from_the_query_or_the_header() {
    let token = "a b+c%/é";
    let encoded = "a%20b%2Bc%25%2F%C3%A9";
    let setting = Setting::new(Some(token), Some(CONFIG)).with_peer("203.0.113.7");
    let ask = |query: &str, fields: &[&str]| setting.ask(&format!("GET /swarm/websocket{query}"), fields);
    assert_eq!(who(&ask(&format!("?vsn=2.0.0&token={encoded}"), &[])), Some(&Who::Api));
    assert_eq!(who(&ask("", &[&bearer(token)])), Some(&Who::Api));
    // An empty one counts as none.
    assert_eq!(who(&ask("?token=", &[&bearer(token)])), Some(&Who::Api));
    is_401(ask("", &[]), WRONG);
    is_401(ask("?token=", &[]), WRONG);
    is_401(ask("?token=wrong", &[]), WRONG);
    is_401(ask("?token=%zz", &[]), WRONG);
    // Decoded once, and the name not at all.
    is_401(ask(&format!("?token={}", encoded.replace('%', "%25")), &[]), WRONG);
    is_401(ask(&format!("?%74oken={encoded}"), &[]), WRONG);
    is_401(ask(&format!("?Token={encoded}"), &[]), WRONG);
    // Two kinds or two copies at once.
    for outcome in [
        ask(&format!("?token={encoded}"), &[&bearer(token)]),
        ask(&format!("?token={encoded}&token={encoded}"), &[]),
        ask("", &[&bearer(token), &bearer(token)]),
    ] {
        is_refused(outcome, Reason::CredentialTwice);
    }
    // Elsewhere the query opens nothing.
    is_401(setting.ask(&format!("GET /swarm/websocket/?token={encoded}"), &[]), WRONG);

    let open = Setting::new(None, None);
    assert_eq!(who(&open.ask("GET /swarm/websocket", &[])), Some(&Who::Loopback));
    is_401(Setting::new(None, None).with_peer("203.0.113.7").ask("GET /swarm/websocket", &[]), REMOTE);
    let foreign = open.ask("GET /swarm/websocket", &["Origin: https://evil.com"]);
    assert_eq!(is_refused(foreign, Reason::OriginNotAllowed).status(), 403);
}

/// Differs from the printed case (401): both systems share `/`, and health is open.
#[test]
fn m1_the_descriptor_at_the_root_needs_the_token() {
    let setting = Setting::new(Some(API), None);
    assert_eq!(setting.ask("GET /", &[]).unwrap().verdict, Verdict::Public { api: false });
    assert_eq!(setting.ask("GET /", &[&bearer(API)]).unwrap().verdict, Verdict::Public { api: true });
}

#[test]
fn m1_a_blank_token_counts_as_configured() {
    let setting = Setting::new(Some(" "), None);
    is_401(setting.ask(REST, &[]), WRONG);
    assert_eq!(who(&setting.ask("GET /swarm/websocket?token=%20", &[])), Some(&Who::Api));
}

fn allows(cors: &Cors, origin: &str) -> bool {
    let mut setting = Setting::new(Some(API), None);
    setting.policy.cors = cors.clone();
    let outcome = setting.ask(REST, &[&format!("Origin: {origin}"), &bearer(API)]);
    let named = headers(&outcome).get("access-control-allow-origin").map(String::as_str) == Some(origin);
    // What a page may read is what it may ask: never one without the other.
    assert_eq!(who(&outcome).is_some(), named, "{origin}");
    if !named {
        is_refused(outcome, Reason::OriginNotAllowed);
    }
    let preflight = setting.ask("OPTIONS /api/swarms", &[&format!("Origin: {origin}")]);
    assert_eq!(headers(&preflight).contains_key("access-control-allow-origin"), named);
    named
}

#[test]
fn m3_the_default_list() {
    for unset in [None, Some("")] {
        let cors = Cors::parse(unset).unwrap();
        for good in [
            "http://localhost",
            "https://localhost",
            "http://localhost:3000",
            "https://localhost:4000",
            "http://127.0.0.1:5173",
            "https://127.0.0.1",
            "http://[::1]:4000",
        ] {
            assert!(allows(&cors, good), "{good}");
        }
        for bad in [
            "https://evil.com",
            "http://example.com",
            "http://localhost.evil.com",
            "https://notlocalhost",
            "http://localhost:3000.evil.com",
            "http://127.0.0.1.evil.com",
            "http://evil.com/localhost",
            "null",
            "HTTP://LOCALHOST",
            "http://127.0.0.2",
            "http://localhost/",
        ] {
            assert!(!allows(&cors, bad), "{bad}");
        }
    }
}

#[test]
fn m3_a_list_is_exact_and_a_star_is_everybody_but_null() {
    let cors = Cors::parse(Some(" https://a.com , https://b.com ")).unwrap();
    assert!(allows(&cors, "https://a.com") && allows(&cors, "https://b.com"));
    for bad in [
        "https://a.com:443",
        "https://a.com/",
        "http://localhost",
        "https://a.com.evil",
        "null",
        "http://a.com",
    ] {
        assert!(!allows(&cors, bad), "{bad}");
    }
    let any = Cors::parse(Some("*")).unwrap();
    assert!(allows(&any, "https://evil.com") && !allows(&any, "null"));
    // A list that says something no browser sends is an error (design section 10).
    for bad in [" ", "*, https://a.com", "https://a.com/", "a.com", "null", "https://a.com,,https://b.com"] {
        assert!(Cors::parse(Some(bad)).is_err(), "{bad}");
    }
    // The list is the swarm surface's alone.
    let mut setting = Setting::new(Some(API), None);
    setting.policy.cors = Cors::Any;
    let outcome = setting.ask("GET /agentmux/reactive/agents", &["Origin: https://a.com", &x_key(OWNER)]);
    is_refused(outcome, Reason::OriginNotAllowed);
}

#[test]
fn m3_preflights_answer_what_was_asked_for_to_an_allowed_origin_alone() {
    let setting = Setting::new(Some(API), None);
    let asked = [
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: Content-Type,X-Session-Id , authorization",
    ];
    for path in ["/api/swarms", "/api/nowhere", "/swarm/websocket"] {
        let line = format!("OPTIONS {path}");
        let outcome = setting.ask(&line, &["Origin: https://localhost:4000", asked[0], asked[1]]);
        assert!(matches!(outcome, Ok(Admission { verdict: Verdict::Preflight(_), .. })));
        let found = headers(&outcome);
        assert_eq!(found["access-control-allow-origin"], "https://localhost:4000");
        assert_eq!(found["access-control-allow-methods"], "PATCH");
        assert_eq!(found["access-control-allow-headers"], "content-type, x-session-id, authorization");
        for fields in [vec!["Origin: https://evil.com", asked[0], asked[1]], vec![asked[0], asked[1]], vec![]]
        {
            let outcome = setting.ask(&line, &fields);
            assert!(matches!(outcome, Ok(Admission { verdict: Verdict::Preflight(_), .. })));
            assert_eq!(headers(&outcome).keys().collect::<Vec<_>>(), ["vary"]);
        }
    }
    // What is no token is not sent back.
    let junk = [
        "Origin: http://localhost",
        "Access-Control-Request-Method: A B",
        "Access-Control-Request-Headers: a,,b",
    ];
    let found = headers(&setting.ask("OPTIONS /api/swarms", &junk));
    assert_eq!(found.keys().collect::<Vec<_>>(), ["access-control-allow-origin", "vary"]);
}

#[test]
fn m3_a_401_to_an_allowed_origin_can_be_read_by_its_page() {
    let outcome = Setting::new(Some(API), None).ask(REST, &["Origin: http://localhost:3000"]);
    assert_eq!(headers(&outcome)["access-control-allow-origin"], "http://localhost:3000");
    is_401(outcome, WRONG);
}
