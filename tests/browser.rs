//! The swarm channel and the stream of events in a real browser: a page of an allowed origin has them, the
//! channel with the client as npm ships it; a page of a foreign origin has nothing, whatever it knows.
//!
//! Where there is no node (for npm) or no Chromium they say `skipped: ... missing`.

#[path = "support/chromium.rs"]
mod chromium;
#[path = "support/clients.rs"]
mod clients;
mod support;

use chromium::{Browser, FOREIGN, Site, chromium};
use clients::{ANSWERING, VERSIONS, clients, port};
use serde_json::{Value, json};
use support::Instance;

/// A token of characters that stand for themselves in an URL.
const TOKEN: &str = "token-of-the-operator";

/// An instance with a swarm, with the API token or without one; where it starts again it has the same port.
fn serving(token: Option<&str>) -> Instance {
    let port = port();
    let token_set = token.map(|token| ("GENSWARMS_API_TOKEN", token));
    let env: Vec<_> = token_set.into_iter().chain([("LOOPGATE_PORT", &*port)]).collect();
    let instance = Instance::start_with(&env, &[]);
    let config = json!({
        "name": "my-swarm", "autostart": true,
        "agents": [{"name": "researcher", "backend": "local", "config": {"command": ["/bin/sh", "-c", ANSWERING]}}],
        "objects": [{"name": "broken", "handler": {"command": ["/bin/sh", "-c", "read line; exit 3"]}}],
        "topology": [["researcher", "broken"]],
    });
    ask(&instance, token, "POST", "/api/swarms", &json!({"config": config}), 201);
    instance
}

