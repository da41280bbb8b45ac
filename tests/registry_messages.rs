//! Messages between instances: agents that ask, send and answer with nothing but their token and
//! `loopgate`, what is held until its reader appears, and AgentMux at the other end.

#[path = "support/agentmux_peer.rs"]
mod agentmux_peer;
#[path = "support/neighbours.rs"]
mod neighbours;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use agentmux_peer::{AgentMux, Layout};
use neighbours::{
    home_id, inject, message, neighbour, output, published, read_entry, send, shared, shows, start, waiting,
    write_entry,
};
use serde_json::{Value, json};
use support::{Instance, TempDir, serve_command, until};

const READS_LINES: &str = "echo ready; while read -r line; do echo \"got <$line>\"; done";

/// Reads its inbox for good, and answers each message to whoever it is from.
const ANSWERS: &str = "echo ready; loopgate inbox --follow --json | while read -r line; do \
    field() { printf %s \"$line\" | sed \"s/.*\\\"$1\\\":\\\"\\([^\\\"]*\\)\\\".*/\\1/\"; }; \
    echo \"asked by $(field from)\"; \
    loopgate send --reply-to \"$(field id)\" \"$(field from)\" \"answer to $(field text)\" >/dev/null; \
    echo \"answered with code $?\"; done";

/// An instance, and one beside it.
fn two() -> (TempDir, Instance, Instance) {
    let registry = shared();
    let (a, b) = (neighbour(registry.path()), neighbour(registry.path()));
    (registry, a, b)
}

/// The file of an agent of ours in AgentMux's registry.
fn our_file(layout: Layout, registry: &Path, ours: &Instance, name: &str) -> PathBuf {
    match layout {
        Layout::Flat => registry.join(format!("{name}.json")),
        Layout::Nested => registry.join(format!("{name}/loopgate-{}.json", home_id(ours))),
    }
}

#[track_caller]
fn ready(instance: &Instance, registry: &Path, name: &str, script: &str, more: Value) -> Value {
    let record = start(instance, name, script, more);
    published(registry, name);
    shows(instance, name, "ready");
    record
}

#[test]
fn agents_of_two_instances_ask_and_answer_both_ways() {
    let (registry, a, b) = two();
    for (here, there, name) in [(&a, &b, "clerk-b"), (&b, &a, "clerk-a")] {
        ready(there, registry.path(), name, ANSWERS, Value::Null);
        let asker = format!("asker-of-{name}");
        let script = format!("loopgate ask {name} 'what is it'; echo \"code $?\"; read -r x");
        start(here, &asker, &script, Value::Null);
        let shown = shows(here, &asker, "code ");
        assert!(shown.contains("answer to what is it") && shown.contains("code 0"), "{shown}");
        shows(there, name, &format!("asked by {asker}@{}", home_id(here)));
        shows(there, name, "answered with code 0");
    }
}

#[test]
fn agents_of_two_instances_send_and_read_both_ways() {
    let (registry, a, b) = two();
    for (here, there, name) in [(&a, &b, "reader-b"), (&b, &a, "reader-a")] {
        // One look has it or has not: what a look was just handed may be on its way for a moment longer.
        let reads = "echo ready; until seen=$(loopgate inbox) && echo \"$seen\" | grep -q greetings; do :; done; \
                     echo \"$seen\"; echo over; read -r x";
        ready(there, registry.path(), name, reads, Value::Null);
        let sender = format!("sender-of-{name}");
        let script = format!("loopgate send {name} 'greetings from afar'; echo \"code $?\"; read -r x");
        start(here, &sender, &script, Value::Null);
        shows(here, &sender, "code 0");
        let shown = shows(there, name, "over");
        assert!(shown.contains(&format!("{sender}@{}", home_id(here))), "{shown}");
        assert!(shown.contains("greetings from afar"), "{shown}");
    }
}

