//! The command line against a real instance: starting and joining agents, the demo, and that no
//! secret is ever on a command line.

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use loopgate::sys::{
    poll, proc,
    tty::{self, Size},
};
use serde_json::{Value, json};
use support::{Instance, TempDir, binary, path, signal, until};
use terminal::OnTerminal;

fn ran(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What the agent's terminal has shown so far.
fn shown(instance: &Instance, agent: &str) -> String {
    let answer = instance.call("GET", &format!("/api/v1/agents/{agent}/output"), &Value::Null);
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[test]
fn the_verbs_do_what_they_say_from_start_to_stop() {
    let instance = Instance::start();
    let (code, out, err) = ran(instance
        .loopgate(&[
            "run", "--name", "cat", "--env", "PASSED", "--submit", "once", "--rows", "30", "--cols", "100",
            "--",
        ])
        .args(["sh", "-c", "echo got $PASSED $KEPT; exec cat"])
        .env("PASSED", "passed-on")
        .env("KEPT", "kept-back")
        .current_dir("/"));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("started cat, pid ") && err.contains("loopgate attach cat"), "{out}{err}");
    until("the agent's first line", || shown(&instance, "cat").contains("got passed-on\r\n").then_some(()));

    let (code, out, _) = ran(&mut instance.loopgate(&["agents"]));
    assert_eq!(code, Some(0));
    let row = out.lines().find(|line| line.starts_with("cat ")).expect("a row");
    assert!(row.contains("100x30") && row.contains("sh -c"), "{row}");

    let (code, out, _) = ran(&mut instance.loopgate(&["inject", "cat", "typed text"]));
    assert_eq!((code, out.as_str()), (Some(0), "delivered to cat\n"));
    until("the echo", || (shown(&instance, "cat").matches("typed text").count() >= 2).then_some(()));
    let (code, out, _) = ran(&mut instance.loopgate(&["send", "cat", "--id", "m-1", "a message", "--json"]));
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    let expected =
        json!({ "id": "m-1", "to": "cat", "outcome": "waiting", "state": "accepted", "known": true });
    assert_eq!((code, answer), (Some(0), expected));

    for (verb, has) in [("status", "messages_waiting            1"), ("whoami", "owner of instance ")] {
        let (code, out, _) = ran(&mut instance.loopgate(&[verb]));
        assert!(code == Some(0) && out.contains(has), "{verb} {out}");
        let (code, out, _) = ran(&mut instance.loopgate(&[verb, "--json"]));
        assert!(code == Some(0) && serde_json::from_str::<Value>(&out).is_ok(), "{verb}");
    }
    let (code, out, err) = ran(&mut instance.loopgate(&["exposure"]));
    assert_eq!(code, Some(0), "{out}{err}");

    let (code, _, err) = ran(&mut instance.loopgate(&["run", "--name", "cat", "true"]));
    assert!(code == Some(1) && err.contains("agent_exists"), "{err}");
    let (code, _, err) = ran(&mut instance.loopgate(&["run", "--name", "x", "/no/such/program"]));
    assert!(code == Some(65) && err.contains("command_not_found"), "{err}");

    assert_eq!(ran(&mut instance.loopgate(&["stop-agent", "cat"])).1, "stopped cat\n");
    assert_eq!(ran(&mut instance.loopgate(&["stop-agent", "cat"])).0, Some(1));
    assert_eq!(ran(&mut instance.loopgate(&["inject", "cat", "text"])).0, Some(1));
}

#[test]
fn an_agent_reaches_the_others_with_its_own_token_and_nothing_more() {
    let instance = Instance::start();
    let sink = ["run", "--name", "sink", "--accept-typed-from", "source", "--submit", "once", "--", "cat"];
    assert_eq!(ran(&mut instance.loopgate(&sink)).0, Some(0));
    let script = "loopgate whoami; loopgate agents; loopgate send sink 'from the source'; \
                  loopgate status; echo code $?; loopgate api GET /api/v1/status; echo code $?; \
                  LOOPGATE_AGENT_TOKEN=lga_wrong loopgate whoami; echo code $?; echo end; exec cat";
    let source = ["run", "--name", "source", "--", "sh", "-c", script];
    assert_eq!(ran(&mut instance.loopgate(&source)).0, Some(0));
    let text = until("the script's end", || {
        let text = shown(&instance, "source");
        text.contains("\nend\r\n").then_some(text)
    });
    assert!(text.contains("agent source of instance "), "{text}");
    assert!(text.contains("sink") && text.contains("for sink, id "), "{text}");
    assert_eq!(text.matches("code 77").count(), 3, "{text}");
    until("the message", || shown(&instance, "sink").contains("@source: from the source").then_some(()));
}

#[test]
fn a_message_waits_for_an_agent_that_starts_later_and_is_read_and_acknowledged() {
    let mut instance = Instance::start();
    let sent =
        ran(&mut instance.loopgate(&["send", "--id", "m-1", "--priority", "high", "later", "hello you"]));
    assert_eq!(
        (sent.0, sent.1.as_str()),
        (Some(0), "waiting for later (no agent of that name yet), id m-1\n")
    );
    instance.kill();
    instance.start_again();
    let out = |args: &[&str]| {
        let (code, out, err) = ran(&mut instance.loopgate(args));
        assert_eq!(code, Some(0), "{args:?} {out}{err}");
        out
    };
    assert!(out(&["mailboxes"]).contains("later  1\n"), "{}", out(&["mailboxes"]));
    let look = out(&["inbox", "later"]);
    assert!(look.contains("from owner to later  id m-1  accepted  high\n  hello you\n"), "{look}");
    assert!(out(&["message", "m-1"]).contains("  accepted\n"), "{}", out(&["message", "m-1"]));
    out(&["run", "--name", "silent", "--", "cat"]);
    let script = "loopgate inbox; loopgate ack --through 1; loopgate inbox; \
                  loopgate ask silent ok? --timeout 1; echo code $?; loopgate inbox other; echo code $?; \
                  loopgate dead; echo code $?; echo end; exec cat";
    assert_eq!(ran(&mut instance.loopgate(&["run", "--name", "later", "--", "sh", "-c", script])).0, Some(0));
    let text = until("the script's end", || {
        let text = shown(&instance, "later");
        text.contains("\nend\r\n").then_some(text)
    });
    assert!(text.contains("hello you") && text.contains("acknowledged 1"), "{text}");
    assert!(text.contains("no message waits") && text.contains("code 75"), "{text}");
    assert!(text.contains("code 2") && text.contains("code 77"), "{text}");
    let history = out(&["message", "m-1"]);
    assert!(history.contains("  read\n") || history.contains("  read\n  "), "{history}");
    let audit = out(&["audit", "--json", "--limit", "50"]);
    let kinds: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(kinds.iter().any(|entry| entry["kind"] == "agent" && entry["agent"] == "later"), "{audit}");
    assert!(
        kinds.iter().any(|entry| entry["happened"] == "asked" && entry["caller"] == "agent later"),
        "{audit}"
    );
    assert!(!audit.contains("hello you"));
    assert_eq!(ran(&mut instance.loopgate(&["audit", "verify"])).0, Some(0));
}

#[test]
fn attach_passes_keys_and_sizes_shows_only_safe_output_and_gives_the_terminal_back() {
    let instance = Instance::start();
    let script = r"printf '\033]0;title\007\033]52;c;QUJD\007\033[?1049h\033[?1003h\033[6n\033[1mbold\033[0m\n'
                   while read -r line; do echo read:$line; stty size; done";
    let run = ["run", "--name", "a", "--", "sh", "-c", script];
    assert_eq!(ran(&mut instance.loopgate(&run)).0, Some(0));
    until("its first line", || shown(&instance, "a").contains("bold").then_some(()));

    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), Size { rows: 33, cols: 99 });
    user.until("attached to a; Ctrl-] leaves");
    let text = user.until("\x1b[?1049h\x1b[1mbold\x1b[0m\r\n");
    for hidden in ["title", "QUJD", "1003", "\x1b[6n"] {
        assert!(!text.contains(hidden), "{text:?}");
    }
    user.type_keys(b"hello\r");
    user.until("read:hello");
    user.until("33 99");
    assert!(!user.echoes(), "raw mode");
    tty::set_size(std::os::fd::AsFd::as_fd(&user.slave), Size { rows: 40, cols: 120 }).expect("a size");
    signal(user.child.id(), libc::SIGWINCH);
    until("the new size", || {
        user.type_keys(b"size\r");
        user.text().contains("40 120").then_some(())
    });
    user.type_keys(b"\x1d");
    assert_eq!(user.end(), Some(0));
    let text = user.text();
    let (_, after) = text.rsplit_once("\x1b[?1049l").expect("the alternate screen is left");
    assert!(after.contains("left a; it goes on"), "{after:?}");
    assert!(user.echoes(), "the terminal's mode is given back");
    let (_, list, _) = ran(&mut instance.loopgate(&["agents"]));
    assert!(list.contains("a ") && !list.contains("done"), "{list}");
}

