//! The one stream: what followers are told, in which order, and what they are told they missed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::*;

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn pushes(batch: &Batch) -> Vec<(&'static str, Value)> {
    let pushed = batch.entries.iter().filter_map(|entry| entry.pushed());
    pushed.map(|(name, payload)| (name, serde_json::from_str(payload).unwrap())).collect()
}

/// Spec genswarms D.6.
#[test]
fn m10_each_push_has_its_name_and_payload_and_comes_from_one_entry() {
    let (hub, _) = hub();
    let mut followed = follow(&hub);
    let draft = |name: Name| Draft::new(name, "x").swarm("s");
    let routed = |name: Name, to: Value| draft(name).with("from", "a").with("to", to);
    hub.publish(routed(Name::MessageRouted, json!("b")).with_preview("content_preview", "hi"));
    hub.publish(
        routed(Name::MessageRouted, json!("o")).with("type", "ask").with_preview("content_preview", "?"),
    );
    hub.publish(routed(Name::MessageBroadcast, json!(["b", "c"])).with_preview("content_preview", "all"));
    hub.publish(draft(Name::SwarmStarted));
    hub.publish(draft(Name::SwarmError));
    hub.publish(draft(Name::SwarmStopped));
    hub.publish(draft(Name::AgentAdded).agent("a").pushing(Push::Added { spec: json!({"name": "a"}) }));
    hub.publish(draft(Name::AgentRemoved).agent("a"));
    hub.publish(draft(Name::TopologyChanged));
    hub.publish(draft(Name::Stdout).agent("a").pushing(Push::Output { content: "all \"of\" it\n".into() }));
    hub.publish(draft(Name::Stdout).agent("a"));
    hub.tell(&name("s"), &name("a"), Push::State { state: "idle" });
    hub.publish(draft(Name::TaskSent).agent("a"));
    let batch = followed.next(usize::MAX);
    let routed = |to: Value, sort: &str, preview: &str| {
        json!({"timestamp": "1970-01-12T13:46:40.000000Z", "swarm": "s", "from": "a", "to": to, "type": sort,
               "content_preview": preview})
    };
    assert_eq!(
        pushes(&batch),
        [
            ("message_routed", routed(json!("b"), "direct", "hi")),
            ("message_routed", routed(json!("o"), "ask", "?")),
            ("message_broadcast", routed(json!(["b", "c"]), "broadcast", "all")),
            ("swarm_started", json!({"status": "running"})),
            ("swarm_started", json!({"status": "error"})),
            ("swarm_stopped", json!({})),
            ("agent_added", json!({"name": "a", "spec": {"name": "a"}})),
            ("agent_removed", json!({"name": "a"})),
            ("topology_changed", json!({})),
            ("agent_output", json!({"agent": "a", "content": "all \"of\" it\n"})),
            ("agent_status", json!({"agent": "a", "state": "idle"})),
        ]
    );
    assert!(batch.entries.iter().all(|entry| entry.swarm() == Some("s")));
    assert_eq!(
        batch.entries.iter().map(|entry| entry.at()).collect::<Vec<_>>(),
        (1..=13).collect::<Vec<_>>()
    );
    let ids = batch.entries.iter().map(|entry| entry.event().map(|event| event.id));
    let wanted = (1..=11).map(Some).chain([None, Some(12)]);
    assert_eq!(ids.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

/// Spec genswarms B.2, D.5.
#[test]
fn m10_an_entry_of_the_log_is_an_event_without_category_and_swarm() {
    let (hub, _) = hub();
    let mut followed = follow(&hub);
    hub.publish(Draft::new(Name::TaskSent, "a \"task\"").swarm("s").agent("a").with("n", 1));
    let batch = followed.next(9);
    let text = |text: Option<&str>| serde_json::from_str::<Value>(text.unwrap()).unwrap();
    let mut event = text(batch.entries[0].event_json());
    assert_eq!(event, batch.entries[0].event().unwrap().to_value());
    let fields = event.as_object_mut().unwrap();
    assert_eq!((fields.remove("category"), fields.remove("swarm")), (Some(json!("agent")), Some(json!("s"))));
    assert_eq!(text(batch.entries[0].log_json()), event);
}

fn output(text: &Arc<str>) -> Draft {
    let push = Push::Output { content: Arc::clone(text) };
    Draft::new(Name::Stdout, "x").swarm("s").agent("a").pushing(push)
}

#[test]
fn what_nobody_follows_is_not_kept_for_anybody() {
    let (hub, _) = hub();
    let text: Arc<str> = "whole".into();
    let counted = || Arc::strong_count(&text);
    let tell = || {
        hub.publish(output(&text));
        hub.tell(&name("s"), &name("a"), Push::Output { content: Arc::clone(&text) });
    };
    tell();
    // Who follows the events is told of no texts: for him none are kept.
    let mut events = hub.follow(Arc::new(Wake::new().unwrap()));
    tell();
    assert_eq!((place(&hub), events.next(9).entries.len(), counted()), (2, 1, 1));
    let mut followed = follow(&hub);
    tell();
    assert_eq!((place(&hub), counted()), (4, 3));
    assert_eq!((events.next(9).entries.len(), pushes(&followed.next(9)).len()), (2, 2));
    let other = follow(&hub);
    drop(followed);
    assert_eq!((hub.ring().texts().0, counted()), (2, 3), "somebody is there who may want them");
    drop(other);
    assert_eq!((hub.ring().texts(), counted()), ((0, 0), 1));
    tell();
    assert_eq!((place(&hub), events.next(9).entries.len(), counted()), (5, 1, 1));
}

#[test]
fn whole_texts_make_room_for_each_other_and_leave_the_events_alone() {
    const TEXTS: usize = 300;
    let (hub, _) = hub();
    let mut followed = follow(&hub);
    let state = || hub.tell(&name("s"), &name("a"), Push::State { state: "idle" });
    for _ in 0..50 {
        hub.publish(Draft::new(Name::AgentRemoved, "x").swarm("quiet").agent("b"));
        state();
    }
    let text: Arc<str> = "\u{1}".repeat(100_000).into();
    for _ in 0..TEXTS {
        hub.publish(output(&text));
        assert!((Arc::strong_count(&text) - 1) * 7 * 100_000 <= limits::SWARM_TEXTS_BYTES);
    }
    state();
    assert_eq!(newest(&hub, &Filter::default(), usize::MAX).len(), 50 + TEXTS);
    let batch = followed.next(usize::MAX);
    assert_eq!((batch.missed, batch.entries.len()), (0, 100 + TEXTS + 1), "only texts went");
    let (said, others): (Vec<_>, Vec<_>) = batch
        .entries
        .iter()
        .partition(|entry| entry.event().is_some_and(|event| event.draft.event_type == Name::Stdout));
    assert!(others.iter().all(|entry| entry.pushed().is_some() && !entry.is_without_text()));
    let (gone, kept) = said.split_at(said.iter().filter(|entry| entry.is_without_text()).count());
    assert!(gone.iter().all(|entry| entry.is_without_text() && entry.pushed().is_none()), "the oldest go");
    let bytes: usize = kept.iter().map(|entry| 100_000 + entry.pushed().unwrap().1.len()).sum();
    assert!(bytes > limits::SWARM_TEXTS_BYTES - 1_000_000 && bytes <= limits::SWARM_TEXTS_BYTES, "{bytes}");
    // What is forgotten takes no room any more, and neither does what left with its event.
    hub.clear().unwrap();
    assert_eq!((hub.ring().texts(), Arc::strong_count(&text)), ((0, 0), 1 + kept.len()));
    drop(batch);
    assert_eq!(Arc::strong_count(&text), 1);
    for _ in 0..10 {
        hub.publish(output(&text));
    }
    for _ in 0..limits::SWARM_EVENTS {
        hub.publish(Draft::new(Name::TaskSent, "x"));
    }
    assert_eq!((hub.ring().texts(), Arc::strong_count(&text)), ((0, 0), 1));
    // One alone may take all of it.
    hub.publish(output(&"x".repeat(limits::SWARM_TEXTS_BYTES).into()));
    let last = followed.next(usize::MAX).entries.pop().unwrap();
    assert!(last.is_without_text() && last.event().is_some() && hub.ring().texts() == (0, 0));
}

#[test]
fn a_slow_follower_is_told_of_the_exact_gap_and_goes_on() {
    let (hub, _) = hub();
    let (mut slow, mut quick) = (follow(&hub), follow(&hub));
    let publish = |count: usize| {
        for _ in 0..count {
            hub.publish(Draft::new(Name::TaskSent, "x"));
        }
    };
    publish(5);
    assert_eq!((slow.next(2).entries.len(), quick.next(9).entries.len()), (2, 5));
    publish(limits::SWARM_EVENTS);
    let batch = slow.next(3);
    assert_eq!((batch.missed, batch.entries[0].at(), batch.entries.len()), (3, 6, 3));
    slow.back_to(7);
    assert_eq!((slow.next(3).entries[0].at(), slow.next(1).entries[0].at()), (7, 10));
    slow.back_to(9);
    slow.back_to(11);
    assert_eq!(slow.next(1).entries[0].at(), 9);
    assert_eq!((quick.next(1).missed, quick.next(1).entries[0].at()), (0, 7));
    publish(9);
    hub.clear().unwrap();
    assert_eq!(slow.next(9).missed, limits::SWARM_EVENTS as u64 + 5);
    publish(1);
    let batch = slow.next(9);
    assert_eq!((batch.missed, batch.entries.len()), (0, 1));
    assert_eq!(batch.entries[0].at(), place(&hub));
}

/// However many publish: everything once, in one order for all, and numbers as the order is.
#[test]
fn a_page_does_not_pass_over_what_has_left_the_memory() {
    let (hub, _) = hub();
    (0..limits::SWARM_EVENTS + 10).for_each(|_| {
        hub.publish(Draft::new(Name::TaskSent, "x"));
    });
    let (gone, last) = hub.kept();
    assert_eq!((gone, last - gone), (10, limits::SWARM_EVENTS as u64));
    // Whoever has looked so far must look again, and not go on behind what he has not seen.
    assert_eq!(hub.place_after(gone - 1), None);
    assert_eq!(hub.place_after(gone), Some(11));
    assert_eq!(hub.place_after(last), Some(place(&hub) + 1));
}

#[test]
fn followers_are_told_nothing_twice_and_nothing_out_of_order() {
    const EACH: u64 = 2_000;
    let (hub, _) = hub();
    let over = AtomicBool::new(false);
    let publisher = |who: u64| {
        let (hub, swarm, agent) = (hub.clone(), name("s"), name("a"));
        move || {
            for n in 0..EACH {
                hub.publish(Draft::new(Name::TaskSent, "x").with("who", who).with("n", n));
                hub.tell(&swarm, &agent, Push::State { state: "idle" });
            }
        }
    };
    let follower = || {
        let wake = Arc::new(Wake::new().unwrap());
        let mut followed = hub.follow_pushes(wake.clone());
        let over = &over;
        move || {
            let (mut seen, mut missed) = (Vec::new(), 0);
            loop {
                let last = over.load(Ordering::SeqCst);
                poll(&mut [poll::Entry::new(wake.as_fd(), true, false)], Some(Duration::from_millis(5)))
                    .unwrap();
                wake.clear();
                loop {
                    let batch = followed.next(64);
                    missed += batch.missed;
                    if batch.entries.is_empty() {
                        break;
                    }
                    seen.extend(batch.entries);
                }
                if last {
                    return (seen, missed);
                }
            }
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let followers: Vec<_> = (0..4).map(|_| scope.spawn(follower())).collect();
        let publishers: Vec<_> = (0..4).map(|who| scope.spawn(publisher(who))).collect();
        publishers.into_iter().for_each(|thread| thread.join().unwrap());
        over.store(true, Ordering::SeqCst);
        followers.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (seen, missed) in results {
        assert_eq!(seen.len() as u64 + missed, 4 * EACH * 2);
        assert!(seen.windows(2).all(|pair| pair[0].at() < pair[1].at()));
        let events: Vec<_> = seen.iter().filter_map(|entry| entry.event()).collect();
        assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id));
        for who in 0..4 {
            let mine = events.iter().filter(|event| event.draft.metadata["who"] == json!(who));
            let mine: Vec<_> = mine.map(|event| event.draft.metadata["n"].as_u64().unwrap()).collect();
            assert!(mine.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}

#[test]
fn agent_tokens_are_in_no_push() {
    let (hub, _) = hub();
    let token = format!("lga_{}", "0123456789abcdef".repeat(4));
    let mut followed = follow(&hub);
    let draft = Draft::new(Name::Stdout, "x").swarm("s").agent("a");
    hub.publish(draft.clone().pushing(Push::Output { content: format!("say {token}").into() }));
    hub.publish(draft.clone().pushing(Push::Added { spec: json!({"model": token, &token: [token]}) }));
    hub.tell(&name("s"), &name("a"), Push::Output { content: token.as_str().into() });
    for entry in followed.next(9).entries {
        let (_, payload) = entry.pushed().unwrap();
        assert!(!payload.contains("0123") && payload.contains("[agent token]"), "{payload}");
    }
}
