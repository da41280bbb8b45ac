//! Subscriptions, events and terminal output.

use super::*;
use crate::{bus::events::Event, wire::base64};

fn subscribe(client: &mut Client, event: &str, scopes: &[&str]) {
    let data = json!({ "event": event, "scopes": scopes });
    assert_eq!(client.rpc("eventsub", &data), json!({ "resid": "r1" }));
}

fn tell(world: &World, event: &str, scope: &str) {
    world.bus.events.publish(Event::new(event, vec![scope.to_owned()], json!({ "n": 1 })).kept(2));
}

/// Offset, bytes and gap of each piece of output.
fn output(said: &[Value]) -> Vec<(u64, String, bool)> {
    said.iter()
        .filter(|frame| frame["data"]["data"]["event"] == "blockfile")
        .map(|frame| {
            let data = &frame["data"]["data"]["data"];
            let bytes = base64::decode(data["data64"].as_str().unwrap()).unwrap();
            (data["offset"].as_u64().unwrap(), String::from_utf8(bytes).unwrap(), data["gap"] == true)
        })
        .collect()
}

fn piece(offset: u64, text: &str) -> (u64, String, bool) {
    (offset, text.to_owned(), false)
}

#[test]
fn case_d6_each_connection_has_subscriptions_of_its_own() {
    let world = World::new();
    let (mut one, mut two) = (Client::of(&world), Client::of(&world));
    subscribe(&mut one, "e", &["block:1"]);
    tell(&world, "e", "block:1");
    tell(&world, "e", "block:2");
    let event = json!({ "event": "e", "scopes": ["block:1"], "persist": 2, "data": { "n": 1 } });
    let received = json!({ "eventtype": "rpc", "data": { "command": "eventrecv", "data": event } });
    assert_eq!(one.said(), [received]);
    assert_eq!(two.said(), [] as [Value; 0]);
    subscribe(&mut one, "e", &["block:*"]);
    tell(&world, "e", "block:2");
    assert_eq!(one.said().len(), 1, "subscribing again replaces");
    one.rpc("eventunsub", &json!("e"));
    tell(&world, "e", "block:2");
    assert_eq!(one.said(), [] as [Value; 0]);
    assert_eq!(one.rpc("eventunsub", &json!(7))["error"], "eventunsub: data must be the event's name");
}

#[test]
fn case_d7_a_client_that_comes_back_announces_and_subscribes_anew_and_hears_once() {
    let world = World::new();
    let open = || {
        let mut client = Client::unopened(&world);
        // Its first frames were queued before the connection was open.
        let announce = json!({ "command": "routeannounce", "source": "tab:1", "data": null, "reqid": "r1" });
        let said = client.say(&json!({ "wscommand": "rpc", "message": announce }));
        assert_eq!(said[0]["data"]["data"]["event"], "config", "ours come first");
        assert_eq!(said.last().unwrap()["data"], json!({ "resid": "r1" }));
        subscribe(&mut client, "e", &["block:1"]);
        client
    };
    drop(open());
    let mut client = open();
    subscribe(&mut client, "e", &["block:1"]);
    tell(&world, "e", "block:1");
    assert_eq!(client.said().len(), 1);
}

#[test]
fn case_d6_history_is_read_by_event_and_scope() {
    let world = World::new();
    tell(&world, "e", "block:1");
    tell(&world, "e", "block:2");
    let mut client = Client::of(&world);
    let mut history = |data: Value| client.rpc("eventreadhistory", &data)["data"].clone();
    let one = history(json!({ "event": "e", "scope": "block:1", "maxitems": 0 }));
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(one[0]["scopes"], json!(["block:1"]));
    assert_eq!(history(json!({ "event": "e", "maxitems": 1 })).as_array().unwrap().len(), 1);
    assert_eq!(history(json!({ "event": "nothing" })), json!([]));
}

#[test]
fn case_d6_output_comes_from_the_subscription_on_with_its_offset() {
    let world = World::new();
    world.start("b1");
    world.print("b1", b"before");
    let mut client = Client::of(&world);
    subscribe(&mut client, "blockfile", &["block:b1"]);
    world.print("b1", b"after");
    let said = client.said();
    assert_eq!(
        said[0]["data"]["data"],
        json!({
            "event": "blockfile",
            "scopes": ["block:b1"],
            "data": { "zoneid": "b1", "filename": "term", "fileop": "append", "data64": "YWZ0ZXI=", "offset": 6 },
        })
    );
    let data = json!({ "event": "blockfile", "scopes": ["block:b1"], "from": 3 });
    client.machine.receive(
        &testing::frame(
            0x81,
            json!({ "wscommand": "rpc", "message": { "command": "eventsub", "data": data } })
                .to_string()
                .as_bytes(),
        ),
        0,
    );
    assert_eq!(output(&client.said()), [piece(3, "oreafter")], "from where the client says");
    subscribe(&mut client, "blockfile", &["block:b1"]);
    world.print("b1", b"!");
    assert_eq!(output(&client.said()), [piece(11, "!")], "and goes on where it is");
    client.rpc("eventunsuball", &Value::Null);
    world.print("b1", b"unheard");
    assert_eq!(client.said(), [] as [Value; 0]);
}

