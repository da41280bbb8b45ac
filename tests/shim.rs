//! `loopgate agent-shim` around real programs: what they are told, what is heard of them, and who waits for
//! whom.

#[allow(unsafe_code)]
mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use loopgate::agent::protocol::{message, task};
use serde_json::{Value, json};
use support::{PATIENCE, binary, until};

const DONE: &str = "<<TURN_COMPLETE>>";

/// A shim and its program.
struct Shim {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Shim {
    fn start(flags: &[&str], script: &str) -> Self {
        let mut child =
            command(flags, script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shim");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Self { child, stdin, lines }
    }

    fn say(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin.write_all(&[line, b"\n"].concat()).expect("the shim reads");
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// The next line as an object.
    #[track_caller]
    fn object(&self) -> Value {
        let line = self.next();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?} is no object"))
    }

    #[track_caller]
    fn exit(&mut self) -> i32 {
        until("its exit", || self.child.try_wait().expect("ours")).code().expect("a code")
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(flags: &[&str], script: &str) -> Command {
    let mut command = Command::new(binary());
    command.arg("agent-shim").args(flags).args(["--", "/bin/sh", "-c", script]);
    command
}

fn output(content: &str) -> Value {
    json!({ "type": "output", "content": content })
}

#[test]
fn a_program_that_reads_and_prints_lines_has_turns() {
    let script =
        "while IFS= read -r line; do printf '%s\\n' \"got $line\"; echo log >&2; done; echo bye; exit 3";
    let mut shim = Shim::start(&["--quiet-ms", "50"], script);
    for (line, heard) in [
        (task("hello\nworld"), "got [From orchestrator] hello\\nworld"),
        (message("b", "you"), "got [From b] you"),
    ] {
        shim.say(&line);
        let mut said = vec![shim.object(), shim.object()];
        said.sort_by_key(|object| object["type"] == "output");
        assert_eq!(said, [json!({ "type": "log", "content": "log" }), output(heard)]);
        assert_eq!(shim.next(), DONE);
    }
    shim.stdin = None;
    assert_eq!(shim.object(), output("bye"));
    assert_eq!(shim.object(), json!({ "type": "exit", "status": 3 }));
    assert_eq!(shim.exit(), 3);
}

#[test]
fn lines_that_address_a_node_are_sent_unless_that_is_switched_off() {
    for (flags, sent) in [(&["--turn", "line"][..], true), (&["--turn", "line", "--no-name-routing"], false)]
    {
        let mut shim = Shim::start(flags, "read x; echo '@b: hi'; echo '@all: you'; sleep 900");
        shim.say(b"go");
        if sent {
            assert_eq!(shim.object(), json!({ "type": "send", "to": "b", "content": "hi" }));
        }
        assert_eq!(shim.object(), output("@b: hi"));
        assert_eq!(shim.next(), DONE);
        if sent {
            assert_eq!(shim.object(), json!({ "type": "broadcast", "content": "you" }));
        }
        assert_eq!(shim.object(), output("@all: you"));
    }
}

#[test]
fn the_programs_own_marker_ends_the_turn_and_nul_ends_a_message() {
    let script = "head -c 24 | od -An -c | tr -d ' \\n'; echo; echo '<<TURN_COMPLETE>>'; sleep 900";
    let mut shim = Shim::start(&["--nul", "--turn", "marker"], script);
    shim.say(&message("b", "one\ntwo"));
    shim.say(br#"{"type":"system","command":"cl"}"#);
    // 15 bytes of the message, its NUL, the command and its own; the rest is the end of the file.
    shim.stdin = None;
    assert_eq!(shim.object(), output("[Fromb]one\\ntwo\\0/cl\\0"));
    assert_eq!(shim.next(), DONE);
}

#[test]
fn a_program_that_never_reads_holds_nobody_up() {
    let mut shim = Shim::start(&[], "echo up; while :; do echo alive; sleep 0.05; done");
    assert_eq!(shim.object(), output("up"));
    let mut stdin = shim.stdin.take().expect("open");
    // More than both pipes and what waits between them: somebody has to wait, and it is not the output.
    let writer = std::thread::spawn(move || {
        let line = [&task(&"x".repeat(100_000))[..], b"\n"].concat();
        (0..100).all(|_| stdin.write_all(&line).is_ok())
    });
    for _ in 0..5 {
        assert_eq!(shim.object(), output("alive"));
    }
    shim.child.kill().expect("it runs");
    assert!(!writer.join().expect("no panic"), "the shim takes no more than a bounded amount");
}

#[test]
fn a_flood_that_nobody_reads_waits_in_the_pipes_and_messages_go_on() {
    let script = "yes a long line of output & while read -r line; do echo \"$line\" >> heard; done";
    let home = support::TempDir::new();
    let mut child = command(&[], script)
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shim");
    let mut stdin = child.stdin.take().expect("open");
    for at in 0..20 {
        stdin.write_all(&[&message("b", &at.to_string())[..], b"\n"].concat()).expect("it reads");
        let wanted = format!("[From b] {at}\n");
        let heard = || std::fs::read_to_string(home.path().join("heard")).ok();
        until("what was said", || heard()?.ends_with(&wanted).then_some(()));
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let memory =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok());
    assert!(memory.is_some_and(|kib: u64| kib < 64 * 1024), "{status}");
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).map(str::trim);
    assert_eq!(threads, Some("1"));
    // The reader goes: nobody hears the program any more.
    drop(child.stdout.take());
    until("its end", || child.try_wait().expect("ours"));
}

#[test]
fn a_child_that_holds_the_pipes_does_not_hold_the_end() {
    let begin = Instant::now();
    let mut shim = Shim::start(&["--quiet-ms", "50"], "read x; echo answer; sleep 900 & echo $!; exit 7");
    shim.say(b"go");
    assert_eq!(shim.object(), output("answer"));
    let pid = shim.object()["content"].as_str().and_then(|pid| pid.parse().ok()).expect("a pid");
    assert_eq!(shim.next(), DONE);
    assert_eq!(shim.object(), json!({ "type": "exit", "status": 7 }));
    assert_eq!(shim.exit(), 7);
    support::signal(pid, libc::SIGKILL);
    assert!(begin.elapsed() < Duration::from_secs(60), "not until the child has ended");
}

#[test]
fn a_program_that_a_signal_ends_has_the_status_of_a_shell() {
    let mut shim = Shim::start(&[], "kill -9 $$");
    assert_eq!(shim.object(), json!({ "type": "exit", "status": 137 }));
    assert_eq!(shim.exit(), 137);
}

#[test]
fn a_long_line_of_the_program_is_bounded_and_a_long_message_is_whole() {
    let script = "head -c 10000000 /dev/zero | tr '\\0' x; echo; while IFS= read -r line; do printf %s \"$line\" | wc -c; done";
    let mut shim = Shim::start(&["--turn", "line"], script);
    let long = shim.object();
    let length = long["content"].as_str().expect("text").len();
    assert!(length > 100_000 && length <= loopgate::limits::AGENT_LINE, "{length}");
    shim.say(&message("b", &"\"x".repeat(500_000)));
    let counted = shim.object();
    assert_eq!(counted["content"].as_str().map(str::trim), Some("1000009"));
}

#[test]
fn what_cannot_be_run_is_said_with_the_reason() {
    for (args, code, wanted) in [
        (&["agent-shim", "--", "/no/such/program"][..], 73, "No such file or directory"),
        (&["agent-shim"], 2, "COMMAND"),
        (&["agent-shim", "--turn", "never", "--", "true"], 2, "`quiet`, `line` or `marker`"),
        (&["agent-shim", "--turn", "line", "--quiet-ms", "50", "--", "true"], 2, "--turn quiet"),
        (&["agent-shim", "--quiet-ms", "1", "--", "true"], 2, "--quiet-ms"),
    ] {
        let mut shim = Command::new(binary())
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shim");
        let mut said = String::new();
        shim.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!(shim.wait().expect("ours").code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
}
