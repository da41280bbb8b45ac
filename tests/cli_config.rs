//! `loopgate config validate` as a program: files in, lines and an exit code out, and no instance.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;

use std::{fs, io::Write, process::Stdio};

use serde_json::{Value, json};
use stand_in::{loopgate, new_home, run};

const EXAMPLES: [&str; 4] = ["example.json", "mock.json", "ring.json", "shim.json"];

fn example(name: &str) -> String {
    format!("{}/examples/swarms/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_examples_are_valid_and_quiet_says_nothing() {
    let (_temp, home) = new_home();
    for name in EXAMPLES {
        let ran = run(&home, &["config", "validate", &example(name)]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert!(ran.out.contains(": valid: swarm "), "{}", ran.out);
        for flag in ["-q", "--quiet"] {
            let ran = run(&home, &["config", "validate", flag, &example(name)]);
            assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", ""));
        }
    }
    let all: Vec<String> = EXAMPLES.iter().map(|name| example(name)).collect();
    let mut args = vec!["config", "validate", "--json"];
    args.extend(all.iter().map(String::as_str));
    let ran = run(&home, &args);
    let told: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((ran.code, told.as_array().map(Vec::len)), (Some(0), Some(EXAMPLES.len())));
    assert_eq!(told.pointer("/0/config/agent_count"), Some(&json!(3)));
}

#[test]
fn an_error_names_file_line_column_what_why_and_what_next() {
    let (temp, home) = new_home();
    let file = temp.path().join("x.json");
    fs::write(&file, "{\n  \"name\": \"s\",\n  \"agents\": [{\"name\": \"a\", \"comand\": [\"x\"]}]\n}\n")
        .expect("written");
    let path = file.to_str().expect("UTF-8");
    let ran = run(&home, &["config", "validate", path]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(65), ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(
        lines[0],
        format!("loopgate: {path}:3:28: agents[0].comand: there is no field \"comand\" [unknown_key]")
    );
    assert!(lines[1].contains("\"comand\"") && lines[2].trim_end().ends_with('^'), "{}", ran.err);
    assert_eq!(lines[1].find("\"comand\""), lines[2].find('^'));
    assert_eq!(lines[3], "  next: did you mean \"command\"?");
    let ran = run(&home, &["config", "validate", "--json", path]);
    let told: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(ran.code, Some(65));
    let told = &told[0];
    assert_eq!((&told["valid"], &told["line"], &told["column"]), (&json!(false), &json!(3), &json!(28)));
    assert_eq!((&told["code"], &told["field"]), (&json!("unknown_key"), &json!("agents[0].comand")));
}

#[test]
fn one_wrong_file_among_others_decides_and_each_is_told_of() {
    let (temp, home) = new_home();
    let bad = temp.path().join("bad.json");
    fs::write(&bad, "{}").expect("written");
    let bad = bad.to_str().expect("UTF-8");
    let good = example("mock.json");
    let ran = run(&home, &["config", "validate", bad, &good, "/nonexistent/x.json"]);
    assert_eq!(ran.code, Some(65));
    assert!(
        ran.out.contains("mock.json: valid") && ran.err.contains("bad.json:1:1"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(ran.err.contains("/nonexistent/x.json cannot be read"), "{}", ran.err);
    let ran = run(&home, &["config", "validate", "/nonexistent/x.json", &good]);
    assert_eq!(ran.code, Some(1));
    let script = temp.path().join("x.exs");
    fs::write(&script, "File.write!(\"ran\", \"\")").expect("written");
    let ran = run(&home, &["config", "validate", script.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, Some(65));
    assert!(ran.err.contains("format not supported: .exs"), "{}", ran.err);
}

#[test]
fn stdin_is_read_once_and_a_wrong_command_line_is_usage() {
    let (_temp, home) = new_home();
    let mut command = loopgate(&home, &["config", "validate", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(br#"{"name":"s","agents":[{"name":"a\u001b[2J"}]}"#).expect("taken");
    drop(stdin);
    let ran = child.wait_with_output().expect("ends");
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(65));
    assert!(
        err.starts_with("loopgate: stdin:1:31: agents[0].name: Agent name must start with a letter"),
        "{err}"
    );
    assert!(!err.contains('\u{1b}'));
    for args in [
        &["config"][..],
        &["config", "validate"],
        &["config", "check", "x"],
        &["config", "validate", "-", "-"],
    ] {
        assert_eq!(run(&home, args).code, Some(2), "{args:?}");
    }
}
