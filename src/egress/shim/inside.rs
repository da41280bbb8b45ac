//! The program of the shim: our own code inside the sandbox, until it becomes the agent's.
//!
//! Each step either is done or ends it; nothing is tried a second way. It holds no secret of the instance: the
//! order has what the program gets anyway. What runs outside has made sure that nobody else is in here yet.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            net::UnixStream,
            process::CommandExt,
        },
    },
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use super::{Limits, Order, Step, confine, line::Line, order::LARGEST, word::Word};
use crate::sys::{
    inherited,
    process::{self, Resource},
};

/// The one byte that lets the program run.
pub(super) const GO: u8 = b'g';
/// The instance gives up long before; this is for one that is gone without a word.
const WITHIN: Duration = Duration::from_secs(60);
/// Exit code for a shim that was not started by an instance.
const USAGE: u8 = 2;

/// A step that failed, and the system's number for why.
pub(super) struct Failed(Step, i32);

impl Failed {
    pub fn at(step: Step) -> impl Fn(io::Error) -> Self {
        // Where the system has none, it was not as it has to be.
        move |error| Self(step, error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

/// Runs it. `socket` is the number of the descriptor over which the order comes.
pub fn run(socket: i32) -> ExitCode {
    // First of all: the number must not have come to mean anything of our own.
    let socket = inherited::take(socket).map(|file| UnixStream::from(OwnedFd::from(file)));
    let line = socket.and_then(|socket| {
        socket.peer_addr()?;
        let now = Instant::now();
        Line::new(socket, now.checked_add(WITHIN).unwrap_or(now))
    });
    let Ok(line) = line else {
        let _ = writeln!(io::stderr(), "loopgate sandbox-shim: is started by an instance, not by hand");
        return ExitCode::from(USAGE);
    };
    if let Err(Failed(step, errno)) = become_the_program(&line) {
        // Nobody may be there to hear it: then nobody needs to.
        let _ = line.send(&Word::Failed(step, errno).encode(), None);
    }
    ExitCode::FAILURE
}

/// Returns only where it did not come to it.
fn become_the_program(line: &Line) -> Result<(), Failed> {
    process::close_inherited(line.number()).map_err(Failed::at(Step::Descriptors))?;
    process::harden().map_err(Failed::at(Step::Hide))?;
    let order = order(line).map_err(Failed::at(Step::Order))?;
    let places = confine::places(&order).map_err(Failed::at(Step::Place))?;
    bound(&order.limits).map_err(Failed::at(Step::Limits))?;
    // All descriptors of a user that are on their way in sockets are counted against the limit of who sends. So the
    // listener goes out under a higher one than any program in a sandbox has.
    let most = process::raise_descriptor_limit().map_err(Failed::at(Step::Limits))?.ours;
    let programs = order.limits.descriptors.min(most.saturating_sub(most / 4));
    let listener = order.port.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).transpose();
    let listener = listener.map_err(Failed::at(Step::Listen))?;
    if order.terminal {
        process::take_terminal().map_err(Failed::at(Step::Terminal))?;
    }
    env::set_current_dir(Path::new(OsStr::from_bytes(&order.cwd))).map_err(Failed::at(Step::Directory))?;
    let layers = confine::confine(&order, places)?;
    process::close_on_exec().map_err(Failed::at(Step::Descriptors))?;
    let said = line.send(&Word::Confined(layers).encode(), listener.as_ref().map(AsFd::as_fd));
    // From here on it is the instance's alone.
    drop(listener);
    process::bound(Resource::Descriptors, programs).map_err(Failed::at(Step::Limits))?;
    if said.is_err() || !is_let_in(line) {
        return Ok(());
    }
    Err(Failed::at(Step::Exec)(command(order).exec()))
}

fn order(line: &Line) -> io::Result<Order> {
    let mut length = [0; 4];
    line.receive_exactly(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    line.receive_exactly(&mut body)?;
    Order::decode(&body).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Waits for the go. The end of the other side, or anything else, is none.
fn is_let_in(line: &Line) -> bool {
    let mut said = [0; 1];
    line.receive_exactly(&mut said).is_ok() && said == [GO]
}

/// All but that of descriptors.
fn bound(limits: &Limits) -> io::Result<()> {
    let Limits { memory, processes, cpu_seconds, file_size, descriptors: _ } = *limits;
    for (resource, most) in [
        (Resource::Memory, memory),
        (Resource::Processes, processes),
        (Resource::CpuSeconds, cpu_seconds),
        (Resource::FileSize, file_size),
    ] {
        if let Some(most) = most {
            process::bound(resource, most)?;
        }
    }
    Ok(())
}

/// The program with its own environment and nothing of ours; it is looked up in its own PATH.
fn command(order: Order) -> Command {
    let mut words = order.command.into_iter().map(OsString::from_vec);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env_clear();
    for line in &order.env {
        let at = line.iter().position(|&b| b == b'=').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        command.env(OsStr::from_bytes(name), OsStr::from_bytes(value.get(1..).unwrap_or_default()));
    }
    command
}
