//! Nothing from outside reaches a terminal as it came: every command that asks an instance is run against one
//! that answers with escape sequences, newlines and what turns the reading direction, in every field.

#[path = "support/sources.rs"]
mod sources;
#[path = "support/stand_in.rs"]
mod stand_in;
mod support;

use std::{
    collections::BTreeSet,
    io::Read,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::{Map, Value, json};
use stand_in::{StandIn, TOKEN, always, loopgate, new_home, run};
use support::{PATIENCE, until};

/// What a terminal would obey, and what would deceive a reader.
const HOSTILE: &str = "a\u{1b}]52;c;QUFB\u{7}\u{1b}[2J\r\nb\u{9b}31m\u{202e}c\u{200b}\u{7f}\u{2028}\u{feff}";

/// Commands that ask no instance for anything that they print, or need more than an answer; each has tests of
/// its own.
const OTHERS: [&str; 12] = [
    "serve",
    "agent-shim",
    "config",
    "check",
    "init",
    "demo",
    "completions",
    "man",
    "version",
    "help",
    "attach",
    "api",
];

/// The commands, by the overview of the help.
fn commands() -> Vec<String> {
    let (_temp, home) = new_home();
    let overview = run(&home, &["help"]).out;
    let rows = overview.lines().filter_map(|line| line.strip_prefix("  "));
    let names = rows.filter_map(|row| row.split_whitespace().next()).map(str::to_owned);
    let names: Vec<String> = names.filter(|name| !OTHERS.contains(&name.as_str())).collect();
    assert!(names.len() > 25, "{names:?}");
    names
}

/// Words for what a command must be given, by its help.
fn operands(help: &str) -> Vec<String> {
    let usage = help.lines().find_map(|line| line.strip_prefix("usage: loopgate ")).expect("a usage");
    let words =
        usage.split_whitespace().skip(1).filter(|word| !word.starts_with('[') && !word.ends_with(']'));
    words.map(|word| if word == "COUNT" { "2".to_owned() } else { "ring".to_owned() }).collect()
}

/// The words between quotes in the sources of the commands: the names of all fields that they look at.
fn fields() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![sources::root().join("src/cli/verbs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).expect("text");
            let words = text.split('"').flat_map(|text| text.split('/'));
            let is_name = |word: &&str| {
                (1..40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            };
            found.extend(words.filter(is_name).map(str::to_owned));
        }
    }
    assert!(found.contains("agent_count") && found.contains("topology"), "{found:?}");
    found
}

/// Answers in which every field that is looked at is hostile: as a text, as a list of texts, and, where a name
/// may stand for several, as a list of objects of such texts or as such an object.
fn answers() -> Vec<Value> {
    let text = json!(HOSTILE);
    let fields = fields();
    let object = |value: &dyn Fn(&str) -> Value| {
        let mut object: Map<String, Value> = fields.iter().map(|name| (name.clone(), value(name))).collect();
        object.insert(HOSTILE.to_owned(), text.clone());
        Value::Object(object)
    };
    let texts = object(&|_| text.clone());
    let is_many =
        |name: &str| name.ends_with('s') || ["topology", "result", "config", "entry"].contains(&name);
    let nested = |value: &Value| object(&|name| if is_many(name) { value.clone() } else { text.clone() });
    let mut lists = nested(&json!([texts]));
    for (name, value) in [("status", text.clone()), ("success", json!(true))] {
        lists[name] = value;
    }
    vec![texts.clone(), lists, object(&|_| json!([text])), nested(&texts), json!([texts]), text.clone()]
}

/// Runs it, with an end: a command that waits for more is stopped when it has shown what it has.
fn shown(command: &mut Command) -> String {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let (mut out, mut err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let reads = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        bytes
    });
    let mut bytes = Vec::new();
    let _ = err.read_to_end(&mut bytes);
    let end = Instant::now() + PATIENCE;
    until("its end", || {
        assert!(Instant::now() < end);
        child.try_wait().expect("a child")
    });
    bytes.extend(reads.join().expect("no panic"));
    String::from_utf8(bytes).expect("it prints text")
}

