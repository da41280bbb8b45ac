//! `attach`: an agent's terminal on this one, over one WebSocket.
//!
//! This thread has the connection, the keys and the signals, and waits for nothing but them; another
//! one writes to the terminal. Output is asked for from an offset, and asked for again behind
//! whatever breaks off, so that nothing is shown twice or left out unsaid. Keys are sent one piece
//! at a time, the next when the instance has taken the last. Whoever leaves gets the terminal back
//! as it was: its mode, and what the agent had turned on.

mod connection;
mod keys;
mod screen;
mod talk;
mod trouble;
mod whom;

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    mem,
    os::fd::AsFd,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    keys::{Keys, Lost},
    screen::Screen,
    talk::{Request, Said},
    trouble::Trouble,
    whom::Whom,
};
use super::owner;
use crate::{
    cli::{
        outcome::{Exit, Failure},
        output::Output,
        parse::Arguments,
    },
    client::{Answer, Client, ClientError, Heard, Socket},
    sys::{
        poll::{Entry, poll},
        signal::{SIGHUP, SIGINT, SIGTERM, SIGWINCH, SignalFd},
        tty::{self, RawMode},
    },
};

/// Ctrl-]
const LEAVE: u8 = 0x1d;
/// Output from before that is shown on joining: some screens full, and not a flood.
const JOIN: u64 = 64 * 1024;
/// Above this much that waits to be shown, the instance keeps the rest.
const ENOUGH: usize = 256 * 1024;
/// Messages that are heard before keys and signals have their turn again.
const TURN: usize = 16;
/// Keys that wait to be sent, before the keyboard is left alone.
const TYPED: usize = 16 * 1024;
/// The instance says something every ten seconds.
const SILENCE: Duration = Duration::from_secs(35);
/// How long keys typed before leaving are still waited for.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How long the last output of an agent that was removed is listened for.
const LAST_WORDS: Duration = Duration::from_millis(150);
/// And how long where it brings more and more.
const LAST_WORDS_IN_ALL: Duration = Duration::from_secs(5);
/// The close of a WebSocket whose key was changed.
const KEY_ROTATED: u16 = 4001;
/// What the instance says of a terminal that takes no keys for now (spec agentmux E.6).
const QUEUE_FULL: &str = "queue full";

/// `loopgate attach`.
pub fn attach(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let name = arguments.required(0)?;
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, "attach needs a terminal on stdin and stdout")
            .next(Whom::without_terminal(name)?));
    }
    let client = owner()?;
    let (whom, record) = Whom::find(name, &client)?;
    // before any thread starts, so that none of them takes the signals
    let signals = SignalFd::new(&[SIGWINCH, SIGTERM, SIGHUP, SIGINT]).map_err(terminal_failure)?;
    let mut session = Session::new(client, whom, &record)?;
    output.say(&format!("attached to {}; Ctrl-] leaves", session.whom.name()));
    let stdin = io::stdin();
    let raw = RawMode::enter(stdin.as_fd()).map_err(terminal_failure)?;
    let result = session.run(&signals);
    let given_back = session.screen.leave();
    drop(raw);
    if !given_back {
        // A word about it would wait for the same terminal.
        return Err(Failure::output_gone());
    }
    match result? {
        End::Agent => {
            let how = session.whom.how_it_ended(&session.block, &session.client);
            output.say(&format!("{} has ended: {how}", session.whom.name()));
        }
        End::Left => output.say(&format!("left {}; it goes on", session.whom.name())),
    }
    Ok(Exit::Ok.into())
}

fn terminal_failure(error: io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("the terminal cannot be used: {error}"))
}

/// Why nothing more is shown.
#[derive(Clone, Copy)]
enum End {
    /// the agent has ended
    Agent,
    /// the user has left
    Left,
}

