//! Injects between instances: whom a name reaches, what is told of one that reaches nobody, and how far a
//! letter goes. Each instance is the binary, in a home of its own.

#[path = "support/neighbours.rs"]
mod neighbours;
mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use neighbours::{
    audited, closed_port, ended, entry, home_id, inject, neighbour, published, read_entry, register, shared,
    shows, start, troubles, write_entry,
};
use serde_json::{Value, json};
use support::{Instance, TempDir, until};

const READS_LINES: &str = "echo ready; while read -r line; do echo \"got <$line>\"; done";

/// Spec agentmux L.54.
#[test]
fn case_l54_an_inject_reaches_the_agent_of_another_instance_and_both_audit_it() {
    let registry = shared();
    let (a, b) = (neighbour(registry.path()), neighbour(registry.path()));
    let record = start(&b, "coder", READS_LINES, Value::Null);
    published(registry.path(), "coder");
    shows(&b, "coder", "ready");
    let answer = inject(&a, "coder", "over there", "l54");
    assert_eq!((&answer["success"], &answer["request_id"]), (&json!(true), &json!("l54")), "{answer}");
    assert_eq!((&answer["block_id"], &answer["forwarded"]), (&record["block_id"], &json!(true)), "{answer}");
    assert_eq!(answer["outcome"], "delivered", "{answer}");
    shows(&b, "coder", "got <over there>");
    for instance in [&a, &b] {
        let entries = until("the audit's line", || Some(audited(instance, "l54")).filter(|e| !e.is_empty()));
        assert_eq!((entries.len(), &entries[0]["target_agent"]), (1, &json!("coder")), "{entries:?}");
    }
    assert_eq!(audited(&b, "l54")[0]["success"], true);

    // Registered without a terminal: the words are those of the other instance.
    assert_eq!(register(&b, "pane"), json!({ "success": true }));
    published(registry.path(), "pane");
    let answer = inject(&a, "pane", "x", "l54-pane");
    let (error, id) = (&answer["error"], &answer["request_id"]);
    assert_eq!(
        (error, id),
        (&json!("no controller for block block-of-pane"), &json!("l54-pane")),
        "{answer}"
    );
    assert_eq!(answer["success"], false, "{answer}");
    // On the bus's route too.
    let body = json!({ "from": "tester", "target": "coder", "message": "by the bus" });
    let answer = a.call("POST", "/api/bus/inject", &body).json();
    assert_eq!(answer["via"], "forward", "{answer}");
    shows(&b, "coder", "got <by the bus>");
}

/// Spec agentmux L.55: the process of the entry is gone, or its port is.
#[test]
fn case_l55_an_entry_of_a_dead_port_is_not_found_and_is_removed() {
    let registry = shared();
    let a = neighbour(registry.path());
    let (_kept, port) = closed_port();
    for (name, pid) in [("dead", ended()), ("deaf", std::process::id())] {
        let file = registry.path().join(format!("{name}.json"));
        write_entry(&file, &entry(name, &format!("http://127.0.0.1:{port}"), pid));
        let answer = inject(&a, name, "x", name);
        let wanted = format!("agent not found: {name}");
        assert_eq!((&answer["success"], &answer["error"]), (&json!(false), &json!(wanted)), "{answer}");
        until("the entry is gone", || (!file.exists()).then_some(()));
    }
}

/// Spec agentmux L.55: a peer that fails, or answers what no instance does.
#[test]
fn case_l55_a_peer_that_fails_or_answers_junk_is_not_found_and_its_entry_stays() {
    let registry = shared();
    let a = neighbour(registry.path());
    let server = tiny_http::Server::http("127.0.0.1:0").expect("a server");
    let url = format!("http://{}", server.server_addr());
    let asked = AtomicU32::new(0);
    let cases = [(500, "{\"error\":\"x\"}"), (500, "oh"), (200, "hello"), (200, ""), (204, "")];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (status, body) in cases {
                let Ok(Some(request)) = server.recv_timeout(support::PATIENCE) else { return };
                asked.fetch_add(1, Ordering::Relaxed);
                let _ = request.respond(tiny_http::Response::from_string(body).with_status_code(status));
            }
        });
        for (at, (status, body)) in cases.iter().enumerate() {
            let name = format!("odd{at}");
            let file = registry.path().join(format!("{name}.json"));
            write_entry(&file, &entry(&name, &url, std::process::id()));
            let before = fs::read(&file).expect("an entry");
            let answer = inject(&a, &name, "x", &name);
            let wanted = json!(format!("agent not found: {name}"));
            assert_eq!((&answer["success"], &answer["error"]), (&json!(false), &wanted), "{status} {body:?}");
            assert_eq!(asked.load(Ordering::Relaxed) as usize, at + 1, "{status} {body:?}");
            assert_eq!(fs::read(&file).expect("the entry stays"), before, "{status} {body:?}");
        }
    });
}

