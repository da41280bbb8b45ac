//! M.1 and M.3 on the routes that are there: tokens, the token-less rule, preflights, the descriptor.

use serde_json::json;

use super::*;

const WRONG: &str = "Invalid or missing API token";
const REMOTE: &str = "API token required for non-local requests. Set GENSWARMS_API_TOKEN on the server and send \
                      'Authorization: Bearer <token>'.";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn m1_with_a_token_set_the_list_is_its_holders() {
    let instance = with_tokens(Some(API_TOKEN), None);
    for conn in [&mut instance.conn(), &mut remote(&instance)] {
        let host = "X-Forwarded-For: 127.0.0.1\r\n";
        assert_eq!(instance.ask_on(conn, "GET", "/api/swarms", API, b"").body, json!({"swarms": []}));
        for wrong in [
            "",
            host,
            OWNER,
            &bearer("x"),
            &bearer(&format!("{API_TOKEN}x")),
            &format!("Authorization: {API_TOKEN}\r\n"),
        ] {
            let answer = instance.ask_on(conn, "GET", "/api/swarms", wrong, b"");
            assert_eq!((answer.status, answer.error()), (401, WRONG), "{wrong}");
            assert_eq!(answer.header("WWW-Authenticate"), None);
        }
        let in_query = format!("/api/swarms?token={API_TOKEN}");
        assert_eq!(instance.ask_on(conn, "GET", &in_query, "", b"").status, 401);
    }
}

#[test]
fn m1_without_a_token_loopback_is_let_in_and_a_remote_peer_before_any_handler_is_not() {
    let instance = with_tokens(None, None);
    assert_eq!(instance.get("/api/swarms", "").status, 200);
    assert_eq!(instance.get("/api/swarms", &bearer("any")).status, 200, "what is presented is ignored");
    assert_eq!(instance.get("/api/swarms", "X-Forwarded-For: 203.0.113.7\r\n").status, 200);
    for (method, path) in [
        ("GET", "/api/swarms"),
        ("GET", "/api/swarms/s/overlay"),
        ("POST", "/api/swarms/clean"),
        ("PATCH", "/api/swarms/s/objects/o/config"),
    ] {
        for headers in ["", "X-Forwarded-For: 127.0.0.1\r\n", &bearer("any")] {
            let answer = instance.ask_on(&mut remote(&instance), method, path, headers, b"");
            assert_eq!((answer.status, answer.error()), (401, REMOTE), "{method} {path} {headers}");
        }
    }
}

#[test]
fn m1_the_config_token_opens_the_overlay_and_the_configuration_of_an_object_and_nothing_else() {
    let patch = json!({"config": {"step": 2}});
    let ask = |instance: &Instance, method: &str, path: &str, headers: &str| {
        let body = if method == "PATCH" { patch.to_string() } else { String::new() };
        let json = if body.is_empty() { "" } else { JSON };
        instance.ask(method, path, &format!("{headers}{json}"), body.as_bytes())
    };
    let both = with_tokens(Some(API_TOKEN), Some(CONFIG_TOKEN));
    let only = with_tokens(None, Some(CONFIG_TOKEN));
    let two = [("PATCH", "/api/swarms/s/objects/o/config"), ("GET", "/api/swarms/s/overlay")];
    for (method, path) in two {
        for (instance, opens, not) in [
            (&both, vec![API, CONFIG], vec!["", "Authorization: Bearer x\r\n"]),
            (&only, vec![CONFIG], vec!["", API]),
        ] {
            for headers in opens {
                assert_ne!(ask(instance, method, path, headers).status, 401, "{method} {path} {headers}");
            }
            for headers in not {
                let answer = ask(instance, method, path, headers);
                assert_eq!((answer.status, answer.error()), (401, WRONG), "{method} {path} {headers}");
            }
        }
    }
    assert_eq!(ask(&both, "GET", "/api/swarms/s/overlay", CONFIG).status, 200);
    for (method, path) in [
        ("GET", "/api/swarms"),
        ("POST", "/api/swarms"),
        ("DELETE", "/api/swarms/s/overlay"),
        ("GET", "/api/swarms/s"),
        ("GET", "/api/swarms/s/objects/o"),
        ("POST", "/api/swarms/s/snapshot"),
    ] {
        let answer = ask(&both, method, path, CONFIG);
        assert_eq!((answer.status, answer.error()), (401, WRONG), "{method} {path}");
        // Where only the config token is set, the rest keeps the loopback rule.
        assert_ne!(ask(&only, method, path, "").status, 401, "{method} {path}");
    }
    let answer = only.ask_on(&mut remote(&only), "GET", "/api/swarms", CONFIG, b"");
    assert_eq!((answer.status, answer.error()), (401, REMOTE));
}