struct Session {
    client: Client,
    whom: Whom,
    /// of its terminal
    block: String,
    screen: Arc<Screen>,
    socket: Option<Box<Socket>>,
    /// connections in a row that broke off before they were of use
    attempts: usize,
    /// the number of the key that opened the connection
    key: u64,
    heard: Instant,
    /// there may be more to hear that poll(2) does not know of
    more: bool,
    /// offset of the next byte to show
    next: u64,
    /// where output begins in the middle of something
    joining: bool,
    /// output is asked for
    listening: bool,
    keys: Keys,
    /// the agent is done, and its last output is on its way to the screen
    done: bool,
    /// when to ask whether it has ended, where nobody tells
    look: Option<Instant>,
    /// the user leaves when the keys are sent, and at this moment at the latest
    leaving: Option<Instant>,
}

impl Session {
    fn new(client: Client, whom: Whom, record: &Value) -> Result<Self, Failure> {
        let number = |field: &str| record["output"][field].as_u64().unwrap_or(0);
        let (start, end) = (number("start"), number("end"));
        let next = end.saturating_sub(JOIN).max(start);
        Ok(Self {
            client,
            look: whom.look_every().and_then(|every| Instant::now().checked_add(every)),
            whom,
            block: record["block_id"].as_str().unwrap_or_default().to_owned(),
            screen: Screen::start()?,
            socket: None,
            attempts: 0,
            key: 0,
            heard: Instant::now(),
            more: false,
            next,
            joining: next > start,
            listening: false,
            keys: Keys::default(),
            done: false,
            leaving: None,
        })
    }

    /// Until the user leaves, the output ends or something fails.
    fn run(&mut self, signals: &SignalFd) -> Result<End, Failure> {
        let stdin = io::stdin();
        let mut keyboard = File::from(stdin.as_fd().try_clone_to_owned().map_err(terminal_failure)?);
        self.connect()?;
        loop {
            self.talk()?;
            self.look()?;
            if let Some(ended) = self.screen.ended() {
                return ended.map(|()| End::Agent);
            }
            let now = Instant::now();
            if self.leaving.is_some_and(|until| self.keys.is_empty() || now >= until) {
                return Ok(End::Left);
            }
            let reads = self.leaving.is_none() && self.keys.waiting() < TYPED;
            let (typed, signalled) = self.wait(reads, &stdin, signals)?;
            if signalled {
                match signals.take().map_err(terminal_failure)? {
                    Some(signal) if signal == SIGWINCH => self.resize()?,
                    Some(_) => return Ok(End::Left),
                    None => {}
                }
            }
            if typed {
                let mut buffer = [0; 4096];
                let read = keyboard.read(&mut buffer).map_err(terminal_failure)?;
                let bytes = buffer.get(..read).unwrap_or_default();
                let until = bytes.iter().position(|byte| *byte == LEAVE);
                if !self.done {
                    self.keys.typed(bytes.get(..until.unwrap_or(read)).unwrap_or_default());
                }
                if until.is_some() || read == 0 {
                    self.leaving = Instant::now().checked_add(LEAVE_WITHIN);
                }
            }
        }
    }

    /// Waits for something to happen; whether there are keys and signals.
    fn wait(&self, reads: bool, stdin: &io::Stdin, signals: &SignalFd) -> Result<(bool, bool), Failure> {
        let now = Instant::now();
        let silence = self.socket.as_ref().and_then(|_| self.heard.checked_add(SILENCE));
        let until = [silence, self.keys.again(), self.leaving, self.look].into_iter().flatten().min();
        let timeout = until.map(|until| until.saturating_duration_since(now));
        let more = self.more && self.socket.is_some();
        let timeout = if more { Some(Duration::ZERO) } else { timeout };
        let output = self.socket.as_ref().is_some_and(|socket| socket.wants_output());
        let mut entries = vec![
            Entry::new(stdin.as_fd(), true, false),
            Entry::new(signals.as_fd(), true, false),
            Entry::new(self.screen.wake().as_fd(), true, false),
        ];
        entries.extend(self.socket.as_ref().map(|socket| Entry::new(socket.as_fd(), true, output)));
        // Keys that nobody takes stay in the terminal, where they hold up whoever types them.
        let watched = if reads { entries.as_mut_slice() } else { entries.split_at_mut(1).1 };
        poll(watched, timeout).map_err(terminal_failure)?;
        let ready = |at: usize| entries.get(at).is_some_and(Entry::readable);
        let (typed, signalled) = (reads && ready(0), ready(1));
        self.screen.wake().clear();
        Ok((typed, signalled))
    }

