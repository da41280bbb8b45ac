//! Sandboxes as an operator uses them: the real program, its API, a real bubblewrap.
//!
//! They run as root, where the program in the sandbox is another user's, and as an ordinary user.

#[path = "support/endpoint.rs"]
#[allow(dead_code)]
mod endpoint;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use endpoint::{StandIn, http};
use loopgate::sys::tty::Size;
use serde_json::{Value, json};
use support::{Instance, TempDir, signal, skipped, until};
use terminal::OnTerminal;

/// What must not be found in any sandbox.
const CANARY: &str = "canary-7f3a9c51d2";
/// What the operator's key is in these tests.
const KEY: &str = "sk-the-key-that-no-agent-sees";

/// Whether there is what a sandbox needs; says so where there is not.
fn is_possible() -> bool {
    let tried = Command::new("bwrap")
        .args(["--unshare-all", "--ro-bind", "/", "/", "true"])
        .output()
        .is_ok_and(|tried| tried.status.success());
    if !tried {
        skipped("bubblewrap, or user namespaces");
    }
    tried
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|facts| facts.uid() == 0)
}

/// The user that programs in a sandbox are, seen from outside.
fn user() -> u32 {
    let me = fs::metadata("/proc/self").expect("/proc").uid();
    if me == 0 { 65_534 } else { me }
}

/// An instance with a swarm `s`.
struct Host {
    instance: Instance,
}

impl Host {
    fn new(env: &[(&str, &str)]) -> Self {
        Self { instance: Instance::start_with(env, &[]) }
    }

    fn create(&self, agents: &Value) -> support::Answer {
        let config = json!({"name": "s", "agents": agents, "topology": [],
            "objects": [{"name": "log", "handler": "log"}]});
        self.instance.call_as(&[], "POST", "/api/swarms", &json!({ "config": config }))
    }

    /// Starts an agent `a` in a sandbox that runs this script.
    #[track_caller]
    fn run(&self, script: &str, config: &Value) {
        let answer = self.create(&json!([agent(script, config)]));
        assert_eq!(answer.status, 201, "{}", text(&answer));
        let state = self.state();
        assert!(state["state"] != "error", "{state}");
    }

    fn state(&self) -> Value {
        let agents = self.instance.call_as(&[], "GET", "/api/swarms/s/agents", &Value::Null).json();
        agents["agents"][0].clone()
    }

    fn own(&self, name: &str) -> PathBuf {
        self.instance.home.path().join("swarms/s/agents/a").join(name)
    }

    /// What the script has written into a file of its workspace, once that is whole.
    #[track_caller]
    fn written(&self, name: &str) -> String {
        let path = self.own("workspace").join(name);
        until(name, || fs::read_to_string(&path).ok().filter(|text| text.ends_with("END\n")))
            .trim_end_matches("END\n")
            .to_owned()
    }

    fn stop(&self) {
        let stopped = self.instance.loopgate(&["stop", "s"]).output().expect("it runs");
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    }
}

fn agent(script: &str, config: &Value) -> Value {
    json!({"name": "a", "backend": "bwrap", "command": ["/bin/bash", "-c", script], "config": config})
}

/// Processes whose arguments hold this mark, and whose user they are.
fn marked(mark: &str) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if pid == std::process::id() || !String::from_utf8_lossy(&line).contains(mark) {
            continue;
        }
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if let Some(uids) = status.lines().find_map(|line| line.strip_prefix("Uid:")) {
            let uids: BTreeSet<u32> = uids.split_whitespace().filter_map(|uid| uid.parse().ok()).collect();
            assert_eq!(uids.len(), 1, "{status}");
            found.push((pid, uids.into_iter().next().expect("a user")));
        }
    }
    found
}

#[track_caller]
fn until_none(mark: &str) {
    until("nothing to be left", || marked(mark).is_empty().then_some(()));
}

