//! The commands about messages and the audit, against a server that stands in for an instance, and
//! the audit's files as an instance leaves them.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;

use std::{fs, path::Path};

use serde_json::{Value, json};
use stand_in::{Ran, StandIn, TOKEN, loopgate, new_home, ran, run, stand_in};

/// Run in the shell of an agent.
fn inside(instance: &StandIn, args: &[&str]) -> Ran {
    let mut command = loopgate(&instance.home, args);
    command.env("LOOPGATE_AGENT_TOKEN", TOKEN).env("LOOPGATE_URL", format!("http://{}", instance.at));
    ran(&mut command)
}

/// A message as answers hold it.
fn message(number: u64, text: &str) -> Value {
    json!({ "id": format!("id-{number}"), "number": number, "from": "owner", "caller": "owner", "to": "a", "type": "send",
            "text": text, "priority": "normal", "sent_at": 1_795_305_600_123_u64, "expires_at": 1_795_392_000_123_u64,
            "state": "accepted" })
}

fn asked(instance: &StandIn) -> (String, Value) {
    let asked = instance.asked.recv().expect("a request");
    (asked.line, asked.body)
}

fn values(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON on each line")).collect()
}

#[test]
fn send_carries_its_flags_and_says_when_nobody_of_that_name_is_there() {
    let waiting =
        json!({ "id": "i", "to": "later", "outcome": "waiting", "state": "accepted", "known": false });
    let known = json!({ "id": "i", "to": "a", "outcome": "waiting", "known": true, "duplicate": true });
    let instance = stand_in(vec![(200, waiting.clone()), (200, known), (200, waiting)]);
    let flags = ["--id", "i", "--priority", "urgent", "--ttl", "2h", "--reply-to", "r", "--correlation", "c"];
    let sent = run(&instance.home, &[&["send"][..], &flags, &["later", "text"]].concat());
    assert_eq!(
        (sent.code, sent.out.as_str()),
        (Some(0), "waiting for later (no agent of that name yet), id i\n")
    );
    let (line, body) = asked(&instance);
    assert_eq!(line, "POST /api/v1/agents/later/send");
    let all = json!({ "text": "text", "id": "i", "priority": "urgent", "ttl_ms": 7_200_000, "in_reply_to": "r",
                      "correlation_id": "c" });
    assert_eq!(body, all);
    let sent = run(&instance.home, &["send", "a", "text"]);
    assert_eq!(sent.out, "waiting for a, id i\n");
    assert!(sent.err.contains("counts once"), "{}", sent.err);
    assert_eq!(asked(&instance).1, json!({ "text": "text" }));
    assert_eq!(inside(&instance, &["send", "--ttl=90s", "a", "text"]).code, Some(0));
    assert_eq!(
        asked(&instance),
        ("POST /api/v1/self/send".into(), json!({ "text": "text", "to": "a", "ttl_ms": 90_000 }))
    );
    for wrong in [
        ["--ttl", "90"],
        ["--ttl", "31d"],
        ["--ttl", "x"],
        ["--ttl", "-1s"],
        ["--priority", "higher"],
        ["--priority", ""],
    ] {
        let ran = run(&instance.home, &["send", wrong[0], wrong[1], "a", "text"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(ran.err.contains(wrong[0]) && ran.err.contains("loopgate help send"), "{}", ran.err);
    }
    assert!(instance.asked.try_recv().is_err());
}

#[test]
fn a_message_that_is_refused_says_what_why_and_next() {
    let cases = [
        (429, "mailbox_full", 75),
        (429, "mailboxes_full", 75),
        (429, "mail_full", 75),
        (429, "sender_share_full", 75),
        (409, "id_reused", 1),
        (507, "no_space", 75),
        (500, "journal_failed", 70),
        (503, "journal_slow", 75),
    ];
    let answers = cases.iter().map(|(status, code, _)| {
        (*status, json!({ "error": "1000 messages wait there", "code": code, "limit": 1000 }))
    });
    let instance = stand_in(answers.collect());
    for (status, code, exit) in cases {
        let ran = run(&instance.home, &["send", "a", "text"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(exit), ""), "{code}");
        let wanted = format!("the instance refused: 1000 messages wait there [{status} {code}]");
        assert!(ran.err.contains(&wanted) && ran.err.contains("next: "), "{}", ran.err);
    }
}

#[test]
fn the_owner_looks_into_an_inbox_and_an_agent_reads_its_own() {
    let evil = "one\u{1b}]0;title\u{7}\ntwo\r\u{202e}";
    let look = json!({ "agent": "a", "messages": [message(7, evil)], "next": 7, "more": true });
    let mut own = message(8, "x");
    for (name, value) in [
        ("position", json!(1)),
        ("redelivered", json!(true)),
        ("priority", json!("high")),
        ("in_reply_to", json!("q")),
    ] {
        own[name] = value;
    }
    let read = json!({ "agent": "a", "messages": [own], "cursor": 1 });
    let none = json!({ "agent": "a", "messages": [], "next": null, "more": false });
    let instance = stand_in(vec![(200, look.clone()), (200, look.clone()), (200, read), (200, none)]);
    let ran = run(&instance.home, &["inbox", "a", "--limit", "5", "--after", "3"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(
        ran.out,
        "7  2026-11-22T00:00:00.123Z  from owner to a  id id-7  accepted\n  one\u{fffd}]0;title\u{fffd}\n  two\u{fffd}\u{fffd}\n"
    );
    assert!(ran.err.contains("--after 7"), "{}", ran.err);
    assert_eq!(asked(&instance).0, "GET /api/v1/agents/a/inbox?limit=5&after=3");
    let ran = run(&instance.home, &["inbox", "--json", "a"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).ok(), Some(look));
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\u{202e}'), "{:?}", ran.out);
    let _ = asked(&instance);
    let ran = inside(&instance, &["inbox"]);
    assert!(
        ran.out.starts_with("1  2026-") && ran.out.contains("accepted  high  redelivered  answers q\n  x\n"),
        "{}",
        ran.out
    );
    assert_eq!(asked(&instance).0, "GET /api/v1/self/inbox?limit=100");
    let ran = run(&instance.home, &["inbox", "a"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", "no message waits\n"));
    let _ = asked(&instance);
    assert_eq!(run(&instance.home, &["inbox"]).code, Some(2));
    assert_eq!(inside(&instance, &["inbox", "b"]).code, Some(2), "another's mail is not even asked for");
    for wrong in [["--limit", "0"], ["--limit", "1001"], ["--after", "-1"], ["--after", "x"]] {
        assert_eq!(run(&instance.home, &["inbox", "a", wrong[0], wrong[1]]).code, Some(2), "{wrong:?}");
    }
    assert!(instance.asked.try_recv().is_err());
}

#[test]
fn following_goes_on_behind_what_was_shown_until_the_instance_ends() {
    let page = |messages: Vec<Value>, next: Value| {
        (200, json!({ "agent": "a", "messages": messages, "next": next, "more": false }))
    };
    let gone = (503, json!({ "error": "the instance ends", "code": "stopping" }));
    let instance = stand_in(vec![
        page(vec![message(1, "one"), message(2, "t\u{1b}wo")], json!(2)),
        page(vec![], Value::Null),
        page(vec![message(5, "five")], json!(5)),
        gone.clone(),
    ]);
    let ran = run(&instance.home, &["inbox", "a", "--follow", "--json"]);
    assert_eq!(ran.code, Some(75), "{}", ran.err);
    let numbers: Vec<_> = values(&ran.out).iter().map(|message| message["number"].clone()).collect();
    assert_eq!(numbers, [1, 2, 5]);
    assert!(!ran.out.contains('\u{1b}'));
    for behind in ["", "&after=2", "&after=2", "&after=5"] {
        assert_eq!(asked(&instance).0, format!("GET /api/v1/agents/a/inbox?limit=100&wait=20000{behind}"));
    }
    let own = json!({ "agent": "a", "messages": [message(1, "one")], "cursor": 4 });
    let instance = stand_in(vec![(200, own.clone()), gone, (200, own.clone()), (200, own)]);
    assert_eq!(inside(&instance, &["inbox", "--follow"]).code, Some(75));
    assert_eq!(asked(&instance).0, "GET /api/v1/self/inbox?limit=100&wait=20000");
    assert_eq!(asked(&instance).0, "GET /api/v1/self/inbox?limit=100&wait=20000&after=4");
    let ran = inside(&instance, &["inbox", "--follow"]);
    assert_eq!(ran.code, Some(70), "an instance that leads in a circle is not followed: {}", ran.err);
}

#[test]
fn an_agent_acknowledges_and_asks_and_nobody_else_does() {
    let envelope = |ok: bool, timeout: bool, result: Value, error: Value| {
        let body = json!({ "ok": ok, "result": result, "error": error, "timeout": timeout, "correlation_id": "c", "duration_ms": 3 });
        (200, body)
    };
    let late = json!({ "code": "timeout", "message": "it waits unread", "type": "transient" });
    let failed = json!({ "code": "application", "message": "no\u{1b} idea", "type": "permanent" });
    let instance = stand_in(vec![
        (200, json!({ "acked": 3 })),
        (200, json!({ "acked": 2 })),
        envelope(true, false, json!({ "raw": "yes\n\u{1b}[2Jof course" }), Value::Null),
        envelope(true, false, json!({ "final": true }), Value::Null),
        envelope(false, false, Value::Null, failed.clone()),
        envelope(false, true, Value::Null, late.clone()),
        envelope(false, true, Value::Null, late),
    ]);
    assert_eq!(inside(&instance, &["ack", "--through", "9"]).out, "acknowledged 3\n");
    assert_eq!(asked(&instance), ("POST /api/v1/self/ack".into(), json!({ "through": 9 })));
    assert_eq!(inside(&instance, &["ack", "x", "y", "--json"]).code, Some(0));
    assert_eq!(asked(&instance).1, json!({ "ids": ["x", "y"] }));
    let ran = inside(&instance, &["ask", "b", "ok?", "--timeout", "2", "--correlation", "c"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "yes\n\u{fffd}[2Jof course\n"));
    let body = json!({ "to": "b", "text": "ok?", "timeout_ms": 2_000, "correlation_id": "c" });
    assert_eq!(asked(&instance), ("POST /api/v1/self/ask".into(), body));
    let ran = inside(&instance, &["ask", "b", "ok?"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).ok(), Some(json!({ "final": true })));
    let ran = inside(&instance, &["ask", "b", "ok?"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("no\u{fffd} idea"), "{}", ran.err);
    let ran = inside(&instance, &["ask", "b", "ok?"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(75), ""));
    assert!(ran.err.contains("it waits unread") && ran.err.contains("next: "), "{}", ran.err);
    let ran = inside(&instance, &["ask", "--json", "b", "ok?"]);
    assert_eq!(
        (ran.code, serde_json::from_str::<Value>(&ran.out).ok().map(|envelope| envelope["timeout"].clone())),
        (Some(75), Some(json!(true)))
    );
    for wrong in [
        &["ack"][..],
        &["ack", "--through", "0"],
        &["ack", "--through", "1", "x"],
        &["ask", "b", "x", "--timeout", "0"],
        &["ask", "b", "x", "--timeout", "301"],
        &["ask"],
    ] {
        assert_eq!(inside(&instance, wrong).code, Some(2), "{wrong:?}");
    }
    for outside in [&["ack", "x"][..], &["ask", "b", "x"]] {
        let ran = run(&instance.home, outside);
        assert_eq!((ran.code, ran.out.as_str()), (Some(77), ""), "{}", ran.err);
        assert!(ran.err.contains("is for an agent") && ran.err.contains("next: "), "{}", ran.err);
    }
}

#[test]
fn inside_an_agent_the_owners_commands_about_messages_are_refused_before_anything_is_asked() {
    let instance = stand_in(vec![]);
    for args in [
        &["message", "i"][..],
        &["dead"],
        &["redeliver", "i"],
        &["mailboxes"],
        &["audit"],
        &["audit", "verify"],
        &["inject", "a", "x"],
        &["status"],
    ] {
        let ran = inside(&instance, args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(77), ""), "{args:?}");
        assert!(
            ran.err.contains("`loopgate send`, `inbox`, `ack`, `ask`, `agents` and `whoami`"),
            "{}",
            ran.err
        );
    }
    assert!(instance.asked.try_recv().is_err());
}

#[test]
fn messages_are_found_listed_and_redelivered() {
    let mut state = message(3, "");
    state["state"] = json!("expired");
    state["history"] = json!([{ "state": "accepted", "at": 1_795_305_600_123_u64 }, { "state": "expired", "at": 1_795_392_000_123_u64 }]);
    state["reason"] = json!("nobody read it\u{1b} in time");
    let dead = json!({ "messages": [state.clone()], "next": 3, "more": false });
    let instance = stand_in(vec![
        (200, json!({ "messages": [state] })),
        (404, json!({ "error": "no such message", "code": "message_not_found" })),
        (200, dead.clone()),
        (200, dead),
        (200, json!({ "id": "id-3", "to": "a", "state": "accepted" })),
        (
            200,
            json!({ "mailboxes": [{ "agent": "a", "waiting": 12 }, { "agent": "b\u{1b}", "waiting": 1 }] }),
        ),
    ]);
    let ran = run(&instance.home, &["message", "id/3"]);
    assert_eq!(asked(&instance).0, "GET /api/v1/messages/id%2F3");
    assert_eq!(ran.out.lines().count(), 4, "{}", ran.out);
    assert!(
        ran.out.contains("  2026-11-23T00:00:00.123Z  expired\n  because: nobody read it\u{fffd} in time"),
        "{}",
        ran.out
    );
    let ran = run(&instance.home, &["message", "nope"]);
    assert!(
        ran.code == Some(1) && ran.err.contains("no such message") && ran.err.contains("next: "),
        "{}",
        ran.err
    );
    let _ = asked(&instance);
    let ran = run(&instance.home, &["dead"]);
    assert!(ran.out.contains("id id-3  expired\n  because: nobody"), "{}", ran.out);
    assert_eq!(asked(&instance).0, "GET /api/v1/dead?limit=100");
    assert!(run(&instance.home, &["dead", "--json", "--after", "2"]).out.contains("\"next\": 3"));
    let _ = asked(&instance);
    assert_eq!(run(&instance.home, &["redeliver", "id-3"]).out, "accepted for a, id id-3\n");
    assert_eq!(asked(&instance), ("POST /api/v1/messages/id-3/redeliver".into(), json!({})));
    let ran = run(&instance.home, &["mailboxes"]);
    assert_eq!(ran.out, "AGENT  WAITING\na      12\nb\u{fffd}     1\n");
}

#[test]
fn the_audit_is_shown_page_by_page_through_the_filter() {
    let entry = |n: u64| json!({ "n": n, "timestamp": 1_795_305_600_123_u64, "kind": "inject", "target_agent": "a\u{1b}[2J\n9  x", "success": true });
    let page = |from: u64, to: u64, next: Value| {
        (200, json!({ "entries": (to..=from).rev().map(entry).collect::<Vec<_>>(), "next": next }))
    };
    let instance = stand_in(vec![
        page(600, 101, json!(101)),
        page(100, 100, Value::Null),
        page(3, 3, Value::Null),
        (200, json!({ "entries": [], "next": null })),
    ]);
    let ran = run(&instance.home, &["audit", "--since", "2026-11-22T00:00:00Z"]);
    assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 501), "{}", ran.err);
    assert_eq!(
        ran.out.lines().last(),
        Some("100  2026-11-22T00:00:00.123Z  inject  success=true  target_agent=a\u{fffd}[2J\u{fffd}9  x")
    );
    assert_eq!(asked(&instance).0, "GET /api/v1/audit?since=1795305600000&limit=500");
    assert_eq!(asked(&instance).0, "GET /api/v1/audit?since=1795305600000&limit=500&before=101");
    let ran = run(&instance.home, &["audit", "--json", "--limit", "1"]);
    assert_eq!(values(&ran.out), [entry(3)]);
    assert_eq!(asked(&instance).0, "GET /api/v1/audit?since=0&limit=1");
    assert_eq!(run(&instance.home, &["audit"]).err, "no entries\n");
    for wrong in [
        &["audit", "--since", "yesterday"][..],
        &["audit", "--limit", "0"],
        &["audit", "check"],
        &["audit", "--noted", "1:00"],
        &["audit", "verify", "--since", "1h"],
        &["audit", "verify", "--noted", "1:00"],
    ] {
        assert_eq!(run(&instance.home, wrong).code, Some(2), "{wrong:?}");
    }
}

fn newest_segment(home: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(home.join("audit")).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "seg")).max().expect("a segment")
}

#[test]
fn verify_reads_the_files_with_and_without_an_instance_and_names_the_first_broken_entry() {
    let (_temp, empty) = new_home();
    let none = run(&empty, &["audit", "verify"]);
    assert!(none.code == Some(1) && none.err.contains("no audit"), "{}", none.err);
    assert!(!empty.join("audit").exists(), "looking makes nothing");
    let mut instance = support::Instance::start();
    let home = instance.home.path().to_owned();
    instance.terminate();
    instance.start_again();
    instance.terminate();
    let sound = run(&home, &["audit", "verify"]);
    assert_eq!((sound.code, sound.err.as_str()), (Some(0), ""));
    assert!(
        sound.out.contains("4 entries, 1 to 4, from 2") && sound.out.contains("sound: "),
        "{}",
        sound.out
    );
    let report: Value = serde_json::from_str(&run(&home, &["audit", "verify", "--json"]).out).expect("JSON");
    let note = report["note"].as_str().expect("a note").to_owned();
    assert!(report["sound"] == true && report["gaps"]["killed"] == 0 && note.starts_with("4:"), "{report}");
    // it goes on, and what was noted is still there
    instance.start_again();
    let running = run(&home, &["audit", "verify", "--noted", &note]);
    assert_eq!(running.code, Some(0), "{}{}", running.out, running.err);
    // whoever asks gets what came until then, and it is on the disk
    let shown = run(&home, &["audit", "--limit", "2"]);
    assert!(shown.out.starts_with("5  ") && shown.out.contains("\n4  "), "{}{}", shown.out, shown.err);
    instance.kill();
    instance.start_again();
    instance.terminate();
    let killed: Value = serde_json::from_str(&run(&home, &["audit", "verify", "--json"]).out).expect("JSON");
    assert!(killed["sound"] == true && killed["gaps"]["killed"] == 1, "{killed}");
    let segment = newest_segment(&home);
    let content = fs::read_to_string(&segment).expect("text");
    assert!(!content.contains(stand_in::KEY));
    fs::write(&segment, content.replacen("\"kind\":\"instance\"", "\"kind\":\"Instance\"", 2))
        .expect("written");
    let broken = run(&home, &["audit", "verify"]);
    let name = segment.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(broken.code, Some(1), "{}", broken.out);
    assert!(broken.out.contains(&format!("BROKEN: segment {name}, line 1, time ")), "{}", broken.out);
    assert!(!broken.out.contains("to note"), "nothing of a broken log is worth noting");
    // cut off at the end: only the note gives it away
    let three: String = content.split_inclusive('\n').take(3).collect();
    fs::write(&segment, three).expect("written");
    assert_eq!(run(&home, &["audit", "verify"]).code, Some(0));
    let cut = run(&home, &["audit", "verify", "--noted", &note]);
    assert!(cut.code == Some(1) && cut.out.contains("entry 4 was there when it was noted"), "{}", cut.out);
    fs::remove_file(home.join("audit/key")).expect("removed");
    let without = run(&home, &["audit", "verify"]);
    assert!(without.code == Some(65) && without.err.contains("put the file back"), "{}", without.err);
    let serve = run(&home, &["serve"]);
    assert_eq!((serve.code, serve.out.as_str()), (Some(65), ""));
    assert!(
        serve.err.contains("key is missing") && serve.err.contains("next: put the file back"),
        "{}",
        serve.err
    );
}