#[test]
fn attach_ends_with_the_agent_and_needs_a_terminal() {
    let instance = Instance::start();
    assert_eq!(
        ran(&mut instance.loopgate(&["run", "--name", "a", "--", "sh", "-c", "read x; exit 7"])).0,
        Some(0)
    );
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), Size { rows: 24, cols: 80 });
    user.until("attached to a");
    user.type_keys(b"\r");
    user.until("a has ended: done (exit 7)");
    assert_eq!(user.end(), Some(0));
    assert!(user.echoes());

    assert_eq!(ran(&mut instance.loopgate(&["run", "--name", "b", "--", "cat"])).0, Some(0));
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "b"]), Size { rows: 24, cols: 80 });
    user.until("attached to b");
    until("raw mode", || (!user.echoes()).then_some(()));
    assert_eq!(ran(&mut instance.loopgate(&["stop-agent", "b"])).0, Some(0));
    // "it was stopped", or its last state where attach asked before the agent was forgotten.
    user.until("b has ended: ");
    assert_eq!(user.end(), Some(0));

    let (code, _, err) = ran(&mut instance.loopgate(&["attach", "a"]));
    assert!(code == Some(2) && err.contains("needs a terminal"), "{err}");
    let mut user =
        OnTerminal::start(&mut instance.loopgate(&["attach", "nobody"]), Size { rows: 24, cols: 80 });
    user.until("agent not found");
    assert_eq!(user.end(), Some(1));
}

