//! The cases of spec agentmux L that concern admission, by their numbers, with the differences of
//! design section 5.

use super::*;

const SERVICE: &str = "/agentmux/service";

fn unauthorized(outcome: Result<Admission, Refusal>, reason: Reason) {
    let refusal = is_refused(outcome, reason);
    assert_eq!((refusal.status(), error_of(&refusal).as_str()), (401, "unauthorized"));
}

#[test]
fn case_l1_health_needs_no_key() {
    for setting in [Setting::new(None, None), Setting::new(Some(API), Some(CONFIG))] {
        for line in ["GET /", "HEAD /", "GET /?x=1"] {
            assert_eq!(setting.ask(line, &[]).unwrap().verdict, Verdict::Public { api: false });
        }
        // Nothing else is open, whatever the method and however the path is written.
        for line in ["POST /", "GET //", "GET /.", "GET /index.html", "DELETE /", "GET /%2f", "GET /health"] {
            unauthorized(setting.ask(line, &[]), Reason::CredentialMissing);
        }
    }
}

#[test]
fn case_l2_l3_l4_a_wrong_or_missing_key_is_401_whatever_the_method() {
    let setting = Setting::new(None, None);
    let prefix = &OWNER[..35];
    let longer = format!("{OWNER}x");
    let upper = OWNER.to_ascii_uppercase();
    for key in ["wrong", prefix, &longer, &upper, API, &"0".repeat(36)] {
        unauthorized(setting.ask(&format!("POST {SERVICE}"), &[&x_key(key)]), Reason::CredentialWrong);
    }
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        unauthorized(setting.ask(&format!("{method} {SERVICE}"), &[]), Reason::CredentialMissing);
        unauthorized(setting.ask(&format!("{method} {SERVICE}"), &["X-AuthKey:"]), Reason::CredentialMissing);
        unauthorized(
            setting.ask(&format!("{method} {SERVICE}"), &[&bearer(OWNER)]),
            Reason::CredentialMissing,
        );
    }
}

#[test]
fn case_l6_the_key_in_the_query_opens_the_socket_alone() {
    let setting = Setting::new(None, None);
    for path in [
        SERVICE,
        "/agentmux/reactive/inject",
        "/wave/reactive/inject",
        "/api/bus/send",
        "/api/lan-instances",
        "/ws/",
        "/wsx",
        "/WS",
        "/%77s",
    ] {
        let line = format!("POST {path}?authkey={OWNER}");
        unauthorized(setting.ask(&line, &[]), Reason::CredentialMissing);
    }
    for path in ["/api/v1/agents", "/api/swarms"] {
        let setting = Setting::new(Some(API), None);
        let refusal =
            is_refused(setting.ask(&format!("GET {path}?authkey={OWNER}"), &[]), Reason::CredentialMissing);
        assert_eq!(refusal.status(), 401);
    }
    assert_eq!(who(&setting.ask(&format!("GET /ws?authkey={OWNER}"), &[])), Some(&Who::Owner));
    assert_eq!(who(&setting.ask(&format!("GET /ws?a=b&authkey={OWNER}&authkey=x"), &[])), Some(&Who::Owner));
    // The first pair of that name, never percent-decoded (C.1).
    unauthorized(setting.ask(&format!("GET /ws?authkey=x&authkey={OWNER}"), &[]), Reason::CredentialWrong);
    let encoded = OWNER.replace('-', "%2D");
    unauthorized(setting.ask(&format!("GET /ws?authkey={encoded}"), &[]), Reason::CredentialWrong);
    unauthorized(setting.ask(&format!("GET /ws?Authkey={OWNER}"), &[]), Reason::CredentialMissing);
    unauthorized(setting.ask(&format!("GET /ws?%61uthkey={OWNER}"), &[]), Reason::CredentialMissing);
}

#[test]
fn case_l7_l8_l14_reactive_and_poller_routes_need_the_key() {
    let setting = Setting::new(None, None);
    for line in [
        "GET /agentmux/reactive/agents",
        "GET /agentmux/reactive/audit?limit=10",
        "POST /agentmux/reactive/register",
        "POST /agentmux/reactive/unregister",
        "POST /agentmux/reactive/inject",
        "GET /agentmux/reactive/poller/stats",
        "GET /agentmux/reactive/poller/status",
        "POST /agentmux/reactive/poller/config",
        "GET /wave/reactive/agents",
        "POST /wave/reactive/inject",
        "POST /api/bus/send",
        "GET /api/lan-instances",
        "GET /ws",
    ] {
        unauthorized(setting.ask(line, &[]), Reason::CredentialMissing);
        assert_eq!(who(&setting.ask(line, &[&x_key(OWNER)])), Some(&Who::Owner), "{line}");
        assert_eq!(
            who(&setting.ask(line, &[&format!("x-AUTHKEY:  {OWNER} \t")])),
            Some(&Who::Owner),
            "{line}"
        );
    }
}

