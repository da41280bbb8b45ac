//! The swarm channel as the clients see it that exist: `phoenix` 1.7 and 1.8 from npm, under node with
//! `ws`, with the frames of the second version and of the first.
//!
//! Each client is a process that is told what to do and prints what it saw; what that must be stands
//! here. Without node they say `skipped: node missing`.

#[path = "support/clients.rs"]
mod clients;
mod support;

use std::{collections::BTreeMap, path::Path};

use clients::{ANSWERING, Client, VERSIONS, clients, port};
use serde_json::{Value, json};
use support::Instance;

/// Every character that a token may have and an URL may not, and an escape that must stay one.
const TOKEN: &str = "to+ken/%41=&?#\"<>\\^`{|}~'end";

/// A swarm of a process, an object that fails when it is told something, and two agents without a process.
fn swarm(name: &str) -> Value {
    let mock =
        |name: &str, script: Value| json!({"name": name, "backend": "mock", "config": {"script": script}});
    json!({
        "name": name, "autostart": true,
        "agents": [
            {"name": "researcher", "backend": "local", "config": {"command": ["/bin/sh", "-c", ANSWERING]}},
            mock("loud", json!([["@near: {content}", "loud {content}"]])), mock("near", json!([["near {content}"]])),
        ],
        "objects": [{"name": "broken", "handler": {"command": ["/bin/sh", "-c", "read line; exit 3"]}}],
        "topology": [["loud", "near"], ["researcher", "broken"]],
    })
}

/// An instance in which these swarms run, and the header that opens it.
fn serving(env: &[(&str, &str)], swarms: &[&str]) -> Instance {
    let instance = Instance::start_with(env, &[]);
    for name in swarms {
        post(&instance, env, "", &json!({"config": swarm(name)}), 201);
    }
    instance
}