#[test]
fn a_signal_and_an_instance_that_ends_give_the_terminal_back_too() {
    let mut instance = Instance::start();
    assert_eq!(ran(&mut instance.loopgate(&["run", "--name", "a", "--", "cat"])).0, Some(0));
    let size = Size { rows: 24, cols: 80 };
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), size);
    user.until("attached to a");
    until("raw mode", || (!user.echoes()).then_some(()));
    signal(user.child.id(), libc::SIGTERM);
    assert_eq!(user.end(), Some(0));
    assert!(user.echoes());

    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), size);
    user.until("attached to a");
    until("raw mode", || (!user.echoes()).then_some(()));
    assert!(instance.terminate().success());
    assert!(user.end().is_some());
    assert!(user.echoes());

    let mut instance = Instance::start();
    assert_eq!(ran(&mut instance.loopgate(&["run", "--name", "a", "--", "cat"])).0, Some(0));
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), size);
    user.until("attached to a");
    until("raw mode", || (!user.echoes()).then_some(()));
    instance.child.kill().expect("kill -9");
    instance.child.wait().expect("reaped");
    user.until("the instance has ended");
    assert_eq!(user.end(), Some(69));
    assert!(user.echoes());
}

/// The agent chooses when attach ends, and so what of the typing would be left for a shell.
#[test]
fn what_was_typed_for_the_agent_is_not_left_for_a_shell() {
    let instance = Instance::start();
    assert_eq!(ran(&mut instance.loopgate(&["run", "--name", "a", "--", "cat"])).0, Some(0));
    let size = Size { rows: 24, cols: 80 };
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), size);
    user.until("attached to a");
    until("raw mode", || (!user.echoes()).then_some(()));
    // stopped, it finds the keys and its end at the same moment
    signal(user.child.id(), libc::SIGSTOP);
    user.type_keys(b"rm -rf .\r");
    signal(user.child.id(), libc::SIGTERM);
    signal(user.child.id(), libc::SIGCONT);
    assert_eq!(user.end(), Some(0));
    let slave = std::os::fd::AsFd::as_fd(&user.slave);
    let mut left = [poll::Entry::new(slave, true, false)];
    assert_eq!(poll::poll(&mut left, Some(std::time::Duration::ZERO)).ok(), Some(0));
}

