use super::*;
use crate::{registry::testing::letter, wire::json};

fn home() -> HomeId {
    HomeId::parse("0123456789ab").expect("a home")
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("an id")
}

fn plain<'a>(home: &'a HomeId, carry: Carry) -> Letter<'a> {
    Letter {
        origin: Origin { caller: "agent b", home },
        carry,
        text: "words \u{1b}[31m\n\u{0}\u{1f980}",
        ..letter(home, &[])
    }
}

fn read(body: &[u8]) -> Result<Option<Received>, String> {
    let body = json::parse(body).expect("JSON");
    Received::read(&body).map_err(|error| error.to_string())
}

#[test]
fn a_letter_is_read_as_it_was_written() {
    let home = home();
    let path = ["first".to_owned()];
    for carry in [Carry::Inject, Carry::Send, Carry::Ask, Carry::Reply] {
        for (caller, far, shown) in [
            ("owner", Far::Owner, "owner@0123456789ab"),
            ("api", Far::Api, "api@0123456789ab"),
            ("peer", Far::Peer, "peer@0123456789ab"),
            ("agent b", Far::Agent(agent("b")), "b@0123456789ab"),
        ] {
            let letter = Letter {
                origin: Origin { caller, home: &home },
                from: Some("somebody"),
                priority: "urgent",
                correlation_id: Some("c.1"),
                in_reply_to: Some("an id / of any form"),
                redelivered: true,
                submit: Some("once"),
                path: &path,
                hops: 1,
                ..plain(&home, carry)
            };
            let body = letter.body(&agent("A"), Speaks::Loopgate, "second");
            let read = read(&body).expect("read").expect("a letter");
            assert_eq!(read.shown(), shown);
            let wanted = Received {
                target: "A".into(),
                text: letter.text.into(),
                id: "id-1".into(),
                from: Some("somebody".into()),
                priority: "urgent",
                submit: Some("once"),
                carry,
                far,
                home: home.clone(),
                ttl_ms: 60_000,
                correlation_id: Some("c.1".into()),
                in_reply_to: Some("an id / of any form".into()),
                redelivered: true,
                path: vec!["first".into(), "second".into()],
                hops: 2,
            };
            assert_eq!(read, wanted);
        }
    }
    let read = read(&plain(&home, Carry::Send).body(&agent("a"), Speaks::Loopgate, "own"));
    let read = read.expect("read").expect("a letter");
    assert_eq!((read.from, read.correlation_id, read.in_reply_to, read.submit), (None, None, None, None));
    assert_eq!((read.path, read.hops, read.redelivered), (vec!["own".to_owned()], 1, false));
}

#[test]
fn agentmux_gets_an_inject_and_nothing_that_it_does_not_know() {
    let home = home();
    let letter = Letter { from: Some("b@0123456789ab"), redelivered: true, ..plain(&home, Carry::Inject) };
    let body = letter.body(&agent("a"), Speaks::AgentMux, "own");
    assert_eq!(read(&body), Ok(None));
    let body = json::parse(&body).expect("JSON");
    let text = format!("[redelivered] {}", letter.text);
    let wanted = json!({
        "target_agent": "a", "message": text, "request_id": "id-1",
        "source_agent": "b@0123456789ab", "priority": "normal", "wait_for_idle": false, "forward_hops": 1,
    });
    assert_eq!(body, wanted);
}

