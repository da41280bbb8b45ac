//! `attach`: an agent's terminal on this one.
//!
//! One thread fetches the agent's output by long-poll and shows it through the display filter;
//! this one sends keys and sizes. Whoever leaves gets the terminal back as it was: its mode, and
//! what the agent had turned on.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    os::fd::AsFd,
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::{agents::state, client_failure, expect_success, owner, refusal, segment};
use crate::{
    cli::{
        display::{self, Filter},
        outcome::{Exit, Failure},
        output::Output,
        parse::Arguments,
    },
    client::{Answer, Client, ClientError},
    sys::{
        poll::{Entry, Wake, poll},
        signal::{SIGHUP, SIGINT, SIGTERM, SIGWINCH, SignalFd},
        tty::{self, RawMode},
    },
    wire::base64,
};

/// Ctrl-]
const LEAVE: u8 = 0x1d;
/// How long one request waits for output.
const WAIT: Duration = Duration::from_secs(20);
/// How long to wait before asking again when the instance says "later".
const LATER: Duration = Duration::from_millis(50);
/// How often an instance whose answer broke off is asked whether it is still there.
const ASKED_AGAIN: usize = 20;
/// And how long that is apart.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How often keys are offered to a terminal that takes none, before they are dropped.
const OFFERS: usize = 40;
/// Bytes that are written to the terminal before it is asked again whether the user has left.
const PIECE: usize = 1024;
/// How long a terminal that takes nothing is waited for when the user leaves.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// `loopgate attach`.
pub fn attach(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let name = arguments.required(0)?;
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let path = format!("/api/v1/agents/{}/output", segment(name));
        return Err(Failure::new(Exit::Usage, "attach needs a terminal on stdin and stdout")
            .next(format!("`loopgate api GET {path}` prints the output that is kept")));
    }
    let client = owner()?;
    let path = format!("/api/v1/agents/{}", segment(name));
    expect_success(client.get(&path))?;
    // before any thread starts, so that none of them takes the signals
    let signals = SignalFd::new(&[SIGWINCH, SIGTERM, SIGHUP, SIGINT]).map_err(terminal_failure)?;
    let session = Arc::new(Session {
        client,
        path,
        screen: Mutex::new(Screen { filter: Filter::new(), ended: None }),
        left: AtomicBool::new(false),
        wake: Wake::new().map_err(terminal_failure)?,
    });
    output.say(&format!("attached to {}; Ctrl-] leaves", display::line(name)));
    let stdin = io::stdin();
    let raw = RawMode::enter(stdin.as_fd()).map_err(terminal_failure)?;
    let shower = Arc::clone(&session);
    let result = thread::Builder::new()
        .name("screen".into())
        .spawn(move || shower.show())
        .map_err(terminal_failure)
        .and_then(|_| session.keys(&signals));
    let given_back = session.leave();
    drop(raw);
    if !given_back {
        // A word about it would wait for the same terminal.
        return Err(Failure::output_gone());
    }
    let ended = session.screen().ended.take();
    match (result, ended) {
        (Err(failure), _) | (Ok(()), Some(Err(failure))) => Err(failure),
        (Ok(()), Some(Ok(()))) => {
            output.say(&format!("{} has ended: {}", display::line(name), session.how_it_ended()));
            Ok(Exit::Ok.into())
        }
        (Ok(()), None) => {
            output.say(&format!("left {}; it goes on", display::line(name)));
            Ok(Exit::Ok.into())
        }
    }
}

fn terminal_failure(error: io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("the terminal cannot be used: {error}"))
}

struct Session {
    client: Client,
    /// of the agent
    path: String,
    screen: Mutex<Screen>,
    /// nothing may be written any more
    left: AtomicBool,
    /// tells the thread that reads keys that the screen's has ended
    wake: Wake,
}

struct Screen {
    filter: Filter,
    /// why the output has ended: the agent has, or something failed
    ended: Option<Result<(), Failure>>,
}

impl Session {
    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For an agent that has ended: its state. One that was stopped has none any more.
    fn how_it_ended(&self) -> String {
        match self.client.get(&self.path) {
            Ok(answer) if answer.is_success() => state(&answer.json()),
            Ok(_) => "it was stopped".to_owned(),
            Err(error) => format!("how is not known: {error}"),
        }
    }

    /// The screen's thread: shows output until there is no more.
    fn show(&self) {
        let ended = self.show_all();
        self.screen().ended = Some(ended);
        self.wake.wake();
    }

    fn show_all(&self) -> Result<(), Failure> {
        let mut from: Option<u64> = None;
        loop {
            let mut path = format!("{}/output?wait={}", self.path, WAIT.as_millis());
            if let Some(from) = from {
                path.push_str(&format!("&from={from}"));
            }
            let answer = self.client.get_waiting(&path, WAIT).map_err(|error| self.broken(error))?;
            if answer.status == 503 {
                thread::park_timeout(LATER);
                continue;
            }
            if !answer.is_success() {
                return Err(refusal(&answer));
            }
            let (Some(begin), Some(next)) =
                (number(&answer, "x-loopgate-from"), number(&answer, "x-loopgate-next"))
            else {
                return Err(Failure::new(Exit::Bug, "the instance's answer does not say which output it is"));
            };
            if answer.header("x-loopgate-gap") == Some("true") {
                self.screen().filter.skip();
                let lost = begin.saturating_sub(from.unwrap_or(0));
                self.write(format!("\r\n[loopgate: gap, {lost} bytes were not shown]\r\n").as_bytes())?;
            }
            self.write(&answer.body)?;
            if answer.body.is_empty() && answer.header("x-loopgate-state") == Some("done") {
                return Ok(());
            }
            from = Some(next);
        }
    }

