//! The files of one registry, by which instances find each other: what is written, listed and removed,
//! and what is refused. Each instance is the binary, in a home of its own.

#[path = "support/neighbours.rs"]
mod neighbours;
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};

use neighbours::{
    audited, closed_port, ended, entry, home_id, inject, neighbour, now, peers, published, read_entry,
    register, shared, start, troubles, withdrawn, write_entry, write_private,
};
use serde_json::{Value, json};
use support::{Instance, TempDir, request, serve_command, signal, until};

const READS_LINES: &str = "echo ready; while read -r line; do echo \"got <$line>\"; done";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

/// Spec agentmux L.55: the own address, and what else means it.
#[test]
fn case_l55_an_entry_that_names_our_own_port_makes_no_loop() {
    let registry = shared();
    let a = neighbour(registry.path());
    let port = a.address.port();
    let urls = ["127.0.0.1", "localhost", "[::1]", "127.0.0.2"].map(|host| format!("http://{host}:{port}"));
    for (at, url) in urls.iter().chain(&[format!("http://127.0.0.1:{port}/")]).enumerate() {
        let name = format!("mirror{at}");
        write_entry(&registry.path().join(format!("{name}.json")), &entry(&name, url, a.pid()));
        let answer = inject(&a, &name, "x", &name);
        let wanted = json!(format!("agent not found: {name}"));
        assert_eq!((&answer["success"], &answer["error"]), (&json!(false), &wanted), "{url}: {answer}");
        assert_eq!(audited(&a, &name).len(), 1, "{url}: it came once");
    }
}

/// Spec agentmux L.56, as the design changes it: never by age alone.
#[test]
fn case_l56_a_start_removes_what_is_dead_or_malformed_and_never_what_is_only_old() {
    let registry = shared();
    let long_ago = |file: &Path| {
        let file = fs::File::options().write(true).open(file).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(5 * 60 * 60)).expect("an older file");
    };
    let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let url = format!("http://{}", server.local_addr().expect("an address"));
    let (_kept, port) = closed_port();
    let file = |name: &str| registry.path().join(name);
    let aged = |mut entry: Value, hours: u64| {
        entry["updated_at"] = (now() - hours * 60 * 60 * 1_000).into();
        entry
    };
    let own = std::process::id();
    write_entry(&file("old-and-alive.json"), &aged(entry("old-and-alive", &url, own), 5));
    write_entry(&file("dead.json"), &aged(entry("dead", &url, ended()), 3));
    let deaf = entry("deaf", &format!("http://127.0.0.1:{port}"), own);
    write_entry(&file("deaf.json"), &aged(deaf, 3));
    write_private(&file("malformed.json"), b"{");
    write_private(&file("half-written.json"), b"{");
    write_private(&file("notes.txt"), b"{");
    write_entry(&file("readable.json"), &entry("readable", &url, ended()));
    fs::set_permissions(file("readable.json"), fs::Permissions::from_mode(0o644)).expect("changed");
    for name in
        ["old-and-alive.json", "dead.json", "deaf.json", "malformed.json", "notes.txt", "readable.json"]
    {
        long_ago(&file(name));
    }
    let a = neighbour(registry.path());
    for name in ["dead.json", "deaf.json", "malformed.json"] {
        until(&format!("{name} is gone"), || (!file(name).exists()).then_some(()));
    }
    // A second one sweeps as well: what stays, stays.
    let _b = neighbour(registry.path());
    let mut left: Vec<String> = fs::read_dir(registry.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    left.sort();
    assert_eq!(left, ["half-written.json", "notes.txt", "old-and-alive.json", "readable.json"]);
    drop(a);
}

