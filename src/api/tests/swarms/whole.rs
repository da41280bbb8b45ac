//! M.6, swarms as a whole: created, looked at, stopped, kept, started again, paused, cleaned.

use super::*;

#[test]
fn m6_a_swarm_is_created_from_the_call_and_shown_as_genswarms_shows_it() {
    let rig = Rig::running();
    let list = rig.look("/api/swarms");
    let row = &list["swarms"][0];
    assert_eq!((&row["name"], &row["status"]), (&json!("s"), &json!("running")));
    assert_eq!((&row["agent_count"], &row["object_count"]), (&json!(2), &json!(1)));
    assert!(text(&row["started_at"]).ends_with('Z'));
    let swarm = rig.look("/api/swarms/s");
    for key in [
        "name",
        "status",
        "started_at",
        "config_path",
        "agents",
        "objects",
        "agent_counts",
        "config",
        "topology",
        "file_paths",
    ] {
        assert!(swarm.get(key).is_some(), "{key}");
    }
    assert_eq!(swarm["config"], json!({"agent_count": 2, "object_count": 1, "topology_edges": 3}));
    assert_eq!(swarm["config_path"], Value::Null);
    assert_eq!(swarm["file_paths"], json!({"config": null, "data_dir": null, "log": null}));
    assert_eq!(
        (&swarm["agents"][0]["name"], &swarm["agents"][0]["backend_type"]),
        (&json!("a"), &json!("mock"))
    );
    assert_eq!(swarm["agents"][0]["container_name"], Value::Null);
    assert_eq!(
        (&swarm["objects"][0]["name"], &swarm["objects"][0]["handler"]),
        (&json!("o"), &json!("counter"))
    );
    assert_eq!(rig.edges(), ["a->b", "a->o", "o->a"]);
}

#[test]
fn m6_a_second_start_of_a_running_swarm_already_exists() {
    let rig = Rig::running();
    let again = rig.refuses("POST", "/api/swarms", &json!({"config": config()}));
    assert_eq!(again, (400, "already_exists".to_owned()));
    for (body, error) in [
        (json!({}), "Missing 'config' or 'config_path' parameter"),
        (json!({"config": null}), "Missing 'config' or 'config_path' parameter"),
        (json!({"config_path": null}), "Invalid config_path"),
        (json!({"config_path": ""}), "Invalid config_path"),
        (json!({"config_path": "../x.json"}), "Invalid config_path"),
        (json!({"config": {"agents": []}}), "missing_name"),
        (json!({"config": {"name": "t", "agents": []}}), "missing_or_empty_agents"),
        (json!({"config": []}), "invalid_config_format"),
    ] {
        assert_eq!(rig.refuses("POST", "/api/swarms", &body), (400, error.to_owned()), "{body}");
    }
    assert_eq!(rig.look("/api/swarms")["swarms"].as_array().map(Vec::len), Some(1));
}

#[test]
fn m4_a_swarm_is_created_from_a_file_beneath_the_directory_of_configurations() {
    let home = TempHome::in_memory();
    let dir = home.around().join("allowed");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::write(dir.join("s.json"), config().to_string()).expect("written");
    std::fs::write(home.around().join("outside.json"), config().to_string()).expect("written");
    std::os::unix::fs::symlink(home.around().join("outside.json"), dir.join("link.json")).expect("a link");
    std::fs::write(dir.join("s.exs"), "x").expect("written");
    let config_dir = Some(Beneath::open(&dir).expect("a directory"));
    let swarms = open_swarms(&home);
    let instance = Made { swarms, config_dir, ..Made::with_api_token(Some(API_TOKEN)) }.instance();
    let make = |path: &str| instance.post("/api/swarms", API, &json!({"config_path": path}));
    for path in ["../outside.json", "link.json", "/etc/passwd", "../allowed_evil/s.json", ""] {
        assert_eq!((make(path).status, make(path).error()), (400, "Invalid config_path"), "{path}");
    }
    assert_eq!(make("nope.json").error(), "File not found: nope.json");
    assert_eq!((make("s.exs").status, make("s.exs").code()), (400, "format_not_supported"));
    assert_eq!(instance.get("/api/swarms", API).body, json!({"swarms": []}));
    let made = make("s.json");
    assert_eq!((made.status, &made.body["swarm_name"]), (201, &json!("s")), "{}", made.body);
    let text = instance.get("/api/swarms/s", API).body.to_string();
    assert!(!text.contains(&*home.around().to_string_lossy()), "{text}");
}

