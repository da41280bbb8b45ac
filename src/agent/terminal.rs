//! The thread of one terminal: moves bytes between it, the ring and the queue.
//!
//! The only reader and the only writer of the terminal. Neither direction waits for the other: a
//! program that floods and one that reads nothing are both only slow themselves.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use super::{
    handle::Agent,
    launch::{Launcher, Program, Running},
    life::lock,
    member::Sink,
    paste::Tracker,
    queue::Action,
    redact::Redactor,
    spawner::Given,
    types::{Delivery, StartError},
};
use crate::{
    limits,
    sys::{
        poll::{self, Entry, Wake},
        pty, random,
        tty::Size,
    },
};

/// More than the kernel hands out of a terminal at once.
const CHUNK: usize = 8 * 1024;
/// Chunks that are read before the queue has its turn again.
const TURN: usize = 32;
/// What a terminal took nothing of for `TERMINAL_WRITE_MS`.
const STUCK: &str = "failed to send input: the terminal takes nothing";

/// A terminal of which the program's side is a keeper's already.
pub(super) struct Opened {
    pub master: Arc<File>,
    pub wake: Arc<Wake>,
    pub block_id: String,
    pub size: Size,
}

/// Runs a program in a new terminal.
pub(super) fn open(
    launcher: &Launcher,
    program: &Program<'_>,
    size: Size,
) -> Result<(Running, Opened), StartError> {
    let block_id = random::uuid().map_err(|_| StartError::Failed("randomness"))?;
    let pty = pty::open(size).map_err(|_| StartError::Failed("terminal"))?;
    let wake = Arc::new(Wake::new().map_err(|_| StartError::Failed("descriptors"))?);
    let running = launcher.run(program, Given::Terminal(pty.slave), wake.clone())?;
    Ok((running, Opened { master: Arc::new(pty.master), wake, block_id, size }))
}

/// Runs until the agent's tree is gone and its last output is read. `ended` is called then: after
/// the agent's state has become done, so that whoever registers an agent and then sees it running
/// is told, and before anybody who waits for the end goes on. `sink` hears what is shown, and
/// each time that the agent has become quiet, with nothing left to type.
pub(super) fn run(agent: &Agent, opened: Opened, sink: Option<&dyn Sink>, ended: impl FnOnce(&Agent)) {
    let Opened { master, wake, .. } = opened;
    let mut terminal = Terminal {
        agent,
        wake,
        master,
        paste: Tracker::default(),
        redactor: Redactor::default(),
        open: true,
        sink,
        busy: true,
    };
    let mut chunk = vec![0; CHUNK];
    while agent.life.end().is_none() {
        terminal.turn(&mut chunk);
    }
    // Nothing of the tree is left to write; a descriptor that was passed out of it is not waited
    // for, and cannot keep us here with what it writes.
    for _ in 0..limits::RING / CHUNK {
        if !terminal.open || !terminal.read(&mut chunk) {
            break;
        }
    }
    terminal.flush();
    lock(&agent.screen).ended = true;
    ended(agent);
    drop(terminal);
    // A done agent is kept until somebody removes it: with its output, and with nothing else.
    agent.life.needs_no_wake();
    let mut screen = lock(&agent.screen);
    screen.ring.shrink();
    screen.master = None;
    drop(screen);
    agent.tell();
    // Dropped, the tags tell the waiting deliveries that the agent has ended.
    lock(&agent.queue).clear().for_each(drop);
}

struct Terminal<'a> {
    agent: &'a Agent,
    wake: Arc<Wake>,
    master: Arc<File>,
    paste: Tracker,
    redactor: Redactor,
    /// Reading still gives something.
    open: bool,
    /// Who wants to know what it shows, and that it is quiet.
    sink: Option<&'a dyn Sink>,
    /// Something was shown or typed, or the program has begun, since it was last said to be quiet.
    busy: bool,
}

/// What the queue waits for.
enum Pause {
    /// A moment, or with `None` the next job.
    Until(Option<u64>),
    /// Room in the terminal, or this moment.
    Room(Option<u64>),
}

