//! An agent of a swarm by its own token: it speaks as itself and along its edges only.

use super::*;
use crate::limits;

const MEMBER: &str = "Authorization: Bearer lga_s--a\r\n";

#[test]
fn an_agent_of_a_swarm_knows_itself_and_its_neighbours() {
    let rig = Rig::running();
    let me = rig.get("/api/v1/self/whoami", MEMBER).body;
    assert_eq!((&me["agent"], &me["instance"]), (&json!("s/a"), &json!("instance-of-the-tests")));
    let agents = rig.get("/api/v1/self/agents", MEMBER).body["agents"].clone();
    let kinds: Vec<_> = agents
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (text(&row["name"]), text(&row["kind"])))
        .collect();
    assert_eq!(kinds, [("b", "agent"), ("o", "object")]);
    assert!(agents[0]["state"].is_string());
}

#[test]
fn m11_an_agent_of_a_swarm_sends_along_its_edges_and_is_told_where_there_is_none() {
    let rig = Rig::running();
    let send = |token: &str, to: &str| {
        rig.post("/api/v1/self/send", token, &json!({"to": to, "text": "hello", "from": "b"}))
    };
    let sent = send(MEMBER, "b");
    assert_eq!((sent.status, sent.body), (200, json!({"to": "b", "outcome": "routed"})));
    rig.until("the message in the log", |rig| !rig.look("/api/swarms/s/messages")["messages"][0].is_null());
    let row = rig.look("/api/swarms/s/messages")["messages"][0].clone();
    assert_eq!((&row["from"], &row["to"]), (&json!("a"), &json!("b")), "whatever the body says");
    let denied = send("Authorization: Bearer lga_s--b\r\n", "a");
    assert_eq!((denied.status, denied.code(), denied.error()), (403, "route_denied", "no edge b -> a"));
    for to in ["nobody", "s/b", "t/b", "b@home", "..", ""] {
        let answer = send(MEMBER, to);
        assert!([400, 403, 404].contains(&answer.status), "{to}: {}", answer.body);
    }
    // One of a swarm that is not there reaches nobody.
    assert!([403, 404].contains(&send("Authorization: Bearer lga_t--a\r\n", "b").status));
}

#[test]
fn m11_an_agent_of_a_swarm_asks_an_object_and_broadcasts() {
    let rig = Rig::running();
    let ask = |body: Value| rig.post("/api/v1/self/ask", MEMBER, &body);
    let answer = ask(json!({"to": "o", "text": "get", "correlation_id": "q1"}));
    assert_eq!((answer.status, &answer.body["correlation_id"]), (200, &json!("q1")), "{}", answer.body);
    for key in ["ok", "result", "error", "timeout", "duration_ms"] {
        assert!(answer.body.get(key).is_some(), "{key}: {}", answer.body);
    }
    let denied = ask(json!({"to": "b", "text": "get", "correlation_id": "q2"}));
    assert_eq!((&denied.body["ok"], &denied.body["error"]["code"]), (&json!(false), &json!("not_an_object")));
    assert_eq!(ask(json!({"to": "o", "text": "get", "correlation_id": ".."})).status, 400);
    let sent = rig.post("/api/v1/self/broadcast", MEMBER, &json!({"text": "all"}));
    assert_eq!((sent.status, sent.body), (200, json!({"outcome": "routed", "to": ["b", "o"]})));
}

#[test]
fn an_agent_of_a_swarm_has_no_mail_and_types_nowhere() {
    let rig = Rig::running();
    for (method, path) in [
        ("GET", "/api/v1/self/inbox"),
        ("POST", "/api/v1/self/ack"),
        ("POST", "/api/v1/self/inject"),
        ("GET", "/api/v1/agents"),
        ("GET", "/api/v1/swarms/s/agents/a"),
        ("GET", "/api/v1/status"),
    ] {
        let answer = rig.ask(method, path, &format!("{MEMBER}{JSON}"), b"");
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{path}");
    }
    for path in ["/api/swarms", "/api/swarms/s/agents/a", "/agentmux/reactive/agents"] {
        assert_eq!(rig.get(path, MEMBER).status, 401, "{path}");
    }
    assert_eq!(rig.post("/api/v1/self/broadcast", &token("loose"), &json!({"text": "x"})).status, 401);
    rig.instance.start("loose", &[]);
    let answer = rig.post("/api/v1/self/broadcast", &token("loose"), &json!({"text": "x"}));
    assert_eq!((answer.status, answer.code()), (403, "forbidden"), "that is for agents of swarms");
}

#[test]
fn an_agent_of_a_swarm_sends_no_faster_than_any_agent() {
    let rig = Rig::running();
    let send = || rig.post("/api/v1/self/send", MEMBER, &json!({"to": "b", "text": "x"})).status;
    let sent = (0..limits::SENDS_PER_AGENT).map(|_| send()).filter(|status| *status == 200).count();
    assert_eq!((sent, send()), (usize::try_from(limits::SENDS_PER_AGENT).expect("few"), 429));
    rig.clock.advance(1_000);
    assert_eq!(send(), 200);
}

#[test]
fn agents_of_two_swarms_with_one_name_do_not_use_up_each_others_messages() {
    let rig = Rig::running();
    let mut other = config();
    other["name"] = json!("t");
    assert_eq!(rig.post("/api/swarms", API, &json!({"config": other})).status, 201);
    let send = |token: &str| rig.post("/api/v1/self/send", token, &json!({"to": "b", "text": "x"})).status;
    while send(MEMBER) == 200 {}
    assert_eq!((send(MEMBER), send("Authorization: Bearer lga_t--a\r\n")), (429, 200));
}

#[test]
fn what_an_agent_of_a_swarm_says_is_in_the_audit_with_its_name_and_without_the_text() {
    let rig = Rig::running();
    let says = |to: &str| {
        rig.post("/api/v1/self/send", MEMBER, &json!({"to": to, "text": "a text that nobody else reads"}))
    };
    assert_eq!((says("b").status, says("nobody").status), (200, 403));
    let page = rig.look("/api/v1/audit?limit=50");
    let entries = page["entries"].as_array().expect("a list").iter();
    let said: Vec<_> = entries
        .rev()
        .filter(|entry| entry["happened"] == "message")
        .map(|e| (text(&e["caller"]), text(&e["swarm"]), e["node"].as_str(), e["refused"].as_str()))
        .collect();
    let wanted =
        [("agent s/a", "s", Some("b"), None), ("agent s/a", "s", Some("nobody"), Some("route_denied"))];
    assert_eq!(said, wanted);
    assert!(!page.to_string().contains("nobody else reads"));
}
