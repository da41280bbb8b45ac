//! What the commands say of other instances and their agents, against a server that stands in for an
//! instance. What its answers hold may come from files of others.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;

use serde_json::{Value, json};
use stand_in::{Ran, StandIn, TOKEN, loopgate, ran, run, stand_in};

const HOME: &str = "0123456789ab";
const OTHER: &str = "ba9876543210";

fn asked(instance: &StandIn) -> (String, Value) {
    let asked = instance.asked.recv().expect("a request");
    (asked.line, asked.body)
}

/// Run in the shell of an agent.
fn inside(instance: &StandIn, args: &[&str]) -> Ran {
    let mut command = loopgate(&instance.home, args);
    command.env("LOOPGATE_AGENT_TOKEN", TOKEN).env("LOOPGATE_URL", format!("http://{}", instance.at));
    ran(&mut command)
}

fn listing() -> Value {
    let agent = |name: &str| json!({ "name": name, "address": format!("{name}@{HOME}"), "block_id": "b", "updated_at": 1 });
    json!({
        "home": OTHER, "directory": { "path": "/r", "mode": "0700", "shared": true, "health": "ok" }, "own": [], "more": false,
        "instances": [
            { "home": HOME, "instance": "i", "address": "127.0.0.1:4001", "pid": 7, "speaks": "loopgate",
              "channel": "", "agents": [agent("coder"), agent("tests")] },
            { "home": "00000000000f", "instance": null, "address": "127.0.0.1:4002", "pid": 8, "speaks": "agentmux",
              "channel": "main\u{1b}[2J", "agents": [] },
        ],
        "troubles": [{ "file": "bad\u{202e}.json", "agent": null, "code": "entry_mode",
                       "error": "others may read it\nforged", "next": "chmod 600 /r/bad.json" }],
    })
}

