//! Everything that a page in the user's browser can send, as the browser writes it, against every
//! name by which it can reach us: nothing is let in, and nothing can be read.

use super::*;

/// How a page makes the browser send something.
struct Means {
    name: &'static str,
    method: &'static str,
    /// whether the browser names the page's origin
    origin: bool,
    /// mode and destination of Fetch metadata
    mode: &'static str,
    dest: &'static str,
    more: &'static [&'static str],
}

const JSON: &str = "Content-Type: text/plain;charset=UTF-8";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

const MEANS: [Means; 17] = [
    means("fetch no-cors GET", "GET", false, "no-cors", "empty", &[]),
    means("fetch no-cors POST", "POST", true, "no-cors", "empty", &[JSON, "Content-Length: 2"]),
    means("fetch cors GET", "GET", true, "cors", "empty", &[]),
    means("fetch cors POST", "POST", true, "cors", "empty", &["Content-Type: application/json"]),
    means("fetch cors DELETE", "DELETE", true, "cors", "empty", &[]),
    means("form POST urlencoded", "POST", true, "navigate", "document", &[FORM, "Sec-Fetch-User: ?1"]),
    means("form POST text/plain", "POST", true, "navigate", "document", &["Content-Type: text/plain"]),
    means("form GET", "GET", false, "navigate", "document", &[]),
    means("img", "GET", false, "no-cors", "image", &["Accept: image/avif,image/webp,*/*;q=0.8"]),
    means("img crossorigin", "GET", true, "cors", "image", &[]),
    means("script", "GET", false, "no-cors", "script", &["Accept: */*"]),
    means("script module", "GET", true, "cors", "script", &[]),
    means("iframe", "GET", false, "navigate", "iframe", &["Upgrade-Insecure-Requests: 1"]),
    means("EventSource", "GET", true, "cors", "empty", &["Accept: text/event-stream"]),
    means(
        "WebSocket",
        "GET",
        true,
        "websocket",
        "empty",
        &[
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Extensions: permessage-deflate",
        ],
    ),
    means("sendBeacon", "POST", true, "no-cors", "empty", &[JSON, "Content-Length: 2"]),
    means("top-level navigation", "GET", false, "navigate", "document", &["Sec-Fetch-User: ?1"]),
];

const fn means(
    name: &'static str,
    method: &'static str,
    origin: bool,
    mode: &'static str,
    dest: &'static str,
    more: &'static [&'static str],
) -> Means {
    Means { name, method, origin, mode, dest, more }
}

const PATHS: [&str; 14] = [
    "/",
    "/nowhere",
    "/ws",
    "/agentmux/reactive/inject",
    "/wave/reactive/agents",
    "/agentmux/service",
    "/api/bus/send",
    "/api/v1/agents",
    "/api/v1/self/send",
    "/api/v1/exposure",
    "/api/swarms",
    "/api/swarms/a/overlay",
    "/api/swarms/a/objects/o/config",
    "/swarm/websocket",
];

/// Names under which a browser can be made to reach a loopback port, and whether it counts them
/// as trustworthy: only to those does it send Fetch metadata.
const HOSTS: [(&str, bool); 6] = [
    ("127.0.0.1:4000", true),
    ("localhost:4000", true),
    ("[::1]:4000", true),
    ("0.0.0.0:4000", false),
    ("rebind.evil.com:4000", false),
    ("a.localhost:4000", true),
];

const ORIGINS: [&str; 16] = [
    "https://evil.com",
    "http://evil.com",
    "http://evil.com:4000",
    "null",
    "http://localhost.evil.com",
    "http://127.0.0.1.evil.com",
    "http://127.0.0.1:80x",
    "http://127.0.0.1@evil.com",
    "http://evil.com/localhost",
    "HTTP://LOCALHOST:4000",
    "http://localhost.:4000",
    "http://localhost:",
    "http://0.0.0.0:4000",
    "http://2130706433:4000",
    "http://a.localhost:4000",
    "http://rebind.evil.com:4000",
];

/// One request of a page at `origin`, as a head. `site`: what Fetch metadata says, if anything.
fn head(means: &Means, path: &str, host: &str, site: &str, origin: &str, credential: &str) -> String {
    let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", means.method);
    let mut line = |text: &str| head.extend([text, "\r\n"]);
    if means.origin {
        line(&format!("Origin: {origin}"));
    }
    if !site.is_empty() {
        line(&format!("Sec-Fetch-Site: {site}"));
        line(&format!("Sec-Fetch-Mode: {}", means.mode));
        line(&format!("Sec-Fetch-Dest: {}", means.dest));
    }
    means.more.iter().for_each(|more| line(more));
    line("User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36");
    line("Referer: https://evil.com/");
    if !credential.is_empty() {
        line(credential);
    }
    head + "\r\n"
}

