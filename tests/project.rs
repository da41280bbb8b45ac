//! A project as `loopgate init` makes it, run as a new user would, and what puts swarms away again.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use loopgate::sys::tty::Size;
use serde_json::{Value, json};
use stand_in::{Ran, loopgate, new_home, ran};
use support::{Instance, TempDir, until};
use terminal::OnTerminal;

const SIZE: Size = Size { rows: 24, cols: 80 };

#[track_caller]
fn well(command: &mut Command) -> String {
    let Ran { code, out, err } = ran(command);
    assert_eq!(code, Some(0), "{out}{err}");
    out
}

/// `loopgate init`, which needs no instance and no home.
fn init(at: &Path, args: &[&str]) -> Ran {
    let mut command = loopgate(Path::new("/nonexistent"), &[&["init"], args].concat());
    ran(command.current_dir(at))
}

/// What an agent has said in its turns.
fn said(instance: &Instance, swarm: &str, agent: &str) -> Vec<String> {
    let path = format!("/api/swarms/{swarm}/agents/{agent}/logs");
    let logs = instance.call_as(&[], "GET", &path, &Value::Null).json();
    let logs = logs["logs"].as_array().cloned().unwrap_or_default();
    let own = logs.iter().filter(|line| line["role"] == "assistant");
    own.filter_map(|line| Some(line["content"].as_str()?.trim().to_owned())).collect()
}

