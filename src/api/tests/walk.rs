//! Every row of the route table, with every kind of caller.

use serde_json::json;

use super::*;
use crate::{
    admit::Surface,
    api::table::{Route, Scope, example, routes},
    wire::head::Method,
};

/// One that may ask: what he sends, his scopes, the surfaces that know him, and whether it is where tokens
/// are configured.
struct Asks {
    headers: String,
    scopes: &'static [Scope],
    surfaces: &'static [Surface],
    tokens: bool,
}

/// Everybody there is.
fn everybody() -> Vec<Asks> {
    let of = |headers: &str, scopes, surfaces, tokens| Asks {
        headers: headers.to_owned(),
        scopes,
        surfaces,
        tokens,
    };
    let (owners, tokens): (&[Surface], &[Surface]) =
        (&[Surface::AgentMux, Surface::Ours], &[Surface::Ours, Surface::Swarm]);
    vec![
        of(OWNER, &[Scope::Owner], owners, true),
        of(OWNER, &[Scope::Owner, Scope::OwnerAlone], owners, false),
        of(PEER, &[Scope::Peer], &[Surface::AgentMux], true),
        of(API, &[Scope::Api], tokens, true),
        of(&token("coder"), &[Scope::Agent], &[Surface::Ours], true),
        of(&token("s--coder"), &[Scope::Member], &[Surface::Ours], true),
        // unknown where it opens nothing (spec genswarms C.3)
        of(CONFIG, &[Scope::Config], &[], true),
        of("", &[Scope::Loopback], &[Surface::Swarm], false),
    ]
}

/// Whether a request to this row's path with this row's method is somebody's, by any row.
pub(super) fn opens(route: &Route, scopes: &[Scope]) -> bool {
    routes()
        .filter(|row| (row.method, row.path) == (route.method, route.path))
        .flat_map(|row| row.scopes)
        .any(|scope| scopes.contains(scope) || *scope == Scope::Anyone)
}

/// The credential that opens a row, where tokens are configured.
fn opener(route: &Route) -> String {
    let open = everybody().into_iter().find(|asks| asks.tokens && opens(route, asks.scopes));
    open.expect("every row is somebody's").headers
}

fn targets(route: &'static Route) -> impl Iterator<Item = String> {
    [Some(route.path), route.alias].into_iter().flatten().map(|path| example(path, "coder"))
}

fn ask(instance: &Instance, route: &Route, target: &str, headers: &str) -> Answer {
    let body: &[u8] = if route.body_limit > 0 { b"{}" } else { b"" };
    let json = if body.is_empty() { "" } else { JSON };
    instance.ask(route.method.as_str(), target, &format!("{headers}{json}"), body)
}

#[test]
fn every_route_needs_a_right_credential_but_health() {
    for route in routes() {
        for target in targets(route) {
            let instance = Instance::new().with_agent("coder", &[]);
            let open = route.path == "/";
            let wrong = [
                "",
                "X-AuthKey: wrong\r\n",
                "X-AuthKey: \r\n",
                "Authorization: Bearer wrong\r\n",
                "Authorization: Bearer lga_nobody\r\n",
                "Authorization: bearer api-token-of-the-tests\r\n",
                "Authorization: Bearer 11111111-1111-4111-8111-111111111111\r\n",
            ];
            for headers in wrong {
                let answer = ask(&instance, route, &target, headers);
                assert_eq!(answer.status, if open { 200 } else { 401 }, "{target} {headers}");
                if !open {
                    let swarm = route.surface == Surface::Swarm;
                    assert_eq!(
                        answer.error(),
                        if swarm { "Invalid or missing API token" } else { "unauthorized" }
                    );
                }
            }
        }
    }
}

#[test]
fn every_route_opens_to_its_scopes_and_to_nobody_else() {
    for route in routes() {
        for target in targets(route) {
            for Asks { headers, scopes, surfaces, tokens } in everybody() {
                let api_token = tokens.then_some("api-token-of-the-tests");
                let instance = Instance::with_api_token(api_token).with_agent("coder", &[]);
                let answer = ask(&instance, route, &target, &headers);
                let label = format!("{} {target} {scopes:?}: {}", route.method.as_str(), answer.status);
                // a 404 of the handler's own knows of what there is none
                let none = answer.status == 404 && answer.code() != "not_found";
                // where no credential is needed, a wrong one is of no interest
                let token_less = route.surface == Surface::Swarm && !tokens;
                if opens(route, scopes) || (token_less && opens(route, &[Scope::Loopback])) {
                    assert!(none || ![401, 403, 404, 405, 415].contains(&answer.status), "{label}");
                } else if surfaces.contains(&route.surface) {
                    assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{label}");
                } else {
                    assert_eq!(answer.status, 401, "{label}");
                }
            }
        }
    }
}