#[test]
fn case_d6_what_the_ring_has_lost_is_told_as_a_gap() {
    let world = World::new();
    world.start("b1");
    let mut client = Client::of(&world);
    subscribe(&mut client, "blockfile", &["block:b1"]);
    {
        let mut blocks = world.blocks.lock().unwrap();
        let block = blocks.get_mut("b1").unwrap();
        (block.start, block.bytes) = (100, b"late".to_vec());
    }
    assert_eq!(output(&client.said()), [(100, "late".to_owned(), true)]);
    world.print("b1", b"r");
    assert_eq!(output(&client.said()), [piece(104, "r")]);
}

#[test]
fn case_d6_a_pattern_takes_in_agents_that_start_later_from_their_first_byte() {
    let world = World::new();
    world.start("b1");
    let mut client = Client::of(&world);
    subscribe(&mut client, "blockfile", &["block:*"]);
    world.start("b2");
    world.print("b2", b"hello");
    tell(&world, "controllerstatus", "block:b2");
    assert_eq!(output(&client.said()), [piece(0, "hello")]);
    world.print("b1", b"x");
    assert_eq!(output(&client.said()), [piece(0, "x")]);
}

#[test]
fn a_flooding_agent_keeps_nobody_elses_output_back_and_never_fills_the_outbox() {
    let world = World::new();
    for block in ["a", "b", "c"] {
        world.start(block);
    }
    let mut client = Client::of(&world);
    subscribe(&mut client, "blockfile", &["block:a", "block:b", "block:c"]);
    world.print("b", &vec![b'x'; 1024 * 1024]);
    client.reads = false;
    client.said();
    world.print("a", b"from a");
    world.print("c", b"from c");
    client.reads = true;
    let pieces = output(&client.said());
    let place = |text: &str| pieces.iter().position(|(_, bytes, _)| bytes == text).unwrap();
    assert!(place("from a") < 8 && place("from c") < 8, "in turn with the flood");
    assert_eq!(pieces.iter().map(|(_, bytes, _)| bytes.len()).sum::<usize>(), 1024 * 1024 + 12);
    assert_eq!(client.machine.end(), None);
    assert!(pieces.iter().all(|(_, bytes, gap)| bytes.len() <= 16 * 1024 && !gap));
}

#[test]
fn events_that_are_not_taken_close_the_connection() {
    let world = World::new();
    let mut client = Client::of(&world);
    subscribe(&mut client, "e", &["s"]);
    client.reads = false;
    for _ in 0..limits::EVENT_QUEUE + 1 {
        tell(&world, "e", "s");
    }
    client.said();
    client.reads = true;
    let frames = client.frames();
    let (first, payload) = frames.last().unwrap();
    assert_eq!((*first, &payload[..2]), (0x88, &1013_u16.to_be_bytes()[..]));
}

#[test]
fn subscriptions_are_bounded_and_say_so() {
    let mut client = Client::of(&World::new());
    let scopes: Vec<String> = (0..limits::EVENT_SCOPES + 1).map(|n| n.to_string()).collect();
    let refused = client.rpc("eventsub", &json!({ "event": "blockfile", "scopes": scopes }));
    assert!(refused["error"].as_str().unwrap().starts_with("eventsub: more than"));
    for n in 0..limits::EVENT_SUBSCRIPTIONS {
        subscribe(&mut client, &format!("e{n}"), &[]);
    }
    let refused = client.rpc("eventsub", &json!({ "event": "one more" }));
    assert!(refused["error"].as_str().unwrap().starts_with("eventsub: more than"));
    for wrong in [json!({}), json!({ "event": 1 }), json!({ "event": "e", "scopes": "s" }), json!(null)] {
        assert!(client.rpc("eventsub", &wrong)["error"].as_str().unwrap().starts_with("eventsub: "));
    }
}

/// What came, in short: bytes of output, and ends.
fn order(said: &[Value]) -> Vec<String> {
    said.iter()
        .map(|frame| match &frame["data"]["data"] {
            event if event["event"] == "blockfile" => {
                base64::decode(event["data"]["data64"].as_str().unwrap()).unwrap().len().to_string()
            }
            event => format!("{} {}", event["event"], event["data"]["blockid"]).replace('"', ""),
        })
        .collect()
}

fn tell_end(world: &World, block: &str) {
    let data = json!({ "blockid": block, "shellprocstatus": "done" });
    world.bus.events.publish(Event::new("controllerstatus", vec![format!("block:{block}")], data));
}

fn end(world: &World, block: &str) {
    let mut blocks = world.blocks.lock().unwrap();
    let block = blocks.get_mut(block).unwrap();
    block.done = true;
    block.watchers.wake();
}