#[test]
fn an_agent_of_another_instance_types_only_where_the_target_names_it_with_its_home() {
    let (registry, a, b) = two();
    let send_twice = "read -r go; loopgate send open 'by name'; echo \"open $?\"; \
                      loopgate send shut 'not typed'; echo \"shut $?\"; \
                      loopgate inject shut 'not typed'; echo \"inject $?\"; read -r x";
    let pushy = format!("pushy@{}", home_id(&a));
    ready(&b, registry.path(), "open", READS_LINES, json!({ "accept_typed_from": [pushy] }));
    // The bare name is another agent: one of its own instance.
    ready(&b, registry.path(), "shut", READS_LINES, json!({ "accept_typed_from": ["pushy"] }));
    start(&a, "pushy", send_twice, Value::Null);
    inject(&a, "pushy", "go", "go");
    let shown = shows(&a, "pushy", "inject ");
    assert!(shown.contains("open 0") && shown.contains("shut 0"), "{shown}");
    shows(&b, "open", &format!("got <@{pushy}: by name>"));
    assert!(!shown.contains("inject 0"), "{shown}");
    let waits = until("it waits", || Some(waiting(&b, "shut")).filter(|all| !all.is_empty()));
    assert_eq!((waits.len(), &waits[0]["from"]), (1, &json!(pushy)), "{waits:?}");
    assert!(!output(&b, "shut").contains("not typed"));
}

#[test]
fn the_owner_reaches_an_agent_of_another_instance_with_each_verb() {
    let (registry, a, b) = two();
    let owner = format!("owner@{}", home_id(&a));
    ready(&b, registry.path(), "coder", READS_LINES, json!({ "accept_typed_from": [owner] }));
    let at_home = format!("coder@{}", home_id(&b));
    for (verb, to) in [("inject", "coder"), ("inject", &at_home), ("send", "coder"), ("send", &at_home)] {
        let text = format!("{verb} to {to}");
        let ran = a.loopgate(&[verb, to, &text]).output().expect("it runs");
        assert_eq!(ran.status.code(), Some(0), "{text}: {}", String::from_utf8_lossy(&ran.stderr));
        let line = if verb == "send" { format!("got <@{owner}: {text}>") } else { format!("got <{text}>") };
        shows(&b, "coder", &line);
    }
    let sent = send(&a, "coder", &json!({ "text": "with an id", "id": "o-1" }));
    assert_eq!((sent.status, &sent.json()["outcome"]), (200, &json!("forwarded")), "{}", sent.json());
    assert_eq!(message(&a, "o-1")["state"], "forwarded");
    let again = send(&a, "coder", &json!({ "text": "with an id", "id": "o-1" })).json();
    assert_eq!(again["duplicate"], true, "{again}");
    shows(&b, "coder", ": with an id>");
    assert_eq!(output(&b, "coder").matches(": with an id>").count(), 1);
}

#[test]
fn what_is_for_nobody_yet_is_held_and_goes_out_when_its_reader_appears_elsewhere() {
    let (registry, a, b) = two();
    let sent = send(&a, "later", &json!({ "text": "good morning", "id": "h-1" }));
    let json = sent.json();
    assert_eq!(
        (sent.status, &json["outcome"], &json["held"]),
        (200, &json!("waiting"), &json!(true)),
        "{json}"
    );
    let ran = a.loopgate(&["send", "--no-hold", "later", "now or never"]).output().expect("it runs");
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_ne!(ran.status.code(), Some(0), "{err}");
    assert!(err.contains("agent_not_found"), "{err}");
    let ran = a.loopgate(&["inject", "--hold", "later", "typed later"]).output().expect("it runs");
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(waiting(&a, "later").len(), 2);
    ready(&b, registry.path(), "later", READS_LINES, Value::Null);
    until("it is forwarded", || (message(&a, "h-1")["state"] == "forwarded").then_some(()));
    // What waited was a message here, and is one there.
    let waits = until("both arrive", || Some(waiting(&b, "later")).filter(|all| all.len() == 2));
    let texts: Vec<&Value> = waits.iter().map(|message| &message["text"]).collect();
    assert_eq!(texts, ["good morning", "typed later"], "{waits:?}");
    assert!(waits.iter().all(|message| message["redelivered"] != true), "nobody can have had it: {waits:?}");
    until("nothing is held", || waiting(&a, "later").is_empty().then_some(()));
}