/// The registry's files hold the key, and whoever can read them has it: it opens inject and look-up.
#[test]
fn the_peer_key_opens_inject_and_look_up_and_nothing_else() {
    let mut opened = Vec::new();
    for route in routes().filter(|route| route.path != "/") {
        for target in targets(route) {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                let instance = Instance::new().with_agent("coder", &[]);
                let json = if method == "POST" { JSON } else { "" };
                let body: &[u8] = if method == "POST" { b"{}" } else { b"" };
                let answer = instance.ask(method, &target, &format!("{PEER}{json}"), body);
                match answer.status {
                    403 if route.surface == Surface::AgentMux => assert_eq!(answer.code(), "forbidden"),
                    401 if route.surface != Surface::AgentMux => {}
                    405 if target.ends_with("/inject") || target.ends_with("/agent") => {}
                    _ => opened.push(format!("{method} {target} {}", answer.status)),
                }
            }
        }
    }
    let wanted = [
        "POST /agentmux/reactive/inject 422",
        "POST /wave/reactive/inject 422",
        "GET /agentmux/reactive/agent 400",
        "HEAD /agentmux/reactive/agent 400",
        "GET /wave/reactive/agent 400",
        "HEAD /wave/reactive/agent 400",
    ];
    assert_eq!(opened, wanted);
}

#[test]
fn a_limited_caller_learns_nothing_of_what_is_not_his() {
    let instance = Instance::new().with_agent("coder", &[]);
    for (headers, path, status) in [
        (token("coder"), "/api/v1/agents", 403),
        (token("coder"), "/api/v1/nope", 403),
        (token("coder"), "/api/v1/self/nope", 403),
        (token("coder"), "/api/v1/self/send", 405),
        (PEER.to_owned(), "/agentmux/reactive/agents", 403),
        (PEER.to_owned(), "/agentmux/nope", 403),
        (PEER.to_owned(), "/nope", 403),
        (PEER.to_owned(), "/agentmux/reactive/inject", 405),
        (CONFIG.to_owned(), "/api/swarms/s/overlay", 200),
        (CONFIG.to_owned(), "/api/swarms", 401), // spec genswarms C.3
        (OWNER.to_owned(), "/api/v1/swarms/s/agents/a", 403), // needs the API token, where there is one
        (OWNER.to_owned(), "/api/v1/self/whoami", 403),
        (OWNER.to_owned(), "/api/v1/nope", 404),
        (API.to_owned(), "/api/v1/self/whoami", 403),
        (API.to_owned(), "/api/v1/nope", 404),
    ] {
        let answer = instance.get(path, &headers);
        assert_eq!(answer.status, status, "{path} {headers}");
    }
}

#[test]
fn the_swarm_surface_has_no_other_route_and_no_wrong_method() {
    let instance = Instance::new();
    let not_found = json!({"error": "not found", "code": "not_found", "errors": {"detail": "Not Found"}});
    for (method, path) in [
        ("GET", "/api/nope"),
        ("PUT", "/api/swarms"),
        ("POST", "/api/swarms/s"),
        ("PATCH", "/api/swarms/s"),
        ("GET", "/api/swarms/"),
        ("GET", "/api/swarms/s/"),
        ("GET", "/api/swarms//agents"),
        ("PUT", "/swarm/websocket"),
        ("GET", "/swarm/websocket/"),
        ("GET", "/swarm/longpoll"),
        ("GET", "/api/v1"),
    ] {
        let answer = instance.ask(method, path, API, b"");
        assert_eq!((answer.status, answer.body), (404, not_found.clone()), "{method} {path}");
        assert_eq!(instance.ask(method, path, OWNER, b"").status, 401, "never by the owner key");
        assert_eq!(instance.ask(method, path, "", b"").status, 401);
    }
}

#[test]
fn without_an_api_token_a_program_of_ours_reaches_the_swarm_surface_and_no_other() {
    let instance = Instance::with_api_token(None);
    let answer = instance.get("/api/swarms", "");
    assert_eq!((answer.status, answer.body), (200, json!({"swarms": []})));
    for path in ["/api/v1/agents", "/agentmux/reactive/agents", "/nope"] {
        assert_eq!(instance.get(path, "").status, 401, "{path}");
    }
}

#[test]
fn case_l1_health_needs_no_key() {
    let answer = Instance::new().get("/", "");
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ok")));
    assert_eq!(answer.body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(Instance::new().ask("HEAD", "/", "", b"").status, 200);
}

#[test]
fn case_l2_case_l3_case_l4_case_l6_the_service_needs_a_right_key_in_the_header() {
    let instance = Instance::new();
    let service = "/agentmux/service";
    assert_eq!(instance.post(service, "X-AuthKey: wrong\r\n", &json!({})).status, 401);
    assert_eq!(instance.post(service, "", &json!({})).status, 401);
    assert_eq!(instance.get(service, "").status, 401);
    let query = format!("{service}?authkey=11111111-1111-4111-8111-111111111111");
    assert_eq!(instance.post(&query, "", &json!({})).status, 401);
}

#[test]
fn case_l7_case_l8_the_list_of_agents_needs_a_key() {
    let instance = Instance::new();
    assert_eq!(instance.get("/agentmux/reactive/agents", "").status, 401);
    let answer = instance.get("/agentmux/reactive/agents", OWNER);
    assert_eq!((answer.status, answer.body), (200, json!([])));
}

#[test]
fn case_l9_case_l10_a_preflight_is_answered_on_any_path_without_a_key() {
    let instance = Instance::new();
    let ask = |target: &str, origin: &str| {
        let headers = format!("Origin: {origin}\r\nAccess-Control-Request-Method: GET\r\n");
        instance.ask("OPTIONS", target, &headers, b"")
    };
    for target in ["/", "/agentmux/reactive/inject", "/nope", "/api/v1/agents"] {
        let answer = ask(target, "http://localhost:5173");
        assert_eq!((answer.status, answer.bytes.len()), (200, 0));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://localhost:5173"));
        assert!(answer.header("Access-Control-Allow-Methods").is_some());
        let answer = ask(target, "https://attacker.example");
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (200, None));
    }
}

