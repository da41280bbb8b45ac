//! What a client asks of a topic (spec genswarms D.5).

use serde_json::{Value, json};

use super::super::{
    Version,
    testing::{Rig, World},
};
use crate::{
    limits,
    swarm::events::{Draft, Name, testing},
    ws::testing::{frame, frames},
};

fn joined() -> Rig {
    let mut rig = Rig::new(Version::V2);
    rig.join("1", "swarm:s");
    rig
}

/// The response of the one answer.
#[track_caller]
fn ask(rig: &mut Rig, event: &str, payload: &Value) -> Value {
    let frames = rig.say(&json!(["1", "2", "swarm:s", event, payload]));
    let [answer] = frames.as_slice() else { panic!("{event}: {frames:?}") };
    assert_eq!((&answer[0], &answer[1], &answer[3]), (&json!("1"), &json!("2"), &json!("phx_reply")));
    assert_eq!(answer[4]["status"], if answer[4]["response"]["reason"].is_null() { "ok" } else { "error" });
    answer[4]["response"].clone()
}

fn ids(events: &Value) -> Vec<u64> {
    events.as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect()
}

#[test]
fn m10_a_task_is_sent_or_the_reason_is_told() {
    let mut rig = joined();
    for task in [json!("do it"), json!({"a": [1, null]}), json!(7), json!(false)] {
        let answer = ask(&mut rig, "send_task", &json!({"agent": "a", "task": task, "more": 1}));
        assert_eq!(answer, json!({"status": "sent"}));
        assert_eq!(rig.world.tasks.lock().unwrap().pop(), Some(("s".to_owned(), "a".to_owned(), task)));
    }
    let full = ask(&mut rig, "send_task", &json!({"agent": "full", "task": "x"}));
    assert_eq!(full, json!({"reason": "inbox_full"}));
}

#[test]
fn m10_the_status_is_the_swarms_or_not_found() {
    let mut rig = joined();
    for payload in [json!({}), json!(null), json!("x")] {
        assert_eq!(ask(&mut rig, "get_status", &payload), json!({"name": "s"}));
    }
    let binary = [&b"\0\x01\x01\x07\x0a"[..], b"12", b"swarm:s", b"get_status"].concat();
    assert_eq!(rig.send(0x82, &binary)[0][4]["response"], json!({"name": "s"}), "it reads no payload");
    rig.join("9", "swarm:kept");
    let answer = rig.say(&json!(["9", "10", "swarm:kept", "get_status", {}]));
    assert_eq!(answer[0][4], json!({"response": {"reason": "not_found"}, "status": "error"}));
}

#[test]
fn m10_a_subscription_is_answered_with_the_newest_fifty_oldest_first() {
    let mut rig = joined();
    let answer = ask(&mut rig, "subscribe_logs", &json!({}));
    assert_eq!(answer, json!({"subscribed": true, "agent": null, "recent_logs": []}));
    rig.join("1", "swarm:s");
    for at in 0..120 {
        rig.world.happen(if at % 2 == 0 { "s" } else { "t" }, if at % 4 == 0 { "a" } else { "b" });
    }
    rig.turn();
    let answer = ask(&mut rig, "subscribe_logs", &json!({"agent": null}));
    assert_eq!(ids(&answer["recent_logs"]), (10..60).map(|at| at * 2 + 1).collect::<Vec<_>>());
    let answer = ask(&mut rig, "subscribe_logs", &json!({"agent": "a"}));
    assert_eq!((&answer["agent"], &answer["subscribed"]), (&json!("a"), &json!(true)));
    assert_eq!(ids(&answer["recent_logs"]), (0..30).map(|at| at * 4 + 1).collect::<Vec<_>>());
    let first = &answer["recent_logs"][0];
    let fields: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 7, "{fields:?}");
    for field in ["id", "timestamp", "level", "agent", "event_type", "message", "metadata"] {
        assert!(first.get(field).is_some(), "{field}");
    }

    let answer = ask(&mut rig, "subscribe_events", &json!({}));
    assert_eq!((&answer["filters"], answer["recent_events"].as_array().unwrap().len()), (&json!({}), 50));
    assert_eq!(
        (&answer["recent_events"][0]["swarm"], &answer["recent_events"][0]["category"]),
        (&json!("s"), &json!("agent"))
    );
    for filters in
        [json!({"level": "warn"}), json!({"level": 7}), json!({"category": null}), json!({"event_type": ""})]
    {
        let answer = ask(&mut rig, "subscribe_events", &json!({ "filters": filters }));
        assert_eq!(answer, json!({"subscribed": true, "filters": filters, "recent_events": []}));
    }
    let filters = json!({"level": "info", "category": "agent", "event_type": "task_sent", "color": "red"});
    let answer = ask(&mut rig, "subscribe_events", &json!({ "filters": filters }));
    assert_eq!((&answer["filters"], ids(&answer["recent_events"]).len()), (&filters, 50));
    let answer = ask(&mut rig, "subscribe_logs", &json!({"agent": "no name"}));
    assert_eq!(answer, json!({"subscribed": true, "agent": "no name", "recent_logs": []}));
}

#[test]
fn an_answer_that_the_disk_could_not_be_read_for_says_that_it_is_incomplete() {
    let sent = |_| Draft::new(Name::TaskSent, "x").swarm("s").agent("a");
    let hub = testing::on_disk((0..3).map(sent));
    let mut rig = Rig::of(World::of(hub), Version::V2);
    rig.join("1", "swarm:s");
    let hub = rig.world.hub.clone();
    let held = testing::hold(&hub);
    hub.publish(sent(4));
    for (event, list) in [("subscribe_events", "recent_events"), ("subscribe_logs", "recent_logs")] {
        let answer = ask(&mut rig, event, &json!({}));
        assert_eq!((ids(&answer[list]), &answer["incomplete"]), (vec![4], &json!(true)));
    }
    drop(held);
    for (event, list) in [("subscribe_events", "recent_events"), ("subscribe_logs", "recent_logs")] {
        let answer = ask(&mut rig, event, &json!({}));
        assert_eq!((ids(&answer[list]), answer.get("incomplete")), (vec![1, 2, 3, 4], None));
    }
}

