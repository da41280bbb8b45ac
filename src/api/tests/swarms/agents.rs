//! M.6, the agents of a swarm: added, removed, scaled, given tasks, and what is kept of it.

use super::*;

const AGENTS: &str = "/api/swarms/s/agents";

#[test]
fn m6_an_agent_is_shown_and_one_that_is_not_there_is_404() {
    let rig = Rig::running();
    let agent = rig.look("/api/swarms/s/agents/a");
    for key in [
        "name",
        "swarm_name",
        "state",
        "backend",
        "inbox_size",
        "message_count",
        "skills",
        "started_at",
        "last_activity",
    ] {
        assert!(agent.get(key).is_some(), "{key}: {agent}");
    }
    assert_eq!(
        (&agent["name"], &agent["swarm_name"], &agent["backend"]),
        (&json!("a"), &json!("s"), &json!("mock"))
    );
    for path in ["", "/history", "/logs", "/skills"] {
        for agent in ["nope", "o", "..", "a%2F", "1"] {
            let path = format!("{AGENTS}/{agent}{path}");
            assert_eq!(
                rig.refuses("GET", &path, &Value::Null),
                (404, "Agent not found".to_owned()),
                "{path}"
            );
        }
        let path = format!("/api/swarms/nope/agents/a{path}");
        assert_eq!(rig.refuses("GET", &path, &Value::Null), (404, "Swarm not found".to_owned()));
    }
    let restart = rig.refuses("POST", "/api/swarms/s/agents/nope/restart", &Value::Null);
    assert_eq!(restart, (404, "Agent not found".to_owned()));
    let task = rig.refuses("POST", "/api/swarms/s/agents/nope/task", &json!({"task": "t"}));
    assert_eq!(task, (404, "Agent not found".to_owned()), "nothing is queued for nobody");
    assert_eq!(
        rig.refuses("DELETE", "/api/swarms/s/agents/nope", &Value::Null),
        (404, "not_found".to_owned())
    );
    assert_eq!(
        rig.refuses("DELETE", "/api/swarms/x/agents/a", &Value::Null),
        (404, "swarm_not_found".to_owned())
    );
}

#[test]
fn m6_an_added_agent_has_its_connections_before_its_first_message_and_takes_them_along() {
    let rig = Rig::running();
    let spec = json!({"name": "c", "backend": "mock", "connections": ["a"], "incoming": ["b", "o"]});
    assert_eq!(rig.api("POST", AGENTS, &spec).status, 201);
    assert_eq!(rig.edges(), ["a->b", "a->o", "b->c", "c->a", "o->a", "o->c"]);
    assert_eq!(rig.ops().first().map(String::as_str), Some("add_agent"));
    let removed = rig.does("DELETE", "/api/swarms/s/agents/c", &Value::Null);
    assert_eq!(removed, json!({"status": "removed", "name": "c"}));
    assert_eq!(rig.edges(), ["a->b", "a->o", "o->a"]);
    assert_eq!(rig.agents(), ["a", "b"]);
}

#[test]
fn m6_what_may_not_be_added_changes_nothing() {
    let rig = Rig::running();
    let before = rig.edges();
    let sentence = rig.refuses("POST", AGENTS, &json!({"name": "a; touch x", "backend": "mock"}));
    assert!(sentence.0 == 400 && sentence.1.contains("must start with"), "{sentence:?}");
    for spec in [
        json!({"name": "a", "backend": "mock", "connections": ["b"]}),
        json!({"name": "o", "backend": "mock"}),
        json!({"backend": "mock"}),
        json!({"name": "c"}),
        json!({"name": "c", "backend": "vm"}),
        json!({"name": "c", "backend": "bwrap", "config": {"command": ["sh"]}}),
        json!({"name": "c", "backend": "mock", "connections": ["nobody"]}),
        json!({"name": "c", "backend": "mock", "surprise": 1}),
        json!({"name": "owner", "backend": "mock"}),
        json!({"name": "c", "backend": "local", "config": {"command": ["rm", "-rf", "x"]}}),
    ] {
        let (status, error) = rig.refuses("POST", AGENTS, &spec);
        assert!(status == 400 && error != "Internal error", "{spec}: {status} {error}");
        assert!(!error.contains('/'), "{error}");
    }
    for key in [
        "workspace",
        "env",
        "extra_ro_binds",
        "subzeroclaw_path",
        "volumes",
        "seccomp",
        "endpoint",
        "api_key",
    ] {
        let spec = json!({"name": "c", "backend": "mock", "config": {key: "x"}});
        let (status, error) = rig.refuses("POST", AGENTS, &spec);
        assert!(status == 400 && error.contains(key), "{key}: {error}");
    }
    assert_eq!((rig.agents(), rig.edges()), (vec!["a".to_owned(), "b".to_owned()], before));
    assert!(rig.ops().is_empty());
    let unknown = rig.refuses("POST", "/api/swarms/nope/agents", &json!({"name": "c", "backend": "mock"}));
    assert_eq!(unknown, (400, "swarm_not_found".to_owned()));
}