    /// Hears what the instance has said, and says what is to be said.
    fn talk(&mut self) -> Result<(), Failure> {
        match self.hear().and_then(|()| self.say()) {
            Ok(()) => Ok(()),
            Err(Trouble::Failure(failure)) => Err(failure),
            Err(Trouble::Connection(error)) => self.lost(error),
            Err(Trouble::KeyRotated) => self.key_rotated(),
        }
    }

    /// Asks whether an agent has ended whose end nobody tells, when it is time to.
    fn look(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if self.done || self.look.is_none_or(|at| now < at) {
            return Ok(());
        }
        if self.record()?.is_none() {
            return self.finish();
        }
        self.look = self.whom.look_every().and_then(|every| now.checked_add(every));
        Ok(())
    }

    /// A turn's share: a flood must not keep the keys from theirs.
    fn hear(&mut self) -> Result<(), Trouble> {
        self.more = true;
        for _ in 0..TURN {
            let Some(socket) = &mut self.socket else { break };
            match socket.hear()? {
                Heard::Text(text) => {
                    self.heard = Instant::now();
                    self.understand(talk::read(&text, &self.block))?;
                }
                Heard::Nothing | Heard::Busy if self.heard.elapsed() >= SILENCE => {
                    return Err(ClientError::TimedOut("silence".to_owned()).into());
                }
                Heard::Busy => {}
                Heard::Nothing => {
                    self.more = false;
                    break;
                }
                Heard::Closed(KEY_ROTATED) => return Err(Trouble::KeyRotated),
                Heard::Closed(code) => {
                    return Err(ClientError::Broken(format!("the WebSocket was closed ({code})")).into());
                }
            }
        }
        Ok(())
    }

    fn understand(&mut self, said: Said) -> Result<(), Failure> {
        match said {
            Said::Output { offset, bytes } => {
                self.attempts = 0;
                self.show(offset, bytes);
            }
            Said::Done => self.finish()?,
            // It may have ended before anybody would have told us.
            Said::Answer(Request::Status, None) => match self.record()? {
                Some(record) if record["state"] != "done" => {}
                Some(_) | None => self.finish()?,
            },
            Said::Answer(Request::Output, None) | Said::Other => {}
            Said::Answer(Request::Keys, None) => self.keys.taken(),
            Said::Answer(Request::Keys, Some(error)) if error.contains(QUEUE_FULL) => {
                let refused = self.keys.refused(Instant::now());
                self.ring_where(refused);
            }
            // Its terminal is gone: the end is told in its own way.
            Said::Answer(Request::Keys, Some(_)) => self.keys.forget(),
            Said::Answer(Request::Status | Request::Output, Some(error)) => {
                return Err(Failure::new(Exit::Negative, format!("the instance refused: {error}")));
            }
        }
        Ok(())
    }

    /// A bell where keys were lost.
    fn ring_where(&self, keys: Result<(), Lost>) {
        if let Err(Lost) = keys {
            self.screen.output(b"\x07".to_vec());
        }
    }

    /// Says what is to be said now.
    fn say(&mut self) -> Result<(), Trouble> {
        if self.done {
            return Ok(());
        }
        let Some(socket) = &mut self.socket else { return Ok(()) };
        socket.flush()?;
        if let Some(keys) = self.keys.next(Instant::now()) {
            socket.send(talk::keys(&self.block, keys))?;
        }
        // The instance keeps a megabyte of output; here waits no more than can be shown soon.
        let waiting = self.screen.waiting();
        if self.listening && waiting > ENOUGH {
            self.listening = false;
            socket.send(talk::unsubscribe_output())?;
        } else if !self.listening && waiting < ENOUGH / 2 {
            self.listening = true;
            socket.send(talk::subscribe_output(&self.block, self.next))?;
        }
        Ok(())
    }

