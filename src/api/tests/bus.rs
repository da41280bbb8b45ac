//! The cases of spec agentmux L that touch the message bus over HTTP, and what of K.3 is better.

use serde_json::json;

use super::*;
use crate::limits;

const SEND: &str = "/api/bus/send";
const INJECT: &str = "/api/bus/inject";
const BROADCAST: &str = "/api/bus/broadcast";

fn id(text: &str) -> AgentId {
    AgentId::parse(text).expect("a valid id")
}

fn register(instance: &Instance, name: &str) {
    let answer = instance.post("/api/bus/register", OWNER, &json!({"agent_id": name}));
    assert_eq!((answer.status, answer.body), (200, json!({"agent_id": name, "status": "registered"})));
}

/// A name whose messages are pushed to a connection; its number.
fn connected(instance: &Instance, name: &str) -> u64 {
    let bus = &instance.app.bus;
    let socket = bus.presence.new_socket();
    let wake = Arc::new(Wake::new().expect("an eventfd"));
    bus.register_socket(&id(name), socket, wake).expect("room");
    socket
}

fn send(instance: &Instance, to: &str, text: &str) -> Answer {
    instance.post(SEND, OWNER, &json!({"from": "me", "to": to, "payload": text}))
}

fn read(instance: &Instance, query: &str) -> Value {
    let answer = instance.get(&format!("/api/bus/messages?{query}"), OWNER);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn payloads(body: &Value) -> Vec<&str> {
    let list = body["messages"].as_array().expect("a list");
    list.iter().map(|message| message["payload"].as_str().expect("a text")).collect()
}

#[test]
fn case_l43_a_message_to_an_unknown_name_is_read_once() {
    let instance = Instance::new();
    let answer = send(&instance, "nobody", "hello").body;
    assert_eq!((&answer["status"], &answer["outcome"]), (&json!("sent"), &json!("waiting")));
    let body = read(&instance, "agent_id=nobody");
    let message = json!({"id": answer["message_id"], "from": "me", "to": "nobody", "type": "send",
                         "payload": "hello", "priority": "normal", "timestamp": 1_000});
    assert_eq!(body, json!({"agent_id": "nobody", "count": 1, "messages": [message]}));
    assert_eq!(read(&instance, "agent_id=nobody")["count"], 0);
}

/// Printed: the oldest five are lost. Ours: a full mailbox refuses, and nothing accepted is lost.
#[test]
fn case_l44_a_full_mailbox_refuses_and_keeps_what_it_has() {
    let instance = Instance::new();
    for n in 0..limits::MAILBOX {
        assert_eq!(send(&instance, "a", &n.to_string()).body["status"], "sent");
    }
    for _ in 0..5 {
        assert_eq!(
            send(&instance, "a", "more").body,
            json!({"status": "error", "error": "mailbox full", "code": "mailbox_full", "limit": 1_000})
        );
    }
    let first = read(&instance, "agent_id=a&limit=500");
    let second = read(&instance, "agent_id=a&limit=500");
    assert_eq!((payloads(&first)[0], payloads(&second)[0], payloads(&second)[499]), ("0", "500", "999"));
    assert_eq!(read(&instance, "agent_id=a")["count"], 0);
}

#[test]
fn case_l45_a_read_gives_100_or_as_many_as_asked_and_at_most_500() {
    let instance = Instance::new();
    for n in 0..limits::MAILBOX {
        send(&instance, "a", &n.to_string());
    }
    for (query, count) in
        [("", 100), ("&limit=7", 7), ("&limit=501", 500), ("&limit=0", 0), ("&limit=999999", 393)]
    {
        assert_eq!(read(&instance, &format!("agent_id=a{query}"))["count"], count, "{query}");
    }
    let answer = instance.get("/api/bus/messages?limit=1", OWNER);
    assert_eq!((answer.status, answer.error()), (400, "missing agent_id param"));
    assert_eq!(instance.get("/api/bus/messages?agent_id=a&limit=x", OWNER).status, 400);
}

/// And K.3.11: a priority orders.
#[test]
fn case_l46_an_unknown_priority_is_normal_and_a_known_one_orders() {
    let instance = Instance::new();
    for priority in [json!("weird"), json!("high"), json!(null), json!("urgent")] {
        let body = json!({"from": "me", "to": "a", "payload": "x", "priority": priority});
        assert_eq!(instance.post(SEND, OWNER, &body).body["status"], "sent");
    }
    let body = read(&instance, "agent_id=a");
    let order: Vec<&str> = (0..4).filter_map(|at| body["messages"][at]["priority"].as_str()).collect();
    assert_eq!(order, ["urgent", "high", "normal", "normal"]);
}

#[test]
fn case_l47_deleting_counts_what_was_there() {
    let instance = Instance::new();
    let id = send(&instance, "a", "x").body["message_id"].clone();
    send(&instance, "a", "kept");
    let body = json!({"agent_id": "a", "message_ids": [id, "unknown"]});
    let delete = || instance.post("/api/bus/messages/delete", OWNER, &body).body;
    assert_eq!(delete(), json!({"status": "deleted", "deleted": 1}));
    assert_eq!(delete(), json!({"status": "deleted", "deleted": 0}));
    assert_eq!(payloads(&read(&instance, "agent_id=a")), ["kept"]);
}

/// K.3.11: the messages of an answer that was lost were lost.
#[test]
fn an_answer_that_nobody_took_loses_no_message() {
    let instance = Instance::new();
    send(&instance, "a", "first");
    let lost = instance.get_untaken("/api/bus/messages?agent_id=a", OWNER).body;
    assert_eq!((&lost["count"], lost["messages"][0].get("redelivered")), (&json!(1), None));
    let again = read(&instance, "agent_id=a");
    assert_eq!((payloads(&again), &again["messages"][0]["redelivered"]), (vec!["first"], &json!(true)));
    assert_eq!(read(&instance, "agent_id=a")["count"], 0);
}

#[test]
fn a_head_request_takes_no_message() {
    let instance = Instance::new();
    send(&instance, "a", "x");
    assert_eq!(instance.ask("HEAD", "/api/bus/messages?agent_id=a", OWNER, b"").status, 200);
    assert_eq!(payloads(&read(&instance, "agent_id=a")), ["x"]);
}

#[test]
fn reading_under_a_name_that_is_none_gives_nothing_and_says_why() {
    let body = read(&Instance::new(), "agent_id=a%20b");
    assert_eq!(
        (&body["count"], &body["messages"], &body["status"]),
        (&json!(0), &json!([]), &json!("error"))
    );
    assert_eq!((&body["agent_id"], &body["code"]), (&json!("a b"), &json!("bad_agent_id")));
}

#[test]
fn one_answer_of_the_bus_is_bounded_in_bytes() {
    let instance = Instance::new();
    let large = "x".repeat(60_000);
    for _ in 0..50 {
        assert_eq!(send(&instance, "a", &large).body["status"], "sent");
    }
    let body = read(&instance, "agent_id=a&limit=500");
    let count = body["count"].as_u64().expect("a number");
    assert!(count < 50 && body.to_string().len() < limits::BUS_READ_BYTES + 2 * 64 * 1024, "{count}");
    assert_eq!(read(&instance, "agent_id=a&limit=500")["count"], 50 - count);
}

#[test]
fn a_bus_message_sent_again_with_its_id_is_kept_once() {
    let instance = Instance::new();
    let send = |text: &str| {
        instance.post(SEND, OWNER, &json!({"from": "me", "to": "a", "payload": text, "id": "m"})).body
    };
    assert_eq!(send("x").get("duplicate"), None);
    let again = send("x");
    assert_eq!((&again["duplicate"], &again["outcome"]), (&json!(true), &json!("waiting")));
    assert_eq!(send("y")["code"], "id_reused");
    assert_eq!(read(&instance, "agent_id=a")["count"], 1);
    assert_eq!((&send("x")["duplicate"], &send("x")["outcome"]), (&json!(true), &json!("delivered")));
    assert_eq!(read(&instance, "agent_id=a")["count"], 0, "nor again once it was read");
}

#[test]
fn one_full_mailbox_does_not_keep_a_broadcast_from_the_others() {
    let instance = Instance::new();
    for name in ["full", "other"] {
        register(&instance, name);
    }
    for n in 0..limits::MAILBOX {
        send(&instance, "full", &n.to_string());
    }
    let answer = instance.post(BROADCAST, OWNER, &json!({"from": "me", "payload": "x"}));
    assert_eq!(answer.body, json!({"status": "broadcast", "delivered": 0, "queued": 1, "refused": 1}));
    let body = read(&instance, "agent_id=other");
    assert_eq!(
        (&body["messages"][0]["type"], &body["messages"][0]["from"]),
        (&json!("broadcast"), &json!("me"))
    );
}

/// Printed: `delivered` 0, and nobody gets it (K.3.16). Ours: 0 too, and those who fetch get a copy.
#[test]
fn case_l48_a_broadcast_to_names_that_fetch_is_delivered_to_none_and_queued_for_all() {
    let instance = Instance::new().with_agent("runs", &[]);
    for name in ["a", "b", "me"] {
        register(&instance, name);
    }
    let answer = instance.post(BROADCAST, OWNER, &json!({"from": "me", "payload": "x", "priority": "high"}));
    assert_eq!(answer.body, json!({"status": "broadcast", "delivered": 0, "queued": 3, "refused": 0}));
    connected(&instance, "b");
    let answer = instance.post(BROADCAST, OWNER, &json!({"from": "nobody", "payload": "x"}));
    assert_eq!(answer.body, json!({"status": "broadcast", "delivered": 1, "queued": 3, "refused": 0}));
}

#[test]
fn case_l49_a_bus_inject_goes_to_the_mailbox_of_an_unknown_name_and_refuses_a_bad_one() {
    let instance = Instance::new();
    let inject = |target: &str| {
        instance.post(INJECT, OWNER, &json!({"from": "me", "target": target, "message": "x", "id": "m"}))
    };
    assert_eq!(
        inject("nobody").body,
        json!({"message_id": "m", "status": "injected", "target": "nobody", "via": "messagebus",
               "outcome": "waiting"})
    );
    let answer = inject("a b");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({"status": "error", "error": "invalid agent ID: a b", "code": "bad_agent_id"})
    );
}