/// As its README leads through it.
#[test]
fn a_new_project_runs_at_once_and_does_what_its_readme_says() {
    let instance = Instance::start();
    let place = TempDir::new();
    let made = init(place.path(), &["my-project"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert!(made.err.contains("cd my-project && loopgate start swarm.json"), "{}", made.err);
    let project = place.path().join("my-project");
    let run = |args: &[&str]| well(instance.loopgate(args).current_dir(&project));
    assert!(run(&["check", "swarm.json"]).contains("valid: swarm my-project, 4 agents, 1 object, 5 edges"));
    assert_eq!(run(&["start", "swarm.json"]), "started my-project: 4 agents, 1 object, 5 edges\n");
    run(&["task", "my-project", "front", "We utilise the \"loop\" \\ here."]);
    let verdicts = |count| {
        until("the verdicts", || {
            let said = said(&instance, "my-project", "editor");
            (said.len() >= count).then_some(said)
        })
    };
    // In either order, each numbered by the counter that was asked, and each once.
    let told = verdicts(2);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("verdict 1: ") && told[1].starts_with("verdict 2: "), "{told:?}");
    let all = told.join("\n");
    assert!(all.contains("brief: yes, 6 words") && all.contains("plain: no, use for utilise"), "{all}");
    assert_eq!(said(&instance, "my-project", "front"), ["handed on: We utilise the \"loop\" \\ here."]);
    run(&[
        "task",
        "my-project",
        "front",
        "one two three four five six seven eight nine ten eleven twelve 13",
    ]);
    let all = verdicts(4).join("\n");
    assert!(all.contains("brief: no, 13 words and not 12") && all.contains("plain: yes"), "{all}");
    // A message without an edge is refused, as the README says.
    let denied = ran(&mut instance.loopgate(&["msg", "my-project", "front", "editor", "hello"]));
    assert_eq!(denied.code, Some(77), "{}", denied.err);
    // What is told in something else than a text ends its turn, and nothing else.
    let task = json!({"task": {"a": 1}});
    instance.call_as(&[], "POST", "/api/swarms/my-project/agents/brief/task", &task);
    until("all are idle", || {
        let agents = instance.call_as(&[], "GET", "/api/swarms/my-project/agents", &Value::Null).json();
        agents["agents"].as_array()?.iter().all(|agent| agent["state"] == "idle").then_some(())
    });
    assert_eq!(run(&["stop", "my-project"]), "stopped my-project\n");
    assert_eq!(run(&["start", "my-project"]), "started my-project: 4 agents, 1 object, 5 edges\n");
    run(&["stop", "my-project"]);
}

#[test]
fn init_writes_its_files_with_their_modes_and_says_which() {
    let place = TempDir::new();
    let with_umask = |umask: &str, name: &str| {
        let script = format!("umask {umask}; exec \"$0\" init {name} --json");
        let mut command = Command::new("sh");
        ran(command.arg("-c").arg(script).arg(support::binary()).current_dir(place.path()))
    };
    for (umask, text, program) in [("022", 0o644, 0o755), ("077", 0o600, 0o700)] {
        let name = format!("p{umask}");
        let made = with_umask(umask, &name);
        let told: Value = serde_json::from_str(&made.out).expect("JSON");
        assert_eq!((&told["directory"], &told["swarm"]), (&json!(name), &json!(name)));
        let files = told["files"].as_array().expect("a list");
        assert_eq!(files.len(), 8);
        for file in files {
            let file = file.as_str().expect("a path");
            let mode = fs::metadata(place.path().join(&name).join(file)).expect("it is there").mode() & 0o777;
            let is_program = file.ends_with(".sh") && !file.ends_with("lib.sh");
            assert_eq!(mode, if is_program { program } else { text }, "{file}");
        }
    }
    // here, and called like it
    let here = place.path().join("My Desk");
    fs::create_dir(&here).expect("made");
    assert_eq!(init(&here, &[]).code, Some(0));
    let config = fs::read_to_string(here.join("swarm.json")).expect("a file");
    assert!(config.contains("\"name\": \"My-Desk\""), "{config}");
    let away = init(&here, &["/proc/nowhere/x"]);
    assert_eq!(away.code, Some(73), "{}", away.err);
    assert_eq!(init(&here, &["swarm.json"]).code, Some(73));
    assert_eq!(init(&here, &[""]).code, Some(2));
}

#[test]
fn init_refuses_a_directory_that_is_not_empty_and_with_force_writes_its_own_files_alone() {
    let place = TempDir::new();
    let project = place.path().join("p");
    fs::create_dir(&project).expect("made");
    fs::write(project.join("notes.txt"), "mine").expect("written");
    fs::write(project.join("README.md"), "mine too").expect("written");
    let refused = init(place.path(), &["p"]);
    assert_eq!(refused.code, Some(1), "as GenSwarms does: {}", refused.err);
    assert!(refused.err.contains("p is not empty") && refused.err.contains("--force"), "{}", refused.err);
    assert_eq!(fs::read_dir(&project).expect("a directory").count(), 2, "nothing was written");
    let forced = init(place.path(), &["p", "-f"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert_eq!(fs::read_to_string(project.join("notes.txt")).expect("there"), "mine");
    assert!(fs::read_to_string(project.join("README.md")).expect("there").starts_with("# p\n"));
    // again, over what it wrote itself; and a mode that was changed is as it should be
    let script = project.join("agents/front.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o600)).expect("changed");
    assert_eq!(init(place.path(), &["p", "--force"]).code, Some(0));
    assert_eq!(fs::metadata(&script).expect("there").mode() & 0o100, 0o100);
    // not through a link, and then nothing at all
    let elsewhere = place.path().join("elsewhere");
    fs::write(&elsewhere, "theirs").expect("written");
    fs::remove_file(project.join("skills/plain-words.md")).expect("removed");
    symlink(&elsewhere, project.join("skills/plain-words.md")).expect("a link");
    fs::write(project.join("README.md"), "mine again").expect("written");
    let linked = init(place.path(), &["p", "--force"]);
    assert_eq!(linked.code, Some(73), "{}", linked.err);
    assert!(linked.err.contains("plain-words.md is a link"), "{}", linked.err);
    assert!(linked.err.contains("; nothing was written"), "{}", linked.err);
    assert_eq!(fs::read_to_string(&elsewhere).expect("there"), "theirs");
    assert_eq!(fs::read_to_string(project.join("README.md")).expect("there"), "mine again");
}

#[test]
fn init_says_what_was_written_where_it_could_not_go_on() {
    let place = TempDir::new();
    let mut command = loopgate(Path::new("/nonexistent"), &["init", "p"]);
    // SAFETY: setrlimit(2) and signal(2) are async-signal-safe and touch no memory of ours but the limit.
    unsafe {
        command.pre_exec(|| {
            // swarm.json is smaller, README.md is not
            let limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
            libc::setrlimit(libc::RLIMIT_FSIZE, &limit);
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            Ok(())
        });
    }
    let full = ran(command.current_dir(place.path()));
    assert_eq!(full.code, Some(73), "{}", full.err);
    assert!(full.err.contains("p: README.md cannot be made"), "{}", full.err);
    assert!(full.err.contains("; only swarm.json was written"), "{}", full.err);
    let project = place.path().join("p");
    assert!(project.join("swarm.json").exists());
    assert_eq!(fs::read_dir(&project).expect("a directory").count(), 1, "nothing half written is left");
}

#[test]
fn a_project_may_be_made_behind_a_link_that_was_named() {
    let place = TempDir::new();
    fs::create_dir(place.path().join("real")).expect("made");
    symlink("real", place.path().join("link")).expect("a link");
    assert_eq!(init(place.path(), &["link"]).code, Some(0));
    let config = fs::read_to_string(place.path().join("real/swarm.json")).expect("a file");
    assert!(config.contains("\"name\": \"real\""), "{config}");
    symlink("nowhere", place.path().join("lost")).expect("a link");
    let lost = init(place.path(), &["lost"]);
    assert!(lost.code == Some(73) && !place.path().join("nowhere").exists(), "{}", lost.err);
}

/// One agent that is answered by nobody.
fn quiet(instance: &Instance, name: &str) {
    let agent = json!({"name": "a", "backend": "mock"});
    let body = json!({"config": {"name": name, "agents": [agent]}});
    assert_eq!(instance.call_as(&[], "POST", "/api/swarms", &body).status, 201);
}

fn names(instance: &Instance) -> Vec<String> {
    let answer = instance.call_as(&[], "GET", "/api/swarms", &Value::Null).json();
    let swarms = answer["swarms"].as_array().expect("a list").clone();
    swarms.iter().filter_map(|swarm| Some(swarm["name"].as_str()?.to_owned())).collect()
}

#[test]
fn what_removes_swarms_asks_before_and_needs_force_where_nobody_can_be_asked() {
    let instance = Instance::start();
    for name in ["one", "two", "three"] {
        quiet(&instance, name);
    }
    let run = |args: &[&str]| ran(&mut instance.loopgate(args));
    let on_terminal = |args: &[&str], answer: &[u8]| {
        let mut terminal = OnTerminal::start(&mut instance.loopgate(args), SIZE);
        let asked = terminal.until("Go on? [y/N]");
        terminal.type_keys(answer);
        (asked, terminal.end())
    };
    let silent = run(&["delete", "one"]);
    assert_eq!(silent.code, Some(2), "{}", silent.err);
    assert!(silent.err.contains("--force"), "{}", silent.err);
    let (asked, code) = on_terminal(&["delete", "one"], b"\n");
    assert!(asked.contains("this ends one (running)"), "{asked}");
    assert_eq!((code, names(&instance).len()), (Some(1), 3));
    assert_eq!(on_terminal(&["delete", "one"], b"yes\n").1, Some(0));
    assert_eq!(names(&instance), ["three", "two"]);
    assert_eq!(run(&["delete", "one", "--force"]).code, Some(1), "there is none any more");
    let none = run(&["clean", "--json"]);
    let nothing = json!({"status": "cleaned", "swarms_removed": 0, "events_cleared": false});
    assert_eq!(serde_json::from_str::<Value>(&none.out).expect("JSON"), nothing);
    assert_eq!(run(&["stop", "two"]).code, Some(0));
    assert_eq!(run(&["clean"]).code, Some(2));
    let (asked, code) = on_terminal(&["clean"], b"n\n");
    assert!(asked.contains("this removes two with all that they have"), "{asked}");
    assert_eq!((code, names(&instance).len()), (Some(1), 2));
    let cleaned = run(&["clean", "-f"]);
    assert_eq!((cleaned.code, cleaned.out.as_str()), (Some(0), "removed 1 swarm\n"), "{}", cleaned.err);
    assert_eq!(names(&instance), ["three"], "one that runs stays");
    // What has begun to run, or to rest, since it was asked is not what was meant.
    for name in ["four", "five", "six"] {
        quiet(&instance, name);
    }
    assert_eq!(run(&["stop", "four"]).code, Some(0));
    assert_eq!(run(&["stop", "five"]).code, Some(0));
    assert_eq!(run(&["stop", "six"]).code, Some(0));
    let mut terminal = OnTerminal::start(&mut instance.loopgate(&["clean"]), SIZE);
    assert!(terminal.until("Go on? [y/N]").contains("this removes five, four, six with all"));
    assert_eq!(run(&["start", "four"]).code, Some(0));
    // And what somebody else has removed is as good as removed.
    assert_eq!(run(&["delete", "six", "--force"]).code, Some(0));
    assert_eq!(run(&["stop", "three"]).code, Some(0));
    terminal.type_keys(b"y\n");
    let told = terminal.until("next:");
    assert!(told.contains("removed 1 swarm\r\n") && told.contains("not removed: 1 swarm\r\n"), "{told}");
    assert!(told.contains("four: the swarm runs") && !told.contains("six:"), "{told}");
    assert_eq!(terminal.end(), Some(1));
    assert_eq!(names(&instance), ["four", "three"]);
    assert_eq!(run(&["start", "three"]).code, Some(0));
    let all = run(&["clean", "--all"]);
    assert_eq!(all.code, Some(2), "events are not forgotten without a word either");
    assert_eq!(run(&["clean", "--all", "--force"]).out, "removed 0 swarms; forgot all events\n");
}

#[test]
fn the_short_verbs_do_what_the_long_ones_do() {
    let instance = Instance::start();
    quiet(&instance, "one");
    let run = |args: &[&str]| ran(&mut instance.loopgate(args));
    assert_eq!(run(&["restart-agent", "one", "a"]).out, "restarted one/a\n");
    assert_eq!(run(&["restart-agent", "one", "b"]).code, Some(1));
    assert_eq!(run(&["restart-agent", "one"]).code, Some(2));
    let none = run(&["list-skills"]);
    assert!(none.out.is_empty() && none.err.contains("no skills"), "{}{}", none.out, none.err);
    let skills = instance.home.path().join("skills");
    fs::create_dir_all(skills.join("web")).expect("made");
    fs::write(skills.join("web/search.md"), "look").expect("written");
    fs::write(skills.join("plan.md"), "plan").expect("written");
    assert_eq!(
        run(&["list-skills"]).out,
        "SKILL          CATEGORY\nplan.md        default\nweb/search.md  web\n"
    );
    let list: Value = serde_json::from_str(&run(&["list-skills", "--json"]).out).expect("JSON");
    assert_eq!(list["count"], 2);
    // check needs no instance
    let (_temp, home) = new_home();
    let check = |args: &[&str]| {
        ran(loopgate(&home, &[&["check"], args].concat()).current_dir(env!("CARGO_MANIFEST_DIR")))
    };
    let valid = check(&["examples/swarms/ring.json", "examples/swarms/mock.json"]);
    assert_eq!((valid.code, valid.out.lines().count()), (Some(0), 2), "{}", valid.err);
    let quiet = check(&["-q", "examples/swarms/ring.json"]);
    assert_eq!((quiet.code, quiet.out.as_str()), (Some(0), ""));
    assert_eq!(check(&["Cargo.toml"]).code, Some(65));
    assert_eq!(check(&[]).code, Some(2));
}
