//! M.4 and M.5: configurations that callers bring or name. Differs from the printed cases: what is not JSON is
//! refused, and errors name a path as the caller gave it.

use std::{fs, os::unix::fs::symlink};

use serde_json::json;

use super::*;
use crate::limits;

const ROUTE: &str = "/api/config/validate";

fn config(name: &str) -> Value {
    json!({
        "name": name,
        "agents": [{"name": "a", "backend": "mock"}, {"name": "b", "backend": "mock"}],
        "topology": [["a", "b"]],
    })
}

/// An instance with a directory of configurations, `allowed`, and what lies around it.
fn instance() -> (Instance, TempHome) {
    let home = TempHome::in_memory();
    let allowed = home.around().join("allowed");
    for dir in ["allowed/swarms/sub", "allowed-sibling", "allowed_evil"] {
        fs::create_dir_all(home.around().join(dir)).expect("a directory");
    }
    let write = |path: &str, text: &str| fs::write(home.around().join(path), text).expect("written");
    for path in ["allowed/x.json", "allowed/swarms/x.json", "allowed/swarms/sub/c.json", "allowed/~"] {
        write(path, &config("s").to_string());
    }
    write("allowed/swarms/bad.json", "{\n  \"name\": \"s\",\n  \"agents\": []\n}");
    write("allowed/x.exs", "File.write!(\"executed\", \"\")");
    write("allowed/x.yaml", "name: s");
    write("allowed/large.json", &format!("{{{}", " ".repeat(limits::CONFIG_BYTES)));
    for path in ["allowed-sibling/x.json", "allowed_evil/x.json", "secret.json"] {
        write(path, &config("s").to_string());
    }
    symlink(home.around().join("secret.json"), allowed.join("link.json")).expect("a link");
    symlink(home.around().join("allowed_evil"), allowed.join("dir")).expect("a link");
    let config_dir = Some(Beneath::open(&allowed).expect("a directory"));
    (Made { config_dir, ..Made::with_api_token(Some(API_TOKEN)) }.instance(), home)
}

fn ask(instance: &Instance, body: &Value) -> Answer {
    instance.post(ROUTE, API, body)
}

#[test]
fn m4_a_path_in_the_directory_is_read_and_shown_as_it_was_given() {
    let (instance, home) = instance();
    let absolute = home.around().join("allowed/swarms/x.json").to_string_lossy().into_owned();
    for path in ["swarms/x.json", "swarms/sub/../x.json", "./swarms//sub/c.json", "x.json", &absolute] {
        let answer = ask(&instance, &json!({"config_path": path}));
        assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(true)), "{path}: {}", answer.body);
        assert_eq!(answer.body["config_path"], json!(path));
        assert_eq!(answer.body["config"]["topology"], json!([{"from": "a", "to": "b"}]));
    }
}

#[test]
fn m4_no_other_path_is_read() {
    let (instance, home) = instance();
    let around = home.around().to_string_lossy().into_owned();
    let mut paths: Vec<Value> = [
        "/etc/passwd",
        "/root/.ssh/id_rsa",
        "../../../../etc/passwd",
        "../allowed-sibling/x.json",
        "../allowed_evil/x.json",
        "../secret.json",
        "swarms/../../secret.json",
        "",
        "a\0.json",
        "link.json",
        "dir/x.json",
        ".",
        "swarms",
        "large.json",
    ]
    .map(|path| json!(path))
    .to_vec();
    paths.extend(
        ["allowed_evil/x.json", "allowed-sibling/x.json", "secret.json"]
            .map(|p| json!(format!("{around}/{p}"))),
    );
    paths.extend([json!(null), json!(123), json!(["x.json"]), json!("x".repeat(9_000))]);
    for path in paths {
        let answer = ask(&instance, &json!({"config_path": path}));
        // What only has no right ending is told so: it is no configuration, and nothing of it is shown.
        let said = answer.error() == "Invalid config_path" || answer.code() == "unsupported_format";
        assert!(answer.status == 400 && said, "{path}: {}", answer.body);
        assert_eq!(answer.body["valid"], json!(false));
        assert!(answer.body["errors"].as_array().is_some_and(|errors| errors.len() == 1));
    }
    let none = Instance::new();
    let answer = ask(&none, &json!({"config_path": "x.json"}));
    assert_eq!((answer.status, answer.error()), (400, "Invalid config_path"), "no directory is set aside");
}