#[test]
fn a_bus_inject_into_a_running_agent_is_typed_and_says_where() {
    let instance = Instance::new().with_agent("coder", &[]);
    let inject =
        |text: &str| instance.post(INJECT, OWNER, &json!({"from": "me", "target": "coder", "message": text}));
    assert_eq!(
        inject("hello\r").body,
        json!({"block_id": "block-of-coder", "status": "injected", "target": "coder", "via": "pty",
               "outcome": "delivered"})
    );
    assert_eq!(instance.table.typed("coder"), ["hello\n"]);
    instance.table.with("coder", |row| row.delivery = Delivery::Queued);
    let answer = inject(&"x".repeat(limits::TYPED_TEXT + 1)).body;
    assert_eq!((&answer["outcome"], &answer["truncated"]), (&json!("queued"), &json!(true)));
    instance.table.with("coder", |row| row.delivery = Delivery::Failed("failed to send input: queue full"));
    let answer = inject("x").body;
    assert_eq!((&answer["status"], &answer["code"]), (&json!("error"), &json!("not_typed")));
}

#[test]
fn bus_injects_are_limited_like_all_others() {
    let instance = Instance::new().with_agent("coder", &[]);
    let body = json!({"from": "me", "target": "coder", "message": "x"});
    for _ in 0..limits::INJECT_PER_SENDER {
        assert_eq!(instance.post(INJECT, OWNER, &body).body["status"], "injected");
    }
    let answer = instance.post(INJECT, OWNER, &body);
    assert_eq!(
        answer.body,
        json!({"status": "error", "error": "rate limit exceeded", "code": "rate_limited"})
    );
}