#[test]
fn the_entry_of_an_agent_comes_and_goes_with_it() {
    let registry = shared();
    let b = neighbour(registry.path());
    assert_eq!(register(&b, "pane"), json!({ "success": true }));
    // It is there when the answer is.
    let file = registry.path().join("pane.json");
    let found = read_entry(&file);
    assert_eq!((mode(registry.path()), mode(&file)), (0o700, 0o600));
    assert_eq!(found["agent_id"], "pane");
    assert_eq!(found["block_id"], "block-of-pane");
    assert_eq!(found["local_url"], format!("http://{}", b.address));
    assert_eq!(found["pid"], b.pid());
    assert!(found["updated_at"].as_u64().is_some_and(|at| at.abs_diff(now()) < 60_000), "{found}");
    assert_eq!(found["home"], home_id(&b));

    // The key in it is not the owner's, and opens two routes.
    let key = found["auth_key"].as_str().expect("a key").to_owned();
    assert_ne!(key, b.key);
    let with = |method: &str, path: &str, body: Value| {
        b.raw(&request(b.address, &[("X-AuthKey", &key)], method, path, &body)).status
    };
    let body = json!({ "target_agent": "pane", "message": "x" });
    assert_eq!(with("POST", "/agentmux/reactive/inject", body), 200);
    assert_eq!(with("GET", "/agentmux/reactive/agent?id=pane", Value::Null), 200);
    for path in ["/agentmux/reactive/agents", "/agentmux/reactive/audit", "/api/bus/agents", "/api/v1/peers"]
    {
        let refused = with("GET", path, Value::Null);
        assert!([401, 403].contains(&refused), "{path}: {refused}");
    }

    let answer = b.call("POST", "/agentmux/reactive/unregister", &json!({ "agent_id": "pane" }));
    assert_eq!(answer.json(), json!({ "success": true }));
    withdrawn(registry.path(), "pane");

    start(&b, "brief", "read x", Value::Null);
    published(registry.path(), "brief");
    inject(&b, "brief", "go", "go");
    withdrawn(registry.path(), "brief");
    start(&b, "stopped", "read x", Value::Null);
    published(registry.path(), "stopped");
    assert_eq!(b.call("DELETE", "/api/v1/agents/stopped", &Value::Null).status, 200);
    withdrawn(registry.path(), "stopped");
}

#[test]
fn an_instance_takes_its_entries_along_and_one_that_is_killed_leaves_them_to_the_next() {
    let registry = shared();
    let (mut a, mut b) = (neighbour(registry.path()), neighbour(registry.path()));
    register(&a, "of-a");
    register(&b, "of-b");
    let (of_a, of_b) = (published(registry.path(), "of-a"), published(registry.path(), "of-b"));
    assert_eq!(a.terminate().code(), Some(0));
    assert!(!of_a.exists(), "its own is removed before it ends");
    assert!(of_b.exists(), "that of another stays");
    b.kill();
    assert!(of_b.exists(), "nobody could remove it");
    let _next = neighbour(registry.path());
    withdrawn(registry.path(), "of-b");
}

#[test]
fn peers_lists_the_others_with_their_agents_and_what_is_wrong() {
    let registry = shared();
    let (a, b) = (neighbour(registry.path()), neighbour(registry.path()));
    for name in ["one", "two"] {
        register(&b, name);
        published(registry.path(), name);
    }
    register(&a, "mine");
    write_private(&registry.path().join("odd.json"), b"[]");
    fs::set_permissions(registry.path(), fs::Permissions::from_mode(0o755)).expect("changed");
    let listing = peers(&a);
    let directory = &listing["directory"];
    assert_eq!(directory["path"], registry.path().to_str().expect("a path"), "{listing:#}");
    assert_eq!((&directory["shared"], &directory["mode"]), (&json!(true), &json!("0755")), "{listing:#}");
    assert_eq!(listing["own"], json!([format!("mine@{}", home_id(&a))]), "{listing:#}");
    let instances = listing["instances"].as_array().expect("a list");
    assert_eq!(instances.len(), 1, "{listing:#}");
    assert_eq!(instances[0]["home"], home_id(&b), "{listing:#}");
    assert_eq!(instances[0]["pid"], b.pid(), "{listing:#}");
    assert_eq!(instances[0]["address"], b.address.to_string(), "{listing:#}");
    let agents = instances[0]["agents"].as_array().expect("a list").iter();
    let names: Vec<&str> = agents.filter_map(|agent| agent["name"].as_str()).collect();
    assert_eq!(names, ["one", "two"], "{listing:#}");
    assert_eq!(troubles(&a, "odd.json"), ["entry_malformed"], "{listing:#}");
    assert_eq!(troubles(&a, ""), ["directory_mode"], "{listing:#}");
    let entry = read_entry(&registry.path().join("one.json"));
    let key = entry["auth_key"].as_str().expect("a key");
    assert!(!listing.to_string().contains(key), "no key is shown");

    let ran = a.loopgate(&["peers"]).output().expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let both = format!("{out}{err}");
    for word in [&home_id(&b), "one", "two", "odd.json", "entry_malformed", "chmod 700"] {
        assert!(both.contains(word), "{word}: {both}");
    }
    let ran = a.loopgate(&["peers", "--json"]).output().expect("it runs");
    let json: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(json["instances"], listing["instances"]);

    // Nobody is left out silently: it is gone when it is gone.
    signal(b.pid(), libc::SIGKILL);
    until("it is gone", || peers(&a)["instances"].as_array().is_some_and(Vec::is_empty).then_some(()));
}