/// An address is one home: a name that appears here, or at a third instance, is not it.
#[test]
fn what_is_held_for_an_address_goes_to_that_home_and_no_other() {
    let registry = shared();
    let (a, mut b) = (neighbour(registry.path()), neighbour(registry.path()));
    let to = format!("later@{}", home_id(&b));
    b.kill();
    let sent = send(&a, &to, &json!({ "text": "for you alone", "id": "h-2" }));
    assert_eq!((sent.status, &sent.json()["held"]), (200, &json!(true)), "{}", sent.json());
    let c = neighbour(registry.path());
    ready(&c, registry.path(), "later", READS_LINES, Value::Null);
    // What goes after it to the bare name arrives there; it itself does not.
    until("the other arrives", || {
        let sent = send(&a, "later", &json!({ "text": "for anybody", "id": "h-3" })).json();
        (sent["outcome"] == "forwarded" || message(&a, "h-3")["state"] == "forwarded").then_some(())
    });
    assert_eq!(message(&a, "h-2")["state"], "accepted");
    let texts: Vec<Value> = waiting(&c, "later").iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["for anybody"]);
    drop(c);
    b.start_again();
    ready(&b, registry.path(), "later", READS_LINES, Value::Null);
    until("it is forwarded", || (message(&a, "h-2")["state"] == "forwarded").then_some(()));
    assert!(waiting(&b, "later").iter().any(|message| message["text"] == "for you alone"));
}

/// The stand-in does what the tests below take it for.
#[test]
fn two_stand_ins_reach_each_other_as_two_agentmuxes_do() {
    for layout in [Layout::Flat, Layout::Nested] {
        let data = TempDir::new();
        let (a, mut b) = (AgentMux::start(layout, data.path()), AgentMux::start(layout, data.path()));
        b.register("painter", "block-9");
        let body = json!({ "target_agent": "painter", "message": "x", "request_id": "s1" });
        let answer = a.inject(&body);
        assert_eq!((&answer["success"], &answer["request_id"]), (&json!(true), &json!("s1")), "{answer}");
        assert_eq!(
            (a.audit()[0]["success"].as_bool(), b.audit()[0]["success"].as_bool()),
            (Some(false), Some(true))
        );
        assert_eq!(b.typed()[0]["request"]["wait_for_idle"], false);
        b.kill();
        assert_eq!(a.inject(&body)["error"], "agent not found: painter");
        let left = ["painter.json".to_owned(), format!("painter/{}.json", agentmux_peer::CHANNEL)];
        assert!(!left.iter().any(|file| b.registry.join(file).exists()));
    }
}

