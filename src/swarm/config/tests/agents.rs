//! One agent: its fields, their places, and what is refused.

use serde_json::{Value, json};

use super::{of_agents, wrong};
use crate::{
    agent::{Controller, Submit},
    backend::form::Form,
    swarm::config::{AgentConfig, Config, Restart},
};

fn read(agent: Value) -> AgentConfig {
    Config::of(&of_agents(vec![agent])).unwrap().agents.remove(0)
}

/// Spec genswarms M.5, the names.
#[test]
fn m5_names_of_agents_follow_the_rule() {
    let rule =
        "Agent name must start with a letter and contain only alphanumeric, underscore, or hyphen characters";
    for bad in [
        "a; touch /tmp/x",
        "a$(id)",
        "a`id`",
        "a|cat",
        "a name",
        "a&&b",
        "../escape",
        "a\nb",
        "valid\n",
        "\nvalid",
        "1agent",
    ] {
        let error = Config::of(&of_agents(vec![json!({"name": bad, "backend": "mock"})])).unwrap_err();
        assert_eq!((error.code(), error.answer().as_str()), ("invalid_agent_name", rule), "{bad:?}");
        assert_eq!(error.field(), "agents[0].name");
    }
    for good in ["researcher", "coder_2", "eval-bot"] {
        assert_eq!(wrong(json!({"name": good, "backend": "mock"})).0, "", "{good}");
    }
    assert_eq!(wrong(json!({"name": "x".repeat(65), "backend": "mock"})).0, "invalid_agent_name");
    assert_eq!(wrong(json!({"name": 5, "backend": "mock"})).0, "invalid_agent_name");
    for none in
        [json!({"backend": "mock"}), json!({"name": ""}), json!({"name": null}), json!("a"), json!(null)]
    {
        assert_eq!(wrong(none.clone()).0, "invalid_agent_config", "{none}");
    }
}

#[test]
fn names_that_a_message_could_be_mistaken_by_are_reserved() {
    for name in ["all", "orchestrator", "owner", "api", "config", "loopgate"] {
        assert_eq!(wrong(json!({"name": name, "backend": "mock"})).0, "invalid_agent_name", "{name}");
        let value = json!({"name": "s", "agents": [super::agent("a")], "objects": [{"name": name, "handler": "log"}]});
        assert_eq!(Config::of(&value).unwrap_err().code(), "invalid_object_name", "{name}");
    }
}

#[test]
fn an_agent_without_a_backend_is_confined_and_needs_a_program() {
    let agent = read(json!({"name": "a", "command": ["x"]}));
    assert_eq!(agent.backend, Form::default());
    assert_eq!(agent.backend.name(), "bwrap");
    for backend in ["local", "bwrap"] {
        let missing = ("missing_command".to_owned(), "agents[0].config.command".to_owned());
        assert_eq!(wrong(json!({"name": "a", "backend": backend})), missing);
    }
    for backend in ["mock", "docker:i", "ssh:h", "apple_container"] {
        assert_eq!(wrong(json!({"name": "a", "backend": backend})).0, "", "{backend}");
    }
}

#[test]
fn a_command_is_an_array_of_words_and_nothing_else_names_a_program() {
    for bad in [
        json!("cat"),
        json!([]),
        json!([""]),
        json!(["a", 1]),
        json!(["a\u{0}"]),
        json!({"a": 1}),
        json!(7),
        json!(vec!["x"; 257]),
    ] {
        for key in ["command", "cmd"] {
            assert_eq!(
                wrong(json!({"name": "a", "backend": "local", key: bad})).0,
                "invalid_command",
                "{key} {bad}"
            );
            let inner = json!({"name": "a", "backend": "local", "config": {key: bad}});
            assert_eq!(wrong(inner), ("invalid_command".to_owned(), wrong_field(key, &bad)), "{bad}");
        }
    }
    for key in ["subzeroclaw_path", "subzeroclaw_src", "wrapper_path"] {
        assert_eq!(wrong(json!({"name": "a", "command": ["x"], key: "/bin/sh"})).0, "not_a_program", "{key}");
        let inner = json!({"name": "a", "command": ["x"], "config": {key: "/bin/sh"}});
        assert_eq!(wrong(inner), ("not_a_program".to_owned(), format!("agents[0].config.{key}")));
    }
}

fn wrong_field(key: &str, bad: &Value) -> String {
    let item = match bad.as_array().map(Vec::as_slice) {
        Some([Value::String(first)]) if first.is_empty() || first.contains('\0') => "[0]",
        Some([_, Value::Number(_)]) => "[1]",
        _ => "",
    };
    format!("agents[0].config.{key}{item}")
}