#[test]
fn m6_nobody_s_swarm_is_not_found() {
    let rig = Rig::new();
    for (method, path) in [
        ("GET", "/api/swarms/nope"),
        ("DELETE", "/api/swarms/nope"),
        ("GET", "/api/swarms/nope/topology"),
        ("POST", "/api/swarms/nope/pause"),
        ("POST", "/api/swarms/nope/resume"),
        ("POST", "/api/swarms/nope/start"),
        ("GET", "/api/swarms/no%2Fpe"),
        ("GET", "/api/swarms/1x"),
        ("GET", "/api/swarms/.."),
    ] {
        assert_eq!(
            rig.refuses(method, path, &Value::Null),
            (404, "Swarm not found".to_owned()),
            "{method} {path}"
        );
    }
    let restart = rig.refuses("POST", "/api/swarms/nope/restart", &Value::Null);
    assert_eq!(restart, (404, "Swarm not found or no config path".to_owned()));
    let snapshot = rig.refuses("POST", "/api/swarms/nope/snapshot", &Value::Null);
    assert_eq!(snapshot, (404, "swarm_not_found".to_owned()));
    assert_eq!(rig.look("/api/swarms/nope/agents"), json!({"agents": []}));
    assert_eq!(rig.look("/api/swarms/nope/objects"), json!({"objects": []}));
    assert_eq!(rig.look("/api/swarms/nope/messages"), json!({"messages": []}));
    assert_eq!(rig.look("/api/swarms/nope/overlay"), json!({"swarm": "nope", "events": []}));
}

#[test]
fn m6_a_stopped_swarm_is_kept_and_starts_again_and_a_purged_one_is_gone() {
    let rig = Rig::running();
    let stopped = rig.does("DELETE", "/api/swarms/s", &Value::Null);
    assert_eq!(stopped, json!({"status": "stopped", "swarm_name": "s", "config_path": null}));
    assert_eq!(rig.look("/api/swarms/s")["status"], "stopped");
    let started = rig.does("POST", "/api/swarms/s/start", &Value::Null);
    assert_eq!(started, json!({"status": "started", "swarm_name": "s"}));
    assert_eq!(rig.look("/api/swarms/s")["status"], "running");
    // After the instance's end it is kept too.
    let rig = rig.again();
    assert_eq!(rig.look("/api/swarms")["swarms"][0]["status"], "stopped");
    rig.does("POST", "/api/swarms/s/start", &json!({}));
    assert_eq!(rig.refuses("DELETE", "/api/swarms/s?purge=yes", &Value::Null).0, 400);
    assert_eq!(rig.look("/api/swarms/s")["status"], "running", "a flag that is none changes nothing");
    assert_eq!(rig.does("DELETE", "/api/swarms/s?purge=true", &Value::Null)["status"], "purged");
    assert_eq!(rig.refuses("GET", "/api/swarms/s", &Value::Null).0, 404);
    assert_eq!(rig.look("/api/swarms"), json!({"swarms": []}));
}

#[test]
fn m6_a_restart_restarts_and_a_pause_is_one() {
    let rig = Rig::running();
    let restarted = rig.does("POST", "/api/swarms/s/restart", &Value::Null);
    assert_eq!(restarted, json!({"status": "restarted", "swarm_name": "s", "delete_data": false}));
    assert_eq!(rig.does("POST", "/api/swarms/s/restart?delete=true", &json!({}))["delete_data"], json!(true));
    assert_eq!(rig.refuses("POST", "/api/swarms/s/restart?delete=1", &Value::Null).0, 400);
    assert_eq!(rig.look("/api/swarms/s")["status"], "running");
    let paused = rig.does("POST", "/api/swarms/s/pause", &Value::Null);
    assert_eq!(paused, json!({"status": "paused", "swarm_name": "s", "containers_paused": 2}));
    assert_eq!(rig.look("/api/swarms/s")["paused"], json!(true));
    let resumed = rig.does("POST", "/api/swarms/s/resume", &Value::Null);
    assert_eq!(resumed, json!({"status": "resumed", "swarm_name": "s", "containers_resumed": 2}));
}