fn names(directory: &Path) -> Vec<String> {
    let all = fs::read_dir(directory).expect("a directory").flatten();
    let mut all: Vec<_> = all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

#[test]
fn a_sandbox_has_a_workspace_a_system_to_read_and_nothing_else_of_the_host() {
    if !is_possible() {
        return;
    }
    let host = Host::new(&[]);
    let home = host.instance.home.path().to_str().expect("text").to_owned();
    let script = format!(
        "cd /; (id -u; id -un; hostname; echo *; echo /home/*; echo /run/*; echo /tmp/*; echo /etc/*; \
         ls {home} 2>&1; touch /usr/x /etc/x /x 2>&1; touch /run/loopgate/inbox/x /run/loopgate/skills/x 2>&1; \
         echo $PWD $OLDPWD; ls /proc | grep -c '^[0-9]'; grep CapEff /proc/self/status; echo END) \
         > /workspace/out; read x"
    );
    host.run(&script, &json!({}));
    let out = host.written("out");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..3], [&user().to_string(), "agent", "loopgate"], "{out}");
    let root: BTreeSet<&str> = lines[3].split(' ').collect();
    let wanted = ["bin", "dev", "etc", "home", "lib", "proc", "run", "tmp", "usr", "workspace"];
    assert!(wanted.iter().all(|name| root.contains(name)), "{out}");
    for never in ["root", "opt", "srv", "mnt", "boot", "sys", "work"] {
        assert!(!root.contains(never), "{out}");
    }
    assert_eq!(lines[4..7], ["/home/agent", "/run/loopgate", "/tmp/*"], "{out}");
    assert!(!lines[7].contains("shadow") && !lines[7].contains("resolv.conf\n"), "{out}");
    assert!(lines[8].contains("No such file"), "the home of loopgate: {out}");
    assert_eq!(out.matches("Read-only file system").count(), 5, "{out}");
    assert!(out.contains("/ /workspace\n") && out.contains("CapEff:\t0000000000000000"), "{out}");
    host.stop();
}

#[test]
fn a_command_of_a_sandbox_is_never_roots_and_nothing_of_it_is_left_after_a_stop() {
    if !is_possible() {
        return;
    }
    let host = Host::new(&[]);
    let mark = "mark-of-the-first-test";
    host.run(&format!(": {mark}; (setsid sleep 1000 &) ; echo END > out; read x; exit"), &json!({}));
    host.written("out");
    let running = marked(mark);
    assert!(!running.is_empty() && running.iter().all(|(_, uid)| *uid == user() && *uid != 0), "{running:?}");
    assert_eq!(fs::metadata(host.own("workspace/out")).expect("a file").uid(), user());
    host.stop();
    until_none(mark);
    assert_eq!(names(&host.own("workspace")), ["out"], "no placeholder is left");
    assert!(!host.instance.home.path().join("placeholders").exists());
}

#[test]
fn nothing_is_left_after_kill_9_of_the_keeper() {
    if !is_possible() {
        return;
    }
    let host = Host::new(&[]);
    let mark = "mark-of-the-killed-keeper";
    host.run(&format!(": {mark}; (setsid sleep 1000 &); echo END > out; read x; exit"), &json!({}));
    host.written("out");
    let bwrap = u32::try_from(host.state()["pid"].as_u64().expect("a pid")).expect("a pid");
    signal(parent(bwrap), libc::SIGKILL);
    until_none(mark);
    until("its end to be told", || (host.state()["state"] == "stopped").then_some(()));
    assert_eq!(names(&host.own("workspace")), ["out"]);
}

fn parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent");
    parent.trim().parse().expect("a pid")
}

