//! The logs of agents over REST: as clients of GenSwarms know them, and in pages with numbers.

use super::*;
use crate::swarm::events::{Draft, Name, testing};

const LOGS: &str = "/api/swarms/s/agents/a/logs";

/// Gives `a` tasks, and waits until each is answered.
fn asks(rig: &Rig, tasks: &[&str]) {
    for task in tasks {
        rig.does("POST", "/api/swarms/s/agents/a/task", &json!({ "task": task }));
        rig.until("the answer", |rig| {
            rig.look(&format!("{LOGS}?limit=1000")).to_string().contains(&format!("did {task}"))
        });
    }
}

fn contents(answer: &Value) -> Vec<&str> {
    answer["logs"].as_array().expect("a list").iter().map(|row| text(&row["content"])).collect()
}

#[test]
fn logs_have_the_form_that_clients_of_genswarms_know_and_those_of_earlier_runs() {
    let rig = Rig::running();
    asks(&rig, &["one"]);
    let row = rig.look(LOGS)["logs"][0].clone();
    let keys: Vec<&String> = row.as_object().expect("a row").keys().collect();
    assert_eq!(keys, ["content", "role", "session_id", "timestamp"]);
    assert_eq!((text(&row["role"]), text(&row["session_id"])), ("user", "session-1"));
    assert!(text(&row["timestamp"]).ends_with('Z'));
    rig.does("POST", "/api/swarms/s/restart", &Value::Null);
    asks(&rig, &["two"]);
    rig.does("DELETE", "/api/swarms/s", &Value::Null);
    assert_eq!(contents(&rig.look(LOGS)), ["one", "did one", "two", "did two"], "of one that is stopped too");
    let rig = rig.again();
    assert_eq!(contents(&rig.look(LOGS)), ["one", "did one", "two", "did two"], "and after a restart");
    assert_eq!(contents(&rig.look(&format!("{LOGS}?limit=1"))), ["did two"]);
    rig.does("POST", "/api/swarms/s/start", &Value::Null);
    asks(&rig, &["three"]);
    assert_eq!(rig.look(LOGS)["logs"][5]["session_id"], "session-3");
    rig.does("POST", "/api/swarms/s/restart?delete=true", &Value::Null);
    assert!(contents(&rig.look(LOGS)).is_empty(), "they go with the rest");
    asks(&rig, &["four"]);
    rig.does("DELETE", "/api/swarms/s?purge=true", &Value::Null);
    rig.does("POST", "/api/swarms", &json!({"config": config()}));
    assert!(contents(&rig.look(LOGS)).is_empty(), "another swarm of the name has none of it");
}

#[test]
fn logs_are_asked_for_by_kind_and_number_and_of_a_swarm_as_one() {
    let rig = Rig::running();
    asks(&rig, &["one", "two"]);
    let all = rig.look(&format!("{LOGS}?kind=all"));
    assert_eq!(
        contents(&all),
        ["one", "did one", "<<TURN_COMPLETE>>", "did one", "two", "did two", "<<TURN_COMPLETE>>", "did two"]
    );
    let row = &all["logs"][1];
    assert_eq!((text(&row["kind"]), text(&row["stream"]), text(&row["agent"])), ("output", "stdout", "a"));
    assert_eq!(rig.look(&format!("{LOGS}?kind=conversation,output"))["logs"], all["logs"]);
    let output = rig.look(&format!("{LOGS}?kind=output&since=0&limit=3"));
    assert_eq!(
        (contents(&output), &output["missed"]),
        (vec!["did one", "<<TURN_COMPLETE>>", "did two"], &json!(0))
    );
    let next = output["next"].as_u64().expect("a number");
    assert_eq!(output["logs"][2]["n"], next);
    assert_eq!(contents(&rig.look(&format!("{LOGS}?kind=output&since={next}"))), ["<<TURN_COMPLETE>>"]);
    // Of all agents, with the events of the swarm in between.
    rig.does("POST", "/api/swarms/s/message", &json!({"from": "a", "to": "b", "content": "hello"}));
    rig.until("b is told", |rig| rig.look("/api/swarms/s/logs").to_string().contains("hello"));
    let whole = rig.look("/api/swarms/s/logs?limit=1000");
    let last = whole["logs"].as_array().expect("a list").iter().find(|row| row["agent"] == "b").expect("b's");
    assert_eq!((text(&last["content"]), text(&last["kind"])), ("[From a] hello", "conversation"));
    let numbers: Vec<u64> =
        whole["logs"].as_array().expect("a list").iter().map(|row| row["n"].as_u64().expect("n")).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other));
    let events = rig.look("/api/swarms/s/logs?kind=all,events&limit=1000")["logs"].clone();
    let events = events.as_array().expect("a list");
    let kinds: std::collections::BTreeSet<&str> = events.iter().map(|row| text(&row["kind"])).collect();
    assert_eq!(kinds, ["conversation", "event", "output"].into());
    let times: Vec<&str> = events.iter().map(|row| text(&row["timestamp"])).collect();
    assert!(times.is_sorted() && events.iter().any(|row| row["event_type"] == "swarm_started"));
    assert_eq!(
        rig.look("/api/swarms/s/logs?kind=all,events&limit=7")["logs"].as_array().map(Vec::len),
        Some(7)
    );
}

