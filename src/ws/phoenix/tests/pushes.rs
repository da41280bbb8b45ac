//! What is pushed (spec genswarms D.6): each once, in the stream's order, and to whom.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::{Version, testing::Rig};
use crate::{
    limits,
    swarm::events::{Draft, Name, Push},
};

/// Topic and number of each `event` that was pushed.
fn events(frames: &[Value]) -> Vec<(String, u64)> {
    let pushed = frames.iter().filter(|frame| frame[3] == "event");
    pushed.map(|frame| (frame[2].as_str().unwrap().to_owned(), frame[4]["id"].as_u64().unwrap())).collect()
}

/// The numbers in a list of events, where it is one.
fn ids(events: &Value) -> Vec<u64> {
    events.as_array().into_iter().flatten().map(|event| event["id"].as_u64().unwrap()).collect()
}

fn subscribed(topics: &[&str]) -> Rig {
    let mut rig = Rig::new(Version::V2);
    for topic in topics {
        rig.join("1", topic);
        rig.say(&json!(["1", "2", topic, "subscribe_events", {}]));
    }
    rig
}

#[test]
fn m10_each_event_is_pushed_once_and_in_order_to_its_topic_alone() {
    let mut rig = subscribed(&["swarm:s", "swarm:t"]);
    // Twice subscribed, by a log as well, and one topic that is joined anew: nothing comes twice.
    rig.say(&json!(["1", "3", "swarm:s", "subscribe_events", {}]));
    rig.say(&json!(["1", "3", "swarm:s", "subscribe_events", {"filters": {"level": "info"}}]));
    rig.say(&json!(["1", "3", "swarm:s", "subscribe_logs", {"agent": "nobody"}]));
    let mut told = Vec::new();
    let mut wanted = Vec::new();
    for at in 0..2_000_usize {
        let swarm = ["s", "t", "elsewhere"][at % 3];
        let id = rig.world.happen(swarm, "a");
        if swarm != "elsewhere" {
            wanted.push((format!("swarm:{swarm}"), id));
        }
        if at % 37 == 0 {
            rig.takes = at * 7 % 3_000;
            told.extend(events(&rig.turn()));
        }
    }
    rig.takes = usize::MAX;
    told.extend(events(&rig.turn()));
    assert_eq!(told, wanted);
}

/// The client takes nothing from here on, and the stream has more than was pushed.
fn fall_behind(rig: &mut Rig) {
    rig.takes = 0;
    rig.world.hub.publish(
        Draft::new(Name::Stdout, "x")
            .swarm("t")
            .agent("a")
            .pushing(Push::Output { content: "x".repeat(200_000).into() }),
    );
    rig.turn();
}

#[test]
fn m10_an_event_is_in_the_answer_of_a_subscription_or_pushed_behind_it() {
    let mut rig = subscribed(&["swarm:t"]);
    rig.join("1", "swarm:s");
    fall_behind(&mut rig);
    let before: Vec<u64> = (0..60).map(|_| rig.world.happen("s", "a")).collect();
    rig.say(&json!(["1", "9", "swarm:s", "subscribe_events", {}]));
    rig.say(&json!(["1", "8", "swarm:s", "subscribe_logs", {}]));
    let behind: Vec<u64> = (0..30).map(|_| rig.world.happen("s", "a")).collect();
    rig.takes = usize::MAX;
    let frames = rig.turn();
    for (own, list, event) in [("9", "recent_events", "event"), ("8", "recent_logs", "log_entry")] {
        let answer = frames.iter().find(|frame| frame[1] == own).unwrap();
        assert_eq!(ids(&answer[4]["response"][list]), before[10..]);
        let pushed = frames.iter().filter(|frame| frame[2] == "swarm:s" && frame[3] == event);
        assert_eq!(pushed.map(|frame| frame[4]["id"].as_u64().unwrap()).collect::<Vec<_>>(), behind);
    }
}

/// What happens elsewhere is passed by, however much it is.
#[test]
fn what_happens_behind_much_of_another_swarm_is_pushed_at_once() {
    let mut rig = subscribed(&["swarm:s"]);
    (0..5_000).for_each(|_| _ = rig.world.happen("elsewhere", "a"));
    let id = rig.world.happen("s", "a");
    assert_eq!(events(&rig.turn()), [("swarm:s".to_owned(), id)]);
}

/// Whatever was subscribed before, and however often: what is still to be pushed is in no answer.
#[test]
fn m10_who_subscribes_again_is_given_each_event_once() {
    subscribes_again(&[("subscribe_logs", json!({"agent": "a"}))]);
    subscribes_again(&[("subscribe_logs", json!({"agent": "a"})), ("subscribe_logs", json!({}))]);
}