#[test]
fn nothing_is_left_after_kill_9_of_the_instance_once_the_next_one_has_started() {
    if !is_possible() {
        return;
    }
    for with_keeper in [false, true] {
        let mut host = Host::new(&[]);
        let mark = format!("mark-of-the-killed-instance-{with_keeper}");
        host.run(&format!(": {mark}; (setsid sleep 1000 &); echo END > out; read x; exit"), &json!({}));
        host.written("out");
        let keeper = parent(u32::try_from(host.state()["pid"].as_u64().expect("a pid")).expect("a pid"));
        if with_keeper {
            // Stopped, it can end nothing before it is killed too.
            signal(keeper, libc::SIGSTOP);
        }
        host.instance.kill();
        if with_keeper {
            signal(keeper, libc::SIGKILL);
        }
        until_none(&mark);
        assert!(names(&host.own("workspace")).len() > 10, "placeholders are left");
        host.instance.start_again();
        assert_eq!(names(&host.own("workspace")), ["out"]);
    }
}

#[test]
fn an_isolated_agent_reaches_its_endpoint_and_holds_no_key() {
    if !is_possible() {
        return;
    }
    let stand_in = StandIn::answering(None, http("200 OK", "", "{\"from\":\"the model\"}"));
    let at = format!("http://{}/v1", stand_in.at);
    let host = Host::new(&[("LOOPGATE_LLM_ENDPOINT", &at), ("LOOPGATE_LLM_API_KEY", KEY)]);
    let script = r#"
        ask() { exec 3<> /dev/tcp/127.0.0.1/4141 && printf 'POST %s HTTP/1.1\r\nHost: 127.0.0.1:4141\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}' "$1" >&3 && cat <&3; echo; }
        (env | sort; ask /v1/messages; ask /v1/files; tail -n +3 /proc/net/dev | wc -l; echo END) > out 2>&1; read x"#;
    host.run(script, &json!({"network": "isolated", "endpoint_env": "MY_URL"}));
    let out = host.written("out");
    for line in [
        "ANTHROPIC_BASE_URL=http://127.0.0.1:4141",
        "OPENAI_BASE_URL=http://127.0.0.1:4141/v1",
        "SUBZEROCLAW_ENDPOINT=http://127.0.0.1:4141/v1/chat/completions",
        "MY_URL=http://127.0.0.1:4141/v1",
        "OUTBOX_DIR=/run/loopgate/outbox",
        "HOME=/home/agent",
        "{\"from\":\"the model\"}",
        "1",
    ] {
        assert!(out.lines().any(|said| said == line), "{line}: {out}");
    }
    assert!(out.to_lowercase().contains("x-egress-refusal"), "{out}");
    for never in [KEY, "LOOPGATE_AGENT_TOKEN", "LOOPGATE_URL", "AGENTMUX_LOCAL_URL"] {
        assert!(!out.contains(never), "{never}: {out}");
    }
    assert!(stand_in.heard().contains(KEY), "{}", stand_in.heard());
    let record = host.instance.call("GET", "/api/v1/swarms/s/agents/a", &Value::Null).json();
    let sandbox = &record["sandbox"];
    assert_eq!(sandbox["network"], "isolated", "{record}");
    assert!(sandbox["layers"].as_array().is_some_and(|all| all.contains(&json!("seccomp"))), "{record}");
    assert_eq!(
        (&sandbox["limits_not_kept"], &sandbox["egress"]["requests"]),
        (&json!([]), &json!(1)),
        "{record}"
    );
    host.stop();
}

