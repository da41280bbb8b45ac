//! The Phoenix channel of running swarms, by raw frames (spec genswarms D, M.10): who gets in, what is answered
//! and pushed in both versions, what is written down, and the end of the instance.

#[path = "support/frames.rs"]
mod frames;
#[path = "support/phoenix.rs"]
mod phoenix;
mod support;

use std::{fs, path::Path};

use frames::BINARY;
use phoenix::Client;
use serde_json::{Value, json};
use support::{Answer, Instance, until};

/// Ends each turn at once, and says what it was told.
const ECHO: &str = r#"while IFS= read -r line; do content=${line#*'"content":"'}; echo "heard ${content%%'"'*}"; echo '<<TURN_COMPLETE>>'; done"#;

fn call(instance: &Instance, method: &str, path: &str, body: &Value) -> Value {
    let answer = instance.call_as(&[], method, &format!("/api/swarms{path}"), body);
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    answer.json()
}

fn started() -> Instance {
    let instance = Instance::start();
    let config = json!({
        "name": "s",
        "agents": [
            {"name": "a", "backend": "local", "config": {"command": ["/bin/sh", "-c", ECHO]}},
            {"name": "b", "backend": "mock", "config": {"script": [["@a: for you"]]}},
            {"name": "c", "backend": "mock"},
        ],
        "objects": [{"name": "count", "handler": "counter"}],
        "topology": [["b", "a"], ["a", "b"]],
    });
    call(&instance, "POST", "", &json!({ "config": config }));
    instance
}

fn plain(instance: &Instance, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    instance.call_as(headers, method, path, &Value::Null)
}

