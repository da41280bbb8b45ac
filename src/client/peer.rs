//! A letter to another instance of the same user: one request on a connection of its own.
//!
//! The other side is a program of the same user that may be broken, slow or gone, and its port may be
//! another's by now. So it costs no more than a bounded time and a bounded answer, and not one byte leaves
//! before the kernel has said twice who listens there. What is told of a failure tells one thing above all:
//! whether anything can have arrived.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ureq::{
    Agent, Error,
    config::Config,
    http::{HeaderValue, Request, Uri},
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{ConnectionDetails, Connector, LazyBuffers, NextTimeout},
    },
};

use super::{
    ANSWER_HEAD, Answer,
    pinned::{ConnectError, Pinned, Unproven},
    timed::Timed,
};
use crate::{limits, store::KeyFileError, sys::socket, wire::secret::Secret};

/// Where letters go (spec agentmux I.2).
const INJECT: &str = "/agentmux/reactive/inject";

/// How long one letter may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// until the connection stands
    pub connect: Duration,
    /// until the answer is whole, the connection included
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(limits::FORWARD_CONNECT_MS),
            total: Duration::from_millis(limits::FORWARD_MS),
        }
    }
}

/// The listener that a letter is for.
#[derive(Clone, Copy)]
pub struct Listener<'a> {
    /// loopback
    pub at: SocketAddr,
    /// the process that has it
    pub pid: u32,
    /// its socket, as it was found a moment ago
    pub inode: u64,
    /// what lets us in there
    pub key: Option<&'a Secret>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerError {
    /// nothing arrived: nobody listens there
    NoListener,
    /// nothing arrived: no connection in time, or none at all
    NoConnection,
    /// nothing arrived: somebody else listens there
    Impostor,
    /// nothing arrived: the kernel does not tell who listens, or a descriptor is missing
    Unknown,
    /// nothing arrived: the key is none
    Key,
    /// it may have arrived: no whole answer in time
    Silent,
    /// it may have arrived: the connection broke
    Broken,
    /// it may have arrived: the answer is too large, or no HTTP
    Junk,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoListener => "nobody listens there any more",
            Self::NoConnection => "it let nobody connect in time",
            Self::Impostor => "something else listens there, and got nothing",
            Self::Unknown => "the kernel does not tell who listens there",
            Self::Key => "its key cannot be sent",
            Self::Silent => "it did not answer in time",
            Self::Broken => "the connection broke",
            Self::Junk => "its answer is none",
        })
    }
}

impl std::error::Error for PeerError {}

/// Sends a letter and waits for the answer, [`Patience::total`] at most.
pub fn post(to: Listener<'_>, body: &[u8], patience: Patience) -> Result<Answer, PeerError> {
    if !to.at.ip().is_loopback() || to.at.port() == 0 {
        return Err(PeerError::NoConnection);
    }
    let mut request = Request::post(format!("http://{}{INJECT}", to.at))
        .header("content-type", "application/json")
        .header("connection", "close");
    if let Some(key) = to.key {
        let mut value = HeaderValue::from_bytes(key.expose()).map_err(|_| PeerError::Key)?;
        value.set_sensitive(true);
        request = request.header("x-authkey", value);
    }
    let request = request.body(body).map_err(|_| PeerError::Key)?;
    let way = Way {
        pinned: Pinned::instance(to.at, to.pid, Some(to.inode)),
        connect: patience.connect,
        until: Instant::now() + patience.total,
        stands: Arc::default(),
    };
    let why = |error| if way.stands.load(Ordering::SeqCst) { lost(&error) } else { unsent(error) };
    let agent = agent(way.clone());
    let mut response = agent.run(request).map_err(why)?;
    let status = response.status().as_u16();
    // ureq's limit is the first size that is too large
    let limit = (limits::FORWARD_ANSWER as u64).saturating_add(1);
    let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(why)?;
    Ok(Answer { status, headers: Vec::new(), body })
}

/// The way to one listener, for one request.
#[derive(Debug, Clone)]
struct Way {
    pinned: Pinned,
    connect: Duration,
    until: Instant,
    /// whether there was a connection to who it should be: only then was anything sent
    stands: Arc<AtomicBool>,
}

impl Resolver for Way {
    fn resolve(&self, uri: &Uri, config: &Config, within: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        self.pinned.resolve(uri, config, within)
    }
}

impl Connector for Way {
    type Out = Timed;

    /// Looks, connects, and looks again, each time for the same socket.
    ///
    /// Nobody gets in between. Both looks find a listener of this inode, so it is the same socket and it was
    /// there all the time: a number comes again only after four thousand million other sockets. While a
    /// socket listens on a port the kernel lets no other listen there, on its address or on all, unless both
    /// have set SO_REUSEPORT; that the process of the first must have wanted, and whom it trusts it could
    /// give its key too. So it was the one listener when the connection was made, and a connection stays in
    /// its listener's queue, whoever listens there later. Who was there before is seen by the first look, and
    /// who came in between by the second, for he cannot give the port back to the socket that lost it.
    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Timed>, Error> {
        self.pinned.prove()?;
        let left = self.until.saturating_duration_since(Instant::now()).min(self.connect);
        let stream = self.pinned.tcp(left.max(Duration::from_millis(1))).map_err(|error| match error {
            ConnectError::Unproven(error) => Error::Other(Box::new(Unproven(error))),
            ConnectError::Io(error) => Error::Io(error),
        })?;
        stream.set_nodelay(true)?;
        self.stands.store(true, Ordering::SeqCst);
        let (input, output) = (details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Timed::new(stream, LazyBuffers::new(input, output), self.until)))
    }
}

/// Before the connection stood.
fn unsent(error: Error) -> PeerError {
    match error {
        Error::Other(error) => match error.downcast::<Unproven>() {
            Ok(unproven) => unlike(&unproven.0),
            Err(_) => PeerError::Unknown,
        },
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => PeerError::NoListener,
        Error::Io(error) if socket::out_of_descriptors(&error) => PeerError::Unknown,
        _ => PeerError::NoConnection,
    }
}

/// What the kernel said of the listener.
fn unlike(error: &KeyFileError) -> PeerError {
    match error {
        KeyFileError::NoListener(_) | KeyFileError::Dead(_) | KeyFileError::Missing => PeerError::NoListener,
        KeyFileError::ForeignListener(_) | KeyFileError::ForeignProcess(_) => PeerError::Impostor,
        KeyFileError::Unknown(_) | KeyFileError::File(_) | KeyFileError::Malformed(_) => PeerError::Unknown,
    }
}

/// After the connection stood.
fn lost(error: &Error) -> PeerError {
    match error {
        Error::Timeout(_) => PeerError::Silent,
        Error::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData => PeerError::Junk,
            _ => PeerError::Broken,
        },
        Error::ConnectionFailed => PeerError::Broken,
        _ => PeerError::Junk,
    }
}

/// Its deadlines are those of the [`Way`].
fn agent(way: Way) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .max_response_header_size(ANSWER_HEAD)
        .input_buffer_size(32 * 1024)
        .output_buffer_size(16 * 1024)
        .user_agent(concat!("loopgate/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, way.clone(), way)
}

#[cfg(test)]
#[path = "peer/tests.rs"]
mod tests;