/// Each status that an answer can have, from admission to the gate's own.
#[test]
fn every_answer_says_what_browsers_must_know_about_origins() {
    let instance = Instance::new().with_agent("coder", &[]);
    let origin = "Origin: http://localhost:5173\r\n";
    let owner = format!("{OWNER}{origin}");
    let answers = [
        instance.get("/", origin),
        instance.get("/agentmux/reactive/agents", &owner),
        instance.post("/agentmux/reactive/register", &owner, &json!({"agent_id": "a b", "block_id": ""})),
        instance.get("/agentmux/reactive/agents", origin),
        instance.get("/api/v1/self/whoami", &owner),
        instance.get("/nope", &owner),
        instance.get("/agentmux/reactive/inject", &owner),
        instance.ask("POST", "/agentmux/reactive/inject", &owner, &[b' '; 70_000]),
        instance.post("/agentmux/reactive/inject", &owner, &json!(" ".repeat(70_000))),
        instance.post("/agentmux/reactive/inject", &owner, &json!({})),
        instance.ask("OPTIONS", "/", origin, b""),
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 400, 401, 403, 404, 405, 415, 413, 422, 200]);
    for answer in &answers {
        assert_eq!(answer.header("Vary"), Some("Origin"), "{}", answer.status);
        assert_eq!(
            answer.header("Access-Control-Allow-Origin"),
            Some("http://localhost:5173"),
            "{}",
            answer.status
        );
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
    }
    let foreign =
        instance.get("/agentmux/reactive/agents", &format!("{OWNER}Origin: https://evil.example\r\n"));
    assert_eq!((foreign.status, foreign.error()), (403, "origin not allowed"), "with a right key too");
    assert_eq!(
        (foreign.header("Vary"), foreign.header("Access-Control-Allow-Origin")),
        (Some("Origin"), None)
    );
}

#[test]
fn a_body_that_is_not_declared_json_is_415_on_every_route_that_takes_one() {
    let instance = Instance::new().with_agent("coder", &[]);
    for route in routes().filter(|route| route.body_limit > 0) {
        let headers = opener(route);
        for target in targets(route) {
            for kind in
                ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"]
            {
                let answer = instance.ask(route.method.as_str(), &target, &format!("{headers}{kind}"), b"{}");
                assert_eq!((answer.status, answer.code()), (415, "not_json"), "{target} {kind}");
            }
        }
    }
}

#[test]
fn every_method_but_a_routes_own_is_405() {
    let instance = Instance::new().with_agent("coder", &[]);
    for route in routes().filter(|route| route.scopes.contains(&Scope::Owner)) {
        for target in targets(route) {
            for method in [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete] {
                let taken = routes().any(|r| r.method == method && targets(r).any(|t| t == target));
                if !taken {
                    let answer = instance.ask(method.as_str(), &target, OWNER, b"");
                    let allow = answer.header("Allow").unwrap_or_default().to_owned();
                    assert_eq!(answer.status, 405, "{} {target}", method.as_str());
                    assert!(allow.split(", ").any(|name| name == route.method.as_str()), "{target}: {allow}");
                }
            }
        }
    }
}

#[test]
fn a_method_override_changes_nothing() {
    let instance = Instance::new().with_agent("coder", &[]);
    for (target, headers) in [
        ("/api/v1/agents/coder?_method=DELETE", OWNER.to_owned()),
        ("/api/v1/agents/coder", format!("{OWNER}X-HTTP-Method-Override: DELETE\r\n")),
    ] {
        assert_eq!(instance.get(target, &headers).status, 200);
        assert!(instance.table.record("coder").is_some());
    }
}

/// With all places kept for agents' connections, their next ones would close the owner's new ones.
#[test]
fn an_agents_or_a_peers_connections_have_no_places_kept() {
    let instance = Instance::new().with_agent("first", &[]);
    let keeps = |target: &str, credential: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{credential}\r\n");
        let head = Head::parse(head.as_bytes()).expect("a head");
        match instance.app.decide(&mut instance.conn(), &head) {
            Decision::Admit { admitted, .. } => admitted,
            Decision::Refuse(response) => panic!("{target} {}", response.status()),
        }
    };
    assert!(keeps("/api/v1/status", OWNER) && keeps("/api/v1/status", API));
    assert!(!keeps("/api/v1/self/whoami", &token("first")));
    assert!(!keeps("/agentmux/reactive/agent", PEER));
    assert!(!keeps("/", OWNER), "health asks for no credential");
}
