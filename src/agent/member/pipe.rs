//! The thread of one member that is spoken to over pipes.
//!
//! The only reader of its output and the only writer of its input; it waits for neither. A turn reads a
//! bounded amount of each stream, so that a flood starves neither the writing nor the end, and what is not
//! read stays in the pipe, where the program waits for it.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Full, Sink, Stream, lines::Lines, outgoing::Outgoing};
use crate::{
    agent::{
        launch::{Launcher, Program, Running},
        life::{Life, lock},
        redact,
        spawner::Given,
        types::{Exit, StartError},
    },
    limits,
    sys::{
        inherited,
        poll::{self, Entry, Wake},
    },
};

/// What a pipe holds, as the kernel makes them.
const CHUNK: usize = 64 * 1024;
/// Chunks that are read of one stream before the others have their turn.
const TURN: usize = 2;
/// The most that is read of one stream after the tree is gone: what a pipe of an ordinary user's program
/// can hold. Who was passed a descriptor out of the tree cannot keep us with what he writes.
const REST: usize = 1024 * 1024;

/// Our ends of the three pipes.
pub(super) struct Pipes {
    stdin: File,
    stdout: File,
    stderr: File,
    wake: Arc<Wake>,
}

/// Runs a program with three new pipes.
pub(super) fn open(launcher: &Launcher, program: &Program<'_>) -> Result<(Running, Pipes), StartError> {
    let (pipes, theirs) = pipes().map_err(|_| StartError::Failed("descriptors"))?;
    let running = launcher.run(program, Given::Pipes(theirs), pipes.wake.clone())?;
    Ok((running, pipes))
}

fn pipes() -> io::Result<(Pipes, [OwnedFd; 3])> {
    let (their_stdin, stdin) = io::pipe()?;
    let (stdout, their_stdout) = io::pipe()?;
    let (stderr, their_stderr) = io::pipe()?;
    let [stdin, stdout, stderr] = [OwnedFd::from(stdin), stdout.into(), stderr.into()].map(File::from);
    for ours in [&stdin, &stdout, &stderr] {
        // Of our ends alone: the program's are as a program expects them.
        inherited::do_not_block(ours)?;
    }
    let pipes = Pipes { stdin, stdout, stderr, wake: Arc::new(Wake::new()?) };
    Ok((pipes, [their_stdin.into(), their_stdout.into(), their_stderr.into()]))
}

/// What the thread and the callers share.
#[derive(Default)]
pub(super) struct Desk {
    outgoing: Mutex<Outgoing>,
    done: Mutex<bool>,
    changed: Condvar,
}

impl Desk {
    /// Queues a line; the caller wakes the thread.
    pub fn say(&self, line: Vec<u8>) -> Result<(), Full> {
        lock(&self.outgoing).push(line)
    }

    /// Whether a line of `length` would be queued now.
    pub fn has_room(&self, length: usize) -> bool {
        lock(&self.outgoing).has_room(length)
    }

    /// The input ends with what is queued.
    pub fn close(&self) {
        lock(&self.outgoing).close();
    }

    /// Waits for the thread to be done, until `end`; whether it is.
    pub fn wait_done(&self, end: Instant) -> bool {
        let mut done = lock(&self.done);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if *done || left.is_zero() {
                return *done;
            }
            done = self.changed.wait_timeout(done, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Runs until the member's tree is gone and its last output is read. `ended` is called then, before
/// anybody who waits for the end goes on.
pub(super) fn run(desk: &Desk, life: &Life, pipes: Pipes, sink: &dyn Sink, ended: impl FnOnce(Option<Exit>)) {
    let Pipes { stdin, stdout, stderr, wake } = pipes;
    let mut thread = Thread {
        desk,
        sink,
        wake,
        stdin: Some(stdin),
        out: Output::new(Stream::Out, stdout),
        err: Output::new(Stream::Err, stderr),
        chunk: vec![0; CHUNK],
    };
    let exit = loop {
        if let Some(exit) = life.end() {
            break exit;
        }
        thread.turn();
    };
    let Thread { mut out, mut err, mut chunk, stdin, .. } = thread;
    drop(stdin);
    lock(&desk.outgoing).give_up();
    for output in [&mut out, &mut err] {
        let mut rest = REST;
        while rest > 0 && output.read(&mut chunk, sink) {
            rest = rest.saturating_sub(CHUNK);
        }
        output.finish(sink);
    }
    // A done member that somebody still holds keeps none of our descriptors.
    drop((out, err, chunk));
    life.needs_no_wake();
    ended(exit);
    *lock(&desk.done) = true;
    desk.changed.notify_all();
}

struct Thread<'a> {
    desk: &'a Desk,
    sink: &'a dyn Sink,
    wake: Arc<Wake>,
    /// Until the program or we have closed it.
    stdin: Option<File>,
    out: Output,
    err: Output,
    chunk: Vec<u8>,
}

struct Output {
    stream: Stream,
    /// Until its end.
    pipe: Option<File>,
    lines: Lines,
}

impl Thread<'_> {
    /// Writes what there is room for, waits, and reads what is there.
    fn turn(&mut self) {
        let full = self.write();
        let mut entries = vec![Entry::new(self.wake.as_fd(), true, false)];
        for output in [&self.out, &self.err] {
            // A stream that has ended would always be ready.
            entries.extend(output.pipe.as_ref().map(|pipe| Entry::new(pipe.as_fd(), true, false)));
        }
        entries
            .extend(self.stdin.as_ref().filter(|_| full).map(|pipe| Entry::new(pipe.as_fd(), false, true)));
        if poll::poll(&mut entries, None).is_err() {
            // Out of kernel memory, say: try again soon, but do not spin.
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let woken = entries.first().is_some_and(Entry::readable);
        drop(entries);
        if woken {
            self.wake.clear();
        }
        for output in [&mut self.out, &mut self.err] {
            for _ in 0..TURN {
                if !output.read(&mut self.chunk, self.sink) {
                    break;
                }
            }
        }
    }

    /// Writes what there is room for; whether something waits for room.
    fn write(&mut self) -> bool {
        let mut outgoing = lock(&self.desk.outgoing);
        loop {
            let Some(stdin) = &mut self.stdin else { return false };
            let Some(bytes) = outgoing.next() else {
                if outgoing.is_over() {
                    self.stdin = None;
                }
                return false;
            };
            match stdin.write(bytes) {
                Ok(count) => outgoing.wrote(count),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                // The program has closed its input: nothing of what waits will ever be read.
                Err(_) => {
                    outgoing.give_up();
                    self.stdin = None;
                }
            }
        }
    }
}

impl Output {
    fn new(stream: Stream, pipe: File) -> Self {
        Self { stream, pipe: Some(pipe), lines: Lines::new(limits::AGENT_LINE) }
    }

    /// Reads one chunk; whether there may be more at once.
    fn read(&mut self, chunk: &mut [u8], sink: &dyn Sink) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        match pipe.read(chunk) {
            Ok(count) if count > 0 => {
                let output = chunk.get(..count).unwrap_or_default();
                self.lines.push(output, |line, cut| {
                    sink.line(self.stream, &redact::of_line(line, cut), cut);
                });
                return true;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return true,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            // The end, or a pipe that cannot be read any more.
            Ok(_) | Err(_) => {
                self.finish(sink);
                self.pipe = None;
            }
        }
        false
    }

    /// A line that has begun is one.
    fn finish(&mut self, sink: &dyn Sink) {
        self.lines.finish(|line, cut| sink.line(self.stream, &redact::of_line(line, cut), cut));
    }
}