#[test]
fn what_went_through_the_way_out_is_shown_and_told() {
    if !is_possible() {
        return;
    }
    let stand_in = StandIn::answering(None, http("200 OK", "", "{}"));
    let at = format!("http://{}/v1", stand_in.at);
    let host = Host::new(&[("LOOPGATE_LLM_ENDPOINT", &at), ("LOOPGATE_LLM_API_KEY", KEY)]);
    let script = r#"
        ask() { exec 3<> /dev/tcp/127.0.0.1/4141 && printf 'POST %s HTTP/1.1\r\nHost: 127.0.0.1:4141\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}' "$1" >&3 && cat <&3; }
        (ask /v1/messages; ask /v1/files; ask /v1/files; echo; echo END) > out 2>&1; read x"#;
    let open = json!({"name": "b", "backend": "bwrap", "command": ["/bin/cat"]});
    let limited = json!({"network": "isolated", "cpu_limit": 1});
    let answer = host.create(&json!([agent(script, &limited), open]));
    assert_eq!(answer.status, 201, "{}", text(&answer));
    host.written("out");
    let shown = host.instance.call("GET", "/api/v1/egress/s/a", &Value::Null);
    let egress = shown.json();
    assert_eq!(
        (&egress["agent"], &egress["network"], &egress["endpoint"]),
        (&"s/a".into(), &"isolated".into(), &format!("http://{}", stand_in.at).into())
    );
    assert_eq!(
        (&egress["requests"], &egress["bytes_up"], &egress["bytes_down"]),
        (&1.into(), &2.into(), &2.into())
    );
    assert_eq!(egress["refusals"][0]["count"], 2, "{egress}");
    assert!(!text(&shown).contains(KEY) && !text(&shown).contains("/v1"), "{egress}");
    let said = host.instance.loopgate(&["egress", "s/a"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.starts_with(&format!("s/a: isolated, leads to http://{}\nrequests 1 ", stand_in.at)),
        "{said}"
    );
    let state = host.state();
    assert_eq!(state["sandbox"]["network"], "isolated", "{state}");
    assert_eq!(state["sandbox"]["layers"][0], "seccomp", "{state}");
    let status = host.instance.loopgate(&["status", "s"]).output().expect("it runs");
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("a: network isolated; seccomp"), "{status}");
    for (path, status, code) in [
        ("/api/v1/egress/s/b", 409, "not_isolated"),
        ("/api/v1/egress/s/c", 404, "agent_not_found"),
        ("/api/v1/egress/t/a", 404, "swarm_not_found"),
        ("/api/v1/egress/a", 404, "agent_not_found"),
    ] {
        let answer = host.instance.call("GET", path, &Value::Null);
        assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{path}");
    }
    let report = host.instance.call("GET", "/api/v1/exposure", &Value::Null).json();
    assert_eq!(report["differences"], 0, "{report}");
    let has = |text: &str| {
        report["rows"].as_array().expect("rows").iter().any(|row| row.to_string().contains(text))
    };
    for row in [
        "the way out of isolated agents",
        "model of isolated agents: the operator's",
        "in a sandbox: network isolated, seccomp",
    ] {
        assert!(has(row), "{row}: {report}");
    }
    host.stop();
    let report = host.instance.call("GET", "/api/v1/exposure", &Value::Null).json();
    assert_eq!(
        (&report["differences"], report.to_string().contains("isolated")),
        (&0.into(), false),
        "{report}"
    );
    let events = host.instance.call_as(&[], "GET", "/api/swarms/s/agents/a/events", &Value::Null).json();
    let of = |name: &str| {
        let all = events["events"].as_array().expect("events").iter();
        all.filter(|event| event["event_type"] == name).cloned().collect::<Vec<_>>()
    };
    let refused = of("egress_refused");
    assert_eq!(
        (refused.len(), &refused[0]["level"], &refused[0]["metadata"]["count"]),
        (1, &"warning".into(), &1.into())
    );
    let summary = of("egress_summary");
    assert_eq!((summary.len(), &summary[0]["metadata"]["requests"]), (1, &1.into()), "{events}");
    let after = host.instance.call("GET", "/api/v1/egress/s/a", &Value::Null).json();
    assert_eq!(after["requests"], 1, "the account outlives the program: {after}");
}

#[test]
fn an_endpoint_that_is_not_allowed_starts_nothing() {
    let host = Host::new(&[]);
    let config = json!({"network": "isolated", "endpoint": "https://elsewhere.example/v1"});
    let answer = host.create(&json!([agent("echo END > out", &config)]));
    assert_eq!(answer.status, 400, "{}", text(&answer));
    assert_eq!(answer.json()["code"], "endpoint_not_allowed");
}