/// K.3.11: names were unbounded, and of any form.
#[test]
fn a_name_on_the_bus_is_an_agent_id() {
    let instance = Instance::new();
    for bad in ["", "a b", "../x", &"x".repeat(65)] {
        let answer = instance.post("/api/bus/register", OWNER, &json!({"agent_id": bad}));
        assert_eq!((answer.status, answer.error()), (400, format!("invalid agent ID: {bad}").as_str()));
        let answer = send(&instance, bad, "x");
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("error")));
        assert_eq!(answer.code(), "bad_agent_id");
    }
    for n in 0..limits::BUS_NAMES {
        instance.app.bus.register_http(&id(&format!("a{n}"))).expect("room");
    }
    let answer = instance.post("/api/bus/register", OWNER, &json!({"agent_id": "more"}));
    assert_eq!(
        (&answer.body["status"], answer.code(), &answer.body["limit"]),
        (&json!("error"), "bus_full", &json!(4_096))
    );
}

#[test]
fn the_names_on_the_bus_are_listed_with_how_they_are_reached() {
    let instance = Instance::new();
    register(&instance, "polls");
    instance.clock.advance(2_500);
    connected(&instance, "pushed");
    let answer = instance.get("/api/bus/agents", OWNER);
    let row = |id: &str, at: u64, kind: &str| json!({"id": id, "registered_at": at, "last_seen": at, "connection_type": kind});
    let rows = [row("polls", 1_000, "http"), row("pushed", 1_002, "websocket")];
    assert_eq!(answer.body, json!({"agents": rows, "total_count": 2}));
}