#[track_caller]
fn ask(
    instance: &Instance,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: &Value,
    status: u16,
) -> Value {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", &**bearer)).collect();
    let answer = instance.call_as(&headers, method, path, body);
    assert_eq!(answer.status, status, "{path}: {:?}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[test]
fn a_page_of_an_allowed_origin_runs_the_documented_example_as_it_stands() {
    let Some(clients) = clients().filter(|_| chromium()) else { return };
    for (version, host) in VERSIONS.iter().zip(["127.0.0.1", "localhost"]) {
        let instance = serving(None);
        let site = Site::of(clients, version, "page.js");
        let origin = format!("http://{host}:{}", site.address.port());
        let query = format!("at={}&swarm=my-swarm&agent=researcher&task=Summarize", instance.address);
        let browser = Browser::open(&format!("{origin}/?{query}"));
        site.hears(&browser, "the page", |seen| *seen == json!(["page", origin]));
        let mut left = vec![
            json!(["joined", {"swarm": "my-swarm"}]),
            json!(["recent_events", []]),
            json!(["task sent", {"status": "sent"}]),
            json!(["agent_status", {"agent": "researcher", "state": "working"}]),
            json!(["agent_status", {"agent": "researcher", "state": "idle"}]),
        ];
        let mut said = Value::Null;
        while !left.is_empty() || said.is_null() {
            let seen = site.hears(&browser, &format!("{left:?} or an output"), |_| true);
            left.retain(|wanted| *wanted != seen);
            if seen[0] == "agent_output" {
                said = seen[1].clone();
            }
        }
        assert_eq!(said["agent"], "researcher");
        assert!(said["content"].as_str().is_some_and(|text| text.contains("done: Summarize")), "{said}");
        // Only what it asked to be told of: what failed.
        let message = json!({"from": "researcher", "to": "broken", "content": "fail"});
        ask(&instance, None, "POST", "/api/swarms/my-swarm/message", &message, 200);
        let event = site.hears(&browser, "an event", |seen| seen[0] == "event");
        assert_eq!([&event[1]["level"], &event[1]["agent"]], ["error", "broken"]);
    }
}

/// The browser follows with nothing of its own, asks for leave before it gives a task, and goes on by itself from
/// the last id that it has seen.
#[test]
fn a_page_of_an_allowed_origin_follows_the_events_over_the_end_of_the_instance() {
    let Some(clients) = clients().filter(|_| chromium()) else { return };
    let mut instance = serving(None);
    let site = Site::of(clients, VERSIONS[1], "stream.js");
    let query = format!("at={}&swarm=my-swarm&agent=researcher&task=Summarize", instance.address);
    let browser = Browser::open(&format!("http://{}/?{query}", site.address));
    let mut last = 0;
    let mut told = |name: &str| loop {
        let seen = site.hears(&browser, name, |seen| seen[0] == "event" || seen[0] == "gap");
        assert_eq!(seen[0], "event", "nothing is missing: {seen}");
        let id = seen[1].as_str().and_then(|id| id.parse::<u64>().ok()).expect("an id");
        assert!(id > last, "{id} after {last}");
        last = id;
        if seen[2]["event_type"] == name {
            return seen[2].clone();
        }
    };
    let sent = told("task_sent");
    assert_eq!([&sent["swarm"], &sent["agent"]], ["my-swarm", "researcher"]);
    told("stdout");
    assert!(instance.terminate().success());
    instance.start_again();
    // Older than the connection that it comes over, or told while that is made.
    told("swarm_started");
}

#[test]
fn a_page_of_an_allowed_origin_comes_in_with_the_token_and_not_without() {
    let Some(clients) = clients().filter(|_| chromium()) else { return };
    let instance = serving(Some(TOKEN));
    for (token, word) in [(TOKEN, "joined"), ("wrong", "failed")] {
        let site = Site::of(clients, VERSIONS[1], "page.js");
        let query = format!("at={}&swarm=my-swarm&token={token}", instance.address);
        let browser = Browser::open(&format!("http://{}/?{query}", site.address));
        site.hears(&browser, "the page", |seen| seen[0] == "page");
        let opened = site.hears(&browser, word, |seen| seen[0] == "open" || seen[0] == "failed");
        assert_eq!(opened[0] == "open", token == TOKEN);
        if word == "joined" {
            site.hears(&browser, word, |seen| seen[0] == word);
        }
    }
}

#[test]
fn a_page_of_a_foreign_origin_gets_no_connection_and_reads_nothing_whatever_it_knows() {
    let Some(clients) = clients().filter(|_| chromium()) else { return };
    for token in [None, Some(TOKEN)] {
        let instance = serving(token);
        let site = Site::of(clients, VERSIONS[1], "foreign.js");
        let origin = format!("http://{FOREIGN}:{}", site.address.port());
        let browser = Browser::open(&format!("{origin}/?at={}&token={TOKEN}", instance.address));
        let seen = site.hears(&browser, "the page's end", Value::is_array);
        let seen = seen.as_array().expect("all that it saw");
        assert_eq!(seen[0], json!(["page", origin]));
        let of = |word: &str| seen.iter().filter(|what| what[0] == *word).collect::<Vec<_>>();
        assert_eq!(of("channel"), [&json!(["channel", "refused"]); 2]);
        assert_eq!(of("socket"), [&json!(["socket", "refused"]); 2]);
        assert_eq!(of("stream"), [&json!(["stream", "refused"])]);
        let fetched = of("fetch");
        assert_eq!(fetched.len(), 13);
        for answer in fetched {
            // An answer that a page may not look into is `opaque`, and has no text.
            assert!(matches!(answer[2].as_str(), Some("failed" | "opaque")), "{answer}");
            assert_eq!(answer[3], "", "{answer}");
        }
        // It was the instance that refused, and nothing was done.
        let status = instance.call("GET", "/api/v1/status", &Value::Null).json();
        let foreign = status["refusals"]["origin_not_allowed"].as_u64();
        assert!(foreign.is_some_and(|count| count >= 4), "{}", status["refusals"]);
        let history = "/api/swarms/my-swarm/agents/researcher/history";
        let history = ask(&instance, token, "GET", history, &Value::Null, 200).to_string();
        assert!(!history.contains("not mine"), "{history}");
    }
}
