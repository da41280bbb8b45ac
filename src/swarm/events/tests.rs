//! The ring, what is cleaned, and what is asked for.

use std::{collections::HashSet, os::fd::AsFd, sync::Arc, time::Duration};

use serde_json::json;

use super::*;
use crate::{
    limits,
    sys::poll::{self, Wake, poll},
    wire::{clock::ManualClock, node::NodeName},
};

fn hub() -> (Arc<Hub>, Arc<ManualClock>) {
    let clock = ManualClock::at(1_000_000_000);
    (Arc::new(Hub::new(clock.clone())), clock)
}

/// The newest that match, newest first.
fn newest(hub: &Hub, filter: &Filter, most: usize) -> Vec<Arc<Event>> {
    hub.page(&Query { filter: filter.clone(), since: None, most }).unwrap().events
}

/// What came after a number.
fn since(hub: &Hub, id: u64, most: usize) -> Page {
    hub.page(&Query { filter: Filter::default(), since: Some(id), most }).unwrap()
}

/// With all that is pushed.
fn follow(hub: &Arc<Hub>) -> Follow {
    hub.follow_pushes(Arc::new(Wake::new().unwrap()))
}

/// The place of the newest entry.
fn place(hub: &Hub) -> u64 {
    hub.ring().next - 1
}

fn kept(draft: Draft) -> Value {
    let (hub, _) = hub();
    hub.publish(draft);
    newest(&hub, &Filter::default(), 1)[0].to_value()
}

fn shown(events: &[Arc<Event>]) -> Vec<u64> {
    events.iter().map(|event| event.id).collect()
}

/// Spec genswarms J.4 and B.2.
#[test]
fn m11_an_event_has_its_shape_and_its_level_by_its_name() {
    let event = kept(
        Draft::new(Name::InvalidRoute, "no edge a -> b")
            .swarm("s")
            .agent("a")
            .with("allowed_targets", json!(["c"])),
    );
    assert_eq!(
        event,
        json!({"id": 1, "timestamp": "1970-01-12T13:46:40.000000Z", "level": "warning", "category": "routing",
               "swarm": "s", "agent": "a", "event_type": "invalid_route", "message": "no edge a -> b",
               "metadata": {"allowed_targets": ["c"]}})
    );
    for (name, level) in [
        (Name::AgentError, Level::Error),
        (Name::ObjectError, Level::Error),
        (Name::AutoDeliverFailed, Level::Error),
        (Name::IrValidationFailed, Level::Error),
        (Name::InvalidRoute, Level::Warning),
        (Name::TargetNotFound, Level::Warning),
        (Name::InboxFull, Level::Warning),
        (Name::TaskSent, Level::Info),
    ] {
        assert_eq!(Draft::new(name, "").level, level, "{}", name.as_str());
    }
    assert_eq!(Draft::new(Name::AgentStopped, "").level(Level::Warning).level, Level::Warning);
}

#[test]
fn every_name_is_one_word_and_only_ones() {
    let words: HashSet<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(words.len(), Name::ALL.len());
    assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}

/// Spec genswarms M.11: structured metadata survives, without swarm and agent a second time.
#[test]
fn m11_swarm_and_agent_are_lifted_out_of_the_metadata() {
    let draft = Draft::new(Name::ObjectStarted, "x")
        .with("swarm", "s")
        .with("object", "o")
        .with("spec", json!({"a": [1]}));
    let event = kept(draft);
    assert_eq!((&event["swarm"], &event["agent"]), (&json!("s"), &json!("o")));
    assert_eq!(event["metadata"], json!({"spec": {"a": [1]}}));
    let event =
        kept(Draft::new(Name::AgentStarted, "x").swarm("s").agent("a").with("agent", "b").with("swarm", 5));
    assert_eq!((&event["swarm"], &event["agent"]), (&json!("s"), &json!("a")));
    assert_eq!(event["metadata"], json!({}));
}