/// The order of the checks, and their words (spec genswarms C.4, C.6, D.1).
#[test]
fn m10_who_gets_a_channel_and_who_does_not() {
    const TOKEN: &str = "the-api+token%2F-of-a-test";
    let sent = "&token=the-api%2Btoken%252F-of-a-test";
    let env = [("GENSWARMS_API_TOKEN", TOKEN), ("GENSWARMS_CONFIG_API_TOKEN", "the-config-token-of-a-test")];
    let instance = Instance::start_with(&env, &[]);
    let open = |vsn, query: &str, headers: &[(&str, &str)]| match Client::open(
        instance.address,
        vsn,
        query,
        headers,
    ) {
        Ok(mut client) => {
            let beat = client.ask(&Value::Null, "phoenix", "heartbeat", &json!({}));
            assert_eq!(beat, ("ok".to_owned(), json!({})));
            101
        }
        Err(answer) => answer.status,
    };
    let bearer = format!("Bearer {TOKEN}");
    let header = ("Authorization", bearer.as_str());
    for vsn in ["1.0.0", "2.0.0"] {
        assert_eq!((open(vsn, sent, &[]), open(vsn, "", &[header])), (101, 101), "{vsn}");
    }
    let ours = ("Origin", "http://localhost:5173");
    assert_eq!((open("2.0.0", sent, &[ours]), open("2.0.0", "", &[header, ours])), (101, 101));
    for (query, headers) in [
        ("", &[][..]),
        ("&token=", &[]),
        ("&token=wrong", &[]),
        ("&token=the-config-token-of-a-test", &[]),
        ("&token=the-api%2Btoken%2F-of-a-test", &[]),
        (sent, &[header]),
        ("", &[("Authorization", "Bearer wrong")]),
        ("", &[("X-AuthKey", &instance.key)]),
    ] {
        assert_eq!(open("2.0.0", query, headers), 401, "{query} {headers:?}");
        assert_eq!(open("3.0.0", query, headers), 401, "the token comes first");
    }
    for foreign in ["https://evil.example", "null", "http://localhost.evil.example"] {
        assert_eq!(open("2.0.0", sent, &[("Origin", foreign)]), 403, "{foreign}");
        assert_eq!(open("2.0.0", "", &[("Origin", foreign)]), 403, "{foreign}");
    }
    for vsn in ["3.0.0", "abc", "2.1.0", "", "2.0.0&vsn=2.0.0", "%32.0.0.0"] {
        let answer = Client::open(instance.address, vsn, sent, &[]).err().expect("refused");
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("bad_vsn")), "{vsn}");
    }
    let path = format!("/swarm/websocket?vsn=2.0.0{sent}");
    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: ";
    for (fields, sentence) in [
        (String::new(), "'connection' header must contain 'upgrade', got []"),
        (
            "Connection: keep-alive\r\n".to_owned(),
            r#"'connection' header must contain 'upgrade', got ["keep-alive"]"#,
        ),
        (
            "Connection: Upgrade\r\nUpgrade: h2c\r\n".to_owned(),
            r#"'upgrade' header must contain 'websocket', got ["h2c"]"#,
        ),
        (
            format!("{upgrade}8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            r#"'sec-websocket-version' header must equal '13', got ["8"]"#,
        ),
        (format!("{upgrade}13\r\n"), "'sec-websocket-key' header is absent"),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", instance.address);
        let answer = instance.raw(head.as_bytes());
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some(sentence)));
    }
    assert_eq!(plain(&instance, "POST", &path, &[]).status, 400);
    assert_eq!(plain(&instance, "POST", "/swarm/websocket", &[]).status, 401);
    assert_eq!(plain(&instance, "GET", "/swarm/longpoll", &[header]).status, 404);

    let open = Instance::start();
    Client::of(open.address).ask(&Value::Null, "phoenix", "heartbeat", &json!({}));
    let foreign = Client::open(open.address, "2.0.0", "", &[("Origin", "https://evil.example")]);
    assert_eq!(foreign.err().expect("refused").status, 403);
    // Without a version it is the first one.
    let socket = frames::Socket::open(open.address, "/swarm/websocket", &[]);
    let mut socket = socket.unwrap_or_else(|answer| panic!("{answer:?}"));
    socket.text(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#).expect("sent");
    assert!(socket.next_text().contains(r#""event":"phx_reply""#));
}

/// Everything that M.10 names, on a swarm of processes and mocks, in both versions.
#[test]
fn m10_a_swarm_is_joined_asked_and_listened_to_in_both_versions() {
    let instance = started();
    for (round, vsn) in ["1.0.0", "2.0.0"].into_iter().enumerate() {
        let client = Client::open(instance.address, vsn, "", &[]);
        let mut client = client.unwrap_or_else(|answer| panic!("{answer:?}"));
        let unknown = client.ask(&json!("9"), "swarm:nobody", "phx_join", &json!({}));
        assert_eq!(unknown, ("error".to_owned(), json!({"reason": "swarm_not_found"})));
        let other = client.ask(&json!("9"), "room:lobby", "phx_join", &json!({}));
        assert_eq!(other, ("error".to_owned(), json!({"reason": "unmatched topic"})));
        client.join("s");

        let status = client.asked("s", "get_status", &json!({}));
        assert_eq!((&status["name"], &status["status"]), (&json!("s"), &json!("running")));
        let fields: Vec<&String> = status["agents"][0].as_object().expect("an agent").keys().collect();
        assert_eq!(fields, ["name", "pid", "state"]);
        assert!(!status.to_string().contains("\"/"), "no path: {status}");

        assert_eq!(
            client.asked("s", "send_task", &json!({"agent": "a", "task": "hello"})),
            json!({"status": "sent"})
        );
        let output = client.told("agent_output");
        assert_eq!(
            (&output["agent"], output["content"].as_str().map(str::trim)),
            (&json!("a"), Some("heard hello"))
        );

        let long = "y".repeat(300);
        call(&instance, "POST", "/s/message", &json!({"from": "b", "to": "a", "content": long}));
        let routed = client.told("message_routed");
        assert_eq!(
            (&routed["from"], &routed["to"], &routed["type"], &routed["swarm"]),
            (&json!("b"), &json!("a"), &json!("direct"), &json!("s"))
        );
        assert_eq!(routed["content_preview"].as_str().map(str::len), Some(100));

        let errors = client.asked("s", "subscribe_events", &json!({"filters": {"level": "warning"}}));
        assert!(errors["recent_events"].as_array().is_some());
        let denied = json!({"from": "a", "to": "c", "content": "x"});
        assert_eq!(instance.call_as(&[], "POST", "/api/swarms/s/message", &denied).status, 403);
        assert_eq!(client.told("event")["event_type"], "invalid_route");

        call(&instance, "PATCH", "/s/topology", &json!({"add": [["a", "c"]]}));
        assert_eq!(client.told("topology_changed"), json!({}));
        call(
            &instance,
            "POST",
            "/s/agents",
            &json!({"name": "new", "backend": "mock", "config": {"my_secret": "sk-planted"}}),
        );
        let added = client.told("agent_added");
        assert_eq!((&added["name"], &added["spec"]["name"]), (&json!("new"), &json!("new")));
        assert!(!added.to_string().contains("sk-planted"), "{added}");
        assert_eq!(client.told("topology_changed"), json!({}));
        call(&instance, "DELETE", "/s/agents/new", &Value::Null);
        assert_eq!(client.told("agent_removed"), json!({"name": "new"}));
        call(&instance, "PATCH", "/s/topology", &json!({"remove": [["a", "c"]]}));

        call(&instance, "DELETE", "/s", &Value::Null);
        assert_eq!(client.told("swarm_stopped"), json!({}));
        let stopped = client.ask(&json!("1"), "swarm:s", "send_task", &json!({"agent": "a", "task": "x"}));
        assert_eq!(stopped, ("error".to_owned(), json!({"reason": "agent_stopped"})));
        Client::of(instance.address).join("s");
        call(&instance, "POST", "/s/start", &json!({}));
        assert_eq!(client.told("swarm_started"), json!({"status": "running"}));

        let left = client.ask(&json!("1"), "swarm:s", "phx_leave", &json!({}));
        assert_eq!(left, ("ok".to_owned(), json!({})));
        until("the close", || (client.next().event == "phx_close").then_some(()));
        assert!(round < 2 && client.ask(&Value::Null, "phoenix", "heartbeat", &json!({})).0 == "ok");
    }
}

/// Each change of a swarm is one push: nothing comes twice, and nothing is left out.
#[test]
fn m10_each_change_of_a_running_swarm_is_pushed_once() {
    let instance = started();
    let mut client = Client::of(instance.address);
    client.join("s");
    // Joined twice, and subscribed to everything in every way there is.
    client.join("s");
    for filters in [json!({}), json!({"level": "info"}), json!({"category": "agent"})] {
        client.asked("s", "subscribe_events", &json!({ "filters": filters }));
    }
    for agent in [Value::Null, json!("a"), json!("new")] {
        client.asked("s", "subscribe_logs", &json!({ "agent": agent }));
    }
    client.heard.clear();
    call(&instance, "POST", "/s/agents", &json!({"name": "new", "backend": "mock", "connections": ["a"]}));
    call(&instance, "POST", "/s/agents/new/scale", &json!({"count": 3}));
    call(&instance, "POST", "/s/objects", &json!({"name": "more", "handler": "log"}));
    call(&instance, "DELETE", "/s/objects/more", &Value::Null);
    call(&instance, "DELETE", "/s", &Value::Null);
    let mut pushes = Vec::new();
    let (mut events, mut logs) = (Vec::new(), Vec::new());
    loop {
        let heard = client.next();
        match heard.event.as_str() {
            "event" => events.push(heard.payload["id"].as_u64().expect("a number")),
            "log_entry" => logs.push(heard.payload["id"].as_u64().expect("a number")),
            "agent_status" | "phx_close" => {}
            "swarm_stopped" => break,
            other => {
                pushes.push((other.to_owned(), heard.payload["name"].as_str().unwrap_or_default().to_owned()))
            }
        }
    }
    let name = |event: &str, name: &str| (event.to_owned(), name.to_owned());
    let count = |wanted: &(String, String)| pushes.iter().filter(|push| *push == wanted).count();
    for added in ["new", "new_1", "new_2", "new_3"] {
        assert_eq!(count(&name("agent_added", added)), 1, "{added}: {pushes:?}");
    }
    assert_eq!(count(&name("agent_removed", "new")), 1, "{pushes:?}");
    // Added, scaled, an object more, an object less.
    assert_eq!(count(&name("topology_changed", "")), 4, "{pushes:?}");
    assert!(events.is_sorted_by(|one, next| one < next) && logs.is_sorted_by(|one, next| one < next));
    assert!(events.len() > 5 && events == logs, "{events:?} {logs:?}");
}

#[test]
fn m10_a_task_by_the_channel_reaches_its_agent_and_the_audit() {
    let instance = started();
    let mut client = Client::of(instance.address);
    client.join("s");
    let mut send = |agent: &str| {
        let task = json!({"agent": agent, "task": "a secret errand"});
        client.ask(&json!("1"), "swarm:s", "send_task", &task).1
    };
    assert_eq!(send("a"), json!({"status": "sent"}));
    for (agent, reason) in [
        ("nobody", "agent_not_found"),
        ("", "agent_not_found"),
        ("count", "not_an_agent"),
        (&"x".repeat(100_000), "agent_not_found"),
    ] {
        assert_eq!(send(agent), json!({ "reason": reason }));
    }
    let output = client.told("agent_output");
    assert_eq!(output["content"].as_str().map(str::trim), Some("heard a secret errand"));
    let tasks = until("five lines of the audit", || {
        let mut lines = String::new();
        read_below(&instance.home.path().join("audit"), &mut |bytes| {
            lines.push_str(&String::from_utf8_lossy(bytes));
        });
        let tasks: Vec<String> =
            lines.lines().filter(|line| line.contains("\"task\"")).map(str::to_owned).collect();
        (tasks.len() >= 5).then_some(tasks)
    });
    assert!(tasks.iter().all(|line| line.contains("loopback") && !line.contains("errand")), "{tasks:#?}");
    assert!(tasks.iter().all(|line| line.len() < 2_000), "what was sent is not written");
}

/// All files below a directory.
fn read_below(folder: &Path, look: &mut dyn FnMut(&[u8])) {
    for entry in fs::read_dir(folder).expect("a directory").flatten() {
        let path = entry.path();
        match fs::metadata(&path) {
            Ok(facts) if facts.is_dir() => read_below(&path, look),
            Ok(facts) if facts.is_file() => look(&fs::read(&path).unwrap_or_default()),
            _ => {}
        }
    }
}

#[test]
fn nothing_of_a_channels_query_is_written_down() {
    const TOKEN: &str = "token-of-the-query-4711";
    const WRONG: &str = "wrong-of-the-query-0815";
    let mut instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", TOKEN)], &[]);
    let open =
        |query: &str, headers: &[(&str, &str)]| Client::open(instance.address, "2.0.0", query, headers);
    let mut client = open(&format!("&token={TOKEN}"), &[]).unwrap_or_else(|answer| panic!("{answer:?}"));
    client.ask(&json!("1"), "swarm:s", "phx_join", &json!({}));
    for (query, headers, status) in [
        (format!("&token={WRONG}"), &[][..], 401),
        (format!("&token={TOKEN}"), &[("Origin", "https://evil.example")], 403),
        (format!("&token={TOKEN}&token={WRONG}"), &[], 401),
    ] {
        assert_eq!(open(&query, headers).err().map(|answer| answer.status), Some(status));
    }
    let path = format!("/swarm/websocket?vsn=9&token={TOKEN}");
    assert_eq!(plain(&instance, "GET", &path, &[]).status, 403);
    drop(client);
    assert!(instance.terminate().success());
    let mut seen = 0;
    let mut clean = |bytes: &[u8]| {
        seen += 1;
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("of-the-query"), "{text}");
    };
    read_below(instance.home.path(), &mut clean);
    while let Some(line) = instance.stderr_line() {
        clean(line.as_bytes());
    }
    assert!(seen > 3);
}

/// Clients of phoenix.js connect again after any code but 1000, and join a topic again that was not closed.
#[test]
fn the_end_of_the_instance_is_1001_and_no_topic_is_closed_before_it() {
    let mut instance = started();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::of(instance.address)).collect();
    clients.iter_mut().for_each(|client| client.join("s"));
    assert!(instance.terminate().success());
    for client in &mut clients {
        let (texts, code) = client.rest();
        assert_eq!(code, Some(1001));
        assert!(
            texts.iter().all(|text| !text.contains("phx_close") && !text.contains("phx_error")),
            "{texts:?}"
        );
    }
    instance.start_again();
    Client::of(instance.address).join("s");
}