#[test]
fn the_limit_of_a_page_of_logs_is_bounded_and_junk_is_refused() {
    let rig = Rig::running();
    for path in [LOGS, "/api/swarms/s/logs"] {
        for query in [
            "limit=0",
            "limit=1001",
            "limit=x",
            "limit=-1",
            "limit=1&limit=2",
            "limit=",
            "since=x",
            "since=-1",
            "kind=",
            "kind=outputs",
            "kind=all,",
            "follow=yes",
            "kinds=all",
            "sinse=1",
            "kind=events&since=1",
            "follow=1&since=1&limit=5",
            "since=1-2",
            "follow=1&since=1-2",
            "follow=1&kind=all,events&since=1-",
            "follow=1&kind=all,events&since=-2",
            "follow=1&kind=all,events&since=1-2-3",
            "follow=1&kind=all,events&since=1-+2",
            "limit=%zz",
        ] {
            let (status, error) = rig.refuses("GET", &format!("{path}?{query}"), &Value::Null);
            assert!(
                status == 400 && error.contains("quer") || error.contains("number"),
                "{query}: {status} {error}"
            );
        }
        rig.look(&format!("{path}?limit=1000&since=18446744073709551615&_=cache"));
    }
    for path in ["/api/swarms/s/agents/nope/logs", "/api/swarms/s/agents/o/logs?follow=1"] {
        assert_eq!(rig.refuses("GET", path, &Value::Null), (404, "Agent not found".to_owned()));
    }
    for path in ["/api/swarms/x/logs", "/api/swarms/..%2fs/logs", "/api/swarms/x/logs?follow=1"] {
        assert_eq!(rig.refuses("GET", path, &Value::Null), (404, "Swarm not found".to_owned()));
    }
    assert_eq!(rig.api("HEAD", &format!("{LOGS}?follow=1"), &Value::Null).status, 400);
}

#[test]
fn logs_are_never_shown_without_events_that_could_not_be_read() {
    let sent = |_| Draft::new(Name::TaskSent, "before").swarm("s").agent("a");
    let (hub, breaks) = testing::on_disk_that_breaks((0..3).map(sent));
    let home = TempHome::in_memory();
    let swarms = open_swarms_with(&home, Arc::clone(&hub));
    let rig = Rig::of(home, swarms);
    rig.does("POST", "/api/swarms", &json!({"config": config()}));
    let paths = [LOGS, "/api/swarms/s/logs"];
    let refused = |status: u16, code: &str| {
        for path in paths {
            for query in ["kind=events", "kind=all,events", "kind=all,events&follow=1&limit=100"] {
                let answer = rig.api("GET", &format!("{path}?{query}"), &Value::Null);
                assert_eq!((answer.status, answer.code()), (status, code), "{path}?{query}: {}", answer.body);
            }
            rig.look(&format!("{path}?kind=all"));
        }
    };
    let held = testing::hold(&hub);
    refused(429, "busy");
    drop(held);
    for path in paths {
        let rows = rig.look(&format!("{path}?kind=all,events"))["logs"].clone();
        let before = |row: &&Value| row["message"] == "before";
        assert_eq!(rows.as_array().expect("a list").iter().filter(before).count(), 3);
    }
    breaks();
    refused(500, "events_unreadable");
}
