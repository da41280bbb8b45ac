//! `loopgate keeper`: holds one agent's tree, and ends it.
//!
//! As subreaper it gets every orphan of the tree, however deep and whatever session it is in. When
//! the command has exited, when the instance says so or is gone (the end of its side of the
//! socket), or on a signal, it kills all descendants, again and again, until the kernel says that
//! there is no child left. It holds no secret: the order is forgotten once the command runs.

use std::{
    collections::HashSet,
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            net::UnixStream,
        },
    },
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use super::{
    order::{Order, Report},
    tree,
};
use crate::sys::{
    inherited,
    poll::{self, Entry},
    process,
    signal::{self, SignalFd},
    stage,
};

/// Between two rounds of killing, where no child has ended in between.
const ROUND: Duration = Duration::from_millis(5);
/// Exit code for a keeper that was not started by an instance.
const USAGE: u8 = 2;

/// The program of the keeper process: the socket is its descriptor 0, the terminal 1. Where the command has
/// pipes, they are the first three of these numbers, for its descriptors 0, 1 and 2; it inherits the others.
pub fn run(given: &[i32]) -> ExitCode {
    // First of all: these numbers must not have come to mean anything of our own.
    let Ok(given) = given.iter().map(|number| inherited::take(*number)).collect::<io::Result<Vec<_>>>()
    else {
        return ExitCode::from(USAGE);
    };
    let Ok(control) = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return ExitCode::from(USAGE);
    };
    if control.peer_addr().is_err() {
        let _ = writeln!(io::stderr(), "loopgate keeper: is started by an instance, not by hand");
        return ExitCode::from(USAGE);
    }
    match keep(control, given) {
        Ok(()) => ExitCode::SUCCESS,
        // Nothing runs yet where an error can still happen; the instance sees the end of our side.
        Err(_) => ExitCode::FAILURE,
    }
}

fn keep(mut control: UnixStream, given: Vec<File>) -> io::Result<()> {
    process::harden()?;
    process::become_subreaper()?;
    process::close_on_exec()?;
    let ends = [signal::SIGTERM, signal::SIGINT, signal::SIGHUP];
    let signals = SignalFd::new(&[&ends[..], &[signal::SIGCHLD]].concat())?;
    let order = Order::read(&mut control)?;
    // A report must not block the killing.
    control.set_nonblocking(true)?;
    let mut keeper = match start(order, given) {
        Ok(pid) => Keeper { control, signals, command: pid },
        Err(report) => {
            let _ = control.write_all(&report.encode());
            return Ok(());
        }
    };
    keeper.report(Report::Started(keeper.command));
    keeper.hold();
    keeper.kill_all();
    Ok(())
}

fn start(order: Order, mut given: Vec<File>) -> Result<u32, Report> {
    let errno = |e: io::Error| e.raw_os_error().unwrap_or_default();
    let cwd = Path::new(OsStr::from_bytes(&order.cwd));
    env::set_current_dir(cwd).map_err(|e| Report::NoDirectory(errno(e)))?;
    let mut words = order.command.into_iter().map(OsString::from_vec);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env_clear();
    for line in &order.env {
        let at = line.iter().position(|&b| b == b'=').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        command.env(OsStr::from_bytes(name), OsStr::from_bytes(value.get(1..).unwrap_or_default()));
    }
    let extra = given.split_off(if order.pipes { given.len().min(3) } else { 0 });
    let started = streams(order.pipes, given).and_then(|[stdin, stdout, stderr]| {
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        if let Some((user, places)) = order.user {
            stage::show(&mut command, user, places)?;
        }
        // After the user: whoever becomes another one does not die with his parent any more.
        process::in_own_session(&mut command, order.descriptors, !order.pipes && !order.caged);
        for descriptor in extra {
            inherited::pass(&mut command, descriptor.into());
        }
        command.spawn()
    });
    // Our copies of what it is given go with it: a pipe must end where the agent lets go of it.
    drop(command);
    // Not to keep a directory busy that the agent may want to remove.
    let _ = env::set_current_dir("/");
    match started {
        Ok(child) => Ok(child.id()),
        Err(e) => Err(Report::NotStarted(errno(e))),
    }
}

/// The command's standard streams.
fn streams(piped: bool, pipes: Vec<File>) -> io::Result<[Stdio; 3]> {
    let terminal = || io::stdout().as_fd().try_clone_to_owned().map(Stdio::from);
    match (piped, <[File; 3]>::try_from(pipes)) {
        (true, Ok(pipes)) => Ok(pipes.map(Stdio::from)),
        (false, Err(none)) if none.is_empty() => Ok([terminal()?, terminal()?, terminal()?]),
        // An instance never says one thing and gives the other.
        (true, Err(_)) | (false, _) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

struct Keeper {
    control: UnixStream,
    signals: SignalFd,
    command: u32,
}

/// Whether there are children left.
#[derive(PartialEq, Eq)]
enum Left {
    Some,
    None,
}

impl Keeper {
    /// Until the tree is to be ended.
    fn hold(&mut self) {
        loop {
            let mut entries = [
                Entry::new(self.control.as_fd(), true, false),
                Entry::new(self.signals.as_fd(), true, false),
            ];
            if poll::poll(&mut entries, None).is_err() {
                return;
            }
            let [told, signalled] = entries.map(|entry| entry.readable());
            if told && self.is_told_to_end() {
                return;
            }
            if signalled && self.take_signals() {
                return;
            }
            if self.reap().1 {
                return;
            }
        }
    }

    /// The instance sends nothing after the order: anything but "nothing yet" is the end.
    fn is_told_to_end(&mut self) -> bool {
        let read = self.control.read(&mut [0; 64]);
        !read.is_err_and(|e| matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted))
    }

    /// Takes all pending signals; whether one of them asks for the end.
    fn take_signals(&self) -> bool {
        let mut end = false;
        while let Ok(Some(number)) = self.signals.take() {
            end |= number != signal::SIGCHLD;
        }
        end
    }

    /// Reaps whoever has ended; also tells whether the command was among them.
    fn reap(&mut self) -> (Left, bool) {
        let mut command_ended = false;
        loop {
            match process::reap(None, false) {
                Ok(Some((pid, exit))) if pid == self.command => {
                    command_ended = true;
                    // Its number may now come to mean another process.
                    self.command = 0;
                    self.report(Report::Ended(exit));
                }
                Ok(Some(_)) => {}
                Ok(None) => return (Left::Some, command_ended),
                // ECHILD: the kernel's word that nothing is left.
                Err(_) => return (Left::None, command_ended),
            }
        }
    }

    fn kill_all(&mut self) {
        let nobody = HashSet::new();
        while self.reap().0 == Left::Some {
            // What could not be seen now is killed in a later round: only ECHILD ends them.
            let _ = tree::kill_round(&nobody);
            let mut entries = [Entry::new(self.signals.as_fd(), true, false)];
            let _ = poll::poll(&mut entries, Some(ROUND));
            self.take_signals();
        }
    }

    fn report(&mut self, report: Report) {
        // The instance may be gone: then nobody needs to know.
        let _ = self.control.write_all(&report.encode());
    }
}
