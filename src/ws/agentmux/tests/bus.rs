//! `bus:*` frames, and mail that is pushed.

use super::*;
use crate::bus::presence::Present;

fn names(world: &World) -> Vec<String> {
    let list: Vec<Present> = world.bus.presence.list();
    list.iter().map(|present| present.name.as_str().to_owned()).collect()
}

fn register(client: &mut Client, name: &str) -> Vec<Value> {
    client.say(&json!({ "type": "bus:register", "agent_id": name }))
}

fn payloads(said: &[Value]) -> Vec<&str> {
    said.iter()
        .filter(|frame| frame["type"] == "bus:message")
        .map(|frame| frame["data"]["payload"].as_str().unwrap())
        .collect()
}

#[test]
fn case_l51_registering_is_answered_before_what_waited_is_pushed_in_order() {
    let world = World::new();
    for text in ["1", "2", "3"] {
        world.mail("a", text);
    }
    let mut client = Client::of(&world);
    let said = register(&mut client, "a");
    assert_eq!(said[0], json!({ "type": "bus:registered", "agent_id": "a" }));
    assert_eq!(payloads(&said), ["1", "2", "3"]);
    assert_eq!(said[1], json!({ "type": "bus:message", "data": { "id": "1", "payload": "1" } }));
    assert_eq!(world.taken.load(Ordering::SeqCst), 1, "taken for good once it was sent");
    world.mail("a", "4");
    assert_eq!(payloads(&client.said()), ["4"]);
    world.mail("b", "not for this one");
    assert_eq!(client.said(), [] as [Value; 0]);
}

#[test]
fn case_l51_a_send_is_acknowledged_with_its_id() {
    let world = World::new();
    let mut client = Client::of(&world);
    let said = client.say(&json!({ "type": "bus:send", "from": "me", "to": "you", "payload": "x" }));
    assert_eq!(said[0]["type"], "bus:sent");
    assert_eq!(said[0]["message_id"].as_str().unwrap().len(), 36);
    let said = client.say(&json!({ "type": "bus:inject", "target": "you", "bus_message": "x" }));
    assert_eq!((&said[0]["type"], &said[0]["via"]), (&json!("bus:injected"), &json!("messagebus")));
    assert_eq!(said[0]["message_id"].as_str().unwrap().len(), 36);
}

#[test]
fn case_d4_a_broadcast_is_acknowledged_with_who_gets_it() {
    let world = World::new();
    let (mut one, mut two) = (Client::of(&world), Client::of(&world));
    register(&mut one, "one");
    register(&mut two, "two");
    world.bus.register_http(&AgentId::parse("polls").unwrap()).unwrap();
    let said = one.say(&json!({ "type": "bus:broadcast", "from": "one", "payload": "x" }));
    assert_eq!(said, [json!({ "type": "bus:broadcasted", "delivered": 1, "queued": 1 })]);
}

#[test]
fn case_d4_what_is_refused_is_a_bus_error_with_a_code() {
    let mut client = Client::of(&World::new());
    for (frame, error, code) in [
        (json!({ "type": "bus:register", "agent_id": "a b" }), "invalid agent ID: a b", "bad_agent_id"),
        (
            json!({ "type": "bus:send", "from": "a", "to": "../x", "payload": "" }),
            "invalid agent ID: ../x",
            "bad_agent_id",
        ),
        (
            json!({ "type": "bus:send", "from": "a", "to": "x@0123456789ab", "payload": "" }),
            "agent not found: x@0123456789ab",
            "agent_not_found",
        ),
        (
            json!({ "type": "bus:inject", "target": "", "bus_message": "" }),
            "invalid agent ID: ",
            "bad_agent_id",
        ),
        (
            json!({ "type": "bus:broadcast", "payload": "x".repeat(limits::MESSAGE_TEXT + 1) }),
            "a message may have 65536 bytes",
            "payload_too_large",
        ),
    ] {
        let said = client.say(&frame);
        assert_eq!((&said[0]["type"], &said[0]["error"]), (&json!("bus:error"), &json!(error)));
        assert_eq!(said[0]["code"], code);
    }
}

#[test]
fn the_names_of_one_connection_are_bounded_and_the_limit_is_told() {
    let world = World::new();
    let mut client = Client::of(&world);
    for n in 0..limits::SOCKET_NAMES {
        assert_eq!(register(&mut client, &format!("a{n}"))[0]["type"], "bus:registered");
    }
    let refused = register(&mut client, "more");
    assert_eq!((&refused[0]["code"], &refused[0]["limit"]), (&json!("connection_names_full"), &json!(16)));
}

