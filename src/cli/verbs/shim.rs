//! `agent-shim`: makes an agent of a swarm of any program that reads and prints lines (spec genswarms E.3).
//!
//! It stands between the instance and the program, in one thread that polls: neither of the two can hold it
//! up, and what either does not take is bounded and left in the other's pipe. What the lines mean is the
//! business of [`words`].

mod words;

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use words::{Manner, Turn, Words};

use crate::{
    agent::Lines,
    cli::{
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
    },
    limits,
    sys::{
        inherited,
        poll::{self, Entry},
        process::PidFd,
    },
};

/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// What is written at once to our own standard output: a pipe that has room at all has room for this.
const WRITE: usize = 4096;
/// Beyond this nothing more is read for a side until it has taken some of it.
const WAITING: usize = 1024 * 1024;
/// The most that is read of one stream after the program has ended: what its pipe may hold.
const REST: usize = 1024 * 1024;
/// Silence that ends a turn, in milliseconds, where nobody says otherwise.
const QUIET_MS: u64 = 500;

/// `loopgate agent-shim`.
pub fn agent_shim(arguments: &Arguments, _: &mut Output) -> Result<ExitCode, Failure> {
    let manner = manner(arguments)?;
    let words = arguments.operands()?;
    let (program, rest) = words.split_first().ok_or_else(|| usage("agent-shim: no command".to_owned()))?;
    let started = Command::new(program)
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = started.map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default().to_owned();
        Failure::new(Exit::CannotCreate, format!("the program cannot be started: {reason}"))
    })?;
    let lost = |error: io::Error| Failure::new(Exit::TryLater, format!("the program is lost: {error}"));
    let mut shim = Shim::new(child, Words::new(manner)).map_err(lost)?;
    match shim.run() {
        Ok(status) => Ok(ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))),
        Err(error) => {
            // Nobody hears the program any more.
            let _ = shim.child.kill();
            let _ = shim.child.wait();
            Err(if error.kind() == io::ErrorKind::BrokenPipe { Failure::output_gone() } else { lost(error) })
        }
    }
}

fn manner(arguments: &Arguments) -> Result<Manner, Failure> {
    let quiet = arguments.number("--quiet-ms", 10..=600_000)?.and_then(|ms| u64::try_from(ms).ok());
    let turn = match (arguments.text("--turn")?, quiet) {
        (None | Some("quiet"), quiet) => Turn::Quiet(quiet.unwrap_or(QUIET_MS)),
        (Some("marker"), None) => Turn::Marker,
        (Some("line"), None) => Turn::Line,
        (Some("marker" | "line"), Some(_)) => {
            return Err(usage("agent-shim: --quiet-ms goes with --turn quiet".to_owned()));
        }
        (Some(_), _) => return Err(usage("agent-shim: --turn is marker, quiet or line".to_owned())),
    };
    Ok(Manner { nul: arguments.has("--nul"), turn, routing: !arguments.has("--no-name-routing") })
}

struct Shim {
    child: Child,
    ended: PidFd,
    words: Words,
    begin: Instant,
    /// The program's input, until it or ours has ended.
    input: Option<File>,
    /// What the program is still to be told, and the instance.
    to_program: Pending,
    to_instance: Pending,
    told: Stream,
    out: Stream,
    err: Stream,
}

/// What waits to be written. Invariant: `written <= bytes.len()`.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    written: usize,
}

/// What is read line by line.
struct Stream {
    /// Until its end.
    from: Option<File>,
    lines: Lines,
}