/// Whoever unregisters a name has no say over a file of another instance.
#[test]
fn a_name_that_another_instance_has_is_left_to_it() {
    let registry = shared();
    let (a, b, c) = (neighbour(registry.path()), neighbour(registry.path()), neighbour(registry.path()));
    start(&a, "twin", READS_LINES, Value::Null);
    let file = published(registry.path(), "twin");
    shows(&a, "twin", "ready");
    let of_a = read_entry(&file);
    assert_eq!(register(&b, "twin")["registry"], "taken");
    let answer = b.call("POST", "/agentmux/reactive/unregister", &json!({ "agent_id": "twin" }));
    assert_eq!(answer.json()["success"], true);
    assert_eq!(read_entry(&file)["registration_nonce"], of_a["registration_nonce"]);
    assert_eq!(inject(&c, "twin", "from the third", "t")["forwarded"], true);
    shows(&a, "twin", "got <from the third>");
}

/// In AgentMux's newer layout several instances have a file for one name.
#[test]
fn a_name_that_two_others_have_is_refused_with_the_addresses_to_choose_from() {
    let data = TempDir::new();
    let registry = data.path().join("reactive");
    let (a, b, c) = (neighbour(&registry), neighbour(&registry), neighbour(&registry));
    for instance in [&b, &c] {
        start(instance, "twin", READS_LINES, Value::Null);
        let file = registry.join(format!("twin/loopgate-{}.json", home_id(instance)));
        until("its file", || file.exists().then_some(()));
        shows(instance, "twin", "ready");
    }
    let answer = inject(&a, "twin", "to whom?", "t1");
    let error = answer["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("ambiguous agent name: "), "{answer}");
    for instance in [&b, &c] {
        let address = format!("twin@{}", home_id(instance));
        assert!(error.contains(&address), "{answer}");
        let ran = a.loopgate(&["inject", &address, &format!("you at {address}")]).output().expect("it runs");
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        shows(instance, "twin", &format!("got <you at {address}>"));
    }
    let send = neighbours::send(&a, "twin", &json!({ "text": "x" }));
    assert_eq!((send.status, &send.json()["code"]), (409, &json!("ambiguous_agent")));
    // The one that has it itself means its own.
    assert_eq!(inject(&b, "twin", "at home", "t2")["outcome"], "delivered");
    shows(&b, "twin", "got <at home>");
    // One's own address is one's own agent.
    let own = format!("twin@{}", home_id(&b));
    assert_eq!(inject(&b, &own, "by address", "t3")["outcome"], "delivered");
    shows(&b, "twin", "got <by address>");
}

/// Instances that read different directories: a letter goes on from one to the next.
struct Chain {
    directories: Vec<TempDir>,
    instances: Vec<Instance>,
}

impl Chain {
    fn of(count: usize) -> Self {
        let directories: Vec<TempDir> = (0..count).map(|_| shared()).collect();
        let instances = directories.iter().map(|directory| neighbour(directory.path())).collect();
        Self { directories, instances }
    }

    /// What `from` reads says that `to` has this agent, whether it does or not.
    fn point(&self, from: usize, to: usize, name: &str) {
        let seed = format!("seed-{to}");
        register(&self.instances[to], &seed);
        let mut entry = read_entry(&published(self.directories[to].path(), &seed));
        entry["agent_id"] = name.into();
        write_entry(&self.directories[from].path().join(format!("{name}.json")), &entry);
    }
}

#[test]
fn a_letter_goes_through_three_instances_at_most() {
    let chain = Chain::of(5);
    for at in 0..4 {
        chain.point(at, at + 1, "far");
    }
    // Nobody has it: the fourth takes it in, and does not hand it on.
    let answer = inject(&chain.instances[0], "far", "x", "h1");
    assert_eq!((&answer["success"], &answer["error"]), (&json!(false), &json!("agent not found: far")));
    let counts: Vec<usize> = chain.instances.iter().map(|instance| audited(instance, "h1").len()).collect();
    assert_eq!(counts, [1, 1, 1, 1, 0], "{answer}");
    // The fourth has it: three times forwarded, it arrives.
    start(&chain.instances[3], "far", READS_LINES, Value::Null);
    shows(&chain.instances[3], "far", "ready");
    let answer = inject(&chain.instances[0], "far", "through three", "h2");
    assert_eq!(answer["success"], true, "{answer}");
    shows(&chain.instances[3], "far", "got <through three>");
}

#[test]
fn a_letter_never_comes_back_to_an_instance_that_it_came_through() {
    let chain = Chain::of(3);
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        chain.point(from, to, "round");
    }
    let answer = inject(&chain.instances[0], "round", "x", "r1");
    assert_eq!(answer["error"], "agent not found: round", "{answer}");
    for instance in &chain.instances {
        assert_eq!(audited(instance, "r1").len(), 1);
    }
    // Two that point at each other.
    chain.point(0, 1, "pong");
    chain.point(1, 0, "pong");
    let answer = inject(&chain.instances[0], "pong", "x", "p1");
    assert_eq!(answer["error"], "agent not found: pong", "{answer}");
    let counts: Vec<usize> = chain.instances.iter().map(|instance| audited(instance, "p1").len()).collect();
    assert_eq!(counts, [1, 1, 0]);
}

