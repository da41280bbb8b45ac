//! What is shown of a config: the summary, the snapshot, and nothing secret.

use serde_json::{Value, json};

use super::agent;
use crate::{
    limits,
    swarm::config::{Config, redacted, snapshot, summary},
};

#[test]
fn b2_the_summary_has_the_shape_of_genswarms() {
    let config = Config::of(&json!({
        "name": "s",
        "agents": [
            {"name": "a", "backend": "apple_container", "skills": ["x.md"], "model": "m"},
            {"name": "b", "backend": "docker:img"},
            {"name": "c", "backend": {"type": "ssh", "host": "u@h"}},
            {"name": "d", "backend": "mock"},
            {"name": "e", "command": ["x"]},
            {"name": "f", "backend": "local", "command": ["x"]},
        ],
        "objects": [{"name": "o", "handler": "log"}, {"name": "p", "handler": {"command": ["secret-word"]}}],
        "topology": [["a", "o"]],
    }));
    let shown = summary(&config.unwrap());
    assert_eq!(
        (&shown["name"], &shown["agent_count"], &shown["object_count"]),
        (&json!("s"), &json!(6), &json!(2))
    );
    assert_eq!(
        shown["agents"][0],
        json!({"name": "a", "backend": "apple_container", "skills": ["x.md"], "model": "m"})
    );
    let backends: Vec<&Value> =
        shown["agents"].as_array().unwrap().iter().map(|agent| &agent["backend"]).collect();
    assert_eq!(backends, ["apple_container", "docker:img", "ssh:u@h", ":mock", ":bwrap", "local"]);
    assert_eq!(
        shown["objects"],
        json!([{"name": "o", "handler": "log"}, {"name": "p", "handler": "process"}])
    );
    assert_eq!(
        (&shown["topology_edges"], &shown["topology"]),
        (&json!(1), &json!([{"from": "a", "to": "o"}]))
    );
}

/// Spec genswarms M.6, the snapshot.
#[test]
fn m6_a_snapshot_holds_no_secret_and_reads_as_a_config() {
    let secret = "hunter2";
    let config = Config::of(&json!({
        "name": "s",
        "agents": [
            {"name": "a", "backend": {"type": "ssh", "host": "h", "opts": {"password": secret, "key_path": "/k"}},
             "command": ["x", "--api-key", secret, format!("--token={secret}"), "plain"],
             "config": {"api_key": secret, "DB_PASSWORD": secret, "x": [{"GH_TOKEN": {"deep": secret}}],
                "my_secret_thing": [secret], "awsCredentials": secret, "Passwd": 5, "plain": "shown",
                "url": format!("see https://u:{secret}@h/x and ftp://{secret}@h?a=1"),
                "query": format!("https://h/?a=1&api_key={secret}#f"), "env": {"OTHER": secret}},
             "model": format!("http://m:{secret}@x")},
        ],
        "objects": [
            {"name": "o", "handler": {"command": ["p", format!("SECRET={secret}")]},
             "config": {"token": secret, "inner": {"env": {"A": secret}}}},
        ],
        "options": {"keys": {"a": secret}, "note": "shown"},
    }))
    .unwrap();
    let shown = snapshot(&config);
    assert!(!shown.to_string().contains(secret), "{shown}");
    assert!(!format!("{config:?} {:?} {:?}", config.agents[0], config.objects[0]).contains(secret));
    let agent = &shown["agents"][0];
    assert_eq!(agent["backend"]["opts"], json!({"password": "[REDACTED]", "key_path": "/k"}));
    assert_eq!(agent["config"]["env"], json!({"OTHER": "[REDACTED]"}));
    assert_eq!(
        agent["config"]["command"],
        json!(["x", "--api-key", "[REDACTED]", "--token=[REDACTED]", "plain"])
    );
    assert_eq!(agent["config"]["plain"], json!("shown"));
    assert_eq!(agent["config"]["query"], json!("https://h/?a=1&api_key=*#f"));
    assert_eq!(shown["options"], json!({"keys": "[REDACTED]", "note": "shown"}));
    assert_eq!(Config::of(&shown).map(|config| config.name), Ok(config.name));
}

