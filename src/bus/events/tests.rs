use std::{
    os::fd::AsFd,
    time::{Duration, Instant},
};

use serde_json::json;

use super::*;
use crate::sys::poll::{Entry, poll};

fn wake() -> Arc<Wake> {
    Arc::new(Wake::new().expect("a descriptor"))
}

fn is_woken(wake: &Wake) -> bool {
    poll(&mut [Entry::new(wake.as_fd(), true, false)], Some(Duration::ZERO)).expect("poll") == 1
}

fn scopes(scopes: &[&str]) -> Scopes {
    Scopes::new(scopes.iter().map(|scope| (*scope).to_owned()).collect(), false).expect("within bounds")
}

fn all() -> Scopes {
    Scopes::new(Vec::new(), true).expect("within bounds")
}

fn event(name: &str, scope: &str, number: usize) -> Event {
    let scopes = if scope.is_empty() { Vec::new() } else { vec![scope.to_owned()] };
    Event::new(name, scopes, json!(number))
}

fn numbers(events: &[Arc<Event>]) -> Vec<u64> {
    events.iter().map(|event| event.data.as_u64().expect("a number")).collect()
}

#[test]
fn scopes_match_exactly_by_segment_and_by_tail() {
    let cases = [
        ("block:1", "block:1", true),
        ("block:1", "block:12", false),
        ("block:1", "block:1:x", false),
        ("block:*", "block:1", true),
        ("block:*", "block", false),
        ("block:*", "block:1:x", false),
        ("block:*:x", "block:1:x", true),
        ("*:1", "block:1", true),
        ("block:**", "block:1", true),
        ("block:**", "block:1:x", true),
        ("block:**", "block", true),
        ("block:**", "tab:1", false),
        ("**", "anything:at:all", true),
        ("block:**:x", "block:1:x", false),
        ("*", "", true),
        ("", "", true),
        ("", "x", false),
        ("block:", "block:", true),
        ("blo*", "block", false),
    ];
    for (pattern, scope, expected) in cases {
        assert_eq!(scope_matches(pattern, scope), expected, "{pattern} and {scope}");
        assert_eq!(scopes(&[pattern]).matches(scope), expected, "{pattern} and {scope}");
    }
}

#[test]
fn a_subscriber_hears_what_it_asked_for_and_nothing_else() {
    let hub = Arc::new(Hub::default());
    let (woken, other) = (wake(), wake());
    let one = hub.subscribe(Arc::clone(&woken));
    let two = hub.subscribe(Arc::clone(&other));
    hub.publish(event("status", "block:1", 1));
    assert!(!is_woken(&woken), "it has asked for nothing yet");
    one.set("status", scopes(&["block:1"])).expect("room");
    two.set("status", all()).expect("room");
    hub.publish(event("status", "block:1", 2));
    hub.publish(event("status", "block:2", 3));
    hub.publish(event("other", "block:1", 4));
    hub.publish(event("status", "", 5));
    assert!(is_woken(&woken) && is_woken(&other));
    assert_eq!(numbers(&one.take(9)), [2]);
    assert_eq!(numbers(&two.take(2)), [2, 3], "an event without a scope is for those who take all");
    assert_eq!(numbers(&two.take(9)), [5], "what was not taken is still there");
}

#[test]
fn subscribing_again_replaces_and_unsubscribing_ends() {
    let hub = Arc::new(Hub::default());
    let one = hub.subscribe(wake());
    one.set("status", scopes(&["a"])).expect("room");
    one.set("status", scopes(&["b"])).expect("room");
    hub.publish(event("status", "a", 1));
    hub.publish(event("status", "b", 2));
    assert_eq!(numbers(&one.take(9)), [2]);
    one.unset("status");
    hub.publish(event("status", "b", 3));
    one.set("status", all()).expect("room");
    one.set("more", all()).expect("room");
    one.unset_all();
    hub.publish(event("status", "b", 4));
    hub.publish(event("more", "b", 5));
    assert!(one.take(9).is_empty());
}

#[test]
fn a_dropped_subscriber_is_gone_and_only_that_one() {
    let hub = Arc::new(Hub::default());
    let (gone, stays) = (hub.subscribe(wake()), hub.subscribe(wake()));
    stays.set("status", all()).expect("room");
    drop(gone);
    assert_eq!(lock(&hub.told).ears.len(), 1);
    hub.publish(event("status", "a", 1));
    assert_eq!(numbers(&stays.take(9)), [1]);
    drop(hub);
    drop(stays);
}

#[test]
fn an_event_queue_that_is_not_taken_is_overrun_and_keeps_nothing() {
    let hub = Arc::new(Hub::default());
    let (slow, quick) = (hub.subscribe(wake()), hub.subscribe(wake()));
    for one in [&slow, &quick] {
        one.set("status", all()).expect("room");
    }
    for number in 0..=limits::EVENT_QUEUE {
        assert!(!slow.overrun(), "{number} fit");
        hub.publish(event("status", "a", number));
        assert_eq!(numbers(&quick.take(9)), [number as u64], "the slow one costs the quick one nothing");
    }
    assert!(slow.overrun() && !quick.overrun());
    assert!(slow.take(9).is_empty(), "half of a story is none");
    hub.publish(event("status", "a", 1));
    assert!(slow.take(9).is_empty() && lock(&slow.ear.heard).queue.capacity() == 0);
}