/// Each may wait for others who read: the rest has its turn between two of them.
#[test]
fn one_subscription_is_answered_in_a_turn() {
    let mut rig = joined();
    let subscribe = json!(["1", "2", "swarm:s", "subscribe_logs", {}]).to_string();
    for _ in 0..3 {
        rig.machine.receive(&frame(0x81, subscribe.as_bytes()), rig.now);
    }
    for answers in 1..=3 {
        rig.machine.turn(&mut rig.session, rig.now);
        let bytes: Vec<u8> = rig.machine.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(frames(&bytes).len(), answers);
        assert!(rig.machine.is_ready(), "the rest comes at once");
    }
}

#[test]
fn m10_a_filter_of_errors_is_pushed_errors_alone() {
    let mut rig = joined();
    ask(&mut rig, "subscribe_events", &json!({"filters": {"level": "error"}}));
    let publish = |rig: &Rig, name, swarm: &str| {
        rig.world.hub.publish(Draft::new(name, "x").swarm(swarm).agent("a"));
    };
    publish(&rig, Name::TaskSent, "s");
    publish(&rig, Name::AgentError, "s");
    publish(&rig, Name::AgentError, "t");
    publish(&rig, Name::InboxFull, "s");
    let pushed = rig.turn();
    let [event] = pushed.as_slice() else { panic!("{pushed:?}") };
    assert_eq!((&event[3], &event[4]["event_type"]), (&json!("event"), &json!("agent_error")));
    // A second set that matches as well changes nothing; the last word takes all of them away.
    ask(&mut rig, "subscribe_events", &json!({"filters": {"category": "agent"}}));
    ask(&mut rig, "subscribe_logs", &json!({"agent": "b"}));
    publish(&rig, Name::AgentError, "s");
    publish(&rig, Name::TaskSent, "s");
    assert_eq!(rig.turn().len(), 2);
    let answer = ask(&mut rig, "unsubscribe_events", &json!("ignored"));
    assert_eq!(answer, json!({"unsubscribed": true}));
    publish(&rig, Name::AgentError, "s");
    assert_eq!(rig.turn(), [] as [Value; 0]);
    rig.world.happen("s", "b");
    assert_eq!(rig.turn().len(), 1, "logs stay");
}

#[test]
fn m10_an_agents_log_and_everybodys_are_two_subscriptions() {
    let mut rig = joined();
    ask(&mut rig, "subscribe_logs", &json!({"agent": "a"}));
    ask(&mut rig, "subscribe_logs", &json!({}));
    let pushed = |rig: &mut Rig, agent: &str| {
        let id = rig.world.happen("s", agent);
        let frames = rig.turn();
        assert!(frames.iter().all(|frame| (&frame[3], &frame[4]["id"]) == (&json!("log_entry"), &json!(id))));
        frames.len()
    };
    assert_eq!((pushed(&mut rig, "a"), pushed(&mut rig, "b")), (1, 1), "each once");
    let answer = ask(&mut rig, "unsubscribe_logs", &json!({}));
    assert_eq!(answer, json!({"unsubscribed": true, "agent": null}));
    assert_eq!((pushed(&mut rig, "a"), pushed(&mut rig, "b")), (1, 0));
    let answer = ask(&mut rig, "unsubscribe_logs", &json!({"agent": "a"}));
    assert_eq!(answer, json!({"unsubscribed": true, "agent": "a"}));
    ask(&mut rig, "unsubscribe_logs", &json!({"agent": "nobody"}));
    assert_eq!((pushed(&mut rig, "a"), pushed(&mut rig, "b")), (0, 0));
}

#[test]
fn subscriptions_of_one_topic_are_bounded() {
    let mut rig = joined();
    for at in 0..limits::CHANNEL_SUBSCRIPTIONS {
        let answer = ask(&mut rig, "subscribe_logs", &json!({"agent": format!("a{at}")}));
        assert_eq!(answer["subscribed"], true);
        let name = Name::ALL[at].as_str();
        let answer = ask(&mut rig, "subscribe_events", &json!({"filters": {"event_type": name}}));
        assert_eq!(answer["subscribed"], true);
    }
    let full = json!({"reason": "too_many_subscriptions"});
    assert_eq!(ask(&mut rig, "subscribe_logs", &json!({})), full);
    assert_eq!(ask(&mut rig, "subscribe_events", &json!({})), full);
    assert_eq!(
        ask(&mut rig, "subscribe_logs", &json!({"agent": "a3"}))["subscribed"],
        true,
        "it is one of them"
    );
    let name = Name::ALL[3].as_str();
    for _ in 0..100 {
        let again = ask(&mut rig, "subscribe_events", &json!({"filters": {"event_type": name}}));
        assert_eq!(again["subscribed"], true, "it is one of them");
    }
    assert_eq!(rig.session.held(), (1, limits::CHANNEL_SUBSCRIPTIONS));
    ask(&mut rig, "unsubscribe_logs", &json!({"agent": "a3"}));
    assert_eq!(ask(&mut rig, "subscribe_logs", &json!({}))["subscribed"], true);
    for at in 0..1_000 {
        ask(&mut rig, "subscribe_logs", &json!({"agent": format!("no name {at}")}));
        ask(&mut rig, "subscribe_events", &json!({"filters": {"level": at}}));
    }
}