#[test]
fn agentmux_and_an_instance_inject_into_each_others_agents_in_both_layouts() {
    for layout in [Layout::Flat, Layout::Nested] {
        let data = TempDir::new();
        let theirs = AgentMux::start(layout, data.path());
        theirs.register("Painter", "block-9");
        let ours = neighbour(&theirs.registry);
        let record = start(&ours, "coder", READS_LINES, Value::Null);
        shows(&ours, "coder", "ready");
        let file = our_file(layout, &theirs.registry, &ours, "coder");
        until("our entry", || file.exists().then_some(()));

        // From there to here, as AgentMux's own user does it.
        let answer = theirs
            .inject(&json!({ "target_agent": "coder", "message": "from AgentMux", "request_id": "x1" }));
        assert_eq!(
            (&answer["success"], &answer["request_id"]),
            (&json!(true), &json!("x1")),
            "{layout:?} {answer}"
        );
        assert_eq!(answer["block_id"], record["block_id"], "{layout:?} {answer}");
        shows(&ours, "coder", "got <from AgentMux>");

        // From here to there.
        let answer = inject(&ours, "Painter", "to AgentMux", "x2");
        assert_eq!(
            (&answer["success"], &answer["forwarded"]),
            (&json!(true), &json!(true)),
            "{layout:?} {answer}"
        );
        assert_eq!(
            (&answer["request_id"], &answer["block_id"]),
            (&json!("x2"), &json!("block-9")),
            "{answer}"
        );
        let ran = ours.loopgate(&["send", "Painter", "a message"]).output().expect("it runs");
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        let typed = theirs.typed();
        let texts: Vec<&str> =
            typed.iter().map(|typed| typed["request"]["message"].as_str().expect("a text")).collect();
        assert_eq!(texts, ["to AgentMux", "a message"], "{layout:?}");
        assert!(typed.iter().all(|typed| typed["block_id"] == "block-9"), "{typed:?}");
        assert!(typed.iter().all(|typed| typed["request"].get("loopgate").is_none()), "{typed:?}");
        assert_eq!(theirs.audit()[1]["request_id"], "x2");

        // Unknown at both: each asks the other once at most.
        assert_eq!(inject(&ours, "nobody", "x", "x3")["error"], "agent not found: nobody");
        let answer = theirs.inject(&json!({ "target_agent": "nobody", "message": "x" }));
        assert_eq!(answer["error"], "agent not found: nobody");
    }
}

/// AgentMux's start sweeps by age, and what does not read as its own.
#[test]
fn an_entry_of_ours_outlives_the_sweep_of_agentmux() {
    for layout in [Layout::Flat, Layout::Nested] {
        let data = TempDir::new();
        let first = AgentMux::start(layout, data.path());
        let ours = neighbour(&first.registry);
        start(&ours, "coder", READS_LINES, Value::Null);
        let file = our_file(layout, &first.registry, &ours, "coder");
        until("our entry", || file.exists().then_some(()));
        let before = read_entry(&file);
        let second = AgentMux::start(layout, data.path());
        assert_eq!(read_entry(&file), before, "{layout:?}");
        shows(&ours, "coder", "ready");
        let answer = second.inject(&json!({ "target_agent": "coder", "message": "still here" }));
        assert_eq!(answer["success"], true, "{layout:?} {answer}");
        shows(&ours, "coder", "got <still here>");
    }
}

#[test]
fn an_agentmux_that_was_killed_is_not_found_and_its_entry_is_removed() {
    for layout in [Layout::Flat, Layout::Nested] {
        let data = TempDir::new();
        let mut theirs = AgentMux::start(layout, data.path());
        theirs.register("painter", "block-9");
        let ours = neighbour(&theirs.registry);
        assert_eq!(inject(&ours, "painter", "x", "k1")["success"], true);
        theirs.kill();
        let answer = inject(&ours, "painter", "x", "k2");
        assert_eq!(answer["error"], "agent not found: painter", "{layout:?} {answer}");
        let file = match layout {
            Layout::Flat => theirs.registry.join("painter.json"),
            Layout::Nested => {
                theirs.registry.join("painter").join(format!("{}.json", agentmux_peer::CHANNEL))
            }
        };
        until("its entry is gone", || (!file.exists()).then_some(()));
    }
}

/// Typing is a privilege: AgentMux knows nothing else.
#[test]
fn an_agent_types_into_agentmux_only_where_it_was_started_to() {
    let data = TempDir::new();
    let theirs = AgentMux::start(Layout::Flat, data.path());
    theirs.register("painter", "block-9");
    let ours = neighbour(&theirs.registry);
    let script = "loopgate send painter 'paint it'; echo \"code $?\"; read -r x";
    start(&ours, "meek", script, Value::Null);
    let shown = shows(&ours, "meek", "code ");
    assert!(shown.contains("typing_not_allowed") && !shown.contains("code 0"), "{shown}");
    assert!(theirs.typed().is_empty());
    start(&ours, "bold", script, json!({ "may_type_into": ["painter"] }));
    shows(&ours, "bold", "code 0");
    let typed = theirs.typed();
    assert_eq!(typed.len(), 1, "{typed:?}");
    assert_eq!(typed[0]["request"]["message"], "@bold: paint it", "{typed:?}");
}

