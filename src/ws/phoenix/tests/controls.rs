//! Joins, leaves, heartbeats, and what ends a topic or the connection (spec genswarms D.1 to D.4).

use serde_json::{Value, json};

use super::super::{Version, testing::Rig};
use crate::{limits, sys::poll::Wake};

fn error(join_ref: Value, own: &str, topic: &str, reason: &str) -> Value {
    json!([join_ref, own, topic, "phx_reply", {"response": {"reason": reason}, "status": "error"}])
}

fn ok(join_ref: Value, own: &str, topic: &str, response: Value) -> Value {
    json!([join_ref, own, topic, "phx_reply", {"response": response, "status": "ok"}])
}

#[test]
fn m10_a_known_swarm_is_joined_and_an_unknown_one_is_not_found() {
    let mut rig = Rig::new(Version::V2);
    assert_eq!(rig.join("1", "swarm:s"), [ok(json!("1"), "1", "swarm:s", json!({"swarm": "s"}))]);
    assert_eq!(rig.join("2", "swarm:kept"), [ok(json!("2"), "2", "swarm:kept", json!({"swarm": "kept"}))]);
    for topic in ["swarm:nobody", "swarm:", "swarm:s/a", "swarm:S"] {
        assert_eq!(rig.join("3", topic), [error(json!("3"), "3", topic, "swarm_not_found")]);
    }
}

#[test]
fn m10_another_topic_and_an_event_on_one_that_is_not_joined_are_unmatched() {
    let mut rig = Rig::new(Version::V2);
    for topic in ["room:s", "swarm", "phoenix", ""] {
        assert_eq!(rig.join("1", topic), [error(Value::Null, "1", topic, "unmatched topic")]);
    }
    for event in ["get_status", "phx_close", "heartbeat", "anything"] {
        let frame = json!(["1", "2", "swarm:s", event, {}]);
        assert_eq!(rig.say(&frame), [error(Value::Null, "2", "swarm:s", "unmatched topic")]);
    }
}

#[test]
fn m10_a_heartbeat_is_answered() {
    let mut rig = Rig::new(Version::V2);
    for payload in [json!({}), json!(null), json!([1])] {
        let frame = json!(["x", "7", "phoenix", "heartbeat", payload]);
        assert_eq!(rig.say(&frame), [ok(Value::Null, "7", "phoenix", json!({}))]);
    }
    let frame = [&b"\0\0\x02\x07\x09"[..], b"11", b"phoenix", b"heartbeat"].concat();
    assert_eq!(rig.send(0x82, &frame), [ok(Value::Null, "11", "phoenix", json!({}))], "in text");
}

#[test]
fn m10_a_leave_is_answered_and_then_the_topic_is_closed() {
    let mut rig = Rig::new(Version::V2);
    rig.join("1", "swarm:s");
    let leave = |join_ref: Value| json!([join_ref, "5", "swarm:s", "phx_leave", {}]);
    let closed = json!(["1", "1", "swarm:s", "phx_close", {}]);
    assert_eq!(rig.say(&leave(json!("0"))), [] as [Value; 0], "of an earlier join: no answer");
    assert_eq!(rig.say(&leave(json!("1"))), [ok(json!("1"), "5", "swarm:s", json!({})), closed]);
    assert_eq!(rig.say(&leave(json!("1"))), [ok(json!("1"), "5", "swarm:s", json!({}))], "not joined");
    assert_eq!(rig.say(&json!([null, "6", "phoenix", "phx_leave", 1])).len(), 1);
    rig.world.happen("s", "a");
    assert_eq!(rig.turn(), [] as [Value; 0], "nothing is pushed");
    let mut events = rig.world.hub.follow(std::sync::Arc::new(Wake::new().unwrap()));
    rig.world.tell("s", "a", "working");
    assert!(events.next(9).entries.is_empty(), "nothing is kept for who has left all topics");
    // Who joined without a ref leaves with any.
    rig.say(&json!([null, "7", "swarm:s", "phx_join", {}]));
    let closed = json!([null, null, "swarm:s", "phx_close", {}]);
    assert_eq!(rig.say(&leave(json!("7"))), [ok(Value::Null, "5", "swarm:s", json!({})), closed]);
}

#[test]
fn m10_a_second_join_of_a_topic_closes_the_first_one_behind_its_answer() {
    let mut rig = Rig::new(Version::V2);
    rig.join("1", "swarm:s");
    let closed = json!(["1", "1", "swarm:s", "phx_close", {}]);
    assert_eq!(rig.join("9", "swarm:s"), [ok(json!("9"), "9", "swarm:s", json!({"swarm": "s"})), closed]);
    // Whatever join a client means, it is the topic's now.
    let answer = rig.say(&json!(["1", "10", "swarm:s", "get_status", {}]));
    assert_eq!(answer, [ok(json!("9"), "10", "swarm:s", json!({"name": "s"}))]);
}