#[test]
fn a_reply_to_an_object_that_is_gone_is_not_in_the_snapshot() {
    let mut config = Config::of(&json!({
        "name": "s", "agents": [{"name": "a", "backend": "mock", "config": {"reply_to": "o"}}],
        "objects": [{"name": "o", "handler": "log"}],
    }))
    .unwrap();
    config.objects.clear();
    assert!(Config::of(&config.to_value()).is_err());
    assert!(Config::of_running(&config.to_value()).is_ok(), "a swarm that runs can lose it");
    assert!(Config::of(&snapshot(&config)).is_ok());
}

#[test]
fn h6_redaction_goes_by_names_and_keeps_the_shape() {
    let value = json!({
        "KEY": 1, "monkey": "redacted too: the rule of GenSwarms is plain", "key_path": "/k", "KEY_PATH": "/k",
        "list": [{"password": null}], "env": "not an object", "cmd": [1, "-p", "x", "--secret"],
    });
    let mask = "[REDACTED]";
    let wanted = json!({
        "KEY": mask, "monkey": mask, "key_path": "/k", "KEY_PATH": "/k", "list": [{"password": mask}],
        "env": "not an object", "cmd": [1, "-p", "x", "--secret"],
    });
    assert_eq!(redacted(&value), wanted);
    assert_eq!(redacted(&agent("a")), agent("a"));
}

#[test]
fn secrets_that_the_specification_does_not_name_are_not_shown_either() {
    let mask = "[REDACTED]";
    for name in ["auth", "Authorization", "bearer", "Set-Cookie", "db_pass", "PWD", "ssh.pass", "passphrase"]
    {
        let value = json!({ "config": { name: "x", "list": [{ name: ["x"] }] } });
        let wanted = json!({ "config": { name: mask, "list": [{ name: mask }] } });
        assert_eq!(redacted(&value), wanted, "{name}");
        assert_eq!(
            redacted(&json!({ "command": [format!("--{name}=x")] })),
            json!({ "command": [format!("--{name}={mask}")] })
        );
    }
    for name in ["author", "bypass", "compass", "pass_through", "authority", "path"] {
        let value = json!({ name: "x" });
        assert_eq!(redacted(&value) == value, name != "pass_through", "{name}");
    }
}

#[test]
fn secrets_on_a_command_line_and_in_urls_are_not_shown() {
    for (command, shown) in [
        (json!(["x", "--api-key", "a=b", "c"]), json!(["x", "--api-key", "[REDACTED]", "c"])),
        (json!(["x", "--token=a b c"]), json!(["x", "--token=[REDACTED]"])),
        (
            json!(["sh", "-c", "A=1 export MY_TOKEN='a b'; run"]),
            json!(["sh", "-c", "A=1 export MY_TOKEN=[REDACTED]"]),
        ),
        (json!(["sh", "-c", "run --password hunter2"]), json!(["sh", "-c", "run --password [REDACTED]"])),
        (json!(["env", "A=1", "B_SECRET=2", "run"]), json!(["env", "A=1", "B_SECRET=[REDACTED]", "run"])),
        (json!(["run", "--last-key"]), json!(["run", "--last-key"])),
    ] {
        assert_eq!(redacted(&json!({"command": command})), json!({"command": shown}));
    }
    for (url, shown) in [
        ("a?b=1 and https://h/?x=2;token=3&y=4", "a?b=1 and https://h/?x=2;token=*&y=4"),
        ("http://a:b@c@h/p?q http://d@h", "http://*@h/p?q http://*@h"),
        ("http://@h/?token=&key=", "http://@h/?token=&key="),
        ("https://h/a@b", "https://h/a@b"),
        ("://://x@y", "://://*@y"),
        ("mail a@b?key=c", "mail a@b?key=c"),
    ] {
        assert_eq!(redacted(&json!(url)), json!(shown));
    }
}

#[test]
fn a_text_as_long_as_it_may_be_is_not_longer_without_its_secrets() {
    let model = format!("m://a@{}?key=k", "h".repeat(limits::CONFIG_WORD - 12));
    assert_eq!(model.len(), limits::CONFIG_WORD);
    let config =
        Config::of(&json!({"name": "s", "agents": [{"name": "a", "backend": "mock", "model": model}]}))
            .unwrap();
    let shown = snapshot(&config);
    assert!(shown.to_string().contains("m://*@h"), "{shown}");
    assert!(Config::of(&shown).is_ok());
}