#[test]
fn a_field_that_stands_in_two_places_must_say_one_thing() {
    let agent = read(json!({
        "name": "a", "backend": "local", "cmd": ["x"], "model": "m", "env": {"A": "1"},
        "config": {"command": ["x"], "model": "m", "extra_env": {"A": "1"}, "own": [1, null]},
    }));
    assert_eq!(agent.command, Some(vec!["x".to_owned()]));
    assert_eq!(agent.env, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(
        Value::Object(agent.config.clone()),
        json!({"command": ["x"], "env": {"A": "1"}, "own": [1, null]})
    );
    for (beside, config, field) in [
        (json!({"command": ["x"]}), json!({"command": ["y"]}), "command"),
        (json!({"cmd": ["x"]}), json!({"command": ["y"]}), "cmd"),
        (json!({"command": ["x"], "model": "a"}), json!({"model": "b"}), "model"),
        (json!({"command": ["x"], "env": {"A": "1"}}), json!({"env": {"A": "2"}}), "env"),
        (json!({"command": ["x"], "controller": "pty"}), json!({"controller": "pipe"}), "controller"),
        (json!({"command": ["x"], "endpoint": "http://a"}), json!({"endpoint": "http://b"}), "endpoint"),
    ] {
        let mut agent = beside;
        agent["name"] = json!("a");
        agent["config"] = config;
        let (code, at) = wrong(agent);
        assert_eq!((code.as_str(), at.ends_with(field)), ("conflicting_keys", true), "{at}");
    }
    let opts = json!({"name": "a", "command": ["x"], "backend": {"type": "bwrap", "opts": {"network": "open"}},
        "config": {"network": "isolated"}});
    assert_eq!(wrong(opts).0, "conflicting_keys");
}

#[test]
fn a_slip_is_no_business_of_the_agents_own() {
    for (key, field) in [
        ("netwrok", "network"),
        ("Network", "network"),
        ("max-turns", "max_turns"),
        ("workspce", "workspace"),
    ] {
        let error = Config::of(&of_agents(vec![
            json!({"name": "a", "backend": "mock", "config": {key: "isolated"}}),
        ]));
        let error = error.unwrap_err();
        assert_eq!(error.code(), "unknown_key", "{key}");
        assert_eq!(error.suggestion(), Some(format!("did you mean \"{field}\"?").as_str()));
    }
    for own in ["score", "end", "prompt", "role", "name", "temperature"] {
        assert_eq!(wrong(json!({"name": "a", "backend": "mock", "config": {own: 1}})).0, "", "{own}");
    }
    for beside in ["skills", "tools", "backend"] {
        assert_eq!(wrong(json!({"name": "a", "backend": "mock", "config": {beside: []}})).0, "unknown_key");
    }
    let error = Config::of(&of_agents(vec![json!({"name": "a", "network": "isolated"})])).unwrap_err();
    assert_eq!(
        (error.code(), error.suggestion()),
        ("unknown_key", Some("put it into the agent's \"config\""))
    );
}

#[test]
fn isolation_is_refused_where_it_cannot_be_had() {
    for (backend, code) in [
        ("local", "unsupported_network"),
        ("mock", "unsupported_network"),
        ("ssh:h", "unsupported_network"),
        ("apple_container", "unsupported_network"),
        ("bwrap", ""),
        ("docker:i", ""),
    ] {
        let agent =
            json!({"name": "a", "backend": backend, "command": ["x"], "config": {"network": "isolated"}});
        assert_eq!(wrong(agent).0, code, "{backend}");
    }
    let named = json!({"name": "a", "backend": "local", "command": ["x"], "config": {"network": "mine"}});
    assert_eq!(wrong(named).0, "invalid_network");
}

#[test]
fn options_that_a_backend_does_not_have_are_refused() {
    for (key, value) in [
        ("memory_limit", json!("1G")),
        ("seccomp", json!(true)),
        ("volumes", json!([])),
        ("script", json!([[]])),
    ] {
        let agent = json!({"name": "a", "backend": "local", "command": ["x"], "config": {key: value}});
        assert_eq!(wrong(agent), ("unsupported_option".to_owned(), format!("agents[0].config.{key}")));
    }
    let junk = json!({"name": "a", "command": ["x"], "config": {"memory_limit": "plenty"}});
    assert_eq!(wrong(junk).0, "invalid_config");
}

#[test]
fn variables_keep_their_rules() {
    let code = |env: Value| wrong(json!({"name": "a", "backend": "mock", "env": env})).0;
    assert_eq!(code(json!({"PATH": "/x", "_a1": "", "HOST_SECRET": "${HOME} stays as it is"})), "");
    for bad in [
        "",
        "A=B",
        "1A",
        "A B",
        "A-B",
        "A\u{0}",
        "\u{c4}",
        "LOOPGATE_AGENT_TOKEN",
        "AGENTMUX_LOCAL_URL",
        "GENSWARMS_API_TOKEN",
        "OUTBOX_DIR",
        "ASK_REPLY_DIR",
        "SWARM_TOPOLOGY",
        "SUBZEROCLAW_AGENT_NAME",
        "SUBZEROCLAW_API_KEY",
        &"A".repeat(129),
    ] {
        assert_eq!(code(json!({bad: "x"})), "invalid_env", "{bad:?}");
    }
    for bad in [json!([]), json!("A=B"), json!({"A": 1}), json!({"A": null}), json!({"A": "x\u{0}"})] {
        assert_eq!(code(bad.clone()), "invalid_env", "{bad}");
    }
    let agent = read(json!({"name": "a", "backend": "mock", "env": {"V": "${HOME}"}}));
    assert_eq!(agent.env, [("V".to_owned(), "${HOME}".to_owned())]);
}

#[test]
fn a_workspace_is_absolute_or_below_the_agents_own() {
    let code = |path: Value| wrong(json!({"name": "a", "backend": "mock", "workspace": path})).0;
    for good in ["/srv/x", "sub/dir", "~", "a b", ".", "..x"] {
        assert_eq!(code(json!(good)), "", "{good}");
    }
    for bad in [
        json!(""),
        json!(".."),
        json!("../x"),
        json!("/srv/../etc"),
        json!("a/.."),
        json!("a\u{0}"),
        json!("a\n"),
        json!(1),
        json!([]),
    ] {
        assert_eq!(code(bad.clone()), "invalid_workspace", "{bad}");
    }
}

#[test]
fn skills_tools_and_presets_are_lists_of_known_words() {
    let code = |key: &str, value: Value| wrong(json!({"name": "a", "backend": "mock", key: value})).0;
    assert_eq!(code("skills", json!(["web.md", "sub/x"])), "");
    for bad in [json!("web.md"), json!([1]), json!([""]), json!({}), json!(["a\nb"])] {
        assert_eq!(code("skills", bad.clone()), "invalid_skills_format", "{bad}");
    }
    for bad in ["/etc/passwd", "../x", "a/../../x", ".."] {
        assert_eq!(code("skills", json!([bad])), "invalid_skill_name", "{bad}");
    }
    assert_eq!(code("tools", json!(["git", "uv"])), "");
    assert_eq!(code("tools", json!(["git", "rm"])), "unknown_tools");
    assert_eq!(code("tools", json!("git")), "invalid_tools_format");
    assert_eq!(code("presets", json!(["base", "ai"])), "");
    assert_eq!(code("presets", json!(["base", "root"])), "unknown_presets");
    assert_eq!(code("presets", json!([true])), "invalid_presets_format");
}

#[test]
fn a_controller_is_a_pipe_or_a_terminal() {
    let of = |controller: Value| {
        read(json!({"name": "a", "backend": "mock", "controller": controller})).controller
    };
    assert_eq!(of(json!(null)), Controller::Pipe);
    assert_eq!(of(json!({"type": "pipe"})), Controller::Pipe);
    assert_eq!(of(json!("pty")), Controller::Pty { rows: 24, cols: 80, submit: Submit::Thrice });
    let pty = json!({"type": "pty", "rows": 50, "cols": 100, "submit": "once"});
    assert_eq!(of(pty), Controller::Pty { rows: 50, cols: 100, submit: Submit::Once });
    for bad in [
        json!("tty"),
        json!(1),
        json!({}),
        json!({"type": 1}),
        json!({"type": "pty", "rows": 1}),
        json!({"type": "pty", "cols": 70_000}),
        json!({"type": "pty", "submit": "twice"}),
    ] {
        assert_eq!(
            wrong(json!({"name": "a", "backend": "mock", "controller": bad})).0,
            "invalid_controller",
            "{bad}"
        );
    }
    for bad in [json!({"type": "pipe", "rows": 24}), json!({"type": "pty", "row": 24})] {
        assert_eq!(
            wrong(json!({"name": "a", "backend": "mock", "controller": bad})).0,
            "unknown_key",
            "{bad}"
        );
    }
}

#[test]
fn restarts_and_scripts_are_read() {
    let agent =
        read(json!({"name": "a", "backend": "mock", "config": {"restart": "on-failure", "script": [["x"]]}}));
    assert_eq!(agent.restart, Restart::OnFailure);
    assert_eq!(agent.script.map(|script| script.turns().len()), Some(1));
    for bad in [json!("always"), json!("on_failure"), json!(true)] {
        assert_eq!(
            wrong(json!({"name": "a", "backend": "mock", "config": {"restart": bad}})).0,
            "invalid_restart"
        );
    }
    assert_eq!(wrong(json!({"name": "a", "backend": "mock", "config": {"script": []}})).0, "invalid_script");
}

#[test]
fn what_a_program_is_told_of_its_model_comes_from_its_own_config() {
    let agent = read(json!({
        "name": "a", "backend": "mock", "model": "m/x",
        "config": {"request_extra": "{\"top_p\": 1}", "endpoint": "https://h/v1", "api_key": "k"},
    }));
    let variables = agent.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(variables, [("SUBZEROCLAW_REQUEST_EXTRA", "{\"model\":\"m/x\",\"top_p\":1}"),]);
    assert_eq!((agent.endpoint(), agent.api_key()), (Some("https://h/v1"), Some("k")));
    assert!(read(super::agent("a")).variables().is_empty());
    let error = wrong(json!({"name": "a", "backend": "mock", "config": {"endpoint": "http://u:p@h"}}));
    assert_eq!(error.0, "invalid_endpoint");
}
