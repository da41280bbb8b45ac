//! The three built-in handlers.

use serde_json::json;

use super::*;
use crate::{limits, swarm::config::BUILT_IN};

fn made(handler: &str, config: Value) -> Box<dyn Object> {
    let config = config.as_object().cloned().unwrap();
    build(handler, &config).unwrap_or_else(|error| panic!("{handler}: {error:?}")).0
}

fn asked(object: &mut Box<dyn Object>, content: &str) -> Value {
    match object.ask("a", content).0 {
        Reply::Text(text) => serde_json::from_str(&text).unwrap(),
        Reply::None => Value::Null,
    }
}

/// Spec genswarms M.6.
#[test]
fn m6_an_unknown_handler_makes_nothing() {
    for handler in ["", "Counter", "counter ", "Elixir.Counter", "../counter"] {
        assert!(matches!(build(handler, &Map::new()), Err(ObjectError::UnknownHandler)), "{handler}");
        assert_eq!(config_schema(handler), None);
    }
    for handler in BUILT_IN {
        assert!(build(handler, &Map::new()).is_ok());
    }
}

#[test]
fn every_handlers_schema_has_keys_that_may_be_changed_and_knows_its_keys_types() {
    for handler in BUILT_IN {
        let schema = config_schema(handler).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert!(properties.values().any(|property| property["x-mutable"] == true), "{handler}");
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{handler}: {key} is explained");
            let wrong = Map::from_iter([(key.clone(), json!({}))]);
            assert!(matches!(build(handler, &wrong), Err(ObjectError::Config(_))), "{handler}: {key}");
        }
        assert!(matches!(
            build(handler, &Map::from_iter([("other".to_owned(), json!(1))])),
            Err(ObjectError::Config(patch::PatchError::Unknown(key))) if key == "other"
        ));
    }
    let relay = config_schema("relay").unwrap();
    assert_eq!(relay["properties"]["show_from"].get("x-mutable"), None, "one key stays");
}

#[test]
fn a_counter_counts_in_words_and_in_json() {
    let mut counter = made("counter", json!({"start": 5, "step": 2, "max": 20}));
    assert_eq!(counter.handle("a", "add"), [Action::NoReply]);
    assert_eq!(counter.handle("a", r#"{"action":"add","by":3}"#), [Action::NoReply]);
    assert_eq!(counter.handle("a", " get\n"), [Action::Reply { content: r#"{"count":10}"#.to_owned() }]);
    assert_eq!(asked(&mut counter, r#"{"action":"get"}"#), json!({"count": 10}));
    assert_eq!(asked(&mut counter, r#""add""#), json!({"count": 12}));
    assert_eq!(asked(&mut counter, r#"{"action":"add","by":9223372036854775807}"#), json!({"count": 20}));
    assert_eq!(asked(&mut counter, r#"{"action":"add","by":-9223372036854775808}"#)["count"], -(1_i64 << 53));
    assert_eq!(asked(&mut counter, "reset"), json!({"count": 5}));
    for other in ["hello", r#"{"action":"add","by":"3"}"#, r#"{"action":5}"#, "[]", "null", ""] {
        assert_eq!(counter.handle("a", other), [Action::NoReply], "{other}");
        assert_eq!(asked(&mut counter, other)["error"]["code"], "unknown_action", "{other}");
    }
    assert_eq!(counter.shown(), json!({"count": 5}));
}

#[test]
fn a_counter_tells_once_when_its_threshold_is_reached_from_below() {
    let mut counter = made("counter", json!({"threshold": 2, "notify": "boss"}));
    assert_eq!(counter.handle("a", "add"), [Action::NoReply]);
    let told = Action::Send { to: "boss".to_owned(), content: r#"{"count":2}"#.to_owned() };
    assert_eq!(counter.handle("a", "add"), std::slice::from_ref(&told));
    assert_eq!(counter.handle("a", "add"), [Action::NoReply]);
    counter.handle("a", "reset");
    assert_eq!(counter.ask("a", r#"{"action":"add","by":2}"#).1, [told], "a question counts, too");
    let mut counter = made("counter", json!({"threshold": 1}));
    let told = Action::Broadcast { content: r#"{"count":1}"#.to_owned(), except: None };
    assert_eq!(counter.handle("a", "add"), [told]);
}

#[test]
fn a_log_shows_the_last_messages() {
    let mut log = made("log", json!({"keep": 3}));
    for word in ["one", "two", "three", "four"] {
        assert_eq!(log.handle("a", word), [Action::NoReply]);
    }
    let entry = |n: u64, content: &str| json!({"n": n, "from": "a", "content": content});
    assert_eq!(
        asked(&mut log, r#"{"action":"tail","n":2}"#),
        json!({"entries": [entry(3, "three"), entry(4, "four")]})
    );
    assert_eq!(asked(&mut log, "tail")["entries"].as_array().map(Vec::len), Some(3));
    assert_eq!(asked(&mut log, r#"{"action":"tail","n":0}"#), json!({"entries": []}));
    for other in ["head", r#"{"action":"tail","n":-1}"#, r#"{"action":"tail","n":"2"}"#] {
        assert_eq!(asked(&mut log, other)["error"]["code"], "unknown_action", "{other}");
    }
    assert_eq!(log.shown(), json!({"entries": 3, "total": 4}));
}

#[test]
fn a_log_is_bounded_in_number_and_bytes() {
    let mut log = made("log", json!({"keep": limits::OBJECT_LOG}));
    for _ in 0..limits::OBJECT_LOG + 5 {
        log.handle("a", "x");
    }
    assert_eq!(log.shown()["entries"], limits::OBJECT_LOG);
    for _ in 0..limits::OBJECT_LOG {
        log.handle("a", &"\u{e4}".repeat(limits::SWARM_MESSAGE / 2));
    }
    let entries = asked(&mut log, r#"{"action":"tail","n":1000}"#)["entries"].as_array().cloned().unwrap();
    let sizes: Vec<usize> = entries.iter().map(|entry| entry["content"].as_str().unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size == limits::OBJECT_LOG_ENTRY));
    assert!(sizes.iter().sum::<usize>() <= limits::OBJECT_LOG_BYTES && sizes.len() > 200);
}

#[test]
fn a_relay_hands_on_and_never_back() {
    let mut relay = made("relay", json!({"to": ["b", "c"], "prefix": "> ", "show_from": true}));
    let send = |to: &str, content: &str| Action::Send { to: to.to_owned(), content: content.to_owned() };
    assert_eq!(relay.handle("a", "x"), [send("b", "> [from a] x"), send("c", "> [from a] x")]);
    assert_eq!(relay.handle("b", "x"), [send("c", "> [from b] x")]);
    let mut relay = made("relay", json!({}));
    let all = Action::Broadcast { content: "x".to_owned(), except: Some("a".to_owned()) };
    assert_eq!(relay.handle("a", "x"), [all]);
    assert_eq!(asked(&mut relay, "x")["error"]["code"], "not_supported");
    assert_eq!(relay.shown(), json!({"relayed": 1}));
}
