//! Our own files, and what the start cleans up (spec agentmux L.56, [NEW] unit tests).

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::{Barrier, Mutex as StdMutex},
    thread,
};

use serde_json::{Value, json};

use super::{own::Files, testing::*, *};
use crate::{
    limits,
    store::{common::CommonDirectory, testing::Turn},
    wire::clock::ManualClock,
};

type Wanted = Arc<StdMutex<Vec<(AgentId, String)>>>;

fn value(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// What AgentMux reads, and 0600 in a directory of 0700.
#[test]
fn an_entry_of_ours_says_what_agentmux_reads() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let writer = us.with_agents(&["A-1"]);
    let file = around.agents().join("A-1.json");
    let found = value(&file);
    assert_eq!(found["agent_id"], "A-1");
    assert_eq!(found["local_url"], format!("http://{}", us.listener.local_addr().expect("an address")));
    assert_eq!((&found["block_id"], &found["pid"]), (&json!("block of A-1"), &json!(std::process::id())));
    assert_eq!(found["updated_at"], us.clock.unix_ms());
    assert!(found["auth_key"].as_str().is_some_and(|key| key.starts_with("key-")));
    assert_eq!(found["channel"], format!("loopgate-{}", us.home));
    assert!(found["registration_nonce"].as_u64().is_some_and(|nonce| nonce < 1 << 53));
    let mode = |path: &Path| path.metadata().expect("a file").permissions().mode() & 0o7777;
    assert_eq!((mode(&file), mode(&around.agents())), (0o600, 0o700));
    writer.end();
}

#[test]
fn files_follow_what_is_registered() {
    for name in ["agents", "reactive"] {
        let around = Around::new();
        let us = Instance::new(&around.at(name));
        let b = Instance::new(&around.at(name));
        let agents: Wanted = Arc::new(StdMutex::new(wanted(&["a"])));
        let seen = Arc::clone(&agents);
        let writer = us.registry.start(move || seen.lock().expect("ours").clone()).expect("a thread");
        assert_eq!(us.registry.publish(&id("a"), SOON), Published::Done);
        assert_eq!(b.one("a").block_id, "block");
        *agents.lock().expect("ours") = vec![(id("a"), "other".to_owned()), (id("b"), String::new())];
        assert_eq!(us.registry.publish(&id("b"), SOON), Published::Done);
        assert_eq!((b.one("a").block_id.as_str(), b.one("b").block_id.as_str()), ("other", ""));
        agents.lock().expect("ours").remove(0);
        us.registry.changed();
        eventually(|| matches!(b.find("a"), Found::Nobody(_)));
        eventually(|| us.registry.listing().own == [id("b")]);
        writer.end();
        assert_eq!(names(&around.at(name)), [""; 0]);
        assert_eq!(us.registry.publish(&id("b"), SOON), Published::Pending, "nobody writes any more");
    }
}

/// [NEW]: the same channel replaces, several coexist; remove drops only its channel, and an empty folder.
#[test]
fn in_folders_each_instance_has_its_own_file() {
    let around = Around::new();
    let directory = around.at("reactive");
    let (us, b) = (Instance::new(&directory), Instance::new(&directory));
    let (ours, theirs) = (us.with_agents(&["Same"]), b.with_agents(&["same"]));
    assert_eq!(names(&directory.join("same")).len(), 2);
    let mode = directory.join("same").metadata().expect("a folder").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    let c = Instance::new(&directory);
    assert!(matches!(c.find("SAME"), Found::Several(homes) if homes.len() == 2));
    theirs.end();
    assert_eq!(names(&directory.join("same")), [format!("loopgate-{}.json", us.home)]);
    assert_eq!(c.one("same").home, us.home);
    ours.end();
    assert!(!directory.join("same").exists());
}