#[test]
fn m6_a_scale_names_what_it_added_and_what_it_removed() {
    let rig = Rig::running();
    let scale = |base: &str, count: Value| {
        rig.api("POST", &format!("{AGENTS}/{base}/scale"), &json!({ "count": count }))
    };
    let three = scale("b", json!(3)).body;
    assert_eq!(three["status"], "ok");
    assert_eq!(three["result"], json!({"added": ["b_1", "b_2", "b_3"], "removed": ["b"], "failed": []}));
    assert_eq!(rig.agents(), ["a", "b_1", "b_2", "b_3"]);
    assert_eq!(rig.edges(), ["a->b_1", "a->b_2", "a->b_3", "a->o", "o->a"]);
    scale("b", json!(5));
    let mut removed: Vec<String> = scale("b", json!(2)).body["result"]["removed"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| text(name).to_owned())
        .collect();
    removed.sort();
    assert_eq!(removed, ["b_3", "b_4", "b_5"]);
    for count in [json!(-1), json!("3"), json!(1.5), json!(null), json!([]), json!(1e30)] {
        let answer = scale("b", count.clone());
        assert_eq!((answer.status, answer.error()), (400, "Missing or invalid 'count'"), "{count}");
    }
    let none = rig.refuses("POST", "/api/swarms/s/agents/b/scale", &json!({}));
    assert_eq!(none, (400, "Missing or invalid 'count'".to_owned()));
    assert_eq!(scale("nope", json!(1)).status, 400);
    let unknown = rig.refuses("POST", "/api/swarms/nope/agents/b/scale", &json!({"count": 1}));
    assert_eq!(unknown, (400, "swarm_not_found".to_owned()));
    // More than a swarm may have, objects included, over all calls.
    let (status, error) = rig.refuses("POST", "/api/swarms/s/agents/b/scale", &json!({"count": 99}));
    assert!(status == 400 && error.contains("100"), "{error}");
    assert_eq!(rig.agents(), ["a", "b_1", "b_2"]);
}

#[test]
fn m6_what_was_changed_while_it_ran_is_there_after_a_restart_until_it_is_cleared() {
    let rig = Rig::running();
    rig.does("POST", AGENTS, &json!({"name": "c", "backend": "mock", "connections": ["a"]}));
    rig.does("POST", "/api/swarms/s/agents/b/scale", &json!({"count": 2}));
    rig.does("PATCH", "/api/swarms/s/topology", &json!({"add": [["c", "b_1"]]}));
    let (agents, edges) = (rig.agents(), rig.edges());
    let rig = rig.again();
    rig.does("POST", "/api/swarms/s/start", &Value::Null);
    assert_eq!((rig.agents(), rig.edges()), (agents, edges));
    assert!(!rig.ops().is_empty());
    let cleared = rig.does("DELETE", "/api/swarms/s/overlay", &Value::Null);
    assert_eq!(cleared, json!({"status": "cleared", "swarm": "s"}));
    assert!(rig.ops().is_empty());
    rig.does("POST", "/api/swarms/s/restart", &Value::Null);
    assert_eq!(rig.agents(), ["a", "b"]);
}