#[track_caller]
fn check(what: &str, text: &str) {
    let bad = |c: &char| {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        (c.is_control() && *c != '\n') || hidden
    };
    assert_eq!(text.chars().find(bad), None, "{what}: {text:?}");
    assert!(!text.contains("panicked"), "{what}: {text}");
}

fn walk(instances: &[StandIn], change: impl Fn(&mut Command, SocketAddr) + Sync) -> usize {
    let places: Vec<_> = instances.iter().map(|instance| (instance.home.clone(), instance.at)).collect();
    let seen = AtomicUsize::new(0);
    let commands = Mutex::new(commands());
    let one = |name: &str| {
        let help = run(&places[0].0, &["help", name]).out;
        let mut words = vec![name.to_owned()];
        for (of, flags) in [("top", &["--once"][..]), ("run", &["--name", "ring"])] {
            words.extend(flags.iter().filter(|_| name == of).map(|flag| (*flag).to_owned()));
        }
        if help.contains("--force") {
            words.push("--force".to_owned());
        }
        words.extend(operands(&help));
        for (number, (home, at)) in places.iter().enumerate() {
            // the larger ones once
            for json in [false, true].iter().take(if number < 2 { 2 } else { 1 }) {
                let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
                if *json && help.contains("--json") {
                    words.insert(1, "--json");
                }
                let mut command = loopgate(home, &words);
                change(&mut command, *at);
                let text = shown(&mut command);
                check(&format!("{words:?}"), &text);
                let hostile = text.contains('\u{fffd}') || text.contains("\\u001b");
                seen.fetch_add(usize::from(hostile), Ordering::SeqCst);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(name) = { commands.lock().expect("not poisoned").pop() } {
                    one(&name);
                }
            });
        }
    });
    seen.into_inner()
}

#[test]
fn no_command_of_the_owner_shows_what_an_instance_says_as_it_came() {
    let answers = answers();
    let refuses = [400, 404, 500].map(|status| always(status, &answers[0]));
    let instances: Vec<StandIn> = answers.iter().map(|body| always(200, body)).chain(refuses).collect();
    let seen = walk(&instances, |_, _| {});
    // most of them did show something of it
    assert!(seen > 150, "{seen} times something hostile was shown");
}

#[test]
fn no_command_of_an_agent_shows_what_an_instance_says_as_it_came() {
    let answers = answers();
    let refuses = [always(409, &answers[0])];
    let instances: Vec<StandIn> = answers.iter().map(|body| always(200, body)).chain(refuses).collect();
    let seen = walk(&instances, |command, at| {
        command.env("LOOPGATE_AGENT_TOKEN", TOKEN).env("LOOPGATE_URL", format!("http://{at}"));
    });
    assert!(seen > 20, "{seen} times something hostile was shown");
}

#[test]
fn what_is_typed_wrong_is_quoted_without_what_a_terminal_would_obey() {
    let (_temp, home) = new_home();
    for words in [
        &[HOSTILE][..],
        &["help", HOSTILE],
        &["send", "--priority", HOSTILE, "a", "b"],
        &["status", HOSTILE],
        &["agents", "--x\u{1b}[2J"],
        &["agents", "-\u{1b}"],
        &["run", "--name", HOSTILE, "--env", HOSTILE, "x"],
        &["scale", "a", "b", HOSTILE],
        &["audit", "--since", HOSTILE],
        &["config", "validate", HOSTILE],
        &["man", "--to", "/dev/null/\u{1b}[2J"],
        &["attach", HOSTILE],
        &["completions", HOSTILE],
        &["top", "--sort", HOSTILE],
    ] {
        check(&format!("{words:?}"), &shown(&mut loopgate(&home, words)));
    }
}
