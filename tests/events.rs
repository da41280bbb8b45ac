//! What happened in the swarms and what happens, against a real instance: over raw sockets and by the verb.

mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, ChildStdout, Stdio},
};

use serde_json::{Value, json};
use support::{Instance, signal, until};

const TOKEN: &str = "an-api-token-for-the-tests";

/// With a swarm `s` of agents that take tasks and say a word.
fn started() -> Instance {
    let instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", TOKEN)], &[]);
    let config =
        json!({"name": "s", "agents": [{"name": "a", "backend": "mock", "config": {"script": [["done"]]}}]});
    let made = call(&instance, "POST", "/api/swarms", &json!({ "config": config }));
    assert_eq!(made.0, 201, "{}", made.1);
    instance
}

fn call(instance: &Instance, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {TOKEN}");
    let answer = instance.call_as(&[("Authorization", &bearer)], method, path, body);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

fn page(instance: &Instance, query: &str) -> Value {
    let (status, page) = call(instance, "GET", &format!("/api/events?{query}"), &Value::Null);
    assert_eq!(status, 200, "{page}");
    page
}

/// The number of the newest event.
fn newest(instance: &Instance) -> u64 {
    page(instance, "limit=1")["next"].as_u64().expect("a number")
}

fn task(instance: &Instance) {
    let (status, answer) = call(instance, "POST", "/api/swarms/s/agents/a/task", &json!({"task": "x"}));
    assert_eq!(status, 200, "{answer}");
}

/// All numbers from behind `after` on, as they are asked for in pages.
fn numbers(instance: &Instance, after: u64) -> Vec<u64> {
    let page = page(instance, &format!("since={after}&limit=1000"));
    page["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| event["id"].as_u64().expect("one"))
        .collect()
}

/// A follower by hand.
struct Follower {
    lines: BufReader<TcpStream>,
}

impl Follower {
    fn ask(instance: &Instance, version: &str, query: &str, fields: &str) -> (String, Self) {
        let mut stream = instance.connect();
        let request = format!(
            "GET /api/events?follow=1{query} HTTP/{version}\r\nHost: {}\r\n\
             Authorization: Bearer {TOKEN}\r\n{fields}\r\n",
            instance.address
        );
        stream.write_all(request.as_bytes()).expect("asked");
        let mut follower = Self { lines: BufReader::new(stream) };
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(follower.lines.read_line(&mut head).expect("a head") > 0, "{head}");
        }
        (head, follower)
    }

    fn new(instance: &Instance, after: Option<u64>) -> Self {
        let fields = after.map_or_else(String::new, |after| format!("Last-Event-ID: {after}\r\n"));
        let (head, follower) = Self::ask(instance, "1.1", "", &fields);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        follower
    }

    /// The lines of the next frame; nothing at the end.
    fn frame(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("in time") == 0 {
                assert!(lines.is_empty(), "half a frame: {lines:?}");
                return lines;
            }
            match line.trim_end_matches('\n') {
                "" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }

    /// The number of the next event, which must be one.
    fn number(&mut self) -> u64 {
        let frame = self.frame();
        let [id, event, data] = frame.as_slice() else { panic!("{frame:?}") };
        assert_eq!(event, "event: event");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        let id = id.strip_prefix("id: ").and_then(|id| id.parse().ok()).expect("a number");
        assert_eq!(data["id"], json!(id));
        id
    }
}

/// Until so many follow.
fn until_followed(instance: &Instance, by: u64) {
    until("a follower", || {
        let status = instance.call("GET", "/api/v1/status", &Value::Null).json();
        (status["websockets"]["open"] == json!(by)).then_some(())
    });
}

/// Threads and descriptors of the instance: their names, and what they lead to.
fn held(instance: &Instance) -> BTreeMap<String, usize> {
    let of = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", instance.pid())).expect("it runs");
    let mut held = BTreeMap::new();
    // What is gone meanwhile is held no more.
    let threads = of("task").filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let threads = threads.map(|name| name.trim_end().to_owned());
    let files = of("fd").filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    let files = files.map(|link| link.to_string_lossy().split(":[").next().unwrap_or_default().to_owned());
    for name in threads.chain(files) {
        *held.entry(name).or_insert(0) += 1;
    }
    held
}

#[test]
fn a_stream_is_as_browsers_read_it_and_ends_with_its_instance() {
    let mut instance = started();
    let before = newest(&instance);
    for version in ["1.1", "1.0"] {
        let (head, mut follower) =
            Follower::ask(&instance, version, "", &format!("Last-Event-ID: {before}\r\n"));
        let lower = head.to_ascii_lowercase();
        for field in [
            "content-type: text/event-stream",
            "cache-control: no-store",
            "connection: close",
            "vary: origin",
        ] {
            assert!(lower.contains(&format!("\r\n{field}\r\n")), "{head}");
        }
        assert!(!lower.contains("content-length") && !lower.contains("transfer-encoding"), "{head}");
        task(&instance);
        assert_eq!(follower.number(), before + 1);
    }
    let mut follower = Follower::new(&instance, Some(newest(&instance)));
    assert!(instance.terminate().success());
    let mut last = Vec::new();
    loop {
        match follower.frame() {
            frame if frame.is_empty() => break,
            frame => last = frame,
        }
    }
    assert_eq!(last, ["event: end", "data: {\"code\":\"stopping\"}"]);
}

#[test]
fn a_follower_that_comes_back_a_hundred_times_sees_each_event_once_and_in_order() {
    let instance = started();
    let first = newest(&instance);
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let publishers = [0, 1].map(|_| scope.spawn(|| (0..60).for_each(|_| task(&instance))));
        for time in 0..100 {
            let mut follower = Follower::new(&instance, Some(seen.last().copied().unwrap_or(first)));
            for _ in 0..=time % 3 {
                // There are more tasks, and more events of each, than are taken here.
                seen.push(follower.number());
            }
        }
        publishers.into_iter().for_each(|thread| thread.join().expect("published"));
    });
    let all = numbers(&instance, first);
    assert_eq!(seen, all[..seen.len()]);
}