#[test]
fn event_subscriptions_are_bounded() {
    let hub = Arc::new(Hub::default());
    let one = hub.subscribe(wake());
    for number in 0..limits::EVENT_SUBSCRIPTIONS {
        assert_eq!(one.set(&number.to_string(), all()), Ok(()));
    }
    assert_eq!(one.set("more", all()), Err(TooMuch::Subscriptions));
    assert_eq!(one.set("0", scopes(&["a"])), Ok(()), "one that is there may be changed");
    let long = "x".repeat(limits::EVENT_TEXT + 1);
    assert_eq!(one.set(&long, all()), Err(TooMuch::Text));
    one.unset("0");
    assert_eq!(one.set("more", all()), Ok(()));
}

#[test]
fn event_scopes_are_bounded_over_all_subscriptions() {
    let many = |count: usize| {
        let scopes = (0..count).map(|number| format!("block:{number}")).collect();
        Scopes::new(scopes, false)
    };
    assert_eq!(many(limits::EVENT_SCOPES + 1), Err(TooMuch::Scopes));
    let hub = Arc::new(Hub::default());
    let one = hub.subscribe(wake());
    one.set("a", many(limits::EVENT_SCOPES - 1).expect("room")).expect("room");
    assert_eq!(one.set("b", many(2).expect("room")), Err(TooMuch::Scopes));
    assert_eq!(one.set("b", many(1).expect("room")), Ok(()));
    assert_eq!(one.set("a", many(limits::EVENT_SCOPES - 1).expect("room")), Ok(()), "its own do not count");
}

#[test]
fn event_texts_are_bounded() {
    let longest = "x".repeat(limits::EVENT_TEXT);
    assert!(Scopes::new(vec![longest.clone()], false).is_ok());
    assert_eq!(Scopes::new(vec![longest + "x"], false), Err(TooMuch::Text));
}

#[test]
fn history_has_the_newest_of_each_scope() {
    let hub = Hub::default();
    for number in 0..5 {
        hub.publish(event("status", "a", number).kept(2));
    }
    hub.publish(event("status", "b", 9).kept(2));
    hub.publish(event("status", "a", 7));
    assert_eq!(numbers(&hub.history("status", "a", 9)), [3, 4], "one that is not to be kept is not");
    assert_eq!(numbers(&hub.history("status", "a", 1)), [4]);
    assert_eq!(numbers(&hub.history("status", "b", 9)), [9]);
    assert_eq!(numbers(&hub.history("status", "", 9)), [4, 9], "the empty scope has all");
    assert!(hub.history("status", "c", 9).is_empty() && hub.history("other", "a", 9).is_empty());
}

#[test]
fn one_scopes_history_is_bounded() {
    let hub = Hub::default();
    for number in 0..limits::EVENT_HISTORY_SCOPE + 3 {
        hub.publish(event("status", "a", number).kept(usize::MAX));
    }
    let kept = hub.history("status", "a", usize::MAX);
    assert_eq!(kept.len(), limits::EVENT_HISTORY_SCOPE);
    assert_eq!(numbers(&kept)[0], 3, "the oldest went");
}

#[test]
fn the_history_of_all_events_is_bounded() {
    let hub = Hub::default();
    for number in 0..limits::EVENT_HISTORY + 10 {
        hub.publish(event("status", &format!("block:{number}"), number).kept(1));
    }
    let told = lock(&hub.told);
    assert_eq!(told.history.order.len(), limits::EVENT_HISTORY);
    let held: usize = told.history.kept.values().map(VecDeque::len).sum();
    assert_eq!(held, limits::EVENT_HISTORY, "and nothing is held beside it");
    drop(told);
    assert!(hub.history("status", "block:0", 1).is_empty(), "the oldest went first");
    assert_eq!(hub.history("status", &format!("block:{}", limits::EVENT_HISTORY + 9), 1).len(), 1);
}

#[test]
fn an_event_is_written_as_agentmux_reads_it() {
    let full = Event {
        event: "controllerstatus".into(),
        scopes: vec!["block:1".into()],
        sender: Some("s".into()),
        persist: 1,
        data: json!({"version": 2}),
        ..Event::default()
    };
    let read: Value = serde_json::from_str(full.json()).expect("JSON");
    let expected = json!({"event": "controllerstatus", "scopes": ["block:1"], "sender": "s", "persist": 1,
        "data": {"version": 2}});
    assert_eq!(read, expected);
    assert_eq!(Event::new("config", Vec::new(), Value::Null).json(), r#"{"event":"config"}"#);
}

/// A subscriber whose thread does nothing at all keeps no publisher: there is nothing it could hold.
#[test]
fn publishing_does_not_wait_for_those_who_take_nothing() {
    let hub = Arc::new(Hub::default());
    let ears: Vec<_> = (0..100).map(|_| hub.subscribe(wake())).collect();
    for ear in &ears {
        ear.set("status", all()).expect("room");
    }
    let begin = Instant::now();
    for number in 0..2 * limits::EVENT_QUEUE {
        hub.publish(event("status", "a", number));
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(ears.iter().all(Subscriber::overrun));
}