    /// An answer that broke off says less than asking again does: mostly, the instance has ended. Its
    /// listener may be gone a moment after its connections, so one question is not enough.
    fn broken(&self, error: ClientError) -> Failure {
        let mut last = error;
        for _ in 0..ASKED_AGAIN {
            match &last {
                ClientError::Broken(_) => {}
                ClientError::NotRunning(_)
                | ClientError::Unproven(_)
                | ClientError::TimedOut(_)
                | ClientError::TooLarge
                | ClientError::Address
                | ClientError::Credential
                | ClientError::Request => break,
            }
            match self.client.get(&self.path) {
                Ok(_) => break,
                Err(error) => last = error,
            }
            thread::park_timeout(ASKED_AGAIN_AFTER);
        }
        client_failure(&last)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut screen = self.screen();
        let mut shown = Vec::new();
        screen.filter.feed(bytes, &mut shown);
        let mut stdout = io::stdout().lock();
        for piece in shown.chunks(PIECE) {
            if self.left.load(Ordering::SeqCst) {
                break;
            }
            stdout.write_all(piece).and_then(|()| stdout.flush()).map_err(terminal_failure)?;
        }
        Ok(())
    }

    /// Gives the terminal back: from here on nothing more is written, and what the agent had
    /// turned on is turned off. False where the terminal takes nothing: whoever waits for one that
    /// is stuck could not be ended by a signal.
    fn leave(self: &Arc<Self>) -> bool {
        self.left.store(true, Ordering::SeqCst);
        let (done, told) = mpsc::channel();
        let session = Arc::clone(self);
        let giver = thread::Builder::new().name("leave".into()).spawn(move || {
            let mut screen = session.screen();
            let mut bytes = screen.filter.leave();
            bytes.extend(b"\r\n");
            let mut stdout = io::stdout().lock();
            // without a terminal there is nothing to give back
            let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            let _ = done.send(());
        });
        giver.is_ok() && told.recv_timeout(LEAVE_WITHIN).is_ok()
    }

    /// Keys and sizes to the agent, until the user leaves or the output ends.
    fn keys(&self, signals: &SignalFd) -> Result<(), Failure> {
        let stdin = io::stdin();
        let mut keys = File::from(stdin.as_fd().try_clone_to_owned().map_err(terminal_failure)?);
        self.resize()?;
        loop {
            let (typed, signalled, woken) = {
                let mut entries = [
                    Entry::new(stdin.as_fd(), true, false),
                    Entry::new(signals.as_fd(), true, false),
                    Entry::new(self.wake.as_fd(), true, false),
                ];
                poll(&mut entries, None).map_err(terminal_failure)?;
                let [typed, signalled, woken] = &entries;
                (typed.readable(), signalled.readable(), woken.readable())
            };
            if woken {
                return Ok(());
            }
            if signalled {
                match signals.take().map_err(terminal_failure)? {
                    Some(signal) if signal == SIGWINCH => self.resize()?,
                    Some(_) => return Ok(()),
                    None => {}
                }
            }
            if typed {
                let mut buffer = [0; 4096];
                let read = keys.read(&mut buffer).map_err(terminal_failure)?;
                let bytes = buffer.get(..read).unwrap_or_default();
                let until = bytes.iter().position(|byte| *byte == LEAVE);
                self.offer(bytes.get(..until.unwrap_or(read)).unwrap_or_default())?;
                if until.is_some() || read == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Sends keys; a terminal that takes none for two seconds loses them, with a bell.
    fn offer(&self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let body = json!({ "data64": base64::encode(bytes) });
        for _ in 0..OFFERS {
            let answer = self.client.post(&format!("{}/input", self.path), &body);
            let answer = answer.map_err(|error| self.broken(error))?;
            match answer.status {
                503 => thread::park_timeout(LATER),
                // the agent has ended: the screen's thread says so when it has shown the rest
                409 => return Ok(()),
                _ if answer.is_success() => return Ok(()),
                _ => return Err(refusal(&answer)),
            }
        }
        self.write(b"\x07")
    }

    /// Gives the agent's screen the size of this one, where that is one.
    fn resize(&self) -> Result<(), Failure> {
        let size = tty::size(io::stdout().as_fd()).map_err(terminal_failure)?;
        let body = json!({ "rows": size.rows, "cols": size.cols });
        let answer = self.client.post(&format!("{}/resize", self.path), &body);
        let answer = answer.map_err(|error| self.broken(error))?;
        match answer.status {
            // out of bounds (some terminals say 0): it keeps its own; ended: see `offer`
            400 | 409 => Ok(()),
            _ if answer.is_success() => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }
}

fn number(answer: &Answer, header: &str) -> Option<u64> {
    answer.header(header)?.parse().ok()
}
