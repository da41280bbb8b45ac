//! Configs as texts: formats, places of errors, and what is shown of them.

use std::path::Path;

use serde_json::json;

use crate::swarm::config::{Config, format_named, format_of};

const TEXT: &str = r#"{
  "name": "s",
  "agents": [
    {"name": "a", "backend": "mock"},
    {"name": "b", "backend": "local",
     "comand": ["x"]}
  ]
}
"#;

#[test]
fn an_error_says_where_what_and_what_next() {
    let error = Config::parse(TEXT.as_bytes()).unwrap_err();
    assert_eq!((error.code(), error.field().as_str()), ("unknown_key", "agents[1].comand"));
    assert_eq!(error.position().map(|at| at.to_string()).as_deref(), Some("6:6"));
    assert_eq!(error.suggestion(), Some("did you mean \"command\"?"));
    let excerpt = error.excerpt(TEXT.as_bytes()).unwrap();
    assert_eq!(excerpt, "6 |      \"comand\": [\"x\"]}\n  |      ^");
    let text = TEXT.replace("comand", "cmd").replace("\"mock\"", "\"mokc\"");
    let error = Config::parse(text.as_bytes()).unwrap_err();
    assert_eq!(error.position().map(|at| at.to_string()).as_deref(), Some("4:30"));
    let text = TEXT.replace("\"comand\": [\"x\"]", "\"skills\": []");
    let error = Config::parse(text.as_bytes()).unwrap_err();
    assert_eq!((error.code(), error.position().map(|at| at.line)), ("missing_command", Some(5)));
}

#[test]
fn m5_text_that_is_no_json_is_refused_with_its_place() {
    for (text, code, place) in [
        ("{", "bad_json", Some("1:1")),
        ("", "bad_json", Some("1:1")),
        ("{\"name\":\n 's'}", "bad_json", Some("2:2")),
        ("{\"name\":\"s\",\n\"name\":\"s\"}", "duplicate_field", Some("2:1")),
        ("[]", "invalid_config_format", Some("1:1")),
        ("\u{feff}{}", "bad_json", Some("1:1")),
        ("name: s\nagents: []", "bad_json", Some("1:2")),
        ("%{name: \"s\"}", "bad_json", Some("1:1")),
    ] {
        let error = Config::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{text}");
        assert_eq!(error.position().map(|at| at.to_string()).as_deref(), place, "{text}");
    }
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(Config::parse(deep.as_bytes()).unwrap_err().code(), "json_too_deep");
    assert_eq!(Config::parse(b"{\"name\": \"\xff\"}").unwrap_err().code(), "bad_json");
}

/// Spec genswarms M.4, M.5; design 5: formats other than JSON are refused with a word that says so.
#[test]
fn m5_formats_other_than_json_are_refused() {
    for good in ["a.json", "dir.exs/a.JSON", "/x/y.json"] {
        assert!(format_of(good).is_ok(), "{good}");
    }
    for bad in ["a.exs", "a.yaml", "x/a.YML"] {
        let error = format_of(bad).unwrap_err();
        assert_eq!(error.code(), "format_not_supported");
        assert!(error.answer().contains("format not supported"), "{bad}");
    }
    assert_eq!(format_of("a.toml").unwrap_err().validation(), "Unsupported file format: .toml");
    for bad in ["a", "", ".", "json", "a.json/x", "a.json\u{0}", "a.json "] {
        assert_eq!(format_of(bad).unwrap_err().code(), "unsupported_format", "{bad:?}");
    }
    assert!(format_named("json").is_ok());
    for (bad, code) in [
        ("exs", "format_not_supported"),
        ("yaml", "format_not_supported"),
        ("yml", "format_not_supported"),
        ("toml", "unsupported_format"),
    ] {
        assert_eq!(format_named(bad).unwrap_err().code(), code);
    }
    assert!(format_named("toml").unwrap_err().validation().starts_with("Unsupported content format"));
}

#[test]
fn a_program_beside_the_file_is_found_from_there_and_nowhere_else() {
    let value = json!({
        "name": "s",
        "agents": [
            {"name": "a", "backend": "local", "command": ["./agent.sh", "./x"]},
            {"name": "b", "backend": "local", "command": ["../bin/x"]},
            {"name": "c", "backend": "local", "command": ["cat", "./x"]},
            {"name": "d", "backend": "local", "command": ["/bin/x"]},
        ],
        "objects": [{"name": "o", "handler": {"command": ["sub/clerk"]}}],
    });
    let error = Config::of(&value).unwrap_err();
    assert_eq!((error.code(), error.field().as_str()), ("relative_command", "agents[0].config.command[0]"));
    let config = Config::parse(value.to_string().as_bytes()).unwrap().beside(Path::new("/srv/swarms"));
    let written = config.to_value();
    let word = |at: usize| written["agents"][at]["config"]["command"].clone();
    assert_eq!(word(0), json!(["/srv/swarms/agent.sh", "./x"]));
    assert_eq!(word(1), json!(["/srv/bin/x"]));
    assert_eq!((word(2), word(3)), (json!(["cat", "./x"]), json!(["/bin/x"])));
    assert_eq!(written["objects"][0]["handler"]["command"], json!(["/srv/swarms/sub/clerk"]));
    assert_eq!(Config::of(&written), Ok(config));
}

#[test]
fn an_excerpt_shows_no_secret_and_no_more_than_a_line() {
    let text = "{\"name\":\"s\",\"agents\":[{\"name\":\"a\",\"backend\":\"mock\",\"config\":{\"api_key\":[\"hunter2\"]}}]}";
    let error = Config::parse(text.as_bytes()).unwrap_err();
    assert_eq!((error.code(), error.excerpt(text.as_bytes())), ("invalid_config", None));
    let long = format!("{{\"name\":\"s\", \"x\u{1b}[2J\": \"{}\"}}", "y".repeat(10_000));
    let error = Config::parse(long.as_bytes()).unwrap_err();
    assert!(
        error
            .excerpt(long.as_bytes())
            .is_none_or(|text| text.chars().count() < 200 && !text.contains('\u{1b}'))
    );
    let wide = format!("{{\"name\":\"s\",{} \"agnets\": []}}", " ".repeat(500));
    let error = Config::parse(wide.as_bytes()).unwrap_err();
    let excerpt = error.excerpt(wide.as_bytes()).unwrap();
    let (line, caret) = excerpt.split_once('\n').unwrap();
    assert_eq!(line.find("\"agnets\""), caret.find('^'), "{excerpt}");
}