#[test]
fn m4_what_is_not_there_is_named_as_the_caller_named_it() {
    let (instance, _home) = instance();
    for path in ["nope.json", "nope/x.json", "x.json/y.json", "~/x.json", "~root/x.json"] {
        let answer = ask(&instance, &json!({"config_path": path}));
        assert_eq!((answer.status, answer.error()), (404, format!("File not found: {path}").as_str()));
        assert_eq!(answer.body["errors"], json!([format!("File not found: {path}")]));
    }
}

/// The call is JSON and the file is not: it is the file whose line is named.
#[test]
fn a_file_that_is_not_json_is_told_with_its_place_and_not_as_the_calls_own_fault() {
    let (instance, home) = instance();
    std::fs::write(home.around().join("allowed/torn.json"), "{\n  \"name\": }").expect("a file");
    let body = json!({"config_path": "torn.json"}).to_string();
    let answer = instance.ask("POST", "/api/swarms", &format!("{API}{JSON}"), body.as_bytes());
    assert_eq!((answer.status, answer.code()), (400, "bad_json"));
    assert_eq!(answer.error(), "the text is not JSON: line 2, column 11");
    assert_eq!(answer.body["errors"], json!(null));
}

/// Differs from the printed case: neither form is loaded.
#[test]
fn m4_m5_what_is_not_json_is_refused_and_nothing_is_evaluated() {
    let (instance, home) = instance();
    for path in ["x.exs", "x.yaml", "nope.yml", "x.EXS"] {
        let answer = ask(&instance, &json!({"config_path": path}));
        assert_eq!((answer.status, answer.code()), (400, "format_not_supported"), "{path}: {}", answer.body);
        assert!(answer.error().contains("format not supported"), "{}", answer.error());
    }
    for format in ["exs", "yaml", "yml", "EXS"] {
        let answer = ask(&instance, &json!({"content": "File.write!(\"executed\", \"\")", "format": format}));
        assert_eq!((answer.status, &answer.body["valid"]), (400, &json!(false)), "{format}");
    }
    let answer = ask(&instance, &json!({"content": "x", "format": "toml"}));
    assert!(
        answer.status == 400 && answer.error().starts_with("Unsupported content format"),
        "{}",
        answer.body
    );
    assert!(!home.around().join("executed").exists() && !std::path::Path::new("executed").exists());
}

#[test]
fn m5_a_configuration_is_read_from_the_call() {
    let (instance, _home) = instance();
    let answer = ask(&instance, &json!({"config": config("s")}));
    assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(true)), "{}", answer.body);
    let summary = &answer.body["config"];
    assert_eq!(
        (&summary["name"], &summary["agent_count"], &summary["object_count"], &summary["topology_edges"]),
        (&json!("s"), &json!(2), &json!(0), &json!(1))
    );
    let text = config("s").to_string();
    let answer = ask(&instance, &json!({"content": text, "format": "json"}));
    assert_eq!((answer.status, &answer.body["format"]), (200, &json!("json")));
    let apple = json!({"name": "s", "agents": [{"name": "a", "backend": "apple_container"}]});
    let answer = ask(&instance, &json!({"config": apple}));
    assert_eq!(answer.body["config"]["agents"][0]["backend"], "apple_container", "{}", answer.body);
    // `config` wins where both are given.
    let both = json!({"config": config("s"), "config_path": "../x"});
    assert_eq!(ask(&instance, &both).status, 200);
}