/// Differs from the printed case, 401: health is open, and says more only to whom shows the token.
#[test]
fn m1_the_descriptor_is_for_whom_shows_the_token() {
    let instance = Instance::new();
    for headers in ["", OWNER, CONFIG, &bearer("x"), &bearer("")] {
        let answer = instance.get("/", headers);
        let keys: Vec<&str> =
            answer.body.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!((answer.status, keys), (200, vec!["status", "version"]), "{headers}");
    }
    assert_eq!(with_tokens(None, None).get("/", API).body.get("endpoints"), None);
    let answer = instance.get("/", API);
    assert_eq!((answer.status, &answer.body["name"]), (200, &json!("Genswarms API")));
    assert_eq!(
        (&answer.body["status"], &answer.body["version"]),
        (&json!("ok"), &json!(env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(answer.body["endpoints"]["swarms"], "/api/swarms");
    let documented: usize = ["swarm_management", "agent_operations", "topology_events", "skills_config"]
        .iter()
        .map(|family| answer.body["documentation"][family].as_array().map_or(0, Vec::len))
        .sum();
    let rows = crate::api::table::routes().filter(|row| row.surface == crate::admit::Surface::Swarm);
    assert_eq!(documented, rows.filter(|row| row.path.starts_with("/api/")).count());
    let websocket = &answer.body["websocket"];
    assert_eq!((&websocket["url"], &websocket["channel"]), (&json!("/swarm"), &json!("swarm:{swarm_name}")));
    assert_eq!(websocket["events"]["client_to_server"].as_array().map(Vec::len), Some(6));
}

#[test]
fn m3_a_preflight_of_a_swarm_route_needs_no_token() {
    let instance = Instance::new();
    let asked = "Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: Authorization\r\n";
    for path in ["/api/swarms", "/api/swarms/s/agents/a/task", "/api/skills", "/api/nope"] {
        let answer = instance.ask("OPTIONS", path, &format!("Origin: http://localhost:3000\r\n{asked}"), b"");
        assert_eq!((answer.status, answer.bytes.len()), (200, 0));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://localhost:3000"));
        assert_eq!(answer.header("Access-Control-Allow-Methods"), Some("DELETE"));
        assert_eq!(answer.header("Access-Control-Allow-Headers"), Some("authorization"));
        let answer = instance.ask("OPTIONS", path, &format!("Origin: https://evil.com\r\n{asked}"), b"");
        let allows = answer.headers.iter().any(|(name, _)| name.to_lowercase().starts_with("access-control"));
        assert!(answer.status == 200 && !allows, "{path}");
    }
}

#[test]
fn m3_every_answer_of_a_swarm_route_tells_an_allowed_page_that_it_may_read_it() {
    let instance = Instance::new();
    let origin = "Origin: http://[::1]:4000\r\n";
    let with = |credential: &str| format!("{credential}{origin}");
    let answers = [
        instance.get("/api/swarms", &with(API)),
        instance.get("/api/swarms", origin),
        instance.get("/api/swarms/nope", &with(API)),
        instance.get("/api/nope", &with(API)),
        instance.get("/api/swarms", &format!("{}Accept: text/html\r\n", with(API))),
        instance.ask("POST", "/api/swarms/clean", &with(API), b"{}"),
        instance.ask("POST", "/api/swarms/s/message", &with(&format!("{API}{JSON}")), b"{"),
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 404, 404, 406, 415, 400]);
    for answer in answers {
        assert_eq!(
            answer.header("Access-Control-Allow-Origin"),
            Some("http://[::1]:4000"),
            "{}",
            answer.status
        );
        assert_eq!(answer.header("Vary"), Some("Origin"));
    }
    let foreign = instance.get("/api/swarms", &format!("{API}Origin: https://evil.com\r\n"));
    assert_eq!((foreign.status, foreign.header("Access-Control-Allow-Origin")), (403, None));
}

/// Spec genswarms B.0.
#[test]
fn answers_are_json_and_whoever_takes_none_is_told() {
    let instance = Instance::new();
    for taken in [
        "",
        "Accept: */*\r\n",
        "Accept: application/json\r\n",
        "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n",
        "Accept: Application/*;q=0.1\r\n",
        "Accept: text/html\r\nAccept: application/json\r\n",
    ] {
        assert_eq!(instance.get("/api/swarms", &format!("{API}{taken}")).status, 200, "{taken}");
    }
    for not in ["text/html", "", "application/xml, text/*", "*/*;q=0", "application/json; q=0.0"] {
        let answer = instance.get("/api/swarms", &format!("{API}Accept: {not}\r\n"));
        assert_eq!((answer.status, answer.code()), (406, "not_acceptable"), "{not}");
        assert_eq!(answer.body["errors"], json!({"detail": "Not Acceptable"}));
    }
    assert_eq!(instance.get("/api/swarms?_format=html", API).status, 406);
    assert_eq!(instance.get("/api/swarms?_format=json", API).status, 200);
    // Admission comes first: a stranger learns nothing of what is taken.
    assert_eq!(instance.get("/api/swarms", "Accept: text/html\r\n").status, 401);
    // The other surfaces have clients that say what they like.
    assert_eq!(instance.get("/api/v1/status", &format!("{API}Accept: text/html\r\n")).status, 200);
    let broken = instance.ask("POST", "/api/swarms/s/message", &format!("{API}{JSON}"), b"{");
    assert_eq!((broken.status, &broken.body["errors"]), (400, &json!({"detail": "Bad Request"})));
}

#[test]
fn a_call_that_its_path_tells_all_needs_no_body_and_takes_an_empty_object() {
    let instance = Instance::new();
    let ask = |headers: &str, body: &[u8]| {
        instance.ask("POST", "/api/swarms/nope/pause", &format!("{API}{headers}"), body).status
    };
    let there = ask("", b"");
    assert_ne!(there, 415);
    assert_eq!((ask(JSON, b""), ask(JSON, b"{}")), (there, there));
    assert_eq!((ask(JSON, b"[]"), ask(JSON, b"{")), (400, 400));
    // A form of a web page says what it is, even an empty one.
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!((ask(form, b""), ask("", b"{}")), (415, 415));
}

#[test]
fn a_swarm_is_the_owners_on_our_own_surface_only_where_no_api_token_is_set() {
    let path = "/api/v1/swarms/s/agents/a";
    assert_eq!(Instance::new().get(path, OWNER).code(), "forbidden");
    assert_eq!(Instance::new().get(path, API).code(), "swarm_not_found");
    assert_eq!(with_tokens(None, None).get(path, OWNER).code(), "swarm_not_found");
    assert_eq!(with_tokens(None, Some(CONFIG_TOKEN)).get(path, OWNER).code(), "swarm_not_found");
}

#[test]
fn who_was_not_asked_for_is_told_to_try_again_and_may_on_the_same_connection() {
    let instance = with_tokens(None, None);
    let mut conn = instance.conn();
    let mut list = || instance.ask_on(&mut conn, "GET", "/api/swarms", "", b"");
    *instance.table.crowded.lock().expect("no panic") = true;
    for _ in 0..2 {
        let answer = list();
        assert_eq!((answer.status, answer.code()), (429, "too_many_peers"));
        assert_eq!(answer.header("Retry-After"), Some("1"));
    }
    *instance.table.crowded.lock().expect("no panic") = false;
    assert_eq!(list().status, 200);
}
