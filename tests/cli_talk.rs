//! What a person at a terminal is told on stderr, and a pipe is not: sentences in lines that fit, a colour, how far
//! something is that takes long.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    time::Duration,
};

use loopgate::sys::tty::Size;
use serde_json::{Value, json};
use stand_in::{always, inode, loopgate, new_home, ran, write_key_file};
use support::{PATIENCE, TempDir};
use terminal::OnTerminal;

const NARROW: Size = Size { rows: 24, cols: 40 };

/// What a command says on a terminal of 40 columns.
fn said(home: &Path, args: &[&str], env: &[(&str, &str)]) -> String {
    let mut terminal = OnTerminal::start(loopgate(home, args).envs(env.iter().copied()), NARROW);
    terminal.end();
    terminal.text()
}

#[test]
fn a_sentence_on_stderr_fits_the_terminal_and_is_one_line_in_a_pipe() {
    let (_temp, home) = new_home();
    let piped = ran(&mut loopgate(&home, &["stats"]));
    assert_eq!((piped.code, piped.err.lines().count()), (Some(2), 2), "{}", piped.err);
    assert!(piped.err.lines().all(|line| !line.contains('\u{1b}')) && piped.err.len() > 80, "{}", piped.err);
    let shown = said(&home, &["stats"], &[("TERM", "dumb")]);
    assert!(shown.lines().count() > 2 && shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&shown), words(&piped.err));
    let painted = said(&home, &["stats"], &[("TERM", "xterm")]);
    assert!(painted.starts_with("\u{1b}[31mloopgate:\u{1b}[0m "), "{painted:?}");
    for env in [&[("TERM", "xterm"), ("NO_COLOR", "1")][..], &[("TERM", "dumb")], &[]] {
        assert!(!said(&home, &["stats"], env).contains('\u{1b}'), "{env:?}");
    }
}

#[test]
fn what_is_typed_wrong_or_finds_nothing_is_told_as_it_is() {
    let (_temp, home) = new_home();
    for (args, says) in [
        (&["--versoin"][..], "did you mean `--version`?"),
        (&["--hlep"], "did you mean `--help`?"),
        (&["events", "--limit", "x"], "a number from 1 on and not `x`"),
        (&["logs", "-n", "x"], "a number from 1 to 1000 and not `x`"),
    ] {
        let wrong = ran(&mut loopgate(&home, args));
        assert!(wrong.code == Some(2) && wrong.err.contains(says), "{args:?}: {}", wrong.err);
    }
    let none = always(200, &json!({"logs": [], "events": [], "next": 0}));
    for (args, says) in
        [(["logs", "s"], "nothing of that was logged yet"), (["events", "-e"], "no such event")]
    {
        let person = ran(&mut loopgate(&none.home, &args));
        assert_eq!((person.code, person.out.as_str()), (Some(0), ""), "{}", person.err);
        assert!(person.err.starts_with(says), "{}", person.err);
        let program = ran(loopgate(&none.home, &args).arg("--json"));
        assert_eq!((program.out.as_str(), program.err.as_str()), ("", ""));
    }
    let status =
        |reason: Value| json!({"name": "s", "agents": [{"name": "a", "state": "error", "reason": reason}]});
    for (reason, says) in
        [(Value::Null, "a is in state error\n"), (json!("why"), "a is in state error: why\n")]
    {
        let ill = always(200, &status(reason));
        assert_eq!(ran(&mut loopgate(&ill.home, &["status", "s"])).err, says);
    }
}

/// A server that says how far a swarm is, and answers whoever starts or ends it when it is told to.
struct Slow {
    _temp: TempDir,
    home: PathBuf,
    asked: Receiver<()>,
    answer: Sender<()>,
}

fn slow(states: &[&str]) -> Slow {
    let (temp, home) = new_home();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    write_key_file(
        &home,
        listener.local_addr().expect("an address"),
        std::process::id(),
        Some(inode(&listener)),
    );
    let server = tiny_http::Server::from_listener(listener, None).expect("a server");
    let agents: Vec<Value> = states.iter().map(|state| json!({"name": "a", "state": state})).collect();
    let status = json!({"name": "ring", "agents": agents, "config": {"agent_count": states.len()}});
    let json = |body: &Value| {
        let kind = tiny_http::Header::from_bytes("Content-Type", "application/json").expect("a header");
        tiny_http::Response::from_string(body.to_string()).with_header(kind)
    };
    let ((ask, asked), (answer, answered)) = (channel(), channel::<()>());
    std::thread::spawn(move || {
        let (mut held, mut over) = (Vec::new(), false);
        loop {
            match answered.try_recv() {
                Ok(()) => over = true,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
            if over {
                for request in held.drain(..) {
                    let _ = tiny_http::Request::respond(
                        request,
                        json(&json!({"status": "stopped", "swarm_name": "ring"})),
                    );
                }
            }
            let Ok(Some(request)) = server.recv_timeout(Duration::from_millis(20)) else { continue };
            if *request.method() == tiny_http::Method::Get {
                let _ = request.respond(json(&status));
            } else {
                held.push(request);
                let _ = ask.send(());
            }
        }
    });
    Slow { _temp: temp, home, asked, answer }
}

#[test]
fn what_takes_long_says_how_far_it_is_on_a_terminal_and_nowhere_else() {
    for (args, waits, told) in [
        (["start", "ring"], "waiting for swarm ring to start: 2 of 5 agents run (", "started ring"),
        (["stop", "ring"], "waiting for swarm ring to end: 1 of 5 agents have ended (", "stopped ring"),
    ] {
        let server = slow(&["idle", "working", "initializing", "initializing", "stopped"]);
        // Before the one at the terminal, so that they wait for longer.
        let mut piped = loopgate(&server.home, &args);
        let piped = piped.env("TERM", "xterm").stdout(Stdio::piped()).stderr(Stdio::piped());
        let piped = piped.spawn().expect("it runs");
        let mut dumb = OnTerminal::start(loopgate(&server.home, &args).env("TERM", "dumb"), NARROW);
        for _ in 0..2 {
            server.asked.recv_timeout(PATIENCE).expect("it is asked for");
        }
        let wide = Size { cols: 100, ..NARROW };
        let mut terminal = OnTerminal::start(loopgate(&server.home, &args).env("TERM", "xterm"), wide);
        terminal.until(waits);
        server.answer.send(()).expect("the server is there");
        let codes = [terminal.end(), dumb.end()];
        let (shown, plain) = (terminal.text(), dumb.text());
        let piped = piped.wait_with_output().expect("it ends");
        assert_eq!((codes, piped.status.code()), ([Some(0); 2], Some(0)), "{shown}{plain}");
        let (_, last) = shown.rsplit_once("waiting for").expect("it was shown");
        let (_, behind) = last.split_once("\r\u{1b}[K").expect("and taken away again");
        assert!(behind.starts_with(told) && !behind.contains('\u{1b}'), "{shown:?}");
        assert!(plain.starts_with(told), "{plain:?}");
        assert_eq!(String::from_utf8_lossy(&piped.stderr), "");
    }
}