#[test]
fn case_l53_a_connection_that_ends_takes_its_names_along_and_no_newer_registration() {
    let world = World::new();
    let (mut old, mut new) = (Client::of(&world), Client::of(&world));
    register(&mut old, "own");
    register(&mut old, "shared");
    register(&mut new, "shared");
    assert_eq!(names(&world), ["own", "shared"]);
    drop(old);
    assert_eq!(names(&world), ["shared"]);
    world.mail("shared", "x");
    assert_eq!(payloads(&new.said()), ["x"]);
    drop(new);
    assert_eq!(names(&world), [] as [String; 0]);
}

#[test]
fn the_newest_connection_of_a_name_gets_its_mail() {
    let world = World::new();
    let (mut old, mut new) = (Client::of(&world), Client::of(&world));
    register(&mut old, "a");
    register(&mut new, "a");
    world.mail("a", "x");
    assert_eq!(payloads(&old.said()), [] as [&str; 0]);
    assert_eq!(payloads(&new.said()), ["x"]);
    world.bus.register_http(&AgentId::parse("a").unwrap()).unwrap();
    world.mail("a", "y");
    assert_eq!(payloads(&new.said()), [] as [&str; 0], "it is polled for now");
}

#[test]
fn mail_that_was_not_sent_whole_comes_again_and_says_so() {
    let world = World::new();
    for n in 0..20 {
        world.mail("a", &n.to_string());
    }
    let mut client = Client::of(&world);
    client.reads = false;
    register(&mut client, "a");
    assert_eq!(world.taken.load(Ordering::SeqCst), 0, "nothing was sent");
    drop(client);
    let mut again = Client::of(&world);
    let said = register(&mut again, "a");
    let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let mut got = payloads(&said);
    assert!(said[1]["data"]["redelivered"] == true && said[20]["data"]["redelivered"].is_null());
    // This mailbox puts them back in front as a whole; which of several parcels comes first is its own.
    got.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(got, expected);
}

#[test]
fn mail_is_pulled_as_there_is_room_and_never_fills_the_outbox() {
    let world = World::new();
    for n in 0..1000 {
        world.mail("a", &n.to_string());
    }
    let mut client = Client::of(&world);
    client.reads = false;
    register(&mut client, "a");
    assert_eq!(client.machine.end(), None);
    assert!(client.session.handed.len() <= 4 && world.mail.lock().unwrap()["a"].len() > 950);
    client.reads = true;
    let said = client.said();
    assert_eq!(payloads(&said).len(), 1000);
    assert!(client.session.handed.is_empty());
}

#[test]
fn mail_of_many_names_at_once_never_fills_the_outbox_however_long_its_json_is() {
    let world = World::new();
    // Each control byte is six in JSON.
    let text = "\u{1}".repeat(limits::BODY_SMALL);
    let mut client = Client::of(&world);
    for n in 0..limits::SOCKET_NAMES {
        register(&mut client, &format!("a{n}"));
    }
    for n in 0..limits::SOCKET_NAMES {
        world.mail(&format!("a{n}"), &text);
        world.mail(&format!("a{n}"), &n.to_string());
    }
    client.reads = false;
    client.frames();
    assert_eq!(client.machine.end(), None);
    client.reads = true;
    let frames = client.frames();
    assert!(frames.iter().all(|(first, _)| *first == 0x81), "nothing was closed");
    assert_eq!(frames.len(), 2 * limits::SOCKET_NAMES);
    assert_eq!(world.taken.load(Ordering::SeqCst), limits::SOCKET_NAMES as u64);
}

#[test]
fn a_name_with_much_mail_keeps_no_other_names_mail_back() {
    let world = World::new();
    let mut client = Client::of(&world);
    for name in ["a", "b", "c"] {
        register(&mut client, name);
    }
    for n in 0..100 {
        world.mail("b", &n.to_string());
    }
    world.mail("a", "from a");
    world.mail("c", "from c");
    let said = client.said();
    let texts = payloads(&said);
    let place = |text: &str| texts.iter().position(|one| *one == text).expect("it came");
    assert!(place("from a") < 20 && place("from c") < 20, "in turn");
    assert_eq!(texts.len(), 102);
}