/// The instance from its most open to its most closed.
fn settings() -> Vec<Setting> {
    let forms = [
        (None, None, "127.0.0.1:4000"),
        (None, None, "[::1]:4000"),
        (None, Some(CONFIG), "127.0.0.1:4000"),
        (Some(API), Some(CONFIG), "127.0.0.1:4000"),
    ];
    forms
        .map(|(api, config, local)| {
            let mut setting = Setting::new(api, config);
            setting.policy.bound = local.parse().unwrap();
            setting.at.local = local.parse().unwrap();
            setting
        })
        .into()
}

/// The credential that would be right on the surface of `path`.
fn right(path: &str) -> String {
    match Surface::of(path) {
        Surface::AgentMux | Surface::Ours => x_key(OWNER),
        Surface::Swarm => bearer(API),
    }
}

#[test]
fn nothing_that_a_foreign_page_sends_is_let_in() {
    let mut heads = 0;
    for (setting, means) in
        settings().iter().flat_map(|setting| MEANS.iter().map(move |means| (setting, means)))
    {
        // Without an Origin header one page is like another.
        let origins = if means.origin { &ORIGINS[..] } else { &ORIGINS[..1] };
        for path in PATHS {
            for (host, trusted) in HOSTS {
                let site = if trusted { "cross-site" } else { "" };
                for origin in origins {
                    for credential in ["", &right(path)] {
                        let head = head(means, path, host, site, origin, credential);
                        let outcome = setting.raw(&head);
                        assert!(outcome.is_err(), "{}: {head}", means.name);
                        assert!(!headers(&outcome).contains_key("access-control-allow-origin"), "{head}");
                        heads += 1;
                    }
                }
            }
        }
    }
    assert!(heads > 90_000, "{heads}");
}

/// A page whose own name has turned into our address is same-origin to the browser.
#[test]
fn a_rebound_name_is_refused_by_its_host() {
    for setting in settings() {
        for means in &MEANS {
            for host in ["rebind.evil.com:4000", "0.0.0.0:4000", "a.localhost:4000", "127.0.0.1.nip.io:4000"]
            {
                for site in ["", "same-origin", "none"] {
                    for path in PATHS {
                        for credential in ["", &right(path)] {
                            let head = head(means, path, host, site, &format!("http://{host}"), credential);
                            is_refused(setting.raw(&head), Reason::HostUnknown);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn preflights_promise_nothing_to_a_foreign_page() {
    for setting in settings() {
        for path in PATHS {
            for (host, _) in HOSTS {
                for origin in ORIGINS {
                    let head = format!(
                        "OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\
                         Access-Control-Request-Method: POST\r\n\
                         Access-Control-Request-Headers: content-type,x-authkey\r\n\
                         Access-Control-Request-Private-Network: true\r\nSec-Fetch-Site: cross-site\r\n\r\n"
                    );
                    let outcome = setting.raw(&head);
                    assert_eq!(who(&outcome), None);
                    let headers = headers(&outcome);
                    for never in ["origin", "credentials", "private-network"] {
                        assert!(!headers.contains_key(&format!("access-control-allow-{never}")), "{head}");
                    }
                }
            }
        }
    }
}

/// The control: the same requests from a page of this machine, with a credential, do come in.
#[test]
fn the_same_means_work_for_a_page_that_is_allowed() {
    let setting = Setting::new(Some(API), None);
    for means in &MEANS {
        for (path, credential) in [
            ("/agentmux/reactive/agents", x_key(OWNER)),
            ("/api/v1/agents", x_key(OWNER)),
            ("/api/swarms", bearer(API)),
            ("/swarm/websocket", bearer(API)),
        ] {
            // Without an Origin only the browser's own word is left, and here it is a good one.
            let site = if means.origin { "cross-site" } else { "same-origin" };
            let sent = head(means, path, "127.0.0.1:4000", site, "http://127.0.0.1:5173", &credential);
            assert!(who(&setting.raw(&sent)).is_some(), "{}: {sent}", means.name);
        }
    }
}

#[test]
fn a_cross_site_request_without_an_origin_is_refused() {
    let open = Setting::new(None, None);
    for (site, admitted) in [
        ("cross-site", false),
        ("Cross-Site", false),
        ("", false),
        ("anything", false),
        ("same-origin", true),
        ("same-site", true),
        ("none", true),
    ] {
        let outcome = open.ask("GET /api/swarms", &[&format!("Sec-Fetch-Site: {site}")]);
        assert_eq!(who(&outcome).is_some(), admitted, "{site}");
        if !admitted {
            let refusal = is_refused(outcome, Reason::CrossSite);
            assert_eq!((refusal.status(), error_of(&refusal).as_str()), (403, "origin not allowed"));
        }
    }
    // A page on another loopback port is cross-site to `127.0.0.1`, and allowed by its Origin.
    let fields = ["Origin: http://localhost:5173", "Sec-Fetch-Site: cross-site"];
    assert!(who(&open.ask("GET /api/swarms", &fields)).is_some());
}