impl Terminal<'_> {
    /// Writes what is due, waits, and reads what is there.
    fn turn(&mut self, chunk: &mut [u8]) {
        let (until, room) = match self.write_due() {
            Pause::Until(None) => (self.tell_quiet(), false),
            Pause::Until(until) => (until, false),
            Pause::Room(until) => (until, true),
        };
        let now = self.agent.clock.monotonic_ms();
        let timeout = until.map(|until| Duration::from_millis(until.saturating_sub(now)));
        let mut entries = [
            Entry::new(self.wake.as_fd(), true, false),
            Entry::new(self.master.as_fd(), self.open, room && self.open),
        ];
        // A closed terminal would always be ready: then only the wake counts.
        let watched = if self.open { entries.as_mut_slice() } else { entries.split_at_mut(1).0 };
        let waited = poll::poll(watched, timeout);
        let [woken, readable] = entries.map(|entry| entry.readable());
        if waited.is_err() {
            // Out of kernel memory, say: try again soon, but do not spin.
            std::thread::park_timeout(Duration::from_millis(10));
        }
        if woken {
            self.wake.clear();
        }
        if readable && self.open {
            for _ in 0..TURN {
                if !self.read(chunk) {
                    break;
                }
            }
        }
    }

    /// Says that it is quiet, if it has become so; otherwise gives the moment when it may be.
    fn tell_quiet(&mut self) -> Option<u64> {
        let sink = self.sink.filter(|_| self.busy)?;
        let now = self.agent.clock.monotonic_ms();
        let screen = lock(&self.agent.screen);
        if screen.held {
            return None;
        }
        let due = screen.quiet_at();
        drop(screen);
        if now < due {
            return Some(due);
        }
        self.busy = false;
        sink.quiet();
        None
    }

    fn write_due(&mut self) -> Pause {
        let mut queue = lock(&self.agent.queue);
        loop {
            let now = self.agent.clock.monotonic_ms();
            let bytes = match queue.next(now, self.paste.on()) {
                Action::Write(bytes) => bytes,
                Action::Wait(until) => return Pause::Until(Some(until)),
                Action::Idle => return Pause::Until(None),
                Action::Failed(delivery) => {
                    let _ = delivery.send(Delivery::Failed(STUCK));
                    // Whoever waits for it to be quiet again would wait for ever.
                    self.busy = true;
                    continue;
                }
            };
            match (&*self.master).write(bytes) {
                Ok(0) => return Pause::Room(queue.write_deadline()),
                Ok(count) => {
                    let delivered = queue.wrote(count, now);
                    let mut screen = lock(&self.agent.screen);
                    screen.happened(now);
                    if delivered.is_some() {
                        screen.said(now);
                    }
                    drop(screen);
                    self.busy = true;
                    if let Some(delivery) = delivered {
                        // Whoever asked may have stopped waiting.
                        let _ = delivery.send(Delivery::Delivered);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // No room; or no terminal any more, which the deadline or the agent's end settles.
                Err(_) => return Pause::Room(queue.write_deadline()),
            }
        }
    }

    /// Reads one chunk into the ring; whether there may be more.
    fn read(&mut self, chunk: &mut [u8]) -> bool {
        match (&*self.master).read(chunk) {
            Ok(0) => self.open = false,
            Ok(count) => {
                let output = chunk.get(..count).unwrap_or_default();
                self.paste.push(output);
                let mut clean = Vec::with_capacity(count);
                self.redactor.push(output, &mut clean);
                self.show(&clean);
                return true;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return true,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            // EIO: nobody has the terminal open, and what was written to it has been read.
            Err(_) => self.open = false,
        }
        false
    }

    fn flush(&mut self) {
        let mut rest = Vec::new();
        self.redactor.finish(&mut rest);
        self.show(&rest);
    }

    fn show(&mut self, output: &[u8]) {
        self.busy = true;
        let mut screen = lock(&self.agent.screen);
        screen.happened(self.agent.clock.monotonic_ms());
        screen.ring.push(output);
        drop(screen);
        self.agent.tell();
        if let Some(sink) = self.sink {
            sink.shown(output);
        }
    }
}