#[test]
fn secrets_and_agent_tokens_are_never_in_an_event() {
    let token = format!("lga_{}", "0123456789abcdef".repeat(4));
    let draft = Draft::new(Name::AgentAdded, format!("with {token}"))
        .swarm("s")
        .agent(&token)
        .with(
            "spec",
            json!({"api_key": "hush", "deep": [{"DB_PASSWORD": {"a": "hush"}, "Secret": 5}], "key_path": "/k",
                             "auth_token": null, "credentials": ["hush"], "passwd": "hush", "model": "m"}),
        )
        .with_preview("content_preview", &format!("say {token} and {token}"))
        .with("lines", json!([token, format!("x{token}")]));
    let event = kept(draft);
    let text = event.to_string();
    assert!(!text.contains("hush") && !text.contains("0123"), "{text}");
    assert_eq!(event["metadata"]["spec"]["api_key"], "[REDACTED]");
    assert_eq!(
        event["metadata"]["spec"]["deep"],
        json!([{"DB_PASSWORD": "[REDACTED]", "Secret": "[REDACTED]"}])
    );
    assert_eq!(event["metadata"]["spec"]["key_path"], "/k");
    assert_eq!(event["metadata"]["spec"]["model"], "m");
    assert_eq!(event["metadata"]["lines"], json!(["[agent token]", "x[agent token]"]));
}

#[test]
fn no_text_of_an_event_holds_the_begin_of_a_token_that_reaches_beyond_its_end() {
    let token = format!("lga_{}", "0123456789abcdef".repeat(4));
    for before in limits::SWARM_EVENT_TEXT - token.len()..=limits::SWARM_EVENT_TEXT {
        let text = format!("{}{}", "x".repeat(before), token.repeat(20));
        let event = kept(Draft::new(Name::Stdout, &text).with("text", text.as_str()).with(&text, 1));
        assert!(!event.to_string().contains("0123"), "{before}: {event}");
    }
}

#[test]
fn a_preview_is_a_hundred_characters_and_holds_no_part_of_a_token() {
    assert_eq!(preview("short"), "short");
    assert_eq!(preview(&"\u{1f600}".repeat(101)), "\u{1f600}".repeat(100));
    let token = format!("lga_{}", "0123456789abcdef".repeat(4));
    for before in 0..=100 {
        let text = preview(&format!("{}{}", "x".repeat(before), token.repeat(20)));
        assert!(!text.contains("0123"), "{before}: {text}");
        assert!(text.chars().count() <= limits::PREVIEW);
    }
}

#[test]
fn an_events_texts_and_facts_are_bounded() {
    let long = "\u{e4}".repeat(limits::SWARM_EVENT_TEXT * 40);
    let many: Vec<&str> = vec![&long; 100];
    let keys: Map<String, Value> = (0..100).map(|at| (format!("k{at}{long}"), json!(at))).collect();
    let short: Map<String, Value> = (0..10_000).map(|at| (format!("k{at}"), json!(at))).collect();
    for draft in [
        Draft::new(Name::Stdout, &long).swarm(&long).agent(&long).with("text", long.as_str()),
        Draft::new(Name::Stdout, "x").with("list", many.clone()),
        Draft::new(Name::Stdout, "x").with("map", keys.clone()).with("more", short.clone()),
        Draft::new(Name::Stdout, "x").with("short", short),
        Draft::new(Name::Stdout, "x").with("numbers", (0..100_000).collect::<Vec<u32>>()),
        Draft { metadata: keys, ..Draft::new(Name::Stdout, "x") },
    ] {
        let event = kept(draft);
        assert!(event["message"].as_str().is_some_and(|text| text.len() <= limits::SWARM_EVENT_TEXT));
        assert!(event.to_string().len() < limits::SWARM_EVENT_METADATA * 2 + limits::SWARM_EVENT_TEXT * 4);
    }
    assert_eq!(
        kept(Draft::new(Name::Stdout, "x").with("list", many))["metadata"]["list"].as_array().map(Vec::len),
        Some(7)
    );
}

/// Spec genswarms M.11.
#[test]
fn m11_the_ring_is_bounded_and_the_oldest_go() {
    let (hub, _) = hub();
    for _ in 0..limits::SWARM_EVENTS + 10 {
        hub.publish(Draft::new(Name::TaskSent, "x"));
    }
    let all = newest(&hub, &Filter::default(), usize::MAX);
    assert_eq!(all.len(), limits::SWARM_EVENTS);
    let last = limits::SWARM_EVENTS as u64 + 10;
    assert_eq!((all[0].id, all[all.len() - 1].id), (last, 11));
    assert_eq!(shown(&newest(&hub, &Filter::default(), 2)), [last, last - 1]);
}

#[test]
fn the_ring_is_bounded_in_bytes() {
    let (hub, _) = hub();
    let big = vec!["x".repeat(1_000); 7];
    for _ in 0..2_000 {
        hub.publish(Draft::new(Name::TaskSent, "x").with("big", big.clone()));
    }
    let kept = newest(&hub, &Filter::default(), usize::MAX).len();
    assert!(kept * 7_000 <= limits::SWARM_EVENTS_BYTES && kept > 400, "{kept}");
}