#[test]
fn case_l9_l10_preflights_are_answered_and_name_an_allowed_origin_alone() {
    let setting = Setting::new(Some(API), None);
    for path in ["/", "/agentmux/reactive/inject", "/nowhere", "/api/bus/send", "/api/v1/agents", "/ws"] {
        for (origin, allowed) in [
            ("http://localhost:5173", true),
            ("http://127.0.0.1", true),
            ("https://attacker.example", false),
            ("https://localhost", false),
            ("http://[::1]:1", false),
            ("null", false),
        ] {
            let fields = [&format!("Origin: {origin}"), "Access-Control-Request-Method: GET"];
            let outcome = setting.ask(&format!("OPTIONS {path}"), &fields);
            assert!(
                matches!(outcome, Ok(Admission { verdict: Verdict::Preflight(_), .. })),
                "{path} {origin}"
            );
            let headers = headers(&outcome);
            assert_eq!(headers["access-control-allow-methods"], "*");
            assert_eq!(
                headers["access-control-allow-headers"],
                "content-type,authorization,accept,x-session-id,x-authkey,x-requested-with,\
                 x-vercel-ai-ui-message-stream"
            );
            assert_eq!(
                headers.get("access-control-allow-origin").map(String::as_str),
                allowed.then_some(origin)
            );
        }
        // Without an Origin too (C.2).
        assert_eq!(
            headers(&setting.ask(&format!("OPTIONS {path}"), &[]))["access-control-allow-methods"],
            "*"
        );
    }
}

/// Differs from the printed case: 404 without a key there.
#[test]
fn case_l36_without_a_key_nobody_learns_which_paths_exist() {
    let setting = Setting::new(None, None);
    let there = setting.ask("GET /agentmux/reactive/agents", &[]).unwrap_err();
    let not_there = setting.ask("GET /nope", &[]).unwrap_err();
    assert_eq!((there.status(), there.body()), (not_there.status(), not_there.body()));
    assert_eq!(who(&setting.ask("GET /nope", &[&x_key(OWNER)])), Some(&Who::Owner));
}

#[test]
fn case_l37_a_wrong_header_is_not_rescued_by_a_right_query() {
    let setting = Setting::new(None, None);
    for path in ["/ws", "/api/bus/send"] {
        let line = format!("GET {path}?authkey={OWNER}");
        unauthorized(setting.ask(&line, &["X-AuthKey: wrong"]), Reason::CredentialWrong);
        unauthorized(setting.ask(&line, &["X-AuthKey:"]), Reason::CredentialMissing);
    }
    assert_eq!(who(&setting.ask("GET /ws?authkey=wrong", &[&x_key(OWNER)])), Some(&Who::Owner));
}

#[test]
fn case_l38_two_keys_are_refused_whichever_is_right() {
    let setting = Setting::new(None, None);
    for (a, b) in [("wrong", OWNER), (OWNER, "wrong"), (OWNER, OWNER)] {
        let outcome = setting.ask("GET /agentmux/reactive/agents", &[&x_key(a), &x_key(b)]);
        unauthorized(outcome, Reason::CredentialTwice);
    }
}

#[test]
fn case_l50_the_socket_needs_a_key_before_anything_is_said_of_upgrades() {
    let setting = Setting::new(None, None);
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    unauthorized(setting.ask("GET /ws", &upgrade), Reason::CredentialMissing);
    assert_eq!(who(&setting.ask("GET /ws", &[&x_key(OWNER)])), Some(&Who::Owner));
    assert_eq!(who(&setting.ask(&format!("GET /ws?authkey={OWNER}"), &upgrade)), Some(&Who::Owner));
}

/// C.3, and the difference of design section 5: with a right key too.
#[test]
fn case_c3_a_foreign_origin_is_refused_with_a_right_key_too() {
    let setting = Setting::new(None, None);
    for line in ["GET /ws", "POST /agentmux/reactive/inject", "GET /", "GET /nope", "GET /api/v1/agents"] {
        for origin in
            ["https://evil.example", "null", "https://localhost", "http://[::1]:1", "HTTP://LOCALHOST", ""]
        {
            let outcome = setting.ask(line, &[&format!("Origin: {origin}"), &x_key(OWNER)]);
            let refusal = is_refused(outcome, Reason::OriginNotAllowed);
            assert_eq!((refusal.status(), error_of(&refusal).as_str()), (403, "origin not allowed"));
        }
    }
}

/// Design section 5: the peer key is good for inject and the look-up of one agent. Admission lets
/// it in on this surface, and the route table (step 6) answers 403 for everything else.
#[test]
fn the_peer_key_is_a_peers_and_opens_no_other_surface() {
    let setting = Setting::new(Some(API), None);
    for line in ["POST /agentmux/reactive/inject", "GET /wave/reactive/agent?id=a", "GET /agentmux/nope"] {
        assert_eq!(who(&setting.ask(line, &[&x_key(PEER)])), Some(&Who::Peer), "{line}");
        unauthorized(setting.ask(line, &[&x_key(&PEER[1..])]), Reason::CredentialWrong);
    }
    unauthorized(setting.ask("GET /api/v1/agents", &[&x_key(PEER)]), Reason::CredentialWrong);
    unauthorized(setting.ask("GET /api/v1/agents", &[&bearer(PEER)]), Reason::CredentialWrong);
    is_refused(setting.ask("GET /api/swarms", &[&x_key(PEER)]), Reason::CredentialMissing);
    is_refused(setting.ask("GET /api/swarms", &[&bearer(PEER)]), Reason::CredentialWrong);
}