#[test]
fn m6_clean_forgets_what_does_not_run() {
    let rig = Rig::running();
    let mut other = config();
    other["name"] = json!("t");
    rig.does("POST", "/api/swarms", &json!({"config": other}));
    rig.does("DELETE", "/api/swarms/t", &Value::Null);
    let cleaned = rig.does("POST", "/api/swarms/clean", &Value::Null);
    let told = |removed: Value, failed: Value| {
        let count = removed.as_array().map(Vec::len);
        json!({"status": "cleaned", "swarms_removed": count, "events_cleared": false, "removed": removed,
               "failed": failed})
    };
    assert_eq!(cleaned, told(json!(["t"]), json!([])));
    assert_eq!(names(&rig.look("/api/swarms")["swarms"]), ["s"]);
    let named = rig.does("POST", "/api/swarms/clean", &json!({"swarms": ["s", "t"]}));
    let runs = json!({"swarm": "s", "code": "swarm_running", "error": "the swarm runs"});
    let gone = json!({"swarm": "t", "code": "swarm_not_found", "error": "Swarm not found"});
    assert_eq!(named, told(json!([]), json!([runs, gone])));
    let page = rig.look("/api/v1/audit?limit=50");
    let entries = page["entries"].as_array().expect("a list").iter().rev();
    let audited: Vec<_> = entries
        .filter(|entry| ["clean", "purge"].contains(&text(&entry["happened"])))
        .map(|entry| (text(&entry["happened"]), text(&entry["swarm"]), entry["refused"].as_str()))
        .collect();
    assert_eq!(
        audited,
        [
            ("purge", "t", None),
            ("clean", "", None),
            ("purge", "s", Some("swarm_running")),
            ("purge", "t", Some("swarm_not_found")),
        ],
        "each by its name"
    );
    for body in [
        json!({"swarm": ["s"]}),
        json!({"swarms": "s"}),
        json!({"swarms": ["../s"]}),
        json!({"all": true}),
        json!({"swarms": null}),
    ] {
        assert_eq!(
            rig.refuses("POST", "/api/swarms/clean", &body).0,
            400,
            "{body}: a slip does not mean all"
        );
    }
    assert_eq!(rig.does("POST", "/api/swarms/clean?all=true", &Value::Null)["events_cleared"], json!(true));
}

#[test]
fn m6_a_snapshot_is_a_configuration_without_its_secrets() {
    let rig = Rig::new();
    let mut secret = config();
    secret["agents"][0]["config"]["api_key"] = json!("planted");
    secret["agents"][0]["config"]["nested"] = json!({"DB_PASSWORD": "planted", "my_secret": "planted", "X_TOKEN": ["planted"], "credentials": {"a": "planted"},
               "key_path": "kept/path", "plain": "kept"});
    rig.does("POST", "/api/swarms", &json!({"config": secret}));
    let snapshot = rig.does("POST", "/api/swarms/s/snapshot", &Value::Null);
    let text = snapshot.to_string();
    assert!(!text.contains("planted") && text.contains("[REDACTED]"), "{text}");
    let nested = &snapshot["agents"][0]["config"]["nested"];
    assert_eq!((&nested["key_path"], &nested["plain"]), (&json!("kept/path"), &json!("kept")));
    // It reads as a configuration again.
    let valid = rig.does("POST", "/api/config/validate", &json!({"config": snapshot}));
    assert_eq!(valid["valid"], json!(true));
    assert_eq!(rig.does("POST", "/api/swarms/s/snapshot?format=json", &json!({})), snapshot);
    let exs = rig.api("POST", "/api/swarms/s/snapshot?format=exs", &Value::Null);
    assert_eq!((exs.status, &exs.body["errors"]), (406, &json!({"detail": "Not Acceptable"})));
}

#[test]
fn each_change_of_a_swarm_is_in_the_audit_with_who_asked_and_without_a_text() {
    let rig = Rig::running();
    rig.does("POST", "/api/swarms/s/agents/a/task", &json!({"task": "a text that nobody else reads"}));
    rig.refuses("DELETE", "/api/swarms/s/agents/nope", &Value::Null);
    rig.does("PATCH", "/api/swarms/s/topology", &json!({"add": [["b", "a"]]}));
    rig.does("DELETE", "/api/swarms/s", &Value::Null);
    let page = rig.look("/api/v1/audit?limit=50");
    let entries: Vec<&Value> =
        page["entries"].as_array().expect("a list").iter().filter(|entry| entry["kind"] == "swarm").collect();
    let said: Vec<_> = entries
        .iter()
        .rev()
        .map(|e| (text(&e["happened"]), e["node"].as_str(), e["refused"].as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("create", None, None),
            ("task", Some("a"), None),
            ("remove_agent", Some("nope"), Some("agent_not_found")),
            ("topology", None, None),
            ("stop", None, None),
        ]
    );
    for entry in entries {
        assert_eq!((&entry["caller"], &entry["swarm"]), (&json!("api"), &json!("s")));
    }
    assert!(!page.to_string().contains("nobody else reads"));
}