/// What an older AgentMux leaves: the key is in a file that everybody can read.
#[test]
fn a_readable_entry_is_refused_with_the_way_to_mend_it() {
    let registry = shared();
    let (a, b) = (neighbour(registry.path()), neighbour(registry.path()));
    start(&b, "coder", READS_LINES, Value::Null);
    shows(&b, "coder", "ready");
    let file = published(registry.path(), "coder");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("changed");
    assert_eq!(inject(&a, "coder", "x", "m1")["error"], "agent not found: coder");
    assert_eq!(troubles(&a, "coder.json"), ["entry_mode"]);
    let ran = a.loopgate(&["peers"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    let mend = said.lines().find_map(|line| {
        let at = line.find("chmod 600 ")?;
        Some(line[at..].trim_end_matches(['`', '.', ')']).to_owned())
    });
    let mend = mend.unwrap_or_else(|| panic!("it does not say how to mend it: {said}"));
    let mended = Command::new("sh").args(["-c", &mend]).current_dir(registry.path()).status();
    assert!(mended.expect("sh runs").success(), "{mend}");
    assert_eq!(inject(&a, "coder", "mended", "m2")["success"], true);
    shows(&b, "coder", "got <mended>");
    assert!(troubles(&a, "coder.json").is_empty());
}

#[test]
fn a_new_key_is_in_the_registry_when_rotate_key_ends() {
    let registry = shared();
    let (a, b) = (neighbour(registry.path()), neighbour(registry.path()));
    start(&b, "coder", READS_LINES, Value::Null);
    let file = published(registry.path(), "coder");
    shows(&b, "coder", "ready");
    assert_eq!(inject(&a, "coder", "before", "k1")["success"], true);
    let before = read_entry(&file);
    let ran = b.loopgate(&["rotate-key"]).output().expect("it runs");
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let after = read_entry(&file);
    assert_ne!(after["auth_key"], before["auth_key"]);
    assert_eq!(inject(&a, "coder", "after", "k2")["success"], true);
    let old = before["auth_key"].as_str().expect("a key");
    let body = json!({ "target_agent": "coder", "message": "old" });
    let path = "/agentmux/reactive/inject";
    assert_eq!(b.call_as(&[("X-AuthKey", old)], "POST", path, &body).status, 401);
    let ran = b.loopgate(&["agents"]).output().expect("it runs");
    assert_eq!(ran.status.code(), Some(0), "the key file has the new one");
}