#[test]
fn a_live_entry_of_another_instance_is_left_alone_and_a_dead_one_makes_way() {
    let around = Around::new();
    let (us, b) = (Instance::new(&around.agents()), Instance::new(&around.agents()));
    let theirs = b.with_agents(&["w"]);
    let before = value(&around.agents().join("w.json"));
    let mut files = Files::new(Arc::clone(&us.registry));
    assert_eq!(round(&mut files, &us, &["w", "v"], true)[&id("w")], Published::Taken);
    assert_eq!(value(&around.agents().join("w.json")), before);
    theirs.end();
    assert_eq!(round(&mut files, &us, &["w", "v"], false)[&id("w")], Published::Done);
    files.end();

    let at = b.listener.local_addr().expect("an address");
    put(&around.agents().join("w.json"), entry("w", at, std::process::id()).to_string());
    assert_eq!(round(&mut files, &us, &["w"], true)[&id("w")], Published::Taken, "one of AgentMux too");
    put(&around.agents().join("w.json"), entry("w", at, dead_pid()).to_string());
    assert_eq!(round(&mut files, &us, &["w"], true)[&id("w")], Published::Done);
    files.end();
    assert_eq!(names(&around.agents()), [""; 0]);
}

/// Whoever is told that others do not find an agent is sent to the list: there it says why, and what to do.
#[test]
fn an_agent_of_ours_that_others_cannot_find_is_listed_with_the_reason() {
    let around = Around::new();
    let (us, b) = (Instance::new(&around.agents()), Instance::new(&around.agents()));
    std::fs::create_dir(around.agents().join("v.json")).expect("a directory");
    let theirs = b.with_agents(&["w"]);
    let ours = us.with_agents(&["u", "v", "w"]);
    let told = |us: &Instance| -> Vec<(String, &'static str, bool)> {
        let troubles = us.registry.listing().troubles;
        troubles.into_iter().map(|it| (it.agent.unwrap_or_default(), it.code, !it.next.is_empty())).collect()
    };
    let expected = [("v".to_owned(), "entry_not_regular", true), ("w".to_owned(), "name_taken", true)];
    assert_eq!(told(&us), expected, "what stands in the place of a file is told once");
    assert_eq!(told(&b), expected[..1]);
    theirs.end();
    us.registry.publish(&id("w"), SOON);
    assert_eq!(told(&us), expected[..1], "nobody has it any more");
    ours.end();

    let file = || PathBuf::from("w.json");
    let tell = |published| super::trouble::own(&published, Path::new("/r"), file(), &id("w"));
    for code in ["registry_write", "registry_lock", "registry_name_case", "registry_not_loopback"] {
        assert!(tell(Published::Failed(code)).is_some_and(|it| it.code == code && !it.next.is_empty()));
    }
    assert_eq!(tell(Published::Pending).map(|it| it.code), Some("registry_pending"));
    assert_eq!(tell(Published::Failed("directory_writable")), None, "that is told of the directory");
    assert_eq!((tell(Published::Done), tell(Published::Off)), (None, None));
}

/// Two instances under one name, at once: one has it, and it is whole.
#[test]
fn of_two_that_write_one_name_at_once_one_has_it() {
    let around = Around::new();
    let instances = [Instance::new(&around.agents()), Instance::new(&around.agents())];
    let turn = Barrier::new(2);
    for _ in 0..500 {
        let done = StdMutex::new(Vec::new());
        let mut all = Vec::new();
        thread::scope(|scope| {
            let threads = instances.each_ref().map(|us| {
                let (turn, done) = (&turn, &done);
                scope.spawn(move || {
                    let mut files = Files::new(Arc::clone(&us.registry));
                    turn.wait();
                    let status = round(&mut files, us, &["w"], true).remove(&id("w")).expect("a status");
                    done.lock().expect("ours").push(status);
                    files
                })
            });
            all.extend(threads.into_iter().map(|thread| thread.join().expect("no panic")));
        });
        let done = done.into_inner().expect("ours");
        assert!(done.contains(&Published::Done) && done.contains(&Published::Taken), "{done:?}");
        let holder = value(&around.agents().join("w.json"))["instance"].clone();
        assert!(instances.iter().any(|us| holder == *us.registry.us.instance));
        all.iter_mut().for_each(Files::end);
        assert_eq!(names(&around.agents()), [""; 0]);
    }
}

