//! The instance's side of letting a program into its sandbox.
//!
//! All of it has one deadline. The shim is our own program and nothing else runs in the sandbox yet; all the same
//! it is believed nothing that can be looked at: what it passes out has to be one listening TCP socket on the
//! sandbox's loopback, in a network that is not ours, before anything is served on it.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Instant,
};

use super::{Layers, Order, Step, inside::GO, line::Line, word::Word};
use crate::sys::socket_kind::{self, Family};

/// Why a program was not let in. It has run in none of these cases but [`NotIn::Late`], after the go: who gets
/// an error ends the sandbox.
#[derive(Debug)]
pub enum NotIn<E> {
    /// The order is none, or the system did not do what it always does.
    System(io::Error),
    /// The sandbox ended before the program could run: it could not be built, or was killed.
    Gone,
    /// It was not done in time.
    Late,
    /// The shim said or passed what it never does.
    Refused(&'static str),
    /// A step inside failed, with this error of the system.
    Failed(Step, i32),
    /// All was ready, and the system did not run the program, with this error.
    NotRun(i32),
    /// What was to be ready outside is not.
    NotReady(E),
}

impl<E: fmt::Display> fmt::Display for NotIn<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(f, "the sandbox could not be spoken to: {error}"),
            Self::Gone => f.write_str("the sandbox could not be built"),
            Self::Late => f.write_str("the sandbox was not ready in time"),
            Self::Refused(what) => write!(f, "the sandbox is not as it has to be: {what}"),
            Self::Failed(step, errno) => {
                write!(f, "{}: {}", step.sentence(), io::Error::from_raw_os_error(*errno))
            }
            Self::NotRun(errno) => {
                write!(f, "{}: {}", Step::Exec.sentence(), io::Error::from_raw_os_error(*errno))
            }
            Self::NotReady(error) => write!(f, "{error}"),
        }
    }
}

/// Lets the program of `order` run in the sandbox whose shim has the other end of `socket`, and returns when it
/// does. `ready` gets the listener, where the order names a port; it has to accept on it when it returns. What
/// was applied inside is told.
pub fn let_in<E>(
    socket: UnixStream,
    order: &Order,
    until: Instant,
    ready: impl FnOnce(Option<TcpListener>) -> Result<(), E>,
) -> Result<Layers, NotIn<E>> {
    with(socket, order, until, is_elsewhere, ready)
}

/// The same; whether a listener is in a network that is not ours, `elsewhere` knows.
pub(super) fn with<E>(
    socket: UnixStream,
    order: &Order,
    until: Instant,
    elsewhere: impl FnOnce(&TcpListener) -> io::Result<bool>,
    ready: impl FnOnce(Option<TcpListener>) -> Result<(), E>,
) -> Result<Layers, NotIn<E>> {
    let bytes = order.encode().map_err(NotIn::System)?;
    let line = Line::new(socket, until).map_err(NotIn::System)?;
    // A shim that could not begin has said so, or has gone, and takes no order: what it said comes first.
    let sent = line.send(&bytes, None);
    let (word, descriptors) = hear(&line)?.ok_or(NotIn::Gone)?;
    let layers = match word {
        Word::Confined(layers) => layers,
        Word::Failed(step, errno) => return Err(NotIn::Failed(step, errno)),
    };
    sent.map_err(of_line)?;
    if !layers.seccomp {
        return Err(NotIn::Refused("no system call filter"));
    }
    let mut descriptors = descriptors.into_iter();
    let listener = match (order.port, descriptors.next(), descriptors.next()) {
        (None, None, None) => None,
        (Some(port), Some(one), None) => Some(listener(one, port, elsewhere)?),
        (_, None, _) => return Err(NotIn::Refused("no listener came out of it")),
        (None, Some(_), _) | (Some(_), Some(_), Some(_)) => {
            return Err(NotIn::Refused("more came out of it than one listener"));
        }
    };
    ready(listener).map_err(NotIn::NotReady)?;
    if !line.is_silent() {
        return Err(NotIn::Refused("it did not wait"));
    }
    if Instant::now() >= until {
        return Err(NotIn::Late);
    }
    line.send(&[GO], None).map_err(of_line)?;
    match hear(&line)? {
        // Becoming the program has closed the other end.
        None => Ok(layers),
        Some((Word::Failed(Step::Exec, errno), none)) if none.is_empty() => Err(NotIn::NotRun(errno)),
        Some(_) => Err(NotIn::Refused("it said what it never does")),
    }
}

/// One word and nothing behind it, or the end.
fn hear<E>(line: &Line) -> Result<Option<(Word, Vec<OwnedFd>)>, NotIn<E>> {
    // One byte more than a word has: that there is nothing behind it is seen at once.
    let mut bytes = [0; Word::SIZE + 1];
    let (mut got, mut descriptors) = (0_usize, Vec::new());
    while got < Word::SIZE {
        let rest = bytes.get_mut(got..).unwrap_or_default();
        let (count, more) = line.receive(rest).map_err(of_line)?;
        descriptors.extend(more);
        match (count, got) {
            (0, 0) if descriptors.is_empty() => return Ok(None),
            (0, _) => return Err(NotIn::Gone),
            (_, _) => got = got.saturating_add(count),
        }
        if descriptors.len() > 1 {
            return Err(NotIn::Refused("more came out of it than one listener"));
        }
    }
    let word = match bytes {
        [word @ .., _] if got == Word::SIZE => Word::decode(word),
        _ => None,
    };
    word.map(|word| Some((word, descriptors))).ok_or(NotIn::Refused("it said what it never does"))
}

fn of_line<E>(error: io::Error) -> NotIn<E> {
    match error.kind() {
        io::ErrorKind::WouldBlock => NotIn::Late,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => NotIn::Gone,
        _ => NotIn::System(error),
    }
}

/// What came out as the listener that it has to be.
fn listener<E>(
    came: OwnedFd,
    port: u16,
    elsewhere: impl FnOnce(&TcpListener) -> io::Result<bool>,
) -> Result<TcpListener, NotIn<E>> {
    let number = u32::try_from(came.as_raw_fd()).unwrap_or(u32::MAX);
    // An error is that of something that is no socket at all.
    let kind = socket_kind::describe(number).ok().filter(|kind| kind.family == Family::Tcp && kind.listening);
    let listener = TcpListener::from(came);
    let at = listener.local_addr().ok();
    if kind.is_none() || at != Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        return Err(NotIn::Refused("what came out of it is no listener on its loopback"));
    }
    match elsewhere(&listener) {
        Ok(true) => Ok(listener),
        Ok(false) => Err(NotIn::Refused("it has no network of its own")),
        Err(error) => Err(NotIn::System(error)),
    }
}

/// Whether the listener is in another network than we are. One in ours would be open to every program here.
fn is_elsewhere(listener: &TcpListener) -> io::Result<bool> {
    let (ours, _) = UnixStream::pair()?;
    match (socket_kind::network(listener.as_fd())?, socket_kind::network(ours.as_fd())?) {
        (Some(theirs), Some(ours)) => Ok(theirs != ours),
        // Linux before 5.14 does not say. A port that is free here is not the one that it listens on.
        (_, None) | (None, _) => match TcpListener::bind(listener.local_addr()?) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => Ok(false),
            Err(e) => Err(e),
        },
    }
}

#[cfg(test)]
mod tests;
