//! A hundred real processes in a ring, and a token that goes round it ten times.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Instance, TempDir, until};

const PLACES: usize = 100;
const ROUNDS: usize = 10;

/// A ring of the shipped script, as a configuration.
fn ring() -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/swarms/ring-agent.sh");
    let agent =
        |at| json!({"name": format!("place_{at}"), "backend": "local", "config": {"command": [script]}});
    let edge = |at| json!([format!("place_{at}"), format!("place_{}", at % PLACES + 1)]);
    json!({
        "name": "ring",
        "agents": (1..=PLACES).map(agent).collect::<Vec<_>>(),
        "topology": (1..=PLACES).map(edge).collect::<Vec<_>>(),
    })
}

fn agents(instance: &Instance) -> Vec<Value> {
    let answer = instance.call_as(&[], "GET", "/api/swarms/ring/agents", &Value::Null);
    assert_eq!(answer.status, 200);
    answer.json()["agents"].as_array().expect("a list").clone()
}

#[test]
fn a_token_goes_ten_times_round_a_hundred_processes_and_none_of_them_is_left() {
    let instance = Instance::start();
    let place = TempDir::new();
    let file = place.path().join("ring.json");
    fs::write(&file, ring().to_string()).expect("written");
    let run = |args: &[&str]| {
        let ran = instance.loopgate(args).output().expect("it runs");
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{args:?}: {out}{err}");
        out.into_owned()
    };
    let told = run(&["start", file.to_str().expect("text")]);
    assert_eq!(told, "started ring: 100 agents, 0 objects, 100 edges\n");
    let hops = PLACES * ROUNDS;
    run(&["task", "ring", "place_1", &format!("token 0 {hops}")]);
    until("the token's last hop", || {
        let answer = instance.call_as(&[], "GET", "/api/swarms/ring/messages?limit=1", &Value::Null).json();
        (answer["messages"][0]["content_preview"] == format!("token {hops} {hops}")).then_some(())
    });
    // Each hop is one message, said once: who took part has had ten and sent ten, and the first one a task.
    until("every turn's end", || {
        agents(&instance).iter().all(|agent| agent["state"] == "idle").then_some(())
    });
    let first = agents(&instance).into_iter().find(|agent| agent["name"] == "place_1").expect("place 1");
    let second = agents(&instance).into_iter().find(|agent| agent["name"] == "place_2").expect("place 2");
    assert_eq!(
        (&first["message_count"], &second["message_count"]),
        (&json!(2 * ROUNDS + 1), &json!(2 * ROUNDS))
    );
    assert_eq!(run(&["stop", "ring"]), "stopped ring\n");
    let pattern = instance.pid().to_string();
    let left = fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1).map(str::to_owned));
        parent.as_deref() == Some(&pattern)
    });
    assert_eq!(left.count(), 0, "nothing of the hundred is left");
}