#[test]
fn a_file_that_somebody_removed_is_written_again() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let writer = us.with_agents(&["w"]);
    let file = around.agents().join("w.json");
    std::fs::remove_file(&file).expect("removed");
    us.clock.advance(limits::REGISTRY_RECONCILE_MS - 1);
    us.registry.publish(&id("w"), SOON);
    assert!(!file.exists(), "not yet");
    us.clock.advance(1);
    // The first one may meet a round that had begun.
    us.registry.publish(&id("w"), SOON);
    us.registry.publish(&id("w"), SOON);
    assert_eq!(value(&file)["agent_id"], "w");
    std::fs::remove_dir_all(around.agents()).expect("removed");
    us.clock.advance(limits::REGISTRY_RECONCILE_MS);
    us.registry.publish(&id("w"), SOON);
    us.registry.publish(&id("w"), SOON);
    assert_eq!(value(&file)["agent_id"], "w", "and the directory with it");
    writer.end();
}

#[test]
fn an_entry_is_refreshed_each_half_hour() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let mut files = Files::new(Arc::clone(&us.registry));
    let file = around.agents().join("w.json");
    round(&mut files, &us, &["w"], true);
    let first = value(&file);
    us.clock.advance(limits::REGISTRY_REFRESH_MS - 1);
    round(&mut files, &us, &["w"], true);
    assert_eq!(value(&file), first);
    us.clock.advance(1);
    round(&mut files, &us, &["w"], true);
    let then = first["updated_at"].as_u64().map(|at| at + limits::REGISTRY_REFRESH_MS);
    assert_eq!(value(&file)["updated_at"].as_u64(), then);
    assert_ne!(value(&file)["registration_nonce"], first["registration_nonce"]);
}

#[test]
fn a_new_key_is_in_every_file_before_it_is_said_so() {
    let around = Around::new();
    let (us, b) = (Instance::new(&around.agents()), Instance::new(&around.agents()));
    let agents = ["a", "b", "c"];
    let writer = us.with_agents(&agents);
    assert!(us.registry.rekey(Secret::new(b"new-key".to_vec()), SOON));
    for agent in agents {
        assert!(b.one(agent).key.is_some_and(|key| key.matches(b"new-key")));
    }
    // One that cannot be written is said to have failed.
    let file = around.agents().join("b.json");
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("a directory");
    assert!(us.registry.rekey(Secret::new(b"newer".to_vec()), SOON), "no file carries an old key");
    assert_eq!(us.registry.publish(&id("b"), SOON), Published::Failed("entry_not_regular"));
    assert_eq!(us.registry.publish(&id("a"), SOON), Published::Done);
    writer.end();
    assert_eq!(names(&around.agents()), ["b.json"], "what is not ours stays");
    assert!(!us.registry.rekey(Secret::new(b"last".to_vec()), SOON), "nobody writes any more");
}

#[test]
fn what_stands_in_the_place_of_our_file_is_named_and_stays() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let mut files = Files::new(Arc::clone(&us.registry));
    let file = around.agents().join("w.json");
    let mut published = || round(&mut files, &us, &["w"], true).remove(&id("w")).expect("a status");
    symlink("/etc/hostname", &file).expect("a link");
    assert_eq!(published(), Published::Failed("entry_symlink"));
    std::fs::remove_file(&file).expect("removed");
    put_mode(&file, "left", 0o644);
    assert_eq!(published(), Published::Failed("entry_mode"));
    put(&file, vec![b'x'; limits::REGISTRY_ENTRY + 1]);
    assert_eq!(published(), Published::Failed("entry_too_large"));
    // One that nobody has finished for a minute is nobody's; the clock here is a day ahead.
    put(&file, "{\"agent_id\":");
    assert_eq!(published(), Published::Done);
    let fresh = Instance::with(&around.agents(), |settings| settings.clock = ManualClock::at(now()));
    put(&around.agents().join("v.json"), "{\"agent_id\":");
    let mut files = Files::new(Arc::clone(&fresh.registry));
    assert_eq!(round(&mut files, &fresh, &["v"], true)[&id("v")], Published::Pending);
}

