//! The events of the swarms, as callers of the REST surface see them (spec genswarms B.1, J.4).

use super::*;
use crate::{
    limits,
    swarm::events::{Draft, Level, Name},
};

impl Rig {
    fn publish(&self, draft: Draft) -> u64 {
        self.app.swarms.events().publish(draft)
    }

    /// The numbers on a page.
    fn ids(&self, path: &str) -> Vec<u64> {
        let page = self.look(path);
        let events = page["events"].as_array().expect("a list");
        assert_eq!(page["count"], json!(events.len()), "{path}");
        events.iter().map(|event| event["id"].as_u64().expect("a number")).collect()
    }

    fn bad(&self, path: &str) -> (String, String) {
        let answer = self.api("GET", path, &Value::Null);
        assert_eq!((answer.status, answer.code()), (400, "bad_query"), "{path}: {}", answer.body);
        (text(&answer.body["field"]).to_owned(), answer.error().to_owned())
    }
}

/// Five events: of two swarms, of none, of two agents.
fn rig() -> Rig {
    let rig = Rig::new();
    rig.publish(Draft::new(Name::SwarmStarted, "swarm s started").swarm("s"));
    rig.publish(Draft::new(Name::TaskSent, "agent a task sent").swarm("s").agent("a").with("task", "x"));
    rig.publish(Draft::new(Name::InvalidRoute, "no edge a to b").swarm("s").agent("a"));
    rig.publish(Draft::new(Name::AgentError, "agent b failed").swarm("t").agent("b"));
    rig.publish(Draft::new(Name::RateLimit, "asked too often").level(Level::Debug));
    rig
}

#[test]
fn b1_events_are_shown_as_genswarms_shows_them_newest_first() {
    let rig = rig();
    let page = rig.look("/api/events?level=info&agent=a");
    let wanted = json!({
        "events": [{
            "id": 2,
            "timestamp": "1970-01-01T00:16:40.000000Z",
            "level": "info",
            "category": "agent",
            "swarm": "s",
            "agent": "a",
            "event_type": "task_sent",
            "message": "agent a task sent",
            "metadata": { "task": "x" },
        }],
        "count": 1,
        "query": { "level": "info", "agent": "a", "limit": 100 },
        "next": 5,
        "missed": 0,
    });
    assert_eq!(page, wanted);
    assert_eq!(rig.ids("/api/events"), [5, 4, 3, 2, 1]);
    assert_eq!(rig.ids("/api/events?limit=2"), [5, 4]);
    assert_eq!(rig.ids("/api/events?level=warning,error"), [4, 3]);
    assert_eq!(rig.ids("/api/events?category=routing,swarm&swarm=s"), [3, 1]);
    assert_eq!(rig.ids("/api/events?event_type=agent_error"), [4]);
    assert_eq!(rig.ids("/api/events?minutes=1"), [5, 4, 3, 2, 1]);
    let page = rig.look("/api/swarms/s/events?minutes=1");
    assert_eq!((&page["swarm"], page.get("query"), &page["count"]), (&json!("s"), None, &json!(3)));
    let page = rig.look("/api/swarms/s/agents/a/events");
    assert_eq!((&page["swarm"], &page["agent"], &page["count"]), (&json!("s"), &json!("a"), &json!(2)));
}

#[test]
fn an_unknown_swarm_or_agent_has_no_events() {
    let rig = rig();
    let paths = [
        "/api/swarms/nope/events",
        "/api/swarms/s/agents/nope/events",
        "/api/swarms/..%2F/events",
        "/api/events?swarm=nope",
        "/api/events?agent=%2e%2e",
    ];
    for path in paths {
        assert!(rig.ids(path).is_empty(), "{path}");
    }
}

#[test]
fn what_came_after_a_number_is_oldest_first_and_says_where_to_go_on() {
    let rig = rig();
    let page = rig.look("/api/events?since=1&limit=2");
    assert_eq!(rig.ids("/api/events?since=1&limit=2"), [2, 3]);
    assert_eq!((&page["next"], &page["missed"], &page["query"]["since"]), (&json!(3), &json!(0), &json!(1)));
    assert_eq!(rig.ids("/api/events?since=3&limit=2"), [4, 5]);
    let end = rig.look("/api/events?since=5");
    assert_eq!((&end["count"], &end["next"]), (&json!(0), &json!(5)));
    // A filter that lets nothing through leads on all the same.
    assert_eq!(rig.look("/api/events?since=0&agent=nope")["next"], json!(5));
    // One of another home, or of a future that did not come.
    assert_eq!(rig.look("/api/events?since=18446744073709551615")["next"], json!(5));
    // The newest say where to go on, too.
    assert_eq!(rig.look("/api/events?limit=1")["next"], json!(5));
}

#[test]
fn a_query_that_is_not_understood_is_400_on_all_three_routes() {
    let rig = rig();
    for path in ["/api/events", "/api/swarms/s/events", "/api/swarms/s/agents/a/events"] {
        for (query, field) in [
            ("level=loud", "level"),
            ("category=objects", "category"),
            ("event_type=x", "event_type"),
            ("minutes=soon", "minutes"),
            ("limit=1001", "limit"),
            ("since=-1", "since"),
            ("follow=please", "follow"),
            ("limit=5&limit=5", "limit"),
            ("levle=error", "level"),
        ] {
            let (found, sentence) = rig.bad(&format!("{path}?{query}"));
            assert!(found == field && sentence.contains(field), "{path}?{query}: {sentence}");
        }
    }
    assert_eq!(rig.bad("/api/swarms/s/events?swarm=t").0, "swarm");
    assert_eq!(rig.bad("/api/swarms/s/agents/a/events?agent=b").0, "agent");
    assert_eq!(rig.ids("/api/swarms/s/agents/a/events?agent=a&swarm=s"), [3, 2]);
}

