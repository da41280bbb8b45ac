//! The token of an agent of a swarm, as programs use it: inside its tree, outside of it, and beside it in
//! another agent's.

mod support;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use support::{Instance, until};

/// Makes the requests that a task lists, with its own token or with the one that is named, and writes status and
/// code of each answer into a file.
const PROGRAM: &str = r#"
import http.client, json, os, sys
from urllib.parse import urlsplit
own = os.environ["LOOPGATE_AGENT_TOKEN"]
with open("token.new", "w") as file: file.write(own)
os.rename("token.new", "token")
for line in sys.stdin:
    told = json.loads(line)
    work = json.loads(told["content"]) if told["type"] == "task" else {"requests": [], "token": None, "out": "none"}
    said = []
    for method, path, body in work["requests"]:
        there = http.client.HTTPConnection(urlsplit(os.environ["LOOPGATE_URL"]).netloc, timeout=30)
        head = {"Authorization": "Bearer " + (work["token"] or own), "Content-Type": "application/json"}
        there.request(method, path, None if body is None else json.dumps(body), head)
        answer = there.getresponse()
        said.append([answer.status, json.loads(answer.read()).get("code")])
        there.close()
    with open("out.new", "w") as file: json.dump(said, file)
    os.rename("out.new", work["out"])
    print("<<TURN_COMPLETE>>", flush=True)
"#;

struct Stage {
    instance: Instance,
}

impl Stage {
    /// A swarm in which a reaches b, and b nobody; c says nothing.
    fn new() -> Option<Self> {
        if !std::process::Command::new("python3").arg("-V").output().is_ok_and(|ran| ran.status.success()) {
            support::skipped("python3");
            return None;
        }
        let instance = Instance::start();
        let agent = |name: &str| json!({"name": name, "backend": "local", "config": {"command": ["python3", "-c", PROGRAM]}});
        let agents = json!([agent("a"), agent("b"), {"name": "c", "backend": "mock"}]);
        let config = json!({
            "name": "s",
            "agents": agents,
            "objects": [{"name": "count", "handler": "counter"}],
            "topology": [["a", "b"], ["a", "count"]],
        });
        let body = json!({ "config": config });
        let answer = instance.call_as(&[], "POST", "/api/swarms", &body);
        assert_eq!(answer.status, 201, "{}", answer.json());
        Some(Self { instance })
    }

    fn workspace(&self, agent: &str) -> PathBuf {
        self.instance.home.path().join("swarms/s/agents").join(agent).join("workspace")
    }

    fn token(&self, agent: &str) -> String {
        until("its token", || fs::read_to_string(self.workspace(agent).join("token")).ok())
    }

    /// What an agent is answered, with its own token or with this one: status and code of each.
    fn asks(&self, agent: &str, token: Option<&str>, requests: &Value) -> Value {
        let out = self.workspace(agent).join("out");
        let _ = fs::remove_file(&out);
        let work = json!({ "token": token, "requests": requests, "out": "out" }).to_string();
        let path = format!("/api/swarms/s/agents/{agent}/task");
        let answer = self.instance.call_as(&[], "POST", &path, &json!({ "task": work }));
        assert_eq!(answer.status, 200, "{}", answer.json());
        until("its answers", || serde_json::from_slice(&fs::read(&out).ok()?).ok())
    }

    /// The messages that went their way: from, to and text, oldest first.
    fn routed(&self) -> Vec<(String, String, String)> {
        let rows = self.instance.call_as(&[], "GET", "/api/swarms/s/messages", &Value::Null).json();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let all = rows["messages"].as_array().expect("a list").iter().rev();
        all.map(|row| (text(row, "from"), text(row, "to"), text(row, "content_preview"))).collect()
    }
}