#[test]
fn a_question_to_agentmux_is_typed_with_the_way_to_answer_and_its_answer_arrives() {
    let data = TempDir::new();
    let theirs = AgentMux::start(Layout::Flat, data.path());
    theirs.register("painter", "block-9");
    let ours = neighbour(&theirs.registry);
    let script = "loopgate ask painter 'which colour'; echo \"code $?\"; read -r x";
    start(&ours, "asker", script, json!({ "may_type_into": ["painter"] }));
    published(&theirs.registry, "asker");
    let typed = until("the question", || theirs.typed().first().cloned());
    let question = typed["request"]["message"].as_str().expect("a text");
    assert!(question.contains("which colour"), "{question}");
    let (_, rest) =
        question.split_once("(answer: inject to asker with request_id ").expect("the way to answer");
    let id = rest.split(')').next().expect("an id");
    let answer = theirs.inject(
        &json!({ "target_agent": "asker", "source_agent": "painter", "message": "blue", "request_id": id }),
    );
    assert_eq!(answer["success"], true, "{answer}");
    let shown = shows(&ours, "asker", "code ");
    assert!(shown.contains("blue") && shown.contains("code 0"), "{shown}");
}

/// The directory that AgentMux makes can be read by all: it works, and says what to do.
#[test]
fn agentmuxs_own_directory_is_taken_as_it_is() {
    let data = TempDir::new();
    let theirs = AgentMux::start(Layout::Flat, data.path());
    theirs.register("painter", "block-9");
    // Found by AGENTMUX_DATA_HOME, which is our home then too, without a setting of ours.
    let home = data.path().to_str().expect("a path").to_owned();
    let mut serve = serve_command(data.path(), &[("AGENTMUX_DATA_HOME", &home)], &[]);
    let ours = Instance::from_command(data, &mut serve);
    assert_eq!(inject(&ours, "painter", "x", "d1")["success"], true);
    assert_eq!(neighbours::troubles(&ours, ""), ["directory_mode"]);
    fs::set_permissions(&theirs.registry, std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .expect("changed");
    let answer = inject(&ours, "painter", "x", "d2");
    assert_eq!(answer["error"], "agent not found: painter", "others could put files there: {answer}");
}

/// AgentMux 0.33.790 hands on neither hops nor a path: what has come from it is not sent back to its kind.
#[test]
fn a_letter_that_agentmux_sends_in_a_circle_comes_round_once() {
    let data = TempDir::new();
    let theirs = AgentMux::start(Layout::Flat, data.path());
    let registry = shared();
    let ours = neighbour(registry.path());
    theirs.register("seed", "block-1");
    neighbours::register(&ours, "seed-of-ours");
    let point = |from: &Path, entry: &Path| {
        let mut entry = read_entry(entry);
        entry["agent_id"] = "round".into();
        write_entry(&from.join("round.json"), &entry);
    };
    point(registry.path(), &published(&theirs.registry, "seed"));
    point(&theirs.registry, &published(registry.path(), "seed-of-ours"));
    let answer = inject(&ours, "round", "x", "c1");
    assert_eq!(answer["error"], "agent not found: round", "{answer}");
    let answer = theirs.inject(&json!({ "target_agent": "round", "message": "x", "request_id": "c2" }));
    assert_eq!(answer["error"], "agent not found: round", "{answer}");
    let audit = theirs.audit();
    let rounds: Vec<&Value> =
        audit.as_array().expect("a list").iter().map(|entry| &entry["request_id"]).collect();
    assert!(rounds.len() <= 3, "it comes round again and again: {rounds:?}");
}