    /// Shows output that begins at an offset, of which the first bytes may have been shown.
    fn show(&mut self, offset: u64, mut bytes: Vec<u8>) {
        if offset > self.next {
            self.joining = false;
            self.screen.gap(offset - self.next);
            self.next = offset;
        }
        let known = usize::try_from(self.next - offset).unwrap_or(usize::MAX).min(bytes.len());
        bytes.drain(..known);
        self.next = self.next.saturating_add(bytes.len() as u64);
        if mem::take(&mut self.joining) {
            talk::begin_with_a_line(&mut bytes);
        }
        if !bytes.is_empty() {
            self.screen.output(bytes);
        }
    }

    /// The agent is done: fetches what it showed last, and lets the screen come to its end.
    fn finish(&mut self) -> Result<(), Failure> {
        if mem::replace(&mut self.done, true) {
            return Ok(());
        }
        self.keys.forget();
        self.look = None;
        if self.record()?.is_none() {
            self.hear_last_words();
        }
        while let Some(path) = self.whom.output(self.next) {
            let answer = match self.client.get(&path) {
                Ok(answer) if answer.is_success() => answer,
                // Removed meanwhile.
                Ok(_) => break,
                Err(error) => {
                    self.asked_again(error)?;
                    continue;
                }
            };
            let (Some(begin), Some(next)) =
                (number(&answer, "x-loopgate-from"), number(&answer, "x-loopgate-next"))
            else {
                return Err(Failure::new(Exit::Bug, "the instance's answer does not say which output it is"));
            };
            if next == self.next {
                break;
            }
            self.show(begin, answer.body);
            self.next = next;
        }
        self.socket = None;
        self.screen.finish();
        Ok(())
    }

    /// Of an agent that was removed nobody can be asked any more: what the connection still brings is
    /// all there is.
    fn hear_last_words(&mut self) {
        let begun = Instant::now();
        while let Some(socket) = &mut self.socket
            && begun.elapsed() < LAST_WORDS_IN_ALL
        {
            match socket.hear() {
                Ok(Heard::Busy) => {}
                Ok(Heard::Text(text)) => {
                    if let Said::Output { offset, bytes } = talk::read(&text, &self.block) {
                        self.show(offset, bytes);
                    }
                }
                Ok(Heard::Nothing) => {
                    let mut entries = [Entry::new(socket.as_fd(), true, false)];
                    if !poll(&mut entries, Some(LAST_WORDS)).is_ok_and(|ready| ready > 0) {
                        return;
                    }
                }
                Ok(Heard::Closed(_)) | Err(_) => return,
            }
        }
    }

    /// What is known of the agent whose terminal this is; `None` where there is none any more.
    fn record(&self) -> Result<Option<Value>, Failure> {
        let answer = self.whom.look(&self.client).or_else(|error| self.asked_again(error))?;
        match answer.status {
            404 => Ok(None),
            // The name may have become another's.
            _ if answer.is_success() => {
                Ok(Some(answer.json()).filter(|record| record["block_id"] == self.block))
            }
            _ => Err(self.whom.refused(&answer)),
        }
    }

    /// Gives the agent's screen the size of this one, where that is one. Some terminals say 0: it
    /// keeps its own then.
    fn resize(&mut self) -> Result<(), Failure> {
        let size = tty::size(io::stdout().as_fd()).map_err(terminal_failure)?;
        let Some(socket) = &mut self.socket else { return Ok(()) };
        match socket.send(talk::size(&self.block, size)) {
            Ok(()) => Ok(()),
            Err(error) => self.lost(error),
        }
    }
}

fn number(answer: &Answer, header: &str) -> Option<u64> {
    answer.header(header)?.parse().ok()
}