#[test]
fn the_token_of_a_piped_agent_opens_its_own_routes_inside_its_tree_and_no_others() {
    let Some(stage) = Stage::new() else { return };
    stage.token("a");
    let hello = json!({ "to": "b", "text": "hello" });
    for (method, path, body, status) in [
        ("GET", "/api/v1/self/whoami", Value::Null, 200),
        ("GET", "/api/v1/self/agents", Value::Null, 200),
        ("POST", "/api/v1/self/send", hello.clone(), 200),
        ("POST", "/api/v1/self/ask", json!({ "to": "count", "text": "get" }), 200),
        ("POST", "/api/v1/self/broadcast", json!({ "text": "all" }), 200),
        // A loose agent's, the owner's, the operator's; one that is none.
        ("GET", "/api/v1/self/inbox", Value::Null, 403),
        ("POST", "/api/v1/self/inject", hello.clone(), 403),
        ("GET", "/api/v1/status", Value::Null, 403),
        ("GET", "/api/v1/agents", Value::Null, 403),
        ("POST", "/api/v1/agents", json!({ "name": "x", "command": ["true"] }), 403),
        ("GET", "/api/v1/swarms/s/agents/a", Value::Null, 403),
        ("GET", "/api/v1/none", Value::Null, 403),
        ("GET", "/api/swarms", Value::Null, 401),
        ("GET", "/api/swarms/s/overlay", Value::Null, 401),
        ("POST", "/api/swarms/s/message", json!({ "from": "b", "to": "a", "content": "x" }), 401),
        ("POST", "/api/swarms/s/agents/b/task", json!({ "task": "x" }), 401),
        ("POST", "/agentmux/reactive/inject", json!({ "target": "b", "message": "x" }), 401),
    ] {
        let said = stage.asks("a", None, &json!([[method, path, body]]));
        assert_eq!(said[0][0], json!(status), "{method} {path}: {said}");
    }
}

#[test]
fn the_token_of_a_piped_agent_speaks_as_itself_and_along_its_edges() {
    let Some(stage) = Stage::new() else { return };
    stage.token("a");
    // Who it says that it is, is not read.
    let as_b = json!({ "to": "count", "text": "add", "from": "b", "agent": "s/b", "swarm": "other" });
    let requests = json!([
        ["POST", "/api/v1/self/send", as_b],
        ["POST", "/api/v1/self/send", { "to": "c", "text": "no edge" }],
        ["POST", "/api/v1/self/send", { "to": "s/c", "text": "no edge" }],
        ["POST", "/api/v1/self/send", { "to": "nobody", "text": "no edge" }],
        ["POST", "/api/v1/self/broadcast", { "text": "to all", "from": "b" }],
    ]);
    let said = stage.asks("a", None, &requests);
    let denied = json!([403, "route_denied"]);
    assert_eq!(said, json!([[200, null], denied, denied, denied, [200, null]]));
    let routed = stage.routed();
    assert!(routed.iter().all(|(from, to, _)| from == "a" && to != "c"), "{routed:?}");
    assert!(routed.iter().any(|(_, to, text)| to == "count" && text == "add"), "{routed:?}");
    // It has no edge, and so nobody to send to.
    stage.token("b");
    let said = stage.asks("b", None, &json!([["POST", "/api/v1/self/send", { "to": "a", "text": "back" }]]));
    assert_eq!(said, json!([denied]));
}

#[test]
fn the_token_of_a_piped_agent_is_refused_outside_of_its_tree() {
    let Some(stage) = Stage::new() else { return };
    let (token, _) = (stage.token("a"), stage.token("b"));
    let requests = json!([
        ["GET", "/api/v1/self/whoami", null],
        ["POST", "/api/v1/self/send", { "to": "b", "text": "not from a" }],
    ]);
    let elsewhere = json!([401, "agent_token_elsewhere"]);
    // In another agent's tree of the same swarm.
    assert_eq!(stage.asks("b", Some(&token), &requests), json!([elsewhere, elsewhere]));
    // And in no agent's.
    let bearer = format!("Bearer {token}");
    for request in requests.as_array().expect("a list") {
        let (method, path) = (request[0].as_str().expect("text"), request[1].as_str().expect("text"));
        let answer = stage.instance.call_as(&[("Authorization", &bearer)], method, path, &request[2]);
        assert_eq!(json!([answer.status, answer.json()["code"]]), elsewhere, "{method} {path}");
    }
    assert_eq!(stage.routed(), []);
    assert_eq!(stage.asks("a", None, &json!([requests[0]])), json!([[200, null]]), "its own goes on");
}