#[test]
fn m5_each_error_has_its_name() {
    let (instance, _home) = instance();
    let of = |change: &dyn Fn(&mut Value)| {
        let mut config = config("s");
        change(&mut config);
        ask(&instance, &json!({ "config": config }))
    };
    for (change, code) in [
        (
            &(|c: &mut Value| drop(c.as_object_mut().map(|c| c.remove("name")))) as &dyn Fn(&mut Value),
            "missing_name",
        ),
        (&|c: &mut Value| c["name"] = json!(""), "missing_name"),
        (&|c: &mut Value| c["agents"] = json!([]), "missing_or_empty_agents"),
        (&|c: &mut Value| c["agents"][0]["backend"] = json!("vm"), "invalid_backend"),
        (&|c: &mut Value| c["topology"] = json!([["a", "nobody"]]), "invalid_topology"),
    ] {
        let answer = of(change);
        assert_eq!((answer.status, answer.code()), (400, code), "{}", answer.body);
        assert_eq!(answer.body["valid"], json!(false));
        assert_eq!(answer.body["errors"], json!([answer.error()]));
    }
    for name in ["a; touch /tmp/x", "a$(id)", "a`id`", "a|cat", "a name", "../escape", "valid\n", "1agent"] {
        let answer = of(&|c| c["agents"][0]["name"] = json!(name));
        assert_eq!((answer.status, answer.code()), (400, "invalid_agent_name"), "{name}");
    }
    let answer = ask(&instance, &json!({"content": "{\"name\": ", "format": "json"}));
    assert_eq!((answer.status, &answer.body["valid"]), (400, &json!(false)));
    let answer = ask(&instance, &json!({"config_path": "swarms/bad.json"}));
    assert_eq!(
        (answer.code(), &answer.body["line"]),
        ("missing_or_empty_agents", &json!(3)),
        "{}",
        answer.body
    );
    let answer = ask(&instance, &json!({}));
    assert_eq!(
        (answer.status, answer.error()),
        (400, "Missing 'config', 'config_path', or 'content' parameter")
    );
    assert!(answer.body["usage"].is_object());
}

/// Spec genswarms L.1.13: what is refused is not shown, and no value is repeated.
#[test]
fn no_answer_about_a_configuration_holds_a_secret_of_it_or_a_path_of_the_machine() {
    let (instance, home) = instance();
    let mut secret = config("s");
    secret["agents"][0]["env"] = json!({"API_KEY": "sk-planted", "OTHER": "sk-planted"});
    secret["agents"][0]["config"] = json!({"api_key": "sk-planted", "db_password": "sk-planted"});
    secret["agents"][1]["workspace"] = json!(home.path().to_string_lossy());
    fs::write(home.around().join("allowed/secret.json"), secret.to_string()).expect("written");
    let mut wrong = secret.clone();
    wrong["agents"][0]["env"] = json!(["sk-planted"]);
    wrong["agents"][0]["config"]["command"] = json!("sk-planted");
    for body in [
        json!({"config_path": "secret.json"}),
        json!({"config": secret}),
        json!({"content": secret.to_string(), "format": "json"}),
        json!({"config": wrong}),
        json!({"content": wrong.to_string()}),
        json!({"content": "{\"api_key\": sk-planted", "format": "json"}),
        json!({"content": secret.to_string(), "format": "sk-planted"}),
    ] {
        let text = ask(&instance, &body).body.to_string();
        let path = home.around().to_string_lossy().into_owned();
        assert!(!text.contains("sk-planted") || body["format"] == "sk-planted", "{text}");
        assert!(!text.contains(&path), "{text}");
    }
}

/// Where it lies is said first: nothing is learnt about what is elsewhere, not even from an ending.
#[test]
fn m4_a_path_that_leads_out_is_told_as_that_whatever_it_ends_in() {
    let (instance, _home) = instance();
    for path in ["../x.exs", "/etc/passwd", "../../x.yaml", "../secret.json"] {
        let answer = ask(&instance, &json!({"config_path": path}));
        assert_eq!((answer.status, answer.code()), (400, "outside_allowed_dir"), "{path}");
    }
}

#[test]
fn a_path_that_is_too_long_to_be_one_is_not_repeated() {
    let (instance, _home) = instance();
    let echoed = |bytes: usize| {
        let answer = ask(&instance, &json!({"config_path": "x".repeat(bytes)}));
        answer.body.get("config_path").is_some()
    };
    assert!(echoed(limits::REQUEST_LINE) && !echoed(limits::REQUEST_LINE + 1));
}

/// Spec genswarms M.8, over HTTP: the call that asks for it fails.
#[test]
fn m8_a_call_with_a_foreign_endpoint_is_400_endpoint_not_allowed() {
    let rig = Rig::new();
    let config =
        json!({"network": "isolated", "endpoint": "https://evil.example/v1", "command": ["/bin/true"]});
    let swarm = json!({"name": "led", "agents": [{"name": "a", "backend": "bwrap", "config": config}]});
    for path in ["/api/swarms", "/api/config/validate"] {
        let answer = rig.post(path, API, &json!({"config": swarm}));
        assert_eq!((answer.status, answer.code()), (400, "endpoint_not_allowed"), "{path} {}", answer.body);
    }
}