#[test]
fn attach_can_be_ended_while_its_terminal_takes_nothing() {
    let instance = Instance::start();
    assert_eq!(ran(&mut instance.loopgate(&["run", "--name", "a", "--", "yes"])).0, Some(0));
    let size = Size { rows: 24, cols: 80 };
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), size);
    // nobody reads the other end any more: the kernel has room for some kilobytes
    user.until("y\r\ny\r\n");
    // full for good, and not only while a write is under way
    let slave = user.slave.try_clone().expect("a descriptor");
    let mut looks = 0;
    until("the full terminal", || {
        let mut room = [poll::Entry::new(std::os::fd::AsFd::as_fd(&slave), false, true)];
        let full = poll::poll(&mut room, Some(std::time::Duration::ZERO)).ok() == Some(0);
        looks = if full { looks + 1 } else { 0 };
        (looks > 100).then_some(())
    });
    signal(user.child.id(), libc::SIGTERM);
    until("its end", || user.child.try_wait().expect("a child"));
    assert!(user.echoes());
}

/// Every process below this one, with its command line.
fn command_lines() -> Vec<String> {
    let parents = proc::parents().expect("/proc");
    proc::descendants(std::process::id(), &parents)
        .into_iter()
        .filter_map(|pid| fs::read(format!("/proc/{pid}/cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .collect()
}

/// Any user of the machine can read command lines.
#[test]
fn no_secret_is_ever_on_a_command_line() {
    const BROUGHT: &str = "brought-along-0123456789abcdef";
    const PASSED: &str = "passed-by-name-0123456789abcdef";
    let (home, cwd) = (TempDir::new(), TempDir::new());
    fs::write(cwd.path().join("key"), BROUGHT).expect("written");
    let mut serve = Command::new("sh");
    serve.args(["-c", "exec \"$0\" serve --key-fd 3 3<key"]).arg(binary()).current_dir(cwd.path());
    serve.env_clear().env("PATH", path()).env("LOOPGATE_HOME", home.path()).env("HOME", home.path());
    let instance = Instance::from_command(home, serve.env("GENSWARMS_API_TOKEN", "api-0123456789"));
    assert_eq!(instance.key, BROUGHT);
    let mut run = instance.loopgate(&["run", "--name", "a", "--env", "PASSED", "--"]);
    run.args([
        "sh",
        "-c",
        "echo token $LOOPGATE_AGENT_TOKEN passed $PASSED > token; loopgate whoami; exec cat",
    ]);
    assert_eq!(ran(run.env("PASSED", PASSED).current_dir(cwd.path())).0, Some(0));
    let text = until("the agent's notes", || {
        let text = fs::read_to_string(cwd.path().join("token")).ok()?;
        text.ends_with('\n').then_some(text)
    });
    let token = text.split_whitespace().nth(1).expect("a token").to_owned();
    assert!(token.starts_with("lga_") && text.contains(PASSED), "{text}");
    let user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), Size { rows: 24, cols: 80 });
    until("all of them run", || {
        let lines = command_lines();
        let has = |word: &str| lines.iter().any(|line| line.contains(word));
        (has(" serve") && has(" keeper") && has(" attach a")).then_some(())
    });
    for line in command_lines() {
        for secret in [BROUGHT, PASSED, "api-0123456789", &token] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    drop(user);
}

#[test]
fn wavedata_and_instance_without_a_command_are_serve() {
    let home = TempDir::new();
    let mut command = Command::new(binary());
    command.arg("--wavedata").arg(home.path()).args(["--instance", "v9"]);
    command.env_clear().env("PATH", path()).env("LOOPGATE_HOME", "/nonexistent").env("HOME", "/nonexistent");
    let instance = Instance::from_command(home, &mut command);
    assert!(instance.ready_line.ends_with(" instance:v9"), "{}", instance.ready_line);
    assert!(instance.home.path().join("authkey").exists());
}

fn demo(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("demo")
        .args(args)
        .env_clear()
        .env("PATH", path())
        .env("TMPDIR", directory)
        .stdin(Stdio::null());
    command
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a directory").next().is_none()
}

/// The processes whose command line names the directory.
fn of_demo(directory: &Path) -> BTreeSet<u32> {
    let name = directory.to_string_lossy().into_owned();
    let in_it = |pid: &u32| {
        let file = |which: &str| fs::read(format!("/proc/{pid}/{which}")).unwrap_or_default();
        String::from_utf8_lossy(&file("cmdline")).contains(&name)
    };
    proc::pids().expect("/proc").into_iter().filter(in_it).collect()
}

#[test]
fn the_demo_shows_what_it_says_within_15_seconds_and_leaves_nothing() {
    let directory = TempDir::new();
    let began = Instant::now();
    let (code, out, err) = ran(&mut demo(directory.path(), &[]));
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(began.elapsed().as_secs() < 15);
    for said in [
        "LOOPGATE-ESTART ws:127.0.0.1:",
        "| first: I was told: the tests are green",
        "| @first: please note: the tests are green",
        "| second: message 1 reads: @first: please note: the tests are green",
        "no difference between declared and observed",
        "ended the instance (exit code 0)",
        " are gone.",
    ] {
        assert!(out.contains(said), "{said}\n{out}");
    }
    assert!(is_empty(directory.path()) && of_demo(directory.path()).is_empty());
}

#[test]
fn an_interrupted_demo_leaves_nothing_either() {
    let directory = TempDir::new();
    let mut child =
        demo(directory.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let started = lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("1. Started"));
    assert!(started && !is_empty(directory.path()));
    signal(child.id(), libc::SIGINT);
    let rest = lines.map_while(Result::ok).count();
    let status = child.wait().expect("it ends");
    // the signal may come too late to interrupt anything; then it simply was a whole demo
    assert!(matches!(status.code(), Some(0 | 1)), "{status} after {rest} more lines");
    assert!(is_empty(directory.path()) && of_demo(directory.path()).is_empty());
}

#[test]
fn a_demo_whose_reader_is_gone_leaves_nothing() {
    let directory = TempDir::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = demo(directory.path(), &[]).stdout(writer).stderr(Stdio::null()).status().expect("it runs");
    assert_eq!(status.code(), Some(0));
    assert!(is_empty(directory.path()) && of_demo(directory.path()).is_empty());
}

#[test]
fn a_killed_demo_takes_its_instance_along() {
    let directory = TempDir::new();
    let mut child =
        demo(directory.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("3. Started")));
    child.kill().expect("killed");
    child.wait().expect("it ends");
    until("its processes are gone", || of_demo(directory.path()).is_empty().then_some(()));
}

#[test]
fn demo_keep_leaves_it_running_and_says_how_to_stop_it() {
    let directory = TempDir::new();
    let (code, out, err) = ran(&mut demo(directory.path(), &["--keep"]));
    assert_eq!(code, Some(0), "{out}\n{err}");
    let line =
        out.lines().find(|line| line.trim_start().starts_with("kill ")).expect("how to stop it").trim();
    let home =
        out.lines().find_map(|line| line.trim().strip_prefix("export LOOPGATE_HOME=")).expect("the home");
    let mut agents = Command::new(binary());
    agents.arg("agents").env_clear().env("LOOPGATE_HOME", home);
    let (code, list, _) = ran(&mut agents);
    assert!(code == Some(0) && list.contains("first") && list.contains("second"), "{list}");
    assert!(Command::new("sh").args(["-c", line]).status().expect("it runs").success());
    until("all of it is gone", || {
        (of_demo(directory.path()).is_empty() && is_empty(directory.path())).then_some(())
    });
}