#[test]
fn what_came_after_a_number_is_told_with_what_was_missed() {
    let (hub, _) = hub();
    assert!(since(&hub, 0, 10).events.is_empty() && hub.last() == 0);
    for _ in 0..limits::SWARM_EVENTS + 3 {
        hub.publish(Draft::new(Name::TaskSent, "x"));
    }
    let page = since(&hub, 0, 2);
    assert_eq!((shown(&page.events), page.missed, page.next), (vec![4, 5], 3, 5));
    let page = since(&hub, 5, 2);
    assert_eq!((shown(&page.events), page.missed, page.next), (vec![6, 7], 0, 7));
    let last = hub.last();
    assert_eq!((since(&hub, last, 9).events.len(), since(&hub, u64::MAX, 9).missed), (0, 0));
    let filter = Filter { level: vec![Level::Error], ..Filter::default() };
    let page = hub.page(&Query { filter, since: Some(5), most: 2 }).unwrap();
    assert_eq!((page.events.len(), page.next), (0, last), "all of them were looked at");
    hub.clear().unwrap();
    assert!(newest(&hub, &Filter::default(), 9).is_empty());
    assert_eq!(since(&hub, last - 1, 9).missed, 1);
    assert_eq!(hub.publish(Draft::new(Name::TaskSent, "x")), last + 1, "the numbers go on");
    assert_eq!(since(&hub, last, 9).missed, 0);
}

#[test]
fn conditions_are_joined_and_the_filter_that_matches_nothing_does_not() {
    let (hub, clock) = hub();
    hub.publish(Draft::new(Name::TaskSent, "x").swarm("s").agent("a"));
    clock.advance(120_000);
    hub.publish(Draft::new(Name::AgentError, "x").swarm("s").agent("a"));
    hub.publish(Draft::new(Name::AgentError, "x").swarm("s").agent("b"));
    hub.publish(Draft::new(Name::SwarmStarted, "x").swarm("t"));
    let asked = |filter: Filter| shown(&newest(&hub, &filter, 10));
    let word = |text: &str| Some(text.to_owned());
    assert_eq!(asked(Filter::default()), [4, 3, 2, 1]);
    assert_eq!(asked(Filter { swarm: word("s"), ..Filter::default() }), [3, 2, 1]);
    assert_eq!(asked(Filter { swarm: word("s"), agent: word("a"), ..Filter::default() }), [2, 1]);
    let errors = vec![Level::Error];
    let several = Filter { level: vec![Level::Error, Level::Warning], ..Filter::default() };
    assert_eq!(asked(several), [3, 2]);
    assert_eq!(asked(Filter { level: errors, agent: word("a"), ..Filter::default() }), [2]);
    assert_eq!(asked(Filter { category: vec![Category::Swarm], ..Filter::default() }), [4]);
    assert_eq!(asked(Filter { event_type: Some(Name::TaskSent), ..Filter::default() }), [1]);
    assert_eq!(asked(Filter { minutes: Some(1), ..Filter::default() }), [4, 3, 2]);
    assert_eq!(asked(Filter { minutes: Some(u64::MAX), ..Filter::default() }), [4, 3, 2, 1]);
    assert!(asked(Filter::never()).is_empty());
    for unknown in ["fatal", "", "TaskSent", "Error", " error"] {
        assert_eq!(
            (Level::parse(unknown), Category::parse(unknown), Name::parse(unknown)),
            (None, None, None)
        );
    }
    assert!(Level::ALL.iter().all(|level| Level::parse(level.as_str()) == Some(*level)));
    assert!(Category::ALL.iter().all(|category| Category::parse(category.as_str()) == Some(*category)));
    assert!(Name::ALL.iter().all(|name| Name::parse(name.as_str()) == Some(*name)));
}

#[test]
fn who_follows_is_woken_until_he_goes() {
    let (hub, _) = hub();
    let wake = Arc::new(Wake::new().unwrap());
    let is_woken =
        || poll(&mut [poll::Entry::new(wake.as_fd(), true, false)], Some(Duration::ZERO)).unwrap() == 1;
    let followed = hub.follow(wake.clone());
    assert!(!is_woken());
    hub.publish(Draft::new(Name::TaskSent, "x"));
    assert!(is_woken());
    wake.clear();
    drop(followed);
    hub.publish(Draft::new(Name::TaskSent, "x"));
    assert!(!is_woken());
}

mod cleaning;
mod disk;
mod failing;
mod kill;
mod lines;
mod of;
mod power;
mod stream;