#[test]
fn names_that_differ_in_case_only_share_no_file() {
    let around = Around::new();
    let us = Instance::new(&around.at("reactive"));
    let mut files = Files::new(Arc::clone(&us.registry));
    let status = round(&mut files, &us, &["Same", "same"], true);
    assert_eq!(status[&id("Same")], Published::Done);
    assert_eq!(status[&id("same")], Published::Failed("registry_name_case"));
}

#[test]
fn a_listener_that_nobody_on_loopback_reaches_is_not_published() {
    let around = Around::new();
    let us = Instance::with(&around.agents(), |settings| settings.at = ([10, 0, 0, 1], 80).into());
    let mut files = Files::new(Arc::clone(&us.registry));
    let status = round(&mut files, &us, &["w"], true);
    assert_eq!(status[&id("w")], Published::Failed("registry_not_loopback"));
    assert_eq!(on_loopback(([0, 0, 0, 0], 80).into()), Some(([127, 0, 0, 1], 80).into()));
}

#[test]
fn a_lock_that_somebody_keeps_holds_nobody_up() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let directory = CommonDirectory::open(&around.agents()).expect("a directory");
    let lock = directory.lock(SOON).expect("asked").expect("free");
    let mut files = Files::new(Arc::clone(&us.registry));
    let begin = std::time::Instant::now();
    let status = round(&mut files, &us, &["a", "b", "c"], true);
    assert!(status.values().all(|status| *status == Published::Pending));
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(limits::REGISTRY_LOCK_MS) && waited < SOON, "one wait for all");
    drop(lock);
    assert!(round(&mut files, &us, &["a"], false).values().all(|status| *status == Published::Done));
    let _lock = directory.lock(SOON).expect("asked").expect("free");
    files.end();
    assert_eq!(names(&around.agents()), [""; 0], "the end does not depend on it");
}

#[test]
fn dead_entries_that_wait_to_be_removed_are_bounded() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    for number in 0..limits::REGISTRY_GONE + 5 {
        us.registry.note_gone(format!("a{number}.json").into());
        us.registry.note_gone("a0.json".into());
    }
    assert_eq!(us.registry.work(false).0.gone.len(), limits::REGISTRY_GONE);
    assert_eq!(us.registry.work(false).0.gone.len(), 0);
}

/// What an earlier launch of ours, an AgentMux that crashed and one that lives have left.
fn left_behind(around: &Around, live: &Instance) {
    let at = live.listener.local_addr().expect("an address");
    let put_entry = |name: &str, pid: u32, at: std::net::SocketAddr, age: u64| {
        let agent = name.rsplit('/').next_back().expect("a name");
        let mut value = entry(agent, at, pid);
        value["updated_at"] = json!(now() - age);
        put(&around.agents().join(format!("{name}.json")), value.to_string());
    };
    const HOUR: u64 = 60 * 60 * 1_000;
    put_entry("old-and-alive", std::process::id(), at, 5 * HOUR);
    put_entry("three-hours", std::process::id(), at, 3 * HOUR);
    put_entry("nested-alive/main", std::process::id(), at, 0);
    put_entry("young-and-dead", dead_pid(), at, 0);
    put_entry("nested-dead/main", dead_pid(), at, 0);
    put_entry("port-gone", std::process::id(), ([127, 0, 0, 1], 1).into(), 0);
    put(&around.agents().join("notes.txt"), "x");
    put(&around.agents().join("malformed.txt"), "{");
    put_mode(&around.agents().join("open.json"), "{", 0o644);
    symlink("notes.txt", around.agents().join("link.json")).expect("a link");
}

#[test]
fn case_l56_the_start_removes_entries_whose_process_or_port_is_gone_and_none_by_age() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let live = Instance::new(&around.at("unused"));
    left_behind(&around, &live);
    assert!(us.registry.sweep());
    assert_eq!(
        names(&around.agents()),
        [
            "link.json",
            "malformed.txt",
            "nested-alive",
            "notes.txt",
            "old-and-alive.json",
            "open.json",
            "three-hours.json"
        ]
    );
}