#[test]
fn m6_a_task_is_sent_and_shown_in_the_history() {
    let rig = Rig::running();
    let sent = rig.does("POST", "/api/swarms/s/agents/a/task", &json!({"task": "sing"}));
    assert_eq!(sent, json!({"status": "sent", "agent": "a", "task": "sing"}));
    let history = "/api/swarms/s/agents/a/history";
    rig.until("the task in the history", |rig| rig.look(history).to_string().contains("sing"));
    let rows = rig.look(history)["history"].clone();
    let task =
        rows.as_array().expect("a list").iter().find(|row| row["type"] == "task").expect("the task").clone();
    assert_eq!(task["content"], "sing");
    assert!(text(&task["timestamp"]).ends_with('Z'));
    // Anything may be a task; it is echoed as it came.
    let sent = rig.does("POST", "/api/swarms/s/agents/a/task", &json!({"task": {"do": ["x", 1]}}));
    assert_eq!(sent["task"], json!({"do": ["x", 1]}));
    for body in [json!({}), json!({"task": null}), json!({"other": "x"})] {
        let refused = rig.refuses("POST", "/api/swarms/s/agents/a/task", &body);
        assert_eq!(refused, (400, "Missing 'task' parameter".to_owned()));
    }
    let object = rig.api("POST", "/api/swarms/s/agents/o/task", &json!({"task": "x"}));
    assert!(
        (object.status, object.error()) == (400, "not_an_agent") || object.status == 404,
        "{}",
        object.body
    );
    rig.does("POST", "/api/swarms/s/agents/a/restart", &Value::Null);
    assert_eq!(rig.agents(), ["a", "b"]);
    rig.does("DELETE", "/api/swarms/s", &Value::Null);
    let stopped = rig.refuses("POST", "/api/swarms/s/agents/a/task", &json!({"task": "x"}));
    assert!(stopped.0 == 400 || stopped.0 == 409, "{stopped:?}");
}

/// Spec genswarms L.2: there junk was a 500, and a negative number counted from the other end.
#[test]
fn m6_a_limit_that_is_no_number_is_400() {
    let rig = Rig::running();
    for path in ["/api/swarms/s/agents/a/history", "/api/swarms/s/messages"] {
        for limit in ["x", "-1", "1.5", "", "+5", "%31%30x", "99999999999999999999999"] {
            let (status, error) = rig.refuses("GET", &format!("{path}?limit={limit}"), &Value::Null);
            assert!(status == 400 && error.contains("limit"), "{limit}: {error}");
        }
        rig.look(&format!("{path}?limit=0"));
        rig.look(&format!("{path}?limit=18446744073709551615"));
    }
}

#[test]
fn m6_topology_changes_are_all_or_nothing_and_their_ends_exist() {
    let rig = Rig::running();
    let topology = "/api/swarms/s/topology";
    let done = rig.does(
        "PATCH",
        topology,
        &json!({"add": [["b", "a"], {"from": "b", "to": "o"}], "remove": [["a", "b"]]}),
    );
    assert_eq!(done, json!({"status": "ok", "added": 2, "removed": 1}));
    let edges = rig.edges();
    assert_eq!(edges, ["a->o", "b->a", "b->o", "o->a"]);
    for body in [
        json!({"add": [["a", "b"], ["a", "nobody"]]}),
        json!({"add": [["a", "b"], ["a"]]}),
        json!({"add": [["a", "b"], "a->b"]}),
        json!({"add": [["a", "b"], {"from": "a"}]}),
        json!({"add": [["a", "b"], ["a", 1]]}),
        json!({"add": {"from": "a", "to": "b"}}),
        json!({"add": [["a", "b"]], "remove": "x"}),
        json!({"remove": [["a", "o"]], "add": [["nobody", "a"]]}),
    ] {
        let (status, error) = rig.refuses("PATCH", topology, &body);
        assert!(status == 400 && error != "Internal error", "{body}: {error}");
        assert_eq!(rig.edges(), edges, "{body}");
    }
    assert_eq!(rig.does("PATCH", topology, &json!({})), json!({"status": "ok", "added": 0, "removed": 0}));
    let unknown = rig.refuses("PATCH", "/api/swarms/nope/topology", &json!({"add": [["a", "b"]]}));
    assert_eq!(unknown, (400, "swarm_not_found".to_owned()));
}