/// What D.2 prints of binary frames and of malformed ones, on the wire.
#[test]
fn m10_binary_frames_and_malformed_ones_on_the_wire() {
    let instance = started();
    let mut client = Client::of(instance.address);
    client.join("s");
    let push = |join_ref: &str, own: &str, topic: &str, event: &str| {
        let texts = [join_ref, own, topic, event];
        let lengths = texts.map(|text| text.len() as u8);
        [&[0][..], &lengths, texts.concat().as_bytes(), b"\xff\x00data"].concat()
    };
    client.socket.frame(frames::Frame::of(BINARY, &push("", "b1", "phoenix", "heartbeat"))).expect("sent");
    let beat = until("a heartbeat's answer", || Some(client.next()).filter(|heard| heard.topic == "phoenix"));
    assert_eq!((beat.reference, beat.join_ref), (json!("b1"), Value::Null));
    client.socket.frame(frames::Frame::of(BINARY, &push("1", "b2", "swarm:s", "send_task"))).expect("sent");
    until("the error", || Some(client.next()).filter(|heard| heard.event == "phx_error"));
    let again = client.ask(&json!("1"), "swarm:s", "get_status", &json!({}));
    assert_eq!(again, ("error".to_owned(), json!({"reason": "unmatched topic"})));
    client.join("s");
    client.socket.text("[1,2]").expect("sent");
    assert_eq!(client.rest().1, Some(1011));
}