impl Shim {
    fn new(mut child: Child, words: Words) -> io::Result<Self> {
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let input = File::from(OwnedFd::from(child.stdin.take().ok_or_else(missing)?));
        let out = File::from(OwnedFd::from(child.stdout.take().ok_or_else(missing)?));
        let err = File::from(OwnedFd::from(child.stderr.take().ok_or_else(missing)?));
        for ours in [&input, &out, &err] {
            inherited::do_not_block(ours)?;
        }
        let told = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self {
            ended: PidFd::open(child.id())?,
            child,
            words,
            begin: Instant::now(),
            input: Some(input),
            to_program: Pending::default(),
            to_instance: Pending::default(),
            // The longest line that an instance writes.
            told: Stream { from: Some(told), lines: Lines::new(limits::SAY_QUEUE_BYTES) },
            out: Stream { from: Some(out), lines: Lines::new(limits::AGENT_LINE) },
            err: Stream { from: Some(err), lines: Lines::new(limits::AGENT_LINE) },
        })
    }

    /// Until the program has ended and all it said is passed on; its status as a shell tells it.
    fn run(&mut self) -> io::Result<i64> {
        let mut chunk = vec![0; CHUNK];
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status_of(status);
            }
            self.turn(&mut chunk)?;
        };
        // A child of its own may hold the pipes and write on: it is not waited for.
        for _ in 0..REST / CHUNK {
            if !self.hear(&mut chunk, true, true) {
                break;
            }
        }
        let Self { words, out, err, to_instance, .. } = self;
        let now = now(self.begin);
        out.lines.finish(|line, _| words.out(line, now, &mut to_instance.bytes));
        err.lines.finish(|line, _| words.err(line, &mut to_instance.bytes));
        words.ended(status, &mut to_instance.bytes);
        while !self.to_instance.rest().is_empty() {
            let stdout = io::stdout();
            poll::poll(&mut [Entry::new(stdout.as_fd(), false, true)], None)?;
            self.tell_instance()?;
        }
        Ok(status)
    }

    /// Waits, and moves what can be moved.
    fn turn(&mut self, chunk: &mut [u8]) -> io::Result<()> {
        let deaf = self.to_instance.rest().len() >= WAITING;
        let (stdout, told) =
            (io::stdout(), self.told.from.as_ref().filter(|_| self.to_program.rest().len() < WAITING));
        let [out, err] = [&self.out.from, &self.err.from].map(|from| from.as_ref().filter(|_| !deaf));
        let input = self.input.as_ref().filter(|_| !self.to_program.rest().is_empty());
        let instance = (!self.to_instance.rest().is_empty()).then(|| stdout.as_fd());
        // In this order below.
        let watched: [Option<Entry<'_>>; 6] = [
            told.map(|from| Entry::new(from.as_fd(), true, false)),
            out.map(|from| Entry::new(from.as_fd(), true, false)),
            err.map(|from| Entry::new(from.as_fd(), true, false)),
            input.map(|to| Entry::new(to.as_fd(), false, true)),
            instance.map(|to| Entry::new(to, false, true)),
            Some(Entry::new(self.ended.as_fd(), true, false)),
        ];
        let which: Vec<usize> =
            (0..watched.len()).filter(|at| watched.get(*at).is_some_and(Option::is_some)).collect();
        let mut entries: Vec<_> = watched.into_iter().flatten().collect();
        let now_ms = now(self.begin);
        let timeout = self.words.deadline().map(|due| Duration::from_millis(due.saturating_sub(now_ms)));
        poll::poll(&mut entries, timeout)?;
        let mut ready = [false; 6];
        for (at, entry) in which.into_iter().zip(&entries) {
            if let Some(ready) = ready.get_mut(at) {
                *ready = entry.readable() || entry.writable();
            }
        }
        drop(entries);
        let [told, out, err, input, instance, _] = ready;
        if told {
            self.take_told(chunk)?;
        }
        if input || told {
            self.tell_program();
        }
        self.hear(chunk, out, err);
        self.words.tick(now(self.begin), &mut self.to_instance.bytes);
        if instance { self.tell_instance() } else { Ok(()) }
    }

    /// Reads what the instance says; it is not read of without a word from `poll`, because our standard
    /// input may block.
    fn take_told(&mut self, chunk: &mut [u8]) -> io::Result<()> {
        let Some(from) = &mut self.told.from else { return Ok(()) };
        let count = match from.read(chunk) {
            Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                return Ok(());
            }
            read => read?,
        };
        let (words, program) = (&mut self.words, &mut self.to_program.bytes);
        let piece = chunk.get(..count).unwrap_or_default();
        self.told.lines.push(piece, |line, _| words.told(line, program));
        if count == 0 {
            self.told.lines.finish(|line, _| words.told(line, program));
            self.told.from = None;
        }
        Ok(())
    }

    /// Writes what the program takes; its input ends where ours has.
    fn tell_program(&mut self) {
        while let Some(input) = &mut self.input {
            if self.to_program.rest().is_empty() {
                if self.told.from.is_none() {
                    self.input = None;
                }
                return;
            }
            match input.write(self.to_program.rest()) {
                Ok(count) => self.to_program.wrote(count),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.input = None,
            }
        }
        // It reads nothing any more.
        self.to_program = Pending::default();
    }

    /// Reads a chunk of each stream that may have one; whether there was any.
    fn hear(&mut self, chunk: &mut [u8], out: bool, err: bool) -> bool {
        let now = now(self.begin);
        let (words, instance) = (&mut self.words, &mut self.to_instance.bytes);
        let heard = out && self.out.read(chunk, |line| words.out(line, now, instance));
        let logged = err && self.err.read(chunk, |line| words.err(line, instance));
        heard || logged
    }

    fn tell_instance(&mut self) -> io::Result<()> {
        let rest = self.to_instance.rest();
        let piece = rest.get(..WRITE).unwrap_or(rest);
        // Not through the buffer of std's own handle, which writes when it likes.
        let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        match stdout.write(piece) {
            Ok(count) => self.to_instance.wrote(count),
            Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

impl Pending {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        // Moved rarely, so that each byte is moved about once.
        if self.written.saturating_mul(2) >= self.bytes.len() {
            self.bytes.drain(..self.written.min(self.bytes.len()));
            self.written = 0;
            self.bytes.shrink_to(WAITING);
        }
    }
}

impl Stream {
    fn read(&mut self, chunk: &mut [u8], mut line: impl FnMut(&[u8])) -> bool {
        let Some(from) = &mut self.from else { return false };
        match from.read(chunk) {
            Ok(count) if count > 0 => {
                self.lines.push(chunk.get(..count).unwrap_or_default(), |text, _| line(text));
                return true;
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Ok(_) | Err(_) => {
                self.lines.finish(|text, _| line(text));
                self.from = None;
            }
        }
        false
    }
}

/// Milliseconds since the begin.
fn now(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The exit code, or 128 and the signal.
fn status_of(status: ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt;
    let signal = || status.signal().unwrap_or_default().saturating_add(128);
    i64::from(status.code().unwrap_or_else(signal))
}