/// K.3.10: it was removed by name, and a second name on one socket stayed for ever.
#[test]
fn a_closing_socket_takes_no_newer_registration_and_leaves_none_of_its_own() {
    let instance = Instance::new();
    let old = connected(&instance, "a");
    instance
        .app
        .bus
        .register_socket(&id("b"), old, Arc::new(Wake::new().expect("an eventfd")))
        .expect("room");
    connected(&instance, "a");
    instance.app.bus.socket_closed(old);
    let list = instance.get("/api/bus/agents", OWNER).body;
    assert_eq!((&list["total_count"], &list["agents"][0]["id"]), (&json!(1), &json!("a")));
    assert_eq!(list["agents"][0]["connection_type"], "websocket");
    register(&instance, "a");
    assert_eq!(instance.get("/api/bus/agents", OWNER).body["agents"][0]["connection_type"], "http");
}

/// K.3.17: `injected` was said of what only waited.
#[test]
fn the_outcome_of_a_message_is_told_truthfully() {
    let instance = Instance::new().with_agent("open", &["owner"]);
    register(&instance, "polls");
    connected(&instance, "pushed");
    for (to, outcome) in
        [("open", "delivered"), ("polls", "waiting"), ("pushed", "queued"), ("nobody", "waiting")]
    {
        let answer = send(&instance, to, "x").body;
        assert_eq!((&answer["status"], &answer["to"]), (&json!("sent"), &json!(to)));
        assert_eq!(answer["outcome"], outcome, "{to}");
        assert_eq!(answer["message_id"].as_str().map(str::len), Some(36));
    }
    assert_eq!(instance.table.typed("open"), ["@owner: x"]);
}

#[test]
fn a_bus_body_that_is_not_understood_says_why() {
    let instance = Instance::new();
    for (path, body, field) in [
        (SEND, json!({"to": "a", "payload": "x"}), "from"),
        (SEND, json!({"from": "a", "to": "a", "payload": 1}), "payload"),
        (SEND, json!({"from": "a", "to": "a", "payload": "x", "priority": 1}), "priority"),
        (SEND, json!({"from": "a", "to": "a", "payload": "x", "id": ""}), "id"),
        (INJECT, json!({"from": "a", "message": "x"}), "target"),
        (BROADCAST, json!({"from": "a"}), "payload"),
        ("/api/bus/register", json!({}), "agent_id"),
    ] {
        let answer = instance.post(path, OWNER, &body);
        assert_eq!((answer.status, &answer.body["field"]), (422, &json!(field)), "{path}");
    }
}

#[test]
fn a_broadcast_to_many_reaches_each_once() {
    let instance = Instance::new();
    for n in 0..100 {
        register(&instance, &format!("a{n}"));
    }
    let answer = instance.post(BROADCAST, OWNER, &json!({"from": "a0", "payload": "x"})).body;
    assert_eq!((&answer["queued"], &answer["refused"]), (&json!(99), &json!(0)));
    assert_eq!(instance.app.bus.mail.waiting_in_all().0, 99);
    assert_eq!(read(&instance, "agent_id=a99")["count"], 1);
    assert_eq!(read(&instance, "agent_id=a0")["count"], 0, "not the sender");
}
