//! What an agent's token reaches, through every route and with every word that could name another.

use serde_json::json;

use super::*;
use crate::api::table::{Scope, example, routes};

/// Fields by which a body could name another sender, or another's mail.
const NAMES: [&str; 14] = [
    "from",
    "caller",
    "source_agent",
    "source",
    "sender",
    "agent",
    "agent_id",
    "name",
    "as",
    "user",
    "owner",
    "token",
    "auth_key",
    "id",
];

const SECRET: &str = "words for the second alone";

/// Every body that is tried on a route: what it asks for, and one more name for who asks.
fn bodies() -> Vec<Value> {
    let plain = json!({
        "to": "second", "target": "second", "target_agent": "second", "agent": "second", "text": "x", "message": "x",
        "payload": "x", "block_id": "block-of-second", "command": ["sh"], "cwd": "/", "name": "third",
        "timeout_ms": 1, "through": u64::MAX, "message_ids": ["m1"], "data64": "eA==", "rows": 9, "cols": 9,
        "service": "block", "method": "SendCommand", "args": ["block-of-second", {"inputdata64": "eA=="}],
    });
    let mut all = vec![plain.clone()];
    for name in NAMES {
        for value in ["second", "owner", "agent second"] {
            let mut body = plain.clone();
            body[name] = json!(value);
            all.push(body);
        }
    }
    let mut acks = json!({"ids": ["m1"], "agent": "second", "from": "second"});
    all.push(acks.clone());
    acks["agent_id"] = json!("second");
    all.push(acks);
    all
}

#[test]
fn an_agents_token_opens_its_own_routes_and_speaks_and_reads_as_that_agent_only() {
    let instance =
        Instance::new().with_agent("first", &[]).with_agent("second", &["second", "owner", "agent second"]);
    let told = json!({"text": SECRET, "id": "m1"});
    assert_eq!(instance.post("/api/v1/agents/third/send", API, &told).status, 200);
    let told = instance.post("/api/v1/agents/second/send", API, &told);
    assert_eq!(told.body["outcome"], "waiting", "the API token's name is not on the list");
    let tokens =
        [token("first"), format!("{}X-Agent: second\r\nX-Forwarded-User: owner\r\n", token("first"))];
    for route in routes() {
        for shape in [Some(route.path), route.alias].into_iter().flatten() {
            for id in ["first", "second", "m1"] {
                let path = example(shape, id);
                for query in
                    ["", "?agent=second&agent_id=second&id=second&limit=9&zoneid=block-of-second&name=term"]
                {
                    walk(&instance, route, &format!("{path}{query}"), &tokens);
                }
            }
        }
    }
    assert!(instance.table.typed("second").is_empty(), "{:?}", instance.table.typed("second"));
    assert_eq!(instance.table.with("second", |row| row.keys.clone()), Some(Vec::new()));
    assert_eq!(instance.table.record("second").map(|r| r.rows), Some(24));
    let agents = instance.get("/api/v1/self/agents", &token("first")).body;
    assert_eq!(agents["agents"].as_array().map(Vec::len), Some(2), "none was started, none ended");
    // The second's mail is where it was, and what came to it came from the first, under its name.
    let mut messages = Vec::new();
    let mut after = 0;
    loop {
        let page = instance.get(&format!("/api/v1/agents/second/inbox?limit=500&after={after}"), OWNER).body;
        messages.extend(page["messages"].as_array().expect("a list").iter().cloned());
        after = page["next"].as_u64().expect("a number");
        if page["more"] == false {
            break;
        }
    }
    let (own, foreign): (Vec<_>, Vec<_>) = messages.iter().partition(|m| m["caller"] == "api");
    assert_eq!((own.len(), &own[0]["text"], &own[0]["state"]), (1, &json!(SECRET), &json!("accepted")));
    assert!(!foreign.is_empty());
    for message in foreign {
        assert_eq!(
            (&message["caller"], &message["from"]),
            (&json!("agent first"), &json!("first")),
            "{message}"
        );
    }
}

fn walk(instance: &Instance, route: &crate::api::table::Route, target: &str, tokens: &[String]) {
    let bodies = if route.body_limit > 0 { bodies() } else { vec![Value::Null] };
    for headers in tokens {
        for body in &bodies {
            // Rates are another test's.
            instance.clock.advance(1_000);
            let answer = match body {
                Value::Null => instance.ask(route.method.as_str(), target, headers, b""),
                body => {
                    let headers = format!("{headers}{JSON}");
                    instance.ask(route.method.as_str(), target, &headers, body.to_string().as_bytes())
                }
            };
            if !super::walk::opens(route, &[Scope::Agent]) {
                assert!(
                    [401, 403].contains(&answer.status),
                    "{} {target}: {}",
                    route.method.as_str(),
                    answer.status
                );
            }
            let text = String::from_utf8_lossy(&answer.bytes);
            assert!(!text.contains(SECRET), "{target} shows it: {text}");
        }
    }
}