#[test]
fn the_end_of_a_block_is_told_behind_all_of_its_output() {
    let world = World::new();
    for block in ["a", "b"] {
        world.start(block);
    }
    let mut client = Client::of(&world);
    subscribe(&mut client, "controllerstatus", &["block:*"]);
    subscribe(&mut client, "blockfile", &["block:a"]);
    client.reads = false;
    world.print("a", &vec![b'x'; 100 * 1024]);
    tell_end(&world, "a");
    tell_end(&world, "b");
    client.said();
    client.reads = true;
    // It is told before the terminal is closed: until then there may be more.
    let said = order(&client.said());
    assert_eq!(said.iter().filter(|one| *one == "controllerstatus b").count(), 1, "nobody waits for another");
    assert!(!said.contains(&"controllerstatus a".to_owned()), "{said:?}");
    world.print("a", b"last");
    end(&world, "a");
    assert_eq!(order(&client.said()), ["4", "controllerstatus a"]);
    assert_eq!(client.said(), [] as [Value; 0], "and once");
}

#[test]
fn ends_that_were_kept_back_are_told_when_the_output_is_not_wanted_any_more() {
    let world = World::new();
    world.start("a");
    let mut client = Client::of(&world);
    subscribe(&mut client, "controllerstatus", &["block:a"]);
    subscribe(&mut client, "blockfile", &["block:a"]);
    tell_end(&world, "a");
    assert_eq!(client.said(), [] as [Value; 0]);
    let unsubscribe = json!({ "command": "eventunsub", "reqid": "r", "data": "blockfile" });
    let said = client.say(&json!({ "wscommand": "rpc", "message": unsubscribe }));
    assert_eq!(order(&said[1..]), ["controllerstatus a"]);
}

#[test]
fn many_ends_at_once_neither_fill_the_outbox_nor_keep_other_events_back() {
    let world = World::new();
    let names: Vec<String> = (0..300).map(|n| format!("b{n:03}")).collect();
    names.iter().for_each(|name| world.start(name));
    let mut client = Client::of(&world);
    subscribe(&mut client, "controllerstatus", &["block:*"]);
    subscribe(&mut client, "other", &["s"]);
    subscribe(&mut client, "blockfile", &["block:*"]);
    for part in names.chunks(100) {
        part.iter().for_each(|name| tell_end(&world, name));
        tell(&world, "other", "s");
        assert_eq!(order(&client.said()), ["other null"]);
    }
    client.reads = false;
    names.iter().for_each(|name| end(&world, name));
    client.said();
    client.reads = true;
    let said = order(&client.said());
    assert_eq!(said.len(), 300);
    assert_eq!(client.machine.end(), None);
}

#[test]
fn an_agent_that_starts_and_ends_unseen_still_shows_its_output_before_its_end() {
    let world = World::new();
    let mut client = Client::of(&world);
    subscribe(&mut client, "controllerstatus", &["block:*"]);
    subscribe(&mut client, "blockfile", &["block:*"]);
    world.start("a");
    world.print("a", b"short");
    tell_end(&world, "a");
    // The turn that comes before the wake is looked at.
    client.machine.turn(&mut client.session, 0);
    end(&world, "a");
    assert_eq!(order(&client.said()), ["5", "controllerstatus a"]);
}

#[test]
fn the_last_output_of_an_agent_that_is_removed_is_not_forgotten_for_the_next_that_starts() {
    let world = World::new();
    world.start("a");
    let mut client = Client::of(&world);
    subscribe(&mut client, "blockfile", &["block:*"]);
    world.print("a", b"last words");
    end(&world, "a");
    world.hidden.lock().unwrap().insert("a".to_owned());
    tell(&world, "controllerstatus", "block:a");
    assert_eq!(output(&client.said()), [piece(0, "last words")]);
    tell(&world, "controllerstatus", "block:a");
    client.said();
    assert!(client.session.blocks.is_empty(), "forgotten once all was sent");
}

#[test]
fn a_terminal_that_is_in_no_list_is_watched_by_who_names_it_and_by_nobody_else() {
    let world = World::new();
    world.start("of-a-swarm");
    world.hidden.lock().unwrap().insert("of-a-swarm".to_owned());
    let (mut named, mut all) = (Client::of(&world), Client::of(&world));
    subscribe(&mut named, "blockfile", &["block:of-a-swarm", "block:none"]);
    subscribe(&mut all, "blockfile", &["block:*"]);
    world.print("of-a-swarm", b"here");
    assert_eq!(output(&named.said()), [piece(0, "here")]);
    assert_eq!(output(&all.said()), []);
}

#[test]
fn a_client_that_asks_beyond_the_end_goes_on_there_and_is_told_of_a_gap() {
    let world = World::new();
    world.start("b1");
    world.print("b1", b"four");
    let mut client = Client::of(&world);
    let data = json!({ "event": "blockfile", "scopes": ["block:b1"], "from": 1_000 });
    assert_eq!(client.rpc("eventsub", &data), json!({ "resid": "r1" }));
    world.print("b1", b"x");
    assert_eq!(output(&client.said()), [(4, "x".to_owned(), true)]);
}