#[test]
fn an_answer_of_events_is_bounded_in_bytes_and_says_where_to_go_on() {
    let rig = Rig::new();
    let large = Draft::new(Name::TaskSent, "\u{1}".repeat(limits::SWARM_EVENT_TEXT));
    let large = (0..7).fold(large, |draft, at| draft.with(&at.to_string(), "\u{1}".repeat(1_000)));
    (0..limits::EVENTS_PAGE).for_each(|_| _ = rig.publish(large.clone()));
    let answer = rig.api("GET", "/api/events?since=0&limit=1000", &Value::Null);
    let count = answer.body["count"].as_u64().expect("a number");
    assert!(answer.bytes.len() < limits::EVENTS_PAGE_BYTES + 1_000);
    assert!((50..limits::EVENTS_PAGE as u64).contains(&count), "{count}");
    // The ring is bounded too: the oldest are gone, and told of.
    let next = answer.body["missed"].as_u64().expect("a number") + count;
    assert_eq!(answer.body["next"], json!(next));
    assert_eq!(rig.ids(&format!("/api/events?since={next}&limit=1")), [next + 1]);
    // Newest first, it is the oldest that are left out.
    assert_eq!(rig.ids("/api/events?limit=1000")[0], limits::EVENTS_PAGE as u64);
}

#[test]
fn a_stream_carries_what_every_answer_does_and_takes_a_place_of_the_websockets() {
    let rig = rig();
    let stream = |headers: &str| rig.get("/api/events?follow=1", &format!("{API}{headers}"));
    let answer = stream("Origin: http://localhost:3000\r\nAccept: text/event-stream\r\n");
    assert_eq!((answer.status, answer.bytes.len()), (200, 0));
    assert_eq!(answer.header("Vary"), Some("Origin"));
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://localhost:3000"));
    assert_eq!(stream("Origin: https://evil.com\r\n").status, 403);
    assert_eq!(stream("Accept: text/html\r\n").status, 406);
    assert_eq!(rig.get("/api/swarms", &format!("{API}Accept: text/event-stream\r\n")).status, 406);
    assert_eq!(rig.app.sockets().open(), 0, "they were dropped with their answers");
    let seats: Vec<_> = std::iter::from_fn(|| rig.app.sockets.enter().expect("a descriptor")).collect();
    assert_eq!(seats.len(), limits::WS_CONNECTIONS);
    let full = stream("");
    assert_eq!((full.status, full.code()), (503, "websockets_full"));
    drop(seats);
    assert_eq!(stream("").status, 200);
}

#[test]
fn only_get_is_followed() {
    let rig = rig();
    let head = rig.ask("HEAD", "/api/events?follow=1", API, b"");
    assert_eq!((head.status, head.code()), (400, "bad_query"));
    assert_eq!(rig.ask("HEAD", "/api/events", API, b"").status, 200);
    assert_eq!(rig.bad("/api/events?follow=1&limit=9").0, "limit");
    let post = rig.ask("POST", "/api/events?follow=1", &format!("{API}{JSON}"), b"{}");
    assert_eq!(post.status, 404);
    assert_eq!(rig.app.sockets().open(), 0);
}

/// A browser that comes back sends the address that it was given, and how far it came.
#[test]
fn the_last_event_id_counts_whatever_the_address_says() {
    let rig = rig();
    rig.does("POST", "/api/swarms", &json!({"config": config()}));
    let ask = |path: &str, last: &str| rig.get(path, &format!("{API}Last-Event-ID: {last}\r\n"));
    for (path, last) in [
        ("/api/events?follow=1", "3"),
        ("/api/events?follow=1&since=3", "3"),
        ("/api/events?follow=1&since=3", "5"),
        // What was given to somebody who began behind a number of another home.
        ("/api/events?follow=1&since=900", "101"),
        ("/api/swarms/s/logs?follow=1&kind=events&since=5-900", "5-101"),
        ("/api/swarms/s/logs?follow=1&since=900", "3"),
        ("/api/events?follow=1", ""),
        ("/api/events", "junk"),
    ] {
        assert_eq!(ask(path, last).status, 200, "{path} {last}");
    }
    for (path, last) in [
        ("/api/events?follow=1", "x"),
        ("/api/events?follow=1", "-1"),
        ("/api/events?follow=1", "+5"),
        ("/api/events?follow=1", "99999999999999999999"),
        ("/api/events?follow=1", "3\r\nLast-Event-ID: 3"),
    ] {
        let answer = ask(path, last);
        assert_eq!((answer.status, answer.code()), (400, "bad_query"), "{path} {last}");
        assert_eq!(answer.body["field"], json!("Last-Event-ID"));
    }
}

#[test]
fn the_events_are_the_operators() {
    let rig = rig();
    for path in ["/api/events", "/api/swarms/s/events", "/api/events?follow=1"] {
        assert_eq!(rig.get(path, "").status, 401, "{path}");
        assert_eq!(rig.get(path, OWNER).status, 401, "{path}");
        assert_eq!(rig.get(path, CONFIG).status, 401, "{path}");
    }
}