#[test]
fn m11_a_message_goes_along_an_edge_and_nowhere_else() {
    let rig = Rig::running();
    let message = "/api/swarms/s/message";
    let routed = rig.does("POST", message, &json!({"from": "a", "to": "b", "content": "hello"}));
    assert_eq!(routed, json!({"status": "routed", "from": "a", "to": "b", "swarm": "s"}));
    rig.until("the message in the log", |rig| !rig.look("/api/swarms/s/messages")["messages"][0].is_null());
    let row = rig.look("/api/swarms/s/messages")["messages"][0].clone();
    assert_eq!((&row["from"], &row["to"], &row["swarm"]), (&json!("a"), &json!("b"), &json!("s")));
    assert_eq!((&row["type"], &row["content_preview"]), (&json!("direct"), &json!("hello")));
    let denied = rig.api("POST", message, &json!({"from": "b", "to": "a", "content": "x"}));
    assert_eq!((denied.status, denied.code(), denied.error()), (403, "route_denied", "no edge b -> a"));
    for body in [
        json!({"from": "a", "to": "nobody", "content": "x"}),
        json!({"from": "nobody", "to": "a", "content": "x"}),
    ] {
        let (status, _) = rig.refuses("POST", message, &body);
        assert!(status == 404 || status == 403, "{body}: {status}");
    }
    for body in [json!({}), json!({"from": "a", "to": "b"}), json!({"from": 1, "to": "b", "content": "x"})] {
        let refused = rig.refuses("POST", message, &body);
        assert_eq!(refused, (400, "Missing 'from', 'to', or 'content' parameter".to_owned()));
    }
    let unknown =
        rig.refuses("POST", "/api/swarms/nope/message", &json!({"from": "a", "to": "b", "content": "x"}));
    assert_eq!(unknown, (404, "Swarm not found".to_owned()));
}

#[test]
fn m7_a_skill_is_written_under_its_name_and_under_no_other() {
    let rig = Rig::running();
    let skills = "/api/swarms/s/agents/a/skills";
    let put = |name: &str, body: &Value| rig.api("PUT", &format!("{skills}/{name}"), body);
    let content = json!({"content": "# how"});
    assert_eq!(put("how.md", &content).body, json!({"status": "updated", "skill": "how.md"}));
    assert_eq!(rig.look(skills)["skills"], json!([{"name": "how.md", "content": "# how", "path": "how.md"}]));
    for bad in [
        "..%2Fescape.md",
        "%2Fetc%2Fx.md",
        "sub%2Fx.md",
        "..%5Cwin.md",
        "a%00b.md",
        ".",
        "..",
        "%2E%2E",
        "%ff",
    ] {
        let answer = put(bad, &content);
        assert_eq!((answer.status, answer.error()), (400, "Invalid skill name"), "{bad}");
    }
    let unlisted = put("how.txt", &content);
    assert_eq!((unlisted.status, unlisted.code()), (400, "invalid_skill_name"));
    assert_eq!(unlisted.error(), "Invalid skill name: it must end in .md");
    assert_eq!(rig.api("PUT", "/api/swarms/s/agents/a/skills/", &content).code(), "not_found");
    for bad in [json!({}), json!({"content": 1})] {
        let answer = put("x.md", &bad);
        assert_eq!(
            (answer.status, &answer.body["errors"]),
            (400, &json!({"detail": "Bad Request"})),
            "{bad}"
        );
    }
    assert_eq!(rig.look(skills)["skills"].as_array().map(Vec::len), Some(1), "nothing else was written");
    let unknown = rig.api("PUT", "/api/swarms/s/agents/nope/skills/x.md", &content);
    assert_eq!((unknown.status, unknown.error()), (404, "Agent not found"));
}

#[test]
fn m7_the_name_of_a_skill_is_decoded_once() {
    let rig = Rig::running();
    let put = |name: &str| {
        let path = format!("/api/swarms/s/agents/a/skills/{name}");
        rig.api("PUT", &path, &json!({"content": "# x"}))
    };
    assert_eq!(put("x%252emd").code(), "invalid_skill_name");
    assert_eq!(put("..%2Fx.md").code(), "invalid_skill_name");
}

#[test]
fn an_edge_with_more_than_its_ends_is_none() {
    let rig = Rig::running();
    for edge in
        [json!({"from": "b", "to": "a", "more": 1}), json!(["b", "a", "o"]), json!(["b"]), json!("b>a")]
    {
        let answer = rig.api("PATCH", "/api/swarms/s/topology", &json!({"add": [["b", "o"], edge]}));
        assert_eq!((answer.status, answer.code()), (400, "invalid_topology"), "{edge}");
    }
    assert_eq!(rig.edges(), ["a->b", "a->o", "o->a"]);
}