#[track_caller]
fn subscribes_again(again: &[(&str, Value)]) {
    let mut rig = subscribed(&["swarm:t", "swarm:s"]);
    rig.say(&json!(["1", "3", "swarm:s", "subscribe_logs", {"agent": "a"}]));
    fall_behind(&mut rig);
    let happened: Vec<u64> = (0..30).map(|_| rig.world.happen("s", "a")).collect();
    let events =
        [("subscribe_events", json!({})), ("subscribe_events", json!({"filters": {"level": "info"}}))];
    for (event, payload) in events.iter().chain(again) {
        rig.say(&json!(["1", "9", "swarm:s", event, payload]));
    }
    let more: Vec<u64> = (0..3).map(|_| rig.world.happen("s", "a")).collect();
    rig.takes = usize::MAX;
    let frames = rig.turn();
    for (kind, list) in [("event", "recent_events"), ("log_entry", "recent_logs")] {
        let mut seen: Vec<u64> = frames
            .iter()
            .filter(|frame| frame[2] == "swarm:s")
            .flat_map(|frame| match frame[3] == kind {
                true => vec![frame[4]["id"].as_u64().unwrap()],
                false => ids(&frame[4]["response"][list]),
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [happened.clone(), more.clone()].concat(), "{kind}");
    }
    let frames = rig.say(&json!(["1", "10", "swarm:s", "subscribe_events", {}]));
    assert_eq!(
        ids(&frames[0][4]["response"]["recent_events"]).len(),
        33,
        "those that were pushed are recent"
    );
}

#[test]
fn m10_a_joined_topic_gets_what_happens_from_then_on() {
    let mut rig = subscribed(&["swarm:t"]);
    fall_behind(&mut rig);
    rig.world.tell("s", "a", "working");
    rig.join("1", "swarm:s");
    rig.world.tell("s", "a", "idle");
    rig.takes = usize::MAX;
    let states: Vec<Value> = rig
        .turn()
        .into_iter()
        .filter(|frame| frame[3] == "agent_status")
        .map(|frame| frame[4].clone())
        .collect();
    assert_eq!(states, [json!({"agent": "a", "state": "idle"})]);
}

/// The names and payloads of D.6, each made by what happens in a swarm.
#[test]
fn m10_what_happens_is_pushed_as_clients_know_it() {
    let mut rig = Rig::new(Version::V2);
    rig.join("1", "swarm:s");
    let publish = |draft: Draft| rig.world.hub.publish(draft.swarm("s"));
    publish(Draft::new(Name::SwarmStarted, "swarm s started").with("status", "running"));
    publish(
        Draft::new(Name::AgentAdded, "agent b added")
            .agent("b")
            .pushing(Push::Added { spec: json!({"name": "b", "backend": "mock"}) }),
    );
    publish(Draft::new(Name::Stdout, "a").agent("a").pushing(Push::Output { content: "said\n".into() }));
    publish(Draft::new(Name::AgentRemoved, "agent b removed").agent("b"));
    publish(Draft::new(Name::TopologyChanged, "edges"));
    publish(Draft::new(Name::SwarmStopped, "swarm s stopped"));
    rig.world.tell("s", "a", "working");
    let pushed: Vec<(Value, Value)> =
        rig.turn().into_iter().map(|frame| (frame[3].clone(), frame[4].clone())).collect();
    let wanted = [
        ("swarm_started", json!({"status": "running"})),
        ("agent_added", json!({"name": "b", "spec": {"name": "b", "backend": "mock"}})),
        ("agent_output", json!({"agent": "a", "content": "said\n"})),
        ("agent_removed", json!({"name": "b"})),
        ("topology_changed", json!({})),
        ("swarm_stopped", json!({})),
        ("agent_status", json!({"agent": "a", "state": "working"})),
    ];
    assert_eq!(pushed, wanted.map(|(name, payload)| (json!(name), payload)));
}

#[test]
fn a_slow_client_is_told_of_a_gap_on_each_topic_and_stays() {
    let mut rig = subscribed(&["swarm:s", "swarm:t"]);
    rig.takes = 0;
    for _ in 0..limits::SWARM_EVENTS / 2 {
        rig.world.happen("s", "a");
    }
    rig.world.happen("t", "b");
    for _ in 0..limits::SWARM_EVENTS / 2 + 500 {
        rig.world.happen("s", "a");
    }
    rig.turn();
    for _ in 0..limits::SWARM_EVENTS {
        rig.world.happen("s", "a");
    }
    rig.now += limits::WS_STALL_MS - 1;
    rig.takes = usize::MAX;
    let frames = rig.turn();
    assert_eq!(rig.closed, None);
    let gaps: Vec<(Value, u64)> = frames
        .iter()
        .filter(|frame| frame[3] == "gap")
        .map(|frame| (frame[2].clone(), frame[4]["missed"].as_u64().unwrap()))
        .collect();
    let pushed = events(&frames);
    let first = gaps.first().unwrap().1;
    let (ours, theirs): (Vec<_>, Vec<_>) = gaps.iter().partition(|(topic, _)| topic == "swarm:s");
    let missed = |gaps: &[&(Value, u64)]| gaps.iter().map(|(_, missed)| missed).sum::<u64>();
    assert_eq!(missed(&theirs), 1, "each topic is told of its own swarm");
    let missed = missed(&ours);
    assert_eq!(pushed.len() as u64 + missed, 2 * limits::SWARM_EVENTS as u64 + 500);
    assert!(pushed.is_sorted());
    let at = frames.iter().position(|frame| frame[3] == "gap").unwrap();
    assert!(frames[at..].iter().all(|frame| frame[3] != "event" || frame[4]["id"].as_u64() > Some(first)));
}

/// A text that made room for others is missed where it was, and nothing else of its turn is.
#[test]
fn a_text_that_is_kept_no_more_is_a_gap_in_its_place() {
    let mut rig = subscribed(&["swarm:s", "swarm:t"]);
    let text: Arc<str> = "x".repeat(limits::SWARM_TEXTS_BYTES / 32).into();
    let say = |rig: &Rig, swarm: &str, content: &Arc<str>| {
        let push = Push::Output { content: Arc::clone(content) };
        rig.world.hub.publish(Draft::new(Name::Stdout, "x").swarm(swarm).agent("a").pushing(push));
    };
    say(&rig, "t", &text);
    rig.world.happen("t", "b");
    say(&rig, "s", &text);
    say(&rig, "s", &"short".into());
    (0..15).for_each(|_| say(&rig, "s", &text));
    let seen = |frames: &[Value], topic: &str| -> Vec<String> {
        let ours = frames.iter().filter(|frame| frame[2] == topic && frame[3] != "log_entry");
        let word = |frame: &Value| match frame[3].as_str() {
            Some("gap") => format!("gap {}", frame[4]["missed"]),
            Some("agent_output") => format!("text {}", frame[4]["content"].as_str().unwrap().len()),
            other => other.unwrap().to_owned(),
        };
        ours.map(word).collect()
    };
    let frames = rig.turn();
    let long = format!("text {}", text.len());
    assert_eq!(seen(&frames, "swarm:t"), ["gap 1", "event", "event"]);
    let (first, rest) = (["gap 1", "event", "event", "text 5"], ["event", long.as_str()].repeat(15));
    assert_eq!(seen(&frames, "swarm:s"), [&first[..], &rest].concat());
}

/// Over the bound of what may wait, where JSON escapes each byte of it.
fn say_much(rig: &Rig, swarm: &str) {
    let push = Push::Output { content: "\u{1b}".repeat(200_000).into() };
    rig.world.hub.publish(Draft::new(Name::Stdout, "x").swarm(swarm).agent("a").pushing(push));
}

#[test]
fn a_text_over_all_that_may_wait_comes_with_its_event_and_log_entry() {
    let mut rig = subscribed(&["swarm:s"]);
    rig.say(&json!(["1", "3", "swarm:s", "subscribe_logs", {}]));
    (0..3).for_each(|_| say_much(&rig, "s"));
    let names: Vec<Value> = rig.turn().into_iter().map(|frame| frame[3].clone()).collect();
    assert_eq!(names, ["log_entry", "event", "agent_output"].repeat(3));
    assert_eq!(rig.closed, None);
}

#[test]
fn a_gap_of_one_topic_waits_behind_a_text_of_another() {
    let mut rig = subscribed(&["swarm:s", "swarm:t"]);
    rig.takes = 0;
    say_much(&rig, "s");
    rig.turn();
    rig.world.happen("t", "b");
    (1..limits::SWARM_EVENTS).for_each(|_| _ = rig.world.happen("elsewhere", "a"));
    say_much(&rig, "s");
    rig.takes = usize::MAX;
    let frames = rig.turn();
    let seen: Vec<(&Value, &Value)> = frames.iter().map(|frame| (&frame[2], &frame[3])).collect();
    let (s, t) = (json!("swarm:s"), json!("swarm:t"));
    let [event, output, gap] = ["event", "agent_output", "gap"].map(|name| json!(name));
    assert_eq!(seen, [(&s, &event), (&s, &output), (&s, &event), (&s, &output), (&t, &gap)]);
    assert_eq!((frames[4][4]["missed"].as_u64(), rig.closed), (Some(1), None));
}

#[test]
fn a_client_that_takes_nothing_is_cut_off_at_the_stall() {
    let mut rig = subscribed(&["swarm:s"]);
    rig.takes = 0;
    rig.world.happen("s", "a");
    rig.turn();
    rig.now += limits::WS_STALL_MS;
    rig.turn();
    assert!(rig.machine.end().is_some());
}

/// What waits for a client that reads nothing is bounded, whatever happens meanwhile.
#[test]
fn what_waits_for_a_slow_client_is_bounded() {
    let mut rig = subscribed(&["swarm:s"]);
    rig.takes = 0;
    for _ in 0..300 {
        let output = Push::Output { content: "x".repeat(100_000).into() };
        rig.world.hub.publish(Draft::new(Name::Stdout, "x").swarm("s").agent("a").pushing(output));
        rig.turn();
    }
    let waits: usize = rig.machine.slices().iter().map(|slice| slice.len()).sum();
    assert!(waits < 300_000, "{waits}");
    rig.takes = usize::MAX;
    assert!(rig.turn().iter().any(|frame| frame[3] == "gap"));
}