#[test]
fn m10_what_a_topic_cannot_answer_ends_it_and_no_other() {
    let mut rig = Rig::new(Version::V2);
    let binary = [&b"\0\x01\x01\x07\x09"[..], b"13", b"swarm:s", b"send_task", b"data"].concat();
    let bad = [
        json!(["1", "3", "swarm:s", "no_such_event", {}]),
        json!(["1", "3", "swarm:s", "phx_close", {}]),
        json!(["1", "3", "swarm:s", "send_task", {"agent": "a"}]),
        json!(["1", "3", "swarm:s", "send_task", {"task": "x"}]),
        json!(["1", "3", "swarm:s", "send_task", {"agent": 1, "task": "x"}]),
        json!(["1", "3", "swarm:s", "send_task", {"agent": "a", "task": null}]),
        json!(["1", "3", "swarm:s", "send_task", "x"]),
        json!(["1", "3", "swarm:s", "subscribe_logs", []]),
        json!(["1", "3", "swarm:s", "subscribe_logs", {"agent": 7}]),
        json!(["1", "3", "swarm:s", "unsubscribe_logs", {"agent": {}}]),
        json!(["1", "3", "swarm:s", "subscribe_events", {"filters": "error"}]),
        json!(["1", "3", "swarm:s", "subscribe_events", {"filters": null}]),
        json!(["1", "3", "swarm:s", "subscribe_events", null]),
    ];
    rig.join("t", "swarm:t");
    let frames = bad.iter().map(|frame| (0x81, frame.to_string().into_bytes()));
    for (first, frame) in frames.chain([(0x82, binary)]) {
        rig.join("1", "swarm:s");
        assert_eq!(rig.send(first, &frame), [json!(["1", "1", "swarm:s", "phx_error", {}])]);
        let again = rig.say(&json!(["1", "4", "swarm:s", "get_status", {}]));
        assert_eq!(again, [error(Value::Null, "4", "swarm:s", "unmatched topic")]);
        assert_eq!(rig.say(&json!(["t", "5", "swarm:t", "get_status", {}])).len(), 1);
        rig.world.happen("t", "a");
    }
    assert!(rig.world.tasks.lock().unwrap().is_empty() && rig.closed.is_none());
    rig.say(&json!(["t", "6", "swarm:t", "subscribe_logs", {}]));
    rig.world.happen("t", "a");
    assert_eq!(rig.turn().len(), 1, "the other one goes on");
}

#[test]
fn m10_a_malformed_frame_closes_the_connection_with_1011() {
    for version in [Version::V1, Version::V2] {
        for (first, frame) in [
            (0x81, &b"{"[..]),
            (0x81, b"[]"),
            (0x81, br#"["1","2","t","e"]"#),
            (0x81, br#"{"topic":"t","event":"e","payload":{}}"#),
            (0x82, b"\x01junk"),
            (0x82, b""),
        ] {
            let mut rig = Rig::new(version);
            assert_eq!(rig.send(first, frame), [] as [Value; 0]);
            assert_eq!((rig.closed, rig.seat.sockets().ignored()), (Some(1011), 1), "{frame:?}");
            assert_eq!(rig.say(&json!(["1", "1", "swarm:s", "phx_join", {}])), [] as [Value; 0]);
        }
    }
}

#[test]
fn m10_the_first_version_speaks_in_objects() {
    let mut rig = Rig::new(Version::V1);
    let say = |rig: &mut Rig, event: &str, more: Value| {
        let mut frame = json!({"topic": "swarm:s", "event": event, "payload": {}, "ref": "1"});
        frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rig.say(&frame)
    };
    let reply = |response: Value| json!({"event": "phx_reply", "payload": {"response": response, "status": "ok"}, "ref": "1", "topic": "swarm:s"});
    let closed =
        |join_ref: Value| json!({"event": "phx_close", "payload": {}, "ref": join_ref, "topic": "swarm:s"});
    assert_eq!(say(&mut rig, "phx_join", json!({})), [reply(json!({"swarm": "s"}))]);
    rig.world.tell("s", "a", "working");
    assert_eq!(
        rig.turn(),
        [
            json!({"event": "agent_status", "payload": {"agent": "a", "state": "working"}, "ref": null, "topic": "swarm:s"})
        ]
    );
    assert_eq!(say(&mut rig, "phx_leave", json!({})), [reply(json!({})), closed(Value::Null)]);
    say(&mut rig, "phx_join", json!({"join_ref": "8"}));
    assert_eq!(
        say(&mut rig, "nothing", json!({})),
        [json!({"event": "phx_error", "payload": {}, "ref": "8", "topic": "swarm:s"})]
    );
}

#[test]
fn m10_a_client_of_a_channel_that_says_nothing_for_a_minute_is_closed_1002() {
    let mut rig = Rig::new(Version::V2);
    let later = |rig: &mut Rig, ms: u64, first: u8| {
        rig.now += ms;
        rig.send(first, b"");
        rig.closed
    };
    rig.join("1", "swarm:s");
    assert_eq!(later(&mut rig, 59_000, 0x89), None, "a ping is something");
    assert_eq!(later(&mut rig, 59_000, 0x8a), None);
    assert_eq!(later(&mut rig, 999, 0x8a), None);
    assert_eq!(later(&mut rig, 1, 0x8a), Some(1002), "a pong is not, nor is what the server sends");

    let mut rig = Rig::new(Version::V2);
    rig.now = 59_999;
    assert_eq!(rig.say(&json!([null, "1", "phoenix", "heartbeat", {}])).len(), 1);
    rig.now = 119_998;
    rig.turn();
    assert_eq!(rig.closed, None);
    rig.now += 1;
    rig.turn();
    assert_eq!(rig.closed, Some(1002));
}

#[test]
fn topics_of_one_connection_are_bounded() {
    let mut rig = Rig::new(Version::V2);
    for at in 0..limits::CHANNEL_TOPICS {
        assert_eq!(rig.join("1", &format!("swarm:n-{at}"))[0][4]["status"], "ok");
    }
    assert_eq!(rig.join("2", "swarm:s"), [error(json!("2"), "2", "swarm:s", "too_many_topics")]);
    assert_eq!(rig.join("2", "swarm:n-7")[0][4]["status"], "ok", "one that is joined may be joined again");
    rig.say(&json!(["1", "3", "swarm:n-8", "phx_leave", {}]));
    assert_eq!(rig.join("2", "swarm:s")[0][4]["status"], "ok");
}