#[test]
fn case_l56_the_start_removes_malformed_entries_that_nobody_writes_to() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    put(&around.agents().join("half.json"), "{\"agent_id\":");
    put(&around.agents().join(".half.json.0123456789abcdef.tmp"), "{");
    let fresh = Instance::with(&around.agents(), |settings| settings.clock = ManualClock::at(now()));
    assert!(fresh.registry.sweep());
    assert_eq!(names(&around.agents()).len(), 2, "somebody may be writing them");
    assert!(us.registry.sweep(), "its clock is a day ahead");
    assert_eq!(names(&around.agents()), [""; 0]);
}

/// kill -9: the next launch of the home finds its own entries, and those of the same name make way.
#[test]
fn entries_of_an_earlier_launch_are_swept_or_replaced() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let mut left = entry("w", us.listener.local_addr().expect("an address"), dead_pid());
    left["loopgate"] = json!(1);
    left["instance"] = json!("an-earlier-one");
    left["home"] = json!(us.home.as_str());
    left["listener_inode"] = json!(1);
    for agent in ["w", "gone"] {
        left["agent_id"] = json!(agent);
        put(&around.agents().join(format!("{agent}.json")), left.to_string());
    }
    let listing = us.registry.listing();
    assert!(listing.instances.is_empty() && listing.troubles.is_empty(), "{listing:?}");
    let writer = us.with_agents(&["w"]);
    assert_eq!(names(&around.agents()), ["w.json"]);
    assert_eq!(value(&around.agents().join("w.json"))["instance"], us.registry.us.instance);
    writer.end();
}

/// An end races with an AgentMux that writes its live entries over ours. Every fourth file stays ours, and
/// tells by its end how far we are. Who is first is the scheduler's business, and nothing that is asserted.
#[test]
fn anothers_live_entry_that_comes_while_ours_ends_stays_10_000_races() {
    let around = Around::in_memory();
    let us = Instance::new(&around.agents());
    let live = Instance::new(&around.at("unused"));
    let at = live.listener.local_addr().expect("an address");
    let agents: Vec<String> = (0..100).map(|number| format!("w{number:02}")).collect();
    let text = |agent: &str| entry(agent, at, std::process::id()).to_string();
    let raced: Vec<(&String, String)> =
        agents.iter().filter(|agent| !is_mark(agent)).map(|agent| (agent, text(agent))).collect();
    let file = |agent: &str| around.agents().join(format!("{agent}.json"));
    let all: Vec<&str> = agents.iter().map(String::as_str).collect();
    let turn = Turn::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let turn = turn.racer();
            for _ in 0..10_000_usize.div_ceil(raced.len()) {
                for (agent, text) in &raced {
                    put(&around.at(agent), text);
                }
                turn.wait();
                for agent in &agents {
                    if is_mark(agent) {
                        (0..200).find(|_| !file(agent).exists());
                    } else {
                        std::fs::rename(around.at(agent), file(agent)).expect("renamed");
                    }
                }
                turn.wait();
            }
        });
        let turn = turn.racer();
        for _ in 0..10_000_usize.div_ceil(raced.len()) {
            for agent in &agents {
                let _ = std::fs::remove_file(file(agent));
            }
            let mut files = Files::new(Arc::clone(&us.registry));
            assert!(round(&mut files, &us, &all, true).values().all(|done| *done == Published::Done));
            turn.wait();
            files.end();
            turn.wait();
            for (agent, text) in &raced {
                assert_eq!(std::fs::read_to_string(file(agent)).ok().as_ref(), Some(text), "{agent}");
            }
        }
    });
    let left: Vec<_> = raced.iter().map(|(agent, _)| format!("{agent}.json")).collect();
    assert_eq!(names(&around.agents()), left, "and nothing beside them");
}

fn is_mark(agent: &str) -> bool {
    agent.ends_with(['0', '4', '8'])
}