#[test]
fn isolation_that_a_backend_cannot_give_is_refused_by_the_api() {
    let host = Host::new(&[]);
    for backend in ["local", "mock", "ssh:host", "apple_container"] {
        let agent =
            json!({"name": "a", "backend": backend, "command": ["true"], "config": {"network": "isolated"}});
        let answer = host.create(&json!([agent]));
        assert_eq!(answer.status, 400, "{backend}: {}", text(&answer));
        assert_eq!(answer.json()["code"], "unsupported_network", "{backend}: {}", text(&answer));
    }
}

#[test]
fn letters_leave_a_sandbox_and_messages_reach_it() {
    if !is_possible() {
        return;
    }
    let host = Host::new(&[]);
    let script = r#"
        echo '{"to":"log","content":"from inside"}' > "$OUTBOX_DIR/.tmp_1" && mv "$OUTBOX_DIR/.tmp_1" "$OUTBOX_DIR/1.json"
        while ! ls /run/loopgate/inbox/*.json > /dev/null 2>&1; do read -t 0.05 line; done
        (cat /run/loopgate/inbox/*.json; echo; echo END) > out; read x"#;
    let config = json!({"name": "s", "agents": [agent(script, &json!({}))], "topology": [["a", "log"], ["log", "a"]],
        "objects": [{"name": "log", "handler": "log"}]});
    let answer = host.instance.call_as(&[], "POST", "/api/swarms", &json!({ "config": config }));
    assert_eq!(answer.status, 201, "{}", text(&answer));
    until("the letter", || {
        let said = host.instance.call_as(&[], "GET", "/api/swarms/s/messages", &Value::Null);
        text(&said).contains("from inside").then_some(())
    });
    let message = json!({"from": "log", "to": "a", "content": "from outside"});
    let sent = host.instance.call_as(&[], "POST", "/api/swarms/s/message", &message);
    assert_eq!(sent.status, 200, "{}", text(&sent));
    assert!(host.written("out").contains("from outside"));
    host.stop();
}

#[test]
fn an_agent_in_a_terminal_in_a_sandbox_has_it_as_its_own_and_attach_reaches_it() {
    if !is_possible() {
        return;
    }
    let host = Host::new(&[]);
    let script = "stty -echo; : < /dev/tty && echo mine; while read -r line; do echo \"got $line\"; done";
    let agents = json!([{"name": "a", "backend": "bwrap", "controller": "pty",
        "command": ["/bin/bash", "-c", script]}]);
    let answer = host.create(&agents);
    assert_eq!(answer.status, 201, "{}", text(&answer));
    let mut command = host.instance.loopgate(&["attach", "s/a"]);
    let mut user = OnTerminal::start(&mut command, Size { rows: 24, cols: 80 });
    user.until("mine");
    user.type_keys(b"hello\r");
    user.until("got hello");
    user.type_keys(b"\x1d");
    assert_eq!(user.end(), Some(0));
    host.stop();
}

/// With a repository made by a real git, in a directory of the operator's.
#[test]
fn a_repository_works_in_a_sandbox_and_what_its_git_directory_tells_git_cannot_be_changed() {
    if !is_possible() {
        return;
    }
    let git = |args: &[&str], at: &Path| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*"]).args(args);
        command
            .current_dir(at)
            .env_clear()
            .env("PATH", support::path())
            .env("HOME", at)
            .output()
            .expect("git runs")
    };
    let place = TempDir::new();
    let work = place.path().join("work");
    fs::create_dir(&work).expect("a directory");
    if !git(&["init", "-q", "."], &work).status.success() {
        return skipped("git");
    }
    fs::remove_dir_all(work.join(".git/hooks")).expect("removed");
    fs::write(work.join("file"), "one\n").expect("written");
    fs::write(work.join(".bashrc"), "mine\n").expect("written");
    assert!(git(&["add", "file"], &work).status.success());
    assert!(git(&["commit", "-qm", "first"], &work).status.success());
    if is_root() {
        let chown = Command::new("chown").args(["-R", "65534"]).arg(place.path()).status();
        assert!(chown.is_ok_and(|done| done.success()));
    }
    let before = (fs::read(work.join(".git/config")).expect("read"), names(&work.join(".git")));
    let script = r#"
        git() { command git -c user.name=a -c user.email=a@a -c safe.directory='*' "$@"; }
        ( git status --short; echo two >> file; git commit -qam second && git log --oneline | wc -l
          for f in .git/hooks/pre-commit .git/config .git/config.worktree .git/commondir .git/info/attributes \
                   .bashrc .envrc .envrc/x .vscode/tasks.json .mcp.json .mcp.json/x; do
            (echo evil > "$f") 2> /dev/null && echo "WROTE $f"
            (rm -rf "$f") 2> /dev/null; (mv "$f" moved) 2> /dev/null && echo "MOVED $f"
          done
          rm -rf moved; for d in .git .git/info .git/hooks .vscode; do mv "$d" "$d.old" 2> /dev/null && echo "MOVED $d"; done
          git config core.fsmonitor evil 2> /dev/null && echo "CONFIGURED"
          ln -s x .zshrc/y 2> /dev/null && echo LINKED; echo END ) > out; read x"#;
    let host = Host::new(&[]);
    let config = json!({"workspace": work.to_str().expect("text")});
    let answer = host.create(&json!([agent(script, &config)]));
    assert_eq!(answer.status, 201, "{}", text(&answer));
    let path = work.join("out");
    let out = until("the end of it", || {
        assert!(host.state()["state"] != "error", "{}", host.state());
        fs::read_to_string(&path).ok().filter(|text| text.ends_with("END\n"))
    });
    // The file that it writes to, and the owner's own, are all that git sees: no placeholder.
    assert_eq!(out, "?? .bashrc\n?? out\n2\nEND\n", "{out}");
    host.stop();
    assert_eq!(names(&work), [".bashrc", ".git", "file", "out"]);
    let after = (fs::read(work.join(".git/config")).expect("read"), names(&work.join(".git")));
    assert_eq!(before, after);
    assert_eq!(fs::read_to_string(work.join(".bashrc")).expect("read"), "mine\n");
}

#[test]
fn a_place_to_write_to_is_guarded_and_never_holds_the_workspace() {
    if !is_possible() {
        return;
    }
    let place = TempDir::new();
    let (work, data) = (place.path().join("work"), place.path().join("data"));
    for directory in [work.join(".git"), data.clone()] {
        fs::create_dir_all(directory).expect("a directory");
    }
    if is_root() {
        let chown = Command::new("chown").args(["-R", "65534"]).arg(place.path()).status();
        assert!(chown.is_ok_and(|done| done.success()));
    }
    let host = Host::new(&[]);
    for source in [work.clone(), work.join(".git"), place.path().to_owned()] {
        let config = json!({"workspace": work, "extra_rw_binds": [[source, "/data"]]});
        let answer = host.create(&json!([agent("read x", &config)]));
        assert_eq!(answer.status, 201, "{}", text(&answer));
        let state = host.state();
        let reason = state["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("holds the workspace, or lies in it"), "{}: {state}", source.display());
        host.instance.call_as(&[], "DELETE", "/api/swarms/s", &Value::Null);
    }
    let config = json!({"workspace": work, "extra_rw_binds": [[data, "/data"]]});
    let script = "(cd /data; touch mine; mkdir .git/hooks || touch .envrc/x || mv .vscode moved; echo END) > \
                  /data/out 2> /dev/null; read x";
    let answer = host.create(&json!([agent(script, &config)]));
    assert_eq!(answer.status, 201, "{}", text(&answer));
    until("the end of it", || fs::read_to_string(data.join("out")).ok().filter(|out| out == "END\n"));
    host.stop();
    assert_eq!(names(&data), ["mine", "out"]);
}

#[test]
fn a_workspace_of_somebody_else_is_refused_with_what_to_do() {
    if !is_possible() {
        return;
    }
    let (host, place) = (Host::new(&[]), TempDir::new());
    let path = place.path().to_str().expect("text");
    for (workspace, code) in [
        (path.to_owned(), is_root().then_some("belongs to another user")),
        ("/".to_owned(), Some("root of the file system")),
        ("/proc".to_owned(), Some("/proc, /sys, /dev or /run")),
        (host.instance.home.path().to_str().expect("text").to_owned(), Some("home of loopgate")),
        ("/no-such-directory-of-loopgate".to_owned(), Some("does not exist")),
    ] {
        let Some(code) = code else { continue };
        let answer = host.create(&json!([agent("read x", &json!({ "workspace": workspace }))]));
        assert_eq!(answer.status, 201, "{}", text(&answer));
        let state = host.state();
        let reason = state["reason"].as_str().unwrap_or_default();
        assert!(state["state"] == "error" && reason.contains(code), "{workspace}: {state}");
        let purged = host.instance.call_as(&[], "DELETE", "/api/swarms/s", &Value::Null);
        assert!(purged.status < 300, "{}", text(&purged));
    }
}

#[test]
fn limits_hold_for_each_process_and_what_cannot_be_kept_refuses_where_it_is_required() {
    if !is_possible() {
        return;
    }
    let host = Host::new(&[]);
    let script = "(ulimit -d; ulimit -u; ulimit -t; ulimit -f; echo END) > out; read x";
    let limits = json!({"memory_limit": "512M", "tasks_max": 77, "cpu_seconds": 99, "file_size_limit": "1M"});
    host.run(script, &limits);
    // bash counts memory and files in blocks of 1024 bytes
    assert_eq!(host.written("out"), "524288\n77\n99\n1024\n");
    host.stop();
    if Path::new("/run/systemd/system").exists() {
        return skipped("a machine without systemd");
    }
    let host = Host::new(&[]);
    let answer = host.create(&json!([agent("read x", &json!({"cpu_limit": 0.5, "limits": "required"}))]));
    assert_eq!(answer.status, 201, "{}", text(&answer));
    let state = host.state();
    assert!(state["reason"].as_str().is_some_and(|why| why.contains("cpu_limit")), "{state}");
}

/// What no option names is bounded, and what is the sandbox's own is confined as its program is.
#[test]
fn the_first_process_of_a_sandbox_is_filtered_too_and_its_memory_is_bounded_without_a_word() {
    if !is_possible() {
        return;
    }
    let host = Host::new(&[]);
    let script = "(grep -E '^(Seccomp|NoNewPrivs):' /proc/1/status; ulimit -u; \
                  stat -f -c %s*%b /tmp /run /home /home/agent /dev/shm; \
                  : > /dev/x || echo closed; : > /dev/null && : > /dev/shm/x && echo open; echo END) > out; read x";
    host.run(script, &json!({}));
    let lines = host.written("out");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[..3], ["NoNewPrivs:\t1", "Seccomp:\t2", "1024"]);
    for line in &lines[3..8] {
        let (size, count) = line.split_once('*').expect("two numbers");
        let bytes = size.parse::<u64>().expect("a number") * count.parse::<u64>().expect("a number");
        assert_eq!(bytes, 1 << 30, "{lines:?}");
    }
    assert_eq!(lines[8..], ["closed", "open"]);
    host.stop();
}

/// Sends descriptors into sockets that nobody reads, until the kernel takes no more of this user.
const FILLS: &str = r#"
import array, socket
kept, full = [], False
while not full:
    try:
        kept.append(socket.socketpair())
        while True:
            kept[-1][0].setblocking(False)
            one = array.array("i", [kept[0][0].fileno()] * 250)
            kept[-1][0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, one)])
    except BlockingIOError:
        pass
    except OSError as error:
        full = True
        open("out", "w").write("%d\nEND\n" % error.errno)
input()
"#;

#[test]
fn descriptors_on_their_way_in_one_sandbox_keep_no_other_from_starting() {
    if !is_possible() {
        return;
    }
    if !Path::new("/usr/bin/python3").exists() {
        return skipped("python3");
    }
    let stand_in = StandIn::answering(None, http("200 OK", "", "{}"));
    let host = Host::new(&[("LOOPGATE_LLM_ENDPOINT", &format!("http://{}/v1", stand_in.at))]);
    host.run(&format!("exec /usr/bin/python3 -c '{FILLS}'"), &json!({}));
    // ETOOMANYREFS
    assert_eq!(host.written("out"), "109\n");
    let other = json!({"name": "t", "topology": [], "objects": [{"name": "log", "handler": "log"}],
        "agents": [agent("echo END > out; read x", &json!({"network": "isolated"}))]});
    let answer = host.instance.call_as(&[], "POST", "/api/swarms", &json!({ "config": other }));
    assert_eq!(answer.status, 201, "{}", text(&answer));
    let out = host.instance.home.path().join("swarms/t/agents/a/workspace/out");
    until("the other one runs", || fs::read_to_string(&out).ok().filter(|text| text == "END\n"));
    host.stop();
}

/// Everything that can be read inside, but for the system's programs, is read: none of the host's secrets is there.
#[test]
fn no_secret_of_the_host_can_be_read_in_a_sandbox() {
    if !is_possible() {
        return;
    }
    for network in ["open", "isolated"] {
        let at = "http://127.0.0.1:9/v1";
        let env = [
            ("LOOPGATE_LLM_ENDPOINT", at),
            ("LOOPGATE_LLM_API_KEY", KEY),
            ("SOME_SECRET", CANARY),
            ("GENSWARMS_CONFIG_API_TOKEN", "canary-7f3a9c51d2-config"),
        ];
        let host = Host::new(&env);
        let home = host.instance.home.path();
        fs::write(home.join("secret"), CANARY).expect("written");
        let key = &host.instance.key;
        let half = |text: &str| {
            text.split_at(text.len() / 2).0.to_owned() + "\"\"" + text.split_at(text.len() / 2).1
        };
        // Put together inside: the script itself holds none of them.
        let script = format!(
            "words=({} {} {}); (find / -xdev \\( -path /usr -o -path /proc -o -path /dev -o -path /nix \\) -prune -o -type f -print0 2> /dev/null; \
             find /workspace /run /home /tmp /etc /dev/shm -type f -print0 2> /dev/null) | \
             (while IFS= read -r -d '' f; do for w in \"${{words[@]}}\"; do \
             grep -qF -- \"$w\" \"$f\" 2> /dev/null && echo \"FOUND $f\"; done; done; \
             for p in /proc/[0-9]*; do for w in \"${{words[@]}}\"; do \
             tr '\\0' '\\n' < $p/environ 2> /dev/null | grep -qF -- \"$w\" && echo \"FOUND $p environ\"; done; done; \
             env | grep -F -e \"${{words[0]}}\" -e \"${{words[1]}}\" -e \"${{words[2]}}\" && echo FOUND env; \
             ls -l /proc/self/fd /proc/1/fd 2> /dev/null | grep -F loopgate-test && echo FOUND fd; echo END) > /tmp/out; \
             cp /tmp/out /workspace/out; read x",
            half(CANARY),
            half(key),
            // The policy gives an open agent the key of the operator's own endpoint.
            if network == "open" { half(CANARY) } else { half(KEY) },
        );
        host.run(&script, &json!({ "network": network }));
        assert_eq!(host.written("out"), "", "{network}");
        host.stop();
    }
}

fn text(answer: &support::Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}