#[test]
fn peers_shows_who_lives_and_what_is_refused_with_the_next_step() {
    let instance = stand_in(vec![(200, listing()), (200, listing())]);
    let ran = run(&instance.home, &["peers"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(asked(&instance).0, "GET /api/v1/peers");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("AGENT") && lines[0].ends_with("HEALTH"), "{}", ran.out);
    let row = |at: usize| lines[at].split_whitespace().collect::<Vec<_>>();
    assert_eq!(row(1), ["coder@0123456789ab", "127.0.0.1:4001", "7", "loopgate", "ok"]);
    assert_eq!(row(2)[0], "tests@0123456789ab");
    assert_eq!(row(3)[..3], ["-@00000000000f", "127.0.0.1:4002", "8"]);
    assert!(lines[4].starts_with("! bad") && lines[4].ends_with("[entry_mode]"), "{}", ran.out);
    assert_eq!((lines[5], lines.len()), ("    next: chmod 600 /r/bad.json", 6));
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{:?}", ran.out);
    assert!(ran.err.contains(&format!("NAME@{OTHER}")), "{}", ran.err);
    let ran = run(&instance.home, &["peers", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).ok(), Some(listing()));
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{:?}", ran.out);
}

#[test]
fn peers_of_an_instance_without_a_shared_registry_says_how_to_get_one() {
    let alone = json!({ "home": OTHER, "directory": { "path": "/h/agents", "mode": "0700", "shared": false }, "own": [],
                        "instances": [], "troubles": [], "more": false });
    let mut shared = alone.clone();
    shared["directory"]["shared"] = true.into();
    let instance = stand_in(vec![(200, alone), (200, shared)]);
    let ran = run(&instance.home, &["peers"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    assert!(ran.err.contains("LOOPGATE_REGISTRY"), "{}", ran.err);
    let ran = run(&instance.home, &["peers"]);
    assert!(ran.err.contains("no other instance has an agent in /h/agents"), "{}", ran.err);
}

#[test]
fn send_says_where_a_message_went_and_why_one_is_held() {
    let forwarded = json!({ "id": "i", "to": "a", "home": HOME, "outcome": "forwarded", "known": false });
    let held = json!({ "id": "i", "to": "a", "outcome": "waiting", "known": false, "held": true,
                       "code": "peer_gone", "error": "its process has \u{1b}ended" });
    let instance = stand_in(vec![(200, forwarded.clone()), (200, held), (200, forwarded)]);
    let ran = run(&instance.home, &["send", "--no-hold", &format!("a@{HOME}"), "text"]);
    assert_eq!(ran.out, format!("forwarded to a@{HOME}, id i\n"), "{}", ran.err);
    assert_eq!(ran.code, Some(0));
    let sent = (format!("POST /api/v1/agents/a@{HOME}/send"), json!({ "text": "text", "hold": false }));
    assert_eq!(asked(&instance), sent);
    let ran = run(&instance.home, &["send", "--hold", "a", "text"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "waiting for a (no agent of that name yet), id i\n"));
    assert!(ran.err.contains("held here") && ran.err.contains("[peer_gone]"), "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
    assert_eq!(asked(&instance).1, json!({ "text": "text", "hold": true }));
    assert_eq!(inside(&instance, &["send", "a", "text"]).code, Some(0));
    assert_eq!(asked(&instance).1, json!({ "text": "text", "to": "a" }));
    let ran = run(&instance.home, &["send", "--hold", "--no-hold", "a", "text"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
}

#[test]
fn inject_says_that_another_instance_typed_it_or_why_not() {
    let typed = json!({ "success": true, "outcome": "delivered", "forwarded": true, "home": HOME });
    let held = json!({ "success": true, "outcome": "waiting", "held": true, "code": "agent_not_found" });
    let failed = |code: &str| json!({ "success": false, "outcome": "failed", "error": "agent not found: a", "code": code });
    let instance = stand_in(vec![
        (200, typed),
        (200, held),
        (200, failed("peer_silent")),
        (200, failed("peer_gone")),
        (200, failed("agent_not_found")),
    ]);
    let ran = run(&instance.home, &["inject", &format!("a@{HOME}"), "text"]);
    assert_eq!(ran.out, format!("delivered to a@{HOME}\n"), "{}", ran.err);
    assert_eq!(asked(&instance).1, json!({ "target_agent": format!("a@{HOME}"), "message": "text" }));
    let ran = run(&instance.home, &["inject", "--hold", "a", "text"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "waiting for a\n"));
    assert!(ran.err.contains("held here"), "{}", ran.err);
    assert_eq!(asked(&instance).1["hold"], json!(true));
    for (code, exit, what) in [
        ("peer_silent", 75, "not injected: a: its instance did not answer in time [peer_silent]"),
        ("peer_gone", 69, "not injected: a: its instance has ended [peer_gone]"),
        ("agent_not_found", 1, "not injected: agent not found: a"),
    ] {
        let ran = run(&instance.home, &["inject", "a", "text"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(exit), ""), "{code}");
        assert!(ran.err.contains(what) && ran.err.contains("next: "), "{}", ran.err);
    }
}

#[test]
fn a_name_that_several_instances_have_comes_back_as_commands_to_choose_from() {
    let sentence = format!("ambiguous agent name: a@{HOME}, a@{OTHER}");
    let refused = json!({ "error": sentence, "code": "ambiguous_agent" });
    let typed = json!({ "success": false, "outcome": "failed", "error": sentence });
    let envelope = json!({ "ok": false, "timeout": false, "duration_ms": 0, "result": null,
                           "error": { "code": "ambiguous_agent", "message": sentence, "type": "permanent" } });
    let instance = stand_in(vec![(409, refused), (200, typed), (200, envelope)]);
    let check = |verb: &str, ran: Ran| {
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
        for home in [HOME, OTHER] {
            assert!(ran.err.contains(&format!("\n    loopgate {verb} a@{home} ")), "{}", ran.err);
        }
    };
    check("send", run(&instance.home, &["send", "a", "text"]));
    check("inject", run(&instance.home, &["inject", "a", "text"]));
    check("ask", inside(&instance, &["ask", "a", "text"]));
}

#[test]
fn a_question_that_was_not_asked_says_why_and_an_answer_cannot_pretend_to_be_that() {
    let envelope = |code: &str, ms: u64| {
        json!({ "ok": false, "timeout": false, "duration_ms": ms, "result": null,
                "error": { "code": code, "message": "too many", "type": "transient" } })
    };
    let instance = stand_in(vec![
        (200, envelope("peer_busy", 0)),
        (200, envelope("peer_busy", 5)),
        (200, envelope("target_not_found", 0)),
    ]);
    let ran = inside(&instance, &["ask", "a", "text"]);
    assert_eq!(ran.code, Some(75), "{}", ran.err);
    assert!(ran.err.contains("not asked: too many"), "{}", ran.err);
    let ran = inside(&instance, &["ask", "a", "text"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("the answer is an error"), "{}", ran.err);
    let ran = inside(&instance, &["ask", "a", "text"]);
    assert!(ran.code == Some(1) && ran.err.contains("not asked: "), "{}", ran.err);
}

#[test]
fn an_agent_is_shown_the_addresses_of_agents_elsewhere_and_its_own() {
    let agents = json!({ "agents": [{ "name": "a", "state": "running" },
                                    { "name": "b", "state": "elsewhere", "address": format!("b@{HOME}") }] });
    let me = json!({ "agent": "a", "address": format!("a@{OTHER}"), "instance": "i" });
    let instance = stand_in(vec![(200, agents), (200, me)]);
    let ran = inside(&instance, &["agents"]);
    let rows: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1..], [vec!["a", "running"], vec!["b@0123456789ab", "elsewhere"]], "{}", ran.out);
    assert_eq!(inside(&instance, &["whoami"]).out, format!("agent a of instance i, to others a@{OTHER}\n"));
}

#[test]
fn run_says_where_others_cannot_find_the_agent() {
    let started = |word: &str| json!({ "name": "a", "pid": 7, "registry": word });
    let instance =
        stand_in(vec![(201, started("taken")), (201, started("failed")), (201, started("pending"))]);
    for words in ["another instance has an agent of this name", "cannot find it", "cannot find it yet"] {
        let ran = run(&instance.home, &["run", "--name", "a", "--", "sh"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "started a, pid 7\n"));
        assert!(ran.err.contains(words), "{}", ran.err);
    }
}