#[test]
fn a_hundred_followers_and_a_slow_one_hold_nothing_up_and_leave_nothing() {
    let instance = started();
    task(&instance);
    let first = newest(&instance);
    // The connection of the last call is over, and the audit has begun its file, which it does some time after its
    // first line and then keeps open.
    let at_rest = until("an instance at rest", || {
        let held = held(&instance);
        let audited = held.keys().any(|name| name.contains("/audit/") && name.ends_with(".seg"));
        (audited && !held.contains_key("conn")).then_some(held)
    });
    let mut followers: Vec<_> = (0..100).map(|_| Follower::new(&instance, Some(first))).collect();
    let slow = Follower::new(&instance, Some(0));
    (0..20).for_each(|_| task(&instance));
    let all = until("the last turn", || {
        let all = numbers(&instance, first);
        (all.len() >= 40).then_some(all)
    });
    for follower in &mut followers {
        for wanted in &all {
            assert_eq!(follower.number(), *wanted);
        }
    }
    // One half closes its side, the other is gone.
    for (at, follower) in followers.into_iter().enumerate() {
        if at % 2 == 0 {
            follower.lines.get_ref().shutdown(Shutdown::Write).expect("open");
            let mut rest = String::new();
            follower.lines.into_inner().read_to_string(&mut rest).expect("it ends");
        }
    }
    drop(slow);
    until("places, threads and descriptors to be given back", || {
        let is_from_before = |(name, count): (&String, &usize)| at_rest.get(name) >= Some(count);
        held(&instance).iter().all(is_from_before).then_some(())
    });
    // All places are free: as many as there are may follow again.
    let again: Vec<_> =
        (0..loopgate::limits::WS_CONNECTIONS).map(|_| Follower::new(&instance, None)).collect();
    let (head, _) = Follower::ask(&instance, "1.1", "", "");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    drop(again);
}

/// The verb, which follows.
struct Verb {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Verb {
    fn start(instance: &Instance, args: &[&str]) -> Self {
        let mut command = instance.loopgate(args);
        command.env("GENSWARMS_API_TOKEN", TOKEN).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let lines = Some(BufReader::new(child.stdout.take().expect("stdout")));
        Self { child, lines }
    }