#[test]
fn a_letter_that_is_not_understood_whole_is_refused_and_the_field_named() {
    let home = home();
    let good = plain(&home, Carry::Send).body(&agent("a"), Speaks::Loopgate, "own");
    let good = json::parse(&good).expect("JSON");
    let long = "x".repeat(limits::MESSAGE_TEXT + 1);
    let rule = "1 to 128 ASCII letters, digits, dots, _ and -, and neither . nor ..";
    let cases: Vec<(&str, Value, String)> = vec![
        ("target_agent", json!(1), "a string".into()),
        ("message", Value::Null, String::new()),
        ("message", json!(long), "at most 65536 bytes long".into()),
        ("request_id", Value::Null, String::new()),
        ("request_id", json!(""), "1 to 128 bytes long".into()),
        ("request_id", json!("x".repeat(129)), "1 to 128 bytes long".into()),
        ("source_agent", json!("x".repeat(257)), "at most 256 bytes long".into()),
        ("priority", json!("low"), "\"normal\" or \"high\" or \"urgent\"".into()),
        ("submit", json!("twice"), "\"once\" or \"thrice\"".into()),
        ("forward_hops", json!(256), "a whole number from 0 to 255".into()),
        ("forward_hops", json!(-1), "a whole number from 0 to 255".into()),
        ("forward_hops", json!(1.5), "a whole number from 0 to 255".into()),
        ("forward_hops", json!("1"), "a whole number from 0 to 255".into()),
        ("loopgate", json!([]), "an object".into()),
        ("loopgate", json!(1), "an object".into()),
        ("loopgate.version", json!(2), "a whole number from 1 to 1".into()),
        ("loopgate.version", Value::Null, String::new()),
        ("loopgate.path", json!([]), "1 to 8 ids of instances".into()),
        ("loopgate.path", json!(["a b"]), "1 to 8 ids of instances".into()),
        ("loopgate.path", json!([""]), "1 to 8 ids of instances".into()),
        ("loopgate.path", json!(["x".repeat(65)]), "1 to 8 ids of instances".into()),
        ("loopgate.path", json!(vec!["a"; 9]), "1 to 8 ids of instances".into()),
        ("loopgate.path", json!([1]), "an array of strings".into()),
        ("loopgate.path", Value::Null, String::new()),
        ("loopgate.home", json!("0123456789aB"), "12 hex digits in lower case".into()),
        ("loopgate.home", Value::Null, String::new()),
        ("loopgate.carry", json!("throw"), "\"inject\" or \"send\" or \"ask\" or \"reply\"".into()),
        ("loopgate.carry", Value::Null, String::new()),
        ("loopgate.ttl_ms", json!(limits::TTL_MOST_MS + 1), "a whole number from 0 to 2592000000".into()),
        ("loopgate.ttl_ms", Value::Null, String::new()),
        ("loopgate.correlation_id", json!(".."), rule.into()),
        ("loopgate.correlation_id", json!("a/b"), rule.into()),
        ("loopgate.correlation_id", json!(""), rule.into()),
        ("loopgate.in_reply_to", json!(""), "1 to 128 bytes long".into()),
        ("loopgate.in_reply_to", json!(7), "a string".into()),
        ("loopgate.redelivered", json!("yes"), "true or false".into()),
    ];
    for (field, value, must_be) in cases {
        let mut body = good.clone();
        let (outer, inner) = field.split_once('.').unwrap_or((field, ""));
        let place = if inner.is_empty() { &mut body[outer] } else { &mut body[outer][inner] };
        *place = value.clone();
        let wanted = match value {
            Value::Null => format!("field '{field}' is missing"),
            _ => format!("field '{field}' must be {must_be}"),
        };
        assert_eq!(Received::read(&body).map_err(|error| error.to_string()), Err(wanted), "{value}");
    }
}

/// So nobody is shown as `owner@HOME` who is not.
#[test]
fn no_letter_comes_from_an_agent_with_the_name_of_somebody_else() {
    let home = home();
    for caller in
        ["agent owner", "agent API", "agent ", "agent a b", "agent a@b", "", "Owner", "Peer", "agents a"]
    {
        let letter = Letter { origin: Origin { caller, home: &home }, ..plain(&home, Carry::Send) };
        let error = read(&letter.body(&agent("a"), Speaks::Loopgate, "own")).expect_err("refused");
        assert!(error.starts_with("field 'loopgate.caller' must be"), "{caller:?}: {error}");
    }
}

/// What an inject may hold without limit is brought within the bounds of a letter.
#[test]
fn what_is_written_is_within_the_bounds_of_what_is_read() {
    let home = home();
    let (from, id) = ["\u{e9}".repeat(200), "x".repeat(1_000)].into();
    let letter = Letter {
        from: Some(&from),
        id: &id,
        priority: "whatever",
        ttl_ms: u64::MAX,
        hops: u64::MAX,
        ..plain(&home, Carry::Inject)
    };
    let body = letter.body(&agent("a"), Speaks::Loopgate, "own");
    assert_eq!(
        read(&body).expect_err("too many hops"),
        "field 'forward_hops' must be a whole number from 0 to 255"
    );
    let letter = Letter { hops: 0, ..letter };
    let read = read(&letter.body(&agent("a"), Speaks::Loopgate, "own")).expect("read").expect("a letter");
    assert_eq!((read.from, read.id), (Some("\u{e9}".repeat(128)), id.clone()));
    assert_eq!((read.priority, read.ttl_ms), ("normal", limits::TTL_MOST_MS));
}

#[test]
fn a_letter_for_an_address_names_its_home_where_that_is_understood() {
    let home = home();
    let there = HomeId::parse("00000000000b").expect("a home");
    let letter = Letter { at: Some(&there), ..plain(&home, Carry::Send) };
    let target = |speaks| {
        let body = json::parse(&letter.body(&agent("A"), speaks, "second")).expect("JSON");
        body["target_agent"].clone()
    };
    assert_eq!(target(Speaks::Loopgate), "A@00000000000b");
    assert_eq!(target(Speaks::AgentMux), "A");
}