#[track_caller]
fn post(instance: &Instance, env: &[(&str, &str)], path: &str, body: &Value, status: u16) {
    let token = env.iter().find(|(name, _)| *name == "GENSWARMS_API_TOKEN");
    let bearer = token.map(|(_, token)| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", &**bearer)).collect();
    let answer = instance.call_as(&headers, "POST", &format!("/api/swarms{path}"), body);
    assert_eq!(answer.status, status, "{path}: {:?}", String::from_utf8_lossy(&answer.body));
}

/// Both versions of the client, with both versions of the frames.
fn each(clients: &Path, instance: &Instance, mut promise: impl FnMut(Client, Value)) {
    for version in VERSIONS {
        for first in [false, true] {
            let name = format!("phoenix {version}, frames of version {}", if first { 1 } else { 2 });
            println!("{name}");
            promise(Client::start(clients, version, instance.address), json!({"first": first}));
        }
    }
}

#[track_caller]
fn joined(client: &mut Client, name: &str, swarm: &str) {
    client.tell(&json!(["join", name, format!("swarm:{swarm}")]));
    assert_eq!(client.word(&["joined", name])[2], json!({"swarm": swarm}));
}

/// Has an agent say something, and waits until this channel brought it.
#[track_caller]
fn works(client: &mut Client, name: &str, word: &str) {
    client.tell(&json!(["push", name, "send_task", {"agent": "near", "task": word}, word]));
    assert_eq!(client.word(&["ok", word])[2], json!({"status": "sent"}));
    let said = json!({"agent": "near", "content": format!("near {word}")});
    client.hears(word, |line| line[0] == "pushed" && line[1] == name && line[3] == said);
}

#[test]
fn the_documented_example_works_as_it_stands_with_both_clients() {
    let Some(clients) = clients() else { return };
    for version in VERSIONS {
        let instance = serving(&[], &["my-swarm"]);
        let mut client = Client::start(clients, version, instance.address);
        let what = json!({"swarm": "my-swarm", "agent": "researcher", "task": "Summarize."});
        client.tell(&json!(["example", what]));
        assert_eq!(client.word(&["joined"])[1], json!({"swarm": "my-swarm"}));
        assert_eq!(client.word(&["recent_events"])[1], json!([]), "nothing has failed yet");
        assert_eq!(client.word(&["task sent"])[1], json!({"status": "sent"}));
        let output = client.word(&["agent_output"]);
        assert_eq!(output[1]["agent"], "researcher");
        assert!(
            output[1]["content"].as_str().is_some_and(|text| text.contains("done: Summarize.")),
            "{output}"
        );
        for state in ["working", "idle"] {
            let status = json!({"agent": "researcher", "state": state});
            client.hears(state, |line| line[0] == "agent_status" && line[1] == status);
        }
        let message = json!({"from": "researcher", "to": "broken", "content": "fail"});
        post(&instance, &[], "/my-swarm/message", &message, 200);
        let event = client.word(&["event"])[1].clone();
        let keys =
            ["agent", "category", "event_type", "id", "level", "message", "metadata", "swarm", "timestamp"];
        assert_eq!(
            event.as_object().map(|event| event.keys().map(String::as_str).collect()),
            Some(keys.to_vec())
        );
        assert_eq!([&event["swarm"], &event["agent"]], ["my-swarm", "broken"]);
        let rest = client.end();
        let levels: Vec<&Value> =
            rest.iter().filter(|line| line[0] == "event").map(|line| &line[1]["level"]).collect();
        assert!(event["level"] == "error" && levels.iter().all(|level| *level == "error"), "{levels:?}");
        assert!(!rest.iter().any(|line| line[0] == "not joined" || line[0] == "task not sent"), "{rest:?}");
    }
}

#[test]
fn m10_a_join_of_what_is_not_there_is_told_as_its_error() {
    let Some(clients) = clients() else { return };
    let instance = serving(&[], &["a"]);
    each(clients, &instance, |mut client, how| {
        client.tell(&json!(["connect", how]));
        for (name, topic, reason) in [
            ("unknown", "swarm:nobody", "swarm_not_found"),
            ("elsewhere", "room:a", "unmatched topic"),
            ("empty", "swarm:", "swarm_not_found"),
        ] {
            client.tell(&json!(["join", name, topic]));
            assert_eq!(client.word(&["not joined", name])[2], json!({"reason": reason}), "{topic}");
        }
        joined(&mut client, "it", "a");
        works(&mut client, "it", "hello");
        client.end();
    });
}

#[test]
fn the_clients_bring_the_token_by_their_parameters_or_a_header_and_are_refused_without_it() {
    let Some(clients) = clients() else { return };
    let env = [("GENSWARMS_API_TOKEN", TOKEN)];
    let instance = serving(&env, &["a"]);
    each(clients, &instance, |mut client, how| {
        let with = |key: &str, value: Value| json!(["connect", {"first": how["first"], key: value}]);
        client.tell(&with("params", json!({"token": TOKEN})));
        joined(&mut client, "it", "a");
        works(&mut client, "it", "hello");
        client.end();
    });
    let bearer = |token: &str| json!({"headers": {"Authorization": format!("Bearer {token}")}});
    for version in VERSIONS {
        let start = || Client::start(clients, version, instance.address);
        let mut client = start();
        client.tell(&json!(["connect", bearer(TOKEN)]));
        joined(&mut client, "it", "a");
        client.end();

        // Decoded once: what is an escape in the token is none on the way.
        let decoded = TOKEN.replace("%41", "A");
        for wrong in [
            json!({}),
            json!({"params": {"token": decoded}}),
            json!({"params": {"token": ""}}),
            json!({"params": {"token": format!("{TOKEN}x")}}),
            json!({"params": {"token": "wrong"}}),
            bearer("wrong"),
        ] {
            let mut client = start();
            client.tell(&json!(["connect", wrong]));
            assert_eq!(client.word(&["failed"])[1], "Unexpected server response: 401", "{wrong}");
            assert!(client.end().iter().all(|line| line[0] != "open"), "{wrong}");
        }
    }
}

#[test]
fn m10_the_clients_heartbeat_is_answered_and_so_they_stay_connected() {
    let Some(clients) = clients() else { return };
    let instance = serving(&[], &["a"]);
    each(clients, &instance, |mut client, how| {
        client.tell(&json!(["connect", how]));
        client.word(&["open"]);
        // Before any join too: that is all a socket without a channel says.
        for _ in 0..3 {
            client.tell(&json!(["heartbeat"]));
            assert_eq!(
                client.word(&["heartbeat"]),
                json!(["heartbeat", {"status": "ok", "response": {}}, null])
            );
            // 30 seconds later the client looks whether its last one was answered, and connects anew if not.
            client.tell(&json!(["overdue"]));
            assert_eq!(client.word(&["state"])[1], "open");
        }
        joined(&mut client, "it", "a");
        works(&mut client, "it", "hello");
        let rest = client.end();
        assert!(rest.iter().all(|line| line[0] != "open" && line[0] != "failed"), "{rest:?}");
    });
}

#[test]
fn m10_what_was_left_brings_nothing_more_and_may_be_joined_again() {
    let Some(clients) = clients() else { return };
    let instance = serving(&[], &["a"]);
    each(clients, &instance, |mut client, how| {
        client.tell(&json!(["connect", how]));
        joined(&mut client, "it", "a");
        client.tell(&json!(["leave", "it"]));
        client.word(&["left", "it"]);
        client.word(&["channel closed", "it"]);
        client.word(&["phx_close", "swarm:a"]);
        joined(&mut client, "again", "a");
        works(&mut client, "again", "hello");
        let rest = client.end();
        let late = |line: &&Value| line[0] == "pushed" && line[1] == "it";
        assert_eq!(rest.iter().find(late), None);
    });
}

/// The client leaves by itself what it joins a second time. With the first frames it could not tell the
/// end of the old one from its own, whoever serves it, so this is about the second.
#[test]
fn m10_a_second_join_of_a_topic_takes_the_place_of_the_first() {
    let Some(clients) = clients() else { return };
    let instance = serving(&[], &["a"]);
    for version in VERSIONS {
        let mut client = Client::start(clients, version, instance.address);
        client.tell(&json!(["connect", {}]));
        joined(&mut client, "old", "a");
        client.tell(&json!(["push", "old", "subscribe_events", {}, "old"]));
        client.word(&["ok", "old"]);
        joined(&mut client, "new", "a");
        client.word(&["channel closed", "old"]);
        works(&mut client, "new", "hello");
        let rest = client.end();
        assert!(rest.iter().all(|line| line[0] != "channel failed"), "{rest:?}");
        let events = |line: &&Value| line[0] == "pushed" && line[1] == "new" && line[2] == "event";
        assert_eq!(rest.iter().find(events), None, "it has no subscription of its own");
    }
}

#[test]
fn m10_a_fault_on_one_topic_is_joined_again_by_the_client_and_leaves_the_others_alone() {
    let Some(clients) = clients() else { return };
    let instance = serving(&[], &["a", "b"]);
    each(clients, &instance, |mut client, how| {
        client.tell(&json!(["connect", how]));
        client.word(&["open"]);
        joined(&mut client, "a", "a");
        joined(&mut client, "b", "b");
        works(&mut client, "a", "one");
        works(&mut client, "b", "two");
        let faults = [
            json!(["push", "a", "no_such_event", {}, "x"]),
            json!(["push", "a", "send_task", {"agent": 1}, "x"]),
        ];
        for (at, fault) in faults.iter().enumerate() {
            client.tell(fault);
            client.word(&["channel failed", "a"]);
            works(&mut client, "b", &format!("meanwhile {at}"));
            // By its own timer, a second later.
            assert_eq!(client.word(&["joined", "a"])[2], json!({"swarm": "a"}));
            works(&mut client, "a", &format!("again {at}"));
        }
        let rest = client.end();
        assert!(rest.iter().all(|line| line[0] != "channel failed" && line[0] != "open"), "{rest:?}");
        let words: Vec<&Value> =
            rest.iter().filter(|line| line[0] == "pushed" && line[2] == "agent_output").collect();
        assert!(words.is_empty(), "each channel brings what its own swarm says, once: {words:?}");
    });
}

/// As a browser's page does with files: the payload is bytes, which no event of ours reads.
#[test]
fn bytes_where_an_object_is_read_are_a_fault_and_elsewhere_are_taken() {
    let Some(clients) = clients() else { return };
    let instance = serving(&[], &["a"]);
    for version in VERSIONS {
        let mut client = Client::start(clients, version, instance.address);
        client.tell(&json!(["connect", {}]));
        joined(&mut client, "it", "a");
        client.tell(&json!(["bytes", "it", "get_status", "\u{0}\u{1}bytes", "status"]));
        assert_eq!(client.word(&["ok", "status"])[2]["name"], "a");
        client.tell(&json!(["bytes", "it", "send_task", "{}", "task"]));
        client.word(&["channel failed", "it"]);
        client.word(&["joined", "it"]);
        works(&mut client, "it", "hello");
        client.end();
    }
}

#[test]
fn the_clients_come_back_by_themselves_when_the_instance_does() {
    let Some(clients) = clients() else { return };
    let port = port();
    let env = [("LOOPGATE_PORT", &*port)];
    let mut instance = serving(&env, &["a"]);
    let mut all: Vec<Client> = VERSIONS
        .iter()
        .flat_map(|version| [false, true].map(|first| (version, first)))
        .map(|(version, first)| {
            let mut client = Client::start(clients, version, instance.address);
            client.tell(&json!(["connect", {"first": first}]));
            joined(&mut client, "it", "a");
            works(&mut client, "it", "before");
            client.word(&["open"]);
            client
        })
        .collect();
    for crash in [false, true] {
        if crash {
            instance.kill();
        } else {
            assert!(instance.terminate().success());
        }
        all.iter_mut().for_each(|client| drop(client.word(&["channel failed", "it"])));
        instance.start_again();
        for client in &mut all {
            client.word(&["open"]);
            assert_eq!(client.word(&["joined", "it"])[2], json!({"swarm": "a"}));
        }
        support::until("the swarm runs again", || {
            let status = instance.call_as(&[], "GET", "/api/swarms/a", &Value::Null).json();
            (status["status"] == "running").then_some(())
        });
        for client in &mut all {
            works(client, "it", if crash { "after a crash" } else { "after an end" });
        }
    }
}

#[test]
fn each_push_comes_exactly_once_and_in_order_over_thousands() {
    const TASKS: usize = 1_500;
    /// Less than what waits for an agent at most.
    const AT_ONCE: usize = 500;
    let Some(clients) = clients() else { return };
    let instance = serving(&[], &["a"]);
    let mut before = 0;
    each(clients, &instance, |mut client, how| {
        client.tell(&json!(["connect", how]));
        joined(&mut client, "it", "a");
        // All of them match what follows, and each event is told once.
        for (at, filters) in
            [json!({}), json!({"level": "info"}), json!({"category": "agent"}), json!({})].iter().enumerate()
        {
            client.tell(&json!(["push", "it", "subscribe_events", {"filters": filters}, at.to_string()]));
            assert_eq!(client.word(&["ok", &at.to_string()])[2]["filters"], *filters);
        }
        for (agent, tag) in [(json!({}), "all"), (json!({"agent": "near"}), "near")] {
            client.tell(&json!(["push", "it", "subscribe_logs", agent, tag]));
            client.word(&["ok", tag]);
        }
        let mut lines = Vec::new();
        for from in (0..TASKS).step_by(AT_ONCE) {
            for at in from..from + AT_ONCE {
                let task = json!({"agent": "loud", "task": at.to_string()});
                client.tell(&json!(["push", "it", "send_task", task, format!("task {at}")]));
            }
            let last = format!("near {}", from + AT_ONCE - 1);
            let end = client.hears(&last, |line| line[2] == "agent_output" && line[3]["content"] == last);
            lines.extend(client.rest());
            lines.push(end);
        }
        // Behind all of it.
        client.tell(&json!(["push", "it", "get_status", {}, "end"]));
        client.word(&["ok", "end"]);
        lines.extend(client.end());

        let sent = lines.iter().filter(|line| line[0] == "ok").map(|line| line[1].clone());
        assert!(sent.eq((0..TASKS).map(|at| json!(format!("task {at}")))), "each task was answered once");
        let mut pushed: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line[0] == "pushed") {
            pushed.entry(line[2].as_str().unwrap()).or_default().push(&line[3]);
        }
        let numbered = |word: &str| (0..TASKS).map(|at| format!("{word}{at}")).collect::<Vec<_>>();
        let said = |agent: &str| {
            let of = pushed["agent_output"].iter().filter(|output| output["agent"] == *agent);
            of.map(|output| output["content"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let lines = numbered("loud ").into_iter().enumerate();
        assert_eq!(said("loud"), lines.map(|(at, line)| format!("@near: {at}\n{line}")).collect::<Vec<_>>());
        assert_eq!(said("near"), numbered("near "));
        let routed =
            pushed["message_routed"].iter().map(|routed| routed["content_preview"].as_str().unwrap());
        assert!(routed.eq(numbered("")), "each message was told once, and in order");
        let ids = |event: &str| pushed[event].iter().map(|event| id(&event["id"])).collect::<Vec<_>>();
        let (events, logs) = (ids("event"), ids("log_entry"));
        assert!(events.windows(2).all(|two| two[0] < two[1]), "ids rise");
        assert_eq!(events, logs, "both say the same, each once");
        assert!(events.len() >= TASKS * 5, "{}", events.len());
        assert!(events[0] > before, "a later client is told nothing of before");
        before = events[events.len() - 1];
        assert!(!pushed.contains_key("gap"), "it was quick enough");
    });
}

/// A number, or the text of one.
fn id(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).expect("an id")
}