    fn event(&mut self) -> Value {
        let mut line = String::new();
        assert!(
            self.lines.as_mut().expect("a reader").read_line(&mut line).expect("a line") > 0,
            "it has ended"
        );
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    /// Its exit code and what it said.
    fn ends(mut self) -> (Option<i32>, String) {
        let status = until("its end", || self.child.try_wait().expect("a child"));
        let mut said = String::new();
        self.child.stderr.take().expect("stderr").read_to_string(&mut said).expect("text");
        (status.code(), said)
    }
}

fn ran(instance: &Instance, args: &[&str]) -> (Option<i32>, String, String) {
    let output = instance.loopgate(args).env("GENSWARMS_API_TOKEN", TOKEN).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_verb_shows_the_newest_last_and_what_was_asked_for() {
    let instance = started();
    task(&instance);
    until("the turn's end", || (page(&instance, "event_type=stdout")["count"] == json!(1)).then_some(()));
    let (code, out, err) = ran(&instance, &["events"]);
    assert_eq!(code, Some(0), "{err}");
    let rows: Vec<&str> = out.lines().collect();
    assert!(rows[0].contains("Z  info     s") && out.contains("swarm_started"), "{out}");
    let at = |word: &str| rows.iter().position(|row| row.contains(word)).expect("shown");
    assert!(at("swarm_started") < at("task_sent") && rows[at("task_sent")].contains("  s/a  "), "{out}");
    let (_, out, _) = ran(&instance, &["events", "--json", "--type", "task_sent", "-s", "s", "-a", "a"]);
    let event: Value = serde_json::from_str(&out).expect("one object on a line");
    assert_eq!(event["event_type"], json!("task_sent"));
    let (_, all, _) = ran(&instance, &["events", "--json", "--after", "0"]);
    let (_, since, _) = ran(&instance, &["events", "--json", "--since", "1h"]);
    let (_, minutes, _) = ran(&instance, &["events", "--json", "-n", "60"]);
    assert!(all.lines().count() > 2 && all == since && all == minutes);
    let (_, two, _) = ran(&instance, &["events", "--json", "--limit", "2"]);
    assert!(all.ends_with(&two) && two.lines().count() == 2);
    let none = "no such event is kept\n".to_owned();
    assert_eq!(ran(&instance, &["events", "-w"]), (Some(0), String::new(), none));
    assert_eq!(ran(&instance, &["events", "-s", "nope"]).1, "");
    for (args, code, says) in [
        (&["events", "--type", "task_snt"][..], 65, "is 'task_sent' meant?"),
        (&["events", "--level", "eror"], 2, "error"),
        (&["events", "--since", "yesterday"], 2, "--since takes"),
        (&["events", "--since", "1h", "--after", "3"], 2, "one of --since"),
        (&["events", "-f", "--after", "3", "--limit", "3"], 2, "--limit"),
        (&["events", "-e", "--level", "info"], 2, "--level"),
    ] {
        let (found, _, err) = ran(&instance, args);
        assert!(found == Some(code) && err.contains(says), "{args:?}: {found:?} {err}");
    }
}

#[test]
fn what_is_followed_begins_with_what_was_asked_for_and_ends_at_ctrl_c() {
    let instance = started();
    let mut verb = Verb::start(&instance, &["events", "-f", "--json", "--since", "1h"]);
    let mut last = 0;
    for wanted in numbers(&instance, 0) {
        last = verb.event()["id"].as_u64().expect("a number");
        assert_eq!(last, wanted);
    }
    task(&instance);
    assert_eq!(verb.event()["id"], json!(last + 1));
    signal(verb.child.id(), libc::SIGINT);
    assert_eq!(verb.ends(), (Some(0), String::new()));
}

#[test]
fn a_reader_that_leaves_ends_the_verb_although_nothing_happens() {
    let instance = started();
    let mut verb = Verb::start(&instance, &["events", "--follow", "--json", "--limit", "1"]);
    verb.event();
    // Its place is taken by nothing: the reader is gone.
    verb.lines = None;
    assert_eq!(verb.ends(), (Some(0), String::new()));
}

#[test]
fn the_end_of_the_instance_is_told_as_69() {
    let mut instance = started();
    let mut verb = Verb::start(&instance, &["events", "-f", "--json", "--limit", "1"]);
    verb.event();
    until_followed(&instance, 1);
    assert!(instance.terminate().success());
    let (code, said) = verb.ends();
    assert!(code == Some(69) && said.contains("the instance has ended"), "{code:?} {said}");
    assert!(said.contains("`--after "), "how to go on: {said}");
}

/// A browser that comes back asks for the address that it was given, and says how far it came.
#[test]
fn who_says_both_begins_behind_the_later_number() {
    let instance = started();
    let last = newest(&instance);
    assert!(last > 1);
    let comes_back = format!("Last-Event-ID: {}\r\n", last - 1);
    let (_, mut follower) = Follower::ask(&instance, "1.1", "&since=0", &comes_back);
    assert_eq!(follower.number(), last);
}

/// All places are taken when it begins, and one is given back.
#[test]
fn what_is_followed_begins_where_the_instance_was_busy_at_first() {
    let instance = started();
    let places: Vec<_> =
        (0..loopgate::limits::WS_CONNECTIONS).map(|_| Follower::new(&instance, None)).collect();
    let mut verb = Verb::start(&instance, &["events", "-f", "--json", "--limit", "1"]);
    let mut said = String::new();
    let talk = verb.child.stderr.as_mut().expect("stderr");
    BufReader::new(talk).read_line(&mut said).expect("a line");
    assert!(said.contains("websockets_full") && said.contains("trying again"), "{said}");
    drop(places);
    verb.event();
    task(&instance);
    while verb.event()["event_type"] != json!("task_sent") {}
    signal(verb.child.id(), libc::SIGINT);
    assert_eq!(verb.ends().0, Some(0));
}

#[test]
fn what_is_followed_goes_on_in_an_instance_that_was_started_again() {
    let mut instance = started();
    let mut verb = Verb::start(&instance, &["events", "-f", "--json", "--limit", "1"]);
    verb.event();
    until_followed(&instance, 1);
    instance.kill();
    instance.start_again();
    let begun = call(&instance, "POST", "/api/swarms/s/start", &Value::Null);
    assert_eq!(begun.0, 200, "{}", begun.1);
    until_followed(&instance, 1);
    task(&instance);
    while verb.event()["event_type"] != json!("task_sent") {}
    signal(verb.child.id(), libc::SIGTERM);
    let (code, said) = verb.ends();
    assert!(code == Some(0) && said.contains("trying again"), "{code:?} {said}");
}