/// Without a shared directory nobody else's files are read.
#[test]
fn without_a_shared_registry_an_instance_writes_its_own_and_reads_nobody_elses() {
    let a = Instance::start();
    register(&a, "mine");
    let folder = a.home.path().join("agents");
    published(&folder, "mine");
    let registry = shared();
    let b = neighbour(registry.path());
    start(&b, "coder", READS_LINES, Value::Null);
    let file = published(registry.path(), "coder");
    write_entry(&folder.join("coder.json"), &read_entry(&file));
    let answer = inject(&a, "coder", "x", "off");
    assert_eq!(answer["error"], "agent not found: coder", "{answer}");
    assert!(audited(&b, "off").is_empty());
    assert_eq!(peers(&a)["directory"]["shared"], false);
}

/// `serve` with this registry does not start: its exit code, and what it says.
#[track_caller]
fn refused_at_start(registry: &str) -> (Option<i32>, String) {
    let home = TempDir::new();
    let mut serve = serve_command(home.path(), &[("LOOPGATE_REGISTRY", registry)], &[]);
    let serve = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = serve.spawn().expect("it runs");
    let mut said = String::new();
    // Ends with the process; one that starts after all says so, and is ended.
    for line in BufReader::new(child.stderr.take().expect("stderr")).lines().map_while(Result::ok) {
        if line.contains("-ESTART ") {
            signal(child.id(), libc::SIGTERM);
        }
        said.push_str(&line);
        said.push('\n');
    }
    (child.wait().expect("it ends").code(), said)
}

#[test]
fn a_directory_that_does_not_do_ends_the_start_with_what_to_do() {
    let temp = TempDir::new();
    let path = |name: &str| temp.path().join(name).to_str().expect("a path").to_owned();
    assert_eq!(refused_at_start("relative/agents").0, Some(78));
    fs::create_dir(path("open")).expect("a directory");
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o777)).expect("changed");
    let (code, said) = refused_at_start(&path("open"));
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains(&path("open")) && said.contains("chmod 700"), "{said}");
    fs::create_dir(path("target")).expect("a directory");
    std::os::unix::fs::symlink(path("target"), path("link")).expect("a link");
    let (code, said) = refused_at_start(&path("link"));
    assert!(matches!(code, Some(73 | 77)) && said.contains(&path("link")), "{code:?} {said}");
    fs::write(path("file"), "").expect("a file");
    let (code, said) = refused_at_start(&path("file"));
    assert!(matches!(code, Some(73 | 77)) && said.contains(&path("file")), "{code:?} {said}");
    let (code, said) = refused_at_start(&path("no/parent"));
    assert!(matches!(code, Some(73 | 77)) && said.contains(&path("no")), "{code:?} {said}");
    let _made = neighbour(Path::new(&path("made")));
    assert_eq!(mode(Path::new(&path("made"))), 0o700);
}

/// What listens there now is not whom the entry names, and the key in the entry is not for it.
#[test]
fn whoever_takes_the_port_of_an_instance_that_was_killed_gets_no_byte() {
    let registry = shared();
    let (a, mut b) = (neighbour(registry.path()), neighbour(registry.path()));
    register(&b, "pane");
    let file = published(registry.path(), "pane");
    let entry = read_entry(&file);
    b.kill();
    let impostor = TcpListener::bind(b.address).expect("the port is free");
    impostor.set_nonblocking(true).expect("a listener");
    // Once with the dead process in it, and once as somebody would forge it.
    for pid in [b.pid(), std::process::id()] {
        let mut entry = entry.clone();
        entry["pid"] = pid.into();
        write_entry(&file, &entry);
        assert_eq!(inject(&a, "pane", "secret", "i")["error"], "agent not found: pane");
        while let Ok((mut stream, _)) = impostor.accept() {
            stream.set_nonblocking(false).expect("a stream");
            stream.set_read_timeout(Some(support::PATIENCE)).expect("a deadline");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("its end");
            assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
